"""Sampling of synthetic road worlds: camera, light, weather, road geometry, objects and scenery, all from one seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from vlsam_ros.synthetic.kinds import KINDS, Kind
from vlsam_ros.synthetic.world import FRAME_WH, Box, Camera, Land, Light, Placed, Rgb, Road, Sensor, Weather, World

__all__ = [
    "FRAME_WH",
    "Camera",
    "Land",
    "Light",
    "Placed",
    "Road",
    "Sensor",
    "Weather",
    "World",
    "sample_crowd",
    "sample_window",
    "sample_world",
]

HELD_OUT = 20_000_000
"""Worlds with this seed or a higher one are for measuring: their objects have looks that no training world has."""


def jitter(rng: np.random.Generator, rgb: Rgb, amount: float) -> Rgb:
    """Multiply a colour by a common and by per-channel random factors of about ``1 ± amount``."""
    gains = (1 + amount * rng.uniform(-1, 1)) * (1 + 0.4 * amount * rng.uniform(-1, 1, 3))
    return tuple(float(c) for c in np.clip(np.array(rgb) * gains, 0, 1.5))


def sample_camera(rng: np.random.Generator) -> Camera:
    """A car's front camera with small mounting jitter."""
    return Camera(
        focal_px=float(1100 * rng.uniform(0.95, 1.05)),
        height_m=float(rng.uniform(1.3, 1.6)),
        horizon_px=float(FRAME_WH[1] * rng.uniform(0.42, 0.58)),
        roll_rad=math.radians(float(rng.uniform(-1, 1))),
    )


# time: probability, ambient, sky top, sky low, clouds (range), shadow, headlights
_TIMES = {
    "sunny": (0.42, (1.05, 1.02, 0.95), (0.30, 0.50, 0.80), (0.72, 0.82, 0.92), (0.0, 0.8), 0.62, 0.0),
    "overcast": (0.28, (0.82, 0.85, 0.88), (0.62, 0.66, 0.71), (0.80, 0.82, 0.84), (0.3, 1.0), 0.0, 0.0),
    "dusk": (0.14, (0.62, 0.52, 0.50), (0.24, 0.29, 0.45), (0.86, 0.60, 0.42), (0.1, 0.8), 0.25, 0.25),
    "night": (0.16, (0.38, 0.39, 0.46), (0.025, 0.03, 0.055), (0.09, 0.085, 0.10), (0.0, 0.5), 0.0, 1.0),
}


def sample_light(rng: np.random.Generator, time: str | None = None) -> Light:
    """Light of one time of day (random unless given)."""
    names = list(_TIMES)
    time = time or names[int(rng.choice(len(names), p=[_TIMES[n][0] for n in names]))]
    _, ambient, top, low, clouds, shadow, headlights = _TIMES[time]
    length, angle = rng.uniform(0.4, 1.0 if time == "sunny" else 2.2), rng.uniform(0, 2 * math.pi)
    return Light(
        time=time,
        ambient=jitter(rng, ambient, 0.14),
        sky_top=jitter(rng, top, 0.15),
        sky_low=jitter(rng, low, 0.1),
        clouds=float(rng.uniform(*clouds)),
        sun_m=(float(length * math.cos(angle)), float(length * 0.8 * math.sin(angle))),
        shadow=shadow * float(rng.uniform(0.8, 1.1)),
        headlights=headlights * float(rng.uniform(0.7, 1.2)),
    )


def haze_colour(light: Light) -> Rgb:
    """Colour of the air in the distance: the low sky, a little greyer."""
    mixed = [0.25 * t + 0.75 * b for t, b in zip(light.sky_top, light.sky_low, strict=True)]
    return tuple(0.65 * c + 0.35 * sum(mixed) / 3 for c in mixed)


