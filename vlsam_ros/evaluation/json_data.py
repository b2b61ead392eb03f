"""Ground truth in COCO's format, and in CODA's and LVIS's, which add to it. The files are the user's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..errors import DataError
from . import checks, picture_files
from .checks import Rules, Tally
from .dataset import Category, Dataset, Frame, Instance, strangers
from .segmentation import checked, compressed

CODA_COMMON = ("pedestrian", "cyclist", "car", "truck", "tricycle")
"""The categories of CODA's COMMON (coda-dataset.github.io, benchmark); NOVEL are all others."""

SSLAD_COMMON = (*CODA_COMMON, "tram", "bus")
"""The common categories of the SSLAD challenge (CODA2022)."""

NEEDED: dict[str, Rules] = {
    "images": {"id": checks.is_id, "width": checks.is_size, "height": checks.is_size},
    "annotations": {
        "image_id": checks.is_id,
        "category_id": checks.is_id,
        "bbox": lambda value: isinstance(value, list),
    },
    "categories": {"id": checks.is_id, "name": checks.is_name},
}
"""The lists of a file, and what each of their entries has."""

_IDS = partial(checks.is_list, rule=checks.is_id)
OPTIONAL: dict[str, Rules] = {
    "images": {
        "file_name": checks.is_text,
        "coco_url": checks.is_text,
        "neg_category_ids": _IDS,
        "not_exhaustive_category_ids": _IDS,
    },
    "annotations": dict.fromkeys(("iscrowd", "ignore", "corner_case"), checks.is_flag),
    "categories": {"frequency": checks.is_text, "synonyms": partial(checks.is_list, rule=checks.is_name)},
}
"""What else an entry may have, as null too."""

TYPOS = {"suitcace": "suitcase"}
"""CODA's own."""


def load(path: str, images: Path | None, kind: str) -> Dataset:
    """The frames of one JSON file; without a kind, it is 'coda' or 'lvis' if the file has their marks, else 'coco'.

    Raises:
        DataError: unreadable, not in COCO's format, a spoilt segmentation, ids that are double or look off by one.
    """
    file, tally = Path(path), Tally()
    content = checked_content(checks.parsed(file), file)
    kind = kind or _kind(content)
    categories = _categories(content["categories"], kind, tally)
    pictures = _by_id(content["images"], f"{file}: images")
    try:
        objects = read_objects(content["annotations"], pictures, {c.id: c.name for c in categories}, kind, tally)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    folder = images or picture_files.folder(file, [_name(p) for p in content["images"][:20]])
    frames = [_frame(p, folder, objects[i]) for i, p in pictures.items()]
    picture_files.count_doubts([(folder / _name(p), f) for p, f in zip(pictures.values(), frames, strict=True)], tally)
    if not any(objects.values()):
        tally.add("no labelled object in the whole set")
    return Dataset(f"{kind}:{path}", kind, frames, categories, kind in ("coda", "lvis"), tally.warnings())


def checked_content(content: Any, file: Path) -> dict[str, list[dict[str, Any]]]:
    """What a file holds, once it has been found to be in COCO's format.

    Raises:
        DataError: it is not.
    """
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in NEEDED):
        raise DataError(f"{file}: expected COCO's format, an object with the lists {', '.join(NEEDED)}")
    for key, needed in NEEDED.items():
        for number, entry in enumerate(content[key]):
            if fields := checks.wrong(entry, needed, OPTIONAL[key]):
                raise DataError(
                    f"{file}: {key} without a valid {', '.join(fields)}: number {number}, {checks.shown(entry)}"
                )
    for p in content["images"]:
        if p["height"] * p["width"] >= 1 << 32:  # COCO's run lengths hold no more; smaller ones fail when they are read
            raise DataError(f"{file}: image {p['id']} is too large to be one: {p['width']} x {p['height']} px")
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


def _categories(entries: list[dict[str, Any]], kind: str, tally: Tally) -> tuple[Category, ...]:
    """The file's categories; typos in the names that a metric relies on are corrected."""
    names = {i: checks.printable(e["name"]) for i, e in _by_id(entries, "categories").items()}
    typos = dict(TYPOS)
    for name in SSLAD_COMMON if kind == "coda" else ():
        if name not in names.values():
            rest = [n for n in names.values() if n not in SSLAD_COMMON]
            typos |= dict.fromkeys(get_close_matches(name, rest, 1, 0.85), name)
    corrected = {i: typos.get(name, name) for i, name in names.items()}
    for i, name in names.items():
        tally.add(f"category {name!r} read as {corrected[i]!r}", times=name != corrected[i])
    if kind == "lvis" and not all(e.get("frequency") in ("r", "c", "f") for e in entries):
        raise DataError("expected LVIS's categories, each with a frequency r, c or f; for others write coco:<file>")
    if double := [n for n, count in Counter(corrected.values()).items() if count > 1]:
        raise DataError(f"expected every category's name once, got {', '.join(map(repr, double))} more often")
    return tuple(
        Category(e["id"], corrected[e["id"]], e.get("frequency") or "", tuple(e.get("synonyms") or ())) for e in entries
    )


