"""The frames between the subscriptions' callbacks and the one worker that owns the models. Plain Python, no ROS.

Normal mode: one slot per camera. The newest frame wins and waits undecoded, so the worker never sees a stale one.
`queue_all`: every admitted frame is kept in the order of arrival, so a replay gives the same keyframes on any machine;
frames get old on purpose there, so no age limit holds. At most `queue_bytes` of undecoded frames wait; what comes on
top is dropped and counted, and the caller is told. What waits when the mailbox closes is still taken.

The keyframe rate is kept per camera, and by the header's stamps: under a bag at another rate they are right and the
clock is not. A stamp that is zero or does not advance says nothing about time, and then the clock decides. A stamp that
is a period behind the last keyframe's means that the recording started again: the frame is admitted. If that comes to
pass twice in two periods of the clock, sources with other clocks share the topic, or stamps are out of order: then they
say nothing, either.

Whose turn it is, where there is no time for all, is decided by stride scheduling: each turn moves a camera forward by
1 / its priority, and the one that is furthest behind is next. One that comes back after a pause starts where the others
are. A camera that somebody demands a frame of (`demand`) goes before all.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlsam_ros.output.messages import age

QUEUE_BYTES = 1 << 30
"""Most undecoded bytes that wait in `queue_all` mode."""

TOLERANCE = 0.05
"""Share of the keyframe period that a frame may come early: stamps jitter."""


@dataclass(frozen=True, eq=False)
class Demand:
    """Somebody wants one frame of this camera now; each is its own, whatever it holds."""

    camera: str


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera's message as it came, its header stamp in seconds (0: none), and when it came on the mailbox's clock.

    Attributes:
        demands: whose demands it answers.
        gap_s: seconds from the camera's last keyframe that was not given back to this frame, as the keyframe rate
            counts them; infinite for the first.
        number: as the caller put it in.
    """

    camera: str
    message: Any
    stamp_s: float
    received_s: float
    demands: tuple[Demand, ...] = ()
    gap_s: float = math.inf
    number: int = 0

    @property
    def demanded(self) -> bool:
        """Whether somebody waits for just this frame."""
        return bool(self.demands)


@dataclass
class Counts:
    """What became of one camera's frames: received = between + replaced + overflowed + stale + taken + waiting."""

    received: int = 0
    between: int = 0
    """Not admitted: they came before the next keyframe was due, or, with `queue_all`, while nothing was taken."""
    replaced: int = 0
    """Dropped for a newer one while the worker was busy."""
    overflowed: int = 0
    """Dropped because the queue of `queue_all` mode was full."""
    stale: int = 0
    """Dropped because they were too old when their turn came."""
    taken: int = 0
    unchanged: int = 0
    """Of those taken, given back because the scene had not changed."""
    lost: int = 0
    """Known to have been published and never received; not part of `received`."""
    untold: int = 0
    """Of those received: it isn't known whether some were lost before them."""
    stale_age_s: float = math.nan
    """How old the last of the stale ones was."""


@dataclass
class _Camera:
    weight: float = 1.0
    passed: float = 0.0
    """Turns so far, each divided by the weight."""
    waiting: deque[Frame] = field(default_factory=deque)
    demands: list[Demand] = field(default_factory=list)
    early: bool = False
    """The waiting frame is not due, and here only for a demand."""
    counts: Counts = field(default_factory=Counts)
    keyframe: Frame | None = None
    """The one that the rate is kept by."""
    real: Frame | None = None
    """The last one taken, unless it was given back; `before` is the one before."""
    before: Frame | None = None
    last_stamp_s: float = 0.0
    restarts_s: deque[float] = field(default_factory=lambda: deque([-math.inf] * 2, maxlen=2))
    """When stamps last went back by a keyframe period or more, on the mailbox's clock."""


