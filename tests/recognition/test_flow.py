"""The attention flow against the slow reference, of single sequences and of whole batches, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from pretend_cuda import pretended
from slow_flow import GRID, answer, random_layers, slow_flow, slow_scores
from torch.utils._python_dispatch import TorchDispatchMode

from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, Batch, BatchQK, ImageLayout, LayerQK
from vlsam_ros.errors import VlmError
from vlsam_ros.recognition import scores
from vlsam_ros.recognition.flow import flow as flow_of
from vlsam_ros.recognition.flow import resolved


def flowed(a: Answer, start: torch.Tensor, options: AttentionOptions) -> torch.Tensor:
    return flow_of([a], [start], options)[0]


def fixed_scores(s: list[list[float]]) -> LayerQK:
    """A layer of one head whose S is the given matrix."""
    n = len(s)
    return LayerQK(torch.tensor([s]).log(), torch.eye(n)[None], 1.0, mask=torch.ones(n, n, dtype=torch.bool))


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
    slow = slow_flow(start, layers, options)
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
    slow = slow_flow(start, layers, options)
    fast = flowed(answer(layers), start, options).double()
    columns = torch.from_numpy(GRID.positions)  # a row's own column is no attention
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


def test_half_precision_layers_are_read_as_float32():
    layers = random_layers()
    half = [replace(x, query=x.query.half(), key=x.key.half()) for x in layers]
    same = [replace(x, query=x.query.half().float(), key=x.key.half().float()) for x in layers]
    options = AttentionOptions()
    got = [flowed(answer(some), torch.eye(20), options) for some in (half, same)]
    assert torch.equal(*got)


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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_scores_of_some_heads_and_rows_are_a_part_of_all(case):
    layer = random_layers(**case)[0]
    heads, rows = slice(0, max(1, len(layer.query) - 1)), slice(5, 17)
    got = scores.scores(layer, heads, rows)
    whole = slow_scores(layer)[heads, rows]
    assert torch.allclose(got.double(), whole[..., : got.shape[2]], rtol=1e-5, atol=1e-7)
    assert got.shape[2] == 17 if layer.mask is None else got.shape[2] == layer.length
    assert not whole[..., got.shape[2] :].any()


# --- a whole batch at once

OPTIONS = [
    {"head_weight": weight, "flow": flow, "residual": residual, "regulariser": regulariser, "contrast": contrast}
    for weight in ("vlsam", "vmax", "mean")
    for flow in ("flow", "last", "mean")
    for residual in ("vlsam", "half")
    for regulariser in ("layer", "end", "off")
    for contrast in ("none", "null")
]


@dataclass
class Written:
    """Random sequences that were written together; `alone` are the layers of each, `starts` the rows that it wants.

    What is padding is no number, and no layer of a single answer can be read: nothing may look at either.
    """

    batch: Batch
    answers: list[Answer]
    alone: list[list[LayerQK]]
    starts: list[torch.Tensor]
    read: list[int]

    def flow(self, options: AttentionOptions) -> list[torch.Tensor]:
        """What the answers look at of their image tokens."""
        return flow_of(self.answers, self.starts, options, [a.layout.positions for a in self.answers])

    def compare(self, options: AttentionOptions) -> None:
        """With the slow reference."""
        for a, layers, start, got in zip(self.answers, self.alone, self.starts, self.flow(options), strict=True):
            assert got.dtype == torch.float32 and got.shape == (len(start), len(a.layout.positions))
            if len(start):
                slow = slow_flow(start, layers, options, a.layout.positions)[:, torch.from_numpy(a.layout.positions)]
                assert torch.allclose(got.double(), slow, rtol=2e-5, atol=1e-5 * float(slow.max())), options


def written(
    seed: int,
    views: int,
    questions: int,
    own: Sequence[tuple[int, int]],
    names: Sequence[int],
    prefix: int = 25,
    heads: tuple[int, int] = (4, 2),
    softcap: float | None = None,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    layers: int = 3,
    one_token: bool = True,
) -> Written:
    """`heads` are query and key heads; `names` how many rows each sequence wants."""
    g, rng, n = torch.Generator().manual_seed(seed), np.random.default_rng(seed), max(stop for _, stop in own) + 2
    outside = torch.tensor([[not start <= i < stop for i in range(n)] for start, stop in own])[:, None, :, None]

    def random(count: int, of: int, length: int) -> torch.Tensor:
        return torch.randn(count, of, length, 8, generator=g).to(dtype) * 1.5

    made = []
    for _ in range(layers):
        after = [random(len(own), of, n).masked_fill(outside, torch.nan) for of in heads]
        made.append(BatchQK(*after, *(random(views, of, prefix) for of in heads), 0.5, softcap))
    there = [replace(x, **{k: getattr(x, k).to(device) for k in TENSORS}) for x in made]
    read: list[int] = []
    batch = Batch(tuple(own), layers, lambda index: (read.append(index), there[index])[1])
    shown = [rng.choice(prefix or min(stop - start for start, stop in own), 5, replace=False) for _ in range(views)]
    answers, alone, starts = [], [], []
    for row, (start, stop) in enumerate(own):
        view, length = row // questions, prefix + stop - start
        layout = ImageLayout(np.sort(shown[view])[None], (0.0, 0.0, 5.0, 1.0))
        answers.append(Answer("?", "", (), prefix, length, layout, layers, unreadable, batch=batch, row=row))
        before = [LayerQK(x.before_query[view], x.before_key[view], 0.5, softcap) for x in made]
        alone.append([x.of(row, (start, stop), b).whole() for x, b in zip(made, before, strict=True)])
        rows = torch.zeros(names[row], length)
        for one in rows:
            one[rng.choice(length, 1 if one_token else int(rng.integers(1, 4)), replace=False)] = 1
        starts.append(rows / rows.sum(1, keepdim=True))
    return Written(batch, answers, alone, starts, read)


TENSORS = "query", "key", "before_query", "before_key"


def unreadable(_: int) -> LayerQK:
    raise AssertionError("the layer of a single answer was read, though it is one of a batch")


@contextmanager
def on(device: str) -> Iterator[None]:
    """A pretended GPU, if one is asked for."""
    with torch.inference_mode(), pretended() if device == "cuda" else nullcontext():
        yield


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("seed", range(len(OPTIONS)))
def test_a_batch_equals_the_slow_reference(seed, device, monkeypatch):
    rng = np.random.default_rng(seed)
    views, questions = rng.integers(1, 4, 2)
    starts = rng.integers(0, 4, views * questions)
    own = [(int(start), int(start + rng.integers(0, 15))) for start in starts]
    names = rng.integers(0, 4, len(own)) * rng.integers(0, 2, len(own))
    names[rng.integers(len(own))] += 1
    if rng.integers(2):  # else everything is one block
        for name, value in (("ROWS", 4), ("CPU_BYTES", int(rng.integers(1, 4)) * 1600), ("GPU_BYTES", 6000)):
            monkeypatch.setattr(scores, name, value)
    options = AttentionOptions(**OPTIONS[seed], first_layer=int(rng.integers(3)), chunk=int(rng.integers(1, 9)))
    with on(device):
        written(
            seed,
            int(views),
            int(questions),
            own,
            names.tolist(),
            heads=[(4, 2), (2, 2), (3, 1), (1, 1)][rng.integers(4)],
            softcap=[None, 2.0][rng.integers(2)],
            dtype=[torch.float32, torch.bfloat16, torch.float16][rng.integers(3)],
            device=device,
            one_token=options.contrast == "null" or bool(rng.integers(2)),
        ).compare(options)


BATCHES = {
    "one name": (1, 1, [(0, 9)], [1]),
    "many names": (1, 1, [(3, 9)], [70]),
    "all alike": (2, 2, [(2, 9)] * 4, [1, 2, 3, 4]),
    "no padding, a question each": (3, 1, [(0, 9)] * 3, [2, 1, 2]),
    "a view without a name": (3, 2, [(0, 9), (1, 5)] * 3, [1, 0, 0, 0, 2, 1]),
    "more questions of one view than of another": (2, 3, [(0, 9), (4, 6), (1, 5)] * 2, [1, 1, 1, 0, 1, 0]),
    "nothing after the prefix": (2, 1, [(4, 4), (0, 0)], [1, 2]),
    "nothing after the prefix in one row": (1, 3, [(9, 9), (0, 9), (0, 0)], [1, 1, 1]),
    "longer than a block": (2, 2, [(0, 90), (7, 90), (3, 71), (9, 75)], [2, 1, 0, 2]),
}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("prefix", [5, 150])
@pytest.mark.parametrize("case", BATCHES.values(), ids=BATCHES)
def test_batches_of_any_shape_equal_the_slow_reference(case, prefix, device):
    with on(device):
        for preset in ("vlsam", "decaf"):
            written(1, *case, prefix=prefix, device=device).compare(AttentionOptions(preset=preset, contrast="none"))


def test_a_batch_without_a_prefix_equals_the_slow_reference():
    written(0, 2, 1, [(0, 9), (3, 17)], [2, 1], prefix=0).compare(AttentionOptions())


def test_each_layer_is_read_once_and_only_those_of_the_flow():
    some = written(0, 2, 2, [(0, 9)] * 4, [1] * 4, layers=5)
    some.flow(AttentionOptions(first_layer=2))
    assert some.read == [4, 3, 2]


def test_nothing_is_read_for_nobody():
    some = written(0, 2, 1, [(0, 9)] * 2, [0, 0])
    assert [tuple(rows.shape) for rows in some.flow(AttentionOptions())] == [(0, 5), (0, 5)] and some.read == []


@pytest.mark.parametrize("name", [*TENSORS, "own", "length"])
def test_a_batch_that_does_not_fit_its_answers_raises(name):
    some = written(0, 2, 2, [(0, 9)] * 4, [1] * 4)
    layer, batch = some.batch.layer(0), some.batch
    if name in TENSORS:
        layer = replace(layer, **{name: getattr(layer, name)[:, :, 1:]})
    batch = replace(batch, own=batch.own[1:] if name == "own" else batch.own, layer=lambda _: layer)
    longer = 1 if name == "length" else 0
    some.answers = [replace(a, batch=batch, length=a.length + longer) for a in some.answers[:3]]
    some.starts = [torch.eye(a.length)[:1] for a in some.answers]
    with pytest.raises(VlmError, match=r"layer 2: expected Q and K of \[3[45]\] tokens"):
        some.flow(AttentionOptions())


class Operations(TorchDispatchMode):
    """How many there are, and the most numbers that one of them takes to a power."""

    count = largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        if func._overloadpacket is torch.ops.aten.exp2_:
            self.largest = max(self.largest, args[0].numel())
        return func(*args, **(kwargs or {}))


def operations(views: int, questions: int, layers: int, names: int = 2) -> int:
    """Of a flow whose every block holds all sequences; no two rows are padded alike."""
    own = [(i % 3, 9 + i % 2) for i in range(views * questions)]
    some = written(0, views, questions, own, [names] * len(own), layers=layers)
    with torch.inference_mode(), Operations() as counted:
        some.flow(AttentionOptions())
    return counted.count


def test_a_layer_is_as_many_operations_whatever_is_asked():
    def a_layer(*size: int) -> int:
        return operations(*size[:2], 5, *size[2:]) - operations(*size[:2], 4, *size[2:])

    least = a_layer(1, 2)
    assert 0 < least <= 70
    assert [a_layer(*size) for size in ((1, 2, 9), (1, 4), (3, 2), (3, 4))] == [least] * 4


@pytest.mark.parametrize("size", [7_000, 20_000, 70_000])
def test_no_block_is_larger_than_the_cache(size, monkeypatch):
    monkeypatch.setattr(scores, "CPU_BYTES", size)
    some = written(0, 3, 2, [(0, 9), (1, 9)] * 3, [1, 2] * 3, prefix=100)
    with torch.inference_mode(), Operations() as counted:
        some.flow(AttentionOptions(chunk=64))
    assert size / 3 < 4 * counted.largest <= size


def test_the_host_waits_once_for_a_batch():
    with torch.inference_mode(), pretended() as counts:
        for layers in (2, 6):
            some = written(0, 3, 2, [(0, 9), (1, 9)] * 3, [1, 2] * 3, layers=layers, device="cuda")
            counts.clear()
            some.flow(AttentionOptions(preset="decaf", contrast="null"))
            assert counts.total("waits") == 1, counts.table("waits")
            assert counts.total("uploads") <= 3, counts.table("uploads")


def test_what_nobody_asks_for_costs_nothing():
    def products(views: int, names: list[int]) -> int:
        with torch.inference_mode(), pretended() as counts:
            some = written(0, views, 2, [(0, 9), (1, 9)] * views, names, device="cuda")
            counts.clear()
            some.flow(AttentionOptions())
            return counts.total("flops")

    assert products(3, [0, 0, 2, 0, 0, 0]) == products(1, [2, 0]) < products(1, [2, 1]) < products(2, [2, 1, 1, 1])
