"""The benchmark of hidden states takes every kind of VLM: with crops, with queries, with layers of other kinds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiny_models

from benchmarks import hidden


@pytest.mark.parametrize("family", ["llava_next", "blip-2", "qwen3_5"])
def test_every_way_has_a_figure(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hidden", "--model", str(tiny_models.BUILDERS[family](tmp_path)), "--views", "1"])
    hidden.main()
    figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    ways = {key.removeprefix("auc ") for key in figures if key.startswith("auc ")}
    assert {"hidden 0", "hidden 1", "hidden 2"} < ways and "hidden 3" not in ways
    assert all(0 <= figures[f"{what} {way}"] <= 1 for way in ways for what in ("auc", "peak")) and figures["names"]
