"""The ``flats`` style: every kind as a cartoon of few flat shapes, from the front, the side or behind.

Colours are plain; the shapes are drawn with thick outlines, thin ones or none, so that the shape is what is learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from .canvas import Color, ellipse, hexa, pick, rect, smooth, tone

Rng = np.random.Generator
Points = Sequence[Sequence[float]] | np.ndarray
_BRIGHT = "e03030 3060d0 f0c020 30a050 f08020 9040b0 20b0b0 f0f0f0 404448 e070a0 8a5a30"
_DARK = "202024 303238 2a2420"
_GREY = "a0a4a8 808488 c8ccd0 585c60"
_SKIN = "f8d0a8 d09868 8a5a3a 5a3a28"


class Paper:
    """A surface of 3 × 3 finer pixels for flat shapes: x right with 0 in the middle, y up from the ground."""

    def __init__(self, height_px: float, width: float, rng: Rng) -> None:
        """``width`` is the widest extent in units of the height."""
        self.scale = float(np.clip(height_px, 24, 300)) * 3
        self._x0, self._y1 = -width / 2 - 0.1, 1.25
        self.pixels = np.zeros((int(self.scale * 1.4), int(self.scale * (width + 0.2)), 4), np.uint8)
        self.line = float(rng.choice([0.0, 0.012, 0.025, 0.04], p=[0.4, 0.2, 0.25, 0.15]))
        """Width of outlines; 0: none."""
        self.ink: Color = pick(rng, "101010 202030 402818 ffffff" if rng.random() < 0.9 else _BRIGHT)
        self.shade = float(rng.choice([0.0, 0.0, 0.25, 0.4]))
        """How much darker the right half of a shape is: the two-tone shading of cartoons."""

    def _px(self, points: Points) -> np.ndarray:
        p = (np.asarray(points, float) - (self._x0, self._y1)) * (self.scale, -self.scale)
        return np.round(p * 16).astype(np.int32)

    def fill(self, points: Points, color: Color, plain: bool = False) -> None:
        """A polygon, with its outline; ``plain`` leaves outline and shading out."""
        px = self._px(points)
        cv2.fillPoly(self.pixels, [px], self._color(color), cv2.LINE_8, 4)
        if self.shade and not plain:
            p = np.asarray(points, float)
            (x0, _), (x1, _) = p.min(0), p.max(0)
            mask = np.zeros(self.pixels.shape[:2], np.uint8)
            cv2.fillPoly(mask, [px], 255, cv2.LINE_8, 4)
            cv2.rectangle(
                mask, (0, 0), (int(self._px([((x0 + x1) / 2 + 0.1 * (x1 - x0), 0)])[0, 0] / 16), len(mask)), 0, -1
            )
            self.pixels[mask > 0] = self._color(tone(color, 1 - self.shade))
        if self.line and not plain:
            cv2.polylines(self.pixels, [px], True, self._color(self.ink), self._width(self.line), cv2.LINE_8, 4)

    def stroke(self, points: Points, width: float, color: Color, closed: bool = False) -> None:
        """A line."""
        px = self._px(points)
        if self.line:
            wide = self._width(width + 2 * self.line)
            cv2.polylines(self.pixels, [px], closed, self._color(self.ink), wide, cv2.LINE_8, 4)
        cv2.polylines(self.pixels, [px], closed, self._color(color), self._width(width), cv2.LINE_8, 4)

    def disc(self, x: float, y: float, r: float, color: Color, ry: float | None = None) -> None:
        """A circle or ellipse."""
        self.fill(ellipse(x, y, r, r if ry is None else ry, n=28), color)

    def box(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """A rectangle."""
        self.fill(rect(x0, y0, x1, y1), color)

    def _width(self, width: float) -> int:
        return max(1, round(width * self.scale))

    @staticmethod
    def _color(color: Color) -> tuple[float, ...]:
        return (*(255 * c for c in color), 255.0)


def car(p: Paper, rng: Rng) -> None:
    """From the side, from the front or from behind."""
    body, glass = pick(rng, _BRIGHT + " c0c0c8 202838 80c0e0"), pick(rng, "a8d8f0 304050 e0f0f8 6080a0")
    view = int(rng.integers(3))
    if view == 0:
        long, roof = rng.uniform(2.4, 3.0), rng.uniform(0.25, 0.42)
        a, b = -long * rng.uniform(0.22, 0.4), long * rng.uniform(0.12, 0.3)
        p.fill([(a - roof * 0.7, 0.55), (a, 1.0), (b - 0.1, 1.0), (b + roof, 0.55)], body)
        for x0, x1 in ((a, (a + b) / 2 - 0.04), ((a + b) / 2 + 0.04, b)):
            s0, s1 = (0.2 if x0 == a else 0), (0.22 if x1 == b else 0)
            p.fill(
                [(x0 - s0 + 0.04, 0.6), (x0 + 0.05, 0.93), (x1 - 0.1 * (s1 > 0), 0.93), (x1 + s1, 0.6)],
                glass,
                plain=True,
            )
        p.fill(
            smooth([(-long / 2, 0.2), (-long / 2, 0.58), (long / 2 - 0.1, 0.58), (long / 2, 0.42), (long / 2, 0.2)], 1),
            body,
        )
        for x in (-long * 0.3, long * 0.3):
            p.disc(x, 0.22, 0.22, hexa("202020"))
            p.disc(x, 0.22, 0.11, pick(rng, _GREY))
        p.box(long / 2 - 0.1, 0.4, long / 2, 0.5, hexa("fff0a0"))
        p.box(-long / 2, 0.4, -long / 2 + 0.08, 0.5, hexa("e02020"))
        return
    w = rng.uniform(0.6, 0.72)
    for s in (-1, 1):
        p.box(s * w * 0.92 - 0.11, 0.0, s * w * 0.92 + 0.11, 0.3, hexa("202020"))
    p.fill(smooth([(-w * 0.8, 0.5), (-w * 0.62, 1), (w * 0.62, 1), (w * 0.8, 0.5)], 1), body)
    p.fill([(-w * 0.7, 0.58), (-w * 0.55, 0.92), (w * 0.55, 0.92), (w * 0.7, 0.58)], glass)
    p.fill(smooth(rect(-w, 0.14, w, 0.6), 1), body)
    lamp = hexa("fff4b0") if view == 1 else hexa("e01818")
    for s in (-1, 1):
        p.disc(s * w * 0.72, 0.44, 0.09, lamp, 0.07) if rng.random() < 0.5 else p.box(
            s * w * 0.72 - 0.12, 0.38, s * w * 0.72 + 0.12, 0.5, lamp
        )
    p.box(-0.24, 0.2, 0.24, 0.32, pick(rng, "f0f0f0 303030 f0e080"))
    if view == 1:
        p.box(-w * 0.45, 0.36, w * 0.45, 0.48, tone(body, 0.4))


def pedestrian(p: Paper, rng: Rng) -> None:
    """Standing or walking, sometimes a mere pictogram."""
    skin, shirt, legs = pick(rng, _SKIN), pick(rng, _BRIGHT), pick(rng, _BRIGHT + " 283050 202020")
    if rng.random() < 0.15:
        skin = shirt = legs = pick(rng, "202020 f0f0f0 3060d0 e03030")
    stride, w = rng.uniform(0.03, 0.17), rng.uniform(0.1, 0.16)
    for s in (-1, 1):
        p.stroke([(s * 0.05, 0.48), (s * (0.05 + stride * 0.5), 0.25), (s * (0.04 + stride), 0.03)], 0.085, legs)
        p.stroke([(s * (0.04 + stride), 0.03), (s * (0.04 + stride) + 0.07, 0.025)], 0.05, hexa("202020"))
    for s in (-1, 1):
        reach = rng.uniform(0.05, 0.2)
        p.stroke(
            [(s * w, 0.77), (s * (w + reach * 0.6), 0.62), (s * (w + reach), 0.48 + rng.uniform(-0.04, 0.3))],
            0.065,
            shirt,
        )
    p.fill(smooth([(-w, 0.45), (-w * 1.15, 0.82), (w * 1.15, 0.82), (w, 0.45)], 1), shirt)
    if rng.random() < 0.25:
        p.fill([(-w, 0.5), (-w * 1.9, 0.25), (w * 1.9, 0.25), (w, 0.5)], pick(rng, _BRIGHT))
    p.disc(0, 0.91, rng.uniform(0.075, 0.1), skin)
    if rng.random() < 0.7:
        p.fill(ellipse(0, 0.93, 0.095, 0.085, 0, 180, 14), pick(rng, "302010 101010 c09030 a0a0a0 a03020"))


def bicycle(p: Paper, rng: Rng) -> None:
    """From the side, or end on."""
    frame, black = pick(rng, _BRIGHT), pick(rng, _DARK)
    if rng.random() < 0.2:
        p.disc(0, 0.32, 0.05, black, 0.32)
        p.stroke([(0, 0.5), (0, 0.98)], 0.05, frame)
        p.stroke([(-0.3, 1.0), (0, 0.93), (0.3, 1.0)], 0.05, black)
        p.box(-0.1, 0.8, 0.1, 0.86, black)
        return
    r, base, wide = rng.uniform(0.28, 0.36), rng.uniform(0.5, 0.6), rng.uniform(0.03, 0.06)
    for x in (-base, base):
        p.stroke(ellipse(x, r, r - 0.03, r - 0.03), wide, black, closed=True)
        if rng.random() < 0.5:
            for a in np.linspace(0, np.pi, 4, endpoint=False):
                dx, dy = r * 0.85 * np.cos(a), r * 0.85 * np.sin(a)
                p.stroke([(x - dx, r - dy), (x + dx, r + dy)], 0.008, pick(rng, _GREY))
    crank, seat, head = (-0.08, r), (-0.2, 0.72), (base - 0.18, 0.8)
    for a, b in (
        ((-base, r), crank),
        (crank, seat),
        (seat, (-base, r)),
        (crank, head),
        (seat, head),
        (head, (base, r)),
    ):
        p.stroke([a, b], 0.045, frame)
    p.stroke([seat, (-0.22, 0.82)], 0.035, frame)
    p.stroke([(-0.34, 0.84), (-0.1, 0.84)], 0.06, black)
    p.stroke([head, (base - 0.2, 0.95), (base - 0.08, 0.98)], 0.04, black)
    p.disc(*crank, 0.06, pick(rng, _GREY))


def dog(p: Paper, rng: Rng) -> None:
    """From the side or the front, standing or sitting."""
    coat, spot = pick(rng, "a06830 603818 e0c090 303030 f0f0f0 909090 c88040"), pick(rng, "402010 f0e8d8 202020")
    if rng.random() < 0.3:
        p.fill(smooth([(-0.24, 0.0), (-0.2, 0.5), (0.2, 0.5), (0.24, 0.0)], 2), coat)
        for s in (-1, 1):
            p.stroke([(s * 0.09, 0.35), (s * 0.09, 0.03)], 0.1, coat)
            p.fill(smooth([(s * 0.16, 0.9), (s * 0.34, 0.8), (s * 0.28, 0.5), (s * 0.18, 0.66)], 2), spot)
        p.disc(0, 0.72, 0.22, coat, 0.24)
        p.disc(0, 0.62, 0.1, tone(coat, 1.2), 0.09)
        for x, y, r in ((0, 0.66, 0.035), (-0.09, 0.78, 0.025), (0.09, 0.78, 0.025)):
            p.disc(x, y, r, hexa("101010"))
        return
    long, hip = rng.uniform(0.45, 0.62), rng.uniform(0.45, 0.55)
    for x in (-long * 0.85, -long * 0.65, long * 0.55, long * 0.75):
        p.stroke([(x, hip), (x + rng.uniform(-0.08, 0.08), 0.04)], 0.1, coat)
    p.stroke([(-long, hip + 0.08), (-long - 0.2, hip + rng.uniform(-0.05, 0.4))], 0.06, coat)
    p.fill(smooth(rect(-long, hip - 0.16, long, hip + 0.18), 2), coat)
    if rng.random() < 0.5:
        p.fill(ellipse(rng.uniform(-0.3, 0.3), hip + 0.05, 0.17, 0.1), spot, plain=True)
    p.stroke([(long * 0.75, hip + 0.08), (long + 0.05, 0.76)], 0.2, coat)
    p.disc(long + 0.08, 0.82, 0.17, coat, 0.16)
    p.fill(smooth([(long + 0.12, 0.72), (long + 0.14, 0.86), (long + 0.42, 0.8), (long + 0.42, 0.7)], 1), coat)
    p.disc(long + 0.42, 0.78, 0.04, hexa("101010"))
    p.disc(long + 0.13, 0.87, 0.025, hexa("101010"))
    p.fill(smooth([(long - 0.05, 0.95), (long + 0.08, 0.93), (long + 0.02, 0.66), (long - 0.1, 0.7)], 1), spot)


def stroller(p: Paper, rng: Rng) -> None:
    """A pram from the side, or a push-chair from the front."""
    cloth, black = pick(rng, _BRIGHT), pick(rng, _DARK)
    if rng.random() < 0.3:
        for s in (-1, 1):
            p.disc(s * 0.28, 0.12, 0.05, black, 0.12)
            p.stroke([(s * 0.26, 0.15), (s * 0.24, 0.95)], 0.04, pick(rng, _GREY))
        p.stroke([(-0.25, 0.97), (0.25, 0.97)], 0.05, black)
        p.fill(smooth([(-0.2, 0.25), (-0.25, 0.6), (0.25, 0.6), (0.2, 0.25)], 1), tone(cloth, 0.7))
        p.fill(ellipse(0, 0.6, 0.27, 0.3, 0, 180), cloth)
        p.disc(0, 0.55, 0.1, pick(rng, _SKIN))
        return
    for x in (-0.3, 0.3):
        p.stroke([(-x * 0.6, 0.45), (x, 0.16)], 0.04, pick(rng, _GREY))
    r = rng.uniform(0.11, 0.17)
    for x in (-0.3, 0.3):
        p.disc(x, r, r, black)
        p.disc(x, r, r * 0.5, pick(rng, _GREY))
    p.stroke([(0.25, 0.5), (0.56, 0.94), (0.68, 0.96)], 0.045, black)
    p.fill(np.vstack([ellipse(0, 0.62, 0.42, 0.34, 180, 360, 20)]), cloth)
    p.fill(np.vstack([[(0, 0.62)], ellipse(0, 0.62, 0.42, 0.4, 80, 180, 14)]), tone(cloth, rng.choice([0.7, 1.15])))


def cone(p: Paper, rng: Rng) -> None:
    """A triangle with bands on a foot."""
    main, white = (
        pick(rng, "ff6010 f08020 e84020 f0a020 d0e030" if rng.random() < 0.9 else _BRIGHT),
        pick(rng, "ffffff e8e8e8 c8c8d0"),
    )
    r0, r1 = rng.uniform(0.2, 0.32), rng.uniform(0.02, 0.07)
    side = lambda y: r0 + (r1 - r0) * (y - 0.08) / 0.92  # noqa: E731
    part = lambda a, b: [(-side(a), a), (-side(b), b), (side(b), b), (side(a), a)]  # noqa: E731
    p.fill(part(0.08, 1.0), main)
    bands = int(rng.integers(0, 4))
    for i in range(bands):
        a = 0.2 + 0.72 * i / bands
        p.fill(part(a, a + 0.36 / bands), white, plain=True)
    wide = r0 + rng.uniform(0.04, 0.14)
    p.box(-wide, 0, wide, rng.uniform(0.06, 0.12), main if rng.random() < 0.5 else pick(rng, _DARK))


def bollard(p: Paper, rng: Rng) -> None:
    """A post with a cap and bands."""
    main, band = pick(rng, _BRIGHT + " " + _GREY + " " + _DARK), pick(rng, "ffffff e03030 f0c020 202020")
    w = rng.uniform(0.06, 0.11)
    p.box(-w, 0, w, 0.94, main)
    if rng.random() < 0.5:
        p.fill(ellipse(0, 0.92, w * rng.uniform(1, 1.3), 0.08, 0, 180, 14), main)
    for i in range(int(rng.integers(0, 3))):
        p.box(-w, 0.74 - 0.2 * i, w, 0.84 - 0.2 * i, band)
    if rng.random() < 0.4:
        p.box(-w * 2, 0, w * 2, 0.06, pick(rng, _DARK))


def barrel(p: Paper, rng: Rng) -> None:
    """A drum with rounded ends and bands."""
    main, band = (
        pick(rng, "ff7020 f09020 e84020 3060c0 308050 8a5a30 404040 f0c020"),
        pick(rng, "ffffff f0f0f0 202020 d0d0d0"),
    )
    w, bulge = rng.uniform(0.28, 0.37), rng.uniform(-0.03, 0.06)
    p.fill([(-w, 0.03), (-w - bulge, 0.5), (-w, 0.95), (w, 0.95), (w + bulge, 0.5), (w, 0.03)], main)
    n = int(rng.integers(1, 4))
    thick = rng.uniform(0.02, 0.08) if rng.random() < 0.4 else 0.4 / n
    for y in (np.arange(n) + 1) / (n + 1):
        p.box(-w - bulge * 0.7, y - thick / 2, w + bulge * 0.7, y + thick / 2, band)
    if rng.random() < 0.6:
        p.disc(0, 0.95, w, tone(main, rng.choice([0.75, 1.2])), 0.05)
    if rng.random() < 0.4:
        p.box(-w * 1.15, 0, w * 1.15, 0.07, pick(rng, _DARK))


def barrier(p: Paper, rng: Rng) -> None:
    """Striped boards on legs, a block, or a fence."""
    long, a, b = rng.uniform(0.8, 1.3), pick(rng, "e03030 f07020 202020"), pick(rng, "ffffff f0f0f0 f0d020")
    kind = int(rng.integers(3))
    if kind == 0:
        for s in (-1, 1):
            p.stroke([(s * long * 0.75, 0), (s * long * 0.7, 0.98)], 0.07, pick(rng, _GREY + " f0f0f0"))
            p.stroke([(s * long * 0.75 - 0.2, 0.02), (s * long * 0.75 + 0.2, 0.02)], 0.05, pick(rng, _GREY))
        for y in (0.8, 0.42)[: int(rng.integers(1, 3))]:
            p.box(-long, y - 0.14, long, y + 0.14, b)
            n, lean = int(rng.integers(3, 7)), rng.uniform(0, 0.2)
            for i in range(n):
                x = -long + 2 * long * (i + 0.25) / n
                d = long / n
                p.fill(
                    [
                        (x, y - 0.14),
                        (x + d, y - 0.14),
                        (min(x + d + lean, long), y + 0.14),
                        (min(x + lean, long), y + 0.14),
                    ],
                    a,
                    plain=True,
                )
    elif kind == 1:
        grey = pick(rng, _GREY + " e03030 f0f0f0")
        p.fill(
            [(-long, 0), (-long * 0.94, 0.4), (-long * 0.9, 1), (long * 0.9, 1), (long * 0.94, 0.4), (long, 0)], grey
        )
        p.box(-long * 0.95, 0.36, long * 0.95, 0.42, tone(grey, 0.7))
        if rng.random() < 0.4:
            p.box(-long * 0.5, 0.55, long * 0.5, 0.85, b)
    else:
        bar = pick(rng, _GREY + " f0c020 e03030")
        for y in (0.2, 0.95):
            p.stroke([(-long, y), (long, y)], 0.05, bar)
        for x in np.linspace(-long, long, int(rng.integers(6, 13))):
            p.stroke([(x, 0.2), (x, 0.95)], 0.03, bar)
        for x in (-long * 0.8, long * 0.8):
            p.stroke([(x, 0.2), (x, 0.0)], 0.06, bar)


def warning_sign(p: Paper, rng: Rng) -> None:
    """A triangle, diamond or disc with a mark on a post."""
    n = int(rng.choice([3, 3, 4, 24]))
    rim, face = [("e02020", "ffffff"), ("202020", "f8d020"), ("202020", "f89020"), ("e02020", "f8e040")][
        int(rng.integers(4))
    ]
    r = rng.uniform(0.26, 0.36)
    outer = ellipse(0, 1 - r, r, r, 90, 450, n)
    y = 1 - r
    p.stroke([(0, 0), (0, y)], rng.uniform(0.04, 0.08), pick(rng, _GREY))
    p.fill(outer, hexa(rim))
    inner = (outer - (0, y)) * rng.uniform(0.66, 0.84) + (0, y)
    p.fill(inner, hexa(face), plain=True)
    w, ink = r * rng.uniform(0.06, 0.12), hexa("101010")
    if rng.random() < 0.6:
        p.fill(rect(-w, y - r * 0.08, w, y + r * 0.4), ink, plain=True)
        p.fill(rect(-w, y - r * 0.32, w, y - r * 0.32 + 2 * w), ink, plain=True)
    else:
        s = rng.choice([-1, 1])
        p.stroke([(-s * r * 0.25, y - r * 0.2), (s * r * 0.2, y + r * 0.25)], 2 * w, ink)


def trash_bin(p: Paper, rng: Rng) -> None:
    """A bin with a lid, ribs or wheels."""
    main = pick(rng, "308040 404448 3060a0 808488 f0b020 a03030 6a4a2a")
    w0, w1 = rng.uniform(0.24, 0.32), rng.uniform(0.3, 0.38)
    p.fill([(-w0, 0.04), (-w1, 0.84), (w1, 0.84), (w0, 0.04)], main)
    for x in np.linspace(-w0, w0, int(rng.integers(2, 6)))[1:-1]:
        p.fill(
            [(x - 0.015, 0.12), (x * 1.15 - 0.015, 0.76), (x * 1.15 + 0.015, 0.76), (x + 0.015, 0.12)],
            tone(main, 0.65),
            plain=True,
        )
    lid = main if rng.random() < 0.5 else pick(rng, _BRIGHT)
    if rng.random() < 0.5:
        p.box(-w1 - 0.04, 0.84, w1 + 0.04, 0.95, lid)
        p.box(-0.09, 0.95, 0.09, 1.0, tone(lid, 0.6))
    else:
        p.fill(ellipse(0, 0.84, w1 + 0.03, 0.16, 0, 180, 16), lid)
    if rng.random() < 0.5:
        for s in (-1, 1):
            p.disc(s * w0 * 0.85, 0.07, 0.07, hexa("202020"))
    if rng.random() < 0.3:
        p.stroke(ellipse(0, 0.45, 0.1, 0.1, 0, 360, 3), 0.03, hexa("f0f0f0"), closed=True)


def cardboard_box(p: Paper, rng: Rng) -> None:
    """A carton in oblique view or from the front, closed or open."""
    brown = pick(rng, "c89858 b08048 e0b880 a07040 d8c098")
    w, deep = rng.uniform(0.5, 0.8), rng.uniform(0, 0.4)
    high = 0.75 if deep or rng.random() < 0.4 else 1.0
    if deep:
        up = deep * 0.6
        p.fill([(w, 0), (w + deep, up), (w + deep, high + up), (w, high)], tone(brown, 0.7))
        p.fill([(-w, high), (-w + deep, high + up), (w + deep, high + up), (w, high)], tone(brown, 1.15))
    p.box(-w, 0, w, high, brown)
    if high < 1 and not deep:
        for s in (-1, 1):
            p.fill(
                [
                    (s * w, high),
                    (s * (w + 0.28), high + rng.uniform(0, 0.22)),
                    (s * (w + 0.1), high + 0.25),
                    (s * w * 0.3, high),
                ],
                tone(brown, 1.1),
            )
    else:
        p.box(-0.07, high * 0.7, 0.07, high, tone(brown, rng.choice([0.75, 1.25])))
    if rng.random() < 0.4:
        p.box(-w * 0.8, high * 0.15, -w * 0.3, high * 0.4, hexa("f0f0f0"))


def suitcase(p: Paper, rng: Rng) -> None:
    """Upright with a pulled handle, or flat with a grip."""
    main, black = pick(rng, _BRIGHT + " 705030"), pick(rng, _DARK)
    if rng.random() < 0.5:
        w = rng.uniform(0.24, 0.32)
        p.stroke([(-w * 0.5, 0.7), (-w * 0.5, 0.97), (w * 0.5, 0.97), (w * 0.5, 0.7)], 0.035, black)
        for s in (-1, 1):
            p.disc(s * w * 0.75, 0.04, 0.045, black)
        p.fill(smooth(rect(-w, 0.07, w, 0.76), 1), main)
        for x in np.linspace(-w, w, int(rng.integers(3, 6)))[1:-1]:
            p.box(x - 0.015, 0.12, x + 0.015, 0.7, tone(main, 0.7))
        return
    w = rng.uniform(0.6, 0.8)
    p.stroke([(-0.18, 0.84), (-0.16, 0.97), (0.16, 0.97), (0.18, 0.84)], 0.06, black)
    p.fill(smooth(rect(-w, 0, w, 0.86), 1), main)
    for s in (-1, 1):
        p.box(s * w * 0.6 - 0.05, 0, s * w * 0.6 + 0.05, 0.86, tone(main, 0.6))
    if rng.random() < 0.4:
        p.box(-w, 0.42, w, 0.47, tone(main, 0.5))


def tire(p: Paper, rng: Rng) -> None:
    """A ring from the front or aslant, or a pile's one from the side."""
    black = pick(rng, "202020 303030 404040 282830")
    squeeze = rng.uniform(0.35, 1.0)
    if rng.random() < 0.25:
        p.fill(smooth(rect(-1.1, 0, 1.1, 1.0), 1), black)
        for x in np.linspace(-0.9, 0.9, int(rng.integers(5, 10))):
            p.box(x - 0.03, 0.15, x + 0.03, 0.85, tone(black, 1.8))
        return
    if squeeze < 0.8:
        p.fill(ellipse(0.12, 0.5, 0.5 * squeeze, 0.5), tone(black, 0.7))
    p.disc(0, 0.5, 0.5 * squeeze, black, 0.5)
    inner = rng.uniform(0.22, 0.3)
    p.disc(0, 0.5, inner * squeeze, pick(rng, _GREY) if rng.random() < 0.6 else tone(black, 0.3), inner)
    if rng.random() < 0.4:
        p.disc(0, 0.5, inner * 0.35 * squeeze, tone(black, 1.3), inner * 0.35)


