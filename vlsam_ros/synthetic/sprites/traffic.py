"""Things that road workers put up: cone, bollard, barrel, barrier and warning sign."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .canvas import Canvas, Color, Gradient, ellipse, hexa, pick, rect, smooth, tone

_ORANGE = "ff5a12 f96816 ff4a1c f47a20"
_WHITE = "f2f2ee e4e4e0 fafafa"
_RED = "d0202a c21a24 dc2c2c"


def _shell(
    canvas: Canvas, y0: float, y1: float, r0: float, r1: float, color: Color, curve: float, gloss: float = 0.2
) -> None:
    """A slice of an upright cone or cylinder with curved rims; radii ``r0`` at ``y0`` and ``r1`` at ``y1``."""
    low = ellipse(0, y0, r0, r0 * curve, 180, 360, 14)
    high = ellipse(0, y1, r1, r1 * curve, 360, 180, 14)
    r = max(r0, r1)
    canvas.poly(np.concatenate([low, high]), canvas.round_fill(color, -r, r, y0, gloss))


def cone(canvas: Canvas, rng: np.random.Generator) -> None:
    """A striped cone on a square base; one in ten lies on its side."""
    orange = pick(rng, _ORANGE if rng.random() < 0.75 else _RED)
    white = pick(rng, _WHITE)
    r0, r1, curve = rng.uniform(0.2, 0.25), rng.uniform(0.035, 0.055), rng.uniform(0.12, 0.26)
    base = pick(rng, "26262a 1e1e20") if rng.random() < 0.4 else tone(orange, 0.85)
    bw = r0 + rng.uniform(0.08, 0.13)
    if rng.random() < 0.1:
        canvas.turn(rng.uniform(106, 111), (0, 0.5))
    elif rng.random() < 0.3:
        canvas.turn(rng.normal(0, 4))
    canvas.poly(rect(-bw, 0, bw, 0.055), canvas.down_fill(base, 0, 0.055, 0.4, 0.8))
    top = [(-bw, 0.05), (bw, 0.05), (bw * 0.84, 0.05 + bw * curve), (-bw * 0.84, 0.05 + bw * curve)]
    canvas.poly(top, canvas.round_fill(tone(base, 1.05), -bw, bw, gloss=0.25, depth=0.3))
    foot = 0.06 + bw * curve * 0.45
    canvas.poly(ellipse(0, foot, r0 * 1.12, r0 * curve * 1.1), tone(base, 0.45), 0.6, atop=True)

    def radius(t: float) -> float:
        return r0 + (r1 - r0) * t

    _shell(canvas, foot, 1.0, r0, r1, orange, curve)
    bands = [(0.28, 0.46), (0.62, 0.78)] if rng.random() < 0.6 else [(rng.uniform(0.34, 0.42), rng.uniform(0.64, 0.74))]
    for t0, t1 in bands:
        span = 1.0 - foot
        _shell(canvas, foot + t0 * span, foot + t1 * span, radius(t0), radius(t1), white, curve, 0.05)
    canvas.poly(ellipse(0, 1.0, r1, r1 * curve), tone(orange, 0.4))
    edge = canvas.light * -1
    x0, x1 = radius(0.05) * 0.5 * -edge, radius(0.95) * 0.5 * -edge
    canvas.stroke([(x0, foot + 0.03), (x1, 0.96)], 0.012, (1, 1, 1), 0.35, atop=True)
    if rng.random() < 0.5:
        canvas.poly(smooth(rng.uniform(-0.2, 0.2, (6, 2)) + (0, 0.2), 2), hexa("4a4038"), 0.3, atop=True)


def bollard(canvas: Canvas, rng: np.random.Generator) -> None:
    """A slim post: painted steel, dark with reflectors, or a flexible orange delineator on a foot."""
    style = rng.integers(3)
    r = rng.uniform(0.055, 0.085)
    body = pick(rng, ("e8e8e4 9a9ea2 c8cacc", "2c2f33 3a3a3c 28402e 4a4d50", "ff5a14 f4511e e8c018")[style])
    band = pick(rng, ("d0202a 1c50a8 c81e28", "ffd21c f4f4f4 ff3020", "f6f6f2 ffffff")[style])
    if rng.random() < 0.15:
        canvas.turn(rng.normal(0, 8))
    if style == 2 or rng.random() < 0.4:
        foot = r * rng.uniform(1.9, 2.6)
        color = pick(rng, "202022 2c2c2e 505050")
        canvas.poly(ellipse(0, foot * 0.3, foot, foot * 0.3), canvas.round_fill(color, -foot, foot, gloss=0.6))
        canvas.poly(ellipse(0, foot * 0.42, foot * 0.75, foot * 0.2), tone(color, 1.5))
    low = r * 0.35
    _shell(canvas, low, 0.96, r, r, body, 0.3, 0.35)
    canvas.poly(ellipse(0, 0.955, r, r * (0.8 if style != 1 else 0.5)), canvas.round_fill(tone(body, 1.1), -r, r))
    if style == 1:
        canvas.poly(rect(-r, 0.83, r, 0.85), tone(body, 0.4), atop=True)
    top = rng.uniform(0.82, 0.9)
    width = rng.uniform(0.08, 0.14)
    for i in range(rng.integers(2, 4) if style != 1 else rng.integers(1, 3)):
        y = top - i * width * 1.75
        _shell(canvas, y - width, y, r * 1.01, r * 1.01, band, 0.3, 0.1)
    glint = canvas.light * r * 0.5
    canvas.stroke([(glint, 0.1), (glint, 0.94)], r * 0.16, (1, 1, 1), 0.35, atop=True)


def barrel(canvas: Canvas, rng: np.random.Generator) -> None:
    """A fat traffic drum with stripes, or a steel drum; one in ten lies down."""
    steel = rng.random() < 0.22
    main = pick(rng, "1c5aa8 8a3a20 2a7a50 30343a") if steel else pick(rng, _ORANGE if rng.random() < 0.7 else _RED)
    r = rng.uniform(0.29, 0.35)
    taper = 1.0 if steel else rng.uniform(0.78, 0.94)
    curve = rng.uniform(0.14, 0.26)
    if rng.random() < 0.1:
        canvas.turn(90 + rng.normal(0, 4), (0, 0.5))
    if not steel:
        _shell(canvas, r * curve, r * curve + 0.07, r * 1.14, r * 1.1, hexa("242426"), curve, 0.5)
    n = 3 if steel else 5
    edges = np.linspace(r * curve + (0 if steel else 0.05), 0.94, n + 1)
    radii = r * np.linspace(1, taper, n + 1)
    for i in range(n):
        color = main if steel or i % 2 == 0 else pick(rng, _WHITE)
        _shell(canvas, edges[i], edges[i + 1], radii[i], radii[i + 1] if steel else radii[i] * 0.98, color, curve)
    for y, rad in zip(edges[1:-1], radii[1:-1], strict=True):
        rim = ellipse(0, y, rad, rad * curve, 180, 360, 18)
        canvas.stroke(rim, 0.012, tone(main, 0.45), 0.5, atop=True)
        canvas.stroke(rim + (0, 0.014), 0.012, (1, 1, 1), 0.28, atop=True)
    rt = r * taper
    canvas.poly(ellipse(0, 0.94, rt, rt * curve), canvas.round_fill(tone(main, 1.15), -rt, rt, 0.94, depth=0.3))
    canvas.poly(
        ellipse(0, 0.94, rt * 0.82, rt * curve * 0.8), canvas.round_fill(tone(main, 0.75), rt, -rt, 0.94, depth=0.3)
    )
    if not steel and rng.random() < 0.7:
        canvas.stroke(ellipse(0, 0.945, rt * 0.3, 0.07, 0, 180, 12), 0.045, tone(main, 0.85))
    for _ in range(rng.integers(0, 4)):
        at = rng.uniform((-r, 0.05), (r, 0.8))
        canvas.poly(smooth(at + rng.normal(0, 0.05, (5, 2)), 2), hexa("50351f" if steel else "3a332c"), 0.3, atop=True)


def _stripes(
    canvas: Canvas, x0: float, x1: float, y0: float, y1: float, colors: tuple[Color, Color], pitch: float
) -> None:
    """A plank with diagonal stripes."""
    canvas.poly(rect(x0, y0, x1, y1), canvas.down_fill(colors[0], y0, y1, 0.82, 1.1))
    lean = (y1 - y0) * 0.8
    quad = np.array([(0, y0), (pitch, y0), (pitch + lean, y1), (lean, y1)])
    quads = [np.clip(quad + (x, 0), (x0, y0), (x1, y1)) for x in np.arange(x0 - lean, x1, 2 * pitch)]
    canvas.polys(quads, canvas.down_fill(colors[1], y0, y1, 0.82, 1.1), atop=True)
    canvas.poly(rect(x0, y1 - 0.02, x1, y1), (1, 1, 1), 0.3)
    canvas.poly(rect(x0, y0, x1, y0 + 0.02), (0, 0, 0), 0.35)


def barrier(canvas: Canvas, rng: np.random.Generator) -> None:
    """A concrete or plastic jersey barrier, or striped planks on legs."""
    half = rng.uniform(0.75, 1.3)
    if rng.random() < 0.5:
        white, red = pick(rng, _WHITE), pick(rng, _RED if rng.random() < 0.7 else _ORANGE)
        leg = pick(rng, "8a8e92 e8e8e4 3a3c40 d86020")
        lx = half * rng.uniform(0.66, 0.85)
        for x in (-lx, lx):
            canvas.poly([(x - 0.16, 0), (x - 0.09, 0), (x + 0.035, 0.95), (x - 0.035, 0.95)], tone(leg, 0.55))
            canvas.poly(
                [(x + 0.17, 0), (x + 0.09, 0), (x - 0.035, 0.95), (x + 0.04, 0.95)], canvas.down_fill(leg, 0, 1)
            )
            canvas.poly(rect(x - 0.21, 0, x + 0.22, 0.05), canvas.down_fill(tone(leg, 0.6), 0, 0.05))
        n = rng.integers(1, 4)
        thick = (0.34, 0.26, 0.2)[n - 1]
        for i in range(n):
            y1 = 1.0 - i * (thick + (0.12, 0.14, 0.09)[n - 1])
            _stripes(canvas, -half, half, y1 - thick, y1, (white, red), rng.uniform(0.13, 0.2))
        if rng.random() < 0.35:
            for x in (-lx, lx):
                canvas.poly(ellipse(x, 1.06, 0.06, 0.07), Gradient((x, 1), (x, 1.13), [hexa("b04008"), hexa("ffc040")]))
        return
    plastic = rng.random() < 0.4
    color = pick(rng, "d8282c f46a1a eeeeea" if plastic else "a8a6a0 bab6ae 94948f c4c0b4")
    depth = rng.uniform(0.16, 0.32)
    profile = [(0.0, 0.0), (0.02, 0.14), (0.3, 0.36), (0.38, 1.0)]
    left, right = -half, half
    front = [(y, s) for s, y in profile]
    for (ya, sa), (yb, sb) in pairwise(front):
        shade = 0.95 if yb - ya < 0.3 and sb > 0.1 else 0.78
        a, b = sa * depth, sb * depth
        quad = [(left + a * 0.2, ya), (right + a * 0.2, ya), (right + b * 0.2, yb), (left + b * 0.2, yb)]
        canvas.poly(quad, canvas.down_fill(color, ya, yb, shade * 0.86, shade * 1.15), rough=0.02 if plastic else 0.05)
    x = right
    end = [
        (x, 0),
        (x, 0.14),
        (x + 0.06 * depth, 0.36),
        (x + 0.08 * depth, 1),
        (x + 0.55 * depth, 1),
        (x + 0.6 * depth, 0.4),
        (x + depth, 0.19),
        (x + depth, 0.06),
    ]
    canvas.poly(end, canvas.down_fill(tone(color, 0.5), 0, 1), rough=0.04)
    canvas.poly(
        [(left, 0.985), (right + 0.02, 0.985), (right + 0.55 * depth, 1.04), (left + 0.4 * depth, 1.04)],
        tone(color, 1.25),
    )
    parts = rng.integers(2, 5)
    for x in np.linspace(left, right, parts + 1)[1:-1]:
        canvas.stroke([(x, 0), (x + 0.02, 0.98)], 0.02, (0, 0, 0), 0.45, atop=True)
    if plastic:
        other = pick(rng, _WHITE if color[1] < 0.7 else _RED)
        for i, x in enumerate(np.linspace(left, right, parts + 1)[:-1]):
            if i % 2:
                canvas.poly(
                    rect(x + 0.01, 0, x + 2 * half / parts, 0.985), canvas.down_fill(other, 0, 1), 0.92, atop=True
                )
    else:
        for _ in range(5):
            x = rng.uniform(left, right)
            canvas.poly(
                [(x, 0.98), (x + rng.uniform(0.03, 0.12), 0.98), (x + 0.04, rng.uniform(0.1, 0.7))],
                (0.1, 0.09, 0.08),
                0.16,
                atop=True,
            )
        if rng.random() < 0.5:
            marks = [rect(x, 0.72, x + half * 0.25, 0.84) for x in np.linspace(left, right, 5)[:-1] + 0.1]
            canvas.polys(marks, pick(rng, "f0c020 d84020"), 0.9, atop=True)
    canvas.poly(rect(left, 0.4, right, 0.37), (0, 0, 0), 0.18, atop=True)


def warning_sign(canvas: Canvas, rng: np.random.Generator) -> None:
    """A triangle, diamond or round sign on a short portable stand."""
    shape = rng.integers(3)
    mid, size = 0.66, rng.uniform(0.31, 0.35)
    steel = pick(rng, "70757a 3a3c40 b0b4b8")
    for x in (-0.24, 0.24):
        canvas.limb((0, 0.3), (x, 0.025), 0.04, 0.04, canvas.down_fill(tone(steel, 0.8), 0, 0.3))
    canvas.limb((0, 0.02), (0, mid), 0.05, 0.05, canvas.round_fill(steel, -0.025, 0.025))
    canvas.poly(rect(-0.14, 0, 0.14, 0.05), tone(steel, 0.4))
    if shape == 0:
        rim, face = pick(rng, _RED), pick(rng, "fafaf6 ffd820 f4f4f0")
        plate = np.array([(0, mid + size), (-size * 1.12, mid - size * 0.92), (size * 1.12, mid - size * 0.92)])
    elif shape == 1:
        rim, face = pick(rng, "1c1a16 201c10"), pick(rng, "ffb310 ff8a14 ffd01c")
        plate = np.array([(0, mid + size), (-size, mid), (0, mid - size), (size, mid)])
    else:
        rim, face = pick(rng, _RED), pick(rng, "fafaf6 f4f4f0 ffd820")
        plate = ellipse(0, mid, size * 0.95, size * 0.95)
    middle = plate.mean(0)
    outer = smooth(
        np.concatenate(
            [plate + (middle - plate) * 0.02 + (np.roll(plate, s, 0) - plate) * 0.04 for s in (1, -1)], 1
        ).reshape(-1, 2),
        1,
    )
    canvas.poly(outer, canvas.down_fill(rim, mid - size, mid + size, 0.8, 1.15))
    inner = middle + (plate - middle) * (0.9 if shape == 1 else rng.uniform(0.62, 0.72))
    canvas.poly(inner, canvas.down_fill(face, mid - size, mid + size, 0.86, 1.06))
    if shape == 1:
        canvas.poly(middle + (plate - middle) * 0.84, tone(face, 1.02))
    y, black = float(middle[1]), hexa("15140f")
    glyph = rng.integers(3)
    if glyph == 0:
        canvas.limb((0, y + 0.13), (0, y), 0.055, 0.03, black)
        canvas.poly(ellipse(0, y - 0.07, 0.025, 0.025), black)
    elif glyph == 1:
        canvas.poly(ellipse(-0.02, y + 0.11, 0.026, 0.026), black)
        canvas.limb((-0.02, y + 0.06), (0.01, y - 0.01), 0.05, 0.05, black)
        for foot in (-0.05, 0.05):
            canvas.limb((0.01, y - 0.01), (foot, y - 0.1), 0.03, 0.025, black)
        canvas.limb((0, y + 0.05), (0.09, y - 0.05), 0.022, 0.022, black)
    else:
        canvas.stroke([(-0.06, y - 0.09), (-0.06, y), (0.05, y + 0.06), (0.05, y + 0.12)], 0.04, black)
        canvas.poly([(0.0, y + 0.08), (0.1, y + 0.08), (0.05, y + 0.15)], black)
    canvas.poly([(-0.5, mid), (-0.1, mid + 0.5), (0.05, mid + 0.5), (-0.5, mid - 0.2)], (1, 1, 1), 0.16, atop=True)
