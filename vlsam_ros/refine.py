"""From points to masks: the PerSAM cascade, and again with points from the masked map (arXiv 2410.05963, 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from . import prompts
from .backends.interfaces import Embedding, Segmenter
from .config import Config, RefineOptions
from .data import Detection, Mask, NamedMap, Prompts, Segments
from .errors import SegmenterError


@dataclass(frozen=True)
class Target:
    """One seed of one map.

    Attributes:
        own: bool (h, w), the grid cells to which no other seed of the same map is nearer.
    """

    map: NamedMap
    seed: prompts.Seed
    own: np.ndarray


def refine(segmenter: Segmenter, pixels: np.ndarray, maps: Sequence[NamedMap], config: Config) -> list[Detection]:
    """Outline every instance that the maps of one view point at.

    Args:
        pixels: uint8 (H, W, 3), the view.
        maps: one for each name.

    Returns:
        Detections in pixels of the view, at most one for each seed: the round with the best score.
    """
    targets = [target for m in maps for target in _targets(m, config)]
    if not targets:
        return []  # nothing to outline: the view need not be encoded
    embedding = segmenter.embed(pixels)
    size = config.segmenter.batch
    chunks = (targets[i : i + size] for i in range(0, len(targets), size))
    return [d for chunk in chunks for d in _outline(segmenter, embedding, chunk, config)]


def _targets(m: NamedMap, config: Config) -> list[Target]:
    seeds = prompts.seeds(m.heat, m.layout, config.prompts)
    if not seeds:
        return []
    nearest = prompts.territories(seeds, m.layout)
    return [Target(m, seed, nearest == i) for i, seed in enumerate(seeds)]


def _outline(segmenter: Segmenter, embedding: Embedding, targets: list[Target], config: Config) -> list[Detection]:
    """All rounds for one batch of seeds."""
    best: dict[int, Detection] = {}
    active = dict(enumerate(targets))
    for _ in range(config.refine.rounds):
        points = prompts.batch([t.seed for t in active.values()], config.prompts.negatives, embedding.size_hw)
        masks, iou = cascade(segmenter, embedding, points, config.refine)
        following: dict[int, Target] = {}
        for (i, target), dense, quality in zip(active.items(), masks, iou, strict=True):
            mask = component(dense, target.seed.point_xy) if config.refine.component else Mask.from_dense(dense)
            if not mask.area:
                continue
            cover = prompts.coverage(mask, target.map.layout)
            found = judged(target, mask, cover, float(quality))
            best[i] = max(best.get(i, found), found, key=lambda d: d.score)
            seed = prompts.reseed(target.map.heat, cover, target.map.layout, config.prompts)
            if seed is not None:
                following[i] = replace(target, seed=seed)
        active = following
        if not active:
            break
    return list(best.values())


def cascade(
    segmenter: Segmenter, embedding: Embedding, points: Prompts, options: RefineOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Points; points and that low-res mask; points, that mask and its box: each step's best mask feeds the next.

    Returns:
        masks: bool (B, H, W) on the view's pixels.
        iou: float32 (B,), the segmenter's own estimate, in [0, 1].
    """
    low, iou = _best(segmenter.segment(embedding, points, multimask=False))
    if options.cascade:
        low, iou = _best(segmenter.segment(embedding, points.with_(low_res=low), options.multimask))
    masks = embedding.upscale(low)
    if options.cascade and options.box:
        boxes = np.array([Mask.from_dense(m).xyxy for m in masks], np.float32)
        boxed, iou = _best(segmenter.segment(embedding, points.with_(low_res=low, boxes_xyxy=boxes), options.multimask))
        masks = embedding.upscale(boxed) & masks.any((1, 2), keepdims=True)  # what was empty had no box
    return masks, np.clip(iou, 0, 1)


def _best(segments: Segments) -> tuple[np.ndarray, np.ndarray]:
    """The candidate with the best predicted IoU: low-res logits (B, h, w) and that IoU (B,)."""
    if not np.isfinite(segments.iou).all():
        raise SegmenterError("expected finite IoU estimates from the segmenter, got NaN or infinity")
    rows, choice = np.arange(len(segments.iou)), segments.iou.argmax(1)
    return segments.low_res[rows, choice], segments.iou[rows, choice]


def component(dense: np.ndarray, point_xy: tuple[float, float]) -> Mask:
    """The connected part of a mask (H, W) that lies under a point, or nearest to it."""
    mask = Mask.from_dense(dense)
    if not mask.area:
        return mask
    count, labels = cv2.connectedComponents(mask.bits.astype(np.uint8), connectivity=8)
    if count == 2:
        return mask
    rows, columns = np.nonzero(labels)
    nearest = np.hypot(columns + mask.x + 0.5 - point_xy[0], rows + mask.y + 0.5 - point_xy[1]).argmin()
    return Mask.from_dense(labels == labels[rows[nearest], columns[nearest]]).shifted(mask.x, mask.y)


def judged(target: Target, mask: Mask, cover: np.ndarray, iou: float) -> Detection:
    """A detection with its score: the mean of attention at the point, predicted IoU, and agreement of mask and map."""
    agreement = consistency(target.map.heat, cover, target.own)
    score = (target.seed.value + iou + agreement) / 3
    return Detection(target.map.name, score, target.seed.value, iou, agreement, mask, question=target.map.question)


def consistency(heat: np.ndarray, cover: np.ndarray, own: np.ndarray) -> float:
    """How well a mask fits the map, in [0, 1] (after DecAF's score).

    ⟨mask, map⟩, where cells below the map's mean count as minus its maximum, over the sum of the cells above the mean.
    Of these only the seed's own count, so that one of several instances can reach 1, and other instances' cells cost
    nothing. The mask is taken at the map's resolution: an object smaller than a cell fills that cell.

    Args:
        heat, cover: float32 (h, w), the map and the share of each cell that the mask covers.
        own: bool (h, w), the seed's cells.
    """
    if cover.max() <= 0:
        return 0.0
    above = heat > heat.mean()
    total = float(heat[above & own].sum())
    signed = np.where(above, heat * own, -heat.max())
    return float(np.clip((signed * cover / cover.max()).sum() / total, 0, 1)) if total > 0 else 0.0
