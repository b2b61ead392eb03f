"""Processes of our own: what they answer, and that nothing that goes wrong in them gets further."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vlsam_ros.errors import ConfigError, ModelLoadError, RemoteError, VlmError, WorkerLostError, WorkerTimeoutError
from vlsam_ros.serving.arena import PAGE, Arena
from vlsam_ros.serving.process import Remote

HERE = str(Path(__file__).parent)
LONG_S = 60.0


@pytest.fixture
def logged() -> list[tuple[int, str]]:
    return []


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, logged: list[tuple[int, str]]) -> Iterator[Remote]:
    monkeypatch.syspath_prepend(HERE)
    made = Remote("targets:Target", "test", 3, lambda level, text: logged.append((level, text)))
    yield made
    made.close()


@pytest.fixture
def running(remote: Remote) -> Remote:
    remote.start(timeout_s=LONG_S)
    return remote


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except OSError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def test_it_is_a_fresh_process_with_its_arguments(remote: Remote) -> None:
    about = remote.start("a", 1, timeout_s=LONG_S)
    assert about["pid"] == remote.pid != os.getpid() and about["arguments"] == ("a", 1)
    assert about["nice"] == min(os.nice(0) + 3, 19) and not {"torch", "rclpy", "pytest"} & about["modules"]
    assert Path(f"/proc/{remote.pid}/comm").read_text() == "vlsam_test\n"
    assert os.getpgid(remote.pid) == remote.pid  # no signal for our group reaches it
    assert os.getsid(remote.pid) == os.getsid(0)  # in another session its niceness would count nothing


@pytest.mark.parametrize("size", [0, 1, PAGE, 3 * PAGE + 1, 6_220_800])
def test_data_gets_there_whole_and_each_time_anew(running: Remote, size: int) -> None:
    for seed in range(2):
        data = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
        assert running.call("sum", data=data, timeout_s=LONG_S) == (int(data.sum()), size)
    assert running.call("sum", data=b"\1\2", timeout_s=LONG_S) == (3, 2)


def test_answers_events_and_logs(running: Remote, logged: list[tuple[int, str]]) -> None:
    mask = np.eye(3, dtype=bool)
    assert (running.call("echo", mask, timeout_s=LONG_S) == mask).all()
    events: list[int] = []
    assert running.call("count", 3, timeout_s=LONG_S, listen=events.append) == 3 and events == [0, 1, 2]
    assert running.call("count", 2, timeout_s=LONG_S) == 2
    running.call("complain", timeout_s=LONG_S)
    assert logged == [(20, "all is well"), (30, "not so well")]


def test_threads_that_log_meanwhile_mix_nothing_up(running: Remote, logged: list[tuple[int, str]]) -> None:
    events: list[bytes] = []
    running.call("chatter", 100, timeout_s=LONG_S, listen=events.append)
    assert events == [b"y" * 300_000] * 100 and logged == [(20, "x" * 300_000)] * 100


def test_large_requests_and_answers_pass(running: Remote) -> None:
    large = np.zeros(20_000_000, np.uint8)
    assert running.call("echo", large, timeout_s=LONG_S).nbytes == large.nbytes


ERRORS = {
    "ours": (VlmError, "out of words"),
    "theirs": (RemoteError, "KeyError: 'nobody expected this'"),
    "panic": (RemoteError, "Panic: at the disco"),
    "memory": (RemoteError, "MemoryError: no more"),
}


@pytest.mark.parametrize(("kind", "expected"), ERRORS.items(), ids=ERRORS)
def test_an_error_there_is_raised_here_and_the_process_lives(running: Remote, kind: str, expected: tuple) -> None:
    error, text = expected
    with pytest.raises(error) as raised:
        running.call("fail", kind, timeout_s=LONG_S)
    assert str(raised.value) == text
    assert ("targets.py" in getattr(raised.value, "trace", "targets.py")) and running.alive
    assert running.call("echo", 1, timeout_s=LONG_S) == 1


def test_what_can_not_be_sent_is_an_error_there(running: Remote) -> None:
    with pytest.raises(RemoteError, match="lambda"):
        running.call("unsendable", timeout_s=LONG_S)
    assert running.call("echo", 1, timeout_s=LONG_S) == 1


def test_what_the_listener_raises_ends_the_call_and_the_process(running: Remote) -> None:
    def listen(event: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        running.call("count", 3, timeout_s=LONG_S, listen=listen)
    with pytest.raises(WorkerLostError):  # its answers would be taken for those of others
        running.call("echo", 1, timeout_s=LONG_S)


ENDS = {
    "crash": ((), "SIGSEGV"),
    "kill": ((), r"SIGKILL \(by the system, if memory ran out\)"),
    "leave": ((7,), "ended with exit code 7"),
}


@pytest.mark.parametrize(("method", "expected"), ENDS.items(), ids=ENDS)
def test_its_end_is_an_error_that_says_how_and_it_can_start_again(
    running: Remote, method: str, expected: tuple[tuple, str]
) -> None:
    arguments, text = expected
    pid = running.pid
    with pytest.raises(WorkerLostError, match=text):
        running.call(method, *arguments, timeout_s=LONG_S)
    assert not running.alive and running.pid is None and gone(pid)
    with pytest.raises(WorkerLostError, match=text):
        running.call("echo", 1, timeout_s=LONG_S)
    assert running.start(timeout_s=LONG_S)["pid"] != pid
    assert running.call("echo", 1, timeout_s=LONG_S) == 1


@pytest.mark.parametrize("method", ["hang", "freeze"])
def test_one_that_hangs_is_ended(running: Remote, method: str) -> None:
    pid, began = running.pid, time.monotonic()
    with pytest.raises(WorkerTimeoutError, match=r"no answer within 0\.3 s"):
        running.call(method, timeout_s=0.3)
    assert 0.3 <= time.monotonic() - began < 10 and gone(pid)


def test_one_that_takes_no_request_is_ended(running: Remote) -> None:
    os.kill(running.pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeoutError):
        running.call("echo", b"x" * 10_000_000, timeout_s=0.5)


def test_no_room_for_another_process(running: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    running.kill()
    with monkeypatch.context() as patch, pytest.raises(WorkerLostError, match="can't be started.*unavailable"):
        patch.setattr(subprocess, "Popen", no_room)
        running.start(timeout_s=LONG_S)
    assert not running.alive
    assert running.start(timeout_s=LONG_S)["arguments"] == () and running.call("echo", 1, timeout_s=LONG_S) == 1


def test_the_number_of_an_ended_process_is_not_used_again(running: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    child = running.call("orphan", timeout_s=LONG_S)
    os.kill(running.pid, signal.SIGKILL)
    assert gone(running.pid)
    running.lost()
    assert gone(child)
    ended: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: ended.append(pid))
    running.kill()
    running.close()
    assert not ended


SETUPS = {"missing": ModelLoadError, "wrong": ConfigError, "hang": WorkerTimeoutError, "die": WorkerLostError}


@pytest.mark.parametrize(("argument", "error"), SETUPS.items(), ids=SETUPS)
def test_one_that_does_not_begin(remote: Remote, argument: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        remote.start(argument, timeout_s=3.0 if argument == "hang" else LONG_S)
    assert remote.start(timeout_s=LONG_S)["arguments"] == ()


@pytest.mark.parametrize("target", ["nowhere:Target", "targets:Nothing"])
def test_no_target(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.syspath_prepend(HERE)
    remote = Remote(target, "test")
    with pytest.raises(RemoteError, match="Nothing|nowhere"):
        remote.start(timeout_s=LONG_S)
    remote.close()


def test_closed_while_it_works(running: Remote) -> None:
    pid = running.pid
    threading.Timer(0.3, running.close).start()
    with pytest.raises(WorkerLostError):
        running.call("hang", timeout_s=LONG_S)
    assert gone(pid)
    for call in (lambda: running.call("echo", 1, timeout_s=1.0), lambda: running.start(timeout_s=1.0)):
        with pytest.raises(WorkerLostError, match="closed"):
            call()
    running.close()


def test_closed_while_it_starts(remote: Remote) -> None:
    threading.Timer(0.5, remote.close).start()
    with pytest.raises(WorkerLostError):
        remote.start("hang", timeout_s=LONG_S)


def test_its_own_processes_end_with_it(running: Remote) -> None:
    child = running.call("orphan", timeout_s=LONG_S)
    assert is_running(child)
    running.kill()
    assert gone(child)


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)

    def once() -> None:
        remote = Remote("targets:Target", "test")
        for _ in range(2):
            remote.start(timeout_s=LONG_S)
            remote.call("sum", data=bytes(10_000), timeout_s=LONG_S)
        remote.close()
        gc.collect()

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    once()
    before, shared = open_files(), {*os.listdir("/dev/shm")}
    once()
    assert open_files() == before and {*os.listdir("/dev/shm")} == shared


OWNER = f"""
import sys, time
sys.path.insert(0, {HERE!r})
from vlsam_ros.serving.process import Remote
remote = Remote("targets:Target", "test")
print(remote.start(timeout_s=60)["pid"], flush=True)
remote.call("hang", timeout_s=60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(number: int) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    assert is_running(pid)
    owner.send_signal(number)
    owner.wait(10)
    assert gone(pid)


def test_an_arena_that_is_too_large_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    arena = Arena()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    arena.write(b"abc")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MemoryError, match="no memory for a frame of 10000 bytes to be shared: No space left"):
        arena.write(bytes(10_000))
    assert bytes(arena.read(3)) == b"abc"
    with pytest.raises(ValueError, match="expected 10000 shared bytes"):
        Arena(os.dup(arena.fd)).read(10_000)
    arena.close()
