"""A recording's metadata.yaml, versions 1 to 9: which files, how many messages, what publishers offered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from vlsam_ros.bags import yaml_text
from vlsam_ros.bags.record import Topic

_T = TypeVar("_T", bound=str | int | list | dict)


@dataclass(frozen=True)
class Metadata:
    """What metadata.yaml says; only names of files, each once, since recordings are renamed and moved."""

    files: tuple[str, ...]
    message_count: int
    topics: dict[str, Topic]
    compression: str = ""
    """Format of messages that were compressed one by one."""


def load(folder: Path) -> Metadata | None:
    """The folder's metadata; None if it is missing or can't be read: the files say the same, except which are missing.

    Raises:
        OSError: the file is there and may not be read.
    """
    path = folder / "metadata.yaml"
    if not path.is_file():
        return None
    with path.open("rb") as file:
        text = file.read(yaml_text.LIMIT + 1)
    try:
        return _parsed(_get(_a(yaml_text.load(text), dict), "rosbag2_bagfile_information", dict))
    except ValueError:
        return None


def _parsed(fields: dict[str, Any]) -> Metadata:
    by_message = _get(fields, "compression_mode", str, "").lower() == "message"
    names = (PurePosixPath(_a(path, str)).name for path in _get(fields, "relative_file_paths", list))
    rows = (_get(_a(row, dict), "topic_metadata", dict) for row in _get(fields, "topics_with_message_count", list, []))
    return Metadata(
        files=tuple(dict.fromkeys(names)),
        message_count=_get(fields, "message_count", int),
        topics={_get(row, "name", str): _topic(row) for row in rows},
        compression=_get(fields, "compression_format", str, "") if by_message else "",
    )


def _topic(row: dict[str, Any]) -> Topic:
    return Topic.recorded(
        _get(row, "type", str), _get(row, "serialization_format", str), row.get("offered_qos_profiles")
    )


def _get(fields: dict[str, Any], name: str, kind: type[_T], default: _T | None = None) -> _T:
    value = fields.get(name)
    return default if value is None and default is not None else _a(value, kind)


def _a(value: object, kind: type[_T]) -> _T:
    """The value, which must be of that kind; raises ValueError."""
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value
