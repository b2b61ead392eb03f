"""The embedded SAM: segment_anything's prompt encoder (with click maps) and mask decoder behind a small encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from .tower import VIEW_HW, Trunk, conv3x3

DIM = 64
"""Channels of the image embedding."""


class FpnEncoder(nn.Module):
    """Trunk and a small feature pyramid: image (B, 3, H, W), normalised -> embedding (B, 64, H/8, W/8)."""

    def __init__(self, channels: Sequence[int] = (48, 96, 192)) -> None:
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


class ClickPromptEncoder(PromptEncoder):
    """segment_anything's prompt encoder, which also draws points and boxes onto the dense embedding.

    A model this small and this briefly trained does not learn to find a point by its positional code alone; a map of
    the clicks, as interactive segmentation uses, shows it where to look. The interface stays the same.
    """

    REACH = (0.7, 3.0)
    """Standard deviations of a click's spots, in cells of the embedding."""

    def __init__(self) -> None:
        grid = (VIEW_HW[0] // 8, VIEW_HW[1] // 8)
        super().__init__(embed_dim=DIM, image_embedding_size=grid, input_image_size=VIEW_HW, mask_in_chans=8)
        channels = 2 * len(self.REACH) + 1
        self.clicks = nn.Sequential(nn.Conv2d(channels, DIM, 3, padding=1), nn.GELU(), nn.Conv2d(DIM, DIM, 1))

    def forward(
        self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Points (B, P, 2) with labels (B, P), boxes (B, 4), masks (B, 1, 128, 224) -> sparse and dense embeddings."""
        sparse, dense = super().forward(points=points, boxes=boxes, masks=masks)
        return sparse, dense + self.drawn(points, boxes)

    def drawn(self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None) -> Tensor:
        """What points and boxes add to the dense embedding: (B, 64, 32, 56)."""
        return self.clicks(self.maps(points, boxes))

    def maps(self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None) -> Tensor:
        """Spots of positive and of negative points at each reach, and the box's inside: (B, 5, 32, 56)."""
        h, w = self.image_embedding_size
        device, dtype = self.no_mask_embed.weight.device, self.no_mask_embed.weight.dtype
        ys, xs = torch.arange(h, device=device) + 0.5, torch.arange(w, device=device) + 0.5
        size = len(points[0]) if points is not None else len(boxes) if boxes is not None else 1
        out = torch.zeros(size, 2 * len(self.REACH) + 1, h, w, device=device, dtype=dtype)
        if points is not None and points[0].shape[1]:
            x, y = (points[0].to(dtype) / 8)[..., None].unbind(2)
            signs = [(points[1] == sign)[..., None].to(dtype) for sign in (1, 0)]
            sides = [
                [torch.exp((xs - x) ** 2 / w), torch.exp((ys - y) ** 2 / w)] for w in (-2 * r**2 for r in self.REACH)
            ]
            spots = [(down * sign)[..., None] * across[..., None, :] for sign in signs for across, down in sides]
            out[:, :-1] = torch.stack([spot.amax(1) for spot in spots], 1)
        if boxes is not None:
            x0, y0, x1, y1 = (boxes.to(dtype).reshape(-1, 4) / 8).unbind(-1)
            across = (xs > x0[:, None]) & (xs < x1[:, None])
            down = (ys > y0[:, None]) & (ys < y1[:, None])
            out[:, -1] = (down[:, :, None] & across[:, None]).to(dtype)
        return out


def build_sam() -> Sam:
    """The architecture with random weights; input 256 × 448, embedding 32 × 56, low-res masks 128 × 224."""
    return Sam(
        image_encoder=FpnEncoder(),
        prompt_encoder=ClickPromptEncoder(),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=DIM, mlp_dim=128, num_heads=4),
            transformer_dim=DIM,
            iou_head_depth=2,
            iou_head_hidden_dim=64,
        ),
    )
