"""Ground truth from files, recordings and scenes, and what is wrong with it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from faster_coco_eval.core import mask as coco

from tests.labelled import annotation, coloured, keyframe, recording, thing
from vlsam_ros.errors import BadImageError, DataError
from vlsam_ros.evaluation import predictions
from vlsam_ros.evaluation.dataset import load
from vlsam_ros.synthetic.backgrounds import UNSEEN_GROUNDS, UNSEEN_SKIES
from vlsam_ros.synthetic.sprites import UNSEEN_STYLES
from vlsam_ros.synthetic.truth import IGNORE
from vlsam_ros.synthetic.wide import FRAME_SIZES, sample_scene


def test_coco_file(tmp_path: Path) -> None:
    data = load(str(coloured(tmp_path)))
    assert (data.kind, data.partial, [c.name for c in data.categories]) == ("coco", False, ["red box", "blue ball"])
    assert [(f.id, f.name, f.size_hw) for f in data.frames] == [(i, f"{i}.png", (60, 80)) for i in (1, 2, 3)]
    first, second = data.frames[0].truth()
    assert (first.label, first.xyxy, first.height_px) == ("red box", (4, 6, 24, 36), 30)
    assert coco.area(first.rle) == 600 and second.category == "blue ball" and not data.frames[2].truth()
    assert data.frames[0].image().shape == (60, 80, 3)
    assert not data.warnings


MASKS = {
    "polygons": ([[4, 6, 24, 6, 24, 36, 4, 36]], 600),
    "run lengths": ({"size": [60, 80], "counts": [10, 20, 4770]}, 20),
    "compressed": (coco.encode(np.asfortranarray(np.eye(60, 80, dtype=np.uint8))), 60),
    "none": ([], None),
    "no polygon": ([[1, 2, 3, 4]], None),
}


@pytest.mark.parametrize("case", MASKS)
def test_masks_of_every_kind(case: str, tmp_path: Path) -> None:
    mask, area = MASKS[case]
    if isinstance(mask, dict) and isinstance(mask["counts"], bytes):
        mask = mask | {"counts": mask["counts"].decode()}
    file = coloured(tmp_path, annotations=[annotation(1, 5, [4, 6, 20, 30], segmentation=mask)])
    (item,) = load(str(file)).frames[0].truth()
    assert (None if item.rle is None else int(coco.area(item.rle))) == area


def test_run_lengths_of_another_picture_are_an_error(tmp_path: Path) -> None:
    mask = {"size": [6, 8], "counts": [10, 20, 18]}
    file = coloured(tmp_path, annotations=[annotation(1, 5, [4, 6, 20, 30], segmentation=mask)])
    with pytest.raises(DataError, match=r"expected a mask of \[60, 80\]"):
        load(str(file)).frames[0].truth()


def test_sizes_may_be_floats(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "1.png", "height": 60.0, "width": 80.0}]
    frame = load(str(coloured(tmp_path, images=images, annotations=[annotation(1, 5, [4, 6, 20, 30])]))).frames[0]
    assert frame.size_hw == (60, 80) and coco.area(frame.truth()[0].rle) == 600


def test_crowds_are_ignored(tmp_path: Path) -> None:
    file = coloured(tmp_path, annotations=[annotation(1, 5, [4, 6, 20, 30], iscrowd=1)])
    assert [i.ignore for i in load(str(file)).frames[0].truth()] == [True]


def test_coda_is_seen_by_its_flag(tmp_path: Path) -> None:
    annotations = [
        annotation(1, 5, [4, 6, 20, 30], corner_case=False),
        annotation(1, 9, [5, 5, 9, 9], corner_case=True),
    ]
    categories = [{"id": 5, "name": "suitcace"}, {"id": 9, "name": "pedestrain"}]
    data = load(str(coloured(tmp_path, annotations=annotations, categories=categories)))
    assert data.kind == "coda" and data.partial
    assert [c.name for c in data.categories] == ["suitcase", "pedestrian"]
    assert [i.corner for i in data.frames[0].truth()] == [False, True]
    assert {w for w in data.warnings if "read as" in w} == {
        "category 'suitcace' read as 'suitcase'",
        "category 'pedestrain' read as 'pedestrian'",
    }


def test_lvis_is_seen_by_its_frequencies(tmp_path: Path) -> None:
    address = "http://images.cocodataset.org/val2017/000000000001.jpg"
    images = [{"id": 1, "height": 60, "width": 80, "coco_url": address, "neg_category_ids": [9],
               "not_exhaustive_category_ids": [5]}]  # fmt: skip
    categories = [
        {"id": 5, "name": "traffic_cone", "frequency": "r", "synonyms": ["pylon"]},
        {"id": 9, "name": "x", "frequency": "f"},
    ]
    (tmp_path / "annotations").mkdir()
    file = coloured(tmp_path / "annotations", images=images, categories=categories)
    (tmp_path / "val2017").mkdir()
    cv2.imwrite(str(tmp_path / "val2017" / "000000000001.jpg"), np.zeros((60, 80, 3), np.uint8))
    data = load(str(file))
    frame = data.frames[0]
    assert data.kind == "lvis" and data.categories[0].frequency == "r" and data.categories[0].synonyms == ("pylon",)
    assert (frame.name, frame.absent, frame.not_all) == ("val2017/000000000001.jpg", (9,), (5,))
    assert frame.image().shape == (60, 80, 3)


SHIFTED = [annotation(i, c, [4, 6, 20, 30]) for i, c in ((0, 5), (1, 9))]
IMAGES = [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in (1, 2)]
ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "image ids off by one": ({"annotations": SHIFTED, "images": IMAGES}, "image ids of annotations look off by one"),
    "category ids off by one": (
        {"annotations": [annotation(1, c, [4, 6, 20, 30]) for c in (0, 1)],
         "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]},
        "category ids of annotations look off by one: expected some of 1 to 2, got 0 to 1",
    ),
    "empty split": ({"images": [], "annotations": []}, "there are no frames"),
    "image twice": ({"images": IMAGES + IMAGES[:1]}, "id 1 is there twice"),
    "two categories of a name": ({"categories": [{"id": 5, "name": "x"}, {"id": 9, "name": "x"}]}, "'x' more often"),
    "no size": ({"images": [{"id": 1, "file_name": "a"}]}, "images without a valid width, height"),
    "no box": ({"annotations": [{"image_id": 1, "category_id": 5}]}, "annotations without a valid bbox"),
    "ids that are text": ({"annotations": [annotation(1, 5, [4, 6, 20, 30]) | {"image_id": "1"}]}, "valid image_id"),
    "some frequencies": (
        {"categories": [{"id": 5, "name": "x", "frequency": "r"}, {"id": 9, "name": "y"}]},
        "each with a frequency",
    ),
    "no categories": ({"categories": None}, "expected COCO's format"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_clear_errors(case: str, tmp_path: Path) -> None:
    changes, said = ERRORS[case]
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(json.loads(coloured(tmp_path).read_text()) | changes))
    with pytest.raises(DataError, match=said):
        load(str(file))


WARNINGS: dict[str, tuple[list[dict[str, Any]], str, int]] = {
    "no area": ([annotation(1, 5, [4, 6, 0, 30])], "annotations whose box has no area, left out", 0),
    "not a number": ([annotation(1, 5, [4, 6, math.nan, 3])], "annotations whose box has no area, left out", 0),
    "not four": ([annotation(1, 5, [4, 6])], "annotations whose box has no area, left out", 0),
    "unknown image": (
        [annotation(1, 5, [4, 6, 9, 9]), annotation(77, 5, [4, 6, 20, 30])],
        "annotations of images that the file doesn't list, left out",
        1,
    ),
    "unknown category": (
        [annotation(1, 70, [4, 6, 9, 9])],
        "annotations of a category that the file doesn't list, counted without a name",
        1,
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_counted_warnings(case: str, tmp_path: Path) -> None:
    annotations, said, left = WARNINGS[case]
    data = load(str(coloured(tmp_path, annotations=annotations)))
    assert data.warnings[f"{said} (first: annotation number {len(annotations) - 1})"] == 1
    assert sum(len(f.truth()) for f in data.frames) == left


def test_missing_pictures_are_counted_and_raise_when_read(tmp_path: Path) -> None:
    file = coloured(tmp_path)
    (tmp_path / "2.png").unlink()
    data = load(str(file))
    assert data.warnings == {"pictures that are not there (first: 2.png)": 1}
    with pytest.raises(BadImageError, match="no such file"):
        data.frames[1].image()
    assert load(str(file), tmp_path / "elsewhere").warnings == {"pictures that are not there (first: 1.png)": 3}


@pytest.mark.parametrize(
    "spec", ["no/such/file.json", "synthetic:", "synthetic:3@5", "synthetic:0", "nothing:3", "synthetic:unseen:0"]
)
def test_unknown_data(spec: str) -> None:
    with pytest.raises(DataError):
        load(spec)


def test_no_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match="can't read"):
        load(str(tmp_path / "a.json"))


def test_scenes_are_held_out_and_always_the_same() -> None:
    first, second = load("synthetic:1+1@20000003"), load("synthetic:1+1@20000003")
    assert [f.name for f in first.frames] == ["scene 20000003", "empty road 20500003"]
    for a, b in zip(first.frames, second.frames, strict=True):
        assert np.array_equal(a.image(), b.image()) and a.size_hw == a.image().shape[:2] == (900, 1600)
        assert str(a.truth()) == str(b.truth()) and a.horizon is not None and 0.4 < a.horizon < 0.6
    scene, empty = first.frames
    wanted = [i for i in scene.truth() if not i.ignore]
    assert wanted and not empty.truth()
    for item in wanted:
        assert item.category in {c.name for c in first.categories} and 4 < item.distance_m < 100
        assert list(coco.toBbox(item.rle)) == [*item.xyxy[:2], item.xyxy[2] - item.xyxy[0], item.height_px]


@pytest.mark.parametrize("world", ["wide", "unseen"])
def test_other_worlds(world: str) -> None:
    """Frames of any size, the same everywhere, whose names tell the worlds apart."""
    spec = f"synthetic:{world}:2+1@20000003"
    first, second = load(spec), load(spec)
    names = [f"{world} scene 20000003", f"{world} scene 20000004", f"{world} empty road 20500003"]
    assert [f.name for f in first.frames] == names and first.name == spec
    for a, b in zip(first.frames, second.frames, strict=True):
        assert np.array_equal(a.image(), b.image()) and a.size_hw == a.image().shape[:2]
        assert a.size_hw[::-1] in FRAME_SIZES and str(a.truth()) == str(b.truth())
        assert a.horizon is not None and -0.5 < a.horizon < 1.5
        for item in a.truth():
            assert item.ignore or (item.category in {c.name for c in first.categories} and item.distance_m > 0)
            assert item.rle is not None and tuple(item.rle["size"]) == a.size_hw
    assert first.frames[0].truth() and all(i.ignore for i in first.frames[2].truth())
    assert len({f.size_hw for f in load(f"synthetic:{world}:30").frames}) > 2


def test_an_unseen_scene_has_what_no_training_sees() -> None:
    for number in range(20):
        scene = sample_scene(20_000_000 + number, unseen=True)
        setting = scene.world.setting
        assert setting is not None and {p.style for p in scene.world.placed} <= UNSEEN_STYLES
        assert setting.ground in UNSEEN_GROUNDS or setting.sky in UNSEEN_SKIES


@pytest.mark.parametrize("spec", ["wild:3", "Wide:3", "unseen:", "unseen:3+", "unseen", "wide:unseen:3"])
def test_unknown_worlds(spec: str) -> None:
    with pytest.raises(DataError, match=r"expected synthetic:\[wide:\|unseen:\]<scenes>.*, got synthetic:"):
        load(f"synthetic:{spec}")


def test_seeds_of_other_worlds_are_held_out() -> None:
    with pytest.raises(DataError, match="for training"):
        load("synthetic:unseen:3@19999999")


def test_recording(tmp_path: Path) -> None:
    truths = {3: [thing("dog", 4, 5, 20, 25), thing(IGNORE, 50, 50, 60, 55)], 4: [], 9: [thing("cat", 1, 1, 5, 5)]}
    data = load(str(recording(tmp_path / "bag", truths, [3, 4, 5])))
    assert (data.kind, [c.name for c in data.categories]) == ("bag", ["cat", "dog"])
    assert [f.name for f in data.frames] == ["3000000005", "4000000005", "9000000005"]
    dog, region = data.frames[0].truth()
    assert (dog.category, dog.xyxy, coco.area(dog.rle)) == ("dog", (4, 5, 20, 25), 320)
    assert region.ignore and not region.category
    for i in (0, 1, 0):  # also backwards
        assert data.frames[i].image().shape == (60, 80, 3)
    with pytest.raises(BadImageError, match="no image with the stamp"):
        data.frames[2].image()


def spoilt_message() -> Any:
    message: Any = keyframe(3, thing("dog", 4, 5, 20, 25))
    message.instances[0].mask.width = 7  # its run lengths are of 16
    return message


def test_recording_with_spoilt_truth(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the ground truth at 3000000005 ns: expected"):
        load(str(recording(tmp_path / "bag", {}, [3], ground_truth=[spoilt_message()])))


def test_recording_with_spoilt_detections(tmp_path: Path) -> None:
    bag = recording(tmp_path / "bag", {3: [thing("dog", 4, 5, 20, 25)]}, [3], found=[keyframe(3), spoilt_message()])
    with pytest.raises(DataError, match="message 1 on /found: expected"):
        predictions.read(bag, load(str(bag)), "/found")


def test_recording_without_truth(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected ground truth"):
        load(str(recording(tmp_path / "bag", {}, [3])))
