"""CogVLM through its own code: a stand-in with the same interface, saved and loaded as a user's checkpoint would be."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_cogvlm
import torch
from PIL import Image
from torch.nn import functional

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import cogvlm, memory
from vlsam_ros.backends.vlm.cogvlm import CogVlm, watching
from vlsam_ros.config import AttentionOptions, QuestionOptions, VlmOptions
from vlsam_ros.errors import ModelLoadError, VlmError
from vlsam_ros.recognition.attention import named_maps, token_rows
from vlsam_ros.recognition.flow import scores

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)


def load(folder: Path, **options: object) -> CogVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 6, **options}))


@pytest.fixture(scope="module", params=[tiny_cogvlm.build, tiny_cogvlm.cogagent], ids=["cogvlm", "cogagent"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return request.param(tmp_path_factory.mktemp("cogvlm"))


@pytest.fixture(scope="module")
def vlm(folder: Path) -> CogVlm:
    return load(folder, trust_remote_code=True)


def test_its_code_runs_only_if_it_is_trusted(folder: Path) -> None:
    with pytest.raises(ModelLoadError, match="set vlm.trust_remote_code if you trust it"):
        load(folder)


def test_logits_that_are_not_finite_are_an_error(folder: Path) -> None:
    vlm = load(folder, trust_remote_code=True)
    vlm._model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(VlmError, match="expected finite logits"):
        vlm.answer(VIEW, ["What is here?"])
    with pytest.raises(VlmError, match="expected finite logits"):
        vlm.write(VIEW, "Write 3 questions.", 8)


def test_the_attention_is_that_of_the_decoder(vlm: CogVlm, monkeypatch: pytest.MonkeyPatch) -> None:
    (answer,) = vlm.answer(VIEW, ["What is here?"])
    inputs = vlm._prompt(Image.fromarray(VIEW), "What is here?")
    first, expected = inputs["input_ids"].shape[1], []
    assert (answer.layers, answer.first_row, answer.layout.grid_hw) == (2, first, (4, 4))
    assert answer.layout.xyxy == (0, 0, 100, 60) and answer.truncated
    assert answer.length == first + 6 == first + len(answer.token_spans)

    def eager(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        attention = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + mask).softmax(-1)
        if mask.shape[-1] > 1:  # that of the decoder's own tokens, not of CogAgent's finer picture
            expected.append(attention)
        return attention @ value

    with torch.inference_mode():
        tokens, _ = vlm._written(inputs, 6, kept=0)
        monkeypatch.setattr(sys.modules[type(vlm._model).__module__], "attention_fn", eager)
        whole = torch.cat([inputs["input_ids"][0], tokens])[None]
        types = functional.pad(inputs["token_type_ids"], (0, 6))
        pictures = {name: inputs[name] for name in ("images", "cross_images") if name in inputs}
        out = vlm._model(whole, token_type_ids=types, attention_mask=torch.ones_like(whole), **pictures)
    assert torch.equal(out.logits[0, first - 1 : -1].argmax(-1), tokens)
    assert len(expected) == 2
    for index, attention in enumerate(expected):
        ours = scores(answer.layer(index), slice(0, 4), slice(0, answer.length))
        assert (ours - attention[0]).abs().max() < 2e-6


def test_names_find_their_tokens(vlm: CogVlm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is forced: random weights name nothing."""
    text, head = "a dog, two cones", vlm._model.lm_head.forward
    ids = iter([*vlm._tokenizer(text)["input_ids"], 1])

    def forced(hidden: torch.Tensor) -> torch.Tensor:
        logits = head(hidden)
        logits[:, -1, next(ids)] = 1e4
        return logits

    monkeypatch.setattr(vlm._model.lm_head, "forward", forced)
    monkeypatch.setattr(vlm, "_limit", 64)
    (answer,) = vlm.answer(VIEW, ["What is here?"])
    assert (answer.text, answer.truncated) == (text, False)
    assert [m.name for m in named_maps([[answer]], QuestionOptions(), AttentionOptions())[0]] == ["dog", "cone"]
    assert token_rows(answer, [(2, 5)]) == [answer.first_row + i for i in (2, 3, 4)]


