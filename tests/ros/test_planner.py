"""The planner stand-in records a camera with the type that it really has."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from vlsam_ros.bags.reader import topic_types

CAMERAS = {
    "compressed, by its name": ("/cam/image/compressed", CompressedImage, ReliabilityPolicy.RELIABLE),
    "compressed, under another name": ("/cam/image_compressed", CompressedImage, ReliabilityPolicy.RELIABLE),
    "raw, under a compressed one's name": ("/cam/compressed", Image, ReliabilityPolicy.RELIABLE),
    "best effort": ("/cam/image", Image, ReliabilityPolicy.BEST_EFFORT),
}


@pytest.mark.parametrize(("topic", "kind", "reliability"), CAMERAS.values(), ids=CAMERAS)
def test_camera_is_recorded_as_what_it_is(tmp_path: Path, topic: str, kind: type, reliability) -> None:
    domain = random.randint(1, 100)
    context = rclpy.Context()
    context.init(domain_id=domain)
    camera = Node("camera", context=context)
    publisher = camera.create_publisher(kind, topic, QoSProfile(depth=10, reliability=reliability))
    command = [sys.executable, "-m", "vlsam_ros.ros.planner", str(tmp_path / "out"), "--image", topic]
    environment = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    planner = subprocess.Popen(command, env=os.environ | environment | {"ROS_LOG_DIR": str(tmp_path)})
    try:
        deadline = time.monotonic() + 60
        while not publisher.get_subscription_count():
            assert planner.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        for _ in range(3):
            publisher.publish(kind())
            time.sleep(0.2)
        planner.send_signal(signal.SIGINT)
        assert planner.wait(60) == 0
    finally:
        planner.kill()
        context.shutdown()
    assert topic_types(tmp_path / "out" / "output_bag") == {topic: f"sensor_msgs/msg/{kind.__name__}"}
