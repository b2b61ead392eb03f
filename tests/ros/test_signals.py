"""A signal while the detector's executable still imports: it is gone, with exit code 0 and without a word."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLOW = """
import sys, time
class Slow:
    def find_spec(self, name, *_):
        if name == "vlsam_ros.ros.node":
            print("importing", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
__file__ = sys.argv[0] = {script!r}
exec(compile(open(__file__).read(), __file__, "exec"))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_it_cleanly(number: int) -> None:
    code = SLOW.format(script=str(ROOT / "scripts" / "detector"))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
