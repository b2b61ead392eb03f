"""Rendering of a world: background, flat things, shadows, sprites from far to near, weather and the camera's sensor."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vlsam_ros.synthetic import road
from vlsam_ros.synthetic.placing import NEAR_M, Sprite, corners_of, make_sprite, relit, roi_of, scenery_bank, warped
from vlsam_ros.synthetic.road import View
from vlsam_ros.synthetic.sensor import sensor
from vlsam_ros.synthetic.world import FRAME_WH, Box, World

IGNORE_ID = 255
"""Value in ``Rendered.ids`` of objects that are too small or too hidden to be labelled."""

MIN_AREA_PX, MIN_VISIBLE = 12, 0.15


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


def paste(picture: np.ndarray, ids: np.ndarray, world: World, sprite: Sprite, number: int) -> None:
    """Blend a sprite over the picture in place and mark its opaque pixels with its number."""
    corners = corners_of(sprite.rgba, sprite.affine)
    roi = roi_of(corners, (picture.shape[1], picture.shape[0]))
    if roi is None:
        return
    height = (corners[:, 1].max() - np.arange(roi[1], roi[3])) / np.ptp(corners[:, 1])
    part = (slice(roi[1], roi[3]), slice(roi[0], roi[2]))
    patch = warped(sprite.rgba, sprite.affine, roi)
    rgb, alpha = relit(world, patch, sprite.x_m, sprite.z_m, height)
    _over(picture, roi, rgb, alpha)
    ids[part][patch[..., 3] > 127] = number


def _over(picture: np.ndarray, roi: tuple[int, int, int, int], rgb: np.ndarray, alpha: np.ndarray) -> None:
    """Blend a premultiplied patch over a region of the picture, in place."""
    part = picture[roi[1] : roi[3], roi[0] : roi[2]]
    part *= 1 - alpha
    part += rgb


def draw_flats(picture: np.ndarray, world: World, view: View, ego_m: float) -> None:
    """Lay what is flat on the ground, in place."""
    for thing in world.flats:
        z, half = thing.z_m - ego_m, thing.height_m / 2
        if z - half < NEAR_M:
            continue
        rgba = scenery_bank(thing.name, thing.seed, 96)
        across = half * rgba.shape[1] / rgba.shape[0]
        quad = np.array([[i * across + thing.x_m, 0, z + j * half] for i, j in ((-1, 1), (1, 1), (1, -1), (-1, -1))])
        pixels = view.project(quad, world.road.curvature)
        roi = roi_of(pixels, view.size_wh)
        if roi is None or pixels[2, 1] - pixels[0, 1] < 1:
            continue
        h, w = rgba.shape[:2]
        source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        shrink = min(1.0, 2 * np.ptp(pixels[:, 1]) / h)
        soft = cv2.GaussianBlur(rgba, (0, 0), max(0.4, 0.5 / shrink))
        matrix = cv2.getPerspectiveTransform(source, (pixels - np.array(roi[:2])).astype(np.float32))
        patch = cv2.warpPerspective(soft, matrix, (roi[2] - roi[0], roi[3] - roi[1]))
        strength = np.float32(0.55 if thing.name == "crack" else 0.85)
        rgb, alpha = relit(world, patch, thing.x_m, z)
        _over(picture, roi, rgb * strength, alpha * strength)


def _cast(sprite: Sprite, world: World, view: View) -> np.ndarray:
    """Affine map of a sprite's alpha mask to its shadow on the ground."""
    (dx, dz), t = world.light.sun_m, sprite.thing
    tip = max(sprite.z_m + dz * sprite.height_m, 0.6 * sprite.z_m)
    width = sprite.height_m * (sprite.rgba.shape[1] - 2) / (sprite.rgba.shape[0] - 2)
    ground = np.array(
        [[t.x_m, 0, sprite.z_m], [t.x_m + width / 2, 0, sprite.z_m], [t.x_m + dx * sprite.height_m, 0, tip]]
    )
    h, w = sprite.rgba.shape[:2]
    source = np.array([[w / 2 - 0.5, h - 1.5], [w - 1.5, h - 1.5], [w / 2 - 0.5, 0.5]], np.float32)
    return cv2.getAffineTransform(source, view.project(ground, world.road.curvature).astype(np.float32)).astype(
        np.float64
    )


