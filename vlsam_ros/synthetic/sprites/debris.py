"""Lost and left goods: trash bin, cardboard box, suitcase and tire."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Color, Gradient, ellipse, hexa, pick, rect, smooth, tone


def _rounded(x0: float, y0: float, x1: float, y1: float, r: float) -> np.ndarray:
    """A rectangle with round corners."""
    corners = ((x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180), (x1 - r, y0 + r, 270))
    return np.concatenate([ellipse(cx, cy, r, r, a, a + 90, 6) for cx, cy, a in corners])


def trash_bin(canvas: Canvas, rng: np.random.Generator) -> None:
    """A wheeled refuse bin seen from the front and a little from the side; one in ten has tipped over."""
    color = pick(rng, "2a5a34 1e4a8a 34383c 5a4030 3a7a3a 242628")
    lid = color if rng.random() < 0.5 else pick(rng, "e8c020 1e60a8 b02a20 2a6a34 8a5a30")
    w0, w1, side = rng.uniform(0.21, 0.25), rng.uniform(0.27, 0.31), rng.uniform(0.06, 0.16)
    if rng.random() < 0.1:
        canvas.turn(rng.choice((-86, 88)) + rng.normal(0, 3), (0, 0.5))
    for x in (w0 * 0.75 + side, -w0 * 0.95):
        canvas.poly(ellipse(x, 0.085, 0.06, 0.085), canvas.round_fill(hexa("1c1c1e"), x - 0.06, x + 0.06, gloss=0.8))
    flank = [(w0, 0.03), (w0 + side * 0.9, 0.1), (w1 + side, 0.83), (w1, 0.82)]
    canvas.poly(flank, canvas.down_fill(tone(color, 0.55), 0.03, 0.83, 0.6, 1.1))
    front = [(-w0, 0.03), (w0, 0.03), (w1, 0.82), (-w1, 0.82)]
    canvas.poly(smooth(front, 0), canvas.round_fill(color, -w1, w1, gloss=0.3, depth=0.35), rough=0.02)
    canvas.poly(front, Gradient((0, 0), (0, 0.8), [(0, 0, 0), tone(color, 0.9)]), 0.35, atop=True)
    for x in (-0.45, 0.45):
        canvas.stroke([(x * w0, 0.1), (x * w1, 0.7)], 0.018, tone(color, 0.6), 0.7)
        canvas.stroke([(x * w0 + 0.015, 0.1), (x * w1 + 0.015, 0.7)], 0.01, tone(color, 1.5), 0.6)
    canvas.poly(rect(-w1 - 0.02, 0.77, w1 + 0.02, 0.83), canvas.down_fill(tone(color, 0.8), 0.77, 0.83))
    canvas.poly([(w1 + 0.02, 0.77), (w1 + side, 0.8), (w1 + side, 0.85), (w1 + 0.02, 0.83)], tone(color, 0.45))
    gape = rng.uniform(0.04, 0.16) if rng.random() < 0.3 else 0.0
    top = [
        (-w1 - 0.03, 0.83 + gape),
        (w1 + 0.03, 0.83 + gape),
        (w1 + side * 0.9, 0.93 + gape * 0.5),
        (w1 * 0.8 + side, 0.975 + gape * 0.4),
        (-w1 * 0.75 + side, 0.975 + gape * 0.4),
        (-w1 - 0.01, 0.9 + gape),
    ]
    if gape:
        canvas.poly(
            [(-w1, 0.82), (w1, 0.82), (w1 + side * 0.9, 0.92), (w1, 0.86 + gape), (-w1, 0.86 + gape)], hexa("101012")
        )
        canvas.poly(
            smooth(rng.uniform((-w1 * 0.9, 0.83), (w1 * 0.9, 0.86 + gape), (6, 2)), 2),
            pick(rng, "e8e8e8 202226 d8c8a0"),
            0.9,
        )
    canvas.poly(smooth(top, 1), canvas.down_fill(lid, 0.83 + gape, 1.0, 0.7, 1.35))
    canvas.stroke([(-w1 - 0.02, 0.84 + gape), (w1 + 0.02, 0.84 + gape)], 0.018, tone(lid, 1.5), 0.6)
    canvas.stroke([(-w1 * 0.6 + side, 0.985), (w1 * 0.7 + side, 0.985)], 0.035, tone(color, 0.5))
    if rng.random() < 0.6:
        canvas.poly(rect(-w1 * 0.35, 0.5, w1 * 0.35, 0.64), pick(rng, "f0f0ec e8d840 f0f0ec"), 0.85)
        canvas.stroke(ellipse(0, 0.57, 0.04, 0.04), 0.014, tone(color, 0.8), closed=True)


def cardboard_box(canvas: Canvas, rng: np.random.Generator) -> None:
    """A brown carton as a three-faced cuboid, with tape, print and at times open flaps."""
    color = pick(rng, "b8885a c49a68 a87848 cda673")
    w, h, d = rng.uniform(0.7, 1.5), 0.78, rng.uniform(0.16, 0.5)
    lift = rng.uniform(0.12, 0.24)
    x0, x1 = -w / 2 - d / 2, w / 2 - d / 2
    opened = rng.random() < 0.4
    sag = rng.normal(0, 0.02, 2)
    if rng.random() < 0.3:
        canvas.turn(rng.normal(0, 3))
    a, b, c = (x0, h + sag[0]), (x1, h + sag[1]), (x1 + d, h + lift)
    e = (x0 + d, h + lift)
    if opened:
        canvas.poly(
            [e, c, (c[0] + 0.05, c[1] + 0.2), (e[0] + 0.08, e[1] + 0.17)],
            canvas.down_fill(tone(color, 0.8), h, h + 0.4),
        )
    canvas.poly(
        [a, b, c, e], canvas.down_fill(tone(color, 0.35 if opened else 1.22), h, h + lift, 0.8, 1.05), rough=0.03
    )
    near, far = (1.0, 0.62) if canvas.light < 0 else (0.72, 1.0)
    front = [(x0, 0), (x1, 0), b, a]
    canvas.poly(front, Gradient((0, 0), (0, h), [tone(color, near * 0.72), tone(color, near)]), rough=0.022)
    flank = [(x1, 0), (x1 + d, lift * 0.75), c, b]
    canvas.poly(flank, Gradient((0, 0), (0, h), [tone(color, far * 0.72), tone(color, far)]), rough=0.022)
    canvas.stroke([(x1, 0), b], 0.012, tone(color, 1.3), 0.5)
    tape = pick(rng, "d8c090 9a7040 e4dcc4")
    mx = (x0 + x1) / 2
    if opened:
        fall = rng.uniform(0.1, 0.24)
        canvas.poly(
            [a, b, (x1 + 0.03, h - fall), (x0 - 0.04, h - fall * 0.9)],
            canvas.down_fill(tone(color, near * 1.15), h - fall, h),
        )
        canvas.poly([a, b, (x1, h - 0.02), (x0, h - 0.02)], tone(color, 0.55), 0.5)
        canvas.poly([b, c, (c[0] + 0.14, c[1] - 0.05), (b[0] + 0.16, b[1] - 0.08)], tone(color, far * 1.15))
        canvas.poly([a, e, (e[0] - 0.16, e[1] + 0.08), (a[0] - 0.18, a[1] + 0.08)], tone(color, 0.92))
    else:
        canvas.poly(
            [(mx - 0.05, h), (mx + 0.05, h), (mx + 0.05 + d, h + lift), (mx - 0.05 + d, h + lift)],
            tone(tape, 1.05),
            0.85,
            atop=True,
        )
        canvas.poly(rect(mx - 0.05, h * 0.68, mx + 0.05, h + 0.01), tone(tape, near), 0.85, atop=True)
        canvas.stroke([(mx, h), (mx + d, h + lift)], 0.008, tone(color, 0.5), 0.8)
    if rng.random() < 0.6:
        lx = x0 + w * rng.uniform(0.08, 0.2)
        canvas.poly(rect(lx, 0.14, lx + 0.22, 0.34), hexa("ecebe4"), near * 0.9)
        for y in (0.19, 0.24, 0.29):
            canvas.stroke([(lx + 0.03, y), (lx + 0.18, y)], 0.014, hexa("40403c"), 0.7)
    if rng.random() < 0.5:
        px, ink = x1 - 0.17, tone(color, 0.4)
        for x in (px, px + 0.09):
            canvas.stroke([(x, 0.14), (x, 0.3)], 0.02, ink, 0.8)
            canvas.poly([(x - 0.035, 0.28), (x + 0.035, 0.28), (x, 0.35)], ink, 0.8)
    canvas.poly(smooth(rng.uniform((x0, 0), (x1, 0.35), (5, 2)), 2), hexa("3a2818"), 0.18, atop=True)


def suitcase(canvas: Canvas, rng: np.random.Generator) -> None:
    """A trolley case with ribs, handle and wheels, upright or lying."""
    color = pick(rng, "c0202c 1e4890 22242a e0a820 2a8878 7a3a88 9aa0a6 d86a90 305a30")
    w, side = rng.uniform(0.25, 0.31), rng.uniform(0.05, 0.11)
    grip = rng.random() < 0.7
    top = rng.uniform(0.74, 0.82) if grip else 0.93
    if rng.random() < 0.25:
        canvas.turn(90 + rng.normal(0, 2), (0, 0.5))
    elif rng.random() < 0.2:
        canvas.turn(rng.normal(0, 6))
    steel = hexa("a4a8ac")
    if grip:
        for x in (-w * 0.45, w * 0.45):
            canvas.stroke(
                [(x, top - 0.05), (x, 0.97)], 0.024, canvas.round_fill(steel, x - 0.012, x + 0.012, gloss=0.4)
            )
        canvas.stroke([(-w * 0.5, 0.975), (w * 0.5, 0.975)], 0.05, hexa("1e1e20"))
    for x in (-w * 0.8, w * 0.75, w * 0.8 + side):
        canvas.poly(ellipse(x, 0.035, 0.035, 0.035), hexa("18181a"))
    canvas.poly(_rounded(-w + side, 0.06, w + side, top, 0.07), canvas.down_fill(tone(color, 0.5), 0, 0.9))
    canvas.poly(_rounded(-w, 0.05, w, top - 0.005, 0.07), canvas.round_fill(color, -w, w, gloss=0.35, depth=0.35))
    canvas.poly(
        _rounded(-w, 0.05, w, top - 0.005, 0.07), Gradient((0, 0.05), (0, top), [(0, 0, 0), (1, 1, 1)]), 0.13, atop=True
    )
    if rng.random() < 0.65:
        ribs = np.linspace(-w * 0.72, w * 0.72, rng.integers(4, 7))
        canvas.strokes([[(x, 0.11), (x, top - 0.07)] for x in ribs], 0.018, tone(color, 0.55), 0.8)
        canvas.strokes([[(x + 0.014, 0.11), (x + 0.014, top - 0.07)] for x in ribs], 0.01, tone(color, 1.6), 0.6)
    else:
        canvas.stroke(_rounded(-w * 0.8, 0.1, w * 0.8, top * 0.55, 0.04), 0.012, tone(color, 0.5), closed=True)
        canvas.stroke(_rounded(-w * 0.8, top * 0.61, w * 0.8, top - 0.06, 0.04), 0.012, tone(color, 0.5), closed=True)
        canvas.stroke([(-w * 0.5, top * 0.5), (w * 0.6, top * 0.5)], 0.014, tone(steel, 1.1), 0.8)
    canvas.stroke(
        [(-w * 0.3, top), (-w * 0.26, top + 0.045), (w * 0.26, top + 0.045), (w * 0.3, top)], 0.032, hexa("1e1e20")
    )
    for x in (-w + 0.04, w - 0.04):
        canvas.poly(ellipse(x, 0.08, 0.05, 0.035), hexa("26262a"), 0.9, atop=True)
    gleam = canvas.light * w * 0.55
    canvas.poly(
        [(gleam - 0.05, 0.1), (gleam + 0.02, 0.1), (gleam + 0.07, top - 0.05), (gleam, top - 0.05)],
        (1, 1, 1),
        0.14,
        atop=True,
    )


def tire(canvas: Canvas, rng: np.random.Generator) -> None:
    """A worn tyre, standing in three-quarter view or lying flat; at times with its rim or in a stack."""
    rubber = pick(rng, "242426 2c2b2a 1e1e20 343230")
    if rng.random() < 0.6:
        _tire_standing(canvas, rubber, rng)
        return
    squash, thick = rng.uniform(0.3, 0.44), rng.uniform(0.3, 0.4)
    layers = 1 if rng.random() < 0.6 else 2
    r = 0.98 / (2 * squash + thick * layers)
    rx = min(r, 1.05)
    for layer in range(layers):
        y0 = r * (squash + thick * layer)
        shift = rng.normal(0, 0.03) * layer
        y1 = y0 + r * thick
        wall = np.concatenate(
            [
                ellipse(shift, y0 + 0.03, rx * 0.95, r * squash, 180, 360, 20),
                ellipse(shift, y1, rx * 0.95, r * squash, 360, 180, 20),
            ]
        )
        canvas.poly(wall, canvas.round_fill(rubber, -rx, rx, gloss=0.7), rough=0.05)
        feet = ellipse(shift, y0 + 0.05, rx * 0.96, r * squash, 195, 345, 22)
        canvas.strokes([(p, p + (0.02, r * thick * 0.7)) for p in feet], 0.016, (0, 0, 0), 0.55, atop=True)
        canvas.poly(
            ellipse(shift, y1, rx * 0.96, r * squash * 0.98), canvas.round_fill(tone(rubber, 1.5), -rx, rx, gloss=0.5)
        )
        canvas.stroke(ellipse(shift, y1, rx * 0.8, r * squash * 0.8), 0.014, tone(rubber, 2.1), 0.6, closed=True)
        canvas.poly(ellipse(shift, y1, rx * 0.6, r * squash * 0.58), hexa("0a0a0b"))
        inner = np.concatenate(
            [
                ellipse(shift, y1, rx * 0.6, r * squash * 0.58, 0, 180, 18),
                ellipse(shift, y1, rx * 0.6, r * squash * 0.22, 180, 0, 18),
            ]
        )
        canvas.poly(inner, tone(rubber, 0.9), 0.8)


def _tire_standing(canvas: Canvas, rubber: Color, rng: np.random.Generator) -> None:
    """An upright tyre turned away from the viewer, tread showing on one side."""
    squash, depth = rng.uniform(0.6, 0.95), rng.uniform(0.14, 0.26)
    rx = 0.5 * squash
    far = depth * np.sqrt(1.15 - squash**2)
    tread = np.concatenate([ellipse(0, 0.5, rx, 0.5, 90, 270, 24), ellipse(far, 0.5, rx, 0.49, 270, 450, 24)])
    canvas.poly(tread, Gradient((0, 0), (0, 1), [tone(rubber, 0.5), tone(rubber, 0.9), tone(rubber, 1.7)]), rough=0.05)
    grooves = zip(ellipse(0.01, 0.5, rx, 0.5, -84, 84, 26), ellipse(far, 0.5, rx, 0.49, -79, 89, 26), strict=True)
    canvas.strokes(list(grooves), 0.016, (0, 0, 0), 0.6, atop=True)
    canvas.poly(
        ellipse(0, 0.5, rx, 0.5),
        Gradient(
            (canvas.light * 0.3, 1), (-canvas.light * 0.3, 0), [tone(rubber, 1.9), tone(rubber, 1.2), tone(rubber, 0.7)]
        ),
    )
    for k, alpha in ((0.9, 0.5), (0.78, 0.8)):
        canvas.stroke(
            ellipse(0, 0.5, rx * k, 0.5 * k), 0.014, tone(rubber, 0.5 if k > 0.8 else 2.2), alpha, closed=True
        )
    rim = rng.uniform(0.54, 0.62)
    canvas.poly(ellipse(0, 0.5, rx * rim, 0.5 * rim), hexa("0c0c0d"))
    if rng.random() < 0.45:
        disc = ellipse(0.005, 0.5, rx * rim * 0.92, 0.5 * rim * 0.92)
        canvas.poly(disc, Gradient((0, 0.2), (0, 0.8), [hexa("50545a"), hexa("b8bcc0")]))
        turn = rng.uniform(0, 72)
        cuts = ellipse(0, 0.5, rx * rim * 0.58, 0.5 * rim * 0.58, turn, turn + 360, 5)
        canvas.polys([ellipse(*cut, rx * 0.11, 0.075, n=14) for cut in cuts], hexa("18181a"))
        canvas.poly(ellipse(0, 0.5, rx * 0.09, 0.05), hexa("303236"))
        return
    if rng.random() < 0.6:
        canvas.erase(ellipse(-0.01, 0.5, rx * rim * 0.8, 0.5 * rim * 0.86))
        bore = np.concatenate(
            [
                ellipse(0, 0.5, rx * rim, 0.5 * rim, 90, 270, 20),
                ellipse(far * 0.6, 0.5, rx * rim, 0.5 * rim, 270, 90, 20),
            ]
        )
        canvas.poly(bore, canvas.down_fill(tone(rubber, 0.9), 0.2, 0.8))
    else:
        canvas.poly(ellipse(far * 0.4, 0.49, rx * rim * 0.8, 0.5 * rim * 0.85), tone(rubber, 0.8))
