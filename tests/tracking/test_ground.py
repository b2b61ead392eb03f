"""Rays against OpenCV's projection, and places against the plane met step by step and against drawn errors."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from vlsam_ros.config import NodeOptions
from vlsam_ros.data import Mask
from vlsam_ros.tracking.ground import Mount, Optics, horizon, places, why_not

SIZE_HW = (900, 1600)
EMPTY = Mask(0, 0, np.zeros((0, 0), bool))
WILD = (-0.33, 0.12, 0.001, -0.002, -0.02)
RATIONAL = (0.4, -0.1, 0.0005, -0.0003, 0.01, 0.7, -0.05, 0.02)
MODELS = {
    "no distortion": ("plumb_bob", ()),
    "plumb bob of four": ("plumb_bob", WILD[:4]),
    "plumb bob": ("plumb_bob", WILD),
    "rational": ("rational_polynomial", RATIONAL),
    "thin prism": ("rational_polynomial", (*RATIONAL, 0.001, -0.0005, 0.0008, 0.0003)),
    "tilted": ("rational_polynomial", (*RATIONAL, 0.001, -0.0005, 0.0008, 0.0003, 0.01, -0.02)),
    "equidistant": ("equidistant", (0.05, -0.01, 0.002, -0.0004)),
    "equidistant without coefficients": ("equidistant", ()),
}


def info(model: str = "plumb_bob", d: Any = (), **changes: Any) -> SimpleNamespace:
    """A CameraInfo of 1600 × 900."""
    k = np.array([1000.0, 0, 801.3, 0, 1010, 447.2, 0, 0, 1])
    window = {"x_offset": 0, "y_offset": 0, "width": 0, "height": 0} | changes.pop("roi", {})
    values = {"width": 1600, "height": 900, "distortion_model": model, "d": np.array(d, float), "k": k}
    values |= {"r": np.eye(3).ravel(), "p": np.array([900.0, 0, 780, 0, 0, 905, 440, 0, 0, 0, 1, 0])}
    return SimpleNamespace(**values | {"binning_x": 0, "binning_y": 0, "roi": SimpleNamespace(**window)} | changes)


def optics(*args: Any, rectified: bool = False, **changes: Any) -> Optics:
    made = Optics.of(info(*args, **changes), rectified)
    assert made is not None
    return made


PINHOLE = optics()
MOUNT = Mount(1.5, 4.0, 2.0)


def rays(camera: Optics, xy: Any, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    found = camera.rays(xy, size_hw)
    assert found is not None
    return found


def pixels(model: str, d: tuple[float, ...], points: np.ndarray) -> np.ndarray:
    """OpenCV's own projection, with the middles of pixels at a half."""
    k, none = np.reshape(info().k, (3, 3)), np.zeros(3)
    if model == "equidistant":
        return cv2.fisheye.projectPoints(points[:, None], none, none, k, np.array(d or [0.0] * 4))[0][:, 0] + 0.5
    return cv2.projectPoints(points[:, None], none, none, k, np.array(d))[0][:, 0] + 0.5


@pytest.mark.parametrize(("model", "d"), MODELS.values(), ids=MODELS)
def test_a_point_is_seen_where_opencv_draws_it(model: str, d: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.75, 0.75, 300), rng.uniform(-0.42, 0.42, 300), np.ones(300)])
    points *= rng.uniform(1, 90, (300, 1))
    camera, drawn = optics(model, d), pixels(model, d, points)
    expected = points / np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(rays(camera, drawn), expected, atol=2e-5)
    np.testing.assert_allclose(camera.pixels(points, SIZE_HW), drawn, atol=1e-6)


def test_a_fisheye_sees_behind_itself() -> None:
    camera = optics("equidistant", (0.0, 0.0, 0.0, 0.0), k=np.array([400.0, 0, 799.5, 0, 400, 449.5, 0, 0, 1]))
    (found,) = rays(camera, [(800 + 400 * math.radians(105), 450)])
    np.testing.assert_allclose(found, [math.sin(math.radians(105)), 0, math.cos(math.radians(105))], atol=1e-6)


