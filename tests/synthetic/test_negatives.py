"""Hard negatives of the synthetic world: their drawings, finishes and places."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vlsam_ros.synthetic import roadside
from vlsam_ros.synthetic.placing import scenery_bank
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import sample_road, sample_world
from vlsam_ros.synthetic.sprites import DISTRACTORS, draw, draw_distractor, finish, negatives

NAMES = (*negatives.UPRIGHT, *negatives.GROUND)


def test_names_are_known_and_distinct():
    assert set(NAMES) < set(DISTRACTORS)
    assert len(set(DISTRACTORS)) == len(DISTRACTORS)
    assert set(negatives.LENGTHS) == set(negatives.GROUND)
    with pytest.raises(ValueError, match="unicorn"):
        negatives.draw("unicorn", 40, np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_drawings(name: str):
    for height in (1, 40, 200):
        look = draw_distractor(name, height, np.random.default_rng(5))
        assert look.dtype == np.uint8
        assert look.shape[0] == height
        assert look.shape[2] == 4
        np.testing.assert_array_equal(look, draw_distractor(name, height, np.random.default_rng(5)))
    alpha = look[..., 3]
    assert np.count_nonzero(alpha) > 100
    assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
    others = [draw_distractor(name, 40, np.random.default_rng(seed)) for seed in range(4)]
    assert len({other.tobytes() for other in others}) == 4


def test_every_pen_draws_every_upright_thing():
    for name, painter in negatives.UPRIGHT.items():
        for pen in negatives.PENS:
            for seed in range(4):
                rng = np.random.default_rng(seed)
                made = pen(24.0, negatives.WIDTHS[name], rng)
                painter(made, rng)
                rows, columns = (np.ptp(ends) + 1 for ends in np.nonzero(made.picture()[..., 3]))
                assert columns < 1.02 * negatives.WIDTHS[name] * rows + 2, (name, pen, seed)


def test_bank_has_24_looks_of_new_names_and_12_of_old_ones():
    small = scenery_bank("fir", 3, 48)
    assert len(small) == 48
    np.testing.assert_array_equal(small, scenery_bank("fir", 27, 48))
    assert small.tobytes() != scenery_bank("fir", 15, 48).tobytes()
    assert len(scenery_bank("fir", 3, 432)) == 432
    np.testing.assert_array_equal(scenery_bank("tree", 3, 48), scenery_bank("tree", 15, 48))


@pytest.mark.parametrize("name", [*finish.FINISHES, "pencilled"])
def test_finishes_keep_shape_and_alpha(name: str):
    made = {**finish.FINISHES, **finish.UNSEEN_FINISHES}[name][0]
    look = draw("car", 80, np.random.default_rng(1))
    out = finish.finished(look, made, np.random.default_rng(2))
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out[..., 3], look[..., 3])
    assert (out.tobytes() == look.tobytes()) == (name == "plain")
    for shape in ((1, 1), (1, 7), (9, 1)):
        tiny = np.full((*shape, 4), 200, np.uint8)
        assert finish.finished(tiny, made, np.random.default_rng(0)).shape == tiny.shape


def test_drawn_takes_finishes_by_their_weights(monkeypatch: pytest.MonkeyPatch):
    seen: list[object] = []
    monkeypatch.setattr(finish, "finished", lambda rgba, made, rng: seen.append(made) or rgba)
    rng, look = np.random.default_rng(0), np.zeros((2, 2, 4), np.uint8)
    for unseen, table in ((False, finish.FINISHES), (True, finish.UNSEEN_FINISHES)):
        seen.clear()
        for _ in range(2000):
            finish.drawn(look, rng, unseen)
        assert set(seen) == {made for made, _ in table.values()}
        for made, weight in table.values():
            assert abs(seen.count(made) / 2000 - weight) < 0.05


def test_negatives_stand_off_the_road_and_lie_on_it():
    counts = []
    for seed in range(300):
        road = sample_road(np.random.default_rng(seed))
        scenery, flats = roadside.sample_negatives(np.random.default_rng(seed), road)
        assert (scenery, flats) == roadside.sample_negatives(np.random.default_rng(seed), road)
        counts.append(len(scenery))
        assert len(scenery) + len(flats) <= 60
        for thing in scenery:
            half = 0.5 * roadside._WIDTHS[thing.name] * thing.height_m
            assert thing.x_m - half > road.right_m + 0.7 or thing.x_m + half < road.left_m - 0.7
        assert all(road.left_m < thing.x_m < road.right_m for thing in flats)
        assert {thing.name for thing in (*scenery, *flats)} <= set(DISTRACTORS)
    assert min(counts) == 0
    assert max(counts) > 20


def test_a_world_with_negatives_labels_none_of_them():
    world = sample_world(3, empty=True)
    scenery, flats = roadside.sample_negatives(np.random.default_rng(8), world.road)
    view = render(dataclasses.replace(world, scenery=scenery, flats=flats), size_wh=(320, 180))
    assert not view.ids.any()
    assert not view.objects
