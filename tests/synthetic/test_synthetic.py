from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vlsam_ros.bags.reader import read
from vlsam_ros.output.messages import from_message
from vlsam_ros.synthetic.bag import IMAGE_TOPIC, TRUTH_TOPIC
from vlsam_ros.synthetic.drive import _nods, frames, held_out_drive, sample_drive
from vlsam_ros.synthetic.kinds import KINDS, NAMES
from vlsam_ros.synthetic.render import IGNORE_ID, Rendered, render
from vlsam_ros.synthetic.scene import sample_window, sample_world
from vlsam_ros.synthetic.sprites import DISTRACTORS, STYLES, UNSEEN_STYLES, draw, draw_distractor
from vlsam_ros.synthetic.truth import IGNORE, ground_truth
from vlsam_ros.synthetic.views import MIN_HEIGHT_PX, VIEW_WH, described, make_view

SMALL = (400, 225)


@pytest.fixture(scope="module")
def busy() -> tuple[object, Rendered]:
    """A world with several objects, and its whole frame."""
    world = max((sample_world(seed) for seed in range(12)), key=lambda w: len(w.placed))
    return world, render(world, size_wh=SMALL)


def test_same_seed_same_picture_and_another_seed_another() -> None:
    a, b, c = (render(sample_world(seed), size_wh=SMALL) for seed in (5, 5, 6))
    assert np.array_equal(a.image, b.image) and np.array_equal(a.ids, b.ids)
    assert a.objects == b.objects
    assert not np.array_equal(a.image, c.image)


def test_ids_are_the_objects(busy: tuple[object, Rendered]) -> None:
    _, frame = busy
    assert frame.image.dtype == np.uint8 and frame.image.shape == (225, 400, 3)
    assert set(np.unique(frame.ids)) - {0, IGNORE_ID} == set(range(1, len(frame.objects) + 1))
    for item in frame.objects:
        assert item.name in NAMES and 3 < item.distance_m < 85 and 0 < item.visible_fraction <= 1


def test_a_window_shows_its_part_of_the_frame(busy: tuple[object, Rendered]) -> None:
    world, _ = busy
    whole = render(world)
    x0, y0, x1, y1 = 400, 300, 1200, 750
    part = render(world, (x0, y0, x1, y1), (x1 - x0, y1 - y0))
    objects, cropped = (ids[ids != 0].size for ids in (part.ids, whole.ids[y0:y1, x0:x1]))
    both = ((part.ids > 0) & (whole.ids[y0:y1, x0:x1] > 0)).sum()
    assert both > 0.97 * max(objects, cropped, 1)


def test_objects_grow_as_the_car_approaches(busy: tuple[object, Rendered]) -> None:
    world, _ = busy
    near = [min(p.z_m for p in world.placed) / 2]  # type: ignore[attr-defined]
    before, after = render(world, size_wh=SMALL), render(world, size_wh=SMALL, ego_m=near[0])
    assert (after.ids > 0).sum() > (before.ids > 0).sum()
    assert min(o.distance_m for o in after.objects) < min(o.distance_m for o in before.objects)


def test_an_empty_world_has_no_objects() -> None:
    frame = render(sample_world(3, empty=True), size_wh=SMALL)
    assert frame.objects == () and not frame.ids.any()


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
@pytest.mark.parametrize("height", [6, 40, 210])
def test_sprites_have_the_asked_height_and_fill_it(kind: str, height: int) -> None:
    sprite = draw(kind, height, np.random.default_rng(1))
    assert sprite.dtype == np.uint8 and sprite.shape[0] == height and sprite.shape[2] == 4
    assert (sprite[..., 3] > 127).mean() > 0.05
    assert np.array_equal(sprite, draw(kind, height, np.random.default_rng(1)))


def test_sprites_by_name() -> None:
    for name in DISTRACTORS:
        assert draw_distractor(name, 30, np.random.default_rng(0)).shape[2] == 4
    with pytest.raises(ValueError, match="cannot draw 'fountain'; choose one of: manhole, "):
        draw_distractor("fountain", 30, np.random.default_rng(0))


