"""The wide world: kinds in many drawings, families of roads and skies, any camera and picture; and what none has seen.

Worlds with ``unseen`` take only the styles, grounds and skies that no training sees. Worlds from `HELD_OUT` on have
looks of their own, as in the first world.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from vlsam_ros.synthetic import scene
from vlsam_ros.synthetic.kinds import DEBRIS, KINDS
from vlsam_ros.synthetic.render import Rendered, RenderedObject, render
from vlsam_ros.synthetic.scene import HELD_OUT
from vlsam_ros.synthetic.sprites import STYLES, UNSEEN_STYLES
from vlsam_ros.synthetic.views import VIEW_WH
from vlsam_ros.synthetic.world import FRAME_WH, Box, Camera, Placed, World

FRAME_SIZES = ((1600, 900), (1280, 960), (1280, 720), (1024, 1024), (1920, 800), (960, 1200))
"""Sizes of whole frames of the wide world, width and height."""


def sample_camera(rng: np.random.Generator) -> Camera:
    """A camera of 40 to 120 degrees across 1600 pixels, at any height on a car or robot, pitched and rolled."""
    across = math.radians(float(rng.uniform(40, 120)))
    focal = FRAME_WH[0] / 2 / math.tan(across / 2)
    pitch = math.radians(float(rng.normal(2, 5)))
    return Camera(
        focal_px=focal,
        height_m=float(
            rng.choice([rng.uniform(0.5, 1.2), rng.uniform(1.2, 1.7), rng.uniform(1.7, 3.0)], p=[0.2, 0.5, 0.3])
        ),
        horizon_px=float(np.clip(FRAME_WH[1] / 2 - focal * math.tan(pitch), 0.08 * FRAME_WH[1], 0.85 * FRAME_WH[1])),
        roll_rad=math.radians(float(np.clip(rng.normal(0, 2.5), -8, 8))),
    )


def frame_window(size_wh: tuple[int, int]) -> Box:
    """The part of the virtual frame (1600 pixels across) that a picture of this size shows; it may be higher."""
    w = FRAME_WH[0] * min(1.0, size_wh[0] / size_wh[1] / 1.6)
    h = w * size_wh[1] / size_wh[0]
    x0, y0 = (FRAME_WH[0] - w) / 2, (FRAME_WH[1] - h) / 2
    return (x0, y0, x0 + w, y0 + h)


def sample_window(rng: np.random.Generator, camera: Camera) -> Box:
    """A whole picture of any aspect, or a window of one, as the detector cuts them."""
    aspect = float(rng.choice([16 / 9, 4 / 3, 1.0, 2.2, rng.uniform(0.7, 2.6)], p=[0.4, 0.25, 0.1, 0.05, 0.2]))
    x0, y0, x1, y1 = frame_window((round(1000 * aspect), 1000))
    if rng.random() < 0.4:
        return (x0, y0, x1, y1)
    w = (x1 - x0) * float(rng.uniform(0.3, 0.7))
    h = w / aspect if rng.random() < 0.5 else w / 1.75
    x = float(rng.uniform(x0, x1 - w))
    y = camera.horizon_px + float(rng.normal(0, 0.2)) * h - 0.35 * h
    return (x, y, x + w, y + h)


def sample_things(
    rng: np.random.Generator, world: World, window: Box, count: int, styles: tuple[str, ...]
) -> tuple[Placed, ...]:
    """Up to ``count`` objects that are seen in a window, most of them on or near the road; at times a row of one."""
    camera, (x0, _, x1, _), placed = world.camera, window, []
    kinds = (*KINDS, DEBRIS)
    mixed = rng.random() < 0.6
    style = str(rng.choice(styles))
    for _ in range(8 * count):
        if len(placed) >= count:
            break
        kind = kinds[int(rng.integers(len(kinds)))]
        far = min(80.0, camera.focal_px * kind.height_m[1] * VIEW_WH[1] / (window[3] - window[1]) / 9)
        z = float(np.exp(rng.uniform(math.log(2.5), math.log(max(far, 4.0)))))
        scale = camera.focal_px / z
        x = (rng.uniform(x0, x1) - FRAME_WH[0] / 2) / scale - world.road.curvature * z * z
        if rng.random() < 0.6:
            x = scene.lateral(rng, kind, world.road)
        tall = float(rng.uniform(*kind.height_m)) * float(rng.uniform(0.85, 1.2))
        drawn = str(rng.choice(styles)) if mixed else style
        drawn = "solids" if kind is DEBRIS and drawn == "painted" else drawn
        for i in range(int(rng.integers(2, 5)) if rng.random() < 0.08 else 1):
            seed = int(rng.integers(1 << 31))
            thing = Placed(kind.name, float(x) + 0.3 * i, z + 2.5 * i, tall, seed, drawn)
            left = FRAME_WH[0] / 2 + camera.focal_px * (thing.x_m / thing.z_m + world.road.curvature * thing.z_m)
            foot = camera.horizon_px + camera.focal_px * camera.height_m / thing.z_m
            reach = camera.focal_px * tall / thing.z_m
            seen = x0 - reach < left < x1 + reach and window[1] < foot - 0.3 * reach and foot - 0.7 * reach < window[3]
            if seen and len(placed) < count and (not scene.overlaps(thing, placed) or rng.random() < 0.15):
                placed.append(thing)
    return tuple(scene.with_looks(placed, held_out=world.seed >= HELD_OUT))


def sample_wide(
    seed: int, *, unseen: bool = False, empty: bool | None = None
) -> tuple[World, Box, np.random.Generator]:
    """A wide world, a window of it, and a generator for what is left to be drawn."""
    rng = np.random.default_rng([seed, 0x71DE, unseen])
    world = scene.sample_world(seed, empty=True)
    world = dataclasses.replace(world, camera=sample_camera(rng))
    window = sample_window(rng, world.camera)
    none = rng.random() < 0.1 if empty is None else empty
    count = 0 if none else int(rng.integers(1, 13))
    styles = tuple(name for name in STYLES if (name in UNSEEN_STYLES) == unseen)
    if not styles:
        styles = ("flats",)
    world = dataclasses.replace(world, placed=sample_things(rng, world, window, count, styles))
    return world, window, rng


def make_wide_view(seed: int, *, unseen: bool = False) -> Rendered:
    """The wide view with this seed, 448 × 256: a window of any aspect, squeezed as the detector squeezes its views."""
    world, window, _ = sample_wide(seed, unseen=unseen)
    aspect = (window[2] - window[0]) / (window[3] - window[1])
    area = VIEW_WH[0] * VIEW_WH[1]
    size = max(32, round(math.sqrt(area * aspect))), max(32, round(math.sqrt(area / aspect)))
    return squeezed(render(world, window, size), VIEW_WH)


def squeezed(view: Rendered, size_wh: tuple[int, int]) -> Rendered:
    """A rendered picture resized, whatever its aspect."""
    h, w = view.ids.shape
    if (w, h) == size_wh:
        return view
    sx, sy = size_wh[0] / w, size_wh[1] / h
    objects = tuple(
        RenderedObject(
            o.name,
            o.distance_m,
            (o.amodal_xyxy[0] * sx, o.amodal_xyxy[1] * sy, o.amodal_xyxy[2] * sx, o.amodal_xyxy[3] * sy),
            o.visible_fraction,
        )
        for o in view.objects
    )
    image = cv2.resize(view.image, size_wh, interpolation=cv2.INTER_LINEAR)
    return Rendered(image, cv2.resize(view.ids, size_wh, interpolation=cv2.INTER_NEAREST), objects)


def wide_frame(seed: int, *, unseen: bool = False, empty: bool | None = None) -> tuple[Rendered, World, Box]:
    """A whole frame of one of `FRAME_SIZES`, its world, and the part of the virtual frame that it shows."""
    rng = np.random.default_rng([seed, 0xF2A])
    size = FRAME_SIZES[int(rng.choice(len(FRAME_SIZES), p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.05]))]
    window = frame_window(size)
    world = scene.sample_world(seed, empty=True)
    world = dataclasses.replace(world, camera=sample_camera(rng))
    none = rng.random() < 0.06 if empty is None else empty
    styles = tuple(name for name in STYLES if (name in UNSEEN_STYLES) == unseen) or ("flats",)
    things = sample_things(rng, world, window, 0 if none else int(rng.integers(1, 9)), styles)
    return render(dataclasses.replace(world, placed=things), window, size), world, window
