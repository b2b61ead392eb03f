"""The attention flow: golden values, the slow reference, and what each option is for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vlsam_ros.config import AttentionOptions, QuestionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK, NamedMap
from vlsam_ros.errors import ConfigError, VlmError
from vlsam_ros.recognition import attention
from vlsam_ros.recognition.flow import flow as flow_of
from vlsam_ros.recognition.flow import resolved

GRID = ImageLayout(np.arange(1, 13).reshape(3, 4), (0.0, 0.0, 80.0, 60.0))


def answer(
    layers: list[LayerQK], text: str = "dog, cat", spans: tuple = ((0, 3), (3, 8)), first_row: int = 16
) -> Answer:
    n = layers[0].length
    return Answer("What?", text, spans, first_row, n, GRID, len(layers), layers.__getitem__)


def random_layers(
    n: int = 20, heads: int = 4, key_heads: int = 2, layers: int = 3, softcap: float | None = None, mask: object = None
) -> list[LayerQK]:
    g = torch.Generator().manual_seed(1)
    shape = (n, 8)
    return [
        LayerQK(
            torch.randn(heads, *shape, generator=g) * 2, torch.randn(key_heads, *shape, generator=g), 0.5, softcap, mask
        )
        for _ in range(layers)
    ]


def fixed_scores(s: list[list[float]]) -> LayerQK:
    """A layer of one head whose S is the given matrix."""
    n = len(s)
    return LayerQK(torch.tensor([s]).log(), torch.eye(n)[None], 1.0, mask=torch.ones(n, n, dtype=torch.bool))


def naive_scores(layer: LayerQK) -> torch.Tensor:
    """All of S, float64 (heads, N, N)."""
    key = layer.key.repeat_interleave(len(layer.query) // len(layer.key), 0).double()
    s = layer.query.double() @ key.transpose(1, 2) * layer.scaling
    s = s if layer.softcap is None else layer.softcap * (s / layer.softcap).tanh()
    n = s.shape[-1]
    mask = torch.ones(n, n, dtype=torch.bool).tril() if layer.mask is None else layer.mask
    return s.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num(0)


def naive_merged(layer: LayerQK, options: AttentionOptions) -> torch.Tensor:
    """S' of one layer: float64 (N, N)."""
    s = naive_scores(layer)
    visual = s[..., torch.from_numpy(GRID.columns.reshape(-1))]
    weights = {"vlsam": s.max(-1).values.mean(-1), "mean": torch.ones(len(s)), "vmax": visual.max(-1).values.mean(-1)}
    w = weights[options.head_weight]
    w = w / w.max() if options.head_weight == "vmax" else w
    return (s * w[:, None, None]).mean(0)


def naive_uniform(layer: LayerQK, weight: torch.Tensor) -> torch.Tensor:
    n = layer.query.shape[1]
    mask = torch.ones(n, n).tril() if layer.mask is None else layer.mask.double()
    return weight * mask.double() / mask.sum(-1, keepdim=True).clamp(min=1)


def naive_flow(layers: list[LayerQK], options: AttentionOptions) -> torch.Tensor:
    """The full recursion: float64 (N, N)."""
    options = resolved(options, len(layers))
    used = layers[options.first_layer :]
    merged = [naive_merged(layer, options) for layer in used]
    result = naive_recursion(used, merged, options)
    if options.contrast != "null":
        return result
    even = [naive_uniform(x, m.sum(-1).max()) for x, m in zip(used, merged, strict=True)]
    null = naive_recursion(used, even, options)
    return torch.where(null > 0, result / null, 0)


def naive_recursion(layers: list[LayerQK], merged: list[torch.Tensor], options: AttentionOptions) -> torch.Tensor:
    n = layers[0].query.shape[1]
    eye, out, steps = torch.eye(n, dtype=torch.float64), None, []
    for layer, m in zip(layers, merged, strict=True):
        seen = n - torch.arange(n) if layer.mask is None else layer.mask.sum(0).clamp(min=1)
        d = torch.diag(1 - (seen - 1).double() / n)
        half = options.residual == "half" and options.flow == "flow"
        m = m / m.sum(-1).max() if half else m
        steps.append(m @ (d if options.regulariser == "layer" else eye))
        if half:
            out = (eye + steps[-1]) / 2 @ (eye if out is None else out)
        else:
            out = steps[-1] if out is None else (eye + steps[-1]) @ (eye + out)
    out = {"flow": out, "last": steps[-1], "mean": torch.stack(steps).mean(0)}[options.flow]
    return out @ d if options.regulariser == "end" else out


