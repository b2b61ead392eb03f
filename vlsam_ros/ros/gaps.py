"""How many of a camera's frames were published and never came. Plain Python, no ROS."""

from __future__ import annotations

from collections import deque

import numpy as np

PERIODS = 20
"""How many periods between stamps are looked at."""

REGULAR = 0.2
"""Share of a period by which the stamps of a regular camera may be off."""


class Gaps:
    """Frames lost before the callback, of one publisher: by its sequence numbers, else by stamps that are regular.

    Stamps only give an estimate: a camera whose rate was lowered seems to lose frames for `PERIODS` frames.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another publisher sends from now on."""
        self._sequence: int | None = None
        self._stamp_s = 0.0
        self._steps_s: deque[float] = deque(maxlen=PERIODS)

    def lost(self, sequence: int | None, stamp_s: float) -> int | None:
        """How many are missing between the last frame and this; None if that can't be told.

        Args:
            sequence: the publisher's count, if the middleware tells it. One that falls begins again.
            stamp_s: of the header, 0: none.
        """
        if sequence is not None:
            last, self._sequence = self._sequence, sequence
            return 0 if last is None else max(sequence - last - 1, 0)
        step_s, self._stamp_s = stamp_s - self._stamp_s, stamp_s
        if not 0 < step_s < stamp_s:  # the first stamp, none, or one that does not advance
            self._steps_s.clear()
            return None
        self._steps_s.append(step_s)
        period_s = self._period_s()
        return max(round(step_s / period_s) - 1, 0) if period_s else None

    def _period_s(self) -> float | None:
        """The period that all steps are multiples of, as far as they are regular."""
        if len(self._steps_s) < PERIODS:
            return None
        steps_s = np.array(self._steps_s)
        multiples = np.round(steps_s / np.quantile(steps_s, 0.2, method="nearest"))
        period_s = float(steps_s.sum() / multiples.sum())
        off = np.abs(steps_s / period_s - multiples)
        return period_s if np.mean((off <= REGULAR) & (multiples > 0)) >= 0.8 else None
