"""How much memory a VLM takes, from its configuration alone, and whether the device has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel

from ...errors import ModelLoadError, VlmError
from .capture import attention_layers

GIB = 2**30
LINEAR_BYTES = {"none": None, "int8": 1.0, "int4": 0.5625}
"""Bytes per quantised weight of a linear layer (int4: with its scales), None: as all other weights."""

SPARE = 0.9
"""Share of the free memory that may be planned with; allocators need the rest."""


@dataclass(frozen=True)
class Memory:
    """Bytes, by what they hold.

    Attributes:
        weights: the model's parameters and buffers.
        cache: keys and values while it generates, one copy of the prefix per question.
        kept: the queries and keys that attention maps are made of, until the maps are there.
        working: the largest activations: of the vision tower or of the prefill, and the logits.
    """

    weights: int = 0
    cache: int = 0
    kept: int = 0
    working: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(getattr(self, f.name) for f in fields(self))

    def __str__(self) -> str:
        parts = ", ".join(f"{f.name} {getattr(self, f.name) / GIB:.2f}" for f in fields(self) if getattr(self, f.name))
        return f"{self.total / GIB:.2f} GiB ({parts})"


def weights(
    config: PreTrainedConfig,
    dtype: torch.dtype,
    quantisation: str = "none",
    kind: Any = AutoModelForImageTextToText,
    **options: Any,
) -> Memory:
    """What the weights of a configuration take; see `empty`."""
    return Memory(weights=weights_of(empty(config, kind, **options), dtype, quantisation))


def empty(config: PreTrainedConfig, kind: Any = AutoModelForImageTextToText, **options: Any) -> PreTrainedModel:
    """The model of a configuration without memory, on the meta device; an auto class builds it, with these options."""
    with torch.device("meta"):
        return kind.from_config(config, **options)


def weights_of(model: torch.nn.Module, dtype: torch.dtype, quantisation: str = "none") -> int:
    """Bytes of a model's weights as `dtype`; quantised: its linear layers but those of `spared`."""
    size, linear = dtype.itemsize, LINEAR_BYTES[quantisation]
    spare = tuple(f"{name}." for name in (spared(model) if linear else ()))
    small = {
        id(m.weight)
        for name, m in model.named_modules()
        if linear and isinstance(m, torch.nn.Linear) and not f"{name}.".startswith(spare)
    }
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
    return int(sum(t.numel() * (linear if i in small and linear else size) for i, t in tensors.items()))


def spared(model: torch.nn.Module) -> list[str]:
    """Names of the modules that quantisation leaves alone: all but the language model, and the head of that.

    The vision tower is a small part of the weights, and names and places hang on what it sees.
    """
    pretrained = isinstance(model, PreTrainedModel)
    decoder, head = (model.get_decoder(), model.get_output_embeddings()) if pretrained else (model, None)
    language = next((name for name, module in model.named_modules() if module is decoder), "")
    names = [
        name
        for name, module in model.named_modules()
        if name and (module is head or name.rpartition(".")[2] in ("vision", "visual") or not _related(name, language))
    ]
    return [name for name in names if not any(name.startswith(f"{above}.") for above in names)]


def _related(name: str, other: str) -> bool:
    """Whether one of two modules holds the other, or they are the same."""
    return f"{name}.".startswith(f"{other}.") or f"{other}.".startswith(f"{name}.") or not other


