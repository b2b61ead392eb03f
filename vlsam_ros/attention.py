"""From a VLM's queries and keys to one attention map per name (VL-SAM, arXiv 2410.05963, section 3.2).

    S  = softmax(mask(Q·Kᵀ·scaling))            N × N for each head and layer
    W  = mean over queries of (max over keys of S)      one number for each head and layer
    S' = mean over heads of (S · W)             N × N for each layer
    S̄ˡ = (I + S'ˡ·D)(I + S̄ˡ⁻¹),  S̄¹ = S'¹·D      attention flow; D damps the columns
    map = the rows of S̄ᴸ that belong to the name, at the image's columns

D is a fixed diagonal that does not depend on the data, so a row of S̄ᴸ follows from that row alone:
u = e; for l = L … 2: u += u·S'ˡ·D, row += u; then row += u·S'¹·D. That costs L·N² per name instead of L·N³, layers are
read one at a time, and neither S of a layer nor S' is ever stored whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import cv2
import numpy as np
import torch
from torch import Tensor

from .config import AttentionOptions, QuestionOptions
from .data import Answer, LayerQK, NamedMap
from .errors import ConfigError, VlmError
from .questions import parse_names

ROWS = 128
"""Queries computed at once: with 4 to 16 heads the block stays in the cache."""


def named_maps(answer: Answer, questions: QuestionOptions, options: AttentionOptions) -> list[NamedMap]:
    """One map for each name in the answer; names without a token in the sequence are left out."""
    names = [(n.name, token_rows(answer, n.spans)) for n in parse_names(answer.text, questions, answer.truncated)]
    names = [(name, rows) for name, rows in names if rows]
    heats = maps(answer, [rows for _, rows in names], options)
    return [NamedMap(name, heat, answer.layout, answer.question) for (name, _), heat in zip(names, heats, strict=True)]


def fuse(found: Sequence[NamedMap]) -> list[NamedMap]:
    """One map per name: the mean of what the questions gave, stretched to [0, 1]; unequal grids are kept apart."""
    key = lambda m: (m.name, m.heat.shape, m.layout.xyxy)  # noqa: E731
    groups = [list(group) for _, group in groupby(sorted(found, key=key), key)]
    heats = [normalised(np.mean([m.heat for m in group], axis=0)) for group in groups]
    return [NamedMap(g[0].name, heat, g[0].layout, g[0].question) for g, heat in zip(groups, heats, strict=True)]


def token_rows(answer: Answer, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Rows of the tokens that share a character with one of the [start, end) spans of the answer's text."""
    rows = [
        answer.first_row + i
        for i, (start, end) in enumerate(answer.token_spans)
        if any(max(start, s) < min(end, e) for s, e in spans)
    ]
    return [row for row in rows if row < answer.length]


def maps(answer: Answer, rows: Sequence[Sequence[int]], options: AttentionOptions) -> np.ndarray:
    """Maps of R names.

    Args:
        answer: the sequence with its layers.
        rows: for each name, the positions of all its tokens; their rows are averaged.

    Returns:
        float32 (R, h, w) on the image's grid, each in [0, 1]; a constant map is all zeros.

    Raises:
        VlmError: the layers do not fit the sequence, or hold values that are not finite.
    """
    h, w = answer.layout.grid_hw
    if not rows:
        return np.zeros((0, h, w), np.float32)
    start = torch.zeros(len(rows), answer.length)
    for i, positions in enumerate(rows):
        start[i, list(positions)] = 1 / len(positions)
    heats = flow(answer, start, options)[:, torch.from_numpy(answer.layout.columns.reshape(-1))].numpy()
    if not np.isfinite(heats).all():
        raise VlmError(f"the attention over {answer.question!r} is not finite")
    return np.stack([normalised(smoothed(heat, options.sigma)) for heat in heats.reshape(-1, h, w)])


