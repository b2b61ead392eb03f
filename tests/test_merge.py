"""Duplicates out."""

from dataclasses import replace

import numpy as np
import pytest

from vlsam_ros.config import MergeOptions
from vlsam_ros.data import Detection, Mask, View
from vlsam_ros.merge import merge, union
from vlsam_ros.tiling import cut_by_border

SIZE = (100, 200)
VIEWS = [
    View("full", (0, 0, 200, 100)),
    View("left", (0, 0, 120, 100)),
    View("right", (80, 0, 200, 100)),
    View("small", (60, 20, 140, 80)),
]
OPTIONS = MergeOptions()


def box(x0: int, y0: int, x1: int, y1: int, score: float = 0.5, label: str = "dog", view: str = "full") -> Detection:
    return Detection(label, score, score, score, score, Mask(x0, y0, np.ones((y1 - y0, x1 - x0), bool)), view)


def run(*found: Detection, **options: object) -> list[Detection]:
    return list(merge(found, VIEWS, SIZE, MergeOptions(**options), border_px=3))


BIG = box(10, 10, 50, 50, 0.9)

CASES = {
    "none": ([], []),
    "one": ([BIG], [0]),
    "two apart": ([BIG, box(60, 10, 100, 50)], [0, 1]),
    "the same twice": ([BIG, BIG], [0]),
    "the better of two": ([box(10, 10, 50, 48, 0.5), BIG], [1]),
    "a little overlap": ([BIG, box(40, 10, 80, 50)], [0, 1]),
    "a part of one name": ([BIG, box(12, 12, 20, 20)], [0]),
    "a part of another name": ([BIG, box(12, 12, 20, 20, label="nose")], [0, 1]),
    "a part with the better score": ([box(10, 10, 50, 50, 0.5), box(12, 12, 20, 20, 0.9)], [1]),
    "two names, one object": ([BIG, box(10, 10, 50, 49, 0.8, "cat")], [0]),
    "two names, some overlap": ([BIG, box(10, 24, 50, 64, 0.8, "cat")], [0, 1]),
    "low score": ([box(10, 10, 50, 50, 0.29)], []),
    "small": ([box(10, 10, 13, 15)], []),
    "large enough": ([box(10, 10, 14, 14)], [0]),
    "empty mask": ([Detection("dog", 1, 1, 1, 1, Mask(0, 0, np.zeros((0, 0), bool)))], []),
    "cut, within a whole one": ([box(60, 20, 140, 60, 0.5), box(80, 20, 140, 60, 0.9, view="right")], [0]),
    "cut, within another name": ([box(60, 20, 140, 60, 0.5), box(80, 20, 140, 60, 0.9, "cat", "right")], [0]),
    "cut, nothing better": ([box(80, 20, 140, 60, 0.9, view="right")], [0]),
    "cut at the frame's border only": ([box(150, 20, 200, 60, 0.9, view="right"), box(140, 20, 200, 60, 0.5)], [0]),
}


@pytest.mark.parametrize(("found", "kept"), CASES.values(), ids=CASES)
def test_what_is_kept(found, kept):
    expected = sorted((found[i] for i in kept), key=lambda d: -d.score)
    assert run(*found) == expected


def test_the_finer_whole_mask_is_taken():
    full, fine = box(70, 30, 110, 60, 0.9), box(71, 31, 110, 60, 0.6, view="small")
    assert run(full, fine) == [replace(full, mask=fine.mask, view="small")]
    assert run(replace(full, view="small"), replace(fine, view="full")) == [replace(full, view="small")]


def test_a_cut_mask_is_not_taken():
    full, cut = box(60, 30, 110, 60, 0.5), box(62, 30, 110, 60, 0.9, view="small")
    assert run(full, cut) == [full]


def test_cut_fragments_are_joined():
    found = box(40, 20, 120, 60, 0.6, view="left"), box(80, 20, 160, 60, 0.7, view="right")
    (joined,) = run(*found)
    assert joined.xyxy == (40, 20, 160, 60) and joined.score == 0.7 and joined.mask.area == 120 * 40
    assert len(run(found[0], replace(found[1], label="cat"))) == 2
    assert len(run(found[0], replace(found[1], view="left"))) == 2


