import json
import os
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


def test_whatever_a_picture_raises_costs_nothing_else(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def detector(image: np.ndarray) -> Detections:
        if image.any():
            raise MemoryError("Unable to allocate 8 GiB")
        return fake(image)

    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: detector)
    assert cli.main(["detect", str(pictures), "--out", str(pictures / "out")]) == 1
    assert "a.png: MemoryError: Unable to allocate 8 GiB" in capsys.readouterr().err
    assert (pictures / "out" / "b.json").exists() and not (pictures / "out" / "a.json").exists()


def test_results_of_an_earlier_run_do_not_stay_beside_a_picture_that_fails(pictures: Path) -> None:
    out, odd = pictures / "out", pictures / "a[1]*.png"
    odd.write_bytes((pictures / "a.png").read_bytes())
    assert cli.main(["detect", str(pictures), "--out", str(out)]) == 0
    odd.write_bytes(b"\xff\xd8 no picture")
    assert cli.main(["detect", str(pictures), "--out", str(out)]) == 1
    made = ["a.json", "a.overlay.jpg", "b.json", "b.overlay.jpg"]
    assert sorted(p.name for p in out.iterdir()) == [".vlsam_ros", *made]


def test_what_is_not_known_is_said(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = replace(fake(np.zeros((60, 80, 3), np.uint8)), items=(), problems=("full: What?: refusal",))
    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: lambda image: silent)
    assert cli.main(["detect", str(pictures / "a.png"), "--out", str(pictures / "out")]) == 0
    assert "a.png: not known: full: What?: refusal" in capsys.readouterr().err
    assert json.loads((pictures / "out" / "a.json").read_text())["problems"] == ["full: What?: refusal"]


def test_an_unfamiliar_picture_is_said_to_be(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = replace(fake(np.full((60, 80, 3), (255, 0, 0), np.uint8)), novelty=1.7449)
    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: lambda image: odd)
    assert cli.main(["detect", str(pictures / "a.png"), "--out", str(pictures / "out")]) == 0
    said = capsys.readouterr()
    assert f"a.png: unfamiliar: {odd.unfamiliar}" in said.err and odd.items[0].label in said.out
    written = json.loads((pictures / "out" / "a.json").read_text())
    assert written["novelty"] == 1.745 and len(written["instances"]) == len(odd.items) == 1


