"""Messages of an MCAP file, whole or not, indexed or not, in the order of stamps.

A stretch of messages (`mcap_index`) is opened when the first of them is due, so memory holds the chunks that overlap in
time, up to the cache's budget, and 24 bytes for each of their messages. Where the index lacks channels, every chunk is
scanned for them. Content with a checksum that doesn't match is left out; with a checksum over the file's data section
alone, that is all that stands outside chunks.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from zlib import crc32

import numpy as np
from mcap.opcode import Opcode

from vlsam_ros.bags.cache import Cache
from vlsam_ros.bags.compression import LIMIT, expanded
from vlsam_ros.bags.mcap_index import BROKEN, DEFINITIONS, HEAD, MESSAGE, McapIndex, Stretch, checksum
from vlsam_ros.bags.record import Damage, Record, Topic


class McapFile:
    """One file; what is wrong with it goes to `damage`."""

    def __init__(self, path: Path, cache: Cache, damage: Damage) -> None:
        """Raises OSError if the file can't be read."""
        self._path, self._cache, self._damage = path, cache, damage
        self._index = McapIndex(path, damage)
        if not self._index.complete:
            self._scan_definitions()

    @property
    def expected(self) -> int | None:
        """How many messages the file's statistics count; None: unknown."""
        return self._index.statistics.message_count if self._index.statistics else None

    @property
    def start_ns(self) -> int:
        """No message is earlier."""
        return min((s.start_ns for s in self._index.stretches), default=0)

    @cached_property
    def topics(self) -> dict[str, Topic]:
        """Every topic of a channel; of two channels with one topic the first, with both channels' QoS."""
        result: dict[str, Topic] = {}
        for channel in self._index.channels.values():
            schema = self._index.schemas.get(channel.schema_id)
            offered = channel.metadata.get("offered_qos_profiles")
            topic = Topic.recorded(schema.name if schema else "", channel.message_encoding, offered)
            result[channel.topic] = result.get(channel.topic, topic).joined(topic)
        return result

    def records(self) -> Iterator[tuple[int, Record | None]]:
        """Stamp and message, in the order of stamps as far as chunks name theirs rightly; None where one is opened."""
        count = 0
        for stamp_ns, record in heapq.merge(*map(self._messages, self._index.stretches), key=itemgetter(0)):
            count += record is not None
            yield stamp_ns, record
        if self.expected is not None and count > self.expected:
            self._damage.note(f"{count} messages, and it counts {self.expected}")
        if not self._sound:
            self._damage.note("the checksum of its data section does not match")

    def _scan_definitions(self) -> None:
        for stretch in self._index.stretches:
            try:
                content = self._content(stretch)
                for opcode, begin, end in _records(content) if stretch.chunk else ():
                    if opcode in DEFINITIONS:
                        self._index.learn(opcode, content[begin:end])
            except BROKEN:
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
        channel = self._index.channels.get(MESSAGE.unpack_from(content)[0])
        if channel is None:
            self._damage.note("a message of a channel that is nowhere defined")
            return None
        schema = self._index.schemas.get(channel.schema_id)
        type_name, definition = (schema.name, schema.data.decode(errors="replace")) if schema else ("", "")
        data = content[MESSAGE.size :]
        return Record(channel.topic, type_name, stamp_ns, data, channel.message_encoding, definition)

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
        if not self._index.data_crc:
            return True
        with self._path.open("rb") as file:
            return checksum(file, 0, self._index.data_end) == self._index.data_crc


def _records(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Opcode, begin and end of each whole record, up to the first that is none."""
    at = 0
    while at + HEAD.size <= len(content):
        opcode, length = HEAD.unpack_from(content, at)
        begin, end = at + HEAD.size, at + HEAD.size + length
        if opcode == 0 or end > len(content) or (opcode == Opcode.MESSAGE and length < MESSAGE.size):
            return
        yield opcode, begin, end
        at = end


def _messages_in(content: bytes) -> tuple[np.ndarray, bool]:
    """uint64 (N, 3), stamp, begin and end of each message, and whether there is nothing behind the last record."""
    rows, end = array("Q"), 0
    for opcode, begin, end in _records(content):
        if opcode == Opcode.MESSAGE:
            rows.extend((MESSAGE.unpack_from(content, begin)[2], begin, end))
    return np.array(rows, np.uint64).reshape(-1, 3), end == len(content)
