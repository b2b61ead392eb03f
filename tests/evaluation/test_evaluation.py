"""`vlsam evaluate` from the command line, with models that know pictures by their colours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import BoxSegmenter, FakeVlm
from tests.labelled import annotation, box, coloured, scored
from vlsam_ros import cli
from vlsam_ros.config import Config
from vlsam_ros.evaluation import report
from vlsam_ros.evaluation.oracle import oracle
from vlsam_ros.evaluation.report import Block, as_html, as_markdown
from vlsam_ros.pipeline import VLSam


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: VLSam(FakeVlm(), BoxSegmenter(), config))
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: BoxSegmenter())


OPTIONS = ["--views.tile_rows", "0", "--views.far", "0", "--merge.min_score", "0.1"]


def run(*args: object) -> int:
    return cli.main(["evaluate", *map(str, args)])


def test_from_pictures_to_the_report(fakes: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = coloured(tmp_path), tmp_path / "out"
    assert run("run", "--data", file, "--out", out, *OPTIONS) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["frames"] == 3 and line["failed"] == 0
    assert line["mask_mAR"] == line["mask_mAR_of_oracle"] == line["names_right"] == line["clean_empty_roads"] == 1
    scores = json.loads((out / "scores.json").read_text())
    assert scores["models"] == "fake-vlm + fake-segmenter" and scores["threshold"] == 0.1
    assert scores["mask"]["named"]["mAR"] == 1 and scores["oracle"]["frames"] == 3
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 1 and 'src="pictures' not in page
    assert "published" in page and (out / "report.md").read_text().startswith("# Evaluation on coco:")


def test_failed_frames_are_no_zeros(fakes: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = coloured(tmp_path), tmp_path / "out"
    (tmp_path / "2.png").write_bytes(b"no picture")
    assert run("run", "--data", file, "--out", out, *OPTIONS) == 1
    scores = json.loads((out / "scores.json").read_text())
    assert scores["frames"] == {"in the data": 3, "scored": 2, "failed": 1, "without a prediction": 0}
    assert scores["mask"]["agnostic"]["mAR"] == 1 and scores["mask"]["objects"] == 2
    coloured(tmp_path)
    assert run("run", "--data", file, "--out", out, *OPTIONS) == 0
    assert json.loads((out / "scores.json").read_text())["frames"]["scored"] == 3


def test_in_steps_and_in_parts(fakes: None, tmp_path: Path) -> None:
    file, out = coloured(tmp_path), tmp_path / "some.jsonl"
    (tmp_path / "3.png").rename(tmp_path / "away.png")  # one missing picture is not all of one
    assert run("predict", "--data", file, "--limit", 1, "--out", out, *OPTIONS) == 0
    (tmp_path / "away.png").rename(tmp_path / "3.png")
    assert run("oracle", "--data", file, "--out", tmp_path / "best") == 0
    assert (
        run("score", "--data", file, "--predictions", out, "--oracle", tmp_path / "best", "--out", tmp_path / "report")
        == 0
    )
    scores = json.loads((tmp_path / "report" / "scores.json").read_text())
    assert scores["frames"]["scored"] == scores["oracle"]["frames"] == 1
    assert scores["frames"]["without a prediction"] == 2


def test_coda_and_its_worst_frame(fakes: None, tmp_path: Path) -> None:
    annotations = [annotation(1, 5, [4, 6, 20, 30], corner_case=True), annotation(2, 3, [9, 9, 9, 9], corner_case=True)]
    for a in annotations:
        a.pop("segmentation")
    categories = [{"id": 5, "name": "red box"}, {"id": 3, "name": "car"}]
    file, out = coloured(tmp_path, annotations=annotations, categories=categories), tmp_path / "out"
    assert run("run", "--data", file, "--out", out, *OPTIONS) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["box"]["coda"]["CORNER"]["mAR"] == 0.5 and scores["box"]["coda"]["NOVEL"]["mAR"] == 1
    assert scores["box"]["coda"]["COMMON"]["mAR"] == 0 and "mask" not in scores
    text = (out / "report.md").read_text()
    assert "The labels are partial" in text and "2.png: 1 missed, 0 false positives" in text
    assert (out / "pictures" / "worst_1.jpg").exists() and not (out / "pictures" / "worst_2.jpg").exists()


WRONG = {
    "no data": (["predict", "--data", "nowhere.json"], "no such data"),
    "no predictions": (["score", "--data", "FILE", "--predictions", "nowhere"], "no such predictions"),
    "wrong pictures": (["predict", "--data", "FILE", "--images", "nowhere"], "none of the pictures is there"),
    "no frame wanted": (["predict", "--data", "FILE", "--limit", "0"], "--limit: expected at least 1 frame"),
    "names": (["score", "--data", "FILE", "--predictions", "DONE", "--names", "guess"], "expected one of text"),
    "all failed": (["score", "--data", "FILE", "--predictions", "FAILED"], "nothing to score: all 1 frames"),
    "nothing to fit": (["calibrate", "--data", "FILE", "--predictions", "DONE"], "some right and some not"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use(case: str, fakes: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args, said = WRONG[case]
    file, done, failed = coloured(tmp_path), tmp_path / "done.jsonl", tmp_path / "failed.jsonl"
    run("predict", "--data", file, "--out", done, *OPTIONS)
    failed.write_text('{"threshold": 0.5}\n{"id": 1, "image": "1.png", "error": "out of memory"}\n')
    places = {"FILE": file, "DONE": done, "FAILED": failed}
    assert run(*(places.get(a, a) for a in args)) == 2
    assert said in capsys.readouterr().err


def test_scoring_needs_no_model_library(fakes: None, tmp_path: Path) -> None:
    file, out = coloured(tmp_path), tmp_path / "out.jsonl"
    run("predict", "--data", file, "--out", out, *OPTIONS)
    code = (
        "import sys; from vlsam_ros import cli; "
        f"cli.main(['evaluate', 'score', '--data', {str(file)!r}, '--predictions', {str(out)!r}, '--out', "
        f"{str(tmp_path / 'report')!r}]); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'segment_anything', 'rclpy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_oracle_takes_the_smallest_view_with_the_whole_box() -> None:
    truth = (box("dog", 2, 2, 8, 8), box("cat", 30, 10, 55, 50), box("", 60, 0, 70, 9, ignore=True))
    frame = scored(1, truth, []).frame
    config = Config.from_flat({"views.far": 0, "segmenter.batch": 1})
    found = oracle(BoxSegmenter(), config)(frame)
    assert sorted((d.label, d.view, d.xyxy) for d in found.items) == [
        ("cat", "full", (30, 10, 55, 50)),
        ("dog", "tile_0_0", (2, 2, 8, 8)),
    ]
    assert [d.score for d in found.items] == [pytest.approx(0.9)] * 2 and found.vlm == "ground truth"


def test_names_cannot_break_out_of_the_report() -> None:
    evil = "<script>alert(1)</script> | [x](y)\n# z"
    blocks = [Block(heading=evil), Block(text=evil), Block(table=(("a", evil), (evil, "b")))]
    page, text = as_html(blocks, {}), as_markdown(blocks)
    assert "<script" not in page and "<script" not in text
    assert "\n# z" not in text and text.count(r"\|") == text.count(r"\[x\](y)") == text.count("](y)") == 4


def test_numbers_that_json_does_not_know() -> None:
    values = report.without_nan({"a": [float("nan"), {"b": float("inf")}], "c": 0.5})
    assert values == {"a": [None, {"b": None}], "c": 0.5}
