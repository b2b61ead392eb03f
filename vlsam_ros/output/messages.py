"""Detections as a DetectedInstanceArray and back. The message classes are handed in: rclpy's or a bag library's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.output import rle
from vlsam_ros.output.hazard import hazard_class


@dataclass(frozen=True)
class Types:
    """Message classes by name (``vlsam_ros/msg/InstanceMask``), and the uint32 array (N,) as their field wants it."""

    make: Callable[..., Any]
    uint32: Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class Keyframe:
    """What a message says about its image and the run.

    Attributes:
        header: the source image's, kept as it is.
        camera, number: the camera's name and its count of keyframes from 0.
        started, finished: builtin_interfaces/Time of inference.
        age_s: finished - header.stamp in seconds; NaN if the stamp is zero.
        status, status_text: one of the message's STATUS_ constants, and what went wrong.
    """

    header: Any
    camera: str
    number: int
    started: Any
    finished: Any
    age_s: float = math.nan
    status: int = 0
    status_text: str = ""


def to_message(keyframe: Keyframe, detections: Detections, types: Types) -> Any:
    """The DetectedInstanceArray of one keyframe; `Detections((0, 0))` if there is no result."""
    height, width = detections.size_hw
    return types.make(
        "vlsam_ros/msg/DetectedInstanceArray",
        header=keyframe.header,
        image_width=int(width),
        image_height=int(height),
        camera=keyframe.camera,
        keyframe=keyframe.number,
        started=keyframe.started,
        finished=keyframe.finished,
        age_s=float(keyframe.age_s),
        status=keyframe.status,
        status_text=keyframe.status_text,
        skipped=list(detections.skipped),
        vlm=detections.vlm,
        segmenter=detections.segmenter,
        grounder=detections.grounder,
        demonstration=detections.demonstration,
        instances=[_instance(item, types) for item in detections.items],
    )


def _instance(item: Detection, types: Types) -> Any:
    x_min, y_min, x_max, y_max = (float(v) for v in item.xyxy)
    roi = rle.encode(item.mask.bits, (item.mask.x, item.mask.y))
    mask = types.make(
        "vlsam_ros/msg/InstanceMask", x=roi.x, y=roi.y, width=roi.width, height=roi.height, runs=types.uint32(roi.runs)
    )
    return types.make(
        "vlsam_ros/msg/DetectedInstance",
        track_id="",
        label=item.label,
        score=float(item.score),
        attention_score=float(item.attention),
        iou_score=float(item.iou),
        consistency_score=float(item.consistency),
        certainty_score=float(item.certainty),
        x_min=x_min,
        y_min=y_min,
        x_max=x_max,
        y_max=y_max,
        mask=mask,
        hazard_class=hazard_class(item.label),
        has_ground_point=False,
        ground_point=types.make("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
        view=item.view,
        source=item.source,
        reason=item.reason,
    )


def from_message(message: Any) -> Detections:
    """The detections in a DetectedInstanceArray of any message library.

    Raises:
        MaskError: a mask's runs don't fit its region.
    """
    return Detections(
        size_hw=(message.image_height, message.image_width),
        items=tuple(_detection(instance) for instance in message.instances),
        skipped=tuple(message.skipped),
        vlm=message.vlm,
        segmenter=message.segmenter,
        grounder=message.grounder,
        demonstration=message.demonstration,
    )


def _detection(instance: Any) -> Detection:
    mask = instance.mask
    roi = rle.RoiMask(mask.x, mask.y, mask.width, mask.height, np.asarray(mask.runs, np.uint32))
    return Detection(
        label=instance.label,
        score=instance.score,
        attention=instance.attention_score,
        iou=instance.iou_score,
        consistency=instance.consistency_score,
        certainty=instance.certainty_score,
        mask=Mask(roi.x, roi.y, rle.decode(roi)),
        view=instance.view,
        source=instance.source,
        reason=instance.reason,
    )
