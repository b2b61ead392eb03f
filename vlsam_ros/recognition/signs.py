"""What is written in the picture, and what was asked: words of an answer that are not its own."""

from __future__ import annotations

import re

_SIGN = r"(?:signs?|signals?|symbols?|boards?|placards?|signage)"
_MORE = r"(?:[\w-]+ ){0,2}?"
_FORBIDDEN = (
    r"parking|entry|entrance|stopping|standing|passing|overtaking|smoking|waiting|trespassing|dumping|fishing|littering|"
    r"outlet|honking|swimming|cycling|walking|access|thoroughfare|exit|(?:left |right |u[ -])?turns?|through|"
    r"(?:trucks|bicycles|pedestrians|vehicles|cars|motorcycles|horses|dogs)(?= (?:allowed )?sign\b)"
)
_LEGEND = (
    rf"\bno (?:{_FORBIDDEN})\b(?: {_MORE}{_SIGN}\b)?|"
    rf"\b(?:do not|don't) (?:[\w-]+ ){{1,4}}?{_SIGN}\b|"
    r"\b(?:slow(?: down)?|one way|wrong way|dead end|give way|right of way|not a through street|"
    r"(?:keep|turn|merge|exit|curve) (?:left|right|clear|out|only)|speed limit \d+|"
    r"(?:(?!(?:an?|the|and|or|one|two|with|is|are|no)\b)[a-z]+ ){1,2}"
    r"(?:at work|at play|work ahead|(?<!light )(?<!lights )ahead|closed|narrows|ends|xing|when wet|when flashing))"
    rf" {_MORE}{_SIGN}\b"
)
_CROSSING = (
    r"\b(?:zebra|pedestrian|rail|railroad|railway|level|train|street) crossing\b(?! (?:the|an?|his|her|in|at|from)\b)"
)
_JOINED = re.compile(rf"{_LEGEND}|{_CROSSING}")
_QUOTED = re.compile(rf"(?:\"[^\"\n]{{1,60}}\"|(?<!\w)'[^'\n]{{1,60}}'(?!\w))(?P<sign>(?: [\w-]+)? {_SIGN}\b)?")
_READS = re.compile(
    r"\b(?:says?|said|reads?|reading|saying|label+ed|text|words?|letters|writing|written|marked|message|called|titled)\b"
)
_QUESTION = re.compile(
    r"(?<![^\n.!?:])[ \t]*(?:what|which|who|where|how|(?P<there>(?:is|are) there)|is|are|do|does|can|could)\b"
    r"(?P<asked>[^\n.!?]{0,300})\?"
    r"(?P<yes>(?=\s*yes\s*(?:[.!;\n]|\Z)))?"
)

_REPLY = re.compile(
    r"(?<![^\n.;])[ \t]{0,9}q(?:uestion)?[ \t]?\d*[.:)](?=[ \t])|(?<=\?)\s{1,9}a(?:nswer)?[ \t]?\d*[.:)](?=[ \t])"
)
"""Marks of questions and of replies: "Q1: dogs? A1: yes"."""


def joined(text: str) -> str:
    """Underscores inside of what names one sign or crossing: "no entry sign", not "pedestrian crossing the road"."""
    return _JOINED.sub(lambda m: m[0].replace(" ", "_"), text)


def unquoted(text: str) -> str:
    """Without echoed questions and without what a sign reads ('says "stop"'); 'a "stop" sign' becomes one word."""
    text = _REPLY.sub(lambda m: " " * len(m[0]), text)
    text = _QUESTION.sub(_asked, text)
    return joined("\n".join(map(_unquoted, text.split("\n"))))


def _asked(m: re.Match[str]) -> str:
    """Nothing of a question, but of one like "is there a dog? Yes." what it asks for."""
    if m["there"] and m["yes"] is not None and not re.search(r",|\bor\b", m["asked"]):
        return (m["asked"] + ";").rjust(len(m[0]), ";")
    return ";" * len(m[0])


def _unquoted(line: str) -> str:
    """Quotations are a sign's legend, what something reads, or just a way to write a name."""
    reads = _READS.search(line) is not None

    def quoted(m: re.Match[str]) -> str:
        if m["sign"]:
            return re.sub(r"[^\w-]+(?=\w)", lambda gap: "_" * len(gap[0]), m[0][1:].replace('"', " ")).rjust(len(m[0]))
        return ";" * len(m[0]) if reads else m[0]

    return _QUOTED.sub(quoted, line)
