"""From answers to maps: which rows, on which grid, what is subtracted, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from slow_flow import GRID, answer, random_layers

from vlsam_ros.config import AttentionOptions, QuestionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK, NamedMap
from vlsam_ros.errors import ConfigError, VlmError
from vlsam_ros.recognition import attention
from vlsam_ros.recognition.flow import flow


def flowed(a: Answer, start: torch.Tensor, options: AttentionOptions) -> torch.Tensor:
    return flow([a], [start], options)[0]


def maps(a: Answer, rows: list[list[int]], options: AttentionOptions, background: Answer | None = None) -> np.ndarray:
    return attention.maps([[a]], [[rows]], options, [background])[0][0]


def named_maps(a: Answer) -> list[NamedMap]:
    return attention.named_maps([[a]], QuestionOptions(), AttentionOptions())[0]


def noisy(row: int, cells: list[int], layers: int = 8, seed: int = 0) -> list[LayerQK]:
    """Layers of 20 tokens in which one row looks at some cells and everything else is small noise."""
    g = torch.Generator().manual_seed(seed)
    out = []
    for layer in planted(20, cells, row, layers):
        noise = [torch.randn(t.shape, generator=g) * 0.2 for t in (layer.query, layer.key)]
        out.append(LayerQK(layer.query + noise[0], layer.key + noise[1], 1.0))
    return out


@pytest.mark.parametrize("preset", ["vlsam", "decaf"])
def test_each_preset_finds_a_planted_blob_and_favours_no_place(preset):
    options, background = AttentionOptions(preset=preset), answer(noisy(19, []), "road", ((0, 4),), 19)
    columns, peaks = [], []
    for cell in range(12):
        heat = maps(answer(noisy(16, [cell])), [[16]], options, background)[0]
        peaks.append(int(heat.argmax()))
    if preset == "decaf":  # smoothed over a grid of 3 × 4 cells: a neighbour may win at the border
        assert all(abs(a // 4 - b // 4) <= 1 and abs(a % 4 - b % 4) <= 1 for a, b in enumerate(peaks))
    else:
        assert peaks == list(range(12))
    for seed in range(40):
        flat = maps(answer(noisy(16, [], seed=seed)), [[16]], options, background)[0]
        columns.append(flat.reshape(-1).argmax() + 0.5)
    # Of 0 to 12. Without its cure a preset finds the first cells nearly always; the ramp per layer leans to the last.
    assert 3.5 < np.mean(columns) < (9.5 if preset == "decaf" else 11)


def test_without_its_cure_each_preset_collapses_onto_the_first_cells():
    for options in (AttentionOptions(regulariser="off"), AttentionOptions(preset="decaf", contrast="none", sigma=0.0)):
        first = [
            maps(answer(noisy(16, [], seed=seed)), [[16]], options)[0].reshape(-1).argmax() + 0.5 for seed in range(40)
        ]
        assert np.mean(first) < 3.5


def test_a_name_seen_like_the_background_has_no_map():
    a = answer(random_layers())
    options = AttentionOptions(preset="decaf")
    background = replace(a, text="abcd", token_spans=((0, 1), (1, 2), (2, 3), (3, 4)))
    (heat,) = maps(a, [[16, 17, 18, 19]], options, background)
    assert not heat.any()
    with pytest.raises(ValueError, match="background"):
        maps(a, [[16]], options)


def planted(n: int, cells: list[int], row: int, layers: int = 4) -> list[LayerQK]:
    """A row that looks at some image cells in every layer; all other rows look evenly."""
    query, key = torch.zeros(2, n, 4), torch.zeros(2, n, 4)
    query[:, row, 0] = 8
    key[:, [int(GRID.columns.reshape(-1)[c]) for c in cells], 0] = 1
    return [LayerQK(query, key, 1.0)] * layers


@pytest.mark.parametrize("regulariser", ["layer", "end", "off"])
def test_a_planted_blob_is_found(regulariser):
    a = answer(planted(20, [6, 7], row=16))
    heat = maps(a, [[16]], AttentionOptions(regulariser=regulariser))[0]
    assert heat.shape == (3, 4) and heat.dtype == np.float32
    assert set(np.argsort(heat.reshape(-1))[-2:]) == {6, 7}
    assert heat.max() == 1 and heat.min() == 0


def test_rows_of_a_name_are_averaged():
    a = answer(random_layers())
    options = AttentionOptions()
    both = flowed(a, torch.eye(20)[[16, 17]].mean(0, keepdim=True), options)
    single = flowed(a, torch.eye(20)[[16, 17]], options)
    assert torch.allclose(both[0], single.mean(0), rtol=1e-5)
    cells = both[0, 1:13].reshape(3, 4).numpy()
    assert np.allclose(maps(a, [[16, 17]], options)[0], attention.normalised(cells), atol=1e-5)


def test_what_went_to_crops_is_added_where_they_are():
    crop = ImageLayout(np.arange(13, 17).reshape(2, 2), (40.0, 0.0, 80.0, 30.0))
    a = replace(answer(random_layers()), layout=replace(GRID, crops=(crop,)))
    assert a.layout.grid_hw == (4, 4) and a.layout.positions.tolist() == list(range(1, 17))
    row = flowed(a, torch.eye(20)[[18]], AttentionOptions())[0].numpy()
    expected = np.zeros((12, 4))
    expected += np.repeat(row[1:13].reshape(3, 4), 4, axis=0) / 4
    expected[:6, 2:] += np.repeat(row[13:17].reshape(2, 2), 3, axis=0) / 3
    expected = expected.reshape(4, 3, 4).sum(1)
    assert np.allclose(maps(a, [[18]], AttentionOptions())[0], attention.normalised(expected), atol=1e-5)


@pytest.mark.parametrize("xyxy", [(0.0, 0.0, 80.0, 60.0), (10.0, 7.0, 31.0, 59.0), (20.0, 20.0, 40.0, 40.0)])
def test_regridding_keeps_the_sum_and_the_place(xyxy):
    heat = np.random.default_rng(0).random((1, 5, 3), np.float32)
    out = attention.regridded(heat, xyxy, GRID)
    assert out.shape == (1, 3, 4) and out.sum() == pytest.approx(heat.sum(), rel=1e-5)
    x, y = (np.average(np.arange(n) + 0.5, weights=out[0].sum(axis)) * 20 for n, axis in ((4, 0), (3, 1)))
    x0, y0, x1, y1 = xyxy
    assert x0 - 10 < x < x1 + 10 and y0 - 10 < y < y1 + 10


def test_no_name_no_map():
    assert maps(answer(random_layers()), [], AttentionOptions()).shape == (0, 3, 4)
    assert named_maps(answer(random_layers(), "none")) == []


def test_names_find_their_tokens():
    a = answer(random_layers(), "a dog, cat", ((0, 1), (1, 4), (4, 5), (5, 8), (8, 10)), first_row=14)
    found = named_maps(a)
    expected = maps(a, [[15, 16], [17, 18]], AttentionOptions())
    assert [m.name for m in found] == ["dog", "cat"]
    assert np.array_equal([m.heat for m in found], expected)
    assert all(m.layout is GRID and m.question == "What?" for m in found)


def test_names_without_tokens_are_left_out():
    a = answer(random_layers(), "dog, cat", ((0, 3), (3, 4)), first_row=18)
    assert [m.name for m in named_maps(a)] == ["dog"]
    beyond = answer(random_layers(), "dog, cat", ((0, 3), (3, 8)), first_row=19)
    assert [m.name for m in named_maps(beyond)] == ["dog"]


@pytest.mark.parametrize("preset", ["vlsam", "decaf"])
def test_several_views_at_once_give_what_each_gives_alone_in_one_flow(preset, monkeypatch):
    layers, calls, options = random_layers(), [], AttentionOptions(preset=preset)
    turned = [replace(x, query=x.query.flip(0), key=x.key.flip(0)) for x in layers]
    views = [[answer(layers), answer(turned, "none")], [answer(turned, "cone, dog", ((0, 4), (4, 9)))], []]
    beside = [answer(some, "road", ((0, 4),), 19) for some in (turned, layers, layers)]
    alone = [
        attention.named_maps([own], QuestionOptions(), options, [b])[0] for own, b in zip(views, beside, strict=True)
    ]
    monkeypatch.setattr(attention, "flow", lambda *args: (calls.append(len(args[0])), flow(*args))[1])
    found = attention.named_maps(views, QuestionOptions(), options, beside)
    assert [[m.name for m in own] for own in found] == [["dog", "cat"], ["cone", "dog"], []]
    assert calls == [4 if preset == "decaf" else 2]
    for a, b in zip((m for own in found for m in own), (m for own in alone for m in own), strict=True):
        assert np.allclose(a.heat, b.heat, atol=1e-5) and a.heat.max() == 1
    assert not np.allclose(found[0][0].heat, found[1][1].heat, atol=0.1)


def test_a_name_said_a_hundred_times_is_one_map_of_all_its_tokens():
    layers = random_layers(n=120)
    a = answer(layers, "dog, " * 100, tuple((5 * i, 5 * i + 5) for i in range(100)), first_row=20)
    (found,) = named_maps(a)
    assert found.name == "dog"
    assert np.allclose(found.heat, maps(a, [list(range(20, 120))], AttentionOptions())[0], atol=1e-5)


def test_a_truncated_answer_loses_its_last_name():
    a = replace(answer(random_layers()), truncated=True)
    assert [m.name for m in named_maps(a)] == ["dog"]


@pytest.mark.parametrize(
    "broken",
    [
        lambda x: replace(x, query=x.query[:, :-1]),
        lambda x: replace(x, key=x.key[:, 1:]),
        lambda x: replace(x, key=x.key[[0, 0, 0]]),
        lambda x: replace(x, mask=torch.ones(19, 20, dtype=torch.bool)),
        lambda x: replace(x, query=x.query * torch.nan),
    ],
    ids=["queries missing", "keys missing", "heads do not divide", "mask too small", "not finite"],
)
def test_broken_layers_raise(broken):
    layers = random_layers()
    layers[1] = broken(layers[1])
    with pytest.raises(VlmError):
        maps(answer(layers), [[16]], AttentionOptions())


def test_first_layer_must_exist():
    with pytest.raises(ConfigError, match="less than 3, got 3"):
        maps(answer(random_layers()), [[16]], AttentionOptions(first_layer=3))


@pytest.mark.parametrize(
    ("heat", "expected"), [([[2, 2]], [[0, 0]]), ([[0, 0]], [[0, 0]]), ([[1, 3]], [[0, 1]]), ([[-1, 0]], [[0, 1]])]
)
def test_normalised(heat, expected):
    assert attention.normalised(np.float32(heat)).tolist() == expected


def test_smoothing_widens_a_peak():
    heat = np.zeros((5, 5), np.float32)
    heat[2, 2] = 1
    assert attention.smoothed(heat, 0) is heat
    wide = attention.smoothed(heat, 1)
    assert wide[2, 2] < 1 and wide[2, 1] > 0.05 and wide.sum() == pytest.approx(1, abs=0.05)


def test_fuse_averages_equal_names_and_grids():
    other = ImageLayout(np.zeros((1, 2), int), GRID.xyxy)
    heat = lambda *v: np.float32([v])  # noqa: E731
    found = [
        NamedMap("dog", heat(0, 1, 0), GRID, "a"),
        NamedMap("cat", heat(1, 0, 0), GRID, "a"),
        NamedMap("dog", heat(0, 0, 1), GRID, "b"),
        NamedMap("dog", heat(0, 1), other, "c"),
    ]
    out = attention.fuse(found)
    assert [(m.name, m.heat.tolist(), m.question) for m in out] == [
        ("cat", [[1, 0, 0]], "a"),
        ("dog", [[0, 1]], "c"),
        ("dog", [[0, 1, 1]], "a"),
    ]
    assert attention.fuse([]) == []


def test_fused_maps_are_means_and_not_maxima():
    heats = [np.float32([row]) for row in ([0, 1, 0.5, 0.2], [0, 0.2, 1, 0.2], [0, 0, 0.9, 0.2])]
    (out,) = attention.fuse([NamedMap("dog", h, GRID, q, c) for h, q, c in zip(heats, "abc", (1, 0.5, 0), strict=True)])
    assert np.allclose(out.heat, np.float32([[0, 1.2, 2.4, 0.6]]) / 2.4)
    assert (out.question, out.certainty) == ("a", 0.5)


def test_what_the_background_has_more_of_is_as_good_as_nothing():
    """Cells that the background's tokens look at are no lower than those that nobody looks at."""
    options = AttentionOptions(contrast="background", sigma=0.0)
    name, background = answer(planted(20, [5, 6], 16)), answer(planted(20, [0, 9], 19), "road", ((0, 4),), 19)
    shares = [flowed(a, torch.eye(20)[[row]], options)[0, 1:13].numpy() for a, row in ((name, 16), (background, 19))]
    more = shares[0] / shares[0].sum() - shares[1] / shares[1].sum()
    assert (more < -0.1).any() and (more > 0.1).any()
    expected = np.where(more > 0, more, 0) / more.max()
    heat = maps(name, [[16]], options, background)[0].reshape(-1)
    assert np.allclose(heat, expected, atol=1e-5) and set(np.flatnonzero(heat > 0.5)) == {5, 6}
    assert heat[[0, 9]].max() == 0


