import math

import numpy as np
import pytest

from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.evaluation.matching import Score, box_iou, compare, mask_iou
from vlsam_ros.synthetic.truth import IGNORE

SIZE = (100, 100)


def box(label: str, x0: int, y0: int, x1: int, y1: int, score: float = 0.9) -> Detection:
    dense = np.zeros(SIZE, bool)
    dense[y0:y1, x0:x1] = True
    return Detection(label, score, score, score, score, Mask.from_dense(dense))


def frame(*items: Detection) -> Detections:
    return Detections(SIZE, items)


def test_overlaps() -> None:
    a, b = box("a", 0, 0, 10, 10), box("b", 5, 0, 15, 10)
    assert box_iou(a, b) == mask_iou(a, b) == pytest.approx(1 / 3)
    assert box_iou(a, box("c", 50, 50, 60, 60)) == 0


CASES = {
    "nothing": ([], [], Score(0, 0, 0, 0)),
    "found": ([box("dog", 0, 0, 10, 10)], [box("dog", 0, 0, 10, 11)], Score(1, 1, 1, 0)),
    "missed": ([], [box("dog", 0, 0, 10, 10)], Score(1, 0, 0, 0)),
    "invented": ([box("dog", 0, 0, 10, 10)], [], Score(0, 0, 0, 1)),
    "found twice": ([box("dog", 0, 0, 10, 10)] * 2, [box("dog", 0, 0, 10, 10)], Score(1, 1, 1, 1)),
    "on something ignored": ([box("dog", 0, 0, 10, 10)], [box(IGNORE, 0, 0, 20, 20)], Score(0, 0, 0, 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_compare(case: str) -> None:
    found, truth, expected = CASES[case]
    assert compare(frame(*found), frame(*truth), box_iou) == expected


def test_names_and_sizes_count_where_asked() -> None:
    found, truth = frame(box("cat", 0, 0, 10, 10)), frame(box("dog", 0, 0, 10, 10), box("car", 20, 0, 60, 50))
    assert compare(found, truth, box_iou).found == 1
    assert compare(found, truth, box_iou, names=True).found == 0
    tall = compare(found, truth, box_iou, taller_px=40)
    assert (tall.objects, tall.found, tall.right, tall.wrong) == (1, 0, 0, 0)


def test_the_better_score_takes_the_object() -> None:
    truth = frame(box("dog", 0, 0, 10, 10))
    found = frame(box("dog", 0, 0, 10, 9, 0.5), box("dog", 0, 0, 10, 10, 0.9))
    assert compare(found, truth, box_iou) == Score(1, 1, 1, 1)


def test_shares_of_nothing_are_unknown() -> None:
    assert math.isnan(Score().recall) and math.isnan(Score().precision)
