"""What the queries of a Q-Former saw of the image, for BLIP-2 and InstructBLIP.

The language model sees 32 queries in place of patches. Each query looked at the patches in the Q-Former's
cross-attention and at the other queries in its self-attention. The paper's MiniGPT-4 is built in this way, and says
nothing of how its map gets from queries to patches. Here what a query saw is passed on as it is computed:

    R = (R + A·R) / 2 after self-attention A, R = R + C after cross-attention C (both: mean over heads),

from R = 0; at the end each query's row is scaled to sum 1. A name's map is then its flow over the queries times R.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import VlmError


class Seen:
    """What each query of the last pass saw: R, float32 (tokens, patches), None before there was cross-attention."""

    def __init__(self) -> None:
        self._state: Tensor | None = None

    def self_attention(self, attention: Tensor) -> None:
        """Tokens take over half of what the tokens that they look at have seen; attention (tokens, tokens)."""
        if self._state is not None:
            self._state = (self._state + attention @ self._state) / 2

    def cross_attention(self, attention: Tensor, tokens: int) -> None:
        """The first tokens, the queries, look at the image; attention (queries, patches)."""
        if self._state is None:
            self._state = attention.new_zeros(tokens, attention.shape[1])
        self._state[: len(attention)] += attention

    def spread(self, queries: int) -> np.ndarray:
        """float32 (queries, h, w), each query's share of each patch; the class token before the patches is left out.

        Raises:
            VlmError: the Q-Former has not run, or its patches are no square.
        """
        if self._state is None:
            raise VlmError("the Q-Former's cross-attention was not recorded")
        patches = self._state.shape[1]
        side = isqrt(patches)
        if patches - side**2 not in (0, 1):
            raise VlmError(f"expected a square of patches, with or without a class token, got {patches}")
        seen = self._state[:queries, patches - side**2 :]
        return (seen / seen.sum(-1, keepdim=True)).reshape(-1, side, side).cpu().numpy()


@contextmanager
def watching(qformer: Any) -> Iterator[Seen]:
    """Follows a Q-Former's attention inside the block, for a batch of one."""
    seen, tokens = Seen(), [0]

    def on_self(module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        hidden = _hidden(args, kwargs)
        tokens[0] = hidden.shape[1]
        seen.self_attention(_attention(module, hidden, hidden, kwargs.get("attention_mask")))

    def on_cross(module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        image = kwargs["encoder_hidden_states"]
        seen.cross_attention(_attention(module, _hidden(args, kwargs), image, None), tokens[0])

    hooks = []
    for layer in qformer.encoder.layer:
        hooks.append(_before(layer.attention.attention, on_self))
        if layer.has_cross_attention:
            hooks.append(_before(layer.crossattention.attention, on_cross))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _before(module: Any, call: Callable) -> Any:
    return module.register_forward_pre_hook(call, with_kwargs=True)


def _hidden(args: tuple, kwargs: dict[str, Any]) -> Tensor:
    return args[0] if args else kwargs["hidden_states"]


def _attention(module: Any, hidden: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over heads of softmax(Q·Kᵀ/√d), float32 (tokens, sources); mask is added to the scores."""
    split = (module.num_attention_heads, module.attention_head_size)
    query, key = (t.unflatten(-1, split).transpose(1, 2).float() for t in (module.query(hidden), module.key(source)))
    scores = query @ key.transpose(2, 3) / split[1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1).mean(1)[0]
