"""Painters of marks on the road without a label, seen from above: (pixels, rng) to a straight-alpha RGBA picture."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from . import flats, solids
from .canvas import Color, ellipse, hexa, pick, rect, smooth, tone
from .flats import Paper, Points

Rng = np.random.Generator
_PAINT = "f4f4f0 f4f4f0 f4f4f0 e8e8e4 d8d8d4 e0e0dc e8c030 e8c030 d04030 3060b0"


def field(shape: tuple[int, int], cells: int, rng: Rng) -> np.ndarray:
    """Smooth noise (H, W) of about unit spread, the same at every size; ``cells`` blobs along each side."""
    small = rng.standard_normal((cells, cells)).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


def worn(rgba: np.ndarray, rng: Rng) -> np.ndarray:
    """Road paint in one of four conditions: fresh, faded, worn off in places, only its outline left."""
    manner, a = int(rng.choice(4, p=[0.3, 0.2, 0.35, 0.15])), rgba[..., 3].astype(np.float32)
    if manner == 1:
        a *= rng.uniform(0.3, 0.8)
    elif manner == 2:
        a *= np.clip(field(a.shape, 48, rng) * 0.8 + field(a.shape, 6, rng) * 0.5 + rng.uniform(0.2, 1.2), 0, 1)
        a *= 0.9
    elif manner == 3:
        k = max(3, round(len(a) * rng.uniform(0.012, 0.03)) * 2 + 1)
        a -= cv2.erode(a, np.ones((k, k), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.dstack([rgba[..., :3], np.maximum(a, 0.04 * rgba[..., 3]).astype(np.uint8)])


class Sheet:
    """A `Paper` without outlines for paint of one colour or more."""

    def __init__(self, px: float, width: float, rng: Rng) -> None:
        self.paper = Paper(min(px, 160.0), width, rng)
        self.paper.line = self.paper.shade = 0.0

    def fill(self, points: Points, color: Color) -> None:
        """A polygon."""
        self.paper.fill(points, color)

    def line(self, points: Points, width: float, color: Color, closed: bool = False) -> None:
        """A line with round ends."""
        self.paper.stroke(points, width, color, closed)

    @property
    def rgba(self) -> np.ndarray:
        """The picture; alpha is 0 or 255."""
        return self.paper.pixels


def _paint(width: float, draw: Callable[[Sheet, Rng, Color], None]) -> Callable[[float, Rng], np.ndarray]:
    def painter(px: float, rng: Rng) -> np.ndarray:
        sheet = Sheet(px, width, rng)
        draw(sheet, rng, pick(rng, _PAINT))
        return worn(sheet.rgba, rng)

    return painter


def _arrow(s: Sheet, r: Rng, c: Color) -> None:
    """Ahead, to a side, or both."""
    w, kind = r.uniform(0.03, 0.06), int(r.integers(4))
    s.fill(rect(-w, 0, w, 0.7), c)
    if kind != 1:
        s.fill([(-w * 3, 0.66), (w * 3, 0.66), (0, 1)], c)
    for side in ((), (1,), (-1,), (-1, 1))[kind]:
        y = r.uniform(0.4, 0.6)
        s.line([(0, y - 0.12), (side * 0.1, y), (side * 0.16, y)], w * 2, c)
        s.fill([(side * 0.16, y - 0.1), (side * 0.34, y), (side * 0.16, y + 0.1)], c)


def _zebra(s: Sheet, r: Rng, c: Color) -> None:
    n = int(r.integers(3, 9))
    for i in range(n):
        x = -1.4 + 2.8 * i / n
        s.fill(rect(x, 0, x + 2.8 / n * r.uniform(0.45, 0.6), 1), c)


def _letters(s: Sheet, r: Rng, c: Color) -> None:
    """Tall letters."""
    for i in range(n := int(r.integers(3, 6))):
        x, k = (i - n / 2) * 0.3, r.permutation(6)[: r.integers(3, 6)]
        grid = np.array([(0, 0.05), (0.2, 0.05), (0, 0.5), (0.2, 0.5), (0, 0.95), (0.2, 0.95)])
        s.line(grid[k] + (x, 0), 0.06, c)


def _number(s: Sheet, r: Rng, c: Color) -> None:
    """A limit of speed, in a ring or not."""
    segments = ("1110111 0010010 1011101 1011011 0111010 1101011 1101111 1010010 1111111 1111011").split()
    ends = [((0, 1), (1, 1)), ((0, 1), (0, 0.5)), ((1, 1), (1, 0.5)), ((0, 0.5), (1, 0.5)), ((0, 0.5), (0, 0)),
            ((1, 0.5), (1, 0)), ((0, 0), (1, 0))]  # fmt: skip
    digits = [int(r.integers(1, 10)), 0 if r.random() < 0.7 else int(r.integers(10))]
    ringed = r.random() < 0.4
    k = 0.55 if ringed else 1.0
    for i, digit in enumerate(digits):
        for on, (a, b) in zip(segments[digit], ends, strict=True):
            if on == "1":
                line = np.array([a, b]) * (0.2 * k, 0.88 * k) + ((i - 0.9) * 0.34 * k, 0.5 - 0.44 * k)
                s.line(line, 0.07 * k, c)
    if ringed:
        s.line(ellipse(0, 0.5, 0.34, 0.46), 0.05, c if r.random() < 0.5 else hexa("d03028"), closed=True)


def _hatching(s: Sheet, r: Rng, c: Color) -> None:
    """Slanting bars in a frame."""
    w, step = r.uniform(0.25, 0.6), r.uniform(0.12, 0.22)
    for y in np.arange(0, 1 - step, step):
        s.fill([(-w, y), (w, y + step * 0.6), (w, y + step * 1.05), (-w, y + step * 0.45)], c)
    s.line(rect(-w, 0.02, w, 0.98), 0.04, c, closed=True)


def _bars(s: Sheet, r: Rng, c: Color) -> None:
    """A stop line, shark's teeth or a box."""
    kind, w = int(r.integers(3)), r.uniform(0.8, 1.4)
    if kind == 0:
        s.fill(rect(-w, 0.1, w, r.uniform(0.6, 1.0)), c)
    elif kind == 1:
        for x in np.arange(-w, w, 0.32):
            s.fill([(x, 0.1), (x + 0.26, 0.1), (x + 0.13, 0.9)], c)
    else:
        s.line(rect(-w, 0.05, w, 0.95), 0.05, c, closed=True)
        s.line([(-w, 0.05), (w, 0.95)], 0.05, c)
        s.line([(w, 0.05), (-w, 0.95)], 0.05, c)


