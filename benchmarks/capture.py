"""What recording the attention costs: an answer whose Q and K are kept, against free text of which nothing is kept.

Both take turns on one LLaVA with random weights; medians of the CPU time.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch

from benchmarks.common import finish, header, spent, table
from benchmarks.models import llava


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--side", type=int, default=24, help="image tokens along an edge")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    header(
        f"Capture: {args.layers} layers of {args.width}, {args.side**2} image tokens, {args.new_tokens} new, float32"
    )
    vlm = llava(args.layers, args.width, args.side, args.new_tokens)
    view = np.random.default_rng(0).integers(0, 255, (336, 336, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {"plain": [], "recorded": []}
    extra: dict[str, list[int]] = {"plain": [], "recorded": []}
    for _ in range(args.repeat + 1):
        with spent() as plain:
            said, _ = vlm.write(view, "What is here?", args.new_tokens)
        with spent() as recorded:
            (same,) = vlm.answer(view, ["What is here?"])
        if said != same.text:
            raise SystemExit("expected the same answer with and without recording")
        for name, cost in (("plain", plain), ("recorded", recorded)):
            seconds[name].append(cost.seconds)
            extra[name].append(cost.extra_bytes)
    median = {name: statistics.median(s[1:]) for name, s in seconds.items()}  # the first round warms up
    ratio = statistics.median(r / p for p, r in zip(seconds["plain"][1:], seconds["recorded"][1:], strict=True))
    rows = [[name, median[name], min(seconds[name][1:]), max(extra[name]) / 1e6] for name in seconds]
    table([["generation", "CPU s", "least", "extra MB"], *rows])
    finish(overhead_ratio=ratio, plain_s=median["plain"], recorded_s=median["recorded"])


if __name__ == "__main__":
    main()
