"""Small recordings of std_msgs/String, written in every way that recorders and other tools write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcap.writer import Writer as McapWriter
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from vlsam_ros.bags.reader import Record, read
from vlsam_ros.bags.types import make, store
from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.errors import BagError

STRING = "std_msgs/msg/String"
_FOREVER = QosTime(2147483647, 4294967295)


def string(text: str) -> bytes:
    """A String in CDR."""
    return bytes(store().serialize_cdr(make(STRING, data=text), STRING))


def records(count: int, size: int = 10, first: int = 0) -> list[Record]:
    """Two topics in turn, 10 ms apart; contents differ."""
    numbers = range(first, first + count)
    return [Record(f"/topic_{n % 2}", STRING, 10**9 + n * 10**7, string(f"{n:06d}" + "x" * size)) for n in numbers]


def written(path: Path, some: list[Record]) -> Path:
    """By our own writer."""
    with BagWriter(path) as bag:
        for r in some:
            bag.write(r.topic, r.type_name, r.stamp_ns, r.data)
    return path


def rosbag(
    path: Path,
    some: list[Record],
    plugin: StoragePlugin = StoragePlugin.SQLITE3,
    mode: CompressionMode = CompressionMode.NONE,
    qos: Sequence[Qos] = (),
) -> Path:
    """By rosbags."""
    writer = Writer(path, version=8, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        topics = dict.fromkeys((r.topic, r.type_name) for r in some)
        connections = {
            t: writer.add_connection(t, name, typestore=store(), offered_qos_profiles=qos) for t, name in topics
        }
        for r in some:
            writer.write(connections[r.topic], r.stamp_ns, r.data)
    return path


def mcap(path: Path, some: list[Record], profile: str = "ros2", other: tuple[str, str, str] | None = None, **how: Any):
    """By the mcap package; `other` is one more channel's type, schema encoding and message encoding."""
    with path.open("wb") as file:
        writer = McapWriter(file, **how)
        writer.start(profile=profile)
        schema = writer.register_schema(STRING, "ros2msg", b"string data")
        channels: dict[str, int] = {}
        if other:
            name, encoding, messages = other
            its_schema = writer.register_schema(name, encoding, b"{}") if encoding else 0
            channels["/other"] = writer.register_channel("/other", messages, its_schema)
        for r in some:
            if r.topic not in channels:
                channels[r.topic] = writer.register_channel(r.topic, "cdr", schema)
            writer.add_message(channels[r.topic], r.stamp_ns, r.data, r.stamp_ns)
            if other:
                writer.add_message(channels["/other"], r.stamp_ns, b'{"a": 1}', r.stamp_ns)
        writer.finish()
    return path


def qos(
    reliability: QosReliability = QosReliability.RELIABLE,
    durability: QosDurability = QosDurability.VOLATILE,
    history: QosHistory = QosHistory.KEEP_LAST,
    depth: int = 5,
) -> Qos:
    """What a publisher offered."""
    automatic = QosLiveliness.AUTOMATIC
    return Qos(history, depth, reliability, durability, _FOREVER, _FOREVER, automatic, _FOREVER, False)


def all_that_is_readable(path: Path, topics: Sequence[str] = ()) -> tuple[list[Record], str]:
    """The records, and the error's text after them (empty: none)."""
    got = []
    try:
        for record in read(path, topics):
            got.append(record)
    except BagError as error:
        return got, str(error)
    return got, ""
