"""Merging many large masks, against comparing every pair whose boxes overlap, pixel by pixel; the same result."""

from __future__ import annotations

import argparse
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.common import finish, header, spent, table
from vlsam_ros.config import Config
from vlsam_ros.data import Detection, Mask
from vlsam_ros.ensemble.merge import merge
from vlsam_ros.ensemble.tiling import views

SIZE_HW = 900, 1600


def masks(kind: str, count: int, names: int) -> list[Detection]:
    """About half of the frame each: discs that overlap, or noise that nothing but a look at all pixels tells apart."""
    rng, (height, width) = np.random.default_rng(0), SIZE_HW
    yy, xx = np.mgrid[:height, :width]
    found = []
    for i in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        disc = ((xx - x) / (0.4 * width)) ** 2 + ((yy - y) / (0.4 * height)) ** 2 < 1
        bits = disc if kind == "discs" else rng.random(SIZE_HW) < 0.5
        score = float(rng.uniform(0.5, 1))
        found.append(Detection(f"thing {chr(97 + i % names)}", score, 0.5, 0.5, 0.5, Mask.from_dense(bits)))
    return found


def plain(a: Mask, b: Mask) -> int:
    """The pixels that two masks share, counted where their boxes overlap."""
    x0, y0, x1, y1 = (int(v) for v in (*np.maximum(a.xyxy, b.xyxy)[:2], *np.minimum(a.xyxy, b.xyxy)[2:]))
    one, other = (m.bits[y0 - m.y : y1 - m.y, x0 - m.x : x1 - m.x] for m in (a, b))
    return int(np.count_nonzero(one & other))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--names", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    header(f"{args.masks} masks of {args.names} names, half of a frame of {SIZE_HW[1]} × {SIZE_HW[0]} each")
    config = Config.from_flat({"merge.max_instances": 1000})
    all_views, figures, rows = views(SIZE_HW, config.views), {}, [["masks", "way", "CPU s", "left"]]
    everything = patch("vlsam_ros.ensemble.merge._least", lambda areas, *_: np.zeros(len(areas)))
    by_pixel = patch("vlsam_ros.ensemble.merge.intersection", plain)
    for kind in ("discs", "noise"):
        found = masks(kind, args.masks, args.names)
        with spent() as ours:
            kept = merge(found, all_views, SIZE_HW, config)
        with everything, by_pixel, spent() as theirs:
            expected = merge(found, all_views, SIZE_HW, config)
        if [d.score for d in kept] != [d.score for d in expected]:
            raise SystemExit(f"{kind}: the two ways differ")
        rows += [[kind, "this", ours.seconds, len(kept)], [kind, "every pixel", theirs.seconds, len(expected)]]
        figures |= {f"{kind}_s": ours.seconds, f"{kind}_speedup": theirs.seconds / ours.seconds}
    table(rows)
    finish(masks=args.masks, **figures)


if __name__ == "__main__":
    main()
