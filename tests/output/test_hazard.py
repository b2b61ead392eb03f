"""Free labels to hazard classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlsam_ros.bags.types import TYPES
from vlsam_ros.data import Detection, Detections, Mask
from vlsam_ros.errors import ConfigError
from vlsam_ros.output import hazard
from vlsam_ros.output.messages import Keyframe, to_message
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
        "warning sign", "shopping cart", "bag on the road", "a mattress", "Traffic-Cone 2",
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


def table(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_users_table_lies_over_the_packages(tmp_path: Path) -> None:
    mine = """
        HAZARD: [kart, E-Scooter, stroller, bag of cement, 轮胎]
        PEDESTRIAN: [yes]  # no boolean, as YAML would have it
        UNKNOWN: [bird]
    """
    hazards = hazard.load(table(tmp_path, mine))
    labels = ["red karts", "an e-scooter", "stroller", "bag of cement", "轮胎", "yes", "two birds", "duck"]
    expected = [hazard.HAZARD] * 5 + [hazard.PEDESTRIAN, hazard.UNKNOWN, hazard.ANIMAL]
    assert [hazards.class_of(label) for label in labels] == expected
    assert hazard.hazard_class("stroller") == hazard.PEDESTRIAN


def test_an_empty_list_changes_nothing(tmp_path: Path) -> None:
    assert hazard.load(table(tmp_path, "HAZARD: []")).classes == hazard.load().classes


WRONG = {
    "empty": ("", "expected classes"),
    "a list": ("[kart]", "expected classes"),
    "no YAML": ("CAR: [", "can't be read"),
    "not text": ("CAR: [\x01]", "can't be read"),
    "two documents": ("CAR: []\n---\nCAR: []", "can't be read"),
    "unknown class": ("\nKART: [kart]", "line 2: expected one of UNKNOWN, CAR"),
    "no list": ("CAR: kart", "CAR: expected a list"),
    "a list in it": ("CAR: [[kart]]", "CAR: expected a name"),
    "no letters": ("CAR: [42]", "'42'"),
    "two classes": ("CAR: [kart]\nHAZARD: [Kart]", "'kart' is both CAR and HAZARD"),
    "deep": ("[" * 10**4, "can't be read"),
    "large": ("CAR: [" + "kart, " * 10**6 + "]", "at most"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_table_says_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        hazard.load(path)
    assert path in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_table_that_is_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        hazard.load(str(tmp_path / name))


def test_messages_take_a_users_table(tmp_path: Path) -> None:
    found = Detections((4, 4), (Detection("bird", 1, 1, 1, 1, Mask(0, 0, np.ones((2, 2), bool))),))
    hazards = hazard.load(table(tmp_path, "HAZARD: [bird]"))
    for types, expected in ((TYPES, hazard.ANIMAL), (replace(TYPES, hazard_class=hazards.class_of), hazard.HAZARD)):
        message = to_message(Keyframe(None, "front", 0, None, None), found, types)
        assert message.instances[0].hazard_class == expected


def test_every_class_has_the_number_of_its_name() -> None:
    assert all(getattr(hazard, name) == number for number, name in enumerate(hazard.CLASSES))
