"""Rows times S' of one layer: all sequences of a group, all their heads and all their names at once."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from ..config import AttentionOptions
from ..data import BatchQK
from .batches import Group
from .scores import Sequences, attended


class Merger:
    """V prefixes, up to S sequences that go on from each, and T rows over them; every index is on the layers' device.

    A row has N columns: the P tokens of its prefix, and as many as the longest sequence has after its own. Where a
    prefix has fewer than S sequences its first one stands in, and where a sequence has fewer tokens, its last one does:
    nothing is taken from either.

    Args:
        group: the sequences.
        layer: one of their layers.
        rows: how many each sequence has.
        visual: for each sequence int64 (M,), the image's tokens.
        options: `head_weight` and `chunk` matter.

    Attributes:
        columns: N.
        of: int64 (T,), the sequence of each row, as an index into the group; on the host.
        lengths: float32 (T, 1), how many of its columns are its sequence's.
    """

    def __init__(
        self,
        group: Group,
        layer: BatchQK,
        rows: Sequence[int],
        visual: Sequence[np.ndarray],
        options: AttentionOptions,
    ) -> None:
        self._options, self._prefix = options, layer.before_query.shape[2]
        own, row = np.array(group.batch.own), np.array(group.rows)
        views, view = np.unique(row // (len(own) // len(layer.before_query)), return_inverse=True)
        slot = _nth(view)
        places = np.empty((len(views), slot.max() + 1), int)
        places[view[slot == 0]] = row[slot == 0, None]
        places[view, slot] = row
        start, count = own[places, 0, None], own[places, 1, None] - own[places, 0, None]
        after = np.arange(count.max())
        tokens = np.minimum(start + np.minimum(after, (count - 1).clip(0)), layer.query.shape[2] - 1)
        all_views = len(views) == len(layer.before_query)
        all_rows = np.array_equal(places.flat, np.arange(len(own))) and (own == own[0]).all()
        self._cut = slice(*own[0].tolist()) if all_rows else None

        self.of, self.columns = np.repeat(np.arange(len(row)), rows), self._prefix + len(after)
        of_view, of_slot = view[self.of], slot[self.of]
        in_view, in_slot = _nth(of_view), _nth(self.of)
        by_view = np.zeros((len(views), in_view.max() + 1), int)
        by_slot = np.zeros((*places.shape, max(rows)), int)
        by_view[of_view, in_view] = by_slot[of_view, of_slot, in_slot] = np.arange(len(self.of))
        among = np.zeros((*places.shape, self.columns if options.head_weight == "vmax" else 0), int)
        for v, s, columns in zip(view, slot, visual, strict=True):
            if among.size:
                among[v, s, columns] = 1
        at = uploaded(
            layer.query.device,
            views=views,
            places=places[..., None],
            tokens=tokens,
            own=after < count,
            lengths=self._prefix + count,
            view=of_view,
            slot=of_slot,
            in_view=in_view,
            in_slot=in_slot,
            by_view=by_view,
            by_slot=by_slot,
            among=among,
        )
        self._views = None if all_views else at.views
        self._own, self._lengths = at.own[:, None, :, None].float(), at.lengths[:, None].float()
        self._among = at.among.float() if among.size else None
        self.lengths, self._at = at.lengths[at.view, at.slot].float(), at

    def __call__(self, layer: BatchQK, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows float32 (T, N) times S', and what a full row of S' sums to, (T, 1)."""
        at, prefix, heads = self._at, self._prefix, self._options.chunk
        shared, own = self._sequences(layer)
        among = None if self._among is None else self._among[:, :1, :prefix]
        before, most = attended(shared, rows[at.by_view][:, None, :, :prefix], among, heads)
        step, own_most = attended(own, rows[at.by_slot][..., prefix:], self._among, heads)
        split = len(at.by_view), -1  # from (views × key heads, …)
        step = step.unflatten(0, split)[at.view, :, at.slot, :, at.in_slot]
        step[..., :prefix] += before.unflatten(0, split)[at.view, :, 0, :, at.in_view]
        own_most = own_most.unflatten(0, split) * self._own
        weight = (most.sum(-1).unflatten(0, split) + own_most.sum(-1)) / self._lengths
        weight = weight[at.view, :, at.slot].flatten(1)
        if self._options.head_weight == "mean":
            weight = torch.ones_like(weight)
        elif self._options.head_weight == "vmax":
            weight = weight / weight.amax(1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
        step = (weight[:, None] @ step.flatten(1, 2))[:, 0] / weight.shape[1]
        return step, weight.mean(1, keepdim=True)

    def _sequences(self, layer: BatchQK) -> tuple[Sequences, Sequences]:
        """The prefixes, and the sequences after them; see `Sequences`."""
        before_query, before_key = layer.before_query, layer.before_key
        if self._views is not None:
            before_query, before_key = before_query[self._views], before_key[self._views]
        query, key = (self._taken(t, layer.key.shape[1]) for t in (layer.query, layer.key))
        before_query = before_query.unflatten(1, (layer.key.shape[1], -1)).flatten(0, 1)[:, None]
        before_key = before_key.flatten(0, 1)
        rest = layer.scaling, layer.softcap
        shared = Sequences(before_query, before_key[:, None], before_key[:, :0], *rest)
        return shared, Sequences(query, key.squeeze(2), before_key, *rest, getattr(layer, "mask", None))

    def _taken(self, tensor: Tensor, key_heads: int) -> Tensor:
        """From (B, heads, n, d) to (K, S, G, n, d) of `Sequences`."""
        at = self._at
        if self._cut is not None:
            own = tensor[:, :, self._cut].unflatten(0, at.places.shape[:2])
        else:
            own = tensor[at.places, :, at.tokens].transpose(2, 3)
        return own.unflatten(2, (key_heads, -1)).transpose(1, 2).flatten(0, 1)


def uploaded(device: torch.device, **numbers: np.ndarray) -> SimpleNamespace:
    """Integers and truth values as int64 tensors on a device, in one transfer."""
    flat = torch.from_numpy(np.concatenate([n.reshape(-1).astype(np.int64) for n in numbers.values()]))
    parts = flat.to(device, non_blocking=True).split([n.size for n in numbers.values()])
    return SimpleNamespace(**{k: t.view(n.shape) for (k, n), t in zip(numbers.items(), parts, strict=True)})


def _nth(values: np.ndarray) -> np.ndarray:
    """How many equal values come before each, int64."""
    return np.array([np.count_nonzero(values[:i] == value) for i, value in enumerate(values)], int)
