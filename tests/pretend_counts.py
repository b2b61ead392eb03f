"""Counts of what a device was asked for, by stage, operation and caller."""

from __future__ import annotations

import linecache
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

import vlsam_ros
from benchmarks.counting import Staged

OURS, TORCH, PYTHON = (Path(str(module.__file__)).parent for module in (vlsam_ros, torch, linecache))


class Site(NamedTuple):
    """Where something was asked for: the stage, the operation, and the lines of code that asked (see `caller`)."""

    stage: str
    operation: str
    caller: str


class Counts(Staged):
    """What was asked of the device, by `Site`.

    Attributes:
        waits: how often the host waited for the device; so does an upload that is not `non_blocking`.
        uploads: copies from the host to the device.
        ops: kernels; views, allocations and copies between host and device are none.
        flops: floating-point operations of matrix products, convolutions and attention, as torch counts them.
        streams: how often each stream but the default one was made the current one.
        free: what `torch.cuda.mem_get_info` says is free, in bytes.
    """

    _stage = "-"

    def __init__(self, free: int) -> None:
        self.free = free
        self.waits, self.uploads, self.ops, self.flops = (Counter[Site]() for _ in range(4))
        self.streams: Counter[object] = Counter()

    def clear(self) -> None:
        """Begin again with zeros."""
        for counter in (self.waits, self.uploads, self.ops, self.flops, self.streams):
            counter.clear()

    def total(self, what: str, stage: str | None = None) -> int:
        """The sum of one counter (``waits``, ``uploads``, ``ops`` or ``flops``), of all stages or of one."""
        return sum(n for site, n in getattr(self, what).items() if stage in (None, site.stage))

    def by_stage(self, what: str) -> dict[str, int]:
        """The sums of one counter."""
        return {stage: self.total(what, stage) for stage in dict.fromkeys(site.stage for site in getattr(self, what))}

    def table(self, what: str, rows: int = 20) -> str:
        """The largest entries of one counter, a line each, with the text of the line that asked."""
        found: Counter[Site] = getattr(self, what)
        lines = [f"{what}: {sum(found.values()):,} in all, {self.by_stage(what)}"]
        for site, n in found.most_common(rows):
            path, _, line = site.caller.partition(" > ")[0].rpartition(":")
            text = linecache.getline(str(OURS / path), int(line or 0)).strip()
            lines.append(f"{n:>12,}  {site.stage:<12} {site.operation:<28} {site.caller}  {text}")
        return "\n".join(lines)

    def add(self, what: str, operation: str, n: int = 1) -> None:
        """Count something that is asked for at this moment."""
        getattr(self, what)[Site(self._stage, operation, caller())] += n


def caller() -> str:
    """``file:line`` of the innermost call of this package's, ``> file:line`` of a library's inside it, if there is one.

    torch and the modules around it are no libraries here.
    """
    frame, inner = sys._getframe(1), ""
    while frame:
        if place := _place(frame.f_code.co_filename):
            line = f"{place[1]}:{frame.f_lineno}"
            if place[0]:
                return f"{line} > {inner}" if inner else line
            inner = inner or line
        frame = frame.f_back  # type: ignore[assignment]
    return inner


@cache
def _place(file: str) -> tuple[bool, str] | None:
    """Whether a file belongs to the package, and its name; None if it is torch's, Python's or ours."""
    path = Path(file)
    if path.is_relative_to(OURS):
        return True, str(path.relative_to(OURS))
    hidden = path.is_relative_to(TORCH) or path.parent == PYTHON or path.name.startswith("pretend_")
    return None if hidden or not path.exists() else (False, path.name)
