"""The one thread that owns the models."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import ConfigError, VlsamError
from vlsam_ros.output.text import plain, plain_lines
from vlsam_ros.ros.mailbox import Frame, Mailbox

Pipeline = Callable[[np.ndarray, float | None, float | None], Detections]
"""An RGB uint8 image (H, W, 3), the time for it in seconds (None: unlimited) and the horizon's row as a share of its
height (None: unknown) to detections."""


@runtime_checkable
class Named(Protocol):
    """A pipeline that can say which models it has."""

    def nothing(self, size_hw: tuple[int, int]) -> Detections:
        """A result without instances, with the models' names."""


def configured(config: Config) -> Detections:
    """A result without instances that names the models of a configuration, as long as no pipeline names its own."""
    vlm, segmenter = config.vlm.model, config.segmenter.model
    grounder = "" if config.grounder.mode == "attention" else config.grounder.model
    demonstration = any(model.startswith("embedded") for model in (vlm, segmenter))
    return Detections((0, 0), vlm=vlm, segmenter=segmenter, grounder=grounder, demonstration=demonstration)


def without_instances(found: Detections) -> Detections:
    """What a result says about the models, and nothing about a frame."""
    return Detections(
        (0, 0),
        vlm=found.vlm,
        segmenter=found.segmenter,
        grounder=found.grounder,
        demonstration=found.demonstration,
    )


class Worker(threading.Thread):
    """Loads the models, then handles frame after frame until the mailbox closes or something goes wrong.

    Attributes:
        state: ``loading``, ``ready`` or ``stopped``.
        models: a result without instances, with the models' names: as configured, then as the pipeline says.
        failure: why it stopped by itself, for people; empty if all is well. Errors of single frames never get here.
        code: the exit code for that: 0 all is well, 1 the models or the worker failed, 2 an option is wrong.
    """

    def __init__(
        self,
        load: Callable[[], Pipeline],
        mailbox: Mailbox,
        handle: Callable[[Pipeline, Frame], None],
        models: Detections,
    ) -> None:
        super().__init__(name="models", daemon=True)
        self.state, self.models = "loading", models
        self.failure = ""
        self.code = 0
        self._load, self._mailbox, self._handle = load, mailbox, handle

    def run(self) -> None:
        """The thread's life."""
        try:
            pipeline = self._load()
            if isinstance(pipeline, Named):
                self.models = pipeline.nothing((0, 0))
            self.state = "ready"
            while (frame := self._mailbox.take()) is not None:
                self._handle(pipeline, frame)
        except VlsamError as error:
            self.failure = plain(f"{type(error).__name__}: {error}")
            self.code = 2 if isinstance(error, ConfigError) else 1
        except BaseException:  # the node reports it and ends
            self.failure, self.code = plain_lines(traceback.format_exc()), 1
        finally:
            self.state = "stopped"
