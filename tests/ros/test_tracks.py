"""Who makes the node look at the frames between keyframes."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock, Mock

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from sensor_msgs.msg import CompressedImage

from vlsam_ros.config import Config, TrackOptions
from vlsam_ros.ros.session import Session


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(("tracks", "detections"), [(0, 0), (0, 1), (1, 0), (2, 3)])
def test_frames_between_are_looked_at_for_ids_too(tracks: int, detections: int, enabled: bool) -> None:
    session = MagicMock(_frames=4)
    session.config = Config(tracks=TrackOptions(enabled=enabled))
    session.outputs = SimpleNamespace(
        tracks=Mock(get_subscription_count=lambda: tracks), detections=Mock(get_subscription_count=lambda: detections)
    )
    Session._store(session, "front", CompressedImage(format="jpeg"))
    assert session._beside.look.call_count == (enabled and tracks + detections > 0)
    for call in session._beside.look.call_args_list:
        assert (call.args[2] is not None) == (tracks > 0) and "keyframe" not in call.kwargs
