"""Why an answer says nothing: it must not pass for "there is nothing"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..config import QuestionOptions
from ..data import Answer
from .answers import parse_names
from .refusals import REFUSAL, UNDECIDED, denies, heard, sorry
from .text import plain, thoughts

__all__ = ["EMPTY", "REFUSAL", "REPETITION", "THOUGHT", "UNDECIDED", "cut_off", "no_answer"]

EMPTY, THOUGHT, REPETITION = "empty", "a thought and no answer", "repetition"
"""What `no_answer` may say, beside `REFUSAL` and `UNDECIDED`."""

_LONGEST_UNIT = 64
"""Words, or characters, that a runaway answer may repeat."""
_TAIL = 2048
"""Words, or characters, at its end that are looked at."""


def cut_off(answer: Answer) -> str:
    """Why an answer has no end; empty if it has one."""
    if not answer.truncated:
        return ""
    return "cut off, as it repeats itself" if answer.looped else "cut off at vlm.max_new_tokens"


def no_answer(text: str, truncated: bool, options: QuestionOptions) -> str:
    """Why an answer says nothing, in a word or two; "" if it names something, or says that nothing is there.

    Safe by default, in this order: what names something outside its refusals and doubts is an answer, whatever else it
    says; a refusal is none, and neither is a doubt about the picture, even beside a denial; what denies in so many
    words ("none", "no hazards", "the road is clear", "[]") is an answer; everything else, also "yes", is none.

    A truncated answer that runs away in a repetition is one even where it names something: the names count, but what it
    would have said instead of repeating itself is not known.
    """
    said, _ = plain(text)
    words = re.findall(r"\w+", said)
    if not words:
        if re.search(r"\[\s*\]|\{\s*\}", said):
            return ""
        return THOUGHT if thoughts(text) else REPETITION if _repeats(said, 32) else EMPTY
    runaway = _repeats([w for w in words if not w.isdigit()][: -1 if truncated else None], 8) or _repeats(said, 96)
    if runaway and truncated:
        return REPETITION
    left, reason = heard(said)
    if parse_names(left, replace(options, ignore=[])):
        return ""
    if runaway:
        return REPETITION
    return reason or ("" if denies(said) else REFUSAL if sorry(said) else EMPTY)


def _repeats(sequence: Sequence[str], least: int) -> bool:
    """Whether a sequence ends in four or more repetitions of one unit that make up at least `least` elements."""
    tail = sequence[-_TAIL:]
    for period in range(1, min(_LONGEST_UNIT, len(tail) // 4) + 1):
        same = period
        while same < len(tail) and tail[-1 - same] == tail[-1 - same + period]:
            same += 1
        if same >= max(least, 4 * period):
            return True
    return False
