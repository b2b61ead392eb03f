"""The attention flow against the obvious way, and against the products Q · Kᵀ alone.

The obvious way holds S and S · W of all heads and layers and multiplies whole N × N matrices. Each way runs in a
process of its own, on the same random queries and keys; extra memory is what comes on top of those. Of each way the
least CPU time of several runs, in which they take turns. About half of the obvious way's is the kernel's, which finds
it 3 GB of fresh memory, so the ratio depends on how much the machine takes for that.

Then a batch of questions about several views, together and each answer alone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import alone, available_bytes, finish, header, spent, table
from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, Batch, BatchQK, ImageLayout, LayerQK
from vlsam_ros.recognition.flow import flow
from vlsam_ros.recognition.scores import ROWS

NAMES = 8
"""Names in the answer: rows of the flow that are wanted."""

VIEWS, QUESTIONS, PREFIX, TAIL = 4, 3, 600, 60
"""The batch: tokens of a view, and those of a question and its answer after them."""


def layers_of(args: argparse.Namespace) -> list[LayerQK]:
    """Random queries and keys of all layers."""
    torch.manual_seed(0)
    shape = args.heads, args.tokens, args.width
    return [LayerQK(torch.randn(shape), torch.randn(shape), args.width**-0.5) for _ in range(args.layers)]


def naive(layers: list[LayerQK]) -> Tensor:
    """All of S̄ᴸ, float32 (N, N), by the formulas as they stand: S and S · W (L, H, N, N), S' (L, N, N)."""
    n = layers[0].length
    later = torch.ones(n, n, dtype=torch.bool).triu(1)
    s = [(x.query @ x.key.transpose(1, 2) * x.scaling).masked_fill(later, -torch.inf).softmax(-1) for x in layers]
    s = torch.stack(s)
    merged = (s * s.amax(-1).mean(-1)[..., None, None]).mean(1)
    steps = merged * torch.arange(1, n + 1) / n
    eye, out = torch.eye(n), steps[0]
    for step in steps[1:]:
        out = (eye + step) @ (eye + out)
    return out


