"""MobileSAM (arXiv 2306.14289): SAM's prompt encoder and mask decoder behind timm's TinyViT, 10 M parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping

import timm
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn

DIM = 256
"""Channels of the image embedding."""

NAMES = (
    (r"^patch_embed\.seq\.0\.", "vit.patch_embed.conv1."),
    (r"^patch_embed\.seq\.2\.", "vit.patch_embed.conv2."),
    (r"^layers\.(\d)\.downsample\.", lambda m: f"vit.stages.{int(m[1]) + 1}.downsample."),
    (r"^layers\.", "vit.stages."),
    (r"\.c\.", ".conv."),
)
"""Patterns in the encoder's published names of weights -> names here."""


class TinyVitEncoder(nn.Module):
    """Image (B, 3, H, W), normalised -> embedding (B, 256, H/16, W/16)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.img_size = side
        self.vit = timm.create_model("tiny_vit_5m_224", num_classes=0)
        self.vit.head = nn.Identity()
        self.vit.stages[3].downsample.conv2.conv.stride = (1, 1)  # SAM's grid has 16 px
        self.neck = nn.Sequential(
            nn.Conv2d(self.vit.num_features, DIM, 1, bias=False),
            LayerNorm2d(DIM),
            nn.Conv2d(DIM, DIM, 3, padding=1, bias=False),
            LayerNorm2d(DIM),
        )

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        return self.neck(self.vit.forward_features(image))


def build(side: int = 1024) -> Sam:
    """The architecture with random weights, for views of `side` × `side` pixels."""
    grid = (side // 16, side // 16)
    return Sam(
        image_encoder=TinyVitEncoder(side),
        prompt_encoder=PromptEncoder(DIM, grid, (side, side), mask_in_chans=16),
        mask_decoder=MaskDecoder(
            transformer_dim=DIM, transformer=TwoWayTransformer(depth=2, embedding_dim=DIM, num_heads=8, mlp_dim=2048)
        ),
    )


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published checkpoint's weights under this module's names, without TinyViT's classifier."""
    out = {}
    for name, tensor in weights.items():
        part, _, rest = name.partition(".")
        if part == "image_encoder":
            if rest.startswith(("norm_head.", "head.")):
                continue
            for pattern, new in NAMES:
                rest = re.sub(pattern, new, rest)
        out[f"{part}.{rest}" if rest else part] = tensor
    return out
