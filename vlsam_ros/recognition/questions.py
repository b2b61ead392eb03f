"""What the VLM is asked, and the names in what it answers (question ensemble: arXiv 2410.05963, section 3.4)."""

from __future__ import annotations

import re

import numpy as np

from ..backends.interfaces import Vlm
from ..config import QuestionOptions
from ..errors import ConfigError
from .answers import ParsedName, parse_names
from .refusals import REFUSAL, heard, offers
from .text import plain

__all__ = ["ParsedName", "parse_names", "parse_questions", "questions_for"]

ASK_FOR_QUESTIONS = (
    "Write {n} short and different questions about this image which, taken together, make somebody list every object "
    "in it. One question per line."
)

_ASKS = (
    r"(?:what|which|who|where|how|are|is|do|does|can|could|would|will|list|name|identify|find|describe|count|show|give|"
    r"mention|point|tell|please|look)\b"
)
_MARKS = re.compile(r"\*\*|__|`|;{2,}|(?<!\w)[*_](?=\w)|(?<=[\w?.])[*_](?!\w)")
_LABEL = re.compile(
    r"[\W_]*(?:(?:q|question|prompt|request)\s?\d{0,3}\s?[.:)-]+\s|[a-z][.)]\s|\d{1,3}\s?[.:)]\s?|\d{1,3}\s-\s)?[\W_]*",
    re.I,
)
_NEXT = re.compile(rf"(?<=\?)[^\w?]*\s[\W_]*|(?<=\w\w\w[.!:])\s+(?={_ASKS})", re.I)
_ASKED = re.compile(rf"{_ASKS}|.*\?\Z", re.I)
_ENDED = re.compile(r"(?:\?|\w\w\w\.)\W*\Z")
_CHARS = range(8, 400)
"""How long a question may be."""


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
    """Questions and requests in a text, one or several a line, each once, without marks, numbers and labels.

    A truncated last one is left out, and so is what the VLM asks the user back. None where it refuses to write any.
    """
    readable, _ = plain(text, keep_case=True)
    if heard(readable.lower())[1] == REFUSAL:
        return []
    lines = [_LABEL.sub("", line, count=1) for line in _MARKS.sub("", readable).split("\n")]
    parts = [part for line in lines for part in _NEXT.split(line)]
    if truncated and not _ENDED.search(parts[-1]):
        parts.pop()
    asked = map(_asked, parts)
    return list(dict.fromkeys(q for q in asked if len(q) in _CHARS and not offers(q.lower())))[:most]


def _asked(part: str) -> str:
    """A question up to its mark, or a request; "" if a sentence is neither."""
    sentence = " ".join(_LABEL.sub("", part, count=1).rstrip("\"'], ").split())
    sentence = sentence[: sentence.rfind("?") + 1] or sentence
    return sentence if _ASKED.match(sentence) else ""
