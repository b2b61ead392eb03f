"""Messages of an SQLite recording, also of one that was cut off or not closed, in the order of stamps.

The table is walked for stamps first, 24 bytes a message, from both ends where its middle is damaged; the index is not
needed. Then each message is fetched when it is due. Nothing is written beside the file: what a recorder that was killed
left over (``-wal``, ``-journal``) is applied to a copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from array import array
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np

from vlsam_ros.bags.left_over import journal_is_whole, wal_pages
from vlsam_ros.bags.record import CDR, Damage, Record, Topic

MAGIC = b"SQLite format 3\0"
_WAL, _JOURNAL = _LEFT_OVER = ("-wal", "-journal")
_SETTINGS = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"

_ROWS = "SELECT timestamp, rowid, topic_id FROM messages NOT INDEXED WHERE rowid > ? AND rowid <= ? ORDER BY rowid "


class SqliteFile:
    """One file, to be closed; what is wrong with it goes to `damage`."""

    expected: int | None = None

    def __init__(self, path: Path, room: Path, damage: Damage) -> None:
        """`room` is an empty folder for a copy, if one is needed.

        Raises:
            OSError: the file can't be read, or there is no room for a copy.
            ValueError: it has no topics or messages, or can't be read at all.
        """
        self._damage = damage
        self._topics: dict[int, tuple[str, Topic]] = {}
        self._rows = np.empty((0, 3), np.int64)  # stamp, row, topic
        left_over = [file for end in _LEFT_OVER if _filled(file := _beside(path, end))]
        self._db = _connect(path.resolve(), room, left_over)
        try:
            self._db.executescript(_SETTINGS)
            for file in left_over:
                self._check(file)
            self._read_topics()
            self._read_rows()
        except sqlite3.Error as error:
            self._db.close()
            raise ValueError(str(error)) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def start_ns(self) -> int:
        """The first message's stamp."""
        return int(self._rows[0, 0]) if len(self._rows) else 0

    @property
    def topics(self) -> dict[str, Topic]:
        """Every topic."""
        return dict(self._topics.values())

    def records(self) -> Iterator[tuple[int, Record | None]]:
        """Stamp and message, in the order of stamps."""
        for row in self._rows:
            stamp_ns, number, topic = row.tolist()
            yield stamp_ns, self._record(stamp_ns, number, topic)

    def _record(self, stamp_ns: int, number: int, topic: int) -> Record | None:
        try:
            (data,) = self._db.execute("SELECT data FROM messages WHERE rowid = ?", (number,)).fetchone() or (None,)
        except sqlite3.Error as error:
            data = error
        if topic not in self._topics or not isinstance(data, bytes):
            self._damage.note(f"message {number} can't be read: {data if topic in self._topics else 'unknown topic'}")
            return None
        name, kind = self._topics[topic]
        return Record(name, kind.type_name, stamp_ns, data, kind.encoding)

    def _check(self, file: Path) -> None:
        """Note what SQLite does not take over of a file that was left over."""
        if file.name.endswith(_JOURNAL):
            if not journal_is_whole(file):
                self._damage.note(f"its {_JOURNAL} file is damaged or cut off")
            return
        pages = wal_pages(file)
        taken = max(0, self._db.execute("PRAGMA wal_checkpoint").fetchone()[1])
        if taken < pages:
            self._damage.note(f"its {_WAL} file is damaged or cut off: only {taken} of {pages} pages can be read")

    def _read_topics(self) -> None:
        tables = self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        plain = {name for name, sql in tables if not str(sql).upper().startswith("CREATE VIRTUAL")}
        if not {"topics", "messages"} <= plain:
            raise ValueError(f"expected tables topics and messages, got {', '.join(sorted(map(str, plain))) or 'none'}")
        cursor = self._db.execute("SELECT * FROM topics")
        columns = [column[0] for column in cursor.description]
        for values in cursor:
            row = dict(zip(columns, values, strict=True))
            encoding, offered = str(row.get("serialization_format") or CDR), row.get("offered_qos_profiles")
            topic = Topic.recorded(str(row.get("type")), encoding, offered)
            self._topics[int(row.get("id") or 0)] = str(row.get("name")), topic

    def _read_rows(self) -> None:
        found = array("q")
        end = self._walk(found, -(2**63), 2**63 - 1, "ASC")
        if end is not None:
            self._walk(found, end, 2**63 - 1, "DESC")
        rows = np.array(found, np.int64).reshape(-1, 3)
        self._rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]

    def _walk(self, found: array[int], first: int, last: int, order: str) -> int | None:
        """Append stamp, row and topic of messages in rows (`first`, `last`]; the last row before damage, or None."""
        try:
            for row in self._db.execute(_ROWS + order, (first, last)):
                if not first < row[1] <= last:
                    raise sqlite3.DatabaseError("its rows are not in order")
                if all(isinstance(value, int) for value in row):
                    found.extend(row)
                else:
                    self._damage.note(f"message {row[1]} has no stamp or topic")
                first, last = (row[1], last) if order == "ASC" else (first, row[1] - 1)
        except sqlite3.Error as error:
            self._damage.note(str(error))
            return first
        return None


def _connect(path: Path, room: Path, left_over: list[Path]) -> sqlite3.Connection:
    """A connection that changes no file of the user's."""
    if left_over:
        for file in (path, *left_over):
            shutil.copyfile(file, room / file.name)
        path, mode = room / path.name, "mode=rw"
    else:
        mode = "mode=ro&immutable=1"
    db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?{mode}", uri=True)
    db.text_factory = lambda text: text.decode(errors="replace")
    return db


def _beside(path: Path, end: str) -> Path:
    path = path.resolve()
    return path.with_name(path.name + end)


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
