"""The wide world: drawings of every kind, what training never sees, any camera and picture, photographs as views."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from training.data import view_of
from vlsam_ros.synthetic import photographs, placing, road, wide
from vlsam_ros.synthetic.backgrounds import GROUNDS, SKIES, UNSEEN_GROUNDS, UNSEEN_SKIES
from vlsam_ros.synthetic.kinds import DEBRIS, NAMES
from vlsam_ros.synthetic.render import IGNORE_ID, Rendered, render
from vlsam_ros.synthetic.road import View
from vlsam_ros.synthetic.scene import HELD_OUT, sample_world
from vlsam_ros.synthetic.sprites import DISTRACTORS, STYLES, UNSEEN_STYLES, draw
from vlsam_ros.synthetic.views import VIEW_WH
from vlsam_ros.synthetic.wide import FRAME_SIZES, Scene, make_wide_view, sample_camera, sample_scene, sample_window
from vlsam_ros.synthetic.world import FRAME_WH, Placed, World

SEEN_STYLES = set(STYLES) - UNSEEN_STYLES


def look(style: str, kind: str, seed: int, height: int = 80) -> np.ndarray:
    return draw(kind, height, np.random.default_rng(seed), style)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_draws_every_kind(style: str) -> None:
    for kind in NAMES:
        if style == "painted" and kind == DEBRIS.name:
            with pytest.raises(ValueError, match="cannot draw 'debris'; choose one of: car, "):
                look(style, kind, 0)
            continue
        drawn = look(style, kind, 3, 40)
        assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 4, kind
        alpha = drawn[..., 3]
        assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])), kind
        assert (alpha > 127).mean() > 0.05, kind
        assert len({look(style, kind, seed, 40).tobytes() for seed in (3, 3, 4, 5)}) == 3, kind


@pytest.mark.parametrize("style", STYLES)
def test_a_look_is_the_same_at_any_size(style: str) -> None:
    for kind in set(NAMES) - ({DEBRIS.name} if style == "painted" else set()):
        for seed in range(2):
            small, large = look(style, kind, seed, 80), look(style, kind, seed, 160)
            assert len(large) / len(small) == pytest.approx(2, rel=0.08), (kind, seed)
            halved = cv2.resize(large[..., 3], small.shape[1::-1], interpolation=cv2.INTER_AREA) > 127
            shown = small[..., 3] > 127
            assert (halved & shown).sum() >= 0.6 * (halved | shown).sum(), (kind, seed)


@pytest.mark.parametrize("style", STYLES)
def test_things_have_the_height_of_their_kind(style: str) -> None:
    """Seen from above, a long body's depth adds to its height: solids may come out higher."""
    for kind in set(NAMES) - ({DEBRIS.name} if style == "painted" else set()):
        sizes = np.array([look(style, kind, seed).shape[:2] for seed in range(11)]) / 80
        assert 0.8 <= np.median(sizes[:, 0]) <= (1.45 if style == "solids" else 1.25), kind
        assert sizes[:, 1].max() <= (6 if style == "flats" else 3.75), kind  # flats that lie are as high as the others


@pytest.mark.parametrize("style", ["solids", "sketches", "models", "cutouts"])
def test_what_lies_is_lower(style: str) -> None:
    heights = [len(look(style, kind, seed, 40)) / 40 for kind in ("traffic cone", "bollard") for seed in range(25)]
    assert min(heights) < 0.8 < 0.95 < np.median(heights)


@pytest.mark.parametrize("style", [name for name in STYLES if name != "flats"])
@pytest.mark.parametrize("roll", [-7.0, 0.0, 5.0])
def test_things_stand_on_the_ground(style: str, roll: float) -> None:
    world = sample_world(3, empty=True)
    camera = dataclasses.replace(world.camera, roll_rad=math.radians(roll))
    world = dataclasses.replace(world, camera=camera, scenery=(), flats=())
    seeds = sorted(range(12), key=lambda seed: len(look(style, "bollard", seed)))
    for seed in (seeds[0], seeds[-1]):  # the lowest, which lies where the style has such, and one that stands
        thing = Placed("bollard", 1.5, 7.0, 1.0, seed, style, finished=True)
        frame = render(dataclasses.replace(world, placed=(thing,)), size_wh=(800, 450))
        view = View(camera, (0, 0, *FRAME_WH), (800, 450))
        foot, top = view.project(np.array([[1.5, 0, 7.0], [1.5, 1.0, 7.0]]), world.road.curvature)
        down = (foot - top) / np.linalg.norm(foot - top)
        rows = (np.argwhere(frame.ids == 1)[:, ::-1] - foot) @ down
        assert abs(rows.max()) < 2.5, seed
        lower = len(look(style, "bollard", seed, 120)) / 120
        assert np.ptp(rows) == pytest.approx(lower * np.linalg.norm(foot - top), abs=4), seed


