"""Painters of roadside things that stand and have no label, for any pen of `negatives_pens`."""

from __future__ import annotations

import numpy as np

from . import flats, solids
from .canvas import Color, ellipse, hexa, pick, tone
from .negatives_pens import Pen

Rng = np.random.Generator
_BRIGHT = "d83030 3060d0 f0c020 30a050 f08020 9040b0 20b0b0 f0f0f0 404448 e070a0 8a5a30"
_METAL = "9aa0a6 74787c c0c4c8 54585c 303438 2a5040 f0f0f0"
_BARK = "5a4634 4a3a2e 7a6048 8a7460 604028 9a9488"
_GREEN = "3a6a2a 4a7a34 2e5a2c 6a8a34 40a040 80b040 285030"
_WALL = "c8b8a0 b05038 d8d0c0 a0a4a8 e8e0d0 8a4a38 c0a060 90a8b0 d8a888 707478"
_GLASS = "283038 1a2028 485868 a8c0d0 d0e8f8 f8e090 6080a0"
_KINDS_SHOWN = (
    "pedestrian", "pedestrian", "car", "car", "bicycle", "dog", "stroller", "trash bin", "cardboard box", "suitcase",
    "plastic bag", "barrel", "tire",
)  # fmt: skip


def hydrant(p: Pen, r: Rng) -> None:
    """A fire hydrant."""
    c = pick(r, "d02020 e0c020 2060c0 e06020 c0c4c8 30a050")
    cap = pick(r, "d02020 f0f0f0 2060c0 303438") if r.random() < 0.5 else c
    w = r.uniform(0.13, 0.19)
    p.slab(-w - 0.07, 0, w + 0.07, 0.08, tone(c, 0.8), 2 * w + 0.14)
    p.rod([(-w - 0.1, 0.55), (w + 0.1, 0.55)], 0.13, cap)
    p.post(0, 0.08, 0.72, w, c)
    p.post(0, 0.7, 0.76, w + 0.04, cap)
    p.ball(0, 0.77, w, 0.15, cap)
    p.post(0, 0.9, 1, 0.05, cap)
    p.disc(0, 0.5, 0.08, cap, w)


def pole(p: Pen, r: Rng) -> None:
    """A pole of wood or metal."""
    c, w = pick(r, _METAL + " " + _BARK), r.uniform(0.008, 0.025)
    p.post(0, 0, 1, w * 1.3, c, w)
    if r.random() < 0.6:
        for y in r.uniform(0.78, 0.96, int(r.integers(1, 4))):
            p.rod([(-0.12, y), (0.12, y)], 0.014, tone(c, 0.9))
    if r.random() < 0.4:
        p.slab(-0.04, 0.3, 0.04, 0.38, pick(r, _BRIGHT), 0.02, w)


def trunk(p: Pen, r: Rng) -> None:
    """A trunk, cut off or broken."""
    c, w, lean = pick(r, _BARK), r.uniform(0.1, 0.3), r.normal(0, 0.04)
    for s in (-1, 1):
        p.rod([(s * w * 0.6, 0.12), (s * w * 1.5, 0.02)], w * 0.4, tone(c, 0.85))
    if r.random() < 0.5:
        p.rod([(w * 0.4, 0.55), (w * 1.6, 0.8)], w * 0.3, c)
    p.post(lean, 0, 0.95, w * 1.2, c, w)
    for x in r.uniform(-0.8, 0.8, int(r.integers(0, 6))) * w:
        y = r.uniform(0.1, 0.5)
        p.rod([(x, y), (x * 1.05, y + r.uniform(0.15, 0.4))], 0.015, tone(c, 0.6), w)
    p.ball(lean, 0.95, w, 0.05, pick(r, "d8b888 c8a878 e0c8a0"))


def _crown(p: Pen, r: Rng, at: tuple[float, float], rx: float, ry: float, c: Color, n: int) -> None:
    for _ in range(n):
        a, reach = r.uniform(0, 2 * np.pi), np.sqrt(r.random()) * 0.75
        u = np.array((np.cos(a), np.sin(a))) * reach
        size = r.uniform(0.3, 0.5) * ry
        p.ball(at[0] + u[0] * rx, at[1] + u[1] * ry, size, size * 0.85, tone(c, 0.85 + 0.3 * u[1] + r.normal(0, 0.06)))


