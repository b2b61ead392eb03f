"""How things move from one picture to the next: sparse optical flow, and the scale and shift that it tells of.

Pictures are grey and reduced. Points are x, y in their pixels; pixel (0, 0) covers [0, 1) × [0, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..data import Mask

WIDTH = 1600
"""How wide the pictures are that are compared, or how high, if that is more."""

WINDOW_PX, LEVELS = 9, 4
AGAIN_PX = 0.7
"""A point that doesn't come back to where it was by as much is lost."""

SEARCH_PX = 200
"""About as many pixels on a side are searched for points, however large the region is."""

NOISE_PX = 0.35
"""How exactly a point is followed, standard deviation."""

STRAY_PX = (8.0, 4.0, 2.0, 1.0, 1.0, 1.0)
"""A point so far from where its mask goes has half its weight, in each round of the fit."""


def small(picture: np.ndarray) -> np.ndarray:
    """A reduced grey picture, uint8 (h, w), of RGB uint8 (H, W, 3) or grey uint8 (H, W)."""
    height, width = picture.shape[:2]
    scale = WIDTH / max(height, width)
    if scale < 1:
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


@dataclass(frozen=True)
class Motion:
    """A scale, then a shift: ``scale * point_xy + shift_xy``."""

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def then(self, other: Motion) -> Motion:
        """This motion, and another one after it."""
        k = other.scale
        return Motion(k * self.scale, k * self.x + other.x, k * self.y + other.y)

    def of(self, points_xy: np.ndarray) -> np.ndarray:
        """Where points (N, 2) come to."""
        return self.scale * points_xy + np.array([self.x, self.y])


def corners(gray: np.ndarray, region: Mask, count: int, apart_px: float) -> np.ndarray:
    """Up to `count` points that can be followed, float64 (N, 2), strongest first, in a region of the picture."""
    h, w = region.bits.shape
    if not region.area:
        return np.zeros((0, 2))
    part, step = gray[region.y : region.y + h, region.x : region.x + w], max(1, round(np.sqrt(h * w) / SEARCH_PX))
    if step > 1:
        part = cv2.resize(part, (-(-w // step), -(-h // step)), interpolation=cv2.INTER_AREA)
    inside = np.ascontiguousarray(region.bits[::step, ::step]).view(np.uint8)
    found = cv2.goodFeaturesToTrack(part, count, 0.01, apart_px / step, mask=inside, blockSize=3)
    if found is None:
        return np.zeros((0, 2))
    return (found.reshape(-1, 2).astype(float) + 0.5) * step + np.array([region.x, region.y])


def follow(
    before: np.ndarray, after: np.ndarray, points_xy: np.ndarray, guess_xy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where points are in the next picture: float64 (N, 2), and bool (N,) whether each is believed.

    Args:
        before, after: two pictures of one size.
        points_xy: in the first one, (N, 2).
        guess_xy: about where they are in the second one, (N, 2).
    """
    if not len(points_xy):
        return np.zeros((0, 2)), np.zeros(0, bool)
    start, guess = ((p - 0.5).astype(np.float32).reshape(-1, 1, 2) for p in (points_xy, guess_xy))
    there, seen = _flow(before, after, start, guess)
    back, returned = _flow(after, before, there, there + (start - guess))
    h, w = after.shape
    inside = ((there >= -0.5) & (there < (w - 0.5, h - 0.5))).all((1, 2))
    came_back = np.abs(back - start).max((1, 2)) < AGAIN_PX
    return there.reshape(-1, 2).astype(float) + 0.5, seen & returned & inside & came_back


def _flow(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03)
    there, seen, _ = cv2.calcOpticalFlowPyrLK(
        *(before, after, points, guess.copy()),
        winSize=(WINDOW_PX, WINDOW_PX),
        maxLevel=LEVELS,
        criteria=criteria,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    finite = np.isfinite(there).all((1, 2))
    return np.where(finite[:, None, None], there, points), (seen.reshape(-1) == 1) & finite


@dataclass(frozen=True)
class Guess:
    """What is expected of T things before their points are looked at.

    Attributes:
        centre_xy: their middles, (T, 2).
        shift_xy: how far these go, (T, 2).
        shift_sd: how exactly that is known, standard deviation in pixels, (T,).
        scale: how much they grow, (T,).
        scale_sd: how exactly that is known, (T,).
    """

    centre_xy: np.ndarray
    shift_xy: np.ndarray
    shift_sd: np.ndarray
    scale: np.ndarray
    scale_sd: np.ndarray

    def of(self, points_xy: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Where points (N, 2) are expected; `owner` (N,) says whose each is."""
        middle = self.centre_xy[owner]
        return middle + self.shift_xy[owner] + self.scale[owner, None] * (points_xy - middle)


def fit(
    before_xy: np.ndarray, after_xy: np.ndarray, weight: np.ndarray, owner: np.ndarray, guess: Guess
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The likeliest motion of T things, given a guess and N points.

    Least squares with the guess as prior, weighted anew each round (Cauchy), from wide to narrow; all things at once.

    Args:
        before_xy, after_xy: points (N, 2) in two pictures.
        weight: of each point, (N,).
        owner: whose it is, (N,), 0 … T - 1.

    Returns:
        Shifts of the middles (T, 2), scales (T,), and the sum of the weights of the points that agree (T,).
    """
    count, middle = len(guess.scale), guess.centre_xy[owner]
    u, e = before_xy - middle, after_xy - middle
    shift, scale = guess.shift_xy.copy(), guess.scale.copy()
    shift_info, scale_info = guess.shift_sd**-2.0, guess.scale_sd**-2.0
    believed = weight

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values, count)

    for stray in STRAY_PX:
        off = e - shift[owner] - scale[owner, None] * u
        believed = weight / (1 + (off**2).sum(1) / stray**2)
        w = believed / max(NOISE_PX, stray / 4) ** 2
        a = total(w) + shift_info
        su, se = (np.stack([total(w * v[:, i]) for i in (0, 1)], 1) for v in (u, e))
        se = se + guess.shift_xy * shift_info[:, None]  # without points bincount gives integers
        top = total(w * (u * e).sum(1)) + guess.scale * scale_info - (su * se).sum(1) / a
        scale = top / (total(w * (u * u).sum(1)) + scale_info - (su * su).sum(1) / a)
        shift = (se - su * scale[:, None]) / a[:, None]
    return shift, scale, total(believed)
