"""What may leave and what may be believed: the same limits for a pipeline's results and for messages.

``detections.hpp`` has them for messages in C++.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..config import WAYS
from ..data import Detection, Detections, Mask, Place, Track, Witness
from ..localisation.score import PARTS
from .rle import MAX_PIXELS, MaskError, RoiMask
from .text import LINE, shows

MAX_INSTANCES = 1000
"""Most instances of one frame; the highest value of option `merge.max_instances`."""

BOX_PX = 1.0
"""How far a message's box may be from its mask's edges, px: boxes are sub-pixel."""

MAX_LABEL_CHARS = 128
"""Longest label; the highest value of option `questions.max_label_chars`."""

MAX_ID_CHARS = 64
"""Longest id of a track."""

MAX_ANSWERS = 1000
"""Most answers in one message."""

_FLOAT32 = float(np.finfo(np.float32).max)
_ROUNDED = 1e-6
"""By how much an angle in float32 may be beyond its range, and entries of a covariance may differ as shares."""


def check_result(found: Any, size_hw: tuple[int, int]) -> Detections:
    """What a pipeline returned for a frame of height and width `size_hw`, so that it can be published.

    Masks that are right, but together more than a message may hold, are left out from the lowest score on. Among the
    items that is one of the `problems`.

    Raises:
        MaskError: it is no Detections of that size, or a label, score, mask or the heat map is wrong.
    """
    if not isinstance(found, Detections):
        raise MaskError(f"expected Detections, got {type(found).__name__}")
    if tuple(found.size_hw) != tuple(size_hw):
        raise MaskError(f"expected Detections of a frame of {size_hw}, got {found.size_hw}")
    for items, most in ((found.items, MAX_INSTANCES), (found.dropped, sys.maxsize)):
        _check_each(items, most)
        check_regions(_regions(items), size_hw)
    novelty = found.novelty
    if novelty is not None and not (isinstance(novelty, Real) and 0 <= novelty <= _FLOAT32):
        raise MaskError(f"expected a novelty from 0 on, or None, got {novelty!r:.80}")
    heat = found.heat
    if heat is not None and not (_is_array(heat, "f") and heat.size and heat.min() >= 0 and heat.max() <= 1):
        raise MaskError(f"expected a heat map as float (h, w) in [0, 1], got {heat!r:.80}")
    items, dropped = _that_fit(found.items), _that_fit(found.dropped)
    if len(items) == len(found.items):
        return found if len(dropped) == len(found.dropped) else replace(found, dropped=dropped)
    problem = f"the {len(found.items) - len(items)} lowest scores left out: the masks are larger than a message may be"
    return replace(found, items=items, dropped=dropped, problems=(problem, *found.problems))


def check_items(items: Sequence[Detection], size_hw: tuple[int, int]) -> None:
    """Raise `MaskError` if there are too many instances for one message about a frame (H, W), or one is wrong."""
    _check_each(items, MAX_INSTANCES)
    regions = _regions(items)
    check_regions(regions, size_hw)
    check_sum(regions)


def _check_each(items: Sequence[Detection], most: int) -> None:
    if not isinstance(items, (tuple, list)) or len(items) > most:
        got = len(items) if isinstance(items, (tuple, list)) else type(items).__name__
        raise MaskError(f"expected at most {most} instances, got {got}")
    for item in items:
        if not isinstance(item, Detection):
            raise MaskError(f"expected a Detection, got {type(item).__name__}")
        label, mask = item.label, item.mask
        if not isinstance(label, str) or len(label) > MAX_LABEL_CHARS or not shows(label):
            raise MaskError(f"expected a label of 1 to {MAX_LABEL_CHARS} printable characters, got {label!r:.80}")
        scores = {name: getattr(item, name) for name in ("score", *PARTS)}
        if wrong := [f"{name} {value!s:.80}" for name, value in scores.items() if not _is_share(value)]:
            raise MaskError(f"{label!r}: expected scores in [0, 1], got {', '.join(wrong)}")
        check_witnesses(item.witnesses)
        if not isinstance(mask, Mask) or not _is_array(mask.bits, "b"):
            raise MaskError(f"{label!r}: expected a mask as bool (h, w), got {mask!r:.80}")
        if not all(isinstance(value, Integral) for value in (mask.x, mask.y)):
            raise MaskError(f"{label!r}: expected a mask at whole pixels, got {mask.x!r:.40}, {mask.y!r:.40}")
        borders = (mask.bits[:1], mask.bits[-1:], mask.bits[:, :1], mask.bits[:, -1:])
        if mask.bits.shape != (0, 0) and not all(border.any() for border in borders):
            raise MaskError(f"{label!r}: expected a mask that is tight, got one with empty borders")
        if item.track is not None:
            check_track(item.track)
        if item.place is not None:
            check_place(item.place)


def check_witnesses(witnesses: Sequence[Witness]) -> None:
    """Raise `MaskError` unless each way is one of `WAYS`, comes once, and says a score and an IoU in [0, 1]."""
    if not isinstance(witnesses, (tuple, list)) or not all(isinstance(w, Witness) for w in witnesses):
        raise MaskError(f"expected a tuple of Witness, got {witnesses!r:.120}")
    ways = [str(w.way) for w in witnesses]
    if not set(ways) <= set(WAYS) or len(ways) > len(set(ways)):
        raise MaskError(f"expected at most one witness for each of {', '.join(WAYS)}, got {ways!r:.80}")
    if wrong := [w for w in witnesses if not (_is_share(w.score) and _is_share(w.iou))]:
        raise MaskError(f"expected witnesses' scores and IoU in [0, 1], got {wrong[0]!r:.120}")


def check_track(track: Track) -> None:
    """Raise `MaskError` unless a track's id can be read and it was seen at most as often as looked for."""
    if not _is_line(track.id, MAX_ID_CHARS):
        raise MaskError(f"expected a track id of at most {MAX_ID_CHARS} printable characters, got {track.id!r:.80}")
    whole = isinstance(track.seen, Integral) and isinstance(track.looked, Integral)
    if not (whole and 0 <= track.seen <= track.looked < 1 << 32):
        raise MaskError(f"expected a track seen at most as often as looked for, got {track.seen} of {track.looked}")
    if not (isinstance(track.unseen_s, Real) and 0 <= track.unseen_s <= _FLOAT32):
        raise MaskError(f"expected a track unseen for 0 s or longer, got {track.unseen_s!s:.80}")


