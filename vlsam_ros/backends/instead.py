"""Models that people know by name and that can't be loaded here: why, and what to take instead."""

from __future__ import annotations

import json
import re
from pathlib import Path

_SERVER = "only its maker runs it; take vlm.model 'openai:<address>/v1#<model>' with its server's, or Qwen3-VL here"
_PARTS = "its weights are parts for its authors' own programs"
_CODE = "its checkpoints bring code for an older transformers"

INSTEAD: dict[str, str] = {
    "sphinx": f"SPHINX: {_PARTS}; take InternVL or Qwen3-VL",
    "llama adapter": f"LLaMA-Adapter: {_PARTS}; take LLaVA or Qwen3-VL",
    "minigpt": f"MiniGPT-4: {_PARTS}; take InstructBLIP with Vicuna, whose Q-Former is of the same kind",
    "glip": f"GLIP: {_PARTS}; take Grounding DINO or LLMDet as grounder.model",
    "sword": f"SWORD: {_PARTS}; take SAM 3 as grounder.model",
    "(chat)?gpt(?! oss)": f"GPT: {_SERVER}",
    "claude": f"Claude: {_SERVER}",
    "gemini": f"Gemini: {_SERVER}",
    "grok": f"Grok: {_SERVER}",
    "cogagent 9 b|glm 4 v 9 b|chatglm": f"GLM-4V-9B and CogAgent-9B: {_CODE}; take GLM-4.1V or GLM-4.6V",
    "internvl chat": f"InternVL in its authors' form: {_CODE}; take the same model with -HF at the end of its name",
    "llava (llama|mistral|qwen)": f"LLaVA in its authors' form: {_CODE}; take the same model of llava-hf",
    "qwen vl": f"the first Qwen-VL: {_CODE}; take Qwen3-VL",
    "molmo(?! 2)": f"the first Molmo: {_CODE}; take Molmo 2",
    "minicpmv(?! 4 [6-9])": f"MiniCPM-V before 4.6: {_CODE}; take MiniCPM-V 4.6",
    "phi 3 v(ision)?": f"Phi-3-vision: {_CODE}; take LLaVA with Phi-3, or Qwen3-VL",
}
"""Words (a pattern) of a model's name or `model_type` -> how it is called, the reason, the way out."""


def instead(model: str) -> str:
    """What to take instead of a model that could not be loaded; empty if nothing is known of it.

    Args:
        model: a path or a hub id; of a folder, what its config.json says that it is counts as well. Of one that is not
            read from files, with a colon in its name, nothing is known.
    """
    if ":" in model:
        return ""
    folder = Path(model)
    names = " | ".join(_words(name) for name in (folder.name, _declared(folder / "config.json")))
    return next((advice for words, advice in INSTEAD.items() if re.search(rf"\b({words})\b", names)), "")


def _words(name: str) -> str:
    """Words and numbers in lower case, with a blank between them."""
    return " ".join(re.findall(r"[a-z]+|[0-9]+", name.lower()))


def _declared(config: Path) -> str:
    """The `model_type` of a configuration; empty if it has none."""
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
