"""Pens: one description of a thing, drawn as a cartoon, a soft painting, a shaded body or a sketch.

x runs to the right with 0 in the middle, y upwards with 0 on the ground and 1 at the top, z towards the viewer; parts
are given from back to front. Outlines are convex where a body is to be made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from . import solid
from .canvas import Canvas, Color, Gradient, ellipse, hexa, mix, rect, tone
from .flats import Paper

Rng = np.random.Generator
Points = Sequence[Sequence[float]] | np.ndarray
_SMALL = 0.1


def fitted(rgba: np.ndarray, height_px: float) -> np.ndarray:
    """A premultiplied uint8 RGBA picture, cropped and scaled to the height; straight alpha."""
    rows, columns = (np.flatnonzero((rgba[..., 3] > 8).any(axis)) for axis in (1, 0))
    crop = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height = max(1, round(height_px))
    size = max(1, round(crop.shape[1] * height / len(crop))), height
    out = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if height < len(crop) else cv2.INTER_LINEAR)
    out[..., :3] = np.minimum(out[..., :3] * (255.0 / np.maximum(out[..., 3:], 1)), 255)
    return out


def premultiplied(rgba: np.ndarray) -> np.ndarray:
    """Straight to premultiplied uint8 RGBA."""
    return np.dstack([cv2.multiply(rgba[..., :3], cv2.merge([rgba[..., 3]] * 3), scale=1 / 255), rgba[..., 3]])


class Pen:
    """What all pens can do; ``scale`` is pixels per unit, ``origin`` the pixel of the point (0, 0)."""

    def __init__(self) -> None:
        self._decals: list[tuple[np.ndarray, np.ndarray]] = []

    def shape(self, points: Points, color: Color, depth: float = 0.06, z: float = 0.0) -> None:
        """A filled outline; a body reaches ``depth / 2`` to both sides of ``z``."""
        raise NotImplementedError

    def rod(self, points: Points, width: float, color: Color, z: float = 0.0) -> None:
        """A bent stick."""
        raise NotImplementedError

    def slab(
        self, x0: float, y0: float, x1: float, y1: float, color: Color, depth: float = 0.06, z: float = 0.0
    ) -> None:
        """A box."""
        self.shape(rect(x0, y0, x1, y1), color, depth, z)

    def post(self, x: float, y0: float, y1: float, r0: float, color: Color, r1: float | None = None) -> None:
        """An upright round thing."""
        r1 = r0 if r1 is None else r1
        self.shape([(x - r0, y0), (x + r0, y0), (x + r1, y1), (x - r1, y1)], color)

    def ball(self, x: float, y: float, rx: float, ry: float, color: Color, z: float = 0.0) -> None:
        """An ellipsoid."""
        self.shape(ellipse(x, y, rx, ry, n=24), color, z=z)

    def disc(self, x: float, y: float, r: float, color: Color, z: float = 0.0) -> None:
        """A flat round plate that faces the viewer."""
        self.shape(ellipse(x, y, r, r, n=24), color, 0.02, z)

    def decal(self, rgba: np.ndarray, x0: float, y0: float, x1: float, y1: float, z: float = 0.0) -> None:
        """A picture (straight alpha) as large as fits, standing on the lower edge of a rectangle; over all else."""
        k = min((x1 - x0) / rgba.shape[1], (y1 - y0) / len(rgba))
        w, x = k * rgba.shape[1], (x0 + x1) / 2
        corners = np.array([(x - w / 2, y0 + k * len(rgba), z), (x + w / 2, y0 + k * len(rgba), z), (x - w / 2, y0, z)])
        self._decals.append((premultiplied(rgba), corners))

    def picture(self) -> np.ndarray:
        """Premultiplied uint8 RGBA."""
        base = self._base()
        for rgba, corners in self._decals:
            h, w = rgba.shape[:2]
            to = self._at(corners).astype(np.float32)
            matrix = cv2.getAffineTransform(np.array([(0, 0), (w, 0), (0, h)], np.float32), to)
            fourth = to[1] + to[2] - to[0]
            low = np.maximum(np.floor(np.minimum(to.min(0), fourth)).astype(int), 0)
            high = np.minimum(np.ceil(np.maximum(to.max(0), fourth)).astype(int) + 1, base.shape[1::-1])
            if (high <= low).any():
                continue
            matrix[:, 2] -= low
            over = cv2.warpAffine(rgba, matrix, tuple((high - low).tolist()), flags=cv2.INTER_AREA)
            part = base[low[1] : high[1], low[0] : high[0]]
            part[:] = over + cv2.multiply(part, 255 - cv2.merge([over[..., 3]] * 4), scale=1 / 255)
        return base

    def _base(self) -> np.ndarray:
        raise NotImplementedError

    def _at(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in pixels (N, 2) of the picture."""
        raise NotImplementedError


