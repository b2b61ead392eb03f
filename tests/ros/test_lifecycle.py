"""The node's life cycle by its real services: every order of transitions, what may change when, and nothing left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import numpy as np
from lifecycle_msgs.srv import GetAvailableTransitions
from rcl_interfaces.srv import GetParameters
from ros_client import NORMAL, Client, Detector, raw
from sensor_msgs.msg import Image
from vlsam_ros.msg import DetectorHealth
from vlsam_ros.srv import Ask, Detect

IMAGE = "/cam/image_raw"


@pytest.fixture
def managed(client: Client, tmp_path: Path) -> Iterator[Callable[..., Detector]]:
    """A function that starts a detector that waits for transitions; it lives until the test ends, and no longer."""
    made: list[Detector] = []

    def begin(*options: str) -> Detector:
        made.append(Detector(tmp_path, "node.autostart:=false", *options))
        client.until(lambda: client.status("models")[0] == 0, "diagnostics")
        return made[-1]

    yield begin
    for detector in made:
        assert detector.process.poll() is None and detector.end() == 0 and not detector.said("Traceback")


def answered(client: Client, publisher: Any) -> None:
    header = client.header()
    got = client.answer(publisher, raw(NORMAL, header))
    assert (got.status, got.header) == (0, header)


def test_through_all_states_and_wrong_transitions(client: Client, managed: Callable[..., Detector]) -> None:
    detector = managed()
    publisher = client.node.create_publisher(Image, IMAGE, 10)
    assert client.state() == "unconfigured" and not detector.child("models")
    assert client.beat().state == DetectorHealth.STATE_UNCONFIGURED
    for wrong in ("activate", "deactivate", "cleanup", "nonsense"):
        assert not client.change(wrong) and client.state() == "unconfigured"
    assert client.call(Detect, "detect").message == "the detector is unconfigured, not active"
    assert "unconfigured" in client.call(Ask, "ask", questions=["What?"]).message

    assert client.change("configure") and client.state() == "inactive" and detector.child("models")
    assert client.status("models")[:2] == (0, "ready")
    client.until(lambda: client.beat().state == DetectorHealth.STATE_INACTIVE, "its state")
    assert publisher.get_subscription_count() == 0
    for wrong in ("configure", "deactivate"):
        assert not client.change(wrong) and client.state() == "inactive"
    assert client.call(Detect, "detect").message == "the detector is inactive, not active"

    models = detector.child("models")
    for _ in range(2):
        assert client.change("activate") and client.state() == "active"
        for wrong in ("configure", "activate", "cleanup"):
            assert not client.change(wrong) and client.state() == "active"
        client.until(publisher.get_subscription_count, "a subscriber")
        client.spin(0.7)
        answered(client, publisher)
        assert client.beat().state == DetectorHealth.STATE_ACTIVE
        assert client.change("deactivate") and client.state() == "inactive"
        client.until(lambda: not publisher.get_subscription_count(), "no subscriber")
        assert client.status("camera cam")[:2] == (0, "inactive")
    assert detector.child("models") == models

    assert client.change("cleanup") and client.state() == "unconfigured"
    assert not detector.child("models") and not detector.child("beside")
    assert client.status("models")[:2] == (0, "unconfigured")
    assert client.change("configure") and client.change("activate")
    client.until(publisher.get_subscription_count, "a subscriber")
    client.spin(0.7)
    answered(client, publisher)
    assert client.change("shutdown") and client.state() == "finalized"
    assert not detector.child("models") and not detector.child("beside") and not detector.zombies()
    assert not client.call(GetAvailableTransitions, "get_available_transitions").available_transitions
    assert not client.change("configure") and client.state() == "finalized"
    client.node.destroy_publisher(publisher)


SHUT_DOWN = {"unconfigured": (), "inactive": ("configure",)}


@pytest.mark.parametrize("before", SHUT_DOWN.values(), ids=SHUT_DOWN)
def test_shutdown_in_other_states(client: Client, managed: Callable[..., Detector], before: tuple[str, ...]) -> None:
    detector = managed()
    for transition in (*before, "shutdown"):
        assert client.change(transition)
    assert client.state() == "finalized" and not detector.child("models")


def test_services_and_diagnostics_are_served_while_the_models_load(
    client: Client, managed: Callable[..., Detector]
) -> None:
    detector = managed()
    (detector.folder / "slow").write_text("3.0")
    client.state()
    began = time.monotonic()
    future = client.ask_change("configure")
    client.diagnostics.clear()
    waits: list[float] = []
    while not future.done():
        asked = time.monotonic()
        if len(waits) % 2:
            assert client.state() in ("unconfigured", "inactive")
        else:
            assert (
                client.call(GetParameters, "get_parameters", names=["vlm.model"]).values[0].string_value == "embedded"
            )
        waits.append(time.monotonic() - asked)
        client.spin(0.02)
    assert future.result().success and time.monotonic() - began > 3.0
    assert len(waits) > 20 and float(np.median(waits)) < 0.05
    models = [s for d in client.diagnostics for s in d.status if s.name == "/vlsam_detector: models"]
    assert any(s.level == b"\1" and s.message.startswith("loading for") for s in models)
    assert client.state() == "inactive" and client.status("models")[:2] == (0, "ready")


def test_two_who_configure_at_once(client: Client, managed: Callable[..., Detector]) -> None:
    detector = managed()
    (detector.folder / "slow").write_text("1.0")
    futures = [client.ask_change("configure") for _ in range(2)]
    client.until(lambda: all(future.done() for future in futures), "both answers")
    assert sorted(future.result().success for future in futures) == [False, True]
    assert client.state() == "inactive" and detector.child("models") and client.change("activate")


MEANWHILE = ("shutdown", "cleanup")


@pytest.mark.parametrize("transition", MEANWHILE)
def test_another_transition_while_the_models_load(
    client: Client, managed: Callable[..., Detector], transition: str
) -> None:
    detector = managed()
    (detector.folder / "slow").write_text("1.5")
    future = client.ask_change("configure")
    client.until(lambda: detector.said("loading embedded"), "loading to begin")
    done = client.change(transition)
    client.until(future.done, "an answer to configure")
    assert done == (transition == "shutdown") != future.result().success
    assert client.state() == ("finalized" if done else "inactive")
    client.until(lambda: bool(detector.child("models")) != done, "the models to be gone, or there")


def test_a_missing_model_is_put_right_by_a_parameter(client: Client, managed: Callable[..., Detector]) -> None:
    detector = managed("vlm.model:=missing")
    assert not client.change("configure") and client.state() == "unconfigured"
    level, message, values = client.status("models")
    assert level == 2 and "no weights in 'missing'" in message and "no weights" in values["last error"]
    assert detector.said("no weights in 'missing'") == 1 and not detector.child("models")
    assert client.set(vlm__model="embedded").successful
    assert client.change("configure") and client.state() == "inactive"
    assert client.status("models")[:2] == (0, "ready")
    refused = client.set(vlm__model="missing")
    assert not refused.successful and "vlm.model: can only change while the node is unconfigured" in refused.reason
    assert client.change("cleanup") and client.set(vlm__model="missing").successful
    assert not client.change("configure") and client.state() == "unconfigured"
    assert client.set(vlm__model="embedded").successful and client.change("configure")


def test_wrong_options_are_refused_when_it_is_configured(client: Client, managed: Callable[..., Detector]) -> None:
    detector = managed()
    assert client.set(node__image_topics=["/vlsam_detector/detections"]).successful
    assert not client.change("configure") and client.state() == "unconfigured"
    client.until(lambda: detector.said("which has another use here"), "the reason")
    assert client.set(node__image_topics=["/other/image_raw"]).successful and client.change("configure")
    assert client.change("activate")
    publisher = client.publisher(Image, "/other/image_raw")
    answered(client, publisher)
    assert client.detections[-1].camera == "other"
    client.node.destroy_publisher(publisher)


@pytest.mark.parametrize("transition", ["deactivate", "shutdown"])
def test_the_end_while_a_frame_is_in_work(client: Client, managed: Callable[..., Detector], transition: str) -> None:
    detector = managed()
    assert client.change("configure") and client.change("activate")
    publisher = client.publisher(Image, IMAGE)
    client.occupy(detector, publisher)
    before = len(client.detections)
    began = time.monotonic()
    assert client.change(transition)
    if transition == "deactivate":
        assert client.change("cleanup")
    assert time.monotonic() - began < 5.0 and not detector.child("models")
    client.spin(0.5)
    assert len(client.detections) == before  # nobody is told of a frame that was left
    if transition == "deactivate":
        assert client.change("configure") and client.change("activate")
        client.until(publisher.get_subscription_count, "a subscriber")
        client.spin(0.7)
        answered(client, publisher)
    client.node.destroy_publisher(publisher)


def test_it_starts_by_itself_and_no_more_once_somebody_has_stopped_it(client: Client, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    client.until(lambda: client.state() == "active", "an active detector")
    assert client.change("deactivate") and client.change("cleanup")
    client.spin(1.5)
    assert client.state() == "unconfigured" and not detector.child("models")
    assert detector.end() == 0


def test_ten_cycles_leak_nothing(client: Client, managed: Callable[..., Detector]) -> None:
    detector = managed()
    publisher = client.node.create_publisher(Image, IMAGE, 10)
    proc = Path(f"/proc/{detector.process.pid}")

    def cycle() -> tuple[int, int]:
        for transition in ("configure", "activate"):
            assert client.change(transition)
        client.until(publisher.get_subscription_count, "a subscriber")
        for transition in ("deactivate", "cleanup"):
            assert client.change(transition)
        assert not detector.zombies() and not detector.child("models") and not detector.child("beside")
        return len(os.listdir(proc / "fd")), len(os.listdir(proc / "task"))

    counts = [cycle() for _ in range(10)]
    assert counts[-1] == counts[1], counts
    client.node.destroy_publisher(publisher)
