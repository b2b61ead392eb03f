"""What a VLM's checkpoint must hold; everything else is refused when it is loaded."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from safetensors.torch import load_file
from tiny_models import edit, reweigh

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.layouts import REFUSED
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import VlmOptions
from vlsam_ros.embedded import VLMS, vlm_path
from vlsam_ros.errors import ConfigError, ModelLoadError

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)


def load(folder: Path, **options: object) -> TransformersVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 8, **options}))


def _text(**changes: object) -> Callable[[Path], object]:
    """Changes the language model's configuration."""
    return lambda d: edit(d / "config.json", lambda c: c["text_config"].update(changes))


BROKEN = {
    "no folder": (lambda d: d.rename(d.with_name("away")), "expected a folder with a transformers model"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "AutoModelForImageTextToText can't load"),
    "pickled weights": (lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"), "can't load"),
    "cut weights": (lambda d: (d / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"), "can't load"),
    "missing key": (lambda d: reweigh(d, lambda w: w.pop(_key(w))), "1 missing keys, such as .*k_proj"),
    "unknown key": (
        lambda d: reweigh(d, lambda w: w.update(extra=torch.zeros(1))),
        "1 unexpected keys, .*extra",
    ),
    "other shape": (lambda d: reweigh(d, lambda w: w.update({_key(w): torch.zeros(2, 2)})), "can't load|mismatched"),
    "no chat template": (lambda d: (d / "chat_template.jinja").unlink(), "has no chat template"),
    "question first": (
        lambda d: (d / "chat_template.jinja").write_text("{{ messages[0]['content'][1]['text'] }}<image> assistant:"),
        "before the image",
    ),
    "template that fails": (
        lambda d: (d / "chat_template.jinja").write_text("{{ raise_exception('no images') }}"),
        "can't build a prompt: TemplateError: no images",
    ),
    "no image in template": (lambda d: (d / "chat_template.jinja").write_text("user: hello"), "can't build a prompt"),
    "wrong number of image tokens": (
        lambda d: edit(d / "processor_config.json", lambda c: c.update(num_additional_image_tokens=0)),
        "expected 4 × 4 image tokens in the prompt, found 15",
    ),
    "no image token": (
        lambda d: (d / "tokenizer.json").write_text((d / "tokenizer.json").read_text().replace("<image>", "<photo>")),
        "image token",
    ),
    "cross-attention": (lambda d: edit(d / "config.json", lambda c: c.update(model_type="mllama")), "cross-attention"),
    "unknown family": (
        lambda d: edit(d / "config.json", lambda c: c.update(model_type="fuyu")),
        "llava, .*qwen2",
    ),
    "unheard-of family": (lambda d: edit(d / "config.json", lambda c: c.update(model_type="my_vlm")), "my_vlm"),
    "heads that don't divide": (_text(num_key_value_heads=3), "can't load|can't build|don't fit"),
    "layers that are no number": (_text(num_hidden_layers="three"), "can't load|can't build"),
    "unknown activation": (_text(hidden_act="bounce"), "can't build the model"),
    "more layers than weights": (_text(num_hidden_layers=4), "missing keys, such as .*layers.3"),
    "fewer layers than weights": (_text(num_hidden_layers=2), "unexpected keys, such as .*layers.2"),
    "unreadable config": (lambda d: (d / "config.json").write_text("{"), "AutoConfig can't load"),
}


def _key(weights: dict) -> str:
    return next(name for name in weights if name.endswith("layers.1.self_attn.k_proj.weight") and "language" in name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.llava(tmp_path_factory.mktemp("saved"))


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_checkpoint_is_refused(case: str, saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in saved.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    damage, message = BROKEN[case]
    damage(folder)
    with pytest.raises(ModelLoadError, match=message):
        load(folder)


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_can_not_work_is_refused_with_the_reason(family: str, saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    with pytest.raises(ModelLoadError, match=re.escape(REFUSED[family])):
        load(folder)


def test_a_q_former_before_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    tiny_models.BUILDERS["blip-2"](tmp_path)
    edit(tmp_path / "config.json", lambda c: c.update(text_config={"model_type": "t5"}))
    with pytest.raises(ModelLoadError, match="encoder-decoder"):
        load(tmp_path)


def test_tied_weights_need_not_be_saved_twice(tmp_path: Path) -> None:
    tiny_models.llava(tmp_path, tied=True)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    assert load(tmp_path).answer(VIEW, ["What is here?"])


def test_half_precision(saved: Path) -> None:
    answer = load(saved, dtype="bfloat16").answer(VIEW, ["What is here?"])[0]
    assert answer.layer(2).query.dtype == torch.bfloat16


@pytest.mark.parametrize("options", [{"quantisation": "int4"}, {"device": "cuda:7"}, {"device": "toaster"}])
def test_what_the_machine_has_not_got_is_a_config_error(saved: Path, options: dict) -> None:
    with pytest.raises(ConfigError, match="cuda|toaster"):
        load(saved, **options)


@pytest.mark.parametrize("model", VLMS)
def test_an_embedded_model_is_one_by_its_folder_too(model: str, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(vlm_path(model))
    by_name, *by_folder = (load_vlm(VlmOptions(model=str(m))) for m in (model, vlm_path(model), tmp_path / "mine"))
    for vlm in by_folder:
        assert (vlm.name, vlm.demonstration, vlm.boxes) == (by_name.name, True, by_name.boxes)
