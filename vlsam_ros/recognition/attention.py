"""From answers to one map per name: the rows of the attention flow of the name's tokens, at the image's tokens.

Or, by preset, how alike the hidden states of the two are, alone or times the flow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import cv2
import numpy as np
import torch
from torch import Tensor

from ..config import AttentionOptions, QuestionOptions
from ..data import Answer, ImageLayout, NamedMap
from ..errors import VlmError
from .flow import flow, resolved
from .hidden import similarity
from .questions import ParsedName, parse_names

ASIDE = -1
"""Among a view's answers: the one about the background."""


def wants_background(options: AttentionOptions) -> bool:
    """Whether the options need an answer about the background."""
    return resolved(options, 513).contrast == "background"


def wants_hidden(options: AttentionOptions) -> bool:
    """Whether the options need the answers' hidden states, after `options.hidden_layer`."""
    return options.preset in ("hidden", "product")


def named_maps(
    answered: Sequence[Sequence[Answer]],
    questions: QuestionOptions,
    options: AttentionOptions,
    background: Sequence[Answer | None] | None = None,
    named: Sequence[Sequence[Sequence[ParsedName]]] | None = None,
) -> list[list[NamedMap]]:
    """For each view one map for each name in each answer about it; names without a token in the sequence are left out.

    Args:
        answered: for each view its answers.
        background: for each view its answer to `options.background_question`, for contrast ``background``.
        named: the names in each answer; None: those that `parse_names` reads.
    """
    if named is None:
        named = [[parse_names(a.text, questions, a.truncated) for a in answers] for answers in answered]
    names = [
        [[(n, rows) for n in own if (rows := token_rows(a, n.spans))] for a, own in zip(*view, strict=True)]
        for view in zip(answered, named, strict=True)
    ]
    heats = maps(answered, [[[rows for _, rows in own] for own in view] for view in names], options, background)
    return [
        [
            NamedMap(n.name, heat, answer.layout, answer.question, certainty(answer, n.spans))
            for answer, own, found in zip(*view, strict=True)
            for (n, _), heat in zip(own, found, strict=True)
        ]
        for view in zip(answered, names, heats, strict=True)
    ]


def fuse(found: Sequence[NamedMap]) -> list[NamedMap]:
    """One map per name: the mean of what the questions gave, stretched to [0, 1]; unequal grids are kept apart.

    Its certainty is the mean of theirs.
    """
    key = lambda m: (m.name, m.heat.shape, m.layout.xyxy)  # noqa: E731
    groups = [list(group) for _, group in groupby(sorted(found, key=key), key)]
    heats = [normalised(np.mean([m.heat for m in group], axis=0)) for group in groups]
    return [
        replace(g[0], heat=heat, certainty=float(np.mean([m.certainty for m in g])))
        for g, heat in zip(groups, heats, strict=True)
    ]


def certainty(answer: Answer, spans: Sequence[tuple[int, int]]) -> float:
    """The probability of the tokens that wrote a name where the answer has it first; 1 if unknown."""
    rows = token_rows(answer, spans[:1]) if answer.probabilities else []
    return math.prod(answer.probabilities[row - answer.first_row] for row in rows)