class Mailbox:
    """Thread-safe; any number of threads put, one takes. Every call costs O(cameras) at the most."""

    def __init__(
        self,
        cameras: Sequence[str],
        keyframe_rate_hz: float = 0.0,
        *,
        priorities: Sequence[float] = (1.0,),
        max_age_s: float = 0.0,
        queue_all: bool = False,
        queue_bytes: int = QUEUE_BYTES,
        clock: Callable[[], float] = time.monotonic,
        ros_clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """See `set_limits` for rate, priorities and age.

        Args:
            clock: in seconds, never jumps.
            ros_clock: the time that stamps are compared with, in seconds; 0: there is none, and ages are not known.

        Raises:
            ValueError: as `set_limits`.
        """
        self._cameras = {name: _Camera() for name in cameras}
        self._queue_all = queue_all
        self._bytes_left = queue_bytes
        self._clock, self._ros_clock = clock, ros_clock
        self._reached = 0.0
        """Where the camera stood that had the last turn."""
        self._enabled = True
        self._closed = False
        self._change = threading.Condition()
        self.set_limits(keyframe_rate_hz, priorities, max_age_s)

    def set_limits(self, rate_hz: float, priorities: Sequence[float], max_age_s: float) -> None:
        """All at once, between two frames; may change at any time.

        Args:
            rate_hz: most keyframes per second and camera; 0 admits every frame.
            priorities: shares of the turns, above 0: one for all cameras, or one each.
            max_age_s: a frame that is older when its turn comes, by its stamp on the ROS clock or because it waited
                here for so long, is dropped; 0: none is. An age that can't be known counts by the waiting alone.

        Raises:
            ValueError: another number of priorities, or one that is not above 0.
        """
        count = len(self._cameras)
        if len(priorities) not in (1, count) or not all(0 < p < math.inf for p in priorities):
            raise ValueError(f"priorities: expected 1 or {count} numbers above 0, got {list(priorities)}")
        weights = [*priorities] * count if len(priorities) == 1 else priorities
        with self._change:
            self._period_s = (1 - TOLERANCE) / rate_hz if rate_hz else 0.0
            self._max_age_s = max_age_s
            for slot, weight in zip(self._cameras.values(), weights, strict=True):
                slot.passed = self._reached + (slot.passed - self._reached) * slot.weight / weight
                slot.weight = weight

    @property
    def enabled(self) -> bool:
        """Whether frames are given out; if not, only demanded ones, and in normal mode the newest keep waiting."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        with self._change:
            self._enabled = value
            self._change.notify_all()

    def put(self, camera: str, message: Any, stamp_s: float, lost: int | None = None, number: int = 0) -> bool:
        """Store a message (with `data` of bytes); False if it had to be dropped because the queue is full.

        Args:
            lost: how many frames got lost between the last one and this; None: that isn't known.
            number: the caller's own, which the frame keeps.
        """
        with self._change:
            if self._closed:
                return True
            slot = self._cameras[camera]
            frame = Frame(camera, message, stamp_s, self._clock(), number=number)
            slot.counts.received += 1
            slot.counts.lost += lost or 0
            slot.counts.untold += lost is None
            if 0 < stamp_s <= slot.last_stamp_s - self._period_s:
                slot.restarts_s.append(frame.received_s)
            due = self._due(slot, frame) and (self._enabled or not self._queue_all)
            slot.last_stamp_s = stamp_s
            if not due and not (slot.demands and (slot.early or not slot.waiting)):
                slot.counts.between += 1
                return True
            return self._store(slot, frame, due)

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """The next frame, cameras in turn; waits for one. None after `close`, or after the timeout.

        With `queue_all`, what was put before `close` is still given.
        """
        with self._change:
            slot = self._change.wait_for(lambda: self._next() or self._closed, timeout_s)
            if not isinstance(slot, _Camera) or (self._closed and not self._queue_all):
                return None
            if not slot.demands:
                self._reached = slot.passed
                slot.passed += 1 / slot.weight
            frame = slot.waiting.popleft()
            frame = replace(frame, demands=tuple(slot.demands), gap_s=self._gap_s(slot, slot.real, frame))
            slot.demands.clear()
            slot.early = False
            slot.counts.taken += 1
            slot.before, slot.real = slot.real, frame
            if self._queue_all:
                self._bytes_left += len(frame.message.data)
            else:
                slot.keyframe = frame
            return frame

    def give_back(self, frame: Frame) -> None:
        """The worker saw in `frame`, the last one taken of its camera, that nothing has changed: it was no keyframe.

        In normal mode the rate is then kept by the keyframe before; in `queue_all` mode what is admitted depends on
        nothing that the worker does. Its turn is spent, so that still cameras can't hold up the others.
        """
        with self._change:
            slot = self._cameras[frame.camera]
            if slot.real is not frame:
                return
            slot.counts.unchanged += 1
            slot.real = slot.before
            if not self._queue_all:
                slot.keyframe = slot.before

    def demand(self, camera: str) -> Demand:
        """Have one frame of a camera taken now, before all others' turns, whatever the rate and even if not `enabled`.

        It is the one that waits (with `queue_all` the oldest), or else the next that comes, and carries the demand in
        `Frame.demands`; an age limit holds for it, too. It costs the camera no turn.

        Raises:
            KeyError: there is no such camera.
        """
        demand = Demand(camera)
        with self._change:
            self._cameras[camera].demands.append(demand)
            self._change.notify_all()
        return demand

    def cancel(self, demand: Demand) -> bool:
        """Nobody waits for it any more. False if a frame was already taken for it."""
        with self._change:
            slot = self._cameras[demand.camera]
            if demand not in slot.demands:
                return False
            slot.demands.remove(demand)
            if slot.early and not slot.demands:
                slot.counts.between += len(slot.waiting)
                slot.waiting.clear()
                slot.early = False
            return True

    def clear(self) -> None:
        """Drop what waits, which counts as replaced; who demands a frame waits for the next."""
        with self._change:
            for slot in self._cameras.values():
                slot.counts.replaced += len(slot.waiting)
                if self._queue_all:
                    self._bytes_left += sum(len(frame.message.data) for frame in slot.waiting)
                slot.waiting.clear()
                slot.early = False

    def close(self) -> None:
        """Wake the worker; nothing is stored from now on, and `take` returns None as soon as nothing may be left."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def counts(self) -> dict[str, Counts]:
        """A copy of the counts per camera."""
        with self._change:
            return {name: replace(slot.counts) for name, slot in self._cameras.items()}

    def waiting(self) -> int:
        """How many frames wait for the worker."""
        with self._change:
            return sum(len(slot.waiting) for slot in self._cameras.values())

    def _next(self) -> _Camera | None:
        """Whose turn it is; what is too old is dropped first."""
        if self._max_age_s and not self._queue_all:
            self._drop_stale()
        ready = [slot for slot in self._cameras.values() if slot.waiting and (self._enabled or slot.demands)]
        return min(ready, key=lambda slot: (not slot.demands, slot.passed), default=None)

    def _drop_stale(self) -> None:
        now_s, ros_s = self._clock(), self._ros_clock()
        for slot in self._cameras.values():
            if not slot.waiting:
                continue
            waited_s, known_s = now_s - slot.waiting[0].received_s, age(slot.waiting[0].stamp_s, ros_s)[0]
            old_s = waited_s if math.isnan(known_s) else max(waited_s, known_s)
            if old_s > self._max_age_s:
                slot.counts.stale += 1
                slot.counts.stale_age_s = old_s
                slot.waiting.clear()

    def _due(self, slot: _Camera, frame: Frame) -> bool:
        last = slot.keyframe
        if last is None or not self._period_s:
            return True
        by_clock = frame.received_s - last.received_s >= self._period_s
        if not self._stamps_tell(slot, last, frame) or frame.stamp_s == slot.last_stamp_s:
            return by_clock
        went_back = frame.stamp_s < slot.last_stamp_s
        return abs(frame.stamp_s - last.stamp_s) >= self._period_s or (went_back and by_clock)

    def _stamps_tell(self, slot: _Camera, last: Frame, frame: Frame) -> bool:
        unsettled = frame.received_s - slot.restarts_s[0] < 2 * self._period_s
        return not unsettled and min(frame.stamp_s, last.stamp_s) > 0

    def _gap_s(self, slot: _Camera, last: Frame | None, frame: Frame) -> float:
        if last is None:
            return math.inf
        if self._stamps_tell(slot, last, frame) and frame.stamp_s > last.stamp_s:
            return frame.stamp_s - last.stamp_s
        return frame.received_s - last.received_s

    def _store(self, slot: _Camera, frame: Frame, due: bool) -> bool:
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
        if not slot.waiting:
            slot.passed = max(slot.passed, self._reached)
            slot.early = not due and not self._queue_all
        slot.waiting.append(frame)
        self._change.notify_all()
        return True
