"""Where the messages of an MCAP file are: a walk over its records that opens no chunk, and what its own index says.

Messages between chunks form stretches that are read as chunks are. The index at the file's end is never trusted alone:
it gives channels if it has all of them, the number of messages, and a place to go on behind a damaged record.
"""

from __future__ import annotations

import struct
from bisect import bisect
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import numpy as np
from mcap import records
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode

from vlsam_ros.bags.compression import LIMIT
from vlsam_ros.bags.record import Damage

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")  # opcode and length of a record
MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time of recording and of publishing
DEFINITIONS = (Opcode.SCHEMA, Opcode.CHANNEL)
BROKEN = (struct.error, McapError, ValueError)
"""What a damaged record raises."""
_CHUNK = struct.Struct("<QQQII")  # first and last stamp, size, checksum, length of the compression's name
_FOOTER = struct.Struct("<BQQQI")  # with its head
_LONGEST_NAME = 64
_STRETCH = 2**20
_READ = (*DEFINITIONS, Opcode.MESSAGE_INDEX, Opcode.CHUNK_INDEX, Opcode.STATISTICS, Opcode.DATA_END)


@dataclass(frozen=True)
class Stretch:
    """Records in a row: a chunk's content, or the messages between two chunks.

    Attributes:
        start_ns: no message in it is earlier.
        at: where its bytes begin in the file; `stored` is their number, `size` that of the content.
        crc: checksum of the content; 0: none.
        cut: the file ends within it.
        torn: what follows it is no record, so its last message may not be as long as it says.
    """

    start_ns: int
    at: int
    stored: int
    size: int
    compression: str = ""
    crc: int = 0
    cut: bool = False
    torn: bool = False
    chunk: bool = True