def stone(p: Paper, rng: Rng) -> None:
    """A lump with facets."""
    grey = pick(rng, "909090 707478 b0a898 888078 605c58 a09080")
    n = int(rng.integers(6, 10))
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    ring = np.stack([np.cos(angle) * rng.uniform(0.7, 1.0, n), 0.5 + 0.5 * np.sin(angle) * rng.uniform(0.8, 1, n)], 1)
    if rng.random() < 0.5:
        ring = smooth(ring, 1)
    ring[:, 1] = np.maximum(ring[:, 1], 0.06)
    p.fill(ring, grey)
    top = ring[ring[:, 1] > 0.5]
    if len(top) > 2:
        p.fill(np.vstack([top, top.mean(0) - (0, 0.15)]), tone(grey, 1.2), plain=True)
    if rng.random() < 0.4:
        p.stroke([(-0.2, 0.7), (0, 0.5), (-0.05, 0.3)], 0.02, tone(grey, 0.5))


def plastic_bag(p: Paper, rng: Rng) -> None:
    """A sack with a knot, or a carrier bag with two handles."""
    main = pick(rng, "ffffff 303438 4080d0 f0d060 e04040 60b070 d0e0f0")
    if rng.random() < 0.5:
        p.fill(smooth([(-0.14, 0.78), (-0.3, 0.98), (0.0, 0.88), (0.3, 0.98), (0.14, 0.78)], 1), main)
        p.fill(
            smooth(
                [
                    (-0.42, 0.0),
                    (-0.56, 0.3),
                    (-0.36, 0.66),
                    (-0.1, 0.78),
                    (0.1, 0.78),
                    (0.36, 0.66),
                    (0.56, 0.3),
                    (0.42, 0),
                ],
                2,
            ),
            main,
        )
        p.box(-0.12, 0.75, 0.12, 0.81, pick(rng, _BRIGHT))
    else:
        w = rng.uniform(0.3, 0.42)
        for s in (-1, 1):
            p.stroke(ellipse(s * w * 0.5, 0.72, 0.13, 0.24, 0, 180, 12), 0.06, main)
        p.fill([(-w * 1.1, 0.0), (-w, 0.72), (w, 0.72), (w * 1.1, 0.0)], main)
        if rng.random() < 0.5:
            p.disc(0, 0.36, 0.14, pick(rng, _BRIGHT))
    for _ in range(int(rng.integers(0, 4))):
        x = rng.uniform(-0.25, 0.25)
        p.stroke([(x, rng.uniform(0.1, 0.3)), (x * 0.6, rng.uniform(0.4, 0.65))], 0.02, tone(main, 0.75))


