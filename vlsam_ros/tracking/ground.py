"""Where instances stand on the road: which way they are seen, and how far away their feet are.

The road is a plane. A foot that is seen at the angle θ below the horizon from the height h stands h / tan θ away. So an
error of a pixel, or of the pitch, is nearly the same error of 1 / distance wherever the foot is, and that is taken as
normal: the interval of a distance is wider behind than before it, and ends at infinity where it meets the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..config import NodeOptions
from ..data import Mask, Place
from .optics import Optics, why_not

__all__ = ["Mount", "Optics", "horizon", "places", "why_not"]

MAX_PITCH_DEG = 60.0
"""Steepest camera, as option `node.pitch_deg` has it."""

FARTHEST = 2.0
"""How far from the image's top a horizon may be, in its heights: beyond it the CameraInfo is wrong."""

SPECK = 0.05
"""Parts of a mask below this share of its area are no foot."""

FOOT = 0.05
"""Share of a mask's columns that reach as low as its foot, at least: what hangs lower is a spur."""

FOOT_PX, FOOT_SHARE = 0.7, 0.02
"""Standard deviation of the foot's place in the image, px, and what comes on top of it in shares of the mask's box."""

BORDER_PX = 2.0
"""A foot so near to the image's border is cut off."""

NORMAL_95 = 1.96
"""Standard deviations to either side that hold 95 %."""


_Standing = tuple[float, float, float, tuple[float, float, float], tuple[float, ...]]


@dataclass(frozen=True)
class Mount:
    """How a camera is fixed over the road.

    Attributes:
        height_m: above the road; 0: unknown.
        pitch_deg: how far it looks down.
        roll_deg: how far it is turned clockwise about its optical axis, as seen from behind.
        pitch_error_deg: standard deviation of the pitch, with the car's pitching and the road's slope.
        roll_error_deg, height_error_m: the same of roll and height; load, tyres and springs make as much.
    """

    height_m: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    pitch_error_deg: float = 0.3
    roll_error_deg: float = 0.5
    height_error_m: float = 0.03

    def __post_init__(self) -> None:
        if not abs(self.pitch_deg) <= MAX_PITCH_DEG:
            raise ValueError(f"expected a pitch of at most {MAX_PITCH_DEG:g}° up or down, got {self.pitch_deg:g}")

    @classmethod
    def of(cls, options: NodeOptions, index: int) -> Mount:
        """That of the camera with this index among `image_topics`."""
        height, pitch, roll = (options.of_camera(key, index) for key in ("height_m", "pitch_deg", "roll_deg"))
        return cls(height, pitch, roll, options.pitch_error_deg)

    @property
    def axes(self) -> np.ndarray:
        """Right, down and ahead along the road: unit rows (3, 3) in the optical frame."""
        p, r = math.radians(self.pitch_deg), math.radians(self.roll_deg)
        down = np.array([math.sin(r) * math.cos(p), math.cos(r) * math.cos(p), math.sin(p)])
        right = np.array([math.cos(r), -math.sin(r), 0.0])
        return np.stack([right, down, np.cross(right, down)])

    @property
    def tilts(self) -> np.ndarray:
        """What a radian of pitch and one of roll add to the direction down: rows (2, 3) in the optical frame."""
        p, r = math.radians(self.pitch_deg), math.radians(self.roll_deg)
        pitched = [-math.sin(r) * math.sin(p), -math.cos(r) * math.sin(p), math.cos(p)]
        return np.array([pitched, [math.cos(r) * math.cos(p), -math.sin(r) * math.cos(p), 0.0]])


def horizon(optics: Optics, mount: Mount) -> float | None:
    """The horizon's row straight ahead as a share of the image's height, which may lie outside [0, 1].

    Returns:
        None if it is more than `FARTHEST` heights away.
    """
    height, _ = optics.size_hw
    ahead = optics.pixels(mount.axes[2:], optics.size_hw)
    share = float("nan") if ahead is None else float(ahead[0, 1]) / height
    return share if abs(share) <= FARTHEST else None