def ours(layers: list[LayerQK]) -> Tensor:
    """The rows of S̄ᴸ that names need, float32 (NAMES, N)."""
    n = layers[0].length
    layout = ImageLayout(np.arange(n // 2)[None], (0.0, 0.0, 1.0, 1.0))
    answer = Answer("?", "", (), n - NAMES, n, layout, len(layers), layers.__getitem__)
    return flow([answer], [torch.eye(n)[-NAMES:]], AttentionOptions())[0]


def products(layers: list[LayerQK]) -> Tensor:
    """The blocks of Q · Kᵀ that causal attention has, and nothing else."""
    n, heads, chunk = layers[0].length, layers[0].query.shape[0], AttentionOptions().chunk
    buffer = torch.empty(chunk * ROWS * n)
    for layer in layers:
        for h in range(0, heads, chunk):
            some = slice(h, min(h + chunk, heads))
            for row in range(0, n, ROWS):
                stop = min(row + ROWS, n)
                shape = some.stop - h, stop - row, stop
                block = buffer[: shape[0] * shape[1] * stop].view(shape)
                torch.bmm(layer.query[some, row:stop], layer.key[some, :stop].transpose(1, 2), out=block)
    return buffer


def batch_of(args: argparse.Namespace) -> list[Answer]:
    """Answers to all questions about all views, written together, on random queries and keys."""
    torch.manual_seed(0)
    shapes = [(count, args.heads, n, args.width) for count, n in ((VIEWS * QUESTIONS, TAIL), (VIEWS, PREFIX))]
    scaling, rows = args.width**-0.5, VIEWS * QUESTIONS
    made = [
        BatchQK(*(torch.randn(shape) for shape in shapes for _ in "qk"), scaling=scaling) for _ in range(args.layers)
    ]
    batch = Batch(((0, TAIL),) * rows, args.layers, made.__getitem__)
    layout = ImageLayout(np.arange(PREFIX)[None], (0.0, 0.0, 1.0, 1.0))

    def alone(index: int, row: int) -> LayerQK:
        view, layer = row // QUESTIONS, made[index]
        before = LayerQK(layer.before_query[view], layer.before_key[view], scaling)
        return layer.of(row, batch.own[row], before)

    written = partial(Answer, "?", "", (), PREFIX, PREFIX + TAIL, layout, args.layers)
    return [written(layer=partial(alone, row=row), batch=batch, row=row) for row in range(rows)]


def together(answers: list[Answer]) -> Tensor:
    """The names' rows of all answers, (VIEWS * QUESTIONS * NAMES, N)."""
    return torch.cat(flow(answers, [torch.eye(PREFIX + TAIL)[-NAMES:]] * len(answers), AttentionOptions()))


def one_by_one(answers: list[Answer]) -> Tensor:
    """The same, as if each had been written alone."""
    return torch.cat([together([replace(a, batch=None)]) for a in answers])


WAYS = {"naive": naive, "ours": ours, "products": products}
BATCH_WAYS = {"one by one": one_by_one, "together": together}


def way(args: argparse.Namespace) -> None:
    """One way, once, after a warm-up on one layer."""
    torch.set_num_threads(1)
    made = batch_of(args) if args.way in BATCH_WAYS else layers_of(args)
    first = [replace(a, layers=1) for a in made] if args.way in BATCH_WAYS else made[:1]
    run = (WAYS | BATCH_WAYS)[args.way]
    with torch.inference_mode():
        run(first)
        with spent() as cost:
            result = run(made)
    finish(seconds=cost.seconds, extra_bytes=cost.extra_bytes, check=float(result[-NAMES:].double().sum()))


def compared(args: argparse.Namespace, tokens: int) -> dict[str, float]:
    """The three ways at one length, in turn; the naive one on fewer layers where memory is short, and scaled up."""
    naive_bytes = (
        2.2 * args.layers * args.heads * tokens**2 * 4 + 2 * args.layers * args.heads * tokens * args.width * 4
    )
    some = max(1, min(args.layers, int(args.layers * 0.8 * available_bytes() / naive_bytes)))
    size = ["--tokens", tokens, "--heads", args.heads, "--width", args.width]
    layers = {k: some if k == "naive" else args.layers for k in WAYS}

    def run(way: str, of: int, **options: bool) -> dict[str, float]:
        return alone("benchmarks.flow", "--way", way, "--layers", of, *size, **options)

    rounds = [{k: run(k, layers[k]) for k in WAYS} for _ in range(args.repeat)]
    memory = {k: run(k, layers[k], return_memory=True)["extra_bytes"] for k in WAYS}
    checks = rounds[0]["naive"]["check"], run("ours", some)["check"]
    if not np.isclose(*checks, rtol=1e-4):
        raise SystemExit(f"{tokens} tokens: expected equal results, got {checks}")
    scale = {k: args.layers / layers[k] for k in WAYS}
    seconds = {k: min(r[k]["seconds"] for r in rounds) * scale[k] for k in WAYS}
    extra = {k: max(memory[k], 4096) * scale[k] for k in WAYS}
    note = "" if some == args.layers else f"measured with {some} layers, times {scale['naive']:.1f}"
    rows = [[tokens, k, seconds[k], extra[k] / 1e6, note if k == "naive" else ""] for k in WAYS]
    table([["tokens", "way", "CPU s", "extra MB", ""], *rows])
    return {
        "time_ratio": seconds["naive"] / seconds["ours"],
        "memory_ratio": extra["naive"] / extra["ours"],
        "qk_ratio": seconds["ours"] / seconds["products"],
    }


def batched(args: argparse.Namespace) -> dict[str, float]:
    """A batch, and its answers one by one."""
    size = ["--layers", args.batch_layers, "--heads", args.heads, "--width", args.width]
    rounds = [{k: alone("benchmarks.flow", "--way", k, *size) for k in BATCH_WAYS} for _ in range(args.repeat)]
    checks = [way["check"] for way in rounds[0].values()]
    if not np.isclose(*checks, rtol=1e-4):
        raise SystemExit(f"a batch: expected equal results, got {checks}")
    seconds = {k: min(r[k]["seconds"] for r in rounds) for k in BATCH_WAYS}
    print(f"{VIEWS} views × {QUESTIONS} questions, {PREFIX} + {TAIL} tokens, {args.batch_layers} layers")
    table([["way", "CPU s"], *([k, seconds[k]] for k in BATCH_WAYS)])
    return {"batch_ratio": seconds["one by one"] / seconds["together"]}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=640)
    parser.add_argument("--long", type=int, default=1300, help="the second length")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--width", type=int, default=128, help="of a head")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--batch-layers", type=int, default=4, help="of the batch")
    parser.add_argument("--way", choices=WAYS | BATCH_WAYS, help="only this way, in this process")
    args = parser.parse_args()
    if args.way:
        return way(args)
    torch.set_num_threads(1)
    header(f"Attention flow: {args.layers} layers, {args.heads} heads of {args.width}, float32, {NAMES} names")
    short, long = compared(args, args.tokens), compared(args, args.long)
    finish(**short, **{f"{k}_{args.long}": v for k, v in long.items()}, **batched(args))


if __name__ == "__main__":
    main()
