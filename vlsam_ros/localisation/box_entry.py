"""A box or point as a text has it, and the label that it goes with."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

Span = tuple[int, int]

_PLAIN = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,18})?|\.\d{1,18})(?:e[+-]?\d{1,2})?", re.A | re.I)
NUMBER = r"[+-]?\d{1,9}(?:\.\d{1,9})?"
"""How numbers are found in a text."""
_CONTEXT_CHARS = 64
"""So far before a list of numbers its label may begin."""
_MARKS = ("Mn", "Mc")
"""Categories of characters that belong to the letter before them."""
_NO_LABEL = re.compile(
    r"\b(?:bounding|b?box(?:es)?|coordinates?|located|locations?|positions?|regions?|points?|objects?|here|output)\b",
    re.I,
)
"""In front of numbers such words announce them, and are no label."""


@dataclass(frozen=True)
class Entry:
    """A box or point as a text has it.

    Attributes:
        syntax: what it is written in, one of `SYNTAXES`.
        values: as written, of two opposite corners or a point; None if the text has no two or four numbers there.
        span: [start, end) of the characters of its numbers.
        label, label_span: what it is of, and where that stands; "" and None if it says nothing.
        broken: the text ended inside of it.
    """

    syntax: str
    values: tuple[float, ...] | None
    span: Span
    label: str = ""
    label_span: Span | None = None
    broken: bool = False


SYNTAXES = {
    "box_start": "<|box_start|>(x1,y1),(x2,y2)<|box_end|>",
    "box": "<box>[[x1,y1,x2,y2]]</box>",
    "det": "<|det|>[[x1,y1,x2,y2]]<|/det|>",
    "answer": "<|begin_of_box|>[[x1,y1,x2,y2]]<|end_of_box|>",
    "point": '<point x="…" y="…">',
    "coords": '<points coords="…">',
    "loc": "<loc0123> × 4",
    "loc_": "<loc_123> × 4",
    "patch": "<patch_index_0123> × 2",
    "pair": "(x1,y1),(x2,y2)",
    "list": "[x1,y1,x2,y2]",
    "bbox_2d": "JSON with bbox_2d or point_2d",
    "box_2d": "JSON with box_2d",
    "named": "JSON with x_min, y_min, x_max, y_max",
    "json": "JSON with boxes or points",
}
"""What an entry may be written in -> how that looks."""


@lru_cache(4096)
def number(said: str) -> float | None:
    """A plain decimal number, and nothing else that Python takes for one: no NaN, no infinity, no 1_000."""
    return float(said) if _PLAIN.fullmatch(said.strip()) else None


def entry(syntax: str, parts: Sequence[str], span: Span, label: Span | None, text: str, broken: bool = False) -> Entry:
    """Of numbers' texts."""
    values = [number(part) for part in parts]
    fine = len(values) in (2, 4) and not broken
    kept = tuple(v for v in values if v is not None)
    return Entry(
        syntax, kept if fine and len(kept) == len(values) else None, span, label_text(text, label), label, broken
    )


def label_text(text: str, span: Span | None) -> str:
    """A label without what JSON escapes in it."""
    said = text[slice(*span)] if span else ""
    if "\\" in said:
        with suppress(json.JSONDecodeError):
            said = json.loads(f'"{said}"', strict=False)
    return said.encode("utf-8", "replace").decode()


def before_or_same(text: str, found: Sequence[Entry], at: int) -> Span | None:
    """The label of numbers without one: the words in front, or what the last ones have if nothing is said between."""
    if found and not any(c.isalnum() for c in text[found[-1].span[1] : at]):
        return found[-1].label_span
    return words_before(text, at)


def words_before(text: str, at: int) -> Span | None:
    """The few words that stand in front of numbers, if they may be a label."""
    start = max(0, at - _CONTEXT_CHARS)
    phrase = re.search(r"[^\n.;!?,<>()\[\]{}\"`|]*\Z", text[start:at].rstrip(" \t:=-–`*|'\""))
    assert phrase
    span = trimmed(text, (start + phrase.start(), start + phrase.end()))
    if span is None or (phrase.start() == 0 and start > 0):
        return None
    said = text[slice(*span)]
    return None if _NO_LABEL.search(said) or len(said.split()) > 5 else span


def trimmed(text: str, span: Span) -> Span | None:
    """Without what is no letter or digit at its ends; None if nothing is left."""
    said = text[slice(*span)]
    inner = [i for i, c in enumerate(said) if c.isalnum() or c == "\\" or unicodedata.category(c) in _MARKS]
    return (span[0] + inner[0], span[0] + inner[-1] + 1) if inner else None
