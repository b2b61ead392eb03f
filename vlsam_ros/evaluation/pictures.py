"""The report's plots, and its worst frames with what was right, false and missed."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from ..errors import BadImageError
from ..output.files import jpeg
from ..output.overlay import drawable
from . import operating
from .dataset import Instance
from .metrics import Geometry, Scored
from .scoring import Result

Picture = tuple[str, tuple[str, bytes]]
"""File name, and caption and contents."""

STATES = {"right": "#30c060", "misnamed": "#f0c020", "false": "#f04040", "missed": "#40a0ff", "ignored": "#a0a0a0"}
WIDTH_PX = 1200


def plots(result: Result) -> Iterator[Picture]:
    """Recall by height and distance, recall over false positives per frame, and calibration, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), dpi=90, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots(2, 2)
    of = list(result.matches)
    for axis, what in zip(axes[0], ("recall by height in px", "recall by distance in m"), strict=True):
        _bars(axis, what, {g: result.scores[g][what] for g in of})
    _curves(axes[1, 0], result)
    _reliability(axes[1, 1], {g: result.scores[g]["reliability"] for g in of})
    data = io.BytesIO()
    canvas.print_png(data)
    yield "plots.png", ("", data.getvalue())


def _bars(axis: Any, title: str, bins: dict[str, list[dict[str, float]]]) -> None:
    for i, (geometry, rows) in enumerate(bins.items()):
        places = np.arange(len(rows)) + 0.4 * (i + 0.5 - len(bins) / 2)
        axis.bar(places, [0 if math.isnan(r["recall"]) else r["recall"] for r in rows], 0.38, label=geometry)
        ends = [f"{r['from']:g}–{r['to']:g}" if math.isfinite(r["to"]) else f"≥ {r['from']:g}" for r in rows]
        axis.set_xticks(range(len(rows)), [f"{e}\nn = {r['objects']}" for e, r in zip(ends, rows, strict=True)])
    axis.set(title=title, ylim=(0, 1))
    axis.legend()


def _curves(axis: Any, result: Result) -> None:
    for geometry, matches in result.matches.items():
        _, wrong, share = operating.curve(matches)
        axis.step(wrong, share, where="post", label=geometry)
    for rate in operating.FALSE_PER_FRAME:
        axis.axvline(rate, color="#bbbbbb", linewidth=0.8)
    axis.set(title="recall at IoU 0.5 over false positives per frame", xlim=(0.01, 10), ylim=(0, 1), xscale="log")
    axis.legend()


def _reliability(axis: Any, bins: dict[str, list[dict[str, float]]]) -> None:
    axis.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
    for geometry, rows in bins.items():
        filled = [r for r in rows if r["detections"]]
        axis.plot([r["mean score"] for r in filled], [r["right"] for r in filled], "o-", label=geometry)
    axis.set(title="calibration: share right over score", xlim=(0, 1), ylim=(0, 1))
    axis.legend()


def worst(result: Result, count: int) -> Iterator[Picture]:
    """The frames with the most misses and false positives, as JPEG; those whose picture can't be read are left out."""
    geometry = list(result.matches)[-1]
    matches = result.matches[geometry].above(result.threshold)
    frames = len(result.scored)
    missed = np.bincount(matches.object_frame[np.isneginf(matches.object_score)], minlength=frames)
    false = np.bincount(matches.frame[matches.wrong], minlength=frames)
    for place, i in enumerate(np.argsort(-(missed + false), kind="stable")[:count], 1):
        scored = result.scored[i]
        if not missed[i] + false[i]:
            return
        try:
            image = scored.frame.image()
        except BadImageError:
            continue
        caption = f"{scored.frame.name}: {missed[i]} missed, {false[i]} false positives"
        drawn = draw(image, states(scored, geometry, result.threshold))
        scale = min(1.0, WIDTH_PX / drawn.shape[1], 4 * WIDTH_PX / drawn.shape[0])
        size_wh = [max(1, round(length * scale)) for length in drawn.shape[1::-1]]
        small = cv2.resize(drawn, size_wh, interpolation=cv2.INTER_AREA)
        yield f"worst_{place}.jpg", (caption, jpeg(small))


def states(scored: Scored, geometry: Geometry, threshold: float) -> list[tuple[str, Instance]]:
    """What is in use and what was missed, each with a key of `STATES`."""
    found = tuple(i for i in scored.found if i.score >= threshold)
    wanted = [i for i in scored.truth if not i.ignore]
    one = operating.match([Scored(scored.frame, scored.truth, found)], geometry)
    kinds = np.select([one.named, one.right, one.ignored], ["right", "misnamed", "ignored"], "false").tolist()
    missed = [("missed", i) for i, s in zip(wanted, one.object_score, strict=True) if np.isneginf(s)]
    return [*missed, *zip(kinds, found, strict=True)]


def draw(image: np.ndarray, instances: Sequence[tuple[str, Instance]]) -> np.ndarray:
    """A copy of the RGB uint8 (H, W, 3) with each instance in the colour of its state."""
    import supervision as sv
    from faster_coco_eval.core import mask as coco

    picture = np.ascontiguousarray(image[..., ::-1])
    if instances:
        height, width = image.shape[:2]
        masks = [np.zeros((height, width), bool) if i.rle is None else coco.decode(i.rle) > 0 for _, i in instances]
        found = sv.Detections(
            xyxy=np.array([i.xyxy for _, i in instances], np.float32),
            mask=np.array(masks),
            class_id=np.array([list(STATES).index(state) for state, _ in instances]),
        )
        palette, scale = sv.ColorPalette.from_hex(list(STATES.values())), max(height / 900, 0.4)
        labels = [drawable(i.label) + ("" if state == "missed" else f" {i.score:.2f}") for state, i in instances]
        picture = sv.MaskAnnotator(palette, opacity=0.35).annotate(picture.copy(), found)
        picture = sv.BoxAnnotator(palette, thickness=max(1, round(2 * scale))).annotate(picture, found)
        picture = sv.LabelAnnotator(
            palette, text_color=sv.Color.BLACK, text_scale=0.55 * scale, smart_position=True
        ).annotate(picture, found, labels)
    return picture[..., ::-1]
