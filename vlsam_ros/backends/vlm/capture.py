"""Recording the language model's queries and keys while transformers runs it.

An attention function of our own is registered with transformers; it computes what SDPA computes and, while a recorder
is set, keeps each call's queries and the keys that are new in it. No model code is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ...data import LayerQK
from ...errors import ConfigError, ModelLoadError, VlmError, failures

NAME = "vlsam_capture"
TEXT = "text_config"
"""Key of the language model among a model's sub-configurations."""

NO_ATTENTION = ("linear", "conv", "moe", "mlp", "sparse", "dense")
"""First words of transformers' `layer_types` that have no Q·Kᵀ: linear attention and state spaces, convolutions, and
layers that mix nothing."""


@dataclass(frozen=True)
class Call:
    """One call of a layer's attention: query (B, heads, n, d), new keys (B, key heads, n, d), mask or None."""

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scaling: float
    softcap: float | None


class _LastLayer(Exception):
    """All that is wanted of a forward pass is there."""


class Recorder:
    """The calls of every decoder layer with attention, in order; their new tokens, put together, are the sequence."""

    def __init__(self, last: int | None = None) -> None:
        self._calls: dict[int, list[Call]] = defaultdict(list)
        self._last = last

    def add(self, layer: int, call: Call) -> None:
        """Keep one call of a layer; after the one that is wanted last the forward pass ends."""
        self._calls[layer].append(call)
        if layer == self._last:
            raise _LastLayer

    @property
    def layers(self) -> list[int]:
        """The decoder's layers that were recorded, first to last."""
        return sorted(self._calls)

    def check(self, layers: Sequence[int], length: int) -> None:
        """Raises `VlmError` unless these of the decoder's layers were recorded over `length` tokens, and no others."""
        rows = {i: sum(c.query.shape[2] for c in calls) for i, calls in self._calls.items()}
        if rows != dict.fromkeys(layers, length):
            raise VlmError(
                f"expected the attention of {len(layers)} layers over {length} tokens, recorded (layer: tokens) {rows}"
            )

    def layer(self, index: int, row: int, keep: Tensor) -> LayerQK:
        """Q and K of one sequence of the batch.

        Args:
            index: which of the layers that were recorded.
            row: the sequence.
            keep: bool (M,) over the recorded tokens, M at most all of them; False drops padding.
        """
        calls = self._calls[self.layers[index]]
        query, key = _joined(calls, row, keep)
        first = calls[0]
        return LayerQK(query, key, first.scaling, first.softcap, None if first.mask is None else first.mask[0, 0])

    def causal(self) -> list[Call]:
        """The one call of each layer, if that was causal; a cache may share its memory.

        Raises:
            VlmError: a layer has a mask of its own.
        """
        calls = [self._calls[index][0] for index in self.layers]
        if masked := [index for index, call in enumerate(calls) if call.mask is not None]:
            raise VlmError(f"layers {masked}: expected a causal prefix, got one with a mask of its own")
        return calls


