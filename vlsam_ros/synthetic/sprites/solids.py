"""The ``solids`` style: every kind as a body of boxes, tubes and blobs, seen from any side; some lie or are broken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .canvas import hexa, pick, tone
from .solid import Body, Lamp, blob, box, joined, picture, prism, ring, tube

Rng = np.random.Generator
_ORANGE = "ff5a12 f96816 ff4a1c f47a20 e8431a ff8a1e d8362a"
_WHITE = "f2f2ee e4e4e0 fafafa d0d0cc"
_BRIGHT = "d0202a 1c5aa8 e8c018 2a7a50 f47a20 7a2a8a 20a0a0 e0e0e0 303438 c05080"
_DARK = "1c1c1e 26262a 303236 2a2420"
_METAL = "9aa0a6 74787c c0c4c8 54585c"
_SKIN = "f0c8a0 c89068 8a5a3a 5a3a28 e0b088"


def car(rng: Rng) -> Body:
    """A saloon, hatchback, van or pick-up; wheels, windows, lamps."""
    paint = pick(rng, "c02020 2050a0 e8e8e8 202428 a0a4a8 6a7078 d8c020 1a6040 602030 4090c0 e07020 b8a888")
    glass, rubber = pick(rng, "283038 1a2028 485868 a8c0d0"), pick(rng, _DARK)
    long, wide, belt = rng.uniform(2.3, 3.2), rng.uniform(1.05, 1.25), rng.uniform(0.52, 0.66)
    shape = int(rng.integers(4))
    c0, c1 = [(-0.22, 0.26), (-0.46, 0.22), (-0.48, 0.36), (-0.02, 0.26)][shape]
    middle, cabin = long * (c0 + c1) / 2, long * (c1 - c0)
    top = [0.66, 0.8, 0.92, 0.8][shape], 0.86
    parts = [
        box((0, (belt + 0.16) / 2, 0), (long, belt - 0.16, wide), paint, (0.97, 0.96)),
        box((middle, (belt + 1) / 2, 0), (cabin, 1 - belt, wide * 0.95), glass, top),
        box((middle, 0.985, 0), (cabin * top[0] * 1.02, 0.05, wide * 0.84), paint),
    ]
    for x in np.linspace(middle - cabin / 2 * top[0], middle + cabin / 2 * top[0], 3):
        parts += [box((x, (belt + 1) / 2, s * wide * 0.445), (0.06, 1 - belt, 0.035), paint) for s in (-1, 1)]
    if shape == 3:
        parts.append(box((-long * 0.27, belt + 0.03, 0), (long * 0.44, 0.04, wide * 0.86), tone(paint, 0.4)))
    r = rng.uniform(0.2, 0.25)
    for x in (-long * 0.32, long * 0.33):
        for side in (-1, 1):
            a, b = side * wide * 0.36, side * wide * 0.515
            parts.append(tube((x, r, a), (x, r, b), r, r, [rubber], n=16))
            hub = side * wide * 0.525
            parts.append(tube((x, r, b), (x, r, hub), r * 0.6, r * 0.5, [pick(rng, _METAL)], n=10))
    for side in (-1, 1):
        z, lamp = side * wide * 0.36, belt * 0.82
        parts.append(box((long / 2, lamp, z), (0.05, 0.1, wide * 0.2), hexa("fff6d8")))
        parts.append(box((-long / 2, lamp, z), (0.05, 0.1, wide * 0.2), hexa("d01818")))
    for x in (-long / 2, long / 2):
        parts.append(box((x, 0.25, 0), (0.06, 0.1, wide * 0.96), tone(paint, 0.35)))
        parts.append(box((x, 0.36, 0), (0.07, 0.07, 0.3), pick(rng, _WHITE)))
    return joined(parts)


def pedestrian(rng: Rng) -> Body:
    """Somebody who stands or walks, with or without a bag or a skirt."""
    skin, top, legs = pick(rng, _SKIN), pick(rng, _BRIGHT), pick(rng, "283048 1c1c20 504030 6a7078 a09080 304030")
    hair, shoes = pick(rng, "201810 3a2818 806038 c8a860 909090"), pick(rng, _DARK + " e0e0e0 802020")
    stride, w = rng.uniform(0, 0.13), rng.uniform(0.85, 1.2)
    parts = [
        blob((0, 0.925, 0), (0.058, 0.075, 0.062), skin),
        blob((0, 0.945, -0.012), (0.064, 0.064, 0.064), hair),
        tube((0, 0.82, 0), (0, 0.88, 0), 0.035, 0.03, [skin], n=8),
        tube((0, 0.46, 0), (0, 0.84, 0), 0.09 * w, 0.1 * w, [top], n=10).scaled((1.25, 1, 0.8)),
    ]
    skirt = rng.random() < 0.25
    if skirt:
        parts.append(tube((0, 0.3, 0), (0, 0.5, 0), 0.16 * w, 0.1 * w, [pick(rng, _BRIGHT)], n=12))
    for side in (-1, 1):
        swing = side * stride
        hip, foot = (side * 0.06, 0.49, 0), (side * 0.065, 0.05, swing)
        knee = (side * 0.065, 0.27, swing * 0.5 + 0.02)
        leg = skin if skirt else legs
        parts += [tube(hip, knee, 0.062 * w, 0.048, [leg], n=8), tube(knee, foot, 0.046, 0.036, [leg], n=8)]
        parts.append(box((foot[0], 0.025, foot[2] + 0.035), (0.07, 0.05, 0.15), shoes))
        shoulder, elbow = (side * 0.125 * w, 0.81, 0), (side * 0.16 * w, 0.64, -swing * 0.4)
        hand = (side * (0.15 + rng.uniform(0, 0.05)), 0.48 + rng.uniform(0, 0.12), -swing + rng.uniform(0, 0.06))
        parts += [tube(shoulder, elbow, 0.04, 0.034, [top], n=7), tube(elbow, hand, 0.032, 0.026, [top], n=7)]
        parts.append(blob(hand, (0.026, 0.03, 0.026), skin, n=6))
    if rng.random() < 0.35:
        parts.append(box((0, 0.68, -0.13), (0.22, 0.28, 0.12), pick(rng, _BRIGHT)))
    return joined(parts)


def bicycle(rng: Rng) -> Body:
    """Two thin wheels, a frame, saddle and bars."""
    paint, rubber, metal = pick(rng, _BRIGHT), pick(rng, _DARK), pick(rng, _METAL)
    r, base = rng.uniform(0.3, 0.34), rng.uniform(0.96, 1.08)
    back, front = (-base / 2, r, 0.0), (base / 2, r, 0.0)
    crank, seat, head = (-0.06, r * 0.9, 0.0), (-0.2, 0.82, 0.0), (base / 2 - 0.16, 0.84, 0.0)
    pipe = lambda a, b, t=0.02, c=paint: tube(a, b, t, t, [c], n=6)  # noqa: E731
    parts = [ring(p, r - 0.025, 0.026, rubber, n=22, m=5) for p in (back, front)]
    for x, _, _ in (back, front):
        for angle in np.linspace(0, np.pi, 5, endpoint=False) + rng.uniform(0, 1):
            d = np.array([np.cos(angle), np.sin(angle), 0]) * (r - 0.03)
            parts.append(pipe(np.array((x, r, 0)) - d, np.array((x, r, 0)) + d, 0.006, metal))
    low_seat = (-0.17, 0.72, 0.0)
    parts += [pipe(back, crank), pipe(crank, low_seat), pipe(low_seat, back), pipe(crank, head), pipe(low_seat, head)]
    parts += [
        pipe(head, front),
        pipe(low_seat, seat, 0.014, metal),
        pipe(head, (head[0] - 0.02, 0.97, 0), 0.014, metal),
    ]
    parts.append(box((seat[0], 0.85, 0), (0.22, 0.05, 0.12), rubber, (0.8, 0.6)))
    parts.append(pipe((head[0] - 0.04, 0.98, -0.25), (head[0] - 0.04, 0.98, 0.25), 0.018, rubber))
    parts.append(tube((crank[0], crank[1], -0.05), (crank[0], crank[1], 0.05), 0.07, 0.07, [metal], n=10))
    if rng.random() < 0.3:
        parts.append(box((base / 2 + 0.02, 0.78, 0), (0.26, 0.2, 0.3), pick(rng, "806040 303030 c0c0c0"), (1.2, 1.1)))
    return joined(parts)


def dog(rng: Rng) -> Body:
    """Four legs, a head with a snout and ears, a tail."""
    coat = pick(rng, "6a4828 a87848 d8c0a0 242220 e8e0d8 808080 b05828 4a3a30")
    second = coat if rng.random() < 0.5 else pick(rng, "f0e8e0 302018 c09060")
    long, thick = rng.uniform(0.5, 0.75), rng.uniform(0.13, 0.2)
    hip = rng.uniform(0.5, 0.6)
    head = np.array([long * 0.5 + 0.18, hip + 0.28, 0])
    parts = [
        blob((0, hip, 0), (long * 0.55, thick, thick * 0.85), coat, n=14),
        tube((long * 0.38, hip + 0.04, 0), head - (0.03, 0.04, 0), thick * 0.75, 0.1, [coat], n=8),
        blob(head, (0.14, 0.12, 0.11), coat, n=10),
        tube(head + (0.06, -0.03, 0), head + (0.25, -0.06, 0), 0.08, 0.05, [second], n=8),
        blob(head + (0.25, -0.045, 0), (0.03, 0.03, 0.03), hexa("181818"), n=6),
        tube(
            (-long * 0.5, hip + 0.08, 0), (-long * 0.5 - 0.22, hip + rng.uniform(-0.1, 0.4), 0), 0.04, 0.02, [coat], n=6
        ),
    ]
    for side in (-1, 1):
        ear = head + (-0.04, 0.08, side * 0.08)
        parts.append(tube(ear, ear + (-0.02, rng.choice([0.14, -0.16]), side * 0.04), 0.05, 0.015, [second], n=5))
        for x in (-long * 0.4, long * 0.38):
            step = x + rng.uniform(-0.12, 0.12)
            z = side * thick * 0.55
            parts.append(tube((x, hip, z), ((x + step) / 2, hip * 0.45, z), 0.085, 0.05, [coat], n=7))
            parts.append(tube(((x + step) / 2, hip * 0.45, z), (step, 0.02, z), 0.045, 0.04, [second], n=7))
    return joined(parts)


def stroller(rng: Rng) -> Body:
    """A basket with a hood on four wheels, and a handle."""
    cloth, metal, rubber = pick(rng, _BRIGHT + " 303030 505868"), pick(rng, _METAL + " 202020"), pick(rng, _DARK)
    pipe = lambda a, b: tube(a, b, 0.022, 0.022, [metal], n=6)  # noqa: E731
    r = rng.uniform(0.12, 0.17)
    parts = [
        box((0, 0.5, 0), (0.72, 0.28, 0.42), cloth, (1.08, 1.1)),
        box((0, 0.62, 0), (0.66, 0.06, 0.38), tone(cloth, 0.55)),
    ]
    bumps = np.ones((8, 14))
    hood = blob((-0.2, 0.64, 0), (0.3, 0.34, 0.24), tone(cloth, rng.uniform(0.7, 1.2)), n=14, bumps=bumps)
    keep = hood.faces[..., 1].mean(1) > 0.6
    parts.append(Body(hood.faces[keep], hood.colors[keep]))
    for side in (-1, 1):
        z = side * 0.22
        for x in (-0.3, 0.3):
            parts.append(ring((x, r, z), r - 0.03, 0.032, rubber, n=14, m=6))
            parts.append(tube((x, r, z - 0.02), (x, r, z + 0.02), 0.05, 0.05, [metal], n=8))
        parts += [pipe((-0.3, r, z), (0.2, 0.42, z)), pipe((0.3, r, z), (-0.2, 0.42, z))]
        parts.append(pipe((0.25, 0.5, z), (0.56, 0.98, z)))
    parts.append(pipe((0.56, 0.98, -0.22), (0.56, 0.98, 0.22)))
    if rng.random() < 0.4:
        parts.append(box((0, 0.28, 0), (0.5, 0.12, 0.34), pick(rng, "303030 a08060 606870")))
    return joined(parts)


def cone(rng: Rng) -> Body:
    """A striped cone on a foot, or a plain one."""
    main, white = pick(rng, _ORANGE if rng.random() < 0.8 else "e8e020 c8e020 1c60c0 d02020"), pick(rng, _WHITE)
    r0, r1 = rng.uniform(0.17, 0.27), rng.uniform(0.02, 0.06)
    foot, n = pick(rng, _DARK) if rng.random() < 0.5 else tone(main, 0.85), int(rng.choice([8, 14, 18]))
    bands = int(rng.integers(0, 4))
    at = (
        np.sort(rng.uniform(0.2, 0.9, 2 * bands))
        if rng.random() < 0.3
        else (np.arange(2 * bands) + 1) / (2 * bands + 1)
    )
    body = tube((0, 0.05, 0), (0, 1, 0), r0, r1, [main, white] * bands + [main], at.tolist(), n=n)
    wide = r0 + rng.uniform(0.04, 0.13)
    if rng.random() < 0.75:
        return joined([box((0, 0.03, 0), (2 * wide, 0.06, 2 * wide), foot), body])
    return joined([tube((0, 0, 0), (0, 0.06, 0), wide, wide * 0.95, [foot], n=n), body])


def bollard(rng: Rng) -> Body:
    """A slim post, round or square, with bands."""
    main = pick(rng, "e8e8e4 9a9ea2 2c2f33 28402e ff5a14 e8c018 6a4a30 1c3a6a b0a898")
    band = pick(rng, "d0202a ffd21c f4f4f4 ff3020 1c50a8 202020")
    r, n = rng.uniform(0.05, 0.1), int(rng.choice([4, 6, 12]))
    bands = int(rng.integers(0, 3))
    at = (0.9 - 0.12 * np.arange(2 * bands)[::-1]).tolist()
    top = rng.uniform(0.6, 1.0)
    parts = [tube((0, 0, 0), (0, 0.95, 0), r, r * top, [main, band] * bands + [main], at, n=n)]
    if rng.random() < 0.5:
        parts.append(blob((0, 0.94, 0), (r * top * 1.1, 0.06, r * top * 1.1), tone(main, 0.9), n=10))
    if rng.random() < 0.4:
        parts.append(tube((0, 0, 0), (0, 0.06, 0), r * 2.2, r * 1.8, [pick(rng, _DARK)], n=12))
    return joined(parts).turned(roll=float(rng.normal(0, 5)) if rng.random() < 0.2 else 0)


def barrel(rng: Rng) -> Body:
    """A drum: striped plastic, ribbed steel or staved wood."""
    kind, r = int(rng.integers(3)), rng.uniform(0.27, 0.37)
    main = pick(rng, (_ORANGE, "1c5aa8 8a3a20 2a7a50 30343a c8a020", "7a5030 5a3a20 94683a")[kind])
    second = pick(rng, (_WHITE, "202020 e0e0e0 " + _METAL, "404040 303030")[kind])
    bands = int(rng.integers(1, 4))
    at = ((np.arange(2 * bands) + 1) / (2 * bands + 1)).tolist()
    if kind == 2:
        low, high = ([0.14, 0.22, 0.8, 0.88], [main, second, main, second, main])
        half = [
            tube((0, 0, 0), (0, 0.5, 0), r * 0.85, r, high[:3], low[:2]),
            tube((0, 0.5, 0), (0, 1, 0), r, r * 0.85, high[2:], [0.6, 0.76]),
        ]
        return joined(half)
    body = tube((0, 0, 0), (0, 1, 0), r, r * rng.uniform(0.8, 1.0), [main, second] * bands + [main], at, n=18)
    foot = tube((0, 0, 0), (0, 0.08, 0), r * 1.18, r * 1.12, [pick(rng, _DARK)], n=18)
    return joined([body, foot]) if kind == 0 else body


def barrier(rng: Rng) -> Body:
    """Striped boards on legs, a concrete or plastic block, or a fence."""
    kind, long = int(rng.integers(4)), rng.uniform(1.5, 2.7)
    a, b = pick(rng, _ORANGE + " d02020 202020"), pick(rng, _WHITE + " e8c018")
    if kind == 0:
        parts = []
        for y in (0.85, 0.5) if rng.random() < 0.6 else (0.8,):
            n = int(rng.integers(4, 9))
            for i in range(n):
                x0, x1, s = (-long / 2 + long * i / n, -long / 2 + long * (i + 1) / n, 0.08 * (i > 0))
                s2 = 0.08 * (i < n - 1)
                outline = [(x0 - s, y - 0.1), (x1 - s2, y - 0.1), (x1 + s2, y + 0.1), (x0 + s, y + 0.1)]
                parts.append(prism(outline, 0.03, -0.03, a if i % 2 else b))
        for x in (-long * 0.36, long * 0.36):
            parts += [
                tube((x, 0.0, z), (x, 0.98, 0), 0.03, 0.03, [pick(rng, _METAL + " e0e0e0")], n=6) for z in (-0.3, 0.3)
            ]
        return joined(parts)
    if kind == 1:
        profile = [(-0.3, 0), (0.3, 0), (0.3, 0.12), (0.12, 0.42), (0.09, 1), (-0.09, 1), (-0.12, 0.42), (-0.3, 0.12)]
        grey = pick(rng, "a8a49c c0bcb4 8c8a86 d0ccc4")
        outer = [
            prism([profile[i] for i in part], long / 2, -long / 2, grey)
            for part in ((0, 1, 2, 7), (7, 2, 3, 6), (6, 3, 4, 5))
        ]
        return joined(outer).turned(yaw=90)
    if kind == 2:
        n = int(rng.integers(1, 4))
        each = long / n
        return joined(
            box(((i + 0.5) * each - long / 2, 0.5, 0), (each * 0.97, 1.0, 0.5), a if i % 2 else b, (0.95, 0.45))
            for i in range(n)
        )
    metal = pick(rng, _METAL + " e0c020 d04020")
    bar = lambda p, q: tube(p, q, 0.025, 0.025, [metal], n=6)  # noqa: E731
    parts = [bar((-long / 2, y, 0), (long / 2, y, 0)) for y in (0.16, 0.97)]
    parts += [bar((x, 0.16, 0), (x, 0.97, 0)) for x in np.linspace(-long / 2, long / 2, int(rng.integers(7, 14)))]
    parts += [box((x, 0.03, 0), (0.08, 0.06, 0.6), metal) for x in (-long * 0.4, long * 0.4)]
    return joined(parts)


def warning_sign(rng: Rng) -> Body:
    """A triangle, diamond or disc with a rim and a mark, on a post or on legs."""
    kind = int(rng.integers(4))
    rim, face = [("d02020", "f4f4f0"), ("202020", "f0c020"), ("202020", "f08020"), ("d02020", "f0d840")][
        int(rng.integers(4))
    ]
    r, middle = rng.uniform(0.25, 0.36), 0.68
    corners = (3, 4, 16, 3)[kind]
    start = (np.pi / 2, np.pi / 2, 0, np.pi / 2)[kind]
    angle = start + np.arange(corners) * 2 * np.pi / corners
    outline = np.stack([np.cos(angle), np.sin(angle)], 1)
    middle = 1 - r * outline[:, 1].max()
    at = lambda f, dx=0.0, dy=0.0: outline * r * f + (dx, middle + dy)  # noqa: E731
    z = 0.03
    parts = [
        prism(at(1), z, z - 0.03, hexa(rim)),
        prism(at(rng.uniform(0.68, 0.84)), z + 0.012, z + 0.002, hexa(face)),
    ]
    mark, w = hexa("181818"), r * rng.uniform(0.07, 0.12)
    if rng.random() < 0.6:
        parts.append(box((0, middle + r * 0.12, z + 0.02), (2 * w, r * 0.5, 0.01), mark))
        parts.append(box((0, middle - r * 0.26, z + 0.02), (2 * w, 2 * w, 0.01), mark))
    else:
        tilt = rng.uniform(-50, 50)
        bar = box((0, 0, z + 0.02), (r * 0.8, 2 * w, 0.01), mark).turned(roll=float(tilt))
        parts.append(bar.moved((0, middle, 0)))
    grey = pick(rng, _METAL)
    if rng.random() < 0.6:
        parts.append(tube((0, 0, -0.02), (0, middle, -0.02), 0.03, 0.03, [grey], n=8))
    else:
        parts += [
            tube((x, 0, f), (x * 0.4, middle, 0), 0.022, 0.022, [grey], n=6)
            for x in (-0.22, 0.22)
            for f in (-0.2, 0.12)
        ]
    return joined(parts)


def trash_bin(rng: Rng) -> Body:
    """A wheeled bin with a lid, a round bin, or a wire basket."""
    main = pick(rng, "28482c 2a2c30 1c4a7a 6a4a2a 8a8c90 c8a818 3a6a3a 9a2a2a 505458")
    lid = main if rng.random() < 0.5 else pick(rng, "e0c020 2a60b0 b02020 303030 808080")
    if rng.random() < 0.55:
        w, d = rng.uniform(0.46, 0.66), rng.uniform(0.5, 0.68)
        parts = [
            box((0, 0.47, 0), (w * 0.82, 0.86, d * 0.8), main, (1.2, 1.22)),
            box((0, 0.935, 0.02), (w * 1.06, 0.1, d * 1.08), lid, (0.92, 0.86)),
            box((0, 0.86, -d * 0.52), (w * 0.7, 0.06, 0.08), lid),
        ]
        for s in (-1, 1):
            x = s * w * 0.38
            parts.append(
                tube((x, 0.09, -d * 0.36), (x + s * 0.06, 0.09, -d * 0.36), 0.09, 0.09, [pick(rng, _DARK)], n=10)
            )
        if rng.random() < 0.5:
            parts.append(box((0, 0.6, d * 0.48), (w * 0.4, 0.16, 0.02), pick(rng, _WHITE + " e0c020")))
        return joined(parts)
    r = rng.uniform(0.25, 0.36)
    parts = [
        tube((0, 0, 0), (0, 0.86, 0), r * 0.85, r, [main, tone(main, 0.6)] * 2 + [main], [0.2, 0.25, 0.7, 0.75], n=14)
    ]
    parts.append(tube((0, 0.86, 0), (0, 0.93, 0), r * 1.06, r * 1.0, [lid], n=14))
    parts.append(blob((0, 0.92, 0), (r * 0.95, 0.08, r * 0.95), lid if rng.random() < 0.6 else hexa("101010")))
    return joined(parts)


def cardboard_box(rng: Rng) -> Body:
    """A carton with tape or with open flaps; or two."""
    brown = pick(rng, "b08a5a c49a68 a07848 d0ac7c 8a6a44 e0d8c8")
    w, d = rng.uniform(0.9, 1.8), rng.uniform(0.7, 1.4)
    flaps = rng.random() < 0.45
    high = 0.75 if flaps else 1.0
    parts = [box((0, high / 2, 0), (w, high, d), brown)]
    if flaps:
        parts[0] = joined([parts[0], box((0, high, 0), (w * 0.96, 0.01, d * 0.96), tone(brown, 0.35))])
        for s in (-1, 1):
            a, b = rng.uniform(20, 110, 2)
            side = (
                box((0, 0.14, 0), (0.02, 0.28, d), tone(brown, 1.1))
                .turned(roll=float(-s * a))
                .moved((s * w / 2, high, 0))
            )
            fore = (
                box((0, 0.14, 0), (w, 0.28, 0.02), tone(brown, 0.95))
                .turned(pitch=float(s * b))
                .moved((0, high, s * d / 2))
            )
            parts += [side, fore]
    else:
        tape = tone(brown, rng.choice([0.75, 1.25]))
        parts.append(box((0, 1.002, 0), (w * 1.002, 0.008, d * 0.1), tape))
        parts += [box((s * w * 0.502, 0.85, 0), (0.008, 0.3, d * 0.1), tape) for s in (-1, 1)]
        if rng.random() < 0.5:
            parts.append(box((w * 0.2, 0.4, d * 0.502), (w * 0.3, 0.3, 0.008), pick(rng, _WHITE)))
    return joined(parts)


def suitcase(rng: Rng) -> Body:
    """A trolley case with wheels, ribs and a handle, or a flat one with a grip."""
    main, dark = pick(rng, _BRIGHT + " 4a3a30 606870"), pick(rng, _DARK)
    if rng.random() < 0.6:
        w, d = rng.uniform(0.5, 0.62), rng.uniform(0.24, 0.34)
        parts = [box((0, 0.41, 0), (w, 0.7, d), main, (0.97, 0.94))]
        parts += [
            box((x, 0.41, 0), (0.03, 0.6, d * 1.05), tone(main, 0.7)) for x in np.linspace(-w * 0.35, w * 0.35, 4)
        ]
        for s in (-1, 1):
            parts += [blob((s * w * 0.4, 0.04, z * d * 0.35), (0.04, 0.04, 0.03), dark, n=6) for z in (-1, 1)]
            parts.append(
                tube(
                    (s * w * 0.2, 0.75, -d * 0.3), (s * w * 0.2, 0.98, -d * 0.3), 0.014, 0.014, [pick(rng, _METAL)], n=5
                )
            )
        parts.append(tube((-w * 0.24, 0.98, -d * 0.3), (w * 0.24, 0.98, -d * 0.3), 0.024, 0.024, [dark], n=6))
        return joined(parts)
    w, d = rng.uniform(1.1, 1.5), rng.uniform(0.34, 0.48)
    parts = [box((0, 0.44, 0), (w, 0.88, d), main), box((0, 0.44, 0), (w * 1.01, 0.9, 0.03), dark)]
    parts += [box((s * w * 0.3, 0.44, 0), (0.08, 0.9, d * 1.03), tone(main, 0.6)) for s in (-1, 1)]
    parts.append(tube((-0.16, 0.97, 0), (0.16, 0.97, 0), 0.03, 0.03, [dark], n=6))
    parts += [tube((s * 0.16, 0.86, 0), (s * 0.16, 0.98, 0), 0.025, 0.025, [dark], n=6) for s in (-1, 1)]
    return joined(parts)


def tire(rng: Rng) -> Body:
    """A tyre that stands, leans or lies, with or without its rim."""
    rubber, thick = pick(rng, _DARK + " 3a3a3a"), rng.uniform(0.13, 0.19)
    parts = [ring((0, 0, 0), 0.5 - thick, thick, rubber, n=24, m=10, flat=rng.uniform(0.8, 1.5))]
    if rng.random() < 0.4:
        inner = 0.5 - 1.7 * thick
        parts.append(tube((0, 0, -0.05), (0, 0, 0.05), inner, inner, [pick(rng, _METAL)], n=16))
        parts.append(tube((0, 0, -0.06), (0, 0, 0.06), inner * 0.4, inner * 0.4, [tone(pick(rng, _METAL), 0.6)], n=10))
    return joined(parts).moved((0, 0.5, 0))


def stone(rng: Rng) -> Body:
    """One rock, or a few."""
    grey = pick(rng, "8a8680 6a6864 a8a49c 7a6a5a 585654 b0a088 948a80")
    parts = []
    for i in range(int(rng.choice([1, 1, 1, 2, 3]))):
        n = int(rng.choice([8, 10, 14]))
        size = rng.uniform(0.6, 1.1, 3) * (1 if i == 0 else rng.uniform(0.3, 0.6))
        bumps = 1 + rng.normal(0, 0.13, (n // 2 + 1, n))
        rock = blob((0, 0, 0), size * (1, 0.7, 1), tone(grey, rng.uniform(0.85, 1.1)), n=n, bumps=bumps)
        shade = rock.colors * rng.uniform(0.88, 1.1, (len(rock.colors), 1))
        parts.append(
            Body(rock.faces, shade).moved((i * rng.uniform(-1.2, 1.2), size[1] * 0.5, i * rng.uniform(-0.5, 0.5)))
        )
    return joined(parts)


def plastic_bag(rng: Rng) -> Body:
    """A full bag with a knot or with handles, or a crumpled one."""
    main = pick(rng, "f0f0f0 202224 d8e0e8 2858a8 e8c040 c83838 40a060 e8e0d0 a8b8c8")
    n, kind = 14, int(rng.integers(3))
    bumps = 1 + rng.normal(0, (0.06, 0.08, 0.2)[kind], (n // 2 + 1, n))
    bumps[-3:] *= np.array([0.85, 0.6, 0.3])[:, None] if kind < 2 else 1
    high = (0.42, 0.4, 0.36)[kind]
    bag = blob((0, high * 0.9, 0), (rng.uniform(0.36, 0.6), high, rng.uniform(0.3, 0.5)), main, n=n, bumps=bumps)
    folds = bag.colors * rng.uniform(0.78, 1.12, (len(bag.colors), 1))
    parts = [Body(bag.faces, np.clip(folds, 0, 1))]
    if kind == 0:
        parts += [blob((0, 0.72, 0), (0.08, 0.07, 0.08), tone(main, 0.8), n=8)]
        parts += [tube((0, 0.74, 0), (s * 0.2, 0.98, 0), 0.05, 0.14, [main], n=6).scaled((1, 1, 0.4)) for s in (-1, 1)]
    elif kind == 1:
        for s in (-1, 1):
            loop = ring((s * 0.16, 0.78, 0), 0.13, 0.035, main, n=12, m=5, flat=0.5)
            parts.append(loop.scaled((0.8, 1, 1)))
    return joined(parts)


def pallet(rng: Rng) -> Body:
    """Boards on blocks: flat on the ground, in a pile, or standing."""
    wood = pick(rng, "b89060 a07848 c8a878 8a6a48 988878 d0b890 1c5aa8")
    long, deep = 2.4, rng.uniform(1.5, 2.0)
    parts = []
    board = lambda: tone(wood, float(rng.uniform(0.85, 1.12)))  # noqa: E731
    n = int(rng.integers(4, 8))
    for z in np.linspace(-deep / 2 + 0.12, deep / 2 - 0.12, n):
        if rng.random() > 0.06:
            parts.append(box((0, 0.3, z), (long, 0.05, deep / n * rng.uniform(0.55, 0.85)), board()))
    for x in (-long / 2 + 0.12, 0, long / 2 - 0.12):
        parts += [box((x, 0.15, z), (0.24, 0.24, 0.26), board()) for z in (-deep / 2 + 0.14, 0, deep / 2 - 0.14)]
        parts.append(box((x, 0.02, 0), (0.22, 0.04, deep), board()))
    one = joined(parts)
    pose = int(rng.integers(3))
    if pose == 0:
        return joined(one.moved((rng.uniform(-0.08, 0.08), 0.33 * i, 0)) for i in range(int(rng.integers(2, 4))))
    return one.turned(pitch=float(rng.uniform(70, 96))) if pose == 1 else one


def tree_branch(rng: Rng) -> Body:
    """A crooked limb on the ground with twigs, and leaves at times."""
    bark, leaf = pick(rng, "5a4530 6e5a44 4a3a2c 7a6a58 8a7a60"), pick(rng, "4a7a2a 6a8a3a 8a7a2a a06a2a 3a5a24")
    parts: list[Body] = []

    def grow(start: np.ndarray, heading: float, length: float, thick: float, depth: int) -> None:
        for _ in range(3):
            rise = rng.uniform(-0.05, 0.25)
            end = start + length / 3 * np.array([np.cos(heading), rise, 0.5 * np.sin(heading)])
            end[1] = max(end[1], thick)
            parts.append(tube(start, end, thick, thick * 0.8, [tone(bark, rng.uniform(0.85, 1.15))], n=6))
            start, thick, heading = end, thick * 0.8, heading + rng.normal(0, 0.3)
            if depth and rng.random() < 0.8:
                grow(start, heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.2), length * 0.6, thick * 0.7, depth - 1)
        if leaves:
            for _ in range(4):
                at = start + rng.normal(0, 0.12, 3) * (1, 0.8, 1)
                parts.append(blob(at, (0.09, 0.05, 0.07), tone(leaf, rng.uniform(0.7, 1.2)), n=6))

    leaves = rng.random() < 0.5
    grow(np.array([-1.2, 0.12, 0.0]), 0.0, 2.4, rng.uniform(0.07, 0.14), 2)
    return joined(parts)


def debris(rng: Rng) -> Body:
    """Something without a name: a few boxes, tubes and lumps of any colour, put together at random."""
    parts = []
    for _ in range(int(rng.integers(1, 7))):
        any_color = (
            tuple(rng.uniform(0.05, 0.95, 3)) if rng.random() < 0.5 else pick(rng, _BRIGHT + " 806040 a09080 " + _METAL)
        )
        at = rng.uniform(-0.5, 0.5, 3) * (1.4, 0.9, 0.8)
        size = rng.uniform(0.12, 0.9, 3)
        shape = int(rng.integers(4))
        if shape == 0:
            part = box((0, 0, 0), size, any_color, rng.uniform(0.3, 1.1, 2), float(rng.normal(0, 0.2)))
        elif shape == 1:
            part = tube(
                (0, -size[1] / 2, 0), (0, size[1] / 2, 0), *(size[:2] * 0.4), [any_color], n=int(rng.choice([3, 5, 12]))
            )
        elif shape == 2:
            n = 12
            part = blob(
                (0, 0, 0), size * 0.6, any_color, n=n, bumps=1 + rng.normal(0, rng.uniform(0, 0.25), (n // 2 + 1, n))
            )
        else:
            part = ring((0, 0, 0), size[0] * 0.5, size[1] * 0.2 + 0.03, any_color, n=14, m=6)
        part = part.turned(*(rng.uniform(-180, 180, 3) * (1, rng.random() < 0.6, rng.random() < 0.6)).tolist())
        shade = part.colors * rng.uniform(0.8, 1.15, (len(part.colors), 1))
        parts.append(Body(part.faces, np.clip(shade, 0, 1)).moved(at))
    return joined(parts)


MAKERS: dict[str, Callable[[Rng], Body]] = {
    "car": car, "pedestrian": pedestrian, "bicycle": bicycle, "dog": dog, "stroller": stroller, "traffic cone": cone,
    "bollard": bollard, "barrel": barrel, "barrier": barrier, "warning sign": warning_sign, "trash bin": trash_bin,
    "cardboard box": cardboard_box, "suitcase": suitcase, "tire": tire, "stone": stone, "plastic bag": plastic_bag,
    "pallet": pallet, "tree branch": tree_branch, "debris": debris,
}  # fmt: skip

_LYING = {
    "bicycle": 0.3, "traffic cone": 0.2, "bollard": 0.15, "barrel": 0.25, "barrier": 0.15, "warning sign": 0.12,
    "trash bin": 0.2, "suitcase": 0.3, "tire": 0.5, "stroller": 0.15, "cardboard box": 0.2, "car": 0.02,
}  # fmt: skip
"""How often a kind lies on its side."""

_FACING = {"warning sign": 50.0, "barrier": 60.0}
"""Kinds that mostly turn their front to the camera, and how far away from it they turn, in degrees."""


WIDEST = 3.6
"""The widest that something is drawn, in units of its kind's height: a flat pallet is not as high as a pile."""


