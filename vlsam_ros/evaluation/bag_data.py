"""Recordings with ground truth in them, as the sample recording has it, and recorded detections."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import hypot, nan
from pathlib import Path
from typing import Any

import numpy as np

from ..bags.reader import read, topic_types
from ..errors import BadImageError, DataError, VlsamError
from ..output.files import decoded
from ..output.messages import from_message
from ..synthetic.bag import TRUTH_TOPIC
from ..synthetic.truth import IGNORE
from .dataset import Category, Dataset, Frame, Instance, mask_rle

DETECTIONS = "vlsam_ros/msg/DetectedInstanceArray"
PICTURES = "sensor_msgs/msg/CompressedImage"


def load(path: str, images: Path | None, kind: str) -> Dataset:
    """The frames that have ground truth; their names are their stamps in ns.

    Raises:
        DataError: no topic with ground truth, or not exactly one with compressed images beside it.
    """
    types = topic_types(path)
    topics = [t for t, name in types.items() if name == PICTURES]
    if types.get(TRUTH_TOPIC) != DETECTIONS:
        raise DataError(f"{path}: expected ground truth as {DETECTIONS} on {TRUTH_TOPIC}; topics: {', '.join(types)}")
    if len(topics) != 1:
        raise DataError(f"{path}: expected one topic with {PICTURES}, got {', '.join(topics) or 'none'}")
    pictures = _Pictures(path, topics[0])
    frames = []
    for number, message in enumerate(messages(path, TRUTH_TOPIC), 1):
        truth, stamp = _instances(message), stamp_ns(message)
        size_hw = message.image_height, message.image_width
        frames.append(Frame(number, str(stamp), size_hw, partial(pictures, stamp), partial(tuple, truth)))
    if double := len(frames) - len({f.name for f in frames}):
        raise DataError(f"{path}: {double} messages on {TRUTH_TOPIC} have the stamp of another one")
    names = sorted({i.category for f in frames for i in f.truth()} - {""})
    return Dataset(f"bag:{path}", kind, frames, tuple(Category(i, n) for i, n in enumerate(names, 1)))


def messages(path: Path | str, topic: str) -> Iterator[Any]:
    """The deserialised messages of one topic."""
    return (record.message() for record in read(path, [topic]))


def stamp_ns(message: Any) -> int:
    """The header's stamp."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def _instances(message: Any) -> tuple[Instance, ...]:
    try:
        found = from_message(message)
    except VlsamError as error:
        raise DataError(f"the ground truth at {stamp_ns(message)} ns: {error}") from error
    return tuple(
        Instance(
            d.label,
            d.xyxy,
            mask_rle(d.mask, found.size_hw),
            category="" if d.label == IGNORE else d.label,
            ignore=d.label == IGNORE,
            distance_m=_distance_m(raw),
        )
        for d, raw in zip(found.items, message.instances, strict=True)
    )


def _distance_m(instance: Any) -> float:
    p = instance.ground_point
    return hypot(p.x, p.y, p.z) if instance.has_ground_point else nan


class _Pictures:
    """The picture with a stamp; quick if they are asked for in the order of the recording."""

    def __init__(self, path: str, topic: str) -> None:
        self._path, self._topic = path, topic
        self._rest: Iterator[Any] = iter(())

    def __call__(self, stamp: int) -> np.ndarray:
        for fresh in (False, True):
            if fresh:
                self._rest = messages(self._path, self._topic)
            for message in self._rest:
                if stamp_ns(message) == stamp:
                    return decoded(np.frombuffer(message.data, np.uint8), described=message.format)
        raise BadImageError(f"no image with the stamp {stamp} on {self._topic}")