def _symbol(kind: str) -> Callable[[float, Rng], np.ndarray]:
    """A kind's silhouette in paint; at times reversed out of a coloured field."""

    def painter(px: float, rng: Rng) -> np.ndarray:
        look = flats.draw(kind, 160.0, rng) if rng.random() < 0.6 else solids.draw(kind, 160.0, rng)
        child = kind == "pedestrian" and rng.random() < 0.4
        look = cv2.resize(look, None, fx=1.25 if child else 1.0, fy=0.75 if child else 1.0)
        alpha = cv2.dilate(cv2.copyMakeBorder(look[..., 3], 16, 16, 16, 16, cv2.BORDER_CONSTANT), np.ones((3, 3)))
        back = pick(rng, "3060b0 c04030 308050 404448") if rng.random() < 0.35 else None
        color = hexa("f4f4f0") if back else pick(rng, _PAINT)
        mask = alpha[..., None].astype(np.float32) / 255
        base = np.array(back or color) * 255
        rgb = (base + mask * (np.array(color) * 255 - base)).astype(np.uint8)
        return worn(np.dstack([rgb, np.full_like(alpha, 235) if back else alpha]), rng)

    return painter


def _shadow(px: float, rng: Rng) -> np.ndarray:
    """The shade of a tree, pole, person, car or fence that is out of view, sharp or soft, slanting."""
    kind = int(rng.integers(4))
    if kind == 0:
        look = (flats if rng.random() < 0.5 else solids).draw(str(rng.choice(["pedestrian", "car", "dog"])), 140.0, rng)
        mask = look[..., 3]
    else:
        paper = Paper(140.0, 2.2, rng)
        paper.line = paper.shade = 0.0
        if kind == 1:
            paper.stroke([(0, 0), (0, 0.6)], 0.06, (0, 0, 0))
            for x, y in rng.normal((0, 0.7), (0.28, 0.14), (30, 2)):
                paper.disc(x, y, rng.uniform(0.04, 0.14), (0, 0, 0))
        elif kind == 2:
            for x in np.arange(-0.9, 0.9, rng.uniform(0.15, 0.8)):
                paper.stroke([(x, 0), (x, 1)], rng.uniform(0.02, 0.07), (0, 0, 0))
        else:
            for x, y in rng.uniform((-0.9, 0), (0.9, 1), (40, 2)):
                paper.disc(x, y, rng.uniform(0.03, 0.1), (0, 0, 0))
        mask = paper.pixels[..., 3]
    h, w = mask.shape
    lean = rng.uniform(-1.2, 1.2)
    shear = np.array([[1, -lean, max(lean, 0) * h + 12], [0, 1, 12]], np.float32)
    mask = cv2.warpAffine(mask, shear, (int(w + abs(lean) * h) + 24, h + 24))
    mask = cv2.GaussianBlur(mask, (0, 0), h * rng.choice([0.004, 0.015, 0.04]))
    return _tinted(mask * rng.uniform(0.35, 0.75), pick(rng, "101014 14141c 1c1a18"))


