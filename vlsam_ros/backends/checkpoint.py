"""Checkpoints of transformers: a local folder or a hub id; whole, never pickled, and no code of theirs runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ..errors import ModelLoadError

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""What data parallelism, compilation and their kind put into names."""

ADVICE = re.compile(
    r"^.*(?:WeightsUnpickler error: |from a trusted source\. )|\.? (?:Please (?:use|pass)|Check the documentation) .*$"
)
"""What libraries say around the reason why they don't load something."""

LARGEST = 16_384
"""No count of layers and no side of a picture in a configuration is larger; a vocabulary is as large as its weights."""

LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "depth", "encoder_layers", "decoder_layers")
MOST_LAYERS = 1024
"""How configurations call the number of layers, and what no model's is above."""


def local(name: str) -> str:
    """A path with the home folder in place of ``~``; a hub id as it is.

    Raises:
        ModelLoadError: there is no such home.
    """
    try:
        return str(Path(name).expanduser())
    except RuntimeError as error:
        raise ModelLoadError(f"{name!r}: expected a path or a hub id; {error}") from error


def read(kind: Any, source: str, **options: Any) -> Any:
    """``kind.from_pretrained(source)``; the checkpoint's own code never runs.

    Raises:
        ModelLoadError: it can't be read.
    """
    try:
        return kind.from_pretrained(source, **{"trust_remote_code": False} | options)
    except Exception as error:  # strange files make it raise nearly anything
        raise ModelLoadError(
            f"{kind.__name__} can't load {source!r}; expected a folder with a transformers model (weights as "
            f"safetensors), or a hub id that is cached or within reach: {reason(error)}"
        ) from error


def model_type(source: str) -> str:
    """What the config.json of a folder or hub id says it is.

    Raises:
        ModelLoadError: it can't be read, or is of a size that its weights have not: the model would take all memory.
    """
    from transformers import AutoConfig

    folder = Path(source)
    if (folder / "config.json").is_file():
        try:
            sizes = dict(_integers(json.loads((folder / "config.json").read_text(encoding="utf-8"))))
            largest = max((LARGEST, *(side for file in folder.glob("*.safetensors") for side in _sides(file))))
        except Exception as error:
            raise ModelLoadError(f"can't load {source!r}: {reason(error)}") from error
        if absurd := [f"{name} {size}" for name, size in sizes.items() if size > largest]:
            raise ModelLoadError(f"the config.json of {source!r} wants more than its weights have: {absurd[0]}")
    return read(AutoConfig, source).model_type


def _integers(content: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Every integer of a configuration, by the name that it has there."""
    if isinstance(content, int):
        yield name, content
    if isinstance(content, list):
        content = dict(enumerate(content))
    for key, value in content.items() if isinstance(content, dict) else ():
        yield from _integers(value, f"{name}.{key}" if name else str(key))


def _sides(file: Path) -> Iterator[int]:
    """How long each tensor of a file is along each axis."""
    with safe_open(file, "pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - it is no mapping
            yield from weights.get_slice(name).get_shape()


def require_layers(config: Any, source: str) -> None:
    """Raises `ModelLoadError` if a configuration wants more layers than any model has: building them takes for ever."""
    for name, count in _integers(config.to_dict()):
        if name.rpartition(".")[2] in LAYERS and count > MOST_LAYERS:
            raise ModelLoadError(f"the config.json of {source!r} wants {name} {count}; expected at most {MOST_LAYERS}")


def read_processor(kind: Any, source: str, **options: Any) -> Any:
    """What turns pictures and text into a model's inputs.

    Raises:
        ModelLoadError: it can't be read, or is for one of them alone.
    """
    processor = read(kind, source, **options)
    if lacking := [part for part in ("image_processor", "tokenizer") if not hasattr(processor, part)]:
        raise ModelLoadError(
            f"{kind.__name__} made {type(processor).__name__} of {source!r}; expected a processor with "
            f"{' and '.join(lacking)}; fetch all files of the model again"
        )
    return processor


def read_model(kind: Any, source: str, strict: bool = False, optional: tuple[str, ...] = (), **options: Any) -> Any:
    """A model with all of its weights, from safetensors; those that it has no use for are left out, unless `strict`.

    Args:
        optional: how the names of weights begin that may be missing.

    Raises:
        ModelLoadError: it can't be read, or weights are missing, of another shape or not finite; or too many.
    """
    wrapped = rf"^(?:(?:{'|'.join(WRAPPERS)})\.)*"
    model, report = _reported(kind, source, rf"{wrapped}(?<=\.)", **options)
    missing, beyond = (sorted(map(str, report[f"{what}_keys"])) for what in ("missing", "unexpected"))
    prefix = next((name.removesuffix(missing[0]) for name in beyond if missing and name.endswith(f".{missing[0]}")), "")
    if prefix:
        model, report = _reported(kind, source, wrapped + re.escape(prefix), **options)
    wrong = {what.replace("_", " "): sorted(map(str, keys)) for what, keys in report.items()}
    wrong["missing keys"] = [name for name in wrong["missing keys"] if not name.startswith(optional)]
    wrong = {what: keys for what, keys in wrong.items() if keys}
    if broken := [n for n, w in model.state_dict().items() if w.is_floating_point() and not w.isfinite().all()]:
        wrong["not finite"] = broken
    if wrong.keys() - (set() if strict else {"unexpected keys"}):
        raise ModelLoadError(
            f"the weights of {source!r} don't fit its config.json ({few(wrong)}); fetch the model again"
        )
    return model


def _reported(kind: Any, source: str, prefix: str, **options: Any) -> tuple[Any, Mapping[str, Any]]:
    """The model, read without a prefix of its weights' names (a pattern), and what did not fit."""
    return read(kind, source, use_safetensors=True, output_loading_info=True, key_mapping={prefix: ""}, **options)


def few(wrong: Mapping[str, Iterable[str]]) -> str:
    """Kinds of faults with how many there are of each, and one of them."""
    lists = {what: list(names) for what, names in wrong.items()}
    return "; ".join(f"{len(names)} {what}, such as {_plain(names[0], 160)}" for what, names in lists.items() if names)


def reason(error: Exception) -> str:
    """What a library raised, on one line and without its advice to trust the file."""
    text = ADVICE.sub("", " ".join(str(error).split()))
    return _plain(f"{type(error).__name__}: {text}" if text else type(error).__name__, 400)


def _plain(text: str, longest: int) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:longest])
