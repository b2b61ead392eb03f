"""Mounts from the options and from tf2, whose module is played here with the real one's names and exceptions."""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from vlsam_ros.config import NodeOptions
from vlsam_ros.ros.mounts import Mounts
from vlsam_ros.tracking.ground import Mount

GIVEN = Mount(1.4, 1.0, 0.0)


class TransformException(Exception):
    """As tf2_ros.TransformException."""


class LookupException(TransformException):
    """As tf2_ros.LookupException: a frame that nobody told of."""


class Buffer:
    """Transforms by target and source; as tf2_ros.Buffer."""

    known: dict[tuple[str, str], Any] = {}

    def lookup_transform(self, target_frame: str, source_frame: str, time: Any, timeout: Any = None) -> Any:
        assert time.nanoseconds == 0  # the latest
        if (target_frame, source_frame) not in self.known:
            raise LookupException(f'"{source_frame}" passed to lookupTransform argument source_frame does not exist.')
        return SimpleNamespace(transform=self.known[target_frame, source_frame])


class TransformListener:
    """As tf2_ros.TransformListener."""

    listening = 0

    def __init__(self, buffer: Buffer, node: Any) -> None:
        TransformListener.listening += 1

    def unregister(self) -> None:
        TransformListener.listening -= 1


class Node:
    """A node whose warnings are kept."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def get_logger(self) -> Any:
        return SimpleNamespace(warning=self.said.append)


def transform(matrix: np.ndarray, height: float) -> Any:
    """geometry_msgs/Transform of a rotation matrix (3, 3), by its axis and angle."""
    angle = math.acos((np.trace(matrix) - 1) / 2)
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    x, y, z = axis / (2 * math.sin(angle)) * math.sin(angle / 2)
    return SimpleNamespace(
        translation=SimpleNamespace(x=1.2, y=-0.3, z=height),
        rotation=SimpleNamespace(x=x, y=y, z=z, w=math.cos(angle / 2)),
    )


def optical(pitch_deg: float, roll_deg: float, yaw_deg: float) -> np.ndarray:
    """Columns: the camera's right, down and ahead in the vehicle's frame (x ahead, y left, z up), turn after turn."""
    p, r, y = (math.radians(v) for v in (pitch_deg, roll_deg, yaw_deg))
    level = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    yaw = np.array([[math.cos(y), -math.sin(y), 0], [math.sin(y), math.cos(y), 0], [0, 0, 1]])
    pitch = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    roll = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return yaw @ level @ pitch @ roll


@pytest.fixture
def tf2(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], Any]:
    """The transforms that tf2 knows."""
    module = ModuleType("tf2_ros")
    for part in (TransformException, LookupException, Buffer, TransformListener):
        setattr(module, part.__name__, part)
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    monkeypatch.setattr(Buffer, "known", {})
    return Buffer.known


def made(**options: Any) -> tuple[Mounts, Node]:
    node = Node()
    topics = ["/front/image", "/rear/image"]
    return Mounts(node, NodeOptions(image_topics=topics, height_m=[1.4], pitch_deg=[1.0, 9.0], **options)), node  # type: ignore[arg-type]


def test_the_options_hold_where_no_frame_is_given(tf2: Any) -> None:
    mounts, node = made()
    assert mounts.of(0, "camera") == GIVEN and mounts.of(1, "camera").pitch_deg == 9.0
    mounts.close()
    assert node.said == [] and TransformListener.listening == 0


def test_they_hold_without_tf2_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    mounts, node = made(ground_frame="base_footprint")
    assert [mounts.of(0, "camera"), mounts.of(0, "camera")] == [GIVEN, GIVEN]
    mounts.close()
    assert len(node.said) == 1 and "tf2_ros can't be imported" in node.said[0]


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (4, 0, 0), (-7, 0, 120), (3, 10, -30), (10, -80, 45), (2, 179, 5)], ids=str
)
def test_tf2_gives_height_pitch_and_roll(tf2: Any, angles: tuple[float, float, float]) -> None:
    mounts, node = made(ground_frame="base_footprint", pitch_error_deg=0.9)
    tf2["base_footprint", "camera"] = transform(optical(*angles), 1.83)
    mount = mounts.of(0, "camera")
    assert (mount.height_m, mount.pitch_deg, mount.roll_deg) == pytest.approx((1.83, *angles[:2]), abs=1e-6)
    assert mount.pitch_error_deg == 0.9 and node.said == []
    np.testing.assert_allclose(mount.axes[1], optical(*angles).T @ [0, 0, -1], atol=1e-9)  # the same way down
    mounts.close()
    assert TransformListener.listening == 0


def turned(w: float) -> Any:
    """A geometry_msgs/Transform with the quaternion 0, 0, 0, w."""
    return SimpleNamespace(translation=SimpleNamespace(z=1.5), rotation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=w))


WRONG = {
    "unknown": (None, "source_frame does not exist"),
    "on the ground": (transform(optical(0, 0, 0), 0.0), "height of 0 to 100 m, got 0"),
    "NaN": (transform(optical(0, 0, 0), math.nan), "got nan"),
    "no rotation": (turned(w=0.0), "unit quaternion"),
    "body's frame": (turned(w=1.0), "optical frame"),
}


@pytest.mark.parametrize(("given", "why"), WRONG.values(), ids=WRONG)
def test_what_tf2_does_not_know_is_said_once_for_a_frame(tf2: Any, given: Any, why: str) -> None:
    mounts, node = made(ground_frame="base_footprint")
    if given is not None:
        tf2["base_footprint", "camera"] = given
    assert [mounts.of(0, "camera") for _ in range(3)] == [GIVEN] * 3
    assert len(node.said) == 1 and why in node.said[0]
    mounts.of(1, "other")
    assert len(node.said) == 2
    tf2["base_footprint", "camera"] = transform(optical(2, 0, 0), 1.5)
    assert mounts.of(0, "camera").height_m == 1.5
    mounts.close()
