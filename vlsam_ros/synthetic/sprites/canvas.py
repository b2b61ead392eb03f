"""A small anti-aliased drawing surface: polygons, strokes and gradients in units of the object's height.

x runs to the right with 0 in the middle, y upwards with 0 on the ground and about 1 at the object's top.
Colours are RGB triples of floats in 0..1. Pixels are four premultiplied float32 planes: red, green, blue, alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Color = tuple[float, float, float]
_SHIFT = 4  # fractional bits of OpenCV's sub-pixel vertices


def hexa(code: str) -> Color:
    """The colour written as ``rrggbb``."""
    return tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))


def tone(color: Color, factor: float) -> Color:
    """The colour made darker (factor < 1) or lighter (factor > 1, moving towards white beyond 1)."""
    if factor <= 1:
        return tuple(c * factor for c in color)
    return tuple(min(1.0, c * factor + 0.12 * (factor - 1)) for c in color)


def mix(a: Color, b: Color, t: float) -> Color:
    """Linear blend from ``a`` (t = 0) to ``b`` (t = 1)."""
    return tuple(p + (q - p) * t for p, q in zip(a, b, strict=True))


def pick(rng: np.random.Generator, codes: str) -> Color:
    """One of the space-separated hex colours, slightly jittered."""
    options = codes.split()
    base = np.array(hexa(options[rng.integers(len(options))])) * rng.uniform(0.9, 1.08)
    spread = 0.004 + 0.03 * float(np.ptp(base))  # greys stay grey
    return tuple(np.clip(base + rng.normal(0, spread, 3), 0.01, 1.0).tolist())


def ellipse(cx: float, cy: float, rx: float, ry: float, start: float = 0, stop: float = 360, n: int = 36) -> np.ndarray:
    """Vertices of an ellipse or arc; angles in degrees, counter-clockwise from the right."""
    closed = stop - start >= 360
    a = np.arange(n) * (np.radians(stop - start) / (n if closed else n - 1)) + np.radians(start)
    out = np.empty((n, 2))
    out[:, 0] = cx + rx * np.cos(a)
    out[:, 1] = cy + ry * np.sin(a)
    return out


def rect(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Vertices of an axis-aligned rectangle."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


def smooth(points: Sequence | np.ndarray, rounds: int = 2) -> np.ndarray:
    """Chaikin corner cutting of a closed polygon."""
    p = np.asarray(points, float)
    for _ in range(rounds):
        step = 0.25 * (np.concatenate([p[1:], p[:1]]) - p)
        out = np.empty((2 * len(p), 2))
        out[::2] = p + step
        out[1::2] = p + 3 * step
        p = out
    return p


def symmetric(half: Sequence) -> np.ndarray:
    """A closed polygon from its right half, listed from bottom to top."""
    p = np.asarray(half, float)
    return np.concatenate([p, p[::-1] * (-1, 1)])


def noise(shape: tuple[int, int], cell: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of zero mean and about unit spread; ``cell`` is the blob size in pixels."""
    small = rng.standard_normal((max(2, shape[0] // cell + 1), max(2, shape[1] // cell + 1))).astype(np.float32)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Gradient:
    """A linear multi-stop gradient from point ``start`` to point ``stop``."""

    start: tuple[float, float]
    stop: tuple[float, float]
    colors: Sequence[Color]
    at: Sequence[float] | None = None

    def sample(self, t: np.ndarray) -> np.ndarray:
        """The colours at positions ``t`` (clipped to 0..1) as three planes."""
        at = np.linspace(0, 1, len(self.colors)) if self.at is None else self.at
        columns = np.array(self.colors, np.float32).T
        if min(t.shape) == 1:
            return np.stack([np.interp(t, at, column) for column in columns]).astype(np.float32)
        grid = np.linspace(0, 1, 256)
        table = np.stack([np.interp(grid, at, column) for column in columns]).astype(np.float32)
        return np.take(table, np.clip(t * 255, 0, 255).astype(np.uint8), axis=1)


Fill = Color | Gradient


class Canvas:
    """The surface on which one sprite is drawn."""

    def __init__(self, height_px: float, width: float, rng: np.random.Generator) -> None:
        """``width`` is the widest extent of the object in units of its height."""
        # Noise gets its own generator: how much it draws depends on the size, and the object's shape must not.
        self._noise_rng = np.random.default_rng(rng.integers(2**63))
        self.scale = float(np.clip(min(2 * height_px, 50 + height_px), 64, 700))
        self._x0, self._y1 = -width / 2 - 0.05, 1.2
        shape = (int(self.scale * 1.32), int(self.scale * (width + 0.1)))
        self.pixels = np.zeros((4, *shape), np.float32)
        self.light = -1 if rng.random() < 0.5 else 1
        self.turn(0)

    def turn(self, degrees: float, pivot: tuple[float, float] = (0, 0)) -> None:
        """Rotate everything drawn from now on about ``pivot`` (counter-clockwise)."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn, center = np.array([[c, s], [-s, c]]), np.array(pivot, float)
        self._matrix = turn * (self.scale, -self.scale)
        self._offset = (center - center @ turn - (self._x0, self._y1)) * (self.scale, -self.scale)

    def _to_px(self, points: Sequence | np.ndarray) -> np.ndarray:
        return np.asarray(points, float) @ self._matrix + self._offset

    def poly(
        self, points: Sequence | np.ndarray, fill: Fill, alpha: float = 1, atop: bool = False, rough: float = 0
    ) -> None:
        """Fill a polygon. ``atop`` keeps it inside what is already drawn; ``rough`` adds surface noise."""
        self.polys([points], fill, alpha, atop, rough)

    def stroke(
        self,
        points: Sequence | np.ndarray,
        width: float,
        fill: Fill,
        alpha: float = 1,
        atop: bool = False,
        closed: bool = False,
    ) -> None:
        """Draw a line of the given width through the points, with round ends."""
        self.strokes([points], width, fill, alpha, atop, closed)

    def strokes(
        self, lines: Sequence, width: float, fill: Fill, alpha: float = 1, atop: bool = False, closed: bool = False
    ) -> None:
        """Draw several lines at once, as one layer."""
        px = [self._to_px(line) for line in lines]
        thick = width * self.scale
        box = self._roi(np.concatenate(px), int(thick) + 2)
        if box is not None:
            mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
            fixed = [self._fixed(p, box) for p in px]
            cv2.polylines(mask, fixed, closed, 255, max(1, round(thick)), cv2.LINE_AA, _SHIFT)
            self._paint(mask, box, fill, alpha * min(1.0, thick), atop, 0)

    def polys(self, shapes: Sequence, fill: Fill, alpha: float = 1, atop: bool = False, rough: float = 0) -> None:
        """Fill several polygons at once, as one layer."""
        px = [self._to_px(shape) for shape in shapes]
        box = self._roi(px[0] if len(px) == 1 else np.concatenate(px), 2)
        if box is not None:
            mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
            for p in px:
                cv2.fillPoly(mask, [self._fixed(p, box)], 255, cv2.LINE_AA, _SHIFT)
            self._paint(mask, box, fill, alpha, atop, rough)

    def limb(
        self, a: Sequence[float], b: Sequence[float], wa: float, wb: float, fill: Fill, atop: bool = False
    ) -> None:
        """A tapered capsule from ``a`` (width ``wa``) to ``b`` (width ``wb``)."""
        angle = np.degrees(np.arctan2(b[1] - a[1], b[0] - a[0]))
        tail = ellipse(a[0], a[1], wa / 2, wa / 2, angle + 90, angle + 270, 9)
        head = ellipse(b[0], b[1], wb / 2, wb / 2, angle - 90, angle + 90, 9)
        self.poly(np.concatenate([tail, head]), fill, atop=atop)

    def erase(self, points: Sequence | np.ndarray) -> None:
        """Cut a hole."""
        px = self._to_px(points)
        box = self._roi(px, 2)
        if box is not None:
            mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
            cv2.fillPoly(mask, [self._fixed(px, box)], 255, cv2.LINE_AA, _SHIFT)
            self.pixels[:, box[1] : box[3], box[0] : box[2]] *= 1 - mask.astype(np.float32) / 255

    def round_fill(
        self, color: Color, x0: float, x1: float, y: float = 0, gloss: float = 0.15, depth: float = 0.5
    ) -> Gradient:
        """The shading of an upright cylinder between ``x0`` and ``x1``, lit from the canvas's side."""
        dark = tone(color, 1 - depth)
        colors = [
            tone(color, 1 - 0.45 * depth),
            tone(color, 1 + gloss),
            color,
            tone(color, 1 - 0.5 * depth),
            dark,
            tone(color, 1 - 0.75 * depth),
        ]
        at = [0, 0.26, 0.45, 0.72, 0.93, 1]
        start, stop = ((x0, y), (x1, y)) if self.light < 0 else ((x1, y), (x0, y))
        return Gradient(start, stop, colors, at)

    def down_fill(self, color: Color, y0: float, y1: float, low: float = 0.6, high: float = 1.12) -> Gradient:
        """A vertical gradient, ``low`` times the colour at ``y0`` and ``high`` times at ``y1``."""
        return Gradient((0, y0), (0, y1), [tone(color, low), color, tone(color, high)])

    def _roi(self, px: np.ndarray, pad: int) -> tuple[int, int, int, int] | None:
        h, w = self.pixels.shape[1:]
        (left, top), (right, bottom) = px.min(0).tolist(), px.max(0).tolist()
        x0, y0 = max(0, int(left) - pad), max(0, int(top) - pad)
        x1, y1 = min(w, int(right) + 1 + pad), min(h, int(bottom) + 1 + pad)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    @staticmethod
    def _fixed(px: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        return ((px - (box[0] + 0.5, box[1] + 0.5)) * (1 << _SHIFT)).astype(np.int32)

    def _paint(
        self, mask: np.ndarray, box: tuple[int, int, int, int], fill: Fill, alpha: float, atop: bool, rough: float
    ) -> None:
        x0, y0, x1, y1 = box
        roi = self.pixels[:, y0:y1, x0:x1]
        m = mask * np.float32(alpha / 255)
        if isinstance(fill, Gradient):
            color = self._sample(fill, box)
        else:
            color = np.array(fill, np.float32).reshape(3, 1, 1)
        if rough:
            grain = noise(mask.shape, max(2, int(self.scale * 0.03)), self._noise_rng)
            color = np.minimum(color * (1 + rough * grain), 1)
        cover = m * roi[3] if atop else m
        roi[:3] += cover * color - roi[:3] * m
        if not atop:
            roi[3] += m * (1 - roi[3])

    def _sample(self, fill: Gradient, box: tuple[int, int, int, int]) -> np.ndarray:
        """The gradient's colour at every pixel of the box (kept one-dimensional where it is axis-aligned)."""
        a, b = self._to_px([fill.start, fill.stop])
        axis = (b - a) / max(1e-6, float((b - a) @ (b - a)))
        along_x = (np.arange(box[0], box[2]) + 0.5 - a[0]) * axis[0]
        along_y = (np.arange(box[1], box[3]) + 0.5 - a[1]) * axis[1]
        if abs(axis[1]) < 1e-3 * abs(axis[0]):
            t = along_x[None, :]
        elif abs(axis[0]) < 1e-3 * abs(axis[1]):
            t = along_y[:, None]
        else:
            t = along_y[:, None] + along_x[None, :]
        return fill.sample(t.astype(np.float32))

    def finish(self, height_px: float, mirror: bool = False, contact: float = 0.35, grain: float = 0.035) -> np.ndarray:
        """Crop to the object, scale to the height, add texture, light and contact darkening; straight-alpha RGBA."""
        solid = self.pixels[3] > 0.5
        rows, cols = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
        crop = self.pixels[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        h = max(1, round(height_px))
        w = max(1, round(crop.shape[2] * h / crop.shape[1]))
        out = np.stack([cv2.resize(plane, (w, h), interpolation=cv2.INTER_AREA) for plane in crop])
        side = np.linspace(0.06, -0.06, w, dtype=np.float32) * -self.light
        up = np.linspace(0, 1, h, dtype=np.float32)
        gain = 1 + side[None, :] - contact * np.clip((up - 0.8) / 0.2, 0, 1)[:, None] ** 2
        for cell, weight in ((h // 12, grain), (h // 100, 0.5 * grain)):
            gain += weight * noise((h, w), max(1, cell), self._noise_rng)
        out[:3] *= gain / np.maximum(out[3], 1e-3)
        image = (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
        return np.ascontiguousarray(image[:, ::-1] if mirror else image)
