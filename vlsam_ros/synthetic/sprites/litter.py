"""Debris of nature and transport: stone, plastic bag, tree branch and pallet."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Gradient, ellipse, hexa, mix, pick, rect, smooth, tone


def stone(canvas: Canvas, rng: np.random.Generator) -> None:
    """An irregular rock with shaded facets and speckles."""
    color = pick(rng, "8a8884 9a948a 76787c a09080 6a6660 b0aca4")
    n = rng.integers(8, 12)
    angles = np.sort(np.linspace(0, 360, n, endpoint=False) + rng.uniform(-14, 14, n))
    wide = rng.uniform(0.55, 0.85)
    radius = rng.uniform(0.82, 1.05, n)
    a = np.radians(angles)
    outer = np.stack([wide * radius * np.cos(a), 0.46 + 0.5 * radius * np.sin(a)], axis=1)
    outer[:, 1] = np.clip(outer[:, 1], 0.0, 1.0)
    low = outer[:, 1] < 0.22
    outer[low, 1] = rng.uniform(0, 0.05, int(low.sum()))
    core = np.array((0.14 * canvas.light, 0.64)) + rng.normal(0, 0.04, 2)
    inner = core + (outer - core) * rng.uniform(0.28, 0.72, (n, 1))
    canvas.poly(outer, tone(color, 0.7))
    sun = np.array((canvas.light * 0.55, 0.83))
    for i in range(n):
        j = (i + 1) % n
        edge = outer[i] + outer[j] - 2 * core
        normal = edge / np.linalg.norm(edge)
        light = 0.74 + 0.36 * float(normal @ sun) + rng.normal(0, 0.05)
        ground = Gradient(
            tuple(inner[i]),
            tuple((outer[i] + outer[j]) / 2),
            [tone(color, max(0.25, light * 1.08)), tone(color, max(0.2, light * 0.9))],
        )
        canvas.poly([outer[i], outer[j], inner[j], inner[i]], ground, rough=0.05)
        light = 0.95 + 0.22 * float(normal @ sun) + rng.normal(0, 0.04)
        canvas.poly([inner[i], inner[j], core], tone(color, light))
    canvas.strokes(np.stack([outer, inner], axis=1), 0.008, tone(color, 1.3), 0.16)
    canvas.poly(outer, tone(color, 0.85), 0.2, atop=True, rough=0.2)
    for shade in (0.5, 1.4):
        specks = rng.uniform((-wide, 0.05), (wide, 0.95), (5, 1, 2)) + rng.normal(0, 0.025, (5, 5, 2))
        canvas.polys([smooth(speck, 1) for speck in specks], tone(color, shade), 0.35, atop=True)
    if rng.random() < 0.3:
        moss = rng.uniform((-wide * 0.7, 0.6), (wide * 0.7, 1.0)) + rng.normal(0, 0.12, (7, 2))
        canvas.poly(smooth(moss, 2), hexa("5a6a30"), 0.45, atop=True, rough=0.15)


def plastic_bag(canvas: Canvas, rng: np.random.Generator) -> None:
    """A filled, crumpled bag: knotted rubbish sack or carrier bag with handles."""
    sack = rng.random() < 0.55
    color = pick(rng, "1c1d20 f0f0ee 2050a0 26282a e4e6e8" if sack else "f4f4f2 e8eaec 3a80c8 e84848 f0f0ec e8c830")
    bright = sum(color) > 2
    wide, top = rng.uniform(0.42, 0.6), 0.74
    n = 18
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    radius = 1 + rng.normal(0, 0.05, n)
    blob = np.stack([wide * radius * np.cos(a), 0.4 + 0.41 * radius * np.sin(a)], axis=1)
    blob[:, 1] = np.maximum(blob[:, 1], 0.0)
    blob[blob[:, 1] < 0.08, 0] *= 1.12
    neck = rng.uniform(-0.1, 0.1)
    crest = np.array((neck, top + 0.05))
    shape = Gradient(
        (canvas.light * wide, 0.85),
        (-canvas.light * wide * 0.8, 0.0),
        [tone(color, 1.15), color, tone(color, 0.62 if bright else 0.55)],
    )
    if sack:
        for side in (-1, 0.1, 1):
            tip = crest + (side * rng.uniform(0.1, 0.2), rng.uniform(0.16, 0.24))
            canvas.poly(
                smooth([crest + (-0.05, -0.08), crest + (0.05, -0.08), tip + (0.06, 0), tip + (-0.05, 0.02)], 1),
                tone(color, 0.85 if side else 1.1),
            )
    else:
        for side in (-1, 1):
            x = neck + side * wide * 0.42
            loop = np.array(
                [
                    (x - 0.13, 0.64),
                    (x - 0.1 + side * 0.04, 0.92),
                    (x + 0.02 + side * 0.06, 0.98),
                    (x + 0.1 + side * 0.03, 0.9),
                    (x + 0.13, 0.64),
                ]
            )
            canvas.stroke(smooth(loop, 2)[:-4], 0.075, tone(color, 0.9 if side < 0 else 0.78))
    canvas.poly(smooth(blob, 2), shape, rough=0.02)
    canvas.poly(
        smooth([(neck - 0.3, 0.66), (neck - 0.06, top + 0.1), (neck + 0.06, top + 0.1), (neck + 0.3, 0.66)], 2), shape
    )
    dark, lit = tone(color, 0.62 if bright else 0.35), (1.0, 1.0, 1.0) if bright else mix(color, (1, 1, 1), 0.6)
    for _ in range(14):
        angle = rng.uniform(200, 340)
        end = crest + np.array((np.cos(np.radians(angle)) * wide, np.sin(np.radians(angle)) * 0.75)) * rng.uniform(
            0.4, 1.0
        )
        mid = (crest + end) / 2 + rng.normal(0, 0.06, 2)
        width = rng.uniform(0.02, 0.06)
        fold = smooth([crest + rng.normal(0, 0.03, 2), mid + (width, 0), end, mid - (width, 0)], 2)
        canvas.poly(fold, dark, rng.uniform(0.2, 0.45), atop=True)
        canvas.poly(fold + (canvas.light * width * 0.8, 0.01), lit, rng.uniform(0.12, 0.4), atop=True)
    for _ in range(5):
        at = rng.uniform((-wide * 0.7, 0.12), (wide * 0.7, 0.6))
        canvas.poly(smooth(at + rng.normal(0, 0.05, (4, 2)), 2), lit, rng.uniform(0.15, 0.5), atop=True)
    if sack:
        canvas.poly(
            ellipse(crest[0], crest[1] + 0.04, 0.07, 0.04),
            pick(rng, "d02828 e8c020 202226") if bright else tone(color, 1.8),
        )
    elif rng.random() < 0.6:
        canvas.poly(
            smooth(rng.normal(0, 0.02, (8, 2)) + ellipse(0, 0.36, wide * 0.36, 0.12, n=8), 1),
            pick(rng, "d02028 2060b0 208040"),
            0.75,
            atop=True,
        )
    canvas.poly(ellipse(0, -0.02, wide, 0.1), (0, 0, 0), 0.15, atop=True)


def tree_branch(canvas: Canvas, rng: np.random.Generator) -> None:
    """A broken branch lying on the road, with twigs and leaves."""
    bark = pick(rng, "6a4e34 5a4632 7a6048 4a3a2c")
    green = pick(rng, "4a7a2a 5a8a34 3a6a28 7a8a30 a87a30")
    half = rng.uniform(0.85, 1.25)
    xs = np.linspace(-half, half, 8)
    spine = np.stack(
        [xs, 0.18 + rng.uniform(0.05, 0.2) * np.sin((xs / half + 1) * 1.6) + rng.normal(0, 0.02, 8)], axis=1
    )
    widths = np.linspace(rng.uniform(0.2, 0.26), 0.07, 8)

    def leaf(at: np.ndarray) -> np.ndarray:
        angle, size = rng.uniform(-0.8, 3.9), rng.uniform(0.12, 0.22)
        u = size * np.array((np.cos(angle), np.sin(angle)))
        v = 0.32 * np.array((-u[1], u[0]))
        start = at + rng.normal(0, 0.05, 2)
        return smooth([start, start + 0.5 * u + v, start + u, start + 0.5 * u - v], 1)

    leafy = rng.random() < 0.75
    tips = []
    for i in rng.permutation(np.arange(1, 8))[: rng.integers(4, 7)]:
        base = spine[i]
        up = rng.random() < 0.8
        angle = rng.uniform(0.35, 1.3) if up else rng.uniform(-0.5, 0.1)
        length = rng.uniform(0.35, 0.75) if up else 0.3
        tip = base + length * np.array((np.cos(angle), np.sin(angle)))
        tip[1] = np.clip(tip[1], 0.05, 1.0)
        mid = (base + tip) / 2 + rng.normal(0, 0.04, 2)
        canvas.limb(base, mid, max(0.08, widths[i] * 0.6), 0.06, tone(bark, 0.9))
        fork = mid + rng.uniform(0.12, 0.28) * np.array((np.cos(angle + 0.9), abs(np.sin(angle + 0.9))))
        canvas.strokes([(mid, tip), (mid, fork)], 0.045, tone(bark, 1.05))
        tips += [tip, fork, mid]
    up = np.stack([np.zeros(8), widths / 2], axis=1)
    canvas.poly(smooth(np.concatenate([spine - up, (spine + up)[::-1]]), 1), bark)
    canvas.poly(smooth(np.concatenate([spine - up, spine[::-1] - 0.3 * up[::-1]]), 1), tone(bark, 0.45), 0.7, atop=True)
    canvas.poly(
        smooth(np.concatenate([spine + 0.35 * up, spine[::-1] + 0.85 * up[::-1]]), 1), tone(bark, 1.5), 0.7, atop=True
    )
    for shade in (0.45, 1.6):
        i, t = rng.integers(0, 7, 13), rng.random((13, 1))
        start = (
            spine[i] * (1 - t)
            + spine[i + 1] * t
            + np.stack([np.zeros(13), rng.uniform(-0.4, 0.4, 13) * widths[i]], axis=1)
        )
        stop = start + rng.uniform((0.05, -0.015), (0.14, 0.015), (13, 2))
        canvas.strokes(np.stack([start, stop], axis=1), 0.012, tone(bark, shade), 0.5, atop=True)
    cut = spine[0]
    canvas.poly(ellipse(cut[0] + 0.02, cut[1], widths[0] * 0.26, widths[0] * 0.5), hexa("d8b888"))
    canvas.stroke(ellipse(cut[0] + 0.02, cut[1], widths[0] * 0.14, widths[0] * 0.28), 0.01, hexa("9a7448"), closed=True)
    for at in tips if leafy else tips[:3]:
        for shade in rng.uniform(0.6, 1.3, 3 if leafy else 1):
            canvas.polys([leaf(at) for _ in range(2)], tone(green, shade))


def pallet(canvas: Canvas, rng: np.random.Generator) -> None:
    """A wooden pallet, leaning so that its slats show, or a low stack in perspective."""
    wood = pick(rng, "c09a64 a8875c b08a54 8f7a5c d0ae78")
    if rng.random() < 0.55:
        half, lean = rng.uniform(0.5, 0.8), rng.uniform(-0.12, 0.12)

        def at(x: float, y: float) -> tuple[float, float]:
            return (x * half * (1 - 0.08 * y) + lean * y, y)

        for x in (-0.96, -0.06, 0.84):
            beam = [at(x, 0.02), at(x + 0.14, 0.02), at(x + 0.14, 0.97), at(x, 0.97)]
            canvas.poly(beam, canvas.down_fill(tone(wood, 0.45), 0, 1))
        n = rng.integers(5, 8)
        pitch = 1.0 / n
        for i in range(n):
            y0, y1 = i * pitch, i * pitch + pitch * rng.uniform(0.66, 0.74)
            tint = tone(wood, rng.uniform(0.82, 1.15))
            skew = rng.normal(0, 0.008, 4)
            board = np.array([at(-1, y0), at(1, y0), at(1, y1), at(-1, y1)]) + np.stack([np.zeros(4), skew], 1)
            canvas.poly(board, canvas.down_fill(tint, y0, y1, 0.75, 1.15), rough=0.06)
            canvas.stroke(
                [at(-0.98, (y0 + y1) / 2), at(rng.uniform(0, 0.9), (y0 + y1) / 2)], 0.008, tone(wood, 0.5), 0.5
            )
            nails = [ellipse(*at(x, (y0 + y1) / 2), 0.012, 0.012, n=6) for x in (-0.88, 0.02, 0.9)]
            canvas.polys(nails, hexa("40382e"), 0.8)
        return
    layers = rng.integers(2, 5)
    half, d, lift = rng.uniform(0.62, 1.0), rng.uniform(0.25, 0.45), rng.uniform(0.14, 0.2)
    unit = (1 - lift) / layers
    for layer in range(layers):
        y, slip = layer * unit, rng.normal(0, 0.02)
        x0, x1 = -half - d / 2 + slip, half - d / 2 + slip
        tint = tone(wood, rng.uniform(0.85, 1.1))
        canvas.poly(
            [
                (x0, y + unit * 0.1),
                (x1, y + unit * 0.1),
                (x1 + d, y + lift + unit * 0.1),
                (x1 + d, y + lift + unit),
                (x1, y + unit),
                (x0, y + unit),
            ],
            hexa("1c140c"),
        )
        ends = [
            np.array([(x1 + d * k, y + lift * k), (x1 + d * (k + 0.1), y + lift * (k + 0.1))]) for k in (0.0, 0.46, 0.9)
        ]
        canvas.polys([np.concatenate([e, e[::-1] + (0, unit * 0.85)]) for e in ends], tone(tint, 0.5))
        for y0, y1 in ((0.0, 0.2), (0.74, 0.98)):
            canvas.poly(
                [
                    (x1, y + unit * y0),
                    (x1 + d, y + unit * y0 + lift),
                    (x1 + d, y + unit * y1 + lift),
                    (x1, y + unit * y1),
                ],
                tone(tint, 0.55),
            )
            canvas.poly(
                rect(x0, y + unit * y0, x1, y + unit * y1),
                canvas.down_fill(tint, y + unit * y0, y + unit * y1, 0.75, 1.1),
                rough=0.06,
            )
        blocks = [rect(x, y + unit * 0.18, x + 0.18, y + unit * 0.76) for x in (x0, (x0 + x1) / 2 - 0.09, x1 - 0.18)]
        canvas.polys(blocks, canvas.down_fill(tint, y, y + unit, 0.7, 0.95), rough=0.05)
    y = layers * unit
    canvas.poly([(x0, y - 0.01), (x1, y - 0.01), (x1 + d, y + lift), (x0 + d, y + lift)], hexa("3a2c1c"))
    for t in np.linspace(0, 0.86, 6):
        a, b = t, t + 0.125
        tint = tone(wood, rng.uniform(1.0, 1.25))
        canvas.poly(
            [
                (x0 + d * a, y + lift * a),
                (x1 + d * a, y + lift * a),
                (x1 + d * b, y + lift * b),
                (x0 + d * b, y + lift * b),
            ],
            tint,
            rough=0.05,
        )
