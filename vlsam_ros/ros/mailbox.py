"""The frames between the subscriptions' callbacks and the one worker that owns the models. Plain Python, no ROS.

Normal mode: one slot per camera. The newest frame wins and waits undecoded, so the worker never sees a stale one.
`queue_all`: every admitted frame is kept in the order of arrival, so a replay gives the same keyframes on any machine.
At most `queue_bytes` of undecoded frames wait; what comes on top is dropped and counted, and the caller is told.
What waits when the mailbox closes is still taken.

The keyframe rate is kept per camera, and by the header's stamps: under a bag at another rate they are right and the
clock is not. A stamp that is zero or does not advance says nothing about time, and then the clock decides. A stamp that
is a period behind the last keyframe's means that the recording started again: the frame is admitted. If that comes to
pass twice in two periods of the clock, sources with other clocks share the topic, or stamps are out of order: then they
say nothing, either.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

QUEUE_BYTES = 1 << 30
"""Most undecoded bytes that wait in `queue_all` mode."""

TOLERANCE = 0.05
"""Share of the keyframe period that a frame may come early: stamps jitter."""


@dataclass(frozen=True)
class Frame:
    """A camera's message as it came, its header stamp in seconds (0: none), and when it came on the mailbox's clock."""

    camera: str
    message: Any
    stamp_s: float
    received_s: float


@dataclass
class Counts:
    """What became of one camera's frames: received = between + replaced + overflowed + taken + still waiting."""

    received: int = 0
    between: int = 0
    """Not admitted: they came before the next keyframe was due."""
    replaced: int = 0
    """Dropped for a newer one while the worker was busy."""
    overflowed: int = 0
    """Dropped because the queue of `queue_all` mode was full."""
    taken: int = 0


@dataclass
class _Camera:
    waiting: deque[Frame] = field(default_factory=deque)
    counts: Counts = field(default_factory=Counts)
    keyframe: Frame | None = None
    last_stamp_s: float = 0.0
    restarts_s: deque[float] = field(default_factory=lambda: deque([-math.inf] * 2, maxlen=2))
    """When stamps last went back by a keyframe period or more, on the mailbox's clock."""


class Mailbox:
    """Thread-safe; any number of threads put, one takes."""

    def __init__(
        self,
        cameras: Sequence[str],
        keyframe_rate_hz: float = 0.0,
        *,
        queue_all: bool = False,
        queue_bytes: int = QUEUE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keyframe_rate_hz` 0 admits every frame; `clock` in seconds."""
        self._cameras = {name: _Camera() for name in cameras}
        self._period_s = (1 - TOLERANCE) / keyframe_rate_hz if keyframe_rate_hz else 0.0
        self._queue_all = queue_all
        self._bytes_left = queue_bytes
        self._clock = clock
        self._turn = list(cameras)
        self._closed = False
        self._change = threading.Condition()

    def put(self, camera: str, message: Any, stamp_s: float) -> bool:
        """Store a message (with `data` of bytes); False if it had to be dropped because the queue is full."""
        with self._change:
            if self._closed:
                return True
            slot = self._cameras[camera]
            frame = Frame(camera, message, stamp_s, self._clock())
            slot.counts.received += 1
            if 0 < stamp_s <= slot.last_stamp_s - self._period_s:
                slot.restarts_s.append(frame.received_s)
            due = self._due(slot, frame)
            slot.last_stamp_s = stamp_s
            if not due:
                slot.counts.between += 1
                return True
            return self._store(slot, frame)

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """The next frame, cameras in turn; waits for one. None after `close`, or after the timeout.

        With `queue_all`, what was put before `close` is still given.
        """
        with self._change:
            self._change.wait_for(lambda: self._closed or any(c.waiting for c in self._cameras.values()), timeout_s)
            name = next((n for n in self._turn if self._cameras[n].waiting), None)
            if name is None or (self._closed and not self._queue_all):
                return None
            self._turn.remove(name)
            self._turn.append(name)
            slot = self._cameras[name]
            frame = slot.waiting.popleft()
            slot.counts.taken += 1
            if self._queue_all:
                self._bytes_left += len(frame.message.data)
            else:
                slot.keyframe = frame
            return frame

    def close(self) -> None:
        """Wake the worker; nothing is stored from now on, and `take` returns None as soon as nothing may be left."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def counts(self) -> dict[str, Counts]:
        """A copy of the counts per camera."""
        with self._change:
            return {name: Counts(**vars(slot.counts)) for name, slot in self._cameras.items()}

    def waiting(self) -> int:
        """How many frames wait for the worker."""
        with self._change:
            return sum(len(slot.waiting) for slot in self._cameras.values())

    def _due(self, slot: _Camera, frame: Frame) -> bool:
        last = slot.keyframe
        if last is None or not self._period_s:
            return True
        by_clock = frame.received_s - last.received_s >= self._period_s
        unsettled = frame.received_s - slot.restarts_s[0] < 2 * self._period_s
        if unsettled or min(frame.stamp_s, last.stamp_s) <= 0 or frame.stamp_s == slot.last_stamp_s:
            return by_clock
        went_back = frame.stamp_s < slot.last_stamp_s
        return abs(frame.stamp_s - last.stamp_s) >= self._period_s or (went_back and by_clock)

    def _store(self, slot: _Camera, frame: Frame) -> bool:
        if self._queue_all:
            size = len(frame.message.data)
            if size > self._bytes_left:
                slot.counts.overflowed += 1
                return False
            self._bytes_left -= size
            slot.keyframe = frame
        else:
            slot.counts.replaced += len(slot.waiting)
            slot.waiting.clear()
        slot.waiting.append(frame)
        self._change.notify_all()
        return True
