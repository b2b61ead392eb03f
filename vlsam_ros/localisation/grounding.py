"""The second path: the VLM's names -> a grounder's boxes -> masks (after Grounded SAM, arXiv 2401.14159).

The boxes and points that the VLM writes itself (`native`) take the same way from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..backends.interfaces import Embedding, Segmenter
from ..config import Config, QuestionOptions
from ..data import Answer, Detection, Grounded, Mask, Prompts
from ..recognition.attention import certainty
from ..recognition.questions import ParsedName, parse_names
from .refine import cascade
from .score import score


def names_in(
    answers: Sequence[Answer], options: QuestionOptions, named: Sequence[Sequence[ParsedName]] | None = None
) -> dict[str, tuple[str, float]]:
    """Each name that some answers hold: the first question that brought it, and the mean of its certainties.

    Args:
        named: the names in each answer; None: those that `parse_names` reads.
    """
    if named is None:
        named = [parse_names(answer.text, options, answer.truncated) for answer in answers]
    found: dict[str, list[tuple[str, float]]] = {}
    for answer, own in zip(answers, named, strict=True):
        for parsed in own:
            found.setdefault(parsed.name, []).append((answer.question, certainty(answer, parsed.spans)))
    return {name: (own[0][0], float(np.mean([sure for _, sure in own]))) for name, own in found.items()}


def detections(
    segmenter: Segmenter | None,
    views: Sequence[np.ndarray],
    found: Sequence[Grounded],
    names: Sequence[Mapping[str, tuple[str, float]]],
    config: Config,
    source: str = "grounder",
) -> list[list[Detection]]:
    """What a grounder found in some views, outlined, for each view in pixels of the view.

    Args:
        segmenter: None if everything comes with masks.
        views: uint8 (H, W, 3) each.
        found: in each view; one without masks is encoded.
        names: what the grounder was asked for in each view, in order, each with its question and certainty.
        source: the way that found it.

    Returns:
        Detections whose score has the grounder's own in place of the attention, and the IoU of box and mask's box in
        place of the agreement with the map; of a point, whether the mask has it. A mask that came with the box counts
        as good as the box.
    """
    bare = [i for i, own in enumerate(found) if len(own) and own.masks is None]
    outlined = {}
    if segmenter and bare:
        embeddings = segmenter.embed_views([views[i] for i in bare])
        some = [found[i] for i in bare]
        masked = segmented(segmenter, embeddings, [o.xyxy for o in some], config, [o.points for o in some])
        outlined = dict(zip(bare, masked, strict=True))
    out = []
    for i, own in enumerate(found):
        masks, iou = outlined.get(i, (list(own.masks or ()), own.scores))
        out.append(_scored(own, masks, iou, names[i], config, source))
    return out


def _scored(
    found: Grounded,
    masks: Sequence[Mask],
    iou: np.ndarray,
    names: Mapping[str, tuple[str, float]],
    config: Config,
    source: str,
) -> list[Detection]:
    agreement = box_iou(found.xyxy, np.array([m.xyxy for m in masks], np.float32).reshape(-1, 4))
    if found.points is not None:
        middles = np.floor(_middles(found.xyxy)).astype(int).tolist()
        inside = np.array([m.has(x, y) for m, (x, y) in zip(masks, middles, strict=True)], np.float32)
        agreement = np.where(found.points, inside, agreement)
    asked = [(name, question, sure) for name, (question, sure) in names.items()]
    named = [asked[i] for i in found.names]
    certain = np.array([sure for *_, sure in named], np.float32)
    parts = np.stack([found.scores, iou, agreement, certain], 1)
    rows = zip(masks, named, parts.tolist(), score(parts, config.score).tolist(), strict=True)
    return [
        Detection(name, total, own, quality, fit, mask, question=question, source=source, certainty=sure)
        for mask, (name, question, sure), (own, quality, fit, _), total in rows
        if mask.area
    ]


def segmented(
    segmenter: Segmenter,
    embeddings: Sequence[Embedding],
    xyxy: Sequence[np.ndarray],
    config: Config,
    points: Sequence[np.ndarray | None] | None = None,
) -> list[tuple[list[Mask], np.ndarray]]:
    """For each view a mask for each of its boxes (N, 4), and the segmenter's estimates of their IoU, float32 (N,).

    Equal boxes of a view are one prompt. The box goes into every step of the cascade: the mask's own box, which the
    first mask's faults are in, is no better. Where only a point is known, its positive point takes the box's place.

    Args:
        points: for each view which boxes stand for points, their middles: bool (N,); None: none.
    """
    flags = [
        np.zeros(len(own), bool) if p is None else p for own, p in zip(xyxy, points or [None] * len(xyxy), strict=True)
    ]
    flagged = [np.column_stack([own, flag]) for own, flag in zip(xyxy, flags, strict=True)]
    distinct = [np.unique(own, axis=0, return_inverse=True) for own in flagged]
    rows = np.concatenate([np.zeros((0, 5), np.float32), *(own for own, _ in distinct)])
    own = [e for e, (each, _) in zip(embeddings, distinct, strict=True) for _ in each]
    size = config.segmenter.batch
    masks: dict[int, Mask] = {}
    iou = np.zeros(len(rows), np.float32)
    for kind in (False, True):
        some = np.flatnonzero(rows[:, 4] == kind)
        for chunk in (some[i : i + size] for i in range(0, len(some), size)):
            found, iou[chunk] = _outlined(segmenter, [own[i] for i in chunk], rows[chunk, :4], kind, config)
            masks.update(zip(chunk.tolist(), found, strict=True))
    starts = np.cumsum([0, *(len(each) for each, _ in distinct)])[:-1]
    places = [start + which.reshape(-1) for start, (_, which) in zip(starts, distinct, strict=True)]
    return [([masks[i] for i in each.tolist()], iou[each]) for each in places]


def _outlined(
    segmenter: Segmenter, embeddings: Sequence[Embedding], boxes: np.ndarray, points: bool, config: Config
) -> tuple[list[Mask], np.ndarray]:
    """Masks and their estimated IoU for one batch of boxes (B, 4), or of points in their middles."""
    middles = _middles(boxes)
    at = middles[:, None] if points else np.zeros((len(boxes), 0, 2), np.float32)
    given = Prompts(at, np.ones(at.shape[:2], np.int32), None if points else boxes)
    options = config.refine if points else replace(config.refine, box="map")
    low_res, quality = cascade(segmenter, embeddings, given, options)
    component = config.refine.component
    every = zip(embeddings, low_res, middles.tolist(), strict=True)
    return [e.mask(logits, (x, y) if component else None) for e, logits, (x, y) in every], quality


def _middles(boxes: np.ndarray) -> np.ndarray:
    """The middles x, y (N, 2) of boxes (N, 4)."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes (N, 4) and their partners (N, 4): float32 (N,); 0 where both are empty."""
    shared = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(0).prod(1)
    either = sum((box[:, 2:] - box[:, :2]).prod(1) for box in (a, b)) - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
