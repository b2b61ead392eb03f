"""What is known about the cameras and the models now, and how bad it is. Plain Python, no ROS; thread-safe.

The node tells what happens (`CameraHealth.image`, `.keyframe`, the `ModelsHealth`'s changes of state); `diagnostics.py`
asks for `report`s at 1 Hz and for `beat`s at the heartbeat's rate. What is wrong now decides the level, so that it
falls again; what was wrong stays in the values, with its time.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from vlsam_ros.config import NodeOptions
from vlsam_ros.data import Detections
from vlsam_ros.errors import failed
from vlsam_ros.output.messages import Keyframe, age
from vlsam_ros.ros.cameras import Camera
from vlsam_ros.ros.mailbox import Counts

OK, WARN, ERROR = 0, 1, 2
"""As in diagnostic_msgs/DiagnosticStatus."""

UNCONFIGURED, INACTIVE, ACTIVE, DISABLED, LOADING = range(5)
"""The STATE_ constants of DetectorHealth."""

STATES = ("the models are not loaded", "inactive", "active", "disabled", "the models are being loaded")
"""What a STATE_ is called."""

STALE = 60
"""STATUS_STALE."""

RECENT = 100
"""Keyframes that percentiles are taken of."""

WINDOW_S = 10.0
"""Time that rates, and what is many, are taken of."""

NEVER = 10
"""A camera that was never seen is an error after so many times `silent_s`."""

SLOW, MANY = 0.5, 0.1
"""Less than this share of the rate that is asked for is slow; more than this share of the frames lost is many."""


@dataclass(frozen=True)
class Report:
    """One status of /diagnostics."""

    level: int
    message: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Beat:
    """What DetectorHealth says of one camera, beside its state; times in seconds, NaN: not known or none yet."""

    status: int
    text: str
    keyframe: int
    frame_id: str
    result_stamp: Any
    """builtin_interfaces/Time; None: none yet."""
    image_age_s: float


class CameraHealth:
    """One camera; made by `Health`."""

    def __init__(self, health: Health, camera: Camera, priority: int) -> None:
        """`priority` is its place in `node.priorities`."""
        self._health, self.camera, self._priority = health, camera, priority
        self._lock, self._clock = health.lock, health.clock
        self._since_s = self._clock()
        self._image_s: float | None = None
        self._frame_id, self._kind = "", ""
        self._result_s: float | None = None
        self._last: Keyframe | None = None
        self._found = Detections((0, 0))
        self._result_stamp: Any = None
        self._error, self._error_at = "", ""
        self._ages_s: deque[float] = deque(maxlen=RECENT)
        self._latencies_s: deque[float] = deque(maxlen=RECENT)
        self._past: deque[tuple[float, Counts]] = deque()

    def image(self, message: Any) -> None:
        """An image came."""
        with self._lock:
            self._image_s = self._clock()
            self._frame_id, self._kind = message.header.frame_id, type(message).__name__

    def keyframe(self, keyframe: Keyframe, latency_s: float, found: Detections) -> None:
        """A keyframe has its result, or has failed; `latency_s` is from when it was taken to its message."""
        with self._lock:
            self._result_s, self._last, self._found = self._clock(), keyframe, found
            self._latencies_s.append(latency_s)
            age_s = age(keyframe.header.stamp, keyframe.started)[0]
            if not math.isnan(age_s):
                self._ages_s.append(age_s)
            if failed(keyframe.status):
                self._error, self._error_at = keyframe.status_text, self._health.now()
            else:
                self._result_stamp = keyframe.header.stamp

    def latency_s(self) -> float:
        """The longest that one of the recent keyframes took; 0: none yet."""
        with self._lock:
            return max(self._latencies_s, default=0.0)

    def beat(self) -> Beat:
        """Its heartbeat now."""
        with self._lock:
            now_s, last = self._clock(), self._last
            stale = self._stale(now_s)
            status, text = (STALE, stale) if stale or last is None else (last.status, last.status_text)
            return Beat(
                status=status,
                text=text,
                keyframe=0 if last is None else last.number,
                frame_id=self._frame_id,
                result_stamp=self._result_stamp,
                image_age_s=math.nan if self._image_s is None else now_s - self._image_s,
            )

    def report(self, counts: Counts, publishers: int) -> Report:
        """Its status now.

        Args:
            counts: of its frames in the mailbox.
            publishers: how many the topic has.
        """
        with self._lock:
            now_s = self._clock()
            new, seconds = self._window(now_s, counts)
            problems = sorted(self._problems(now_s, new, seconds, publishers), key=lambda problem: -problem[0])
            message = "; ".join(text for _, text in problems) or STATES[self._health.state()]
            values = self._values(now_s, counts, publishers) | {
                "input rate (Hz)": _number(new.received / seconds if seconds else math.nan),
                "keyframe rate (Hz)": _number((new.taken - new.unchanged) / seconds if seconds else math.nan),
            }
            return Report(problems[0][0] if problems else OK, message, values)

    def restart(self) -> None:
        """Images are subscribed to from now on, for the first time or again."""
        with self._lock:
            self._since_s = self._clock()
            self._image_s = self._result_s = None
            self._past.clear()

    def _window(self, now_s: float, counts: Counts) -> tuple[Counts, float]:
        """What was counted in the last `WINDOW_S`, and in how many seconds."""
        past = self._past
        if past and past[-1][1].received > counts.received:  # another mailbox
            past.clear()
        past.append((now_s, counts))
        while len(past) > 2 and now_s - past[1][0] >= WINDOW_S:
            past.popleft()
        then_s, before = past[0]
        return Counts(**{key: value - getattr(before, key) for key, value in vars(counts).items()}), now_s - then_s

    def _stale(self, now_s: float) -> str:
        """Why there is nothing new; empty if there is."""
        options, state = self._health.options, self._health.state()
        if state != ACTIVE:
            return STATES[state]
        if self._image_s is None:
            return "no image yet"
        if now_s - self._image_s > options.silent_s:
            return f"no image for {now_s - self._image_s:.1f} s"
        if self._result_s is None:
            return "no result yet"
        if now_s - self._result_s > options.silent_s + self._health.turn_s(self._priority):
            return f"no result for {now_s - self._result_s:.1f} s"
        return ""

    def _problems(self, now_s: float, new: Counts, seconds: float, publishers: int) -> Iterator[tuple[int, str]]:
        """Level and text of what is wrong now."""
        options, state = self._health.options, self._health.state()
        if not self._health.active:
            if state == LOADING:
                yield WARN, "not subscribed: " + STATES[state]
            return
        by = f"{publishers} publisher{'s' * (publishers != 1)}"
        if self._image_s is None:
            unseen_s = now_s - self._since_s
            yield ERROR if unseen_s > NEVER * options.silent_s else WARN, f"never seen in {unseen_s:.1f} s, {by}"
        elif now_s - self._image_s > options.silent_s:
            yield ERROR, f"silent for {now_s - self._image_s:.1f} s, {by}"
        else:
            yield from self._shortages(new, seconds)
        last = self._last
        if last is not None and (last.status or last.status_text):
            yield ERROR if failed(last.status) else WARN, last.status_text or f"status {last.status}"

    def _shortages(self, new: Counts, seconds: float) -> Iterator[tuple[int, str]]:
        """What is wrong with how frames come and go, over the last `seconds`."""
        options, asked_hz = self._health.options, self._health.options.keyframe_rate_hz
        keyframes = new.taken - new.unchanged
        if seconds >= WINDOW_S / 2:
            least = SLOW * asked_hz * seconds - 1  # a frame may just be due
            if new.received < least:
                yield WARN, f"slow: images at {new.received / seconds:.2f} Hz, asked for {asked_hz:g} Hz"
            elif keyframes < least and options.keyframes == "rate" and self._health.state() != DISABLED:
                yield WARN, f"slow: keyframes at {keyframes / seconds:.2f} Hz, asked for {asked_hz:g} Hz"
        if new.lost > MANY * (new.lost + new.received):
            yield WARN, f"{new.lost} of {new.lost + new.received} frames lost before they came"
        if new.stale:
            yield WARN, f"{new.stale} frames dropped, too old"
        if new.overflowed:
            yield WARN, f"{new.overflowed} frames dropped, no room in the queue"

    def _values(self, now_s: float, counts: Counts, publishers: int) -> dict[str, str]:
        lost = "unknown" if counts.untold == counts.received else str(counts.lost)
        last, found = self._last, self._found
        frames = ("received", "between", "replaced", "overflowed", "stale", "taken", "unchanged")
        return {
            "topic": self.camera.topic,
            "type": self._kind or "unknown",
            "publishers": str(publishers),
            "image seen before (s)": _number(math.nan if self._image_s is None else now_s - self._image_s),
            **{f"frames {what}": str(getattr(counts, what)) for what in frames},
            "frames lost": lost,
            "frames of which loss is unknown": str(counts.untold),
            "age of the last stale frame (s)": _number(counts.stale_age_s),
            **_percentiles("image age at the start of inference", self._ages_s),
            **_percentiles("result latency", self._latencies_s),
            "last keyframe": "none" if last is None else str(last.number),
            "last status": "none" if last is None else str(last.status),
            "last status text": "" if last is None else last.status_text,
            "last instances": str(len(found)),
            "last dropped": str(len(found.dropped)),
            "last skipped": ", ".join(found.skipped),
            "last novelty": _number(math.nan if found.novelty is None else found.novelty),
            "last error": self._error or "none",
            "last error at": self._error_at,
        }


class ModelsHealth:
    """The models and the process that has them; made by `Health`.

    Attributes:
        state: ``unconfigured``, ``loading``, ``ready``, ``busy``, ``restarting`` or ``failed``.
        names: a result without instances that names the models.
        has_failed: they `failed`, and were not loaded since; loading them once more changes nothing yet.
    """

    def __init__(self, health: Health, memory: Callable[[], Mapping[str, float]]) -> None:
        self._health, self._memory = health, memory
        self._lock, self._clock = health.lock, health.clock
        self._begun_s = self._clock()
        self.names = Detections((0, 0))
        self.state, self._since_s = "unconfigured", self._clock()
        self._restart_s = 0.0
        self._load_s = math.nan
        self._restarts = 0
        self._trouble = ""
        """What broke the models' process, until there is a result again; or kept them from loading, until they have."""
        self._not_loaded = self.has_failed = False
        self._error, self._error_at = "", ""
        self._beside_restarts = 0
        self._beside_trouble = self._beside_error = ""

    def unconfigured(self) -> None:
        """They are not loaded, as somebody wished."""
        self._become("unconfigured")
        self.has_failed = False
        self._trouble = self._beside_trouble = ""

    def loading(self) -> None:
        """They begin to load, for the first time or again."""
        self._become("loading")

    def ready(self, load_s: float, names: Detections) -> None:
        """They are loaded, which took `load_s`, and called so."""
        with self._lock:
            self._become("ready")
            self.has_failed = False
            self._load_s, self.names = load_s, names
            if self._not_loaded:
                self._trouble, self._not_loaded = "", False

    def busy(self) -> None:
        """They begin with a frame."""
        self._become("busy")

    def idle(self) -> None:
        """They have answered for it, with a result or an error: their process works."""
        with self._lock:
            self._become("ready")
            self._trouble = ""

    def lost(self, error: str, pause_s: float) -> None:
        """Their process ended or was ended, and starts again in `pause_s`."""
        with self._lock:
            self._went_wrong(error)
            self._become("restarting")
            self._restart_s = self._since_s + pause_s
            self._restarts += 1

    def lost_beside(self, error: str) -> None:
        """The process that draws and tracks ended or was ended, and starts again."""
        with self._lock:
            self._beside_restarts += 1
            self._beside_trouble = self._beside_error = error

    def works_beside(self) -> None:
        """It has done what it was asked for."""
        self._beside_trouble = ""

    def failed(self, error: str) -> None:
        """They could not be loaded, and nobody tries again by himself."""
        with self._lock:
            self._went_wrong(error)
            self._become("failed")
            self.has_failed = True

    def report(self) -> Report:
        """Their status now."""
        memory = {"node": rss_mib(os.getpid()), **self._memory()}
        with self._lock:
            now_s = self._clock()
            state = self._state(now_s)
            level = ERROR if self._trouble else WARN if self._beside_trouble or self.state == "loading" else OK
            names = self.names
            values = {
                "state": state,
                "vlm": names.vlm,
                "segmenter": names.segmenter,
                "grounder": names.grounder or "none",
                "demonstration": str(names.demonstration).lower(),
                "restarts": str(self._restarts),
                "last error": self._error or "none",
                "last error at": self._error_at,
                "restarts of tracks and pictures": str(self._beside_restarts),
                "last error of tracks and pictures": self._beside_error or "none",
                "load time (s)": _number(self._load_s),
                "uptime (s)": _number(now_s - self._begun_s),
                **{f"memory of {name} (MiB)": f"{mib:.0f}" for name, mib in memory.items()},
            }
            message = "; ".join(part for part in (state, self._trouble, self._beside_trouble) if part)
            return Report(level, message, values)

    def _become(self, state: str) -> None:
        with self._lock:
            self.state, self._since_s = state, self._clock()

    def _went_wrong(self, error: str) -> None:
        self._not_loaded = self.state == "loading"
        self._trouble = self._error = error
        self._error_at = self._health.now()

    def _state(self, now_s: float) -> str:
        if self.state in ("loading", "busy"):
            return f"{self.state} for {now_s - self._since_s:.1f} s"
        if self.state == "restarting":
            return f"restarting in {max(self._restart_s - now_s, 0):.1f} s"
        return "load failed" if self.state == "failed" else self.state


