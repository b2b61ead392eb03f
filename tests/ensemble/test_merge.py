"""Duplicates out."""

import time
from dataclasses import replace

import numpy as np
import pytest

from vlsam_ros.config import Config, MergeOptions, ViewOptions
from vlsam_ros.data import Detection, Mask, View, intersection
from vlsam_ros.ensemble.merge import COARSE, JOINT, Candidate, coarse, combined, merge, union
from vlsam_ros.ensemble.synonyms import meaning
from vlsam_ros.ensemble.tiling import cut_by_border

SIZE = (100, 200)
VIEWS = [
    View("full", (0, 0, 200, 100)),
    View("left", (0, 0, 120, 100)),
    View("right", (80, 0, 200, 100)),
    View("small", (60, 20, 140, 80)),
]


def box(x0: int, y0: int, x1: int, y1: int, score: float = 0.5, label: str = "dog", view: str = "full") -> Detection:
    return Detection(label, score, score, score, score, Mask(x0, y0, np.ones((y1 - y0, x1 - x0), bool)), view)


def run(*found: Detection, **options: object) -> list[Detection]:
    return list(merge(found, VIEWS, SIZE, configured(**options)))


def configured(**options: object) -> Config:
    return Config(merge=MergeOptions(**options), views=ViewOptions(border_px=3.0))


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
    "one meaning, some overlap": ([BIG, box(10, 18, 50, 58, 0.8, "puppy")], [0]),
    "a part of one meaning": ([BIG, box(12, 12, 20, 20, label="brown dog")], [0]),
    "low score": ([box(10, 10, 50, 50, 0.29)], []),
    "small": ([box(10, 10, 13, 15)], []),
    "large enough": ([box(10, 10, 14, 14)], [0]),
    "score at the limit": ([box(10, 10, 50, 50, 0.3)], [0]),
    "empty mask": ([Detection("dog", 1, 1, 1, 1, Mask(0, 0, np.zeros((0, 0), bool)))], []),
    "cut, within a whole one": ([box(60, 20, 140, 60, 0.5), box(80, 20, 140, 60, 0.9, view="right")], [0]),
    "cut, within another name": ([box(60, 20, 140, 60, 0.5), box(80, 20, 140, 50, 0.9, "cat", "right")], [0]),
    "cut, nothing better": ([box(80, 20, 140, 60, 0.9, view="right")], [0]),
    "cut apart, sharing too little": (
        [box(60, 20, 120, 60, 0.9, view="left"), box(80, 57, 140, 97, 0.5, view="right")],
        [0, 1],
    ),
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


ELECTIONS = {
    "one": ([("tire", 0.6)], "tire"),
    "the better score": ([("stone", 0.7), ("tire", 0.6)], "stone"),
    "more evidence": ([("stone", 0.7), ("tire", 0.6), ("tire", 0.5)], "tire"),
    "one meaning counts together": ([("stone", 0.7), ("tire", 0.4), ("car tyre", 0.5)], "car tyre"),
    "a draw": ([("tire", 0.5), ("stone", 0.5)], "stone"),
}


@pytest.mark.parametrize(("votes", "label"), ELECTIONS.values(), ids=ELECTIONS)
def test_the_label_with_the_most_evidence_is_reported(votes, label):
    (kept,) = run(*(box(10, 10, 50, 50, score, name) for name, score in votes))
    assert kept.label == label and kept.score == max(score for _, score in votes)


def test_a_cut_part_under_another_name_has_no_vote():
    parts = [box(80, 20, 112, 60, 0.8, "wall", "right"), box(80, 22, 110, 60, 0.7, "wall", "right")]
    (kept,) = run(box(60, 20, 140, 60, 0.9, "truck"), *parts)
    assert kept.label == "truck"


def test_meaning_and_synonyms_are_options():
    pair = BIG, box(10, 10, 50, 30, 0.8, "hound")
    assert len(run(*pair)) == 2 and len(run(*pair, synonyms=["dog, hound"])) == 1
    assert len(run(*pair, synonyms=["dog, hound"], meaning=False)) == 2
    assert len(run(BIG, replace(pair[1], label="puppy"), meaning=False)) == 2