class Cartoon(Pen):
    """Plain shapes, with outlines or without, with a darker right half or without."""

    def __init__(self, height_px: float, width: float, rng: Rng) -> None:
        super().__init__()
        self.paper = Paper(min(height_px, 240.0), width, rng)
        self._dark, self.paper.shade = 1 - self.paper.shade, 0.0

    def shape(self, points: Points, color: Color, depth: float = 0.06, z: float = 0.0) -> None:
        """A plain outline."""
        p = np.asarray(points, float)
        small = bool(np.ptp(p, 0).min() < _SMALL and np.ptp(p, 0).max() < 3 * _SMALL)
        self.paper.fill(p, color, plain=small)
        if self._dark < 1 and len(p) == 4 and not small:
            self.paper.fill([p[:2].mean(0), p[1], p[2], p[2:].mean(0)], tone(color, self._dark), plain=True)

    def rod(self, points: Points, width: float, color: Color, z: float = 0.0) -> None:
        """A stick."""
        self.paper.stroke(points, width, color)

    def _base(self) -> np.ndarray:
        return self.paper.pixels

    def _at(self, points: np.ndarray) -> np.ndarray:
        return (points[:, :2] - (self.paper._x0, self.paper._y1)) * (self.paper.scale, -self.paper.scale)


class Sketch(Cartoon):
    """Shaky lines over pale fills, at times hatched."""

    def __init__(self, height_px: float, width: float, rng: Rng) -> None:
        super().__init__(height_px, width, rng)
        self._pale, self._shake = rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.008)
        self._ground = mix(hexa("ffffff"), hexa("e8dcc0"), rng.random())
        self._ink = hexa("202024") if rng.random() < 0.8 else tone(self._ground, 0.5)
        self._thick, self._hatch = rng.uniform(0.006, 0.016), rng.random() < 0.5
        self.paper.line, self._rng = 0.0, rng

    def _line(self, p: np.ndarray, closed: bool) -> None:
        for _ in range(2):
            shaky = p + self._rng.normal(0, self._shake, p.shape)
            self.paper.stroke(shaky, self._thick, self._ink, closed)

    def shape(self, points: Points, color: Color, depth: float = 0.06, z: float = 0.0) -> None:
        """A plain outline."""
        p = np.asarray(points, float)
        self.paper.fill(p, mix(color, self._ground, self._pale), plain=True)
        if self._hatch and len(p) == 4 and sum(color) < 1.4:
            for t in np.arange(0.1, 1, max(0.08, 0.03 / np.ptp(p, 0).max())):
                ends = [p[0] + (p[1] - p[0]) * t, p[3] + (p[2] - p[3]) * t]
                self.paper.stroke(ends, self._thick * 0.5, self._ink)
        self._line(p, True)

    def rod(self, points: Points, width: float, color: Color, z: float = 0.0) -> None:
        """A stick."""
        p = np.asarray(points, float)
        if width > 3 * self._thick:
            self.paper.stroke(p, width, self._ink)
            self.paper.stroke(p, width - 2 * self._thick, mix(color, self._ground, self._pale))
        else:
            self._line(p, False)


