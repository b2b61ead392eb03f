"""Checkpoints of torch: the weights in a file of ``torch.save``; whole, under the model's names, and no code runs."""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelLoadError
from .checkpoint import WRAPPERS, few, reason

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

HUNGRY = b"bytearray\n"
"""What stands in a pickle that makes bytes of any number, before there is anything to compare with a model."""

NESTED = 4
"""How deep in mappings (``state_dict``, ``model`` …) weights are looked for."""


def read_file(path: Path, known: str) -> dict[str, Any]:
    """A model's weights, by its own names, out of a file of ``torch.save``.

    Mappings that trainers nest them in (``state_dict``, ``model`` …) are opened, and prefixes of wrappers (``module.``,
    ``model.``, ``_orig_mod.`` …) taken off.

    Args:
        known: a name that the model has; what stands before it in the file is a prefix of all names.

    Raises:
        ModelLoadError: it is no such file, is damaged, or holds more than tensors and plain values.
    """
    try:
        if not S_ISREG(path.stat().st_mode):
            raise ValueError("it is no file")
        zipped = _checked(path)
        content = torch.load(str(path), map_location="cpu", weights_only=True, mmap=zipped)
        return _unwrapped(content, known)
    except Exception as error:  # strange bytes make an unpickler raise nearly anything
        raise ModelLoadError(
            f"can't read {path}; expected weights in a whole file of torch.save, download it again: {reason(error)}"
        ) from error


def _checked(path: Path) -> bool:
    """Whether a file is an archive, whose tensors torch can map instead of read.

    Raises `ValueError` if it does not hold what its sums say or would become more than it holds, which torch allows.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        zipped = content[:4] == b"PK\3\4"
        if _hungry(path) if zipped else content.find(HUNGRY) >= 0:
            raise ValueError("it asks for memory by the number, which weights never do")
    return zipped


def _hungry(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        if any(e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size for e in archive.infolist()):
            raise ValueError("it is compressed, which torch.save never does")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged!r} in it is damaged")
        return any(HUNGRY in archive.read(name) for name in archive.namelist() if name.endswith(".pkl"))


def _unwrapped(content: Any, known: str) -> dict[str, Any]:
    level = [content]
    for _ in range(NESTED):
        level = [found for found in level if isinstance(found, Mapping)]
        for named in ({_bare(n): value for n, value in found.items() if isinstance(n, str)} for found in level):
            prefix = next((n.removesuffix(known) for n in named if f".{n}".endswith(f".{known}")), None)
            if prefix is not None:
                return {n.removeprefix(prefix): value for n, value in named.items() if n.startswith(prefix)}
        level = list({id(value): value for found in level for value in found.values()}.values())
    if not isinstance(content, Mapping):
        raise ValueError(f"expected tensors by name, got {type(content).__name__}")
    return {name: value for name, value in content.items() if isinstance(name, str)}


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def differences(expected: Mapping[str, Tensor], found: Mapping[str, Any]) -> str:
    """How weights differ from what a model takes, in words; empty if they fit."""
    both = {name: (_described(found[name]), _described(tensor)) for name, tensor in expected.items() if name in found}
    return few(
        {
            "missing": [name for name in expected if name not in found],
            "unexpected": [name for name in found if name not in expected],
            "other than expected": [f"{n} ({got}, expected {own})" for n, (got, own) in both.items() if got != own],
            "not finite": [n for n, (got, own) in both.items() if got == own and not found[n].isfinite().all()],
        }
    )


def _described(value: Any) -> str:
    """What has to be equal: a tensor's kind and shape."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    usual = value.dtype in FLOATS and value.layout == torch.strided and value.device.type == "cpu"
    return f"{'floats' if usual else value.dtype} {tuple(value.shape)}"
