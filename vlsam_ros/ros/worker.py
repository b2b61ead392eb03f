"""The one thread that owns the models."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

import numpy as np

from vlsam_ros.data import Detections
from vlsam_ros.errors import VlsamError
from vlsam_ros.ros.mailbox import Frame, Mailbox

Pipeline = Callable[[np.ndarray, float | None, float | None], Detections]
"""An RGB uint8 image (H, W, 3), the time for it in seconds (None: unlimited) and the horizon's row as a share of its
height (None: unknown) to detections."""


class Worker(threading.Thread):
    """Loads the models, then handles frame after frame until the mailbox closes or something goes wrong.

    Attributes:
        state: ``loading``, ``ready`` or ``stopped``.
        failure: why it stopped by itself, for people; empty if all is well. Errors of single frames never get here.
    """

    def __init__(
        self, load: Callable[[], Pipeline], mailbox: Mailbox, handle: Callable[[Pipeline, Frame], None]
    ) -> None:
        super().__init__(name="models", daemon=True)
        self.state = "loading"
        self.failure = ""
        self._load, self._mailbox, self._handle = load, mailbox, handle

    def run(self) -> None:
        """The thread's life."""
        try:
            pipeline = self._load()
            self.state = "ready"
            while (frame := self._mailbox.take()) is not None:
                self._handle(pipeline, frame)
        except VlsamError as error:
            self.failure = f"{type(error).__name__}: {error}"
        except BaseException:  # the node reports it and ends
            self.failure = traceback.format_exc()
        finally:
            self.state = "stopped"
