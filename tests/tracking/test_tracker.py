from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from vlsam_ros.config import MergeOptions, TrackOptions
from vlsam_ros.data import Detection, Detections, Mask, intersection
from vlsam_ros.errors import ConfigError
from vlsam_ros.tracking.association import associate, overlaps
from vlsam_ros.tracking.carried import Carried, Frame, advance
from vlsam_ros.tracking.evidence import Evidence
from vlsam_ros.tracking.flow import WIDTH, Guess, Motion, fit, follow, small
from vlsam_ros.tracking.tracker import BLIND_S, HISTORY, Tracker

SIZE = (240, 320)
OPTIONS, MERGE = TrackOptions(), MergeOptions()


def texture(seed: int, size_hw: tuple[int, int]) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, [s // 6 + 2 for s in size_hw]).astype(np.uint8)
    return cv2.resize(rough, size_hw[::-1], interpolation=cv2.INTER_CUBIC)


GROUND, PATCH = texture(0, SIZE) // 3, texture(1, (40, 50)) // 2 + 120


def scene(*corners: tuple[float, float, float]) -> np.ndarray:
    """Patches of 40 × 50 pixels at (x, y), grown by a scale, on the ground; later ones hide earlier ones."""
    picture = GROUND.copy()
    for x, y, scale in corners:
        matrix = np.array([[scale, 0, x + 0.5 * (scale - 1)], [0, scale, y + 0.5 * (scale - 1)]])
        cover = cv2.warpAffine(np.full_like(PATCH, 255), matrix, SIZE[::-1]) > 127
        picture[cover] = cv2.warpAffine(PATCH, matrix, SIZE[::-1])[cover]
    return picture


def box(x: float, y: float, w: float, h: float) -> Mask:
    mask = np.zeros(SIZE, bool)
    mask[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = True
    return Mask.from_dense(mask)


def item(label: str, mask: Mask, score: float = 0.8, **more: str) -> Detection:
    return Detection(label, score, score, score, score, mask, **more)


def result(*items: Detection, **more: object) -> Detections:
    return Detections(SIZE, items, **more)  # type: ignore[arg-type]


def iou(a: Mask, b: Mask) -> float:
    shared = intersection(a, b)
    return shared / (a.area + b.area - shared)


def path(i: int) -> tuple[float, float, float]:
    """Comes closer and to the right."""
    return 60 + 5.0 * i, 70 + 2.0 * i, 1.0 + 0.06 * i


def place(i: int) -> Mask:
    x, y, scale = path(i)
    return box(x, y, 50 * scale, 40 * scale)


def driven(frames: int, tracker: Tracker | None = None) -> Tracker:
    tracker = tracker or Tracker(OPTIONS, MERGE)
    for i in range(frames):
        tracker.look(i, 0.1 * i, scene(path(i)), SIZE)
    return tracker


# --- points and motions


def test_motions_add_up() -> None:
    a, b, points = Motion(2.0, 1.0, -3.0), Motion(0.5, 4.0, 0.0), np.array([[0.0, 0.0], [3.0, -2.0]])
    assert a.then(b).of(points) == pytest.approx(b.of(a.of(points)))


def test_points_on_a_moving_texture_are_followed_and_lost_ones_are_told() -> None:
    before, after = scene((60, 70, 1)), scene((66.5, 68, 1))
    points = np.array([[75.0, 85.0], [90.0, 95.0], [300.0, 200.0]])
    there, ok = follow(before, after, points, points)
    assert ok.all()
    assert there == pytest.approx(points + [[6.5, -2], [6.5, -2], [0, 0]], abs=0.3)
    assert not follow(before, texture(9, SIZE), points, points)[1].any()
    assert [len(part) for part in follow(before, after, np.zeros((0, 2)), np.zeros((0, 2)))] == [0, 0]


def test_the_fit_finds_scale_and_shift_among_strays_and_keeps_to_the_guess_without_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 40, (40, 2))
    middle = np.array([[20.0, 20.0], [100.0, 100.0]])
    after = middle[0] + [3, -1] + 1.1 * (points - middle[0])
    after[:10] += rng.uniform(-30, 30, (10, 2))
    shift, scale = np.array([[0.0, 0.0], [2.0, 5.0]]), np.array([1.0, 1.3])
    guess = Guess(middle, shift, np.full(2, 10.0), scale, np.full(2, 0.1))
    moved, grown, support = fit(points, after, np.ones(40), np.zeros(40, int), guess)
    assert moved[0] == pytest.approx([3, -1], abs=0.2) and grown[0] == pytest.approx(1.1, abs=0.01)
    assert moved[1] == pytest.approx([2, 5]) and grown[1] == pytest.approx(1.3)
    assert support[0] > 25 and support[1] == 0
    moved, grown, support = fit(points[:0], after[:0], np.ones(0), np.zeros(0, int), guess)
    assert moved == pytest.approx(shift) and grown == pytest.approx(scale) and not support.any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (450, 800), (900, 1600, 3), (2000, 4000)], ids=str)
