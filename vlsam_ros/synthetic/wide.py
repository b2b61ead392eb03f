"""The wide world: kinds in many drawings, families of roads and skies, any camera and picture; and what none has seen.

Scenes with ``unseen`` take only styles that no training sees, and a ground or a sky of such a family, or both. Scenes
from `HELD_OUT` on have looks of their own, but for the first world's scenery, of which training sees all looks there.
Textured grounds and photographic skies also depend on which photographs are installed.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np

from vlsam_ros.synthetic import backgrounds, photographs, roadside, scene
from vlsam_ros.synthetic.kinds import DEBRIS, KINDS, Kind
from vlsam_ros.synthetic.render import Rendered, render
from vlsam_ros.synthetic.scene import HELD_OUT
from vlsam_ros.synthetic.sprites import STYLES, UNSEEN_STYLES
from vlsam_ros.synthetic.views import VIEW_WH
from vlsam_ros.synthetic.world import FRAME_WH, Box, Camera, Placed, Setting, World

FRAME_SIZES = ((1600, 900), (1280, 960), (1280, 720), (1024, 1024), (1920, 800), (960, 1200))
"""Sizes of whole pictures, width and height."""

PHOTOGRAPHS, FIRST_GROUND, FIRST_SKY = 0.08, 0.2, 0.25
"""Share of training views that are photographs without objects; shares of scenes whose ground or sky is the first
world's without a draw, which may still fall on it in the others."""


@dataclass(frozen=True)
class Scene:
    """A world, the part of its virtual frame (1600 pixels across) that is seen, and the picture's size."""

    world: World
    window: Box
    size_wh: tuple[int, int]

    @property
    def horizon(self) -> float:
        """The horizon's height in the picture, 0 at the top and 1 at the bottom."""
        return (self.world.camera.horizon_px - self.window[1]) / (self.window[3] - self.window[1])

    def render(self) -> Rendered:
        """The picture."""
        return render(self.world, self.window, self.size_wh)


def sample_camera(rng: np.random.Generator) -> Camera:
    """A camera of 40 to 120 degrees across 1600 pixels, low on a robot to high on a lorry, pitched and rolled."""
    focal = FRAME_WH[0] / 2 / math.tan(math.radians(float(rng.uniform(40, 120))) / 2)
    low, high = ((0.5, 1.2), (1.2, 1.7), (1.7, 3.0))[int(rng.choice(3, p=[0.2, 0.5, 0.3]))]
    horizon = FRAME_WH[1] / 2 - focal * math.tan(math.radians(float(rng.normal(2, 5))))
    return Camera(
        focal_px=focal,
        height_m=float(rng.uniform(low, high)),
        horizon_px=float(np.clip(horizon, 0.08 * FRAME_WH[1], 0.85 * FRAME_WH[1])),
        roll_rad=math.radians(float(np.clip(rng.normal(0, 2.5), -8, 8))),
    )


def whole(size_wh: tuple[float, float]) -> Box:
    """The part of the virtual frame that a whole picture of this shape shows."""
    w = FRAME_WH[0] * min(1.0, size_wh[0] / size_wh[1] / 1.6)
    h = w * size_wh[1] / size_wh[0]
    x0, y0 = (FRAME_WH[0] - w) / 2, (FRAME_WH[1] - h) / 2
    return (x0, y0, x0 + w, y0 + h)


def sample_window(rng: np.random.Generator, camera: Camera) -> Box:
    """A whole picture of any aspect, or a window of one, as the detector cuts them."""
    aspect = float(rng.choice([16 / 9, 4 / 3, 1.0, 2.2, rng.uniform(0.7, 2.6)], p=[0.4, 0.25, 0.1, 0.05, 0.2]))
    x0, y0, x1, y1 = whole((aspect, 1.0))
    if rng.random() < 0.4:
        return (x0, y0, x1, y1)
    w = (x1 - x0) * float(rng.uniform(0.3, 0.7))
    h = w / aspect if rng.random() < 0.5 else w / 1.75
    x, y = float(rng.uniform(x0, x1 - w)), camera.horizon_px + float(rng.normal(0, 0.2)) * h - 0.35 * h
    return (x, y, x + w, y + h)


def sample_setting(rng: np.random.Generator, unseen: bool) -> Setting:
    """Families of ground and sky; with ``unseen`` one of them or both are such that no training sees."""
    novel = ((True, True), (True, False), (False, True))[int(rng.integers(3))] if unseen else (False, False)
    tables = (backgrounds.GROUNDS, backgrounds.UNSEEN_GROUNDS), (backgrounds.SKIES, backgrounds.UNSEEN_SKIES)
    names = []
    for (table, held), new, first in zip(tables, novel, (FIRST_GROUND, FIRST_SKY), strict=True):
        known = [name for name in table if (name in held) == new]
        names.append("natural" if not new and rng.random() < first else str(rng.choice(known)))
    return Setting(names[0], names[1], int(rng.integers(1 << 31)))


