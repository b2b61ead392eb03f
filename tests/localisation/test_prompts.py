"""From a map to points."""

import numpy as np
import pytest

from vlsam_ros.config import PromptOptions
from vlsam_ros.data import ImageLayout, Mask
from vlsam_ros.localisation import prompts

OPTIONS = PromptOptions()
LAYOUT = ImageLayout(np.arange(64).reshape(8, 8), (0.0, 0.0, 160.0, 80.0))  # a cell is 20 × 10 px


def heat(*spots: tuple[int, int, float]) -> np.ndarray:
    """A map (8, 8) with values at (row, column)."""
    out = np.zeros((8, 8), np.float32)
    for row, column, value in spots:
        out[row, column] = value
    return out


def near(point_xy: tuple[float, float], row: float, column: float) -> bool:
    """Whether a point lies within half a cell of a cell's centre."""
    return abs(point_xy[0] - 20 * (column + 0.5)) <= 10 and abs(point_xy[1] - 10 * (row + 0.5)) <= 5


@pytest.mark.parametrize(
    ("map_", "cells"),
    [
        (heat(), []),
        (heat((3, 4, 1.0)), [(3, 4)]),
        (heat((0, 0, 1.0)), [(0, 0)]),
        (heat((7, 7, 1.0)), [(7, 7)]),
        (heat((1, 1, 1.0), (6, 6, 0.6)), [(1, 1), (6, 6)]),
        (heat((1, 1, 0.6), (6, 6, 1.0)), [(6, 6), (1, 1)]),
        (heat((1, 1, 1.0), (6, 6, 0.2)), [(1, 1)]),
        (heat((3, 3, 1.0), (3, 4, 0.9)), [(3, 3)]),
        (heat((3, 2, 1.0), (3, 3, 0.5), (3, 4, 0.9)), [(3, 2), (3, 4)]),
        (heat((1, 1, 0.004)), [(1, 1)]),
    ],
    ids=[
        "zeros", "one", "first corner", "last corner", "two", "best first", "below the threshold", "neighbours are one",
        "two peaks of one component", "faint",
    ],
)  # fmt: skip
def test_one_seed_per_separated_peak(map_, cells):
    found = prompts.seeds(map_, LAYOUT, OPTIONS)
    assert len(found) == len(cells)
    assert all(near(s.point_xy, *cell) for s, cell in zip(found, cells, strict=True))
    assert [s.value for s in found] == sorted((s.value for s in found), reverse=True)
    assert all(0 < s.value <= 1 for s in found)


def test_most_seeds_and_least_distance():
    many = heat(*((r, c, 1 - 0.01 * r) for r in (0, 3, 6) for c in (0, 3, 6)))
    assert len(prompts.seeds(many, LAYOUT, PromptOptions())) == 8
    assert len(prompts.seeds(many, LAYOUT, PromptOptions(max_seeds=64))) == 9
    assert len(prompts.seeds(many, LAYOUT, PromptOptions(max_seeds=64, peak_distance=5))) < 5


def test_a_plateau_has_seeds_at_the_distance():
    found = prompts.seeds(np.ones((8, 8), np.float32), LAYOUT, PromptOptions(peak_distance=3, max_seeds=64))
    cells = np.array([s.point_xy for s in found]) / (20, 10)
    gaps = np.hypot(*(cells[:, None] - cells[None]).transpose(2, 0, 1))
    assert gaps[~np.eye(len(found), dtype=bool)].min() >= 3


@pytest.mark.parametrize("negatives", [0, 1, 3])
def test_negatives_lie_low_and_near_but_off_the_positive_area(negatives):
    found = prompts.seeds(heat((4, 4, 1.0), (4, 5, 0.8)), LAYOUT, PromptOptions(negatives=negatives))
    assert len(found) == 1 and len(found[0].negatives_xy) == negatives
    for x, y in found[0].negatives_xy:
        row, column = y / 10 - 0.5, x / 20 - 0.5
        assert 1 < np.hypot(row - 4, column - 4) < 6
        assert not (abs(row - 4) <= 1 and 3 <= column <= 6)


