"""Where and in which precision a model runs."""

from __future__ import annotations

import torch

from ..errors import ConfigError


def pick_device(name: str, option: str = "device") -> torch.device:
    """The torch device that an option names: ``auto`` is cuda if there is one, else cpu.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{option}: expected 'auto', 'cpu' or a device of this machine, got {name!r} ({reason})"
        ) from error


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The torch type of an option: ``auto`` is float32 off cuda, and there bfloat16 where the card computes in it.

    float16 ends at 65 504, and activations of many VLMs go beyond that.
    """
    if name != "auto":
        return getattr(torch, name)
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
