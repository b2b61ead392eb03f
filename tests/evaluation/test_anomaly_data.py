"""OoDIS's and SegmentMeIfYouCan's files, what is wrong with them, and from them to the report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from faster_coco_eval.core import mask as coco
from PIL import Image

from tests.fakes import BoxSegmenter, FakeVlm, picture
from tests.labelled import SIZE
from vlsam_ros import cli
from vlsam_ros.errors import BadImageError, DataError
from vlsam_ros.evaluation import anomaly_names, label_pictures, scoring
from vlsam_ros.evaluation.dataset import ANOMALY, VOID, Dataset, Instance, load
from vlsam_ros.evaluation.names import by_words
from vlsam_ros.evaluation.predictions import Predictions
from vlsam_ros.pipeline import VLSam

BOXES = {"red box": [(4, 6, 24, 36)], "blue ball": [(50, 10, 66, 26)]}


def labels(value: int = 1, void: int = 255, normal: int = 0) -> np.ndarray:
    """One number for each object of `BOXES`, and void in the last rows."""
    made = np.full(SIZE, normal, np.uint16)
    for number, (x0, y0, x1, y1) in enumerate(b for boxes in BOXES.values() for b in boxes):
        made[y0:y1, x0:x1] = value + number if value > 1 else value
    made[50:] = void
    return made


def smiyc(folder: Path, *names: str, suffix: str = ".jpg", test: int = 1) -> Path:
    """Pictures with labels, and some without."""
    for sub in ("images", "labels_masks"):
        (folder / sub).mkdir(parents=True)
    for name in [*names, *(f"cow{i:04}" for i in range(test))]:
        cv2.imwrite(str(folder / "images" / f"{name}{suffix}"), picture(SIZE, BOXES)[..., ::-1])
    for name in names:
        Image.fromarray(np.uint8(labels())).save(folder / "labels_masks" / f"{name}_labels_semantic.png")
        Image.new("RGB", SIZE[::-1]).save(folder / "labels_masks" / f"{name}_labels_semantic_color.png")
    return folder


def oodis(folder: Path, **more: int) -> Path:
    """Two pictures of ids as Cityscapes' tree has them, with the pictures in theirs."""
    for split, name in (("train", "01_Street_000001_000080"), ("test", "02_Way_000007_000140")):
        for tree in ("gtCoarse", "leftImg8bit"):
            (folder / tree / split / name[:5]).mkdir(parents=True)
        ids = labels(26000, 0, 7) if not more else labels(**more)
        Image.fromarray(ids).save(folder / "gtCoarse" / split / name[:5] / f"{name}_gtCoarse_instanceIds.png")
        image = picture(SIZE, BOXES)[..., ::-1]
        cv2.imwrite(str(folder / "leftImg8bit" / split / name[:5] / f"{name}_leftImg8bit.png"), image)
    return folder / "gtCoarse"


def check_truth(data: Dataset) -> None:
    for frame in data.frames:
        *objects, region = frame.truth()
        assert {i.xyxy: int(coco.area(i.rle)) for i in objects} == {(4, 6, 24, 36): 600, (50, 10, 66, 26): 256}
        assert {(i.label, i.category, i.ignore) for i in objects} == {(ANOMALY, ANOMALY, False)}
        assert (region.label, region.ignore, int(coco.area(region.rle))) == (VOID, True, 800)
        assert frame.for_models().shape == (*SIZE, 3) and frame.truth() is frame.truth()


def test_smiyc(tmp_path: Path) -> None:
    data = load(f"smiyc:{smiyc(tmp_path / 'dataset_AnomalyTrack', 'validation0001', 'validation0000', test=2)}")
    assert (data.kind, data.track, [c.name for c in data.categories]) == ("smiyc", "anomaly", [ANOMALY])
    assert [(f.id, f.name, f.size_hw) for f in data.frames] == [
        (1, "validation0000", SIZE),
        (2, "validation0001", SIZE),
    ]
    check_truth(data)
    assert data.warnings == {"pictures without labels, left out: the test split's are not public (first: cow0000)": 2}


def test_smiyc_obstacles_are_webp_and_some_are_left_out(tmp_path: Path) -> None:
    names = [f"validation_{n}" for n in (1, 18, 19, 20, 21, 29, 30)]
    folder = smiyc(tmp_path / "anomaly" / "RoadObstacle21", *names, suffix=".webp", test=0)
    data = load(f"smiyc:{folder}")
    kept = [f"validation_{n}" for n in (1, 18, 20, 30)]
    assert (data.track, [f.name for f in data.frames]) == ("obstacle", kept)
    assert data.warnings == {
        "pictures that the benchmark's validation split leaves out, left out (first: validation_19)": 3
    }
    assert len(load(f"smiyc:anomaly:{folder}").frames) == 7  # whatever the folder is called


