"""Tiny checkpoints of families that came after Qwen3-VL, and of those that are built of other families' parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import transformers as hf
from tiny_parts import (
    IMAGE,
    NAMED,
    SPECIAL,
    TEXT,
    VIDEO,
    VISION,
    VOCABULARY,
    clip_processor,
    save,
    template,
    tokenizer,
)

ROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
MARKS = {
    "image_token_id": SPECIAL.index(IMAGE),
    "video_token_id": SPECIAL.index(VIDEO),
    "vision_start_token_id": SPECIAL.index("<vision>"),
    "vision_end_token_id": SPECIAL.index("</vision>"),
}
FRAMED = template(f"<vision>{IMAGE}</vision>")


def vipllava(folder: Path) -> Path:
    """ViP-LLaVA with a CLIP tower of 4 × 4 patches, of which all layers are seen."""
    config = hf.VipLlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION, patch_size=7),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=SPECIAL.index(IMAGE),
        image_seq_length=16,
        vision_feature_layer=[-2, -1],
    )
    return save(config, clip_processor(), folder)


def qwen3_vl_moe(folder: Path) -> Path:
    """Qwen3-VL with experts, 14 px patches, merged 2 × 2."""
    text = {**TEXT, **EXPERTS, "head_dim": 8, "rope_parameters": dict(ROPE)}
    return _qwen3(folder, hf.Qwen3VLMoeConfig, text, {"deepstack_visual_indexes": [0]})


def qwen3_5(folder: Path) -> Path:
    """Qwen3.5: linear attention in two of three layers, 14 px patches, merged 2 × 2."""
    return _qwen3(folder, hf.Qwen3_5Config, HYBRID)


def qwen3_5_moe(folder: Path) -> Path:
    """Qwen3.5 with experts."""
    return _qwen3(folder, hf.Qwen3_5MoeConfig, {**HYBRID, **EXPERTS, "shared_expert_intermediate_size": 16})


HYBRID = {
    **TEXT,
    "head_dim": 8,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "rope_parameters": {**ROPE, "partial_rotary_factor": 1.0},
}


def _qwen3(folder: Path, config: type[hf.PreTrainedConfig], text: dict, vision: dict | None = None) -> Path:
    tower = {"depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32}
    tower |= {"patch_size": 14, "num_position_embeddings": 64, **(vision or {})}
    images = hf.Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 40})
    processor = hf.Qwen3VLProcessor(images, tokenizer(), hf.Qwen3VLVideoProcessor(), chat_template=FRAMED)
    return save(config(text_config=text, vision_config=tower, **MARKS), processor, folder)


def glm4v(folder: Path) -> Path:
    """GLM-4.1V with 14 px patches, merged 2 × 2."""
    return _glm(folder, hf.Glm4vConfig, "Glm4v", {**TEXT, "rope_parameters": dict(ROPE)})


def glm46v(folder: Path) -> Path:
    """GLM-4.6V, the small one."""
    return _glm(folder, hf.Glm46VConfig, "Glm46V", {**TEXT, "rope_parameters": dict(ROPE), "model_type": "glm4v_text"})


def glm4v_moe(folder: Path) -> Path:
    """GLM-4.5V, with experts."""
    experts = {"head_dim": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    return _glm(folder, hf.Glm4vMoeConfig, "Glm4v", {**TEXT, **experts, "rope_parameters": dict(ROPE)})


def _glm(folder: Path, config: type[hf.PreTrainedConfig], kind: str, text: dict) -> Path:
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32}
    full = config(
        text_config=text,
        vision_config={**vision, "image_size": 56},
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
        image_start_token_id=SPECIAL.index("<vision>"),
        image_end_token_id=SPECIAL.index("</vision>"),
    )
    images = getattr(hf, f"{kind}ImageProcessor")(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 80})
    parts = images, tokenizer(), getattr(hf, f"{kind}VideoProcessor")()
    return save(full, getattr(hf, f"{kind}Processor")(*parts, chat_template=FRAMED), folder)


def mistral3(folder: Path, text: hf.PreTrainedConfig | None = None) -> Path:
    """Mistral Small 3.1 with 7 px patches, merged 2 × 2, and a token at the end of each row."""
    config = hf.Mistral3Config(
        vision_config=hf.PixtralVisionConfig(**{**VISION, "image_size": 112}, patch_size=7, head_dim=12),
        text_config=text or hf.MistralConfig(**TEXT, head_dim=8, sliding_window=None),
        image_token_index=SPECIAL.index(IMAGE),
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    processor = hf.PixtralProcessor(
        hf.PixtralImageProcessor(size={"longest_edge": 112}, patch_size=7),
        tokenizer(),
        patch_size=7,
        spatial_merge_size=2,
        image_token=IMAGE,
        image_break_token="<vision>",
        image_end_token="</vision>",
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def ministral3(folder: Path) -> Path:
    """Ministral 3."""
    return mistral3(folder, hf.Ministral3Config(**TEXT, head_dim=8, sliding_window=None))


def molmo2(folder: Path) -> Path:
    """Molmo 2: 7 × 7 patches of the whole view and of up to four crops that overlap, pooled 2 × 2."""
    named = ["im_patch", "im_col", "im_start", "low_res_im_start", "im_end", "frame_start", "frame_end", "im_low"]
    words = tokenizer({**NAMED, **{name: f"<{name}>" for name in named}})
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2}
    vision |= {"head_dim": 12}
    config = hf.Molmo2Config(
        vision_config={**vision, "num_hidden_layers": 2, "image_size": [49, 49], "patch_size": 7},
        adapter_config={**vision, "vision_feature_layer": [1, 0], "text_hidden_size": 32},
        text_config={**TEXT, "head_dim": 8, "vocab_size": VOCABULARY, "additional_vocab_size": len(named)},
        image_patch_id=words.convert_tokens_to_ids("<im_patch>"),
    )
    images = hf.Molmo2ImageProcessor(
        size={"height": 49, "width": 49}, max_crops=4, overlap_margins=[1, 1], patch_size=7
    )
    processor = hf.Molmo2Processor(images, hf.Molmo2VideoProcessor(), words, chat_template=template(IMAGE))
    return save(config, processor, folder, seed=4)


def lfm2_vl(folder: Path) -> Path:
    """LFM2-VL: convolutions in two of three layers, 7 px patches, merged 2 × 2."""
    text = {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False}
    vision = {k: v for k, v in VISION.items() if k != "image_size"}
    config = hf.Lfm2VlConfig(
        vision_config=hf.Siglip2VisionConfig(**vision, patch_size=7, num_patches=64, vision_use_head=False),
        text_config=hf.Lfm2Config(**TEXT, **text),
        image_token_id=SPECIAL.index(IMAGE),
        projector_hidden_size=32,
        tie_word_embeddings=False,
    )
    images = hf.Lfm2VlImageProcessor(encoder_patch_size=7, tile_size=56, min_image_tokens=9, max_image_tokens=40)
    words = tokenizer({**NAMED, "image_start_token": "<vision>", "image_end_token": "</vision>"})
    return save(config, hf.Lfm2VlProcessor(images, words, chat_template=template(IMAGE)), folder)


def minicpmv4_6(folder: Path) -> Path:
    """MiniCPM-V 4.6 on Qwen3.5: 7 px patches, merged 2 × 2 twice."""
    config = hf.MiniCPMV4_6Config(
        vision_config={**VISION, "image_size": 112, "patch_size": 7, "insert_layer_id": 0},
        text_config={**HYBRID, "model_type": "qwen3_5_text"},
        insert_layer_id=0,
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
    )
    marks = {f"{what}_token": "<vision>" for what in ("image_start", "slice_start", "image_id_start")}
    marks |= {f"{what}_token": "</vision>" for what in ("image_end", "slice_end", "image_id_end")}
    sizes = {"patch_size": 7, "scale_resolution": 112}
    processor = hf.MiniCPMV4_6Processor(
        hf.MiniCPMV4_6ImageProcessor(**sizes),
        hf.MiniCPMV4_6VideoProcessor(**sizes),
        tokenizer({**NAMED, **marks}),
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def granite4_vision(folder: Path) -> Path:
    """Granite 4 Vision: a base view and up to four crops of 8 × 8 patches, 4 × 4 of which are looked at by 2 × 2."""
    pinpoints = [[56, 112], [112, 56], [112, 112]]
    vision = {**VISION, "image_size": 56, "hidden_size": 64}
    config = hf.Granite4VisionConfig(
        vision_config=hf.SiglipVisionConfig(**vision, patch_size=7, vision_use_head=False),
        text_config={**TEXT, "attention_multiplier": 0.35},
        image_token_index=SPECIAL.index(IMAGE),
        image_grid_pinpoints=pinpoints,
        vision_feature_select_strategy="full",
        downsample_rate="2/4",
        deepstack_layer_map=[[-1, 0], [-2, 1]],
        spatial_target_layers=[0, 1, 1, 2],
    )
    processor = hf.Granite4VisionProcessor(
        hf.LlavaNextImageProcessor(
            size={"height": 56, "width": 56},
            crop_size={"height": 56, "width": 56},
            image_grid_pinpoints=pinpoints,
        ),
        tokenizer(),
        patch_size=7,
        vision_feature_select_strategy="full",
        downsample_rate="2/4",
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def ovis2(folder: Path) -> Path:
    """Ovis 2 with 8 × 8 patches, merged 2 × 2."""
    named = {"atom": "<IMG_ATOM>", "start": "<IMG_START>", "grid": "<IMG_GRID>", "end": "<IMG_END>"}
    words = tokenizer({**NAMED, **named, "col": "<IMG_COL>", "row": "<IMG_ROW>"})
    config = hf.Ovis2Config(
        vision_config={**VISION, "image_size": 56, "patch_size": 7, "hidden_stride": 2, "vocab_size": 40},
        text_config=hf.Qwen2Config(**{**TEXT, "vocab_size": VOCABULARY + 6}),
        image_token_id=words.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=words.convert_tokens_to_ids(
            ["<IMG_START>", "<IMG_END>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>"]
        ),
        vocab_size=VOCABULARY + 6,
        hidden_size=32,
        tie_word_embeddings=False,
    )
    images = hf.Ovis2ImageProcessor(size={"height": 56, "width": 56})
    processor = hf.Ovis2Processor(images, words, image_seq_length=16, chat_template=template(IMAGE))
    return save(config, processor, folder)


def gemma3n(folder: Path) -> Path:
    """Gemma 3n: a tower of timm's with 4 × 4 places, layers that slide, and layers with the keys of earlier ones."""
    words = tokenizer({**NAMED, "audio_token": "<audio>", "boa_token": "<vision>", "eoa_token": "</vision>"})
    text = {
        **TEXT,
        "vocab_size": VOCABULARY + 1,
        "num_hidden_layers": 4,
        "head_dim": 8,
        "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.0] * 4,
    }
    audio = {"hidden_size": 16, "conf_num_attention_heads": 2, "conf_num_hidden_layers": 1, "input_feat_size": 16}
    config = hf.Gemma3nConfig(
        text_config=text,
        vision_config={
            "architecture": "test_efficientnet",
            "hidden_size": 256,
            "vocab_size": 4,
            "vocab_offset": VOCABULARY + 1,
        },
        audio_config={**audio, "sscp_conv_channel_size": [4, 4], "vocab_size": 4, "vocab_offset": VOCABULARY + 5},
        vision_soft_tokens_per_image=16,
        image_token_id=SPECIAL.index(IMAGE),
        audio_token_id=words.convert_tokens_to_ids("<audio>"),
        boi_token_id=SPECIAL.index("<vision>"),
        eoi_token_id=SPECIAL.index("</vision>"),
        boa_token_id=SPECIAL.index("<vision>"),
        eoa_token_id=SPECIAL.index("</vision>"),
    )
    processor = hf.Gemma3nProcessor(
        hf.Gemma3nAudioFeatureExtractor(feature_size=16),
        hf.SiglipImageProcessor(size={"height": 128, "width": 128}),
        words,
        image_seq_length=16,
        audio_seq_length=4,
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


def video_llama_3(folder: Path) -> Path:
    """VideoLLaMA 3 with 7 px patches, merged 2 × 2."""
    vision = {k: v for k, v in VISION.items() if k != "image_size"}
    config = hf.VideoLlama3Config(
        text_config=hf.Qwen2Config(**TEXT),
        vision_config={**vision, "patch_size": 7},
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
    )
    sizes = {"shortest_edge": 28 * 28, "longest_edge": 14 * 14 * 40}
    processor = hf.VideoLlama3Processor(
        hf.VideoLlama3ImageProcessor(patch_size=7, merge_size=2, size=sizes),
        tokenizer(),
        hf.VideoLlama3VideoProcessor(),
        chat_template=template(IMAGE),
    )
    return save(config, processor, folder)


NEWER: dict[str, Callable[[Path], Path]] = {
    build.__name__: build
    for build in (
        vipllava,
        qwen3_vl_moe,
        glm4v,
        glm46v,
        glm4v_moe,
        mistral3,
        molmo2,
        granite4_vision,
        ovis2,
        qwen3_5,
        qwen3_5_moe,
        lfm2_vl,
        minicpmv4_6,
        gemma3n,
        video_llama_3,
    )
}
"""Supported family -> builder."""

HYBRIDS = ("qwen3_5", "qwen3_5_moe", "lfm2_vl", "minicpmv4_6")
"""Of those, the ones that have layers without attention."""

TWINS = ("vipllava", "qwen3_5_moe", "glm46v", "glm4v_moe", "ovis2", "gemma3n", "video_llama_3")
"""Of those, the ones whose parts are much like other rows': slow tests leave them out."""
