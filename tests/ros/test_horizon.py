"""Where the horizon stands, from CameraInfo and pitch: no ROS needed."""

import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.horizon import Horizon, horizon


def info(fy: float = 1000.0, cy: float = 449.5, height: int = 900, roi: tuple[int, int] = (0, 0), py: float = 0.0):
    """A CameraInfo; `roi` is its y_offset and height, `py` is P's row (K's if 0)."""
    return SimpleNamespace(
        height=height,
        k=[fy, 0, 800, 0, fy, cy, 0, 0, 1],
        p=[fy, 0, 800, 0, 0, fy, py or cy, 0, 0, 0, 1, 0],
        roi=SimpleNamespace(y_offset=roi[0], height=roi[1]),
    )


@pytest.mark.parametrize(
    ("message", "pitch_deg", "expected"),
    [
        (info(), 0.0, 0.5),
        (info(cy=299.5), 0.0, 1 / 3),
        (info(), 5.0, 0.5 - math.tan(math.radians(5)) / 0.9),
        (info(), -5.0, 0.5 + math.tan(math.radians(5)) / 0.9),
        (info(), 45.0, 0.5 - 1 / 0.9),
        (info(roi=(100, 400)), 0.0, 350 / 400),
        (info(fy=500.0, cy=224.5, height=450), 5.0, 0.5 - math.tan(math.radians(5)) / 0.9),
        (info(fy=0.0), 0.0, None),
        (info(height=0), 0.0, None),
        (info(cy=math.nan), 0.0, None),
        (info(cy=1e30), 0.0, None),
        (info(cy=-1e30), 0.0, None),
        (info(fy=1e308, cy=-1e308), 89.0, None),
        (info(roi=(0, 1)), 0.0, None),
        (info(cy=2 * 900 - 0.5), 0.0, 2.0),
        (info(cy=2 * 900 + 0.5), 0.0, None),
        (info(fy=math.nan), 1.0, None),
    ],
    ids=["level", "off the middle", "down", "up", "above the frame", "region of interest", "half the size",
         "not calibrated", "no height", "no principal point", "far below", "far above",
         "beyond numbers", "region of one row", "two heights", "more than two", "no focal length"],
)  # fmt: skip
def test_horizon(message, pitch_deg, expected):
    assert horizon(message, pitch_deg) == (None if expected is None else pytest.approx(expected))


@pytest.mark.filterwarnings("error")
def test_wild_numbers_of_a_message_warn_nobody():
    message = info(fy=1e308, cy=-1e308)
    message.k = np.array(message.k, float)
    assert horizon(message, 89.0) is None


def test_it_is_where_distant_ground_is_seen():
    pitch, camera_height_m, distance_m = math.radians(3), 1.5, 1e7
    down, ahead = camera_height_m, distance_m  # the point in axes of the road, then of the camera
    y = down * math.cos(pitch) - ahead * math.sin(pitch)
    z = down * math.sin(pitch) + ahead * math.cos(pitch)
    assert horizon(info(), 3.0) == pytest.approx((1000 * y / z + 449.5 + 0.5) / 900, abs=1e-6)


def test_rectified_images_go_by_the_projection():
    assert horizon(info(py=539.5), 0.0, rectified=True) == pytest.approx(0.6)
    (camera,) = cameras(["/front/image_rect"])
    here = Horizon(camera)
    here.learn(info(py=539.5))
    assert here.share() == pytest.approx(0.6)


def test_only_the_first_keyframe_waits(monkeypatch):
    monkeypatch.setattr("vlsam_ros.ros.horizon.PATIENCE_S", 0.2)
    here = Horizon(cameras(["/front/image"])[0])
    times = []
    for _ in range(2):
        started = time.monotonic()
        assert here.share() is None
        times.append(time.monotonic() - started)
    assert times[0] >= 0.2 > times[1]


def test_what_comes_while_it_waits_is_used():
    here = Horizon(cameras(["/front/image"])[0])
    threading.Timer(0.05, here.learn, [info()]).start()
    assert here.share() == 0.5


def test_news_are_told():
    here = Horizon(cameras(["/front/image"])[0])
    messages = [info(fy=0.0), info(fy=0.0), info(), info(), info(cy=1.0)]
    assert [here.learn(m) for m in messages] == [True, False, True, False, True]
