"""Which words of an answer's sentences and lists are names: each word gets a tag, and patterns over the tags decide.

A tag is one character, so that a text becomes a string of tags and each rule a regular expression over it, in this order:
`_words` (a tag by a word's form), `_RESOLVED` (verb or noun, by the neighbours), `_denied` (how far a denial goes), and
`noun_phrases` (what is left: names, places that are dropped, what is said of a subject).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .words import COUNTERS, singular

_TAGS = {
    # before a noun
    "D": "a an one another each every un une ein eine una",
    "d": """the two three four five six seven eight nine ten eleven twelve twenty fifty dozen dozens hundred hundreds
        thousands several other others some any many few multiple various numerous single all both more most certain this
        these those first second third last et e.g i.e le la les des der das el los las same such""",
    "s": "its his her their our your my",
    # around a noun
    "p": """on in at by across under underneath above below between beyond inside outside within into
        onto toward towards against through past for during via as along unlike amid among amongst alongside upon
        throughout down up over out around wearing facing regarding based due per using opposite until dressed on|top|of out|of
        because|of instead|of ahead|of to|the|left|of to|the|right|of on|either|side|of up|to according|to
        for|example such|that so|that in|addition|to on|both|sides|of away|from""",
    "w": """with off plus riding including includes include next|to such|as as|well|as along|with together|with namely
        followed|by surrounded|by towed|by pulled|by pushed|by carried|by blocked|by driven|by like versus vs con mit avec""",
    "o": "of",
    "u": "to",
    "c": "and & und y as|are",
    "O": "or nor oder ou",
    "a": """possibly probably maybe perhaps likely also apparently at|least at|most about approximately finally next
        then furthermore moreover yes too so sure ok okay very quite rather somewhat almost nearly far away close nearby
        ahead back forward low high together apart still already now currently either even well else again often
        always sometimes indeed how distant faraway no|doubt not|only not|just not|merely no|longer no|more|than
        more|than less|than fewer|than up|ahead far|away far|off half clear as|follows e.g. not|necessarily here there's|also thus
        hence overall both|of most|notably for|instance of|course in|addition as|seen able lot much close|by not|far
        in|total in|sight in|view on|fire""",
    "z": """visible present seen detected found there apparent evident shown observed discernible spotted identified
        noticeable recognizable noted identifiable in|sight in|view""",
    # clauses
    "r": """what i you he she it they we them him us me there it's i'm there's that's here's he's she's they're we're you're
        i've itself themselves everyone everybody someone somebody drivers|should drivers|could drivers|might drivers|may
        driver|should driver|could driver|might driver|may driver|can driver|would driver|must""",
    "t": "that which who whose whom",
    "x": """is are was were be been being am has have had can could may might will would shall should must do does did
        seem seems appear appears remain remains look looks gets get""",
    "H": "can",
    "e": "empty deserted",
    "l": "clear",
    "b": "beside behind near in|front|of close|to",
    "v": "aware|of turns|left turns|right turning|left turning|right turned|left turned|right out|for careful|of cautious|of attention|to beware|of mindful|of",
    "f": "from",
    "y": """says said reads reading saying labeled labelled marked indicating indicates displaying warning|of warning|that
        telling meaning called named titled depicting""",
    "I": "if whether unless please",
    # denials and their exceptions
    "N": """no none nothing nobody no-one neither without zero 0 free|of clear|of empty|of devoid|of absence|of lack|of
        no|sign|of no|signs|of no|one nowhere lacks lacking""",
    "M": """not never cannot can't unable|to not|able|to unfortunately sorry isn't aren't wasn't weren't don't doesn't didn't
        couldn't won't hasn't haven't hadn't wouldn't shouldn't ain't impossible|to difficult|to hard|to fails|to""",
    "E": """but only just however although though while yet whereas instead nevertheless because since so|there when
        where merely simply rather|than""",
    "F": """except except|for besides apart|from aside|from other|than than excluding barring save|for but|for
        with|the|exception|of""",
}  # fmt: skip
"""Tag -> words and, with bars, phrases that have it."""

EXISTENTIAL = frozenset("what there there's here here's".split())
GENERIC = frozenset(
    """object objects thing things item items hazard hazards obstacle obstacles name names element elements list ones
    following""".split()
)
"""What is said of these is the answer: "the objects are car, dog"."""
ROADS = frozenset(
    """road roads street streets lane lanes highway way path view sidewalk shoulder side sides surface intersection
    traffic left right both main two-lane entire whole rest area ground pavement crosswalk roadway roadside""".split()
)
"""What the sentence "the road is wet" is about, and where things are when they block it."""

_VERBS = """carry hold contain sit lie wear pull push throw hang follow approach enter move wait lean repair dig kick
    play fall spill fill direct rise hit tow crash drip burn overtake merge emerge jump lift lose need suggest warn see
    spot notice observe identify detect recognize overlook miss show depict feature showcase display portray capture
    illustrate consist comprise transport haul load unload tie attach place position locate situate scatter park abandon
    strew separate list describe mention provide mean make use help hope find seem happen occur want think believe
    require avoid beware consider protrude spread lead extend belong pose become remove fix paint surround reach
    separate attempt try start begin continue come go get give take look know go bring keep let tell ask step chase
    swerve skid swim eat drink graze roam wander stray collide obstruct operate stretch appear include let feel apologize comply""".split()
_ALSO_NOUNS = """block stand cross walk run drive stop park cover face leave light turn ride rest travel work break sign
    signal point trail line cut pass back head load wave pole watch guide support reflect stray stage run flash cycle
    land pile roll float tip set""".split()
"""Verbs whose other forms are things, too: "concrete blocks", "bus stop"."""
_PARTICIPLES = frozenset(
    """fallen broken lost bent torn hidden stuck worn thrown blown driven ridden built hung laid spilt hit caught bound
    dug held left tied made kept set spread led set|up mounted""".split()
)
_NO_PARTICIPLES = frozenset("bed shed sled seed weed reed moped steed flatbed speed feed breed hundred red".split())
_NO_GERUNDS = frozenset("crossing parking lighting covering lining backing landing sign signing marking".split())
"""Words in -ing that are things after a noun, unless an object comes: "zebra crossing"."""
_TRANSITIVE = frozenset(
    """carrying holding pushing pulling towing hauling transporting blocking riding chasing containing showing
    loading unloading""".split()
)
_SAME_PLURAL = frozenset("sheep deer cattle fish moose bison police livestock".split())
_NO_ADVERBS = frozenset(
    """family assembly supply jelly bully dolly fly butterfly dragonfly lily belly anomaly ally gully rally""".split()
)


def _forms(base: str) -> tuple[str, set[str], set[str]]:
    """A regular verb's third person, -ing forms and -ed forms; consonants doubled as well as not."""
    stem = base[:-1] if base.endswith("e") and not base.endswith("ee") else base
    ending = base + base[-1]
    if re.search(r"[^aeiou]y$", base):
        third, past = base[:-1] + "ies", base[:-1] + "ied"
    else:
        third, past = base + ("es" if re.search(r"(s|x|z|sh|ch|go|do)$", base) else "s"), stem + "ed"
    ing = "lying" if base == "lie" else "tying" if base == "tie" else stem + "ing"
    return third, {ing, ending + "ing"}, {past, ending + "ed"}


