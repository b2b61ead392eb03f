"""From a free label to a hazard class that planners know (the numbers of Autoware's ObjectClassification).

The label's head noun decides: what stands before a preposition ("bag" in "plastic bag on the road"), its last two words
before its last one. The tables are conservative. Only things that are obviously flat and soft may be driven over: a
plastic bag or a flat box can hide anything and stays a HAZARD. Only what always hangs above the road may be driven
under. A stroller or a wheelchair is a PEDESTRIAN, since there is a person in it. A name in no table is UNKNOWN.
"""

from __future__ import annotations

import re

UNKNOWN, CAR, TRUCK, BUS, TRAILER, MOTORCYCLE, BICYCLE, PEDESTRIAN, ANIMAL = range(9)
HAZARD, OVER_DRIVABLE, UNDER_DRIVABLE = 9, 10, 11

_NAMES = {
    CAR: """
        car, sedan, suv, hatchback, convertible, coupe, jeep, minivan, van, taxi, cab, pickup, limousine,
        automobile, vehicle, police car, ambulance, golf cart""",
    TRUCK: """
        truck, lorry, pickup truck, tow truck, dump truck, fire truck, fire engine, garbage truck, tractor,
        excavator, bulldozer, forklift, crane, semi, tanker, concrete mixer, cement mixer, road roller,
        construction vehicle""",
    BUS: """
        bus, minibus, school bus, coach, trolleybus, tram, streetcar""",
    TRAILER: """
        trailer, caravan, camper, semitrailer""",
    MOTORCYCLE: """
        motorcycle, motorbike, moped, motor scooter, motorcyclist, dirt bike, tricycle, rickshaw, tuk tuk""",
    BICYCLE: """
        bicycle, bike, cyclist, bicyclist, e bike, scooter, kick scooter, unicycle""",
    PEDESTRIAN: """
        pedestrian, person, people, man, men, woman, women, child, children, kid, boy, girl, baby, worker,
        police officer, officer, policeman, firefighter, rider, skateboarder, jogger, runner, human, crowd,
        stroller, baby carriage, pram, wheelchair""",
    ANIMAL: """
        animal, dog, cat, cow, cattle, sheep, goat, horse, deer, moose, elk, boar, pig, fox, rabbit, hare,
        raccoon, squirrel, bird, duck, goose, geese, chicken, pigeon, bear, coyote, kangaroo, camel, donkey,
        monkey, hedgehog, turtle""",
    OVER_DRIVABLE: """
        leaf, leaves, paper, newspaper, sheet of paper, feather, paper tissue, manhole cover, drain
        cover, road marking, lane marking, crosswalk, shadow, arrow marking""",
    UNDER_DRIVABLE: """
        overpass, viaduct, flyover, sign gantry, gantry, overhead sign, overhead wire, power line""",
    HAZARD: """
        hazard, debris, obstacle, object, obstruction, rubble, litter, trash, garbage, rubbish, junk, scrap,
        wreckage, cone, traffic cone, pylon, bollard, barrel, drum, barrier, barricade, guardrail, fence, gate,
        road block, roadblock, warning sign, sign, warning triangle, traffic sign, stop sign, signpost, post,
        pole, hydrant, chain, bin, trash bin, trash can, garbage can, dumpster, box, cardboard box, carton, crate,
        cardboard, container, package, suitcase, luggage, bag, plastic bag, garbage bag, trash bag, sack,
        backpack, basket, bucket, bottle, can, tire, tyre, wheel, rim, hubcap, bumper, muffler, exhaust pipe,
        car part, stone, rock, boulder, brick, concrete block, cinder block, gravel, sand, mud, pothole, hole, manhole,
        ditch, pallet, plank, board, lumber, wood, log, branch, tree branch, fallen tree, pipe, tube, rod, rope,
        cable, wire, metal, sheet metal, ladder, tool, shovel, wheelbarrow, cart, shopping cart, dolly,
        mattress, couch, sofa, chair, table, furniture, refrigerator, appliance, carpet, blanket, cloth,
        clothes, tarp, tarpaulin, plastic, plastic sheet, glass, broken glass, hose, helmet, shoe, ball, toy,
        balloon, umbrella, machine, machinery, generator, puddle, water, oil, oil spill, ice, snow, fire, smoke,
        flame, roadkill""",
}
_CLASSES = {" ".join(name.split()): number for number, names in _NAMES.items() for name in names.split(",")}
_BEHIND_HEAD = r"on|in|at|of|with|near|by|behind|under|beside|from|for|along|across|lying|parked|standing"
_PREPOSITION = re.compile(rf"\b(?:{_BEHIND_HEAD})\b")


def hazard_class(label: str) -> int:
    """The class's number for a label in any case, singular or plural."""
    words = re.sub(r"[^a-z ]+", " ", label.lower())
    head = (_PREPOSITION.split(words, maxsplit=1)[0] or words).split()
    for count in (3, 2, 1):
        for name in _singular(" ".join(head[-count:])):
            if name in _CLASSES:
                return _CLASSES[name]
    return UNKNOWN


def _singular(name: str) -> tuple[str, ...]:
    """The name and what it may be the plural of: boxes -> boxe, box; batteries -> battery."""
    if not name.endswith("s"):
        return (name,)
    return (name, name[:-1], name.removesuffix("es"), name.removesuffix("ies") + "y")
