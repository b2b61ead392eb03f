"""SegmentMeIfYouCan's figures against slow references that follow their definitions pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from vlsam_ros.data import Mask
from vlsam_ros.evaluation import anomaly_pixels as pixels_of
from vlsam_ros.evaluation import label_pictures
from vlsam_ros.evaluation.dataset import Frame, Instance, mask_rle
from vlsam_ros.evaluation.metrics import Scored

SIZE = (24, 32)


def frame(labels: np.ndarray, found: Iterable[tuple[np.ndarray, float]] = ()) -> Scored:
    """A frame with labels 0, 1 and 255, uint8 (H, W), and detections: mask and score."""
    count, parts = cv2.connectedComponents(np.uint8(labels == 1), connectivity=8)
    truth = [label_pictures.anomaly(Mask.from_dense(parts == i), labels.shape) for i in range(1, count)]
    truth += label_pictures.void(labels == 255)
    items = [Instance("thing", (0, 0, 1, 1), mask_rle(Mask.from_dense(m), labels.shape), score) for m, score in found]
    shown = Frame(1, "a", labels.shape, lambda: np.zeros((*labels.shape, 3), np.uint8), lambda: tuple(truth))
    return Scored(shown, tuple(truth), tuple(sorted(items, key=lambda i: -i.score)))


def rectangle(x0: int, y0: int, x1: int, y1: int, size_hw: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size_hw, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def random_case(seed: int) -> list[tuple[np.ndarray, list[tuple[np.ndarray, float]]]]:
    """Pictures with rectangles of anomalies, void and detections near them; scores of one decimal, often equal."""
    rng = np.random.default_rng(seed)

    def some() -> np.ndarray:
        (x, y), (w, h) = rng.integers(0, 24, 2), rng.integers(1, 12, 2)
        return rectangle(x, y, x + w, y + h)

    made = []
    for _ in range(4):
        labels, found = np.zeros(SIZE, np.uint8), []
        for _ in range(rng.integers(0, 4)):
            labels[some()] = 1
        for _ in range(rng.integers(0, 3)):
            labels[some()] = 255
        for _ in range(rng.integers(0, 5)):
            near = np.roll(labels == 1, rng.integers(-3, 4, 2), (0, 1)) & some()
            found.append((near if near.any() and rng.random() < 0.6 else some(), round(float(rng.random()), 1)))
        made.append((labels, found))
    return made


def slow_map(labels: np.ndarray, found: list[tuple[np.ndarray, float]]) -> list[list[float]]:
    return [
        [max([score for mask, score in found if mask[y, x]], default=-math.inf) for x in range(labels.shape[1])]
        for y in range(labels.shape[0])
    ]


def slow_pixels(case: list[tuple[np.ndarray, list[tuple[np.ndarray, float]]]]) -> dict[str, float]:
    """Precision and recall at every score, each counted from the start."""
    positive, negative = [], []
    for labels, found in case:
        scores = slow_map(labels, found)
        for y, x in np.ndindex(labels.shape):
            if labels[y, x] != 255:
                (positive if labels[y, x] == 1 else negative).append(scores[y][x])
    auprc, before, fpr95, best = 0.0, 0.0, math.nan, (-1.0, 0.0)
    for t in sorted(set(positive + negative), reverse=True):
        hits, false = sum(s >= t for s in positive), sum(s >= t for s in negative)
        recall = hits / len(positive)
        auprc, before = auprc + (recall - before) * (hits / max(hits + false, 1)), recall
        if math.isnan(fpr95) and recall >= 0.95:
            fpr95 = false / len(negative)
        best = max(best, (2 * hits / (2 * hits + false + len(positive) - hits), t))
    return {"AUPRC": auprc, "FPR95": fpr95, "F1": best[0], "threshold": best[1]}


@pytest.mark.parametrize("seed", range(8))
def test_pixels_as_by_hand(seed: int) -> None:
    case = random_case(seed)
    assert pixels_of.pixels([frame(*c) for c in case]) == pytest.approx(slow_pixels(case))


def slow_components(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Flood fill over eight neighbours."""
    left, parts = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        part, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            part.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        parts.append(part)
    return parts


