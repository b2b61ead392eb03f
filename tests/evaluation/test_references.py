"""Figures of random files of labels and results, against pycocotools and LVIS's own package, from file to figure."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.labelled import SIZE
from vlsam_ros.evaluation import metrics, predictions
from vlsam_ros.evaluation.dataset import load
from vlsam_ros.evaluation.metrics import Figures, Geometry
from vlsam_ros.evaluation.names import by_words
from vlsam_ros.evaluation.scoring import paired

pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")  # in lvis

CATEGORIES = [
    {"id": i, "name": n, "frequency": f, "synonyms": [n], "image_count": 1, "instance_count": 1}
    for i, n, f in ((11, "dog", "r"), (4, "car", "c"), (7, "bow_(weapon)", "f"), (9, "bow_(ribbons)", "r"))
]
Labels = dict[str, Any]
Results = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def float_of_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lvis package is older than the removal of `numpy.float`."""
    monkeypatch.setattr(np, "float", float, raising=False)


def random_mask(rng: np.random.Generator, bbox: list[float]) -> np.ndarray:
    """An ellipse in a box, at times with a hole."""
    (h, w), (x, y, bw, bh) = SIZE, bbox
    rows, columns = np.mgrid[:h, :w] + 0.5
    away = ((columns - x - bw / 2) / (bw / 2)) ** 2 + ((rows - y - bh / 2) / (bh / 2)) ** 2
    return (away <= 1) & ((away > 0.2) | (rng.random() < 0.7))


def segmentation(rng: np.random.Generator, bbox: list[float], form: str) -> Any:
    """A box's ellipse in one of COCO's three forms (of polygons: a random quadrangle)."""
    if form == "polygons":
        x, y, w, h = bbox
        a, b = rng.random(2)
        return [[x + a * w, y, x + w, y + b * h, x + b * w, y + h, x, y + a * h]]
    mask = random_mask(rng, bbox)
    if form == "compressed":
        rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {"size": list(SIZE), "counts": rle["counts"].decode()}
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], [0] if flat[0] else [], changes, [flat.size]]))
    return {"size": list(SIZE), "counts": counts.astype(int).tolist()}


def random_box(rng: np.random.Generator) -> list[float]:
    return [float(v) for v in (*rng.integers(0, 40, 2), *rng.integers(3, 20, 2))]


def random_files(seed: int, crowded: int = 0) -> tuple[Labels, Results]:
    """Some crowds, objects to be ignored and pictures without anything; scores of one decimal, so that many are equal.

    Args:
        crowded: so many detections more in the second picture, of two categories and with better scores than others.
    """
    rng = np.random.default_rng(seed)
    ids = [c["id"] for c in CATEGORIES]
    images, annotations, results = [], [], []
    for image in rng.permutation(np.arange(1, 9)).tolist():
        checked = rng.permutation(ids).tolist()
        images.append({
            "id": image, "file_name": f"{image}.png", "coco_url": f"http://a/b/{image}.png",
            "height": SIZE[0], "width": SIZE[1],
            "neg_category_ids": checked[:1], "not_exhaustive_category_ids": checked[1:2],
        })  # fmt: skip
        for _ in range(int(rng.integers(0, 6))):
            bbox, category = random_box(rng), int(rng.choice(checked[1:3]))
            form = str(rng.choice(["polygons", "compressed", "run lengths"]))
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": bbox,
                "area": bbox[2] * bbox[3], "segmentation": segmentation(rng, bbox, form),
                "iscrowd": int(rng.random() < 0.2), "ignore": int(rng.random() < 0.2),
            })  # fmt: skip
            if rng.random() < 0.7:
                near = [max(v, 1.0) for v in (np.array(bbox) + rng.integers(-2, 3, 4)).tolist()]
                results.append(found(rng, image, category if rng.random() < 0.8 else int(rng.choice(ids)), near))
        extra = int(rng.integers(0, 4))
        results += [found(rng, image, int(rng.choice(ids)), random_box(rng)) for _ in range(extra)]
        if image == 2 and crowded:
            best = [found(rng, image, int(rng.choice(ids[:2])), random_box(rng)) for _ in range(crowded)]
            results += [r | {"score": 0.5 + r["score"] / 2} for r in best]
    return {"images": images, "annotations": annotations, "categories": deepcopy(CATEGORIES)}, results


def found(rng: np.random.Generator, image: int, category: int, bbox: list[float]) -> dict[str, Any]:
    result = {"image_id": image, "category_id": category, "bbox": bbox, "score": round(float(rng.random()), 1)}
    return result | {"segmentation": segmentation(rng, bbox, "compressed")}


def ours(folder: Path, labels: Labels, results: Results, kind: str, geometry: Geometry) -> Figures:
    """Of a kind of data; `any name` is COCO's with all categories as one."""
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "results.json").write_text(json.dumps(results))
    data = load(f"{'lvis' if kind == 'lvis' else 'coco'}:{folder / 'labels.json'}")
    scored = paired(data, predictions.read(folder / "results.json", data).found, by_words)
    if kind == "any name":
        return metrics.agnostic(scored, geometry)
    return (metrics.lvis if kind == "lvis" else metrics.by_category)(scored, geometry, data.categories)