def test_beyond_the_range_of_its_model_nothing_is_seen() -> None:
    for camera in (optics("plumb_bob", (-0.5, 0.0, 0.0, 0.0)), optics("equidistant", (-0.5, 0.0, 0.0, 0.0))):
        middle, corner = rays(camera, [(801, 447), (1600, 900)])
        assert np.isfinite(middle).all() and np.isnan(corner).all()
        (place,) = places([Mask(1590, 890, np.ones((5, 5), bool))], SIZE_HW, camera, MOUNT)
        assert math.isnan(place.azimuth) and place.point_xyz is None


@pytest.mark.parametrize(("model", "d"), [MODELS["plumb bob"], MODELS["equidistant"]], ids=["polynomial", "fisheye"])
def test_an_image_may_be_a_part_smaller_or_resized(model: str, d: tuple[float, ...]) -> None:
    whole = np.array([[500.0, 400], [900, 300], [1000.5, 600.25]])
    expected = rays(optics(model, d), whole)
    part = optics(model, d, roi={"x_offset": 400, "y_offset": 200, "width": 800, "height": 500})
    np.testing.assert_allclose(rays(part, whole - (400, 200), (500, 800)), expected)
    binned = optics(
        model, d, binning_x=4, binning_y=2, roi={"x_offset": 400, "y_offset": 200, "width": 800, "height": 500}
    )
    assert binned.size_hw == (250, 200)
    np.testing.assert_allclose(rays(binned, (whole - (400, 200)) / (4, 2), (250, 200)), expected)
    np.testing.assert_allclose(rays(optics(model, d), whole / 4, (225, 400)), expected)
    np.testing.assert_allclose(rays(optics(model, d), whole * 2, (1800, 3200)), expected)


@pytest.mark.parametrize("size_hw", [(900, 1200), (0, 0), (1600, 900), (500, 800)])
def test_an_image_of_another_aspect_is_not_the_cameras(size_hw: tuple[int, int]) -> None:
    assert PINHOLE.rays([(1.0, 1.0)], size_hw) is None
    (place,) = places([BARS], size_hw, PINHOLE, MOUNT)
    assert math.isnan(place.azimuth) and place.point_xyz is None


def test_a_rectified_image_goes_by_p_and_a_raw_one_turns_with_r() -> None:
    (found,) = rays(optics("plumb_bob", WILD, rectified=True), [(1230.5, 440.5)])
    np.testing.assert_allclose(found, np.array([0.5, 0, 1]) / math.hypot(0.5, 1))
    turn = cv2.Rodrigues(np.array([0.02, -0.1, 0.05]))[0]
    raw, turned = optics("plumb_bob", WILD), optics("plumb_bob", WILD, r=turn.ravel())
    xy = np.array([[300.0, 200], [1200, 700]])
    np.testing.assert_allclose(rays(turned, xy), rays(raw, xy) @ turn.T)
    k = np.reshape(info().k, (3, 3))
    rectified = cv2.undistortPoints(xy[:, None] - 0.5, k, np.array(WILD), R=turn)[:, 0]
    np.testing.assert_allclose(rays(turned, xy)[:, :2] / rays(turned, xy)[:, 2:], rectified, atol=2e-4)


UNUSABLE = {
    "not calibrated": (info(k=[0.0] * 9), "not calibrated"),
    "NaN": (info(k=[math.nan] * 9), "not calibrated"),
    "endless": (info(k=[1e308, 0, 1, 0, 1e308, 1, 0, 0, 1]), "not calibrated"),
    "no size": (info(width=0), "no size"),
    "unknown model": (info("omnidirectional", (1.0,)), "'omnidirectional': expected one of plumb_bob"),
    "coefficients": (info("plumb_bob", (1.0, 2.0, 3.0)), "finite coefficients"),
    "fisheye's": (info("equidistant", WILD), "finite coefficients"),
    "NaN coefficient": (info("plumb_bob", (math.nan,) * 5), "finite coefficients"),
    "no rotation": (info(r=np.full(9, 0.5)), "R is no rotation"),
}


