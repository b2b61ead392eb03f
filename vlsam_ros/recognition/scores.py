"""S, the softmax of the masked scores, of many heads and sequences at once, a block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import e, log2

import torch
from torch import Tensor

from ..data import LayerQK

ROWS = 64
"""Queries at once on a CPU: what a block's last query sees is computed for all of them."""

CPU_BYTES, GPU_BYTES = 3 << 19, 64 << 20
"""Scores at once: what stays in a CPU's cache; what keeps a GPU busy while the next block is launched."""


@dataclass(frozen=True)
class Sequences:
    """Queries and keys of sequences that go on from shared prefixes.

    Attributes:
        query: float tensor (K, S, G, n, d): K pairs of a prefix and a key head, prefix by prefix; S sequences that go
            on from each prefix; G query heads that share a key head.
        key: float tensor (K, S, n, d).
        before: float tensor (K, P, d), the prefixes' keys.
        scaling, softcap: see `BatchQK`.
        mask: see `LayerQK`; only without a prefix.
    """

    query: Tensor
    key: Tensor
    before: Tensor
    scaling: float
    softcap: float | None = None
    mask: Tensor | None = None

    def of(self, pairs: slice) -> Sequences:
        """Some of the pairs, as float32."""
        query, key, before = (t[pairs].float() for t in (self.query, self.key, self.before))
        return replace(self, query=query, key=key, before=before)


def attended(sequences: Sequences, rows: Tensor, among: Tensor | None = None, heads: int = 4) -> tuple[Tensor, Tensor]:
    """Products of rows with S of each head, and the most that each query sees of a key. Each block of S is made once.

    Args:
        rows: float32 (V, S, R, n), R rows over the tokens of each sequence, of each of V prefixes.
        among: float32 (V, S, P + n), 1 for keys that count for the maximum, else 0; None: all count.
        heads: query heads at once on a CPU.

    Returns:
        float32 (K, S, G, R, P + n) and (K, S, G, n).
    """
    pairs, count, group, n, _ = sequences.query.shape
    (views, _, wanted, _), keys = rows.shape, sequences.before.shape[1] + n
    each = views, pairs // views, count, group
    rows = rows[:, None, :, None].expand(*each, wanted, n).reshape(pairs, count * group, wanted, n)
    if among is not None:
        among = among[:, None, :, None, None].expand(*each[:3], 1, 1, keys).reshape(pairs, count, 1, 1, keys)
    out, peak = rows.new_zeros(pairs, count * group, wanted, keys), rows.new_empty(pairs, count, group, n)
    some, length = _at_once(sequences, heads)
    buffer, later = rows.new_empty(some * count * group * length * keys), _later(length, rows.device)
    for pair in _chunks(pairs, some):
        part = sequences.of(pair)
        for block in _chunks(n, length):
            s = _scores(part, block, buffer, later)
            share, factor = rows[pair, :, :, block].flatten(0, 1), _softmax(s)
            if part.mask is not None:
                s.mul_(part.mask[block])  # a row that sees nothing is zero
            most = factor
            if most is None or part.mask is not None or among is not None:
                most = (s if among is None else s * among[pair, ..., : s.shape[-1]]).amax(-1)
                most = most if factor is None else most * factor
            peak[pair, ..., block] = most
            share = share if factor is None else share * factor.flatten(0, 2)[:, None]
            out[pair].flatten(0, 1)[..., : s.shape[-1]].baddbmm_(share, s.flatten(0, 2))
    return out.unflatten(1, (count, group)), peak


def scores(layer: LayerQK, heads: slice, rows: slice) -> Tensor:
    """S of some heads and of some of the layer's own queries: float32 (heads, rows, keys).

    Under the causal mask the keys end with the block's last query; the rest of S is zero.
    """
    group = layer.query.shape[0] // layer.key.shape[0]
    of = torch.arange(layer.query.shape[0], device=layer.key.device)[heads] // group
    query, key = layer.query[heads][:, None, None], layer.key[of][:, None]
    before = layer.before.whole().key[of] if layer.before else layer.key[of, :0]
    part = Sequences(query, key, before, layer.scaling, layer.softcap, layer.mask).of(slice(None))
    count = rows.stop - rows.start
    buffer = torch.empty(len(query) * count * layer.length, device=key.device)
    s = _scores(part, rows, buffer, _later(count, key.device))
    factor = _softmax(s)
    s = s if factor is None else s.mul_(factor[..., None])
    return (s if layer.mask is None else s.mul_(layer.mask[rows])).flatten(0, 2)


def _scores(part: Sequences, block: slice, buffer: Tensor, later: Tensor) -> Tensor:
    """The masked scores of a block of queries (K, S, G, rows, keys), in the buffer; see `_unit`.

    Under the causal mask the keys end with the block's last query.
    """
    query, prefix = part.query[..., block, :], part.before.shape[1]
    shape, unit = query.shape[:-1], _unit(query)
    stop = block.stop if part.mask is None else part.key.shape[2]
    s = buffer[: shape.numel() * (prefix + stop)].view(*shape, prefix + stop)
    for at, first, key in ((slice(prefix), 1, part.before), (slice(prefix, None), 2, part.key[:, :, :stop])):
        if key.numel():
            key = key.flatten(0, first - 1).transpose(1, 2)
            s.flatten(0, first - 1).flatten(1, -2)[..., at].baddbmm_(
                query.flatten(0, first - 1).flatten(1, -2), key, beta=0, alpha=part.scaling * unit
            )
    if part.softcap is not None:
        s.div_(part.softcap * unit).tanh_().mul_(part.softcap * unit)
    if part.mask is None:
        s[..., -shape[-1] :].add_(later[: shape[-1], : shape[-1]])
        return s
    return s.masked_fill_(~part.mask[block], torch.finfo(s.dtype).min)


def _unit(like: Tensor) -> float:
    """In what scores are: a CPU is fastest at powers of two, a GPU in one operation for the whole softmax."""
    return log2(e) if like.is_cpu else 1.0


def _softmax(s: Tensor) -> Tensor | None:
    """The softmax of scores, in place; on a CPU up to what comes back: a factor for each row, whose maximum is 1."""
    if not s.is_cpu:
        torch.softmax(s, -1, out=s)
        return None
    s.sub_(s.amax(-1, keepdim=True)).exp2_()
    return s.sum(-1).reciprocal_()


def _later(count: int, device: torch.device) -> Tensor:
    """-inf where a key comes after the query, else 0: float32 (count, count)."""
    return torch.full((count, count), -torch.inf, device=device).triu_(1)


def _at_once(sequences: Sequences, heads: int) -> tuple[int, int]:
    """How many pairs, and how many queries of each of their sequences, are one block."""
    pairs, count, group, n, _ = sequences.query.shape
    limit, most, rows = GPU_BYTES, pairs, n
    if sequences.query.is_cpu:
        limit, most, rows = CPU_BYTES, max(1, min(pairs, heads // group)), min(n, ROWS)
    query = max(4 * count * group * (sequences.before.shape[1] + n), 1)  # bytes of its scores
    some = min(max(limit // (query * min(n, ROWS) or 1), 1), most)
    return some, min(max(limit // (query * some), 1), rows)


def _chunks(length: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, length)) for i in range(0, length, size or 1))
