"""What is looked at and asked first, and what a latency budget leaves out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

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


def plan(views: Sequence[View], questions: Sequence[str], batch: int, hurry: bool) -> list[Step]:
    """The work on a frame in the order of its importance, at most `batch` views at a time.

    Without hurry each view is looked at once and asked everything. In a hurry the first question alone goes to the full
    view and the bands along the horizon, then the other questions go to them, then all questions to the tiles. A view
    that is looked at twice is encoded twice.
    """
    first, rest = tuple(questions[:1]), tuple(questions[1:])
    tiles = [view for view in views if view.name.startswith("tile")]
    other = [view for view in views if not view.name.startswith("tile")]
    parts = [(other, first), (other, rest), (tiles, first + rest)] if hurry else [(views, first + rest)]
    return [
        Step(tuple(group[i : i + batch]), asked) for group, asked in parts if asked for i in range(0, len(group), batch)
    ]


def until_spent(budget_s: float | None, steps: Sequence[Step], started: float) -> Iterator[Step]:
    """The steps that time allows, the first always.

    A step is not begun if, at the last one's seconds per answer, it would end more than `budget_s` seconds after
    `started` (on `perf_counter`); nor is any after it.
    """
    each_s = 0.0
    for i, step in enumerate(steps):
        begun = perf_counter()
        if i and budget_s is not None and begun - started + each_s * step.size > budget_s:
            return
        yield step
        each_s = (perf_counter() - begun) / step.size


def left_out(views: Sequence[View], questions: Sequence[str], asked: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """What is missing from the (view's name, question) that were asked: views' names, else ``view: question``."""
    out = []
    for view in views:
        missing = [q for q in questions if (view.name, q) not in asked]
        out += [view.name] if len(missing) == len(questions) else [f"{view.name}: {q}" for q in missing]
    return tuple(out)
