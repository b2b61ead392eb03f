"""Boxes and points in brackets: corners in parentheses, lists of numbers, and JSON, also cut off or spoilt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..recognition.json_names import Node, tree
from .box_entry import NUMBER, Entry, Span, before_or_same, entry, label_text, number, trimmed

_TUPLE = re.compile(rf"\(\s*({NUMBER}(?:\s*,\s*{NUMBER}){{1,3}})\s*\)")
_CORNER = rf"\(\s*({NUMBER})\s*,\s*({NUMBER})\s*\)"
_PAIR = re.compile(rf"(?<!\[)(?<!\[ ){_CORNER}[\s,]{{0,8}}{_CORNER}", re.A)
_OPEN = re.compile(r"[\[{]")
_LABELS = (
    *("label", "name", "object name", "object", "item", "class", "class name", "category", "phrase", "ref", "type"),
    *("caption", "description", "text content", "text"),
)
"""Keys whose value is what a box is of; the first that a box has counts."""
_BOXES = frozenset("bbox 2d,box 2d,bbox 3d,bbox,box,bounding box,boxes,bboxes,bounding boxes,coordinates".split(","))
_POINTS = frozenset("point 2d,point,points,points 2d,coordinate".split(","))
_WRAPPERS = frozenset(
    """object objects detections items results result answer instances annotations list data output position
    location""".split()
)
"""Keys of what holds boxes, which name nothing."""
_NO_NUMBERS = frozenset("nan none null inf -inf infinity -infinity true false".split())
_CORNERS = (
    ("x min", "xmin", "x1", "left"),
    ("y min", "ymin", "y1", "top"),
    ("x max", "xmax", "x2", "right"),
    ("y max", "ymax", "y2", "bottom"),
)


def pairs(text: str) -> tuple[list[Entry], list[Span]]:
    """Corners in parentheses, "car (12, 30), (80, 60)", outside of JSON."""
    found: list[Entry] = []
    for m in _PAIR.finditer(text):
        found.append(entry("pair", m.groups(), m.span(), before_or_same(text, found, m.start()), text))
    return found, [e.span for e in found]


def lists(text: str) -> tuple[list[Entry], list[Span]]:
    """Lists of numbers and JSON, also cut off, nested, with single quotes or with Python's tuples."""
    text = _TUPLE.sub(_as_list, text)
    found: list[Entry] = []
    start = 0
    while opening := _OPEN.search(text, start):
        root, start = tree(text, opening.start())
        own = list(_Reader(text).read(root, None)) if root.of else []
        if any(e.label_span is None for e in own):
            span = before_or_same(text, found, root.start)
            own = [e if e.label_span else replace(e, label=label_text(text, span), label_span=span) for e in own]
        found += own
    return found, []


def _as_list(m: re.Match[str]) -> str:
    return f"[{m[0][1:-1]}]"