def slow_figures(case: list, threshold: float, least_found: int, least_labelled: int) -> dict[str, float]:
    """The adjusted IoU by sets: |k ∩ K| / |(k ∪ K) without what is of other labelled components|."""
    siou, ppv = [], []
    for labels, found in case:
        scores = np.array(slow_map(labels, found))
        seen = slow_components((scores >= threshold) & (scores > -math.inf) & (labels != 255))
        seen = [p for p in seen if len(p) >= least_found]
        parts = slow_components(labels == 1)
        small = set().union(*(p for p in parts if len(p) < least_labelled))
        parts, seen = [p for p in parts if len(p) >= least_labelled], [p - small for p in seen if p - small]
        for part in parts:
            touching = set().union(*(p for p in seen if p & part))
            others = set().union(*(p for p in parts if p is not part))
            siou.append(len(part & touching) / len((part | touching) - (others & touching)))
        everything = set().union(*parts)
        ppv += [len(p & everything) / len(p) for p in seen]
    f1 = []
    for t in np.linspace(0.25, 0.75, 11):
        hits, false = sum(s >= t for s in siou), sum(p < t for p in ppv)
        whole = hits + len(siou) + false
        f1.append(2 * hits / whole if whole else math.nan)
    return {
        "labelled": len(siou),
        "found": len(ppv),
        "sIoU": float(np.mean(siou)) if siou else math.nan,
        "PPV": float(np.mean(ppv)) if ppv else math.nan,
        "F1": float(np.mean(f1)),
        "F1 at 0.25": f1[0],
        "F1 at 0.50": f1[5],
        "F1 at 0.75": f1[10],
    }


@pytest.mark.parametrize("sizes", [(1, 1), (12, 6), (50, 10)])
@pytest.mark.parametrize("seed", range(6))
def test_components_as_by_hand(seed: int, sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pixels_of.SIZES_PX, "obstacle", sizes)
    case = random_case(seed)
    for threshold in (-math.inf, 0.3, 0.8):
        ours = pixels_of.components([frame(*c) for c in case], threshold, "obstacle")
        assert ours == pytest.approx(slow_figures(case, threshold, *sizes), nan_ok=True)


def test_the_tracks_sizes() -> None:
    assert pixels_of.SIZES_PX == {"anomaly": (500, 100), "obstacle": (50, 10)}


THING = rectangle(4, 4, 20, 16)
"""192 px; larger than all least sizes of the obstacle track."""


def labels_of(anomalous: np.ndarray, void: np.ndarray | None = None) -> np.ndarray:
    labels = np.uint8(anomalous)
    labels[void if void is not None else np.zeros(SIZE, bool)] = 255
    return labels


def both(scored: Scored) -> tuple[dict[str, float], dict[str, float]]:
    pixels = pixels_of.pixels([scored])
    return pixels, pixels_of.components([scored], pixels["threshold"], "obstacle")


def test_a_perfect_detection() -> None:
    pixels, parts = both(frame(labels_of(THING), [(THING, 0.7)]))
    assert pixels == {"AUPRC": 1, "FPR95": 0, "F1": 1, "threshold": 0.7}
    assert (parts["sIoU"], parts["PPV"], parts["F1"]) == (1, 1, 1)


def test_no_predictions() -> None:
    pixels, parts = both(frame(labels_of(THING)))
    share = THING.mean()
    assert (pixels["AUPRC"], pixels["FPR95"], pixels["threshold"]) == (pytest.approx(share), 1, -math.inf)
    assert (parts["found"], parts["sIoU"], parts["F1"]) == (0, 0, 0) and math.isnan(parts["PPV"])


def test_a_constant_map_is_as_good_as_none() -> None:
    everywhere = np.ones(SIZE, bool)
    constant, none = (pixels_of.pixels([frame(labels_of(THING), found)]) for found in ([(everywhere, 0.4)], []))
    assert constant | {"threshold": 0} == none | {"threshold": 0} and constant["threshold"] == 0.4


def test_all_void() -> None:
    pixels, parts = both(frame(np.full(SIZE, 255, np.uint8), [(THING, 0.9)]))
    assert all(map(math.isnan, pixels.values()))
    assert (parts["labelled"], parts["found"]) == (0, 0) and math.isnan(parts["F1"])


def test_no_frames() -> None:
    assert all(map(math.isnan, pixels_of.pixels([]).values()))
    assert math.isnan(pixels_of.components([], math.nan, "anomaly")["F1"])


@pytest.mark.parametrize(("label", "auprc"), [(1, 1.0), (0, math.nan), (255, math.nan)])
def test_one_pixel(label: int, auprc: float) -> None:
    pixels = pixels_of.pixels([frame(np.full((1, 1), label, np.uint8), [(np.ones((1, 1), bool), 0.5)])])
    assert pixels["AUPRC"] == pytest.approx(auprc, nan_ok=True) and math.isnan(pixels["FPR95"])


