"""Promptable segmenters of the Segment Anything kind without a hidden current image: a view's embedding is a value.

On a GPU embeddings and logits stay there; what is asked of it does not wait for its results, but `Segments.on_host`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...data import Mask, Prompts, Segments
from ...errors import SegmenterError, failures
from ..encoding import Encoder, Encoding, uploaded
from .upscaling import Size, axes, mask

BLOCK_BYTES = 2**23
"""Prompts that are decoded together on a CPU fill a tensor of this size at the most; larger ones leave the cache, and
the allocator returns their memory each time. As many views are encoded together."""


class Sam(Protocol):
    """What differs between the families: how views go in, and the networks. Runs under autocast.

    Features are a tensor whose first axis counts views, or lists and dictionaries of such tensors.

    Attributes:
        mask_hw: the grid of low-resolution masks.
        channels: of the image embedding; the finest grid has an eighth of them at `mask_hw`.
        candidates: masks for each prompt if there are several.
        networks: those that run under autocast alone.
    """

    mask_hw: Size
    channels: int
    candidates: int
    networks: tuple[nn.Module, ...]

    def encode(self, views: Sequence[np.ndarray]) -> tuple[Any, Size, list[Size]]:
        """RGB uint8 (H, W, 3) each -> features; the input's size; that of each view in it, at the top left."""
        ...

    def place(self, points_xy: Tensor, labels: Tensor, boxes: Tensor | None) -> Any:
        """What the decoder takes of B prompts beside their masks.

        Args:
            points_xy: float32 (B, P, 2), in pixels of the input.
            labels: int32 (B, P), as in `Prompts`.
            boxes: float32 (B, 4), or None.
        """
        ...

    def decode(self, features: Any, placed: Any, masks: Tensor | None, many: bool) -> tuple[Tensor, Tensor]:
        """Logits (B, M, h, w), above 0 in the mask, and IoU estimates (B, M).

        Args:
            features: from `encode`, of the one view of all prompts or of one for each.
            placed: from `place`.
            masks: float32 (B, 1, h, w), or None.
            many: give all candidates, not one.
        """
        ...


