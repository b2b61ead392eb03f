"""The object kinds of the synthetic world: their names, real sizes and how often they stand in a scene."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    Attributes:
        name: the label, lower case, singular, as the embedded VLM says it.
        height_m: range of the real height in metres, from the ground to the top.
        weight: how often it is drawn, relative to the others.
        place: ``road`` (on the carriageway), ``edge`` (along its border or on the shoulder) or ``lane`` (in a lane).
    """

    name: str
    height_m: tuple[float, float]
    weight: float = 1.0
    place: str = "road"


KINDS: tuple[Kind, ...] = (
    Kind("car", (1.4, 1.7), 1.2, "lane"),
    Kind("pedestrian", (1.5, 1.9), 1.2, "edge"),
    Kind("bicycle", (1.0, 1.15), 1.0, "edge"),
    Kind("dog", (0.5, 0.85)),
    Kind("stroller", (0.95, 1.1), 1.0, "edge"),
    Kind("traffic cone", (0.5, 0.95), 1.3),
    Kind("bollard", (0.8, 1.1), 1.0, "edge"),
    Kind("barrel", (0.85, 1.1)),
    Kind("barrier", (0.8, 1.1)),
    Kind("warning sign", (0.9, 1.4), 1.0, "edge"),
    Kind("trash bin", (0.9, 1.15), 1.0, "edge"),
    Kind("cardboard box", (0.35, 0.8)),
    Kind("suitcase", (0.55, 0.8)),
    Kind("tire", (0.5, 0.75)),
    Kind("stone", (0.3, 0.6)),
    Kind("plastic bag", (0.35, 0.65)),
    Kind("pallet", (0.5, 0.9)),
    Kind("tree branch", (0.4, 0.8)),
)
"""The kinds of the first world, in the order in which the embedded VLM lists names."""

DEBRIS = Kind("debris", (0.3, 0.9))
"""Something of no kind; it is in the wide world alone."""

NAMES: tuple[str, ...] = (*(kind.name for kind in KINDS), DEBRIS.name)
"""All names; index + 1 is the class id."""
