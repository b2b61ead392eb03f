"""Models behind small interfaces: a VLM that answers with its attention, a segmenter, a grounder that is told names.

Importing this package imports no model library; `load_vlm`, `load_segmenter` and `load_grounder` do.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..config import GrounderOptions, SegmenterOptions, VlmOptions
from ..errors import ModelLoadError, VlsamError
from .interfaces import Grounder, Segmenter, Vlm

PIP_NAMES = {"segment_anything": "segment-anything", "PIL": "pillow", "cv2": "opencv-python"}
"""Packages whose name for pip differs from the name for import."""


def load_vlm(options: VlmOptions) -> Vlm:
    """The VLM that the options name, ready to answer; sets the CPU threads of all models, `vlm.threads`.

    Raises:
        ModelLoadError: a package, the model's files or its chat template are missing, or its family isn't supported.
        ConfigError: the device or the quantisation isn't available on this machine.
    """
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    return _load(".vlm.loading", options)


def load_segmenter(options: SegmenterOptions) -> Segmenter:
    """The segmenter that the options name.

    Raises:
        ModelLoadError: a package or the checkpoint is missing, or the checkpoint doesn't fit its family.
        ConfigError: the device isn't available on this machine.
    """
    return _load(".segmenter.loading", options)


def load_grounder(options: GrounderOptions) -> Grounder:
    """The grounder that the options name.

    Raises:
        ModelLoadError: a package or the model's files are missing, or its family isn't supported.
        ConfigError: no model is named, or the device isn't available on this machine.
    """
    return _load(".grounder.loading", options)


def _load(module: str, options: Any) -> Any:
    try:
        return import_module(module, __package__).load(options)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        raise ModelLoadError(f"no package {package}: pip install {PIP_NAMES.get(package, package)}") from error
    except ModelLoadError as error:
        from .instead import instead

        if not (advice := instead(options.model)):
            raise
        raise ModelLoadError(f"{advice} ({error})") from error
    except VlsamError:
        raise
    except Exception as error:  # strange files make the libraries raise nearly anything
        from .checkpoint import reason

        raise ModelLoadError(f"can't load {options.model!r}: {reason(error)}") from error
