"""The ways in which VLMs write boxes and points, found in a text with the characters that wrote each.

Nothing here asks which model wrote it: a mark, a tag or a key says what a text is written in. What the numbers mean is
in `box_formats`. `supervision.Detections.from_vlm` reads some of these, but tells no characters and no points, and one
box of three numbers, or marks that don't pair, cost it all others or raise: the tests compare with it on texts that are
in order.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from ..recognition.json_names import Node, tree

Span = tuple[int, int]

_NUMBER = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,18})?|\.\d{1,18})(?:e[+-]?\d{1,2})?", re.A | re.I)
_N = r"[+-]?\d{1,9}(?:\.\d{1,9})?"
_CONTEXT_CHARS = 64
"""So far before a list of numbers its label may begin."""
_MARKS = ("Mn", "Mc")
"""Categories of characters that belong to the letter before them."""
_NO_LABEL = re.compile(
    r"\b(?:bounding|b?box(?:es)?|coordinates?|located|locations?|positions?|regions?|points?|objects?|here|output)\b",
    re.I,
)
"""In front of numbers such words announce them, and are no label."""


@dataclass(frozen=True)
class Entry:
    """A box or point as a text has it.

    Attributes:
        syntax: what it is written in, one of `SYNTAXES`.
        values: as written, of two opposite corners or a point; None if the text has no two or four numbers there.
        span: [start, end) of the characters of its numbers.
        label, label_span: what it is of, and where that stands; "" and None if it says nothing.
        broken: the text ended inside of it.
    """

    syntax: str
    values: tuple[float, ...] | None
    span: Span
    label: str = ""
    label_span: Span | None = None
    broken: bool = False


SYNTAXES = {
    "box_start": "<|box_start|>(x1,y1),(x2,y2)<|box_end|>",
    "box": "<box>[[x1,y1,x2,y2]]</box>",
    "det": "<|det|>[[x1,y1,x2,y2]]<|/det|>",
    "answer": "<|begin_of_box|>[[x1,y1,x2,y2]]<|end_of_box|>",
    "point": '<point x="…" y="…">',
    "coords": '<points coords="…">',
    "loc": "<loc0123> × 4",
    "loc_": "<loc_123> × 4",
    "patch": "<patch_index_0123> × 2",
    "pair": "(x1,y1),(x2,y2)",
    "list": "[x1,y1,x2,y2]",
    "bbox_2d": "JSON with bbox_2d or point_2d",
    "box_2d": "JSON with box_2d",
    "named": "JSON with x_min, y_min, x_max, y_max",
    "json": "JSON with boxes or points",
}
"""What an entry may be written in -> how that looks."""


def entries(text: str) -> list[Entry]:
    """All boxes and points of a text, in its order; linear in its length."""
    found: list[Entry] = []
    for scan in (_marked, _points, _locs, _patches, _pairs, _lists):
        own, read = scan(text)
        found += own
        text = _without(text, read)
    return sorted(found, key=lambda e: e.span)


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text in its length, blanks for some spans that follow each other."""
    out, end = [], 0
    for start, stop in spans:
        out += [text[end:start], " " * (stop - start)]
        end = stop
    return "".join([*out, text[end:]])


@lru_cache(4096)
def number(said: str) -> float | None:
    """A plain decimal number, and nothing else that Python takes for one: no NaN, no infinity, no 1_000."""
    return float(said) if _NUMBER.fullmatch(said.strip()) else None


def _entry(syntax: str, parts: Sequence[str], span: Span, label: Span | None, text: str, broken: bool = False) -> Entry:
    """Of numbers' texts."""
    values = [number(part) for part in parts]
    fine = len(values) in (2, 4) and not broken
    kept = tuple(v for v in values if v is not None)
    return Entry(syntax, kept if fine and len(kept) == len(values) else None, span, _said(text, label), label, broken)


def _said(text: str, span: Span | None) -> str:
    """A label without what JSON escapes in it."""
    said = text[slice(*span)] if span else ""
    if "\\" in said:
        with suppress(json.JSONDecodeError):
            said = json.loads(f'"{said}"', strict=False)
    return said.encode("utf-8", "replace").decode()


