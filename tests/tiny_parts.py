"""What tiny checkpoints are made of: a tokenizer, a chat template, sizes; and how they are saved."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

IMAGE, VIDEO = "<image>", "<video>"
SPECIAL = ["<s>", "</s>", "<pad>", IMAGE, VIDEO, "<vision>", "</vision>"]
MERGES = [("Ġ", "c"), ("o", "n"), ("Ġc", "on"), ("t", "r"), ("f", "f"), ("ff", "i")]
VOCABULARY = len(SPECIAL) + 256 + len(MERGES)
VISION = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
}
SQUARE = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 2048,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}


def template(image: str) -> str:
    """A chat template that writes `image` for the image."""
    return (
        "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}" + image + "\n{% else %}{{ c['text'] }}{% endif %}"
        "{% endfor %}{% endfor %} assistant:"
    )


NAMED = {
    "image_token": IMAGE,
    "video_token": VIDEO,
    "vision_bos_token": "<vision>",
    "vision_eos_token": "</vision>",
    "context_image_token": IMAGE,
    "start_image_token": "<vision>",
    "end_image_token": "</vision>",
    "boi_token": "<vision>",
    "eoi_token": "</vision>",
}


def tokenizer(named: dict[str, str] = NAMED) -> hf.PreTrainedTokenizerFast:
    """One token per byte, a few of several, and the special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(SPECIAL + alphabet + ["".join(pair) for pair in MERGES])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=MERGES))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=named,
    )


def clip_processor() -> hf.LlavaProcessor:
    """LLaVA-1.5's, for 4 × 4 patches of 7 px and CLIP's class token."""
    return hf.LlavaProcessor(
        hf.CLIPImageProcessor(**SQUARE),
        tokenizer(),
        patch_size=7,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template(IMAGE),
    )


def save(config: hf.PreTrainedConfig, processor: hf.ProcessorMixin, folder: Path, seed: int = 0) -> Path:
    """A checkpoint with random weights that attend to some tokens more than to others."""
    torch.manual_seed(seed)
    model = hf.AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.get_decoder().parameters():
            parameter *= 6.0 if parameter.ndim == 2 else 1.0  # peaked attention: equality is not vacuous
        for name, parameter in model.named_parameters():
            if "q_norm" in name:
                parameter *= 0.5  # where these norms decide how peaked it is, not too peaked for float32
            if "mm_input_projection" in name or name == "query_tokens":
                parameter.normal_()  # Gemma 3 and Q-Formers begin with zeros
            if name.startswith("qformer") and "crossattention.attention" in name:
                parameter *= 20.0  # each query of a Q-Former looks elsewhere
            if "vision" in name and ("out_proj" in name or "o_proj" in name):
                parameter *= 0.1  # a patch keeps to itself
            if "image_pooling_2d" in name or "image_projector" in name:
                parameter *= 10.0  # what Molmo 2 adds to its tokens is not lost beside them
            if parameter.shape[2:] == (3, 3):
                parameter[:, :, 0], parameter[..., 0] = 0, 0  # a strided convolution keeps to its own cell
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
