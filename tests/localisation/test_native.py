"""Boxes and points that VLMs write: every family's form, in order and spoilt, and texts that no model ever wrote."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from box_texts import CASES, GLM, OTHERS, Case
from fakes import WritingVlm

from vlsam_ros.backends.vlm.forms import FAMILY_FORMS, form_of_name
from vlsam_ros.config import BOX_FORMATS, NativeOptions, QuestionOptions
from vlsam_ros.data import Answer, ImageLayout, Shown
from vlsam_ros.errors import ConfigError
from vlsam_ros.localisation.box_formats import FORMS
from vlsam_ros.localisation.native import ask, ask_all, ask_for, grounded, names, written
from vlsam_ros.recognition.answers import parse_names

WIDTH, HEIGHT = 1000, 500
SHOWN = Shown((WIDTH // 2, HEIGHT // 2), (0, 0, WIDTH, HEIGHT))
OPTIONS, QUESTIONS = NativeOptions(), QuestionOptions()
BOTH = [*CASES, *OTHERS]
IDS = [f"{c.form}: {c.kind}" for c in BOTH]


def answer(text: str, shown: Shown | None = SHOWN, **rest: object) -> Answer:
    layout = ImageLayout(np.zeros((1, 1), np.int64), (0, 0, WIDTH, HEIGHT))
    return Answer("Where?", text, (), 0, 0, layout, 0, lambda _: None, shown=shown, **rest)  # type: ignore[arg-type]


def tokens(text: str, probabilities: dict[str, float]) -> Answer:
    """An answer of one token a character, whose probabilities are 1 but in some parts of the text."""
    each = [1.0] * len(text)
    for part, p in probabilities.items():
        each[text.index(part) : text.index(part) + len(part)] = [p] * len(part)
    spans = tuple((i, i + 1) for i in range(len(text)))
    return replace(answer(text), token_spans=spans, length=len(text), probabilities=tuple(each))


def boxes(text: str, form: str = "qwen3", **rest: object) -> list[tuple[float, ...]]:
    return [w.xyxy for w in written(answer(text, **rest), form, 64)[0]]  # type: ignore[arg-type]


def item(box: Sequence[object], label: str = "car") -> str:
    return json.dumps({"bbox_2d": list(box), "label": label}, ensure_ascii=False)


@pytest.mark.parametrize("case", BOTH, ids=IDS)
def test_what_families_write(case: Case) -> None:
    found, problems = written(answer(case.text), case.form, 64)
    assert [(w.label, w.point) for w in found] == [(label, len(place) == 2) for label, place in case.places]
    for w, (_, place) in zip(found, case.places, strict=True):
        x0, y0, x1, y1 = w.xyxy
        assert 0 <= x0 < x1 <= WIDTH and 0 <= y0 < y1 <= HEIGHT
        if w.point:
            assert (x1 - x0, y1 - y0) == pytest.approx((1, 1))
            assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(place, abs=0.5)
        else:
            assert w.xyxy == pytest.approx(place)
    assert problems == case.problems


@pytest.mark.parametrize("case", BOTH, ids=IDS)
def test_the_characters_of_numbers_and_labels(case: Case) -> None:
    for w in written(answer(case.text), case.form, 64)[0]:
        assert any(c.isdigit() for c in case.text[slice(*w.span)])
        assert case.text[slice(*w.label_span)] == w.label if w.label_span else w.label == ""


@pytest.mark.parametrize("case", BOTH, ids=IDS)
def test_names_of_plain_questions_hold_no_number_and_no_mark(case: Case) -> None:
    """A model may answer a plain question with boxes, too."""
    labels = [label for label, _ in case.places]
    expected = {n.name for label in labels for n in parse_names(label, QUESTIONS)}
    found = [n.name for n in parse_names(case.text, QUESTIONS)]
    spoilt = case.problems or not any(labels)
    assert set(found) - expected <= {"car", "dog", "bus", "pole", "watch", "window", "person", "selection", "head"}
    assert spoilt or set(found) == expected
    assert spoilt or [n.name for n in names(answer(case.text), case.form, QUESTIONS)] == found


OPEN_ENDED = ("inventions", "out of range", "an attribute twice", "without the picture's number", "corners after a key")
"""Kinds of which only the end tells what they are."""
CLOSED = [c for c in BOTH if not c.kind.startswith(OPEN_ENDED)]


@pytest.mark.parametrize("case", CLOSED, ids=lambda c: f"{c.form}: {c.kind}")
def test_a_text_that_is_cut_anywhere_has_no_box_that_the_whole_has_not(case: Case) -> None:
    whole = set(boxes(case.text, case.form))
    for end in range(0, len(case.text), max(1, len(case.text) // 70)):
        assert set(boxes(case.text[:end], case.form, truncated=True)) <= whole, case.text[:end]


def test_every_form_has_its_row_and_its_texts() -> None:
    assert set(FORMS) == set(BOX_FORMATS) == {c.form for c in CASES}
    assert min(sum(c.form == form for c in CASES) for form in FORMS) >= 6
    assert set(FAMILY_FORMS.values()) | {"gemini"} == set(BOX_FORMATS)
    with pytest.raises(ConfigError, match=r"vlm.boxes: expected one of qwen2, .*, got ''"):
        written(answer("[]"), "", 64)


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("Qwen/Qwen3-VL-4B-Instruct", "qwen3"),
        ("qwen3-vl:235b-cloud", "qwen3"),
        ("Qwen/Qwen3.5-9B", "qwen3"),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "qwen2.5"),
        ("qwen2.5vl:3b", "qwen2.5"),
        ("unsloth/Qwen2_VL_7B", "qwen2"),
        ("OpenGVLab/InternVL3_5-8B", "internvl"),
        ("allenai/Molmo-7B-D-0924", "molmo"),
        ("allenai/Molmo2-8B", "molmo2"),
        ("allenai/MolmoPoint-8B", ""),
        ("google/paligemma2-3b-mix-448", "paligemma"),
        ("google/gemma-4-E4B-it", "gemma"),
        ("google/gemma-3-4b-it", ""),
        ("gemini-2.5-pro", "gemini"),
        ("THUDM/GLM-4.1V-9B-Thinking", "glm"),
        ("zai-org/GLM-4.6V-Flash", "glm"),
        ("THUDM/glm-4v-9b", ""),
        ("deepseek-ai/deepseek-vl2-small", "deepseek"),
        ("microsoft/kosmos-2-patch14-224", "kosmos"),
        ("microsoft/kosmos-2.5", ""),
        ("vikhyatk/moondream2", "moondream"),
        ("microsoft/Florence-2-large", "florence"),
        ("/models/gemini/Qwen3-VL-2B/", "qwen3"),
        ("Qwen/Qwen3-8B", ""),
        ("gpt-5", ""),
        ("", ""),
    ],
)
def test_the_form_by_a_models_name(model: str, form: str) -> None:
    assert form_of_name(model) == form


def test_questions_are_the_forms_own_or_the_users() -> None:
    for form in BOX_FORMATS:
        assert "stop sign" in ask_for("stop sign", form, OPTIONS) and "{" not in ask_for("car", form, OPTIONS)
        assert ask_all(form, OPTIONS) and "{" not in ask_all(form, OPTIONS)
    own = NativeOptions(of_name="Box {name}!", question="All!")
    assert (ask_for("car", "qwen3", own), ask_all("molmo", own)) == ("Box car!", "All!")


# Against supervision, on texts that are in order


def _random(seed: int) -> tuple[list[tuple[int, int, int, int]], list[str]]:
    rng = random.Random(seed)
    corners = [
        (rng.randrange(0, 400), rng.randrange(0, 400), rng.randrange(410, 990), rng.randrange(410, 990))
        for _ in range(7)
    ]
    return corners, [rng.choice(["car", "traffic cone", "dog"]) for _ in corners]


def _text(form: str, corners: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    rows = list(zip(corners, labels, strict=True))
    if form in ("qwen2.5", "qwen3"):
        return "```json\n[\n" + ",\n".join(item(box, label) for box, label in rows) + "\n]\n```"
    if form == "gemini":
        return "```json\n" + json.dumps([{"box_2d": [b[1], b[0], b[3], b[2]], "label": n} for b, n in rows]) + "\n```"
    if form == "paligemma":
        return " ; ".join("".join(f"<loc{b[i]:04}>" for i in (1, 0, 3, 2)) + f" {n}" for b, n in rows)
    if form == "deepseek":
        return "".join(f"<|ref|>{n}<|/ref|><|det|>[{list(b)}]<|/det|>" for b, n in rows)
    keys = ("x_min", "y_min", "x_max", "y_max")
    return json.dumps({"objects": [dict(zip(keys, (v / 1000 for v in b), strict=True)) for b in corners]})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", ["qwen2.5", "qwen3", "gemini", "paligemma", "deepseek", "moondream"])
def test_the_same_as_supervision(form: str, seed: int) -> None:
    import supervision as sv

    corners, labels = _random(seed)
    text, kinds = _text(form, corners, labels), {"qwen2.5": "qwen_2_5_vl", "qwen3": "qwen_3_vl", "gemini": "gemini_2_5"}
    kind = sv.VLM(kinds.get(form, form if form != "deepseek" else "deepseek_vl_2"))
    size = {"input_wh": (1000, 1000)} if form == "qwen2.5" else {}
    reference = sv.Detections.from_vlm(
        kind, json.loads(text) if form == "moondream" else text, resolution_wh=(WIDTH, HEIGHT), **size
    )
    found, problems = written(answer(text, Shown((1000, 1000), SHOWN.xyxy)), form, 64)
    assert problems == [] and [w.xyxy for w in found] == [pytest.approx(b, abs=1e-3) for b in reference.xyxy.tolist()]
    if form != "moondream":
        assert [w.label for w in found] == reference.data["class_name"].tolist() == labels


def test_the_same_as_the_library_for_kosmos() -> None:
    from transformers.models.kosmos2.processing_kosmos2 import clean_text_and_extract_entities_with_bboxes

    text = next(c.text for c in CASES if (c.form, c.kind) == ("kosmos", "several"))
    entities = clean_text_and_extract_entities_with_bboxes(text)[1]
    expected = [
        (n, [v * s for v, s in zip(b, (WIDTH, HEIGHT) * 2, strict=True)]) for n, _, some in entities for b in some
    ]
    assert [(w.label, pytest.approx(w.xyxy)) for w in written(answer(text), "kosmos", 9)[0]] == expected


# What was shown, and of what size


def test_pixels_are_those_of_the_picture_that_the_model_saw() -> None:
    text = item([50, 25, 150, 100])
    assert boxes(text, "qwen2.5", shown=Shown((200, 100), (0, 0, 400, 400))) == [(100, 100, 300, 400)]
    _, problems = written(answer(text, None), "qwen2.5", 9)
    assert problems == ["1 box in pixels of a picture whose size is not known"]
    assert boxes(text, "qwen3", shown=None) == [(50, 12.5, 150, 50)]


def test_padding_is_undone_and_what_lies_in_it_left_out() -> None:
    padded = Shown((1000, 1000), (0, -250, 1000, 750))  # a view of 1000 × 500 in the middle of a square
    text = f"[{item([100, 300, 200, 400])}, {item([300, 200, 400, 600])}, {item([0, 0, 900, 240])}]"
    found, problems = written(answer(text, padded), "qwen3", 9)
    assert [w.xyxy for w in found] == [(100, 50, 200, 150), (300, 0, 400, 350)]
    assert boxes(item([0, 700, 90, 900]), shown=padded) == [(0, 450, 90, 500)]
    assert problems == ["1 box outside the picture"]
    at_end = Shown((1000, 1000), (0, 0, 1000, 1000))
    assert [w.xyxy for w in written(answer(text, at_end), "qwen3", 9, (350, 1000))[0]] == [
        (100, 300, 200, 350), (300, 200, 400, 350), (0, 0, 900, 240)
    ]  # fmt: skip


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (999, 999, 1000, 1000), (999.9, 0, 1000, 1000), (-30, -30, 1030, 1030)])
def test_boxes_at_the_edge_are_a_pixel_at_least(box: tuple) -> None:
    ((x0, y0, x1, y1),) = boxes(item(box), shown=Shown((20, 10), (0, 0, 20, 10)))
    assert 0 <= x0 <= x1 - 1 + 1e-9 and x1 <= 20 and 0 <= y0 <= y1 - 1 + 1e-9 and y1 <= 10


# Too many, too even


def test_no_more_than_the_option_allows() -> None:
    rng = random.Random(1)
    each = [
        [rng.randrange(450), rng.randrange(450), rng.randrange(500, 990), rng.randrange(500, 990)] for _ in range(1000)
    ]
    text = "[" + ", ".join(item(box) for box in each) + "]"
    found, problems = written(answer(text), "qwen3", 64)
    assert [w.xyxy for w in found] == [pytest.approx((a, b / 2, c, d / 2)) for a, b, c, d in each[:64]]
    assert problems == ["936 boxes more than native.max_boxes (64)"]


@pytest.mark.parametrize(
    ("xs", "width", "kept"),
    [
        ((100, 300, 500), 150, 3),
        ((100, 300, 500, 700), 150, 4),
        ((100, 250, 400, 550), 150, 0),
        ((0, 190, 380, 570, 760), 150, 0),
        ((0, 190, 381, 570, 760), 150, 0),
        ((0, 190, 370, 570, 760), 150, 5),
        ((760, 570, 380, 190, 0), 150, 0),
    ],
    ids=["three", "four apart", "four that touch", "five", "five, rounded", "five, uneven", "from right to left"],
)
def test_what_counts_as_invented(xs: tuple, width: int, kept: int) -> None:
    rows = [item([x, 400, x + width, 550]) for x in xs]
    found, problems = written(answer(f"[{', '.join(rows)}]"), "qwen3", 64)
    assert len(found) == kept and problems == ([] if kept else [f"{len(xs)} boxes evenly spaced, as if invented"])
    apart = [item([x, 400, x + width, 550], f"thing {'abcde'[i]}") for i, x in enumerate(xs)]
    assert len(boxes(f"[{', '.join(apart)}]")) == len(xs)


def test_before_and_after_an_invented_row_all_is_kept() -> None:
    row = [item([x, 100, x + 50, 200]) for x in range(300, 900, 100)]
    text = f"[{item([5, 6, 70, 80])}, {', '.join(row)}, {item([10, 600, 400, 900])}]"
    found, problems = written(answer(text), "qwen3", 64)
    assert [w.xyxy for w in found] == [(5, 3, 70, 40), (10, 300, 400, 450)]
    assert problems == ["6 boxes evenly spaced, as if invented"]


def test_a_row_that_begins_where_a_pair_ends_is_seen_whole() -> None:
    row = [item([x, 100, x + 50, 200]) for x in (40, *range(300, 800, 100))]
    assert boxes(f"[{', '.join(row)}]") == [(40, 50, 90, 100)]


# No boxes


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("There are none.", []),
        ("No dogs are visible in the image.", []),
        ("```json\n[]\n```", []),
        ("", ["no boxes"]),
        ("a car, a dog", ["no boxes"]),
        ("I'm sorry, but I can't help with that.", ["a refusal, no boxes"]),
        ("<think>[[1, 2, 30, 40]]", ["no boxes"]),
        ("没有", []),
    ],
)
def test_answers_without_boxes(text: str, problems: list[str]) -> None:
    assert written(answer(text), "qwen3", 64) == ([], problems)


def test_an_answer_without_boxes_still_names() -> None:
    assert [n.name for n in names(answer("a car, two dogs"), "qwen3", QUESTIONS)] == ["car", "dog"]
    assert names(answer("There are none."), "qwen3", QUESTIONS) == []


# Names


def test_names_of_labels_are_cleaned_bounded_and_filtered() -> None:
    labels = [
        "Cars",
        "stop sign",
        "object",
        "the red fire hydrant",
        "cars",
        "汽车",
        "sky",
        "a\x00b\u202ecar",
        "x" * 10_000,
        "dog 2",
    ]
    text = "[" + ", ".join(item([i, i, 500 + i * i, 600], label) for i, label in enumerate(labels)) + "]"
    found = names(answer(text), "qwen3", QuestionOptions(ignore=["sky"], max_label_chars=12))
    assert [n.name for n in found][:4] == ["car", "stop sign", "fire hydrant", "汽车"]
    assert found[-1].name == "dog" and all(len(n.name) <= 12 for n in found)
    (car,) = (n for n in found if n.name == "car")
    assert [text[slice(*span)] for span in car.spans][:2] == ["Cars", "cars"]
    assert len(names(answer(text), "qwen3", QuestionOptions(max_names=2))) == 2


def test_several_boxes_of_a_label_are_one_name() -> None:
    text = "<ref>cars</ref><box>[[1, 2, 30, 40], [100, 200, 300, 400]]</box>"
    (name,) = names(answer(text), "internvl", QUESTIONS)
    assert (name.name, name.spans) == ("car", ((5, 9),))
    both = f"[{item([1, 2, 30, 40])}, {item([100, 200, 300, 400])}]"
    ((_, spans),) = [(n.name, n.spans) for n in names(answer(both), "qwen3", QUESTIONS)]
    assert [both[slice(*s)] for s in spans] == ["car", "car"]


def test_the_characters_of_a_name_are_those_within_its_label() -> None:
    text = item([100, 200, 300, 400], "a red car")
    ((name, spans),) = [(n.name, n.spans) for n in names(answer(text), "qwen3", QUESTIONS)]
    assert (name, [text[slice(*s)] for s in spans]) == ("red car", ["red car"])


def test_so_many_different_labels_are_read() -> None:
    labels = [f"{'bdfgklmnpr'[i // 30]}o{'bdfgklmnpr'[i // 3 % 10]}{'aou'[i % 3]} car" for i in range(300)]
    text = f"[{', '.join(item([i, 0, i + 9, 9], label) for i, label in enumerate(labels))}]"
    assert [n.name for n in names(answer(text), "qwen3", QuestionOptions(max_names=999))] == labels[:256]


def test_a_label_that_the_limit_broke_off_is_no_name() -> None:
    text = "<loc0256><loc0128><loc0768><loc0512> car ; <loc0000><loc0000><loc0512><loc0256> traffic co"
    assert [n.name for n in names(answer(text, truncated=True), "paligemma", QUESTIONS)] == ["car"]


def test_a_label_escaped_in_json() -> None:
    text = '[{"bbox_2d": [100, 200, 300, 400], "label": "caf\\u00e9 table"}, {"box": [1, 2, 3, 4], "label": "\\ud83d"}]'
    assert [w.label for w in written(answer(text), "qwen3", 9)[0]] == ["café table", "?"]
    (name,) = names(answer(text), "qwen3", QUESTIONS)
    assert name.name == "café table" and text[slice(*name.spans[0])] == "caf\\u00e9 table"


# Boxes of names


def test_each_name_from_its_own_answer() -> None:
    car = f"[{item([100, 200, 300, 400])}, {item([0, 0, 50, 60], 'a police car')}, {item([7, 8, 90, 99], 'dog')}]"
    dog = "There are none."
    cone = '<points x1="100" y1="200" alt="">'
    found, problems = grounded(
        {"car": answer(car), "dog": answer(dog), "traffic cone": answer(cone)},
        ["dog", "car", "traffic cone"],
        "qwen3",
        OPTIONS,
    )
    assert found.names.tolist() == [1, 1, 2] and found.scores.tolist() == [1, 1, 1]
    assert found.xyxy.tolist() == [[100, 100, 300, 200], [0, 0, 50, 30], [99.5, 99.5, 100.5, 100.5]]
    assert found.points is not None and found.points.tolist() == [False, False, True]
    assert (found.xyxy.dtype, found.scores.dtype, found.names.dtype) == (np.float32, np.float32, np.int64)
    assert problems == ["car: 1 box of what was not asked for"]


@pytest.mark.parametrize(
    ("label", "counts"),
    [
        ("car", True), ("Cars", True), ("red car", True), ("car 3", True), ("", True), ("object", True),
        ("truck", False), ("streetcar", False), ("汽车", False), ("carpet", False), ("x" * 10_000, False),
        ("\x00\x1b", True),
    ],
)  # fmt: skip
def test_which_labels_mean_the_name_that_was_asked_for(label: str, counts: bool) -> None:
    found, problems = grounded({"car": answer(f"[{item([100, 200, 300, 400], label)}]")}, ["car"], "qwen3", OPTIONS)
    assert len(found) == counts and problems == ([] if counts else ["car: 1 box of what was not asked for"])


def test_the_head_of_a_name_means_it() -> None:
    found, _ = grounded({"police car": answer(item([100, 200, 300, 400]))}, ["police car"], "qwen3", OPTIONS)
    assert found.names.tolist() == [0]
    assert len(grounded({"streetcar": answer(item([100, 200, 300, 400]))}, ["streetcar"], "qwen3", OPTIONS)[0]) == 0


@pytest.mark.parametrize(("most_chars", "counts"), [(100, True), (QUESTIONS.max_label_chars, False)])
def test_labels_are_read_as_the_names_were(most_chars: int, counts: bool) -> None:
    name = "overturned articulated refrigerated semitrailer lorry combination"
    said, questions = answer(item([100, 200, 300, 400], name)), QuestionOptions(max_label_chars=most_chars)
    view = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    heard = ask(WritingVlm(), view, [said], {name: "Where?"}, "Where?", "qwen3", OPTIONS, questions)
    assert heard.places.xyxy.tolist() == ([[100, 100, 300, 200]] if counts else [])
    assert heard.problems == ([] if counts else [("Where?", "1 box of what was not asked for")])


def test_all_at_once() -> None:
    rows = {"Cars": [100, 200, 300, 400], "dog": [0, 0, 50, 60], "": [7, 8, 90, 99], "sky": [9, 9, 70, 80]}
    text = f"[{', '.join(item(box, label) for label, box in rows.items())}]"
    questions = QuestionOptions(ignore=["sky"])
    known = [n.name for n in names(answer(text), "qwen3", questions)]
    found, problems = grounded(answer(text), known, "qwen3", OPTIONS, questions)
    assert known == ["car", "dog"] and found.names.tolist() == [0, 1]
    assert problems == ["1 box without a name", "1 box of what was not asked for"]
    nothing, said = grounded(answer("None."), [], "qwen3", OPTIONS)
    assert len(nothing) == 0 and nothing.xyxy.shape == (0, 4) and said == []


def test_the_score_is_how_sure_the_tokens_of_box_and_label_were() -> None:
    text = f"[{item([100, 200, 300, 400])}, {item([7, 8, 90, 99])}]"
    sure = tokens(text, {"[100, 200, 300, 400]": 0.5, '"bbox_2d"': 0.1})
    found, _ = grounded({"car": sure}, ["car"], "qwen3", OPTIONS)
    assert found.scores.tolist() == pytest.approx([0.5 ** (20 / 23), 1])
    label = tokens(text, {"car": 0.25, "[100, 200, 300, 400]": 0.25})
    assert grounded({"car": label}, ["car"], "qwen3", OPTIONS)[0].scores.tolist() == pytest.approx([0.25, 1])
    impossible = tokens(text, {"[100, 200, 300, 400]": 0.0})
    assert 0 <= grounded({"car": impossible}, ["car"], "qwen3", OPTIONS)[0].scores.min() < 1e-9


def test_a_limit_for_each_answer() -> None:
    rows = ", ".join(item([i * i, 200, 300 + i * i * 2, 400]) for i in range(9))
    found, problems = grounded({"car": answer(f"[{rows}]")}, ["car"], "qwen3", NativeOptions(max_boxes=4))
    assert len(found) == 4 and problems == ["car: 5 boxes more than native.max_boxes (4)"]


# What no model ever wrote

PIECES = (
    *("<box>", "</box>", "[", "]", "{", "}", '"', "'", ":", ",", "bbox_2d", "label", "car", "1", "20", "333", "1000"),
    *("<|box_start|>", "<|box_end|>", "(", ")", " ", "<points ", "x1=", "y1=", '"1"', "coords=", ">", "<loc0012>"),
    *("<loc_12>", "<patch_index_0004>", "<phrase>", "</phrase>", "<object>", "<ref>", "</ref>", "<|det|>", "<|/det|>"),
    *("<|ref|>", "<|begin_of_box|>", "<|end_of_box|>", "-", "1e99", "NaN", "null", "true", "\n", "\\", "\ud83d", "\0"),
    *("é", "汽车", "box_2d", "x_min", "y_min", "x_max", "y_max", "0.5", "<think>", "</think>", "alt=", "point", "]]"),
)


@pytest.mark.parametrize("seed", range(8))
def test_random_pieces_never_fail_and_stay_in_the_view(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 90)))
        form, shown = rng.choice(BOX_FORMATS), rng.choice([SHOWN, None, Shown((640, 640), (0, -250, 1000, 750))])
        said = answer(text, shown, truncated=rng.random() < 0.5)
        for w in written(said, form, 64)[0]:
            x0, y0, x1, y1 = w.xyxy
            assert 0 <= x0 <= x1 - 1 + 1e-6 and x1 <= WIDTH and 0 <= y0 <= y1 - 1 + 1e-6 and y1 <= HEIGHT
        known = [n.name for n in names(said, form, QUESTIONS)]
        found, _ = grounded(said, known, form, OPTIONS, QUESTIONS)
        assert np.isfinite(found.xyxy).all() and set(found.names.tolist()) <= set(range(len(known)))


MUCH = 20_000
PATHOLOGICAL = {
    **{
        repr(piece): piece * (MUCH // len(piece))
        for piece in (*PIECES, "[]", "[ ", "(1,", "(1", "1.", "1,", '{"a":', "<")
    },
    "blanks after a corner": "(1,2)" + " " * MUCH,
    "escaped quotes": '"' + '\\"' * (MUCH // 2) + "\\",
    "a tag of letters": "<points " + "a" * MUCH,
    "a label of words": '[{"bbox_2d": [1, 2, 30, 40], "label": "' + "a b " * (MUCH // 4) + '"}]',
    "answers in answers": '<|begin_of_box|>{"a":1}' * (MUCH // 23),
    "points": '<points coords="1 ' + "1 222 333 " * (MUCH // 10),
    "deep": '[{"bbox":' * (MUCH // 9),
    "lists": "[1,2,30,40]a" * (MUCH // 12),
    "items": (item([1, 2, 30, 40]) + ",") * (MUCH // 50),
}


@pytest.mark.parametrize("kind", PATHOLOGICAL)
def test_the_time_grows_with_the_text_and_no_faster(kind: str) -> None:
    said = answer(PATHOLOGICAL[kind])
    spent = []
    for _ in range(3):
        start = process_time()
        written(said, "glm", 64)
        spent.append(process_time() - start)
    assert min(spent) < 0.15  # a machine that does something else, too; alone 0.05


def test_what_goes_on_after_all_limits_is_not_read() -> None:
    text = " " * (1 << 17) + item([1, 2, 30, 40])
    assert written(answer(text), "qwen3", 9)[0] == []


def test_the_first_block_of_an_answer_counts() -> None:
    (case,) = (c for c in GLM if c[0] == "thought first, block again")
    text = case[1].replace("\n<|begin", "\nThat is, <|begin")  # said anew, and another box
    assert len(boxes(text, "glm")) == 2
