"""The served VLM in the models' process: a server that is gone costs a frame, and neither the process nor the next."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fakes import FakeGrounder, FakeSegmenter, picture
from served import free_port, running

from vlsam_ros.backends import load_vlm
from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import VlmError
from vlsam_ros.pipeline import VLSam
from vlsam_ros.serving.images import Picture
from vlsam_ros.serving.models import Job
from vlsam_ros.serving.process import Remote

VIEW = picture((96, 128), {"red box": [(10, 10, 50, 40)]})
KEY = "sk-not-a-real-key-1234567890"


def load(config: Config) -> VLSam:
    """What the models' process makes: the real client, and stand-ins for what finds places."""
    return VLSam(load_vlm(config.vlm), FakeSegmenter(), config, FakeGrounder())


def test_a_server_that_is_gone_costs_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    port, logged = free_port(), []
    options = {
        "vlm.model": f"openai:http://127.0.0.1:{port}/v1#tiny",
        "vlm.server_timeout_s": 5.0,
        "vlm.server_retries": 0,
        "grounder.mode": "grounder",
        "grounder.model": "fake",
        "views.tile_rows": 0,
        "views.far": 0,
    }
    config = Config.from_flat(options)
    job = Job("front", Picture(encoding="rgb8", width=128, height=96, step=384), config)
    remote = Remote("vlsam_ros.serving.models:Models", "test", log=lambda level, text: logged.append(text))

    def look():
        return remote.call("detect", job, data=VIEW.reshape(-1), timeout_s=60.0)

    try:
        with running(port) as server:
            remote.start(config, f"{Path(__file__).stem}:load", timeout_s=120.0)
            about, first = remote.pid, look()
            assert labels(first.found) == ["red box"]
            assert KEY not in Path(f"/proc/{about}/cmdline").read_text()
        began = time.monotonic()
        gone = look()
        assert gone.failure is not None and gone.failure[0] == VlmError.status and gone.failure[2] == ""
        assert "tiny answered none of 1 questions: full: " in gone.failure[1] and time.monotonic() - began < 20.0
        with running(port) as server:
            assert labels(look().found) == ["red box"] and len(server.asked) == 1
        assert remote.pid == about and not any(KEY in line for line in [*logged, gone.failure[1]])
    finally:
        remote.close()


def labels(found: Detections | None) -> list[str]:
    assert found is not None
    return [d.label for d in found.items]
