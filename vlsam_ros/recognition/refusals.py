"""What in an answer is no answer: refusals, doubts, courtesies. Tables of words, and the clauses that they make."""

from __future__ import annotations

import re

REFUSAL, UNDECIDED = "refusal", "cannot tell"
"""What `heard` may find, beside ""."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_PICTURE = r"(?:images?|pictures?|photos?|photographs?|screenshots?|files?|attachments?|video)\b"
_FLAW = (
    r"(?:dark|black|blank|blurr(?:y|ed)|unclear|corrupt(?:ed)?|distorted|obstructed|obscured|blocked|noisy|noise|static|"
    r"grainy|hazy|foggy|darkness|pixelated|low[- ]resolution|unreadable|illegible|poor|missing|invalid|damaged|"
    r"(?:over|under)-?exposed)\b"
)
_WHOLLY = r"(?:(?:too|so|very|completely|entirely|totally|fully|all|just|only|quite|pure|solid|extremely|mostly)\b )"
_CANNOT = (
    r"\b(?:can ?not|can't|could(?: not|n't)|wo(?:uld )?n't|will not|unable to|not (?:able|capable|equipped) (?:to|of)|"
    r"it(?:'s| is| was)? (?:\w+ )?(?:(?:im|not )possible|difficult|hard) to|"
    r"(?:no|not|never|without) (?:\w+ ){0,3}(?:ability|way|means) (?:to|of))\b(?: be able to\b)?"
)
_SENSE = (
    r"(?:see|view|perceive|look at|interpret|read|display|identify|recogni[sz]e|describe|detect|list|discern|"
    r"distinguish|find|spot|make out|make anything out)\b"
)
_SERVE = (
    r"(?:help|assist|provide|comply|fulfil+|answer(?:ing)?|respond|process|analy[sz]e|access|open|load|discuss|continue|"
    r"engage|generate|do (?:it|that|this|so))\b"
)
_JUDGE = r"(?:be sure|be certain|determine|tell|say|confirm|judge|know|assess|verify|conclude)\b"

_REFUSES = _any(
    r"\bas an? (?:\w+ ){0,3}(?:ai|assistant|llm|model)\b",
    r"\bi(?:'m| am) (?:only |just )?an? (?:ai|large|language|text)\b",
    rf"{_CANNOT}(?: \w+){{0,2}} {_SERVE}",
    rf"{_CANNOT}(?: \w+)? {_SENSE}(?: or \w+)?(?: (?!any\b|no\b)\w+){{0,6}} {_PICTURE}",
    rf"\b(?:do not|don't) (?:see|have)(?: \w+){{0,3}} {_PICTURE}",
    r"\b(?:do not have|don't have|lack) (?:the |an? |any )?(?:ability|capability|capacity|access)\b",
    rf"\bno {_PICTURE}(?! (?:of|on)\b)",
    rf"\b{_PICTURE}(?: \w+){{0,2}}(?: ?not|n't|(?: has)? failed to)(?: \w+)? "
    r"(?:load|attach|upload|provid|display|availab|access|process|open|support)\w*",
    r"\b(?:please|kindly|could you|can you) (?:\w+ )?(?:provide|upload|attach|share|send|resend)(?: \w+){0,3} "
    rf"{_PICTURE}",
    r"\A\W*(?:time-?out|rate limit|(?:\w+ ){0,2}error)"
    r"(?: \d+| exceeded| (?:loading|opening|reading|processing)\b.*)?\W*\Z",
    r"\b(?:i|we) (?:\w+ ){0,3}(?:decline|refuse|abstain|prefer not|rather not)\b",
    r"\bi(?:'m| am) not (?:comfortable|allowed|permitted|authori[sz]ed)\b",
    r"\b(?:request|access|permission) (?:\w+ ){0,2}(?:denied|rejected|blocked|refused|declined)\b",
    r"\b(?:content|usage|safety) (?:policy|policies|guidelines|filter)\b|\bviolat\w+ (?:\w+ ){0,3}polic",
    r"很?(?:抱歉|对不起|對不起|我?无法|我?無法|不能|作为|作為)|申し訳|죄송",
    r"\b(?:lo siento|desculpe|désolée?|es tut mir leid|mi dispiace|je ne (?:peux|suis|vois|sais)|"
    r"(?:no|non) (?:puedo|posso|lo sé|lo so)|não (?:posso|sei)|ich weiß nicht|ich kann (?:\w+ ){0,2}nicht)\b",
)
_DOUBTS = _any(
    rf"\b(?:{_PICTURE}|visibility|view|frame|scene|screen|question|quality|it)(?: \w+)? "
    r"(?:is|are|appears?|seems?|looks?)"
    rf"(?: to be)? (?:an? )?{_WHOLLY}?(?:white|gr[ae]y|{_FLAW})(?! and white)(?: (?:colou?r|to|for)\b[^,]*)?",
    rf"\b{_PICTURE} is empty\b(?! of)",
    rf"\b{_PICTURE}(?: \w+)? (?:shows?|contains?|has) (?:only )?(?:noise|static)\b",
    rf"\b{_WHOLLY}{_FLAW}(?=\W*\Z| (?:to|for|and|so|because)\b|,)(?: to\b[^,]*)?|\b{_WHOLLY}(?:white|black)\W*\Z",
    rf"\b(?<!and )(?:an? )?(?:white|{_FLAW}) (?:image|picture|photo|photograph)\b(?! frame)",
    r"\A\W*(?:an? )?(?:black|blank|white) screen\W*\Z|\bsee (?:only )?darkness\b",
    rf"\A\W*but (?:{_FLAW}|white|gr[ae]y)\W*\Z",
    r"\b(?:low|poor|no|zero) visibility\b[^,]*",
    rf"\b(?:camera )?(?:lens|camera) (?:is|was) (?:\w+ )?(?:covered|dirty|broken|off|{_FLAW}).*",
    rf"{_CANNOT}(?: \w+)? {_JUDGE}[^)]*",
    rf"{_CANNOT}(?: (?:clearly|really|actually))? {_SENSE}(?! (?:any|an?|no) (?!more\b)\w|(?<=find) any)"
    r"(?! any\w+ (?:unusual|dangerous|hazardous|suspicious|else|out|in the way|that|wrong|odd))[^,)]*",
    r"\bcan(?: ?not|'t)?(?: be)? (?:clearly )?(?:identified|discerned|recogni[sz]ed)\b.*",
    r"\bnothing (?:\w+ )?(?:can|could) be .*|\bnothing (?:recogni[sz]|identifi|discern)able\b|"
    r"\bnothing to (?:see|identify|describe)\b|\bhaving (?:trouble|difficulty|problems?) \w+ing\b.*",
    r"\b(?:do not|don't) (?:really )?know\b[^)]*|\bnot (?:sure|certain|clear|apparent)\b[^)]*|\bunsure\b[^)]*",
    r"\bno (?:idea|way|comment|answer|response|result)\b[^)]*",
    r"\b(?:is|are|'s|remains?) (?:unclear|unknown|uncertain)\b.*",
    r"\A\W*(?:\w+ )?(?:unclear|unknown|uncertain|undetermined|tbd)\W*\Z",
    r"\b(?:not enough|insufficient|without more) (?:information|detail|context|light)\b.*",
    r"\bi (?:would )?need (?:to|an?|the|more)\b.*",
)
_COURTESY = _any(
    r"\b(?:i(?:'m| am) )?(?:so |very |really )?sorry\b|\b(?:my )?(?:sincere )?apologies\b",
    r"\bi (?:do )?apologi[sz]e\b(?: for (?:the|any) \w+)?|\bi(?:'m| am) afraid\b(?: that\b)?|\bunfortunately\b",
    r"\b(?:sure|certainly|of course|okay|ok)\b(?=[,!])|\bno (?:problem|worries)\b|\blet me\b.*",
    r"\b(?:i can|i'll|happy to|glad to) (?:certainly )?help\b.*",
    r"\bthank(?:s| you)\b.*|\byou're welcome\b|\A\W*(?:understood|got it)\b",
)
_OFFER = _any(
    r"\b(?:can|may|could|shall|should) i\b|\bwould you like\b|\byou(?:'d| would) like\b",
    r"\byou (?:want|need|mean)\b|\bhelp you\b",
    r"\b(?:could|can) you (?:please )?(?:clarify|rephrase|provide|specify|share|upload)\b",
)
_NOTHING = _any(
    r"(?:\b(?:es gibt|il n'y a) )?\b(?:nichts|keine?[rsnm]?|aucune?|rien|nada|ningun[oa]?|ningún|niente|nessun[oa]?|"
    r"nenhuma?|нет|ничего)\b[^,]*",
    r"\b(?:无|無|没有|沒有|なし|ない|없음)(?=\W|\Z).*|(?:没有|沒有)\w*",
)
_DENIES = _any(
    r"\b(?:no|none|nothing|nobody|nope|nah|nowhere|neither|zero|0|null|nil|false|n/a|without|hardly any|devoid|absence)"
    r"\b(?!-)",
    r"(?:n't|\bnot|\bcannot|\bunable to|\bnever)\b(?: \w+){0,3} (?:any\w*|an?)\b",
    r"\b(?:do not|don't|does not|doesn't) (?:see|find|spot|detect|notice|show|contain|appear)\b",
    r"(?<!not )(?<!image is )(?<!picture is )(?<!photo is )(?<!sky is )(?<!weather is )\b(?:clear|empty|deserted|free|"
    r"unobstructed)\b(?! (?:picture|image|photo|sky|skies|day|weather))",
    r"\bnot (?:visible|present|there|detected)\b|\[\s*\]|\{\s*\}",
)
_BUT = r"\b(?:but|however|although|though|yet|except|nevertheless|still)\b"
_CLAUSE = re.compile(rf"(?:{_BUT})?(?:(?!{_BUT}|[.!?](?!\w))[^\n;:\"])+\??")
_LEAD = re.compile(r"\W*(?:due to|because|for|given|since|as|without|in|based|to|from|regarding|with)\b")
_SORRY = re.compile(r"\W*(?:i(?:'m| am) )?(?:\w+ )?(?:sorry|apologies|apologi[sz]e|afraid)\b")


def heard(said: str) -> tuple[str, str]:
    """An answer with what says nothing blanked out, and why it does: `REFUSAL`, `UNDECIDED`, or "".

    A clause ends with the sentence, at a colon or quotation mark, and before "but": of "I can't see the image, but
    there is a dog" the dog is left. A refusal is taken out from the comma before it to the end of its clause, a doubt
    ("too dark to see") without what stands before it; both go with what leads to them, "Due to fog, I can't …".

    Args:
        said: lower case, as `text.plain` makes it.

    Returns:
        A text of the same length, semicolons for what was taken out.
    """
    pieces, end, reasons = [], 0, {""}
    for clause in _CLAUSE.finditer(said):
        text = _NOTHING.sub(_blank, _COURTESY.sub(_blank, clause[0]))
        leads = _LEAD.match(clause[0]) is not None
        if text.endswith("?") and offers(text):
            text = ";" * len(text)
        if refusal := _REFUSES.search(clause[0]):
            reasons.add(REFUSAL)
            first = 0 if leads or text[0] == ";" else clause[0].rfind(",", 0, refusal.start()) + 1
            text = text[:first].ljust(len(text), ";")
        elif said[clause.end() : clause.end() + 1] != ":" and _DOUBTS.search(text):  # "I can't see: dogs" is a denial
            reasons.add(UNDECIDED)
            text = ";" * len(text) if leads else _DOUBTS.sub(_blank, text)
        pieces += [said[end : clause.start()], text]
        end = clause.end()
    return "".join([*pieces, said[end:]]), next((r for r in (REFUSAL, UNDECIDED) if r in reasons), "")


def sorry(said: str) -> bool:
    """Whether it begins with an apology."""
    return _SORRY.match(said) is not None


def offers(sentence: str) -> bool:
    """Whether a question goes to the user: "What would you like to know?"."""
    return _OFFER.search(sentence) is not None


def denies(said: str) -> bool:
    """Whether it says in so many words that nothing is there."""
    return any(words.search(_COURTESY.sub(_blank, said)) for words in (_DENIES, _NOTHING))


def _blank(m: re.Match[str]) -> str:
    return ";" * len(m[0])
