"""How sure the VLM was of a name, from its tokens to the detection."""

from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.transformers_vlm import _media_tokens
from vlsam_ros.config import VlmOptions
from vlsam_ros.data import Answer, ImageLayout, NamedMap
from vlsam_ros.recognition.attention import certainty, fuse

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
LAYOUT = ImageLayout(np.arange(4).reshape(2, 2), (0, 0, 2, 2))


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3", "paligemma"])  # together, in groups, alone
def test_probabilities_are_those_of_one_pass_over_the_answer(tmp_path: Path, family: str) -> None:
    vlm = load_vlm(VlmOptions(model=str(tiny_models.BUILDERS[family](tmp_path)), device="cpu", max_new_tokens=6))
    questions = ["List every object.", "What lies there?"]
    for answer, question in zip(vlm.answer(VIEW, questions), questions, strict=True):
        prompt = vlm._prompter(VIEW, [question])
        ids = torch.cat([prompt.prefix, prompt.tails[0]])
        with torch.inference_mode():
            tokens = vlm._tokens(vlm._model.generate(**prompt.inputs(ids), **vlm._search)[0, len(ids) :], 6)[0]
            logits = (
                vlm._model(**prompt.inputs(torch.cat([ids, tokens]), len(tokens)), use_cache=False).logits[0].clone()
            )
            logits[:, _media_tokens(vlm._model.config)] = -torch.inf
        expected = logits[len(ids) - 1 : -1].softmax(-1).gather(1, tokens[:, None])[:, 0]
        assert len(answer.probabilities) == len(answer.token_spans) == len(tokens)
        np.testing.assert_allclose(answer.probabilities, expected, atol=1e-5)


def test_of_beams_nothing_is_known(tmp_path: Path) -> None:
    options = VlmOptions(model=str(tiny_models.BUILDERS["llava"](tmp_path)), device="cpu", max_new_tokens=4, beams=2)
    (answer,) = load_vlm(options).answer(VIEW, ["List every object."])
    assert answer.probabilities == ()


@pytest.mark.parametrize(
    ("spans", "expected"),
    [(((0, 3),), 0.5), (((5, 14),), 0.2 * 0.75), (((5, 14), (0, 3)), 0.2 * 0.75), ((), 1.0)],
)
def test_a_names_tokens_count_together_and_its_first_mention_alone(spans: tuple, expected: float) -> None:
    spoken = ((0, 3), (3, 4), (4, 9), (9, 14))
    answer = Answer(
        "?", "dog, fire truck", spoken, 9, 13, LAYOUT, 1, lambda i: None, probabilities=(0.5, 0.9, 0.2, 0.75)
    )
    assert certainty(answer, spans) == pytest.approx(expected)
    unknown = Answer("?", "dog, fire truck", spoken, 9, 13, LAYOUT, 1, lambda i: None)
    assert certainty(unknown, spans) == 1.0


def test_questions_that_agree_share_their_certainty() -> None:
    heat = np.eye(2, dtype=np.float32)
    maps = [
        NamedMap("dog", heat, LAYOUT, "a", 0.9),
        NamedMap("dog", heat, LAYOUT, "b", 0.5),
        NamedMap("car", heat, LAYOUT),
    ]
    assert {m.name: m.certainty for m in fuse(maps)} == {"dog": pytest.approx(0.7), "car": 1.0}
