"""What is listened to while a language model writes: how sure it is, and whether its numbers hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from ...errors import VlmError

NOT_FINITE = "expected finite logits, got NaN or infinity; try vlm.dtype bfloat16 or float32"


@contextmanager
def finite_logits(head: nn.Module) -> Iterator[None]:
    """Listens to a language model's head inside the block, without making the device wait.

    Where float16 overflows, every logit is NaN, and the likeliest token is the first of the vocabulary for ever.

    Raises:
        VlmError: some logits of a token that was written were not finite.
    """
    finite: list[Tensor] = []

    def listen(_: nn.Module, __: Any, logits: Tensor) -> None:
        finite[:] = [torch.stack([*finite, logits[:, -1].isfinite().all()]).all()]

    hook = head.register_forward_hook(listen)
    try:
        yield
    finally:
        hook.remove()
    if finite and not finite[0]:
        raise VlmError(NOT_FINITE)


def likely(search: GenerationConfig, device: torch.device) -> LogitsProcessorList:
    """What turns logits into the scores whose softmax a model's certainty is, by its generation settings."""
    found = LogitsProcessorList()
    if search.repetition_penalty not in (None, 1.0):
        found.append(RepetitionPenaltyLogitsProcessor(search.repetition_penalty))
    if search.suppress_tokens:
        found.append(SuppressTokensLogitsProcessor(search.suppress_tokens, device))
    return found


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
