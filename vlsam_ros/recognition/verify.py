"""False names: what the attention map does not bear out, and what the VLM denies when asked yes or no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..backends.interfaces import Vlm
from ..config import Config
from ..data import Answer, Detection
from ..errors import VlmError
from .refusals import heard
from .signs import joined
from .text import plain
from .words import singular

INCONSISTENT, DENIED = "inconsistent", "denied"
"""Values of `Detection.reason`."""

_LABEL = re.compile(
    r"\W*(?:(?:(?:(?:the )?(?:final |short )?answer(?: is)?|okay|ok|well|sure|certainly|of course)\b|a(?=:))\W+){0,3}"
)
_YES = re.compile(r"(?:yes|yeah|yep|yup|y|true|correct|indeed|affirmative|ja|sí|si|oui|是)\b")
_NO = re.compile(
    r"(?:no\b(?!\s+(?!(?:there|it|i|the|such|no)\b)\w)|(?:nope|nah|n|none|false|negative|nein|non|否|不是|没有|沒有)\b)"
)
_BOTH = re.compile(r"(?:yes\s*(?:/|and|or|,? ?or)\s*no|no\s*(?:/|and|or|,? ?or)\s*yes)\b")
_PARTS = re.compile(r"[.!?;,:\n](?!\w)|\b(?:but|however|though|although)\b")
_AFFIRMS = re.compile(
    r"\bthere(?:'s| is| are)(?! not?(?![a-z]))|\bi (?:can )?see\b|\b(?:shows|contains)\b|"
    r"\b(?:is|are) (?:visible|present)\b"
)


def _denials(noun: str) -> re.Pattern[str]:
    """Ways to say that something is not there."""
    there = "(?:visible|present|seen|shown|depicted|detected|found|there|here|(?:in|on|near|at) (?:this|the)|anywhere)"
    it = rf"(?:(?:an?|any|the|such|single|visible|clear|signs? of) ){{0,3}}{noun}"
    return re.compile(
        r"(?:\A\W*no|\bthere(?:'s| is| are) (?:no|not)|\bthere (?:isn't|aren't)|"
        r"\b(?:do not|don't|can ?not|can't|could not|couldn't) (?:see|find|spot|detect)|"
        r"\b(?:does not|doesn't|do not|don't) (?:\w+ )?(?:contain|show|include|depict|have|feature)) "
        rf"{it}(?=\W*\Z| (?:(?:is|are|to be|can be) )?{there}\b)|"
        rf"(?:\A|(?<=\W)){it} (?:(?:is|are) not|isn't|aren't|(?:can ?not|can't) be) {there}\b|"
        r"\A\W*not (?:visible|present|there|seen|in (?:this|the))\b|\bthere (?:isn't|aren't|is not|is none)\W*\Z"
    )


_NAME = "@"
"""Stands for the name in what is said of it."""
_DENIES_IT = _denials(rf"(?:{_NAME}|it|one|any|such (?:thing|object|item))")
_DENIES = _denials(r"(?!(?:more|fewer|less|other|longer|doubt|idea|way|problem|only|just)\b)(?:[\w'-]+ ){0,3}?[\w'-]+")


def verify(
    vlm: Vlm, pixels: np.ndarray, found: Sequence[Detection], config: Config
) -> tuple[list[Answer], list[Detection]]:
    """The instances of one view, those that are not believed with the reason; and what the VLM said about them.

    The questions about all names go to the VLM in one call, so that they share the view's prefix. Instances that would
    not be reported anyway are not asked about. An answer that is neither yes nor no drops nothing.

    Args:
        pixels: uint8 (H, W, 3), the view.
    """
    options = config.verify
    checked = [d if d.consistency >= options.min_consistency else replace(d, reason=INCONSISTENT) for d in found]
    names = sorted({d.label for d in checked if not d.reason and d.score >= config.least_score})
    if not options.ask or not names:
        return [], checked
    answers = vlm.answer(pixels, [ask_whether(name, options.question) for name in names])
    if len(answers) != len(names):
        raise VlmError(f"expected {len(names)} answers, got {len(answers)}")
    denied = {name for name, answer in zip(names, answers, strict=True) if parse_yes_no(answer.text, name) is False}
    return answers, [replace(d, reason=DENIED) if not d.reason and d.label in denied else d for d in checked]


def ask_whether(name: str, question: str) -> str:
    """The question about one name; the article in front of ``{name}`` becomes the one that fits."""
    if name.startswith(tuple("aeiou")):
        question = re.sub(r"\b([Aa])(?= \{name\})", r"\1n", question)
    return question.replace("{name}", name)


def parse_yes_no(text: str, name: str = "") -> bool | None:
    """Whether an answer says that there is what was asked about; None if it says neither, or both.

    It begins with yes or no, or it says so in a sentence: "there is no dog", "the dog isn't visible". Such a sentence
    counts if it speaks of the name; if none is given, a denial counts whatever it is of. A sign's legend ("no entry
    sign") denies nothing, and neither does who refuses to answer or cannot tell.
    """
    said = joined(plain(text)[0])
    said = said[_LABEL.match(said).end() :]  # type: ignore[union-attr]
    if _BOTH.match(said):
        return None
    if _YES.match(said):
        return True
    unknown = heard(said)[1] != ""
    if _NO.match(said):
        return None if unknown else False
    for part in _PARTS.split(_marked(said, name)):
        if (_DENIES_IT if name else _DENIES).search(part):
            return None if unknown else False
        if _NAME in part and _AFFIRMS.search(part):
            return True
    return None


def _marked(said: str, name: str) -> str:
    """What is said with `_NAME` for the name, in the singular or plural."""
    *first, last = [re.escape(w) for w in name.lower().split()] or [""]
    words = rf"\b{' '.join([*first, ''])}[\w'-]+"
    return re.sub(
        words, lambda m: _NAME if singular(m[0].split()[-1]) == singular(last) else m[0], said.replace(_NAME, "")
    )
