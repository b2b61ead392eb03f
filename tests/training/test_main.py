"""One command for the whole training: what it runs, and that it can be stopped."""

import os
import signal
import time
from pathlib import Path
from threading import Timer

import pytest
import torch

from training import __main__ as whole
from training import dense, loop


def test_every_step_is_run_once_with_a_share_of_the_minutes(tmp_path: Path) -> None:
    args = whole.parsed(["--device", "cuda", "--minutes", "100", "--runs", str(tmp_path), "--data", "views"])
    lines = {step.run: whole.command(step, args) for stage in whole.STAGES for step in stage}
    assert list(lines) == ["dense", "vlm", "sam", "vlm_plain", "vlm_boxes"]
    assert sum(stage[0].share for stage in whole.STAGES) == pytest.approx(1)
    for run, line in lines.items():
        assert line[:2] == ["-m", f"training.{run.split('_')[0]}"] and "--bf16" in line
        options = dict(zip(line[2:], line[3:], strict=False))
        assert options["--out"] == str(tmp_path / run) and options["--data"] == "views"
        start = {"--trunk": "vlm"} if "_" in run else {"--dense": "dense"} if run != "dense" else {}
        assert {k: v for k, v in options.items() if k in ("--trunk", "--dense")} == {
            k: str(tmp_path / v / "checkpoint.pt") for k, v in start.items()
        }
    assert "--attention" in lines["vlm_plain"] and "--boxes" in lines["vlm_boxes"]


def test_on_a_cpu_the_trunk_takes_every_core() -> None:
    args = whole.parsed(["--device", "cpu", "--no-bf16"])
    line = whole.command(whole.STAGES[0][0], args)
    assert line[:4] == ["-m", "torch.distributed.run", "--nproc_per_node", str(os.cpu_count())]
    assert "--bf16" not in line


def test_a_run_is_finished_when_its_minutes_are_used(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    assert not whole.finished(path, 1)
    torch.save({"spent": 60.0}, path)
    assert whole.finished(path, 1) and not whole.finished(path, 1.1)


@pytest.fixture
def children() -> whole.Children:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield whole.Children()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_failed_is_named_and_the_others_end(children: whole.Children, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="failed: -c raise SystemExit"):
        children.run([["-c", "raise SystemExit(3)"], ["-c", f"open({str(tmp_path / 'done')!r}, 'w')"]], 1)
    assert (tmp_path / "done").exists()
    children.run([["-c", "import os; assert os.environ['OMP_NUM_THREADS'] == '5'"]], 5)


def test_sigterm_ends_all_that_run(children: whole.Children) -> None:
    started = time.perf_counter()
    Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit, match="go on"):
        children.run([["-c", "import time; time.sleep(60)"]] * 2, 1)
    assert time.perf_counter() - started < 20


def test_the_steps_know_the_options_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    args = whole.parsed(["--device", "cpu"])
    line = whole.command(whole.STAGES[0][0], args)
    given = line[line.index("training.dense") + 1 :]
    parser = loop.arguments(dense.__doc__, "dense", 15)
    assert vars(parser.parse_args(given))["minutes"] == pytest.approx(0.21 * 420)
