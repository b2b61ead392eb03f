"""The planner stand-in records a camera with the type that it really has."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from vlsam_ros.bags.reader import read, topic_types
from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.errors import OutputError
from vlsam_ros.ros.planner import main, opened

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
        for message in (bytes(4), bytes(9), kind(), kind()):  # two that hold no header
            publisher.publish(message)
            time.sleep(0.2)
        planner.send_signal(signal.SIGINT)
        assert planner.wait(60) == 0
    finally:
        planner.kill()
        context.shutdown()
    assert topic_types(tmp_path / "out" / "output_bag") == {topic: f"sensor_msgs/msg/{kind.__name__}"}
    assert len(list(read(tmp_path / "out" / "output_bag"))) == 4


WRONG = {
    "topic": (["--image", "bad topic"], "topic name must not contain characters"),
    "empty topic": (["--image", ""], "must not be empty"),
    "topic of another": (["--image", "/a//b"], "must not contain repeated '/'"),
    "detector": (["--image", "/a", "--detector", "bad name"], "topic name must not contain characters"),
    "long detector": (["--image", "/a", "--detector", "x" * 300], "topic length should not exceed"),
    "rule": (["--image", "/a", "--ros-args", "-r", "foo"], "'-r foo'"),
    "parameter": (["--image", "/a", "--ros-args", "-p", "use_sim_time:=maybe"], "use_sim_time"),
}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """`main` takes over signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_one_line_and_nothing_is_made(
    tmp_path: Path, arguments: list[str], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "out"), *arguments]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if "[rcl]" not in line]
    assert len(lines) == 1 and lines[0].startswith("planner: ") and text in lines[0]
    assert not (tmp_path / "out").exists()


def test_only_own_folders_are_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        out = opened(tmp_path / "out")
        with BagWriter(out.path / "output_bag"):
            out.write("overlays/1.jpg", b"")
    assert not (opened(tmp_path / "out").path / "overlays").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    with pytest.raises(OutputError, match="the demo or its planner did not make"):
        opened(tmp_path / "mine")
