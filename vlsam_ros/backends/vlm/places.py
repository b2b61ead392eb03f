"""What Qwen-VL and GLM-V make of a view's size, on the host: of tensors on a device it would wait, in every layer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from torch import Tensor

from .prompting import moved


def places(model: Any, inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[int] | None]:
    """Further inputs for a model, of those for its prefixes, which are on the host.

    Returns:
        The inputs, and by how much the position of what follows each prefix is more than its tokens are; nothing and
        None if the model, or the transformers that is installed, does not want them.
    """
    index = getattr(model.model, "get_rope_index", None)
    if index is None or not find_spec("transformers.vision_utils"):
        return {}, None
    from transformers.vision_utils import get_vision_cu_seqlens, get_vision_window_index

    grid, vision, device = inputs["image_grid_thw"], model.config.vision_config, model.device
    positions, shift = index(inputs["input_ids"], image_grid_thw=grid, mm_token_type_ids=inputs["mm_token_type_ids"])
    out = {"position_ids": moved(positions, device), "cu_seqlens": get_vision_cu_seqlens(grid)}
    if hasattr(model.model.visual, "embeddings"):  # GLM-V adds them to its patches' places, where those are
        out["cu_seqlens"] = moved(out["cu_seqlens"], device)
    if hasattr(vision, "window_size"):
        sizes = vision.spatial_merge_size, vision.window_size, vision.patch_size
        window, out["cu_window_seqlens"] = get_vision_window_index(grid, *sizes)
        out["window_index"] = moved(window, device)
    return out, shift.flatten().tolist()