def draw(kind: str, height_px: float, rng: Rng) -> np.ndarray:
    """Straight-alpha RGBA, cropped; one unit of the standing thing's height is ``height_px`` pixels."""
    body = MAKERS[kind](rng)
    lying = rng.random() < _LYING.get(kind, 0.0)
    yaw = rng.uniform(-180, 180)
    if lying:
        body = body.turned(roll=90.0)
        yaw = rng.uniform(-65, 65) if rng.random() < 0.7 else yaw
    if kind in _FACING and rng.random() < 0.85:
        yaw = rng.uniform(-1, 1) * _FACING[kind]
    body = body.turned(yaw=float(yaw))
    low, high = body.faces[..., 1].min(), body.faces[..., 1].max()
    wide = np.ptp(body.faces[..., 0])
    body = body.moved((0, -low, 0)).scaled(1.0 if lying else min(1 / (high - low), WIDEST / wide))
    if rng.random() < 0.5:
        body = body.mirrored()
    side = rng.uniform(-1, 1)
    lamp = Lamp(
        towards=(side, rng.uniform(0.5, 1.2), rng.uniform(0.2, 1.0)),
        ambient=float(rng.uniform(0.35, 0.75)),
        gloss=float(rng.choice([0.0, 0.0, 0.3, 0.6])),
        steps=int(rng.choice([0, 0, 0, 2, 3, 4])),
    )
    return picture(body, height_px, lamp, float(rng.uniform(2, 18)))