def _tinted(alpha: np.ndarray, color: Color) -> np.ndarray:
    rgb = np.broadcast_to(np.array(color) * 255, (*alpha.shape, 3)).astype(np.uint8)
    return np.dstack([rgb, np.clip(alpha, 0, 255).astype(np.uint8)])


def _spot(rng: Rng, cells: int = 5) -> np.ndarray:
    """An irregular spot (200, 280): about 1 in the middle, 0 at its edge, negative outside."""
    y, x = np.mgrid[-1:1:200j, -1:1:280j].astype(np.float32)
    return 0.62 - np.hypot(x, y) + 0.13 * np.minimum(1, 2 - 2 * np.hypot(x, y)) * field(y.shape, cells, rng)


def _puddle(px: float, rng: Rng) -> np.ndarray:
    """Water that mirrors a bright or dark sky, with a wet rim, or just a wet spot."""
    spot = _spot(rng)
    alpha, kind = np.clip(spot * rng.uniform(8, 40), 0, 1) * 255, int(rng.integers(3))
    sky = np.array(pick(rng, "a8c0d8 d0d8e0 5a6878 8090a0 e8d0b0")) * 255
    rgb = (
        np.full((*spot.shape, 3), 40.0)
        if kind == 0
        else sky * (0.7 + 0.4 * np.linspace(1, 0, len(spot)))[:, None, None]
    )
    if kind == 2:
        streak = field(spot.shape, 9, rng)[..., None] > 0.6
        rgb = np.where(streak, rgb * 0.5, rgb)
    rgb = np.broadcast_to(rgb, (*spot.shape, 3)) * np.clip(0.4 + spot * 8, 0.4, 1)[..., None]
    return np.dstack([np.clip(rgb, 0, 255).astype(np.uint8), (alpha * rng.uniform(0.5, 0.95)).astype(np.uint8)])


def _oil(px: float, rng: Rng) -> np.ndarray:
    """A rainbow film."""
    spot = _spot(rng)
    phase = spot * rng.uniform(8, 24) + field(spot.shape, 5, rng) * 0.8 + rng.uniform(0, 6)
    rgb = 120 + 90 * np.cos(phase[..., None] + np.array([0, 2.1, 4.2]))
    grey = rgb.mean(-1, keepdims=True)
    rgb = grey + (rgb - grey) * rng.uniform(0.3, 1.0)
    return np.dstack([rgb.astype(np.uint8), (np.clip(spot * 12, 0, 1) * rng.uniform(90, 200)).astype(np.uint8)])


