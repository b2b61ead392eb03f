"""English words and what they do in a sentence: a tag of one character each (`grammar` reads strings of tags)."""

from __future__ import annotations

import re

from .words import COUNTERS, singular

MEANINGS = {
    # words of names
    "n": "a noun or an adjective: any word that is not known",
    "m": "the same in the plural",
    "h": 'an adjective (n) in front of a noun, else an adverb (a): "open door", "with the door open"',
    "U": 'a measure after a count (a), else a noun: "20 meters ahead", "parking meter"',
    "e": "empty: an adjective, and in front of an exception a denial",
    "l": "the same, but no part of a name: clear",
    # before names
    "D": "an article or a count that comes with the singular",
    "d": "another article or count",
    "s": "whose it is",
    "k": 'a counter: "group of"',
    # verbs
    "v": "a verb, with all that makes one of it",
    "x": "an auxiliary or a copula",
    "H": 'an auxiliary (x) or a noun: "can"',
    "B": "a verb's base form, or a noun",
    "K": "the same, where the noun is common: block, stop",
    "V": "a verb's third person, or a plural",
    "A": "the same, where the plural is common: blocks, stops",
    "G": "a form in -ing, or part of a name",
    "T": "the same of a verb that takes an object: carrying",
    "C": "the same, where a name may end in it: parking",
    "P": "a participle, or part of a name: parked",
    "y": "what a sign does: says",
    "a": "an adverb",
    "z": "an adverb or participle that says that something is there: visible",
    # between names
    "w": 'a preposition that brings something new: "with a dog"',
    "p": "one that says where: the noun after it is a place",
    "b": "w before a singular article, else p: behind",
    "f": "the same: from",
    "i": "w after a participle and before something new, else p: by",
    "j": '"with its": the noun after it is a part',
    "q": "E before a clause, else p: as",
    "o": "of",
    "u": "to",
    "c": "and",
    "O": "or",
    ",": "a comma",
    ";": "the end of a sentence, a line or an item; what is denied",
    # clauses and denials
    "r": "a pronoun, or another subject that is no name",
    "t": "a relative pronoun",
    "I": "what follows is not said to be so: if",
    "N": "none of what follows: no",
    "W": "the same, to the next comma: without",
    "M": "what is said is not so: not",
    "E": "ends a denial: but",
    "F": "an exception: except",
}
"""Tag -> what it means. `tag_of` gives all but v; `grammar` then turns tags into others by their neighbours."""

