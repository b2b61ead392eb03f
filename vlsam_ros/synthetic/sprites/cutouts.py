"""Road hazards as paper cut-outs: layered rounded shapes in flat or softly shaded colours, as in a picture book.

No training sees these drawings; they measure whether kinds are known again when another hand has drawn them.

Drawings are in units of the standing thing's height: x to the right, y up from the ground.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue, 0-255."""

INK, RUBBER, STEEL, SNOW, GLASS = (38, 38, 46), (52, 52, 58), (158, 166, 174), (246, 244, 238), (150, 190, 208)
ORANGES = ((240, 106, 34), (228, 84, 44), (250, 134, 40), (214, 96, 60))
WOODS = ((190, 144, 92), (206, 168, 118), (160, 118, 78), (172, 150, 124))
CARTONS = ((198, 154, 104), (184, 136, 88), (214, 176, 130), (168, 128, 92))
PAINTS = ((196, 52, 48), (40, 92, 150), (236, 188, 62), (70, 130, 104), (232, 230, 224), (58, 62, 72), (128, 138, 150))
CLOTHES = ((40, 70, 110), (176, 66, 60), (66, 112, 84), (226, 178, 80), (96, 80, 118), (210, 204, 192), (60, 60, 66))
SKINS = ((244, 204, 172), (222, 170, 130), (168, 116, 80), (108, 72, 52))


def tone(colour: Colour, by: float) -> Colour:
    """``colour`` darker (``by`` < 1) or nearer to white (``by`` > 1)."""
    value = np.array(colour, float)
    value = value * by if by < 1 else value + (255 - value) * (by - 1)
    return as_colour(value)


def as_colour(value: np.ndarray) -> Colour:
    """Three numbers as a colour."""
    r, g, b = value.clip(0, 255).astype(int).tolist()
    return r, g, b


def rounded(points: np.ndarray, radius: float) -> np.ndarray:
    """A closed polygon (N, 2) with its corners cut into curves; a large ``radius`` makes a smooth blob."""
    arms = [np.roll(points, by, 0) - points for by in (1, -1)]
    lengths = [np.maximum(np.hypot(*arm.T)[:, None], 1e-6) for arm in arms]
    a, b = (points + arm * np.minimum(radius / length, 0.5) for arm, length in zip(arms, lengths, strict=True))
    t = np.linspace(0, 1, 6)[:, None]
    curve = a[:, None] * (1 - t) ** 2 + points[:, None] * 2 * t * (1 - t) + b[:, None] * t**2
    return curve.reshape(-1, 2)


Shape = str | Sequence[tuple[float, float] | np.ndarray] | np.ndarray
"""Points, or ``"x y, x y, ..."``."""


def shape_of(points: Shape) -> np.ndarray:
    """The points as an array (N, 2)."""
    flat = points.replace(",", " ").split() if isinstance(points, str) else points
    return np.array(flat, float).reshape(-1, 2)


def around(x: float, y: float, rx: float, ry: float, degrees: float) -> tuple[float, float]:
    """The point of an ellipse at an angle."""
    return x + rx * float(np.cos(np.radians(degrees))), y + ry * float(np.sin(np.radians(degrees)))


def arc(cx: float, cy: float, rx: float, ry: float, start: float = 0, end: float = 360) -> np.ndarray:
    """Points (N, 2) of an ellipse's arc, degrees counted from the right, upward."""
    angle = np.radians(np.linspace(start, end, 40, endpoint=abs(end - start) < 360))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], 1)


@dataclass
class Layer:
    """One piece of paper: a filled polygon, or a line where ``width`` > 0."""

    points: np.ndarray
    colour: Colour
    width: float
    closed: bool
    clip: bool
    drop: bool
    grad: str


class Sheet:
    """The pieces of one drawing, bottom one first, and the look that they share."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.layers: list[Layer] = []
        self.pose = np.eye(2)  # what the finished drawing goes through: a fall, a lean
        self.fit = True  # whether to scale the drawing to a height of one before the pose
        self.warp = np.eye(2, 3)  # what points go through when they are added
        self.gain = 0.0 if rng.random() < 0.4 else rng.uniform(0.1, 0.3)
        self.shadow, self.blur = rng.uniform(0.12, 0.4), bool(self.gain) or rng.random() < 0.3
        self.light = rng.choice((-1, 1))

    def u(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def pick(self, options: Sequence[Colour]) -> Colour:
        """One of the colours, slightly changed."""
        change = self.rng.normal(0, 10) + self.rng.normal(0, 3.5, 3)
        return as_colour(np.array(options[self.rng.integers(len(options))]) + change)

    def chance(self, share: float) -> bool:
        """True in ``share`` of the cases."""
        return bool(self.rng.random() < share)

    def fill(
        self,
        points: Shape,
        colour: Colour,
        r: float = 0.0,
        *,
        clip: bool = False,
        drop: bool = True,
        grad: str = "v",
    ) -> None:
        """Adds a polygon, corners rounded by ``r``; ``clip``: only on the last piece added without it.

        ``grad``: ``v`` darker below, ``h`` darker on one side, ``o`` darker on both sides.
        """
        shape = shape_of(points)
        self._add(rounded(shape, r) if r else shape, colour, 0.0, True, clip, drop, grad)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, r: float = 0.0, **how: bool | str
    ) -> None:
        """Adds a rectangle."""
        self.fill([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, r, **how)  # type: ignore[arg-type]

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour, **how: bool | str) -> None:
        """Adds an ellipse."""
        self.fill(arc(x, y, rx, ry), colour, **how)  # type: ignore[arg-type]

    def taper(
        self, w0: float, y0: float, w1: float, y1: float, colour: Colour, r: float = 0.0, **how: bool | str
    ) -> None:
        """Adds a piece that is 2 ``w0`` wide at the height ``y0`` and 2 ``w1`` at ``y1``."""
        self.fill([(-w0, y0), (w0, y0), (w1, y1), (-w1, y1)], colour, r, **how)  # type: ignore[arg-type]

    def line(
        self,
        points: Shape,
        width: float,
        colour: Colour,
        *,
        closed: bool = False,
        clip: bool = False,
        drop: bool = False,
    ) -> None:
        """Adds a line of one width."""
        self._add(shape_of(points), colour, width, closed, clip, drop, "v")

    def limb(self, points: Shape, widths: Sequence[float], colour: Colour, **how: bool) -> None:
        """Adds a bent band whose width changes from point to point."""
        p, half = shape_of(points), np.asarray(widths, float)[:, None] / 2
        along = np.gradient(p, axis=0)
        along /= np.maximum(np.hypot(*along.T)[:, None], 1e-6)
        side = along[:, ::-1] * (-1, 1) * half
        ends = along[[0, -1]] * half[[0, -1]] * 0.4 * ((-1,), (1,))
        p[[0, -1]] += ends
        self.fill(np.vstack([p + side, (p - side)[::-1]]), colour, float(half.min()) * 1.2, **how)

    def _add(
        self, points: np.ndarray, colour: Colour, width: float, closed: bool, clip: bool, drop: bool, grad: str
    ) -> None:
        points = points @ self.warp[:, :2].T + self.warp[:, 2]
        self.layers.append(Layer(points, colour, width, closed, clip, drop, grad))

    def _place(self) -> None:
        """Brings all pieces to their place: scaled, posed, not too broad, on the ground."""
        low, high = self._bounds()
        scale = 1 / (high[1] - low[1]) if self.fit else 1.0
        for layer in self.layers:
            layer.points = layer.points @ (self.pose * scale).T
            layer.width *= scale
        low, high = self._bounds()
        squeeze = np.array([min(1, 3.4 / (high[0] - low[0])), 1])
        for layer in self.layers:
            layer.points = (layer.points - low) * squeeze

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        solid = [layer for layer in self.layers if not layer.clip]
        low = np.min([layer.points.min(0) - layer.width / 2 for layer in solid], 0)
        return low, np.max([layer.points.max(0) + layer.width / 2 for layer in solid], 0)

    def render(self, height_px: float) -> np.ndarray:
        """The drawing as straight-alpha RGBA, cropped."""
        self._place()
        work = float(np.clip(height_px, 24, 300))
        factor = 3 if work < 60 else 2
        px = work * factor
        unit = px - 1  # the last row and column of pixels are filled too
        wide, tall = np.ceil((self._bounds()[1] * unit + 1) / factor - 1e-6).astype(int) * factor
        image, alpha = np.zeros((tall, wide, 3), np.uint8), np.zeros((tall, wide), np.uint8)
        base = alpha
        for i, layer in enumerate(self.layers):
            points = layer.points * (unit, -unit) + (0, tall - 1)
            mask, at = self._paint(layer, points, max(round(layer.width * px), 1), image, alpha, base, px)
            if not layer.clip and i + 1 < len(self.layers) and self.layers[i + 1].clip:
                base = np.zeros_like(alpha)
                base[at] = mask
        final = np.maximum(np.round(np.array([wide, tall]) * height_px / px), 1).astype(int)
        way = cv2.INTER_AREA if height_px < px else cv2.INTER_LINEAR
        image, alpha = (cv2.resize(part, final.tolist(), interpolation=way) for part in (image, alpha))
        straight = image * (255 / np.maximum(alpha, 1, dtype=np.float32))[..., None]
        out = np.dstack([straight.clip(0, 255).astype(np.uint8), alpha])
        rows, columns = (np.flatnonzero((alpha > 127).any(axis)) for axis in (1, 0))
        return out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else out

    def _paint(
        self,
        layer: Layer,
        points: np.ndarray,
        width: int,
        image: np.ndarray,
        alpha: np.ndarray,
        base: np.ndarray,
        px: float,
    ) -> tuple[np.ndarray, tuple[slice, slice]]:
        """Paints one piece, its shade on what lies below first; gives its mask and where in the image that is."""
        tall, wide = alpha.shape
        reach = max(int(px * 0.03), 1)
        margin = width // 2 + 2 + 2 * reach
        x0, y0 = np.maximum(points.min(0).astype(int) - margin, 0)
        x1, y1 = np.minimum(points.max(0).astype(int) + margin + 1, (wide, tall))
        at = slice(y0, max(y1, y0)), slice(x0, max(x1, x0))
        picture = image[at]
        mask = np.zeros(picture.shape[:2], np.uint8)
        if not mask.size:
            return mask, at
        fixed = np.round((points - (x0, y0)) * 16).astype(np.int32)[None]
        if layer.width:
            cv2.polylines(mask, fixed, layer.closed, 255, width, shift=4)
        else:
            cv2.fillPoly(mask, fixed, 255, shift=4)
        if layer.clip:
            mask &= base[at]
        if layer.drop and not layer.clip:
            shade = np.zeros_like(mask)
            step = reach * self.light
            shade[reach:, max(step, 0) : shade.shape[1] + min(step, 0)] = mask[
                :-reach, max(-step, 0) : shade.shape[1] - max(step, 0)
            ]
            if self.blur:
                shade = cv2.blur(shade, (2 * reach + 1, 2 * reach + 1))
            keep = 255 - cv2.convertScaleAbs(cv2.cvtColor(shade, cv2.COLOR_GRAY2BGR), alpha=self.shadow)
            picture[:] = cv2.multiply(picture, keep, scale=1 / 255)
        if self.gain and not layer.width:
            picture[:] = cv2.copyTo(self._gradient(layer, points - (x0, y0), mask.shape), mask, picture)
        else:
            picture[mask > 0] = layer.colour
        alpha[at] |= mask
        return mask, at

    def _gradient(self, layer: Layer, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The piece's colour with a soft change along one direction, (H, W, 3)."""
        axis = 1 if layer.grad == "v" else 0
        low, high = points[:, axis].min(), points[:, axis].max()
        t = (np.arange(shape[1 - axis]) - low) / max(high - low, 1.0) * 2 - 1
        change = {"v": -t, "h": -t * self.light, "o": 0.6 - 1.6 * np.abs(t + 0.25 * self.light) ** 2}[layer.grad]
        colours = (np.array(layer.colour) * (1 + self.gain * change)[:, None]).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(colours[:, None] if axis else colours[None], (*shape, 3)))

    def fall(self, degrees: float) -> None:
        """Turns the finished drawing to the left."""
        a = np.radians(degrees)
        self.pose = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ self.pose


