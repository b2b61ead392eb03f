"""The models that ship, through the same loading code as real ones."""

import numpy as np
import pytest

from vlsam_ros.config import Config, profile_path
from vlsam_ros.embedded import WEIGHTS
from vlsam_ros.evaluation.quality import Means, measure_frame, measure_view
from vlsam_ros.pipeline import VLSam, load
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import sample_world
from vlsam_ros.synthetic.views import make_view


@pytest.fixture(scope="module")
def detector() -> VLSam:
    return load(Config.from_file(profile_path("embedded")))


def test_the_weights_are_small() -> None:
    assert sum(p.stat().st_size for p in WEIGHTS.rglob("*") if p.is_file()) < 25e6


def test_they_say_what_they_are(detector: VLSam) -> None:
    found = detector(np.zeros((90, 160, 3), np.uint8))
    assert found.demonstration and found.vlm.startswith("embedded") and found.segmenter.startswith("embedded")


def test_the_grid_covers_the_view(detector: VLSam) -> None:
    (answer,) = detector.vlm.answer(make_view(40_000_001).image, ["List every object on or near the road."])
    assert answer.layout.grid_hw == (16, 28)
    assert answer.layout.xyxy == (0, 0, 448, 256)
    assert answer.layers == 3


def test_same_frame_same_result(detector: VLSam) -> None:
    image = render(sample_world(40_000_002), size_wh=(800, 450)).image
    first, second = detector(image), detector(image)
    assert first.labels == second.labels and np.array_equal(first.boxes_xyxy, second.boxes_xyxy)


def test_quality_on_a_few_held_out_scenes(detector: VLSam) -> None:
    means = Means()
    for seed in range(40_000_010, 40_000_034):
        measure_view(detector, make_view(seed), means)
    measure_frame(detector, render(sample_world(40_000_003)), means)
    figures = means.shares()
    for name, least in LEAST.items():
        assert figures[name] >= least, (name, figures)


LEAST = {
    "names_precision": 0.6,
    "names_recall": 0.4,
    "pointing": 0.85,
    "sam_miou_1pt": 0.5,
    "sam_miou_refined": 0.48,
    "view_recall50": 0.4,
    "frame_recall50_over_40px": 0.6,
}
"""Below what the shipped weights reach on these scenes: a break shows, another processor's rounding does not."""
