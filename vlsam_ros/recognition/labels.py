"""Lists, headings and tables: "people: none", "dogs: 2", "object 1: car", "| cyclist | 0 |"."""

from __future__ import annotations

import re

from .grammar import noun_phrases
from .words import is_name, singular

CATEGORIES = frozenset(
    """vehicle person people pedestrian cyclist animal livestock sign signage signal obstacle structure equipment
    infrastructure debris user worker tool device feature element material furniture machinery damage wildlife traffic
    participant cargo obstruction actor control plant vegetation surrounding other load rubbish water rider human
    accessory marking activity construction nature fixture barrier light site zone area section lane sidewalk road
    street shoulder curb roadside intersection median surface""".split()
)
"""Before a colon these say what kind of things come, if any come."""
PERSONS = frozenset("person pedestrian cyclist worker rider human".split())
"""Categories that in the singular are the thing itself: "person: a man in a red jacket"."""
DETAILS = frozenset(
    """color location position description count size status condition state note distance reason confidence bbox box
    score action direction weather lighting visibility time coordinate index type material shape quantity number detail
    comment remark probability depth severity appearance level orientation explanation
    reasoning summary relevance category class behavior point visible present bbox-2d background
    min max xmin ymin xmax ymax x1 y1 x2 y2 width height""".split()
) | {"colour", "behaviour", "id", "2d", "coordinates", "notes"}
"""Before a colon, at the head of a column or as a key these tell more of a thing and name none."""

_UNSEEN = re.compile(
    r"(?:\b(?:not|cannot|can't|don't|didn't) (?:see|find|spot|detect|identify)|"
    r"(?:\bnot|n't|\bno|\bnone)\b[^;]{0,60}\bfollowing(?: \w+)?)\W*$"
)
TYPED = frozenset("vehicle animal object sign hazard obstacle debris".split())
"""What comes after "types of" and before "types" when their names follow."""

_NONE = re.compile(
    r"\W*(?:no|none|not|nothing|nobody|nil|null|false|absent|zero|0+|n/?a|unknown|unclear)(?![\w%/-]|\.\w)(?P<rest>.*)|[\s;]*[-–—]+[\s;]*",
    re.S,
)
_OF_NONE = re.compile(
    r"\W*(?:(?:visible|present|seen|detected|found|observed|there|any|applicable|identified|shown|noted|are|is|in|on|of|at|"
    r"such|these|this|the|above|view|sight|image|picture|scene|evident|apparent|specific|significant|obvious|clear|clearly)\b\W*)*"
)
_SOME = frozenset(
    "yes true present visible detected seen found many several some few multiple one two three four five six".split()
)
_UNITS = re.compile(r"(?<![^\W\d])(?:x|px|cm|mm?|meters?|metres?|visible|times|(?:in )?total)(?![^\W\d])")
_YES = re.compile(r"\A\W*(?:yes|true|present)\b[\W]*")
_EQUALS = re.compile(r"(?<=\w)[ \t]{0,9}(?:=|\.{3,60})[ \t]{0,9}(?=(?:\d+|no|none|yes|true|false)\b)")
_COPULA = re.compile(r"\b(?:are|is|includes?)\W*$")
_YES_WHAT = re.compile(_YES.pattern + r"(?:an?|one|two|three|several|some|many|\d+)\b")
_CLAUSE = re.compile(
    r"\b(?:is|are|was|were|can|could|i|we|you|there|shows?|includes?|contains?|has|have|here|see|identify)\b"
)
_PROSE = re.compile(r"\b(?:is|are|was|were|on|in|at|near|with|from|to|that|which|has|have|it|\w+ing)\b")
_NUMBERED = re.compile(r"\W*(?:[a-z]+ )?(?:#? ?\d+|[a-z])\W*")
_MARK = re.compile(
    r"(?P<indent>[ \t;]*)(?P<mark>(?:[-•+>]|\*(?!\*)|#{1,6}|\(?\d{1,3}[.):]|\(?[a-z]\)|[a-z]\.|[ivx]{1,4}[.)])"
    r"(?=\s|\*\*)(?:[ \t]*[-*•+](?=\s))?)?"
)
_NUMBER = re.compile(r"(?<![\w.])(?!0)\d{1,3}[.)](?=\s)|\([ivx]{1,4}\)(?=\s)|(?<![\w(])[a-h]\)(?=\s)")
_PARENTHESIS = re.compile(r"(?P<key>[^:;,.!?()|]{0,60})\((?P<value>[^()]{0,200})\)")
_ADDED = re.compile(r"\W*(?:or|and|plus|with|possibly|perhaps|maybe|probably)\b")
_PAIR = re.compile(
    r"(?P<key>[^:;,.!?|]{1,70}?)(?P<sep>\?(?=\s)|:(?=\s|$|[\[\"'{(<\d])|\s{1,4}[-–—]{1,3}\s)"
    r"(?P<value>(?:[^.;!?,]|[.,](?=\d)|\.(?=\w)|,(?![^,.:;!?]{1,60}(?::[\s\d]|\s[-–—]\s)))*)"
)


