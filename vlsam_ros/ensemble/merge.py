"""Duplicates out, across names, views and questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ..config import WAYS, Config, FusionOptions, MergeOptions
from ..data import Detection, Mask, View, Witness, intersection
from ..localisation.fusion import fused, together
from .synonyms import meaning
from .tiling import cut_by_border

JOINT = 0.1
"""Cut fragments of one name from two views that share this part of the smaller one are one object."""

COARSE = 48
"""Cells along the frame's longer side in which pixels are counted, to bound what two masks can share."""


class Vote(NamedTuple):
    """A detection's voice: the score is its way's own, before any fusion."""

    label: str
    score: float
    source: str
    witnesses: tuple[Witness, ...]


@dataclass(frozen=True)
class Candidate:
    """A detection with what merging needs to know.

    Attributes:
        meaning: stands for all names that mean the same as its label.
        cut: an inner border of its view cuts it.
        view_px: area of its view; the smaller it is, the more detail the models saw.
        cells: int32 (n,), pixels of its mask in each cell of a coarse grid over the frame.
        votes: of it and of all that it took in.
    """

    detection: Detection
    meaning: str
    cut: bool
    view_px: int
    area: int
    cells: np.ndarray
    votes: tuple[Vote, ...]

    def showing(self, mask: Mask, view: str) -> Detection:
        """Its detection with another mask."""
        return replace(self.detection, mask=mask, view=view)


def merge(
    found: Sequence[Detection], views: Sequence[View], size_hw: tuple[int, int], config: Config
) -> tuple[Detection, ...]:
    """Detections of a frame (H, W) without duplicates, best score first; all in pixels of the frame.

    Greedy: whole detections by falling score, then those that an inner border of their view cuts; each is compared
    with what was kept before it. Of two masks of one name of which one contains the other, the better score stays,
    whether that is the object or its part: the scores hold the agreement with the attention map, which covers the
    object. What is kept takes the name with the most evidence, and all is repeated until nothing changes. The result
    does not depend on the order of `found`.
    """
    options = config.merge
    meaning_of = partial(meaning, more=tuple(options.synonyms)) if options.meaning else str
    candidates = list(_candidates(found, views, size_hw, config, meaning_of))
    count = -1
    while count != len(candidates):
        count = len(candidates)
        kept = _once(sorted(candidates, key=_rank), size_hw, options)
        candidates = [by_vote(c, meaning_of, config.fusion) for c in kept]
    items = sorted((c.detection for c in candidates if c.detection.score >= options.min_score), key=_order)
    return tuple(items[: options.max_instances])


def _once(ranked: Sequence[Candidate], size_hw: tuple[int, int], options: MergeOptions) -> list[Candidate]:
    """What is left of candidates in the order of their rank; only pairs that can share enough are looked at closely."""
    kept: list[Candidate] = []
    boxes, areas = np.zeros((len(ranked), 4)), np.zeros(len(ranked))
    cells = np.zeros((len(ranked), len(ranked[0].cells)), np.int32) if ranked else np.zeros((0, 0), np.int32)
    for b in ranked:
        x0, y0, x1, y1 = b.detection.xyxy
        u0, v0, u1, v1 = boxes[: len(kept)].T
        near = np.flatnonzero((u0 < x1) & (x0 < u1) & (v0 < y1) & (y0 < v1))
        one_name = np.array([kept[i].meaning == b.meaning for i in near], bool)
        most = np.minimum(cells[near], b.cells).sum(1)
        near = near[most >= _least(areas[near], one_name, b, options)]
        i, joined = next(((i, a) for i in near if (a := combined(kept[i], b, options))), (len(kept), b))
        if i < len(kept) and joined.detection.mask is not kept[i].detection.mask:
            joined = replace(joined, cells=coarse(joined.detection.mask, size_hw))
        kept[i : i + 1] = [joined]
        boxes[i], areas[i], cells[i] = joined.detection.xyxy, joined.area, joined.cells
    return kept


