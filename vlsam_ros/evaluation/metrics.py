"""The field's own figures: COCO's AP and AR, CODA's three, SSLAD's four and LVIS's, all by faster-coco-eval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .dataset import Category, Frame, Instance, box_rle, xywh
from .json_data import CODA_COMMON, SSLAD_COMMON

Geometry = Literal["box", "mask"]
Figures = dict[str, float]


@dataclass(frozen=True)
class Scored:
    """A frame, what is labelled in it, and what was found, best score first."""

    frame: Frame
    truth: tuple[Instance, ...]
    found: tuple[Instance, ...]


def agnostic(scored: Sequence[Scored], geometry: Geometry) -> Figures:
    """All categories as one."""
    return coco_figures(scored, geometry, [Category(1, "object")], lambda _: "object")


def by_category(scored: Sequence[Scored], geometry: Geometry, categories: Sequence[Category]) -> Figures:
    """Means over the categories; a detection whose name fits none of them takes no part."""
    return coco_figures(scored, geometry, categories, lambda i: i.category)


def coda(scored: Sequence[Scored], geometry: Geometry, categories: Sequence[Category]) -> dict[str, Figures]:
    """CORNER and NOVEL without names, COMMON by name, over the corner cases (coda-dataset.github.io, benchmark)."""
    common = [c for c in categories if c.name in CODA_COMMON]
    corners = [_with_truth(s, lambda i: i.corner) for s in scored]
    novel = [_with_truth(s, lambda i: i.category not in CODA_COMMON) for s in corners]
    return {
        "CORNER": agnostic(corners, geometry),
        "COMMON": by_category(corners, geometry, common),
        "NOVEL": agnostic(novel, geometry),
    }


def sslad(scored: Sequence[Scored], geometry: Geometry, categories: Sequence[Category]) -> Figures:
    """The four figures of the SSLAD challenge's corner case track, as its evaluator counts them."""
    everything = agnostic(scored, geometry)
    corners = agnostic([_with_truth(s, lambda i: i.corner) for s in scored], geometry)
    common = by_category(scored, geometry, [c for c in categories if c.name in SSLAD_COMMON])
    return {
        "AP-common": common["AP"],
        "AP-agnostic": everything["AP"],
        "AR-agnostic": everything["mAR"],
        "AR-agnostic-corner": corners["mAR"],
    }


def lvis(scored: Sequence[Scored], geometry: Geometry, categories: Sequence[Category]) -> Figures:
    """AP and AR over 300 detections, and AP of the rare, common and frequent categories; labels are federated."""
    return coco_figures(scored, geometry, categories, lambda i: i.category, federated=True)


def _with_truth(scored: Scored, wanted: Callable[[Instance], bool]) -> Scored:
    return Scored(scored.frame, tuple(i for i in scored.truth if i.ignore or wanted(i)), scored.found)


def coco_figures(
    scored: Sequence[Scored],
    geometry: Geometry,
    categories: Sequence[Category],
    name: Callable[[Instance], str],
    federated: bool = False,
) -> Figures:
    """AP, AP50, AP75, mAR (100 detections, IoU 0.5:0.95), AR50, AR75, AR1 and AR10; NaN where nothing is labelled.

    Args:
        name: an instance's category among `categories`. A region to be ignored is one in each of them.
        federated: as in LVIS: 300 detections, only categories that a frame was checked for, and APr, APc and APf.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    ids = {c.name: c.id for c in categories}
    dataset = {
        "images": [_image(s.frame) for s in scored],
        "categories": [{"id": c.id, "name": c.name, "frequency": c.frequency} for c in categories],
        "annotations": list(_annotations(scored, geometry, ids, name)),
    }
    truth = COCO(dataset)
    results = truth.loadRes(list(_results(scored, geometry, ids, name)))
    evaluation = COCOeval_faster(
        truth, results, "bbox" if geometry == "box" else "segm", print_function=_silent, lvis_style=federated
    )
    evaluation.params.maxDets = [1, 10, 300 if federated else 100]
    if not categories or not scored:
        return dict.fromkeys(("AP", "AP50", "AP75", "mAR", "AR50", "AR75", "AR1", "AR10"), math.nan)
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    figures = _figures(precision[..., 0, :], recall[:, :, 0])
    if federated:
        order = sorted(categories, key=lambda c: c.id)
        for letter in "rcf":
            of = [k for k, c in enumerate(order) if c.frequency == letter]
            figures[f"AP{letter}"] = _mean(precision[:, :, of, 0, -1])
    return figures


def _figures(precision: np.ndarray, recall: np.ndarray) -> Figures:
    """From precision (IoU, recall, category, detections) and recall (IoU, category, detections); -1 is unknown."""
    return {
        "AP": _mean(precision[..., -1]),
        "AP50": _mean(precision[0, ..., -1]),
        "AP75": _mean(precision[5, ..., -1]),
        "mAR": _mean(recall[..., -1]),
        "AR50": _mean(recall[0, ..., -1]),
        "AR75": _mean(recall[5, ..., -1]),
        "AR1": _mean(recall[..., 0]),
        "AR10": _mean(recall[..., 1]),
    }


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else math.nan


def _image(frame: Frame) -> dict:
    return {
        "id": frame.id,
        "height": frame.size_hw[0],
        "width": frame.size_hw[1],
        "neg_category_ids": list(frame.absent),
        "not_exhaustive_category_ids": list(frame.not_all),
    }


def _annotations(
    scored: Sequence[Scored], geometry: Geometry, ids: dict[str, int], name: Callable[[Instance], str]
) -> Iterable[dict]:
    number = 0
    for s in scored:
        for item in s.truth:
            own = [ids[name(item)]] if name(item) in ids else []
            for category in ids.values() if item.ignore else own:
                number += 1
                yield _entry(item, s.frame, geometry, category) | {"id": number, "iscrowd": int(item.ignore)}


def _results(
    scored: Sequence[Scored], geometry: Geometry, ids: dict[str, int], name: Callable[[Instance], str]
) -> Iterable[dict]:
    for s in scored:
        for item in s.found:
            if name(item) in ids:
                yield _entry(item, s.frame, geometry, ids[name(item)]) | {"score": item.score}


def _entry(item: Instance, frame: Frame, geometry: Geometry, category: int) -> dict:
    x, y, w, h = xywh(item.xyxy)
    entry = {"image_id": frame.id, "category_id": category, "bbox": [x, y, w, h], "area": w * h}
    return entry | ({"segmentation": shape(item, frame, geometry)} if geometry == "mask" else {})


def shape(item: Instance, frame: Frame, geometry: Geometry) -> list[float] | dict:
    """What overlaps are counted on: the box in COCO's form, or the mask; the box stands in for one that is missing."""
    if geometry == "box":
        return xywh(item.xyxy)
    return box_rle(item.xyxy, frame.size_hw) if item.rle is None else item.rle


def _silent(*_: object) -> None:
    pass