def test_small_pictures_keep_their_aspect(shape: tuple[int, ...]) -> None:
    gray = small(np.full(shape, 77, np.uint8))
    assert gray.ndim == 2 and max(gray.shape) == min(max(shape[:2]), WIDTH) and (gray == 77).all()


def test_a_mask_goes_and_grows_with_its_texture() -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0))))
    for i in range(1, 11):
        tracker.look(i, 0.1 * i, scene(path(i)), SIZE)
        (track,) = tracker.tracks().items
        assert iou(track.mask, place(i)) > 0.85
        assert iou(track.mask, place(i)) > iou(place(0), place(i))
    assert track.track is not None and track.track.unseen_s == pytest.approx(1.0)


def test_a_reduced_picture_carries_masks_of_the_whole_frame() -> None:
    tracker = Tracker(OPTIONS, MERGE)
    whole = [cv2.resize(scene(path(i)), (640, 480), interpolation=cv2.INTER_CUBIC) for i in range(6)]
    large = [Mask.from_dense(cv2.resize(place(i).dense(SIZE).view(np.uint8), (640, 480)) > 0) for i in range(6)]
    for i, picture in enumerate(whole):
        tracker.look(i, 0.1 * i, cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA), (480, 640))
        if i == 0:
            tracker.found(0, Detections((480, 640), (item("box", large[0]),)))
    (track,) = tracker.tracks().items
    assert iou(track.mask, large[5]) > 0.85


def test_a_mask_of_few_points_goes_with_the_scenery() -> None:
    frames = [Frame(i, 0.1 * i, np.roll(texture(3, SIZE), 4 * i, 1)) for i in range(4)]
    carried = Carried(box(100, 100, 1, 1), frames[0], SIZE)
    for before, after in zip(frames, frames[1:], strict=False):
        carried.points_xy = np.zeros((0, 2))
        advance([carried], before, after)
    assert carried.mask_at().xyxy == pytest.approx((112, 100, 113, 101), abs=1.01) and carried.blind_s == 0


# --- ids


def test_ids_stay_from_keyframe_to_keyframe_also_when_results_are_late() -> None:
    prompt, late = driven(1), driven(1)
    first = prompt.found(0, result(item("box", place(0))))
    late.found(0, result(item("box", place(0))))
    for i in range(1, 16):
        for tracker in (prompt, late):
            tracker.look(i, 0.1 * i, scene(path(i)), SIZE)
        if i == 8:
            told = prompt.found(8, result(item("box", place(8))))
    told_late = late.found(8, result(item("box", place(8))))
    for d in (told, told_late):
        assert d.items[0].track is not None and d.items[0].track.id == first.items[0].track.id  # type: ignore[union-attr]
        assert (d.items[0].track.seen, d.items[0].track.looked, d.items[0].track.unseen_s) == (2, 2, 0)
        assert d.items[0].mask.xyxy == place(8).xyxy
    for tracker in (prompt, late):
        (track,) = tracker.tracks().items
        assert iou(track.mask, place(15)) > 0.85 and track.track.unseen_s == pytest.approx(0.7)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "stamp_s",
    [
        lambda i: 0.2 * (i // 2),
        lambda i: 0.1 * i - 0.099 * (i % 2),
        lambda i: 5.0,
        lambda i: i // 10,
        lambda i: -0.01 * i,
    ],
    ids=["in pairs", "in bursts", "standing still", "whole seconds", "backwards"],
)
def test_stamps_that_tell_no_pace_lose_no_track(stamp_s: Callable[[int], float]) -> None:
    tracker = driven(0)
    for i in range(15):
        tracker.look(i, stamp_s(i), scene(path(i)), SIZE)
        if i == 0:
            tracker.found(0, result(item("box", place(0))))
        assert iou(tracker.tracks().items[0].mask, place(i)) > 0.85


