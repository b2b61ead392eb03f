"""A recording's metadata.yaml, versions 1 to 9: which files, how many messages, what publishers offered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from vlsam_ros.bags.record import Topic, offered_qos

_LARGEST = 2**24
"""Bytes; a thousand splits take a quarter of a MB."""


@dataclass(frozen=True)
class Metadata:
    """What metadata.yaml says; only names of files, since recordings are renamed and moved."""

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
        text = file.read(_LARGEST)
    try:
        return _parsed(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["rosbag2_bagfile_information"])
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _parsed(fields: dict[str, Any]) -> Metadata:
    by_message = str(fields.get("compression_mode") or "").lower() == "message"
    rows = fields.get("topics_with_message_count") or []
    return Metadata(
        files=tuple(PurePosixPath(str(name)).name for name in fields["relative_file_paths"]),
        message_count=int(fields["message_count"]),
        topics=dict(_topic(row["topic_metadata"]) for row in rows),
        compression=str(fields.get("compression_format") or "") if by_message else "",
    )


def _topic(fields: dict[str, Any]) -> tuple[str, Topic]:
    qos = offered_qos(fields.get("offered_qos_profiles") or [])
    return str(fields["name"]), Topic(str(fields["type"]), str(fields["serialization_format"]), qos)
