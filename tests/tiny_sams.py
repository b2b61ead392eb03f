"""Tiny checkpoints with random weights, one for each kind of segmenter, saved as a user's would be."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import transformers as hf
from segment_anything import sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from vlsam_ros.backends.segmenter import mobile_sam

DIM = 32
SIDE = 128
"""Pixels of a tiny model's input, except the embedded one's."""

GRID = SIDE // 16
MOBILE = partial(mobile_sam.build, SIDE)


def sam(encoder: nn.Module, grid_hw: tuple[int, int]) -> Sam:
    """A Sam with 16 px patches and random weights."""
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, embedding_dim=DIM, num_heads=2, mlp_dim=32)
    return Sam(
        encoder,
        PromptEncoder(DIM, grid_hw, (grid_hw[0] * 16, grid_hw[1] * 16), mask_in_chans=8),
        MaskDecoder(transformer_dim=DIM, transformer=transformer, iou_head_hidden_dim=16),
    ).eval()


def vit() -> Sam:
    """The architecture of the original checkpoints, for 128 × 128 pixels."""
    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=SIDE,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        out_chans=DIM,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=4,
        global_attn_indexes=(1,),
    )
    return sam(encoder, (GRID, GRID))


class ConvEncoder(nn.Module):
    """A convolution that takes 64 × 96 pixels only."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, DIM, 16, 16)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[1:] != (3, 64, 96):
            raise RuntimeError(f"wrong shape {image.shape}")
        return self.patches(image)


def stirred(model: nn.Module) -> nn.Module:
    """The model with weights that matter: initialisations leave many of them at zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point() and tensor.ndim > 1 and "positional" not in name:
                tensor.normal_(0, tensor[0].numel() ** -0.5)
            elif tensor.is_floating_point() and "positional" not in name:
                tensor.normal_(float("weight" in name), 0.1)
    return model.eval()


def published(sam: Sam) -> dict[str, Tensor]:
    """The weights of `mobile_sam.build` under the names of the published file, with TinyViT's classifier."""
    out = {}
    for name, tensor in sam.state_dict().items():
        name = name.replace(".conv.", ".c.") if "image_encoder.vit" in name else name
        name = re.sub(r"vit\.patch_embed\.conv([12])", lambda m: f"patch_embed.seq.{2 * int(m[1]) - 2}", name)
        name = re.sub(r"vit\.stages\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", name)
        out[name.replace("vit.stages", "layers")] = tensor
    out |= {f"image_encoder.norm_head.{name}": torch.zeros(320) for name in ("weight", "bias")}
    return out | {"image_encoder.head.weight": torch.zeros(1000, 320), "image_encoder.head.bias": torch.zeros(1000)}


PROMPTS = {"hidden_size": DIM, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 8}
DECODER = {"hidden_size": DIM, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
SQUARE = {"height": SIDE, "width": SIDE}
SIZES = [[32, 32], [16, 16], [8, 8]]


def _save(model: nn.Module, processor: hf.ProcessorMixin, folder: Path) -> str:
    stirred(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def _sam(family: str, folder: Path) -> str:
    vision = {
        "hidden_size": 32,
        "output_channels": DIM,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "window_size": 4,
        "global_attn_indexes": [1],
        "num_pos_feats": DIM // 2,
        "mlp_dim": 64,
    }
    decoder = DECODER | ({"vit_dim": 32} if family == "SamHQ" else {})
    config = getattr(hf, f"{family}Config")(
        vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=decoder
    )
    images = hf.SamImageProcessor(size={"longest_edge": SIDE}, pad_size=SQUARE)
    return _save(getattr(hf, f"{family}Model")(config), getattr(hf, f"{family}Processor")(images), folder)


def _sam2(family: str, vision: hf.PreTrainedConfig, folder: Path) -> str:
    config = getattr(hf, f"{family}Config")(
        vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER, image_size=SIDE
    )
    images = hf.Sam2ImageProcessor(size=SQUARE)
    processor = hf.Sam2Processor(images)
    if "Video" in family:
        processor = hf.Sam2VideoProcessor(images, hf.Sam2VideoVideoProcessor(size=SQUARE))
    return _save(getattr(hf, f"{family}Model")(config), processor, folder)


def _hiera(family: str, folder: Path) -> str:
    backbone = hf.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
    )
    vision = hf.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=SIZES,
        fpn_hidden_size=DIM,
    )
    return _sam2(family, vision, folder)


def _repvit(family: str, folder: Path) -> str:
    backbone = hf.TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={
            "in_chans": 3,
            "features_only": True,
            "out_indices": [0, 1, 2, 3],
            "embed_dim": [8, 16, 32, 64],
            "depth": [1, 1, 1, 1],
        },
    )
    vision = hf.EdgeTamVisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=SIZES,
        fpn_hidden_size=DIM,
    )
    return _sam2(family, vision, folder)


def _file(kind: str, folder: Path) -> str:
    path = folder / f"{kind}.pth"
    weights = published(stirred(mobile_sam.build())) if kind == "vit_t" else stirred(vit()).state_dict()
    torch.save(weights, path)
    return f"{kind}:{path}"


BUILDERS: dict[str, Callable[[Path], str]] = {
    "embedded": lambda folder: "embedded",
    **{kind: partial(_file, kind) for kind in ("vit_h", "vit_l", "vit_b", "vit_t")},
    "sam": partial(_sam, "Sam"),
    "sam_hq": partial(_sam, "SamHQ"),
    "sam2": partial(_hiera, "Sam2"),
    "sam2_video": partial(_hiera, "Sam2Video"),
    "edgetam": partial(_repvit, "EdgeTam"),
    "edgetam_video": partial(_repvit, "EdgeTamVideo"),
}
"""Kind -> writes a checkpoint into a folder, and says what `segmenter.model` is for it; see `shrink`."""


def shrink(patch: pytest.MonkeyPatch) -> None:
    """The kinds that are files stand for small models: their checkpoints hold no architecture."""
    for kind in ("vit_h", "vit_l", "vit_b"):
        patch.setitem(sam_model_registry, kind, vit)
    patch.setattr(mobile_sam, "build", MOBILE)
