"""Unlabelled things: marks flat on the road, seen from above, and roadside scenery, seen from the side."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, ellipse, hexa, pick, rect, smooth, tone


def _blob(
    rng: np.random.Generator, center: tuple[float, float], rx: float, ry: float, wobble: float, n: int = 12
) -> np.ndarray:
    """A smooth irregular closed outline."""
    return smooth((ellipse(0, 0, rx, ry, n=n) * (1 + rng.normal(0, wobble, (n, 1)))) + center, 2)


def manhole(canvas: Canvas, rng: np.random.Generator) -> None:
    """A cast-iron cover with a pattern and its frame."""
    iron = pick(rng, "4a4846 3c3c3e 56524c")
    canvas.poly(ellipse(0, 0.5, 0.5, 0.5, n=48), tone(iron, 0.7))
    canvas.poly(ellipse(0, 0.5, 0.44, 0.44, n=48), iron, rough=0.08)
    canvas.stroke(ellipse(0, 0.5, 0.44, 0.44, n=48), 0.02, tone(iron, 0.4), closed=True)
    bars = [(t, np.sqrt(0.4**2 - t**2)) for t in np.linspace(-0.34, 0.34, 7)]
    canvas.strokes([[(t, 0.5 - reach), (t, 0.5 + reach)] for t, reach in bars], 0.025, tone(iron, 1.4), 0.6)
    canvas.strokes([[(-reach, 0.5 + t), (reach, 0.5 + t)] for t, reach in bars], 0.025, tone(iron, 0.6), 0.5)


def stain(canvas: Canvas, rng: np.random.Generator) -> None:
    """A dark spill of oil or water."""
    color = pick(rng, "1c1c1e 26221e 202428")
    rx = rng.uniform(0.4, 0.7)
    canvas.poly(_blob(rng, (0, 0.5), rx, 0.48, 0.1), color, 0.55)
    canvas.poly(_blob(rng, (0, 0.5), rx * 0.75, 0.34, 0.12), color, 0.5)
    for _ in range(rng.integers(2, 6)):
        at = rng.uniform((-rx, 0.1), (rx, 0.9))
        canvas.poly(_blob(rng, tuple(at), 0.05, 0.05, 0.15, 8), color, 0.6)


def crack(canvas: Canvas, rng: np.random.Generator) -> None:
    """A branching crack in the asphalt."""
    n = 12
    path = np.stack([np.cumsum(rng.normal(0, 0.06, n)), np.linspace(0, 1, n)], axis=1)
    path[:, 0] -= path[:, 0].mean()
    path[:, 0] = np.clip(path[:, 0], -0.5, 0.5)
    canvas.stroke(path, 0.035, hexa("161618"), 0.85)
    for i in rng.integers(2, n - 2, 3):
        side = rng.choice((-1, 1))
        twig = path[i] + np.cumsum(
            np.concatenate([np.zeros((1, 2)), rng.uniform((0.02, -0.05), (0.14, 0.08), (4, 2)) * (side, 1)]), axis=0
        )
        canvas.stroke(twig, 0.02, hexa("18181a"), 0.8)


def patch(canvas: Canvas, rng: np.random.Generator) -> None:
    """A repaired piece of asphalt with a sealed edge."""
    color = pick(rng, "2c2c2e 38383a 5a5855")
    half = rng.uniform(0.4, 0.75)
    outline = rect(-half, 0, half, 1) + rng.normal(0, 0.03, (4, 2))
    canvas.poly(outline, color, 0.9, rough=0.08)
    canvas.stroke(outline, 0.025, hexa("18181a"), 0.8, closed=True)


def leaves(canvas: Canvas, rng: np.random.Generator) -> None:
    """A scatter of fallen leaves."""
    for _ in range(rng.integers(14, 30)):
        at = rng.normal((0, 0.5), (0.28, 0.2))
        angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.07, 0.14)
        u = np.array((np.cos(angle), np.sin(angle))) * size
        v = np.array((-u[1], u[0])) * 0.4
        canvas.poly(smooth([at - u, at + v, at + u, at - v], 1), pick(rng, "a86a20 c89030 7a4a1c 8a8a30 b04a1c"))


def bush(canvas: Canvas, rng: np.random.Generator) -> None:
    """A round leafy shrub."""
    green = pick(rng, "3a6a2a 4a7a34 2e5a2c 5a7a34")
    half = rng.uniform(0.5, 0.9)
    _foliage(canvas, rng, (0, 0.48), half, 0.46, tone(green, 0.9))


def _foliage(
    canvas: Canvas,
    rng: np.random.Generator,
    center: tuple[float, float],
    rx: float,
    ry: float,
    green: tuple[float, float, float],
) -> None:
    """A crown of overlapping leaf clumps, lighter towards the light."""
    canvas.poly(_blob(rng, center, rx * 0.8, ry * 0.82, 0.04, 16), tone(green, 0.5))
    for _ in range(55):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * 0.86
        u = np.array((np.cos(angle), np.sin(angle))) * reach
        lit = 0.85 + 0.4 * (u[1] * 0.8 + u[0] * canvas.light * 0.5) + rng.normal(0, 0.1)
        at = (center[0] + u[0] * rx, center[1] + u[1] * ry)
        size = rng.uniform(0.1, 0.2) * ry * 1.6
        canvas.poly(_blob(rng, at, size, size * 0.8, 0.2, 9), tone(green, float(np.clip(lit, 0.45, 1.5))))


def tree(canvas: Canvas, rng: np.random.Generator) -> None:
    """A broad-leaved tree."""
    bark, green = pick(rng, "5a4634 4a3a2e 6a5844"), pick(rng, "3a6a2a 4a7a34 2e5a2c 6a8a34 a8782a")
    w = rng.uniform(0.03, 0.05)
    trunk = [(-w * 1.5, 0), (w * 1.5, 0), (w, 0.2), (w * 0.8, 0.6), (-w * 0.8, 0.6), (-w, 0.2)]
    canvas.poly(trunk, canvas.round_fill(bark, -w * 1.5, w * 1.5), rough=0.1)
    canvas.limb((0, 0.4), (0.16, 0.6), w, w * 0.6, bark)
    canvas.limb((0, 0.36), (-0.17, 0.58), w, w * 0.6, tone(bark, 0.8))
    _foliage(canvas, rng, (0, 0.68), rng.uniform(0.3, 0.45), 0.32, green)


def lamp_post(canvas: Canvas, rng: np.random.Generator) -> None:
    """A street lamp with an arm."""
    steel = pick(rng, "80868a 50565a a0a4a6 2c3a34")
    canvas.poly([(-0.022, 0), (0.022, 0), (0.014, 0.95), (-0.014, 0.95)], canvas.round_fill(steel, -0.022, 0.022))
    reach = rng.uniform(0.14, 0.24)
    canvas.stroke([(0, 0.93), (0.03, 0.985), (reach, 1.0)], 0.02, steel)
    canvas.poly(
        smooth([(reach - 0.03, 0.985), (reach + 0.06, 0.98), (reach + 0.05, 1.01), (reach - 0.02, 1.012)], 1),
        tone(steel, 0.8),
    )


def grass_tuft(canvas: Canvas, rng: np.random.Generator) -> None:
    """A tuft of grass blades."""
    for _ in range(rng.integers(22, 40)):
        x, lean = rng.normal(0, 0.22), rng.normal(0, 0.25)
        tall = rng.uniform(0.45, 1.0) * max(0.4, 1 - abs(x))
        blade = [(x - 0.035, 0), (x + 0.035, 0), (x + lean * 0.5 + 0.02, tall * 0.6), (x + lean, tall)]
        canvas.poly(blade, canvas.down_fill(pick(rng, "4a7a2a 6a8a34 3a6a28 8a8a40"), 0, 1, 0.5, 1.2))
