"""Checkpoints of transformers: a local folder or a hub id; whole, and never pickled."""

from __future__ import annotations

from typing import Any

from safetensors import SafetensorError

from ..errors import ModelLoadError

UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, SafetensorError)
"""What transformers raises for files that are missing, broken, or don't fit together, and for missing packages."""


def read(kind: Any, source: str, **options: Any) -> Any:
    """``kind.from_pretrained(source)``; the checkpoint's own code never runs.

    Raises:
        ModelLoadError: it can't be read.
    """
    try:
        return kind.from_pretrained(source, **{"trust_remote_code": False} | options)
    except UNREADABLE as error:
        raise ModelLoadError(
            f"{kind.__name__} can't load {source!r}; expected a folder with a transformers model (weights as "
            f"safetensors), or a hub id that is cached or within reach: {error}"
        ) from error


def read_model(kind: Any, source: str, **options: Any) -> Any:
    """A model with all of its weights, from safetensors.

    Raises:
        ModelLoadError: it can't be read, or weights are missing or of another shape.
    """
    model, report = read(kind, source, use_safetensors=True, output_loading_info=True, **options)
    wrong = {what: sorted(map(str, keys)) for what, keys in report.items() if keys and what != "unexpected_keys"}
    if wrong:
        parts = "; ".join(f"{len(keys)} {what.replace('_', ' ')}, such as {keys[0]}" for what, keys in wrong.items())
        raise ModelLoadError(f"the weights of {source!r} don't fit its config.json ({parts}); fetch the model again")
    return model
