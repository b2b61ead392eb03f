"""From an attention map to points for the segmenter (VL-SAM, arXiv 2410.05963, section 3.3).

The paper takes one pair per name: the maximum of the largest area above the threshold, and the minimum of the rest.
Here, by default, every separated peak of the map is a seed of its own, so that several instances of one name can be
told apart, and a seed's negative points are the lowest ones near it: a point at the far end of the picture tells the
segmenter nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..config import PromptOptions
from ..data import ImageLayout, Mask, Prompts

MARGIN = 1.0
"""Cells around the positive area where no negative point is taken: the map's edge is not the object's."""

RING = 3.0
"""Cells beyond the nearest negative cell among which the lowest one is taken."""

APART = 1.0
"""Least distance between the positive points of one seed, in cells."""

Cell = tuple[int, int]
"""Row and column of an enlarged map."""


@dataclass(frozen=True)
class Seed:
    """Where one instance is thought to be, in pixels of the view.

    Attributes:
        positives_xy: positive points, the strongest first.
        negatives_xy: negative points; none if everything is positive.
        value: the map at the first point, in [0, 1].
        box_xyxy: the box of the seed's positive area.
    """

    positives_xy: tuple[tuple[float, float], ...]
    negatives_xy: tuple[tuple[float, float], ...]
    value: float
    box_xyxy: tuple[float, float, float, float]

    @property
    def point_xy(self) -> tuple[float, float]:
        """The strongest point."""
        return self.positives_xy[0]


def seeds(
    heat: np.ndarray, layout: ImageLayout, options: PromptOptions, hidden: np.ndarray | None = None
) -> list[Seed]:
    """Seeds of a map (h, w) in [0, 1], strongest first; none for a map of zeros.

    Args:
        hidden: bool (h, w), cells where none is wanted; the threshold stays that of the whole map.
    """
    fine = enlarged(heat, options.upsample)
    if fine.max() <= 0:
        return []
    least = level(fine, options)
    if hidden is not None:
        fine = enlarged(np.where(hidden, 0, heat), options.upsample)
    positive = fine >= least
    found = peaks(fine, positive, options) if options.seeding == "peaks" else summits(fine, positive, options)
    free, areas = _negative(positive, options), own_areas(positive, found)
    return [_seed(fine, free, area, peak, layout, options) for peak, area in zip(found, areas, strict=True)]


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
    high = inside >= level(inside, options)
    peak = _top(inside)
    (area,) = own_areas(high, [peak])
    free = _negative(high | (enlarged(cover, options.upsample) > 0.5), options)
    return _seed(enlarged(heat, options.upsample), free, area, peak, layout, options)


def level(fine: np.ndarray, options: PromptOptions) -> float:
    """How high a cell must be to be positive: above 0, and at most the map's maximum."""
    base, top = float(fine.mean()) if options.threshold_from == "mean" else 0.0, float(fine.max())
    return min(max(base + options.threshold * (top - base), float(np.finfo(np.float32).tiny)), top)


def coverage(mask: Mask, layout: ImageLayout) -> np.ndarray:
    """Share of each grid cell that a mask in view pixels covers: float32 (h, w) in [0, 1]."""
    h, w = layout.grid_hw
    x0, y0, x1, y1 = layout.xyxy
    rows = _shares(np.linspace(y0, y1, h + 1), mask.y, mask.bits.shape[0])
    columns = _shares(np.linspace(x0, x1, w + 1), mask.x, mask.bits.shape[1])
    return rows @ mask.bits @ columns.T


