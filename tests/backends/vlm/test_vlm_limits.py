"""Where a model's numbers, the memory or a picture's size do not suffice: said, and never "nothing found"."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from vlsam_ros.backends import load_segmenter, load_vlm
from vlsam_ros.backends.devices import pick_dtype
from vlsam_ros.backends.vlm import memory, together, transformers_vlm
from vlsam_ros.backends.vlm.capture import Recorder
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.loading import quantisation
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, Config, VlmOptions
from vlsam_ros.errors import ConfigError, ModelLoadError, VlmError
from vlsam_ros.output.files import read
from vlsam_ros.pipeline import VLSam
from vlsam_ros.recognition.attention import maps
from vlsam_ros.recognition.questions import parse_names
from vlsam_ros.recognition.unanswered import THOUGHT, no_answer

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
QUESTIONS = ["List every object.", "What is on the road, near or far away?", "?", "What else?", "And behind?"]
ONE_VIEW = {"views.far": 0, "views.tile_rows": 0}


def load(folder: Path, **options: object) -> TransformersVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 6, **options}))


def spoil(vlm: TransformersVlm, part: str, value: float) -> None:
    """Set the parameters whose name holds `part`; the head's if none does."""
    named = [p for name, p in vlm._model.named_parameters() if part in name]
    for parameter in named[:1] or [vlm._model.get_output_embeddings().weight]:
        parameter.data.fill_(value)


# --- numbers


@pytest.mark.parametrize("options", [{}, {"beams": 2}, {"temperature": 1.0}], ids=["greedy", "beams", "sampling"])
@pytest.mark.parametrize("part", ["vision", "lm_head"])
@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3", "paligemma", "blip-2"])
def test_logits_that_are_not_finite_are_an_error(checkpoint: Callable, family: str, part: str, options: dict) -> None:
    vlm = load(checkpoint(family), **options)
    spoil(vlm, part.replace("vision", "visual") if family.startswith("qwen") else part, float("nan"))
    with pytest.raises(VlmError):
        vlm.answer(VIEW, QUESTIONS)
    with pytest.raises(VlmError):
        vlm.write(VIEW, "Write 3 questions.", 8)


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_infinity_in_one_logit_is_an_error(checkpoint: Callable, value: float) -> None:
    vlm = load(checkpoint("llava"))
    head, forward = vlm._model.get_output_embeddings(), vlm._model.get_output_embeddings().forward

    def spoilt(hidden: torch.Tensor) -> torch.Tensor:
        logits = forward(hidden)
        logits[..., 7] = value
        return logits

    head.forward = spoilt
    with pytest.raises(
        VlmError, match="expected finite logits, got NaN or infinity; try vlm.dtype bfloat16 or float32"
    ):
        vlm.answer(VIEW, QUESTIONS[:1])


