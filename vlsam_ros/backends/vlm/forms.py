"""In which form a model writes boxes and points, by its family or its name; light, for every kind of backend."""

from __future__ import annotations

import re

FAMILY_FORMS: dict[str, str] = {
    "qwen2_vl": "qwen2",
    "qwen2_5_vl": "qwen2.5",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe": "qwen3",
    "qwen3_5": "qwen3",
    "qwen3_5_moe": "qwen3",
    "internvl": "internvl",
    "internvl_chat": "internvl",
    "molmo": "molmo",
    "molmo2": "molmo2",
    "paligemma": "paligemma",
    "gemma4": "gemma",
    "glm4v": "glm",
    "glm4v_moe": "glm",
    "glm46v": "glm",
    "deepseek_vl_v2": "deepseek",
    "kosmos-2": "kosmos",
    "moondream1": "moondream",
    "florence2": "florence",
}
"""`model_type` of config.json -> one of `config.BOX_FORMATS`. A family that is not here was taught none that is
documented, and so was no Gemma 3."""

_NAMES = [
    (re.compile(pattern), form)
    for pattern, form in (
        (r"internvl", "internvl"),
        (r"molmo-?2", "molmo2"),
        (r"molmo(?!-?point)", "molmo"),
        (r"paligemma", "paligemma"),
        (r"gemini", "gemini"),
        (r"gemma-?4", "gemma"),
        (r"glm-?4\.[1-9]v", "glm"),
        (r"deepseek-?vl-?2", "deepseek"),
        (r"kosmos-?2(?!\.)", "kosmos"),
        (r"moondream", "moondream"),
        (r"florence-?2", "florence"),
        (r"qwen-?3-?vl|qwen-?3\.\d", "qwen3"),
        (r"qwen-?2\.5-?vl", "qwen2.5"),
        (r"qwen-?2-?vl|qvq", "qwen2"),
    )
]
"""What a model is called, lower case with hyphens for blanks and underscores -> its form; the first that fits."""


def form_of_name(model: str) -> str:
    """One of `config.BOX_FORMATS` by what a served model is called; "" if that tells nothing.

    "Qwen/Qwen3-VL-4B-Instruct" and "qwen3-vl:4b" are ``qwen3``. The last part of a path counts first.
    """
    name = re.sub(r"[\s_]", "-", model.lower())
    parts = (name.rstrip("/").rpartition("/")[2], name)
    return next((form for part in parts for pattern, form in _NAMES if pattern.search(part)), "")
