"""What a VLM's memory is reckoned to be, against the tensors themselves; and what happens when there is too little."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import memory
from vlsam_ros.config import VlmOptions
from vlsam_ros.errors import ModelLoadError, VlmError

VIEW = np.zeros((60, 100, 3), np.uint8)
QUESTIONS = ["What is here?", "List it.", "?"]


@pytest.fixture(scope="module", params=["llava", "qwen2_5_vl", "paligemma", "blip-2"])
def folder(request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint(request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_those_of_the_model(folder: Path, dtype: torch.dtype) -> None:
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}.values()
    numbers = sum(t.numel() for t in tensors)
    assert memory.weights(AutoConfig.from_pretrained(folder), dtype).weights == pytest.approx(
        numbers * dtype.itemsize, rel=0.02
    )
    quantised = memory.weights(AutoConfig.from_pretrained(folder), dtype, "int4").weights
    assert quantised < memory.weights(AutoConfig.from_pretrained(folder), dtype, "int8").weights < numbers * 4


def test_cache_and_kept_are_those_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load_vlm(VlmOptions(model=str(tiny_models.qwen2_5_vl(tmp_path)), device="cpu", max_new_tokens=5))
    prefixes, benches, written = [], [], []
    for owner, name, seen in ((vlm._batch, "_prefix", prefixes), (vlm._batch, "_bench", benches)):
        call = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, call=call, seen=seen: seen.append(call(*a)) or seen[-1])
    write = vlm._batch._decoder.write
    monkeypatch.setattr(vlm._batch._decoder, "write", lambda *a: written.append(write(*a)) or written[-1])
    vlm.answer_views([VIEW, VIEW], QUESTIONS)
    prompt = vlm._prompter(VIEW, QUESTIONS)
    lengths = len(prompt.prefix), max(map(len, prompt.tails)), 5
    need = memory.generation(vlm._model.config, torch.float32, *lengths, views=2, questions=3)
    ((prefix,), ((bench, _),), (run,)) = prefixes, benches, written
    cache = [t for layer in bench.cache.layers for t in (layer.keys, layer.values)]
    assert sum(t.nbytes for t in (*cache, *prefix.values)) == need.cache
    kept = [t for c in prefix.calls for t in (c.query, c.key)]
    assert sum(t.nbytes for t in (*kept, *run.queries, *run.keys)) == need.kept
    assert need.total == need.cache + need.kept + need.working and need.working > 0
    assert "GiB" in str(need)


def test_too_little_memory_is_an_error_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load_vlm(VlmOptions(model=str(tiny_models.llava(tmp_path)), device="cpu", max_new_tokens=5))
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    monkeypatch.setattr(vlm._model, "forward", lambda **_: pytest.fail("it ran"))
    with pytest.raises(VlmError, match=r"answers need .* GiB .* lower vlm.image_tokens, vlm.view_batch or"):
        vlm.answer(VIEW, QUESTIONS)
    with pytest.raises(ModelLoadError, match="smaller model, vlm.dtype float16, or vlm.quantisation"):
        load_vlm(VlmOptions(model=str(tmp_path), device="cpu"))


def test_the_machines_own_memory_is_known() -> None:
    assert 2**28 < memory.available(torch.device("cpu")) < 2**46
