"""Damaged or hostile files of labels, results and predictions: an error or a counted warning that names the place."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.labelled import coloured, thing
from vlsam_ros.data import Detections
from vlsam_ros.errors import DataError
from vlsam_ros.evaluation import predictions, report, scoring
from vlsam_ros.evaluation.dataset import load
from vlsam_ros.evaluation.names import by_words
from vlsam_ros.evaluation.predictions import FILE, predict

NASTY = (
    None, True, 0, 1, -1, 2**31, 2**63, 10**400, 1.0, 0.5, -1e308, math.nan, math.inf, "", "5", "b'0'",
    "\ud800", "\x1b[2J",
    [], [1, 2, 3, 4], [[4, 6, 24, 6, 24, 36]], [math.nan] * 4, {}, {"size": [60, 80], "counts": [10, 20]},
    {"size": [10**6, 10**6], "counts": [10**12]}, {"size": [60, 80], "counts": "PP!!zz"},
)  # fmt: skip
RESULTS = [
    {"image_id": 1, "category_id": 5, "bbox": [4, 6, 20, 30], "score": 0.9},
    {"image_id": 1, "category_id": 9, "segmentation": {"size": [60, 80], "counts": [10, 20, 4770]}, "score": 0.7},
    {"image_id": 2, "category_id": 5, "segmentation": [[30, 20, 54, 20, 54, 40]], "bbox": [30, 20, 24, 20],
     "score": 0.2},
]  # fmt: skip


@pytest.fixture
def labels(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(coloured(tmp_path).read_text())
    for number, a in enumerate(content["annotations"], 101):
        a |= {"id": number, "iscrowd": 0, "area": 600.0}
    content["annotations"][1]["segmentation"] = {"size": [60, 80], "counts": [10, 20, 4770]}
    return content


@pytest.fixture
def lines(tmp_path: Path, labels: dict[str, Any]) -> list[Any]:
    """Of a predictions file, as records."""
    items = (thing("red box", 4, 6, 24, 36, 0.8), thing("blue ball", 50, 10, 66, 26, 0.6))
    data = load(str(tmp_path / "labels.json"))
    detect: Callable[[Any], Detections] = lambda f: Detections(f.size_hw, items, timings_s={"total": 0.5})  # noqa: E731
    predict(data.frames, detect, tmp_path / FILE, {"threshold": 0.5, "options": {"merge.iou": 0.6}})
    return [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]


def score(folder: Path, labels: Any, found: Any, kind: str = "") -> dict[str, Any]:
    """Scores and report of labels and of what was found: COCO's results, or the lines of a predictions file."""
    (folder / "labels.json").write_text(json.dumps(labels))
    file = folder / "results.json"
    if isinstance(found, list) and found and isinstance(found[0], dict) and "threshold" in found[0]:
        file = folder / FILE
        file.write_text("".join(json.dumps(line) + "\n" for line in found))
    else:
        file.write_text(json.dumps(found))
    data = load(kind + str(folder / "labels.json"))
    result = scoring.score(data, predictions.read(file, data), by_words)
    list(report.blocks(result, {}))
    return result.scores