@pytest.mark.parametrize(("rate_hz", "late_s"), [(10, 3.0), (30, 2.0), (30, 5.0)])
def test_an_expected_result_is_of_its_own_frame_however_late(rate_hz: int, late_s: float) -> None:
    tracker, first = driven(0), 300
    for i in range(first + int(rate_hz * late_s)):
        there = 20 + 9.0 * (i - first) / rate_hz * 3, 80.0
        tracker.look(i, i / rate_hz, scene((*there, 1)), SIZE)
        if i == first:
            assert tracker.expect(first) and not tracker.expect(first + 1) and tracker.expect(first)
        assert len(tracker._frames) <= HISTORY + 1
    tracker.found(first, result(item("box", box(20, 80, 50, 40))))
    assert iou(tracker._tracked[0].carried.mask_at(), box(*there, 50, 40)) > 0.85


def test_things_that_cross_keep_their_ids() -> None:
    tracker = Tracker(OPTIONS, MERGE)
    ids = []
    for i in range(21):
        a, b = (40 + 8.0 * i, 60.0, 1.0), (200 - 8.0 * i, 100.0, 1.0)
        tracker.look(i, 0.1 * i, scene(a, b), SIZE)
        if i % 5 == 0:
            told = tracker.found(i, result(item("car", box(*a[:2], 50, 40)), item("dog", box(*b[:2], 50, 40))))
            ids.append([d.track.id for d in told.items if d.track])
    assert ids == [["1", "2"]] * 5


def test_same_names_side_by_side_keep_apart_in_any_order() -> None:
    tracker = Tracker(OPTIONS, MERGE)
    row = [(20.0 + 60 * k, 100.0, 1.0) for k in range(4)]
    seen: list[dict[float, str]] = []
    for i in range(3):
        tracker.look(i, 0.1 * i, scene(*row), SIZE)
        items = [item("cone", box(x, y, 50, 40)) for x, y, _ in row]
        told = tracker.found(i, result(*(items if i % 2 else items[::-1])))
        seen.append({d.mask.xyxy[0]: d.track.id for d in told.items if d.track})
    assert seen[0] == seen[1] == seen[2] and len(set(seen[0].values())) == 4


@pytest.mark.parametrize(
    ("name", "mask", "same"),
    [
        ("tyre", box(60, 70, 50, 40), True),
        ("car tire", box(64, 72, 46, 40), True),
        ("dog", box(60, 70, 50, 40), True),
        ("dog", box(90, 90, 50, 40), False),
        ("tire", box(200, 70, 50, 40), False),
        ("tire", box(0, 0, 320, 240), True),
        ("dog", box(0, 0, 320, 240), False),
        ("cone", box(70, 80, 10, 20), False),
        ("car tire", box(70, 80, 10, 20), True),
    ],
)
def test_what_is_one_object(name: str, mask: Mask, same: bool) -> None:
    meaning_of = {"tyre": "tire", "car tire": "tire"}.get
    pairs = associate([item("tire", box(60, 70, 50, 40))], [item(name, mask)], lambda n: meaning_of(n, n) or n, [0.0])
    assert pairs == ([(0, 0)] if same else [])


