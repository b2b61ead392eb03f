"""The real architectures at their published sizes, with random weights, built offline and straight on a device.

Random weights name nothing. So each language model is taught one answer, `ANSWER`: whatever it is shown and asked, it
writes that by itself, token by token, and nothing of it stands in the way of a compiled step.

With `tiny` a name stands for a model of the same family with two layers, for a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from string import ascii_lowercase
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn

from benchmarks.models import QWEN, QWEN_TEMPLATE, TEMPLATE
from vlsam_ros.backends.grounder.families import FAMILIES as GROUNDERS_OF
from vlsam_ros.backends.grounder.transformers_grounder import TransformersGrounder
from vlsam_ros.backends.segmenter.sam import SamSegmenter
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.prompting import Prompter
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import Config, GrounderOptions, VlmOptions, profile_path

NAMES = ("orange traffic cone", "brown dog", "flattened cardboard box", "blue baby stroller")
ANSWER = json.dumps(NAMES)
"""What every question is answered with: four names."""

TOKENS = 48
"""How many tokens the answer has, without the one that ends it."""


class Text(NamedTuple):
    """A language model's sizes; a head of `head` numbers turns by `sections` (height, width and time of M-RoPE)."""

    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    tied: bool = False
    head: int = 128
    sections: tuple[int, int, int] = (24, 20, 20)


class Tower(NamedTuple):
    """A vision tower's sizes; `marked` are the layers that see everything (Qwen2.5) or are read out early (Qwen3)."""

    hidden: int
    inner: int
    layers: int
    heads: int
    marked: tuple[int, ...] = ()


QWEN3 = {
    "Qwen3-VL-2B": (Text(2048, 6144, 28, 16, 8, 151_936, True), Tower(1024, 4096, 24, 16, (5, 11, 17))),
    "Qwen3-VL-4B": (Text(2560, 9728, 36, 32, 8, 151_936, True), Tower(1024, 4096, 24, 16, (5, 11, 17))),
    "Qwen3-VL-8B": (Text(4096, 12_288, 36, 32, 8, 151_936), Tower(1152, 4304, 27, 16, (8, 16, 24))),
}
QWEN2_5 = {
    "Qwen2.5-VL-7B": (
        Text(3584, 18_944, 28, 28, 4, 152_064, sections=(16, 24, 24)),
        Tower(1280, 3420, 32, 16, (7, 15, 23, 31)),
    )
}
LLAVA = {"LLaVA-1.5-7B": (Text(4096, 11_008, 32, 32, 32, 32_064), Tower(1024, 4096, 24, 16))}
VLMS = (*QWEN3, *QWEN2_5, *LLAVA)
"""Sizes as in the checkpoints' config.json on the hub, by the part of their names that tells them apart."""

PARAMETERS = {
    "Qwen3-VL-2B": 2.13e9,
    "Qwen3-VL-4B": 4.44e9,
    "Qwen3-VL-8B": 8.77e9,
    "Qwen2.5-VL-7B": 8.29e9,
    "LLaVA-1.5-7B": 7.06e9,
    "ViT-H": 641e6,
    "ViT-L": 312e6,
    "ViT-B": 93.7e6,
    "SAM 2.1 tiny": 38.9e6,
    "SAM 2.1 small": 46e6,
    "SAM 2.1 large": 224.4e6,
    "EdgeTAM": 13.9e6,
    "MobileSAM": 10.1e6,
    "SAM 3": 848e6,
}
"""As published. Those of SAM 2.1, EdgeTAM and SAM 3 count what only follows things through a video, which is not built
here, and MobileSAM's the classifier of its encoder."""

LLAVA_SPECIAL = {"<s>": 1, "</s>": 2, "<pad>": 32_001, "<image>": 32_000}


def special(name: str, tiny: bool) -> dict[str, int]:
    """A VLM's special tokens and their ids, which are small where the vocabulary is."""
    tokens = LLAVA_SPECIAL if name in LLAVA else QWEN
    return {token: i for i, token in enumerate(tokens)} if tiny else tokens


