"""From points to masks: the PerSAM cascade, and again with points from the masked map (arXiv 2410.05963, 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..backends.interfaces import Embedding, Segmenter
from ..config import Config, RefineOptions
from ..data import Detection, Mask, NamedMap, Prompts, Segments
from . import prompts
from .score import score


@dataclass(frozen=True)
class Target:
    """One seed of one map.

    Attributes:
        index: the instance that it leads to.
        own: bool (h, w), the grid cells to which no other seed of the same map is nearer.
    """

    index: int
    map: NamedMap
    seed: prompts.Seed
    own: np.ndarray


@dataclass(frozen=True)
class Outline:
    """What came of a target.

    Attributes:
        mask: not empty.
        cover: float32 (h, w), the share of each grid cell that the mask covers.
        iou: the segmenter's estimate, in [0, 1].
    """

    target: Target
    mask: Mask
    cover: np.ndarray
    iou: float


def refine(
    segmenter: Segmenter,
    pixels: np.ndarray,
    maps: Sequence[NamedMap],
    config: Config,
    embedding: Embedding | None = None,
) -> list[Detection]:
    """Outline every instance that the maps of one view point at.

    Args:
        pixels: uint8 (H, W, 3), the view.
        maps: one for each name.
        embedding: the view's, if it is there already.

    Returns:
        Detections in pixels of the view, at most one for each seed: the round with the best score.
    """
    targets: list[Target] = []
    for m in maps:
        targets += _targets(m, prompts.seeds(m.heat, m.layout, config.prompts), len(targets))
    if not targets:
        return []  # nothing to outline: the view need not be encoded
    embedding, everything = embedding or segmenter.embed(pixels), list(targets)
    best: dict[int, Detection] = {}
    now: list[Outline] = []
    outlines: list[Outline] = []
    for number in range(config.refine.rounds):
        if number:
            targets = next_targets(now, outlines, everything, config)
            everything += [t for t in targets if t.index >= len(everything)]
        now = segmented(segmenter, embedding, targets, config)
        for o in now:
            found = scored(o, config)
            best[o.target.index] = max(best.get(o.target.index, found), found, key=lambda d: d.score)
        outlines += now
    return list(best.values())


def next_targets(
    last: Sequence[Outline], outlines: Sequence[Outline], everything: Sequence[Target], config: Config
) -> list[Target]:
    """The next round's targets: inside each of the last masks its instance again; outside of all masks new instances.

    Args:
        last, outlines: of the last round, and of all rounds.
        everything: the first target of each instance so far.
    """
    again, options, out = config.refine.again, config.prompts, []
    if again != "outside":
        for o in last:
            seed = prompts.reseed(o.target.map.heat, o.cover, o.target.map.layout, options)
            out += [replace(o.target, seed=seed)] if seed is not None else []
    if again != "inside":
        new: list[Target] = []
        for m in {id(o.target.map): o.target.map for o in outlines}.values():
            hidden = prompts.touched(np.max([o.cover for o in outlines if o.target.map is m], axis=0))
            known = [t.seed for t in everything if t.map is m]
            new += _targets(m, prompts.seeds(m.heat, m.layout, options, hidden), len(everything) + len(new), known)
        out += new
    return out


def _targets(
    m: NamedMap, seeds: Sequence[prompts.Seed], first: int, known: Sequence[prompts.Seed] = ()
) -> list[Target]:
    """Targets of a map's new seeds, numbered from `first` on, beside those that are known."""
    if not seeds:
        return []
    nearest = prompts.territories([*known, *seeds], m.layout)
    return [Target(first + i, m, seed, nearest == len(known) + i) for i, seed in enumerate(seeds)]


def segmented(segmenter: Segmenter, embedding: Embedding, targets: Sequence[Target], config: Config) -> list[Outline]:
    """One round: the targets, so many at a time, that gave a mask."""
    out, size, boxes = [], config.segmenter.batch, config.refine.box == "map"
    for chunk in (targets[i : i + size] for i in range(0, len(targets), size)):
        points = prompts.batch([t.seed for t in chunk], config.prompts, embedding.size_hw, boxes)
        masks, iou = cascade(segmenter, embedding, points, config.refine)
        for target, dense, quality in zip(chunk, masks, iou, strict=True):
            mask = component(dense, target.seed.point_xy) if config.refine.component else Mask.from_dense(dense)
            if mask.area:
                out.append(Outline(target, mask, prompts.coverage(mask, target.map.layout), float(quality)))
    return out


def cascade(
    segmenter: Segmenter, embedding: Embedding, points: Prompts, options: RefineOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Points; points and that low-res mask; points, that mask and its box: each step's best mask feeds the next.

    Boxes that come with the points stay in every step.

    Returns:
        masks: bool (B, H, W) on the view's pixels.
        iou: float32 (B,), the segmenter's own estimate, in [0, 1].
    """
    low, iou = _best(segmenter.segment(embedding, points, multimask=False))
    if options.cascade:
        low, iou = _best(segmenter.segment(embedding, points.with_(low_res=low), options.multimask))
    masks = embedding.upscale(low)
    if options.cascade and options.box == "mask":
        boxes = np.array([Mask.from_dense(m).xyxy for m in masks], np.float32)
        boxed, iou = _best(segmenter.segment(embedding, points.with_(low_res=low, boxes_xyxy=boxes), options.multimask))
        masks = embedding.upscale(boxed) & masks.any((1, 2), keepdims=True)  # what was empty had no box
    return masks, np.clip(iou, 0, 1)


def _best(segments: Segments) -> tuple[np.ndarray, np.ndarray]:
    """The candidate with the best predicted IoU: low-res logits (B, h, w) and that IoU (B,)."""
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


def scored(o: Outline, config: Config) -> Detection:
    """A detection with its score and the parts of that."""
    m, value = o.target.map, o.target.seed.value
    agreement = consistency(m.heat, o.cover, o.target.own)
    total = float(score(np.array([value, o.iou, agreement, m.certainty]), config.score))
    return Detection(m.name, total, value, o.iou, agreement, o.mask, question=m.question, certainty=m.certainty)


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
