"""The node over real DDS while cameras die, change, send garbage, share a topic, or go by strange clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_client import NORMAL, SIZE_HW, Client, Detector, png, raw
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vlsam_ros.msg import DetectorHealth

TOPIC, STALE = "/cam/image_raw", 60


@pytest.fixture(scope="module")
def detector(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    result = Detector(tmp_path_factory.mktemp("cameras"), "node.silent_s:=1.2")
    client.until(lambda: client.status("camera cam"), "diagnostics")
    yield result
    assert result.end() == 0 and not result.said("Traceback")


def camera(source: Client, kind: type = Image, reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE) -> Any:
    return source.node.create_publisher(kind, TOPIC, QoSProfile(depth=5, reliability=reliability))


def until_seen(client: Client, publisher: Any, message: Any) -> Any:
    """The detections of an image that is published until they come."""

    def seen() -> bool:
        publisher.publish(message)
        client.spin(0.2)
        return any(got.header == message.header for got in client.detections)

    client.detections.clear()
    client.until(seen, "its detections")
    return next(got for got in client.detections if got.header == message.header)


def bgra(size_hw: tuple[int, int], header: Header) -> Image:
    height, width = size_hw
    pixels = bytes((0, 0, NORMAL, 255)) * (height * width)
    return Image(header=header, height=height, width=width, encoding="bgra8", step=width * 4, data=pixels)


RETURNS = {
    "as it was": (Image, ReliabilityPolicy.RELIABLE, SIZE_HW),
    "larger, in another encoding, best effort": (Image, ReliabilityPolicy.BEST_EFFORT, (36, 48)),
    "compressed": (CompressedImage, ReliabilityPolicy.BEST_EFFORT, SIZE_HW),
    "raw again": (Image, ReliabilityPolicy.RELIABLE, SIZE_HW),
}


def test_a_camera_dies_and_returns_as_another(client: Client, detector: Detector) -> None:
    for name, (kind, reliability, size_hw) in RETURNS.items():
        source = Client()  # a process can't have two types on a topic
        publisher = camera(source, kind, reliability)
        header = client.header()
        make = {CompressedImage: png(NORMAL, header), Image: raw(NORMAL, header)}
        message = make[kind] if size_hw == SIZE_HW else bgra(size_hw, header)
        got = until_seen(client, publisher, message)
        assert (got.status, got.image_height, got.image_width, len(got.instances)) == (0, *size_hw, 1), name

        def good(publisher: Any = publisher, message: Any = message) -> bool:
            publisher.publish(message)
            return client.beat().status == 0 and client.status("camera cam")[0] < 2

        client.until(good, "good diagnostics")
        keyframe = client.detections[-1].keyframe
        source.close()
        client.until(lambda: client.status("camera cam")[0] == 2, "an error")
        _, message, values = client.status("camera cam")
        assert message.startswith("silent for ") and values["publishers"] == "0", name
        beat = client.beat()
        assert (beat.state, beat.status) == (DetectorHealth.STATE_ACTIVE, STALE) and beat.text, name
        assert beat.image_age_s > 1.2 and (beat.result_stamp, beat.keyframe) == (header.stamp, keyframe), name


def broken(kind: str, header: Header) -> Image:
    image = raw(NORMAL, header)
    if kind == "encoding":
        image.encoding = "\x1b[31mred"
    elif kind == "no pixels":
        image.height = 0
    elif kind == "huge":
        image.height = image.width = 1 << 31
    elif kind == "short":
        image.data = image.data[:20]
    elif kind == "step":
        image.step = 1
    elif kind == "no data":
        image.data = image.data[:0]
    return image


def test_garbage_among_good_frames(client: Client, detector: Detector) -> None:
    publisher = camera(client)
    until_seen(client, publisher, raw(NORMAL, client.header()))
    for kind in ("encoding", "no pixels", "huge", "short", "step", "no data"):
        header = client.header()
        got = client.answer(publisher, broken(kind, header))
        assert (got.status, got.header, len(got.instances)) == (10, header, 0), kind
        assert got.status_text.startswith("BadImageError: ") and got.status_text.isprintable(), kind
        level, message, _ = client.status("camera cam")
        assert level == 2 and "BadImageError" in message, kind
        assert client.answer(publisher, raw(NORMAL, client.header())).status == 0, kind
    client.until(lambda: "BadImageError" not in client.status("camera cam")[1], "good diagnostics")
    client.node.destroy_publisher(publisher)


def test_two_publishers_with_clocks_apart_keep_the_rate(client: Client, detector: Detector) -> None:
    assert client.set(node__keyframe_rate_hz=2.0).successful
    publishers = [camera(client), camera(client)]
    until_seen(client, publishers[0], raw(NORMAL, client.header()))
    client.detections.clear()
    for step in range(40):  # at 20 Hz together
        for publisher, ahead in zip(publishers, (0, 3600), strict=True):
            stamp = Time(sec=9000 + ahead + step // 10, nanosec=step % 10 * 10**8)
            publisher.publish(raw(NORMAL, Header(stamp=stamp)))
        client.spin(0.1)
    assert 4 <= len(client.detections) <= 14, [d.header.stamp for d in client.detections]  # 8 in 4 s, and the start
    assert client.set(node__keyframe_rate_hz=0.0).successful
    for publisher in publishers:
        client.node.destroy_publisher(publisher)


def test_stamps_that_jump_or_stand_still_starve_nobody(client: Client, detector: Detector) -> None:
    assert client.set(node__keyframe_rate_hz=5.0).successful
    publisher = camera(client)
    until_seen(client, publisher, raw(NORMAL, Header(stamp=Time(sec=50_000))))
    for sec in (50_100, 10, 10, 0, 0, 2_000_000_000, 7):
        client.spin(0.4)
        assert client.answer(publisher, raw(NORMAL, Header(stamp=Time(sec=sec)))).header.stamp.sec == sec
    assert client.set(node__keyframe_rate_hz=0.0).successful
    client.node.destroy_publisher(publisher)
