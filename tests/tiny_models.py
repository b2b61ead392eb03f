"""Tiny checkpoints with random weights, one for each supported family, saved as a user's would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tiny_newer import HYBRIDS as HYBRIDS
from tiny_newer import NEWER, ministral3
from tiny_newer import TWINS as TWINS
from tiny_parts import (
    IMAGE,
    NAMED,
    SPECIAL,
    SQUARE,
    TEXT,
    VIDEO,
    VISION,
    VOCABULARY,
    clip_processor,
    save,
    template,
    tokenizer,
)

from vlsam_ros.embedded.tower import ConvVisionConfig


def llava(folder: Path, text: hf.PreTrainedConfig | None = None, tied: bool = False) -> Path:
    """LLaVA-1.5 with a CLIP tower of 4 × 4 patches."""
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION, patch_size=7),
        text_config=text or hf.LlamaConfig(**TEXT),
        image_token_index=SPECIAL.index(IMAGE),
        image_seq_length=16,
        tie_word_embeddings=tied,
    )
    return save(config, clip_processor(), folder)


def llava_sliding(folder: Path) -> Path:
    """LLaVA whose language model sees the last 24 tokens only."""
    return llava(folder, hf.MistralConfig(**TEXT, sliding_window=24))


def llava_chunked(folder: Path) -> Path:
    """LLaVA with Llama 4's layers, which see their own chunk of 24 tokens only, but for the last one."""
    kinds = ["chunked_attention", "chunked_attention", "full_attention"]
    chunks = {"attention_chunk_size": 24, "layer_types": kinds, "no_rope_layers": [1, 1, 0], "head_dim": 8}
    experts = {"num_local_experts": 2, "interleave_moe_layer_step": 4, "intermediate_size_mlp": 32}
    return llava(folder, hf.Llama4TextConfig(**TEXT, **chunks, **experts))


def llava_phi(folder: Path) -> Path:
    """LLaVA with Phi-2, whose attention turns a part of each head."""
    return llava(folder, hf.PhiConfig(**TEXT))


def llava_phi3(folder: Path) -> Path:
    """LLaVA with Phi-3, whose projections are one."""
    return llava(folder, hf.Phi3Config(**TEXT, sliding_window=None))


def llava_wide(folder: Path) -> Path:
    """LLaVA with the embedded model's kind of tower, for 64 × 112 pixels and 4 × 7 tokens."""
    config = hf.LlavaConfig(
        vision_config=ConvVisionConfig((8, 12, 16), (0, 0), image_size=(64, 112)),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=SPECIAL.index(IMAGE),
        image_seq_length=28,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessor(size={"height": 64, "width": 112}, do_center_crop=False),
        tokenizer(),
        patch_size=16,
        vision_feature_select_strategy="full",
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def llava_next(folder: Path) -> Path:
    """LLaVA-NeXT with a base view and up to four crops of 4 × 4 patches."""
    pinpoints = [[28, 56], [56, 28], [56, 56]]
    config = hf.LlavaNextConfig(
        vision_config=hf.CLIPVisionConfig(**VISION, patch_size=7),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=SPECIAL.index(IMAGE),
        image_grid_pinpoints=pinpoints,
    )
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessor(**SQUARE, image_grid_pinpoints=pinpoints),
        tokenizer(),
        patch_size=7,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def llava_onevision(folder: Path) -> Path:
    """LLaVA-OneVision with a base view and up to four crops of 4 × 4 patches."""
    pinpoints = [[28, 56], [56, 28], [56, 56]]
    config = hf.LlavaOnevisionConfig(
        vision_config=hf.SiglipVisionConfig(**VISION, patch_size=7, vision_use_head=False),
        text_config=hf.Qwen2Config(**TEXT),
        image_token_index=SPECIAL.index(IMAGE),
        video_token_index=SPECIAL.index(VIDEO),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_3",  # four crops are too many
    )
    processor = hf.LlavaOnevisionProcessor(
        hf.LlavaOnevisionImageProcessor(size={"height": 28, "width": 28}, image_grid_pinpoints=pinpoints),
        tokenizer(),
        hf.LlavaOnevisionVideoProcessor(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_3",
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def internvl(folder: Path) -> Path:
    """InternVL with 8 × 8 patches, merged 2 × 2."""
    config = hf.InternVLConfig(
        vision_config=hf.InternVLVisionConfig(**{**VISION, "image_size": 56}, patch_size=7),
        text_config=hf.Qwen2Config(**TEXT),
        image_token_id=SPECIAL.index(IMAGE),
        image_seq_length=16,
    )
    processor = hf.InternVLProcessor(
        hf.GotOcr2ImageProcessor(size={"height": 56, "width": 56}),
        tokenizer(),
        hf.InternVLVideoProcessor(),
        image_seq_length=16,
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def qwen2_vl(folder: Path) -> Path:
    """Qwen2-VL with 14 px patches, merged 2 × 2."""
    vision = {"depth": 2, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 1, "hidden_size": 32}
    return _qwen(folder, hf.Qwen2VLConfig, hf.Qwen2VLProcessor, hf.Qwen2VLVideoProcessor, vision)


def qwen2_5_vl(folder: Path) -> Path:
    """Qwen2.5-VL with 14 px patches, merged 2 × 2."""
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
    }
    return _qwen(folder, hf.Qwen2_5_VLConfig, hf.Qwen2_5_VLProcessor, hf.Qwen2VLVideoProcessor, vision)


def qwen3_vl(folder: Path) -> Path:
    """Qwen3-VL with 14 px patches, merged 2 × 2."""
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "patch_size": 14,
    }
    vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    return _qwen(folder, hf.Qwen3VLConfig, hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor, vision, {"head_dim": 8})


def _qwen(
    folder: Path,
    config: type[hf.PreTrainedConfig],
    processor: type[hf.ProcessorMixin],
    video_processor: type[hf.BaseVideoProcessor],
    vision: dict,
    text: dict | None = None,
) -> Path:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    full = config(
        text_config={**TEXT, "rope_parameters": rope, **(text or {})},
        vision_config=vision,
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
        vision_start_token_id=SPECIAL.index("<vision>"),
        vision_end_token_id=SPECIAL.index("</vision>"),
    )
    images = hf.Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 40})
    chat = template(f"<vision>{IMAGE}</vision>")
    return save(full, processor(images, tokenizer(), video_processor(), chat_template=chat), folder)


