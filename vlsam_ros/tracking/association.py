"""Which of a keyframe's detections is which track."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..config import MergeOptions
from ..data import Detection, Mask, intersection

SAME, OTHER = 0.25, 0.4
"""The least overlap of a detection and a track whose names mean the same, and the least IoU of two that don't."""

NAME = 0.2
"""What a name of the same meaning counts beside the overlap."""

NEAR = 0.3
"""The most that two masks count which do not overlap, but lie beside each other."""


def associate(
    tracks: Sequence[Detection], found: Sequence[Detection], meaning_of: Callable[[str], str], reach: Sequence[float]
) -> list[tuple[int, int]]:
    """Pairs of a track and a detection, each at most once, so that together they agree best (the Hungarian method).

    Args:
        tracks: with their masks where they are in the keyframe, and their names.
        found: what the keyframe shows.
        meaning_of: the same for names of one meaning.
        reach: how far each track may be from where it is thought to be, as a share of its size; 0: not at all.
    """
    if not tracks or not found:
        return []
    one_name = np.equal.outer(*(np.array([meaning_of(d.label) for d in each]) for each in (tracks, found)))
    iou, part = overlaps([d.mask for d in tracks], [d.mask for d in found])
    shared = np.where(one_name, (iou + part) / 2, iou)  # what lies before a larger thing of another name is not that
    near = _near(tracks, found, np.asarray(reach, float)) * one_name
    fits = np.where(one_name, shared >= SAME, shared >= OTHER) | (near > 0)
    worth = np.where(fits, np.maximum(shared, NEAR * near) + NAME * one_name, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(t), int(d)) for t, d in zip(rows, columns, strict=True) if fits[t, d]]


def overlaps(ones: Sequence[Mask], others: Sequence[Mask]) -> np.ndarray:
    """How far masks are the same: IoU, and intersection over the smaller one, (2, N, M)."""
    out = np.zeros((2, len(ones), len(others)))
    a, b = (np.array([m.xyxy for m in each]).reshape(-1, 1, 4) for each in (ones, others))
    b = b.transpose(1, 0, 2)
    touch = ((a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:])).all(-1)
    for i, j in np.argwhere(touch):
        one, other = ones[i], others[j]
        if shared := intersection(one, other):
            out[:, i, j] = shared / (one.area + other.area - shared), shared / min(one.area, other.area)
    return out


def _near(tracks: Sequence[Detection], found: Sequence[Detection], reach: np.ndarray) -> np.ndarray:
    """1 for boxes of one place and size, 0 from the reach of a track on, (N, M)."""
    a, b = (np.array([d.xyxy for d in each]) for each in (tracks, found))
    middles = [(each[:, :2] + each[:, 2:]) / 2 for each in (a, b)]
    sizes = [np.sqrt(np.maximum((each[:, 2:] - each[:, :2]).prod(1), 1.0)) for each in (a, b)]
    apart = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=-1)
    ratio = np.minimum.outer(*sizes) / np.maximum.outer(*sizes)
    return np.clip(1 - apart / np.maximum(reach * sizes[0], 1e-9)[:, None], 0, 1) * ratio


def swallowed(
    tracks: Sequence[Detection],
    found: Sequence[Detection],
    taken: Collection[int],
    meaning_of: Callable[[str], str],
    merge: MergeOptions,
) -> set[int]:
    """Those of the tracks, none of the `taken` ones, that are the same object as something that was found.

    They would be merged with it if they were detections of its frame.
    """
    gone = set()
    for i, t in enumerate(tracks):
        for d in found if i not in taken and t.mask.area else ():
            shared, one_name = intersection(t.mask, d.mask), meaning_of(t.label) == meaning_of(d.label)
            inside = one_name and shared >= merge.containment * min(t.mask.area, d.mask.area)
            iou = merge.iou if one_name else merge.cross_name_iou
            if shared and (inside or shared >= iou * (t.mask.area + d.mask.area - shared)):
                gone.add(i)
    return gone
