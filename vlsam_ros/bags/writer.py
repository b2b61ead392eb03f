"""Write rosbag2 recordings: a folder with one MCAP file and a metadata.yaml that `ros2 bag` reads from Humble on.

Every chunk, the data section and the index have checksums, so that a reader notices a flipped bit.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import yaml
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from vlsam_ros.bags.record import CDR
from vlsam_ros.bags.types import store
from vlsam_ros.errors import BagError

_VERSION = 8
_FOREVER = {"sec": 2147483647, "nsec": 4294967295}


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Repeat what is there twice, instead of referring to it."""
        return True


_QOS = yaml.dump(  # reliable and volatile, as numbers: Humble knows no names here
    [
        {
            "history": 1,
            "depth": 10,
            "reliability": 1,
            "durability": 2,
            "deadline": _FOREVER,
            "lifespan": _FOREVER,
            "liveliness": 1,
            "liveliness_lease_duration": _FOREVER,
            "avoid_ros_namespace_conventions": False,
        }
    ],
    Dumper=_Plain,
)


class BagWriter:
    """A new recording; to be used in a ``with`` block. Topics are added by their first message."""

    def __init__(self, path: Path | str) -> None:
        """Raises `BagError` if there is something at `path` already."""
        self._path = Path(path)
        if self._path.exists() or self._path.is_symlink():
            raise BagError(f"{path} exists already, not overwriting")
        self._file: BinaryIO
        self._mcap: McapWriter
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._topics: dict[str, dict[str, str]] = {}
        self._counts: dict[str, int] = {}
        self._span_ns: tuple[int, int] | None = None

    def __enter__(self) -> BagWriter:
        self._path.mkdir(parents=True)
        self._file = (self._path / f"{self._path.name}.mcap").open("xb")
        self._mcap = McapWriter(self._file, compression=CompressionType.NONE, enable_data_crcs=True)
        self._mcap.start(profile="ros2", library="vlsam_ros")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._file:  # after an error, too: what was written stays readable
                self._mcap.finish()
            metadata = yaml.dump({"rosbag2_bagfile_information": self._metadata()}, Dumper=_Plain)
            (self._path / "metadata.yaml").write_text(metadata)
        except OSError as problem:
            if error is None:  # otherwise that one says so, or is worth more
                raise self._unwritten(problem) from problem

    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        """Append serialised CDR bytes, untouched.

        Raises:
            BagError: an unknown type, or another one than the topic's first message had; or the disk is full.
        """
        try:
            self._write(topic, type_name, stamp_ns, data)
        except OSError as problem:
            raise self._unwritten(problem) from problem

    def _write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        if topic not in self._topics:
            self._add(topic, type_name)
        elif type_name != self._topics[topic]["type"]:
            raise BagError(f"{topic}: expected {self._topics[topic]['type']!r}, got {type_name!r}")
        self._mcap.add_message(self._channels[topic], stamp_ns, data, stamp_ns, self._counts[topic])
        self._counts[topic] += 1
        first, last = self._span_ns or (stamp_ns, stamp_ns)
        self._span_ns = min(first, stamp_ns), max(last, stamp_ns)

    def write_message(self, topic: str, type_name: str, stamp_ns: int, message: object) -> None:
        """Serialise and append a message made with `vlsam_ros.bags.types.make`."""
        self.write(topic, type_name, stamp_ns, bytes(store().serialize_cdr(message, type_name)))

    def _unwritten(self, problem: OSError) -> BagError:
        return BagError(f"{self._path}: can't be written: {problem.strerror}; the messages before can be read")

    def _add(self, topic: str, type_name: str) -> None:
        if type_name not in store().types:
            raise BagError(f"{topic}: unknown message type {type_name!r}")
        if type_name not in self._schemas:
            definition = store().generate_msgdef(type_name, ros_version=2)[0]
            self._schemas[type_name] = self._mcap.register_schema(type_name, "ros2msg", definition.encode())
        digest = store().hash_rihs01(type_name)
        extra = {"offered_qos_profiles": _QOS, "topic_type_hash": digest}
        self._channels[topic] = self._mcap.register_channel(topic, CDR, self._schemas[type_name], extra)
        self._counts[topic] = 0
        self._topics[topic] = {
            "name": topic,
            "type": type_name,
            "serialization_format": CDR,
            "offered_qos_profiles": _QOS,
            "type_description_hash": digest,
        }

    def _metadata(self) -> dict[str, object]:
        first, last = self._span_ns or (2**63 - 1, 2**63 - 1)
        name, count = f"{self._path.name}.mcap", sum(self._counts.values())
        span = {"starting_time": {"nanoseconds_since_epoch": first}, "duration": {"nanoseconds": last - first}}
        topics = [{"topic_metadata": row, "message_count": self._counts[row["name"]]} for row in self._topics.values()]
        return {
            "version": _VERSION,
            "storage_identifier": "mcap",
            "relative_file_paths": [name],
            "message_count": count,
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "files": [{"path": name, "message_count": count, **span}],
            "custom_data": None,
            "ros_distro": "vlsam_ros",
            **span,
        }
