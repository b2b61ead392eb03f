"""What is drawn of a keyframe, of what somebody looks at. Plain Python."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ..data import Detections
from ..output import labels, overlay
from ..output.files import jpeg
from ..output.hazard import load
from ..output.overlay import Caption

KINDS = ("overlay", "heat", "instances", "classes", "confidence")
__all__ = ["KINDS", "Caption", "pictures"]


def pictures(
    wanted: Collection[str],
    rgb: np.ndarray | None,
    size_hw: tuple[int, int],
    found: Detections,
    caption: Caption,
    hazards: str = "",
) -> dict[str, bytes | np.ndarray]:
    """Of each kind in `wanted` the picture; of others, and of a heat map that there isn't, none.

    Args:
        rgb: the keyframe's image, uint8 (H, W, 3); None if it can't be read, or only label images are wanted.
        size_hw: the message's height and width, px; (0, 0) if they aren't known. Then there are no label images.
        hazards: the user's file of hazard classes, as `hazard.load` takes it.

    Returns:
        ``overlay``, ``heat``: the bytes of a JPEG; ``instances``: uint16 (H, W); ``classes``, ``confidence``: uint8
        (H, W), see `labels`.

    Raises:
        OutputError: the picture is too long for a JPEG.
        ConfigError: the file of hazard classes is wrong.
    """
    sized = replace(found, size_hw=size_hw)
    made: dict[str, bytes | np.ndarray] = {}
    if "overlay" in wanted:
        made["overlay"] = jpeg(overlay.draw(rgb, sized, caption))
    if "heat" in wanted and rgb is not None and found.heat is not None:
        made["heat"] = jpeg(overlay.draw_heat(rgb, found.heat))
    if min(size_hw) > 0:
        painters = {
            "instances": lambda: labels.instances(sized),
            "classes": lambda: labels.classes(sized, load(hazards).class_of),
            "confidence": lambda: labels.confidence(sized),
        }
        made |= {kind: painter() for kind, painter in painters.items() if kind in wanted}
    return made
