"""What a recording holds: topics and their messages."""

from __future__ import annotations

from dataclasses import dataclass

from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

from vlsam_ros.bags.types import store
from vlsam_ros.errors import BagError

CDR = "cdr"
"""How ROS 2 writes messages; other tools put JSON, protobuf and others beside them."""


@dataclass
class Damage:
    """What is wrong with a recording: the first finding, and how many there are."""

    first: str = ""
    count: int = 0

    def note(self, text: str) -> None:
        """One more."""
        self.first = self.first or text
        self.count += 1


@dataclass(frozen=True)
class Topic:
    """A topic as recorded: type (``package/msg/Name``), encoding of its messages, and what its publishers offered."""

    type_name: str
    encoding: str = CDR
    qos: tuple[Qos, ...] = ()


@dataclass(frozen=True)
class Record:
    """One message as recorded: topic, type (``package/msg/Name``), time of recording in ns, and its bytes."""

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes
    encoding: str = CDR

    def message(self) -> object:
        """The deserialised message.

        Raises:
            BagError: not CDR, the type is neither a common one nor ours, or the bytes don't fit it.
        """
        if self.encoding != CDR:
            raise BagError(
                f"{self.topic}: expected a ROS 2 message in CDR, got {self.type_name!r} in {self.encoding!r}"
            )
        if self.type_name not in store().types:
            raise BagError(f"{self.topic}: unknown message type {self.type_name!r}")
        try:
            return store().deserialize_cdr(self.data, self.type_name)
        except Exception as error:  # whatever the bytes make the parser run into
            raise BagError(f"{self.topic}: not a {self.type_name}: {error}") from error


def offered_qos(text: object) -> tuple[Qos, ...]:
    """The profiles in rosbag2's ``offered_qos_profiles``, YAML as text or already read; none if it can't be read."""
    try:
        return tuple(dict.fromkeys(parse_qos(text)))  # type: ignore[arg-type]
    except Exception:  # whatever the YAML is: a replay without recorded QoS takes the default
        return ()
