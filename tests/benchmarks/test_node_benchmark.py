"""The node's benchmark, with short measurements, over real DDS: the figures mean something, the aims are read right."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from benchmarks.node import Row
from benchmarks.rig import SECONDS, blob, burn, children, cpu_s
from benchmarks.soak import Watched

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("most", "least", "met", "aim"),
    [
        (60.0, None, True, "≤ 60"),
        (59.9, None, False, "≤ 59.9"),
        (None, 60.0, True, "≥ 60"),
        (None, 61.0, False, "≥ 61"),
        (None, None, None, ""),
    ],
)
def test_aims(most: float | None, least: float | None, met: bool | None, aim: str) -> None:
    row = Row("age", "ms", 60.0, most=most, least=least)
    assert (row.met, row.aim) == (met, aim)


def test_growth_is_of_the_last_quarter_over_the_first_after_the_warm_up() -> None:
    process = Watched([*[500.0] * 20, *np.linspace(100, 200, 80)], [3] * 100, [1] * 100).settled()
    assert len(process.mib) == 80
    assert process.growth == pytest.approx(187.5 / 112.5 - 1, abs=0.02)
    assert Watched([100.0] * 50).growth == 0


def test_burning_is_counted_as_this_process_cpu_time() -> None:
    before = cpu_s(os.getpid())
    burn(0.3)
    assert cpu_s(os.getpid()) - before > 0.1


def test_children_are_known_by_their_names() -> None:
    assert "cat" not in children(os.getpid())
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        cat.stdin.write(b"x")
        cat.stdin.flush()
        assert cat.stdout.read(1) == b"x", "it is what it is by now"
        assert children(os.getpid())["cat"] == cat.pid
        cat.stdin.close()
    assert "cat" not in children(os.getpid())


def test_a_blob_is_where_it_is_asked_for() -> None:
    mask = blob(np.random.default_rng(0), 60, (100, 200))
    height, width = mask.bits.shape
    assert mask.x >= 100 and mask.y >= 200 and 45 <= width <= 61 and 45 <= height <= 61
    assert 0.5 < mask.bits.mean() < 0.9


def test_a_short_run_ends_with_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.node", "--only", "crash"]
    environment = os.environ | {"ROS_LOG_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert row["figure"].startswith("from a crash") and row["most"] == 1.0
    assert SECONDS / 2 < row["value"] < 30, "a whole keyframe follows the crash"
    assert done.stderr.count("was ended by SIGKILL") > 0
