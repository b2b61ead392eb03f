"""Names out of free-form answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config import QuestionOptions
from .grammar import noun_phrases
from .json_names import json_out
from .labels import labelled, tabled
from .refusals import heard
from .signs import joined, unquoted
from .text import plain
from .words import is_name, singular

MOST_WORDS = 6
"""A phrase with more words was not understood, and is no name."""


@dataclass(frozen=True)
class ParsedName:
    """A name in an answer.

    Attributes:
        name: lower case, singular; letters, digits, space, hyphen and apostrophe only.
        spans: [start, end) characters of the answer's text, one for each time it is named.
    """

    name: str
    spans: tuple[tuple[int, int], ...]


def parse_names(text: str, options: QuestionOptions, truncated: bool = False) -> list[ParsedName]:
    """The objects that an answer names, in order, each once with all its spans.

    Lists, JSON, tables, sentences and counts are understood; what is denied ("no dog", "dogs: 0"), refused, thought or
    no object is left out, and so is a name that a truncated answer may have broken off.
    """
    readable, origin = plain(text)
    readable, _ = heard(readable)
    found: dict[str, list[tuple[int, int]]] = {}
    heads: set[str] = set()
    end = len(readable.rstrip())
    for words in noun_phrases(labelled(tabled(unquoted(json_out(joined(readable)))))):
        name, words = _bounded(words, options.max_label_chars)
        broken = truncated and words and words[-1].end() == end
        if is_name(name) and not broken and name not in options.ignore:
            if name in heads and readable.endswith("the ", 0, words[0].start()):
                continue  # "a school bus ... the bus"
            heads.add(name.rpartition(" ")[2] if " " in name else "")
            found.setdefault(name, []).append((origin[words[0].start()], origin[words[-1].end()]))
    return [ParsedName(name, tuple(spans)) for name, spans in list(found.items())[: options.max_names]]


def _bounded(words: list[re.Match[str]], most_chars: int) -> tuple[str, list[re.Match[str]]]:
    """The name in the singular; leading words go until it fits, since an English name's last word matters most."""
    words = [w for i, w in enumerate(words) if i == 0 or w[0] != words[i - 1][0]]
    if len(words) > MOST_WORDS:
        return "", []
    texts = [w[0].replace("_", " ") for w in words]
    head = (texts.index("of") if "of" in texts else len(texts)) - 1
    texts = [singular(t) if i == head else t for i, t in enumerate(texts)]
    while texts and len(" ".join(texts)) > most_chars:
        texts, words = texts[1:], words[1:]
    return " ".join(texts), words