def _lexicon() -> dict[str, str]:
    """Word -> tag. V, A: third person, of a verb that is (A: also) a noun's plural; B: base form; G, T: -ing; P: -ed."""
    tags: dict[str, str] = {}
    for base in (*_VERBS, *_ALSO_NOUNS):
        third, ing, past = _forms(base)
        tags |= {base: "B", third: "A" if base in _ALSO_NOUNS else "V"}
        tags |= dict.fromkeys(ing, "G") | dict.fromkeys(past, "P")
    tags |= dict.fromkeys(_PARTICIPLES, "P") | dict.fromkeys(_TRANSITIVE, "T") | dict.fromkeys(_NO_GERUNDS, "C")
    return tags | {word: tag for tag, words in _TAGS.items() for word in words.split() if "|" not in word}


_LEXICON = _lexicon()
_PHRASES = {
    phrase.replace("|", " "): tag for tag, words in _TAGS.items() for phrase in words.split() if "|" in phrase
} | {f"{counter}{s} of": "k" for counter in (*COUNTERS, "handful", "presence", "possibility", "load", "rest", "sign", "herd", "sort",
     "amount", "plenty", "majority", "remains") for s in ("", "s")}  # fmt: skip
_TOKEN = re.compile(
    rf"(?:{'|'.join(p.replace(' ', ' +') for p in sorted(_PHRASES, key=len, reverse=True))})(?![\w'-])|"
    r"\d+ ?x(?!\w)|x ?\d+(?!\w)|[^\W_]+(?:['_-][^\W_]+)*|(?<!\S)-+(?!\S)|[^\w\s'-]|[\n\t]"
)

