"""OoDIS: instances of anomalies over RoadAnomaly21, RoadObstacle21 and Fishyscapes Lost & Found (arXiv 2406.11835).

Masks are pictures of ids as Cityscapes has them, boxes one file in COCO's format, in which pictures have names for ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Mask
from ..errors import BadImageError, DataError
from ..output import files
from . import checks, json_data, label_pictures, picture_files
from .checks import Tally
from .dataset import ANOMALY, Category, Dataset, Frame, Instance

LABELS = "_instanceIds"
FIRST_INSTANCE = 1000
"""From here on a pixel's number is that of an instance, 1000 × class + count; below it, a class."""

ANOMALY_CLASS = 26
"""Cityscapes' car, whose place the anomalies have in the benchmark's labels."""

NOT_JUDGED = (*range(7), 9, 10, 14, 15, 16, 18, 29, 30)
"""Cityscapes' classes that no evaluation counts."""

CLASSES = 34

UNKNOWN = -1
"""The number of a picture that the file doesn't list."""


def load(path: str, images: Path | None, kind: str) -> Dataset:
    """The frames of a folder with ``<picture>[_gtCoarse]_instanceIds.png``, also below it, or of one ``*.json``.

    Raises:
        DataError: neither, or labels that can't be read.
    """
    labels, tally, warnings = Path(path), Tally(), Counter[str]()
    found = label_pictures.pictures(label_pictures.below(images) if images else label_pictures.beside(labels))
    if labels.is_dir():
        frames = label_pictures.frames(_named(labels), found, partial(_objects, warnings), tally)
    else:
        frames = _of_json(labels, found, tally)
    warnings.update(tally.warnings())
    return Dataset(f"oodis:{path}", kind, frames, (Category(1, ANOMALY),), warnings=warnings)


def _named(folder: Path) -> dict[str, Path]:
    labels: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{LABELS}.png")):
        name = path.stem.removesuffix(LABELS).removesuffix("_gtCoarse")
        if labels.setdefault(name, path) != path:
            raise DataError(f"expected labels of {name} once, got {labels[name]} and {path}")
    if not labels:
        raise DataError(f"{folder}: expected <picture>{LABELS}.png in it or below, or name one of the *_label.json")
    return labels


def _objects(warnings: Counter[str], labels: np.ndarray) -> tuple[Instance, ...]:
    """Its instances, and what the benchmark's evaluator doesn't judge: void pixels and anomalies not told apart."""
    numbers = np.unique(labels)
    instances, classes = numbers[numbers >= FIRST_INSTANCE], numbers[numbers < FIRST_INSTANCE]
    others = instances[instances // FIRST_INSTANCE != ANOMALY_CLASS]
    warnings[f"instances of another class than {ANOMALY_CLASS}, counted as anomalies"] += len(others)
    unknown = classes[classes >= CLASSES]
    warnings["pictures with classes that Cityscapes doesn't have, whose pixels are not judged"] += bool(len(unknown))
    void = np.isin(labels, (*NOT_JUDGED, ANOMALY_CLASS, *unknown.tolist()))
    everything = bool((void | (labels >= FIRST_INSTANCE)).all())
    warnings["pictures where all but the anomalies is void: nothing there is a false positive"] += everything
    found = (label_pictures.anomaly(Mask.from_dense(labels == i), labels.shape) for i in instances)
    return (*found, *label_pictures.void(void))


def _of_json(file: Path, found: Mapping[str, Path], tally: Tally) -> list[Frame]:
    content = json_data.checked_content(_numbered(checks.parsed(file), found), file)
    pictures = {p["id"]: p for p in content["images"]}
    try:
        objects = json_data.read_objects(content["annotations"], pictures, {1: ANOMALY}, "oodis", tally)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    frames, places = [], []
    for i, p in pictures.items():
        path, size_hw = (
            found.get(label_pictures.name_of(p["file_name"]), Path(p["file_name"])),
            (int(p["height"]), int(p["width"])),
        )
        frames.append(label_pictures.frame(i, p["file_name"], size_hw, path, partial(_read, objects[i])))
        places.append(path)
    picture_files.count_doubts(zip(places, frames, strict=True), tally)
    return frames


def _read(objects: list[Callable[[], Instance]]) -> tuple[Instance, ...]:
    return tuple(read_one() for read_one in objects)


def _numbered(content: Any, found: Mapping[str, Path]) -> Any:
    """The same with pictures numbered from 1, one category, and the sizes that are missing taken from the pictures."""
    lists = [content.get(k) for k in ("images", "annotations")] if isinstance(content, dict) else [None]
    if not all(checks.is_list(entries, checks.is_object) for entries in lists):
        return content  # whose reader says what is wrong
    names = [p.get("id") for p in content["images"]]
    if not all(checks.is_text(n) or checks.is_id(n) for n in names) or len(set(names)) < len(names):
        raise DataError("expected every image of OoDIS's labels to have an id of its own, a name or a number")
    numbers: dict[Any, int] = {name: i for i, name in enumerate(names, 1)}
    images = []
    for i, p in enumerate(content["images"], 1):
        name = p.get("file_name") if checks.is_name(p.get("file_name")) else str(p["id"])
        images.append(_size(found.get(label_pictures.name_of(name))) | p | {"id": i, "file_name": name})
    annotations = [
        a | {"image_id": numbers.get(shown, UNKNOWN) if isinstance(shown := a.get("image_id"), (str, int)) else UNKNOWN,
             "category_id": 1}
        for a in content["annotations"]
    ]  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": ANOMALY}]}


def _size(picture: Path | None) -> dict[str, int]:
    try:
        height, width = files.stored_hw(picture) if picture else (0, 0)
    except BadImageError:
        return {}
    return {"height": height, "width": width} if height else {}
