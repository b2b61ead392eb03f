"""Things on wheels: car, bicycle and stroller."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .canvas import Canvas, Color, Gradient, ellipse, hexa, mix, pick, rect, smooth, symmetric, tone

_PAINT = "b8bcc0 e8e8e8 1a1c20 8c1c20 c0282c 1e3a70 2c66a8 5a6066 2e4a3a d8c8a8 e0a020 3c3c40"
_RUBBER = "18181a 202022"


def car(canvas: Canvas, rng: np.random.Generator) -> None:
    """A car from behind, from the front, from a rear quarter or from the side."""
    paint = pick(rng, _PAINT)
    view = rng.choice(4, p=[0.36, 0.2, 0.26, 0.18])
    if view == 3:
        _car_side(canvas, paint, rng)
    else:
        if view == 2:
            _car_flank(canvas, paint, rng)
        _car_end(canvas, paint, rng, front=view == 1, shift=-0.42 if view == 2 else 0.0)


def _glass(y0: float, y1: float) -> Gradient:
    """Dark window glass with the sky's reflection on top."""
    return Gradient((0, y0), (0, y1), [hexa("10151a"), hexa("1e2830"), hexa("5c707e")])


def _car_end(canvas: Canvas, paint: Color, rng: np.random.Generator, front: bool, shift: float) -> None:
    """The rear or front face, in the middle or shifted to the side."""
    half, roof = rng.uniform(0.56, 0.61), rng.uniform(0.36, 0.47)
    belt, tall = rng.uniform(0.56, 0.62), rng.random() < 0.5

    def at(points: np.ndarray | list) -> np.ndarray:
        return np.asarray(points, float) + (shift, 0)

    for side in (-1, 1):
        canvas.poly(
            at(rect(side * half * 0.93, 0, side * half * 0.66, 0.3)), canvas.down_fill(hexa("1c1c1e"), 0, 0.3, 0.7)
        )
    canvas.poly(at(rect(-half * 0.8, 0.1, half * 0.8, 0.3)), hexa("0c0c0e"))
    shell = symmetric(
        [
            (half * 0.88, 0.13),
            (half * 0.98, 0.18),
            (half, 0.42),
            (half * 0.97, belt),
            (half * 0.88, belt + 0.05),
            (roof, 0.93),
            (roof * 0.85, 1.0),
            (0.05, 1.02),
        ]
    )
    canvas.poly(
        at(smooth(shell, 2)),
        Gradient(
            (0, 0.13),
            (0, 1),
            [tone(paint, 0.4), tone(paint, 0.72), paint, tone(paint, 1.3), tone(paint, 0.95)],
            [0, 0.3, 0.46, 0.54, 1],
        ),
    )
    pane = symmetric([(half * 0.82, belt + 0.05), (roof * 0.88, 0.91), (roof * 0.78, 0.94)])
    canvas.poly(at(smooth(pane, 1)), _glass(belt, 0.94))
    gleam = canvas.light * 0.2
    canvas.poly(
        at([(gleam - 0.1, belt + 0.06), (gleam, belt + 0.06), (gleam + 0.08, 0.92), (gleam, 0.92)]), (1, 1, 1), 0.13
    )
    for side in (-1, 1):
        if front:
            canvas.poly(at(ellipse(side * half * 0.45, belt + 0.1, 0.08, 0.07)), hexa("0c1014"), 0.6)
            lamp = [(half * 0.94, 0.53), (half * 0.6, 0.49), (half * 0.62, 0.42), (half * 0.95, 0.43)]
            canvas.poly(
                at(smooth(np.array(lamp) * (side, 1), 1)),
                Gradient((0, 0.42), (0, 0.53), [hexa("8a949c"), hexa("ffffff")]),
            )
        else:
            lamp = rect(half * 0.97, 0.38 if tall else 0.43, half * (0.8 if tall else 0.58), 0.58 if tall else 0.53) * (
                side,
                1,
            )
            canvas.poly(at(smooth(lamp, 1)), Gradient((0, 0.4), (0, 0.58), [hexa("800810"), hexa("f02020")]))
            canvas.poly(at(rect(side * half * 0.93, 0.47, side * half * 0.82, 0.5)), hexa("ffd0b0"), 0.8)
        mirror = ellipse(side * half * 1.01, belt + 0.07, 0.07, 0.042)
        canvas.poly(at(mirror), canvas.down_fill(tone(paint, 0.8), belt, belt + 0.1))
    if front:
        canvas.poly(at(smooth(symmetric([(half * 0.5, 0.36), (half * 0.55, 0.47)]), 1)), hexa("101214"))
        for y in (0.39, 0.43):
            canvas.stroke(at([(-half * 0.45, y), (half * 0.45, y)]), 0.008, hexa("a0a4a8"), 0.8)
        canvas.poly(at(smooth(symmetric([(half * 0.7, 0.17), (half * 0.6, 0.25)]), 1)), hexa("141416"))
    else:
        canvas.stroke(at([(-half * 0.72, belt - 0.03), (half * 0.72, belt - 0.03)]), 0.008, tone(paint, 0.4), 0.7)
        canvas.poly(at(rect(-half * 0.85, 0.14, half * 0.85, 0.22)), hexa("161618"), 0.85)
    canvas.stroke(at([(-half * 0.95, 0.31), (half * 0.95, 0.31)]), 0.012, tone(paint, 0.4), 0.8)
    plate_y = rng.uniform(0.25, 0.3) if front else rng.uniform(0.33, 0.42)
    canvas.poly(at(rect(-0.17, plate_y, 0.17, plate_y + 0.075)), pick(rng, "f4f4f0 f4f4f0 f0d040"))
    canvas.stroke(at([(-0.12, plate_y + 0.037), (0.12, plate_y + 0.037)]), 0.025, hexa("202020"), 0.6)


