"""Masks on a view's pixels, in proportion to their size, against the slow way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vlsam_ros.backends.segmenter import upscaling
from vlsam_ros.backends.segmenter.sam import SamEmbedding
from vlsam_ros.data import Mask

VIEWS = {
    "letterboxed": ((256, 256), (1024, 1024), (576, 1024), (1080, 1920)),
    "letterboxed, high": ((128, 224), (256, 448), (256, 77), (900, 270)),
    "cut off by a row": ((128, 224), (256, 448), (252, 448), (450, 800)),
    "stretched": ((64, 64), (256, 256), (256, 256), (300, 90)),
    "as it is": ((32, 48), (128, 192), (128, 192), (128, 192)),
    "smaller than the grid": ((64, 64), (256, 256), (256, 256), (20, 31)),
    "small and letterboxed": ((64, 64), (256, 256), (90, 256), (9, 25)),
    "one pixel": ((16, 24), (64, 96), (64, 64), (1, 1)),
}
"""The grid of logits, the model's input, the view in it, and the view: height and width."""

ROUGHNESS = {"noise": 0.0, "spots": 1.5, "blobs": 5.0}
"""Standard deviation of what smooths the noise, in cells."""


def embedding(name: str) -> SamEmbedding:
    _, input_hw, scaled_hw, size_hw = VIEWS[name]
    return SamEmbedding(None, size_hw, scaled_hw, input_hw, torch.device("cpu"))


def logits(grid_hw: tuple[int, int], roughness: float, seed: int) -> np.ndarray:
    """Noise of any mean, float32 (h, w)."""
    noise = np.random.default_rng(seed).normal(size=grid_hw).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), roughness) if roughness else noise
    return smooth / smooth.std() - np.float32(0.7 * seed)


def slow_component(dense: np.ndarray, point_xy: tuple[float, float]) -> np.ndarray:
    """The connected part of a mask (H, W) with the pixel that is nearest to a point."""
    if not dense.any():
        return dense
    _, parts = cv2.connectedComponents(dense.astype(np.uint8), connectivity=8)
    rows, columns = np.nonzero(dense)
    nearest = np.hypot(columns + 0.5 - point_xy[0], rows + 0.5 - point_xy[1]).argmin()
    return parts == parts[rows[nearest], columns[nearest]]


def is_tight(mask: Mask) -> bool:
    return Mask.from_dense(mask.bits).bits.shape == mask.bits.shape


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("roughness", ROUGHNESS.values(), ids=ROUGHNESS)
@pytest.mark.parametrize("name", VIEWS)
def test_equals_the_part_of_the_whole_picture(name: str, roughness: float, seed: int) -> None:
    own, low_res = embedding(name), logits(VIEWS[name][0], roughness, seed)
    (whole,) = own.upscale(low_res[None])
    got = own.mask(low_res)
    assert np.array_equal(got.dense(own.size_hw), whole) and is_tight(got)
    h, w = own.size_hw
    points = np.random.default_rng(seed).uniform((0, 0), (w, h), (6, 2)).tolist()
    for point in [*points, (0.0, 0.0), (float(w), float(h)), (w / 2, -3.0)]:
        got = own.mask(low_res, tuple(point))
        assert np.array_equal(got.dense(own.size_hw), slow_component(whole, tuple(point))) and is_tight(got)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_nothing_and_everything(name: str, value: float) -> None:
    own, low_res = embedding(name), np.full(VIEWS[name][0], value, np.float32)
    area = np.prod(own.size_hw) if value > 0 else 0
    assert own.mask(low_res).area == own.mask(low_res, (0.5, 0.5)).area == area


def test_only_the_part_under_the_point_is_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, upscaled = [], upscaling._upscaled
    monkeypatch.setattr(
        upscaling, "_upscaled", lambda logits, rect, *axes: seen.append(rect) or upscaled(logits, rect, *axes)
    )
    own, low_res = embedding("letterboxed"), np.full((256, 256), -1, np.float32)
    low_res[10:14, 20:26] = low_res[100:140, 100:220] = 1
    small, far = own.mask(low_res, (170.0, 90.0)), own.mask(low_res, (0.0, 0.0))
    assert small.area == far.area and small.xyxy == far.xyxy
    (left, top, width, height), _, whole = seen
    assert (left, top, left + width, top + height) == (19, 9, 27, 15)  # and a cell around
    assert whole == (20, 10, 200, 130)  # no mask under the point: any may be the nearest


@pytest.mark.parametrize("name", VIEWS)
def test_pixels_and_logits_that_look_at_each_other(name: str) -> None:
    for axis in upscaling.axes(*VIEWS[name]):
        np.testing.assert_allclose(axis.weights.sum(1), 1, atol=1e-6)
        for low, high in ((0, 0), (3, 5), (0, axis.weights.shape[1] - 1)):
            looking = np.flatnonzero(axis.weights[:, low : high + 1].any(1))
            pixels = axis.pixels(low, high)
            assert list(range(pixels.start, pixels.stop)) == looking.tolist()
            if len(looking):
                seen = np.flatnonzero(axis.weights[pixels].any(0))
                assert (seen[0], seen[-1] + 1) == (axis.logits(pixels).start, axis.logits(pixels).stop)
