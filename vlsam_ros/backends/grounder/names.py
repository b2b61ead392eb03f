"""Names as prompts, and what is kept of them."""

from __future__ import annotations

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST_CHARS = 128
"""A longer name loses its beginning: no family's text holds more."""

MOST_NAMES = 1024
"""Names whose features are kept: 32 MB in SAM 3."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def plain(name: str) -> str:
    """A name as a prompt: lower-case words without marks, which models take for the end of a name or of the text."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", name).lower()))[-MOST_CHARS:].strip()


def singular(name: str) -> str:
    """A plain name whose last word has lost the ending of an English plural, where it looks like one."""
    for plural, one in (("ies", "y"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("sses", "ss")):
        if name.endswith(plural) and len(name) > len(plural) + 1:
            return name.removesuffix(plural) + one
    return name[:-1] if len(name) > 2 and name.endswith("s") and not name.endswith(("ss", "us", "is")) else name


class Recent:
    """A function of names that keeps its latest results.

    Args:
        make: name -> what is kept of it.
        most: results that are kept; of more, the one that was not asked for the longest goes.
    """

    def __init__(self, make: Callable[[str], Any], most: int = MOST_NAMES) -> None:
        self._make, self._most, self._kept = make, most, OrderedDict[str, Any]()

    def __call__(self, name: str) -> Any:
        """What the function makes, or made, of the name."""
        if name not in self._kept:
            self._kept[name] = self._make(name)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        return self._kept[name]
