"""COCO's, CODA's, SSLAD's and LVIS's figures: by hand, and against pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.labelled import SIZE, box, scored
from vlsam_ros.evaluation import metrics
from vlsam_ros.evaluation.dataset import Category, Instance
from vlsam_ros.evaluation.metrics import Geometry, Scored

A, B, C = Category(4, "dog", "r"), Category(7, "car", "c"), Category(9, "cone", "r")


def random_boxes(rng: np.random.Generator, n: int) -> list[tuple[float, float, float, float]]:
    corner, size = rng.integers(0, 40, (n, 2)), rng.integers(2, 20, (n, 2))
    return [(float(x), float(y), float(x + w), float(y + h)) for (x, y), (w, h) in zip(corner, size, strict=True)]


def random_frames(seed: int, frames: int = 6) -> list[Scored]:
    """Boxes of three names, some ignored; detections near some of them and elsewhere, of equal scores at times."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(1, frames + 1):
        names = [c.name for c in (A, B, C)]
        truth = [box(str(rng.choice(names)), *b) for b in random_boxes(rng, int(rng.integers(0, 5)))]
        truth += [box("", *b, ignore=True) for b in random_boxes(rng, int(rng.integers(0, 2)))]
        found = []
        for t in truth:
            shift = rng.integers(-2, 3, 4)
            moved = [v + s for v, s in zip(t.xyxy, shift, strict=True)]
            if rng.random() < 0.8 and moved[2] > moved[0] + 1 and moved[3] > moved[1] + 1 and min(moved) >= 0:
                found.append(box(t.label or names[0], *moved, round(float(rng.random()), 1)))
        extra = random_boxes(rng, int(rng.integers(0, 3)))
        found += [box(str(rng.choice(names)), *b, round(float(rng.random()), 1)) for b in extra]
        made.append(scored(number, truth, found))
    return made


