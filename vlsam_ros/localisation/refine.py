"""From points to masks: the PerSAM cascade, and again with points from the masked map (arXiv 2410.05963, 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
        view: the number of its view.
        own: bool (h, w), the grid cells to which no other seed of the same map is nearer.
    """

    index: int
    view: int
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
    segmenter: Segmenter, views: Sequence[np.ndarray], maps: Sequence[Sequence[NamedMap]], config: Config
) -> list[list[Detection]]:
    """Outline every instance that the maps of some views point at; prompts of all views together.

    Args:
        views: uint8 (H, W, 3) each.
        maps: of each view, one for each name.

    Returns:
        For each view its detections in pixels of the view, at most one for each seed: the round with the best score.
    """
    targets: list[Target] = []
    for i, own in enumerate(maps):
        for m in own:
            targets += _targets(m, i, prompts.seeds(m.heat, m.layout, config.prompts), len(targets))
    shown = sorted({t.view for t in targets})  # where nothing is to be outlined, nothing need be encoded
    embeddings = dict(zip(shown, segmenter.embed_views([views[i] for i in shown]), strict=True))
    everything, best = list(targets), dict[int, tuple[int, Detection]]()
    now: list[Outline] = []
    outlines: list[Outline] = []
    for number in range(config.refine.rounds if targets else 0):
        if number:
            targets = next_targets(now, outlines, everything, config)
            everything += [t for t in targets if t.index >= len(everything)]
        now = segmented(segmenter, embeddings, targets, config)
        for o in now:
            found = o.target.view, scored(o, config)
            best[o.target.index] = max(best.get(o.target.index, found), found, key=lambda one: one[1].score)
        outlines += now
    return [[d for view, d in best.values() if view == i] for i in range(len(views))]


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
        for m, view in {id(o.target.map): (o.target.map, o.target.view) for o in outlines}.values():
            hidden = prompts.touched(np.max([o.cover for o in outlines if o.target.map is m], axis=0))
            known = [t.seed for t in everything if t.map is m]
            new += _targets(
                m, view, prompts.seeds(m.heat, m.layout, options, hidden), len(everything) + len(new), known
            )
        out += new
    return out


def _targets(
    m: NamedMap, view: int, seeds: Sequence[prompts.Seed], first: int, known: Sequence[prompts.Seed] = ()
) -> list[Target]:
    """Targets of a map's new seeds, numbered from `first` on, beside those that are known."""
    if not seeds:
        return []
    nearest = prompts.territories([*known, *seeds], m.layout)
    return [Target(first + i, view, m, seed, nearest == len(known) + i) for i, seed in enumerate(seeds)]


def segmented(
    segmenter: Segmenter, embeddings: Mapping[int, Embedding], targets: Sequence[Target], config: Config
) -> list[Outline]:
    """One round: the targets, so many at a time, that gave a mask."""
    out, size, boxes = [], config.segmenter.batch, config.refine.box == "map"
    for chunk in (targets[i : i + size] for i in range(0, len(targets), size)):
        own = [embeddings[t.view] for t in chunk]
        points = prompts.batch([t.seed for t in chunk], config.prompts, np.array([e.size_hw for e in own]), boxes)
        low_res, iou = cascade(segmenter, own, points, config.refine)
        for target, embedding, logits, quality in zip(chunk, own, low_res, iou, strict=True):
            mask = embedding.mask(logits, target.seed.point_xy if config.refine.component else None)
            if mask.area:
                out.append(Outline(target, mask, prompts.coverage(mask, target.map.layout), float(quality)))
    return out


def cascade(
    segmenter: Segmenter, embeddings: Sequence[Embedding], points: Prompts, options: RefineOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Points; points and that low-res mask; points, that mask and its box: each step's best mask feeds the next.

    Boxes that come with the points stay in every step. Nothing is looked at before the last step is made.

    Args:
        embeddings: of each prompt's view.

    Returns:
        low_res: float32 (B, h, w), logits on the segmenter's grid.
        iou: float32 (B,), the segmenter's own estimate, in [0, 1].
    """
    found = segmenter.segment(embeddings, points, multimask=False).best()
    if options.cascade:
        fed = points.with_(low_res=found.low_res[:, 0])
        found = segmenter.segment(embeddings, fed, options.multimask).best()
    if options.cascade and options.box == "mask":
        low_res = found.low_res[:, 0]
        boxes = segmenter.boxes(embeddings, low_res)
        boxed = points.with_(low_res=low_res, boxes_xyxy=boxes)
        found = segmenter.segment(embeddings, boxed, options.multimask).best()
        some = boxes[:, 2] > boxes[:, 0]  # what was empty had no box, and stays so
        found = Segments(found.low_res * some[:, None, None, None], found.iou)
    found = found.on_host()
    return found.low_res[:, 0], np.clip(found.iou[:, 0], 0, 1)


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