def sample_weather(rng: np.random.Generator, light: Light) -> Weather:
    """Clear, hazy, foggy, rainy or just wet; sunny scenes stay mostly dry."""
    kind = rng.choice(["clear", "haze", "fog", "rain", "wet"], p=[0.52, 0.18, 0.1, 0.11, 0.09])
    if light.time == "sunny" and kind in ("rain", "fog"):
        kind = "clear"
    visibility = {"haze": rng.uniform(180, 400), "fog": rng.uniform(45, 140), "rain": rng.uniform(150, 400)}
    return Weather(
        visibility_m=float(visibility.get(str(kind), rng.uniform(600, 2000))),
        haze=haze_colour(light),
        rain=float(rng.uniform(0.3, 1.0)) if kind == "rain" else 0.0,
        wet=float(rng.uniform(0.4, 1.0)) if kind in ("rain", "wet") else 0.0,
    )


def sample_sensor(rng: np.random.Generator, light: Light) -> Sensor:
    """Camera electronics: more noise and blur in the dark."""
    dark = light.time in ("night", "dusk")
    return Sensor(
        exposure=float(rng.uniform(0.85, 1.18)),
        white_balance=tuple(float(g) for g in rng.uniform(0.95, 1.05, 3)),
        blur_px=float(rng.choice([0.5, 0.8, 1.1, 2.0], p=[0.35, 0.3, 0.25, 0.1]) * (1.3 if dark else 1.0)),
        noise=float(rng.uniform(0.004, 0.022) * (1.4 if dark else 1.0)),
        vignette=float(rng.uniform(0, 0.3)),
        jpeg=int(rng.integers(60, 96)) if rng.random() < 0.5 else 0,
    )


def sample_road(rng: np.random.Generator) -> Road:
    """1–3 lanes with markings, of which the ego vehicle keeps one, and what lies beside them."""
    surface = str(rng.choice(["asphalt", "dark asphalt", "concrete", "dirt"], p=[0.5, 0.27, 0.15, 0.08]))
    lanes, lane_m = int(rng.choice([1, 2, 3], p=[0.12, 0.58, 0.3])), float(rng.uniform(3.0, 3.7))
    own = int(rng.integers(0, lanes)) if rng.random() < 0.4 else lanes - 1
    left = -(own + 0.5) * lane_m + float(rng.uniform(-0.3, 0.3))
    marked = surface != "dirt" and rng.random() < 0.88
    hard = float(rng.choice([0.2, 0.5, 1.6]))
    urban = rng.random() < 0.4
    options, odds = (["sidewalk", "grass"], [0.8, 0.2]) if urban else (["grass", "gravel", "dirt"], [0.5, 0.3, 0.2])
    return Road(
        left_m=left - hard,
        right_m=left + lanes * lane_m + hard,
        dividers_m=tuple(left + i * lane_m for i in range(1, lanes)) if marked else (),
        dash_m=[(3.0, 9.0), (6.0, 12.0), (4.0, 8.0), (1e4, 1e4)][int(rng.choice(4, p=[0.35, 0.3, 0.25, 0.1]))],
        edge_lines=bool(marked and rng.random() < 0.75),
        yellow=bool(rng.random() < 0.2),
        curvature=float(rng.choice([0.0, rng.uniform(-1.2e-3, 1.2e-3)], p=[0.4, 0.6])),
        surface=surface,
        sides=tuple(str(s) for s in rng.choice(options, 2, p=odds)),
        rails=tuple(bool(b) for b in rng.random(2) < (0.05 if urban else 0.3)),
        lane_m=lane_m,
    )


def sample_land(rng: np.random.Generator, road: Road) -> Land:
    """Season and the silhouettes on the horizon."""
    urban = "sidewalk" in road.sides
    layers = [("hills", rng.uniform(0.3, 1.3), 4000.0)] if rng.random() < 0.7 else []
    if rng.random() < (0.85 if urban else 0.15):
        layers.append(("houses", rng.uniform(0.6, 1.5), rng.uniform(250, 500)))
    if not layers or rng.random() < 0.75:
        layers.append(("trees", rng.uniform(0.4, 1.2), rng.uniform(200, 450)))
    return Land(
        season=str(rng.choice(["green", "dry", "autumn", "snow"], p=[0.5, 0.25, 0.17, 0.08])),
        backdrop=tuple((n, float(rng.uniform(0, 2048)), float(s), float(d)) for n, s, d in layers),
        shade=float(rng.uniform(0.3, 1)) if rng.random() < 0.25 else 0.0,
    )