# Marks around numbers: Qwen2-VL, InternVL, MiniCPM-V, DeepSeek-VL2, GLM-V

_OPENS = {"box_start": "box_start", "box": "box", "bbox": "box", "det": "det", "begin_of_box": "answer"}
_NAMED = r"<\|(?:ref|object_ref_start)\|>|<ref>"
_REGION = re.compile(
    r"<\|?(?P<mark>box_start|b?box|det|begin_of_box)\|?>(?P<inside>.*?)"
    rf"(?:(?P<end><\|(?:box_end|/det|end_of_box)\|>|</b?box>)|(?=<\|?(?:box_start|b?box|det|begin_of_box)\|?>|{_NAMED})|\Z)",
    re.S,
)
_NAME = re.compile(rf"(?:{_NAMED})(?P<name>[^<]*)")
_TAG = re.compile(r"<[^<>]{0,64}>")
_GROUP = re.compile(r"[\[(](?P<parts>[^\[\]()]*)(?P<end>[\])]|(?P<broken>\Z))")


def _marked(text: str) -> tuple[list[Entry], list[Span]]:
    """What stands between marks; its label between marks of its own in front, else the words there.

    An answer of GLM-V that follows another at once says the same again, and is left out.
    """
    found: list[Entry] = []
    read: list[Span] = []
    label, last, before = None, 0, ""
    for region in _REGION.finditer(text):
        syntax, between = _OPENS[region["mark"]], text[last : region.start()]
        names = list(_NAME.finditer(text, last, region.start()))
        apart = any(c.isalnum() for c in _TAG.sub("", between))
        if names:
            label = _trimmed(text, names[-1].span("name"))
        elif apart or not read:
            label = _before(text, region.start())
        if apart or names or (before, syntax) != ("answer", "answer"):
            found += _inside(text, region, syntax, label)
        read.append(region.span())
        last, before = region.end(), syntax
    return found, read


def _inside(text: str, region: re.Match[str], syntax: str, label: Span | None) -> Iterator[Entry]:
    start, end = region.span("inside")
    if syntax == "answer" and "{" in region["inside"]:
        for e in _lists(region["inside"])[0]:
            own = (e.label_span[0] + start, e.label_span[1] + start) if e.label_span else label
            said, span = e.label or _said(text, label), (e.span[0] + start, e.span[1] + start)
            yield replace(e, syntax="answer", span=span, label=said, label_span=own)
        return
    groups = [m for m in _GROUP.finditer(text, start, end) if m["parts"].strip()]
    if not groups:
        if any(c.isdigit() for c in region["inside"]):
            yield _entry(syntax, _split(region["inside"]), (start, end), label, text, region["end"] is None)
        return
    parts = [(m.span(), _split(m["parts"]), m["broken"] is not None) for m in groups]
    yield from _paired(syntax, parts, label, text, region["end"] is None and end == len(text))


def _split(said: str) -> list[str]:
    return [part for part in re.split(r"[\s,;]+", said) if part]


def _paired(
    syntax: str, groups: Sequence[tuple[Span, list[str], bool]], label: Span | None, text: str, open_end: bool = False
) -> Iterator[Entry]:
    """Groups of numbers, of which two of two are one box; where the text breaks off, a lone pair is half a box."""
    i = 0
    while i < len(groups):
        (span, parts, broken), following = groups[i], groups[i + 1 : i + 2]
        if len(parts) == 2 and following and len(following[0][1]) != 4:
            span, parts, broken = (span[0], following[0][0][1]), parts + following[0][1], following[0][2]
            i += 1
        elif len(parts) == 2 and open_end and not following:
            broken = True
        yield _entry(syntax, parts, span, label, text, broken)
        i += 1


# Tags whose attributes are points: Molmo, Molmo 2, also Qwen's

