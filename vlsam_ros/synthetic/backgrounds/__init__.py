"""Families of backgrounds: a vision model trained on many learns the objects, not one look of road and sky."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vlsam_ros.synthetic import road
from vlsam_ros.synthetic.backgrounds import grounds, skies
from vlsam_ros.synthetic.backgrounds.skies import beside
from vlsam_ros.synthetic.road import View
from vlsam_ros.synthetic.world import World

__all__ = ["GROUNDS", "SKIES", "UNSEEN_GROUNDS", "UNSEEN_SKIES", "Painter", "beside"]

Painter = Callable[[World, View, np.ndarray, np.ndarray, float], np.ndarray]
"""World, view, level columns and rows (H, W) and metres driven to display RGB float32 (H, W, 3)."""

GROUNDS: dict[str, Painter] = {
    "natural": road.ground,
    "flat": grounds.flat,
    "painted": grounds.painted,
    "textured": grounds.textured,
    "striped": grounds.striped,
    "covered": grounds.covered,
    "nightly": grounds.nightly,
    "plaza": grounds.plaza,
    "mosaic": grounds.mosaic,
}

SKIES: dict[str, Painter] = {
    "natural": road.sky,
    "flat": skies.flat,
    "gradient": skies.gradient,
    "discs": skies.disc_clouds,
    "dramatic": skies.dramatic,
    "starry": skies.starry,
    "photo": skies.photo,
    "banded": skies.banded,
}

UNSEEN_GROUNDS = frozenset({"mosaic"})
"""Grounds that training never uses."""

UNSEEN_SKIES = frozenset({"banded"})
"""Skies that training never uses."""
