"""Rendering of a world: background, flat things, shadows, sprites from far to near, weather and the camera's sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from vlsam_ros.synthetic import road
from vlsam_ros.synthetic.road import View
from vlsam_ros.synthetic.scene import FRAME_WH, Placed, World
from vlsam_ros.synthetic.sensor import sensor
from vlsam_ros.synthetic.sprites import draw, draw_distractor

IGNORE_ID = 255
"""Value in ``Rendered.ids`` of objects that are too small or too hidden to be labelled."""

MIN_AREA_PX, MIN_VISIBLE = 12, 0.15
_NEAR_M = 2.5
_FAR_M = 200.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class RenderedObject:
    """A labelled object; the box is in pixels of the picture and covers hidden and cut-off parts, too."""

    name: str
    distance_m: float
    amodal_xyxy: Box
    visible_fraction: float


@dataclass(frozen=True)
class Rendered:
    """``image`` uint8 (H, W, 3) RGB; ``ids`` uint8 (H, W): 0 none, i the i-th object from 1, 255 to be ignored."""

    image: np.ndarray
    ids: np.ndarray
    objects: tuple[RenderedObject, ...]


@dataclass(frozen=True)
class Sprite:
    """A thing ready to paste: premultiplied RGB and alpha, uint8 (h, w, 4), with its place in the picture.

    ``affine`` maps the sprite's pixels to the picture's; ``area`` is the count of its opaque pixels at this scale;
    ``x_m`` and ``z_m`` are its place relative to the camera.
    """

    thing: Placed
    labelled: bool
    x_m: float
    z_m: float
    rgba: np.ndarray
    affine: np.ndarray
    area: int


def sample_window(rng: np.random.Generator, kind: str | None = None, horizon_px: float = 450.0) -> Box:
    """A window of the full frame as the detector uses them: ``full``, ``quadrant`` or far-field ``band``."""
    kind = kind or str(rng.choice(["full", "quadrant", "band"], p=[0.25, 0.4, 0.35]))
    w_all, h_all = FRAME_WH
    if kind == "full":
        return (0.0, 0.0, float(w_all), float(h_all))
    w = 890 * rng.uniform(0.85, 1.15) if kind == "quadrant" else 534 * rng.uniform(0.8, 1.2)
    h = w / 1.75
    x0 = rng.uniform(0, w_all - w)
    y0 = rng.uniform(0, h_all - h) if kind == "quadrant" else horizon_px + 60 + rng.normal(0, 25) - h / 2
    y0 = min(max(y0, 0.0), h_all - h)
    return (float(x0), float(y0), float(x0 + w), float(y0 + h))


def _premultiplied(rgba: np.ndarray) -> np.ndarray:
    """Straight uint8 RGBA to premultiplied uint8 RGBA."""
    alpha = rgba[..., 3]
    rgb = cv2.multiply(rgba[..., :3], cv2.merge([alpha] * 3), scale=1 / 255)
    return cv2.merge([rgb, alpha])


def _relit(world: World, patch: np.ndarray, x: float, z: float, height: np.ndarray | float = 0.5) -> np.ndarray:
    """A premultiplied uint8 patch as float32 in 0..1 under the scene's light and veiled by haze.

    ``height``: 0 at the ground to 1 at the top of the thing, per row (h,); lower parts are darker.
    """
    out = patch.astype(np.float32)
    out *= np.float32(1 / 255)
    veil = float(road.fog(world, z))
    ramp = np.clip(0.86 + 0.2 * np.atleast_1d(np.asarray(height, np.float32)), 0.86, 1.06)[:, None, None]
    gain = road.illumination(world, np.float32(x), np.float32(z)) * np.float32(1 - veil)
    out[..., :3] *= ramp * gain
    if veil > 0.01:
        out[..., :3] += out[..., 3:] * (np.array(world.weather.haze, np.float32) * np.float32(veil))
    return out


def make_sprite(world: World, view: View, thing: Placed, labelled: bool, ego_m: float) -> Sprite | None:
    """Draw a thing at its size in this view; ``None`` if it is behind the camera or outside the view."""
    z = thing.z_m - ego_m
    if not _NEAR_M <= z <= _FAR_M:
        return None
    w, h = view.size_wh
    height = world.camera.focal_px * thing.height_m / z * view.scale
    x, y = view.project(np.array([[thing.x_m, 0.0, z]]), world.road.curvature)[0]
    reach = 3.2 * height
    if height < 1 or x + reach < 0 or x - reach > w or y < -4 or y - height > h:
        return None
    artist = draw if labelled else draw_distractor
    rgba = _premultiplied(artist(thing.name, float(np.clip(height, 24, 800 if labelled else 500)), np.random.default_rng(thing.seed)))
    if height < 24:
        size = max(1, round(rgba.shape[1] * height / 24)), max(1, round(height))
        rgba = cv2.resize(rgba, size, interpolation=cv2.INTER_AREA)
    rgba = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    k, roll = height / (rgba.shape[0] - 2), world.camera.roll_rad
    c, s = k * math.cos(roll), k * math.sin(roll)
    bx, by = rgba.shape[1] / 2 - 0.5, rgba.shape[0] - 1.5
    affine = np.array([[c, -s, x - c * bx + s * by], [s, c, y - s * bx - c * by]])
    curve = world.road.curvature * z * z
    area = round(np.count_nonzero(rgba[..., 3] > 127) * k * k)
    return Sprite(thing, labelled, thing.x_m + curve, z, rgba, affine, area)


def _roi(corners: np.ndarray, size_wh: tuple[int, int], margin: int = 1) -> tuple[int, int, int, int] | None:
    """Integer box x0, y0, x1, y1 around points (N, 2), cut to the picture, or ``None`` if empty."""
    lo, hi = np.floor(corners.min(0)).astype(int) - margin, np.ceil(corners.max(0)).astype(int) + margin + 1
    x0, y0 = max(lo[0], 0), max(lo[1], 0)
    x1, y1 = min(hi[0], size_wh[0]), min(hi[1], size_wh[1])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _corners(rgba: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The four corners (4, 2) of a sprite without its 1-pixel border, in the picture."""
    h, w = rgba.shape[:2]
    box = np.array([[0.5, 0.5], [w - 1.5, 0.5], [0.5, h - 1.5], [w - 1.5, h - 1.5]])
    return box @ affine[:, :2].T + affine[:, 2]


