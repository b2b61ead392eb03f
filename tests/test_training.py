"""The parts of the training that must agree with the detector."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training import vlm
from training.data import names_of
from training.loop import Muon, Run
from training.sam import decode
from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK
from vlsam_ros.embedded.sam import build_sam
from vlsam_ros.recognition.flow import flow, scores
from vlsam_ros.synthetic.scene import HELD_OUT, sample_crowd, sample_world


def test_the_trained_flow_is_the_detectors() -> None:
    torch.manual_seed(0)
    layers, n = [LayerQK(torch.randn(4, 40, 8), torch.randn(4, 40, 8), 0.7) for _ in range(3)], 40
    layout = ImageLayout(np.arange(20).reshape(4, 5), (0, 0, 5, 4))
    answer = Answer("?", "a b", ((0, 1), (1, 3)), 38, n, layout, 3, layers.__getitem__)
    start = torch.zeros(2, n)
    start[0, [36, 37]], start[1, 39] = 0.5, 1.0
    seen = [scores(layer, slice(0, 4), slice(0, n))[None] for layer in layers]
    trained = vlm.flow(tuple(seen), start[None], torch.tensor([n]))[0]
    torch.testing.assert_close(trained, flow([answer], [start], AttentionOptions())[0], rtol=1e-5, atol=1e-6)


def test_sequences_name_every_kind_once_and_know_their_rows() -> None:
    tokenizer = vlm.build_processor().tokenizer
    objects = [{"name": "stone", "id": 1}, {"name": "traffic cone", "id": 2}, {"name": "stone", "id": 3}]
    tokens, start, rows = vlm.sequence(tokenizer, vlm.QUESTIONS[0], names_of(objects))
    assert tokenizer.decode(tokens[start:], skip_special_tokens=True) == "traffic cone, stone"
    assert {name: tokenizer.decode([tokens[r] for r in own]) for name, own in rows.items()} == {n: n for n in rows}
    assert tokens[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("names", [[], ["stone"], ["stone", "dog", "car"]])
def test_answers_are_true_and_every_word_is_known(names: list[str]) -> None:
    np.random.seed(0)
    tokenizer = vlm.build_processor().tokenizer
    asked = set()
    for _ in range(200):
        question, answer = vlm.exchange([{"name": name, "id": 1} for name in names])
        tokens, _, rows = vlm.sequence(tokenizer, question, answer)
        assert tokenizer.unk_token_id not in tokens
        asked.add("list" if question in vlm.QUESTIONS else answer[0])
        if question in vlm.QUESTIONS:
            assert sorted(answer) == sorted(names or ["none"]) and set(rows) == set(names)
        elif answer != ["sky", "road"]:
            assert answer == ["yes" if any(question == vlm.VERIFY.format(name=n) for n in names) else "no"]
    assert asked == {"list", "no", "sky"} | ({"yes"} if names else set())


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


def test_clicks_reach_the_mask() -> None:
    torch.manual_seed(0)
    sam = build_sam().eval()
    embedding = torch.randn(1, 64, 32, 56)
    points = torch.tensor([[[60.0, 60.0]], [[300.0, 200.0]]])
    with torch.inference_mode():
        maps = sam.prompt_encoder.maps((points, torch.ones(2, 1)), torch.tensor([[8.0, 16.0, 40.0, 48.0]] * 2))
        logits, iou = decode(sam, embedding, points, torch.ones(2, 1), None, None)
    assert [divmod(int(m.argmax()), 56) for m in maps[:, 0]] == [(7, 7), (24, 37)]
    assert maps[:, -1].sum() == 2 * 4 * 4 and not maps[:, 2:4].any()
    assert logits.shape == (2, 4, 128, 224) and iou.shape == (2, 4)
    assert not torch.allclose(logits[0], logits[1])


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    args = Namespace(out=tmp_path, minutes=1.0, bf16=False)
    first = Run(args, nn.Linear(64, 32), 1e-3)
    first.step, first.spent, first.seen = 7, 30.0, 56
    first.save()
    second = Run(args, nn.Linear(64, 32), 1e-3)
    assert (second.step, second.seen, second.progress) == (7, 56, pytest.approx(0.5))
    for a, b in zip(first.modules.parameters(), second.modules.parameters(), strict=True):
        assert torch.equal(a, b)
