"""From the segmenter's options to a loaded model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam

from ...config import SegmenterOptions
from ...errors import ModelLoadError
from ..devices import pick_device, pick_dtype
from .sam import SamSegmenter

FAMILIES: dict[str, Callable[[], Sam]] = {kind: sam_model_registry[kind] for kind in ("vit_h", "vit_l", "vit_b")}
"""Image encoders of segment_anything -> builder with random weights."""


def load(options: SegmenterOptions) -> SamSegmenter:
    """The segmenter of the options; see `vlsam_ros.backends.load_segmenter`."""
    device = pick_device(options.device)
    dtype = pick_dtype(options.dtype, device)
    if options.model == "embedded":
        from ...embedded import load_sam

        return SamSegmenter(load_sam(), "embedded-sam", True, device, dtype)
    kind, path = split_name(options.model)
    return SamSegmenter(_read(kind, path), path.name, False, device, dtype)


def split_name(model: str) -> tuple[str, Path]:
    """``<family>:<path>``, or a path whose file name holds the family as the official ones do -> family and path.

    Raises:
        ModelLoadError: no family, or an unknown one.
    """
    kind, colon, path = model.partition(":")
    if colon and kind in FAMILIES:
        return kind, Path(path).expanduser()
    named = [family for family in FAMILIES if family in Path(model).name]
    if len(named) != 1:
        choices = ", ".join(f"'{family}:<path>'" for family in FAMILIES)
        raise ModelLoadError(f"segmenter.model: expected 'embedded' or {choices}, got {model!r}")
    return named[0], Path(model).expanduser()


def _read(kind: str, path: Path) -> Sam:
    """The model with the checkpoint's weights, read without running any code that the file may hold."""
    if not path.is_file():
        raise ModelLoadError(
            f"no checkpoint {path}; download the {kind} checkpoint of segment-anything and name its path"
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        sam = FAMILIES[kind]()
        sam.load_state_dict(weights)
    except (OSError, RuntimeError, EOFError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise ModelLoadError(f"{path} is not a whole {kind} checkpoint of segment-anything: {error}") from error
    return sam
