"""The embedded networks' convolutions for inference on a CPU: batch norms folded in, and fewer multiplications.

A convolution of 3 × 3 and stride 1 takes 144 multiplications for each 4 × 4 outputs, channel in and channel out. In
Winograd's form F(4 × 4, 3 × 3) (arXiv 1509.09308) it takes 36, with sums before and after them. Its rounding error is
about five times that of the plain sums: 2e-5 where values are about 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

LEAST_CHANNELS = 64
"""With fewer, the sums take as long as the multiplications that they save."""

INPUT = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
KERNEL = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]).double() / 24
OUTPUT = torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
"""What each axis goes through: six inputs, the kernel's three weights, and six products that give four outputs."""


def fused(module: nn.Module) -> nn.Module:
    """The same function for inference in float32 on a CPU; changes the module, and returns what stands in its place.

    A convolution takes in the batch norm that follows it and the `PixelUnshuffle` that precedes it, and becomes
    `Winograd` where that is faster.
    """
    kinds = [type(part) for part in module] if isinstance(module, nn.Sequential) else []
    if kinds == [nn.Conv2d, nn.BatchNorm2d]:
        module = fuse_conv_bn_eval(module[0].eval(), module[1].eval())
    if isinstance(module, nn.Conv2d):
        plain = (module.kernel_size, module.stride, module.padding, module.dilation, module.groups)
        suits = plain == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and module.in_channels >= LEAST_CHANNELS
        return Winograd(module) if suits else module
    for name, child in module.named_children():
        setattr(module, name, fused(child))
    if kinds[:1] == [nn.PixelUnshuffle] and isinstance(module[1], nn.Conv2d):
        module[0], module[1] = nn.Identity(), _of_pixels(module[1], module[0].downscale_factor)
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


class Winograd(nn.Module):
    """A convolution of 3 × 3, stride 1 and padding 1: (B, C, H, W) -> (B, D, H, W), channels last in memory."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach().double()
        kernel = torch.einsum("ua,dcba,vb->uvcd", KERNEL, weight, KERNEL).flatten(0, 1)
        self.register_buffer("kernel", kernel.to(conv.weight.dtype).contiguous())  # (36, C, D)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())
        self.register_buffer("output", torch.kron(OUTPUT, OUTPUT))  # (16, 36)
        self.register_buffer("input", INPUT)

    def forward(self, x: Tensor) -> Tensor:
        """View by view, as what is kept of one on the way fits into a core's cache."""
        b, _, h, w = x.shape
        rows, columns = -(-h // 4), -(-w // 4)
        padded = pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + 4 * columns - w, 1, 1 + 4 * rows - h))
        out = x.new_empty(b, rows, 4, columns, 4, self.kernel.shape[2])
        for view, into in zip(padded, out, strict=True):
            spectrum = self._in_sixes(self._in_sixes(view, 0), 2)  # (6 across, 6 down, rows, columns, C)
            products = torch.bmm(spectrum.flatten(2, 3).flatten(0, 1), self.kernel)
            if self.bias is not None:
                products[7] += self.bias  # (1, 1), which goes into every output once
            blocks = (self.output @ products.flatten(1)).view(4, 4, rows, columns, -1)
            into.copy_(blocks.permute(2, 1, 3, 0, 4))
        return out.flatten(3, 4).flatten(1, 2)[:, :h, :w].permute(0, 3, 1, 2)

    def _in_sixes(self, x: Tensor, axis: int) -> Tensor:
        """Overlapping runs of six along an axis, one every four, transformed; a new first axis counts the six."""
        runs = x.unfold(axis, 6, 4).movedim(-1, 0)
        return (self.input @ runs.flatten(1)).view(runs.shape)
