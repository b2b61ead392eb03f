"""From an attention map to points for the segmenter (VL-SAM, arXiv 2410.05963, section 3.3).

The paper takes one pair per name: the maximum of the largest area above the threshold, and the minimum of the rest.
Here every separated peak of the map is a seed of its own, so that several instances of one name can be told apart, and
a seed's negative points are the lowest ones near it: a point at the far end of the picture tells the segmenter nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .config import PromptOptions
from .data import ImageLayout, Mask, Prompts

MARGIN = 1.0
"""Cells around the positive area where no negative point is taken: the map's edge is not the object's."""

RING = 3.0
"""Cells beyond the nearest negative cell among which the lowest one is taken."""


@dataclass(frozen=True)
class Seed:
    """Where one instance is thought to be.

    Attributes:
        point_xy: the positive point, in pixels of the view.
        negatives_xy: negative points, in pixels of the view; none if everything is positive.
        value: the map at the positive point, in [0, 1].
    """

    point_xy: tuple[float, float]
    negatives_xy: tuple[tuple[float, float], ...]
    value: float


def seeds(heat: np.ndarray, layout: ImageLayout, options: PromptOptions) -> list[Seed]:
    """Seeds of a map (h, w) in [0, 1], strongest first; none for a map of zeros."""
    fine = enlarged(heat, options.upsample)
    if fine.max() <= 0:
        return []
    positive = fine >= max(options.threshold * fine.max(), np.finfo(np.float32).tiny)
    return [_seed(fine, positive, peak, layout, options) for peak in peaks(fine, positive, options)]


def reseed(heat: np.ndarray, cover: np.ndarray, layout: ImageLayout, options: PromptOptions) -> Seed | None:
    """The next round's seed: the map masked by the last result, its maximum, and negatives outside both.

    Args:
        heat: float32 (h, w), the name's map.
        cover: float32 (h, w), share of each cell that the last mask covers.

    Returns:
        The seed, or None if the mask lies where the map is zero.
    """
    inside = enlarged(heat * cover, options.upsample)
    if inside.max() <= 0:
        return None
    fine = enlarged(heat, options.upsample)
    positive = (inside >= options.threshold * inside.max()) | (enlarged(cover, options.upsample) > 0.5)
    return _seed(fine, positive, np.unravel_index(inside.argmax(), inside.shape), layout, options)


def coverage(mask: Mask, layout: ImageLayout) -> np.ndarray:
    """Share of each grid cell that a mask in view pixels covers: float32 (h, w) in [0, 1]."""
    h, w = layout.grid_hw
    x0, y0, x1, y1 = layout.xyxy
    rows = _shares(np.linspace(y0, y1, h + 1), mask.y, mask.bits.shape[0])
    columns = _shares(np.linspace(x0, x1, w + 1), mask.x, mask.bits.shape[1])
    return rows @ mask.bits @ columns.T


def _shares(edges: np.ndarray, start: int, n: int) -> np.ndarray:
    """Share of each of C cells (C + 1 edges) that each of n pixels from `start` on covers: float32 (C, n)."""
    pixels = start + np.arange(n)
    length = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(length, 0, None) / np.diff(edges)[:, None]).astype(np.float32)


def territories(found: Sequence[Seed], layout: ImageLayout) -> np.ndarray:
    """For each grid cell the index of the nearest seed: int (h, w)."""
    h, w = layout.grid_hw
    x0, y0, x1, y1 = layout.xyxy
    xs = x0 + (np.arange(w) + 0.5) * (x1 - x0) / w
    ys = y0 + (np.arange(h) + 0.5) * (y1 - y0) / h
    return np.argmin([np.hypot(ys[:, None] - s.point_xy[1], xs - s.point_xy[0]) for s in found], axis=0)


def batch(found: Sequence[Seed], negatives: int, size_hw: tuple[int, int]) -> Prompts:
    """Seeds as one batch, each one positive point and `negatives` negative ones (label -1 where it has fewer)."""
    points = np.zeros((len(found), 1 + negatives, 2), np.float32)
    labels = np.full(points.shape[:2], -1, np.int32)
    for row, seed in enumerate(found):
        own = [seed.point_xy, *seed.negatives_xy[:negatives]]
        points[row, : len(own)] = own
        labels[row, : len(own)] = [1] + [0] * (len(own) - 1)
    return Prompts(np.clip(points, 0, np.array(size_hw[::-1], np.float32)), labels)


def enlarged(heat: np.ndarray, factor: int) -> np.ndarray:
    """A map (h, w), bicubic, (factor · h, factor · w), clipped to [0, 1]."""
    h, w = heat.shape
    return np.clip(cv2.resize(heat, (w * factor, h * factor), interpolation=cv2.INTER_CUBIC), 0, 1)


def peaks(fine: np.ndarray, positive: np.ndarray, options: PromptOptions) -> list[tuple[int, int]]:
    """Local maxima (row, column) of the positive area, highest first, none closer than `peak_distance` cells."""
    reach = options.peak_distance * options.upsample
    size = 2 * int(reach) + 1
    highest = cv2.dilate(fine, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    rows, columns = np.nonzero(positive & (fine >= highest))
    kept: list[tuple[int, int]] = []
    for i in np.argsort(-fine[rows, columns], kind="stable"):
        r, c = int(rows[i]), int(columns[i])
        if all(np.hypot(r - y, c - x) >= max(reach, 1) for y, x in kept):
            kept.append((r, c))
        if len(kept) == options.max_seeds:
            break
    return kept


def _seed(fine: np.ndarray, positive: np.ndarray, peak: tuple, layout: ImageLayout, options: PromptOptions) -> Seed:
    negatives = _negatives(fine, positive, peak, options)
    to_view = [_to_view(r, c, fine.shape, layout) for r, c in (peak, *negatives)]
    return Seed(to_view[0], tuple(to_view[1:]), float(fine[peak]))


def _negatives(fine: np.ndarray, positive: np.ndarray, peak: tuple, options: PromptOptions) -> list[tuple[int, int]]:
    """The lowest points of a ring around the seed, off the positive area; the nearest of equals."""
    scale = options.upsample
    margin = 2 * int(MARGIN * scale) + 1
    free = ~cv2.dilate(positive.astype(np.uint8), np.ones((margin, margin), np.uint8)).astype(bool)
    rows, columns = np.indices(fine.shape)
    distance = np.hypot(rows - peak[0], columns - peak[1]) / scale
    kept: list[tuple[int, int]] = []
    while free.any() and len(kept) < options.negatives:
        ring = free & (distance <= distance[free].min() + RING)
        cost = np.where(ring, fine + 1e-3 * distance, np.inf)
        r, c = (int(i) for i in np.unravel_index(cost.argmin(), cost.shape))
        kept.append((r, c))
        free &= np.hypot(rows - r, columns - c) > RING * scale
    return kept


def _to_view(row: int, column: int, fine_hw: tuple[int, ...], layout: ImageLayout) -> tuple[float, float]:
    """Centre of a cell of the enlarged map, in pixels of the view."""
    x0, y0, x1, y1 = layout.xyxy
    x = x0 + (column + 0.5) * (x1 - x0) / fine_hw[1]
    return float(x), float(y0 + (row + 0.5) * (y1 - y0) / fine_hw[0])
