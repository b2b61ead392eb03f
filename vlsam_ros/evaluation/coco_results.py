"""Another detector's results in COCO's format: a list of boxes or masks with image_id, category_id and score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .checks import Rules, Tally, is_box, is_id, is_number, parsed, shown, wrong
from .dataset import Box, Dataset, Instance, strangers
from .segmentation import compressed

NEEDED: Rules = {"image_id": is_id, "score": is_number}
OPTIONAL: Rules = {"category_id": is_id, "bbox": lambda value: value == [] or is_box(value)}


def read(file: Path, dataset: Dataset, tally: Tally) -> dict[int, list[Instance]]:
    """Frame id -> what was found there. A frame without any counts as looked at, as everywhere in that format.

    Raises:
        DataError: not in that format, spoilt, or its ids look off by one.
    """
    results = parsed(file)
    for number, r in enumerate(results if isinstance(results, list) else [results]):
        if fields := wrong(r, NEEDED, OPTIONAL) or ([] if r.get("bbox") or r.get("segmentation") else ["bbox"]):
            raise DataError(
                f"{file}: expected a list of image_id, score, and bbox or segmentation, perhaps category_id; result "
                f"{number} has no valid {', '.join(fields)}: {shown(r)}"
            )
    frames = {f.id: f for f in dataset.frames}
    names: dict[int | None, str] = {c.id: c.name for c in dataset.categories}
    unknown = strangers("image ids of predictions", {r["image_id"] for r in results}, frames)
    said = {r["category_id"] for r in results if r.get("category_id") is not None}
    unnamed = strangers("category ids of predictions", said, {c.id for c in dataset.categories})
    found: dict[int, list[Instance]] = {i: [] for i in frames}
    for number, r in enumerate(results):
        where = f"result {number}"
        if r["image_id"] in unknown:
            tally.add("predictions for frames that the data doesn't have, left out", where)
            continue
        try:
            instance = _instance(r, names, frames[r["image_id"]].size_hw)
        except DataError as error:
            raise DataError(f"{file}: {where}: {error}") from error
        found[r["image_id"]].append(instance)
        _count_doubts(r, instance, unnamed, where, tally)
    return found if not results or any(found.values()) else {}


def _instance(result: Mapping[str, Any], names: Mapping[int | None, str], size_hw: tuple[int, int]) -> Instance:
    from faster_coco_eval.core import mask as coco

    rle = compressed(result.get("segmentation"), size_hw)
    if rle is None and not result.get("bbox"):
        raise DataError("expected a box, or a mask that shows something")
    x, y, w, h = map(float, result.get("bbox") or coco.toBbox(rle))
    xyxy: Box = (x, y, x + max(w, 0.0), y + max(h, 0.0))
    return Instance(names.get(result.get("category_id"), ""), xyxy, rle, float(result["score"]))


def _count_doubts(result: Mapping[str, Any], instance: Instance, unnamed: set[int], where: str, tally: Tally) -> None:
    category = result.get("category_id")
    if category is None:
        tally.add("predictions without a category_id, counted without a name", where)
    elif category in unnamed:
        tally.add("predictions of a category that the data doesn't list, counted without a name", where)
    if not 0 <= instance.score <= 1:
        tally.add("predictions whose score is no share of 1: AP holds, thresholds and calibration don't", where)
    if instance.xyxy[0] == instance.xyxy[2] or instance.xyxy[1] == instance.xyxy[3]:
        tally.add("predictions whose box has no area, counted as false positives", where)