def vlm_config(name: str, tiny: bool = False) -> Any:
    """The configuration of a VLM (see `VLMS`)."""
    ids = special(name, tiny)
    if name in LLAVA:
        return _llava_config(*(_TINY if tiny else LLAVA[name]), ids, side=112 if tiny else 336)
    if name in QWEN2_5:
        return _qwen2_5_config(*(_TINY if tiny else QWEN2_5[name]), ids)
    if name in QWEN3:
        return _qwen3_config(*(_TINY if tiny else QWEN3[name]), ids)
    raise ValueError(f"expected one of {', '.join(VLMS)}, got {name!r}")


_TINY = Text(128, 256, 2, 4, 2, 2048, head=32, sections=(6, 5, 5)), Tower(64, 128, 2, 4, (1,))


def _qwen3_config(text: Text, tower: Tower, ids: Mapping[str, int]) -> hf.Qwen3VLConfig:
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": list(text.sections), "mrope_interleaved": True}
    vision = _tower(tower, text) | {"deepstack_visual_indexes": list(tower.marked)}
    return hf.Qwen3VLConfig(**_qwen(text, rope, vision, ids, 262_144))


def _qwen2_5_config(text: Text, tower: Tower, ids: Mapping[str, int]) -> hf.Qwen2_5_VLConfig:
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": list(text.sections)}
    vision = _tower(tower, text) | {"window_size": 112, "fullatt_block_indexes": list(tower.marked)}
    return hf.Qwen2_5_VLConfig(**_qwen(text, rope, vision, ids, 128_000))


