"""Levels that rise and fall, percentiles, heartbeats, on a clock set by hand; and the messages of a real node."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace

import pytest
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import LivelinessPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vlsam_ros.msg import DetectedInstanceArray, DetectorHealth

from vlsam_ros.config import NodeOptions
from vlsam_ros.data import Detections
from vlsam_ros.output.messages import Keyframe
from vlsam_ros.ros import health as levels
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.diagnostics import Diagnostics, Heartbeat
from vlsam_ros.ros.health import (
    ACTIVE,
    DISABLED,
    ERROR,
    INACTIVE,
    LOADING,
    OK,
    STALE,
    UNCONFIGURED,
    WARN,
    Health,
    rss_mib,
)
from vlsam_ros.ros.mailbox import Counts

OPTIONS = NodeOptions(image_topics=["/front/image"], silent_s=2.0)
IMAGE = CompressedImage(header=Header(frame_id="lens"))


class Rig:
    """A node's health, told by hand; what each camera's mailbox counts is in `counts`."""

    def __init__(self, options: NodeOptions = OPTIONS) -> None:
        self.now = 1000.0
        self.health = Health(
            cameras(options.image_topics), options, clock=lambda: self.now, wall=lambda: 1.7e9 + self.now
        )
        self.counts = {name: Counts() for name in self.health.cameras}
        self._numbers = dict.fromkeys(self.health.cameras, 0)

    def ready(self) -> Rig:
        self.health.models.loading()
        self.health.models.ready(3.0, Detections((0, 0), vlm="eye", segmenter="knife", demonstration=True))
        self.health.active = True
        return self

    def image(self, camera: str = "front", lost: int = 0) -> None:
        self.health.cameras[camera].image(IMAGE)
        self.counts[camera].received += 1
        self.counts[camera].lost += lost

    def keyframe(
        self, status: int = 0, text: str = "", camera: str = "front", age_s: float = 0.1, novelty: float | None = None
    ) -> None:
        stamp, self._numbers[camera] = Time(sec=int(self.now)), self._numbers[camera] + 1
        started = Time(sec=int(self.now), nanosec=int(age_s * 1e9))
        made = Keyframe(Header(stamp=stamp), camera, self._numbers[camera], started, started, age_s, status, text)
        self.health.cameras[camera].keyframe(made, 0.8, Detections((9, 9), skipped=("far 1",), novelty=novelty))
        self.counts[camera].taken += 1

    def run(self, seconds: float, image_hz: float = 10.0, keyframe_hz: float = 1.0, **image: int) -> None:
        """Time passes; a report is made each second, as by the node."""
        for n in range(1, round(seconds * 10) + 1):
            self.now = round(self.now + 0.1, 3)
            if image_hz and n % round(10 / image_hz) == 0:
                self.image(**image)
            if keyframe_hz and n % round(10 / keyframe_hz) == 0:
                self.keyframe()
            if n % 10 == 0:
                self.report()

    def report(self, camera: str = "front") -> levels.Report:
        return self.health.cameras[camera].report(replace(self.counts[camera]), publishers=1)

    def level(self) -> int:
        return self.report().level


def test_a_good_camera_is_ok() -> None:
    rig = Rig().ready()
    rig.run(30)
    report = rig.report()
    assert (report.level, report.message) == (OK, "active")
    values = report.values
    assert values["topic"] == "/front/image" and values["type"] == "CompressedImage" and values["publishers"] == "1"
    assert values["frames received"] == "300" and values["frames taken"] == "30" and values["frames lost"] == "0"
    assert float(values["input rate (Hz)"]) == pytest.approx(10, abs=0.5)
    assert float(values["keyframe rate (Hz)"]) == pytest.approx(1, abs=0.11)
    assert values["last keyframe"] == "30" and values["last skipped"] == "far 1" and values["last error"] == "none"


def test_a_camera_that_was_never_seen_warns_then_fails_then_is_ok() -> None:
    rig = Rig().ready()
    assert rig.level() == WARN and "never seen" in rig.report().message
    rig.run(20, image_hz=0, keyframe_hz=0)
    assert rig.level() == WARN
    rig.run(1, image_hz=0, keyframe_hz=0)
    assert rig.level() == ERROR
    rig.run(12)
    assert rig.level() == OK


def test_a_camera_that_dies_is_an_error_until_it_is_back() -> None:
    rig = Rig().ready()
    rig.run(20)
    rig.run(2, image_hz=0, keyframe_hz=0)
    assert rig.level() == OK
    rig.run(1, image_hz=0, keyframe_hz=0)
    assert rig.level() == ERROR and rig.report().message.startswith("silent for 3.0 s, 1 publisher")
    rig.run(12)
    assert rig.level() == OK


def test_a_failed_keyframe_is_an_error_until_one_succeeds_and_stays_as_a_key() -> None:
    rig = Rig().ready()
    rig.run(12)
    rig.keyframe(20, "VlmError: no attention")
    report = rig.report()
    assert (report.level, report.message) == (ERROR, "VlmError: no attention")
    rig.keyframe(1, "view 2 not answered")
    assert rig.level() == WARN
    rig.keyframe(2, "unlike anything", novelty=1.7)
    report = rig.report()
    assert (report.level, report.message, report.values["last novelty"]) == (WARN, "unlike anything", "1.700")
    assert rig.health.cameras["front"].beat().status == 2
    rig.keyframe()
    report = rig.report()
    assert report.level == OK and report.values["last error"] == "VlmError: no attention"
    assert report.values["last novelty"] == "unknown"
    assert report.values["last error at"] == "2023-11-14T22:30:12.000+00:00"


SHORT = {
    "images come slowly": ({"image_hz": 1, "keyframe_hz": 1}, {"keyframe_rate_hz": 5.0}, "slow: images"),
    "keyframes come slowly": ({"keyframe_hz": 0.2}, {}, "slow: keyframes"),
    "none come at all": ({"keyframe_hz": 0}, {}, "slow: keyframes"),
    "many are lost": ({"lost": 1}, {}, "frames lost before they came"),
}


@pytest.mark.parametrize(("how", "options", "said"), SHORT.values(), ids=SHORT)
def test_a_shortage_warns_and_the_warning_ends(how: dict, options: dict, said: str) -> None:
    rig = Rig(replace(OPTIONS, silent_s=30.0)).ready()
    rig.run(15)
    assert rig.level() == OK
    rig.health.options = replace(rig.health.options, **options)
    rig.run(15, **how)
    report = rig.report()
    assert report.level == WARN and said in report.message
    rig.health.options = replace(OPTIONS)
    rig.run(15)
    assert rig.level() == OK


@pytest.mark.parametrize("what", ["stale", "overflowed"])
def test_dropped_frames_warn_for_a_while(what: str) -> None:
    rig = Rig().ready()
    rig.run(15)
    setattr(rig.counts["front"], what, 3)
    assert rig.level() == WARN and "3 frames dropped" in rig.report().message
    rig.run(12)
    assert rig.level() == OK and rig.report().values[f"frames {what}"] == "3"


def test_few_keyframes_are_no_shortage_where_none_are_due() -> None:
    for options in (
        replace(OPTIONS, keyframes="change"),
        replace(OPTIONS, keyframe_rate_hz=0.0),
        replace(OPTIONS, keyframe_rate_hz=0.05),
    ):
        rig = Rig(options).ready()
        rig.run(30, keyframe_hz=0)
        assert rig.level() == OK
    rig = Rig().ready()
    rig.health.enabled = False
    rig.run(30, keyframe_hz=0)
    assert (rig.level(), rig.report().message) == (OK, "disabled")


def test_losses_that_nobody_knows_are_unknown() -> None:
    rig = Rig().ready()
    rig.run(3)
    rig.counts["front"].untold = rig.counts["front"].received
    assert rig.report().values["frames lost"] == "unknown"


def test_percentiles_are_of_the_last_hundred() -> None:
    rig = Rig().ready()
    assert rig.report().values["result latency p50 (s)"] == "unknown"
    for n in range(200):
        rig.keyframe(age_s=n % 100 / 200 if n >= 100 else 0.9)
    values = rig.report().values
    assert float(values["image age at the start of inference p50 (s)"]) == pytest.approx(0.2475, abs=1e-3)
    assert float(values["image age at the start of inference p95 (s)"]) == pytest.approx(0.47, abs=5e-3)
    assert values["result latency p95 (s)"] == "0.800"


def test_another_mailbox_begins_to_count_again() -> None:
    rig = Rig().ready()
    rig.run(20)
    rig.counts["front"] = Counts()
    rig.run(12)
    assert rig.level() == OK and float(rig.report().values["input rate (Hz)"]) == pytest.approx(10, abs=0.5)


# --- the models


def test_the_models_states_and_levels() -> None:
    rig = Rig()
    models = rig.health.models

    def now() -> tuple[int, str]:
        report = models.report()
        return report.level, report.message

    assert now() == (OK, "unconfigured") and rig.health.state() == UNCONFIGURED
    models.loading()
    rig.now += 12
    assert now() == (WARN, "loading for 12.0 s") and rig.health.state() == LOADING
    assert rig.level() == WARN
    models.ready(12.0, Detections((0, 0), vlm="eye", demonstration=True))
    assert now() == (OK, "ready") and rig.health.state() == INACTIVE
    assert rig.level() == OK
    assert models.report().values["demonstration"] == "true"
    rig.health.active = True
    assert rig.health.state() == ACTIVE
    rig.health.enabled = False
    assert rig.health.state() == DISABLED
    rig.health.enabled = True
    models.busy()
    rig.now += 0.5
    assert now() == (OK, "busy for 0.5 s")
    models.lost("WorkerLostError: killed", 2.0)
    rig.now += 0.5
    assert now() == (ERROR, "restarting in 1.5 s; WorkerLostError: killed") and rig.health.state() == LOADING
    models.loading()
    assert now()[0] == ERROR
    models.ready(1.0, Detections((0, 0)))
    assert now() == (ERROR, "ready; WorkerLostError: killed"), "it has shown nothing yet"
    models.busy()
    models.idle()
    assert now() == (OK, "ready")
    values = models.report().values
    assert values["restarts"] == "1" and values["last error"] == "WorkerLostError: killed"
    assert values["last error at"].startswith("2023-11-14T22:30:12.5")
    assert values["load time (s)"] == "1.000" and values["uptime (s)"] == "13.000"
    models.failed("ModelLoadError: no weights")
    assert now() == (ERROR, "load failed; ModelLoadError: no weights") and rig.health.state() == UNCONFIGURED
    models.unconfigured()
    assert now() == (OK, "unconfigured")


def test_models_that_failed_have_failed_until_they_are_loaded_or_nobody_wants_them() -> None:
    models = Rig().health.models
    models.loading()
    assert not models.has_failed
    models.failed("ModelLoadError: no weights")
    assert models.has_failed
    models.loading()
    assert models.has_failed, "another try changes nothing yet"
    models.ready(1.0, Detections((0, 0)))
    assert not models.has_failed
    models.busy()
    models.lost("WorkerLostError: killed", 1.0)
    assert not models.has_failed, "they are loaded again by themselves"
    models.failed("ModelLoadError: no weights")
    models.unconfigured()
    assert not models.has_failed


def test_memory_is_that_of_the_processes() -> None:
    health = Health(cameras(["/a/image"]), OPTIONS, memory=lambda: {"models": 1234.4})
    values = health.models.report().values
    assert values["memory of models (MiB)"] == "1234"
    assert 10 < float(values["memory of node (MiB)"]) < 1e6
    block = bytearray(os.urandom(1)) * (64 << 20)
    assert rss_mib(os.getpid()) > 64 and len(block)
    assert rss_mib(2**22 + 1) == 0


# --- heartbeats


def test_a_heartbeat_says_why_there_is_nothing_new() -> None:
    rig = Rig()
    camera = rig.health.cameras["front"]

    def now() -> tuple[int, str]:
        beat = camera.beat()
        return beat.status, beat.text

    assert now() == (STALE, "the models are not loaded")
    rig.ready()
    assert now() == (STALE, "no image yet") and math.isnan(camera.beat().image_age_s)
    rig.image()
    rig.now += 0.5
    assert now() == (STALE, "no result yet") and camera.beat().image_age_s == 0.5
    rig.keyframe()
    beat = camera.beat()
    assert (beat.status, beat.text, beat.keyframe, beat.frame_id) == (0, "", 1, "lens")
    assert beat.result_stamp == Time(sec=1000)
    rig.now += 2.0
    assert now() == (STALE, "no image for 2.5 s")
    rig.image()
    assert now() == (0, "")
    rig.keyframe(50, "WorkerTimeoutError: no answer")
    assert now() == (50, "WorkerTimeoutError: no answer")
    assert camera.beat().result_stamp == Time(sec=1000), "of the last that did not fail"
    rig.health.models.lost("hung", 1.0)
    assert now() == (STALE, "the models are being loaded")


def test_a_result_is_late_after_the_silence_and_the_time_that_a_keyframe_takes() -> None:
    rig = Rig().ready()
    rig.image()
    rig.keyframe()  # of 0.8 s, at 1 Hz: the next within 1.8 s, and 2 s of silence
    for _ in range(38):
        rig.now = round(rig.now + 0.1, 3)
        rig.image()
    assert rig.health.cameras["front"].beat().status == 0
    rig.now += 0.1
    assert rig.health.cameras["front"].beat().text == "no result for 3.9 s"


@pytest.mark.parametrize(
    ("options", "expected_s"),
    [
        ({}, 1 + 4 * 0.8),
        ({"keyframe_rate_hz": 0.0}, 4 * 0.8),
        ({"keyframes": "change", "max_gap_s": 5.0}, 5 + 4 * 0.8),
        ({"priorities": [1.0, 1.0, 1.0, 0.5]}, 1 + 0.8 * 7),
    ],
)
def test_a_turn_is_as_long_as_all_cameras_keyframes(options: dict, expected_s: float) -> None:
    rig = Rig(NodeOptions(image_topics=[f"/{name}/image" for name in "abcd"], **options))
    assert rig.health.turn_s(3) == pytest.approx(expected_s - 0.8 * (7 if "priorities" in options else 4))
    rig.keyframe(camera="a")
    assert rig.health.turn_s(3) == pytest.approx(expected_s)


def test_watching_the_same_cameras_keeps_what_is_known_of_them() -> None:
    rig = Rig().ready()
    rig.image()
    rig.health.watch(cameras(["/front/image"]))
    assert rig.health.cameras["front"].beat().frame_id == "lens"
    rig.health.watch(cameras(["/rear/image"]))
    assert [*rig.health.cameras] == ["rear"]


def test_the_constants_are_the_messages() -> None:
    states = {name: getattr(DetectorHealth, f"STATE_{name}") for name in ("UNCONFIGURED", "INACTIVE", "ACTIVE")}
    assert states == {"UNCONFIGURED": UNCONFIGURED, "INACTIVE": INACTIVE, "ACTIVE": ACTIVE}
    assert (DISABLED, LOADING) == (DetectorHealth.STATE_DISABLED, DetectorHealth.STATE_LOADING)
    assert STALE == DetectedInstanceArray.STATUS_STALE and len(levels.STATES) == 5


# --- on real rclpy


@pytest.fixture
def node():
    rclpy.init()
    node = rclpy.create_node("detector", namespace="/car")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_messages_on_their_topics(node) -> None:
    rig = Rig(replace(OPTIONS, health_rate_hz=20.0, liveliness_s=0.6))
    rig.ready()
    rig.image()
    rig.keyframe(20, "bad\x1b[31m news\n" * 100)
    Diagnostics(node, rig.health, lambda: rig.counts)
    heartbeat = Heartbeat(node, rig.health)
    arrays, beats = [], []
    node.create_subscription(DiagnosticArray, "/diagnostics", arrays.append, 10)
    lively = QoSProfile(depth=10, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC)
    lively.liveliness_lease_duration = rclpy.duration.Duration(seconds=1.0)
    node.create_subscription(DetectorHealth, "/car/detector/health", beats.append, lively)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    until = time.monotonic() + 10
    while time.monotonic() < until and not (arrays and len(beats) > 10):
        executor.spin_once(timeout_sec=0.1)
    statuses = {status.name: status for status in arrays[0].status}
    assert [*statuses] == ["/car/detector: models", "/car/detector: camera front"]
    front = statuses["/car/detector: camera front"]
    assert front.level == b"\2" and front.message.startswith("bad [31m news bad") and len(front.message) <= 500
    assert {pair.key: pair.value for pair in front.values}["last status"] == "20"
    assert statuses["/car/detector: models"].level == b"\0"
    beat = beats[-1]
    assert (beat.camera, beat.state, beat.status, beat.keyframe) == ("front", ACTIVE, 20, 1)
    assert beat.header.frame_id == "lens" and beat.header.stamp.sec > 0 and beat.result_stamp == Time()
    assert math.isnan(beat.result_age_s) and beat.image_age_s == 0
    heartbeat.close()
    assert node.count_publishers("/car/detector/health") == 0


def test_without_diagnostic_msgs_there_are_none(node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    Diagnostics(node, Rig().health, dict)
    assert node.count_publishers("/diagnostics") == 0


def test_no_heartbeat_at_rate_zero(node) -> None:
    Heartbeat(node, Rig(replace(OPTIONS, health_rate_hz=0.0)).health)
    assert [*node.timers] == []


def test_reports_of_a_camera_that_no_mailbox_knows_yet(node) -> None:
    reports = Diagnostics(node, Rig().health, dict).reports()
    assert [*reports] == ["models", "camera front"] and reports["camera front"].values["frames received"] == "0"
