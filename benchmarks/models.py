"""The model that the benchmarks of generation use: LLaVA with 576 image tokens and random weights."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import VlmOptions

SPECIAL = ["<s>", "</s>", "<pad>", "<image>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}user: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} assistant:"
)


def tokenizer() -> hf.PreTrainedTokenizerFast:
    """One token per byte, and the special ones."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )


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
        tokenizer(),
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
