"""What comes first, and what a budget leaves out."""

import pytest

from vlsam_ros.config import ViewOptions
from vlsam_ros.ensemble import schedule
from vlsam_ros.ensemble.schedule import Step, left_out, plan, until_spent
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


def run(clock: list[float], budget_s: float | None, each_s: float, questions: str = "A") -> list[str]:
    done = []
    for step in until_spent(budget_s, plan(VIEWS, list(questions), 1, budget_s is not None), clock[0]):
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


def test_time_spent_before_counts(clock):
    steps = plan(VIEWS, ["A"], 1, True)
    assert len(list(until_spent(3.0, steps, clock[0] - 4.0))) == 1


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
