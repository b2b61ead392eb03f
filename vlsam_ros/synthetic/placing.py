"""Sprites of a view: the looks of things, their size and place in the picture, and their light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from vlsam_ros.synthetic import road
from vlsam_ros.synthetic.road import View
from vlsam_ros.synthetic.sprites import FIRST_DISTRACTORS, UNSEEN_STYLES, draw, draw_distractor, finish
from vlsam_ros.synthetic.world import Placed, World

NEAR_M = 1.5
"""Things nearer to the camera are not drawn."""

_FAR_M = 200.0
_BANK_PX, _SMALL_PX = 432, 192
_LOOKS = 24
_SIZES = (24, 36, 54, 80, 120, 180, 270, 400, 600)


@dataclass(frozen=True)
class Sprite:
    """A thing ready to paste: premultiplied RGB and alpha, uint8 (h, w, 4), with its place in the picture.

    ``affine`` maps the sprite's pixels to the picture's; ``area`` is the count of its opaque pixels at this scale;
    ``x_m`` and ``z_m`` are its place relative to the camera; ``height_m`` is less than the thing's if it lies.
    """

    thing: Placed
    labelled: bool
    x_m: float
    z_m: float
    height_m: float
    rgba: np.ndarray
    affine: np.ndarray
    area: int


def _premultiplied(rgba: np.ndarray) -> np.ndarray:
    """Straight uint8 RGBA to premultiplied uint8 RGBA."""
    alpha = rgba[..., 3]
    rgb = cv2.multiply(rgba[..., :3], cv2.merge([alpha] * 3), scale=1 / 255)
    return cv2.merge([rgb, alpha])


@lru_cache(maxsize=64)
def _drawn(name: str, seed: int, style: str, finished: bool, size: int) -> np.ndarray:
    """Premultiplied; one drawing for each of `_SIZES`: a look does not flicker as the car comes closer."""
    rgba = draw(name, float(size), np.random.default_rng(seed), style)
    if finished:
        rgba = finish.drawn(rgba, np.random.default_rng([seed, 1]), style in UNSEEN_STYLES)
    return _premultiplied(rgba)


def _scenery_look(name: str, seed: int, height: float) -> np.ndarray:
    """Premultiplied picture of a piece of scenery out of a small bank, which is drawn once per process."""
    return scenery_bank(name, seed, next((size for size in (12, 24, 48, 96, 192) if size >= height), _BANK_PX))


def scenery_bank(name: str, seed: int, size: int) -> np.ndarray:
    """One of 12 or 24 looks of a piece of scenery, premultiplied, ``size`` pixels high (at most 432)."""
    return _bank(name, seed % (12 if name in FIRST_DISTRACTORS else _LOOKS), size)


@lru_cache(maxsize=8192)
def _bank(name: str, number: int, size: int) -> np.ndarray:
    """Those of up to 192 pixels all stay in memory."""
    if size > _SMALL_PX:
        return _full(name, number, size)
    full = _full(name, number, _BANK_PX if name in FIRST_DISTRACTORS else _SMALL_PX)
    width = max(1, round(full.shape[1] * size / len(full)))
    return cv2.resize(full, (width, size), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=1024)
def _full(name: str, number: int, size: int) -> np.ndarray:
    return _premultiplied(draw_distractor(name, float(size), np.random.default_rng(number)))


def relit(
    world: World, patch: np.ndarray, x: float, z: float, height: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Light a premultiplied uint8 patch as in the scene and veil it by haze.

    Args:
        height: 0 at the ground to 1 at the top of the thing, per row (h,); lower parts are darker.

    Returns:
        Premultiplied RGB and alpha, both float32 (h, w, 3) in 0..1.
    """
    veil, w = float(road.fog(world, z)), patch.shape[1]
    gain = road.illumination(world, np.float32(x), np.float32(z)) * ((1 - veil) / 255)
    rgb = cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB) * road.in_row(gain, w)
    if height is not None:
        rgb *= np.clip(0.86 + 0.2 * height, 0.86, 1.06).astype(np.float32)[:, None, None]
    alpha = cv2.merge([patch[..., 3]] * 3) * np.float32(1 / 255)
    if veil > 0.01:
        rgb += alpha * road.in_row(np.array(world.weather.haze) * veil, w)
    return rgb, alpha


def make_sprite(world: World, view: View, thing: Placed, labelled: bool, ego_m: float) -> Sprite | None:
    """Draw a thing at its size in this view; ``None`` if it is behind the camera or outside the view."""
    z = thing.z_m - ego_m
    if not NEAR_M <= z <= _FAR_M:
        return None
    w, h = view.size_wh
    height = world.camera.focal_px * thing.height_m / z * view.scale
    x, y = view.project(np.array([[thing.x_m, 0.0, z]]), world.road.curvature)[0]
    reach = 3.2 * height
    if height < 1 or x + reach < 0 or x - reach > w or y < -4 or y - height > h:
        return None
    tall = thing.height_m
    if labelled:
        size = next((size for size in _SIZES if size >= height), _SIZES[-1])
        rgba = _drawn(thing.name, thing.seed, thing.style, thing.finished, size)
        lower = len(rgba) / size  # what lies is lower than its kind
        height, tall = height * lower, tall * lower
    else:
        rgba = _scenery_look(thing.name, thing.seed, height)
    if height < 0.9 * len(rgba):
        shape = max(1, round(rgba.shape[1] * height / len(rgba))), max(1, round(height))
        rgba = cv2.resize(rgba, shape, interpolation=cv2.INTER_AREA)
    rgba = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    k, roll = height / (rgba.shape[0] - 2), world.camera.roll_rad
    c, s = k * math.cos(roll), k * math.sin(roll)
    bx, by = rgba.shape[1] / 2 - 0.5, rgba.shape[0] - 1.5
    affine = np.array([[c, -s, x - c * bx + s * by], [s, c, y - s * bx - c * by]])
    curve = world.road.curvature * z * z
    area = round(np.count_nonzero(rgba[..., 3] > 127) * k * k)
    return Sprite(thing, labelled, thing.x_m + curve, z, tall, rgba, affine, area)


def roi_of(corners: np.ndarray, size_wh: tuple[int, int], margin: int = 1) -> tuple[int, int, int, int] | None:
    """Integer box x0, y0, x1, y1 around points (N, 2), cut to the picture, or ``None`` if empty."""
    lo, hi = np.floor(corners.min(0)).astype(int) - margin, np.ceil(corners.max(0)).astype(int) + margin + 1
    x0, y0 = max(lo[0], 0), max(lo[1], 0)
    x1, y1 = min(hi[0], size_wh[0]), min(hi[1], size_wh[1])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def corners_of(rgba: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The four corners (4, 2) of a sprite without its 1-pixel border, in the picture."""
    h, w = rgba.shape[:2]
    box = np.array([[0.5, 0.5], [w - 1.5, 0.5], [0.5, h - 1.5], [w - 1.5, h - 1.5]])
    return box @ affine[:, :2].T + affine[:, 2]


def warped(image: np.ndarray, affine: np.ndarray, roi: tuple[int, int, int, int]) -> np.ndarray:
    """A picture moved by an affine map, only within the region of interest."""
    shifted = affine - np.array([[0, 0, roi[0]], [0, 0, roi[1]]])
    return cv2.warpAffine(image, shifted, (roi[2] - roi[0], roi[3] - roi[1]), flags=cv2.INTER_LINEAR)
