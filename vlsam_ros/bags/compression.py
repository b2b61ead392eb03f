"""Compressed chunks, messages and files. What a record says about its own size is never believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame

try:
    from compression import zstd  # from Python 3.14 on
except ImportError:
    from backports import zstd

LIMIT = 2**29
"""No chunk or message takes more bytes than this."""
_BLOCK = 2**20

DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "zstd": zstd.ZstdDecompressor,
    "lz4": lz4.frame.LZ4FrameDecompressor,
}
_MAGIC = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
"""How frames begin; CDR begins with a zero, MCAP and SQLite with other letters."""


def kind(data: bytes) -> str:
    """The compression of bytes by how they begin; empty: none."""
    return _MAGIC.get(data[:4], "")


def expanded(data: bytes, compression: str, limit: int = LIMIT) -> tuple[bytes, bool]:
    """The content of a frame, and whether all of it was there.

    Memory grows with what really comes out, not with what the frame announces.

    Raises:
        ValueError: an unknown compression, not such a frame, or more than `limit` bytes in it.
    """
    if compression not in DECOMPRESSORS:
        raise ValueError(f"unknown compression {compression!r}; known are {', '.join(DECOMPRESSORS)}")
    limit, result, whole = min(limit, LIMIT), bytearray(), False
    while data:  # frames may follow each other
        decompressor = DECOMPRESSORS[compression]()
        try:
            result += decompressor.decompress(data, max_length=limit + 1 - len(result))
        except (zstd.ZstdError, RuntimeError) as error:  # lz4 raises RuntimeError
            raise ValueError(f"damaged {compression} frame: {error}") from error
        if len(result) > limit:
            raise ValueError(f"more than {limit} bytes in a {compression} frame")
        whole = decompressor.eof
        data = decompressor.unused_data if whole else b""
    return bytes(result), whole


def expand_file(path: Path, target: Path, compression: str) -> str:
    """Write a compressed file's content to `target`; what is wrong with it is returned (empty: nothing).

    Raises:
        OSError: the file can't be read, or there is no room for `target`.
    """
    with path.open("rb") as source, target.open("wb") as out:
        decompressor, rest = DECOMPRESSORS[compression](), b""
        while block := rest or source.read(_BLOCK):
            if decompressor.eof:  # frames may follow each other
                decompressor = DECOMPRESSORS[compression]()
            try:
                out.write(decompressor.decompress(block, max_length=_BLOCK))
                while not decompressor.needs_input and not decompressor.eof:
                    out.write(decompressor.decompress(b"", max_length=_BLOCK))
            except (zstd.ZstdError, RuntimeError) as error:
                return f"damaged {compression} file: {error}"
            rest = decompressor.unused_data if decompressor.eof else b""
    return "" if decompressor.eof else f"{compression} file cut off"