def _car_flank(canvas: Canvas, paint: Color, rng: np.random.Generator) -> None:
    """The receding right side behind a rear face that is shifted to the left."""
    length, edge = rng.uniform(0.75, 1.1), 0.13
    paint = tone(paint, 0.8 if canvas.light < 0 else 1.05)

    def at(points: list) -> np.ndarray:
        p = np.asarray(points, float)
        keep = 1 - 0.3 * p[:, 0]
        return np.stack([edge + length * p[:, 0] * (0.65 + 0.5 * keep) / 1.0, 0.85 + (p[:, 1] - 0.85) * keep], axis=1)

    body = [
        (-0.25, 0.16),
        (0.98, 0.16),
        (1.02, 0.4),
        (0.97, 0.54),
        (0.72, 0.62),
        (0.54, 0.97),
        (0.35, 1.0),
        (-0.25, 1.0),
    ]
    canvas.poly(at([(0.05, 0.05), (0.95, 0.05), (0.95, 0.3), (0.05, 0.3)]), hexa("0c0c0e"))
    canvas.poly(
        smooth(at(body), 1),
        Gradient((0, 0.15), (0, 1), [tone(paint, 0.38), tone(paint, 0.8), tone(paint, 1.15), tone(paint, 0.9)]),
    )
    canvas.poly(at([(-0.12, 0.62), (0.66, 0.62), (0.52, 0.91), (-0.12, 0.93)]), _glass(0.6, 0.93))
    for u in (0.02, 0.33):
        canvas.stroke(at([(u, 0.2), (u, 0.95)]), 0.014, tone(paint, 0.5), 0.8, atop=True)
    for u in (0.16, 0.84):
        (cx, cy), (_, low) = at([(u, 0.2), (u, 0.0)])
        r = cy - low
        canvas.poly(ellipse(cx, cy + 0.02, r * 0.68, r * 1.12), hexa("08080a"))
        canvas.poly(ellipse(cx, cy, r * 0.6, r), hexa("1a1a1c"))
        canvas.poly(
            ellipse(cx + 0.01, cy, r * 0.4, r * 0.65),
            Gradient((cx, cy - r), (cx, cy + r), [hexa("505458"), hexa("c8ccd0")]),
        )
        canvas.poly(ellipse(cx + 0.01, cy, r * 0.12, r * 0.2), hexa("303236"))


