"""The ``sketches`` style: every kind drawn by hand in pencil, ink, watercolour, felt, crayon, chalk or gouache.

A painter lists shapes on a ``Sheet`` in units of the standing thing's height; ``_Medium`` decides how they come to
paper: wobbling lines, fills that miss them, hatching and grain. What is drawn is cut out of the paper, so it is opaque.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from .canvas import Color, ellipse, hexa, mix, pick, rect, smooth, tone

Rng = np.random.Generator
Points = Sequence[Sequence[float]] | np.ndarray
T = TypeVar("T")
_WIDEST = 3.6  # heights
_SKIN = "f6d2b0 e0ac7c b87848 7a4a2c 4a2e20 ffc8b0"
_CLOTH = "b03038 28508c 3a6a40 e0b040 e8e4dc 303038 784890 d07840 88a8c8 c87890 6a5040 909490"
_DARK = "1c1c20 2c3038 30261e 3c3c40"
_METAL = "a8acb0 c8ccd0 70767c 8c9094"
_WOOD = "c8a068 a87844 dcc090 8a6238 b4aa98"


@dataclass
class _Op:
    """One shape: a polygon (``width`` 0) or a thick line; without a colour it is a line of ink, or a hole."""

    points: np.ndarray
    color: Color | None
    width: float = 0.0
    closed: bool = True
    hole: bool = False


class Sheet:
    """The list of a sketch's shapes, x to the right and y up, and the chance that shapes them."""

    def __init__(self, rng: Rng) -> None:
        self.rng, self.ops, self.bend, self.fine = rng, list[_Op](), 0.0, 1.0

    def u(self, low: float, high: float) -> float:
        """A number in the range."""
        return float(self.rng.uniform(low, high))

    def p(self, chance: float) -> bool:
        """True with the chance."""
        return bool(self.rng.random() < chance)

    def n(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        return int(self.rng.integers(low, high + 1))

    def one(self, *options: T) -> T:
        """One of the options."""
        return options[self.rng.integers(len(options))]

    def color(self, codes: str, free: float = 0.4) -> Color:
        """One of the colours, or with the chance ``free`` any."""
        if self.p(free):
            return colorsys.hsv_to_rgb(self.u(0, 1), self.u(0, 0.9), self.u(0.25, 1))
        return pick(self.rng, codes)

    def fill(self, points: Points, color: Color) -> None:
        """A filled outline."""
        self.ops.append(_Op(np.asarray(points, float), color))

    def box(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """A rectangle."""
        self.fill(rect(x0, y0, x1, y1), color)

    def disc(self, x: float, y: float, rx: float, color: Color, ry: float | None = None) -> None:
        """A circle or an ellipse."""
        self.fill(ellipse(x, y, rx, rx if ry is None else ry, n=18), color)

    def tube(self, points: Points, width: float, color: Color, closed: bool = False) -> None:
        """A bent bar of one thickness."""
        self.ops.append(_Op(np.asarray(points, float), color, width, closed))

    def mark(self, *lines: Points, weight: float = 1.0, closed: bool = False) -> None:
        """Lines of ink, ``weight`` times as thick as outlines."""
        self.ops += [_Op(np.asarray(line, float), None, weight, closed) for line in lines]

    def hole(self, points: Points) -> None:
        """An opening one looks through."""
        self.ops.append(_Op(np.asarray(points, float), None, hole=True))

    def limb(self, points: Points, widths: Sequence[float], color: Color) -> None:
        """A bar whose thickness changes from point to point."""
        p, w = np.asarray(points, float), np.asarray(widths, float)[:, None] / 2
        d = np.gradient(p, axis=0)
        d /= np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-6)[:, None]
        side = d[:, ::-1] * (-1, 1) * w
        tail, tip = p[:1] - d[:1] * w[:1] * 0.8, p[-1:] + d[-1:] * w[-1:] * 0.8
        self.fill(smooth(np.concatenate([tail, p + side, tip, (p - side)[::-1]]), 1), color)

    def prism(self, face: Points, dx: float, dy: float, color: Color, sides: Sequence[Color] | None = None) -> None:
        """A body of the front ``face`` that goes back by (dx, dy); ``sides`` colours its edges' surfaces."""
        f = np.asarray(face, float)
        g = np.roll(f, -1, 0)
        for i in np.argsort(-(f + g)[:, 1] * np.sign(dy or 1)):
            e = g[i] - f[i]
            if (e[0] * dy - e[1] * dx) * _area(f) < 0:  # turned towards the viewer
                shade = tone(color, 1.12 if abs(e[0]) > abs(e[1]) else 0.72) if sides is None else sides[i]
                self.fill([f[i], g[i], g[i] + (dx, dy), f[i] + (dx, dy)], shade)
        self.fill(f, color)

    def level(self) -> None:
        """Scales what was drawn so far to the height 1."""
        points = np.concatenate([op.points for op in self.ops])
        low, high = points.min(0)[1], points.max(0)[1]
        self.map(np.eye(2) / (high - low))

    def turn(self, degrees: float, since: int = 0, pivot: Sequence[float] = (0.0, 0.0)) -> None:
        """Turns what was drawn since the given shape counter-clockwise."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        self.map(np.array([[c, -s], [s, c]]), since, pivot)

    def map(self, matrix: Points, since: int = 0, pivot: Sequence[float] = (0.0, 0.0)) -> None:
        """Applies a 2 × 2 matrix to what was drawn since the given shape."""
        m, c = np.asarray(matrix, float).T, np.asarray(pivot, float)
        for op in self.ops[since:]:
            op.points = (op.points - c) @ m + c


def _rounded(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """A rectangle with round corners."""
    x0, x1, r = min(x0, x1), max(x0, x1), 0.18 * min(abs(x1 - x0), y1 - y0)
    corners = ((x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180), (x1 - r, y0 + r, 270))
    return np.concatenate([ellipse(x, y, r, r, a, a + 90, 4) for x, y, a in corners])


def _area(f: np.ndarray) -> float:
    x, y = f.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


# Profiles face right: outline, window (rear belt, rear top, front top, front belt), belt height, wheels, their radius.
_CARS: dict[str, tuple[list[tuple[float, float]], tuple[float, ...], float, tuple[float, float], float]] = {
    "saloon": (
        [(0, 0.2), (0.02, 0.6), (0.5, 0.66), (0.88, 1), (1.62, 1), (2.1, 0.65), (2.85, 0.54), (2.95, 0.2)],
        (0.6, 0.92, 1.58, 2.0), 0.65, (0.55, 2.4), 0.21,
    ),
    "hatchback": (
        [(0, 0.2), (0, 0.62), (0.25, 1), (1.3, 1), (1.75, 0.64), (2.36, 0.54), (2.45, 0.2)],
        (0.12, 0.32, 1.27, 1.65), 0.64, (0.45, 1.98), 0.21,
    ),
    "suv": (
        [(0, 0.25), (0, 0.68), (0.1, 1), (1.7, 1), (2.05, 0.7), (2.6, 0.64), (2.7, 0.25)],
        (0.08, 0.16, 1.66, 1.96), 0.68, (0.5, 2.15), 0.25,
    ),
    "van": (
        [(0, 0.15), (0, 0.95), (0.06, 1), (1.85, 1), (2.25, 0.6), (2.55, 0.5), (2.6, 0.15)],
        (1.35, 1.35, 1.8, 2.12), 0.64, (0.5, 2.1), 0.17,
    ),
    "minibus": (
        [(0, 0.15), (0, 0.95), (0.06, 1), (2.0, 1), (2.3, 0.6), (2.45, 0.5), (2.5, 0.15)],
        (0.1, 0.1, 1.96, 2.2), 0.62, (0.45, 2.05), 0.17,
    ),
    "pick-up": (
        [(0, 0.25), (0, 0.6), (1.2, 0.6), (1.32, 1), (1.95, 1), (2.3, 0.64), (3.0, 0.6), (3.1, 0.25)],
        (1.33, 1.4, 1.92, 2.2), 0.65, (0.6, 2.55), 0.24,
    ),
    "coupe": (
        [(0, 0.2), (0.03, 0.62), (0.45, 0.7), (1.1, 1), (1.5, 1), (2.1, 0.64), (2.9, 0.48), (3.0, 0.2)],
        (0.75, 1.12, 1.47, 2.0), 0.66, (0.55, 2.4), 0.23,
    ),
    "beetle": (
        [(0, 0.2), (0.1, 0.5), (0.45, 0.85), (0.9, 1), (1.35, 0.98), (1.62, 0.66), (2.2, 0.55), (2.4, 0.2)],
        (0.55, 0.72, 1.32, 1.52), 0.66, (0.45, 1.95), 0.21,
    ),
    "lorry": (
        [(0, 0.25), (0, 1), (1.5, 1), (1.5, 0.85), (1.95, 0.85), (2.1, 0.52), (2.14, 0.2)],
        (1.62, 1.62, 1.88, 1.98), 0.54, (0.4, 1.75), 0.18,
    ),
}  # fmt: skip


def car(s: Sheet) -> None:
    """Nine bodies from the side or at an angle, and from the front or behind."""
    body = s.color("b82830 2850a0 e8e8e4 2c2c30 a8b0b4 d8b840 487850 70b0c8 8a3a28")
    glass, rubber, hub = s.color("a8d0e0 40505c d8e8ec 708898", 0.1), s.color(_DARK, 0.08), s.color(_METAL, 0.15)
    if s.p(0.3):
        _car_end(s, body, glass, rubber)
    else:
        outline, window, belt, wheels, r = _CARS[s.one(*_CARS)]
        deep = 0.0 if s.p(0.5) else s.u(0.25, 0.6)
        rise, start = deep * s.u(0.15, 0.4), len(s.ops)
        r, lamps = r * s.u(0.9, 1.15), [hexa("d82828"), hexa("f8f0b0")]
        if s.p(0.35):  # seen from behind: it faces left
            end = max(x for x, _ in outline)
            outline, lamps = [(end - x, y) for x, y in outline[::-1]], lamps[::-1]
            window, wheels = tuple(end - x for x in window[::-1]), (end - wheels[1], end - wheels[0])
        if deep:
            s.disc(wheels[1] + deep, r + rise, r * 0.8, rubber, r)
            sides = []
            for k, (x, y) in enumerate(outline):
                to_x, to_y = outline[(k + 1) % len(outline)]
                steep = y > 0.8 and 0.4 < to_y < y - 0.2 and k >= len(outline) // 2 - 2
                sides.append(glass if steep else tone(body, 1.12 if abs(to_x - x) > y - to_y else 0.8))
            s.prism(outline, deep, rise, body, sides)
            x, y = outline[-2]
            if y > 0.8:  # an upright end has its window here
                s.fill([(x + f * deep, v + f * rise) for f, v in ((0.12, 0.62), (0.88, 0.62), (0.88, 0.9),
                    (0.12, 0.9))], glass)  # fmt: skip
            for f in (0.18, 0.82):
                s.disc(x + 0.05 + f * deep, min(y * 0.78, 0.5) + f * rise, 0.05, lamps[1], 0.065)
            s.box(x + 0.08 + 0.35 * deep, 0.27 + 0.5 * rise, x + 0.08 + 0.65 * deep, 0.34 + 0.5 * rise, hexa("f0f0f0"))
        else:
            s.fill(smooth(outline, 1) if s.p(0.7) else outline, body)
        a, b, c, d = window
        parts = s.n(1, 3) if c - b > 0.6 else 1
        for i in range(parts):
            lo, hi = i / parts, (i + 1) / parts - (0.05 if i < parts - 1 else 0)
            s.fill([(a + lo * (d - a), belt), (b + lo * (c - b), 0.93), (b + hi * (c - b), 0.93),
                    (a + hi * (d - a), belt)], glass)  # fmt: skip
            x = a + hi * (d - a)
            s.mark([(x, belt), (x + 0.02, 0.27)], weight=0.7)
            if s.p(0.7):
                s.mark([(x - 0.18, belt - 0.08), (x - 0.08, belt - 0.08)], weight=1.2)
        x, y = outline[-2]
        s.disc(x - 0.04, min(y, 0.6) - 0.06, 0.06, lamps[1], 0.05)
        s.box(outline[0][0], 0.42, outline[0][0] + 0.07, 0.52, lamps[0])
        if s.p(0.4):
            s.mark([(0.05, 0.33), (x - 0.05, 0.33)], weight=1.0)
        for x in wheels:
            if s.p(0.03):
                continue
            s.disc(x, r, r, rubber)
            s.disc(x, r, r * s.one(0.45, 0.6), hub)
            s.disc(x, r, r * 0.15, tone(hub, 0.6))
        if s.p(0.15):
            s.box(0.9, 1.0, 1.5, 1.08, s.color(_WOOD + " 3060d0"))
        if deep:
            s.map([[s.u(0.6, 0.85), 0], [0, 1 / (1 + rise)]], start)
    _damage(s, 0.25, 0.05)
    if s.p(0.06):  # its roof is crushed
        s.map([[1, s.u(-0.2, 0.2)], [0, s.u(0.65, 0.85)]])
    if s.p(0.07):
        s.turn(s.u(170, 190))


def _car_end(s: Sheet, body: Color, glass: Color, rubber: Color) -> None:
    w, front, tall = s.u(0.55, 0.68), s.p(0.5), s.p(0.3)
    roof, belt = w * (0.92 if tall else s.u(0.68, 0.82)), s.u(0.58, 0.66)
    for side in (-1, 1):
        s.box(side * w * 0.8 - 0.12, 0, side * w * 0.8 + 0.12, 0.3, rubber)
    s.fill(smooth([(-w, 0.18), (-w, 0.55), (-w * 0.95, belt), (-roof, 0.98), (-roof * 0.6, 1), (roof * 0.6, 1),
        (roof, 0.98), (w * 0.95, belt), (w, 0.55), (w, 0.18)], 1), body)  # fmt: skip
    s.fill([(-w * 0.86, belt + 0.02), (-roof * 0.88, 0.93), (roof * 0.88, 0.93), (w * 0.86, belt + 0.02)], glass)
    lamp, round_ = hexa("fbf4c0") if front else hexa("d82020"), s.p(0.5)
    for side in (-1, 1):
        if tall and not front:
            s.box(side * w * 0.88 - 0.05, 0.4, side * w * 0.88 + 0.05, 0.75, lamp)
        elif round_:
            s.disc(side * w * 0.74, 0.45, 0.085, lamp)
        else:
            s.fill(rect(side * w * 0.72 - 0.14, 0.4, side * w * 0.72 + 0.14, 0.5), lamp)
        s.fill(ellipse(side * (w + 0.07), belt + 0.04, 0.075, 0.05, n=10), tone(body, 0.8))
    if front:
        s.box(-w * 0.42, 0.34, w * 0.42, 0.5, hexa("303034"))
        s.mark(*[[(-w * 0.4, y), (w * 0.4, y)] for y in (0.39, 0.45)])
        s.mark([(-w * 0.8, belt - 0.03), (-w * 0.5, 0.53), (w * 0.5, 0.53), (w * 0.8, belt - 0.03)])
        if s.p(0.4):
            s.disc(-roof * 0.4, belt + 0.15, 0.08, s.color(_SKIN, 0))
    else:
        s.mark([(-w * 0.85, 0.37), (w * 0.85, 0.37)])
    s.box(-w, 0.18, w, 0.28, s.one(tone(body, 0.75), hexa("48484c"), hexa("b8bcc0")))
    s.box(-0.17, 0.21, 0.17, 0.31, hexa("f4f2e0"))


def _damage(s: Sheet, chance: float, size: float) -> None:
    """Bends everything at times."""
    if s.p(chance):
        s.bend = s.u(0.4, 1.6) * size


def pedestrian(s: Sheet) -> None:
    """Adults and children, with clothes and things of all kinds, in all poses."""
    s.fine = 0.55
    skin, top, low = s.color(_SKIN, 0.06), s.color(_CLOTH), s.color(_CLOTH)
    shoe, hair = s.color(_DARK + " 7a3a20 e8e8e8", 0.2), s.color("1c1814 4a3020 8a5a2c d8b060 b8b4b0 a84820", 0.1)
    child = s.p(0.25)
    r = s.u(0.095, 0.12) if child else s.u(0.063, 0.078)
    view = s.one("front", "back", "side", "side")
    build = s.u(0.8, 1.35) * (1.15 if child else 1)
    hip, neck = (0.43 if child else 0.5), 1 - 2.15 * r
    shoulder, pose = neck - 0.03, s.one("stand", "walk", "walk", "run")
    step = {"stand": 0.03, "walk": s.u(0.08, 0.17), "run": s.u(0.18, 0.25)}[pose]
    side = view == "side"
    lean = 0.07 if pose == "run" else s.u(-0.01, 0.03)
    wide = (0.075 if side else 0.105) * build
    limb = 0.075 * build**0.6
    skirt = s.p(0.25)
    legs = skin if skirt or s.p(0.1) else low
    umbrella, cloth = s.p(0.1), s.p(0.18)

    def arm(k: int, dark: float = 1.0) -> tuple[float, float]:
        x = lean + (k * 0.02 if side else k * wide * 0.95)
        swing = -k * step * s.u(0.5, 1.1) if side else k * s.u(0.03, 0.14)
        up = s.p(0.13) or (umbrella and k > 0)
        elbow = (x + swing * 0.7 + (k * 0.06 if up else 0), shoulder - (0.1 if up else 0.19))
        hand = ((elbow[0] + 0.07 * k, shoulder + 0.08) if up else (x + swing + (0.05 if side else 0),
            shoulder - s.u(0.3, 0.37)))  # fmt: skip
        s.limb([(x, shoulder - 0.02), elbow, hand], [limb * 0.95, limb * 0.8, limb * 0.6], tone(top, dark))
        s.disc(hand[0], hand[1] - 0.01, limb * 0.42, skin)
        return hand

    hands = [arm(-1, 0.8)] if side else []
    if s.p(0.2) and side:
        s.fill(_rounded(lean - wide - 0.13, hip + 0.08, lean - wide * 0.3, shoulder + 0.02), s.color(_CLOTH))
    for k in (-1, 1):
        x0 = 0.0 if side else k * wide * 0.45
        foot = k * step if side else x0 + k * step * 0.3
        lift = 0.0 if (pose == "stand" or k > 0) else (0.13 if pose == "run" else 0.03)
        knee = (x0 + (foot - x0) * 0.45 + (0.05 if side and pose != "stand" else 0), hip * 0.52 + lift * 0.4)
        s.limb([(x0, hip + 0.03), knee, (foot, 0.05 + lift)], [limb * 1.35, limb * 1.05, limb * 0.75],
            tone(legs, 1 if k > 0 else 0.82))  # fmt: skip
        toe = 0.075 if side else k * 0.025
        s.fill(smooth([(foot - 0.035, lift), (foot - 0.035, 0.055 + lift), (foot + 0.03, 0.055 + lift),
            (foot + toe + 0.025 * np.sign(toe), 0.025 + lift), (foot + toe, lift)], 1), shoe)  # fmt: skip
    waist = hip + 0.12
    if skirt:
        hem = s.u(0.2, 0.36)
        s.fill([(-wide * 0.7 + lean / 2, waist), (-wide * s.u(1.1, 1.8), hem), (wide * s.u(1.1, 1.8), hem),
            (wide * 0.7 + lean / 2, waist)], low)  # fmt: skip
    hem = s.u(0.25, 0.36) if cloth else hip - s.u(0.0, 0.04)
    s.fill(smooth([(-wide * (1.15 if cloth else 0.9), hem), (lean * 0.5 - wide * 0.85, waist), (lean - wide,
        shoulder - 0.05), (lean - wide * 0.6, neck), (lean + wide * 0.6, neck), (lean + wide, shoulder - 0.05),
        (lean * 0.5 + wide * 0.85, waist), (wide * (1.15 if cloth else 0.9), hem)], 1), top)  # fmt: skip
    if view == "front" and s.p(0.5):
        s.mark([(lean, neck), (0, hem + 0.02)], weight=0.8)
    hx, hy = lean * 1.2 + (0.012 if side else 0), 1 - r
    s.box(hx - r * 0.4, neck - 0.015, hx + r * 0.4, hy, skin)
    bald, long_ = s.p(0.1), s.p(0.4)
    if long_:
        s.fill(smooth([(hx - r * 1.25, neck - s.u(0, 0.09)), (hx - r * 1.1, hy + r), (hx + r * 0.9, hy + r),
            (hx + r * (0.2 if side else 1.25), neck - 0.02)], 1), hair)  # fmt: skip
    s.disc(hx, hy, r * 0.86, skin, r)
    if not bald:
        if view == "back":
            s.disc(hx, hy + 0.1 * r, r * 0.95, hair, r)
        elif side:
            s.fill(ellipse(hx, hy + 0.1 * r, r, r, 50, 240, 12), hair)
        else:
            s.fill(ellipse(hx, hy + 0.15 * r, r, r * 0.95, 5, 175, 12), hair)
    if side:
        s.fill([(hx + r * 0.8, hy + 0.15 * r), (hx + r * 1.1, hy - 0.2 * r), (hx + r * 0.75, hy - 0.25 * r)], skin)
    elif view == "front":
        s.mark(*[[(hx + q * r * 0.35, hy + 0.05 * r), (hx + q * r * 0.36, hy - 0.06 * r)] for q in (-1, 1)], weight=1.3)
        s.mark([(hx - 0.25 * r, hy - 0.45 * r), (hx + 0.25 * r, hy - 0.45 * r)], weight=0.8)
    if s.p(0.35):
        hat = s.color(_CLOTH)
        s.fill(ellipse(hx, hy + 0.25 * r, r * 1.08, r * 1.0, 0, 180, 12), hat)
        kind = s.n(0, 3)
        if kind == 0:
            s.fill(ellipse(hx, hy + 0.28 * r, r * 1.9, r * 0.25, n=14), hat)
        elif kind == 1:
            s.fill(rect(hx, hy + 0.2 * r, hx + r * 1.7, hy + 0.42 * r), tone(hat, 0.8))
        elif kind == 2:
            s.disc(hx, hy + 1.3 * r, r * 0.35, s.color(_CLOTH))
    for k in (1,) if side else (-1, 1):
        hands.append(arm(k))
    if view == "back" and s.p(0.4):
        s.fill(_rounded(lean - wide * 0.75, hip + 0.06, lean + wide * 0.75, shoulder + 0.01), s.color(_CLOTH))
        s.box(lean - wide * 0.5, hip + 0.1, lean + wide * 0.5, hip + 0.2, s.color(_CLOTH))
    x, y = hands[-1]
    if umbrella:
        canopy, cy = s.color(_CLOTH), 1.0 + s.u(0.02, 0.06)
        s.tube([(x, y - 0.05), (x, cy + 0.1)], 0.014, hexa("403020"))
        s.fill(np.concatenate([ellipse(x, cy - 0.03, 0.34, 0.2, 0, 180, 14), [(x - 0.17, cy), (x, cy - 0.02),
            (x + 0.17, cy)]]), canopy)  # fmt: skip
        s.mark([(x, cy + 0.17), (x - 0.17, cy)], [(x, cy + 0.17), (x + 0.17, cy)])
    elif s.p(0.35):
        size, bag = s.u(0.06, 0.1), s.color(_CLOTH + " " + _WOOD)
        s.mark([(x, y), (x - size, y - 0.09)], [(x, y), (x + size, y - 0.09)], weight=1.5)
        s.fill([(x - size, y - 0.09), (x - size * 1.1, y - 0.09 - size * 2), (x + size * 1.1, y - 0.09 - size * 2),
            (x + size, y - 0.09)], bag)  # fmt: skip
    elif s.p(0.1):
        s.tube([(x, y), (x + 0.06, 0.01)], 0.016, hexa("5a3a20"))
    if s.p(0.12):
        s.turn(s.one(-1, 1) * s.u(75, 95))
    elif s.p(0.1):
        s.turn(s.u(-15, 15))


def bicycle(s: Sheet) -> None:
    """City, race, child's, folding and cargo bicycles, upright, leaning or lying."""
    s.fine = 0.65
    frame, tyre, metal = (s.color("c02830 2858a0 282828 48a060 e8c030 e8e8e8 d878a0"), s.color(_DARK, 0.1),
        s.color(_METAL, 0.1))  # fmt: skip
    kind = s.one("city", "city", "race", "child", "folding", "mountain")
    r = {"child": 0.27, "folding": 0.23, "mountain": 0.335}.get(kind, 0.33) * s.u(0.95, 1.04)
    span = {"child": 0.78, "folding": 0.95}.get(kind, 1.05) * s.u(0.95, 1.05)
    rim, fat = (s.u(0.045, 0.06) if kind in ("mountain", "child") else s.u(0.022, 0.042)), s.u(0.035, 0.055)
    rear, front = np.array([-span / 2, r]), np.array([span / 2, r])
    crank, seat = np.array([-0.06, r * 0.85]), np.array([-0.24 * span, s.u(0.78, 0.9)])
    head, bar = np.array([span * 0.3, 0.72]), np.array([span * 0.27, s.u(0.86, 0.98)])
    if s.p(0.15):
        paper = s.color("f0ece0 d8d8d8", 0.1)
        for c in (rear, front):
            s.disc(c[0], c[1], r, paper)
    spokes = s.n(3, 8) if s.p(0.75) else 0
    for c in (rear, front):
        for a in np.arange(spokes) * np.pi / max(spokes, 1):
            d = r * np.array([np.cos(a), np.sin(a)])
            s.mark([c - d, c + d], weight=0.55)
        s.tube(ellipse(*c, r - rim / 2, r - rim / 2, n=26), rim, tyre, closed=True)
        s.disc(*c, 0.03, metal)
    if s.p(0.5) and kind != "race":
        for c in (rear, front):
            s.tube(ellipse(*c, r + 0.03, r + 0.03, 30, 150, 10), 0.022, s.one(frame, metal))
    if kind == "city" and s.p(0.5):
        s.tube([rear + (-0.12, r + 0.1), rear + (0.22, r + 0.1), rear], 0.02, metal)
        if s.p(0.4):
            s.box(rear[0] - 0.16, 2 * r + 0.06, rear[0] + 0.16, 2 * r + 0.28, s.color(_WOOD + " " + _CLOTH))
    post = crank + (seat - crank) * 0.78
    s.tube([crank, rear, post], fat * 0.6, frame)
    s.tube([crank, seat], fat * 0.85, frame)
    s.tube([head, front], fat * 0.75, frame)
    s.tube([bar, head], fat * 0.8, metal)
    if kind == "folding" or (kind in ("city", "child") and s.p(0.5)):
        s.tube([head - (0, 0.1), (0.05, r + 0.05), crank], fat * 1.1, frame)
    else:
        s.tube([crank, head - (0, 0.08)], fat, frame)
        s.tube([post, head], fat * 0.9, frame)
    s.fill(smooth([seat + (-0.14, 0.05), seat + (-0.12, -0.01), seat + (0.13, 0.01), seat + (0.13, 0.05)], 1), tyre)
    if kind == "race":
        s.tube([bar, bar + (0.14, 0.01), bar + (0.19, -0.07), bar + (0.1, -0.14)], 0.03, tyre)
    else:
        s.tube([bar + (0.03, 0), bar + (-0.05, 0.05), bar + (-0.18, 0.03)], 0.032, tyre)
        if s.p(0.35):
            s.fill([bar + (0.05, -0.02), bar + (0.08, -0.24), bar + (0.32, -0.24), bar + (0.36, -0.02)], s.color(_WOOD))
    s.disc(*crank, 0.075, metal)
    a = s.u(0, 6.28)
    d = 0.14 * np.array([np.cos(a), np.sin(a)])
    s.tube([crank - d, crank + d], 0.02, metal)
    s.tube([crank + d - (0.05, 0), crank + d + (0.05, 0)], 0.03, tyre)
    s.mark([crank + (0, 0.07), rear + (0, 0.03)], [crank - (0, 0.07), rear - (0, 0.03)], weight=0.8)
    if kind == "child" and s.p(0.6):
        s.tube(ellipse(rear[0] + 0.03, 0.1, 0.09, 0.09, n=12), 0.035, tyre, closed=True)
    s.map([[s.u(0.65, 1) if s.p(0.35) else 1, 0], [0, 1]])
    if s.p(0.15):  # lies on its side, seen from above at a low angle
        s.map([[1, s.u(-0.4, 0.4)], [0, s.u(0.4, 0.6)]])
    elif s.p(0.3):
        s.turn(s.u(-13, 13))
    _damage(s, 0.12, 0.06)


def dog(s: Sheet) -> None:
    """From the side standing, walking, sitting or lying, and sitting from the front, of all builds."""
    coat = s.color("8a5a30 d8b078 2c2622 e8e0d4 b87840 707070 f0d8a8", 0.25)
    patch = s.color("2c2622 f0ece4 8a5a30", 0.1) if s.p(0.4) else coat
    nose, long_hair = hexa("201c1c"), s.p(0.3)
    leg, fat, ear = s.u(0.3, 0.5), s.u(0.85, 1.3), s.one("flop", "prick", "flop")
    pose = s.one("stand", "walk", "walk", "sit", "front", "lie")
    muzzle, hr = s.u(0.12, 0.24), s.u(0.13, 0.17)

    def head(x: float, y: float) -> None:
        s.fill(smooth([(x, y + 0.03), (x + hr + muzzle, y - 0.02), (x + hr + muzzle, y - 0.1), (x + 0.05,
            y - 0.15)], 1), coat)  # fmt: skip
        s.disc(x, y, hr, coat, hr * 0.95)
        s.disc(x + hr + muzzle - 0.01, y - 0.02, 0.035, nose)
        s.mark([(x + hr + muzzle - 0.02, y - 0.08), (x + hr * 0.7, y - 0.1)])
        s.disc(x + hr * 0.45, y + 0.03, 0.022, nose)
        if ear == "flop":
            s.fill(smooth([(x - hr * 0.7, y + hr * 0.7), (x - hr * 1.2, y - hr * 1.1), (x - hr * 0.3, y - hr * 1.2),
                (x, y + hr * 0.6)], 1), tone(patch, 0.8))  # fmt: skip
        else:
            s.fill([(x - hr * 0.8, y + hr * 0.4), (x - hr * 0.5, y + hr * 1.7), (x + hr * 0.15, y + hr * 0.8)],
                tone(patch, 0.85))  # fmt: skip

    def tail(x: float, y: float, up: float) -> None:
        s.limb(
            [(x, y), (x - 0.17, y + up * 0.5), (x - 0.22, y + up)], [0.09, 0.09 if long_hair else 0.065, 0.05], patch
        )

    if pose == "front":
        tail(0.1, 0.1, 0.1)
        for k in (-1, 1):
            s.disc(k * 0.19, 0.1, 0.13, tone(coat, 0.85), 0.11)
        s.fill(smooth([(-0.24, 0.02), (-0.17, 0.6), (0.17, 0.6), (0.24, 0.02)], 1), coat)
        for k in (-1, 1):
            s.limb([(k * 0.09, 0.42), (k * 0.08, 0.06)], [0.11, 0.1], coat)
            s.disc(k * 0.09, 0.035, 0.075, coat, 0.04)
        s.disc(0, 0.78, 0.18, coat, 0.19)
        for k in (-1, 1):
            s.disc(k * 0.075, 0.83, 0.022, nose)
            if ear == "flop":
                s.fill(
                    smooth([(k * 0.1, 0.95), (k * 0.25, 0.9), (k * 0.27, 0.6), (k * 0.17, 0.65)], 1), tone(patch, 0.8)
                )
            else:
                s.fill([(k * 0.04, 0.94), (k * 0.15, 1.1), (k * 0.18, 0.86)], tone(patch, 0.85))
        s.disc(0, 0.7, 0.09, mix(coat, (1, 1, 1), 0.35), 0.075)
        s.disc(0, 0.74, 0.04, nose, 0.03)
        s.mark([(-0.06, 0.67), (0, 0.65), (0.06, 0.67)])
        return
    if pose == "sit":
        tail(-0.3, 0.08, s.u(-0.03, 0.2))
        s.fill(smooth([(-0.36, 0.02), (-0.38, 0.28), (-0.05, 0.66), (0.12, 0.8), (0.24, 0.62), (0.18, 0.25),
            (0.1, 0.02)], 2), coat)  # fmt: skip
        s.limb([(0.15, 0.5), (0.16, 0.2), (0.16, 0.04), (0.24, 0.03)], [0.14, 0.1, 0.08, 0.07], coat)
        s.disc(-0.17, 0.17, 0.18, tone(coat, 0.94), 0.16)
        s.limb([(-0.2, 0.04), (0.06, 0.04)], [0.09, 0.08], coat)
        head(0.16, 0.84)
    elif pose == "lie":
        tail(-0.55, 0.1, 0.05)
        s.fill(smooth([(-0.6, 0.02), (-0.6, 0.3), (-0.2, 0.36), (0.3, 0.42), (0.5, 0.3), (0.4, 0.02)], 2), coat)
        s.disc(-0.4, 0.16, 0.19, tone(coat, 0.92), 0.15)
        s.limb([(0.25, 0.08), (0.72, 0.05)], [0.12, 0.08], coat)
        s.limb([(-0.4, 0.05), (-0.1, 0.045)], [0.1, 0.08], coat)
        s.limb([(0.3, 0.3), (0.45, 0.45)], [0.26, 0.2], coat)
        head(0.5, 0.55)
    else:
        low, long_ = leg, s.u(0.38, 0.52)
        back = 0.78
        stride = s.u(0.08, 0.2) if pose == "walk" else 0.02
        tail(-long_ - 0.02, back - 0.1, s.u(-0.3, 0.3))
        for near in (False, True):
            shade = coat if near else tone(coat, 0.75)
            k = 1 if near else -1
            for x, bent in ((-long_ + 0.08, -0.07), (long_ - 0.1, 0.0)):
                foot = x + (k if bent else -k) * stride
                s.limb([(x, low + 0.18), ((x + foot) / 2 + bent, low * 0.5), (foot, 0.05), (foot + 0.06, 0.03)],
                       [0.17 * fat, 0.09 * fat, 0.07, 0.065], shade)  # fmt: skip
        s.fill(smooth([(-long_, low + 0.12), (-long_ - 0.03, back - 0.08), (-long_ * 0.4, back - 0.02), (long_ * 0.6,
            back), (long_ + 0.08, back - 0.1), (long_, low), (long_ * 0.3, low - 0.03 * fat), (-long_ * 0.4,
            low + 0.1 / fat)], 2), coat)  # fmt: skip
        if patch != coat:
            s.disc(-long_ * 0.2, back - 0.14, 0.16, patch, 0.1)
        down = s.p(0.15)
        s.limb([(long_ - 0.1, back - 0.15), (long_ + 0.12, 0.55 if down else 0.83)], [0.27 * fat**0.5, 0.18], coat)
        if s.p(0.5):
            s.tube([(long_ - 0.04, 0.9 - 0.1 * down), (long_ + 0.13, 0.7)], 0.045, s.color(_CLOTH))
        head(long_ + 0.14, 0.45 if down else 0.86)
        if long_hair:
            xs = np.linspace(-long_ * 0.7, long_ * 0.8, 10)
            s.fill(np.stack([xs, low + np.where(np.arange(10) % 2, -0.07, 0.04)], 1), coat)
            s.mark(*[[(x, back - 0.2), (x - 0.05, back - 0.3)] for x in xs[1::3]], weight=0.7)
    if s.p(0.08):  # lies on its side
        s.map([[1, s.u(-0.5, 0.5)], [0, s.u(0.4, 0.6)]])
    if s.p(0.3):
        s.map([[s.u(0.65, 0.9), 0], [0, 1]])


def _wheel(s: Sheet, x: float, r: float, tyre: Color, hub: Color) -> None:
    s.disc(x, r, r, tyre)
    s.disc(x, r, r * 0.55, hub)
    s.mark([(x - r * 0.5, r), (x + r * 0.5, r)], [(x, r * 0.5), (x, r * 1.5)], weight=0.7)


def stroller(s: Sheet) -> None:
    """Prams, buggies and sports strollers from the side, and buggies from the front."""
    s.fine = 0.8
    cloth, metal, tyre = s.color(_CLOTH), s.color(_METAL + " 28282c", 0.15), s.color(_DARK, 0.1)
    hood = cloth if s.p(0.6) else s.color(_CLOTH)
    kind = s.one("pram", "buggy", "buggy", "front")
    if kind == "pram":
        r = s.u(0.16, 0.24)
        s.tube([(-0.35, r), (0.28, 0.4)], 0.025, metal)
        s.tube([(0.35, r), (-0.28, 0.4)], 0.025, metal)
        s.tube([(-0.36, 0.55), (-0.58, 0.8), (-0.68, 0.9), (-0.62, 0.93)], 0.035, metal)
        s.fill(smooth([(-0.45, 0.64), (-0.42, 0.42), (-0.2, 0.32), (0.2, 0.32), (0.42, 0.42), (0.48, 0.64)], 1), cloth)
        fan = ellipse(0.02, 0.62, 0.46, 0.4, 0, s.u(85, 130), 10)
        s.fill(np.concatenate([fan, [(0.02, 0.62)]]), hood)
        s.mark(*[[(0.02, 0.62), fan[i]] for i in (3, 6)])
        s.tube([(-0.46, 0.64), (0.48, 0.64)], 0.045, tone(cloth, 0.75))
        for x in (-0.35, 0.35):
            if s.p(0.5):
                s.tube(ellipse(x, r, r - 0.02, r - 0.02, n=18), 0.035, tyre, closed=True)
                s.mark(*[[(x - r * c, r - r * d), (x + r * c, r + r * d)] for c, d in ((0.9, 0), (0, 0.9),
                    (0.64, 0.64), (0.64, -0.64))], weight=0.7)  # fmt: skip
            else:
                _wheel(s, x, r, tyre, metal)
    elif kind == "buggy":
        r = s.u(0.1, 0.17)
        s.tube([(-0.34, r), (0.0, 0.4), (0.05, 0.45)], 0.03, metal)
        s.tube([(0.38, r * 0.9), (0.1, 0.4), (-0.42, 0.92), (-0.5, 0.95)], 0.032, metal)
        if s.p(0.6):
            s.fill(smooth([(-0.2, 0.16), (-0.24, 0.32), (0.16, 0.32), (0.14, 0.16)], 1), tone(cloth, 0.6))
        s.fill(
            smooth([(-0.32, 0.82), (-0.14, 0.34), (0.24, 0.34), (0.26, 0.44), (-0.02, 0.48), (-0.14, 0.85)], 1), cloth
        )
        s.fill([(0.2, 0.36), (0.34, 0.18), (0.44, 0.18), (0.26, 0.44)], tone(cloth, 0.75))
        if s.p(0.5):
            s.disc(-0.05, 0.66, 0.08, s.color(_SKIN, 0))
            s.limb([(-0.06, 0.57), (0.05, 0.46), (0.24, 0.44), (0.3, 0.3)], [0.16, 0.15, 0.09, 0.07], s.color(_CLOTH))
        fan = ellipse(-0.2, 0.72, 0.36, 0.27, s.u(0, 30), 150, 10)
        s.fill(np.concatenate([fan, [(-0.24, 0.7)]]), hood)
        s.mark(*[[(-0.22, 0.71), fan[i]] for i in (3, 6)])
        s.tube([(-0.06, 0.54), (0.24, 0.54)], 0.035, tyre)
        for x, q in ((-0.34, r), (0.38, r * 0.9)):
            _wheel(s, x, q, tyre, metal)
    else:
        w, r = s.u(0.2, 0.27), s.u(0.09, 0.13)
        s.tube([(-w, 0.1), (-w * 0.9, 0.93), (w * 0.9, 0.93), (w, 0.1)], 0.03, metal)
        for k in (-1, 1):
            for q in (0.7, 1.25):
                s.fill(_rounded(k * w * q - 0.035, 0, k * w * q + 0.035, 2 * r), tyre)
        s.tube([(-w * 1.2, r), (w * 1.2, r)], 0.028, metal)
        s.fill(smooth([(-w * 0.85, 0.3), (-w, 0.75), (w, 0.75), (w * 0.85, 0.3)], 1), tone(cloth, 0.75))
        if s.p(0.7):
            s.fill(smooth([(-0.11, 0.34), (-0.1, 0.58), (0.1, 0.58), (0.11, 0.34)], 1), s.color(_CLOTH))
            s.disc(0, 0.64, 0.085, s.color(_SKIN, 0))
            s.mark([(-0.03, 0.65), (-0.03, 0.64)], [(0.03, 0.65), (0.03, 0.64)], weight=1.5)
        s.fill(smooth([(-w * 0.9, 0.2), (-w * 0.95, 0.38), (w * 0.95, 0.38), (w * 0.9, 0.2)], 1), cloth)
        s.fill(np.concatenate([ellipse(0, 0.68, w * 1.1, 0.24, 0, 180, 12), [(-w * 0.6, 0.74), (w * 0.6, 0.74)]]), hood)
        s.tube([(-w * 1.05, 0.48), (w * 1.05, 0.48)], 0.04, tyre)
    s.map([[s.u(0.8, 1.15), 0], [0, 1]])
    if s.p(0.12):
        s.turn(s.one(-90.0, 90.0, 180.0, 40.0))
    elif s.p(0.2):
        s.turn(s.u(-12, 12))


def _band(half: Callable[[float], float], y0: float, y1: float, sag: float) -> np.ndarray:
    """A stripe about a round body of half width ``half(y)``, its edges sagging by ``sag``."""
    t = np.linspace(-1, 1, 9)
    dip = sag * np.sqrt(np.maximum(1 - t * t, 0))
    return np.concatenate([np.stack([t * half(y0), y0 - dip], 1), np.stack([t * half(y1), y1 - dip], 1)[::-1]])


def cone(s: Sheet) -> None:
    """Slim or squat, banded or plain, standing, lying, dented or torn."""
    main, band = s.color("e86020 f07828 d84818 e8c830 c83028", 0.2), s.color("f4f0e8 e0e0dc f0e040", 0.1)
    foot, w, t = s.u(0.27, 0.42), s.u(0.17, 0.27), s.u(0.025, 0.06)
    base, flat = (main if s.p(0.5) else s.color(_DARK, 0.2)), s.u(0.06, 0.14)
    low = 0.08

    def half(y: float) -> float:
        return w + (t - w) * (y - low) / (1 - low)

    if s.p(0.55):
        s.prism([(-foot, 0), (foot * 0.8, 0), (foot * 0.8, 0.05), (-foot, 0.05)], foot * 0.2, flat, base)
    elif s.p(0.5):
        s.disc(0, low, foot, base, 0.08)
    else:
        s.box(-foot, 0, foot, low, base)
    s.fill(np.concatenate([_band(half, low, 0.5, 0.04)[:9], [(t, 0.98), (t * 0.4, 1.0), (-t * 0.4, 1.0),
        (-t, 0.98)]]), main)  # fmt: skip
    for y, h in s.one(
        [(0.5, 0.2)],
        [(0.35, 0.16), (0.65, 0.14)],
        [(0.62, 0.2)],
        [(0.25, 0.12), (0.5, 0.12), (0.74, 0.1)],
        [(0.4, 0.28)],
        [],
    ):
        s.fill(_band(half, y, y + h, 0.03), band)
    if s.p(0.3):
        s.disc(0, 0.99, t, tone(main, 0.4), t * 0.4)
    if s.p(0.25):
        s.turn(s.one(-1, 1) * s.u(70, 105))
    elif s.p(0.15):
        s.turn(s.u(-18, 18))
    _damage(s, 0.25, 0.08)


def bollard(s: Sheet) -> None:
    """Posts of iron, plastic, concrete and wood, round, square or bulged."""
    s.fine = 0.8
    main, band = (s.color("484c50 e86020 c8c4bc 282828 3060a0 e0c030 f0f0ec 305038 8a6238"),
        s.color("f4f4f0 c83028 f0d030 282828", 0.2))  # fmt: skip
    w, kind = s.u(0.07, 0.15), s.one("round", "ball", "square", "plastic", "cast")

    def half(y: float) -> float:
        return w * (1 - 0.12 * y)

    if s.p(0.4) or kind == "plastic":
        s.disc(0, 0.05, w * s.u(1.5, 2.3), s.color(_DARK, 0.3), 0.05)
    if kind == "square":
        s.prism([(-w, 0), (w, 0), (w, 0.9), (-w, 0.9)], w * s.u(0.4, 0.8), w * 0.4, main)
        if s.p(0.5):
            s.box(-w, 0.7, w, 0.82, band)
    elif kind == "cast":
        s.fill(smooth([(-w * 1.5, 0), (-w * 1.4, 0.16), (-w * 0.8, 0.22), (-w * 0.7, 0.75), (-w, 0.8),
            (-w * 0.5, 0.86), (-w * 0.6, 0.95), (0, 1.02), (w * 0.6, 0.95), (w * 0.5, 0.86), (w, 0.8),
            (w * 0.7, 0.75), (w * 0.8, 0.22), (w * 1.4, 0.16), (w * 1.5, 0)], 1), main)  # fmt: skip
        s.mark([(-w * 0.7, 0.78), (w * 0.7, 0.78)], [(-w, 0.2), (w, 0.2)])
    else:
        top = 0.86 if kind == "ball" else 0.94
        s.fill(np.concatenate([_band(half, 0.02, top, 0.02)[:9], ellipse(0, top, half(top), 0.06, 0, 180, 10)]), main)
        if kind == "ball":
            s.disc(0, 0.9, w * 1.1, main)
        for y in s.one((0.7,), (0.55, 0.75), (0.25, 0.5, 0.75), ()):
            s.fill(_band(half, y, y + s.u(0.07, 0.14), 0.02), band)
    s.mark([(w * 0.5, 0.1), (w * 0.45, 0.6)], weight=0.7)
    if s.p(0.2):
        s.turn(s.one(-1, 1) * s.u(60, 92))
    elif s.p(0.25):
        s.turn(s.u(-22, 22))
    _damage(s, 0.12, 0.08)


def barrel(s: Sheet) -> None:
    """Oil drums, wooden casks and plastic tonnes, standing, lying, dented or open."""
    main = s.color("2858a0 b83028 487050 e0b030 e86020 708088 282c30")
    kind, w, ry = s.one("drum", "drum", "cask", "plastic"), s.u(0.3, 0.38), s.u(0.05, 0.11)
    bulge = 0.12 if kind == "cask" else (0.05 if kind == "plastic" else 0)
    main = s.color(_WOOD, 0.15) if kind == "cask" else main

    def half(y: float) -> float:
        return w * (1 + bulge * (1 - (2 * y - 1) ** 2) * 1.5)

    top = 1 - ry
    ys = np.linspace(ry, top, 7)
    side = np.array([(half(y), y) for y in ys])
    s.fill(np.concatenate([_band(half, ry, top, ry)[:9], side, side[::-1] * (-1, 1)]), main)
    if kind == "cask":
        s.mark(
            *[[(half(y) * f, y - ry * (1 - f * f) ** 0.5) for y in ys] for f in (-0.7, -0.35, 0, 0.35, 0.7)], weight=0.7
        )
        for y in (0.2, 0.36, 0.68, 0.84):
            s.fill(_band(half, y, y + 0.05, ry), s.color(_METAL + " 302c28", 0.05))
    elif kind == "drum":
        for y in (0.36, 0.66):
            s.fill(_band(lambda v: half(v) * 1.03, y, y + 0.035, ry), tone(main, s.one(0.75, 1.2)))
        if s.p(0.35):
            s.fill(_band(half, 0.44, 0.62, ry), s.color("f0f0f0 f0c030", 0.3))
    else:
        for y in (0.8, 0.12):
            s.fill(_band(lambda v: half(v) * 1.05, y, y + 0.08, ry), s.color(_DARK, 0.4))
    s.disc(0, top, half(top), tone(main, s.one(1.2, 0.35, 0.8)), ry)
    if s.p(0.6):
        s.disc(w * 0.4, top, 0.06, tone(main, 0.5), 0.02)
    if s.p(0.25):
        s.turn(s.one(-1, 1) * 90)
    elif s.p(0.12):
        s.turn(s.u(-20, 20))
    _damage(s, 0.25, 0.05)


def barrier(s: Sheet) -> None:
    """Striped boards on legs, crowd fences, concrete and water-filled walls, mesh panels."""
    a, b = s.color("d03028 e86020 f0c030 2858a0", 0.2), s.color("f4f2ec 28282c e8e8e0", 0.1)
    metal, w = s.color(_METAL, 0.2), s.u(0.75, 1.4)
    kind = s.one("board", "board", "fence", "concrete", "plastic", "a-frame")
    if kind in ("board", "a-frame"):
        for x in (-w * 0.78, w * 0.78):
            if kind == "a-frame":
                s.tube([(x - 0.18, 0.02), (x, 0.98), (x + 0.18, 0.02)], 0.05, metal)
            else:
                s.tube([(x, 0), (x, 1.0)], 0.06, metal)
                s.box(x - 0.2, 0, x + 0.2, 0.06, s.color(_DARK, 0.2))
        slope = s.one(-0.16, 0.16)
        for y in s.one((0.72,), (0.7, 0.36), (0.75, 0.5, 0.25)):
            h = s.u(0.18, 0.26) if y > 0.3 else 0.14
            s.box(-w, y, w, y + h, b)
            n = max(2, int(w / 0.22))
            for i in range(n):
                x = -w + (i + 0.25) * 2 * w / n
                e = w / n
                lean = slope if x + e + slope < w and x + slope > -w else 0
                s.fill([(x, y), (x + e, y), (x + e + lean, y + h), (x + lean, y + h)], a)
        if s.p(0.35):
            for x in (-w * 0.78, w * 0.78):
                s.disc(x, 1.06, 0.07, s.color("f0b020 d83020", 0.1))
    elif kind == "fence":
        rail = s.one(metal, a)
        mesh = s.p(0.3)
        for x in np.linspace(-w, w, int(w * (11 if mesh else 8)))[1:-1]:
            s.mark([(x, 0.16), (x, 0.94)], weight=1.4)
        if mesh:
            s.mark(*[[(-w, y), (w, y)] for y in (0.3, 0.45, 0.6, 0.75)], weight=1.2)
        s.tube(_rounded(-w, 0.14, w, 0.97), 0.05, rail, closed=True)
        for x in (-w * 0.75, w * 0.75):
            s.tube([(x - 0.14, 0.02), (x, 0.14), (x + 0.14, 0.02)], 0.045, rail)
        if s.p(0.3):
            s.box(-w * 0.4, 0.4, w * 0.4, 0.75, b)
    else:
        main = s.color("b8b4aa 989490 d0ccc4", 0.15) if kind == "concrete" else a
        face = [(-w, 0), (w, 0), (w, 0.12), (w * 0.98, 0.3), (w * 0.97, 0.95), (-w * 0.97, 0.95), (-w * 0.98, 0.3),
            (-w, 0.12)]  # fmt: skip
        if s.p(0.5):  # its end shows the profile
            d = s.u(0.15, 0.25)
            s.fill([(w, 0), (w + 2 * d, 0.0), (w + 2 * d, 0.12), (w + 1.4 * d, 0.4), (w + 1.2 * d, 0.95),
                (w * 0.97, 0.95), (w * 0.98, 0.3)], tone(main, 0.7))  # fmt: skip
        s.fill(face, main)
        s.fill([(-w * 0.98, 0.3), (-w, 0.12), (w, 0.12), (w * 0.98, 0.3)], tone(main, 1.15))
        if kind == "plastic":
            for x in (-0.5, 0, 0.5):
                s.fill(_rounded(x * w * 1.2 - 0.14, 0.45, x * w * 1.2 + 0.14, 0.62), tone(main, 0.45))
            s.box(-w * 0.9, 0.7, w * 0.9, 0.84, b)
        elif s.p(0.4):
            for x in np.arange(-w * 0.9, w * 0.75, 0.5):
                s.fill([(x, 0.5), (x + 0.25, 0.5), (x + 0.4, 0.78), (x + 0.15, 0.78)], s.one(a, hexa("e8c020")))
        for x in (-0.5, 0.5) if s.p(0.5) else ():
            s.box(x * w - 0.13, 0, x * w + 0.13, 0.09, hexa("302c2c"))
        if s.p(0.5):
            s.mark([(0, 0.95), (0, 0)], weight=1.2)
        s.mark([(-w * 0.4, 0.95), (-w * 0.38, 0.7), (-w * 0.42, 0.55)], weight=0.7)
    if s.p(0.3):
        s.map([[s.u(0.6, 0.85), 0], [s.u(-0.1, 0.1), 1]])
    if s.p(0.12):
        s.map([[1, s.u(-0.5, 0.5)], [0, s.u(0.45, 0.7)]])
    elif s.p(0.15):
        s.turn(s.u(-10, 10))
    _damage(s, 0.18, 0.06)


def warning_sign(s: Sheet) -> None:
    """Triangles, diamonds, discs, octagons and boards on stands, posts or of the folding kind."""
    s.fine = 0.8
    rim, ground = s.color("d02828 c83020 e86020", 0.1), s.color("f8f6ec f0d030 f8e880 f0a030", 0.08)
    ink, shape = (s.color("1c1c1c 202838 ffffff" if s.p(0.1) else "1c1c1c 28282c", 0.05),
        s.one("triangle", "triangle", "triangle", "diamond", "disc", "octagon", "a-board"))  # fmt: skip
    r = s.u(0.27, 0.36)
    cy = 1 - r
    metal = s.color(_METAL, 0.15)
    if shape == "a-board":
        s.tube([(-0.2, 0.95), (-0.4, 0)], 0.04, metal)
        s.fill([(-0.33, 0.05), (-0.24, 1), (0.24, 1), (0.33, 0.05)], s.one(ground, rim, s.color("f0d030")))
        outline: np.ndarray = np.array([(0, 0.9), (-0.2, 0.55), (0.2, 0.55)])
        cy, r = 0.67, 0.22
    else:
        stand = s.n(0, 2)
        if stand == 0:
            s.tube([(-0.28, 0.01), (0, 0.35), (0.28, 0.01)], 0.04, metal)
            s.tube([(0, 0.05), (0, cy)], 0.045, metal)
        elif stand == 1:
            s.tube([(0, 0.02), (0, cy)], s.u(0.035, 0.06), metal)
            s.fill(_rounded(-0.2, 0, 0.2, 0.09), s.color(_DARK + " 989490", 0.1))
        else:
            s.tube([(-r * 0.6, 0), (-r * 0.4, cy)], 0.035, metal)
            s.tube([(r * 0.6, 0), (r * 0.4, cy)], 0.035, metal)
        n, off = {"triangle": (3, 90), "diamond": (4, 90), "octagon": (8, 22.5), "disc": (22, 0)}[shape]
        angle = np.radians(off + np.arange(n) * 360 / n)
        k = 1.25 if shape == "triangle" else 1.0
        outline = np.stack([k * r * np.cos(angle), cy - (0.1 if n == 3 else 0) + k * r * np.sin(angle)], 1)
    center = outline.mean(0)
    s.fill(outline, rim if shape != "diamond" else ink)
    if s.p(0.1):
        s.fill(center + (outline - center) * 0.9, tone(metal, 0.9))  # its back
    else:
        s.fill(center + (outline - center) * s.u(0.66, 0.82), ground if shape != "octagon" or s.p(0.5) else rim)
        x, y = center
        q = r * 0.9
        glyph = s.n(0, 5)
        if glyph == 0:
            s.tube([(x, y + 0.4 * q), (x, y - 0.08 * q)], 0.14 * q, ink)
            s.disc(x, y - 0.3 * q, 0.09 * q, ink)
        elif glyph == 1:
            s.disc(x, y + 0.28 * q, 0.09 * q, ink)
            s.tube([(x - 0.05 * q, y + 0.12 * q), (x, y - 0.05 * q), (x + 0.15 * q, y - 0.3 * q)], 0.1 * q, ink)
            s.tube([(x, y + 0.1 * q), (x - 0.22 * q, y - 0.2 * q)], 0.06 * q, ink)
            s.fill([(x - 0.4 * q, y - 0.35 * q), (x - 0.25 * q, y - 0.15 * q), (x - 0.1 * q, y - 0.35 * q)], ink)
        elif glyph == 2:
            s.tube([(x - 0.12 * q, y - 0.3 * q), (x - 0.1 * q, y), (x + 0.15 * q, y + 0.1 * q), (x + 0.02 * q,
                y + 0.4 * q)], 0.12 * q, ink)  # fmt: skip
        elif glyph == 3:
            s.tube([(x - 0.1 * q, y - 0.3 * q), (x - 0.1 * q, y + 0.3 * q)], 0.11 * q, ink)
            s.fill([(x - 0.25 * q, y + 0.15 * q), (x - 0.1 * q, y + 0.42 * q), (x + 0.05 * q, y + 0.15 * q)], ink)
            s.tube([(x + 0.16 * q, y + 0.3 * q), (x + 0.16 * q, y - 0.3 * q)], 0.11 * q, rim)
        elif glyph == 4:
            s.box(x - 0.35 * q, y - 0.1 * q, x + 0.35 * q, y + 0.1 * q, ink)
        else:
            s.mark(*[[(x - 0.3 * q, y + d * q), (x + 0.3 * q, y + d * q)] for d in (-0.15, 0.05, 0.25)], weight=1.5)
    if s.p(0.3):
        s.map([[s.u(0.5, 0.85), 0], [0, 1]])
    if s.p(0.12):
        s.turn(s.one(-1, 1) * s.u(70, 95))
    elif s.p(0.3):
        s.turn(s.u(-14, 14))
    _damage(s, 0.15, 0.06)


def trash_bin(s: Sheet) -> None:
    """Wheeled bins, pedal and dust bins with lids, street baskets, open and overflowing, lying."""
    main = s.color("3a6a40 484c50 2858a0 e0c030 7a4a2c 28282c a8acb0")
    kind = s.one("wheelie", "wheelie", "wheelie", "dust", "dust", "basket", "pedal", "container", "post")
    lid = s.color("e0c030 2858a0 b83028 484c50", 0.2)
    lid = main if s.p(0.5) else lid
    if kind == "wheelie":
        w, d = s.u(0.24, 0.3), s.u(0.0, 0.25)
        face = [(-w * 0.8, 0.06), (w * 0.8, 0.06), (w, 0.86), (-w, 0.86)]
        for x in (-w * 0.6, w * 0.6 + d):
            s.disc(x, 0.09, 0.09, s.color(_DARK, 0.1))
        if d:
            s.prism(face, d, d * 0.15, main)
        else:
            s.fill(face, main)
        if s.p(0.25):
            s.fill([(-w, 0.86), (-w * 0.9, 1.2), (w * 0.9, 1.2), (w, 0.86)], tone(lid, 0.8))
            _rubbish(s, w * 0.8, 0.86)
        else:
            s.prism([(-w * 1.1, 0.86), (w * 1.1, 0.86), (w * 1.05, 0.94), (-w * 1.05, 0.94)], d or 0.001,
                max(d * 0.2, 0.04), lid)  # fmt: skip
        s.mark([(-w * 0.55, 0.2), (-w * 0.65, 0.78)], [(w * 0.55, 0.2), (w * 0.65, 0.78)], weight=0.8)
        if s.p(0.4):
            s.box(-w * 0.35, 0.45, w * 0.35, 0.65, s.color("f4f4f0 e0c030", 0.2))
    elif kind == "container":
        w = s.u(0.5, 0.65)
        for x in (-w * 0.7, w * 0.7):
            s.disc(x, 0.07, 0.07, s.color(_DARK, 0.1))
        s.fill([(-w * 0.85, 0.1), (w * 0.85, 0.1), (w, 0.78), (-w, 0.78)], main)
        s.fill(
            np.concatenate([ellipse(0, 0.78, w * 1.04, 0.22, 0, 180, 14), [(-w * 1.04, 0.72), (w * 1.04, 0.72)]]), lid
        )
        s.mark(*[[(f * w * 0.85, 0.15), (f * w, 0.7)] for f in (-0.6, -0.2, 0.2, 0.6)])
    elif kind == "post":
        w = s.u(0.2, 0.26)
        s.tube([(0, 0), (0, 0.9)], 0.07, s.color(_METAL, 0.2))
        s.box(-0.16, 0, 0.16, 0.05, hexa("404044"))
        s.fill([(-w * 0.85, 0.25), (w * 0.85, 0.25), (w, 0.85), (-w, 0.85)], main)
        s.fill(np.concatenate([ellipse(0, 0.84, w * 1.1, 0.17, 0, 180, 12), [(-w * 1.1, 0.8), (w * 1.1, 0.8)]]), lid)
        s.fill(_rounded(-w * 0.6, 0.66, w * 0.6, 0.76), hexa("18181c"))
    else:
        w = s.u(0.25, 0.33)

        def half(y: float) -> float:
            return w * (0.82 + 0.18 * y) if kind != "pedal" else w

        top = 0.84
        if s.p(0.3):
            _rubbish(s, w * 0.9, top)
            closed = False
        else:
            closed = kind != "basket"
        s.fill(np.concatenate([_band(half, 0.05, top, 0.05)[:9], [(half(top), top), (-half(top), top)]]), main)
        if kind == "dust":
            s.mark(*[[(f * half(0.05), 0.05), (f * half(top), top)] for f in (-0.75, -0.45, -0.15, 0.15, 0.45, 0.75)])
            for k in (-1, 1):
                s.tube(ellipse(k * w * 0.98, 0.6, 0.06, 0.09, 90 - 180 * (k > 0), 270 - 180 * (k > 0), 8), 0.025,
                    tone(main, 0.6))  # fmt: skip
        elif kind == "basket":
            s.mark(*[[(f * half(0.1), 0.05), ((f + 0.35) * half(top), top)]
                for f in (-0.95, -0.6, -0.25, 0.1, 0.45, 0.65)], weight=0.9)  # fmt: skip
            s.mark(*[[(f * half(0.1), 0.05), ((f - 0.35) * half(top), top)]
                for f in (0.95, 0.6, 0.25, -0.1, -0.45, -0.65)], weight=0.9)  # fmt: skip
            s.fill(_band(half, top - 0.03, top + 0.04, 0.04), tone(main, 0.7))
        else:
            s.tube([(-0.08, 0.02), (0.08, 0.02)], 0.04, hexa("28282c"))
            s.fill(_band(half, 0.1, 0.16, 0.04), tone(main, 0.6))
        if closed:
            s.fill(np.concatenate([ellipse(0, top + 0.01, w * 1.12, 0.12, 0, 180, 12), _band(lambda v: w * 1.1, top,
                top, 0.03)[:9]]), lid)  # fmt: skip
            s.tube([(-0.07, 0.96), (-0.05, 1.02), (0.05, 1.02), (0.07, 0.96)], 0.03, tone(lid, 0.6))
    if s.p(0.15):
        s.turn(s.one(-1, 1) * s.u(80, 96))
    elif s.p(0.15):
        s.turn(s.u(-14, 14))
    _damage(s, 0.15, 0.05)


def _rubbish(s: Sheet, w: float, y: float) -> None:
    for _ in range(s.n(3, 5)):
        x, r = s.u(-w * 0.7, w * 0.7), s.u(0.07, 0.13)
        s.fill(_lump(s, x, y + 0.04, r, r, 7, 0.3), s.color("f0f0ec 28282c c8a068 c83028 3060a0", 0.4))


def _lump(s: Sheet, x: float, y: float, rx: float, ry: float, n: int, rough: float) -> np.ndarray:
    """A ragged outline about a centre."""
    angle = (np.arange(n) + s.rng.uniform(-0.3, 0.3, n)) * 2 * np.pi / n
    reach = s.rng.uniform(1 - rough, 1, n)
    return np.stack([x + rx * reach * np.cos(angle), y + ry * reach * np.sin(angle)], 1)


def cardboard_box(s: Sheet) -> None:
    """Closed, open, stacked, crushed or flattened boxes at any angle."""
    card = s.color("c89a60 b8884c d8b078 a87840 e0c8a0", 0.2)
    tape = s.color("e0d0a8 a07030 f0f0f0 c03030", 0.1)

    def one(x: float, y: float, w: float, h: float, flaps: bool) -> None:
        d, up = s.u(0.15, 0.5) * w, s.u(0.1, 0.3) * w
        if flaps:
            s.fill([(x - w, y + h), (x - w + d, y + h + up), (x + w + d, y + h + up), (x + w, y + h)], tone(card, 0.45))
            s.fill([(x - w + d, y + h + up), (x + w + d, y + h + up), (x + w * 0.9 + d * 1.2, y + h + up + 0.22),
                (x - w * 0.9 + d * 1.2, y + h + up + 0.2)], tone(card, 0.9))  # fmt: skip
            s.fill([(x + w, y), (x + w + d, y + up), (x + w + d, y + h + up), (x + w, y + h)], tone(card, 0.7))
            s.box(x - w, y, x + w, y + h, card)
            s.fill([(x + w, y + h), (x + w + d, y + h + up), (x + w + d + 0.22, y + h + up * 0.5), (x + w + 0.2,
                y + h - up * 0.5)], tone(card, 1.1))  # fmt: skip
            s.fill([(x - w, y + h), (x - w + d, y + h + up), (x - w + d - 0.26, y + h + up + 0.08), (x - w - 0.26,
                y + h + 0.05)], tone(card, 1.1))  # fmt: skip
            if s.p(0.6):
                s.fill([(x - w, y + h), (x + w, y + h), (x + w * 0.9 - 0.05, y + h - 0.2), (x - w * 0.9 - 0.05,
                    y + h - 0.2)], tone(card, 1.15))  # fmt: skip
        else:
            s.prism(rect(x - w, y, x + w, y + h), d, up, card)
            if s.p(0.7):
                s.fill(
                    [(x - 0.07, y + h), (x + 0.07, y + h), (x + d + 0.07, y + h + up), (x + d - 0.07, y + h + up)], tape
                )
                s.box(x - 0.07, y + h * 0.72, x + 0.07, y + h, tape)
            else:
                s.mark([(x, y + h), (x + d, y + h + up)])
        if s.p(0.4):
            s.box(x - w * 0.75, y + h * 0.2, x - w * 0.2, y + h * 0.5, s.color("f4f4f0"))
        elif s.p(0.5):
            s.mark([(x + w * 0.5, y + 0.12), (x + w * 0.5, y + h * 0.5)], [(x + w * 0.38, y + h * 0.38), (x + w * 0.5,
                y + h * 0.5), (x + w * 0.62, y + h * 0.38)], weight=1.3)  # fmt: skip

    kind = s.n(0, 4)
    if kind == 0:
        h = s.u(0.42, 0.52)
        one(0, 0, s.u(0.4, 0.6), h, False)
        one(s.u(-0.05, 0.15), h + 0.06, s.u(0.25, 0.38), 0.85 - h, False)
    else:
        one(0, 0, s.u(0.38, 0.8), s.u(0.55, 0.8), kind >= 3)
    s.level()
    s.map(np.eye(2) * s.u(0.8, 1.0))
    if s.p(0.3):
        s.map([[s.u(0.7, 1), 0], [s.u(-0.15, 0.15), 1]])
    if s.p(0.2):
        s.turn(s.one(90.0, -90.0, s.u(-25, 25)))
        s.level()
    elif s.p(0.15):
        s.map([[1.15, s.u(-0.3, 0.3)], [0, s.u(0.4, 0.65)]])
    _damage(s, 0.35, 0.07)


def suitcase(s: Sheet) -> None:
    """Trolleys, leather cases and trunks, upright, lying, open."""
    main, trim = (s.color("8a5230 28405c b03038 282828 487858 d8a030 d878a0 a8acb0"),
        s.color("3a2418 d8c090 28282c c8ccd0", 0.2))  # fmt: skip
    kind = s.one("trolley", "trolley", "case", "case", "open")
    if kind == "trolley":
        w, top = s.u(0.24, 0.32), s.u(0.66, 0.76)
        d = s.u(0.1, 0.2) if s.p(0.5) else 0.0
        s.tube([(-w * 0.5, top), (-w * 0.5, 0.98), (w * 0.5, 0.98), (w * 0.5, top)], 0.035,
            s.color(_METAL + " 28282c", 0.1))  # fmt: skip
        for x in (-w * 0.75, w * 0.75 + d):
            s.disc(x, 0.05, 0.055, hexa("202024"))
        if d:
            s.prism([(-w, 0.07), (w, 0.07), (w, top), (-w, top)], d, d * 0.3, main)
        else:
            s.fill(_rounded(-w, 0.07, w, top), main)
        if s.p(0.5):
            s.mark(*[[(x * w, 0.14), (x * w, top - 0.07)] for x in (-0.55, -0.2, 0.2, 0.55)])
        else:
            s.fill(_rounded(-w * 0.75, 0.14, w * 0.75, 0.4), tone(main, 0.8))
            s.mark([(-w * 0.75, top - 0.12), (w * 0.75, top - 0.12)])
        s.tube([(-0.07, top + 0.01), (-0.06, top + 0.05), (0.06, top + 0.05), (0.07, top + 0.01)], 0.03, trim)
    elif kind == "case":
        w, top = s.u(0.5, 0.72), s.u(0.76, 0.84)
        s.tube([(-0.15, top), (-0.13, 0.96), (0.13, 0.96), (0.15, top)], 0.055, trim)
        if s.p(0.5):
            s.prism(rect(-w, 0, w, top), s.u(0.12, 0.25), s.u(0.04, 0.1), main)
        else:
            s.fill(_rounded(-w, 0, w, top), main)
        for k in (-1, 1):
            if s.p(0.7):
                s.box(k * w * 0.55 - 0.045, 0.0, k * w * 0.55 + 0.045, top, trim)
            s.box(k * 0.28 - 0.04, top - 0.12, k * 0.28 + 0.04, top - 0.02, hexa("d8c070"))
            s.fill([(k * w, 0), (k * (w - 0.16), 0), (k * w, 0.16)], trim)
        s.mark([(-w, top - 0.15), (w, top - 0.15)])
        for _ in range(s.n(0, 3)):
            s.disc(s.u(-w, w) * 0.7, s.u(0.15, 0.55), 0.08, s.color(_CLOTH))
    else:
        w = s.u(0.55, 0.75)
        s.fill([(-w, 0.38), (-w * 0.95, 1), (w * 0.95, 1), (w, 0.38)], main)
        s.fill([(-w * 0.88, 0.4), (-w * 0.84, 0.93), (w * 0.84, 0.93), (w * 0.88, 0.4)], tone(trim, 1.2))
        for _ in range(s.n(3, 6)):
            s.fill(smooth(_lump(s, s.u(-w, w) * 0.65, 0.4, 0.25, 0.16, 7, 0.4), 1), s.color(_CLOTH))
        s.box(-w, 0, w, 0.38, main)
        s.tube([(-0.13, 0.26), (-0.12, 0.16), (0.12, 0.16), (0.13, 0.26)], 0.045, trim)
        for k in (-1, 1):
            s.box(k * w * 0.55 - 0.05, 0.24, k * w * 0.55 + 0.05, 0.36, hexa("d8c070"))
    if s.p(0.2):
        s.turn(s.one(-90.0, 90.0, s.u(-25, 25)))
        if kind != "trolley":
            s.level()
    _damage(s, 0.2, 0.05)


def tire(s: Sheet) -> None:
    """Standing, lying or stacked, from the side or at an angle, with or without a rim, torn or in half."""
    rubber = s.color("1c1c20 2c2c30 3c3c40 504c48", 0.12)
    kind = s.one("side", "angle", "angle", "lie", "stack", "half")
    hole = s.u(0.45, 0.62)
    if kind in ("side", "half"):
        for a in np.linspace(0, 2 * np.pi, s.n(16, 26), endpoint=False) if s.p(0.6) else ():
            c, d = np.cos(a), np.sin(a)
            s.tube([(0.47 * c, 0.5 + 0.47 * d), (0.49 * c, 0.5 + 0.49 * d)], 0.05, rubber)
        s.disc(0, 0.5, 0.49, rubber)
        s.mark(ellipse(0, 0.5, 0.4, 0.4, n=20), weight=0.8, closed=True)
        r = 0.5 * hole
        if s.p(0.35) and kind == "side":
            hub = s.color(_METAL, 0.2)
            s.disc(0, 0.5, r, hub)
            for a in np.arange(5) * 1.2566:
                s.disc(0.6 * r * np.cos(a), 0.5 + 0.6 * r * np.sin(a), r * 0.2, tone(hub, 0.4))
            s.disc(0, 0.5, r * 0.2, tone(hub, 0.7))
        else:
            s.hole(ellipse(0, 0.5, r, r, n=20))
        if kind == "half":
            s.hole([(-0.7, 1.2), (-0.7, s.u(0.4, 0.6)), (-0.3, s.u(0.45, 0.6)), (0.3, s.u(0.4, 0.6)), (0.7,
                s.u(0.4, 0.6)), (0.7, 1.2)])  # fmt: skip
    elif kind == "angle":
        q, t = s.u(0.45, 0.8), s.u(0.2, 0.34)
        s.disc(t, 0.5, 0.5 * q, rubber, 0.49)
        s.box(0, 0.01, t, 0.99, rubber)
        n = s.n(7, 12)
        for a in np.linspace(-80, 80, n):
            x, y = 0.5 * q * np.cos(np.radians(a)), 0.5 + 0.49 * np.sin(np.radians(a))
            s.tube([(x + 0.02, y), (x + t * 0.95, y)], 0.02, tone(rubber, 2.2))
        s.disc(0, 0.5, 0.5 * q, tone(rubber, 1.5), 0.5)
        s.disc(0, 0.5, 0.5 * q * hole, s.one(hexa("0c0c0c"), s.color(_METAL, 0.2)), 0.5 * hole)
        s.mark(ellipse(0, 0.5, 0.42 * q, 0.42, n=20), weight=0.8, closed=True)
        if s.p(0.25):
            s.turn(s.u(-25, 25))
    else:
        count = 1 if kind == "lie" else s.n(2, 4)
        h = 0.33 if count == 1 else 0.8 / count
        w = 0.58 if count == 1 else s.u(0.42, 0.6)
        ry = w * s.u(0.2, 0.38)
        for i in range(count):
            x, y = s.u(-0.06, 0.06) * (i > 0), ry + i * h
            s.fill(np.concatenate([ellipse(x, y, w * 0.97, ry, 180, 360, 14), [(x + w, y + h * 0.5)], [(x + w * 0.95,
                y + h)], [(x - w * 0.95, y + h)], [(x - w, y + h * 0.5)]]), rubber)  # fmt: skip
            for f in np.linspace(-0.85, 0.85, s.n(6, 12)):
                dip = ry * (1 - f * f) ** 0.5
                s.tube([(x + f * w, y - dip + h * 0.25), (x + f * w, y - dip + h * 0.8)], 0.022, tone(rubber, 2.2))
        s.disc(x, y + h, w * 0.97, tone(rubber, 1.6), ry)
        s.disc(x, y + h, w * hole, hexa("101010"), ry * hole)
    _damage(s, 0.2, 0.05)


def stone(s: Sheet) -> None:
    """Boulders, cobbles, slabs and broken blocks, alone or a few, faceted or round."""
    main = s.color("909088 a89c8c 787470 b8b4ac 8c7460 605c5c c8b89c", 0.2)
    for i in range(s.one(1, 1, 1, 2, 3)):
        k = 1.0 if i == 0 else s.u(0.35, 0.65)
        x = 0.0 if i == 0 else s.one(-1, 1) * s.u(0.5, 0.85)
        rx, n = s.u(0.5, 0.95) * k, s.n(7, 10)
        ring = _lump(s, 0, 0, 1, 1, n, 0.22)
        ring[:, 1] = np.maximum(ring[:, 1], -0.55)
        top = ring[:, 1].max()
        ring = np.stack([x + rx * ring[:, 0], (ring[:, 1] + 0.55) / (top + 0.55) * k], 1)
        if s.p(0.5):
            s.fill(ring, main)
            c = np.array([x + s.u(-0.25, 0.25) * rx, s.u(0.55, 0.7) * k])
            inner = c + (ring - c) * s.rng.uniform(0.25, 0.65, (n, 1))
            for j in range(n):
                e = (ring[j] + ring[(j + 1) % n]) / 2 - c
                if s.p(0.6):
                    s.fill([ring[j], ring[(j + 1) % n], inner[(j + 1) % n], inner[j]],
                        tone(main, 0.95 + 0.2 * np.sign(e[1]) - 0.2 * e[0] / rx))  # fmt: skip
            s.fill(inner[:: s.n(1, 2)], tone(main, s.u(1.05, 1.3)))
        else:
            s.fill(smooth(ring, 2), main)
            s.fill(smooth(np.stack([x + (ring[:, 0] - x) * 0.62 - 0.12 * rx, ring[:, 1] * 0.5 + 0.42 * k], 1), 2),
                tone(main, 1.2))  # fmt: skip
        for _ in range(s.n(1, 3)):
            a = np.array([x + s.u(-0.5, 0.4) * rx, s.u(0.2, 0.7) * k])
            s.mark([a, a + (0.12 * k, -0.1 * k), a + (0.14 * k, -0.22 * k)], weight=0.9)
        if s.p(0.2):
            s.disc(x - rx * 0.2, 0.8 * k, 0.2 * k, hexa("5c8040"), 0.08 * k)


def plastic_bag(s: Sheet) -> None:
    """Carrier bags standing, tied rubbish sacks, and crumpled or blown ones."""
    main = s.color("f4f4f0 28282c 3060a0 e0c030 d03030 60a060 d8e8ec 404850")
    kind = s.one("carrier", "carrier", "sack", "sack", "crumpled")
    if kind == "carrier":
        w = s.u(0.28, 0.42)
        for k in (-1, 1):
            x = k * w * 0.5
            s.tube([(x - 0.1, 0.68), (x - 0.07, 0.9), (x + 0.0, 0.97), (x + 0.07, 0.9), (x + 0.1, 0.68)], 0.06, main)
        s.fill(smooth([(-w * 1.1, 0.0), (-w * 1.25, 0.2), (-w, 0.7), (-w * 0.3, 0.67), (w * 0.3, 0.69), (w, 0.7),
            (w * 1.2, 0.25), (w * 1.05, 0)], 1), main)  # fmt: skip
        if s.p(0.6):
            s.fill(smooth(_lump(s, 0, 0.36, w * 0.6, 0.15, 8, 0.15), 1) if s.p(0.5) else rect(-w * 0.6, 0.28,
                w * 0.6, 0.45), s.color(_CLOTH))  # fmt: skip
    elif kind == "sack":
        w = s.u(0.36, 0.55)
        for k in (-1, 1):
            s.fill(smooth([(0, 0.76), (k * 0.2, 0.98), (k * 0.28, 0.84), (k * 0.1, 0.76)], 1), tone(main, 1.1))
        s.fill(smooth([(-w * 0.9, 0), (-w * 1.05, 0.25), (-w * 0.7, 0.58), (-0.1, 0.74), (0.1, 0.74),
            (w * 0.75, 0.55), (w * 1.02, 0.22), (w * 0.85, 0)], 2), main)  # fmt: skip
        s.tube([(-0.09, 0.76), (0.09, 0.76)], 0.05, s.color("d03030 f0f0f0 f0d030 28282c", 0.3))
        s.mark(*[[(x * 0.3, 0.7), (x * w * 0.6, 0.52), (x * w * 0.75, 0.35)] for x in (-0.8, -0.2, 0.5, 0.9)])
    else:
        w = s.u(0.45, 0.75)
        ring = _lump(s, 0, 0.45, w, 0.48, s.n(9, 13), 0.45)
        ring[:, 1] = np.maximum(ring[:, 1], 0)
        s.fill(smooth(ring, 1), main)
        for k in (-1, 1):
            if k > 0 or s.p(0.6):
                s.tube([(k * 0.1, 0.7), (k * 0.2, 0.92), (k * 0.33, 0.9), (k * 0.32, 0.65)], 0.055, main)
        s.fill(smooth(_lump(s, -0.1 * w, 0.4, w * 0.45, 0.22, 8, 0.5), 1), tone(main, s.one(0.8, 1.15)))
    for _ in range(s.n(2, 5)):
        a, d = s.rng.uniform((-0.25, 0.1), (0.25, 0.55)), s.rng.normal(0, 0.08, 2)
        s.mark([a, a + d, a + d + s.rng.normal(0, 0.06, 2)], weight=0.7)
    if s.p(0.2):
        s.turn(s.u(-30, 30) if s.p(0.6) else s.one(-90, 90))
    s.bend = s.u(0, 0.08)


def pallet(s: Sheet) -> None:
    """Piles from the side or at an angle, one standing or leaning, broken ones."""
    s.fine = 0.75
    wood = s.color(_WOOD, 0.2)
    kind = s.one("pile", "pile", "face", "single")
    if kind == "face":
        w = s.u(0.5, 0.75)
        dark = tone(wood, 0.65)
        for x in (-w * 0.9, 0, w * 0.9):
            s.box(x - 0.06, 0, x + 0.06, 1, dark)
        n = s.n(5, 8)
        for i in range(n):
            y, h = (i + 0.14) / n, 0.68 / n
            cut = s.u(0.0, 1.2) if s.p(0.15) else 0.0
            s.fill([(-w, y), (w - cut, y + s.u(-0.015, 0.015)), (w - cut * 0.9, y + h), (-w, y + h)], tone(wood,
                s.u(0.88, 1.12)))  # fmt: skip
            for x in (-w * 0.9, 0.0, w * 0.9):
                if x < w - cut:
                    s.disc(x, y + h / 2, 0.012, hexa("404040"))
        if s.p(0.4):
            s.map([[0, -1], [1, 0]])
        if s.p(0.4):
            s.map([[s.u(0.6, 0.9), s.u(-0.25, 0.25)], [0, 1]])
    else:
        n = 1 if kind == "single" else s.n(2, 5)
        h, w = (0.3 if n == 1 else 0.94 / n), (s.u(0.85, 1.1) if n == 1 else s.u(0.7, 1.15))
        d = 0.0 if s.p(0.4) and n > 1 else s.u(0.2, 0.5)
        up = d * s.u(0.25, 0.6) if n > 1 else max(d, 0.3) * s.u(0.6, 0.9)
        for i in range(n):
            x, y = s.u(-0.06, 0.06) * (i > 0), i * h
            s.fill([(x - w, y), (x - w + d, y + up), (x + w + d, y + up), (x + w, y), (x + w, y + h), (x - w, y + h)],
                tone(wood, 0.22))  # fmt: skip
            if d:
                s.fill([(x + w, y), (x + w + d, y + up), (x + w + d, y + h + up), (x + w, y + h)], tone(wood, 0.25))
                for f in (0.0, 0.42, 0.84):
                    s.fill([(x + w + f * d, y + f * up), (x + w + (f + 0.16) * d, y + (f + 0.16) * up),
                        (x + w + (f + 0.16) * d, y + (f + 0.16) * up + h), (x + w + f * d, y + f * up + h)],
                        tone(wood, 0.7))  # fmt: skip
            s.box(x - w, y, x + w, y + h * 0.2, wood)
            for q in (-0.88, 0, 0.88):
                s.box(x + q * w - 0.12 * w, y + h * 0.2, x + q * w + 0.12 * w, y + h * 0.74, tone(wood, 0.78))
            s.box(x - w, y + h * 0.74, x + w, y + h * 0.97, tone(wood, 1.08))
            if d and i == n - 1:
                m = s.n(4, 6)
                s.fill(
                    [(x - w, y + h), (x - w + d, y + h + up), (x + w + d, y + h + up), (x + w, y + h)], tone(wood, 0.3)
                )
                for j in range(m):
                    f, g = j / m, (j + 0.7) / m
                    s.fill([(x - w + f * d, y + h + f * up), (x + w + f * d, y + h + f * up), (x + w + g * d,
                        y + h + g * up), (x - w + g * d, y + h + g * up)], tone(wood, 1.15))  # fmt: skip
        if n > 1:
            s.level()
        elif s.p(0.4):
            s.turn(s.u(-30, 30))
    if s.p(0.15):
        s.turn(s.u(-12, 12))
    _damage(s, 0.15, 0.05)


def tree_branch(s: Sheet) -> None:
    """Bare, leafy or needled branches lying on the ground, forked and broken."""
    s.fine = 0.6
    bark, leaf = (s.color("6a4a30 806048 4a3828 9a8468 b8a890", 0.15),
        s.color("4a8038 78a048 d8a030 b85828 2c5830", 0.25))  # fmt: skip
    half, kind = s.u(0.9, 1.55), s.one("bare", "leaves", "leaves", "needles", "blossom")
    thick, bow, tilt = s.u(0.09, 0.19), s.u(-0.15, 0.25), s.u(-0.08, 0.16)

    def spine(t: float) -> np.ndarray:
        return np.array([half * (2 * t - 1), 0.22 + bow * (1 - (2 * t - 1) ** 2) + tilt * t])

    tips: list[tuple[np.ndarray, np.ndarray]] = []
    for t in np.linspace(0.22, 0.92, s.n(4, 8)):
        a, k = spine(t), s.one(1.0, 1.0, -0.35)
        long_ = s.u(0.35, 0.75) * (1.15 - 0.5 * t)
        b = a + long_ * np.array([s.u(0.4, 0.9), s.u(0.5, 1.0) * k])
        c = (a + b) / 2 + (0.05, -0.04)
        w = thick * (1.1 - 0.8 * t) * 0.6 + 0.015
        if s.p(0.6):
            e = c + 0.6 * long_ * np.array([s.u(0.0, 0.6), s.u(0.5, 0.9) * k])
            s.limb([c, e], [w * 0.7, 0.02], bark)
            tips.append((c, e))
        s.limb([a, c, b], [w, w * 0.8, 0.025], bark)
        tips.append((a, b))
    body = [spine(t) + (0, s.u(-0.03, 0.03)) for t in np.linspace(0, 1, 7)]
    s.limb(body, [thick * (1 - 0.85 * t) for t in np.linspace(0, 1, 7)], bark)
    tips.append((body[4], body[6]))
    end = body[0]
    s.fill(ellipse(end[0] - 0.02, end[1], thick * 0.28, thick * 0.5, n=12), s.color("e0c090 d0a870", 0.05))
    s.mark([body[1], body[2] + (0, 0.02), body[3]], weight=0.7)
    if kind != "bare":
        size = s.u(0.06, 0.12)
        for a, b in tips:
            for f in (0.45, 0.75, 1.0) if kind != "needles" else (0.3, 0.5, 0.7, 0.9):
                c, along = a + (b - a) * f, np.arctan2(*(b - a)[::-1])
                if kind == "blossom":
                    s.disc(*(c + s.rng.normal(0, 0.03, 2)), size * 0.6, leaf)
                    continue
                ends = []
                for k in (-1, 1):
                    t = along + k * s.u(0.5, 1.1)
                    d = np.array([np.cos(t), np.sin(t)])
                    e, side = c + d * size * 2, d[::-1] * (-1, 1) * size * 0.55
                    ends.append(e)
                    if kind == "leaves":
                        s.fill([c, c + d * size * 0.8 + side, e, c + d * size * 0.8 - side], tone(leaf, s.u(0.8, 1.2)))
                if kind == "needles":
                    s.tube([ends[0], c, ends[1]], 0.02, leaf)
    if s.p(0.2):
        s.turn(s.u(-12, 12))


def debris(s: Sheet) -> None:
    """Something of no kind: fragments, bent plates, tangles, crumpled sheets and heaps."""
    for _ in range(s.one(1, 1, 2, 3)):
        start, kind, color = len(s.ops), s.n(0, 5), s.color(_CLOTH + " " + _METAL + " " + _WOOD, 0.5)
        x, wide, tall = s.u(-0.5, 0.5), s.u(0.3, 1.0), s.u(0.25, 0.6)
        if kind == 0:  # a jagged plate
            ring = _lump(s, x, tall, wide, tall, s.n(4, 9), 0.6)
            s.fill(ring, color)
            s.mark(ring[[0, len(ring) // 2]])
        elif kind == 1:  # a crumpled sheet
            ring, c = _lump(s, x, tall, wide, tall, s.n(8, 14), 0.5), np.array([x, tall])
            s.fill(ring, color)
            for j in range(0, len(ring), 2):
                s.fill([ring[j], ring[(j + 1) % len(ring)], c + s.rng.normal(0, 0.1, 2)], tone(color, s.u(0.6, 1.3)))
        elif kind == 2:  # tangled wire or hose
            p = s.rng.uniform((x - wide, 0.03), (x + wide, 2 * tall), (s.n(5, 10), 2))
            s.tube(smooth(p, 3), s.u(0.02, 0.09), color, closed=True)
        elif kind == 3:  # a heap of shards
            for _ in range(s.n(5, 9)):
                f = s.u(-1, 1)
                y = s.u(0.05, 0.1 + 0.8 * tall * (1 - abs(f)))
                shard = _lump(s, x + f * wide * 0.6, y, s.u(0.06, 0.28), s.u(0.05, 0.2), s.n(3, 6), 0.5)
                s.fill(shard, tone(color, s.u(0.6, 1.3)) if s.p(0.6) else s.color(_METAL))
        elif kind == 4:  # a bent rail or strip
            p = np.cumsum(s.rng.normal(0, 0.35, (s.n(3, 6), 2)), 0)
            p[:, 1] -= p[:, 1].min()
            s.limb(p, s.rng.uniform(0.05, 0.3, len(p)).tolist(), color)
        else:  # parts of something, at all angles
            for _ in range(s.n(3, 7)):
                at, a, b = (x + s.u(-0.5, 0.5) * wide, s.u(0.1, 1.5) * tall), s.u(0.06, 0.4), s.u(0.04, 0.25)
                part, begin = s.n(0, 2), len(s.ops)
                if part == 0:
                    s.fill(rect(at[0] - a, at[1] - b, at[0] + a, at[1] + b), color if s.p(0.5) else s.color(_METAL))
                elif part == 1:
                    s.tube(
                        [(at[0] - a, at[1]), (at[0], at[1] + b), (at[0] + a, at[1])], s.u(0.03, 0.09), s.color(_DARK)
                    )
                else:
                    s.fill(_lump(s, *at, a, b, s.n(5, 9), 0.6), s.color(_CLOTH, 0.6))
                s.turn(s.u(0, 360), begin, at)
        low = min(op.points[:, 1].min() for op in s.ops[start:])
        for op in s.ops[start:]:
            op.points[:, 1] -= low - s.u(0, 0.04)
    points = np.concatenate([op.points for op in s.ops])
    k = s.u(0.7, 1.1) / max(points[:, 1].max(), 0.25)
    s.map([[k * s.u(0.7, 1.2), 0], [0, k]])
    s.bend = s.u(0, 0.1)


PAINTERS: dict[str, Callable[[Sheet], None]] = {
    "car": car, "pedestrian": pedestrian, "bicycle": bicycle, "dog": dog, "stroller": stroller, "traffic cone": cone,
    "bollard": bollard, "barrel": barrel, "barrier": barrier, "warning sign": warning_sign, "trash bin": trash_bin,
    "cardboard box": cardboard_box, "suitcase": suitcase, "tire": tire, "stone": stone, "plastic bag": plastic_bag,
    "pallet": pallet, "tree branch": tree_branch, "debris": debris,
}  # fmt: skip


class _Medium:
    """How a look is put to paper; widths and distances in heights, strengths in 0..1."""

    def __init__(self, s: Sheet) -> None:
        name = s.one("pencil", "ink", "watercolour", "watercolour", "felt", "crayon", "chalk", "gouache", "gouache")
        self.paper = s.color("fbf8f0 f4ecd8 ffffff e8dcc0 d8d4cc", 0.12)
        self.ink = s.color("18181c 282838 3a2418 10203c", 0.12)
        self.line, self.passes, self.wobble = s.u(0.012, 0.03), 1 + s.p(0.3), s.u(0.004, 0.012)
        self.own_line = s.p(0.2)  # outlines in a darker tone of what they bound
        self.colored, self.wash, self.miss, self.inset = s.u(0.7, 1.3), s.u(0, 0.2), s.u(0, 0.02), 0.0
        self.grain, self.mottle, self.rim = 0.0, s.u(0, 0.1), 0.0
        self.hatch, self.hatch_to = 0.0, s.one("ink", "dark", "paper")
        self.gap, self.slant = s.u(0.03, 0.08), s.u(-80, 80)
        self.grey = s.p(0.08)
        if name == "pencil":
            self.line, self.passes, self.grey = s.u(0.008, 0.018), s.n(1, 3), s.p(0.6)
            self.ink, self.hatch, self.hatch_to = (s.color("303034 505054 404048", 0.05), s.u(0.3, 0.7),
                s.one("ink", "dark"))  # fmt: skip
            self.colored, self.grain, self.wash = s.one(0.0, 0.6, 1.0), s.u(0.1, 0.5), s.u(0.1, 0.5)
        elif name == "ink":
            self.colored, self.hatch = s.one(0.0, 0.5, 1.0), s.one(0.0, 0.5, 0.9)
        elif name == "watercolour":
            self.line = s.one(0.0, s.u(0.006, 0.016))
            self.wash, self.mottle, self.rim, self.miss = (s.u(0.05, 0.45), s.u(0.06, 0.2), s.u(0.0, 0.25),
                s.u(0.01, 0.04))  # fmt: skip
        elif name == "felt":
            self.line, self.hatch, self.hatch_to = s.u(0.02, 0.045), s.u(0.1, 0.35), s.one("dark", "paper")
            self.inset = s.u(0, 0.1)
        elif name == "crayon":
            self.line, self.grain, self.wobble, self.own_line = (s.u(0.02, 0.045), s.u(0.4, 0.85), s.u(0.008, 0.02),
                s.p(0.5))  # fmt: skip
            self.hatch, self.hatch_to = s.one(0.0, 0.4), "paper"
        elif name == "chalk":
            self.paper, self.ink = s.color("303838 2c3830 484448 505860", 0.15), s.color("f4f4f0 f0e8c0 e0e8f0", 0.15)
            self.grain, self.line, self.passes = s.u(0.3, 0.7), s.u(0.018, 0.04), s.n(1, 2)
            self.colored = s.one(0.0, 0.6, 1.0)
        else:
            self.line, self.mottle, self.miss = s.one(0.0, 0.0, s.u(0.008, 0.02)), s.u(0.03, 0.14), s.u(0, 0.008)
            self.hatch, self.hatch_to, self.grain = s.one(0.0, 0.25), "dark", s.u(0, 0.15)
        if not self.line:
            self.colored = 1.0
        self.line, self.wobble = self.line * s.fine, self.wobble * s.fine
        self.seed = int(s.rng.integers(2**31))


def draw(kind: str, height_px: float, rng: Rng) -> np.ndarray:
    """Straight-alpha RGBA, cropped; a standing thing is about ``height_px`` pixels high, a lying one is lower."""
    sheet = Sheet(rng)
    PAINTERS[kind](sheet)
    if sheet.p(0.5):
        sheet.map([[-1, 0], [0, 1]])
    return _render(sheet, _Medium(sheet), height_px)


def _paths(s: Sheet, m: _Medium, phases: int) -> list[list[np.ndarray]]:
    """Every shape's points close together and off by a wobble, ``phases`` times over; all within the widest extent."""
    rows = [np.concatenate([op.points, op.points[:1]]) if op.closed else op.points for op in s.ops]
    ends = np.cumsum([len(r) for r in rows])
    p = np.concatenate(rows)
    step = np.diff(p, axis=0, append=p[-1:])
    step[ends - 1] = 0
    count = np.clip(np.hypot(step[:, 0], step[:, 1]) / 0.09, 1, 40).astype(int)
    at = np.repeat(np.arange(len(p)), count)
    first = np.cumsum(count) - count
    p = p[at] + step[at] * ((np.arange(len(at)) - first[at]) / count[at])[:, None]
    bounds = np.append(first, len(at))[ends]
    owner = np.repeat(np.arange(len(rows)), np.diff(bounds, prepend=0))
    if s.bend:
        q = s.rng.uniform(2, 5, 4)
        turn = s.rng.uniform(0, 6.28, 2)
        p = p + s.bend * np.sin(p @ np.array([[q[0], q[1]], [q[2], -q[3]]]) + turn)
    p[:, 0] *= min(1.0, (_WIDEST - 0.15) / max(float(np.ptp(p[:, 0])), 1e-6))
    out = []
    for _ in range(phases):
        phase = s.rng.uniform(0, 6.28, (len(rows), 2))[owner]
        shaken = p + m.wobble * (np.sin(p @ np.array([[9, 14],
            [13, -8]]) + phase) + 0.5 * np.sin(p @ np.array([[-31, 22], [19, 35]]) + phase))  # fmt: skip
        out.append(np.split(shaken, bounds[:-1]))
    return out


def _render(s: Sheet, m: _Medium, height_px: float) -> np.ndarray:
    scale = float(np.clip(height_px * 2.25, 60, 700))
    phases = _paths(s, m, 1 + m.passes)
    shapes, outlines = phases[0], phases[1:]
    everything = np.concatenate(shapes)
    margin = 0.06 + max((op.width for op in s.ops if op.color is not None), default=0) / 2
    corner = everything.min(0)[0] - margin, everything.max(0)[1] + margin
    extent = np.ptp(everything, axis=0) + 2 * margin
    pixels = np.zeros((int(extent[1] * scale) + 1, int(extent[0] * scale) + 1, 4), np.uint8)  # red, green, blue, filled
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    flip, shift = np.array([scale * 16, -scale * 16]), s.rng.normal(0, 1, 2) * m.miss * scale * 16
    line = max(1, round(m.line * scale)) if m.line else 0
    known: dict[Color, tuple[Color, bool]] = {}
    paper, ink = _rgbf(m.paper, 0), _rgbf(m.ink, 60)

    def px(points: np.ndarray) -> np.ndarray:
        return ((points - corner) * flip).astype(np.int32)

    for i, op in enumerate(s.ops):
        p = px(shapes[i])
        if op.hole:
            cv2.fillPoly(alpha, [p], 0, cv2.LINE_8, 4)
        if op.color is None:
            wide = max(1, round((m.line or 0.012) * scale * (op.width or 1)))
            cv2.polylines(pixels, [p], False, ink, wide, cv2.LINE_8, 4)
            if not op.hole:
                cv2.polylines(alpha, [p], False, 255, wide, cv2.LINE_8, 4)
            continue
        if op.color not in known:
            painted = bool(s.rng.random() < m.colored)
            grey = float(np.dot(op.color, (0.3, 0.6, 0.1)))
            base = (grey, grey, grey) if m.grey else op.color
            known[op.color] = mix(base, m.paper, m.wash), painted
        color, painted = known[op.color]
        edge = _rgbf(tone(color, 0.5), 60) if m.own_line and painted else ink
        if op.width:
            wide = max(1, round(op.width * scale))
            if line:
                cv2.polylines(pixels, [p], False, edge, wide + 2 * line, cv2.LINE_8, 4)
            cv2.polylines(alpha, [p], False, 255, wide + 2 * line, cv2.LINE_8, 4)
            cv2.polylines(pixels, [p], False, _rgbf(color, 255) if painted else paper, wide, cv2.LINE_8, 4)
            continue
        cv2.fillPoly(alpha, [p], 255, cv2.LINE_8, 4)
        if painted:
            if m.miss or m.inset:
                cv2.fillPoly(pixels, [p], paper, cv2.LINE_8, 4)
                p = (p + (p.mean(0) - p) * m.inset + shift).astype(np.int32)
            cv2.fillPoly(pixels, [p], _rgbf(color, 255), cv2.LINE_8, 4)
            if m.rim:
                cv2.polylines(
                    pixels, [p], False, _rgbf(tone(color, 1 - m.rim), 255), max(1, round(0.02 * scale)), cv2.LINE_8, 4
                )
        else:
            cv2.fillPoly(pixels, [p], paper, cv2.LINE_8, 4)
        if line:
            paths = [px(outline[i]) for outline in outlines]
            cv2.polylines(pixels, paths, False, edge, line, cv2.LINE_8, 4)
            cv2.polylines(alpha, paths, False, 255, line, cv2.LINE_8, 4)
    return _finish(pixels, alpha, m, scale, height_px)


def _rgbf(color: Color, filled: int) -> tuple[float, float, float, float]:
    return color[0] * 255, color[1] * 255, color[2] * 255, filled


def _finish(pixels: np.ndarray, alpha: np.ndarray, m: _Medium, scale: float, height_px: float) -> np.ndarray:
    """Cuts the sketch out, scales it down and adds hatching, grain and mottling."""
    x, y, w, h = cv2.boundingRect(alpha)
    alpha, rng = alpha[y : y + h, x : x + w], np.random.default_rng(m.seed)
    size = max(1, round(w * height_px / scale)), max(1, round(h * height_px / scale))
    pixels = cv2.copyTo(pixels[y : y + h, x : x + w], alpha)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    small *= (1 / np.maximum(cover, 1).astype(np.float32))[..., None]
    rgb, filled = small[..., :3], small[..., 3]
    if m.hatch:
        lines = np.zeros((h, w), np.uint8)
        d = np.array([np.cos(np.radians(m.slant)), np.sin(np.radians(m.slant))]) * scale
        reach, side = 0.6 * np.hypot(w, h) / scale, d[::-1] * (-1, 1)
        offsets = np.arange(-reach, reach, m.gap)
        offsets += rng.normal(0, m.gap * 0.15, len(offsets))
        a = (w / 2, h / 2) + offsets[:, None] * side
        strokes = np.stack([a - d * reach, a + d * reach + rng.normal(0, 0.02 * scale, a.shape)], 1)
        thick = max(1, round(scale * m.gap * (0.25 if m.hatch_to == "ink" else 0.45)))
        cv2.polylines(lines, (strokes * 16).astype(np.int32), False, 255, thick, cv2.LINE_8, 4)
        where = np.maximum(filled, 0.35 * (not m.colored)) * (m.hatch / 255)
        weight = (cv2.resize(lines, size, interpolation=cv2.INTER_AREA) * where)[..., None]
        fixed = np.array(m.paper if m.hatch_to == "paper" else m.ink, np.float32)
        target = rgb * 0.55 if m.hatch_to == "dark" else fixed
        rgb += weight * (target - rgb)
    if m.mottle:
        rgb *= 1 + (m.mottle * filled * _noise(rng, size, height_px, 0.16))[..., None]
    if m.grain:
        gaps = np.clip(_noise(rng, size, height_px, 0.025) * 0.6 + 0.1, 0, 1) * (m.grain * np.sqrt(filled))
        rgb += gaps[..., None] * (np.array(m.paper, np.float32) - rgb)
    x, y, w, h = cv2.boundingRect((cover > min(127, int(cover.max()) - 1)).astype(np.uint8))
    image = np.dstack([(np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8), cover])
    return np.ascontiguousarray(image[y : y + h, x : x + w])


def _noise(rng: Rng, size: tuple[int, int], height_px: float, cell: float) -> np.ndarray:
    """Smooth noise of about unit spread with blobs of ``cell`` heights."""
    shape = [int(n / height_px / cell) + 2 for n in size[::-1]]
    return cv2.resize(rng.standard_normal(shape, np.float32), size, interpolation=cv2.INTER_LINEAR)
