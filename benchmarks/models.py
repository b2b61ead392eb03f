"""Models with random weights: a LLaVA with 576 image tokens, and Qwen2.5-VL-3B's configuration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.prompting import Prompter
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import VlmOptions

SPECIAL = ["<s>", "</s>", "<pad>", "<image>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}user: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} assistant:"
)


def tokenizer(special: dict[str, int], named: dict[str, str]) -> hf.PreTrainedTokenizerFast:
    """One token per byte, and the special ones with their ids; `named` are the tokenizer's attributes."""
    free = (i for i in count() if i not in special.values())
    vocabulary = special | dict(zip(sorted(pre_tokenizers.ByteLevel.alphabet()), free, strict=False))
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    names = [*special]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=names[0], eos_token=names[1], pad_token=names[2], extra_special_tokens=named
    )


def saying(generate: Callable, ids: list[int]) -> Callable:
    """A model's `generate` that writes these tokens, since random weights name nothing."""

    def inner(**given: object) -> torch.Tensor:
        first: list[int] = []

        def allowed(_: int, seen: torch.Tensor) -> list[int]:
            first.append(len(seen))
            return [ids[min(len(seen) - first[0], len(ids) - 1)]]

        return generate(**given, prefix_allowed_tokens_fn=allowed)

    return inner


def llava(layers: int, width: int, side: int, new_tokens: int) -> TransformersVlm:
    """A LLaVA with side × side image tokens, saved and loaded as a real checkpoint is; it never ends an answer."""
    size = {"height": 14 * side, "width": 14 * side}
    torch.manual_seed(0)
    text = hf.LlamaConfig(
        hidden_size=width,
        intermediate_size=int(2.7 * width),
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=8,
        vocab_size=len(SPECIAL) + 256,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    vision = hf.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=14 * side,
        patch_size=14,
    )
    config = hf.LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=SPECIAL.index("<image>"),
        image_seq_length=side**2,
        tie_word_embeddings=False,
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessor(size={"shortest_edge": 14 * side}, crop_size=size),
        tokenizer({token: i for i, token in enumerate(SPECIAL)}, {"image_token": "<image>"}),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    model = hf.LlavaForConditionalGeneration(config)
    with torch.no_grad():
        model.lm_head.weight[: len(SPECIAL)] = 0  # random answers without special tokens
        for layer in model.model.language_model.layers:
            for parameter in layer.parameters():
                parameter *= 4.0 if parameter.ndim == 2 else 1.0  # peaked attention: the texts differ
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        return load_vlm(VlmOptions(model=str(Path(folder)), device="cpu", dtype="float32", max_new_tokens=new_tokens))


def qwen_config(hidden: int, inner: int, layers: int, heads: int, key_heads: int, tied: bool) -> hf.Qwen2_5_VLConfig:
    """The published configuration of a Qwen2.5-VL, with the sizes of its language model."""
    text = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "vocab_size": 151_936 if tied else 152_064,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
    }
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": hidden,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    }
    tokens = {"image_token_id": QWEN["<|image_pad|>"], "video_token_id": QWEN["<|video_pad|>"]}
    marks = {"vision_start_token_id": QWEN["<|vision_start|>"], "vision_end_token_id": QWEN["<|vision_end|>"]}
    return hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **tokens, **marks)


QWEN = {
    "<|endoftext|>": 151_643,
    "<|im_end|>": 151_645,
    "<|pad|>": 151_642,
    "<|im_start|>": 151_644,
    "<|vision_start|>": 151_652,
    "<|vision_end|>": 151_653,
    "<|image_pad|>": 151_655,
    "<|video_pad|>": 151_656,
}
"""Qwen's special tokens; all others of the benchmark's tokenizer are bytes."""

QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>user\n{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|>"
    "<|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def qwen(config: hf.Qwen2_5_VLConfig, new_tokens: int) -> TransformersVlm:
    """A Qwen2.5-VL with random bfloat16 weights and its image processor's settings."""
    torch.manual_seed(0)
    model = hf.AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16).eval()
    processor = hf.Qwen2_5_VLProcessor(
        hf.Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 16_384}),
        tokenizer(QWEN, {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}),
        hf.Qwen2VLVideoProcessor(),
        chat_template=QWEN_TEMPLATE,
    )
    prompter = Prompter(processor, FAMILIES["qwen2_5_vl"], config.image_token_id, torch.device("cpu"), torch.bfloat16)
    options = VlmOptions(device="cpu", dtype="bfloat16", max_new_tokens=new_tokens)
    return TransformersVlm(model, processor.tokenizer, prompter, "qwen2.5-vl, random weights", False, options)
