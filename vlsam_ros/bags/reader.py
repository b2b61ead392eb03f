"""Read rosbag2 recordings, MCAP or SQLite, also damaged ones: all that stands before the damage is delivered."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rosbags.rosbag2 import Reader

from vlsam_ros.bags import salvage
from vlsam_ros.bags.types import store
from vlsam_ros.errors import BagError


@dataclass(frozen=True)
class Record:
    """One message as recorded: topic, type (``package/msg/Name``), time of recording in ns, and its CDR bytes."""

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes

    def message(self) -> object:
        """The deserialised message.

        Raises:
            BagError: the type is neither a common one nor ours, or the bytes don't fit it.
        """
        if self.type_name not in store().types:
            raise BagError(f"{self.topic}: unknown message type {self.type_name!r}")
        try:
            return store().deserialize_cdr(self.data, self.type_name)
        except Exception as error:  # whatever the bytes make the parser run into
            raise BagError(f"{self.topic}: not a {self.type_name}: {error}") from error


def read(path: Path | str, topics: Collection[str] = ()) -> Iterator[Record]:
    """The messages in the order of their stamps, of some topics or of all.

    `path` is a recording's folder, also without its metadata.yaml, or one .mcap or .db3 file of it.

    Raises:
        BagError: no such recording, or it is damaged: after every readable message, with their number.
    """
    count = 0
    try:
        for record in _records(Path(path)):
            if not topics or record.topic in topics:
                count += 1
                yield record
    except GeneratorExit:
        raise
    except Exception as error:  # a damaged file makes its parser raise almost anything
        raise BagError(f"{path}: {error} ({count} messages could be read)") from error


def topic_types(path: Path | str) -> dict[str, str]:
    """Topic -> type of everything in the recording that can be read."""
    types: dict[str, str] = {}
    try:
        with Reader(Path(path)) as reader:
            return {connection.topic: connection.msgtype for connection in reader.connections}
    except (
        Exception
    ):  # damaged or without metadata.yaml: what `read` delivers counts, and it raises if there is nothing
        try:
            for record in read(path):
                types[record.topic] = record.type_name
        except BagError:
            if not types:
                raise
    return types


def _records(path: Path) -> Iterator[Record]:
    if not path.exists():
        raise BagError("no such recording")
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # without its metadata.yaml, cut off, or no recording at all
        yield from _damaged(path, error)
        return
    missing = reader.message_count
    try:
        for connection, stamp_ns, data in reader.messages():
            yield Record(connection.topic, connection.msgtype, stamp_ns, bytes(data))
            missing -= 1
        if missing > 0:  # zeros in the middle of a file look like records to skip
            raise BagError(f"damaged, {missing} messages are missing")
    finally:
        reader.close()


def _damaged(path: Path, error: Exception) -> Iterator[Record]:
    """What can be read of a recording that doesn't open; ends with an error unless only metadata.yaml is missing."""
    if path.is_dir():
        files = sorted([*path.glob("*.mcap"), *path.glob("*.db3")])
        if not files:
            raise BagError(f"not a readable recording: {error}") from error
        for file in files:
            yield from _records(file)
        return
    if path.suffix == ".mcap":
        for fields in salvage.messages(path):
            yield Record(*fields)
    raise error
