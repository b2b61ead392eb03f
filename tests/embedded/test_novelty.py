"""How unlike its training views the embedded VLM finds a picture."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from vlsam_ros.backends import load_vlm
from vlsam_ros.config import VlmOptions
from vlsam_ros.data import Detections
from vlsam_ros.embedded import QUESTIONS, VLMS, vlm_path
from vlsam_ros.embedded.novelty import FAMILIAR, FILE, Novelty, figure, pooled
from vlsam_ros.errors import ModelLoadError, VlmError
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import HELD_OUT, sample_world
from vlsam_ros.synthetic.world import FRAME_WH


def gaussian(count: int, width: int = 24, seed: int = 0) -> torch.Tensor:
    """Features (count, width) that hang together."""
    mix = torch.eye(width) + 0.1 * torch.randn(width, width, generator=torch.Generator().manual_seed(9))
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) @ mix + 3


@pytest.fixture(scope="module")
def fitted() -> Novelty:
    return Novelty.fit(gaussian(4000).split(16))


def test_the_limit_is_the_quantile_and_holds_for_others_of_the_kind(fitted: Novelty) -> None:
    own, others = fitted.score(gaussian(4000)), fitted.score(gaussian(20_000, seed=1))
    assert own.dtype == torch.float32 and (own <= 1).float().mean() == pytest.approx(FAMILIAR, abs=5e-3)
    assert (others <= 1).float().mean() == pytest.approx(FAMILIAR, abs=5e-3)
    few = Novelty.fit([gaussian(300)]).score(gaussian(20_000, seed=2))  # whose own distances are too small
    assert (few <= 1).float().mean() > FAMILIAR - 0.03
    assert (fitted.score(gaussian(50) + 30) > 1).all() and fitted.score(fitted.mean[None]) == 0


def test_distances_are_mahalanobis(fitted: Novelty) -> None:
    x, covariance = gaussian(9, seed=2).double(), gaussian(4000).double().T.cov(correction=0)
    away = x - fitted.mean
    exact = (away @ torch.linalg.inv(covariance) * away).sum(1).sqrt()
    assert fitted.score(x) * fitted.limit == pytest.approx(exact.numpy(), rel=0.02)  # it is shrunk a little


@pytest.mark.parametrize("count", [2, 5, 20])
def test_fewer_views_than_channels_give_finite_scores(count: int) -> None:
    novelty = Novelty.fit([gaussian(count, 192)])
    assert novelty.whitening.isfinite().all() and novelty.limit > 0
    assert (novelty.score(gaussian(count, 192)) <= 1.001).float().mean() >= 0.5
    assert (novelty.score(gaussian(9, 192, seed=3) + 200) > 1).all()


def test_a_channel_that_never_changes_costs_nothing() -> None:
    dead = gaussian(500).index_fill(1, torch.tensor([3, 4]), 0.0)
    assert Novelty.fit([dead]).score(dead).isfinite().all()


@pytest.mark.parametrize(
    ("features", "what"),
    [
        ([], "two views, got 0"),
        ([torch.ones(1, 4)], "two views, got 1"),
        ([torch.ones(9, 4)], "9 times the same"),
        ([torch.full((9, 4), torch.nan)], "not finite"),
        ([torch.ones(9, 4), torch.full((1, 4), torch.inf)], "not finite"),
    ],
)
def test_what_can_not_be_fitted(features: list[torch.Tensor], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Novelty.fit(features)


def test_a_score_that_is_not_finite_is_an_error(fitted: Novelty) -> None:
    scored = fitted.score(torch.stack([fitted.mean, fitted.mean * torch.nan]))
    assert figure(scored, 0) == 0 and figure(None) is None
    with pytest.raises(VlmError, match="finite novelty of a view, got nan"):
        figure(scored, 1)


def test_the_file(tmp_path: Path, fitted: Novelty) -> None:
    fitted.save(tmp_path / FILE)
    again = Novelty.load(tmp_path / FILE)
    assert all(torch.equal(a, b) for a, b in zip(vars(again).values(), vars(fitted).values(), strict=True))
    for wrong in (
        replace(fitted, limit=torch.zeros(())),
        replace(fitted, mean=fitted.mean * torch.nan),
        replace(fitted, mean=fitted.mean[1:]),
        replace(fitted, whitening=fitted.whitening.half()),
    ):
        wrong.save(tmp_path / FILE)
        with pytest.raises(ModelLoadError, match="expected finite float32"):
            Novelty.load(tmp_path / FILE)
    (tmp_path / FILE).write_bytes(b"x")
    for path in (tmp_path / FILE, tmp_path / "none"):
        with pytest.raises(ModelLoadError, match=r"training\.novelty"):
            Novelty.load(path)


@pytest.mark.parametrize("model", VLMS)
def test_each_embedded_vlm_has_its_own(model: str) -> None:
    path = vlm_path(model) / FILE
    assert path.stat().st_size < 400_000 and len(Novelty.load(path).mean) == 192


@pytest.fixture(scope="module")
def vlm() -> object:
    return load_vlm(VlmOptions(model="embedded", max_new_tokens=4))


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return [render(sample_world(HELD_OUT + i), (0, 0, *FRAME_WH), (896, 512)).image for i in range(16)]


def novelties(vlm: object, pictures: list[np.ndarray]) -> np.ndarray:
    return np.array([own[0].novelty for own in vlm.answer_views(pictures, QUESTIONS[:1])])  # type: ignore[attr-defined]


def test_held_out_frames_are_mostly_familiar(vlm: object, frames: list[np.ndarray]) -> None:
    assert (novelties(vlm, frames) <= 1).mean() > 0.8


def patches(frame: np.ndarray) -> np.ndarray:
    """The frame's parts of 64 px, in another order."""
    parts = frame.reshape(8, 64, 14, 64, 3).swapaxes(1, 2).reshape(-1, 64, 64, 3)
    return np.random.default_rng(0).permutation(parts).reshape(8, 14, 64, 64, 3).swapaxes(1, 2).reshape(frame.shape)


