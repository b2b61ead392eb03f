"""Free labels to hazard classes."""

from __future__ import annotations

import pytest

from vlsam_ros.output import hazard
from vlsam_ros.synthetic.kinds import NAMES

CASES = {
    hazard.CAR: ["car", "Cars", "parked car", "white van", "police car", "car on the left"],
    hazard.TRUCK: ["truck", "fire truck", "tow truck", "construction vehicle"],
    hazard.BUS: ["bus", "buses", "school bus"],
    hazard.BICYCLE: ["bicycle", "cyclist", "bikes"],
    hazard.MOTORCYCLE: ["motorcycle", "tricycle"],
    hazard.PEDESTRIAN: ["pedestrian", "woman with a dog", "people", "child", "stroller", "police officer"],
    hazard.ANIMAL: ["dog", "deer", "cows", "geese"],
    hazard.HAZARD: [
        "traffic cone", "car tire", "tires", "plastic bag", "cardboard boxes", "box of bottles", "fallen tree branch",
        "debris", "toy", "open manhole", "fallen tree", "standing water",
        "warning sign", "shopping cart", "bag on the road", "a mattress",
    ],
    hazard.OVER_DRIVABLE: ["leaf", "leaves", "newspaper", "manhole cover"],
    hazard.UNDER_DRIVABLE: ["overpass", "sign gantry"],
    hazard.UNKNOWN: ["", "tree", "zorb", "sky", "road", "42", "on the road"],
}  # fmt: skip


@pytest.mark.parametrize(("label", "expected"), [(label, c) for c, labels in CASES.items() for label in labels])
def test_hazard_class(label: str, expected: int) -> None:
    assert hazard.hazard_class(label) == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_object_of_the_synthetic_world_is_unknown_or_drivable(name: str) -> None:
    assert hazard.hazard_class(name) not in (hazard.UNKNOWN, hazard.OVER_DRIVABLE, hazard.UNDER_DRIVABLE)
