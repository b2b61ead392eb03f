"""Language models whose layers are not all attention: what they have of it is taken, the rest is the identity."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import slow_flow
import tiny_models
import torch
import transformers as hf
from fakes import FakeSegmenter, picture

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import memory
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, Config, VlmOptions
from vlsam_ros.errors import ConfigError, ModelLoadError
from vlsam_ros.pipeline import VLSam
from vlsam_ros.recognition.attention import maps
from vlsam_ros.recognition.flow import flow

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
QUESTIONS = ["List every object.", "What is on the road, near or far away?", "?", "List every object."]
TEXT = tiny_models.TEXT | {"num_hidden_layers": 4}
LINEAR = {"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4}
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 16}
EVERY_OTHER = ["linear_attention", "full_attention"] * 2


def qwen3_5() -> hf.PreTrainedConfig:
    """Gated linear attention in three of four layers."""
    kinds = ["linear_attention", "full_attention", "linear_attention", "full_attention"]
    return hf.Qwen3_5TextConfig(**TEXT, **LINEAR, head_dim=16, layer_types=kinds)


def lfm2() -> hf.PreTrainedConfig:
    """Short convolutions."""
    kinds = ["conv", "full_attention", "conv", "full_attention"]
    return hf.Lfm2Config(**TEXT, layer_types=kinds, block_auto_adjust_ff_dim=False)


def jamba() -> hf.PreTrainedConfig:
    """State spaces."""
    return hf.JambaConfig(**TEXT, attn_layer_period=2, attn_layer_offset=1, num_experts=2, mamba_d_state=8)


def falcon_h1() -> hf.PreTrainedConfig:
    """State spaces beside the attention of each layer."""
    own = {**MAMBA, "mamba_d_head": 8, "mamba_d_ssm": 32}
    return hf.FalconH1Config(**TEXT, **own)


def granite() -> hf.PreTrainedConfig:
    """State spaces of Mamba 2."""
    return hf.GraniteMoeHybridConfig(
        **TEXT, **MAMBA, layer_types=EVERY_OTHER, num_local_experts=0, shared_intermediate_size=32
    )


def nemotron_h() -> hf.PreTrainedConfig:
    """State spaces, and layers of a feed-forward network alone."""
    sizes = {"mamba_num_heads": 4, "mamba_head_dim": 16, "ssm_state_size": 8, "n_groups": 1, "chunk_size": 16}
    kinds = ["mamba", "attention", "mlp", "attention"]
    return hf.NemotronHConfig(
        **{k: v for k, v in TEXT.items() if k != "num_hidden_layers"}, **sizes, layers_block_type=kinds, head_dim=8
    )


ATTENTION = {qwen3_5: [1, 3], lfm2: [1, 3], jamba: [1, 3], falcon_h1: [0, 1, 2, 3], granite: [1, 3]} | {
    nemotron_h: [1, 3]
}
"""Text model -> its layers with attention."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable], Path]:
    """Text model -> a LLaVA with it, saved once."""
    made: dict[Callable, Path] = {}

    def get(text: Callable) -> Path:
        if text not in made:
            made[text] = tiny_models.llava(tmp_path_factory.mktemp(text.__name__), text())
        return made[text]

    return get


def load(folder: Path, **options: object) -> TransformersVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 8, **options}))


@pytest.fixture(scope="module")
def models(folders: Callable) -> Callable[[Callable], TransformersVlm]:
    loaded: dict[Callable, TransformersVlm] = {}

    def get(text: Callable) -> TransformersVlm:
        if text not in loaded:
            loaded[text] = load(folders(text))
        return loaded[text]

    return get


each = pytest.mark.parametrize("text", ATTENTION, ids=lambda text: text.__name__)