def noise(frame: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, frame.shape, np.uint8)


ODD = {
    "noise": noise,
    "patches in another order": patches,
    "one colour": lambda frame: np.full_like(frame, 128),
}


@pytest.mark.parametrize("what", ODD)
def test_what_no_training_view_is_like_is_flagged(what: str, vlm: object, frames: list[np.ndarray]) -> None:
    scores = novelties(vlm, [ODD[what](frame) for frame in frames[:4]])
    assert (scores > 1).mean() >= 0.75 and Detections((9, 9), novelty=float(scores.max())).unfamiliar


def test_a_view_has_one_novelty_alone_and_in_a_batch_under_any_question(vlm: object, frames: list[np.ndarray]) -> None:
    together = vlm.answer_views(frames[:3], QUESTIONS[:2])  # type: ignore[attr-defined]
    assert all(own[0].novelty == own[1].novelty for own in together)
    assert novelties(vlm, frames[1:2])[0] == pytest.approx(together[1][0].novelty, rel=1e-3)


def test_beams_have_it_too(vlm: object, frames: list[np.ndarray]) -> None:
    beams = load_vlm(VlmOptions(model="embedded", max_new_tokens=4, beams=2))
    (answers,) = beams.answer_views(frames[:1], QUESTIONS[:2])
    assert [a.novelty for a in answers] == pytest.approx([novelties(vlm, frames[:1])[0]] * 2, rel=1e-3)


def test_other_models_do_not_know(tmp_path: Path, frames: list[np.ndarray]) -> None:
    other = load_vlm(VlmOptions(model=str(tiny_models.llava(tmp_path)), device="cpu", max_new_tokens=4))
    ((answer,),) = other.answer_views([noise(frames[0])], QUESTIONS[:1])
    assert answer.novelty is None


def test_half_precision_sees_the_same(vlm: object, frames: list[np.ndarray]) -> None:
    half = load_vlm(VlmOptions(model="embedded", max_new_tokens=4, dtype="bfloat16"))
    views = [*frames[:3], noise(frames[0])]
    assert novelties(half, views) == pytest.approx(novelties(vlm, views), rel=0.1)


def test_a_view_costs_less_than_a_millisecond() -> None:
    novelty, tokens = Novelty.load(vlm_path("embedded") / FILE), torch.rand(1, 448, 192)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        novelty.score(pooled(tokens))
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


def test_what_a_result_says() -> None:
    assert [Detections((9, 9), novelty=n).unfamiliar for n in (None, 0.0, 1.0)] == [""] * 3
    said = Detections((9, 9), novelty=1.74).unfamiliar
    assert said == "unlike anything the embedded models were trained on (novelty 1.7, limit 1)"
