"""Segment Anything without a hidden current image: the view's embedding is a value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ...data import Prompts, Segments, check_image, letterbox_hw
from ...errors import SegmenterError


@dataclass(frozen=True)
class SamEmbedding:
    """SAM's encoding of one view.

    Attributes:
        features: float tensor (1, C, h, w).
        size_hw: the view's height and width in pixels.
        scaled_hw: the same after resizing; the rest of `input_hw`, at the bottom and right, is padding.
        input_hw: the image encoder's input.
        threshold: logits above it are mask.
    """

    features: Tensor
    size_hw: tuple[int, int]
    scaled_hw: tuple[int, int]
    input_hw: tuple[int, int]
    threshold: float

    @torch.inference_mode()
    def upscale(self, low_res: np.ndarray) -> np.ndarray:
        """Logits (B, h, w) -> bool masks (B, H, W) on the view's pixels."""
        if not len(low_res):
            return np.zeros((0, *self.size_hw), bool)
        logits = torch.as_tensor(low_res, dtype=torch.float32, device=self.features.device)[:, None]
        logits = interpolate(logits, self.input_hw, mode="bilinear", align_corners=False)
        logits = logits[..., : self.scaled_hw[0], : self.scaled_hw[1]]
        logits = interpolate(logits, self.size_hw, mode="bilinear", align_corners=False)
        return (logits[:, 0] > self.threshold).cpu().numpy()


class SamSegmenter:
    """A `Segmenter` around the parts of a segment_anything model."""

    def __init__(self, sam: Sam, name: str, demonstration: bool, device: torch.device, dtype: torch.dtype) -> None:
        """Moves `sam` to the device; its weights stay float32, `dtype` is what autocast computes in."""
        self.name, self.demonstration = name, demonstration
        self._sam = sam.eval().to(device)
        self._input_hw = sam.prompt_encoder.input_image_size
        self._device, self._dtype = device, dtype
        self._dense_pe = self._sam.prompt_encoder.get_dense_pe()

    @torch.inference_mode()
    def embed(self, view: np.ndarray) -> SamEmbedding:
        """Encode an RGB uint8 view (H, W, 3): scaled into the input, normalised, zero-padded at the bottom and right.

        Raises:
            BadImageError: the view is no RGB uint8 image.
            SegmenterError: the encoder failed.
        """
        size_hw = check_image(view).shape[:2]
        scaled_hw = letterbox_hw(size_hw, self._input_hw)
        scaled = np.array(Image.fromarray(view).resize(scaled_hw[::-1], Image.Resampling.BILINEAR))
        with self._running():
            image = torch.from_numpy(scaled).to(self._device).permute(2, 0, 1)
            image = (image - self._sam.pixel_mean) / self._sam.pixel_std
            image = pad(image, (0, self._input_hw[1] - scaled_hw[1], 0, self._input_hw[0] - scaled_hw[0]))
            features = self._sam.image_encoder(image[None])
        return SamEmbedding(features, size_hw, scaled_hw, self._input_hw, self._sam.mask_threshold)

    @torch.inference_mode()
    def segment(self, embedding: SamEmbedding, prompts: Prompts, multimask: bool) -> Segments:
        """One decoder call for all prompts: one mask each, or several candidates if `multimask`.

        Raises:
            SegmenterError: the decoder failed.
        """
        sam = self._sam
        if not len(prompts):
            candidates = sam.mask_decoder.num_multimask_outputs if multimask else 1
            low_res = np.zeros((0, candidates, *sam.prompt_encoder.mask_input_size), np.float32)
            return Segments(low_res, np.zeros((0, candidates), np.float32))
        with self._running():
            sparse, dense = self._encoded(embedding, prompts)
            low_res, iou = sam.mask_decoder(
                image_embeddings=embedding.features,
                image_pe=self._dense_pe,
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=multimask,
            )
            return Segments(low_res.float().cpu().numpy(), iou.float().cpu().numpy())

    def _encoded(self, embedding: SamEmbedding, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Sparse (B, n, C) and dense (B, C, h, w) prompt embeddings, in float32: coordinates need its precision."""
        scale = np.array(embedding.scaled_hw[::-1], np.float32) / embedding.size_hw[::-1]
        boxes, masks = prompts.boxes_xyxy, prompts.low_res
        expected = self._sam.prompt_encoder.mask_input_size
        if masks is not None and masks.shape[1:] != expected:
            raise SegmenterError(f"expected low-res masks of {expected}, got {masks.shape[1:]}")
        with torch.autocast(self._device.type, enabled=False):
            return self._sam.prompt_encoder(
                points=(self._float(prompts.points_xy * scale), torch.as_tensor(prompts.labels, device=self._device)),
                boxes=None if boxes is None else self._float(boxes * np.tile(scale, 2)),
                masks=None if masks is None else self._float(masks)[:, None],
            )

    def _float(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self._device)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Autocast, and the model's failures as `SegmenterError`."""
        try:
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                yield
        except RuntimeError as error:
            raise SegmenterError(f"{self.name} failed: {error}") from error
