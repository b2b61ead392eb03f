"""The embedded SAM: segment_anything's prompt encoder and mask decoder behind a small convolutional image encoder."""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from .tower import VIEW_HW, Trunk, conv3x3

DIM = 64
"""Channels of the image embedding."""


class FpnEncoder(nn.Module):
    """Trunk and a small feature pyramid: image (B, 3, H, W), normalised -> embedding (B, 64, H/8, W/8)."""

    def __init__(self, channels: tuple[int, int, int] = (48, 96, 192)) -> None:
        super().__init__()
        self.img_size = VIEW_HW[1]
        self.trunk = Trunk(channels)
        self.context = nn.Sequential(
            conv3x3(channels[2], DIM * 2, 2), nn.ReLU(True), conv3x3(DIM * 2, DIM * 2), nn.ReLU(True)
        )
        self.from32 = nn.Conv2d(DIM * 2, DIM, 1)
        self.from16 = nn.Conv2d(channels[2], DIM, 1)
        self.from8 = nn.Conv2d(channels[1], DIM, 1)
        self.from4 = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(channels[0] * 4, DIM, 1))
        self.smooth = nn.Sequential(conv3x3(DIM, DIM), nn.ReLU(True), nn.Conv2d(DIM, DIM, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Image (B, 3, H, W) -> embedding (B, 64, H/8, W/8)."""
        at4, at8, at16 = self.trunk(image)
        deep = self.from16(at16) + nn.functional.interpolate(self.from32(self.context(at16)), scale_factor=2.0)
        deep = nn.functional.interpolate(deep, scale_factor=2.0, mode="bilinear")
        return self.smooth(torch.relu(self.from8(at8) + self.from4(at4) + deep))


def build_sam() -> Sam:
    """The architecture with random weights; input 256 × 448, embedding 32 × 56, low-res masks 128 × 224."""
    grid = (VIEW_HW[0] // 8, VIEW_HW[1] // 8)
    return Sam(
        image_encoder=FpnEncoder(),
        prompt_encoder=PromptEncoder(
            embed_dim=DIM, image_embedding_size=grid, input_image_size=VIEW_HW, mask_in_chans=8
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=DIM, mlp_dim=128, num_heads=4),
            transformer_dim=DIM,
            iou_head_depth=2,
            iou_head_hidden_dim=64,
        ),
    )