Car = tuple[str, tuple[str, ...], tuple[float, float]]
CARS: tuple[Car, ...] = (  # outline and windows, seen from the side, nose to the right; wheels' places
    (
        "-1.4 .2, -1.42 .62, -1 .68, -.6 1, .2 1, .66 .66, 1.3 .58, 1.42 .42, 1.42 .2",
        ("-.82 .68, -.52 .92, -.2 .92, -.2 .66", "-.12 .66, -.12 .92, .16 .92, .5 .66"),
        (-0.9, 0.9),
    ),
    (
        "-1.2 .2, -1.24 .6, -1.08 .97, -.9 1, .15 1, .58 .68, 1.14 .58, 1.25 .42, 1.25 .2",
        ("-1.02 .66, -.92 .9, -.4 .91, -.4 .65", "-.32 .65, -.32 .91, .1 .91, .42 .65"),
        (-0.78, 0.8),
    ),
    (
        "-1.35 .2, -1.38 .95, -1.28 1, .6 1, .96 .68, 1.3 .58, 1.38 .4, 1.38 .2",
        ("-1.22 .64, -1.22 .9, -.5 .9, -.5 .64", "-.42 .64, -.42 .9, .1 .9, .1 .64", ".18 .64, .18 .9, .54 .9, .8 .64"),
        (-0.88, 0.9),
    ),
    (
        "-1.6 .24, -1.6 .62, -.4 .6, -.3 .96, -.2 1, .4 1, .74 .67, 1.44 .6, 1.52 .24",
        ("-.22 .66, -.18 .9, .1 .9, .1 .66", ".18 .66, .18 .9, .36 .9, .6 .66"),
        (-1.0, 0.98),
    ),
)


def car(s: Sheet) -> None:
    """From the side, from the front or behind, or from a corner."""
    paint = s.pick(PAINTS)
    view = s.rng.integers(4)
    glass = s.pick(((86, 112, 128), GLASS, (60, 72, 84), (190, 214, 220)))
    if view < 2:
        _car_side(s, paint, glass, CARS[s.rng.integers(len(CARS))])
    elif view == 2:
        _car_end(s, paint, glass)
    else:
        _car_corner(s, paint, glass, CARS[s.rng.integers(len(CARS))])


def _car_corner(s: Sheet, paint: Colour, glass: Colour, car: Car) -> None:
    """The side, and behind it to the right the nose."""
    outline, wheels = shape_of(car[0]), car[2]
    s.warp = np.array([[s.u(0.6, 0.72), 0, 0], [0.02, 1, 0]])
    deep = np.array([s.u(0.8, 1.0), s.u(0.08, 0.14)])
    s.oval(wheels[1] + deep[0], 0.2 + deep[1], 0.2, 0.2, RUBBER)
    roof = [i for i, (_, y) in enumerate(outline) if y == 1]
    edge = np.array([outline[roof[0]], *outline[roof[-1] :]])
    faces = [np.array([a, b, b + deep, a + deep]) for a, b in zip(edge[:-1], edge[1:], strict=True)]
    s.fill(np.vstack([edge, edge[::-1] + deep]), tone(paint, 0.85), 0.08)
    for i, face in enumerate(faces):
        s.fill(face, tone(paint, (1.3, 0.85, 1.2)[i] if i < 3 else 0.85), 0.02, drop=False)
    middle = faces[1].mean(0)
    s.fill(middle + (faces[1] - middle) * (0.84, 0.86), glass, 0.04, drop=False)
    s.line([middle + (-0.1, -0.2), middle + (0.1, 0.2)], 0.06, tone(glass, 1.3), clip=True)
    low, right = edge[-1], deep / deep[0]
    for k in (0.14, 0.8):
        at = low + right * k * deep[0]
        s.oval(at[0] + 0.02, at[1] + 0.23, 0.13, 0.075, (255, 244, 204), drop=False)
    for y, tall, colour in ((0.19, 0.1, INK), (0.05, 0.08, SNOW)):
        a, b = low + right * 0.32 * deep[0] + (0, y), low + right * 0.64 * deep[0] + (0, y)
        s.fill([a, b, b + (0, tall), a + (0, tall)], colour, 0.02, drop=False)
    _car_side(s, paint, glass, car)


def _car_side(s: Sheet, paint: Colour, glass: Colour, car: Car) -> None:
    outline, windows, wheels = car
    s.fill(outline, paint, 0.09)
    s.taper(2, 0, 2, 0.3, tone(paint, 0.72), clip=True, drop=False)
    s.line("-1.6 .56, 1.6 .5", 0.025, tone(paint, 1.4), clip=True)
    for x in wheels:
        s.oval(x, 0.23, 0.26, 0.26, tone(paint, 0.4), clip=True, drop=False)
    s.box(1.2, 0.44, 1.6, 0.54, (252, 236, 180), clip=True)
    s.box(-1.8, 0.46, -1.3, 0.58, (200, 40, 40), clip=True)
    for window in windows:
        s.fill(window, glass, 0.04, drop=False)
        s.line(shape_of(window)[[0, 2]], 0.03, tone(glass, 1.35), clip=True)
    s.line("-.16 .28, -.16 .64", 0.015, tone(paint, 0.6))
    s.line("-.08 .57, .04 .57", 0.03, tone(paint, 0.5))
    hub = s.pick((STEEL, (210, 214, 216), (96, 98, 104)))
    for x in wheels:
        s.oval(x, 0.2, 0.2, 0.2, RUBBER)
        s.oval(x, 0.2, 0.12, 0.12, hub, drop=False)
        s.oval(x, 0.2, 0.04, 0.04, tone(hub, 0.6), drop=False)


def _car_end(s: Sheet, paint: Colour, glass: Colour) -> None:
    w, back = s.u(0.56, 0.62), s.chance(0.5)
    for x in (-w + 0.03, w - 0.25):
        s.box(x, 0, x + 0.22, 0.35, RUBBER, 0.05, drop=False)
    s.fill(
        [(-w, 0.62), (-w * 0.74, 0.98), (-0.2, 1.01), (0.2, 1.01), (w * 0.74, 0.98), (w, 0.62)], tone(paint, 0.86), 0.08
    )
    s.fill([(-w * 0.88, 0.62), (-w * 0.68, 0.92), (w * 0.68, 0.92), (w * 0.88, 0.62)], glass, 0.05, drop=False)
    s.fill("-.3 .5, 0 .95, .14 .95, -.1 .5", tone(glass, 1.3), clip=True)
    s.fill([(-w, 0.16), (-w * 1.03, 0.5), (-w * 0.9, 0.64), (w * 0.9, 0.64), (w * 1.03, 0.5), (w, 0.16)], paint, 0.07)
    s.box(-1, 0.1, 1, 0.25, tone(paint, 0.5), clip=True)
    for side in (-1, 1):
        lamp = (206, 36, 40) if back else (255, 244, 200)
        s.oval(side * w * 0.76, 0.48, 0.13, 0.075, lamp, drop=False)
        s.oval(side * (w + 0.02), 0.63, 0.09, 0.05, tone(paint, 0.7))
    if not back:
        s.box(-w * 0.45, 0.38, w * 0.45, 0.52, INK, 0.04, drop=False)
    s.box(-0.17, 0.26, 0.17, 0.35, SNOW, 0.01, drop=False)


