"""What makes a frame a keyframe in `node.keyframes` 'change': `serving.change` against the mean over all cells.

    python -m benchmarks.scene_change

Pairs of rendered pictures 1600 x 900, of the sample drive's world and held-out ones. `changed` has the default of
`node.change` for its threshold, the mean the lowest one that noise and a shaking camera do not reach.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from benchmarks.common import finish, header, spent, table
from vlsam_ros.config import NodeOptions
from vlsam_ros.serving.change import changed, thumbnail
from vlsam_ros.synthetic import scene
from vlsam_ros.synthetic.drive import sample_drive
from vlsam_ros.synthetic.kinds import KINDS
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.world import Placed, World

STILL = ("standing", "noise x 3", "shaken by 1 px", "shaken by 3 px")
KIND_NAMES = ("car", "pedestrian", "cardboard box", "tire")


def views(world: World) -> Iterator[tuple[str, World, float]]:
    """A case's name, the world as it is then, and how far the car has driven; 1 mm only draws other noise."""
    noise = dataclasses.replace(world.sensor, noise=3 * world.sensor.noise)
    yield "standing", world, 0.001
    yield "noise x 3", dataclasses.replace(world, sensor=noise), 0.001
    for px in (1, 3):
        camera = dataclasses.replace(world.camera, horizon_px=world.camera.horizon_px + px)
        yield f"shaken by {px} px", dataclasses.replace(world, camera=camera), 0.001
    for factor in (0.8, 1.25):
        sensor = dataclasses.replace(world.sensor, exposure=factor * world.sensor.exposure)
        yield f"exposure x {factor}", dataclasses.replace(world, sensor=sensor), 0.001
    for metres in (0.5, 1.0, 5.0, 14.0):
        yield f"driven {metres:g} m", world, metres
    heights = {kind.name: float(np.mean(kind.height_m)) for kind in KINDS}
    for name in KIND_NAMES:
        for z in (8.0, 15.0, 30.0, 60.0):
            placed = scene.with_looks([Placed(name, 0.3, z, heights[name], 5)], held_out=True)
            yield f"new {name} at {z:g} m", dataclasses.replace(world, placed=(*world.placed, *placed)), 0.001


def mean(before: np.ndarray, after: np.ndarray) -> float:
    """The baseline: mean absolute difference of all cells."""
    return float(np.mean(np.abs(after - before)))


def main() -> None:
    """Render, compare, print."""
    header("Change of the scene")
    worlds = [sample_drive().world, *(scene.sample_world(scene.HELD_OUT + seed) for seed in range(5))]
    found: dict[str, list[tuple[float, float]]] = {}
    for world in worlds:
        before = thumbnail(render(world).image)
        for case, then, ego_m in views(world):
            after = thumbnail(render(then, ego_m=ego_m).image)
            found.setdefault(case, []).append((mean(before, after), changed(before, after)))
    limits = max(of_mean for case in STILL for of_mean, _ in found[case]), NodeOptions().change
    rows: list[tuple[object, ...]] = [("", "mean", "most", "keyframes", "changed", "most", "keyframes")]
    shares: dict[str, list[float]] = {}
    for case, pairs in found.items():
        values = np.array(pairs)
        shares[case] = (values > limits).mean(0).tolist()
        columns = zip(np.median(values, 0).tolist(), values.max(0).tolist(), shares[case], strict=True)
        rows.append((case, *(figure for column in columns for figure in column)))
    table(rows)
    picture = render(worlds[0]).image
    with spent() as time:
        for _ in range(100):
            changed(before, thumbnail(picture))
    finish(
        ms=10 * time.seconds,
        threshold_mean=limits[0],
        threshold_changed=limits[1],
        still=float(np.mean([shares[case][1] for case in STILL])),
        **{
            f"{name}_{measure}": float(np.mean([shares[f"new {name} at {z} m"][i] for z in (8, 15)]))
            for name in KIND_NAMES
            for i, measure in enumerate(("mean", "changed"))
        },
    )


if __name__ == "__main__":
    main()
