"""What torch code asks of a device, counted from shapes alone: on the meta device nothing is computed.

with Count() as count:
    with count.stage("vision"):
        model.visual(pixels, grid)
count.work["vision"]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
FREE = {aten.detach, aten.empty, aten.empty_strided, aten.lift_fresh, aten._unsafe_view}
"""Operations that move nothing."""

GATHERS = {aten.embedding, aten.index, aten.index_select, aten.gather}
"""Operations that read as much of their first tensor as they write."""

PUTS = {aten.index_copy_, aten.index_put_, aten.scatter_, aten.scatter}
"""Operations that write as much of their first tensor as their last one has."""


class Op(NamedTuple):
    """One operation on the device.

    Attributes:
        flops: of its matrix product or convolution; 0 for all else.
        bytes: read and written.
        single: it computes in float32.
    """

    flops: int
    bytes: int
    single: bool


Work = Counter[Op]
"""How often each operation runs."""


def times(work: Work, number: int) -> Work:
    """The same so many times."""
    return Counter({op: count * number for op, count in work.items()})


def flops(work: Work) -> int:
    """Of all matrix products and convolutions; a multiplication and its addition are two."""
    return sum(op.flops * count for op, count in work.items())


def moved(work: Work) -> int:
    """Bytes read and written."""
    return sum(op.bytes * count for op, count in work.items())


def halved(work: Work) -> Work:
    """The same in a type of half the size, as under autocast."""
    out: Work = Counter()
    for op, count in work.items():
        out[Op(op.flops, op.bytes // 2, False)] += count
    return out


class Staged:
    """What happens is counted under the name of its stage."""

    _stage = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What happens inside the block belongs to a stage; of nested ones to the innermost."""
        before, self._stage = self._stage, name
        try:
            yield
        finally:
            self._stage = before


class Count(TorchDispatchMode, Staged):
    """Counts the operations on meta tensors inside the block, by stage.

    Tensors of the CPU among them (positions, masks) are taken for the device's. Attention is one operation that never
    writes its scores, as it is on a GPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.work: dict[str, Work] = defaultdict(Counter)
        self._inference: list[torch.inference_mode] = []

    def add(self, flops: int, tensors: list[Tensor]) -> None:
        """An operation on these tensors, read or written."""
        single = any(t.dtype == torch.float32 for t in tensors)
        self.work[self._stage][Op(flops, sum(map(_bytes, tensors)), single)] += 1

    def __enter__(self) -> Count:
        self._inference.append(torch.inference_mode())  # one for each time: it is entered again inside itself
        self._inference[
            -1
        ].__enter__()  # where operations that are made of others come here whole, attention among them
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._inference.pop().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        if given and not any(t.is_meta for t in given):
            return _of_host(func, args, kwargs)
        if (answer := _on_host(func, args, kwargs)) is not None:
            return answer
        if func is aten.scaled_dot_product_attention.default:
            return self._attend(*args, **kwargs)
        count = flop_registry.get(_plain(func.overloadpacket))
        if count is None:
            with self:  # what is made of other operations counts as those
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        if func in (aten.index.Tensor, aten.index_put_.default):
            args = (args[0], _places(args[1]), *args[2:])
        args, kwargs = tree_map(_on_meta, (args, kwargs))
        out = func(*args, **kwargs)
        if func.is_view or func.overloadpacket in FREE:
            return out
        moved = [*(t for t in given if t.is_meta), *_tensors(out)]
        if func.overloadpacket in GATHERS:
            moved = _tensors(out) * 2
        elif func.overloadpacket in PUTS:
            moved = given[-1:] * 2
        self.add(int(count(*args, **kwargs, out_val=out)) if count else 0, moved)
        return out

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        products = prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])
        self.add(2 * products, [query, key, value, out, *_tensors(mask)])
        return out


def _of_host(func: Any, args: Any, kwargs: Any) -> Any:
    """An operation on what the host knows. Integers and masks stay known on the device, other numbers do not."""
    if torch.device(kwargs.get("device") or "cpu").type != "meta":
        return func(*args, **kwargs)
    if func.overloadpacket in (aten.to, aten._to_copy) and args[0].is_floating_point():
        return args[0].to("meta", kwargs.get("dtype"))
    return func(*args, **kwargs | {"device": torch.device("cpu")})


def _on_host(func: Any, args: Any, kwargs: Any) -> Any:
    """What the host is told of numbers that nobody knows: zeros, ones where they are no integers; None: it is not."""
    if func not in (aten._to_copy.default, aten._local_scalar_dense.default):
        return None
    given, one = args[0], args[0].dtype == torch.bool or args[0].is_floating_point()
    if func is aten._local_scalar_dense.default:
        return one
    if torch.device(kwargs.get("device") or "meta").type == "meta":
        return None
    return torch.full(given.shape, one, dtype=kwargs.get("dtype") or given.dtype, device="cpu")


@cache
def _plain(packet: Any) -> Any:
    """The operation that makes a new tensor of what one writes into its first."""
    return getattr(aten, packet.__name__.removesuffix("_"), packet)


def _tensors(value: Any) -> list[Tensor]:
    return [t for t in tree_leaves(value) if isinstance(t, Tensor)]


def _places(indices: Any) -> list[Tensor | None]:
    """Masks as the places that they mean: all, where nobody knows."""
    places: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype != torch.bool:
            places.append(index)
        elif index.is_meta:
            places += [torch.empty(index.numel(), dtype=torch.long, device="meta")] * index.dim()
        else:
            places += index.nonzero(as_tuple=True)
    return places


def _on_meta(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) and value.dim() and not value.is_meta else value


def _bytes(tensor: Tensor) -> int:
    """Of the elements that there are: an expanded tensor is read from its cache."""
    sides = zip(tensor.shape, tensor.stride(), strict=True)
    return prod(side for side, stride in sides if stride or side == 0) * tensor.element_size()