def round_tree(p: Pen, r: Rng) -> None:
    """A broad-leaved tree: one ball, or many clumps; green, autumnal or in blossom."""
    c, w, low = pick(r, _GREEN + " c07828 d8b030 f0b8c8"), r.uniform(0.02, 0.05), r.uniform(0.2, 0.4)
    p.post(0, 0, 0.7, w * 1.4, pick(r, _BARK), w)
    rx, ry = r.uniform(0.25, 0.45), (0.98 - low) / 2
    if r.random() < 0.35:
        p.ball(0, low + ry, rx, ry, c)
    else:
        _crown(p, r, (0, low + ry), rx, ry, c, int(r.integers(6, 22)))


def fir(p: Pen, r: Rng) -> None:
    """A conifer of tiers."""
    c, wide = pick(r, "285030 305a38 1e4028 4a7a50 406858 e0e8e8"), r.uniform(0.18, 0.34)
    p.post(0, 0, 0.3, 0.04, pick(r, _BARK))
    n, low = int(r.integers(1, 6)), r.uniform(0.06, 0.2)
    for i in range(n):
        y, k = low + (0.95 - low) * i / n * 0.9, 1 - 0.8 * i / n
        p.post(
            0, y, min(1, y + (1 - low) / n * 1.45), wide * k, tone(c, 0.9 + 0.05 * i), 0.004 + 0.08 * k * (i < n - 1)
        )


def palm(p: Pen, r: Rng) -> None:
    """A palm."""
    c, bark, lean = pick(r, _GREEN), pick(r, _BARK), r.uniform(-0.15, 0.15)
    trunk_line = [(0, 0), (lean * 0.4, 0.4), (lean, 0.8)]
    p.rod(trunk_line, r.uniform(0.03, 0.06), bark)
    for a in np.radians(r.uniform(-40, 220, int(r.integers(7, 14)))):
        tip = np.array([lean + 0.3 * np.cos(a), 0.8 + 0.2 * np.sin(a)])
        end = tip + (0.09 * np.cos(a), -0.14)
        mid = (np.array([lean, 0.8]) + tip) / 2 + (0, 0.03)
        p.shape([(lean, 0.79), mid + (0, 0.03), end, mid - (0, 0.03)], tone(c, r.uniform(0.7, 1.2)), 0.03)


def bare_tree(p: Pen, r: Rng) -> None:
    """A tree in winter."""
    c = pick(r, _BARK)

    def grow(x: float, y: float, a: float, long: float, w: float) -> None:
        if w < 0.006 or y > 0.95:
            return
        tip = x + long * np.cos(a), min(y + long * np.sin(a), 1.0)
        p.rod([(x, y), tip], w, c)
        for s in (-1, 1) if w > 0.012 else (r.choice((-1, 1)),):
            grow(*tip, a + s * r.uniform(0.2, 0.6), long * r.uniform(0.6, 0.85), w * 0.66)

    grow(0, 0, np.pi / 2, r.uniform(0.25, 0.38), r.uniform(0.03, 0.06))


def shrub(p: Pen, r: Rng) -> None:
    """A round bush, at times in flower."""
    c = pick(r, _GREEN + " a07030")
    for _ in range(int(r.integers(3, 14))):
        s, x = r.uniform(0.2, 0.4), r.normal(0, 0.35)
        p.ball(x, s * r.uniform(0.85, 1.5), s, s * 0.9, tone(c, r.uniform(0.75, 1.2)))
    if r.random() < 0.4:
        bloom = pick(r, "e04060 f0d040 ffffff c060d0")
        for x, y in r.uniform((-0.5, 0.3), (0.5, 0.8), (12, 2)):
            p.disc(x, y, 0.035, bloom, 0.3)


def hedge(p: Pen, r: Rng) -> None:
    """A clipped hedge."""
    c, w = pick(r, _GREEN), r.uniform(0.7, 1.6)
    p.slab(-w, 0, w, 0.95, c, 0.5)
    for x, y in r.uniform((-w, 0.1), (w, 0.95), (int(r.integers(6, 30)), 2)):
        s = r.uniform(0.06, 0.12)
        p.ball(x, y, s, s * 0.7, tone(c, r.uniform(0.7, 1.25)), 0.25)


