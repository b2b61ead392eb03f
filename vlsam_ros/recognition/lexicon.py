"""English words and what they do in a sentence: each has a tag of one character (`grammar` reads strings of tags)."""

from __future__ import annotations

import re

from .words import COUNTERS, singular

TAGS = {
    # before a noun
    "D": "a an one another each every un une ein eine una",
    "d": """
        the two three four five six seven eight nine ten eleven twelve twenty fifty dozen dozens hundred hundreds
        thousands several other others some any many few multiple various numerous single all both more most certain
        this these those first second third last et e.g i.e le la les des der das el los las same
        such closest farthest nearest furthest biggest largest smallest
        leftmost rightmost a|few a|dozen a|hundred""",
    "U": """
        meter meters metre metres m cm mm km kilometer kilometers kilometre kilometres mile miles yard yards foot feet ft
        inch inches mph kmh kph seconds minutes hours percent degree degrees pixel pixels px""",
    "s": "its his her their our your my",
    "e": "empty deserted",
    "l": "clear",
    "n": "first|responder first|aid",
    "m": "first|responders",
    "P": "double|parked",
    "h": "open loose wide ajar upright asleep",
    # between nouns
    "b": "beside behind near in|front|of close|to closer|to",
    "f": "from",
    "p": """
        on in at across under underneath beneath atop aboard above below between beyond inside outside within into onto toward towards
        against through past after before for during via along unlike amid among amongst alongside upon throughout down up over
        around wearing facing regarding based per using opposite dressed on|top|of out|of instead|of
        rather|than ahead|of to|the|left|of to|the|right|of on|either|side|of up|to according|to for|example such|that
        so|that parked|by stopped|by placed|by positioned|by located|by situated|by seated|by separated|by in|addition|to on|both|sides|of away|from""",
    "w": """
        with off plus riding including includes include next|to such|as as|well|as along|with together|with namely
        like versus vs con mit avec full|of because|of due|to""",
    "i": "by",
    "j": "with|its with|their has|its have|their had|its",
    "q": "as",
    "o": "of",
    "u": "to",
    "c": "and & und y as|are",
    "O": "or nor oder ou",
    # beside verbs and adjectives
    "a": """
        possibly probably maybe perhaps likely also apparently at|least at|most about approximately finally next then
        furthermore moreover yes too so sure ok okay very quite rather somewhat almost nearly far away close nearby
        ahead back forward low high together apart still already now currently either even well else again often
        always sometimes indeed how distant faraway no|doubt not|only not|just not|merely no|longer no|more|than
        more|than less|than fewer|than up|ahead far|away far|off half as|follows e.g. not|necessarily here
        there's|also thus hence overall both|of most|notably for|instance of|course in|addition as|seen able a|lot a|bit much
        close|by not|far in|total on|fire closer further farther nearer earlier later by|a|driver by|the|driver by|drivers watch|out look|out out approx ca circa""",
    "z": """
        visible present seen detected found apparent evident shown observed discernible spotted identified noticeable
        recognizable noted identifiable in|sight in|view""",
    # in clauses
    "r": """
        what i you he she it they we them him us me there it's i'm there's that's here's he's she's they're we're
        you're i've itself themselves everyone everybody someone somebody drivers|may|not driver|may|not drivers|might|not driver|might|not drivers|should drivers|could drivers|might
        drivers|may driver|should driver|could driver|might driver|may driver|can driver|would driver|must""",
    "t": "that which who whose whom",
    "x": """
        is are was were be been being am has have had may|not might|not could may might will would shall should must do does did seem
        seems appear appears remain remains look looks gets get""",
    "H": "can",
    "v": """
        aware|of turns|left turns|right turning|left turning|right turned|left turned|right out|for careful|of
        cautious|of watch|for look|for attention|to beware|of mindful|of filling|up make|out makes|out made|out making|out let's let picking|up picks|up watch|out|for look|out|for keep|an|eye|on setting|up set|up cleaning|up holding|up putting|up""",
    "y": """
        says said reads reading saying labeled labelled marked indicating indicates displaying warning|of warning|that
        telling meaning called named titled depicting""",
    "I": "if whether unless please",
    # denials and their exceptions
    "N": """
        no nope none nothing nobody no-one neither zero 0 free|of clear|of empty|of hardly|any barely|any hardly|a little|to|no little|or|no devoid|of absence|of lack|of
        no|sign|of no|signs|of no|one chance|of risk|of
        nowhere lacks""",
    "W": "without lacking",
    "M": """
        not never cannot can't unable|to not|able|to unfortunately sorry isn't aren't wasn't weren't don't doesn't
        didn't couldn't won't hasn't haven't hadn't wouldn't shouldn't ain't impossible|to difficult|to hard|to""",
    "E": """
        but only just however although though while yet whereas instead nevertheless because since until
        so|there when where
        merely simply""",
    "F": """
        except except|for besides apart|from aside|from other|than than excluding barring save|for but|for
        with|the|exception|of""",
}
"""Tag -> words and, with bars, phrases that have it.

D, d, s: articles, counts, whose; e, l: empty, clear; b, f, p: prepositions of which b and f ("behind a car") may bring
a new thing; w: "with a dog" does; o, u: of, to; c, O: and, or; a, z: adverbs, of which z say that something is there;
r, t: pronouns, relatives; x, H, v: auxiliaries, "can", phrases that see; y: "says"; I: if; N: none of what follows;
M: not; E, F: but, except. Words that are not here are nouns and adjectives: n, in the plural m; k counts what follows.
"""

