"""A camera subscription that adopts its publishers' reliability, so that a QoS mismatch never means "no output".

A best-effort subscription matches every publisher but loses large images (1080p at 15 Hz: two of three), and a reliable
one never sees a best-effort camera. So: reliable if all publishers are, else best effort. The standard parameters
``qos_overrides.<topic>.subscription.*`` win. rclpy itself warns of a publisher that a fixed choice can't match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

FIXED = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}


def adopted(offered: Iterable[ReliabilityPolicy]) -> ReliabilityPolicy:
    """Reliable if there are publishers and all of them are, else best effort."""
    return ReliabilityPolicy.RELIABLE if set(offered) == {ReliabilityPolicy.RELIABLE} else ReliabilityPolicy.BEST_EFFORT


class ImageSubscription:
    """A subscription that `refresh` creates, and creates anew when the reliability of its publishers has changed."""

    def __init__(
        self, node: Node, kind: type, topic: str, callback: Callable[[Any], None], reliability: str, keep_all: bool
    ) -> None:
        """`reliability` is ``auto``, ``reliable`` or ``best_effort``; `keep_all` keeps more than the newest message."""
        self.topic = node.resolve_topic_name(topic)
        self._node, self._kind, self._callback = node, kind, callback
        self._fixed = FIXED.get(reliability)
        self._history = HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST
        prefix = f"qos_overrides.{self.topic}.subscription."
        self._overridden = any(name.startswith(prefix) for name in node._parameter_overrides)
        self._subscription: Any = None
        self._reliability: ReliabilityPolicy | None = None

    def refresh(self) -> None:
        """Look at the topic's publishers; cheap, for a timer."""
        if self._subscription is not None and (self._fixed is not None or self._overridden):
            return
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if self._subscription is not None and not publishers:
            return
        wanted = self._fixed or adopted(p.qos_profile.reliability for p in publishers)
        if wanted != self._reliability:
            self._create(wanted)

    def _create(self, reliability: ReliabilityPolicy) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        profile = QoSProfile(depth=1, history=self._history, reliability=reliability)
        options = QoSOverridingOptions.with_default_policies() if self._overridden else None
        self._subscription = self._node.create_subscription(
            self._kind, self.topic, self._callback, profile, qos_overriding_options=options
        )
        self._reliability = reliability
        self._node.get_logger().info(f"{self.topic}: subscribed, {reliability.name.lower().replace('_', ' ')}")
