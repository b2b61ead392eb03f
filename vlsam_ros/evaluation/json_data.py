"""Ground truth in COCO's format, and in CODA's and LVIS's, which add to it. The files are the user's."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..output.files import read
from .dataset import Category, Dataset, Frame, Instance, compressed, strangers

CODA_COMMON = ("pedestrian", "cyclist", "car", "truck", "tricycle")
"""The categories of CODA's COMMON (coda-dataset.github.io, benchmark); NOVEL are all others."""

SSLAD_COMMON = (*CODA_COMMON, "tram", "bus")
"""The common categories of the SSLAD challenge (CODA2022)."""

NEEDED: dict[str, dict[str, Any]] = {
    "images": {"id": int, "width": (int, float), "height": (int, float)},
    "annotations": {"image_id": int, "category_id": int, "bbox": object},
    "categories": {"id": int, "name": str},
}
"""The lists of a file, and what each of their entries has, with its type."""

TYPOS = {"suitcace": "suitcase"}
"""CODA's own."""


def load(path: str, images: Path | None, kind: str) -> Dataset:
    """The frames of one JSON file; kind 'coco' becomes 'coda' or 'lvis' if the file has their marks.

    Raises:
        DataError: unreadable, not in COCO's format, ids that are double or look off by one.
    """
    file, warnings = Path(path), Counter[str]()
    content = _parsed(file)
    if kind == "coco":
        kind = _kind(content)
    categories = _categories(content["categories"], kind, warnings)
    pictures = _by_id(content["images"], f"{file}: images")
    objects = _objects(content["annotations"], pictures, {c.id: c.name for c in categories}, warnings)
    folder = images or _folder(file, [_name(p) for p in content["images"][:20]])
    frames = [_frame(p, folder, objects[i]) for i, p in pictures.items()]
    warnings["pictures that are not there"] = sum(not (folder / f.name).is_file() for f in frames)
    if not any(objects.values()):
        warnings["no labelled object in the whole set"] = 1
    return Dataset(f"{kind}:{path}", kind, frames, categories, kind in ("coda", "lvis"), +warnings)


def _parsed(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"can't read {file}: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in NEEDED):
        raise DataError(f"{file}: expected COCO's format, an object with the lists {', '.join(NEEDED)}")
    for key, needed in NEEDED.items():
        for entry in content[key]:
            known = entry if isinstance(entry, dict) else {}
            if missing := [n for n, kind in needed.items() if n not in known or not isinstance(known[n], kind)]:
                raise DataError(f"{file}: {key} without a valid {', '.join(missing)}: {entry!r:.120}")
    return content


def _kind(content: Mapping[str, list[dict]]) -> str:
    if any("corner_case" in a for a in content["annotations"]):
        return "coda"
    return "lvis" if any("frequency" in c for c in content["categories"]) else "coco"


def _by_id(entries: Iterable[dict[str, Any]], what: str) -> dict[int, dict[str, Any]]:
    table: dict[int, dict[str, Any]] = {}
    for entry in entries:
        if table.setdefault(entry["id"], entry) is not entry:
            raise DataError(f"{what}: id {entry['id']} is there twice")
    return table


def _categories(entries: list[dict[str, Any]], kind: str, warnings: Counter[str]) -> tuple[Category, ...]:
    """The file's categories; typos in the names that a metric relies on are corrected."""
    names = {i: str(e["name"]) for i, e in _by_id(entries, "categories").items()}
    typos = dict(TYPOS)
    for name in SSLAD_COMMON if kind == "coda" else ():
        if name not in names.values():
            rest = [n for n in names.values() if n not in SSLAD_COMMON]
            typos |= dict.fromkeys(get_close_matches(name, rest, 1, 0.85), name)
    corrected = {i: typos.get(name, name) for i, name in names.items()}
    warnings.update(f"category {n!r} read as {corrected[i]!r}" for i, n in names.items() if n != corrected[i])
    if kind == "lvis" and not all(e.get("frequency") in ("r", "c", "f") for e in entries):
        raise DataError("expected LVIS's categories, each with a frequency r, c or f; for others write coco:<file>")
    if double := [n for n, count in Counter(corrected.values()).items() if count > 1]:
        raise DataError(f"expected every category's name once, got {', '.join(map(repr, double))} more often")
    return tuple(
        Category(e["id"], corrected[e["id"]], e.get("frequency", ""), tuple(e.get("synonyms", ()))) for e in entries
    )


def _objects(
    annotations: list[dict[str, Any]],
    pictures: Mapping[int, dict[str, Any]],
    names: Mapping[int, str],
    warnings: Counter[str],
) -> dict[int, list[Callable[[], Instance]]]:
    """Image id -> what reads each of its labelled objects."""
    strange = strangers("image ids of annotations", {a["image_id"] for a in annotations}, pictures)
    unnamed = strangers("category ids of annotations", {a["category_id"] for a in annotations}, names)
    objects: dict[int, list[Callable[[], Instance]]] = defaultdict(list)
    for a in annotations:
        if a["image_id"] in strange:
            warnings["annotations of images that the file doesn't list, left out"] += 1
        elif not _is_box(a["bbox"]):
            warnings["annotations whose box has no area, left out"] += 1
        else:
            warnings["annotations of a category that the file doesn't list, counted without a name"] += (
                a["category_id"] in unnamed
            )
            name, size_hw = names.get(a["category_id"], ""), _size_hw(pictures[a["image_id"]])
            objects[a["image_id"]].append(partial(_instance, a, name, size_hw))
    return objects


def _is_box(bbox: Any) -> bool:
    numbers = isinstance(bbox, list) and len(bbox) == 4 and all(isinstance(v, (int, float)) for v in bbox)
    return numbers and all(map(math.isfinite, bbox)) and bbox[2] > 0 and bbox[3] > 0


def _instance(a: dict[str, Any], name: str, size_hw: tuple[int, int]) -> Instance:
    x, y, w, h = map(float, a["bbox"])
    mask = a.get("segmentation")
    if isinstance(mask, list):
        mask = [polygon for polygon in mask if len(polygon) >= 6]
    return Instance(
        label=name,
        category=name,
        xyxy=(x, y, x + w, y + h),
        rle=compressed(mask, size_hw) if mask else None,
        ignore=bool(a.get("iscrowd") or a.get("ignore")),
        corner=bool(a.get("corner_case", True)),  # CODA Base holds corner cases alone, without the flag
    )


def _frame(picture: dict[str, Any], folder: Path, objects: list[Callable[[], Instance]]) -> Frame:
    name = _name(picture)
    return Frame(
        id=picture["id"],
        name=name,
        size_hw=_size_hw(picture),
        image=partial(read, folder / name),
        truth=cache(lambda: tuple(read_one() for read_one in objects)),
        absent=tuple(picture.get("neg_category_ids", ())),
        not_all=tuple(picture.get("not_exhaustive_category_ids", ())),
    )


def _size_hw(picture: dict[str, Any]) -> tuple[int, int]:
    return int(picture["height"]), int(picture["width"])


def _name(picture: dict[str, Any]) -> str:
    """The picture's file: LVIS gives an address whose last two parts are the split and the file."""
    return str(picture.get("file_name") or "/".join(str(picture.get("coco_url", picture["id"])).split("/")[-2:]))


def _folder(file: Path, some: list[str]) -> Path:
    """Where the pictures lie: beside the JSON file, one folder up, or in a folder `images` there."""
    places = [parent / sub for parent in file.absolute().parents[:2] for sub in ("", "images")]
    return next((p for p in places if any((p / name).is_file() for name in some)), places[0])