def test_no_negative_where_everything_is_positive():
    found = prompts.seeds(np.ones((8, 8), np.float32), LAYOUT, OPTIONS)
    assert found and all(s.negatives_xy == () for s in found)
    batch = prompts.batch(found, PromptOptions(negatives=2), (80, 160))
    assert (batch.labels[:, 0] == 1).all() and (batch.labels[:, 1:] == -1).all()


@pytest.mark.parametrize("grid_hw", [(1, 1), (1, 9), (16, 1), (24, 24)])
@pytest.mark.parametrize("upsample", [1, 4])
def test_any_grid(grid_hw, upsample):
    layout = ImageLayout(np.zeros(grid_hw, int), (0.0, 0.0, 100.0, 50.0))
    rng = np.random.default_rng(0)
    found = prompts.seeds(rng.random(grid_hw, dtype=np.float32), layout, PromptOptions(upsample=upsample))
    assert found
    for seed in found:
        for x, y in (seed.point_xy, *seed.negatives_xy):
            assert 0 < x < 100 and 0 < y < 50


def test_points_lie_where_the_grid_does():
    layout = ImageLayout(LAYOUT.columns, (40.0, 10.0, 120.0, 90.0))
    x, y = prompts.seeds(heat((0, 0, 1.0)), layout, OPTIONS)[0].point_xy
    assert 40 < x < 50 and 10 < y < 20


def seed(*positives: tuple, negatives: tuple = (), box: tuple = (0.0, 0.0, 1.0, 1.0)) -> prompts.Seed:
    return prompts.Seed(positives, negatives, 1.0, box)


def test_batch_is_padded_and_clipped():
    some = [seed((-5.0, 3.0), negatives=((1.0, 2.0),)), seed((7.0, 999.0), (8.0, 9.0), box=(-3.0, 5.0, 170.0, 79.0))]
    out = prompts.batch(some, PromptOptions(negatives=2), (80, 160))
    assert out.points_xy.tolist() == [[[0, 3], [1, 2], [0, 0]], [[7, 80], [0, 0], [0, 0]]]
    assert out.labels.tolist() == [[1, 0, -1], [1, -1, -1]] and out.boxes_xyxy is None
    assert out.points_xy.dtype == np.float32 and out.labels.dtype == np.int32
    out = prompts.batch(some, PromptOptions(positives=2, negatives=1), (80, 160), boxes=True)
    assert out.points_xy.tolist() == [[[0, 3], [1, 2], [0, 0]], [[7, 80], [8, 9], [0, 0]]]
    assert out.labels.tolist() == [[1, 0, -1], [1, 1, -1]]
    assert out.boxes_xyxy.tolist() == [[0, 0, 1, 1], [0, 5, 160, 79]]


@pytest.mark.parametrize(
    ("map_", "components", "largest"),
    [
        (heat(), [], []),
        (heat((3, 4, 1.0)), [(3, 4)], [(3, 4)]),
        (heat((1, 1, 1.0), (6, 6, 0.6)), [(1, 1), (6, 6)], [(1, 1)]),
        (heat((1, 1, 1.0), (6, 5, 0.5), (6, 6, 0.6)), [(1, 1), (6, 6)], [(6, 6)]),
        (heat((3, 2, 1.0), (3, 3, 0.5), (3, 4, 0.9)), [(3, 2)], [(3, 2)]),
        (np.ones((8, 8), np.float32), [(0, 0)], [(0, 0)]),
    ],
    ids=["zeros", "one", "two alike", "the lower one is larger", "two peaks", "everything"],
)
def test_components_and_the_largest(map_, components, largest):
    for seeding, cells in (("components", components), ("largest", largest)):
        found = prompts.seeds(map_, LAYOUT, PromptOptions(seeding=seeding, upsample=1))
        assert len(found) == len(cells)
        assert all(near(s.point_xy, *cell) for s, cell in zip(found, cells, strict=True))


