"""What a driving team asks: recall by height and distance, false alarms per frame, right names, trust in the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from .dataset import ANOMALY, Instance
from .matching import greedy
from .metrics import Geometry, Scored, shape

HEIGHTS_PX = (0, 12, 20, 50, 100, math.inf)
DISTANCES_M = (0, 10, 20, 40, 80, math.inf)
FALSE_PER_FRAME = (0.1, 1.0, 5.0)


@dataclass(frozen=True)
class Matches:
    """All detections (D) and labelled objects (N) of the frames (F), and which belong together at IoU 0.5.

    Matching goes by falling score whatever the names, so what holds above a threshold needs no second matching.

    Attributes:
        score: float (D,), falling.
        right, ignored: bool (D,): took an object; lies on a region to be ignored. Neither: a false positive.
        called, named: bool (D,): it has a name that is judged; it is right, and its name fits the object's category.
        frame: int (D,), the detection's frame.
        object_score: float (N,), of the detection that took the object; -inf: none.
        height_px, distance_m: float (N,).
        object_frame: int (N,).
        empty: bool (F,): the frame has neither an object nor a region to be ignored.
    """

    score: np.ndarray
    right: np.ndarray
    ignored: np.ndarray
    called: np.ndarray
    named: np.ndarray
    frame: np.ndarray
    object_score: np.ndarray
    height_px: np.ndarray
    distance_m: np.ndarray
    object_frame: np.ndarray
    empty: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        """The false positives, bool (D,)."""
        return ~self.right & ~self.ignored

    def above(self, threshold: float) -> Matches:
        """With the detections from a score on alone."""
        keep = self.score >= threshold
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        parts |= {n: parts[n][keep] for n in ("score", "right", "ignored", "called", "named", "frame")}
        parts["object_score"] = np.where(self.object_score >= threshold, self.object_score, -np.inf)
        return Matches(**parts)


def match(scored: Sequence[Scored], geometry: Geometry) -> Matches:
    """Match every frame's detections with its objects."""
    detections: list[tuple[float, bool, bool, bool, bool, int]] = []
    objects: list[tuple[float, float, float, int]] = []
    for number, s in enumerate(scored):
        wanted = [i for i in s.truth if not i.ignore]
        taken = greedy(overlaps(s, wanted, geometry))
        on_ignored = overlaps(s, [i for i in s.truth if i.ignore], geometry, of_detection=True).sum(1) > 0.5
        by = {int(i): d for d, i in enumerate(taken) if i >= 0}
        for d, (item, i) in enumerate(zip(s.found, taken, strict=True)):
            named = i >= 0 and bool(item.category) and item.category == wanted[i].category
            ignored = bool(i < 0 and on_ignored[d])
            called = bool(item.label) and item.category != ANOMALY
            detections.append((item.score, bool(i >= 0), ignored, called, named, number))
        for i, item in enumerate(wanted):
            objects.append((s.found[by[i]].score if i in by else -math.inf, item.height_px, item.distance_m, number))
    object_score, height_px, distance_m, object_frame = np.array(objects, float).reshape(-1, 4).T
    rows = np.array(detections, float).reshape(-1, 6)
    score, right, ignored, called, named, frame = rows[np.argsort(-rows[:, 0], kind="stable")].T
    return Matches(
        score, right > 0, ignored > 0, called > 0, named > 0, frame.astype(int),
        object_score, height_px, distance_m, object_frame.astype(int), np.array([not s.truth for s in scored], bool),
    )  # fmt: skip


def overlaps(scored: Scored, objects: Sequence[Instance], geometry: Geometry, of_detection: bool = False) -> np.ndarray:
    """IoU of detections and objects, or the share of each detection that lies on each object: float (D, N)."""
    from faster_coco_eval.core import mask as coco

    if not scored.found or not objects:
        return np.zeros((len(scored.found), len(objects)))
    parts = ([shape(i, scored.frame, geometry) for i in items] for items in (scored.found, objects))
    return np.asarray(coco.iou(*parts, [int(of_detection)] * len(objects)))


def recall(matches: Matches) -> float:
    """Share of the objects that were found; NaN without objects."""
    return _share(np.isfinite(matches.object_score).sum(), len(matches.object_score))


def recall_by(matches: Matches, values: np.ndarray, edges: Sequence[float]) -> list[tuple[float, float, int, float]]:
    """For each bin from an edge up to the next: both edges, the objects in it, and the share of them found."""
    bins = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (values >= low) & (values < high)
        found = np.isfinite(matches.object_score[inside]).sum()
        bins.append((low, high, int(inside.sum()), _share(found, inside.sum())))
    return bins


def false_per_frame(matches: Matches) -> float:
    """False positives per frame."""
    return _share(matches.wrong.sum(), len(matches.empty))


def curve(matches: Matches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each score that occurs, falling: it as threshold, false positives per frame there, and recall; float (S,)."""
    if not len(matches.score):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    last = np.flatnonzero(np.append(np.diff(matches.score) != 0, True))
    wrong, right = np.cumsum(matches.wrong)[last], np.cumsum(matches.right)[last]
    objects = len(matches.object_score)
    share = right / objects if objects else np.full(len(last), math.nan)
    return matches.score[last], wrong / len(matches.empty), share


def recall_at(matches: Matches, false: float) -> tuple[float, float, float]:
    """The most that is found with at most so many false positives per frame: recall, the least score, and their rate.

    Where a rate far below the bound comes out, all detections were taken: there were no more.
    """
    thresholds, wrong, share = curve(matches)
    allowed = np.flatnonzero(wrong <= false)
    if not allowed.size:
        return (0.0 if len(matches.object_score) else math.nan), math.inf, 0.0
    last = allowed[-1]
    return float(share[last]), float(thresholds[last]), float(wrong[last])


def empty_frames(matches: Matches) -> tuple[int, int]:
    """How many frames show an empty road, and on how many of them nothing was found."""
    clean = np.setdiff1d(np.flatnonzero(matches.empty), matches.frame)
    return int(matches.empty.sum()), len(clean)


def names_right(matches: Matches) -> float:
    """Share of the matched detections with a name whose name fits; NaN without one."""
    return _share(matches.named.sum(), (matches.right & matches.called).sum())


def reliability(score: np.ndarray, right: np.ndarray, bins: int = 10) -> list[tuple[float, float, int, float, float]]:
    """For each bin of the score: both edges, the detections in it, their mean score, and the share that is right.

    A score of 1 belongs to the last bin, and one beyond 0 or 1 to the nearest.

    Args:
        score, right: float and bool (D,), of what doesn't lie on a region to be ignored.
    """
    index = np.clip((score * bins).astype(int), 0, bins - 1)
    table = []
    for b in range(bins):
        inside = index == b
        n = int(inside.sum())
        table.append((b / bins, (b + 1) / bins, n, _share(score[inside].sum(), n), _share(right[inside].sum(), n)))
    return table


def calibration_error(score: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """ECE: the mean distance of score and share that is right over the bins, weighted by their detections."""
    table = [row for row in reliability(score, right, bins) if row[2]]
    return _share(sum(n * abs(mean - share) for _, _, n, mean, share in table), sum(row[2] for row in table))


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan
