"""The third path: the boxes and points that the VLM itself writes, from an answer's text to places in the view.

Models write them cut off, outside the picture, again and again, or invented at equal steps. What can be mended is; what
is left out is counted and said. The text is not trusted: nothing that it holds raises an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..backends.interfaces import Vlm
from ..config import NativeOptions, QuestionOptions
from ..data import Answer, Grounded, Shown
from ..recognition.answers import ParsedName, parse_names
from ..recognition.attention import token_rows
from ..recognition.refusals import REFUSAL, denies, heard
from ..recognition.text import plain, thoughts
from ..recognition.unanswered import cut_off
from .box_entry import SYNTAXES, Entry, Span
from .box_formats import Form, form_named, looks, shares
from .box_syntax import entries

MOST_CHARS = 1 << 17
"""Characters of an answer that are read."""
MOST_REASON_CHARS = 1000
"""Of an answer without boxes, characters that may say why."""
MOST_LABEL_CHARS = 256
"""A longer label was not understood, and names nothing."""
MOST_LABELS = 256
"""Different labels of one answer that are read."""
BEYOND = 0.25
"""What reaches farther beyond the picture, as a share of it, is no slip: such a box is left out, others are clipped."""
EVEN = 1.5e-3
"""So far sizes and steps may differ and still count as equal, as a share of the picture: the numbers are rounded."""
INVENTED, INVENTED_TILES = 5, 4
"""So many boxes of one label in a row, all of one size and at one step, are an invention; fewer where they touch."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Written:
    """A box or point in an answer.

    Attributes:
        label: what it is of, as written; may be empty.
        label_span: [start, end) of that in the answer's text; None if it has none.
        span: [start, end) of the characters that wrote its numbers.
        xyxy: in pixels of the view, inside it, a pixel wide and high at the least.
        point: only its middle is known.
    """

    label: str
    label_span: Span | None
    span: Span
    xyxy: Box
    point: bool = False


def ask_for(name: str, form: str, options: NativeOptions) -> str:
    """The question about the boxes of one name, in the form's own words if the options have none."""
    return (options.of_name or form_named(form).of_name).replace("{name}", name)


def ask_all(form: str, options: NativeOptions) -> str:
    """The question about all names and boxes at once."""
    return options.question or form_named(form).question


class Heard(NamedTuple):
    """What a VLM wrote of the places in one view.

    Attributes:
        places: in pixels of the view.
        numbers: each name whose boxes were asked for, and could be read, with its number in `places`.
        said: question and text of what it was asked for that.
        problems: question and what is wrong with its answer.
    """

    places: Grounded
    numbers: dict[str, int]
    said: list[tuple[str, str]]
    problems: list[tuple[str, str]]


def ask(
    vlm: Vlm,
    pixels: np.ndarray,
    answers: Sequence[Answer],
    names: Mapping[str, str],
    at_once: str | None,
    form: str,
    options: NativeOptions,
    questions: QuestionOptions,
) -> Heard:
    """Where the VLM itself says that the named things are in a view, uint8 (H, W, 3).

    Where nothing of an answer could be read it counts as not asked: that contradicts nobody.

    Args:
        answers: what it has said about the view.
        names: each with the question that brought it; those that `at_once` has not are asked for one by one.
        at_once: the question whose answer has boxes, too; None if there is none.

    Raises:
        VlmError: the VLM failed.
    """
    later = [name for name, question in names.items() if question != at_once]
    more = vlm.answer(pixels, [ask_for(name, form, options) for name in later]) if later else []
    given: list[tuple[Answer, Answer | dict[str, Answer], set[str]]] = [
        (answer, answer, names.keys() - later) for answer in answers if answer.question == at_once
    ]
    given += [(answer, {name: answer}, {name}) for name, answer in zip(later, more, strict=True)]
    problems = [(answer.question, answer.failed or cut_off(answer)) for answer in more]
    found, heard = [], set[str]()
    for answer, about, wanted in given:
        if not answer.failed:
            places, wrong = grounded(about, list(names), form, options, questions, pixels.shape[:2])
            found.append(places)
            problems += [(answer.question, problem) for problem in wrong]
            heard |= wanted if len(places) or not wrong else set()
    numbers = {name: n for n, name in enumerate(names) if name in heard}
    return Heard(Grounded.joined(found), numbers, [(a.question, a.text) for a in more], problems)