@pytest.mark.parametrize(("message", "why"), UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.filterwarnings("error")
def test_what_says_nothing_says_why(message: Any, why: str) -> None:
    assert Optics.of(message, False) is None and why in why_not(message, False)


def test_a_rectified_image_needs_p_alone() -> None:
    assert Optics.of(info("omnidirectional", (1.0,), k=[0.0] * 9), True) is not None
    assert Optics.of(info(p=[0.0] * 12), True) is None and Optics.of(info(p=[0.0] * 12), False) is not None


def test_optics_travel_and_are_compared() -> None:
    camera = optics("plumb_bob", WILD)
    assert pickle.loads(pickle.dumps(camera)) == camera == optics("plumb_bob", WILD) != PINHOLE


# --- places


def turned(mount: Mount) -> np.ndarray:
    """From axes of the road (right, down, ahead) to the camera's, by two rotations one after the other."""
    p, r = math.radians(mount.pitch_deg), math.radians(mount.roll_deg)
    pitch = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    roll = np.array([[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return roll @ pitch


MOUNTS = {
    "level": Mount(1.5),
    "down": Mount(1.2, 8.0),
    "up": Mount(2.5, -5.0),
    "rolled": Mount(1.5, 3.0, 6.0),
    "on its side": Mount(1.5, 2.0, 90.0),
    "on the other side": Mount(1.5, 2.0, -88.0),
    "on its head": Mount(1.5, 2.0, 180.0),
}


@pytest.mark.parametrize("mount", MOUNTS.values(), ids=MOUNTS)
def test_a_board_on_the_road_is_where_it_stands(mount: Mount) -> None:
    """Rendered by hand: a board of 0.8 × 0.8 m, upright and square to the road, of any direction and distance."""
    camera = optics("plumb_bob", (-0.1, 0.02, 0.0, 0.0), k=[700.0, 0, 450, 0, 700, 450, 0, 0, 1], height=900, width=900)
    matrix = turned(mount)
    for right, ahead in ((0.0, 6.0), (-1.5, 9.0), (2.0, 14.0)):
        corners = np.array(
            [[right + x, mount.height_m - up, ahead] for x, up in ((-0.4, 0), (-0.4, 0.8), (0.4, 0.8), (0.4, 0))]
        )
        drawn = camera.pixels(corners @ matrix.T, (900, 900))
        assert drawn is not None
        picture = np.zeros((900, 900), np.uint8)
        cv2.fillPoly(picture, [np.round((drawn - 0.5) * 256).astype(np.int32)], 1, shift=8)
        (place,) = places([Mask.from_dense(picture > 0)], (900, 900), camera, mount)
        middle = np.array([right, mount.height_m - 0.4, ahead])
        assert place.azimuth == pytest.approx(math.atan2(-right, ahead), abs=0.003)
        assert place.elevation == pytest.approx(-math.asin(middle[1] / np.linalg.norm(middle)), abs=0.003)
        assert place.distance == pytest.approx(math.hypot(right, ahead), rel=0.02)
        assert place.distance_min < math.hypot(right, ahead) < place.distance_max
        foot = matrix @ [right, mount.height_m, ahead]
        np.testing.assert_allclose(place.point_xyz, foot, atol=0.02 * ahead + 0.05)


def met(ray: np.ndarray, mount: Mount) -> np.ndarray:
    """The slow way to the road: how far along the ray its height below the camera is the camera's height."""
    down = turned(mount) @ [0, 1, 0]
    near, far = 0.0, 1e5
    for _ in range(100):
        middle = (near + far) / 2
        near, far = (middle, far) if middle * ray @ down < mount.height_m else (near, middle)
    return near * ray


def foot_of(x: float, y: float) -> Mask:
    """A mask whose foot is in the middle of its lower edge, at a pixel's edge."""
    return Mask(int(x) - 10, int(y) - 30, np.ones((30, 20), bool))


def test_the_point_is_where_the_ray_meets_the_road() -> None:
    for x, y in ((800, 620), (200, 700), (1400, 850)):
        flat = replace(MOUNT, roll_deg=0.0)
        (place,) = places([foot_of(x, y)], SIZE_HW, optics("plumb_bob", (-0.1, 0.02, 0, 0)), flat)
        (ray,) = rays(optics("plumb_bob", (-0.1, 0.02, 0, 0)), [(x, y)])
        np.testing.assert_allclose(place.point_xyz, met(ray, flat), rtol=1e-6)
        along = turned(flat).T @ place.point_xyz
        assert along[1] == pytest.approx(1.5) and place.distance == pytest.approx(math.hypot(along[0], along[2]))


def test_the_covariance_and_the_interval_are_those_of_drawn_errors() -> None:
    mount = Mount(1.5, 4.0, 0.0, pitch_error_deg=0.2)
    mask = foot_of(1200, 640)
    (place,) = places([mask], SIZE_HW, PINHOLE, mount)
    rng = np.random.default_rng(1)
    across, below = math.hypot(0.7, 0.02 * 20), math.hypot(0.7, 0.02 * 30)
    points, distances = [], []
    for _ in range(4000):
        pitch, roll = rng.normal(0, [mount.pitch_error_deg, mount.roll_error_deg])
        drawn = Mount(1.5 + rng.normal(0, mount.height_error_m), 4.0 + pitch, roll)
        (ray,) = rays(PINHOLE, [(1200 + rng.normal(0, across), 640 + rng.normal(0, below))])
        down = turned(drawn) @ [0, 1, 0]
        point = ray * drawn.height_m / (ray @ down)
        points.append(point)
        distances.append(math.sqrt(point @ point - drawn.height_m**2))
    covariance = np.reshape(place.covariance, (3, 3))
    assert (covariance == covariance.T).all() and np.linalg.eigvalsh(covariance).min() > 0
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), np.std(points, axis=0), rtol=0.12)
    np.testing.assert_allclose(covariance, np.cov(np.transpose(points)), rtol=0.3, atol=0.02)
    np.testing.assert_allclose(
        [place.distance_min, place.distance_max], np.percentile(distances, [2.5, 97.5]), rtol=0.02
    )


def test_nearer_is_better_known_and_the_far_end_reaches_the_horizon() -> None:
    rows = range(480, 880, 20)
    found = places([foot_of(801, y) for y in rows], SIZE_HW, PINHOLE, Mount(1.5))
    widths = [place.distance_max - place.distance_min for place in found]
    assert sorted(widths, reverse=True) == widths
    (far,) = places([foot_of(801, 447 + 9)], SIZE_HW, PINHOLE, Mount(1.5))
    assert far.distance_min < far.distance < far.distance_max == math.inf and far.point_xyz is not None


BARS = Mask(700, 560, np.ones((40, 60), bool))
ABSENT = {
    "no optics": (BARS, None, MOUNT),
    "no mount": (BARS, PINHOLE, None),
    "no height": (BARS, PINHOLE, Mount(0.0, 4.0)),
    "NaN height": (BARS, PINHOLE, Mount(math.nan)),
    "above the horizon": (foot_of(800, 300), PINHOLE, Mount(1.5)),
    "on the horizon": (foot_of(800, 448), PINHOLE, Mount(1.5)),
    "within its deviation": (foot_of(800, 451), PINHOLE, Mount(1.5)),
    "cut off": (Mask(700, 860, np.ones((40, 60), bool)), PINHOLE, MOUNT),
    "cut off but for a row": (Mask(700, 859, np.ones((40, 60), bool)), PINHOLE, MOUNT),
    "cut off at the side that is below": (Mask(1560, 300, np.ones((40, 40), bool)), PINHOLE, Mount(1.5, 0.0, 90.0)),
    "empty": (EMPTY, PINHOLE, MOUNT),
}


@pytest.mark.parametrize(("mask", "camera", "mount"), ABSENT.values(), ids=ABSENT)
@pytest.mark.filterwarnings("error")
def test_what_is_not_known_is_absent(mask: Mask, camera: Optics | None, mount: Mount | None) -> None:
    (place,) = places([mask], SIZE_HW, camera, mount)
    assert np.isnan([place.distance, place.distance_min, place.distance_max]).all()
    assert place.point_xyz is None and place.covariance is None
    assert math.isfinite(place.azimuth) == math.isfinite(place.elevation) == (camera is not None and mask.area > 0)


def test_of_nothing_there_is_nothing() -> None:
    assert places([], SIZE_HW, PINHOLE, MOUNT) == [] == places([], SIZE_HW, None, None)


def test_without_a_mount_the_bearing_is_from_the_optical_axis() -> None:
    (place,) = places(
        [Mask(1301, 192, np.ones((10, 11), bool))], SIZE_HW, optics(k=[1000, 0, 806, 0, 1000, 446.5, 0, 0, 1])
    )
    assert place.azimuth == pytest.approx(-math.atan(0.5)) and place.elevation == pytest.approx(
        math.atan(0.25 / math.hypot(1, 0.5))
    )


def test_what_hides_a_foot_or_holds_the_part_makes_it_unknown() -> None:
    bottle, box = Mask(700, 560, np.ones((40, 20), bool)), Mask(690, 590, np.ones((60, 60), bool))
    hidden, front = places([bottle, box], SIZE_HW, PINHOLE, MOUNT)
    assert math.isnan(hidden.distance) and math.isfinite(front.distance) and math.isfinite(hidden.azimuth)
    alone, same = places([bottle, Mask(700, 561, np.ones((40, 20), bool))], SIZE_HW, PINHOLE, MOUNT)
    assert math.isfinite(alone.distance) and math.isfinite(same.distance)  # found twice
    beside, _ = places([bottle, box.shifted(100, 0)], SIZE_HW, PINHOLE, MOUNT)
    assert beside == alone


def test_specks_and_spurs_are_no_foot() -> None:
    picture = np.zeros(SIZE_HW, bool)
    picture[560:600, 700:760] = True
    (clean,) = places([Mask.from_dense(picture)], SIZE_HW, PINHOLE, MOUNT)
    picture[640:643, 720:724] = True  # a speck
    picture[600:630, 730:732] = True  # a spur
    (rough,) = places([Mask.from_dense(picture)], SIZE_HW, PINHOLE, MOUNT)
    assert rough.distance == pytest.approx(clean.distance, rel=0.01)


def test_a_thing_on_a_thin_post_stands_where_the_post_does() -> None:
    sign = np.zeros((60, 40), bool)
    sign[:25], sign[25:, 18:22] = True, True
    on_post, post = places(
        [Mask(700, 540, sign), Mask(1000, 540, np.ones((60, 40), bool))], SIZE_HW, PINHOLE, Mount(1.5)
    )
    assert turned(Mount(1.5)).T[2] @ on_post.point_xyz == pytest.approx(turned(Mount(1.5)).T[2] @ post.point_xyz)


def test_mounts_by_options() -> None:
    topics = ["/left/image", "/right/image"]
    options = NodeOptions(
        image_topics=topics, height_m=[1.4], pitch_deg=[1.0, -2.0], roll_deg=[0.5], pitch_error_deg=0.7
    )
    assert Mount.of(options, 1) == Mount(1.4, -2.0, 0.5, 0.7)
    with pytest.raises(ValueError, match="at most 60° up or down, got 80"):
        Mount(1.0, 80.0)


@pytest.mark.parametrize("mount", [Mount(), Mount(0, 5), Mount(0, 5, 3), Mount(0, -4, -10)], ids=str)
@pytest.mark.parametrize(("model", "d"), [MODELS["plumb bob"], MODELS["equidistant"]], ids=["polynomial", "fisheye"])
def test_far_ground_straight_ahead_is_on_the_horizon(model: str, d: tuple[float, ...], mount: Mount) -> None:
    far = (turned(mount) @ [0, 1.5, 1e7])[None]
    assert horizon(optics(model, d), mount) == pytest.approx(pixels(model, d, far)[0, 1] / 900, abs=1e-6)
