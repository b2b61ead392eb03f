"""What may be asked of the node and changed while it runs: ~/detect, ~/ask, ~/enable, parameters, partial results."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from ros_client import ECHO, NORMAL, PARTIAL, STEPS, VLM_ERROR, Client, Detector, raw
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from vlsam_ros.msg import DetectorHealth
from vlsam_ros.srv import Ask, Detect

TOPICS = ("/front/image_raw", "/rear/image_raw")


@pytest.fixture(scope="module")
def detector(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    result = Detector(tmp_path_factory.mktemp("services"), topics=TOPICS)
    yield result
    assert result.end() == 0 and not result.said("Traceback")


@pytest.fixture(scope="module")
def cameras(client: Client, detector: Detector) -> list[Any]:
    return [client.publisher(Image, topic) for topic in TOPICS]


@pytest.fixture
def front(cameras: list[Any]) -> Any:
    return cameras[0]


@pytest.fixture(autouse=True)
def defaults(client: Client, detector: Detector, front: Any) -> Iterator[None]:
    """After each test the next frame is looked at as ever."""
    yield
    assert client.call(SetBool, "enable", data=True).success
    assert client.call(Ask, "ask", clear=True).asked == []
    changed = {"node__keyframe_rate_hz": 0.0, "node__publish_partial": False, "questions__ignore": []}
    assert client.set(**changed, node__priorities=[1.0], node__max_age_s=0.0, node__keyframes="rate").successful
    assert client.answer(front, raw(NORMAL, client.header())).status == 0


def detect(client: Client, camera: str = "", wait_s: float = 0.0) -> Any:
    return client.ask(Detect, "detect", camera=camera, wait_s=wait_s)


def test_detect_answers_with_the_frame_that_is_published(client: Client, cameras: list[Any]) -> None:
    assert client.set(node__keyframe_rate_hz=0.01).successful  # no other is due
    for name, publisher in (("", cameras[0]), ("front", cameras[0]), ("rear", cameras[1])):
        future = detect(client, name, 30.0)
        client.spin(0.2)
        assert not future.done()
        header = client.header()
        got = client.answer(publisher, raw(PARTIAL, header))
        client.until(future.done, "an answer")
        answer = future.result()
        assert answer.success and answer.message == ""
        assert serialize_message(answer.result) == serialize_message(got)  # a NaN is not itself
        assert (got.header, got.camera, got.status) == (header, name or "front", 1)


def test_detect_says_what_is_wrong(client: Client, detector: Detector, front: Any) -> None:
    answer = client.call(Detect, "detect", camera="left")
    assert (answer.success, answer.message) == (False, "no camera 'left'; there are front, rear")
    answer = client.call(Detect, "detect", camera="rear", wait_s=0.3)
    assert (answer.success, answer.message) == (False, "no frame of rear within 0.3 s")
    future = detect(client, "front", 30.0)
    client.spin(0.2)
    got = client.answer(front, raw(VLM_ERROR, client.header()))
    client.until(future.done, "an answer")
    assert future.result().success and future.result().result == got and got.status == 20


def test_detect_works_while_paused_and_nothing_else(client: Client, front: Any) -> None:
    answer = client.call(SetBool, "enable", data=False)
    assert (answer.success, answer.message) == (True, "paused")
    client.until(lambda: client.beat("front").state == DetectorHealth.STATE_DISABLED, "its state")
    before = len(client.detections)
    front.publish(raw(NORMAL, client.header()))
    client.spin(1.0)
    assert len(client.detections) == before
    assert client.status("camera front")[:2] == (0, "disabled")
    assert client.call(Detect, "detect", camera="front").success and len(client.detections) <= before + 1
    assert client.call(SetBool, "enable", data=True).message == "enabled"
    client.until(lambda: client.beat("front").state == DetectorHealth.STATE_ACTIVE, "its state")


def test_several_detect_at_once_share_a_frame(client: Client, detector: Detector, cameras: list[Any]) -> None:
    client.occupy(detector, cameras[0])
    futures = [detect(client, "front", 30.0) for _ in range(3)]
    other = detect(client, "rear", 0.5)
    client.until(other.done, "an answer")  # while the models are busy
    assert other.result().message == "no frame of rear within 0.5 s"
    cameras[0].publish(raw(NORMAL, header := client.header()))
    client.spin(0.3)
    client.release(detector)
    client.until(lambda: all(future.done() for future in futures), "all answers")
    assert {future.result().result.header.frame_id for future in futures} == {header.frame_id}


def test_detect_goes_before_the_turn_of_others(client: Client, detector: Detector, cameras: list[Any]) -> None:
    client.occupy(detector, cameras[0])
    cameras[0].publish(raw(NORMAL, client.header()))
    future = detect(client, "rear", 30.0)
    cameras[1].publish(raw(NORMAL, client.header()))
    client.spin(0.3)
    client.release(detector)
    before = len(client.detections)
    client.until(lambda: future.done() and len(client.detections) >= before + 2, "both")
    assert [d.camera for d in client.detections[before:]] == ["rear", "front"]


def test_questions_of_the_moment(client: Client, cameras: list[Any]) -> None:
    def said(camera: int) -> list[tuple[str, str, str]]:
        got = client.answer(cameras[camera], raw(ECHO, client.header()))
        return [(a.view, a.question, a.text) for a in got.answers]

    assert said(0) == []
    asked = client.call(Ask, "ask", questions=["Is there debris?"], names=["cone"])
    assert asked.success and asked.asked == ["Is there debris?", "List every cone in the picture."]
    expected = [("full", question, f"yes: {question}") for question in sorted(asked.asked)]
    assert said(0) == said(1) == expected
    only = client.call(Ask, "ask", questions=["Snow?"], camera="rear", lifetime_s=3.0, clear=True)
    assert only.success and only.asked == ["Snow?"]
    assert said(0) == [] and said(1) == [("full", "Snow?", "yes: Snow?")]
    client.until(lambda: said(1) == [], "the end of its time")
    assert client.call(Ask, "ask").asked == []


WRONG = {
    "empty": ({"questions": [" "]}, "expected questions of 1 to 200 printable characters"),
    "long": ({"questions": ["x" * 201]}, "expected questions of 1 to 200 printable characters"),
    "escape": ({"questions": ["\x1b[2J"]}, "printable characters"),
    "empty name": ({"names": [""]}, "expected names, got an empty one"),
    "camera": ({"questions": ["What?"], "camera": "left"}, "no camera 'left'; there are front, rear"),
    "time": ({"questions": ["What?"], "lifetime_s": -1.0}, "expected 0 or more seconds, got -1"),
    "no time": ({"questions": ["What?"], "lifetime_s": float("nan")}, "expected 0 or more seconds, got nan"),
    "many": ({"questions": [f"What {n}?" for n in range(33)]}, "at most 32 questions at a time"),
}


@pytest.mark.parametrize(("request_", "text"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_asked(client: Client, front: Any, request_: dict[str, Any], text: str) -> None:
    assert client.call(Ask, "ask", questions=["Kept?"]).success
    answer = client.call(Ask, "ask", clear=True, **request_)
    assert not answer.success and text in answer.message and answer.message.isprintable()
    assert answer.asked == ["Kept?"]


def test_preliminary_then_final(client: Client, front: Any) -> None:
    assert len({client.answer(front, raw(STEPS, client.header())).preliminary for _ in range(2)}) == 1
    assert client.set(node__publish_partial=True).successful
    before, header = len(client.detections), client.header()
    front.publish(raw(STEPS, header))
    client.until(lambda: len(client.detections) >= before + 2, "both")
    client.spin(0.3)
    first, last = client.detections[before:]
    assert first.header == last.header == header and first.keyframe == last.keyframe
    assert (first.preliminary, first.status, first.skipped, len(first.instances)) == (True, 1, ["far_0"], 0)
    assert (last.preliminary, last.status, last.skipped, len(last.instances)) == (False, 0, [], 1)


def test_live_parameters_hold_from_the_next_frame_on(client: Client, detector: Detector, front: Any) -> None:
    client.occupy(detector, front)
    assert client.set(questions__ignore=["sky"], node__priorities=[1.0, 3.0]).successful  # while a frame is in work
    assert client.release(detector).status == 0
    assert client.answer(front, raw(ECHO, client.header())).vlm == "sky"


REFUSED = {
    "fixed": ({"vlm__model": "missing"}, "vlm.model: can only change while the node is unconfigured"),
    "range": ({"merge__min_score": 2.0}, "merge.min_score out of range"),
    "number": ({"node__priorities": [1.0, 1.0, 1.0]}, "node.priorities: expected 1 or 2 values, got 3"),
    "choice": ({"attention__flow": "up"}, "attention.flow: expected one of flow, last, mean, got 'up'"),
    "one of two": ({"questions__ignore": ["road"], "views__overlap": 5.0}, "views.overlap out of range"),
    "type": ({"questions__ignore": 5}, "Wrong parameter type"),
}


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize(("values", "text"), REFUSED.values(), ids=REFUSED)
def test_refused_parameters_change_nothing(
    client: Client, detector: Detector, front: Any, values: dict[str, Any], text: str, busy: bool
) -> None:
    assert client.set(questions__ignore=["sky"]).successful
    if busy:
        client.occupy(detector, front)
    result = client.set(**values)
    assert not result.successful and text in result.reason
    for name, value in values.items():
        assert client.get(name) != value
    if busy:
        assert client.release(detector).status == 0
    assert client.answer(front, raw(ECHO, client.header())).vlm == "sky"


def test_keyframes_by_change(client: Client, front: Any) -> None:
    def scene(lit: bool) -> Image:
        image = raw(NORMAL, client.header())
        half = len(image.data) // 2
        image.data = image.data[:half] + array("B", [255 * lit] * half)
        return image

    client.answer(front, scene(False))
    assert client.set(node__keyframes="change", node__max_gap_s=3600.0).successful
    before, unchanged = len(client.detections), int(client.status("camera front")[2]["frames unchanged"])
    front.publish(scene(False))
    client.until(lambda: int(client.status("camera front")[2]["frames unchanged"]) > unchanged, "its count")
    assert len(client.detections) == before
    future = detect(client, "front", 30.0)
    client.spin(0.2)
    client.answer(front, scene(False))  # whoever demands a frame gets it
    client.until(future.done, "an answer")
    assert future.result().success
    assert client.answer(front, scene(True)).status == client.answer(front, scene(False)).status == 0
    assert client.set(node__max_gap_s=0.0).successful
    assert client.answer(front, scene(False)).status == 0


def test_old_frames_are_dropped_and_counted_on_the_simulations_clock(
    client: Client, detector: Detector, front: Any
) -> None:
    clock = client.node.create_publisher(Clock, "/clock", 1)
    assert client.set(use_sim_time=True, node__max_age_s=1.0).successful

    def image(sec: int) -> Image:
        return raw(NORMAL, Header(stamp=Time(sec=sec)))

    def told() -> bool:
        clock.publish(Clock(clock=Time(sec=5000)))
        return client.answer(front, image(5000)).age_s == 0.0

    client.until(told, "the simulated time")
    before, stale = len(client.detections), int(client.status("camera front")[2]["frames stale"])
    front.publish(image(4990))
    client.until(lambda: int(client.status("camera front")[2]["frames stale"]) == stale + 1, "its count")
    level, message, values = client.status("camera front")
    assert (level, len(client.detections)) == (1, before) and "1 frames dropped, too old" in message
    assert float(values["age of the last stale frame (s)"]) == pytest.approx(10.0)
    for sec in (6000, 100):  # it jumps, ahead and back

        def jumped(sec: int = sec) -> bool:
            clock.publish(Clock(clock=Time(sec=sec)))
            return client.answer(front, image(sec)).started.sec == sec

        client.until(jumped, "the new time")
        assert client.detections[-1].age_s == 0.0
    assert client.set(use_sim_time=False).successful
    client.node.destroy_publisher(clock)
