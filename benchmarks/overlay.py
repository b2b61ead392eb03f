"""Drawing an overlay, against supervision's annotators; and label images of the same instances."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
import supervision as sv

from benchmarks.common import finish, header, table
from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.output import labels
from vlsam_ros.output.files import jpeg
from vlsam_ros.output.overlay import PALETTE, colour_index, draw

SIZE_HW = 1080, 1920


def instances(count: int) -> Detections:
    """Ellipses of 8 to 320 px anywhere, a third of them less than 30 px high."""
    rng, items = np.random.default_rng(0), []
    for i in range(count):
        w, h = rng.integers(8, 30 if i % 3 == 0 else 320, 2).tolist()
        bits = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (w, h)).astype(bool)
        x, y = (int(rng.integers(0, limit - length)) for limit, length in ((SIZE_HW[1], w), (SIZE_HW[0], h)))
        mask = Mask.from_dense(bits).shifted(x, y)
        items.append(Detection(f"thing {i}", 1 - i / 1000, 1, 1, 1, mask))
    return Detections(SIZE_HW, tuple(items))


def annotated(image: np.ndarray, found: Detections) -> np.ndarray:
    """Masks, boxes and labels that keep off each other, by supervision."""
    those = sv.Detections(
        xyxy=found.boxes_xyxy,
        mask=found.masks(),
        confidence=found.scores,
        class_id=np.array([colour_index(label) for label in found.labels]),
    )
    palette = sv.ColorPalette.from_hex(list(PALETTE))
    picture = sv.MaskAnnotator(palette).annotate(image.copy(), those)
    picture = sv.BoxAnnotator(palette).annotate(picture, those)
    return sv.LabelAnnotator(palette, smart_position=True).annotate(picture, those, found.labels)


def milliseconds(run: Callable[[], object], times: int) -> float:
    """Median time of a call."""
    run()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return 1e3 * float(np.median(taken))


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--times", type=int, default=15)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    found = instances(args.instances)
    image = np.random.default_rng(1).integers(0, 255, (*SIZE_HW, 3), np.uint8)
    calls: dict[str, Callable[[], object]] = {
        "supervision": lambda: annotated(image, found),
        "draw": lambda: draw(image, found),
        "JPEG": lambda: jpeg(image),
        "instances": lambda: labels.instances(found),
        "classes": lambda: labels.classes(found),
        "confidence": lambda: labels.confidence(found),
    }
    took = {name: milliseconds(call, args.times) for name, call in calls.items()}
    header(f"Pictures of {args.instances} instances, {SIZE_HW[1]} x {SIZE_HW[0]}")
    table([["", "ms"], *([name, ms] for name, ms in took.items())])
    finish(instances=args.instances, **{f"{name}_ms": ms for name, ms in took.items()})


if __name__ == "__main__":
    main()