def flow(answer: Answer, start: Tensor, options: AttentionOptions) -> Tensor:
    """Rows of the attention aggregated over layers: start · S̄ᴸ.

    Args:
        answer: the sequence with its layers.
        start: float32 (R, N), weights of the rows that are wanted.
        options: `flow`, `regulariser` and `first_layer` matter here.

    Returns:
        float32 (R, N), where tokens (columns) stand for what was looked at.
    """
    if options.first_layer >= answer.layers:
        raise ConfigError(f"attention.first_layer: expected less than {answer.layers}, got {options.first_layer}")
    order = range(answer.layers - 1, options.first_layer - 1, -1)
    order = order[:1] if options.flow == "last" else order
    rows, total = start, torch.zeros_like(start)
    for index in order:
        layer = _checked(answer, index)
        step = merged_rows(rows.to(layer.query.device), layer, options).to(start.device)
        damping = ramp(layer).to(start.device)
        step = step * damping if options.regulariser == "layer" else step
        if options.flow == "mean":
            total += step / len(order)
        elif index == order[-1]:
            total += step
        else:
            rows = rows + step
            total += rows
    return total * damping if options.regulariser == "end" else total


def merged_rows(rows: Tensor, layer: LayerQK, options: AttentionOptions) -> Tensor:
    """The product rows · S' of one layer, where S' is the mean over heads of S · W.

    W = mean over queries of (max over keys of S), and all ones if `options.head_weight` is ``mean``. Each block of S
    is computed once and gives both W and the product.

    Args:
        rows: float32 (R, N).

    Returns:
        float32 (R, N).
    """
    heads, n, _ = layer.query.shape
    out = torch.zeros_like(rows)
    for some in _chunks(heads, options.chunk):
        part = rows.new_zeros(some.stop - some.start, *rows.shape)
        weight = rows.new_zeros(some.stop - some.start)
        for block in _chunks(n, ROWS):
            s = scores(layer, some, block)
            weight += s.amax(-1).sum(-1) / n
            part[..., : s.shape[-1]] += rows[:, block] @ s
        weight = torch.ones_like(weight) if options.head_weight == "mean" else weight
        out += torch.einsum("h,hrn->rn", weight, part)
    return out / heads


def scores(layer: LayerQK, heads: slice, rows: slice) -> Tensor:
    """S of some heads and queries: float32 (heads, rows, keys).

    Under the causal mask the keys end with the block's last query; the rest of S is zero.
    """
    keys = rows.stop if layer.mask is None else layer.key.shape[1]
    group = layer.query.shape[0] // layer.key.shape[0]
    query = layer.query[heads, rows].float()
    key = layer.key[torch.arange(heads.start, heads.stop, device=layer.key.device) // group, :keys].float()
    s = query @ key.transpose(1, 2) * layer.scaling
    if layer.softcap is not None:
        s = torch.tanh(s / layer.softcap) * layer.softcap
    if layer.mask is None:
        position = torch.arange(keys, device=s.device)
        seen = position <= position[rows, None]
    else:
        seen = layer.mask[rows]
    return s.masked_fill(~seen, torch.finfo(s.dtype).min).softmax(-1) * seen  # a row that sees nothing is zero


def ramp(layer: LayerQK) -> Tensor:
    """D's diagonal, float32 (N,): 1 − (L0 − 1) / N with L0 the number of queries that see the column.

    Causally that is (j + 1) / N: early columns, seen by all later rows, would otherwise take nearly all the mass.
    """
    n = layer.query.shape[1]
    if layer.mask is None:
        return torch.arange(1, n + 1, device=layer.query.device) / n
    return 1 - (layer.mask.sum(0) - 1).clamp(min=0) / n


def smoothed(heat: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of a float32 map (h, w), sigma in cells; 0 leaves it as it is."""
    return cv2.GaussianBlur(heat, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0 else heat


def normalised(heat: np.ndarray) -> np.ndarray:
    """A map (h, w) stretched to [0, 1] as float32; a constant one becomes zeros."""
    low, high = float(heat.min()), float(heat.max())
    return ((heat - low) / (high - low) if high > low else np.zeros_like(heat)).astype(np.float32)


def _checked(answer: Answer, index: int) -> LayerQK:
    layer = answer.layer(index)
    heads, n, d = layer.query.shape
    key_heads = layer.key.shape[0]
    if n != answer.length or layer.key.shape[1:] != (n, d) or heads % key_heads:
        shapes = f"Q {tuple(layer.query.shape)}, K {tuple(layer.key.shape)}"
        raise VlmError(f"layer {index}: expected Q and K of {answer.length} tokens, got {shapes}")
    if layer.mask is not None and layer.mask.shape != (n, n):
        raise VlmError(f"layer {index}: expected a mask ({n}, {n}), got {tuple(layer.mask.shape)}")
    return layer


def _chunks(length: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, length)) for i in range(0, length, size))
