"""How far an object is believed that some keyframes saw and others did not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..config import TrackOptions

SURE = 0.999
"""No score is taken for more, and none for less than 1 - SURE: odds stay finite."""


@dataclass(frozen=True)
class Evidence:
    """What keyframes say about one track.

    The odds that it is real are those of its best score, times what each later keyframe tells (Bayes' rule, keyframes
    taken as independent): `again` / `again_false` where it was seen, (1 - `again`) / (1 - `again_false`) where not.

    Attributes:
        best: the best score that it was seen with.
        seen, looked: keyframes that saw it, of those that looked where it was.
    """

    best: float
    seen: int = 1
    looked: int = 1

    def saw(self, score: float) -> Evidence:
        """After one more keyframe that saw it."""
        return Evidence(max(self.best, score), self.seen + 1, self.looked + 1)

    def missed(self) -> Evidence:
        """After one more keyframe that looked and did not see it."""
        return replace(self, looked=self.looked + 1)

    def believed(self, options: TrackOptions, unseen_s: float = 0.0) -> float:
        """The probability that it is real and still there, in [0, 1]; halves in `half_life_s` without being seen."""
        best = min(max(self.best, 1 - SURE), SURE)
        hit = math.log(options.again / options.again_false)
        miss = math.log((1 - options.again) / (1 - options.again_false))
        odds = math.log(best / (1 - best)) + (self.seen - 1) * hit + (self.looked - self.seen) * miss
        limit = math.log(SURE / (1 - SURE))
        real = 1 / (1 + math.exp(-min(max(odds, -limit), limit)))
        return real * 0.5 ** (max(unseen_s, 0.0) / options.half_life_s)
