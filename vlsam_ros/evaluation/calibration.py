"""Fit the score to what is right: of the instances that score 0.7, about 70 % should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..config import ScoreOptions
from ..errors import DataError
from ..localisation.score import PARTS, score
from . import operating
from .metrics import Geometry, Scored

RIDGE = 1e-4
"""Keeps the weights finite where the parts tell right from wrong without a mistake."""


def fit(scored: Sequence[Scored], geometry: Geometry) -> tuple[ScoreOptions, float]:
    """The logistic mapping with the best likelihood, no weight below 0, and the calibration error that it has here.

    Raises:
        DataError: no detection says its score's parts, or all are right, or none.
    """
    from scipy.optimize import minimize

    matches = operating.match(scored, geometry)
    items = sorted((i for s in scored for i in s.found), key=lambda i: -i.score)  # stable, as the matches are
    counted = np.array([bool(i.parts) for i in items], bool) & ~matches.ignored
    parts, right = np.array([i.parts for i, ok in zip(items, counted, strict=True) if ok]), matches.right[counted]
    if not 0 < right.sum() < len(right):
        raise DataError(f"expected detections with their score's parts, some right and some not; {right.sum()} of "
                        f"{len(right)} are right")  # fmt: skip

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        logit = x[0] + parts @ x[1:]
        wrong_by = 1 / (1 + np.exp(-logit)) - right
        gradient = np.array([wrong_by.mean(), *(parts * wrong_by[:, None]).mean(0)])
        value = (np.logaddexp(0, logit) - right * logit).mean() + RIDGE * (x[1:] @ x[1:])
        return float(value), gradient + 2 * RIDGE * np.array([0, *x[1:]])

    best = minimize(
        loss, [0, *[1] * len(PARTS)], jac=True, bounds=[(-100, 100), *[(0, 100)] * len(PARTS)], method="L-BFGS-B"
    ).x
    options = ScoreOptions("logistic", *(round(float(v), 4) for v in best))
    return options, operating.calibration_error(score(parts, options), right)