@each
@pytest.mark.parametrize("options", [{}, {"beams": 2}, {"temperature": 1.5}], ids=["greedy", "beams", "sampled"])
def test_layers_are_those_with_attention_and_equal_the_models_own(
    folders: Callable, text: Callable, options: dict
) -> None:
    vlm = load(folders(text), **options)
    assert vlm._layers == tuple(ATTENTION[text]) and vlm._reuse == "equal"
    torch.manual_seed(3)
    answer = vlm.answer(VIEW, QUESTIONS[:1])[0]
    torch.manual_seed(3)
    own = _eager(vlm, QUESTIONS[0])
    assert answer.layers == len(own) == len(ATTENTION[text])
    for index, attention in enumerate(own):
        layer = answer.layer(index).whole()
        assert (slow_flow.slow_scores(layer) - attention).abs().max() < 6e-6
        assert attention.max(-1).values.mean() > 1.5 / answer.length  # says something


@each
def test_maps_equal_the_models_own_attention_composed_over_those_layers(models: Callable, text: Callable) -> None:
    """The flow of the paper by hand, from what the model itself returns: S' = mean of S · W, (I + S'D)(I + ...)."""
    vlm = models(text)
    answer, layers = vlm.answer(VIEW, QUESTIONS[:1])[0], _eager(vlm, QUESTIONS[0])
    n = answer.length
    damping, eye, flow = torch.diag((torch.arange(n) + 1) / n), torch.eye(n), None
    for s in layers:
        weight = s.max(-1).values.mean(-1)
        step = (s * weight[:, None, None]).mean(0) @ damping
        flow = step if flow is None else (eye + step) @ (eye + flow)
    rows = [answer.first_row, answer.first_row + 2]
    expected = flow[rows].mean(0)[answer.layout.columns].numpy()
    (((found,),),) = maps([[answer]], [[[rows]]], AttentionOptions())
    assert np.allclose(found, (expected - expected.min()) / np.ptp(expected), atol=2e-5)


OPTIONS: list[dict] = [
    {"regulariser": "end"},
    {"regulariser": "off", "residual": "half"},
    {"residual": "half", "first_layer": 1},
    {"preset": "decaf", "contrast": "none"},
    {"flow": "last", "first_layer": 1},
    {"flow": "mean", "head_weight": "mean"},
    {"contrast": "null"},
]


@each
def test_options_of_the_flow_count_those_layers_alone(models: Callable, text: Callable) -> None:
    answer = models(text).answer(VIEW, QUESTIONS[:1])[0]
    layers = [answer.layer(index).whole() for index in range(answer.layers)]
    start = torch.eye(answer.length)[answer.first_row :]
    for options in (AttentionOptions(**given) for given in OPTIONS):
        expected = slow_flow.slow_flow(start, layers, options, answer.layout.positions)
        found = flow([answer], [start], options)[0]
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max(), options
    with pytest.raises(ConfigError, match=f"expected less than {len(layers)}, got {len(layers)}"):
        flow([answer], [start], AttentionOptions(first_layer=len(layers)))


