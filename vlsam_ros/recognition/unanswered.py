"""Why an answer says nothing: it must not pass for "there is nothing"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..config import QuestionOptions
from .answers import parse_names
from .text import plain, thoughts

EMPTY, THOUGHT, REPETITION = "empty", "a thought and no answer", "repetition"
REFUSAL, UNDECIDED = "refusal", "cannot tell"
"""What `no_answer` may say."""

_LONGEST_UNIT = 64
"""Words, or characters, that a runaway answer may repeat."""
_TAIL = 2048
"""Words, or characters, at its end that are looked at."""

_PICTURE = r"(?:image|picture|photo|photograph|screenshot|file|attachment)s?\b"
_CANNOT = (
    r"\b(?:can ?not|can't|couldn't|could not|won't|will not|(?:un|not )able to|not (?:capable of|equipped to)|"
    r"(?:don't|do not) have (?:the |an? )?(?:ability|capability|capacity|access)(?: to)?)"
)
_REFUSAL = re.compile(
    r"\bas an? (?:\w+ ){0,3}(?:ai|assistant|llm|model)\b|"
    r"\bi(?:'m| am) (?:only |just )?an? (?:ai|large|language|text)\b|"
    rf"{_CANNOT}(?: \w+){{0,2}} (?:help|assist|provide|comply|fulfil+|answer|process|analy[sz]e|access|open|load|"
    r"discuss|continue|engage|generate|do (?:that|this|so))\b|"
    rf"{_CANNOT}(?: directly| actually| currently)? (?:see|view|perceive|look at|interpret|read|display)(?: or \w+)?"
    rf"(?: (?!any\b)\w+){{0,2}} {_PICTURE}|"
    rf"{_CANNOT} (?:see|view)(?: it| that| this)?\s*(?:[.!;]|\Z)|"
    rf"{_CANNOT}(?: \w+)? (?:identify|recogni[sz]e|describe|detect|list)(?: (?!any\b|no\b)\w+){{0,6}} {_PICTURE}|"
    rf"\bno {_PICTURE}(?: \w+){{0,3}} (?:provided|attached|uploaded|shared|given|available|visible)|"
    rf"\b(?:don't|do not) see (?:an|the|your|any) {_PICTURE}|"
    r"\b(?:please|kindly|could you|can you) (?:\w+ )?(?:provide|upload|attach|share|send|resend)\b|"
    rf"\b{_PICTURE} (?:was|is|has|did|does|could|can)(?: ?not|n't)(?: been)? "
    r"(?:load|attach|upload|provid|display|availab|access|process|open)\w*"
)
_SORRY = re.compile(
    r"\W*(?:(?:i(?:'m| am) )?(?:so |very |really )?sorry|apologies|i (?:do )?apologi[sz]e|lo siento|desculpe|"
    r"je suis désolé|es tut mir leid|mi dispiace)\b"
)
_SORRY_ELSEWHERE = re.compile(r"\W*很?(?:抱歉|对不起|對不起|我无法|我無法|无法|無法|作为|作為|申し訳|죄송)")
_UNDECIDED = re.compile(
    r"\b(?:too|so|very|completely|entirely|totally|all|just|quite|extremely) (?:dark|black|white|blank|blurr(?:y|ed)|"
    r"bright|noisy|unclear|grainy|hazy|over-?exposed|under-?exposed|low)\b|"
    rf"\b(?:{_PICTURE}|view|frame|scene) (?:is|appears|seems|looks)(?: to be)? (?:\w+ )?(?:black|blank|white|"
    r"blurr(?:y|ed)|unclear|corrupted|distorted|not clear|dark|over-?exposed)\b|"
    rf"{_CANNOT}(?: be)? (?:determin|tell|say|make out|confirm|judge|know|discern|distinguish|be sure|assess)|"
    r"\b(?:im|not )possible to (?:determine|tell|say|identify|know|see|make out|assess)|"
    r"\b(?:difficult|hard) to (?:determine|tell|say|identify|know|see|make out|discern)|"
    r"\b(?:don't|do not) know\b|\bnot (?:sure|certain|clear)\b|\bunsure\b|\bno idea\b|"
    r"\A\W*(?:unclear|unknown|uncertain)\b|\b(?:not enough|insufficient|without more) (?:information|detail|context)"
)
_NOTHING = re.compile(
    r"\b(?:no(?! (?:idea|way\b|image|picture|photo))|none|nothing|nobody|without|"
    r"(?:don't|do not|can't|cannot|can not|unable to|not able to) (?:see|find|spot|detect|identify)(?: any\w*| a)|"
    r"(?<!not )(?:clear|empty|free) (?:of|road))\b"
)


def no_answer(text: str, truncated: bool, options: QuestionOptions) -> str:
    """Why an answer says nothing, in a word or two; "" if it names something, or says that nothing is there.

    A truncated answer that runs away in a repetition is one even where it names something: the names count, but what it
    would have said instead of repeating itself is not known.
    """
    said, _ = plain(text)
    words = re.findall(r"\w+", said)
    if not words:
        if re.search(r"\[\s*\]|\{\s*\}", said):
            return ""
        return THOUGHT if thoughts(text) else REPETITION if _repeats(said, 32) else EMPTY
    runaway = _repeats([w for w in words if not w.isdigit()][: -1 if truncated else None], 8) or _repeats(said, 96)
    if runaway and truncated:
        return REPETITION
    if not _SORRY_ELSEWHERE.match(said) and parse_names(text, options, truncated):
        return ""
    if runaway:
        return REPETITION
    nothing = _NOTHING.search(said)
    if _REFUSAL.search(said) or _SORRY_ELSEWHERE.match(said) or (_SORRY.match(said) and not nothing):
        return REFUSAL
    if _UNDECIDED.search(said) and not nothing:
        return UNDECIDED
    return EMPTY if said.rstrip("; \n*").endswith(":") else ""


def _repeats(sequence: Sequence[str], least: int) -> bool:
    """Whether a sequence ends in four or more repetitions of one unit that make up at least `least` elements."""
    tail = sequence[-_TAIL:]
    for period in range(1, min(_LONGEST_UNIT, len(tail) // 4) + 1):
        same = period
        while same < len(tail) and tail[-1 - same] == tail[-1 - same + period]:
            same += 1
        if same >= max(least, 4 * period):
            return True
    return False
