"""A CUDA device that is not there: tensors that say cuda:0 and hold CPU tensors, and counts of what a GPU would do.

What fails on a GPU fails here: tensors of two devices in one operation, NumPy arrays of device memory, products of
integers; results that one stream reads while another may still make them, and copies to the host that are read before
the host has waited for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from pretend_counts import Counts
from pretend_streams import Stream, Timeline
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

aten = torch.ops.aten
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)

NEW = ("empty", "new_empty")
"""How the names of operations begin that allocate, and do no more."""

FREE = {aten._unsafe_view, aten._local_scalar_dense, aten.detach_, aten.set_}
"""Other operations without a kernel, beside views."""

COPIES = {aten._to_copy, aten.copy_}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
"""Operations whose indices may be on the host."""

WHOLE = {aten.scaled_dot_product_attention}
"""Operations that are made of others, but are one kernel on a GPU."""


class Cuda(Tensor):
    """A tensor on the pretended device; `elem` has its numbers."""

    elem: Tensor
    home: Device

    @staticmethod
    def __new__(cls, elem: Tensor, home: Device) -> Cuda:
        self = Tensor._make_wrapper_subclass(
            cls, elem.size(), elem.stride(), elem.storage_offset(), dtype=elem.dtype, device=CUDA
        )
        self.elem, self.home = elem, home
        return self

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Reached where no `Device` is entered: in another thread, or too late."""
        return next(t for t in tree_leaves((args, kwargs)) if isinstance(t, Cuda)).home.run(func, args, kwargs or {})

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Changes nothing, but that attention stays whole."""
        with torch._C.DisableTorchFunctionSubclass():
            if func is scaled_dot_product_attention and isinstance(args[0], Cuda):
                return args[0].home.run(aten.scaled_dot_product_attention.default, args, kwargs or {})
            return func(*args, **(kwargs or {}))

    def __repr__(self, *_: Any, **__: Any) -> str:
        return f"Cuda({self.elem})"

    def __deepcopy__(self, _: dict) -> Tensor:
        return self.clone()

    def numpy(self, *_: Any, **__: Any) -> Any:
        """Raises TypeError, as of a tensor on a GPU."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu() first")

    def tolist(self) -> Any:
        """See `Tensor.tolist`; the host waits."""
        return self.cpu().tolist()

    def record_stream(self, stream: Stream) -> None:
        """See `Tensor.record_stream`; memory is never given to another tensor here."""


