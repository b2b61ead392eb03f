"""The models that ship, through the same loading code as real ones."""

import numpy as np
import pytest

from vlsam_ros.config import Config, profile_path
from vlsam_ros.data import Detection
from vlsam_ros.embedded import BOXES, WEIGHTS
from vlsam_ros.evaluation import dataset, operating, scoring
from vlsam_ros.evaluation.dataset import Instance
from vlsam_ros.evaluation.matching import Score, box_iou, compare
from vlsam_ros.evaluation.names import by_words
from vlsam_ros.evaluation.quality import Means, measure_view
from vlsam_ros.pipeline import VLSam, load
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import sample_world
from vlsam_ros.synthetic.truth import ground_truth
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


def test_quality_on_a_few_held_out_views(detector: VLSam) -> None:
    means = Means()
    for seed in range(40_000_010, 40_000_030):
        measure_view(detector, make_view(seed), means)
    figures = means.shares()
    for name, least in LEAST.items():
        assert figures[name] >= least, (name, figures)


LEAST = {
    "names_precision": 0.7,
    "names_recall": 0.65,
    "pointing": 0.85,
    "sam_miou_1pt": 0.55,
    "sam_miou_refined": 0.55,
    "view_recall50": 0.55,
}
"""Below what the shipped weights reach on these scenes: a break shows, another processor's rounding does not."""


def test_quality_on_a_few_held_out_frames(detector: VLSam) -> None:
    data = dataset.load("synthetic:5+2@40000050")
    found = {f.id: tuple(map(instance, detector(f.image(), horizon=f.horizon).items)) for f in data.frames}
    matches = operating.match(scoring.paired(data, found, by_words), "box")
    assert operating.recall(matches) >= 0.6
    assert operating.false_per_frame(matches) <= 1
    assert operating.names_right(matches) >= 0.8


def instance(d: Detection) -> Instance:
    return Instance(d.label, d.xyxy, score=d.score)


def test_the_plain_one_names_as_well_and_points_worse(detector: VLSam) -> None:
    plain = load(Config.from_file(profile_path("embedded"), {"vlm.model": "embedded-plain"}))
    both = []
    for each in (detector, plain):
        means = Means()
        for seed in range(40_000_010, 40_000_018):
            measure_view(each, make_view(seed), means)
        both.append(means.shares())
    taught, untaught = both
    assert untaught["names_recall"] >= 0.5
    assert untaught["pointing"] < taught["pointing"] - 0.2


LEAST_BOXES = {
    "names_precision": 0.65,
    "names_recall": 0.6,
    "pointing": 0.85,
    "boxes_at_once_recall50": 0.1,
    "boxes_by_name_recall50": 0.1,
    "boxes_at_once_iou": 0.55,
}
WHOLE = {"views.far": 0, "views.near": 0}
WRITES = {"vlm.model": "embedded-boxes", "vlm.max_new_tokens": 96, "native.question": BOXES}


def test_one_writes_boxes() -> None:
    """Asked for all at once and name by name, and as a way of its own."""
    writer = load(Config.from_file(profile_path("embedded"), WRITES))
    means = Means()
    for seed in range(40_000_010, 40_000_030):
        measure_view(writer, make_view(seed), means)
    figures = means.shares()
    for name, least in LEAST_BOXES.items():
        assert figures[name] >= least, (name, figures)
    for ask in ("names", "at once"):
        alone = WRITES | {"native.ask": ask, "grounder.mode": "native", "merge.min_score": 0.0, **WHOLE}
        writer.configure(Config.from_file(profile_path("embedded"), alone))
        score = Score()
        for seed in range(40_000_010, 40_000_016):
            view = make_view(seed)
            found = writer(view.image)
            assert {d.source for d in found.items} <= {"native"}
            score.add(compare(found, ground_truth(view), box_iou))
        assert score.recall >= 0.2, (ask, score)
