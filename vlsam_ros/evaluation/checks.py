"""What files of labels and results are held to before anything is made of them: they may be damaged, or hostile."""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError

Rules = Mapping[str, Callable[[Any], bool]]
"""A field's name -> whether a value is one that it may have."""

LONGEST_NAME = 256
FARTHEST = 1e9
"""Largest coordinate, size or score of any meaning."""


def is_id(value: Any) -> bool:
    """A whole number of 64 bits; True is none, and neither is 1.0."""
    return type(value) is int and abs(value) < 1 << 63


def is_text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def is_label(value: Any) -> bool:
    """A text that can be a name, or none: not a page of it."""
    return is_text(value) and len(value) <= LONGEST_NAME


def is_name(value: Any) -> bool:
    """The same, and not empty, which stands for no name."""
    return is_label(value) and not value.isspace() and value != ""


def is_number(value: Any, most: float = FARTHEST) -> bool:
    """A finite number, at most that far from 0."""
    return type(value) in (int, float) and -most <= value <= most


def is_share(value: Any) -> bool:
    """A number in [0, 1]."""
    return is_number(value) and 0 <= value <= 1


def is_flag(value: Any) -> bool:
    """True, False, 0 or 1."""
    return isinstance(value, (int, float)) and value in (0, 1)


def is_size(value: Any) -> bool:
    """A whole number of pixels, also written as 60.0."""
    return is_number(value) and value >= 1 and value == int(value)


def is_list(value: Any, rule: Callable[[Any], bool] = lambda _: True) -> bool:
    """A list, each item of which the rule holds for."""
    return isinstance(value, list) and all(map(rule, value))


def is_object(value: Any) -> bool:
    """An object of names and values."""
    return isinstance(value, dict)


def is_box(value: Any) -> bool:
    """Four finite numbers."""
    return is_list(value, is_number) and len(value) == 4


def wrong(entry: Any, needed: Rules, optional: Rules | None = None) -> list[str]:
    """The fields of an object that it lacks or that have no valid value; all needed ones if it is no object."""
    fields = entry if isinstance(entry, dict) else {}
    missing = [name for name, rule in needed.items() if not rule(fields.get(name))]
    given = {name: rule for name, rule in (optional or {}).items() if fields.get(name) is not None}
    return missing + [name for name, rule in given.items() if not rule(fields[name])]


def parsed(file: Path | str, text: str | bytes | None = None) -> Any:
    """The JSON of a file, or of a part of it.

    Raises:
        DataError: it can't be read, or is no JSON.
    """
    try:
        return json.loads(Path(file).read_bytes() if text is None else text)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"can't read {file}: {error}") from error


def shown(value: Any) -> str:
    """What came, for an error: in one short line, however long or deep it is."""
    return reprlib.repr(value)


def printable(name: str) -> str:
    """A name for people and terminals: no control characters, no marks that can't be seen, no halves of characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


class Tally:
    """What is wrong with a file and doesn't stop the work: how often, and where it was first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, what: str, where: str = "", times: int = 1) -> None:
        """Count one more, or as many as there are."""
        if times:
            self._counts[what] += times
            self._first.setdefault(what, where)

    def warnings(self) -> Counter[str]:
        """Each kind with its first place -> how often."""
        named = {what: f"{what} (first: {first})" if first else what for what, first in self._first.items()}
        return Counter({named[what]: count for what, count in self._counts.items()})
