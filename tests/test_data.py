"""Values that flow through the pipeline."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vlsam_ros.data import Mask, Prompts, Segments
from vlsam_ros.errors import SegmenterError


def test_the_component_under_the_point() -> None:
    dense = np.zeros((50, 60), bool)
    dense[5:10, 5:10] = dense[30:40, 40:50] = True
    assert Mask.from_dense(dense).component((45.0, 35.0)).xyxy == (40, 30, 50, 40)
    assert Mask.from_dense(dense).component((6.0, 7.0)).xyxy == (5, 5, 10, 10)
    assert Mask.from_dense(dense).component((38.0, 35.0)).xyxy == (40, 30, 50, 40)  # nearest to a point outside
    assert Mask.from_dense(np.zeros((50, 60), bool)).component((1.0, 1.0)).area == 0
    dense[5:40, 7] = dense[35, 7:45] = True
    assert Mask.from_dense(dense).component((6.0, 7.0)).area == dense.sum()


@pytest.mark.parametrize("i", range(8))
def test_the_component_equals_a_slow_reference(i: int) -> None:
    rng = np.random.default_rng(i)
    dense = np.zeros((60, 90), bool)
    for x, y in rng.integers((20, 10), (80, 50), (5, 2)):
        dense[y : y + 6, x : x + 6] = True
    _, parts = cv2.connectedComponents(dense.astype(np.uint8), connectivity=8)
    for point in rng.uniform((0, 0), (90, 60), (10, 2)):
        rows, columns = np.nonzero(dense)
        nearest = np.hypot(columns + 0.5 - point[0], rows + 0.5 - point[1]).argmin()
        expected = parts == parts[rows[nearest], columns[nearest]]
        assert np.array_equal(Mask.from_dense(dense).component(tuple(point)).dense((60, 90)), expected)


@pytest.mark.parametrize("tensors", [False, True])
def test_the_best_candidate(tensors: bool) -> None:
    low_res = np.arange(3 * 2 * 4 * 5, dtype=np.float32).reshape(3, 2, 4, 5)
    iou = np.float32([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])
    given = Segments(*((torch.from_numpy(a) for a in (low_res, iou)) if tensors else (low_res, iou)))
    best = given.best()
    assert isinstance(best.low_res, torch.Tensor) == tensors
    for found in (best.best(), best.on_host()):
        np.testing.assert_array_equal(found.low_res, low_res[[0, 1, 2], [1, 0, 0]][:, None])
        np.testing.assert_array_equal(found.iou, np.float32([[0.9], [0.8], [0.5]]))
    assert all(isinstance(part, np.ndarray) for part in (best.on_host().low_res, best.on_host().iou))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["low_res", "iou"])
def test_segments_are_finite_when_they_are_on_the_host(where: str, value: float) -> None:
    parts = {"low_res": np.zeros((2, 1, 3, 3), np.float32), "iou": np.zeros((2, 1), np.float32)}
    parts[where].flat[-1] = value
    with pytest.raises(SegmenterError, match="expected finite"):
        Segments(**parts)
    later = Segments(**{name: torch.from_numpy(part) for name, part in parts.items()})
    with pytest.raises(SegmenterError, match="expected finite"):
        later.on_host()


def test_what_is_kept_of_prompts_goes_with_their_points_and_boxes() -> None:
    points = Prompts(np.zeros((1, 1, 2), np.float32), np.ones((1, 1), np.int32))
    points.kept["me"] = "made of points"
    masked = points.with_(low_res=np.zeros((1, 4, 4), np.float32))
    boxed = masked.with_(boxes_xyxy=np.zeros((1, 4), np.float32))
    assert masked.kept is points.kept and boxed.kept == {}
