"""Hidden states of answers, for every family: those of transformers' own output over the finished sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import together
from vlsam_ros.backends.vlm.capture import decoder_layers
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, VlmOptions
from vlsam_ros.data import Answer, Pixels
from vlsam_ros.errors import ConfigError
from vlsam_ros.recognition.attention import maps

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
VIEWS = [VIEW, VIEW[:30]]
QUESTIONS = ["What is on the road, near or far away?", "?"]


@pytest.fixture(scope="module")
def models(checkpoint: Callable[[str], Path]) -> Callable[[str], TransformersVlm]:
    loaded: dict[str, TransformersVlm] = {}

    def get(name: str) -> TransformersVlm:
        if name not in loaded:
            options = {"max_new_tokens": 5, "trust_remote_code": name == "cogvlm"}
            loaded[name] = load_vlm(VlmOptions(model=str(checkpoint(name)), device="cpu", **options))
        return loaded[name]

    return get


@pytest.mark.parametrize("name", [*FAMILIES, *tiny_models.VARIANTS])
def test_hidden_states_are_those_of_a_plain_pass(models: Callable, name: str) -> None:
    vlm = models(name)
    middle = len(decoder_layers(vlm._model)) // 2
    for view, answers in zip(VIEWS, vlm.answer_views(VIEWS, QUESTIONS, hidden=-1), strict=True):
        for question, answer in zip(QUESTIONS, answers, strict=True):
            expected = _plain(vlm, view, question, middle, answer)
            close(answer.hidden.image, expected[answer.layout.positions])
            close(answer.hidden.answer, expected[answer.first_row : answer.length])
            assert len(answer.hidden.answer) == len(answer.token_spans)


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "qwen3_5", "gemma3", "paligemma", "instructblip", "cogvlm"])
def test_answers_are_the_same_with_and_without_them(models: Callable, name: str) -> None:
    vlm = models(name)
    for ours, theirs in zip(
        vlm.answer_views(VIEWS, QUESTIONS, hidden=1), vlm.answer_views(VIEWS, QUESTIONS), strict=True
    ):
        for a, b in zip(ours, theirs, strict=True):
            assert (a.text, a.length, a.truncated, a.probabilities) == (b.text, b.length, b.truncated, b.probabilities)
            assert a.hidden is not None and b.hidden is None
            close(a.layer(0).whole().query, b.layer(0).whole().query)


@pytest.mark.parametrize("name", ["llava", "qwen3_vl", "lfm2_vl", "gemma4", "blip-2", "cogvlm"])
def test_read_answers_have_them_too_and_only_those_that_are_asked_for(models: Callable, name: str) -> None:
    vlm, texts = models(name), [["a dog", ""]] * 2
    for plain, own in zip(vlm.read(VIEWS, QUESTIONS, texts), vlm.read(VIEWS, QUESTIONS, texts, hidden=0), strict=True):
        for a, b in zip(plain, own, strict=True):
            assert a.hidden is None and b.hidden.answer.shape == (len(b.token_spans), b.hidden.image.shape[1])
            assert (a.text, a.length) == (b.text, b.length)
            assert len(b.hidden.image) == len(b.layout.positions)
            np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-6)


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("name", ["llava", "qwen3_vl", "gemma3"])
def test_the_first_and_the_last_layer_have_states_too(models: Callable, name: str, layer: int) -> None:
    vlm = models(name)
    (answer,) = vlm.answer_views([VIEW], QUESTIONS[:1], hidden=layer)[0]
    close(answer.hidden.image, _plain(vlm, VIEW, QUESTIONS[0], layer, answer)[answer.layout.positions])


def test_a_view_that_was_seen_without_them_is_seen_again(models: Callable) -> None:
    vlm, view = models("qwen2_5_vl"), VIEW.view(Pixels)
    (before,) = vlm.answer(view, QUESTIONS[:1])
    first, second = (vlm.answer_views([view], QUESTIONS[:1], hidden=layer)[0][0] for layer in (0, 1))
    (after,) = vlm.answer(view, QUESTIONS[:1])
    assert before.text == first.text == second.text == after.text and after.hidden is None
    for layer, answer in enumerate((first, second)):
        close(answer.hidden.image, _plain(vlm, VIEW, QUESTIONS[0], layer, answer)[answer.layout.positions])


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
@pytest.mark.parametrize("most", [(1, 1), (1, 2), (2, 2), None], ids=str)
def test_views_and_questions_in_parts_and_beside_a_compiled_step_have_the_same(
    models: Callable, name: str, most: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, views, questions = models(name), [VIEW, VIEW[:30], VIEW[::-1].copy()], [*QUESTIONS, "List every object."]
    whole = vlm.answer_views(views, questions, hidden=-1)
    if most:
        parts = lambda need, views, questions, device, most_=0: (min(views, most[0]), min(questions, most[1]))  # noqa: E731
        monkeypatch.setattr(together, "at_once", parts)
    else:
        monkeypatch.setattr(vlm._batch, "compiled", True)
        monkeypatch.setattr(vlm._batch, "_benches", [])
        vlm.warm_up(views, questions)
        assert vlm._batch._benches
    for ours, theirs in zip(vlm.answer_views(views, questions, hidden=-1), whole, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a.text, a.truncated) == (b.text, b.truncated)
            close(a.hidden.image, b.hidden.image)
            close(a.hidden.answer, b.hidden.answer)


@pytest.mark.parametrize("name", ["llava", "gemma3", "cogvlm"])
def test_a_layer_that_is_not_there_is_an_error(models: Callable, name: str) -> None:
    with pytest.raises(ConfigError, match=r"attention.hidden_layer: expected less than \d, got 9"):
        models(name).answer_views([VIEW], QUESTIONS, hidden=9)


@pytest.mark.parametrize("preset", ["hidden", "product"])
@pytest.mark.parametrize("name", [*FAMILIES, "minigpt_4", "cogvlm"])
def test_every_family_gives_maps_of_them(models: Callable, name: str, preset: str) -> None:
    answered = models(name).answer_views([VIEW], QUESTIONS[:1], hidden=-1)
    (answer,) = answered[0]
    rows = [[answer.first_row], list(range(answer.first_row, answer.length))]
    heats = maps(answered, [[rows]], AttentionOptions(preset=preset))[0][0]
    assert heats.shape == (2, *answer.layout.grid_hw) and np.isfinite(heats).all()
    assert heats.min() == 0 and (heats.max((1, 2)) == 1).all()
    if preset == "hidden":
        nothing = maps([[without_attention(answer)]], [[rows]], AttentionOptions(preset=preset))[0][0]
        assert np.array_equal(nothing, heats)


def without_attention(answer: Answer) -> Answer:
    """The same from a model that has none."""
    return replace(answer, layers=0, layer=lambda _: pytest.fail("there is no attention"), batch=None)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def _plain(vlm: TransformersVlm, view: np.ndarray, question: str, layer: int, answer: Answer) -> torch.Tensor:
    """What a layer hands on (N, width) in a plain pass over prompt and answer, on no cache."""
    prompt = vlm._prompter(view, [question])
    ids = torch.cat([prompt.prefix, prompt.tails[0]])
    kept: list[torch.Tensor] = []
    with torch.inference_mode():
        written = vlm._model.generate(**prompt.inputs(ids), **vlm._search)[0, len(ids) :]
        tokens, _ = vlm._tokens(written, vlm._limits.tokens)
        hook = decoder_layers(vlm._model)[layer].register_forward_hook(
            lambda *a: kept.append(a[2][0] if isinstance(a[2], tuple) else a[2])
        )
        vlm._model(**prompt.inputs(torch.cat([ids, tokens]), len(tokens)), use_cache=False)
        hook.remove()
    out = kept[0] if kept[0].ndim == 3 else kept[0][0]  # Gemma 3n has several streams, of which that is the one
    assert answer.length == out.shape[1]
    return out[0]
