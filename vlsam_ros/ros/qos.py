"""A camera subscription that adopts what its publishers offer, so that a mismatch never means "no output".

Type: the one that the graph shows, whatever the topic's name suggests; two, or another, are said.
Reliability: a best-effort subscription matches every publisher but loses large images (1080p at 15 Hz: two of three),
and a reliable one never sees a best-effort camera. So: reliable if all publishers are, else best effort.
Durability: transient local if all publishers are, so that a latched single image is seen. If only some are, a second
subscription, reliable and transient local, is there for those. What comes again, by both or by a subscription that is
made anew, has the time at which it was published, and is dropped.

The standard parameters ``qos_overrides.<topic>.subscription.*`` win. rclpy itself warns of a publisher that a fixed
choice can't match, and we of a latched image that it can't see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rclpy.duration import Duration
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions, _declare_qos_parameters
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from vlsam_ros.config import NodeOptions
from vlsam_ros.errors import ConfigError
from vlsam_ros.output.text import plain
from vlsam_ros.ros.cameras import Camera
from vlsam_ros.ros.gaps import Gaps

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
FIXED = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}

LATCHED = ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
RECENT = 1000
"""How many messages are known again."""

TELLS_TIME = hasattr(Subscription, "CallbackType")
"""Whether a callback is told when a message was published. Not in Humble: there each topic has one subscription."""

Policy = TypeVar("Policy")


def promised(options: NodeOptions, *, deadline: bool = True) -> QoSProfile:
    """What a planner's topic offers: reliable, depth 10, and the options' deadline (if it has one) and liveliness.

    Liveliness is by topic: a publisher has to publish or to call `assert_liveliness` within the lease, so that a node
    whose executor hangs is not alive. It satisfies those that ask for automatic liveliness, too.
    """
    profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    if deadline and options.deadline_s:
        profile.deadline = Duration(seconds=options.deadline_s)
    if options.liveliness_s:
        profile.liveliness = LivelinessPolicy.MANUAL_BY_TOPIC
        profile.liveliness_lease_duration = Duration(seconds=options.liveliness_s)
    return profile


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


def _policies(subscription: Subscription) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
    return subscription.qos_profile.reliability, subscription.qos_profile.durability


class ImageSubscription:
    """A topic's subscription that `refresh` creates, and creates anew when what its publishers offer has changed."""

    def __init__(
        self, node: Node, camera: Camera, callback: Callable[[Any, int | None], None], options: NodeOptions
    ) -> None:
        """With `queue_all`, more than the newest message is kept.

        Args:
            camera: with its resolved topic.
            callback: gets each message, and how many were lost before it (None: not known, as with two publishers).

        Raises:
            ConfigError: a parameter in ``qos_overrides`` is wrong.
        """
        self.topic = camera.topic
        self._node, self._callback, self._options = node, callback, options
        self._expected = list(KINDS)[camera.compressed]
        self._history = HistoryPolicy.KEEP_ALL if options.queue_all else HistoryPolicy.KEEP_LAST
        prefix = f"qos_overrides.{self.topic}.subscription."
        self._overridden = [p for p in QoSPolicyKind if f"{prefix}{p.name.lower()}" in node._parameter_overrides]
        self._subscriptions: dict[tuple[str, ReliabilityPolicy, DurabilityPolicy], Any] = {}
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._gaps = Gaps()
        self._sources: set[tuple[int, ...]] = set()
        self._problem = ""
        self._check_overrides()

    def refresh(self) -> None:
        """Look at the topic's publishers; cheap, for a timer."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if self._subscriptions and not publishers:
            return
        self._know({tuple(p.endpoint_gid) for p in publishers})
        offered = {p.topic_type for p in publishers}
        kind, problem = kind_and_problem(offered, self._expected, self._options.transport != "auto")
        policies = [(p.qos_profile.reliability, p.qos_profile.durability) for p in publishers]
        fixed = FIXED.get(self._options.reliability)
        reliability = fixed or adopted(
            (r for r, _ in policies), ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
        )
        durability = adopted((d for _, d in policies), DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE)
        wanted = {(kind, reliability, durability)}
        latched = [
            p for p, offer in zip(publishers, policies, strict=True) if p.topic_type == kind and offer == LATCHED
        ]
        free = (
            TELLS_TIME
            and fixed != ReliabilityPolicy.BEST_EFFORT
            and not {*self._overridden}
            & {
                QoSPolicyKind.RELIABILITY,
                QoSPolicyKind.DURABILITY,
            }
        )
        if latched and free:
            wanted.add((kind, *LATCHED))
        self._make(wanted)
        if latched and not any(_policies(s) == LATCHED for s in self._subscriptions.values()):
            names = ", ".join(sorted(plain(p.node_name) for p in latched if "UNKNOWN" not in p.node_name))
            missed = f"a latched image of {names} can't be seen: the subscription is not reliable and transient local"
            problem = "; ".join(part for part in (problem, missed) if part) if names else self._problem
        if problem != self._problem and problem:
            self._node.get_logger().warning(f"{self.topic}: {problem}")
        self._problem = problem

    def _know(self, sources: set[tuple[int, ...]]) -> None:
        """Who publishes; each counts its messages for itself."""
        if sources != self._sources:
            self._sources = sources
            self._gaps.forget()

    def close(self) -> None:
        """Subscribe to nothing, until `refresh`."""
        self._make(set())

    def _make(self, wanted: set[tuple[str, ReliabilityPolicy, DurabilityPolicy]]) -> None:
        for key in self._subscriptions.keys() - wanted:
            self._node.destroy_subscription(self._subscriptions.pop(key))
        beside = SubscriptionEventCallbacks(use_default_callbacks=False)  # it is there for some publishers only
        for kind, reliability, durability in wanted - self._subscriptions.keys():
            profile = QoSProfile(depth=1, history=self._history, reliability=reliability, durability=durability)
            overriding = QoSOverridingOptions(self._overridden)
            made = self._node.create_subscription(
                KINDS[kind],
                self.topic,
                self._take if TELLS_TIME else self._pass_on,  # type: ignore[arg-type]  # the hint lacks the info
                profile,
                qos_overriding_options=overriding,
                event_callbacks=beside if len(wanted) > 1 and (reliability, durability) == LATCHED else None,
            )
            self._subscriptions[kind, reliability, durability] = made
            policies = f"{profile.reliability.name}, {profile.durability.name}".lower().replace("_", " ")
            self._node.get_logger().info(f"{self.topic}: subscribed to {kind}, {policies}")

    def _take(self, message: Any, info: Any) -> None:
        published = info["source_timestamp"]  # 0: the middleware has none
        if published and published in self._recent:
            return
        self._recent.append(published)
        self._pass_on(message, info["publication_sequence_number"])

    def _pass_on(self, message: Any, sequence: int | None = None) -> None:
        stamp = message.header.stamp
        lost = self._gaps.lost(sequence, stamp.sec + stamp.nanosec * 1e-9) if len(self._sources) == 1 else None
        self._callback(message, lost)

    def _check_overrides(self) -> None:
        """Declare them as a subscription would, since that is too late to tell that one is wrong."""
        try:
            _declare_qos_parameters(
                Subscription, self._node, self.topic, QoSProfile(depth=1), QoSOverridingOptions(self._overridden)
            )
        except (RuntimeError, TypeError, ValueError, AttributeError, InvalidParameterTypeException) as error:
            raise ConfigError(f"qos_overrides of {self.topic}: {error}") from error