def token_rows(answer: Answer, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Rows of the tokens that share a character with one of the [start, end) spans of the answer's text."""
    rows = [
        answer.first_row + i
        for i, (start, end) in enumerate(answer.token_spans)
        if any(max(start, s) < min(end, e) for s, e in spans)
    ]
    return [row for row in rows if row < answer.length]


def maps(
    answered: Sequence[Sequence[Answer]],
    rows: Sequence[Sequence[Sequence[Sequence[int]]]],
    options: AttentionOptions,
    background: Sequence[Answer | None] | None = None,
) -> list[list[np.ndarray]]:
    """Maps of the names in all answers about some views.

    Args:
        answered: for each view the sequences with their layers.
        rows: for each view and answer, for each of its R names, the positions of all its tokens; their rows are
            averaged.
        background: for each view, for contrast ``background``: all that answer's tokens together make the map that is
            subtracted.

    Returns:
        For each view and answer float32 (R, h, w) on the image's grid, each map in [0, 1]; a constant map is all zeros.

    Raises:
        VlmError: the layers do not fit the sequence, or hold values that are not finite; or there are no hidden states
            where `wants_hidden`.
    """
    out = [[np.zeros((0, *a.layout.grid_hw), np.float32) for a in answers] for answers in answered]
    asked = {(v, i): own for v, each in enumerate(rows) for i, own in enumerate(each) if own}
    if not asked:
        return out
    sequences = {(v, i): answered[v][i] for v, i in asked}
    done = resolved(options, next(iter(sequences.values())).layers)
    if done.contrast == "background":
        for v in {v for v, _ in asked}:
            if (aside := background[v] if background else None) is None:
                raise ValueError("contrast 'background' needs the answer about the background")
            sequences[v, ASIDE] = aside
            asked[v, ASIDE] = [token_rows(aside, [(0, len(aside.text))])]
    places, some = list(sequences), list(sequences.values())
    if done.preset == "hidden":
        told = [similarity(answer, asked[place]) for place, answer in sequences.items()]
    else:
        starts = [_start(answer, asked[place]) for place, answer in sequences.items()]
        told = flow(some, starts, done, [answer.layout.positions for answer in some])
    seen = {place: on_grid(answer.layout, rows.numpy()) for place, answer, rows in zip(places, some, told, strict=True)}
    for place, heats in seen.items():
        if not np.isfinite(heats).all():
            raise VlmError(f"the attention over {sequences[place].question!r} is not finite")
    for (v, i), heats in seen.items():
        if i != ASIDE:
            beside = seen.get((v, ASIDE))
            if beside is not None and beside.shape[1:] == heats.shape[1:]:
                heats = np.maximum(_shares(heats) - _shares(beside), 0)
            if done.preset == "product":
                alike = on_grid(answered[v][i].layout, similarity(answered[v][i], asked[v, i]).numpy())
                heats = np.stack([normalised(a) * normalised(b) for a, b in zip(heats, alike, strict=True)])
            out[v][i] = np.stack([normalised(smoothed(heat, done.sigma)) for heat in heats])
    return out


def _start(answer: Answer, rows: Sequence[Sequence[int]]) -> Tensor:
    """Weights of the rows that are wanted, float32 (R, N)."""
    start = torch.zeros(len(rows), answer.length)
    for i, positions in enumerate(rows):
        start[i, list(positions)] = 1 / max(len(positions), 1)
    return start


def on_grid(layout: ImageLayout, heats: np.ndarray) -> np.ndarray:
    """What went to the image's tokens (R, M) on the layout's grid: float32 (R, h, w)."""
    if layout.spread is not None:
        return (heats @ layout.spread.reshape(len(layout.spread), -1)).reshape(-1, *layout.grid_hw)
    if not layout.crops:
        return heats.reshape(-1, *layout.grid_hw)
    parts, out = (layout, *layout.crops), np.zeros((len(heats), *layout.grid_hw), np.float32)
    each = np.split(heats, np.cumsum([p.columns.size for p in parts])[:-1], axis=1)
    for heat, part in zip(each, parts, strict=True):
        out += regridded(heat.reshape(-1, *part.columns.shape), part.xyxy, layout)
    return out


def regridded(heats: np.ndarray, xyxy: tuple[float, float, float, float], layout: ImageLayout) -> np.ndarray:
    """Maps (R, h, w) over a rectangle of the view on a layout's grid; a cell is shared among those that it covers."""
    (left, top, right, bottom), (rows, columns) = layout.xyxy, layout.grid_hw
    down = _overlap(xyxy[1], xyxy[3], heats.shape[1], top, bottom, rows)
    across = _overlap(xyxy[0], xyxy[2], heats.shape[2], left, right, columns)
    return (down @ heats @ across.T).astype(np.float32)


def _overlap(start: float, stop: float, cells: int, low: float, high: float, bins: int) -> np.ndarray:
    """float64 (bins, cells): the share of each of some equal cells from start to stop that lies in each bin."""
    cell, edge = np.linspace(start, stop, cells + 1), np.linspace(low, high, bins + 1)[:, None]
    covered = np.minimum(cell[1:], edge[1:]) - np.maximum(cell[:-1], edge[:-1])
    return np.maximum(covered, 0) * cells / (stop - start)


def _shares(heats: np.ndarray) -> np.ndarray:
    """Each map (h, w) of several as shares of its sum; zeros stay zeros."""
    total = heats.sum((1, 2), keepdims=True)
    return np.divide(heats, total, out=np.zeros_like(heats), where=total > 0)


def smoothed(heat: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of a float32 map (h, w), sigma in cells; 0 leaves it as it is."""
    return cv2.GaussianBlur(heat, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0 else heat


def normalised(heat: np.ndarray) -> np.ndarray:
    """A map (h, w) stretched to [0, 1] as float32; a constant one becomes zeros."""
    low, high = float(heat.min()), float(heat.max())
    return ((heat - low) / (high - low) if high > low else np.zeros_like(heat)).astype(np.float32)
