"""The node over real DDS, in a process of its own, with a fake pipeline; the bag player, too."""

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

import cv2
import numpy as np
from rclpy.qos import ReliabilityPolicy
from ros_client import (
    DOMAIN,
    NORMAL,
    PARTIAL,
    PATIENCE_S,
    SIZE_HW,
    SLOW,
    SURPRISE,
    VLM_ERROR,
    Client,
    png,
    raw,
    run,
    start,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vlsam_ros.msg import DetectedInstanceArray

from vlsam_ros.output.messages import from_message

RAW, COMPRESSED = "/front/image_raw", "/left/image/compressed"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def detector(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    topics = f"node.image_topics:=[{RAW}, {COMPRESSED}]"
    process = start(folder / "log", "-p", topics, "-p", "node.keyframe_rate_hz:=0.0", "-p", "node.camera_info:=true")
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def client(detector: subprocess.Popen[bytes]) -> Iterator[Client]:
    result = Client()
    yield result
    result.close()


@pytest.fixture(scope="module")
def front(client: Client) -> Any:
    """A best-effort publisher of raw images, as camera drivers are."""
    return client.publisher(Image, RAW, ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="module")
def left(client: Client) -> Any:
    """A reliable publisher of compressed images."""
    return client.publisher(CompressedImage, COMPRESSED)


def test_best_effort_raw_images_are_received_and_the_header_is_kept(client: Client, front: Any) -> None:
    header = client.header()
    got = client.answer(front, raw(NORMAL, header))
    assert got.header == header
    assert (got.camera, got.status, got.status_text) == ("front", 0, "")
    assert (got.image_height, got.image_width) == SIZE_HW
    assert (got.vlm, got.segmenter, got.demonstration) == ("fake-vlm", "fake-sam", False)
    assert from_message(got).labels == ["stone"] and from_message(got).items[0].xyxy == (3, 2, 9, 8)
    assert got.age_s > 1e6  # the stamp is of 1970
    assert (got.finished.sec, got.finished.nanosec) >= (got.started.sec, got.started.nanosec) > (0, 0)


def test_reliable_compressed_images_are_received_reliably(client: Client, left: Any) -> None:
    header = client.header()
    got = client.answer(left, png(NORMAL, header))
    assert got.header == header and got.camera == "left" and got.status == 0
    infos = client.node.get_subscriptions_info_by_topic(COMPRESSED)
    assert [i.qos_profile.reliability for i in infos] == [ReliabilityPolicy.RELIABLE]


def occupy(client: Client, publisher: Any, folder: Path) -> None:
    """Let the detector begin a frame that takes until the file `go` is there."""
    for name in ("busy", "go"):
        (folder / name).unlink(missing_ok=True)
    publisher.publish(raw(SLOW, client.header()))
    client.until((folder / "busy").exists, "the detector to begin")


def test_newest_frame_wins(client: Client, front: Any, folder: Path) -> None:
    before = len(client.detections)
    occupy(client, front, folder)
    headers = [client.header() for _ in range(3)]
    for header in headers:
        received = client.received("front")
        front.publish(raw(NORMAL, header))
        client.until(lambda count=received: client.received("front") > count, "the frame to arrive")
    (folder / "go").touch()
    client.until(lambda: len(client.detections) >= before + 2, "two results")
    client.spin(0.5)
    assert [d.header for d in client.detections[before + 1 :]] == [headers[-1]]


FAILURES = {
    "VLM": (VLM_ERROR, 20, "VlmError: out of words"),
    "surprise": (SURPRISE, 90, "KeyError: 'nobody expected this'"),
}


@pytest.mark.parametrize(("order", "status", "text"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_reported_and_the_next_frame_works(
    client: Client, front: Any, order: int, status: int, text: str
) -> None:
    header = client.header()
    got = client.answer(front, raw(order, header))
    assert (got.status, got.status_text, got.header) == (status, text, header) and not got.instances
    assert client.answer(front, raw(NORMAL, client.header())).status == 0


def test_a_bad_image_is_reported_and_the_next_frame_works(client: Client, left: Any) -> None:
    broken = png(NORMAL, client.header())
    broken.data = broken.data[:20]
    got = client.answer(left, broken)
    assert got.status == 10 and "can't decode" in got.status_text and got.image_width == 0
    after = client.answer(left, png(NORMAL, client.header()))
    assert after.status == 0 and after.keyframe == got.keyframe + 1


def test_skipped_views_make_it_partial(client: Client, front: Any) -> None:
    got = client.answer(front, raw(PARTIAL, client.header()))
    assert got.status == 1 and got.skipped == ["far_0"] and len(got.instances) == 1


def test_overlays_are_of_each_camera_and_of_the_keyframe(client: Client, front: Any, left: Any) -> None:
    names = [f"{kind}/{camera}compressed" for kind in ("overlay", "heat") for camera in ("", "front/", "left/")]
    got: dict[str, list[CompressedImage]] = {name: [] for name in names}
    subscriptions = [
        client.node.create_subscription(CompressedImage, f"/vlsam_detector/{name}", got[name].append, 10)
        for name in names
    ]
    for subscription in subscriptions:
        client.until(lambda s=subscription: client.node.count_publishers(s.topic_name), "the publisher")
    client.spin(1.0)
    for publisher, message in ((front, raw(NORMAL, client.header())), (left, png(NORMAL, client.header()))):
        client.answer(publisher, message)
        camera = "front/" if publisher is front else "left/"
        for name in (n for n in names if n.split("/")[1] in (camera[:-1], "compressed")):
            client.until(lambda n=name, h=message.header: any(m.header == h for m in got[n]), name)
            picture = got[name][-1]
            assert cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR).shape == (*SIZE_HW, 3)
    for subscription in subscriptions:
        client.node.destroy_subscription(subscription)


def test_label_images_are_of_the_keyframe(client: Client, front: Any) -> None:
    kinds = {"instances": ("mono16", 1), "classes": ("mono8", 9), "confidence": ("mono8", None)}
    got: dict[str, list[Image]] = {kind: [] for kind in kinds}
    subscriptions = [
        client.node.create_subscription(Image, f"/vlsam_detector/{kind}/front", got[kind].append, 10) for kind in kinds
    ]
    for subscription in subscriptions:
        client.until(lambda s=subscription: client.node.count_publishers(s.topic_name), "the publisher")
    client.spin(1.0)
    message = client.answer(front, raw(NORMAL, client.header()))
    mask = from_message(message).items[0].mask.dense(SIZE_HW)
    for kind, (encoding, inside) in kinds.items():
        client.until(lambda k=kind: any(m.header == message.header for m in got[k]), kind)
        image = got[kind][-1]
        pixels = np.frombuffer(image.data, np.uint16 if encoding == "mono16" else np.uint8).reshape(SIZE_HW)
        assert image.encoding == encoding and len({*pixels[mask].tolist()}) == 1
        assert inside is None or (pixels[mask] == inside).all()
        assert (pixels[~mask] == pixels[0, 0]).all() and pixels[0, 0] != pixels[mask][0]
    for subscription in subscriptions:
        client.node.destroy_subscription(subscription)


def test_what_was_dropped_is_published_with_the_reason(client: Client, front: Any) -> None:
    got: list[DetectedInstanceArray] = []
    subscription = client.node.create_subscription(DetectedInstanceArray, "/vlsam_detector/dropped", got.append, 10)
    client.until(lambda: client.node.count_publishers("/vlsam_detector/dropped"), "the publisher")
    client.spin(1.0)
    header = client.header()
    main = client.answer(front, raw(NORMAL, header))
    client.until(lambda: any(m.header == header for m in got), "what was dropped")
    assert [(i.label, i.reason) for i in got[-1].instances] == [("ghost", "denied"), ("shadow", "inconsistent")]
    assert got[-1].keyframe == main.keyframe and [(i.label, i.reason) for i in main.instances] == [("stone", "")]
    client.node.destroy_subscription(subscription)


def test_camera_info_gives_the_horizon(client: Client, left: Any) -> None:
    assert client.answer(left, png(NORMAL, client.header())).segmenter == "fake-sam"
    info = CameraInfo(height=SIZE_HW[0], width=SIZE_HW[1], k=[10.0, 0.0, 5.5, 0.0, 10.0, 4.5, 0.0, 0.0, 1.0])
    publisher = client.node.create_publisher(CameraInfo, "/left/camera_info", 10)

    def known() -> bool:
        publisher.publish(info)  # best effort: one alone may be lost
        return client.answer(left, png(NORMAL, client.header())).segmenter == "horizon 0.5"

    client.until(known, "the horizon to be known")


def test_diagnostics_rise_and_fall(client: Client, front: Any) -> None:
    client.answer(front, raw(VLM_ERROR, client.header()))
    level, message, values = client.status("camera front")
    assert level == 2 and "VlmError: out of words" in message
    assert int(values["frames received"]) > 5 and "out of words" in values["last error"]
    client.answer(front, raw(NORMAL, client.header()))
    _, message, values = client.status("camera front")
    assert "out of words" not in message and "out of words" in values["last error"]
    level, message, values = client.status("models")
    assert (level, message, values["vlm"], values["demonstration"]) == (0, "ready", "fake-vlm", "false")
    assert float(values["memory of models (MiB)"]) > 10


def test_sigterm_ends_it_cleanly_after_the_current_frame(
    client: Client, front: Any, detector: subprocess.Popen[bytes], folder: Path
) -> None:
    before = len(client.detections)
    occupy(client, front, folder)
    detector.send_signal(signal.SIGTERM)
    client.spin(0.5)
    assert detector.poll() is None
    (folder / "go").touch()
    client.until(lambda: len(client.detections) > before, "the last frame's detections")
    assert detector.wait(10.0) == 0  # well within 2 s on a machine that is not busy
    text = (folder / "log").read_text()
    assert (
        "embedded demonstration models" in text
        and "loading embedded (VLM), embedded (segmenter)" in text
        and "ready" in text
        and "stopped" in text
    )
    assert "nobody expected this" in text and text.count("Traceback") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_loading(tmp_path: Path, number: int) -> None:
    process = start(tmp_path / "log", "-p", "vlm.model:=slow")
    deadline = time.monotonic() + PATIENCE_S
    while "loading" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0


WRONG = {
    "name": ("-p", "vlm.modle:=x"),
    "value": ("-p", "node.keyframe_rate_hz:=-1.0"),
    "topics": ("-p", "node.image_topics:=['']"),
    "pitches": ("-p", "node.pitch_deg:=[1.0, 2.0]"),
    "file": ("--params-file", "/no/such/file.yaml"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_parameter_ends_with_exit_code_2(tmp_path: Path, arguments: tuple[str, str]) -> None:
    code, text = run(tmp_path, *arguments)
    assert code == 2 and "Traceback" not in text
    assert arguments[1].split(":=")[0] in text


def test_bag_player_gives_every_message_untouched_to_a_late_subscriber(tmp_path: Path) -> None:
    from rclpy.serialization import serialize_message

    from vlsam_ros.bags.writer import BagWriter

    client, topic = Client(), "/bag/image/compressed"
    sent = [serialize_message(png(NORMAL, client.header())) for _ in range(20)]
    with BagWriter(tmp_path / "bag") as bag:
        for n, data in enumerate(sent):
            bag.write(topic, "sensor_msgs/msg/CompressedImage", n * 10**8, data)
    command = [
        sys.executable,
        "-m",
        "vlsam_ros.ros.player",
        str(tmp_path / "bag"),
        "--rate",
        "4",
        "--wait-for-subscribers",
        "1",
    ]
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    player = subprocess.Popen(command, env=environment | {"ROS_LOG_DIR": str(tmp_path)})
    client.until(lambda: client.node.count_publishers(topic), "the player")
    client.spin(0.5)
    got: list[bytes] = []
    arrivals: list[float] = []
    client.node.create_subscription(
        CompressedImage, topic, lambda data: (got.append(data), arrivals.append(time.monotonic())), 100, raw=True
    )
    client.until(lambda: len(got) == len(sent), "every message")
    assert [data[: len(was)] for data, was in zip(got, sent, strict=True)] == sent  # DDS pads to four bytes
    assert 0.3 < arrivals[-1] - arrivals[0] < 5.0  # 1.9 s at 4 times the pace
    assert player.wait(PATIENCE_S) == 0
    client.close()


def test_bag_player_names_a_missing_recording(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vlsam_ros.ros.player", str(tmp_path / "nothing")]
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN), "ROS_LOG_DIR": str(tmp_path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert result.returncode == 1 and "no such recording" in result.stderr and "Traceback" not in result.stderr
