"""The embedded VLMs' vision tower: a token per patch, with or without a sum that says where it is."""

from copy import deepcopy

import pytest
import torch

from vlsam_ros.embedded.tower import VIEW_HW, ConvVisionConfig, ConvVisionModel
from vlsam_ros.embedded.winograd import fused


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, *VIEW_HW, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_a_token_per_patch_knows_its_row_and_column(images: torch.Tensor) -> None:
    plain, placed = ConvVisionModel(ConvVisionConfig()).eval(), ConvVisionModel(ConvVisionConfig(positions=True)).eval()
    missing, unexpected = placed.load_state_dict(plain.state_dict(), strict=False)
    assert {"columns", "rows"} < set(missing) and not unexpected
    tokens = plain(images).last_hidden_state
    assert tokens.shape == (2, 448, 192)
    assert torch.equal(placed(images).last_hidden_state, tokens)
    torch.nn.init.normal_(placed.places[2].weight, generator=torch.Generator().manual_seed(0))
    before = placed(images).last_hidden_state.unflatten(1, (16, 28))
    placed.rows[:, 5] += 1
    placed.columns[:, :, 3] += 2
    moved = (placed(images).last_hidden_state.unflatten(1, (16, 28)) - before).abs().amax((0, 3)) > 0
    expected = torch.zeros(16, 28, dtype=torch.bool)
    expected[5] = expected[:, 3] = True
    assert torch.equal(moved, expected)


@torch.inference_mode()
def test_the_quick_tower_is_the_plain_one(images: torch.Tensor) -> None:
    tower = ConvVisionModel(ConvVisionConfig(positions=True)).eval()
    tower.rows.normal_(generator=torch.Generator().manual_seed(0))
    tower.columns.normal_(generator=torch.Generator().manual_seed(1))
    tower.places[2].weight.normal_(generator=torch.Generator().manual_seed(2))
    expected = tower(images).last_hidden_state
    got = fused(deepcopy(tower))(images).last_hidden_state
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_old_settings_have_no_places() -> None:
    old = ConvVisionConfig().to_dict()
    del old["positions"]
    assert not [name for name, _ in ConvVisionModel(ConvVisionConfig(**old)).named_parameters() if "." not in name]
