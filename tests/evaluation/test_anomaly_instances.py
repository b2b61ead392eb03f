"""Cityscapes' average precision, as OoDIS has it, against a slow reference that follows its evaluator's rules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.evaluation.test_anomaly_pixels import SIZE, THING, frame, labels_of, random_case, rectangle
from vlsam_ros.evaluation import anomaly_instances
from vlsam_ros.evaluation.anomaly_instances import THRESHOLDS
from vlsam_ros.evaluation.anomaly_pixels import union
from vlsam_ros.evaluation.metrics import Scored


def slow(scored: list[Scored], threshold: float) -> float:
    """For each detection in turn: which object does it match, is it the best there, or is it on what is ignored?"""
    outcomes, objects = [], 0
    for s in scored:
        masks = [(union(s, [i]), i.ignore) for i in s.truth]
        ignored = np.zeros(s.frame.size_hw, bool)
        for mask, ignore in masks:
            ignored |= mask & (ignore or mask.sum() < 10)
        truth = [mask for mask, ignore in masks if not ignore and mask.sum() >= 10]
        objects += len(truth)
        best: dict[int, float] = {}
        for item in s.found:
            mask = union(s, [item])
            if not mask.any():
                continue
            hits = [n for n, t in enumerate(truth) if (mask & t).sum() / (mask | t).sum() > threshold]
            if not hits:
                if (mask & ignored).sum() / mask.sum() <= threshold:
                    outcomes.append((item.score, False))
            elif hits[0] not in best:
                best[hits[0]] = item.score  # detections come by falling score
                outcomes.append((item.score, True))
            else:
                outcomes.append((item.score, False))
    if not objects:
        return math.nan
    points = [(0.0, 1.0)]
    for t in sorted({score for score, _ in outcomes}, reverse=True):
        counted = [right for score, right in outcomes if score >= t]
        points.append((sum(counted) / objects, sum(counted) / len(counted)))
    return sum((r1 - r0) * (p1 + p0) / 2 for (r0, p0), (r1, p1) in zip(points, points[1:], strict=False))


@pytest.mark.parametrize("seed", range(12))
def test_as_by_hand(seed: int) -> None:
    scored = [frame(*c) for c in random_case(seed)]
    each = [slow(scored, t) for t in THRESHOLDS]
    assert anomaly_instances.figures(scored) == pytest.approx({"AP": np.mean(each), "AP50": each[0]}, nan_ok=True)


CASES = {
    "perfect": (labels_of(THING), [(THING, 0.5)], 1.0),
    "none found": (labels_of(THING), [], 0.0),
    "nothing there": (labels_of(np.zeros(SIZE, bool)), [(THING, 0.5)], math.nan),
    "all void": (np.full(SIZE, 255, np.uint8), [(THING, 0.5)], math.nan),
    "a second one is false": (labels_of(THING), [(THING, 0.9), (THING, 0.8)], 1.0),
    "a false one before": (labels_of(THING), [(THING, 0.8), (rectangle(22, 0, 30, 8), 0.9)], 0.25),
    "a better one on void": (
        labels_of(THING, rectangle(21, 0, 32, 24)), [(THING, 0.8), (rectangle(22, 0, 30, 8), 0.9)], 1.0
    ),
    "half of it": (labels_of(THING), [(rectangle(4, 4, 12, 16), 0.9)], 0.0),  # an IoU of 0.5 is not greater than 0.5
    "too small to count": (labels_of(THING | rectangle(25, 20, 28, 23)), [(THING, 0.8)], 1.0),
    "an empty mask": (labels_of(THING), [(np.zeros(SIZE, bool), 0.9), (THING, 0.8)], 1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_ap50(case: str) -> None:
    labels, found, expected = CASES[case]
    assert anomaly_instances.figures([frame(labels, found)])["AP50"] == pytest.approx(expected, nan_ok=True)


def test_no_frames() -> None:
    assert math.isnan(anomaly_instances.figures([])["AP"])
