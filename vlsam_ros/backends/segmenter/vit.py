"""SAM's ViT encoder with fused attention, and without its looking up of relative positions at each call.

Positions are looked up by indices that are made on the CPU, for which the host would wait twice in each layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def settle(encoder: nn.Module) -> None:
    """Replaces the attention of an encoder's layers, if it is that of SAM's; others stay as they are."""
    for layer in encoder.modules():
        if getattr(getattr(layer, "attn", None), "use_rel_pos", False):
            layer.attn = RelativeAttention(layer.attn)


class RelativeAttention(nn.Module):
    """Attention of h × w tokens with decomposed relative positions, as segment_anything and transformers have it."""

    def __init__(self, attention: Any) -> None:
        """Takes the weights of the library's own, for inputs of the size that it was made for."""
        super().__init__()
        self.of_transformers = hasattr(attention, "num_attention_heads")
        self.heads = attention.num_attention_heads if self.of_transformers else attention.num_heads
        self.qkv, self.proj = attention.qkv, attention.proj
        self.register_buffer("down", _by_pair(attention.rel_pos_h))  # (h, h, d): from a row to each
        self.register_buffer("across", _by_pair(attention.rel_pos_w))  # (w, w, d)

    def forward(self, hidden_states: Tensor) -> Any:
        """(B, h, w, C) -> the same shape; for transformers with None for the weights."""
        b, h, w, _ = hidden_states.shape
        q, k, v = self.qkv(hidden_states).view(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        grid = q.unflatten(2, (h, w))
        rows = torch.einsum("bnhwc,hkc->bnhwk", grid, self.down).contiguous()
        columns = torch.einsum("bnhwc,wkc->bnhwk", grid, self.across).contiguous()
        bias = (rows[..., None] + columns[..., None, :]).view(b, self.heads, h * w, h * w)
        out = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        out = self.proj(out.transpose(1, 2).reshape(b, h, w, -1))
        return (out, None) if self.of_transformers else out


def _by_pair(table: Tensor) -> Tensor:
    """Vectors (2 n - 1, d) of distances from 1 - n to n - 1 -> those from each of n places to each: (n, n, d)."""
    places = torch.arange((len(table) + 1) // 2, device=table.device)
    return table.detach()[places[:, None] - places + len(places) - 1]
