"""The attention flow against the obvious way, and against the products Q · Kᵀ alone.

The obvious way holds S and S · W of all heads and layers and multiplies whole N × N matrices. Each way runs in a
process of its own, on the same random queries and keys; extra memory is what comes on top of those.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import Spent, alone, available_bytes, finish, header, spent, table
from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK
from vlsam_ros.flow import ROWS, flow

NAMES = 8
"""Names in the answer: rows of the flow that are wanted."""


def layers_of(args: argparse.Namespace) -> list[LayerQK]:
    """Random queries and keys of all layers."""
    torch.manual_seed(0)
    shape = args.heads, args.tokens, args.width
    return [LayerQK(torch.randn(shape), torch.randn(shape), args.width**-0.5) for _ in range(args.layers)]


def naive(layers: list[LayerQK]) -> Tensor:
    """All of S̄ᴸ, float32 (N, N)."""
    n = layers[0].length
    later = torch.ones(n, n, dtype=torch.bool).triu(1)
    s = [(q.query @ q.key.transpose(1, 2) * q.scaling).masked_fill(later, -torch.inf).softmax(-1) for q in layers]
    weighted = [each * each.amax(-1).mean(-1)[:, None, None] for each in s]
    damping, eye, out = torch.arange(1, n + 1) / n, torch.eye(n), None
    for each in weighted:
        step = each.mean(0) * damping
        out = step if out is None else (eye + step) @ (eye + out)
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


WAYS = {"naive": naive, "ours": ours, "products": products}


def way(args: argparse.Namespace) -> None:
    """One way, `repeat` times, after a warm-up on one layer: medians."""
    torch.set_num_threads(1)
    layers, run = layers_of(args), WAYS[args.way]
    with torch.inference_mode():
        run(layers[:1])
        found: list[Spent] = []
        for _ in range(args.repeat):
            with spent() as cost:
                result = run(layers)
            check = float(result[-NAMES:].double().sum())
            found.append(cost)
            del result
    finish(
        seconds=statistics.median(f.seconds for f in found),
        extra_bytes=statistics.median(f.extra_bytes for f in found),
        check=check,
    )


def compared(args: argparse.Namespace, tokens: int) -> dict[str, float]:
    """The three ways at one length; the naive one on fewer layers where memory is short, and scaled up."""
    naive_bytes = (
        2.2 * args.layers * args.heads * tokens**2 * 4 + 2 * args.layers * args.heads * tokens * args.width * 4
    )
    part = min(1.0, 0.8 * available_bytes() / naive_bytes)
    some = max(1, int(args.layers * part))
    size = ["--tokens", tokens, "--heads", args.heads, "--width", args.width]
    run = {}
    for name in WAYS:
        of = some if name == "naive" else args.layers
        repeat = args.repeat if name != "naive" else max(1, args.repeat // 2)
        run[name] = alone("benchmarks.flow", "--way", name, "--layers", of, "--repeat", repeat, *size)
    same = alone("benchmarks.flow", "--way", "ours", "--layers", some, "--repeat", 1, *size)["check"]
    if not np.isclose(run["naive"]["check"], same, rtol=1e-4):
        raise SystemExit(f"{tokens} tokens: expected equal results, got {run['naive']['check']} and {same}")
    scale = args.layers / some
    seconds = {k: r["seconds"] * (scale if k == "naive" else 1) for k, r in run.items()}
    extra = {k: max(r["extra_bytes"], 4096) * (scale if k == "naive" else 1) for k, r in run.items()}
    note = "" if some == args.layers else f"measured with {some} layers, times {scale:.1f}"
    rows = [[tokens, k, seconds[k], extra[k] / 1e6, note if k == "naive" else ""] for k in WAYS]
    table([["tokens", "way", "CPU s", "extra MB", ""], *rows])
    return {
        "time_ratio": seconds["naive"] / seconds["ours"],
        "memory_ratio": extra["naive"] / extra["ours"],
        "qk_ratio": seconds["ours"] / seconds["products"],
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=640)
    parser.add_argument("--long", type=int, default=1300, help="the second length")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--width", type=int, default=128, help="of a head")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help="only this way, in this process")
    args = parser.parse_args()
    if args.way:
        return way(args)
    torch.set_num_threads(1)
    header(f"Attention flow: {args.layers} layers, {args.heads} heads of {args.width}, float32, {NAMES} names")
    short, long = compared(args, args.tokens), compared(args, args.long)
    finish(**short, **{f"{k}_{args.long}": v for k, v in long.items()})


if __name__ == "__main__":
    main()
