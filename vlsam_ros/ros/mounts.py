"""How each camera is fixed: by the options, or by tf2 where it is installed and knows the camera's frame."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from vlsam_ros.config import NodeOptions
from vlsam_ros.output.text import plain
from vlsam_ros.tracking.ground import MAX_PITCH_DEG, Mount

MAX_HEIGHT_M = 100.0
"""Highest camera, as option `node.height_m` has it."""


class Mounts:
    """The mounts of a node's cameras. Why tf2 gives none for a frame is logged once for each frame."""

    def __init__(self, node: Node, options: NodeOptions) -> None:
        self._given = [Mount.of(options, index) for index in range(len(options.image_topics))]
        self._ground, self._log = options.ground_frame, node.get_logger()
        self._tf2: Any = None
        self._warned: set[str] = set()
        if not self._ground:
            return
        try:
            self._tf2 = importlib.import_module("tf2_ros")
        except ImportError as error:
            text = f"node.ground_frame: tf2_ros can't be imported ({error})"
            self._log.warning(plain(f"{text}: node.height_m, pitch_deg and roll_deg hold"))
            return
        self._buffer = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, node)

    def of(self, index: int, frame_id: str) -> Mount:
        """That of the camera with this index, whose images are in `frame_id`, as tf2 knows it now. Waits never."""
        given = self._given[index]
        if self._tf2 is None:
            return given
        try:
            found = self._buffer.lookup_transform(self._ground, frame_id, Time())
        except self._tf2.TransformException as error:
            return self._without(frame_id, str(error), given)
        mount, wrong = _mount(found.transform, given)
        return mount if not wrong else self._without(frame_id, wrong, given)

    def close(self) -> None:
        """Listen to tf no more."""
        if self._tf2 is not None:
            self._listener.unregister()

    def _without(self, frame_id: str, why: str, given: Mount) -> Mount:
        if frame_id not in self._warned:
            self._warned.add(frame_id)
            known = (
                f"height {given.height_m:g} m, pitch {given.pitch_deg:g}° and roll {given.roll_deg:g}° by the options"
            )
            self._log.warning(plain(f"mount of {frame_id!r} in {self._ground!r}: {known} hold while tf2 says: {why}"))
        return given


def _mount(transform: Any, given: Mount) -> tuple[Mount, str]:
    """From geometry_msgs/Transform of the camera's optical frame in the ground's (z up), and what is wrong with it."""
    q, height = transform.rotation, transform.translation.z
    norm = math.sqrt(q.x**2 + q.y**2 + q.z**2 + q.w**2)
    if not 0 < height <= MAX_HEIGHT_M:
        return given, f"expected a height of 0 to {MAX_HEIGHT_M:g} m, got {height:g}"
    if not abs(norm - 1) < 1e-3:
        return given, f"expected a unit quaternion, got one of length {norm:g}"
    x, y, z, w = (v / norm for v in (q.x, q.y, q.z, q.w))
    right, below, ahead = -2 * (x * z - w * y), -2 * (y * z + w * x), -(1 - 2 * (x * x + y * y))  # down, as it sees it
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, ahead))))
    if abs(pitch) > MAX_PITCH_DEG:
        return given, f"it looks {pitch:.0f}° down: expected an optical frame (z forward), at most {MAX_PITCH_DEG:g}°"
    return replace(given, height_m=height, pitch_deg=pitch, roll_deg=math.degrees(math.atan2(right, below))), ""