_RESOLVED = [
    (re.compile(pattern), tag)
    for pattern, tag in (
        (r"(?<=[nmBGP])H(?![xBVAauMr])", "n"),
        (r"H", "x"),
        (r"[fb](?=D)", "w"),
        (r"[fb]", "p"),
        (r"(?<=[xMar])G|(?<=xa)G|(?<=[xMar])T|(?<=xa)T", "v"),
        (r"(?<=[nmGPAB])T(?=[dDsnmGPABa])", "v"),
        (r"(?<=[nm])[GT](?![nmGTPABC])", "v"),
        (r"(?<![dDsnmGTPABCok])[GT](?![nmGTPABC])", "v"),
        (r"[GT](?=[dDs])", "v"),
        (r"C(?=[dDs])|(?<=x)C", "v"),
        (r"P(?![nmGTPABVC])", "v"),
        (r"(?<=x)P|(?<=xa)P", "v"),
        (r"(?<=[nmGPABCrtazy])V|(?<=[rtx])A|(?<=[nmGP])A(?=[dDs])|(?<=[;,c])V(?=[dDspw])|(?<=c)A(?=[ds])", "v"),
        (
            r"(?<=[xruM])B|(?<=E)B(?=[dDsr])|(?<=xa)B|(?<=ra)B|(?<=[mA])B(?![nmGPABVC])|(?<=m)B(?=m)|(?<=;)B(?=[dDsr])",
            "v",
        ),
    )
]
_SINGULAR_VERB = re.compile(r"(D[nGTPABC]*[nGTPABC])A(?![nmGTPABVC])")

_LIST = r"(?:[,cO]+(?![dDxrNMEF;]|[nm]+a*[xv])[^;,cOEFNM]*|O[^;,cOEFNM]*)*"
_DENIALS = [
    re.compile(pattern)
    for pattern in (
        rf"N[^;,cOEFNM]*{_LIST}",
        r"(?<=r)[xa]*M[^;EFM]*O[^;,EF]*",
        rf"(?<=r)[xa]*M[^;,cOEFNM]*{_LIST}",
        r"M[auxv]*[^;,cxEFM]*",
        r"I[^;]*",
    )
]
_ABSENT = re.compile(r"x?[xa]*M[xa]*z")
_FRONTED = re.compile(r"(?<![^;])[,ad]*F(?P<rest>[^;]*)")
_LEFT_OVER = str.maketrans("GTPBCVA", "nnnnnmm")
_FINAL = str.maketrans("zFIMel", "aE;;na")
_CHUNK = re.compile(
    r"(?P<place>[pu]+(?:[dDsao]*[nm]{0,3}k)?[dDsao]*(?:[nm]+(?:o[dDsa]*[nm]+)*)?)|(?P<own>ws[nma]+)|"
    r"(?P<lead>(?:[dDsao]*[nm]{0,3}k)?[dDsao]*)(?P<name>[nm]+(?:o[dDsa]*[nm]+)*)|(?P<other>.)"
)
_ACTS = re.compile("a*(?:p[dDsapo]*[nm]+(?:o[dDs]*[nm]+)*a*)*[xv]")
_DETERMINED = re.compile("[dDsk]")


