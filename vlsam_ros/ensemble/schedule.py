"""What is looked at and asked first, and what a latency budget leaves out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..data import View


@dataclass(frozen=True)
class Step:
    """Views that are looked at together, and the questions asked about each of them."""

    views: tuple[View, ...]
    questions: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many answers it takes."""
        return len(self.views) * len(self.questions)


def plan(views: Sequence[View], questions: Sequence[str], batch: int, hurry: bool, first: bool = False) -> list[Step]:
    """The work on a frame in the order of its importance, at most `batch` views at a time.

    Without hurry each view is looked at once and asked everything. In a hurry the first question alone goes to the full
    view and the bands along the horizon, then the other questions go to them, then all questions to the tiles. With
    `first` the first view, which is the full one, is a step of its own before all that.
    """
    if first and len(views) > 1:
        whole = plan(views[:1], questions, batch, hurry=False)
        return [*whole, *plan(views[1:], questions, batch, hurry)]
    foremost, rest = tuple(questions[:1]), tuple(questions[1:])
    tiles = [view for view in views if view.name.startswith("tile")]
    other = [view for view in views if not view.name.startswith("tile")]
    parts = [(other, foremost), (other, rest), (tiles, foremost + rest)] if hurry else [(views, foremost + rest)]
    return [
        Step(tuple(group[i : i + batch]), asked) for group, asked in parts if asked for i in range(0, len(group), batch)
    ]


SLOW = 8.0
"""A run that took so many times as long for its load as half of all do tells nothing."""


class Pace:
    """How long some kind of work takes, learnt from how long it took.

    Seconds are a sum of what each unit of the load costs, never negative, fitted to the last runs but those that took
    far longer than others, as the first one may; loads that always grew together share what they cost.
    """

    def __init__(self, runs: int = 32) -> None:
        self._runs: deque[tuple[tuple[float, ...], float]] = deque(maxlen=runs)
        self._costs: np.ndarray | None = None

    def learn(self, load: Sequence[float], seconds: float) -> None:
        """What a run took: its load is an amount of each unit, >= 0."""
        self._runs.append((tuple(load), seconds))
        self._costs = None

    def expected(self, load: Sequence[float]) -> float | None:
        """Seconds that a load will take; None before anything is known."""
        if not self._runs:
            return None
        if self._costs is None:
            loads, seconds = (np.array(column, float) for column in zip(*self._runs, strict=True))
            each = seconds / np.maximum((loads / np.maximum(loads.max(0), 1e-9)).sum(1), 1e-9)
            usual = each <= SLOW * np.median(each)
            self._costs = _not_negative(loads[usual], seconds[usual])
        return float(np.asarray(load, float) @ self._costs)


def _not_negative(loads: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Costs (U,) >= 0 with which loads (N, U) make seconds (N,): least squares without those that would be negative."""
    scale = loads.max(0)
    used, costs = scale > 0, np.zeros(loads.shape[1])
    while used.any():
        fitted = np.linalg.lstsq(loads[:, used] / scale[used], seconds, rcond=1e-6)[0]
        costs[:] = 0
        costs[used] = np.maximum(fitted, 0) / scale[used]
        if (fitted >= 0).all():
            break
        used[used] = fitted >= 0
    return costs


def until_spent(
    budget_s: float | None, steps: Sequence[Step], started: float, cost: Callable[[Step], float | None]
) -> Iterator[Step]:
    """The steps, or as many of their views as time allows, and of the first at least one view.

    A part of a step is not begun if it would end more than `budget_s` seconds after `started` (on `perf_counter`); once
    not even one view fits, nothing more is.

    Args:
        cost: seconds that a step, and what is to be done after the last one, will take; None: not known yet, so that
            one view alone is looked at.
    """
    waiting, begun = deque(steps), False
    while waiting:
        step = waiting.popleft()
        if budget_s is not None:
            fit = _fitting(step, started + budget_s - perf_counter(), cost)
            if begun and not fit:
                return
            if rest := step.views[max(fit, 1) :]:
                waiting.appendleft(Step(rest, step.questions))
            step = Step(step.views[: max(fit, 1)], step.questions)
        begun = True
        yield step


def _fitting(step: Step, left_s: float, cost: Callable[[Step], float | None]) -> int:
    """How many of a step's views fit into the time that is left; one, if nothing is known and there is any."""
    for n in range(len(step.views), 0, -1):
        seconds = cost(Step(step.views[:n], step.questions))
        if seconds is None:
            return int(left_s > 0)
        if seconds <= left_s:
            return n
    return 0


def left_out(views: Sequence[View], questions: Sequence[str], asked: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """What is missing from the (view's name, question) that were asked: views' names, else ``view: question``."""
    out = []
    for view in views:
        missing = [q for q in questions if (view.name, q) not in asked]
        out += [view.name] if len(missing) == len(questions) else [f"{view.name}: {q}" for q in missing]
    return tuple(out)