def test_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = smiyc(tmp_path / "anomaly", "a", test=0)
    (folder / "images").rename(tmp_path / "elsewhere")
    assert load(f"smiyc:{folder}").warnings == {"pictures that are not there (first: a)": 1}
    assert load(f"smiyc:{folder}", tmp_path / "elsewhere").frames[0].for_models().shape == (*SIZE, 3)


def test_anomalies_that_touch_at_a_corner_are_one(tmp_path: Path) -> None:
    folder = smiyc(tmp_path / "anomaly", "a", test=0)
    Image.fromarray(np.kron(np.eye(2, dtype=np.uint8), np.ones((30, 40), np.uint8))).save(
        folder / "labels_masks" / "a_labels_semantic.png"
    )
    (item,) = load(f"smiyc:{folder}").frames[0].truth()
    assert item.xyxy == (0, 0, 80, 60) and int(coco.area(item.rle)) == 2400


def write(kind: str) -> Callable[[Path], None]:
    def written(path: Path) -> None:
        if kind == "text":
            path.write_text("no picture")
        elif kind == "half":
            Image.fromarray(np.random.default_rng(0).integers(0, 2, SIZE, np.uint8)).save(path)
            path.write_bytes(path.read_bytes()[:200])
        else:
            Image.new("RGB", SIZE[::-1]).save(path)

    return written


@pytest.mark.parametrize(
    ("kind", "said"), [("text", "not a picture"), ("half", "can't be decoded"), ("RGB", "one whole number a pixel")]
)
def test_spoilt_labels(kind: str, said: str, tmp_path: Path) -> None:
    folder = smiyc(tmp_path / "anomaly", "a")
    write(kind)(folder / "labels_masks" / "a_labels_semantic.png")
    with pytest.raises(DataError, match=rf"a_labels_semantic\.png: .*{said}"):
        load(f"smiyc:{folder}").frames[0].truth()


def test_labels_of_other_values_are_not_judged(tmp_path: Path) -> None:
    folder = smiyc(tmp_path / "anomaly", "a", test=0)
    strange = labels()
    strange[40:50] = 2
    indexed = Image.fromarray(np.uint8(strange)).convert("P")
    indexed.putdata(np.uint8(strange).ravel().tolist())  # as palette, whose indices are the labels
    indexed.save(folder / "labels_masks" / "a_labels_semantic.png")
    data = load(f"smiyc:{folder}")
    assert not data.warnings
    assert int(coco.area(data.frames[0].truth()[-1].rle)) == 800 * 2
    assert data.warnings == {"pictures with labels other than 0, 1 and 255, whose pixels are not judged": 1}


def test_labels_of_another_size_fail_their_frame(tmp_path: Path) -> None:
    folder = smiyc(tmp_path / "anomaly", "a")
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(folder / "labels_masks" / "a_labels_semantic.png")
    with pytest.raises(Exception, match=r"expected a picture of \(5, 7\)"):
        load(f"smiyc:{folder}").frames[0].for_models()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("smiyc:{}/nowhere", "expected smiyc:anomaly:<folder>"),
        ("smiyc:{}/anomaly", "got none for 1 pictures; those of the validation split alone are public"),
        ("oodis:{}/nowhere", "can't read"),
        ("oodis:{}/anomaly", "expected <picture>_instanceIds.png"),
    ],
)
def test_no_labels(spec: str, said: str, tmp_path: Path) -> None:
    smiyc(tmp_path / "anomaly")
    with pytest.raises(DataError, match=said):
        load(spec.format(tmp_path))


def test_oodis_masks(tmp_path: Path) -> None:
    data = load(f"oodis:{oodis(tmp_path)}")
    assert [f.name for f in data.frames] == ["01_Street_000001_000080", "02_Way_000007_000140"]
    check_truth(data)
    assert not +data.warnings


def test_oodis_masks_of_one_folder(tmp_path: Path) -> None:
    (tmp_path / "roadanomaly").mkdir()
    cv2.imwrite(str(tmp_path / "zebra0000.jpg"), picture(SIZE, BOXES))
    Image.fromarray(labels(26001, 0, 7)).save(tmp_path / "roadanomaly" / "zebra0000_instanceIds.png")
    data = load(f"oodis:{tmp_path / 'roadanomaly'}", tmp_path)
    check_truth(data)


