"""Text from models, files and other nodes, made safe to log, to publish and to show."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from collections.abc import Sequence

LINE = 500
"""Longest line that leaves, in characters."""

LINES = 40
"""Most lines of a traceback that leave."""

HIDDEN = (
    *((0x0000, 0x001F), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x0600, 0x0605), (0x061C, 0x061C), (0x06DD, 0x06DD)),
    *((0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F)),
    *((0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFEFF, 0xFEFF)),
    *((0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF), (0xF0000, 0x10FFFF)),
)
"""Code points that nobody sees and something may obey: Unicode's Cc, Cf, Co, Cs, Zl, Zp, Zs but the space, and what it
keeps for more of them. A table, since Python's own depends on its version. The same in ``detections.hpp``."""

BLANK = (
    *((0x0020, 0x0020), (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180D), (0x180F, 0x180F)),
    *((0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF)),
)
"""Code points that may stand in a text, but alone leave it empty to the eye. The same in ``detections.hpp``."""


def _one_of(ranges: Sequence[tuple[int, int]]) -> str:
    return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges) + "]"


_HIDDEN, _BLANK = re.compile(_one_of(HIDDEN)), re.compile(_one_of(BLANK) + "*")


def shows(text: str) -> bool:
    """Whether all of a text can be seen, and there is something to see."""
    return not _HIDDEN.search(text) and not _BLANK.fullmatch(text)


def plain(text: object, limit: int = LINE) -> str:
    """One line of at most `limit` characters, with nothing in it that a terminal or a font obeys.

    What is `HIDDEN` (ends of lines, control characters, terminal escapes, invisible and right-to-left marks, lone
    surrogates) becomes a space.
    """
    whole = str(text)
    line = _HIDDEN.sub(" ", whole[:limit]).rstrip()
    return line if len(whole) <= limit else line[: limit - 2] + " …"


def plain_lines(text: str) -> str:
    """The same line by line, for a traceback: its last lines, which say most."""
    return "\n".join(plain(line) for line in text.splitlines()[-LINES:])


_LONGEST_DRAWN = 60
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "±": "+-"}
)
"""Of the Latin letters, those that Unicode takes for no accented ones; and a sign."""


def drawable(text: str, limit: int = _LONGEST_DRAWN) -> str:
    """At most `limit` characters that OpenCV's font has: without accents, with a question mark for other scripts."""
    letters = unicodedata.normalize("NFKD", plain(text, limit).translate(_LETTERS))
    return "".join(c for c in letters if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def print_anything() -> None:
    """Let stdout and stderr escape what their encoding doesn't have, such as names of files that are no UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
