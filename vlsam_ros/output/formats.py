"""Detections in other packages' messages: vision_msgs as in Humble, Jazzy and Lyrical, and foxglove_msgs.

The message classes are handed in as for `messages`: ``make(name, **fields)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from ..data import Detection, Detections, Mask
from .check import MAX_LABEL_CHARS
from .hazard import CLASSES
from .messages import Types
from .overlay import colour, said
from .text import plain

TOLERANCE_PX = 0.75
"""How far outlines may leave their masks' edges, for fewer points; less where the mask is small."""
THICKNESS_PX = 2.0
FONT_PX = 16.0
"""Of annotations, in pixels of the image."""

Make = Callable[..., Any]


def detection_array(header: Any, detections: Detections, types: Types) -> Any:
    """A vision_msgs/Detection2DArray of the boxes.

    Each has the track's id, the label as its first hypothesis's class and the hazard class's name as its second's, and
    both the score. The pose is the point on the ground with its covariance, where that is known; else zeros.
    """
    made = [_detection(header, item, types) for item in detections.items]
    return types.make("vision_msgs/msg/Detection2DArray", header=header, detections=made)


def _detection(header: Any, item: Detection, types: Types) -> Any:
    make = types.make
    x0, y0, x1, y1 = item.xyxy
    position = make("vision_msgs/msg/Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2)
    centre = make("vision_msgs/msg/Pose2D", position=position, theta=0.0)
    names = (plain(item.label, MAX_LABEL_CHARS), CLASSES[types.hazard_class(item.label)])
    return make(
        "vision_msgs/msg/Detection2D",
        header=header,
        results=[
            make(
                "vision_msgs/msg/ObjectHypothesisWithPose",
                hypothesis=make("vision_msgs/msg/ObjectHypothesis", class_id=name, score=float(item.score)),
                pose=_pose(item, make),
            )
            for name in names
        ],
        bbox=make("vision_msgs/msg/BoundingBox2D", center=centre, size_x=x1 - x0, size_y=y1 - y0),
        id=plain(item.track.id) if item.track else "",
    )


def _pose(item: Detection, make: Make) -> Any:
    point = item.place.point_xyz if item.place else None
    covariance = np.zeros((6, 6))
    if item.place and item.place.covariance:
        covariance[:3, :3] = np.reshape(item.place.covariance, (3, 3))
    x, y, z = point or (0.0, 0.0, 0.0)
    return make(
        "geometry_msgs/msg/PoseWithCovariance",
        pose=make(
            "geometry_msgs/msg/Pose",
            position=make("geometry_msgs/msg/Point", x=float(x), y=float(y), z=float(z)),
            orientation=make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        ),
        covariance=covariance.reshape(-1),
    )


def label_info(header: Any, types: Types, threshold: float = 0.0) -> Any:
    """The legend of `labels.classes` as a vision_msgs/LabelInfo, to be published transient local.

    Args:
        threshold: the least score of what is published, in [0, 1].
    """
    names = [
        types.make("vision_msgs/msg/VisionClass", class_id=number, class_name=name)
        for number, name in enumerate(CLASSES)
    ]
    return types.make("vision_msgs/msg/LabelInfo", header=header, class_map=names, threshold=float(threshold))


def image_annotations(stamp: Any, detections: Detections, types: Types) -> Any:
    """A foxglove_msgs/ImageAnnotations: each mask's outlines, holes and parts among them, and its caption.

    Args:
        stamp: builtin_interfaces/Time of the image, whose pixels the points are in.
    """
    points, texts = [], []
    for item in detections.items:
        shade = _colour(item.label, types.make)
        for outline in outlines(item.mask):
            points.append(_loop(stamp, outline, shade, types.make))
        texts.append(_text(stamp, item, shade, types.make))
    return types.make("foxglove_msgs/msg/ImageAnnotations", circles=[], points=points, texts=texts)


def outlines(mask: Mask) -> Iterator[np.ndarray]:
    """The borders of a mask's parts and of their holes, each float64 (N, 2), x and y in the picture, closed.

    They run along the pixels' edges, or up to `TOLERANCE_PX` beside them. Filled by the even-odd rule, they are about
    the mask again.
    """
    if not mask.area:
        return
    # At twice the size, a pixel covers its edges too, and these are pixels: 2 x is the left edge of pixel x
    h, w = mask.bits.shape
    double = np.zeros((2 * h + 1, 2 * w + 1), np.uint8)
    double[:-1, :-1] = mask.bits.view(np.uint8).repeat(2, 0).repeat(2, 1)
    double = cv2.dilate(double, np.ones((2, 2), np.uint8), anchor=(1, 1))
    found, _ = cv2.findContours(double, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    tolerance_px = min(TOLERANCE_PX, min(h, w) / 100)
    for contour in found:
        yield cv2.approxPolyDP(contour, 2 * tolerance_px, True)[:, 0] / 2.0 + (mask.x, mask.y)


def _loop(stamp: Any, outline: np.ndarray, shade: Any, make: Make) -> Any:
    return make(
        "foxglove_msgs/msg/PointsAnnotation",
        timestamp=stamp,
        type=2,  # LINE_LOOP
        points=[make("foxglove_msgs/msg/Point2", x=float(x), y=float(y)) for x, y in outline],
        outline_color=shade,
        outline_colors=[],
        fill_color=make("foxglove_msgs/msg/Color", r=0.0, g=0.0, b=0.0, a=0.0),
        thickness=THICKNESS_PX,
    )


def _text(stamp: Any, item: Detection, shade: Any, make: Make) -> Any:
    x0, y0, *_ = item.xyxy
    return make(
        "foxglove_msgs/msg/TextAnnotation",
        timestamp=stamp,
        position=make("foxglove_msgs/msg/Point2", x=x0, y=max(y0 - THICKNESS_PX, FONT_PX)),
        text=" ".join(said(item)),
        font_size=FONT_PX,
        text_color=make("foxglove_msgs/msg/Color", r=0.0, g=0.0, b=0.0, a=1.0),
        background_color=shade,
    )


def _colour(label: str, make: Make) -> Any:
    r, g, b = (part / 255 for part in colour(label))
    return make("foxglove_msgs/msg/Color", r=r, g=g, b=b, a=1.0)
