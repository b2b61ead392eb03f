"""The attention flow against the obvious way, and against the products Q · Kᵀ alone.

The obvious way holds S and S · W of all heads and layers and multiplies whole N × N matrices. Each way runs in a
process of its own, on the same random queries and keys; extra memory is what comes on top of those. Of each way the
least CPU time of several runs, in which they take turns. About half of the obvious way's is the kernel's, which finds
it 3 GB of fresh memory, so the ratio depends on how much the machine takes for that.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import alone, available_bytes, finish, header, spent, table
from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK
from vlsam_ros.recognition.flow import ROWS, flow

NAMES = 8
"""Names in the answer: rows of the flow that are wanted."""


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


WAYS = {"naive": naive, "ours": ours, "products": products}


def way(args: argparse.Namespace) -> None:
    """One way, once, after a warm-up on one layer."""
    torch.set_num_threads(1)
    layers, run = layers_of(args), WAYS[args.way]
    with torch.inference_mode():
        run(layers[:1])
        with spent() as cost:
            result = run(layers)
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
