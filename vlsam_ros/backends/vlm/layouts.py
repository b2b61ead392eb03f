"""Where each family of VLM puts the image's tokens, and which part of the view each token sees.

A family belongs here once its grid has been checked by changing one cell of the picture and finding the token that
moves most (`tests/backends/vlm/test_vlm_backend.py` does so for every row).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor, isqrt, sqrt
from typing import Any

import numpy as np
from transformers.image_processing_utils import select_best_resolution

from ...data import ImageLayout
from ...errors import VlmError

Layout = Callable[[Any, Mapping[str, Any], np.ndarray, tuple[int, int]], ImageLayout]
"""(processor, its output for a picture, columns of the image tokens int64 (n,), its size (H, W)) -> ImageLayout, in its
pixels."""


def raster(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """LLaVA-1.5: one token per patch of the processed picture, row-major."""
    h, w = (side // processor.patch_size for side in inputs["pixel_values"].shape[-2:])
    return ImageLayout(_grid(columns, h, w), processed_part(processor.image_processor, size_hw))


def merged(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """Qwen-VL and GLM-V: the whole view, stretched to whole patches; one token per merge × merge patches, row-major."""
    merge = processor.image_processor.merge_size
    _, h, w = inputs["image_grid_thw"][0].tolist()
    return ImageLayout(_grid(columns, h // merge, w // merge), _whole(size_hw))


def square(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """InternVL without crops: the whole view, stretched to a square."""
    side = isqrt(processor.image_seq_length)
    return ImageLayout(_grid(columns, side, side), _whole(size_hw))


def pooled(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """Gemma 4: the whole view, stretched to whole cells; one token per kernel × kernel patches, row-major."""
    w, h = (inputs["image_position_ids"][0].amax(0) + 1).tolist()
    kernel = processor.image_processor.pooling_kernel_size
    return ImageLayout(_grid(columns, h // kernel, w // kernel), _whole(size_hw))


def counted(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """Idefics3, PaliGemma, Gemma 3, Ovis 2: the view, stretched to a square of as many tokens as the prompt has."""
    side = isqrt(len(columns))
    return ImageLayout(_grid(columns, side, side), _whole(size_hw))


def rows(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """Mistral 3: the whole view, stretched to whole cells of merge × merge patches; each row ends with a break."""
    cell = processor.patch_size * processor.spatial_merge_size
    h, w = (int(side) // cell for side in inputs["image_sizes"][0])
    return ImageLayout(_grid(columns, h, w), _whole(size_hw))


def shaped(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """LFM2-VL without tiles: the whole view, stretched to whole cells; one token per factor × factor patches."""
    factor = processor.image_processor.downsample_factor
    h, w = (ceil(int(side) / factor) for side in inputs["spatial_shapes"][0])
    return ImageLayout(_grid(columns, h, w), _whole(size_hw))


def twice_merged(
    processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]
) -> ImageLayout:
    """MiniCPM-V 4.6 without slices: the whole view, stretched to whole cells of 4 × 4 patches, or 2 × 2."""
    merge = isqrt(processor.image_token_divisor)
    h, w = (int(side) // merge for side in inputs["target_sizes"][0])
    return ImageLayout(_grid(columns, h, w), _whole(size_hw))


def cropped(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """Molmo 2: the view twice, stretched, each time row-major, one token per pool × pool patches.

    First the whole of it as a square; then finer, from crops whose overlap is left out, so that their patches are those
    of one picture.
    """
    own, (h, w, *finer_hw) = processor.image_processor, inputs["image_grids"][0].tolist()
    pool_hw, whole = own.pooling_size, own.size["height"] // own.patch_size
    margin = sum(own.overlap_margins)
    inner = whole - margin  # patches that a crop adds to the picture
    finer = [n * pool - (n * pool - margin) % inner for n, pool in zip(finer_hw, pool_hw, strict=True)]
    parts = [
        ImageLayout(_grid(part, *grid_hw), _pooled_part(patches, grid_hw, pool_hw, size_hw))
        for part, grid_hw, patches in ((columns[: h * w], (h, w), (whole, whole)), (columns[h * w :], finer_hw, finer))
    ]
    return replace(parts[0], crops=(parts[1],))


def _pooled_part(
    patches_hw: Sequence[int], grid_hw: Sequence[int], pool_hw: Sequence[int], size_hw: tuple[int, int]
) -> tuple[float, float, float, float]:
    """What a grid of pools sees of a view that was cut to patches; where these don't fill the pools, it is padded.

    Returns:
        x_min, y_min, x_max, y_max in pixels of the view; beyond it where the pools are padded, the odd one at the end.
    """
    ends = []
    for patches, cells, pool, length in zip(patches_hw, grid_hw, pool_hw, size_hw, strict=True):
        before = (cells * pool - patches) // 2
        ends.append((-before * length / patches, (cells * pool - before) * length / patches))
    (y0, y1), (x0, x1) = ends
    return x0, y0, x1, y1


def queries(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """BLIP-2: the tokens are a Q-Former's queries; what they saw of the view is known once it has run."""
    return ImageLayout(columns, _whole(size_hw))


