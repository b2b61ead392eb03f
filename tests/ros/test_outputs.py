"""Other packages' messages, which may be of any version: none of them costs a keyframe."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from ros_client import Client
from std_msgs.msg import Header

from vlsam_ros.config import NodeOptions
from vlsam_ros.data import Detections
from vlsam_ros.output.messages import Keyframe
from vlsam_ros.ros.outputs import Outputs
from vlsam_ros.ros.session import Session


@pytest.fixture
def other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vision_msgs whose Detection2DArray has other fields, and that has no LabelInfo."""
    package, messages = ModuleType("vision_msgs"), ModuleType("vision_msgs.msg")
    package.__spec__ = SimpleNamespace(name="vision_msgs")
    messages.Detection2DArray = Header
    for module in (package, messages):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_message_that_a_version_lacks_is_said_and_left_out(client: Client, other_version: None) -> None:
    outputs = Outputs(client.node, ["front"], NodeOptions())
    topics = {publisher.topic_name for publisher in client.node.publishers}
    assert "/client/detections_2d" in topics and "/client/classes/legend" in topics
    assert "/client/classes/label_info" not in topics
    stamp = client.node.get_clock().now().to_msg()
    keyframe = Keyframe(Header(), "front", 3, stamp, stamp)
    assert outputs.publish(keyframe, Detections((4, 5))).keyframe == 3
    outputs.close()


def test_other_forms_that_fail_cost_no_keyframe_and_no_picture() -> None:
    logged, drawn = [], []
    session = SimpleNamespace(
        active=True,
        log=lambda level, text: logged.append(text),
        outputs=SimpleNamespace(publish_others=lambda *_: 1 / 0, wanted=lambda camera: drawn.append(camera)),
        _health=SimpleNamespace(cameras={"front": SimpleNamespace(keyframe=lambda *_: None)}),
    )
    frame = SimpleNamespace(camera="front", message=None)
    Session._told(session, frame, None, Detections((4, 5)), 0.1)
    assert drawn == ["front"] and len(logged) == 1 and "ZeroDivisionError" in logged[0]
