"""Time and memory on a device, and the least that the card itself would take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import forget_peak, status_bytes
from benchmarks.stages import Clock

GIB = 2**30


@dataclass(frozen=True)
class Card:
    """What a card can do, measured.

    Attributes:
        bandwidth: bytes a second, read or written.
        rate: operations a second in products of large bfloat16 matrices.
    """

    device: torch.device
    name: str
    bandwidth: float
    rate: float

    def bound(self, flops: float = 0, moved: float = 0) -> float:
        """The least milliseconds for so many operations, and so many bytes beside them."""
        return 1e3 * max(flops / self.rate, moved / self.bandwidth)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        ms: median.
        gib: most memory in use while it ran, weights included.
        bound_ms: see `Card.bound`; 0 if there is none.
        note: what else is to be said.
    """

    stage: str
    ms: float
    gib: float = 0.0
    bound_ms: float = 0.0
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the bound; 0 if there is none."""
        return self.ms / self.bound_ms if self.bound_ms else 0.0

    def written(self) -> dict[str, Any]:
        """As it stands in a results file."""
        numbers = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return numbers | {"ratio": round(self.ratio, 3)}


def settle(device: torch.device) -> None:
    """Waits for what has been sent to the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget(device: torch.device) -> None:
    """The most memory in use starts again from what is in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        forget_peak()


def peak(device: torch.device) -> int:
    """The most bytes in use since `forget`: of the device; of this process on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else status_bytes("VmHWM")


def timed(device: torch.device, call: Callable[[], object], repeats: int, warm: int = 1) -> tuple[float, float]:
    """Median milliseconds of a call, from before it is sent off until the device has done it; and its peak in GiB."""
    for _ in range(warm):
        call()
    forget(device)
    found = []
    for _ in range(repeats):
        settle(device)
        started = perf_counter()
        call()
        settle(device)
        found.append(1e3 * (perf_counter() - started))
    return statistics.median(found), peak(device) / GIB


def flops(call: Callable[[], object]) -> int:
    """Operations in the products, convolutions and attention of a call; a multiplication and an addition are two."""
    kinds = ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention")
    attention = {getattr(torch.ops.aten, f"_scaled_dot_product_{kind}"): _attention_flops for kind in kinds}
    with FlopCounterMode(display=False, custom_mapping=attention) as counter:
        call()
    return counter.get_total_flops()


def _attention_flops(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """Of shapes (B, heads, N, C), also where queries share keys' heads, which torch's own count may refuse."""
    return 2 * math.prod(query[:3]) * key[2] * (query[3] + value[3])


class Watch(Clock):
    """Seconds and peak memory by stage, as `Clock` has them, on a device: stages wait for what they sent off."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def _switch(self) -> None:
        settle(self._device)
        now = perf_counter()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] += now - self._since
            self.peak_bytes[stage] = max(self.peak_bytes[stage], peak(self._device))
        forget(self._device)
        self._since = perf_counter()


def rows_of(watches: Sequence[Watch], stages: Sequence[str], bounds_ms: Mapping[str, float]) -> list[Row]:
    """Each stage's median over watches of the same work; stages that never ran are left out."""
    out = []
    for stage in stages:
        ms = [1e3 * watch.seconds[stage] for watch in watches if stage in watch.seconds]
        if ms:
            most = max(watch.peak_bytes[stage] for watch in watches)
            out.append(Row(stage, statistics.median(ms), most / GIB, bounds_ms.get(stage, 0.0)))
    return out


def measured_card(device: torch.device, small: bool) -> Card:
    """Sums and copies of what no cache holds, and products of large matrices; the best of each counts."""
    count, side, repeats = (2**20, 256, 2) if small else (2**30, 8192, 20)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    source, target = torch.ones(2, count, device=device)
    reading = _seconds(device, source.sum, repeats)
    copying = _seconds(device, lambda: target.copy_(source), repeats) / 2
    bandwidth = 4 * count * repeats / min(reading, copying)
    a, b = torch.randn(2, side, side, device=device).bfloat16()
    rate = 2 * side**3 * repeats / _seconds(device, lambda: a @ b, repeats)
    return Card(device, name, bandwidth, rate)


def _seconds(device: torch.device, call: Callable[[], object], times: int) -> float:
    """Of so many calls in a row."""

    def all_of_them() -> None:
        for _ in range(times):
            call()

    return timed(device, all_of_them, 3)[0] / 1e3