def coarse(mask: Mask, size_hw: tuple[int, int]) -> np.ndarray:
    """Pixels of a mask in each cell of a grid over the frame (H, W): int32 (n,)."""
    side = -(-max(size_hw) // COARSE)
    grid = np.zeros([-(-length // side) for length in size_hw], np.int32)
    if mask.area:
        rows, columns = (_edges(start, n, side) for start, n in zip((mask.y, mask.x), mask.bits.shape, strict=True))
        counts = np.add.reduceat(np.add.reduceat(mask.bits, rows, 0, dtype=np.int32), columns, 1)
        y, x = mask.y // side, mask.x // side
        grid[y : y + len(rows), x : x + len(columns)] = counts
    return grid.reshape(-1)


def _edges(start: int, count: int, side: int) -> np.ndarray:
    """Where cells of the grid begin among `count` pixels from `start` on; the first one may be cut: int (n,)."""
    return np.maximum(np.arange(start // side * side, start + count, side) - start, 0)


def _least(areas: np.ndarray, one_name: np.ndarray, b: Candidate, options: MergeOptions) -> np.ndarray:
    """Pixels that `b` must share with candidates of these areas (n,) for `combined` to join them, at the least."""
    iou = np.where(one_name, options.iou, options.cross_name_iou)
    least = iou / (1 + iou) * (areas + b.area)  # shared >= iou · union
    inside = (JOINT if b.cut else options.containment) * np.minimum(areas, b.area)
    least = np.where(one_name, np.minimum(least, inside), least)
    return (np.minimum(least, options.containment * b.area) if b.cut else least) - 1  # rounding


def combined(a: Candidate, b: Candidate, options: MergeOptions) -> Candidate | None:
    """What becomes of `a` when it takes in `b`, which ranks lower; None if they are two instances.

    - the same object (mask IoU; across names only a high one): `a` takes the mask of `b` if that is whole and from a
      more enlarged view;
    - one inside the other, of one name, or `b` cut and inside `a`: `a` stays as it is;
    - two cut fragments of one name from two views that overlap: `a` with the union of both.

    `b` votes for its label, unless it is no more than a cut part under another name.
    """
    one_name, smaller = a.meaning == b.meaning, min(a.area, b.area)
    if not one_name and not b.cut and smaller < options.cross_name_iou * max(a.area, b.area):
        return None  # they can't overlap enough
    shared = intersection(a.detection.mask, b.detection.mask)
    if not shared:
        return None
    both = replace(a, votes=a.votes + b.votes)
    if shared >= (options.iou if one_name else options.cross_name_iou) * (a.area + b.area - shared):
        finer = not b.cut and b.view_px < a.view_px
        mask = a.showing(b.detection.mask, b.detection.view)
        return replace(both, detection=mask, cut=b.cut, view_px=b.view_px, area=b.area) if finer else both
    if one_name and shared >= options.containment * smaller:
        return both
    if b.cut and shared >= options.containment * b.area:
        return a
    if one_name and a.cut and b.cut and a.detection.view != b.detection.view and shared >= JOINT * smaller:
        whole = union(a.detection.mask, b.detection.mask)
        return replace(both, detection=a.showing(whole, a.detection.view), area=whole.area)
    return None


def by_vote(c: Candidate, meaning_of: Callable[[str], str], fusion: FusionOptions) -> Candidate:
    """The candidate under the label with the largest sum of scores, among those of the meaning with the largest.

    Its score is that of all ways that voted for that meaning, and their witnesses (`localisation.fusion.fused`).
    """
    meanings = _sums((meaning_of(vote.label), vote.score) for vote in c.votes)
    best = min(meanings, key=lambda m: (-meanings[m], m))
    votes = [vote for vote in c.votes if meaning_of(vote.label) == best]
    labels = _sums((vote.label, vote.score) for vote in votes)
    label = min(labels, key=lambda name: (-labels[name], name))
    scores = {way: max(own) for way in WAYS if (own := [vote.score for vote in votes if vote.source == way])}
    if len(scores) == 1 and fusion.mapping == "independent":
        scores = dict.fromkeys(scores, c.detection.score)  # an outvoted name may have ranked first
    witnesses = together(w for vote in votes for w in vote.witnesses)
    found = replace(c.detection, label=label, source="+".join(scores), witnesses=witnesses)
    return replace(c, meaning=best, detection=replace(found, score=fused(scores, witnesses, fusion)))


def _sums(votes: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for name, score in votes:
        sums[name] += score
    return sums


def union(a: Mask, b: Mask) -> Mask:
    """Both masks as one."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = a.xyxy, b.xyxy
    x, y = int(min(x0, u0)), int(min(y0, v0))
    size_hw = int(max(y1, v1)) - y, int(max(x1, u1)) - x
    return Mask(x, y, a.shifted(-x, -y).dense(size_hw) | b.shifted(-x, -y).dense(size_hw))


def _candidates(
    found: Sequence[Detection],
    views: Sequence[View],
    size_hw: tuple[int, int],
    config: Config,
    meaning_of: Callable[[str], str],
) -> Iterator[Candidate]:
    by_name, options = {view.name: view for view in views}, config.merge
    for d in found:
        area, view = d.mask.area, by_name[d.view]
        vote = Vote(d.label, d.score, d.source, d.witnesses)
        if d.score >= config.least_score and area >= max(1, options.min_area_px):
            d = replace(d, score=fused({d.source: d.score}, d.witnesses, config.fusion))
            cut = cut_by_border(d, view, size_hw, config.views.border_px)
            votes = (vote,)
            px, cells = int(np.prod(view.size_hw)), coarse(d.mask, size_hw)
            yield Candidate(d, meaning_of(d.label), cut, px, area, cells, votes)


def _rank(c: Candidate) -> tuple:
    return (c.cut, *_order(c.detection))


def _order(d: Detection) -> tuple:
    """Best score first; the rest makes the order total."""
    bits = np.packbits(d.mask.bits).tobytes()
    return -d.score, d.label, d.view, d.question, d.mask.x, d.mask.y, d.mask.bits.shape, bits