def pycocotools(labels: Labels, results: Results, geometry: Geometry, use_categories: bool = True) -> Figures:
    truth = COCO()
    truth.dataset, results = deepcopy(labels), deepcopy(results)  # the package writes into them
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results) if results else COCO(), GEOMETRIES[geometry])
        evaluation.params.useCats = int(use_categories)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = ("AP", "AP50", "AP75", "AR1", "AR10", "mAR")
    return dict(zip(names, map(float, evaluation.stats[[0, 1, 2, 6, 7, 8]]), strict=True))


def lvis(labels: Labels, results: Results, geometry: Geometry, folder: Path) -> Figures:
    from lvis import LVIS, LVISEval, LVISResults

    logging.getLogger("lvis").setLevel(logging.CRITICAL)
    (folder / "reference.json").write_text(json.dumps(labels))
    truth = LVIS(str(folder / "reference.json"))
    evaluation = LVISEval(truth, LVISResults(truth, deepcopy(results)), GEOMETRIES[geometry])
    evaluation.run()
    figures = evaluation.get_results()
    return {k: float(figures[k]) for k in ("AP", "AP50", "AP75", "APr", "APc", "APf")} | {"mAR": figures["AR@300"]}


GEOMETRIES: dict[Geometry, str] = {"box": "bbox", "mask": "segm"}


def agree(mine: Figures, theirs: Figures, within: float) -> None:
    known = {k: -1.0 if math.isnan(mine[k]) else mine[k] for k in theirs}  # theirs have -1 for unknown
    assert known == pytest.approx(theirs, abs=within)


def crowds_of_another_category(labels: Labels, results: Results) -> None:
    """Detections of one category in crowds of others."""
    for a in labels["annotations"][::2]:
        a["iscrowd"] = 1
        others = [c["id"] for c in CATEGORIES if c["id"] != a["category_id"]]
        results += [{"image_id": a["image_id"], "category_id": c, "bbox": a["bbox"], "score": 0.95} for c in others]
    for r in results:
        r.pop("segmentation", None)


def all_crowds(labels: Labels, results: Results) -> None:
    for a in labels["annotations"]:
        a["iscrowd"] = 1


def all_ignored(labels: Labels, results: Results) -> None:
    for a in labels["annotations"]:
        a["ignore"], a["iscrowd"] = 1, 0


def all_equal(labels: Labels, results: Results) -> None:
    for r in results:
        r["score"] = 0.5


def scores_of_any_size(labels: Labels, results: Results) -> None:
    for r in results:
        r["score"] = 20 * r["score"] - 10


def nothing_labelled(labels: Labels, results: Results) -> None:
    labels["annotations"].clear()


def unchecked_alone(labels: Labels, results: Results) -> None:
    """In two pictures only what LVIS did not check them for was found."""
    bare = {i["id"] for i in labels["images"][:2]}
    for i in labels["images"]:
        i["neg_category_ids"] = []
    labels["annotations"] = [a for a in labels["annotations"] if a["image_id"] not in bare]


def ids_like_stamps(labels: Labels, results: Results) -> None:
    """As floats they are all the same."""
    for entry in labels["images"]:
        entry["id"] += 1_764_000_000_000_000_000
    for entry in [*labels["annotations"], *results]:
        entry["image_id"] += 1_764_000_000_000_000_000
    for entry in [*labels["annotations"], *results, *labels["categories"]]:
        key = "id" if "name" in entry else "category_id"
        entry[key] += 2**60
    for entry in labels["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            entry[key] = [i + 2**60 for i in entry[key]]


def as_they_are(labels: Labels, results: Results) -> None:
    pass


CHANGES: dict[str, Callable[[Labels, Results], None]] = {
    f.__name__: f
    for f in (
        as_they_are, ids_like_stamps, crowds_of_another_category, all_crowds, all_ignored, all_equal,
        scores_of_any_size, nothing_labelled, unchecked_alone,
    )
}  # fmt: skip


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_both(seed: int, change: str, geometry: Geometry, tmp_path: Path) -> None:
    labels, results = random_files(seed)
    CHANGES[change](labels, results)
    agree(ours(tmp_path, labels, results, "coco", geometry), pycocotools(labels, results, geometry), 1e-9)
    agree(ours(tmp_path, labels, results, "lvis", geometry), lvis(labels, results, geometry, tmp_path), 1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("seed", range(3))
def test_equal_with_all_categories_as_one(seed: int, geometry: Geometry, tmp_path: Path) -> None:
    labels, results = random_files(seed, crowded=60 * seed)
    for place, r in enumerate(np.random.default_rng(seed).permutation(len(results)).tolist()):
        results[r]["score"] = 1 / (1 + place)  # of equal scores pycocotools takes the first category first
    agree(ours(tmp_path, labels, results, "any name", geometry), pycocotools(labels, results, geometry, False), 1e-9)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("crowded", [290, 450])
@pytest.mark.parametrize("seed", [5, 6])
def test_many_detections_in_a_picture(seed: int, crowded: int, geometry: Geometry, tmp_path: Path) -> None:
    labels, results = random_files(seed, crowded)
    agree(ours(tmp_path, labels, results, "coco", geometry), pycocotools(labels, results, geometry), 1e-9)
    agree(ours(tmp_path, labels, results, "lvis", geometry), lvis(labels, results, geometry, tmp_path), 1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_nothing_found(geometry: Geometry, tmp_path: Path) -> None:
    labels, _ = random_files(0)
    mine = ours(tmp_path, labels, [], "coco", geometry)
    assert mine["mAR"] == mine["AP"] == 0
    agree(mine, pycocotools(labels, [], geometry), 1e-9)
    assert ours(tmp_path, labels, [], "lvis", geometry)["AP"] == 0
