from __future__ import annotations

import numpy as np
import pytest

from vlsam_ros.config import Config
from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.errors import BadImageError
from vlsam_ros.output.files import jpeg
from vlsam_ros.serving import beside
from vlsam_ros.serving.images import Picture, Seen

RGB = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
BOX = Detection("box", 0.9, 0.9, 0.9, 0.9, Mask(10, 10, np.ones((20, 30), bool)))


def look(made: beside.Beside, number: int, wanted: bool, data: bytes = jpeg(RGB), camera: int = 0) -> Detections | None:
    """A frame whose tracks are `wanted`, or a keyframe."""
    seen = Seen(camera, number, 0.1 * number, Picture(format="jpeg"))
    return made.look(seen, wanted, not wanted, memoryview(data), lambda what: None)


def found(made: beside.Beside, number: int, camera: int = 0) -> str:
    (d,) = made.found(camera, number, Detections((60, 80), (BOX,)), memoryview(b""), lambda what: None).items
    return d.track.id if d.track else ""


def test_a_keyframe_that_was_looked_at_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, to_grey = [], beside.to_grey
    monkeypatch.setattr(beside, "to_grey", lambda *args: decoded.append(args) or to_grey(*args))
    made = beside.Beside(Config(), 0)
    for number, wanted in [(1, False), (1, False), (2, True), (2, False), (3, True), (2, False)]:
        shown = look(made, number, wanted)
        assert (shown is not None) == wanted
    assert len(decoded) == 3
    assert found(made, 2) == "0-1"


def test_cameras_and_runs_have_ids_of_their_own_and_bad_pictures_end_nothing() -> None:
    ids = []
    for run in (0, 1):
        made = beside.Beside(Config(), run)
        assert found(made, 0) == ""  # nothing was looked at
        for camera in (0, 1):
            look(made, 0, True, camera=camera)
            ids.append(found(made, 0, camera))
        with pytest.raises(BadImageError):
            look(made, 1, True, b"no picture")
        shown = look(made, 2, True)
        assert shown and [d.track.id for d in shown.items if d.track] == [ids[-2]]
    assert ids == ["0-1", "1-1", "0.1-1", "1.1-1"]
