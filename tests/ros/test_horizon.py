"""Where the horizon stands, and when it is known, from CameraInfo and the options: no ROS needed."""

from __future__ import annotations

import math
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vlsam_ros.config import NodeOptions
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.horizon import Horizon
from vlsam_ros.tracking.ground import Mount


def info(
    fy: float = 1000.0,
    cy: float = 449.5,
    height: int = 900,
    roi: tuple[int, int] = (0, 0),
    py: float = 0.0,
    model: str = "",
) -> SimpleNamespace:
    """A CameraInfo; `roi` is its y_offset and height, `py` is P's row (K's if 0)."""
    return SimpleNamespace(
        height=height,
        width=1600,
        distortion_model=model,
        d=[],
        k=[fy, 0, 800, 0, fy, cy, 0, 0, 1],
        r=[1, 0, 0, 0, 1, 0, 0, 0, 1],
        p=[fy, 0, 800, 0, 0, fy, py or cy, 0, 0, 0, 1, 0],
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=roi[0], width=1600 * (roi[1] > 0), height=roi[1]),
    )


def camera(topic: str = "/front/image", **options: Any) -> Horizon:
    return Horizon(cameras([topic])[0], NodeOptions(image_topics=[topic], **options), 0)


CASES = {
    "level": (info(), 0.0, 0.5),
    "off the middle": (info(cy=299.5), 0.0, 1 / 3),
    "down": (info(), 5.0, 0.5 - math.tan(math.radians(5)) / 0.9),
    "up": (info(), -5.0, 0.5 + math.tan(math.radians(5)) / 0.9),
    "above the frame": (info(), 45.0, 0.5 - 1 / 0.9),
    "region of interest": (info(roi=(100, 400)), 0.0, 350 / 400),
    "half the size": (info(fy=500.0, cy=224.5, height=450), 5.0, 0.5 - math.tan(math.radians(5)) / 0.9),
    "not calibrated": (info(fy=0.0), 0.0, None),
    "no height": (info(height=0), 0.0, None),
    "no principal point": (info(cy=math.nan), 0.0, None),
    "far below": (info(cy=1e30), 0.0, None),
    "far above": (info(cy=-1e30), 0.0, None),
    "beyond numbers": (info(fy=1e308, cy=-1e308), 60.0, None),
    "region of one row": (info(roi=(0, 1)), 0.0, None),
    "two heights": (info(cy=2 * 900 - 0.5), 0.0, 2.0),
    "more than two": (info(cy=2 * 900 + 0.5), 0.0, None),
    "no focal length": (info(fy=math.nan), 1.0, None),
    "unknown model": (info(model="omnidirectional"), 0.0, None),
}


@pytest.mark.parametrize(("message", "pitch_deg", "expected"), CASES.values(), ids=CASES)
@pytest.mark.filterwarnings("error")
def test_horizon(message: Any, pitch_deg: float, expected: float | None) -> None:
    here = camera(pitch_deg=[pitch_deg])
    message.k = np.array(message.k, float)
    assert here.learn(message)
    assert here.share() == (None if expected is None else pytest.approx(expected))


def test_it_is_where_distant_ground_is_seen() -> None:
    pitch, camera_height_m, distance_m = math.radians(3), 1.5, 1e7
    down, ahead = camera_height_m, distance_m  # the point in axes of the road, then of the camera
    y = down * math.cos(pitch) - ahead * math.sin(pitch)
    z = down * math.sin(pitch) + ahead * math.cos(pitch)
    here = camera(pitch_deg=[3.0])
    here.learn(info())
    assert here.share() == pytest.approx((1000 * y / z + 449.5 + 0.5) / 900, abs=1e-6)
    assert here.share(Mount(1.5)) == pytest.approx(0.5)


def test_rectified_images_go_by_the_projection() -> None:
    here = camera("/front/image_rect")
    here.learn(info(py=539.5))
    assert here.share() == pytest.approx(0.6)


def test_only_the_first_keyframe_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlsam_ros.ros.horizon.PATIENCE_S", 0.2)
    here = camera()
    times = []
    for _ in range(2):
        started = time.monotonic()
        assert here.share() is None
        times.append(time.monotonic() - started)
    assert times[0] >= 0.2 > times[1]


def test_what_comes_while_it_waits_is_used() -> None:
    here = camera()
    threading.Timer(0.05, here.learn, [info()]).start()
    assert here.share() == 0.5


def test_news_are_told_once() -> None:
    here = camera()
    messages = [info(fy=0.0), info(fy=0.0), info(), info(), info(cy=1.0), info(model="?"), info(cy=1.0)]
    told = [here.learn(m) for m in messages]
    assert [bool(text) for text in told] == [True, False, True, False, True, True, True]
    assert "not calibrated" in told[0] and told[2].startswith("horizon at 0.500") and "'?': expected one of" in told[5]


def test_the_optics_are_those_of_the_last_message() -> None:
    here = camera()
    assert here.optics is None
    here.learn(info())
    assert here.optics is not None and here.optics.focal_xy == (1000.0, 1000.0)
    here.learn(info(fy=0.0))
    assert here.optics is None