CONFIRMED = {
    "one path twice": ([("dog", 0.9, "grounder"), ("dog", 0.5, "grounder")], 0.9, "grounder"),
    "both paths": ([("dog", 0.6, "attention"), ("dog", 0.5, "grounder")], 0.8, "attention+grounder"),
    "the best of each counts": (
        [("dog", 0.6, "grounder"), ("dog", 0.5, "attention"), ("dog", 0.4, "grounder")],
        0.8,
        "attention+grounder",
    ),
    "one meaning": ([("dog", 0.6, "attention"), ("puppy", 0.5, "grounder")], 0.8, "attention+grounder"),
    "another name confirms nothing": ([("dog", 0.6, "attention"), ("cat", 0.5, "grounder")], 0.6, "attention"),
    "an outvoted name takes its path along": (
        [("dog", 0.6, "attention"), ("cat", 0.5, "grounder"), ("cat", 0.4, "grounder")],
        0.6,
        "grounder",
    ),
}


@pytest.mark.parametrize(("votes", "score", "source"), CONFIRMED.values(), ids=CONFIRMED)
def test_what_both_paths_find_scores_higher(votes, score, source):
    (kept,) = run(*(replace(box(10, 10, 50, 50, s, name), source=by) for name, s, by in votes))
    assert (kept.score, kept.source) == (pytest.approx(score), source)


def slow(found: list[Detection], options: MergeOptions) -> list[tuple]:
    """The same rules, obvious: dense masks, plain loops. Rows of label, source, view, score and dense mask."""
    views = {v.name: v for v in VIEWS}
    left = [
        {
            "mask": d.mask.dense(SIZE),
            "label": d.label,
            "score": d.score,
            "view": d.view,
            "cut": cut_by_border(d, views[d.view], SIZE, 3),
            "px": views[d.view].size_hw[0] * views[d.view].size_hw[1],
            "votes": [(d.label, d.score, d.source)],
        }
        for d in found
        if d.score >= options.min_score and d.mask.area >= options.min_area_px
    ]
    while True:
        kept: list[dict] = []
        for b in sorted(left, key=lambda c: (c["cut"], -c["score"])):
            if not any(takes_in(a, b, options) for a in kept):
                kept.append(b)
        for c in kept:
            c["label"] = winner(c["votes"])
            named = [(s, by) for n, s, by in c["votes"] if meaning(n) == meaning(c["label"])]
            a, g = (max((s for s, by in named if by == path), default=0) for path in ("attention", "grounder"))
            c["source"] = "attention+grounder" if a and g else "attention" if a else "grounder"
            c["score"] = a + g - a * g if a and g else c["score"]
        if len(kept) == len(left):
            kept.sort(key=lambda c: -c["score"])
            return [(c["label"], c["source"], c["view"], c["score"], c["mask"]) for c in kept]
        left = kept


def takes_in(a: dict, b: dict, options: MergeOptions) -> bool:
    both, one = (a["mask"] & b["mask"]).sum(), meaning(a["label"]) == meaning(b["label"])
    smaller = min(a["mask"].sum(), b["mask"].sum())
    if both == 0:
        return False
    if both / (a["mask"] | b["mask"]).sum() >= (options.iou if one else options.cross_name_iou):
        if not b["cut"] and b["px"] < a["px"]:
            a |= {key: b[key] for key in ("mask", "view", "px", "cut")}
    elif one and both / smaller >= options.containment:
        pass
    elif b["cut"] and both / b["mask"].sum() >= options.containment:
        return True
    elif one and a["cut"] and b["cut"] and a["view"] != b["view"] and both / smaller >= JOINT:
        a["mask"] = a["mask"] | b["mask"]
    else:
        return False
    a["votes"] += b["votes"]
    return True


