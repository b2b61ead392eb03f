"""The ``models`` style: every kind as the photograph of a scale model.

Parts are laid into planes of colour, relief and gloss; one pass lights them: sun, sky, highlights, corners in shade.
Solid things are modelled in three dimensions and seen from any side; soft and thin ones are reliefs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np

from .canvas import ellipse, rect, smooth

Rng = np.random.Generator
Points = Sequence[Sequence[float]] | np.ndarray
Rgb = tuple[float, float, float]
_GLOSS = {
    "paint": 0.75, "glass": 1.0, "plastic": 0.4, "metal": 0.65, "rust": 0.1, "wood": 0.08, "cloth": 0.03, "fur": 0.05,
    "rubber": 0.16, "stone": 0.03, "card": 0.03, "skin": 0.15, "foil": 0.6, "leaf": 0.2, "plush": 0.0,
}  # fmt: skip
_TEXTURE = {
    "rust": ("blotch", 0.35, 0.006), "wood": ("wood", 0.16, 0.003), "cloth": ("weave", 0.08, 0.002),
    "fur": ("fur", 0.08, 0.003), "stone": ("blotch", 0.16, 0.009), "card": ("fine", 0.06, 0.0),
    "metal": ("scratch", 0.14, 0.0), "foil": ("blotch", 0.05, 0.018), "plush": ("fine", 0.14, 0.004),
    "rubber": ("fine", 0.08, 0.002), "paint": ("blotch", 0.03, 0.0), "plastic": ("scratch", 0.05, 0.0),
    "leaf": ("fine", 0.15, 0.004), "skin": ("fine", 0.03, 0.0),
}  # fmt: skip

_GAMMA = (np.linspace(0, 1, 256) ** 0.85 * 255 + 0.5).astype(np.uint8)


@cache
def _texture(name: str) -> np.ndarray:
    """A field of 256 × 256 values of about unit spread."""
    rng = np.random.default_rng(len(name))
    fine = rng.standard_normal((256, 256)).astype(np.float32)
    if name == "blotch":
        out = sum(cv2.GaussianBlur(fine, (0, 0), s) * s for s in (2, 5, 12, 24))
    elif name == "wood":
        out = cv2.GaussianBlur(fine, (0, 0), sigmaX=30, sigmaY=1.2)
    elif name == "fur":
        out = cv2.GaussianBlur(fine, (0, 0), sigmaX=5, sigmaY=1.2)
    elif name == "weave":
        y, x = np.mgrid[:256, :256].astype(np.float32)
        out = np.sin(x * 0.9 + y * 0.9) + np.sin(x * 0.9 - y * 0.9) + 2 * cv2.GaussianBlur(fine, (0, 0), 8) * 8
    elif name == "scratch":
        out = np.zeros((256, 256), np.float32)
        for x, y, a, n in rng.uniform(0, 1, (70, 4)):
            p, q = (int(x * 256), int(y * 256)), (int(x * 256 + 60 * n * np.cos(6 * a)), int(y * 256 + 60 * n * a))
            cv2.line(out, p, q, float(2 * x - 0.8), 1)
        out = out + cv2.GaussianBlur(fine, (0, 0), 14) * 12
    else:
        out = cv2.GaussianBlur(fine, (0, 0), 1)
    return np.float32((out - out.mean()) / out.std())


def _hsv(rng: Rng, s: tuple[float, float], v: tuple[float, float], h: tuple[float, float] = (0, 1)) -> Rgb:
    """A colour of random hue, saturation and value in the ranges."""
    hue, sat, val = rng.uniform(*h) % 1 * 6, rng.uniform(*s), rng.uniform(*v)
    return tuple(float(val * (1 - sat * np.clip(2 - abs((hue - k + 3) % 6 - 3), 0, 1))) for k in (3, 5, 1))


def _color(rng: Rng) -> Rgb:
    """A colour such as made things have: strong, dull, dark, grey or pale."""
    kind = rng.integers(6)
    s, v = [((0.6, 1), (0.5, 0.95)), ((0.6, 0.95), (0.3, 0.7)), ((0.2, 0.5), (0.4, 0.9)), ((0, 0.1), (0.05, 0.3)),
            ((0, 0.08), (0.4, 0.8)), ((0, 0.1), (0.85, 0.98))][kind]  # fmt: skip
    return _hsv(rng, s, v)


def _mul(color: Rgb, f: float) -> Rgb:
    return tuple(min(1.0, c * f) for c in color)


def _grey(v: float) -> Rgb:
    return (v, v, v * 0.98)


def _wood(rng: Rng) -> Rgb:
    return _hsv(rng, (0.2, 0.55), (0.4, 0.8), (0.06, 0.11))


def _one(rng: Rng, *options: str) -> str:
    return options[int(rng.integers(len(options)))]


def _chance(rng: Rng, p: float) -> bool:
    return bool(rng.random() < p)


class Model:
    """The planes on which one sprite is laid; x right with 0 in the middle, y up from the ground, in heights."""

    def __init__(self, height_px: float, width: float, rng: Rng) -> None:
        """``width`` is the widest extent in units of the height."""
        self.scale = float(np.clip((1.5 if width < 2.5 else 1.25) * height_px, 40, 300))
        self.rng = rng
        self._x0, self._y1 = -width / 2 - 0.1, 1.3
        self.sx = 1.0
        self.tall: float | None = None
        """How high it stands, in units; measured before it is turned."""
        shape = (int(self.scale * 1.65), int(self.scale * (width + 0.2)))
        self.color = np.zeros((*shape, 4), np.uint8)  # red, green, blue, gloss
        self.alpha = np.zeros(shape, np.uint8)
        self.relief = np.zeros(shape, np.float32)
        self.shade = np.ones(shape, np.float32)
        self.look(0, 0)

    def look(self, yaw: float, pitch: float = 0.0) -> None:
        """Set the view of what is given in three dimensions, degrees."""
        self._yaw, self._pitch = np.radians(yaw), np.radians(pitch)

    def view(self, points: Points) -> np.ndarray:
        """The picture's x and y, and the nearness, of points (x along, y up, z towards the viewer)."""
        p = np.asarray(points, float)
        (ca, sa), (cp, sp) = ((np.cos(a), np.sin(a)) for a in (self._yaw, self._pitch))
        d = p[:, 2] * ca - p[:, 0] * sa
        return np.stack([p[:, 0] * ca + p[:, 2] * sa, p[:, 1] * cp - d * sp, d * cp + p[:, 1] * sp], 1)

    def _px(self, points: Points) -> np.ndarray:
        p = np.asarray(points, float)[:, :2] * (self.sx, 1)
        return (p - (self._x0, self._y1)) * (self.scale, -self.scale)

    def _box(self, px: np.ndarray, pad: int) -> tuple[int, int, int, int] | None:
        h, w = self.alpha.shape
        (left, top), (right, low) = px.min(0).tolist(), px.max(0).tolist()
        x0, y0 = max(0, int(left) - pad), max(0, int(top) - pad)
        x1, y1 = min(w, int(right) + 2 + pad), min(h, int(low) + 2 + pad)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def part(
        self, points: Points, color: Rgb, mat: str = "plastic", r: float = 0.03, lift: float = 0.0,
        tilt: tuple[float, float] = (0, 0), holes: Sequence[Points] = (), turned: bool = False, bumps: float = 1.0,
        also: Sequence[Points] = (),
    ) -> None:  # fmt: skip
        """Lay a part whose edges are rounded by ``r``; ``turned``: round like something from a lathe.

        Args:
            lift: how far it stands out.
            tilt: slope of its relief along x and y, about the first point.
            bumps: strength of the material's relief.
            also: further pieces of the same.
        """
        pieces = [self._px(points), *map(self._px, also)]
        box = self._box(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), 1)
        if box is None:
            return
        mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
        for piece in pieces:
            cv2.fillPoly(mask, [_fixed(piece, box)], 255, cv2.LINE_8, 4)
        for hole in holes:
            cv2.fillPoly(mask, [_fixed(self._px(hole), box)], 0, cv2.LINE_8, 4)
        self._lay(mask, box, color, mat, r, lift, tilt, pieces[0][0].tolist(), turned, bumps)

    def tube(
        self, points: Points, width: float, color: Rgb, mat: str = "metal", lift: float = 0.02, closed: bool = False
    ) -> None:
        """Lay a round bar through the points."""
        self.tubes([points], width, color, mat, lift, closed)

    def tubes(
        self, lines: Sequence[Points], width: float, color: Rgb, mat: str = "metal", lift: float = 0.02,
        closed: bool = False,
    ) -> None:  # fmt: skip
        """Lay several round bars at once."""
        px = [self._px(line) for line in lines]
        wide = max(1, round(width * self.scale))
        box = self._box(np.concatenate(px), wide)
        if box is None:
            return
        mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
        cv2.polylines(mask, [_fixed(p, box) for p in px], closed, 255, wide, cv2.LINE_8, 4)
        self._lay(mask, box, color, mat, width / 2, lift, (0, 0), (0, 0), False, 1.0)

    def _lay(
        self, mask: np.ndarray, box: tuple[int, int, int, int], color: Rgb, mat: str, r: float, lift: float,
        tilt: tuple[float, float], origin: Sequence[float], turned: bool, bumps: float,
    ) -> None:  # fmt: skip
        x0, y0, x1, y1 = box
        roi = np.s_[y0:y1, x0:x1]
        if turned:
            left = (mask > 0).argmax(1).astype(np.float32)
            half = np.maximum((mask > 0).sum(1) / 2, 0.5).astype(np.float32)
            u = (np.arange(x1 - x0, dtype=np.float32)[None] + 0.5 - left[:, None] - half[:, None]) / half[:, None]
            up = np.sqrt(np.maximum(1 - u * u, 0)) * half[:, None]
        else:
            reach = max(r * self.scale, 1.0)
            if reach > 1.2:
                t = np.minimum(cv2.distanceTransform(mask, cv2.DIST_L2, 3), reach) / np.float32(reach)
                up = np.sqrt(t * (2 - t)) * np.float32(reach)
            else:
                up = np.zeros(mask.shape, np.float32)
        up += lift * self.scale
        if tilt[0] or tilt[1]:
            up += (np.arange(x0, x1, dtype=np.float32) - np.float32(origin[0]))[None] * np.float32(tilt[0])
            up -= (np.arange(y0, y1, dtype=np.float32) - np.float32(origin[1]))[:, None] * np.float32(tilt[1])
        name, spread, bump = _TEXTURE.get(mat, ("", 0.0, 0.0))
        start = self.rng.integers(0, 100, 2)
        if name and (x1 - x0) * (y1 - y0) > 60:
            wide, high = (min(156, max(2, int(n * 150 / self.scale))) for n in (x1 - x0, y1 - y0))
            tex = _texture(name)[start[0] : start[0] + high, start[1] : start[1] + wide]
            tex = cv2.resize(tex, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
            if bump and bumps:
                up += tex * np.float32(bump * bumps * self.scale)
            cv2.copyTo(np.float32(spread) * tex + np.float32(1), mask, self.shade[roi])
        else:
            cv2.copyTo(np.ones(mask.shape, np.float32), mask, self.shade[roi])
        paint = np.clip(np.array([*color, _GLOSS.get(mat, 0.1)]) * 255, 0, 255).astype(np.uint8).view(np.int32)
        cv2.copyTo(np.full(mask.shape, paint[0]), mask, self.color.view(np.int32)[..., 0][roi])
        cv2.copyTo(up, mask, self.relief[roi])
        np.maximum(self.alpha[roi], mask, out=self.alpha[roi])

    def mark(self, points: Points, color: Rgb, gloss: float = 0.25) -> None:
        """Colour a region of what is laid, such as a sticker or a stripe."""
        px = [np.round((self._px(points) - 0.5) * 16).astype(np.int32)]
        cv2.fillPoly(self.color, px, [float(c) * 255 for c in (*color, gloss)], cv2.LINE_AA, 4)

    def score(self, points: Points, width: float, color: Rgb, closed: bool = False) -> None:
        """Draw a line on what is laid."""
        px = [np.round((self._px(points) - 0.5) * 16).astype(np.int32)]
        rgb = [float(c) * 255 for c in (*color, 0.2)]
        cv2.polylines(self.color, px, closed, rgb, max(1, round(width * self.scale)), cv2.LINE_AA, 4)

    def text(self, x: float, y: float, w: float, h: float, color: Rgb) -> None:
        """Marks like writing."""
        rows = max(1, int(self.rng.integers(1, 4)))
        for i in range(rows):
            top, at = y + h * (1 - i / rows), x
            for n in self.rng.uniform(0.08, 0.3, 5):
                if at + n * w < x + w:
                    self.mark(rect(at, top - 0.6 * h / rows, at + n * w * 0.8, top), color)
                at += n * w

    def face(self, points: Points, color: Rgb, mat: str = "plastic", r: float = 0.02, **more: float) -> None:
        """Lay a flat face given in three dimensions, if it faces the viewer (counter-clockwise corners do)."""
        v = self.view(points)
        n = _normal(v)
        if n[2] > 1e-3:
            tilt = np.clip(-n[:2] / n[2], -1.6, 1.6) * 0.55
            self.part(v, color, mat, r, float(v[0, 2]) * 0.5 + 0.5, (float(tilt[0]), float(tilt[1])), **more)

    def on_face(self, points: Points, color: Rgb, gloss: float = 0.25) -> None:
        """``mark`` in three dimensions, if it faces the viewer."""
        v = self.view(points)
        if _normal(v)[2] > 1e-3:
            self.mark(v, color, gloss)

    def loft(
        self, profile: Points, color: Sequence[Rgb], mat: str | Sequence[str] = "plastic", r: float = 0.03
    ) -> None:  # fmt: skip
        """A body: a counter-clockwise profile of (x, y, half width); a colour per edge, materials too or one."""
        p = np.asarray(profile, float)
        n = len(p)
        colors = list(color)
        mats = [mat] * n if isinstance(mat, str) else list(mat)
        cap = [colors[0], mats[0]]
        near, far = p.copy(), p * (1, 1, -1)
        order = []
        for i in range(n):
            j = (i + 1) % n
            quad = np.array([near[i], far[i], far[j], near[j]])
            order.append((float(self.view(quad)[:, 2].mean()), quad, colors[i], mats[i]))
        order.append((float(self.view(near)[:, 2].mean()), near, cap[0], cap[1]))
        order.append((float(self.view(far)[:, 2].mean()), far[::-1], cap[0], cap[1]))
        for _, quad, c, m in sorted(order, key=lambda o: o[0]):
            self.face(quad, c, m, r)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, z: float, color: Rgb, mat: str, r: float = 0.02,
        z0: float = 0.0,
    ) -> None:  # fmt: skip
        """A box of half width ``z`` about ``z0``."""
        for quad in (
            [[x0, y1, z0 - z], [x0, y1, z0 + z], [x1, y1, z0 + z], [x1, y1, z0 - z]],
            [[x0, y0, z0 - z], [x0, y0, z0 + z], [x0, y1, z0 + z], [x0, y1, z0 - z]],
            [[x1, y0, z0 + z], [x1, y0, z0 - z], [x1, y1, z0 - z], [x1, y1, z0 + z]],
            [[x0, y0, z0 + z], [x1, y0, z0 + z], [x1, y1, z0 + z], [x0, y1, z0 + z]],
        ):
            self.face(quad, color, mat, r)

    def wheel(self, x: float, y: float, radius: float, z0: float, z1: float, rim: Rgb, hub: float = 0.62) -> None:
        """A wheel whose axle runs along z, from ``z0`` to the outer side ``z1``."""
        ring = ellipse(x, y, radius, radius, n=24)
        a, b = (self.view(np.c_[ring, np.full(24, z)]) for z in (z0, z1))
        hull = cv2.convexHull(np.concatenate([a, b])[:, :2].astype(np.float32))[:, 0]
        self.part(hull, _grey(0.09), "rubber", 0.04, 0.55)
        if np.cos(self._yaw) * np.sign(z1 - z0) > 0.1:
            inner = self.view(np.c_[ellipse(x, y, radius * hub, radius * hub, n=20), np.full(20, z1)])
            self.part(inner, rim, "metal", 0.05, 0.53)
            for k in range(5):
                c = ellipse(x, y, radius * hub * 0.62, radius * hub * 0.62, n=5)[k]
                self.mark(self.view(np.c_[ellipse(*c, radius * 0.1, radius * 0.13, n=8), np.full(8, z1)]), _grey(0.08))

    def _measure(self) -> None:
        if self.tall is None:
            rows = self.alpha.any(1).nonzero()[0]
            self.tall = max(1.0, (rows[-1] - rows[0] + 1) / self.scale)

    def warp(self, degrees: float, dent: float = 0.0, squash: float = 1.0) -> None:
        """Turn, squash and dent all that is laid."""
        self._measure()
        waves = self.rng.uniform(0, 6.28, 4), self.rng.uniform(3, 9, 4)
        used = self.alpha.any(1).nonzero()[0], self.alpha.any(0).nonzero()[0]
        y0, y1, x0, x1 = used[0][0], used[0][-1] + 1, used[1][0], used[1][-1] + 1
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        h, w = y1 - y0, x1 - x0
        nh, nw = int((abs(c) * h + abs(s) * w) * squash) + 8, int(abs(c) * w + abs(s) * h) + 8
        if dent:
            nh, nw = nh + int(0.2 * self.scale), nw + int(0.2 * self.scale)
        y = (np.arange(nh, dtype=np.float32)[:, None] - nh / 2) / np.float32(squash)
        x = np.arange(nw, dtype=np.float32)[None] - nw / 2
        u, v = np.float32(c) * x - np.float32(s) * y, np.float32(s) * x + np.float32(c) * y
        if dent:
            (p, f), k = waves, 1 / self.scale
            a = dent * self.scale
            du = a * np.sin(f[0] * v * k + p[0]) + 0.5 * a * np.sin(2 * f[1] * u * k + p[1])
            v = v + np.float32(a) * np.sin(np.float32(f[2] * k) * u + np.float32(p[2]))
            u = u + du
        mx, my = np.float32(u + x0 + w / 2), np.float32(v + y0 + h / 2)
        maps = cv2.convertMaps(mx, my, cv2.CV_16SC2, True)[0]
        self.color = cv2.remap(self.color, maps, None, cv2.INTER_NEAREST)
        self.alpha = cv2.remap(self.alpha, maps, None, cv2.INTER_NEAREST)
        self.shade = cv2.remap(self.shade, maps, None, cv2.INTER_NEAREST)
        self.relief = cv2.remap(self.relief, maps, None, cv2.INTER_NEAREST)

    def finish(self, height_px: float) -> np.ndarray:
        """Light it, crop it to the object and scale it: straight-alpha RGBA."""
        rng = self.rng
        az, el = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.1)
        light = np.array([np.cos(az) * np.cos(el), abs(np.sin(az)) * np.cos(el) + 0.25, np.sin(el)])
        light /= np.linalg.norm(light)
        sun, ambient, shine, rim = (
            rng.uniform(0.5, 1.0),
            rng.uniform(0.3, 0.6),
            rng.uniform(0.2, 1.0),
            rng.uniform(0, 0.4),
        )
        warm = rng.uniform(-0.08, 0.1)
        dirt, exponent, start = rng.uniform(0, 0.3) ** 1.5, int(rng.integers(3, 6)), rng.integers(0, 100, 2)
        flip = _chance(rng, 0.5)
        rows, cols = self.alpha.any(1).nonzero()[0], self.alpha.any(0).nonzero()[0]
        roi = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        alpha = self.alpha[roi]
        h, w = alpha.shape
        on = np.flatnonzero(alpha)  # all below is of these pixels alone
        z = cv2.blur(self.relief[roi], (3, 3))
        gx, gy = (cv2.Sobel(z, cv2.CV_32F, a, 1 - a, ksize=1, scale=0.5).ravel()[on].clip(-2, 2) for a in (1, 0))
        reach = int(0.1 * self.scale) | 1
        corner = ((cv2.blur(z, (reach, reach)) - z).ravel()[on] * np.float32(2.2 / reach)).clip(0, 0.6)
        nz = 1 / np.sqrt(gx * gx + gy * gy + 1)
        nx, ny = -gx * nz, gy * nz
        lx, ly, lz = (np.float32(v) for v in light)
        lambert = lx * nx + ly * ny + lz * nz
        rise = np.arange(h, 0, -1, dtype=np.float32)
        ground = (np.clip(1 - rise / np.float32(0.16 * self.scale), 0, 1) * np.float32(0.35))[on // w]
        sky = np.float32(ambient) * (0.75 + 0.35 * ny) * (1 - corner) * (1 - ground)
        lit = sky + np.float32(sun) * np.maximum(lambert, 0) * (1 - 0.6 * corner)
        lit *= self.shade[roi].ravel()[on]
        glossy = self.color[roi][..., 3].ravel()[on] * np.float32(1 / 255)
        spark = np.maximum(2 * nz * lambert - lz, 0)
        for _ in range(exponent):
            spark *= spark
        mirror = (0.45 + 0.9 * ny + 0.25 * nx).clip(0, 1) * (0.06 + 0.5 * glossy * glossy) * glossy
        shiny = np.float32(shine) * glossy * spark + mirror + np.float32(rim) * (1 - nz) * (1 - nz) * (0.4 + 0.6 * ny)
        tex = cv2.resize(_texture("blotch")[start[0] : start[0] + 150, start[1] : start[1] + 150], (w, h))
        dusty = (np.float32(dirt) * (0.7 + 0.7 * tex.ravel()[on] + 1.5 * ground)).clip(0, 0.7)
        planes = np.zeros((4, h * w), np.float32)
        planes[3, on] = 1
        tints = ((0.47, 1 + warm, 0.88), (0.42, 1.0, 0.97), (0.35, 1 - warm, 1.1))  # of dust, light and sky
        for k, (dust, tint, sky_tint) in enumerate(np.float32(tints)):
            base = self.color[roi][..., k].ravel()[on] * np.float32(1 / 255)
            base += (dust - base) * dusty
            base *= lit * tint
            planes[k, on] = (base + shiny * sky_tint).clip(0, 1)
        out = cv2.merge(list(planes.reshape(4, h, w)))
        self._measure()
        f = height_px / self.scale / self.tall
        size = max(1, round(w * f)), max(1, round(h * f))
        out = cv2.resize(out, size, interpolation=cv2.INTER_AREA if f < 1 else cv2.INTER_LINEAR)
        parts = cv2.split(out)
        cover = np.maximum(parts[3], 1e-3)
        parts = [_GAMMA[np.minimum(part / cover * 255 + 0.5, 255).astype(np.uint8)] for part in parts[:3]] + [
            parts[3] * 255
        ]
        image = cv2.merge([np.uint8(part) for part in parts])
        solid = image[..., 3] > 127
        rows, cols = solid.any(1).nonzero()[0], solid.any(0).nonzero()[0]
        if len(rows):
            image = image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        return np.ascontiguousarray(image[:, ::-1] if flip else image)


def _normal(v: np.ndarray) -> np.ndarray:
    """The normal of a polygon in space, as long as twice its area."""
    a, b = v - v[:1], np.concatenate([v[1:], v[:1]]) - v[:1]
    return np.sum(a[:, (1, 2, 0)] * b[:, (2, 0, 1)] - a[:, (2, 0, 1)] * b[:, (1, 2, 0)], 0)


def _fixed(px: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    return np.round((px - (box[0] + 0.5, box[1] + 0.5)) * 16).astype(np.int32)


def _limb(a: Sequence[float], b: Sequence[float], wa: float, wb: float) -> np.ndarray:
    """The outline of a tapered limb with round ends."""
    angle = np.degrees(np.arctan2(b[1] - a[1], b[0] - a[0]))
    tail = ellipse(a[0], a[1], wa / 2, wa / 2, angle + 90, angle + 270, 7)
    return np.concatenate([tail, ellipse(b[0], b[1], wb / 2, wb / 2, angle - 90, angle + 90, 7)])


def _blob(rng: Rng, cx: float, cy: float, rx: float, ry: float, rough: float = 0.15, n: int = 11) -> np.ndarray:
    """An irregular round outline."""
    p = ellipse(0, 0, 1, 1, n=n) * (1 + rng.uniform(-rough, rough, (n, 1)))
    return smooth(p * (rx, ry) + (cx, cy), 2)


def _car(m: Model, rng: Rng) -> None:
    kind = _one(rng, "saloon", "saloon", "hatch", "hatch", "suv", "suv", "van", "pickup", "lorry")
    paint, trim = _color(rng), _grey(rng.uniform(0.06, 0.25))
    glass, g = _hsv(rng, (0.1, 0.35), (0.08, 0.3), (0.5, 0.65)), rng.uniform(-0.03, 0.03)
    side = rng.random()  # which it shows: its side, its front or rear, or two of them
    yaw = float(rng.uniform(-10, 10) if side < 0.22 else rng.choice([-90, 90]) if side < 0.55 else rng.uniform(-75, 75))
    m.look(yaw + rng.uniform(-3, 3), rng.uniform(0, 9))
    # Profiles run counter-clockwise from the rear bottom; the front is on the right.
    L = {"saloon": 1.5, "hatch": 1.25, "suv": 1.35, "van": 1.3, "pickup": 1.6, "lorry": 1.1}[kind] * rng.uniform(
        0.95, 1.05
    )
    W = {"suv": 0.58, "lorry": 0.6, "van": 0.52}.get(kind, 0.62) * rng.uniform(0.95, 1.05)
    low, r = {"suv": 0.2, "lorry": 0.2, "pickup": 0.22}.get(kind, 0.14), {"lorry": 0.17, "van": 0.17}.get(kind, 0.21)
    belt = {"suv": 0.6, "van": 0.55, "lorry": 0.5, "pickup": 0.6}.get(kind, 0.6) + g
    hood = {"van": 0.55, "lorry": 0.5}.get(kind, 0.53) + g
    fr, rr = L * 0.62, -L * 0.6  # axles
    front = [[L - 0.04, low, W * 0.9], [L, low + 0.18, W * 0.92], [L - 0.05, hood - 0.04, W * 0.93]]
    nose = {"van": L - 0.22, "lorry": L - 0.06}.get(kind, L * 0.42)
    lower = [
        [-L + 0.03, low, W * 0.92],
        *front,
        [nose, belt, W],
        [-L + 0.08, belt + 0.02, W * 0.97],
        [-L, low + 0.2, W * 0.95],
    ]
    dark = _mul(paint, 0.9)
    m.box(-L * 0.93, 0.08, L * 0.95, low + 0.03, W * 0.84, _grey(0.03), "", 0.01)
    m.loft(lower, [paint, trim, paint, paint, paint, dark, dark], "paint", 0.05)
    top = rng.uniform(0.97, 1.03)
    T = W * {"van": 0.92, "lorry": 0.97}.get(kind, 0.74)
    tail = {
        "saloon": (-L * 0.68, -L * 0.38),
        "hatch": (-L + 0.09, -L * 0.75),
        "suv": (-L + 0.07, -L + 0.2),
        "van": (-L + 0.08, -L + 0.1),
        "pickup": (-L * 0.16, -L * 0.12),
        "lorry": (L * 0.1, L * 0.12),
    }[kind]
    screen = {"van": L * 0.5, "lorry": L - 0.12}.get(kind, L * rng.uniform(0.06, 0.14))
    cabin = [[tail[0], belt, W * 0.95], [nose - 0.02, belt, W * 0.95], [screen, top, T], [tail[1], top, T]]
    if kind == "lorry":
        box = _color(rng)
        m.box(-L, low + 0.1, L * 0.1, top + 0.02, W, box, "plastic", 0.02)
        m.on_face([[-L * 0.8, 0.55, W], [-L * 0.1, 0.55, W], [-L * 0.1, 0.8, W], [-L * 0.8, 0.8, W]], _color(rng))
    m.loft(cabin, [paint] * 4, "paint", 0.03)
    rear = kind not in ("lorry", "van") or _chance(rng, 0.4)
    for (xa, xb), s in (((nose - 0.02, screen), 1), ((tail[0], tail[1]), -1))[: 1 + rear]:
        q = np.array([[xa + (xb - xa) * t, belt + (top - belt) * t, s * z * (W * 0.95 + (T - W * 0.95) * t)]
                      for t, z in ((0.1, 0.9), (0.1, -0.9), (0.88, -0.86), (0.88, 0.86))])  # fmt: skip
        m.face(q, glass, "glass", 0.03)
    if kind == "pickup":
        m.on_face(
            [
                [-L + 0.12, belt, W * 0.9],
                [tail[0] - 0.04, belt, W * 0.9],
                [tail[0] - 0.04, belt, -W * 0.9],
                [-L + 0.12, belt, -W * 0.9],
            ],
            _grey(0.12),
        )

    # Side windows.
    def slant(x: float, t: float) -> list[float]:
        y = belt + (top - belt) * t
        return [x, y, W * 0.95 + (T - W * 0.95) * t]

    a0, a1, b0, b1 = tail[0], tail[1], nose - 0.02, screen
    cuts = [0.06, 0.5, 0.94] if kind not in ("pickup", "lorry") else [0.1, 0.9]
    if kind == "van" and _chance(rng, 0.6):
        cuts = [0.66, 0.95]
    for u, v in zip(cuts[:-1], cuts[1:], strict=True):
        corners = ((u + 0.01, 0.1), (v - 0.01, 0.1), (v - 0.01, 0.84), (u + 0.01, 0.84))
        ends = ((a0 + (a1 - a0) * t, b0 + (b1 - b0) * t, w, t) for w, t in corners)
        q = [slant(a + (b - a) * w, t) for a, b, w, t in ends]
        m.face(q, glass, "glass", 0.02)
    for x in (0.32, 0.62) if kind != "lorry" else ():
        at = a0 + (b0 - a0) * x
        if np.cos(m._yaw) > 0.2:
            m.score(m.view([[at, low + 0.06, W], [at, belt, W]]), 0.008, _mul(paint, 0.4))
            m.score(m.view([[at - 0.2, belt - 0.08, W], [at - 0.1, belt - 0.08, W]]), 0.02, _mul(paint, 0.5))
    # Lamps, grille, plates.
    lamp, xf, xr = _hsv(rng, (0, 0.15), (0.85, 1)), L - 0.02, -L + 0.03
    y0, y1 = low + 0.2, hood - 0.07
    for s in (-1, 1):
        z0, z1 = sorted((s * W * 0.86, s * W * rng.uniform(0.45, 0.55)))
        m.on_face([[xf, y0, z1], [xf, y0, z0], [xf - 0.04, y1, z0], [xf - 0.04, y1, z1]], lamp, 0.9)
        red = (0.75, 0.05, 0.05)
        m.on_face(
            [[xr, y0 + 0.02, z0], [xr, y0 + 0.02, z1], [xr + 0.02, belt - 0.05, z1], [xr + 0.02, belt - 0.05, z0]],
            red,
            0.8,
        )
    m.on_face(
        [[xf, y0 - 0.05, W * 0.4], [xf, y0 - 0.05, -W * 0.4], [xf - 0.03, y1, -W * 0.4], [xf - 0.03, y1, W * 0.4]], trim
    )
    p0 = low + 0.07
    for x, s in ((L - 0.02, 1), (-L + 0.02, -1)):
        m.on_face(
            [[x, p0, 0.2 * s], [x, p0, -0.2 * s], [x, p0 + 0.09, -0.2 * s], [x, p0 + 0.09, 0.2 * s]], (0.9, 0.9, 0.8)
        )
    rim = _grey(rng.uniform(0.3, 0.8))
    front_on = abs(np.cos(m._yaw)) < 0.35
    for x in (fr, rr):
        if front_on:
            near = x * -np.sin(m._yaw) > 0
            if near:
                end = L - 0.02 if x > 0 else -L + 0.02
                for z in (-W * 0.78, W * 0.78):
                    c = m.view([[end, r * 0.6, z]])[0]
                    m.part(rect(c[0] - 0.1, c[1] - r * 0.7, c[0] + 0.1, c[1] + 0.06), _grey(0.07), "rubber", 0.03, 0.1)
        else:
            arch = m.view(np.c_[ellipse(x, r, r * 1.2, r * 1.2, n=24), np.full(24, W)])
            m.mark(arch, _grey(0.04), 0)
            m.wheel(x, r, r, W - 0.2, W + 0.01, rim)
    if front_on and np.sin(m._yaw) < 0:  # seen from the front: mirrors
        for z in (-W * 1.08, W * 1.08):
            c = m.view([[nose - 0.1, belt + 0.06, z]])[0]
            m.part(_limb((c[0] - 0.04, c[1]), (c[0] + 0.04, c[1]), 0.09, 0.09), paint, "paint", 0.04, 0.8)
    if _chance(rng, 0.08):
        m.warp(0, 0.02)


_SKINS = ((0.95, 0.78, 0.66), (0.85, 0.63, 0.48), (0.62, 0.42, 0.3), (0.4, 0.26, 0.18), (0.98, 0.84, 0.74))


def _pedestrian(m: Model, rng: Rng) -> None:
    m.tall = 1.0  # a raised hand or an umbrella comes on top
    child = _chance(rng, 0.25)
    head = 0.115 if child else rng.uniform(0.068, 0.078)
    hip, shoulder = (0.42, 0.74) if child else (rng.uniform(0.47, 0.52), rng.uniform(0.81, 0.83))
    side = _chance(rng, 0.4)
    back = not side and _chance(rng, 0.35)
    broad = (0.1 if side else 0.145) * rng.uniform(0.85, 1.25)
    skin = _SKINS[int(rng.integers(len(_SKINS)))]
    coat, legs, shoe, hair = (
        _color(rng),
        _color(rng),
        _hsv(rng, (0, 0.4), (0.05, 0.5)),
        _hsv(rng, (0.1, 0.7), (0.05, 0.6), (0.04, 0.12)),
    )
    stride = rng.uniform(0.03, 0.2) if side else rng.uniform(0.03, 0.09)
    skirt, long_coat = _chance(rng, 0.2), _chance(rng, 0.2)
    thick = (0.12 if side else 0.115) * rng.uniform(0.85, 1.15)
    foot = 0.07 if side else 0.02

    def arm(s: float, front: bool) -> None:
        x = 0 if side else s * (broad - 0.01)
        swing = s * rng.uniform(0, 0.15) if side else s * rng.uniform(0.02, 0.07)
        raised = _chance(rng, 0.08)
        elbow = (x + swing * 0.6, shoulder + 0.03 if raised else shoulder - 0.16)
        hand = (x + swing + (0.05 if side else 0), shoulder + 0.2 if raised else shoulder - 0.33)
        if raised:
            elbow, hand = (x + s * 0.13, shoulder + 0.02), (x + s * 0.17, shoulder + 0.18)
        lift = 0.08 if front else -0.02
        m.part(ellipse(*hand, 0.028, 0.032, n=12), skin, "skin", 0.03, lift)
        c = _mul(coat, 0.95) if short < 0.75 else skin
        m.part(_limb(elbow, hand, 0.06, 0.05), c, "cloth", 0.03, lift)
        m.part(_limb((x, shoulder - 0.03), elbow, 0.08, 0.065), coat, "cloth", 0.035, lift)

    short = rng.random()
    bag, hat = rng.random(), rng.random()
    if bag < 0.2 and back or bag < 0.25 and side:
        pass
    arm(-1, False)
    for s in (-1, 1):
        x = 0 if side else s * broad * 0.5
        end = (s * stride if side else s * (broad * 0.45 + stride * 0.3), 0.045 + (0.03 if s < 0 and side else 0))
        knee = ((x + end[0]) / 2 + (0.03 if side else 0), hip * 0.52)
        c = _mul(legs, 0.75 if s < 0 and side else 1)
        m.part(_limb((end[0], 0.03), (end[0] + foot, 0.028), 0.055, 0.05), shoe, "plastic", 0.025, 0.05)
        bare = skirt and short > 0.4
        m.part(_limb(knee, end, thick * 0.75, thick * 0.5), skin if bare else c, "cloth", 0.04, 0.0)
        m.part(_limb((x, hip), knee, thick, thick * 0.78), skin if bare else c, "cloth", 0.05, 0.0)
    hem = hip - (0.2 if long_coat else 0.03)
    if skirt:
        m.part(
            [
                [-broad * 0.7, hip + 0.08],
                [broad * 0.7, hip + 0.08],
                [broad * 1.15, hip - 0.2],
                [-broad * 1.15, hip - 0.2],
            ],
            legs,
            "cloth",
            0.07,
            0.02,
        )
    waist = broad * rng.uniform(0.72, 1.0)
    torso = [
        [-waist, hem],
        [waist, hem],
        [waist * 0.95, hip + 0.12],
        [broad, shoulder - 0.05],
        [broad * 0.75, shoulder + 0.005],
        [0.03, shoulder + 0.025],
        [-0.03, shoulder + 0.025],
        [-broad * 0.75, shoulder + 0.005],
        [-broad, shoulder - 0.05],
        [-waist * 0.95, hip + 0.12],
    ]
    m.part(smooth(torso, 1), coat, "cloth", 0.09, 0.02)
    pattern = rng.random()
    if not side and not back and pattern < 0.35:
        m.score([[0, hem], [0, shoulder]], 0.01, _mul(coat, 0.5))
        m.mark([[-0.04, shoulder + 0.02], [0.04, shoulder + 0.02], [0, shoulder - 0.09]], _color(rng))
    elif pattern < 0.55:
        c = _color(rng)
        for y in np.arange(hip + 0.05, shoulder - 0.03, 0.07):
            m.mark(rect(-waist * 0.93, y, waist * 0.93, y + 0.03), c)
    elif pattern < 0.68:  # a safety vest
        m.mark(
            [[-waist * 0.9, hip], [waist * 0.9, hip], [broad * 0.7, shoulder], [-broad * 0.7, shoulder]],
            (0.85, 0.95, 0.1),
        )
        m.mark(rect(-waist * 0.9, hip + 0.08, waist * 0.9, hip + 0.12), _grey(0.9), 0.8)
    hc = 1 - head * 1.05
    m.part(_limb((0, shoulder), (0.01 * side, hc - head * 0.6), 0.075, 0.07), skin, "skin", 0.03, 0.0)
    m.part(ellipse(0.01 * side, hc, head * (0.92 if side else 0.8), head * 1.08, n=24), skin, "skin", head, 0.04)
    if side:
        m.part(ellipse(head * 0.95, hc - head * 0.1, head * 0.2, head * 0.16, n=8), skin, "skin", 0.02, 0.05)
        m.part(
            smooth(
                [
                    [-head, hc - head * 0.8],
                    [-head * 0.1, hc - 0.1 * head],
                    [head * 0.75, hc + head * 0.45],
                    [head * 0.3, hc + head * 1.12],
                    [-head * 0.7, hc + head * 1.0],
                ],
                2,
            ),
            hair,
            "fur",
            0.05,
            0.06,
        )
    elif back:
        m.part(ellipse(0, hc + head * 0.08, head * 0.88, head * 1.05, n=20), hair, "fur", head, 0.06)
        if _chance(rng, 0.4):
            m.part(smooth(rect(-head * 0.8, hc - head * 2, head * 0.8, hc), 2), hair, "fur", 0.05, 0.06)
    else:
        if _chance(rng, 0.4):
            for s in (-1, 1):
                m.part(
                    _limb(
                        (s * head * 0.78, hc + head * 0.3), (s * head * 0.85, hc - head * 1.3), head * 0.5, head * 0.4
                    ),
                    hair,
                    "fur",
                    0.03,
                    0.03,
                )
        m.part(
            smooth(
                [
                    [-head * 0.9, hc],
                    [-head * 0.5, hc + head * 0.5],
                    [head * 0.55, hc + head * 0.55],
                    [head * 0.9, hc],
                    [head * 0.7, hc + head * 1.05],
                    [0, hc + head * 1.3],
                    [-head * 0.7, hc + head * 1.05],
                ],
                2,
            ),
            hair,
            "fur",
            0.04,
            0.06,
        )
        for s in (-1, 1):
            m.mark(ellipse(s * head * 0.32, hc + head * 0.08, head * 0.13, head * 0.1, n=8), (0.08, 0.05, 0.05), 0.5)
        m.mark(rect(-head * 0.25, hc - head * 0.55, head * 0.25, hc - head * 0.45), (0.6, 0.25, 0.22))
    if hat < 0.35:
        c = _color(rng)
        m.part(
            smooth(
                [
                    [-head * 0.95, hc + head * 0.35],
                    [head * 0.95, hc + head * 0.35],
                    [head * 0.75, hc + head * 1.15],
                    [-head * 0.75, hc + head * 1.15],
                ],
                2,
            ),
            c,
            "cloth",
            0.05,
            0.08,
        )
        if hat < 0.22:
            w = head * (1.7 if hat < 0.1 else 1.3)
            m.part(
                _limb((-w if hat < 0.1 else 0, hc + head * 0.42), (w, hc + head * 0.38), 0.025, 0.025),
                _mul(c, 0.85),
                "cloth",
                0.01,
                0.1,
            )
    if side:
        m.part(_limb((0, shoulder - 0.04), (0, shoulder - 0.05), 0.1, 0.1), coat, "cloth", 0.05, 0.07)
    arm(1, True)
    c = _color(rng)
    if bag < 0.22:  # a rucksack
        if side:
            m.part(smooth(rect(-broad - 0.12, hip + 0.05, -broad + 0.03, shoulder - 0.01), 2), c, "cloth", 0.05, 0.06)
        elif back:
            m.part(smooth(rect(-broad * 0.8, hip + 0.03, broad * 0.8, shoulder - 0.01), 2), c, "cloth", 0.06, 0.1)
            m.part(
                smooth(rect(-broad * 0.5, hip + 0.05, broad * 0.5, hip + 0.15), 1), _mul(c, 0.8), "cloth", 0.02, 0.15
            )
        else:
            m.tubes(
                [[[s * broad * 0.5, shoulder], [s * broad * 0.6, shoulder - 0.2]] for s in (-1, 1)],
                0.03,
                c,
                "cloth",
                0.12,
            )
    elif bag < 0.42:  # a carried bag
        x = 0.1 if side else broad + 0.05
        m.part(smooth(rect(x - 0.08, 0.25, x + 0.08, 0.41), 1), c, _one(rng, "plastic", "cloth"), 0.04, 0.1)
        m.tube([[x - 0.04, 0.4], [x, 0.49], [x + 0.04, 0.4]], 0.012, _mul(c, 0.7), "cloth", 0.1)
    elif bag < 0.5:  # an umbrella
        m.tube([[broad, 0.6], [broad * 0.8, 1.12]], 0.015, _grey(0.2), "metal", 0.15)
        dome = np.concatenate(
            [
                ellipse(0.06, 0.98, 0.36, 0.27, 0, 180, 20),
                [[-0.18, 1.01], [-0.06, 0.975], [0.06, 1.01], [0.18, 0.975], [0.3, 1.01]],
            ]
        )
        m.part(dome, c, "cloth", 0.12, 0.1)
        for x in (-0.16, 0.06, 0.28):
            m.score([[0.06, 1.25], [x, 0.99]], 0.008, _mul(c, 0.5))
    if _chance(rng, 0.1):
        m.warp(float(rng.choice([-1, 1]) * rng.uniform(75, 95)))


def _bicycle(m: Model, rng: Rng) -> None:
    kind = _one(rng, "road", "city", "mtb", "kid")
    frame, black = _color(rng), _grey(0.08)
    tire = {"road": 0.022, "city": 0.03, "mtb": 0.045, "kid": 0.045}[kind]
    R, base, seat = {"kid": (0.27, 0.42, 0.72)}.get(
        kind, (rng.uniform(0.31, 0.34), rng.uniform(0.5, 0.55), rng.uniform(0.88, 0.95))
    )
    m.sx = float(rng.choice([1.0, rng.uniform(0.5, 0.95), 0.16], p=[0.5, 0.38, 0.12]))
    thin = m.sx < 0.3
    hubs = [(-base, R), (base, R)]
    bottom, seat_tube, head = (-0.1, R * 0.9), (-0.26, seat - 0.14), (base - 0.14, 0.82 if kind != "kid" else 0.68)
    spokes = int(rng.integers(8, 14))
    for x, y in hubs:
        m.tubes([[[x, y], q] for q in ellipse(x, y, R - 0.02, R - 0.02, n=spokes)], 0.006, _grey(0.6), "metal", 0)
        m.tube(ellipse(x, y, R - tire, R - tire, n=32), 0.014, _grey(0.7), "metal", 0.02, True)
        m.tube(ellipse(x, y, R - tire / 2, R - tire / 2, n=32), tire, black, "rubber", 0.03, True)
        m.part(ellipse(x, y, 0.03, 0.03, n=10), _grey(0.5), "metal", 0.02, 0.05)
    w = 0.04 if kind == "mtb" else 0.032
    tubes = [[bottom, hubs[0]], [seat_tube, hubs[0]], [bottom, seat_tube], [bottom, (head[0] + 0.02, head[1] - 0.1)]]
    top = (head[0] + 0.01, head[1] - 0.05)
    tubes.append(
        [(seat_tube[0] + 0.05, seat_tube[1] - 0.25), (head[0], head[1] - 0.07)]
        if kind == "city" and _chance(rng, 0.7)
        else [seat_tube, top]
    )
    if kind in ("city", "road") and _chance(rng, 0.5):
        for x, y in hubs:
            m.tube(
                ellipse(x, y, R + 0.035, R + 0.035, 30 if x > 0 else 45, 150 if x > 0 else 190, 14),
                0.025,
                _grey(0.15),
                "metal",
                0.04,
            )
    m.tube([head, (base - 0.05, 0.5), hubs[1]], w, frame, "paint", 0.06)
    m.tubes(tubes, w, frame, "paint", 0.06)
    m.tube([seat_tube, (-0.3, seat)], 0.025, _grey(0.6), "metal", 0.05)
    m.part(
        smooth([[-0.44, seat + 0.03], [-0.4, seat - 0.03], [-0.2, seat - 0.01], [-0.15, seat + 0.025]], 2),
        black,
        "rubber",
        0.03,
        0.1,
    )
    bar = _grey(rng.choice([0.1, 0.6]))
    hx, hy = head
    if thin:
        m.part(_limb((hx - 1.3, hy + 0.1), (hx + 1.3, hy + 0.1), 0.05, 0.05), bar, "metal", 0.02, 0.1)
    elif kind == "road":
        m.tube(
            smooth(
                [
                    [hx, hy],
                    [hx + 0.03, hy + 0.06],
                    [hx + 0.16, hy + 0.08],
                    [hx + 0.2, hy],
                    [hx + 0.14, hy - 0.08],
                    [hx + 0.04, hy - 0.07],
                ],
                1,
            )[1:-2],
            0.03,
            bar,
            "rubber",
            0.1,
        )
    else:
        m.tube(
            [[hx, hy], [hx - 0.03, hy + 0.14], [hx + (0.06 if kind == "mtb" else -0.14), hy + 0.17]],
            0.032,
            bar,
            "metal",
            0.1,
        )
    m.part(
        ellipse(*bottom, 0.075, 0.075, n=18),
        _grey(0.4),
        "metal",
        0.02,
        0.1,
        holes=[ellipse(*bottom, 0.045, 0.045, n=12)],
    )
    a = rng.uniform(0, 6.3)
    for s in (-1, 1):
        e = (bottom[0] + s * 0.14 * np.cos(a), bottom[1] + s * 0.14 * np.sin(a))
        m.tube([bottom, e], 0.022, _grey(0.35), "metal", 0.12)
        m.part(rect(e[0] - 0.05, e[1] - 0.015, e[0] + 0.05, e[1] + 0.015), black, "rubber", 0.01, 0.12)
    if kind == "city" and _chance(rng, 0.6):
        m.part(
            [[hx + 0.05, hy - 0.05], [hx + 0.3, hy - 0.05], [hx + 0.34, hy + 0.14], [hx + 0.02, hy + 0.14]],
            _wood(rng),
            "card",
            0.03,
            0.12,
        )
    if _chance(rng, 0.3):
        m.tube([[-base - 0.22, 2 * R + 0.1], [-0.3, 2 * R + 0.08]], 0.025, _grey(0.2), "metal", 0.08)
    if _chance(rng, 0.2) and not thin:
        m.warp(float(rng.uniform(-14, 14)), 0.0, float(rng.uniform(0.35, 0.7)))
    elif _chance(rng, 0.1):
        m.warp(0, 0.015)


def _dog(m: Model, rng: Rng) -> None:
    fur = _hsv(rng, (0, 0.65), (0.08, 0.95), (0.04, 0.12))
    second = _hsv(rng, (0, 0.4), (0.05, 1), (0.05, 0.12))
    mat, dark = _one(rng, "fur", "fur", "plush"), (0.06, 0.05, 0.05)
    pose = _one(rng, "stand", "stand", "walk", "walk", "sit", "front", "lie")
    leg, deep, long = rng.uniform(0.3, 0.45), rng.uniform(0.24, 0.34), rng.uniform(0.85, 1.2)
    snout, ear, thick = rng.uniform(0.1, 0.22), _one(rng, "up", "hang", "half"), rng.uniform(0.09, 0.13)
    hr = rng.uniform(0.12, 0.15)

    def head(x: float, y: float) -> None:
        m.part(ellipse(x, y, hr * 1.05, hr, n=20), fur, mat, hr, 0.14)
        m.part(
            smooth(
                [
                    [x + hr * 0.3, y + hr * 0.45],
                    [x + hr + snout, y + 0.01],
                    [x + hr + snout, y - 0.075],
                    [x + hr * 0.3, y - hr * 0.85],
                ],
                2,
            ),
            _c(0.5),
            mat,
            0.06,
            0.15,
        )
        m.part(ellipse(x + hr + snout - 0.012, y - 0.01, 0.032, 0.028, n=10), dark, "plastic", 0.03, 0.2)
        m.mark(ellipse(x + hr * 0.45, y + hr * 0.25, 0.026, 0.026, n=10), dark, 0.9)
        m.score([[x + hr * 0.8, y - 0.08], [x + hr + snout - 0.03, y - 0.065]], 0.01, dark)
        if ear == "hang":
            m.part(
                smooth(
                    [
                        [x - hr * 0.1, y + hr * 0.7],
                        [x - hr * 0.75, y + hr * 0.65],
                        [x - hr * 0.85, y - hr],
                        [x - hr * 0.25, y - hr * 0.9],
                    ],
                    2,
                ),
                ears,
                mat,
                0.03,
                0.22,
            )
        else:
            t = 1.9 if ear == "up" else 1.45
            m.part(
                [[x - hr * 0.85, y + hr * 0.5], [x + hr * 0.15, y + hr * 0.75], [x - hr * 0.55, y + hr * t]],
                ears,
                mat,
                0.03,
                0.2,
            )

    def _c(p: float) -> Rgb:
        return second if mask > p else fur

    mask = rng.random()
    ears = second if _chance(rng, 0.4) else _mul(fur, 0.8)
    collar = _color(rng)
    if pose == "front":
        w, top = rng.uniform(0.15, 0.2), 0.62
        m.tube(smooth([[w, 0.5], [w + 0.12, 0.6], [w + 0.16, 0.75], [w + 0.1, 0.6]], 2)[:8], 0.05, fur, mat, -0.05)
        m.part(ellipse(0, 0.45, w * 1.15, 0.2, n=20), _mul(fur, 0.85), mat, 0.15, 0)
        for s in (-1, 1):
            m.part(_limb((s * w * 1.0, 0.35), (s * w * 1.0, 0.05), 0.12, 0.08), _mul(fur, 0.75), mat, 0.05, -0.05)
        for s in (-1, 1):
            m.part(_limb((s * w * 0.6, 0.45), (s * w * 0.6, 0.04), 0.14, 0.09), fur, mat, 0.06, 0.05)
            m.part(ellipse(s * w * 0.6, 0.035, 0.065, 0.04, n=12), _c(0.4), mat, 0.04, 0.1)
        m.part(
            smooth([[-w * 0.8, 0.3], [w * 0.8, 0.3], [w * 0.9, 0.55], [0.1, 0.7], [-0.1, 0.7], [-w * 0.9, 0.55]], 2),
            _c(0.3),
            mat,
            0.12,
            0.06,
        )
        m.part(_limb((-0.1, top), (0.1, top), 0.05, 0.05), collar, "plastic", 0.02, 0.15)
        y = 0.8
        for s in (-1, 1):
            pts = (
                [[s * 0.05, y + 0.13], [s * 0.15, y + 0.08], [s * 0.17, y + 0.27]]
                if ear == "up"
                else [[s * 0.06, y + 0.15], [s * 0.15, y + 0.12], [s * 0.24, y - 0.1], [s * 0.15, y - 0.1]]
            )
            m.part(smooth(pts, 1), ears, mat, 0.03, 0.12)
        m.part(
            smooth(
                [
                    [-0.1, y - 0.14],
                    [0.1, y - 0.14],
                    [0.165, y + 0.02],
                    [0.1, y + 0.17],
                    [-0.1, y + 0.17],
                    [-0.165, y + 0.02],
                ],
                2,
            ),
            fur,
            mat,
            0.13,
            0.14,
        )
        m.part(ellipse(0, y - 0.07, 0.075, 0.085, n=16), _c(0.4), mat, 0.07, 0.2)
        m.part(ellipse(0, y - 0.03, 0.035, 0.026, n=10), dark, "plastic", 0.03, 0.28)
        m.score([[-0.04, y - 0.11], [0, y - 0.09], [0.04, y - 0.11]], 0.012, dark)
        if _chance(rng, 0.4):
            m.part(_limb((0, y - 0.11), (0, y - 0.17), 0.05, 0.05), (0.9, 0.4, 0.45), "skin", 0.02, 0.27)
        for s in (-1, 1):
            m.mark(ellipse(s * 0.075, y + 0.04, 0.024, 0.024, n=10), dark, 0.9)
        return
    tail = _one(rng, "up", "down", "curl")
    if pose == "sit":
        m.tube(smooth([[-0.3, 0.1], [-0.5, 0.06], [-0.62, 0.16], [-0.5, 0.07]], 2)[:9], 0.06, fur, mat, 0)
        m.part(
            smooth([[-0.4, 0.02], [0.1, 0.02], [0.24, 0.4], [0.2, 0.68], [-0.02, 0.72], [-0.2, 0.5], [-0.42, 0.25]], 2),
            fur,
            mat,
            0.15,
            0.02,
        )
        m.part(
            smooth([[-0.42, 0.02], [0.02, 0.0], [0.05, 0.05], [-0.05, 0.1], [-0.04, 0.28], [-0.3, 0.32]], 2),
            fur,
            mat,
            0.1,
            0.1,
        )
        for s, f in ((0.05, 0.8), (-0.03, 1)):
            m.part(_limb((0.15 + s, 0.4), (0.16 + s, 0.05), 0.12, 0.08), _mul(fur, f), mat, 0.05, 0.1)
            m.part(_limb((0.16 + s, 0.03), (0.22 + s, 0.03), 0.06, 0.06), _c(0.5), mat, 0.03, 0.12)
        m.part(_limb((0.08, 0.55), (0.15, 0.78), 0.24, 0.18), fur, mat, 0.1, 0.06)
        m.part(_limb((0.07, 0.68), (0.22, 0.66), 0.04, 0.04), collar, "plastic", 0.02, 0.2)
        head(0.18, 0.84)
        return
    drop = 0.3 if pose == "lie" else 0.0
    L = 0.45 * long
    yb = 0.17 if pose == "lie" else leg + deep / 2
    xs = [(-L + 0.07, 0.75), (L - 0.12, 0.75), (-L + 0.02, 1.0), (L - 0.05, 1.0)]
    t0 = (-L - 0.02, yb + deep * 0.3)
    curve = {
        "up": [t0, (-L - 0.14, yb + 0.2), (-L - 0.12, yb + 0.42)],
        "down": [t0, (-L - 0.13, yb), (-L - 0.16, yb - 0.22)],
        "curl": [t0, (-L - 0.1, yb + 0.28), (-L + 0.06, yb + 0.3), (-L + 0.08, yb + 0.22)],
    }[tail]
    if pose == "lie":
        curve = [t0, (-L - 0.2, 0.06), (-L - 0.32, 0.05)]
    m.tube(curve, rng.uniform(0.04, 0.09), fur, mat, 0)
    for i, (x, f) in enumerate(xs):
        c = _mul(fur, f)
        if pose == "lie":
            if i > 1:
                m.part(_limb((x - 0.02, 0.05), (x + 0.25, 0.04), 0.1, 0.07), c, mat, 0.04, 0.2)
            continue
        step = (0.1 if i % 3 == 0 else -0.1) * rng.uniform(0.5, 1.2) if pose == "walk" else rng.uniform(-0.02, 0.02)
        foot = (x + step, 0.035)
        knee = (x + step * 0.4 + (-0.05 if i % 2 == 0 else 0.02), leg * 0.5)
        m.part(_limb(knee, foot, thick * 0.72, thick * 0.55), _mul(_c(0.6), f), mat, 0.04, 0.02 * i)
        m.part(_limb((x, yb), knee, thick * (1.7 if i % 2 == 0 else 1.35), thick * 0.75), c, mat, 0.07, 0.02 * i)
        m.part(_limb(foot, (foot[0] + 0.045, 0.03), 0.06, 0.055), _mul(_c(0.6), f), mat, 0.03, 0.02 * i)
    body = [
        [-L - 0.04, yb + deep * 0.1],
        [-L + 0.05, yb - deep * 0.4],
        [0.05, yb - deep * 0.4],
        [L - 0.05, yb - deep * 0.62],
        [L + 0.06, yb],
        [L, yb + deep * 0.5],
        [0, yb + deep * 0.42],
        [-L + 0.05, yb + deep * 0.48],
    ]
    m.part(smooth(body, 2), fur, mat, deep * 0.5, 0.06)
    if _chance(rng, 0.35):
        for _ in range(3):
            m.mark(
                _blob(
                    rng,
                    rng.uniform(-L, L) * 0.6,
                    yb + rng.uniform(-0.02, 0.1),
                    rng.uniform(0.06, 0.2),
                    rng.uniform(0.05, 0.1),
                    0.3,
                ),
                second,
            )
    hx, hy = L + 0.12, 0.84 - drop * 1.15
    if pose != "lie" and _chance(rng, 0.2):
        hy = 0.68
    m.part(_limb((L - 0.06, yb + deep * 0.15), (hx - 0.02, hy - 0.03), deep * 0.75, 0.19), fur, mat, 0.09, 0.08)
    if _chance(rng, 0.5):
        mx, my = (L - 0.06 + hx) / 2 + 0.02, (yb + hy) / 2 + 0.06
        m.part(_limb((mx - 0.08, my + 0.06), (mx + 0.09, my - 0.04), 0.04, 0.04), collar, "plastic", 0.02, 0.2)
    head(hx, hy)


def _stroller(m: Model, rng: Rng) -> None:
    cloth, frame, rubber = _color(rng), _grey(rng.choice([0.1, 0.3, 0.65])), _grey(0.08)
    kind = _one(rng, "buggy", "buggy", "pram", "jogger", "front")
    R = {"pram": 0.17, "jogger": 0.2}.get(kind, rng.uniform(0.085, 0.12))

    def wheel(x: float, r: float) -> None:
        m.part(ellipse(x, r, r, r, n=24), rubber, "rubber", 0.03, 0.1, holes=[ellipse(x, r, r * 0.68, r * 0.68, n=16)])
        m.tubes([[[x, r], q] for q in ellipse(x, r, r * 0.7, r * 0.7, n=7)], 0.014, _grey(0.6), "metal", 0.1)
        m.part(ellipse(x, r, r * 0.22, r * 0.22, n=10), _grey(0.5), "metal", 0.02, 0.12)

    if kind == "front":
        w = rng.uniform(0.2, 0.26)
        m.tubes([[[s * w, 0.95], [s * w, 0.1]] for s in (-1, 1)] + [[[-w, 0.96], [w, 0.96]]], 0.03, frame, "metal", 0)
        for s in (-1, 1):
            m.part(
                smooth(rect(s * (w + 0.03) - 0.035, 0, s * (w + 0.03) + 0.035, 2 * R), 1), rubber, "rubber", 0.03, 0.1
            )
        m.part(smooth(rect(-w + 0.04, 0.12, w - 0.04, 0.26), 1), _mul(cloth, 0.6), "cloth", 0.03, 0)
        m.part(
            smooth([[-w * 0.8, 0.24], [w * 0.8, 0.24], [w, 0.45], [w, 0.85], [-w, 0.85], [-w, 0.45]], 1),
            _mul(cloth, 0.45),
            "cloth",
            0.05,
            0.02,
        )
        if _chance(rng, 0.5):
            m.part(smooth(rect(-0.12, 0.3, 0.12, 0.58), 2), _color(rng), "cloth", 0.08, 0.08)
            m.part(ellipse(0, 0.65, 0.085, 0.09, n=16), _SKINS[int(rng.integers(5))], "skin", 0.08, 0.1)
        m.part(smooth([[-w, 0.24], [w, 0.24], [w * 1.05, 0.42], [-w * 1.05, 0.42]], 2), cloth, "cloth", 0.07, 0.12)
        m.part(
            np.concatenate(
                [ellipse(0, 0.72, w * 1.12, 0.27, 0, 180, 18), [[-w * 0.8, 0.72], [0, 0.8], [w * 0.8, 0.72]]]
            ),
            cloth,
            "cloth",
            0.1,
            0.15,
        )
        m.part(_limb((-w, 0.46), (w, 0.46), 0.04, 0.04), rubber, "rubber", 0.02, 0.2)
        return
    hood = _one(rng, "up", "up", "up", "folded")
    xr, xf = -0.3, 0.34
    if kind == "pram":
        m.tubes([[[xr, R], [0.2, 0.42]], [[xf, R], [-0.2, 0.42]]], 0.028, frame, "metal", 0)
        m.tube(smooth([[-0.3, 0.5], [-0.55, 0.86], [-0.68, 0.9], [-0.6, 0.84]], 1)[:5], 0.03, frame, "metal", 0.03)
        m.part(
            smooth(
                [[-0.42, 0.72], [-0.38, 0.42], [-0.2, 0.34], [0.3, 0.34], [0.46, 0.46], [0.5, 0.66], [0.1, 0.68]], 1
            ),
            cloth,
            "cloth",
            0.12,
            0.05,
        )
        pivot, rad = (-0.05, 0.64), 0.38
        m.part(_limb((0.02, 0.66), (0.46, 0.64), 0.08, 0.06), _mul(cloth, 1.2), "cloth", 0.04, 0.15)
    else:
        m.tube([[-0.62, 0.96], [-0.5, 0.93], [-0.34, 0.7], [xf, R]], 0.034, frame, "metal", 0)
        m.tube([[xr, R], [-0.02, 0.46]], 0.032, frame, "metal", 0)
        m.part(
            smooth([[-0.25, 0.22], [0.15, 0.16], [0.15, 0.28], [-0.25, 0.34]], 1), _mul(cloth, 0.6), "cloth", 0.04, 0
        )
        m.part(
            smooth(
                [
                    [-0.36, 0.84],
                    [-0.24, 0.38],
                    [-0.1, 0.32],
                    [0.24, 0.34],
                    [0.34, 0.16],
                    [0.42, 0.2],
                    [0.3, 0.45],
                    [-0.08, 0.48],
                    [-0.18, 0.88],
                ],
                1,
            ),
            _mul(cloth, 0.8),
            "cloth",
            0.05,
            0.05,
        )
        if _chance(rng, 0.5):
            m.part(_limb((-0.1, 0.52), (0.12, 0.48), 0.2, 0.13), _color(rng), "cloth", 0.08, 0.1)
            m.part(ellipse(-0.13, 0.7, 0.085, 0.09, n=16), _SKINS[int(rng.integers(5))], "skin", 0.08, 0.12)
        pivot, rad = (-0.22, 0.68), 0.36
        m.tube([[-0.16, 0.55], [0.18, 0.58], [0.22, 0.48]], 0.03, rubber, "rubber", 0.15)
    a0, a1 = (20, 160) if hood == "up" else (95, 165)
    a0 += int(rng.integers(-15, 25))
    fan = np.concatenate([[pivot], ellipse(*pivot, rad, rad * 0.95, a0, a1, 14)])
    m.part(fan, cloth, "cloth", 0.12, 0.14)
    for t in (0.33, 0.66):
        m.score(
            [pivot, ellipse(*pivot, rad, rad * 0.95, a0 + (a1 - a0) * t, a0 + (a1 - a0) * t + 1, 2)[0]],
            0.012,
            _mul(cloth, 0.55),
        )
    wheel(xr, R)
    wheel(xf, R * (1.0 if kind != "jogger" else 0.8))
    if _chance(rng, 0.1):
        m.warp(float(rng.choice([-88, 88])))


def _cone(m: Model, rng: Rng) -> None:
    body = _hsv(rng, (0.8, 1), (0.8, 1), (0.01, 0.07)) if _chance(rng, 0.75) else _hsv(rng, (0.7, 1), (0.5, 0.95))
    w, tip = rng.uniform(0.17, 0.3), rng.uniform(0.03, 0.06)
    b, foot = w * rng.uniform(1.25, 1.7), rng.uniform(0.04, 0.08)
    base = body if _chance(rng, 0.5) else _grey(0.09)
    m.look(float(rng.uniform(-45, 45)), float(rng.uniform(4, 18)))
    m.box(-b, 0, b, foot, b, base, "rubber", 0.02)
    y0 = foot * np.cos(m._pitch)
    sag = w * np.sin(m._pitch)
    outline = np.concatenate([ellipse(0, y0, w, sag, 180, 360, 12), ellipse(0, 0.985, tip, tip * 0.3, 0, 180, 6)])
    m.part(outline, body, "plastic", lift=0.6, turned=True)
    stripes = int(rng.choice([0, 1, 1, 2, 2]))
    white = _hsv(rng, (0, 0.15), (0.9, 1))
    for k in range(stripes):
        top = (0.82, 0.52)[k] if stripes == 2 else rng.uniform(0.65, 0.8)
        low = top - rng.uniform(0.14, 0.24)
        at = [w + (tip - w) * (y - y0) / (0.985 - y0) for y in (low, top)]
        band = np.concatenate(
            [
                ellipse(0, low, at[0], at[0] * sag / w, 180, 360, 9),
                ellipse(0, top, at[1], at[1] * sag / w, 360, 181, 9)[::1],
            ]
        )
        m.mark(band, white, 0.5)
    m.mark(ellipse(0, 0.985, tip * 0.7, tip * 0.25, n=8), _mul(body, 0.25))
    state = rng.random()
    if state < 0.25:
        m.warp(float(rng.choice([-1, 1]) * rng.uniform(75, 105)))
    elif state < 0.4:
        m.warp(float(rng.uniform(-12, 12)), float(rng.uniform(0.01, 0.04)), float(rng.uniform(0.7, 1)))


def _bollard(m: Model, rng: Rng) -> None:
    kind = _one(rng, "steel", "steel", "flex", "wood", "concrete", "iron")
    w = {"flex": 0.05, "wood": 0.08, "concrete": 0.16}.get(kind, 0.075) * rng.uniform(0.8, 1.3)
    c = {"wood": _wood(rng), "concrete": _hsv(rng, (0, 0.1), (0.5, 0.8)), "iron": _hsv(rng, (0, 0.3), (0.06, 0.25)),
         "flex": _hsv(rng, (0.7, 1), (0.6, 1))}.get(kind, _color(rng))  # fmt: skip
    mat = {"steel": "paint", "flex": "plastic", "wood": "wood", "concrete": "stone", "iron": "metal"}[kind]
    band = _hsv(rng, (0, 0.9), (0.9, 1)) if _chance(rng, 0.5) else _grey(0.95)
    if kind in ("flex", "iron") or _chance(rng, 0.3):
        m.part(
            smooth([[-w * 2.2, 0], [w * 2.2, 0], [w * 1.8, 0.06], [-w * 1.8, 0.06]], 1),
            _mul(c, 0.7) if kind == "iron" else _grey(0.12),
            mat,
            0.03,
            0,
        )
    cap = rng.uniform(0.1, 1.0) * w
    pts = np.concatenate(
        [ellipse(0, 0.03, w, w * 0.15, 180, 360, 10), ellipse(0, 1 - cap, w * rng.uniform(0.8, 1), cap, 0, 180, 14)]
    )
    m.part(pts, c, mat, turned=True)
    if kind == "iron":
        for y in (0.2, 0.72, 0.85):
            m.part(_limb((-w * 1.2, y), (w * 1.2, y), 0.045, 0.045), c, mat, 0.02, w)
        m.part(ellipse(0, 0.95, w * 1.1, w * 0.9, n=18), c, mat, w, 0.05)
    elif _chance(rng, 0.8):
        for k in range(int(rng.integers(1, 4))):
            y = 0.86 - k * 0.15
            m.mark(rect(-w * 1.1, y - rng.uniform(0.05, 0.1), w * 1.1, y), band, 0.6)
    if kind == "flex":
        m.part(_limb((-w * 1.1, 0.97), (w * 1.1, 0.97), 0.05, 0.05), c, mat, 0.03, 0.05)
    if _chance(rng, 0.18):
        m.warp(float(rng.choice([-1, 1]) * rng.uniform(8, 92)), 0.01 if kind == "flex" else 0.0)


def _barrel(m: Model, rng: Rng) -> None:
    kind = _one(rng, "drum", "drum", "plastic", "wood", "traffic", "traffic")
    w, c = rng.uniform(0.3, 0.36), _color(rng)
    p = rng.uniform(0.08, 0.3)
    if kind == "traffic":
        c, white = _hsv(rng, (0.85, 1), (0.85, 1), (0.02, 0.07)), _grey(0.95)
        m.part(smooth([[-0.4, 0], [0.4, 0], [0.37, 0.07], [-0.37, 0.07]], 1), _grey(0.08), "rubber", 0.03)
        for i in range(5):
            y0, x0, x1 = 0.05 + i * 0.17, 0.32 - i * 0.018, 0.32 - i * 0.018 - 0.012
            m.part(
                np.concatenate([ellipse(0, y0, x0, 0.05, 180, 360, 10), ellipse(0, y0 + 0.17, x1, 0.05, 360, 180, 10)]),
                white if i % 2 else c,
                "plastic",
                turned=True,
                lift=0.01 * i,
            )
        m.part(ellipse(0, 0.9, 0.23, 0.06, n=20), _mul(c, 0.9), "plastic", 0.03, 0.2, (0, -0.6))
        m.part(rect(-0.09, 0.88, 0.09, 1.0), c, "plastic", 0.03, 0.3, holes=[rect(-0.04, 0.92, 0.04, 0.96)])
    else:
        lid = ellipse(0, 1 - w * p, w, w * p, n=28)
        belly = w * (1.2 if kind == "wood" else 1.0)
        a = ellipse(0, w * p, w, w * p, 180, 360, 14)
        mat = {"drum": _one(rng, "paint", "metal", "rust"), "plastic": "plastic", "wood": "wood"}[kind]
        if kind == "wood":
            c = _wood(rng)
        if kind == "plastic" and _chance(rng, 0.6):
            c = _hsv(rng, (0.7, 1), (0.4, 0.9), (0.55, 0.66))
        m.part(
            smooth(np.concatenate([a, [[belly, 0.5], [w, 1 - w * p], [-w, 1 - w * p], [-belly, 0.5]]]), 1),
            c,
            mat,
            turned=True,
        )
        dark = _grey(0.15) if kind == "wood" else _mul(c, 0.72)
        for y in (0.16, 0.42, 0.72, 0.9) if kind == "wood" else (0.36, 0.68):
            ww = w + (belly - w) * (1 - (2 * y - 1) ** 2)
            curve = ellipse(0, y, ww, w * p, 180, 360, 14)
            m.score(curve, 0.045, dark)
            m.score(curve + (0, 0.03), 0.02, _mul(c, 1.35) if kind != "wood" else _grey(0.35))
        if kind == "wood":
            for x in np.linspace(-0.8, 0.8, 6):
                m.score([[x * w, 0.05], [x * belly, 0.5], [x * w, 0.95]], 0.008, _mul(c, 0.5))
        m.part(lid, _mul(c, 1.05), mat, 0.03, 0.3, (0, -0.7), bumps=0.2)
        m.part(ellipse(0, 1 - w * p, w * 0.88, w * p * 0.85, n=24), _mul(c, 0.8), mat, 0.01, 0.28, (0, -0.7), bumps=0.2)
        m.mark(ellipse(w * 0.5, 1 - w * p, 0.05, 0.05 * p * 2, n=10), _grey(0.2))
        if kind != "wood" and _chance(rng, 0.5):
            m.mark(rect(-0.12, 0.44, 0.12, 0.62), _hsv(rng, (0, 0.8), (0.8, 1)))
            m.text(-0.1, 0.46, 0.2, 0.13, _grey(0.1))
    state = rng.random()
    if state < 0.22:
        m.warp(float(rng.choice([-1, 1]) * rng.uniform(80, 100)), 0.0 if state < 0.1 else 0.015)
    elif state < 0.32:
        m.warp(float(rng.uniform(-10, 10)), 0.02)


def _barrier(m: Model, rng: Rng) -> None:
    kind = _one(rng, "jersey", "jersey", "water", "board", "board", "fence", "rail")
    a = _one(rng, "rw", "rw", "ow", "yb", "bw")
    first = {"r": (0.85, 0.08, 0.08), "o": (0.95, 0.42, 0.05), "y": (0.95, 0.8, 0.1), "b": (0.12, 0.25, 0.6)}[a[0]]
    other = _grey(0.93) if a[1] == "w" else _grey(0.08)
    m.look(float(rng.choice([0, 1]) * rng.uniform(-50, 50)), float(rng.uniform(2, 10)))
    if kind in ("jersey", "water"):
        c, mat = (
            (_hsv(rng, (0, 0.12), (0.5, 0.85)), "stone")
            if kind == "jersey"
            else (_one_color(rng, first, other), "plastic")
        )
        half = rng.uniform(0.8, 1.3)
        prof = np.array(
            [[-0.32, 0], [0.32, 0], [0.32, 0.1], [0.17, 0.38], [0.11, 1], [-0.11, 1], [-0.17, 0.38], [-0.32, 0.1]]
        )
        x, y = prof[:, 0], prof[:, 1]
        # The profile runs across, so the body is laid face by face along x.
        for i in range(len(prof)):
            j = (i + 1) % len(prof)
            strip = [[half, y[i], -x[i]], [-half, y[i], -x[i]], [-half, y[j], -x[j]], [half, y[j], -x[j]]]
            m.face(strip, c, mat, 0.03)
        m.face([[half, q[1], -q[0]] for q in prof], _mul(c, 0.9), mat, 0.03)
        m.face([[-half, q[1], q[0]] for q in prof], _mul(c, 0.9), mat, 0.03)
        for s in (-0.55, 0.45):
            m.on_face(
                [
                    [half * s, 0, 0.325],
                    [half * s + 0.22, 0, 0.325],
                    [half * s + 0.22, 0.09, 0.325],
                    [half * s, 0.09, 0.325],
                ],
                _grey(0.06),
            )
        if kind == "water":
            for t in np.linspace(-0.75, 0.75, 4):
                m.score(
                    m.view([[half * t, 0.12, 0.31], [half * t, 0.4, 0.17], [half * t, 0.95, 0.12]]), 0.025, _mul(c, 0.6)
                )
        if _chance(rng, 0.5):
            for t in np.arange(-half + 0.1, half - 0.25, 0.4):
                m.on_face(
                    [[t, 0.6, 0.15], [t + 0.2, 0.6, 0.15], [t + 0.3, 0.85, 0.13], [t + 0.1, 0.85, 0.13]], first, 0.4
                )
    elif kind == "board":
        half, rows = rng.uniform(0.65, 1.1), int(rng.integers(1, 4))
        steel = _grey(rng.choice([0.15, 0.6, 0.85]))
        for s in (-0.72, 0.72):
            legs = [[[half * s, 0.0, z], [half * s, 0.95, 0.0]] for z in (-0.3, 0.3)]
            m.tubes([m.view(leg) for leg in legs], 0.05, steel, "metal", 0)
            if _chance(rng, 0.5):
                p = m.view([[half * s, 0, 0]])[0]
                m.part(rect(p[0] - 0.18, p[1] - 0.02, p[0] + 0.18, p[1] + 0.05), _grey(0.1), "rubber", 0.02, 0.02)
        tall = {1: 0.3, 2: 0.24, 3: 0.18}[rows]
        for k in range(rows):
            y1 = 0.97 - k * (tall + 0.1)
            y0 = y1 - tall
            m.box(-half, y0, half, y1, 0.03, other, "plastic", 0.015)
            w, lean = rng.uniform(0.16, 0.24), tall * rng.choice([-1, 1])
            for x in np.arange(-half, half, 2 * w):
                q = np.clip([x, x + w, x + w + lean, x + lean], -half, half)
                m.on_face([[q[0], y0, 0.031], [q[1], y0, 0.031], [q[2], y1, 0.031], [q[3], y1, 0.031]], first, 0.5)
        if _chance(rng, 0.35):
            for s in (-0.72, 0.72):
                p = m.view([[half * s, 1.02, 0]])[0]
                m.part(ellipse(p[0], p[1], 0.07, 0.08, n=14), (0.95, 0.65, 0.1), "glass", 0.06, 0.5)
    elif kind == "fence":
        half, steel = rng.uniform(0.7, 1.1), _grey(rng.uniform(0.4, 0.75)) if _chance(rng, 0.7) else first
        loop = [[-half, 0.15, 0], [half, 0.15, 0], [half, 0.97, 0], [-half, 0.97, 0]]
        n = int(rng.integers(9, 16))
        m.tubes(
            [m.view([[x, 0.15, 0], [x, 0.95, 0]]) for x in np.linspace(-half, half, n)[1:-1]], 0.018, steel, "metal", 0
        )
        m.tube(m.view(loop), 0.045, steel, "metal", 0.03, True)
        for s in (-0.7, 0.7):
            m.tubes(
                [m.view([[half * s, 0.15, 0], [half * s, 0.03, z]]) for z in (-0.25, 0.25)], 0.035, steel, "metal", 0.03
            )
            p = m.view([[half * s, 0.0, 0]])[0]
            m.part(rect(p[0] - 0.1, p[1] - 0.0, p[0] + 0.1, p[1] + 0.04), steel, "metal", 0.01, 0.03)
        if _chance(rng, 0.4):
            v = m.view(
                [[-half * 0.4, 0.5, 0.02], [half * 0.4, 0.5, 0.02], [half * 0.4, 0.75, 0.02], [-half * 0.4, 0.75, 0.02]]
            )
            m.part(v, other if a[1] == "w" else first, "plastic", 0.01, 0.1)
    else:  # a guard rail
        half, steel = rng.uniform(1.0, 1.4), _grey(rng.uniform(0.5, 0.75))
        for s in (-0.75, 0, 0.75):
            m.box(half * s - 0.06, 0, half * s + 0.06, 0.95, 0.05, _mul(steel, 0.8), "metal", 0.01, -0.1)
        for y in (0.5, 0.74):
            p = m.view([[-half, y, 0.05], [half, y, 0.05], [half, y + 0.24, 0.05], [-half, y + 0.24, 0.05]])
            m.part(p, steel, _one(rng, "metal", "rust"), 0.12, 0.5)
        m.score(m.view([[-half, 0.74, 0.05], [half, 0.74, 0.05]]), 0.04, _mul(steel, 0.5))
    state = rng.random()
    if state < 0.12:
        m.warp(float(rng.uniform(-15, 15)), 0.02)


def _one_color(rng: Rng, *options: Rgb) -> Rgb:
    return options[int(rng.integers(len(options)))]


def _sign(m: Model, rng: Rng) -> None:
    kind = _one(rng, "triangle", "triangle", "diamond", "diamond", "reflector", "round", "floor", "arrow")
    red, black, white = (0.82, 0.06, 0.08), _grey(0.05), _grey(0.95)
    ground = _one_color(rng, white, (0.98, 0.8, 0.1), (0.98, 0.5, 0.08))
    m.sx = float(rng.uniform(0.7, 1.0)) if _chance(rng, 0.4) else 1.0
    steel = _grey(rng.uniform(0.35, 0.7))

    def symbol(x: float, y: float, s: float, c: Rgb) -> None:
        which = rng.integers(6)
        if which == 0:
            m.mark(rect(x - 0.1 * s, y - 0.2 * s, x + 0.1 * s, y + 0.5 * s), c)
            m.mark(ellipse(x, y - 0.38 * s, 0.11 * s, 0.11 * s, n=10), c)
        elif which == 1:  # a digging worker
            m.mark(ellipse(x + 0.1 * s, y + 0.4 * s, 0.12 * s, 0.12 * s, n=10), c)
            m.score(
                [[x + 0.05 * s, y + 0.25 * s], [x - 0.15 * s, y - 0.05 * s], [x - 0.25 * s, y - 0.45 * s]], 0.16 * s, c
            )
            m.score([[x - 0.12 * s, y], [x + 0.12 * s, y - 0.4 * s]], 0.12 * s, c)
            m.score([[x, y + 0.15 * s], [x + 0.3 * s, y - 0.1 * s], [x + 0.45 * s, y - 0.4 * s]], 0.08 * s, c)
        elif which == 2:
            m.score([[x, y - 0.45 * s], [x, y], [x + 0.25 * s, y + 0.3 * s]], 0.14 * s, c)
            m.mark([[x + 0.1 * s, y + 0.35 * s], [x + 0.4 * s, y + 0.5 * s], [x + 0.35 * s, y + 0.12 * s]], c)
        elif which == 3:
            m.text(x - 0.5 * s, y - 0.35 * s, s, 0.7 * s, c)
        elif which == 4:
            m.score(
                [[x - 0.3 * s, y - 0.35 * s], [x - 0.1 * s, y], [x + 0.1 * s, y - 0.1 * s], [x + 0.1 * s, y + 0.4 * s]],
                0.13 * s,
                c,
            )
        else:
            for k in (-1, 1):
                m.score([[x + k * 0.15 * s, y - 0.4 * s], [x + k * 0.15 * s, y + 0.4 * s]], 0.12 * s, c)

    def stand(top: float) -> None:
        style = rng.integers(4)
        if style == 0:
            m.tube([[0, 0.02], [0, top]], 0.05, steel, "metal", -0.05)
            m.part(smooth([[-0.25, 0], [0.25, 0], [0.2, 0.07], [-0.2, 0.07]], 1), _grey(0.1), "rubber", 0.03)
        elif style == 1:
            m.tubes(
                [[[0, top], [-0.28, 0.02]], [[0, top], [0.28, 0.02]], [[0, top], [0.03, 0.06]]],
                0.035,
                steel,
                "metal",
                -0.05,
            )
        elif style == 2:
            m.tubes(
                [[[-0.2, 0.02], [-0.2, top]], [[0.2, 0.02], [0.2, top]], [[-0.2, 0.15], [0.2, 0.15]]],
                0.04,
                steel,
                "metal",
                -0.05,
            )
        else:
            m.tube([[0, 0], [0, top]], 0.06, _wood(rng), "wood", -0.05)

    if kind == "reflector":  # the folding triangle of a broken-down car
        t = np.array([[-0.56, 0.06], [0.56, 0.06], [0, 1.0]])
        c = t.mean(0)
        m.tubes(
            [[[-0.4, 0.0], [0.4, 0.0]], [[-0.2, 0.06], [-0.32, 0]], [[0.2, 0.06], [0.32, 0]]], 0.03, steel, "metal", 0
        )
        m.part(t, red, "plastic", 0.03, 0.05, holes=[c + (t - c) * rng.uniform(0.45, 0.58)])
        for i in range(3):
            e = [c + (t[k] - c) * 0.82 for k in (i, (i + 1) % 3)]
            m.score(e, 0.035, (1.0, 0.45, 0.4))
    elif kind == "floor":
        c = (0.98, 0.85, 0.08) if _chance(rng, 0.7) else _color(rng)
        m.part([[-0.36, 0], [-0.26, 0], [-0.1, 0.95], [-0.2, 0.95]], _mul(c, 0.6), "plastic", 0.02)
        m.part(
            [[-0.28, 0], [0.3, 0], [0.22, 0.98], [-0.18, 0.98]],
            c,
            "plastic",
            0.04,
            0.1,
            holes=[rect(-0.08, 0.88, 0.1, 0.93)],
        )
        t = np.array([[-0.17, 0.45], [0.2, 0.45], [0.015, 0.8]])
        m.score(t, 0.03, black, True)
        m.mark(rect(0, 0.55, 0.03, 0.68), black)
        m.text(-0.16, 0.14, 0.34, 0.22, black)
    elif kind == "arrow":
        stand(0.6)
        m.part(rect(-0.5, 0.5, 0.5, 1.0), _one_color(rng, red, (0.95, 0.8, 0.1), black), "plastic", 0.02, 0.05)
        c = _one_color(rng, white, (1, 0.9, 0.3))
        for x in (-0.35, -0.05, 0.25):
            m.mark(
                [[x, 0.55], [x + 0.08, 0.55], [x + 0.2, 0.75], [x + 0.08, 0.95], [x, 0.95], [x + 0.12, 0.75]], c, 0.6
            )
    else:
        r = rng.uniform(0.26, 0.36)
        cy = 1 - r * {"triangle": 0.9, "diamond": 1.15, "round": 1.0}[kind]
        stand(cy)
        if kind == "triangle":
            outer = np.array([[-1.08, -0.88], [1.08, -0.88], [0, 0.9]]) * r + (0, cy)
            c = outer.mean(0)
            m.part(_rounded(outer), red, "plastic", 0.015, 0.05)
            m.mark(c + (outer - c) * rng.uniform(0.62, 0.74), ground, 0.4)
            symbol(0, cy - 0.35 * r, r * 0.72, black)
        elif kind == "diamond":
            outer = np.array([[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]]) * r + (0, cy)
            ground = ground if ground != white else (0.98, 0.78, 0.08)
            m.part(_rounded(outer), ground, _one(rng, "plastic", "cloth"), 0.015, 0.05)
            m.score((outer - (0, cy)) * 0.88 + (0, cy), 0.025, black, True)
            symbol(0, cy, r * 0.95, black)
        else:
            m.part(ellipse(0, cy, r, r, n=32), red, "plastic", 0.015, 0.05)
            if _chance(rng, 0.4):
                m.mark(rect(-0.7 * r, cy - 0.15 * r, 0.7 * r, cy + 0.15 * r), white, 0.5)
            else:
                m.mark(ellipse(0, cy, r * 0.76, r * 0.76, n=28), white, 0.4)
                symbol(0, cy, r * 0.8, black)
        if _chance(rng, 0.25):
            m.part(rect(-0.25, cy - r * 1.5, 0.25, cy - r * 1.15), white, "plastic", 0.01, 0.05)
            m.text(-0.2, cy - r * 1.45, 0.4, 0.1 * r + 0.04, black)
    if _chance(rng, 0.15):
        m.warp(float(rng.uniform(-25, 25)))
    elif _chance(rng, 0.08):
        m.warp(float(rng.choice([-80, 80])), 0.01)


def _rounded(points: np.ndarray) -> np.ndarray:
    """The polygon with slightly rounded corners."""
    a, b, c = np.roll(points, 1, 0), points, np.roll(points, -1, 0)
    return np.stack([b + 0.06 * (a - b), b + 0.02 * (a + c - 2 * b), b + 0.06 * (c - b)], 1).reshape(-1, 2)


def _trash_bin(m: Model, rng: Rng) -> None:
    kind = _one(rng, "wheelie", "wheelie", "wheelie", "round", "basket", "container", "swing")
    c = _one_color(
        rng, (0.1, 0.35, 0.18), (0.12, 0.25, 0.55), _grey(0.2), (0.85, 0.7, 0.1), (0.4, 0.25, 0.15), _color(rng)
    )
    lid = c if _chance(rng, 0.5) else _color(rng)
    if kind in ("wheelie", "container"):
        w, d = (rng.uniform(0.24, 0.3), 0.3) if kind == "wheelie" else (rng.uniform(0.55, 0.7), 0.36)
        m.look(float(rng.uniform(-55, 55)), float(rng.uniform(3, 14)))
        front, top = 0.05, 0.86
        if _chance(rng, 0.6) or kind == "container":
            for x in (-w * 0.85, w * 0.85):
                p = m.view([[x, 0.08, d * 0.4 if kind == "container" else -d * 0.7]])[0]
                m.part(ellipse(p[0], max(0.06, p[1]), 0.08, 0.08, n=18), _grey(0.07), "rubber", 0.03, 0.1)
                m.part(ellipse(p[0], max(0.06, p[1]), 0.03, 0.03, n=10), _grey(0.5), "metal", 0.03, 0.12)
        a, b = 0.78, 1.0
        low, high = front, top
        corner = lambda s, t, y, k: [s * w * k, y, t * d * k]  # noqa: E731
        for s1, t1, s2, t2 in ((-1, -1, -1, 1), (1, 1, 1, -1), (-1, 1, 1, 1)):
            m.face(
                [corner(s1, t1, low, a), corner(s2, t2, low, a), corner(s2, t2, high, b), corner(s1, t1, high, b)],
                c,
                "plastic",
                0.04,
            )
        m.box(-w * 1.05, top - 0.05, w * 1.05, top + 0.02, d * 1.05, _mul(c, 0.9), "plastic", 0.02)
        opened = _chance(rng, 0.2)
        if opened:
            m.on_face(
                [[-w, top + 0.021, d], [w, top + 0.021, d], [w, top + 0.021, -d], [-w, top + 0.021, -d]], _grey(0.05)
            )
            m.face(
                [[-w, top, -d], [w, top, -d], [w, top + 0.3, -d * 1.3], [-w, top + 0.3, -d * 1.3]], lid, "plastic", 0.03
            )
            m.part(_blob(rng, 0, top + 0.05, w * 0.7, 0.1), _color(rng), "foil", 0.08, 0.6)
        else:
            for quad in (
                [[-w * 1.06, top, d * 1.1], [w * 1.06, top, d * 1.1], [w, top + 0.1, -d], [-w, top + 0.1, -d]],
                [[w * 1.06, top, d * 1.1], [w, top, -d], [w, top + 0.1, -d]],
                [[-w, top, -d], [-w * 1.06, top, d * 1.1], [-w, top + 0.1, -d]],
            ):
                m.face(quad, lid, "plastic", 0.03)
            p = m.view([[-w, 0.96, -d * 1.1], [w, 0.96, -d * 1.1]])
            m.tube(p, 0.04, _mul(lid, 0.8), "plastic", 0.3)
        if _chance(rng, 0.6):
            y = rng.uniform(0.35, 0.6)
            m.on_face(
                [
                    [-w * 0.5, y, d * 0.95],
                    [w * 0.5, y, d * 0.95],
                    [w * 0.5, y + 0.16, d * 0.97],
                    [-w * 0.5, y + 0.16, d * 0.97],
                ],
                _hsv(rng, (0, 0.5), (0.8, 1)),
            )
            q = m.view([[-w * 0.4, y + 0.02, d * 0.96]])[0]
            m.text(q[0], q[1], w * 0.7, 0.11, _grey(0.1))
        for x in (-0.45, 0.45):
            m.score(m.view([[w * x * a, 0.1, d * a], [w * x, top - 0.08, d]]), 0.012, _mul(c, 0.65))
    else:
        w = rng.uniform(0.25, 0.32)
        mat = {"round": "metal", "basket": "metal", "swing": "plastic"}[kind]
        if kind == "round" and _chance(rng, 0.5):
            c = _grey(rng.uniform(0.5, 0.7))
        p = rng.uniform(0.06, 0.16)
        k = rng.uniform(0.75, 1.0)
        body = np.concatenate([ellipse(0, w * p, w * k, w * p, 180, 360, 14), [[w, 0.8], [-w, 0.8]]])
        m.part(body, c, mat, turned=True)
        if kind == "round":  # ribbed, with a domed lid
            for x in np.linspace(-0.85, 0.85, 8):
                m.score([[x * w * k, 0.05], [x * w, 0.78]], 0.018, _mul(c, 0.6))
            m.part(
                np.concatenate(
                    [ellipse(0, 0.8, w * 1.08, w * p, 180, 360, 12), ellipse(0, 0.8, w * 1.08, 0.13, 0, 180, 14)]
                ),
                lid if _chance(rng, 0.5) else c,
                mat,
                0.12,
                0.2,
            )
            m.tube([[-0.06, 0.92], [-0.05, 0.98], [0.05, 0.98], [0.06, 0.92]], 0.03, _mul(c, 0.6), mat, 0.4)
            for s in (-1, 1):
                m.tube(
                    [[s * w, 0.62], [s * (w + 0.06), 0.6], [s * (w + 0.06), 0.5], [s * w * 0.98, 0.48]],
                    0.025,
                    _mul(c, 0.7),
                    mat,
                    0.05,
                )
        elif kind == "basket":  # a street basket, brim full
            for x in np.linspace(-0.9, 0.9, 9):
                m.score([[x * w * k, 0.06], [x * w, 0.8]], 0.03, _grey(0.05))
            for y in (0.3, 0.55):
                m.score(ellipse(0, y, w, w * p, 180, 360, 12), 0.03, c)
            for _ in range(5):
                m.part(
                    _blob(
                        rng,
                        rng.uniform(-0.6, 0.6) * w,
                        rng.uniform(0.82, 0.9),
                        rng.uniform(0.06, 0.12),
                        rng.uniform(0.05, 0.11),
                        0.3,
                    ),
                    _color(rng),
                    _one(rng, "foil", "card", "plastic"),
                    0.05,
                    0.2,
                )
            m.part(
                np.concatenate(
                    [ellipse(0, 0.83, w * 1.06, w * p, 180, 360, 12), ellipse(0, 0.77, w * 1.06, w * p, 360, 180, 12)]
                ),
                _mul(c, 0.9),
                mat,
                0.03,
                0.4,
            )
        else:
            m.part(
                smooth([[-w * 1.04, 0.76], [w * 1.04, 0.76], [w * 0.8, 1.0], [-w * 0.8, 1.0]], 1), lid, mat, 0.08, 0.2
            )
            m.part(smooth(rect(-w * 0.6, 0.82, w * 0.6, 0.94), 1), _grey(0.06), "plastic", 0.01, 0.2)
            m.text(-w * 0.6, 0.4, w * 1.2, 0.2, _grey(0.9))
    if _chance(rng, 0.17):
        m.warp(float(rng.choice([-1, 1]) * rng.uniform(78, 95)))
    elif _chance(rng, 0.1):
        m.warp(float(rng.uniform(-8, 8)), 0.02)


def _carton(m: Model, rng: Rng, y: float, h: float, w: float, d: float, card: Rgb, opened: bool) -> None:
    """One cardboard box of height ``h`` standing at height ``y``."""
    if opened:
        t = y + h
        m.face(
            [[-w, t, -d], [w, t, -d], [w * 1.05, t + h * 0.3, -d * 1.5], [-w * 1.05, t + h * 0.3, -d * 1.5]],
            _mul(card, 0.8),
            "card",
            0.01,
        )
    m.box(-w, y, w, y + h, d, card, "card", 0.015)
    e = 0.004
    if opened:
        t = y + h
        m.on_face([[-w, t, d], [w, t, d], [w, t, -d], [-w, t, -d]], _mul(card, 0.3))
        for s in (-1, 1):
            q = m.view(
                [
                    [s * w, t, -d],
                    [s * w, t, d],
                    [s * w * 1.45, t + h * rng.uniform(-0.1, 0.3), d],
                    [s * w * 1.45, t + h * rng.uniform(-0.1, 0.3), -d],
                ]
            )
            m.part(q, _mul(card, 1.08), "card", 0.01, 0.6)
        q = m.view([[-w, t, d], [w, t, d], [w, t - h * 0.3, d * 1.4], [-w, t - h * 0.3, d * 1.4]])
        m.part(q, _mul(card, 0.95), "card", 0.01, 0.7, (0, -0.3))
    else:
        tape, b = _mul((0.75, 0.62, 0.42), rng.uniform(0.7, 1.2)), d * 0.13
        m.on_face([[-w, y + h + e, b], [w, y + h + e, b], [w, y + h + e, -b], [-w, y + h + e, -b]], tape, 0.5)
        for s in (1, -1):
            m.on_face(
                [
                    [s * w, y + h * 0.72, b * s],
                    [s * w, y + h * 0.72, -b * s],
                    [s * w, y + h, -b * s],
                    [s * w, y + h, b * s],
                ],
                tape,
                0.5,
            )
    if _chance(rng, 0.7):
        x, v, lw = rng.uniform(-0.7, 0.0) * w, y + h * rng.uniform(0.15, 0.5), w * rng.uniform(0.4, 0.8)
        c = _grey(0.95) if _chance(rng, 0.6) else _mul(card, 0.6)
        m.on_face([[x, v, d], [x + lw, v, d], [x + lw, v + h * 0.3, d], [x, v + h * 0.3, d]], c)
        p = m.view([[x + lw * 0.08, v + 0.02, d], [x + lw * 0.9, v, d]])
        m.text(p[0, 0], p[0, 1], p[1, 0] - p[0, 0], h * 0.24, _grey(0.12))
    if _chance(rng, 0.4):
        q = m.view([[0, y + h * 0.6, d]])[0]
        m.mark(_limb((q[0] - w * 0.15, q[1]), (q[0] + w * 0.15, q[1]), 0.07 * h, 0.07 * h), _mul(card, 0.25))


def _cardboard_box(m: Model, rng: Rng) -> None:
    card = _hsv(rng, (0.3, 0.55), (0.5, 0.85), (0.07, 0.11)) if _chance(rng, 0.85) else _hsv(rng, (0, 0.2), (0.7, 0.95))
    m.look(float(rng.uniform(-60, 60)), float(rng.uniform(8, 30)))
    w, d = rng.uniform(0.45, 0.9), rng.uniform(0.3, 0.6)
    state = rng.random()
    if state < 0.2:
        cut = rng.uniform(0.4, 0.6)
        _carton(m, rng, 0, cut, w, d, card, False)
        _carton(m, rng, cut, 0.85 - cut, w * rng.uniform(0.6, 0.95), d * 0.8, _mul(card, rng.uniform(0.85, 1.1)), False)
    else:
        _carton(m, rng, 0, 0.75, w, d, card, state < 0.55)
    if _chance(rng, 0.25):
        m.warp(float(rng.uniform(-15, 15)), float(rng.uniform(0.01, 0.04)), float(rng.uniform(0.6, 1)))


def _suitcase(m: Model, rng: Rng) -> None:
    kind = _one(rng, "shell", "shell", "soft", "leather", "duffel")
    c = _color(rng) if kind != "leather" else _hsv(rng, (0.5, 0.8), (0.2, 0.6), (0.03, 0.09))
    mat = {
        "shell": "paint" if _chance(rng, 0.4) else "plastic",
        "soft": "cloth",
        "leather": "plastic",
        "duffel": "cloth",
    }[kind]
    dark, steel = _grey(0.1), _grey(0.65)
    if kind in ("shell", "soft"):
        w, d = rng.uniform(0.24, 0.32), rng.uniform(0.12, 0.17)
        m.look(float(rng.uniform(-65, 65)), float(rng.uniform(2, 12)))
        out = _chance(rng, 0.6)
        top = 0.72 if out else 0.9
        if out:
            rods = [m.view([[s * w * 0.4, top - 0.05, -d * 0.6], [s * w * 0.4, 0.98, -d * 0.6]]) for s in (-1, 1)]
            m.tubes(rods, 0.025, steel, "metal", 0)
            m.tube(m.view([[-w * 0.45, 0.985, -d * 0.6], [w * 0.45, 0.985, -d * 0.6]]), 0.05, dark, "plastic", 0.1)
        for x in (-w * 0.8, w * 0.8):
            for z in (-d * 0.7, d * 0.7):
                p = m.view([[x, 0.04, z]])[0]
                m.part(ellipse(p[0], p[1], 0.035, 0.04, n=12), dark, "rubber", 0.03, 0.1)
        # Rounded body: the outline of two rounded plates.
        k = 0.05
        ring = np.concatenate(
            [
                ellipse(sx * (w - k), sy, k, k, a, a + 90, 5)
                for sx, sy, a in ((1, top - k, 0), (-1, top - k, 90), (-1, 0.06 + k, 180), (1, 0.06 + k, 270))
            ]
        )
        far, near = (np.c_[ring, np.full(len(ring), z)] for z in (-d, d))
        hull = cv2.convexHull(np.concatenate([m.view(far), m.view(near)])[:, :2].astype(np.float32))[:, 0]
        m.part(hull, _mul(c, 0.85), mat, 0.04, 0.3, (0.3 * float(-np.sign(np.sin(m._yaw))), 0))
        s = float(np.sign(np.sin(m._yaw))) or 1.0
        m.score(m.view([[-s * w, 0.08, 0], [-s * w, top - 0.02, 0]]), 0.018, dark)
        m.part(m.view(near), c, mat, 0.04, 0.5)
        if kind == "shell":
            n = int(rng.integers(4, 8))
            flat = _chance(rng, 0.4)
            for t in np.linspace(-0.75, 0.75, n):
                y = 0.06 + (top - 0.06) * (t + 1) / 2
                line = [[-w * 0.85, y, d], [w * 0.85, y, d]] if flat else [[w * t, 0.13, d], [w * t, top - 0.07, d]]
                m.score(m.view(line), 0.016, _mul(c, 0.6))
                m.score(m.view(line) + (0.014, 0.006, 0), 0.01, _mul(c, 1.35))
        else:
            for y0, y1 in ((0.12, 0.4), (0.44, top - 0.07)):
                m.face(
                    [[-w * 0.75, y0, d], [w * 0.75, y0, d], [w * 0.75, y1, d], [-w * 0.75, y1, d]],
                    _mul(c, 0.92),
                    mat,
                    0.04,
                )
                m.score(m.view([[-w * 0.7, y1 - 0.03, d], [w * 0.7, y1 - 0.03, d]]), 0.012, steel)
        m.tube(
            m.view([[-0.09, top, 0], [-0.07, top + 0.04, 0], [0.07, top + 0.04, 0], [0.09, top, 0]]),
            0.03,
            dark,
            "rubber",
            0.5,
        )
        if _chance(rng, 0.4):
            for _ in range(3):
                x, y, q = rng.uniform(-0.6, 0.5) * w, rng.uniform(0.2, top - 0.2), 0.07
                m.on_face([[x, y, d], [x + q, y, d], [x + q, y + q, d], [x, y + q, d]], _color(rng))
    else:
        w, d = rng.uniform(0.55, 0.75), rng.uniform(0.14, 0.22)
        m.look(float(rng.uniform(-40, 40)), float(rng.uniform(4, 18)))
        if kind == "leather":
            m.box(-w, 0, w, 0.84, d, c, mat, 0.05)
            for x in (-0.55, 0.55):
                m.on_face(
                    [
                        [w * x - 0.05, 0, d + 0.005],
                        [w * x + 0.05, 0, d + 0.005],
                        [w * x + 0.05, 0.84, d + 0.005],
                        [w * x - 0.05, 0.84, d + 0.005],
                    ],
                    _mul(c, 0.5),
                    0.4,
                )
                p = m.view([[w * x, 0.62, d]])[0]
                m.part(rect(p[0] - 0.06, p[1] - 0.04, p[0] + 0.06, p[1] + 0.04), (0.8, 0.65, 0.25), "metal", 0.01, 0.6)
            for s, t in ((-1, 0), (1, 0), (-1, 1), (1, 1)):
                x0, x1, y0 = s * w, s * (w - 0.12), t * 0.84
                y1 = y0 + (0.12 if not t else -0.12)
                q = [[x0, y0, d], [x1, y0, d], [x0, y1, d]]
                m.mark(m.view(q), _mul(c, 0.45))
            m.score(m.view([[-w, 0.6, d], [w, 0.6, d]]), 0.015, _mul(c, 0.35))
            m.tube(
                m.view([[-0.15, 0.84, 0], [-0.12, 0.95, 0], [0.12, 0.95, 0], [0.15, 0.84, 0]]),
                0.045,
                _mul(c, 0.6),
                mat,
                0.5,
            )
        else:
            m.part(
                smooth(
                    [[-w, 0.05], [w, 0.05], [w * 1.05, 0.4], [w * 0.85, 0.62], [-w * 0.85, 0.62], [-w * 1.05, 0.4]], 1
                ),
                c,
                mat,
                0.2,
                0.1,
            )
            m.score([[-w * 0.85, 0.55], [w * 0.85, 0.55]], 0.02, steel)
            m.part(smooth(rect(-w * 0.45, 0.1, w * 0.45, 0.38), 1), _mul(c, 0.85), mat, 0.05, 0.3)
            for s in (-1, 1):
                m.tube(
                    [[s * w * 0.5, 0.08], [s * w * 0.48, 0.6], [s * 0.2, 0.93], [0, 0.96]],
                    0.045,
                    _mul(c, 0.5),
                    mat,
                    0.4,
                )
            m.part(ellipse(w * 0.97, 0.34, 0.12, 0.24, n=18), _mul(c, 0.7), mat, 0.05, 0.1)
    if _chance(rng, 0.22):
        m.warp(float(rng.choice([-1, 1]) * rng.uniform(80, 100)))
    elif _chance(rng, 0.12):
        m.warp(float(rng.uniform(-10, 10)), 0.015)


def _tire(m: Model, rng: Rng) -> None:
    kind = _one(rng, "face", "face", "turned", "turned", "edge", "flat", "flat", "stack")
    black = _hsv(rng, (0, 0.15), (0.06, 0.2))
    rim = _chance(rng, 0.3)

    def ring(cx: float, cy: float, rx: float, ry: float, dx: float, dy: float, hole: float) -> None:
        """A tyre lying or standing askew: the tread runs from the face's back, moved by (dx, dy)."""
        back, face = ellipse(cx + dx, cy + dy, rx, ry, n=36), ellipse(cx, cy, rx, ry, n=36)
        hull = cv2.convexHull(np.concatenate([back, face]).astype(np.float32))[:, 0]
        inner = ellipse(cx, cy, rx * hole, ry * hole, n=28)
        m.part(hull, _mul(black, 0.9), "rubber", 0.04, 0.0)
        if dx or dy:
            blocks = int(rng.integers(26, 40))
            a, b = ellipse(cx, cy, rx * 1.0, ry * 1.0, n=blocks), ellipse(cx + dx, cy + dy, rx, ry, n=blocks)
            for p, q in zip(a, b, strict=True):
                if (p - (cx, cy)) @ (dx, dy) > -1e-6:
                    m.score([p + 0.1 * (q - p), p + 0.9 * (q - p)], 0.014, _mul(black, 0.3))
        width = min(rx, ry) * (1 - hole)
        m.part(face, black, "rubber", width * 0.5, 0.1)
        m.part(ellipse(cx, cy, rx * 0.93, ry * 0.93, n=32), _mul(black, 1.15), "rubber", width * 0.45, 0.1)
        if _chance(rng, 0.25):
            m.score(ellipse(cx, cy, rx * (0.45 + hole / 2), ry * (0.45 + hole / 2), n=32), 0.02, _grey(0.85), True)
        elif _chance(rng, 0.6):
            for t in ellipse(cx, cy, rx * 0.8, ry * 0.8, 50, 130, 7):
                m.mark(ellipse(*t, 0.018, 0.02, n=6), _grey(0.4))
        if rim:
            m.part(inner, _grey(0.6), "metal", 0.04, -0.02)
            for q in ellipse(cx, cy, rx * hole * 0.62, ry * hole * 0.62, n=6):
                m.mark(ellipse(*q, rx * 0.09, ry * 0.09, n=8), _grey(0.06))
            m.part(ellipse(cx, cy, rx * 0.1, ry * 0.1, n=10), _grey(0.45), "metal", 0.03, 0.1)
        elif dx == 0 and dy == 0:
            box = m._px(inner)
            cv2.fillPoly(m.alpha, [np.round(box * 16).astype(np.int32)], 0, cv2.LINE_8, 4)
            cv2.fillPoly(m.relief, [np.round(box * 16).astype(np.int32)], 0, cv2.LINE_8, 4)
        else:
            m.part(inner, _grey(0.03), "cloth", 0.01, -0.25)
            m.mark(
                cv2.convexHull(inner.astype(np.float32))[:, 0] * (0.8, 0.8)
                + (0.2 * cx + 0.12 * dx, 0.2 * cy + 0.12 * dy),
                _grey(0.015),
            )

    hole = rng.uniform(0.52, 0.68)
    if kind == "face":
        ring(0, 0.5, 0.5, 0.5, 0, 0, hole)
    elif kind == "turned":
        t = rng.uniform(0.35, 0.9)
        ring(0, 0.5, 0.5 * t, 0.5, 0.34 * np.sqrt(1 - t * t), 0, hole)
    elif kind == "edge":
        w = rng.uniform(0.16, 0.22)
        m.part(smooth(rect(-w, 0, w, 1), 2), black, "rubber", 0.14, 0)
        for x in (-0.45, 0, 0.45):
            m.score([[x * w, 0.05], [x * w, 0.95]], 0.022, _mul(black, 0.25))
        for y in np.arange(0.06, 0.95, 0.07):
            m.score([[-w, y], [-w * 0.5, y + 0.035]], 0.016, _mul(black, 0.25))
            m.score([[w, y], [w * 0.5, y + 0.035]], 0.016, _mul(black, 0.25))
    else:
        n = 1 if kind == "flat" else int(rng.integers(2, 5))
        ry, th = rng.uniform(0.16, 0.32), 0.34 if n < 3 else 0.8 / n
        for i in range(n):
            ring(rng.uniform(-0.03, 0.03) * i, ry + th * (i + 1), 0.52, ry, 0, -th, hole)
    if _chance(rng, 0.15):
        m.warp(float(rng.uniform(-25, 25)), float(rng.uniform(0, 0.03)))


def _stone(m: Model, rng: Rng) -> None:
    tint = _hsv(rng, (0, 0.3), (0.3, 0.8), (0.03, 0.16))

    def rock(cx: float, w: float, h: float, lift: float) -> None:
        n = int(rng.integers(6, 11))
        c = _mul(tint, rng.uniform(0.85, 1.15))
        a = np.sort(rng.uniform(0, 2 * np.pi, n) * 0.3 + np.arange(n) * 2 * np.pi / n * 0.95)
        rad = rng.uniform(0.82, 1.08, n)
        p = np.c_[cx + w * rad * np.cos(a), h * 0.5 + h * 0.52 * rad * np.sin(a)]
        p[:, 1] = np.maximum(p[:, 1], h * 0.02)
        outline = smooth(p, 1 if sharp else 2)
        m.part(outline, c, "stone", h * (0.12 if sharp else 0.5), lift)
        top = np.array([cx + rng.uniform(-0.3, 0.3) * w, h * rng.uniform(0.5, 0.75)])
        if sharp:
            q = outline[:: max(1, len(outline) // int(rng.integers(3, 6)))]
            for i in range(len(q)):
                tri = np.array([top, q[i], q[(i + 1) % len(q)]])
                side = tri[1:].mean(0) - top
                slope = -side / (np.linalg.norm(side) + 0.2) * rng.uniform(0.3, 1.2)
                m.part(
                    tri,
                    _mul(c, rng.uniform(0.95, 1.05)),
                    "stone",
                    0.01,
                    lift + 0.3,
                    (float(slope[0]), float(slope[1])),
                    bumps=0.5,
                )

    sharp = _chance(rng, 0.55)
    if _chance(rng, 0.2):
        rock(-0.55, 0.45, rng.uniform(0.4, 0.7), 0)
    rock(0, rng.uniform(0.5, 0.85), rng.uniform(0.92, 1.0), 0.1)
    if _chance(rng, 0.2):
        rock(0.55, 0.35, rng.uniform(0.25, 0.5), 0.3)
    if _chance(rng, 0.2):
        for _ in range(4):
            m.mark(_blob(rng, rng.uniform(-0.4, 0.4), rng.uniform(0.5, 0.9), 0.12, 0.06, 0.4), (0.3, 0.38, 0.14))
    if _chance(rng, 0.25):
        p = np.cumsum(np.c_[rng.uniform(-0.1, 0.1, 6), np.full(6, -0.13)], 0) + (rng.uniform(-0.2, 0.2), 0.95)
        m.score(p, 0.014, _mul(tint, 0.35))


def _plastic_bag(m: Model, rng: Rng) -> None:
    kind = _one(rng, "carrier", "carrier", "sack", "sack", "crumpled")
    c = {"sack": _hsv(rng, (0, 0.3), (0.04, 0.2)) if _chance(rng, 0.6) else _color(rng)}.get(
        kind, _hsv(rng, (0, 0.2), (0.8, 1)) if _chance(rng, 0.55) else _color(rng)
    )
    w = rng.uniform(0.34, 0.5)
    if kind == "sack":
        body = smooth(
            [
                [-w, 0],
                [w, 0],
                [w * 1.12, 0.3],
                [w * 0.8, 0.62],
                [0.08, 0.8],
                [-0.08, 0.8],
                [-w * 0.8, 0.62],
                [-w * 1.12, 0.3],
            ],
            2,
        )
        m.part(
            smooth(
                [[-0.03, 0.78], [0.03, 0.78], [0.17, 0.97], [0.06, 0.93], [0, 1.0], [-0.07, 0.93], [-0.16, 0.96]], 1
            ),
            c,
            "foil",
            0.03,
            0.1,
        )
        m.part(body, c, "foil", 0.35, 0.05, bumps=0.9)
        for x in rng.uniform(-0.9, 0.9, 6):
            m.score([[0, 0.8], [x * w * 0.5, 0.64], [x * w, 0.4]], 0.012, _mul(c, float(rng.choice([0.5, 1.5]))))
        m.part(_limb((-0.07, 0.79), (0.07, 0.79), 0.05, 0.05), _color(rng), "plastic", 0.02, 0.4)
    elif kind == "carrier":
        lean = rng.uniform(-0.08, 0.08)
        t = 0.64
        for s in (-1, 1):
            x = s * w * 0.55 + lean
            loop = [[x - 0.13, t - 0.03], [x + 0.13, t - 0.03], [x + 0.1 + lean, 0.97], [x - 0.1 + lean, 0.99]]
            m.part(
                smooth(loop, 1),
                c,
                "foil",
                0.03,
                0.06,
                holes=[
                    smooth(
                        [[x - 0.06, t + 0.02], [x + 0.06, t + 0.02], [x + 0.05 + lean, 0.93], [x - 0.05 + lean, 0.94]],
                        1,
                    )
                ],
            )
        sides = rng.uniform(-0.05, 0.05, 4)
        body = [
            [-w * 0.9, 0],
            [w * 0.9, 0],
            [w * 1.08 + sides[0], 0.25],
            [w + sides[1], t],
            [lean, t - rng.uniform(0.04, 0.12)],
            [-w + sides[2], t],
            [-w * 1.08 + sides[3], 0.25],
        ]
        m.part(smooth(body, 1), c, "foil", 0.2, 0.05, bumps=1.2)
        for x in (-0.55, 0.55):
            m.score([[x * w, t - 0.02], [x * w * 1.1, 0.35], [x * w * 0.8, 0.1]], 0.012, _mul(c, 0.65))
        if _chance(rng, 0.6):
            k = _color(rng)
            if _chance(rng, 0.5):
                m.mark(_blob(rng, 0, 0.33, 0.15, 0.13, 0.06), k)
            m.text(-0.2, 0.22, 0.4, 0.22, _one_color(rng, k, _grey(0.95), (0.8, 0.1, 0.1)))
    else:
        m.part(_blob(rng, 0, 0.42, w * 1.2, 0.42, 0.28, 13), c, "foil", 0.3, 0.0, bumps=1.8)
        for _ in range(5):
            q = rng.uniform(-0.8, 0.8, (3, 2)) * (w, 0.35) + (0, 0.42)
            m.part(
                q,
                _mul(c, rng.uniform(0.85, 1.1)),
                "foil",
                0.05,
                0.25,
                (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8))),
            )
        m.part(smooth([[-0.1, 0.7], [0.1, 0.7], [0.2, 0.98], [0.05, 0.9], [-0.1, 1.0]], 1), c, "foil", 0.05, 0.1)
    if _chance(rng, 0.35):
        m.warp(
            float(rng.uniform(-30, 30)) if _chance(rng, 0.7) else float(rng.choice([-85, 85])),
            float(rng.uniform(0.01, 0.035)),
            float(rng.uniform(0.75, 1)),
        )


def _pallet(m: Model, rng: Rng) -> None:
    kind = _one(rng, "upright", "upright", "stack", "stack", "lying", "lying")
    wood = _wood(rng) if _chance(rng, 0.85) else _hsv(rng, (0.6, 1), (0.3, 0.8), (0.55, 0.65))
    mat = "wood"
    if kind == "upright":
        w, n = rng.uniform(0.6, 0.8), int(rng.integers(5, 8))
        m.look(float(rng.uniform(-45, 45)), float(rng.uniform(2, 10)))
        d = 0.09
        for x in (-w, 0, w):
            x0 = float(np.clip(x - 0.07, -w, w - 0.14))
            m.box(x0, 0.0, x0 + 0.14, 1.0, d * 0.5, _mul(wood, 0.65), mat, 0.01)
        upright = _chance(rng, 0.4)
        lost = int(rng.integers(n)) if _chance(rng, 0.3) else -1
        for z in (-d, d):
            for i in range(n):
                if i == lost:
                    continue
                c = _mul(wood, rng.uniform(0.8, 1.12) * (0.8 if z < 0 else 1))
                gap = 1 / n
                if upright:
                    x = -w + 2 * w * i * gap
                    x1, y0, y1 = x + 2 * w * gap * 0.72, 0.0, 1.0
                else:
                    x, x1, y0, y1 = -w, w, i * gap, (i + 0.72) * gap
                if z < 0:
                    m.face([[x, y0, z], [x1, y0, z], [x1, y1, z], [x, y1, z]], c, mat, 0.01)
                else:
                    m.box(x, y0, x1, y1, 0.02, c, mat, 0.01, z)
            if upright and z < 0:
                for y in (0.05, 0.45, 0.85):
                    m.box(-w, y, w, y + 0.1, d * 0.4, _mul(wood, 0.7), mat, 0.01)
        for x in (-w + 0.06, 0, w - 0.06):
            for i in range(n):
                q = m.view([[x, (i + 0.36) / n, d + 0.02]])[0]
                m.mark(ellipse(q[0], q[1], 0.01, 0.01, n=6), _grey(0.2))
    else:
        count = 1 if kind == "lying" else int(rng.integers(3, 6))
        h = min(0.3, 0.86 / count)
        m.look(float(rng.uniform(-40, 40)), float(rng.uniform(10, 28) if count == 1 else rng.uniform(4, 14)))
        w, d = (1.0, 0.7) if count == 1 else (rng.uniform(0.75, 1.0), 0.55)
        for k in range(count):
            y, c = k * h, _mul(wood, rng.uniform(0.85, 1.1))
            ox, top, hollow = (rng.uniform(-0.05, 0.05) if k else 0.0), y + h * 0.96, _grey(0.04)
            m.box(-w + ox, y, w + ox, top, d, c, mat, 0.01)
            low, high = y + h * 0.18, y + h * 0.68
            for x0, x1 in ((-w + 0.2, -0.1), (0.1, w - 0.2)):
                x0, x1 = x0 + ox, x1 + ox
                m.on_face([[x0, low, d], [x1, low, d], [x1, high, d], [x0, high, d]], hollow, 0)
            m.on_face(
                [[-w + ox, high, d], [w + ox, high, d], [w + ox, high + 0.01, d], [-w + ox, high + 0.01, d]], hollow
            )
            for s in (-1, 1):
                for z0, z1 in ((0.75, 0.12), (-0.12, -0.75)):
                    q = np.array(
                        [[s * w, low, z0 * d], [s * w, low, z1 * d], [s * w, high, z1 * d], [s * w, high, z0 * d]]
                    )
                    m.on_face((q if s > 0 else q[::-1]) + (ox, 0, 0), hollow, 0)
            if k == count - 1:
                n = int(rng.integers(5, 8))
                lost = int(rng.integers(n)) if _chance(rng, 0.3) else -1
                for i in range(n):
                    z = d - 2 * d * (i + 1) / n
                    near = z + 2 * d / n * (1 if i == lost else 0.22)
                    m.on_face(
                        [[-w + ox, top, near], [w + ox, top, near], [w + ox, top, z], [-w + ox, top, z]], hollow, 0
                    )
    if _chance(rng, 0.2):
        m.warp(float(rng.uniform(-20, 20)))


def _tree_branch(m: Model, rng: Rng) -> None:
    bark = _hsv(rng, (0.1, 0.5), (0.2, 0.6), (0.05, 0.11))
    leafy = rng.random()
    leaf = (
        _hsv(rng, (0.4, 0.9), (0.25, 0.65), (0.18, 0.38))
        if _chance(rng, 0.7)
        else _hsv(rng, (0.6, 0.9), (0.4, 0.8), (0.04, 0.13))
    )
    half = rng.uniform(0.6, 1.5)
    n = 7
    spine = np.c_[
        np.linspace(-half, half, n),
        0.12 + np.abs(rng.normal(0, 0.07, n)) + 0.12 * np.sin(np.linspace(0, 3.1, n)) * rng.uniform(0, 2),
    ]
    thick = rng.uniform(0.08, 0.24)
    tips: list[np.ndarray] = []
    thin: list[np.ndarray] = []
    for i in range(1, n):
        for _ in range(int(rng.integers(0, 3)) if i > 1 else 0):
            a, long = np.radians(rng.uniform(15, 120)), rng.uniform(0.25, 0.95) * (1 if i < n - 1 else 0.7)
            mid = spine[i] + 0.5 * long * np.array([np.cos(a), np.sin(a)])
            b = a + rng.uniform(-0.5, 0.5)
            end = mid + 0.5 * long * np.array([np.cos(b), np.sin(b)])
            end[1] = np.clip(end[1], 0.03, 1.0)
            thin.append(np.array([spine[i], mid, end]))
            tips += [mid, end]
            if _chance(rng, 0.6):
                e = mid + rng.uniform(0.12, 0.3) * np.array([np.cos(b + 0.8), np.sin(b + 0.8)])
                thin.append(np.array([mid, e]))
                tips.append(e)
    tips += list(spine[3:])
    if not thin or max(t[:, 1].max() for t in thin) < 0.75:
        up = np.array([spine[4], spine[4] + (0.15, 0.4), (spine[4][0] + 0.4, 0.97)])
        thin.append(up)
        tips += [up[1], up[2]]
    if thin:
        m.tubes(thin, thick * 0.34, bark, "wood", 0.0)
    for i in range(n - 1):
        wa, wb = (thick * (1 - 0.75 * k / (n - 1)) for k in (i, i + 1))
        m.part(_limb(spine[i], spine[i + 1], wa, wb), bark, "rust", wa / 2, 0.05, bumps=0.5)
    m.part(
        ellipse(spine[0][0], spine[0][1], thick * 0.3, thick * 0.5, n=14),
        _hsv(rng, (0.3, 0.5), (0.7, 0.9), (0.08, 0.12)),
        "wood",
        0.01,
        0.1,
    )
    if leafy < 0.65:
        big = rng.uniform(0.05, 0.1)
        groups: list[list[np.ndarray]] = [[], [], []]
        for t in tips:
            for _ in range(3 if leafy < 0.4 else 1):
                a = rng.uniform(0, 6.3)
                p = t + rng.normal(0, 0.07, 2)
                p[1] = np.clip(p[1], 0.04, 1.0)
                d = np.array([np.cos(a), np.sin(a)]) * big
                s = np.array([-d[1], d[0]]) * 0.45
                groups[int(rng.integers(3))].append(np.array([p - d, p + s, p + 1.1 * d, p - s]))
        for group in groups:
            if group:
                m.part(group[0], _mul(leaf, rng.uniform(0.7, 1.3)), "leaf", big * 0.4, 0.15, also=group[1:])


def _debris(m: Model, rng: Rng) -> None:
    kind = _one(rng, "metal", "rubber", "heap", "heap", "parts", "panel", "unnamed", "unnamed", "cloth", "pipe")
    c = _color(rng)
    mats = ("metal", "rust", "paint", "plastic", "cloth", "wood", "foil", "stone", "rubber", "card")

    def shard(cx: float, cy: float, s: float, mat: str, color: Rgb, n: int = 6, lift: float = 0.1) -> None:
        a = np.sort(rng.uniform(0, 6.28, n))
        p = np.c_[cx + s * rng.uniform(0.4, 1.2, n) * np.cos(a) * 1.4, cy + s * rng.uniform(0.4, 1.1, n) * np.sin(a)]
        p[:, 1] = np.clip(p[:, 1], 0, 1.05)
        m.part(p, color, mat, 0.03, lift, (float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.9, 0.9))))

    if kind == "metal":
        mat = _one(rng, "metal", "paint", "rust")
        m.part(_blob(rng, 0, 0.42, rng.uniform(0.6, 1.1), 0.45, 0.35, 12), _mul(c, 0.8), mat, 0.1, bumps=3)
        for _ in range(9):
            shard(
                rng.uniform(-0.6, 0.6),
                rng.uniform(0.15, 0.75),
                rng.uniform(0.15, 0.4),
                mat,
                _mul(c, rng.uniform(0.6, 1.3)),
                5,
                rng.uniform(0, 0.4),
            )
    elif kind == "rubber":
        black = _grey(0.1)
        n, k = int(rng.integers(5, 9)), int(rng.integers(1, 4))
        for _ in range(k):
            x, y = np.linspace(-1, 1, n) * rng.uniform(0.6, 1.3), np.abs(np.cumsum(rng.normal(0, 0.16, n))) + 0.08
            p = smooth(np.c_[x, y * 0.9 / max(y.max(), 0.4)], 0)
            m.tube(p, rng.uniform(0.12, 0.26), black, "rubber", 0.1)
            for q, r in zip(p[:-1], p[1:], strict=True):
                for t in (0.2, 0.6):
                    o = q + t * (r - q)
                    m.score([o - (0.03, 0.08), o + (0.03, 0.08)], 0.018, _grey(0.03))
        m.tubes(
            [
                np.array([[0, 0.2], [0.2, 0.5], [0.1, 0.9]]) + rng.normal(0, 0.2, (3, 2)).clip(-0.15, 0.1)
                for _ in range(2)
            ],
            0.012,
            _grey(0.5),
            "metal",
            0.2,
        )
    elif kind in ("heap", "parts"):
        if kind == "heap":
            mat = _one(rng, "stone", "cloth", "foil", "rust", "card")
            m.part(
                smooth(
                    np.c_[
                        np.linspace(-1.1, 1.1, 9),
                        np.r_[0, np.sin(np.linspace(0.4, 2.75, 7)) * rng.uniform(0.5, 1.0, 7), 0],
                    ],
                    1,
                ),
                _mul(c, 0.7),
                mat,
                0.15,
                bumps=2,
            )
        for _ in range(int(rng.integers(8, 14))):
            x = rng.normal(0, 0.45)
            y = rng.uniform(0.05, max(0.15, 0.85 - 0.7 * abs(x)))
            shard(
                float(np.clip(x, -1.2, 1.2)),
                y,
                rng.uniform(0.08, 0.3),
                _one(rng, *mats),
                _color(rng),
                int(rng.integers(3, 7)),
                rng.uniform(0, 0.4),
            )
    elif kind == "panel":
        a = rng.uniform(0.3, 1.2)
        p = smooth(
            np.array([[-1, 0], [1, 0], [0.9, 0.5], [1.1, 0.9], [0.2, 0.95], [-0.3, 0.7], [-0.9, 0.85]]) * (a, 1)
            + rng.uniform(-0.12, 0.12, (7, 2)),
            1,
        )
        p[:, 1] = np.maximum(p[:, 1], 0)
        mat = _one(rng, "metal", "paint", "wood", "plastic", "card")
        m.part(p, c, mat, 0.06, holes=[_blob(rng, 0, 0.4, 0.12, 0.1, 0.4)] if _chance(rng, 0.5) else (), bumps=3)
        for _ in range(3):
            m.score(rng.uniform(0, 1, (3, 2)) * (2 * a, 0.9) - (a, 0), 0.02, _mul(c, float(rng.choice([0.4, 1.4]))))
    elif kind == "cloth":
        m.part(_blob(rng, 0, 0.32, rng.uniform(0.7, 1.2), 0.34, 0.25, 13), c, "cloth", 0.3, bumps=2)
        for _ in range(7):
            q = np.cumsum(rng.normal(0, 0.2, (4, 2)) * (1, 0.5), 0) + (rng.uniform(-0.5, 0.5), rng.uniform(0.2, 0.5))
            q[:, 1] = np.clip(q[:, 1], 0.06, 0.9)
            m.tube(smooth(q, 1)[:-2], rng.uniform(0.06, 0.2), _mul(c, rng.uniform(0.75, 1.15)), "cloth", 0.15)
    elif kind == "pipe":
        for _ in range(int(rng.integers(2, 5))):
            p = np.c_[rng.uniform(-1.2, 1.2, 2), rng.uniform(0.08, 0.9, 2)]
            m.part(
                _limb(p[0], p[1], rng.uniform(0.08, 0.2), rng.uniform(0.08, 0.2)),
                _color(rng),
                _one(rng, "metal", "rust", "plastic", "wood"),
                0.08,
                rng.uniform(0, 0.3),
            )
        shard(0, 0.2, 0.4, _one(rng, *mats), c)
    else:
        m.look(float(rng.uniform(-60, 60)), float(rng.uniform(0, 25)))
        for _ in range(int(rng.integers(2, 6))):
            what, x, y, mat = rng.integers(4), rng.uniform(-0.5, 0.5), rng.uniform(0, 0.5), _one(rng, *mats)
            s, c = rng.uniform(0.15, 0.45), _color(rng)
            if what == 0:
                m.box(x - s, y, x + s, min(1.0, y + rng.uniform(0.2, 0.6)), s * 0.6, c, mat, 0.04)
            elif what == 1:
                m.part(_blob(rng, x, y + s * 0.8, s, s * 0.8, 0.3), c, mat, s * rng.uniform(0.2, 0.9), 0.3)
            elif what == 2:
                m.tube(rng.uniform(0.05, 0.95, (4, 2)) * (1.6, 1) - (0.8, 0), rng.uniform(0.04, 0.14), c, mat, 0.3)
            else:
                shard(x, y + s, s, mat, c)
    if _chance(rng, 0.3):
        m.warp(float(rng.uniform(-20, 20)), float(rng.uniform(0, 0.05)))
    near = cv2.dilate(m.alpha, np.ones((int(0.05 * m.scale) | 1,) * 2, np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(near)
    m.alpha[labels != 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())] = 0  # nothing hangs in the air


_KINDS: dict[str, tuple[Callable[[Model, Rng], None], float]] = {
    "car": (_car, 3.4), "pedestrian": (_pedestrian, 0.9), "bicycle": (_bicycle, 2.0), "dog": (_dog, 1.9),
    "stroller": (_stroller, 1.5), "traffic cone": (_cone, 1.5), "bollard": (_bollard, 0.8), "barrel": (_barrel, 1.1),
    "barrier": (_barrier, 3.0), "warning sign": (_sign, 1.3), "trash bin": (_trash_bin, 1.8),
    "cardboard box": (_cardboard_box, 2.9), "suitcase": (_suitcase, 1.8), "tire": (_tire, 1.4), "stone": (_stone, 2.1),
    "plastic bag": (_plastic_bag, 1.4), "pallet": (_pallet, 2.7), "tree branch": (_tree_branch, 3.5),
    "debris": (_debris, 3.0),
}  # fmt: skip
"""Kind to the maker of its model and the widest extent, in heights."""


def draw(kind: str, height_px: float, rng: np.random.Generator) -> np.ndarray:
    """A random picture of the kind as straight-alpha RGBA, cropped to the object; its bottom row is on the ground.

    Args:
        kind: one of ``synthetic.kinds.NAMES``.
        height_px: the height of the kind as it stands; what lies comes out lower.
        rng: decides everything that varies.

    Raises:
        ValueError: the kind is unknown.
    """
    if kind not in _KINDS:
        raise ValueError(f"cannot draw {kind!r}; choose one of: {', '.join(_KINDS)}")
    make, width = _KINDS[kind]
    model = Model(height_px, width, rng)
    make(model, rng)
    return model.finish(height_px)