def read_objects(
    annotations: list[dict[str, Any]],
    pictures: Mapping[int, dict[str, Any]],
    names: Mapping[int, str],
    kind: str,
    tally: Tally,
) -> dict[int, list[Callable[[], Instance]]]:
    """Image id -> what reads each of its labelled objects.

    As COCO's evaluator has it, crowds are to be ignored, and a flag `ignore` says nothing; with LVIS's it is the other
    way round.
    """
    strange = strangers("image ids of annotations", {a["image_id"] for a in annotations}, pictures)
    unnamed = strangers("category ids of annotations", {a["category_id"] for a in annotations}, names)
    used, other = ("ignore", "iscrowd") if kind == "lvis" else ("iscrowd", "ignore")
    objects: dict[int, list[Callable[[], Instance]]] = defaultdict(list)
    for number, a in enumerate(annotations):
        where = f"annotation {checks.shown(a['id'])}" if "id" in a else f"annotation number {number}"
        if a["image_id"] in strange:
            tally.add("annotations of images that the file doesn't list, left out", where)
        elif not checks.is_box(a["bbox"]) or min(a["bbox"][2:]) <= 0:
            tally.add("annotations whose box has no area, left out", where)
        else:
            size_hw = _size_hw(pictures[a["image_id"]])
            _check_mask(a.get("segmentation"), size_hw, where, tally)
            if a["category_id"] in unnamed:
                tally.add("annotations of a category that the file doesn't list, counted without a name", where)
            if a.get(other) and not a.get(used):
                tally.add(f"annotations with {other}, which {kind.upper()}'s evaluator doesn't know: counted", where)
            category = names.get(a["category_id"], f"category {a['category_id']}")  # no detection is called that
            objects[a["image_id"]].append(partial(_instance, a, category, bool(a.get(used)), size_hw))
    ids = Counter(a["id"] for a in annotations if checks.is_id(a.get("id")))
    for i, count in ids.items():
        tally.add("annotations with the id of another one, counted", f"annotation {i}", count - 1)
    return objects


def _check_mask(segmentation: Any, size_hw: tuple[int, int], where: str, tally: Tally) -> None:
    """Before any model runs; masks are made of it when they are asked for."""
    try:
        empty = checked(segmentation, size_hw) is None
    except DataError as error:
        raise DataError(f"{where}: segmentation: {error}") from error
    if empty and segmentation:
        tally.add("annotations whose polygons have fewer than three points: their box stands in for a mask", where)


def _instance(a: dict[str, Any], name: str, ignore: bool, size_hw: tuple[int, int]) -> Instance:
    x, y, w, h = map(float, a["bbox"])
    return Instance(
        label=name,
        category=name,
        xyxy=(x, y, x + w, y + h),
        rle=compressed(a.get("segmentation"), size_hw),
        ignore=ignore,
        corner=bool(a.get("corner_case", True)),  # CODA Base holds corner cases alone, without the flag
    )


def _frame(picture: dict[str, Any], folder: Path, objects: list[Callable[[], Instance]]) -> Frame:
    name, size_hw = _name(picture), _size_hw(picture)
    return Frame(
        id=picture["id"],
        name=checks.printable(name),
        size_hw=size_hw,
        image=partial(picture_files.read, folder / name, size_hw),
        lying=partial(picture_files.lies, folder / name, size_hw),
        truth=cache(lambda: tuple(read_one() for read_one in objects)),
        absent=tuple(picture.get("neg_category_ids") or ()),
        not_all=tuple(picture.get("not_exhaustive_category_ids") or ()),
    )


def _size_hw(picture: dict[str, Any]) -> tuple[int, int]:
    return int(picture["height"]), int(picture["width"])


def _name(picture: dict[str, Any]) -> str:
    """The picture's file: LVIS gives an address whose last two parts are the split and the file."""
    return picture.get("file_name") or "/".join((picture.get("coco_url") or str(picture["id"])).split("/")[-2:])
