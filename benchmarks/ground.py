"""Distances on the road against the rendered truth: how far off they are, and how often the 95 % interval holds it.

Rendered frames of many worlds, each with a camera of its own (height, focal length, horizon, roll up to 1°), and every
labelled object whose foot is seen. Three times: with the camera's mount as it is; with pitch, roll and height off by
errors drawn from the deviations that `Mount` states; and then with masks whose edges are off by as much as a
segmenter's. The baseline is the foot by the box alone: the middle of its bottom edge, without roll.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import numpy as np

from benchmarks.common import finish, header, table
from vlsam_ros.data import Mask
from vlsam_ros.synthetic.render import Rendered, render
from vlsam_ros.synthetic.scene import HELD_OUT, sample_world
from vlsam_ros.synthetic.world import FRAME_WH, World
from vlsam_ros.tracking.ground import Mount, Optics, places

SIZE_HW = FRAME_WH[::-1]
BINS_M = (0, 10, 20, 40, 60, 80)
EDGE_PX = 1.0
"""How far a segmenter's edges are off, px: masks grow or shrink by a normal deviate of it, rounded."""


@dataclass(frozen=True)
class Case:
    """One frame: its masks, what stands behind them (metres along the road), and the true camera."""

    masks: tuple[Mask, ...]
    truth_m: tuple[float, ...]
    optics: Optics
    mount: Mount


def camera(world: World) -> tuple[Optics, Mount]:
    """The renderer turns the picture about its middle: that is a camera with roll and another principal point."""
    cam, (width, height) = world.camera, FRAME_WH
    c, s = math.cos(cam.roll_rad), math.sin(cam.roll_rad)
    down = cam.horizon_px - height / 2
    cx, cy, f = width / 2 - s * down - 0.5, height / 2 + c * down - 0.5, cam.focal_px
    info = SimpleNamespace(
        width=width, height=height, distortion_model="", d=[], r=[0.0] * 9, p=[0.0] * 12,
        k=[f, 0, cx, 0, f, cy, 0, 0, 1], binning_x=0, binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )  # fmt: skip
    optics = Optics.of(info, rectified=False)
    assert optics is not None
    return optics, Mount(cam.height_m, 0.0, -math.degrees(cam.roll_rad))


def distances(world: World, frame: Rendered) -> list[float]:
    """How far along the road each object of a frame stands, m."""
    out = []
    for item in frame.objects:
        at = min((t for t in world.placed if t.name == item.name), key=lambda t: abs(t.z_m - item.distance_m))
        out.append(math.hypot(at.x_m + world.road.curvature * at.z_m**2, at.z_m))
    return out


def cases(count: int) -> Iterator[Case]:
    """Frames of held-out worlds with objects."""
    for seed in range(HELD_OUT, HELD_OUT + count):
        world = sample_world(seed, empty=False)
        frame = render(world)
        masks = tuple(Mask.from_dense(frame.ids == n) for n in range(1, len(frame.objects) + 1))
        yield Case(masks, tuple(distances(world, frame)), *camera(world))


def roughened(case: Case, rng: np.random.Generator) -> Case:
    """Masks that are larger or smaller all around."""
    return replace(case, masks=tuple(_roughened(mask, round(rng.normal(0, EDGE_PX))) for mask in case.masks))


def _roughened(mask: Mask, by: int) -> Mask:
    kernel = np.ones((2 * abs(by) + 1,) * 2, np.uint8)
    changed = (cv2.dilate if by > 0 else cv2.erode)(mask.dense(SIZE_HW).view(np.uint8), kernel)
    return Mask.from_dense(changed.astype(bool)) if changed.any() else mask


def misjudged(case: Case, rng: np.random.Generator) -> Case:
    """A mount that is off by what it says it may be."""
    m = case.mount
    pitch, roll = rng.normal(0, [m.pitch_error_deg, m.roll_error_deg])
    height = rng.normal(0, m.height_error_m)
    return replace(case, mount=replace(m, height_m=m.height_m + height, pitch_deg=pitch, roll_deg=m.roll_deg + roll))


def box_bottoms(case: Case) -> list[float]:
    """The baseline: a flat road by the bottom of the box alone."""
    xy = [((x0 + x1) / 2, y1) for x0, _, x1, y1 in (mask.xyxy for mask in case.masks)]
    rays = case.optics.rays(xy, SIZE_HW)
    assert rays is not None
    _, sine, _ = replace(case.mount, roll_deg=0.0).axes @ rays.T
    with np.errstate(divide="ignore"):
        return (case.mount.height_m * np.sqrt(1 - sine**2) / sine).tolist()


def measured(kind: str, given: list[Case]) -> np.ndarray:
    """Float (N, 4): the truth, its error as a share, whether the interval holds it, the baseline's error as a share."""
    rows = []
    for case in given:
        found = places(case.masks, SIZE_HW, case.optics, case.mount)
        for truth, place, flat in zip(case.truth_m, found, box_bottoms(case), strict=True):
            if math.isfinite(place.distance):
                inside = place.distance_min <= truth <= place.distance_max
                flat = flat if flat > 0 else math.inf
                rows.append((truth, abs(place.distance / truth - 1), inside, abs(flat / truth - 1)))
    return np.array(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    exact = list(cases(args.frames))
    kinds = {
        "true mount": exact,
        "mount off": [misjudged(case, rng) for case in exact for _ in range(10)],
        "mount and masks off": [misjudged(roughened(case, rng), rng) for case in exact for _ in range(3)],
    }
    header(f"Distance on the road, {args.frames} rendered frames of {FRAME_WH[0]} x {FRAME_WH[1]}")
    rows: list[list[object]] = [
        ["", "distance", "objects", "error p50 %", "error p90 %", "in 95 % interval", "box bottom p50 %", "p90 %"]
    ]
    figures: dict[str, object] = {}
    for kind, given in kinds.items():
        got = measured(kind, given)
        for low, high in [*zip(BINS_M[:-1], BINS_M[1:], strict=True), (0, 80)]:
            part = got[(got[:, 0] >= low) & (got[:, 0] < high)]
            if not len(part):
                continue
            error, flat = (100 * np.percentile(part[:, i], [50, 90]) for i in (1, 3))
            held = float(part[:, 2].mean())
            rows.append([kind, f"{low}-{high} m", len(part), *map(float, error), held, *map(float, flat)])
            name = f"{kind.replace(' ', '_')}_{low}_{high}"
            figures |= {f"{name}_p50": float(error[0]), f"{name}_held": held, f"{name}_box_p50": float(flat[0])}
    table(rows)
    all_objects, known = sum(len(case.masks) for case in exact), len(measured("", exact))
    started = time.perf_counter()
    for case in exact:
        places(case.masks, SIZE_HW, case.optics, case.mount)
    took = (time.perf_counter() - started) / len(exact) * 1000
    print(f"{known} of {all_objects} objects have a distance; {took:.2f} ms a frame\n")
    finish(objects=all_objects, known=known, ms_per_frame=took, **figures)


if __name__ == "__main__":
    main()