def _car_side(canvas: Canvas, paint: Color, rng: np.random.Generator) -> None:
    """The whole profile, nose to the right."""
    back = rng.uniform(-1.3, -1.05)
    tail = rng.uniform(0.0, 0.3)
    nose = rng.uniform(1.35, 1.5)
    canvas.poly(rect(back - 0.1, 0.1, nose - 0.1, 0.3), hexa("0c0c0e"))
    body = [
        (back - 0.16, 0.2),
        (nose, 0.18),
        (nose + 0.04, 0.4),
        (nose - 0.05, 0.54),
        (0.68, 0.66),
        (0.2, 0.98),
        (-0.4, 1.02),
        (back + tail, 0.97),
        (back - 0.1, 0.68),
        (back - 0.2, 0.62),
    ]
    canvas.poly(
        smooth(body, 2),
        Gradient(
            (0, 0.15),
            (0, 1),
            [tone(paint, 0.38), tone(paint, 0.8), tone(paint, 0.9), tone(paint, 1.3), tone(paint, 0.95)],
            [0, 0.3, 0.45, 0.55, 1],
        ),
    )
    glass = [(back + 0.1, 0.66), (0.55, 0.66), (0.17, 0.92), (-0.4, 0.95), (back + tail + 0.05, 0.91)]
    canvas.poly(smooth(glass, 1), _glass(0.62, 0.95))
    for x in (-0.25, back + 0.32 + tail):
        canvas.poly([(x, 0.64), (x + 0.05, 0.64), (x + 0.05, 0.97), (x, 0.97)], tone(paint, 0.85), atop=True)
    for x in (-0.22, 0.5):
        canvas.stroke([(x, 0.22), (x, 0.64)], 0.01, tone(paint, 0.4), 0.8, atop=True)
    for x in (-0.4, 0.3):
        canvas.stroke([(x - 0.14, 0.57), (x - 0.04, 0.57)], 0.022, tone(paint, 0.55))
    canvas.poly(
        smooth([(nose - 0.2, 0.42), (nose + 0.01, 0.42), (nose - 0.02, 0.53), (nose - 0.14, 0.52)], 1), hexa("f0f4f6")
    )
    canvas.poly(rect(back - 0.3, 0.48, back - 0.08, 0.58), hexa("d01c1c"), atop=True)
    for x in (back + 0.25, nose - 0.42):
        canvas.poly(ellipse(x, 0.24, 0.25, 0.26), hexa("08080a"), atop=True)
        canvas.poly(ellipse(x, 0.215, 0.215, 0.215), hexa("1a1a1c"))
        canvas.poly(ellipse(x, 0.215, 0.145, 0.145), Gradient((x, 0.07), (x, 0.36), [hexa("505458"), hexa("ccd0d4")]))
        tips = ellipse(x, 0.215, 0.13, 0.13, 10, 370, 5)
        canvas.strokes([((x, 0.215), tip) for tip in tips], 0.018, hexa("3a3c40"))


def _wheel(canvas: Canvas, x: float, r: float, tyre: float, spokes: int, turn: float, rubber: Color) -> None:
    """A bicycle wheel: tyre, rim, spokes and hub."""
    canvas.poly(ellipse(x, r, r, r), hexa("a0a4a8"), 0.1)
    tips = ellipse(x, r, r, r, turn, turn + 360, spokes)
    canvas.strokes([((x, r), tip) for tip in tips], 0.009, hexa("b4b8bc"), 0.75)
    canvas.stroke(ellipse(x, r, r * 0.88, r * 0.88, n=48), 0.022, hexa("c0c4c8"), closed=True)
    canvas.stroke(ellipse(x, r, r - tyre / 2, r - tyre / 2, n=48), tyre, rubber, closed=True)
    canvas.stroke(ellipse(x, r, r - tyre * 0.35, r - tyre * 0.35, 30, 150, 16), 0.008, hexa("70747a"), 0.7)
    canvas.poly(ellipse(x, r, 0.04, 0.04), hexa("606468"))


