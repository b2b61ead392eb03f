"""Segmentations in COCO's three forms: polygons, run lengths and compressed run lengths, of labels and of results.

All of them are checked here before the C code of a mask library sees them, which trusts what it gets: it reads beyond
the end of run lengths that are cut off, and draws polygons of any length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from .checks import is_number, shown

LONGEST = 1 << 22
"""Of one object: the longest outline in px and the most run lengths. Drawing takes 80 bytes a px: 0.3 GiB."""

_MORE, _SIGN, _DIGITS = 32, 16, 7  # of compressed run lengths: a digit follows; below 0; the most that a length has


def compressed(segmentation: Any, size_hw: tuple[int, int]) -> dict[str, Any] | None:
    """COCO's compressed run lengths of a segmentation of any form; None if it is empty.

    Raises:
        DataError: it is spoilt, or of a picture of another size.
    """
    from faster_coco_eval.core import mask as coco

    sound = checked(segmentation, size_hw)
    return None if sound is None else coco.segmToRle(sound, size_hw[1], size_hw[0])


def checked(segmentation: Any, size_hw: tuple[int, int]) -> list[list[float]] | dict[str, Any] | None:
    """The segmentation itself if it is sound; None if it is empty: absent, or no polygon of it has three points.

    Polygons of one or two points cover nothing and are left out.

    Raises:
        DataError: as `compressed`.
    """
    if segmentation is None:
        return None
    if isinstance(segmentation, list):
        return _polygons(segmentation)
    if not isinstance(segmentation, dict):
        raise DataError(f"expected polygons, or run lengths with size and counts, got {shown(segmentation)}")
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, (list, tuple)) or [*size] != [*size_hw]:
        raise DataError(f"expected a mask of {[*size_hw]} (height, width), got run lengths of size {shown(size)}")
    runs = _lengths(counts)
    if runs.size and runs.min() < 0:
        raise DataError(f"expected run lengths of 0 or more, got {runs.min()} in {shown(counts)}")
    if runs.sum() != size_hw[0] * size_hw[1]:
        raise DataError(
            f"expected run lengths that fill {size_hw[0]} x {size_hw[1]} = {size_hw[0] * size_hw[1]} px, got "
            f"{runs.sum()} in {shown(counts)}"
        )
    return {"size": [*size_hw], "counts": counts}


def _polygons(polygons: list[Any]) -> list[list[float]] | None:
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) % 2 or not all(is_number(v, LONGEST) for v in polygon):
            raise DataError(
                f"expected a list of polygons, each a list x, y, x, y, … of numbers up to {LONGEST}, got "
                f"{shown(polygon)} in {shown(polygons)}"
            )
    if len(polygons) > 2 and all(len(polygon) == 2 for polygon in polygons):
        raise DataError(f"expected polygons as flat lists x, y, x, y, …, got pairs: {shown(polygons)}")
    areas = [polygon for polygon in polygons if len(polygon) >= 6]
    length = sum(map(_outline, areas))
    if length > LONGEST:
        raise DataError(f"expected polygons whose outlines are at most {LONGEST} px long, got {length:.0f} px")
    return areas or None


def _outline(polygon: list[float]) -> float:
    """Its length as the larger of the steps in x and y, px."""
    points = np.array(polygon, float).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(1).sum())


def _lengths(counts: Any) -> np.ndarray:
    """Run lengths, compressed or not: int64 (R,)."""
    if not isinstance(counts, (list, str, bytes)):
        raise DataError(f"expected counts as a list of run lengths, or as text if they are compressed, got {counts!r}")
    if len(counts) > LONGEST:
        raise DataError(f"expected at most {LONGEST} run lengths of an object, got {len(counts)}")
    if not isinstance(counts, list):
        return _decoded(counts)
    if not all(type(c) is int and abs(c) <= 1 << 40 for c in counts):
        raise DataError(f"expected run lengths as whole numbers, got {shown(counts)}")
    return np.array(counts, np.int64)


def _decoded(counts: str | bytes) -> np.ndarray:
    """Each in digits of 5 bits, the lowest first; from the fourth on, its difference to the last but one."""
    text = counts.encode(errors="surrogatepass") if isinstance(counts, str) else counts
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - ord("0")
    if not digits.size or digits.min() < 0 or digits.max() >= 2 * _MORE:
        known = " (Python's str() of bytes: write counts.decode() instead)" if text[:1] == b"b" else ""
        raise DataError(f"expected compressed run lengths, of the characters '0' to 'o', got {shown(counts)}{known}")
    ends = np.flatnonzero(digits < _MORE)
    if not ends.size or ends[-1] != len(digits) - 1:
        raise DataError(f"expected whole compressed run lengths, got some that are cut off: {shown(counts)}")
    starts = np.append(0, ends[:-1] + 1)
    place = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
    if place.max() >= _DIGITS:
        raise DataError(f"expected run lengths of at most {_DIGITS} digits, got {place.max() + 1} in {shown(counts)}")
    runs = np.add.reduceat((digits % _MORE) << 5 * place, starts)
    runs -= np.where(digits[ends] & _SIGN, 1 << 5 * (place[ends] + 1), 0)
    runs[1::2], runs[2::2] = np.cumsum(runs[1::2]), np.cumsum(runs[2::2])
    return runs
