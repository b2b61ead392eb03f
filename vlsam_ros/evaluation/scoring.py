"""From ground truth and predictions to figures. No model, no GPU."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import __version__
from ..errors import DataError
from . import metrics, operating
from .dataset import Dataset, Instance
from .metrics import Geometry, Scored
from .names import Matcher
from .operating import Matches
from .predictions import Predictions


@dataclass(frozen=True)
class Result:
    """Everything measured.

    Attributes:
        scores: all figures by name, nested; NaN where there was nothing to count.
        scored: the frames behind them.
        matches: for each geometry, box and (if there are masks) mask.
        threshold: the score from which on an instance is in use.
        partial: not every object is labelled.
    """

    scores: dict[str, Any]
    scored: list[Scored]
    matches: dict[Geometry, Matches]
    threshold: float
    partial: bool


def score(
    dataset: Dataset,
    predictions: Predictions,
    match_names: Matcher,
    oracle: Predictions | None = None,
    threshold: float | None = None,
) -> Result:
    """Score the frames that have a result; failed ones and those without are counted, never taken as empty.

    Args:
        oracle: what the segmenter makes of the true boxes, as upper bound.
        threshold: None: as the detector was set.

    Raises:
        DataError: no frame has a result.
    """
    if not predictions.found:
        raise DataError(f"nothing to score: all {len(predictions.failed)} frames with a prediction failed")
    scored = paired(dataset, predictions.found, match_names)
    least = float(predictions.header.get("threshold") or 0.0) if threshold is None else threshold
    if not math.isfinite(least):
        raise DataError(f"expected a finite threshold, got {least}")
    warnings = dataset.warnings + predictions.warnings + _unmasked(scored)
    matches = {geometry: operating.match(scored, geometry) for geometry in geometries(scored)}
    scores: dict[str, Any] = {
        "vlsam_ros": __version__,
        "data": dataset.name,
        "models": predictions.models,
        "threshold": least,
        "frames": {
            "in the data": len(dataset.frames),
            "scored": len(scored),
            "failed": len(predictions.failed),
            "without a prediction": len(dataset.frames) - len(scored) - len(predictions.failed),
        },
        "warnings": dict(warnings),
        "seconds": _quantiles(predictions.seconds),
    }
    for geometry, m in matches.items():
        scores[geometry] = published_kind(dataset, scored, geometry) | in_use(m, least)
    if any(predictions.dropped.values()):
        scores["dropped"] = dropped(paired(dataset, predictions.dropped, match_names), list(matches)[-1])
    if oracle is not None:
        scores["oracle"] = beside_oracle(dataset, scored, oracle, match_names, list(matches))
    return Result(scores, scored, matches, least, dataset.partial)


def paired(dataset: Dataset, found: Mapping[int, Sequence[Instance]], match_names: Matcher) -> list[Scored]:
    """The frames with a result, each label of it mapped to a category."""
    labels = sorted({i.label for items in found.values() for i in items})
    category = dict(zip(labels, match_names(labels, dataset.categories), strict=True))
    named = {i: tuple(replace(item, category=category[item.label]) for item in items) for i, items in found.items()}
    return [Scored(f, f.truth(), named[f.id]) for f in dataset.frames if f.id in named]


def geometries(scored: Sequence[Scored]) -> list[Geometry]:
    """Boxes, and masks where the ground truth has some."""
    masks = any(i.rle is not None for s in scored for i in s.truth if not i.ignore)
    return ["box", "mask"] if masks else ["box"]


def _unmasked(scored: Sequence[Scored]) -> Counter[str]:
    if geometries(scored) == ["box"]:
        return Counter()
    objects = sum(i.rle is None for s in scored for i in s.truth)
    found = sum(i.rle is None for s in scored for i in s.found)
    return +Counter({"objects without a mask, their box stands in": objects, "detections without a mask": found})


def published_kind(dataset: Dataset, scored: Sequence[Scored], geometry: Geometry) -> dict[str, Any]:
    """The figures of COCO's kind, and those that the dataset is known by."""
    of_names = metrics.lvis if dataset.kind == "lvis" else metrics.by_category
    figures: dict[str, Any] = {
        "agnostic": metrics.agnostic(scored, geometry),
        "named": of_names(scored, geometry, dataset.categories),
    }
    if dataset.kind == "coda":
        figures["coda"] = metrics.coda(scored, geometry, dataset.categories)
        figures["sslad"] = metrics.sslad(scored, geometry, dataset.categories)
    return figures


