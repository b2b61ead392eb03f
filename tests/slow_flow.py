"""The attention flow by the formulas as they stand: whole matrices, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK
from vlsam_ros.recognition.flow import resolved

GRID = ImageLayout(np.arange(1, 13).reshape(3, 4), (0.0, 0.0, 80.0, 60.0))


def answer(
    layers: Sequence[LayerQK],
    text: str = "dog, cat",
    spans: tuple[tuple[int, int], ...] = ((0, 3), (3, 8)),
    first_row: int = 16,
) -> Answer:
    """An answer that was written alone, about a view of `GRID`."""
    return Answer("What?", text, spans, first_row, layers[0].length, GRID, len(layers), layers.__getitem__)


def random_layers(
    n: int = 20,
    heads: int = 4,
    key_heads: int = 2,
    layers: int = 3,
    softcap: float | None = None,
    mask: Tensor | None = None,
) -> list[LayerQK]:
    """Always the same ones."""
    g = torch.Generator().manual_seed(1)
    return [
        LayerQK(
            torch.randn(heads, n, 8, generator=g) * 2, torch.randn(key_heads, n, 8, generator=g), 0.5, softcap, mask
        )
        for _ in range(layers)
    ]


def slow_flow(
    start: Tensor, layers: Sequence[LayerQK], options: AttentionOptions, visual: np.ndarray = GRID.positions
) -> Tensor:
    """What `flow` gives for one sequence, float64 (R, N), from S and S' of all layers."""
    options = resolved(options, len(layers))
    used = layers[options.first_layer :]
    merged = [_merged(layer, options, visual) for layer in used]
    result = start.double() @ _recursion(used, merged, options)
    if options.contrast != "null":
        return result
    even = [_uniform(x, m.sum(-1).max()) for x, m in zip(used, merged, strict=True)]
    null = start.double() @ _recursion(used, even, options)
    return torch.where(null > 0, result / null, 0)


def slow_scores(layer: LayerQK) -> Tensor:
    """All of S, float64 (heads, N, N)."""
    key = layer.key.repeat_interleave(len(layer.query) // len(layer.key), 0).double()
    s = layer.query.double() @ key.transpose(1, 2) * layer.scaling
    s = s if layer.softcap is None else layer.softcap * (s / layer.softcap).tanh()
    n = s.shape[-1]
    mask = torch.ones(n, n, dtype=torch.bool).tril() if layer.mask is None else layer.mask
    return s.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num(0)


def _merged(layer: LayerQK, options: AttentionOptions, visual: np.ndarray) -> Tensor:
    """S' of one layer: float64 (N, N)."""
    s = slow_scores(layer)
    seen = s[..., torch.from_numpy(visual)]
    weights = {"vlsam": s.max(-1).values.mean(-1), "mean": torch.ones(len(s)), "vmax": seen.max(-1).values.mean(-1)}
    w = weights[options.head_weight]
    w = w / w.max() if options.head_weight == "vmax" else w
    return (s * w[:, None, None]).mean(0)


def _uniform(layer: LayerQK, weight: Tensor) -> Tensor:
    n = layer.query.shape[1]
    mask = torch.ones(n, n).tril() if layer.mask is None else layer.mask.double()
    return weight * mask.double() / mask.sum(-1, keepdim=True).clamp(min=1)


def _recursion(layers: Sequence[LayerQK], merged: Sequence[Tensor], options: AttentionOptions) -> Tensor:
    """S̄ᴸ: float64 (N, N)."""
    n = layers[0].query.shape[1]
    eye, steps = torch.eye(n, dtype=torch.float64), []
    out: Tensor | None = None
    for layer, m in zip(layers, merged, strict=True):
        seen = n - torch.arange(n) if layer.mask is None else layer.mask.sum(0).clamp(min=1)
        d = torch.diag(1 - (seen - 1).double() / n)
        half = options.residual == "half" and options.flow == "flow"
        m = m / m.sum(-1).max() if half else m
        steps.append(m @ (d if options.regulariser == "layer" else eye))
        if half:
            out = (eye + steps[-1]) / 2 @ (eye if out is None else out)
        else:
            out = steps[-1] if out is None else (eye + steps[-1]) @ (eye + out)
    assert out is not None
    out = {"flow": out, "last": steps[-1], "mean": torch.stack(steps).mean(0)}[options.flow]
    return out @ d if options.regulariser == "end" else out
