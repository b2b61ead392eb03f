"""Sampling of what stands beside the road and lies on it without a label: the hard negatives of the wide world."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vlsam_ros.synthetic.sprites.negatives import GROUND, HEIGHTS, LENGTHS, WIDTHS
from vlsam_ros.synthetic.world import Placed, Road

MAX_UPRIGHTS = 48
"""The most upright things of a street."""

CLEAR_M = 0.8
"""Nothing upright stands nearer to the road's edge, with all its width."""

_HEIGHTS: dict[str, tuple[float, float]] = {
    **HEIGHTS, "bush": (0.6, 1.8), "tree": (4.0, 9.0), "lamp post": (5.0, 8.0), "grass tuft": (0.15, 0.5),
}  # fmt: skip
_WIDTHS: dict[str, float] = {**WIDTHS, "bush": 2.2, "tree": 1.2, "lamp post": 0.6, "grass tuft": 2.0}
_LENGTHS: dict[str, tuple[float, float]] = {
    **LENGTHS, "manhole": (0.65, 0.8), "stain": (0.4, 1.8), "crack": (1.0, 4.0), "patch": (0.8, 3.0),
    "leaves": (0.5, 2.0),
}  # fmt: skip
_FRONTS = ("house front", "house front", "shop window", "shop window", "wall", "gate", "billboard")
_ROWS = (
    "pole", "street lamp", "lamp post", "round tree", "fir", "palm", "bare tree", "hedge", "shrub", "fence", "wall",
    "noise wall", "pillar", "planter", "flag", "bench",
)  # fmt: skip
_NEAR_M, _FAR_M = 5.0, 110.0


def sample_negatives(rng: np.random.Generator, road: Road) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
    """Upright scenery beside the road and flat things on it; nothing, single things, rows of one, or a dense street.

    At most ``MAX_UPRIGHTS`` and six flat ones; uprights keep ``CLEAR_M`` from the road's edges.
    """
    scenery: list[Placed] = []
    manner = rng.random()
    if manner > 0.12:
        scenery += [_single(rng, road) for _ in range(int(rng.integers(0, 15)))]
    if manner > 0.5:
        for _ in range(int(rng.integers(1, 3))):
            scenery += _row(rng, road, (str(rng.choice(_ROWS)),), (CLEAR_M, 8.0), rng.uniform(1.0, 4.0))
    if manner > 0.78:
        for side in (-1, 1) if rng.random() < 0.6 else (int(rng.choice((-1, 1))),):
            scenery += _row(rng, road, _FRONTS, (2.0, 8.0), 1.05, side)
    flats = [_flat(rng, road) for _ in range(int(rng.integers(0, 7)))]
    return tuple(scenery[:MAX_UPRIGHTS]), tuple(flats)


def _distance(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(math.log(_NEAR_M), math.log(_FAR_M))))


def _upright(rng: np.random.Generator, road: Road, name: str, side: int, gap_m: float, z_m: float) -> Placed:
    """A thing whose nearer end is ``gap_m`` beyond the road's edge; turned bodies may be wider than their fronts."""
    height = float(rng.uniform(*_HEIGHTS[name]))
    edge = road.right_m if side > 0 else road.left_m
    x = edge + side * (gap_m + 0.5 * _WIDTHS[name] * height)
    return Placed(name, float(x), z_m, height, int(rng.integers(1 << 31)))


def _single(rng: np.random.Generator, road: Road) -> Placed:
    names = tuple(_HEIGHTS)
    name = names[int(rng.integers(len(names)))]
    return _upright(rng, road, name, int(rng.choice((-1, 1))), float(rng.uniform(CLEAR_M, 8.0)), _distance(rng))


def _row(
    rng: np.random.Generator,
    road: Road,
    names: Sequence[str],
    gap_m: tuple[float, float],
    spacing: float,
    side: int | None = None,
) -> list[Placed]:
    """Up to 9 things along one side, ``spacing`` of their widths apart."""
    side = int(rng.choice((-1, 1))) if side is None else side
    gap, z = float(rng.uniform(*gap_m)), float(rng.uniform(_NEAR_M, 25.0))
    things: list[Placed] = []
    for _ in range(int(rng.integers(3, 10))):
        thing = _upright(rng, road, names[int(rng.integers(len(names)))], side, gap, z)
        things.append(thing)
        z += max(2.0, spacing * _WIDTHS[thing.name] * thing.height_m)
        if z > _FAR_M:
            break
    return things


def _flat(rng: np.random.Generator, road: Road) -> Placed:
    names = (*GROUND, *GROUND, *(n for n in _LENGTHS if n not in GROUND))
    name = names[int(rng.integers(len(names)))]
    return Placed(
        name,
        x_m=float(rng.uniform(road.left_m + 0.3, road.right_m - 0.3)),
        z_m=float(np.exp(rng.uniform(math.log(4.5), math.log(50.0)))),
        height_m=float(rng.uniform(*_LENGTHS[name])),
        seed=int(rng.integers(1 << 31)),
    )
