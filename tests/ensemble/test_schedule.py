"""What comes first, and what a budget leaves out."""

import numpy as np
import pytest

from vlsam_ros.config import ViewOptions
from vlsam_ros.ensemble import schedule
from vlsam_ros.ensemble.schedule import Pace, Step, left_out, plan, until_spent
from vlsam_ros.ensemble.tiling import views

VIEWS = views((900, 1600), ViewOptions(far=2, tile_rows=1))
NAMES = ["full", "far_0", "far_1", "tile_0_0", "tile_0_1"]


def said(steps: list[Step]) -> list[str]:
    return [f"{','.join(v.name for v in s.views)}:{''.join(s.questions)}" for s in steps]


@pytest.mark.parametrize(
    ("questions", "batch", "hurry", "expected"),
    [
        ("A", 1, False, [f"{name}:A" for name in NAMES]),
        ("A", 1, True, [f"{name}:A" for name in NAMES]),
        ("ABC", 1, False, [f"{name}:ABC" for name in NAMES]),
        ("ABC", 1, True,
         ["full:A", "far_0:A", "far_1:A", "full:BC", "far_0:BC", "far_1:BC", "tile_0_0:ABC", "tile_0_1:ABC"]),
        ("ABC", 4, False, ["full,far_0,far_1,tile_0_0:ABC", "tile_0_1:ABC"]),
        ("ABC", 2, True, ["full,far_0:A", "far_1:A", "full,far_0:BC", "far_1:BC", "tile_0_0,tile_0_1:ABC"]),
        ("AB", 32, True, ["full,far_0,far_1:A", "full,far_0,far_1:B", "tile_0_0,tile_0_1:AB"]),
    ],
)  # fmt: skip
def test_the_order_of_work(questions, batch, hurry, expected):
    assert said(plan(VIEWS, list(questions), batch, hurry)) == expected


@pytest.mark.parametrize("hurry", [False, True])
@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("n", [1, 2, 10])
def test_every_view_is_asked_everything_once(n, batch, hurry):
    questions = [f"q{i}" for i in range(n)]
    steps = plan(VIEWS, questions, batch, hurry)
    asked = [(v.name, q) for s in steps for v in s.views for q in s.questions]
    assert sorted(asked) == sorted((name, q) for name in NAMES for q in questions)
    assert sum(s.size for s in steps) == len(asked) and all(0 < len(s.views) <= batch for s in steps)


