"""Pictures for people."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.output.overlay import PALETTE, colour_index, draw, draw_heat, drawable, summary

SIZES = {"1600x900": (900, 1600), "tiny": (24, 32), "one pixel": (1, 1), "tall": (800, 60)}


def found(size_hw: tuple[int, int], count: int, label: str = "traffic cone") -> Detections:
    """`count` squares; the last one is empty."""
    items = []
    for i in range(count):
        mask = np.zeros(size_hw, bool)
        if i < count - 1 or count == 1:
            mask[i : i + size_hw[0] // 2 + 1, i : i + size_hw[1] // 2 + 1] = True
        items.append(Detection(label, 0.5, 0.5, 0.5, 0.5, Mask.from_dense(mask)))
    return Detections(size_hw, tuple(items), vlm="embedded-vlm", segmenter="embedded-sam", demonstration=True)


@pytest.mark.parametrize("size_hw", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_draws_any_number_on_any_size_and_leaves_the_image_alone(size_hw: tuple[int, int], count: int) -> None:
    image = np.full((*size_hw, 3), 100, np.uint8)
    picture = draw(image, found(size_hw, count))
    assert picture.shape == image.shape and picture.dtype == np.uint8
    assert (image == 100).all()


def test_mask_has_the_colour_of_its_label_in_rgb() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    mask = np.zeros((200, 200), bool)
    mask[60:190, 10:190] = True
    result = draw(image, Detections((200, 200), (Detection("stone", 0.9, 1, 1, 1, Mask.from_dense(mask)),)))
    colour = PALETTE[colour_index("stone")]
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    assert np.abs(result[150, 100].astype(int) - 0.45 * rgb).max() <= 4


def test_labels_keep_their_colours() -> None:
    assert colour_index("traffic cone") == colour_index("traffic cone")
    assert len({colour_index(f"label {i}") for i in range(1000)}) == len(PALETTE)


TEXTS = {
    "plain": ("traffic cone", "traffic cone"),
    "accents": ("Straße, Żółć, façade", "Strasse, Zolc, facade"),
    "other scripts": ("汽车", "??"),
    "half a character": ("\ud800car\udcff", " car"),
    "control characters": ("\x1b[31mred\x00\n", " [31mred"),
    "right to left": ("\u202ecar", " car"),
    "empty": ("", ""),
    "long": ("x" * 10**6, "x" * 58 + " ..."),
}


@pytest.mark.parametrize("case", TEXTS)
def test_any_text_can_be_drawn(case: str) -> None:
    text, drawn = TEXTS[case]
    assert drawable(text) == drawn
    picture = draw(np.zeros((90, 160, 3), np.uint8), found((90, 160), 2, text), problem=text or "none")
    assert picture.shape == (90, 160, 3)


AGES = {"sane": (0.5, True), "none": (None, False), "no stamp": (math.nan, False), "old recording": (9e8, False)}


@pytest.mark.parametrize(("age_s", "shown"), AGES.values(), ids=AGES)
def test_summary(age_s: float | None, shown: bool) -> None:
    text = summary(found((9, 9), 2), 1.25, age_s)
    assert text.startswith("2 found") and "1.25 s" in text and "DEMONSTRATION" in text and "embedded-vlm" in text
    assert ("age" in text) == shown


def test_a_failure_does_not_look_like_an_empty_road() -> None:
    assert summary(Detections((9, 9)), 0.1, 0.1, "VlmError: no words").startswith("FAILED: VlmError: no words")
    assert summary(Detections((9, 9), problems=("full: What?: refusal",))) == "0 found  |  1 not known"


@pytest.mark.parametrize("shape", [(1, 1), (113, 200), (3, 900)])
def test_heat(shape: tuple[int, int]) -> None:
    image = np.full((90, 160, 3), 100, np.uint8)
    cold, hot = draw_heat(image, np.zeros(shape, np.float32)), draw_heat(image, np.ones(shape, np.float32))
    assert cold.shape == image.shape and hot.mean() > cold.mean() + 30
    assert np.ptp(cold.astype(int), axis=-1).max() <= 1