def sample_things(rng: np.random.Generator, world: World, window: Box, count: int, unseen: bool) -> tuple[Placed, ...]:
    """Up to ``count`` objects that are seen in a window, most of them on or near the road; at times a row of one."""
    styles = [name for name in STYLES if (name in UNSEEN_STYLES) == unseen]
    style, mixed, kinds = str(rng.choice(styles)), rng.random() < 0.6, (*KINDS, DEBRIS)
    placed: list[Placed] = []
    for _ in range(8 * count):
        if len(placed) >= count:
            break
        kind = kinds[int(rng.integers(len(kinds)))]
        drawn = str(rng.choice(styles)) if mixed else style
        first = _somewhere(rng, world, window, kind, "solids" if kind is DEBRIS and drawn == "painted" else drawn)
        for i in range(int(rng.integers(2, 5)) if rng.random() < 0.08 else 1):
            seed = int(rng.integers(1 << 31)) if i else first.seed
            thing = dataclasses.replace(first, x_m=first.x_m + 0.3 * i, z_m=first.z_m + 2.5 * i, seed=seed)
            free = not scene.overlaps(thing, placed) or rng.random() < 0.15
            if len(placed) < count and free and _in_sight(thing, world, window):
                placed.append(thing)
    return tuple(scene.with_looks(placed, held_out=world.seed >= HELD_OUT))


def _somewhere(rng: np.random.Generator, world: World, window: Box, kind: Kind, style: str) -> Placed:
    """Something at a distance at which it can be told what it is, on its usual place or anywhere in the window."""
    camera, tall = world.camera, float(rng.uniform(*kind.height_m)) * float(rng.uniform(0.85, 1.2))
    far = camera.focal_px * tall * VIEW_WH[1] / (window[3] - window[1]) / 9
    z = float(np.exp(rng.uniform(math.log(2.5), math.log(min(max(far, 4.0), 80.0)))))
    x = (rng.uniform(window[0], window[2]) - FRAME_WH[0] / 2) * z / camera.focal_px - world.road.curvature * z * z
    if rng.random() < 0.6:
        x = scene.lateral(rng, kind, world.road)
    return Placed(kind.name, float(x), z, tall, int(rng.integers(1 << 31)), style, finished=True)


def _in_sight(thing: Placed, world: World, window: Box) -> bool:
    """Whether a good part of a thing is in the window."""
    camera, z = world.camera, thing.z_m
    x = FRAME_WH[0] / 2 + camera.focal_px * (thing.x_m / z + world.road.curvature * z)
    foot, tall = camera.horizon_px + camera.focal_px * camera.height_m / z, camera.focal_px * thing.height_m / z
    return window[0] < x < window[2] and window[1] < foot - 0.3 * tall and foot - 0.7 * tall < window[3]


def sample_scene(seed: int, *, unseen: bool = False, empty: bool | None = None, frame: bool = True) -> Scene:
    """The scene with this seed; without ``empty`` given, about 8 % have no labelled object.

    Args:
        frame: a whole picture of one of `FRAME_SIZES`; else any window, at the size at which the embedded pair works.
    """
    rng = np.random.default_rng([seed, 0x71DE, unseen, frame])
    world, camera = scene.sample_world(seed, empty=True), sample_camera(rng)
    if world.light.time == "night" and rng.random() < 0.6:  # some families of grounds and skies are dark by themselves
        light = scene.sample_light(rng, "overcast")
        world = dataclasses.replace(
            world, light=light, weather=dataclasses.replace(world.weather, haze=scene.haze_colour(light))
        )
    if frame:
        size = FRAME_SIZES[int(rng.choice(len(FRAME_SIZES), p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.05]))]
        window = whole(size)
    else:
        window = sample_window(rng, camera)
        aspect, area = (window[2] - window[0]) / (window[3] - window[1]), VIEW_WH[0] * VIEW_WH[1]
        size = max(32, round(math.sqrt(area * aspect))), max(32, round(math.sqrt(area / aspect)))
    none = rng.random() < 0.08 if empty is None else empty
    count = 0 if none else int(rng.integers(1, 9 if frame else 14))
    world = dataclasses.replace(world, camera=camera, setting=sample_setting(rng, unseen))
    scenery, flats = roadside.sample_negatives(rng, world.road)
    looks = {"held_out": seed >= HELD_OUT}
    world = dataclasses.replace(
        world,
        placed=sample_things(rng, world, window, count, unseen),
        scenery=tuple(scene.with_looks(scenery, **looks)),
        flats=tuple(scene.with_looks(flats, **looks)),
    )
    return Scene(world, window, size)


def make_wide_view(seed: int, *, unseen: bool = False) -> Rendered:
    """The view with this seed, 448 × 256, squeezed from any aspect as the detector squeezes its views.

    Some views below `HELD_OUT` are photographs, if there are any, which show nothing that has a name here.
    """
    rng = np.random.default_rng([seed, 0xF070])
    if seed < HELD_OUT and rng.random() < PHOTOGRAPHS and (names := photographs.available()):
        return Rendered(cropped(rng, photographs.load(str(rng.choice(names)))), np.zeros(VIEW_WH[::-1], np.uint8), ())
    view = sample_scene(seed, unseen=unseen, frame=False).render()
    sx, sy = VIEW_WH[0] / view.ids.shape[1], VIEW_WH[1] / view.ids.shape[0]
    objects = tuple(
        dataclasses.replace(o, amodal_xyxy=tuple(np.multiply(o.amodal_xyxy, (sx, sy, sx, sy)).tolist()))
        for o in view.objects
    )
    image = cv2.resize(view.image, VIEW_WH, interpolation=cv2.INTER_LINEAR)
    return Rendered(image, cv2.resize(view.ids, VIEW_WH, interpolation=cv2.INTER_NEAREST), objects)


def cropped(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """A part of a picture (H, W, 3), at least a quarter of each side, as a view."""
    h, w = image.shape[:2]
    ch, cw = (int(side * rng.uniform(0.25, 1.0)) for side in (h, w))
    y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
    part = image[y : y + ch, x : x + cw]
    shrinks = cw * ch > VIEW_WH[0] * VIEW_WH[1]
    return cv2.resize(part, VIEW_WH, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
