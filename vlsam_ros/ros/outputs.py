"""What the node publishes of its results. No subscriber, no work."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from vlsam_ros.config import NodeOptions
from vlsam_ros.data import Detections
from vlsam_ros.msg import DetectedInstanceArray
from vlsam_ros.output import formats, labels
from vlsam_ros.output.hazard import load
from vlsam_ros.output.messages import Keyframe, to_message
from vlsam_ros.output.text import plain
from vlsam_ros.ros import convert
from vlsam_ros.ros.qos import promised

PICTURES = ("overlay", "heat")
"""JPEGs, of each camera and of all together."""
LABELS = ("instances", "classes", "confidence")
"""Label images, of each camera."""
LEGENDS = ("legend", "label_info")
"""Beside the cameras' label images, on `~/classes`."""
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class Topics:
    """One camera's publishers, by kind."""

    pictures: dict[str, Any]
    labels: dict[str, Any]
    annotations: Any


def topic_parts(cameras: Sequence[str]) -> list[str]:
    """Each camera's name as a part of a topic's name, none twice, and none of `LEGENDS`."""
    parts = ["/".join(re.sub(r"^(?=\d)", "_", re.sub(r"\W+", "_", p)) for p in name.split("/")) for name in cameras]
    twice = Counter([*parts, *LEGENDS])
    return [f"{part}_{index}" if twice[part] > 1 else part for index, part in enumerate(parts)]


class Outputs:
    """The publishers; `close` takes them away."""

    def __init__(self, node: Node, cameras: Sequence[str], options: NodeOptions) -> None:
        """Raises `ConfigError` if the file of hazard classes is wrong."""
        self._node = node
        load.cache_clear()  # the file may have been edited since
        self._types = replace(convert.TYPES, hazard_class=load(options.hazards).class_of)
        self._made: list[Any] = []
        self.detections = self._publisher(DetectedInstanceArray, "detections", promised(options))
        self.tracks = self._publisher(DetectedInstanceArray, "tracks", promised(options))
        self.dropped = self._publisher(DetectedInstanceArray, "dropped", 10)
        self._boxes = self._foreign("vision_msgs/msg/Detection2DArray", "detections_2d", 10)
        self._all = {kind: self._publisher(CompressedImage, f"{kind}/compressed", 1) for kind in PICTURES}
        self._cameras = {
            name: Topics(
                {kind: self._publisher(CompressedImage, f"{kind}/{part}/compressed", 1) for kind in PICTURES},
                {kind: self._publisher(Image, f"{kind}/{part}", 1) for kind in LABELS},
                self._foreign("foxglove_msgs/msg/ImageAnnotations", f"annotations/{part}", 10),
            )
            for name, part in zip(cameras, topic_parts(cameras), strict=True)
        }
        self._publisher(String, "classes/legend", LATCHED).publish(String(data=labels.legend()))
        if legend := self._foreign("vision_msgs/msg/LabelInfo", "classes/label_info", LATCHED):
            try:
                legend.publish(formats.label_info(Header(stamp=node.get_clock().now().to_msg()), self._types))
            except Exception as error:  # another version's fields
                node.get_logger().error(plain(f"no ~/classes/label_info: {type(error).__name__}: {error}"))

    def publish(self, keyframe: Keyframe, found: Detections, send: bool = True) -> DetectedInstanceArray:
        """A keyframe's message, which is published if it is to be sent."""
        message = to_message(keyframe, found, self._types)
        if send:
            self.detections.publish(message)
        return message

    def publish_others(self, keyframe: Keyframe, found: Detections) -> None:
        """What was dropped, and the same in other packages' messages."""
        if self.dropped.get_subscription_count():
            self.dropped.publish(to_message(keyframe, replace(found, items=found.dropped), self._types))
        if self._boxes and self._boxes.get_subscription_count():
            self._boxes.publish(formats.detection_array(keyframe.header, found, self._types))
        annotations = self._cameras[keyframe.camera].annotations
        if annotations and annotations.get_subscription_count():
            annotations.publish(formats.image_annotations(keyframe.header.stamp, found, self._types))

    def publish_tracks(self, keyframe: Keyframe, found: Detections) -> None:
        """Where the tracks are in a frame."""
        self.tracks.publish(to_message(keyframe, found, self._types))

    def wanted(self, camera: str) -> set[str]:
        """The kinds of pictures of this camera that somebody looks at."""
        topics = self._cameras[camera]
        publishers = [*self._all.items(), *topics.pictures.items(), *topics.labels.items()]
        return {kind for kind, publisher in publishers if publisher.get_subscription_count()}

    def publish_pictures(self, camera: str, header: Any, made: dict[str, Any]) -> None:
        """What was drawn of a keyframe, by kind."""
        topics = self._cameras[camera]
        for kind, picture in made.items():
            if kind in topics.labels:
                topics.labels[kind].publish(convert.mono(picture, header))
                continue
            for publisher in (self._all[kind], topics.pictures[kind]):
                if publisher.get_subscription_count():
                    publisher.publish(convert.compressed(picture, header))

    def wait_for_all_acked(self, seconds: float) -> None:
        """Until all subscribers have the last detections, and not longer."""
        self.detections.wait_for_all_acked(Duration(seconds=seconds))

    def close(self) -> None:
        """Take the topics away."""
        for publisher in self._made:
            self._node.destroy_publisher(publisher)

    def _publisher(self, kind: type, name: str, quality: QoSProfile | int) -> Any:
        publisher = self._node.create_publisher(kind, f"~/{name}", quality)
        self._made.append(publisher)
        return publisher

    def _foreign(self, kind: str, name: str, quality: QoSProfile | int) -> Any:
        """A publisher of another package's message; None if that isn't installed, or of a version without it."""
        if importlib.util.find_spec(kind.partition("/")[0]) is None:
            return None
        try:
            return self._publisher(convert.message_class(kind), name, quality)
        except (ImportError, AttributeError) as error:
            self._node.get_logger().warning(plain(f"no ~/{name}: {kind} can't be had: {error}"))
            return None