def idefics3(folder: Path, kind: str = "Idefics3") -> Path:
    """Idefics3 with 8 × 8 patches, four to a token."""
    config = getattr(hf, f"{kind}Config")(
        vision_config={**VISION, "image_size": 56, "patch_size": 7},
        text_config=hf.LlamaConfig(**{**TEXT, "vocab_size": VOCABULARY + 4}),  # the processor adds tokens
        image_token_id=SPECIAL.index(IMAGE),
        scale_factor=2,
    )
    images = getattr(hf, f"{kind}ImageProcessor")(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    parts: dict = {"image_seq_len": 16, "chat_template": template(IMAGE)}
    if kind == "SmolVLM":
        parts["video_processor"] = hf.SmolVLMVideoProcessor(
            size={"longest_edge": 56}, max_image_size={"longest_edge": 56}, video_sampling={"max_frames": 4, "fps": 1}
        )
    return save(config, getattr(hf, f"{kind}Processor")(images, tokenizer(), **parts), folder)


def smolvlm(folder: Path) -> Path:
    """SmolVLM with 8 × 8 patches, four to a token."""
    return idefics3(folder, "SmolVLM")


def paligemma(folder: Path, text: hf.PreTrainedConfig | None = None) -> Path:
    """PaliGemma with 4 × 4 patches; its processor has no chat template."""
    config = hf.PaliGemmaConfig(
        vision_config=hf.SiglipVisionConfig(**VISION, patch_size=7, vision_use_head=False),
        text_config=text or hf.GemmaConfig(**TEXT, head_dim=8),
        image_token_index=SPECIAL.index(IMAGE),
        projection_dim=32,
    )
    images = hf.SiglipImageProcessor(size={"height": 28, "width": 28})
    images.image_seq_length = 16
    return save(config, hf.PaliGemmaProcessor(images, tokenizer()), folder)


def paligemma_2(folder: Path) -> Path:
    """PaliGemma 2: layers that slide, and scores with a cap."""
    gemma = {"head_dim": 8, "sliding_window": 24, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 8}
    return paligemma(folder, hf.Gemma2Config(**TEXT, **gemma))


def gemma3(folder: Path) -> Path:
    """Gemma 3 with 8 × 8 patches, pooled 2 × 2, and layers that slide."""
    text = hf.Gemma3TextConfig(**{**TEXT, "head_dim": 8}, sliding_window=24, sliding_window_pattern=2)
    config = hf.Gemma3Config(
        vision_config=hf.SiglipVisionConfig(**{**VISION, "image_size": 56}, patch_size=7, vision_use_head=False),
        text_config=text,
        mm_tokens_per_image=16,
        boi_token_index=SPECIAL.index("<vision>"),
        eoi_token_index=SPECIAL.index("</vision>"),
        image_token_index=SPECIAL.index(IMAGE),
    )
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        tokenizer(),
        image_seq_length=16,
        chat_template=template("<vision>"),
    )
    return save(config, processor, folder)


