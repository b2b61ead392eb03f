"""Detections against ground truth, one frame at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..data import Detection, Detections, Mask, intersection
from ..synthetic.truth import IGNORE

MATCH_IOU = 0.5


def mask_iou(a: Detection, b: Detection) -> float:
    """IoU of two masks."""
    shared = intersection(a.mask, b.mask)
    return shared / max(a.mask.area + b.mask.area - shared, 1)


def box_iou(a: Detection, b: Detection) -> float:
    """IoU of two boxes."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.xyxy, b.xyxy
    shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    return shared / max((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared, 1.0)


def greedy(overlaps: np.ndarray) -> np.ndarray:
    """Each row takes the free column that it overlaps most, from MATCH_IOU on, the first row first: COCO's matching.

    Args:
        overlaps: float (D, N), detections by falling score × objects.

    Returns:
        int (D,), the object of each detection; -1: none.
    """
    taken = np.full(len(overlaps), -1)
    free = np.ones(overlaps.shape[1], bool)
    for d, row in enumerate(overlaps):
        if free.any() and (best := np.where(free, row, -1.0)).max() >= MATCH_IOU:
            taken[d] = best.argmax()
            free[taken[d]] = False
    return taken


@dataclass
class Score:
    """Counts over keyframes: true objects, those found, and detections that are right or wrong."""

    objects: int = 0
    found: int = 0
    right: int = 0
    wrong: int = 0

    def add(self, other: Score) -> None:
        """Sum up."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def recall(self) -> float:
        """Share of the objects that were found; NaN without objects."""
        return self.found / self.objects if self.objects else math.nan

    @property
    def precision(self) -> float:
        """Share of the detections that are right; NaN without detections."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else math.nan


def compare(
    found: Detections,
    truth: Detections,
    overlap: Callable[[Detection, Detection], float],
    *,
    names: bool = False,
    taller_px: float = 0.0,
) -> Score:
    """One keyframe: best score first, each detection takes the free object it overlaps most, from MATCH_IOU on.

    A detection that lies mostly on something to be ignored, or that matches an object lower than `taller_px`, counts
    neither as right nor as wrong.
    """
    objects = [t for t in truth.items if t.label != IGNORE]
    ignored = [t.mask for t in truth.items if t.label == IGNORE]
    wanted = [_height(t.mask) > taller_px for t in objects]
    score, found_items = Score(objects=sum(wanted)), sorted(found.items, key=lambda d: -d.score)
    overlaps = [[overlap(d, t) if not names or t.label == d.label else -1.0 for t in objects] for d in found_items]
    for d, i in zip(found_items, greedy(np.array(overlaps).reshape(len(found_items), len(objects))), strict=True):
        if i >= 0:
            score.found += wanted[i]
            score.right += wanted[i]
        elif not _on_ignored(d.mask, ignored) and _height(d.mask) > taller_px:
            score.wrong += 1
    return score


def _height(mask: Mask) -> int:
    return mask.bits.shape[0]


def _on_ignored(mask: Mask, ignored: Sequence[Mask]) -> bool:
    return sum(intersection(mask, other) for other in ignored) > 0.5 * max(mask.area, 1)
