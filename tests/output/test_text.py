"""Nothing that leaves can drive a terminal, hide, or fill the log."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest

from vlsam_ros.output.text import HIDDEN, LINE, LINES, plain, plain_lines, print_anything, shows

CASES = {
    "plain": ("two cones, 0.9", "two cones, 0.9"),
    "other letters": ("Ölfass 日本", "Ölfass 日本"),
    "empty": ("", ""),
    "an error": (KeyError("gone"), "'gone'"),
    "ends of lines": ("a\nb\r\nc\u2028d\x85e", "a b  c d e"),
    "terminal escapes": ("\x1b[31mred\x1b]0;title\x07\x9b2J", " [31mred ]0;title  2J"),
    "nul and delete": ("a\0b\x7fc", "a b c"),
    "invisible": ("a\u200bb\ufeffc\u00add", "a b c d"),
    "right to left": ("a\u202eb\u2066c\u200f", "a b c"),
    "lone surrogate": ("a\udc80b", "a b"),
    "private and unassigned": ("a\ue000b\U000e0041c", "a b c"),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_plain(text: object, expected: str) -> None:
    assert plain(text) == expected
    plain(text).encode()


def test_what_is_hidden_is_what_unicode_says() -> None:
    hidden = {n for low, high in HIDDEN for n in range(low, high + 1)}
    for n in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(n))
        invisible = category in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") or (category == "Zs" and chr(n) != " ")
        assert category == "Cn" or (n in hidden) == invisible, hex(n)
        assert shows("a" + chr(n)) == (n not in hidden) and plain(f"a{chr(n)}b")[1] == (" " if n in hidden else chr(n))


def test_what_leaves_nothing_to_see_is_blank() -> None:
    names = {chr(n): unicodedata.name(chr(n), "") for n in range(sys.maxunicode + 1)}
    blank = {c for c, name in names.items() if "VARIATION SELECTOR" in name or ("HANGUL" in name and "FILLER" in name)}
    assert len(blank) > 250 and not any(shows(c) or shows(f" {c} ") for c in blank)
    assert all(shows(f"a{c}") for c in blank) and not shows("") and not shows("   ") and not shows("\u2800")
    assert all(shows(text) for text in ("a", "日", "\u2764\ufe0f", "é", "e\u0301", "\u0378", "\ufffd"))


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * LINE) == "x" * LINE
    assert plain("x" * 10_000_000) == "x" * (LINE - 2) + " …"
    assert plain("abcdef", 5) == "abc …"


def test_lines_keep_their_indentation_and_the_last_ones() -> None:
    text = plain_lines("\n".join([f"  line\t{n}" for n in range(LINES + 5)] + ["\x1b" + "y" * 9999]))
    lines = text.split("\n")
    assert len(lines) == LINES and lines[0] == "  line 6" and lines[-1] == " " + "y" * (LINE - 3) + " …"


def test_names_in_no_encoding_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    print_anything()
    for stream in (sys.stdout, sys.stderr):
        print("caf\udce9 é", file=stream, flush=True)
        assert stream.buffer.getvalue() == b"caf\\udce9 \\xe9\n"