_POINT_TAG = re.compile(r"<(?:point|track)s?\b(?P<attributes>[^<>]*)(?P<end>>)?")
_ATTRIBUTE = re.compile(
    r"\b(?P<key>[a-z]{1,8})(?P<n>\d{0,4})\s{0,4}=\s{0,4}(?P<quote>[\"\'])(?P<value>[^\"\']*)(?P<end>(?P=quote))?", re.I
)


def _points(text: str) -> tuple[list[Entry], list[Span]]:
    """Points of `<point x= y= alt=>`, `<points x1= y1= x2= y2= …>` and `<points coords="image id x y id x y …">`."""
    found: list[Entry] = []
    read: list[Span] = []
    for tag in _POINT_TAG.finditer(text):
        attributes = list(_ATTRIBUTE.finditer(text, *tag.span("attributes")))
        label = next((_trimmed(text, a.span("value")) for a in attributes if a["key"] == "alt"), None)
        label = label or _trimmed(text, (tag.end(), max(text.find("<", tag.end()), tag.end())))
        cut = tag["end"] is None and tag.end() == len(text)
        xs, ys = ({a["n"]: a for a in attributes if a["key"].lower() == key} for key in "xy")
        for n, x in xs.items():
            span, y = x.span(), ys.get(n)
            if y and x["end"] and y["end"]:
                span = min(span[0], y.start()), max(span[1], y.end())
                found.append(_entry("point", [x["value"], y["value"]], span, label, text))
            else:
                found.append(_entry("point", [x["value"]], span, label, text, cut))
        for a in attributes:
            if a["key"] == "coords":
                found += _coords(text, a, label)
        read.append(tag.span())
    return found, read


def _coords(text: str, attribute: re.Match[str], label: Span | None) -> Iterator[Entry]:
    """Of each picture its number, then for each point a number, x and y."""
    start = attribute.start("value")
    for picture in re.finditer(r"[^\t;:]+", attribute["value"]):
        parts = list(re.finditer(r"[^\s,]+", picture[0]))
        cut = attribute["end"] is None and picture.end() == len(attribute["value"])
        parts = parts[len(parts) % 3 == 1 or (cut and bool(parts)) :]
        for i in range(0, len(parts), 3):
            own = parts[i : i + 3]
            at = start + picture.start()
            span = at + own[0].start(), at + own[-1].end()
            said = [m[0] for m in own[1:]] if len(own) == 3 else [m[0] for m in own[:1]]
            yield _entry("coords", said, span, label, text, cut and i + 3 >= len(parts))


# Tokens of places: PaliGemma, Florence-2, Kosmos-2

_LOCS = re.compile(r"(?:<loc_?\d{1,4}>\s*)+(?P<cut><loc[_\d]*\Z)?")
_LOC = re.compile(r"<loc(?P<florence>_?)(?P<bin>\d+)>", re.A)
_AFTER = re.compile(r"(?:<seg\d{1,4}>)*(?P<label>[^<>;\n]*)")


def _locs(text: str) -> tuple[list[Entry], list[Span]]:
    """Four tokens to a box: `<loc0123>` before what it is of, `<loc_123>` after it, at the middle of a bin."""
    found: list[Entry] = []
    last = 0
    for run in _LOCS.finditer(text):
        bins = list(_LOC.finditer(text, *run.span()))
        florence = any(b["florence"] for b in bins)
        label = _trimmed(text, (text.rfind(">", last, run.start()) + 1 or last, run.start())) if florence else None
        if not florence and (after := _AFTER.match(text, run.end())):
            label = _trimmed(text, after.span("label"))
        last = run.end()
        for i in range(0, len(bins), 4):
            own = bins[i : i + 4]
            parts = [str(int(b["bin"]) + 0.5 * florence) for b in own]
            span = own[0].start(), own[-1].end()
            fine, cut = len(own) == 4, run.end() == len(text)
            found.append(_entry("loc_" if florence else "loc", parts if fine else [], span, label, text, cut > fine))
        if run["cut"] and len(bins) % 4 == 0:
            found.append(_entry("loc", [], run.span("cut"), None, text, True))
    return found, [m.span() for m in _LOCS.finditer(text)]