def wall(p: Pen, r: Rng) -> None:
    """A piece of brick, stone or plastered wall."""
    c, w = pick(r, _WALL), r.uniform(0.7, 1.6)
    p.slab(-w, 0, w, 0.93, c, 0.25)
    if r.random() < 0.7:
        rows = int(r.integers(4, 9))
        step = r.uniform(0.2, 0.4)
        for i in range(rows):
            for x in np.arange(-w + step * 0.5 * (i % 2), w - 0.08, step):
                y = 0.93 * i / rows
                p.slab(x + 0.01, y + 0.012, min(x + step - 0.01, w), y + 0.93 / rows - 0.012,
                       tone(c, r.uniform(0.75, 1.2)), 0.02, 0.125)  # fmt: skip
    else:
        for _ in range(int(r.integers(0, 4))):
            x, y = r.uniform((-w, 0.2), (w * 0.6, 0.5))
            _words(p, r, x, y, x + 0.3, y + 0.25, pick(r, _BRIGHT), 0.13)
    p.slab(-w - 0.04, 0.93, w + 0.04, 1, tone(c, 0.8), 0.32)


def fence(p: Pen, r: Rng) -> None:
    """Pickets, rails or wire mesh."""
    c, w, kind = pick(r, _METAL + " " + _BARK + " f0f0f0"), r.uniform(0.8, 1.7), int(r.integers(3))
    if kind < 2:
        for y in (0.25, 0.75) if kind == 0 else np.linspace(0.3, 0.9, int(r.integers(2, 5))):
            p.slab(-w, y - 0.04, w, y + 0.04, tone(c, 0.85), 0.04)
        step = r.uniform(0.1, 0.2) if kind == 0 else 0.8
        for x in np.arange(-w, w, step):
            top = [(x, 0), (x + step * 0.55, 0), (x + step * 0.55, 0.92), (x + step * 0.27, 1), (x, 0.92)]
            p.shape(top, c, 0.03, 0.04) if kind == 0 else p.post(x, 0, 1, 0.05, c)
        return
    for x in np.arange(-w, w, 0.22):
        p.rod([(x, 0), (min(x + 1, w), min(1.0, w - x))], 0.012, c)
        p.rod([(x, min(1.0, w - x)), (min(x + 1, w), 0)], 0.012, c)
    for x in np.linspace(-w, w, 3):
        p.post(x, 0, 1, 0.03, c)


def _words(p: Pen, r: Rng, x0: float, y0: float, x1: float, y1: float, c: Color, z: float) -> None:
    """Letter-like strokes that fill a rectangle."""
    n = max(2, round((x1 - x0) / (y1 - y0) * 1.3))
    step, h = (x1 - x0) / n, y1 - y0
    grid = np.array([(0, 0), (0.65, 0), (0, 0.5), (0.65, 0.5), (0, 1), (0.65, 1)])
    for i in range(n):
        path = grid[r.permutation(6)[: r.integers(2, 5)]] * (step, h) + (x0 + i * step, y0)
        p.rod(path, 0.16 * h, c, z)


