"""What SQLite's files of a recorder that was killed say they hold (https://sqlite.org/fileformat.html).

SQLite takes over what is sound in them, and says nothing about the rest.
"""

from __future__ import annotations

import os
import struct
from operator import eq
from pathlib import Path
from typing import BinaryIO

_WAL_HEADER = struct.Struct(">8xI4xII8x")  # size of a page, salts
_FRAME = struct.Struct(">8xII8x")  # salts, before each page
_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_JOURNAL_HEADER = struct.Struct(">8sII4xII")  # magic, pages behind it, nonce, sizes of a sector and of a page
_UNCOUNTED = 2**32 - 1
_STEP = 200
"""Every so many bytes of a page, from its end, one is in its checksum."""


def wal_pages(path: Path) -> int:
    """How many pages were written into a -wal file since it was last begun anew, a cut one included.

    Each has one of the header's two salts at least, those of an earlier round have none. All, if none has: then it is
    the header that is damaged.
    """
    left = path.stat().st_size - _WAL_HEADER.size
    if left < 0:
        return 1
    with path.open("rb") as file:
        size, *salts = _WAL_HEADER.unpack(file.read(_WAL_HEADER.size))
        count, rest = divmod(left, _FRAME.size + size)
        own = 0
        for _ in range(count):
            own += any(map(eq, _FRAME.unpack(file.read(_FRAME.size)), salts))
            file.seek(size, os.SEEK_CUR)
    return (own or count) + (rest > 0 and own in (0, count))


def journal_is_whole(path: Path) -> bool:
    """Whether a -journal file has all pages that it counts, by their checksums; zeros in front: it is done with."""
    end, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < end:
            file.seek(at)
            head = file.read(_JOURNAL_HEADER.size)
            if not any(head[:12]):  # done with, or of pages that are still in their place
                return True
            if len(head) < _JOURNAL_HEADER.size or not head.startswith(_MAGIC):
                return False
            _, count, nonce, sector, page = _JOURNAL_HEADER.unpack(head)
            behind = at + max(sector, _JOURNAL_HEADER.size)
            if count == _UNCOUNTED:
                count = (end - behind) // (page + 8)
            file.seek(behind)
            if behind + count * (page + 8) > end or not all(_sound(file, page, nonce) for _ in range(count)):
                return False
            at = -(-(behind + count * (page + 8)) // max(sector, 1)) * max(sector, 1)
    return True


def _sound(file: BinaryIO, page: int, nonce: int) -> bool:
    content = file.read(page + 8)  # number, page, checksum
    total = nonce + sum(content[4 + page - _STEP : 4 : -_STEP])
    return total % 2**32 == int.from_bytes(content[-4:], "big")
