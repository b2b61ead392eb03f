"""Names -> grounder -> boxes -> masks, alone and beside the VLM's attention, with models that know colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeGrounder, FakeSegmenter, FakeVlm, picture

from vlsam_ros import pipeline
from vlsam_ros.config import Config, QuestionOptions
from vlsam_ros.data import Answer, Detections, Grounded, Mask
from vlsam_ros.errors import ConfigError, GrounderError
from vlsam_ros.localisation.grounding import box_iou, detections, names_in, segmented
from vlsam_ros.pipeline import VLSam

BOXES = {"red box": [(40, 60, 90, 120)], "blue ball": [(150, 30, 180, 50)], "green cone": [(200, 140, 240, 170)]}
EXPECTED = sorted((name, *map(float, box)) for name, some in BOXES.items() for box in some)
IMAGE = picture((200, 320), BOXES)
ONE_VIEW = {"views.tile_rows": 0, "views.far": 0}


def run(mode: str, grounder: FakeGrounder, vlm: FakeVlm | None = None, **options: object) -> Detections:
    config = Config.from_flat({"grounder.mode": mode, **ONE_VIEW, **options})
    return VLSam(vlm or FakeVlm(), FakeSegmenter(), config, grounder)(IMAGE)


def boxes(result: Detections) -> list[tuple]:
    return sorted((d.label, *d.xyxy) for d in result.items)


@pytest.mark.parametrize("views", [{}, {"views.tile_rows": 2, "views.far": 3}], ids=["one view", "eight views"])
@pytest.mark.parametrize("masks", [False, True])
def test_the_grounder_alone(masks: bool, views: dict) -> None:
    grounder = FakeGrounder(masks=masks)
    result = run("grounder", grounder, **views)
    assert boxes(result) == EXPECTED and result.grounder == "fake-grounder"
    assert {d.source for d in result.items} == {"grounder"} and result.heat.max() == 0
    for d in result.items:
        iou = 0.7 if masks else 0.95
        assert (d.attention, d.iou, d.consistency) == pytest.approx((0.7, iou, 1))
        assert d.score == pytest.approx((0.7 + iou + 1) / 3)
    assert grounder.asked[0] == ["red box", "blue ball", "green cone"]


def test_the_attention_is_not_computed_for_the_grounder_alone() -> None:
    class Unseen(FakeVlm):
        def _say(self, *args: object) -> Answer:
            answer = super()._say(*args)
            return Answer(**{**vars(answer), "layer": None})

    assert boxes(run("grounder", FakeGrounder(), Unseen(), **{"attention.preset": "decaf"})) == EXPECTED
    with pytest.raises(TypeError):
        run("both", FakeGrounder(), Unseen())


def test_both_find_more_and_what_both_find_scores_higher() -> None:
    class Blind(FakeGrounder):
        def locate(self, view: np.ndarray, names: list[str]) -> Grounded:
            return super().locate(view, ["red box", "?", "green cone"])

    class Vague(FakeVlm):
        def _say(self, question: str, size_hw: tuple[int, int], seen: dict) -> Answer:
            answer = super()._say(question, size_hw, {n: m for n, m in seen.items() if n != "green cone"})
            return Answer(**{**vars(answer), "text": "red box, blue ball, green cone"})

    result = run("both", Blind(), Vague())
    alone = {d.label: d for d in run("attention", FakeGrounder(), Vague()).items}
    both = {d.label: d for d in result.items}
    assert {label: d.source for label, d in both.items()} == {
        "red box": "attention+grounder", "blue ball": "attention", "green cone": "grounder"
    }  # fmt: skip
    grounded = (0.7 + 0.95 + 1) / 3
    assert both["red box"].score == pytest.approx(1 - (1 - alone["red box"].score) * (1 - grounded))
    assert both["blue ball"].score == alone["blue ball"].score
    assert both["green cone"].score == pytest.approx(grounded)


def test_both_paths_share_one_encoding_of_a_view() -> None:
    for mode, grounder in (("both", FakeGrounder()), ("grounder", FakeGrounder()), ("both", FakeGrounder(masks=True))):
        segmenter = FakeSegmenter()
        VLSam(FakeVlm(), segmenter, Config.from_flat({"grounder.mode": mode, **ONE_VIEW}), grounder)(IMAGE)
        assert segmenter.embedded == 1


@pytest.mark.parametrize(("text", "names"), [("None.", []), ("unicorn, dragon", ["unicorn", "dragon"])])
def test_nothing_found_nothing_encoded(text: str, names: list[str]) -> None:
    segmenter, grounder = FakeSegmenter(), FakeGrounder()
    config = Config.from_flat({"grounder.mode": "grounder", **ONE_VIEW})
    result = VLSam(FakeVlm(text=text), segmenter, config, grounder)(IMAGE)
    assert len(result) == 0 and segmenter.embedded == 0 and grounder.asked == [names]


def test_what_the_vlm_denies_is_dropped_whoever_found_it() -> None:
    class Unsure(FakeVlm):
        def _say(self, question: str, size_hw: tuple[int, int], seen: dict) -> Answer:
            return super()._say(question, size_hw, {"red box": seen["red box"]} if "Is there" in question else seen)

    result = run("both", FakeGrounder(), Unsure(), **{"verify.ask": True})
    assert boxes(result) == EXPECTED[2:]
    assert {(d.label, d.source, d.reason) for d in result.dropped} == {
        (name, "attention+grounder", "denied") for name in ("blue ball", "green cone")
    }


def test_failures_leave_the_pipeline() -> None:
    class Broken(FakeGrounder):
        def locate(self, view: np.ndarray, names: list[str]) -> Grounded:
            raise GrounderError("out of memory")

    with pytest.raises(GrounderError):
        run("both", Broken())
    with pytest.raises(ConfigError, match="grounder.mode 'both': expected a grounder"):
        VLSam(FakeVlm(), FakeSegmenter(), Config.from_flat({"grounder.mode": "both"}))
    with pytest.raises(ConfigError, match="needs grounder.model"):
        pipeline.load(Config.from_flat({"grounder.mode": "both"}))
    assert run("attention", Broken()).grounder == ""


def test_names_keep_the_first_question_that_brought_them() -> None:
    vlm = FakeVlm(text="a dog, two cones and no cat")
    more = FakeVlm(text="cone, stone")
    answers = [*vlm.answer(IMAGE, ["What?"]), *more.answer(IMAGE, ["Where?"])]
    asked = {"dog": ("What?", 1), "cone": ("What?", 1), "stone": ("Where?", 1)}
    assert names_in(answers, QuestionOptions()) == asked
    assert names_in(answers, QuestionOptions(ignore=["cone"])) == {n: q for n, q in asked.items() if n != "cone"}
    assert names_in([], QuestionOptions()) == {}
    cut = [replace(answers[1], truncated=True)]
    assert names_in(cut, QuestionOptions()) == {"cone": ("Where?", 1)}  # the last name may be half of one


def test_how_sure_the_vlm_was_goes_into_the_score() -> None:
    sure, unsure = (
        replace(a, probabilities=(p,) * len(a.token_spans))
        for p, a in zip((1.0, 0.5), FakeVlm(text="dog").answer(IMAGE, ["What?", "Where?"]), strict=True)
    )
    names = names_in([sure, unsure], QuestionOptions())
    assert names == {"dog": ("What?", 0.75)}
    found = Grounded(np.array([[40, 60, 90, 120.0]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    config = Config.from_flat(
        {"score.attention": 0.0, "score.iou": 0.0, "score.consistency": 0.0, "score.certainty": 1.0}
    )
    segmenter = FakeSegmenter()
    ((d,),) = detections(segmenter, [IMAGE], [found], [names], config)
    assert (d.score, d.certainty, d.question) == (0.75, 0.75, "What?")


def test_equal_boxes_are_one_prompt_and_boxes_come_in_batches() -> None:
    segmenter = FakeSegmenter()
    xyxy = np.array([[150, 30, 180, 50], [40, 60, 90, 120], [150, 30, 180, 50], [200, 140, 240, 170]], np.float32)
    config = Config.from_flat({"segmenter.batch": 2})
    ((masks, iou),) = segmented(segmenter, [segmenter.embed(IMAGE)], [xyxy], config)
    assert [m.xyxy for m in masks] == [tuple(box) for box in xyxy.tolist()] and iou.tolist() == pytest.approx(
        [0.95] * 4
    )
    asked = [prompts for prompts, _ in segmenter.log]
    assert [len(p) for p in asked] == [2, 2, 1, 1] and all(p.labels.size == 0 for p in asked)
    assert all(p.boxes_xyxy.tolist() == q.boxes_xyxy.tolist() for p, q in zip(asked[::2], asked[1::2], strict=True))


def test_boxes_of_all_views_share_the_calls() -> None:
    segmenter, other = FakeSegmenter(), picture((100, 200), {"red box": [(10, 10, 50, 40), (90, 20, 120, 60)]})
    boxes = [np.float32([[40, 60, 90, 120]]), np.zeros((0, 4), np.float32), np.float32([[90, 20, 120, 60]] * 2)]
    embeddings = [segmenter.embed(view) for view in (IMAGE, IMAGE, other)]
    found = segmented(segmenter, embeddings, boxes, Config())
    assert [[m.xyxy for m in masks] for masks, _ in found] == [[tuple(b) for b in own.tolist()] for own in boxes]
    assert [iou.tolist() for _, iou in found] == [pytest.approx([0.95] * n) for n in (1, 0, 2)]
    assert [len(prompts) for prompts, _ in segmenter.log] == [2, 2]  # equal boxes of a view are one prompt
    assert segmented(segmenter, [], [], Config()) == []


def test_a_view_is_encoded_only_if_its_boxes_bring_no_masks() -> None:
    segmenter, names = FakeSegmenter(), {"red box": ("?", 1.0), "blue ball": ("?", 1.0)}
    boxes, masked = FakeGrounder(), FakeGrounder(masks=True)
    found = [boxes.locate(IMAGE, list(names)), masked.locate(IMAGE, list(names)), boxes.locate(IMAGE, ["?"])]
    given = detections(segmenter, [IMAGE] * 3, found, [names, names, {"?": ("?", 1.0)}], Config())
    assert [[(d.label, d.xyxy) for d in own] for own in given] == [[(n, BOXES[n][0]) for n in names]] * 2 + [[]]
    assert segmenter.embedded == 1


def test_a_box_on_nothing_is_no_instance() -> None:
    segmenter = FakeSegmenter()
    found = Grounded(np.array([[0, 0, 20, 20.0]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    assert detections(segmenter, [IMAGE], [found], [{"dog": ("?", 1.0)}], Config()) == [[]]
    nothing = Grounded(
        np.zeros((1, 4), np.float32), found.scores, found.names, (Mask.from_dense(np.zeros((9, 9), bool)),)
    )
    assert detections(segmenter, [IMAGE], [nothing], [{"dog": ("?", 1.0)}], Config()) == [[]]


def test_box_iou() -> None:
    a = np.array([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 0, 0]], np.float32)
    b = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4], [0, 0, 0, 0]], np.float32)
    assert box_iou(a, b).tolist() == pytest.approx([1, 1 / 3, 0, 0])


@pytest.mark.parametrize("whole", [False, True])
def test_of_a_mask_in_parts_the_one_in_the_middle_of_the_box_stays(whole: bool) -> None:
    """The segmenter takes all that is red."""
    parts = [(20, 10, 60, 30), (100, 50, 140, 70), (20, 60, 40, 80)]
    image, config = picture((80, 160), {"red box": parts}), Config.from_flat({"refine.component": not whole})

    class Middle(FakeSegmenter):
        def segment(self, embedding: object, prompts: object, multimask: bool) -> object:
            return super().segment(
                embedding, replace(prompts, boxes_xyxy=np.float32([parts[0]] * len(prompts))), multimask
            )

    segmenter = Middle()
    around = np.float32([[10, 5, 70, 40], [60, 40, 160, 80]])
    ((masks, _),) = segmented(segmenter, [segmenter.embed(image)], [around], config)
    assert [m.xyxy for m in masks] == ([(20, 10, 140, 80)] * 2 if whole else parts[:2])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1),
        ((0, 0, 4, 4), (2, 0, 6, 4), 1 / 3),
        ((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4),
        ((0, 0, 4, 4), (4, 0, 8, 4), 0),
        ((0, 0, 4, 4), (9, 0, 12, 4), 0),
        ((0, 0, 4, 4), (5, 6, 9, 8), 0),
        ((0, 0, 4, 4), (2, 2, 2, 2), 0),
        ((1, 1, 1, 1), (1, 1, 1, 1), 0),
        ((0.1, 0.1, 0.3, 0.3), (0.2, 0.1, 0.4, 0.3), 1 / 3),
    ],
    ids=[
        "equal",
        "half",
        "inside",
        "touching",
        "beside",
        "apart both ways",
        "a point in it",
        "two points",
        "sub-pixel",
    ],
)
def test_box_iou_of_pairs(a: tuple, b: tuple, expected: float) -> None:
    pair = [np.array([box, (0, 0, 2, 2)], np.float32) for box in (a, b)]
    assert box_iou(*pair) == pytest.approx([expected, 1], abs=1e-5)
    assert box_iou(*pair[::-1]) == pytest.approx([expected, 1], abs=1e-5)


def test_points_are_point_prompts_and_boxes_stay_box_prompts() -> None:
    segmenter = FakeSegmenter()
    points = [(60.0, 80.0), (160.0, 40.0)]
    xyxy = np.array([[200, 140, 240, 170], *((x - 0.5, y - 0.5, x + 0.5, y + 0.5) for x, y in points)], np.float32)
    flags = [np.array([False, True, True])]
    ((masks, iou),) = segmented(segmenter, [segmenter.embed(IMAGE)], [xyxy], Config(), flags)
    assert [m.xyxy for m in masks] == [BOXES[n][0] for n in ("green cone", "red box", "blue ball")]
    assert iou.tolist() == pytest.approx([0.95] * 3)
    first_of_each = [p for p, multimask in segmenter.log if not multimask]
    boxed, pointed = first_of_each
    assert boxed.boxes_xyxy.tolist() == [[200, 140, 240, 170]] and boxed.labels.size == 0
    assert pointed.boxes_xyxy is None and pointed.labels.tolist() == [[1], [1]]
    assert pointed.points_xy.tolist() == [[list(xy)] for xy in points]


@pytest.mark.parametrize("flags", [None, [None], [np.zeros(3, bool)]])
def test_without_points_nothing_is_different(flags: list | None) -> None:
    segmenter = FakeSegmenter()
    xyxy = np.array([[150, 30, 180, 50], [40, 60, 90, 120], [150, 30, 180, 50]], np.float32)
    ((masks, _),) = segmented(segmenter, [segmenter.embed(IMAGE)], [xyxy], Config(), flags)
    assert [m.xyxy for m in masks] == [tuple(box) for box in xyxy.tolist()]
    assert [(len(p), p.labels.size) for p, _ in segmenter.log] == [(2, 0)] * 2


def test_a_point_and_a_box_of_one_place_are_two_prompts() -> None:
    segmenter = FakeSegmenter()
    xyxy = np.array([[60, 80, 61, 81]] * 2, np.float32)
    (found,) = segmented(segmenter, [segmenter.embed(IMAGE)], [xyxy], Config(), [np.array([True, False])])
    assert len(found[0]) == 2 and [p.labels.size for p, _ in segmenter.log] == [0, 0, 1, 1, 1]


def test_a_point_agrees_with_its_mask_where_it_lies_in_it() -> None:
    class Elsewhere(FakeSegmenter):
        def segment(self, embedding: object, prompts: object, multimask: bool) -> object:
            away = replace(prompts, points_xy=np.full_like(prompts.points_xy, 160, dtype=np.float32) * [1, 0.25])
            return super().segment(embedding, away if prompts.labels.size else prompts, multimask)

    found = Grounded(
        np.array([[49.5, 109.5, 50.5, 110.5], [40, 60, 90, 120]], np.float32),
        np.array([0.8, 0.6], np.float32),
        np.array([0, 0], np.int64),
        points=np.array([True, False]),
    )
    names = {"red box": ("?", 1.0)}
    for segmenter, agreement in ((FakeSegmenter(), 1), (Elsewhere(), 0)):
        ((point, box),) = detections(segmenter, [IMAGE], [found], [names], Config(), source="native")
        assert (point.source, point.attention, point.consistency) == ("native", pytest.approx(0.8), agreement)
        assert (box.source, box.consistency, box.xyxy) == ("native", pytest.approx(1), BOXES["red box"][0])
