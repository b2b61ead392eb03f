"""What counts as the same instance, and a worker's answers."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.keyframe import ROOT, SETTINGS, Instance, Worker, equal
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import sample_world

CAR: Instance = ("car", 0.5, (10.0, 20.0, 30.0, 40.0))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (CAR, 1),
        (("car", 0.505, (11.0, 19.5, 30.0, 41.0)), 1),
        (("bus", 0.5, CAR[2]), 0),
        (("car", 0.52, CAR[2]), 0),
        (("car", 0.5, (10.0, 20.0, 30.0, 41.5)), 0),
    ],
)
def test_the_same_within_a_pixel_and_a_hundredth(other: Instance, same: int) -> None:
    assert equal([CAR], [other]) == same


def test_each_is_counted_once() -> None:
    assert equal([CAR, CAR], [CAR]) == 1
    assert equal([], [CAR]) == equal([CAR], []) == 0


def test_a_worker_answers_for_its_tree(tmp_path: Path) -> None:
    frames = tmp_path / "frames.npy"
    np.save(frames, [render(sample_world(40_000_002), size_wh=(800, 450)).image])
    with Worker(ROOT, frames) as worker:
        (seconds, ones), (_, others) = (worker.ask(next(iter(SETTINGS)), 0) for _ in range(2))
    assert 0 < seconds < 60
    assert ones and equal(ones, others) == len(ones)
