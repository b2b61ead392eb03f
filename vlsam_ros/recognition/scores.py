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

CPU_BYTES, GPU_BYTES = 2 << 20, 64 << 20
"""Scores at once: what stays in a CPU's cache; what keeps a GPU busy while the next block is launched."""


@dataclass(frozen=True)
class Sequences:
    """Queries and keys of sequences that go on from shared prefixes.

    Attributes:
        query: float32 (K, S, G, n, d): K pairs of a prefix and a key head; S sequences that go on from each prefix; G
            query heads that share a key head.
        key: float32 (K, S, n, d).
        before: float32 (K, P, d), the prefixes' keys.
        scaling, softcap: see `BatchQK`.
        mask: see `LayerQK`; only without a prefix.
    """

    query: Tensor
    key: Tensor
    before: Tensor
    scaling: float
    softcap: float | None = None
    mask: Tensor | None = None


def heads_at_once(keys: int) -> int:
    """Of how many heads a CPU's cache holds the scores of a block, over so many keys; at least one."""
    return max(1, CPU_BYTES // (4 * ROWS * max(keys, 1)))


def attended(of: Sequences, rows: Tensor, among: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Products of rows with S of each head, and the most that each query sees of a key. Each block of S is made once.

    Args:
        rows: float32 (K, S, R, n), R rows over the tokens of each sequence.
        among: float32 (K, S, P + n), 1 for keys that count for the maximum, else 0; None: all count.

    Returns:
        float32 (K, S, G, R, P + n) and (K, S, G, n).
    """
    pairs, count, group, n, _ = of.query.shape
    each, wanted, keys = count * group, rows.shape[2], of.before.shape[1] + n
    rows = rows[:, :, None].expand(-1, -1, group, -1, -1).flatten(0, 2)
    out, peak = rows.new_empty(pairs * each, wanted, keys), rows.new_empty(pairs * each, n)
    if not n:
        out.zero_()
    if among is not None:
        among = among[:, :, None].expand(-1, -1, group, -1).reshape(pairs * each, 1, keys)
    some, length = _at_once(of)
    buffer, later = rows.new_empty(some * each * length * keys), _later(length, rows.device)
    for pair in _chunks(pairs, some):
        part = replace(of, query=of.query[pair], key=of.key[pair], before=of.before[pair])
        heads = slice(pair.start * each, pair.stop * each)
        for block in reversed(list(_chunks(n, length))):  # the first of them has all keys
            s = _scores(part, block, buffer, later)
            factor, share = _softmax(s), rows[heads, :, block]
            if of.mask is not None:
                s.mul_(of.mask[block])  # a row that sees nothing is zero
            most = factor
            if factor is None or of.mask is not None or among is not None:
                most = (s if among is None else s * among[heads, :, : s.shape[2]]).amax(-1)
                most = most if factor is None else most * factor
            peak[heads, block] = most
            share = share if factor is None else share * factor[:, None]
            out[heads, :, : s.shape[2]].baddbmm_(share, s, beta=int(block.stop < n))
    return out.view(pairs, count, group, wanted, keys), peak.view(pairs, count, group, n)


def scores(layer: LayerQK, heads: slice, rows: slice) -> Tensor:
    """S of some heads and of some of the layer's own queries: float32 (heads, rows, keys).

    Under the causal mask the keys end with the block's last query; the rest of S is zero.
    """
    group = layer.query.shape[0] // layer.key.shape[0]
    of = torch.arange(layer.query.shape[0], device=layer.key.device)[heads] // group
    query, key = layer.query[heads][:, None, None], layer.key[of][:, None]
    before = layer.before.whole().key[of] if layer.before else layer.key[of, :0]
    sequences = Sequences(query.float(), key.float(), before.float(), layer.scaling, layer.softcap, layer.mask)
    count = rows.stop - rows.start
    buffer = torch.empty(len(query) * count * layer.length, device=key.device)
    s = _scores(sequences, rows, buffer, _later(count, key.device))
    factor = _softmax(s)
    s = s if factor is None else s.mul_(factor[..., None])
    return s if layer.mask is None else s.mul_(layer.mask[rows])


def _scores(of: Sequences, block: slice, buffer: Tensor, later: Tensor) -> Tensor:
    """The masked scores of a block of queries (K · S · G, rows, keys), in the buffer; see `_unit`.

    Under the causal mask the keys end with the block's last query.
    """
    (pairs, count, group, n, d), prefix = of.query.shape, of.before.shape[1]
    query, rows, unit = of.query[..., block, :], block.stop - block.start, _unit(buffer)
    stop = block.stop if of.mask is None else n
    size, alpha = pairs * count * group * rows, of.scaling * unit
    s = seen = buffer[: size * (prefix + stop)].view(pairs * count * group, rows, prefix + stop)
    if prefix:  # all sequences' queries at once
        first = s.view(pairs, count * group * rows, prefix + stop)[..., :prefix]
        first.baddbmm_(query.reshape(pairs, -1, d), of.before.transpose(1, 2), beta=0, alpha=alpha)
        seen = s[..., prefix:]
    key = of.key.view(pairs * count, n, d)[:, :stop].transpose(1, 2)
    seen = seen.unflatten(0, (-1, group)).flatten(1, 2) if group > 1 else seen
    seen.baddbmm_(query.reshape(pairs * count, -1, d), key, beta=0, alpha=alpha)
    if of.softcap is not None:
        s.div_(of.softcap * unit).tanh_().mul_(of.softcap * unit)
    if of.mask is not None:
        return s.masked_fill_(~of.mask[block], torch.finfo(s.dtype).min)
    s[..., -rows:].add_(later[:rows, :rows])
    return s


def _unit(like: Tensor) -> float:
    """What scores are multiplied with: a CPU is fastest at powers of two, a GPU if softmax is one operation."""
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


def _at_once(of: Sequences) -> tuple[int, int]:
    """How many pairs, and how many queries of each of their sequences, are one block."""
    pairs, count, group, n, _ = of.query.shape
    limit, most = (CPU_BYTES, min(n, ROWS)) if of.query.is_cpu else (GPU_BYTES, n)
    query = 4 * count * group * (of.before.shape[1] + n) or 1  # bytes of the scores of one of each
    some = min(max(limit // (query * min(n, ROWS) or 1), 1), pairs)
    return some, min(max(limit // (query * some), 1), most)


def _chunks(length: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, length)) for i in range(0, length, size or 1))
