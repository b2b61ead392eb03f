"""Which cameras a list of image topics means. Plain Python, no ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vlsam_ros.errors import ConfigError


@dataclass(frozen=True)
class Camera:
    """One image topic: the camera's name in messages, and whether it carries sensor_msgs/CompressedImage."""

    name: str
    topic: str
    compressed: bool


def cameras(topics: Sequence[str], transport: str = "auto") -> tuple[Camera, ...]:
    """One camera per topic, named after the topic's namespace: ``/camera/front/image_raw/compressed`` is ``front``.

    Where two would share a name, the whole namespace is taken: ``left/camera`` and ``right/camera``. `transport` is
    ``raw``, ``compressed`` or ``auto`` (compressed if the topic ends with ``/compressed``).

    Raises:
        ConfigError: no topic, an empty one, or one named twice.
    """
    if not topics or not all(t.strip("/ ") for t in topics):
        raise ConfigError(f"node.image_topics: expected at least one topic, none of them empty, got {list(topics)}")
    twice = [topic for topic, count in Counter(topics).items() if count > 1]
    if twice:
        raise ConfigError(f"node.image_topics: {twice[0]!r} is named twice")
    spaces = [_namespace(topic) for topic in topics]
    short = Counter(space[-1] for space in spaces)
    names = [space[-1] if short[space[-1]] == 1 else "/".join(space) for space in spaces]
    if len(set(names)) < len(names):  # such as /front/image and /front/image/compressed
        names = [topic.strip("/") for topic in topics]
    return tuple(Camera(n, t, _compressed(t, transport)) for n, t in zip(names, topics, strict=True))


def _compressed(topic: str, transport: str) -> bool:
    return topic.endswith("/compressed") if transport == "auto" else transport == "compressed"


def _namespace(topic: str) -> list[str]:
    """The topic's parts before the image's own name: ``/a/b/image_raw/compressed`` -> a, b."""
    parts = topic.strip("/~ ").split("/")
    if parts[-1] == "compressed":
        parts = parts[:-1] or parts
    return parts[:-1] or parts