_SIDE = 32
"""Cells of Kosmos-2's grid along each side."""
_OBJECT = re.compile(
    r"(?:<phrase>(?P<label>[^<>]*)</phrase>\s*)?(?:<object>\s*)?"
    r"(?P<cells>(?:<patch_index_\d{1,4}>(?:\s*</?delimiter_of_multi_objects/?>)?\s*)+)"
)
_CELL = re.compile(r"<patch_index_(\d+)>", re.A)


def _patches(text: str) -> tuple[list[Entry], list[Span]]:
    """Kosmos-2: the cells of two corners; from middle to middle, or whole cells if they share a row or column."""
    found: list[Entry] = []
    for m in _OBJECT.finditer(text):
        label = _trimmed(text, m.span("label")) if m["label"] else None
        cells = list(_CELL.finditer(text, *m.span("cells")))
        for first, second in zip(cells[::2], [*cells[1::2], None], strict=False):
            if second is None:
                found.append(_entry("patch", [], first.span(), label, text, m.end() == len(text)))
                continue
            (y0, x0), (y1, x1) = (divmod(int(c[1]), _SIDE) for c in (first, second))
            low, high = (0.0, 1.0) if x0 == x1 or y0 == y1 else (0.5, 0.5)
            corners = [str(v / _SIDE) for v in (x0 + low, y0 + low, x1 + high, y1 + high)]
            found.append(_entry("patch", corners, (first.start(), second.end()), label, text))
    return found, [m.span() for m in _OBJECT.finditer(text)]


# Numbers in brackets, alone or in JSON

_TUPLE = re.compile(rf"\(\s*({_N}(?:\s*,\s*{_N}){{1,3}})\s*\)")
_PAIR = re.compile(
    rf"(?<!\[)(?<!\[ )(?<![\"']:)(?<![\"']: )\(\s*({_N})\s*,\s*({_N})\s*\)[\s,]{{0,8}}\(\s*({_N})\s*,\s*({_N})\s*\)",
    re.A,
)
_OPEN = re.compile(r"[\[{]")
_LABELS = (
    *("label", "name", "object name", "object", "item", "class", "class name", "category", "phrase", "ref", "type"),
    *("caption", "description", "text content", "text"),
)
"""Keys whose value is what a box is of; the first that a box has counts."""
_BOXES = frozenset("bbox 2d,box 2d,bbox 3d,bbox,box,bounding box,boxes,bboxes,bounding boxes,coordinates".split(","))
_POINTS = frozenset("point 2d,point,points,points 2d,coordinate".split(","))
_WRAPPERS = frozenset(
    "object,objects,detections,items,results,result,answer,instances,annotations,list,data,output,position,location".split(
        ","
    )
)
"""Keys of what holds boxes, which name nothing."""
_NO_NUMBERS = frozenset("nan none null inf -inf infinity -infinity true false".split())
_CORNERS = (
    ("x min", "xmin", "x1", "left"),
    ("y min", "ymin", "y1", "top"),
    ("x max", "xmax", "x2", "right"),
    ("y max", "ymax", "y2", "bottom"),
)


def _pairs(text: str) -> tuple[list[Entry], list[Span]]:
    """Corners in parentheses, "car (12, 30), (80, 60)", outside of JSON."""
    found: list[Entry] = []
    for m in _PAIR.finditer(text):
        found.append(_entry("pair", m.groups(), m.span(), _context(text, found, m.start()), text))
    return found, [e.span for e in found]


def _lists(text: str) -> tuple[list[Entry], list[Span]]:
    """Lists of numbers and JSON, also cut off, nested, with single quotes or with Python's tuples."""
    text = _TUPLE.sub(_as_list, text)
    found: list[Entry] = []
    start = 0
    while opening := _OPEN.search(text, start):
        root, start = tree(text, opening.start())
        own = list(_Reader(text).read(root, None)) if root.of else []
        if any(e.label_span is None for e in own):
            span = _context(text, found, root.start)
            own = [e if e.label_span else replace(e, label=_said(text, span), label_span=span) for e in own]
        found += own
    return found, []