@pytest.mark.parametrize(
    ("s", "weight"),
    [
        ([[0.70, 0.20, 0.10], [0.10, 0.60, 0.30], [0.15, 0.25, 0.60]], 0.6333),
        ([[0.40, 0.30, 0.30], [0.35, 0.35, 0.30], [0.34, 0.33, 0.33]], 0.3633),
    ],
    ids=["sharp", "flat"],
)
def test_head_weight_of_the_worked_example(s, weight):
    got = merged(fixed_scores(s), torch.eye(3))
    assert got.sum(1).tolist() == pytest.approx([weight] * 3, abs=1e-4)
    assert torch.allclose(got / weight, torch.tensor(s), atol=1e-3)


def flowed(a: Answer, start: torch.Tensor, options: AttentionOptions) -> torch.Tensor:
    return flow_of([a], [start], options)[0]


def maps(a: Answer, rows: list[list[int]], options: AttentionOptions, background: Answer | None = None) -> np.ndarray:
    return attention.maps([[a]], [[rows]], options, [background])[0][0]


def named_maps(a: Answer) -> list[NamedMap]:
    return attention.named_maps([[a]], QuestionOptions(), AttentionOptions())[0]


def merged(layer: LayerQK, rows: torch.Tensor, **options: object) -> torch.Tensor:
    """Rows times S'."""
    return flowed(answer([layer]), rows, AttentionOptions(flow="last", regulariser="off", **options))


