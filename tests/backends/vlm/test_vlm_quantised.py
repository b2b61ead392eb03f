"""Checkpoints whose weights are packed: what they need, what they take, and that they answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
import transformers as hf
from safetensors.torch import save_file
from tiny_models import edit

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import quantised
from vlsam_ros.backends.vlm.memory import empty, weights_of
from vlsam_ros.config import VlmOptions
from vlsam_ros.errors import ConfigError, ModelLoadError

VIEW = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
GROUP = 16


def config(folder: Path, **settings: Any) -> hf.PreTrainedConfig:
    """Of a tiny LLaVA, with these settings of quantisation."""
    tiny_models.llava(folder)
    edit(folder / "config.json", lambda c: c.update(quantization_config=settings))
    return hf.AutoConfig.from_pretrained(folder)


@pytest.mark.parametrize("method", quantised.PACKAGES)
def test_a_missing_package_is_named(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, quant_method=method)
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    with pytest.raises(ModelLoadError, match=f"pip install {' '.join(quantised.PACKAGES[method])}$"):
        load_vlm(VlmOptions(model=str(tmp_path), device="cpu"))


def test_packages_that_are_there_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = config(tmp_path, quant_method="gptq", bits=4)
    monkeypatch.setattr(quantised, "find_spec", lambda name: None if name == "optimum" else object())
    with pytest.raises(ModelLoadError, match="pip install optimum$"):
        quantised.check(found, "a model", "none")
    monkeypatch.setattr(quantised, "find_spec", lambda name: object())
    quantised.check(found, "a model", "none")


@pytest.mark.parametrize("wanted", ["int4", "int8"])
def test_what_is_quantised_is_not_quantised_again(wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"quantised already .awq.; expected 'none', got '{wanted}'"):
        quantised.check(config(tmp_path, quant_method="awq", bits=4), "a model", wanted)


def test_quantising_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_models.llava(tmp_path)
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    plain = hf.AutoConfig.from_pretrained(tmp_path)
    quantised.check(plain, "a model", "none")
    with pytest.raises(ModelLoadError, match="pip install bitsandbytes accelerate$"):
        quantised.check(plain, "a model", "int4")


@pytest.mark.parametrize("shards", [1, 2])
def test_a_packed_checkpoint_takes_what_its_files_hold(shards: int, tmp_path: Path) -> None:
    found = config(tmp_path, quant_method="awq", bits=4)
    (tmp_path / "model.safetensors").unlink()
    names = ["model.safetensors"] if shards == 1 else ["model-1.safetensors", "model-2.safetensors"]
    for name in names:
        tensors = {"qweight": torch.zeros(8, 4, dtype=torch.int32), "scales": torch.zeros(3, 4, dtype=torch.float16)}
        save_file(tensors | {"eight": torch.zeros(5, dtype=torch.float8_e4m3fn)}, tmp_path / name)
    if shards > 1:  # files that no index names are another copy
        save_file({"again": torch.zeros(100)}, tmp_path / "consolidated.safetensors")
        index = {"weight_map": {f"{name}.qweight": name for name in names}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for dtype, size in ((torch.bfloat16, 2), (torch.float32, 4)):
        assert quantised.held(found, empty(found), str(tmp_path), dtype, "none") == shards * (32 * 4 + 12 * size + 5)


@pytest.mark.parametrize(
    ("settings", "like"),
    [
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "fp8"}, "int8"),
        ({"quant_method": "compressed-tensors"}, "none"),
    ],
    ids=str,
)
def test_what_is_not_here_yet_is_estimated_by_its_method(settings: dict, like: str, tmp_path: Path) -> None:
    found = config(tmp_path, **settings)
    model = empty(found)
    expected = weights_of(model, torch.bfloat16, like)
    assert quantised.held(found, model, "publisher/model", torch.bfloat16, "none") == expected


def packed(folder: Path) -> dict[str, torch.Tensor]:
    """A tiny LLaVA's language model in groups of four-bit integers; its weights as they can be read back."""
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config

    tiny_models.llava(folder)
    model = hf.AutoModelForImageTextToText.from_pretrained(folder)
    weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": GROUP, "symmetric": True}
    scheme = {"targets": ["re:.*language_model.layers.*_proj$"], "weights": weights}
    settings = {"config_groups": {"group": scheme}, "format": "pack-quantized", "quantization_status": "compressed"}
    apply_quantization_config(model, QuantizationConfig.model_validate(settings))
    expected = {}
    for name, module in model.named_modules():
        if hasattr(module, "weight_scale"):
            groups = module.weight.data.unflatten(1, (-1, GROUP))
            module.weight_scale.data[:] = scale = groups.abs().amax(-1) / 7
            whole = (groups / scale[..., None]).round().clamp(-8, 7) * scale[..., None]
            expected[name] = whole.flatten(1)
    compressor = ModelCompressor.from_pretrained_model(model, quantization_format="pack-quantized")
    compressor.compress_model(model)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder)
    compressor.update_config(str(folder))
    return expected


def test_compressed_tensors_are_plain_weights_once_loaded(tmp_path: Path) -> None:
    pytest.importorskip("compressed_tensors", reason="pip install compressed-tensors")
    expected = packed(tmp_path)
    assert len(expected) == 3 * 7  # layers, and what each has
    vlm = load_vlm(VlmOptions(model=str(tmp_path), device="cpu", max_new_tokens=4))
    for name, weight in expected.items():
        module = vlm._model.get_submodule(name)
        assert type(module) is torch.nn.Linear
        torch.testing.assert_close(module.weight, weight)
    before = sum(t.nbytes for t in (*vlm._model.parameters(), *vlm._model.buffers()))
    assert vlm.answer(VIEW, ["What is here?"])[0].text
    assert sum(t.nbytes for t in (*vlm._model.parameters(), *vlm._model.buffers())) == before
    found = hf.AutoConfig.from_pretrained(tmp_path)
    assert quantised.held(found, empty(found), str(tmp_path), torch.float32, "none") == pytest.approx(before, rel=1e-3)
