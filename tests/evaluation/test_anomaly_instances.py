"""Cityscapes' average precision, as OoDIS has it, against a slow reference that follows its evaluator's rules."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.evaluation.test_anomaly_pixels import SIZE, THING, frame, labels_of, random_case, rectangle
from vlsam_ros.evaluation import anomaly_instances, label_pictures, metrics
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
    "half of a better one on void": (
        labels_of(THING, rectangle(26, 0, 32, 24)), [(THING, 0.8), (rectangle(22, 0, 30, 8), 0.9)], 0.25
    ),
    "half of it": (labels_of(THING), [(rectangle(4, 4, 12, 16), 0.9)], 0.0),  # an IoU of 0.5 is not greater than 0.5
    "too small to count": (labels_of(THING | rectangle(25, 20, 28, 23)), [(THING, 0.8)], 1.0),
    "just large enough to count": (labels_of(THING | rectangle(25, 20, 30, 22)), [(THING, 0.8)], 0.5),
    "an empty mask": (labels_of(THING), [(np.zeros(SIZE, bool), 0.9), (THING, 0.8)], 1.0),
    "a false one of the same score": (labels_of(THING), [(THING, 0.5), (rectangle(22, 0, 30, 8), 0.5)], 0.75),
    "of the same score, before": (labels_of(THING), [(rectangle(22, 0, 30, 8), 0.5), (THING, 0.5)], 0.75),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_ap50(case: str) -> None:
    labels, found, expected = CASES[case]
    assert anomaly_instances.figures([frame(labels, found)])["AP50"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("part", "alone"), [(rectangle(4, 4, 13, 16), 1.0), (rectangle(4, 4, 12, 16), 0.0)])
def test_a_match_comes_before_what_is_ignored(part: np.ndarray, alone: float) -> None:
    """Labels of masks may lie on a crowd. On it, half of an object is nothing, and more than half is the object."""
    s = frame(labels_of(THING), [(part, 0.9), (THING, 0.8)])
    s = replace(s, truth=(*s.truth, *label_pictures.void(rectangle(0, 0, 24, 20))))
    assert anomaly_instances.figures([replace(s, found=s.found[:1])])["AP50"] == alone
    assert anomaly_instances.figures([s])["AP50"] == 1


def test_ap_is_of_thresholds_from_a_half_in_steps_of_a_twentieth() -> None:
    s = frame(labels_of(rectangle(0, 0, 10, 10)), [(rectangle(0, 0, 9, 8), 0.9)])  # IoU 0.72: 0.5 to 0.7 of ten
    assert anomaly_instances.figures([s]) == pytest.approx({"AP": 0.5, "AP50": 1})


def test_no_frames() -> None:
    assert math.isnan(anomaly_instances.figures([])["AP"])


def random_boxes(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Masks of 25 to 40 000 px², of all three of COCO's sizes."""
    corners, sizes = rng.integers(0, 180, (count, 2)), rng.integers(5, 200, (count, 2))
    return [rectangle(x, y, x + w, y + h, (200, 200)) for (x, y), (w, h) in zip(corners, sizes, strict=True)]


@pytest.mark.parametrize("geometry", ["box", "mask"])
@pytest.mark.parametrize("seed", range(3))
def test_sizes_as_pycocotools_has_them(seed: int, geometry: metrics.Geometry) -> None:
    """The figures of OoDIS's detection track: COCO's evaluator as it is."""
    rng, scored = np.random.default_rng(seed), []
    for number in range(1, 6):
        labels = np.zeros((200, 200), np.uint8)
        for mask in random_boxes(rng, 3):
            labels[mask] = 1
        found = [(np.roll(m, rng.integers(-9, 9), 0), round(float(rng.random()), 2)) for m in random_boxes(rng, 2)]
        found += [(np.roll(labels == 1, 2, 1), 0.5)] if number % 2 else []
        s = frame(labels, [(m, score) for m, score in found if m.any()])
        boxed = [replace(i, xyxy=tuple(coco_box(i.rle))) for i in s.found]
        scored.append(replace(s, frame=replace(s.frame, id=number), found=tuple(boxed)))
    ours = metrics.agnostic(scored, geometry)
    theirs = by_pycocotools(scored, geometry)
    keys = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "mAR", "mARs", "mARm", "mARl")
    keys += ("AP50s", "AP50m", "AP50l")
    assert [ours[k] for k in keys] == pytest.approx([math.nan if v < 0 else v for v in theirs], nan_ok=True)


def coco_box(rle: dict | None) -> list[float]:
    x, y, w, h = coco.toBbox(rle)
    return [x, y, x + w, y + h]


def by_pycocotools(scored: list[Scored], geometry: str) -> list[float]:
    images = [{"id": s.frame.id, "height": 200, "width": 200} for s in scored]
    annotations, results = [], []
    for s in scored:
        for of, items in ((annotations, s.truth), (results, s.found)):
            for i in items:
                x0, y0, x1, y1 = i.xyxy
                area = (x1 - x0) * (y1 - y0) if geometry == "box" else float(coco.area(i.rle))
                entry = {"id": len(of) + 1, "image_id": s.frame.id, "category_id": 1, "iscrowd": 0, "score": i.score}
                of.append(entry | {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": area, "segmentation": i.rle})
    truth = COCO()
    truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        if geometry == "box":  # else it takes the masks' areas
            results = [{k: v for k, v in r.items() if k != "segmentation"} for r in results]
        else:
            results = [{k: v for k, v in r.items() if k != "bbox"} for r in results]
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox" if geometry == "box" else "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    half = evaluation.eval["precision"][0, ..., -1]  # (recall, category, size)
    sized = [known.mean() if (known := half[..., size][half[..., size] > -1]).size else -1 for size in (1, 2, 3)]
    return [float(v) for v in (*evaluation.stats, *sized)]
