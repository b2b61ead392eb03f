"""Messages and back, their limits, and whether they are fresh: plain objects in place of a message library's."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vlsam_ros.data import Detection, Detections, Mask, Place, Track, Witness
from vlsam_ros.output.check import MAX_ANSWERS, MAX_INSTANCES, MAX_LABEL_CHARS, check_result
from vlsam_ros.output.messages import FUTURE_S, Keyframe, Types, age, fresh, from_message, to_message
from vlsam_ros.output.rle import MAX_PIXELS, MaskError

TYPES = Types(make=lambda name, **fields: SimpleNamespace(**fields), uint32=lambda runs: runs)
SIZE_HW = (10, 12)


def mask(x: int = 3, y: int = 2, width: int = 6, height: int = 6) -> Mask:
    return Mask(x, y, np.ones((height, width), bool))


def stone(**changes: Any) -> Detection:
    return replace(Detection("stone", 0.5, 0.6, 0.7, 0.8, mask(), view="far_0", certainty=0.9), **changes)


def found(*items: Detection, **changes: Any) -> Detections:
    return replace(Detections(SIZE_HW, items, vlm="v", segmenter="s", grounder="g", demonstration=True), **changes)


def stamp(seconds: float) -> SimpleNamespace:
    return SimpleNamespace(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))


def message(detections: Detections, stamp_s: float = 100.0, **changes: Any) -> Any:
    header = SimpleNamespace(stamp=stamp(stamp_s), frame_id="")
    keyframe = Keyframe(header, "front", 0, None, None, age_s=0.1)
    return to_message(replace(keyframe, **changes), detections, TYPES)


def test_round_trip() -> None:
    was = found(stone(), stone(label="cone", mask=Mask(0, 0, np.zeros((0, 0), bool))), skipped=("far_0",))
    got = from_message(message(was))
    assert replace(got, items=()) == replace(was, items=())
    for a, b in zip(got.items, was.items, strict=True):
        assert replace(a, mask=b.mask) == b and a.xyxy == b.xyxy
        np.testing.assert_array_equal(a.mask.bits, b.mask.bits)


def test_tracks_and_places_make_the_round_trip() -> None:
    bearing = Place(-0.25, -0.125)
    near = replace(bearing, distance=16.0, distance_min=8.0, distance_max=math.inf)
    point = replace(near, point_xyz=(1.0, 1.5, 16.0), covariance=(1.0, 0.0, 0.0, 0.0, 2.0, 0.5, 0.0, 0.5, 4.0))
    items = [stone(track=Track("front-7", 2, 3, 0.25), place=place) for place in (None, bearing, near, point)]
    got = from_message(message(found(*items)))
    for a, b in zip(got.items, items, strict=True):
        assert a.track == b.track and repr(a.place) == repr(b.place)  # NaN is not NaN


def test_witnesses_make_the_round_trip() -> None:
    said = (Witness("attention", 0.0, 0.0), Witness("grounder", 0.5, 0.25), Witness("native", 1.0, 1.0))
    got = from_message(message(found(stone(), stone(source="grounder+native", witnesses=said))))
    assert [(d.source, d.witnesses) for d in got.items] == [("attention", ()), ("grounder+native", said)]


SPOILT_WITNESSES = {
    "an unknown way": [Witness("guess", 0.5, 0.5)],
    "a way twice": [Witness("native", 0.5, 0.5), Witness("native", 0.5, 0.5)],
    "NaN": [Witness("native", math.nan, 0.5)],
    "more than 1": [Witness("attention", 0.5, 1.5)],
    "below 0": [Witness("attention", -0.1, 0.5)],
}


@pytest.mark.parametrize("said", SPOILT_WITNESSES.values(), ids=SPOILT_WITNESSES)
def test_spoilt_witnesses_neither_leave_nor_are_believed(said: list[Witness]) -> None:
    with pytest.raises(MaskError, match="witness"):
        check_result(found(stone(witnesses=tuple(said))), SIZE_HW)
    with pytest.raises(MaskError, match="witness"):
        from_message(message(found(stone(witnesses=tuple(said)))))


@pytest.mark.parametrize(
    "said", [None, 3, ("native",), ({"way": "native"},), (Witness(["native"], 0.5, 0.5),)], ids=repr
)
def test_what_are_no_witnesses_do_not_leave(said: object) -> None:
    with pytest.raises(MaskError, match="[Ww]itness"):
        check_result(found(stone(witnesses=said)), SIZE_HW)


def test_what_earlier_definitions_did_not_have_is_not_known() -> None:
    was = message(found(stone(track=Track("7", 2, 3))))
    del was.answers
    for name in (
        "witnesses",
        "seen",
        "looked",
        "unseen_s",
        "azimuth",
        "elevation",
        "distance",
        "distance_min",
        "distance_max",
    ):
        delattr(was.instances[0], name)
    del was.instances[0].ground_covariance
    (item,) = from_message(was).items
    assert item.track == Track("7", 0, 0) and item.place is None


def test_no_more_answers_leave_than_a_message_may_have() -> None:
    said = tuple(("full", "What?", "x" * 600) for _ in range(MAX_ANSWERS + 1))
    got = from_message(message(found(answers=said), asked=frozenset({"What?"})))
    assert len(got.answers) == MAX_ANSWERS and len(got.answers[0][2]) == 500


def test_texts_leave_plain_and_bounded() -> None:
    got = message(found(skipped=("a\x1b[2J",), vlm="m\nn"), status_text="x" * 10**6 + "\0", camera="c\u202e")
    assert (got.skipped, got.vlm, got.camera) == (["a [2J"], "m n", "c") and len(got.status_text) == 500


WRONG_RESULTS = {
    "no detections": ({"stone": 1}, "expected Detections, got dict"),
    "nothing": (None, "got NoneType"),
    "another size": (found(size_hw=(20, 12)), r"a frame of \(10, 12\), got \(20, 12\)"),
    "NaN score": (found(stone(score=math.nan)), "score nan"),
    "negative part": (found(stone(), stone(iou=-0.1)), r"iou -0\.1"),
    "score above 1": (found(stone(certainty=1.01)), "certainty 1.01"),
    "mask outside, right": (found(stone(mask=mask(x=7))), r"within 12 x 10, got 6 x 6 at \(7, 2\)"),
    "mask outside, left": (found(stone(mask=mask(x=-1))), r"at \(-1, 2\)"),
    "mask of another frame": (found(stone(mask=mask(0, 0, 40, 30))), "got 40 x 30"),
    "grey mask": (found(stone(mask=Mask(0, 0, np.ones((2, 2), np.uint8)))), "mask as bool"),
    "mask with three axes": (found(stone(mask=Mask(0, 0, np.ones((2, 2, 1), bool)))), "mask as bool"),
    "control character": (found(stone(label="sto\x1bne")), "printable characters, got 'sto"),
    "invisible mark": (found(stone(label="sto\u200bne")), "printable"),
    "lone surrogate": (found(stone(label="sto\udc80ne")), "printable"),
    "long label": (found(stone(label="x" * (MAX_LABEL_CHARS + 1))), "1 to 128"),
    "no label": (found(stone(label="")), "1 to 128"),
    "label of bytes": (found(stone(label=b"stone")), "1 to 128"),
    "ten thousand": (found(*[stone()] * 10_000), "at most 1000 instances, got 10000"),
    "in the dropped ones": (found(dropped=(stone(score=math.nan),)), "score nan"),
    "blank label": (found(stone(label="   ")), "1 to 128"),
    "label of fillers": (found(stone(label="\u3164\ufe0f")), "1 to 128"),
    "score of text": (found(stone(score="x")), "score x"),
    "no score": (found(stone(attention=None)), "attention None"),
    "endless score": (found(stone(score=10**400)), "score 1000"),
    "no mask": (found(stone(mask=None)), "mask as bool"),
    "mask between pixels": (found(stone(mask=Mask(3.5, 2, np.ones((2, 2), bool)))), "at whole pixels"),
    "loose mask": (found(stone(mask=Mask(0, 0, np.pad(np.ones((2, 2), bool), 1)))), "tight"),
    "mask of nothing": (found(stone(mask=Mask(0, 0, np.zeros((2, 2), bool)))), "tight"),
    "mask without columns": (found(stone(mask=Mask(0, 0, np.zeros((2, 0), bool)))), "tight"),
    "item that is none": (found({}), "expected a Detection, got dict"),
    "items that are none": (found(items=5), "instances, got int"),
    "dropped ones that are none": (found(dropped=None), "instances, got NoneType"),
    "track seen too often": (found(stone(track=Track("7", 3, 2))), "got 3 of 2"),
    "track of bytes": (found(stone(track=Track(b"7"))), "at most 64 printable"),  # type: ignore[arg-type]
    "place of text": (found(stone(place=Place("x"))), "place of numbers"),  # type: ignore[arg-type]
    "half a bearing": (found(stone(place=Place(0.1))), "bearing in rad"),
    "point of two": (found(stone(place=Place(0, 0, 1, 1, 1, (1.0, 2.0), (0.0,) * 9))), "point"),  # type: ignore[arg-type]
    "point alone": (found(stone(place=Place(0, 0, 1, 1, 1, (1.0, 2.0, 3.0)))), r"covariance \(9,\)"),
    "heat as bytes": (found(heat=np.zeros((4, 4), np.uint8)), "heat map as float"),
    "heat with NaN": (found(heat=np.full((4, 4), np.nan, np.float32)), "heat map"),
    "heat above 1": (found(heat=np.full((4, 4), 2, np.float32)), "heat map"),
    "heat without cells": (found(heat=np.zeros((0, 4), np.float32)), "heat map"),
    "heat with three axes": (found(heat=np.zeros((4, 4, 3), np.float32)), "heat map"),
}


@pytest.mark.parametrize(("result", "text"), WRONG_RESULTS.values(), ids=WRONG_RESULTS)
def test_wrong_results(result: Any, text: str) -> None:
    with pytest.raises(MaskError, match=text):
        check_result(result, SIZE_HW)


@pytest.mark.parametrize(
    "result",
    [
        found(),
        found(stone(score=1 + 1e-15), heat=np.eye(4)),
        found(stone(label="ölfass 2", mask=mask(6, 4))),
        found(*[stone()] * MAX_INSTANCES),
    ],
    ids=["empty", "rounded up", "in the corner", "many"],
)
def test_right_results_are_handed_on(result: Detections) -> None:
    assert check_result(result, SIZE_HW) is result


def large(score: float, height: int = 1 << 12) -> Detection:
    return stone(score=score, mask=Mask(0, 0, np.ones((1 << 12, height), bool)))


def test_masks_that_are_too_large_together_leave_the_best_and_say_so() -> None:
    items = [large(0.5 + n / 100) for n in (0, 3, 1, *range(4, 19))]  # 18 of 2^24 px, and 16 fit
    was = replace(found(*items, problems=("full: What?: empty",)), size_hw=(1 << 12, 1 << 12))
    got = check_result(replace(was, dropped=tuple(items)), was.size_hw)
    expected = [item for item in items if item.score > 0.51]
    assert list(got.items) == expected == list(got.dropped)
    assert got.problems[0].startswith("the 2 lowest scores left out") and got.problems[1:] == was.problems
    roundtrip = from_message(message(got))
    assert [item.score for item in roundtrip.items] == [item.score for item in expected]


def test_doubts_that_are_too_many_are_cut_without_a_word() -> None:
    was = found(stone(), dropped=tuple(stone(score=n / 2000) for n in range(2000)))
    got = check_result(was, SIZE_HW)
    assert got.dropped == was.dropped[MAX_INSTANCES:] and got.problems == () and got.items == was.items


def changed(**changes: Any) -> Callable[[Any], None]:
    return lambda m: vars(m.instances[0]).update(changes)


def region(x: int, y: int, width: int, height: int, *runs: int) -> Callable[[Any], None]:
    mask = SimpleNamespace(x=x, y=y, width=width, height=height, runs=np.array(runs, np.uint32))
    return changed(mask=mask, x_min=0.0, y_min=0.0, x_max=float(min(width, 12)), y_max=float(min(height, 10)))


def huge(m: Any) -> None:
    """Ten regions of 2^28 px, in some hundred bytes."""
    region(0, 0, 1 << 14, 1 << 14, 0, 1 << 28)(m)
    m.instances, m.image_width, m.image_height = m.instances * 10, 1 << 14, 1 << 14


WRONG_MESSAGES = {
    "regions of 2.7 GB": (huge, f"at most {MAX_PIXELS} px together, got 2684354560"),
    "image of 2^64 px": (lambda m: vars(m).update(image_width=1 << 32, image_height=1 << 32), "image of at most"),
    "ten thousand": (lambda m: vars(m).update(instances=m.instances * 10_000), "at most 1000 instances"),
    "region outside": (region(10, 0, 4, 4, 0, 16), "within 12 x 10, got 4 x 4 at"),
    "region far outside": (region(0xFFFFFFFF, 0, 1, 1, 0, 1), "within 12 x 10"),
    "runs too short": (region(0, 0, 4, 4, 0, 15), "= 16, got 15"),
    "runs of nothing": (region(0, 0, 1, 1, *[0] * 1000, 1), "at most 2 runs in 1 x 1 px, got 1001"),
    "negative runs": (changed(mask=SimpleNamespace(x=0, y=0, width=1, height=1, runs=[-1, 2])), "uint32"),
    "NaN score": (changed(score=math.nan), "score nan"),
    "infinite part": (changed(attention_score=math.inf), "attention inf"),
    "NaN box": (changed(x_max=math.nan), "boxes within 12 x 10"),
    "box outside": (changed(y_max=10.5), "boxes within 12 x 10"),
    "box inside out": (changed(x_min=9.0, x_max=3.0), "boxes within"),
    "box of another object": (changed(x_min=0.0, x_max=2.0), "box within 1 px of its mask's"),
    "box that is too wide": (changed(x_max=10.5), "box within 1 px"),
    "box in a loose region": (region(0, 0, 12, 10, 51, 2, 67), "box within 1 px of its mask's .5.0, 1.0, 6.0, 3.0."),
    "box of an empty mask": (region(0, 0, 3, 3, 9), "without area for an empty mask"),
    "box of no mask": (changed(mask=SimpleNamespace(x=0, y=0, width=0, height=0, runs=[])), "without area"),
    "terminal escape": (changed(label="\x1b]0;x\x07"), "printable"),
}


@pytest.mark.parametrize(("spoil", "text"), WRONG_MESSAGES.values(), ids=WRONG_MESSAGES)
def test_wrong_messages_are_refused_before_they_take_memory(spoil: Callable[[Any], None], text: str) -> None:
    got = message(found(stone()))
    spoil(got)
    tracemalloc.start()
    with pytest.raises(MaskError, match=text):
        from_message(got)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_a_loose_region_and_a_box_between_pixels_are_right() -> None:
    got = message(found(stone()))
    region(1, 1, 10, 8, *[12, 3, 5, 3, 57])(got)  # rows 4 and on of two columns
    changed(x_min=1.6, y_min=5.4, x_max=4.0, y_max=7.7)(got)
    (item,) = from_message(got).items
    assert item.xyxy == (2.0, 5.0, 4.0, 8.0) and item.mask.bits.all()


NOW = 1_700_000_000.25
AGES = {
    "now": (NOW, NOW, 0.0),
    "old": (NOW - 2.5, NOW, 2.5),
    "a recording": (100.0, NOW, NOW - 100.0),
    "a clock that is a little behind": (NOW + FUTURE_S, NOW, -FUTURE_S),
    "from the future": (NOW + FUTURE_S + 0.01, NOW, "0.5 s ahead of the clock"),
    "an hour ahead": (NOW + 3600, NOW, "3600.0 s ahead of the clock"),
    "no stamp": (0.0, NOW, "the image has no stamp"),
    "no clock": (NOW, 0.0, "there is no clock"),
    "neither": (0.0, 0.0, "there is no clock"),
    "NaN": (NOW, math.nan, "there is no clock"),
}


@pytest.mark.parametrize("as_time", [True, False], ids=["Time", "seconds"])
@pytest.mark.parametrize(("stamp_s", "now_s", "expected"), AGES.values(), ids=AGES)
def test_age(stamp_s: float, now_s: float, expected: float | str, as_time: bool) -> None:
    value, reason = age(stamp(stamp_s), stamp(now_s) if as_time and now_s == now_s else now_s)
    if isinstance(expected, str):
        assert math.isnan(value) and expected in reason
    else:
        assert value == pytest.approx(expected, abs=1e-6) and reason == ""


@pytest.mark.parametrize(
    "kind",
    [
        np.float64,
        np.int64,
        lambda s: np.float32(s - 1_700_000_000),
        lambda s: SimpleNamespace(nanoseconds=int(s * 1e9)),
    ],
    ids=["float64", "int64", "float32", "rclpy's Time"],
)
def test_time_in_other_forms(kind: Callable[[float], Any]) -> None:
    now = kind(1_700_000_010.0)
    seconds = 10.0 if isinstance(now, np.float32) else 1_700_000_010.0
    assert age(seconds - 2, now) == (2.0, "")
    assert fresh(message(found(), seconds - 2), now, 2.5) and not fresh(message(found(), seconds - 2), now, 1.5)


FRESH = {
    "fresh": (NOW - 1.9, NOW, {}, True),
    "partial": (NOW - 1.9, NOW, {"status": 1}, True),
    "stale": (NOW - 2.1, NOW, {}, False),
    "failed": (NOW, NOW, {"status": 10}, False),
    "internal": (NOW, NOW, {"status": 90}, False),
    "the age that it had when it left says nothing": (NOW - 60, NOW, {"age_s": 0.1}, False),
    "old when it left, by a clock of its own": (NOW - 1, NOW, {"age_s": 9e9}, True),
    "its detector knew no age": (NOW, NOW, {"age_s": math.nan}, False),
    "no stamp": (0.0, NOW, {}, False),
    "from the future": (NOW + 1, NOW, {}, False),
    "no clock": (NOW, 0.0, {}, False),
    "no clock and no stamp": (0.0, 0.0, {}, False),
}


@pytest.mark.parametrize(("stamp_s", "now_s", "changes", "expected"), FRESH.values(), ids=FRESH)
def test_fresh(stamp_s: float, now_s: float, changes: dict[str, Any], expected: bool) -> None:
    got = message(found(stone()), stamp_s, **changes)
    assert fresh(got, now_s, 2.0) is expected and fresh(got, stamp(now_s), 2.0) is expected


def test_nothing_is_fresh_by_a_limit_that_is_none() -> None:
    assert not fresh(message(found(), NOW), NOW, math.nan)