VERBS = """
    abandon apologize appear approach ask attach attempt avoid become begin believe belong beware bring burn capture
    carry chase collide come comply comprise consider consist contain continue crash depict describe detect dig
    direct display drink drip eat emerge enter extend fall feature feel fill find fix follow get give go graze hang
    happen haul help hit hold hope identify illustrate include jump keep kick know lead lean let lie lift list load
    locate look lose make mean mention merge miss move need notice observe obstruct occur operate overlook overtake
    paint park place play portray pose position protrude provide pull push reach recognize remove repair require
    rise roam scatter see seem separate show showcase sit situate skid spill spot spread start step stray stretch
    strew suggest surround swerve swim take tell think throw tie tow transport try unload use wait wander want warn
    wear sweep shovel pour shed deliver drag climb kneel crouch squat lay sleep pedal chat talk greet feed pick inspect
    sell crawl perch dangle flutter loom shine glow slide flow leak bounce sink tilt topple jut hover obscure
    reveal occupy impede""".split()
ALSO_NOUNS = """
    back block break cover cross cut cycle drive face flash float guide head land leave light line load park pass
    pile point pole reflect rest ride roll run set sign signal stage stand stop stray support tip trail travel turn
    walk watch wave work stick fly queue wash skate swing""".split()
"""Verbs whose other forms are things, too: "concrete blocks", "bus stop"."""
PARTICIPLES = frozenset(
    """fallen broken lost bent torn hidden stuck worn thrown blown driven ridden built hung laid spilt hit caught bound
    dug held left tied made kept set spread led mounted""".split()
)
NO_PARTICIPLES = frozenset("bed shed sled seed weed reed moped steed flatbed speed feed breed hundred red".split())
NO_VERBS = frozenset(
    """building ceiling string railing sibling clothing fencing scaffolding bunting awning wedding gosling duckling
    evening morning spring sling painting drawing opening siding tubing piping bedding flooring roofing lightning
    pudding earring stocking bearing casing coating decking fitting herring hoarding housing icing kindling lettering
    lodging matting meeting mooring netting offering outing paving paneling panelling plating plumbing padding sapling
    seating shelving stuffing wiring wrapping footing gathering carving fledgling dwelling planking edging drawstring
    shoestring""".split()
)
NO_GERUNDS = frozenset("crossing parking lighting covering lining backing landing sign signing marking".split())
"""Words in -ing that are things after a noun, unless an object comes: "zebra crossing"."""
TRANSITIVE = frozenset(
    """carrying holding pushing pulling towing hauling transporting blocking riding chasing containing showing
    loading unloading directing controlling collecting repairing fixing herding feeding selling delivering leading
    eating throwing drinking dragging inspecting shoveling spraying dropping leaking wheeling""".split()
)
SAME_PLURAL = frozenset("sheep deer cattle fish moose bison police livestock".split())
NO_ADVERBS = frozenset(
    """family assembly supply jelly bully dolly fly butterfly dragonfly lily belly anomaly ally gully rally elderly ugly curly lonely friendly smelly wobbly deadly""".split()
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
    """Word -> tag, with V: a verb's third person, B: its base form (A, K: or a noun), G, T: -ing, P: -ed."""
    tags: dict[str, str] = {}
    for base in (*VERBS, *ALSO_NOUNS):
        third, ing, past = _forms(base)
        tags |= {base: "K", third: "A"} if base in ALSO_NOUNS else {base: "B", third: "V"}
        tags |= dict.fromkeys(ing, "G") | dict.fromkeys(past, "P")
    tags |= dict.fromkeys(PARTICIPLES, "P") | dict.fromkeys(TRANSITIVE, "T") | dict.fromkeys(NO_GERUNDS, "C")
    return tags | {word: tag for tag, words in TAGS.items() for word in words.split() if "|" not in word}


_COUNTERS = COUNTERS | set(
    """handful presence possibility load rest sign herd sort amount plenty majority remains part half portion rear top
    bottom remnant""".split()
)
LEXICON = _lexicon()
PHRASES = {
    **{phrase.replace("|", " "): tag for tag, words in TAGS.items() for phrase in words.split() if "|" in phrase},
    **{f"{counter}{ending} of": "k" for counter in _COUNTERS for ending in ("", "s")},
}


def tag_of(word: str) -> str:
    """The tag by a word's form alone; digits count, and unknown words are nouns (n; m in the plural)."""
    known = LEXICON.get(word) or PHRASES.get(" ".join(word.split()))
    if known:
        return known
    if not word[0].isalnum():
        return "," if word == "," else ";"
    if re.fullmatch(rf"\d+(?:{'|'.join(TAGS['U'].split())})", word):
        return "a"
    if word[0].isdigit() and (word[-1].isdigit() or word[-1] == "x") or (word[0] == "x" and word[1:].strip().isdigit()):
        return "d"
    if word.endswith("n't"):
        return "M"
    if len(word) > 4 and word.endswith("ly") and word not in NO_ADVERBS:
        return "a"
    if len(word) > 4 and word.endswith("ed") and word not in NO_PARTICIPLES:
        return "P"
    if len(word) > 4 and word.endswith("ing") and word not in NO_VERBS:
        return "G"
    return "n" if singular(word) == word and word not in SAME_PLURAL else "m"
