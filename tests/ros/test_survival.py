"""The node over real DDS while its processes crash, hang, are killed or have no memory: it stays, they come back."""

from __future__ import annotations

import os
import resource
import signal
import time
from array import array
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

import numpy as np
from ros_client import EXIT, FREEZE, HANG, MEMORY, NORMAL, SEGFAULT, Client, Detector, raw
from sensor_msgs.msg import CompressedImage, Image
from vlsam_ros.msg import DetectorHealth

IMAGE = "/cam/image_raw"
TIMEOUT_S = 2.0
PROMPT_S = 1.0
"""From a crash to the next result, beside the time to load."""


@pytest.fixture(scope="module")
def detector(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    """One that lives through all of this file."""
    result = Detector(tmp_path_factory.mktemp("survival"), f"node.timeout_s:={TIMEOUT_S}")
    yield result
    assert result.end() == 0


@pytest.fixture(scope="module")
def camera(client: Client, detector: Detector) -> Any:
    return client.publisher(Image, IMAGE)


@pytest.fixture(autouse=True)
def works(client: Client, detector: Detector, camera: Any) -> Iterator[None]:
    """Before and after each test the models answer, no process is left over, and diagnostics are good again."""
    assert client.answer(camera, raw(NORMAL, client.header())).status == 0
    yield
    for name in ("slow", "missing", "crashing"):
        (detector.folder / name).unlink(missing_ok=True)
    header = client.header()
    got = client.answer(camera, raw(NORMAL, header))
    assert (got.status, got.header, len(got.instances)) == (0, header, 1)
    assert detector.process.poll() is None and not detector.zombies()
    client.until(lambda: client.status("models")[:2] == (0, "ready"), "good diagnostics")

    def good() -> bool:
        client.answer(camera, raw(NORMAL, client.header()))  # by now, the camera may be silent
        return (beat := client.beat()).state == DetectorHealth.STATE_ACTIVE and beat.status == 0

    client.until(good, "a good heartbeat")


def restarts(client: Client) -> int:
    return int(client.status("models")[2]["restarts"])


def textured(client: Client, size_hw: tuple[int, int] = (96, 128)) -> Image:
    """A picture with something to follow in it."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    pixels[0, 0] = NORMAL
    return Image(
        header=client.header(),
        height=size_hw[0],
        width=size_hw[1],
        encoding="rgb8",
        step=size_hw[1] * 3,
        data=array("B", pixels.tobytes()),
    )


DEATHS = {
    "segfault": (SEGFAULT, 51, "WorkerLostError: the process models was ended by SIGSEGV"),
    "exit": (EXIT, 51, "WorkerLostError: the process models ended with exit code 3"),
    "hang": (HANG, 50, "WorkerTimeoutError: the process models gave no answer within 2 s"),
    "frozen": (FREEZE, 50, "WorkerTimeoutError: the process models gave no answer within 2 s"),
}


@pytest.mark.parametrize(("order", "status", "text"), DEATHS.values(), ids=DEATHS)
def test_models_that_end_cost_one_frame(
    client: Client, detector: Detector, camera: Any, order: int, status: int, text: str
) -> None:
    models, before, header = detector.child("models"), restarts(client), client.header()
    began = time.monotonic()
    got = client.answer(camera, raw(order, header))
    assert (got.header, got.status, got.vlm) == (header, status, "fake-vlm") and text in got.status_text
    assert not got.instances and (status == 51 or TIMEOUT_S <= time.monotonic() - began < TIMEOUT_S + PROMPT_S)
    lost = time.monotonic()
    after = client.answer(camera, raw(NORMAL, client.header()))
    took_s = time.monotonic() - lost
    assert (after.status, after.keyframe) == (0, got.keyframe + 1)
    _, _, values = client.status("models")
    assert took_s < float(values["load time (s)"]) + PROMPT_S
    assert int(values["restarts"]) == before + 1 and text.partition(": ")[2] in values["last error"]
    assert detector.child("models") not in (0, models) and detector.said(text) and detector.said("are loaded again")


def test_memory_that_runs_out_in_the_models_is_that_frames_status(
    client: Client, detector: Detector, camera: Any
) -> None:
    models, header = detector.child("models"), client.header()
    got = client.answer(camera, raw(MEMORY, header))
    assert (got.status, got.status_text, got.header) == (90, "MemoryError: no memory for 8 GiB", header)
    assert client.status("camera cam")[:2] == (2, "MemoryError: no memory for 8 GiB")
    assert detector.child("models") == models and detector.said("MemoryError")


def test_models_killed_while_busy(client: Client, detector: Detector, camera: Any) -> None:
    client.occupy(detector, camera)
    before = len(client.detections)
    os.kill(detector.child("models"), signal.SIGKILL)
    client.until(lambda: len(client.detections) > before, "the frame's status")
    got = client.detections[-1]
    assert got.status == 51 and "SIGKILL (by the system, if memory ran out)" in got.status_text


def test_models_killed_while_idle_are_back_before_the_next_frame(
    client: Client, detector: Detector, camera: Any
) -> None:
    models, before, count = detector.child("models"), restarts(client), len(client.detections)
    os.kill(models, signal.SIGKILL)
    client.until(lambda: detector.child("models") not in (0, models), "another process")
    client.until(lambda: restarts(client) == before + 1, "its count")
    assert detector.said("SIGKILL") and len(client.detections) == count


def test_slow_loading_is_told_and_takes_no_longer(client: Client, detector: Detector, camera: Any) -> None:
    (detector.folder / "slow").write_text("2.5")
    client.answer(camera, raw(SEGFAULT, client.header()))
    lost = time.monotonic()
    camera.publish(raw(NORMAL, header := client.header()))  # it waits
    level, message, _ = client.status("models")
    assert level == 2 and "loading for" in message and "SIGSEGV" in message
    beat = client.beat()
    assert (beat.state, beat.status) == (DetectorHealth.STATE_LOADING, 60) and "being loaded" in beat.text
    client.until(lambda: client.detections[-1].header == header, "its result")
    took_s = time.monotonic() - lost
    client.until(lambda: float(client.status("models")[2]["load time (s)"]) > 2.5, "the load time")
    assert took_s < float(client.status("models")[2]["load time (s)"]) + PROMPT_S


GONE = {"missing": "no weights in 'missing'", "crashing": "SIGSEGV"}


@pytest.mark.parametrize(("what", "text"), GONE.items(), ids=GONE)
def test_models_that_load_no_more_are_tried_again_with_growing_pauses(
    client: Client, detector: Detector, camera: Any, what: str, text: str
) -> None:
    (detector.folder / what).touch()
    before = restarts(client)
    client.answer(camera, raw(EXIT, client.header()))
    camera.publish(raw(NORMAL, client.header()))  # nobody takes it now
    seen: dict[int, float] = {}

    def again() -> int:
        _, _, values = client.status("models")
        if values["state"].startswith("restarting in "):
            seen[int(values["restarts"])] = float(values["state"].split()[2])
        return int(values["restarts"]) - before

    client.until(lambda: again() >= 4, "some tries")  # after 0, 1 and 2 s; the next comes after 4 s
    level, message, values = client.status("models")
    assert level == 2 and text in message and text in values["last error"] and detector.said(text)
    assert max(seen.values()) > 2.0, seen
    assert client.beat().state == DetectorHealth.STATE_LOADING
    (detector.folder / what).unlink()
    client.until(lambda: client.status("models")[:2] == (0, "ready"), "the models to be back")


def test_without_the_process_beside_keyframes_go_on_and_it_comes_back(
    client: Client, detector: Detector, camera: Any
) -> None:
    def tracked() -> bool:
        got = client.answer(camera, textured(client))
        assert got.status == 0
        return bool(got.instances[0].track_id)

    client.until(tracked, "a track")
    first, beside = client.detections[-1].instances[0].track_id, detector.child("beside")
    os.kill(beside, signal.SIGKILL)
    client.until(tracked, "a track again")
    assert detector.child("beside") not in (0, beside) and detector.said("the process beside")
    assert client.detections[-1].instances[0].track_id.split("-")[0] != first.split("-")[0]
    level, message, values = client.status("models")
    assert (level, message, values["restarts of tracks and pictures"]) == (0, "ready", "1")
    assert "SIGKILL" in values["last error of tracks and pictures"]


def test_a_process_beside_that_hangs_is_ended_and_keyframes_go_on(
    client: Client, detector: Detector, camera: Any
) -> None:
    beside = detector.child("beside")
    os.kill(beside, signal.SIGSTOP)
    began = time.monotonic()
    assert client.answer(camera, textured(client)).status == 0
    assert time.monotonic() - began < 4.0
    client.until(lambda: client.status("models")[0] == 1, "a warning")
    assert "the process beside gave no answer within" in client.status("models")[1]

    def back() -> bool:
        assert client.answer(camera, textured(client)).status == 0
        return detector.child("beside") not in (0, beside)

    client.until(back, "another process")


def test_a_process_beside_that_is_killed_while_it_draws(client: Client, detector: Detector, camera: Any) -> None:
    got: list[CompressedImage] = []
    subscription = client.node.create_subscription(
        CompressedImage, "/vlsam_detector/overlay/compressed", got.append, 10
    )
    client.until(lambda: client.answer(camera, textured(client)).status == 0 and got, "an overlay")
    os.kill(detector.child("beside"), signal.SIGKILL)
    got.clear()
    client.until(lambda: client.answer(camera, textured(client)).status == 0 and got, "an overlay again")
    client.node.destroy_subscription(subscription)


def test_no_memory_to_share_a_frame_is_that_frames_status(client: Client, detector: Detector, camera: Any) -> None:
    pid, unlimited = detector.process.pid, resource.prlimit(detector.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 20, unlimited[1]))
    try:
        message = textured(client, (700, 800))
        got = client.answer(camera, message)
        assert (got.status, got.header) == (90, message.header)
        assert "no memory for a frame of 1680000 bytes to be shared" in got.status_text
        assert client.answer(camera, raw(NORMAL, client.header())).status == 0  # a small one still has its place
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    assert client.answer(camera, textured(client, (700, 800))).status == 0


def test_questions_and_services_are_answered_while_the_models_are_busy(
    client: Client, detector: Detector, camera: Any
) -> None:
    client.occupy(detector, camera)
    client.state()
    waits = []
    for _ in range(50):
        began = time.monotonic()
        assert client.state() == "active"
        waits.append(time.monotonic() - began)
    assert float(np.median(waits)) < 0.05
    level, message, _ = client.status("models")
    assert level == 0 and message.startswith("busy for")
    assert client.release(detector).status == 0
