"""What may leave and what may be believed: the same limits for a pipeline's results and for messages.

``detections.hpp`` has them for messages in C++.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data import Detection, Detections
from ..localisation.score import PARTS
from .rle import MAX_PIXELS, MaskError

MAX_INSTANCES = 1000
"""Most instances of one frame; the highest value of option `merge.max_instances`."""

MAX_LABEL_CHARS = 128
"""Longest label; the highest value of option `questions.max_label_chars`."""


def check_result(found: Any, size_hw: tuple[int, int]) -> Detections:
    """What a pipeline returned for a frame of height and width `size_hw`, if it is fit to be published.

    Raises:
        MaskError: it is no Detections of that size, or a label, score, mask or the heat map is wrong.
    """
    if not isinstance(found, Detections):
        raise MaskError(f"expected Detections, got {type(found).__name__}")
    if tuple(found.size_hw) != tuple(size_hw):
        raise MaskError(f"expected Detections of a frame of {size_hw}, got {found.size_hw}")
    check_items(found.items, size_hw)
    check_items(found.dropped, size_hw)
    heat = found.heat
    if heat is not None and not (_is_array(heat, "f") and heat.size and heat.min() >= 0 and heat.max() <= 1):
        raise MaskError(f"expected a heat map as float (h, w) in [0, 1], got {heat!r:.80}")
    return found


def check_items(items: Sequence[Detection], size_hw: tuple[int, int]) -> None:
    """Raise `MaskError` if there are too many instances for one frame (H, W), or one is wrong."""
    if len(items) > MAX_INSTANCES:
        raise MaskError(f"expected at most {MAX_INSTANCES} instances, got {len(items)}")
    for item in items:
        label = item.label
        if not isinstance(label, str) or not 0 < len(label) <= MAX_LABEL_CHARS or not label.isprintable():
            raise MaskError(f"expected a label of 1 to {MAX_LABEL_CHARS} printable characters, got {label!r:.80}")
        scores = {name: np.float32(getattr(item, name)) for name in ("score", *PARTS)}
        if wrong := [f"{name} {value:.4g}" for name, value in scores.items() if not 0 <= value <= 1]:
            raise MaskError(f"{label!r}: expected scores in [0, 1], got {', '.join(wrong)}")
        if not _is_array(item.mask.bits, "b"):
            raise MaskError(f"{label!r}: expected a mask as bool (h, w), got {item.mask.bits!r:.80}")
    check_regions([(i.mask.x, i.mask.y, *i.mask.bits.shape[::-1]) for i in items], size_hw)


def check_regions(regions: Sequence[Sequence[int]], size_hw: tuple[int, int]) -> None:
    """Raise `MaskError` unless each x, y, width, height lies in the frame (H, W), and none of it is too large."""
    height, width = size_hw
    if width * height > MAX_PIXELS:
        raise MaskError(f"expected an image of at most {MAX_PIXELS} px, got {width} x {height}")
    for x, y, w, h in regions:
        if min(x, y) < 0 or x + w > width or y + h > height:
            raise MaskError(f"expected a region within {width} x {height}, got {w} x {h} at ({x}, {y})")
    if (total := sum(w * h for _, _, w, h in regions)) > MAX_PIXELS:
        raise MaskError(f"expected regions of at most {MAX_PIXELS} px together, got {total}")


def check_boxes(boxes_xyxy: np.ndarray, size_hw: tuple[int, int]) -> None:
    """Raise `MaskError` unless each box (N, 4) is finite and lies in the frame (H, W)."""
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    right = (low >= 0) & (low <= high) & (high <= np.array(size_hw[::-1], np.float32))
    if not right.all():
        raise MaskError(f"expected boxes within {size_hw[1]} x {size_hw[0]}, got {boxes_xyxy[~right.all(1)][0]}")


def _is_array(value: Any, kind: str) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == kind
