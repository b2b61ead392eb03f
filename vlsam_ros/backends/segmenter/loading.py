"""From the segmenter's options to a loaded model."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ...config import SegmenterOptions
from ...errors import ConfigError, ModelLoadError
from ..devices import pick_device, pick_dtype
from ..interfaces import Segmenter


class Row(NamedTuple):
    """Where a kind of segmenter is loaded.

    Attributes:
        module: of this package, with a function `load`; not imported before the kind is asked for.
        needs: a package that only this kind needs, or an empty string.
    """

    module: str
    needs: str = ""


SEGMENTERS: dict[str, Row] = {
    "embedded": Row(".segment_anything_sam"),
    "vit_h": Row(".segment_anything_sam"),
    "vit_l": Row(".segment_anything_sam"),
    "vit_b": Row(".segment_anything_sam"),
    "vit_t": Row(".segment_anything_sam", "timm"),
    "sam": Row(".transformers_sam"),
    "sam_hq": Row(".transformers_sam"),
    "sam2": Row(".transformers_sam"),
    "sam2_video": Row(".transformers_sam"),
    "edgetam": Row(".transformers_sam", "timm"),
    "edgetam_video": Row(".transformers_sam", "timm"),
}
"""Every segmenter: ``embedded``, a checkpoint file's prefix, or the `model_type` in a folder's config.json."""

FILES = tuple(kind for kind in SEGMENTERS if kind.startswith("vit_"))
"""Kinds that are one file."""

TYPES = tuple(kind for kind, row in SEGMENTERS.items() if row.module == ".transformers_sam")
"""Kinds that are a folder or a hub id."""


def load(options: SegmenterOptions) -> Segmenter:
    """The segmenter of the options; see `vlsam_ros.backends.load_segmenter`."""
    if options.model == "none":
        raise ConfigError(
            "segmenter.model 'none': expected a segmenter, since not all that is found comes with a mask; only "
            "grounder.mode 'grounder' with SAM 3 or YOLOE needs none"
        )
    device = pick_device(options.device)
    kind, source = identify(options.model)
    row = SEGMENTERS[kind]
    if row.needs:
        import_module(row.needs)
    return import_module(row.module, __package__).load(kind, source, device, pick_dtype(options.dtype, device))


def identify(model: str) -> tuple[str, str]:
    """``embedded``, ``<vit_…>:<file>``, a folder or a hub id -> a key of `SEGMENTERS`, and the file, folder or id.

    Raises:
        ModelLoadError: it is none of these, or its model_type isn't in the table.
    """
    prefix, _, path = model.partition(":")
    if model == "embedded" or (prefix in FILES and path):
        return prefix, path
    if not model or prefix in FILES or Path(model).suffix in (".pth", ".pt", ".safetensors"):
        raise ModelLoadError(f"segmenter.model: expected {_choices()}, got {model!r}")
    from ..checkpoint import local, model_type

    source = local(model)
    kind = model_type(source)
    if kind not in TYPES:
        raise ModelLoadError(f"segmenter.model: expected {_choices()}, got {model!r} of type {kind!r}")
    return kind, source


def _choices() -> str:
    files = ", ".join(f"'{kind}:<path>'" for kind in FILES)
    return f"'embedded', a checkpoint as {files}, or a folder or hub id of a transformers model ({', '.join(TYPES)})"
