"""What a replay keeps of a recording beside its messages: the publishers' QoS, and the time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosReliability
from rosgraph_msgs.msg import Clock

from vlsam_ros.errors import BagError

CLOCK_TOPIC = "/clock"
DEPTH = 100
"""Messages that wait for a subscriber; a latched topic keeps what its publishers kept, this many where unknown."""
_DEEPEST = 2**31 - 1
"""DDS counts no further."""


def offered_qos(recorded: Sequence[Qos], reliable: bool = False) -> QoSProfile:
    """What a publisher must offer in the place of the recorded ones, so that all their subscribers match it.

    Best effort if that was recorded and no reliable one, and not if `reliable`; latched (transient local) if any was,
    then as deep as all together. Reliable and volatile where nothing is recorded.
    """
    best_effort = {r.reliability for r in recorded} == {QosReliability.BEST_EFFORT} and not reliable
    latched = any(r.durability == QosDurability.TRANSIENT_LOCAL for r in recorded)
    kept = [r.depth if r.history == QosHistory.KEEP_LAST and r.depth > 0 else DEPTH for r in recorded]
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL
        if QosHistory.KEEP_ALL in {r.history for r in recorded}
        else HistoryPolicy.KEEP_LAST,
        depth=min(sum(kept) if latched else max([DEPTH, *kept]), _DEEPEST),
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class ReplayClock:
    """The recording's time: it stands before `start`, then runs at `rate`, and not past the next message's stamp."""

    def __init__(self, node: Node, hz: float) -> None:
        """Published on /clock `hz` times a second of the wall clock; 0: not published."""
        self._publisher = node.create_publisher(Clock, CLOCK_TOPIC, 1) if hz else None
        self.period_s = 1.0 / hz if hz else 1.0
        self._due_s = 0.0
        self._first_ns = self._next_ns = 0
        self._start_s: float | None = None
        self._rate = 1.0

    def stand(self, stamp_ns: int) -> None:
        """A recording begins at `stamp_ns`, and waits."""
        self._first_ns = self._next_ns = stamp_ns
        self._start_s, self._due_s = None, 0.0
        self.tick()

    def start(self, rate: float) -> None:
        """It runs."""
        self._start_s, self._rate = time.monotonic(), rate

    def left_s(self, stamp_ns: int) -> float:
        """Seconds of the wall clock until `stamp_ns`; time goes on up to there."""
        self._next_ns = stamp_ns
        return (stamp_ns - self._first_ns) * 1e-9 / self._rate - self._elapsed_s()

    def tick(self) -> None:
        """Publish the time if it is due."""
        if self._publisher is None or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + self.period_s
        now_ns = self._first_ns + round(min(self._elapsed_s() * self._rate * 1e9, self._next_ns - self._first_ns))
        seconds, nanoseconds = divmod(now_ns, 10**9)
        if not 0 <= seconds < 2**31:
            raise BagError(f"a stamp of {now_ns} ns is no time that {CLOCK_TOPIC} can carry; replay without it")
        self._publisher.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))

    def _elapsed_s(self) -> float:
        return 0.0 if self._start_s is None else time.monotonic() - self._start_s