def draw_shadows(picture: np.ndarray, world: World, view: View, sprites: list[Sprite]) -> None:
    """Darken the ground in place: a contact shadow under each sprite, and its cast shadow if the sun shines."""
    dark = np.zeros(picture.shape[:2], np.float32)
    for sprite in sprites:
        corners = corners_of(sprite.rgba, sprite.affine)
        wide, k = np.ptp(corners[:, 0]) / 2, np.hypot(*sprite.affine[:, 0])
        foot = min(wide, 0.12 * np.ptp(corners[:, 1])) if not sprite.labelled else wide
        bx, by = corners[2:].mean(0)
        flat = max(0.7, foot * world.camera.height_m / sprite.z_m * 0.45)
        reach = np.array([[bx - 1.6 * foot - 2, by - 3 * flat - 2], [bx + 1.6 * foot + 2, by + 3 * flat + 2]])
        if (roi := roi_of(reach, view.size_wh)) is not None:
            gx = (np.arange(roi[0], roi[2], dtype=np.float32) - bx) / (foot + 0.5)
            gy = (np.arange(roi[1], roi[3], dtype=np.float32) - by) / flat
            blob = 0.7 * np.exp(-(gx**4)[None] - (gy**2)[:, None] * 0.8)
            part = dark[roi[1] : roi[3], roi[0] : roi[2]]
            np.maximum(part, blob, out=part)
        if world.light.shadow and sprite.z_m < 70:
            affine = _cast(sprite, world, view)
            soft = max(0.4, 1.2 * k, 6 * view.scale / sprite.z_m)
            if (roi := roi_of(corners_of(sprite.rgba, affine), view.size_wh, int(2 * soft) + 2)) is not None:
                alpha = np.ascontiguousarray(sprite.rgba[..., 3])
                mask = cv2.GaussianBlur(warped(alpha, affine, roi), (0, 0), soft)
                part = dark[roi[1] : roi[3], roi[0] : roi[2]]
                np.maximum(part, mask * np.float32(world.light.shadow / 255), out=part)
    picture *= road.spread(1 - dark)


def draw_rails(picture: np.ndarray, world: World, view: View, ego_m: float) -> None:
    """Guard rails along the road's sides: a band with a ridge, and posts every 4 m, in place."""
    for on, edge, side in zip(world.road.rails, (world.road.left_m, world.road.right_m), (-1, 1), strict=True):
        if not on:
            continue
        x, quads, greys = edge + 1.7 * side, [], []
        posts = np.arange(4.0 - ego_m % 4.0, 120, 4)[::-1]
        for z in posts[posts > NEAR_M]:
            quads.append([(x, 0.0, z), (x, 0.7, z), (x + 0.12, 0.7, z), (x + 0.12, 0.0, z)])
            greys.append(0.36)
        z = np.geomspace(160, NEAR_M, 24)
        for low, high, grey in ((0.45, 0.78, 0.62), (0.58, 0.63, 0.42), (0.74, 0.78, 0.74)):
            for far, near in zip(z[:-1], z[1:], strict=True):
                quads.append([(x, low, far), (x, high, far), (x, high, near), (x, low, near)])
                greys.append(grey)
        _fill_quads(picture, world, view, np.array(quads), np.array(greys))


def _fill_quads(picture: np.ndarray, world: World, view: View, quads: np.ndarray, greys: np.ndarray) -> None:
    """Fill lit, hazy quadrilaterals (N, 4, 3) of road coordinates (x, up, z) with grey albedos (N,), in place."""
    z = quads[..., 2].mean(1)
    pixels = view.project(quads.reshape(-1, 3), world.road.curvature).reshape(-1, 4, 2)
    seen = (pixels.max(1) >= 0).all(1) & (pixels.min(1) <= view.size_wh).all(1)
    colours = greys[:, None] * road.illumination(world, quads[:, 0, 0], z)
    colours = colours + road.fog(world, z)[:, None] * (np.array(world.weather.haze) - colours)
    fixed = np.clip(pixels * 16, -1e6, 1e6).round().astype(np.int32)
    for i in np.flatnonzero(seen):
        cv2.fillConvexPoly(picture, fixed[i], colours[i].tolist(), cv2.LINE_8, 4)


def _reflect(picture: np.ndarray, world: World, sprite: Sprite) -> None:
    """Mirror image of a sprite on a wet road, in place."""
    h = sprite.rgba.shape[0]
    flip = np.array([[1, 0, 0], [0, -1, 2 * (h - 1.5)], [0, 0, 1.0]])
    affine = sprite.affine @ flip
    roi = roi_of(corners_of(sprite.rgba, affine), (picture.shape[1], picture.shape[0]))
    if roi is None:
        return
    sigma = max(0.5, 0.03 * h)
    patch = cv2.GaussianBlur(warped(sprite.rgba, affine, roi), (0, 0), sigmaX=0.4 * sigma, sigmaY=sigma)
    rgb, alpha = relit(world, patch, sprite.x_m, sprite.z_m)
    strength = np.float32(0.4 * world.weather.wet)
    _over(picture, roi, rgb * strength, alpha * strength)


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
        corners = corners_of(sprite.rgba, sprite.affine)
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
        if world.weather.wet and sprite.labelled and sprite.z_m < 60:
            _reflect(picture, world, sprite)
        paste(picture, ids, world, sprite, number)
    ids, objects = _labels(ids, sprites)
    return Rendered(sensor(picture, world, view, ego_m), ids, objects)
