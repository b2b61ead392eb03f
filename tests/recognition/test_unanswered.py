"""Answers that say nothing, and why."""

import pytest

from vlsam_ros.config import QuestionOptions
from vlsam_ros.recognition.unanswered import EMPTY, REFUSAL, REPETITION, THOUGHT, UNDECIDED, no_answer

SAID = {
    "": ["car, dog", "None.", "There are no objects.", "[]", "```json\n[]\n```", "{}", "N/A", "No.", "无", "[[]]",
         "The road is clear.", "I cannot see any objects.", "I'm sorry, I don't see any hazards.", "Nothing.", "0",
         "I am unable to see any people.", "<think>Is it a cat?</think>None", "Is it a cat?</think>\n\n[]", "Yes.",
         "dog " * 40, "car, dog, " * 20, "I'm sorry, I can only see a car.",
         "The image is dark, but a car is visible.",
         "road, sky", "Clear road."],
    EMPTY: ["", " \n", "</s>", "<|im_end|>", ".", "```json\n```", "\u200b\u200e", "\x00\x01", "Here are the objects:",
            "\ud800", "[", '["'],
    THOUGHT: ["<think>", "<think>There may be a cat", "◁think▷ a cat, a dog", "<think>a cat</think>\n",
              "car</think><think>dog", "<|channel|>analysis<|message|>a cat", "[THINK]a cat", "a cat</think>"],
    REPETITION: ["!" * 64, "the " * 60, "? " * 60, "\n" + "0" * 99, "|---" * 30, "the of " * 20, "[[" * 99],
    REFUSAL: ["I'm sorry, but I can't assist with that.", "I can't help with that.", "Sorry.",
              "I cannot see the image.",
              "As an AI language model, I cannot view images directly.", "I\u2019m unable to process images.",
              "I am not able to see the picture.", "There is no image provided.",
              "I can't identify people in images.",
              "I apologize, but I cannot comply with this request.", "Please provide an image.",
              "抱歉，我无法查看图片。"],
    UNDECIDED: ["The image is too dark to see anything.", "I cannot tell.", "The picture is completely black.",
                "Unclear.",
                "It is not possible to determine if any vehicles are broken down.", "I don't know."],
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
