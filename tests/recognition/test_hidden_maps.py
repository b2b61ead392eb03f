"""Maps of hidden states: against the cosine by hand, on every kind of layout, without any attention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slow_flow
import torch
from fakes import FakeSegmenter, FakeVlm, picture

from vlsam_ros.config import AttentionOptions, Config
from vlsam_ros.data import Answer, Hidden, ImageLayout
from vlsam_ros.errors import VlmError
from vlsam_ros.pipeline import VLSam
from vlsam_ros.recognition.attention import maps, normalised, smoothed, wants_background, wants_hidden
from vlsam_ros.recognition.flow import resolved
from vlsam_ros.recognition.hidden import similarity

CROPPED = ImageLayout(
    np.arange(1, 7).reshape(2, 3), (0, 0, 60, 40), crops=(ImageLayout(np.arange(7, 15).reshape(2, 4), (0, 0, 60, 40)),)
)
SPREAD = ImageLayout(np.arange(1, 4), (0, 0, 60, 40), np.random.default_rng(0).random((3, 2, 3), np.float32))
ROWS = [[16], [17, 18]]


def answer(layout: ImageLayout = slow_flow.GRID, width: int = 6, **fields: object) -> Answer:
    g = torch.Generator().manual_seed(2)
    image, said = (torch.randn(n, width, generator=g) + 3 for n in (len(layout.positions), 4))
    made = replace(slow_flow.answer(slow_flow.random_layers()), layout=layout, hidden=Hidden(image, said))
    return replace(made, **fields)


def by_hand(own: Answer, rows: list[int]) -> np.ndarray:
    """One number for each image token: the cosine of two vectors, both less the image's mean."""
    image, said = own.hidden.image.double().numpy(), own.hidden.answer.double().numpy()
    middle = sum(image) / len(image)
    name = sum(said[row - own.first_row] for row in rows) / len(rows) - middle
    cosines = [(x - middle) @ name / np.sqrt((x - middle) @ (x - middle)) / np.sqrt(name @ name) for x in image]
    return np.array([max(c, 0) for c in cosines])


def test_a_map_is_the_centred_cosine_of_name_and_image() -> None:
    own = answer()
    expected = [by_hand(own, rows) for rows in ROWS]
    np.testing.assert_allclose(similarity(own, ROWS).numpy(), expected, atol=1e-6)
    assert min(e.min() for e in expected) == 0 < min(e.max() for e in expected)
    for sigma in (0.0, 0.8):
        options = AttentionOptions(preset="hidden", sigma=sigma)
        for heat, row in zip(maps([[own]], [[ROWS]], options)[0][0], expected, strict=True):
            grid = row.reshape(3, 4).astype(np.float32)
            np.testing.assert_allclose(heat, normalised(smoothed(grid, sigma)), atol=1e-5)


def test_what_all_tokens_share_changes_nothing() -> None:
    own = answer()
    shifted = replace(own, hidden=Hidden(own.hidden.image + 50, own.hidden.answer + 50))
    np.testing.assert_allclose(similarity(own, ROWS), similarity(shifted, ROWS), atol=1e-4)
    scaled = replace(own, hidden=Hidden((own.hidden.image * 8).half(), (own.hidden.answer * 8).half()))
    np.testing.assert_allclose(similarity(own, ROWS), similarity(scaled, ROWS), atol=1e-2)


@pytest.mark.parametrize("layout", [CROPPED, SPREAD], ids=["crops", "queries"])
def test_layouts_carry_it_to_the_view(layout: ImageLayout) -> None:
    own = answer(layout)
    for heat, rows in zip(maps([[own]], [[ROWS]], AttentionOptions(preset="hidden"))[0][0], ROWS, strict=True):
        each = by_hand(own, rows)
        if layout.spread is not None:
            expected = np.tensordot(each, layout.spread, 1)
        else:  # 2 × 3 cells and 2 × 4 on a grid of 2 × 4: a cell is shared among those that it covers
            coarse, fine = each[:6].reshape(2, 3), each[6:].reshape(2, 4)
            share = np.array([[3 / 4, 0, 0], [1 / 4, 1 / 2, 0], [0, 1 / 2, 1 / 4], [0, 0, 3 / 4]])
            expected = coarse @ share.T + fine
        assert heat.shape == layout.grid_hw
        np.testing.assert_allclose(heat, (expected - expected.min()) / np.ptp(expected), atol=1e-5)