def test_together_as_many_as_possible_agree() -> None:
    a, b = box(50, 50, 40, 40), box(70, 50, 40, 40)
    found = [item("cone", box(64, 50, 40, 40)), item("cone", box(86, 50, 40, 40))]
    assert associate([item("cone", a), item("cone", b)], found, str, [0.0, 0.0]) == [(0, 0), (1, 1)]


def test_overlaps_are_those_of_dense_masks() -> None:
    rng = np.random.default_rng(2)
    masks = [Mask.from_dense(cv2.blur(rng.random(SIZE), (30, 30)) > 0.5) for _ in range(3)] + [box(0, 0, 0, 0)]
    for i, one in enumerate(masks):
        for j, other in enumerate(masks):
            a, b = one.dense(SIZE), other.dense(SIZE)
            both = (a & b).sum()
            expected = (both / (a | b).sum(), both / min(a.sum(), b.sum())) if both else (0.0, 0.0)
            assert overlaps(masks, masks)[:, i, j] == pytest.approx(expected)


def test_ids_never_come_twice() -> None:
    tracker, seen = Tracker(OPTIONS, MERGE, "front-"), []
    for i in range(20):
        tracker.look(i, 100.0 * i, scene(path(0)), SIZE)  # each time it all ends
        seen += [d.track.id for d in tracker.found(i, result(item("box", place(0)))).items if d.track]
    after = Tracker(OPTIONS, MERGE, "front-", first=tracker.next)
    after.look(0, 0.0, scene(path(0)), SIZE)
    seen += [d.track.id for d in after.found(0, result(item("box", place(0)))).items if d.track]
    assert seen == [f"front-{n}" for n in range(1, 22)]


def test_the_same_calls_give_the_same_tracks() -> None:
    runs = []
    for _ in range(2):
        tracker = driven(3)
        tracker.found(1, result(item("box", place(1)), item("stone", box(5, 5, 9, 9))))
        runs.append([(d.label, d.score, d.track, d.xyxy) for d in driven(9, tracker).tracks().items])
    assert runs[0] == runs[1] and len(runs[0]) == 2


def test_without_frames_between_keyframes_ids_stay() -> None:
    tracker, ids = Tracker(OPTIONS, MERGE), set()
    for i in range(0, 8, 2):
        tracker.look(i, float(i), scene(path(i)), SIZE)
        ids |= {d.track.id for d in tracker.found(i, result(item("box", place(i)))).items if d.track}
    assert ids == {"1"}


# --- evidence


def test_no_result_for_long_lets_the_score_fall_and_hides_nothing() -> None:
    tracker, scores = driven(1), []
    tracker.found(0, result(item("box", place(0), 0.8)))
    for i in range(1, 13):
        tracker.look(i, 0.5 * i, scene(path(0)), SIZE)
        scores += [d.score for d in tracker.tracks().items]
    assert scores == pytest.approx([0.8 * 0.5 ** (0.5 * i / OPTIONS.half_life_s) for i in range(1, 13)])


def test_evidence_is_bayes_rule() -> None:
    options = TrackOptions(again=0.8, again_false=0.4)
    assert Evidence.of(0.6).believed == pytest.approx(0.6)
    odds = 0.6 / 0.4 * (0.8 / 0.4) * (0.2 / 0.6) ** 2
    for gone in (
        Evidence.of(0.5).saw(0.6, options).missed(options).missed(options),
        Evidence.of(0.6).missed(options).missed(options).saw(0.5, options),
    ):
        assert (gone.seen, gone.looked, gone.best) == (2, 4, 0.6)
        assert gone.believed == pytest.approx(odds / (1 + odds))


