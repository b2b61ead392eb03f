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
_LEGEND = re.compile(
    rf"\bno (?:{_FORBIDDEN})\b(?: {_MORE}{_SIGN}\b)?|"
    rf"\b(?:do not|don't) (?:[\w-]+ ){{1,4}}?{_SIGN}\b|"
    r"\b(?:slow(?: down)?|one way|wrong way|dead end|give way|right of way|not a through street|"
    r"(?:keep|turn|merge|exit|curve) (?:left|right|clear|out|only)|speed limit \d+|"
    r"(?:(?!(?:an?|the|and|or|one|two|with|is|are|no)\b)[a-z]+ ){1,2}"
    r"(?:at work|at play|work ahead|(?<!light )(?<!lights )ahead|closed|narrows|ends|xing|when wet|when flashing))"
    rf" {_MORE}{_SIGN}\b"
)
_QUOTED = re.compile(rf"(?:\"[^\"\n]{{1,60}}\"|(?<!\w)'[^'\n]{{1,60}}'(?!\w))(?P<sign>(?: [\w-]+)? {_SIGN}\b)?")
_READS = re.compile(
    r"\b(?:says?|said|reads?|reading|saying|label+ed|text|words?|letters|writing|written|marked|message|called|titled)\b"
)
_QUESTION = re.compile(
    r"(?<![^\n.!?:])[ \t]*(?:(?:q|question)[ \t]*\d*[.:)][ \t]*)?"
    r"(?:what|which|who|where|how|is|are|do|does|can|could)\b[^\n.!?]{0,300}\?"
)


def joined(text: str) -> str:
    """Underscores inside of what names one sign, "no entry sign"."""
    return _LEGEND.sub(lambda m: m[0].replace(" ", "_"), text)


def unquoted(text: str) -> str:
    """Without echoed questions and without what a sign reads ('says "stop"'); 'a "stop" sign' becomes one word."""
    text = _QUESTION.sub(lambda m: ";" * len(m[0]), text)
    return joined("\n".join(map(_unquoted, text.split("\n"))))


def _unquoted(line: str) -> str:
    """Quotations are a sign's legend, what something reads, or just a way to write a name."""
    reads = _READS.search(line) is not None

    def quoted(m: re.Match[str]) -> str:
        if m["sign"]:
            return re.sub(r"[^\w-]+(?=\w)", lambda gap: "_" * len(gap[0]), m[0][1:].replace('"', " ")).rjust(len(m[0]))
        return ";" * len(m[0]) if reads else m[0]

    return _QUOTED.sub(quoted, line)
