"""A rendered picture's ground truth as `Detections`."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vlsam_ros.data import Detection, Detections, Mask, Place
from vlsam_ros.synthetic.render import IGNORE_ID, Rendered, RenderedObject
from vlsam_ros.synthetic.world import FRAME_WH, Camera

IGNORE = "ignore"
"""Label of what is too small or too hidden for a label: a detector may report it or not."""


def ground_truth(frame: Rendered, camera: Camera | None = None) -> Detections:
    """Exact visible masks, nearest object first; things to be ignored come last, one instance per blob.

    With the frame's `camera`, objects have their distance along the road.
    """
    order = sorted(range(len(frame.objects)), key=lambda i: frame.objects[i].distance_m)
    items = [
        _exact(frame.objects[i].name, frame.ids == i + 1, camera and _place(frame.objects[i], camera)) for i in order
    ]
    blobs, labels = cv2.connectedComponents((frame.ids == IGNORE_ID).astype(np.uint8))
    items += [_exact(IGNORE, labels == i) for i in range(1, blobs)]
    return Detections(frame.image.shape[:2], tuple(items), vlm="ground truth", segmenter="ground truth")


def _exact(name: str, mask: np.ndarray, place: Place | None = None) -> Detection:
    return Detection(name, 1.0, 1.0, 1.0, 1.0, Mask.from_dense(mask), place=place)


def _place(thing: RenderedObject, camera: Camera) -> Place:
    x0, _, x1, _ = thing.amodal_xyxy
    azimuth = math.atan2(FRAME_WH[0] / 2 - (x0 + x1) / 2, camera.focal_px)
    distance = thing.distance_m / math.cos(azimuth)
    return Place(azimuth, 0.0, distance, distance, distance)
