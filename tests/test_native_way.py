"""The VLM's own boxes through the whole pipeline, alone and fused, with models that know colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeGrounder, FakeSegmenter, FakeVlm, WritingVlm, picture

from vlsam_ros import pipeline
from vlsam_ros.config import Config
from vlsam_ros.data import Answer, Detections, Witness
from vlsam_ros.errors import ConfigError, VlmError
from vlsam_ros.pipeline import VLSam

BOXES = {"red box": [(40, 60, 90, 120), (250, 20, 290, 60)], "blue ball": [(150, 30, 180, 50)]}
EXPECTED = sorted((name, *map(float, box)) for name, some in BOXES.items() for box in some)
IMAGE = picture((200, 320), BOXES)
ONE_VIEW = {"views.tile_rows": 0, "views.far": 0}


def run(mode: str, vlm: FakeVlm | None = None, grounder: FakeGrounder | None = None, **options: object) -> Detections:
    config = Config.from_flat({"grounder.mode": mode, **ONE_VIEW, **options})
    return VLSam(vlm or WritingVlm(), FakeSegmenter(), config, grounder)(IMAGE)


def boxes(result: Detections) -> list[tuple]:
    return sorted((d.label, *d.xyxy) for d in result.items)


@pytest.mark.parametrize("views", [{}, {"views.tile_rows": 2, "views.far": 3}], ids=["one view", "eight views"])
@pytest.mark.parametrize("ask", ["names", "at once"])
def test_own_boxes_alone(ask: str, views: dict) -> None:
    vlm = WritingVlm(attends=False)
    result = run("native", vlm, **{"native.ask": ask, **views})
    assert boxes(result) == EXPECTED and not result.problems and result.heat.max() == 0
    for d in result.items:
        assert d.source == "native" and [w.way for w in d.witnesses] == ["native"]
        assert (d.attention, d.iou) == pytest.approx((0.8, 0.95), abs=1e-3) and d.consistency > 0.9
    asked = {q for q in vlm.asked if q.startswith("detect")}
    assert asked == ({"detect every object"} if ask == "at once" else {"detect red box", "detect blue ball"})
    assert ("List every object on or near the road." in vlm.asked) == (ask == "names")


@pytest.mark.parametrize("ask", ["names", "at once"])
def test_one_generation_gives_three_witnesses(ask: str) -> None:
    result = run("attention+native", FakeNative(), **{"native.ask": ask, "score.certainty": 1.0})
    assert boxes(result) == EXPECTED
    for d in result.items:
        assert d.source == "attention+native" and [w.way for w in d.witnesses] == ["attention", "native"]
        assert all(w.evidence > 0.1 for w in d.witnesses) and d.certainty < 1, d.witnesses


def test_all_at_once_is_asked_only_for_boxes() -> None:
    assert {d.label for d in run("attention", FakeVlm(), **{"native.ask": "at once"}).items} == set(BOXES)


@pytest.mark.parametrize(
    ("options", "questions"),
    [
        ({"native.ask": "at once"}, ["detect every object"]),
        ({"native.ask": "at once", "questions.mode": "generated"}, ["detect every object"]),
        ({"native.ask": "names"}, ["A?", "B?"]),
        ({"questions.mode": "generated", "questions.generated": 3}, ["A?", "B?", "A?"]),
    ],
)
def test_the_questions_of_the_options_are_warmed_up(options: dict, questions: list[str]) -> None:
    class Logged(WritingVlm):
        def warm_up(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> None:
            self.asked += questions

    vlm = Logged()
    given = {"grounder.mode": "native", "questions.questions": ["A?", "B?"], **ONE_VIEW, **options}
    VLSam(vlm, FakeSegmenter(), Config.from_flat(given)).warm_up((200, 320))
    assert vlm.asked == questions


@pytest.mark.parametrize(
    ("mode", "checks", "looks"), [("native", False, False), ("native", True, True), ("attention+native", False, True)]
)
def test_hidden_states_are_asked_for_only_if_somebody_looks(mode: str, checks: bool, looks: bool) -> None:
    class Logged(WritingVlm):
        def answer_views(self, *given: object, **states: int) -> list[list[Answer]]:
            self.states = states
            return super().answer_views(*given, **states)

    vlm, layer = Logged(), Config().attention.hidden_layer
    run(mode, vlm, **{"attention.preset": "hidden", "fusion.attention_checks": checks})
    assert vlm.states == ({"hidden": layer} if looks else {})


class FakeNative(WritingVlm):
    """Cells so small that the maps of two red boxes are apart."""

    def __init__(self) -> None:
        super().__init__(0.9)
        self.grid = 32


def test_all_three_ways_and_their_witnesses() -> None:
    result = run("attention+grounder+native", FakeNative(), FakeGrounder(score=0.7))
    assert boxes(result) == EXPECTED
    for d in result.items:
        assert d.source == "attention+grounder+native"
        assert [w.way for w in d.witnesses] == ["attention", "grounder", "native"]
        assert d.witnesses[1].score == pytest.approx(0.7) and d.witnesses[2].score == pytest.approx(0.9)
    alone = {(d.label, *d.xyxy): d.score for d in run("native", FakeNative()).items}
    assert all(d.score > alone[(d.label, *d.xyxy)] for d in result.items)


def test_a_box_where_the_attention_is_not_is_told_from_one_where_it_is() -> None:
    """The second one is an invention on a red box, under the name of a ball."""
    wrong = "<loc0154><loc0480><loc0256><loc0576> blue ball ; <loc0307><loc0128><loc0614><loc0288> blue ball"
    options = {
        "fusion.attention_checks": True, "fusion.mapping": "logistic", "fusion.attention": 4.0,
        "fusion.attention_mean": 0.4, "merge.min_score": 0.0,
    }  # fmt: skip
    found = run("native", WritingVlm(blue_ball=wrong), **options)
    (true,) = (d for d in found.items if d.xyxy == (150, 30, 180, 50))
    assert true.witnesses[0].evidence > 0.5
    false = run("native", WritingVlm(red_box="none", blue_ball=wrong), **options).items
    assert {d.xyxy for d in false} == {(40, 60, 90, 120), (150, 30, 180, 50)}
    (lie,) = (d for d in false if d.xyxy == (40, 60, 90, 120))
    assert lie.witnesses[0].evidence == 0 and lie.score < 0.5 < true.score


SPOILT = {
    "outside": ("<loc0000><loc0000><loc0100><loc9999> red box", "box outside the picture", "box outside the picture"),
    "cut off": ("<loc0307><loc0128><loc06", "box", "box without four numbers"),
    "other names": ("<loc0307><loc0128><loc0614><loc0288> dragon", "of what was not asked for", ""),
    "no numbers": ("<locNaN><loc0128><loc0614><loc0288> red box", "without four numbers", "without four numbers"),
    "a refusal": ("I'm sorry, I can't help with that.", "refusal", ""),
    "none": ("none", "", ""),
}
"""What is written of the red boxes, and what is said of it if it was asked for by name, and all at once."""


@pytest.mark.parametrize("ask", ["names", "at once"])
@pytest.mark.parametrize(("text", "by_name", "at_once"), SPOILT.values(), ids=SPOILT)
def test_what_is_wrong_with_boxes_is_said_and_costs_nothing_else(
    text: str, by_name: str, at_once: str, ask: str
) -> None:
    vlm = WritingVlm(red_box=text)
    result = run("native", vlm, **{"native.ask": ask})
    said = by_name if ask == "names" else at_once
    assert len(result.problems) == bool(said) and all(said in problem for problem in result.problems)
    asked = "detect red box" if ask == "names" else "detect every object"
    assert all(asked in problem for problem in result.problems)
    own_name = [("dragon", 40.0, 60.0, 90.0, 120.0)] if "dragon" in text and ask == "at once" else []
    assert boxes(result) == [("blue ball", 150.0, 30.0, 180.0, 50.0), *own_name]
    vlm.said = {}
    detector = VLSam(vlm, FakeSegmenter(), Config.from_flat({"grounder.mode": "native", **ONE_VIEW}))
    again = detector(IMAGE)
    assert boxes(again) == EXPECTED and not again.problems


def test_a_box_answer_that_was_cut_off_is_said_and_its_whole_boxes_count() -> None:
    class Cut(WritingVlm):
        def answer(self, view: np.ndarray, questions: list[str]) -> list[Answer]:
            return [replace(a, truncated=a.question == "detect red box") for a in super().answer(view, questions)]

    result = run("native", Cut())
    assert boxes(result) == EXPECTED
    assert result.problems == ("full: detect red box: cut off at vlm.max_new_tokens",)
    (text,) = (text for view, question, text in result.answers if (view, question) == ("full", "detect red box"))
    assert text.count("<loc") == 8


def test_a_thousand_boxes_are_bounded_and_said() -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 500, (1000, 2))
    many = " ; ".join(f"<loc{y:04}><loc{x:04}><loc{y + 300:04}><loc{x + 301:04}> red box" for y, x in corners)
    result = run("native", WritingVlm(red_box=many), **{"native.max_boxes": 7})
    assert any("native.max_boxes (7)" in p for p in result.problems)


def test_more_questions_are_asked_for_their_boxes_one_by_one() -> None:
    class Shy(WritingVlm):
        def __init__(self, failed: str = "", also: str | None = None) -> None:
            super().__init__()
            self.failed, self.text = failed, also

        def _written(self, view: np.ndarray, name: str) -> str:
            return "" if name == "blue ball" and self.asked[-1:] == ["What else?"] else super()._written(view, name)

        def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
            out = super().answer(view, questions)
            return [replace(a, failed=self.failed) if a.question == "detect blue ball" else a for a in out]

    def seen(mode: str, vlm: WritingVlm) -> Detections:
        config = Config.from_flat({"grounder.mode": mode, "native.ask": "at once", **ONE_VIEW})
        return VLSam(vlm, FakeSegmenter(), config, FakeGrounder())(IMAGE, extra=["What else?"] * 2)

    vlm = Shy()
    assert boxes(seen("native", vlm)) == EXPECTED
    assert vlm.asked == ["detect every object", "What else?", "detect blue ball"]

    failing = seen("grounder+native", Shy(failed="503"))
    ways = {d.label: [w.way for w in d.witnesses] for d in failing.items}
    assert ways == {"red box": ["grounder", "native"], "blue ball": ["grounder"]}

    plain = Shy(also="green cone, <loc0154><loc0480><loc0256><loc0576> blue ball")
    seen("native", plain)
    assert plain.asked[2:] == ["detect green cone", "detect blue ball"]


@pytest.mark.parametrize("fails", [1, 2], ids=["the background's", "all"])
def test_a_failed_question_about_the_background_is_said(fails: int) -> None:
    class Failing(WritingVlm):
        def answer(self, view: np.ndarray, questions: list[str]) -> list[Answer]:
            out = super().answer(view, questions)
            if len(out) == 2:
                out[-fails:] = [
                    replace(a, text="", token_spans=(), probabilities=(), failed="503") for a in out[-fails:]
                ]
            return out

    options = {"attention.contrast": "background"}
    if fails == 2:
        with pytest.raises(VlmError, match="answered none of 1 questions"):
            run("attention", Failing(), **options)
        return
    result = run("attention", Failing(), **options)
    assert {d.label for d in result.items} == set(BOXES)
    assert result.problems == (f"full: {Config().attention.background_question}: 503",)


def test_words_about_names_may_be_ones_own() -> None:
    vlm = WritingVlm()
    run("native", vlm, **{"native.of_name": "detect {name}", "native.ask": "names"})
    with pytest.raises(ConfigError, match="native.of_name"):
        Config.from_flat({"native.of_name": "detect it"})
    assert "detect red box" in vlm.asked


def test_a_failed_box_answer_is_said() -> None:
    class Failing(WritingVlm):
        def answer(self, view: np.ndarray, questions: list[str]) -> list[Answer]:
            out = super().answer(view, questions)
            return [replace(a, text="", failed="503") if a.question == "detect red box" else a for a in out]

    result = run("native", Failing())
    assert boxes(result) == [e for e in EXPECTED if e[0] == "blue ball"]
    assert result.problems == ("full: detect red box: 503",)

    both = run("grounder+native", Failing(), FakeGrounder())
    assert boxes(both) == EXPECTED and len(both.problems) == 1  # said once
    heard = {d.label: [w.way for w in d.witnesses] for d in both.items}
    assert heard == {"red box": ["grounder"], "blue ball": ["grounder", "native"]}  # silence contradicts nobody

    class Down(WritingVlm):
        def answer(self, view: np.ndarray, questions: list[str]) -> list[Answer]:
            raise VlmError("down")

    with pytest.raises(VlmError, match="down"):
        run("native", Down())


@pytest.mark.parametrize(("text", "heard"), [("none", True), ("I'm sorry, I can't.", False), ("(1, 2), (3, 4)", False)])
def test_only_what_could_be_read_is_a_witness(text: str, heard: bool) -> None:
    found = run("grounder+native", WritingVlm(red_box=text), FakeGrounder())
    assert boxes(found) == EXPECTED and bool(found.problems) != heard
    said = [w for d in found.items if d.label == "red box" for w in d.witnesses if w.way == "native"]
    assert said == [Witness("native", 0.0, 0.0)] * 2 * heard


@pytest.mark.parametrize("mode", ["attention", "native"])
def test_an_empty_question_is_a_question_like_others(mode: str) -> None:
    vlm = FakeVlm() if mode == "attention" else WritingVlm()
    assert run(mode, vlm, **{"questions.questions": [""]}).problems == ()


@pytest.mark.parametrize("ask", [False, True])
def test_ways_that_are_unsure_together_are_sure_enough(ask: bool) -> None:
    """Each scores below `merge.min_score`; only what both found is reported, once it was asked about."""
    options = {"score.iou": 0.0, "score.consistency": 0.0, "merge.min_score": 0.6, "verify.ask": ask}
    vlm = WritingVlm(0.5, blue_ball="none")
    both = run("grounder+native", vlm, FakeGrounder(score=0.4), **options)
    assert {d.label for d in both.items} == {"red box"} and all(d.score == pytest.approx(0.7) for d in both.items)
    assert ("Is there a red box in the picture? Answer yes or no." in vlm.asked) == ask
    assert not run("native", WritingVlm(0.5), **options).items
    assert not run("grounder", WritingVlm(0.5), FakeGrounder(score=0.4), **options).items


def test_what_a_fit_makes_sure_is_asked_about() -> None:
    vlm = WritingVlm(0.4, blue_ball="none")
    fit = {"score.iou": 0.0, "score.consistency": 0.0, "fusion.mapping": "logistic", "fusion.bias": 2.0}
    found = run("native", vlm, **fit, **{"merge.min_score": 0.6, "verify.ask": True})
    assert {d.label for d in found.items} == {"red box"} and min(d.score for d in found.items) > 0.6
    assert "Is there a red box in the picture? Answer yes or no." in vlm.asked


@pytest.mark.parametrize(
    ("mode", "masks", "checks", "encodes"),
    [
        ("grounder", True, True, False),
        ("grounder", False, False, True),
        ("grounder+native", True, False, True),
        ("native", False, False, True),
        ("both", True, False, True),
    ],
)
def test_views_are_encoded_early_where_they_are_needed(mode: str, masks: bool, checks: bool, encodes: bool) -> None:
    class Early(FakeSegmenter):
        prepared = 0

        def prepare(self, views: Sequence[np.ndarray]) -> None:
            self.prepared += len(views)

    config = Config.from_flat({"grounder.mode": mode, "fusion.attention_checks": checks, **ONE_VIEW})
    segmenter = Early()
    VLSam(WritingVlm(), segmenter, config, FakeGrounder(masks=masks))(IMAGE)
    assert segmenter.prepared == segmenter.embedded == encodes


def test_what_a_vlm_can_not_do_is_said_at_once() -> None:
    for mode in ("native", "attention+native"):
        with pytest.raises(ConfigError, match="not known to write boxes"):
            run(mode, FakeVlm())
    assert boxes(run("native", WritingVlm(attends=False))) == EXPECTED
    for mode, more in (("attention", {}), ("attention+native", {}), ("native", {"fusion.attention_checks": True})):
        with pytest.raises(ConfigError, match="gives no attention"):
            run(mode, WritingVlm(attends=False), **more)

    class Silent(WritingVlm):
        boxes = ""

    assert boxes(run("native", Silent(), **{"vlm.boxes": "paligemma"})) == EXPECTED
    detector = VLSam(WritingVlm(attends=False), FakeSegmenter(), Config.from_flat({"grounder.mode": "native"}))
    before = detector.config
    with pytest.raises(ConfigError, match="gives no attention"):
        detector.configure(Config.from_flat({"grounder.mode": "native", "fusion.attention_checks": True}))
    assert detector.config is before and boxes(detector(IMAGE)) == EXPECTED


def test_no_segmenter_where_a_grounder_outlines_itself() -> None:
    outlining = FakeGrounder(masks=True)
    config = Config.from_flat({"grounder.mode": "grounder", **ONE_VIEW})
    result = VLSam(FakeVlm(), None, config, outlining)(IMAGE)
    assert boxes(result) == EXPECTED and result.segmenter == ""
    for mode, grounder in (("grounder", FakeGrounder()), ("attention", None), ("both", outlining)):
        with pytest.raises(ConfigError, match="expected a segmenter"):
            VLSam(FakeVlm(), None, Config.from_flat({"grounder.mode": mode}), grounder)


def test_only_devices_of_models_that_run_here_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's VLM, and a segmenter that there is none of, need no card."""
    monkeypatch.setattr("vlsam_ros.backends.load_vlm", lambda options: WritingVlm(attends=False))
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr("vlsam_ros.backends.load_grounder", lambda options: FakeGrounder(masks=True))
    no_card = "cuda:7"
    served = {"vlm.model": "openai:http://127.0.0.1:9/v1#m", "vlm.device": no_card, "grounder.mode": "native"}
    assert pipeline.load(Config.from_flat(served)).vlm.boxes == "paligemma"
    bare = {"grounder.mode": "grounder", "segmenter.model": "none", "segmenter.device": no_card}
    assert pipeline.load(Config.from_flat(bare)).segmenter is None
    for wrong in (
        served | {"vlm.replay": "/m"},
        served | {"segmenter.device": no_card},
        bare | {"grounder.device": no_card},
    ):
        with pytest.raises(ConfigError, match="device"):
            pipeline.load(Config.from_flat(wrong))