def lateral(rng: np.random.Generator, kind: Kind, road: Road) -> float:
    """A position across the road where such a thing may be found, in metres right of the ego path."""
    if kind.place == "lane" and rng.random() < 0.85:
        lanes = max(1, round((road.right_m - road.left_m) / road.lane_m))
        return (
            road.left_m + (int(rng.integers(lanes)) + 0.5) * (road.right_m - road.left_m) / lanes + rng.normal(0, 0.25)
        )
    if kind.place == "edge" and rng.random() < 0.7:
        side = road.right_m if rng.random() < 0.6 else road.left_m
        return side + rng.uniform(-1.0, 1.3) * (1 if side > 0 else -1)
    return rng.uniform(road.left_m - 0.2, road.right_m + 0.2)


def overlaps(thing: Placed, others: list[Placed]) -> bool:
    """Whether a thing would stand in or hide most of another one."""
    for o in others:
        width = 0.45 * (thing.height_m + o.height_m)
        if abs(thing.z_m - o.z_m) < 1.0 + width and abs(thing.x_m - o.x_m) < 0.2 + width:
            return True
        reach = 0.35 * (thing.height_m / thing.z_m + o.height_m / o.z_m)
        if abs(thing.x_m / thing.z_m - o.x_m / o.z_m) < reach:
            return True
    return False


def sample_crowd(rng: np.random.Generator, world: World, window: Box, count: int) -> World:
    """The world with up to ``count`` objects spread over a window of its frame, on and off the road.

    For training: a picture costs the same however much there is to learn from it.
    """
    camera, (x0, y0, x1, y1) = world.camera, window
    placed: list[Placed] = []
    for _ in range(8 * count):
        if len(placed) >= count:
            break
        kind = KINDS[int(rng.integers(len(KINDS)))]
        z = float(np.exp(rng.uniform(math.log(5.0), math.log(80.0))))
        scale, height = camera.focal_px / z, float(rng.uniform(*kind.height_m))
        x = (rng.uniform(x0, x1) - FRAME_WH[0] / 2) / scale - world.road.curvature * z * z
        thing = Placed(kind.name, float(x), z, height, int(rng.integers(1 << 31)))
        middle = camera.horizon_px + scale * (camera.height_m - height / 2)
        seen = y0 < middle < y1 and 8 < scale * height * 256 / (y1 - y0) < 300
        if seen and (not overlaps(thing, placed) or rng.random() < 0.05):
            placed.append(thing)
    return dataclasses.replace(world, placed=tuple(with_looks(placed, held_out=world.seed >= HELD_OUT)))


