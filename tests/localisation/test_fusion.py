"""Witnesses: what each way says of an instance, whoever found it, and the score that follows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fakes import FakeGrounder, FakeSegmenter, FakeVlm, picture

from vlsam_ros.config import Config, FusionOptions
from vlsam_ros.data import Detection, Grounded, ImageLayout, Mask, NamedMap, Witness
from vlsam_ros.localisation.fusion import attended, beside, fused, together, witnessed
from vlsam_ros.pipeline import VLSam

HEAT = np.zeros((4, 8), np.float32)
HEAT[1, 1], HEAT[1, 2], HEAT[2, 6] = 1, 0.6, 0.8
MAP = NamedMap("dog", HEAT, ImageLayout(np.arange(32).reshape(4, 8), (0, 0, 80, 40)))
NOTHING = Witness("attention", 0.0, 0.0)


def mask(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask(x0, y0, np.ones((y1 - y0, x1 - x0), bool))


def found(*rows: tuple[tuple[float, ...], float, int], points: list[bool] | None = None) -> Grounded:
    boxes, scores, names = ([r[i] for r in rows] for i in range(3))
    marks = None if points is None else np.array(points)
    return Grounded(np.float32(boxes).reshape(-1, 4), np.float32(scores), np.array(names, np.int64), points=marks)


@pytest.mark.parametrize(
    ("where", "score", "iou"),
    [
        ((10, 10, 30, 20), 1.0, 1.0),  # all of one instance; the other one costs nothing
        ((10, 10, 20, 20), 1.0, 1 / 1.6),
        ((60, 20, 70, 30), 0.8, 1.0),
        ((12, 12, 15, 15), 1.0, 1 / 1.6),  # smaller than a cell: fills it
        ((17, 10, 30, 20), 0.6, 0.9 / 1.6),  # less than half of the best cell
        ((10, 10, 30, 30), 1.0, 0.0),  # half of it is where nobody looked
        ((40, 0, 50, 10), 0.0, 0.0),
        ((200, 200, 210, 210), 0.0, 0.0),  # beyond what the map covers
    ],
)
def test_what_attention_says_of_a_mask_that_others_found(where: tuple, score: float, iou: float) -> None:
    said = attended(MAP, mask(*where))
    assert (said.way, said.score) == ("attention", pytest.approx(score))
    assert said.iou == pytest.approx(iou if where != (10, 10, 30, 30) else max(0.0, (1.6 - 2) / 1.6), abs=1e-6)


def test_a_map_without_a_peak_says_nothing() -> None:
    flat = NamedMap("dog", np.zeros_like(HEAT), MAP.layout)
    assert attended(flat, mask(10, 10, 30, 20)) == NOTHING
    assert attended(MAP, Mask.from_dense(np.zeros((9, 9), bool))) == NOTHING


def test_the_box_that_bears_a_mask_out_best_speaks_for_its_way() -> None:
    own = mask(10, 10, 30, 30)
    boxes = found(((10, 10, 30, 30), 0.4, 0), ((10, 10, 30, 50), 0.9, 0), ((10, 10, 30, 30), 1.0, 1))
    assert beside("grounder", boxes, 0, own) == Witness("grounder", pytest.approx(0.9), pytest.approx(0.5))
    assert beside("grounder", boxes, 1, own) == Witness("grounder", 1.0, 1.0)
    assert beside("native", boxes, 2, own) == Witness("native", 0.0, 0.0)  # asked for, and found nowhere
    assert beside("native", found(((50, 50, 60, 60), 0.9, 0)), 0, own) == Witness("native", 0.0, 0.0)
    assert beside("native", found(), 0, own) == Witness("native", 0.0, 0.0)


@pytest.mark.parametrize(
    ("where", "score", "fit"), [((10, 10, 30, 30), 0.7, 1.0), ((40, 10, 60, 20), 0.9, 1.0), ((10, 40, 20, 60), 0, 0)]
)
def test_a_point_fits_if_the_mask_holds_it(where: tuple, score: float, fit: float) -> None:
    points = found(((19.5, 19.5, 20.5, 20.5), 0.7, 0), ((49.5, 14.5, 50.5, 15.5), 0.9, 0), points=[True, True])
    assert beside("native", points, 0, mask(*where)) == Witness("native", pytest.approx(score), fit)


def test_ways_that_were_not_asked_are_no_witnesses() -> None:
    d = Detection("dog", 0.5, 0.9, 0.8, 0.7, mask(10, 10, 30, 20), source="grounder")
    places = {"grounder": (found(((10, 10, 30, 20), 0.9, 0)), {"dog": 0}), "native": (found(), {"cat": 0})}
    assert witnessed([d], None, {})[0].witnesses == ()
    assert [w.way for w in witnessed([d], None, places)[0].witnesses] == ["grounder"]
    assert [w.way for w in witnessed([d], [MAP], places)[0].witnesses] == ["attention", "grounder"]
    assert witnessed([], [MAP], places) == []
    assert witnessed([d], [], {})[0].witnesses == ()  # the name has no map
    by_attention = Detection("dog", 0.5, 0.9, 0.8, 0.7, d.mask)
    assert witnessed([by_attention], [MAP], {})[0].witnesses == (Witness("attention", 0.9, 0.7),)


def test_one_witness_a_way_in_one_order() -> None:
    some = [Witness("native", 1.0, 0.2), Witness("attention", 0.5, 0.5), Witness("native", 0.5, 0.6)]
    assert together(some) == (Witness("attention", 0.5, 0.5), Witness("native", 0.5, 0.6))
    assert together([]) == ()


def test_independent_ways_raise_each_other() -> None:
    options = FusionOptions()
    assert fused({"attention": 0.6}, [NOTHING], options) == 0.6
    assert fused({"attention": 0.6, "grounder": 0.5}, [], options) == pytest.approx(0.8)
    assert fused({"attention": 0.6, "grounder": 0.5, "native": 0.5}, [], options) == pytest.approx(0.9)


def test_who_agrees_raises_and_who_contradicts_lowers() -> None:
    options = FusionOptions(mapping="logistic", bias=-1.0, score=2.0, attention=4.0, attention_mean=0.3)

    def score(*witnesses: Witness) -> float:
        return fused({"grounder": 0.5}, witnesses, options)

    silent, agrees, contradicts = score(), score(Witness("attention", 1.0, 0.9)), score(NOTHING)
    assert (silent, score(Witness("attention", 0.5, 0.6))) == (pytest.approx(0.5), pytest.approx(0.5))
    assert agrees > silent > contradicts
    assert agrees == pytest.approx(1 / (1 + math.exp(-4 * 0.6)))
    assert score(Witness("native", 1.0, 1.0)) == silent  # has no weight here
    assert fused({"grounder": 0.5, "native": 0.9}, [], options) == pytest.approx(1 / (1 + math.exp(-0.8)))
    evidence = np.linspace(0, 1, 11)
    assert np.all(np.diff([score(Witness("attention", float(e), 1.0)) for e in evidence]) > 0)


BOXES = {"red box": [(40, 60, 90, 120)], "blue ball": [(150, 30, 180, 50)]}


def test_attention_that_only_checks_lowers_a_false_box() -> None:
    """The grounder finds a second name on the red box; the attention of that name is elsewhere."""

    class Wrong(FakeGrounder):
        def locate(self, view: np.ndarray, names: list[str]) -> Grounded:
            return super().locate(view, ["red box" if name == "blue ball" else "?" for name in names])

    image = picture((200, 320), BOXES)

    def run(**options: object) -> dict[str, Detection]:
        base = {"grounder.mode": "grounder", "views.tile_rows": 0, "views.far": 0, "merge.min_score": 0.0}
        return {
            d.label: d
            for d in VLSam(FakeVlm(), FakeSegmenter(), Config.from_flat(base | options), Wrong())(image).items
        }

    logistic = {"fusion.mapping": "logistic", "fusion.attention": 3.0, "fusion.attention_mean": 0.4}
    alone, checked = run(), run(**{"fusion.attention_checks": True}, **logistic)
    assert alone.keys() == checked.keys() == {"blue ball"}
    assert [w.way for w in alone["blue ball"].witnesses] == ["grounder"]
    said = checked["blue ball"].witnesses[0]
    assert (
        said.way == "attention"
        and said.evidence == 0
        and said.score < 0.01
        and checked["blue ball"].source == "grounder"
    )
    unchecked = run(**logistic)["blue ball"].score
    assert checked["blue ball"].score < unchecked
    true = FakeGrounder()
    config = Config.from_flat(
        {"grounder.mode": "grounder", "views.tile_rows": 0, "views.far": 0, "fusion.attention_checks": True, **logistic}
    )
    kept = VLSam(FakeVlm(), FakeSegmenter(), config, true)(image).items
    assert all(d.witnesses[0].evidence > 0.4 and d.score > unchecked for d in kept) and len(kept) == 2