def bicycle(canvas: Canvas, rng: np.random.Generator) -> None:
    """A parked bicycle from the side: diamond or step-through frame, several handlebars, at times a basket."""
    paint = pick(rng, "c41e24 1c50a0 181a1e e8e8e4 2a8a50 e8a018 20a0b0 d84a80 7c8084")
    r, base = rng.uniform(0.31, 0.35), rng.uniform(0.5, 0.56)
    tyre, tube = rng.uniform(0.042, 0.062), rng.uniform(0.04, 0.052)
    if rng.random() < 0.35:
        canvas.turn(rng.normal(0, 4))
    rear, front = (-base, r), (base, r)
    rubber = pick(rng, _RUBBER)
    crank = (-0.09, r * 0.88)
    seat, head, fork = (-0.22, 0.72), (0.34, 0.8), (0.38, 0.66)
    for x in (-base, base):
        _wheel(canvas, x, r, tyre, 14, rng.uniform(0, 25), rubber)
    metal = Gradient((0, 0.2), (0, 0.9), [tone(paint, 0.6), paint, tone(paint, 1.25)])
    bars = [(rear, crank), (rear, seat), (crank, (-0.25, 0.87)), (crank, fork), (fork, front)]
    bars += [((-0.2, 0.66), head)] if rng.random() < 0.65 else [((-0.16, 0.5), (0.36, 0.72))]
    canvas.strokes(bars, tube, metal)
    canvas.limb(fork, (0.33, 0.92), tube, tube * 0.8, metal)
    canvas.poly(ellipse(*crank, 0.085, 0.085), hexa("34363a"))
    canvas.stroke(ellipse(*crank, 0.08, 0.08), 0.014, hexa("a8acb0"), closed=True)
    chain = [[(crank[0], crank[1] + dy * 0.08), (-base, r + dy * 0.035)] for dy in (-1, 1)]
    canvas.strokes(chain, 0.016, hexa("26282a"))
    pedal = rng.uniform(0, 180)
    ends = ellipse(*crank, 0.16, 0.16, pedal, pedal + 180, 2)
    canvas.stroke(ends, 0.026, hexa("707478"))
    canvas.polys([rect(x - 0.05, y - 0.018, x + 0.05, y + 0.018) for x, y in ends], hexa("1c1c1e"))
    saddle = [(-0.4, 0.9), (-0.36, 0.84), (-0.1, 0.865), (-0.08, 0.895), (-0.26, 0.9), (-0.38, 0.935)]
    canvas.poly(smooth(saddle, 2), pick(rng, "1c1a1a 5a3420 26262a"))
    grip = hexa("1c1c1e")
    style = rng.integers(3)
    if style == 0:
        canvas.stroke([(0.33, 0.92), (0.42, 0.95), (0.5, 0.9), (0.47, 0.8), (0.38, 0.78)], 0.036, grip)
    elif style == 1:
        canvas.stroke([(0.33, 0.92), (0.36, 0.98), (0.22, 1.0), (0.14, 0.98)], 0.036, mix(grip, paint, 0.1))
    else:
        canvas.stroke([(0.33, 0.92), (0.31, 0.99), (0.43, 0.99), (0.27, 0.98)], 0.042, grip)
    if rng.random() < 0.4:
        canvas.stroke(ellipse(-base, r, r * 1.07, r * 1.07, 30, 175, 18), 0.03, tone(paint, 0.8))
        canvas.stroke(ellipse(base, r, r * 1.07, r * 1.07, 40, 150, 18), 0.03, tone(paint, 0.8))
    if rng.random() < 0.3:
        canvas.poly([(0.42, 0.72), (0.66, 0.72), (0.7, 0.92), (0.4, 0.92)], canvas.down_fill(hexa("8a6a40"), 0.7, 0.92))
    elif rng.random() < 0.4:
        canvas.stroke([(-0.3, 0.72), (-0.78, 0.73), (-base, r)], 0.026, hexa("303236"))