@pytest.mark.parametrize("score", [0.0, 0.3, 1.0])
def test_evidence_stays_in_range_and_turns_soon(score: float) -> None:
    seen = missed = Evidence.of(score)
    for _ in range(500):
        seen, missed = seen.saw(score, OPTIONS), missed.missed(OPTIONS)
    assert 0 < missed.believed <= 0.011 and 0.989 <= seen.believed < 1
    for _ in range(6):
        seen = seen.missed(OPTIONS)
    assert seen.believed < 0.5 and (seen.seen, seen.looked) == (501, 507)


def test_what_was_seen_for_long_and_is_gone_ends_within_a_few_keyframes() -> None:
    tracker = driven(1)
    for i in range(60):
        tracker.look(i, 0.1 * i, scene(path(0)), SIZE)
        tracker.found(i, result(item("box", place(0))))
    for i in range(60, 65):
        tracker.look(i, 0.1 * i, scene(path(0)), SIZE)
        assert len(tracker.tracks()) == 1
        tracker.found(i, result())
    assert not len(tracker.tracks())


def test_a_blank_keyframe_says_nothing_of_what_is_there() -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0))))
    for i in range(1, 9):
        tracker.look(i, 0.1 * i, np.zeros(SIZE, np.uint8), SIZE)
        tracker.found(i, result())
    (track,) = tracker.tracks().items
    assert track.track and (track.track.seen, track.track.looked) == (1, 1)


def test_a_name_of_a_single_keyframe_dies_and_one_that_is_seen_again_stays() -> None:
    tracker = driven(1)
    steady, once = item("box", place(0), 0.65), item("ghost", box(200, 150, 60, 60), 0.65)
    tracker.found(0, result(steady, once))
    assert {d.label for d in tracker.tracks().items} == {"box", "ghost"}
    for i in range(1, 4):
        tracker.look(i, 0.1 * i, scene(path(0)), SIZE)
        tracker.found(i, result(steady))
    (left,) = tracker.tracks().items
    assert left.label == "box" and left.score > 0.8


@pytest.mark.parametrize(
    ("skipped", "looked"),
    [((), 2), (("far_1",), 1), (("far_1: What is there?",), 1), (("far_2", "far_1: Other?"), 2)],
)
def test_views_that_were_skipped_do_not_count(skipped: tuple[str, ...], looked: int) -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0), view="far_1", question="What is there?")))
    tracker.look(1, 0.1, scene(path(0)), SIZE)
    tracker.found(1, result(skipped=skipped))
    (left,) = replace_min(tracker).tracks().items
    assert left.track is not None and (left.track.seen, left.track.looked) == (1, looked)


def replace_min(tracker: Tracker) -> Tracker:
    tracker.configure(replace(OPTIONS, min_score=0.0), MERGE)
    return tracker


def test_a_second_result_for_a_keyframe_counts_once() -> None:
    tracker = driven(1)
    first = tracker.found(0, result(item("box", place(0)), skipped=("far_0",)))
    second = tracker.found(0, result(item("box", place(0)), item("dog", box(200, 150, 60, 60))))
    assert [d.track and (d.track.id, d.track.seen, d.track.looked) for d in second.items] == [("1", 1, 1), ("2", 1, 1)]
    assert first.items[0].track == second.items[0].track


def test_the_name_with_more_evidence_is_shown() -> None:
    tracker = driven(1)
    for i, (name, score) in enumerate([("dog", 0.9), ("fox", 0.6), ("fox", 0.6)]):
        tracker.look(i, 0.1 * i, scene(path(0)), SIZE)
        told = tracker.found(i, result(item(name, place(0), score)))
        assert told.items[0].label == name
    assert [d.label for d in tracker.tracks().items] == ["fox"]


def test_one_object_that_was_two_becomes_one_again() -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0)), item("box", box(80, 80, 30, 30))))
    tracker.look(1, 0.1, scene(path(0)), SIZE)
    tracker.found(1, result(item("box", place(0))))
    assert [d.track and d.track.id for d in tracker.tracks().items] == ["1"]


# --- ends and faults