class Device(TorchDispatchMode):
    """Runs every operation: on the CPU, with the rules of a GPU."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self.counts, self.alive = counts, True
        self.time = Timeline(lambda what: counts.add("waits", what), lambda stream: counts.streams.update([stream]))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """The result of an operation; counted if the device takes part in it."""
        if not self.alive:
            raise RuntimeError("a tensor of the pretended device outlived it")
        packet, leaves = func._overloadpacket, tree_leaves((args, kwargs))
        here = [leaf for leaf in leaves if isinstance(leaf, Cuda)]
        to = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
        pinned = packet in (aten.pin_memory, aten._pin_memory) or kwargs.pop("pin_memory", None)
        if packet is aten.is_pinned:
            return hasattr(args[0], "_pinned")
        if not here and (pinned or to is None or to.type != "cuda"):
            out = args[0].clone() if packet in (aten.pin_memory, aten._pin_memory) else func(*args, **kwargs)
            if pinned:
                out._pinned = True
            return out
        if torch.is_inference_mode_enabled() and packet not in WHOLE and _composite(func):
            with self:
                return func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        self._check(func, packet, args, here, leaves)
        self.time.now += 1
        if packet in COPIES:
            source, target = (args[1], args[0]) if packet is aten.copy_ else (args[0], None)
            onto = ((to or source.device) if target is None else target.device).type == "cuda"
            if onto != source.is_cuda:
                return (
                    self._upload(source, target, args, kwargs) if onto else self._download(source, target, args, kwargs)
                )
        given = tree_map_only(Cuda, _elem, args)
        if packet is aten.histc:  # which takes integers on a GPU only
            given = (given[0].float(), *given[1:])
        out = func(*given, **_on_cpu(kwargs))
        out = out.to(args[0].dtype) if packet is aten.histc else out
        kernel = not (func.is_view or packet in FREE or packet.__name__.startswith(NEW))
        if kernel and any(not isinstance(t, Tensor) or t.numel() for t in tree_leaves(out)):
            self.counts.add("ops", packet.__name__)
            if flops := _flops(packet, args, kwargs, out):
                self.counts.add("flops", packet.__name__, flops)
        if _waits(func, packet, args, kwargs):
            self.time.wait(packet.__name__)
        return tree_map_only(Tensor, lambda elem: self._made(elem, func, here, kernel), out)

    def _check(self, func: Any, packet: Any, args: Any, here: list[Cuda], leaves: list[Any]) -> None:
        """Raises RuntimeError for what a GPU can't do, or would do wrong."""
        hosts = [t for t in leaves if isinstance(t, Tensor) and not isinstance(t, Cuda) and t.dim()]
        if packet in INDEXING and isinstance(args[0], Cuda):
            indices = [i for i in args[1] if i is not None and not isinstance(i, Cuda)]
            for _ in indices:
                self.counts.add("uploads", packet.__name__)
                self.time.wait("upload")
            hosts = [t for t in hosts if all(t is not i for i in indices)]
        if hosts and here and packet not in COPIES:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, got {CUDA} and {CPU}")
        if torch.Tag.inplace_view in func.tags and packet not in FREE:
            raise NotImplementedError(f"{func} changes a tensor's shape in place")
        if packet in flop_registry and not here[0].is_floating_point():
            raise RuntimeError(f"{func} is not implemented on {CUDA} for {here[0].dtype}")
        if not func.is_view and not all(self.time.ready(t.elem) for t in here):
            raise RuntimeError(f"{func} uses what another stream is still making; wait for that stream first")

    def _upload(self, source: Tensor, target: Tensor | None, args: Any, kwargs: Mapping[str, Any]) -> Tensor:
        if source.numel():
            self.counts.add("uploads", "upload")
            if not _non_blocking(args, kwargs):
                self.time.wait("upload")
        if target is None:
            return self._made(aten._to_copy(source, **_on_cpu(kwargs)), aten._to_copy.default, [], True)
        return self._made(_elem(target).copy_(source), aten.copy_.default, [target], True)

    def _download(self, source: Tensor, target: Tensor | None, args: Any, kwargs: Mapping[str, Any]) -> Tensor:
        copied = aten._to_copy(_elem(source), **_on_cpu(kwargs))
        target = torch.empty_like(copied) if target is None else target
        self.time.download(target, copied)
        if source.numel() and not _non_blocking(args, kwargs):
            self.time.wait("download")
        return target

    def _made(self, elem: Tensor, func: Any, here: list[Any], kernel: bool) -> Tensor:
        """The device's tensor of a result: the same object if the result is one of the operands."""
        if kernel:
            self.time.write(elem)
        elif func._overloadpacket.__name__.startswith(NEW):
            self.time.forget(elem)
        for tensor in here:
            if tensor.elem is elem:
                return tensor
        plain = func.is_view and bool(here) and not here[0].is_inference()  # a view is of its base's kind
        with torch.inference_mode(False) if plain else nullcontext():
            return Cuda(elem, self)


def _elem(tensor: Tensor) -> Tensor:
    return tensor.elem if isinstance(tensor, Cuda) else tensor


