"""Run lengths of binary masks, cropped to the region of interest: the contents of an ``InstanceMask`` message.

The region's pixels are read down each column, columns from left to right (the order of COCO). Runs alternate between
background and object, background first, and that first run may be 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import VlsamError

MAX_PIXELS = 1 << 28
"""Largest image, region, and sum of a message's regions, px: the memory must hold it. As in ``mask.hpp``."""


class MaskError(VlsamError, ValueError):
    """A mask has a wrong shape, its runs don't fit its size, or the result that it belongs to is wrong."""


@dataclass(frozen=True, eq=False)
class RoiMask:
    """A binary mask as run lengths in its region of interest.

    Attributes:
        x, y: left column and top row of the region, px of the picture.
        width, height: the region's size, px; both 0 for an empty mask.
        runs: uint32 (R,), background first, column-major; they sum to width * height.

    Raises:
        MaskError: a negative or absurd size, or runs that don't sum to it.
    """

    x: int
    y: int
    width: int
    height: int
    runs: np.ndarray

    def __post_init__(self) -> None:
        runs = np.asarray(self.runs)
        if runs.ndim != 1 or (runs.size and (runs.dtype.kind not in "iu" or runs.min() < 0 or runs.max() >= 1 << 32)):
            raise MaskError(f"expected runs as uint32 (R,), got {runs.dtype} {runs.shape}: {runs!r:.80}")
        if min(self.x, self.y, self.width, self.height) < 0:
            raise MaskError(f"expected x, y, width, height >= 0, got {self.x}, {self.y}, {self.width}, {self.height}")
        size, total = self.width * self.height, int(runs.sum(dtype=np.uint64))
        if size > MAX_PIXELS:
            raise MaskError(f"expected a region of at most {MAX_PIXELS} px, got {self.width} x {self.height}")
        if runs.size > size + 1:
            raise MaskError(f"expected at most {size + 1} runs in {self.width} x {self.height} px, got {runs.size}")
        if total != size:
            raise MaskError(f"expected runs that sum to {self.width} x {self.height} = {size}, got {total}")
        object.__setattr__(self, "runs", runs.astype(np.uint32, copy=False))

    @property
    def area(self) -> int:
        """Number of pixels on the object."""
        return int(self.runs[1::2].sum(dtype=np.int64))

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """Box of the object, exclusive right and bottom; without area if there is none. Nothing is decoded."""
        ends = self.runs.cumsum(dtype=np.int64)
        first, last = ends[:-1:2], ends[1::2] - 1  # pixels of each run on the object, in column order
        first, last = first[first <= last], last[first <= last]
        if not first.size:
            return (self.x, self.y, self.x, self.y)
        columns, rows = np.divmod((first, last), self.height)
        several = (columns[0] != columns[1]).any()  # a run that goes on in the next column touches bottom and top
        top, bottom = (0, self.height) if several else (rows[0].min(), rows[1].max() + 1)
        left, right = columns[0, 0], columns[1, -1] + 1
        return (self.x + int(left), self.y + int(top), self.x + int(right), self.y + int(bottom))


def encode(mask: np.ndarray, offset_xy: tuple[int, int] = (0, 0)) -> RoiMask:
    """Crop a bool mask (H, W) to its object and take the run lengths.

    Args:
        mask: bool (H, W), the whole picture or a part of it.
        offset_xy: where that part's left top corner lies in the picture, px.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise MaskError(f"expected a bool mask (H, W), got {mask.dtype} {mask.shape}")
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return RoiMask(0, 0, 0, 0, np.zeros(0, np.uint32))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    runs = _runs(mask[top:bottom, left:right])
    return RoiMask(offset_xy[0] + left, offset_xy[1] + top, right - left, bottom - top, runs)


def decode(roi_mask: RoiMask) -> np.ndarray:
    """The region of interest as bool (height, width)."""
    value = np.arange(roi_mask.runs.size) % 2 == 1
    return np.repeat(value, roi_mask.runs).reshape(roi_mask.width, roi_mask.height).T


def paste(roi_mask: RoiMask, size_hw: tuple[int, int]) -> np.ndarray:
    """The whole picture as bool (H, W).

    Raises:
        MaskError: the region does not fit the picture.
    """
    _check_fits(roi_mask, size_hw)
    picture = np.zeros(size_hw, dtype=bool)
    picture[roi_mask.y : roi_mask.y + roi_mask.height, roi_mask.x : roi_mask.x + roi_mask.width] = decode(roi_mask)
    return picture


def to_coco(roi_mask: RoiMask, size_hw: tuple[int, int]) -> dict[str, Any]:
    """COCO's uncompressed run lengths of the whole picture: ``{"size": [H, W], "counts": [...]}``."""
    _check_fits(roi_mask, size_hw)
    height, width = size_hw
    strip = np.zeros((height, roi_mask.width), dtype=bool)  # the region's columns at full height
    strip[roi_mask.y : roi_mask.y + roi_mask.height] = decode(roi_mask)
    counts = _runs(strip).tolist() or [0]
    counts[0] += roi_mask.x * height
    after = (width - roi_mask.x - roi_mask.width) * height
    if len(counts) % 2:
        counts[-1] += after
    elif after:
        counts.append(after)
    return {"size": [height, width], "counts": counts}


def from_coco(segmentation: dict[str, Any]) -> RoiMask:
    """From COCO's uncompressed run lengths.

    Raises:
        MaskError: the counts don't sum to the size.
    """
    height, width = segmentation["size"]
    return encode(decode(RoiMask(0, 0, width, height, np.asarray(segmentation["counts"]))))


def _runs(region: np.ndarray) -> np.ndarray:
    """Run lengths of bool (h, w) in column order, background first: uint32 (R,)."""
    flat = np.ascontiguousarray(region.T).reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts_on_object = [0] if flat.size and flat[0] else []
    edges = np.concatenate([[0], starts_on_object, changes, [flat.size]]) if flat.size else np.zeros(1)
    return np.diff(edges).astype(np.uint32)


def _check_fits(roi_mask: RoiMask, size_hw: tuple[int, int]) -> None:
    right, bottom = roi_mask.x + roi_mask.width, roi_mask.y + roi_mask.height
    if right > size_hw[1] or bottom > size_hw[0]:
        raise MaskError(
            f"expected a region within {size_hw[1]} x {size_hw[0]}, got one that ends at ({right}, {bottom})"
        )