def anyres(processor: Any, inputs: Mapping[str, Any], columns: np.ndarray, size_hw: tuple[int, int]) -> ImageLayout:
    """LLaVA-NeXT and -OneVision, Granite Vision: the view twice, each time row-major.

    First the whole of it, stretched to a square; then finer crops, put together without their padding, with a token at
    the end of each row. OneVision makes the latter coarser where there are too many.
    """
    edge = inputs["pixel_values"].shape[-1]
    fewer = Fraction(getattr(processor, "downsample_rate", None) or 1)
    side = isqrt(getattr(processor, "num_image_tokens", 0)) or int(edge // processor.patch_size * fewer)
    best_hw = select_best_resolution(size_hw, processor.image_processor.image_grid_pinpoints)
    (rows, across), xyxy = _unpadded(size_hw, best_hw, tuple(length // edge * side for length in best_hw))
    if hasattr(processor, "vision_aspect_ratio"):
        most = int(processor.vision_aspect_ratio.removeprefix("anyres_max_")) * side**2
        ratio = sqrt(rows * across / most)
        rows, across = (int(rows // ratio), int(across // ratio)) if ratio > 1.1 else (rows, across)
    finer = _grid(columns[side * side :], rows, across + 1)[:, :-1]
    return ImageLayout(_grid(columns[: side * side], side, side), _whole(size_hw), crops=(ImageLayout(finer, xyxy),))


def _unpadded(
    size_hw: tuple[int, int], best_hw: tuple[int, int], tokens_hw: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """What is left of a grid of tokens when a view has been padded to a canvas and the padding's tokens taken out.

    Returns:
        Rows and columns, and x_min, y_min, x_max, y_max of what they see, in pixels of the view.
    """
    (height, width), (best_h, best_w), (rows, columns) = size_hw, best_hw, tokens_hw
    down = across = 0
    if width / height > columns / rows:
        down = (rows - int(round(height * (columns / width), 7))) // 2
    else:
        across = (columns - int(round(width * (rows / height), 7))) // 2
    scale = min(best_w / width, best_h / height)
    resized_h, resized_w = min(ceil(height * scale), best_h), min(ceil(width * scale), best_w)
    y0, y1 = ((r * best_h / rows - (best_h - resized_h) // 2) * height / resized_h for r in (down, rows - down))
    x0, x1 = (
        (c * best_w / columns - (best_w - resized_w) // 2) * width / resized_w for c in (across, columns - across)
    )
    return (rows - 2 * down, columns - 2 * across), (x0, y0, x1, y1)


def _whole(size_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    return 0.0, 0.0, float(size_hw[1]), float(size_hw[0])


def processed_part(image_processor: Any, size_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    """What is left of a picture after padding to a square, resizing and cropping the middle.

    Returns:
        x_min, y_min, x_max, y_max in pixels of the picture; beyond it where the processor pads.
    """
    height, width = size_hw
    left = top = 0.0
    if getattr(image_processor, "do_pad", False) and hasattr(image_processor, "pad_to_square"):
        side = max(size_hw)
        left, top = -float((side - width) // 2), -float((side - height) // 2)
        height = width = side
    if not getattr(image_processor, "do_center_crop", False):
        return left, top, left + width, top + height
    resized_h, resized_w = _resized(image_processor, height, width)
    crop_h, crop_w = image_processor.crop_size["height"], image_processor.crop_size["width"]
    x0, y0 = (resized_w - crop_w) // 2, (resized_h - crop_h) // 2
    x_px, y_px = width / resized_w, height / resized_h
    return left + x0 * x_px, top + y0 * y_px, left + (x0 + crop_w) * x_px, top + (y0 + crop_h) * y_px


def _resized(image_processor: Any, height: int, width: int) -> tuple[int, int]:
    size = image_processor.size
    if not image_processor.do_resize:
        return height, width
    if size.get("height"):
        return size["height"], size["width"]
    short, edge = min(height, width), size["shortest_edge"]
    return int(height * edge / short), int(width * edge / short)


def squared(image_processor: Any, view: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """A view (H, W, 3) padded to a square where a processor would crop its middle, as LLaVA-1.5's authors do.

    Returns:
        The picture, padded in the colour that becomes zero, and x and y of the view's corner in it.
    """
    height, width = view.shape[:2]
    x0, y0, x1, y1 = processed_part(image_processor, (height, width))
    if x1 - x0 >= width and y1 - y0 >= height:
        return view, (0, 0)
    side = max(height, width)
    colour = np.round(255 * np.array(image_processor.image_mean)).astype(np.uint8)
    picture = np.full((side, side, 3), colour, np.uint8)
    left, top = (side - width) // 2, (side - height) // 2
    picture[top : top + height, left : left + width] = view
    return picture, (left, top)


def placed(
    layout: ImageLayout, scale_xy: tuple[float, float], corner_xy: tuple[int, int], size_hw: tuple[int, int]
) -> ImageLayout:
    """A layout over the picture that a model was shown, in pixels of the view; cells that see only padding go.

    Args:
        scale_xy: pixels of the padded view for each of the picture.
        corner_xy: the view's corner in the padded view.
        size_hw: of the view.
    """
    scale, corner = np.tile(scale_xy, 2), np.tile(corner_xy, 2)
    x0, y0, x1, y1 = (np.array(layout.xyxy) * scale - corner).tolist()
    wide = (crop for crop in layout.crops if crop.columns.size)  # others are too thin for a token
    crops = tuple(placed(crop, scale_xy, corner_xy, size_hw) for crop in wide)
    if layout.spread is not None or layout.columns.ndim == 1:
        return replace(layout, xyxy=(x0, y0, x1, y1), crops=crops)
    (rows, top, bottom), (across, left, right) = (
        _seen(low, high, count, length)
        for low, high, count, length in zip((y0, x0), (y1, x1), layout.columns.shape, size_hw, strict=True)
    )
    return replace(layout, columns=layout.columns[rows, across], xyxy=(left, top, right, bottom), crops=crops)


def _seen(low: float, high: float, count: int, length: int) -> tuple[slice, float, float]:
    """Which of equal cells from low to high lie in [0, length], were it in part, and where those begin and end."""
    cell = (high - low) / count
    first, last = max(0, floor(-low / cell + 1e-6)), min(count, ceil((length - low) / cell - 1e-6))
    return slice(first, last), low + first * cell, low + last * cell


def _grid(columns: np.ndarray, h: int, w: int) -> np.ndarray:
    if len(columns) != h * w:
        raise VlmError(f"expected {h} × {w} image tokens in the prompt, found {len(columns)}")
    return columns.reshape(h, w)


@dataclass(frozen=True)
class Family:
    """How to use one `model_type` of transformers.

    Attributes:
        layout: finds the image's tokens.
        image_options: what the image processor is told besides its own configuration.
        reuse: how questions about a view can share the image's prefix: ``batch``: in one batch on its cache, padded
            between prefix and question (``equal`` where a layer does not see all earlier tokens); ``equal``: those of
            one length together; ``none``: not at all, as what the image becomes depends on the question.
        template: the prompt around a question, for families whose processors have no chat template.
        answer_type: token type of the answer's tokens, where the family has types; those of a question are 0.
        crops: the processor cuts the middle out of what is not square, so that a view is padded to a square first.
        qformer: the image's tokens are the queries of a Q-Former.
    """

    layout: Layout
    image_options: Mapping[str, Any] = field(default_factory=dict)
    reuse: str = "batch"
    template: str = ""
    answer_type: int = 0
    crops: bool = False
    qformer: bool = False


FAMILIES: dict[str, Family] = {
    "llava": Family(raster, crops=True),
    "vipllava": Family(raster, crops=True),
    "qwen2_vl": Family(merged),
    "qwen2_5_vl": Family(merged),
    "qwen3_vl": Family(merged),
    "qwen3_vl_moe": Family(merged),
    "qwen3_5": Family(merged),
    "qwen3_5_moe": Family(merged),
    "glm4v": Family(merged),
    "glm4v_moe": Family(merged),
    "glm46v": Family(merged),
    "internvl": Family(square, {"crop_to_patches": False}),
    "llava_next": Family(anyres),
    "llava_onevision": Family(anyres),
    "video_llama_3": Family(merged),
    "granite4_vision": Family(anyres),
    "mistral3": Family(rows),
    "ovis2": Family(counted, {"crop_to_patches": False}),
    "molmo2": Family(cropped, reuse="equal"),
    "lfm2_vl": Family(shaped, {"do_image_splitting": False}),
    "minicpmv4_6": Family(twice_merged, {"slice_mode": False}),
    "idefics3": Family(counted, {"do_image_splitting": False}),
    "smolvlm": Family(counted, {"do_image_splitting": False}),
    "gemma3": Family(counted, {"do_pan_and_scan": False}, reuse="equal"),
    "gemma3n": Family(counted, reuse="equal"),
    "gemma4": Family(pooled, reuse="equal"),
    "paligemma": Family(counted, reuse="none", template="<image>{question}", answer_type=1),
    "blip-2": Family(queries, reuse="none", template="Question: {question} Answer:", qformer=True),
    "instructblip": Family(queries, reuse="none", template="{question}", qformer=True),
}
"""Supported families: `model_type` of config.json -> how to use it. CogVLM comes with its own code, see `cogvlm`."""

_CROSS = "the image is not in the token sequence (cross-attention)"
_ENCODER = "it is an encoder-decoder"
_LATENT = "its image tokens are latents without a place in the image"
REFUSED: dict[str, str] = {
    "mllama": _CROSS,
    "idefics": _CROSS,
    "blip": _CROSS,
    "florence2": f"{_ENCODER}; take Qwen3-VL, or LLMDet as grounder.model",
    "pix2struct": _ENCODER,
    "t5gemma2": _ENCODER,
    "udop": _ENCODER,
    "vision-encoder-decoder": _ENCODER,
    "idefics2": _LATENT,
    "aria": _LATENT,
    "kosmos-2": _LATENT,
    "kosmos-2.5": _LATENT,
    "git": "it fixes its attention when it is built",
}
"""Families that can't work -> why."""


def refusal(config: Any) -> str:
    """Why a configuration of a supported family can't be used; empty if it can."""
    return "" if getattr(config, "use_decoder_only_language_model", True) else _ENCODER
