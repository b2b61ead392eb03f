"""Messages of an MCAP file, whole or not, indexed or not, in the order of stamps.

A walk over the file's records finds its chunks without opening them; messages between chunks form stretches that are
read as chunks are. Each is opened when the first of its messages is due, so memory holds the chunks that overlap in
time, up to the cache's budget, and 24 bytes for each of their messages. The index at the file's end is never trusted
alone: it gives channels if it has all of them (else every chunk is scanned for them), the number of messages, and a
place to go on behind a damaged record. Content with a checksum that doesn't match is left out; with a checksum over the
file's data section alone, that is all that stands outside chunks.
"""

from __future__ import annotations

import heapq
import struct
from array import array
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import numpy as np
from mcap import records
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode

from vlsam_ros.bags.cache import Cache
from vlsam_ros.bags.compression import LIMIT, expanded
from vlsam_ros.bags.record import Damage, Record, Topic, offered_qos

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")  # opcode and length of a record
_CHUNK = struct.Struct("<QQQII")  # first and last stamp, size, checksum, length of the compression's name
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time of recording and of publishing
_FOOTER = struct.Struct("<BQQQI")  # with its head
_LONGEST_NAME = 64
_STRETCH = 2**20
_DEFINITIONS = (Opcode.SCHEMA, Opcode.CHANNEL)
_READ = (*_DEFINITIONS, Opcode.MESSAGE_INDEX, Opcode.CHUNK_INDEX, Opcode.STATISTICS, Opcode.DATA_END)
_BROKEN = (struct.error, McapError, ValueError)


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