def test_a_prediction_over_void_counts_as_nothing() -> None:
    void = rectangle(22, 0, 32, 24)
    alone, with_void = (both(frame(labels_of(THING, void), f)) for f in ([(THING, 0.7)], [(THING, 0.7), (void, 0.9)]))
    assert alone == with_void


def test_two_predictions_on_one_component_are_one() -> None:
    halves = [(rectangle(4, 4, 12, 16), 0.7), (rectangle(12, 4, 20, 16), 0.7)]
    assert both(frame(labels_of(THING), halves)) == both(frame(labels_of(THING), [(THING, 0.7)]))


def test_apart_the_halves_share_the_object() -> None:
    halves = [(rectangle(4, 4, 11, 16), 0.7), (rectangle(13, 4, 20, 16), 0.7)]  # 84 px each, 2 columns between them
    _, parts = both(frame(labels_of(THING), halves))
    assert parts["sIoU"] == pytest.approx(168 / 192) and (parts["found"], parts["PPV"], parts["F1"]) == (2, 1, 1)


def test_one_prediction_over_two_objects_is_the_fault_of_neither() -> None:
    left, right = rectangle(2, 4, 10, 12), rectangle(12, 4, 20, 12)
    _, parts = both(frame(labels_of(left | right), [(rectangle(2, 4, 20, 12), 0.7)]))
    assert parts["sIoU"] == pytest.approx(64 / (64 + 16))  # the gap alone is wrong
    assert parts["PPV"] == pytest.approx(128 / 144)


def test_at_a_threshold_itself_an_object_is_found_and_a_detection_is_right() -> None:
    half, double = rectangle(4, 4, 12, 16), rectangle(4, 4, 20, 16) | rectangle(20, 4, 32, 20)
    _, parts = both(frame(labels_of(THING), [(half, 0.7)]))
    assert parts["sIoU"] == 0.5 and parts["F1 at 0.50"] == 1
    _, parts = both(frame(labels_of(THING), [(double, 0.7)]))
    assert parts["PPV"] == 0.5 and parts["F1 at 0.50"] == 1


def test_void_parts_what_was_found() -> None:
    scored = frame(labels_of(THING, rectangle(20, 0, 22, 24)), [(rectangle(4, 4, 32, 16), 0.7)])
    _, parts = both(scored)
    assert (parts["found"], parts["PPV"], parts["sIoU"]) == (2, 0.5, 1)


def test_what_touches_at_a_corner_is_one() -> None:
    corners = rectangle(2, 2, 10, 10) | rectangle(10, 10, 18, 18)
    _, parts = both(frame(labels_of(corners), [(corners, 0.7)]))
    assert (parts["labelled"], parts["found"]) == (1, 1)


def test_95_percent_are_enough() -> None:
    most, rest = rectangle(0, 0, 19, 1), rectangle(19, 0, 32, 1)
    scored = frame(labels_of(rectangle(0, 0, 20, 1)), [(most, 0.9), (rest, 0.4)])
    assert pixels_of.pixels([scored])["FPR95"] == 0


def test_small_components_count_on_neither_side() -> None:
    speck, large = rectangle(28, 20, 30, 22), THING
    with_specks = frame(labels_of(large | speck), [(large, 0.7), (rectangle(0, 20, 5, 24), 0.7)])
    parts = pixels_of.components([with_specks], 0.7, "obstacle")
    assert (parts["labelled"], parts["found"], parts["F1"]) == (1, 1, 1)


def test_the_best_score_of_a_pixel_counts() -> None:
    scored = frame(labels_of(THING), [(rectangle(0, 0, 10, 24), 0.9), (rectangle(5, 0, 15, 24), 0.4)])
    values, places = pixels_of.score_map(scored)
    assert [values[places[0, x]] for x in (0, 5, 9, 10, 14, 15)] == [0.9, 0.9, 0.9, 0.4, 0.4, -math.inf]


def test_a_detection_without_a_mask_is_its_box() -> None:
    scored = frame(labels_of(THING))
    boxed = Scored(scored.frame, scored.truth, (Instance("", (4, 4, 20, 16), None, 0.7),))
    assert pixels_of.pixels([boxed])["AUPRC"] == 1
