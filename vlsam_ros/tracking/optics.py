"""Which way a pixel looks: a camera's calibration, as sensor_msgs/CameraInfo of any message library has it. No ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

POLYNOMIAL = ("plumb_bob", "rational_polynomial", "thin_prism", "")
"""Distortion models of OpenCV's coefficients k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [τx τy]]]]; empty without any."""

FISHEYE = ("equidistant", "fisheye")
"""Distortion models of OpenCV's fisheye coefficients k1 k2 k3 k4."""

LENGTHS = (0, 4, 5, 8, 12, 14)
"""How many coefficients OpenCV's polynomial may have."""

LARGEST = 1e6
"""No focal length, principal point or coefficient is larger."""

ROUND_TRIP_PX = 0.1
"""A ray must come back to its pixel so nearly: beyond a model's range nothing does."""

_THETA = np.linspace(0, np.pi, 4097)
_PRECISE = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 60, 1e-10)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Optics:
    """How one camera's images show the directions around it.

    Directions are in its optical frame (x right, y down, z forward). That is the rectified one, as in image_geometry:
    for a camera alone, R is the identity and there is no difference.

    Attributes:
        size_hw: height and width of its images by the CameraInfo: of the region of interest, after binning.
        window: x, y, width and height of that region on the whole sensor, px.
        focal_xy, centre_xy: of the whole sensor, px; pixel centres are at integers, as in K and P.
        distortion: OpenCV's coefficients; empty if there is none.
        fisheye: they are those of OpenCV's fisheye model.
        rotation: R, row-major: from the camera that took the picture to the rectified one.
    """

    size_hw: tuple[int, int]
    window: tuple[int, int, int, int]
    focal_xy: tuple[float, float]
    centre_xy: tuple[float, float]
    distortion: tuple[float, ...] = ()
    fisheye: bool = False
    rotation: tuple[float, ...] = _IDENTITY

    @classmethod
    def of(cls, info: Any, rectified: bool) -> Optics | None:
        """From a CameraInfo; None if that says nothing, and `why_not` says why.

        Args:
            rectified: the images are rectified: P holds, and K, D and R don't.
        """
        if why_not(info, rectified):
            return None
        x, y, width, height = window = _window(info)
        fx, fy, cx, cy = _matrix(info, rectified)
        size_hw = (height // max(info.binning_y, 1), width // max(info.binning_x, 1))
        if rectified:
            return cls(size_hw, window, (fx, fy), (cx, cy))
        distortion = _floats(info.d) if any(info.d) or info.distortion_model in FISHEYE else ()
        rotation = _floats(info.r) if any(info.r) else _IDENTITY
        fisheye = info.distortion_model in FISHEYE
        return cls(size_hw, window, (fx, fy), (cx, cy), distortion, fisheye, rotation)

    def fits(self, size_hw: tuple[int, int]) -> bool:
        """Whether an image can be one of the camera's, maybe resized: same aspect to within a pixel."""
        (h, w), (height, width) = size_hw, self.size_hw
        return h > 0 and w > 0 and abs(w * height - h * width) <= max(height, width)

    def rays(self, xy: Any, size_hw: tuple[int, int]) -> np.ndarray | None:
        """Where pixels look, unit float64 (N, 3) in the optical frame; NaN where the model shows nothing.

        Args:
            xy: float (N, 2) in an image of `size_hw`; pixel (0, 0) covers [0, 1) × [0, 1).

        Returns:
            None if an image of that size can't be the camera's.
        """
        if not self.fits(size_hw):
            return None
        x, y, width, height = self.window
        whole = np.reshape(np.asarray(xy, float), (-1, 2)) * (width / size_hw[1], height / size_hw[0]) + (x, y) - 0.5
        plane = (whole - self.centre_xy) / self.focal_xy
        rays = self._from_fisheye(plane) if self.fisheye else self._from_polynomial(plane)
        return (rays / np.linalg.norm(rays, axis=1, keepdims=True)) @ self._rotation.T

    def pixels(self, points_xyz: Any, size_hw: tuple[int, int]) -> np.ndarray | None:
        """The way back: float64 (N, 2) of points (N, 3) in the optical frame; NaN for what is behind a lens's plane."""
        if not self.fits(size_hw):
            return None
        points = np.reshape(np.asarray(points_xyz, float), (-1, 3)) @ self._rotation
        plane = self._onto_fisheye(points) if self.fisheye else self._onto_polynomial(points)
        x, y, width, height = self.window
        whole = plane * self.focal_xy + self.centre_xy + 0.5 - (x, y)
        return whole * (size_hw[1] / width, size_hw[0] / height)

    @property
    def _rotation(self) -> np.ndarray:
        return np.reshape(self.rotation, (3, 3))

    def _from_polynomial(self, plane: np.ndarray) -> np.ndarray:
        """Rays (N, 3) with z = 1 of points (N, 2) on the image plane at z = 1."""
        if not self.distortion or not len(plane):
            return np.column_stack([plane, np.ones(len(plane))])
        flat = cv2.undistortPointsIter(plane[:, None], np.eye(3), np.array(self.distortion), None, None, _PRECISE)
        rays = np.column_stack([flat[:, 0], np.ones(len(plane))])
        back = np.abs(self._onto_polynomial(rays) - plane).max(1)
        rays[~(back <= ROUND_TRIP_PX / max(self.focal_xy))] = np.nan
        return rays

    def _onto_polynomial(self, points: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = np.where(points[:, 2:] > 0, points / points[:, 2:], np.nan)
        if not self.distortion or not len(points):
            return flat[:, :2]
        return cv2.projectPoints(flat[:, None], np.zeros(3), np.zeros(3), np.eye(3), np.array(self.distortion))[0][:, 0]

    def _from_fisheye(self, plane: np.ndarray) -> np.ndarray:
        """OpenCV's own inverse gives tangents, which end at 90°; this goes on until the model's radius turns back."""
        radii = self._radius(_THETA)
        end = int(np.argmax(np.append(np.diff(radii) <= 0, True))) + 1
        radius = np.hypot(*plane.T)
        theta = np.interp(radius, radii[:end], _THETA[:end], right=np.nan)
        return np.column_stack([plane * (np.sin(theta) / np.maximum(radius, 1e-12))[:, None], np.cos(theta)])

    def _onto_fisheye(self, points: np.ndarray) -> np.ndarray:
        across = np.hypot(points[:, 0], points[:, 1])
        radius = self._radius(np.arctan2(across, points[:, 2]))
        return points[:, :2] * (radius / np.maximum(across, 1e-12))[:, None]

    def _radius(self, theta: np.ndarray) -> np.ndarray:
        return theta * np.polynomial.polynomial.polyval(theta**2, [1.0, *self.distortion])


def why_not(info: Any, rectified: bool) -> str:
    """Why a CameraInfo says nothing about the images; empty if it does. See `Optics.of`."""
    fx, fy, *centre = _matrix(info, rectified)
    model, d, r = info.distortion_model, np.array(info.d, float), np.reshape(np.array(info.r, float), (3, 3))
    if not (min(fx, fy) > 0 and all(abs(v) <= LARGEST for v in (fx, fy, *centre))):
        return f"not calibrated: {'P' if rectified else 'K'} has focal lengths {fx:g}, {fy:g} and centre {centre} px"
    if (got := min(_window(info)[2:])) <= 0:
        return f"no size: expected a width and height in pixels, got {got}"
    if rectified:
        return ""
    if model not in (*POLYNOMIAL, *FISHEYE):
        return f"distortion model {model!r:.80}: expected one of {', '.join(filter(None, (*POLYNOMIAL, *FISHEYE)))}"
    lengths: Sequence[int] = (0, 4) if model in FISHEYE else LENGTHS
    if len(d) not in lengths or not (np.abs(d) <= LARGEST).all():
        return f"distortion model {model!r}: expected {lengths} finite coefficients, got {d.tolist()!s:.80}"
    if r.any() and not np.allclose(r @ r.T, np.eye(3), atol=1e-3):
        return f"R is no rotation: {r.tolist()}"
    return ""


def _matrix(info: Any, rectified: bool) -> tuple[float, ...]:
    """Focal lengths and principal point, x and y, px."""
    values = (info.p[0], info.p[5], info.p[2], info.p[6]) if rectified else (*info.k[0:5:4], *info.k[2:6:3])
    return _floats(values)


def _window(info: Any) -> tuple[int, int, int, int]:
    roi = info.roi
    if roi.width and roi.height:
        return int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)
    return 0, 0, int(info.width), int(info.height)


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