def pallet(p: Paper, rng: Rng) -> None:
    """Boards on blocks from the side, in a pile, or standing, seen from the front."""
    wood = pick(rng, "c8a060 a87840 d8b888 906838 b8b0a0")
    if rng.random() < 0.4:
        for x in (-0.9, 0, 0.9):
            p.box(x - 0.1, 0, x + 0.1, 1.0, tone(wood, 0.7))
        n = int(rng.integers(4, 7))
        for y in np.linspace(0.08, 0.92, n):
            p.box(-1.1, y - 0.3 / n, 1.1, y + 0.3 / n, wood)
        return
    n = int(rng.integers(1, 4))
    h = 1.0 / n if n > 1 else 0.6
    for i in range(n):
        y, dx = i * h, rng.uniform(-0.06, 0.06) if i else 0
        p.box(-1.2 + dx, y, 1.2 + dx, y + h * 0.2, wood)
        for x in (-1.05, 0, 1.05):
            p.box(x - 0.15 + dx, y + h * 0.2, x + 0.15 + dx, y + h * 0.72, tone(wood, 0.75))
        p.box(-1.2 + dx, y + h * 0.72, 1.2 + dx, y + h * 0.97, wood)


def tree_branch(p: Paper, rng: Rng) -> None:
    """A limb with twigs, and leaves at times."""
    bark, leaf = pick(rng, "6a4828 805830 504030 907050"), pick(rng, "40a040 80b040 e0a030 c06030 306830")
    x, y, thick = -1.4, 0.15, rng.uniform(0.08, 0.16)
    tips = []
    while x < 1.3:
        nx, ny = x + rng.uniform(0.25, 0.5), float(np.clip(y + rng.normal(0, 0.12), 0.08, 0.5))
        p.stroke([(x, y), (nx, ny)], thick, bark)
        if rng.random() < 0.8:
            tip = (nx + rng.uniform(0.1, 0.4), min(ny + rng.uniform(0.2, 0.55), 1.0))
            p.stroke([(nx, ny), tip], thick * 0.5, bark)
            tips.append(tip)
        x, y, thick = nx, ny, max(thick * 0.88, 0.04)
    if rng.random() < 0.6:
        for tx, ty in [*tips, (x, y)]:
            for _ in range(3):
                a, s = rng.uniform(0, 2 * np.pi), rng.uniform(0.06, 0.13)
                p.disc(
                    tx + s * np.cos(a),
                    min(max(ty + s * np.sin(a), s), 1.05),
                    s,
                    tone(leaf, rng.uniform(0.8, 1.1)),
                    s * 0.6,
                )


