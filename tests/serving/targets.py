"""What the tests of `Remote` start: an object that answers, waits, breaks and dies as it is asked to."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

from vlsam_ros.errors import ConfigError, ModelLoadError, VlmError


class Target:
    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        if arguments == ("missing",):
            raise ModelLoadError("no weights in 'missing'")
        if arguments == ("wrong",):
            raise ConfigError("no such device")
        if arguments == ("hang",):
            time.sleep(3600)
        if arguments == ("die",):
            os._exit(3)

    def about(self):
        return {"pid": os.getpid(), "arguments": self.arguments, "modules": {*sys.modules}, "nice": os.nice(0)}

    def sum(self, data, emit):
        return sum(data), len(data)

    def echo(self, what, data, emit):
        return what

    def count(self, n, data, emit):
        for i in range(n):
            emit(i)
        return n

    def complain(self, data, emit):
        logging.getLogger("vlsam_ros.test").info("all is well")
        logging.getLogger("other").info("not of interest")
        logging.getLogger("other").warning("not so well")
        return None

    def chatter(self, n, data, emit):
        """Large events, while another thread logs as much."""
        log = logging.getLogger("vlsam_ros.test")
        other = threading.Thread(target=lambda: [log.info("x" * 300_000) for _ in range(n)])
        other.start()
        for _ in range(n):
            emit(b"y" * 300_000)
        other.join()

    def fail(self, kind, data, emit):
        raise {
            "ours": VlmError("out of words"),
            "theirs": KeyError("nobody expected this"),
            "panic": Panic("at the disco"),
            "memory": MemoryError("no more"),
        }[kind]

    def unsendable(self, data, emit):
        return lambda: None

    def hang(self, data, emit):
        time.sleep(3600)

    def freeze(self, data, emit):
        emit(b"x" * 1000)
        os.kill(os.getpid(), signal.SIGSTOP)

    def leave(self, code, data, emit):
        os._exit(code)

    def crash(self, data, emit):
        ctypes.string_at(0)

    def kill(self, data, emit):
        os.kill(os.getpid(), signal.SIGKILL)

    def orphan(self, data, emit):
        """A process of its own, which ends with it."""
        pid = os.fork()
        if pid == 0:
            time.sleep(3600)
        return pid


class Panic(BaseException):
    pass


def load_on_a_gpu(config):
    """A pipeline on a GPU that is not there; from the second frame on it can do nothing any more."""
    frames = []

    def synchronize():
        if len(frames) > 1:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def look(image, *_, **__):
        frames.append(image)
        raise VlmError("CUDA error" if len(frames) > 1 else "out of memory")

    cuda = SimpleNamespace(is_initialized=lambda: True, memory_reserved=lambda: 0, synchronize=synchronize)
    sys.modules["torch"] = SimpleNamespace(cuda=cuda)
    return look