def by_pycocotools(some: Sequence[Scored], geometry: Geometry, categories: dict[str, int], one: bool) -> list[float]:
    """AP, AP50, AP75, AR1, AR10, mAR, by the original code, from a data set built by itself."""
    images = [{"id": s.frame.id, "height": SIZE[0], "width": SIZE[1]} for s in some]
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []

    def entry(s: Scored, i: Instance, category: int) -> dict[str, Any]:
        x0, y0, x1, y1 = i.xyxy
        base = {"image_id": s.frame.id, "category_id": category, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        polygon = [[x0, y0, x1, y0, x1, y1, x0, y1]]
        return base | {"area": (x1 - x0) * (y1 - y0)} | ({"segmentation": polygon} if geometry == "mask" else {})

    ids = {0: 1} if one else {i: i for i in categories.values()}
    for s in some:
        for t in s.truth:
            for category in ids.values() if t.ignore else [1 if one else categories[t.label]]:
                annotations.append(entry(s, t, category) | {"id": len(annotations) + 1, "iscrowd": int(t.ignore)})
        results += [entry(s, d, 1 if one else categories[d.label]) | {"score": d.score} for d in s.found]
    truth = COCO()
    truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": i} for i in ids.values()]}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox" if geometry == "box" else "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(v) for v in (*evaluation.stats[:3], *evaluation.stats[6:9])]


@pytest.mark.parametrize("geometry", ["box", "mask"])
@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_pycocotools(seed: int, one: bool, geometry: Geometry) -> None:
    some = random_frames(seed)
    ids = {c.name: c.id for c in (A, B, C)}
    ours = metrics.agnostic(some, geometry) if one else metrics.by_category(some, geometry, (A, B, C))
    values = [ours[k] for k in ("AP", "AP50", "AP75", "AR1", "AR10", "mAR")]
    assert values == pytest.approx(by_pycocotools(some, geometry, ids, one), abs=1e-9)


HALF = box("dog", 20, 0, 26, 10, 0.8)  # IoU 0.6 with the second object
TWO = [box("dog", 0, 0, 10, 10), box("dog", 20, 0, 30, 10)]
BY_HAND: dict[str, tuple[list[Instance], list[Instance], dict[str, float]]] = {
    "one exact, one at IoU 0.6": (TWO, [box("dog", 0, 0, 10, 10, 0.9), HALF],
                                  {"mAR": 0.65, "AR50": 1, "AR75": 0.5, "AR1": 0.5, "AR10": 0.65, "AP50": 1}),
    "nothing found": (TWO, [], {"mAR": 0, "AR50": 0, "AP": 0}),
    "nothing labelled": ([], [HALF], {"mAR": math.nan, "AP": math.nan}),
    "ignored region": ([TWO[0], box("", 18, 0, 40, 12, ignore=True)], [box("dog", 0, 0, 10, 10, 0.3), HALF],
                       {"mAR": 1, "AP": 1}),
    "another name": ([TWO[0]], [box("car", 0, 0, 10, 10, 0.9)], {"mAR": 1, "AP": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_by_hand(case: str) -> None:
    truth, found, expected = BY_HAND[case]
    for geometry in ("box", "mask"):
        figures = metrics.agnostic([scored(1, truth, found)], geometry)
        assert {k: figures[k] for k in expected} == pytest.approx(expected, nan_ok=True)


def test_category_zero_counts() -> None:
    figures = metrics.by_category([scored(1, TWO, [HALF])], "box", [Category(0, "dog")])
    assert figures["AR50"] == 0.5


def test_names_without_a_category_take_no_part() -> None:
    some = [scored(1, TWO, [box("unicorn", 0, 0, 10, 10, 0.9, category="")])]
    assert metrics.by_category(some, "box", [A])["AP"] == 0
    assert math.isnan(metrics.by_category(some, "box", [])["AP"])
    assert math.isnan(metrics.agnostic([], "box")["AP"])


CODA = [Category(i, n) for i, n in enumerate(("pedestrian", "car", "bus", "dog"), 1)]


def test_coda_and_sslad_by_hand() -> None:
    """A corner-case pedestrian and dog and a common car are found; a corner-case car, dog and a bus are not."""
    truth = [
        box("pedestrian", 0, 0, 10, 10), box("dog", 20, 0, 30, 10), box("car", 40, 0, 50, 10, corner=False),
        box("car", 0, 20, 10, 30), box("dog", 20, 20, 30, 30), box("bus", 40, 20, 50, 30, corner=False),
    ]  # fmt: skip
    found = [box(t.label, *t.xyxy, 0.9 - 0.1 * i) for i, t in enumerate(truth[:3])]
    some = [scored(1, truth, found)]
    figures = metrics.coda(some, "box", CODA)
    assert figures["CORNER"]["mAR"] == pytest.approx(2 / 4)
    assert figures["COMMON"]["mAR"] == pytest.approx((1 + 0) / 2)  # pedestrian, and the corner-case car
    assert figures["NOVEL"]["mAR"] == pytest.approx(1 / 2)  # of the two dogs; the bus is no corner case
    assert figures["CORNER"]["AR1"] == pytest.approx(1 / 4)
    four = metrics.sslad(some, "box", CODA)
    assert four["AR-agnostic"] == pytest.approx(3 / 6) and four["AR-agnostic-corner"] == pytest.approx(2 / 4)
    assert four["AP-agnostic"] == pytest.approx(51 / 101)  # precision 1 up to recall 0.5, of 101 steps
    assert four["AP-common"] == pytest.approx((1 + 51 / 101 + 0) / 3)  # pedestrian, car, bus


def test_coda_novel_is_class_agnostic_and_common_is_not() -> None:
    truth = [box("dog", 0, 0, 10, 10), box("pedestrian", 20, 0, 30, 10)]
    found = [box("car", 0, 0, 10, 10, 0.9), box("car", 20, 0, 30, 10, 0.8)]
    figures = metrics.coda([scored(1, truth, found)], "box", CODA)
    assert (figures["NOVEL"]["mAR"], figures["CORNER"]["mAR"], figures["COMMON"]["mAR"]) == (1, 1, 0)


def test_lvis_by_hand() -> None:
    """Only what a frame was checked for counts, and where not all is labelled, more of it is no mistake."""
    dog, car = box("dog", 0, 0, 10, 10), box("car", 20, 0, 30, 10)
    elsewhere = [box(n, 50, 30, 60, 40, 0.95) for n in ("dog", "car", "cone")]
    right = [box("dog", *dog.xyxy, 0.5), box("car", *car.xyxy, 0.5)]
    unchecked = scored(1, [dog, car], [*right, elsewhere[2]])
    assert metrics.lvis([unchecked], "box", (A, B, C))["AP"] == pytest.approx(1)
    checked = scored(1, [dog, car], [*right, *elsewhere], absent=(9,), not_all=(4,))
    figures = metrics.lvis([checked], "box", (A, B, C))
    assert figures["APr"] == pytest.approx(1)  # the second dog may be there; no cone is labelled, so it has no AP
    assert figures["APc"] == pytest.approx(0.5) and math.isnan(figures["APf"])
    assert figures["AP"] == pytest.approx(0.75)
    both = [checked, scored(2, [box("cone", 0, 0, 9, 9)], [])]
    assert metrics.lvis(both, "box", (A, B, C))["APr"] == pytest.approx(0.5)  # dog 1, cone 0
