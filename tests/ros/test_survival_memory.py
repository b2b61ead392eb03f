"""The node over real DDS where /dev/shm has no room: the middleware goes without, and the node works."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from ros_client import NORMAL, PATIENCE_S, SIZE_HW, Client, Detector, raw
from sensor_msgs.msg import Image

FULL = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'


def under(script: str) -> Sequence[str]:
    return ("unshare", "--mount", "sh", "-c", script, "sh")


@pytest.fixture(scope="module", autouse=True)
def may_mount() -> None:
    try:
        allowed = subprocess.run(under("mount -t tmpfs tmpfs /dev/shm"), capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("no /dev/shm of one's own: needs the right to mount")


def test_no_room_in_shared_memory(tmp_path: Path) -> None:
    client = Client()
    detector = Detector(tmp_path, under=under(FULL))
    publisher = client.publisher(Image, "/cam/image_raw")
    room = Path(f"/proc/{detector.process.pid}/root/dev/shm/full")
    with pytest.raises(OSError, match="No space left"), room.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for _ in range(3):
        header = client.header()
        got = client.answer(publisher, raw(NORMAL, header))
        assert (got.status, got.header, got.image_height, got.image_width) == (0, header, *SIZE_HW)
    assert client.status("models")[:2] == (0, "ready")
    detector.process.send_signal(signal.SIGINT)
    assert detector.process.wait(PATIENCE_S) == 0 and not detector.said("Traceback")
    client.close()
