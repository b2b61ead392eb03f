"""Other packages' messages, with definitions that have the public ones' fields."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlsam_ros.data import Detection, Detections, Mask, Place, Track
from vlsam_ros.output import formats, hazard, labels
from vlsam_ros.output.messages import Types

DEFINITIONS = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\n"
    "geometry_msgs/PoseWithCovariance pose",
    "vision_msgs/msg/Detection2D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox2D bbox\nstring id",
    "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name",
    "vision_msgs/msg/LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
    "foxglove_msgs/msg/Point2": "float64 x\nfloat64 y",
    "foxglove_msgs/msg/Color": "float64 r\nfloat64 g\nfloat64 b\nfloat64 a",
    "foxglove_msgs/msg/CircleAnnotation": "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\n"
    "float64 diameter\nfloat64 thickness\nfoxglove_msgs/Color fill_color\nfoxglove_msgs/Color outline_color",
    "foxglove_msgs/msg/PointsAnnotation": "builtin_interfaces/Time timestamp\nuint8 LINE_LOOP=2\nuint8 type\n"
    "foxglove_msgs/Point2[] points\nfoxglove_msgs/Color outline_color\nfoxglove_msgs/Color[] outline_colors\n"
    "foxglove_msgs/Color fill_color\nfloat64 thickness",
    "foxglove_msgs/msg/TextAnnotation": "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\n"
    "string text\nfloat64 font_size\nfoxglove_msgs/Color text_color\nfoxglove_msgs/Color background_color",
    "foxglove_msgs/msg/ImageAnnotations": "foxglove_msgs/CircleAnnotation[] circles\n"
    "foxglove_msgs/PointsAnnotation[] points\nfoxglove_msgs/TextAnnotation[] texts",
}
STORE = get_typestore(Stores.ROS2_JAZZY)
for name, text in DEFINITIONS.items():
    STORE.register(get_types_from_msg(text, name))
TYPES = Types(make=lambda name, **fields: STORE.types[name](**fields), uint32=np.asarray)
STAMP = TYPES.make("builtin_interfaces/msg/Time", sec=12, nanosec=34)
HEADER = TYPES.make("std_msgs/msg/Header", stamp=STAMP, frame_id="front")

RING = np.ones((9, 9), bool)
RING[3:6, 3:6] = False
COVARIANCE = tuple(float(v) for v in range(9))
ITEMS = (
    Detection(
        *("traffic cone", 0.5, 1, 1, 1, Mask(20, 10, RING)),
        track=Track("0-7"),
        place=Place(0.1, 0.0, 23.0, 21.0, 25.0, (1.0, 1.5, 23.0), COVARIANCE),
    ),
    Detection("zorb", 0.4, 1, 1, 1, Mask(0, 0, np.ones((2, 3), bool)), place=Place(0.1, 0.0)),
    Detection("dog\x1b", 0.3, 1, 1, 1, Mask(0, 0, np.zeros((0, 0), bool))),
)
FOUND = Detections((60, 80), ITEMS)
CASES = {"nothing": Detections((0, 0)), "one": Detections((60, 80), ITEMS[:1]), "several": FOUND}


def again(message: Any, name: str) -> Any:
    """The message after it was bytes."""
    return STORE.deserialize_cdr(STORE.serialize_cdr(message, name), name)


@pytest.mark.parametrize("found", CASES.values(), ids=CASES)
def test_all_of_them_can_be_sent(found: Detections) -> None:
    boxes = again(formats.detection_array(HEADER, found, TYPES), "vision_msgs/msg/Detection2DArray")
    drawn = again(formats.image_annotations(STAMP, found, TYPES), "foxglove_msgs/msg/ImageAnnotations")
    assert boxes.header == HEADER and len(boxes.detections) == len(drawn.texts) == len(found)
    assert all(d.header == HEADER for d in boxes.detections)
    assert all(a.timestamp == STAMP for a in (*drawn.points, *drawn.texts))


def test_detections() -> None:
    cone, zorb, dog = formats.detection_array(HEADER, FOUND, TYPES).detections
    assert (cone.id, zorb.id) == ("0-7", "")
    centre = cone.bbox.center
    assert (centre.position.x, centre.position.y, centre.theta) == (24.5, 14.5, 0)
    assert (cone.bbox.size_x, cone.bbox.size_y, dog.bbox.size_x) == (9, 9, 0)
    assert [(r.hypothesis.class_id, r.hypothesis.score) for r in cone.results] == [
        ("traffic cone", 0.5),
        ("HAZARD", 0.5),
    ]
    assert [r.hypothesis.class_id for r in zorb.results] == ["zorb", "UNKNOWN"]
    assert dog.results[0].hypothesis.class_id == "dog"
    pose = cone.results[0].pose
    assert (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z) == (1.0, 1.5, 23.0)
    assert pose.covariance.reshape(6, 6)[:3, :3].reshape(-1).tolist() == list(COVARIANCE)
    assert not zorb.results[0].pose.covariance.any()


def test_label_info_is_the_legend_of_the_label_image() -> None:
    info = again(formats.label_info(HEADER, TYPES, 0.25), "vision_msgs/msg/LabelInfo")
    assert {c.class_id: c.class_name for c in info.class_map} == dict(enumerate(hazard.CLASSES))
    assert labels.UNLABELLED not in [c.class_id for c in info.class_map] and info.threshold == 0.25


def test_annotations_outline_parts_and_holes() -> None:
    drawn = formats.image_annotations(STAMP, FOUND, TYPES)
    corners = [{(p.x, p.y) for p in a.points} for a in drawn.points]
    assert {(20, 10), (29, 10), (20, 19), (29, 19)} in corners  # the ring's outside
    assert {(0, 0), (3, 0), (0, 2), (3, 2)} in corners
    assert len(corners) == 3 and all(a.type == 2 for a in drawn.points)
    assert drawn.texts[0].text == "traffic cone 0.50 #0-7 23 m ± 2"
    assert all(0 <= t.position.x <= 80 and t.position.y >= t.font_size for t in drawn.texts)


def blobs(seed: int, size: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return cv2.GaussianBlur(noise, (0, 0), size / 12) > 0


SHAPES = {
    "a pixel": np.ones((1, 1), bool),
    "a line": np.ones((1, 9), bool),
    "a hole of a pixel": np.pad(np.zeros((1, 1), bool), 1, constant_values=True),
    "corners touch": np.eye(4, dtype=bool),
    "small noise": np.random.default_rng(0).random((20, 20)) < 0.5,
    "blobs": blobs(1, 300),
    "small blobs": blobs(2, 25),
}


@pytest.mark.parametrize("bits", SHAPES.values(), ids=SHAPES)
def test_outlines_filled_are_the_mask(bits: np.ndarray) -> None:
    mask = Mask.from_dense(bits)
    zoom = 8
    canvas = np.zeros((bits.shape[0] * zoom, bits.shape[1] * zoom), np.uint8)
    filled = [np.rint(outline * zoom).astype(np.int32) for outline in formats.outlines(mask)]
    cv2.fillPoly(canvas, filled, 1)  # by the even-odd rule
    got = canvas[zoom // 2 :: zoom, zoom // 2 :: zoom].astype(bool)
    assert (got & bits).sum() / (got | bits).sum() >= (1.0 if max(bits.shape) <= 25 else 0.97)


def test_a_large_outline_has_few_points() -> None:
    rows, columns = np.mgrid[:400, :400]
    disc = Mask.from_dense((rows - 200) ** 2 + (columns - 200) ** 2 < 190**2)
    assert sum(map(len, formats.outlines(disc))) < 200
