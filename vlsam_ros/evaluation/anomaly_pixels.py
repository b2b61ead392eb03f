"""SegmentMeIfYouCan's figures, of pixels and of their components (arXiv 2104.14812, section 4), and its track's sizes.

A pixel's score is the best of the instances that cover it; one that none covers is below all others. Such a map has few
values, so everything is exact: the benchmark's own code bins the scores of each picture, which only rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from .dataset import Instance
from .metrics import Figures, Scored, shape

SIZES_PX = {"anomaly": (500, 100), "obstacle": (50, 10)}
"""Track -> the least size of a component of what was found, and of one that is labelled; smaller ones don't count."""

THRESHOLDS = np.linspace(0.25, 0.75, 11)
"""Of sIoU and PPV."""

NOTHING = -math.inf
"""The score of a pixel that no instance covers."""


def score_map(s: Scored) -> tuple[np.ndarray, np.ndarray]:
    """The scores that occur, float (S,), rising from `NOTHING`; and each pixel's place among them, int32 (H, W)."""
    values = np.array([NOTHING, *sorted({i.score for i in s.found})])
    places = np.zeros(s.frame.size_hw, np.int32)
    for place, value in enumerate(values[1:], 1):
        places[union(s, (i for i in s.found if i.score == value))] = place
    return values, places


def union(s: Scored, items: Iterable[Instance]) -> np.ndarray:
    """The pixels of some masks, bool (H, W)."""
    from faster_coco_eval.core import mask as coco

    masks = [shape(i, s.frame, "mask") for i in items]
    return coco.decode(coco.merge(masks)).astype(bool) if masks else np.zeros(s.frame.size_hw, bool)


def pixels(scored: Sequence[Scored]) -> Figures:
    """AUPRC (as average precision, a step at each score), FPR95, and the best F1 with its threshold; frame by frame.

    FPR95 is the rate of false positives at the first threshold that finds 95 % of the anomalous pixels. NaN where there
    is no such pixel, or no other. The threshold is `NOTHING` where taking every pixel is best.
    """
    counts = [_counts(s) for s in scored]
    each, place = np.unique(np.concatenate([[NOTHING], *(values for values, _, _ in counts)]), return_inverse=True)
    of = place[1:]  # the first is there so that no frames are no special case
    positive = np.bincount(of, np.concatenate([np.zeros(0), *(p for _, p, _ in counts)]), len(each))
    negative = np.bincount(of, np.concatenate([np.zeros(0), *(n for _, _, n in counts)]), len(each))
    hits, false, values = np.cumsum(positive[::-1]), np.cumsum(negative[::-1]), each[::-1]
    if not hits[-1]:
        return dict.fromkeys(("AUPRC", "FPR95", "F1", "threshold"), math.nan)
    recall, precision = hits / hits[-1], hits / np.maximum(hits + false, 1)
    f1 = 2 * hits / (hits + false + hits[-1])
    return {
        "AUPRC": float(np.sum(np.diff(recall, prepend=0.0) * precision)),
        "FPR95": float(false[np.searchsorted(recall, 0.95)] / false[-1]) if false[-1] else math.nan,
        "F1": float(f1.max()),
        "threshold": float(values[f1.argmax()]),
    }


def _counts(s: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scores that occur, and how many anomalous and other pixels have each, int (S,); void left out."""
    values, places = score_map(s)
    anomalous, judged = union(s, (i for i in s.truth if not i.ignore)), ~union(s, (i for i in s.truth if i.ignore))
    of = [np.bincount(places[judged & part], minlength=len(values)) for part in (anomalous, ~anomalous)]
    return values, of[0], of[1]


def components(scored: Sequence[Scored], threshold: float, track: str) -> Figures:
    """Of components (8-connected) at a threshold: mean sIoU of the labelled ones and PPV of those found, F1.

    F1 is the mean over `THRESHOLDS`: a labelled component is found if its sIoU reaches the threshold, and one that was
    found is false if its PPV doesn't. Pixels with exactly the score of the threshold are found (the benchmark's code
    cuts just above it, which for continuous scores is the same); those that no instance covers never are.

    Args:
        threshold: of the score, as `pixels` says it; NaN: nothing is found.
        track: a key of `SIZES_PX`.
    """
    frames = [_component_figures(s, threshold, *SIZES_PX[track]) for s in scored]
    siou, ppv = (np.concatenate([np.zeros(0), *(f[i] for f in frames)]) for i in (0, 1))
    hits, false = (siou[:, None] >= THRESHOLDS).sum(0), (ppv[:, None] < THRESHOLDS).sum(0)
    whole = hits + len(siou) + false
    f1 = 2 * hits / whole if whole.all() else np.full(len(THRESHOLDS), math.nan)
    figures = {"labelled": len(siou), "found": len(ppv), "sIoU": _mean(siou), "PPV": _mean(ppv), "F1": float(f1.mean())}
    return figures | {f"F1 at {THRESHOLDS[i]:.2f}": float(f1[i]) for i in (0, 5, 10)}


def _component_figures(
    s: Scored, threshold: float, least_found: int, least_labelled: int
) -> tuple[np.ndarray, np.ndarray]:
    """The sIoU of each labelled component, and the PPV of each that was found.

    The sIoU divides a component's found pixels by its own together with those of the found components on it that lie on
    no labelled one: what belongs to another is no fault (the "adjusted" union).
    """
    values, places = score_map(s)
    void = union(s, (i for i in s.truth if i.ignore))
    found, found_px = _components((places > 0) & (values[places] >= threshold) & ~void)
    labelled, labelled_px = _components(union(s, (i for i in s.truth if not i.ignore)))
    found[(found_px < least_found)[found]] = 0
    judged = ~void & ((labelled_px >= least_labelled)[labelled] | (labelled == 0))
    labelled, found = labelled[judged], found[judged]
    labelled_px, found_px = (
        np.bincount(labelled, minlength=len(labelled_px)),
        np.bincount(found, minlength=len(found_px)),
    )
    both = (labelled > 0) & (found > 0)
    pairs, shared = np.unique(np.stack([labelled[both], found[both]], 1), axis=0, return_counts=True)
    of_labelled, of_found = pairs.T
    right_px = np.bincount(of_found, shared, len(found_px))
    hit_px = np.bincount(of_labelled, shared, len(labelled_px))
    wrong_px = np.bincount(of_labelled, (found_px - right_px)[of_found], len(labelled_px))
    left, seen = np.flatnonzero(labelled_px[1:]) + 1, np.flatnonzero(found_px[1:]) + 1
    return hit_px[left] / (labelled_px + wrong_px)[left], right_px[seen] / found_px[seen]


def _components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the components, int32 (H, W), and the pixels of each, int (C + 1,)."""
    count, numbers = cv2.connectedComponents(np.uint8(mask), connectivity=8)
    return numbers, np.bincount(numbers.ravel(), minlength=count)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
