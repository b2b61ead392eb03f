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
from .text import plain

INCONSISTENT, DENIED = "inconsistent", "denied"
"""Values of `Detection.reason`."""

_NEXT = r"\b(?!\s+(?!(?:there|it|i|the|such|no)\b)\w)"  # what may follow: "no, there is none", not "no entry sign"
_ANSWER = re.compile(
    rf"\W*(?:(?:the )?answer(?: is)?\W+)?(?:(?P<yes>yes){_NEXT}|no{_NEXT}|"
    r"there(?:'s| is| are) (?:no|not)\b(?! doubt)|there (?:isn|aren)'t\b)"
)


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
    names = sorted({d.label for d in checked if not d.reason and d.score >= config.merge.min_score})
    if not options.ask or not names:
        return [], checked
    answers = vlm.answer(pixels, [ask_whether(name, options.question) for name in names])
    if len(answers) != len(names):
        raise VlmError(f"expected {len(names)} answers, got {len(answers)}")
    denied = {name for name, answer in zip(names, answers, strict=True) if parse_yes_no(answer.text) is False}
    return answers, [replace(d, reason=DENIED) if not d.reason and d.label in denied else d for d in checked]


def ask_whether(name: str, question: str) -> str:
    """The question about one name; the article in front of ``{name}`` becomes the one that fits."""
    if name.startswith(tuple("aeiou")):
        question = re.sub(r"\b([Aa])(?= \{name\})", r"\1n", question)
    return question.replace("{name}", name)


def parse_yes_no(text: str) -> bool | None:
    """Whether an answer begins with yes or no, or says "there is no"; None if it does neither."""
    said = _ANSWER.match(plain(text)[0])
    return None if said is None else said["yes"] is not None
