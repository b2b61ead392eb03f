"""The field's own figures: COCO's AP and AR, CODA's three, SSLAD's four and LVIS's, all by faster-coco-eval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .dataset import Category, Frame, Instance, box_rle, xywh
from .json_data import CODA_COMMON, SSLAD_COMMON

Geometry = Literal["box", "mask"]
Naming = Callable[[Instance], str]
Figures = dict[str, float]

LVIS_DETECTIONS = 300
"""Of a picture, over all categories."""

OF_ALL = ("AP", "AP50", "AP75", "mAR", "AR50", "AR75", "AR1", "AR10")
OF_SIZES = ("APs", "APm", "APl", "AP50s", "AP50m", "AP50l", "mARs", "mARm", "mARl")

BEYOND_ALL_AREAS = 1e11
"""Of an object to be ignored, px²: COCO's evaluator ignores those outside 0 to 1e10."""


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
    name: Naming,
    federated: bool = False,
) -> Figures:
    """AP, AP50, AP75, mAR (100 detections, IoU 0.5:0.95), AR50, AR75, AR1 and AR10; NaN where nothing is labelled.

    And AP, AP50 and mAR of COCO's sizes: s under 32² px of box or mask, m from there, l from 96² on.

    Args:
        name: an instance's category among `categories`. A region to be ignored that has none is one in each of them.
        federated: as LVIS's evaluator: the 300 best detections of a frame over all categories, and of them those whose
            category the frame was checked for; APr, APc and APf; what is to be ignored is so for one detection alone.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    scored, categories = _numbered(scored, categories)
    ids = {c.name: c.id for c in categories}
    dataset = {
        "images": [_image(s.frame) for s in scored],
        "categories": [{"id": c.id, "name": c.name, "frequency": c.frequency} for c in categories],
        "annotations": list(_annotations(scored, geometry, ids, name, federated)),
    }
    truth = COCO(dataset)
    counted = map(_checked_for(ids, name), scored) if federated else scored
    results = truth.loadRes(list(_results(counted, geometry, ids, name)))
    evaluation = COCOeval_faster(
        truth, results, "bbox" if geometry == "box" else "segm", print_function=_silent, lvis_style=federated
    )
    evaluation.params.maxDets = [1, 10, LVIS_DETECTIONS if federated else 100]
    if not categories or not scored:
        return dict.fromkeys((*OF_ALL, *OF_SIZES), math.nan)
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    figures = _figures(precision[..., 0, :], recall[:, :, 0]) | _of_sizes(precision[..., -1], recall[..., -1])
    if federated:
        for letter in "rcf":
            of = [k for k, c in enumerate(categories) if c.frequency == letter]
            figures[f"AP{letter}"] = _mean(precision[:, :, of, 0, -1])
    return figures


def _numbered(scored: Sequence[Scored], categories: Sequence[Category]) -> tuple[list[Scored], list[Category]]:
    """The same in the order of their ids, which count from 1: the evaluator's are floats, and stamps would be one."""
    numbers = {c.id: n for n, c in enumerate(sorted(categories, key=lambda c: c.id), 1)}
    frames = []
    for n, s in enumerate(sorted(scored, key=lambda s: s.frame.id), 1):
        absent, not_all = (tuple(numbers[i] for i in of if i in numbers) for of in (s.frame.absent, s.frame.not_all))
        frames.append(replace(s, frame=replace(s.frame, id=n, absent=absent, not_all=not_all)))
    return frames, sorted((replace(c, id=numbers[c.id]) for c in categories), key=lambda c: c.id)


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


def _of_sizes(precision: np.ndarray, recall: np.ndarray) -> Figures:
    """From precision and recall (…, size), the sizes being all, small, medium and large."""
    values = [_mean(of[..., size]) for of in (precision, precision[0], recall) for size in (1, 2, 3)]
    return dict(zip(OF_SIZES, values, strict=True))


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
    scored: Iterable[Scored], geometry: Geometry, ids: Mapping[str, int], name: Naming, federated: bool
) -> Iterator[dict]:
    number = 0
    for s in scored:
        for item in s.truth:
            everywhere = item.ignore and not name(item)
            for category in ids.values() if everywhere else [ids[name(item)]] if name(item) in ids else []:
                number += 1
                entry = _entry(item, s.frame, geometry, category) | {"id": number}
                if item.ignore:
                    entry |= {"area": BEYOND_ALL_AREAS} if federated else {"iscrowd": 1}
                yield entry


def _results(scored: Iterable[Scored], geometry: Geometry, ids: Mapping[str, int], name: Naming) -> Iterator[dict]:
    for s in scored:
        for item in s.found:
            if name(item) in ids:
                yield _entry(item, s.frame, geometry, ids[name(item)]) | {"score": item.score}


def _checked_for(ids: Mapping[str, int], name: Naming) -> Callable[[Scored], Scored]:
    """What leaves of a frame's detections those that LVIS judges: of categories that it shows, or is known not to."""
    names = {i: n for n, i in ids.items()}

    def checked(s: Scored) -> Scored:
        known = {name(i) for i in s.truth} | {names[i] for i in s.frame.absent if i in names}
        return replace(s, found=tuple(i for i in s.found[:LVIS_DETECTIONS] if name(i) in known))

    return checked


def _entry(item: Instance, frame: Frame, geometry: Geometry, category: int) -> dict:
    """One annotation or result; of a mask without a box, whose area would count as that of a result."""
    from faster_coco_eval.core import mask as coco

    entry, form = {"image_id": frame.id, "category_id": category, "iscrowd": 0}, shape(item, frame, geometry)
    if isinstance(form, list):
        return entry | {"bbox": form, "area": form[2] * form[3]}
    return entry | {"segmentation": form, "area": float(coco.area(form))}


def shape(item: Instance, frame: Frame, geometry: Geometry) -> list[float] | dict:
    """What overlaps are counted on: the box in COCO's form, or the mask; the box stands in for one that is missing."""
    if geometry == "box":
        return xywh(item.xyxy)
    return box_rle(item.xyxy, frame.size_hw) if item.rle is None else item.rle


def _silent(*_: object) -> None:
    pass
