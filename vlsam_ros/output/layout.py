"""Where labels and enlargements stand on a picture, so that they hide no instance. Nothing is drawn here.

The picture below its top strip is a grid of cells. What is taken weighs there; a box's place is the one that covers
least, and of those the nearest to its instance, found by looking at all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..data import Detection, Detections
from .text import LINE, drawable

Box = tuple[int, int, int, int]
"""x_min, y_min, x_max, y_max in pixels, exclusive upper edges."""

Line = tuple[tuple[int, int], tuple[int, int]]
"""Its ends, x and y in pixels."""

FONT = cv2.FONT_HERSHEY_SIMPLEX
SMALL_PX = 30
"""Instances that are lower are enlarged, as many as there is room for."""
MOST_LENSES = 6
_LONGEST_NAME = 32  # on a label that says more
_MOST_ZOOM, _LEAST_ZOOM = 8.0, 1.5
_CELL_PX, _LENS_PX, _PADDING_PX, _LINE_PX = 8, 130, 4, 18  # on a picture of 1280 x 900
_NEAR, _COVERED, _TAKEN = 1, 8, 32  # weights of cells: around a small instance, of a mask, of a label or lens


@dataclass(frozen=True)
class Label:
    """A label: which of the items it is of, its text and box, and its line's ends (x, y), None if it is beside it."""

    item: int
    text: str
    xyxy: Box
    line: Line | None


@dataclass(frozen=True)
class Lens:
    """An enlargement: of which item, what stands below, its square, the part of the picture in it, and the line."""

    item: int
    text: tuple[str, ...]
    xyxy: Box
    window: Box
    line: Line


@dataclass(frozen=True)
class Layout:
    """All that is written on a picture; what there is no room for at all is not in it."""

    labels: tuple[Label, ...]
    lenses: tuple[Lens, ...]

    @property
    def lines(self) -> list[tuple[int, Line]]:
        """All lines, each with the item that it leads to."""
        return [(placed.item, placed.line) for placed in self.labels if placed.line] + [
            (lens.item, lens.line) for lens in self.lenses
        ]


def scale_of(size_hw: tuple[int, int]) -> float:
    """How large writing is on a picture (H, W), 1 on 1280 x 900."""
    return max(min(size_hw[0] / 900, size_hw[1] / 1280), 0.5)


def font_scale(scale: float) -> float:
    """OpenCV's, of labels."""
    return 0.5 * scale


def thickness(scale: float) -> int:
    """Of letters and thin lines, px."""
    return max(1, round(1.1 * scale))


def text_px(text: str, scale: float) -> int:
    """Width of a text on one line, px."""
    return cv2.getTextSize(text, FONT, font_scale(scale), thickness(scale))[0][0]


def line_px(scale: float) -> int:
    """Height of a line of text, px."""
    return math.ceil(_LINE_PX * scale)


def below_px(lines: int, scale: float) -> int:
    """Height of so many lines below an enlargement, px."""
    return lines * line_px(scale) + math.ceil(6 * scale)


def arranged(detections: Detections, texts: Sequence[tuple[str, ...]], top: int) -> Layout:
    """Places for each item's text.

    Args:
        texts: for each item its lines: side by side on a label, one below the other under an enlargement.
        top: rows of the picture that are taken by the strip, px.
    """
    scale = scale_of(detections.size_hw)
    grid = _Grid(detections, top, max(4, round(_CELL_PX * scale)))
    lenses = _lenses(grid, detections, texts, scale)
    enlarged = {lens.item for lens in lenses}
    rest = [i for i in range(len(detections)) if i not in enlarged and detections.items[i].mask.area]
    labels = [_label(grid, i, detections.items[i], texts[i], scale) for i in rest]
    return Layout(tuple(label for label in labels if label), lenses)