Change = Callable[[dict[str, Any]], Any]
LABELS: dict[str, tuple[Change, str]] = {
    "a spoilt mask": (lambda d: d["annotations"][1].update(segmentation={"size": [60, 80], "counts": [1]}),
                      "labels.json: annotation 102: segmentation: expected run lengths that fill"),
    "a spoilt mask without id": (lambda d: d["annotations"][2].update(segmentation=[1, 2, 3], id=None),
                                 "annotation None: segmentation: expected a list of polygons"),
    "a size without end": (lambda d: d["images"][0].update(width=10**6, height=10**6), "image 1 is too large"),
    "a size that is none": (lambda d: d["images"][0].update(width=math.nan), "images without a valid width: number 0"),
    "no width": (lambda d: d["images"][1].update(width=0), "images without a valid width: number 1"),
    "half a pixel": (lambda d: d["images"][1].update(height=60.5), "images without a valid height"),
    "an id that is true": (lambda d: d["images"][0].update(id=True), "images without a valid id"),
    "an id with a point": (lambda d: d["annotations"][0].update(category_id=5.0), "without a valid category_id"),
    "an id as text": (lambda d: d["categories"][0].update(id="5"), "categories without a valid id"),
    "a name that is none": (lambda d: d["images"][0].update(file_name=["1.png"]), "without a valid file_name"),
    "an id of any length": (lambda d: d["images"][0].update(id=10**400), "images without a valid id"),
    "a name of nothing": (lambda d: d["categories"][0].update(name=" "), "without a valid name"),
    "a page for a name": (lambda d: d["categories"][0].update(name="a " * 10**5), "without a valid name"),
    "a crowd as text": (lambda d: d["annotations"][0].update(iscrowd="0"), "without a valid iscrowd"),
    "ids as one number": (lambda d: d["images"][0].update(neg_category_ids=5), "without a valid neg_category_ids"),
    "synonyms as text": (lambda d: d["categories"][0].update(synonyms="red"), "without a valid synonyms"),
    "no list": (lambda d: d["annotations"].__setitem__(0, "annotation"), "annotations without a valid image_id"),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_labels(case: str, labels: dict[str, Any], tmp_path: Path) -> None:
    change, said = LABELS[case]
    change(labels)
    with pytest.raises(DataError, match=said):
        score(tmp_path, labels, RESULTS)


COUNTED: dict[str, tuple[Change, str, int]] = {
    "a box of nan": (lambda d: d["annotations"][2].update(bbox=[math.nan] * 4),
        "box has no area, left out (first: annotation 103)", 1),
    "huge boxes": (lambda d: [a.update(bbox=[0, 0, 10**400, 1]) for a in d["annotations"]],
        "left out (first: annotation 101)", 3),
    "a line": (lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3, 4]]),
        "their box stands in for a mask (first: annotation 101)", 1),
    "double": (lambda d: d["annotations"].append(d["annotations"][0]),
        "the id of another one, counted (first: annotation 101)", 1),
    "ignore": (lambda d: d["annotations"][0].update(ignore=1),
        "COCO's evaluator doesn't know: counted (first: annotation 101)", 1),
    "a name too long": (lambda d: d["images"][0].update(file_name="1" * 5000),
        "pictures that are not there", 1),
    "half a character": (lambda d: d["images"][0].update(file_name="\ud800.png"),
        "not there (first: \N{REPLACEMENT CHARACTER}.png)", 1),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTED)