@pytest.mark.parametrize(
    "only", [ViewOptions(full=False, far=0), ViewOptions(far=0, tile_rows=0), ViewOptions(full=False)]
)
def test_any_choice_of_views_has_a_first_step(only):
    some = views((900, 1600), only)
    for hurry in (True, False):
        assert plan(some, ["A", "B"], 1, hurry)[0].views == (some[0],)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that only the test lets pass."""
    now = [100.0]
    monkeypatch.setattr(schedule, "perf_counter", lambda: now[0])
    return now


def run(clock, budget_s, each_s, questions="A", batch=1, known=True):
    """The steps that are begun, if each answer takes `each_s` seconds, and that is known."""
    done = []
    steps = plan(VIEWS, list(questions), batch, budget_s is not None)
    for step in until_spent(budget_s, steps, clock[0], lambda s: each_s * s.size if known else None):
        done.append(step)
        clock[0] += each_s * step.size
    return said(done)


@pytest.mark.parametrize(
    ("budget_s", "each_s", "steps"),
    [(None, 9.0, 5), (0.0, 0.1, 1), (0.5, 1.0, 1), (1.0, 1.0, 1), (2.0, 1.0, 2), (3.9, 1.0, 3), (5.0, 1.0, 5),
     (0.0, 0.0, 5)],
)  # fmt: skip
def test_a_step_that_would_end_too_late_is_not_begun(clock, budget_s, each_s, steps):
    assert run(clock, budget_s, each_s) == [f"{name}:A" for name in NAMES[:steps]]


def test_a_step_of_more_answers_is_expected_to_take_longer(clock):
    assert run(clock, 4.0, 1.0, "ABC") == ["full:A", "far_0:A", "far_1:A"]
    assert run(clock, 5.0, 1.0, "ABC") == ["full:A", "far_0:A", "far_1:A", "full:BC"]
    assert run(clock, 7.0, 1.0, "ABC") == ["full:A", "far_0:A", "far_1:A", "full:BC", "far_0:BC"]


@pytest.mark.parametrize(
    ("budget_s", "expected"),
    [
        (0.0, ["full:A"]),
        (1.5, ["full:A"]),
        (2.0, ["full,far_0:A"]),
        (3.0, ["full,far_0,far_1:A"]),
        (5.0, ["full,far_0,far_1:A", "full:BC"]),
        (11.0, ["full,far_0,far_1:A", "full,far_0,far_1:BC"]),
        (15.0, ["full,far_0,far_1:A", "full,far_0,far_1:BC", "tile_0_0,tile_0_1:ABC"]),
    ],
)
def test_of_a_step_as_many_views_as_fit_are_looked_at(clock, budget_s, expected):
    assert run(clock, budget_s, 1.0, "ABC", 32) == expected


@pytest.mark.parametrize(("budget_s", "views"), [(0.0, 1), (2.5, 3), (9.0, 5)])
def test_where_nothing_is_known_one_view_is_looked_at_at_a_time(clock, budget_s, views):
    assert run(clock, budget_s, 1.0, "A", 32, known=False) == [f"{name}:A" for name in NAMES[:views]]


def test_time_spent_before_counts(clock):
    steps = plan(VIEWS, ["A"], 1, True)
    assert len(list(until_spent(3.0, steps, clock[0] - 4.0, lambda _: 0.1))) == 1


def test_the_pace_of_what_was_never_done_is_unknown():
    assert Pace().expected((1, 2)) is None


@pytest.mark.parametrize("costs", [(0.5, 0.02, 0.3), (0.0, 0.1, 0.0), (0.001, 0.0, 2.0)])
def test_the_pace_is_learnt_from_what_loads_took(costs):
    pace, rng = Pace(), np.random.default_rng(0)
    for _ in range(40):
        load = (*rng.integers(0, 3000, 1), *rng.integers(1, 30, 1), 1)
        pace.learn(load, float(np.dot(load, costs)))
    assert pace.expected((1200, 7, 1)) == pytest.approx(np.dot((1200, 7, 1), costs), rel=1e-6)


def test_loads_that_grow_together_share_what_they_cost_and_none_is_negative():
    pace = Pace()
    pace.learn((600, 2, 1), 3.0)
    assert pace.expected((600, 2, 1)) == pytest.approx(3.0)
    assert 3.0 < pace.expected((1200, 4, 1)) <= 6.0 and 0 < pace.expected((0, 2, 1)) < 3.0
    pace.learn((1200, 4, 1), 2.5)  # less for more, as the first one warmed up
    expected = [pace.expected((600 * n, 2 * n, 1)) for n in (0, 1, 2, 4)]
    assert expected == sorted(expected) and expected[0] >= 0


def test_a_run_that_waited_for_something_else_tells_nothing():
    pace = Pace()
    pace.learn((1000, 4, 1), 20.0)
    for _ in range(4):
        pace.learn((1000, 4, 1), 0.5)
    assert pace.expected((1000, 4, 1)) == pytest.approx(0.5)
    for _ in range(3):
        pace.learn((0, 8, 1), 0.4)  # of other units, which is no reason to leave it out
    assert pace.expected((0, 8, 1)) == pytest.approx(0.4, rel=0.2)


def test_a_pace_that_changes_is_followed():
    pace = Pace(runs=8)
    for seconds in [1.0] * 20 + [2.0] * 8:
        pace.learn((1, 1), seconds)
    assert pace.expected((1, 1)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], tuple(NAMES)),
        ([(name, q) for name in NAMES for q in "AB"], ()),
        ([("full", "A"), ("far_0", "A"), ("far_0", "B")], ("full: B", "far_1", "tile_0_0", "tile_0_1")),
        ([(name, "yes or no?") for name in NAMES], tuple(NAMES)),
    ],
)
def test_what_was_left_out(asked, expected):
    assert left_out(VIEWS, ["A", "B"], set(asked)) == expected
