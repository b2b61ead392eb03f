"""The oracle: the boxes of the ground truth, outlined by the segmenter. What perfect names and places would reach.

Each box is a prompt alone, as in arXiv 2410.05963, and with its centre; the mask with the better predicted IoU counts,
so that a segmenter that is weak at one of the two makes no weak bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from ..backends.interfaces import Embedding, Segmenter
from ..config import Config
from ..data import Detection, Detections, Mask, Prompts, View
from ..ensemble.tiling import lift, views
from .dataset import Box, Frame, Instance


def oracle(segmenter: Segmenter, config: Config) -> Callable[[Frame], Detections]:
    """What outlines a frame's labelled objects: each in the smallest of the views that holds its box."""

    def outline(frame: Frame) -> Detections:
        image, by_view = frame.for_models(), defaultdict(list)
        all_views = views(frame.size_hw, config.views, frame.horizon)
        for item in frame.truth():
            if not item.ignore:
                by_view[_best(all_views, item.xyxy)].append(item)
        found = [
            lift(d, view)
            for view, items in by_view.items()
            for d in _outlined(segmenter, view, segmenter.embed(view.crop(image)), items, config.segmenter.batch)
        ]
        return Detections(
            frame.size_hw,
            tuple(sorted(found, key=lambda d: -d.score)),
            vlm="ground truth",
            segmenter=segmenter.name,
            demonstration=segmenter.demonstration,
        )

    return outline


def _best(all_views: Sequence[View], xyxy: Box) -> View:
    """The view that shows most of a box; of several that show all of it the smallest."""
    return min(all_views, key=lambda v: (-_shown(v, xyxy), np.prod(v.size_hw)))


def _shown(view: View, xyxy: Box) -> float:
    low, high = np.maximum(xyxy[:2], view.xyxy[:2]), np.minimum(xyxy[2:], view.xyxy[2:])
    return float(np.prod(np.maximum(high - low, 0)))


def _outlined(
    segmenter: Segmenter, view: View, embedding: Embedding, items: Sequence[Instance], batch: int
) -> list[Detection]:
    """The objects' masks in pixels of the view; `iou` and score are the segmenter's own estimate."""
    found, rest = [], iter(items)
    while chunk := list(islice(rest, max(1, batch // 2))):
        n, corner = len(chunk), np.tile(view.xyxy[:2], 2).astype(np.float32)
        boxes = np.array([i.xyxy for i in chunk], np.float32) - corner
        centres, labels = boxes.reshape(n, 1, 2, 2).mean(2), np.repeat(np.array([-1, 1], np.int32), n)[:, None]
        prompts = Prompts(np.concatenate([centres] * 2), labels, np.concatenate([boxes] * 2))
        out = segmenter.segment(embedding, prompts, multimask=False).on_host()
        best = np.arange(n) + n * out.iou.reshape(2, n).argmax(0)
        for item, dense, iou in zip(chunk, embedding.upscale(out.low_res[best, 0]), out.iou[best, 0], strict=True):
            score, mask = float(np.clip(iou, 0, 1)), Mask.from_dense(dense)
            if mask.area:
                found.append(Detection(item.label, score, 1.0, score, 1.0, mask))
    return found
