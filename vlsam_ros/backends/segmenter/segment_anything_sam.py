"""SAM through segment_anything: the original checkpoints, MobileSAM's, and the embedded model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from segment_anything import modeling, sam_model_registry
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...data import letterbox_hw
from ...errors import ModelLoadError
from ..checkpoint import local
from ..encoding import uploaded
from ..torch_file import differences, read_file
from .decoder import decode, sparse
from .sam import SamSegmenter
from .upscaling import Size
from .vit import settle

KNOWN = "mask_decoder.iou_token.weight"
"""A name in every checkpoint of SAM's."""


class SegmentAnything:
    """The networks of a segment_anything model."""

    def __init__(self, sam: modeling.Sam, device: torch.device) -> None:
        """Moves `sam` to the device."""
        self._sam, self._device = sam.eval().to(device), device
        settle(sam.image_encoder)
        self._input_hw = sam.prompt_encoder.input_image_size
        self.mask_hw = sam.prompt_encoder.mask_input_size
        self.channels = sam.prompt_encoder.embed_dim
        self.candidates = sam.mask_decoder.num_multimask_outputs
        self.networks: tuple[nn.Module, ...] = (sam.image_encoder, sam.mask_decoder)
        with torch.inference_mode():
            self._position = sam.prompt_encoder.get_dense_pe().flatten(2).contiguous()

    def encode(self, views: Sequence[np.ndarray]) -> tuple[Tensor, Size, list[Size]]:
        """Scaled into the input, normalised, zero-padded at the bottom and right -> features (V, C, h, w)."""
        (height, width), scaled = self._input_hw, [letterbox_hw(view.shape[:2], self._input_hw) for view in views]
        images = torch.zeros(len(views), 3, height, width, device=self._device)
        for image, view, (h, w) in zip(images, views, scaled, strict=True):
            own = image[:, :h, :w].copy_(self._resized(view, (h, w)))
            own.sub_(self._sam.pixel_mean).div_(self._sam.pixel_std)
        return self._sam.image_encoder(images).contiguous(), self._input_hw, scaled

    def _resized(self, view: np.ndarray, size_hw: Size) -> Tensor:
        """RGB (3, h, w) in whole numbers of 0 to 255."""
        if self._device.type != "cpu":
            return resized(uploaded(view, self._device).permute(2, 0, 1), size_hw)
        image = Image.fromarray(view).resize(size_hw[::-1], Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def place(self, points_xy: Tensor, labels: Tensor, boxes: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See `sam.Sam.place`: (B, n, C), and what clicks draw if they do; in float32, as coordinates need it."""
        encoder = self._sam.prompt_encoder
        with torch.autocast(self._device.type, enabled=False):
            drawn = encoder.drawn((points_xy, labels), boxes) if hasattr(encoder, "drawn") else None
            return sparse(encoder, points_xy, labels, boxes), drawn

    def decode(
        self, features: Tensor, placed: tuple[Tensor, Tensor | None], masks: Tensor | None, many: bool
    ) -> tuple[Tensor, Tensor]:
        """See `sam.Sam.decode`."""
        encoder, (points, drawn) = self._sam.prompt_encoder, placed
        with torch.autocast(self._device.type, enabled=False):
            none = encoder.no_mask_embed.weight[..., None, None]
            image = features + (none if masks is None else encoder.mask_downscaling(masks))
            image = image if drawn is None else image + drawn
        return decode(self._sam.mask_decoder, image, self._position, points, many)


def resized(image: Tensor, size_hw: Size) -> Tensor:
    """(3, H, W) -> (3, h, w) in Pillow's two steps, for a GPU; one in a hundred numbers is one off."""
    out = image[None].float()
    for step in ((image.shape[1], size_hw[1]), size_hw):
        out = interpolate(out, step, mode="bilinear", antialias=True).add_(0.5).floor_()
    return out[0]


def load(kind: str, source: str, device: torch.device, dtype: torch.dtype) -> SamSegmenter:
    """The embedded model, or the checkpoint file `source` of ``vit_h``, ``vit_l``, ``vit_b`` or ``vit_t``.

    Raises:
        ModelLoadError: the file is missing, or isn't a whole checkpoint of its kind.
    """
    if kind == "embedded":
        from ...embedded import load_sam
        from ...embedded.winograd import fused

        sam = load_sam()
        if device.type == "cpu" and dtype == torch.float32:
            fused(sam.image_encoder).to(memory_format=torch.channels_last)
        return SamSegmenter(SegmentAnything(sam, device), "embedded-sam", True, device, dtype)
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
