"""Tiny checkpoints with random weights, one for each supported family, saved as a user's would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForImageTextToText,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

IMAGE, VIDEO = "<image>", "<video>"
SPECIAL = ["<s>", "</s>", "<pad>", IMAGE, VIDEO, "<vision>", "</vision>"]
VOCABULARY = len(SPECIAL) + 256
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} assistant:"
)
TEXT = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=VOCABULARY,
    max_position_embeddings=2048,
    bos_token_id=0,
    eos_token_id=1,
    pad_token_id=2,
)


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, and the special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(SPECIAL + alphabet)}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={
            "image_token": IMAGE,
            "video_token": VIDEO,
            "vision_bos_token": "<vision>",
            "vision_eos_token": "</vision>",
        },
    )


def _save(config: PreTrainedConfig, processor: ProcessorMixin, folder: Path) -> Path:
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.get_decoder().parameters():
            parameter *= 6.0 if parameter.ndim == 2 else 1.0  # peaked attention: equality is not vacuous
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llava(folder: Path, text: PreTrainedConfig | None = None, **image_options: object) -> Path:
    """LLaVA-1.5 with a CLIP tower of 4 × 4 patches."""
    vision = CLIPVisionConfig(
        hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=7
    )
    config = LlavaConfig(vision, text or LlamaConfig(**TEXT), image_token_index=SPECIAL.index(IMAGE), image_seq_length=16)
    options = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}, **image_options}
    processor = LlavaProcessor(
        CLIPImageProcessor(**options),
        tokenizer(),
        patch_size=7,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", IMAGE),
    )
    return _save(config, processor, folder)


def llava_sliding(folder: Path) -> Path:
    """LLaVA whose language model sees the last 24 tokens only."""
    return llava(folder, MistralConfig(**TEXT, sliding_window=24))


def qwen2_5_vl(folder: Path) -> Path:
    """Qwen2.5-VL with 14 px patches, merged 2 × 2."""
    vision = dict(depth=2, hidden_size=32, intermediate_size=32, num_heads=2, out_hidden_size=32, fullatt_block_indexes=[1])
    return _qwen(folder, Qwen2_5_VLConfig, Qwen2_5_VLProcessor, vision)


def qwen2_vl(folder: Path) -> Path:
    """Qwen2-VL with 14 px patches, merged 2 × 2."""
    return _qwen(folder, Qwen2VLConfig, Qwen2VLProcessor, dict(depth=2, embed_dim=32, num_heads=2, mlp_ratio=1, hidden_size=32))


def _qwen(folder: Path, config: type[PreTrainedConfig], processor: type[ProcessorMixin], vision: dict) -> Path:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    full = config(
        text_config={**TEXT, "rope_parameters": rope},
        vision_config=vision,
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
        vision_start_token_id=SPECIAL.index("<vision>"),
        vision_end_token_id=SPECIAL.index("</vision>"),
    )
    size = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 40}
    template = TEMPLATE.replace("IMAGE", f"<vision>{IMAGE}</vision>")
    made = processor(Qwen2VLImageProcessor(size=size), tokenizer(), Qwen2VLVideoProcessor(), chat_template=template)
    return _save(full, made, folder)


BUILDERS: dict[str, Callable[[Path], Path]] = {"llava": llava, "qwen2_vl": qwen2_vl, "qwen2_5_vl": qwen2_5_vl}
"""Supported family -> builder; one for every row of the backend's table."""
