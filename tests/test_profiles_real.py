"""Profiles of real models from end to end: the same options, and tiny random checkpoints of the same architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_grounders
import tiny_models
import tiny_sams

from vlsam_ros import pipeline
from vlsam_ros.config import Config, profile_path

SAID = ["car", "traffic cone", "dog"]
BUILD: dict[str, dict[str, Callable[[Path], Any]]] = {
    "sam3": {"vlm": tiny_models.qwen3_vl, "grounder": tiny_grounders.sam3_video},
    "apache": {
        "vlm": tiny_models.qwen3_vl,
        "grounder": tiny_grounders.mm_grounding_dino,
        "segmenter": tiny_sams.BUILDERS["sam2"],
    },
}
"""Profile -> what stands for its models."""


@pytest.fixture(params=BUILD)
def detector(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pipeline.VLSam:
    """A profile's, on the CPU; it says `SAID`, and random scores are enough."""
    changes: dict[str, Any] = {"segmenter.device": "cpu", "grounder.threshold": 0.0, "merge.min_score": 0.0}
    for part, build in BUILD[request.param].items():
        (folder := tmp_path / part).mkdir()
        changes |= {f"{part}.model": str(build(folder)), f"{part}.device": "cpu"}
    detector = pipeline.load(Config.from_file(profile_path(request.param), changes))
    text = "[" + ", ".join(f'"{name}"' for name in SAID) + "]"
    ids = detector.vlm._tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[attr-defined]
    tiny_models.say(detector.vlm, [*ids, 1], monkeypatch)
    return detector


def test_a_frame_of_a_profile(detector: pipeline.VLSam) -> None:
    """What is found has the VLM's names, comes from the grounder, and is outlined; the threshold is live."""
    grounder = detector.grounder
    assert grounder and (detector.segmenter is None) == grounder.outlines
    for seed in range(2):
        frame = np.random.default_rng(seed).integers(0, 255, (270, 480, 3), dtype=np.uint8)
        result = detector(frame)
        assert result.items and set(result.labels) <= set(SAID)
        assert all(d.source == "grounder" and d.mask.area and 0 < d.score <= 1 for d in result.items)
        assert not result.problems and not result.skipped and result.grounder == grounder.name
        assert bool(result.segmenter) != grounder.outlines
    options = detector.config
    detector.configure(replace(options, grounder=replace(options.grounder, threshold=1.0)))
    assert not detector(frame).items
