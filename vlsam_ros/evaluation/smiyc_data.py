"""RoadAnomaly21 and RoadObstacle21 as SegmentMeIfYouCan has them: labels of pixels (arXiv 2104.14812)."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ..data import Mask
from ..errors import DataError
from . import label_pictures
from .checks import Tally
from .dataset import ANOMALY, Category, Dataset, Instance

NORMAL, ANOMALOUS, IGNORED = 0, 1, 255
"""The values of a pixel's label."""

TRACKS = ("anomaly", "obstacle")
LABELS = "_labels_semantic"

LEFT_OUT = tuple(f"validation_{n}" for n in (19, *range(21, 30)))
"""Beginnings of the names of pictures that the obstacle track's validation split leaves out."""


def load(spec: str, images: Path | None, kind: str) -> Dataset:
    """The labelled frames of ``[anomaly:|obstacle:]<folder>``, which has `images` and `labels_masks`.

    Each component of anomalous pixels (8-connected) is an object. Without a track it is the one that the folder's name
    says. The test split's labels are not public: its pictures are left out, and counted.

    Raises:
        DataError: no labels, no track, or labels that can't be read.
    """
    track, folder = _track(spec)
    masks = sorted((folder / "labels_masks").glob(f"*{LABELS}.png"))
    labels = {path.stem.removesuffix(LABELS): path for path in masks}
    found = label_pictures.pictures(label_pictures.below(images or folder / "images"))
    if not labels:
        raise DataError(
            f"{folder}: expected labels_masks/<picture>{LABELS}.png, got none for {len(found)} pictures; those of the "
            "validation split alone are public"
        )
    tally, warnings = Tally(), Counter[str]()
    for name in sorted(found.keys() - labels.keys()):
        tally.add("pictures without labels, left out: the test split's are not public", name)
    for name in [n for n in labels if track == "obstacle" and n.startswith(LEFT_OUT)]:
        tally.add("pictures that the benchmark's validation split leaves out, left out", name)
        del labels[name]
    frames = label_pictures.frames(labels, found, partial(_objects, warnings), tally)
    warnings.update(tally.warnings())
    return Dataset(f"smiyc:{spec}", kind, frames, (Category(1, ANOMALY),), warnings=warnings, track=track)


def _track(spec: str) -> tuple[str, Path]:
    said, colon, rest = spec.partition(":")
    if colon and said in TRACKS:
        return said, Path(rest)
    named = [t for t in TRACKS if t in Path(spec).absolute().name.lower()]
    if len(named) != 1:
        raise DataError(
            "expected smiyc:anomaly:<folder> or smiyc:obstacle:<folder>, or a folder called after one of them, such as "
            f"dataset_AnomalyTrack; got smiyc:{spec}"
        )
    return named[0], Path(spec)


def _objects(warnings: Counter[str], labels: np.ndarray) -> tuple[Instance, ...]:
    strange = ~np.isin(labels, (NORMAL, ANOMALOUS, IGNORED))
    if strange.any():
        warnings["pictures with labels other than 0, 1 and 255, whose pixels are not judged"] += 1
    count, components, boxes, _ = cv2.connectedComponentsWithStats(np.uint8(labels == ANOMALOUS), connectivity=8)
    found = []
    for number in range(1, count):
        x, y, width, height = map(int, boxes[number, :4])
        bits = components[y : y + height, x : x + width] == number
        found.append(label_pictures.anomaly(Mask(x, y, bits), labels.shape))
    return (*found, *label_pictures.void(strange | (labels == IGNORED)))
