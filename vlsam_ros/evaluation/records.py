"""The lines of a predictions file, held to what they must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..config import WAYS
from ..errors import DataError
from ..localisation.score import PARTS
from . import checks
from .checks import Rules
from .dataset import Instance
from .segmentation import compressed

HEADER: Rules = {"threshold": checks.is_number, "options": checks.is_object}
FAILED: Rules = {"id": checks.is_id, "image": checks.is_text, "error": checks.is_text}
LOOKED_AT: Rules = {
    "id": checks.is_id,
    "image": checks.is_text,
    "size_hw": partial(checks.is_list, rule=checks.is_id),
    "instances": checks.is_list,
}
PERHAPS: Rules = {
    "dropped": checks.is_list,
    "timings_s": checks.is_object,
    "vlm": checks.is_text,
    "segmenter": checks.is_text,
    "grounder": checks.is_text,
}
INSTANCE: Rules = {"label": checks.is_label, "score": checks.is_share, "box_xyxy": checks.is_box}
"""What the first line may have; what a frame's line has if it failed, if it was looked at, and beside that; and what
an instance has."""


def whole_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The records of the whole lines, and those lines' length in bytes.

    Raises:
        DataError: a line that is no record, and not the end of the file.
    """
    records: list[dict[str, Any]] = []
    whole = 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        where = f"{path}, line {number}"
        record = checks.parsed(where, line)
        if not isinstance(record, dict) or (number == 1 and checks.wrong(record, {}, HEADER)):
            raise DataError(
                f"{where}: expected how the detector was set, {', '.join(HEADER)}; got {checks.shown(record)}"
            )
        if number > 1 and checks.wrong(record, FAILED) and (fields := checks.wrong(record, LOOKED_AT, PERHAPS)):
            raise DataError(f"{where}: expected a frame's record, got none with a valid {', '.join(fields)}: "
                            f"{checks.shown(record)}")  # fmt: skip
        records.append(record)
        whole += len(line)
    return records, whole


def instances(record: Mapping[str, Any], key: str, where: str) -> Iterator[Instance]:
    """What a frame's record has under `instances` or `dropped`.

    Raises:
        DataError: one that is spoilt; says where.
    """
    for number, item in enumerate(record.get(key) or (), 1):
        try:
            yield _instance(item, record["size_hw"])
        except DataError as error:
            raise DataError(f"{where}, number {number} of its {key}: {error}") from error


def _instance(item: Any, size_hw: tuple[int, int]) -> Instance:
    if fields := checks.wrong(item, INSTANCE, {"parts": checks.is_object, "witnesses": checks.is_object}):
        raise DataError(
            f"expected a label, a score in [0, 1] and a box, got no valid {', '.join(fields)}: {checks.shown(item)}"
        )
    x0, y0, x1, y1 = map(float, item["box_xyxy"])
    parts = tuple(item["parts"].get(p, 1.0) for p in PARTS) if item.get("parts") else ()
    if x1 < x0 or y1 < y0 or not all(map(checks.is_share, parts)):
        raise DataError(f"expected a box as x_min, y_min, x_max, y_max, and parts in [0, 1]; got {checks.shown(item)}")
    rle = compressed(item.get("segmentation"), size_hw)
    evidence = _evidence(item.get("witnesses") or {})
    return Instance(
        checks.printable(item["label"]), (x0, y0, x1, y1), rle, float(item["score"]), parts=parts, evidence=evidence
    )


def _evidence(witnesses: Mapping[str, Any]) -> dict[str, float]:
    """Of each way: score times IoU."""
    pair = partial(checks.is_list, rule=checks.is_share)
    if not witnesses.keys() <= set(WAYS) or not all(pair(w) and len(w) == 2 for w in witnesses.values()):
        raise DataError(f"expected [score, IoU] in [0, 1] for some of {', '.join(WAYS)}; got {checks.shown(witnesses)}")
    return {way: float(score) * float(iou) for way, (score, iou) in witnesses.items()}