def test_the_embedded_vlm_with_activations_beyond_float16() -> None:
    """float16 ends at 65 504; bfloat16 and float32 do not."""
    image = read(Path(__file__).parents[3] / "docs" / "road.jpg")

    def scaled(dtype: str) -> VLSam:
        vlm = load_vlm(VlmOptions(dtype=dtype, device="cpu"))
        for name, parameter in vlm._model.named_parameters():
            if any(part in name for part in ("embed_tokens", "projector.linear_2", "o_proj", "down_proj")):
                parameter.data.mul_(1e4)  # all that adds to the residual stream, which the last norm scales back
        return VLSam(vlm, load_segmenter(Config().segmenter), Config.from_flat(ONE_VIEW))

    with pytest.raises(VlmError, match="finite"):
        scaled("float16")(image)
    assert (
        scaled("float32")(image).answers
        == VLSam(load_vlm(VlmOptions(device="cpu")), load_segmenter(Config().segmenter), Config.from_flat(ONE_VIEW))(
            image
        ).answers
    )


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [
        ("auto", (9, 0), torch.bfloat16),
        ("auto", (8, 7), torch.bfloat16),
        ("auto", (7, 5), torch.float16),
        ("float16", (9, 0), torch.float16),
    ],
)
def test_type_on_cuda(name: str, capability: tuple, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert pick_dtype(name, torch.device("cuda")) is expected
    assert pick_dtype("auto", torch.device("cpu")) is torch.float32


# --- pictures


@pytest.mark.parametrize("size_hw", [(56, 56), (60, 100), (90, 50), (270, 480), (20, 400)])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_pixel_of_a_view_is_in_a_cell_and_every_cell_in_the_view(
    checkpoint: Callable, family: str, size_hw: tuple[int, int]
) -> None:
    layout = load(checkpoint(family))._prompter(np.zeros((*size_hw, 3), np.uint8), ["?"]).layout
    (height, width), (x0, y0, x1, y1) = size_hw, layout.xyxy
    assert x0 <= 1e-6 and y0 <= 1e-6 and x1 >= width - 1e-6 and y1 >= height - 1e-6
    if layout.columns.ndim == 2:
        h, w = layout.columns.shape
        assert -x0 < (x1 - x0) / w and x1 - width < (x1 - x0) / w
        assert -y0 < (y1 - y0) / h and y1 - height < (y1 - y0) / h


def test_what_a_processor_would_crop_is_seen(checkpoint: Callable) -> None:
    """LLaVA-1.5's processor cuts the middle square out of a wide picture."""
    vlm = load(checkpoint("llava"))
    left = VIEW.copy()
    left[:, :15] = 255 - left[:, :15]
    seen = [vlm._prompter(view, ["?"]).image["pixel_values"] for view in (VIEW, left)]
    assert not torch.equal(*seen)


@pytest.mark.parametrize("most", [30, 9])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_large_picture_is_shown_smaller(checkpoint: Callable, family: str, most: int) -> None:
    view = np.random.default_rng(1).integers(0, 255, (432, 768, 3), dtype=np.uint8)
    whole = load(checkpoint(family), image_tokens=0)
    count = len(whole._prompter(view, ["?"]).layout.columns.ravel())
    vlm = load(checkpoint(family), image_tokens=most)
    for _ in range(2):  # the second time the size is known
        prompt = vlm._prompter(view, ["?"])
        follows = family.startswith("qwen")
        assert (
            0.6 * most <= len(prompt.layout.columns.ravel()) <= most
            if follows
            else len(prompt.layout.columns.ravel()) <= count
        )
        assert prompt.layout.xyxy == pytest.approx(whole._prompter(view, ["?"]).layout.xyxy)
    assert vlm.answer(view, ["?"])[0].layout.columns.tolist() == prompt.layout.columns.tolist()


# --- memory


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3"])
def test_fewer_questions_and_views_at_once_give_the_same_answers(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = [VIEW, VIEW[::-1].copy()]
    vlm = load(checkpoint(family))
    expected = [[a.text for a in own] for own in vlm.answer_views(views, QUESTIONS)]
    monkeypatch.setattr(memory, "available", lambda device: 10**12)
    sizes, at_once = [], memory.at_once
    for module in (together, transformers_vlm):
        monkeypatch.setattr(module, "at_once", lambda *a: sizes.append(at_once(*a)) or sizes[-1])
    vlm.answer_views(views, QUESTIONS)
    assert sizes[-1] == ((2, 5) if family != "gemma3" else (1, 5))
    prompt = vlm._prompter(VIEW, QUESTIONS)
    one = vlm._memory(prompt, 6, 1, (len(prompt.prefix) * 5 + 50 * 5) * 2)
    monkeypatch.setattr(memory, "available", lambda device: one.total * 1.3)
    found = vlm.answer_views(views, QUESTIONS)
    assert sizes[-1][0] == 1 and sizes[-1][1] < 5
    assert [[a.text for a in own] for own in found] == expected
    assert [[a.question for a in own] for own in found] == [QUESTIONS] * 2


@pytest.mark.parametrize("family", ["paligemma", "gemma3", "blip-2"])
def test_what_is_kept_of_questions_asked_one_by_one_is_counted(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = load(checkpoint(family))
    recorders, needs = [], []
    check, count = Recorder.check, vlm._memory
    monkeypatch.setattr(Recorder, "check", lambda self, *a: recorders.append(self) or check(self, *a))
    monkeypatch.setattr(vlm, "_memory", lambda *a, **k: needs.append(count(*a, **k)) or needs[-1])
    vlm.answer_views([VIEW, VIEW], QUESTIONS)
    calls = [c for recorder in recorders for own in recorder._calls.values() for c in own]
    kept = sum(c.query.nbytes + c.key.nbytes for c in calls)
    assert len(recorders) == 10 and kept <= needs[0].kept <= 1.5 * kept


def test_an_integrated_gpu_has_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 2**36))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2)
    for integrated, expected in ((0, 2**30 + 3), (1, memory.available(torch.device("cpu")))):
        properties = SimpleNamespace(is_integrated=integrated)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, p=properties: p)
        assert memory.available(device) == pytest.approx(expected, rel=0.05)