def pedestrian(s: Sheet) -> None:
    """Walking or standing; a coat, a dress or trousers; a few lie on the ground."""
    skin, hair = s.pick(SKINS), s.pick(((50, 36, 30), (120, 76, 40), (214, 176, 110), (150, 150, 150), (30, 28, 32)))
    top, legs, shoe = s.pick(CLOTHES), s.pick(CLOTHES), s.pick((INK, (240, 240, 236), (120, 70, 44)))
    side, stride = s.chance(0.5), s.u(0.08, 0.2)
    wide = s.u(0.9, 1.15)
    feet = (-stride, stride) if side else (-0.065, 0.065 + s.u(0, 0.04))
    swing = s.u(0.08, 0.17) if side else 0.03
    sleeve = tone(top, 0.85)
    if side:
        s.limb([(0, 0.79), (swing * 0.6, 0.62), (swing + 0.05, 0.48)], (0.075, 0.065, 0.05), tone(top, 0.7))
        s.oval(swing + 0.055, 0.465, 0.03, 0.03, skin, drop=False)
    for i, x in enumerate(feet):
        shade = tone(legs, 0.78) if i == 0 and side else legs
        knee = x * 0.5 + (0.045 if side else 0)
        hip = 0.0 if side else x * 0.75
        s.limb([(hip, 0.52), (knee, 0.28), (x, 0.04)], (0.13 * wide, 0.095, 0.07), shade)
        toe = 0.075 if side else 0.0
        s.fill(
            [(x - 0.045, 0), (x + 0.045 + toe, 0), (x + 0.04 + toe, 0.035), (x + 0.02, 0.07), (x - 0.045, 0.07)],
            shoe,
            0.025,
        )
    w = (0.09 if side else 0.135) * wide
    cut = s.rng.integers(3)
    hem, flare = ((0.46, 1.0), (0.33, 1.25), (0.3, 1.7))[cut]
    s.box(-0.03, 0.8, 0.035, 0.88, tone(skin, 0.85), drop=False)
    s.fill(
        [
            (-w * flare, hem),
            (w * flare, hem),
            (w * 0.82, 0.64),
            (w, 0.8),
            (w * 0.4, 0.845),
            (-w * 0.4, 0.845),
            (-w, 0.8),
            (-w * 0.82, 0.64),
        ],
        top,
        0.05,
    )
    if not side:
        s.line([(0, hem), (0, 0.84)], 0.015, tone(top, 0.7), clip=True)
        for hand in (-1, 1):
            x = hand * w
            out = s.u(0.02, 0.07)
            s.limb(
                [(x * 0.88, 0.79), (x + hand * out * 0.7, 0.63), (x + hand * out, 0.47)], (0.075, 0.065, 0.05), sleeve
            )
            s.oval(x + hand * out, 0.45, 0.03, 0.034, skin, drop=False)
    if s.chance(0.35):
        bag = s.pick(CLOTHES)
        if side:
            s.box(-w - 0.1, 0.57, -w * 0.3, 0.81, bag, 0.05)
        else:
            s.box(w * 0.6, 0.28, w * 0.6 + 0.17, 0.43, bag, 0.02)
            s.line(arc(w * 0.6 + 0.085, 0.43, 0.05, 0.05, 0, 180), 0.014, bag)
    if side:
        s.limb([(0, 0.79), (-swing * 0.7, 0.63), (-swing, 0.49)], (0.08, 0.07, 0.05), sleeve)
        s.oval(-swing, 0.47, 0.032, 0.032, skin, drop=False)
    long, back = s.chance(0.4), not side and s.chance(0.35)
    turn = 0.018 if side else 0.0
    if long:
        s.box(-0.075 - turn, 0.79, 0.075 - 2 * turn, 0.96, hair, 0.06)
    s.oval(turn, 0.918, 0.062, 0.08, hair if back else skin)
    if not back:
        s.fill(arc(-turn * 0.6, 0.925, 0.072, 0.082, 10 if side else 15, 200 if side else 165), hair, drop=False)
    if s.chance(0.25):
        hat = s.pick(CLOTHES)
        s.fill(arc(0, 0.955, 0.075, 0.07, 0, 180), hat)
        s.box(-0.08, 0.945, 0.08 + 4 * turn, 0.965, tone(hat, 0.7), 0.01)
    if s.chance(0.12):
        s.fall(s.u(80, 95) * s.light)


def bicycle(s: Sheet) -> None:
    """From the side, from the front, or lying."""
    paint, view = s.pick(PAINTS), s.rng.random()
    saddle = s.pick((INK, (130, 78, 48), (90, 60, 44)))
    r = s.u(0.31, 0.35)
    if view < 0.18:
        s.limb([(0, 0), (0, 2 * r)], (0.06, 0.06), RUBBER)
        s.line([(-0.05, r), (-0.05, 0.68), (0.05, 0.68), (0.05, r)], 0.03, paint, drop=True)
        s.box(-0.03, 0.64, 0.03, 0.96, paint, 0.02)
        s.line("-.28 .9, -.12 .96, .12 .96, .28 .9", 0.04, STEEL, drop=True)
        for x in (-0.28, 0.28):
            s.line([(x - 0.03, 0.895), (x + 0.03, 0.895)], 0.06, INK)
        s.box(-0.15, 0.34, 0.15, 0.37, INK, 0.01)
        s.oval(0, 0.8, 0.06, 0.06, (255, 240, 180))
        return
    rear, front = (-0.52, r), (0.54, r)
    for x, y in (rear, front):
        for a in range(0, 180, 36):
            dx, dy = r * np.cos(np.radians(a + 10)), r * np.sin(np.radians(a + 10))
            s.line([(x - dx, y - dy), (x + dx, y + dy)], 0.014, (176, 182, 186))
        s.line(arc(x, y, r - 0.025, r - 0.025), 0.05, RUBBER, closed=True)
        s.oval(x, y, 0.04, 0.04, STEEL, drop=False)
    crank, seat, head, low = (-0.08, 0.3), (-0.22, 0.76), (0.36, 0.84), (0.4, 0.7)
    if s.chance(0.5):
        for x, y in (rear, front):
            s.line(arc(x, y, r + 0.035, r + 0.035, 20, 150), 0.03, tone(paint, 0.8))
    thick = s.u(0.038, 0.055)
    s.line([rear, crank], thick * 0.8, paint)
    s.line([rear, (-0.19, 0.68)], thick * 0.7, paint)
    s.line([crank, seat], thick, paint, drop=True)
    s.line([crank, low], thick * 1.1, paint, drop=True)
    if s.chance(0.6):
        s.line("-.19 .67, .37 .79", thick, paint, drop=True)
    else:
        s.line("-.14 .48, .39 .74", thick, paint, drop=True)
    s.line([front, low, head], thick, tone(paint, 0.8), drop=True)
    s.line([seat, (-0.235, 0.83)], 0.03, STEEL)
    s.fill("-.38 .88, -.37 .82, -.06 .84, -.1 .87", saddle, 0.03)
    bars = ".36 .84, .34 .96, .2 .98" if s.chance(0.5) else ".36 .84, .36 .94, .48 .96, .52 .86, .42 .8"
    s.line(bars, 0.035, INK)
    s.oval(*crank, 0.075, 0.075, tone(STEEL, 0.7))
    s.line([(crank[0] - 0.06, crank[1] - 0.14), (crank[0] + 0.06, crank[1] + 0.14)], 0.025, INK)
    if s.chance(0.3):
        s.fill(".44 .6, .7 .6, .76 .84, .42 .84", s.pick(WOODS), 0.03)
        for x in (0.5, 0.58, 0.66):
            s.line([(x, 0.6), (x + 0.01, 0.84)], 0.012, (110, 80, 50), clip=True)
    if view > 0.82:
        s.pose = np.array([[1, s.u(-0.4, 0.4)], [s.u(-0.1, 0.1), s.u(0.42, 0.55)]])


def dog(s: Sheet) -> None:
    """Standing, trotting, sitting or lying."""
    fur = s.pick(
        ((170, 112, 62), (60, 48, 44), (226, 204, 168), (120, 84, 60), (200, 150, 90), (150, 148, 146), (240, 236, 228))
    )
    dark, patch = tone(fur, 0.72), s.pick((tone(fur, 0.5), tone(fur, 1.6), (246, 240, 228)))
    collar = s.pick(PAINTS)
    how = s.rng.random()
    ear, shaggy = s.chance(0.5), s.u(0.9, 1.15)
    if how < 0.55:  # standing or trotting
        step = s.u(0.0, 0.16)
        for x, d in ((-0.36, -step), (0.28, step)):
            s.limb([(x, 0.5), (x + d * 0.4 + 0.03, 0.25), (x + d, 0.03)], (0.17, 0.1, 0.08), dark)
        up = s.u(0.5, 0.95)
        s.limb([(-0.5, 0.62), (-0.68, (0.62 + up) / 2 - 0.04), (-0.76, up)], (0.1, 0.09 * shaggy, 0.05), fur)
        s.fill("-.56 .68, -.5 .4, -.1 .4, .2 .32, .42 .42, .48 .66, .36 .78, -.1 .7, -.42 .74", fur, 0.14)
        if s.chance(0.5):
            s.oval(s.u(-0.3, 0.1), 0.62, s.u(0.12, 0.25), 0.18, patch, clip=True)
        for x, d in ((-0.44, step), (0.36, -step)):
            s.limb([(x, 0.56), (x + d * 0.4 - 0.01, 0.26), (x + d, 0.04)], (0.2, 0.11, 0.085), fur)
            s.oval(x + d + 0.03, 0.035, 0.07, 0.036, fur, drop=False)
        hx, hy = 0.52, 0.84
        s.limb([(0.32, 0.62), (hx - 0.06, hy - 0.02)], (0.3 * shaggy, 0.2), fur, drop=False)
        s.line(".33 .76, .5 .64", 0.05, collar)
    elif how < 0.67:  # sitting, seen from the front
        s.limb(".2 .06, .36 .05, .46 .14", (0.1, 0.08, 0.05), dark)
        for side in (-1, 1):
            s.oval(side * 0.2, 0.15, 0.13, 0.15, dark)
            s.fill([(side * 0.16, 0), (side * 0.34, 0), (side * 0.32, 0.07), (side * 0.16, 0.08)], fur, 0.03)
        s.fill("-.2 .06, -.26 .4, -.17 .72, .17 .72, .26 .4, .2 .06", fur, 0.12)
        s.oval(0, 0.5, 0.11, 0.18, patch, clip=True)
        for side in (-1, 1):
            s.limb([(side * 0.11, 0.42), (side * 0.1, 0.2), (side * 0.1, 0.03)], (0.13, 0.1, 0.11), fur)
        s.limb("-.14 .63, 0 .6, .14 .63", (0.05, 0.05, 0.05), collar)
        for side in (-1, 1):
            if not ear:
                s.fill([(side * 0.17, 0.82), (side * 0.19, 1.04), (side * 0.04, 0.93)], dark, 0.03)
        s.oval(0, 0.8, 0.185, 0.17, fur)
        s.oval(0, 0.72, 0.1, 0.085, tone(fur, 1.3), drop=False)
        s.oval(0, 0.75, 0.045, 0.035, INK, drop=False)
        s.line("-.04 .69, 0 .7, .04 .69", 0.014, INK)
        for side in (-1, 1):
            s.oval(side * 0.075, 0.84, 0.023, 0.026, INK, drop=False)
            if ear:
                s.limb([(side * 0.15, 0.91), (side * 0.21, 0.8), (side * 0.2, 0.66)], (0.08, 0.1, 0.07), dark)
        return
    elif how < 0.84:  # sitting
        s.limb("-.3 .08, -.5 .06, -.62 .2", (0.1, 0.09, 0.05), dark)
        s.fill("-.36 .02, -.4 .28, -.2 .55, 0 .76, .2 .72, .24 .46, .16 .02", fur, 0.12)
        s.oval(0.16, 0.5, 0.1, 0.17, patch, clip=True)
        s.oval(-0.17, 0.2, 0.2, 0.2, fur)
        s.limb(".14 .46, .18 .2, .18 .03", (0.16, 0.1, 0.09), fur)
        s.fill("-.16 0, .02 0, .02 .06, -.16 .08", fur, 0.03)
        s.fill(".13 0, .3 0, .28 .06, .13 .08", fur, 0.03)
        hx, hy = 0.16, 0.86
        s.line("-.02 .74, .22 .68", 0.05, collar)
    else:  # lying
        s.fit = False
        s.limb("-.5 .1, -.78 .06, -.92 .12", (0.1, 0.08, 0.05), fur)
        s.fill("-.62 0, -.66 .24, -.46 .4, 0 .36, .34 .48, .5 .3, .46 0", fur, 0.14)
        s.oval(-0.42, 0.16, 0.2, 0.16, fur)
        s.limb(".36 .14, .5 .05, .78 .045", (0.18, 0.1, 0.08), fur)
        hx, hy = 0.48, 0.52
        s.line(".3 .4, .48 .33", 0.05, collar)
    if not ear:
        s.fill([(hx - 0.1, hy + 0.04), (hx - 0.1, hy + 0.22), (hx + 0.04, hy + 0.1)], dark, 0.03)
    s.limb([(hx, hy - 0.02), (hx + 0.15, hy - 0.05), (hx + 0.24, hy - 0.06)], (0.2, 0.13, 0.1), tone(fur, 0.94))
    s.oval(hx - 0.01, hy, 0.135, 0.125, fur, drop=False)
    s.oval(hx + 0.255, hy - 0.03, 0.035, 0.03, INK, drop=False)
    s.oval(hx + 0.06, hy + 0.03, 0.02, 0.022, INK, drop=False)
    if ear:
        s.fill(
            [(hx - 0.1, hy + 0.11), (hx + 0.0, hy + 0.1), (hx - 0.02, hy - 0.13), (hx - 0.12, hy - 0.14)], dark, 0.05
        )
    else:
        s.fill([(hx - 0.02, hy + 0.08), (hx + 0.02, hy + 0.24), (hx + 0.09, hy + 0.06)], fur, 0.03)