def test_the_product_is_that_of_both_maps() -> None:
    own = answer()
    for contrast in ("none", "null"):
        flow, alike, both = (
            maps([[own]], [[ROWS]], AttentionOptions(preset=preset, contrast=contrast, sigma=0.0))[0][0]
            for preset in ("vlsam", "hidden", "product")
        )
        for a, b, product in zip(flow, alike, both, strict=True):
            np.testing.assert_allclose(product, normalised(a * b), atol=1e-6)
            assert not np.allclose(product, a, atol=0.1)


def test_without_attention_there_is_a_map_and_without_hidden_states_an_error() -> None:
    own = answer(layers=0, layer=lambda _: pytest.fail("there is no attention"))
    assert maps([[own]], [[ROWS]], AttentionOptions(preset="hidden"))[0][0].max() == 1
    for preset in ("hidden", "product"):
        with pytest.raises(VlmError, match="needs hidden states"):
            maps([[answer(hidden=None)]], [[ROWS]], AttentionOptions(preset=preset))


@pytest.mark.parametrize("value", [0.0, 1.0, 7.5])
def test_a_picture_that_is_the_same_everywhere_has_no_map(value: float) -> None:
    own = answer(hidden=Hidden(torch.full((12, 6), value), torch.randn(4, 6)))
    assert not maps([[own]], [[ROWS]], AttentionOptions(preset="hidden"))[0][0].any()


def test_one_image_token_and_no_names() -> None:
    own = answer(ImageLayout(np.array([[3]]), (0, 0, 10, 10)))
    assert maps([[own]], [[ROWS]], AttentionOptions(preset="hidden"))[0][0].tolist() == [[[0.0]], [[0.0]]]
    assert maps([[answer()]], [[[]]], AttentionOptions(preset="hidden"))[0][0].shape == (0, 3, 4)


@pytest.mark.parametrize("preset", ["hidden", "product"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_states_that_are_not_finite_are_an_error(value: float, preset: str) -> None:
    for part in ("image", "answer"):
        own = answer()
        getattr(own.hidden, part)[0, 2] = value
        with pytest.raises(VlmError, match="hidden states .* are not finite"):
            maps([[own]], [[ROWS]], AttentionOptions(preset=preset))


def test_presets_know_what_they_need() -> None:
    presets = {
        preset: AttentionOptions(preset=preset, contrast="background") for preset in ("decaf", "hidden", "product")
    }
    assert {preset: wants_background(o) for preset, o in presets.items()} == {
        "decaf": True,
        "hidden": False,
        "product": True,
    }
    assert [wants_hidden(AttentionOptions(preset=p)) for p in ("vlsam", "decaf", "hidden", "product")] == [0, 0, 1, 1]
    assert resolved(AttentionOptions(preset="product"), 3).residual == "vlsam"
    assert resolved(AttentionOptions(preset="hidden", first_layer=9), 0).contrast == "none"


@pytest.mark.parametrize("preset", ["hidden", "product"])
def test_the_pipeline_finds_things_by_them(preset: str) -> None:
    image = picture((120, 160), {"red box": [(20, 30, 60, 70)], "blue ball": [(100, 60, 140, 100)]})
    flat = {"attention.preset": preset, "views.far": 0, "views.tile_rows": 0}
    found = VLSam(FakeVlm(), FakeSegmenter(), Config.from_flat(flat))(image)
    assert {d.label: d.xyxy for d in found.items} == {"red box": (20, 30, 60, 70), "blue ball": (100, 60, 140, 100)}
