"""What the node offers and holds on to, whatever its life cycle does; by its real services."""

from __future__ import annotations

import math
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import rclpy
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.validate_full_topic_name import validate_full_topic_name
from ros_client import DOMAIN, NORMAL, SIZE_HW, Client, Detector, raw
from sensor_msgs.msg import CameraInfo, Image
from vlsam_ros.msg import DetectedInstance

from vlsam_ros.config import Config, NodeOptions
from vlsam_ros.ros.beside import Beside
from vlsam_ros.ros.health import Health
from vlsam_ros.ros.node import DetectorNode
from vlsam_ros.ros.outputs import LEGENDS, topic_parts
from vlsam_ros.ros.session import Session
from vlsam_ros.serving.images import Picture, Seen


@pytest.fixture
def client():
    result = Client()
    yield result
    result.close()


def test_a_promise_of_liveliness_ends_with_its_topics(client: Client, tmp_path: Path) -> None:
    detector = Detector(tmp_path, "node.liveliness_s:=0.3")
    detector.wait_for("ready")
    assert client.change("deactivate") and client.change("cleanup")
    client.spin(0.5)
    (tmp_path / "missing").touch()
    assert not client.change("configure")
    client.spin(0.5)
    (tmp_path / "missing").unlink()
    assert client.change("configure") and client.state() == "inactive"
    assert detector.end() == 0 and not detector.said("Traceback")


def test_two_who_configure_in_vain_hold_nobody_up(client: Client, tmp_path: Path) -> None:
    (tmp_path / "slow").write_text("2")
    (tmp_path / "crashing").touch()
    detector = Detector(tmp_path, "node.autostart:=false", "node.health_rate_hz:=10.0")
    client.until(lambda: client.beats, "heartbeats")
    answers, beats_s = [client.ask_change("configure"), client.ask_change("configure")], [time.monotonic()]
    while not all(answer.done() for answer in answers):
        known = len(client.beats)
        client.spin(0.02)
        beats_s += [time.monotonic()] * (len(client.beats) > known)
        assert beats_s[-1] - beats_s[0] < 60
    assert not any(answer.result().success for answer in answers)
    assert max(np.diff(beats_s)) < 1.0
    assert detector.said("loading") == 1 and detector.end() == 1  # the models could not be loaded


def test_transitions_may_be_asked_for_by_their_numbers(client: Client, tmp_path: Path) -> None:
    detector = Detector(tmp_path, "node.autostart:=false")
    expected = ((3, ""), (99, ""), (1, "inactive"), (0, ""), (7, ""), (4, ""), (2, "unconfigured"), (5, "finalized"))
    client.until(lambda: client.beats, "heartbeats")
    for number, state in expected:
        before, request = client.state(), ChangeState.Request()
        request.transition.id = number
        answer = client.call(ChangeState, "change_state", transition=request.transition)
        assert (answer.success, client.state()) == (bool(state), state or before), number
    assert detector.end() == 0


def test_an_error_on_the_way_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", str(tmp_path))
    activate = Session.activate

    def fail(self: Session) -> None:
        monkeypatch.setattr(Session, "activate", activate)
        raise OSError("no more of that")

    monkeypatch.setattr(Session, "activate", fail)
    rclpy.init(args=["--ros-args", "-p", "node.image_topics:=[/cam/image]"], domain_id=DOMAIN)
    executor = SingleThreadedExecutor()
    try:
        node = DetectorNode("fake_pipeline:load")
        executor.add_node(node)
        seen = {}
        late_s = time.monotonic() + 60
        while node.state != "active" and time.monotonic() < late_s:
            executor.spin_once(timeout_sec=0.1)
            seen[node.state] = node.health.models.report()
        assert list(seen) == ["unconfigured", "active"]
        assert seen["unconfigured"].level == 2 and "OSError: no more of that" in seen["unconfigured"].message
        node.session.close()
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_a_calibration_that_was_published_once_is_known(client: Client, tmp_path: Path) -> None:
    once = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    infos = client.node.create_publisher(CameraInfo, "/cam/camera_info", once)
    infos.publish(CameraInfo(height=10, width=12, k=[20.0, 0, 6.0, 0, 20.0, 5.0, 0, 0, 1.0]))
    detector = Detector(tmp_path)
    publisher = client.publisher(Image, "/cam/image_raw")
    (stone,) = client.answer(publisher, raw(NORMAL, client.header())).instances
    assert not math.isnan(stone.azimuth)
    assert detector.end() == 0


def test_an_edited_table_of_hazards_holds_from_the_next_configuration_on(client: Client, tmp_path: Path) -> None:
    table = tmp_path / "hazards.yaml"
    table.write_text("CAR: [stone]")
    detector = Detector(tmp_path, f"node.hazards:={table}")
    publisher = client.publisher(Image, "/cam/image_raw")
    classes = []
    for text in ("BUS: [stone]", "CAR: [stone]"):
        classes.append(client.answer(publisher, raw(NORMAL, client.header())).instances[0].hazard_class)
        table.write_text(text)
        for transition in ("deactivate", "cleanup", "configure", "activate"):
            assert client.change(transition)
        client.until(publisher.get_subscription_count, "a subscriber")
        client.spin(0.7)
    assert classes == [DetectedInstance.CAR, DetectedInstance.BUS]
    assert detector.end() == 0


def test_a_calibration_that_is_of_other_images_is_said(client: Client, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    infos = client.node.create_publisher(CameraInfo, "/cam/camera_info", 10)
    publisher = client.publisher(Image, "/cam/image_raw")
    for size_hw, known in (((20, 24), True), ((20, 30), False), (SIZE_HW, True)):
        height, width = size_hw
        infos.publish(CameraInfo(height=height, width=width, k=[20.0, 0, width / 2, 0, 20.0, height / 2, 0, 0, 1.0]))
        client.spin(0.3)
        instances = client.answer(publisher, raw(NORMAL, client.header())).instances
        assert [not math.isnan(i.azimuth) for i in instances] == [known]
    assert detector.said("images of 12 x 10 and a CameraInfo of 30 x 20 differ in shape") == 1
    assert detector.end() == 0


def test_no_cameras_name_takes_a_topic_of_the_nodes_own() -> None:
    names = ["legend", "label_info", "a/front", "b/front", "a-b", "a.b", "0"]
    parts = topic_parts(names)
    assert len({*parts, *LEGENDS}) == len(names) + len(LEGENDS)
    for part in parts:
        validate_full_topic_name(f"/{part}")


def test_what_waits_for_a_process_that_is_away_is_little() -> None:
    beside = Beside(Config, Health((), NodeOptions()).models, lambda level, text: None)
    frames = [np.zeros(1000, np.uint8) for _ in range(50)]
    held = [weakref.ref(frame) for frame in frames]
    for n, frame in enumerate(frames):
        for keyframe in (False, True):
            beside.look(Seen(n % 2, n, float(n), Picture()), frame, None, keyframe=keyframe)
    del frame, frames
    assert [n for n, frame in enumerate(held) if frame() is not None] == [48, 49]
    beside.stop()
