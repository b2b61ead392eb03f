"""From the parts of a detection's score to the score."""

from __future__ import annotations

import numpy as np

from ..config import ScoreOptions

PARTS = ("attention", "iou", "consistency", "certainty")
"""The order of the parts everywhere."""


def score(parts: np.ndarray, options: ScoreOptions) -> np.ndarray:
    """Scores (…,) in [0, 1] of parts (…, 4) in [0, 1]: their weighted mean, or a logistic function of them.

    Either way no part can lower a score by rising. The logistic one is a probability if it was fitted to the detections
    of labelled scenes (`evaluation.calibration`).
    """
    weights = np.array([getattr(options, part) for part in PARTS])
    total = np.asarray(parts, float) @ weights
    if options.mapping == "mean":
        return total / weights.sum()
    return 1 / (1 + np.exp(-np.clip(total + options.bias, -500, 500)))
