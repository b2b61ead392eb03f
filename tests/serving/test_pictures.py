"""What is drawn of a keyframe is what is wanted, and no more."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.output import hazard, labels
from vlsam_ros.output.files import decoded
from vlsam_ros.output.overlay import CANVAS_HW, draw
from vlsam_ros.serving.pictures import KINDS, Caption, pictures

SIZE_HW = (90, 160)
IMAGE = np.full((*SIZE_HW, 3), 100, np.uint8)
CONE = Detection("zorb", 0.5, 1, 1, 1, Mask(60, 50, np.ones((20, 20), bool)))
FOUND = Detections(SIZE_HW, (CONE,), heat=np.ones((3, 4), np.float32))
CAPTION = Caption(0.5, 0.6, camera="front")
WANTED = [set(some) for count in range(len(KINDS) + 1) for some in combinations(KINDS, count)]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: "+".join(sorted(wanted)) or "nothing")
def test_only_what_is_wanted_is_made(wanted: set[str]) -> None:
    assert set(pictures(wanted, IMAGE, SIZE_HW, FOUND, CAPTION)) == wanted


def test_each_is_what_it_is_called() -> None:
    made = pictures(KINDS, IMAGE, SIZE_HW, FOUND, CAPTION)
    assert np.abs(decoded(made["overlay"]).astype(int) - draw(IMAGE, FOUND, CAPTION)).mean() < 5
    assert decoded(made["heat"]).shape == IMAGE.shape
    np.testing.assert_array_equal(made["instances"], labels.instances(FOUND))
    np.testing.assert_array_equal(made["classes"], labels.classes(FOUND))
    np.testing.assert_array_equal(made["confidence"], labels.confidence(FOUND))


def test_a_users_hazards(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("HAZARD: [zorb]")
    made = pictures({"classes"}, None, SIZE_HW, FOUND, CAPTION, str(tmp_path / "mine.yaml"))
    assert made["classes"][60, 70] == hazard.HAZARD


FAILED = {
    "unread": (None, SIZE_HW, SIZE_HW, {"overlay", "instances", "classes", "confidence"}),
    "unread, of no known size": (None, (0, 0), CANVAS_HW, {"overlay"}),
    "read": (IMAGE, SIZE_HW, SIZE_HW, {"overlay", "instances", "classes", "confidence"}),
}


@pytest.mark.parametrize(("rgb", "size_hw", "drawn_hw", "expected"), FAILED.values(), ids=FAILED)
def test_failed_frames(
    rgb: np.ndarray | None, size_hw: tuple[int, int], drawn_hw: tuple[int, int], expected: set[str]
) -> None:
    made = pictures(KINDS, rgb, size_hw, Detections((0, 0)), Caption(problem="VlmError: no words"))
    assert set(made) == expected
    assert decoded(made["overlay"]).shape == (*drawn_hw, 3)
    if "instances" in expected:
        assert not made["instances"].any() and (made["classes"] == labels.UNLABELLED).all()
