"""Models behind two small interfaces: a VLM that answers with its attention, a segmenter that outlines prompts.

Importing this package imports no model library; `load_vlm` and `load_segmenter` do.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..config import SegmenterOptions, VlmOptions
from ..errors import ModelLoadError
from .interfaces import Segmenter, Vlm

PIP_NAMES = {"segment_anything": "segment-anything", "PIL": "pillow"}
"""Packages whose name for pip differs from the name for import."""


def load_vlm(options: VlmOptions) -> Vlm:
    """The VLM that the options name, ready to answer.

    Raises:
        ModelLoadError: a package, the model's files or its chat template are missing, or its family isn't supported.
        ConfigError: the device or the quantisation isn't available on this machine.
    """
    return _loader(".vlm.loading")(options)


def load_segmenter(options: SegmenterOptions) -> Segmenter:
    """The segmenter that the options name.

    Raises:
        ModelLoadError: a package or the checkpoint is missing, or the checkpoint doesn't fit its family.
        ConfigError: the device isn't available on this machine.
    """
    return _loader(".segmenter.loading")(options)


def _loader(module: str) -> Any:
    try:
        return import_module(module, __package__).load
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        raise ModelLoadError(f"no package {package}: pip install {PIP_NAMES.get(package, package)}") from error
