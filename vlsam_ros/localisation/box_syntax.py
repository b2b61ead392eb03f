"""The ways in which VLMs write boxes and points, found in a text with the characters that wrote each.

Nothing here asks which model wrote it: a mark, a tag or a key says what a text is written in. What the numbers mean is
in `box_formats`. `supervision.Detections.from_vlm` reads some of these, but tells no characters and no points, and one
box of three numbers, or marks that don't pair, cost it all others or raise: the tests compare with it on texts that are
in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .box_entry import Entry, Span, entry, label_text, trimmed, words_before
from .box_json import lists, pairs


def entries(text: str) -> list[Entry]:
    """All boxes and points of a text, in its order; linear in its length."""
    found: list[Entry] = []
    for scan in (_marked, _points, _locs, _patches, pairs, lists):
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
            label = trimmed(text, names[-1].span("name"))
        elif apart or not read:
            label = words_before(text, region.start())
        if apart or names or (before, syntax) != ("answer", "answer"):
            found += _inside(text, region, syntax, label)
        read.append(region.span())
        last, before = region.end(), syntax
    return found, read


def _inside(text: str, region: re.Match[str], syntax: str, label: Span | None) -> Iterator[Entry]:
    start, end = region.span("inside")
    if syntax == "answer" and "{" in region["inside"]:
        for e in lists(region["inside"])[0]:
            own = (e.label_span[0] + start, e.label_span[1] + start) if e.label_span else label
            said, span = e.label or label_text(text, label), (e.span[0] + start, e.span[1] + start)
            yield replace(e, syntax="answer", span=span, label=said, label_span=own)
        return
    groups = [m for m in _GROUP.finditer(text, start, end) if m["parts"].strip()]
    if not groups:
        if any(c.isdigit() for c in region["inside"]):
            yield entry(syntax, _split(region["inside"]), (start, end), label, text, region["end"] is None)
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
        yield entry(syntax, parts, span, label, text, broken)
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
        label = next((trimmed(text, a.span("value")) for a in attributes if a["key"] == "alt"), None)
        label = label or trimmed(text, (tag.end(), max(text.find("<", tag.end()), tag.end())))
        cut = tag["end"] is None and tag.end() == len(text)
        xs, ys = ({a["n"]: a for a in attributes if a["key"].lower() == key} for key in "xy")
        for n, x in xs.items():
            span, y = x.span(), ys.get(n)
            if y and x["end"] and y["end"]:
                span = min(span[0], y.start()), max(span[1], y.end())
                found.append(entry("point", [x["value"], y["value"]], span, label, text))
            else:
                found.append(entry("point", [x["value"]], span, label, text, cut))
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
            yield entry("coords", said, span, label, text, cut and i + 3 >= len(parts))


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
        label = trimmed(text, (text.rfind(">", last, run.start()) + 1 or last, run.start())) if florence else None
        if not florence and (after := _AFTER.match(text, run.end())):
            label = trimmed(text, after.span("label"))
        last = run.end()
        for i in range(0, len(bins), 4):
            own = bins[i : i + 4]
            parts = [str(int(b["bin"]) + 0.5 * florence) for b in own]
            span = own[0].start(), own[-1].end()
            fine, cut = len(own) == 4, run.end() == len(text)
            found.append(entry("loc_" if florence else "loc", parts if fine else [], span, label, text, cut > fine))
        if run["cut"] and len(bins) % 4 == 0:
            found.append(entry("loc", [], run.span("cut"), None, text, True))
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
        label = trimmed(text, m.span("label")) if m["label"] else None
        cells = list(_CELL.finditer(text, *m.span("cells")))
        for first, second in zip(cells[::2], [*cells[1::2], None], strict=False):
            if second is None:
                found.append(entry("patch", [], first.span(), label, text, m.end() == len(text)))
                continue
            (y0, x0), (y1, x1) = (divmod(int(c[1]), _SIDE) for c in (first, second))
            low, high = (0.0, 1.0) if x0 == x1 or y0 == y1 else (0.5, 0.5)
            corners = [str(v / _SIDE) for v in (x0 + low, y0 + low, x1 + high, y1 + high)]
            found.append(entry("patch", corners, (first.start(), second.end()), label, text))
    return found, [m.span() for m in _OBJECT.finditer(text)]
