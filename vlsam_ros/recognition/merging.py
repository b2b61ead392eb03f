"""Rows times S' of one layer: all sequences of a group, all their heads and all their names at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from ..config import AttentionOptions
from ..data import BatchQK
from .batches import Group
from .scores import Sequences, attended, heads_at_once


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
        options: `head_weight` and `chunk` (the heads of each view at once, on a CPU) matter.

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
        count = own[places, 1, None] - own[places, 0, None]
        longest = places.flat[count.argmax()]
        read = np.where(count[..., 0] > 0, places, longest)  # of what has no tokens any may be read, but no padding
        after, start, stop = np.arange(count.max()), own[read, 0, None], own[read, 1, None]
        tokens = np.minimum(start + after, stop - 1)
        all_views = len(views) == len(layer.before_query)
        all_rows = np.array_equal(places, np.arange(len(own))[:, None]) and (own == own[0]).all()
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
        key_heads = layer.key.shape[1]
        per_key = layer.query.shape[1] // key_heads
        self._some = key_heads
        if layer.query.is_cpu:
            self._some = max(1, min(heads_at_once(self.columns) // len(views), options.chunk) // per_key)
        self._at = at = uploaded(
            layer.query.device,
            views=views,
            rows=read[:, None, :, None, None],
            tokens=tokens[:, None, :, None],
            heads=np.arange(key_heads)[:, None, None, None],
            group=np.arange(per_key)[:, None],
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
        self.lengths = at.lengths[at.view, at.slot].float()

    def __call__(self, layer: BatchQK, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows float32 (T, N) times S', and what a full row of S' sums to, (T, 1)."""
        at, key_heads = self._at, layer.key.shape[1]
        before, own = rows[at.by_view][:, None, :, : self._prefix], rows[at.by_slot][..., self._prefix :]
        step, weights = torch.zeros_like(rows), []
        for heads in (slice(i, i + self._some) for i in range(0, key_heads, self._some)):
            product, weight = self._weighed(layer, heads, before, own)
            step += product
            weights.append(weight)
        weight = torch.cat(weights, 1)
        if self._options.head_weight == "vmax":
            strongest = weight.amax(1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
            step, weight = step / strongest, weight / strongest
        return step / weight.shape[1], weight.mean(1, keepdim=True)

    def _weighed(self, layer: BatchQK, heads: slice, before: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Rows times S · W, summed over some key heads' query heads, (T, N), and each query head's W, (T, heads).

        Args:
            before, own: float32 (V, 1, …, P) and (V, S, …, n), the rows by view and by sequence.
        """
        at, prefix = self._at, self._prefix
        first, rest = self._sequences(layer, heads)
        each = len(first.key) // len(before)

        def per_pair(tensor: Tensor) -> Tensor:
            return tensor[:, None].expand(-1, each, *tensor.shape[1:]).flatten(0, 1)

        def per_view(tensor: Tensor) -> Tensor:
            return tensor.unflatten(0, (-1, each))

        among = None if self._among is None else per_pair(self._among)
        product, most = attended(rest, per_pair(own), among)
        weight = (per_view(most) * self._own).sum(-1)
        if prefix:
            among = None if among is None else among[:, :1, :prefix]
            shared, most = attended(first, per_pair(before), among)
            weight = weight + per_view(most.sum(-1))
        weight = weight / self._lengths
        weight = torch.ones_like(weight) if self._options.head_weight == "mean" else weight
        product = (weight[..., None, :] @ per_view(product).flatten(-2)).sum(1)[..., 0, :]
        step = product.unflatten(-1, (-1, self.columns))[at.view, at.slot, at.in_slot]
        weight = weight[at.view, :, at.slot].flatten(1)
        if prefix:
            product = per_view(shared)[at.view, :, 0, :, at.in_view].flatten(1, 2)
            step[:, :prefix] += (weight[:, None] @ product)[:, 0]
        return step, weight

    def _sequences(self, layer: BatchQK, heads: slice) -> tuple[Sequences, Sequences]:
        """The prefixes' own tokens, and those after them, for some key heads."""
        query, before_query = (t.unflatten(1, (layer.key.shape[1], -1)) for t in (layer.query, layer.before_query))
        before_query, before_key = before_query[:, heads], layer.before_key[:, heads]
        if self._views is not None:
            before_query, before_key = before_query[self._views], before_key[self._views]
        before_query, before_key = before_query.flatten(0, 1).float(), before_key.flatten(0, 1).float()
        first = Sequences(before_query[:, None], before_key[:, None], before_key[:, :0], layer.scaling, layer.softcap)
        query, key = self._taken(query, heads), self._taken(layer.key[:, :, None], heads)[:, :, 0]
        mask = getattr(layer, "mask", None)
        return first, Sequences(query, key, before_key, layer.scaling, layer.softcap, mask)

    def _taken(self, tensor: Tensor, heads: slice) -> Tensor:
        """From (B, key heads, G, n, d) to float32 (K, S, G, n, d), for some key heads."""
        if self._cut is not None:
            own = tensor[:, heads, None, :, self._cut]
        else:
            own = tensor[self._at.rows, self._at.heads[heads], self._at.group[: tensor.shape[2]], self._at.tokens]
        return own.flatten(0, 1).float()


def views_at_once(layer: BatchQK) -> int:
    """Of how many views a layer's heads are computed at once."""
    if not layer.query.is_cpu:
        return len(layer.before_query)
    keys = layer.before_query.shape[2] + layer.query.shape[2]
    return max(1, heads_at_once(keys) // layer.query.shape[1])


def uploaded(device: torch.device, **numbers: np.ndarray) -> SimpleNamespace:
    """Integers and truth values as int64 tensors on a device, in one transfer."""
    flat = torch.from_numpy(np.concatenate([n.reshape(-1).astype(np.int64) for n in numbers.values()]))
    parts = flat.to(device, non_blocking=True).split([n.size for n in numbers.values()])
    return SimpleNamespace(**{k: t.view(n.shape) for (k, n), t in zip(numbers.items(), parts, strict=True)})


def _nth(values: np.ndarray) -> np.ndarray:
    """How many equal values come before each, int64."""
    seen: Counter[int] = Counter()
    out = np.empty(len(values), int)
    for i, value in enumerate(values.tolist()):
        out[i], seen[value] = seen[value], seen[value] + 1
    return out
