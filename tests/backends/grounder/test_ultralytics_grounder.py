"""YOLO-World, YOLOE and fixed vocabularies, with the package played."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import played_ultralytics as played
import pytest
import torch

from vlsam_ros.backends import load_grounder
from vlsam_ros.config import GrounderOptions
from vlsam_ros.errors import BadImageError, ConfigError, GrounderError, ModelLoadError

MODELS: dict[str, dict[str, Any]] = {
    "world.pt": {"kind": "world"},
    "yoloe.pt": {"kind": "yoloe"},
    "yoloe-seg.pt": {"kind": "yoloe", "task": "segment"},
    "yoloe-seg-pf.pt": {"kind": "prompt-free", "task": "segment", "names": ["persons/people", "cars", "traffic cone"]},
    "yolo.pt": {"kind": "plain", "names": ["person", "car", "traffic cone"]},
    "yoloe.onnx": {"kind": "export", "names": ["person", "car", "traffic cone"]},
}
PLACES = {"car": [(10, 20, 40, 30), (60, 5, 80, 25)], "traffic cone": [(45, 10, 50, 20)]}
"""Boxes of the picture, left to right."""


def picture(size_hw: tuple[int, int] = (40, 100)) -> np.ndarray:
    out = np.full((*size_hw, 3), 128, np.uint8)
    for name, boxes in PLACES.items():
        for x0, y0, x1, y1 in boxes:
            out[y0:y1, x0:x1] = played.COLOURS[name]
    return out


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with text encoders, where the played package stands for the real one."""
    played.install(monkeypatch, tmp_path)
    for file in ("ViT-B-32.pt", "mobileclip_blt.ts"):
        (tmp_path / file).write_bytes(b"")
    return tmp_path


