"""Any supported text-promptable localiser of transformers as a `Grounder`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.ops import clip_boxes_to_image

from ...data import Grounded, Mask, check_image
from ...errors import GrounderError, failures
from ..interfaces import Grounder
from .families import Proposals, Propose

MOST_CHARS = 128
"""A longer name loses its beginning: no family's text holds more."""

MASKS_AT_ONCE = 16
"""Masks that are scaled together: at 4K they take half a gigabyte."""

LEAST_SIDE_PX = 1.0
"""A box that is thinner inside the view is no place."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


@dataclass(frozen=True)
class TransformersGrounder(Grounder):
    """Boxes for names; each pair of name and box has a score of its own, and duplicates are left to merging.

    Attributes:
        name: the model's.
        model, processor: of transformers, of a family that `propose` asks.
        threshold: a box whose score is not above it is left out.
        max_boxes: most boxes of one name, best first.
        batch: most names at once where a family looks for each by itself.
        outlines: it gives a mask with each box.
    """

    name: str
    model: Any
    processor: Any
    propose: Propose
    threshold: float
    max_boxes: int
    batch: int
    outlines: bool = False

    @torch.inference_mode()
    def locate(self, view: np.ndarray, names: Sequence[str]) -> Grounded:
        """Where the things with these names are in an RGB uint8 view (H, W, 3); see `interfaces.Grounder`.

        Raises:
            BadImageError: the view is no RGB uint8 image.
            GrounderError: the model failed, or its scores, boxes or masks are not finite.
        """
        size_hw = check_image(view).shape[:2]
        asked = {i: text for i, name in enumerate(names) if (text := plain(name))}
        found = [_NOTHING]
        if asked:
            left = np.array(list(asked))
            what = f"{self.name} failed on a view of {size_hw[1]} × {size_hw[0]} pixels and {len(asked)} names"
            with failures(GrounderError, what):
                for proposals in self.propose(self.model, self.processor, view, list(asked.values()), self.batch):
                    count = len(proposals.scores)
                    found.append(self._kept(proposals, left[:count], size_hw))
                    left = left[count:]
        return _joined(found)

    def _kept(self, proposals: Proposals, names: np.ndarray, size_hw: tuple[int, int]) -> Grounded:
        """The best proposals of each name, cut to the view; those without a place in it are left out."""
        scores, xyxy = proposals.scores.cpu(), proposals.xyxy.cpu()
        self._require_finite("scores", scores)
        self._require_finite("boxes", xyxy[scores > self.threshold])
        boxes = clip_boxes_to_image(xyxy, size_hw)
        placed = (boxes[..., 2:] - boxes[..., :2] >= LEAST_SIDE_PX).all(-1)
        best = scores.where(placed, 0).topk(min(self.max_boxes, boxes.shape[1]))
        name, rank = (best.values > self.threshold).nonzero(as_tuple=True)
        box = best.indices[name, rank]
        masks = None
        if proposals.masks is not None:
            self._require_finite("masks", chosen := proposals.masks[name, box])
            masks = tuple(mask for some in chosen.split(MASKS_AT_ONCE) for mask in _masks(some, size_hw))
        return Grounded(
            xyxy=boxes[name, box].numpy(),
            scores=best.values[name, rank].numpy(),
            names=names[name.numpy()],
            masks=masks,
        )

    def _require_finite(self, what: str, values: Tensor) -> None:
        if not values.isfinite().all():
            raise GrounderError(f"{self.name}: expected finite {what}, got NaN or infinity; try grounder.dtype float32")


def plain(name: str) -> str:
    """A name as a prompt: lower-case words without marks, which models take for the end of a name or of the text."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", name).lower()))[-MOST_CHARS:].strip()


def _masks(logits: Tensor, size_hw: tuple[int, int]) -> Iterator[Mask]:
    """Logits (n, h, w) over a view -> masks on its pixels."""
    chances = interpolate(logits.float().sigmoid()[None], size_hw, mode="bilinear", align_corners=False)[0]
    return map(Mask.from_dense, (chances > 0.5).cpu().numpy())


_NOTHING = Grounded(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def _joined(parts: Sequence[Grounded]) -> Grounded:
    masks = None
    if any(part.masks is not None for part in parts):
        masks = tuple(mask for part in parts for mask in part.masks or ())
    return Grounded(
        xyxy=np.concatenate([part.xyxy for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        names=np.concatenate([part.names for part in parts]),
        masks=masks,
    )
