"""English words that name no object, and the way from plural to singular."""

from __future__ import annotations

import re
from functools import lru_cache

COUNTERS = frozenset(
    "group pair couple number lot lots row line set variety bunch series kind type cluster collection list".split()
)
"""Words that, followed by "of", only count what comes next."""

NO_NAMES = frozenset(
    """ok okay certainly etc null empty bbox json text no yes true false left right middle center centre front back
    side top bottom corner distance following unknown unclear unusual stopped moving parked broken visible small
    large big tiny little tall short long old new wet dry dark bright clear heavy dirty rusty red orange yellow
    green blue white black gray grey brown pink purple silver golden beige main possible potential general various
    other user assistant system sorry sure none nothing everything something anything someone anyone wooden metal
    plastic possibly foreground background far near close unable able good poor bad free normal typical stationary
    static dynamic present absent example summary conclusion addition total overall answer question label labels
    name point location position color colour area way view sight left-hand right-hand oncoming overturned fallen
    damaged abandoned dangerous hazardous harmless safe risky slippery important relevant difficult low high slow
    fast feel same different similar real thing slight slightly nope fine ordinary usual regular common minor major
    serious significant ii iii iv vi vii concrete steel aluminum lane shoulder hmm hm wait uh oh ah wow hey hello
    correct incorrect wrong""".split()
)
"""A phrase of these alone names no object."""

NO_HEADS = frozenset(
    """object item thing image picture photo photograph scene view frame foreground background midground side hazard
    list element detail description note response question answer condition weather irregularity presence absence
    aspect caution attention visibility risk danger direction distance position location color colour
    perspective surface situation setting environment lighting daylight day time moment example type kind
    number amount name names label category feature appearance surrounding surroundings context
    sense possibility need fact reason way manner end edge middle center centre
    left right top bottom front back corner none nothing something anything everything one ones assistant user
    help order overview evidence indication activity driving safety speed bbox word letter text addition
    conclusion summary traffic output json result format coordinate region sentence himself herself itself
    themselves 物体 对象 物品""".split()
)
"""A phrase with one of these as its head names no object."""

IRREGULAR = dict(
    pair.split(":")
    for pair in """people:person persons:person men:man children:child feet:foot geese:goose mice:mouse teeth:tooth
    oxen:ox leaves:leaf wolves:wolf knives:knife shelves:shelf calves:calf halves:half scarves:scarf loaves:loaf
    thieves:thief movies:movie cookies:cookie ties:tie pies:pie hoodies:hoodie zombies:zombie dice:die
    cacti:cactus axes:axe caches:cache shoes:shoe horseshoes:horseshoe taxis:taxi skis:ski toes:toe
    busses:bus buses:bus minibuses:minibus""".split()
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


_STUTTER = re.compile(r"(\w)\1{3}")


def is_name(name: str) -> bool:
    """Whether a phrase, lower case and singular, may name an object."""
    letters = sum(c.isalpha() for c in name)
    if letters == 0 or (letters == 1 and name.isascii()) or _STUTTER.search(name):
        return False
    words = name.split()
    head = singular((words[: words.index("of")] if "of" in words[1:] else words)[-1])
    return head.rstrip("0123456789") not in NO_HEADS and not set(words) <= NO_NAMES
