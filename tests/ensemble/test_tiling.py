"""Views of a frame and the way back."""

import numpy as np
import pytest

from vlsam_ros.config import ViewOptions
from vlsam_ros.data import Detection, Mask, View
from vlsam_ros.ensemble.tiling import HORIZON_IN_VIEW, cut_by_border, lift, spread, views

SIZES = [(900, 1600), (1080, 1920), (480, 640), (640, 480), (333, 777), (64, 64), (65, 1000)]


def detection(x0: int, y0: int, x1: int, y1: int, view: str = "full") -> Detection:
    return Detection("dog", 0.5, 0.5, 0.5, 0.5, Mask(x0, y0, np.ones((y1 - y0, x1 - x0), bool)), view)


def test_order_is_full_then_far_then_tiles():
    assert [v.name for v in views((900, 1600), ViewOptions())] == [
        "full", "far_0", "far_1", "far_2", "tile_0_0", "tile_0_1", "tile_1_0", "tile_1_1",
    ]  # fmt: skip


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("options", [ViewOptions(), ViewOptions(tile_rows=3, tile_columns=4, overlap=0.5, far=8)])
def test_views_lie_in_the_frame_and_tiles_cover_it(size_hw, options):
    height, width = size_hw
    seen = np.zeros(size_hw, int)
    for view in views(size_hw, options):
        x0, y0, x1, y1 = view.xyxy
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        seen[y0:y1, x0:x1] += view.name.startswith("tile")
    if min(size_hw) >= 300:
        assert seen.min() >= 1


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_neighbouring_tiles_share_the_overlap(overlap):
    out = [v for v in views((900, 1600), ViewOptions(overlap=overlap, far=0)) if v.name.startswith("tile_0")]
    (a0, _, a1, _), (b0, _, b1, _) = (v.xyxy for v in out)
    assert (a0, b1) == (0, 1600) and a1 - b0 == pytest.approx(overlap * (a1 - a0), abs=2)


@pytest.mark.parametrize(
    ("n", "scale", "overlap", "lefts"),
    [
        (1, 0.25, 0.2, [600]),
        (2, 0.25, 0.0, [400, 800]),
        (2, 0.25, 0.5, [500, 700]),
        (3, 0.25, 0.2, [280, 600, 920]),
        (3, 0.5, 0.2, [0, 400, 800]),
        (4, 0.5, 0.0, [0, 267, 533, 800]),
    ],
)
def test_a_band_narrower_than_the_frame_lies_in_its_middle(n, scale, overlap, lefts):
    options = ViewOptions(far=n, far_scale=scale, overlap=overlap)
    far = [v for v in views((900, 1600), options) if v.name.startswith("far")]
    assert [v.xyxy[0] for v in far] == lefts and {v.size_hw[1] for v in far} == {int(1600 * scale)}


@pytest.mark.parametrize("horizon", [0.0, 0.3, 0.5, 1.0])
def test_far_views_keep_the_aspect_and_hold_the_horizon(horizon):
    far = [v for v in views((900, 1600), ViewOptions(horizon=horizon)) if v.name.startswith("far")]
    assert len(far) == 3 and len({v.xyxy[1] for v in far}) == 1
    for view in far:
        h, w = view.size_hw
        assert w / h == pytest.approx(16 / 9, rel=0.01)
        assert view.xyxy[1] <= horizon * 900 <= view.xyxy[3]
    if horizon in (0.3, 0.5):
        assert (horizon * 900 - far[0].xyxy[1]) / far[0].size_hw[0] == pytest.approx(HORIZON_IN_VIEW, abs=0.01)


@pytest.mark.parametrize("horizon", [0.0, 0.31, 0.7, 1.0])
def test_a_known_horizon_overrides_the_option(horizon):
    assert views((900, 1600), ViewOptions(), horizon) == views((900, 1600), ViewOptions(horizon=horizon))