WORDS = {
    "n": "first|responder first|aid",
    "m": "first|responders",
    "h": "overhead open loose wide ajar upright asleep",
    "U": """
        meter meters metre metres m cm mm km kilometer kilometers kilometre kilometres mile miles yard yards
        foot feet ft inch inches mph kmh kph seconds minutes hours percent degree degrees pixel pixels px""",
    "e": "empty deserted",
    "l": "clear",
    "D": "a an one another each every un une ein eine una",
    "d": """
        the two three four five six seven eight nine ten eleven twelve twenty fifty dozen dozens hundred
        hundreds thousands several other others some any many few x multiple various numerous single all both
        more most certain this these those first second third last et e.g i.e le la les des der das el los las
        same such closest farthest nearest furthest biggest largest smallest leftmost rightmost a|few a|dozen
        a|hundred""",
    "s": "its his her their our your my",
    "v": """
        fell ran came went stood sat drove rode took gave got broke threw blew flew aware|of turns|left
        turns|right turning|left turning|right turned|left turned|right out|for careful|of cautious|of
        watch|for look|for attention|to beware|of mindful|of filling|up make|out makes|out made|out
        making|out let's let picking|up picks|up watch|out|for look|out|for keep|an|eye|on setting|up set|up
        cleaning|up holding|up putting|up""",
    "x": """
        is are was were be been being am has have had may|not might|not could may might will would shall
        should must do does did seem seems appear appears remain remains look looks gets get""",
    "H": "can",
    "P": "double|parked",
    "y": """
        says said reads reading saying labeled labelled marked indicating indicates displaying warning|of
        warning|that telling meaning called named titled depicting""",
    "a": """
        possibly probably maybe perhaps likely also apparently at|least at|most about approximately finally
        next then furthermore moreover yes too so sure ok okay very quite rather somewhat almost nearly far
        away close nearby ahead back forward low high together apart still already now currently either even
        well else again often always sometimes indeed how distant faraway no|doubt not|only not|just
        not|merely no|longer no|more|than more|than less|than fewer|than up|ahead far|away far|off half
        as|follows e.g. not|necessarily here there's|also thus hence overall both|of most|notably for|instance
        of|course in|addition as|seen able a|lot a|bit much close|by not|far in|total on|fire closer further
        farther nearer earlier later by|a|driver by|the|driver by|drivers watch|out look|out out approx ca
        circa""",
    "z": """
        visible present seen detected found apparent evident shown observed discernible spotted identified
        noticeable recognizable noted identifiable in|sight in|view""",
    "w": """
        with off plus riding including includes include next|to such|as as|well|as along|with together|with
        namely like versus vs con mit avec full|of because|of due|to""",
    "p": """
        on in at across under underneath beneath atop aboard above below between beyond inside outside within
        into onto toward towards against through past after before for during via along unlike amid among
        amongst alongside upon throughout down up over around wearing facing regarding based per using
        opposite dressed on|top|of out|of instead|of rather|than ahead|of to|the|left|of to|the|right|of
        on|either|side|of up|to according|to for|example such|that so|that parked|by stopped|by placed|by
        positioned|by located|by situated|by seated|by separated|by in|addition|to on|both|sides|of away|from""",
    "b": "beside behind near in|front|of close|to closer|to",
    "f": "from",
    "i": "by",
    "j": "with|its with|their has|its have|their had|its",
    "q": "as",
    "o": "of",
    "u": "to",
    "c": "and & und y as|are",
    "O": "or nor oder ou",
    "r": """
        what i you he she it they we them him us me there it's i'm there's that's here's he's she's they're
        we're you're i've i'd i'll we've we'll you'll itself themselves everyone everybody someone somebody
        drivers|may|not driver|may|not drivers|might|not driver|might|not drivers|should drivers|could
        drivers|might drivers|may driver|should driver|could driver|might driver|may driver|can driver|would
        driver|must""",
    "t": "that which who whose whom",
    "I": "if whether unless please",
    "N": """
        no nope none nothing nobody no-one neither zero 0 free|of clear|of empty|of hardly|any barely|any
        hardly|a little|to|no little|or|no devoid|of absence|of lack|of no|sign|of no|signs|of no|one
        chance|of risk|of nowhere lacks""",
    "W": "without lacking",
    "M": """
        not never cannot can't unable|to not|able|to unfortunately sorry isn't aren't wasn't weren't don't
        doesn't didn't couldn't won't hasn't haven't hadn't wouldn't shouldn't ain't impossible|to
        difficult|to hard|to""",
    "E": """
        but only just however although though while yet whereas instead nevertheless because since until
        so|there when where merely simply""",
    "F": """
        except except|for besides apart|from aside|from other|than than excluding barring save|for but|for
        with|the|exception|of""",
}
"""Tag -> words and, with bars for spaces, phrases that have it."""
VERBS = """
    abandon apologize appear approach ask attach attempt avoid become begin believe belong beware bring burn capture
    carry chase collide come comply comprise consider consist contain continue crash depict describe detect dig
    direct display drink drip eat emerge enter extend fall feature feel fill find fix follow get give go graze hang
    happen haul help hit hold hope identify illustrate include jump keep kick know lead lean let lie lift list load
    locate look lose make mean mention merge miss move need notice observe obstruct occur operate overlook overtake
    paint park place play portray pose position protrude provide pull push reach recognize remove repair require
    rise roam scatter see seem separate show showcase sit situate skid spill spot spread start step stray stretch
    strew suggest surround swerve swim take tell think throw tie tow transport try unload use wait wander want warn
    wear sweep shovel pour shed deliver drag climb kneel crouch squat lay sleep pedal chat talk greet feed pick
    inspect sell crawl perch dangle flutter loom shine glow slide flow leak bounce sink tilt topple jut hover
    obscure reveal occupy impede attend share weave dart commute gather rush dash sprint stroll march loiter drift
    sway flap swirl billow ooze seep spew dump toss hurl peck nibble chew trot gallop hop leap scurry scramble
    slither stumble circulate circle accompany await decorate resemble""".split()