def _as_list(m: re.Match[str]) -> str:
    return f"[{m[0][1:-1]}]"


def _context(text: str, found: Sequence[Entry], at: int) -> Span | None:
    """The label of numbers without one: the words in front, or what the last ones have if nothing is said between."""
    if found and not any(c.isalnum() for c in text[found[-1].span[1] : at]):
        return found[-1].label_span
    return _before(text, at)


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
            label = _trimmed(self.text, (own.start, own.end))
        if not keyed and self._is_numeric(node):
            if label or len(children) != 2:  # "(3, 4)" in a sentence is no point
                yield self._numbers("list", node, label)
            return
        if len(children) == 5 and not keyed and (named := self._named_list(children)):
            yield named
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
                parts = re.findall(_N, said) if value.quoted else [said]
                yield _entry(syntax, parts, (value.start, value.end), label, self.text)
        elif any(c.key for c in inner):
            bare = [c for c in inner if not c.key and c.of is None]
            if bare:  # its bracket is missing
                own = next((c for c in inner if c.key and self._key(c) in _LABELS), None)
                label = _trimmed(self.text, (own.start, own.end)) if own else label
                parts = [self.text[n.start : n.end] for n in bare]
                yield _entry(syntax, parts, (bare[0].start, bare[-1].end), label, self.text, not value.closed)
            else:
                yield from self.read(value, label)
        elif all(c.of is None for c in inner):
            if inner:
                yield self._numbers(syntax, value, label)
        elif len(inner) == 2 and key in _BOXES and all(self._is_numeric(c) and len(c.of or ()) == 2 for c in inner):
            parts = [self.text[n.start : n.end] for c in inner for n in c.of or ()]
            yield _entry(syntax, parts, self._span(value), label, self.text, not value.closed)
        else:
            each = labels if len(labels) == len(inner) else []
            for i, child in enumerate(inner):
                own = _trimmed(self.text, (each[i].start, each[i].end)) if each else label
                half = key in _BOXES and not value.closed and len(child.of or ()) == 2
                if half and self._is_numeric(child):
                    yield _entry(syntax, [], self._span(child), own, self.text, True)
                elif child.of is not None:
                    yield from self._valued(key, child, own, [])

    def _named_list(self, children: Sequence[Node]) -> Entry | None:
        """Of a list of four numbers and a label, at either end."""
        for label, bare in ((children[-1], children[:-1]), (children[0], children[1:])):
            parts = [self.text[n.start : n.end] for n in bare if n.of is None]
            if label.quoted and len(parts) == 4 and all(number(p) is not None for p in parts):
                own = _trimmed(self.text, (label.start, label.end))
                return _entry("list", parts, (bare[0].start, bare[-1].end), own, self.text)
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
            broken = not node.closed and (not whole or span[1] == len(self.text))
            yield _entry("named", parts if whole else [], span, label, self.text, broken)

    def _numbers(self, syntax: str, node: Node, label: Span | None) -> Entry:
        parts = [self.text[n.start : n.end] for n in node.of or ()]
        return _entry(syntax, parts, self._span(node), label, self.text, not node.closed)

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


def _before(text: str, at: int) -> Span | None:
    """The few words that stand in front of numbers, if they may be a label."""
    start = max(0, at - _CONTEXT_CHARS)
    phrase = re.search(r"[^\n.;!?,<>()\[\]{}\"`|]*\Z", text[start:at].rstrip(" \t:=-–`*|'\""))
    assert phrase
    span = _trimmed(text, (start + phrase.start(), start + phrase.end()))
    if span is None or (phrase.start() == 0 and start > 0):
        return None
    said = text[slice(*span)]
    return None if _NO_LABEL.search(said) or len(said.split()) > 5 else span


def _trimmed(text: str, span: Span) -> Span | None:
    """Without what is no letter or digit at its ends; None if nothing is left."""
    said = text[slice(*span)]
    inner = [i for i, c in enumerate(said) if c.isalnum() or c == "\\" or unicodedata.category(c) in _MARKS]
    return (span[0] + inner[0], span[0] + inner[-1] + 1) if inner else None
