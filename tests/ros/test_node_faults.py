"""The node over real DDS where something is wrong: results, types and stamps of images, clocks, names, devices."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import numpy as np
import torch
from builtin_interfaces.msg import Time
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_client import NORMAL, PATIENCE_S, SIZE_HW, SPOILT, VLM_ERROR, Client, png, raw, run, start
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from vlsam_ros.output.messages import fresh

IMAGE = "/cam/image_raw"
STATUS = {
    "dict": (90, "MaskError: expected Detections, got dict"),
    "none": (90, "got NoneType"),
    "another size": (90, "expected Detections of a frame of (10, 12), got (20, 20)"),
    "NaN score": (90, "expected scores in [0, 1], got score nan"),
    "mask outside": (90, "expected a region within 12 x 10"),
    "control character": (90, "printable characters"),
    "ten thousand": (90, "at most 1000 instances, got 10000"),
    "grey heat": (90, "expected a heat map as float"),
    "unpublishable": (90, "TypeError"),
    "panic": (90, "Panic: at the disco"),
    "long and wild": (20, "VlmError:  ]0;title ww"),
    "unanswered": (1, "full: What?: a refusal; far_0: What?:   empty"),
    "odd novelty": (90, "expected a novelty from 0 on, or None, got nan"),
    "unfamiliar": (2, "trained on (novelty 1.7, limit 1); full: What?: a refusal"),
    "familiar": (0, ""),
}


AGELESS = ("long and wild", "unpublishable", "unanswered", "dict")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture
def detector(client: Client, tmp_path: Path) -> Iterator[Any]:
    """A function that starts the fake detector with one topic; it is gone after the test, and not before."""
    processes = []

    def run_one(topic: str, *arguments: str) -> Path:
        given = ("-p", f"node.image_topics:=[{topic}]", "-p", "node.keyframe_rate_hz:=0.0", *arguments)
        processes.append(start(tmp_path / "log", *given))
        return tmp_path / "log"

    yield run_one
    for process in processes:
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


def now(client: Client, ahead_s: int = 0) -> Header:
    time = client.node.get_clock().now().to_msg()
    return Header(stamp=Time(sec=time.sec + ahead_s, nanosec=time.nanosec), frame_id="cam")


def seen(client: Client, publisher: Any, message: Any) -> Any:
    """The answer to one of many publications."""
    before = len(client.detections)

    def answered() -> bool:
        publisher.publish(message)
        client.spin(0.1)
        return len(client.detections) > before

    client.until(answered, f"an answer to {publisher.topic}")
    return client.detections[-1]


def test_a_bad_result_is_that_frames_status_and_the_next_frame_works(client: Client, detector: Any) -> None:
    log = detector(IMAGE)
    publisher = client.publisher(Image, IMAGE)
    for order, (name, (status, text)) in enumerate(STATUS.items(), SPOILT):
        got = client.answer(publisher, raw(order, now(client)))
        assert (got.status, text in got.status_text) == (status, True), (name, got.status, got.status_text)
        assert len(got.status_text) <= 500 and got.status_text.isprintable()
        assert (len(got.instances), got.image_height, got.image_width) == (int(status <= 2), *SIZE_HW)
        assert client.answer(publisher, raw(NORMAL, now(client))).status == 0
    lines = log.read_text().split("\n")
    assert all(line.isprintable() and len(line) < 700 for line in lines)


def test_unfamiliar_frames_are_logged_when_they_begin_and_end(client: Client, detector: Any) -> None:
    log, publisher = detector(IMAGE), client.publisher(Image, IMAGE)
    unfamiliar, familiar = (SPOILT + [*STATUS].index(name) for name in ("unfamiliar", "familiar"))
    for order in (unfamiliar, unfamiliar, NORMAL, unfamiliar, familiar, familiar):  # normal: of unknown novelty
        got = client.answer(publisher, raw(order, now(client)))
        assert fresh(got, client.node.get_clock().now().to_msg(), 2.0) and len(got.instances) == 1
    lines = log.read_text().split("\n")
    said = [line for line in lines if "unfamiliar: unlike anything" in line or "familiar again (novelty 0.7" in line]
    assert len(said) == 2 and "WARN" in said[0] and "INFO" in said[1] and "1.7" in said[0]


def test_failed_frames_name_the_models_like_all_others(client: Client, detector: Any) -> None:
    detector(IMAGE)
    publisher = client.publisher(Image, IMAGE)
    got = client.answer(publisher, raw(VLM_ERROR, now(client)))  # nothing came of the pipeline yet: as configured
    assert (got.status, got.vlm, got.segmenter, got.grounder, got.demonstration) == (
        20,
        "embedded",
        "embedded",
        "",
        True,
    )
    client.answer(publisher, raw(NORMAL, now(client)))
    got = client.answer(publisher, raw(VLM_ERROR, now(client)))
    assert (got.status, got.vlm, got.segmenter, got.demonstration) == (20, "fake-vlm", "fake-sam", False)


def test_age_is_of_the_stamp_or_is_said_not_to_be_known(client: Client, detector: Any) -> None:
    detector(IMAGE)
    publisher = client.publisher(Image, IMAGE)
    got = client.answer(publisher, raw(NORMAL, now(client)))
    assert 0 <= got.age_s < 2 and got.status_text == "" and fresh(got, client.node.get_clock().now().to_msg(), 2.0)
    for header, why in ((now(client, 3600), "ahead of the clock"), (Header(), "the image has no stamp")):
        for order, beside in ((SPOILT + [*STATUS].index(name), STATUS[name][1]) for name in AGELESS):
            got = client.answer(publisher, raw(order, header))
            assert got.status_text.startswith("age unknown: ") and why in got.status_text and beside in got.status_text
        got = client.answer(publisher, raw(NORMAL, header))
        assert np.isnan(got.age_s) and got.status == 0 and why in got.status_text
        assert not fresh(got, client.node.get_clock().now().to_msg(), 2.0)


def test_simulated_time_without_and_with_a_clock(client: Client, detector: Any) -> None:
    detector(IMAGE, "-p", "use_sim_time:=true")
    publisher = client.publisher(Image, IMAGE)
    got = client.answer(publisher, raw(NORMAL, now(client)))
    assert np.isnan(got.age_s) and got.status == 0 and "there is no clock" in got.status_text
    assert not fresh(got, client.node.get_clock().now().to_msg(), 2.0)
    clock = client.node.create_publisher(Clock, "/clock", 1)
    image = raw(NORMAL, Header(stamp=Time(sec=99, nanosec=500_000_000)))

    def told() -> bool:
        clock.publish(Clock(clock=Time(sec=100)))
        return client.answer(publisher, image).started.sec == 100

    client.until(told, "the simulated time")
    got = client.detections[-1]
    assert got.age_s == pytest.approx(0.5) and got.finished.sec == 100 and got.status_text == ""
    assert fresh(got, 101.0, 2.0) and not fresh(got, 102.0, 2.0)
    client.node.destroy_publisher(clock)


TYPES = {
    "compressed without /compressed": ("/a/image_compressed", CompressedImage, "/a/image_compressed", ()),
    "raw on /compressed": ("/b/compressed", Image, "/b/compressed", ()),
    "remapped": ("/front/image/compressed", CompressedImage, "image", ("-r", "image:=/front/image/compressed")),
    "remapped to a raw one": ("/d/image", Image, "image/compressed", ("-r", "image/compressed:=/d/image")),
    "forced": ("/e/image", CompressedImage, "/e/image", ("-p", "node.transport:=compressed")),
}


@pytest.mark.parametrize(("topic", "kind", "asked", "arguments"), TYPES.values(), ids=TYPES)
def test_the_type_that_is_published_is_taken(
    client: Client, detector: Any, topic: str, kind: type, asked: str, arguments: tuple[str, ...]
) -> None:
    log = detector(asked, *arguments)
    publisher = client.node.create_publisher(kind, topic, 10)
    got = seen(client, publisher, (raw if kind is Image else png)(NORMAL, now(client)))
    assert got.status == 0 and len(got.instances) == 1
    assert got.camera == (topic.split("/")[1])
    assert "type" not in log.read_text()
    client.node.destroy_publisher(publisher)


def test_two_types_on_a_topic_and_another_type_are_said_once(client: Client, detector: Any) -> None:
    log = detector("/t/image")
    wrong = client.node.create_publisher(Header, "/t/image", 10)
    other = "/t/image: published with the type std_msgs/msg/Header, expected sensor_msgs/msg/Image or sensor_msgs/msg/"
    client.until(lambda: other in log.read_text(), "a warning that names the type")
    client.node.destroy_publisher(wrong)

    with_raw, with_png = Client(), Client()  # one participant can't have both types
    one = with_raw.node.create_publisher(Image, "/t/image", 10)
    two = with_png.node.create_publisher(CompressedImage, "/t/image", 10)
    both = "type sensor_msgs/msg/CompressedImage and sensor_msgs/msg/Image, only sensor_msgs/msg/Image is taken"
    client.until(lambda: both in log.read_text(), "a warning that names both")
    assert seen(client, one, raw(NORMAL, now(client))).status == 0
    client.spin(1.0)
    assert log.read_text().count(other) == 1 == log.read_text().count(both)
    two.publish(png(NORMAL, now(client)))
    for each in (with_raw, with_png):
        each.close()


def test_a_forced_type_that_nobody_publishes_is_said(client: Client, detector: Any) -> None:
    log = detector("/f/image", "-p", "node.transport:=compressed")
    publisher = client.node.create_publisher(Image, "/f/image", 10)
    said = "/f/image: published with the type sensor_msgs/msg/Image, expected sensor_msgs/msg/CompressedImage"
    client.until(lambda: said in log.read_text(), "a warning")
    client.node.destroy_publisher(publisher)


def test_a_latched_image_is_seen_by_a_detector_that_comes_later(client: Client, detector: Any) -> None:
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = client.node.create_publisher(Image, "/map/image", latched)
    publisher.publish(raw(NORMAL, now(client)))
    client.detections.clear()
    detector("/map/image")
    client.until(lambda: client.detections, "the latched image's detections")
    assert client.detections[0].status == 0
    client.node.destroy_publisher(publisher)


def latched(client: Client, topic: str) -> Any:
    return client.node.create_publisher(Image, topic, QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))


BESIDE = {"volatile": ReliabilityPolicy.RELIABLE, "best effort": ReliabilityPolicy.BEST_EFFORT}


@pytest.mark.parametrize("reliability", BESIDE.values(), ids=BESIDE)
def test_a_latched_image_is_seen_once_beside_another_publisher(
    client: Client, detector: Any, reliability: ReliabilityPolicy
) -> None:
    other = client.node.create_publisher(Image, "/m/image", QoSProfile(depth=1, reliability=reliability))
    publisher = latched(client, "/m/image")
    publisher.publish(raw(NORMAL, header := now(client)))
    client.detections.clear()
    log = detector("/m/image")
    client.until(lambda: client.detections, "the latched image's detections")
    client.spin(1.0)
    publisher.publish(raw(NORMAL, second := now(client)))  # both subscriptions get it
    client.until(lambda: len(client.detections) > 1, "the next one")
    other.publish(raw(NORMAL, third := now(client)))
    client.until(lambda: len(client.detections) > 2, "the other publisher's")
    client.spin(1.0)
    assert [d.header for d in client.detections] == [header, second, third]
    assert "can't be seen" not in log.read_text()
    for each in (publisher, other):
        client.node.destroy_publisher(each)


def test_a_latched_image_that_comes_later_is_answered_once(client: Client, detector: Any) -> None:
    log = detector("/n/image")
    client.until(lambda: "best effort, volatile" in log.read_text(), "the detector")
    client.detections.clear()
    publisher = latched(client, "/n/image")
    publisher.publish(raw(NORMAL, Header()))  # without a stamp, that nothing goes by
    client.until(lambda: "transient local" in log.read_text() and client.detections, "its detections")
    client.spin(1.5)
    assert len(client.detections) == 1
    for count in (2, 3):  # the same picture is a new message
        publisher.publish(raw(NORMAL, Header()))
        client.until(lambda n=count: len(client.detections) == n, "one more")
    client.node.destroy_publisher(publisher)


FIXED = {
    "option": ("node.reliability:=best_effort",),
    "override": ("qos_overrides./o/image.subscription.reliability:=best_effort",),
    "override of durability": ("qos_overrides./o/image.subscription.durability:=volatile",),
}


@pytest.mark.parametrize("arguments", FIXED.values(), ids=FIXED)
def test_a_latched_image_that_cannot_be_seen_is_said(client: Client, detector: Any, arguments: tuple[str]) -> None:
    publisher = latched(client, "/o/image")
    log = detector("/o/image", "-p", *arguments)
    said = "/o/image: a latched image of client can't be seen: the subscription is not reliable and transient local"
    client.until(lambda: said in log.read_text(), "a warning")
    client.spin(1.0)
    assert log.read_text().count("can't be seen") == 1
    client.node.destroy_publisher(publisher)


def test_overridden_policies_hold_and_wrong_ones_end_it(client: Client, detector: Any, tmp_path: Path) -> None:
    name = "qos_overrides./q/image.subscription.reliability"
    log = detector("/q/image", "-p", f"{name}:=best_effort")
    client.publisher(Image, "/q/image")
    assert "/q/image: subscribed to sensor_msgs/msg/Image, best effort, volatile" in log.read_text()
    (tmp_path / "wrong").mkdir()
    code, text = run(tmp_path / "wrong", "-p", f"{name}:=perhaps", "-p", "node.image_topics:=[/q/image]")
    assert code == 2 and "Traceback" not in text and "qos_overrides of /q/image" in text


def test_queue_all_finishes_its_queue_before_it_ends(client: Client, tmp_path: Path) -> None:
    frames = 5
    topics = ("-p", "node.image_topics:=[/s/image]", "-p", "node.queue_all:=true", "-p", "node.keyframe_rate_hz:=0.0")
    process = start(tmp_path / "log", *topics)
    publisher = client.publisher(Image, "/s/image")
    client.detections.clear()
    publisher.publish(raw(1, now(client)))  # the detector is busy until `go` is there
    client.until((tmp_path / "busy").exists, "the detector to begin")
    for _ in range(frames):
        publisher.publish(raw(NORMAL, now(client)))
    process.send_signal(signal.SIGINT)
    client.until(lambda: f"finishing {frames} queued frames" in (tmp_path / "log").read_text(), "its last words")
    assert process.poll() is None
    (tmp_path / "go").touch()
    client.until(lambda: len(client.detections) == frames + 1, "all results")
    assert process.wait(PATIENCE_S) == 0
    assert [d.keyframe for d in client.detections] == list(range(frames + 1))


def test_queue_all_leaves_its_queue_at_the_second_signal(client: Client, tmp_path: Path) -> None:
    process = start(tmp_path / "log", "-p", "node.image_topics:=[/s/image]", "-p", "node.queue_all:=true")
    publisher = client.publisher(Image, "/s/image")
    publisher.publish(raw(1, now(client)))
    client.until((tmp_path / "busy").exists, "the detector to begin")
    process.send_signal(signal.SIGINT)
    client.until(lambda: "finishing 0 queued frames" in (tmp_path / "log").read_text(), "its last words")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0


WRONG = {
    "two slashes": ("-p", "node.image_topics:=['/cam//image']"),
    "space": ("-p", "node.image_topics:=['cam image']"),
    "empty": ("-p", "node.image_topics:=['']"),
    "none": ("-p", "node.image_topics:=[]"),
    "slash at the end": ("-p", "node.image_topics:=['/cam/image/']"),
    "digit first": ("-p", "node.image_topics:=['/cam/1image']"),
    "unknown substitution": ("-p", "node.image_topics:=['/{cam}/image']"),
    "terminal escape": ("-p", 'node.image_topics:=["/cam\\e[2J"]'),
    "too long": ("-p", f"node.image_topics:=[/{'x' * 300}]"),
    "namespace": ("-r", "__ns:=/bad//ns"),
    "time": ("-p", "use_sim_time:=5"),
    "own detections": ("-p", "node.image_topics:=[/vlsam_detector/detections]"),
    "own overlay": ("-p", "node.image_topics:=[/vlsam_detector/overlay/compressed]"),
    "own dropped ones, remapped": ("-p", "node.image_topics:=[/doubts]", "-r", "~/dropped:=/doubts"),
    "diagnostics": ("-p", "node.image_topics:=[/diagnostics]"),
    "log": ("-p", "node.image_topics:=[/rosout]"),
    "clock": ("-p", "node.image_topics:=[/clock]"),
    "camera_info": ("-p", "node.image_topics:=[/a/image, /a/camera_info]", "-p", "node.camera_info:=true"),
    "override of the depth": (
        *("-p", "node.image_topics:=[/q/image]"),
        *("-p", "qos_overrides./q/image.subscription.depth:=many"),
    ),
    "override that is a number": (
        *("-p", "node.image_topics:=[/q/image]"),
        *("-p", "qos_overrides./q/image.subscription.reliability:=1"),
    ),
    "one topic after remaps": ("-p", "node.image_topics:=[/a/image, /b/image]", "-r", "/b/image:=/a/image"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_parameters_are_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, text = run(tmp_path, *arguments)
    lines = [line for line in text.splitlines() if "[rcl" not in line]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("vlsam_detector: ") and lines[0].isprintable()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
@pytest.mark.parametrize("name", ["vlm.device", "segmenter.device"])
def test_cuda_where_there_is_none_is_one_line_and_exit_code_2(tmp_path: Path, name: str) -> None:
    node = [sys.executable, "-m", "vlsam_ros.ros.node", "--ros-args", "-p", f"{name}:=cuda"]
    profile = tmp_path / "cuda.yaml"
    group, key = name.split(".")
    profile.write_text(f"/**:\n  ros__parameters:\n    {group}:\n      {key}: cuda\n")
    command = [sys.executable, "-m", "vlsam_ros.cli", "detect", "--profile", str(profile), "docs/road.jpg"]
    for line in (node, [*command, "--out", str(tmp_path / "out")]):
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S)
        problems = [each for each in done.stderr.splitlines() if "cuda" in each]
        assert done.returncode == 2 and "Traceback" not in done.stderr and len(problems) == 1, done.stderr
