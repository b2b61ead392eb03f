"""Weights that are, or are to be, fewer bits than the model computes with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import BitsAndBytesConfig, PreTrainedConfig

from ...errors import ConfigError, ModelLoadError
from .memory import weights_of

PACKAGES: dict[str, tuple[str, ...]] = {
    "awq": ("gptqmodel", "accelerate"),
    "gptq": ("gptqmodel", "optimum", "accelerate"),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "compressed-tensors": ("compressed-tensors",),
    "fp8": ("accelerate",),
    "torchao": ("torchao", "accelerate"),
}
"""What transformers needs for checkpoints of a method (`quant_method` in config.json), as pip calls it."""

UNPACKED = ("compressed-tensors",)
"""Methods whose weights transformers unpacks anyway, before they are first used; so here that is done while loading,
into plain layers: they take a dense model's memory and time, and a compiled step knows them."""


def method_of(config: PreTrainedConfig) -> str:
    """How a checkpoint's weights are quantised, as transformers calls it; empty if they are not."""
    return str(_settings(config).get("quant_method", ""))


def check(config: PreTrainedConfig, source: str, wanted: str) -> None:
    """Whether the weights of a checkpoint can be read as they are, or quantised as `vlm.quantisation` says.

    Raises:
        ConfigError: they are to be quantised twice.
        ModelLoadError: a package is missing.
    """
    method = method_of(config)
    if method and wanted != "none":
        raise ConfigError(
            f"vlm.quantisation: {source!r} is quantised already ({method}); expected 'none', got {wanted!r}"
        )
    method = method or ("bitsandbytes" if wanted != "none" else "")
    if missing := [name for name in PACKAGES.get(method, ()) if find_spec(name.replace("-", "_")) is None]:
        raise ModelLoadError(
            f"no package {' and '.join(missing)}, which weights as {method}'s need ({source!r}): "
            f"pip install {' '.join(missing)}"
        )


def unpacked(config: PreTrainedConfig) -> bool:
    """Whether a checkpoint's weights are unpacked while loading (see `UNPACKED`); then its configuration says so."""
    if method_of(config) not in UNPACKED:
        return False
    config.quantization_config = {**_settings(config), "dequantize": True}
    return True


def held(config: PreTrainedConfig, model: torch.nn.Module, source: str, dtype: torch.dtype, wanted: str) -> int:
    """Bytes of a checkpoint's weights once they are loaded.

    Args:
        model: of the configuration, on the meta device.
        dtype: of all that is not quantised.
        wanted: the option `vlm.quantisation`.
    """
    method, settings = method_of(config), _settings(config)
    if not method or method in UNPACKED:
        return weights_of(model, dtype, wanted)
    if files := _files(Path(source)):
        return sum(stored(file, dtype) for file in files)
    bits = settings.get("bits") or (4 if settings.get("load_in_4bit") else 8)
    return weights_of(model, dtype, "int4" if bits <= 4 else "int8")


def stored(file: Path, dtype: torch.dtype) -> int:
    """Bytes of a safetensors file's tensors, floats as `dtype`; what is packed is in integers or eight bits."""
    total = 0
    with safe_open(file, "pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - it is no mapping
            part = tensors.get_slice(name)
            total += prod(part.get_shape()) * _SIZES.get(part.get_dtype(), dtype.itemsize)
    return total


_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I16": 2, "U16": 2} | {
    kind: 4 if kind.endswith("32") else 8 for kind in ("I32", "U32", "I64", "U64")
}


def _files(folder: Path) -> list[Path]:
    """A local checkpoint's weights; none for a hub id."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    return sorted(folder.glob("*.safetensors"))


def _settings(config: PreTrainedConfig) -> dict[str, Any]:
    found: Any = getattr(config, "quantization_config", None) or {}
    return dict(found if isinstance(found, dict) else found.to_dict())


def quantisation(name: str, dtype: torch.dtype, spare: Sequence[str]) -> BitsAndBytesConfig:
    """What bitsandbytes is told: ``int8``, or ``int4`` as nf4; `dtype` computes, `spare` names modules left alone."""
    four = name == "int4"
    return BitsAndBytesConfig(
        load_in_4bit=four,
        load_in_8bit=not four,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(spare),
    )
