"""The embedded networks' quick convolutions against torch's own."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from vlsam_ros.embedded import load_sam
from vlsam_ros.embedded.winograd import Winograd, fused


@pytest.mark.parametrize(
    ("shape", "outputs", "bias"),
    [
        ((1, 192, 16, 28), 192, True),
        ((2, 96, 32, 56), 64, False),
        ((1, 3, 4, 4), 5, True),
        ((3, 5, 13, 18), 7, True),
        ((2, 4, 1, 1), 4, True),
        ((1, 4, 3, 9), 4, False),
        ((0, 4, 8, 8), 4, True),
    ],
)
def test_the_same_sums(shape: tuple[int, ...], outputs: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(shape[1], outputs, 3, padding=1, bias=bias)
    x = torch.randn(shape)
    with torch.inference_mode():
        expected, got = conv(x), Winograd(conv)(x)
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=0, atol=5e-5)


def test_batch_norms_go_and_the_embedding_stays() -> None:
    plain = load_sam().image_encoder
    quick = fused(deepcopy(plain))
    kinds = [type(module) for module in quick.modules()]
    assert Winograd in kinds and nn.BatchNorm2d not in kinds
    x = torch.randn(2, 3, 256, 448, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = plain(x)
        torch.testing.assert_close(quick(x), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("factor", "size", "bias"), [(4, 3, True), (2, 1, False), (1, 1, True)])
def test_pixels_are_not_moved_before_a_convolution(factor: int, size: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3 * factor**2, 6, size, padding=size // 2, bias=bias)
    module = nn.Sequential(nn.PixelUnshuffle(factor), conv, nn.ReLU())
    x = torch.randn(2, 3, 8 * factor, 12 * factor)
    with torch.inference_mode():
        expected = module(x)
        torch.testing.assert_close(fused(module)(x), expected, rtol=0, atol=5e-5)
    assert nn.PixelUnshuffle not in [type(part) for part in module]


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(64, 64, 3, stride=2, padding=1),
        nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 64, 3, padding=2, dilation=2),
        nn.Conv2d(64, 64, 3, padding=1, groups=64),
        nn.Conv2d(64, 64, 1),
        nn.Conv2d(8, 64, 3, padding=1),
    ],
    ids=["stride", "no padding", "dilation", "groups", "1 x 1", "few channels"],
)
def test_others_stay_as_they_are(conv: nn.Conv2d) -> None:
    assert fused(conv) is conv


def test_a_norm_after_something_else_stays() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    assert any(isinstance(part, nn.BatchNorm2d) for part in fused(module))