def winner(votes: list[tuple[str, float, str]]) -> str:
    by_meaning = {m: sum(s for n, s, _ in votes if meaning(n) == m) for m in sorted({meaning(n) for n, *_ in votes})}
    best = max(by_meaning, key=by_meaning.get)
    by_name = {n: sum(s for m, s, _ in votes if m == n) for n in sorted({n for n, *_ in votes if meaning(n) == best})}
    return max(by_name, key=by_name.get)


NAMES = ["dog", "puppy", "cat", "brown dog", "stone"]


def scattered(seed: int, views: list[str], n: int = 40) -> list[Detection]:
    """Random blobs, many of them alike, in random views, as after lifting."""
    rng = np.random.default_rng(seed)
    by_name, out = {v.name: v for v in VIEWS}, []
    for _ in range(n):
        view = by_name[str(rng.choice(views))]
        x0, y0, x1, y1 = view.xyxy
        w, h = rng.integers(5, 60, 2)
        x, y = rng.integers(x0, max(x0 + 1, x1 - w)), rng.integers(y0, max(y0 + 1, y1 - h))
        if out and rng.random() < 0.4:
            mask = out[rng.integers(len(out))].mask
            x, y, h, w = max(x0, mask.x + rng.integers(-3, 4)), max(y0, mask.y), *mask.bits.shape
        size = max(0, min(h, y1 - y)), max(0, min(w, x1 - x))
        bits = rng.random(size) < rng.choice([0.8, 1.0])
        mask = Mask.from_dense(np.pad(bits, ((int(y), 0), (int(x), 0))))
        score = float(rng.uniform(0.2, 1))
        source = str(rng.choice(["attention", "grounder"]))
        out.append(Detection(str(rng.choice(NAMES)), score, 0, 0, 0, mask, view.name, source=source))
    return out


ALL_VIEWS = [v.name for v in VIEWS]


@pytest.mark.parametrize("views", [["full"], ALL_VIEWS], ids=["one view", "views"])
@pytest.mark.parametrize("options", [{}, {"iou": 0.3, "containment": 0.5, "cross_name_iou": 0.4}], ids=["", "eager"])
@pytest.mark.parametrize("seed", range(10))
def test_equals_the_slow_reference(seed, options, views):
    found = scattered(seed, views)
    fast, expected = run(*found, **options), slow(found, MergeOptions(**options))
    assert [(d.label, d.source, d.view) for d in fast] == [row[:3] for row in expected]
    assert [d.score for d in fast] == pytest.approx([row[3] for row in expected])
    assert all(np.array_equal(d.mask.dense(SIZE), row[4]) for d, row in zip(fast, expected, strict=True))


def whole(d: Detection) -> tuple:
    """All that a detection holds, comparable."""
    return d.label, d.score, d.view, d.xyxy, d.mask.bits.tobytes()


@pytest.mark.parametrize("seed", range(10))
def test_order_does_not_matter_and_nothing_is_left_to_merge(seed):
    found = scattered(seed, ALL_VIEWS)
    first = run(*found)
    for i in range(3):
        order = np.random.default_rng(i).permutation(len(found))
        assert [whole(d) for d in run(*(found[j] for j in order))] == [whole(d) for d in first]
    assert 0 < len(first) < len(found)
    assert [d.score for d in first] == sorted((d.score for d in first), reverse=True)
    for i, a in enumerate(first):
        for b in first[i + 1 :]:
            shared, total = intersection(a.mask, b.mask), a.mask.area + b.mask.area
            one = meaning(a.label) == meaning(b.label)
            assert shared < (0.6 if one else 0.7) * (total - shared)
            assert not one or shared < 0.75 * min(a.mask.area, b.mask.area)


