"""Text from models, files and other nodes, made safe to log, to publish and to show."""

from __future__ import annotations

import io
import sys

LINE = 500
"""Longest line that leaves, in characters."""

LINES = 40
"""Most lines of a traceback that leave."""


def plain(text: object, limit: int = LINE) -> str:
    """One line of at most `limit` characters, with nothing in it that a terminal or a font obeys.

    What can't be printed (ends of lines, control characters, terminal escapes, invisible and right-to-left marks, lone
    surrogates) becomes a space.
    """
    whole = str(text)
    line = "".join(c if c.isprintable() else " " for c in whole[:limit]).rstrip()
    return line if len(whole) <= limit else line[: limit - 2] + " …"


def plain_lines(text: str) -> str:
    """The same line by line, for a traceback: its last lines, which say most."""
    return "\n".join(plain(line) for line in text.splitlines()[-LINES:])


def print_anything() -> None:
    """Let stdout and stderr escape what their encoding doesn't have, such as names of files that are no UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