def test_what_leaves_the_picture_ends_and_what_is_unseen_for_long() -> None:
    tracker = Tracker(OPTIONS, MERGE)
    for i in range(30):
        x = 150 + 12.0 * i
        tracker.look(i, 0.1 * i, scene((x, 80, 1)), SIZE)
        if i == 0:
            tracker.found(0, result(item("box", box(x, 80, 50, 40))))
        if i == 10:
            assert tracker.tracks().items[0].mask.xyxy[2] == 320
    assert not len(replace_min(tracker).tracks())
    tracker = replace_min(driven(1))
    tracker.found(0, result(item("box", place(0))))
    for i in range(1, 15):
        tracker.look(i, 0.5 * i, scene(path(0)), SIZE)
        assert len(tracker.tracks()) == (0.5 * i <= OPTIONS.keep_s)


def test_what_is_gone_from_one_frame_to_the_next_is_not_kept_on_the_ground_where_it_was() -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0))))
    for i in range(1, 12):
        tracker.look(i, 0.1 * i, GROUND, SIZE)
        assert len(tracker.tracks()) == (0.1 * i <= BLIND_S + 1e-6)
    tracker.look(12, 1.2, scene((65, 72, 1)), SIZE)
    told = tracker.found(12, result(item("box", box(65, 72, 50, 40))))  # hidden for a while
    assert [d.track and d.track.id for d in told.items] == ["1"] and len(tracker.tracks()) == 1


def test_a_spoilt_picture_loses_nothing() -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0))))
    for i in range(1, 12):
        picture = scene(path(i))
        tracker.look(i, 0.1 * i, cv2.blur(picture, (25, 25)) if i == 3 else picture, SIZE)
        assert iou(tracker.tracks().items[0].mask, place(i)) > 0.6


def test_a_cut_ends_all_and_a_black_picture_does_not() -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0))))
    tracker.look(1, 0.1, np.zeros(SIZE, np.uint8), SIZE)
    tracker.look(2, 0.2, scene(path(1)), SIZE)
    assert iou(tracker.tracks().items[0].mask, place(1)) > 0.85
    tracker.look(3, 0.3, texture(5, SIZE), SIZE)
    assert not len(tracker.tracks())
    old = result(item("box", place(0)))
    assert tracker.found(2, old) is old  # of before the cut
    assert tracker.found(3, old).items[0].track is not None


@pytest.mark.parametrize(
    ("number", "time_s", "size_hw", "kept"),
    [
        (1, 0.1, SIZE, True),
        (1, 0.0, SIZE, True),
        (1, -0.5, SIZE, True),
        (0, 0.1, SIZE, True),
        (1, -50.0, SIZE, False),
        (1, 1e9, SIZE, False),
        (1, 0.1, (480, 640), False),
    ],
)
def test_jumps_of_time_and_changes_of_size(number: int, time_s: float, size_hw: tuple[int, int], kept: bool) -> None:
    tracker = driven(1)
    tracker.found(0, result(item("box", place(0))))
    tracker.look(number, time_s, scene(path(0)), size_hw)
    assert len(tracker.tracks()) == kept and tracker.tracks().size_hw == size_hw


def test_results_that_fit_no_frame_come_back_as_they_are() -> None:
    some = result(item("box", place(0)))
    assert Tracker(OPTIONS, MERGE).found(3, some) is some
    tracker = driven(5)
    assert tracker.found(3, some).items[0].track is not None
    assert tracker.found(2, some) is some
    assert tracker.found(9, replace(some, size_hw=(480, 640))).items[0].track is None