def test_many_detections_are_merged_quickly():
    rng, size = np.random.default_rng(0), (900, 1600)
    views = [View("full", (0, 0, 1600, 900)), View("tile_0_0", (0, 0, 900, 500)), View("far_1", (600, 300, 950, 500))]
    found = []
    for _ in range(300):
        view = views[rng.integers(3)]
        x0, y0, x1, y1 = view.xyxy
        w, h = np.minimum(np.exp(rng.uniform(2.5, 6.5, 2)), (x1 - x0, y1 - y0)).astype(int)
        x, y = rng.integers(x0, x1 - w + 1), rng.integers(y0, y1 - h + 1)
        yy, xx = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        mask = Mask(int(x), int(y), xx**2 + yy**2 <= 1.001)
        found.append(Detection(str(rng.choice(NAMES)), float(rng.uniform(0.3, 1)), 0, 0, 0, mask, view.name))
    started = time.process_time()
    merge(found, views, size, Config())
    assert time.process_time() - started < 2  # 0.2 s where nothing else runs


def shapes(count: int, size_hw: tuple[int, int], rng: np.random.Generator) -> list[Detection]:
    """Discs, rectangles and noise of any size, of a few names, in whole views and cut ones."""
    found = []
    for i in range(count):
        view = VIEWS[rng.integers(len(VIEWS))]
        x0, y0, x1, y1 = view.xyxy
        w, h = (int(rng.integers(1, side + 1)) for side in (x1 - x0, y1 - y0))
        x, y = int(rng.integers(x0, x1 - w + 1)), int(rng.integers(y0, y1 - h + 1))
        yy, xx = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        bits = [xx**2 + yy**2 <= 1.001, np.ones((h, w), bool), rng.random((h, w)) < 0.5][i % 3]
        mask = Mask.from_dense(Mask(x, y, bits).dense(size_hw))
        found.append(Detection(str(rng.choice(NAMES[:3])), float(rng.uniform(0.3, 1)), 0, 0, 0, mask, view.name))
    return found


@pytest.mark.parametrize("options", [{}, {"iou": 0.0}, {"cross_name_iou": 0.2, "containment": 0.3}, {"iou": 1.0}])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_that_are_not_looked_at_could_not_have_been_joined(
    seed: int, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shapes(60, SIZE, np.random.default_rng(seed))
    compared: list[int] = []

    def merged() -> list[Detection]:
        compared.append(0)
        return list(merge(found, VIEWS, SIZE, configured(min_score=0.0, **options)))

    def counted(a: Candidate, b: Candidate, given: MergeOptions) -> Candidate | None:
        compared[-1] += 1
        return combined(a, b, given)

    monkeypatch.setattr("vlsam_ros.ensemble.merge.combined", counted)
    quick = merged()
    monkeypatch.setattr("vlsam_ros.ensemble.merge._least", lambda areas, *_: np.full(len(areas), -np.inf))
    assert [(d.label, d.score, d.xyxy, d.mask.area) for d in merged()] == [
        (d.label, d.score, d.xyxy, d.mask.area) for d in quick
    ]
    assert compared[0] < compared[1] or 0.0 in options.values()


@pytest.mark.parametrize("seed", range(5))
def test_pixels_are_counted_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size_hw = tuple(int(side) for side in rng.integers(1, 300, 2))
    masks = [np.zeros(size_hw, bool), np.ones(size_hw, bool)]
    for _ in range(8):
        dense = rng.random(size_hw) < rng.uniform(0, 1)
        top, left = rng.integers(0, size_hw[0]), rng.integers(0, size_hw[1])
        dense[:top], dense[:, :left] = False, False
        masks.append(dense)
    side = -(-max(size_hw) // COARSE)
    for one in masks:
        cells = coarse(Mask.from_dense(one), size_hw).reshape([-(-length // side) for length in size_hw])
        for (row, column), count in np.ndenumerate(cells):
            assert count == one[row * side : (row + 1) * side, column * side : (column + 1) * side].sum()
        for other in masks:
            assert intersection(Mask.from_dense(one), Mask.from_dense(other)) == (one & other).sum()


def test_no_limit_of_the_area_lets_an_empty_mask_through():
    empty = Detection("dog", 1, 1, 1, 1, Mask(5, 5, np.zeros((3, 3), bool)))
    assert run(empty, box(10, 10, 11, 11), min_area_px=0) == [box(10, 10, 11, 11)]