def test_what_pictures_are_known_by() -> None:
    files = ("snowstorm1_00_11_28.972.webp", "snowstorm1_00_11_28.972", "01_Way_000007_000140_leftImg8bit.PNG", "a.jpg")
    names = ["snowstorm1_00_11_28.972", "snowstorm1_00_11_28.972", "01_Way_000007_000140", "a"]
    assert [label_pictures.name_of(f) for f in files] == names
    labels = (
        Path(f"a{end}.png") for end in ("_labels_semantic", "_labels_semantic_color", "_instanceIds", "_gtFine_color")
    )
    assert label_pictures.pictures([*labels, Path("b.txt"), Path("x/c.jpg"), Path("y/c.png")]) == {"c": Path("x/c.jpg")}
    every = {"a": Path("a.jpeg"), "b": Path("b.JPG"), "c": Path("c.webp"), "d": Path("d.PNG")}
    assert label_pictures.pictures(every.values()) == every


IDS: dict[str, tuple[dict[str, int], int, int, str]] = {
    "void at its class": ({"value": 26000, "void": 4, "normal": 7}, 2, 800, ""),
    "anomalies not told apart": ({"value": 26000, "void": 26, "normal": 7}, 2, 800, ""),
    "another class": ({"value": 33000, "void": 0, "normal": 11}, 2, 800, "instances of another class than 26"),
    "the first number of an instance": ({"value": 1000, "void": 0, "normal": 11}, 2, 800, "another class than 26"),
    "an unknown class": ({"value": 26000, "void": 255, "normal": 7}, 2, 800, "classes that Cityscapes doesn't have"),
    "all void": ({"value": 26000, "void": 0, "normal": 0}, 2, 4800 - 856, "all but the anomalies is void"),
    "no anomaly": ({"value": 7, "void": 0, "normal": 8}, 0, 800, ""),
}


@pytest.mark.parametrize("case", IDS)
def test_oodis_ids(case: str, tmp_path: Path) -> None:
    values, objects, void, said = IDS[case]
    data = load(f"oodis:{oodis(tmp_path, **values)}")
    truth = data.frames[0].truth()
    assert sum(not i.ignore for i in truth) == objects
    assert sum(int(coco.area(i.rle)) for i in truth if i.ignore) == void
    assert [w for w in +data.warnings if said not in w or not said] == [] and bool(+data.warnings) == bool(said)


def test_oodis_classes_that_are_not_judged(tmp_path: Path) -> None:
    """Those that Cityscapes' evaluators leave out, the anomalies' own and one that it doesn't have."""
    rows = np.repeat(np.arange(SIZE[0], dtype=np.uint16)[:, None].clip(max=34), SIZE[1], axis=1)
    Image.fromarray(rows).save(tmp_path / "a_instanceIds.png")
    (void,) = load(f"oodis:{tmp_path}").frames[0].truth()
    judged = rows[~coco.decode(void.rle).astype(bool)]
    assert np.unique(judged).tolist() == [7, 8, 11, 12, 13, 17, *range(19, 26), 27, 28, 31, 32, 33]


def test_oodis_labels_twice(tmp_path: Path) -> None:
    folder = oodis(tmp_path)
    Image.fromarray(labels()).save(folder / "01_Street_000001_000080_instanceIds.png")
    with pytest.raises(DataError, match="expected labels of 01_Street_000001_000080 once"):
        load(f"oodis:{folder}")


def label_json(folder: Path, **changes: Any) -> Path:
    """Boxes in the form of the benchmark's detection labels: pictures have names for ids, and no sizes."""
    names = ("donkey0001.png", "cow0000.png")
    for name in names:
        cv2.imwrite(str(folder / name.replace(".png", ".jpg")), picture(SIZE, BOXES))
    found = [{"id": i, "image_id": names[0], "category_id": 3, "bbox": b, "area": 1, "iscrowd": 0}
             for i, b in enumerate(([4, 6, 20, 30], [50, 10, 16, 16]))]  # fmt: skip
    content = {"images": [{"id": n} for n in names], "annotations": found, "categories": [{"id": 3, "name": "ood"}]}
    file = folder / "roadanomaly_label.json"
    file.write_text(json.dumps(content | changes))
    return file


