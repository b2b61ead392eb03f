"""From the queries and keys of every layer to rows of the attention flow (VL-SAM, arXiv 2410.05963, section 3.2).

    S  = softmax(mask(Q·Kᵀ·scaling))            N × N for each head and layer
    W  = mean over queries of (max over keys of S)      one number for each head and layer
    S' = mean over heads of (S · W)             N × N for each layer
    S̄ˡ = (I + S'ˡ·D)(I + S̄ˡ⁻¹),  S̄¹ = S'¹·D      attention flow; D damps the columns

D is a fixed diagonal that does not depend on the data, so a row of S̄ᴸ follows from that row alone:
u = e; for l = L … 2: u += u·S'ˡ·D, row += u; then row += u·S'¹·D. That costs L·N² per name instead of L·N³, layers are
read one at a time, and neither S of a layer nor S' is ever stored whole. Questions about one view share the rows of the
image's prefix: those of S are computed once for all of them. What was written together is computed together, on the
device that has the layers, and only what is wanted of the result comes to the host.

The preset ``decaf`` follows DecAF (training-free, ICLR 2026): heads weighed by what they see of the image, half of each
layer passed by, the flow started in the middle, and the map of a question about the background subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..config import AttentionOptions
from ..data import Answer, BatchQK
from ..errors import ConfigError
from .batches import Group, groups
from .merging import Merger, views_at_once
from .scores import scores

__all__ = ["PRESETS", "flow", "resolved", "scores"]

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
PRESETS |= {"hidden": PRESETS["vlsam"], "product": PRESETS["vlsam"]}  # see `hidden` and `attention.maps`
"""What each preset decides."""


def resolved(options: AttentionOptions, layers: int) -> AttentionOptions:
    """The options with everything that they leave to the preset filled in, for so many layers with attention.

    `first_layer` counts those layers alone. With the preset ``hidden`` there is no flow, and nothing to contrast.

    Raises:
        ConfigError: the model has no such first layer.
    """
    preset = {**PRESETS[options.preset], "preset": options.preset}
    open_ = {key: value for key, value in preset.items() if getattr(options, key) in ("preset", -1)}
    if "first_layer" in open_ and open_["first_layer"] is None:
        open_["first_layer"] = layers // 2
    done = replace(options, **open_)
    if done.preset == "hidden":
        return replace(done, contrast="none")
    if done.first_layer >= layers:
        raise ConfigError(f"attention.first_layer: expected less than {layers}, got {done.first_layer}")
    return done


def flow(
    answers: Sequence[Answer],
    starts: Sequence[Tensor],
    options: AttentionOptions,
    columns: Sequence[np.ndarray] | None = None,
) -> list[Tensor]:
    """Rows of the attention aggregated over layers: start · S̄ᴸ, for several sequences at once.

    Args:
        answers: the sequences with their layers; those that share a prefix share its cost.
        starts: for each, float32 (R, N), weights of the rows that are wanted.
        options: everything but `sigma` and `background_question` matters here.
        columns: for each, int64 (M,), the tokens that are wanted; None: all.

    Returns:
        For each, float32 (R, M) on the host, where tokens (columns) stand for what was looked at. With `contrast`
        ``null`` relative to what uniform attention of the same layers' weights would give.

    Raises:
        VlmError: the layers do not fit the sequences.
    """
    options = resolved(options, answers[0].layers)
    order = range(answers[0].layers - 1, options.first_layer - 1, -1)
    order = order[:1] if options.flow == "last" else order
    columns = [np.arange(a.length) for a in answers] if columns is None else columns
    out = [torch.zeros(0, len(own)) for own in columns]
    runs: list[_Run] = []
    for group in groups(answers, [i for i, start in enumerate(starts) if len(start)], order[0]):
        own: list[_Run] = []
        for index in order:
            layer = group.layer(answers, index)
            if not own:  # where views have unequally many sequences, padding costs a CPU more than further operations
                views = len(layer.before_query)
                parts = group.parts(views, views_at_once(layer)) if layer.query.is_cpu else [group]
                own = [_Run(part, layer, answers, starts, options, len(order)) for part in parts]
            for run in own:
                run.take(layer, last=index == order[-1])
        runs += own
    for run in runs:
        for i, rows in run.result(columns):
            out[i] = rows
    return out


class _Run:
    """Some sequences on their way through the layers, last to first."""

    def __init__(
        self,
        group: Group,
        layer: BatchQK,
        answers: Sequence[Answer],
        starts: Sequence[Tensor],
        options: AttentionOptions,
        layers: int,
    ) -> None:
        self._members = group.members
        visual = [answers[i].layout.positions for i in group.members]
        self._merger = Merger(group, layer, [len(starts[i]) for i in group.members], visual, options)
        columns = self._merger.columns
        start = torch.cat([pad(starts[i], (0, columns - starts[i].shape[1])) for i in group.members])
        start = start.to(layer.query.device, non_blocking=True)
        self._rows = _Rows(start, self._merger.lengths, options, layers)

    def take(self, layer: BatchQK, last: bool) -> None:
        """One layer."""
        self._rows.take(*self._merger(layer, self._rows.rows), getattr(layer, "mask", None), last)

    def result(self, columns: Sequence[np.ndarray]) -> Iterator[tuple[int, Tensor]]:
        """The index of each answer and its rows' wanted columns, on the host."""
        wanted = [columns[i] for i in self._members]
        picked = np.zeros((len(wanted), max(map(len, wanted))), int)
        for row, own in zip(picked, wanted, strict=True):
            row[: len(own)] = own
        total, of = self._rows.result(), self._merger.of
        index = torch.from_numpy(picked[of]).to(total.device, non_blocking=True)
        each = total.gather(1, index).cpu().split(np.bincount(of).tolist())
        yield from ((i, rows[:, : len(own)]) for i, rows, own in zip(self._members, each, wanted, strict=True))