def in_use(everything: Matches, threshold: float) -> dict[str, Any]:
    """A driving team's figures, at the threshold in use; recall at fixed rates and calibration are of all scores."""
    m = everything.above(threshold)
    frames, clean = operating.empty_frames(m)
    counted = everything.score[~everything.ignored], everything.right[~everything.ignored]
    rows = ("from", "to", "objects", "recall")
    return {
        "objects": len(m.object_score),
        "detections": len(m.score),
        "recall": operating.recall(m),
        "recall by height in px": _rows(rows, operating.recall_by(m, m.height_px, operating.HEIGHTS_PX)),
        "recall by distance in m": _rows(rows, operating.recall_by(m, m.distance_m, operating.DISTANCES_M)),
        "false positives per frame": operating.false_per_frame(m),
        "recall at false positives per frame": [
            dict(zip(("at most", "recall", "threshold", "rate"), (f, *operating.recall_at(everything, f)), strict=True))
            for f in operating.FALSE_PER_FRAME
        ],
        "empty road": {"frames": frames, "without a false alarm": clean},
        "names right": operating.names_right(m),
        "reliability": _rows(("from", "to", "detections", "mean score", "right"), operating.reliability(*counted)),
        "calibration error": operating.calibration_error(*counted),
    }


def _rows(names: Sequence[str], rows: Sequence[Sequence[float]]) -> list[dict[str, float]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def beside_oracle(
    dataset: Dataset, scored: Sequence[Scored], oracle: Predictions, match_names: Matcher, wanted: Sequence[Geometry]
) -> dict[str, Any]:
    """The oracle's figures, and the detector's as a share of them, on the frames that both have."""
    best = paired(dataset, oracle.found, match_names)
    both = {s.frame.id for s in best} & {s.frame.id for s in scored}
    table: dict[str, Any] = {"models": oracle.models, "frames": len(both)}
    for geometry in wanted:
        ours, theirs = (metrics.agnostic([s for s in way if s.frame.id in both], geometry) for way in (scored, best))
        table[geometry] = theirs
        table[f"{geometry} ratio"] = {k: ours[k] / theirs[k] if theirs[k] > 0 else float("nan") for k in theirs}
    return table


def dropped(scored: Sequence[Scored], geometry: Geometry) -> dict[str, float]:
    """What was found and not believed, and how much of it was right after all."""
    m = operating.match(scored, geometry)
    return {"instances": len(m.score), "on an object": int(m.right.sum()), "and of its name": int(m.named.sum())}


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(seconds, q)) for q in (50, 95)} if seconds else {}


def headline(scores: dict[str, Any]) -> dict[str, float]:
    """The few figures that sum up the rest, as one flat line."""
    line = {"frames": scores["frames"]["scored"], "failed": scores["frames"]["failed"]}
    for geometry in ("box", "mask"):
        if geometry in scores:
            part = scores[geometry]
            line[f"{geometry}_mAR"], line[f"{geometry}_recall50"] = part["agnostic"]["mAR"], part["recall"]
            if "oracle" in scores:
                line[f"{geometry}_mAR_of_oracle"] = scores["oracle"][f"{geometry} ratio"]["mAR"]
    part = scores["mask" if "mask" in scores else "box"]
    for r in part["recall by height in px"]:
        end = f"{r['from']:g}_to_{r['to']:g}px" if np.isfinite(r["to"]) else f"from_{r['from']:g}px"
        line[f"recall50_{end}"] = r["recall"]
    empty = part["empty road"]
    line["names_right"], line["calibration_error"] = part["names right"], part["calibration error"]
    line["false_per_frame"] = part["false positives per frame"]
    line["clean_empty_roads"] = empty["without a false alarm"] / empty["frames"] if empty["frames"] else float("nan")
    return line | {f"seconds_{q}": s for q, s in scores["seconds"].items()}
