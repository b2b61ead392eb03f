"""The decode loop of a keyframe: compiled, shrinking or pipelined, it writes what each row alone would have written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from torch._dynamo.utils import counters

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import decoding, memory, together
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.repeats import Repeats
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, VlmOptions
from vlsam_ros.data import Answer, Pixels
from vlsam_ros.errors import VlmError
from vlsam_ros.recognition import attention

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
VIEWS = [VIEW, VIEW[::-1].copy(), VIEW[:, ::-1].copy()]
QUESTIONS = ["List every object.", "What is on the road, near or far away?", "?"]
BATCH = [n for n, family in FAMILIES.items() if family.reuse == "batch" and n not in tiny_models.HYBRIDS]
COMPILED = [name for name in BATCH if name not in ("idefics3", "smolvlm", "video_llama_3")]
ALIKE = ("llava_next", "internvl", "qwen3_vl_moe", "granite4_vision", "mistral3")
SLOW = (*tiny_models.TWINS, *ALIKE)  # whose language models are, or are much like, others'


def load(folder: Path, **options: object) -> TransformersVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 6, **options}))


def same(ours: Sequence[Sequence[Answer]], theirs: Sequence[Sequence[Answer]]) -> None:
    for a, b in zip((a for own in ours for a in own), (b for own in theirs for b in own), strict=True):
        assert (a.question, a.text, a.token_spans, a.length) == (b.question, b.text, b.token_spans, b.length)
        assert (a.truncated, a.looped) == (b.truncated, b.looped)
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)
        for index in range(a.layers):
            x, y = a.layer(index).whole(), b.layer(index).whole()
            torch.testing.assert_close(x.query, y.query, rtol=0, atol=1e-5 * float(y.query.abs().max()))
            torch.testing.assert_close(x.key, y.key, rtol=0, atol=1e-5 * float(y.key.abs().max()))


def heats(answers: Sequence[Sequence[Answer]]) -> list[np.ndarray]:
    """The maps of all that was said, as one name each."""
    rows = [[[list(range(a.first_row, a.length))] for a in own] for own in answers]
    return [m for own in attention.maps(answers, rows, AttentionOptions()) for m in own]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("vlsam_ros")]


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


# --- compiled


@pytest.mark.parametrize("family", [name for name in COMPILED if name not in SLOW])
def test_a_compiled_step_writes_what_an_uncompiled_one_writes(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    vlm, plain = load(checkpoint(family), compile="on"), load(checkpoint(family), compile="off")
    vlm.warm_up(VIEWS[:1], QUESTIONS[:2])
    vlm.warm_up(VIEWS, QUESTIONS)
    assert vlm._batch.compiled and not plain._batch.compiled
    made = graphs()
    for views, questions in (
        (VIEWS, QUESTIONS),
        (VIEWS[:1], QUESTIONS[:1]),
        (VIEWS[:2], QUESTIONS),
        (VIEWS, QUESTIONS),
    ):
        ours, theirs = vlm.answer_views(views, questions), plain.answer_views(views, questions)
        same(ours, theirs)
        for a, b in zip(heats(ours), heats(theirs), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)  # stretched to [0, 1], from rows that agree to 1e-5
    assert graphs() == made, "a frame compiled"


@pytest.mark.parametrize("family", COMPILED)
def test_every_family_of_a_batch_is_compiled(checkpoint: Callable, family: str) -> None:
    assert load(checkpoint(family), compile="on")._batch.compiled


def test_each_warm_up_makes_a_step_of_its_own(checkpoint: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    vlm, runs = load(checkpoint("llava"), compile="on"), []
    for views, questions in ((VIEWS[:1], QUESTIONS[:1]), (VIEWS[:2], QUESTIONS[:1]), (VIEWS, QUESTIONS)):
        vlm.warm_up(views, questions)
    write = vlm._batch._decoder.write
    monkeypatch.setattr(vlm._batch._decoder, "write", lambda *a: runs.append((a[0].rows, len(a[1]), a[5])) or write(*a))
    vlm.answer_views(VIEWS, QUESTIONS)
    vlm.answer_views(VIEWS[:2], QUESTIONS[:1])
    vlm.answer_views(VIEWS[:1], QUESTIONS[:1])
    assert runs == [(9, 3, True), (2, 2, True), (1, 1, True)]


def test_the_compiler_itself_gives_the_same(checkpoint: Callable) -> None:
    torch._dynamo.reset()
    vlm, plain = load(checkpoint("llava"), compile="on"), load(checkpoint("llava"), compile="off")
    vlm.warm_up(VIEWS, QUESTIONS)
    assert vlm._batch.compiled
    same(vlm.answer_views(VIEWS, QUESTIONS), plain.answer_views(VIEWS, QUESTIONS))


@pytest.mark.parametrize("family", [name for name in BATCH if name not in COMPILED])
def test_a_family_that_can_not_be_compiled_says_so_once(
    checkpoint: Callable, family: str, caplog: pytest.LogCaptureFixture
) -> None:
    vlm, plain = load(checkpoint(family), compile="on"), load(checkpoint(family))
    vlm.warm_up(VIEWS, QUESTIONS)
    same(vlm.answer_views(VIEWS, QUESTIONS), plain.answer_views(VIEWS, QUESTIONS))
    (said,) = warnings(caplog)
    assert f"models of type '{family}' can't be compiled" in said


def test_on_a_cpu_auto_does_not_compile(checkpoint: Callable) -> None:
    assert not load(checkpoint("llava"))._batch.compiled


def test_a_compiler_that_fails_costs_nothing_but_time(
    checkpoint: Callable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Callable:
        def call(**_: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory while capturing the graph\nmore")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    vlm = load(checkpoint("llava"), compile="on")
    vlm.warm_up(VIEWS, QUESTIONS)
    vlm.warm_up(VIEWS, QUESTIONS)
    same(vlm.answer_views(VIEWS, QUESTIONS), load(checkpoint("llava")).answer_views(VIEWS, QUESTIONS))
    (said,) = warnings(caplog)
    assert said.endswith("fit into the memory: CUDA out of memory while capturing the graph")


def test_a_driver_that_fails_in_the_middle_costs_one_frame(
    checkpoint: Callable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    vlm = load(checkpoint("llava"), compile="on")
    vlm.warm_up(VIEWS, QUESTIONS)
    vlm.answer_views(VIEWS, QUESTIONS)

    def broken(**_: Any) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    vlm._batch._decoder.step = broken
    with pytest.raises(VlmError, match="unspecified launch failure"):
        vlm.answer_views(VIEWS, QUESTIONS)
    same(vlm.answer_views(VIEWS, QUESTIONS), load(checkpoint("llava")).answer_views(VIEWS, QUESTIONS))
    assert ["unspecified launch failure" in said for said in warnings(caplog)] == [True]


def test_what_no_compiled_step_holds_runs_uncompiled_or_in_parts(
    checkpoint: Callable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    vlm, plain = load(checkpoint("qwen2_5_vl"), compile="on"), load(checkpoint("qwen2_5_vl"))
    vlm.warm_up(VIEWS[:2], QUESTIONS[:1])
    made, long = graphs(), ["What lies on the road? " * 8]
    same(vlm.answer_views(VIEWS, QUESTIONS), plain.answer_views(VIEWS, QUESTIONS))  # 9 rows on a step of 2
    assert warnings(caplog) == []
    for _ in range(2):
        same(vlm.answer_views(VIEWS, long), plain.answer_views(VIEWS, long))
    assert graphs() == made and ["run uncompiled" in said for said in warnings(caplog)] == [True]


# --- rows


def ending(lengths: Sequence[int]) -> Callable:
    """Rows that write their likeliest tokens, and end after so many."""

    def chooser(_: None) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        step = [0]

        def chosen(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            token = scores.argmax(-1)
            rows = [ids_of(row) for row in ids]
            ended = torch.tensor([step[0] >= lengths[known.setdefault(r, len(known))] for r in rows])
            step[0] += 1
            return token.masked_fill(ended, 1)

        known: dict[tuple, int] = {}
        first: list[int] = []

        def ids_of(row: torch.Tensor) -> tuple:
            first.append(len(row))
            return tuple(row[: first[0]].tolist())

        return chosen

    return chooser


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("lengths", [(0, 1, 2, 5), (6, 6, 6, 6), (0, 0, 0, 0), (5, 0, 0, 0), (3, 9, 1, 1)])
def test_rows_that_have_ended_leave_and_change_nothing(
    checkpoint: Callable, lengths: Sequence[int], pipelined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = load(checkpoint("qwen2_vl"))
    questions = ["A?", "What is on the road?", "List all.", "Is there anything?"]
    expected = []
    for question, length in zip(questions, lengths, strict=True):
        monkeypatch.setattr(vlm._batch, "_chooser", ending([length]))
        expected.append(vlm.answer(VIEW, [question])[0])
    assert [len(a.token_spans) for a in expected] == [min(length, 6) for length in lengths]
    sizes: list[int] = []
    through = decoding._Run._through
    monkeypatch.setattr(decoding._Run, "_through", lambda self, *a: sizes.append(len(a[1])) or through(self, *a))
    monkeypatch.setattr(vlm._batch, "_chooser", ending(lengths))
    monkeypatch.setattr(vlm._batch._decoder, "pipelined", pipelined)
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    same([vlm.answer(VIEW, questions)], [expected])
    assert sizes[0] == 4 and sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 1 + min(max(lengths), 6) + (pipelined and max(lengths) < 6)
    assert sizes[-1] <= 2 or sorted(lengths)[1] >= max(lengths) - 1


def test_rows_that_end_leave_those_alone_that_a_grammar_holds(checkpoint: Callable) -> None:
    pytest.importorskip("xgrammar")
    vlm = load(checkpoint("llava"), answers="json", max_new_tokens=24, temperature=2.0)
    quote = torch.zeros(vlm._model.config.get_text_config().vocab_size)
    quote[vlm._tokenizer('"', add_special_tokens=False)["input_ids"]] = 8.0  # so that names end
    vlm._model.get_output_embeddings().register_forward_hook(lambda *a: a[2] + quote)
    torch.manual_seed(0)
    answers = vlm.answer(VIEW, [f"What is {n}?" for n in range(16)])
    assert len({len(a.token_spans) for a in answers}) > 4, "they are to end at different times"
    item = r'"[A-Za-z][A-Za-z0-9 -]{0,47}"'
    for answer in answers:
        assert re.fullmatch(rf'\[({item}(, {item})*)?(, ?)?("[A-Za-z0-9 -]*"?|,|"|\])?', answer.text), answer.text
        assert answer.truncated == (not answer.text.endswith("]"))


class _Event:
    def record(self) -> None: ...

    def synchronize(self) -> None: ...


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_views_with_nearly_as_many_tokens_are_one_batch_and_others_apart(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vlm = load(checkpoint(family))
    cell = 2 * vlm._prompter._processor.image_processor.patch_size
    views = [np.resize(VIEW, (h * cell, w * cell, 3)) for h, w in ((3, 5), (2, 8), (8, 9), (3, 5))]
    runs: list[int] = []
    write = vlm._batch._decoder.write
    monkeypatch.setattr(vlm._batch._decoder, "write", lambda *a: runs.append(len(a[1])) or write(*a))
    found = [vlm.answer_views(views, QUESTIONS) for _ in range(2)]
    assert runs == [3, 1] * 2
    assert warnings(caplog) == [
        "views with few and with many image tokens are answered one after the other; vlm.view_tokens makes them alike"
    ]
    for answers in found:
        same(answers, [vlm.answer(view, QUESTIONS) for view in views])


def test_views_that_are_answered_are_not_counted_again(checkpoint: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are prefixes, which are there: only the answers that are still to be written, and those of one batch."""
    vlm, kept = load(checkpoint("qwen2_5_vl")), []
    views = [np.resize(VIEW, (side, side, 3)) for side in (60, 60, 400)]
    need = together.generation
    monkeypatch.setattr(together, "generation", lambda *a: kept.append(a[-1]) or need(*a))
    vlm.answer_views(views, QUESTIONS)
    each = max(map(len, vlm._batch._prompter.tails(QUESTIONS))) + 6
    asked = [k // each for k in kept if k]
    assert asked == [15, 15, 6, 6] and not any(k % each for k in kept)  # 9 and 6 at once, then 3 and 3
    assert vlm.answer_views([], QUESTIONS) == []


def test_meanwhile_comes_between_the_views_and_the_answers(
    checkpoint: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, order = load(checkpoint("llava")), []
    for owner, name in ((vlm._batch, "_prefix"), (vlm._batch._decoder, "write")):
        call = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, call=call, name=name: order.append(name) or call(*a))
    vlm.answer_views(VIEWS, QUESTIONS, lambda: order.append("meanwhile"))
    assert order == ["_prefix", "meanwhile", "write"]
    apart: list[int] = []
    load(checkpoint("gemma3")).answer_views(VIEWS[:2], QUESTIONS[:1], lambda: apart.append(1))
    assert apart == [1]


def test_a_view_is_seen_once_while_its_pixels_live(checkpoint: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm, sizes = load(checkpoint("qwen2_5_vl")), []
    prefix = vlm._batch._prefix
    monkeypatch.setattr(vlm._batch, "_prefix", lambda *a: sizes.append(len(a[0])) or prefix(*a))
    expected, views = vlm.answer_views(VIEWS, QUESTIONS), [view.view(Pixels) for view in VIEWS]
    assert sizes == [3]
    same([[*vlm.answer_views(views[:1], QUESTIONS[:1])[0], *vlm.answer(views[0], QUESTIONS[1:])]], expected[:1])
    same(vlm.answer_views(views, QUESTIONS), expected)
    same([vlm.answer(views[2], QUESTIONS)], expected[2:])
    assert sizes == [3, 1, 2]
    fresh = VIEW.copy().view(Pixels)
    assert vlm.write(fresh, QUESTIONS[0], 6) == (expected[0][0].text, expected[0][0].truncated)
    same([vlm.answer(fresh, QUESTIONS)], expected[:1])
    assert sizes == [3, 1, 2, 1]
    monkeypatch.setattr(memory, "available", lambda device: 0)
    monkeypatch.setattr(memory, "require_for_answers", lambda *_: None)
    (short,) = [VIEW.copy().view(Pixels)]
    vlm.answer(short, QUESTIONS[:1])
    assert short.kept == {}, "kept although the memory is short"


@pytest.mark.parametrize("family", ["gemma3", "gemma4", "paligemma", "blip-2", "instructblip"])
def test_the_vision_encoder_of_a_model_that_reads_a_view_again_runs_once(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, other = load(checkpoint(family)), load(checkpoint(family))
    encoder = vlm._model.get_encoder(modality="image")
    runs, layer = [], next(m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear))
    layer.register_forward_hook(lambda *_: runs.append(1))
    views = [view.view(Pixels) for view in VIEWS[:2]]
    found = vlm.answer_views(views, QUESTIONS)
    assert len(runs) == 2
    same([vlm.answer(views[0], QUESTIONS[1:2])], [found[0][1:2]])
    assert len(runs) == 2
    expected = [[other.answer(view, [q])[0] for q in QUESTIONS] for view in VIEWS[:2]]
    same(found, expected)
    for a, b in zip((a for own in found for a in own), (b for own in expected for b in own), strict=True):
        assert (a.layout.spread is None) == (b.layout.spread is None)
        assert a.layout.spread is None or np.allclose(a.layout.spread, b.layout.spread, atol=1e-6)
    assert "forward" not in vars(encoder)


# --- as many tokens for each view


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("tokens", [12, 24, 30])
def test_views_of_one_aspect_have_as_many_tokens(checkpoint: Callable, family: str, tokens: int) -> None:
    """Whatever their sizes; and each map still covers its view."""
    vlm = load(checkpoint(family), view_tokens=tokens)
    sizes = [(900, 1600), (315, 560), (316, 560), (100, 178), (45, 80), (495, 880)]
    prompts = [vlm._prompter(np.resize(VIEW, (*size, 3)), ["?"]) for size in sizes]
    assert all(prompts[0].alike(other) for other in prompts[1:])
    assert 0.6 * tokens <= prompts[0].layout.columns.size <= tokens
    for (height, width), prompt in zip(sizes, prompts, strict=True):
        assert prompt.layout.xyxy == pytest.approx((0, 0, width, height))
    tall = vlm._prompter(np.resize(VIEW, (1600, 900, 3)), ["?"]).layout
    assert tall.grid_hw[0] > tall.grid_hw[1] and 0.6 * tokens <= tall.columns.size <= tokens


@pytest.mark.parametrize("family", ["llava", "internvl", "smolvlm", "llava_next"])
def test_families_of_a_fixed_number_keep_it(checkpoint: Callable, family: str) -> None:
    plain, vlm = load(checkpoint(family)), load(checkpoint(family), view_tokens=4096)
    same(vlm.answer_views(VIEWS[:1], QUESTIONS[:1]), plain.answer_views(VIEWS[:1], QUESTIONS[:1]))


# --- loops


@pytest.mark.parametrize(
    ("words", "most", "loops"),
    [
        ("", 4, False),
        ("car , person , cone , car , dog ,", 4, False),
        ("cone , cone , cone ,", 4, False),
        ("a tall cone , tall cone , cone , cone ,", 4, False),
        ("a tall , cone , cone , cone , cone", 4, True),
        ("cone , cone , cone , cone , and a dog", 4, False),
        ("a dog , a cat , a dog , a cat , a dog , a cat ,", 4, False),
        ("a dog , a cat , a dog , a cat , a dog , a cat ,", 3, True),
        ("1 . cone 2 . cone 3 . cone 4 . cone", 4, True),
        ("1 . cone 2 . dog 3 . bin 4 . bag", 4, False),
        ("- " * 47, 4, False),
        ("- " * 48, 4, True),
        ("| " + "--- | " * 6, 4, False),
        ("".join(f"[ {i} , 20 , {i} 5 , 60 ] car , " for i in range(9)), 4, False),  # nine boxes
        ("[ 1 0 , 20 , 30 , 60 ] car , " * 4, 4, True),  # one
        ("".join(f'{{ "point_ 2 d": [ {i} , 2 {i} ], "label": "car" }} , ' for i in range(9)), 4, False),
        ('{ "point_ 2 d": [ 1 , 2 0 ], "label": "car" } , ' * 4, 4, True),
        ("".join(f"( {i} , {i} 0 ) cone ; " for i in range(9)), 4, False),
        (" ".join(f"{i} _ 5 {i % 9} 0 _ 6 0 {i % 8} _" for i in range(9)), 4, False),  # one name's points
        (" ".join(map(str, range(60))), 4, False),
        ("1 , 000 , " * 11, 4, False),
        ("1 , 000 , " * 12, 4, True),
        ("name " * 7, 4, False),
        ("name " * 8, 4, True),
        ("name " * 8, 9, False),
        ("name " * 9, 9, True),
        ("cone , cone , cone , cone , cone , cone ,", 0, False),
        (" ".join(f"w{i}" for i in range(33)) * 5, 4, False),
        ((" ".join(f"w{i}" for i in range(32)) + " ") * 4, 4, True),
    ],
)
def test_what_repeats_itself(words: str, most: int, loops: bool) -> None:
    decode = dict(enumerate(dict.fromkeys(words.split())))
    tokens = [{word: i for i, word in decode.items()}[word] for word in words.split()]
    assert Repeats(lambda ids: decode[ids[0]], most)(tokens) == loops


@pytest.mark.parametrize("family", ["llava", "qwen3_vl", "gemma3", "paligemma"])  # together, in groups, alone
def test_an_answer_that_repeats_itself_ends_and_says_so(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = load(checkpoint(family), max_repeats=4)
    part = vlm._tokenizer(" cone,", add_special_tokens=False)["input_ids"]
    tiny_models.say(vlm, part * 20, monkeypatch)
    for answer in vlm.answer(VIEW, QUESTIONS):
        assert answer.looped and answer.truncated
        assert len(part) * 3 < len(answer.token_spans) < max(len(part) * 4, 8)
        assert set(answer.text.replace(",", " ").split()) <= {"cone", "con", "co", "c"}
        assert answer.layer(0).length == answer.length
    monkeypatch.setattr(vlm, "_limits", free := decoding.Limits(64, vlm._ends, Repeats(vlm._decode, 0)))
    if vlm._batch:
        monkeypatch.setattr(vlm._batch, "_limits", free)
    assert [(a.looped, len(a.token_spans)) for a in vlm.answer(VIEW, QUESTIONS[:1])] == [(False, 64)]


def test_padding_after_an_answer_that_has_ended_is_no_loop(checkpoint: Callable) -> None:
    vlm = load(checkpoint("gemma3"), max_new_tokens=24)
    words = vlm._tokenizer(" cone, dog and a cat on the road with bins", add_special_tokens=False)["input_ids"]
    generate = vlm._model.generate

    def generated(**given: Any) -> torch.Tensor:
        first = given["input_ids"].shape[1]

        def allowed(row: int, seen: torch.Tensor) -> list[int]:
            return [vlm._ends[0] if row == 0 and len(seen) - first == 3 else words[(len(seen) - first) % len(words)]]

        return generate(**given, prefix_allowed_tokens_fn=allowed)

    vlm._model.generate = generated
    short, long = vlm.answer(VIEW, ["What is a?", "What is b?"])
    assert (len(short.token_spans), short.truncated, short.looped) == (3, False, False)
    assert (len(long.token_spans), long.truncated, long.looped) == (24, True, False)
