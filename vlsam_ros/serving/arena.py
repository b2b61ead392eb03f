"""Memory that two processes share, for one frame at a time.

It is anonymous (memfd): no name in /dev/shm, no limit but the machine's memory, and it is gone with the last of the two
processes, whatever ends them.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np

PAGE = mmap.PAGESIZE


class Arena:
    """One end; the side that writes makes it, the other gets its file descriptor."""

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.memfd_create("vlsam_ros") if fd is None else fd
        self._map: mmap.mmap | None = None

    def write(self, data: Any) -> int:
        """Put bytes in, in the place of those before; how many there are.

        Raises:
            MemoryError: there is not so much memory.
        """
        source = memoryview(data).cast("B")
        size = source.nbytes
        if size > os.fstat(self.fd).st_size:
            try:
                os.posix_fallocate(self.fd, 0, -(-size // PAGE) * PAGE)  # now, since a page that lacks later kills
            except OSError as error:
                raise MemoryError(f"no memory for a frame of {size} bytes to be shared: {error.strerror}") from error
        if size:  # by numpy, since that lets other threads run meanwhile
            np.copyto(np.frombuffer(self._mapped(size)[:size], np.uint8), np.frombuffer(source, np.uint8))
        return size

    def read(self, size: int) -> memoryview:
        """The first bytes, without a copy; valid until the next `write`.

        Raises:
            ValueError: there are not so many.
        """
        if not size:
            return memoryview(b"")
        if size > os.fstat(self.fd).st_size:
            raise ValueError(f"expected {size} shared bytes, got {os.fstat(self.fd).st_size}")
        return self._mapped(size)[:size]

    def close(self) -> None:
        """Let go of it."""
        self._map = None  # unmapped as soon as nobody looks at it
        os.close(self.fd)

    def _mapped(self, size: int) -> memoryview:
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self.fd, os.fstat(self.fd).st_size)
        return memoryview(self._map)
