import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vlsam_ros import cli
from vlsam_ros.config import PROFILES, Config, options, profile_path
from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.errors import ConfigError
from vlsam_ros.output.rle import from_coco, paste


def fake(image: np.ndarray) -> Detections:
    """Finds what is red."""
    mask = Mask.from_dense((image[..., 0] > 200) & (image[..., 1] < 60))
    items = (Detection("red thing", 0.8, 0.7, 0.8, 0.9, mask),) if mask.area else ()
    dropped = tuple(replace(d, label="ghost", reason="denied") for d in items)
    return Detections(image.shape[:2], items, vlm="fake", segmenter="fake", timings_s={"total": 0.1}, dropped=dropped)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: fake)
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 20:50] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    cv2.imwrite(str(tmp_path / "b.png"), image * 0)
    return tmp_path


def test_pictures_in_overlays_and_json_out(pictures: Path) -> None:
    out = pictures / "out"
    assert cli.main(["detect", str(pictures), "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == [".vlsam_ros", "a.json", "a.overlay.jpg", "b.json", "b.overlay.jpg"]
    result = json.loads((out / "a.json").read_text())
    (item,) = result["instances"]
    assert item["label"] == "red thing" and item["box_xyxy"] == [20, 10, 50, 30]
    assert paste(from_coco(item["segmentation"]), (60, 80)).sum() == 600
    (ghost,) = result["dropped"]
    assert ghost == item | {"label": "ghost", "reason": "denied"} and "reason" not in item
    empty = json.loads((out / "b.json").read_text())
    assert empty["instances"] == [] and empty["dropped"] == []
    assert cv2.imread(str(out / "a.overlay.jpg")).shape == (60, 80, 3)


def test_a_broken_picture_costs_nothing_else(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    out = pictures / "out"
    assert cli.main(["detect", str(pictures / "broken.jpg"), str(pictures / "none.png"), str(pictures / "a.png"),
                     "--out", str(out)]) == 1  # fmt: skip
    assert (out / "a.json").exists() and not (out / "broken.json").exists()
    errors = capsys.readouterr().err
    assert "broken.jpg: not a picture" in errors and "none.png: no such file" in errors


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--merge.iou", "3"], "expected 0 to 1"),
        (["--profile", "no/such.yaml"], "no/such.yaml"),
        (["--vlm.model", "/no/such/model"], "/no/such/model"),
    ],
)
def test_wrong_use(args: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert cli.main(["detect", str(tmp_path / "a.png"), *args]) == 2
    assert said in capsys.readouterr().err


def test_same_names_from_two_folders_are_kept_apart() -> None:
    assert list(cli.stems([Path("x/a.png"), Path("y/a.png"), Path("y/b.png")])) == ["a", "a_2", "b"]


def test_every_option_but_the_nodes_is_an_argument() -> None:
    text = cli.parser()._subparsers._group_actions[0].choices["detect"].format_help()  # type: ignore[union-attr]
    for option in options():
        assert (f"--{option.name}" in text) == (option.group != "node")


def test_profiles_from_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("/**:\n  ros__parameters:\n    merge: {iou: 0.5}\n    views.far: 1\n")
    config = Config.from_file(path, {"views.far": 2})
    assert config.merge.iou == 0.5 and config.views.far == 2
    for content in ("", "[1, 2]", "a: b", "/**: {ros__parameters: 3}", ": : :"):
        path.write_text(content)
        with pytest.raises(ConfigError):
            Config.from_file(path)
    for name in PROFILES:
        assert isinstance(Config.from_file(profile_path(name)), Config)


def test_a_missing_package_is_named(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(config: Config) -> None:
        raise ModuleNotFoundError(name="faster_coco_eval.core")

    monkeypatch.setattr("vlsam_ros.pipeline.load", load)
    assert cli.main(["detect", str(pictures), "--out", str(pictures / "out")]) == 2
    assert "no package faster-coco-eval: pip install faster-coco-eval" in capsys.readouterr().err
