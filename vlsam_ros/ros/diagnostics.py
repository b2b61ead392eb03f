"""The node's health on /diagnostics, once a second."""

from __future__ import annotations

import importlib.util
import threading

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vlsam_ros import errors
from vlsam_ros.data import Detections
from vlsam_ros.output.messages import Keyframe
from vlsam_ros.output.text import plain
from vlsam_ros.ros.mailbox import Mailbox
from vlsam_ros.ros.worker import Worker

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""For timers that must run while a simulation's clock stands still."""


class Diagnostics:
    """Publishes models, frames received and dropped, the last latency and status; nothing without diagnostic_msgs."""

    def __init__(self, node: Node, worker: Worker, mailbox: Mailbox) -> None:
        self._node, self._worker, self._mailbox = node, worker, mailbox
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}
        self._failed, self._problem = False, ""
        if importlib.util.find_spec("diagnostic_msgs") is None:
            node.get_logger().info("no diagnostics: the package diagnostic_msgs is not installed")
            return
        from diagnostic_msgs import msg

        self._types = msg
        self._publisher = node.create_publisher(msg.DiagnosticArray, "/diagnostics", 10)
        node.create_timer(1.0, self._publish, clock=STEADY)

    def keyframe(self, keyframe: Keyframe, latency_s: float, detections: Detections) -> None:
        """Remember the last keyframe; called by the worker."""
        with self._lock:
            self._failed, self._problem = keyframe.status > errors.PARTIAL, keyframe.status_text
            self._last = {
                "last status": str(keyframe.status),
                "last latency (s)": f"{latency_s:.3f}",
                "last instances": str(len(detections)),
                "last dropped": str(len(detections.dropped)),
                "last skipped": ", ".join(detections.skipped),
            }

    def values(self) -> dict[str, str]:
        """All key-value pairs."""
        models = self._worker.models
        values = {
            "state": self._worker.state,
            "vlm": models.vlm,
            "segmenter": models.segmenter,
            "grounder": models.grounder or "none",
            "demonstration models": str(models.demonstration).lower(),
        }
        for camera, counts in self._mailbox.counts().items():
            values |= {f"{camera}: frames {what}": str(count) for what, count in vars(counts).items()}
        with self._lock:
            return values | self._last

    def _publish(self) -> None:
        types, values = self._types, self.values()
        level, message = types.DiagnosticStatus.OK, self._worker.state
        if self._worker.state == "loading" or values["demonstration models"] == "true":
            level = types.DiagnosticStatus.WARN
            message += ", demonstration models" if values["demonstration models"] == "true" else ""
        with self._lock:
            if self._problem:
                level = types.DiagnosticStatus.ERROR if self._failed else types.DiagnosticStatus.WARN
                message = self._problem
        status = types.DiagnosticStatus(
            level=level,
            name=f"{self._node.get_fully_qualified_name()}: detector",
            hardware_id="",
            message=plain(message),
            values=[types.KeyValue(key=key, value=plain(value)) for key, value in values.items()],
        )
        stamp = self._node.get_clock().now().to_msg()
        array = types.DiagnosticArray(status=[status])
        array.header.stamp = stamp
        self._publisher.publish(array)
