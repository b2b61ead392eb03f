"""`make quality`: both worlds and photographs, from the command line, with the models that ship."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.labelled import thing
from vlsam_ros.data import Detections
from vlsam_ros.evaluation import quality
from vlsam_ros.synthetic import photographs


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[str, dict[str, Any]]:
    """What it prints, and its one JSON line."""
    assert quality.main([*map(str, args)]) == 0
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("{"))
    return out, json.loads(line)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All photographs but one come with a package that is not installed."""

    def load(name: str) -> np.ndarray:
        if name != "china":
            raise FileNotFoundError(f"the photograph {name!r} comes with scikit-nothing: pip install scikit-nothing")
        return np.full((90, 160, 3), 99, np.uint8)

    monkeypatch.setattr(photographs, "load", load)


def test_both_worlds_and_photographs(
    missing: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "MEASURING", ("china", "coffee"))
    out, figures = run(capsys, "--frames", "2+1", "--views", 3, "--out", tmp_path / "q")
    assert list(figures) == ["own", "unseen", "views", "photographs"]
    for world in ("own", "unseen"):
        assert (tmp_path / "q" / world / "report.html").is_file()
        assert figures[world].keys() >= {*quality.AIMS, "mask_mAR", "seconds_p95"} and figures[world]["frames"] == 3
        assert 0 <= figures["views"][world]["names_recall"] <= 1
    assert figures["own"] != figures["unseen"] and figures["views"]["own"] != figures["views"]["unseen"]
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line[:1].isalpha()}
    assert rows["names_right"][2:4] == ["≥", "0.9"] and rows["names_right"][5:] == ["≥", "0.85"]
    assert len(rows["names_recall"]) == 3
    assert list(figures["photographs"]) == ["china", "noise", "coarse noise"]
    assert all(p["inventions"] >= 0 and p["novelty"] > 0 for p in figures["photographs"].values())
    assert "left out: the photograph 'coffee' comes with scikit-nothing" in out


def test_parts_alone(missing: None, capsys: pytest.CaptureFixture[str]) -> None:
    out, figures = run(capsys, "--only", "views", "--views", 1)
    assert list(figures) == ["views"] and "1 views of 448 × 256" in out and "left out" not in out
    assert run(capsys, "--only", "views", "--views", 0)[1] == {}


WRONG = {
    "--only sounds": "expected some of frames,views,photographs, got 'sounds'",
    "--only views,sounds": "got 'sounds'",
    "--frames many": "expected synthetic:",
    "--frames 0": "there are no frames",
}


@pytest.mark.parametrize("args", WRONG)
def test_wrong_use(args: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        quality.main([*args.split(), "--out", str(tmp_path / "q")])
    assert WRONG[args] in capsys.readouterr().err


def test_failed_frames_are_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality.commands, "measured", lambda *_: (None, 1))
    with pytest.raises(SystemExit, match="2"):
        quality.main(["--only", "frames", "--frames", "1", "--out", str(tmp_path)])


def test_all_that_is_found_in_a_photograph_is_invented() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    items = thing("dog", 4, 6, 24, 36, 0.8), thing("cat", 4, 6, 24, 36, 0.9)

    def of(found: tuple, novelty: float | None) -> dict[str, Any]:
        return quality.invented(lambda _: Detections((60, 80), found, novelty=novelty), image)  # type: ignore[arg-type]

    row = {"inventions": 2, "highest_score": pytest.approx(0.9), "novelty": 1.5, "unfamiliar": True}
    assert of(items, 1.5) == row
    assert of((), 0.5) == {"inventions": 0, "highest_score": 0.0, "novelty": 0.5, "unfamiliar": False}
    assert math.isnan(of((), None)["novelty"])


def cells(name: str, own: float, unseen: float) -> list[str]:
    lines: Iterator[str] = quality.table({name: own}, {name: unseen}, quality.AIMS)
    return [*lines][1].split()


def test_what_misses_its_aim_has_a_star() -> None:
    assert cells("names_right", 0.9, 0.84) == ["names_right", "0.900", "≥", "0.9", "0.840*", "≥", "0.85"]
    assert cells("false_per_frame", 0.51, 1.0) == ["false_per_frame", "0.510*", "≤", "0.5", "1.000", "≤", "1"]
    assert cells("recall50_20_to_50px", math.nan, 0.1) == ["recall50_20_to_50px", "nan", "≥", "0.8", "0.100"]
    assert cells("box_mAR", 0.5, 0.4) == ["box_mAR", "0.500", "0.400"]
    assert [*quality.table({"a": 1.0}, {"b": 2.0}, {})][1:] == [
        f"{'a':28}{1:9.3f}{'nan':>19}",
        f"{'b':28}{'nan':>9}{2:19.3f}",
    ]