def _on_cpu(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    kwargs = {k: CPU if isinstance(v, torch.device) else v for k, v in kwargs.items()}
    return tree_map_only(Cuda, _elem, kwargs)


def _non_blocking(args: Any, kwargs: Mapping[str, Any]) -> bool:
    return kwargs.get("non_blocking", len(args) > 2 and args[2])


@cache
def _composite(func: Any) -> bool:
    """Whether an operation is made of others; under autograd those come one by one."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _waits(func: Any, packet: Any, args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether the host needs the result: a number, or how large a tensor is."""
    if packet in INDEXING:
        masked = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
        fills = packet not in (aten.index, aten._unsafe_index) and args[2].numel() == 1 and args[2].is_cpu
        return masked and not fills
    if packet is aten.repeat_interleave:
        return kwargs.get("output_size") is None
    sized = torch.Tag.dynamic_output_shape in func.tags or torch.Tag.data_dependent_output in func.tags
    return sized or packet.__name__ in ("nms", "_linalg_check_errors")


def _flops(packet: Any, args: Any, kwargs: Mapping[str, Any], out: Any) -> int:
    if packet is aten.scaled_dot_product_attention:
        return sdpa_flop_count(*(t.shape for t in args[:3]))
    packet = getattr(aten, packet.__name__.removesuffix("_"), packet)  # ``baddbmm_`` computes what ``baddbmm`` does
    return flop_registry[packet](*args, **kwargs, out_val=out) if packet in flop_registry else 0


@contextmanager
def pretended(
    free: int = 24 * 2**30, capability: tuple[int, int] = (9, 0), integrated: bool = False
) -> Iterator[Counts]:
    """Inside the block ``cuda`` is the pretended device; models and tensors on it can't be used after it.

    Args:
        free: bytes of free memory; `Counts.free` changes it.
        capability: what the card can compute in depends on it.
        integrated: whether the card shares the machine's memory.
    """
    counts = Counts(free)
    device = Device(counts)
    names = ("name", "total_memory", "is_integrated", "major", "minor", "multi_processor_count")
    properties = SimpleNamespace(**dict(zip(names, ("pretended", free, integrated, *capability, 128), strict=True)))
    fakes: dict[str, Any] = {
        "_lazy_init": lambda: None,
        **dict.fromkeys(("is_available", "is_initialized"), lambda: True),
        "is_bf16_supported": lambda *_, **__: capability[0] >= 8,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "device": lambda _: nullcontext(),
        "get_device_name": lambda *_: "pretended",
        "get_device_properties": lambda *_: properties,
        "get_device_capability": lambda *_: capability,
        "mem_get_info": lambda *_: (counts.free, free),
        **dict.fromkeys(("memory_reserved", "memory_allocated", "max_memory_allocated"), lambda *_: 0),
        **dict.fromkeys(("empty_cache", "reset_peak_memory_stats"), lambda *_: None),
        "Stream": device.time.Stream,
        "Event": device.time.Event,
        "stream": device.time.on,
        "current_stream": lambda *_: device.time.current,
        "default_stream": lambda *_: device.time.default,
        "synchronize": device.time.synchronize,
    }
    _device_constructors()  # torch keeps what it finds there, and is to find the real torch.tensor
    tensor = torch.tensor  # which would read numbers in a list where no operation is seen
    flags = torch._C._only_lift_cpu_tensors(), torch.__future__.get_swap_module_params_on_conversion()
    torch._C._ensureCUDADeviceGuardSet()
    with ExitStack() as restored:
        restored.callback(torch._C._set_only_lift_cpu_tensors, flags[0])
        restored.callback(torch.__future__.set_swap_module_params_on_conversion, flags[1])
        restored.callback(setattr, device, "alive", False)
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor makes a CPU tensor, and then a copy that is seen
        torch.__future__.set_swap_module_params_on_conversion(True)  # Module.to can't turn a CPU tensor into another
        restored.enter_context(mock.patch.multiple(torch.cuda, **fakes))
        fetched = lambda data, **options: tensor(tree_map_only(Cuda, Tensor.item, data), **options)  # noqa: E731
        restored.enter_context(mock.patch.object(torch, "tensor", fetched))
        restored.enter_context(torch.backends.cudnn.flags(enabled=False))  # whose operations the CPU has not
        restored.enter_context(device)
        yield counts
