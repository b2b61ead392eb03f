"""The models in a process of their own: pictures in, detections out."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import VlsamError
from vlsam_ros.output.check import check_result
from vlsam_ros.output.text import plain, plain_lines
from vlsam_ros.serving.change import changed, thumbnail
from vlsam_ros.serving.images import Picture, to_rgb

PIPELINE = "vlsam_ros.pipeline:load"
"""What makes the detector: a function of a `Config`."""


class Pipeline(Protocol):
    """A detector, as `vlsam_ros.pipeline.VLSam` is one."""

    def __call__(self, image: np.ndarray, budget_s: float | None, horizon: float | None, **beside: Any) -> Detections:
        """Detections in an RGB uint8 (H, W, 3); `beside`: `extra` questions, and who gets the `preliminary` one."""
        ...


@dataclass(frozen=True)
class Job:
    """One frame to look at.

    Attributes:
        camera: its name.
        picture: what its message says beside the data.
        config: the options that hold from this frame on.
        horizon: its row as a share of the height, or None.
        extra: questions beside the configured ones.
        preliminary: whether a preliminary result is wanted.
        change: the least change since the camera's last keyframe; None: it is looked at in any case.
    """

    camera: str
    picture: Picture
    config: Config
    horizon: float | None = None
    extra: tuple[str, ...] = ()
    preliminary: bool = False
    change: float | None = None


@dataclass(frozen=True)
class Result:
    """What came of it.

    Attributes:
        size_hw: of the image; (0, 0) if it could not be read.
        seconds: that it took.
        found: None if it failed, or nothing has changed.
        failure: status, text of one line, and traceback (empty for errors that are foreseen), or None.
        gpu_bytes: that the models hold on the GPU.
    """

    size_hw: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    found: Detections | None = None
    failure: tuple[int, str, str] | None = None
    gpu_bytes: int = 0

    @property
    def unchanged(self) -> bool:
        """Whether the scene was as before, so that nobody looked."""
        return self.found is None and self.failure is None


class Models:
    """The models, and what they saw last."""

    def __init__(self, config: Config, load: str = PIPELINE) -> None:
        """`load` is a ``module:function`` that makes a `Pipeline` of a `Config`."""
        module, _, function = load.partition(":")
        self._config = config
        self._pipeline: Pipeline = getattr(import_module(module), function)(config)
        self._last: dict[str, np.ndarray] = {}

    def about(self) -> Detections | None:
        """A result without instances, with the models' names; None if the pipeline does not say."""
        return self._pipeline.nothing((0, 0)) if hasattr(self._pipeline, "nothing") else None

    def detect(self, job: Job, data: memoryview, emit: Callable[[Any], None]) -> Result:
        """Look at a frame; no error of a frame leaves this method. A preliminary result is emitted.

        A GPU that can do nothing any more in this process, as after a wrong access to its memory, ends the process.
        """
        began, size_hw = time.perf_counter(), (0, 0)
        found, failure = None, None
        try:
            self._configure(job.config)
            image = to_rgb(job.picture.holding(data), job.config.node.max_image_pixels)
            size_hw = image.shape[:2]
            small = thumbnail(image)
            if self._has_changed(job, small):
                found = check_result(self._look(job, image, emit), size_hw)
                self._last[job.camera] = small
        except BaseException as error:  # the frame's message says so; a panic in a tokenizer's Rust is no Exception
            failure = described(error)
            if why := _gpu_lost():
                logging.getLogger(__name__).error("%s; the GPU needs a new process: %s", failure[1], why)
                os._exit(1)
        return Result(size_hw, time.perf_counter() - began, found, failure, _gpu_bytes())

    def _look(self, job: Job, image: np.ndarray, emit: Callable[[Any], None]) -> Detections:
        beside: dict[str, Any] = {}
        if job.extra:
            beside["extra"] = job.extra
        if job.preliminary:
            beside["preliminary"] = lambda found: emit(check_result(found, image.shape[:2]))
        return self._pipeline(image, job.config.node.latency_budget_s or None, job.horizon, **beside)

    def _configure(self, config: Config) -> None:
        if config != self._config:
            self._config = config
            if hasattr(self._pipeline, "configure"):
                self._pipeline.configure(config)

    def _has_changed(self, job: Job, small: np.ndarray) -> bool:
        """Since the last keyframe that was looked at without a failure."""
        last = self._last.get(job.camera)
        return job.change is None or last is None or changed(last, small) >= job.change


def described(error: BaseException) -> tuple[int, str, str]:
    """An error's status, its text, and its traceback if nobody foresaw it."""
    if isinstance(error, VlsamError):
        return error.status, plain(f"{type(error).__name__}: {error}"), ""
    return VlsamError.status, plain(f"{type(error).__name__}: {error}"), plain_lines(traceback.format_exc())


def _cuda() -> Any:
    """torch.cuda, if it is in use."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _gpu_bytes() -> int:
    """What torch holds on the GPU."""
    return int(cuda.memory_reserved()) if (cuda := _cuda()) else 0


def _gpu_lost() -> str:
    """Why the GPU can do nothing any more in this process; empty if it can, or there is none."""
    try:
        if cuda := _cuda():
            cuda.synchronize()
    except RuntimeError as error:
        return plain(error)
    return ""
