"""From the grounder's options to a loaded model."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers

from ...config import GrounderOptions
from ...errors import ConfigError, ModelLoadError, failures
from ..checkpoint import local, model_type, read, read_model, read_processor, require_layers
from ..devices import pick_device, pick_dtype
from ..interfaces import Grounder
from ..vlm.memory import GIB, SPARE, available, weights_of
from .families import FAMILIES, Family
from .transformers_grounder import TransformersGrounder

ULTRALYTICS = "ultralytics:"
"""How the name of a file of that package begins."""


def load(options: GrounderOptions) -> Grounder:
    """The grounder of the options; see `vlsam_ros.backends.load_grounder`."""
    if options.model in ("", "none"):
        raise ConfigError(f"grounder.mode {options.mode!r} needs grounder.model: a local path or a hub id")
    device = pick_device(options.device)
    if options.model.startswith(ULTRALYTICS):
        from .ultralytics_grounder import load as load_file

        return load_file(Path(local(options.model.removeprefix(ULTRALYTICS))), options, device)
    source = local(options.model)
    known = model_type(source)
    if known not in FAMILIES:
        raise ModelLoadError(f"{source!r}: expected a model of type {', '.join(FAMILIES)}, got {known!r}")
    family, dtype = FAMILIES[known], pick_dtype(options.dtype, device)
    _require_memory(family, source, dtype, device)
    processor = read_processor(getattr(transformers, family.processor), source)
    processor.tokenizer.truncation_side = "left"  # of a name that is too long the end stays, where the noun is
    model = read_model(getattr(transformers, family.model), source, dtype=dtype)
    tokens, expected = len(processor.tokenizer), model.config.text_config.vocab_size
    if tokens < expected / 2:  # without its files a tokenizer is made of nothing
        raise ModelLoadError(f"the tokenizer of {source!r} knows {tokens} tokens, its model {expected}; fetch it again")
    return TransformersGrounder(
        name=Path(source).name,
        model=model.eval().to(device),
        processor=processor,
        family=family,
        threshold=None if options.threshold < 0 else options.threshold,
        max_boxes=options.max_boxes,
        batch=options.batch,
    )


def _require_memory(family: Family, source: str, dtype: torch.dtype, device: torch.device) -> None:
    """Raises `ModelLoadError` unless the device can hold the weights of a configuration's model."""
    config = read(transformers.AutoConfig, source)
    require_layers(config, source)
    kind = getattr(transformers, family.model)
    with failures(ModelLoadError, f"{kind.__name__} can't build the model of {source!r}"), torch.device("meta"):
        build = kind.from_config if hasattr(kind, "from_config") else kind
        need = weights_of(build(config), dtype)
    if need > (have := available(device) * SPARE):
        raise ModelLoadError(
            f"{source!r} needs {need / GIB:.2f} GiB for its weights on {device}, of which {have / GIB:.2f} GiB are "
            "free; take a smaller model, or grounder.dtype float16"
        )