def _llava_config(text: Text, tower: Tower, ids: Mapping[str, int], side: int) -> hf.LlavaConfig:
    vision = {
        "hidden_size": tower.hidden,
        "intermediate_size": tower.inner,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "image_size": side,
        "patch_size": 14,
        "projection_dim": 768,
    }
    parts = _parts(text, {"rope_type": "default", "rope_theta": 1e4}, vision, 4096)
    marks = {"bos_token_id": ids["<s>"], "eos_token_id": ids["</s>"], "pad_token_id": ids["<pad>"]}
    return hf.LlavaConfig(
        text_config=hf.LlamaConfig(**parts["text_config"], **marks),
        vision_config=hf.CLIPVisionConfig(**vision),
        image_token_index=ids["<image>"],
        image_seq_length=(side // 14) ** 2,
        tie_word_embeddings=False,
    )


def _parts(text: Text, rope: dict[str, Any], vision: dict[str, Any], longest: int) -> dict[str, Any]:
    language = {
        "hidden_size": text.hidden,
        "intermediate_size": text.inner,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "num_key_value_heads": text.key_heads,
        "head_dim": text.head,
        "vocab_size": text.vocabulary,
        "max_position_embeddings": longest,
        "rms_norm_eps": 1e-6,
        "rope_parameters": rope,
    }
    return {"text_config": language, "vision_config": vision}


def _tower(tower: Tower, text: Text) -> dict[str, Any]:
    return {
        "depth": tower.layers,
        "hidden_size": tower.hidden,
        "intermediate_size": tower.inner,
        "num_heads": tower.heads,
        "out_hidden_size": text.hidden,
    }


def _qwen(
    text: Text, rope: dict[str, Any], vision: dict[str, Any], ids: Mapping[str, int], longest: int
) -> dict[str, Any]:
    parts = _parts(text, rope, vision, longest)
    parts["text_config"] |= {"bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]}
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    marks = ("image_pad", "video_pad", "vision_start", "vision_end")
    own = {name: ids[f"<|{mark}|>"] for name, mark in zip(names, marks, strict=True)}
    return parts | own | {"tie_word_embeddings": text.tied}


def vlm(
    name: str, options: VlmOptions, device: torch.device, dtype: torch.dtype, tiny: bool = False, tokens: int = TOKENS
) -> TransformersVlm:
    """A VLM (see `VLMS`) that answers every question with `ANSWER`, written in so many tokens."""
    model = vlm_model(name, device, dtype, tiny)
    answer = pieces(ANSWER, tokens)
    processor = _processor(name, model.config, special(name, tiny), answer)
    family, most = FAMILIES[model.config.model_type], (options.image_tokens, options.view_tokens)
    prompter = Prompter(processor, family, model.config.image_token_id, device, dtype, *most)
    prompt = prompter(np.zeros((64, 64, 3), np.uint8), ["What is here?"])
    ids = processor.tokenizer.convert_tokens_to_ids([byte_text(piece) for piece in answer])
    teach(model, [int(prompt.tails[0][-1]), *ids, processor.tokenizer.eos_token_id])
    return TransformersVlm(model, processor.tokenizer, prompter, f"{name}, random weights", False, options)


def vlm_model(name: str, device: torch.device, dtype: torch.dtype, tiny: bool = False) -> Any:
    """The network of a VLM; on the meta device it takes neither memory nor time."""
    torch.manual_seed(0)
    with torch.device(device):
        model = hf.AutoModelForImageTextToText.from_config(vlm_config(name, tiny), dtype=dtype).eval()
    model.requires_grad_(False)
    if device.type != "meta":
        for path, weight in model.named_parameters():
            if weight.ndim > 1:  # what a layer adds stays small beside what a token is, also in the last one
                weight.normal_(0, 0.001 if path.endswith(("o_proj.weight", "down_proj.weight")) else 0.01)
    return model


def teach(model: Any, chain: Sequence[int]) -> None:
    """Makes a language model write one text: each token of the chain, all of them different, after the one before it.

    The embeddings of these tokens stand out, and the last layer's MLP holds them: where it meets one of them, it adds
    twice the next one, which the head then takes for the likeliest.
    """
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    mlp, width = model.get_decoder().layers[-1].mlp, embeddings.shape[1]
    apart = torch.linalg.qr(torch.randn(width, len(chain)))[0].T.to(embeddings)
    with torch.no_grad():
        for table in (embeddings, head):
            table[list(chain)] = apart * width**0.5
        count = len(chain) - 1
        for meeting in (mlp.gate_proj.weight, mlp.up_proj.weight):
            meeting[:count] = apart[:-1]
        mlp.down_proj.weight[:, :count] = 2 * apart[1:].T / width**0.5  # as silu(√width) · √width is about the width


def pieces(text: str, number: int) -> list[str]:
    """A text in so many parts, no two of them equal: the shortest that are new, and last what is left.

    Raises:
        ValueError: the text is too short for that.
    """
    out: list[str] = []
    for _ in range(number - 1):
        size = next((n for n in range(1, len(text)) if text[:n] not in out), len(text))
        out, text = [*out, text[:size]], text[size:]
    if not text or text in out:
        raise ValueError(f"expected a text of {number} different parts, got {ANSWER!r}")
    return [*out, text]


def byte_text(text: str) -> str:
    """A text as it stands in a byte-level vocabulary."""
    return "".join(piece for piece, _ in pre_tokenizers.ByteLevel(False, use_regex=False).pre_tokenize_str(text))


def tokenizer(
    special: Mapping[str, int], named: dict[str, str], texts: Sequence[str], parts: Sequence[str]
) -> hf.PreTrainedTokenizerFast:
    """One token for each word of the texts, as real ones have for common words; bytes for all else.

    Args:
        special: token -> id; the first three begin a text, end it and pad it.
        named: the tokenizer's attributes.
        texts: what will be asked.
        parts: tokens that no text is cut into.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(texts, trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False))
    free, ids = (i for i in count() if i not in special.values()), bpe.get_vocab()
    plain = dict.fromkeys([*sorted(ids, key=ids.__getitem__), *map(byte_text, parts)])
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    bpe.model = models.BPE(vocab={**dict(zip(plain, free, strict=False)), **special}, merges=merges)
    names = [*special]
    bpe.add_special_tokens(names)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=names[0], eos_token=names[1], pad_token=names[2], extra_special_tokens=named
    )


def _processor(name: str, config: Any, ids: Mapping[str, int], answer: Sequence[str]) -> Any:
    """A model's processor with its published settings, and a tokenizer of the profile's questions and the answer."""
    texts = [*Config.from_file(profile_path("desktop")).questions.questions, "user: assistant:", "assistant\n"]
    if name in LLAVA:
        side = config.vision_config.image_size
        return hf.LlavaProcessor(
            hf.CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
            tokenizer(ids, {"image_token": "<image>"}, texts, answer),
            patch_size=14,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            chat_template=TEMPLATE,
        )
    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    words = tokenizer(ids, named, texts, answer)
    if name in QWEN2_5:
        images = hf.Qwen2VLImageProcessor(size={"shortest_edge": 56**2, "longest_edge": 28**2 * 16_384})
        return hf.Qwen2_5_VLProcessor(images, words, hf.Qwen2VLVideoProcessor(), chat_template=QWEN_TEMPLATE)
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "patch_size": 16}
    images = hf.Qwen2VLImageProcessor(size={"shortest_edge": 256**2, "longest_edge": 4096**2}, **half)
    return hf.Qwen3VLProcessor(images, words, hf.Qwen3VLVideoProcessor(), chat_template=QWEN_TEMPLATE)


SIDE = 128
"""Pixels of a tiny segmenter's input."""

VIT = {
    "ViT-H": (1280, 32, 16, (7, 15, 23, 31)),
    "ViT-L": (1024, 24, 16, (5, 11, 17, 23)),
    "ViT-B": (768, 12, 12, (2, 5, 8, 11)),
}
"""SAM's encoders: width, layers, heads, and the layers that see everything."""

HIERA = {
    "SAM 2.1 tiny": (96, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7)),
    "SAM 2.1 small": (96, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7)),
    "SAM 2.1 large": (144, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
}
"""SAM 2.1's encoders: width, blocks of each stage, the blocks that see everything, and the stages' windows."""

SEGMENTERS = (*VIT, *HIERA, "EdgeTAM", "MobileSAM")
GROUNDERS = ("SAM 3",)


def segmenter(name: str, device: torch.device, dtype: torch.dtype, tiny: bool = False) -> SamSegmenter:
    """A segmenter (see `SEGMENTERS`) that computes in a type."""
    networks: Any = segmenter_model(name, device, tiny)
    if name in VIT or name == "MobileSAM":
        from vlsam_ros.backends.segmenter.segment_anything_sam import SegmentAnything

        sam: Any = SegmentAnything(networks, device)
    else:
        from vlsam_ros.backends.segmenter.transformers_sam import FAMILIES as SAMS
        from vlsam_ros.backends.segmenter.transformers_sam import TransformersSam

        side = networks.prompt_encoder.input_image_size
        processor = hf.Sam2ImageProcessor(size={"height": side, "width": side})
        sam = TransformersSam(networks, processor, SAMS[networks.config.model_type], device)
    return SamSegmenter(sam, f"{name}, random weights", False, device, dtype)


def segmenter_model(name: str, device: torch.device, tiny: bool = False) -> nn.Module:
    """The networks of a segmenter, in float32; on the meta device they take neither memory nor time."""
    torch.manual_seed(0)
    with torch.device(device):
        if name in VIT:
            networks = _vit(*((32, 2, 2, (1,), SIDE, 32) if tiny else VIT[name]))
        elif name in HIERA:
            networks = hf.Sam2Model(hf.Sam2Config(**_sam2(hiera(name, tiny), tiny)))
        elif name == "EdgeTAM":
            networks = hf.EdgeTamModel(hf.EdgeTamConfig(**_sam2(repvit(tiny), tiny)))
        elif name == "MobileSAM":
            from vlsam_ros.backends.segmenter import mobile_sam

            networks = mobile_sam.build(SIDE) if tiny else mobile_sam.build()
        else:
            raise ValueError(f"expected one of {', '.join(SEGMENTERS)}, got {name!r}")
    return _stirred(networks.eval())


def _vit(
    width: int, layers: int, heads: int, everything: tuple[int, ...], side: int = 1024, dim: int = 256
) -> nn.Module:
    """SAM as its authors build it, of which their own functions know the published sizes only."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    grid = side // 16, side // 16
    encoder = ImageEncoderViT(
        img_size=side,
        embed_dim=width,
        depth=layers,
        num_heads=heads,
        out_chans=dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=everything,
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=dim, num_heads=8, mlp_dim=8 * dim)
    prompts = PromptEncoder(dim, grid, (side, side), mask_in_chans=16)
    return Sam(encoder, prompts, MaskDecoder(transformer_dim=dim, transformer=transformer))


def hiera(name: str, tiny: bool = False) -> hf.Sam2VisionConfig:
    """The image encoder of a SAM 2.1."""
    width, blocks, everything, windows = (8, (1, 1, 2, 1), (3,), (8, 4, 4, 4)) if tiny else HIERA[name]
    widths = [width << stage for stage in range(4)]
    heads = [(1 if width <= 96 else 2) << stage for stage in range(4)]
    backbone = hf.Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads[0],
        blocks_per_stage=list(blocks),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[1, 1, 2, 2] if tiny else heads,
        global_attention_blocks=list(everything),
        window_size_per_stage=list(windows),
        **({"image_size": [SIDE, SIDE]} if tiny else {}),
    )
    return hf.Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1], **_grids(tiny))


def repvit(tiny: bool = False) -> hf.EdgeTamVisionConfig:
    """The image encoder of EdgeTAM."""
    widths = [8, 16, 32, 64] if tiny else [48, 96, 192, 384]
    less = {"embed_dim": widths, "depth": [1, 1, 1, 1]} if tiny else {}
    backbone = hf.TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3], **less},
    )
    config = hf.EdgeTamVisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1], **_grids(tiny))
    config.has_no_defaults_at_init = True  # some versions of transformers look for those on the hub, to print it
    return config


def _grids(tiny: bool) -> dict[str, Any]:
    return {"fpn_hidden_size": 32, "backbone_feature_sizes": [[SIDE // n] * 2 for n in (4, 8, 16)]} if tiny else {}


def _sam2(vision: hf.PreTrainedConfig, tiny: bool) -> dict[str, Any]:
    prompts = {"prompt_encoder_config": {"hidden_size": 32, "image_size": SIDE, "mask_input_channels": 8}}
    decoder = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    return {"vision_config": vision, **(prompts | {"mask_decoder_config": decoder} if tiny else {})}


def grounder(name: str, device: torch.device, dtype: torch.dtype, tiny: bool = False) -> TransformersGrounder:
    """A grounder (see `GROUNDERS`)."""
    model, options = grounder_model(name, device, dtype, tiny), GrounderOptions()
    side = model.config.vision_config.backbone_config.image_size
    images = hf.Sam3ImageProcessor(size={"height": side, "width": side})
    words = _clip_tokenizer(model.config.text_config.max_position_embeddings)
    return TransformersGrounder(
        name=f"{name}, random weights",
        model=model,
        processor=hf.Sam3Processor(images, words),
        family=GROUNDERS_OF["sam3"],
        threshold=None,
        max_boxes=options.max_boxes,
        batch=options.batch,
    )


def grounder_model(name: str, device: torch.device, dtype: torch.dtype, tiny: bool = False) -> Any:
    """The network of a grounder; on the meta device it takes neither memory nor time."""
    if name not in GROUNDERS:
        raise ValueError(f"expected one of {', '.join(GROUNDERS)}, got {name!r}")
    torch.manual_seed(0)
    with torch.device(device):
        return _stirred(hf.Sam3Model(_tiny_sam3() if tiny else hf.Sam3Config()).eval()).to(dtype)


def _tiny_sam3() -> hf.Sam3Config:
    small = {"hidden_size": 32, "num_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    layers = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    backbone = hf.Sam3ViTConfig(**layers, image_size=112, window_size=4, global_attn_indexes=[1])
    return hf.Sam3Config(
        vision_config=hf.Sam3VisionConfig(
            backbone_config=backbone, fpn_hidden_size=32, backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]]
        ),
        text_config=hf.CLIPTextConfig(**layers, projection_dim=32, max_position_embeddings=32),
        geometry_encoder_config=hf.Sam3GeometryEncoderConfig(**small),
        detr_encoder_config=hf.Sam3DETREncoderConfig(**small),
        detr_decoder_config=hf.Sam3DETRDecoderConfig(**small, num_queries=20),
        mask_decoder_config=hf.Sam3MaskDecoderConfig(hidden_size=32, num_attention_heads=2),
    )


def _clip_tokenizer(longest: int) -> hf.CLIPTokenizer:
    """One token a letter, where CLIP's has one a word; padded to the same length."""
    letters = [*ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase)]
    vocabulary = {piece: i for i, piece in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    return hf.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=longest)


def _stirred(networks: Any) -> Any:
    """Weights that keep numbers about as large as they come in, where they may have been zero."""
    networks.requires_grad_(False)
    if next(networks.parameters()).device.type != "meta":
        for path, weight in networks.named_parameters():
            if weight.ndim > 1 and "position" not in path:
                weight.normal_(0, weight[0].numel() ** -0.5)
    return networks
