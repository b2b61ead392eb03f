"""Which characters of an answer each of its tokens wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from ...data import Answer

MARKS = re.compile(
    r"</?(?:ref|box|quad|point|phrase|object)>|<(?:loc_?|patch_index_)\d+>|<delimiter_of_multi_objects/>"
    r"|<\|/?(?:(?:object_ref|box|quad)_(?:start|end)|(?:begin|end)_of_box|ref|det)\|>"
)
"""Special tokens with which a model marks names, boxes and points: they are a part of what it says."""

THOUGHT_ENDS = "</think>"
"""What a finished answer begins with whose thought was taken out."""


def token_spans(decode: Callable[[list[int]], str], ids: Sequence[int]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text of `ids` without outer blanks, and for each token its [start, end) characters in it.

    Growing prefixes are decoded: a token owns what it adds to the text. A special token adds nothing; tokens that hold
    parts of one character all own it.
    """
    whole = decode(list(ids))
    text = whole.strip()
    lead = len(whole) - len(whole.lstrip())
    spans, end = [], 0
    for i in range(len(ids)):
        part = decode(list(ids[: i + 1]))
        agreed = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(part, whole, strict=False)))
        start, end = end, min(max(end, agreed - lead), len(text))
        unfinished = len(part) > agreed  # a stand-in for a character whose other parts are still to come
        spans.append((start, min(end + unfinished, len(text))))
    return text, tuple(spans)


def decoder(tokenizer: Any) -> Callable[[list[int]], str]:
    """Tokens -> text, without special tokens that are no `MARKS`: ends, padding, placeholders, roles."""
    control = set(control_tokens(tokenizer))
    left_out = {i for i, token in tokenizer.added_tokens_decoder.items() if token.content in control}

    def decode(ids: list[int]) -> str:
        kept = [i for i in ids if i not in left_out]
        return tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    return decode


def answered(
    decode: Callable[[list[int]], str], question: str, tokens: Sequence[int], opening: str, length: int, **rest: Any
) -> Answer:
    """The `Answer` that some tokens are, the last of a sequence of `length`; `rest` are other fields of it.

    Args:
        opening: the mark that the template has begun a thought with, whose end mark may never come.
    """
    text, spans = token_spans(decode, tokens)
    if shift := len(opening):
        text, spans = opening + text, tuple((start + shift, end + shift) for start, end in spans)
    first = length - len(tokens)
    return Answer(question=question, text=text, token_spans=spans, first_row=first, length=length, **rest)


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer, sorted."""
    settings = getattr(model, "generation_config", None) or model.config  # a model's own code may have no `generate`
    ends = getattr(settings, "eos_token_id", None)
    ends = ends if isinstance(ends, list) else [ends]
    return sorted({end for end in [*ends, tokenizer.eos_token_id] if end is not None})


def control_tokens(tokenizer: Any) -> list[str]:
    """The texts of all tokens that steer a chat; a question must not hold them. `MARKS` are none."""
    special = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return [text for text in special if not MARKS.fullmatch(text)]


def without(text: str, tokens: Sequence[str]) -> str:
    """A text without any of some tokens' texts, and a blank where one parted it."""
    if not any(token in text for token in tokens):
        return text
    parts = re.split("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))), text)
    return " ".join(part for part in parts if part.strip())