def flooded(positive: np.ndarray, start: tuple[int, int]) -> set[tuple[int, int]]:
    """The cells that are connected with one, corners included."""
    found, waiting = set(), [start]
    while waiting:
        cell = waiting.pop()
        inside = all(0 <= i < n for i, n in zip(cell, positive.shape, strict=True))
        if inside and positive[cell] and cell not in found:
            found.add(cell)
            waiting += [(cell[0] + dr, cell[1] + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
    return found


@pytest.mark.parametrize("i", range(8))
def test_the_papers_pair_equals_a_slow_reference(i):
    map_ = np.random.default_rng(i).permutation(64).reshape(8, 8).astype(np.float32) ** 2 / 63**2
    positive = map_ >= 0.35 * map_.max()
    areas = [flooded(positive, (int(r), int(c))) for r, c in np.argwhere(positive)]
    size = max(map(len, areas))
    tops = [max(area, key=lambda cell: map_[cell]) for area in areas if len(area) == size]
    bottom = min(((int(r), int(c)) for r, c in np.argwhere(~positive)), key=lambda cell: map_[cell])
    (found,) = prompts.seeds(
        map_, LAYOUT, PromptOptions(seeding="largest", negatives_from="anywhere", threshold=0.35, upsample=1)
    )
    assert any(near(found.point_xy, *top) for top in tops)
    assert near(found.negatives_xy[0], *bottom)


@pytest.mark.parametrize("seeding", ["peaks", "components", "largest"])
@pytest.mark.parametrize("i", range(4))
def test_a_seeds_positives_lie_apart_in_its_box_and_nearer_to_it_than_to_others(seeding, i):
    map_ = np.random.default_rng(i).random((8, 8), dtype=np.float32)
    found = prompts.seeds(map_, LAYOUT, PromptOptions(seeding=seeding, positives=3))
    assert found and max(len(s.positives_xy) for s in found) == 3
    for s in found:
        x0, y0, x1, y1 = s.box_xyxy
        assert all(x0 < x < x1 and y0 < y < y1 for x, y in s.positives_xy)
        cells = np.array(s.positives_xy) / (20, 10)
        gaps = np.hypot(*(cells[:, None] - cells[None]).transpose(2, 0, 1))
        assert gaps[~np.eye(len(cells), dtype=bool)].min(initial=9) >= prompts.APART
        if seeding == "peaks":
            tops = np.array([o.point_xy for o in found]) / (20, 10)
            box = s.box_xyxy
            rivals = [t for o, t in zip(found, tops, strict=True) if o.box_xyxy[0] < box[2] and box[0] < o.box_xyxy[2]]
            for cell in cells:
                assert np.hypot(*(cell - cells[0])) <= min(np.hypot(*(cell - r)) for r in rivals) + 1e-6


def test_a_small_area_has_fewer_positives_than_wanted():
    (found,) = prompts.seeds(heat((3, 4, 1.0)), LAYOUT, PromptOptions(positives=8))
    assert 1 <= len(found.positives_xy) < 8 and found.box_xyxy[0] >= 70 and found.box_xyxy[2] <= 110


@pytest.mark.parametrize(
    ("map_", "options", "expected"),
    [
        (heat((0, 0, 1.0)), {"threshold": 0.35}, 0.35),
        (0.5 * heat((0, 0, 1.0)), {"threshold": 0.35}, 0.175),
        (heat((0, 0, 1.0)), {"threshold": 0.0}, np.finfo(np.float32).tiny),
        (heat((0, 0, 1.0)), {"threshold": 0.0, "threshold_from": "mean"}, 1 / 64),
        (heat((0, 0, 1.0)), {"threshold": 0.5, "threshold_from": "mean"}, (1 / 64 + 1) / 2),
        (heat((0, 0, 1.0)), {"threshold": 1.0, "threshold_from": "mean"}, 1.0),
        (np.full((8, 8), 0.3, np.float32), {"threshold": 0.5, "threshold_from": "mean"}, float(np.float32(0.3))),
    ],
    ids=["share", "share of the maximum", "above 0", "mean", "half way", "maximum", "constant"],
)
def test_level(map_, options, expected):
    assert prompts.level(map_, PromptOptions(**options)) == pytest.approx(expected, rel=1e-6)
    assert (map_ >= prompts.level(map_, PromptOptions(**options))).any()


def test_hidden_cells_have_no_seed_and_the_threshold_stays():
    map_ = heat((1, 1, 1.0), (6, 6, 0.6), (1, 6, 0.2))
    hidden = heat((1, 1, 1.0)) > 0
    found = prompts.seeds(map_, LAYOUT, OPTIONS, hidden)
    assert len(found) == 1 and near(found[0].point_xy, 6, 6)
    assert prompts.seeds(map_, LAYOUT, OPTIONS, map_ > 0) == []
    assert prompts.seeds(map_, LAYOUT, OPTIONS, np.ones((8, 8), bool)) == []


def test_touched_cells_and_their_neighbours():
    out = prompts.touched(heat((3, 3, 0.1)))
    assert out.sum() == 9 and out[2:5, 2:5].all() and not prompts.touched(heat()).any()


@pytest.mark.parametrize(
    ("mask", "cells"),
    [
        (Mask(0, 0, np.ones((80, 160), bool)), {(r, c): 1.0 for r in range(8) for c in range(8)}),
        (Mask(20, 10, np.ones((10, 20), bool)), {(1, 1): 1.0}),
        (Mask(20, 10, np.ones((5, 10), bool)), {(1, 1): 0.25}),
        (Mask(30, 10, np.ones((10, 20), bool)), {(1, 1): 0.5, (1, 2): 0.5}),
        (Mask(0, 0, np.zeros((0, 0), bool)), {}),
    ],
    ids=["all", "one cell", "a quarter", "two halves", "empty"],
)
def test_coverage(mask, cells):
    cover = prompts.coverage(mask, LAYOUT)
    expected = np.zeros((8, 8))
    for cell, share in cells.items():
        expected[cell] = share
    assert cover.dtype == np.float32 and np.allclose(cover, expected, atol=1e-6)


@pytest.mark.parametrize("box", [(-40.0, -20.0, 200.0, 100.0), (40.0, 20.0, 120.0, 60.0), (500.0, 500.0, 600.0, 600.0)])
def test_coverage_of_a_padded_or_cropped_grid(box):
    layout = ImageLayout(LAYOUT.columns, box)
    dense = np.zeros((1000, 1000), bool)
    dense[30:70, 50:90] = True
    cover = prompts.coverage(Mask.from_dense(dense), layout)
    cell_px = (box[2] - box[0]) * (box[3] - box[1]) / 64
    x0, y0, x1, y1 = (int(max(0, v)) for v in box)
    assert cover.sum() * cell_px == pytest.approx(dense[y0:y1, x0:x1].sum(), rel=1e-4)


def test_reseed_moves_to_the_maximum_inside_the_mask():
    map_ = heat((1, 1, 1.0), (5, 5, 0.7), (5, 6, 0.6))
    cover = np.zeros((8, 8), np.float32)
    cover[4:7, 4:8] = 1
    seed = prompts.reseed(map_, cover, LAYOUT, OPTIONS)
    assert near(seed.point_xy, 5, 5) and 0.5 < seed.value < 0.8
    for x, y in seed.negatives_xy:
        assert not (70 <= x <= 160 and 35 <= y <= 75)


def test_reseed_needs_attention_inside_the_mask():
    cover = np.zeros((8, 8), np.float32)
    assert prompts.reseed(heat((1, 1, 1.0)), cover, LAYOUT, OPTIONS) is None
    cover[6, 6] = 1
    assert prompts.reseed(heat((1, 1, 1.0)), cover, LAYOUT, OPTIONS) is None


def test_territories():
    some = [seed((10.0, 40.0)), seed((150.0, 40.0))]
    out = prompts.territories(some, LAYOUT)
    assert (out[:, :4] == 0).all() and (out[:, 4:] == 1).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_enlarged_is_bicubic(factor):
    """Against the kernel of Keys (1981) with a = -0.75, one sample after the other."""
    map_ = np.random.default_rng(0).random((6, 5), dtype=np.float32)

    def kernel(t: float) -> float:
        t, a = abs(t), -0.75
        return (a + 2) * t**3 - (a + 3) * t**2 + 1 if t < 1 else a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0

    def weights(n: int) -> np.ndarray:
        out = np.zeros((n * factor, n))
        for i in range(n * factor):
            at = (i + 0.5) / factor - 0.5
            for k in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
                out[i, min(max(k, 0), n - 1)] += kernel(at - k)
        return out

    assert np.allclose(prompts.enlarged(map_, factor), np.clip(weights(6) @ map_ @ weights(5).T, 0, 1), atol=1e-5)


def test_a_peak_between_cells_lies_between_them():
    ((x, y),) = (s.point_xy for s in prompts.seeds(heat((3, 4, 1.0), (3, 5, 0.95)), LAYOUT, OPTIONS))
    assert 90 < x < 110 and 33 < y < 37  # the cells' centres are at 90 and 110, and at 35


@pytest.mark.parametrize("i", range(6))
def test_territories_equal_a_slow_reference(i):
    rng = np.random.default_rng(i)
    layout = ImageLayout(np.zeros((5, 7), int), (-13.0, 4.0, 92.0, 61.0))
    some = [seed(tuple(rng.uniform((-13, 4), (92, 61)))) for _ in range(1 + i)]
    out = prompts.territories(some, layout)
    for row, column in np.ndindex(5, 7):
        centre = -13 + (column + 0.5) * 15, 4 + (row + 0.5) * 11.4
        assert out[row, column] == min(range(len(some)), key=lambda k: np.hypot(*np.subtract(some[k].point_xy, centre)))


@pytest.mark.parametrize("apart", range(1, 7))
@pytest.mark.parametrize(("down", "across"), [(0, 1), (1, 0)])
def test_a_peak_rules_as_far_as_the_distance(apart, down, across):
    options = PromptOptions(upsample=1, peak_distance=3)
    for first, last in ((1.0, 0.9), (0.9, 1.0)):
        fine = heat((0, 0, first), (apart * down, apart * across, last))
        assert len(prompts.peaks(fine, fine > 0, options)) == (2 if apart > 3 else 1)


def test_further_positives_are_the_highest_of_what_lies_apart():
    map_ = heat((3, 3, 1.0), (3, 4, 0.95), (3, 5, 0.8), (4, 3, 0.9), (4, 4, 0.5), (4, 5, 0.4))
    options = PromptOptions(positives=4, upsample=1, threshold=0.3, peak_distance=8)
    (found,) = prompts.seeds(map_, LAYOUT, options)
    assert [(y / 10 - 0.5, x / 20 - 0.5) for x, y in found.positives_xy] == [(3, 3), (3, 4), (4, 3), (3, 5)]


@pytest.mark.parametrize("where", ["near", "anywhere"])
@pytest.mark.parametrize("i", range(4))
def test_negatives_lie_apart(where, i):
    map_ = 0.2 * np.random.default_rng(i).random((24, 24), dtype=np.float32)
    map_[12, 12] = 1
    layout = ImageLayout(np.zeros((24, 24), int), (0.0, 0.0, 240.0, 240.0))
    found = prompts.seeds(map_, layout, PromptOptions(negatives=5, negatives_from=where))[0]
    cells = np.array(found.negatives_xy) / 10
    gaps = np.hypot(*(cells[:, None] - cells[None]).transpose(2, 0, 1))
    assert len(cells) == 5 and gaps[~np.eye(5, dtype=bool)].min() > prompts.RING


@pytest.mark.parametrize(("lowest", "expected"), [((2, 4), (2, 4)), ((4, 1), (4, 1)), ((0, 0), None)])
def test_a_negative_is_the_lowest_of_the_ring_and_not_the_nearest(lowest, expected):
    """Beyond the ring nothing is taken, however low it is; of equals the nearest is."""
    map_ = np.full((8, 8), 0.2, np.float32)
    map_[4, 4], map_[lowest] = 1, 0.1
    (found,) = prompts.seeds(map_, LAYOUT, PromptOptions(upsample=1))
    ((x, y),) = found.negatives_xy
    cell = (round(y / 10 - 0.5), round(x / 20 - 0.5))
    assert cell == expected if expected else np.hypot(cell[0] - 4, cell[1] - 4) == 2
