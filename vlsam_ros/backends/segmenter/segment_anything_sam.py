"""SAM through segment_anything: the original checkpoints, MobileSAM's, and the embedded model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from segment_anything import modeling, sam_model_registry
from torch import Tensor
from torch.nn.functional import pad

from ...data import letterbox_hw
from ...errors import ModelLoadError
from ..checkpoint import local
from ..torch_file import differences, read_file
from .decoder import decode
from .sam import SamSegmenter

KNOWN = "mask_decoder.iou_token.weight"
"""A name in every checkpoint of SAM's."""


class SegmentAnything:
    """The networks of a segment_anything model."""

    def __init__(self, sam: modeling.Sam, device: torch.device) -> None:
        """Moves `sam` to the device."""
        self._sam, self._device = sam.eval().to(device), device
        self._input_hw = sam.prompt_encoder.input_image_size
        self.mask_hw = sam.prompt_encoder.mask_input_size
        self.channels = sam.prompt_encoder.embed_dim
        self.candidates = sam.mask_decoder.num_multimask_outputs
        self.threshold = sam.mask_threshold
        with torch.inference_mode():
            self._position = sam.prompt_encoder.get_dense_pe()

    def encode(self, view: np.ndarray) -> tuple[Tensor, tuple[int, int], tuple[int, int]]:
        """Scaled into the input, normalised, zero-padded at the bottom and right -> features (1, C, h, w)."""
        height, width = self._input_hw
        scaled_hw = letterbox_hw(view.shape[:2], self._input_hw)
        scaled = np.array(Image.fromarray(view).resize(scaled_hw[::-1], Image.Resampling.BILINEAR))
        image = torch.from_numpy(scaled).to(self._device).permute(2, 0, 1)
        image = (image - self._sam.pixel_mean) / self._sam.pixel_std
        image = pad(image, (0, width - scaled_hw[1], 0, height - scaled_hw[0]))
        return self._sam.image_encoder(image[None]), self._input_hw, scaled_hw

    def decode(
        self,
        features: Tensor,
        points_xy: Tensor,
        labels: Tensor,
        boxes: Tensor | None,
        masks: Tensor | None,
        many: bool,
    ) -> tuple[Tensor, Tensor]:
        """See `sam.Sam.decode`; prompts are embedded in float32, as coordinates need its precision."""
        with torch.autocast(self._device.type, enabled=False):
            sparse, dense = self._sam.prompt_encoder((points_xy, labels), boxes, masks)
        return decode(self._sam.mask_decoder, features, self._position, sparse, dense, many)


def load(kind: str, source: str, device: torch.device, dtype: torch.dtype) -> SamSegmenter:
    """The embedded model, or the checkpoint file `source` of ``vit_h``, ``vit_l``, ``vit_b`` or ``vit_t``.

    Raises:
        ModelLoadError: the file is missing, or isn't a whole checkpoint of its kind.
    """
    if kind == "embedded":
        from ...embedded import load_sam

        return SamSegmenter(SegmentAnything(load_sam(), device), "embedded-sam", True, device, dtype)
    path = Path(local(source))
    return SamSegmenter(SegmentAnything(_read(kind, path), device), path.name, False, device, dtype)


def _read(kind: str, path: Path) -> modeling.Sam:
    """The model with the checkpoint's weights."""
    weights = read_file(path, KNOWN)
    if kind == "vit_t":
        from . import mobile_sam

        publisher, sam, weights = "MobileSAM", mobile_sam.build(), mobile_sam.renamed(weights)
    else:
        publisher, sam = "segment_anything", sam_model_registry[kind]()
    if wrong := differences(sam.state_dict(), weights):
        raise ModelLoadError(f"{path} is not a whole {kind} checkpoint of {publisher} ({wrong}); download it again")
    sam.load_state_dict(weights)
    return sam
