"""Models that have no loader here: the message says what to take instead."""

import json
from pathlib import Path

import pytest

from vlsam_ros.backends import load_grounder, load_vlm
from vlsam_ros.backends.instead import INSTEAD, instead
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.config import GrounderOptions, VlmOptions
from vlsam_ros.errors import ModelLoadError

KNOWN = {
    "Alpha-VLLM/SPHINX-Tiny-1k": "InternVL",
    "models/llama_adapter_v2_multimodal": "LLaVA",
    "Vision-CAIR/MiniGPT-4": "InstructBLIP",
    "minigpt4": "InstructBLIP",
    "gpt-4o": "openai:",
    "openai/GPT4V": "openai:",
    "chatgpt-4o-latest": "openai:",
    "gemini-3-pro": "openai:",
    "THUDM/cogagent-9b-20241220": "GLM-4.1V",
    "THUDM/glm-4v-9b": "GLM-4.1V",
    "Qwen/Qwen-VL-Chat": "Qwen3-VL",
    "allenai/Molmo-7B-D-0924": "Molmo 2",
    "microsoft/Phi-3-vision-128k-instruct": "LLaVA with Phi-3",
}


@pytest.mark.parametrize("model", KNOWN)
def test_a_vlm_that_is_known_by_name(model: str) -> None:
    with pytest.raises(ModelLoadError, match=f"take .*{KNOWN[model]}.* can't load"):
        load_vlm(VlmOptions(model=model, device="cpu"))


@pytest.mark.parametrize(("model", "other"), [("GLIPModel/GLIP-L", "LLMDet"), ("sword-r50", "SAM 3")])
def test_a_grounder_that_is_known_by_name(model: str, other: str) -> None:
    with pytest.raises(ModelLoadError, match=f"take .*{other}.* as grounder.model"):
        load_grounder(GrounderOptions(mode="boxes", model=model, device="cpu"))


@pytest.mark.parametrize(
    ("declared", "other"),
    [("internvl_chat", "-HF"), ("llava_llama", "llava-hf"), ("chatglm", "GLM-4.6V"), ("minicpmv", "MiniCPM-V 4.6")],
)
def test_a_folder_is_known_by_what_it_declares(declared: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": declared, "auto_map": {"AutoConfig": "own.Own"}}))
    with pytest.raises(ModelLoadError, match=f"take .*{other}"):
        load_vlm(VlmOptions(model=str(tmp_path), device="cpu"))


OTHERS = [
    "",
    ".",
    "allenai/Molmo2-8B",
    "openbmb/MiniCPM-V-4.6",
    "Qwen/Qwen2.5-VL-7B",
    "zai-org/GLM-4.1V-9B-Thinking",
    "openai/gpt-oss",
]


@pytest.mark.parametrize("model", [*OTHERS, *FAMILIES, "password", "openai:http://localhost:8000/v1#gpt-4o"])
def test_others_are_not_mistaken_for_them(model: str) -> None:
    assert instead(model) == ""


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_type": null}', '{"model_type": 3}', "7"])
def test_a_strange_configuration_says_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    assert instead(str(tmp_path)) == ""


def test_each_advice_names_what_to_take() -> None:
    assert all(": " in advice and "; take " in advice for advice in INSTEAD.values())