def test_union():
    a, b = Mask(2, 3, np.ones((2, 2), bool)), Mask(6, 1, np.ones((1, 3), bool))
    out = union(a, b)
    expected = a.dense((10, 10)) | b.dense((10, 10))
    assert np.array_equal(out.dense((10, 10)), expected) and out.xyxy == Mask.from_dense(expected).xyxy


def test_options():
    a, b = box(10, 10, 50, 50, 0.9), box(10, 10, 50, 26, 0.8)
    assert len(run(a, b)) == 1 and len(run(a, b, containment=1.0, iou=0.3)) == 1
    assert len(run(a, replace(b, label="cat"))) == 2 and len(run(a, replace(b, label="cat"), cross_name_iou=0.4)) == 1
    some = [box(10 * i, 0, 10 * i + 8, 8, 0.4 + 0.03 * i) for i in range(20)]
    assert [d.score for d in run(*some, max_instances=3)] == [d.score for d in some[:-4:-1]]


def slow(found: list[Detection], options: MergeOptions, border_px: float) -> list[Detection]:
    """The same rules on dense masks, without joining."""
    views = {v.name: v for v in VIEWS}
    found = [d for d in found if d.score >= options.min_score and d.mask.area >= options.min_area_px]
    cut = {id(d): cut_by_border(d, views[d.view], SIZE, border_px) for d in found}
    kept: list[Detection] = []
    for d in sorted(found, key=lambda d: (cut[id(d)], -d.score)):
        m = d.mask.dense(SIZE)
        for k in kept:
            o = k.mask.dense(SIZE)
            both, one = (m & o).sum(), k.label == d.label
            if both == 0:
                continue
            if both / (m | o).sum() >= (options.iou if one else options.cross_name_iou):
                break
            if both / m.sum() >= options.containment and (one or cut[id(d)]):
                break
            if both / o.sum() >= options.containment and one:
                break
        else:
            kept.append(d)
    return sorted(kept, key=lambda d: -d.score)


def scattered(seed: int, views: list[str]) -> list[Detection]:
    """Random blobs in random views, as after lifting."""
    rng = np.random.default_rng(seed)
    by_name, out = {v.name: v for v in VIEWS}, []
    for _ in range(40):
        view = by_name[str(rng.choice(views))]
        x0, y0, x1, y1 = view.xyxy
        w, h = rng.integers(5, 50, 2)
        x, y = rng.integers(x0, max(x0 + 1, x1 - w)), rng.integers(y0, max(y0 + 1, y1 - h))
        bits = rng.random((min(h, y1 - y), min(w, x1 - x))) < 0.8
        score = float(rng.uniform(0.2, 1))
        out.append(Detection(str(rng.choice(["dog", "cat"])), score, 0, 0, 0, Mask(int(x), int(y), bits), view.name))
    return out


@pytest.mark.parametrize("seed", range(15))
def test_equals_the_slow_reference(seed):
    found = scattered(seed, ["full"])
    assert list(merge(found, VIEWS, SIZE, OPTIONS, 3)) == slow(found, OPTIONS, 3)


def whole(d: Detection) -> tuple:
    """All that a detection holds, comparable."""
    return d.label, d.score, d.view, d.xyxy, d.mask.bits.tobytes()


@pytest.mark.parametrize("seed", range(15))
def test_order_does_not_matter(seed):
    found = scattered(seed, [v.name for v in VIEWS])
    first = merge(found, VIEWS, SIZE, OPTIONS, 3)
    for i in range(3):
        order = np.random.default_rng(i).permutation(len(found))
        again = merge([found[j] for j in order], VIEWS, SIZE, OPTIONS, 3)
        assert [whole(d) for d in again] == [whole(d) for d in first]
    assert 0 < len(first) < len(found)
    assert [d.score for d in first] == sorted((d.score for d in first), reverse=True)
    assert {d.score for d in first} <= {d.score for d in found}


def test_many_detections_are_merged_quickly():
    import time

    found = [d for seed in range(10) for d in scattered(seed, [v.name for v in VIEWS])]
    started = time.process_time()
    merge(found, VIEWS, SIZE, OPTIONS, 3)
    assert time.process_time() - started < 5
