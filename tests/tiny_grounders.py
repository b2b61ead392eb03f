"""Tiny text-promptable localisers with random weights, one for each supported family, saved as a user's would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase

import torch
import transformers as hf

LARGE = {"image_mean": [0.5] * 3, "image_std": [0.1] * 3}
"""Pixel values with so much contrast that random weights tell places apart."""

SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CLIP = {**VISION, "vocab_size": 60, "bos_token_id": 58, "eos_token_id": 59, "pad_token_id": 59}


def bert_tokenizer() -> hf.BertTokenizer:
    """Letters and a few words; the special tokens and marks have BERT's numbers, by which the models know them."""
    known = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029, "-": 1030}
    pieces = ["car", "tire", *ascii_lowercase, *(f"##{letter}" for letter in ascii_lowercase)]
    known |= {piece: 1040 + i for i, piece in enumerate(pieces)}
    unused = {f"[unused{i}]": i for i in set(range(1100)) - set(known.values())}
    return hf.BertTokenizer(vocab=unused | known, model_max_length=512)


def clip_tokenizer(longest: int) -> hf.CLIPTokenizer:
    """One token a letter, or letter at the end of a word; the end of the text has the greatest number, as CLIP's."""
    pieces = ["!", ",", ".", ".</w>", ",</w>", "-", *ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase)]
    vocabulary = {piece: i for i, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return hf.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=longest)


def _save(model: hf.PreTrainedModel, processor: hf.ProcessorMixin, folder: Path) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def grounding_dino(folder: Path, kind: str = "GroundingDino") -> Path:
    """Grounding DINO with a Swin and a BERT of few layers."""
    torch.manual_seed(0)
    small = {f"{part}_{what}": n for part in ("encoder", "decoder") for what, n in SIZES.items()}
    config = getattr(hf, f"{kind}Config")(
        backbone_config=hf.SwinConfig(**SWIN, out_indices=[2, 3, 4]),
        text_config=hf.BertConfig(**VISION, vocab_size=1100),
        d_model=32,
        num_queries=20,
        **small,
    )
    images = hf.GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160}, **LARGE)
    model = getattr(hf, f"{kind}ForObjectDetection")(config)
    return _save(model, hf.GroundingDinoProcessor(images, bert_tokenizer()), folder)


SIZES = {"layers": 2, "ffn_dim": 32, "attention_heads": 2, "n_points": 2}


def mm_grounding_dino(folder: Path) -> Path:
    """MM-Grounding-DINO, which is LLMDet's architecture too."""
    return grounding_dino(folder, "MMGroundingDino")


def owlv2(folder: Path, kind: str = "Owlv2") -> Path:
    """OWLv2 with 6 × 6 patches."""
    torch.manual_seed(0)
    config = getattr(hf, f"{kind}Config")(
        text_config={**CLIP, "max_position_embeddings": 32},
        vision_config={**VISION, "image_size": 96, "patch_size": 16},
        projection_dim=32,
    )
    size = {"height": 96, "width": 96}
    images = getattr(hf, f"{kind}ImageProcessor")(size=size, crop_size=size, **LARGE)
    model = getattr(hf, f"{kind}ForObjectDetection")(config)
    return _save(model, getattr(hf, f"{kind}Processor")(images, clip_tokenizer(32)), folder)


def owlvit(folder: Path) -> Path:
    """OWL-ViT, which stretches the picture."""
    return owlv2(folder, "OwlViT")


def omdet_turbo(folder: Path) -> Path:
    """OmDet-Turbo with a Swin and a CLIP text tower of few layers."""
    torch.manual_seed(0)
    config = hf.OmDetTurboConfig(
        backbone_config=hf.SwinConfig(**SWIN, image_size=64, out_indices=[2, 3, 4]),
        text_config=hf.CLIPTextConfig(**{**CLIP, "hidden_size": 48}, max_position_embeddings=77),
        image_size=64,
        apply_layernorm_after_vision_backbone=False,
        num_queries=20,
        text_projection_in_dim=48,
        text_projection_out_dim=48,
        task_encoder_hidden_dim=48,
        class_embed_dim=48,
        encoder_hidden_dim=32,
        vision_features_channels=[32, 32, 32],
        encoder_in_channels=[16, 32, 64],
        encoder_attention_heads=2,
        encoder_dim_feedforward=32,
        decoder_hidden_dim=32,
        decoder_num_heads=2,
        decoder_num_layers=2,
        decoder_dim_feedforward=32,
        decoder_num_points=2,
    )
    images = hf.DetrImageProcessor(size={"height": 64, "width": 64}, do_pad=False, **LARGE)
    model = hf.OmDetTurboForObjectDetection(config)
    torch.nn.init.normal_(model.language_backbone.text_projection)  # begins with zeros
    return _save(model, hf.OmDetTurboProcessor(images, clip_tokenizer(77)), folder)


def _sam3_config() -> hf.Sam3Config:
    small = {"hidden_size": 32, "num_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    backbone = hf.Sam3ViTConfig(
        **VISION, image_size=112, pretrain_image_size=112, patch_size=14, window_size=4, global_attn_indexes=[1]
    )
    return hf.Sam3Config(
        vision_config=hf.Sam3VisionConfig(
            backbone_config=backbone, fpn_hidden_size=32, backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]]
        ),
        text_config=hf.CLIPTextConfig(**CLIP, projection_dim=32, max_position_embeddings=32),
        geometry_encoder_config=hf.Sam3GeometryEncoderConfig(**small),
        detr_encoder_config=hf.Sam3DETREncoderConfig(**small),
        detr_decoder_config=hf.Sam3DETRDecoderConfig(**small, num_queries=20),
        mask_decoder_config=hf.Sam3MaskDecoderConfig(hidden_size=32, num_attention_heads=2),
    )


def sam3(folder: Path) -> Path:
    """SAM 3 with 8 × 8 patches."""
    torch.manual_seed(0)
    images = hf.Sam3ImageProcessor(size={"height": 112, "width": 112}, **LARGE)
    return _save(hf.Sam3Model(_sam3_config()), hf.Sam3Processor(images, clip_tokenizer(32)), folder)


def sam3_video(folder: Path) -> Path:
    """SAM 3 as it is published: image detector and video tracker in one checkpoint."""
    torch.manual_seed(0)
    detector = _sam3_config()
    tracker = hf.Sam3TrackerVideoConfig(
        vision_config=_sam3_config().vision_config, memory_attention_num_layers=1, memory_fuser_num_layers=1
    )
    images = hf.Sam3ImageProcessor(size={"height": 112, "width": 112}, **LARGE)
    processor = hf.Sam3VideoProcessor(images, hf.Sam2VideoVideoProcessor(), clip_tokenizer(32))
    model = hf.Sam3VideoModel(hf.Sam3VideoConfig(detector_config=detector, tracker_config=tracker))
    return _save(model, processor, folder)


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "grounding-dino": grounding_dino,
    "mm-grounding-dino": mm_grounding_dino,
    "owlv2": owlv2,
    "owlvit": owlvit,
    "omdet-turbo": omdet_turbo,
    "sam3": sam3,
    "sam3_video": sam3_video,
}
"""model_type -> builder of a checkpoint folder."""

INPUT_HW = {
    **dict.fromkeys(("grounding-dino", "mm-grounding-dino"), (96, 128)),
    **dict.fromkeys(("owlv2", "owlvit"), (96, 96)),
    "omdet-turbo": (64, 64),
    **dict.fromkeys(("sam3", "sam3_video"), (112, 112)),
}
"""model_type -> height and width of a view that its tiny model takes as it is."""
