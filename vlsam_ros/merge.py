"""Duplicates out, across names, views and questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .config import MergeOptions
from .data import Detection, Mask, View, intersection
from .tiling import cut_by_border

JOINT = 0.1
"""Cut fragments of one name from two views that share this part of the smaller one are one object."""


@dataclass(frozen=True)
class Candidate:
    """A detection with what merging needs to know.

    Attributes:
        cut: an inner border of its view cuts it.
        view_px: area of its view; the smaller it is, the more detail the models saw.
    """

    detection: Detection
    cut: bool
    view_px: int
    area: int


def merge(
    found: Sequence[Detection],
    views: Sequence[View],
    size_hw: tuple[int, int],
    options: MergeOptions,
    border_px: float = 0.0,
) -> tuple[Detection, ...]:
    """Detections of a frame (H, W) without duplicates, best score first; all in pixels of the frame.

    Greedy: whole detections by falling score, then those that an inner border of their view cuts; each is compared
    with what was kept before it. Of two masks of one name of which one contains the other, the better score stays,
    whether that is the object or its part: the scores hold the agreement with the attention map, which covers the
    object. The result does not depend on the order of `found`.
    """
    by_name = {view.name: view for view in views}
    kept: list[Candidate] = []
    for b in sorted(_candidates(found, by_name, size_hw, options, border_px), key=_rank):
        absorbed = ((i, absorb(a, b, options)) for i, a in enumerate(kept))
        i, joined = next(((i, a) for i, a in absorbed if a is not None), (len(kept), b))
        kept[i : i + 1] = [joined]
    items = sorted((c.detection for c in kept), key=_order)
    return tuple(items[: options.max_instances])


def absorb(a: Candidate, b: Candidate, options: MergeOptions) -> Candidate | None:
    """What becomes of `a` when it takes in `b`, which ranks lower; None if they are two instances.

    - the same object (mask IoU; across names only a high one): `a` keeps its name and score, and takes the mask of
      `b` if that is whole and from a more enlarged view;
    - one inside the other, of one name, or `b` cut and inside `a`: `a` stays as it is;
    - two cut fragments of one name from two views that overlap: `a` with the union of both.
    """
    shared = intersection(a.detection.mask, b.detection.mask)
    if not shared:
        return None
    one_name = a.detection.label == b.detection.label
    if shared >= (options.iou if one_name else options.cross_name_iou) * (a.area + b.area - shared):
        finer = not b.cut and b.view_px < a.view_px
        return replace(b, detection=_with_mask(a, b.detection.mask, b.detection.view)) if finer else a
    inside, smaller = options.containment * b.area, min(a.area, b.area)
    if (one_name and shared >= options.containment * smaller) or (b.cut and shared >= inside):
        return a
    if one_name and a.cut and b.cut and a.detection.view != b.detection.view and shared >= JOINT * smaller:
        whole = union(a.detection.mask, b.detection.mask)
        return replace(a, detection=_with_mask(a, whole, a.detection.view), area=whole.area)
    return None


def union(a: Mask, b: Mask) -> Mask:
    """Both masks as one."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = a.xyxy, b.xyxy
    x, y = int(min(x0, u0)), int(min(y0, v0))
    size_hw = int(max(y1, v1)) - y, int(max(x1, u1)) - x
    return Mask(x, y, a.shifted(-x, -y).dense(size_hw) | b.shifted(-x, -y).dense(size_hw))


def _candidates(
    found: Sequence[Detection],
    views: dict[str, View],
    size_hw: tuple[int, int],
    options: MergeOptions,
    border_px: float,
) -> list[Candidate]:
    out = []
    for d in found:
        area, view = d.mask.area, views[d.view]
        if d.score >= options.min_score and area >= max(1, options.min_area_px):
            out.append(Candidate(d, cut_by_border(d, view, size_hw, border_px), int(np.prod(view.size_hw)), area))
    return out


def _with_mask(c: Candidate, mask: Mask, view: str) -> Detection:
    return replace(c.detection, mask=mask, view=view)


def _rank(c: Candidate) -> tuple:
    return (c.cut, *_order(c.detection))


def _order(d: Detection) -> tuple:
    """Best score first; the rest makes the order total."""
    return -d.score, d.label, d.view, d.question, d.mask.x, d.mask.y, d.mask.bits.shape, d.mask.bits.tobytes()