def test_a_broken_picture_costs_nothing_else(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    out = pictures / "out"
    assert cli.main(["detect", str(pictures / "broken.jpg"), str(pictures / "none.png"), str(pictures / "a.png"),
                     "--out", str(out)]) == 1  # fmt: skip
    assert (out / "a.json").exists() and not (out / "broken.json").exists()
    errors = capsys.readouterr().err
    assert "broken.jpg: not a picture" in errors and "none.png: no such file" in errors


def test_names_in_no_encoding(pictures: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for name in (b"caf\xe9.png", "\u65e5\u672c.png".encode(), b"a\x1b[31m\nb.png"):
        Path(os.fsdecode(os.fsencode(pictures) + b"/" + name)).write_bytes((pictures / "a.png").read_bytes())
    out = Path(os.fsdecode(os.fsencode(pictures) + b"/r\xe9sultats"))
    assert cli.main(["detect", str(pictures), "--out", str(out)]) == 0
    made = set(os.listdir(os.fsencode(out)))
    assert {b"caf\xe9.json", b"caf\xe9.overlay.jpg", b"a\x1b[31m\nb.json", "\u65e5\u672c.overlay.jpg".encode()} <= made
    assert json.loads((out / "caf\udce9.json").read_text())["image"].endswith("caf\udce9.png")
    assert b"\x1b" not in capsysbinary.readouterr().out


def test_what_is_no_picture_costs_nothing_else(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(pictures / "c_pipe.png")
    (pictures / "d_folder.jpg").mkdir()
    (pictures / "e_eps.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert cli.main(["detect", str(pictures), "--out", str(pictures / "out")]) == 1
    said = capsys.readouterr()
    assert all(name in said.err for name in ("c_pipe.png", "d_folder.jpg", "e_eps.jpg"))
    assert "2 of 5 pictures done" in said.out and (pictures / "out" / "b.json").exists()


def test_nothing_of_others_is_replaced(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictures / "a.json").write_text("somebody's labels")
    before = {p.name: p.read_bytes() for p in pictures.iterdir()}
    assert cli.main(["detect", str(pictures), "--out", str(pictures)]) == 2
    assert "did not make: name a new or empty folder" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in pictures.iterdir()} == before


def test_a_second_run_replaces_its_own_results(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = pictures / "out"
    assert cli.main(["detect", str(pictures / "a.png"), "--out", str(out)]) == 0
    (out / "a.json").write_text("old")
    (out / "b.json").write_text("somebody's")
    assert cli.main(["detect", str(pictures), "--out", str(out)]) == 1
    assert json.loads((out / "a.json").read_text()) and (out / "b.json").read_text() == "somebody's"
    assert "b.png" in capsys.readouterr().err and not (out / "b.overlay.jpg").exists()


def test_a_result_that_cannot_be_written_is_a_failure(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    assert cli.main(["detect", str(pictures / "a.png"), "--out", str(pictures / "out")]) == 1
    assert "a.png: can't make a JPEG of 80x60 pixels" in capsys.readouterr().err
    (pictures / "blocked").write_text("")
    assert cli.main(["detect", str(pictures / "a.png"), "--out", str(pictures / "blocked" / "out")]) == 1
    assert "Not a directory" in capsys.readouterr().err


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


STEMS = {
    "none": ([], []),
    "different": (["x/a.png", "x/b.png"], ["a", "b"]),
    "two folders": (["x/a.png", "y/a.png", "y/b.png"], ["a", "a_2", "b"]),
    "the number is there": (["x/a.jpg", "y/a.jpg", "x/a_2.jpg"], ["a", "a_3", "a_2"]),
    "the number comes first": (["x/a_2.jpg", "x/a.jpg", "y/a.jpg"], ["a_2", "a", "a_3"]),
    "numbers of both": (["x/a.jpg", "y/a.jpg", "x/a_2.jpg", "y/a_2.jpg"], ["a", "a_3", "a_2", "a_2_2"]),
    "case": (["x/A.jpg", "x/a.jpg", "x/a_2.jpg"], ["A", "a_3", "a_2"]),
    "ways to write a letter": (["x/caf\u00e9.jpg", "x/cafe\u0301.jpg"], ["caf\u00e9", "cafe\u0301_2"]),
    "no UTF-8": (["x/caf\udce9.jpg", "y/caf\udce9.jpg"], ["caf\udce9", "caf\udce9_2"]),
    "results of others": (["x/a.jpg", "x/a.overlay.jpg", "x/a.json.jpg"], ["a", "a.overlay", "a.json"]),
    "no letters": (["x/.jpg", "y/.jpg"], [".jpg", ".jpg_2"]),
}


@pytest.mark.parametrize(("paths", "expected"), STEMS.values(), ids=STEMS)
def test_results_have_names_of_their_own(paths: list[str], expected: list[str]) -> None:
    names = list(cli.stems([Path(p) for p in paths]))
    assert names == expected
    files = [name + end for name in names for end in (".json", ".overlay.jpg")]
    assert len({f.casefold() for f in files}) == len(files)


def test_many_pictures_of_one_name() -> None:
    assert list(cli.stems([Path(f"{i}/frame.jpg") for i in range(20_000)]))[-1] == "frame_20000"


def test_every_option_but_the_nodes_is_an_argument() -> None:
    text = cli.parser()._subparsers._group_actions[0].choices["detect"].format_help()  # type: ignore[union-attr]
    for option in options():
        assert (f"--{option.name}" in text) == (option.group != "node")


def test_profiles_from_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("/**:\n  ros__parameters:\n    merge: {iou: 0.5}\n    views.far: 1\n")
    config = Config.from_file(path, {"views.far": 2})
    assert config.merge.iou == 0.5 and config.views.far == 2
    path.write_text("")  # as rcl takes it
    assert Config.from_file(path) == Config()
    for content in ("[1, 2]", "a: b", "/**: {ros__parameters: 3}", ": : :"):
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