def check_place(place: Place) -> None:
    """Raise `MaskError` unless all that is said of a place goes together.

    There is no point without a distance, no distance without a bearing, and each of them is whole or not there at all.
    """
    bearing, interval = (place.azimuth, place.elevation), (place.distance_min, place.distance, place.distance_max)
    if not all(isinstance(v, Real) for v in (*bearing, *interval)):
        raise MaskError(f"expected a place of numbers, got {place!s:.200}")
    seen = abs(bearing[0]) <= math.pi + _ROUNDED and abs(bearing[1]) <= math.pi / 2 + _ROUNDED
    if not (seen or _no_numbers(bearing)):
        raise MaskError(f"expected a bearing in rad, or NaN twice, got {bearing}")
    low, distance, high = interval
    known = seen and 0 <= low <= distance <= high and distance <= _FLOAT32
    if not (known or _no_numbers(interval)):
        raise MaskError(f"expected a bearing and 0 <= min <= distance <= max, or NaN, got {interval}")
    if place.point_xyz is None and place.covariance is None:
        return
    point, covariance = (np.asarray(v, float).ravel() for v in (place.point_xyz or (), place.covariance or ()))
    if not (known and point.size == 3 and np.isfinite(point).all()):
        raise MaskError(f"expected a distance and a finite point (3,), got {distance} and {point}")
    if not (covariance.size == 9 and _is_covariance(covariance.reshape(3, 3))):
        raise MaskError(f"expected a finite, symmetric covariance (9,) without a negative variance, got {covariance}")


