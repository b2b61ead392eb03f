"""The models' process: what ends it, and what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.errors import VlmError, WorkerLostError
from vlsam_ros.serving.images import Picture
from vlsam_ros.serving.models import Job, Models
from vlsam_ros.serving.process import Remote


def test_a_gpu_that_can_do_nothing_any_more_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    logged: list[str] = []
    remote = Remote("vlsam_ros.serving.models:Models", "test", log=lambda level, text: logged.append(text))
    job = Job("front", Picture(encoding="mono8", width=4, height=3, step=4), Config())
    try:
        for _ in range(2):
            remote.start(Config(), "targets:load_on_a_gpu", timeout_s=60.0)
            result = remote.call("detect", job, data=np.zeros(12, np.uint8), timeout_s=60.0)
            assert result.failure == (VlmError.status, "VlmError: out of memory", "") and remote.alive
            with pytest.raises(WorkerLostError, match="exit code 1"):
                remote.call("detect", job, data=np.zeros(12, np.uint8), timeout_s=60.0)
        assert len(logged) == 2 and "CUDA error; the GPU needs a new process: CUDA error: an illegal" in logged[0]
    finally:
        remote.close()


def test_a_keyframe_that_failed_is_none_that_others_are_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a scene that was not understood once would not be looked at again as long as it stands still."""
    asked = []

    def pipeline(image: np.ndarray, *_: object) -> Detections:
        asked.append(1)
        if len(asked) == 1:
            raise VlmError("out of words")
        return Detections(image.shape[:2])

    monkeypatch.setattr(Models, "__init__", lambda self: None)
    models = Models()
    models._config, models._pipeline, models._last = Config(), pipeline, {}
    job = Job("front", Picture(encoding="mono8", width=64, height=36, step=64), Config(), change=0.04)
    data = memoryview(np.arange(64 * 36).astype(np.uint8))
    results = [models.detect(job, data=data, emit=asked.append) for _ in range(3)]
    assert [(r.failure is not None, r.unchanged) for r in results] == [(True, False), (False, False), (False, True)]
