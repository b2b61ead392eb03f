"""The mailbox and the cameras' names: no ROS needed."""

from __future__ import annotations

import random
import threading
import time
from types import SimpleNamespace

import pytest

from vlsam_ros.errors import ConfigError
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.mailbox import Demand, Mailbox


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


# --- turns


def turns(box: Mailbox, cameras: str, rounds: int) -> str:
    """Whose frames are taken if each camera has a new one by every turn."""
    order = []
    for n in range(rounds):
        for camera in cameras:
            box.put(camera, message(), n + 1.0)
        frame = box.take(0)
        assert frame is not None
        order.append(frame.camera)
    return "".join(order)


WEIGHTS = {"alike": (1, 1, 1), "3 to 1 to 1": (3, 1, 1), "tiny": (0.01, 100, 1), "fractions": (0.5, 0.3, 0.2)}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_turns_are_shared_by_priority_at_every_moment(weights: tuple[float, ...]) -> None:
    order = turns(Mailbox("abc", priorities=weights), "abc", 400)
    for upto in range(1, 401):
        for camera, weight in zip("abc", weights, strict=True):
            assert abs(order[:upto].count(camera) - upto * weight / sum(weights)) <= 2


def test_priorities_change_while_running_and_old_debts_shrink_with_them() -> None:
    box = Mailbox("ab", priorities=[100, 0.01])
    assert turns(box, "ab", 50).count("b") == 1  # b has spent 10 000 turns of a's by now
    box.set_limits(0.0, [1, 1], 0.0)
    order = turns(box, "ab", 200)
    assert 90 <= order.count("b") <= 110


@pytest.mark.parametrize("priorities", [[], [1, 1, 1], [0, 1], [-1, 1], [float("nan"), 1], [float("inf"), 1]])
def test_wrong_priorities(priorities: list[float]) -> None:
    with pytest.raises(ValueError, match="priorities: expected 1 or 2 numbers above 0, got"):
        Mailbox("ab", priorities=priorities)


def test_a_camera_that_comes_back_does_not_get_all_turns() -> None:
    box = Mailbox("ab")
    turns(box, "a", 100)
    assert turns(box, "ab", 20).count("b") == 10


def test_limits_change_for_all_at_once() -> None:
    clock = Clock()
    box = Mailbox("a", 1.0, clock=clock)
    assert admitted(box, [1.0, 1.5]) == [1.0]
    box.set_limits(2.0, [1], 0.0)
    assert admitted(box, [1.6, 2.1, 2.2]) == [1.6, 2.1]


# --- age

AGES = {
    "fresh": (100.0, 100.4, 0.1, True),
    "old by its stamp": (100.0, 101.5, 0.1, False),
    "waited for long, and the stamp says nothing": (0.0, 101.5, 1.1, False),
    "no stamp": (0.0, 101.5, 0.9, True),
    "no clock": (100.0, 0.0, 0.9, True),
    "no clock, and waited for long": (100.0, 0.0, 1.1, False),
    "a stamp from the future": (200.0, 100.0, 0.9, True),
    "a stamp from the future that waited for long": (200.0, 100.0, 1.1, False),
    "the clock went back meanwhile": (100.0, 99.9, 1.1, False),
}


@pytest.mark.parametrize(("stamp_s", "ros_s", "waited_s", "taken"), AGES.values(), ids=AGES)
def test_a_frame_that_is_too_old_is_never_given_out(stamp_s: float, ros_s: float, waited_s: float, taken: bool) -> None:
    clock = Clock()
    box = Mailbox("a", max_age_s=1.0, clock=clock, ros_clock=lambda: ros_s)
    box.put("a", message(), stamp_s)
    clock.now += waited_s
    assert taken_stamps(box) == [stamp_s] * taken
    counts = box.counts()["a"]
    assert (counts.stale, counts.taken) == (not taken, taken)
    if not taken:
        assert counts.stale_age_s == pytest.approx(max(waited_s, ros_s - stamp_s if stamp_s and ros_s else 0))