def test_oodis_boxes(tmp_path: Path) -> None:
    data = load(f"oodis:{label_json(tmp_path)}")
    assert [(f.id, f.name, f.size_hw) for f in data.frames] == [(1, "donkey0001.png", SIZE), (2, "cow0000.png", SIZE)]
    first, second = data.frames[0].truth()
    assert (first.xyxy, first.category, first.rle, second.xyxy) == ((4, 6, 24, 36), ANOMALY, None, (50, 10, 66, 26))
    assert not data.frames[1].truth() and data.frames[0].for_models().shape == (*SIZE, 3) and not data.warnings


def test_oodis_boxes_are_of_the_size_that_is_stated(tmp_path: Path) -> None:
    stated = [{"id": "donkey0001.png", "height": 40, "width": 70}, {"id": "cow0000.png"}]
    data = load(f"oodis:{label_json(tmp_path, images=stated)}")
    assert [f.size_hw for f in data.frames] == [(40, 70), SIZE]
    with pytest.raises(BadImageError, match=r"expected a picture of \(40, 70\)"):
        data.frames[0].for_models()


def test_oodis_boxes_of_unknown_pictures_are_counted(tmp_path: Path) -> None:
    strange = [{"image_id": i, "bbox": [1, 1, 5, 5]} for i in ("pig", 7, None, ["x"])]
    data = load(f"oodis:{label_json(tmp_path, annotations=strange)}")
    assert list(data.warnings.values()) == [4] and not any(f.truth() for f in data.frames)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "expected COCO's format"),
        ({"images": [7]}, "images without a valid"),
        ({"images": [{"id": "a"}, {"id": "a"}]}, "an id of its own"),
        ({"images": [{"id": ["a"]}]}, "an id of its own"),
        ({"images": [{"id": "nowhere.png"}]}, "images without a valid width, height"),
        ({"annotations": [{"image_id": "cow0000.png"}]}, "annotations without a valid bbox"),
    ],
)
def test_oodis_boxes_that_are_none(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        load(f"oodis:{label_json(tmp_path, **changes)}")


KNOWN = (
    "car", "Cars", "red car", "police cars", "vehicle", "pickup truck", "bus", "tram", "motorbike", "bike", "person",
    "pedestrians", "children", "cyclist", "street", "lane markings", "stop sign", "traffic light", "lamp post", "tree",
    "grass", "house", "brick wall", "fence", "clouds", "sidewalk",
)  # fmt: skip
UNUSUAL = (
    "", "dog", "traffic cone", "tree branch", "tire", "boat", "trailer", "caravan", "tractor", "scooter",
    "horse carriage", "piano", "sign post box", "elephants", "debris", "barrel", "bottle", "wheelchair", "pothole",
)  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_names_of_what_belongs_on_a_road(name: str) -> None:
    assert anomaly_names.is_known(name)


@pytest.mark.parametrize("name", UNUSUAL)
def test_names_of_what_does_not(name: str) -> None:
    assert not anomaly_names.is_known(name)


def found(data: Dataset, *names: str, scores: Sequence[float] = (0.9, 0.8, 0.95)) -> Predictions:
    """In every frame, both objects with right masks under two names, and beside them what has a third."""
    boxes = [*(b for boxes in BOXES.values() for b in boxes), (70, 2, 79, 12)]

    def item(name: str, b: tuple[int, int, int, int], score: float) -> Instance:
        mask = np.zeros(SIZE, np.uint8)
        mask[b[1] : b[3], b[0] : b[2]] = 1
        return Instance(name, tuple(map(float, b)), coco.encode(np.asfortranarray(mask)), score)  # type: ignore[arg-type]

    items = tuple(item(n, b, s) for n, b, s in zip(names, boxes, scores, strict=False))
    return Predictions({}, {f.id: tuple(sorted(items, key=lambda i: -i.score)) for f in data.frames})


def test_names_that_belong_there_are_left_out(tmp_path: Path) -> None:
    data = load(f"smiyc:obstacle:{smiyc(tmp_path / 'a', 'x', 'y', test=0)}")
    some = found(data, "dog", "boat", "car")
    without, kept = (scoring.score(data, some, by_words, keep_known=k).scores for k in (False, True))
    assert without["anomalies"]["left out"] == {"car": 2} and kept["anomalies"]["left out"] == {}
    assert without["anomalies"]["predictions per frame"] == 2 and kept["anomalies"]["predictions per frame"] == 3
    assert without["anomalies"]["pixels"]["AUPRC"] == without["mask"]["agnostic"]["AP"] == 1
    assert kept["anomalies"]["pixels"]["AUPRC"] < 1 and kept["mask"]["agnostic"]["AP"] < 1
    assert without["anomalies"]["components"]["F1"] == 1 and "named" not in without["mask"]
    assert math.isnan(without["mask"]["names right"])


def test_void_is_nothing_for_masks_and_no_excuse_for_boxes(tmp_path: Path) -> None:
    data = load(f"smiyc:obstacle:{smiyc(tmp_path / 'a', 'x', test=0)}")
    some = found(data, "dog", "boat", "thing")
    below = Instance("thing", (10.0, 51.0, 20.0, 59.0), None, 0.99)
    scores = scoring.score(data, Predictions({}, {1: (below, *some.found[1][1:])}), by_words).scores
    assert scores["mask"]["agnostic"]["AP"] == 1 and scores["mask"]["false positives per frame"] == 0
    assert scores["box"]["agnostic"]["AP"] < 1 and scores["box"]["false positives per frame"] == 1


def test_void_is_no_excuse_beside_the_oracle_either(tmp_path: Path) -> None:
    data = load(f"smiyc:obstacle:{smiyc(tmp_path / 'a', 'x', test=0)}")
    best = found(data, "dog", "boat")
    below = Instance("thing", (10.0, 51.0, 20.0, 59.0), None, 0.99)
    oracle = scoring.score(data, Predictions({}, {1: (below, *best.found[1])}), by_words, best).scores["oracle"]
    assert oracle["box"]["AP"] == oracle["mask ratio"]["AP"] == 1 > oracle["box ratio"]["AP"]


def test_components_are_cut_at_the_score_that_is_best_for_pixels(tmp_path: Path) -> None:
    data = load(f"smiyc:obstacle:{smiyc(tmp_path / 'a', 'x', test=0)}")
    figures = scoring.score(data, found(data, "dog", "boat", scores=(0.3, 0.2)), by_words).scores["anomalies"]
    assert (figures["components"]["F1"], figures["pixels"]["threshold"]) == (1, 0.2)


@pytest.mark.parametrize(("keep_known", "count"), [(False, 1), (True, 2)])
def test_names_that_belong_there_are_left_out_of_what_was_dropped(keep_known: bool, count: int, tmp_path: Path) -> None:
    data = load(f"smiyc:obstacle:{smiyc(tmp_path / 'a', 'x', test=0)}")
    some = Predictions({}, {1: ()}, found(data, "dog", "car").found)
    dropped = scoring.score(data, some, by_words, keep_known=keep_known).scores["dropped"]
    assert (dropped["instances"], dropped["on an object"]) == (count, count)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: VLSam(FakeVlm(), BoxSegmenter(), config))
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: BoxSegmenter())