def is_denial(label: str) -> bool:
    """Whether a label says that what follows is not there: "not visible", "none of these"."""
    none = _NONE.fullmatch(label)
    return bool(label.strip() and none and _OF_NONE.fullmatch(none["rest"] or "")) or bool(_UNSEEN.search(label))


def ruling(key: str, value: str) -> tuple[bool, bool]:
    """Whether what stands before a colon names something, and whether what stands after it is to be read."""
    names, heads = _names(key)
    if heads and heads[-1] in DETAILS and not (heads[-1] == "type" and TYPED & set(map(singular, key.split()))):
        return False, False
    if is_denial(key):
        return False, False
    if _CLAUSE.search(key):
        return "following" not in key, True
    none = _NONE.fullmatch(value)
    if none:
        rest = (none["rest"] or "").strip()
        about = _names(rest)[1]
        if _OF_NONE.fullmatch(rest) or not names or set(heads) & (set(about) | CATEGORIES):
            return False, bool(rest)
        return True, False
    words = re.findall(r"\w+", value)
    if set(words) <= _SOME or not any(c.isalpha() for c in _UNITS.sub("", value)):
        return True, False
    if not names or _NUMBERED.fullmatch(key):
        return False, True
    if _YES_WHAT.match(value) and _names(_YES.sub("", value))[0]:
        return False, True
    category = _is_category(names, heads)
    listed = _names(_YES.sub("", value, count=1))[0]
    if (category and listed) or (len(listed) > 1 and not _PROSE.search(value)):
        return False, True
    return True, False


def _is_category(names: list[str], heads: list[str]) -> bool:
    return heads[-1] in CATEGORIES and names[-1] not in PERSONS


def _names(text: str) -> tuple[list[str], list[str]]:
    """The names in a short text, and their heads in the singular; heads also of phrases that are no names."""
    phrases = [[w[0].replace("_", " ") for w in words] for words in noun_phrases(text)]
    heads = [singular((p[: p.index("of")] if "of" in p[1:] else p)[-1]) for p in phrases]
    return [name for name in map(" ".join, phrases) if is_name(name)], heads


def labelled(text: str) -> str:
    """A text of lines, with semicolons for labels that are no names and for what explains those that are."""
    lines = _EQUALS.sub(lambda m: ":" + " " * (len(m[0]) - 1), text).split("\n")
    follows = [""] * len(lines)
    for i in range(len(lines) - 2, -1, -1):
        follows[i] = lines[i + 1] if lines[i + 1].strip("; \t") else follows[i + 1]
    return "\n".join(_line(line, after) for line, after in zip(lines, follows, strict=True))


def _line(line: str, after: str) -> str:
    mark = _MARK.match(line)
    assert mark
    body = line[mark.end() :]
    listed = bool(mark["mark"])
    emphasised = body.strip().startswith("**") and body.strip(" :;").endswith("**") and body.count("**") == 2
    deeper = _MARK.match(after)
    assert deeper
    nested = bool(deeper["mark"]) and len(deeper["indent"]) > len(mark["indent"])
    body = _NUMBER.sub(_out, body.replace("*", " "))
    heading = (
        body.rstrip("; \t").endswith(":")
        or (mark["mark"] or "").startswith("#")
        or (emphasised and not listed)
        or nested
    )
    if heading and not _PAIR.search(body.rstrip("; \t:")):
        key = body.rstrip("; \t:")
        read, _ = ruling(key, after[deeper.end() :].replace("*", " ") or "none")
        if not read or (
            not _CLAUSE.search(_COPULA.sub("", key)) and set(_names(key)[1][-1:]) & CATEGORIES and after.strip("; ")
        ):
            body = ";" * len(body)
    else:
        body = _PARENTHESIS.sub(_parenthesis, body)
        body = _pairs(body, listed)
    return ";" * (mark.end() - mark.start()) + body if listed else mark[0] + body


