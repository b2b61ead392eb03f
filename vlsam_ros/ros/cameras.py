"""Which cameras a list of image topics means. Plain Python, no ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vlsam_ros.config import check_topics


@dataclass(frozen=True)
class Camera:
    """One image topic.

    Attributes:
        name: the camera's name in messages.
        compressed: whether it carries sensor_msgs/CompressedImage.
    """

    name: str
    topic: str
    compressed: bool

    @property
    def info_topic(self) -> str:
        """Where its sensor_msgs/CameraInfo is, by the convention of image_transport: beside the images."""
        return self._image_topic.rpartition("/")[0] + "/camera_info" if "/" in self._image_topic else "camera_info"

    @property
    def rectified(self) -> bool:
        """Whether its images are rectified, by the convention of image_proc: ``image_rect``, ``image_rect_color``."""
        return "rect" in self._image_topic.rpartition("/")[2]

    @property
    def _image_topic(self) -> str:
        return self.topic.removesuffix("/compressed")


def cameras(topics: Sequence[str], transport: str = "auto") -> tuple[Camera, ...]:
    """One camera per topic, named after the topic's namespace: ``/camera/front/image_raw/compressed`` is ``front``.

    Where two would share a name, the whole namespace is taken: ``left/camera`` and ``right/camera``. `transport` is
    ``raw``, ``compressed`` or ``auto`` (compressed if the topic ends with ``/compressed``).

    Raises:
        ConfigError: no topic, or one without a valid name or named twice.
    """
    check_topics(topics)
    spaces = [_namespace(topic) for topic in topics]
    short = Counter(space[-1] for space in spaces)
    names = [space[-1] if short[space[-1]] == 1 else "/".join(space) for space in spaces]
    if len(set(names)) < len(names):  # such as /front/image and /front/image/compressed
        names = [topic.strip("/") for topic in topics]
    return tuple(Camera(name, topic, _compressed(topic, transport)) for name, topic in zip(names, topics, strict=True))


def _compressed(topic: str, transport: str) -> bool:
    return topic.endswith("/compressed") if transport == "auto" else transport == "compressed"


def _namespace(topic: str) -> list[str]:
    """The topic's parts before the image's own name: ``/a/b/image_raw/compressed`` -> a, b."""
    parts = topic.strip("/~ ").split("/")
    if parts[-1] == "compressed":
        parts = parts[:-1] or parts
    return parts[:-1] or parts