def noun_phrases(text: str) -> Iterator[list[re.Match[str]]]:
    """The words of each phrase that names something, counts and articles left out, in order.

    Args:
        text: lower case; what is not to be read is blanked with semicolons, words that belong together are joined by
            underscores.
    """
    words = list(_TOKEN.finditer(text))
    tags = _denied(_resolved("".join(_tag(w[0]) for w in words)))
    subject = predicate = relative = False
    for chunk in _CHUNK.finditer(tags):
        kind, (start, end) = chunk.lastgroup, chunk.span()
        if kind == "name":
            found = words[chunk.start("name") : end]
            texts = {w[0] for w in found}
            acts = _ACTS.match(tags, end) is not None
            said_of = (predicate and tags[end - 1] == "n") or relative
            backdrop = texts <= ROADS and (acts or tags[start - 1 : start] in ("v", "w"))
            generic = acts and bool(texts & GENERIC)
            if not backdrop and not generic and (acts or not said_of or _DETERMINED.search(chunk["lead"])):
                yield found
            if acts:
                predicate, subject = False, not generic
        elif kind == "other":
            before, tag = tags[start - 1 : start], chunk["other"]
            if tag == ";":
                subject = predicate = relative = False
            elif tag in ",E":
                relative = False
            elif tag == "x":
                predicate = subject
            elif tag == "r":
                predicate, subject = False, words[start][0] not in EXISTENTIAL
            elif tag == "y" or (tag == "t" and before and before in "nmao"):
                relative = True
            if tag in "vEw":
                predicate = False
        else:
            predicate = False


def _tag(word: str) -> str:
    """The tag by a word's form alone; digits count, and unknown words are nouns (n; m in the plural)."""
    known = _LEXICON.get(word) or _PHRASES.get(" ".join(word.split()))
    if known:
        return known
    if not word[0].isalnum():
        return "," if word == "," else ";"
    if word[0].isdigit() and (word[-1].isdigit() or word[-1] == "x") or (word[0] == "x" and word[1:].strip().isdigit()):
        return "d"
    if word.endswith("n't"):
        return "M"
    if len(word) > 4 and word.endswith("ly") and word not in _NO_ADVERBS:
        return "a"
    if len(word) > 4 and word.endswith("ed") and word not in _NO_PARTICIPLES:
        return "P"
    return "n" if singular(word) == word and word not in _SAME_PLURAL else "m"


def _resolved(tags: str) -> str:
    """Verbs (v) told from nouns by their neighbours; places, exceptions and counts as they are."""
    tags = _SINGULAR_VERB.sub(r"\1v", tags)
    for pattern, tag in _RESOLVED:
        tags = pattern.sub(tag, tags)
    tags = tags.translate(_LEFT_OVER)
    return _FRONTED.sub(lambda m: m[0].replace("F", "E" if re.search("[NMel]", m["rest"]) else "p"), tags)


def _denied(tags: str) -> str:
    """Semicolons for what is denied."""
    for absent in reversed(list(_ABSENT.finditer(tags))):
        first = len(tags[: absent.start()].rstrip("dDsanmozp,cO"))
        tags = tags[:first] + ";" * (absent.end() - first) + tags[absent.end() :]
    for pattern in _DENIALS:
        tags = pattern.sub(lambda m: ";" * len(m[0]), tags)
    return tags.translate(_FINAL)
