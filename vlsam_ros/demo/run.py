"""The detector on a rendered drive, over real ROS 2: `make demo`.

Three processes talk over DDS, seen by no other machine: the bag player replays the sample recording slowly enough for a
CPU, the detector runs with config/embedded.yaml, and a planner stand-in records what it gets. Then the results are
compared with the recording's ground truth. The detector takes every keyframe in order, so that a slow machine sees the
same ones, only later.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vlsam_ros.bags.reader import read
from vlsam_ros.config import Config
from vlsam_ros.demo import report
from vlsam_ros.errors import DataError, VlsamError
from vlsam_ros.output.folder import FOLDER, OutputFolder, writing
from vlsam_ros.output.text import print_anything
from vlsam_ros.ros.mailbox import Mailbox
from vlsam_ros.ros.planner import COMMAND
from vlsam_ros.synthetic import bag as sample

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "config" / "embedded.yaml"
RATE = 0.1
"""Replay this many times as fast as recorded: 6 s of drive take 60 s."""
LOAD_TIMEOUT_S, STALL_TIMEOUT_S, END_TIMEOUT_S = 180.0, 180.0, 60.0


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """A process of the demo failed; the text has the end of its log."""


@dataclass
class Child:
    """One process and its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self, *, may_end: bool = False) -> bool:
        """True while it runs.

        Raises:
            DemoError: it ended with an error, or at all if it may not.
        """
        code = self.process.poll()
        if code is None:
            return True
        if code or not may_end:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])
            raise DemoError(f"the {self.name} ended with exit code {code}; the end of {self.log}:\n{tail}")
        return False

    def end(self, timeout_s: float) -> None:
        """Ask it to stop and wait.

        Raises:
            DemoError: it didn't stop in time, or with an error.
        """
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"the {self.name} did not stop within {timeout_s:g} s, see {self.log}") from error
        self.check(may_end=True)

    def kill(self) -> None:
        """End it at once, with the processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def children(commands: dict[str, list[str]], out: OutputFolder) -> Iterator[dict[str, Child]]:
    """Processes in a ROS domain of their own, with a log each; whatever happens, none outlives the block."""
    started: dict[str, Child] = {}
    with tempfile.TemporaryDirectory() as ros_logs:  # of no use: what ROS writes there is in our logs as well
        environment = os.environ | {
            "ROS_DOMAIN_ID": str(random.randint(1, 100)),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": ros_logs,
            "PYTHONUNBUFFERED": "1",
        }
        try:
            for name, command in commands.items():
                log = out.new(f"logs/{name}.log")
                started[name] = Child(name, _start(command, log, environment), log)
            yield started
        finally:
            for child in started.values():
                child.kill()


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process in a group of its own, which is told to stop if this one is killed."""
    with log.open("xb") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
        )


def sample_bag(path: Path) -> Path:
    """The sample recording, rendered if there is nothing at `path`, or an empty folder; else what is there.

    Raises:
        OutputError: it can't be written.
    """
    with writing(path):
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            path = path.resolve()
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as unfinished:
                sample.write(Path(unfinished) / path.name)
                (Path(unfinished) / path.name).rename(path)
    return path


def commands(bag: Path, out: Path, rate: float) -> dict[str, list[str]]:
    """What runs beside what. The player waits for two subscribers, and the detector subscribes when it is ready."""
    python = [sys.executable, "-m"]
    return {
        "detector": [
            *python, "vlsam_ros.ros.node",
            "--ros-args", "--params-file", str(PROFILE), "-p", "node.queue_all:=true",
        ],
        "planner": [*python, "vlsam_ros.ros.planner", str(out), "--image", sample.IMAGE_TOPIC],
        "player": [
            *python, "vlsam_ros.ros.player", str(bag), "--rate", f"{rate:g}",
            "--wait-for-subscribers", "2", "--timeout", f"{LOAD_TIMEOUT_S:g}",
        ],
    }  # fmt: skip


def keyframes(bag: Path) -> int:
    """How many of the recording's frames the detector will admit: its own mailbox says so.

    Raises:
        BagError: no recording, or a damaged one.
        DataError: there are none.
    """
    options = Config.from_file(PROFILE).node
    mailbox = Mailbox(["camera"], options.keyframe_rate_hz, queue_all=True)
    for record in read(bag, [sample.IMAGE_TOPIC]):
        mailbox.put("camera", record, record.stamp_ns * 1e-9)
    counts = mailbox.counts()["camera"]
    if not counts.received:
        raise DataError(f"{bag}: expected a recording with images on {sample.IMAGE_TOPIC}, got none")
    return counts.received - counts.between


def run(bag: Path, folder: OutputFolder, rate: float) -> None:
    """Replay the recording through the detector; results are in the folder afterwards.

    Raises:
        DemoError: a process failed or took too long.
    """
    out, count = folder.path, keyframes(bag)  # of what is no recording: an error, and earlier results stay
    folder.clear()
    lines = out / "detections.jsonl"
    deadline = time.monotonic() + LOAD_TIMEOUT_S
    calm = 0.5 if sys.stderr.isatty() else 10.0
    with (
        children(commands(bag, out, rate), folder) as running,
        tqdm(desc="detecting", total=count, unit="keyframe", mininterval=calm, maxinterval=calm) as bar,
    ):
        while running["player"].check(may_end=True) or bar.n < count:
            running["detector"].check()
            running["planner"].check()
            done = lines.read_text().count("\n") if lines.exists() else 0
            if done > bar.n:
                deadline = time.monotonic() + STALL_TIMEOUT_S
                bar.update(done - bar.n)
            if time.monotonic() > deadline:
                raise DemoError(f"{done} of {count} keyframes, and no more for a long time; see {out / 'logs'}")
            time.sleep(0.25)
        running["detector"].end(END_TIMEOUT_S)
        time.sleep(1.0)  # its last messages are on their way
        running["planner"].end(END_TIMEOUT_S)


def main(args: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run the detector on a rendered drive and judge what it finds.")
    parser.add_argument(
        "--bag", type=Path, default=ROOT / "sample_bag", help="rendered if nothing is there (%(default)s)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "demo_output", help=FOLDER)
    parser.add_argument("--rate", type=float, default=RATE, help="times the recorded pace")
    options = parser.parse_args(args)
    print_anything()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda n, _: sys.exit(128 + n))  # by way of every `finally`
    began = time.monotonic()
    try:
        folder = OutputFolder(options.out.absolute(), COMMAND)
        bag = sample_bag(options.bag.absolute())
        run(bag, folder, options.rate)
        print(report.write(bag, folder))
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except VlsamError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print(f"\nThe demo took {time.monotonic() - began:.0f} s. Look at {options.out / 'contact_sheet.jpg'} first.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