def stroller(s: Sheet) -> None:
    """A buggy or a pram from the side, a buggy from the front; a few have tipped over."""
    cloth, frame, kind = s.pick(CLOTHES), s.pick((STEEL, (60, 62, 68), (220, 220, 220))), s.rng.random()
    if kind < 0.3:  # pram
        for x in (-0.3, 0.3):
            s.line(arc(x, 0.2, 0.18, 0.18), 0.04, RUBBER, closed=True)
            for a in (0, 60, 120):
                dx, dy = 0.18 * np.cos(np.radians(a)), 0.18 * np.sin(np.radians(a))
                s.line([(x - dx, 0.2 - dy), (x + dx, 0.2 + dy)], 0.012, frame)
        s.line("-.3 .2, .26 .46", 0.035, frame)
        s.line(".3 .2, -.26 .46", 0.035, frame)
        s.line("-.3 .5, -.62 .84, -.7 .86", 0.035, frame)
        s.fill(arc(0.06, 0.64, 0.36, 0.36, 0, 115).tolist() + [(0.06, 0.64)], tone(cloth, 0.84))
        for a in (35, 75):
            s.line([(0.06, 0.64), around(0.06, 0.64, 0.4, 0.4, a)], 0.018, tone(cloth, 0.6), clip=True)
        s.fill("-.46 .66, -.36 .4, .26 .38, .44 .66", cloth, 0.12)
        s.line("-.5 .64, .5 .64", 0.035, tone(cloth, 1.5), clip=True)
    elif kind < 0.75:  # buggy from the side
        s.line("-.34 .12, .16 .52, .24 .52", 0.035, frame)
        s.line(".36 .12, -.1 .56, -.4 .95, -.52 .96", 0.04, frame, drop=True)
        s.line("-.56 .96, -.44 .96", 0.06, INK)
        s.fill("-.26 .26, .18 .24, .2 .32, -.26 .36", tone(cloth, 0.6), 0.02)
        s.fill("-.3 .78, -.2 .82, -.02 .5, .26 .48, .42 .26, .48 .28, .34 .56, 0 .6", tone(cloth, 0.75), 0.04)
        s.fill("-.26 .8, -.13 .43, .22 .42, .26 .6, .02 .6, -.12 .84", cloth, 0.05)
        s.fill([(-0.22, 0.7), *arc(-0.16, 0.7, 0.4, 0.29, 22, 165).tolist()], tone(cloth, 0.9), 0.02)
        for a in (45, 90, 120):
            s.line([(-0.16, 0.66), around(-0.16, 0.66, 0.45, 0.33, a)], 0.018, tone(cloth, 0.6), clip=True)
        for x in (-0.34, 0.36):
            s.oval(x, 0.12, 0.12, 0.12, RUBBER)
            s.oval(x, 0.12, 0.06, 0.06, frame, drop=False)
    else:  # from the front
        s.line("-.24 .9, -.2 .97, .2 .97, .24 .9", 0.04, INK)
        for side in (-1, 1):
            s.line([(side * 0.24, 0.92), (side * 0.22, 0.5), (side * 0.26, 0.1)], 0.04, frame)
            s.box(side * 0.26 - 0.045, 0, side * 0.26 + 0.045, 0.22, RUBBER, 0.04)
        s.box(-0.24, 0.32, 0.24, 0.8, tone(cloth, 0.7), 0.08)
        s.taper(0.16, 0.34, 0.14, 0.72, tone(cloth, 1.3), 0.08)
        if s.chance(0.5):
            s.oval(0, 0.66, 0.08, 0.085, s.pick(SKINS))
            s.box(-0.11, 0.36, 0.11, 0.58, s.pick(CLOTHES), 0.07)
        s.fill(
            [(-0.26, 0.64), *arc(0, 0.7, 0.27, 0.24, 180, 0).tolist(), (0.26, 0.64), (0.18, 0.74), (-0.18, 0.74)],
            cloth,
            0.03,
        )
        s.box(-0.21, 0.2, 0.21, 0.36, cloth, 0.05)
        s.box(-0.16, 0.1, 0.16, 0.15, frame, 0.02)
    if s.chance(0.12):
        s.pose = np.array([[1, s.u(-0.4, 0.4)], [s.u(-0.1, 0.1), s.u(0.45, 0.6)]])


def traffic_cone(s: Sheet) -> None:
    """Broad or slim, with no, one or two bands; some lie or are bent."""
    paint = s.pick(ORANGES) if s.chance(0.8) else s.pick(((236, 200, 40), (196, 40, 44), (120, 190, 60)))
    base = paint if s.chance(0.5) else s.pick((INK, (60, 60, 64)))
    band, w, tip, bend = s.pick((SNOW, (226, 228, 230))), s.u(0.2, 0.29), s.u(0.035, 0.06), 0.0
    if s.chance(0.15):
        bend = s.u(0.12, 0.3) * s.light
    foot = w + s.u(0.08, 0.14)
    s.fill([(-foot, 0.0), (foot, 0), (foot, 0.05), (foot - 0.07, 0.1), (-foot + 0.07, 0.1), (-foot, 0.05)], base, 0.03)
    s.fill(
        [
            (-w, 0.08),
            (w, 0.08),
            (w * 0.55 + bend * 0.2, 0.5),
            (tip + bend, 1),
            (-tip + bend, 1),
            (-w * 0.55 + bend * 0.2, 0.5),
        ],
        paint,
        0.025,
        grad="o",
    )
    for y, tall in ((), ((0.45, 0.2),), ((0.32, 0.15), (0.62, 0.13)), ((0.3, 0.3),))[s.rng.integers(4)]:
        x = bend * y * 0.6
        curve = shape_of("-.4 .03, -.15 0, 0 -.01, .15 0, .4 .03") + (x, y)
        s.fill(np.vstack([curve, curve[::-1] + (0, tall)]), band, clip=True, grad="o")
    s.oval(bend, 0.985, tip * 0.7, 0.014, tone(paint, 0.5), drop=False)
    if s.chance(0.25):
        s.fall(s.u(100, 112) * s.light)


