"""What the commands of the evaluation write, and what they leave alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fakes import BoxSegmenter, FakeVlm
from tests.labelled import coloured
from vlsam_ros import cli
from vlsam_ros.config import Config
from vlsam_ros.evaluation import ablate
from vlsam_ros.output.folder import MARKER
from vlsam_ros.pipeline import VLSam

OPTIONS = ["--views.tile_rows", "0", "--views.far", "0", "--merge.min_score", "0.1"]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MARKER}


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Labelled pictures, with models that find them."""

    def load(config: Config) -> VLSam:
        return VLSam(FakeVlm(), BoxSegmenter(), config)

    monkeypatch.setattr("vlsam_ros.pipeline.load", load)
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: BoxSegmenter())
    monkeypatch.setattr("vlsam_ros.backends.load_vlm", lambda options: FakeVlm())
    monkeypatch.setattr(ablate, "VARIANTS", ())
    (tmp_path / "data").mkdir()
    return coloured(tmp_path / "data")


def run(command: str, *args: object) -> int:
    return cli.main([*command.split(), *map(str, args)])


COMMANDS = {
    "score": ["evaluate score", "--predictions", "FOUND"],
    "run": ["evaluate run", *OPTIONS],
    "predict": ["evaluate predict", *OPTIONS],
    "oracle": ["evaluate oracle", *OPTIONS],
    "ablate": ["ablate", *OPTIONS],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_with_somebody_elses_files_stays_as_it_is(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("evaluate predict", "--data", data, "--out", tmp_path / "found.jsonl", *OPTIONS)
    theirs = tmp_path / "theirs"
    for file in (
        "report.md",
        "report.html",
        "scores.json",
        "ablation.md",
        "pictures/worst_1.jpg",
        "pictures/plots.png",
    ):
        (theirs / file).parent.mkdir(parents=True, exist_ok=True)
        (theirs / file).write_text("mine")
    before = tree(theirs)
    command, *args = COMMANDS[name]
    args = [str(tmp_path / "found.jsonl") if a == "FOUND" else a for a in args]
    assert run(command, "--data", data, "--out", theirs, *args) == 2
    assert "did not make: name a new or empty folder" in capsys.readouterr().err
    assert tree(theirs) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_run_replaces_its_own_files_and_leaves_others(name: str, data: Path, tmp_path: Path) -> None:
    run("evaluate predict", "--data", data, "--out", tmp_path / "found.jsonl", *OPTIONS)
    command, *args = COMMANDS[name]
    args = [str(tmp_path / "found.jsonl") if a == "FOUND" else a for a in args]
    assert run(command, "--data", data, "--out", tmp_path / "out.v2" / "x", *args) == 0
    out = tmp_path / "out.v2" / "x"
    (out / "notes.txt").write_text("mine")
    before = tree(out)
    assert run(command, "--data", data, "--out", out, *args) == 0
    assert tree(out).keys() == before.keys() and tree(out)["notes.txt"] == b"mine"


def test_the_report_may_go_where_the_predictions_are(data: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert run("evaluate predict", "--data", data, "--out", out, *OPTIONS) == 0
    assert run("evaluate oracle", "--data", data, "--out", out, *OPTIONS) == 0
    assert run("evaluate score", "--data", data, "--predictions", out, "--oracle", out, "--out", out) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["models"] == "fake-vlm + fake-segmenter" and scores["oracle"]["frames"] == 3
    assert json.loads((out / "oracle.jsonl").read_text().splitlines()[1])["vlm"] == "ground truth"


def test_old_pictures_of_the_report_go_and_others_stay(data: Path, tmp_path: Path) -> None:
    found, out = tmp_path / "found.jsonl", tmp_path / "out"
    run("evaluate predict", "--data", data, "--out", found, *OPTIONS)
    header, *records = map(json.loads, found.read_text().splitlines())
    nothing = [header, *(r | {"instances": []} for r in records)]
    (tmp_path / "none.jsonl").write_text("".join(json.dumps(r) + "\n" for r in nothing))
    assert run("evaluate score", "--data", data, "--predictions", tmp_path / "none.jsonl", "--out", out) == 0
    assert (out / "pictures" / "worst_1.jpg").exists()
    (out / "pictures" / "worst_9.jpg").write_text("mine")
    assert run("evaluate score", "--data", data, "--predictions", found, "--out", out) == 0
    assert {p.name for p in (out / "pictures").iterdir()} == {"plots.png", "worst_9.jpg"}


NO_FILES = {
    "other lines": lambda path: path.write_text('{"name": "mine"}\n'),
    "a text": lambda path: path.write_text("mine\n"),
    "a text without an end": lambda path: path.write_text("mine"),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("name", ["predict", "oracle"])
@pytest.mark.parametrize("case", NO_FILES)
def test_a_file_of_others_is_not_written_to(name: str, case: str, data: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "mine.jsonl"
    NO_FILES[case](path)
    before = path.read_bytes() if path.is_file() else None
    command, *args = COMMANDS[name]
    assert run(command, "--data", data, "--out", path, *args) == 2
    assert str(path) in capsys.readouterr().err
    assert before is None or path.read_bytes() == before


def test_what_cannot_be_written_is_said(data: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    for command in ("evaluate predict", "evaluate oracle", "evaluate run", "ablate"):
        for out in ("file/x.jsonl", "file/x", "y" * 300 + ".jsonl"):
            assert run(command, "--data", data, "--out", tmp_path / out, *OPTIONS) == 2
            assert "can't write" in capsys.readouterr().err
