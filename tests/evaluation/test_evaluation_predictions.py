"""Predictions: written while a detector runs, also after a kill; read for scoring, also from elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.labelled import coloured, keyframe, recording, thing
from vlsam_ros.data import Detections, Witness
from vlsam_ros.errors import DataError, VlmError
from vlsam_ros.evaluation.dataset import Dataset, Frame, load
from vlsam_ros.evaluation.names import by_words
from vlsam_ros.evaluation.predictions import FILE, predict, read
from vlsam_ros.evaluation.report import as_markdown, blocks
from vlsam_ros.evaluation.scoring import headline, score

HEADER = {"threshold": 0.5, "options": {"merge.iou": 0.6}}


class Detector:
    """One dog in each frame; fails on some; keeps a log."""

    def __init__(self, fails: tuple[int, ...] = (), error: Callable[[str], Exception] = VlmError) -> None:
        self.fails, self.error, self.log = fails, error, []

    def __call__(self, frame: Frame) -> Detections:
        self.log.append(frame.id)
        if frame.id in self.fails:
            raise self.error("out of words")
        items = (thing("dog", 4, 6, 24, 36, 0.8),)
        return Detections(frame.size_hw, items, vlm="v", segmenter="s", timings_s={"total": 0.5}, dropped=items)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load(str(coloured(tmp_path)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out" / FILE


def test_there_and_back(data: Dataset, file: Path) -> None:
    assert predict(data.frames, Detector(), file, HEADER) == 0
    for path in (file, file.parent):
        found = read(path, data)
        assert found.header == HEADER and found.models == "v + s" and found.seconds == [0.5] * 3
        assert list(found.found) == [1, 2, 3] and not found.failed and not found.warnings
        (item,) = found.found[2]
        assert (item.label, item.xyxy, item.score, item.parts) == ("dog", (4, 6, 24, 36), 0.8, (0.8, 0.8, 0.8, 1.0))
        assert found.dropped[2] == (item,)


def test_what_is_unfamiliar(data: Dataset, file: Path) -> None:
    novelty = {1: 0.5, 2: 1.5, 3: None}
    predict(data.frames, lambda f: replace(Detector()(f), novelty=novelty[f.id]), file, HEADER)
    found = read(file, data)
    assert found.novelty == {1: 0.5, 2: 1.5} and len(found.found) == 3
    result = score(data, found, by_words)
    assert headline(result.scores)["unfamiliar"] == 0.5
    assert "calls unfamiliar: 50.0%" in as_markdown(list(blocks(result, {})))
    file.unlink()
    predict(data.frames, Detector(), file, HEADER)
    assert "unfamiliar" not in headline(score(data, read(file, data), by_words).scores)


@pytest.mark.parametrize("error", [VlmError, KeyError, RuntimeError])
def test_errors_are_recorded_and_tried_again(error: type[Exception], data: Dataset, file: Path) -> None:
    assert predict(data.frames, Detector(fails=(2,), error=error), file, HEADER) == 1
    found = read(file, data)
    assert sorted(found.found) == [1, 3] and list(found.failed) == [2] and "out of words" in found.failed[2]
    detector = Detector()
    assert predict(data.frames, detector, file, HEADER) == 0
    assert detector.log == [2] and sorted(read(file, data).found) == [1, 2, 3]


@pytest.mark.parametrize("left", [1, 40, -1])
def test_goes_on_after_a_kill(left: int, data: Dataset, file: Path) -> None:
    predict(data.frames[:2], Detector(), file, HEADER)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:left])
    found = read(file, data)
    assert list(found.found) == [1] and found.warnings == {"half-written last line, left out": 1}
    detector = Detector()
    predict(data.frames, detector, file, HEADER)
    assert detector.log == [2, 3]
    whole = read(file, data)
    assert sorted(whole.found) == [1, 2, 3] and not whole.warnings


def test_goes_on_after_a_kill_in_the_first_line(data: Dataset, file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"thresh')
    with pytest.raises(DataError, match="no whole line"):
        read(file, data)
    predict(data.frames, Detector(), file, HEADER)
    assert read(file, data).header == HEADER


def test_other_settings_are_refused(data: Dataset, file: Path) -> None:
    predict(data.frames[:1], Detector(), file, HEADER)
    with pytest.raises(DataError, match=r"merge.iou 0.6 -> 0.7.*another --out"):
        predict(data.frames, Detector(), file, HEADER | {"options": {"merge.iou": 0.7}})


@pytest.mark.parametrize("content", ["my thesis", "my thesis\n", '{"a": 1}\n'])
def test_files_of_others_are_left_alone(content: str, data: Dataset, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(DataError):
        predict(data.frames, Detector(), file, HEADER)
    assert file.read_text() == content


def edited(file: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    records = [json.loads(line) for line in file.read_text().splitlines()]
    change(records)
    file.write_text("".join(json.dumps(r) + "\n" for r in records))


def test_unknown_frames_are_counted(data: Dataset, file: Path) -> None:
    predict(data.frames, Detector(), file, HEADER)
    edited(file, lambda r: r.append(r[1] | {"id": 99, "image": "99.png"}))
    found = read(file, data)
    ((warning, count),) = found.warnings.items()
    assert warning.startswith("predictions for frames that the data doesn't have, left out (first: ")
    assert warning.endswith("line 5)") and count == 1 and len(found.found) == 3


def test_what_ways_say_comes_back_as_evidence(data: Dataset, file: Path) -> None:
    said = (Witness("attention", 0.0, 0.0), Witness("native", 0.5, 0.5))
    dog = thing("dog", 4, 6, 24, 36, 0.8)
    items = (dog, replace(dog, label="cat", score=0.7, witnesses=said))
    predict(data.frames, lambda frame: Detections(frame.size_hw, items), file, HEADER)
    assert [i.evidence for i in read(file, data).found[2]] == [{}, {"attention": 0.0, "native": 0.25}]
    edited(file, lambda r: [i.pop("witnesses") for x in r[1:] for i in x["instances"]])  # as they were written once
    assert [i.evidence for i in read(file, data).found[2]] == [{}, {}]


WRONG_WITNESSES = [
    *({"native": pair} for pair in ([0.5], [0.5, 0.5, 0.5], [0.5, 1.5], [0.5, math.nan], ["0.5", 0.5], 0.5, None)),
    {"guess": [0.5, 0.5]},
    [["native", 0.5, 0.5]],
]


@pytest.mark.parametrize("said", WRONG_WITNESSES, ids=repr)
def test_spoilt_witnesses_are_clear_errors(said: Any, data: Dataset, file: Path) -> None:
    predict(data.frames, Detector(), file, HEADER)
    edited(file, lambda r: r[2]["instances"][0].update(witnesses=said))
    with pytest.raises(DataError, match="line 3.*number 1 of its instances"):
        read(file, data)


def test_another_size_is_a_failure(data: Dataset, file: Path) -> None:
    predict(data.frames, Detector(), file, HEADER)
    edited(file, lambda r: r[1].update(size_hw=[61, 80]))
    assert list(read(file, data).failed) == [1]


BROKEN: dict[str, tuple[Callable[[list[dict[str, Any]]], None], str]] = {
    "ids off by one": (lambda r: [x.update(id=x["id"] + 1) for x in r[1:]], "predictions of other data: frame 2"),
    "all unknown": (lambda r: [x.update(id=x["id"] + 50) for x in r[1:]], "no predictions for any frame"),
    "no frames": (lambda r: r.__delitem__(slice(1, None)), "no predictions for any frame"),
    "no record": (lambda r: r.insert(1, {"a": 1}), "line 2: expected a frame's record, got"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_clear_errors(case: str, data: Dataset, file: Path) -> None:
    change, said = BROKEN[case]
    predict(data.frames, Detector(), file, HEADER)
    edited(file, change)
    with pytest.raises(DataError, match=said):
        read(file, data)


def test_a_broken_line_in_the_middle(data: Dataset, file: Path) -> None:
    predict(data.frames, Detector(), file, HEADER)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1][:30], *lines[2:]]) + "\n")
    with pytest.raises(DataError, match="line 2"):
        read(file, data)
    with pytest.raises(DataError, match="no such predictions"):
        read(file.parent / "none.jsonl", data)


RESULTS = [
    {"image_id": 1, "category_id": 5, "bbox": [4, 6, 20, 30], "score": 0.3},
    {"image_id": 1, "category_id": 9, "segmentation": {"size": [60, 80], "counts": [10, 20, 4770]}, "score": 0.7},
    {"image_id": 70, "category_id": 9, "bbox": [4, 6, 20, 30], "score": 0.7},
]


def test_results_in_cocos_format(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(json.dumps(RESULTS))
    found = read(file, data)
    assert [i.label for i in found.found[1]] == ["blue ball", "red box"] and found.found[2] == ()
    assert found.found[1][0].xyxy == (0, 10, 1, 30) and found.found[1][1].rle is None
    assert sum(found.warnings.values()) == 1 and found.models == "other"
    file.write_text(json.dumps([RESULTS[0] | {"image_id": i} for i in (2, 3, 4)]))
    with pytest.raises(DataError, match="off by one"):
        read(file, data)


WRONG_RESULTS: dict[str, tuple[Any, str]] = {
    "numbers": ([1], "expected a list of image_id, score"),
    "an object": ({"annotations": RESULTS}, "expected a list of image_id, score"),
    "an id that is text": ([RESULTS[0] | {"image_id": "1"}], "expected a list of image_id, score"),
    "no score": ([RESULTS[0] | {"score": None}], "expected a list of image_id, score"),
    "a score that is no number": ([RESULTS[0] | {"score": float("nan")}], "expected a list of image_id, score"),
    "neither box nor mask": ([{"image_id": 1, "score": 0.5}], "expected a list of image_id, score"),
    "a box of three": ([RESULTS[0] | {"bbox": [1, 2, 3]}], "expected a list of image_id, score"),
    "another picture's mask": (
        [RESULTS[1] | {"segmentation": {"size": [6, 8], "counts": [10, 20, 18]}}],
        r"expected a mask of \[60, 80\]",
    ),
}


@pytest.mark.parametrize("case", WRONG_RESULTS)
def test_wrong_results_in_cocos_format(case: str, data: Dataset, tmp_path: Path) -> None:
    content, said = WRONG_RESULTS[case]
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=said):
        read(tmp_path / "other.json", data)


def test_recorded_detections(tmp_path: Path) -> None:
    dog = thing("dog", 4, 5, 20, 25)
    found = [keyframe(3, dog, thing("cat", 1, 1, 5, 5, 0.2)), keyframe(4, status=20), keyframe(77)]
    bag = recording(tmp_path / "bag", {3: [dog], 4: [dog], 5: [dog]}, [3], vlsam_detector=found)
    result = read(bag, load(str(bag)), "/vlsam_detector")
    assert [i.label for i in result.found[1]] == ["dog", "cat"] and list(result.found) == [1]
    assert result.failed == {2: "status 20: out of words"}
    ((warning, count),) = result.warnings.items()
    assert "frames that the data doesn't have" in warning and "message 2 on /vlsam_detector" in warning and count == 1
    assert np.allclose(result.found[1][0].parts, 1)
