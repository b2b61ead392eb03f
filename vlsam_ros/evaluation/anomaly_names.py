"""Which names are of what belongs on a road: anomalies are all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..ensemble.synonyms import meaning
from .dataset import Instance
from .names import plain

CITYSCAPES = (
    "road, street, lane, driveway, highway, motorway, asphalt, road marking, lane marking, crosswalk, zebra crossing",
    "sidewalk, pavement, footpath, walkway, curb, kerb",
    "building, house, skyscraper, garage, facade",
    "wall",
    "fence, railing",
    "pole, streetlight, streetlamp, street light, street lamp, lamp post, lamppost",
    "traffic light",
    "traffic sign, sign, signpost",
    "vegetation, tree, bush, shrub, hedge, plant, foliage, forest",
    "terrain, grass, lawn, field, soil, meadow",
    "sky, cloud",
    "person, child, passenger",
    "rider, driver, cyclist, biker, motorcyclist",
    "car",
    "truck",
    "bus, coach",
    "train, tram, streetcar",
    "motorcycle",
    "bicycle",
)
"""Its 19 evaluated classes, each with what its labelling policy puts there; `ensemble.synonyms` knows more of them.
By the last noun: a police car is a car, a tree branch is not a tree."""


def is_known(label: str) -> bool:
    """Whether a label names a thing of Cityscapes' classes; one without a name doesn't."""
    return bool(label) and meaning(plain(label), CITYSCAPES) in _known()


def _known() -> set[str]:
    return {meaning(group.split(",")[0], CITYSCAPES) for group in CITYSCAPES}


def unusual(found: Mapping[int, Sequence[Instance]]) -> dict[int, tuple[Instance, ...]]:
    """Frame id -> those of its instances that have no name of Cityscapes' classes."""
    known = {label for label in _labels(found) if is_known(label)}
    return {i: tuple(item for item in items if item.label not in known) for i, items in found.items()}


def usual(found: Mapping[int, Sequence[Instance]]) -> Counter[str]:
    """What `unusual` leaves out: label -> how often."""
    return Counter({label: n for label, n in _labels(found).items() if is_known(label)})


def _labels(found: Mapping[int, Iterable[Instance]]) -> Counter[str]:
    return Counter(item.label for items in found.values() for item in items)