def _joined(calls: Sequence[Call], row: int, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Query and key (heads, n, d) of the kept tokens of one sequence."""
    query = torch.cat([c.query[row] for c in calls], 1)[:, : len(keep)][:, keep]
    key = torch.cat([c.key[row] for c in calls], 1)[:, : len(keep)][:, keep]
    return query, key


class Tape(NamedTuple):
    """Where a step on a static cache writes its queries: buffers that stay where they are, as a CUDA graph needs.

    Attributes:
        queries: for each layer (B, heads, n, d); none if they are not wanted.
        rows: int64 (r, 1), the step's sequences among the B.
        slots: int64 (1, m), its tokens among the n.
    """

    queries: Sequence[Tensor]
    rows: Tensor
    slots: Tensor


_RECORDER: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def listening(model: PreTrainedModel) -> Iterator[None]:
    """Our attention function in the language model inside the block; the one it had before comes back after it."""
    before = model.config.get_text_config()._attn_implementation
    if before != NAME:
        model.set_attn_implementation({TEXT: NAME})
    try:
        yield
    finally:
        if before != NAME:
            model.set_attn_implementation({TEXT: before})


@contextmanager
def recording(model: PreTrainedModel, last: int | None = None) -> Iterator[Recorder]:
    """Records the language model's attention inside the block.

    Args:
        last: the block ends when this layer's queries and keys are there and its cache is filled: its attention and all
            that follows need not be computed.
    """
    recorder = Recorder(last)
    token = _RECORDER.set(recorder)
    try:
        with listening(model):
            yield recorder
    except _LastLayer:
        pass
    finally:
        _RECORDER.reset(token)


@contextmanager
def states(layers: Sequence[nn.Module], after: int | None) -> Iterator[list[Tensor]]:
    """What one of a decoder's layers hands on inside the block: (B, n, width) for each of its calls.

    Args:
        after: which layer, attention or not; None: nothing is kept.
    """
    found: list[Tensor] = []
    if after is None:
        yield found
        return

    def keep(layer: Any, _: Any, out: Any) -> None:
        out = out[0] if isinstance(out, tuple) else out
        found.append(out if out.ndim == 3 else out[layer.config.altup_active_idx])  # Gemma 3n has several streams

    hook = layers[after].register_forward_hook(keep)
    try:
        yield found
    finally:
        hook.remove()


def middle(after: int | None, config: Any) -> int | None:
    """The decoder layer that is meant: -1 is the middle one, None none.

    Raises:
        ConfigError: the model has no such layer.
    """
    layers = config.get_text_config().num_hidden_layers
    if after is not None and after >= layers:
        raise ConfigError(f"attention.hidden_layer: expected less than {layers}, got {after}")
    return layers // 2 if after == -1 else after


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """All layers of a model's decoder, whatever its family calls them."""
    count = model.config.get_text_config().num_hidden_layers
    lists = (m for m in model.get_decoder().modules() if isinstance(m, nn.ModuleList) and len(m) == count)
    return next(lists)


def attending(model: PreTrainedModel) -> tuple[int, ...]:
    """Which of the decoder's layers have attention that is recorded, first to last; one token goes through them.

    The others (linear attention, state spaces, convolutions) have no Q·Kᵀ.

    Raises:
        ModelLoadError: none has, or one that should have has not.
    """
    config = model.config.get_text_config()
    what = f"the language model of type {config.model_type!r} can't read a token"
    with failures(ModelLoadError, what), torch.no_grad(), recording(model) as recorder:
        model.get_decoder()(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=True)
    if not recorder.layers:
        raise ModelLoadError(
            f"none of the {config.num_hidden_layers} layers of a {config.model_type!r} has attention that can be seen, "
            "so it can't show where it looks; take a model with attention in some of its layers"
        )
    if missed := set(attention_layers(config)).difference(recorder.layers):
        raise ModelLoadError(
            f"layers {sorted(missed)} of a {config.model_type!r} have attention that can't be recorded"
        )
    return tuple(recorder.layers)


def attention_layers(config: Any) -> list[int]:
    """Which of its layers have attention, as the configuration of a language model says."""
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    return [i for i, kind in enumerate(kinds) if kind.partition("_")[0] not in NO_ATTENTION]


def _capture(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    tape: Tape | None = options.pop("tape", None)
    if tape is not None:
        if tape.queries:
            tape.queries[module.layer_idx][tape.rows, :, tape.slots] = query.transpose(1, 2)
    elif (recorder := _RECORDER.get()) is not None:
        new = key[:, :, -query.shape[2] :]
        new = new if new.shape == key.shape else new.clone()  # a view would keep every step's whole cache alive
        recorder.add(module.layer_idx, Call(query, new, attention_mask, options["scaling"], options.get("softcap")))
    if options.get("softcap") is not None:  # which SDPA can't
        return _softcapped(module, query, key, value, attention_mask, options["scaling"], options["softcap"])
    if tape is not None:
        return _grouped(query, key, value, attention_mask, options["scaling"]), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


def _grouped(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """Attention of few queries (B, heads, n, d), seen as more queries of the key heads, which are not repeated.

    Returns:
        (B, n, heads, d).
    """
    (rows, heads, n, d), groups = query.shape, key.shape[1]
    if (each := heads // groups) > 1 and n > 1 and mask is not None:
        mask = mask.repeat(1, 1, each, 1)
    out = scaled_dot_product_attention(query.reshape(rows, groups, each * n, d), key, value, mask, scale=scaling)
    return out.reshape(rows, heads, n, -1).transpose(1, 2)


def _softcapped(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, softcap: float
) -> tuple[Tensor, None]:
    """Attention whose scores are capped, as in Gemma 2 (arXiv 2408.00118, section 2)."""
    key, value = (repeat_kv(t, module.num_key_value_groups) for t in (key, value))
    s = softcap * (query @ key.transpose(2, 3) * (scaling / softcap)).tanh()
    if mask is None:
        mask = torch.ones(s.shape[2:], dtype=torch.bool, device=s.device).tril(s.shape[3] - s.shape[2])
    s = s.masked_fill(~mask, torch.finfo(s.dtype).min).softmax(-1, dtype=torch.float32)
    return (s.to(value.dtype) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _capture)
AttentionMaskInterface.register(NAME, sdpa_mask)  # without it transformers passes no mask at all
