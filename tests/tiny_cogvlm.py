"""A tiny CogVLM or CogAgent with random weights and its own code, saved as a user's checkpoint would be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cogvlm_code
import tiny_models
import torch


def build(folder: Path) -> Path:
    """CogVLM, see the module."""
    return _saved(folder, cogvlm_code.CogVLMForCausalLM)


def cogagent(folder: Path) -> Path:
    """CogAgent, whose layers also look at a picture of twice the size."""
    return _saved(folder, cogvlm_code.CogAgentForCausalLM, cross_image_size=56)


def _saved(folder: Path, kind: type[cogvlm_code.CogVLMForCausalLM], **options: int) -> Path:
    torch.manual_seed(0)
    model = kind(cogvlm_code.CogVLMConfig(**options))
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.language_expert_query_key_value.weight *= 2  # peaked attention: equality is not vacuous
    model.save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    shutil.copy(cogvlm_code.__file__, folder / "cogvlm_code.py")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {
        "AutoConfig": "cogvlm_code.CogVLMConfig",
        "AutoModelForCausalLM": f"cogvlm_code.{kind.__name__}",
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
