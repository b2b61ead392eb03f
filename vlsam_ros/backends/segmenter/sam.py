"""Promptable segmenters of the Segment Anything kind without a hidden current image: a view's embedding is a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...data import Prompts, Segments, check_image
from ...errors import SegmenterError, failures

BLOCK_BYTES = 2**24
"""Prompts that are decoded together on a CPU fill a tensor of this size at the most; larger ones leave the cache, and
the allocator returns their memory each time."""


class Sam(Protocol):
    """What differs between the families: how a view goes in, and the two networks. Runs under autocast.

    Attributes:
        mask_hw: the grid of low-resolution masks.
        channels: of the image embedding; the finest grid has an eighth of them at `mask_hw`.
        candidates: masks for each prompt if there are several.
        threshold: logits above it are mask.
    """

    mask_hw: tuple[int, int]
    channels: int
    candidates: int
    threshold: float

    def encode(self, view: np.ndarray) -> tuple[Any, tuple[int, int], tuple[int, int]]:
        """RGB uint8 (H, W, 3) -> features; the size of the model's input; that of the view in it, at the top left."""
        ...

    def decode(
        self, features: Any, points_xy: Tensor, labels: Tensor, boxes: Tensor | None, masks: Tensor | None, many: bool
    ) -> tuple[Tensor, Tensor]:
        """Prompts in pixels of the input -> logits (B, M, h, w) and IoU estimates (B, M).

        Args:
            features: from `encode`.
            points_xy: float32 (B, P, 2).
            labels: int32 (B, P), as in `Prompts`.
            boxes: float32 (B, 4), or None.
            masks: float32 (B, 1, h, w), or None.
            many: give all candidates, not one.
        """
        ...


@dataclass(frozen=True)
class SamEmbedding:
    """SAM's encoding of one view.

    Attributes:
        features: what the family's decoder takes.
        size_hw: the view's height and width in pixels.
        scaled_hw: the same after resizing; the rest of `input_hw`, at the bottom and right, is padding.
        input_hw: the image encoder's input.
        threshold: logits above it are mask.
        device: where masks are upscaled.
    """

    features: Any
    size_hw: tuple[int, int]
    scaled_hw: tuple[int, int]
    input_hw: tuple[int, int]
    threshold: float
    device: torch.device

    def upscale(self, low_res: np.ndarray) -> np.ndarray:
        """Logits (B, h, w) -> bool masks (B, H, W) on the view's pixels."""
        out = np.zeros((len(low_res), *self.size_hw), bool)
        if self.device.type != "cpu" and len(low_res):
            return self._upscale_on_device(low_res)
        for mask, logits in zip(out, low_res, strict=True):
            for size, part in self._steps():
                logits = cv2.resize(logits, size[::-1], interpolation=cv2.INTER_LINEAR)[: part[0], : part[1]]
            np.greater(logits, self.threshold, out=mask)
        return out

    @torch.inference_mode()
    def _upscale_on_device(self, low_res: np.ndarray) -> np.ndarray:
        logits = torch.as_tensor(low_res, dtype=torch.float32, device=self.device)[:, None]
        for size, part in self._steps():
            logits = interpolate(logits, size, mode="bilinear", align_corners=False)[..., : part[0], : part[1]]
        return (logits[:, 0] > self.threshold).cpu().numpy()

    def _steps(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Sizes to resize to, and what is kept of each: via the input only if that has padding to cut off."""
        last = (self.size_hw, self.size_hw)
        return [last] if self.scaled_hw == self.input_hw else [(self.input_hw, self.scaled_hw), last]


class SamSegmenter:
    """A `Segmenter` around the networks of any family."""

    def __init__(self, sam: Sam, name: str, demonstration: bool, device: torch.device, dtype: torch.dtype) -> None:
        """`sam` is on the device with float32 weights; `dtype` is what autocast computes in."""
        self.name, self.demonstration = name, demonstration
        self._sam, self._device, self._dtype = sam, device, dtype
        floats = sam.mask_hw[0] * sam.mask_hw[1] * sam.channels // 8
        self._together = max(1, BLOCK_BYTES // (4 * floats)) if device.type == "cpu" else 2**31

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """See `interfaces.Segmenter`."""

    @torch.inference_mode()
    def embed(self, view: np.ndarray) -> SamEmbedding:
        """Encode an RGB uint8 view (H, W, 3).

        Raises:
            BadImageError: the view is no RGB uint8 image.
            SegmenterError: the encoder failed.
        """
        size_hw = check_image(view).shape[:2]
        with self._running():
            features, input_hw, scaled_hw = self._sam.encode(view)
        return SamEmbedding(features, size_hw, scaled_hw, input_hw, self._sam.threshold, self._device)

    @torch.inference_mode()
    def segment(self, embedding: SamEmbedding, prompts: Prompts, multimask: bool) -> Segments:
        """Masks for all prompts in one call: one each, or several candidates if `multimask`.

        Raises:
            SegmenterError: the decoder failed, or the prompts' masks don't have the grid that it needs.
        """
        h, w = self._sam.mask_hw
        masks, candidates = prompts.low_res, self._sam.candidates if multimask else 1
        if masks is not None and masks.shape[1:] != (h, w):
            raise SegmenterError(f"{self.name}: expected low-res masks of {(h, w)}, got {masks.shape[1:]}")
        if not len(prompts):
            return Segments(np.zeros((0, candidates, h, w), np.float32), np.zeros((0, candidates), np.float32))
        starts = range(0, len(prompts), self._together)
        with self._running():
            parts = [self._decode(embedding, prompts, slice(i, i + self._together), multimask) for i in starts]
            low_res, iou = (torch.cat(part).float().cpu().numpy() for part in zip(*parts, strict=True))
        return Segments(low_res, iou)

    def _decode(self, embedding: SamEmbedding, prompts: Prompts, rows: slice, multimask: bool) -> tuple[Tensor, Tensor]:
        scale = np.divide(embedding.scaled_hw[::-1], embedding.size_hw[::-1])
        boxes, masks = prompts.boxes_xyxy, prompts.low_res
        return self._sam.decode(
            embedding.features,
            self._tensor(prompts.points_xy[rows] * scale),
            torch.as_tensor(prompts.labels[rows], device=self._device),
            None if boxes is None else self._tensor(boxes[rows] * np.tile(scale, 2)),
            None if masks is None else self._tensor(masks[rows])[:, None],
            multimask,
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self._device)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Autocast, and the model's failures as `SegmenterError`."""
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32)
        with failures(SegmenterError, f"{self.name} failed"), autocast:
            yield
