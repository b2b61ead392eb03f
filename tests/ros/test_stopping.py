"""The node's end at any moment: exit code, its last words, and nothing that is left of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from ros_client import EXIT, NORMAL, PATIENCE_S, Client, Detector, lives, raw, started_by
from sensor_msgs.msg import CompressedImage, Image

SOON_S = 5.0


@pytest.fixture
def camera(client: Client) -> Iterator[Any]:
    result = client.node.create_publisher(Image, "/cam/image_raw", 10)
    yield result
    client.node.destroy_publisher(result)


def ready(client: Client, camera: Any, folder: Path, *options: str) -> Detector:
    """A detector that has looked at a first frame."""
    detector = Detector(folder, *options)
    client.until(camera.get_subscription_count, "a subscriber")
    client.spin(0.7)
    assert client.answer(camera, raw(NORMAL, client.header())).status == 0
    return detector


def ends(detector: Detector, *signals: int) -> None:
    began = time.monotonic()
    assert detector.end(*signals) == 0
    assert time.monotonic() - began < SOON_S and detector.said("stopped") == 1 and not detector.said("Traceback")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_models_load(tmp_path: Path, number: int) -> None:
    (tmp_path / "slow").write_text("60")
    detector = Detector(tmp_path)
    detector.wait_for("loading embedded")
    ends(detector, number)


def test_while_they_load_again(client: Client, camera: Any, tmp_path: Path) -> None:
    detector = ready(client, camera, tmp_path)
    (tmp_path / "slow").write_text("60")
    client.answer(camera, raw(EXIT, client.header()))
    client.until(lambda: detector.child("models"), "another process")
    ends(detector, signal.SIGTERM)


def test_in_the_pause_between_two_tries(client: Client, camera: Any, tmp_path: Path) -> None:
    detector = ready(client, camera, tmp_path)
    (tmp_path / "missing").touch()
    client.answer(camera, raw(EXIT, client.header()))
    client.until(lambda: client.status("models")[1].startswith("restarting in"), "a pause")
    ends(detector, signal.SIGINT)


@pytest.mark.parametrize(
    ("moment", "times"), [("can't be configured: no weights in 'missing'", 2), ("loading missing", 3)]
)
def test_exit_code_1_where_the_models_could_not_be_loaded(
    client: Client, tmp_path: Path, moment: str, times: int
) -> None:
    """Between two tries and in one; after the second, as each is an error of its own."""
    detector = Detector(tmp_path, "vlm.model:=missing")
    client.until(lambda: client.status("models")[0] == 2, "an error")
    level, message, values = client.status("models")
    assert level == 2 and "no weights in 'missing'" in message and "no weights" in values["last error"]
    detector.wait_for(moment, times)
    assert detector.end() == 1 and not detector.said("Traceback")


def test_twice_leaves_the_frame_in_work(client: Client, camera: Any, tmp_path: Path) -> None:
    detector = ready(client, camera, tmp_path)
    client.occupy(detector, camera)
    detector.process.send_signal(signal.SIGTERM)
    client.spin(1.0)
    assert detector.process.poll() is None  # it waits for the frame
    ends(detector, signal.SIGTERM)


def test_while_a_picture_is_drawn(client: Client, camera: Any, tmp_path: Path) -> None:
    got: list[Any] = []
    topic = "/vlsam_detector/overlay/compressed"
    subscription = client.node.create_subscription(CompressedImage, topic, got.append, 10)
    detector = ready(client, camera, tmp_path)
    client.until(lambda: client.answer(camera, raw(NORMAL, client.header())).status == 0 and got, "an overlay")
    os.kill(detector.child("beside"), signal.SIGSTOP)  # it does not finish this one
    assert client.answer(camera, raw(NORMAL, client.header())).status == 0
    ends(detector, signal.SIGINT)
    client.node.destroy_subscription(subscription)


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.4, 0.8])
def test_at_any_moment_of_the_start(tmp_path: Path, delay_s: float) -> None:
    detector = Detector(tmp_path)
    detector.wait_for("embedded demonstration models")
    time.sleep(delay_s)
    ends(detector, signal.SIGTERM)


def test_a_killed_node_takes_its_processes_with_it(tmp_path: Path) -> None:
    detector = Detector(tmp_path, name="killed")
    detector.wait_for("ready")
    deadline = time.monotonic() + PATIENCE_S
    while len(children := started_by(detector.process.pid)) < 2:
        assert time.monotonic() < deadline, children
        time.sleep(0.05)
    detector.process.kill()
    detector.process.wait()
    began = time.monotonic()
    while any(lives(pid) for pid in children):
        assert time.monotonic() - began < 1.0, children
        time.sleep(0.01)