def gemma4(folder: Path) -> Path:
    """Gemma 4 with 4 px patches, pooled 2 × 2, layers that slide, and layers with the keys of earlier ones."""
    text = hf.Gemma4TextConfig(
        **{**TEXT, "num_hidden_layers": 4},
        head_dim=8,
        global_head_dim=16,
        sliding_window=24,
        layer_types=["sliding_attention", "full_attention"] * 2,
        num_kv_shared_layers=2,
        vocab_size_per_layer_input=VOCABULARY,
        hidden_size_per_layer_input=8,
        use_bidirectional_attention="vision",
    )
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes = {"patch_size": 4, "pooling_kernel_size": 2}
    config = hf.Gemma4Config(
        text_config=text,
        vision_config=hf.Gemma4VisionConfig(**vision, num_key_value_heads=2, head_dim=12, **sizes),
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
        boi_token_id=SPECIAL.index("<vision>"),
        eoi_token_id=SPECIAL.index("</vision>"),
        audio_token_id=None,
    )
    named = {"audio_token": "<vision>", "boa_token": "<vision>", "eoa_token": "</vision>"}
    processor = hf.Gemma4Processor(
        hf.Gemma4AudioFeatureExtractor(),
        hf.Gemma4ImageProcessor(max_soft_tokens=70, **sizes),
        tokenizer({**NAMED, **named}),
        hf.Gemma4VideoProcessor(),
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


QFORMER = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "cross_attention_frequency": 2,
    "encoder_hidden_size": 24,
}


def blip_2(folder: Path, text: hf.PreTrainedConfig | None = None) -> Path:
    """BLIP-2 with 8 queries on 4 × 4 patches, and OPT."""
    plain = {k: v for k, v in TEXT.items() if k not in ("intermediate_size", "num_key_value_heads")}
    opt = hf.OPTConfig(**plain, ffn_dim=48, word_embed_proj_dim=32)
    config = hf.Blip2Config(
        vision_config=hf.Blip2VisionConfig(**VISION, patch_size=7, initializer_range=0.1),
        qformer_config=hf.Blip2QFormerConfig(**QFORMER, vocab_size=32),
        text_config=text or opt,
        num_query_tokens=8,
        image_token_index=SPECIAL.index(IMAGE),
    )
    images = hf.BlipImageProcessor(size={"height": 28, "width": 28})
    return save(config, hf.Blip2Processor(images, tokenizer({}), num_query_tokens=8), folder)


def minigpt_4(folder: Path) -> Path:
    """MiniGPT-4's parts (a Q-Former that does not read the question, a projection, Vicuna), as BLIP-2 with Llama."""
    return blip_2(folder, hf.LlamaConfig(**TEXT))


def instructblip(folder: Path) -> Path:
    """InstructBLIP with 8 queries on 4 × 4 patches, and Llama."""
    config = hf.InstructBlipConfig(
        vision_config=hf.InstructBlipVisionConfig(**VISION, patch_size=7, initializer_range=0.1),
        qformer_config=hf.InstructBlipQFormerConfig(**QFORMER, vocab_size=VOCABULARY),
        text_config=hf.LlamaConfig(**TEXT),
        num_query_tokens=8,
        image_token_index=SPECIAL.index(IMAGE),
    )
    images = hf.BlipImageProcessor(size={"height": 28, "width": 28})
    return save(config, hf.InstructBlipProcessor(images, tokenizer({}), tokenizer({}), num_query_tokens=8), folder)


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "llava": llava,
    "llava_next": llava_next,
    "llava_onevision": llava_onevision,
    "internvl": internvl,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "paligemma": paligemma,
    "gemma3": gemma3,
    "gemma4": gemma4,
    "blip-2": blip_2,
    "instructblip": instructblip,
    **NEWER,
}
"""Supported family -> builder; one for every row of the backend's table."""

VARIANTS: dict[str, Callable[[Path], Path]] = {
    "llava_sliding": llava_sliding,
    "llava_chunked": llava_chunked,
    "llava_wide": llava_wide,
    "llava_phi": llava_phi,
    "llava_phi3": llava_phi3,
    "ministral3": ministral3,
    "paligemma_2": paligemma_2,
    "minigpt_4": minigpt_4,
}
"""Other kinds of language model and tower in supported families."""


def edit(path: Path, change: Callable[[dict], object]) -> None:
    """Change a checkpoint's JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def reweigh(folder: Path, change: Callable[[dict], object]) -> None:
    """Change a checkpoint's weights."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def say(vlm: Any, ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of transformers answers with these tokens, its limit is 64."""
    monkeypatch.setattr(vlm, "_limits", limits := replace(vlm._limits, tokens=64))
    monkeypatch.setattr(vlm._model.generation_config, "max_new_tokens", 65)
    generate = vlm._model.generate

    def generated(**given: Any) -> torch.Tensor:
        first: list[int] = []

        def allowed(_: int, seen: torch.Tensor) -> list[int]:
            first.append(len(seen))
            return [ids[min(len(seen) - first[0], len(ids) - 1)]]

        return generate(**given, prefix_allowed_tokens_fn=allowed)

    def chooser(*_: Any) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        first: list[int] = []

        def chosen(seen: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            first.append(seen.shape[1])
            return seen.new_full((len(seen),), ids[min(seen.shape[1] - first[0], len(ids) - 1)])

        return chosen

    monkeypatch.setattr(vlm._model, "generate", generated)
    if vlm._batch:
        monkeypatch.setattr(vlm._batch, "_limits", limits)
        monkeypatch.setattr(vlm._batch, "_chooser", chooser)