def test_no_limit_no_stale_frames_and_none_with_queue_all() -> None:
    for box in (Mailbox("a", ros_clock=lambda: 1e9), Mailbox("a", max_age_s=1, queue_all=True, ros_clock=lambda: 1e9)):
        box.put("a", message(), 1.0)
        assert taken_stamps(box) == [1.0]


def test_a_stale_frame_takes_nobodys_turn() -> None:
    clock = Clock()
    box = Mailbox("ab", max_age_s=1.0, clock=clock)
    box.put("a", message(), 1.0)
    clock.now = 2.0
    box.put("b", message(), 2.0)
    assert box.take(0).camera == "b"
    box.put("a", message(), 3.0)
    box.put("b", message(), 3.0)
    assert box.take(0).camera == "a"


def test_take_waits_on_after_a_stale_frame() -> None:
    clock, got = Clock(), []
    box = Mailbox("a", max_age_s=1.0, clock=clock, ros_clock=lambda: 100.0)
    worker = threading.Thread(target=lambda: got.append(box.take()))
    worker.start()
    box.put("a", message(), 50.0)
    time.sleep(0.05)
    box.put("a", message(), 99.5)
    worker.join(10)
    assert [frame.stamp_s for frame in got] == [99.5]


# --- demands and pauses


def test_a_demand_goes_before_all_whatever_the_rate() -> None:
    box = Mailbox("ab", 1.0)
    assert admitted(box, [1.0, 1.1]) == [1.0]
    demand = box.demand("a")
    for camera in "ba":
        box.put(camera, message(), 1.2)
    frame = box.take(0)
    assert (frame.camera, frame.stamp_s, frame.demands, frame.demanded) == ("a", 1.2, (demand,), True)
    assert not box.take(0).demanded
    assert admitted(box, [1.3, 2.0, 2.3]) == [2.3], "it was a keyframe, and the rate goes on from it"


def test_a_demand_gets_the_frame_that_waits() -> None:
    box = Mailbox("ab")
    for camera in "ab":
        box.put(camera, message(), 1.0)
    demand = box.demand("b")
    assert [box.take(0).demands for _ in range(2)] == [(demand,), ()]


def test_demands_of_one_camera_share_a_frame_and_all_cost_no_turn() -> None:
    box = Mailbox("ab")
    demands = tuple(box.demand("a") for _ in range(3))
    box.put("a", message(), 1.0)
    assert box.take(0).demands == demands
    for n in range(50):
        box.demand("a")
        box.put("a", message(), n + 2.0)
        assert box.take(0).demanded
    assert turns(box, "ab", 20).count("a") == 10


def test_a_cancelled_demand_leaves_no_trace() -> None:
    box = Mailbox("a", 1.0)
    assert admitted(box, [1.0]) == [1.0]
    demand = box.demand("a")
    box.put("a", message(), 1.1)
    assert box.cancel(demand) and not box.cancel(demand)
    assert taken_stamps(box) == [] and box.counts()["a"].between == 1
    assert admitted(box, [1.2, 2.0]) == [2.0]


def test_a_cancelled_demand_leaves_the_frame_that_was_due() -> None:
    box = Mailbox("a", 1.0)
    demand = box.demand("a")
    box.put("a", message(), 1.0)
    box.cancel(demand)
    frame = box.take(0)
    assert frame.stamp_s == 1.0 and not frame.demanded and not box.cancel(demand)


def test_a_demand_wakes_the_worker_and_keeps_to_the_age_limit() -> None:
    box, got = Mailbox("a", max_age_s=1.0, ros_clock=lambda: 100.0), []
    box.enabled = False
    box.put("a", message(), 50.0)
    worker = threading.Thread(target=lambda: got.append(box.take()))
    worker.start()
    box.demand("a")
    time.sleep(0.05)
    box.put("a", message(), 99.9)
    worker.join(10)
    assert [frame.stamp_s for frame in got] == [99.9]


def test_nobody_can_demand_an_unknown_camera() -> None:
    with pytest.raises(KeyError):
        Mailbox("a").demand("b")


