"""The mailbox and the cameras' names: no ROS needed."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from vlsam_ros.errors import ConfigError
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.mailbox import Mailbox


class Clock:
    """Seconds, set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def message(size: int = 1) -> SimpleNamespace:
    return SimpleNamespace(data=bytes(size))


def taken_stamps(box: Mailbox) -> list[float]:
    stamps = []
    while (frame := box.take(timeout_s=0)) is not None:
        stamps.append(frame.stamp_s)
    return stamps


def admitted(box: Mailbox, stamps: list[float], clock: Clock | None = None, step_s: float = 0.1) -> list[float]:
    """What an idle worker gets when frames with these stamps come every `step_s` on the clock."""
    result = []
    for stamp in stamps:
        box.put("a", message(), stamp)
        result += taken_stamps(box)
        if clock:
            clock.now += step_s
    return result


def test_newest_frame_wins() -> None:
    box = Mailbox(["a"])
    for stamp in (1.0, 2.0, 3.0):
        box.put("a", message(), stamp)
    assert taken_stamps(box) == [3.0]
    counts = box.counts()["a"]
    assert (counts.received, counts.replaced, counts.taken) == (3, 2, 1)


def test_cameras_take_turns() -> None:
    box = Mailbox(["a", "b", "c"])
    order = []
    for stamp in range(1, 7):
        for camera in ("a", "b", "c"):
            box.put(camera, message(), float(stamp))
        order.append(box.take(0).camera)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_a_silent_camera_holds_nobody_up() -> None:
    box = Mailbox(["a", "b"])
    assert [s for n in range(3) for s in admitted(box, [float(n + 1)])] == [1.0, 2.0, 3.0]


RATE_CASES = {
    "10 Hz at 1 Hz": ([n / 10 for n in range(1, 32)], [0.1, 1.1, 2.1, 3.1]),
    "jittering stamps": ([1.0, 1.97, 2.99, 4.01], [1.0, 1.97, 2.99, 4.01]),
    "stamps that go back start again": ([100.0, 100.5, 3.0, 3.5, 4.0], [100.0, 3.0, 4.0]),
    "one frame": ([5.0], [5.0]),
    "none": ([], []),
}


@pytest.mark.parametrize(("stamps", "expected"), RATE_CASES.values(), ids=RATE_CASES)
@pytest.mark.parametrize("wall_step_s", [0.0, 10.0])
def test_keyframe_rate_goes_by_stamps_whatever_the_clock_says(
    stamps: list[float], expected: list[float], wall_step_s: float
) -> None:
    clock = Clock()
    assert admitted(Mailbox(["a"], 1.0, clock=clock), stamps, clock, wall_step_s) == expected


@pytest.mark.parametrize("stamp", [0.0, 1234.5], ids=["zero", "never advancing"])
def test_keyframe_rate_goes_by_the_clock_if_stamps_say_nothing(stamp: float) -> None:
    clock = Clock()
    assert len(admitted(Mailbox(["a"], 1.0, clock=clock), [stamp] * 31, clock, step_s=0.1)) in (3, 4)


MIXED = {
    "a second source 5 s behind": [100 + n / 10 - 5 * (n % 2) for n in range(60)],
    "a second source 0.15 s behind": [100 + n / 10 - 0.15 * (n % 2) for n in range(60)],
    "three sources": [100 + n / 10 - 7 * (n % 3) for n in range(60)],
    "every other stamp is zero": [(100 + n / 10) * (n % 2) for n in range(60)],
    "now and then a stamp from the future": [2e9 + n if n % 7 == 3 else 100 + n / 10 for n in range(60)],
    "backwards": [100 - n / 10 for n in range(60)],
    "far backwards": [1000 - 5.0 * n for n in range(60)],
    "half a second, again and again": [1 + n % 5 / 10 for n in range(60)],
}


@pytest.mark.parametrize("stamps", MIXED.values(), ids=MIXED)
def test_keyframe_rate_holds_whatever_the_stamps_are(stamps: list[float]) -> None:
    clock = Clock()
    assert 4 <= len(admitted(Mailbox(["a"], 1.0, clock=clock), stamps, clock, step_s=0.1)) <= 8  # of 6 s, two at odds


@pytest.mark.parametrize("step_s", [0.1, 0.025], ids=["its pace", "four times its pace"])
@pytest.mark.parametrize("queue_all", [True, False])
def test_a_recording_in_a_loop_gives_the_same_keyframes_each_time(step_s: float, queue_all: bool) -> None:
    clock, stamps = Clock(), [100 + n / 10 for n in range(80)]
    got = admitted(Mailbox(["a"], 1.0, queue_all=queue_all, clock=clock), stamps * 3, clock, step_s)
    assert got == [100.0 + n for n in range(8)] * 3


def test_keyframe_is_due_by_the_frame_that_was_taken_not_by_those_replaced() -> None:
    box = Mailbox(["a"], 1.0)
    for stamp in (1.0, 2.0, 3.0):  # the worker is busy; all are due
        box.put("a", message(), stamp)
    assert taken_stamps(box) == [3.0]
    assert admitted(box, [3.5, 4.0]) == [4.0]
    assert box.counts()["a"].between == 1


def test_queue_all_keeps_every_admitted_frame_in_order() -> None:
    box = Mailbox(["a"], queue_all=True)
    for n in range(50):
        assert box.put("a", message(), n + 1.0)
    assert taken_stamps(box) == [n + 1.0 for n in range(50)]


