"""Views of the synthetic world as the embedded pair sees them, for training and for measuring it."""

from __future__ import annotations

import numpy as np

from vlsam_ros.synthetic.render import IGNORE_ID, Rendered, render
from vlsam_ros.synthetic.scene import sample_crowd, sample_window, sample_world
from vlsam_ros.synthetic.world import FRAME_WH, Box, World

VIEW_WH = (448, 256)
"""Width and height of a view, in pixels."""

MIN_HEIGHT_PX, MIN_VISIBLE = 10, 0.3
"""An object lower than this in the view, or seen to a smaller part, is not asked for: neither right nor wrong."""


def objects_inside(world: World, window: Box) -> int:
    """About how many objects have their middle in a window and are large enough in it to be asked for."""
    camera, (x0, y0, x1, y1), count = world.camera, window, 0
    for thing in world.placed:
        scale = camera.focal_px / thing.z_m
        x = FRAME_WH[0] / 2 + scale * (thing.x_m + world.road.curvature * thing.z_m**2)
        y = camera.horizon_px + scale * (camera.height_m - thing.height_m / 2)
        large = scale * thing.height_m * VIEW_WH[1] / (y1 - y0) >= MIN_HEIGHT_PX
        count += large and x0 < x < x1 and y0 < y < y1
    return count


def make_view(seed: int, crowd: float = 0.0) -> Rendered:
    """The view with this seed, 448 × 256: one window of one world, mostly one that shows objects.

    Args:
        crowd: chance that the window is filled with objects instead, for training.
    """
    rng = np.random.default_rng([seed, 1])
    world = sample_world(seed)
    if crowd and rng.random() < crowd:
        window = sample_window(rng, horizon_px=world.camera.horizon_px)
        return render(sample_crowd(rng, world, window, int(rng.integers(4, 15))), window, VIEW_WH)
    windows = [sample_window(rng, horizon_px=world.camera.horizon_px) for _ in range(8)]
    shown = np.minimum([objects_inside(world, window) for window in windows], rng.integers(1, 4))
    pick = int(np.argmax(shown)) if rng.random() < 0.9 else 0
    return render(world, windows[pick], VIEW_WH)


def described(view: Rendered) -> tuple[np.ndarray, list[dict]]:
    """Id map with what is too small or too hidden set to `IGNORE_ID`, and the objects left: name and id."""
    ids, objects = view.ids.copy(), []
    for index, item in enumerate(view.objects, 1):
        rows = np.flatnonzero((view.ids == index).any(1))
        height = rows[-1] + 1 - rows[0] if rows.size else 0
        if height < MIN_HEIGHT_PX or item.visible_fraction < MIN_VISIBLE:
            ids[view.ids == index] = IGNORE_ID
        else:
            objects.append({"name": item.name, "id": index})
    return ids, objects
