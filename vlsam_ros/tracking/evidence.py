"""How far an object is believed that some keyframes saw and others did not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from ..config import TrackOptions

SURE = 0.99
"""Nothing is believed more, nor less than 1 - SURE: so what was seen for long and is gone ends after a few."""


@dataclass(frozen=True)
class Evidence:
    """What keyframes say about one track.

    The odds that it is real are those of its best score, times what each later keyframe tells (Bayes' rule, keyframes
    taken as independent): `again` / `again_false` where it was seen, (1 - `again`) / (1 - `again_false`) where not.

    Attributes:
        best: the best score that it was seen with.
        seen, looked: keyframes that saw it, of those that looked where it was.
        odds: the logarithm of the odds.
    """

    best: float
    seen: int = 1
    looked: int = 1
    odds: float = field(kw_only=True)

    @classmethod
    def of(cls, score: float) -> Evidence:
        """After the first keyframe that saw it."""
        return cls(score, odds=_odds(score))

    def saw(self, score: float, options: TrackOptions) -> Evidence:
        """After one more keyframe that saw it."""
        best = max(self.best, score)
        odds = self.odds + _odds(best) - _odds(self.best) + math.log(options.again / options.again_false)
        return Evidence(best, self.seen + 1, self.looked + 1, odds=_bounded(odds))

    def missed(self, options: TrackOptions) -> Evidence:
        """After one more keyframe that looked and did not see it."""
        odds = self.odds + math.log((1 - options.again) / (1 - options.again_false))
        return replace(self, looked=self.looked + 1, odds=_bounded(odds))

    @property
    def believed(self) -> float:
        """The probability that it is real."""
        return 1 / (1 + math.exp(-self.odds))


def _odds(probability: float) -> float:
    """The logarithm of the odds, within those of `SURE`."""
    p = min(max(probability, 1 - SURE), SURE)
    return math.log(p / (1 - p))


def _bounded(odds: float) -> float:
    return min(max(odds, _odds(0.0)), _odds(1.0))
