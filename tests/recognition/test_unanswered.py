"""Answers that say nothing, and why."""

import re

import pytest

from vlsam_ros.config import QuestionOptions
from vlsam_ros.recognition.refusals import heard
from vlsam_ros.recognition.unanswered import EMPTY, REFUSAL, REPETITION, THOUGHT, UNDECIDED, no_answer

SAID = {
    "": ["car, dog", "None.", "There are no objects.", "[]", "```json\n[]\n```", "{}", "N/A", "No.", "无", "[[]]",
         "The road is clear.", "I cannot see any objects.", "I'm sorry, I don't see any hazards.", "Nothing.", "0",
         "I am unable to see any people.", "<think>Is it a cat?</think>None", "Is it a cat?</think>\n\n[]",
         '{"objects": []}',
         "dog " * 40, "car, dog, " * 20, "I'm sorry, I can only see a car.",
         "The image is dark, but a car is visible.",
         "road, sky", "Clear road.", "The road is empty.", "An empty road.", "N/A", "Nope, nothing unusual.",
         "I was not able to detect any obstacles.", "I couldn't find anything on the road.",
         "There doesn't seem to be anything on the road.",
         "Hazards: None\nPeople: None", "Sorry, there are no hazards.", "Nichts.", "Keine.", "Aucun.", "Nada.", "没有",
         "I can't see any people, but there is a dog.", "Sorry, I only see a car.",
         "I'm not able to see clearly, but there appear to be two cars.", "The image is dark with a car on the left.",
         "There are a car and a dog, and I can't identify people in images.", "The view is obstructed by a truck.",
         "A completely black dog.", "I see a cone. Would you like me to describe it?"],
    EMPTY: ["", " \n", "</s>", "<|im_end|>", ".", "```json\n```", "\u200b\u200e", "\x00\x01", "Here are the objects:",
            "\ud800", "[", '["', "Yes.", "What would you like to know?", "How can I help you today?",
            "Hmm, let me think", "Let me look at the image carefully.", "Sure, I can help with that!", "1. \n2. \n3.",
            "Could you clarify what you mean by hazards?", "Thank you!", "The image is clear.", "No problem!"],
    THOUGHT: ["<think>", "<think>There may be a cat", "◁think▷ a cat, a dog", "<think>a cat</think>\n",
              "car</think><think>dog", "<|channel|>analysis<|message|>a cat", "[THINK]a cat", "a cat</think>"],
    REPETITION: ["!" * 64, "the " * 60, "? " * 60, "\n" + "0" * 99, "|---" * 30, "the of " * 20, "[[" * 99],
    REFUSAL: ["I'm sorry, but I can't assist with that.", "I can't help with that.", "Sorry.",
              "I cannot see the image.",
              "As an AI language model, I cannot view images directly.", "I\u2019m unable to process images.",
              "I am not able to see the picture.", "There is no image provided.",
              "I can't identify people in images.",
              "I apologize, but I cannot comply with this request.", "Please provide an image.",
              "抱歉，我无法查看图片。", "My apologies, but I cannot answer.", "I must decline.", "There is no image.",
              "Content policy violation.", "Request denied.", "Error: image could not be loaded.", "null - no image",
              "n/a - image not available", "I'm just a language model and can't view pictures.",
              "I was unable to detect objects because the image failed to load.", "I won't be able to do this.",
              "This content violates our policy.", "Internal server error", "I prefer not to answer.",
              "I'm not comfortable answering that.", "I'm afraid I can't help.",
              "Es tut mir leid, ich kann das Bild nicht sehen.", "Désolé, je ne peux pas vous aider.",
              "Lo siento, no puedo ayudar con eso.", "I can't help with dogs, cars or people."],
    UNDECIDED: ["The image is too dark to see anything.", "I cannot tell.", "The picture is completely black.",
                "Unclear.",
                "It is not possible to determine if any vehicles are broken down.", "I don't know.",
                "The image is completely black, so I can't identify any objects.", "It is unclear.",
                "Unfortunately the photo is too blurry to make anything out.", "Answer: unknown", "A blank image.",
                "The image appears to be entirely black. There are no visible objects.", "The view is obstructed.",
                "There is nothing to see, since the image is black.", "I can't see anything in this frame.",
                "The picture is blurry and no objects can be clearly identified.", "The image shows static.",
                "Due to heavy fog I cannot see the road.", "I need to see the road first.",
                "I see nothing but black.", "It's too foggy to see the road.",
                "The camera lens is covered with dirt, nothing can be seen.",
                "The image quality is too poor to identify objects."],
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), [(text, reason) for reason, texts in SAID.items() for text in texts])
def test_reasons(text, reason):
    assert no_answer(text, False, QuestionOptions()) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("car, dog, " * 20 + "c", REPETITION),
        ("car, " + "dog, " * 20, REPETITION),
        ("".join(f"Object {i}: car\n" for i in range(12)) + "Obj", REPETITION),
        ("car" + "!" * 200, REPETITION),
        ("car, truck, dog, tra", ""),
        ("car, car, car, dog, car, tr", ""),
        ('["car", "dog", "tr', ""),
    ],
)
def test_cut_off(text, reason):
    """A repetition up to the limit is none that was meant, whatever is named before it."""
    assert no_answer(text, True, QuestionOptions()) == reason


@pytest.mark.parametrize(
    ("said", "left", "reason"),
    [
        ("i can't see the image, but there is a dog", ["but there is a dog"], REFUSAL),
        ("a car and a dog, and i can't identify people in images.", ["a car and a dog"], REFUSAL),
        ("due to fog, i can't see the road. a dog", ["a dog"], UNDECIDED),
        ("it is too dark to see the road, a dog", ["a dog"], UNDECIDED),
        ("sorry, i only see a car", ["i only see a car"], ""),
        ("a dog. would you like to see the list?", ["a dog"], ""),
        ("keine autos, ein hund", ["ein hund"], ""),
        ("a black and white photo of a dog", ["a black and white photo of a dog"], ""),
        ("not sure (a dog?)", [], UNDECIDED),
        ("i cannot see: dogs, cats", ["i cannot see: dogs, cats"], ""),
    ],
)
def test_what_is_left_of_an_answer(said, left, reason):
    kept, why = heard(said)
    assert len(kept) == len(said) and why == reason
    assert all(a in (b, ";") for a, b in zip(kept, said, strict=True))
    pieces = [piece.strip(" .,?()") for piece in kept.split(";")]
    assert [" ".join(p.split()) for p in pieces if p and re.search(r"\w", p)][: len(left)] == left


@pytest.mark.parametrize(
    "unit", ["cannot see ", "the image is ", "due to a ", "as a b c ", "very ", "x but ", "i we a "]
)
def test_a_megabyte_takes_no_time_worth_mentioning(unit):
    assert no_answer(unit * (1 << 17), False, QuestionOptions()) in (REPETITION, "")