def test_each_of_several_names_is_compared_with_the_background_crops_and_all():
    crop = ImageLayout(np.arange(13, 17).reshape(2, 2), (40.0, 0.0, 80.0, 30.0))
    layout, options = replace(GRID, crops=(crop,)), AttentionOptions(contrast="background", sigma=0.0)
    name, other, background = (
        replace(answer(planted(20, c, r)), layout=layout) for c, r in (([5, 6], 17), ([2, 11], 16), ([0, 9], 19))
    )
    background = replace(background, text="road", token_spans=((0, 4),), first_row=19)

    def shares(a: Answer, row: int) -> np.ndarray:
        flow = flowed(a, torch.eye(20)[[row]], options)[0].numpy()
        on_grid = np.repeat(flow[1:13].reshape(3, 4), 4, axis=0) / 4
        on_grid[:6, 2:] += np.repeat(flow[13:17].reshape(2, 2), 3, axis=0) / 3
        on_grid = on_grid.reshape(4, 3, 4).sum(1)
        return on_grid / on_grid.sum()

    (found,) = attention.maps([[name, other]], [[[[17], [18]], [[16]]]], options, [background])
    for heat, a, row in zip([*found[0], *found[1]], (name, name, other), (17, 18, 16), strict=True):
        expected = np.maximum(shares(a, row) - shares(background, 19), 0)
        assert np.allclose(heat, attention.normalised(expected), atol=1e-5)


def test_a_background_on_another_grid_is_left_out():
    options = AttentionOptions(contrast="background", sigma=0.0)
    a = answer(random_layers())
    other = replace(a, layout=ImageLayout(np.arange(1, 9).reshape(2, 4), GRID.xyxy))
    alone = maps(a, [[16]], replace(options, contrast="none"))
    assert np.array_equal(maps(a, [[16]], options, other), alone)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [([(0, 3)], 0.9), ([(3, 8)], 0.5), ([(0, 8)], 0.45), ([(4, 5), (0, 3)], 0.5), ([(8, 9)], 1.0), ([], 1.0)],
    ids=["first token", "second", "both", "where it stands first", "no token", "nowhere"],
)
def test_certainty_is_that_of_the_tokens_that_wrote_the_name_first(spans, expected):
    a = replace(answer(random_layers()), probabilities=(0.9, 0.5))
    assert attention.certainty(a, spans) == pytest.approx(expected)
    assert attention.certainty(replace(a, probabilities=()), spans) == 1
