"""The second path: the VLM's names -> a grounder's boxes -> masks (after Grounded SAM, arXiv 2401.14159)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..backends.interfaces import Embedding, Segmenter
from ..config import Config, QuestionOptions
from ..data import Answer, Detection, Grounded, Mask, Prompts
from ..recognition.attention import certainty
from ..recognition.questions import parse_names
from .refine import cascade, component
from .score import score


def names_in(answers: Sequence[Answer], options: QuestionOptions) -> dict[str, tuple[str, float]]:
    """Each name that some answers hold: the first question that brought it, and the mean of its certainties."""
    found: dict[str, list[tuple[str, float]]] = {}
    for answer in answers:
        for parsed in parse_names(answer.text, options, answer.truncated):
            found.setdefault(parsed.name, []).append((answer.question, certainty(answer, parsed.spans)))
    return {name: (own[0][0], float(np.mean([sure for _, sure in own]))) for name, own in found.items()}


def detections(
    segmenter: Segmenter,
    embedding: Embedding | None,
    found: Grounded,
    names: Mapping[str, tuple[str, float]],
    config: Config,
) -> list[Detection]:
    """What a grounder found in a view, outlined, in pixels of the view.

    Args:
        embedding: the view's; None if the grounder brought masks.
        names: what it was asked for, in order, each with its question and certainty.

    Returns:
        Detections whose score has the grounder's own in place of the attention, and the IoU of box and mask's box in
        place of the agreement with the map. A mask that came with the box counts as good as the box.
    """
    if embedding is None:
        masks, iou = list(found.masks or ()), found.scores
    else:
        masks, iou = segmented(segmenter, embedding, found.xyxy, config)
    agreement = box_iou(found.xyxy, np.array([m.xyxy for m in masks], np.float32).reshape(-1, 4))
    asked = [(name, question, sure) for name, (question, sure) in names.items()]
    named = [asked[i] for i in found.names]
    certain = np.array([sure for *_, sure in named], np.float32)
    parts = np.stack([found.scores, iou, agreement, certain], 1)
    rows = zip(masks, named, parts.tolist(), score(parts, config.score).tolist(), strict=True)
    return [
        Detection(name, total, own, quality, fit, mask, question=question, source="grounder", certainty=sure)
        for mask, (name, question, sure), (own, quality, fit, _), total in rows
        if mask.area
    ]


def segmented(
    segmenter: Segmenter, embedding: Embedding, xyxy: np.ndarray, config: Config
) -> tuple[list[Mask], np.ndarray]:
    """A mask for each box (N, 4), and the segmenter's estimate of its IoU, float32 (N,); equal boxes are one prompt.

    The box goes into every step of the cascade: the mask's own box, which the first mask's faults are in, is no better.
    """
    boxes, which = np.unique(xyxy, axis=0, return_inverse=True)
    size, options = config.segmenter.batch, replace(config.refine, box="map")
    masks: list[Mask] = []
    iou: list[np.ndarray] = []
    for chunk in (boxes[i : i + size] for i in range(0, len(boxes), size)):
        no_points = np.zeros((len(chunk), 0, 2), np.float32)
        dense, quality = cascade(
            segmenter, embedding, Prompts(no_points, no_points[..., 0].astype(int), chunk), options
        )
        middles = (chunk[:, :2] + chunk[:, 2:]) / 2
        for mask, middle in zip(dense, middles, strict=True):
            masks.append(component(mask, tuple(middle)) if config.refine.component else Mask.from_dense(mask))
        iou.append(quality)
    which = which.reshape(-1)
    return [masks[i] for i in which], np.concatenate([np.zeros(0, np.float32), *iou])[which]


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes (N, 4) and their partners (N, 4): float32 (N,); 0 where both are empty."""
    shared = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(0).prod(1)
    either = sum((box[:, 2:] - box[:, :2]).prod(1) for box in (a, b)) - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