def places(
    masks: Sequence[Mask], size_hw: tuple[int, int], optics: Optics | None, mount: Mount | None = None
) -> list[Place]:
    """Where the instances of one image stand; what isn't known of one is NaN or None in its place.

    The bearing is that of the mask's centre of gravity. The foot is the lowest part of the mask's edge, as the roll has
    it: of the lower edge, column by column and without specks, the height that `FOOT` of the columns reach, and of
    those within a pixel above that the mean. A foot is not known where it is cut off by the image's border, or where
    another mask goes on below it: that hides it, or it is a part of that. Nor is it known above the horizon, or
    within one standard deviation of it.

    Args:
        masks: of all instances, in pixels of the image (H, W) of `size_hw`.
        optics: None: nothing is known.
        mount: None, or one of unknown height: bearings alone, with None from the optical axis.
    """
    if optics is None or (seen := optics.rays([_middle(mask) for mask in masks], size_hw)) is None:
        return [Place()] * len(masks)
    x, y, z = (mount or Mount()).axes @ seen.T
    found = [
        Place(float(a), float(e)) if np.isfinite(a) else Place()
        for a, e in zip(np.arctan2(-x, z), np.arcsin(np.clip(-y, -1, 1)), strict=True)
    ]
    if mount is None or not mount.height_m > 0:
        return found
    down = np.array([math.sin(math.radians(mount.roll_deg)), math.cos(math.radians(mount.roll_deg))])
    feet = {n: foot for n, mask in enumerate(masks) if (foot := _foot(mask, down)) is not None}
    boxes = np.array([mask.xyxy for mask in masks], float)
    shown = [n for n, foot in feet.items() if foot.shows(n, masks, boxes, size_hw, down)]
    for n, standing in zip(shown, _standing([feet[n] for n in shown], size_hw, optics, mount), strict=True):
        if standing is not None and np.isfinite(found[n].azimuth):
            found[n] = Place(found[n].azimuth, found[n].elevation, *standing)
    return found


def _middle(mask: Mask) -> tuple[float, float]:
    """Centre of gravity, px; NaN for an empty mask."""
    if not mask.area:
        return math.nan, math.nan
    m = cv2.moments(mask.bits.view(np.uint8), binaryImage=True)
    return mask.x + m["m10"] / m["m00"] + 0.5, mask.y + m["m01"] / m["m00"] + 0.5


@dataclass(frozen=True)
class _Foot:
    """Where a mask meets the ground, px of the image.

    Attributes:
        xy: the middle (2,).
        contact: where each column that does so ends, (C, 2).
        errors: standard deviations across and down, as the roll has them.
    """

    xy: np.ndarray
    contact: np.ndarray
    errors: tuple[float, float]

    def shows(
        self, own: int, masks: Sequence[Mask], boxes: np.ndarray, size_hw: tuple[int, int], down: np.ndarray
    ) -> bool:
        """Whether the ground is seen below it: neither the image's border nor, along most of it, another mask.

        Args:
            own: which of the masks it is of.
            boxes: theirs, (N, 4).
        """
        x, y = self.xy + BORDER_PX * down
        if not (0 <= x < size_hw[1] and 0 <= y < size_hw[0]):
            return False
        reach = max(2 * BORDER_PX, 0.1 * max(masks[own].bits.shape))
        below = np.concatenate([self.contact + share * reach * down for share in (0.5, 1.0)])
        low, high = below.min(0), below.max(0)
        near = ((low < boxes[:, 2:]) & (high >= boxes[:, :2])).all(1)
        near[own] = False
        return not any(_inside(masks[n], below).reshape(2, -1).all(0).mean() > 0.5 for n in np.flatnonzero(near))


def _inside(mask: Mask, xy: np.ndarray) -> np.ndarray:
    """Whether points (N, 2) lie on a mask, bool (N,)."""
    column, row = (np.floor(xy) - (mask.x, mask.y)).astype(int).T
    h, w = mask.bits.shape
    inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
    inside[inside] = mask.bits[row[inside], column[inside]]
    return inside


