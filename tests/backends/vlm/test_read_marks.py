"""What a model says beside words, boxes' marks, stays in its text; and what picture it was shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from transformers import AddedToken, LlamaConfig

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.forms import FAMILY_FORMS
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.text import MARKS, control_tokens, decoder, token_spans, without
from vlsam_ros.config import VlmOptions

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
SAID = {
    "qwen2": "<|object_ref_start|>a dog<|object_ref_end|><|box_start|>(10,20),(30,40)<|box_end|>",
    "internvl": "<ref>a dog</ref><box>[[10, 20, 30, 40]]</box>",
    "glm": "<|begin_of_box|>[[10,20,30,40]]<|end_of_box|>",
    "paligemma": "<loc0123><loc0456><loc0789><loc1023> a dog ; <loc0001><loc0002><loc0003><loc0004> cat",
    "deepseek": "<|ref|>a dog<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>",
    "florence": "a dog<loc_10><loc_20><loc_30><loc_999>",
    "kosmos": "<phrase>a dog</phrase><object><patch_index_0044><patch_index_0863></object>",
}
CONTROL = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<seg001>", "<start_of_turn>", "[INST]", "<|locale|>"]


def tokenizer():
    """A tiny one that calls all marks special, as the families' own do."""
    made = tiny_models.tokenizer()
    marks = sorted({mark.group() for text in SAID.values() for mark in MARKS.finditer(text)})
    made.add_special_tokens({"additional_special_tokens": [AddedToken(t, special=True) for t in [*marks, *CONTROL]]})
    return made


@pytest.mark.parametrize("form", SAID)
def test_marks_of_boxes_stay_in_the_text_and_have_their_spans(form: str) -> None:
    made, said = tokenizer(), SAID[form]
    ids = made(said, add_special_tokens=False)["input_ids"]
    assert len(ids) < len(said) - 10 and made.decode(ids, skip_special_tokens=True) != said  # they are tokens, special
    text, spans = token_spans(decoder(made), [*ids, 1, 2])
    assert text == said and [text[start:end] for start, end in spans] == [
        *made.batch_decode([[i] for i in ids]),
        "",
        "",
    ]
    offsets = made(said, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert list(spans[: len(ids)]) == offsets


def test_all_other_special_tokens_are_left_out() -> None:
    made = tokenizer()
    for token in [*CONTROL, *tiny_models.SPECIAL]:
        ids = made(f"a {token}dog", add_special_tokens=False)["input_ids"]
        assert decoder(made)(ids) == "a dog" and token in control_tokens(made)
    assert not any(MARKS.fullmatch(token) for token in control_tokens(made))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("a dog", "a dog"),
        (" a dog\n", " a dog\n"),
        ("a</s>dog", "a dog"),
        ("a dog</s>", "a dog"),
        ("<s></s>", ""),
        ("<s</s>>a", "<s >a"),
    ],
)
def test_texts_without_some_tokens(text: str, left: str) -> None:
    assert without(text, ["<s>", "</s>"]) == left


def test_a_form_that_marks_boxes_is_read_and_asked_with_them(tmp_path: Path) -> None:
    config = LlamaConfig(**{**tiny_models.TEXT, "vocab_size": len(tokenizer())})
    tokenizer().save_pretrained(tiny_models.llava(tmp_path, config))
    vlm = load_vlm(VlmOptions(model=str(tmp_path), device="cpu", max_new_tokens=64))
    (answer,) = vlm.read([VIEW], ["Where is <ref>a dog</ref>?"], [[SAID["internvl"] + "<|im_end|>"]])[0]
    assert answer.text == SAID["internvl"] and len(answer.token_spans) == answer.length - answer.first_row
    marks = vlm._tokenizer.convert_tokens_to_ids(["<ref>", "</ref>"])
    assert set(marks) <= set(vlm._prompter.tails(["Where is <ref>a dog</ref>?"])[0].tolist())


# --- what is shown

