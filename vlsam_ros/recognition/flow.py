"""From the queries and keys of every layer to rows of the attention flow (VL-SAM, arXiv 2410.05963, section 3.2).

    S  = softmax(mask(Q·Kᵀ·scaling))            N × N for each head and layer
    W  = mean over queries of (max over keys of S)      one number for each head and layer
    S' = mean over heads of (S · W)             N × N for each layer
    S̄ˡ = (I + S'ˡ·D)(I + S̄ˡ⁻¹),  S̄¹ = S'¹·D      attention flow; D damps the columns

D is a fixed diagonal that does not depend on the data, so a row of S̄ᴸ follows from that row alone:
u = e; for l = L … 2: u += u·S'ˡ·D, row += u; then row += u·S'¹·D. That costs L·N² per name instead of L·N³, layers are
read one at a time, and neither S of a layer nor S' is ever stored whole. Questions about one view share the rows of the
image's prefix: those of S are computed once for all of them.

The preset ``decaf`` follows DecAF (training-free, ICLR 2026): heads weighed by what they see of the image, half of each
layer passed by, the flow started in the middle, and the map of a question about the background subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..config import AttentionOptions
from ..data import Answer, LayerQK
from ..errors import ConfigError, VlmError

ROWS = 64
"""Queries computed at once: with 4 heads the block stays in the cache."""

PRESETS: dict[str, dict[str, Any]] = {
    "vlsam": {
        "head_weight": "vlsam",
        "residual": "vlsam",
        "regulariser": "layer",
        "contrast": "none",
        "first_layer": 0,
        "sigma": 0.0,
    },
    "decaf": {
        "head_weight": "vmax",
        "residual": "half",
        "regulariser": "off",
        "contrast": "background",
        "first_layer": None,  # the middle one
        "sigma": 1.0,
    },
}
"""What each preset decides."""


def resolved(options: AttentionOptions, layers: int) -> AttentionOptions:
    """The options with everything that they leave to the preset filled in, for a model of so many layers.

    Raises:
        ConfigError: the model has no such first layer.
    """
    preset = {**PRESETS[options.preset], "preset": options.preset}
    open_ = {key: value for key, value in preset.items() if getattr(options, key) in ("preset", -1)}
    if "first_layer" in open_ and open_["first_layer"] is None:
        open_["first_layer"] = layers // 2
    done = replace(options, **open_)
    if done.first_layer >= layers:
        raise ConfigError(f"attention.first_layer: expected less than {layers}, got {done.first_layer}")
    return done


def flow(answers: Sequence[Answer], starts: Sequence[Tensor], options: AttentionOptions) -> list[Tensor]:
    """Rows of the attention aggregated over layers: start · S̄ᴸ, for several sequences at once.

    Args:
        answers: the sequences with their layers; those that share a prefix share its cost.
        starts: for each, float32 (R, N), weights of the rows that are wanted.
        options: everything but `sigma` and `background_question` matters here.

    Returns:
        For each, float32 (R, N), where tokens (columns) stand for what was looked at. With `contrast` ``null``
        relative to what uniform attention of the same layers' weights would give.
    """
    options = resolved(options, answers[0].layers)
    order = range(answers[0].layers - 1, options.first_layer - 1, -1)
    order = order[:1] if options.flow == "last" else order
    runs = [_Run(start, options, len(order)) for start in starts]
    for index in order:
        layers = [_checked(a, index) for a in answers]
        for group in _sharing(layers):
            device = layers[group[0]].query.device
            rows = [runs[i].rows.to(device) for i in group]
            visual = [torch.from_numpy(answers[i].layout.positions).to(device) for i in group]
            merged = merged_rows([layers[i] for i in group], rows, visual, options)
            for i, (step, weight) in zip(group, merged, strict=True):
                runs[i].take(step, weight, layers[i], last=index == order[-1])
    return [run.result() for run in runs]


class _Run:
    """The recursion over one sequence's layers, last to first; beside it the same over uniform attention, if wanted.

    Attributes:
        rows: float32 (R, N), what the next layer is multiplied with.
    """

    def __init__(self, start: Tensor, options: AttentionOptions, layers: int) -> None:
        self.rows, self._options, self._layers = start, options, layers
        self._total, self._damping = torch.zeros_like(start), torch.ones(())
        self._null = _Run(start, replace(options, contrast="none"), layers) if options.contrast == "null" else None

    def take(self, step: Tensor, weight: Tensor, layer: LayerQK, last: bool) -> None:
        """One layer: `step` is rows · S' (R, N), `weight` the sum of each of S' s rows."""
        step, weight, options = step.to(self.rows.device), weight.to(self.rows.device), self._options
        self._damping = ramp(layer).to(step.device)
        if self._null:
            self._null.take(weight * uniform(self._null.rows, layer), weight, layer, last)
        if options.residual == "half" and options.flow == "flow":
            step = step / weight.clamp(min=torch.finfo(step.dtype).tiny)
        step = step * self._damping if options.regulariser == "layer" else step
        if options.flow == "mean":
            self._total += step / self._layers
        elif options.flow == "last":
            self._total += step
        elif options.residual == "half":
            self.rows = (self.rows + step) / 2
            self._total = self.rows
        elif last:
            self._total += step
        else:
            self.rows = self.rows + step
            self._total += self.rows

    def result(self) -> Tensor:
        """The rows of S̄ᴸ, float32 (R, N)."""
        total = self._total * self._damping if self._options.regulariser == "end" else self._total
        if not self._null:
            return total
        null = self._null.result()
        return torch.where(null > 0, total / null.clamp(min=torch.finfo(null.dtype).tiny), 0)


def merged_rows(
    layers: Sequence[LayerQK], rows: Sequence[Tensor], visual: Sequence[Tensor], options: AttentionOptions
) -> list[tuple[Tensor, Tensor]]:
    """The products rows · S' of one layer for the sequences that share its prefix; S' = mean over heads of S · W.

    Each block of S is computed once and gives both W and the product.

    Args:
        layers: the layer, for each sequence.
        rows: for each, float32 (R, N).
        visual: for each, int64 (M,), the image's columns; `options.head_weight` ``vmax`` looks at them.

    Returns:
        For each, rows · S' (R, N), float32, and what a full row of S' sums to, a scalar.
    """
    shared, heads = layers[0].before, layers[0].query.shape[0]
    prefix = shared.length if shared else 0
    columns = visual if options.head_weight == "vmax" else [None] * len(layers)
    together = torch.cat([r[:, :prefix] for r in rows])
    sizes = [len(r) for r in rows]
    out = [torch.zeros_like(r) for r in rows]
    weights: list[list[Tensor]] = [[] for _ in rows]
    for chunk in _chunks(heads, _at_once(layers[0], options)):
        if shared:
            parts, peak = _attended(shared, chunk, together, columns[0])
        else:
            parts, peak = together.new_zeros(chunk.stop - chunk.start, *together.shape), 0
        for i, part in enumerate(parts.split(sizes, dim=1)):
            own, own_peak = _attended(layers[i], chunk, rows[i][:, prefix:], columns[i])
            own[..., :prefix] += part
            weight = (peak + own_peak) / rows[i].shape[1]
            weight = torch.ones_like(weight) if options.head_weight == "mean" else weight
            out[i] += torch.einsum("h,hrn->rn", weight, own)
            weights[i].append(weight)
    found = []
    for step, weight in zip(out, map(torch.cat, weights), strict=True):
        strongest = weight.max().clamp(min=torch.finfo(weight.dtype).tiny) if options.head_weight == "vmax" else 1.0
        found.append((step / (heads * strongest), weight.mean() / strongest))
    return found


def _attended(layer: LayerQK, heads: slice, rows: Tensor, columns: Tensor | None) -> tuple[Tensor, Tensor]:
    """The product of rows over a layer's own tokens with S, and each head's sum over queries of the max over keys.

    Args:
        heads: query heads.
        rows: float32 (R, n) over the layer's own n tokens.
        columns: keys among which the maximum is taken; None: all.

    Returns:
        float32 (heads, R, N) and (heads,).
    """
    count, n = heads.stop - heads.start, layer.query.shape[1]
    out = rows.new_zeros(count, len(rows), layer.length)
    peak = rows.new_zeros(count, n)
    keys, buffer = _keys(layer, heads), rows.new_empty(count * min(ROWS, n) * layer.length)
    each = rows.expand(count, -1, -1)
    for block in _chunks(n, ROWS):
        s = _scores(layer, heads, block, keys, buffer)
        if columns is None:
            torch.amax(s, -1, out=peak[:, block])
        elif (seen := columns[columns < s.shape[-1]]).numel():
            torch.amax(s[..., seen], -1, out=peak[:, block])
        out[..., : s.shape[-1]].baddbmm_(each[..., block], s)
    return out, peak.sum(-1)


def scores(layer: LayerQK, heads: slice, rows: slice) -> Tensor:
    """S of some heads and of some of the layer's own queries: float32 (heads, rows, keys).

    Under the causal mask the keys end with the block's last query; the rest of S is zero.
    """
    size = (heads.stop - heads.start) * (rows.stop - rows.start) * layer.length
    return _scores(layer, heads, rows, _keys(layer, heads), layer.query.new_empty(size, dtype=torch.float32))


def _keys(layer: LayerQK, heads: slice) -> list[Tensor]:
    """The keys of some query heads: float32 (heads, d, n) of the prefix, if there is one, and of the layer's own."""
    group = layer.query.shape[0] // layer.key.shape[0]
    parts = [layer.before.key, layer.key] if layer.before else [layer.key]
    if group == 1:
        return [key[heads].float().transpose(1, 2) for key in parts]
    chosen = torch.arange(heads.start, heads.stop, device=layer.key.device) // group
    return [key[chosen].float().transpose(1, 2) for key in parts]