def touched(cover: np.ndarray) -> np.ndarray:
    """Cells that a mask covers in part, and their neighbours: bool (h, w). An object's map reaches beyond its mask."""
    return cv2.dilate((cover > 0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


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


def batch(
    found: Sequence[Seed], options: PromptOptions, size_hw: tuple[int, int] | np.ndarray, boxes: bool = False
) -> Prompts:
    """Seeds as one batch, each its positive and its negative points (label -1 where it has fewer), maybe its box.

    Args:
        size_hw: of the view that all are in, or of each one's: (2,) or (N, 2).
    """
    points = np.zeros((len(found), options.positives + options.negatives, 2), np.float32)
    labels = np.full(points.shape[:2], -1, np.int32)
    for row, seed in enumerate(found):
        positives, negatives = seed.positives_xy[: options.positives], seed.negatives_xy[: options.negatives]
        own = [*positives, *negatives]
        points[row, : len(own)] = own
        labels[row, : len(own)] = [1] * len(positives) + [0] * len(negatives)
    edge = np.array(size_hw, np.float32)[..., ::-1]
    outlines = np.array([s.box_xyxy for s in found], np.float32).reshape(-1, 2, 2).clip(0, edge[..., None, :])
    return Prompts(points.clip(0, edge[..., None, :]), labels, outlines.reshape(-1, 4) if boxes else None)


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


def summits(fine: np.ndarray, positive: np.ndarray, options: PromptOptions) -> list[Cell]:
    """The maximum of each connected part of the positive area, highest first; with ``largest`` of the largest alone."""
    count, parts = cv2.connectedComponents(positive.astype(np.uint8), connectivity=8)
    wanted: Iterable[int] = range(1, count)
    if options.seeding == "largest" and count > 1:
        wanted = [int(np.bincount(parts[positive]).argmax())]
    tops = [_top(np.where(parts == i, fine, -1)) for i in wanted]
    return sorted(tops, key=lambda cell: -fine[cell])[: options.max_seeds]


def own_areas(positive: np.ndarray, found: Sequence[Cell]) -> list[np.ndarray]:
    """Each peak's connected part of the positive area; where several share one, what is nearest to it: bool (h, w)."""
    _, parts = cv2.connectedComponents(positive.astype(np.uint8), connectivity=8)
    owner, least = np.full(positive.shape, -1), np.full(positive.shape, np.inf)
    for i, peak in enumerate(found):
        distance = _distance(positive.shape, peak)
        own = (parts == parts[peak]) & (distance < least)
        owner[own], least[own] = i, distance[own]
    return [owner == i for i in range(len(found))]


def _distance(shape: tuple[int, ...], cell: Cell) -> np.ndarray:
    """From each cell to one: float (h, w), in cells of the enlarged map; not to be changed."""
    (h, w), (row, column) = shape, cell
    return _distances(h, w)[h - 1 - row : 2 * h - 1 - row, w - 1 - column : 2 * w - 1 - column]


@lru_cache(8)
def _distances(h: int, w: int) -> np.ndarray:
    """From cells up to h - 1 rows and w - 1 columns away to the one in the middle: (2 h - 1, 2 w - 1)."""
    return np.hypot(np.arange(1 - h, h)[:, None], np.arange(1 - w, w))


def _seed(
    fine: np.ndarray, free: np.ndarray, area: np.ndarray, peak: Cell, layout: ImageLayout, options: PromptOptions
) -> Seed:
    positives, negatives = _positives(fine, area, peak, options), _negatives(fine, free, peak, options)
    (x0, y0, x1, y1), (rows, columns) = layout.xyxy, np.nonzero(area)
    per_row, per_column = (y1 - y0) / fine.shape[0], (x1 - x0) / fine.shape[1]
    low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
    box = [
        o + float(at) * size for at, o, size in zip((*low, *high), (x0, y0) * 2, (per_column, per_row) * 2, strict=True)
    ]

    def to_view(cells: Sequence[Cell]) -> tuple[tuple[float, float], ...]:
        return tuple((float(x0 + (c + 0.5) * per_column), float(y0 + (r + 0.5) * per_row)) for r, c in cells)

    return Seed(to_view(positives), to_view(negatives), float(fine[peak]), (box[0], box[1], box[2], box[3]))


def _positives(fine: np.ndarray, area: np.ndarray, peak: Cell, options: PromptOptions) -> list[Cell]:
    """The seed's peak, and the highest points of its area that lie apart."""
    kept, free = [peak], area
    while len(kept) < options.positives:
        free = free & (_distance(fine.shape, kept[-1]) >= APART * options.upsample)
        if not free.any():
            break
        kept.append(_top(np.where(free, fine, -1)))
    return kept


def _negative(positive: np.ndarray, options: PromptOptions) -> np.ndarray:
    """The cells that a negative point may stand on: off the positive area, and off its margin unless ``anywhere``."""
    margin = 2 * int(MARGIN * options.upsample) + 1 if options.negatives_from == "near" else 1
    return ~cv2.dilate(positive.astype(np.uint8), np.ones((margin, margin), np.uint8)).astype(bool)


def _negatives(fine: np.ndarray, free: np.ndarray, peak: Cell, options: PromptOptions) -> list[Cell]:
    """The lowest of the free points, in a ring around the seed or anywhere; the nearest of equals."""
    near, scale = options.negatives_from == "near", options.upsample
    distance = _distance(fine.shape, peak) / scale
    cost = fine + (1e-3 if near else 1e-6) * distance
    kept: list[Cell] = []
    while free.any() and len(kept) < options.negatives:
        among = free & (distance <= distance[free].min() + RING) if near else free
        kept.append(_top(np.where(among, -cost, -np.inf)))
        free = free & (_distance(fine.shape, kept[-1]) > RING * scale)
    return kept


def _top(values: np.ndarray) -> Cell:
    """Where a map is highest."""
    row, column = np.unravel_index(values.argmax(), values.shape)
    return int(row), int(column)