def written(
    answer: Answer, form: str, max_boxes: int, size_hw: tuple[int, int] | None = None
) -> tuple[list[Written], list[str]]:
    """The boxes and points of an answer, in its order, and what is wrong with it, in words for people.

    Args:
        form: one of `config.BOX_FORMATS`, in which they are expected. Another is read where it can't be mistaken.
        size_hw: of the view; by default what the picture that the model was shown tells: all of it, but for what lies
            left of and above the view, and as much on the other side.

    Raises:
        ConfigError: there is no such form.
    """
    row, wrong = form_named(form), Counter[str]()
    shown = answer.shown or Shown((0, 0), answer.layout.xyxy)
    found = entries(_said(answer.text))
    places: dict[tuple[str, tuple[float, ...]], Entry] = {}
    for e in found:
        if (place := _placed(e, row, answer.shown.size_wh if answer.shown else None, wrong)) is not None:
            key = e.label.casefold().rstrip("0123456789 #_-."), place  # "car 1", "car 2"
            wrong["written again"] += key in places
            places.setdefault(key, e)
    invented = _invented(list(places))
    out = []
    for i, ((_, place), e) in enumerate(places.items()):
        xyxy, why = _in_view(place, shown.xyxy, _view(shown, size_hw))
        if why := "evenly spaced, as if invented" if i in invented else why:
            wrong[why] += 1
        else:
            label = e.label[: MOST_LABEL_CHARS + 1]
            out.append(Written(label, e.label_span, e.span, xyxy, len(place) == 2))
    wrong[f"more than native.max_boxes ({max_boxes})"] = max(0, len(out) - max_boxes)
    problems = [f"{n} {'box' if n == 1 else 'boxes'} {what}" for what, n in wrong.items() if n]
    return out[:max_boxes], problems if found else [p for p in [_nothing(answer.text)] if p]


def _said(text: str) -> str:
    """The text in its length, without thoughts and what is too much."""
    out, end = [], 0
    for start, stop in thoughts(text):
        out += [text[end:start], " " * (stop - start)]
        end = stop
    return "".join([*out, text[end:]])[:MOST_CHARS]


def _nothing(text: str) -> str:
    """Why there are no boxes; empty if the answer says that there is nothing."""
    said = plain(_said(text).strip()[:MOST_REASON_CHARS])[0]
    if denies(said):
        return ""
    return "a refusal, no boxes" if heard(said)[1] == REFUSAL else "no boxes"


def _placed(e: Entry, form: Form, size_wh: tuple[int, int] | None, wrong: Counter[str]) -> tuple[float, ...] | None:
    """Least and greatest corner, or a point, as shares of the picture; None, and why, if there is neither."""
    if e.broken:
        wrong["cut off"] += 1
    elif e.values is None:
        wrong["without four numbers"] += 1
    elif (place := shares(e, form, size_wh)) is not None:
        return (*map(min, place[:2], place[2:]), *map(max, place[:2], place[2:])) if place[2:] else place
    elif e.syntax in form.syntaxes:
        wrong["in pixels of a picture whose size is not known"] += 1
    else:
        wrong[f"expected as {looks(form)}, got {SYNTAXES[e.syntax]}"] += 1
    return None


def _view(shown: Shown, size_hw: tuple[int, int] | None) -> tuple[float, float]:
    """Width and height of the view."""
    if size_hw:
        return float(size_hw[1]), float(size_hw[0])
    x0, y0, x1, y1 = shown.xyxy
    return max(1.0, x1 + min(x0, 0)), max(1.0, y1 + min(y0, 0))


def _in_view(place: Sequence[float], picture: Box, view_wh: tuple[float, float]) -> tuple[Box, str]:
    """Shares of a picture in pixels of the view, clipped, a pixel wide at the least; or why they can't be."""
    ends, point = [], len(place) == 2
    for axis, edge in enumerate(view_wh):
        first, size = picture[axis], picture[axis + 2] - picture[axis]
        low, high = (first + v * size for v in (place[axis], place[axis - 2]))
        slip = (EVEN if point else BEYOND) * size
        if low < -slip or high > edge + slip or (not point and (high <= 0 or low >= edge)):
            return (0, 0, 0, 0), "outside the picture"
        if high <= low and not point:
            return (0, 0, 0, 0), "without an area"
        low, high = max(low, 0.0), min(high, edge)
        if high - low < 1:
            low = min(max((low + high - 1) / 2, 0.0), edge - 1)
            high = low + 1
        ends.append((low, high))
    (x0, x1), (y0, y1) = ends
    return (x0, y0, x1, y1), ""


def _invented(places: Sequence[tuple[str, tuple[float, ...]]]) -> set[int]:
    """Which of some labels and places are in a long row of equals: one label, one size, and one step."""
    out: set[int] = set()
    start = 0
    for i in range(1, len(places) + 1):
        row = places[start:i]
        if i < len(places) and _goes_on(row, places[i]):
            continue
        if len(row) >= INVENTED_TILES and len(row) >= (INVENTED_TILES if _tiled(row) else INVENTED):
            out.update(range(start, i))
        start = i - 1 if len(row) > 1 else i
    return out


def _goes_on(row: Sequence[tuple[str, tuple[float, ...]]], after: tuple[str, tuple[float, ...]]) -> bool:
    (label, first), (other, place), (_, last) = row[0], after, row[-1]
    if label != other or len(first) != len(place):
        return False
    step = _moves(first, row[1][1] if len(row) > 1 else place)[:2]
    return max(abs(a - b) for a, b in zip(_moves(last, place), step * 2, strict=False)) <= EVEN


