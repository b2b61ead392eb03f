"""Who makes the node look at the frames between keyframes."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock, Mock

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from sensor_msgs.msg import CompressedImage

from vlsam_ros.config import Config, TrackOptions
from vlsam_ros.ros.session import Session


@pytest.mark.parametrize(("tracks", "detections", "looks"), [(0, 0, 0), (0, 1, 1), (1, 0, 3), (2, 3, 3)])
def test_frames_between_are_looked_at_for_ids_too_but_fewer(tracks: int, detections: int, looks: int) -> None:
    """Three frames that come at once."""
    session = MagicMock(_frames=4, _looked_s={})
    session.outputs = SimpleNamespace(
        tracks=Mock(get_subscription_count=lambda: tracks), detections=Mock(get_subscription_count=lambda: detections)
    )
    for _ in range(3):
        Session._look_between(session, "front", CompressedImage(format="jpeg"), 0.0)
    assert session._beside.look.call_count == looks
    for call in session._beside.look.call_args_list:
        assert (call.args[2] is not None) == (tracks > 0) and "keyframe" not in call.kwargs


@pytest.mark.parametrize("enabled", [True, False])
def test_without_tracks_no_frame_is_looked_at(enabled: bool) -> None:
    session = MagicMock(_frames=4, config=Config(tracks=TrackOptions(enabled=enabled)))
    Session._store(session, "front", CompressedImage(format="jpeg"))
    assert session._look_between.called == enabled
