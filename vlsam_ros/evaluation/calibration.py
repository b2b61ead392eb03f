"""Fit the scores to what is right: of the instances that score 0.7, about 70 % should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config import WAYS, FusionOptions, ScoreOptions
from ..data import Witness
from ..errors import DataError
from ..localisation.fusion import fused
from ..localisation.score import score
from . import operating
from .metrics import Geometry, Scored

LEAST = 1e-4
"""Weight of what tells nothing apart: without any weight there would be no score."""

RIDGE = 1e-4
"""Keeps the weights finite where the parts tell right from wrong without a mistake."""


@dataclass(frozen=True)
class Calibration:
    """What fits some labelled frames.

    Attributes:
        score: from an instance's parts to its score.
        fusion: from that and what several ways say of it to one score; None if there is one way only.
        error: the calibration error of the last of them, on these frames.
    """

    score: ScoreOptions
    fusion: FusionOptions | None
    error: float

    def options(self) -> dict[str, Any]:
        """For a profile."""
        fusion = vars(self.fusion) if self.fusion else {"mapping": "independent"}
        groups = {"score": vars(self.score), "fusion": {k: v for k, v in fusion.items() if k != "attention_checks"}}
        return {f"{group}.{key}": value for group, own in groups.items() for key, value in own.items()}


def fit(scored: Sequence[Scored], geometry: Geometry) -> Calibration:
    """The logistic mappings with the best likelihood, no weight below `LEAST`.

    First the score from its parts; then, where several ways were asked, the fusion from that score and each way's
    evidence, relative to its mean here.

    Raises:
        DataError: no detection says its score's parts, or all are right, or none.
    """
    matches = operating.match(scored, geometry)
    items = sorted((i for s in scored for i in s.found), key=lambda i: -i.score)  # stable, as the matches are
    counted = np.array([bool(i.parts) for i in items], bool) & ~matches.ignored
    items, right = [i for i, ok in zip(items, counted, strict=True) if ok], matches.right[counted]
    if not 0 < right.sum() < len(right):
        raise DataError(f"expected detections with their score's parts, some right and some not; {right.sum()} of "
                        f"{len(right)} are right")  # fmt: skip
    parts = np.array([i.parts for i in items])
    options = ScoreOptions("logistic", *(round(float(v), 4) for v in _logistic(parts, right)))
    scores = score(parts, options)
    ways = [way for way in WAYS if any(way in i.evidence for i in items)]
    if len(ways) < 2:
        return Calibration(options, None, operating.calibration_error(scores, right))
    means = {way: round(float(np.mean([i.evidence[way] for i in items if way in i.evidence])), 4) for way in ways}
    apart = [[i.evidence[way] - means[way] if way in i.evidence else 0.0 for way in ways] for i in items]
    bias, best, *weights = (round(float(v), 4) for v in _logistic(np.column_stack([scores, apart]), right))
    given = dict(zip(ways, weights, strict=True)) | {f"{way}_mean": mean for way, mean in means.items()}
    fusion = FusionOptions(mapping="logistic", bias=bias, score=best, **given)  # type: ignore[arg-type]
    final = [
        fused({"": float(s)}, [Witness(way, e, 1.0) for way, e in i.evidence.items()], fusion)
        for s, i in zip(scores, items, strict=True)
    ]
    return Calibration(options, fusion, operating.calibration_error(np.array(final), right))


def _logistic(features: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bias and weights, float64 (1 + F,), of features (N, F) for what is right, bool (N,)."""
    from scipy.optimize import minimize

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        logit = x[0] + features @ x[1:]
        wrong_by = 1 / (1 + np.exp(-logit)) - right
        gradient = np.array([wrong_by.mean(), *(features * wrong_by[:, None]).mean(0)])
        value = (np.logaddexp(0, logit) - right * logit).mean() + RIDGE * (x[1:] @ x[1:])
        return float(value), gradient + 2 * RIDGE * np.array([0, *x[1:]])

    count = features.shape[1]
    bounds = [(-100, 100), *[(LEAST, 100)] * count]
    return minimize(loss, [0, *[1] * count], jac=True, bounds=bounds, method="L-BFGS-B").x
