"""Answers that say the same again and again: one such row would keep the whole batch writing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

LONGEST = 32
"""Tokens of the longest part whose repetition is noticed."""

LEAST, LEAST_SIGNS = 8, 48
"""Tokens that its repetitions take at the least, and without a letter in it: a table's rule is no loop."""

NUMBER = -1

COORDINATES = 2
"""A part with so many numbers, or with nothing else, holds points or boxes: these are what tells one from the next."""


class Repeats:
    """Whether an answer's end is one and the same part again and again; numbers count as equal, as lists have them.

    Those of points and boxes don't: several things of one name differ in nothing else.

    Args:
        decode: tokens -> text.
        most: so many repetitions in a row are a loop (0: none ever is).
    """

    def __init__(self, decode: Callable[[list[int]], str], most: int) -> None:
        self._decode, self._most = decode, most
        self._signs: dict[int, tuple[int, bool]] = {}

    def __call__(self, tokens: Sequence[int]) -> bool:
        """Of the tokens that a row has written so far."""
        if not self._most or len(tokens) < LEAST:
            return False
        last = tokens[-max(LONGEST * self._most, LEAST_SIGNS + LONGEST) :]
        seen = [self._sign(token) for token in last]
        signs, letters = [sign for sign, _ in seen], [letter for _, letter in seen]
        return any(
            signs[-1] == signs[-1 - part] and self._repeated(last, signs, part, any(letters[-part:]))
            for part in range(1, min(LONGEST, len(signs) // 2) + 1)
        )

    def _repeated(self, tokens: Sequence[int], signs: Sequence[int], part: int, letters: bool) -> bool:
        length = part * max(self._most, -(-(LEAST if letters else LEAST_SIGNS) // part))
        own = signs if letters and _numbers(signs[-part:]) < COORDINATES else tokens
        return len(own) >= length and list(own[-length:-part]) == list(own[part - length :])

    def _sign(self, token: int) -> tuple[int, bool]:
        """The token, or `NUMBER` if it is one; and whether it has a letter."""
        if token not in self._signs:
            text = self._decode([token]).strip()
            self._signs[token] = NUMBER if text.isdigit() else token, any(c.isalpha() for c in text)
        return self._signs[token]


def _numbers(signs: Sequence[int]) -> int:
    """How many numbers there are, of one token or several."""
    return sum(sign == NUMBER != before for before, sign in zip([0, *signs], signs, strict=False))


class RepeatsStop(StoppingCriteria):
    """Ends the rows of a generation that repeat themselves; what follows an end token is padding, and no repetition.

    Attributes:
        at: row -> how many of its tokens count.
    """

    def __init__(self, repeats: Callable[[Sequence[int]], bool], ends: Collection[int], first: int) -> None:
        """`first` tokens are the prompt, and any of `ends` ends a row."""
        self.at: dict[int, int] = {}
        self._repeats, self._ends, self._first = repeats, frozenset(ends), first

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """All tokens so far (B, n) -> which rows end, bool (B,)."""
        for row, tokens in enumerate(input_ids[:, self._first :].tolist()):
            if row not in self.at and self._ends.isdisjoint(tokens) and self._repeats(tokens):
                self.at[row] = len(tokens) - 1
        return torch.tensor([row in self.at for row in range(len(input_ids))], device=input_ids.device)
