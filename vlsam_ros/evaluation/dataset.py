"""What is measured on: frames with their labelled objects, from JSON files, recordings or rendered scenes."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from ..data import Mask
from ..errors import BadImageError, DataError
from ..output.rle import encode, to_coco

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Instance:
    """An object, labelled or detected, in pixels of its frame.

    Attributes:
        label: what it was called; empty if nobody said.
        xyxy: its box.
        rle: its mask in COCO's compressed run lengths of the whole frame, or None.
        score: in [0, 1]; 1 for a labelled one.
        category: the dataset's name for it; empty: none.
        ignore: a region where detections count neither as right nor as wrong.
        corner: CODA's `corner_case`.
        distance_m: from the camera; NaN if unknown.
        parts: of its score, in the order of `vlsam_ros.localisation.score.PARTS`.
        evidence: what each way from a name to a place that was asked says for it, in [0, 1].
    """

    label: str
    xyxy: Box
    rle: dict | None = None
    score: float = 1.0
    category: str = ""
    ignore: bool = False
    corner: bool = True
    distance_m: float = math.nan
    parts: tuple[float, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)

    @property
    def height_px(self) -> float:
        """The box's height."""
        return self.xyxy[3] - self.xyxy[1]


@dataclass(frozen=True)
class Category:
    """A category of a dataset; `frequency` (r, c or f) and `synonyms` as LVIS has them."""

    id: int
    name: str
    frequency: str = ""
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        id, name: number in the dataset, and what people know it by: file name, stamp in ns, or scene.
        size_hw: height and width in pixels.
        image: reads it: RGB uint8 (H, W, 3); raises `BadImageError` if it is missing or broken.
        truth: reads its labelled objects.
        horizon: the horizon's row as a share of the height; None if unknown.
        absent, not_all: ids of the categories of which LVIS says that the frame has none, or that not all are labelled.
        lying: whether the picture lies on its side, as its labels have it.
    """

    id: int
    name: str
    size_hw: tuple[int, int]
    image: Callable[[], np.ndarray] = field(repr=False)
    truth: Callable[[], tuple[Instance, ...]] = field(repr=False)
    horizon: float | None = None
    absent: tuple[int, ...] = ()
    not_all: tuple[int, ...] = ()
    lying: Callable[[], bool] = field(default=lambda: False, repr=False)

    def for_models(self) -> np.ndarray:
        """The picture for a model to look at: RGB uint8 (H, W, 3).

        Raises:
            BadImageError: it is missing, broken, of another size than its labels say, or lies on its side, where what a
                model finds says nothing about the model.
        """
        image = self.image()
        if image.shape[:2] != self.size_hw:  # the labels would be those of other pixels
            raise BadImageError(f"expected a picture of {self.size_hw} (height, width), got {image.shape[:2]}")
        if self.lying():
            raise BadImageError(
                "its labels are of the stored pixels, which lie on their side: turn both by its EXIF data"
            )
        return image


@dataclass(frozen=True)
class Dataset:
    """Frames and the names of what is labelled in them.

    Attributes:
        name: as it was asked for.
        kind: a key of `KINDS`; decides which of the published metrics apply.
        partial: not every object is labelled, so that precision and false positives look worse than they are.
        warnings: what was wrong with the files -> how often.
        track: SegmentMeIfYouCan's, anomaly or obstacle; decides which components are too small to count.
    """

    name: str
    kind: str
    frames: Sequence[Frame]
    categories: tuple[Category, ...]
    partial: bool = False
    warnings: Counter[str] = field(default_factory=Counter)
    track: str = ""


KINDS = {
    "coco": ("json_data", "a JSON file in COCO's format"),
    "coda": ("json_data", "CODA's corner_case.json or annotations.json"),
    "lvis": ("json_data", "LVIS's JSON file"),
    "bag": ("bag_data", "a recording with compressed images and ground truth"),
    "oodis": ("oodis_data", "OoDIS's folder of *_instanceIds.png, or a *_label.json"),
    "smiyc": ("smiyc_data", "SegmentMeIfYouCan's folder with images and labels_masks"),
    "synthetic": ("scene_data", "rendered scenes, '[wide:|unseen:]<scenes>[+<empty roads>][@<first seed>]'"),
}
"""Kind -> the module whose `load(rest, images, kind)` reads it, and what stands behind the colon."""

ANOMALY_KINDS = ("oodis", "smiyc")
"""Kinds of which the labelled objects are what does not belong on a road, whatever it is called."""

ANOMALY, VOID = "anomaly", "void"
"""The labels of such an object, and of the pixels where such a benchmark judges nothing; their box means nothing, as it
would cover the picture."""


DATA = "; ".join(f"{kind}:… {what}" for kind, (_, what) in KINDS.items()) + "; or the file alone"
"""What a command line's `--data` takes."""


