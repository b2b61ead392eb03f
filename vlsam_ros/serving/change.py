"""Whether a scene has changed, by thumbnails: cheap enough for each frame of a camera."""

from __future__ import annotations

import cv2
import numpy as np

ROWS, COLUMNS = 18, 32


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Its brightness, each cell the mean of its part of the picture: float32 (18, 32) in [0, 1].

    Args:
        image: uint8 (H, W, 3) RGB, or (H, W) grey, of any size.
    """
    small = cv2.resize(image, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32) / np.float32(255)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference of two thumbnails, in [0, 1], apart from how much brighter one is as a whole."""
    step = after - before
    return float(np.mean(np.abs(step - np.median(step))))