class Health:
    """All of the node.

    Attributes:
        cameras: by name.
        models: the models.
        options: those that hold now; may be exchanged while the node runs.
        enabled: not paused by ~/enable.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        options: NodeOptions,
        *,
        memory: Callable[[], Mapping[str, float]] = dict,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Neither active nor configured at first.

        Args:
            memory: what the other processes have, by their names, in MiB; asked at each report.
            clock: seconds, never jumps.
            wall: seconds since 1970, for the times of errors.
        """
        self.lock, self.clock, self._wall = RLock(), clock, wall
        self.options, self.enabled = options, True
        self._active = False
        self.models = ModelsHealth(self, memory)
        self.cameras = {camera.name: CameraHealth(self, camera, index) for index, camera in enumerate(cameras)}

    def watch(self, cameras: Sequence[Camera]) -> None:
        """These cameras from now on; those that are watched already stay what they are."""
        with self.lock:
            if [camera.camera for camera in self.cameras.values()] != [*cameras]:
                self.cameras = {camera.name: CameraHealth(self, camera, index) for index, camera in enumerate(cameras)}

    @property
    def active(self) -> bool:
        """Whether images are subscribed to. Becoming so starts the cameras' times anew."""
        return self._active

    @active.setter
    def active(self, value: bool) -> None:
        with self.lock:
            if value and not self._active:
                for camera in self.cameras.values():
                    camera.restart()
            self._active = value

    def state(self) -> int:
        """One of DetectorHealth's STATE_ constants."""
        if self.models.state in ("loading", "restarting"):
            return LOADING
        if self.models.state in ("unconfigured", "failed"):
            return UNCONFIGURED
        if not self._active:
            return INACTIVE
        return ACTIVE if self.enabled else DISABLED

    def turn_s(self, index: int) -> float:
        """The longest time between two results of a camera, s: until a keyframe is due, and until its turn is over.

        Args:
            index: the camera's place among all.
        """
        options = self.options
        due_s = 1 / options.keyframe_rate_hz if options.keyframe_rate_hz else 0.0
        if options.keyframes == "change":
            due_s = max(due_s, options.max_gap_s)
        weights = [options.of_camera("priorities", i) for i in range(len(self.cameras))]
        longest_s = max(camera.latency_s() for camera in self.cameras.values())
        return due_s + longest_s * sum(weights) / weights[index]

    def now(self) -> str:
        """The time of day, ISO 8601 in UTC."""
        return datetime.fromtimestamp(self._wall(), timezone.utc).isoformat(timespec="milliseconds")


def rss_mib(pid: int) -> float:
    """Resident memory of a process in MiB; 0 if there is none."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # it has ended, maybe just now
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f}"


def _percentiles(what: str, values: Sequence[float] | deque[float]) -> dict[str, str]:
    shares = np.quantile(list(values), (0.5, 0.95)) if values else (math.nan, math.nan)
    return {f"{what} p50 (s)": _number(shares[0]), f"{what} p95 (s)": _number(shares[1])}
