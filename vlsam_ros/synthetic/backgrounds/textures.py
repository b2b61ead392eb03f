"""Banks of tiling textures and skyline layers, drawn once per process and recoloured by every world."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from vlsam_ros.synthetic import photographs
from vlsam_ros.synthetic.road import noise

SIZE, LEVELS = 256, 4
"""Edge of a ground texture in pixels, and how many octaves of blur it has."""

MADE = ("bricks", "cobbles", "slabs", "planks", "speckle", "dots", "scribble", "clouds")
"""Procedural ground textures."""

SKYLINES = (
    "mountains", "round trees", "conifers", "city", "fence", "wall", "barns", "hedge", "shops", "bridge", "masts",
)  # fmt: skip
"""Kinds of layers along the horizon."""


def palette(
    rng: np.random.Generator,
    count: int,
    saturation: tuple[float, float] = (0.0, 1.0),
    value: tuple[float, float] = (0.2, 1.0),
) -> np.ndarray:
    """Random colours of any hue, float32 (count, 3)."""
    hsv = np.stack([rng.uniform(0, 360, count), rng.uniform(*saturation, count), rng.uniform(*value, count)], 1)
    return cv2.cvtColor(hsv[None].astype(np.float32), cv2.COLOR_HSV2RGB)[0]


def names() -> tuple[str, ...]:
    """Ground textures there are: procedural ones, and photographs where their package is installed."""
    return MADE + photographs.available()


def _courses(rng: np.random.Generator, high: int, wide: int, joint: int, shift: float) -> np.ndarray:
    """Rows of stones with joints, (SIZE, SIZE) of about 0..1; ``high`` and ``wide`` divide SIZE."""
    y, x = np.mgrid[:SIZE, :SIZE]
    row = y // high
    x = (x + (row % 2) * int(shift * wide)) % SIZE
    stone = rng.uniform(0.55, 1.0, (SIZE // high, SIZE // wide))[row, x // wide]
    return np.where((y % high < joint) | (x % wide < joint), 0.15, stone)


def _made(name: str) -> np.ndarray:
    """A procedural texture, float (SIZE, SIZE, 3), that tiles."""
    rng = np.random.default_rng(list(name.encode()))
    grain, blotch = noise("grain ground")[:SIZE, :SIZE], noise("cloud ground")[::2, ::2]
    canvas = np.full((SIZE, SIZE), 128, np.uint8)
    if name in ("bricks", "slabs", "planks"):
        high, wide, joint, shift = {"bricks": (32, 64, 4, 0.5), "slabs": (64, 64, 3, 0), "planks": (256, 32, 3, 0)}[
            name
        ]
        picture = _courses(rng, high, wide, joint, shift) + 0.06 * grain
    elif name == "cobbles":
        y, x = np.mgrid[:SIZE, :SIZE] / (SIZE / 8) * 1.0
        x = x + 0.5 * (np.floor(y) % 2)
        dome = 1 - (2 * np.abs(x % 1 - 0.5)) ** 4 - (2 * np.abs(y % 1 - 0.5)) ** 4
        tone = rng.uniform(0.7, 1.1, (8, 8))[np.floor(y).astype(int), np.floor(x).astype(int) % 8]
        picture = np.clip(dome, 0, 1) * tone + 0.05 * grain
    elif name in ("dots", "scribble"):
        for _ in range(70 if name == "dots" else 60):
            (px, py), r, tone = rng.integers(0, SIZE, 2), int(rng.integers(4, 14)), int(rng.integers(0, 256))
            ex, ey = (rng.normal(0, 40, 2) if name == "scribble" else np.zeros(2)).astype(int)
            for dx in (-SIZE, 0, SIZE):
                for dy in (-SIZE, 0, SIZE):
                    at = (int(px) + dx, int(py) + dy)
                    cv2.line(canvas, at, (at[0] + int(ex), at[1] + int(ey)), tone, r, cv2.LINE_AA)
        picture = canvas.astype(np.float64)
    else:
        picture = (grain if name == "speckle" else blotch).astype(np.float64)
    return np.repeat(picture[..., None], 3, 2)


@lru_cache(maxsize=64)
def photograph(name: str, size: int = SIZE, mirrored: bool = True) -> np.ndarray:
    """A photograph scaled to a square, uint8 (size, size, 3); mirrored at its middles, so that it tiles."""
    picture = photographs.load(name)
    if not mirrored:
        return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    small = cv2.resize(picture, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.block([[[small], [small[:, ::-1]]], [[small[::-1]], [small[::-1, ::-1]]]]))


@lru_cache(maxsize=64)
def texture(name: str) -> np.ndarray:
    """A tiling texture uint8 (SIZE, LEVELS * (SIZE + 2), 3) around 128: side by side ever more blurred, with a rim."""
    rgb = _made(name) if name in MADE else photograph(name).astype(np.float64)
    rgb = (rgb - rgb.mean((0, 1))) / max(rgb.std(), 1e-6)
    levels = []
    for i in range(LEVELS):
        tiled = np.pad(rgb, ((SIZE // 2,) * 2, (SIZE // 2,) * 2, (0, 0)), mode="wrap")
        soft = cv2.GaussianBlur(tiled, (0, 0), 0.5 * 2**i) if i else tiled
        levels.append(soft[SIZE // 2 : -SIZE // 2, SIZE // 2 - 1 : 1 - SIZE // 2])
    return np.ascontiguousarray((128 + 45 * np.hstack(levels)).clip(0, 255).astype(np.uint8))


HIGH, WIDE, OCTAVES = 256, 1024, 4
"""Rows and columns of a skyline, and in how many sizes it is kept; its row 0 stands on the ground."""


@lru_cache(maxsize=160)
def skyline(kind: str, variant: int, octave: int = 0) -> np.ndarray:
    """A layer that tiles sideways, uint8 (HIGH, WIDE, 4), halved ``octave`` times.

    Three channels are weights of colours of the world's choice, the fourth is alpha (premultiplied).
    """
    if octave:
        full = skyline(kind, variant, octave - 1)
        return cv2.resize(full, (full.shape[1] // 2, full.shape[0] // 2), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng([*kind.encode(), variant])
    # drawn upside up with row 0 at the top, on a canvas that repeats once; then cut and turned
    canvas = np.zeros((HIGH, 2 * WIDE, 4), np.uint8)

    def ink(body: float = 1.0, trim: float = 0.0, light: float = 0.0) -> tuple[int, int, int, int]:
        return int(255 * body), int(255 * trim), int(255 * light), 255

    def both(shape: str, x: float, *rest: float, colour: tuple[int, int, int, int]) -> None:
        for start in (x, x + WIDE, x - WIDE):
            if shape == "box":  # x, bottom, width, height
                low, w, h = rest
                corners = [(round(start), round(HIGH - 1 - low)), (round(start + w) - 1, round(HIGH - low - h))]
                cv2.rectangle(canvas, *corners, colour, -1)
            elif shape == "disc":  # x, middle, radius
                cv2.circle(canvas, (round(start), round(HIGH - rest[0])), round(rest[1]), colour, -1, cv2.LINE_AA)
            else:  # triangle: x, bottom, half width, height
                low, w, h = rest
                points = [(start - w, HIGH - low), (start + w, HIGH - low), (start, HIGH - low - h)]
                cv2.fillConvexPoly(canvas, np.array(points).round().astype(np.int32), colour, cv2.LINE_AA)

    if kind == "mountains":
        for _ in range(14):
            x, w, h = rng.uniform(0, WIDE), rng.uniform(60, 220), rng.uniform(40, 230)
            both("peak", x, 0, w, h, colour=ink(rng.uniform(0.6, 1)))
            if variant % 2:
                both("peak", x, 0.72 * h, 0.28 * w, 0.28 * h, colour=ink(0, 1))
    elif kind == "round trees":
        for x in rng.uniform(0, WIDE, 34):
            r, h = rng.uniform(16, 52), rng.uniform(25, 130)
            both("box", x - 3, 0, 7, h, colour=ink(0, 0.6))
            both("disc", x, h, r, colour=ink(tone := rng.uniform(0.5, 1)))
            both("disc", x - 0.25 * r, h + 0.25 * r, 0.55 * r, colour=ink(min(1, tone + 0.15), 0, 0.1))
        both("box", 0, 0, WIDE, 18, colour=ink(0.6))
    elif kind == "conifers":
        for x in rng.uniform(0, WIDE, 46):
            w, h, tone = rng.uniform(14, 40), rng.uniform(60, 220), rng.uniform(0.4, 1)
            for part in range(3):
                both("peak", x, 12 + part * 0.26 * h, w * (1 - 0.25 * part), 0.48 * h, colour=ink(tone + 0.0))
        both("box", 0, 0, WIDE, 20, colour=ink(0.5))
    elif kind in ("city", "shops"):
        x = 0.0
        while x < WIDE - 20:
            w = min(rng.uniform(40, 110) if kind == "city" else rng.uniform(90, 200), WIDE - x)
            h = rng.uniform(50, 245) if kind == "city" else rng.uniform(110, 240)
            mix = rng.dirichlet((1.5, 1.0)) * rng.uniform(0.5, 1.0)
            both("box", x, 0, w, h, colour=ink(*mix))
            step, part, low = rng.uniform(12, 26), rng.uniform(0.35, 0.7), 8 if kind == "city" else 70
            for wy in np.arange(low, h - step, step):
                for wx in np.arange(x + 0.3 * step, x + w - step, step):
                    lit = rng.random() < 0.4
                    both("box", wx, wy, part * step, part * step, colour=ink(0.25 * mix[0], 0, 1.0 if lit else 0.1))
            if kind == "shops":
                both("box", x + 8, 4, 0.55 * w, 46, colour=ink(0.1, 0.1, rng.uniform(0.2, 1)))
                both("box", x + 0.7 * w, 0, 0.2 * w, 50, colour=ink(0, rng.uniform(0.2, 0.7)))
                both("box", x + 2, 52, w - 4, 14, colour=ink(0, 1, 0) if rng.random() < 0.5 else ink(0.2, 0, 0.9))
            x += w + (rng.uniform(0, 30) if rng.random() < 0.3 else 0)
    elif kind == "fence":
        both("box", 0, 60, WIDE, 10, colour=ink(0.8))
        both("box", 0, 130, WIDE, 10, colour=ink(0.8))
        for x in np.arange(0, WIDE, WIDE / (24 + 10 * (variant % 3))):
            both("box", x, 0, 12, 165, colour=ink(rng.uniform(0.7, 1), 0.15))
    elif kind == "wall":
        both("box", 0, 0, WIDE, 170, colour=ink())
        for row in range(8):
            for x in np.arange(0, WIDE, 32) + 16 * (row % 2):
                both("box", x, row * 20, 30, 18, colour=ink(rng.uniform(0.6, 1), 0.2 * rng.random()))
        both("box", 0, 166, WIDE, 12, colour=ink(0.2, 0.8))
    elif kind == "barns":
        for x in np.arange(0, WIDE, 160) + rng.uniform(0, 70):
            w, h = rng.uniform(40, 65), rng.uniform(40, 90)
            both("box", x - w, 0, 2 * w, h, colour=ink(rng.uniform(0.7, 1)))
            both("peak", x, h, 1.15 * w, 0.7 * w, colour=ink(0, rng.uniform(0.5, 1)))
            both("box", x - 0.3 * w, 0, 0.6 * w, 0.6 * h, colour=ink(0.2, 0, 0.4))
    elif kind == "hedge":
        both("box", 0, 0, WIDE, 90, colour=ink(0.8))
        for x in rng.uniform(0, WIDE, 220):
            both("disc", x, rng.uniform(0, 100), rng.uniform(6, 18), colour=ink(rng.uniform(0.55, 1)))
    elif kind == "bridge":
        both("box", 0, 120, WIDE, 40, colour=ink())
        both("box", 0, 156, WIDE, 8, colour=ink(0.4, 0.6))
        for x in np.arange(0, WIDE, 256) + rng.uniform(0, 80):
            both("box", x, 0, 22, 124, colour=ink(0.8))
            both("box", x + 60, 105, 110, 60, colour=ink(0, 0.7 if rng.random() < 0.5 else 0.2, 0.4))
    else:
        for x in np.arange(0, WIDE, 128) + rng.uniform(-30, 30, 8):
            h = rng.uniform(120, 245)
            both("box", x, 0, rng.uniform(3, 9), h, colour=ink(0.6, 0.2))
            both("box", x - 30, h - 20, 64, rng.uniform(4, 22), colour=ink(0.2, 0.8, 0.2))
    layer = canvas[::-1, WIDE // 2 : WIDE // 2 + WIDE]
    return np.ascontiguousarray(layer)


@lru_cache(maxsize=8)
def discs(variant: int) -> np.ndarray:
    """Cartoon clouds made of discs, uint8 (512, 1024, 2): cover, and the shaded lower part; tiles sideways."""
    rng = np.random.default_rng([variant, 77])
    cover, lower = np.zeros((512, 1024), np.uint8), np.zeros((512, 1024), np.uint8)
    for _ in range(9 + 3 * (variant % 3)):
        x, y, size = rng.uniform(0, 1024), rng.uniform(60, 470), rng.uniform(14, 42)
        for _ in range(7):
            dx, r = rng.normal(0, 1.6 * size), size * rng.uniform(0.6, 1.2)
            for start in (x - 1024, x, x + 1024):
                at = (round(start + dx), round(y - 0.4 * r))
                cv2.circle(cover, at, round(r), 255, -1, cv2.LINE_AA)
                cv2.circle(lower, at, round(r), 255, -1, cv2.LINE_AA)
                cv2.circle(lower, (at[0], round(at[1] - 0.35 * r)), round(r), 0, -1, cv2.LINE_AA)
    return np.dstack([cover, lower])


@lru_cache(maxsize=4)
def stars(variant: int) -> np.ndarray:
    """A starry sky, uint8 (512, 512), tiles."""
    rng = np.random.default_rng([variant, 78])
    sky = np.zeros((512, 512), np.uint8)
    for _ in range(60 + 120 * variant):
        x, y = rng.integers(3, 509, 2)
        cv2.circle(sky, (int(x), int(y)), int(rng.integers(0, 3)), int(rng.integers(90, 256)), -1, cv2.LINE_AA)
    return sky
