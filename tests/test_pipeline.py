"""The whole way of a frame, with models that know colours."""

import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from fakes import FakeGrounder, FakeSegmenter, FakeVlm, picture
from torch._dynamo.utils import counters

from vlsam_ros.config import Config
from vlsam_ros.data import Answer, Detections, ImageLayout, NamedMap, View
from vlsam_ros.errors import BadImageError, ConfigError, SegmenterError, VlmError, VlsamError
from vlsam_ros.pipeline import VLSam, load, paint

BOXES = {"red box": [(40, 60, 90, 120), (200, 140, 240, 170)], "blue ball": [(150, 30, 180, 50)]}


def run(image: np.ndarray, vlm: object = None, **options: object) -> Detections:
    config = Config.from_flat({k.replace("__", "."): v for k, v in options.items()})
    return VLSam(vlm or FakeVlm(), FakeSegmenter(), config)(image)


def boxes(result: Detections) -> list[tuple]:
    return sorted((d.label, *d.xyxy) for d in result.items)


ONE_VIEW = Config.from_flat({"views.far": 0, "views.tile_rows": 0})
EXPECTED = sorted((name, *map(float, box)) for name, some in BOXES.items() for box in some)


@pytest.mark.parametrize("views", [{}, {"views__tile_rows": 0, "views__far": 0}, {"views__full": False}])
def test_finds_every_instance_exactly(views):
    image = picture((200, 320), BOXES)
    result = run(image, **views)
    assert boxes(result) == EXPECTED
    for d in result.items:
        x0, y0, x1, y1 = map(int, d.xyxy)
        assert d.mask.area == (x1 - x0) * (y1 - y0)
        assert 0.3 < d.score <= 1 and d.score == pytest.approx((d.attention + d.iou + d.consistency) / 3)
    assert list(result.scores) == sorted(result.scores, reverse=True)
    assert result.skipped == () and result.demonstration and result.vlm == "fake-vlm"


def test_reports_what_was_said_and_how_long_it_took():
    result = run(picture((200, 320), BOXES))
    assert [view for view, _, _ in result.answers] == [
        "full", "far_0", "far_1", "far_2", "tile_0_0", "tile_0_1", "tile_1_0", "tile_1_1",
    ]  # fmt: skip
    assert set(result.timings_s) == {"vlm", "attention", "segmenter", "verify", "merge", "total"}
    assert sum(result.timings_s.values()) <= 2.01 * result.timings_s["total"]


def test_heat_lies_on_the_objects():
    result = run(picture((200, 320), {"red box": [(40, 56, 96, 120)]}))
    assert result.heat.shape == (25, 40) and result.heat.min() >= 0 and result.heat.max() <= 1
    inside = result.heat[7:15, 5:12].mean()
    outside = result.heat.copy()
    outside[5:17, 3:14] = 0
    assert inside > 0.5 and outside.max() < 0.1


def test_several_questions_share_one_map_per_name():
    vlm = FakeVlm()
    result = run(picture((200, 320), BOXES), vlm, questions__questions=["What?", "Where?"])
    assert boxes(result) == EXPECTED
    assert len(result.answers) == 16 and vlm.calls == 8


@pytest.mark.parametrize("text", ["none", "0", "There is nothing on the road."])
def test_no_name_no_instance_and_no_segmenter(text):
    segmenter = FakeSegmenter()
    result = VLSam(FakeVlm(text=text), segmenter)(picture((200, 320), BOXES))
    assert len(result) == 0 and segmenter.embedded == 0
    assert result.heat.max() == 0 and result.masks().shape == (0, 200, 320)
    assert result.answers[0][2] == text


