"""Names in JSON, whole or cut off, alone or between sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .labels import DETAILS, is_denial, ruling
from .words import singular

DEEPEST = 16
"""Brackets that are nested deeper are read as if they were not."""
LABELS = ("label", "name", "object name", "object", "item", "class", "class name", "category", "type")
"""Keys whose value is what an object is; the first that it has counts."""
HOLDERS = frozenset(("boxes", "bboxes", "bounding boxes", "points"))
"""Keys of lists whose members may have labels of their own."""
PRESENCE = frozenset("present visible detected found exists count number quantity amount seen".split())
"""Keys that, with no, false or 0, say that the object is not there."""

_START = re.compile(r"\[\s*(?=[\[{\"'\]])|\{\s*(?=[\[{\"'}]|[\w ]{1,40}:)")
_TOKEN = re.compile(
    r"\"((?:[^\"\\]|\\.?)*)(?:\"|\Z)|(?<!\w)'((?:[^'\\\n]|\\.|'(?=\w)){0,200})(?:'|\Z)|[\[\]{}:,]|[^\s\[\]{}:,\"][^\[\]{}:,\"\n]*",
    re.S,
)


@dataclass
class Node:
    """A value: [start, end) of a text or literal, or with `of` a container's children; a key in front of it, if any.

    A container that the text does not close ends where it begins.
    """

    start: int
    end: int
    of: list[Node] | None = None
    key: Node | None = None
    quoted: bool = False

    @property
    def closed(self) -> bool:
        """Whether the text goes on to its end."""
        return self.end > self.start


def json_out(text: str) -> str:
    """The text with semicolons for all of its JSON but the names."""
    out, end = [], 0
    while start := _START.search(text, end):
        root, stop = tree(text, start.start())
        keep: list[tuple[int, int]] = []
        _read(text, root, keep)
        out.append(text[end : start.start()])
        at = start.start()
        for a, b in sorted(keep):
            out += [";" * (a - at), text[a:b]]
            at = b
        out.append(";" * (stop - at))
        end = stop
    return "".join([*out, text[end:]])


def tree(text: str, start: int) -> tuple[Node, int]:
    """The container that begins at `start`, and where it ends; a text that is cut off ends all that is open."""
    root = Node(start, start, [])
    stack, key, depth = [root], None, 0
    for token in _TOKEN.finditer(text, start + 1):
        mark = token[0]
        top = stack[-1].of
        assert top is not None
        if mark in ("[", "{"):
            depth += 1
            if depth < DEEPEST:
                node = Node(token.start(), token.start(), [], key)
                top.append(node)
                stack.append(node)
                key = None
        elif mark in ("]", "}"):
            depth -= 1
            if depth < DEEPEST - 1:
                stack.pop().end = token.end()
            if depth < 0:
                return root, token.end()
            key = None
        elif mark == ":":
            key = top.pop() if top and top[-1].of is None else None
        elif mark[0] in "\"'" and (len(mark) < 2 or mark[-1] != mark[0]):
            break  # broken off
        elif mark != ",":
            group = 1 if token[1] is not None else 2 if token[2] is not None else 0
            top.append(Node(*token.span(group), None, key, group > 0))
            key = None
    return root, len(text)


def _tells_presence(key: str) -> bool:
    return key in PRESENCE or key.split(" ")[0] in ("is", "has")


def _read(text: str, node: Node, keep: list[tuple[int, int]]) -> bool:
    """Collect what is to be read of a container; whether it holds anything, were it only a number."""
    said: Callable[[Node], str] = lambda n: text[n.start : n.end]  # noqa: E731
    children = node.of or []
    pairs = {said(c.key): c for c in children if c.key}
    for key, child in pairs.items():
        if child.of is None and _tells_presence(key) and not any(ruling("x thing", said(child))):
            return False
    label = next((pairs[name] for name in LABELS if name in pairs and pairs[name].of is None), None)
    if label:
        keep.append((label.start, label.end))
    some = False
    for child in children:
        if child is label:
            some = True
        elif child.of is not None:
            inner: list[tuple[int, int]] = []
            holds = _read(text, child, inner)
            some |= holds
            key = said(child.key) if child.key else ""
            unclosed = text[child.start] == "[" and any(c.key and said(c.key) in LABELS for c in child.of)
            if key in HOLDERS or unclosed:
                keep += inner
                continue
            if key and (set(map(singular, key.split()[-1:])) & DETAILS or is_denial(key)):
                continue
            keep += inner
            if child.key and not inner and holds and not label:
                keep.append((child.key.start, child.key.end))
        elif child.key is None:
            if child.quoted or not re.fullmatch(r"[\d.\s%+-]*|true|false|null|none", said(child)):
                keep.append((child.start, child.end)) if not pairs else None
            some |= said(child) not in ("false", "null", "none", "0", "")
        else:
            named, filled = ruling(said(child.key), said(child))
            some |= any(ruling("dog", said(child)))
            if not label and not _tells_presence(said(child.key)):
                keep += [(n.start, n.end) for n, read in ((child.key, named), (child, filled)) if read]
    return some
