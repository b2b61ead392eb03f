"""The embedded networks' quick convolutions against torch's own."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from vlsam_ros.embedded import load_sam
from vlsam_ros.embedded.tower import ResidualBlock
from vlsam_ros.embedded.winograd import Blocked, Winograd, fused


def close(got: torch.Tensor, expected: torch.Tensor, atol: float = 5e-5) -> None:
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("shape", "outputs", "bias"),
    [
        ((1, 192, 16, 28), 192, True),
        ((2, 96, 32, 56), 64, False),
        ((1, 3, 4, 4), 5, True),
        ((3, 5, 12, 4), 7, True),
        ((2, 4, 4, 16), 4, False),
        ((0, 4, 8, 8), 4, True),
    ],
)
def test_the_same_sums_in_blocks(shape: tuple[int, ...], outputs: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(shape[1], outputs, 3, padding=1, bias=bias)
    blocked, x = Blocked(nn.Sequential(conv)), torch.randn(shape)
    blocked.plain = nn.Sequential()
    with torch.inference_mode():
        close(blocked(x), conv(x))


@pytest.mark.parametrize("size_hw", [(16, 28), (13, 18), (1, 1), (4, 7), (8, 14)])
def test_convolutions_one_after_the_other(size_hw: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(64, 32, 3, padding=1), nn.ReLU(True), ResidualBlock(32), nn.Conv2d(32, 8, 3, padding=1)
    )
    quick, x = fused(deepcopy(plain)), torch.randn(2, 64, *size_hw)
    assert [type(part) for part in quick] == [Blocked]
    with torch.inference_mode():
        expected, before = plain.eval()(x), x.clone()
        close(quick(x), expected)
    assert torch.equal(x, before)


def test_batch_norms_go_and_the_embedding_stays() -> None:
    plain = load_sam().image_encoder
    quick = fused(deepcopy(plain))
    kinds = [type(module) for module in quick.modules()]
    assert Winograd in kinds and nn.BatchNorm2d not in kinds
    x = torch.randn(2, 3, 256, 448, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = plain(x)
        close(quick(x), expected, 1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("factor", "size", "bias"), [(4, 3, True), (2, 1, False), (1, 1, True)])
def test_pixels_are_not_moved_before_a_convolution(factor: int, size: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3 * factor**2, 6, size, padding=size // 2, bias=bias)
    module = nn.Sequential(nn.PixelUnshuffle(factor), conv, nn.ReLU())
    x = torch.randn(2, 3, 8 * factor, 12 * factor)
    with torch.inference_mode():
        expected = module(x)
        quick = fused(module)
        close(quick(x), expected)
    assert nn.PixelUnshuffle not in [type(part) for part in quick.modules()]


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
    assert list(fused(nn.Sequential(conv, nn.ReLU())))[0] is conv


def test_a_norm_after_something_else_stays() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    assert any(isinstance(part, nn.BatchNorm2d) for part in fused(module))