def test_a_keyframe_between_two_frames_belongs_to_the_nearest() -> None:
    tracker = Tracker(OPTIONS, MERGE)
    for i in (0, 10, 20):
        tracker.look(i, 0.01 * i, scene(path(i // 10)), SIZE)
    tracker.found(11, result(item("box", place(1))))
    assert iou(tracker.tracks().items[0].mask, place(2)) > 0.85


def test_the_history_is_bounded_and_still_reaches_back() -> None:
    tracker = driven(1)
    for i in range(1, 200):
        tracker.look(i, 0.03 * i, scene(path(0)), SIZE)
        assert len(tracker._frames) <= HISTORY
    tracker.found(2, result(item("box", place(0))))
    assert iou(tracker._tracked[0].carried.mask_at(), place(0)) > 0.9


@pytest.mark.parametrize("gray", [np.zeros((1, 1)), texture(1, (8, 8)), texture(1, SIZE)], ids=["1", "8", "whole"])
def test_masks_of_a_pixel_of_nothing_and_of_everything(gray: np.ndarray) -> None:
    size_hw = gray.shape[:2]
    whole, pixel = np.ones(size_hw, bool), np.zeros(size_hw, bool)
    pixel[-1, -1] = True
    items = [item("road", Mask.from_dense(whole)), item("dot", Mask.from_dense(pixel))]
    items.append(item("nothing", Mask.from_dense(np.zeros(size_hw, bool))))
    tracker = Tracker(OPTIONS, MERGE)
    for i in range(4):
        tracker.look(i, 0.1 * i, gray.astype(np.uint8), size_hw)
        told = tracker.found(i, Detections(size_hw, tuple(items)))
        assert len(told) == 3
        for d in tracker.tracks().items:
            x0, y0, x1, y1 = d.xyxy
            assert 0 <= x0 < x1 <= size_hw[1] and 0 <= y0 < y1 <= size_hw[0]


def test_hundreds_of_instances_are_bounded() -> None:
    tracker, rng = driven(1), np.random.default_rng(0)
    for i in range(1, 4):
        tracker.look(i, 0.1 * i, scene(path(i)), SIZE)
        corners = rng.integers(0, 200, (300, 2))
        tracker.found(i, result(*(item("box", box(x, y, 12, 9), rng.random()) for x, y in corners)))
        assert len(tracker._tracked) <= MERGE.max_instances


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_results_are_valid_and_bounded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracker, number, time_s, size_hw, ids = Tracker(OPTIONS, MERGE), 0, 0.0, SIZE, set()
    pictures = [scene(path(i)) for i in range(5)] + [texture(7, SIZE), np.zeros(SIZE, np.uint8)]
    for _ in range(120):
        number += int(rng.integers(-1, 4))
        time_s += float(rng.choice([0.0, 0.05, 0.1, 1.0, -0.1, 30.0], p=[0.1, 0.4, 0.3, 0.1, 0.05, 0.05]))
        size_hw = SIZE if rng.random() < 0.95 else (60, 80)
        tracker.look(number, time_s, pictures[rng.integers(len(pictures))][: size_hw[0], : size_hw[1]], size_hw)
        if rng.random() < 0.5:
            corners = rng.integers(-40, size_hw, (rng.integers(0, 5), 2))
            items = [item(str(rng.choice(["car", "dog"])), box(*xy[::-1], *rng.integers(1, 120, 2))) for xy in corners]
            inside = [replace(d, mask=Mask.from_dense(d.mask.dense(SIZE)[: size_hw[0], : size_hw[1]])) for d in items]
            told = tracker.found(number - int(rng.integers(0, 8)), Detections(size_hw, tuple(inside)))
            now = [d.track.id for d in told.items if d.track]
            assert len(now) == len(set(now)) and all(a.mask is b.mask for a, b in zip(told.items, inside, strict=True))
            ids |= set(now)
        shown = tracker.tracks()
        assert [d.score for d in shown.items] == sorted((d.score for d in shown.items), reverse=True)
        assert len({d.track.id for d in shown.items if d.track} & ids) == len(shown)
        for d in shown.items:
            assert d.track and 1 <= d.track.seen <= d.track.looked and 0 <= d.track.unseen_s <= OPTIONS.keep_s
            assert 0 < d.score <= 1 and Mask.from_dense(d.mask.dense(size_hw)).xyxy == d.xyxy


def test_a_chance_to_see_again_what_is_not_there_is_the_smaller_one() -> None:
    with pytest.raises(ConfigError, match="again_false"):
        TrackOptions(again=0.5, again_false=0.6)