def _warped(image: np.ndarray, affine: np.ndarray, roi: tuple[int, int, int, int]) -> np.ndarray:
    """A picture moved by an affine map, only within the region of interest."""
    shifted = affine - np.array([[0, 0, roi[0]], [0, 0, roi[1]]])
    return cv2.warpAffine(image, shifted, (roi[2] - roi[0], roi[3] - roi[1]), flags=cv2.INTER_LINEAR)


def paste(picture: np.ndarray, ids: np.ndarray, world: World, sprite: Sprite, number: int) -> None:
    """Blend a sprite over the picture in place and mark its opaque pixels with its number."""
    corners = _corners(sprite.rgba, sprite.affine)
    roi = _roi(corners, (picture.shape[1], picture.shape[0]))
    if roi is None:
        return
    height = (corners[:, 1].max() - np.arange(roi[1], roi[3])) / np.ptp(corners[:, 1])
    part = (slice(roi[1], roi[3]), slice(roi[0], roi[2]))
    patch = _relit(world, _warped(sprite.rgba, sprite.affine, roi), sprite.x_m, sprite.z_m, height)
    picture[part] *= 1 - patch[..., 3:]
    picture[part] += patch[..., :3]
    ids[part][patch[..., 3] > 0.5] = number


def draw_flats(picture: np.ndarray, world: World, view: View, ego_m: float) -> None:
    """Lay manholes, stains, cracks, patches and leaves on the ground, in place."""
    for thing in world.flats:
        z, half = thing.z_m - ego_m, thing.height_m / 2
        if z - half < _NEAR_M:
            continue
        rgba = _premultiplied(draw_distractor(thing.name, 96.0, np.random.default_rng(thing.seed)))
        across = half * rgba.shape[1] / rgba.shape[0]
        quad = np.array([[i * across + thing.x_m, 0, z + j * half] for i, j in ((-1, 1), (1, 1), (1, -1), (-1, -1))])
        pixels = view.project(quad, world.road.curvature)
        roi = _roi(pixels, view.size_wh)
        if roi is None or pixels[2, 1] - pixels[0, 1] < 1:
            continue
        h, w = rgba.shape[:2]
        source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        shrink = min(1.0, 2 * np.ptp(pixels[:, 1]) / h)
        rgba = cv2.GaussianBlur(_relit(world, rgba, thing.x_m, z), (0, 0), max(0.4, 0.5 / shrink))
        matrix = cv2.getPerspectiveTransform(source, (pixels - np.array(roi[:2])).astype(np.float32))
        patch = cv2.warpPerspective(rgba, matrix, (roi[2] - roi[0], roi[3] - roi[1])) * np.float32(0.85)
        part = (slice(roi[1], roi[3]), slice(roi[0], roi[2]))
        picture[part] = picture[part] * (1 - patch[..., 3:]) + patch[..., :3]


