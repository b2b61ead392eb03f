"""A camera subscription that adopts what its publishers offer, so that a mismatch never means "no output".

Type: the one that the graph shows, whatever the topic's name suggests; two, or another, are said.
Reliability: a best-effort subscription matches every publisher but loses large images (1080p at 15 Hz: two of three),
and a reliable one never sees a best-effort camera. So: reliable if all publishers are, else best effort.
Durability: transient local if all publishers are, so that a latched single image is seen.

The standard parameters ``qos_overrides.<topic>.subscription.*`` win. rclpy itself warns of a publisher that a fixed
choice can't match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from vlsam_ros.config import NodeOptions
from vlsam_ros.errors import ConfigError
from vlsam_ros.output.text import plain
from vlsam_ros.ros.cameras import Camera

KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
FIXED = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}

Policy = TypeVar("Policy")


def adopted(offered: Iterable[Policy], strict: Policy, lax: Policy) -> Policy:
    """`strict` if there are publishers and all of them offer it, else `lax`."""
    return strict if set(offered) == {strict} else lax


def kind_and_problem(offered: set[str], expected: str, fixed: bool) -> tuple[str, str]:
    """The type to subscribe to of those that publishers offer, and what is to be said about the others.

    Args:
        expected: what the topic's name suggests, or what `fixed` demands; taken as long as nobody publishes.
    """
    known = [kind for kind in (expected, *KINDS) if kind in offered and (kind == expected or not fixed)]
    kind = known[0] if known else expected
    if not offered - {kind}:
        return kind, ""
    types = " and ".join(plain(other) for other in sorted(offered))
    wanted = f"only {kind} is taken" if known else f"expected {kind if fixed else ' or '.join(KINDS)}"
    return kind, f"published with the type {types}, {wanted}"


class ImageSubscription:
    """A subscription that `refresh` creates, and creates anew when what its publishers offer has changed."""

    def __init__(self, node: Node, camera: Camera, callback: Callable[[Any], None], options: NodeOptions) -> None:
        """`camera` with its resolved topic; with `queue_all`, more than the newest message is kept."""
        self.topic = camera.topic
        self._node, self._callback, self._options = node, callback, options
        self._expected = list(KINDS)[camera.compressed]
        self._history = HistoryPolicy.KEEP_ALL if options.queue_all else HistoryPolicy.KEEP_LAST
        prefix = f"qos_overrides.{self.topic}.subscription."
        self._overridden = [p for p in QoSPolicyKind if f"{prefix}{p.name.lower()}" in node._parameter_overrides]
        self._subscription: Any = None
        self._made_with: tuple[str, ReliabilityPolicy, DurabilityPolicy] | None = None
        self._problem = ""

    def refresh(self) -> None:
        """Look at the topic's publishers; cheap, for a timer.

        Raises:
            ConfigError: a parameter in ``qos_overrides`` is wrong.
        """
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if self._subscription is not None and not publishers:
            return
        offered = {p.topic_type for p in publishers}
        kind, problem = kind_and_problem(offered, self._expected, self._options.transport != "auto")
        reliabilities = (p.qos_profile.reliability for p in publishers)
        durabilities = (p.qos_profile.durability for p in publishers)
        reliability = FIXED.get(self._options.reliability) or adopted(
            reliabilities, ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
        )
        durability = adopted(durabilities, DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE)
        if problem != self._problem and problem:
            self._node.get_logger().warning(f"{self.topic}: {problem}")
        self._problem = problem
        if (kind, reliability, durability) != self._made_with:
            self._create(kind, reliability, durability)

    def _create(self, kind: str, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        profile = QoSProfile(depth=1, history=self._history, reliability=reliability, durability=durability)
        try:
            self._subscription = self._node.create_subscription(
                KINDS[kind],
                self.topic,
                self._callback,
                profile,
                qos_overriding_options=QoSOverridingOptions(self._overridden),
            )
        except (RuntimeError, InvalidParameterTypeException) as error:
            raise ConfigError(f"qos_overrides of {self.topic}: {error}") from error
        self._made_with = kind, reliability, durability
        policies = f"{profile.reliability.name}, {profile.durability.name}".lower().replace("_", " ")
        self._node.get_logger().info(f"{self.topic}: subscribed to {kind}, {policies}")