@pytest.mark.parametrize("style", STYLES)
def test_unknown_kinds_and_styles_are_told_the_choices(style: str) -> None:
    with pytest.raises(ValueError, match="cannot draw 'unicorn'; choose one of: car, .*traffic cone, .*debris$"):
        draw("unicorn", 30, np.random.default_rng(0), style)
    with pytest.raises(ValueError, match=f"the style '{style}s'; choose one of: painted, .*cutouts$"):
        draw("car", 30, np.random.default_rng(0), f"{style}s")


def test_some_styles_are_left_to_measuring() -> None:
    assert UNSEEN_STYLES and set(STYLES) > UNSEEN_STYLES and len(STYLES) - len(UNSEEN_STYLES) >= 5
    looks = [draw("car", 40, np.random.default_rng(2), style).tobytes() for style in STYLES]
    assert len(set(looks)) == len(STYLES) and draw("car", 40, np.random.default_rng(2)).tobytes() == looks[0]


@pytest.mark.parametrize("kind", ["full", "quadrant", "band"])
def test_windows_lie_inside_the_frame(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        x0, y0, x1, y1 = sample_window(rng, kind)
        assert 0 <= x0 < x1 <= 1600 and 0 <= y0 < y1 <= 900


def test_views_ask_only_for_what_can_be_seen() -> None:
    for seed in range(6):
        view = make_view(seed)
        assert view.image.shape[:2] == VIEW_WH[::-1]
        ids, objects = described(view)
        for item in objects:
            assert np.flatnonzero((ids == item["id"]).any(1)).size >= MIN_HEIGHT_PX
        assert set(np.unique(ids)) <= {0, IGNORE_ID} | {o["id"] for o in objects}


def test_ground_truth_is_the_ids(busy: tuple[object, Rendered]) -> None:
    _, frame = busy
    truth = ground_truth(frame)
    painted = np.zeros_like(frame.ids, bool)
    for item in truth.items:
        painted |= item.mask.dense(truth.size_hw)
    assert np.array_equal(painted, frame.ids > 0)
    assert sorted(t.label for t in truth.items if t.label != IGNORE) == sorted(o.name for o in frame.objects)


def test_the_drive_starts_far_away_and_ends_empty() -> None:
    drive = sample_drive(seed=7, frames=60)
    assert len({p.name for p in drive.world.placed}) >= 16
    assert max(p.z_m for p in drive.world.placed) > 60
    assert all(abs(p.x_m) >= 1.3 for p in drive.world.placed)
    metres_before_the_end = drive.speed_mps * (drive.frames - 10) / drive.rate_hz
    assert max(p.z_m for p in drive.world.placed) <= metres_before_the_end
    stamp, first = next(frames(drive))
    assert stamp == 0 and first.image.shape == (900, 1600, 3)


def test_the_shipped_recording_is_the_drive() -> None:
    bag = Path(__file__).parents[2] / "sample_bag"
    assert sum(p.stat().st_size for p in bag.iterdir()) < 10e6
    record = next(read(bag, [IMAGE_TOPIC]))
    shipped = cv2.imdecode(np.frombuffer(bytes(record.message().data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]  # type: ignore[attr-defined]
    _, first = next(frames(sample_drive()))
    assert np.abs(shipped.astype(int) - first.image).mean() < 4
    truths = [from_message(r.message()) for r in read(bag, [TRUTH_TOPIC])]
    assert len(truths) == 60 and not any(len(t) for t in truths[-8:])
    assert truths[0].labels == ground_truth(first).labels


def test_a_held_out_drive_has_hazards_all_along_and_nods_by_its_seed() -> None:
    drives = [held_out_drive(seed, 6, 2.0, 10.0, 5e-4, shake_px=3.0) for seed in (1, 1, 2)]
    assert drives[0] == drives[1] != drives[2]
    world = drives[0].world
    assert world.road.curvature == 5e-4 and max(p.z_m for p in world.placed) > 70
    assert all(abs(p.x_m) > 1 and p.seed % 2 for p in world.placed)
    nods = _nods(drives[0])
    assert nods.shape == (6,) and 0.5 < nods.std() < 9 and not _nods(replace(drives[0], shake_px=0.0)).any()
