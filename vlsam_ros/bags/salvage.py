"""The messages of an MCAP file that was cut off, as after a power failure: no index, an incomplete last record.

The file is a row of records: opcode (uint8), length (uint64), content. Schemas, channels and messages may stand in
chunks, and an uncompressed chunk that is cut off still holds whole messages.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from rosbags.rosbag2.storage_mcap import DECOMPRESSORS

_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 3, 4, 5, 6

Fields = tuple[str, str, int, bytes]
"""Topic, type name, stamp in ns, CDR bytes."""


def messages(path: Path) -> Iterator[Fields]:
    """Every whole message in the order of the file.

    Raises:
        ValueError: not an MCAP file.
    """
    if path.stat().st_size < len(_MAGIC):
        raise ValueError("not an MCAP file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(_MAGIC)] != _MAGIC:
            raise ValueError("not an MCAP file")
        schemas: dict[int, str] = {}
        channels: dict[int, tuple[str, str]] = {}
        for opcode, record in _records(content, len(_MAGIC)):
            if opcode == _SCHEMA:
                schemas[struct.unpack_from("<H", record)[0]] = _text(record, 2)[0]
            elif opcode == _CHANNEL:
                channel, schema = struct.unpack_from("<HH", record)
                channels[channel] = (_text(record, 4)[0], schemas.get(schema, ""))
            elif opcode == _MESSAGE:
                channel, _, stamp_ns, _ = struct.unpack_from("<HIQQ", record)
                if channel in channels:
                    yield *channels[channel], stamp_ns, record[22:]


def _records(content: mmap.mmap | bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of each whole record, chunks opened."""
    at = start
    while at + 9 <= len(content):
        opcode, length = struct.unpack_from("<BQ", content, at)
        at += 9
        whole = at + length <= len(content)
        if opcode == _CHUNK:
            yield from _records(_chunk(content[at : at + length], whole), 0)
        elif whole:
            yield opcode, content[at : at + length]
        at += length


def _chunk(record: bytes, whole: bool) -> bytes:
    """A chunk's records, decompressed; of one that is cut off what is there, if it is not compressed."""
    if len(record) < 40:
        return b""
    size = struct.unpack_from("<Q", record, 16)[0]
    compression, at = _text(record, 28)
    if compression and not whole:
        return b""
    return DECOMPRESSORS[compression](record[at + 8 :], size)


def _text(record: bytes, at: int) -> tuple[str, int]:
    """A string with its length before it, and where it ends."""
    length = struct.unpack_from("<I", record, at)[0]
    return record[at + 4 : at + 4 + length].decode(), at + 4 + length
