"""English words that name no object, and the way from plural to singular."""

from __future__ import annotations

import re
from functools import lru_cache

LEADING = frozenset(
    """a an the one two three four five six seven eight nine ten eleven twelve dozen dozens hundred hundreds several
    another other others some any many few multiple various numerous single each every all both more most certain
    its his her their our your my this that these those what which it's i'm there's that's here's
    possibly probably maybe perhaps likely also apparently clearly only just at least about approximately around
    additionally finally first second third next lastly firstly secondly then furthermore moreover mostly yes
    appears seems looks like be to am is are was were will do does did being it he she they we i you me could may
    might must would have has had there here too so of visible sure answer""".split()
)
"""Words that may stand before a name: articles, counts, adverbs, and what is left of a sentence's beginning."""

COUNTERS = frozenset(
    "group pair couple number lot lots row line set variety bunch series kind type cluster collection list".split()
)
"""Words that, followed by "of", only count what comes next."""

PREPOSITIONS = frozenset(
    """on in at near ahead behind beside besides next by along across under underneath over above below between beyond
    inside outside within into onto from to toward towards against around off up down through past for during via as
    where when while because since after before if than with without who whose that which nearby away""".split()
)
"""A phrase that begins with one of these is a place, not a name."""

ENDING = PREPOSITIONS | frozenset(
    """visible there here is are was were be being been has have had could will would may might do does appears
    appear seems seem looks look lying laying standing sitting parked walking running driving moving waiting coming
    approaching blocking stands sits lies walks runs crosses blocks hanging placed located positioned situated
    scattered surrounded stopped wearing facing leaning its their also too partially partly slightly close far
    possibly probably likely maybe perhaps using made lined""".split()
) | {"crossing the", "crossing a", "crossing in", "can be", "can also"}  # fmt: skip
"""A name ends before one of these words (or pairs of words)."""

NO_NAMES = frozenset(
    """object item thing image picture photo photograph scene view frame foreground background left right middle center
    centre front back side top bottom corner distance ok okay certainly list following hazard unknown etc null empty
    detail element note description response question assistant user us them color colour area location position
    example way sight everything something anything someone summary total overall addition conclusion label name bbox
    json text count no red orange yellow green blue white black gray grey brown pink purple small large big""".split()
) | {"left side", "right side", "bbox 2d", "road hazard"}  # fmt: skip
"""What an answer may contain although it names no object."""

IRREGULAR = dict(
    pair.split(":")
    for pair in """people:person persons:person men:man children:child feet:foot geese:goose mice:mouse teeth:tooth
    oxen:ox leaves:leaf wolves:wolf knives:knife shelves:shelf calves:calf halves:half scarves:scarf loaves:loaf
    thieves:thief movies:movie cookies:cookie ties:tie pies:pie hoodies:hoodie zombies:zombie dice:die cacti:cactus
    axes:axe caches:cache shoes:shoe horseshoes:horseshoe toes:toe busses:bus buses:bus minibuses:minibus""".split()
)
"""Plurals that no rule yields."""

UNCHANGED = frozenset(
    """gas lens canvas series species scissors pliers tongs pants trousers jeans shorts binoculars sunglasses goggles
    glasses headphones news works roadworks stairs goods means mercedes clothes specimen regimen abdomen""".split()
)
"""Words that end like a plural and are none, or have no singular."""

_RULES = (
    (r"(ss|us|is|'s)$", r"\1"),
    (r"(\w)men$", r"\1man"),
    (r"(\w\w)ies$", r"\1y"),
    (r"(ch|sh|x|ss|to|ro)es$", r"\1"),
    (r"(\w\w)s$", r"\1"),
)


@lru_cache(4096)
def singular(word: str) -> str:
    """A lower-case noun in the singular: cones -> cone, boxes -> box, people -> person, bus -> bus."""
    if word in UNCHANGED:
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    for pattern, ending in _RULES:
        if re.search(pattern, word):
            return re.sub(pattern, ending, word)
    return word
