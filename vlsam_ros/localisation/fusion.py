"""What each way from a name to a place says of an instance, whoever found it, and one score from all of that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ..config import WAYS, FusionOptions
from ..data import Detection, Grounded, Mask, NamedMap, Witness
from .grounding import box_iou
from .prompts import coverage
from .refine import consistency

Asked = tuple[Grounded, Mapping[str, int]]
"""What was found, and the number in it of each name that was asked for."""


def witnessed(
    found: Sequence[Detection], maps: Sequence[NamedMap] | None, places: Mapping[str, Asked]
) -> list[Detection]:
    """Detections of one view, each with its witnesses.

    Args:
        found: in pixels of the view.
        maps: the attention's, for every name that has one; None if nobody looked at it.
        places: of each other way that was asked.
    """
    return [replace(d, witnesses=tuple(_witnesses(d, maps, places))) for d in found]


def _witnesses(d: Detection, maps: Sequence[NamedMap] | None, places: Mapping[str, Asked]) -> Iterator[Witness]:
    own = [m for m in maps or () if m.name == d.label]
    if d.source == "attention":
        yield Witness("attention", d.attention, d.consistency)
    elif own:
        yield _surest(attended(m, d.mask) for m in own)
    for way in WAYS:
        if way in places and d.label in places[way][1]:
            grounded, numbers = places[way]
            yield beside(way, grounded, numbers[d.label], d.mask)


def attended(m: NamedMap, mask: Mask) -> Witness:
    """What a name's map says of a mask that others found."""
    cover = coverage(mask, m.layout)
    under = cover > 0.5 * cover.max()
    if not under.any():
        return Witness("attention", 0.0, 0.0)
    _, parts = cv2.connectedComponents((m.heat > m.heat.mean()).astype(np.uint8))
    own = np.isin(parts, parts[under & (parts > 0)])
    return Witness("attention", float(m.heat[under].max()), consistency(m.heat, cover, own))


def beside(way: str, found: Grounded, name: int, mask: Mask) -> Witness:
    """What a way that gives boxes says of a mask under one of the names that it was asked for."""
    rows = np.flatnonzero(found.names == name)
    xyxy, points = found.xyxy[rows], np.zeros(len(rows), bool) if found.points is None else found.points[rows]
    iou = box_iou(xyxy, np.broadcast_to(np.array(mask.xyxy, np.float32), xyxy.shape))
    for i in np.flatnonzero(points):
        x, y = (xyxy[i, :2] + xyxy[i, 2:]) / 2
        iou[i] = mask.has(int(x), int(y))
    said = (Witness(way, float(s), float(fit)) for s, fit in zip(found.scores[rows], iou, strict=True) if fit > 0)
    return _surest([Witness(way, 0.0, 0.0), *said])


def together(witnesses: Iterable[Witness]) -> tuple[Witness, ...]:
    """One witness a way, the one with the most evidence, in the order of `WAYS`."""
    each: dict[str, list[Witness]] = {}
    for w in witnesses:
        each.setdefault(w.way, []).append(w)
    return tuple(_surest(each[way]) for way in WAYS if way in each)


def fused(scores: Mapping[str, float], witnesses: Sequence[Witness], options: FusionOptions) -> float:
    """One score in [0, 1].

    Args:
        scores: of each way that found the instance, its best.
        witnesses: one a way.
    """
    if options.mapping == "independent":
        best = list(scores.values())
        return best[0] if len(best) == 1 else 1 - math.prod(1 - score for score in best)
    total = options.bias + options.score * max(scores.values())
    total += sum(getattr(options, w.way) * (w.evidence - getattr(options, f"{w.way}_mean")) for w in witnesses)
    return 1 / (1 + math.exp(-min(max(total, -500), 500)))


def _surest(witnesses: Iterable[Witness]) -> Witness:
    return max(witnesses, key=lambda w: (w.evidence, w.score, w.iou))