def _scores(layer: LayerQK, heads: slice, rows: slice, keys: Sequence[Tensor], buffer: Tensor) -> Tensor:
    """See `scores`; the result lies in the buffer."""
    count, stop = rows.stop - rows.start, layer.length
    if layer.mask is None:
        stop += rows.stop - layer.query.shape[1]
    shape = heads.stop - heads.start, count, stop
    s = buffer[: shape[0] * shape[1] * shape[2]].view(shape)
    at, query = 0, layer.query[heads, rows].float()
    for key in keys:
        end = min(at + key.shape[2], stop)
        s[..., at:end].baddbmm_(query, key[..., : end - at], beta=0, alpha=layer.scaling)
        at = end
    if layer.softcap is not None:
        s.div_(layer.softcap).tanh_().mul_(layer.softcap)
    if layer.mask is None:
        s[..., -count:].add_(_later(count, s.device))
        return torch.softmax(s, -1, out=s)
    seen = layer.mask[rows]
    s.masked_fill_(~seen, torch.finfo(s.dtype).min)
    return torch.softmax(s, -1, out=s).mul_(seen)  # a row that sees nothing is zero


@lru_cache(8)
def _later(count: int, device: torch.device) -> Tensor:
    """-inf where a key comes after the query, else 0: float32 (count, count)."""
    return torch.full((count, count), -torch.inf, device=device).triu(1)


