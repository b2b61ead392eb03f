"""The embedded pair's convolutional trunk, and the LLaVA vision tower made of it.

Importing this module registers the tower with transformers, so that `AutoModelForImageTextToText` can load a LLaVA
checkpoint that names it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

VIEW_HW = (256, 448)
"""Height and width in pixels at which the embedded pair works."""

STRIDE = 16
"""Pixels per image token, along each axis."""


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions and the way around them; keeps shape (B, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3x3(channels, channels), nn.ReLU(True), conv3x3(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return self.body(x).add_(x).relu_()


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3 × 3 convolution and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """Halves the resolution, then `blocks` residual blocks."""
    return nn.Sequential(conv3x3(inputs, outputs, 2), nn.ReLU(True), *(ResidualBlock(outputs) for _ in range(blocks)))


class Trunk(nn.Module):
    """Image (B, 3, H, W), normalised -> features at strides 4, 8 and 16: (B, C_i, H / s_i, W / s_i)."""

    def __init__(self, channels: Sequence[int] = (48, 96, 192), blocks: Sequence[int] = (2, 3)) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), conv3x3(48, channels[0]), nn.ReLU(True))
        self.stride8 = stage(channels[0], channels[1], blocks[0])
        self.stride16 = stage(channels[1], channels[2], blocks[1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image (B, 3, H, W) -> features at strides 4, 8 and 16."""
        at4 = self.stem(image.contiguous(memory_format=torch.channels_last))
        at8 = self.stride8(at4)
        return at4, at8, self.stride16(at8)


class ConvVisionConfig(PreTrainedConfig):
    """Configuration of `ConvVisionModel`."""

    model_type = "vlsam_conv_vision"

    def __init__(
        self,
        channels: Sequence[int] = (48, 96, 192),
        blocks: Sequence[int] = (2, 3),
        patch_size: int = STRIDE,
        image_size: tuple[int, int] = VIEW_HW,
        positions: bool = False,
        **kwargs: object,
    ) -> None:
        self.channels, self.blocks, self.positions = list(channels), list(blocks), positions
        self.hidden_size = channels[-1]
        self.patch_size, self.image_size = patch_size, list(image_size)
        super().__init__(**kwargs)


class ConvVisionModel(PreTrainedModel):
    """The trunk as a vision tower: one token per 16 × 16 pixels, row-major.

    With `positions`, what a token shows and where it is give a sum that says where its object's edges are.
    """

    config_class = ConvVisionConfig
    main_input_name = "pixel_values"
    base_model_prefix = "vision"

    def __init__(self, config: ConvVisionConfig) -> None:
        super().__init__(config)
        self.trunk = Trunk(config.channels, config.blocks)
        if config.positions:
            height, width = (side // config.patch_size for side in config.image_size)
            self.rows = nn.Parameter(torch.zeros(config.hidden_size, height, 1))
            self.columns = nn.Parameter(torch.zeros(config.hidden_size, 1, width))
            wide, narrow = nn.Conv2d(config.hidden_size, 256, 1), nn.Conv2d(256, config.hidden_size, 1, bias=False)
            nn.init.zeros_(narrow.weight)
            self.places = nn.Sequential(wide, nn.ReLU(True), narrow)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keeps torch's own initialisation."""

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutputWithPooling:
        """pixel_values (B, 3, H, W) -> last_hidden_state (B, H/16 · W/16, C)."""
        features = self.trunk(pixel_values)[-1]
        if self.config.positions:
            features = features + self.places(features + self.rows + self.columns)
        tokens = features.flatten(2).transpose(1, 2)
        return BaseModelOutputWithPooling(last_hidden_state=tokens, hidden_states=(tokens,))


AutoConfig.register(ConvVisionConfig.model_type, ConvVisionConfig, exist_ok=True)
AutoModel.register(ConvVisionConfig, ConvVisionModel, exist_ok=True)
