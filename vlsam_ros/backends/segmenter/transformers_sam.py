"""SAM, SAM-HQ, SAM 2 and EdgeTAM through transformers, from a folder or a hub id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForMaskGeneration, PreTrainedModel

from ...errors import ModelLoadError
from ..checkpoint import read, read_model, reason
from ..encoding import uploaded
from .sam import SamSegmenter
from .upscaling import Size
from .vit import settle

Prompted = tuple[Tensor, Tensor, Tensor | None]
"""Points (B, 1, P, 2), labels (B, 1, P), and boxes (B, 1, 4) or None."""

Features = dict[str, Any]
"""What a mask decoder takes of the images, by argument: tensors (V, …) or lists of them."""


def _embedding(model: PreTrainedModel, pixels: Tensor) -> Features:
    return {"image_embeddings": model.get_image_embeddings(pixels)}


def _with_early_features(model: PreTrainedModel, pixels: Tensor) -> Features:
    out = model.vision_encoder(pixels)  # the decoder looks at the first global layer alone
    early = out.intermediate_embeddings[:1]
    return {"image_embeddings": out.last_hidden_state, "intermediate_embeddings": early, "hq_token_only": False}


def _pyramid(model: PreTrainedModel, pixels: Tensor) -> Features:
    *fine, coarse = model.get_image_embeddings(pixels)
    return {"image_embeddings": coarse, "high_resolution_features": fine}


@dataclass(frozen=True)
class Family:
    """Models of one type.

    Attributes:
        encode: model and pixels (V, 3, H, W) -> what its mask decoder takes.
        limit: of the logits of a mask prompt; SAM 2's own predictor clamps them so.
    """

    encode: Callable[[PreTrainedModel, Tensor], Features]
    limit: float = inf


FAMILIES: dict[str, Family] = {
    "sam": Family(_embedding),
    "sam_hq": Family(_with_early_features),
    **dict.fromkeys(("sam2", "sam2_video", "edgetam", "edgetam_video"), Family(_pyramid, 32.0)),
}
"""The `model_type` of config.json -> how it is run. Video checkpoints hold the image model."""


class TransformersSam:
    """The networks of a mask generation model; its own image processor pads or stretches views as its family does."""

    def __init__(self, model: PreTrainedModel, processor: Any, family: Family, device: torch.device) -> None:
        """Moves `model` to the device."""
        self._model, self._processor, self._family, self._device = model.eval().to(device), processor, family, device
        settle(model.vision_encoder)
        h, w = model.prompt_encoder.image_embedding_size
        self.mask_hw = (4 * h, 4 * w)
        self.channels = model.prompt_encoder.hidden_size
        self.candidates = model.mask_decoder.num_multimask_outputs
        self.networks: tuple[nn.Module, ...] = (model.vision_encoder, model.mask_decoder)
        with torch.inference_mode():
            self._position = model.get_image_wide_positional_embeddings()

    def encode(self, views: Sequence[np.ndarray]) -> tuple[Features, Size, list[Size]]:
        """See `sam.Sam.encode`."""
        pixels, input_hw, scaled = self.pixels(views)
        return self._family.encode(self._model, pixels), input_hw, scaled

    def pixels(self, views: Sequence[np.ndarray]) -> tuple[Tensor, Size, list[Size]]:
        """The model's input (V, 3, h, w), its size, and the size of each view in it."""
        ready = self._processor(
            images=[uploaded(view, self._device) for view in views],
            input_data_format="channels_last",
            return_tensors="pt",
            device=self._device,
        )
        pixels = ready["pixel_values"]
        h, w = pixels.shape[2:]
        sizes = ready.get("reshaped_input_sizes", [(h, w)] * len(views))  # none: the view fills the input
        return pixels, (h, w), [(int(top), int(left)) for top, left in sizes]

    def place(self, points_xy: Tensor, labels: Tensor, boxes: Tensor | None) -> Prompted:
        """See `sam.Sam.place`: the prompt encoder's arguments."""
        return points_xy[:, None], labels[:, None], None if boxes is None else boxes[:, None]

    def decode(self, features: Features, placed: Prompted, masks: Tensor | None, many: bool) -> tuple[Tensor, Tensor]:
        """See `sam.Sam.decode`; prompts are embedded in float32, as coordinates need its precision."""
        batch, limit = len(placed[0]), self._family.limit
        with torch.autocast(self._device.type, enabled=False):
            sparse, dense = self._model.get_prompt_embeddings(
                *placed, None if masks is None else masks.clamp(-limit, limit)
            )
        low_res, iou, *_ = self._model.mask_decoder(
            image_positional_embeddings=self._position.expand(batch, -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=many,
            **{name: _repeated(value, batch) for name, value in features.items()},
        )
        return low_res[:, 0], iou[:, 0]


def _repeated(value: Any, batch: int) -> Any:
    """Tensors (1, …) or (batch, …), also in a list, as (batch, …) without a copy."""
    if isinstance(value, Tensor):
        return value.expand(batch, *value.shape[1:])
    return [_repeated(item, batch) for item in value] if isinstance(value, list | tuple) else value


def load(kind: str, source: str, device: torch.device, dtype: torch.dtype) -> SamSegmenter:
    """The model of type `kind` in the folder, or under the hub id, `source`.

    Raises:
        ModelLoadError: files are missing, broken, or don't fit together.
    """
    processor = read(AutoImageProcessor, source)
    model = read_model(AutoModelForMaskGeneration, source, dtype=torch.float32)
    try:
        sam = TransformersSam(model, processor, FAMILIES[kind], device)
        got, side = sam.pixels([np.zeros((2, 3, 3), np.uint8)])[1], model.prompt_encoder.input_image_size
    except Exception as error:  # what the two configurations say is anything
        raise ModelLoadError(f"{source!r} can't take a picture: {reason(error)}; fetch all its files again") from error
    if got != (side, side):
        raise ModelLoadError(
            f"{source!r}: the model takes {side} × {side} pixels, its image processor makes {got[0]} × {got[1]}; fetch "
            "both from one checkpoint"
        )
    return SamSegmenter(sam, Path(source).name, False, device, dtype)