class Says(FakeVlm):
    """Answers as it is told by the question; else with what it sees."""

    def __init__(self, **answers: str) -> None:
        super().__init__()
        self.answers = answers

    def _say(self, question: str, size_hw: tuple[int, int], seen: dict) -> Answer:
        said = super()._say(question, size_hw, seen)
        return replace(said, text=self.answers[question], token_spans=()) if question in self.answers else said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("I'm sorry, but I can't help with that.", "refusal", id="refusal"),
        pytest.param("<think>There might be a dog", "a thought and no answer", id="thought"),
        pytest.param("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "repetition", id="runaway"),
    ],
)
def test_an_answer_that_is_none_is_said_so(text: str, reason: str) -> None:
    config = Config.from_flat({"questions.questions": ["What?", "Odd?"], "views.far": 0, "views.tile_rows": 0})
    result = VLSam(Says(**{"Odd?": text}), FakeSegmenter(), config)(picture((200, 320), BOXES))
    assert result.problems == (f"full: Odd?: {reason}",) and boxes(result) == EXPECTED and not result.skipped
    with pytest.raises(VlmError, match=rf"answered none of 2 questions: full: What\?: {reason}; full: Odd\?: {reason}"):
        VLSam(Says(**{"Odd?": text, "What?": text}), FakeSegmenter(), config)(picture((200, 320), BOXES))


class Wonders(FakeVlm):
    """Finds a view the stranger the wider it is."""

    def _say(self, question: str, size_hw: tuple[int, int], seen: dict) -> Answer:
        return replace(super()._say(question, size_hw, seen), novelty=size_hw[1] / 200)


def test_novelty_is_that_of_the_full_view_and_costs_no_instance() -> None:
    image, first = picture((200, 320), BOXES), []
    config = Config.from_flat({"views.tile_rows": 2})
    result = VLSam(Wonders(), FakeSegmenter(), config)(image, preliminary=first.append)
    assert result.novelty == 1.6 and "novelty 1.6" in result.unfamiliar and boxes(result) == EXPECTED
    assert [one.novelty for one in first] == [1.6]
    assert VLSam(Wonders(), FakeSegmenter(), config)(picture((200, 180), {})).unfamiliar == ""


def test_without_the_full_view_or_a_vlm_that_knows_novelty_is_not_known() -> None:
    image = picture((200, 320), BOXES)
    assert run(image, Wonders(), views__full=False).novelty is None
    result = run(image)
    assert result.novelty is None and result.unfamiliar == ""


def test_what_is_named_and_found_nowhere_is_said_so() -> None:
    result = VLSam(FakeVlm(text="unicorn, red box"), FakeSegmenter(), ONE_VIEW)(picture((200, 320), BOXES))
    (question,) = ONE_VIEW.questions.questions
    assert result.problems == (f"full: {question}: no place for 'unicorn'",)
    assert {d.label for d in result.items} == {"red box"}


def test_an_answer_that_was_cut_off_is_said_so() -> None:
    class Cut(FakeVlm):
        def _say(self, *given: object) -> Answer:
            return replace(super()._say(*given), truncated=True)

    result = VLSam(Cut(), FakeSegmenter(), ONE_VIEW)(picture((200, 320), BOXES))
    assert [p.rpartition(": ")[2] for p in result.problems] == ["cut off at vlm.max_new_tokens"]
    assert {d.label for d in result.items} == {"red box"}  # the last name may be half of one


def test_an_honest_nothing_is_an_answer() -> None:
    result = VLSam(FakeVlm(text="There are no objects on the road."), FakeSegmenter())(picture((200, 320), BOXES))
    assert result.problems == () and len(result) == 0


@pytest.mark.parametrize("beside", [{}, {"grounder.mode": "both"}, {"verify.ask": True}, {"attention.preset": "decaf"}])
def test_queries_and_keys_of_a_step_go_before_the_next_is_asked(beside: dict) -> None:
    class Watched(FakeVlm):
        alive: list[weakref.ref] = []

        def answer_views(self, views: Sequence[np.ndarray], *rest: object) -> list[list[Answer]]:
            assert [ref for ref in self.alive if ref()] == []
            return super().answer_views(views, *rest)

        def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
            assert not questions[0].startswith("Is there") or [ref for ref in self.alive if ref()] == []
            answers = super().answer(view, questions)
            self.alive += [weakref.ref(answer.layer) for answer in answers]
            return answers

    vlm = Watched()
    config = Config.from_flat({"vlm.view_batch": 3, **beside})
    VLSam(vlm, FakeSegmenter(), config, FakeGrounder())(picture((200, 320), BOXES))
    assert len(vlm.alive) >= 8


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 9 GiB"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
        cv2.error("OpenCV(4.14.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
)
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("vlsam_ros.recognition.attention.flow", VlmError),
        ("fakes.FakeVlm.answer_views", VlmError),
        ("fakes.FakeSegmenter.embed", SegmenterError),
        ("fakes.FakeSegmenter.segment", SegmenterError),
        ("fakes.FakeEmbedding.upscale", SegmenterError),
        ("vlsam_ros.pipeline.merge", VlsamError),
    ],
)
def test_out_of_memory_is_the_error_of_its_part(
    place: str, kind: type, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched, pytest.raises(VlsamError, match="out of memory") as caught:
        patched.setattr(place, fail)
        run(picture((200, 320), BOXES))
    assert caught.type is kind and caught.value.__cause__ is error
    assert boxes(run(picture((200, 320), BOXES))) == EXPECTED  # the next frame works


def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlsam_ros.pipeline.merge", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(picture((200, 320), BOXES))


def test_a_name_without_evidence_costs_nothing_else():
    text = "unicorn, red box, blue ball"
    result = run(picture((200, 320), BOXES), FakeVlm(text=text))
    assert set(EXPECTED) <= set(boxes(result))


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 300), (7, 5), (33, 47)])
def test_tiny_pictures(size_hw):
    result = run(np.full((*size_hw, 3), 128, np.uint8))
    assert result.size_hw == size_hw and len(result) == 0


