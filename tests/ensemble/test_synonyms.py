"""Which names mean the same."""

import pytest

from vlsam_ros.config import QuestionOptions
from vlsam_ros.ensemble.synonyms import GROUPS, meaning, vocabulary
from vlsam_ros.recognition.questions import parse_names

SAME = [
    ("tire", "tyre", "car tire", "old tyre", "wheel"),
    ("car", "automobile", "police car", "suv"),
    ("trash can", "garbage bin", "bin", "green trash bin"),
    ("debris", "piece of debris", "large pile of debris"),
    ("stone", "rock", "pile of stones", "pile of rocks"),
    ("traffic light", "red traffic light", "stoplight"),
    ("person", "woman", "group of people"),
    ("unicorn", "pink unicorn", "two unicorns"),
]


@pytest.mark.parametrize("names", SAME, ids=lambda names: names[0])
def test_names_of_one_meaning(names):
    assert len({meaning(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("car", "car tire"),
        ("trash can", "beer can"),
        ("trash can", "trash"),
        ("traffic light", "street light"),
        ("traffic light", "traffic cone"),
        ("person", "child"),
        ("bag of sand", "sand"),
        ("dog", "cat"),
        ("car", "truck"),
    ],
)
def test_names_of_two_meanings(one, other):
    assert meaning(one) != meaning(other)


@pytest.mark.parametrize("name", ["", "of", "of of", "a of", "of a", "x", "piece of", "of wood"])
def test_odd_names_mean_something(name):
    assert isinstance(meaning(name), str) and meaning(meaning(name)) == meaning(name)


def test_meanings_are_their_own():
    for name in vocabulary():
        assert meaning(meaning(name)) == meaning(name) == vocabulary()[name]


def test_groups_hold_names_as_answers_give_them_each_once():
    names = [name.strip() for group in GROUPS for name in group.split(",")]
    assert len(set(names)) == len(names)
    assert [n.name for text in names for n in parse_names(text, QuestionOptions())] == names


@pytest.mark.parametrize(
    ("more", "one", "other"),
    [
        (("kart, go-kart",), "red go-kart", "kart"),
        (("Kart , Go-karts",), "go-kart", "kart"),
        (("donut, tyre",), "car tire", "donut"),
        (("stone, brick", "brick, block"), "rock", "concrete block"),
        (("car, truck",), "lorry", "suv"),
    ],
)
def test_more_groups(more, one, other):
    assert meaning(one) != meaning(other) and meaning(one, more) == meaning(other, more)


@pytest.mark.parametrize("more", [("",), (",",), ("unicorn",), (" , ", "x,")])
def test_empty_groups_change_nothing(more):
    assert {n: meaning(n, more) for names in SAME for n in names} == {n: meaning(n) for names in SAME for n in names}
