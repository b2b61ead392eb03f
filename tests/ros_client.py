"""A client of the detector node over real DDS, and the fake detector as a process; for the tests in tests/ros."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vlsam_ros.msg import DetectedInstanceArray

DOMAIN = random.randint(1, 100)
NORMAL, SLOW, VLM_ERROR, SURPRISE, PARTIAL, SPOILT = range(6)
"""What the red of a picture's first pixel asks the fake detector for; from SPOILT on its table of that name."""
PATIENCE_S = 60.0
SIZE_HW = (10, 12)


def start(log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The fake detector."""
    environment = os.environ | {
        "ROS_DOMAIN_ID": str(DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(log.parent / "ros"),
        "FOLDER": str(log.parent),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, str(Path(__file__).with_name("fake_detector.py")), "--ros-args", *arguments]
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a fake detector that ends by itself."""
    log = folder / "log"
    code = start(log, *arguments).wait(PATIENCE_S)
    return code, log.read_text()


class Client:
    """Publishes images and collects what the detector says."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._context.init(domain_id=DOMAIN)
        self.node = Node("client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.detections: list[DetectedInstanceArray] = []
        self.diagnostics: list[Any] = []
        self.node.create_subscription(DetectedInstanceArray, "/vlsam_detector/detections", self.detections.append, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)
        self._seconds = 100

    def close(self) -> None:
        self.node.destroy_node()
        self._context.shutdown()

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def publisher(self, kind: type, topic: str, reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE) -> Any:
        """A publisher that the detector has subscribed to, and stays with."""
        result = self.node.create_publisher(kind, topic, QoSProfile(depth=10, reliability=reliability))
        self.until(result.get_subscription_count, f"a subscriber of {topic}")
        self.spin(0.7)
        self.until(result.get_subscription_count, f"a subscriber of {topic}")
        return result

    def status(self, about: str) -> tuple[int, str, dict[str, str]]:
        """Level, message and values of the next diagnostics about ``models`` or ``camera <name>``."""
        self.diagnostics.clear()
        name = f"/vlsam_detector: {about}"
        self.until(lambda: any(s.name == name for d in self.diagnostics for s in d.status), f"diagnostics of {about}")
        status = next(s for d in reversed(self.diagnostics) for s in d.status if s.name == name)
        return status.level[0], status.message, {v.key: v.value for v in status.values}

    def received(self, camera: str) -> int:
        """Frames that the detector has received, by its next diagnostics."""
        return int(self.status(f"camera {camera}")[2]["frames received"])

    def call(self, kind: type, name: str, **request: Any) -> Any:
        """A service's answer; `name` below the detector's."""
        client = self.node.create_client(kind, f"/vlsam_detector/{name}")
        self.until(client.service_is_ready, f"the service {name}")
        future = client.call_async(kind.Request(**request))
        self.until(future.done, f"an answer of {name}")
        self.node.destroy_client(client)
        return future.result()

    def header(self) -> Header:
        self._seconds += 1
        return Header(stamp=Time(sec=self._seconds, nanosec=self._seconds), frame_id=f"frame {self._seconds}")

    def answer(self, publisher: Any, message: Any) -> DetectedInstanceArray:
        """The detections for one image."""
        before = len(self.detections)
        publisher.publish(message)
        self.until(lambda: len(self.detections) > before, "detections")
        return self.detections[-1]


def raw(order: int, header: Header) -> Image:
    pixels = np.zeros((*SIZE_HW, 3), np.uint8)
    pixels[..., 0] = order
    height, width = SIZE_HW
    return Image(
        header=header, height=height, width=width, encoding="rgb8", step=width * 3, data=array("B", pixels.tobytes())
    )


def png(order: int, header: Header) -> CompressedImage:
    data = cv2.imencode(".png", np.full((*SIZE_HW, 3), (0, 0, order), np.uint8))[1].tobytes()
    return CompressedImage(header=header, format="png", data=array("B", data))