def _cast(sprite: Sprite, world: World, view: View) -> np.ndarray:
    """Affine map of a sprite's alpha mask to its shadow on the ground."""
    (dx, dz), t = world.light.sun_m, sprite.thing
    tip = max(sprite.z_m + dz * t.height_m, 0.6 * sprite.z_m)
    width = t.height_m * (sprite.rgba.shape[1] - 2) / (sprite.rgba.shape[0] - 2)
    ground = np.array([[t.x_m, 0, sprite.z_m], [t.x_m + width / 2, 0, sprite.z_m], [t.x_m + dx * t.height_m, 0, tip]])
    h, w = sprite.rgba.shape[:2]
    source = np.array([[w / 2 - 0.5, h - 1.5], [w - 1.5, h - 1.5], [w / 2 - 0.5, 0.5]], np.float32)
    return cv2.getAffineTransform(source, view.project(ground, world.road.curvature).astype(np.float32)).astype(np.float64)


def draw_shadows(picture: np.ndarray, world: World, view: View, sprites: list[Sprite]) -> None:
    """Darken the ground in place: a contact shadow under each sprite, and its cast shadow if the sun shines."""
    dark = np.zeros(picture.shape[:2], np.float32)
    for sprite in sprites:
        corners = _corners(sprite.rgba, sprite.affine)
        wide, k = np.ptp(corners[:, 0]) / 2, np.hypot(*sprite.affine[:, 0])
        foot = min(wide, 0.12 * np.ptp(corners[:, 1])) if not sprite.labelled else wide
        bx, by = corners[2:].mean(0)
        flat = max(0.7, foot * world.camera.height_m / sprite.z_m * 0.45)
        reach = np.array([[bx - 1.6 * foot - 2, by - 3 * flat - 2], [bx + 1.6 * foot + 2, by + 3 * flat + 2]])
        if (roi := _roi(reach, view.size_wh)) is not None:
            gx = (np.arange(roi[0], roi[2], dtype=np.float32) - bx) / (foot + 0.5)
            gy = (np.arange(roi[1], roi[3], dtype=np.float32) - by) / flat
            blob = 0.6 * np.exp(-(gx**4)[None] - (gy**2)[:, None] * 0.8)
            part = dark[roi[1] : roi[3], roi[0] : roi[2]]
            np.maximum(part, blob, out=part)
        if world.light.shadow and sprite.z_m < 70:
            affine = _cast(sprite, world, view)
            soft = max(0.4, 1.2 * k, 6 * view.scale / sprite.z_m)
            if (roi := _roi(_corners(sprite.rgba, affine), view.size_wh, int(2 * soft) + 2)) is not None:
                alpha = np.ascontiguousarray(sprite.rgba[..., 3])
                mask = cv2.GaussianBlur(_warped(alpha, affine, roi), (0, 0), soft)
                part = dark[roi[1] : roi[3], roi[0] : roi[2]]
                np.maximum(part, mask * np.float32(world.light.shadow / 255), out=part)
    picture *= (1 - dark)[..., None]


def draw_rails(picture: np.ndarray, world: World, view: View, ego_m: float) -> None:
    """Guard rails along the road's sides: a band with a ridge, and posts every 4 m, in place."""
    for on, edge, side in zip(world.road.rails, (world.road.left_m, world.road.right_m), (-1, 1), strict=True):
        if not on:
            continue
        x = edge + 1.7 * side
        posts = np.arange(4.0 - ego_m % 4.0, 120, 4)[::-1]
        for z in posts[posts > _NEAR_M]:
            _quad(picture, world, view, [(x, 0.0, z), (x, 0.7, z), (x + 0.12, 0.7, z), (x + 0.12, 0.0, z)], 0.36)
        z = np.geomspace(160, _NEAR_M, 24)
        for low, high, grey in ((0.45, 0.78, 0.62), (0.58, 0.63, 0.42), (0.74, 0.78, 0.74)):
            for far, near in zip(z[:-1], z[1:], strict=True):
                _quad(picture, world, view, [(x, low, far), (x, high, far), (x, high, near), (x, low, near)], grey)