def test_too_little_memory_is_an_error_before_the_run(
    vlm: CogVlm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    monkeypatch.setattr(vlm._model, "prepare_inputs_for_generation", lambda **_: pytest.fail("it ran"))
    with pytest.raises(VlmError, match="the answers need"):
        vlm.answer(VIEW, ["What is here?"])
    with pytest.raises(ModelLoadError, match="take a smaller model"):
        load(folder, trust_remote_code=True)


def test_an_attention_that_escapes_is_noticed(vlm: CogVlm, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[type(vlm._model).__module__]
    monkeypatch.setattr(module, "attention_fn", lambda query, key, value, mask: query)
    with pytest.raises(VlmError, match="expected the attention of 2 layers over .* tokens, recorded .* {}"):
        vlm.answer(VIEW, ["What is here?"])


def test_the_token_that_moves_most_is_the_one_whose_cell_changed(vlm: CogVlm) -> None:
    def keys(view: np.ndarray) -> torch.Tensor:
        (answer,) = vlm.answer(view, ["?"])
        return answer.layer(0).key[:, answer.layout.columns.reshape(-1)]

    grey = np.full((60, 100, 3), 128, np.uint8)
    before = keys(grey)
    for row, column in [(0, 0), (0, 3), (3, 0), (2, 1)]:
        changed = grey.copy()
        changed[row * 15 + 3 : row * 15 + 12, column * 25 + 5 : column * 25 + 20] = (255, 0, 60)
        moved = (keys(changed) - before).norm(dim=(0, 2)).reshape(4, 4)
        assert divmod(int(moved.argmax()), 4) == (row, column)


def test_what_cogagent_sees_finer_moves_its_answer_and_its_memory(tmp_path: Path) -> None:
    vlm = load(tiny_cogvlm.cogagent(tmp_path), trust_remote_code=True)
    assert cogvlm._finer(vlm._model) == 2 * 8 * 8 * 24 * 2 * 4
    with pytest.MonkeyPatch.context() as patch:
        needs: list[memory.Memory] = []
        patch.setattr(cogvlm, "require_for_answers", lambda need, _: needs.append(need))
        vlm.answer(VIEW, ["What is here?"])
        vlm.read([VIEW], ["What is here?"], [["a dog"]])
        patch.setattr(cogvlm, "_finer", lambda _: 0)
        vlm.read([VIEW], ["What is here?"], [["a dog"]])
    assert needs[1].cache - needs[2].cache == cogvlm._finer(vlm._model) > 0
    before = vlm.answer(VIEW, ["What is here?"])[0].layer(1).query
    vlm._model.model.cross_vision.weight.data *= 2
    assert not torch.allclose(vlm.answer(VIEW, ["What is here?"])[0].layer(1).query, before)


def test_torchs_function_comes_back_and_other_callers_are_left_alone(vlm: CogVlm) -> None:
    original, x = functional.scaled_dot_product_attention, torch.randn(1, 2, 3, 4)
    with pytest.raises(ZeroDivisionError), watching([layer.self_attn for layer in vlm._model.model.layers]) as recorder:
        functional.scaled_dot_product_attention(x, x, x)
        assert functional.scaled_dot_product_attention is not original
        raise ZeroDivisionError
    assert functional.scaled_dot_product_attention is original
    with pytest.raises(VlmError, match="expected the attention of 2 layers"):
        recorder.check(range(2), 3)


SEEN = torch.ones(5, 5, dtype=torch.bool).tril().triu(-2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"attn_mask": SEEN[None, None]}, SEEN),
        ({"attn_mask": torch.zeros(1, 1, 5, 5).masked_fill(~SEEN, torch.finfo(torch.float32).min)}, SEEN),
        ({"attn_mask": torch.zeros(1, 1, 5, 5).masked_fill(~SEEN, -torch.inf)}, SEEN),
        ({"attn_mask": None}, torch.ones(5, 5, dtype=torch.bool)),
        ({"is_causal": True}, None),
    ],
    ids=["true where seen", "lowest where unseen", "infinite where unseen", "everything", "causal"],
)
def test_what_a_query_sees_is_what_its_own_code_says(options: dict, expected: torch.Tensor | None) -> None:
    class Layer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(x, x, x, **options)

    x, layers = torch.randn(1, 2, 5, 4, generator=torch.Generator().manual_seed(0)), [Layer()]
    with watching(layers) as recorder:
        seen = layers[0](x)
    got = recorder.layer(0, 0, torch.ones(5, dtype=torch.bool))
    assert got.mask is None if expected is None else torch.equal(got.mask, expected)
    assert torch.allclose(scores(got, slice(0, 2), slice(0, 5)) @ x[0], seen[0], atol=1e-6)


def test_an_image_that_is_no_square_of_tokens_is_refused(vlm: CogVlm, monkeypatch: pytest.MonkeyPatch) -> None:
    build = vlm._model.build_conversation_input_ids

    def short(*args: object, **kwargs: object) -> dict:
        made = build(*args, **kwargs)
        made["token_type_ids"][1] = 0
        return made

    monkeypatch.setattr(vlm._model, "build_conversation_input_ids", short)
    with pytest.raises(VlmError):
        vlm.answer(VIEW, ["What is here?"])


def test_a_folder_without_a_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.is_file() and "token" not in file.name:
            shutil.copy(file, tmp_path / file.name)
    with pytest.raises(ModelLoadError, match="AutoTokenizer can't load"):
        load(tmp_path, trust_remote_code=True)