# --- settings of the model's own


def test_the_repetition_penalty_is_the_models_own(tmp_path: Path) -> None:
    folder = tiny_models.BUILDERS["qwen2_vl"](tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model.generation_config.repetition_penalty = 1.5
    model.save_pretrained(folder)
    vlm = load(folder, max_new_tokens=12)
    assert vlm._model.generation_config.repetition_penalty == 1.5
    together = [a.text for a in vlm.answer(VIEW, QUESTIONS)]
    assert together == [
        vlm.answer(VIEW, [question])[0].text for question in QUESTIONS
    ]  # what fills rows is not counted


@pytest.mark.parametrize("family", FAMILIES)
def test_int4_is_nf4_and_spares_all_but_the_language_model(checkpoint: Callable, family: str) -> None:
    model = AutoModelForImageTextToText.from_pretrained(checkpoint(family))
    names = memory.spared(model)
    settings = quantisation("int4", torch.bfloat16, names)
    assert settings.load_in_4bit and settings.bnb_4bit_quant_type == "nf4" and settings.llm_int8_skip_modules == names
    assert quantisation("int8", torch.bfloat16, names).load_in_8bit
    linear = {name for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    small = {name for name in linear if not f"{name}.".startswith(tuple(f"{n}." for n in names))}
    decoder = next(name for name, m in model.named_modules() if m is model.get_decoder())
    assert small and all(name.startswith(decoder) for name in small)
    assert {name for name in linear - small if name.startswith(decoder)} <= {
        name for name, m in model.named_modules() if m is model.get_output_embeddings()
    }
    size = sum(p.numel() for p in model.parameters())
    fewer = sum(dict(model.named_modules())[name].weight.numel() for name in small)
    held = memory.weights_of(model, torch.bfloat16, "int4") - memory.weights_of(model, torch.bfloat16)
    assert held == pytest.approx(fewer * (0.5625 - 2), rel=0.01) and fewer < size


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3", "paligemma"])
def test_answers_are_held_to_a_list_of_names(checkpoint: Callable, family: str) -> None:
    """Random weights write anything; with `json` all that they write begins a JSON list of names."""
    pytest.importorskip("xgrammar")
    free, vlm = (load(checkpoint(family), answers=answers, max_new_tokens=40) for answers in ("free", "json"))
    for answer in vlm.answer(VIEW, QUESTIONS):
        item = r'"[A-Za-z][A-Za-z0-9 -]{0,47}"'
        assert re.fullmatch(rf'\[({item}(, {item})*)?(, )?("[A-Za-z][A-Za-z0-9 -]*"?|,|"|\])?', answer.text)
        assert answer.truncated == (not answer.text.endswith("]"))
        assert answer.layers and len(answer.probabilities) == len(answer.token_spans)
    assert [a.text for a in vlm.answer(VIEW, QUESTIONS)] == [vlm.answer(VIEW, [q])[0].text for q in QUESTIONS]
    assert not all(a.text.startswith("[") for a in free.answer(VIEW, QUESTIONS))
    assert vlm.write(VIEW, "Write 3 questions.", 8)[0] == free.write(VIEW, "Write 3 questions.", 8)[0]


def test_a_grammar_goes_without_beams(checkpoint: Callable) -> None:
    with pytest.raises(ConfigError, match="vlm.answers 'json' goes without beams; expected vlm.beams 1, got 2"):
        load(checkpoint("llava"), answers="json", beams=2)


@pytest.mark.parametrize(
    "error", [KeyError("input_ids"), IndexError("out of range"), MemoryError(), AttributeError("x")]
)
def test_whatever_a_model_raises_is_typed(
    checkpoint: Callable, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    vlm = load(checkpoint("llava"))
    monkeypatch.setattr(vlm._model, "generate", fail)
    monkeypatch.setattr(vlm._model, "forward", fail)
    for ask in (lambda: vlm.answer(VIEW, ["?"]), lambda: vlm.write(VIEW, "Write.", 8)):
        with pytest.raises(VlmError, match="failed on 1 views of 100 × 60 pixels: .") as caught:
            ask()
        assert caught.value.__cause__ is error


def test_a_thought_that_the_template_begins_is_one(tmp_path: Path) -> None:
    """The model writes no start mark, and where the limit cuts it off no end mark."""
    folder = tiny_models.BUILDERS["llava"](tmp_path)
    plain = load(folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "<think>\n")
    vlm = load(folder)
    (answer,) = vlm.answer(VIEW, ["List every object."])
    assert answer.text.startswith("<think>") and parse_names(answer.text, Config().questions) == []
    assert no_answer(answer.text, answer.truncated, Config().questions) == THOUGHT
    for i, (start, end) in enumerate(answer.token_spans):
        assert len("<think>") <= start <= end <= len(answer.text), i
    assert vlm.write(VIEW, "Write.", 8)[0].startswith("<think>")
    assert not plain.answer(VIEW, ["List every object."])[0].text.startswith("<think>")


def test_what_queries_saw_that_is_not_finite_is_an_error(checkpoint: Callable) -> None:
    """A Q-Former's attention makes the map, and its numbers can break where the answer's do not."""
    vlm = load(checkpoint("blip-2"))
    answer = vlm.answer(VIEW, ["List every object."])[0]
    broken = replace(answer, layout=replace(answer.layout, spread=answer.layout.spread * np.nan))
    rows = [[[broken.first_row]]]
    assert np.isfinite(maps([[answer]], [rows], AttentionOptions())[0][0]).all()
    with pytest.raises(VlmError, match="attention over 'List every object.' is not finite"):
        maps([[broken]], [rows], AttentionOptions())


def test_more_layers_than_any_model_has_are_refused_at_once(tmp_path: Path) -> None:
    folder = tiny_models.BUILDERS["llava"](tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 100_000
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="wants text_config.num_hidden_layers 100000; expected at most 1024"):
        load(folder)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_weights_under_a_wrappers_prefix_load(tmp_path: Path, prefix: str) -> None:
    folder = tiny_models.BUILDERS["qwen2_5_vl"](tmp_path)
    expected = load(folder).answer(VIEW, QUESTIONS[:2])
    (file,) = folder.glob("*.safetensors")
    save_file({f"{prefix}{name}": weight for name, weight in load_file(file).items()}, file, {"format": "pt"})
    assert [a.text for a in load(folder).answer(VIEW, QUESTIONS[:2])] == [a.text for a in expected]


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = tiny_models.BUILDERS["llava"](tmp_path)
    (file,) = folder.glob("*.safetensors")
    weights = load_file(file)
    name = next(iter(weights))
    weights[name].view(-1)[0] = float("inf")
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelLoadError, match="1 not finite, such as"):
        load(folder)
