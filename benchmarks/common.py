"""What the benchmarks share: time and memory of a block, a way in a process of its own, the table and the JSON line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlsam_ros.config import PROFILES

MODELLED = tuple(p for p in PROFILES if p not in ("embedded", "sam3", "apache", "server"))
"""The profiles of real size whose models' sizes are known here: a VLM that attends, and a SAM."""


@dataclass
class Spent:
    """CPU seconds of this process, and bytes by which its resident memory rose above what it was, at the most."""

    seconds: float = 0.0
    extra_bytes: int = 0


@contextmanager
def spent() -> Iterator[Spent]:
    """Measures the block. CPU time, as other processes' load moves it least; threads' times add up."""
    forget_peak()
    before, result, started = status_bytes("VmRSS"), Spent(), time.process_time()
    yield result
    result.seconds = time.process_time() - started
    result.extra_bytes = status_bytes("VmHWM") - before


def forget_peak() -> None:
    """VmHWM starts again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def status_bytes(name: str) -> int:
    """VmRSS: resident memory of this process; VmHWM: its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def available_bytes() -> int:
    """Memory that the machine can still give."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def alone(module: str, *args: object, return_memory: bool = False) -> Any:
    """What `python -m module args` prints as its last line; a new process, one thread.

    Args:
        return_memory: freed memory goes back to the system at once, so that peaks are exact; allocation is slower.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    if return_memory:
        env |= {"MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", module, *map(str, args)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def header(title: str) -> None:
    """What was measured, on what."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1] for line in lines if line.startswith("model name")), "unknown CPU")
    print(f"{title}\n{model.strip()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}\n")


def table(rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; the first row is the heading, numbers are to the right."""
    cells = [[f"{c:.3g}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row, source in zip(cells, rows, strict=True):
        numbers = [isinstance(c, int | float) for c in source]
        print("  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numbers, strict=True)))
    print()


def finish(**figures: object) -> None:
    """The last line: one JSON object."""
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}))
