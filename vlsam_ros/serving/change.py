"""Whether a scene has changed, by thumbnails: cheap enough for every frame. See benchmarks/scene_change.py."""

from __future__ import annotations

import cv2
import numpy as np

ROWS, COLUMNS = 18, 32

MOST = 4
"""So many cells decide: something new on the road is small, and the mean over all cells does not see it."""

EXPOSURE = 2.0
"""The largest factor that is one of exposure; a covered lens is a change."""

_BLACK = 0.02


def thumbnail(image: np.ndarray) -> np.ndarray:
    """A picture's brightness, each cell the mean of its part: float32 (18, 32) in [0, 1].

    Args:
        image: uint8 (H, W, 3) RGB, or (H, W) grey, of any size.
    """
    small = cv2.resize(image, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32) / np.float32(255)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """How far two thumbnails differ, in [0, 1]: mean absolute difference of the `MOST` cells that differ most.

    A factor that all cells share is taken out first: the camera's exposure.
    """
    before, after = before + _BLACK, after + _BLACK
    exposure = np.clip(np.median(after / before), 1 / EXPOSURE, EXPOSURE)
    off = np.abs(after / max(exposure, 1.0) - before * min(exposure, 1.0)).ravel()
    return float(np.partition(off, -MOST)[-MOST:].mean())