SHOWN = {
    "llava": ((28, 28), (0, -20, 100, 80)),
    "llava_wide": ((112, 64), (0, 0, 100, 60)),
    "llava_next": ((28, 28), (0, 0, 100, 60)),
    "internvl": ((56, 56), (0, 0, 100, 60)),
    "idefics3": ((56, 56), (0, 0, 100, 60)),
    "paligemma": ((28, 28), (0, 0, 100, 60)),
    "gemma3": ((56, 56), (0, 0, 100, 60)),
    "qwen2_vl": ((112, 56), (0, 0, 100, 60)),
    "qwen2_5_vl": ((112, 56), (0, 0, 100, 60)),
    "qwen3_vl": ((112, 56), (0, 0, 100, 60)),
    "cogvlm": ((28, 28), (0, 0, 100, 60)),
}


@pytest.mark.parametrize("name", [*SHOWN, *(name for name in FAMILIES if name not in SHOWN)])
def test_the_picture_that_it_was_shown(checkpoint: Callable[[str], Path], name: str) -> None:
    trust = name == "cogvlm"
    vlm = load_vlm(VlmOptions(model=str(checkpoint(name)), device="cpu", max_new_tokens=2, trust_remote_code=trust))
    assert vlm.attends and vlm.boxes == FAMILY_FORMS.get(name, "")
    for answer in (*vlm.answer(VIEW, ["?"]), *vlm.read([VIEW], ["?"], [["dog"]])[0]):
        shown = answer.shown
        if name in SHOWN:
            assert (shown.size_wh, shown.xyxy) == SHOWN[name]
        (w, h), (x0, y0, x1, y1) = shown.size_wh, shown.xyxy
        assert type(w) is type(h) is int and min(w, h) > 0 and x0 <= 0 and y0 <= 0 and x1 >= 100 and y1 >= 60
        if name in ("glm4v", "lfm2_vl", "minicpmv4_6", "gemma4", "qwen3_5", "mistral3"):  # which keep the aspect
            assert 1.2 < w / h < 2.5 and w * h < 10**6


def test_a_smaller_picture_is_still_about_the_view(tmp_path: Path) -> None:
    vlm = load_vlm(VlmOptions(model=str(tiny_models.qwen2_5_vl(tmp_path)), device="cpu", image_tokens=6))
    (answer,) = vlm.answer(np.resize(VIEW, (240, 400, 3)), ["?"])
    w, h = answer.shown.size_wh
    assert answer.layout.grid_hw == (h // 28, w // 28) and w * h // 28**2 <= 6
    assert answer.shown.xyxy == pytest.approx((0, 0, 400, 240))


def test_what_a_model_can_not_write_is_no_part_of_a_text(tmp_path: Path) -> None:
    """Its tokenizer has marks that its head does not know."""
    tokenizer().save_pretrained(tiny_models.llava(tmp_path))
    vlm = load_vlm(VlmOptions(model=str(tmp_path), device="cpu"))
    assert vlm.read([VIEW], ["?"], [["<ref>a dog</ref>"]])[0][0].text == "a dog"


def test_the_form_of_each_family() -> None:
    families = {
        "qwen2": ["qwen2_vl"],
        "qwen2.5": ["qwen2_5_vl"],
        "qwen3": ["qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"],
        "internvl": ["internvl", "internvl_chat"],
        "molmo": ["molmo"],
        "molmo2": ["molmo2"],
        "paligemma": ["paligemma"],
        "gemma": ["gemma4"],
        "glm": ["glm4v", "glm4v_moe", "glm46v"],
        "deepseek": ["deepseek_vl_v2"],
        "kosmos": ["kosmos-2"],
        "moondream": ["moondream1"],
        "florence": ["florence2"],
    }
    assert {family: form for form, own in families.items() for family in own} == FAMILY_FORMS


def test_the_form_of_boxes_can_be_said(tmp_path: Path) -> None:
    vlm = load_vlm(VlmOptions(model=str(tiny_models.llava(tmp_path)), device="cpu", boxes="qwen3"))
    assert vlm.boxes == "qwen3"
