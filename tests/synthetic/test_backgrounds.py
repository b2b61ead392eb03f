"""Families of backgrounds: every one holds for any camera and follows its seed; photographs that packages ship."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vlsam_ros.synthetic import photographs, road
from vlsam_ros.synthetic.backgrounds import GROUNDS, SKIES, UNSEEN_GROUNDS, UNSEEN_SKIES, textures
from vlsam_ros.synthetic.road import View
from vlsam_ros.synthetic.scene import sample_world
from vlsam_ros.synthetic.world import Camera, Setting, World

SETTINGS = [(ground, "flat") for ground in GROUNDS] + [("flat", sky) for sky in SKIES]
OF_LATE = [pair for pair in SETTINGS if "natural" not in pair]


def world_of(ground: str, sky: str, seed: int, camera: Camera | None = None) -> World:
    world = sample_world(4)
    setting = Setting(ground, sky, seed)
    return dataclasses.replace(world, setting=setting, camera=camera or world.camera)


def picture(world: World, window: tuple[float, float, float, float] = (0, 0, 1600, 900), ego_m: float = 0.0):
    return road.background(world, View(world.camera, window, (112, 64)), ego_m)


@pytest.mark.parametrize(("ground", "sky"), SETTINGS)
@pytest.mark.parametrize(
    "camera",
    [
        Camera(460.0, 1.2, 450.0, 0.14),
        Camera(2200.0, 1.6, 500.0, -0.14),
        Camera(900.0, 2.5, -200.0, 0.02),
        Camera(900.0, 1.4, 1100.0, 0.0),
    ],
)
def test_any_camera(ground: str, sky: str, camera: Camera) -> None:
    for seed in range(2):
        world = world_of(ground, sky, seed, camera)
        for window in ((0, 0, 1600, 900), (1100, 300, 1500, 528)):
            rgb = picture(world, window, 20.0)
            assert rgb.shape == (64, 112, 3) and rgb.dtype == np.float32
            assert np.isfinite(rgb).all() and rgb.min() >= -0.05 and rgb.max() <= 2


@pytest.mark.parametrize(("ground", "sky"), OF_LATE)
def test_the_look_follows_the_seed(ground: str, sky: str) -> None:
    first, again, other = (picture(world_of(ground, sky, seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_looks_of_a_seed_hold_in_every_window() -> None:
    for ground, sky in OF_LATE:
        world = world_of(ground, sky, 3)
        whole = road.background(world, View(world.camera, (0, 0, 1600, 900), (400, 225)), 0.0)
        part = road.background(world, View(world.camera, (800, 450, 1600, 900), (200, 112)), 0.0)
        assert np.abs(whole[113:, 200:].mean((0, 1)) - part.mean((0, 1))).max() < 0.04


def test_training_leaves_a_family_of_each_to_measuring() -> None:
    assert UNSEEN_GROUNDS and set(GROUNDS) > UNSEEN_GROUNDS and len(GROUNDS) - len(UNSEEN_GROUNDS) >= 6
    assert UNSEEN_SKIES and set(SKIES) > UNSEEN_SKIES and len(SKIES) - len(UNSEEN_SKIES) >= 6


def test_natural_families_are_the_first_world() -> None:
    first = picture(dataclasses.replace(sample_world(4), setting=None))
    others = [picture(world_of("natural", "natural", seed)) for seed in range(12)]
    rows = [np.count_nonzero((other != first).any((1, 2))) for other in others]
    assert min(rows) <= 1 < max(rows)  # but for the row on the horizon; some have something beside the road


def test_photographs_or_made_textures() -> None:
    assert not set(photographs.TRAINING) & set(photographs.MEASURING) and len(photographs.MEASURING) >= 6
    assert set(photographs.available()) <= set(photographs.TRAINING)
    for name in textures.names():
        assert textures.texture(name).shape == (textures.SIZE, textures.LEVELS * (textures.SIZE + 2), 3)
    for name in photographs.available():
        assert photographs.load(name).ndim == 3
    with pytest.raises(ValueError, match="no photograph is named"):
        photographs.load("nothing")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install scikit-learn"):
        photographs.load("china")


def test_photographs_make_backgrounds(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.tile(np.arange(90, dtype=np.uint8)[:, None, None] * 2, (1, 120, 3))
    monkeypatch.setattr(photographs, "load", lambda name: grey)
    monkeypatch.setattr(photographs, "available", lambda: ("gravel", "hubble"))
    textures.photograph.cache_clear()
    textures.texture.cache_clear()
    try:
        for seed in range(6):
            assert np.isfinite(picture(world_of("textured", "photo", seed))).all()
    finally:
        textures.photograph.cache_clear()
        textures.texture.cache_clear()
