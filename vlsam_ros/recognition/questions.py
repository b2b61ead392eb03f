"""What the VLM is asked, and the names in what it answers (question ensemble: arXiv 2410.05963, section 3.4)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..backends.interfaces import Vlm
from ..config import QuestionOptions
from ..errors import ConfigError
from .words import COUNTERS, ENDING, LEADING, NO_NAMES, PREPOSITIONS, singular

ASK_FOR_QUESTIONS = (
    "Write {n} short and different questions about this image which, taken together, make somebody list every object "
    "in it. One question per line."
)

MOST_WORDS = 6
"""A phrase with more words was not understood, and is no name."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_QUESTION = re.compile(r"[^\n.?!]{8,200}(?:[?.]|$)", re.M)
_ASKS = re.compile(r"\W*((?:what|which|who|where|are|is|do|can|how|list|name|identify|find|describe)\b.*)", re.I)
_TAG = re.compile(r"<think>.*?(?:</think>|\Z)|<[^<>\n]{0,64}>|```\w*", re.S)
_EXPLANATION = re.compile(r"^[ ]*(?:[-*•]|\d+[.)])[^:\n]*?(?::| [-–—] )(?=[ ]*\w)([^\n]*)", re.M)
_DENIAL = re.compile(
    r"(?:\b(?:no(?!,| (?:parking|entry|stopping|passing|overtaking|smoking)\b)|not|none|nothing|nobody|cannot|never|"
    r"neither|zero|0|unable|sorry|unfortunately|\w+n't)\b|"
    r"\b(?:road|street|lane|highway|way|path|view)\b(?= (?:ahead )?(?:is|are|looks?|seems?|appears?)\b[^,.;!?\n]{0,24}"
    r"\b(?:clear|empty|free)\b))(?:(?!\bbut\b|\bhowever\b|\bexcept\b)[^.!?;\n])*"
)
_INTRODUCTION = re.compile(
    r"^.*(?<![\w'-])(?:there(?:'s| is| are| was| were| appears? to be| seems? to be)|see|spot|notice|observe|identify|"
    r"shows?|contains?|includes?|including|depicts?|features?|such as|namely|objects like|things like|"
    r"(?:is|are|consists?) of|here (?:is|are)|objects? (?:is|are)|things? (?:is|are))(?![\w'-])"
)
_BOUNDARY = re.compile(
    r"[,;:.!?|/\\\"\[\](){}<>\n\t•·*#=+~^&@$%…、。–—]|\s-+\s|\b(?:and|or|but|however|except|plus|as well as|"
    r"along with|together with|followed by|surrounded by|next to|riding|carrying|pushing|holding|pulling|towing|"
    r"with(?= (?:an?|two|three|some|several)\b))\b"
)
_NUMBERED = re.compile(r"\b\d{1,3}[.)](?=\s)|\b(?:\d+ ?x|x ?\d+)\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_STUTTER = re.compile(r"(\w)\1{3}")


@dataclass(frozen=True)
class ParsedName:
    """A name in an answer.

    Attributes:
        name: lower case, singular; letters, digits, space, hyphen and apostrophe only.
        spans: [start, end) characters of the answer's text, one for each time it is named.
    """

    name: str
    spans: tuple[tuple[int, int], ...]


def questions_for(vlm: Vlm, view: np.ndarray, options: QuestionOptions) -> list[str]:
    """The questions to ask about a frame; in mode ``generated`` the VLM writes them, looking at RGB uint8 (H, W, 3).

    The fixed questions are asked if it writes none.

    Raises:
        ConfigError: there is no question.
    """
    if not options.questions:
        raise ConfigError("questions.questions: expected at least one question, got none")
    if options.mode == "fixed":
        return list(options.questions)
    text, truncated = vlm.write(view, ASK_FOR_QUESTIONS.format(n=options.generated), options.generated_tokens)
    return parse_questions(text, options.generated, truncated) or list(options.questions)


def parse_questions(text: str, most: int, truncated: bool = False) -> list[str]:
    """Questions and requests in a text, one a line or one a sentence, each once; a truncated last one is left out."""
    plain = _TAG.sub(" ", unicodedata.normalize("NFKC", text))
    if truncated:
        plain = plain[: max(plain.rfind(end) for end in "\n?.") + 1]
    asked = (_ASKS.match(m[0]) for m in _QUESTION.finditer(plain))
    return list(dict.fromkeys(" ".join(m[1].split()) for m in asked if m))[:most]


def parse_names(text: str, options: QuestionOptions, truncated: bool = False) -> list[ParsedName]:
    """The objects that an answer names, in order, each once with all its spans.

    Lists, bullets, sentences and counts are understood, what is denied ("there is no dog") or not an object is left
    out, and so is a name that a truncated answer may have broken off.
    """
    plain, origin = _plain(text)
    found: dict[str, list[tuple[int, int]]] = {}
    for start, end in _phrases(plain):
        words = _noun_phrase(list(_WORD.finditer(plain, start, end)))
        name, words = _bounded(words, options.max_label_chars)
        broken = truncated and words and words[-1].end() == len(plain.rstrip())
        if _is_name(name) and not broken and name not in options.ignore:
            found.setdefault(name, []).append((origin[words[0].start()], origin[words[-1].end()]))
    return [ParsedName(name, tuple(spans)) for name, spans in list(found.items())[: options.max_names]]


def _plain(text: str) -> tuple[str, Sequence[int]]:
    """NFKC, lower case, invisible characters out; with each character's offset in `text`, and the end's."""
    if text.isascii():
        return _CONTROL.sub(";", text.lower().replace("_", " ")), range(len(text) + 1)
    out: list[str] = []
    origin: list[int] = []
    for cluster in re.finditer(r".[\u0300-\u036f]*", text, re.S):
        for c in unicodedata.normalize("NFKC", cluster[0]).lower().translate({0x2019: "'", ord("_"): " "}):
            kind = unicodedata.category(c)
            if kind != "Cf":
                out.append(";" if c == "\ufffd" or (kind[0] == "C" and c not in "\n\t") else c)
                origin.append(cluster.start())
    return "".join(out), [*origin, len(text)]


def _phrases(plain: str) -> list[tuple[int, int]]:
    """[start, end) of the pieces that may hold one name each: markup, denials, explanations and introductions out."""
    plain = _TAG.sub(lambda m: ";" * len(m[0]), plain)
    plain = _EXPLANATION.sub(lambda m: m[0][: m.start(1) - m.start()] + ";" * len(m[1]), plain)
    plain = _NUMBERED.sub(lambda m: ";" * len(m[0]), plain)
    plain = _DENIAL.sub(lambda m: ";" * len(m[0]), plain)
    ends = [(m.start(), m.end()) for m in _BOUNDARY.finditer(plain)]
    pieces = zip([0, *(e for _, e in ends)], [*(s for s, _ in ends), len(plain)], strict=True)
    return [(s + len(m[0]) if (m := _INTRODUCTION.match(plain[s:e])) else s, e) for s, e in pieces]


def _noun_phrase(words: list[re.Match[str]]) -> list[re.Match[str]]:
    """Words of a phrase without counts before and places after; empty if it holds no name."""
    texts = [w[0] for w in words]
    first = 0
    while first < len(words):
        counted = texts[first] in COUNTERS or singular(texts[first]) in COUNTERS
        if counted and texts[first + 1 : first + 2] == ["of"]:
            first += 2
        elif texts[first] in LEADING or texts[first].isdigit():
            first += 1
        else:
            break
    if first == len(words) or texts[first] in PREPOSITIONS:
        return []
    last = first + 1
    while last < len(words) and not {texts[last], " ".join(texts[last : last + 2])} & ENDING:
        last += 1
    while last > first and texts[last - 1] in LEADING:
        last -= 1
    unique = [i for i in range(first, last) if i == first or texts[i] != texts[i - 1]]
    return [words[i] for i in unique] if len(unique) <= MOST_WORDS and not set(texts[first:last]) <= ENDING else []


def _bounded(words: list[re.Match[str]], most_chars: int) -> tuple[str, list[re.Match[str]]]:
    """The name in the singular; leading words go until it fits, since an English name's last word matters most."""
    texts = [w[0] for w in words]
    head = (texts.index("of") if "of" in texts else len(texts)) - 1
    texts = [singular(t) if i == head else t for i, t in enumerate(texts)]
    while texts and len(" ".join(texts)) > most_chars:
        texts, words = texts[1:], words[1:]
    return " ".join(texts), words


def _is_name(name: str) -> bool:
    letters = sum(c.isalpha() for c in name)
    stutter = _STUTTER.search(name)
    return letters > 0 and (letters > 1 or not name.isascii()) and name not in NO_NAMES and not stutter
