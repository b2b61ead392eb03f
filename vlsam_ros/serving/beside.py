"""What goes on beside the models, in a process of its own without torch: tracks at camera rate, and pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import BadImageError
from vlsam_ros.serving.images import Picture, Seen, to_grey, to_rgb
from vlsam_ros.serving.pictures import Caption, pictures
from vlsam_ros.tracking.flow import WIDTH
from vlsam_ros.tracking.tracker import Tracker


class Beside:
    """Each camera's tracks, and pictures of its keyframes."""

    def __init__(self, config: Config, run: int) -> None:
        """`run`: how often there was such a process before, so that no track's id comes twice."""
        self._config, self._run = config, run
        self._trackers: dict[int, Tracker] = {}
        cv2.setNumThreads(1)

    def about(self) -> None:
        """Nothing to be said."""

    def look(
        self, seen: Seen, wanted: bool, keyframe: bool, data: memoryview, emit: Callable[[Any], None]
    ) -> Detections | None:
        """Take in a frame; where all tracks are in it, if that is `wanted`. Of a `keyframe` the result will come.

        Raises:
            BadImageError: it can't be read.
        """
        tracker = self._tracker(seen.camera)
        if keyframe and tracker.expect(seen.number):
            return None
        grey, size_hw = to_grey(seen.picture.holding(data), self._config.node.max_image_pixels, WIDTH)
        tracker.look(seen.number, seen.time_s, grey, size_hw)
        return tracker.tracks() if wanted else None

    def found(
        self, camera: int, number: int, found: Detections, data: memoryview, emit: Callable[[Any], None]
    ) -> Detections:
        """A keyframe's result with its tracks."""
        slim = replace(found, heat=None)
        return replace(self._tracker(camera).found(number, slim), heat=found.heat)

    def configure(self, config: Config, data: memoryview, emit: Callable[[Any], None]) -> None:
        """Other options from now on."""
        self._config = config
        for tracker in self._trackers.values():
            tracker.configure(config.tracks, config.merge)

    def draw(
        self,
        wanted: set[str],
        picture: Picture,
        found: Detections,
        caption: Caption,
        data: memoryview,
        emit: Callable[[Any], None],
    ) -> dict[str, Any]:
        """Of each kind in `wanted` the picture of a keyframe, see `pictures`."""
        rgb: np.ndarray | None = None
        if wanted & {"overlay", "heat"}:
            try:
                rgb = to_rgb(picture.holding(data), self._config.node.max_image_pixels)
            except BadImageError as error:
                logging.getLogger(__name__).debug("drawn without its image: %s", error)
        return pictures(wanted, rgb, found.size_hw, found, caption, self._config.node.hazards)

    def _tracker(self, camera: int) -> Tracker:
        if camera not in self._trackers:
            prefix = f"{camera}-" if not self._run else f"{camera}.{self._run}-"
            self._trackers[camera] = Tracker(self._config.tracks, self._config.merge, prefix)
        return self._trackers[camera]