def debris(p: Paper, rng: Rng) -> None:
    """Something without a name: one to five shapes of any outline and colour."""
    for _ in range(int(rng.integers(1, 6))):
        color = tuple(rng.uniform(0.05, 1, 3).tolist()) if rng.random() < 0.5 else pick(rng, _BRIGHT + " " + _GREY)
        n, c = int(rng.integers(3, 9)), rng.uniform((-0.5, 0.2), (0.5, 0.8))
        angle = np.sort(rng.uniform(0, 2 * np.pi, n))
        size = rng.uniform(0.12, 0.6, 2)
        ring = c + size * np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.5, 1, (n, 1))
        ring = smooth(ring, 2) if rng.random() < 0.4 else ring
        p.fill(np.maximum(ring, (-9, 0.0)), color)


PAINTERS: dict[str, tuple[Callable[[Paper, Rng], None], float]] = {
    "car": (car, 3.3), "pedestrian": (pedestrian, 0.9), "bicycle": (bicycle, 2.1), "dog": (dog, 2.2),
    "stroller": (stroller, 1.6), "traffic cone": (cone, 1.0), "bollard": (bollard, 0.5), "barrel": (barrel, 1.0),
    "barrier": (barrier, 3.0), "warning sign": (warning_sign, 0.9), "trash bin": (trash_bin, 1.0),
    "cardboard box": (cardboard_box, 2.6), "suitcase": (suitcase, 1.8), "tire": (tire, 2.4), "stone": (stone, 2.2),
    "plastic bag": (plastic_bag, 1.3), "pallet": (pallet, 2.7), "tree branch": (tree_branch, 4.0),
    "debris": (debris, 2.4),
}  # fmt: skip
"""Kind to painter and the widest extent of what it draws, in units of its height."""


def draw(kind: str, height_px: float, rng: Rng) -> np.ndarray:
    """Straight-alpha RGBA, cropped; ``height_px`` pixels high, also what lies."""
    painter, width = PAINTERS[kind]
    paper = Paper(height_px, width, rng)
    painter(paper, rng)
    rows, columns = (np.flatnonzero(paper.pixels[..., 3].any(axis)) for axis in (1, 0))
    crop = paper.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    k = height_px / len(crop)
    size = max(1, round(crop.shape[1] * k)), max(1, round(height_px))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    small[..., :3] = np.minimum(small[..., :3] * (255.0 / np.maximum(small[..., 3:], 1)), 255)
    return small[:, ::-1].copy() if rng.random() < 0.5 else small
