"""Label images and their legend."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vlsam_ros.data import Detection, Detections, Mask, Track
from vlsam_ros.output import hazard, labels


def item(label: str, score: float, x: int, y: int, side: int = 4, **more: Any) -> Detection:
    return Detection(label, score, 1, 1, 1, Mask(x, y, np.ones((side, side), bool)), **more)


def found(*items: Detection) -> Detections:
    return Detections((10, 12), items)


EMPTY = Detection("car", 0.5, 1, 1, 1, Mask(0, 0, np.zeros((0, 0), bool)))
CASES = {
    "nothing": found(),
    "an empty mask": found(EMPTY),
    "one": found(item("car", 0.5, 3, 2)),
    "overlapping": found(item("zorb", 0.9, 3, 2), item("car", 0.5, 4, 3), item("dog", 0.7, 5, 4)),
    "equal scores": found(item("car", 0.5, 3, 2), item("dog", 0.5, 4, 3)),
    "at the borders": found(item("car", 0.5, 0, 0), item("dog", 0.4, 8, 6)),
    "no score": found(item("car", 0.0, 0, 0)),
}


@pytest.mark.parametrize("found", CASES.values(), ids=CASES)
def test_each_pixel_tells_of_the_best_instance_on_it(found: Detections) -> None:
    images = labels.instances(found), labels.classes(found), labels.confidence(found)
    assert [(i.shape, i.dtype) for i in images] == [((10, 12), t) for t in (np.uint16, np.uint8, np.uint8)]
    for y, x in np.ndindex(10, 12):
        there = [i for i, d in enumerate(found.items) if d.mask.has(x, y)]
        best = max(there, key=lambda i: (found.items[i].score, -i), default=None)
        if best is None:
            expected = (0, labels.UNLABELLED, 0)
        else:
            d = found.items[best]
            expected = (best + 1, hazard.hazard_class(d.label), max(1, round(d.score * 255)))
        assert tuple(int(i[y, x]) for i in images) == expected


def test_an_object_of_no_known_class_is_not_nothing() -> None:
    image = labels.classes(found(item("zorb", 0.5, 0, 0)))
    assert image[0, 0] == hazard.UNKNOWN != image[9, 9] == labels.UNLABELLED


def test_a_users_table() -> None:
    assert labels.classes(found(item("zorb", 0.5, 0, 0)), lambda label: hazard.HAZARD)[0, 0] == hazard.HAZARD


def test_a_thousand_instances_have_their_own_numbers() -> None:
    many = Detections((1, 1000), tuple(item("car", 0.5, x, 0, 1) for x in range(1000)))
    assert labels.instances(many).tolist() == [list(range(1, 1001))]


def test_legend() -> None:
    said = json.loads(labels.legend())
    assert said == {"classes": {str(i): name for i, name in enumerate(hazard.CLASSES)}, "unlabelled": 255}
    told = json.loads(labels.legend(detections=found(EMPTY, item("汽车", 0.25, 0, 0, track=Track("0-7")))))
    assert told["instances"][1] == {"id": 2, "label": "汽车", "class": 0, "score": 0.25, "track_id": "0-7"}
    assert told["instances"][0]["track_id"] == "" and told["classes"] == said["classes"]