class _Rows:
    """The recursion, last layer to first; beside it the same over uniform attention, if wanted.

    Args:
        start: float32 (T, N).
        lengths: float32 (T, 1), tokens of each row's sequence; later columns are zero.
        layers: how many there will be.

    Attributes:
        rows: float32 (T, N), what the next layer is multiplied with.
    """

    def __init__(self, start: Tensor, lengths: Tensor, options: AttentionOptions, layers: int) -> None:
        self.rows, self._options, self._layers = start, options, layers
        self._total = torch.zeros_like(start)
        self._seen = torch.arange(1, start.shape[1] + 1, device=start.device)  # tokens that each query sees
        self._ramp = self._damping = self._seen / lengths
        self._null = (
            _Rows(start, lengths, replace(options, contrast="none"), layers) if options.contrast == "null" else None
        )

    def take(self, step: Tensor, weight: Tensor, mask: Tensor | None, last: bool) -> None:
        """One layer: `step` is rows · S' (T, N), `weight` (T, 1) the sum of each of S' s rows; `mask` see `LayerQK`."""
        options = self._options
        self._damping = self._ramp if mask is None else ramp(mask)
        if self._null:
            self._null.take(weight * self._uniform(self._null.rows, mask), weight, mask, last)
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

    def _uniform(self, rows: Tensor, mask: Tensor | None) -> Tensor:
        """The product of rows with attention that is spread evenly over all that each query sees."""
        if mask is None:
            return (rows / self._seen).flip(-1).cumsum(-1).flip(-1)
        seen = mask.to(rows)
        return (rows / seen.sum(-1).clamp(min=1)) @ seen

    def result(self) -> Tensor:
        """The rows of S̄ᴸ, float32 (T, N)."""
        total = self._total * self._damping if self._options.regulariser == "end" else self._total
        if not self._null:
            return total
        null = self._null.result()
        return torch.where(null > 0, total / null.clamp(min=torch.finfo(null.dtype).tiny), 0)


def ramp(mask: Tensor) -> Tensor:
    """D's diagonal, float32 (N,): 1 − (L0 − 1) / N with L0 the number of queries that see the column.

    Causally that is (j + 1) / N: early columns, seen by all later rows, would otherwise take nearly all the mass.
    """
    return 1 - (mask.sum(0) - 1).clamp(min=0) / len(mask)