def _no_numbers(values: Sequence[float]) -> bool:
    return all(value != value for value in values)


def _is_covariance(matrix: np.ndarray) -> bool:
    if not (np.isfinite(matrix).all() and matrix.diagonal().min() >= 0):
        return False
    return bool((np.abs(matrix - matrix.T) <= _ROUNDED * np.maximum(np.abs(matrix), np.abs(matrix.T))).all())


def check_answers(answers: Sequence[Sequence[str]]) -> None:
    """Raise `MaskError` unless there are few enough answers (view, question, text), each text a printable line."""
    if len(answers) > MAX_ANSWERS:
        raise MaskError(f"expected at most {MAX_ANSWERS} answers, got {len(answers)}")
    for answer in answers:
        if wrong := [text for text in answer if not _is_line(text, LINE)]:
            raise MaskError(f"answer: expected lines of at most {LINE} printable characters, got {wrong[0]!r:.80}")


def _is_line(text: Any, most: int) -> bool:
    """Whether it is a text of at most so many characters, none of them hidden; it may be blank."""
    return isinstance(text, str) and len(text) <= most and shows(f".{text}")


def _that_fit(items: Sequence[Detection]) -> tuple[Detection, ...]:
    """Those of the best scores that one message may hold, in their order."""
    best = sorted(range(len(items)), key=lambda n: -items[n].score)[:MAX_INSTANCES]
    sums = np.cumsum([items[n].mask.bits.size for n in best])
    kept = set(best[: int(np.searchsorted(sums, MAX_PIXELS, side="right"))])
    return tuple(item for n, item in enumerate(items) if n in kept)


def check_regions(regions: Sequence[Sequence[int]], size_hw: tuple[int, int]) -> None:
    """Raise `MaskError` unless each x, y, width, height lies in the frame (H, W), and that is not too large."""
    height, width = size_hw
    if width * height > MAX_PIXELS:
        raise MaskError(f"expected an image of at most {MAX_PIXELS} px, got {width} x {height}")
    for x, y, w, h in regions:
        if min(x, y) < 0 or x + w > width or y + h > height:
            raise MaskError(f"expected a region within {width} x {height}, got {w} x {h} at ({x}, {y})")


def check_sum(regions: Sequence[Sequence[int]]) -> None:
    """Raise `MaskError` if the regions x, y, width, height are together more than a message may hold."""
    if (total := sum(w * h for _, _, w, h in regions)) > MAX_PIXELS:
        raise MaskError(f"expected regions of at most {MAX_PIXELS} px together, got {total}")


def check_boxes(boxes_xyxy: np.ndarray, size_hw: tuple[int, int]) -> None:
    """Raise `MaskError` unless each box (N, 4) is finite and lies in the frame (H, W)."""
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    right = (low >= 0) & (low <= high) & (high <= np.array(size_hw[::-1], np.float32))
    if not right.all():
        raise MaskError(f"expected boxes within {size_hw[1]} x {size_hw[0]}, got {boxes_xyxy[~right.all(1)][0]}")


def check_box(xyxy: Sequence[float], roi: RoiMask) -> None:
    """Raise `MaskError` unless a box is that of its mask to within a pixel; the box of an empty mask has no area."""
    if not roi.area:
        if (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1]) > 0:
            raise MaskError(f"expected a box without area for an empty mask, got {xyxy}")
        return
    edges = np.array(roi.xyxy, np.float32)
    if not (np.abs(np.array(xyxy, np.float32) - edges) <= BOX_PX).all():
        raise MaskError(f"expected a box within {BOX_PX:g} px of its mask's {edges.tolist()}, got {xyxy}")


def _regions(items: Sequence[Detection]) -> list[tuple[int, int, int, int]]:
    return [(i.mask.x, i.mask.y, *i.mask.bits.shape[::-1]) for i in items]


def _is_share(value: Any) -> bool:
    number = isinstance(value, Real)
    return number and bool(abs(value) < 2 and 0 <= np.float32(value) <= 1)  # a float32 can't be of any integer


def _is_array(value: Any, kind: str) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == kind