class McapIndex:
    """One file's stretches, definitions, statistics, and its data section's checksum (0: none)."""

    def __init__(self, path: Path, damage: Damage) -> None:
        """Raises OSError if the file can't be read."""
        self._size = path.stat().st_size
        self._damage = damage
        self.schemas: dict[int, records.Schema] = {}
        self.channels: dict[int, records.Channel] = {}
        self.statistics: records.Statistics | None = None
        self.stretches: list[Stretch] = []
        self.data_end, self.data_crc = 0, 0
        self._indexed: set[int] = set()  # where chunks begin that the index knows and the walk has not met
        self._whole = True  # until the file's end says otherwise
        with path.open("rb") as file:
            self._whole = self._read_index(file)
            self._walk(file, len(MAGIC), self._size)
        if self._indexed:
            self._damage.note(f"{len(self._indexed)} chunks of its index are not there")

    @property
    def complete(self) -> bool:
        """Whether all channels are known without opening a chunk."""
        return self.statistics is not None and len(self.channels) >= self.statistics.channel_count

    def _read_index(self, file: BinaryIO) -> bool:
        """Take over what stands behind the data section; false if the file has no end."""
        at = self._size - len(MAGIC) - _FOOTER.size
        file.seek(max(at, 0))
        tail = file.read()
        if at < len(MAGIC) or tail[_FOOTER.size :] != MAGIC:
            self._damage.note("its end is missing")
            return False
        opcode, length, start, _, crc = _FOOTER.unpack(tail[: _FOOTER.size])
        if (opcode, length) != (Opcode.FOOTER, _FOOTER.size - HEAD.size) or (start and not len(MAGIC) < start <= at):
            self._damage.note("its footer is damaged")
        elif start and crc and crc != checksum(file, start, self._size - len(MAGIC) - 4):
            self._damage.note("the checksum of its index does not match")
        elif start:
            self._walk(file, start, at)
            self.stretches.clear()  # none stands there; if the footer is wrong, they would come twice
        return True

    def _walk(self, file: BinaryIO, at: int, stop: int) -> None:
        """Visit every record up to the data section's end; behind a damaged one, the next chunk that is indexed."""
        places = sorted(self._indexed)
        while at + HEAD.size <= stop:
            file.seek(at)
            opcode, length = HEAD.unpack(file.read(HEAD.size))
            end = self._visit(file, opcode, at + HEAD.size, at + HEAD.size + length)
            if end is None:
                self._damage.note(f"damaged at byte {at}")
                if self._whole or not opcode:
                    self._tear(at)
                end = places[behind] if (behind := bisect(places, at)) < len(places) else stop
            elif opcode == Opcode.DATA_END:
                return
            at = end
        if at < stop:
            self._damage.note(f"cut off at byte {at}")

    def _tear(self, at: int) -> None:
        if self.stretches and not (last := self.stretches[-1]).chunk and last.at + last.size == at:
            self.stretches[-1] = replace(last, torn=True)

    def _visit(self, file: BinaryIO, opcode: int, begin: int, end: int) -> int | None:
        """Note what a record says; where the next one begins, or None if it is damaged."""
        if opcode == Opcode.CHUNK:
            return self._visit_chunk(file, begin, end)
        if opcode == 0 or end > self._size:
            return None
        if opcode == Opcode.MESSAGE:
            return self._visit_message(file, begin, end)
        if opcode == Opcode.DATA_END:
            self.data_end = begin - HEAD.size
        if opcode in _READ and end - begin <= LIMIT:
            file.seek(begin)
            try:
                self.learn(opcode, file.read(end - begin))
            except BROKEN:
                self._damage.note(f"damaged at byte {begin - HEAD.size}")
        return end

    def _visit_chunk(self, file: BinaryIO, begin: int, end: int) -> int | None:
        file.seek(begin)
        head = file.read(_CHUNK.size + _LONGEST_NAME + 8)
        if len(head) < _CHUNK.size:
            return None
        start_ns, _, size, crc, name = _CHUNK.unpack_from(head)
        at = begin + _CHUNK.size + name + 8
        if name > _LONGEST_NAME or len(head) < at - begin:
            return None
        compression = head[_CHUNK.size : _CHUNK.size + name].decode(errors="replace")
        stored = int.from_bytes(head[at - begin - 8 : at - begin], "little")
        cut = at + stored > self._size
        if at + stored != end or (cut and self._whole):
            return None
        self.stretches.append(Stretch(start_ns, at, min(stored, self._size - at), size, compression, crc, cut))
        self._indexed.discard(begin - HEAD.size)
        return None if cut else end

    def _visit_message(self, file: BinaryIO, begin: int, end: int) -> int | None:
        if end - begin < MESSAGE.size:
            return None
        file.seek(begin)
        stamp_ns = MESSAGE.unpack(file.read(MESSAGE.size))[2]
        at = begin - HEAD.size
        last = self.stretches[-1] if self.stretches else None
        if last and not last.chunk and last.at + last.size == at and last.size < _STRETCH:
            stamp_ns, at = min(last.start_ns, stamp_ns), last.at
            self.stretches.pop()
        self.stretches.append(Stretch(stamp_ns, at, end - at, end - at, chunk=False))
        return end

    def learn(self, opcode: int, content: bytes) -> None:
        """Take over a record that is neither a chunk nor a message.

        Raises:
            One of `BROKEN`: it doesn't hold what it should.
        """
        stream = ReadDataStream(BytesIO(content))
        if opcode == Opcode.SCHEMA:
            schema = records.Schema.read(stream)
            self.schemas.setdefault(schema.id, schema)
        elif opcode == Opcode.CHANNEL:
            channel = records.Channel.read(stream)
            self.channels.setdefault(channel.id, channel)
        elif opcode == Opcode.MESSAGE_INDEX and self.stretches and len(content) > 6:
            stamps = np.frombuffer(content, "<u8", offset=6)[::2]  # some writers name a chunk's first, not its least
            last = self.stretches[-1]
            self.stretches[-1] = replace(last, start_ns=min(last.start_ns, int(stamps.min())))
        elif opcode == Opcode.CHUNK_INDEX:
            self._indexed.add(records.ChunkIndex.read(stream).chunk_start_offset)
        elif opcode == Opcode.STATISTICS:
            self.statistics = records.Statistics.read(stream)
        elif opcode == Opcode.DATA_END:
            self.data_crc = records.DataEnd.read(stream).data_section_crc


def checksum(file: BinaryIO, begin: int, end: int) -> int:
    """CRC-32 of a part of a file."""
    file.seek(begin)
    result, left = 0, end - begin
    while block := file.read(min(left, _STRETCH)):
        result, left = crc32(block, result), left - len(block)
    return result
