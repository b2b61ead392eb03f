"""From a segmenter's logits to a mask of its view's pixels, as work in proportion to the mask and not to the picture.

Between logits interpolation is linear, so a pixel can be set only if one of the logits that it looks at is above 0.
Where the mask's part under a point lies is therefore seen on the segmenter's own grid, and only that rectangle is
interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ...data import Mask

Size = tuple[int, int]

BLOCK = 64
"""Rows of pixels that are interpolated together: few enough that most of their weights are not 0."""


@dataclass(frozen=True)
class Axis:
    """How the n pixels of a view look at the m logits of the grid, along one axis.

    Attributes:
        weights: float32 (n, m), rows add up to 1.
        first, last: int (n,), the first and the last logit with a weight; neither ever falls.
    """

    weights: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def pixels(self, low: int, high: int) -> slice:
        """Those that look at one of the logits low to high, high too."""
        return slice(int(np.searchsorted(self.last, low)), int(np.searchsorted(self.first, high, "right")))

    def logits(self, pixels: slice) -> slice:
        """Those that some pixels look at."""
        return slice(int(self.first[pixels.start]), int(self.last[pixels.stop - 1]) + 1)

    @property
    def reach(self) -> int:
        """How far apart logits of two neighbouring pixels can be."""
        return int((self.last[1:] - self.first[:-1]).max(initial=1))


@lru_cache(64)
def axes(grid_hw: Size, input_hw: Size, scaled_hw: Size, size_hw: Size) -> tuple[Axis, Axis]:
    """Rows and columns: from a grid of logits to the model's input, and from the view in its corner to the view.

    Bilinear, with the middle of pixels at one half. Where there is no padding to cut off, it goes there at once.
    """
    own = []
    for grid, whole, part, pixels in zip(grid_hw, input_hw, scaled_hw, size_hw, strict=True):
        once = scaled_hw == input_hw
        weights = _linear(grid, pixels) if once else _linear(part, pixels) @ _linear(grid, whole)[:part]
        seen = weights > 0
        own.append(Axis(weights.astype(np.float32), seen.argmax(1), grid - 1 - seen[:, ::-1].argmax(1)))
    return own[0], own[1]


def _linear(size: int, pixels: int) -> np.ndarray:
    """Linear interpolation from `size` values to some pixels: (pixels, size)."""
    at = np.clip((np.arange(pixels) + 0.5) * size / pixels - 0.5, 0, size - 1)
    return np.clip(1 - np.abs(at[:, None] - np.arange(size)), 0, None)


def mask(logits: np.ndarray, rows: Axis, columns: Axis, point_xy: tuple[float, float] | None = None) -> Mask:
    """A mask on the view's pixels; with a point its connected part under that, or nearest to it.

    Args:
        logits: float32 (h, w); above 0 is mask.
        rows, columns: how the view's pixels look at them.
        point_xy: in pixels of the view.
    """
    above = logits > 0
    if point_xy is not None:
        x, y = (min(max(int(c), 0), len(a.first) - 1) for c, a in zip(point_xy, (columns, rows), strict=True))
        part = _upscaled(logits, _around(above, rows, columns, x, y), rows, columns)
        if part.has(x, y):
            return part.component(point_xy)
    whole = _upscaled(logits, cv2.boundingRect(above.astype(np.uint8)), rows, columns)
    return whole if point_xy is None else whole.component(point_xy)


def _around(above: np.ndarray, rows: Axis, columns: Axis, x: int, y: int) -> tuple[int, int, int, int]:
    """The rectangle (left, top, width, height) of logits with all pixels that are connected with one that is set."""
    seen = np.argwhere(above[rows.logits(slice(y, y + 1)), columns.logits(slice(x, x + 1))])
    if not len(seen):
        return 0, 0, 0, 0
    size = 1 + 2 * (max(rows.reach, columns.reach) // 2)  # what connects pixels touches, when each is so large
    near = cv2.dilate(above.astype(np.uint8), np.ones((size, size), np.uint8))
    start = int(columns.first[x] + seen[0][1]), int(rows.first[y] + seen[0][0])
    return cv2.floodFill(near, None, start, 2, flags=8)[-1]


def _upscaled(logits: np.ndarray, rect: tuple[int, int, int, int], rows: Axis, columns: Axis) -> Mask:
    """The mask's pixels that look at some of the logits in a rectangle (left, top, width, height)."""
    left, top, width, height = rect
    ys, xs = rows.pixels(top, top + height - 1), columns.pixels(left, left + width - 1)
    if not width or ys.start == ys.stop or xs.start == xs.stop:
        return Mask(0, 0, np.zeros((0, 0), bool))
    own = columns.logits(xs)
    along = logits[:, own] @ columns.weights[xs, own].T  # (h, pixels)
    bits = np.empty((ys.stop - ys.start, along.shape[1]), bool)
    for start in range(0, len(bits), BLOCK):
        block = slice(ys.start + start, min(ys.start + start + BLOCK, ys.stop))
        own = rows.logits(block)
        np.greater(rows.weights[block, own] @ along[own], 0, out=bits[start : start + BLOCK])
    return Mask.from_dense(bits).shifted(xs.start, ys.start)