def _moves(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [b - a for a, b in zip(one, other, strict=True)]


def _tiled(row: Sequence[tuple[str, tuple[float, ...]]]) -> bool:
    """Whether boxes of one size touch each other along an axis."""
    (_, first), (_, second) = row[:2]
    sizes = _moves(first[:2], first[2:]) if first[2:] else []
    return any(abs(abs(b - a) - size) <= EVEN < size for a, b, size in zip(first, second, sizes, strict=False))


def names(answer: Answer, form: str, questions: QuestionOptions) -> list[ParsedName]:
    """The names of an answer that was asked for everything at once: its labels, cleaned, bounded and filtered.

    They are in the answer's order, each once with the characters of all its labels, also of those whose boxes are left
    out: another way may find them. A text without any label is read as an answer to a plain question.

    Raises:
        ConfigError: there is no such form.
    """
    form_named(form)
    found = entries(_said(answer.text))
    if not any(e.label for e in found):
        return parse_names(answer.text, questions, answer.truncated)
    known: dict[str, ParsedName | None] = {}
    spans: dict[str, dict[Span, None]] = {}
    for e in found:
        start, end = e.label_span or (0, 0)
        broken = answer.truncated and end == len(answer.text)
        if not broken and (name := _cleaned(e.label, questions, known)):
            (first, last), *_ = name.spans
            exact = answer.text[start:end] == e.label
            spans.setdefault(name.name, {})[(start + first, start + last) if exact else (start, end)] = None
    return [ParsedName(name, tuple(own)) for name, own in list(spans.items())[: questions.max_names]]


def _cleaned(label: str, questions: QuestionOptions, known: dict[str, ParsedName | None]) -> ParsedName | None:
    """The first name in a label, or None; each label is read once, and no more than `MOST_LABELS` of them."""
    if label not in known:
        fits = len(label) <= MOST_LABEL_CHARS and len(known) < MOST_LABELS
        known[label] = next(iter(parse_names(label, questions) if fits else []), None)
    return known[label]


def grounded(
    answers: Mapping[str, Answer] | Answer,
    names: Sequence[str],
    form: str,
    options: NativeOptions,
    questions: QuestionOptions | None = None,
    size_hw: tuple[int, int] | None = None,
) -> tuple[Grounded, list[str]]:
    """Where the named things are that a view's answers say, and what was left out, in words for people.

    A box counts for a name that its label means. In an answer about one name, one without a label counts for that.
    A score is the geometric mean of the probabilities of the tokens that wrote a box's numbers and label; 1 if unknown.

    Args:
        answers: for each name its own answer; or one about everything.
        names: those that are wanted, as `names` or `parse_names` has them.
        questions: how labels become names; those that `names` was told.
        size_hw: see `written`.
    """
    rule = questions or QuestionOptions()
    asked = {"": answers} if isinstance(answers, Answer) else {n: answers[n] for n in names if n in answers}
    rows: dict[tuple[Box, bool, int], float] = {}
    said: list[str] = []
    known: dict[str, ParsedName | None] = {}
    for of, answer in asked.items():
        found, problems = written(answer, form, options.max_boxes, size_hw)
        foreign = Counter[str]()
        for w in found:
            name = _meant(w.label, of, names, _cleaned(w.label, rule, known))
            if name is None:
                foreign["of what was not asked for" if w.label else "without a name"] += 1
            else:
                rows.setdefault((w.xyxy, w.point, names.index(name)), _probability(answer, w))
        problems += [f"{n} {'box' if n == 1 else 'boxes'} {what}" for what, n in foreign.items()]
        said += [f"{of}: {p}" if of else p for p in problems]
    return Grounded(
        xyxy=np.array([xyxy for xyxy, *_ in rows], np.float32).reshape(-1, 4),
        scores=np.array([*rows.values()], np.float32),
        names=np.array([name for *_, name in rows], np.int64),
        points=np.array([point for _, point, _ in rows], bool),
    ), said


def _meant(label: str, asked: str, names: Sequence[str], cleaned: ParsedName | None) -> str | None:
    """Which of the names a label means, of those that its answer was asked for; None if it is another thing."""
    name = cleaned.name if cleaned else ""
    if not asked:
        return name if name in names else None
    if name:
        same = name == asked or name.endswith(f" {asked}") or asked.endswith(f" {name}")
        return asked if same else None
    return asked if len(label) <= MOST_LABEL_CHARS else None


def _probability(answer: Answer, w: Written) -> float:
    """The geometric mean over the tokens of a box and its label."""
    spans = [w.span, *([w.label_span] if w.label_span else [])]
    rows = token_rows(answer, spans) if answer.probabilities else []
    of = np.array([answer.probabilities[row - answer.first_row] for row in rows], float)
    return float(np.exp(np.log(np.clip(of, 1e-12, 1)).mean())) if len(of) else 1.0
