"""Read rosbag2 recordings, MCAP or SQLite, also damaged ones: all that can be read, then an error that says what can't.

What the index can't give, a scan gives; messages come in the order of their stamps, over all files of a recording.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from vlsam_ros.bags import compression, mcap_index, metadata, sqlite_file
from vlsam_ros.bags.cache import Cache
from vlsam_ros.bags.mcap_file import McapFile
from vlsam_ros.bags.record import CDR, Damage, Record, Topic
from vlsam_ros.bags.sqlite_file import SqliteFile
from vlsam_ros.errors import BagError

__all__ = ["Record", "Topic", "read", "topic_types", "topics"]

_PATTERNS = ("*.mcap", "*.db3", "*.mcap.zstd", "*.db3.zstd")
_ROS_1 = "a ROS 1 recording; convert it first: rosbags-convert --src file.bag --dst folder"
_SHORT = 200
_LEAST = 4
"""Bytes; every message in CDR begins with a head of these."""


def read(path: Path | str, topics: Collection[str] = ()) -> Iterator[Record]:
    """The messages in the order of their stamps, of some topics or of all.

    `path` is a recording's folder, also without its metadata.yaml, or one .mcap or .db3 file of it, also compressed.
    Nothing is written there. Memory is bounded by the messages that chunks of one time hold (`mcap_file`).

    Raises:
        BagError: no such recording, or it is damaged: after every readable message, with their number and, where it is
            known, that of the missing ones.
    """
    count = 0
    bag = _Bag(Path(path))
    for record in bag.records():
        if not topics or record.topic in topics:
            count += 1
            yield record
    if bag.damage.count or bag.missing:
        raise BagError(f"{path}: {bag.verdict()} ({count} messages could be read)")


def topics(path: Path | str) -> dict[str, Topic]:
    """Every topic in the recording that can be read, also those without messages.

    Raises:
        BagError: no such recording, or nothing of it can be read.
    """
    bag = _Bag(Path(path))
    found = bag.topics()
    if not found and bag.damage.count:
        raise BagError(f"{path}: {bag.damage.first} (0 messages could be read)")
    return found


def topic_types(path: Path | str) -> dict[str, str]:
    """Topic -> type of everything in the recording that can be read. Raises as `topics`."""
    return {name: topic.type_name for name, topic in topics(path).items()}


class _Bag:
    """A recording's files, what is wrong with them, and how many messages are to be expected."""

    def __init__(self, path: Path) -> None:
        self.damage = Damage()
        self._metadata: metadata.Metadata | None = None
        self._files: list[Path] = []
        self._cache = Cache()
        self._counts: list[int | None] = []  # of each file that was read, as it says itself
        self._total = 0
        try:
            self._find(path)
        except OSError as error:
            self.damage.note(str(error))

    def _find(self, path: Path) -> None:
        self._metadata = metadata.load(path) if path.is_dir() else None
        if self._metadata and self._metadata.compression not in ("", *compression.DECOMPRESSORS):
            self.damage.note(f"its messages are compressed by {self._metadata.compression!r}, which is not known")
        elif not path.is_dir():
            self._files = [path] if path.is_file() else []
        else:
            there = [name for name in _named(path) if os.path.isfile(path / name)]
            listed = self._metadata.files if self._metadata else _named(path)
            names = [name for name in listed if os.path.isfile(path / name)]
            more = [name for name in there if not {name, f"{name}.zstd"} & {*names}]
            if missing := [name for name in listed if name not in names]:  # or renamed
                self.damage.note(f"missing files: {', '.join(missing)[:_SHORT]}")
            elif more:
                self.damage.note(f"files that its metadata.yaml does not list: {', '.join(more)[:_SHORT]}")
            self._files = [path / name for name in (*names, *more)]
        if not self._files and not self.damage.count:
            self.damage.note(_nothing(path))

    @property
    def missing(self) -> int:
        """How many messages were expected and not found."""
        said = self._metadata.message_count if self._metadata else 0
        return max(0, max(said, sum(count or 0 for count in self._counts)) - self._total)

    def verdict(self) -> str:
        """What is wrong, and how many messages are missing."""
        more = f" (and {self.damage.count - 1} more)" if self.damage.count > 1 else ""
        known = self.missing or self._metadata or (self._counts and None not in self._counts)
        lost = f"{self.missing} messages are missing" if known else "how many messages are missing is not known"
        return ", ".join(part for part in (self.damage.first[: 2 * _SHORT] + more, lost) if part)

    def topics(self) -> dict[str, Topic]:
        """Those of all files; QoS of publishers in different files together."""
        found: dict[str, Topic] = {}
        said = self._metadata.topics if self._metadata else {}
        for file in self._files:
            with self._reported(file, self.damage), self._opened(file, self.damage) as storage:
                for name, topic in storage.topics.items():
                    found[name] = found.get(name, topic).joined(topic)
        for name in found.keys() & said.keys():
            if not found[name].qos:
                problem = "" if said[name].qos else found[name].qos_problem or said[name].qos_problem
                found[name] = replace(found[name], qos=said[name].qos, qos_problem=problem)
        return found

    def records(self) -> Iterator[Record]:
        """All messages."""
        starts = [0] if len(self._files) == 1 else [self._start_ns(file) for file in self._files]
        streams = (self._messages(*pair) for pair in zip(self._files, starts, strict=True))
        last_ns: int | None = None
        for stamp_ns, record in heapq.merge(*streams, key=itemgetter(0)):
            if record and last_ns is not None and stamp_ns < last_ns:
                self.damage.note(f"a message of {stamp_ns} ns stands where none before {last_ns} ns may be")
            elif record and (record := self._plain(record)):
                last_ns = stamp_ns
                self._total += 1
                yield record

    def _start_ns(self, file: Path) -> int:
        with self._reported(file, unheard := Damage()), self._opened(file, unheard) as storage:
            return storage.start_ns
        return 0

    def _messages(self, file: Path, start_ns: int) -> Iterator[tuple[int, Record | None]]:
        """A file's messages; before them its start, so that it is not opened before its time."""
        yield start_ns, None
        with self._reported(file, self.damage), self._opened(file, self.damage) as storage:
            self._counts.append(storage.expected)
            yield from storage.records()

    @contextmanager
    def _opened(self, file: Path, damage: Damage) -> Iterator[McapFile | SqliteFile]:
        with TemporaryDirectory(prefix="vlsam_bag_") as room:
            if packed := compression.kind(_head(file)):
                target = Path(room, "content")
                if wrong := compression.expand_file(file, target, packed):
                    damage.note(wrong)
                file = target
            head = _head(file)
            if head.startswith(mcap_index.MAGIC):
                yield McapFile(file, self._cache, damage)
            elif head == sqlite_file.MAGIC:
                with closing(SqliteFile(file, Path(room), damage)) as storage:
                    yield storage
            else:
                raise ValueError(_foreign(head))

    @contextmanager
    def _reported(self, file: Path, damage: Damage) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, sqlite3.Error) as error:
            damage.note(f"{file.name}: {error}")
            self._counts.append(None)

    def _plain(self, record: Record) -> Record | None:
        """A message; expanded if compressed by itself, as ``ros2 bag record --compression-mode message`` does."""
        if record.encoding != CDR:
            return record
        packed = compression.kind(record.data)
        found = self._expanded(record, packed) if packed else record
        if found and len(found.data) < _LEAST:
            self.damage.note(f"{found.topic}: a message of {len(found.data)} bytes, {_LEAST} are the least")
            return None
        return found

    def _expanded(self, record: Record, packed: str) -> Record | None:
        try:
            data, whole = compression.expanded(record.data, packed)
        except ValueError as error:
            self.damage.note(f"{record.topic}: {error}")
            return None
        if not whole:
            self.damage.note(f"{record.topic}: a {packed} frame is cut off")
        return replace(record, data=data) if whole else None


def _named(folder: Path) -> list[str]:
    """The files of a recording without metadata.yaml; of a compressed one that is there plainly, too, the plain one."""
    names = {file.name for pattern in _PATTERNS for file in folder.glob(pattern)}
    return sorted(name for name in names if name.rpartition(".")[0] not in names)


def _nothing(path: Path) -> str:
    """Why there is nothing to read."""
    if not path.exists():
        return "no such recording"
    if path.is_dir() and any(path.glob("*.bag")):
        return _ROS_1
    return "expected a folder with .mcap or .db3 files in it, or one of them"


def _head(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(len(sqlite_file.MAGIC))


def _foreign(head: bytes) -> str:
    if head.startswith(b"#ROSBAG"):
        return _ROS_1
    return f"expected an MCAP or SQLite file, got one that begins with {head!r}" if head else "an empty file"
