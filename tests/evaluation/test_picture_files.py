"""Photos with an EXIF orientation: the labels lie on the object, of whichever picture they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import BadImageError
from vlsam_ros.evaluation import predictions
from vlsam_ros.evaluation.dataset import Dataset, Frame, load
from vlsam_ros.evaluation.oracle import oracle

STORED = np.full((64, 96, 3), 90, np.uint8)
STORED[16:32, 8:40] = (220, 30, 30)
TURNED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, 3),
    7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""EXIF orientation -> what makes the upright picture of the stored one."""


def labelled(folder: Path, orientation: int, stored: bool, square: bool = False, kind: str = "jpg") -> Dataset:
    """A photo, and the red object in it labelled on its stored or on its turned pixels."""
    pixels = np.ascontiguousarray(STORED[:, :64] if square else STORED)
    photo = Image.fromarray(pixels)
    exif = photo.getexif()
    exif[0x0112] = orientation
    photo.save(folder / f"photo.{kind}", exif=exif, **({"quality": 95} if kind == "jpg" else {}))
    seen = pixels if stored else TURNED[orientation](pixels)
    rows, columns = np.nonzero(seen[..., 0] > 200)
    x, y, w, h = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
    content = {
        "images": [{"id": 1, "file_name": f"photo.{kind}", "height": seen.shape[0], "width": seen.shape[1]}],
        "categories": [{"id": 1, "name": "box"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [int(v) for v in (x, y, w, h)]}],
    }
    (folder / "labels.json").write_text(json.dumps(content))
    return load(str(folder / "labels.json"))


def on_the_object(frame: Frame) -> bool:
    x0, y0, x1, y1 = map(int, frame.truth()[0].xyxy)
    image = frame.image()
    red = image[..., 0] > 150
    return bool(image.shape[:2] == frame.size_hw and red[y0:y1, x0:x1].mean() > 0.9 and red.sum() < 1.2 * 32 * 16)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_the_size_tells(orientation: int, stored: bool, kind: str, tmp_path: Path) -> None:
    data = labelled(tmp_path, orientation, stored, kind=kind)
    (frame,), lies = data.frames, stored and orientation > 1
    assert on_the_object(frame) and frame.lying() is lies
    assert list(data.warnings.values()) == [1] * lies and all("on their side" in w for w in data.warnings)


def test_models_are_not_judged_on_a_picture_that_lies_on_its_side(tmp_path: Path) -> None:
    data = labelled(tmp_path, 6, stored=True)
    with pytest.raises(BadImageError, match="stored pixels, which lie on their side"):
        oracle(None, Config())(data.frames[0])  # type: ignore[arg-type]  # comes to no segmenter
    predictions.predict(data.frames, lambda f: Detections(f.for_models().shape[:2]), tmp_path / "p.jsonl", {})
    assert "on their side" in predictions.read(tmp_path / "p.jsonl", data).failed[1]


@pytest.mark.parametrize(
    ("orientation", "square"), [(2, False), (3, False), (4, False), (3, True), (6, True), (8, True)]
)
def test_the_size_does_not_tell(orientation: int, square: bool, tmp_path: Path) -> None:
    ((warning, count),) = labelled(tmp_path, orientation, stored=True, square=square).warnings.items()
    assert "EXIF orientation" in warning and "photo.jpg" in warning and count == 1
    turned = labelled(tmp_path, orientation, stored=False, square=square)
    assert turned.warnings == {warning: 1} and on_the_object(turned.frames[0])


def test_no_tag_no_warning(tmp_path: Path) -> None:
    data = labelled(tmp_path, 1, stored=True, square=True)
    assert on_the_object(data.frames[0]) and not data.warnings


def test_labels_of_another_size_fail_in_both(tmp_path: Path) -> None:
    data = labelled(tmp_path, 6, stored=True)
    Image.fromarray(STORED[:-1]).save(tmp_path / "photo.jpg")
    (frame,) = data.frames
    with pytest.raises(BadImageError, match=r"expected a picture of \(64, 96\) .*, got \(63, 96\)"):
        oracle(None, Config())(frame)  # type: ignore[arg-type]  # comes to no segmenter
    predictions.predict(data.frames, lambda f: Detections(f.image().shape[:2]), tmp_path / "p.jsonl", {})
    assert "expected a picture of (64, 96)" in predictions.read(tmp_path / "p.jsonl", data).failed[1]