class McapFile:
    """One file; what is wrong with it goes to `damage`."""

    def __init__(self, path: Path, cache: Cache, damage: Damage) -> None:
        """Raises OSError if the file can't be read."""
        self._path, self._cache, self._damage = path, cache, damage
        self._size = path.stat().st_size
        self._schemas: dict[int, records.Schema] = {}
        self._channels: dict[int, records.Channel] = {}
        self._statistics: records.Statistics | None = None
        self._indexed: set[int] = set()  # where chunks begin that the index knows and the walk has not met
        self._stretches: list[Stretch] = []
        self._data_end, self._data_crc = 0, 0
        self._whole = True  # until the file's end says otherwise
        with path.open("rb") as file:
            self._whole = self._read_index(file)
            self._walk(file, len(MAGIC), self._size)
        if self._indexed:
            self._damage.note(f"{len(self._indexed)} chunks of its index are not there")
        if self._statistics is None or len(self._channels) < self._statistics.channel_count:
            self._scan_definitions()

    @property
    def expected(self) -> int | None:
        """How many messages the file's statistics count; None: unknown."""
        return self._statistics.message_count if self._statistics else None

    @property
    def start_ns(self) -> int:
        """No message is earlier."""
        return min((s.start_ns for s in self._stretches), default=0)

    @cached_property
    def topics(self) -> dict[str, Topic]:
        """Every topic of a channel; of two channels with one topic the first, with both channels' QoS."""
        result: dict[str, Topic] = {}
        for channel in self._channels.values():
            schema = self._schemas.get(channel.schema_id)
            qos = offered_qos(channel.metadata.get("offered_qos_profiles", ""))
            topic = Topic(schema.name if schema else "", channel.message_encoding, qos)
            known = result.setdefault(channel.topic, topic)
            result[channel.topic] = replace(known, qos=tuple(dict.fromkeys((*known.qos, *qos))))
        return result

    def records(self) -> Iterator[tuple[int, Record | None]]:
        """Stamp and message, in the order of stamps as far as chunks name theirs rightly; None where one is opened."""
        count = 0
        for stamp_ns, record in heapq.merge(*map(self._messages, self._stretches), key=itemgetter(0)):
            count += record is not None
            yield stamp_ns, record
        if self.expected is not None and count > self.expected:
            self._damage.note(f"{count} messages, and it counts {self.expected}")
        if not self._sound:
            self._damage.note("the checksum of its data section does not match")

    # --- the way through the file

    def _read_index(self, file: BinaryIO) -> bool:
        """Take over what stands behind the data section; false if the file has no end."""
        at = self._size - len(MAGIC) - _FOOTER.size
        file.seek(max(at, 0))
        tail = file.read()
        if at < len(MAGIC) or tail[_FOOTER.size :] != MAGIC:
            self._damage.note("its end is missing")
            return False
        opcode, length, start, _, crc = _FOOTER.unpack(tail[: _FOOTER.size])
        if (opcode, length) != (Opcode.FOOTER, _FOOTER.size - _HEAD.size) or (start and not len(MAGIC) < start <= at):
            self._damage.note("its footer is damaged")
        elif start and crc and crc != _checksum(file, start, self._size - len(MAGIC) - 4):
            self._damage.note("the checksum of its index does not match")
        elif start:
            self._walk(file, start, at)
        return True

    def _walk(self, file: BinaryIO, at: int, stop: int) -> None:
        """Visit every record up to the data section's end; behind a damaged one, the next chunk that is indexed."""
        places = sorted(self._indexed)
        while at + _HEAD.size <= stop:
            file.seek(at)
            opcode, length = _HEAD.unpack(file.read(_HEAD.size))
            end = self._visit(file, opcode, at + _HEAD.size, at + _HEAD.size + length)
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
        if self._stretches and not (last := self._stretches[-1]).chunk and last.at + last.size == at:
            self._stretches[-1] = replace(last, torn=True)

    def _visit(self, file: BinaryIO, opcode: int, begin: int, end: int) -> int | None:
        """Note what a record says; where the next one begins, or None if it is damaged."""
        if opcode == Opcode.CHUNK:
            return self._visit_chunk(file, begin, end)
        if opcode == 0 or end > self._size:
            return None
        if opcode == Opcode.MESSAGE:
            return self._visit_message(file, begin, end)
        if opcode == Opcode.DATA_END:
            self._data_end = begin - _HEAD.size
        if opcode in _READ and end - begin <= LIMIT:
            file.seek(begin)
            try:
                self._learn(opcode, file.read(end - begin))
            except _BROKEN:
                self._damage.note(f"damaged at byte {begin - _HEAD.size}")
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
        self._stretches.append(Stretch(start_ns, at, min(stored, self._size - at), size, compression, crc, cut))
        self._indexed.discard(begin - _HEAD.size)
        return None if cut else end

    def _visit_message(self, file: BinaryIO, begin: int, end: int) -> int | None:
        if end - begin < _MESSAGE.size:
            return None
        file.seek(begin)
        stamp_ns = _MESSAGE.unpack(file.read(_MESSAGE.size))[2]
        at = begin - _HEAD.size
        last = self._stretches[-1] if self._stretches else None
        if last and not last.chunk and last.at + last.size == at and last.size < _STRETCH:
            stamp_ns, at = min(last.start_ns, stamp_ns), last.at
            self._stretches.pop()
        self._stretches.append(Stretch(stamp_ns, at, end - at, end - at, chunk=False))
        return end

    def _learn(self, opcode: int, content: bytes) -> None:
        """Take over a record that is neither a chunk nor a message.

        Raises:
            One of `_BROKEN`: it doesn't hold what it should.
        """
        stream = ReadDataStream(BytesIO(content))
        if opcode == Opcode.SCHEMA:
            schema = records.Schema.read(stream)
            self._schemas.setdefault(schema.id, schema)
        elif opcode == Opcode.CHANNEL:
            channel = records.Channel.read(stream)
            self._channels.setdefault(channel.id, channel)
        elif opcode == Opcode.MESSAGE_INDEX and self._stretches and len(content) > 6:
            stamps = np.frombuffer(content, "<u8", offset=6)[::2]  # some writers name a chunk's first, not its least
            last = self._stretches[-1]
            self._stretches[-1] = replace(last, start_ns=min(last.start_ns, int(stamps.min())))
        elif opcode == Opcode.CHUNK_INDEX:
            self._indexed.add(records.ChunkIndex.read(stream).chunk_start_offset)
        elif opcode == Opcode.STATISTICS:
            self._statistics = records.Statistics.read(stream)
        elif opcode == Opcode.DATA_END:
            self._data_crc = records.DataEnd.read(stream).data_section_crc

    # --- contents

    def _scan_definitions(self) -> None:
        for stretch in self._stretches:
            try:
                content = self._content(stretch)
                for opcode, begin, end in _records(content) if stretch.chunk else ():
                    if opcode in _DEFINITIONS:
                        self._learn(opcode, content[begin:end])
            except _BROKEN:
                continue  # it is noted when its messages are due

    def _messages(self, stretch: Stretch) -> Iterator[tuple[int, Record | None]]:
        """The messages of a stretch by stamp; before them its own, so that it is not opened before its time."""
        yield stretch.start_ns, None
        try:
            rows, whole = _messages_in(self._content(stretch))
        except ValueError as error:
            self._damage.note(f"{error} at byte {stretch.at}")
            return
        if not (whole or stretch.cut):
            self._damage.note(f"damaged between bytes {stretch.at} and {stretch.at + stretch.stored}")
        if stretch.torn or not (whole or stretch.cut or stretch.crc):
            rows = rows[:-1]
        for row in rows[np.argsort(rows[:, 0], kind="stable")]:
            stamp_ns, begin, end = row.tolist()
            yield stamp_ns, self._record(stamp_ns, self._content(stretch)[begin:end])

    def _record(self, stamp_ns: int, content: bytes) -> Record | None:
        channel = self._channels.get(_MESSAGE.unpack_from(content)[0])
        if channel is None:
            self._damage.note("a message of a channel that is nowhere defined")
            return None
        schema = self._schemas.get(channel.schema_id)
        type_name = schema.name if schema else ""
        return Record(channel.topic, type_name, stamp_ns, content[_MESSAGE.size :], channel.message_encoding)

    def _content(self, stretch: Stretch) -> bytes:
        """A stretch's records, checked against its checksum.

        Raises:
            ValueError: they don't match it, or are more than a chunk can hold.
        """
        return self._cache.get((self._path, stretch.at), lambda: self._read(stretch))

    def _read(self, stretch: Stretch) -> bytes:
        if max(stretch.stored, stretch.size) > LIMIT:
            raise ValueError(f"a chunk of {stretch.size} bytes, more than {LIMIT},")
        with self._path.open("rb") as file:
            file.seek(stretch.at)
            content, whole = file.read(stretch.stored), True
        if stretch.compression:
            content, whole = expanded(content, stretch.compression, stretch.size)
        if stretch.cut:
            return content
        if not whole or len(content) != stretch.size or (stretch.crc and crc32(content) != stretch.crc):
            raise ValueError("the checksum or size of a chunk does not match")
        if not (stretch.crc or self._sound):
            raise ValueError("messages whose only checksum, that of the data section, does not match")
        return content

    @cached_property
    def _sound(self) -> bool:
        """Whether the data section has no checksum, or the right one."""
        if not self._data_crc:
            return True
        with self._path.open("rb") as file:
            return _checksum(file, 0, self._data_end) == self._data_crc


def _records(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Opcode, begin and end of each whole record, up to the first that is none."""
    at = 0
    while at + _HEAD.size <= len(content):
        opcode, length = _HEAD.unpack_from(content, at)
        begin, end = at + _HEAD.size, at + _HEAD.size + length
        if opcode == 0 or end > len(content) or (opcode == Opcode.MESSAGE and length < _MESSAGE.size):
            return
        yield opcode, begin, end
        at = end


def _messages_in(content: bytes) -> tuple[np.ndarray, bool]:
    """uint64 (N, 3), stamp, begin and end of each message, and whether there is nothing behind the last record."""
    rows, end = array("Q"), 0
    for opcode, begin, end in _records(content):
        if opcode == Opcode.MESSAGE:
            rows.extend((_MESSAGE.unpack_from(content, begin)[2], begin, end))
    return np.array(rows, np.uint64).reshape(-1, 3), end == len(content)


def _checksum(file: BinaryIO, begin: int, end: int) -> int:
    file.seek(begin)
    result, left = 0, end - begin
    while block := file.read(min(left, _STRETCH)):
        result, left = crc32(block, result), left - len(block)
    return result