@dataclass(frozen=True)
class _Reader:
    """Boxes and points in a JSON tree of a text."""

    text: str

    def read(self, node: Node, label: Span | None) -> Iterator[Entry]:
        """Those of a container, whose label is its own, or else that of what it is in."""
        children = node.of or []
        keyed = {self._key(c): c for c in children if c.key}
        own = next((keyed[k] for k in _LABELS if k in keyed and keyed[k].of is None), None)
        if own is not None:
            label = trimmed(self.text, (own.start, own.end))
        if not keyed and self._is_numeric(node):
            if label or len(children) != 2:  # "(3, 4)" in a sentence is no point
                yield self._numbers("list", node, label)
            return
        if len(children) == 5 and not keyed and (listed := self._named_list(node)):
            yield listed
            return
        yield from self._named(node, keyed, label)
        labels = next((c.of for k, c in keyed.items() if k == "labels" and c.of), [])
        for child in children:
            key = self._key(child) if child.key else ""
            if key in _BOXES or key in _POINTS:
                yield from self._valued(key, child, label, labels)
            elif child.of is not None:
                named = child.key is not None and label is None and key not in _WRAPPERS
                yield from self.read(child, (child.key.start, child.key.end) if named and child.key else label)

    def _valued(self, key: str, value: Node, label: Span | None, labels: Sequence[Node]) -> Iterator[Entry]:
        """What stands behind a key of boxes or points."""
        syntax = {"bbox 2d": "bbox_2d", "point 2d": "bbox_2d", "box 2d": "box_2d"}.get(key, "json")
        inner = value.of
        if inner is None:
            said = self.text[value.start : value.end]
            if said.strip():
                parts = re.findall(NUMBER, said) if value.quoted else [said]
                yield entry(syntax, parts, (value.start, value.end), label, self.text)
        elif any(c.key for c in inner):
            bare = [c for c in inner if not c.key and c.of is None]
            if bare:  # its bracket is missing
                name = next((c for c in inner if c.key and self._key(c) in _LABELS), None)
                label = trimmed(self.text, (name.start, name.end)) if name else label
                parts = [self.text[n.start : n.end] for n in bare]
                yield entry(syntax, parts, (bare[0].start, bare[-1].end), label, self.text, not value.closed)
            else:
                yield from self.read(value, label)
        elif all(c.of is None for c in inner):
            if inner:
                yield self._numbers(syntax, value, label)
        elif len(inner) == 2 and key in _BOXES and all(self._is_numeric(c) and len(c.of or ()) == 2 for c in inner):
            parts = [self.text[n.start : n.end] for c in inner for n in c.of or ()]
            yield entry(syntax, parts, self._span(value), label, self.text, not value.closed)
        else:
            each = labels if len(labels) == len(inner) else []
            for i, child in enumerate(inner):
                own = trimmed(self.text, (each[i].start, each[i].end)) if each else label
                half = key in _BOXES and not value.closed and len(child.of or ()) == 2
                if half and self._is_numeric(child):
                    yield entry(syntax, [], self._span(child), own, self.text, True)
                elif child.of is not None:
                    yield from self._valued(key, child, own, [])

    def _named_list(self, node: Node) -> Entry | None:
        """Of a list of four numbers and a label, at either end."""
        children = node.of or []
        for label, bare in ((children[-1], children[:-1]), (children[0], children[1:])):
            parts = [self.text[n.start : n.end] for n in bare if n.of is None]
            if label.quoted and len(parts) == 4 and all(number(p) is not None for p in parts):
                own = trimmed(self.text, (label.start, label.end))
                broken = not node.closed and label is children[0]
                return entry("list", parts, (bare[0].start, bare[-1].end), own, self.text, broken)
        return None

    def _named(self, node: Node, keyed: dict[str, Node], label: Span | None) -> Iterator[Entry]:
        """Corners, or a point, as keys of their own."""
        corners = [next((keyed[k] for k in names if k in keyed), None) for names in _CORNERS]
        if not any(corners) and not keyed.keys() & {"w", "h", "width", "height"}:
            corners = [keyed.get("x"), keyed.get("y")]
        known = [n for n in corners if n is not None and n.of is None]
        parts = [self.text[n.start : n.end] for n in known]
        if len(known) == len(corners) or (known and all(number(p) is not None for p in parts)):
            whole = len(known) == len(corners)
            span = min(n.start for n in known), max(n.end for n in known)
            broken = not node.closed and (len(parts) < len(_CORNERS) or span[1] == len(self.text))
            yield entry("named", parts if whole else [], span, label, self.text, broken)

    def _numbers(self, syntax: str, node: Node, label: Span | None) -> Entry:
        parts = [self.text[n.start : n.end] for n in node.of or ()]
        return entry(syntax, parts, self._span(node), label, self.text, not node.closed)

    def _is_numeric(self, node: Node) -> bool:
        """Whether it holds numbers, and nothing else but what stands for one that is not known."""
        said = ["" if n.of is not None or n.key else self.text[n.start : n.end].strip() for n in node.of or ()]
        numbers = [number(one) is not None for one in said]
        return any(numbers) and all(a or b.lower() in _NO_NUMBERS for a, b in zip(numbers, said, strict=True))

    def _span(self, node: Node) -> Span:
        return node.start, node.end if node.closed else max(self._ends(node), default=node.start)

    def _ends(self, node: Node) -> Iterator[int]:
        for child in node.of or ():
            yield from (child.end,) if child.of is None or child.closed else self._ends(child)

    def _key(self, node: Node) -> str:
        assert node.key
        return re.sub(r"[\s_-]+", " ", self.text[node.key.start : node.key.end]).strip().lower()