def bollard(s: Sheet) -> None:
    """A post of plastic, steel, stone or wood; some lean or lie."""
    kind, w = s.rng.integers(5), s.u(0.07, 0.13)
    if kind == 0:  # flexible post with bands
        paint = s.pick((*ORANGES, (60, 140, 80), (230, 190, 50)))
        w *= 0.75
        s.taper(w * 2.2, 0, w * 1.6, 0.07, INK, 0.02)
        s.box(-w, 0.05, w, 1, paint, 0.05, grad="o")
        for y in (0.6, 0.78):
            s.box(-w, y, w, y + 0.1, SNOW, clip=True, grad="o")
    elif kind == 1:  # steel or painted post with a head
        paint = s.pick(((58, 64, 70), (40, 70, 60), STEEL, (120, 40, 44)))
        s.box(-w * 1.4, 0, w * 1.4, 0.08, tone(paint, 0.8), 0.02, grad="o")
        s.box(-w, 0.06, w, 0.86, paint, 0.02, grad="o")
        s.box(-w * 1.2, 0.74, w * 1.2, 0.8, tone(paint, 1.25), 0.02, grad="o")
        s.oval(0, 0.88, w * 1.15, 0.12, paint, grad="o")
    elif kind == 2:  # round post, slanting or domed top, a band
        paint = s.pick(((236, 196, 50), (226, 226, 222), (190, 44, 48), STEEL))
        s.fill([(-w, 0), (w, 0), (w, 0.9), *arc(0, 0.9, w, 0.1, 0, 180).tolist(), (-w, 0.9)], paint, grad="o")
        band = s.pick((INK, (200, 40, 44), SNOW))
        for y in ((0.66,), (0.3, 0.55, 0.8))[s.rng.integers(2)]:
            s.box(-w, y, w, y + 0.12, band, clip=True, grad="o")
    elif kind == 3:  # stone
        paint = s.pick(((176, 172, 164), (150, 146, 140), (204, 196, 180)))
        w *= 1.5
        s.fill(
            [(-w * 1.15, 0), (w * 1.15, 0), (w * 0.85, 0.9), (w * 0.5, 1), (-w * 0.5, 1), (-w * 0.85, 0.9)],
            paint,
            0.06,
            grad="o",
        )
        s.line("-.4 .8, .4 .8", 0.03, tone(paint, 0.7), clip=True)
    else:  # wood, square, slanted top seen from a corner
        wood = s.pick(WOODS)
        s.fill([(-w, 0), (w * 0.3, 0), (w * 0.3, 0.9), (-w, 0.93)], wood, 0.01)
        s.fill([(w * 0.3, 0), (w, 0.03), (w, 0.94), (w * 0.3, 0.9)], tone(wood, 0.7), 0.01, drop=False)
        s.fill([(-w, 0.93), (w * 0.3, 0.9), (w, 0.94), (-w * 0.2, 1)], tone(wood, 1.3), 0.01, drop=False)
        s.fill([(-w, 0.72), (w * 0.3, 0.7), (w * 0.3, 0.8), (-w, 0.82)], (220, 50, 46), drop=False)
        s.fill([(w * 0.3, 0.7), (w, 0.73), (w, 0.83), (w * 0.3, 0.8)], (160, 36, 36), drop=False)
    tilt = s.rng.random()
    if tilt < 0.25:
        s.fall(s.u(-22, 22) if tilt > 0.1 else s.u(84, 92) * s.light)


def barrel(s: Sheet) -> None:
    """A road works drum or an oil drum, standing or lying."""
    works, w = s.chance(0.5), s.u(0.3, 0.38)
    if works:
        paint = s.pick(ORANGES)
        s.taper(w * 1.3, 0, w * 1.2, 0.09, INK, 0.04)
        s.taper(w * 1.05, 0.07, w * 0.86, 0.92, paint, 0.03, grad="o")
        for y in (0.2, 0.42, 0.64)[s.rng.integers(2) :]:
            s.fill(
                np.vstack([arc(0, y, 0.5, 0.05, 180, 360), arc(0, y + 0.12, 0.5, 0.05, 360, 180)]),
                SNOW,
                clip=True,
                grad="o",
            )
        for y in (0.38, 0.6):
            s.line(arc(0, y, 0.5, 0.05, 180, 360), 0.02, tone(paint, 0.7), clip=True)
        s.taper(w * 0.88, 0.9, w * 0.7, 0.96, tone(paint, 0.9), 0.03)
        s.line("-.1 .95, -.07 .99, .07 .99, .1 .95", 0.035, tone(paint, 0.8))
    else:
        paint = s.pick(((44, 92, 150), (60, 120, 92), (186, 60, 50), (110, 84, 66), (230, 180, 50), (70, 74, 80)))
        s.fill(np.vstack([arc(0, 0.08, w, 0.08, 180, 360), arc(0, 0.9, w, 0.08, 0, 180)]), paint, grad="o")
        for y in (0.34, 0.62):
            s.line(arc(0, y, w, 0.08, 180, 360), 0.04, tone(paint, 0.72), clip=True)
            s.line(arc(0, y + 0.03, w, 0.08, 180, 360), 0.015, tone(paint, 1.4), clip=True)
        if s.chance(0.4):
            s.fill("-.13 .38, 0 .25, .13 .38, 0 .51", (250, 210, 60), drop=False)
        if s.chance(0.4):
            s.fill(
                [(-w, 0), (-w * 0.1, 0), (-w * 0.4, 0.14), (-w * 0.7, 0.2), (-w, 0.34)], (130, 74, 44), 0.06, clip=True
            )
        s.oval(0, 0.9, w, 0.085, tone(paint, 1.2), drop=False)
        s.oval(0, 0.9, w * 0.86, 0.065, tone(paint, 0.8), drop=False)
        s.oval(w * 0.4, 0.9, 0.05, 0.02, INK, drop=False)
    if s.chance(0.25):
        s.fall(s.u(84, 96) * s.light)


def barrier(s: Sheet) -> None:
    """A striped board on legs, several boards, or a plastic or concrete block."""
    dark = s.pick(((206, 40, 44), (232, 100, 36), (206, 40, 44)))
    kind, w = s.rng.integers(4), s.u(0.6, 1.0)
    lean, pitch = s.u(0.1, 0.25) * s.light, s.u(0.2, 0.32)

    def stripes(y0: float, y1: float) -> None:
        s.box(-w, y0, w, y1, SNOW, 0.03)
        for x in np.arange(-w - 0.3, w + 0.3, pitch):
            s.fill([(x, y0), (x + pitch / 2, y0), (x + pitch / 2 + lean, y1), (x + lean, y1)], dark, clip=True)

    if kind < 2:
        leg = s.pick((STEEL, (232, 190, 60), (240, 240, 236), (70, 72, 78)))
        for x in (-w * 0.75, w * 0.75):
            if kind:
                s.line([(x - 0.16, 0.03), (x, 0.95), (x + 0.16, 0.03)], 0.06, leg, drop=True)
            else:
                s.box(x - 0.035, 0.04, x + 0.035, 0.96, leg, 0.02)
                s.box(x - 0.2, 0, x + 0.2, 0.08, INK, 0.03)
        boards = (((0.66, 0.94),), ((0.7, 0.92), (0.34, 0.54)), ((0.74, 0.92), (0.5, 0.66), (0.26, 0.42)))
        for y0, y1 in boards[s.rng.integers(3)]:
            stripes(y0, y1)
        if s.chance(0.4):
            for x in (-w * 0.75, w * 0.75):
                s.oval(x, 1.0, 0.07, 0.075, (250, 190, 50))
                s.oval(x, 1.01, 0.035, 0.04, (255, 232, 160), drop=False)
    else:
        paint = (
            s.pick(((178, 176, 170), (196, 190, 178))) if kind == 2 else s.pick(((212, 52, 48), SNOW, (240, 110, 40)))
        )
        w = s.u(1.0, 1.4)
        end = s.u(0.2, 0.3)
        s.fill(
            [(w, 0), (w + end, 0.06), (w + end * 0.7, 0.5), (w + end * 0.55, 0.98), (w, 0.98)], tone(paint, 0.7), 0.02
        )
        s.taper(w, 0, w, 0.98, paint, 0.03)
        s.taper(2, 0.34, 2, 0.52, tone(paint, 1.3), clip=True)
        s.taper(2, 0, 2, 0.16, tone(paint, 0.82), clip=True)
        if kind == 2:
            for x in (-w * 0.5, w * 0.5):
                s.box(x - 0.14, -0.02, x + 0.14, 0.1, INK, 0.03, clip=True)
            if s.chance(0.6):
                s.box(-w, 0.68, w, 0.86, SNOW, drop=False)
                for x in np.arange(-w - 0.3, w, 0.3):
                    s.fill([(x, 0.68), (x + 0.15, 0.68), (x + 0.3, 0.86), (x + 0.15, 0.86)], dark, clip=True)
        else:
            for x in (-w * 0.5, w * 0.5):
                s.box(x - 0.16, 0.6, x + 0.16, 0.76, tone(paint, 0.62), 0.06, drop=False)
            s.line("0 0, 0 1", 0.025, tone(paint, 0.6))
            s.box(-w, 0.94, w, 1.0, tone(paint, 1.25), 0.03)
    if kind < 2 and s.chance(0.15):
        s.pose = np.array([[1, s.u(-0.5, 0.5)], [0.0, s.u(0.3, 0.45)]])


def warning_sign(s: Sheet) -> None:
    """A triangle or a diamond on a post or a folding stand; some lie."""
    kind, base = s.rng.integers(3), s.rng.integers(3)
    if base == 0:
        s.box(-0.025, 0.03, 0.025, 0.6, STEEL, grad="o")
        s.box(-0.22, 0, 0.22, 0.07, s.pick((INK, (210, 90, 40))), 0.03)
    elif base == 1:
        s.line("-.3 .02, 0 .42, .3 .02", 0.035, (70, 72, 78))
        s.line("-.12 .02, 0 .42, .12 .02", 0.03, STEEL)
    else:
        for x in (-0.2, 0.2):
            s.box(x - 0.025, 0, x + 0.025, 0.5, (80, 82, 88), 0.01)
        s.line("-.24 .12, .24 .12", 0.04, (80, 82, 88))
    if kind == 0:
        y, face, w = 0.34, s.pick((SNOW, (252, 206, 60))), s.u(0.36, 0.42)
        s.fill([(-w, y), (w, y), (0, 1.04)], (204, 36, 40), 0.08, drop=False)
        s.fill([(-w * 0.66, y + 0.1), (w * 0.66, y + 0.1), (0, 0.85)], face, 0.05, drop=False, grad="h")
        mid = y + 0.2
    else:
        face = s.pick(((248, 150, 40), (250, 204, 48), (240, 120, 36)))
        r = s.u(0.36, 0.4)
        mid = 1 - r
        for part, colour in ((1.0, face), (0.93, INK), (0.86, face)):
            k = r * part
            s.fill([(-k, mid), (0, mid - k), (k, mid), (0, mid + k)], colour, 0.06, drop=part == 1)
        mid -= 0.04
    mark = s.rng.integers(3)
    if mark == 0:
        s.fill(
            [(-0.04, mid + 0.24), (0.04, mid + 0.24), (0.022, mid + 0.03), (-0.022, mid + 0.03)], INK, 0.01, drop=False
        )
        s.oval(0, mid - 0.03, 0.035, 0.035, INK, drop=False)
    elif mark == 1:
        s.oval(0.02, mid + 0.18, 0.04, 0.04, INK, drop=False)
        s.line([(0.0, mid + 0.12), (-0.03, mid + 0.02), (-0.1, mid - 0.06)], 0.045, INK)
        s.line([(-0.02, mid + 0.03), (0.05, mid - 0.06)], 0.04, INK)
        s.fill([(0.06, mid - 0.06), (0.2, mid - 0.06), (0.13, mid + 0.05)], INK, drop=False)
    else:
        s.line([(-0.07, mid - 0.05), (-0.07, mid + 0.05), (0.06, mid + 0.1), (0.06, mid + 0.2)], 0.045, INK)
        s.fill([(-0.01, mid + 0.17), (0.13, mid + 0.17), (0.06, mid + 0.28)], INK, drop=False)
    tip = s.rng.random()
    if tip < 0.2:
        s.fall(s.u(-10, 10) if tip < 0.08 else s.u(78, 98) * s.light)


