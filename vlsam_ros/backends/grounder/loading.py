"""From the grounder's options to a loaded model."""

from __future__ import annotations

from pathlib import Path

import transformers

from ...config import GrounderOptions
from ...errors import ConfigError, ModelLoadError
from ..checkpoint import local, model_type, read_model, read_processor
from ..devices import pick_device, pick_dtype
from .families import FAMILIES
from .transformers_grounder import TransformersGrounder


def load(options: GrounderOptions) -> TransformersGrounder:
    """The grounder of the options; see `vlsam_ros.backends.load_grounder`."""
    if options.model in ("", "none"):
        raise ConfigError(f"grounder.mode {options.mode!r} needs grounder.model: a local path or a hub id")
    device = pick_device(options.device)
    source = local(options.model)
    known = model_type(source)
    if known not in FAMILIES:
        raise ModelLoadError(f"{source!r}: expected a model of type {', '.join(FAMILIES)}, got {known!r}")
    family = FAMILIES[known]
    processor = read_processor(getattr(transformers, family.processor), source)
    processor.tokenizer.truncation_side = "left"  # of a name that is too long the end stays, where the noun is
    model = read_model(getattr(transformers, family.model), source, dtype=pick_dtype(options.dtype, device))
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