@dataclass(frozen=True)
class SamEmbedding(Encoding):
    """SAM's encoding of one view.

    Attributes:
        features: what the family's decoder takes.
        scaled_hw: the view's size after resizing; the rest of `input_hw`, at the bottom and right, is padding.
        input_hw: the image encoder's input.
        device: where the features are.
    """

    scaled_hw: Size
    input_hw: Size
    device: torch.device

    def mask(self, logits: np.ndarray, point_xy: tuple[float, float] | None = None) -> Mask:
        """See `Embedding.mask`; on the CPU, as logits are much fewer than pixels to copy."""
        return mask(logits, *axes(logits.shape, self.input_hw, self.scaled_hw, self.size_hw), point_xy)

    def upscale(self, low_res: np.ndarray | Tensor) -> np.ndarray:
        """Logits (B, h, w) -> bool masks (B, H, W) on the view's pixels."""
        if self.device.type != "cpu" and len(low_res):
            return (self._on_device(torch.as_tensor(low_res, device=self.device)) > 0).cpu().numpy()
        out = np.zeros((len(low_res), *self.size_hw), bool)
        for whole, logits in zip(out, low_res, strict=True):
            for size, part in self._steps():
                logits = cv2.resize(logits, size[::-1], interpolation=cv2.INTER_LINEAR)[: part[0], : part[1]]
            np.greater(logits, 0, out=whole)
        return out

    def boxes(self, low_res: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Tight boxes of the masks, float32 (B, 4), where the logits (B, h, w) are; zeros for an empty mask."""
        if isinstance(low_res, np.ndarray):
            return np.array([self.mask(logits).xyxy for logits in low_res], np.float32).reshape(-1, 4)
        above = self._on_device(low_res) > 0
        ends = []
        for axis in (1, 2):
            seen = above.any(axis).float()  # along the other one
            ends += [seen.argmax(1), seen.shape[1] - seen.flip(1).argmax(1)]
        return torch.stack([ends[0], ends[2], ends[1], ends[3]], 1) * seen.amax(1, keepdim=True)

    @torch.inference_mode()
    def _on_device(self, low_res: Tensor) -> Tensor:
        logits = low_res[:, None].float()
        for size, part in self._steps():
            logits = interpolate(logits, size, mode="bilinear", align_corners=False)[..., : part[0], : part[1]]
        return logits[:, 0]

    def _steps(self) -> list[tuple[Size, Size]]:
        """Sizes to resize to, and what is kept of each: via the input only if that has padding to cut off."""
        last = (self.size_hw, self.size_hw)
        return [last] if self.scaled_hw == self.input_hw else [(self.input_hw, self.scaled_hw), last]


class SamSegmenter:
    """A `Segmenter` around the networks of any family."""

    def __init__(self, sam: Sam, name: str, demonstration: bool, device: torch.device, dtype: torch.dtype) -> None:
        """`sam` is on the device with float32 weights; `dtype` is what it computes in."""
        self.name, self.demonstration = name, demonstration
        self._sam, self._device, self._dtype = sam, device, dtype
        for part in (part for network in sam.networks for part in network.modules()):
            if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                part.to(dtype)  # what autocast would do each time
        floats = sam.mask_hw[0] * sam.mask_hw[1] * sam.channels // 8
        self._together = max(1, BLOCK_BYTES // (4 * floats)) if device.type == "cpu" else 2**31
        encode = partial(_embeddings, sam, device, dtype)
        self._encoder = Encoder(name, encode, device, SegmenterError, self._together)

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """See `Segmenter.prepare`: on a GPU, on a stream of its own; without the memory for it, later.

        Raises:
            BadImageError, SegmenterError: as `embed`.
        """
        self._encoder.prepare(views)

    def embed(self, view: np.ndarray) -> SamEmbedding:
        """Encode an RGB uint8 view (H, W, 3).

        Raises:
            BadImageError: the view is no RGB uint8 image.
            SegmenterError: the encoder failed.
        """
        return self._encoder([view])[0]

    def embed_views(self, views: Sequence[np.ndarray]) -> list[SamEmbedding]:
        """The same for several views, on a GPU as one batch if its memory allows. Keeps those of `Pixels` with them."""
        return self._encoder(views)

    @torch.inference_mode()
    def segment(self, embedding: SamEmbedding | Sequence[SamEmbedding], prompts: Prompts, multimask: bool) -> Segments:
        """Masks for a batch of prompts; all candidates if `multimask`. On a GPU they stay there.

        Args:
            embedding: the one of all prompts, or one for each.

        Raises:
            SegmenterError: the decoder failed, or the prompts' masks don't have the grid that it needs.
        """
        own = [embedding] * len(prompts) if isinstance(embedding, SamEmbedding) else list(embedding)
        h, w = self._sam.mask_hw
        masks, candidates = prompts.low_res, self._sam.candidates if multimask else 1
        if masks is not None and masks.shape[1:] != (h, w):
            raise SegmenterError(f"{self.name}: expected low-res masks of {(h, w)}, got {tuple(masks.shape[1:])}")
        if not own:
            return Segments(np.zeros((0, candidates, h, w), np.float32), np.zeros((0, candidates), np.float32))
        rows = [slice(i, i + self._together) for i in range(0, len(own), self._together)]
        with self._running():
            for view in {id(view): view for view in own}.values():
                view.awaited()
            parts = [self._decode(own[some], prompts, some, multimask) for some in rows]
            low_res, iou = (torch.cat(part).float() for part in zip(*parts, strict=True))
            if self._device.type == "cpu":
                return Segments(low_res.numpy(), iou.numpy())
            sound = low_res.isfinite().flatten(1).all(1) & iou.isfinite().all(1)
            return Segments(low_res.masked_fill(~sound[:, None, None, None], torch.nan), iou)

    def boxes(self, embeddings: Sequence[SamEmbedding], low_res: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """See `Segmenter.boxes`."""
        parts, start = [], 0
        with self._running():
            for _, run in groupby(embeddings, id):
                embedding, size = (same := list(run))[0], len(same)
                parts.append(embedding.boxes(low_res[start : start + size]))
                start += size
            return torch.cat(parts) if isinstance(low_res, Tensor) else np.concatenate(parts)

    def _decode(
        self, own: Sequence[SamEmbedding], prompts: Prompts, rows: slice, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        scale = np.array([np.divide(e.scaled_hw[::-1], e.size_hw[::-1]) for e in own])  # (B, 2), of x and y
        key = (self, rows.start, scale.tobytes())
        if key not in prompts.kept:
            boxes, four = prompts.boxes_xyxy, np.tile(scale, 2)
            if boxes is not None:
                scaled = boxes[rows] * (self._tensor(four) if isinstance(boxes, Tensor) else four)
                boxes = self._tensor(scaled)
            points = self._tensor(prompts.points_xy[rows] * scale[:, None])
            prompts.kept[key] = self._sam.place(points, self._tensor(prompts.labels[rows], torch.int32), boxes)
        features = own[0].features
        if any(e is not own[0] for e in own):
            features = _each(lambda *tensors: torch.cat(tensors), *(e.features for e in own))
        masks = None if prompts.low_res is None else self._tensor(prompts.low_res[rows])[:, None]
        return self._sam.decode(features, prompts.kept[key], masks, multimask)

    def _tensor(self, array: np.ndarray | Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        return uploaded(array, self._device).to(dtype)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Autocast, and the model's failures as `SegmenterError`."""
        with failures(SegmenterError, f"{self.name} failed"), _autocast(self._device, self._dtype):
            yield


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def _embeddings(sam: Sam, device: torch.device, dtype: torch.dtype, views: Sequence[np.ndarray]) -> list[SamEmbedding]:
    with _autocast(device, dtype):
        features, input_hw, scaled = sam.encode(views)
    return [
        SamEmbedding(
            _each(lambda tensor, i=i: tensor[i : i + 1], features), view.shape[:2], scaled_hw, input_hw, device
        )
        for i, (view, scaled_hw) in enumerate(zip(views, scaled, strict=True))
    ]


def _each(do: Callable[..., Any], first: Any, *rest: Any) -> Any:
    """`do` with the tensors at each place of some features; what is no tensor stays."""
    if isinstance(first, Tensor):
        return do(first, *rest)
    if isinstance(first, dict):
        return {name: _each(do, value, *(other[name] for other in rest)) for name, value in first.items()}
    if isinstance(first, list | tuple):
        return [_each(do, *values) for values in zip(first, *rest, strict=True)]
    return first