class SlowVlm(FakeVlm):
    def answer(self, view, questions):
        time.sleep(0.05)
        return super().answer(view, questions)


@pytest.mark.parametrize(("budget_s", "most"), [(0.0, 1), (0.21, 4)])
def test_budget_skips_the_least_important_views(budget_s, most):
    result = VLSam(SlowVlm(), FakeSegmenter())(picture((200, 320), BOXES), budget_s=budget_s)
    looked = [view for view, _, _ in result.answers]
    assert looked[0] == "full" and 1 <= len(looked) <= most
    assert [*looked, *result.skipped][:4] == ["full", "far_0", "far_1", "far_2"] and len(
        looked + list(result.skipped)
    ) == 8
    assert boxes(result)[-1][0] == "red box"


def test_enough_budget_skips_nothing():
    assert VLSam(FakeVlm(), FakeSegmenter())(picture((200, 320), BOXES), budget_s=600).skipped == ()


def test_budget_asks_more_questions_before_it_looks_at_tiles():
    class Clocked(SlowVlm):
        def __init__(self):
            super().__init__()
            self.asked = []

        def answer(self, view, questions):
            self.asked.append(len(questions))
            return super().answer(view, questions)

    vlm, image, config = Clocked(), picture((200, 320), BOXES), Config.from_flat({"questions.questions": ["A?", "B?"]})
    whole = VLSam(vlm, FakeSegmenter(), config)(image, budget_s=600)
    assert vlm.asked == [1] * 8 + [2] * 4 and whole.skipped == () and boxes(whole) == EXPECTED
    hurried = VLSam(SlowVlm(), FakeSegmenter(), config)(image, budget_s=0)
    assert hurried.skipped[0] == "full: B?" and hurried.skipped[1:] == tuple(
        v for v in dict.fromkeys(v for v, _, _ in whole.answers) if v != "full"
    )


def test_the_full_view_comes_first_where_a_preliminary_result_is_wanted():
    image, early = picture((200, 320), BOXES), []
    detector = VLSam(FakeVlm(), FakeSegmenter())
    final = detector(image, preliminary=early.append)
    assert boxes(final) == EXPECTED and final.skipped == ()
    (first,) = early
    assert {d.view for d in first.items} == {"full"} and {view for view, _, _ in first.answers} == {"full"}
    assert first.skipped == tuple(dict.fromkeys(view for view, _, _ in final.answers if view != "full"))
    assert boxes(first) == boxes(VLSam(FakeVlm(), FakeSegmenter(), ONE_VIEW)(image))
    early.clear()
    VLSam(FakeVlm(), FakeSegmenter(), ONE_VIEW)(image, preliminary=early.append)
    assert not early  # there is nothing more to come


def test_questions_of_the_moment_are_asked_beside_the_others():
    image = picture((200, 320), BOXES)
    detector, question = VLSam(FakeVlm(), FakeSegmenter(), ONE_VIEW), "Is there debris on the left lane?"
    usual = detector.config.questions.questions
    assert [q for _, q, _ in detector(image, extra=[question, *usual, question]).answers] == [*usual, question]
    assert [q for _, q, _ in detector(image).answers] == usual


