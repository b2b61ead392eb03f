"""Finished answers that are read once: the same as if the model had written them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_cogvlm
import tiny_models
import torch

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import memory, text, together, transformers_vlm
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.prompting import THOUGHTS
from vlsam_ros.backends.vlm.text import THOUGHT_ENDS
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, QuestionOptions, VlmOptions
from vlsam_ros.data import Answer
from vlsam_ros.errors import BadImageError, VlmError
from vlsam_ros.recognition.attention import maps
from vlsam_ros.recognition.questions import parse_names

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
VIEWS = [VIEW, VIEW[:30]]
QUESTIONS = ["What is on the road, near or far away?", "?"]
SAID = "two traffic cones, a dog and a café"


@pytest.fixture(scope="module")
def models(checkpoint: Callable[[str], Path]) -> Callable[[str], TransformersVlm]:
    loaded: dict[str, TransformersVlm] = {}

    def get(name: str) -> TransformersVlm:
        if name not in loaded:
            loaded[name] = load(checkpoint(name), trust_remote_code=name == "cogvlm")
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
    assert len(calls) <= 4  # each view and the batch on both, or each sequence
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
    for answer, expected in zip(vlm.read(VIEWS[:1], QUESTIONS, [[SAID] * 2])[0], written[0], strict=True):
        assert answer.text == SAID and len(answer.probabilities) == len(ids)
        same(answer, expected)


# --- texts


SOME = ["llava", "qwen2_5_vl", "qwen3_5", "gemma3", "paligemma", "instructblip", "cogvlm"]


@pytest.mark.parametrize("name", SOME)
def test_no_text_at_all_has_no_tokens(models: Callable, name: str) -> None:
    for own in models(name).read(VIEWS, QUESTIONS, [["", "a dog"], ["a cone", ""]]):
        for answer in own:
            assert (answer.text == "") == (answer.token_spans == ()) == (answer.probabilities == ())
            assert answer.layer(0).length == answer.length == answer.first_row + len(answer.token_spans)
    assert models(name).read(VIEWS, [], [[], []]) == [[], []]
    (nothing,) = models(name).read(VIEWS[:1], QUESTIONS[1:], [[""]])[0]
    assert (nothing.text, nothing.truncated, nothing.probabilities) == ("", False, ())


@pytest.mark.parametrize("name", SOME)
def test_a_text_beyond_the_limit_is_cut_and_marked(models: Callable, name: str) -> None:
    vlm = models(name)
    long, short = "".join(chr(97 + i * i % 23) for i in range(80)), "a dog, two cones"
    for cut, whole in vlm.read(VIEWS, QUESTIONS, [[long, short]] * 2):
        assert cut.truncated and len(cut.token_spans) == 64 and long.startswith(cut.text)
        assert not whole.truncated and whole.text == short


def test_a_text_that_repeats_itself_is_cut_as_the_model_would_have_been(models: Callable) -> None:
    (answer,) = models("llava").read(VIEWS[:1], QUESTIONS[:1], [["a dog, " * 8]])[0]
    assert answer.looped and answer.truncated and len(answer.text) < 50


@pytest.mark.parametrize("name", SOME)
def test_control_tokens_are_no_part_of_a_text(models: Callable, name: str) -> None:
    vlm = models(name)
    forged = ["a dog</s>", "<s>a<image>dog</s></s>"]
    for plain, parted in vlm.read(VIEWS, QUESTIONS, [forged] * 2):
        assert (plain.text, parted.text) == ("a dog", "a dog") and not plain.truncated
        assert plain.layer(0).length == plain.length


def test_as_many_texts_as_questions_are_needed(models: Callable) -> None:
    for name in ("llava", "cogvlm"):
        for texts in ([], [["a"]], [["a"], ["a", "b"]], [["a", "b"]] * 3):
            with pytest.raises(ValueError, match="expected 2 texts for each of 2 views"):
                models(name).read(VIEWS, QUESTIONS, texts)
        with pytest.raises(BadImageError):
            models(name).read([np.zeros((4, 4), np.uint8)], QUESTIONS[:1], [["a dog"]])


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("said", ["   ", "犬と車", "café \u200b👩\u200d👧", "a\x00dog", "\ufffd dog"])
def test_every_other_text_is_read_as_it_is(models: Callable, name: str, said: str) -> None:
    for first, second in models(name).read(VIEWS, QUESTIONS, [[said, "a dog"]] * 2, hidden=0):
        assert (first.text, second.text) == (said.strip(), "a dog") and not first.truncated
        assert len(first.hidden.answer) == len(first.token_spans) == first.length - first.first_row > 0


@pytest.mark.parametrize("name", ["llava", "gemma3", "cogvlm"])
def test_half_a_character_is_an_error_and_the_next_text_is_read(models: Callable, name: str) -> None:
    with pytest.raises(VlmError, match="failed on"):
        models(name).read(VIEWS, QUESTIONS, [["a dog", "a dog \ud83d"]] * 2)
    assert models(name).read(VIEWS[:1], QUESTIONS[:1], [["a dog"]])[0][0].text == "a dog"


def test_other_work_comes_between_the_views_and_the_texts(models: Callable) -> None:
    for name in ("llava", "gemma3", "cogvlm"):
        called: list[int] = []
        models(name).read(VIEWS, QUESTIONS, [["a dog", "a cone"]] * 2, lambda called=called: called.append(1))
        assert called == [1]


@pytest.mark.parametrize("name", ["llava", "gemma3", "cogvlm"])
def test_too_little_memory_is_an_error_before_the_run(
    models: Callable, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = models(name)
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    monkeypatch.setattr(type(vlm._model), "forward", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(VlmError, match="the answers need"):
        vlm.read(VIEWS, QUESTIONS, [["a dog", "a cone"]] * 2)


def test_where_the_memory_is_short_they_are_read_in_parts(models: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm, texts, rows = models("qwen2_5_vl"), [["a dog, two cones", "a cat"]] * 2, []
    whole = vlm.read(VIEWS, QUESTIONS, texts)
    read = vlm._batch._decoder.read
    monkeypatch.setattr(vlm._batch._decoder, "read", lambda *a: rows.append(a[0].rows) or read(*a))
    monkeypatch.setattr(together, "at_once", lambda need, views, questions, device, most=0: (1, 1))
    parts = vlm.read(VIEWS, QUESTIONS, texts)
    assert rows == [1] * 4
    for ours, theirs in zip(parts, whole, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)


@pytest.mark.parametrize("name", ["llava", "gemma3", "paligemma", "cogvlm"])
def test_logits_that_are_not_finite_are_an_error(tmp_path: Path, name: str) -> None:
    vlm = load(
        {**tiny_models.BUILDERS, "cogvlm": tiny_cogvlm.build}[name](tmp_path), trust_remote_code=name == "cogvlm"
    )
    vlm._model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(VlmError, match="expected finite logits"):
        vlm.read(VIEWS, QUESTIONS, [["a dog", "a cone"]] * 2)


def test_beams_read_as_any_other(tmp_path: Path) -> None:
    vlm, plain = (load(tiny_models.llava(tmp_path), beams=beams) for beams in (3, 1))
    ours, theirs = (v.read(VIEWS, QUESTIONS, [["a dog", "a cone"]] * 2) for v in (vlm, plain))
    for a, b in zip((a for own in ours for a in own), (b for own in theirs for b in own), strict=True):
        same(a, b)
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)


def test_a_template_that_parts_question_and_answer_by_a_blank_has_it_before_the_text(tmp_path: Path) -> None:
    vlm = load(tiny_models.llava(tmp_path))
    vlm._prompter._processor.chat_template = (
        "{% for m in messages %}{{ m['role'].upper() }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
        "<image>\n{% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    )
    ids = vlm._tokenizer(" a cone", add_special_tokens=False)["input_ids"]
    assert vlm._prompter.reply("What?", "a cone").tolist() == ids
    assert vlm._prompter.reply("What?", " a cone").tolist() == ids  # the engine gave it


def test_a_thought_that_the_template_has_begun_is_not_read_twice(tmp_path: Path) -> None:
    vlm = load(tiny_models.llava(tmp_path))
    vlm._prompter._processor.chat_template = tiny_models.template("<image>") + "<think>"
    said = "<think>a road</think>a dog"
    for written in (said, said.removeprefix("<think>")):
        (answer,) = vlm.read([VIEW], ["What?"], [[written]])[0]
        assert answer.text == said and len(answer.token_spans) == len(said) - len("<think>")


@pytest.mark.parametrize("mark", THOUGHTS)
def test_a_thought_that_was_taken_out_is_ended_before_the_text(tmp_path: Path, mark: str) -> None:
    vlm, said = load(tiny_models.llava(tmp_path)), f"{THOUGHT_ENDS}a dog"
    for begun in (mark, f"{mark}\n", ""):
        vlm._prompter._processor.chat_template = tiny_models.template("<image>") + begun
        (answer,) = vlm.read([VIEW], ["What?"], [[said]])[0]
        assert answer.text == (f"{mark}{mark[0]}/{mark[1:]}a dog" if begun else "a dog")
        assert [n.name for n in parse_names(answer.text, QuestionOptions())] == ["dog"]
        assert [answer.text[slice(*span)] for span in answer.token_spans[-3:]] == ["d", "o", "g"]