def trash_bin(s: Sheet) -> None:
    """A bin on wheels, a park bin or a bin with a domed lid; some have fallen."""
    kind = s.rng.integers(4)
    paint = s.pick(((62, 96, 70), (70, 74, 80), (44, 84, 140), (130, 90, 60), (226, 186, 60), (40, 42, 46)))
    lid = paint if s.chance(0.5) else s.pick(((230, 190, 60), (150, 50, 46), (60, 110, 160)))
    if kind == 0:  # on wheels, from the front
        w = s.u(0.25, 0.32)
        for x in (-w * 0.8, w * 0.8):
            s.box(x - 0.05, 0, x + 0.05, 0.17, INK, 0.03, drop=False)
        s.taper(w * 0.8, 0.03, w, 0.86, paint, 0.05)
        s.taper(w * 0.5, 0.12, w * 0.62, 0.7, tone(paint, 0.85), 0.04, drop=False)
        s.fill(
            [(-w * 1.1, 0.84), (w * 1.1, 0.84), (w * 1.02, 0.97), (w * 0.6, 1), (-w * 0.6, 1), (-w * 1.02, 0.97)],
            lid,
            0.03,
        )
        s.oval(0, 0.5, 0.08, 0.08, tone(paint, 1.6), drop=False)
    elif kind == 1:  # on wheels, from the side or a corner
        s.fill("-.24 .08, .2 .02, .34 .86, -.3 .86", paint, 0.04)
        s.fill(".1 0, .5 0, .5 1, .16 1", tone(paint, 0.75), clip=True)
        s.oval(-0.2, 0.12, 0.12, 0.12, INK)
        s.oval(-0.2, 0.12, 0.05, 0.05, STEEL, drop=False)
        up = s.u(0, 0.5) if s.chance(0.3) else 0.0
        s.fill([(-0.34, 0.84), (0.38, 0.84 + up), (0.37, 0.9 + up), (-0.05, 0.99 + up * 0.5), (-0.33, 0.95)], lid, 0.04)
        s.line("-.33 .86, -.44 .88, -.42 .94, -.32 .94", 0.035, tone(paint, 0.6))
    elif kind == 2:  # park bin of slats
        w = s.u(0.28, 0.36)
        s.box(-w * 0.6, 0, w * 0.6, 0.1, INK, 0.02)
        s.taper(w * 0.86, 0.06, w, 0.9, tone(paint, 0.5), 0.03, grad="o")
        slat = s.pick((*WOODS, paint))
        for i in range(6):
            x = (i - 2.5) / 3
            s.fill(
                [
                    (x * w * 0.86 - 0.032, 0.1),
                    (x * w * 0.86 + 0.032, 0.1),
                    (x * w + 0.038, 0.86),
                    (x * w - 0.038, 0.86),
                ],
                slat,
                clip=True,
            )
        for y in (0.22, 0.74):
            s.line([(-1, y), (1, y)], 0.035, INK, clip=True)
        s.fill(arc(0, 0.9, w * 1.05, 0.07), tone(paint, 0.8))
        s.oval(0, 0.91, w * 0.8, 0.045, INK, drop=False)
        if s.chance(0.4):
            s.fill("-.15 .9, -.12 1.03, 0 .97, .08 1.06, .16 .9", SNOW, 0.04)
    else:  # domed lid with a flap
        w = s.u(0.26, 0.33)
        s.taper(w, 0, w, 0.7, paint, 0.05, grad="o")
        s.fill(
            [(-w * 1.05, 0.68), (w * 1.05, 0.68), *arc(0, 0.72, w * 1.05, 0.28, 0, 180).tolist()], lid, 0.02, grad="o"
        )
        s.box(-w * 0.55, 0.74, w * 0.55, 0.88, INK, 0.04, drop=False)
        s.box(-w * 0.5, 0.79, w * 0.5, 0.87, tone(lid, 0.75), 0.03, drop=False)
        s.box(-0.1, 0.28, 0.1, 0.5, SNOW, 0.02, drop=False)
        s.line("-1 .06, 1 .06", 0.03, tone(paint, 0.6), clip=True)
    if s.chance(0.2):
        s.fall(s.u(82, 96) * s.light)


def cardboard_box(s: Sheet) -> None:
    """Closed with tape or open with flaps, from the front or from a corner, whole or crushed."""
    paper, w, tape = s.pick(CARTONS), s.u(0.5, 0.85), s.pick(((222, 200, 150), (196, 164, 110), (120, 84, 54)))
    open_, d = s.chance(0.5), s.u(0.15, 0.45)
    top = s.u(0.12, 0.25)
    h = 1 - top
    dent = s.u(0.05, 0.16) if s.chance(0.25) else 0.0
    inside = tone(paper, 0.5)
    back = [(-w + d, 1.0), (w + d, 1.0)]
    if open_:
        flap = s.u(0.14, 0.3)
        s.fill([back[0], back[1], (w + d + 0.05, 1 + flap * 0.7), (-w + d + 0.05, 1 + flap)], tone(paper, 0.86), 0.02)
        s.fill([(-w, h), (w, h), back[1], back[0]], inside)
        s.fill(
            [(w, h), (w + d, 1), (w + d + flap, 1 - flap * 0.2), (w + flap * 1.2, h - flap * 0.3)],
            tone(paper, 0.95),
            0.02,
        )
        s.fill(
            [(-w, h), (-w + d, 1), (-w + d - flap, 1 + flap * 0.4), (-w - flap, h + flap * 0.3)], tone(paper, 1.2), 0.02
        )
    else:
        s.fill([(-w, h), (w, h - dent), back[1], back[0]], tone(paper, 1.25), 0.01)
        s.fill([(-0.08, h - 0.1), (0.08, h - 0.1), (0.08 + d, 1), (-0.08 + d, 1)], tape, clip=True)
    s.fill([(w, 0), (w + d, top * 0.9), (w + d, 1.0), (w, h - dent)], tone(paper, 0.68), 0.01, drop=False)
    s.fill([(-w, 0), (w - dent * 0.6, 0), (w, h - dent), (dent, h - dent * 0.4), (-w, h)], paper, 0.015, drop=False)
    if not open_:
        s.fill([(-0.08, h * 0.72), (0.08, h * 0.7), (0.08, 1), (-0.08, 1)], tape, clip=True, drop=False)
    elif s.chance(0.6):
        flap = s.u(0.12, 0.25)
        s.fill([(-w, h), (w, h), (w + 0.06, h - flap), (-w - 0.04, h - flap * 0.8)], tone(paper, 1.15), 0.02)
    print_ = s.rng.integers(4)
    if print_ == 0:
        for x in (w * 0.45, w * 0.7):
            s.line([(x, 0.1), (x, 0.3)], 0.03, (90, 60, 40))
            s.fill([(x - 0.06, 0.26), (x + 0.06, 0.26), (x, 0.36)], (90, 60, 40), drop=False)
    elif print_ == 1:
        s.box(-w * 0.75, 0.12, -w * 0.1, 0.34, SNOW, 0.01, drop=False)
        s.line([(-w * 0.68, 0.26), (-w * 0.25, 0.26)], 0.025, (120, 120, 120))
    if dent:
        s.line([(w * 0.2, h * 0.9), (w * 0.5, h * 0.5), (w * 0.8, h * 0.55)], 0.02, tone(paper, 0.7))


def suitcase(s: Sheet) -> None:
    """A hard shell on wheels, a cloth one, an old one with straps; standing or lying."""
    paint = s.pick((*PAINTS, (236, 150, 140), (96, 60, 120), (60, 160, 160)))
    kind = s.rng.integers(4)
    if kind < 2:  # hard shell; from the front or a corner
        w, d = s.u(0.28, 0.34), (0.0, s.u(0.1, 0.18))[kind]
        high, wheel = s.u(0.74, 0.84), INK
        s.line(
            [(-0.12 + d / 2, high), (-0.12 + d / 2, 0.98), (0.12 + d / 2, 0.98), (0.12 + d / 2, high)],
            0.035,
            (90, 92, 98),
        )
        s.line([(-0.14 + d / 2, 0.98), (0.14 + d / 2, 0.98)], 0.05, INK)
        for x in (-w * 0.75, w * 0.75, w * 0.75 + d):
            s.box(x - 0.04, 0, x + 0.04, 0.08, wheel, 0.03, drop=False)
        if d:
            s.box(w - 0.15, 0.08, w + d, high - 0.02, tone(paint, 0.66), 0.07)
        s.box(-w, 0.05, w, high, paint, 0.09)
        for x in np.linspace(-w * 0.66, w * 0.66, int(s.rng.integers(3, 6))):
            s.line([(x, 0.12), (x, high - 0.08)], 0.03, tone(paint, 0.78), clip=True)
            s.line([(x + 0.02, 0.12), (x + 0.02, high - 0.08)], 0.012, tone(paint, 1.35), clip=True)
        s.line([(-0.09, high + 0.01), (0.09, high + 0.01)], 0.035, INK)
    elif kind == 2:  # cloth, with pockets
        w = s.u(0.28, 0.34)
        s.line("-.13 .8, -.13 .98, .13 .98, .13 .8", 0.035, STEEL)
        for x in (-w * 0.7, w * 0.7):
            s.oval(x, 0.05, 0.05, 0.05, INK, drop=False)
        s.box(-w, 0.04, w, 0.83, paint, 0.06)
        s.box(-w * 0.8, 0.1, w * 0.8, 0.44, tone(paint, 0.85), 0.05)
        s.box(-w * 0.8, 0.5, w * 0.8, 0.74, tone(paint, 0.85), 0.05)
        for y in (0.4, 0.7):
            s.line([(-w * 0.7, y), (w * 0.7, y)], 0.018, tone(paint, 1.5))
        s.line(arc(0, 0.83, 0.1, 0.05, 0, 180), 0.03, INK)
        s.line([(w * 0.45, 0.82), (w * 0.5, 0.68)], 0.014, SNOW)
        s.box(w * 0.4, 0.58, w * 0.65, 0.7, s.pick(CLOTHES), 0.02)
    else:  # old, broad, with straps and corners
        w, leather = s.u(0.62, 0.78), s.pick(((150, 96, 60), (120, 70, 46), (86, 96, 80), (170, 60, 54), (60, 74, 100)))
        s.line("-.16 .86, -.13 .96, .13 .96, .16 .86", 0.06, tone(leather, 0.5))
        s.box(-w, 0, w, 0.88, leather, 0.07)
        for x in (-w * 0.55, w * 0.55):
            s.box(x - 0.055, -0.1, x + 0.055, 1, tone(leather, 0.6), clip=True)
        for x, y in ((-w, 0), (w, 0), (-w, 0.88), (w, 0.88)):
            s.oval(x, y, 0.16, 0.16, tone(leather, 0.6), clip=True)
        s.line([(-w, 0.52), (w, 0.52)], 0.02, tone(leather, 0.45), clip=True)
        for x in (-w * 0.55, w * 0.55):
            s.box(x - 0.05, 0.55, x + 0.05, 0.66, (222, 186, 90), 0.01, drop=False)
    if kind < 3 and s.chance(0.25):
        s.fall(s.u(86, 94) * s.light)


