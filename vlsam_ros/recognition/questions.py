"""What the VLM is asked, and the names in what it answers (question ensemble: arXiv 2410.05963, section 3.4)."""

from __future__ import annotations

import re

import numpy as np

from ..backends.interfaces import Vlm
from ..config import QuestionOptions
from ..errors import ConfigError
from .answers import ParsedName, parse_names
from .text import plain

__all__ = ["ParsedName", "parse_names", "parse_questions", "questions_for"]

ASK_FOR_QUESTIONS = (
    "Write {n} short and different questions about this image which, taken together, make somebody list every object "
    "in it. One question per line."
)

_QUESTION = re.compile(r"[^\n.?!]{8,200}(?:[?.]|$)", re.M)
_ASKS = re.compile(r"\W*((?:what|which|who|where|are|is|do|can|how|list|name|identify|find|describe)\b.*)", re.I)


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
    readable, _ = plain(text, keep_case=True)
    if truncated:
        readable = readable[: max(readable.rfind(end) for end in "\n?.") + 1]
    asked = (_ASKS.match(m[0]) for m in _QUESTION.finditer(readable))
    return list(dict.fromkeys(" ".join(m[1].split()) for m in asked if m))[:most]