@pytest.mark.parametrize(("horizon", "nearest"), [(-3.0, 0.0), (-0.1, 0.0), (1.4, 1.0), (50.0, 1.0)])
def test_a_horizon_outside_the_frame_is_held_at_its_edge(horizon, nearest):
    far = [v.xyxy for v in views((900, 1600), ViewOptions(), horizon) if v.name.startswith("far")]
    edge = [v.xyxy for v in views((900, 1600), ViewOptions(), nearest) if v.name.startswith("far")]
    assert [(y0, y1) for _, y0, _, y1 in far] == [(y0, y1) for _, y0, _, y1 in edge]


@pytest.mark.parametrize(("far", "scale"), [(1, 0.35), (2, 0.3), (3, 0.35), (4, 0.5), (2, 1.0)])
def test_far_views_lie_evenly_about_the_middle(far, scale):
    out = [v.xyxy for v in views((900, 1600), ViewOptions(far=far, far_scale=scale)) if v.name.startswith("far")]
    lefts = [x0 for x0, *_ in out]
    assert lefts == sorted(lefts)
    if out:  # one as wide as the frame is the full view, and left out
        assert out[0][0] + out[-1][2] == pytest.approx(1600, abs=2)


def test_the_near_field_is_a_band_of_its_own_between_far_field_and_tiles():
    out = views((900, 1600), ViewOptions(far=1, near=2, near_scale=0.5, overlap=0.0))
    assert [v.name for v in out][:4] == ["full", "far_0", "near_0", "near_1"] and out[4].name == "tile_0_0"
    assert [v.xyxy for v in out[2:4]] == [(0, 315, 800, 765), (800, 315, 1600, 765)]


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 5000), (5000, 1), (2, 3), (31, 31)])
@pytest.mark.parametrize("full", [True, False])
def test_a_tiny_frame_has_one_view(size_hw, full):
    out = views(size_hw, ViewOptions(full=full))
    assert [v.name for v in out] == ["full"] and out[0].size_hw == size_hw


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (ViewOptions(far=0, tile_rows=0), ["full"]),
        (ViewOptions(far=0, tile_columns=0), ["full"]),
        (ViewOptions(far=0, tile_rows=1, tile_columns=1), ["full"]),
        (ViewOptions(full=False, far=1, tile_rows=0), ["far_0"]),
        (ViewOptions(full=False, far=0, tile_rows=0), ["full"]),
        (ViewOptions(full=False, far=0, tile_rows=1, tile_columns=1), ["tile_0_0"]),
    ],
)
def test_choice_of_views(options, names):
    assert [v.name for v in views((900, 1600), options)] == names


def test_spread():
    assert spread(0, 10, 4, 1) == [3] and spread(0, 10, 4, 3) == [0, 3, 6] and spread(1, 4, 4, 2) == [1, 1]


def test_lift_moves_into_the_frame():
    out = lift(detection(1, 2, 5, 7), View("tile_0_1", (100, 50, 200, 150)))
    assert out.xyxy == (101, 52, 105, 57) and out.view == "tile_0_1" and out.mask.area == 20


@pytest.mark.parametrize(
    ("xyxy", "cut"),
    [
        ((120, 80, 140, 90), False),
        ((100, 80, 140, 90), True),
        ((103, 80, 140, 90), True),
        ((104, 80, 140, 90), False),
        ((120, 60, 140, 100), True),
        ((150, 80, 200, 90), False),
        ((120, 0, 140, 10), False),
        ((120, 80, 140, 98), True),
    ],
    ids=["inside", "left", "near left", "not so near", "bottom", "frame's right", "frame's top", "near bottom"],
)
def test_cut_by_an_inner_border(xyxy, cut):
    view = View("tile_0_1", (100, 0, 200, 100))
    assert cut_by_border(detection(*xyxy), view, (200, 200), 3) is cut
    assert not cut_by_border(detection(*xyxy), View("full", (0, 0, 200, 200)), (200, 200), 3)
