"""Things beside and on the road that have no label: tempting, and drawn in several manners."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import negatives_upright as upright
from .negatives_ground import GROUND, LENGTHS
from .negatives_pens import PENS, Pen, fitted, premultiplied

__all__ = ["GROUND", "HEIGHTS", "LENGTHS", "UPRIGHT", "WIDTHS", "draw"]

Rng = np.random.Generator

_THINGS: dict[str, tuple[Callable[[Pen, Rng], None], float, tuple[float, float]]] = {
    "hydrant": (upright.hydrant, 0.9, (0.7, 1.0)),
    "pole": (upright.pole, 0.4, (4, 9)),
    "trunk": (upright.trunk, 1.4, (0.8, 3)),
    "round tree": (upright.round_tree, 1.4, (3, 9)),
    "fir": (upright.fir, 0.9, (3, 12)),
    "palm": (upright.palm, 1.4, (4, 10)),
    "bare tree": (upright.bare_tree, 2.0, (3, 9)),
    "shrub": (upright.shrub, 3.0, (0.6, 2)),
    "hedge": (upright.hedge, 3.8, (0.8, 2.2)),
    "wall": (upright.wall, 3.8, (0.8, 2.5)),
    "fence": (upright.fence, 3.8, (0.8, 2)),
    "house front": (upright.house_front, 1.6, (5, 12)),
    "shop window": (upright.shop_window, 2.6, (3, 4.5)),
    "billboard": (upright.billboard, 2.3, (2, 5)),
    "street lamp": (upright.street_lamp, 0.8, (3, 8)),
    "traffic light": (upright.traffic_light, 0.8, (2.5, 4.5)),
    "street sign": (upright.street_sign, 1.2, (2.2, 3.5)),
    "blue sign": (upright.blue_sign, 0.5, (2, 3)),
    "mail box": (upright.mail_box, 0.8, (1.1, 1.6)),
    "parking meter": (upright.parking_meter, 0.4, (1.3, 1.7)),
    "bench": (upright.bench, 2.8, (0.7, 1.0)),
    "bus shelter": (upright.bus_shelter, 2.4, (2.4, 3)),
    "phone box": (upright.phone_box, 0.8, (2.1, 2.6)),
    "cabinet": (upright.cabinet, 1.8, (0.9, 1.7)),
    "stairs": (upright.stairs, 2.8, (0.8, 3)),
    "rock face": (upright.rock_face, 3.4, (2, 8)),
    "pillar": (upright.pillar, 0.7, (2.5, 6)),
    "gate": (upright.gate, 2.6, (1.5, 3)),
    "planter": (upright.planter, 2.6, (0.7, 1.3)),
    "flag": (upright.flag, 1.0, (4, 8)),
    "noise wall": (upright.noise_wall, 4.0, (2, 4)),
    "climbing frame": (upright.arch, 2.0, (1.6, 3)),
}

UPRIGHT: dict[str, Callable[[Pen, Rng], None]] = {name: thing[0] for name, thing in _THINGS.items()}
WIDTHS: dict[str, float] = {name: thing[1] for name, thing in _THINGS.items()}
"""The widest that an upright thing is drawn as seen from the front, in units of its height."""
HEIGHTS: dict[str, tuple[float, float]] = {name: thing[2] for name, thing in _THINGS.items()}
"""Range of the height of upright things in metres."""


def draw(name: str, height_px: float, rng: Rng) -> np.ndarray:
    """Straight-alpha uint8 RGBA, cropped, ``height_px`` pixels high, in a manner that ``rng`` picks.

    Raises:
        ValueError: the name is unknown.
    """
    if name in UPRIGHT:
        pen = PENS[int(rng.choice(len(PENS), p=[0.3, 0.25, 0.3, 0.15]))](max(24.0, height_px), WIDTHS[name], rng)
        UPRIGHT[name](pen, rng)
        out = fitted(pen.picture(), height_px)
    elif name in GROUND:
        out = fitted(premultiplied(GROUND[name](max(24.0, height_px), rng)), height_px)
    else:
        raise ValueError(f"cannot draw {name!r}; choose one of: {', '.join((*UPRIGHT, *GROUND))}")
    return np.ascontiguousarray(out[:, ::-1]) if rng.random() < 0.5 and name not in ("letters", "number") else out
