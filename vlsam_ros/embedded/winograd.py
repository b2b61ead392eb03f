"""The embedded networks' convolutions for inference on a CPU: batch norms folded in, and fewer multiplications.

A convolution of 3 × 3 and stride 1 takes 144 multiplications for each 4 × 4 outputs, channel in and channel out. In
Winograd's form F(4 × 4, 3 × 3) (arXiv 1509.09308) it takes 36, with sums before and after them. Its rounding error is
about five times that of the plain sums: 2e-5 where values are about 1. Between such convolutions the image stays in
blocks of 4 × 4, with each place's pixels of all blocks side by side, so that the sums are products of whole matrices.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .tower import ResidualBlock

LEAST_CHANNELS = 64
"""With fewer, the sums take as long as the multiplications that they save."""

INPUT = torch.tensor([[0.0, -5, 0, 1], [-4, -4, 1, 1], [4, -4, -1, 1], [-2, -1, 2, 1], [2, -1, -2, 1], [4, 0, -5, 0]])
"""What a block's four pixels along an axis give to six sums; four times the pixel before them is added to the first,
and the pixel after them to the last."""

KERNEL = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]).double() / 24
OUTPUT = torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
"""What a kernel's three weights give to six factors, and what the six products give to a block's four pixels."""


def fused(module: nn.Module) -> nn.Module:
    """The same function for inference in float32 on a CPU; changes the module, and returns what stands in its place.

    A convolution takes in the batch norm that follows it and the `PixelUnshuffle` that precedes it; neighbours that can
    be `Blocked` are, where that is faster.
    """
    return _blocked(_folded(module))


def _folded(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        setattr(module, name, _folded(child))
    match list(module) if isinstance(module, nn.Sequential) else []:
        case [nn.Conv2d() as conv, nn.BatchNorm2d() as norm]:
            return fuse_conv_bn_eval(conv.eval(), norm.eval())
        case [nn.PixelUnshuffle(downscale_factor=factor), nn.Conv2d() as conv, *rest]:
            return nn.Sequential(_of_pixels(conv, factor), *rest)
    return module


def _of_pixels(conv: nn.Conv2d, factor: int) -> nn.Conv2d:
    """A convolution of stride 1 on the pixels that `PixelUnshuffle` would have made channels."""
    inputs, size = conv.in_channels // factor**2, conv.kernel_size[0]
    own = {"stride": factor, "padding": conv.padding[0] * factor, "bias": conv.bias is not None}
    out = nn.Conv2d(inputs, conv.out_channels, size * factor, **own, dtype=conv.weight.dtype)
    weight = conv.weight.unflatten(1, (inputs, factor, factor)).permute(0, 1, 4, 2, 5, 3)
    out.weight = nn.Parameter(weight.flatten(4, 5).flatten(2, 3).contiguous())
    out.bias = conv.bias
    return out


def _blocked(module: nn.Module) -> nn.Module:
    if not isinstance(module, nn.Sequential):
        for name, child in module.named_children():
            setattr(module, name, _blocked(child))
        return module
    parts: list[nn.Module] = []
    for suits, run in groupby(module, _suits):
        some = nn.Sequential(*run)
        worth = suits and any(isinstance(m, nn.Conv2d) and m.in_channels >= LEAST_CHANNELS for m in some.modules())
        parts += [Blocked(some)] if worth else some if suits else map(_blocked, some)
    return nn.Sequential(*parts)


def _suits(module: nn.Module) -> bool:
    """Whether a module can be `Blocked`."""
    if isinstance(module, nn.Conv2d):
        plain = (module.kernel_size, module.stride, module.padding, module.dilation, module.groups)
        return plain == ((3, 3), (1, 1), (1, 1), (1, 1), 1)
    holds = isinstance(module, nn.Sequential | ResidualBlock)
    return isinstance(module, nn.ReLU) or (holds and all(map(_suits, module.children())))


class Blocked(nn.Module):
    """Convolutions of 3 × 3 and stride 1, and what goes pixel by pixel: (B, C, H, W) -> (B, D, H, W), channels last."""

    def __init__(self, plain: nn.Sequential) -> None:
        super().__init__()
        self.plain, self.quick = plain, _quick(deepcopy(plain))

    def forward(self, x: Tensor) -> Tensor:
        """In blocks if the image consists of whole ones: (B, 4 down, 4 across, rows, columns, C)."""
        b, c, h, w = x.shape
        if h % 4 or w % 4:
            return self.plain(x)
        blocks = x.permute(0, 2, 3, 1).reshape(b, h // 4, 4, w // 4, 4, c).permute(0, 2, 4, 1, 3, 5).contiguous()
        return self.quick(blocks).permute(0, 3, 1, 4, 2, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


def _quick(module: nn.Module) -> nn.Module:
    """With `Winograd` in the place of all convolutions."""
    for name, child in module.named_children():
        setattr(module, name, Winograd(child) if isinstance(child, nn.Conv2d) else _quick(child))
    return module


class Winograd(nn.Module):
    """A convolution of 3 × 3, stride 1 and padding 1, in blocks."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        kernel = torch.einsum("ua,dcab,vb->uvcd", KERNEL, conv.weight.detach().double(), KERNEL).flatten(0, 1)
        self.register_buffer("kernel", kernel.to(conv.weight.dtype).contiguous())  # (36, C, D)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())
        self.register_buffer("input", INPUT)
        self.register_buffer("output", torch.kron(OUTPUT, OUTPUT))  # (16, 36)

    def forward(self, blocks: Tensor) -> Tensor:
        """View by view, as what is kept of one on the way fits into a core's cache."""
        rows, columns, c = blocks.shape[3:]
        out = blocks.new_empty(*blocks.shape[:-1], self.kernel.shape[2])
        down, both = (blocks.new_empty(6, n, rows, columns, c) for n in (4, 6))
        products = blocks.new_empty(36, rows * columns, out.shape[-1])
        for view, into in zip(blocks, out, strict=True):
            torch.mm(self.input, view.flatten(1), out=down.view(6, -1))
            down[0, :, 1:].add_(view[3, :, :-1], alpha=4)
            down[5, :, :-1] += view[0, :, 1:]
            torch.matmul(self.input, down.flatten(2), out=both.flatten(2))
            both[:, 0, :, 1:].add_(down[:, 3, :, :-1], alpha=4)
            both[:, 5, :, :-1] += down[:, 0, :, 1:]
            torch.bmm(both.view(36, -1, c), self.kernel, out=products)
            if self.bias is not None:
                products[7] += self.bias  # (1, 1), which goes into every pixel once
            torch.mm(self.output, products.flatten(1), out=into.view(16, -1))
        return out
