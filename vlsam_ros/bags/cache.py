"""Contents that were read, up to a number of bytes: what falls out is read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

BUDGET = 2**27
"""Bytes; chunks take one or a few MB."""


class Cache:
    """The last contents asked for; always at least one."""

    def __init__(self, budget: int = BUDGET) -> None:
        """`budget` is in bytes."""
        self._budget, self._used = budget, 0
        self._contents: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], bytes]) -> bytes:
        """The content of `key`, by `read` if it isn't held."""
        if key in self._contents:
            self._contents.move_to_end(key)
            return self._contents[key]
        content = read()
        self._contents[key] = content
        self._used += len(content)
        while self._used > self._budget and len(self._contents) > 1:
            self._used -= len(self._contents.popitem(last=False)[1])
        return content
