"""segment_anything's mask decoder with its sums in another order: the same masks in half the time on a CPU.

An image has thousands of tokens, a prompt about eight. The original projects every image token to queries, keys and
values again for each prompt. Here the projections go to the prompt's side, as qᵀ(W x) = (Wᵀq)ᵀx and
Σ p (W x) = W (Σ p x): an image token meets heads × prompt tokens columns and is never copied or split into heads. The
image stays as encoders make it, channel by channel, so that sums over channels run along rows; and the last attention
is that of the tokens alone which masks and estimates are read from.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, pad


def sparse(encoder: PromptEncoder, points_xy: Tensor, labels: Tensor, boxes: Tensor | None) -> Tensor:
    """What `encoder` makes of points (B, P, 2) with labels (B, P), and of boxes (B, 4) or None: (B, n, C).

    The original picks points by their labels, for which the host waits on a GPU.
    """
    if boxes is None:
        places, kinds = pad(points_xy, (0, 0, 0, 1)), pad(labels, (0, 1), value=-1)
    else:
        corners = torch.arange(2, 4, device=labels.device).expand(len(labels), -1)
        places, kinds = torch.cat([points_xy, boxes.view(-1, 2, 2)], 1), torch.cat([labels, corners], 1)
    own = torch.cat([encoder.not_a_point_embed.weight, *(kind.weight for kind in encoder.point_embeddings)])
    code = encoder.pe_layer.forward_with_coords(places + 0.5, encoder.input_image_size)  # of the pixel's centre
    return code * (kinds >= 0)[..., None] + own[(kinds + 1).long()]


def decode(
    decoder: MaskDecoder, image: Tensor, position: Tensor, sparse: Tensor, multimask: bool
) -> tuple[Tensor, Tensor]:
    """`decoder`'s forward pass.

    Args:
        decoder: the weights.
        image: (1, C, h, w) or (B, C, h, w), embeddings of image and mask added, of all prompts or of each.
        position: (1, C, h · w), the image's positional code, contiguous.
        sparse: (B, n, C), embedded points and boxes.
        multimask: all candidates but the first, or the first alone.

    Returns:
        Logits (B, M, 4h, 4w) and IoU estimates (B, M).
    """
    h, w = image.shape[2:]
    chosen = slice(1, None) if multimask else slice(0, 1)
    output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(len(sparse), -1, -1)
    image, last = image.flatten(2).expand(len(sparse), -1, -1), 1 + (decoder.num_mask_tokens if multimask else 1)
    tokens, image = two_way(decoder.transformer, image, position, torch.cat([output, sparse], 1), last)
    networks = zip(decoder.output_hypernetworks_mlps[chosen], tokens[:, 1:][:, chosen].unbind(1), strict=True)
    weights = torch.stack([network(token) for network, token in networks], 1)
    masks = drawn(decoder.output_upscaling, image, weights)  # (B, M, 4 · 4, h · w)
    masks = masks.view(*masks.shape[:2], 4, 4, h, w).permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
    return masks, decoder.iou_prediction_head(tokens[:, 0])[:, chosen]


def two_way(
    transformer: TwoWayTransformer, image: Tensor, place: Tensor, tokens: Tensor, read: int
) -> tuple[Tensor, Tensor]:
    """`transformer`'s forward pass.

    Args:
        image: (B, C, N).
        place: (1, C, N), its positional code.
        tokens: (B, T, C).
        read: how many of the tokens, the first ones, are read from it.

    Returns:
        Those tokens (B, R, C), and the image (B, C, N).
    """
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
        image = _from_image(layer.cross_attn_image_to_token, image, placed, state + tokens, state)
        image = _normed(image, layer.norm4, placed)
        torch.add(image, place, out=placed)
    state, tokens = state[:, :read], tokens[:, :read]
    final = _to_image(transformer.final_attn_token_to_image, state + tokens, placed, image)
    return transformer.norm_final_attn(state + final), image


def drawn(upscaling: nn.Sequential, image: Tensor, weights: Tensor) -> Tensor:
    """The mask decoder's upscaling (its two convolutions have stride 2 and size 2) and the product with `weights`.

    Args:
        image: (B, C, N).
        weights: (B, M, C / 8).

    Returns:
        (B, M, 16, N): for each token of the image its 4 × 4 logits, row by row.
    """
    first, norm, _, second, _ = upscaling
    (b, _, n), m = image.shape, weights.shape[1]
    fine = torch.bmm(first.weight.permute(1, 2, 3, 0).flatten(0, 2).expand(b, -1, -1), image)
    fine = fine.view(b, -1, 4 * n).add_(first.bias[:, None])  # (B, C / 4, 2 · 2 · N)
    fine = gelu(_normed(fine, norm))
    fine = torch.bmm(second.weight.permute(2, 3, 1, 0).flatten(0, 2).expand(b, -1, -1), fine)
    fine = gelu(fine.view(b, 4, -1, 4 * n).add_(second.bias[:, None]))  # (B, 2 · 2, C / 8, 2 · 2 · N)
    masks = (weights[:, None] @ fine).view(b, 2, 2, m, 2, 2, n)
    return masks.permute(0, 3, 4, 1, 5, 2, 6).reshape(b, m, 16, n)


def _to_image(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Tokens (B, T, C) attend to the image's (B, C, N). A bias of the keys would move all scores alike."""
    heads = attention.num_heads
    q = _split(attention.q_proj(query), heads)
    folded = (q * q.shape[-1] ** -0.5) @ attention.k_proj.weight.unflatten(0, (heads, -1))
    share = torch.bmm(folded.flatten(1, 2), key).softmax(-1)
    seen = torch.bmm(share, value.mT).unflatten(1, (heads, -1)) @ attention.v_proj.weight.unflatten(0, (heads, -1)).mT
    return attention.out_proj(seen.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _from_image(attention: Attention, image: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The image's tokens (B, C, N), with what they take from the prompt's (B, T, C) added."""
    heads = attention.num_heads
    k, v = _split(attention.k_proj(key), heads), _split(attention.v_proj(value), heads)
    k = k * k.shape[-1] ** -0.5
    folded = (k @ attention.q_proj.weight.unflatten(0, (heads, -1))).flatten(1, 2)
    bias = (k @ attention.q_proj.bias.view(heads, -1, 1)).flatten(1, 2)
    scores = torch.baddbmm(bias, folded, query)
    share = scores.unflatten(1, (heads, -1)).softmax(2).flatten(1, 2)  # over the tokens, for each head
    given = v @ attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)
    given = given + attention.out_proj.bias / heads  # each head's shares add up to 1
    return torch.baddbmm(image, given.flatten(1, 2).mT, share)


def _split(projected: Tensor, heads: int) -> Tensor:
    """(B, T, heads · d) -> (B, heads, T, d)."""
    return projected.unflatten(2, (heads, -1)).transpose(1, 2)


def _normed(x: Tensor, norm: nn.LayerNorm, spare: Tensor | None = None) -> Tensor:
    """A `LayerNorm` or `LayerNorm2d` of (B, C, N) over the channels; x is lost, and a spare one of its shape, too."""
    if x.device.type != "cpu":
        return layer_norm(x.mT, norm.weight.shape, norm.weight, norm.bias, norm.eps).mT
    x = x.float()
    x = x.sub_(x.mean(1, keepdim=True))
    spread = torch.mul(x, x, out=spare).mean(1, keepdim=True).add_(norm.eps).rsqrt_()
    return x.mul_(spread).mul_(norm.weight[:, None]).add_(norm.bias[:, None])
