"""A synthetic drive past hazards, as the source of a sample recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vlsam_ros.synthetic import scene
from vlsam_ros.synthetic.kinds import KINDS
from vlsam_ros.synthetic.render import Rendered, render
from vlsam_ros.synthetic.world import Placed, Road, Sensor, Weather, World

LAST_HAZARD_M = 70.0
"""Nothing labelled stands beyond: the end of the drive shows an empty road."""

_HEIGHTS = {kind.name: kind.height_m for kind in KINDS}
_SIDES = {
    "left": ("car", "pedestrian", "barrel", "tire", "warning sign", "plastic bag", "barrier", "stone", "pallet"),
    "right": (
        "traffic cone",
        "cardboard box",
        "bicycle",
        "dog",
        "trash bin",
        "suitcase",
        "stroller",
        "bollard",
        "tree branch",
    ),
}


_EVERY_M, _AHEAD_M, _BESIDE_M = 7.0, 60.0, 1.4


@dataclass(frozen=True)
class Drive:
    """A world and how the car moves through it.

    Attributes:
        shake_px: how far the car's nodding moves the horizon in the picture, standard deviation in pixels.
    """

    world: World
    frames: int
    rate_hz: float
    speed_mps: float
    shake_px: float = 0.0


def sample_drive(seed: int = 7, frames: int = 60) -> Drive:
    """Daylight, slight haze, two lanes; hazards of all kinds on both sides of the ego path, none on it."""
    rng = np.random.default_rng([seed, 0xD21])
    world = scene.sample_world(seed, empty=True)
    light = scene.sample_light(rng, "sunny")
    lane = 3.5
    road = dataclasses.replace(
        world.road, left_m=-1.5 * lane - 0.5, right_m=0.5 * lane + 0.5, dividers_m=(-lane / 2,), dash_m=(3.0, 9.0),
        edge_lines=True, surface="asphalt", sides=("grass", "gravel"), rails=(False, False), lane_m=lane,
        curvature=4e-4,
    )  # fmt: skip
    world = dataclasses.replace(
        world,
        light=light,
        road=road,
        camera=dataclasses.replace(world.camera, roll_rad=0.0),
        weather=Weather(visibility_m=500.0, haze=scene.haze_colour(light), rain=0.0, wet=0.0),
        sensor=Sensor(1.0, (1.0, 1.0, 1.0), 0.7, 0.008, 0.15, 0),
        land=dataclasses.replace(world.land, season="green", shade=0.0),
        placed=tuple(scene.with_looks(_hazards(rng), held_out=True)),
        scenery=scene.sample_scenery(rng, road, 200.0),
        flats=scene.sample_flats(rng, road, 100.0),
    )
    return Drive(world=world, frames=frames, rate_hz=10.0, speed_mps=14.0)


def _hazards(rng: np.random.Generator) -> tuple[Placed, ...]:
    """Hazards beside the ego path, evenly spread with jitter up to ``LAST_HAZARD_M``."""
    placed = []
    for side, names in _SIDES.items():
        spots = np.linspace(16.0, LAST_HAZARD_M - 1, len(names)) + rng.uniform(-1, 1, len(names))
        for name, z in zip(rng.permutation(names).tolist(), spots, strict=True):
            x = rng.uniform(1.5, 2.6) if side == "right" else -rng.uniform(2.6, 4.4)
            height = float(rng.uniform(*_HEIGHTS[name]))
            placed.append(Placed(name, float(x), float(z), height, int(rng.integers(1 << 31))))
    return tuple(placed)


def held_out_drive(
    seed: int, frames: int, rate_hz: float, speed_mps: float, curvature: float = 0.0, shake_px: float = 0.0
) -> Drive:
    """Any light, weather and road, and hazards of looks that no training saw, all along the way beside the ego path.

    Args:
        curvature: the road's centre line bends by ``curvature * z ** 2`` metres.
    """
    rng = np.random.default_rng([seed, 0xD22])
    world = scene.sample_world(scene.HELD_OUT + seed, empty=True)
    road = dataclasses.replace(world.road, curvature=curvature)
    way = frames / rate_hz * speed_mps + _AHEAD_M
    world = dataclasses.replace(
        world,
        road=road,
        placed=tuple(scene.with_looks(_along(rng, road, way), held_out=True)),
        scenery=scene.sample_scenery(rng, road, way + 80),
        flats=scene.sample_flats(rng, road, way),
    )
    return Drive(world, frames, rate_hz, speed_mps, shake_px)


def _along(rng: np.random.Generator, road: Road, way_m: float) -> Iterator[Placed]:
    """Hazards of all kinds where each may be found, one every ``_EVERY_M``, none on the ego path."""
    for z in np.arange(12.0, way_m, _EVERY_M):
        kind = KINDS[int(rng.integers(len(KINDS)))]
        x = scene.lateral(rng, kind, road)
        if abs(x) < _BESIDE_M:
            x = np.copysign(_BESIDE_M + rng.uniform(0, 1.5), x)
        height = float(rng.uniform(*kind.height_m))
        yield Placed(kind.name, float(x), float(z + rng.uniform(-2, 2)), height, int(rng.integers(1 << 31)))


def frames(drive: Drive) -> Iterator[tuple[float, Rendered]]:
    """The frames in order: seconds since the start, and the full-size picture."""
    nods = _nods(drive)
    for i in range(drive.frames):
        stamp, world = i / drive.rate_hz, drive.world
        if drive.shake_px:
            camera = dataclasses.replace(world.camera, horizon_px=world.camera.horizon_px + float(nods[i]))
            world = dataclasses.replace(world, camera=camera)
        yield stamp, render(world, ego_m=stamp * drive.speed_mps)


def _nods(drive: Drive) -> np.ndarray:
    """How far the horizon moves in each frame, pixels (frames,): a body on its springs, at about 1.5 Hz."""
    rng, t = np.random.default_rng(drive.world.seed), np.arange(drive.frames) / drive.rate_hz
    phases, rates = rng.uniform(0, 2 * np.pi, 3), rng.uniform(1.0, 2.2, 3)
    return drive.shake_px * np.sqrt(2 / 3) * np.sin(2 * np.pi * np.outer(t, rates) + phases).sum(1)
