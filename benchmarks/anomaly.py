"""SegmentMeIfYouCan's pixel figures on large pictures: counts by score, frame by frame, beside sorting all pixels.

    python -m benchmarks.anomaly --frames 30

The figures are the same. Each way runs in a process of its own, on pictures of RoadObstacle21's size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from vlsam_ros.data import Mask
from vlsam_ros.evaluation import anomaly_pixels, label_pictures
from vlsam_ros.evaluation.dataset import Frame, Instance, mask_rle
from vlsam_ros.evaluation.metrics import Figures, Scored

from .common import alone, header, spent, table

SIZE_HW = (1080, 1920)


def scored(number: int, detections: int) -> Scored:
    """A frame with three anomalies, the upper half void, and ellipses as detections."""
    rng, labels = np.random.default_rng(number), np.zeros(SIZE_HW, np.uint8)

    def ellipse() -> np.ndarray:
        centre, axes = rng.integers((0, 500), SIZE_HW[::-1]), rng.integers(10, 80, 2)
        bits = np.zeros(SIZE_HW, np.uint8)
        cv2.ellipse(bits, tuple(map(int, centre)), tuple(map(int, axes)), 0, 0, 360, 1, -1)
        return bits > 0

    shapes = [ellipse() for _ in range(3)]
    for bits in shapes:
        labels[bits] = 1
    labels[:500] = 255
    truth = [label_pictures.anomaly(Mask.from_dense(bits & (labels == 1)), SIZE_HW) for bits in shapes]
    truth += label_pictures.void(labels == 255)
    found = [*shapes, *(ellipse() for _ in range(detections - 3))]
    items = [Instance("", (0, 0, 1, 1), mask_rle(Mask.from_dense(m), SIZE_HW), float(rng.random())) for m in found]
    frame = Frame(number, "", SIZE_HW, lambda: np.zeros((*SIZE_HW, 3), np.uint8), lambda: tuple(truth))
    return Scored(frame, tuple(truth), tuple(items))


def sorted_pixels(frames: Sequence[Scored]) -> Figures:
    """AUPRC and FPR95 from the scores of all pixels, sorted."""
    score, right = [], []
    for s in frames:
        values, places = anomaly_pixels.score_map(s)
        judged = ~anomaly_pixels.union(s, (i for i in s.truth if i.ignore))
        score.append(values[places[judged]])
        right.append(anomaly_pixels.union(s, (i for i in s.truth if not i.ignore))[judged])
    scores, rights = np.concatenate(score), np.concatenate(right)
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    hits = np.cumsum(rights[order])[last]
    recall, false = hits / hits[-1], last + 1 - hits
    auprc = np.sum(np.diff(recall, prepend=0.0) * hits / (last + 1))
    return {"AUPRC": float(auprc), "FPR95": float(false[np.searchsorted(recall, 0.95)] / false[-1])}


def components(frames: Sequence[Scored]) -> Figures:
    """The figures of components, at a threshold in the middle."""
    return anomaly_pixels.components(frames, 0.5, "obstacle")


WAYS: dict[str, Callable[[Sequence[Scored]], Figures]] = {
    "all pixels sorted": sorted_pixels,
    "counts by score": anomaly_pixels.pixels,
    "components": components,
}


def measured(way: str, count: int, detections: int) -> dict[str, float]:
    """Its seconds, memory and figures."""
    frames = [scored(n, detections) for n in range(1, count + 1)]
    with spent() as cost:
        made = WAYS[way](frames)
    figures = {k: made[k] for k in ("AUPRC", "FPR95") if k in made}
    return {"s_per_frame": cost.seconds / count, "extra_MiB": cost.extra_bytes / 2**20} | figures


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--detections", type=int, default=12, help="in each frame, at least 3 (%(default)s)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measured(args.way, args.frames, args.detections)))
        return
    header(f"{args.frames} frames of 1920 x 1080 px, {args.detections} detections in each")
    size = ("--frames", args.frames, "--detections", args.detections)
    rows = {way: alone("benchmarks.anomaly", *size, "--way", way, return_memory=True) for way in WAYS}
    columns = ("s_per_frame", "extra_MiB", "AUPRC", "FPR95")
    table([("way", *columns)] + [(way, *(row.get(c, "") for c in columns)) for way, row in rows.items()])
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
