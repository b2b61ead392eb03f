"""A keyframe of the embedded profile on one core: this tree against another commit of this repository.

The other commit's files are unpacked beside, and each of the two answers from a process of its own, one after the other
frame by frame. Frames are synthetic, 1600 × 900; times are CPU time, medians over frames. What both detect is compared,
so that no speed is bought with results.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.common import finish, header, table

ROOT = Path(__file__).resolve().parents[1]

BEFORE = "9889e57"
"""One view, one loop."""

SETTINGS: dict[str, tuple[dict[str, Any], int | None]] = {
    "6 views": ({}, None),
    "4 views, 8 names each": ({"views.near": 0}, 8),
}
"""Options beside the profile's, and how many names every answer is taken to hold (None: those it holds)."""

Instance = tuple[str, float, tuple[float, ...]]
"""Label, score and box in pixels."""


class Worker:
    """A tree's detectors in a process of their own."""

    def __init__(self, tree: Path, frames: Path) -> None:
        """Starts it.

        Args:
            tree: the repository's files.
            frames: RGB uint8 (N, H, W, 3), as .npy.
        """
        env = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(tree), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "benchmarks.keyframe", "--serve", str(frames)]
        self._process = subprocess.Popen(
            command, cwd=tree, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if (source := self._read()) != str(tree):
            raise SystemExit(f"expected the package of {tree}, got that of {source}")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # its input ends, and so does it

    def ask(self, setting: str, frame: int) -> tuple[float, list[Instance]]:
        """CPU seconds of one frame, and what was detected."""
        assert self._process.stdin
        print(json.dumps([setting, frame]), file=self._process.stdin, flush=True)
        seconds, items = self._read()
        return seconds, [(label, score, tuple(box)) for label, score, box in items]

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker ended with status {self._process.wait()}")
        return json.loads(line)


def serve(path: Path) -> None:
    """A worker's side: setting and frame from each line of the standard input, answers to the standard output."""
    import vlsam_ros
    from benchmarks.stages import forced
    from vlsam_ros.config import Config, profile_path
    from vlsam_ros.pipeline import VLSam, load
    from vlsam_ros.recognition import attention

    torch.set_num_threads(1)
    frames = np.load(path)
    print(json.dumps(str(Path(vlsam_ros.__file__).resolve().parents[1])), flush=True)

    @cache
    def detector(setting: str) -> VLSam:
        return load(Config.from_file(profile_path("embedded"), SETTINGS[setting][0]))

    for line in sys.stdin:
        setting, frame = json.loads(line)
        detect, names = detector(setting), SETTINGS[setting][1]
        with patch.object(attention, "parse_names", forced(names) if names else attention.parse_names):
            started = time.process_time()
            found = detect(frames[frame])
            seconds = time.process_time() - started
        # names that were forced have the same maps: which of them stays is chance
        items = [("" if names else d.label, float(d.score), [float(side) for side in d.xyxy]) for d in found.items]
        print(json.dumps([seconds, items]), flush=True)


def unpacked(commit: str, folder: Path) -> Path:
    """A commit's files in a folder, with this benchmark instead of its own."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive, check=True)
    shutil.copy(__file__, folder / "benchmarks" / Path(__file__).name)
    return folder.resolve()


def equal(ones: list[Instance], others: list[Instance]) -> int:
    """How many instances are in both, with the same label, boxes within a pixel and scores within 0.01."""
    left = list(others)
    for label, score, box in ones:
        for other in left:
            same = label == other[0] and abs(score - other[1]) <= 0.01
            if same and all(abs(a - b) <= 1 for a, b in zip(box, other[2], strict=True)):
                left.remove(other)
                break
    return len(others) - len(left)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", default=BEFORE, metavar="COMMIT", help="what this tree is compared with")
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--seed", type=int, default=30_000_000, help="of the first frame")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve)
    from vlsam_ros.synthetic.render import render
    from vlsam_ros.synthetic.scene import sample_world

    torch.set_num_threads(1)
    header(f"Keyframe of the embedded profile, 1600 × 900: this tree against {args.against}, {args.frames} frames, ms")
    rows: list[list[object]] = [["", "here", "there", "there / here", "instances here", "there", "equal"]]
    figures: dict[str, object] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        frames, other = folder / "frames.npy", folder / "tree"
        np.save(frames, [render(sample_world(args.seed + i, empty=False)).image for i in range(args.frames)])
        other.mkdir()
        trees = ROOT, unpacked(args.against, other)
        workers = [stack.enter_context(Worker(tree, frames)) for tree in trees]
        for setting in SETTINGS:
            for worker in workers:
                worker.ask(setting, 0)  # which warms it up
            turns = [[worker.ask(setting, i) for worker in workers] for i in range(args.frames)]
            here, there = (1e3 * statistics.median(turn[i][0] for turn in turns) for i in (0, 1))
            counts = [sum(len(turn[i][1]) for turn in turns) for i in (0, 1)]
            same = sum(equal(turn[0][1], turn[1][1]) for turn in turns)
            rows.append([setting, round(here), round(there), there / here, *counts, same])
            figures[setting] = {
                "here_ms": round(here, 1),
                "there_ms": round(there, 1),
                "faster": round(there / here, 3),
                "instances": counts,
                "equal": same,
            }
    table(rows)
    finish(against=args.against, **figures)


if __name__ == "__main__":
    main()
