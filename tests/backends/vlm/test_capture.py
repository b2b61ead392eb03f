"""Recorded Q and K give the attention that transformers itself reports."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
import transformers

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.capture import Call, Recorder, middle, recording, states
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import VlmOptions
from vlsam_ros.errors import ConfigError, VlmError
from vlsam_ros.recognition.flow import scores

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
QUESTIONS = ["List every object.", "What lies there?"]
BUILDERS = {**tiny_models.BUILDERS, **tiny_models.VARIANTS}
SEARCHES = {
    "llava, beams": ("llava", {"beams": 3}),
    "qwen2_5_vl, beams": ("qwen2_5_vl", {"beams": 2}),
    "gemma3, beams": ("gemma3", {"beams": 2}),
    "llava, sampled": ("llava", {"temperature": 1.5}),
}
CASES = {**{name: (name, {}) for name in BUILDERS}, **SEARCHES}


@pytest.fixture(scope="module", params=CASES)
def vlm(request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]) -> TransformersVlm:
    name, options = CASES[request.param]
    return load_vlm(VlmOptions(model=str(checkpoint(name)), device="cpu", max_new_tokens=6, **options))


def test_equals_the_attention_that_transformers_reports(vlm: TransformersVlm) -> None:
    for question in QUESTIONS:
        torch.manual_seed(3)
        answer = vlm.answer(VIEW, [question])[0]
        torch.manual_seed(3)
        prompt, tokens = vlm._prompter(VIEW, [question]), _tokens(vlm, question)
        expected = _eager(vlm, prompt.inputs(torch.cat([prompt.prefix, prompt.tails[0], tokens]), len(tokens)))
        assert answer.layers == len(expected)
        assert answer.length == expected[0].shape[-1] == answer.first_row + len(tokens)
        for index, attention in enumerate(expected):
            layer = answer.layer(index).whole()
            ours = torch.zeros_like(attention)
            heads, length, _ = layer.query.shape
            block = scores(layer, slice(0, heads), slice(0, length))
            ours[..., : block.shape[-1]] = block
            assert (ours - attention).abs().max() < 6e-6  # Gemma 4's scores reach 50; the others stay below 1e-6
        assert max(a.max(-1).values.mean() for a in expected) > 2 / answer.length  # peaked, so this says something


def test_the_implementation_comes_back(vlm: TransformersVlm) -> None:
    before = vlm._model.config.get_text_config()._attn_implementation
    with pytest.raises(ZeroDivisionError), recording(vlm._model):
        assert vlm._model.config.get_text_config()._attn_implementation == "vlsam_capture"
        assert vlm._model.config.vision_config._attn_implementation != "vlsam_capture"
        raise ZeroDivisionError
    assert vlm._model.config.get_text_config()._attn_implementation == before


def test_raises_when_the_model_escapes_recording(tmp_path: Path) -> None:
    vlm = load_vlm(VlmOptions(model=str(tiny_models.llava(tmp_path)), device="cpu", max_new_tokens=2))
    vlm._model.set_attn_implementation = lambda implementation: None
    with pytest.raises(VlmError, match="expected the attention of 3 layers over .* tokens, recorded .* {}"):
        vlm.answer(VIEW, QUESTIONS)


@pytest.mark.parametrize(("layers", "length"), [(1, 5), (2, 0), (2, 4), (2, 6), (3, 5)])
def test_a_recorder_that_missed_something_fails_the_check(layers: int, length: int) -> None:
    recorder = Recorder()
    with pytest.raises(VlmError, match="expected the attention"):
        recorder.check(range(layers), length)
    for layer in range(2):
        for new in (3, 2):
            part = torch.zeros(1, 2, new, 4)
            recorder.add(layer, Call(part, part, None, 1.0, None))
    recorder.check(range(2), 5)
    with pytest.raises(VlmError, match=r"recorded \(layer: tokens\) {0: 5, 1: 5}"):
        recorder.check(range(layers), length)


@pytest.mark.parametrize("after", [0, 1, None])
def test_nothing_is_kept_of_layers_once_it_is_over(after: int | None) -> None:
    layers = [torch.nn.Identity(), torch.nn.Identity()]
    with pytest.raises(ZeroDivisionError), states(layers, after) as found:
        for layer in layers:
            layer(torch.zeros(1, 2, 4))
        raise ZeroDivisionError
    layers[after or 0](torch.zeros(1, 2, 4))
    assert len(found) == (after is not None) and not any(layer._forward_hooks for layer in layers)


def test_the_layer_that_is_meant() -> None:
    config = transformers.Qwen2Config(num_hidden_layers=5)
    assert [middle(after, config) for after in (None, -1, 0, 4)] == [None, 2, 0, 4]
    for after in (5, 6):
        with pytest.raises(ConfigError, match=f"expected less than 5, got {after}"):
            middle(after, config)


def _tokens(vlm: TransformersVlm, question: str) -> torch.Tensor:
    """The answer's tokens, from transformers' own greedy search without any cache of ours."""
    prompt = vlm._prompter(VIEW, [question])
    ids = torch.cat([prompt.prefix, prompt.tails[0]])
    with torch.inference_mode():
        out = vlm._model.generate(**prompt.inputs(ids), **vlm._search)[0, len(ids) :]
    return vlm._tokens(out, vlm._limits.tokens)[0]


def _eager(vlm: TransformersVlm, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Attention (heads, N, N) of every layer."""
    before = vlm._model.config.get_text_config()._attn_implementation
    vlm._model.set_attn_implementation({"text_config": "eager"})
    with torch.inference_mode():
        out = vlm._model(**inputs, output_attentions=True, use_cache=False)
    vlm._model.set_attn_implementation({"text_config": before})
    out = getattr(out, "language_model_outputs", out)
    return [attention[0] for attention in out.attentions]