def _out(match: re.Match[str]) -> str:
    return ";" * len(match[0])


def _parenthesis(m: re.Match[str]) -> str:
    key, value = m["key"], m["value"]
    names, heads = _names(key)
    none = _NONE.fullmatch(value)
    if none and _OF_NONE.fullmatch(none["rest"] or ""):
        return _out(m)
    if _ADDED.match(value) or not heads or (not names or _is_category(names, heads)) and _names(value)[0]:
        return m[0]
    blank = " " if m.string[m.end() :].lstrip(" ").startswith(":") else ";"
    return key + blank * (len(m[0]) - len(key))


def _pairs(body: str, listed: bool) -> str:
    """The line with what each "key: value" and "key - value" in it means."""
    pairs = list(_PAIR.finditer(body))
    out, end = [], 0
    for i, m in enumerate(pairs):
        last = len(body) if listed and i == len(pairs) - 1 and not body[: m.start()].strip("; \t") else m.end()
        value = body[m.start("value") : last]
        if m["sep"].strip() not in ":?" and not listed and re.search(r"\s[-–—]+\s", value):
            continue
        read_key, read_value = ruling(m["key"], value) if value.strip() else (True, True)
        sentence = re.split(r"[.;!?]", body[max(0, m.start() - 200) : m.start()])[-1]
        read_value |= read_key and bool(_CLAUSE.search(sentence))
        out += [body[end : m.start()], m["key"] if read_key else ";" * len(m["key"]), ";" * len(m["sep"])]
        out.append(value if read_value else ";" * len(value))
        end = last
    return "".join([*out, body[end:]])


_RULE = re.compile(r"[ \t;]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t;]*")
_WANTED = ("object", "item", "name", "thing", "hazard", "obstacle", "element", "label", "example")
"""Heads of a column that holds the names, the likeliest first."""
_COUNTED = re.compile(
    r"\W*(?:present|visible|detected|found|exists?|count|number|quantity|amount|seen|yes/no|status)\W*\??\W*"
)


def tabled(text: str) -> str:
    """A text with a table's names alone, a line each, without the rows of what is not there."""
    lines = text.split("\n")
    for i in range(1, len(lines)):
        if "|" in lines[i - 1] and "-" in lines[i] and _RULE.fullmatch(lines[i]):
            heads = [cell for _, cell in _cells(lines[i - 1])]
            lines[i - 1 : i + 1] = [";" * len(line) for line in lines[i - 1 : i + 1]]
            column = _column(heads)
            for j in range(i + 1, len(lines)):
                if "|" not in lines[j]:
                    break
                lines[j] = _row(lines[j], heads, column)
    return "\n".join(lines)


def _cells(line: str) -> list[tuple[int, str]]:
    """Offset and text of each cell."""
    inner = line.strip("; \t")
    start = line.index(inner) + inner.startswith("|")
    inner = inner.removeprefix("|").removesuffix("|")
    out = []
    for cell in inner.split("|"):
        out.append((start, cell))
        start += len(cell) + 1
    return out


def _column(heads: list[str]) -> int:
    """The column of the names."""
    words = [set(map(singular, re.findall(r"\w+", head))) for head in heads]
    wanted = (i for name in _WANTED for i, head in enumerate(words) if name in head)
    other = (
        i for i, head in enumerate(words) if head and not head & DETAILS and head != {"no"} and "#" not in heads[i]
    )
    return next(wanted, next(other, 0))


def _row(line: str, heads: list[str], column: int) -> str:
    """A row's name, or what a category in it stands for; blank where a cell says that there is none."""
    cells = _cells(line)
    if column >= len(cells):
        return ";" * len(line)
    read = {column}
    for i, (_, value) in enumerate(cells):
        head = heads[i] if i < len(heads) else ""
        if i == column or not value.strip():
            continue
        if _COUNTED.fullmatch(head):
            if not any(ruling(cells[column][1], value)):
                return ";" * len(line)
        elif (
            not set(map(singular, re.findall(r"\w+", head))) & DETAILS or set(_names(cells[column][1])[1]) & CATEGORIES
        ):
            named, filled = ruling(cells[column][1], value)
            read = {i} if filled and not named and i > column else read
    out = list(";" * len(line))
    for i in read:
        start, value = cells[i]
        out[start : start + len(value)] = value.replace("*", " ")
    return "".join(out)
