"""Whether a scene has changed: noise and exposure say nothing, what is new or moves says something."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vlsam_ros.config import NodeOptions
from vlsam_ros.serving.change import COLUMNS, ROWS, changed, thumbnail
from vlsam_ros.synthetic.drive import sample_drive
from vlsam_ros.synthetic.render import render

LIMIT = NodeOptions().change


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return render(sample_drive().world).image


def noisy(image: np.ndarray, strength: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, strength, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def exposed(image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def with_box(image: np.ndarray, side_px: int) -> np.ndarray:
    """A dark thing on the road ahead."""
    image = image.copy()
    cv2.rectangle(image, (800, 640), (800 + side_px, 640 + side_px), (20, 20, 20), -1)
    return image


@pytest.mark.parametrize("size_hw", [(900, 1600), (480, 640), (18, 32), (10, 10), (1, 1), (3, 2000)])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "rgb"])
def test_a_thumbnail_has_one_size_type_and_range(size_hw: tuple[int, int], channels: tuple[int, ...]) -> None:
    for value in (0, 255):
        small = thumbnail(np.full((*size_hw, *channels), value, np.uint8))
        assert small.shape == (ROWS, COLUMNS) and small.dtype == np.float32
        assert np.all(small == value / 255)


def test_a_cell_is_the_mean_of_its_part() -> None:
    image = np.random.default_rng(1).integers(0, 256, (ROWS * 7, COLUMNS * 5), np.uint8)
    means = image.reshape(ROWS, 7, COLUMNS, 5).mean((1, 3)) / 255
    np.testing.assert_allclose(thumbnail(image), means, atol=0.5 / 255 + 1e-6)


STILL = {
    "itself": lambda image: image,
    "noise": lambda image: noisy(image, 8),
    "darker": lambda image: exposed(image, 0.7),
    "a little brighter": lambda image: exposed(image, 1.1),
    "a pixel lower": lambda image: np.roll(image, 1, axis=0),
}


@pytest.mark.parametrize("same", STILL.values(), ids=STILL)
def test_a_still_scene_has_not_changed(same, picture: np.ndarray) -> None:
    assert changed(thumbnail(picture), thumbnail(same(picture))) < LIMIT


@pytest.mark.parametrize("side_px", [60, 120, 400])
def test_something_new_on_the_road_is_a_change_whatever_the_light_does(side_px: int, picture: np.ndarray) -> None:
    before = thumbnail(picture)
    for factor in (0.7, 1.0):
        assert changed(before, thumbnail(exposed(with_box(picture, side_px), factor))) > LIMIT


def test_driving_is_a_change(picture: np.ndarray) -> None:
    assert changed(thumbnail(picture), thumbnail(render(sample_drive().world, ego_m=1.0).image)) > LIMIT


def test_change_is_symmetric_bounded_and_defined_in_the_dark() -> None:
    rng = np.random.default_rng(2)
    pictures = [np.zeros((ROWS, COLUMNS), np.float32), np.ones((ROWS, COLUMNS), np.float32)]
    pictures += [rng.random((ROWS, COLUMNS), np.float32) for _ in range(8)]
    for a in pictures:
        assert changed(a, a) == 0
        for b in pictures:
            assert 0 <= changed(a, b) <= 1
            assert changed(a, b) == pytest.approx(changed(b, a), abs=0.02)


def test_a_covered_lens_is_a_change(picture: np.ndarray) -> None:
    dark = thumbnail(np.zeros_like(picture))
    assert changed(thumbnail(picture), dark) > LIMIT and changed(dark, thumbnail(picture)) > LIMIT
