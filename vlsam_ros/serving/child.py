"""A process that `serving.process.Remote` started: it makes an object, and answers calls until nobody asks."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import signal
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from vlsam_ros.errors import VlsamError
from vlsam_ros.serving.arena import Arena

_SET_PDEATHSIG, _SET_NAME = 1, 15
_SENDING = threading.RLock()
"""A connection takes one sender at a time, and any thread of a library may log."""
_KILL_FIRST = 500
"""Where memory runs out, the system takes the models and not the node that starts them again."""


def main(connection_fd: int, arena_fd: int, parent: int, nice: int) -> None:
    """The process's life; it ends with `parent`, or when that closes its end."""
    os.setpgid(0, 0)
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    faulthandler.enable()
    os.nice(nice)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(_KILL_FIRST))
    connection, arena = Connection(connection_fd), Arena(arena_fd)
    logging.basicConfig(handlers=[_Forwarding(connection)], level=logging.WARNING, format="%(message)s")
    logging.getLogger("vlsam_ros").setLevel(logging.INFO)
    with suppress(EOFError, OSError):  # nobody asks any more
        name, target, arguments = connection.recv()
        libc.prctl(_SET_NAME, f"vlsam_{name}".encode()[:15])
        served = None
        try:
            module, _, function = target.partition(":")
            served = getattr(import_module(module), function)(*arguments)
            _send(connection, "done", served.about())
        except BaseException as error:
            _send(connection, "failed", _failure(error))
        while served is not None:
            _serve(connection, arena, served)


def _serve(connection: Connection, arena: Arena, served: Any) -> None:
    method, arguments, size = connection.recv()
    try:
        answer = getattr(served, method)(
            *arguments, data=arena.read(size), emit=lambda event: _send(connection, "event", event)
        )
        _send(connection, "done", answer)
    except BaseException as error:  # a panic in a tokenizer's Rust is no Exception
        if isinstance(error, (EOFError, BrokenPipeError, ConnectionResetError)):
            raise
        _send(connection, "failed", _failure(error))


def _send(connection: Connection, kind: str, what: Any) -> None:
    with _SENDING:
        connection.send((kind, what))


def _failure(error: BaseException) -> tuple[str, str, str]:
    """The error's type, its text, and where it was raised if nobody expected it."""
    trace = "" if isinstance(error, VlsamError) else traceback.format_exc()
    return type(error).__name__, str(error), trace


class _Forwarding(logging.Handler):
    """Sends what is logged to the other process."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler` has it."""
        with suppress(OSError):
            _send(self._connection, "log", (record.levelno, self.format(record)))
