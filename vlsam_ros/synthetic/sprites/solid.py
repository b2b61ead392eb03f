"""Bodies of flat faces in three dimensions, drawn from any side: the geometry of the ``solids`` style.

A body is faces (F, 4, 3) float64 and their colours (F, 3) in 0..1; a triangle repeats its last corner. Units are those
of the standing thing's height: x to the right, y up from the ground, z towards the viewer. Corners run
counter-clockwise as seen from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import Color

Vector = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Body:
    """Faces (F, 4, 3) and their colours (F, 3)."""

    faces: np.ndarray
    colors: np.ndarray

    def turned(self, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, about: Vector = (0, 0, 0)) -> Body:
        """Turned in degrees about x (pitch), z (roll), then y (yaw), through a point."""
        pivot = np.asarray(about, float)
        return Body((self.faces - pivot) @ rotation(yaw, pitch, roll).T + pivot, self.colors)

    def moved(self, by: Vector) -> Body:
        """Shifted."""
        return Body(self.faces + np.asarray(by, float), self.colors)

    def scaled(self, by: Vector | float) -> Body:
        """Scaled along x, y and z; factors are positive."""
        return Body(self.faces * np.asarray(by, float), self.colors)

    def mirrored(self) -> Body:
        """Seen in a mirror: x changes its sign."""
        return Body(self.faces[:, ::-1] * (-1, 1, 1), self.colors)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The matrix (3, 3) of `Body.turned`."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([yaw, pitch, roll])) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return about_y @ about_z @ about_x


def joined(parts: Iterable[Body]) -> Body:
    """All faces together."""
    parts = list(parts)
    return Body(np.concatenate([p.faces for p in parts]), np.concatenate([p.colors for p in parts]))


def _body(faces: np.ndarray, color: Color | np.ndarray) -> Body:
    return Body(faces, np.broadcast_to(np.asarray(color, float), (len(faces), 3)))


def box(center: Vector, size: Vector, color: Color, top: Vector = (1, 1), lean: float = 0.0) -> Body:
    """A box; ``top`` shrinks its upper face along x and z, ``lean`` shifts that along x."""
    x, y, z = np.asarray(size, float) / 2
    lower = np.array([(-x, -y, z), (x, -y, z), (x, -y, -z), (-x, -y, -z)])
    upper = lower * (top[0], -1, top[1]) + (lean, 0, 0)
    sides = [[lower[i], lower[(i + 1) % 4], upper[(i + 1) % 4], upper[i]] for i in range(4)]
    return _body(np.array([*sides, upper, lower[::-1]]) + np.asarray(center, float), color)


def prism(outline: Sequence[Vector] | np.ndarray, z0: float, z1: float, color: Color) -> Body:
    """A convex outline of points (x, y), counter-clockwise, drawn out from ``z0`` to ``z1``."""
    p = np.asarray(outline, float)
    front, back = (np.column_stack([p, np.full(len(p), z)]) for z in (max(z0, z1), min(z0, z1)))
    sides = [[front[i], back[i], back[(i + 1) % len(p)], front[(i + 1) % len(p)]] for i in range(len(p))]
    return _body(np.concatenate([np.array(sides), _fan(front), _fan(back[::-1])]), color)


def _fan(ring: np.ndarray) -> np.ndarray:
    """A convex ring (N, 3) as quadrilaterals."""
    n = len(ring)
    return np.array([[ring[0], ring[i], ring[min(i + 1, n - 1)], ring[min(i + 2, n - 1)]] for i in range(1, n - 1, 2)])


def tube(
    a: Vector, b: Vector, ra: float, rb: float, colors: Sequence[Color], at: Sequence[float] = (), n: int = 14
) -> Body:
    """A cone frustum from ``a`` to ``b`` with its ends; bands of ``colors`` change at shares ``at`` of its length."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    axis = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
    side = np.cross(axis, (0, 0, 1) if abs(axis[2]) < 0.9 else (1, 0, 0))
    side /= np.linalg.norm(side)
    angle = np.arange(n) * (2 * np.pi / n)
    circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(axis, side)
    cuts = [0.0, *at, 1.0]
    rings = [a + (b - a) * t + circle * (ra + (rb - ra) * t) for t in cuts]
    parts = [
        _body(np.stack([low, np.roll(low, -1, 0), np.roll(high, -1, 0), high], 1), color)
        for low, high, color in zip(rings[:-1], rings[1:], colors, strict=True)
    ]
    ends = [_body(_fan(rings[-1]), colors[-1]), _body(_fan(rings[0][::-1]), colors[0])]
    return joined([*parts, *ends])