ALSO_NOUNS = """
    back block break cover cross cut cycle drive face flash float guide head land leave light line load park pass
    pile point pole reflect rest ride roll run set sign signal stage stand stop stray support tip trail travel turn
    walk watch wave work stick fly queue wash skate swing""".split()
"""Verbs whose other forms are things, too: "concrete blocks", "bus stop"."""
PARTICIPLES = frozenset(
    """fallen broken lost bent torn hidden stuck worn thrown blown driven ridden built hung laid spilt hit caught bound
    dug held left tied made kept spread led mounted drawn taken given stolen frozen sunk shut struck strewn""".split()
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
NO_GERUNDS = frozenset("parking lighting covering lining backing landing sign signing marking".split())
"""Words in -ing that are things after a noun, unless an object comes: "car parking"."""
TRANSITIVE = frozenset(
    """carrying holding pushing pulling towing hauling transporting blocking riding chasing containing showing
    loading unloading directing controlling collecting repairing fixing herding feeding selling delivering leading
    eating throwing drinking dragging inspecting shoveling spraying dropping pouring leaking wheeling""".split()
)
SAME_PLURAL = frozenset("sheep deer cattle fish moose bison police livestock".split())
NO_ADVERBS = frozenset(
    """family assembly supply jelly bully dolly fly butterfly dragonfly lily belly anomaly ally gully rally elderly
    ugly curly lonely friendly smelly wobbly deadly""".split()
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
    return tags | {word: tag for tag, words in WORDS.items() for word in words.split() if "|" not in word}


_COUNTERS = COUNTERS | set(
    """handful presence possibility load rest sign herd sort amount plenty majority remains part half portion rear top
    bottom remnant procession convoy queue crowd stream swarm flock silhouette outline section sight""".split()
)
LEXICON = _lexicon()
PHRASES = {
    **{phrase.replace("|", " "): tag for tag, words in WORDS.items() for phrase in words.split() if "|" in phrase},
    **{f"{counter}{ending} of": "k" for counter in _COUNTERS for ending in ("", "s")},
}


def tag_of(word: str) -> str:
    """The tag by a word's form alone; digits count, and unknown words are nouns (n; m in the plural)."""
    known = LEXICON.get(word) or PHRASES.get(" ".join(word.split()))
    if known:
        return known
    if not word[0].isalnum():
        return "," if word == "," else ";"
    if re.fullmatch(rf"\d+(?:{'|'.join(WORDS['U'].split())})", word):
        return "a"
    if word[0].isdigit() and (word[-1].isdigit() or word[-1] == "x") or (word[0] == "x" and word[1:].strip().isdigit()):
        return "d"
    if word.endswith("n't"):
        return "M"
    if len(word) > 4 and word.endswith("ly") and word not in NO_ADVERBS:
        return "a"
    if len(word) > 4 and word.endswith("ed") and word not in NO_PARTICIPLES:
        return "P"
    if len(word) > 4 and word.endswith("ing") and "_" not in word and word not in NO_VERBS:
        return "G"
    return "n" if singular(word) == word and word not in SAME_PLURAL else "m"