def test_a_pause_lets_only_demands_through_and_the_newest_waits_for_its_end() -> None:
    box = Mailbox("a", 1.0)
    box.enabled = False
    assert admitted(box, [1.0, 2.0]) == []
    box.demand("a")
    assert taken_stamps(box) == [2.0]
    assert admitted(box, [3.0, 4.0]) == []
    box.enabled = True
    assert taken_stamps(box) == [4.0]


def test_a_pause_fills_no_queue() -> None:
    box = Mailbox("a", queue_all=True)
    box.put("a", message(), 1.0)
    box.enabled = False
    assert admitted(box, [2.0, 3.0]) == [] and box.counts()["a"].between == 2
    box.demand("a")
    assert admitted(box, [4.0]) == [1.0]
    box.enabled = True
    assert admitted(box, [5.0]) == [5.0]


# --- unchanged scenes, losses


def test_a_frame_that_was_given_back_is_no_keyframe() -> None:
    clock = Clock()
    box = Mailbox("a", 1.0, clock=clock)
    gaps = []
    for stamp, back in ((1.0, False), (2.0, True), (2.1, True), (2.2, False), (2.9, False), (3.2, False)):
        box.put("a", message(), stamp)
        if frame := box.take(0):
            gaps.append(round(frame.gap_s, 3))
            if back:
                box.give_back(frame)
    assert gaps == [float("inf"), 1.0, 1.1, 1.2, 1.0]
    counts = box.counts()["a"]
    assert (counts.taken, counts.unchanged, counts.between) == (5, 2, 1)


def test_the_gap_goes_by_the_clock_if_stamps_say_nothing() -> None:
    for stamps in ([0.0, 0.0, 0.0], [7.0, 7.0, 7.0], [9.0, 8.0, 7.0]):
        clock, gaps = Clock(), []
        box = Mailbox("a", clock=clock)
        for stamp in stamps:
            box.put("a", message(), stamp)
            clock.now += 0.5
            gaps.append(box.take(0).gap_s)
        assert gaps == [float("inf"), 0.5, 0.5]


def test_queue_all_keeps_its_keyframes_whatever_is_given_back() -> None:
    box = Mailbox("a", 1.0, queue_all=True)
    for n in range(10, 41):
        box.put("a", message(), n / 10)
    gaps = []
    while (frame := box.take(0)) is not None:
        gaps.append(frame.gap_s)
        if frame.stamp_s in (2.0, 3.0):
            box.give_back(frame)
    assert gaps == [float("inf"), 1.0, 2.0, 3.0]


def test_a_still_camera_that_gives_all_back_holds_nobody_up() -> None:
    box = Mailbox("ab")
    taken = []
    for n in range(20):
        for camera in "ab":
            box.put(camera, message(), n + 1.0)
        frame = box.take(0)
        taken.append(frame.camera)
        if frame.camera == "a":
            box.give_back(frame)
    assert taken.count("b") == 10


def test_losses_are_counted_where_they_are_known() -> None:
    box = Mailbox("a")
    for lost in (None, 0, 3, None, 2):
        box.put("a", message(), 1.0, lost)
    counts = box.counts()["a"]
    assert (counts.received, counts.lost, counts.untold) == (5, 5, 2)


@pytest.mark.parametrize("queue_all", [False, True])
def test_clear_drops_what_waits_and_gives_its_room_back(queue_all: bool) -> None:
    box = Mailbox("ab", queue_all=queue_all, queue_bytes=20)
    for camera in "ab":
        box.put(camera, message(10), 1.0)
    box.demand("a")
    box.clear()
    assert box.waiting() == 0 and box.take(0) is None
    assert box.put("a", message(20), 2.0)
    assert box.take(0).demanded


# --- all of it against an obvious mailbox


