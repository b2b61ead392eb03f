"""What a camera's CameraInfo tells: its optics, and where the horizon stands in its images. Plain Python, no ROS."""

from __future__ import annotations

import threading
from typing import Any

from vlsam_ros.config import NodeOptions
from vlsam_ros.ros.cameras import Camera
from vlsam_ros.tracking.ground import Mount, Optics, horizon, why_not

PATIENCE_S = 1.0
"""How long the first keyframe waits for the first CameraInfo."""


class Horizon:
    """One camera's optics and horizon; one thread learns, another asks.

    Attributes:
        mount: how the camera with this index among `image_topics` is fixed, by the options.
        optics: None as long as they are not known.
    """

    def __init__(self, camera: Camera, options: NodeOptions, index: int) -> None:
        self.mount = Mount.of(options, index)
        self.optics: Optics | None = None
        self._camera = camera
        self._known = threading.Event()
        self._patience_s = PATIENCE_S
        self._said = ""

    def learn(self, info: Any) -> str:
        """Take in a CameraInfo; what is new in it, for the log, or nothing."""
        before, self.optics = self.optics, Optics.of(info, self._camera.rectified)
        said, self._said = self._said, self._summary(info) if self.optics != before or not self.optics else self._said
        self._known.set()
        return self._said if self._said != said else ""

    def share(self, mount: Mount | None = None) -> float | None:
        """The horizon's row as a share of the image's height; None as long as it is not known.

        Only the first call waits for it: a recording's first image comes at the same time as its CameraInfo.

        Args:
            mount: None: that of the options.
        """
        self._known.wait(self._patience_s)
        self._patience_s = 0.0
        return horizon(optics, mount or self.mount) if (optics := self.optics) else None

    def _summary(self, info: Any) -> str:
        if self.optics is None:
            why = why_not(info, self._camera.rectified)
            return f"no bearings and no distances, and views.horizon holds: CameraInfo: {why}"
        share = horizon(self.optics, self.mount)
        near = share is not None
        where = f"horizon at {share:.3f} of the height" if near else "no horizon near the image, views.horizon holds"
        return f"{where}, by CameraInfo and a pitch of {self.mount.pitch_deg:g}°"
