"""What a server that speaks OpenAI's protocol has answered: its words, and how sure it was of each token."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import exp
from typing import Any

from ...errors import VlmError
from .repeats import Repeats

CHARS_PER_TOKEN = 32
"""Longer answers than so many characters for each token that was allowed are cut."""

_PIECE = re.compile(r"\w+|[^\w\s]")
_COORDINATES = re.compile(r"\d\D{1,3}\d+\D{1,3}\d")
"""Three numbers side by side."""


@dataclass(frozen=True)
class Reply:
    """An answer without attention; `data.Answer` says what the fields are.

    Attributes:
        thought: the server has taken a thought out of it.
    """

    text: str = ""
    token_spans: tuple[tuple[int, int], ...] = ()
    probabilities: tuple[float, ...] = ()
    truncated: bool = False
    looped: bool = False
    failed: str = ""
    thought: bool = False


def read(completion: Any, most_tokens: int, max_repeats: int) -> Reply:
    """The first choice of a chat completion, from JSON. Where its tokens are unknown, all of the text is one.

    Raises:
        VlmError: it is no chat completion, or holds something else than an answer.
    """
    try:
        choice = completion["choices"][0]
        message, ended = choice["message"], choice.get("finish_reason")
        content = message.get("content")
    except (AttributeError, IndexError, KeyError, TypeError):
        error = completion.get("error") if isinstance(completion, dict) else None
        said = f" but {_line(error)}" if error else ""
        raise VlmError(f"expected a chat completion with a choice, the server sent none{said}") from None
    if not isinstance(content, (str, type(None))):
        raise VlmError(f"expected a chat completion's content as text, got {type(content).__name__}")
    if why := _instead(message, bool(content), ended):
        raise VlmError(why)
    text, most = _readable(content or "").strip(), CHARS_PER_TOKEN * most_tokens
    kept, looped = until_repeated(text[:most], max_repeats)
    spans, probabilities = _tokens(choice.get("logprobs"), text, len(kept))
    spans = spans or (((0, len(kept)),) if kept else ())
    truncated = looped or ended == "length" or len(text) > most
    return Reply(kept, spans, probabilities, truncated, looped, thought=_thought(message))


def until_repeated(text: str, most: int) -> tuple[str, bool]:
    """The text up to where it has said the same so often in a row, and whether it does; see `repeats.Repeats`.

    Words and signs count as tokens. Numbers are equal, unless there are coordinates: boxes differ in nothing else.
    """
    pieces = list(_PIECE.finditer(text))
    words = [piece[0] for piece in pieces]
    if _COORDINATES.search(text):
        words = [f"#{word}" if word.isdigit() else word for word in words]
    known = list(dict.fromkeys(words))
    number = {word: i for i, word in enumerate(known)}
    tokens, repeats = list[int](), Repeats(lambda ids: known[ids[0]], most)
    for piece, word in zip(pieces, words, strict=True):
        tokens.append(number[word])
        if repeats(tokens):
            return text[: piece.start()].rstrip(), True
    return text, False


def _instead(message: Mapping[str, Any], said: bool, ended: Any) -> str:
    """What there is instead of an answer; empty if there is one."""
    if refusal := message.get("refusal"):
        return f"refusal: {_line(refusal)}"
    if ended == "content_filter":
        return "stopped by the server's filter"
    if said:
        return ""
    if message.get("tool_calls") or message.get("function_call"):
        return "a call of a tool and no answer"
    return "a thought and no answer" if _thought(message) else ""


def _thought(message: Mapping[str, Any]) -> bool:
    return bool(message.get("reasoning_content") or message.get("reasoning"))


def _tokens(logprobs: Any, text: str, kept: int) -> tuple[tuple[tuple[int, int], ...], tuple[float, ...]]:
    """Spans and probabilities of the tokens in the first so many characters; none if they don't add up to the text.

    What was thought before the text, and the mark that ends it, may be among the tokens.
    """
    try:
        tokens = [(_bytes(token), float(token["logprob"])) for token in logprobs["content"]]
        whole = _readable(b"".join(token for token, _ in tokens).decode())
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return (), ()
    if not text or (at := whole.rfind(text)) < 0 or any(p != p for _, p in tokens):
        return (), ()
    starts = list(accumulate((len(c.encode()) for c in whole), initial=0))
    spans, probabilities, first = [], [], 0
    for token, logprob in tokens:
        start = bisect_right(starts, first) - 1 - at  # tokens that hold parts of one character all own it
        first += len(token)
        span = max(start, 0), min(bisect_left(starts, first) - at, kept)
        if span[0] < span[1]:
            spans.append(span)
            probabilities.append(exp(min(logprob, 0.0)))
    return tuple(spans), tuple(probabilities)


def _bytes(token: Mapping[str, Any]) -> bytes:
    own, text = token.get("bytes"), token["token"]
    if isinstance(own, list):
        return bytes(own)
    if own is not None or not isinstance(text, str):
        raise TypeError(f"expected a token's text and bytes, got {token!r}")
    return text.encode()


def _readable(text: str) -> str:
    """The text with blanks for control characters and halves of characters."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else " " for c in text)


def _line(said: Any) -> str:
    """The beginning of what a server says instead of an answer, on one line."""
    return " ".join(_readable(str(said)).split())[:200]