class Obvious:
    """Normal mode as one would say it: lists that are searched again for each question."""

    def __init__(self, names: str, rate_hz: float, weights: list[float], max_age_s: float) -> None:
        self.period = 0.95 / rate_hz if rate_hz else 0.0
        self.names, self.weights, self.max_age = names, dict(zip(names, weights, strict=True)), max_age_s
        self.slot: dict[str, tuple[float, bool] | None] = dict.fromkeys(names)
        self.keyframes: dict[str, list[float]] = {name: [] for name in names}
        self.demands = dict.fromkeys(names, 0)
        self.passed, self.reached, self.enabled = dict.fromkeys(names, 0.0), 0.0, True

    def put(self, name: str, stamp: float) -> None:
        before = self.keyframes[name]
        due = not before or stamp - before[-1] >= self.period
        old = self.slot[name]
        if due or (self.demands[name] and (old is None or not old[1])):
            if old is None:
                self.passed[name] = max(self.passed[name], self.reached)
            self.slot[name] = (stamp, due)

    def take(self, now: float) -> tuple[str, float, int] | None:
        for name in self.names:
            if self.slot[name] and self.max_age and now - self.slot[name][0] > self.max_age:
                self.slot[name] = None
        ready = [n for n in self.names if self.slot[n] and (self.enabled or self.demands[n])]
        if not ready:
            return None
        name = next((n for n in sorted(ready, key=lambda n: self.passed[n]) if self.demands[n]), None)
        if name is None:
            name = min(ready, key=lambda n: self.passed[n])
            self.reached = self.passed[name]
            self.passed[name] += 1 / self.weights[name]
        stamp, demands = self.slot[name][0], self.demands[name]
        self.slot[name], self.demands[name] = None, 0
        self.keyframes[name].append(stamp)
        return name, stamp, demands


@pytest.mark.parametrize("seed", range(40))
def test_the_mailbox_is_the_obvious_one(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcd"[: rng.randint(1, 4)]
    weights = [rng.choice([0.5, 1, 1, 2, 3]) for _ in names]
    rate_hz, max_age_s = rng.choice([0.0, 1.0, 4.0]), rng.choice([0.0, 0.305])  # no sum of the steps below
    clock = Clock()
    box = Mailbox(
        names, rate_hz, priorities=weights, max_age_s=max_age_s, clock=clock, ros_clock=lambda: clock.now + 1000
    )
    obvious = Obvious(names, rate_hz, weights, max_age_s)
    pending: list[Demand] = []
    for _ in range(600):
        clock.now = round(clock.now + rng.choice([0.01, 0.03, 0.1, 0.4]), 3)
        name, action = rng.choice(names), rng.random()
        if action < 0.6:
            stamp = round(clock.now + 1000, 3)
            box.put(name, message(), stamp)
            obvious.put(name, stamp)
        elif action < 0.85:
            frame, expected = box.take(0), obvious.take(clock.now + 1000)
            assert (frame and (frame.camera, frame.stamp_s, len(frame.demands))) == expected
            if frame and rng.random() < 0.3:
                box.give_back(frame)
                obvious.keyframes[frame.camera].pop()
        elif action < 0.92:
            pending.append(box.demand(name))
            obvious.demands[name] += 1
        elif action < 0.97 and pending:
            demand = pending.pop(rng.randrange(len(pending)))
            if box.cancel(demand):
                obvious.demands[demand.camera] -= 1
                waits = obvious.slot[demand.camera]
                if waits and not waits[1] and not obvious.demands[demand.camera]:
                    obvious.slot[demand.camera] = None
        else:
            box.enabled = obvious.enabled = not box.enabled
    for name, counts in box.counts().items():
        ended = counts.between + counts.replaced + counts.stale + counts.taken
        assert counts.received - ended == (obvious.slot[name] is not None)


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


def test_transport_can_be_forced() -> None:
    assert cameras(["/jpeg"], "compressed")[0].compressed
    assert not cameras(["/a/compressed"], "raw")[0].compressed


@pytest.mark.parametrize("topics", [[], [""], ["/a/image", " "], ["/a/image", "/a/image"], ["/a//image"], ["/a/"]])
def test_wrong_topics(topics: list[str]) -> None:
    with pytest.raises(ConfigError, match="node.image_topics"):
        cameras(topics)
