"""How sure the language model is of what it writes."""

from __future__ import annotations

from torch import Tensor
from transformers import LogitsProcessor


class Certainty(LogitsProcessor):
    """Listens to a generation without beams, and changes nothing; keeps the probability of each token that is taken.

    A token's probability is known once the next one is sought, so that of the last step is never kept.
    """

    def __init__(self) -> None:
        self._offered: Tensor | None = None
        self._taken: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids (B, n) so far, scores (B, vocabulary) for the next token, which are handed on as they are."""
        if self._offered is not None:
            self._taken.append(self._offered.gather(1, input_ids[:, -1:])[:, 0])
        self._offered = scores.float().softmax(-1)
        return scores

    def of(self, row: int, tokens: int) -> tuple[float, ...]:
        """The probabilities of a row's first tokens."""
        return tuple(float(step[row]) for step in self._taken[:tokens])