def test_labels_counted(case: str, labels: dict[str, Any], tmp_path: Path) -> None:
    change, said, count = COUNTED[case]
    change(labels)
    warnings = score(tmp_path, labels, RESULTS)["warnings"]
    assert [n for warning, n in warnings.items() if said in warning] == [count], warnings


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a score of nan": ({"score": math.nan}, "result 1 has no valid score"),
    "a score as text": ({"score": "0.5"}, "result 1 has no valid score"),
    "a score too large": ({"score": 10**400}, "result 1 has no valid score"),
    "no score": ({"score": None}, "result 1 has no valid score"),
    "a true score": ({"score": True}, "result 1 has no valid score"),
    "a box of nan": ({"bbox": [math.nan] * 4}, "result 1 has no valid bbox"),
    "an infinite box": ({"bbox": [0, 0, math.inf, 1]}, "result 1 has no valid bbox"),
    "a box as text": ({"bbox": "4 6 20 30"}, "result 1 has no valid bbox"),
    "a box of texts": ({"bbox": ["4", "6", "20", "30"]}, "result 1 has no valid bbox"),
    "an image with a point": ({"image_id": 1.0}, "result 1 has no valid image_id"),
    "a list for an image": ({"image_id": [1]}, "result 1 has no valid image_id"),
    "a category as text": ({"category_id": "9"}, "result 1 has no valid category_id"),
    "a category with a point": ({"category_id": 9.0}, "result 1 has no valid category_id"),
    "a spoilt mask": ({"segmentation": {"size": [60, 80], "counts": [10]}}, "result 1: expected run lengths that fill"),
    "a mask of nothing": ({"segmentation": [[1, 2, 3, 4]]}, "result 1: expected a box, or a mask that shows something"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_results(case: str, labels: dict[str, Any], tmp_path: Path) -> None:
    change, said = OTHERS[case]
    results = deepcopy(RESULTS)
    results[1] |= change
    with pytest.raises(DataError, match=said):
        score(tmp_path, labels, results)


CATEGORIES: dict[str, tuple[Callable[[int], Any], str]] = {
    "one less": (lambda i: {5: 4, 9: 8}[i], "category ids of predictions look off by one"),
    "one more": (lambda i: {5: 6, 9: 10}[i], "category ids of predictions look off by one"),
    "of another set": (lambda i: i + 80,
                       "of a category that the data doesn't list, counted without a name (first: result 0)"),
    "none": (lambda i: None, "without a category_id, counted without a name (first: result 0)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CATEGORIES)
def test_categories_that_do_not_fit(case: str, labels: dict[str, Any], tmp_path: Path) -> None:
    change, said = CATEGORIES[case]
    results = [r | {"category_id": change(r["category_id"])} for r in RESULTS]
    if "off by one" in said:
        with pytest.raises(DataError, match=said):
            score(tmp_path, labels, results)
    else:
        scores = score(tmp_path, labels, results)
        assert [n for warning, n in scores["warnings"].items() if said in warning] == [3]
        assert scores["box"]["named"]["mAR"] == 0 and scores["box"]["agnostic"]["AR50"] > 0
        assert math.isnan(scores["box"]["names right"])


def test_boxes_without_area_are_false_positives(labels: dict[str, Any], tmp_path: Path) -> None:
    empty = [{"image_id": 3, "category_id": 5, "bbox": box, "score": 0.9} for box in ([5, 5, 0, 9], [5, 5, -9, -9])]
    scores = score(tmp_path, labels, [*RESULTS, *empty])
    assert scores["warnings"]["predictions whose box has no area, counted as false positives (first: result 3)"] == 2
    assert scores["mask"]["empty road"] == {"frames": 1, "without a false alarm": 0}


def test_boxes_far_beyond_the_picture(labels: dict[str, Any], tmp_path: Path) -> None:
    """They are drawn no farther than matters: to draw such a box whole takes gigabytes."""
    labels["annotations"] = labels["annotations"][:1]
    near, far = ([[-80, 6, 104, 30], [4, -60, 20, 96]], [[-9e8, 6, 9e8 + 24, 30], [4, -9e8, 20, 9e8 + 36]])
    figures = [
        score(tmp_path, labels, [{"image_id": 1, "category_id": 5, "bbox": b, "score": 0.9} for b in boxes])["mask"]
        for boxes in (near, far)
    ]
    assert figures[0]["agnostic"] == figures[1]["agnostic"] and 0 < figures[0]["agnostic"]["mAR"] < 1


def test_scores_of_any_size_are_an_order(labels: dict[str, Any], tmp_path: Path) -> None:
    results = [r | {"score": 10 * r["score"] - 20} for r in RESULTS]  # type: ignore[operator]
    scores, usual = score(tmp_path, labels, results), score(tmp_path, labels, RESULTS)
    assert scores["mask"]["agnostic"] == usual["mask"]["agnostic"]
    assert any("score is no share of 1" in warning for warning in scores["warnings"])


def test_no_results_are_results(labels: dict[str, Any], tmp_path: Path) -> None:
    scores = score(tmp_path, labels, [])
    assert scores["box"]["agnostic"]["mAR"] == scores["mask"]["recall"] == 0
    assert scores["frames"]["scored"] == 3
    assert scores["mask"]["empty road"] == {"frames": 1, "without a false alarm": 1}
    labels["annotations"] = []
    scores = score(tmp_path, labels, [])
    assert math.isnan(scores["box"]["recall"])
    assert scores["box"]["empty road"] == {"frames": 3, "without a false alarm": 3}


OWN: dict[str, tuple[Callable[[list[Any]], Any], str]] = {
    "a score of nan": (lambda r: r[2]["instances"][0].update(score=math.nan),
                       "predictions.jsonl, line 3, number 1 of its instances: .* no valid score"),
    "a score as text": (lambda r: r[2]["instances"][1].update(score="0.5"), "line 3, number 2 of its instances"),
    "a box of nan": (lambda r: r[1]["dropped"].append(r[1]["instances"][0] | {"box_xyxy": [math.nan] * 4}),
                     "line 2, number 1 of its dropped: .* no valid box_xyxy"),
    "a box the wrong way": (lambda r: r[1]["instances"][0].update(box_xyxy=[24, 36, 4, 6]),
                            "line 2, number 1 .* x_min"),
    "a page for a label": (lambda r: r[1]["instances"][0].update(label="a " * 10**5), "no valid label"),
    "no label": (lambda r: r[1]["instances"][0].pop("label"), "no valid label"),
    "an instance that is none": (lambda r: r[1]["instances"].append(7), "line 2, number 3 of its instances"),
    "parts of nan": (lambda r: r[1]["instances"][0]["parts"].update(iou=math.nan), "parts in"),
    "parts as list": (lambda r: r[1]["instances"][0].update(parts=[1]), "no valid parts"),
    "a spoilt mask": (lambda r: r[3]["instances"][0].update(segmentation={"size": [60, 80], "counts": "b'0'"}),
                      "line 4, number 1 of its instances: expected compressed run lengths"),
    "instances that are none": (lambda r: r[1].update(instances=5), "line 2: .* no.* instances"),
    "a size as text": (lambda r: r[1].update(size_hw="60x80"), "line 2: .* size_hw"),
    "an id as list": (lambda r: r[1].update(id=[1]), "line 2: .* id"),
    "a model that is none": (lambda r: r[1].update(vlm=5), "line 2: .* vlm"),
    "times that are none": (lambda r: r[1].update(timings_s=[5]), "line 2: .* timings_s"),
    "a threshold as text": (lambda r: r[0].update(threshold="0.5"), "line 1: expected how the detector was set"),
    "a threshold of nan": (lambda r: r[0].update(threshold=math.nan), "line 1: expected how the detector was set"),
    "options that are none": (lambda r: r[0].update(options=[1]), "line 1: expected how the detector was set"),
}  # fmt: skip


@pytest.mark.parametrize("case", OWN)
def test_own_predictions(case: str, labels: dict[str, Any], lines: list[Any], tmp_path: Path) -> None:
    change, said = OWN[case]
    change(lines)
    with pytest.raises(DataError, match=said):
        score(tmp_path, labels, lines)


@pytest.mark.parametrize("threshold", [math.nan, math.inf])
def test_a_threshold_that_is_none(threshold: float, labels: dict[str, Any], tmp_path: Path) -> None:
    score(tmp_path, labels, RESULTS)
    data = load(str(tmp_path / "labels.json"))
    with pytest.raises(DataError, match="expected a finite threshold"):
        scoring.score(data, predictions.read(tmp_path / "results.json", data), by_words, threshold=threshold)


def test_json_without_end(labels: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="can't read"):
        load(str(tmp_path / "results.json"))
    with pytest.raises(DataError, match="can't read"):
        predictions.read(tmp_path / "results.json", load(str(tmp_path / "labels.json")))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in a JSON value, as container and key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("kind", ["", "coda:", "lvis:"])
@pytest.mark.parametrize("target", ["labels", "results", "lines"])
def test_mutations(
    target: str, kind: str, labels: dict[str, Any], lines: list[Any], tmp_path: Path, mutations: int = 60
) -> None:
    """Random changes of good files: figures or a DataError, and soon."""
    rng, began, figures = np.random.default_rng(len(target + kind)), time.monotonic(), 0
    for category in labels["categories"]:
        category["frequency"] = "r"
    files = {"labels": labels, "results": RESULTS, "lines": lines}
    for _ in range(mutations):
        changed = deepcopy(files)
        for _ in range(int(rng.integers(1, 3))):
            options = list(places(changed[target]))
            container, key = options[int(rng.integers(len(options)))]
            if isinstance(container, dict) and rng.random() < 0.2:
                container.pop(key)
            else:
                container[key] = deepcopy(NASTY[int(rng.integers(len(NASTY)))])
        try:
            scores = score(tmp_path, changed["labels"], changed["results" if target != "lines" else "lines"], kind)
        except DataError as error:
            assert len(str(error)) < 2000
            continue
        assert 0 <= scores["box"]["recall"] <= 1 or math.isnan(scores["box"]["recall"])
        figures += 1
    assert figures and time.monotonic() - began < 60
