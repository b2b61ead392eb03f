"""One command for the whole training: what it runs, and that it can be stopped."""

import os
import signal
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Timer

import pytest
import torch

from training import __main__ as whole


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
def children() -> Iterator[whole.Children]:
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


class Parsed(Exception):
    """Raised in place of running a module; what its command line came to."""


def parsed_by(module: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """What a module of the training makes of its command line."""
    parse = ArgumentParser.parse_args

    def stop(self: ArgumentParser, *given: object) -> Namespace:
        raise Parsed(parse(self, words))

    with monkeypatch.context() as patched, pytest.raises(Parsed) as caught:
        patched.setattr(ArgumentParser, "parse_args", stop)
        import_module(module).main()
    return caught.value.args[0]


def test_all_runs_in_order_with_options_that_each_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[list[str]]] = []
    monkeypatch.setattr(whole, "write", lambda *_: None)
    monkeypatch.setattr(whole.Children, "__init__", lambda _: None)
    monkeypatch.setattr(whole.Children, "run", lambda _, commands, threads: ran.append(commands))
    line = ["--device", "cuda", "--minutes", "10", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    whole.main([*line, "--logs", str(tmp_path / "logs")])
    names = [[words[1] for words in commands] for commands in ran]
    trained = [["training.dense"], ["training.vlm", "training.sam"], ["training.vlm", "training.vlm"]]
    assert names == [*trained, ["training.export"], ["training.novelty"]]
    for words in (words for commands in ran for words in commands):
        args = parsed_by(words[1], words[2:], monkeypatch)
        if words[1] == "training.export":
            assert (args.out, args.logs) == (tmp_path / "out", tmp_path / "logs")
        if words[1] == "training.novelty":
            assert args.weights == [tmp_path / "out" / name for name in ("vlm", "vlm_plain", "vlm_boxes")]

    for run, spent in (("dense", 600), ("vlm", 600), ("sam", 1)):  # stopped in the middle of the SAM
        (tmp_path / "runs" / run).mkdir(parents=True)
        torch.save({"spent": float(spent)}, tmp_path / "runs" / run / "checkpoint.pt")
    ran.clear()
    whole.main(line)
    assert [[words[1] for words in commands] for commands in ran] == [["training.sam"], *names[2:]]
