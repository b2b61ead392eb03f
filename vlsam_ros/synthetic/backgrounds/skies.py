"""Families of sky with what stands along the horizon and beside the road, in looks that follow the setting's seed."""

from __future__ import annotations

import cv2
import numpy as np

from vlsam_ros.synthetic import photographs, road
from vlsam_ros.synthetic.backgrounds.textures import (
    HIGH,
    MADE,
    OCTAVES,
    SIZE,
    SKYLINES,
    WIDE,
    discs,
    palette,
    photograph,
    skyline,
    stars,
    texture,
)
from vlsam_ros.synthetic.road import View, blend, in_row, noise, sample
from vlsam_ros.synthetic.world import FRAME_WH, World

_AIR = np.array([[0.75, 0.85, 0.95], [0.35, 0.55, 0.85], [0.8, 0.8, 0.82], [0.55, 0.6, 0.66], [0.95, 0.7, 0.45]])
_RAMP = 1400
_FAR_M = 160.0


def _rng(world: World, part: int = 12) -> np.random.Generator:
    """The generator of a world's sky (12) or of what stands beside its road (13)."""
    return np.random.default_rng([world.setting.seed if world.setting else world.seed, part])


def _hues(
    rng: np.random.Generator, count: int, saturation: tuple[float, float], value: tuple[float, float]
) -> np.ndarray:
    """Colours of a sky (count, 3): of any hue, or (two in five) such as skies have."""
    if rng.random() < 0.6:
        return palette(rng, count, saturation, value)
    return np.clip(_AIR[rng.integers(len(_AIR), size=count)] * rng.uniform(0.8, 1.1, (count, 1)), 0, 1).astype(
        np.float32
    )


def _up(view: View, v: np.ndarray) -> np.ndarray:
    """Level pixels above the horizon, at least 0."""
    return np.maximum(view.camera.horizon_px - v, 0)


def _ramp(view: View, v: np.ndarray, colours: np.ndarray, high_px: float, bands: int = 0) -> np.ndarray:
    """Colours (N, 3) from the horizon to ``high_px`` above it, blended or in steps, float32 (H, W, 3)."""
    share = np.minimum(np.arange(_RAMP) / high_px, 1)
    share = np.floor(share * bands) / bands if bands else share
    table = np.stack([np.interp(share, np.linspace(0, 1, len(colours)), channel) for channel in colours.T], 1)
    return np.take(table.astype(np.float32), np.minimum(_up(view, v), _RAMP - 1).astype(np.intp), 0)


def _over(rgb: np.ndarray, layer: np.ndarray, colours: np.ndarray, veil: np.ndarray) -> None:
    """Lay a layer of three weights and alpha, uint8 (H, W, 4), over a picture, in place.

    Args:
        colours: of the three weights, (3, 3) RGB.
        veil: RGB that every covered pixel gets in addition.
    """
    mixed = cv2.transform(layer, np.column_stack([np.asarray(colours, np.float64).T, veil]))
    alpha = cv2.merge([layer[..., 3]] * 3).astype(np.float32)
    rgb *= 1 - alpha * np.float32(1 / 255)
    rgb += mixed * np.float32(1 / 255)


def _horizon(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float, rgb: np.ndarray,
             rng: np.random.Generator, low: np.ndarray, night: bool = False) -> np.ndarray:  # fmt: skip
    """The sky with up to three layers of silhouettes of any colours, the far ones paler (``low``: sky down there)."""
    count = int(rng.integers(1, 3)) if night else int(rng.choice(4, p=[0.15, 0.4, 0.3, 0.15]))
    lit, strong = bool(rng.random() < 0.5) and not night, rng.choice([0.25, 0.5, 0.95])
    for left in reversed(range(count)):
        kind = "city" if night and not left else str(rng.choice(SKYLINES))
        size = float(np.exp(rng.uniform(np.log(0.25), np.log(1.2 if left else 2.6))))
        colours = palette(rng, 3, (0.05, strong), (0.15, 1.0))
        if kind in ("round trees", "conifers", "hedge") and rng.random() < 0.5:
            colours[0] = np.array([0.25, 0.42, 0.17]) * rng.uniform(0.5, 1.5)
        distance, start, variant = rng.uniform(60, 300) * (1 + left), rng.uniform(0, WIDE), int(rng.integers(3))
        veil, haze = float(rng.uniform(0, 0.5 if left else 0.12)), low
        if night:
            colours[:2] *= 0.2
        elif lit:
            veil, haze = max(veil, float(road.fog(world, np.float32(distance)))), np.array(world.weather.haze)
            colours = colours * np.array(world.light.ambient)
        zoom = np.float32(max(0.1, (distance - ego_m) / distance) / size)
        row = (view.camera.horizon_px + 1 - v) * zoom
        seen = ((row < HIGH) & (row > -8 * zoom)).any(1)
        if seen.any():
            column = (u[seen] - FRAME_WH[0] / 2) * zoom + np.float32(start)
            octave = int(np.clip(np.log2(zoom / view.scale), 0, OCTAVES - 1))
            part = rgb[seen]
            _over(part, _looked_up(kind, variant, octave, column, row[seen]), colours * (1 - veil), haze * veil)
            rgb[seen] = part
    return rgb