def _quad(picture: np.ndarray, world: World, view: View, points: list, grey: float) -> None:
    """Fill a lit, hazy quadrilateral of road coordinates (x, up, z)."""
    z = np.float32(np.mean([p[2] for p in points]))
    pixels = view.project(np.array(points), world.road.curvature)
    w, h = view.size_wh
    if (pixels.max(0) < 0).any() or (pixels.min(0) > (w, h)).any():
        return
    colour = grey * road.illumination(world, np.float32(points[0][0]), z)
    colour = colour + road.fog(world, z) * (np.array(world.weather.haze) - colour)
    fixed = np.clip(pixels * 16, -1e6, 1e6).round().astype(np.int32)
    cv2.fillConvexPoly(picture, fixed, colour.tolist(), cv2.LINE_8, 4)


def _reflect(picture: np.ndarray, world: World, sprite: Sprite) -> None:
    """Mirror image of a sprite on a wet road, in place."""
    h = sprite.rgba.shape[0]
    flip = np.array([[1, 0, 0], [0, -1, 2 * (h - 1.5)], [0, 0, 1.0]])
    affine = sprite.affine @ flip
    roi = _roi(_corners(sprite.rgba, affine), (picture.shape[1], picture.shape[0]))
    if roi is None:
        return
    patch = _relit(world, _warped(sprite.rgba, affine, roi), sprite.x_m, sprite.z_m)
    sigma = max(0.5, 0.03 * h)
    patch = cv2.GaussianBlur(patch, (0, 0), sigmaX=0.4 * sigma, sigmaY=sigma) * np.float32(0.4 * world.weather.wet)
    part = picture[roi[1] : roi[3], roi[0] : roi[2]]
    part *= 1 - patch[..., 3:]
    part += patch[..., :3]


def _labels(ids: np.ndarray, sprites: list[Sprite]) -> tuple[np.ndarray, tuple[RenderedObject, ...]]:
    """Renumber painted sprites (i-th from 1) into labelled objects, by visible area and fraction."""
    counts = np.bincount(ids.ravel(), minlength=256)
    table, objects = np.zeros(256, np.uint8), []
    for i, sprite in enumerate(sprites, 1):
        if not sprite.labelled or not counts[i]:
            continue
        visible = min(1.0, float(counts[i] / max(sprite.area, 1)))
        if counts[i] < MIN_AREA_PX or visible < MIN_VISIBLE:
            table[i] = IGNORE_ID
            continue
        corners = _corners(sprite.rgba, sprite.affine)
        box = (*(corners.min(0) + 0.5).tolist(), *(corners.max(0) + 0.5).tolist())
        objects.append(RenderedObject(sprite.thing.name, sprite.z_m, box, visible))
        table[i] = len(objects)
    return table[ids], tuple(objects)


def render(
    world: World, window: Box = (0, 0, *FRAME_WH), size_wh: tuple[int, int] = FRAME_WH, ego_m: float = 0.0
) -> Rendered:
    """Draw a window of the camera image directly at ``size_wh`` after the car has driven ``ego_m`` metres.

    Args:
        window: x_min, y_min, x_max, y_max in pixels of the full frame.
    """
    view = View(world.camera, tuple(float(c) for c in window), tuple(size_wh))
    picture = road.background(world, view, ego_m)
    draw_flats(picture, world, view, ego_m)
    things = [(t, True) for t in world.placed] + [(t, False) for t in world.scenery]
    made = (make_sprite(world, view, t, labelled, ego_m) for t, labelled in things)
    sprites = sorted((s for s in made if s is not None), key=lambda s: -s.z_m)
    if len(sprites) > 254:
        raise ValueError(f"{len(sprites)} things are in view, at most 254 can be told apart")
    draw_shadows(picture, world, view, sprites)
    draw_rails(picture, world, view, ego_m)
    ids = np.zeros(picture.shape[:2], np.uint8)
    for number, sprite in enumerate(sprites, 1):
        if world.weather.wet and sprite.z_m < 60:
            _reflect(picture, world, sprite)
        paste(picture, ids, world, sprite, number)
    ids, objects = _labels(ids, sprites)
    return Rendered(sensor(picture, world, view, ego_m), ids, objects)
