"""Names that are not believed."""

import numpy as np
import pytest
from fakes import FakeVlm, picture

from vlsam_ros.config import Config, VerifyOptions
from vlsam_ros.data import Detection, Mask
from vlsam_ros.errors import VlmError
from vlsam_ros.recognition.verify import ask_whether, parse_yes_no, verify

VIEW = picture((80, 160), {"red box": [(20, 10, 60, 30)]})


def found(label: str, consistency: float = 0.8, score: float = 0.8) -> Detection:
    return Detection(label, score, 1.0, 1.0, consistency, Mask(20, 10, np.ones((20, 40), bool)))


class Counting(FakeVlm):
    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.asked = []

    def answer(self, view, questions):
        self.asked.append(list(questions))
        return super().answer(view, questions)


def run(vlm: FakeVlm, *items: Detection, **options: object) -> list[str]:
    answers, judged = verify(vlm, VIEW, items, Config(verify=VerifyOptions(**options)))
    assert [d.label for d in judged] == [d.label for d in items]
    return [d.reason for d in judged]


@pytest.mark.parametrize(
    ("items", "options", "reasons", "asked"),
    [
        ([], {"ask": True}, [], 0),
        ([found("red box"), found("dog")], {}, ["", ""], 0),
        ([found("red box"), found("dog")], {"ask": True}, ["", "denied"], 2),
        ([found("dog"), found("dog")], {"ask": True}, ["denied", "denied"], 1),
        ([found("dog", score=0.1)], {"ask": True}, [""], 0),
        ([found("dog", 0.2)], {"min_consistency": 0.3}, ["inconsistent"], 0),
        ([found("dog", 0.3)], {"min_consistency": 0.3}, [""], 0),
        ([found("dog", 0.2)], {"min_consistency": 0.3, "ask": True}, ["inconsistent"], 0),
        ([found("dog", 0.2), found("dog")], {"min_consistency": 0.3, "ask": True}, ["inconsistent", "denied"], 1),
    ],
    ids=["nothing", "off", "one is denied", "a name is asked once", "not reported anyway", "inconsistent",
         "just enough", "no question about it", "each for its reason"],
)  # fmt: skip
def test_reasons(items, options, reasons, asked):
    vlm = Counting()
    assert run(vlm, *items, **options) == reasons
    assert len(vlm.asked) == (asked > 0) and sum(map(len, vlm.asked)) == asked


@pytest.mark.parametrize("text", ["", "red box, dog", "Perhaps.", "yes or no", "</s>", "no parking sign"])
def test_neither_yes_nor_no_drops_nothing(text):
    vlm = Counting(text=text)
    assert run(vlm, found("dog"), ask=True, question="Do you see {name}?") == [""]
    assert vlm.asked == [["Do you see dog?"]]


def test_what_was_said_is_handed_back():
    answers, _ = verify(FakeVlm(), VIEW, [found("dog"), found("red box")], Config(verify=VerifyOptions(ask=True)))
    assert [(a.question[:14], a.text) for a in answers] == [("Is there a dog", "No."), ("Is there a red", "Yes.")]


def test_an_answer_to_each_question_is_needed():
    class Short(FakeVlm):
        def answer(self, view, questions):
            return super().answer(view, questions)[1:]

    with pytest.raises(VlmError, match="expected 1 answers, got 0"):
        run(Short(), found("dog"), ask=True)


@pytest.mark.parametrize(
    ("name", "question", "expected"),
    [
        ("dog", VerifyOptions().question, "Is there a dog in the picture? Answer yes or no."),
        ("umbrella", VerifyOptions().question, "Is there an umbrella in the picture? Answer yes or no."),
        ("umbrella", "A {name}? Or not a {name}?", "An umbrella? Or not an umbrella?"),
        ("umbrella", "Does the camera {name} show?", "Does the camera umbrella show?"),
        ("dog", "A {name}? Or another {name}?", "A dog? Or another dog?"),
        ("{name}", "{name}?", "{name}?"),
        ("dog", "Well?", "Well?"),
        ("", "a {name}?", "a ?"),
    ],
)
def test_ask_whether(name, question, expected):
    assert ask_whether(name, question) == expected


ANSWERS = {
    True: ["yes", "Yes.", "YES, there is a dog.", " **Yes**", "Answer: yes", "The answer is yes.", "yes there is one",
           "<think>No? Let me see. No.</think>\n\nYes", "- yes\n", "Yeah", "Okay, yes.", "Final answer: Yes", "A: Yes",
           "True", "Indeed, there is a dog.", "Ja", "Yes, but it is partially obscured.", '{"answer": "yes"}'],
    False: ["no", "No.", "NO, I see none", "**No**", "Answer: No", "No there is no dog", "no such thing",
            "There is no dog in the picture.", "There isn\u2019t a dog.", "there are no dogs", "There's no dog",
            "no no", "No dog.", "No dog is visible.", "I don't see a dog.", "The dog is not present.", "Not visible.",
            "The image does not contain a dog.", "Nope", "None", "False", "A: No", '{"answer": "no"}', "Nein",
            "Not in this image.", "No, there is no dog in this black and white image."],
    None: ["", "?", "dog", "car, traffic cone", "Not sure.", "Possibly yes", "yes or no", "Yes and no", "noble",
           "yesterday", "No parking sign, car", "no entry sign", "There is no doubt that there is a dog",
           "There is a dog",
           "I don't know", "nothing", "1", "Yes/No", "There is no entry sign.", "There is no way to know",
           "There are no parking signs on the left.", "There is no image attached.", "No idea.", "No way to tell.",
           "The dog is not moving.", "No, the image is completely black.", "No image was provided.",
           "No fewer than two dogs are visible."],
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [(t, said) for said, texts in ANSWERS.items() for t in texts])
def test_parse_yes_no(text, expected):
    assert parse_yes_no(text) is expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("dog", "There is a dog in the image.", True),
        ("dog", "I see two dogs", True),
        ("dog", "There is no cat, but there is a dog.", True),
        ("dog", "There is no dog visible, but there is a cat.", False),
        ("cat", "There is no dog visible, but there is a cat.", True),
        ("dog", "There is no cat.", None),
        ("dog", "There are no other dogs", None),
        ("dog", "no more than one dog", None),
        ("dog", "I don't see the owner of the dog", None),
        ("dog", "The dog doesn't have a collar", None),
        ("dog", "The image is too dark; no dog is visible.", None),
        ("dog", "I do not see it.", False),
        ("dog", "There isn't one.", False),
        ("person", "There are no people in the image.", False),
        ("traffic cone", "I can't see any traffic cones.", False),
        ("traffic cone", "I don't see any cones.", None),
        ("parking sign", "No parking sign is visible", None),
        ("no entry sign", "There is no entry sign.", None),
        ("c++ (a", "no c++ (a", None),
    ],
)
def test_what_is_said_of_the_name(name, text, expected):
    assert parse_yes_no(text, name) is expected


def test_a_denial_of_something_else_drops_nothing():
    asked = {"ask": True, "question": "Do you see a {name}?"}
    assert run(FakeVlm(text="There are no parking signs and no cats."), found("dog"), **asked) == [""]
    assert run(FakeVlm(text="There are no dogs."), found("dog"), found("cat"), **asked) == ["denied", ""]