def generation(
    config: PreTrainedConfig,
    dtype: torch.dtype,
    prefix: int,
    tail: int,
    new_tokens: int,
    views: int = 1,
    questions: int = 1,
    kept: int | None = None,
) -> Memory:
    """What answering takes beside the weights.

    Args:
        prefix: tokens that the questions about a view share, with the image's.
        tail: tokens of the longest question.
        new_tokens: longest answer.
        views, questions: how many views are answered at once, and how many questions about each.
        kept: tokens whose queries and keys are kept in the end; None: of these answers, each view's prefix once.
    """
    text = config.get_text_config()
    each = getattr(text, "per_layer_config", None) or [text] * text.num_hidden_layers
    widths = [_widths(each[index]) for index in attention_layers(text)] or [(0, 0)]
    size, batch = dtype.itemsize, views * questions
    keys = sum(key for _, key in widths) * size * len(each) // len(widths)  # other layers have states instead
    cache = 2 * keys * (prefix + tail + new_tokens) * batch + keys * prefix * views  # whose values stay, too
    kept = prefix * views + (tail + new_tokens) * batch if kept is None else kept
    inner = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    inner = max(inner) if isinstance(inner, list | tuple) else inner  # Gemma 3n: one for each layer
    width = 6 * text.hidden_size + 2 * inner + max(query + 2 * key for query, key in widths)
    prefill = max(prefix * views, tail * batch) * width * size
    logits = text.vocab_size * batch * (size + 4)
    return Memory(
        cache=cache,
        kept=kept * sum(map(sum, widths)) * size,
        working=max(prefill, _vision(config, prefix, size) * views) + logits,
    )


def _widths(layer: Any) -> tuple[int, int]:
    """Numbers that a token's queries and its keys have in one layer."""
    heads = layer.num_attention_heads
    head = getattr(layer, "head_dim", None) or layer.hidden_size // heads
    return heads * head, (getattr(layer, "num_key_value_heads", None) or heads) * head


def _vision(config: Any, tokens: int, size: int) -> int:
    """Activations of the vision tower for one view: of one layer, at the most patches that `tokens` can stand for."""
    vision = getattr(config, "vision_config", None)
    vision = SimpleNamespace(**vision) if isinstance(vision, dict) else vision
    width: int = getattr(vision, "hidden_size", None) or getattr(vision, "embed_dim", None) or 0
    inner: int = getattr(vision, "intermediate_size", None) or 4 * width
    merge = getattr(vision, "spatial_merge_size", 1) ** 2
    return int(tokens * merge * (6 * width + 2 * inner) * size)


def available(device: torch.device) -> int:
    """Bytes that can still be allocated on a device; on cuda with what torch holds in reserve.

    A GPU without memory of its own (Jetson) shares the machine's, of which it does not count what files occupy.
    """
    if device.type == "cuda" and not torch.cuda.get_device_properties(device).is_integrated:
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def require_for_loading(need: Memory, device: torch.device, source: str) -> None:
    """Raises `ModelLoadError` unless a device can hold the weights."""
    if need.total > (have := available(device) * SPARE):
        raise ModelLoadError(
            f"{source!r} needs {need} on {device}, of which {have / GIB:.2f} GiB are free; take a smaller model, "
            "vlm.dtype float16, or vlm.quantisation int8 or int4"
        )


def at_once(
    need: Callable[[int, int], Memory], views: int, questions: int, device: torch.device, most: int = 0
) -> tuple[int, int]:
    """How many of some views, and how many questions about each, fit into the memory at once: all, or halves of them.

    Args:
        need: what so many questions about each of so many views take.
        most: rows at the most (0: any number).

    Raises:
        VlmError: not even one question about one view fits.
    """
    while True:
        memory = need(views, questions)
        if views * questions == 1:
            require_for_answers(memory, device)
            return 1, 1
        if views * questions <= (most or views * questions) and fits(memory, device):
            return views, questions
        views, questions = (-(-views // 2), questions) if views > 1 else (1, -(-questions // 2))


def fits(need: Memory, device: torch.device) -> bool:
    """Whether a device has the memory."""
    return need.total <= available(device) * SPARE


def require_for_answers(need: Memory, device: torch.device) -> None:
    """Raises `VlmError` unless a device has the memory for the answers."""
    if not fits(need, device):
        free = available(device) * SPARE / GIB
        raise VlmError(
            f"the answers need {need} on {device}, of which {free:.2f} GiB are free; ask fewer questions, or lower "
            "vlm.image_tokens, vlm.view_batch or vlm.max_new_tokens"
        )
