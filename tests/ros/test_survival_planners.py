"""The node over real DDS beside planners that are slow or dead, and for planners that watch it: nothing holds it up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import numpy as np
from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from ros_client import DOMAIN, NORMAL, Client, Detector, raw
from sensor_msgs.msg import Image
from vlsam_ros.msg import DetectedInstanceArray

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

DETECTIONS = "/vlsam_detector/detections"
WATCH_S = 1.0
AGAIN_S = 5.0
"""A message that was lost on the way comes again within: with the next heartbeat of the middleware, every 3 s."""
PLANNER = f"""
import rclpy
from vlsam_ros.msg import DetectedInstanceArray
rclpy.init()
node = rclpy.create_node("planner")
node.create_subscription(DetectedInstanceArray, "{DETECTIONS}", lambda message: print("got", flush=True), 10)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def detector(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    promises = (f"node.deadline_s:={WATCH_S}", f"node.liveliness_s:={WATCH_S}", "tracks.enabled:=false")
    result = Detector(tmp_path_factory.mktemp("planners"), *promises)
    yield result
    began = time.monotonic()
    assert result.end() == 0 and time.monotonic() - began < 5.0


@pytest.fixture(scope="module")
def camera(client: Client, detector: Detector) -> Any:
    return client.publisher(Image, "/cam/image_raw")


def latencies(client: Client, camera: Any, count: int) -> list[float]:
    """Seconds from an image to its detections."""
    result = []
    for _ in range(count):
        began = time.monotonic()
        assert client.answer(camera, raw(NORMAL, client.header())).status == 0
        result.append(time.monotonic() - began)
    return result


def test_a_dead_reliable_planner_holds_nobody_up(client: Client, camera: Any, tmp_path: Path) -> None:
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with (tmp_path / "got").open("wb") as file:
        planner = subprocess.Popen([sys.executable, "-c", PLANNER], env=environment, stdout=file)
    try:
        client.until(lambda: latencies(client, camera, 1) and (tmp_path / "got").read_text(), "the planner")
        planner.send_signal(signal.SIGSTOP)
        took_s = latencies(client, camera, 40)  # four times what its queue holds
        assert np.median(took_s) < 0.2 and max(took_s) < AGAIN_S, took_s
    finally:
        planner.kill()
        planner.wait()
    assert np.median(latencies(client, camera, 10)) < 0.2


def test_planners_that_never_look_hold_nobody_up(client: Client, camera: Any) -> None:
    sleeper = Client()
    everything = QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)
    for quality in (everything, 1):
        sleeper.node.create_subscription(DetectedInstanceArray, DETECTIONS, lambda message: None, quality)
    client.until(lambda: client.node.count_subscribers(DETECTIONS) >= 4, "the planners")
    assert np.median(latencies(client, camera, 30)) < 0.2
    sleeper.close()


def test_a_late_planner_gets_the_next_message(client: Client, camera: Any) -> None:
    latencies(client, camera, 3)
    late = Client()
    late.until(lambda: late.node.count_publishers(DETECTIONS), "the detector")
    late.spin(0.5)
    assert not late.detections
    header = client.header()
    client.answer(camera, raw(NORMAL, header))
    late.until(lambda: late.detections, "detections")
    assert [d.header for d in late.detections] == [header]
    late.close()


def test_who_watches_is_told_when_the_node_hangs(client: Client, detector: Detector, camera: Any) -> None:
    missed: list[int] = []
    alive: list[int] = []
    refused: list[int] = []
    quality = QoSProfile(depth=10, deadline=Duration(seconds=WATCH_S), liveliness=LivelinessPolicy.MANUAL_BY_TOPIC)
    quality.liveliness_lease_duration = Duration(seconds=WATCH_S)
    stricter = QoSProfile(depth=10, deadline=Duration(seconds=WATCH_S / 2))
    watching = SubscriptionEventCallbacks(
        deadline=lambda event: missed.append(event.total_count),
        liveliness=lambda event: alive.append(event.alive_count),
        incompatible_qos=lambda event: refused.append(event.last_policy_kind),
    )
    got: list[Any] = []
    subscriptions = [
        client.node.create_subscription(
            DetectedInstanceArray, DETECTIONS, got.append, quality, event_callbacks=watching
        ),
        client.node.create_subscription(
            DetectedInstanceArray, DETECTIONS, got.append, stricter, event_callbacks=watching
        ),
    ]
    client.until(lambda: refused and 1 in alive, "who asks for more than is offered to be told")
    for _ in range(8):
        client.answer(camera, raw(NORMAL, client.header()))
        client.spin(0.25)
    assert len(got) == 8 and not missed and alive[-1] == 1
    detector.process.send_signal(signal.SIGSTOP)
    try:
        client.until(lambda: missed and alive[-1] == 0, "the events")
    finally:
        detector.process.send_signal(signal.SIGCONT)
    client.until(lambda: alive[-1] == 1, "it to be alive again")
    assert client.answer(camera, raw(NORMAL, client.header())).status == 0
    for subscription in subscriptions:
        client.node.destroy_subscription(subscription)
