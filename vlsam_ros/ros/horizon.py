"""Where the horizon stands in a camera's images, from its CameraInfo and how far it looks down. Plain Python, no ROS.

A pinhole camera whose optical axis points `pitch_deg` below the horizontal sees the horizon at the row
cy - fy · tan(pitch), in the column of the principal point. Roll and lens distortion are left out: the far-field views
are wide enough for both.
"""

from __future__ import annotations

import math
import threading
from typing import Any

from vlsam_ros.ros.cameras import Camera

FARTHEST = 2.0
"""How far from the image's top a horizon may be, in its heights: beyond it the CameraInfo is wrong."""

PATIENCE_S = 1.0
"""How long the first keyframe waits for the first CameraInfo."""


class Horizon:
    """One camera's horizon; one thread learns, another asks."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._known = threading.Event()
        self._patience_s = PATIENCE_S
        self._share: float | None = None

    def learn(self, info: Any) -> bool:
        """Take in a CameraInfo; whether it is the first or changes something."""
        before, self._share = self._share, horizon(info, self._camera.pitch_deg, self._camera.rectified)
        news = not self._known.is_set() or self._share != before
        self._known.set()
        return news

    def share(self) -> float | None:
        """The horizon's row as a share of the image's height; None as long as it is not known.

        Only the first call waits for it: a recording's first image comes at the same time as its CameraInfo.
        """
        self._known.wait(self._patience_s)
        self._patience_s = 0.0
        return self._share


def horizon(info: Any, pitch_deg: float, rectified: bool = False) -> float | None:
    """The horizon's row as a share of the image's height, which may lie outside [0, 1].

    Args:
        info: sensor_msgs/CameraInfo; its region of interest is the image, and binning changes no share.
        pitch_deg: how far the camera looks down.
        rectified: the images are rectified, and P holds instead of K.

    Returns:
        None if the camera is not calibrated, or the row is more than `FARTHEST` heights away.
    """
    fy, cy = (float(v) for v in ((info.p[5], info.p[6]) if rectified else (info.k[4], info.k[5])))
    top, height = (info.roi.y_offset, info.roi.height) if info.roi.height else (0, info.height)
    row = cy + 0.5 - fy * math.tan(math.radians(pitch_deg))  # pixel centres count from 0 in K, edges do here
    share = (row - top) / height if fy > 0 and height > 0 else math.nan
    return share if abs(share) <= FARTHEST else None
