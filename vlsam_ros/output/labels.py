"""Detections as label images, which are read pixel by pixel: which instance, of which hazard class, how sure.

Where masks overlap, the better score is on top, of equal ones the first. The classes are those of
``DetectedInstance``. UNKNOWN, 0, is an object in no table: pixels without any object are `UNLABELLED`, as
``vision_msgs/LabelInfo`` has it. That is no class of the legend, so the semantic segmentation layer of Nav2
passes over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data import Detections
from .hazard import CLASSES, hazard_class

UNLABELLED = 255
"""Where there is no object: the highest number of a uint8, by the convention of ``vision_msgs/LabelInfo``."""


def instances(detections: Detections) -> np.ndarray:
    """uint16 (H, W): 0 where there is no object, i on the i-th of the items, counted from 1."""
    return _painted(detections, np.arange(1, len(detections) + 1), 0, np.uint16)


def classes(detections: Detections, class_of: Callable[[str], int] = hazard_class) -> np.ndarray:
    """uint8 (H, W): the number of the hazard class, `UNLABELLED` where there is no object.

    Args:
        class_of: from a label to the number, as ``hazard.load(path).class_of``.
    """
    return _painted(detections, [class_of(label) for label in detections.labels], UNLABELLED, np.uint8)


def confidence(detections: Detections) -> np.ndarray:
    """uint8 (H, W): the score × 255, at least 1 on an object, 0 where there is none."""
    return _painted(detections, np.clip(np.rint(detections.scores * 255), 1, 255), 0, np.uint8)


def legend(class_of: Callable[[str], int] = hazard_class, detections: Detections | None = None) -> str:
    """What the numbers mean, as JSON: ``classes`` by number, ``unlabelled``, and ``instances`` if there are detections.

    Those have ``id``, ``label``, ``class``, ``score`` and ``track_id`` each, in the order of the items.
    """
    said: dict[str, object] = {"classes": dict(enumerate(CLASSES)), "unlabelled": UNLABELLED}
    if detections is not None:
        said["instances"] = [
            {
                "id": i,
                "label": item.label,
                "class": class_of(item.label),
                "score": round(float(item.score), 4),
                "track_id": item.track.id if item.track else "",
            }
            for i, item in enumerate(detections.items, 1)
        ]
    return json.dumps(said)


def _painted(detections: Detections, values: Sequence[int] | np.ndarray, nothing: int, dtype: Any) -> np.ndarray:
    """(H, W) with each item's value on its mask, the best score last."""
    image: np.ndarray = np.full(detections.size_hw, nothing, dtype)
    for i in sorted(range(len(detections)), key=lambda i: -detections.items[i].score)[::-1]:
        mask = detections.items[i].mask
        h, w = mask.bits.shape
        image[mask.y : mask.y + h, mask.x : mask.x + w][mask.bits] = values[i]
    return image