def test_options_change_between_two_frames():
    image = picture((200, 320), BOXES)
    detector = VLSam(FakeVlm(), FakeSegmenter(), ONE_VIEW)
    detector.configure(Config.from_flat({**ONE_VIEW.flat(), "questions.ignore": ["red box"]}))
    assert set(detector(image).labels) == {"blue ball"}
    grounder = FakeGrounder()
    detector = VLSam(FakeVlm(), FakeSegmenter(), Config.from_flat({"grounder.mode": "grounder"}), grounder)
    detector.configure(Config.from_flat({"grounder.mode": "grounder", "grounder.threshold": 0.9}))
    assert grounder.options.threshold == 0.9


def test_a_view_is_one_array_in_all_steps_of_a_frame():
    """So that what a model made of it is there when it is asked about again."""

    class Keeping(FakeVlm):
        def __init__(self):
            super().__init__()
            self.fresh = []

        def answer_views(self, views, *rest):
            self.fresh.append([view.kept.setdefault(self, len(self.fresh)) == len(self.fresh) for view in views])
            return super().answer_views(views, *rest)

    vlm, config = Keeping(), Config.from_flat({"questions.questions": ["A?", "B?"]})
    VLSam(vlm, FakeSegmenter(), config)(picture((200, 320), BOXES), budget_s=600)
    assert vlm.fresh == [[True], [True] * 3, [False] * 4, [True] * 4]


def test_the_next_frame_knows_how_long_a_step_takes():
    """The first looks at one view until it knows, the next at all at once if they fit, else at as many as do."""

    class Counted(SlowVlm):
        def __init__(self):
            super().__init__()
            self.sizes = []

        def answer_views(self, views, *rest):
            self.sizes.append(len(views))
            return super().answer_views(views, *rest)

    vlm = Counted()
    detector = VLSam(vlm, FakeSegmenter())
    for _ in range(2):
        assert detector(picture((200, 320), BOXES), budget_s=600).skipped == ()
    assert vlm.sizes == [1, 3, 4, 8]
    hurried = detector(picture((200, 320), BOXES), budget_s=0.35)
    assert 1 < vlm.sizes[4] <= 4 and "tile_1_1" in hurried.skipped


def test_a_known_horizon_moves_the_far_field():
    image = picture((200, 320), {"red box": [(150, 20, 156, 26)]})
    only_far = {"views__full": False, "views__tile_rows": 0, "views__far_scale": 0.2}
    config = Config.from_flat({k.replace("__", "."): v for k, v in only_far.items()})
    detector = VLSam(FakeVlm(), FakeSegmenter(), config)
    assert len(detector(image)) == 0
    assert boxes(detector(image, horizon=0.05)) == [("red box", 150, 20, 156, 26)]


def test_what_is_denied_is_dropped_and_kept_aside():
    class Liar(FakeVlm):
        def answer(self, view, questions):
            said = super().answer(view, questions)
            return [replace(a, text=a.text.replace("blue ball", "grey cube")) for a in said]

    image = picture((200, 320), BOXES)
    believed, result = run(image, Liar()), run(image, Liar(), verify__ask=True)
    assert believed.labels.count("grey cube") == 1 and believed.dropped == ()
    assert boxes(result) == [row for row in EXPECTED if row[0] == "red box"] and result.skipped == ()
    (dropped,) = result.dropped
    assert (dropped.label, dropped.reason, dropped.xyxy) == ("grey cube", "denied", (150, 30, 180, 50))
    assert ("full", "Is there a grey cube in the picture? Answer yes or no.", "No.") in result.answers


def test_what_is_inconsistent_is_dropped_and_kept_aside():
    image = picture((200, 320), BOXES)
    result = run(image, verify__min_consistency=1.0, views__far=0, views__tile_rows=0)
    assert {d.reason for d in result.dropped} == {"inconsistent"}
    assert all(d.consistency < 1 for d in result.dropped) and all(d.consistency == 1 for d in result.items)
    assert len(result) + len(result.dropped) == 3