def read(args: argparse.Namespace) -> Dataset:
    """The dataset of a command line, with `--data`, `--images` and, if it has that, `--limit`."""
    data, limit = load(args.data, args.images), getattr(args, "limit", None)
    if limit is not None and limit < 1:
        raise DataError(f"--limit: expected at least 1 frame, got {limit}")
    return replace(data, frames=data.frames[:limit])


def must_have_pictures(data: Dataset) -> None:
    """Raises `DataError` if not one picture of the dataset is there; looks no further than the first that is."""
    for frame in data.frames:
        try:
            frame.image()
            return
        except BadImageError:  # of a single frame it is reported where that is looked at
            continue
    raise DataError(f"{data.name}: none of the pictures is there, such as {data.frames[0].name}; give --images")


def load(spec: str, images: Path | None = None) -> Dataset:
    """The dataset that ``kind:rest`` names; of a path alone the kind is seen in the file.

    Args:
        images: the folder with the pictures that a JSON file names; None: beside it.

    Raises:
        DataError: unknown, unreadable, empty, or its parts don't belong together.
    """
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in KINDS:
        path = Path(spec)
        if not path.exists():
            known = "; ".join(f"{name}:… for {what}" for name, (_, what) in KINDS.items())
            raise DataError(f"no such data: {spec!r}; expected a path, or one of: {known}")
        kind, rest = ("" if path.suffix == ".json" else "bag"), spec
    module = KINDS[kind][0] if kind else "json_data"
    dataset: Dataset = import_module(f".{module}", __package__).load(rest, images, kind)
    if not dataset.frames:
        raise DataError(f"{spec}: there are no frames in it")
    return dataset


def strangers(what: str, used: set[int], known: Collection[int]) -> set[int]:
    """Those of the used ids that are not known.

    Raises:
        DataError: with one added or taken away, all of them would be known.
    """
    unknown = used - set(known)
    for shift in (1, -1):
        if unknown and all(i + shift in known for i in used):
            raise DataError(
                f"{what} look off by one: expected some of {min(known)} to {max(known)}, got {min(used)} to {max(used)}"
            )
    return unknown


def mask_rle(mask: Mask, size_hw: tuple[int, int]) -> dict:
    """COCO's compressed run lengths of a mask on a frame of this size."""
    from faster_coco_eval.core import mask as coco

    return coco.segmToRle(to_coco(encode(mask.bits, (mask.x, mask.y)), size_hw), size_hw[1], size_hw[0])


def box_rle(xyxy: Box, size_hw: tuple[int, int]) -> dict:
    """A box as a mask, in COCO's compressed run lengths."""
    from faster_coco_eval.core import mask as coco

    (x0, y0, x1, y1), (h, w) = xyxy, size_hw
    far = max(x0, -w), max(y0, -h), min(x1, 2 * w), min(y1, 2 * h)  # what is drawn beyond the frame takes memory
    inside = x0 < min(x1, w) and y0 < min(y1, h) and x1 > 0 and y1 > 0
    return coco.frPyObjects([xywh(far) if inside else [0.0] * 4], *size_hw)[0]


def xywh(xyxy: Box) -> list[float]:
    """A box in COCO's form."""
    x0, y0, x1, y1 = map(float, xyxy)
    return [x0, y0, x1 - x0, y1 - y0]