def _looked_up(kind: str, variant: int, octave: int, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """A skyline at columns that wrap and rows that do not, uint8 (H, W, 4)."""
    scale = np.float32(0.5**octave)
    row = np.clip(row * scale, 0, HIGH * scale - 1)
    return cv2.remap(skyline(kind, variant, octave), column * scale, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _disc(rgb: np.ndarray, view: View, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> None:
    """A sun or a moon with or without a glow, in place."""
    x, up, r = rng.uniform(-700, 700), rng.uniform(40, 420), rng.uniform(12, 60)
    away = np.hypot(u - np.float32(FRAME_WH[0] / 2 + x), view.camera.horizon_px - v - np.float32(up))
    colour = palette(rng, 1, (0, 0.7), (0.8, 1))[0]
    if rng.random() < 0.5:
        blend(rgb, colour, np.exp(-away * np.float32(1 / (3 * r))) * np.float32(0.6))
    blend(rgb, colour, np.clip((np.float32(r) - away) * np.float32(view.scale) + 0.5, 0, 1))


def flat(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """One plain colour of any hue."""
    rng = _rng(world)
    colour = _hues(rng, 1, (0, 0.9), (0.15, 1))[0]
    rgb = np.repeat(in_row(colour, u.shape[1]), len(u), 0)
    if rng.random() < 0.3:
        _disc(rgb, view, u, v, rng)
    return _horizon(world, view, u, v, ego_m, rgb, rng, colour)


def gradient(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Two or three colours that run into each other, at times with a sun."""
    rng = _rng(world)
    colours = _hues(rng, int(rng.integers(2, 4)), (0.05, 0.95), (0.2, 1))
    rgb = _ramp(view, v, colours, rng.uniform(200, 900))
    if rng.random() < 0.4:
        _disc(rgb, view, u, v, rng)
    return _horizon(world, view, u, v, ego_m, rgb, rng, colours[0])


def disc_clouds(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Cartoon clouds of discs, plain or with a shaded lower side."""
    rng = _rng(world)
    colours = _hues(rng, 2, (0.1, 0.8), (0.4, 1))
    rgb = _ramp(view, v, colours if rng.random() < 0.5 else colours[:1].repeat(2, 0), 600)
    bright = palette(rng, 1, (0, 0.3), (0.8, 1))[0] if rng.random() < 0.8 else palette(rng, 1)[0]
    size, start, variant = np.float32(rng.uniform(0.6, 2.5)), rng.uniform(0, 1024), int(rng.integers(6))
    row = 511 - np.minimum(_up(view, v) / size, 511)
    clouds = cv2.remap(discs(variant), u / size + np.float32(start), row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    blend(rgb, bright, clouds[..., 0] * np.float32(1 / 255))
    blend(rgb, bright * 0.5 + 0.3 * colours[0], clouds[..., 1] * np.float32(rng.uniform(0, 1) / 255))
    return _horizon(world, view, u, v, ego_m, rgb, rng, colours[0])


def dramatic(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Clouds of high contrast in perspective, from one colour to another."""
    rng = _rng(world)
    colours = _hues(rng, 2, (0.1, 0.9), (0.2, 1))
    rgb = _ramp(view, v, colours, rng.uniform(250, 700))
    up = _up(view, v)
    depth = np.float32(900) / (up + np.float32(rng.uniform(40, 160)))
    across, shift, gain = np.float32(rng.uniform(0.05, 0.2)), np.float32(rng.uniform(0, 500)), rng.uniform(0.6, 3)
    cloud = sample(noise("cloud sky"), (u - FRAME_WH[0] / 2) * depth * across + shift, depth * np.float32(34) + shift)
    dark, bright = palette(rng, 2, (0, 0.6), (0.1, 1))
    blend(rgb, bright, np.clip(cloud * np.float32(gain) + np.float32(rng.uniform(-0.5, 0.8)), 0, 1))
    blend(rgb, dark, np.clip((cloud - np.float32(rng.uniform(0.2, 1))) * np.float32(gain), 0, 0.9))
    return _horizon(world, view, u, v, ego_m, rgb, rng, colours[0])


def starry(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """A dark sky with stars, a moon at times, and a town with lit windows."""
    rng = _rng(world)
    colours = palette(rng, 2, (0.3, 1), (0.05, 0.4)) * np.array([[1], [rng.uniform(0.1, 0.6)]], np.float32)
    rgb = _ramp(view, v, colours, rng.uniform(200, 700))
    zoom = np.float32(rng.uniform(0.4, 1.5))
    light = cv2.remap(stars(int(rng.integers(4))), u * zoom, v * zoom, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    blend(rgb, palette(rng, 1, (0, 0.3), (0.7, 1))[0], light * np.float32(1 / 255))
    if rng.random() < 0.5:
        _disc(rgb, view, u, v, rng)
    return _horizon(world, view, u, v, ego_m, rgb, rng, colours[0], night=True)


def photo(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """A photograph (without the packages that have them: a made texture) above the horizon, sharp or blurred."""
    rng, known = _rng(world), photographs.available()
    high, wide, start = rng.uniform(250, 1100), rng.uniform(500, 2200), rng.uniform(0, 2200)
    size = int(rng.choice([16, 48, 128, 512]))
    if known and rng.random() < 0.8:
        picture = photograph(str(rng.choice(known)), size, False)
    else:
        picture = cv2.resize(
            texture(str(rng.choice(MADE)))[:, 1 : SIZE + 1], (size, size), interpolation=cv2.INTER_AREA
        )
    x = (u + np.float32(start)) * np.float32(size / wide)
    y = np.float32(size - 1) - _up(view, v) * np.float32(size / high)
    rgb = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    tint = palette(rng, 2, (0, 0.5), (0.5, 1))
    rgb *= in_row(tint[0] * rng.uniform(0.7, 1.2) / 255, u.shape[1])
    if rng.random() < 0.4:  # towards another colour, so that grey ones have hues too
        rgb += in_row(0.5 * tint[1] ** 2, u.shape[1]) * (1 - rgb)
    return _horizon(world, view, u, v, ego_m, rgb, rng, tint[0] * 0.5)


def banded(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Bands of plain colours with sharp borders."""
    rng = _rng(world)
    count = int(rng.integers(4, 10))
    colours = palette(rng, 3, (0.2, 0.95), (0.3, 1))
    waves = 30 * np.sin(u * np.float32(1 / rng.uniform(60, 300))) if rng.random() < 0.5 else 0
    rgb = _ramp(view, v + waves, colours, rng.uniform(250, 800), count)
    return _horizon(world, view, u, v, ego_m, rgb, rng, colours[0])


def beside(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float, rgb: np.ndarray) -> None:
    """Fronts of shops, walls, fences and hedges right beside the road, on some seeds, in place: (H, W, 3)."""
    rng, camera, way = _rng(world, 13), view.camera, world.road
    if rng.random() < 0.6:
        return
    kinds = ("shops", "city", "wall", "fence", "hedge", "barns", "conifers", "masts")
    lit, strong = bool(rng.random() < 0.6), rng.choice([0.25, 0.5, 0.9])
    for side, edge, there in zip((-1, 1), (-way.left_m, way.right_m), rng.random(2) < 0.65, strict=True):
        kind, variant = str(rng.choice(kinds)), int(rng.integers(3))
        tall = rng.uniform(1.5, 4.5) if kind in ("wall", "fence", "hedge") else rng.uniform(5, 16)
        out, long = edge + rng.uniform(1.5, 9), tall * rng.uniform(3, 6)
        colours = palette(rng, 3, (0.05, strong), (0.15, 1))
        slope = (u - FRAME_WH[0] / 2) * np.float32(side / camera.focal_px)
        columns = np.flatnonzero((slope > out / _FAR_M).any(0))
        if not there or not columns.size:
            continue
        part = np.s_[:, columns[0] : columns[-1] + 1]
        slope = slope[part]
        root = np.square(slope) - np.float32(4 * side * way.curvature * out)
        z = 2 * out / np.maximum(slope + np.sqrt(np.maximum(root, 0)), 1e-4)
        z[(slope <= 0) | (root < 0) | (z > _FAR_M)] = 1e4
        up = camera.height_m + (camera.horizon_px - v[part]) * z * np.float32(1 / camera.focal_px)
        row = np.where((up > 0) & (z < _FAR_M), up * np.float32(HIGH / tall), HIGH)
        if not (seen := np.flatnonzero((row < HIGH).any(1))).size:
            continue
        rows = slice(seen[0], seen[-1] + 1)
        column = np.mod((z[rows] + np.float32(ego_m)) * np.float32(WIDE / long), WIDE)
        if lit:
            colours = colours * np.array(world.light.ambient)
        piece = np.ascontiguousarray(rgb[part][rows])
        _over(piece, _looked_up(kind, variant, 1, column, row[rows]), colours, np.zeros(3))
        rgb[part][rows] = piece
