"""A keyframe's masks, carried from frame to frame by points on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..data import Mask
from .flow import Guess, Motion, corners, fit, follow

POINTS = 6, 24
"""Fewest and most points that are wanted on a mask; between, as many as its side has pixels."""

EDGE_PX = 2
"""Points may lie so far outside of a mask: its edge is often the only thing to be seen of it."""

SUPPORT = 2.0
"""A mask is confirmed by points whose weights sum up to this, or by the scenery."""

SCENERY = 60
"""Points of the whole picture, taken where masks have fewer."""

NEW_S, NEW_AT_ONCE = 0.15, 8
"""A mask that is short of points gets new ones no more often than this, and only so many masks in a frame do."""

RATE_SD, SHIFT_SD = 0.12, 0.3
"""How exactly the growth is known beforehand, per second, and the shift, as a share of it."""

LEAST_S, USUAL_S = 0.005, 0.1
"""Stamps that are less apart, or go back, tell no pace, as a driver's that come in bursts; what is usual is assumed."""

STEP = 0.5, 2.0
"""The least and most that a mask grows from one frame to the next."""

GONE = 0.1
"""A mask of which less is in the picture has left it, and stays where it is."""

REMEMBERED = 128
"""Frames in which it is known where a mask was."""


Pace = tuple[np.ndarray | None, float | None]
"""Velocity and rate of a `Carried`."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A reduced grey picture, uint8 (h, w), its number and time in seconds."""

    number: int
    time_s: float
    gray: np.ndarray

    @cached_property
    def scenery(self) -> np.ndarray:
        """Points of the whole picture that can be followed, (N, 2)."""
        whole = Mask(0, 0, np.ones(self.gray.shape, bool))
        return corners(self.gray, whole, SCENERY, max(self.gray.shape) / 20)

    @cached_property
    def thumbnail(self) -> np.ndarray:
        """float32 (24, 40), mean 0 and deviation 1."""
        step = max(1, min(self.gray.shape) // 100)
        tiny = cv2.resize(self.gray[::step, ::step], (40, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
        return (tiny - tiny.mean()) / max(float(tiny.std()), 1e-3)


class Carried:
    """One mask and how it has moved.

    Attributes:
        mask: in its keyframe, in pixels of the whole frame.
        path: frame number -> motion since the keyframe, in pixels of the reduced picture; the last one is now.
        pace: frame number -> velocity and rate from there on.
        points_xy: points followed in the last frame, (N, 2), reduced pixels.
        velocity: reduced pixels per second, (2,); None: not known yet.
        rate: growth per second, as a share of the size; None: not known yet.
        blind_s: how long nothing in the pictures has confirmed it.
        lost: its points went at once, the scenery's did not: it went elsewhere, and no new points are taken where it
            is not. It goes on as before.
    """

    def __init__(self, mask: Mask, frame: Frame, size_hw: tuple[int, int], before: Carried | None = None) -> None:
        """`before`: what was carried of the same thing until then, whose motion goes on."""
        h, w = frame.gray.shape
        self.mask, self._reduced = mask, np.array([w / size_hw[1], h / size_hw[0]])
        self._size_hw, self._box = size_hw, np.array(mask.xyxy).reshape(2, 2) * self._reduced
        self.path = {frame.number: Motion()}
        pace: Pace = before.pace[before.nearest(frame.number)] if before else (None, None)
        self.velocity, self.rate = pace
        self.pace: dict[int, Pace] = {frame.number: pace}
        self.blind_s, self.lost = 0.0, False
        self.seed(frame)

    def seed(self, frame: Frame) -> None:
        """Take new points on the mask where it is now."""
        h, w = frame.gray.shape
        region = _grown(self._warped(self.now, self._reduced, (h, w)), (h, w))
        count = int(np.clip(np.sqrt(max(region.area, 1)), *POINTS))
        self.points_xy = corners(frame.gray, region, count, max(2.0, 0.7 * np.sqrt(region.area / count)))
        self.wanted, self.seeded_s, self._seeded_scale = max(len(self.points_xy), 1), frame.time_s, self.now.scale

    @property
    def now(self) -> Motion:
        """Since the keyframe."""
        return self.path[next(reversed(self.path))]

    @property
    def box(self) -> np.ndarray:
        """Where it is now: x, y of its upper left and lower right, (2, 2), reduced pixels; may lie outside."""
        return self.now.of(self._box)

    @property
    def needs_points(self) -> bool:
        """Whether too few are left, or it shows more than it did."""
        return 2 * len(self.points_xy) < max(self.wanted, POINTS[0]) or self.now.scale > 1.4 * self._seeded_scale

    def nearest(self, number: int) -> int:
        """Of the frames in which it is known where it was, the one with that number or the nearest."""
        return number if number in self.path else min(self.path, key=lambda n: (abs(n - number), n))

    def at(self, number: int) -> Motion:
        """Since the keyframe, in the frame of that number or the nearest one."""
        return self.path[self.nearest(number)]

    def mask_at(self, number: int | None = None) -> Mask:
        """The mask in the frame of that number (None: the last one), cut off at the frame's borders."""
        motion = self.now if number is None else self.at(number)
        return self._warped(motion, np.ones(2), self._size_hw)

    def visible(self, number: int | None = None) -> float:
        """The share of its box that lies within the picture."""
        box = (self.now if number is None else self.at(number)).of(self._box)
        end = self._reduced * self._size_hw[::-1]
        sides = np.clip(box, 0, end)
        return float((sides[1] - sides[0]).prod() / max((box[1] - box[0]).prod(), 1e-9))

    def _warped(self, motion: Motion, reduced: np.ndarray, size_hw: tuple[int, int]) -> Mask:
        """The mask after a motion, in a picture of which `size_hw` is a `reduced` part of the whole frame."""
        shift = np.array([motion.x, motion.y]) * (reduced / self._reduced)
        scale = motion.scale * reduced
        if (scale == 1).all() and not shift.any():
            return self.mask
        corner = np.array([self.mask.x, self.mask.y], float)
        low = scale * corner + shift
        high = scale * (corner + self.mask.bits.shape[::-1]) + shift
        x0, y0 = np.clip(np.floor(low), 0, size_hw[::-1]).astype(int)
        x1, y1 = np.clip(np.ceil(high), 0, size_hw[::-1]).astype(int)
        if x0 >= x1 or y0 >= y1:
            return Mask(0, 0, np.zeros((0, 0), bool))
        offset = low + 0.5 * (scale - 1) - (x0, y0)
        matrix = np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]]])
        source = self.mask.bits.view(np.uint8) * np.uint8(255)
        warped = cv2.warpAffine(source, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
        tight = Mask.from_dense(warped > 127)
        return tight.shifted(int(x0), int(y0)) if tight.area else tight


def advance(carried: Sequence[Carried], before: Frame, after: Frame) -> None:
    """Carry masks from one frame to the next."""
    carried = [c for c in carried if c.visible() >= GONE]
    if not carried:
        return
    own = [c.points_xy for c in carried]
    if sum(map(len, own)) < SCENERY:
        own.append(before.scenery)
    owner = np.repeat(np.arange(len(own)), [len(points) for points in own])
    points = np.concatenate(own)
    seconds = after.time_s - before.time_s
    guess, known = _guess(carried, before, seconds)
    there, ok = follow(before.gray, after.gray, points, guess.of(points, owner))
    points, there, owner = points[ok], there[ok], owner[ok]
    scene, seen = _scenery(points, there, before.gray.shape)
    middle = guess.centre_xy
    guess.shift_xy[~known] = (scene.of(middle) - middle)[~known]
    shift, scale, support = fit(points, there, np.ones(len(points)), owner, guess)
    scale = np.clip(scale, *STEP)
    for i, c in enumerate(carried):
        c.lost |= seen and len(c.points_xy) >= POINTS[0] and support[i] < SUPPORT
        step = Motion(float(scale[i]), *(middle[i] + shift[i] - scale[i] * middle[i]).tolist())
        mine = owner == i
        close = np.abs(there[mine] - step.of(points[mine])).max(1) < 2.0
        _moved(c, step, shift[i], there[mine][close], not c.lost and (support[i] >= SUPPORT or seen), seconds, after)
    needy = [c for c in carried if not c.lost and c.needs_points and not 0 <= after.time_s - c.seeded_s < NEW_S]
    for c in sorted(needy, key=lambda c: c.seeded_s)[:NEW_AT_ONCE]:
        c.seed(after)


def _moved(
    c: Carried, step: Motion, shift: np.ndarray, points_xy: np.ndarray, sure: bool, seconds: float, after: Frame
) -> None:
    c.points_xy = points_xy
    if seconds >= LEAST_S:
        c.velocity, c.rate = shift / seconds * step.scale, (step.scale - 1) / seconds
    c.path[after.number], c.pace[after.number] = c.now.then(step), (c.velocity, c.rate)
    if len(c.path) > REMEMBERED:
        first = next(iter(c.path))
        del c.path[first], c.pace[first]
    c.blind_s = 0.0 if sure else c.blind_s + max(seconds, 0.0)


def _guess(carried: Sequence[Carried], before: Frame, seconds: float) -> tuple[Guess, np.ndarray]:
    """That each goes on as before, and the scenery (the last one) does not move; bool (T,): of which that is known."""
    h, w = before.gray.shape
    timed = seconds >= LEAST_S
    known = np.array([timed and c.rate is not None for c in carried] + [False])
    middle = np.array([*(c.box.mean(0) for c in carried), (w / 2, h / 2)])
    scale = np.array([1 / (1 - np.clip((c.rate or 0.0) * seconds, -1.0, 0.4)) for c in carried] + [1.0])
    shift = np.array([c.velocity * seconds if c.velocity is not None else (0, 0) for c in carried] + [(0, 0)], float)
    scale, shift = np.where(known, scale, 1.0), np.where(known[:, None], shift * scale[:, None], 0.0)
    shift_sd = np.where(known, 1 + SHIFT_SD * np.linalg.norm(shift, axis=1), 10.0)
    loose = 0.5 * (seconds if timed else USUAL_S)
    scale_sd = np.where(known, RATE_SD * seconds + 0.2 * np.abs(scale - 1), loose)
    return Guess(middle, shift, shift_sd, scale, scale_sd), known


def _scenery(points: np.ndarray, there: np.ndarray, size_hw: tuple[int, int]) -> tuple[Motion, bool]:
    """The motion of the picture as a whole, and whether points enough agree with it."""
    middle = np.array([[size_hw[1] / 2, size_hw[0] / 2]])
    loose = Guess(middle, np.zeros((1, 2)), np.full(1, 30.0), np.ones(1), np.full(1, 0.1))
    shift, scale, support = fit(points, there, np.ones(len(points)), np.zeros(len(points), int), loose)
    motion = Motion(float(scale[0]), *(middle[0] + shift[0] - scale[0] * middle[0]).tolist())
    return motion, bool(support[0] >= 8)


def _grown(mask: Mask, size_hw: tuple[int, int]) -> Mask:
    """A mask with a few pixels around it, inside the picture."""
    if not mask.area:
        return mask
    pad = EDGE_PX
    bits = np.pad(mask.bits.view(np.uint8), pad)
    bits = cv2.dilate(bits, np.ones((2 * pad + 1, 2 * pad + 1), np.uint8)).view(bool)
    x, y = mask.x - pad, mask.y - pad
    bits = bits[max(0, -y) : size_hw[0] - y, max(0, -x) : size_hw[1] - x]
    return Mask(max(x, 0), max(y, 0), np.ascontiguousarray(bits))