def tire(s: Sheet) -> None:
    """Standing, seen from its side or its tread, lying, or a stack."""
    rubber, kind = s.pick((RUBBER, (40, 40, 44), (72, 70, 70))), s.rng.random()
    groove = tone(rubber, 0.5)

    def lying(y: float, tall: float, r: float, x: float) -> None:
        ry = r * 0.3
        s.fill(
            np.vstack([arc(x, y + ry, r, ry, 180, 360), arc(x, y + ry + tall, r, ry, 0, 180)]), rubber, 0.03, grad="o"
        )
        for a in range(190, 360, 20):
            px, py = x + r * np.cos(np.radians(a)), y + ry + ry * np.sin(np.radians(a))
            s.line([(px, py + 0.02), (px + 0.03, py + tall * 0.8)], 0.022, groove, clip=True)
        s.oval(x, y + ry + tall, r * 0.96, ry * 0.94, tone(rubber, 1.22), drop=False)
        s.oval(x, y + ry + tall, r * 0.62, ry * 0.6, tone(rubber, 0.35), drop=False)

    if kind < 0.35:  # from its side
        s.oval(0, 0.5, 0.5, 0.5, rubber)
        for a in range(0, 360, 15):
            c, q = np.cos(np.radians(a)), np.sin(np.radians(a))
            s.line([(0.45 * c, 0.5 + 0.45 * q), (0.52 * c, 0.5 + 0.52 * q)], 0.03, groove, clip=True)
        s.line(arc(0, 0.5, 0.42, 0.42), 0.018, tone(rubber, 1.25), closed=True)
        if s.chance(0.5):
            hub = s.pick((STEEL, (210, 212, 214), (120, 120, 126)))
            s.oval(0, 0.5, 0.28, 0.28, hub)
            for a in range(18, 378, 72):
                s.oval(0.17 * np.cos(np.radians(a)), 0.5 + 0.17 * np.sin(np.radians(a)), 0.055, 0.055, INK, drop=False)
            s.oval(0, 0.5, 0.06, 0.06, tone(hub, 0.7), drop=False)
        else:
            s.oval(0, 0.5, 0.28, 0.28, tone(rubber, 1.3), drop=False)
            s.oval(0.02, 0.5, 0.25, 0.25, s.pick(((24, 24, 28), (96, 94, 92))), drop=False)
    elif kind < 0.6:  # from a corner
        k, t = s.u(0.3, 0.4), s.u(0.2, 0.3)
        s.fill(np.vstack([arc(t, 0.5, k, 0.5, -90, 90), arc(0, 0.5, k, 0.5, 90, 270)]), tone(rubber, 0.8), grad="v")
        for a in range(-80, 90, 16):
            c, q = np.cos(np.radians(a)), np.sin(np.radians(a))
            s.line([(k * c + 0.02, 0.5 + 0.5 * q), (k * c + t * 0.9, 0.5 + 0.49 * q)], 0.025, groove, clip=True)
        s.oval(0, 0.5, k, 0.5, tone(rubber, 1.2), drop=False)
        s.oval(0.01, 0.5, k * 0.6, 0.3, tone(rubber, 0.55), drop=False)
        s.oval(0.04, 0.5, k * 0.5, 0.26, tone(rubber, 0.3), drop=False)
    elif kind < 0.8:
        s.fit = False
        lying(0, s.u(0.2, 0.3), 0.5, 0)
    else:
        count = int(s.rng.integers(2, 5))
        tall = 0.8 / count
        for i in range(count):
            lying(i * tall, tall * 0.9, s.u(0.55, 0.58) if count > 2 else 0.66, s.u(-0.05, 0.05))


def stone(s: Sheet) -> None:
    """A round, an angular or a flat boulder; some with moss or a smaller one beside."""
    rock = s.pick(((140, 138, 136), (168, 158, 142), (110, 112, 120), (150, 128, 108), (188, 184, 178)))
    w, angular = s.u(0.55, 0.95), s.chance(0.5)
    count = int(s.rng.integers(6, 10))

    def boulder(x: float, w: float, h: float) -> None:
        a = np.linspace(175, 5, count) + s.rng.normal(0, 4, count)
        cos, sin = np.cos(np.radians(a)), np.sin(np.radians(a))
        edge = np.stack([np.sign(cos) * np.abs(cos) ** 0.7 * w, np.abs(sin) ** 0.7 * h], 1)
        edge[1:-1] *= s.rng.uniform(0.88, 1.06, (count - 2, 1))
        shape = np.vstack([(-w * 0.86, 0), edge, (w * 0.88, 0)]) + (x, 0)
        s.fill(shape, rock, 0.05 if angular else 0.3)
        core = np.array((x + s.u(-0.2, 0.2) * w, h * s.u(0.4, 0.55)))
        cut = count // 2 + 1
        right = [core, *edge[cut - 1 :] + (x, 0), (x + w, 0), (x + w * 0.1, -0.1)]
        s.fill(np.array(right), tone(rock, 0.74), 0 if angular else 0.2, clip=True, drop=False)
        s.fill(
            np.array([core, *edge[1 : cut + 1] + (x, 0)]),
            tone(rock, 1.28),
            0 if angular else 0.2,
            clip=True,
            drop=False,
        )
        if s.chance(0.5):
            s.line([core, core + (-0.1 * w, -0.15), core + (-0.06 * w, -0.3)], 0.025, tone(rock, 0.55), clip=True)
        if s.chance(0.25):
            s.fill(edge[1:cut] * (0.98, 1.0) + (x, 0.02), (104, 130, 70), 0.08, clip=True)

    boulder(0, w, 1)
    if s.chance(0.3):
        boulder(s.light * w * 0.9, s.u(0.2, 0.35), s.u(0.25, 0.45))


def plastic_bag(s: Sheet) -> None:
    """A knotted sack, a carrier bag with handles, or one that lies crumpled."""
    film = s.pick(
        (
            (240, 240, 238),
            (44, 44, 50),
            (80, 130, 190),
            (230, 220, 120),
            (200, 60, 60),
            (120, 180, 130),
            (225, 228, 232),
        )
    )
    fold, shine, kind = tone(film, 0.7), tone(film, 1.5), s.rng.integers(3)
    w = s.u(0.4, 0.6)
    if kind == 0:  # knotted sack
        s.fill("-.05 .74, -.2 .98, -.1 .94, -.02 1, .08 .92, .2 .99, .05 .74", tone(film, 0.86), 0.03)
        bulge = s.rng.uniform(0.9, 1.12, 6)
        shape = np.array(
            [
                (-w * 0.7, 0),
                (-w, 0.2),
                (-w * 0.9, 0.5),
                (-0.1, 0.78),
                (0.1, 0.78),
                (w * 0.9, 0.5),
                (w, 0.2),
                (w * 0.7, 0),
            ]
        )
        shape[1:7, 0] *= bulge
        s.fill(shape, film, 0.18)
        for x in (-0.6, -0.2, 0.25, 0.65):
            s.limb([(x * 0.1, 0.76), (x * w * 0.7, 0.55), (x * w, s.u(0.2, 0.4))], (0.015, 0.05, 0.01), fold, clip=True)
        s.oval(-w * 0.45, 0.36, 0.06, 0.13, shine, clip=True)
        s.box(-0.07, 0.73, 0.07, 0.79, s.pick((fold, (200, 60, 50), (240, 200, 60))), 0.02)
    elif kind == 1:  # carrier bag
        w *= 0.8
        for x in (-w * 0.62, w * 0.62):
            s.line(
                [(x - 0.1, 0.68), (x - 0.07, 0.9), (x, 0.97), (x + 0.07, 0.9), (x + 0.1, 0.68)], 0.06, tone(film, 0.88)
            )
        s.fill(
            [
                (-w, 0),
                (-w * 1.12, 0.1),
                (-w * 0.95, 0.72),
                (-w * 0.3, 0.66),
                (w * 0.3, 0.66),
                (w * 0.95, 0.72),
                (w * 1.1, 0.1),
                (w, 0),
            ],
            film,
            0.05,
        )
        for x in (-0.8, 0.1, 0.7):
            s.limb([(x * w * 0.8, 0.68), (x * w * 0.7, 0.4), (x * w, 0.08)], (0.02, 0.05, 0.01), fold, clip=True)
        logo = s.pick(PAINTS)
        if s.chance(0.7):
            s.oval(0, 0.34, 0.16, 0.16, logo, drop=False)
            s.line("-.09 .34, .09 .34", 0.04, film)
    else:  # crumpled
        angle = np.linspace(180, 0, 9)
        edge = np.stack([np.cos(np.radians(angle)) * w * 1.3, np.sin(np.radians(angle)) * 0.8], 1) * s.rng.uniform(
            0.72, 1.1, (9, 1)
        )
        edge[:, 1] = np.maximum(edge[:, 1], 0.02)
        s.limb(
            [(w * 0.5, 0.5), (w * 0.95, 0.85), (w * 1.2, 0.7), (w * 0.95, 0.3)],
            (0.09, 0.06, 0.06, 0.1),
            tone(film, 0.85),
        )
        s.limb(
            [(-w * 0.2, 0.6), (-w * 0.1, 0.98), (w * 0.15, 0.95), (w * 0.2, 0.6)],
            (0.12, 0.07, 0.07, 0.12),
            tone(film, 0.9),
        )
        s.fill(np.vstack([(-w * 1.1, 0), edge, (w * 1.1, 0)]), film, 0.07)
        for i in range(5):
            a, b = edge[2 + i] * 0.95, np.array([s.u(-0.5, 0.5) * w, s.u(0.1, 0.4)])
            s.fill(np.array([a, a * 0.7 + b * 0.3 + (0.08, 0), b]), fold if i % 2 else shine, clip=True)
    if kind < 2 and s.chance(0.2):
        s.fall(s.u(82, 95) * s.light)


