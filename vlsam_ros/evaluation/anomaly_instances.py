"""OoDIS's figures of instance masks: Cityscapes' average precision, which is another one than COCO's.

Overlaps must be greater than the threshold, precision is integrated as it is (trapezoids from recall 0 and precision
1), a second detection of an object is a false positive, and one that lies on void for more than the threshold counts as
nothing. Here the anomalies are one class, and those under 10 px are void (arXiv 2406.11835; the benchmark's evaluator).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .metrics import Figures, Scored, shape

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
LEAST_PX = 10


def figures(scored: Sequence[Scored]) -> Figures:
    """AP (mean over IoU 0.5 to 0.95) and AP50; NaN without an object."""
    frames = [_overlaps(s) for s in scored]
    objects = sum(iou.shape[1] for _, iou, _ in frames)
    each = [_average_precision(*_outcomes(frames, threshold), objects) for threshold in THRESHOLDS.tolist()]
    return {"AP": float(np.mean(each)), "AP50": each[0]}


def _overlaps(s: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (D,), IoU of detections and objects (D, N), and the share of each detection that is not judged (D,)."""
    from faster_coco_eval.core import mask as coco

    found = [(i.score, rle) for i in s.found if coco.area(rle := shape(i, s.frame, "mask")) > 0]
    truth = [(rle := shape(i, s.frame, "mask"), i.ignore or coco.area(rle) < LEAST_PX) for i in s.truth]
    objects, rest = ([rle for rle, ignore in truth if ignore == wanted] for wanted in (False, True))
    masks, iou, off = [rle for _, rle in found], np.zeros((len(found), len(objects))), np.zeros(len(found))
    if masks and objects:
        iou[:] = coco.iou(masks, objects, [0] * len(objects))
    if masks and rest:
        off[:] = np.asarray(coco.iou(masks, [coco.merge(rest)], [1]))[:, 0]
    score = np.array([score for score, _ in found], float)
    return score, iou, off


def _outcomes(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and whether they are right, of the detections that count: float and bool (D,)."""
    scores: list[np.ndarray] = [np.zeros(0)]
    rights: list[np.ndarray] = [np.zeros(0, bool)]
    for score, iou, off in frames:
        matched = (iou > threshold).any(1) if iou.size else np.zeros(len(score), bool)
        right = np.zeros(len(score), bool)
        for column in iou.T:  # above half an IoU, no detection overlaps two objects
            if (own := np.flatnonzero(column > threshold)).size:
                right[own[score[own].argmax()]] = True
        counted = matched | (off <= threshold)
        scores.append(score[counted])
        rights.append(right[counted])
    return np.concatenate(scores), np.concatenate(rights)


def _average_precision(score: np.ndarray, right: np.ndarray, objects: int) -> float:
    if not objects:
        return math.nan
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)[: len(order)])  # of each score that occurs
    hits = np.cumsum(right[order])[last]
    precision, recall = np.append(1.0, hits / (last + 1)), np.append(0.0, hits / objects)
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))
