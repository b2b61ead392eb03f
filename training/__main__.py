"""From nothing to the weights in the package, in one command: `python -m training`.

It renders the views, trains the trunk, then VLM and SAM side by side, then the plain VLM and the one that writes boxes,
writes the weights and fits the novelty score. Stopped at any time (Ctrl-C, SIGTERM, a power cut), it goes on from the
last checkpoints when it is called again with the same options. On a GPU machine it takes about 20 minutes, on two
CPU cores a night.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from training.data import OWN, write
from training.export import LOGS
from vlsam_ros.embedded import VLMS, WEIGHTS


@dataclass(frozen=True)
class Step:
    """One training: its module, its folder in runs/, its share of the minutes, its other arguments."""

    module: str
    run: str
    share: float
    options: tuple[str, ...] = ()
    trunk: str = ""


STAGES: tuple[tuple[Step, ...], ...] = (
    (Step("dense", "dense", 0.21),),
    (Step("vlm", "vlm", 0.58), Step("sam", "sam", 0.58)),
    (
        Step("vlm", "vlm_plain", 0.21, ("--attention", "0", "--frozen"), "vlm"),
        Step("vlm", "vlm_boxes", 0.21, ("--boxes", "--frozen", "--lr", "2e-3"), "vlm"),
    ),
)
"""What runs one after another, and in each what runs side by side."""


class Children:
    """The processes that run; SIGTERM and Ctrl-C reach all of them, which save and end."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen] = []
        self.stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Pass the signal on."""
        self.stopped = True
        for process in self.running:
            process.terminate()

    def run(self, commands: list[list[str]], threads: int) -> None:
        """Run commands side by side.

        Raises:
            SystemExit: one of them failed, or all were stopped.
        """
        env = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        self.running = [subprocess.Popen([sys.executable, *c], env=env, start_new_session=True) for c in commands]
        if self.stopped:  # while they were started
            self.stop(signal.SIGTERM, None)
        codes = [process.wait() for process in self.running]
        if self.stopped:
            raise SystemExit("stopped; call again with the same options to go on")
        if failed := [" ".join(c) for c, code in zip(commands, codes, strict=True) if code]:
            raise SystemExit(f"failed: {'; '.join(failed)}")


def finished(checkpoint: Path, minutes: float) -> bool:
    """Whether a run has used its minutes."""
    return (
        checkpoint.exists() and torch.load(checkpoint, weights_only=True, map_location="cpu")["spent"] >= minutes * 60
    )


def command(step: Step, args: argparse.Namespace) -> list[str]:
    """What runs a step: on a CPU the trunk's training takes all cores, one process each."""
    out = args.runs / step.run
    line = ["-m", f"training.{step.module}", "--data", args.data, "--out", out, "--minutes", step.share * args.minutes]
    line += ["--device", args.device, *step.options]
    if args.bf16:
        line.append("--bf16")
    if step.module != "dense":
        line += ["--trunk", args.runs / step.trunk / "checkpoint.pt"] if step.trunk else []
        line += [] if step.trunk else ["--dense", args.runs / "dense" / "checkpoint.pt"]
    elif args.device == "cpu":
        line = ["-m", "torch.distributed.run", "--nproc_per_node", os.cpu_count() or 1, *line]
    return [str(word) for word in line]


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line's arguments, with defaults for the device."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("--minutes", type=float, default=12.5 if cuda else 420, help="of training, without rendering")
    parser.add_argument("--views", type=int, default=45000 if cuda else 24000, help="to train on; 0.46 MB each on disk")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights")
    parser.add_argument("--logs", type=Path, default=LOGS, help="folder of the runs' logs")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false", help="train in float32: for CPUs without bf16")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    args, started, cores = parsed(argv), time.perf_counter(), os.cpu_count() or 1
    write(args.data / "val", 500, 10_000_000, OWN, 0.3, cores)
    write(args.data / "train", args.views, 0, OWN, 0.6, cores)
    print(f"views: {(time.perf_counter() - started) / 60:.1f} minutes", flush=True)
    children = Children()
    for stage in STAGES:
        left = [s for s in stage if not finished(args.runs / s.run / "checkpoint.pt", s.share * args.minutes)]
        if left:
            children.run([command(step, args) for step in left], 1 if args.device == "cpu" else cores // len(left))
    written = ["--runs", str(args.runs), "--out", str(args.out), "--logs", str(args.logs)]
    children.run([["-m", "training.export", *written]], cores)
    folders = [str(args.out / name) for name in VLMS.values()]
    novelty = ["-m", "training.novelty", "--device", args.device, "--workers", str(cores), "--weights", *folders]
    children.run([novelty], cores)
    print(f"weights in {args.out}: {(time.perf_counter() - started) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
