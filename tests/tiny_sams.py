"""Small segment_anything models with random weights."""

from functools import partial

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

DIM = 32


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
    """The architecture of the official checkpoints, for 128 × 128 pixels."""
    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=128,
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
    return sam(encoder, (8, 8))


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