def _seam(px: float, rng: Rng) -> np.ndarray:
    """Wandering lines of tar."""
    s, c = Sheet(px, 1.2, rng), pick(rng, "141416 202024 2a2826 c8c4b8")
    for _ in range(int(rng.integers(1, 4))):
        x = rng.uniform(-0.3, 0.3) + np.cumsum(rng.normal(0, 0.04, 14))
        s.line(np.column_stack([np.clip(x, -0.58, 0.58), np.linspace(0, 1, 14)]), rng.uniform(0.015, 0.06), c)
    out = s.rgba.copy()
    out[..., 3] = (out[..., 3] * rng.uniform(0.6, 1)).astype(np.uint8)
    return out


def _cover(px: float, rng: Rng) -> np.ndarray:
    """A round or square cover, or a drain's grate."""
    s, iron, kind = Sheet(px, 1.1, rng), pick(rng, "4a4846 3c3c3e 807c78 a0a09c 6a5a4a"), int(rng.integers(3))
    outline = ellipse(0, 0.5, 0.5, 0.5) if kind == 0 else rect(-0.5, 0, 0.5, 1)
    s.fill(outline, tone(iron, rng.uniform(0.4, 1.5)))
    s.fill((outline - (0, 0.5)) * 0.88 + (0, 0.5), iron)
    dark, n = tone(iron, rng.choice([0.4, 1.5])), int(rng.integers(3, 8))
    for t in np.linspace(-0.3, 0.3, n):
        if kind == 2:
            s.line([(-0.36, 0.5 + t), (0.36, 0.5 + t)], 0.3 / n, hexa("101010"))
        else:
            for u in np.linspace(-0.27, 0.27, n):
                s.fill(ellipse(t, 0.5 + u, 0.2 / n, 0.2 / n, n=8), dark)
    return s.rgba


def _tracks(px: float, rng: Rng) -> np.ndarray:
    """Marks of tyres: one or two, straight or bent, with tread or smooth."""
    s, bend, c = Sheet(px, 1.4, rng), rng.normal(0, 0.3), pick(rng, "101012 1c1a18 6a5a40")
    y = np.linspace(0, 1, 16)
    for x in (0.0,) if rng.random() < 0.3 else (-0.3, 0.3):
        path = np.column_stack([np.clip(x + bend * (y - 0.5) ** 2 * 2, -0.65, 0.65), y])
        if rng.random() < 0.5:
            s.line(path, rng.uniform(0.05, 0.1), c)
        else:
            for dx in (-0.04, 0, 0.04):
                s.line(path + (dx, 0), 0.02, c)
    fade = np.clip(1.2 * np.sin(np.linspace(0.2, 3.0, len(s.rgba))) + 0.1, 0, 1)[:, None] * rng.uniform(0.4, 0.9)
    return np.dstack([s.rgba[..., :3], (s.rgba[..., 3] * fade).astype(np.uint8)])


def _scatter(px: float, rng: Rng) -> np.ndarray:
    """Leaves, petals or chips, all about or in a drift."""
    s, spread = Sheet(px, 2.2, rng), rng.uniform((0.15, 0.08), (0.6, 0.25))
    codes = str(rng.choice(["a86a20 c89030 7a4a1c b04a1c", "f0c0d0 ffffff f0a0b8", "70a040 4a7a30", "605848 8a8070"]))
    for x, y in rng.normal((0, 0.5), spread, (int(rng.integers(12, 70)), 2)):
        a, k = rng.uniform(0, np.pi), rng.uniform(0.02, 0.06)
        u, v = np.array((np.cos(a), np.sin(a))) * k, np.array((-np.sin(a), np.cos(a))) * k * 0.5
        s.fill(np.clip([(x, y) - u, (x, y) + v, (x, y) + u, (x, y) - v], (-1.1, 0), (1.1, 1)), pick(rng, codes))
    return s.rgba


