"""A process of our own that answers calls, seen from the one that uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from vlsam_ros import errors
from vlsam_ros.errors import RemoteError, VlsamError, WorkerLostError, WorkerTimeoutError
from vlsam_ros.serving.arena import Arena

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vlsam_ros.serving.child import main; main(*map(int, sys.argv[2:]))"
)
_REAP_S = 5.0
"""How long an ended process may take to go. One that a driver holds goes later, and is not waited for."""


class Remote:
    """A process that makes an object by calling `target`, and then answers calls of its methods.

    It is started afresh, not forked, in a process group of its own, so that no signal for ours reaches it. Not in a
    session of its own: Linux shares the CPU between sessions first, and niceness counts within one alone. It ends when
    this process does, however that ends. One thread at a time calls; any may ask, `kill` or `close`.

    Attributes:
        pid: of the process; None while there is none.
    """

    def __init__(
        self,
        target: str,
        name: str,
        nice: int = 0,
        log: Callable[[int, str], None] = lambda level, text: None,
    ) -> None:
        """`target` is a ``module:function``, `name` what the system shows, `log` gets what the process logs."""
        self._target, self._name, self._nice, self._log = target, name, nice, log
        self._arena = Arena()
        self._lock, self._change = threading.RLock(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._closed = False
        self._killed = True
        """The last process was; its number may be another's by now."""

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    @property
    def alive(self) -> bool:
        """Whether there is a process that has not ended."""
        process = self._process
        return process is not None and process.poll() is None

    def lost(self) -> WorkerLostError:
        """That it ended, and how, as an error to be raised; what it has started ends, too."""
        self.kill()
        return WorkerLostError(f"the process {self._name} {_end(self._process)}")

    def start(self, *arguments: Any, timeout_s: float) -> Any:
        """Start it, in the place of one that runs, and call ``target(*arguments)`` in it; what its `about` returns.

        Raises:
            WorkerTimeoutError, WorkerLostError: it took too long, ended, or the system has no room for it.
            VlsamError, RemoteError: as the target raised it.
        """
        with self._lock:
            self.kill()
            try:
                self._spawn()
            except OSError as error:
                raise WorkerLostError(f"the process {self._name} can't be started: {error}") from error
            return self._answer((self._name, self._target, arguments), timeout_s, None)

    def call(
        self,
        method: str,
        *arguments: Any,
        data: Any = b"",
        timeout_s: float,
        listen: Callable[[Any], None] | None = None,
    ) -> Any:
        """``object.method(*arguments, data=…, emit=…)`` over there; what it returns.

        Args:
            data: bytes that it sees without a copy of its own.
            timeout_s: longest wait for others' calls, and then for the answer; without one the process is ended.
            listen: gets what the method emits before it returns.

        Raises:
            WorkerTimeoutError, WorkerLostError: no answer in time, or the process is not there or ended.
            VlsamError, RemoteError: as the method raised it; the process lives.
        """
        with self._turn(timeout_s):
            if self._closed:
                raise WorkerLostError(f"the process {self._name} was closed")
            try:
                size = self._arena.write(data)
            except MemoryError as error:
                raise RemoteError(f"MemoryError: {error}") from error
            return self._answer((method, arguments, size), timeout_s, listen)

    def kill(self) -> None:
        """End the process at once, if there is one; whoever waits for its answer is told."""
        with self._change:
            process, connection = self._process, self._connection
            if process is None or connection is None or self._killed:
                return
            self._killed = True
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()  # it may not have come to its group yet
            with suppress(subprocess.TimeoutExpired):
                process.wait(_REAP_S)

    def close(self) -> None:
        """End the process; there will be no other."""
        with self._change:
            first, self._closed = not self._closed, True
        self.kill()
        if first:
            with self._lock:  # whoever waited for an answer has been told
                if self._connection:
                    self._connection.close()
                self._arena.close()

    def _spawn(self) -> None:
        ours, theirs = Pipe()
        paths = json.dumps([path or os.getcwd() for path in sys.path])
        numbers = map(str, (theirs.fileno(), self._arena.fd, os.getpid(), self._nice))
        with self._change, theirs:
            if self._closed:
                ours.close()
                raise WorkerLostError(f"the process {self._name} was closed")
            if self._connection:
                self._connection.close()
            self._connection = ours
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, paths, *numbers],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._arena.fd),
            )
            self._killed = False

    @contextmanager
    def _turn(self, timeout_s: float) -> Iterator[None]:
        if not self._lock.acquire(timeout=timeout_s):
            raise WorkerTimeoutError(f"the process {self._name} was busy with another call for {timeout_s:g} s")
        try:
            yield
        finally:
            self._lock.release()

    def _answer(self, request: Any, timeout_s: float, listen: Callable[[Any], None] | None) -> Any:
        late = threading.Event()

        def end() -> None:
            late.set()
            self.kill()

        watchdog = threading.Timer(timeout_s, end)
        watchdog.daemon = True
        watchdog.start()
        process, began = self._process, time.monotonic()
        try:
            if process is None or self._connection is None:
                raise WorkerLostError(f"the process {self._name} was not started")
            self._connection.send(request)
            while True:
                kind, what = self._connection.recv()
                if kind == "log":
                    self._log(*what)
                elif kind == "event":
                    if listen:
                        listen(what)
                else:
                    break
        except (EOFError, OSError) as error:
            took_s = time.monotonic() - began
            self.kill()
            if late.is_set():
                raise WorkerTimeoutError(f"the process {self._name} gave no answer within {timeout_s:g} s") from error
            raise WorkerLostError(f"{self.lost()} after {took_s:.1f} s") from error
        except BaseException:  # of `listen`: what is still to come would be taken for the next call's answer
            self.kill()
            raise
        finally:
            watchdog.cancel()
        if kind == "failed":
            raise _raised(*what)
        return what


def _end(process: subprocess.Popen[bytes] | None) -> str:
    """How a process ended, for people."""
    code = process.returncode if process else None
    if code is None:
        return "was lost"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"was ended by {name}" + (" (by the system, if memory ran out)" if code == -signal.SIGKILL else "")


def _raised(name: str, text: str, trace: str) -> VlsamError:
    """The error that was raised over there: ours by its type, every other by its name."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, VlsamError) and kind is not RemoteError:
        return kind(text)
    return RemoteError(f"{name}: {text}", trace)
