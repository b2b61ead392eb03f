"""Finished answers that are read once: the same as if the model had written them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import text, together, transformers_vlm
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, VlmOptions
from vlsam_ros.data import Answer
from vlsam_ros.recognition.attention import maps

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
VIEWS = [VIEW, VIEW[::-1].copy(), VIEW[:30]]
QUESTIONS = ["List every object.", "What is on the road, near or far away?", "?"]
SAID = "two traffic cones, a dog and a café"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TransformersVlm]:
    loaded: dict[str, TransformersVlm] = {}

    def get(name: str) -> TransformersVlm:
        if name not in loaded:
            build = {**tiny_models.BUILDERS, **tiny_models.VARIANTS}[name]
            loaded[name] = load(build(tmp_path_factory.mktemp(name)))
        return loaded[name]

    return get


def load(folder: Path, **options: object) -> TransformersVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 64, **options}))


def heats(answered: Sequence[Sequence[Answer]]) -> list[list[np.ndarray]]:
    """For each answer a map of its first tokens, and of all of them."""
    rows = [[[[a.first_row, a.first_row + 1], list(range(a.first_row, a.length))] for a in own] for own in answered]
    return maps(answered, rows, AttentionOptions())


def same(ours: Answer, theirs: Answer) -> None:
    for name in ("question", "text", "token_spans", "first_row", "length", "layers", "truncated", "shown"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert np.array_equal(ours.layout.columns, theirs.layout.columns)
    for index in range(theirs.layers):
        a, b = ours.layer(index).whole(), theirs.layer(index).whole()
        assert (a.query - b.query).abs().max() < 1e-5 * b.query.abs().max()
        assert (a.key - b.key).abs().max() < 1e-5 * b.key.abs().max()


every = pytest.mark.parametrize("name", [*FAMILIES, *tiny_models.VARIANTS])


@every
def test_what_the_model_wrote_is_read_as_it_was_written(models: Callable, name: str) -> None:
    """The same tokens: random weights write bytes that are no text."""
    vlm, tokens = models(name), {}

    def spied(*given: object, **rest: object) -> Answer:
        answer = text.answered(*given, **rest)
        tokens[id(answer)] = given[2]
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vlm, "_limits", limits := replace(vlm._limits, tokens=5))
        patch.setattr(vlm._model.generation_config, "max_new_tokens", 6)
        if vlm._batch:
            patch.setattr(vlm._batch, "_limits", limits)
        for module in (together, transformers_vlm):
            patch.setattr(module, "answered", spied)
        written = vlm.answer_views(VIEWS, QUESTIONS)
        left = iter([tokens[id(a)] for own in written for a in own])
        patch.setattr(vlm._prompter, "reply", lambda *_: torch.tensor(next(left)))
        calls: list[int] = []
        hook = vlm._model.get_decoder().register_forward_hook(lambda *_: calls.append(1))
        read = vlm.read(VIEWS, QUESTIONS, [[""] * len(QUESTIONS)] * len(VIEWS))
        hook.remove()
    assert len(calls) <= (4 if vlm._reuse == "batch" else 9)
    for ours, theirs in zip(read, written, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            same(a, replace(b, truncated=False))  # nobody knows whether it would have gone on
            np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-4)
    for ours, theirs in zip(heats(read), heats(written), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert np.abs(a - b).max() < 1e-5


@every
def test_a_text_has_the_tokens_that_the_model_would_have_written(models: Callable, name: str) -> None:
    vlm = models(name)
    with pytest.MonkeyPatch.context() as patch:
        ids = vlm._tokenizer(SAID, add_special_tokens=False)["input_ids"]
        tiny_models.say(vlm, [*ids, 1], patch)
        written = vlm.answer_views(VIEWS[:1], QUESTIONS)
    for answer, expected in zip(vlm.read(VIEWS[:1], QUESTIONS, [[SAID] * 3])[0], written[0], strict=True):
        assert answer.text == SAID and len(answer.probabilities) == len(ids)
        same(answer, expected)
