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
from . import anomaly_instances, anomaly_names, anomaly_pixels, metrics, operating
from .dataset import ANOMALY, ANOMALY_KINDS, VOID, Dataset, Instance
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
    keep_known: bool = False,
) -> Result:
    """Score the frames that have a result; failed ones and those without are counted, never taken as empty.

    Args:
        keep_known: as in `paired`.
        oracle: what the segmenter makes of the true boxes, as upper bound.
        threshold: None: as the detector was set.

    Raises:
        DataError: no frame has a result.
    """
    if not predictions.found:
        raise DataError(f"nothing to score: all {len(predictions.failed)} frames with a prediction failed")
    scored = paired(dataset, predictions.found, match_names, keep_known)
    least = float(predictions.header.get("threshold") or 0.0) if threshold is None else threshold
    if not math.isfinite(least):
        raise DataError(f"expected a finite threshold, got {least}")
    warnings = dataset.warnings + predictions.warnings + _unmasked(scored)
    judged = {geometry: judged_as(scored, geometry) for geometry in geometries(scored)}
    matches = {geometry: operating.match(part, geometry) for geometry, part in judged.items()}
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
    if novelty := predictions.novelty.values():
        scores["unfamiliar"] = sum(value > 1 for value in novelty) / len(novelty)
    for geometry, m in matches.items():
        scores[geometry] = published_kind(dataset, judged[geometry], geometry) | in_use(m, least)
    if dataset.kind in ANOMALY_KINDS:
        left_out = Counter[str]() if keep_known else anomaly_names.usual(predictions.found)
        scores["anomalies"] = anomalies(dataset, scored) | {"left out": dict(left_out.most_common())}
    if any(predictions.dropped.values()):
        aside = paired(dataset, predictions.dropped, match_names, keep_known)
        scores["dropped"] = dropped(judged_as(aside, list(matches)[-1]), list(matches)[-1])
    if oracle is not None:
        scores["oracle"] = beside_oracle(dataset, scored, oracle, match_names, list(matches))
    return Result(scores, scored, matches, least, dataset.partial)


def paired(
    dataset: Dataset, found: Mapping[int, Sequence[Instance]], match_names: Matcher, keep_known: bool = False
) -> list[Scored]:
    """The frames with a result, each label of it mapped to a category.

    Where anomalies are judged, what has a name of Cityscapes' classes is left out unless it is to be kept, and all else
    is an anomaly, whatever it is called.
    """
    if dataset.kind in ANOMALY_KINDS:
        found = found if keep_known else anomaly_names.unusual(found)
        match_names = _all_anomalies
    labels = sorted({i.label for items in found.values() for i in items})
    category = dict(zip(labels, match_names(labels, dataset.categories), strict=True))
    named = {i: tuple(replace(item, category=category[item.label]) for item in items) for i, items in found.items()}
    return [Scored(f, f.truth(), named[f.id]) for f in dataset.frames if f.id in named]


def _all_anomalies(labels: Sequence[str], _: object) -> list[str]:
    return [ANOMALY] * len(labels)


def judged_as(scored: Sequence[Scored], geometry: Geometry) -> list[Scored]:
    """The same, for boxes without the void pixels of pictures of labels."""
    if geometry == "mask":
        return list(scored)
    return [replace(s, truth=tuple(i for i in s.truth if i.label != VOID)) for s in scored]


def anomalies(dataset: Dataset, scored: Sequence[Scored]) -> dict[str, Any]:
    """The figures that OoDIS or SegmentMeIfYouCan is known by, beside COCO's of boxes."""
    figures: dict[str, Any] = {"predictions per frame": sum(len(s.found) for s in scored) / len(scored)}
    if dataset.kind == "smiyc":
        figures["pixels"] = anomaly_pixels.pixels(scored)
        figures["components"] = anomaly_pixels.components(scored, figures["pixels"]["threshold"], dataset.track)
        figures["components"]["least px"] = anomaly_pixels.SIZES_PX[dataset.track]
    elif any(i.rle is not None for s in scored for i in s.truth):
        figures["instances"] = anomaly_instances.figures(scored)
    return figures


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
    figures: dict[str, Any] = {"agnostic": metrics.agnostic(scored, geometry)}
    if dataset.kind in ANOMALY_KINDS:  # which judge no names
        return figures
    of_names = metrics.lvis if dataset.kind == "lvis" else metrics.by_category
    figures["named"] = of_names(scored, geometry, dataset.categories)
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
        ways = ([s for s in judged_as(way, geometry) if s.frame.id in both] for way in (scored, best))
        ours, theirs = (metrics.agnostic(way, geometry) for way in ways)
        table[geometry] = theirs
        table[f"{geometry} ratio"] = {k: ours[k] / theirs[k] if theirs[k] > 0 else float("nan") for k in theirs}
    return table


def dropped(scored: Sequence[Scored], geometry: Geometry) -> dict[str, float]:
    """What was found and not believed, and how much of it was right after all."""
    m = operating.match(scored, geometry)
    return {"instances": len(m.score), "on an object": int(m.right.sum()), "and of its name": int(m.named.sum())}


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(seconds, q)) for q in (50, 95)} if seconds else {}


def _anomaly_line(figures: dict[str, Any]) -> dict[str, float]:
    wanted = {"pixels": ("AUPRC", "FPR95"), "components": ("sIoU", "PPV", "F1"), "instances": ("AP", "AP50")}
    line = {f"{of[:-1]}_{k}": figures[of][k] for of, keys in wanted.items() if of in figures for k in keys}
    named = sum(figures["left out"].values())
    return line | {"predictions_per_frame": figures["predictions per frame"], "left_out": named}


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
    if "anomalies" in scores:
        line |= _anomaly_line(scores["anomalies"])
    empty = part["empty road"]
    line["names_right"], line["calibration_error"] = part["names right"], part["calibration error"]
    line["false_per_frame"] = part["false positives per frame"]
    line["clean_empty_roads"] = empty["without a false alarm"] / empty["frames"] if empty["frames"] else float("nan")
    line |= {"unfamiliar": scores["unfamiliar"]} if "unfamiliar" in scores else {}
    return line | {f"seconds_{q}": s for q, s in scores["seconds"].items()}
