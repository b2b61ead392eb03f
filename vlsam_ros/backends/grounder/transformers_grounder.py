"""Any supported text-promptable localiser of transformers as a `Grounder`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.ops import clip_boxes_to_image

from ...config import GrounderOptions
from ...data import Grounded, Mask, check_image
from ...errors import GrounderError, failures
from ..encoding import Encoder, Encoding
from ..interfaces import LEAST_SIDE_PX, Grounder
from .families import Family, Look, Proposals
from .names import Recent, plain

MASKS_AT_ONCE = 16
"""Masks that are scaled together: at 4K they take half a gigabyte."""


class TransformersGrounder(Grounder):
    """Boxes for names; each pair of name and box has a score of its own, and duplicates are left to merging.

    Args:
        name: the model's.
        model, processor: of transformers, of the family.
        threshold: a box whose score is not above it is left out; None: as the family has it.
        max_boxes: most boxes of one name, best first.
        batch: most names at once where a family looks for each by itself.
    """

    def __init__(
        self, name: str, model: Any, processor: Any, family: Family, threshold: float | None, max_boxes: int, batch: int
    ) -> None:
        self.name, self.outlines, self.model, self.processor = name, family.outlines, model, processor
        self.threshold = family.threshold if threshold is None else threshold
        self.max_boxes, self._family, self._batch = max_boxes, family, batch
        look = partial(_encodings, family.look, model, processor)
        self._encoder = Encoder(name, look, model.device, GrounderError)
        self._described = Recent(partial(family.describe, model, processor)) if family.describe else None

    def configure(self, options: GrounderOptions) -> None:
        """See `Grounder.configure`."""
        self.threshold = self._family.threshold if options.threshold < 0 else options.threshold
        self.max_boxes = options.max_boxes

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """See `Grounder.prepare`: on a GPU, on a stream of its own; without the memory for it, later.

        Raises:
            BadImageError, GrounderError: as `locate`.
        """
        self._encoder.prepare(views)

    def locate(self, view: np.ndarray, names: Sequence[str]) -> Grounded:
        """Where the things with these names are in an RGB uint8 view (H, W, 3); see `Grounder.locate`.

        Raises:
            BadImageError: the view is no RGB uint8 image.
            GrounderError: the model failed, or its scores, boxes or masks are not finite.
        """
        return self.locate_views([view], [names])[0]

    @torch.inference_mode()
    def locate_views(self, views: Sequence[np.ndarray], names: Sequence[Sequence[str]]) -> list[Grounded]:
        """The same for several views, on a GPU encoded as one batch if its memory allows.

        Keeps the encodings of `Pixels` with them. A view without names is not encoded.
        """
        asked = [{i: text for i, name in enumerate(own) if (text := plain(name))} for own in names]
        looked = [i for i, own in enumerate(asked) if own]
        encodings = dict(zip(looked, self._encoder([views[i] for i in looked]), strict=True))
        found = []
        for i, (view, own) in enumerate(zip(views, asked, strict=True)):
            check_image(view)
            found.append(self._located(encodings[i], own) if own else Grounded.joined([]))
        return found

    def _located(self, view: Encoding, asked: Mapping[int, str]) -> Grounded:
        """What is in a view of the names, by their place in what was asked."""
        left, found = np.array(list(asked)), []
        (height, width), names = view.size_hw, list(asked.values())
        with failures(
            GrounderError, f"{self.name} failed on a view of {width} × {height} pixels and {len(names)} names"
        ):
            told = [self._described(name) for name in names] if self._described else names
            seen = (self.model, self.processor, view.awaited(), view.size_hw)
            for proposals in self._family.propose(*seen, told, self._batch):
                count = len(proposals.scores)
                found.append(self._kept(proposals, left[:count], view.size_hw))
                left = left[count:]
        return Grounded.joined(found)

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
            masks = tuple(
                mask
                for i in range(0, len(chosen), MASKS_AT_ONCE)
                for mask in _masks(chosen[i : i + MASKS_AT_ONCE], size_hw)
            )
        return Grounded(
            xyxy=boxes[name, box].numpy(),
            scores=best.values[name, rank].numpy(),
            names=names[name.numpy()],
            masks=masks,
        )

    def _require_finite(self, what: str, values: Tensor) -> None:
        if not values.isfinite().all():
            raise GrounderError(f"{self.name}: expected finite {what}, got NaN or infinity; try grounder.dtype float32")


def _encodings(look: Look, model: Any, processor: Any, views: Sequence[np.ndarray]) -> list[Encoding]:
    features = look(model, processor, views)
    return [Encoding(own, view.shape[:2]) for own, view in zip(features, views, strict=True)]


def _masks(logits: Tensor, size_hw: tuple[int, int]) -> Iterator[Mask]:
    """Logits (n, h, w) over a view -> masks on its pixels."""
    chances = interpolate(logits.float().sigmoid()[None], size_hw, mode="bilinear", align_corners=False)[0]
    return map(Mask.from_dense, (chances > 0.5).cpu().numpy())