class Painted(Pen):
    """Soft gradients and grain."""

    def __init__(self, height_px: float, width: float, rng: Rng) -> None:
        super().__init__()
        self.canvas = Canvas(height_px, width, rng)
        self._rough, self._edge = rng.uniform(0, 0.05), rng.uniform(0, 0.5)

    def shape(self, points: Points, color: Color, depth: float = 0.06, z: float = 0.0) -> None:
        """A plain outline."""
        p = np.asarray(points, float)
        (x0, y0), (x1, y1) = p.min(0), p.max(0)
        if min(x1 - x0, y1 - y0) < 0.03:
            self.canvas.poly(p, color)
            return
        lit = self.canvas.light * 0.5 * (x1 - x0)
        fill = Gradient(
            ((x0 + x1) / 2 - lit, y0), ((x0 + x1) / 2 + lit, y1), [tone(color, 0.72), color, tone(color, 1.15)]
        )
        self.canvas.poly(p, fill, rough=self._rough if x1 - x0 > _SMALL else 0)
        if self._edge > 0.15:
            self.canvas.stroke(p, 0.008, tone(color, 0.45), self._edge, atop=True, closed=True)

    def post(self, x: float, y0: float, y1: float, r0: float, color: Color, r1: float | None = None) -> None:
        """Shaded across."""
        r1 = r0 if r1 is None else r1
        wide = max(r0, r1)
        fill = self.canvas.round_fill(color, x - wide, x + wide)
        self.canvas.poly([(x - r0, y0), (x + r0, y0), (x + r1, y1), (x - r1, y1)], fill, rough=self._rough)

    def rod(self, points: Points, width: float, color: Color, z: float = 0.0) -> None:
        """A stick."""
        self.canvas.stroke(points, width, tone(color, 0.75))
        self.canvas.stroke(np.asarray(points, float) + (0.15 * width * self.canvas.light, 0), width * 0.6, color)

    def ball(self, x: float, y: float, rx: float, ry: float, color: Color, z: float = 0.0) -> None:
        """Shaded in steps or faces."""
        for k in (1.0, 0.8, 0.58, 0.3):
            at = x + rx * 0.3 * (1 - k) * self.canvas.light, y + ry * 0.35 * (1 - k)
            rough = self._rough if k == 1 else 0
            self.canvas.poly(ellipse(*at, rx * k, ry * k, n=24), tone(color, 0.7 + 0.45 * (1 - k)), rough=rough)

    def _base(self) -> np.ndarray:
        return (np.clip(self.canvas.pixels, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()

    def _at(self, points: np.ndarray) -> np.ndarray:
        return self.canvas._to_px(points[:, :2])


class Solid(Pen):
    """Boxes, tubes and blobs, turned a little and lit."""

    def __init__(self, height_px: float, width: float, rng: Rng) -> None:
        super().__init__()
        self._scale, self._parts = max(24.0, height_px), list[solid.Body]()
        self._yaw, self._elevation = float(rng.uniform(-50, 50)), float(rng.uniform(2, 14))
        self._lamp = solid.Lamp(
            towards=(rng.uniform(-1, 1), rng.uniform(0.4, 1.2), rng.uniform(0.3, 1.0)),
            ambient=float(rng.uniform(0.35, 0.75)),
            gloss=float(rng.choice([0.0, 0.3])),
            steps=int(rng.choice([0, 0, 2, 3, 4])),
        )
        self._bumps = 1 + rng.normal(0, rng.uniform(0, 0.12), (5, 8))

    def shape(self, points: Points, color: Color, depth: float = 0.06, z: float = 0.0) -> None:
        """A plain outline."""
        hull = cv2.convexHull(np.asarray(points, np.float32)).reshape(-1, 2)
        area = float((hull[:, 0] * np.roll(hull[:, 1], -1) - hull[:, 1] * np.roll(hull[:, 0], -1)).sum())
        self._parts.append(solid.prism(hull if area > 0 else hull[::-1], z - depth / 2, z + depth / 2, color))

    def post(self, x: float, y0: float, y1: float, r0: float, color: Color, r1: float | None = None) -> None:
        """Shaded across."""
        self._parts.append(solid.tube((x, y0, 0), (x, y1, 0), r0, r0 if r1 is None else r1, [color]))

    def rod(self, points: Points, width: float, color: Color, z: float = 0.0) -> None:
        """A stick."""
        p = [(*q, z) for q in np.asarray(points, float).tolist()]
        pairs = zip(p[:-1], p[1:], strict=True)
        self._parts.append(solid.joined(solid.tube(a, b, width / 2, width / 2, [color], n=6) for a, b in pairs))

    def ball(self, x: float, y: float, rx: float, ry: float, color: Color, z: float = 0.0) -> None:
        """Shaded in steps or faces."""
        self._parts.append(solid.blob((x, y, z), (rx, ry, min(rx, ry)), color, n=8, bumps=self._bumps))

    def _base(self) -> np.ndarray:
        # A shift along the line of sight changes nothing but the order: later parts come to lie over earlier ones.
        sight = solid.rotation(0, self._elevation, 0)[2]
        layers = [part.turned(yaw=self._yaw).moved(20.0 * i * sight) for i, part in enumerate(self._parts)]
        body = solid.joined(layers)
        seen = body.faces @ solid.rotation(0, self._elevation, 0).T
        self._corner = np.array([seen[..., 0].min(), seen[..., 1].max()])
        return premultiplied(solid.picture(body, self._scale, self._lamp, self._elevation))

    def _at(self, points: np.ndarray) -> np.ndarray:
        turn = solid.rotation(0, self._elevation, 0) @ solid.rotation(self._yaw, 0, 0)
        return ((points @ turn.T)[:, :2] - self._corner) * (self._scale, -self._scale)


PENS: tuple[type[Pen], ...] = (Cartoon, Painted, Solid, Sketch)
