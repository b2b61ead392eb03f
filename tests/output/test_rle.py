"""The mask codec against a slow reference, on the shapes masks really have and on malformed input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlsam_ros.output.rle import MaskError, RoiMask, decode, encode, from_coco, paste, to_coco


def slow_runs(region: np.ndarray) -> list[int]:
    """Run lengths of bool (h, w), pixel by pixel down the columns, background first."""
    runs, value = [0], False
    for column in range(region.shape[1]):
        for row in range(region.shape[0]):
            if region[row, column] != value:
                value = not value
                runs.append(0)
            runs[-1] += 1
    return runs if region.size else []


def picture(*boxes: tuple[int, int, int, int], size_hw: tuple[int, int] = (12, 17)) -> np.ndarray:
    """Bool (H, W) in which each x_min, y_min, x_max, y_max flips its pixels."""
    out = np.zeros(size_hw, bool)
    for x0, y0, x1, y1 in boxes:
        out[y0:y1, x0:x1] ^= True
    return out


CASES = {
    "empty": picture(),
    "no_pixels": np.zeros((0, 5), bool),
    "full": picture((0, 0, 17, 12)),
    "one_pixel": picture((3, 4, 4, 5)),
    "first_pixel": picture((0, 0, 1, 1)),
    "last_pixel": picture((16, 11, 17, 12)),
    "box": picture((2, 3, 9, 8)),
    "hole": picture((2, 3, 9, 8), (4, 5, 6, 6)),
    "two_parts": picture((0, 2, 3, 5), (10, 7, 17, 12)),
    "all_borders": picture((0, 0, 17, 12), (1, 1, 16, 11)),
    "one_row": picture((0, 6, 17, 7)),
    "one_column": picture((8, 0, 9, 12)),
    "random": np.random.default_rng(0).random((31, 23)) < 0.4,
    "not_contiguous": (np.random.default_rng(1).random((40, 46)) < 0.05)[::2, ::2],
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def mask(request: pytest.FixtureRequest) -> np.ndarray:
    """Each case's bool (H, W)."""
    return request.param


def test_round_trip(mask: np.ndarray) -> None:
    roi_mask = encode(mask)
    np.testing.assert_array_equal(paste(roi_mask, mask.shape), mask)
    assert roi_mask.area == mask.sum()
    assert roi_mask.runs.dtype == np.uint32
    assert decode(roi_mask).shape == (roi_mask.height, roi_mask.width)


def test_equals_reference(mask: np.ndarray) -> None:
    roi_mask = encode(mask)
    region = mask[roi_mask.y : roi_mask.y + roi_mask.height, roi_mask.x : roi_mask.x + roi_mask.width]
    assert roi_mask.runs.tolist() == slow_runs(region)


def test_region_is_tight(mask: np.ndarray) -> None:
    region = decode(encode(mask))
    if mask.any():
        assert region[0].any() and region[-1].any() and region[:, 0].any() and region[:, -1].any()
    else:
        assert region.shape == (0, 0)


def test_part_with_offset() -> None:
    whole = CASES["hole"]
    part = encode(whole[2:10, 1:12], offset_xy=(1, 2))
    np.testing.assert_array_equal(paste(part, whole.shape), whole)


def test_coco_round_trip(mask: np.ndarray) -> None:
    segmentation = to_coco(encode(mask), mask.shape)
    assert segmentation["size"] == list(mask.shape)
    assert segmentation["counts"] == (slow_runs(mask) or [0])
    np.testing.assert_array_equal(paste(from_coco(segmentation), mask.shape), mask)


def test_large_mask_does_not_overflow() -> None:
    assert RoiMask(0, 0, 16_000, 16_000, runs(0, 256_000_000)).area == 256_000_000


def runs(*values: int) -> np.ndarray:
    """The values as a message carries them."""
    return np.array(values, np.uint32)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param((0, 0, 2, 2, runs(1, 2)), "2 x 2 = 4, got 3", id="too_short"),
        pytest.param((0, 0, 2, 2, runs(1, 4)), "2 x 2 = 4, got 5", id="too_long"),
        pytest.param((0, 0, 2, 2, runs()), "got 0", id="no_runs"),
        pytest.param((0, 0, 0, 0, runs(1)), "got 1", id="runs_without_pixels"),
        pytest.param((0, 0, 2, 2, runs(*[0xFFFFFFFF] * 3)), "got 12884901885", id="sum_beyond_32_bit"),
        pytest.param((0, 0, 1 << 31, 1 << 31, runs(1)), "at most", id="absurd_size"),
        pytest.param((-1, 0, 1, 1, runs(0, 1)), ">= 0, got -1", id="negative"),
        pytest.param((0, 0, 2, 2, np.array([5, -1])), "uint32", id="negative_run"),
        pytest.param((0, 0, 2, 2, np.array([1.0, 3.0])), "float64", id="float_runs"),
        pytest.param((0, 0, 2, 2, np.array([[1, 3]])), r"\(1, 2\)", id="two_axes"),
    ],
)
def test_malformed_runs(fields: tuple[Any, ...], message: str) -> None:
    with pytest.raises(MaskError, match=message):
        RoiMask(*fields)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.zeros((2, 2, 1), bool), id="three_axes"),
        pytest.param(np.zeros((2, 2), np.uint8), id="not_bool"),
    ],
)
def test_encode_wants_a_bool_mask(bad: np.ndarray) -> None:
    with pytest.raises(MaskError, match="expected a bool mask"):
        encode(bad)


def test_paste_wants_a_region_inside() -> None:
    with pytest.raises(MaskError, match=r"within 4 x 4, got one that ends at \(5, 3\)"):
        paste(RoiMask(3, 1, 2, 2, runs(4)), (4, 4))
    with pytest.raises(ValueError, match="within"):
        to_coco(RoiMask(3, 1, 2, 2, runs(4)), (4, 4))


def test_from_coco_checks_counts() -> None:
    with pytest.raises(MaskError, match="2 x 3 = 6, got 5"):
        from_coco({"size": [3, 2], "counts": [1, 4]})
