"""Recall by size, at fixed rates of false positives, and calibration, against brute force."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_evaluation_metrics import random_frames

from tests.labelled import box, scored
from vlsam_ros.config import Config, ScoreOptions
from vlsam_ros.data import Witness
from vlsam_ros.errors import DataError
from vlsam_ros.evaluation import calibration, operating
from vlsam_ros.evaluation.dataset import Instance
from vlsam_ros.evaluation.metrics import Scored
from vlsam_ros.evaluation.operating import Matches, match
from vlsam_ros.localisation.fusion import fused
from vlsam_ros.localisation.score import PARTS, score


def counts(frames: list[Scored], threshold: float) -> tuple[int, int, int]:
    """Objects found, right and wrong detections above a threshold, one pair after the other (boxes)."""
    found = right = wrong = 0
    for s in frames:
        objects = [t for t in s.truth if not t.ignore]
        for d in (d for d in s.found if d.score >= threshold):
            best = max(objects, key=lambda t: iou(d.xyxy, t.xyxy), default=None)
            if best is not None and iou(d.xyxy, best.xyxy) >= 0.5:
                objects.remove(best)
                found, right = found + 1, right + 1
            elif not sum(shared(d.xyxy, t.xyxy) / area(d.xyxy) for t in s.truth if t.ignore) > 0.5:
                wrong += 1
    return found, right, wrong


def area(b: tuple[float, ...]) -> float:
    return (b[2] - b[0]) * (b[3] - b[1])


def shared(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return shared(a, b) / (area(a) + area(b) - shared(a, b))


@pytest.mark.parametrize("seed", range(8))
def test_counts_at_every_threshold(seed: int) -> None:
    frames = random_frames(seed)
    matches, objects = match(frames, "box"), sum(not t.ignore for s in frames for t in s.truth)
    thresholds, false, share = operating.curve(matches)
    for t in np.linspace(0, 1, 11):
        found, right, wrong = counts(frames, t)
        m = matches.above(t)
        assert (m.right.sum(), m.wrong.sum()) == (right, wrong)
        assert operating.recall(m) == found / objects
        assert operating.false_per_frame(m) == pytest.approx(wrong / len(frames))
    for t, f, s in zip(thresholds, false, share, strict=True):
        found, _, wrong = counts(frames, t)
        assert (f, s) == (pytest.approx(wrong / len(frames)), pytest.approx(found / objects))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bound", [0, 0.1, 0.34, 1, 5])
def test_recall_at_fixed_rates(seed: int, bound: float) -> None:
    frames = random_frames(seed)
    objects = sum(not t.ignore for s in frames for t in s.truth)
    tried = [counts(frames, t) for t in {d.score for s in frames for d in s.found}]
    best = max([found / objects for found, _, wrong in tried if wrong / len(frames) <= bound], default=0)
    recall, least, rate = operating.recall_at(match(frames, "box"), bound)
    assert recall == pytest.approx(best) and rate <= bound
    if recall:
        assert counts(frames, least)[0] / objects == pytest.approx(recall)


def test_boxes_and_masks_of_boxes_agree() -> None:
    frames = random_frames(1)
    by_box, by_mask = match(frames, "box"), match(frames, "mask")
    assert np.array_equal(by_box.right, by_mask.right) and np.array_equal(by_box.object_score, by_mask.object_score)


def test_bins() -> None:
    truth = [box("dog", 0, 0, 5, h, distance_m=d) for h, d in ((11.5, 5), (12, 30), (19, math.nan), (20, 500))]
    found = [box("cat", *truth[i].xyxy, 0.9) for i in (1, 3)]
    m = match([scored(1, truth[i : i + 1], [f for f in found if f.xyxy == truth[i].xyxy]) for i in range(4)], "mask")
    rows = operating.recall_by(m, m.height_px, operating.HEIGHTS_PX)
    assert [(r[2], r[3]) for r in rows[:3]] == [(1, 0), (2, 0.5), (1, 1)] and rows[3][2] == 0 and math.isnan(rows[3][3])
    rows = operating.recall_by(m, m.distance_m, operating.DISTANCES_M)
    assert [r[2] for r in rows] == [1, 0, 1, 0, 1] and rows[-1][1] == math.inf


def test_names_and_empty_roads() -> None:
    dog = box("dog", 0, 0, 10, 10)
    hound = box("hound", 0, 0, 10, 10, 0.8, category="dog")
    frames = [
        scored(1, [dog], [hound]), scored(2, [dog], [box("cat", *dog.xyxy, 0.7)]), scored(3, [], []),
        scored(4, [], [hound]), scored(5, [box("", 0, 0, 20, 20, ignore=True)], [hound]),
    ]  # fmt: skip
    m = match(frames, "mask")
    assert operating.names_right(m) == 0.5
    assert operating.empty_frames(m) == (2, 1)
    assert operating.empty_frames(m.above(0.9)) == (2, 2)
    assert operating.false_per_frame(m) == 1 / 5


def test_nothing_at_all() -> None:
    m = match([scored(1, [], [])], "box")
    assert math.isnan(operating.recall(m)) and math.isnan(operating.names_right(m))
    assert operating.false_per_frame(m) == 0 and operating.empty_frames(m) == (1, 1)
    assert math.isnan(operating.calibration_error(m.score, m.right))
    assert math.isnan(operating.recall_at(m, 1)[0])
    found_none = match([scored(1, [box("dog", 0, 0, 9, 9)], [])], "box")
    assert operating.recall_at(found_none, 1) == (0, math.inf, 0)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.append(rng.random(50).round(2), [0, 1])
    right = rng.random(52) < scores
    error = 0.0
    for low, high, n, mean, share in operating.reliability(scores, right):
        inside = [r for s, r in zip(scores, right, strict=True) if low <= s < high or s == high == 1]
        assert len(inside) == n and (not n or share == pytest.approx(np.mean(inside)))
        error += n * abs(mean - share) / 52 if n else 0
    assert operating.calibration_error(scores, right) == pytest.approx(error)
    assert operating.calibration_error(np.full(10, 0.7), np.arange(10) < 7) == pytest.approx(0)


def test_fitted_scores_are_probabilities() -> None:
    """Objects that are right with a known probability of their parts; the fit finds it on other ones."""
    rng = np.random.default_rng(0)
    truth = ScoreOptions("logistic", -4, 5, 0, 3)

    def frames(n: int) -> list[Scored]:
        made = []
        for i, parts in enumerate(rng.random((n, 4)), 1):
            right = rng.random() < score(parts, truth)
            item = box("dog", 0, 0, 10, 10, float(parts[1]), parts=tuple(parts))
            made.append(scored(i, [box("dog", 0, 0, 10, 10)] if right else [], [item]))
        return made

    fitted = calibration.fit(frames(1500), "box")
    options = fitted.score
    assert fitted.error < 0.05 and fitted.fusion is None and options.mapping == "logistic" and options.iou < 0.5
    before = {"fusion.mapping": "logistic", "fusion.score": 9.0}  # of an earlier fit, to several ways
    assert Config.from_flat(before | fitted.options()).fusion.mapping == "independent"
    assert "fusion.attention_checks" not in fitted.options()  # a choice, which no fit makes
    fresh = frames(1500)
    m: Matches = match(fresh, "box")
    parts = np.array([s.found[0].parts for s in sorted(fresh, key=lambda s: -s.found[0].score)])
    assert operating.calibration_error(score(parts, options), m.right) < 0.05
    assert operating.calibration_error(m.score, m.right) > 0.05


def test_fusion_learns_whom_to_believe() -> None:
    """What is right is decided by the attention's evidence; the grounder's says nothing."""
    rng = np.random.default_rng(0)

    def frames(n: int) -> list[Scored]:
        made = []
        for i, (part, a, g) in enumerate(rng.random((n, 3)), 1):
            evidence = {"attention": float(a), "grounder": float(g)} if i % 5 else {"grounder": float(g)}
            right = rng.random() < 1 / (1 + np.exp(-8 * (evidence.get("attention", 0.5) - 0.5)))
            item = box("dog", 0, 0, 10, 10, float(part), parts=(float(part), 0.5, 0.5, 1.0), evidence=evidence)
            made.append(scored(i, [box("dog", 0, 0, 10, 10)] if right else [], [item]))
        return made

    fitted = calibration.fit(frames(1500), "box")
    fusion = fitted.fusion
    assert fusion is not None and fusion.mapping == "logistic" and fitted.error < 0.05
    assert fusion.attention > 5 and fusion.grounder < 1 and fusion.native == 0
    assert fusion.attention_mean == pytest.approx(0.5, abs=0.03)
    assert Config.from_flat(fitted.options()).fusion == fusion
    assert "fusion.attention_checks" not in fitted.options()
    fresh = [s.found[0] for s in frames(500)]

    def score_of(item: Instance) -> float:
        own = float(score(np.array(item.parts), fitted.score))
        return fused({"grounder": own}, [Witness(way, e, 1.0) for way, e in item.evidence.items()], fusion)

    sure = [score_of(i) for i in fresh if i.evidence.get("attention", 0.5) > 0.9]
    false = [score_of(i) for i in fresh if i.evidence.get("attention", 0.5) < 0.1]
    assert min(sure) > 0.85 and max(false) < 0.15


def noisy(count: int, *ways: str, seed: int = 0) -> list[Scored]:
    """Frames with one detection each, right where its first part is high, as a rule, and ways that know nothing."""
    rng, made = np.random.default_rng(seed), []
    for number in range(1, count + 1):
        parts = tuple(rng.random(4).tolist())
        right, evidence = rng.random() < parts[0], dict(zip(ways, rng.random(len(ways)).tolist(), strict=True))
        item = box("dog", 0, 0, 10, 10, parts[1], parts=parts, evidence=evidence)
        made.append(scored(number, [box("dog", 0, 0, 10, 10)] if right else [], [item]))
    return made


def test_what_lies_on_ignored_regions_is_not_fitted() -> None:
    region = (box("", 0, 0, 20, 20, ignore=True),)
    ignored = [replace(s, truth=region) for s in noisy(200, "native", "grounder", seed=1)]
    some = noisy(200, "native", "grounder")
    assert calibration.fit([*some, *ignored], "box") == calibration.fit(some, "box")


@pytest.mark.parametrize("ways", [(), ("native",)])
def test_one_way_alone_is_not_fused(ways: tuple[str, ...]) -> None:
    some = noisy(200, *ways)
    fitted = calibration.fit(some, "box")
    assert fitted.fusion is None and fitted.options()["fusion.mapping"] == "independent"
    scores = score(np.array([s.found[0].parts for s in some]), fitted.score)
    assert fitted.error == pytest.approx(operating.calibration_error(scores, rights(some)))


def test_the_error_is_that_of_the_fused_scores() -> None:
    some = noisy(200, "native", "grounder")
    fitted = calibration.fit(some, "box")
    assert fitted.fusion is not None
    scores = score(np.array([s.found[0].parts for s in some]), fitted.score)
    said = [[Witness(way, e, 1.0) for way, e in s.found[0].evidence.items()] for s in some]
    final = [fused({"": float(s)}, witnesses, fitted.fusion) for s, witnesses in zip(scores, said, strict=True)]
    assert fitted.error == pytest.approx(operating.calibration_error(np.array(final), rights(some)))
    assert fitted.error != pytest.approx(operating.calibration_error(scores, rights(some)), abs=1e-3)


def rights(some: list[Scored]) -> np.ndarray:
    return np.array([bool(s.truth) for s in some])


def test_weights_stay_finite_where_all_is_told_apart() -> None:
    made = []
    for number, part in enumerate(np.linspace(0, 1, 20).tolist(), 1):
        item = box("dog", 0, 0, 10, 10, part, parts=(part,) * 4, evidence={"native": part, "grounder": part})
        made.append(scored(number, [box("dog", 0, 0, 10, 10)] if part > 0.5 else [], [item]))
    fitted = calibration.fit(made, "box")
    options = fitted.options()
    assert all(0 < options[f"score.{part}"] < 100 for part in PARTS) and -100 < options["score.bias"] < 0
    assert all(options[f"fusion.{part}"] < 100 for part in ("score", "native", "grounder")) and fitted.error < 0.05


def test_nothing_to_fit() -> None:
    for found in ([], [box("dog", 0, 0, 9, 9, 0.5)], [box("dog", 0, 0, 9, 9, 0.5, parts=(0.5, 0.5, 0.5, 1.0))]):
        with pytest.raises(DataError, match="some right and some not"):
            calibration.fit([scored(1, [box("dog", 0, 0, 9, 9)], found)], "box")
