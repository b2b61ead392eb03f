"""The ViT's attention against the libraries' own."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from segment_anything.modeling.image_encoder import Attention
from tiny_sams import vit
from transformers.models.sam.modeling_sam import SamVisionAttention

from vlsam_ros.backends.segmenter.vit import RelativeAttention, settle


@pytest.mark.parametrize("size_hw", [(1, 1), (7, 7), (5, 9)])
@pytest.mark.parametrize("batch", [1, 3])
def test_attention_equals_segment_anythings(size_hw: tuple[int, int], batch: int) -> None:
    torch.manual_seed(0)
    own = Attention(32, 4, use_rel_pos=True, input_size=size_hw).requires_grad_(False)
    for table in (own.rel_pos_h, own.rel_pos_w):
        table.normal_()
    x = torch.randn(batch, *size_hw, 32)
    torch.testing.assert_close(RelativeAttention(own)(x), own(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("window", [0, 3])
def test_attention_equals_transformers(window: int) -> None:
    torch.manual_seed(0)
    config = hf.SamVisionConfig(hidden_size=32, num_attention_heads=4, image_size=80, patch_size=16)
    own = SamVisionAttention(config, window).requires_grad_(False)
    for table in (own.rel_pos_h, own.rel_pos_w):
        table.normal_()
    x = torch.randn(2, window or 5, window or 5, 32)
    got, weights = RelativeAttention(own)(hidden_states=x)
    torch.testing.assert_close(got, own(x)[0], atol=1e-5, rtol=0)
    assert weights is None


def test_every_layer_of_sams_encoder_and_nothing_else_is_settled() -> None:
    encoder = vit().image_encoder
    settle(encoder)
    assert [type(block.attn) for block in encoder.blocks] == [RelativeAttention] * 2
    other = torch.nn.Sequential(torch.nn.Linear(3, 3))
    other[0].attn = torch.nn.Identity()
    settle(other)
    assert isinstance(other[0].attn, torch.nn.Identity)
