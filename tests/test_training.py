"""What the trainings share."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.loop import Muon, Run
from vlsam_ros.synthetic.scene import HELD_OUT, sample_crowd, sample_world


def test_muon_steps_are_orthogonal_and_of_adams_size() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(32, 8, 3, 3))
    weight.grad = torch.randn(32, 8, 3, 3)
    Muon([weight], lr=1.0, weight_decay=0.0).step()
    step = weight.detach().flatten(1)
    assert torch.linalg.svdvals(step).sub(0.2 * 72**0.5).abs().max() < 0.4 * 0.2 * 72**0.5
    assert step.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)
    assert (step * weight.grad.flatten(1)).sum() < 0


@pytest.mark.parametrize("held_out", [False, True])
def test_looks_for_measuring_are_never_trained_on(held_out: bool) -> None:
    seed = HELD_OUT if held_out else 0
    world = sample_crowd(np.random.default_rng(0), sample_world(seed), (400.0, 300.0, 1200.0, 757.0), 12)
    assert 4 <= len(world.placed) <= 12
    assert {thing.seed % 2 for thing in world.placed} == {int(held_out)}


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    args = Namespace(out=tmp_path, minutes=1.0, bf16=False, device="cpu")
    first = Run(args, nn.Linear(64, 32), 1e-3)
    first.step, first.spent, first.seen = 7, 30.0, 56
    first.save()
    second = Run(args, nn.Linear(64, 32), 1e-3)
    assert (second.step, second.seen, second.progress) == (7, 56, pytest.approx(0.5))
    for a, b in zip(first.modules.parameters(), second.modules.parameters(), strict=True):
        assert torch.equal(a, b)
