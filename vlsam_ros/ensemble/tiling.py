"""The views of a frame that the models look at, and the way back into the frame."""

from __future__ import annotations

from dataclasses import replace

from ..config import ViewOptions
from ..data import Detection, View

HORIZON_IN_VIEW = 0.3
"""Where a far-field or near-field view shows the horizon, as a share of its height: hazards stand below it."""

LEAST_PX = 32
"""A part of the frame whose shorter side is smaller than this shows nothing that the full view does not."""


def views(size_hw: tuple[int, int], options: ViewOptions, horizon: float | None = None) -> list[View]:
    """The views of a frame, most important first: full, far field and near field from left to right, tiles row by row.

    Parts that are too small or equal to an earlier one are left out; where nothing remains, the full view is taken.

    Args:
        horizon: its row as a share of the frame's height, if known; it may lie outside the frame. None: the option's.
    """
    height, width = size_hw
    full = View("full", (0, 0, width, height))
    options = options if horizon is None else replace(options, horizon=horizon)
    far = band(size_hw, options, "far", options.far, options.far_scale)
    near = band(size_hw, options, "near", options.near, options.near_scale)
    parts = [v for v in far + near + tiles(size_hw, options) if min(v.size_hw) >= LEAST_PX]
    unique: dict[tuple[int, int, int, int], View] = {full.xyxy: full} if options.full else {}
    for view in parts:
        unique.setdefault(view.xyxy, view)
    return list(unique.values()) or [full]


def band(size_hw: tuple[int, int], options: ViewOptions, name: str, n: int, scale: float) -> list[View]:
    """A band of n views of the frame's aspect along the horizon, each `scale` of the frame's width.

    Neighbours overlap by `options.overlap`, or by more where the band would be wider than the frame; a narrower band
    lies in the frame's middle.
    """
    height, width = size_hw
    w, h = scale * width, scale * height
    length = min(width, w * (n - (n - 1) * options.overlap))
    top = min(max(options.horizon * height - HORIZON_IN_VIEW * h, 0), height - h)
    lefts = spread((width - length) / 2, length, w, n)
    return [_view(f"{name}_{i}", left, top, w, h) for i, left in enumerate(lefts)]


def tiles(size_hw: tuple[int, int], options: ViewOptions) -> list[View]:
    """A grid of tiles that cover the frame, neighbours sharing `options.overlap` of a tile."""
    height, width = size_hw
    rows, columns = options.tile_rows, options.tile_columns
    if not rows or not columns:
        return []
    h = height / (rows - (rows - 1) * options.overlap)
    w = width / (columns - (columns - 1) * options.overlap)
    return [
        _view(f"tile_{r}_{c}", left, top, w, h)
        for r, top in enumerate(spread(0, height, h, rows))
        for c, left in enumerate(spread(0, width, w, columns))
    ]


def spread(start: float, length: float, size: float, n: int) -> list[float]:
    """Where n pieces of a size begin so that they lie evenly on [start, start + length]."""
    if n == 1:
        return [start + (length - size) / 2]
    return [start + i * (length - size) / (n - 1) for i in range(n)]


def lift(detection: Detection, view: View) -> Detection:
    """A detection in pixels of the view, in pixels of the frame."""
    return replace(detection, mask=detection.mask.shifted(*view.xyxy[:2]), view=view.name)


def cut_by_border(detection: Detection, view: View, size_hw: tuple[int, int], border_px: float) -> bool:
    """Whether a lifted detection comes within `border_px` of a border of its view that lies inside the frame."""
    height, width = size_hw
    sides = zip(detection.xyxy, view.xyxy, (0, 0, width, height), strict=True)
    return any(abs(side - border) <= border_px and border != outer for side, border, outer in sides)


def _view(name: str, left: float, top: float, width: float, height: float) -> View:
    x0, y0 = round(left), round(top)
    return View(name, (x0, y0, max(x0 + 1, round(left + width)), max(y0 + 1, round(top + height))))