class _Grid:
    """What is taken of a picture below its strip, by whole cells: uint8 weights (rows, columns)."""

    def __init__(self, detections: Detections, top: int, cell: int) -> None:
        height, width = detections.size_hw
        self.top, self.cell, self.width_px = top, cell, width
        self.weights = np.zeros((max(0, height - top) // cell, width // cell), np.uint8)
        if not self.weights.size:
            return
        rows, columns = (length * cell for length in self.weights.shape)
        masks = np.zeros((height, width), bool)
        for item in detections.items:
            h, w = item.mask.bits.shape
            masks[item.mask.y : item.mask.y + h, item.mask.x : item.mask.x + w] |= item.mask.bits
            self.take(_grown(item, max(h, w) // 2 if _is_small(item) else 0), _NEAR)
        within = masks[top : top + rows, :columns]
        by_row = np.logical_or.reduceat(within, np.arange(0, rows, cell), axis=0)
        self.weights[np.logical_or.reduceat(by_row, np.arange(0, columns, cell), axis=1)] = _COVERED

    def take(self, xyxy: Sequence[float], weight: int = _TAKEN) -> None:
        """Every cell that a box in pixels touches weighs at least so much."""
        x0, y0, x1, y1 = self._cells(xyxy)
        part = self.weights[
            math.floor(max(y0, 0)) : math.ceil(max(y1, 0)), math.floor(max(x0, 0)) : math.ceil(max(x1, 0))
        ]
        np.maximum(part, weight, out=part)

    def best(self, width: int, height: int, near: Sequence[float], rise: float) -> tuple[int, Box] | None:
        """How much the best place for a box of that size in pixels covers, and the place; None if it is too large.

        `rise`: by how many cells a place above may be farther away than one that isn't, to be chosen.
        """
        h, w = (math.ceil(length / self.cell) for length in (height, width))
        rows, columns = self.weights.shape
        if h > rows or w > columns:
            return None
        sums = cv2.integral(self.weights)
        covers = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
        x0, y0, x1, y1 = self._cells(near)
        left, above = np.arange(columns - w + 1), np.arange(rows - h + 1)
        across = np.maximum(0, np.maximum(x0 - left - w, left - x1)) + abs(left + w / 2 - (x0 + x1) / 2) * 1e-3
        down = np.maximum(0, np.maximum(y0 - above - h, above - y1)) + (above + h > y0) * rise
        cost = covers * 1e6 + (down**2)[:, None] + across**2
        row, column = divmod(int(cost.argmin()), cost.shape[1])
        x, y = column * self.cell, self.top + row * self.cell
        return int(covers[row, column]), (x, y, x + width, y + height)

    def _cells(self, xyxy: Sequence[float]) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = xyxy
        return x0 / self.cell, (y0 - self.top) / self.cell, x1 / self.cell, (y1 - self.top) / self.cell


def _label(grid: _Grid, index: int, item: Detection, lines: Sequence[str], scale: float) -> Label | None:
    padding = max(2, round(_PADDING_PX * scale))
    text = " ".join((drawable(lines[0], _LONGEST_NAME), *lines[1:]))
    text = _shortened(text, grid.width_px // grid.cell * grid.cell - 2 * padding, scale)
    place = grid.best(text_px(text, scale) + 2 * padding, line_px(scale), item.xyxy, rise=0.5) if text else None
    if place is None:
        return None
    grid.take(place[1])
    line = _between(place[1], item.xyxy)
    return Label(index, text, place[1], line if math.dist(*line) > 1.5 * grid.cell else None)


def _lenses(grid: _Grid, detections: Detections, texts: Sequence[tuple[str, ...]], scale: float) -> tuple[Lens, ...]:
    """Enlargements of the first small ones, in a row, two rows or a column where no instance is; maybe fewer."""
    side = max(96, round(_LENS_PX * scale))
    small = [i for i, item in enumerate(detections.items) if _is_small(item)]
    windows = {i: _window(detections.items[i], detections.size_hw, side) for i in small}
    chosen = [i for i, w in windows.items() if _LEAST_ZOOM * (w[2] - w[0]) <= side][:MOST_LENSES]
    gap = max(2, round(3 * scale))
    while chosen:
        boxes = np.array([detections.items[i].xyxy for i in chosen])
        near = (*boxes[:, :2].min(0), *boxes[:, 2:].max(0))
        below = below_px(max(len(texts[i]) for i in chosen), scale)
        for rows, columns in ((1, len(chosen)), (2, -(-len(chosen) // 2)), (len(chosen), 1)):
            place = grid.best(columns * (side + gap) + gap, rows * (side + below + gap) + gap, near, rise=30.0)
            if place and not place[0]:
                grid.take(place[1])
                return tuple(
                    _lens(i, n, detections, texts[i], (columns, side, below, gap), place[1], windows[i], scale)
                    for n, i in enumerate(sorted(chosen, key=lambda i: detections.items[i].mask.x))
                )
        chosen.pop()
    return ()


def _lens(
    i: int, n: int, found: Detections, text: tuple[str, ...], sizes: tuple[int, int, int, int], panel: Box, window: Box,
    scale: float,
) -> Lens:  # fmt: skip
    columns, side, below, gap = sizes
    x = panel[0] + gap + n % columns * (side + gap)
    y = panel[1] + gap + n // columns * (side + below + gap)
    square = (x, y, x + side, y + side)
    line = _between((x, y, x + side, y + side + below), found.items[i].xyxy)
    return Lens(i, tuple(_shortened(line, side, scale) for line in text), square, window, line)


def _is_small(item: Detection) -> bool:
    return 0 < item.mask.bits.shape[0] < SMALL_PX


def _window(item: Detection, size_hw: tuple[int, int], side: int) -> Box:
    """The square of the picture around an instance that its enlargement shows, inside the picture if it fits."""
    h, w = item.mask.bits.shape
    length = max(math.ceil(1.6 * max(h, w)), math.ceil(side / _MOST_ZOOM))
    x, y = (
        int(min(max(0, start + (extent - length) // 2), max(0, limit - length)))
        for start, extent, limit in ((item.mask.x, w, size_hw[1]), (item.mask.y, h, size_hw[0]))
    )
    return x, y, x + length, y + length


def _grown(item: Detection, by: int) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = item.xyxy
    return x0 - by, y0 - by, x1 + by, y1 + by


def _between(a: Sequence[float], b: Sequence[float]) -> Line:
    """The shortest line between two boxes: a point (x, y) on each."""
    ends = []
    for low, high, other_low, other_high in ((a[0], a[2], b[0], b[2]), (a[1], a[3], b[1], b[3])):
        middle = (max(low, other_low) + min(high, other_high)) / 2  # of what they share, if they do
        ends.append((min(max(middle, low), high), min(max(middle, other_low), other_high)))
    (ax, bx), (ay, by) = ends
    return (round(ax), round(ay)), (round(bx), round(by))


def _shortened(text: str, width: int, scale: float) -> str:
    """As much of a text as fits a width in px; empty if that is less than three letters."""
    text = drawable(text, LINE)
    fits = len(text)
    while fits > 2 and text_px(text[:fits], scale) > width:
        fits -= max(1, fits // 16)
    return text[:fits] if text_px(text[:fits], scale) <= width else ""
