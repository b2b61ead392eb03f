"""Rendered scenes that no training saw, with exact ground truth. The same name gives the same pictures everywhere.

Of the wide world that holds where scikit-image is installed: its photographs are among the grounds and skies.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..synthetic.kinds import NAMES
from ..synthetic.render import Rendered
from ..synthetic.scene import HELD_OUT, sample_world
from ..synthetic.truth import IGNORE, ground_truth
from ..synthetic.wide import Scene, sample_scene
from ..synthetic.world import FRAME_WH
from .dataset import Category, Dataset, Frame, Instance, mask_rle

FIRST_SEED = 30_000_000
EMPTY_ROADS = 500_000
"""Seeds between the scenes and the empty roads."""

OWN, WIDE, UNSEEN = "own", "wide", "unseen"
"""The world where every training began; the wide one; and drawings, grounds and skies that no training sees."""


def load(spec: str, images: Path | None, kind: str) -> Dataset:
    """Frames after ``[wide:|unseen:]<scenes>[+<empty roads>][@<first seed>]``.

    Those of the own world have 1600 × 900 pixels, the others any of `synthetic.wide.FRAME_SIZES`.

    Raises:
        DataError: another form, or seeds that training may have seen.
    """
    match = re.fullmatch(rf"(?:({WIDE}|{UNSEEN}):)?(\d+)(?:\+(\d+))?(?:@(\d+))?", spec)
    if match is None:
        raise DataError(
            f"expected synthetic:[{WIDE}:|{UNSEEN}:]<scenes>[+<empty roads>][@<first seed>], got synthetic:{spec}"
        )
    world, scenes, empty, first = match[1] or OWN, int(match[2]), int(match[3] or 0), int(match[4] or FIRST_SEED)
    if first < HELD_OUT:
        raise DataError(f"seeds below {HELD_OUT} are for training, got {first}")
    frames = [_frame(i + 1, world, first + i, None) for i in range(scenes)]
    frames += [_frame(scenes + i + 1, world, first + EMPTY_ROADS + i, True) for i in range(empty)]
    categories = tuple(Category(i, name) for i, name in enumerate(NAMES, 1))
    return Dataset(f"synthetic:{spec}", kind, frames, categories)


def _frame(number: int, world: str, seed: int, empty: bool | None) -> Frame:
    scene = _scene(world, seed, empty)

    @cache
    def truth() -> tuple[Instance, ...]:
        return _instances(_rendered(scene))

    def image() -> np.ndarray:
        truth()  # while the picture is at hand
        return _rendered(scene).image

    name = f"{'' if world == OWN else f'{world} '}{'empty road' if empty else 'scene'} {seed}"
    return Frame(number, name, scene.size_wh[::-1], image, truth, scene.horizon)


def _scene(world: str, seed: int, empty: bool | None) -> Scene:
    if world == OWN:
        return Scene(sample_world(seed, empty=empty), (0, 0, *FRAME_WH), FRAME_WH)
    return sample_scene(seed, unseen=world == UNSEEN, empty=empty)


@lru_cache(1)
def _rendered(scene: Scene) -> Rendered:
    return scene.render()


def _instances(frame: Rendered) -> tuple[Instance, ...]:
    """The visible objects, nearest first, and the regions to be ignored."""
    found, size_hw = ground_truth(frame), frame.image.shape[:2]
    distances = sorted(o.distance_m for o in frame.objects)
    distances += [np.nan] * (len(found) - len(distances))
    return tuple(
        Instance(
            d.label,
            d.xyxy,
            mask_rle(d.mask, size_hw),
            category="" if d.label == IGNORE else d.label,
            ignore=d.label == IGNORE,
            distance_m=distance,
        )
        for d, distance in zip(found.items, distances, strict=True)
    )
