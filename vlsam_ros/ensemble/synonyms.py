"""Which names mean the same thing: synonyms, spellings, and compounds by their head noun.

Only for telling duplicates apart: two names of one meaning must also share a place in the picture to become one.
"""

from __future__ import annotations

from functools import lru_cache

from ..recognition.words import COUNTERS, singular

GROUPS = (
    "car, automobile, auto, vehicle, sedan, hatchback, suv, coupe, convertible, jeep, taxi, cab",
    "truck, lorry, pickup, semi",
    "motorcycle, motorbike, moped",
    "bicycle, bike, cycle",
    "cyclist, bicyclist",
    "person, pedestrian, man, woman, human",
    "child, kid, boy, girl, toddler",
    "dog, puppy",
    "cat, kitten",
    "cow, bull, cattle",
    "stroller, pram, pushchair, buggy, baby carriage",
    "tire, tyre, wheel",
    "trash bin, trash can, garbage can, garbage bin, rubbish bin, waste bin, litter bin, dustbin, bin",
    "trash, garbage, rubbish, litter, waste",
    "cone, pylon",
    "barrel, drum",
    "barrier, barricade",
    "stone, rock, boulder",
    "box, carton",
    "suitcase, luggage, baggage",
    "branch, limb, twig",
    "plank, board, lumber",
    "pothole, hole",
    "debris, wreckage, rubble",
    "tarp, tarpaulin",
    "sofa, couch",
    "pole, post",
    "traffic light, traffic signal, stoplight",
)
"""Names of one meaning; an entry of two words stands for itself, whatever its last word means elsewhere."""

PARTS = COUNTERS | {"piece", "bit", "part", "chunk", "fragment", "pile", "heap", "stack", "sheet"}
"""In "piece of wood" the wood is meant."""


def meaning(name: str, more: tuple[str, ...] = ()) -> str:
    """A name that stands for all names of one meaning: "car tyre" -> "tire", "piece of wood" -> "wood".

    Args:
        name: lower case, as `questions.parse_names` gives it.
        more: further groups, names separated by commas.
    """
    words, known = _head(name.split()), vocabulary(more)
    endings = (" ".join(words[i:]) for i in range(len(words)))
    return next((known[e] for e in endings if e in known), words[-1] if words else name)


@lru_cache
def vocabulary(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Each name of the groups -> the first of its group; groups that share a name are one."""
    known: dict[str, str] = {}
    for group in (*GROUPS, *more):
        names = [" ".join(_head(part.lower().split())) for part in group.split(",") if part.strip()]
        meant = {known.setdefault(name, name) for name in names}
        known = {name: names[0] if first in meant else first for name, first in known.items()}
    return known


def _head(words: list[str]) -> list[str]:
    """The noun phrase up to its head noun, which becomes singular."""
    while "of" in words[1:-1]:
        i = words.index("of", 1)
        words = words[i + 1 :] if singular(words[i - 1]) in PARTS else words[:i]
    return [*words[:-1], *map(singular, words[-1:])]
