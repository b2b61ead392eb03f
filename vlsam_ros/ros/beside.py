"""The thread that owns the process beside the models: it takes frames in for tracks, and has pictures drawn."""

from __future__ import annotations

import itertools
import logging
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import BadImageError, VlsamError, WorkerLostError, WorkerTimeoutError
from vlsam_ros.ros.health import ModelsHealth
from vlsam_ros.serving.images import Picture, Seen
from vlsam_ros.serving.process import Remote

START_S, ANSWER_S, FOUND_S = 60.0, 5.0, 2.0
"""Longest time to start; for a frame; and for a keyframe's tracks, which its message waits for."""
DRAW_S = 60.0
"""Longest time for all that is drawn of a keyframe: on a busy CPU, 40 million pixels take ten seconds."""
LONGEST_PAUSE_S = 60.0

_RUNS = itertools.count()
"""Numbers of all such processes that ours has had: so no track's id comes twice, also after a new `configure`."""


class Beside(threading.Thread):
    """From `start` to `stop`. What can't be done is logged, and costs no keyframe.

    Work waits here by kind and camera, and the newest of each wins: so little is held however long the process is away.
    A keyframe is looked at before its result comes.
    """

    def __init__(self, config: Callable[[], Config], health: ModelsHealth, log: Callable[[int, str], None]) -> None:
        """`config` gives the options that hold now."""
        super().__init__(name="beside", daemon=True)
        self.remote = Remote("vlsam_ros.serving.beside:Beside", "beside", config().node.worker_nice, log)
        self._config, self._health, self._log = config, health, log
        self._told: Config | None = None
        self._ready = False
        self._first = 0
        """Keyframes that wait for their tracks: other work comes after them."""
        self._work: OrderedDict[Any, Callable[[float], None]] = OrderedDict()
        self._change = threading.Condition()
        self._stopping = threading.Event()

    def look(self, seen: Seen, data: Any, tracks: Callable[[Detections], None] | None, keyframe: bool = False) -> None:
        """Take in a frame; `tracks` gets where all tracks are in it. Of a `keyframe` the result will come."""

        def work(timeout_s: float) -> None:
            found = self.remote.call("look", seen, tracks is not None, keyframe, data=data, timeout_s=timeout_s)
            if tracks is not None:
                tracks(found)

        self._put(("keyframe" if keyframe else "frame", seen.camera), work)

    def draw(
        self, camera: int, wanted: set[str], picture: Picture, data: Any, about: tuple[Any, ...], done: Callable
    ) -> None:
        """Draw what is `wanted` of a keyframe; `about`: its detections and caption; `done` gets the pictures."""

        def work(_: float) -> None:
            done(self.remote.call("draw", wanted, picture, *about, data=data, timeout_s=DRAW_S))

        self._put(("draw", camera), work)

    def found(self, camera: int, number: int, found: Detections) -> Detections:
        """A keyframe's result with its tracks; as it is, if that can't be told now."""
        if not self._ready or not self.remote.alive:
            return found
        with self._change:
            self._first += 1
        try:
            self._finish(("keyframe", camera), FOUND_S)
            return self.remote.call("found", camera, number, found, timeout_s=FOUND_S)
        except VlsamError as error:
            self._log(logging.WARNING, f"no tracks in a keyframe: {error}")
            return found
        finally:
            with self._change:
                self._first -= 1
                self._change.notify_all()

    def run(self) -> None:
        """The thread's life. Without tracks, the process is not there before there is something to do."""
        pause_s = 0.0
        if self._config().tracks.enabled:
            self._put("begin", lambda timeout_s: None)
        while self._wait():
            if not self.remote.alive:
                if self._ready:
                    self._lost(self.remote.lost())
                if self._stopping.wait(pause_s):
                    break
                pause_s = min(max(1.0, 2 * pause_s), LONGEST_PAUSE_S)
            try:
                self._begin()
                self._finish(None, ANSWER_S)
                pause_s = 0.0
                self._health.works_beside()
            except (WorkerLostError, WorkerTimeoutError) as error:
                self._lost(error)
            except BadImageError:  # the keyframe's message says so
                pass
            except VlsamError as error:
                self._log(logging.ERROR, f"beside the models: {error}\n{getattr(error, 'trace', '')}".rstrip())
            except Exception:
                self._log(logging.ERROR, f"beside the models: {traceback.format_exc()}")
        self.remote.close()

    def stop(self) -> None:
        """End it; what waits is left."""
        self._stopping.set()
        self.remote.close()
        with self._change:
            self._change.notify_all()

    def _lost(self, error: VlsamError) -> None:
        self._ready = False
        if not self._stopping.is_set():
            self._health.lost_beside(str(error))
            self._log(logging.ERROR, f"{error}; it is started again")

    def _put(self, key: Any, work: Callable[[float], None]) -> None:
        with self._change:
            self._work[key] = work
            self._change.notify_all()

    def _wait(self) -> bool:
        """Wait for work; False at the end."""
        with self._change:
            self._change.wait_for(lambda: self._stopping.is_set() or (bool(self._work) and not self._first))
            return not self._stopping.is_set()

    def _finish(self, key: Any, timeout_s: float) -> None:
        """Do what waits under a key, if it does; None: what came first."""
        with self._change:
            if key is None and self._work:
                key = next(iter(self._work))
            work = self._work.pop(key, None)
        if work:
            work(timeout_s)

    def _begin(self) -> None:
        """A process with the options that hold now."""
        config = self._config()
        if not self.remote.alive:
            self.remote.start(config, next(_RUNS), timeout_s=START_S)
            self._ready = True
        elif config != self._told:
            self.remote.call("configure", config, timeout_s=ANSWER_S)
        self._told = config
