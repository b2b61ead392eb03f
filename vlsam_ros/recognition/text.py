"""A VLM's text made readable: thoughts and marks out, one case, one alphabet; offsets into the original kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MOST_CHARS = 1 << 14
"""Characters of an answer that are read, thoughts not counted: more than `vlm.max_new_tokens` allows."""

_OPENS = r"<(?:seed:)?think(?:ing)?>|<thought>|<reasoning>|◁think▷|\[think\]|<\|begin_of_thought\|>|<unused94>"
_CLOSES = r"</(?:seed:)?think(?:ing)?>|</thought>|</reasoning>|◁/think▷|\[/think\]|<\|end_of_thought\|>|<unused95>"
_CHANNEL_OPENS = r"<\|channel\|?>\s*(?:analysis|commentary|thought)"
_CHANNEL_CLOSES = r"<\|channel\|>\s*final\s*<\|message\|>|<channel\|>"
_THOUGHT_MARK = re.compile(rf"(?P<opens>{_OPENS}|{_CHANNEL_OPENS})|{_CLOSES}|{_CHANNEL_CLOSES}", re.I)
_TAG = re.compile(
    r"<(?=[a-z/|!▁｜])[^<>\n]{0,64}>|```[a-z]*|<(?:points?|tracks?)\b[^<>\n]*>?|<(?=[a-z/|])[^<>\s]{0,32}\Z", re.I
)
_CLUSTER = re.compile(r".[\u0300-\u036f]{0,8}", re.S)
_NO_LETTERS = {"\u115f", "\u1160", "\u3164"}
"""Letters by their category that no screen shows."""
_ALIKE = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"), '"'),
    **dict.fromkeys(map(ord, "\u2028\u2029"), "\n"),
    **dict.fromkeys(map(ord, "_\r"), " "),
    ord("\u3001"): ",",
    ord("\u3002"): ".",
}


def thoughts(text: str) -> list[tuple[int, int]]:
    """[start, end) of what a reasoning model thinks before it answers, its marks included.

    All before an end mark is thought, also where the start mark was part of the prompt; a thought that is not ended
    goes on to the end of the text.
    """
    found: list[tuple[int, int]] = []
    opened: int | None = None
    for mark in _THOUGHT_MARK.finditer(text):
        if mark["opens"]:
            opened = mark.start() if opened is None else opened
        elif opened is None:
            found = [(0, mark.end())]
        else:
            found.append((opened, mark.end()))
            opened = None
    return found if opened is None else [*found, (opened, len(text))]


def plain(text: str, keep_case: bool = False) -> tuple[str, Sequence[int]]:
    """An answer without thoughts and invisible characters; lower case, NFKC.

    Marks of the model's format and what is no text (control characters, surrogates) become semicolons.

    Returns:
        At most `MOST_CHARS` characters, and the offset in `text` of each of them and of their end.
    """
    blanked = _blanked(text)
    first = len(blanked) - len(blanked.lstrip("; \t\n"))
    blanked = _TAG.sub(lambda m: ";" * len(m[0]), blanked[: first + MOST_CHARS])
    end = first = len(blanked) - len(blanked.lstrip("; \t\n"))
    out: list[str] = []
    origin: list[int] = []
    for cluster in _CLUSTER.finditer(blanked, first):
        if len(out) >= MOST_CHARS:
            break
        c, end = unicodedata.normalize("NFKC", cluster[0]), cluster.end()
        readable = [r for r in map(_readable, (c if keep_case else c.lower()).translate(_ALIKE)) if r]
        out += readable
        origin += [cluster.start()] * len(readable)
    return "".join(out), [*origin, end]


def _blanked(text: str) -> str:
    """The text in its length, with semicolons for thoughts."""
    pieces, end = [], 0
    for start, stop in thoughts(text):
        pieces += [text[end:start], ";" * (stop - start)]
        end = stop
    return "".join([*pieces, text[end:]])


def _readable(c: str) -> str:
    if " " <= c < "\x7f" or c in "\n\t":
        return c
    kind = unicodedata.category(c)
    if kind in ("Cf", "Mn", "Mc", "Me") or c in _NO_LETTERS:
        return ""
    return ";" if kind[0] == "C" or c == "\ufffd" else c