@pytest.fixture
def load(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """File and options -> grounder. Text features keep their length, so that they are colours."""
    module = import_module("vlsam_ros.backends.grounder.ultralytics_grounder")
    monkeypatch.setattr(module, "normalize", lambda features, dim: features)

    def loaded(file: str, **options: Any) -> Any:
        played.write(weights / file, **MODELS[file])
        given = {"device": "cpu", "trust_pickle": True} | options
        return load_grounder(GrounderOptions(model=f"ultralytics:{weights / file}", **given))

    return loaded


@pytest.mark.parametrize("file", MODELS)
def test_finds_the_names_and_nothing_else(file: str, load: Callable) -> None:
    grounder = load(file)
    found = grounder.locate(picture(), ["Cars." if "pf" in file else "car", "dog", "?", "", "汽车", 10_000 * "a"])
    assert found.names.tolist() == [0, 0] and found.scores.tolist() == pytest.approx([0.9, 0.8])
    assert found.xyxy.tolist() == [[x0 - 1, y0 - 1, x1 + 1, y1 + 1] for x0, y0, x1, y1 in PLACES["car"]]
    assert grounder.outlines == ("seg" in file) == (found.masks is not None)
    if found.masks:
        assert [m.xyxy for m in found.masks] == PLACES["car"]


@pytest.mark.parametrize("file", MODELS)
def test_views_are_one_batch_each_with_its_names(file: str, load: Callable) -> None:
    grounder = load(file)
    views = [picture(), picture((35, 90)), picture(), picture()[:, 42:]]
    names = [["traffic cone", "car"], ["car"], ["?"], ["traffic cone", "person"]]
    found = grounder.locate_views(views, names)
    assert [own.names.tolist() for own in found] == [[0, 1, 1], [0, 0], [], [0]]
    assert [entry[1] for entry in grounder._yolo.log if entry[0] == "predict"] == [[(40, 100), (35, 90), (40, 58)]]
    for own, view, asked in zip(found, views, names, strict=True):
        np.testing.assert_array_equal(own.xyxy, grounder.locate(view, asked).xyxy)
    assert [len(own) for own in grounder.locate_views(views[:1], [[]])] == [0]


@pytest.mark.parametrize("file", ["world.pt", "yoloe.pt"])
def test_names_are_read_once_and_told_when_they_change(file: str, load: Callable) -> None:
    grounder = load(file)
    for names in (["car"], ["car", "Car"], ["traffic cone", "car"], ["car", "traffic cone"], ["car"]):
        found = grounder.locate(picture(), names)
        assert set(found.names.tolist()) == set(range(len(names)))
    assert [entry[1:] for entry in grounder._yolo.log if entry[0] == "text"] == [("car",), ("traffic cone",)]


@pytest.mark.parametrize("file", MODELS)
def test_as_many_other_names_are_told_anew(file: str, load: Callable) -> None:
    grounder = load(file)
    for name in ("car", "traffic cone", "car"):
        expected = [[x0 - 1, y0 - 1, x1 + 1, y1 + 1] for x0, y0, x1, y1 in PLACES[name]]
        assert grounder.locate(picture(), [name]).xyxy.tolist() == expected


def test_names_are_told_again_after_that_failed_half_way(load: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    grounder = load("yoloe.pt")
    cars = grounder.locate(picture(), ["car"]).xyxy
    tell = grounder._yolo.set_classes

    def broken(*given: Any) -> None:
        tell(*given)
        grounder._yolo.predictor = None
        raise RuntimeError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(grounder._yolo, "set_classes", broken)
        with pytest.raises(GrounderError, match="out of memory"):
            grounder.locate(picture(), ["traffic cone"])
    np.testing.assert_array_equal(grounder.locate(picture(), ["car"]).xyxy, cars)
    assert len(grounder.locate(picture(), ["traffic cone"])) == 1


def test_tags_of_a_fixed_vocabulary_may_be_plural_or_have_synonyms(load: Callable) -> None:
    grounder = load("yoloe-seg-pf.pt")
    view = picture()
    view[5:15, 90:95] = played.COLOURS["person"]
    found = grounder.locate(view, ["people", "Person", "vehicle", "cone", "dog"])
    assert found.names.tolist() == [0, 1]
    assert [m.xyxy for m in found.masks or ()] == [(90, 5, 95, 15)] * 2


def test_threshold_and_most_boxes(load: Callable) -> None:
    grounder = load("world.pt", max_boxes=1)
    assert len(grounder.locate(picture(), ["car"])) == 1
    grounder.configure(GrounderOptions(threshold=0.85, max_boxes=9))
    assert grounder.locate(picture(), ["car"]).scores.tolist() == pytest.approx([0.9])
    view = picture()
    view[:, :12] = played.COLOURS["car"]  # to the edge, where its box is cut
    assert grounder.locate(view, ["car"]).xyxy[0].tolist() == [0, 0, 41, 40]


@pytest.mark.parametrize("file", MODELS)
def test_the_most_boxes_are_those_of_a_name(file: str, load: Callable) -> None:
    view = picture()
    view[5:15, 90:95] = played.COLOURS["person"]
    assert load(file, max_boxes=1).locate(view, ["person", "car", "traffic cone"]).names.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "xyxy, kept",
    [
        ((-9, 10, 0.5, 30), False),
        ((-9, 10, 1, 30), True),
        ((99.5, 10, 120, 30), False),
        ((10, -9, 30, 0.5), False),
        ((10, 39.5, 30, 60), False),
        ((10, 39, 30, 60), True),
        ((120, 10, 140, 30), False),
    ],
)
def test_what_is_too_thin_within_the_view_is_left_out(
    xyxy: tuple[float, ...], kept: bool, load: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounder = load("yolo.pt")
    predict = grounder._yolo.predict

    def moved(*given: Any, **options: Any) -> Any:
        (result,) = predict(*given, **options)
        result.boxes.xyxy[0] = torch.tensor(xyxy)
        return [result]

    monkeypatch.setattr(grounder._yolo, "predict", moved)
    assert grounder.locate(picture(), ["car"]).scores.tolist() == pytest.approx([0.9, 0.8] if kept else [0.8])


@pytest.mark.parametrize("dtype", ["auto", "float32", "float16"])
@pytest.mark.parametrize("max_boxes, most", [(1, 300), (400, 400)])
def test_what_the_package_is_told(
    dtype: str, max_boxes: int, most: int, load: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounder, told = load("yoloe-seg.pt", dtype=dtype, max_boxes=max_boxes), {}
    predict = grounder._yolo.predict
    monkeypatch.setattr(grounder._yolo, "predict", lambda *given, **all: told.update(all) or predict(*given, **all))
    grounder.locate(picture(), ["car"])
    assert told == {
        "conf": 0.25,
        "classes": [0],
        "max_det": most,
        "device": torch.device("cpu"),
        "retina_masks": True,
        "save": False,
        "verbose": False,
        **({"half": True} if dtype == "float16" else {}),
    }


def test_text_features_have_length_one(weights: Path) -> None:
    module = import_module("vlsam_ros.backends.grounder.ultralytics_grounder")
    features = torch.tensor([[3.0, 4.0], [0.0, 0.5]], dtype=torch.float16)
    encoder = module.TextEncoder(lambda tokens: features, played.tokenize, torch.device("cpu"))
    found = encoder.encode_text(encoder.tokenize(["car", "dog"]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_a_failure_is_typed_and_the_next_view_works(load: Callable) -> None:
    grounder = load("yoloe.pt")
    grounder._yolo.fails = "CUDA out of memory"
    with pytest.raises(GrounderError, match="yoloe.pt failed on 1 views: CUDA out of memory"):
        grounder.locate(picture(), ["car"])
    grounder._yolo.fails = ""
    assert len(grounder.locate(picture(), ["car"])) == 2
    with pytest.raises(BadImageError):
        grounder.locate(picture()[..., 0], ["car"])


def test_numbers_that_are_not_finite_are_a_failure(load: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    grounder = load("yolo.pt")
    predict = grounder._yolo.predict

    def broken(*given: Any, **options: Any) -> Any:
        (result,) = predict(*given, **options)
        result.boxes.conf[0] = float("nan")
        return [result]

    with monkeypatch.context() as patch:
        patch.setattr(grounder._yolo, "predict", broken)
        with pytest.raises(GrounderError, match="finite boxes and scores"):
            grounder.locate(picture(), ["car"])
    assert len(grounder.locate(picture(), ["car"])) == 2


REFUSED = {
    "pickle": ("world.pt", {"trust_pickle": False}, ConfigError, "Python's pickle.*grounder.trust_pickle"),
    "program": ("a.engine", {"trust_pickle": False}, ConfigError, "a program; if you trust"),
    "other file": ("a.safetensors", {}, ConfigError, "expected a file of ultralytics"),
    "no file": ("nothing.onnx", {}, ModelLoadError, "no file .*nothing.onnx"),
    "precision": ("world.pt", {"dtype": "bfloat16"}, ConfigError, "float32 or float16"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, weights: Path) -> None:
    file, options, kind, message = REFUSED[case]
    played.write(weights / "world.pt", kind="world")
    given = {"device": "cpu", "trust_pickle": True} | options
    with pytest.raises(kind, match=message):
        load_grounder(GrounderOptions(model=f"ultralytics:{weights / file}", **given))


BROKEN = {
    "no encoder": ({"kind": "yoloe", "text_model": "mobileclip2:b"}, "no text encoder: fetch mobileclip2_b.ts"),
    "another encoder": ({"kind": "yoloe", "text_model": "bert:large"}, "got 'bert:large'"),
    "another task": ({"kind": "plain", "task": "pose", "names": ["person"]}, "one to pose"),
    "not a model": ({}, "ultralytics can't load .*KeyError"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_can_not_be_loaded(case: str, weights: Path) -> None:
    made, message = BROKEN[case]
    file = played.write(weights / "model.pt", **made)
    with pytest.raises(ModelLoadError, match=message):
        load_grounder(GrounderOptions(model=f"ultralytics:{file}", device="cpu", trust_pickle=True))


@pytest.mark.parametrize(("package", "advice"), [("ultralytics", r"AGPL-3\.0"), ("clip", "CLIP.git")])
def test_a_missing_package_is_named(package: str, advice: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = played.write(weights / "world.pt", kind="world")
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModelLoadError, match=f"pip install .*{advice}"):
        load_grounder(GrounderOptions(model=f"ultralytics:{file}", device="cpu", trust_pickle=True))


def test_the_package_calls_nobody(load: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    load("world.pt")
    package = sys.modules["ultralytics"]
    assert not package.utils.ONLINE and not package.utils.AUTOINSTALL
    for fetch in ("attempt_download_asset", "safe_download"):
        with pytest.raises(FileNotFoundError, match="nothing is fetched"):
            getattr(package.utils.downloads, fetch)("yolo11n.pt")
    monkeypatch.setattr(package.utils, "ONLINE", True, raising=False)
    with pytest.raises(ModelLoadError, match="imported before .*YOLO_OFFLINE=true"):
        load("world.pt")


def test_the_package_leaves_opencv_its_threads(load: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = sys.modules["ultralytics.utils"]
    there = utils.downloads
    imported = property(lambda _: cv2.setNumThreads(0) or there)  # as the real one does
    monkeypatch.setattr(type(utils), "downloads", imported, raising=False)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        load("yolo.pt")
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_nothing_else_imports_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(ModelLoadError, match="AutoConfig can't load"):
        load_grounder(GrounderOptions(model="ultralytics", device="cpu"))