def test_queue_all_keeps_the_keyframe_rate_without_a_worker() -> None:
    box = Mailbox(["a"], 1.0, queue_all=True)
    for n in range(1, 32):
        box.put("a", message(), n / 10)
    assert taken_stamps(box) == [0.1, 1.1, 2.1, 3.1]


def test_queue_all_has_bounded_memory_and_says_so() -> None:
    box = Mailbox(["a"], queue_all=True, queue_bytes=250)
    assert [box.put("a", message(100), n + 1.0) for n in range(4)] == [True, True, False, False]
    assert box.counts()["a"].overflowed == 2
    assert taken_stamps(box) == [1.0, 2.0]
    assert box.put("a", message(100), 9.0)


def test_queue_all_gives_what_it_holds_after_it_was_closed() -> None:
    box = Mailbox(["a", "b"], queue_all=True)
    for n in range(3):
        box.put("a", message(), n + 1.0)
    box.close()
    assert box.put("b", message(), 9.0) and box.waiting() == 3  # too late: not stored, and nothing to complain about
    assert [box.take().stamp_s for _ in range(3)] == [1.0, 2.0, 3.0]
    assert box.take() is None and box.take() is None


def test_the_newest_frame_is_left_when_the_mailbox_closes() -> None:
    box = Mailbox(["a"])
    box.put("a", message(), 1.0)
    box.close()
    assert box.take() is None


def test_take_waits_for_a_frame_and_close_wakes_it() -> None:
    box, got = Mailbox(["a"]), []

    def work() -> None:
        while (frame := box.take()) is not None:
            got.append(frame.stamp_s)

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.05)
    box.put("a", message(), 7.0)
    deadline = time.monotonic() + 10
    while not got and time.monotonic() < deadline:
        time.sleep(0.005)
    box.close()
    worker.join(10)
    assert got == [7.0] and not worker.is_alive()
    assert box.take() is None


def test_many_threads_lose_no_count() -> None:
    box = Mailbox(["a", "b"])
    stop = threading.Event()
    threads = [threading.Thread(target=lambda c=c: [box.put(c, message(), n + 1.0) for n in range(500)]) for c in "ab"]
    taker = threading.Thread(target=lambda: [box.take(0.01) for _ in iter(stop.is_set, True)])
    for thread in (*threads, taker):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    taker.join()
    taken_stamps(box)
    for counts in box.counts().values():
        assert counts.received == 500 == counts.replaced + counts.taken


CAMERA_CASES = {
    "compressed": (["/camera/front/image/compressed"], [("front", True)]),
    "raw": (["/camera/image_raw"], [("camera", False)]),
    "two": (["/front/image_raw", "/left/image_raw/compressed"], [("front", False), ("left", True)]),
    "one name for two": (
        ["/left/camera/image", "/right/camera/image"],
        [("left/camera", False), ("right/camera", False)],
    ),
    "two images of one camera": (["/front/color", "/front/ir"], [("front/color", False), ("front/ir", False)]),
    "no namespace": (["/image"], [("image", False)]),
    "only the transport": (["/compressed"], [("compressed", True)]),
    "relative": (["front/image"], [("front", False)]),
}


@pytest.mark.parametrize(("topics", "expected"), CAMERA_CASES.values(), ids=CAMERA_CASES)
def test_camera_names(topics: list[str], expected: list[tuple[str, bool]]) -> None:
    assert [(c.name, c.compressed) for c in cameras(topics)] == expected


@pytest.mark.parametrize(
    ("topic", "info", "rectified"),
    [
        ("/camera/front/image_raw/compressed", "/camera/front/camera_info", False),
        ("/camera/front/image_raw", "/camera/front/camera_info", False),
        ("/front/image_rect_color/compressed", "/front/camera_info", True),
        ("/rectified/image", "/rectified/camera_info", False),
        ("/image", "/camera_info", False),
        ("image", "camera_info", False),
        ("~/image", "~/camera_info", False),
    ],
)
def test_camera_info_is_beside_the_images(topic: str, info: str, rectified: bool) -> None:
    (camera,) = cameras([topic])
    assert (camera.info_topic, camera.rectified) == (info, rectified)


@pytest.mark.parametrize(
    ("given", "pitches"), [((2.0,), [2.0, 2.0]), ((1.0, -3.0), [1.0, -3.0]), ((), None), ((1.0,) * 3, None)]
)
def test_pitches(given: tuple[float, ...], pitches: list[float] | None) -> None:
    topics = ["/a/image", "/b/image"]
    if pitches is not None:
        assert [c.pitch_deg for c in cameras(topics, pitch_deg=given)] == pitches
        return
    with pytest.raises(ConfigError, match=f"pitch_deg: expected 1 or 2 angles, got {len(given)}"):
        cameras(topics, pitch_deg=given)


def test_transport_can_be_forced() -> None:
    assert cameras(["/jpeg"], "compressed")[0].compressed
    assert not cameras(["/a/compressed"], "raw")[0].compressed


@pytest.mark.parametrize("topics", [[], [""], ["/a/image", " "], ["/a/image", "/a/image"], ["/a//image"], ["/a/"]])
def test_wrong_topics(topics: list[str]) -> None:
    with pytest.raises(ConfigError, match="node.image_topics"):
        cameras(topics)