def test_the_whole_pipeline_takes_a_hybrid_whose_presets_change_live(
    folders: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, image = load(folders(qwen3_5), max_new_tokens=24), picture((120, 160), {"red box": [(20, 30, 60, 70)]})
    tiny_models.say(vlm, [*vlm._tokenizer("red box", add_special_tokens=False)["input_ids"], 1], monkeypatch)
    flat = {"views.tile_rows": 0, "views.far": 0, "attention.contrast": "preset"}
    detector, heats = VLSam(vlm, FakeSegmenter(), Config()), []
    for change in [
        *({"attention.preset": preset} for preset in ("vlsam", "decaf", "hidden", "product", "vlsam")),
        {"attention.preset": "product", "attention.contrast": "null"},
        {"attention.preset": "product", "attention.contrast": "background", "vlm.view_batch": 1},
    ]:
        detector.configure(Config.from_flat(flat | change))
        found = detector(image)
        assert [text for *_, text in found.answers] == ["red box"] * len(found.answers) != []
        heats.append(found.heat)
    assert np.array_equal(heats[0], heats[4])
    assert not any(np.array_equal(a, b) for i, a in enumerate(heats[:4]) for b in heats[:i])
    detector.configure(Config.from_flat({"attention.preset": "hidden", "attention.hidden_layer": 9}))
    with pytest.raises(ConfigError, match="attention.hidden_layer: expected less than 4, got 9"):
        detector(image)


@each
def test_questions_together_equal_each_alone(models: Callable, text: Callable) -> None:
    vlm = models(text)
    for shared, question in zip(vlm.answer(VIEW, QUESTIONS), QUESTIONS, strict=True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vlm, "_reuse", "none")
            alone = vlm.answer(VIEW, [question])[0]
        assert (shared.text, shared.length, shared.token_spans) == (alone.text, alone.length, alone.token_spans)
        assert np.allclose(shared.probabilities, alone.probabilities, atol=1e-4)
        for index in range(alone.layers):
            a, b = shared.layer(index), alone.layer(index)
            assert torch.allclose(a.query, b.query, atol=1e-4) and torch.allclose(a.key, b.key, atol=1e-4)


@each
def test_views_of_another_size_in_between_change_nothing(models: Callable, text: Callable) -> None:
    vlm = models(text)
    first = [a.text for a in vlm.answer(VIEW, QUESTIONS[:2])]
    assert vlm.write(VIEW, QUESTIONS[1], 5)[0] == first[1][:5] or vlm.write(VIEW, QUESTIONS[1], 5)[0] in first[1]
    assert [[a.text for a in own] for own in vlm.answer_views([VIEW[:40], VIEW], QUESTIONS[:2])][1] == first


@each
def test_the_memory_of_an_answer_is_known_from_the_configuration(models: Callable, text: Callable) -> None:
    config = models(text)._model.config
    one, two = (memory.generation(config, torch.float16, 100, 10, 20, 1, count) for count in (1, 2))
    width = sum(sum(memory._widths(config.get_text_config())) for _ in ATTENTION[text])
    assert one.kept == 130 * width * 2 and one.cache < two.cache and one.working > 0


def mamba_2() -> hf.PreTrainedConfig:
    """No attention at all."""
    sizes = {"num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1, "chunk_size": 16}
    return hf.Mamba2Config(hidden_size=32, num_hidden_layers=2, vocab_size=tiny_models.VOCABULARY, **sizes)


def zamba_2() -> hf.PreTrainedConfig:
    """One attention for several layers, which no layer owns."""
    own = {"num_key_value_heads": 4, "mamba_d_state": 8, "n_mamba_heads": 4, "mamba_headdim": 16, "mamba_ngroups": 1}
    kinds = ["mamba", "hybrid", "mamba", "hybrid"]
    return hf.Zamba2Config(**{**TEXT, **own}, layers_block_type=kinds, chunk_size=16, num_mem_blocks=1)


@pytest.mark.parametrize(
    ("text", "why"),
    [(mamba_2, "none of the 2 layers of a 'mamba2' has attention"), (zamba_2, r"layers \[1, 3\] of a 'zamba2'")],
)
def test_what_has_no_attention_to_record_is_refused_with_the_reason(
    folders: Callable, text: Callable, why: str
) -> None:
    with pytest.raises(ModelLoadError, match=why):
        load(folders(text))


def _eager(vlm: TransformersVlm, question: str) -> list[torch.Tensor]:
    """The attention (heads, N, N) of each layer that has any, over the prompt and what the model writes, without ours.

    The last token is not fed back, as an answer of as many tokens as the limit has one more behind it.
    """
    prompt = vlm._prompter(VIEW, [question])
    ids = torch.cat([prompt.prefix, prompt.tails[0]])
    before = vlm._model.config.get_text_config()._attn_implementation
    with torch.inference_mode():
        written = vlm._model.generate(**prompt.inputs(ids), **vlm._search)[0, len(ids) :]
        tokens, _ = vlm._tokens(written, vlm._limits.tokens)
        vlm._model.set_attn_implementation({"text_config": "eager"})
        inputs = prompt.inputs(torch.cat([ids, tokens]), len(tokens))
        out = vlm._model(**inputs, output_attentions=True, use_cache=False)
    vlm._model.set_attn_implementation({"text_config": before})
    return [attention[0] for attention in out.attentions if attention is not None]