CASES = {
    "causal": {},
    "one head": {"heads": 1, "key_heads": 1},
    "no groups": {"key_heads": 4},
    "one layer": {"layers": 1},
    "softcap": {"softcap": 2.0},
    "longer than a block": {"n": 300, "heads": 2},
    "window": {"mask": torch.ones(20, 20, dtype=torch.bool).tril().triu(-6)},
    "image seen from both sides": {
        "mask": torch.ones(20, 20, dtype=torch.bool).tril() | (torch.arange(20) < 13)[:, None] & (torch.arange(20) < 13)
    },
    "a row that sees nothing": {"mask": torch.ones(20, 20, dtype=torch.bool).tril() & (torch.arange(20) > 1)},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("regulariser", ["layer", "end", "off"])
@pytest.mark.parametrize("flow", ["flow", "last", "mean"])
def test_fast_rows_equal_the_full_recursion(case, regulariser, flow):
    layers = random_layers(**case)
    options = AttentionOptions(flow=flow, regulariser=regulariser, chunk=3)
    n = layers[0].query.shape[1]
    start = torch.zeros(2, n)
    start[0, n - 1], start[1, [n - 2, n - 3]] = 1, 0.5
    fast = flowed(answer(layers), start, options)
    slow = start.double() @ naive_flow(layers, options)
    assert fast.dtype == torch.float32
    assert torch.allclose(fast.double(), slow, rtol=1e-5, atol=1e-5 * slow.max())


@pytest.mark.parametrize("case", ["causal", "softcap", "image seen from both sides", "longer than a block"])
@pytest.mark.parametrize("head_weight", ["vlsam", "vmax", "mean"])
@pytest.mark.parametrize("residual", ["vlsam", "half"])
@pytest.mark.parametrize("contrast", ["none", "null"])
@pytest.mark.parametrize("first_layer", [0, 1, 2])
def test_every_variant_equals_the_full_recursion(case, head_weight, residual, contrast, first_layer):
    layers = random_layers(**CASES[case])
    options = AttentionOptions(first_layer=first_layer, head_weight=head_weight, residual=residual, contrast=contrast)
    n = layers[0].query.shape[1]
    start = torch.eye(n)[[n - 1, n // 2, 0]]
    slow = (
        start.double() @ naive_flow(layers, options)
        if contrast == "none"
        else naive_flow(layers, options)[[n - 1, n // 2, 0]]
    )
    fast = flowed(answer(layers), start, options).double()
    columns = torch.from_numpy(GRID.columns.reshape(-1))  # a row's own column is no attention
    assert torch.allclose(fast[:, columns], slow[:, columns], rtol=2e-5, atol=1e-5 * slow[:, columns].max())


def split(layers: list[LayerQK], prefixes: list[LayerQK]) -> list[LayerQK]:
    n = prefixes[0].length
    return [replace(x, query=x.query[:, n:], key=x.key[:, n:], before=p) for x, p in zip(layers, prefixes, strict=True)]


TAILS = (3, 9, 1, 130)
"""Tokens after a shared prefix; the last are more than a block of rows."""


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("preset", ["vlsam", "decaf"])
def test_questions_that_share_a_prefix_give_what_each_gives_alone(softcap, preset):
    g = torch.Generator().manual_seed(2)
    shared = random_layers(n=150, softcap=softcap)
    whole = [
        [
            replace(
                x,
                query=torch.cat([x.query, torch.randn(4, tail, 8, generator=g)], 1),
                key=torch.cat([x.key, torch.randn(2, tail, 8, generator=g)], 1),
            )
            for x in shared
        ]
        for tail in TAILS
    ]
    options = AttentionOptions(preset=preset, contrast="none")
    starts = [torch.eye(150 + tail)[[-1, 148]] for tail in TAILS]
    together = flow_of([answer(split(x, shared)) for x in whole], starts, options)
    for layers, start, got in zip(whole, starts, together, strict=True):
        assert torch.allclose(got, flowed(answer(layers), start, options), rtol=1e-5, atol=1e-6 * got.max())


def test_a_preset_decides_what_is_left_open_and_nothing_else():
    done = resolved(AttentionOptions(preset="decaf"), 24)
    assert (done.head_weight, done.residual, done.regulariser, done.first_layer) == ("vmax", "half", "off", 12)
    assert (done.contrast, done.sigma) == ("background", 1.0)
    kept = resolved(AttentionOptions(preset="decaf", sigma=0.0, first_layer=3, contrast="null"), 24)
    assert (kept.sigma, kept.first_layer, kept.contrast, kept.residual) == (0.0, 3, "null", "half")
    assert resolved(AttentionOptions(), 24).regulariser == "layer"


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


def test_half_precision_layers_are_read_as_float32():
    layers = random_layers()
    half = [replace(x, query=x.query.half(), key=x.key.half()) for x in layers]
    same = [replace(x, query=x.query.half().float(), key=x.key.half().float()) for x in layers]
    options = AttentionOptions()
    got = [flowed(answer(some), torch.eye(20), options) for some in (half, same)]
    assert torch.equal(*got)


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


def test_even_attention_collapses_onto_the_first_columns_unless_damped():
    n, layers = 200, 12
    even = [LayerQK(torch.zeros(1, n, 4), torch.zeros(1, n, 4), 1.0)] * layers
    start = torch.zeros(1, n)
    start[0, -1] = 1

    def first_tenth(regulariser: str) -> float:
        rows = flowed(answer(even), start, AttentionOptions(regulariser=regulariser, head_weight="mean"))[0, :-1]
        return float(rows[: n // 10].sum() / rows.sum())

    assert first_tenth("off") > 0.8
    assert first_tenth("layer") < 0.1
    assert first_tenth("end") < first_tenth("off")


def test_many_layers_stay_finite():
    sharp = [LayerQK(torch.eye(20)[None] * 50, torch.eye(20)[None], 1.0)] * 96
    assert flowed(answer(sharp), torch.eye(20), AttentionOptions(regulariser="off")).isfinite().all()


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


def test_a_name_said_a_hundred_times_is_one_map_of_all_its_tokens():
    layers = random_layers(n=120)
    a = answer(layers, "dog, " * 100, tuple((5 * i, 5 * i + 5) for i in range(100)), first_row=20)
    (found,) = named_maps(a)
    assert found.name == "dog"
    assert np.allclose(found.heat, maps(a, [list(range(20, 120))], AttentionOptions())[0], atol=1e-5)


def test_golden_flow_of_the_worked_example():
    """Two layers, the heads of the worked example, followed by hand."""
    one = [[0.70, 0.20, 0.10], [0.10, 0.60, 0.30], [0.15, 0.25, 0.60]]
    two = [[0.40, 0.30, 0.30], [0.35, 0.35, 0.30], [0.34, 0.33, 0.33]]
    a = answer([fixed_scores(one), fixed_scores(two)])
    a = replace(a, layout=ImageLayout(np.arange(3)[None], (0.0, 0.0, 3.0, 1.0)))
    off = flowed(a, torch.eye(3), AttentionOptions(regulariser="off"))
    # S1' = 0.6333 one, S2' = 0.3633 two, and I + S2' + S1' + S2' S1'
    assert np.allclose(off[0], [1.6704, 0.3128, 0.2437], atol=1e-4)
    s1, s2 = 0.633333 * np.array(one), 0.363333 * np.array(two)
    assert np.allclose(off, (np.eye(3) + s2) @ (np.eye(3) + s1), atol=1e-4)
    end = flowed(a, torch.eye(3), AttentionOptions(regulariser="end"))
    assert np.allclose(end, off / 3, atol=1e-4)  # every column is seen by all three rows: 1 - (3 - 1) / 3


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
