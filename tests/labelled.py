"""Small labelled sets: in COCO's format, as recordings, and without files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.fakes import picture
from vlsam_ros.bags.types import TYPES, make
from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.evaluation.bag_data import DETECTIONS, PICTURES
from vlsam_ros.evaluation.dataset import Box, Frame, Instance, box_rle
from vlsam_ros.evaluation.metrics import Scored
from vlsam_ros.output.messages import Keyframe, to_message

SIZE = (60, 80)


def box(label: str, x0: float, y0: float, x1: float, y1: float, score: float = 1.0, **more: Any) -> Instance:
    """An instance whose mask is its box and whose category is its label."""
    xyxy: Box = (x0, y0, x1, y1)
    return Instance(label, xyxy, box_rle(xyxy, SIZE), score, **({"category": label} | more))


def scored(number: int, truth: Sequence[Instance], found: Sequence[Instance], **more: Any) -> Scored:
    """A frame with what is labelled and found in it."""
    frame = Frame(number, f"{number}.png", SIZE, lambda: np.zeros((*SIZE, 3), np.uint8), lambda: tuple(truth), **more)
    return Scored(frame, tuple(truth), tuple(sorted(found, key=lambda i: -i.score)))


def coloured(folder: Path, **changes: Any) -> Path:
    """Three pictures with red boxes and blue balls, the last one empty, and their COCO file with masks."""
    content: dict[str, Any] = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in (1, 2, 3)],
        "categories": [{"id": 5, "name": "red box"}, {"id": 9, "name": "blue ball"}],
        "annotations": [
            annotation(1, 5, [4, 6, 20, 30]),
            annotation(1, 9, [50, 10, 16, 16]),
            annotation(2, 5, [30, 20, 24, 20]),
        ],
    } | changes
    names = {5: "red box", 9: "blue ball"}
    for entry in content["images"]:
        boxes: dict[str, list[tuple[int, int, int, int]]] = {}
        for a in content["annotations"]:
            x, y, w, h = (int(v) if v == v else 0 for v in (a["bbox"] + [0] * 4)[:4])
            if a["image_id"] == entry["id"] and a["category_id"] in names:
                boxes.setdefault(names[a["category_id"]], []).append((x, y, x + w, y + h))
        cv2.imwrite(str(folder / f"{entry['id']}.png"), picture(SIZE, boxes)[..., ::-1])
    file = folder / "labels.json"
    file.write_text(json.dumps(content))
    return file


def annotation(image: int, category: int, bbox: list[float], **more: Any) -> dict[str, Any]:
    """One entry, with the box as polygon."""
    entry: dict[str, Any] = {"image_id": image, "category_id": category, "bbox": bbox}
    if len(bbox) == 4:
        x, y, w, h = bbox
        entry["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return entry | more


def keyframe(stamp_s: int, *items: Detection, size_hw: tuple[int, int] = (60, 80), status: int = 0) -> object:
    """A message with detections, its header at a stamp."""
    stamp = make("builtin_interfaces/msg/Time", sec=stamp_s, nanosec=5)
    header = make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
    text = "out of words" if status > 1 else ""
    frame = Keyframe(header, "front", stamp_s, stamp, stamp, status=status, status_text=text)
    return to_message(frame, Detections(size_hw, items), TYPES)


def recording(path: Path, truths: dict[int, list[Detection]], pictures: list[int], **more: Any) -> Path:
    """A bag with pictures at some seconds and ground truth at some, and more topics with messages of detections."""
    jpeg = cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))[1].reshape(-1)
    with BagWriter(path) as bag:
        for s in pictures:
            header = keyframe(s).header  # type: ignore[attr-defined]
            bag.write_message("/image", PICTURES, s * 10**9, make(PICTURES, header=header, format="jpeg", data=jpeg))
        for s, items in truths.items():
            bag.write_message("/ground_truth", DETECTIONS, s * 10**9, keyframe(s, *items))
        for topic, messages in more.items():
            for n, message in enumerate(messages):
                bag.write_message(f"/{topic}", DETECTIONS, n, message)
    return path


def thing(label: str, x0: int, y0: int, x1: int, y1: int, score: float = 1.0) -> Detection:
    """A detection whose mask is a box."""
    dense = np.zeros((60, 80), bool)
    dense[y0:y1, x0:x1] = True
    return Detection(label, score, score, score, score, Mask.from_dense(dense))
