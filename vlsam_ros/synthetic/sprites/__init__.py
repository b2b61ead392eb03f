"""Procedural pictures of road hazards and of unlabelled scenery, drawn with numpy and OpenCV only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..kinds import NAMES
from . import cutouts, debris, flats, litter, living, models, negatives, scenery, sketches, solids, traffic, vehicles
from .canvas import Canvas

Painter = Callable[[Canvas, np.random.Generator], None]

_KINDS: dict[str, tuple[Painter, float]] = {
    "car": (vehicles.car, 3.2),
    "pedestrian": (living.pedestrian, 0.8),
    "bicycle": (vehicles.bicycle, 2.0),
    "dog": (living.dog, 1.8),
    "stroller": (vehicles.stroller, 1.3),
    "traffic cone": (traffic.cone, 1.5),
    "bollard": (traffic.bollard, 0.6),
    "barrel": (traffic.barrel, 1.5),
    "barrier": (traffic.barrier, 2.9),
    "warning sign": (traffic.warning_sign, 1.2),
    "trash bin": (debris.trash_bin, 1.6),
    "cardboard box": (debris.cardboard_box, 2.4),
    "suitcase": (debris.suitcase, 1.7),
    "tire": (debris.tire, 2.2),
    "stone": (litter.stone, 2.0),
    "plastic bag": (litter.plastic_bag, 1.7),
    "pallet": (litter.pallet, 2.8),
    "tree branch": (litter.tree_branch, 3.6),
}
"""Kind to painter and the widest extent of what it draws, in units of its height."""

_DISTRACTORS: dict[str, tuple[Painter, float]] = {
    "manhole": (scenery.manhole, 1.1),
    "stain": (scenery.stain, 1.6),
    "crack": (scenery.crack, 1.4),
    "patch": (scenery.patch, 1.6),
    "leaves": (scenery.leaves, 1.8),
    "bush": (scenery.bush, 2.2),
    "tree": (scenery.tree, 1.2),
    "lamp post": (scenery.lamp_post, 0.6),
    "grass tuft": (scenery.grass_tuft, 2.0),
}

FIRST_DISTRACTORS: tuple[str, ...] = tuple(_DISTRACTORS)
"""Those of the first world; manhole, stain, crack, patch and leaves lie flat."""

DISTRACTORS: tuple[str, ...] = (*FIRST_DISTRACTORS, *negatives.UPRIGHT, *negatives.GROUND)
"""Unlabelled things; those that lie flat are drawn as seen from above."""


def draw(kind: str, height_px: float, rng: np.random.Generator, style: str = "painted") -> np.ndarray:
    """A random picture of the kind as straight-alpha RGBA, cropped to the object; its bottom row is on the ground.

    Args:
        kind: one of the names in ``synthetic.kinds``; ``debris`` in all styles but ``painted``.
        height_px: the height of the kind as it stands; what lies comes out lower, but not in ``painted`` and ``flats``.
        rng: decides everything that varies.
        style: one of ``STYLES``.

    Raises:
        ValueError: the kind or the style is unknown.
    """
    if style not in STYLES:
        raise ValueError(f"cannot draw in the style {style!r}; choose one of: {', '.join(STYLES)}")
    if kind not in NAMES:
        raise ValueError(f"cannot draw {kind!r}; choose one of: {', '.join(NAMES)}")
    return STYLES[style](kind, height_px, rng)


def _painted(kind: str, height_px: float, rng: np.random.Generator) -> np.ndarray:
    return _draw(_KINDS, kind, height_px, rng, contact=0.35)


STYLES: dict[str, Callable[[str, float, np.random.Generator], np.ndarray]] = {
    "painted": _painted,
    "solids": solids.draw,
    "flats": flats.draw,
    "sketches": sketches.draw,
    "models": models.draw,
    "cutouts": cutouts.draw,
}
"""Independent drawings of every kind; debris is in all but the first."""

UNSEEN_STYLES = frozenset({"cutouts"})
"""Those that no training sees."""


def draw_distractor(name: str, height_px: float, rng: np.random.Generator) -> np.ndarray:
    """Like ``draw`` for a name in ``DISTRACTORS``."""
    if name in negatives.UPRIGHT or name in negatives.GROUND:
        return negatives.draw(name, height_px, rng)
    return _draw(_DISTRACTORS, name, height_px, rng, contact=0.0)


def _draw(
    table: Mapping[str, tuple[Painter, float]], name: str, height_px: float, rng: np.random.Generator, contact: float
) -> np.ndarray:
    if name not in table:
        raise ValueError(f"cannot draw {name!r}; choose one of: {', '.join(table)}")
    painter, width = table[name]
    canvas = Canvas(height_px, width, rng)
    painter(canvas, rng)
    return canvas.finish(height_px, mirror=bool(rng.random() < 0.5), contact=contact)