OPTIONS = ["--views.tile_rows", "0", "--views.far", "0", "--merge.min_score", "0.1"]
DATA: dict[str, tuple[Callable[[Path], Path], dict[str, float]]] = {
    "smiyc:obstacle": (
        lambda p: smiyc(p / "a", "x", "y", suffix=".png"),
        {"pixel_AUPRC": 1, "pixel_FPR95": 0, "component_sIoU": 1, "component_PPV": 1, "component_F1": 1},
    ),
    "oodis": (oodis, {"instance_AP": 1, "instance_AP50": 1}),
    "oodis:boxes": (label_json, {}),
}


@pytest.mark.parametrize("kind", DATA)
def test_from_pictures_to_the_report(
    kind: str, fakes: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, expected = DATA[kind]
    spec, out = f"{kind.removesuffix(':boxes')}:{make(tmp_path)}", tmp_path / "out"
    assert cli.main(["evaluate", "run", "--data", spec, "--out", str(out), *OPTIONS]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {k: line[k] for k in expected} == expected
    assert line["frames"] == 2 and line["left_out"] == 0 and line["names_right"] is None
    report = (out / "report.md").read_text()
    assert "## Anomalies" in report and "Grounding DINO" in report and "by category" not in report
    for figure in ("AUPRC",) if kind.startswith("smiyc") else ("APs",):
        assert figure in report
    json.loads((out / "scores.json").read_text())


def test_calibration_knows_no_cars(tmp_path: Path) -> None:
    data = load(f"smiyc:obstacle:{smiyc(tmp_path / 'a', 'x', test=0)}")
    (scored,) = scoring.paired(data, found(data, "dog", "boat", "car").found, by_words)
    assert [i.label for i in scored.found] == ["dog", "boat"] and {i.category for i in scored.found} == {ANOMALY}