def ramp(layer: LayerQK) -> Tensor:
    """D's diagonal, float32 (N,): 1 − (L0 − 1) / N with L0 the number of queries that see the column.

    Causally that is (j + 1) / N: early columns, seen by all later rows, would otherwise take nearly all the mass.
    """
    n = layer.length
    if layer.mask is None:
        return torch.arange(1, n + 1, device=layer.query.device) / n
    return 1 - (layer.mask.sum(0) - 1).clamp(min=0) / n


def uniform(rows: Tensor, layer: LayerQK) -> Tensor:
    """The product of rows (R, N) with attention that is spread evenly over all that each query sees."""
    if layer.mask is None:
        each = rows / torch.arange(1, layer.length + 1, device=rows.device)
        return each.flip(-1).cumsum(-1).flip(-1)
    seen = layer.mask.to(rows)
    return (rows / seen.sum(-1).clamp(min=1)) @ seen


def _checked(answer: Answer, index: int) -> LayerQK:
    layer = answer.layer(index)
    heads, n, d = layer.query.shape
    key_heads = layer.key.shape[0]
    if layer.length != answer.length or layer.key.shape[1:] != (n, d) or heads % key_heads:
        shapes = f"Q {tuple(layer.query.shape)}, K {tuple(layer.key.shape)}"
        raise VlmError(f"layer {index}: expected Q and K of {answer.length} tokens, got {shapes}")
    if layer.mask is not None and layer.mask.shape != (n, n):
        raise VlmError(f"layer {index}: expected a mask ({n}, {n}), got {tuple(layer.mask.shape)}")
    return layer


def _sharing(layers: Sequence[LayerQK]) -> list[list[int]]:
    """Indices of the sequences, those with one prefix together."""
    groups: dict[int, list[int]] = {}
    for i, layer in enumerate(layers):
        groups.setdefault(-1 - i if layer.before is None else id(layer.before), []).append(i)
    return list(groups.values())


def _at_once(layer: LayerQK, options: AttentionOptions) -> int:
    """Heads computed at once: a GPU wants few large steps, a CPU a block that fits into its cache."""
    return layer.query.shape[0] if layer.query.is_cuda else options.chunk


def _chunks(length: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, length)) for i in range(0, length, size))