def _chalk(px: float, rng: Rng) -> np.ndarray:
    """A child's drawing: hopscotch, a sun, a house, a figure, a car."""
    s, kind = Sheet(px, 1.4, rng), int(rng.integers(5))

    def line(points: Points, closed: bool = False) -> None:
        p = np.asarray(points, float)
        s.line(p + rng.normal(0, 0.008, p.shape), 0.025, pick(rng, "ffffff f0a0c0 a0d0f0 f0e080 a0e0a0"), closed)

    if kind == 0:
        for i in range(5):
            for x in (-0.2, 0.0) if i % 2 else (-0.1,):
                line(rect(x, i * 0.2, x + 0.2, (i + 1) * 0.2), True)
    elif kind == 1:
        line(ellipse(0, 0.5, 0.22, 0.22), True)
        for a in np.linspace(0, 6.28, 12):
            line([(0.28 * np.cos(a), 0.5 + 0.28 * np.sin(a)), (0.48 * np.cos(a), 0.5 + 0.48 * np.sin(a))])
    elif kind == 2:
        line(rect(-0.35, 0.02, 0.35, 0.6), True)
        line([(-0.42, 0.6), (0, 0.98), (0.42, 0.6)])
        line(rect(-0.1, 0.02, 0.1, 0.35), True)
    elif kind == 3:
        line(ellipse(0, 0.82, 0.14, 0.15), True)
        for path in ([(0, 0.68), (0, 0.32)], [(-0.22, 0.5), (0.22, 0.6)], [(-0.18, 0), (0, 0.32), (0.18, 0)]):
            line(path)
    else:
        body = [
            (-0.6, 0.25),
            (-0.6, 0.5),
            (-0.3, 0.55),
            (-0.2, 0.85),
            (0.2, 0.85),
            (0.35, 0.55),
            (0.6, 0.5),
            (0.6, 0.25),
        ]
        line(body, True)
        for x in (-0.3, 0.3):
            line(ellipse(x, 0.22, 0.13, 0.13), True)
    alpha = s.rgba[..., 3] * np.clip(0.75 + 0.35 * field(s.rgba.shape[:2], 60, rng), 0.2, 1)
    return np.dstack([s.rgba[..., :3], alpha.astype(np.uint8)])


def _coloured(px: float, rng: Rng) -> np.ndarray:
    """A patch of coloured surface, as of a bus or cycle lane, or new asphalt, or sand."""
    s, w = Sheet(px, 1.7, rng), rng.uniform(0.3, 0.8)
    c = pick(rng, "b04030 3a8050 3060a0 c0a030 2c2c2e 9a9890 c8b890")
    outline = rect(-w, 0, w, 1) + rng.normal(0, 0.02, (4, 2))
    s.fill(smooth(outline, 2) if rng.random() < 0.3 else outline, c)
    return worn(s.rgba, rng)


GROUND: dict[str, Callable[[float, Rng], np.ndarray]] = {
    "arrow": _paint(1.0, _arrow), "zebra": _paint(3.0, _zebra), "letters": _paint(1.8, _letters),
    "number": _paint(1.2, _number), "hatching": _paint(1.4, _hatching), "bars": _paint(3.0, _bars),
    "painted bicycle": _symbol("bicycle"), "painted walker": _symbol("pedestrian"), "painted car": _symbol("car"),
    "shade": _shadow, "puddle": _puddle, "oil film": _oil, "tar seam": _seam, "cover": _cover, "tyre marks": _tracks,
    "scatter": _scatter, "chalk drawing": _chalk, "coloured patch": _coloured,
}  # fmt: skip
"""Name to painter."""

LENGTHS: dict[str, tuple[float, float]] = {
    "arrow": (2.5, 5), "zebra": (2.5, 4), "letters": (1.6, 4), "number": (1.8, 4), "hatching": (2, 5),
    "bars": (0.4, 1.4), "painted bicycle": (1.2, 2.5), "painted walker": (1.2, 3), "painted car": (1.2, 2.5),
    "shade": (1.5, 6), "puddle": (0.5, 3), "oil film": (0.4, 1.6), "tar seam": (1.5, 6), "cover": (0.4, 0.9),
    "tyre marks": (3, 8), "scatter": (0.6, 3), "chalk drawing": (0.8, 2), "coloured patch": (1.5, 6),
}  # fmt: skip
"""Range of the length along the road in metres."""
