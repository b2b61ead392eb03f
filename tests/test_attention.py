"""The attention flow: golden values, the slow reference, and what each option is for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vlsam_ros import attention
from vlsam_ros.config import AttentionOptions, QuestionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK, NamedMap
from vlsam_ros.errors import ConfigError, VlmError

GRID = ImageLayout(np.arange(1, 13).reshape(3, 4), (0.0, 0.0, 80.0, 60.0))


def answer(
    layers: list[LayerQK], text: str = "dog, cat", spans: tuple = ((0, 3), (3, 8)), first_row: int = 16
) -> Answer:
    n = layers[0].query.shape[1]
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


def naive_flow(layers: list[LayerQK], options: AttentionOptions) -> torch.Tensor:
    """The full recursion: float64 (N, N)."""
    n = layers[0].query.shape[1]
    eye, out, s_merged = torch.eye(n, dtype=torch.float64), None, []
    for layer in layers[options.first_layer :]:
        s = naive_scores(layer)
        w = s.max(-1).values.mean(-1) if options.head_weight == "vlsam" else torch.ones(len(s))
        seen = n - torch.arange(n) if layer.mask is None else layer.mask.sum(0).clamp(min=1)
        d = torch.diag(1 - (seen - 1).double() / n)
        s_merged.append((s * w[:, None, None]).mean(0) @ (d if options.regulariser == "layer" else eye))
        out = s_merged[-1] if out is None else (eye + s_merged[-1]) @ (eye + out)
    out = {"flow": out, "last": s_merged[-1], "mean": torch.stack(s_merged).mean(0)}[options.flow]
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
    merged = attention.merged_rows(torch.eye(3), fixed_scores(s), AttentionOptions())
    assert merged.sum(1).tolist() == pytest.approx([weight] * 3, abs=1e-4)
    assert torch.allclose(merged / weight, torch.tensor(s), atol=1e-3)


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
    fast = attention.flow(answer(layers), start, options)
    slow = start.double() @ naive_flow(layers, options)
    assert fast.dtype == torch.float32
    assert torch.allclose(fast.double(), slow, rtol=1e-5, atol=1e-5 * slow.max())


@pytest.mark.parametrize("first_layer", [0, 1, 2])
@pytest.mark.parametrize("head_weight", ["vlsam", "mean"])
def test_fast_rows_equal_the_full_recursion_from_a_later_layer(first_layer, head_weight):
    layers = random_layers()
    options = AttentionOptions(first_layer=first_layer, head_weight=head_weight)
    fast = attention.flow(answer(layers), torch.eye(20), options)
    assert torch.allclose(fast.double(), naive_flow(layers, options), rtol=1e-5, atol=1e-6)


def test_half_precision_layers_are_read_as_float32():
    layers = random_layers()
    half = [replace(x, query=x.query.half(), key=x.key.half()) for x in layers]
    same = [replace(x, query=x.query.half().float(), key=x.key.half().float()) for x in layers]
    options = AttentionOptions()
    got = [attention.flow(answer(some), torch.eye(20), options) for some in (half, same)]
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
    heat = attention.maps(a, [[16]], AttentionOptions(regulariser=regulariser))[0]
    assert heat.shape == (3, 4) and heat.dtype == np.float32
    assert set(np.argsort(heat.reshape(-1))[-2:]) == {6, 7}
    assert heat.max() == 1 and heat.min() == 0


def test_even_attention_collapses_onto_the_first_columns_unless_damped():
    n, layers = 200, 12
    even = [LayerQK(torch.zeros(1, n, 4), torch.zeros(1, n, 4), 1.0)] * layers
    start = torch.zeros(1, n)
    start[0, -1] = 1

    def first_tenth(regulariser: str) -> float:
        rows = attention.flow(answer(even), start, AttentionOptions(regulariser=regulariser, head_weight="mean"))[
            0, :-1
        ]
        return float(rows[: n // 10].sum() / rows.sum())

    assert first_tenth("off") > 0.8
    assert first_tenth("layer") < 0.1
    assert first_tenth("end") < first_tenth("off")


def test_many_layers_stay_finite():
    sharp = [LayerQK(torch.eye(20)[None] * 50, torch.eye(20)[None], 1.0)] * 96
    assert attention.flow(answer(sharp), torch.eye(20), AttentionOptions(regulariser="off")).isfinite().all()


def test_rows_of_a_name_are_averaged():
    a = answer(random_layers())
    options = AttentionOptions()
    both = attention.flow(a, torch.eye(20)[[16, 17]].mean(0, keepdim=True), options)
    single = attention.flow(a, torch.eye(20)[[16, 17]], options)
    assert torch.allclose(both[0], single.mean(0), rtol=1e-5)
    cells = both[0, 1:13].reshape(3, 4).numpy()
    assert np.allclose(attention.maps(a, [[16, 17]], options)[0], attention.normalised(cells), atol=1e-5)


def test_no_name_no_map():
    assert attention.maps(answer(random_layers()), [], AttentionOptions()).shape == (0, 3, 4)
    assert attention.named_maps(answer(random_layers(), "none"), QuestionOptions(), AttentionOptions()) == []


def test_names_find_their_tokens():
    a = answer(random_layers(), "a dog, cat", ((0, 1), (1, 4), (4, 5), (5, 8), (8, 10)), first_row=14)
    found = attention.named_maps(a, QuestionOptions(), AttentionOptions())
    expected = attention.maps(a, [[15, 16], [17, 18]], AttentionOptions())
    assert [m.name for m in found] == ["dog", "cat"]
    assert np.array_equal([m.heat for m in found], expected)
    assert all(m.layout is GRID and m.question == "What?" for m in found)


def test_names_without_tokens_are_left_out():
    a = answer(random_layers(), "dog, cat", ((0, 3), (3, 4)), first_row=18)
    assert [m.name for m in attention.named_maps(a, QuestionOptions(), AttentionOptions())] == ["dog"]
    beyond = answer(random_layers(), "dog, cat", ((0, 3), (3, 8)), first_row=19)
    assert [m.name for m in attention.named_maps(beyond, QuestionOptions(), AttentionOptions())] == ["dog"]


def test_a_truncated_answer_loses_its_last_name():
    a = replace(answer(random_layers()), truncated=True)
    assert [m.name for m in attention.named_maps(a, QuestionOptions(), AttentionOptions())] == ["dog"]


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
        attention.maps(answer(layers), [[16]], AttentionOptions())


def test_first_layer_must_exist():
    with pytest.raises(ConfigError, match="less than 3, got 3"):
        attention.maps(answer(random_layers()), [[16]], AttentionOptions(first_layer=3))


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