def _window(p: Pen, r: Rng, x0: float, y0: float, x1: float, y1: float, glass: Color, frame: Color, z: float) -> None:
    m = 0.1 * (x1 - x0)
    p.slab(x0 - m, y0 - m, x1 + m, y1 + m, frame, 0.02, z)
    p.slab(x0, y0, x1, y1, glass, 0.01, z + 0.015)
    if r.random() < 0.6:
        p.rod([((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)], m, frame, z + 0.02)


def house_front(p: Pen, r: Rng) -> None:
    """Storeys of windows, a door, a roof."""
    c, frame, glass = pick(r, _WALL), pick(r, "f0f0f0 303438 8a5a30 d0d0c8 406080"), pick(r, _GLASS)
    w, roof, kind = r.uniform(0.3, 0.62), pick(r, "7a3028 404448 905038 605850 a06040"), int(r.integers(3))
    top = (1.0, 0.72, 0.78)[kind]
    if kind and r.random() < 0.5:
        p.slab(w * 0.4, 0.8, w * 0.4 + 0.07, 0.99, tone(c, 0.7), 0.07, -0.1)
    p.slab(-w, 0, w, top, c, 0.5)
    if kind == 1:
        p.shape([(-w - 0.05, top), (w + 0.05, top), (0, 1)], roof if r.random() < 0.7 else c, 0.54)
    elif kind == 2:
        p.shape([(-w - 0.05, top), (w + 0.05, top), (w * 0.75, 1), (-w * 0.75, 1)], roof, 0.54)
    else:
        p.slab(-w - 0.02, 0.97, w + 0.02, 1, tone(c, 0.7), 0.54)
    rows, columns = int(r.integers(2, 5)) + (kind == 0), int(r.integers(2, 6))
    step_x, step_y = 2 * w / columns, top / rows
    door, shutters = int(r.integers(columns)), r.random() < 0.3
    for i in range(rows):
        for j in range(columns):
            x, y = -w + (j + 0.5) * step_x, (i + 0.5) * step_y
            if i == 0 and j == door:
                p.slab(x - step_x * 0.25, 0, x + step_x * 0.25, step_y * 0.75, pick(r, _BRIGHT), 0.02, 0.26)
                continue
            half, tall = step_x * 0.26, step_y * 0.28
            lit = glass if r.random() < 0.8 else pick(r, _GLASS)
            if shutters:
                p.slab(x - 2 * half, y - tall, x + 2 * half, y + tall, tone(roof, 0.9), 0.02, 0.25)
            _window(p, r, x - half, y - tall, x + half, y + tall, lit, frame, 0.26)


def _shown(p: Pen, r: Rng, x0: float, y0: float, x1: float, y1: float, z: float, most: int) -> None:
    """Pictures of people, cars and things side by side in a rectangle."""
    n = int(r.integers(1, most + 1))
    step = (x1 - x0) / n
    for i in range(n):
        kind = _KINDS_SHOWN[int(r.integers(len(_KINDS_SHOWN)))]
        look = (flats if r.random() < 0.5 else solids).draw(kind, 110.0, r)
        if r.random() < 0.3:
            look[..., :3] = (look[..., :3].mean(-1, keepdims=True) * pick(r, "ffffff d0b080 80a0d0 c05050")).astype(
                "u1"
            )
        look[..., 3] = (look[..., 3] * r.uniform(0.6, 1.0)).astype(np.uint8)
        p.decal(look, x0 + i * step, y0, x0 + (i + 0.95) * step, y0 + (y1 - y0) * r.uniform(0.55, 0.95), z)


def shop_window(p: Pen, r: Rng) -> None:
    """A shop: a sign, an awning, and people, cars and goods behind glass or on posters."""
    c, w = pick(r, _WALL + " " + _BRIGHT), r.uniform(0.6, 1.1)
    p.slab(-w, 0, w, 1, c, 0.4)
    sign = pick(r, _BRIGHT)
    p.slab(-w * 0.95, 0.78, w * 0.95, 0.95, sign, 0.03, 0.21)
    _words(p, r, -w * 0.7, 0.82, w * r.uniform(-0.1, 0.7), 0.91, pick(r, "ffffff 202020 f0d040"), 0.23)
    panes, door = int(r.integers(1, 4)), r.random() < 0.7
    x0, x1 = -w * 0.93, w * (0.5 if door else 0.93)
    step = (x1 - x0) / panes
    for i in range(panes):
        a, b = x0 + i * step, x0 + (i + 0.94) * step
        p.slab(a, 0.12, b, 0.72, pick(r, "f0f0e8 303438 8a5a30"), 0.02, 0.21)
        p.slab(a + 0.03, 0.15, b - 0.03, 0.69, pick(r, _GLASS + " f0ead8 f0ead8"), 0.01, 0.225)
        if r.random() < 0.85:
            _shown(p, r, a + 0.05, 0.16, b - 0.05, 0.67, 0.24, 3)
    if door:
        p.slab(w * 0.56, 0, w * 0.9, 0.72, pick(r, _BRIGHT), 0.02, 0.21)
        p.slab(w * 0.61, 0.25, w * 0.85, 0.66, pick(r, _GLASS), 0.01, 0.225)
    if r.random() < 0.4:
        stripes = [pick(r, _BRIGHT), hexa("f4f4f0")]
        for i in range(n := int(r.integers(5, 12))):
            a = -w + 2 * w * i / n
            p.shape([(a, 0.68), (a + 2 * w / n, 0.68), (a + 2 * w / n, 0.79), (a, 0.79)], stripes[i % 2], 0.2, 0.3)


def billboard(p: Pen, r: Rng) -> None:
    """A board or an advertising column with a picture of people or cars."""
    steel, w, low = pick(r, _METAL), r.uniform(0.3, 1.0), r.choice([0.1, 0.35, 0.5])
    for x in (-w * 0.6, w * 0.6) if r.random() < 0.6 else (0.0,):
        p.post(x, 0, 0.9, 0.03, steel)
    p.slab(-w, low, w, 1, steel, 0.08)
    p.slab(-w + 0.03, low + 0.03, w - 0.03, 0.97, pick(r, _BRIGHT + " f0ead8 a8d0f0 80a060"), 0.01, 0.05)
    if r.random() < 0.6:
        y = r.choice([low + 0.06, 0.83])
        _words(p, r, -w * 0.8, y, w * 0.7, y + 0.09, pick(r, "ffffff 202020 f0d040 d02020"), 0.06)
    _shown(p, r, -w * 0.85, low + 0.06, w * 0.85, 0.93, 0.07, 2)


def street_lamp(p: Pen, r: Rng) -> None:
    """A lamp with arms, a globe or a lantern."""
    c, w = pick(r, _METAL), r.uniform(0.008, 0.02)
    p.post(0, 0, 0.12, w * 2, c)
    kind = int(r.integers(3))
    p.post(0, 0.1, 0.88 if kind else 0.97, w * 1.3, c, w * 0.8)
    lit = pick(r, "fff8d8 f0f0f0 f8e0a0")
    if kind == 0:
        for s in (-1, 1) if r.random() < 0.4 else (1,):
            reach = s * r.uniform(0.1, 0.25)
            p.rod([(0, 0.95), (reach * 0.4, 0.99), (reach, 0.985)], 0.015, c)
            p.ball(reach, 0.975, 0.045, 0.018, lit)
    elif kind == 1:
        p.ball(0, 0.93, 0.06, 0.065, lit)
    else:
        p.shape([(-0.035, 0.86), (0.035, 0.86), (0.06, 0.96), (-0.06, 0.96)], lit, 0.1)
        p.shape([(-0.07, 0.955), (0.07, 0.955), (0, 1)], c, 0.13)


def traffic_light(p: Pen, r: Rng) -> None:
    """Two or three lamps on a pole."""
    c, case = pick(r, _METAL), pick(r, "202428 303838 1c1c1e e0b020 285040")
    p.post(0, 0, 0.95, 0.018, c)
    on, n = int(r.integers(3)), 3 if r.random() < 0.75 else 2
    for x in (0.0, 0.22) if r.random() < 0.25 else (0.0,):
        if x:
            p.rod([(0, 0.96), (x, 0.96)], 0.02, c)
        p.slab(x - 0.06, 0.97 - 0.11 * n, x + 0.06, 1, case, 0.09, 0.04)
        for i in range(n):
            lamp = hexa(("e02818", "f0b020", "20c060")[i if n == 3 else i * 2])
            p.disc(x, 0.935 - 0.11 * i, 0.042, lamp if i == on % n else tone(lamp, 0.3), 0.1)


def street_sign(p: Pen, r: Rng) -> None:
    """A street's name or directions on a pole."""
    p.post(0, 0, 1, 0.018, pick(r, _METAL))
    c, y = pick(r, "2050a0 208050 f0f0f0 303438 8a5a30"), 0.97
    ink = hexa("ffffff") if sum(c) < 2 else hexa("202020")
    for _ in range(int(r.integers(1, 4))):
        w, h, s = r.uniform(0.15, 0.3), r.uniform(0.08, 0.12), r.choice([-1, 1, 0])
        x = 0.5 * w * s
        end = [(x + w, y - h), (x + w + 0.05, y - h / 2), (x + w, y)] if s > 0 else [(x + w, y - h), (x + w, y)]
        p.shape([(x - w, y - h), *end, (x - w, y)], c, 0.02, 0.02)
        _words(p, r, x - w * 0.85, y - h * 0.75, x + w * 0.8, y - h * 0.25, ink, 0.04)
        y -= h + 0.02


def blue_sign(p: Pen, r: Rng) -> None:
    """A round or square sign of command, parking or speed."""
    p.post(0, 0, 0.98, 0.015, pick(r, _METAL))
    kind, s = int(r.integers(3)), r.uniform(0.12, 0.17)
    y, c = 1 - s, pick(r, "1c58b0 2060c8 1850a0 208050")
    if kind == 0:
        p.slab(-s, y - s, s, y + s, hexa("f4f4f4"), 0.02, 0.02)
        p.slab(-s * 0.92, y - s * 0.92, s * 0.92, y + s * 0.92, c, 0.01, 0.035)
        p.rod([(-0.4 * s, y - 0.6 * s), (-0.4 * s, y + 0.6 * s), (0.3 * s, y + 0.5 * s), (0.3 * s, y + 0.1 * s),
               (-0.4 * s, y)], 0.2 * s, hexa("ffffff"), 0.045)  # fmt: skip
        return
    rim = hexa("f4f4f4") if kind == 1 else hexa("d02020")
    p.disc(0, y, s, rim, 0.02)
    p.disc(0, y, s * (0.93 if kind == 1 else 0.76), c if kind == 1 else hexa("f4f4f4"), 0.04)
    if kind == 1:
        p.rod([(-0.5 * s, y), (0.5 * s, y)] if r.random() < 0.5 else [(0, y - 0.6 * s), (0, y + 0.5 * s)], 0.22 * s,
              hexa("ffffff"), 0.06)  # fmt: skip
    else:
        _words(p, r, -0.4 * s, y - 0.35 * s, 0.5 * s, y + 0.35 * s, hexa("202020"), 0.06)


def mail_box(p: Pen, r: Rng) -> None:
    """A letter box, on a post or on the ground."""
    c, w = pick(r, "e0b820 c82020 2050a0 a0a4a8 208050"), r.uniform(0.16, 0.24)
    if r.random() < 0.5:
        p.post(0, 0, 0.55, 0.04, pick(r, _METAL))
        low = 0.5
    else:
        low = 0.0
    p.slab(-w, low, w, 0.9, c, w * 1.5)
    p.shape([(-w, 0.9), (w, 0.9), (w * 0.8, 0.97), (0, 1), (-w * 0.8, 0.97)], tone(c, 0.9), w * 1.5)
    p.slab(-w * 0.7, 0.8, w * 0.7, 0.85, hexa("202020"), 0.01, w * 0.76)
    p.slab(-w * 0.5, 0.62, w * 0.5, 0.74, hexa("f0f0f0"), 0.01, w * 0.76)


def parking_meter(p: Pen, r: Rng) -> None:
    """A parking meter."""
    c = pick(r, _METAL)
    p.post(0, 0, 0.75, 0.03, c)
    p.slab(-0.11, 0.62, 0.11, 0.92, c, 0.14)
    p.ball(0, 0.91, 0.11, 0.09, c)
    p.slab(-0.07, 0.78, 0.07, 0.9, pick(r, _GLASS), 0.01, 0.08)
    p.slab(-0.03, 0.66, 0.03, 0.72, pick(r, _BRIGHT), 0.01, 0.08)


def bench(p: Pen, r: Rng) -> None:
    """A bench, with a back or without."""
    wood, iron, w = pick(r, _BARK + " a87840 2a6040"), pick(r, "202428 54585c c8ccc8"), r.uniform(0.7, 1.1)
    back = r.random() < 0.75
    seat = 0.5 if back else 1.0
    for x in (-w * 0.8, w * 0.8):
        p.rod([(x, 0), (x, seat * 0.9)], 0.07, iron, -0.15)
        if back:
            p.rod([(x, 0.4), (x, 1)], 0.06, iron, -0.2)
    if back:
        for y in np.linspace(0.62, 0.94, int(r.integers(2, 4))):
            p.slab(-w, y - 0.06, w, y + 0.06, wood, 0.05, -0.18)
    for x in (-w * 0.8, w * 0.8):
        p.rod([(x, 0), (x, seat * 0.9)], 0.07, iron, 0.2)
    p.slab(-w, seat - 0.1, w, seat, wood, 0.5)


def bus_shelter(p: Pen, r: Rng) -> None:
    """A roof over glass, with a bench, and a poster at times."""
    steel, glass, w = pick(r, _METAL), pick(r, "a8c0d0 d0e8f8 90a8b0 c0d8d0"), r.uniform(0.6, 0.95)
    p.slab(-w * 0.95, 0.12, w * 0.95, 0.88, glass, 0.02, -0.2)
    for x in np.linspace(-w * 0.95, w * 0.95, int(r.integers(3, 6))):
        p.rod([(x, 0), (x, 0.9)], 0.03, steel, -0.18)
    p.slab(-w * 0.6, 0.2, w * 0.4, 0.25, pick(r, _BARK + " 54585c"), 0.15, -0.05)
    if r.random() < 0.7:
        p.slab(w * 0.5, 0.1, w * 0.95, 0.82, pick(r, _BRIGHT + " f0ead8"), 0.03, 0.0)
        _shown(p, r, w * 0.54, 0.16, w * 0.91, 0.76, 0.03, 1)
    for x in (-w, w):
        p.rod([(x * 0.95, 0), (x * 0.95, 0.9)], 0.04, steel, 0.2)
    p.slab(-w, 0.88, w, 1, pick(r, _METAL + " d03030 2060c0"), 0.6)


def phone_box(p: Pen, r: Rng) -> None:
    """A telephone box."""
    c, w = pick(r, "c82020 e0b820 a0a4a8 204080 303438"), r.uniform(0.17, 0.24)
    p.slab(-w, 0, w, 0.94, c, 2 * w)
    n = int(r.integers(1, 6))
    for i in range(n):
        for x0, x1 in ((-0.8, -0.05), (0.05, 0.8)):
            y = 0.14 + 0.66 * i / n
            p.slab(x0 * w, y, x1 * w, y + 0.66 / n - 0.02, pick(r, "d0e8f8 a8c0d0 485868"), 0.01, w + 0.005)
    p.slab(-w * 0.8, 0.83, w * 0.8, 0.9, hexa("f4f4f0"), 0.01, w + 0.005)
    p.ball(0, 0.94, w, 0.06, tone(c, 0.9))


def cabinet(p: Pen, r: Rng) -> None:
    """An electrical cabinet."""
    c, w = pick(r, "a0a4a8 c8ccc8 6a7a6a b8b0a0 808488 d8d8d0"), r.uniform(0.3, 0.7)
    p.slab(-w, 0, w, 0.07, tone(c, 0.5), w * 0.8)
    p.slab(-w * 0.97, 0.07, w * 0.97, 0.94, c, w * 0.7)
    doors = int(r.integers(1, 4))
    for i in range(doors):
        a, b = -w * 0.92 + 1.84 * w * i / doors, -w * 0.92 + 1.84 * w * (i + 0.96) / doors
        p.slab(a, 0.12, b, 0.9, tone(c, 0.93), 0.01, w * 0.355)
        p.rod([(b - 0.05, 0.45), (b - 0.05, 0.55)], 0.03, tone(c, 0.4), w * 0.37)
        for y in np.arange(0.7, 0.86, 0.05):
            p.rod([(a + 0.06, y), (b - 0.06, y)], 0.016, tone(c, 0.55), w * 0.37)
    if r.random() < 0.4:
        _words(p, r, -w * 0.6, 0.25, w * 0.5, 0.42, pick(r, _BRIGHT), w * 0.37)
    p.slab(-w, 0.94, w, 1, tone(c, 0.85), w * 0.8)


def stairs(p: Pen, r: Rng) -> None:
    """A flight of stairs."""
    c, w, n = pick(r, "a0a4a8 c8b8a0 8a8478 b0a898 8a4a38"), r.uniform(0.5, 1.2), int(r.integers(4, 9))
    for i in reversed(range(n)):
        p.slab(-w, i / n, w, (i + 1) / n - 0.02, tone(c, 0.85), 0.3, -0.3 * i)
        p.slab(-w, (i + 0.75) / n, w, (i + 1) / n, tone(c, 1.1), 0.32, -0.3 * i)
    if r.random() < 0.5:
        for s in (-1, 1):
            p.rod([(s * w, 0.05), (s * w, 0.35), (s * w, 1.0)], 0.04, pick(r, _METAL), 0.1)


def rock_face(p: Pen, r: Rng) -> None:
    """A cliff cut for the road: broad and as wide as high or wider."""
    c, w = pick(r, "8a8478 707478 a09080 6a5a4a 9a7a5a b0a898"), r.uniform(0.8, 1.5)
    x = np.linspace(-w, w, 9)
    y = np.clip(np.sin(np.linspace(0.35, 2.8, 9)) * r.uniform(0.8, 1.0, 9), 0.3, 1)
    p.shape([(-w, 0), (w, 0), *np.column_stack([x, y])[::-1]], c, 0.6)
    for _ in range(int(r.integers(8, 26))):
        s, n = r.uniform(0.06, 0.22), int(r.integers(4, 7))
        at = r.uniform((-w * 0.85, 0.8 * s), (w * 0.85, 0.75))
        angle = (np.arange(n) + r.uniform(0, 0.8, n)) * (2 * np.pi / n)
        ring = at + s * np.column_stack([np.cos(angle), 0.8 * np.sin(angle)])
        p.shape(ring, tone(c, r.uniform(0.65, 1.2)), r.uniform(0.02, 0.2), 0.3)


def pillar(p: Pen, r: Rng) -> None:
    """A column of stone or a support of concrete."""
    c, w = pick(r, "d8d0c0 a0a4a8 b8b0a0 c8b8a0 8a4a38 e8e8e4"), r.uniform(0.07, 0.15)
    p.slab(-w * 1.4, 0, w * 1.4, 0.06, c, w * 2.8)
    if r.random() < 0.6:
        p.post(0, 0.05, 0.94, w * 1.1, c, w * 0.95)
        for x in np.linspace(-0.7, 0.7, int(r.integers(2, 6))) * w:
            p.rod([(x, 0.08), (x, 0.92)], 0.012, tone(c, 0.75), w)
    else:
        p.slab(-w, 0.05, w, 0.94, c, w * 2)
    p.slab(-w * 1.5, 0.93, w * 1.5, 1, tone(c, 0.92), w * 3)


def gate(p: Pen, r: Rng) -> None:
    """Bars between two pillars, or a garage door."""
    c, stone, w = pick(r, "202428 54585c 285040 f0f0f0 8a5a30"), pick(r, _WALL), r.uniform(0.5, 1.0)
    if r.random() < 0.4:
        p.slab(-w, 0, w, 1, stone, 0.3)
        for i in range(n := int(r.integers(3, 7))):
            p.slab(-w * 0.8, 0.85 * i / n, w * 0.8, 0.85 * (i + 0.92) / n, c, 0.02, 0.16)
        return
    for x in np.linspace(-w, w, int(r.integers(7, 16))):
        p.rod([(x, 0.04), (x, 0.9 - 0.15 * (x / w) ** 2)], 0.025, c)
    for y in (0.12, 0.7):
        p.rod([(-w, y), (w, y)], 0.03, c)
    for s in (-1, 1):
        p.slab(s * w - 0.1, 0, s * w + 0.1, 0.92, stone, 0.2)
        p.ball(s * w, 0.95, 0.1, 0.05, tone(stone, 0.9))


def planter(p: Pen, r: Rng) -> None:
    """A tub of earth full of flowers."""
    c, w = pick(r, "8a4a38 a0a4a8 c8b8a0 705038 f0f0e8"), r.uniform(0.5, 1.0)
    p.shape([(-w * 0.85, 0), (w * 0.85, 0), (w, 0.45), (-w, 0.45)], c, 0.5)
    for _ in range(int(r.integers(6, 14))):
        x, s = r.uniform(-w * 0.85, w * 0.85), r.uniform(0.1, 0.2)
        p.ball(x, 0.42 + s * r.uniform(0.5, 1.4), s, s, tone(pick(r, _GREEN), r.uniform(0.8, 1.1)))
    for x, y in r.uniform((-w * 0.85, 0.55), (w * 0.85, 0.97), (int(r.integers(8, 24)), 2)):
        p.disc(x, y, r.uniform(0.03, 0.06), pick(r, "e04060 f0d040 ffffff c060d0 f08020"), 0.22)


def flag(p: Pen, r: Rng) -> None:
    """A flag on its pole."""
    p.post(0, 0, 1, 0.015, pick(r, _METAL))
    low, w = r.uniform(0.5, 0.8), r.uniform(0.15, 0.4)
    for i in range(n := int(r.integers(1, 4))):
        a, b = low + (0.97 - low) * i / n, low + (0.97 - low) * (i + 1) / n
        p.shape([(0.015, a), (0.015 + w, a - 0.03), (0.015 + w, b - 0.03), (0.015, b)], pick(r, _BRIGHT), 0.01)


def noise_wall(p: Pen, r: Rng) -> None:
    """Panels between posts, as beside motorways."""
    w, n = r.uniform(1.0, 1.8), int(r.integers(2, 6))
    colors = [pick(r, _WALL + " 4a7a50 6080a0") for _ in range(2)]
    for i in range(n):
        x0, x1 = -w + 2 * w * i / n, -w + 2 * w * (i + 1) / n
        for k in range(rows := 3):
            p.slab(x0, k / rows, x1, (k + 0.96) / rows, tone(colors[k % 2], r.uniform(0.9, 1.08)), 0.06)
        p.slab(x0 - 0.03, 0, x0 + 0.03, 1, tone(colors[0], 0.6), 0.1)


def arch(p: Pen, r: Rng) -> None:
    """A climbing frame or trellis of rods."""
    c, w = pick(r, _BRIGHT + " " + _METAL), r.uniform(0.4, 0.8)
    ring = ellipse(0, 0.45, w, 0.53, 0, 180, 12)
    p.rod([(w, 0), *ring, (-w, 0)], 0.05, c)
    p.rod([(w * 0.8, 0), *(ring * (0.8, 0.9)), (-w * 0.8, 0)], 0.04, tone(c, 0.8))
    for a, b in zip(ring[::2], (ring * (0.8, 0.9))[::2], strict=True):
        p.rod([a, b], 0.03, c)
