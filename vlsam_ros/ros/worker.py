"""The thread that owns the models' process: it loads them, hands over frame after frame, and restarts what ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic

from vlsam_ros.backends.vlm.address import embedded_of, name_of
from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import VlsamError, WorkerLostError, WorkerTimeoutError
from vlsam_ros.ros.health import ModelsHealth
from vlsam_ros.ros.mailbox import Frame, Mailbox
from vlsam_ros.serving.models import Job, Result
from vlsam_ros.serving.process import Remote

Detect = Callable[[Job, object, Callable[[Detections], None]], Result]
"""A job and its picture's data, and who gets the preliminary result, to the result."""

LONGEST_PAUSE_S = 60.0
LOOK_S = 0.5
"""How often an idle thread looks whether the models' process still lives."""


def configured(config: Config) -> Detections:
    """A result without instances that names the models of a configuration, as long as no pipeline names its own."""
    vlm, segmenter = name_of(config.vlm.model), config.segmenter.model if config.segmenter.model != "none" else ""
    grounder = config.grounder.model if "grounder" in config.grounder.ways else ""
    demonstration = segmenter == "embedded" or any(map(embedded_of, (vlm, config.vlm.replay)))
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
    """From `start` to `stop`.

    A process that ended after it had given a result is started again at once; one that had not, after a pause that
    grows from a second to a minute.

    Attributes:
        models: a result without instances, with the models' names: as configured, then as the pipeline says.
        settled: set as soon as the models are loaded, or can't be.
        failure: why they could not be loaded the first time; None if they could.
        gpu_mib: what they hold on the GPU.
    """

    def __init__(
        self,
        config: Config,
        load: str,
        mailbox: Mailbox,
        handle: Callable[[Frame, Detect], None],
        health: ModelsHealth,
        log: Callable[[int, str], None],
    ) -> None:
        """`load` as `serving.models.Models` has it; `handle` answers one frame and lets no error out."""
        super().__init__(name="models", daemon=True)
        self.models = configured(config)
        self.failure: VlsamError | None = None
        self.settled = threading.Event()
        self.gpu_mib = 0.0
        self.remote = Remote("vlsam_ros.serving.models:Models", "models", config.node.worker_nice, log)
        self._config, self._load, self._mailbox, self._handle = config, load, mailbox, handle
        self._health, self._log = health, log
        self._stopping = threading.Event()
        self._answers = 0
        self._loading = True
        self._lost: VlsamError | None = None

    def run(self) -> None:
        """The thread's life."""
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            before = self._answers
            try:
                self._begin()
                self._serve()
                break  # nothing more is to come
            except VlsamError as failure:
                error = failure
            if self._stopping.is_set():
                break
            if not self.settled.is_set():  # nothing ever worked: not ours to try again
                self.failure = error
                self._health.failed(f"{type(error).__name__}: {error}")
                break
            self._loading = True  # no process has a frame to finish
            pause_s = 0.0 if self._answers > before else min(max(1.0, 2 * pause_s), LONGEST_PAUSE_S)
            self._health.lost(str(error), pause_s)
            self._log(logging.ERROR, f"{error}; the models are loaded again" + f" in {pause_s:g} s" * bool(pause_s))
        self.remote.close()
        self.settled.set()

    def stop(self) -> None:
        """Take no more frames; the one in work is finished, with `queue_all` all that wait, too."""
        self._stopping.set()
        self._mailbox.close()
        if self._loading:
            self.remote.close()

    def kill(self) -> None:
        """Take no more frames, and leave the one in work."""
        self.stop()
        self.remote.close()

    def _begin(self) -> None:
        self._health.loading()
        self._loading, began_s = True, monotonic()
        models = self.remote.start(self._config, self._load, timeout_s=self._config.node.load_timeout_s)
        self._loading = False
        self.models = models or self.models
        self._health.ready(monotonic() - began_s, self.models)
        self.settled.set()

    def _serve(self) -> None:
        """Hand over frames until nothing more is to come.

        Raises:
            WorkerLostError, WorkerTimeoutError: the process is gone.
        """
        while True:
            frame = self._mailbox.take(LOOK_S)
            if frame is not None:
                self._health.busy()
                self._handle(frame, self._detect)
            elif self._stopping.is_set():
                return
            if self._lost or not self.remote.alive:
                error, self._lost = self._lost or self.remote.lost(), None
                raise error
            if frame is not None:
                self._health.idle()

    def _detect(self, job: Job, data: object, listen: Callable[[Detections], None]) -> Result:
        timeout_s = job.config.node.timeout_s
        try:
            result: Result = self.remote.call("detect", job, data=data, timeout_s=timeout_s, listen=listen)
        except (WorkerLostError, WorkerTimeoutError) as error:
            self._lost = error
            raise
        self._answers += 1
        self.gpu_mib = result.gpu_bytes / 2**20
        if result.found is not None:
            self.models = self._health.names = without_instances(result.found)
        return result
