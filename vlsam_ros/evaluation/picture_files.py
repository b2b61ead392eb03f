"""The pictures that a file of labels names: where they lie, and which way up their labels have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import BadImageError
from ..output import files
from .checks import Tally
from .dataset import Frame


def folder(labels: Path, names: Sequence[str]) -> Path:
    """Where some of the pictures lie: beside the file of labels, one folder up, or in a folder `images` there."""
    places = [parent / sub for parent in labels.absolute().parents[:2] for sub in ("", "images")]
    return next((p for p in places if any(is_there(p / name) for name in names)), places[0])


def is_there(path: Path) -> bool:
    """Whether it is a file within reach."""
    try:
        return path.is_file()
    except OSError:  # a name of any length, a folder that may not be read
        return False


def read(path: Path, size_hw: tuple[int, int]) -> np.ndarray:
    """RGB uint8 (H, W, 3): as it is stored if only that is of the labels' size, else turned as its EXIF data say.

    Raises:
        BadImageError: missing or broken.
    """
    return files.read(path, upright=not lies(path, size_hw))


def lies(path: Path, size_hw: tuple[int, int]) -> bool:
    """Whether labels of a picture of this size are of its stored pixels, which lie on their side.

    Raises:
        BadImageError: missing or broken.
    """
    return files.orientation(path) >= 5 and size_hw[0] != size_hw[1] and files.stored_hw(path) == size_hw


def count_doubts(pictures: Iterable[tuple[Path, Frame]], tally: Tally) -> None:
    """Count the pictures that are not there, and those whose size doesn't say which way up the labels are."""
    for path, frame in pictures:
        if not is_there(path):
            tally.add("pictures that are not there", frame.name)
            continue
        try:
            told, lying = files.orientation(path), lies(path, frame.size_hw)
        except BadImageError:  # said when it is read
            continue
        if lying:
            tally.add(
                "pictures that lie on their side, as their labels have them; models can't be judged on", frame.name
            )
        if 1 < told < 5 or (told > 1 and frame.size_hw[0] == frame.size_hw[1]):
            tally.add(
                "pictures with an EXIF orientation that keeps their size: their labels may be of the stored or of the "
                "turned one; read as turned",
                frame.name,
            )