def _foot(mask: Mask, down: np.ndarray) -> _Foot | None:
    """The foot of a mask; `down` is the unit direction (x, y) in the image. None for an empty mask."""
    if not mask.area:
        return None
    edge = _lower_edge(_without_specks(mask.bits), down) + (mask.x, mask.y)
    height = edge @ down
    few = max(1, round(FOOT * len(height)))
    low = np.partition(height, -few)[-few]
    contact = edge[(height <= low) & (height >= low - 1)]
    h, w = mask.bits.shape
    share_xy = FOOT_SHARE * np.abs([[down[1] * w, down[0] * h], [down[0] * w, down[1] * h]]).sum(1)
    across, below = np.hypot(FOOT_PX, share_xy)
    return _Foot(contact.mean(0), contact, (float(across), float(below)))


def _without_specks(bits: np.ndarray) -> np.ndarray:
    """The mask without its parts that are below `SPECK` of its area."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(bits.view(np.uint8), connectivity=8)
    if count == 2:
        return bits
    areas = stats[:, cv2.CC_STAT_AREA]
    large = areas >= SPECK * areas[1:].sum()
    large[0] = False
    large[1 + areas[1:].argmax()] = True
    return large[parts]


def _lower_edge(bits: np.ndarray, down: np.ndarray) -> np.ndarray:
    """For each column that has pixels (or row, if the image lies on its side) where it ends: float (C, 2), x and y."""
    upright = abs(down[1]) >= abs(down[0])
    lines = bits if upright else bits.T
    columns = np.flatnonzero(lines.any(0))
    lines = lines[:, columns]
    ends = len(lines) - lines[::-1].argmax(0) if down[int(upright)] > 0 else lines.argmax(0)
    pair = (columns + 0.5, ends)
    return np.column_stack(pair if upright else pair[::-1]).astype(float)


def _standing(feet: Sequence[_Foot], size_hw: tuple[int, int], optics: Optics, mount: Mount) -> list[_Standing | None]:
    """Distance, its interval, point and covariance of each foot, as in `Place`; None where the horizon is too near."""
    if not feet:
        return []
    right, down = np.array([mount.axes[0, :2], [-mount.axes[0, 1], mount.axes[0, 0]]])
    xy, errors = np.stack([foot.xy for foot in feet]), np.array([foot.errors for foot in feet])
    around = [xy, *(xy + step * half for step in (right, down) for half in (0.5, -0.5))]
    rays = optics.rays(np.concatenate(around), size_hw)
    assert rays is not None  # the image's size fitted before
    d, *sides = rays.reshape(5, -1, 3)
    n, h = mount.axes[1], mount.height_m
    # What one standard deviation of each cause changes: the ray (N, 5, 3), the direction down (5, 3), the height (5,)
    none = np.zeros_like(d)
    d_ray = np.stack(
        [(sides[0] - sides[1]) * errors[:, :1], (sides[2] - sides[3]) * errors[:, 1:], none, none, none], 1
    )
    tilts = mount.tilts * np.radians([[mount.pitch_error_deg], [mount.roll_error_deg]])
    d_down = np.concatenate([np.zeros((2, 3)), tilts, np.zeros((1, 3))])
    d_height = np.array([0, 0, 0, 0, mount.height_error_m])

    sine = d @ n  # of the angle below the horizon
    d_sine = d_ray @ n + d @ d_down.T
    cosine = np.sqrt(1 - np.minimum(sine**2, 1 - 1e-12))
    near = sine / (h * cosine)  # 1 / distance
    d_near = d_sine / (h * cosine**3)[:, None] - near[:, None] * d_height / h
    error = np.sqrt((d_near**2).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        point = h * d / sine[:, None]
        d_point = (d_height[:, None] * d[:, None] + h * d_ray - point[:, None] * d_sine[..., None]) / sine[
            :, None, None
        ]
    covariance = np.swapaxes(d_point, 1, 2) @ d_point
    return [
        (
            float(1 / q),
            float(1 / (q + NORMAL_95 * e)),
            float(1 / (q - NORMAL_95 * e)) if q > NORMAL_95 * e else math.inf,
            (float(p[0]), float(p[1]), float(p[2])),
            tuple(((c + c.T) / 2).ravel().tolist()),
        )
        if q > e
        else None
        for q, e, p, c in zip(near, error, point, covariance, strict=True)
    ]
