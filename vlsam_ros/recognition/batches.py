"""Which answers' sequences are computed together, and their queries and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import NamedTuple

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..data import Answer, Batch, BatchQK, LayerQK
from ..errors import VlmError


@dataclass(frozen=True)
class Stacked(BatchQK):
    """Sequences that were written one by one, put together; `mask` is that of `LayerQK`, for a single one."""

    mask: Tensor | None = None


class Group(NamedTuple):
    """Some of a batch's sequences: `members` are their indices among all answers, `rows` their rows in the batch."""

    batch: Batch
    members: tuple[int, ...]
    rows: tuple[int, ...]

    def parts(self, views: int, most: int) -> list[Group]:
        """The same in parts of views that have equally many sequences, at most so many; the batch has `views`."""
        of_view: dict[int, list[tuple[int, int]]] = {}
        for member, row in zip(self.members, self.rows, strict=True):
            of_view.setdefault(row * views // len(self.batch.own), []).append((member, row))
        parts = []
        for _, alike in groupby(sorted(of_view.values(), key=len), key=len):
            same = list(alike)
            for part in (same[i : i + most] for i in range(0, len(same), most)):
                parts.append(Group(self.batch, *zip(*(pair for view in part for pair in view), strict=True)))
        return parts

    def layer(self, answers: Sequence[Answer], index: int) -> BatchQK:
        """Q and K of one layer, of all of the batch's sequences.

        Raises:
            VlmError: they do not fit the answers.
        """
        layer, own = self.batch.layer(index), self.batch.own
        rows, heads, n, d = layer.query.shape
        views, _, prefix, _ = layer.before_query.shape
        key_heads, mask = layer.key.shape[1], getattr(layer, "mask", None)
        spans = [(answers[i].length, *own[row]) for i, row in zip(self.members, self.rows, strict=True)]
        if (
            layer.key.shape != (rows, key_heads, n, d)
            or layer.before_query.shape != (views, heads, prefix, d)
            or layer.before_key.shape != (views, key_heads, prefix, d)
            or heads % key_heads
            or rows % views
            or rows != len(own)
            or any(stop > n or prefix + stop - start != length for length, start, stop in spans)
        ):
            tensors = layer.query, layer.key, layer.before_query, layer.before_key
            raise _misfit(index, [length for length, _, _ in spans], tensors)
        if mask is not None and mask.shape != (n, n):
            raise VlmError(f"layer {index}: expected a mask ({n}, {n}), got {tuple(mask.shape)}")
        return layer


def groups(answers: Sequence[Answer], wanted: Sequence[int], first: int) -> list[Group]:
    """What was written together; what was written alone is with those that share its prefix.

    Args:
        wanted: indices of the answers that are asked for.
        first: the layer that is read first.
    """
    together: dict[int, list[int]] = {}
    alone: dict[int, list[int]] = {}
    layers = {i: answers[i].layer(first) for i in wanted if answers[i].batch is None}
    for i in wanted:
        if i in layers:
            alone.setdefault(id(layers[i].before or layers[i]), []).append(i)
        else:
            together.setdefault(id(answers[i].batch), []).append(i)
    found = []
    for own in together.values():
        batch = answers[own[0]].batch
        assert batch
        found.append(Group(batch, tuple(own), tuple(answers[i].row for i in own)))
    for own in alone.values():
        some, ready = [answers[i] for i in own], {first: [layers[i] for i in own]}
        spans = tuple((0, layers[i].query.shape[1]) for i in own)
        batch = Batch(spans, some[0].layers, partial(_stacked, some, ready))
        found.append(Group(batch, tuple(own), tuple(range(len(own)))))
    return found


def _stacked(answers: Sequence[Answer], ready: dict[int, list[LayerQK]], index: int) -> Stacked:
    """Sequences after one prefix, padded at their ends.

    Args:
        ready: layers that have been read; they are given away.
    """
    layers = ready.pop(index, None) or [answer.layer(index) for answer in answers]
    first = layers[0]
    for answer, layer in zip(answers, layers, strict=True):
        if layer.length != answer.length or layer.before is not first.before:
            raise _misfit(index, [answer.length], (layer.query, layer.key))
    before = first.before.whole() if first.before else replace(first, query=first.query[:, :0], key=first.key[:, :0])
    query, key = (_padded([getattr(layer, name) for layer in layers]) for name in ("query", "key"))
    return Stacked(query, key, before.query[None], before.key[None], first.scaling, first.softcap, first.mask)


def _padded(tensors: Sequence[Tensor]) -> Tensor:
    """From (heads, n, d) of each n to (B, heads, n, d), zeros at the ends."""
    if len(tensors) == 1:
        return tensors[0][None]
    return pad_sequence([t.transpose(0, 1) for t in tensors], batch_first=True).transpose(1, 2)


def _misfit(index: int, lengths: Sequence[int], tensors: Sequence[Tensor]) -> VlmError:
    tokens, shapes = sorted(set(lengths)), [tuple(t.shape) for t in tensors]
    return VlmError(f"layer {index}: expected Q and K of {tokens} tokens, got {shapes}")
