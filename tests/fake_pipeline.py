"""A pipeline that does what the picture's first pixel says. The real node with it is fake_detector.py.

Red 0: one stone, and two that are dropped. 1: makes the file `busy` and waits for `go`. 2: VlmError. 3: an error nobody
expected. 4: one view is skipped. 5 and on: the results and errors of `spoilt`, in its order. 100 and on: the
catastrophes and other deeds of `DEEDS`, in its order. With a horizon the segmenter's name says where. All files are in
the folder named by the environment's FOLDER; of those that a test makes, `slow` holds the seconds that the models take
to load, and as long as `missing` or `crashing` is there they can't be loaded.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vlsam_ros.config import Config
from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.errors import ModelLoadError, VlmError

FOLDER = Path(os.environ["FOLDER"])


class Panic(BaseException):
    """What a library in another language may raise."""


def spoilt(found: Detections) -> dict[str, object]:
    """Results that are none, and errors, by name."""
    stone = found.items[0]
    return {
        "dict": {"stone": 1},
        "none": None,
        "another size": replace(found, size_hw=(20, 20)),
        "NaN score": replace(found, items=(replace(stone, score=float("nan")),)),
        "mask outside": replace(found, items=(replace(stone, mask=stone.mask.shifted(9, 0)),)),
        "control character": replace(found, items=(replace(stone, label="st\x1b[2Jone"),)),
        "ten thousand": replace(found, items=(stone,) * 10_000),
        "grey heat": replace(found, heat=np.zeros((4, 4), np.uint8)),
        "unpublishable": replace(found, skipped=5),
        "panic": Panic("at the disco"),
        "long and wild": VlmError("\x1b]0;title\x07" + "w" * 100_000),
        "unanswered": replace(found, problems=("full: What?: a refusal", "far_0: What?: \x1b empty")),
        "odd novelty": replace(found, novelty=float("nan")),
        "unfamiliar": replace(found, novelty=1.74, problems=("full: What?: a refusal",)),
        "familiar": replace(found, novelty=0.74),
    }


def no_memory() -> None:
    raise MemoryError("no memory for 8 GiB")


def hang() -> None:
    while True:
        time.sleep(60)


DEEDS: dict[str, Callable[[], object]] = {
    "memory": no_memory,
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "hang": hang,
    "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "echo": lambda: None,
    "steps": lambda: None,
}
"""What is done before the result. After `echo` the VLM's name is what is ignored, and each extra question is answered;
after `steps` there is a preliminary result."""


class Fake:
    """The pipeline."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def configure(self, config: Config) -> None:
        self._config = config

    def __call__(
        self,
        image: np.ndarray,
        budget_s: float | None,
        horizon: float | None,
        extra: tuple[str, ...] = (),
        preliminary: Callable[[Detections], None] | None = None,
    ) -> Detections:
        order = int(image[0, 0, 0])
        if order == 1:
            (FOLDER / "busy").touch()
            while not (FOLDER / "go").exists():
                time.sleep(0.01)
        if order == 2:
            raise VlmError("out of words")
        if order == 3:
            raise KeyError("nobody expected this")
        mask = np.zeros(image.shape[:2], bool)
        mask[2:8, 3:9] = True
        stone = Detection("stone", 0.5, 0.5, 0.5, 0.5, Mask.from_dense(mask))
        found = Detections(
            image.shape[:2],
            items=(stone,),
            skipped=("far_0",) if order == 4 else (),
            vlm="fake-vlm",
            segmenter=f"horizon {horizon}" if horizon else "fake-sam",
            heat=np.eye(4, dtype=np.float32),
            dropped=(
                replace(stone, label="ghost", reason="denied"),
                replace(stone, label="shadow", reason="inconsistent"),
            ),
        )
        if order < 5:
            return found
        if order >= 100:
            return self._after(list(DEEDS)[order - 100], found, extra, preliminary)
        result = list(spoilt(found).values())[order - 5]
        if isinstance(result, BaseException):
            raise result
        return result

    def _after(
        self, deed: str, found: Detections, extra: tuple[str, ...], preliminary: Callable[[Detections], None] | None
    ) -> Detections:
        (FOLDER / "doing").touch()
        DEEDS[deed]()
        if deed == "steps" and preliminary is not None:
            preliminary(replace(found, items=(), skipped=("far_0",)))
        if deed != "echo":
            return found
        answers = tuple(("full", question, f"yes: {question}") for question in extra)
        return replace(found, vlm=", ".join(self._config.questions.ignore), answers=answers)


def load(config: Config) -> Fake:
    if config.vlm.model == "missing" or (FOLDER / "missing").exists():
        raise ModelLoadError("no weights in 'missing'")
    if config.vlm.model == "slow":
        time.sleep(60)
    if (FOLDER / "slow").exists():
        time.sleep(float((FOLDER / "slow").read_text()))
    if (FOLDER / "crashing").exists():
        ctypes.string_at(0)
    return Fake(config)