def blob(center: Vector, radii: Vector, color: Color, n: int = 12, bumps: np.ndarray | None = None) -> Body:
    """An ellipsoid of ``n`` by ``n // 2`` faces; ``bumps`` (n // 2 + 1, n) are factors of its radius."""
    m = n // 2
    tilt, turn = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, m + 1), np.arange(n) * (2 * np.pi / n), indexing="ij")
    unit = np.stack([np.cos(tilt) * np.sin(turn), np.sin(tilt), np.cos(tilt) * np.cos(turn)], -1)
    if bumps is not None:
        bumps = bumps.copy()
        bumps[0], bumps[-1] = bumps[0, 0], bumps[-1, 0]
        unit = unit * bumps[..., None]
    p = unit * np.asarray(radii, float) + np.asarray(center, float)
    beside = np.roll(p, -1, 1)
    return _body(np.stack([p[:-1], beside[:-1], beside[1:], p[1:]], 2).reshape(-1, 4, 3), color)


def ring(center: Vector, radius: float, thick: float, color: Color, n: int = 20, m: int = 8, flat: float = 1.0) -> Body:
    """A torus around the z axis; ``thick`` is the radius of its tube, ``flat`` its extent along z relative to that."""
    turn, around = np.meshgrid(np.arange(n) * (2 * np.pi / n), np.arange(m) * (2 * np.pi / m), indexing="ij")
    r = radius + thick * np.cos(around)
    p = np.stack([r * np.cos(turn), r * np.sin(turn), flat * thick * np.sin(around)], -1) + np.asarray(center, float)
    right, up = np.roll(p, -1, 0), np.roll(p, -1, 1)
    faces = np.stack([p, right, np.roll(right, -1, 1), up], 2).reshape(-1, 4, 3)
    return _body(faces, color)


@dataclass(frozen=True)
class Lamp:
    """How bodies are lit: a direction towards the light, its strength over ``ambient``, gloss, and steps of tone."""

    towards: tuple[float, float, float]
    ambient: float
    gloss: float
    steps: int
    """Tones in all, as in a comic; 0: any number."""


def picture(body: Body, pixels: float, lamp: Lamp, elevation: float) -> np.ndarray:
    """Straight-alpha RGBA, cropped, seen from ``elevation`` degrees above the ground; far faces first.

    Args:
        body: stands on y = 0.
        pixels: per unit of length.
        lamp: the light, in the viewer's frame.
        elevation: of the viewer, in degrees.
    """
    seen = body.faces @ rotation(0, elevation, 0).T
    normal = np.cross(seen[:, 2] - seen[:, 0], seen[:, 3] - seen[:, 1])
    length = np.linalg.norm(normal, axis=1)
    front = (normal[:, 2] > 1e-6 * length) & (length > 1e-9)
    seen, normal, colors = seen[front], normal[front] / length[front, None], body.colors[front]
    order = np.argsort(seen[..., 2].mean(1), kind="stable")
    seen, colors = seen[order], _lit(colors[order], normal[order], lamp)
    fine = pixels * 2
    low, high = seen[..., :2].min((0, 1)), seen[..., :2].max((0, 1))
    w, h = (max(2, int(np.ceil(side))) for side in (high - low) * fine)
    corners = np.round(((seen[..., :2] - (low[0], high[1])) * (fine, -fine) - 0.5) * 16).astype(np.int32)
    out = np.zeros((h + h % 2, w + w % 2, 4), np.uint8)
    shades = np.column_stack([colors * 255, np.full(len(colors), 255)]).tolist()
    for polygon, shade in zip(corners, shades, strict=True):
        cv2.fillConvexPoly(out, polygon, shade, cv2.LINE_8, 4)
    half = cv2.resize(out, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half[..., :3] = np.minimum(half[..., :3] * (255.0 / np.maximum(half[..., 3:], 1)), 255)
    return half


def _lit(colors: np.ndarray, normals: np.ndarray, lamp: Lamp) -> np.ndarray:
    towards = np.asarray(lamp.towards, float) / np.linalg.norm(lamp.towards)
    shine = np.clip(normals @ towards, 0, 1)
    if lamp.steps:
        shine = np.round(shine * (lamp.steps - 1)) / (lamp.steps - 1)
    glint = lamp.gloss * np.clip(2 * shine * normals[:, 2] - towards[2], 0, 1) ** 12
    tone = lamp.ambient + (1.1 - lamp.ambient) * shine
    return np.clip(colors * tone[:, None] + glint[:, None], 0, 1)
