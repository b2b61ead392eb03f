"""Labels that are pictures themselves, one number a pixel, and the pictures that they belong to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..data import Mask
from ..errors import BadImageError, DataError
from ..output import files
from . import picture_files
from .checks import Tally, printable
from .dataset import ANOMALY, VOID, Frame, Instance, mask_rle

Read = TypeVar("Read")
Objects = Callable[[np.ndarray], tuple[Instance, ...]]
"""What a picture of labels, unsigned integers (H, W), says is there."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_LABELS = re.compile(r"_(labels_.*|(instance|label|labelTrain)Ids|gt(Coarse|Fine)_color)$")
_FOLDERS = ("images", "leftImg8bit")


def pictures(paths: Iterable[Path]) -> dict[str, Path]:
    """The pictures among some files by their names; of a name that is there twice, the first."""
    found: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() in SUFFIXES and not _LABELS.search(path.stem):
            found.setdefault(name_of(path.name), path)
    return found


def name_of(file: str) -> str:
    """What labels and pictures are known by: Cityscapes' ``<name>_leftImg8bit.png`` is <name>."""
    path = Path(file)
    return (path.stem if path.suffix.lower() in SUFFIXES else path.name).removesuffix("_leftImg8bit")


def below(folder: Path) -> list[Path]:
    """The files in a folder and its folders, in the order of their names; none if it isn't there."""
    return sorted(folder.rglob("*")) if folder.is_dir() else []


def beside(labels: Path) -> Iterator[Path]:
    """Where pictures of labels are looked for: in their folder, in `images` and `leftImg8bit` there and beside it."""
    folder = labels.absolute() if labels.is_dir() else labels.absolute().parent
    yield from below(folder) if labels.is_dir() else sorted(folder.glob("*"))
    for parent in (folder, folder.parent):
        for name in _FOLDERS:
            yield from below(parent / name)


def frames(labels: Mapping[str, Path], found: Mapping[str, Path], objects: Objects, tally: Tally) -> list[Frame]:
    """The frames with labels, in the order of their names.

    Args:
        labels, found: name -> its picture of labels; its picture.

    Raises:
        DataError: a picture of labels can't be read. Its pixels are read only when the truth is asked for.
    """
    made, places = [], []
    for number, name in enumerate(sorted(labels), 1):
        size_hw, path = _labels(files.stored_hw, labels[name]), found.get(name, Path(f"{name}.jpg"))
        made.append(frame(number, name, size_hw, path, partial(_truth, labels[name], objects)))
        places.append(path)
    picture_files.count_doubts(zip(places, made, strict=True), tally)
    return made


def frame(
    number: int, name: str, size_hw: tuple[int, int], picture: Path, truth: Callable[[], tuple[Instance, ...]]
) -> Frame:
    """A frame whose picture has labels of this size; its truth is read once."""
    return Frame(
        id=number,
        name=printable(name),
        size_hw=size_hw,
        image=partial(picture_files.read, picture, size_hw),
        lying=partial(picture_files.lies, picture, size_hw),
        truth=cache(truth),
    )


def _truth(path: Path, objects: Objects) -> tuple[Instance, ...]:
    return objects(_labels(files.numbers, path))


def _labels(read: Callable[[Path], Read], path: Path) -> Read:
    try:
        return read(path)
    except BadImageError as error:
        raise DataError(f"{path}: {error}") from error


def anomaly(mask: Mask, size_hw: tuple[int, int]) -> Instance:
    """An object that does not belong there."""
    height, width = mask.bits.shape
    box = (float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height))
    return Instance(ANOMALY, box, mask_rle(mask, size_hw), category=ANOMALY)


def void(bits: np.ndarray) -> tuple[Instance, ...]:
    """The pixels that are not judged, bool (H, W), as one region; nothing if there are none."""
    if not bits.any():
        return ()
    (height, width), mask = bits.shape, Mask.from_dense(bits)
    return (Instance(VOID, (0.0, 0.0, float(width), float(height)), mask_rle(mask, bits.shape), ignore=True),)
