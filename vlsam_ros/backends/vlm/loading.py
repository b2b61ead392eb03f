"""From the VLM's options to a loaded model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)

from ...config import VlmOptions
from ...embedded import BOX_FORMS, VLMS, vlm_path
from ...embedded.novelty import FILE, Novelty
from ...embedded.winograd import fused
from ...errors import ConfigError, ModelLoadError, failures
from ..checkpoint import local, read, read_model, read_processor, reason, require_layers
from ..devices import pick_device, pick_dtype
from .address import SCHEME, embedded_of, parsed
from .cogvlm import ARCHITECTURES, CogVlm
from .layouts import FAMILIES, REFUSED, Family, refusal
from .memory import Memory, empty, require_for_loading, spared
from .prompting import Prompter
from .quantised import check, held, method_of, quantisation, unpacked
from .transformers_vlm import TransformersVlm

if TYPE_CHECKING:
    from .server import ServedVlm


def load(options: VlmOptions) -> TransformersVlm | CogVlm | ServedVlm:
    """The VLM of the options; see `vlsam_ros.backends.load_vlm`."""
    if options.model.startswith(SCHEME):
        return _load_served(options)
    if options.replay != "none":
        raise ConfigError(f"vlm.replay goes with a server; expected 'none' with {options.model!r}")
    device = pick_device(options.device)
    source = str(vlm_path(options.model)) if options.model in VLMS else local(options.model)
    here = embedded_of(str(Path(source).resolve()))  # by its folder, too
    name = here.replace("embedded", "embedded-vlm") or Path(source).resolve().name
    if here and options.boxes == "auto":
        options = replace(options, boxes=BOX_FORMS.get(here, "auto"))
    trust = options.trust_remote_code
    config = _read(read, AutoConfig, source, trust)
    require_layers(config, source)
    if set(ARCHITECTURES) & set(config.architectures or ()):
        return _load_cogvlm(config, source, name, options, device)
    family = _family(config)
    spare = _require_memory(config, source, options, device)
    processor = _read(read_processor, AutoProcessor, source, trust)
    model = _read_model(config, source, options, device, spare)
    if here and device.type == "cpu" and model.dtype == torch.float32:
        fused(model.model.vision_tower)
    prompter = Prompter(
        processor, family, config.image_token_id, device, model.dtype, options.image_tokens, options.view_tokens
    )
    _try_out(prompter, processor, source)
    novelty = Novelty.load(Path(source) / FILE).to(device) if here else None
    return TransformersVlm(model, processor.tokenizer, prompter, name, bool(here), options, novelty)


def _load_served(options: VlmOptions) -> ServedVlm:
    from .server import ServedVlm
    from .server_client import Client

    if options.beams > 1:
        raise ConfigError(f"vlm.beams: a server has none; expected 1, got {options.beams}")
    if options.answers != "free":
        raise ConfigError(f"vlm.answers: a server answers in its own words; expected 'free', got {options.answers!r}")
    if options.replay.startswith(SCHEME):
        raise ConfigError("vlm.replay: expected a local path or a hub id, got another server")
    address = parsed(options.model)
    client = Client(address, options)
    try:
        client.check()
        own = replace(options, model=options.replay, replay="none", temperature=0.0)  # what is read is not sampled
        replay = None if options.replay == "none" else load(own)
        assert not isinstance(replay, ServedVlm)
        return ServedVlm(client, address.model, options, replay)
    except BaseException:
        client.close()
        raise


def _load_cogvlm(config: PreTrainedConfig, source: str, name: str, options: VlmOptions, device: torch.device) -> CogVlm:
    if not options.trust_remote_code:
        raise ModelLoadError(f"{source!r} runs its own code; set vlm.trust_remote_code if you trust it")
    if options.beams > 1 or options.temperature:
        raise ConfigError("vlm.beams, vlm.temperature: CogVLM answers greedily only; expected 1 and 0")
    if options.answers != "free":
        raise ConfigError(f"vlm.answers: CogVLM answers in its own words; expected 'free', got {options.answers!r}")
    tokenizer = _read(read, AutoTokenizer, source, True)
    spare = _require_memory(config, source, options, device, AutoModelForCausalLM, trust_remote_code=True)
    model = _read_model(config, source, options, device, spare, AutoModelForCausalLM)
    if not hasattr(model, "build_conversation_input_ids"):
        raise ModelLoadError(f"the code of {source!r} has no build_conversation_input_ids, as CogVLM's has")
    return CogVlm(model.eval(), tokenizer, name, options.max_new_tokens)


def _read(reader: Callable[..., Any], kind: Any, source: str, trust: bool, **options: Any) -> Any:
    """What `reader` of `checkpoint` makes of it; the checkpoint's own code runs only if it is trusted."""
    try:
        return reader(kind, source, trust_remote_code=trust, **options)
    except ModelLoadError as error:
        if "custom code" not in str(error.__cause__):
            raise
        raise ModelLoadError(f"{error}; set vlm.trust_remote_code if you trust it") from error


def _require_memory(
    config: PreTrainedConfig,
    source: str,
    options: VlmOptions,
    device: torch.device,
    kind: Any = AutoModelForImageTextToText,
    **trust: bool,
) -> list[str]:
    """Raises `ModelLoadError` unless the device can hold a configuration's model; the modules not to be quantised.

    Raises:
        ConfigError: the weights can't be quantised as the option says.
    """
    if options.quantisation != "none" and device.type != "cuda":
        raise ConfigError(f"vlm.quantisation: {options.quantisation!r} needs a cuda device, got {device}")
    check(config, source, options.quantisation)
    with failures(ModelLoadError, f"{kind.__name__} can't build the model of {source!r}"):
        model = empty(config, kind, **trust)
        need = Memory(weights=held(config, model, source, pick_dtype(options.dtype, device), options.quantisation))
    require_for_loading(need, device, source)
    return spared(model)


def _read_model(
    config: PreTrainedConfig,
    source: str,
    options: VlmOptions,
    device: torch.device,
    spare: Sequence[str],
    kind: Any = AutoModelForImageTextToText,
) -> PreTrainedModel:
    settings: dict[str, Any] = {"dtype": pick_dtype(options.dtype, device)}
    if options.quantisation != "none":
        settings["quantization_config"] = quantisation(options.quantisation, settings["dtype"], spare)
    if unpacked(config):
        settings["config"] = config
    elif options.quantisation != "none" or method_of(config):
        settings["device_map"] = {"": device}
    model = _read(read_model, kind, source, options.trust_remote_code, strict=True, **settings)
    return model if "device_map" in settings else model.to(device)


def _family(config: PreTrainedConfig) -> Family:
    known = config.model_type
    reason = REFUSED.get(known, "") or refusal(config)
    if known in FAMILIES and not reason:
        return FAMILIES[known]
    reason = reason or "where its image tokens lie in the picture has not been checked"
    raise ModelLoadError(
        f"can't use a model of type {known!r}: {reason}. Supported are {', '.join(sorted(FAMILIES))}, and CogVLM and "
        "CogAgent with their own code"
    )


def _try_out(prompter: Prompter, processor: Any, source: str) -> None:
    """Builds one prompt, so that a processor that can't fails now and not on the first frame."""
    if processor.chat_template is None and not prompter.family.template:
        raise ModelLoadError(f"{source!r} has no chat template; add the chat_template.jinja of its family")
    try:
        prompter(np.zeros((48, 64, 3), np.uint8), ["What is here?", "List every object."])
    except Exception as error:  # templates and processors raise nearly anything
        raise ModelLoadError(f"the processor of {source!r} can't build a prompt: {reason(error)}") from error