@pytest.mark.parametrize("frame", [True, False])
@pytest.mark.parametrize(("first", "unseen"), [(0, False), (HELD_OUT, False), (HELD_OUT, True)])
def test_what_is_for_measuring_is_in_no_scene_of_training(first: int, unseen: bool, frame: bool) -> None:
    styles: set[str] = set()
    settings: set[tuple[bool, bool]] = set()
    for seed in range(first, first + 150):
        world = sample_scene(seed, unseen=unseen, frame=frame).world
        assert world.setting is not None
        assert world.setting.ground in GROUNDS and world.setting.sky in SKIES
        settings.add((world.setting.ground in UNSEEN_GROUNDS, world.setting.sky in UNSEEN_SKIES))
        styles |= {thing.style for thing in world.placed}
        things = (*world.placed, *world.scenery, *world.flats)
        assert {thing.seed % 2 for thing in things} <= {int(first >= HELD_OUT)}
        assert all(thing.finished and thing.name in NAMES for thing in world.placed)
        assert all(thing.style != "painted" or thing.name != DEBRIS.name for thing in world.placed)
        assert {thing.name for thing in (*world.scenery, *world.flats)} <= set(DISTRACTORS)
        assert len(world.placed) <= (8 if frame else 13) and len(things) <= 80  # an id map tells 254 apart
    assert styles == (UNSEEN_STYLES if unseen else SEEN_STYLES)
    assert settings == ({(True, True), (True, False), (False, True)} if unseen else {(False, False)})


def test_same_seed_same_picture_and_another_seed_another() -> None:
    for unseen in (False, True):
        a, b, c = (make_wide_view(seed, unseen=unseen) for seed in (HELD_OUT + 5, HELD_OUT + 5, HELD_OUT + 6))
        assert np.array_equal(a.image, b.image) and np.array_equal(a.ids, b.ids) and a.objects == b.objects
        assert not np.array_equal(a.image, c.image)
    assert sample_scene(8) == sample_scene(8) != sample_scene(8, frame=False)
    assert sample_scene(8) != sample_scene(8, unseen=True)


def test_cameras_are_of_40_to_120_degrees() -> None:
    rng = np.random.default_rng(0)
    cameras = [sample_camera(rng) for _ in range(800)]
    degrees = [2 * math.degrees(math.atan(FRAME_WH[0] / 2 / camera.focal_px)) for camera in cameras]
    assert 40 <= min(degrees) < 45 and 115 < max(degrees) <= 120
    assert 0.5 <= min(c.height_m for c in cameras) < 0.7 and 2.5 < max(c.height_m for c in cameras) <= 3.0
    assert all(0.08 <= c.horizon_px / FRAME_WH[1] <= 0.85 and abs(c.roll_rad) <= math.radians(8) for c in cameras)


def test_frames_have_square_pixels_and_windows_lie_in_one() -> None:
    for seed in range(60):
        scene = sample_scene(seed)
        x0, y0, x1, y1 = scene.window
        assert scene.size_wh in FRAME_SIZES and 0 <= x0 < x1 <= FRAME_WH[0]
        assert (x1 - x0) / (y1 - y0) == pytest.approx(scene.size_wh[0] / scene.size_wh[1])
        level = dataclasses.replace(scene.world.camera, roll_rad=0.0)
        horizon = View(level, scene.window, scene.size_wh).matrix @ (FRAME_WH[0] / 2, level.horizon_px, 1)
        assert scene.horizon * scene.size_wh[1] - 0.5 == pytest.approx(horizon[1])
    rng = np.random.default_rng(0)
    aspects = []
    for _ in range(200):
        x0, y0, x1, y1 = sample_window(rng, sample_camera(rng))
        assert -1e-6 <= x0 < x1 <= FRAME_WH[0] + 1e-6
        aspects.append((x1 - x0) / (y1 - y0))
    assert min(aspects) < 0.9 and max(aspects) > 2.1


@pytest.mark.parametrize("unseen", [False, True])
def test_ids_are_the_objects_whose_boxes_hold_them(unseen: bool) -> None:
    found = 0
    for seed in range(HELD_OUT, HELD_OUT + 14):
        view = make_wide_view(seed, unseen=unseen)
        assert view.image.shape == (*VIEW_WH[::-1], 3) and view.ids.shape == VIEW_WH[::-1]
        assert view.image.dtype == view.ids.dtype == np.uint8
        numbers = set(np.unique(view.ids).tolist()) - {0, IGNORE_ID}
        assert numbers <= set(range(1, len(view.objects) + 1))  # a squeeze may drop the smallest
        for number, item in enumerate(view.objects, 1):
            assert item.name in NAMES and 0 < item.visible_fraction <= 1
            ys, xs = np.nonzero(view.ids == number)
            if number in numbers:
                x0, y0, x1, y1 = item.amodal_xyxy
                assert x0 - 1.5 <= xs.min() and xs.max() + 1 <= x1 + 1.5, (seed, item)
                assert y0 - 1.5 <= ys.min() and ys.max() + 1 <= y1 + 1.5, (seed, item)
                found += 1
    assert found > 20


