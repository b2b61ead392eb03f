"""The node's health for others: /diagnostics once a second, and a heartbeat per camera on ~/health."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher

from vlsam_ros.msg import DetectorHealth
from vlsam_ros.output.messages import age
from vlsam_ros.output.text import plain
from vlsam_ros.ros.health import Health, Report
from vlsam_ros.ros.mailbox import Counts
from vlsam_ros.ros.qos import promised

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""For timers that must run while a simulation's clock stands still."""


class Diagnostics:
    """One status per camera and one for the models; nothing without diagnostic_msgs."""

    def __init__(self, node: Node, health: Health, counts: Callable[[], Mapping[str, Counts]]) -> None:
        """`counts` gives what became of each camera's frames."""
        self._node, self._health, self._counts = node, health, counts
        if importlib.util.find_spec("diagnostic_msgs") is None:
            node.get_logger().info("no diagnostics: the package diagnostic_msgs is not installed")
            return
        from diagnostic_msgs import msg

        self._types = msg
        self._publisher = node.create_publisher(msg.DiagnosticArray, "/diagnostics", 10)
        node.create_timer(1.0, self._publish, clock=STEADY)

    def reports(self) -> dict[str, Report]:
        """All of them, by what they are about: ``models``, ``camera <name>``."""
        counts = self._counts()
        reports = {"models": self._health.models.report()}
        for name, camera in self._health.cameras.items():
            publishers = self._node.count_publishers(camera.camera.topic)
            reports[f"camera {name}"] = camera.report(counts.get(name, Counts()), publishers)
        return reports

    def _publish(self) -> None:
        types, node = self._types, self._node.get_fully_qualified_name()
        array = types.DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [
            types.DiagnosticStatus(
                level=bytes([report.level]),
                name=plain(f"{node}: {about}"),
                hardware_id="",
                message=plain(report.message),
                values=[types.KeyValue(key=key, value=plain(value)) for key, value in report.values.items()],
            )
            for about, report in self.reports().items()
        ]
        self._publisher.publish(array)


class Heartbeat:
    """Each camera's DetectorHealth at `node.health_rate_hz`, whether anybody listens or not.

    Attributes:
        others: publishers that offer liveliness, too: it is asserted while the node's executor runs.
    """

    def __init__(self, node: Node, health: Health, others: Sequence[Publisher] = ()) -> None:
        """Begin, with the rate and the promises of the options that hold now."""
        self._node, self._health, self.others = node, health, others
        options = health.options
        self._publisher = node.create_publisher(DetectorHealth, "~/health", promised(options, deadline=False))
        hz, lease_s = options.health_rate_hz, options.liveliness_s
        due = [(1 / hz, self._publish)] if hz else []
        due += [(lease_s / 3, self._assert)] if lease_s else []
        self._timers = [node.create_timer(period_s, what, clock=STEADY) for period_s, what in due]

    def close(self) -> None:
        """No more of them."""
        for timer in self._timers:
            self._node.destroy_timer(timer)
        self._node.destroy_publisher(self._publisher)

    def messages(self) -> list[DetectorHealth]:
        """One per camera, as of now."""
        now, state = self._node.get_clock().now(), self._health.state()
        made = []
        for name, camera in self._health.cameras.items():
            beat = camera.beat()
            message = DetectorHealth(
                camera=name,
                state=state,
                status=beat.status,
                text=plain(beat.text),
                keyframe=beat.keyframe,
                image_age_s=beat.image_age_s,
            )
            message.header.stamp, message.header.frame_id = now.to_msg(), beat.frame_id
            if beat.result_stamp is not None:
                message.result_stamp = beat.result_stamp
            message.result_age_s = age(message.result_stamp, now)[0]
            made.append(message)
        return made

    def _publish(self) -> None:
        for message in self.messages():
            self._publisher.publish(message)

    def _assert(self) -> None:
        for publisher in (self._publisher, *self.others):
            publisher.assert_liveliness()