def stroller(canvas: Canvas, rng: np.random.Generator) -> None:
    """A child's stroller from the side: canopy, seat, crossed frame, wheels and handle."""
    cloth = pick(rng, "b81e3c 1e4a9c 2a2c34 2a8a80 7a3a90 e07828 d84a80 607048")
    inner = tone(cloth, 0.45)
    metal = pick(rng, "30343a a8acb0 d0d4d8")
    r = rng.uniform(0.1, 0.145)
    axle = (-0.28, 0.32)
    frame = Gradient((0, 0), (0, 1), [tone(metal, 0.55), tone(metal, 1.15)])
    canvas.limb((axle[0], r), (0.22, 0.5), 0.035, 0.035, tone(metal, 0.6))
    canvas.limb((axle[1], r), (-0.42, 0.93), 0.04, 0.036, frame)
    canvas.poly(
        smooth([(-0.2, 0.2), (0.18, 0.18), (0.2, 0.28), (-0.22, 0.31)], 1),
        canvas.down_fill(tone(cloth, 0.6), 0.18, 0.3),
    )
    seat = [
        (-0.3, 0.68),
        (-0.24, 0.42),
        (-0.12, 0.33),
        (0.18, 0.33),
        (0.34, 0.24),
        (0.4, 0.28),
        (0.28, 0.46),
        (0.1, 0.52),
        (0.06, 0.66),
    ]
    canvas.poly(smooth(seat, 2), canvas.down_fill(cloth, 0.25, 0.7, 0.6, 1.1), rough=0.03)
    canvas.poly(smooth([(-0.2, 0.66), (-0.12, 0.48), (0.12, 0.5), (0.07, 0.66)], 1), inner)
    if rng.random() < 0.4:
        canvas.poly(ellipse(-0.03, 0.61, 0.065, 0.075), pick(rng, "e8b898 8a5a3c c89070"))
        canvas.poly(
            smooth([(-0.12, 0.42), (0.1, 0.42), (0.06, 0.55), (-0.1, 0.55)], 2), pick(rng, "f0e0a0 a0d0f0 f0b0c0")
        )
    pivot = np.array((-0.24, 0.62))
    reach, span = rng.uniform(0.42, 0.48), rng.uniform(0.36, 0.4)
    stops = np.linspace(rng.uniform(-6, 14), 122, 4)
    for i, (a, b) in enumerate(pairwise(stops)):
        slice_ = np.concatenate([pivot[None], ellipse(*pivot, reach, span, a, b + 1, 10)])
        canvas.poly(slice_, canvas.down_fill(tone(cloth, (0.85, 1.0, 1.12)[i]), 0.6, 1.0, 0.75, 1.15))
        canvas.stroke(slice_[[0, 1]], 0.012, inner, 0.7)
    canvas.stroke(ellipse(*pivot, reach, span, stops[0], stops[-1], 20), 0.022, tone(cloth, 0.7))
    canvas.stroke([(-0.4, 0.86), (-0.44, 0.95), (-0.54, 0.97)], 0.05, hexa("1c1c1e"))
    for x in axle:
        canvas.poly(ellipse(x, r, r, r), canvas.down_fill(hexa("1e1e20"), 0, 2 * r, 0.7, 1.3))
        canvas.poly(ellipse(x, r, r * 0.6, r * 0.6), Gradient((x, 0), (x, 2 * r), [tone(metal, 0.6), tone(metal, 1.2)]))
        canvas.poly(ellipse(x, r, r * 0.2, r * 0.2), hexa("26282a"))
