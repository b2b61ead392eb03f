"""Where the time of one frame goes, on the embedded pair, and how it grows with views, questions and names.

Frames are synthetic, 1600 × 900. Each stage's time is its own: what it calls of another stage counts there. One thread;
medians of the CPU time over frames.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.common import finish, forget_peak, header, status_bytes, table
from vlsam_ros import pipeline
from vlsam_ros.config import Config, profile_path
from vlsam_ros.embedded import QUESTIONS
from vlsam_ros.localisation import prompts
from vlsam_ros.pipeline import VLSam, load
from vlsam_ros.recognition import attention
from vlsam_ros.recognition.questions import ParsedName
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import sample_world

FULL = {"views.far": 0, "views.near": 0}
BAND = {"views.near": 0}
"""The full frame and three far-field views; in the profile two near-field ones come on top."""


class Clock:
    """CPU seconds and peak memory by stage; a stage that another one calls is counted in its own name only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.peak_bytes: dict[str, int] = defaultdict(int)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block is part of a stage."""
        self._switch()
        self._running.append(name)
        yield
        self._switch()
        self._running.pop()

    def _switch(self) -> None:
        now = time.process_time()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] += now - self._since
            self.peak_bytes[stage] = max(self.peak_bytes[stage], status_bytes("VmHWM"))
        forget_peak()
        self._since = time.process_time()

    def wrap(self, call: Callable, name: str) -> Callable:
        """The function as a part of a stage."""

        @wraps(call)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return call(*args, **kwargs)

        return inside


STAGES = ("processor", "vision", "prefill", "decode", "flow", "points", "SAM encode", "SAM decode", "merge", "rest")


@contextmanager
def watched(detector: VLSam, clock: Clock) -> Iterator[None]:
    """Every stage of a detector under the clock, until the block ends."""
    vlm: Any = detector.vlm
    segmenter = detector.segmenter
    inner = vlm._model.model
    tower = inner.vision_tower if hasattr(inner, "vision_tower") else inner.visual
    places = [
        (type(vlm._prompter), "_processed", "processor"),
        (tower, "forward", "vision"),
        (vlm._batch, "_prefix", "prefill"),
        (vlm._batch._decoder, "write", "decode"),
        (attention, "flow", "flow"),
        *((prompts, name, "points") for name in ("seeds", "territories", "batch", "reseed", "coverage")),
        (segmenter, "embed_views", "SAM encode"),
        (segmenter, "segment", "SAM decode"),
        (pipeline, "merge", "merge"),
    ]
    with ExitStack() as stack:
        for owner, name, stage in places:
            stack.enter_context(patch.object(owner, name, clock.wrap(getattr(owner, name), stage)))
        yield


def forced(count: int) -> Callable:
    """A parser that finds `count` names in any answer, each with all of its tokens."""

    def parse(text: str, *_: object) -> list[ParsedName]:
        return [ParsedName(f"object {i}", ((0, len(text)),)) for i in range(count)]

    return parse


def measured(detector: VLSam, frames: list[np.ndarray], names: int | None) -> dict[str, float]:
    """Milliseconds by stage, medians over the frames, after one frame that warms up."""
    found: dict[str, list[float]] = defaultdict(list)
    with patch.object(attention, "parse_names", forced(names) if names else attention.parse_names):
        detector(frames[0])
        for frame in frames:
            clock = Clock()
            with watched(detector, clock), clock.stage("rest"):
                detector(frame)
            for stage in STAGES:
                found[stage].append(1e3 * clock.seconds[stage])
    return {stage: statistics.median(ms) for stage, ms in found.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--seed", type=int, default=30_000_000, help="of the first frame")
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = [render(sample_world(args.seed + i, empty=False)).image for i in range(args.frames)]
    header(f"Stages of one frame: embedded pair, 1600 × 900, {args.frames} frames, ms")
    runs: list[tuple[str, dict[str, Any], int | None]] = [
        ("1 view", FULL, None),
        ("4 views", BAND, None),
        ("6 views", {}, None),
        ("4 views, 1 question", BAND | {"questions.questions": list(QUESTIONS[:1])}, None),
        ("4 views, 2 questions", BAND | {"questions.questions": list(QUESTIONS[:2])}, None),
        ("4 views, 4 questions", BAND | {"questions.questions": list(QUESTIONS)}, None),
        ("4 views, 1 name each", BAND, 1),
        ("4 views, 4 names each", BAND, 4),
        ("4 views, 8 names each", BAND, 8),
    ]
    results = {}
    for title, options, names in runs:
        results[title] = measured(load(Config.from_file(profile_path("embedded"), options)), frames, names)
    heading = ["", *STAGES, "total"]
    rows = [[title, *(round(ms[s]) for s in STAGES), round(sum(ms.values()))] for title, ms in results.items()]
    table([heading, *rows])
    total = {title: round(sum(ms.values()), 1) for title, ms in results.items()}
    finish(stages_ms={s: round(ms, 2) for s, ms in results["6 views"].items()}, total_ms=total)


if __name__ == "__main__":
    main()