def with_looks(placed: Sequence[Placed], held_out: bool) -> Iterator[Placed]:
    """The objects with looks for training (even seeds), or with looks for measuring (odd ones)."""
    return (dataclasses.replace(thing, seed=thing.seed // 2 * 2 + held_out) for thing in placed)


def sample_placed(rng: np.random.Generator, road: Road, count: int) -> tuple[Placed, ...]:
    """About ``count`` objects at log-uniform distances of 5–80 m; at times a row of one kind."""
    weights = np.array([k.weight for k in KINDS])
    placed: list[Placed] = []
    for _ in range(6 * count):
        if len(placed) >= count:
            break
        kind = KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]
        z = float(np.exp(rng.uniform(math.log(8.0 if kind.name == "car" else 5.0), math.log(80.0))))
        x = float(np.clip(lateral(rng, kind, road), -0.66 * z, 0.66 * z))
        in_row = kind.name in ("traffic cone", "bollard", "barrel", "barrier") and rng.random() < 0.35
        height, look = float(rng.uniform(*kind.height_m)), int(rng.integers(1 << 31))
        step_x, step_z = rng.uniform(-0.5, 0.5), rng.uniform(2.0, 6.0)
        for i in range(int(rng.integers(2, 6)) if in_row else 1):
            seed = look if in_row else int(rng.integers(1 << 31))
            thing = Placed(kind.name, x + i * step_x, z + i * step_z, height, seed)
            if thing.z_m <= 80 and len(placed) < 8 and (not overlaps(thing, placed) or rng.random() < 0.12):
                placed.append(thing)
    return tuple(placed)


def sample_scenery(rng: np.random.Generator, road: Road, reach_m: float = 140.0) -> tuple[Placed, ...]:
    """Trees, bushes and lamp posts along both sides, unlabelled."""
    heights = {"bush": (0.6, 1.8), "tree": (4.0, 9.0), "lamp post": (5.0, 8.0)}
    scenery: list[Placed] = []
    for side in (-1, 1):
        edge = road.right_m if side > 0 else road.left_m
        names = ["lamp post", "tree"] if "sidewalk" in road.sides else ["tree", "bush"]
        for name in [*names, "bush"]:
            offset, z = rng.uniform(2.2, 6.0), rng.uniform(6, 40)
            step = rng.uniform(12, 45)
            while z < reach_m and rng.random() < 0.85:
                x = edge + side * (offset if name == "lamp post" else offset + abs(rng.normal(0, 3)))
                scenery.append(
                    Placed(name, float(x), float(z), float(rng.uniform(*heights[name])), int(rng.integers(1 << 31)))
                )
                z += step * (1.0 if name == "lamp post" else rng.uniform(0.4, 1.6))
    return tuple(scenery)


def sample_flats(rng: np.random.Generator, road: Road, reach_m: float = 60.0) -> tuple[Placed, ...]:
    """Manholes, stains, cracks, patches and leaves on the road, unlabelled; ``height_m`` is their length."""
    sizes = {
        "manhole": (0.65, 0.8),
        "stain": (0.4, 1.8),
        "crack": (1.0, 4.0),
        "patch": (0.8, 3.0),
        "leaves": (0.5, 2.0),
    }
    names = [n for n in sizes if rng.random() < 0.5]
    count = int(rng.integers(0, 7)) if names else 0
    return tuple(
        Placed(
            name=(name := names[int(rng.integers(len(names)))]),
            x_m=float(rng.uniform(road.left_m + 0.3, road.right_m - 0.3)),
            z_m=float(np.exp(rng.uniform(math.log(4.5), math.log(reach_m)))),
            height_m=float(rng.uniform(*sizes[name])),
            seed=int(rng.integers(1 << 31)),
        )
        for _ in range(count)
    )


def sample_world(seed: int, *, empty: bool | None = None) -> World:
    """Sample a world; without ``empty`` given, about 6 % have no labelled object."""
    rng = np.random.default_rng([seed, 0x50AD])
    light, road = sample_light(rng), sample_road(rng)
    no_objects = rng.random() < 0.06 if empty is None else empty
    count = 0 if no_objects else int(rng.integers(1, 9))
    return World(
        seed=seed,
        camera=sample_camera(rng),
        light=light,
        weather=sample_weather(rng, light),
        sensor=sample_sensor(rng, light),
        road=road,
        land=sample_land(rng, road),
        placed=tuple(with_looks(sample_placed(rng, road, count), held_out=seed >= HELD_OUT)),
        scenery=sample_scenery(rng, road),
        flats=sample_flats(rng, road),
    )


def sample_window(rng: np.random.Generator, kind: str | None = None, horizon_px: float = 450.0) -> Box:
    """A window of the full frame as the detector uses them: ``full``, ``quadrant`` or far-field ``band``."""
    kind = kind or str(rng.choice(["full", "quadrant", "band"], p=[0.25, 0.4, 0.35]))
    w_all, h_all = FRAME_WH
    if kind == "full":
        return (0.0, 0.0, float(w_all), float(h_all))
    w = 890 * rng.uniform(0.85, 1.15) if kind == "quadrant" else rng.uniform(300, 620)
    h = w / 1.75
    x0 = rng.uniform(0, w_all - w)
    y0 = rng.uniform(0, h_all - h) if kind == "quadrant" else horizon_px + rng.normal(0, 25) - 0.3 * h
    y0 = min(max(y0, 0.0), h_all - h)
    return (float(x0), float(y0), float(x0 + w), float(y0 + h))
