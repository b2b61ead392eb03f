"""A rendered picture's ground truth as `Detections`."""

from __future__ import annotations

import cv2
import numpy as np

from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.synthetic.render import IGNORE_ID, Rendered

IGNORE = "ignore"
"""Label of what is too small or too hidden for a label: a detector may report it or not."""


def ground_truth(frame: Rendered) -> Detections:
    """Exact visible masks, nearest object first; things to be ignored come last, one instance per blob."""
    order = sorted(range(len(frame.objects)), key=lambda i: frame.objects[i].distance_m)
    items = [_exact(frame.objects[i].name, frame.ids == i + 1) for i in order]
    blobs, labels = cv2.connectedComponents((frame.ids == IGNORE_ID).astype(np.uint8))
    items += [_exact(IGNORE, labels == i) for i in range(1, blobs)]
    return Detections(frame.image.shape[:2], tuple(items), vlm="ground truth", segmenter="ground truth")


def _exact(name: str, mask: np.ndarray) -> Detection:
    return Detection(name, 1.0, 1.0, 1.0, 1.0, Mask.from_dense(mask))
