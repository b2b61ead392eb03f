"""Segmentations of labels and results: the same masks as pycocotools makes of sound ones, an error for all others."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from tests.labelled import SIZE
from vlsam_ros.errors import DataError
from vlsam_ros.evaluation.segmentation import LONGEST, checked, compressed

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools

H, W = SIZE
SQUARE = [4.0, 6.0, 24.0, 6.0, 24.0, 36.0, 4.0, 36.0]
GOOD = coco.encode(np.asfortranarray(np.pad(np.ones((30, 20), np.uint8), ((6, 24), (4, 56)))))["counts"].decode()


def rle(counts: Any, size: Any = SIZE) -> dict[str, Any]:
    return {"size": [*size] if isinstance(size, tuple) else size, "counts": counts}


def dense(segmentation: Any) -> np.ndarray:
    found = compressed(segmentation, SIZE)
    assert found is not None
    return coco.decode({"size": [*SIZE], "counts": found["counts"]}).astype(bool)


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_in_both_forms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(SIZE) < rng.choice([0, 0.01, 0.5, 0.99, 1])
    flat = mask.ravel(order="F")
    edges = np.concatenate([[0], [0] if flat[0] else [], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    counts = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    for form in (np.diff(edges).astype(int).tolist(), counts, counts.decode()):
        assert np.array_equal(dense(rle(form)), mask)


POLYGONS = {
    "a square": [SQUARE],
    "two": [SQUARE, [50, 10, 70, 10, 60, 30]],
    "beyond the picture": [[-5, -5, 90, -5, 90, 70, -5, 70]],
    "with a line beside it": [SQUARE, [1, 2, 3, 4]],
    "whole numbers": [[int(v) for v in SQUARE]],
}


@pytest.mark.parametrize("case", POLYGONS)
def test_polygons(case: str) -> None:
    sound = [p for p in POLYGONS[case] if len(p) >= 6]
    expected = coco.decode(coco.merge(coco.frPyObjects(sound, H, W))).astype(bool)
    assert np.array_equal(dense(POLYGONS[case]), expected) and expected.any()


@pytest.mark.parametrize("empty", [None, [], [[]], [[1, 2]], [[1, 2, 3, 4]]])
def test_empty(empty: Any) -> None:
    assert compressed(empty, SIZE) is None


SPOILT: dict[str, tuple[Any, str]] = {
    "a flat polygon": (SQUARE, "expected a list of polygons"),
    "pairs": ([[4, 6], [24, 6], [24, 36]], "got pairs"),
    "pairs in a list": ([[[4, 6], [24, 6], [24, 36]]], "expected a list of polygons"),
    "an odd polygon": ([SQUARE[:7]], "expected a list of polygons"),
    "numbers as text": ([[str(v) for v in SQUARE]], "expected a list of polygons"),
    "a polygon as text": (["4 6 24 6 24 36"], "expected a list of polygons"),
    "not a number": ([[math.nan, *SQUARE[1:]]], "expected a list of polygons"),
    "infinite": ([[*SQUARE[:-1], -math.inf]], "expected a list of polygons"),
    "null in it": ([[None, *SQUARE[1:]]], "expected a list of polygons"),
    "truth values": ([[True] * 6], "expected a list of polygons"),
    "a polygon as object": ([{"0": 4}], "expected a list of polygons"),
    "huge numbers": ([[10**400, 0, 1, 1, 2, 2]], "expected a list of polygons"),
    "one point far away": ([[1e12] * 6], "expected a list of polygons"),
    "an outline without end": ([[0, 0, 1e6, 1e6] * 4], "expected polygons whose outlines"),
    "text": ("polygon", "expected polygons, or run lengths"),
    "a number": (3, "expected polygons, or run lengths"),
    "an empty object": ({}, r"expected a mask of \[60, 80\]"),
    "another picture's": (rle([10, 20, 18], (6, 8)), r"expected a mask of \[60, 80\]"),
    "turned": (rle([H * W], (W, H)), r"expected a mask of \[60, 80\]"),
    "no picture's": (rle([10], (10**6, 10**6)), r"expected a mask of \[60, 80\]"),
    "size as text": (rle([H * W], "60x80"), r"expected a mask of \[60, 80\]"),
    "size of one": (rle([H * W], [60]), r"expected a mask of \[60, 80\]"),
    "size of nan": (rle([H * W], [math.nan, 80]), r"expected a mask of \[60, 80\]"),
    "no counts": ({"size": [*SIZE]}, "expected counts as a list of run lengths"),
    "null counts": (rle(None), "expected counts as a list of run lengths"),
    "counts as a number": (rle(4800), "expected counts as a list of run lengths"),
    "too short": (rle([10, 20]), "fill 60 x 80 = 4800 px, got 30"),
    "too long": (rle([10, 20, 99999]), "fill 60 x 80 = 4800 px, got 100029"),
    "no runs": (rle([]), "fill 60 x 80 = 4800 px, got 0"),
    "below 0": (rle([5000, -200]), "run lengths of 0 or more"),
    "fractions": (rle([10.5, 4789.5]), "whole numbers"),
    "runs as text": (rle(["10", "4790"]), "whole numbers"),
    "runs of runs": (rle([[10], [4790]]), "whole numbers"),
    "runs beyond 32 bits": (rle([2**32, H * W]), "fill 60 x 80"),
    "runs beyond 64 bits": (rle([2**64, H * W]), "whole numbers"),
    "str() of bytes": (rle(str(GOOD.encode())), r"write counts.decode\(\)"),
    "cut off": (rle(GOOD[:-1] + "P"), "cut off"),
    "the end missing": (rle(GOOD[:-3]), "fill 60 x 80|cut off"),
    "garbage": (rle("PP!!zz"), "characters '0' to 'o'"),
    "other letters": (rle("ééé"), "characters '0' to 'o'"),
    "half a character": (rle("\ud800"), "characters '0' to 'o'"),
    "a zero byte": (rle(GOOD + "\0"), "characters '0' to 'o'"),
    "no text": (rle(""), "characters '0' to 'o'"),
    "digits without end": (rle("P" * 20 + "0"), "at most 7 digits"),
    "compressed below 0": (rle("O" + GOOD), "0 or more|fill"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_spoilt(case: str) -> None:
    segmentation, said = SPOILT[case]
    for check in (checked, compressed):
        with pytest.raises(DataError, match=said) as caught:
            check(segmentation, SIZE)
        assert len(str(caught.value)) < 400


def test_too_many_run_lengths() -> None:
    for counts in ([0] * (LONGEST + 1), "0" * (LONGEST + 1)):
        with pytest.raises(DataError, match="at most"):
            compressed(rle(counts), SIZE)


@pytest.mark.parametrize("seed", range(4))
def test_mutations_are_errors_or_masks(seed: int) -> None:
    """Whatever comes of random changes of good run lengths, it fills the picture or is an error, and soon."""
    rng, letters, sound = np.random.default_rng(seed), [chr(c) for c in range(46, 114)], 0
    began = time.monotonic()
    for _ in range(500):
        text = list(GOOD)
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(0, len(text)))
            text[place : place + int(rng.integers(0, 3))] = rng.choice(letters, int(rng.integers(0, 3))).tolist()
        try:
            found = compressed(rle("".join(text)), SIZE)
        except DataError:
            continue
        assert found is not None and 0 <= coco.area({"size": [*SIZE], "counts": found["counts"]}) <= H * W
        sound += 1
    assert sound < 100 and time.monotonic() - began < 5