def test_whole_frames_tell_their_objects_apart() -> None:
    for seed in range(3):
        scene = sample_scene(seed)
        frame = dataclasses.replace(scene, size_wh=(400, round(400 * scene.size_wh[1] / scene.size_wh[0]))).render()
        assert set(np.unique(frame.ids)) - {0, IGNORE_ID} == set(range(1, len(frame.objects) + 1))
        assert len(frame.objects) <= len(scene.world.placed)


def test_empty_scenes_have_no_object() -> None:
    for seed in range(40):
        assert not sample_scene(seed, empty=True).world.placed
    assert sum(bool(sample_scene(seed, empty=False).world.placed) for seed in range(40)) >= 38
    shares = [not sample_scene(seed).world.placed for seed in range(400)]
    assert 0.03 < np.mean(shares) < 0.15
    view = dataclasses.replace(sample_scene(4, empty=True), size_wh=(320, 180)).render()
    assert view.objects == () and not view.ids.any()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[object]]]:
    """What is drawn, without its drawing: styles, finishes, and families of grounds and skies."""
    seen: dict[str, set[object]] = {"styles": set(), "looks": set(), "unseen": set(), "grounds": set(), "skies": set()}

    def plain(kind: str, height: float, rng: np.random.Generator, style: str) -> np.ndarray:
        seen["styles"].add(style)
        return np.full((round(height), round(height), 4), 200, np.uint8)

    def finished(rgba: np.ndarray, rng: np.random.Generator, unseen: bool) -> np.ndarray:
        seen["unseen"].add(unseen)
        return rgba

    def background(world: World, view: View, ego_m: float) -> np.ndarray:
        seen["grounds"].add(world.setting and world.setting.ground)
        seen["skies"].add(world.setting and world.setting.sky)
        seen["looks"] |= {thing.seed % 2 for thing in world.placed}
        return np.zeros((*view.size_wh[::-1], 3), np.float32)

    monkeypatch.setattr(placing, "draw", plain)
    monkeypatch.setattr(placing, "scenery_bank", lambda name, seed, size: np.zeros((size, size, 4), np.uint8))
    monkeypatch.setattr(placing.finish, "drawn", finished)
    monkeypatch.setattr(road, "background", background)
    placing._drawn.cache_clear()
    yield seen
    placing._drawn.cache_clear()


def test_views_for_training_show_nothing_that_is_for_measuring(
    drawn: dict[str, set[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "available", lambda: ())
    for seed in range(200):
        image, ids, objects = view_of(seed, 0.4, 0.6)
        assert image.shape == (*VIEW_WH[::-1], 3) and ids.shape == VIEW_WH[::-1]
        assert {item["name"] for item in objects} <= set(NAMES)
    assert drawn["styles"] == SEEN_STYLES and drawn["unseen"] == {False} and drawn["looks"] == {0}
    assert drawn["grounds"] == {None} | (set(GROUNDS) - UNSEEN_GROUNDS)
    assert drawn["skies"] == {None} | (set(SKIES) - UNSEEN_SKIES)


def test_measuring_draws_what_training_does_not(drawn: dict[str, set[object]]) -> None:
    for seed in range(HELD_OUT, HELD_OUT + 30):
        make_wide_view(seed, unseen=True)
    assert drawn["styles"] == UNSEEN_STYLES and drawn["unseen"] == {True} and drawn["looks"] == {1}


@pytest.mark.parametrize("known", [("grass",), ()])
def test_photographs_are_views_of_training_where_there_are_some(
    known: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sample_world(0)
    monkeypatch.setattr(photographs, "available", lambda: known)
    monkeypatch.setattr(photographs, "load", lambda name: np.full((90, 120, 3), 7, np.uint8))
    nothing = Rendered(np.zeros((8, 14, 3), np.uint8), np.zeros((8, 14), np.uint8), ())
    monkeypatch.setattr(Scene, "render", lambda self: nothing)
    monkeypatch.setattr(wide, "sample_scene", lambda seed, **_: Scene(world, (0.0, 0.0, 1600.0, 900.0), (14, 8)))
    for first in (0, HELD_OUT):
        views = [make_wide_view(seed) for seed in range(first, first + 500)]
        assert all(view.image.shape == (*VIEW_WH[::-1], 3) and not view.ids.any() for view in views)
        share = np.mean([(view.image == 7).all() for view in views])
        assert share == (pytest.approx(wide.PHOTOGRAPHS, abs=0.04) if known and not first else 0)


@pytest.mark.parametrize("size", [(90, 120), (5, 7), (900, 300)])
def test_parts_of_photographs_fill_the_view(size: tuple[int, int]) -> None:
    image = np.dstack([*np.mgrid[: size[0], : size[1]], np.zeros(size)]) * 255 / max(size)
    for seed in range(8):
        part = wide.cropped(np.random.default_rng(seed), image.astype(np.uint8))
        assert part.shape == (*VIEW_WH[::-1], 3)
        for axis, side in enumerate(size):
            assert np.ptp(part[..., axis]) / 255 * max(size) / side >= 0.25 - 3 / side