def pallet(s: Sheet) -> None:
    """A stack, from the front or a corner, or one that leans or stands on edge."""
    wood = s.pick(WOODS) if s.chance(0.85) else s.pick(((50, 90, 160), (170, 60, 54)))
    if s.chance(0.5):
        count, w, d = int(s.rng.integers(3, 6)), s.u(0.75, 1.1), s.u(0.15, 0.4)
        tall = 0.86 / count
        for i in range(count):
            x, y = s.u(-0.04, 0.04), i * tall
            shade = tone(wood, s.u(0.86, 0.99))
            s.fill(
                [(x + w, y), (x + w + d, y + 0.1), (x + w + d, y + 0.1 + tall), (x + w, y + tall)],
                tone(shade, 0.45),
                drop=False,
            )
            for k in (0.0, 0.42, 0.82):
                a, b = x + w + d * k, y + 0.1 * k
                s.fill(
                    [(a, b), (a + d * 0.18, b + 0.02), (a + d * 0.18, b + 0.02 + tall), (a, b + tall)],
                    tone(shade, 0.62),
                    drop=False,
                )
            s.box(x - w, y, x + w, y + tall, tone(shade, 0.28), drop=False)
            s.box(x - w, y, x + w, y + tall * 0.2, shade, 0.01, drop=False)
            for k in (-0.86, 0, 0.86):
                s.box(
                    x + w * k - w * 0.14,
                    y + tall * 0.2,
                    x + w * k + w * 0.14,
                    y + tall * 0.75,
                    tone(shade, 0.82),
                    drop=False,
                )
            s.box(x - w, y + tall * 0.7, x + w, y + tall * 0.96, tone(shade, 1.15), 0.01)
        y = count * tall
        s.fill([(-w, y), (w, y), (w + d, y + 0.1), (-w + d, y + 0.1)], tone(wood, 0.5), drop=False)
        for k in (0, 0.22, 0.44, 0.66, 0.86):
            a, b = k, k + 0.14
            s.fill(
                [
                    (-w + d * a, y + 0.1 * a),
                    (w + d * a, y + 0.1 * a),
                    (w + d * b, y + 0.1 * b),
                    (-w + d * b, y + 0.1 * b),
                ],
                tone(wood, 1.25),
                drop=False,
            )
        return
    w, shear, gone = s.u(0.5, 0.75), s.u(-0.2, 0.2), int(s.rng.integers(0, 14))
    s.warp = np.array([[1, s.u(-0.12, 0.12), 0], [shear, 1, 0]])
    side = 0.12 * s.light
    for x in (-w + 0.08, 0, w - 0.08):
        s.box(x - 0.07 + side, 0.0, x + 0.07 + side, 1, tone(wood, 0.5), 0.01)
    for x in (-w + 0.08, 0, w - 0.08):
        s.box(x - 0.07, 0.0, x + 0.07, 1, tone(wood, 0.75), 0.01)
    count = int(s.rng.integers(5, 8))
    for i in range(count):
        y = i * 0.99 / count
        if i == gone:
            s.fill(
                [(-w, y), (-w * 0.1, y), (-w * 0.3, y + 0.05), (-w * 0.05, y + 0.66 / count), (-w, y + 0.66 / count)],
                wood,
            )
        else:
            s.box(-w, y, w, y + 0.7 / count, tone(wood, s.u(0.92, 1.2)), 0.01)
        for x in (-w + 0.08, 0, w - 0.08):
            s.line([(x - 0.005, y + 0.35 / count), (x + 0.005, y + 0.35 / count)], 0.025, (80, 64, 54), clip=True)


def tree_branch(s: Sheet) -> None:
    """A lying branch that forks, bare or with leaves, with its broken end to one side."""
    bark, length = s.pick(((120, 86, 60), (96, 78, 64), (140, 112, 84), (84, 64, 52), (168, 160, 148))), s.u(1.5, 2.6)
    leaf = s.pick(((96, 140, 62), (70, 112, 66), (150, 160, 64), (206, 130, 50), (176, 84, 46)))
    leafy, thick = s.rng.random(), s.u(0.12, 0.2)
    x = np.linspace(0, length, 7)
    y = 0.1 + 0.22 * np.sin(np.linspace(0, s.u(2, 4), 7)) ** 2 + s.rng.normal(0, 0.03, 7)
    trunk = np.stack([x, y], 1)
    twigs = []
    for i in range(1, 6):
        for _ in range(int(s.rng.integers(1, 3))):
            a = np.radians(s.u(25, 75) * (1 if s.chance(0.8) else -0.4))
            reach = s.u(0.3, 0.8)
            mid = trunk[i] + reach * 0.5 * np.array((np.cos(a), np.sin(a)))
            tip = mid + reach * 0.5 * np.array((np.cos(a * 1.3 - 0.1), np.sin(a * 1.3)))
            twigs.append((trunk[i], np.maximum(mid, (-9, 0.02)), np.maximum(tip, (-9, 0.02))))
    for root, mid, tip in twigs:
        s.limb([root, mid, tip], (thick * 0.55, thick * 0.38, 0.03), tone(bark, 0.85))
        if s.chance(0.6):
            end = mid + (s.u(0.05, 0.3), s.u(0.1, 0.3))
            s.limb([mid, (mid + end) / 2 + (0.03, 0), end], (0.05, 0.04, 0.025), tone(bark, 0.85))
    s.limb(trunk, np.linspace(thick, 0.04, 7).tolist(), bark)
    s.line(trunk + (0, 0.02), 0.018, tone(bark, 1.3), clip=True)
    s.oval(0, y[0], thick * 0.28, thick * 0.52, (222, 190, 140), drop=False)
    if leafy > 0.35:
        for _, mid, tip in twigs:
            for _ in range(int(2 + leafy * 4)):
                k, a, size = s.u(0.1, 1.1), s.u(0, 2 * np.pi), s.u(0.06, 0.11)
                at = mid * (1 - k) + tip * k + s.rng.normal(0, 0.04, 2)
                c, q = np.cos(a) * size, np.sin(a) * size
                s.fill(
                    [at + (-c, -q), at + (-q * 0.6, c * 0.6), at + (c, q), at + (q * 0.6, -c * 0.6)],
                    tone(leaf, s.u(0.75, 1.25)),
                    0.06,
                    drop=False,
                )


def debris(s: Sheet) -> None:
    """Torn and bent pieces of no kind, in a heap or strewn."""
    palette = [
        s.pick((*PAINTS, *CARTONS, (120, 124, 120), (86, 80, 76), (180, 176, 160), (60, 70, 66))) for _ in range(3)
    ]
    spread, count = s.u(0.4, 1.2), int(s.rng.integers(2, 8))
    for i in range(count):
        corners, reach = int(s.rng.integers(4, 9)), s.u(0.18, 0.55) * (1.2 if i == 0 else 0.8)
        a = np.sort(s.rng.uniform(0, 2 * np.pi, corners))
        edge = np.stack([np.cos(a) * s.u(0.6, 1.8), np.sin(a)], 1) * reach * s.rng.uniform(0.45, 1.2, (corners, 1))
        turn = s.u(-0.9, 0.9)
        edge = edge @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        edge += (s.u(-spread, spread) * min(i, 1), -edge[:, 1].min() + s.u(0, 0.25) * min(i, 2) * (1 - spread / 1.5))
        colour, curl = palette[int(s.rng.integers(3))], s.u(0, 0.15) if s.chance(0.4) else 0.02
        s.fill(edge, colour, curl)
        middle = edge.mean(0)
        s.fill(np.array([middle, *edge[: corners // 2 + 1]]), tone(colour, s.u(0.6, 0.85)), clip=True)
        if s.chance(0.4):
            s.line([edge[0], middle + s.rng.normal(0, 0.05, 2), edge[corners // 2]], 0.02, tone(colour, 1.4), clip=True)
        if s.chance(0.25):
            s.fill(edge[-3:] * 0.97 + middle * 0.03, palette[int(s.rng.integers(3))], clip=True)
    for _ in range(int(s.rng.integers(0, 3))):
        start = np.array((s.u(-spread, spread), s.u(0.05, 0.3)))
        bends = start + np.cumsum(s.rng.normal(0, 0.16, (4, 2)) + (0.05, 0.05), 0)
        s.line(np.maximum(bends, (-9, 0.02)), s.u(0.02, 0.05), palette[int(s.rng.integers(3))], drop=True)


DRAWINGS: tuple[Callable[[Sheet], None], ...] = (
    car, pedestrian, bicycle, dog, stroller, traffic_cone, bollard, barrel, barrier,
    warning_sign, trash_bin, cardboard_box, suitcase, tire, stone, plastic_bag, pallet, tree_branch,
    debris,
)  # fmt: skip
KINDS = {drawing.__name__.replace("_", " "): drawing for drawing in DRAWINGS}
"""What draws each kind."""


def draw(kind: str, height_px: float, rng: np.random.Generator) -> np.ndarray:
    """Draws one thing.

    Args:
        kind: a name of ``vlsam_ros.synthetic.kinds.NAMES``.
        height_px: pixels that the standing thing is high; one that lies comes out lower.
        rng: decides all that varies.

    Returns:
        uint8 RGBA (H, W, 4), straight alpha, cropped to the object, its bottom row on the ground.
    """
    if kind not in KINDS:
        raise ValueError(f"expected a kind of {', '.join(KINDS)}; got {kind!r}: use one of these or add a drawing")
    sheet = Sheet(rng)
    KINDS[kind](sheet)
    if rng.random() < 0.5:
        sheet.pose = np.diag([-1.0, 1.0]) @ sheet.pose
    return sheet.render(height_px)
