"""What a recording holds: topics and their messages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from reprlib import repr as short
from typing import Any

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability
from rosbags.rosbag2.metadata import parse_qos

from vlsam_ros.bags import yaml_text
from vlsam_ros.bags.types import PACKAGE, earlier, recorded, store
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
    """A topic as recorded: type (``package/msg/Name``), encoding of its messages, and what its publishers offered.

    `qos_problem` says what of their QoS could not be read (empty: nothing).
    """

    type_name: str
    encoding: str = CDR
    qos: tuple[Qos, ...] = ()
    qos_problem: str = ""

    @classmethod
    def recorded(cls, type_name: str, encoding: str, offered: object) -> Topic:
        """With rosbag2's ``offered_qos_profiles``, YAML as text or already read."""
        return cls(type_name, encoding, *offered_qos(offered))

    def joined(self, other: Topic) -> Topic:
        """With the other one's publishers, too."""
        qos = tuple(dict.fromkeys((*self.qos, *other.qos)))
        return replace(self, qos=qos, qos_problem=self.qos_problem or other.qos_problem)


@dataclass(frozen=True)
class Record:
    """One message as recorded: topic, type (``package/msg/Name``), time of recording in ns, and its bytes.

    `definition` is the recording's own of the type; empty if it has none.
    """

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes
    encoding: str = CDR
    definition: str = field(default="", repr=False, compare=False)

    def message(self) -> object:
        """The deserialised message; one of ours by the recording's definition, by that of today, or of version 0.1.

        Raises:
            BagError: not CDR, the type is neither a common one nor ours, or the bytes don't fit it.
        """
        if self.encoding != CDR:
            raise BagError(
                f"{self.topic}: expected a ROS 2 message in CDR, got {self.type_name!r} in {self.encoding!r}"
            )
        if self.type_name not in store().types:
            raise BagError(f"{self.topic}: unknown message type {self.type_name!r}")
        known = [store()]
        if self.type_name.startswith(f"{PACKAGE}/"):
            own = recorded(self.definition, self.type_name) if self.definition else None
            known = [*([own] if own else []), store(), earlier()]
        problems: list[Exception] = []
        for types in known:
            try:
                return types.deserialize_cdr(self.data, self.type_name)
            except Exception as error:  # whatever the bytes make the parser run into
                problems.append(error)
        raise BagError(f"{self.topic}: not a {self.type_name}: {problems[0]}") from problems[0]


_NO_TIME = {"sec": 0, "nsec": 0}
_DEFAULTS: dict[str, Any] = {
    "history": QosHistory.KEEP_LAST.value,
    "depth": 0,
    "reliability": QosReliability.RELIABLE.value,
    "durability": QosDurability.VOLATILE.value,
    "deadline": _NO_TIME,
    "lifespan": _NO_TIME,
    "liveliness": QosLiveliness.AUTOMATIC.value,
    "liveliness_lease_duration": _NO_TIME,
    "avoid_ros_namespace_conventions": False,
}
_NAMED = {
    "history": QosHistory,
    "reliability": QosReliability,
    "durability": QosDurability,
    "liveliness": QosLiveliness,
}


def offered_qos(offered: object) -> tuple[tuple[Qos, ...], str]:
    """The recorded profiles, with defaults for what is missing or can't be read, and what can't (empty: nothing)."""
    try:
        entries = (yaml_text.load(offered) if isinstance(offered, str) else offered) or []
    except ValueError as error:
        return (), str(error)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return (), f"expected a list of profiles, got {short(entries)}"
    given = [{n: v for n, v in entry.items() if n in _DEFAULTS and v is not None} for entry in entries]
    wrong = [f"{name} is {short(value)}" for entry in given for name, value in entry.items() if not _known(name, value)]
    known = [{n: v for n, v in entry.items() if _known(n, v)} for entry in given]
    profiles = parse_qos([_DEFAULTS | entry for entry in known])  # type: ignore[misc]
    return tuple(dict.fromkeys(profiles)), ", ".join(wrong[:1])


def _known(name: str, value: object) -> bool:
    """Whether a profile's field can have the value."""
    default = _DEFAULTS[name]
    if name in _NAMED:
        number = type(value) is int and value in {member.value for member in _NAMED[name]}
        return number or (isinstance(value, str) and value.upper() in _NAMED[name].__members__)
    if isinstance(default, dict):
        return isinstance(value, dict) and all(type(value.get(part)) is int for part in default)
    return type(value) is type(default)