def test_failures_leave_the_pipeline():
    class Broken(FakeVlm):
        def answer(self, view, questions):
            raise VlmError("no attention was recorded")

    class Short(FakeVlm):
        def answer(self, view, questions):
            return []

    image = picture((64, 64), {})
    for vlm in (Broken(), Short()):
        with pytest.raises(VlmError):
            run(image, vlm)
    with pytest.raises(BadImageError):
        run(image.astype(np.float32))
    with pytest.raises(ConfigError):
        run(image, questions__questions=[])


def test_generated_questions_are_asked_once_per_frame():
    class Curious(FakeVlm):
        def answer(self, view, questions):
            if questions[0].startswith("Write"):
                self.text = "1. What is red?\n2. What is blue?"
            out = super().answer(view, questions)
            self.text = None
            return out

    result = run(picture((200, 320), BOXES), Curious(), questions__mode="generated")
    assert {q for _, q, _ in result.answers} == {"What is red?", "What is blue?"}
    assert boxes(result) == EXPECTED


def test_is_deterministic():
    image = picture((200, 320), BOXES)
    first, second = run(image), run(image)
    assert boxes(first) == boxes(second) and np.array_equal(first.heat, second.heat)
    assert np.array_equal(first.scores, second.scores)


def test_paint_keeps_to_the_grid_and_the_view():
    canvas = np.zeros((10, 10), np.float32)
    layout = ImageLayout(np.zeros((2, 2), int), (8.0, -16.0, 24.0, 32.0))
    paint(canvas, [NamedMap("dog", np.ones((2, 2), np.float32), layout)], View("far_0", (16, 16, 48, 40)))
    assert np.flatnonzero(canvas.any(1)).tolist() == [2, 3, 4] and np.flatnonzero(canvas.any(0)).tolist() == [3, 4]


@pytest.mark.parametrize("corner", [(0, 0), (-12, 37), (25, -9)])
def test_painted_heat_is_the_maps_at_each_cells_centre(corner):
    """Maps that rise evenly along a side, on cells of 20 × 40 px; between the cells' centres a map is linear."""
    view, heats = View("tile_0_0", (16, 24, 176, 184)), np.mgrid[:4, :8].astype(np.float32)
    layout = ImageLayout(np.arange(32).reshape(4, 8), (*corner, corner[0] + 160.0, corner[1] + 160.0))
    centres = 8 * np.arange(24) + 4.0
    for heat, axis, cell, cells in ((heats[1] / 7, 0, 20, 8), (heats[0] / 3, 1, 40, 4)):
        canvas = np.zeros((24, 24), np.float32)
        paint(canvas, [NamedMap("dog", heat, layout)], view)
        at = (centres - view.xyxy[axis] - corner[axis]) / cell - 0.5
        inside = (at >= 0) & (at <= cells - 1) & (centres > view.xyxy[axis]) & (centres < view.xyxy[axis + 2])
        line = canvas[12] if axis == 0 else canvas[:, 12]
        assert inside.sum() > 10 and np.allclose(line[inside], at[inside] / (cells - 1), atol=0.01)


@pytest.mark.parametrize("group", ["vlm", "segmenter", "grounder"])
def test_a_device_that_is_not_there_is_named(group: str) -> None:
    given = {"grounder.mode": "grounder", "grounder.model": "none", f"{group}.device": "toaster"}
    with pytest.raises(ConfigError, match=rf"^{group}\.device: expected 'auto', .* got 'toaster'"):
        load(Config.from_flat(given))


@pytest.mark.parametrize("budget_s", [0.0, 600.0])
def test_after_loading_no_frame_compiles(monkeypatch: pytest.MonkeyPatch, budget_s: float) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    given = {
        "vlm.compile": "on",
        "node.latency_budget_s": budget_s,
        "questions.questions": ["List all.", "What is it?"],
    }
    detector = load(Config.from_flat({"vlm.device": "cpu", "segmenter.device": "cpu", **given}))
    made = counters["stats"]["unique_graphs"]
    assert detector.vlm._batch.compiled and made
    plain = load(Config.from_flat({"vlm.device": "cpu", "segmenter.device": "cpu", **given, "vlm.compile": "off"}))
    for size_hw in ((270, 480), (300, 400)):
        frame = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
        answers = [d(frame, budget_s=budget_s or None).answers for d in (detector, plain)]
        assert answers[0] == answers[1] and len(answers[0]) == 16
    assert counters["stats"]["unique_graphs"] == made
