"""From points to masks, with a segmenter that floods a colour."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeEmbedding, FakeSegmenter, picture

from vlsam_ros.config import Config, PromptOptions, RefineOptions, ScoreOptions, SegmenterOptions
from vlsam_ros.data import Detection, ImageLayout, NamedMap, Pixels, Prompts, Segments, intersection
from vlsam_ros.errors import SegmenterError
from vlsam_ros.localisation.refine import cascade, consistency, refine

LAYOUT = ImageLayout(np.arange(64).reshape(8, 8), (0.0, 0.0, 160.0, 80.0))  # a cell is 20 × 10 px
BOXES = {"red box": [(20, 10, 60, 30), (100, 50, 140, 70)], "blue ball": [(100, 10, 110, 18)]}
PICTURE = picture((80, 160), BOXES)


def heat(*cells: tuple[int, int, int, int]) -> np.ndarray:
    """A map (8, 8) that is 1 in some rectangles of cells (x_min, y_min, x_max, y_max)."""
    out = np.zeros((8, 8), np.float32)
    for x0, y0, x1, y1 in cells:
        out[y0:y1, x0:x1] = 1
    return out


RED = NamedMap("red box", heat((1, 1, 3, 3), (5, 5, 7, 7)), LAYOUT, "What?")
BLUE = NamedMap("blue ball", heat((5, 1, 6, 2)), LAYOUT)


def run(segmenter: FakeSegmenter, *maps: NamedMap, **options: object) -> list:
    return outlined(segmenter, PICTURE, maps, replace(Config(), refine=RefineOptions(**options)))


def outlined(segmenter: FakeSegmenter, pixels: np.ndarray, maps: Sequence[NamedMap], config: Config) -> list:
    """What comes of one view."""
    (found,) = refine(segmenter, [pixels], [maps], config)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {}, {"rounds": 1}, {"rounds": 4}, {"cascade": False}, {"multimask": False}, {"component": True},
        {"box": "none"}, {"box": "map"}, {"again": "outside"}, {"again": "both", "rounds": 3},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("candidates", [1, 3])
def test_outlines_every_instance(options, candidates):
    found = run(FakeSegmenter(candidates), RED, BLUE, **options)
    assert {(d.label, *map(int, d.xyxy)) for d in found} == {(n, *box) for n, some in BOXES.items() for box in some}
    for d in found:
        x0, y0, x1, y1 = map(int, d.xyxy)
        assert d.mask.area == (x1 - x0) * (y1 - y0) and d.consistency == pytest.approx(1, abs=0.01)
        assert d.score == pytest.approx((d.attention + d.iou + d.consistency) / 3)
    assert {d.question for d in found} == {"What?", ""}


def test_the_steps_of_the_cascade():
    segmenter = FakeSegmenter()
    run(segmenter, BLUE, rounds=1)
    points, fed, boxed = (p for p, _ in segmenter.log)
    assert [multimask for _, multimask in segmenter.log] == [False, True, True]
    assert points.low_res is None and points.boxes_xyxy is None
    assert fed.low_res.shape == (1, 80, 160) and fed.boxes_xyxy is None
    assert boxed.low_res is not None and boxed.boxes_xyxy.tolist() == [[100, 10, 110, 18]]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, 6), ({"rounds": 1}, 3), ({"cascade": False}, 2), ({"box": "none"}, 4), ({"box": "map"}, 4),
        ({"rounds": 3, "cascade": False}, 3), ({"again": "outside"}, 3), ({"again": "both"}, 6),
    ],
    ids=str,
)  # fmt: skip
def test_all_names_and_seeds_share_the_calls(options, calls):
    segmenter = FakeSegmenter()
    run(segmenter, RED, BLUE, **options)
    assert len(segmenter.log) == calls and segmenter.embedded == 1
    assert len(segmenter.log[0][0]) >= 3


def test_the_maps_box_is_in_every_step():
    segmenter = FakeSegmenter()
    run(segmenter, BLUE, rounds=1, box="map")
    boxes = [p.boxes_xyxy for p, _ in segmenter.log]
    assert len(boxes) == 2 and np.array_equal(boxes[0], boxes[1])
    x0, y0, x1, y1 = boxes[0][0]
    assert 90 <= x0 <= 100 and 0 <= y0 <= 10 and 110 <= x1 <= 130 and 18 <= y1 <= 30


VIEWS = [PICTURE, picture((64, 160), {"blue ball": [(100, 10, 110, 18)]}), PICTURE.copy()]
MAPS = [[RED, BLUE], [BLUE], []]


@pytest.mark.parametrize(
    "options", [{}, {"rounds": 1, "box": "map"}, {"again": "both", "rounds": 3}, {"cascade": False}], ids=str
)
@pytest.mark.parametrize("batch", [2, 32])
def test_views_together_equal_each_alone(options: dict, batch: int) -> None:
    config = replace(Config(), refine=RefineOptions(**options), segmenter=SegmenterOptions(batch=batch))
    together = refine(FakeSegmenter(), VIEWS, MAPS, config)
    alone = [outlined(FakeSegmenter(), *one, config) for one in zip(VIEWS, MAPS, strict=True)]
    assert [[described(d) for d in own] for own in together] == [[described(d) for d in own] for own in alone]
    assert [len(own) for own in together] == [3, 1, 0]


def described(d: Detection) -> tuple:
    return d.label, d.score, d.attention, d.iou, d.consistency, d.mask.x, d.mask.y, d.mask.bits.tobytes(), d.question


def test_prompts_of_all_views_share_the_calls() -> None:
    segmenter = FakeSegmenter()
    refine(segmenter, VIEWS, MAPS, replace(Config(), refine=RefineOptions(rounds=1)))
    assert [len(prompts) for prompts, _ in segmenter.log] == [4, 4, 4]
    assert segmenter.embedded == 2  # nothing is looked for in the third


def test_no_views() -> None:
    assert refine(FakeSegmenter(), [], [], Config()) == []


def test_what_is_kept_with_a_view_is_not_encoded_again() -> None:
    segmenter, view = FakeSegmenter(), PICTURE.view(Pixels)
    before = [outlined(segmenter, view, [m], Config()) for m in (RED, BLUE)]
    assert segmenter.embedded == 1 and all(before)


class Narrow(FakeSegmenter):
    """Outlines only what is within 20 px of the first point."""

    def segment(self, embedding, prompts, multimask):
        s = super().segment(embedding, prompts, multimask)
        x = np.arange(s.low_res.shape[-1])
        near = np.abs(x - prompts.points_xy[:, 0, :1]) < 20
        return replace(s, low_res=np.where(near[:, None, None, :], s.low_res, -1))


def test_later_rounds_outside_find_what_was_missed():
    image = picture((80, 160), {"red box": [(20, 30, 140, 50)]})
    wide = replace(RED, heat=heat((1, 3, 7, 5)))
    config = replace(Config(), prompts=PromptOptions(seeding="largest"))

    def found(**options: object) -> list:
        return outlined(Narrow(), image, [wide], replace(config, refine=RefineOptions(**options)))

    (one,), two = found(again="inside", rounds=4), found(again="outside", rounds=2)
    assert len(two) == 2 and not intersection(two[0].mask, two[1].mask)
    assert one.mask.area == two[0].mask.area
    assert [d.mask.area for d in found(again="both", rounds=4)] == [d.mask.area for d in two]


@pytest.mark.parametrize("estimates", [(0.9, 0.6, 0.3), (0.3, 0.9, 0.6), (0.3, 0.6, 0.9)])
def test_the_best_of_the_rounds_stays(estimates):
    class Changing(FakeSegmenter):
        """Its estimate depends on the round, and its mask too: a row less each time."""

        def segment(self, embedding, prompts, multimask):
            s, number = super().segment(embedding, prompts, multimask), len(self.log) - 1
            s.low_res[..., : 10 + number + 1, :] = -1
            return replace(s, iou=np.full_like(s.iou, estimates[number]))

    (found,) = run(Changing(), replace(RED, heat=heat((1, 1, 3, 3))), rounds=3, cascade=False, component=True)
    assert found.iou == pytest.approx(0.9)
    assert found.xyxy == (20, 11 + estimates.index(0.9), 60, 30)


ROW = {"red box": [(20, 10, 60, 30), (100, 50, 140, 70), (20, 60, 40, 80)]}
THREE = replace(RED, heat=np.maximum(heat((1, 1, 3, 3)), 0.9 * heat((5, 5, 7, 7)) + 0.8 * heat((1, 6, 2, 8))))


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_each_round_outside_finds_another_instance(rounds):
    """The largest area alone is a seed: what any of the earlier rounds has found must stay hidden."""
    config = replace(
        Config(), prompts=PromptOptions(seeding="largest"), refine=RefineOptions(again="outside", rounds=rounds)
    )
    found = outlined(FakeSegmenter(), picture((80, 160), ROW), [THREE], config)
    assert [tuple(map(int, d.xyxy)) for d in found] == ROW["red box"][:rounds]


def test_a_later_instance_answers_for_its_own_cells_only():
    """The cells of instances that are known already cost it no consistency."""
    config = replace(
        Config(), prompts=PromptOptions(seeding="largest"), refine=RefineOptions(again="outside", rounds=3)
    )
    first, *later = outlined(FakeSegmenter(), picture((80, 160), ROW), [THREE], config)
    assert first.consistency < 0.7  # it was the only one when it was found
    assert [d.consistency for d in later] == pytest.approx([1, 1], abs=0.05)


def test_all_positive_points_are_given():
    segmenter = FakeSegmenter()
    config = replace(Config(), prompts=PromptOptions(positives=2, negatives=2), refine=RefineOptions(rounds=1))
    outlined(segmenter, PICTURE, [RED], config)
    labels = segmenter.log[0][0].labels
    assert labels.shape[1] == 4 and (labels == 1).sum(1).max() == 2 and (labels[:, 0] == 1).all()


def test_scores_are_made_as_the_options_say():
    config = replace(Config(), score=ScoreOptions("logistic", -2.0, 1.0, 2.0, 3.0))
    for d in outlined(FakeSegmenter(), PICTURE, [RED, BLUE], config):
        logit = -2 + d.attention + 2 * d.iou + 3 * d.consistency
        assert d.score == pytest.approx(1 / (1 + np.exp(-logit)))


def test_prompts_come_in_batches():
    segmenter = FakeSegmenter()
    config = replace(Config(), refine=RefineOptions(rounds=1, cascade=False), segmenter=SegmenterOptions(batch=2))
    found = outlined(segmenter, PICTURE, [RED, BLUE], config)
    seeds = sum(len(p) for p, _ in segmenter.log)
    assert max(len(p) for p, _ in segmenter.log) == 2 and len(segmenter.log) == -(-seeds // 2) and len(found) == seeds


@pytest.mark.parametrize("maps", [[], [NamedMap("dog", heat(), LAYOUT)]], ids=["no name", "no seed"])
def test_nothing_to_outline_needs_no_model(maps):
    segmenter = FakeSegmenter()
    assert run(segmenter, *maps) == [] and segmenter.embedded == 0


def test_empty_masks_are_dropped():
    segmenter = FakeSegmenter()
    grey = NamedMap("dog", heat((0, 7, 1, 8)), LAYOUT)
    assert {d.label for d in run(segmenter, grey, BLUE)} == {"blue ball"}
    assert run(segmenter, grey) == []


def test_what_is_empty_before_the_box_stays_empty():
    class Eager(FakeSegmenter):
        def segment(self, embedding, prompts, multimask):
            sign = -1 if prompts.boxes_xyxy is None else 1
            return Segments(
                np.full((len(prompts), 1, 80, 160), sign, np.float32), np.ones((len(prompts), 1), np.float32)
            )

    points = Prompts(np.zeros((2, 1, 2), np.float32), np.ones((2, 1), np.int32))
    low_res, _ = cascade(Eager(), [FakeEmbedding(PICTURE)] * 2, points, RefineOptions())
    assert not (low_res > 0).any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_estimates_must_be_finite(value):
    class Broken(FakeSegmenter):
        def segment(self, embedding, prompts, multimask):
            return replace(super().segment(embedding, prompts, multimask), iou=np.full((len(prompts), 1), value))

    with pytest.raises(SegmenterError):
        run(Broken(), BLUE)


@pytest.mark.parametrize(("more", "expected"), [(0.5, 1.0), (-2.0, 0.0)])
def test_estimates_are_clipped(more, expected):
    class Odd(FakeSegmenter):
        def segment(self, embedding, prompts, multimask):
            s = super().segment(embedding, prompts, multimask)
            return replace(s, iou=s.iou + np.float32(more))

    assert {d.iou for d in run(Odd(), BLUE)} == {expected}


def test_without_component_all_parts_stay():
    image = picture((80, 160), {"red box": [(20, 10, 60, 30), (100, 50, 140, 70)]})
    config = replace(Config(), refine=RefineOptions(component=False))
    found = outlined(FakeSegmenter(), image, [replace(RED, heat=heat((1, 1, 3, 3)))], config)
    assert {d.xyxy for d in found} == {(20, 10, 140, 70)}


COVER = heat((1, 1, 3, 3))


@pytest.mark.parametrize(
    ("map_", "cover", "own", "expected"),
    [
        (COVER, COVER, heat((0, 0, 8, 8)), 1.0),
        (COVER, heat((1, 1, 2, 3)), heat((0, 0, 8, 8)), 0.5),
        (COVER, heat((1, 1, 3, 4)), heat((0, 0, 8, 8)), 0.5),
        (COVER, heat((5, 5, 7, 7)), heat((0, 0, 8, 8)), 0.0),
        (COVER, heat((0, 0, 8, 8)), heat((0, 0, 8, 8)), 0.0),
        (COVER, heat(), heat((0, 0, 8, 8)), 0.0),
        (RED.heat, COVER, heat((0, 0, 8, 8)), 0.5),
        (RED.heat, COVER, heat((0, 0, 4, 8)), 1.0),
        (RED.heat, RED.heat, heat((0, 0, 4, 8)), 1.0),
        (RED.heat, COVER, heat((4, 0, 5, 8)), 0.0),
        (heat((5, 1, 6, 2)), 0.1 * heat((5, 1, 6, 2)), heat((0, 0, 8, 8)), 1.0),
        (heat(), COVER, heat((0, 0, 8, 8)), 0.0),
    ],
    ids=[
        "equal", "half", "too big", "elsewhere", "all", "nothing", "one of two", "one of two, own cells",
        "both, own cells", "no own cells", "smaller than a cell", "no map",
    ],
)  # fmt: skip
def test_consistency(map_, cover, own, expected):
    assert consistency(map_, cover, own.astype(bool)) == pytest.approx(expected)
