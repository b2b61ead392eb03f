"""Rendered scenes that no training saw, with exact ground truth. The same name gives the same pictures everywhere."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..synthetic.kinds import NAMES
from ..synthetic.render import Rendered, render
from ..synthetic.scene import HELD_OUT, sample_world
from ..synthetic.truth import IGNORE, ground_truth
from ..synthetic.world import FRAME_WH
from .dataset import Category, Dataset, Frame, Instance, mask_rle

FIRST_SEED = 30_000_000
EMPTY_ROADS = 500_000
"""Seeds between the scenes and the empty roads."""


def load(spec: str, images: Path | None, kind: str) -> Dataset:
    """Frames of 1600 × 900 after ``<scenes>[+<empty roads>][@<first seed>]``.

    Raises:
        DataError: another form, or seeds that training may have seen.
    """
    match = re.fullmatch(r"(\d+)(?:\+(\d+))?(?:@(\d+))?", spec)
    if match is None:
        raise DataError(f"expected synthetic:<scenes>[+<empty roads>][@<first seed>], got synthetic:{spec}")
    scenes, empty, first = int(match[1]), int(match[2] or 0), int(match[3] or FIRST_SEED)
    if first < HELD_OUT:
        raise DataError(f"seeds below {HELD_OUT} are for training, got {first}")
    frames = [_frame(i + 1, first + i, None) for i in range(scenes)]
    frames += [_frame(scenes + i + 1, first + EMPTY_ROADS + i, True) for i in range(empty)]
    categories = tuple(Category(i, name) for i, name in enumerate(NAMES, 1))
    return Dataset(f"synthetic:{spec}", kind, frames, categories)


def _frame(number: int, seed: int, empty: bool | None) -> Frame:
    @cache
    def truth() -> tuple[Instance, ...]:
        return _instances(_rendered(seed, empty))

    def image() -> np.ndarray:
        truth()  # while the picture is at hand
        return _rendered(seed, empty).image

    horizon = sample_world(seed, empty=empty).camera.horizon_px / FRAME_WH[1]
    name = f"{'empty road' if empty else 'scene'} {seed}"
    return Frame(number, name, FRAME_WH[::-1], image, truth, horizon)


@lru_cache(1)
def _rendered(seed: int, empty: bool | None) -> Rendered:
    return render(sample_world(seed, empty=empty))


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
