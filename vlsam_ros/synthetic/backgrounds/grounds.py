"""Families of ground: the road and what lies beside it, in looks that follow the seed of the world's setting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from vlsam_ros.synthetic import road
from vlsam_ros.synthetic.backgrounds.textures import LEVELS, SIZE, names, palette, texture
from vlsam_ros.synthetic.road import View, blend, in_row, noise, sample, spread
from vlsam_ros.synthetic.world import FRAME_WH, World

_REACH_M, _STEP_M, _OCTAVES = 24.0, 0.03, 9


@dataclass(frozen=True)
class Lie:
    """Ground seen by each pixel, float32 (H, W): metres right of the camera, ahead, along the road, covered."""

    x: np.ndarray
    z: np.ndarray
    xr: np.ndarray
    zr: np.ndarray
    fx: np.ndarray
    fz: np.ndarray

    @classmethod
    def of(cls, world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> Lie:
        """The ground at level pixels below the horizon."""
        cam = view.camera
        z = cam.focal_px * cam.height_m / np.maximum(v - cam.horizon_px, 0.4)
        x = (u - FRAME_WH[0] / 2) * z / cam.focal_px
        fx, fz = z / (cam.focal_px * view.scale), z * z / (cam.focal_px * cam.height_m * view.scale)
        return cls(x, z, x - np.float32(world.road.curvature) * z * z, z + np.float32(ego_m), fx, fz)

    def paved(self, world: World) -> np.ndarray:
        """Share of road in each pixel (H, W)."""
        middle, half = (world.road.left_m + world.road.right_m) / 2, (world.road.right_m - world.road.left_m) / 2
        return np.clip((half - np.abs(self.xr - np.float32(middle))) / self.fx + 0.5, 0, 1)

    def noise(self, name: str, per_m: float, shift: float, fade_m: float) -> np.ndarray:
        """Noise (H, W) of zero mean, ``per_m`` texture pixels a metre, faded where pixels cover ``fade_m``."""
        grain = sample(noise(name), self.xr * np.float32(per_m) + np.float32(shift), self.zr * np.float32(per_m))
        return grain / (1 + np.square(self.fz * np.float32(1 / fade_m)))

    def stripes(self, across: np.ndarray, period_m: float, width: float, covered: np.ndarray) -> np.ndarray:
        """Share 0..1 of stripes that recur along a coordinate, ``width`` of the period wide."""
        turns = across * np.float32(1 / period_m)
        phase = np.abs(turns - np.floor(turns) - np.float32(0.5))
        blur = covered * np.float32(1 / period_m)
        mark = np.clip((np.float32(width / 2) - phase) / blur + 0.5, 0, 1)
        far = np.clip(blur * 2 - 0.5, 0, 1)
        return mark + far * (np.float32(width) - mark)


def _rng(world: World) -> np.random.Generator:
    """The generator of a world's ground."""
    return np.random.default_rng([world.setting.seed if world.setting else world.seed, 11])


@dataclass(frozen=True)
class Section:
    """Albedos across the road, RGB, and its markings: none, lane lines, or those and zebra crossings."""

    verge: np.ndarray
    paved: np.ndarray
    line: np.ndarray
    lines: bool
    kerb: np.ndarray | None = None
    ruts: float = 0.0
    zebra: bool = False


def _tables(world: World, section: Section, rng: np.random.Generator) -> np.ndarray:
    """RGB and the share of dashed line, float32 (octave, x, 4)."""
    way = world.road
    x = np.arange(-_REACH_M, _REACH_M, _STEP_M)
    table = np.zeros((len(x), 4), np.float32)
    table[:, :3] = section.verge
    on = (x > way.left_m) & (x < way.right_m)
    tracks = 1 + section.ruts * np.cos(4 * np.pi * (x - way.left_m) / way.lane_m) ** 5
    table[on, :3] = section.paved * tracks[on, None]
    if section.kerb is not None:
        wide = rng.uniform(0.1, 1.8)
        for out in (way.left_m - x, x - way.right_m):
            table[(out > 0) & (out < wide), :3] = section.kerb
            table[np.abs(out) < 0.06, :3] = section.kerb * 0.5
    if section.lines:
        wide = rng.uniform(0.05, 0.12)
        for edge in (way.left_m + 0.3, way.right_m - 0.3) if way.edge_lines else ():
            table[np.abs(x - edge) < wide, :3] = section.line
        for divider in way.dividers_m:
            table[np.abs(x - divider) < wide, 3] = 1
    row, wide = table[None], len(table)
    coarse = [cv2.resize(row, (wide >> i, 1), interpolation=cv2.INTER_AREA) for i in range(1, _OCTAVES)]
    return np.concatenate([row, *(cv2.resize(part, (wide, 1), interpolation=cv2.INTER_LINEAR) for part in coarse)])


def _laid(
    world: World, lie: Lie, section: Section, rng: np.random.Generator, wobble: np.ndarray | float = 0.0
) -> np.ndarray:
    """The cross-section laid out along the road, float32 (H, W, 3), its edges moved by ``wobble`` metres."""
    octave = np.clip(np.log2(lie.fx * np.float32(1 / _STEP_M)), 0, _OCTAVES - 1)
    column = (lie.xr + wobble + np.float32(_REACH_M)) * np.float32(1 / _STEP_M)
    table = sample(_tables(world, section, rng), column, octave, wrap=False)
    rgb = cv2.cvtColor(table, cv2.COLOR_RGBA2RGB)
    on, off = world.road.dash_m
    if section.lines and world.road.dividers_m:
        blend(rgb, section.line, table[..., 3] * lie.stripes(lie.zr, on + off, on / (on + off), lie.fz))
    if section.zebra:
        every, start, wide = rng.uniform(25, 90), rng.uniform(0, 60), rng.uniform(2.5, 4.5)
        at = lie.stripes(lie.zr + np.float32(start), every, wide / every, lie.fz)
        blend(rgb, section.line, at * lie.stripes(lie.xr, rng.uniform(0.8, 1.4), 0.5, lie.fx) * lie.paved(world))
    return rgb


def _tiled(rgb: np.ndarray, lie: Lie, name: str, wide_m: float, gain: np.ndarray, share: np.ndarray | None) -> None:
    """Brighten and darken the ground by a texture of ``wide_m`` metres, times ``gain`` RGB, in place."""
    per_m = np.float32(SIZE / wide_m)
    foot = np.sqrt(lie.fx * lie.fz) * per_m
    level = np.clip(np.log2(foot) + np.float32(0.5), 0, LEVELS - 1).astype(np.int32)
    x, y = lie.xr * per_m, lie.zr * per_m
    x -= np.floor(x * np.float32(1 / SIZE)) * SIZE
    y -= np.floor(y * np.float32(1 / SIZE)) * SIZE
    x += level * np.float32(SIZE + 2) + 1
    change = cv2.remap(texture(name), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.float32)
    change -= 128
    change *= in_row(gain / 128, rgb.shape[1])
    weight = 1 / (1 + np.square(foot * np.float32(1 / 24)))
    change *= spread(weight if share is None else weight * share)
    change += 1
    rgb *= change


def _finished(world: World, lie: Lie, rgb: np.ndarray, lit: bool) -> np.ndarray:
    """The ground in the light and the haze of the scene, or as it is."""
    if lit:
        rgb *= (
            road.illumination(world, lie.x, lie.z)
            if world.light.headlights
            else in_row(world.light.ambient, rgb.shape[1])
        )
        blend(rgb, world.weather.haze, road.fog(world, lie.z))
    return np.clip(rgb, 0, 1.5, out=rgb)


def _maybe(rng: np.random.Generator, chance: float) -> bool:
    return bool(rng.random() < chance)


_LAND = np.array([[0.28, 0.42, 0.15], [0.4, 0.55, 0.25], [0.55, 0.48, 0.28], [0.42, 0.36, 0.2], [0.6, 0.58, 0.55]])


def _colours(rng: np.random.Generator, vivid: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Colours of verge, road, line and kerb: of any hue, or (more likely if not ``vivid``) a greyish road.

    At times the verge has a colour of land; in half of the worlds no colour is strong.
    """
    strong = 0.95 if rng.random() < 0.5 else 0.4
    verge = palette(rng, 1, (0.1, strong), (0.25, 1))[0]
    if rng.random() < 0.3:
        verge = (_LAND[rng.integers(len(_LAND))] * rng.uniform(0.7, 1.3, 3)).astype(np.float32)
    paved = palette(rng, 1, (0.2, strong) if rng.random() < vivid else (0, 0.15), (0.12, 0.95))[0]
    line = palette(rng, 1, (0.5, 1), (0.5, 1))[0] if rng.random() < 0.3 else np.full(3, rng.uniform(0.75, 1))
    return verge, paved, line.astype(np.float32), palette(rng, 1, (0, 0.7 * strong), (0.3, 1))[0]


def flat(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """A cartoon: plain colours of any hue, lines, kerbs and zebra crossings."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    verge, paved, line, kerb = _colours(rng, 0.5)
    section = Section(
        verge, paved, line, _maybe(rng, 0.75), kerb if _maybe(rng, 0.6) else None, zebra=_maybe(rng, 0.35)
    )
    rgb = _laid(world, lie, section, rng)
    if _maybe(rng, 0.4):  # rough patches of another shade beside the road
        bumps = lie.noise("cloud ground", rng.uniform(4, 14), rng.uniform(0, 500), 3) - np.float32(rng.uniform(0, 0.8))
        blend(rgb, palette(rng, 1, (0.1, 0.9), (0.2, 1))[0], np.clip(bumps * 12, 0, 1) * (1 - lie.paved(world)))
    return _finished(world, lie, rgb, _maybe(rng, 0.5))


def painted(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Watercolour: washes of several colours that run into each other, with wavering edges."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    verge, paved, line, kerb = _colours(rng, 0.5)
    shift = rng.uniform(0, 500)
    wash = lie.noise("cloud ground", rng.uniform(5, 14), shift, 6)
    fine = lie.noise("blotch ground", rng.uniform(15, 40), shift, 0.8)
    section = Section(verge, paved, line, _maybe(rng, 0.5), kerb if _maybe(rng, 0.3) else None)
    rgb = _laid(world, lie, section, rng, wash * np.float32(rng.uniform(0.05, 0.25)))
    on = lie.paved(world)
    for colour, share, cut in zip(palette(rng, 3, (0, 0.9)), rng.uniform(0.3, 0.9, 3), (0.2, -0.5, 0.6), strict=True):
        where = on if cut < 0 else 1 - on
        signed = wash if cut != 0.6 else -wash
        edge = np.clip((signed + 0.25 * fine - np.float32(cut)) * np.float32(rng.uniform(1, 5)), 0, 1)
        blend(rgb, colour, edge * where * np.float32(share if cut > 0 else 0.5 * share))
    rgb *= spread(1 + np.float32(rng.uniform(0.03, 0.12)) * fine)
    return _finished(world, lie, rgb, _maybe(rng, 0.6))


def textured(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Photographs or made patterns tiled over verge and road, tinted."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    verge, paved, line, kerb = _colours(rng, 0.35)
    section = Section(verge, paved, line, _maybe(rng, 0.5), kerb if _maybe(rng, 0.5) else None)
    rgb = _laid(world, lie, section, rng)
    on = lie.paved(world)
    for share, chance in ((1 - on, 0.9), (on, 0.75)):
        name, wide = str(rng.choice(names())), float(np.exp(rng.uniform(np.log(1.0), np.log(9.0))))
        gain = rng.uniform(0.3, 1.0) * rng.uniform(0.6, 1.2, 3)
        if _maybe(rng, chance):
            _tiled(rgb, lie, name, wide, gain, share)
    return _finished(world, lie, rgb, True)


def striped(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Stripes along, across or at an angle, and colours that change with the distance."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    verge, paved, line, kerb = _colours(rng, 0.5)
    section = Section(verge, paved, line, _maybe(rng, 0.6), kerb if _maybe(rng, 0.4) else None, zebra=_maybe(rng, 0.2))
    rgb = _laid(world, lie, section, rng)
    on = lie.paved(world)
    for share, wanted in ((1 - on, 0.85), (on, 0.35)):
        angle, period, width = rng.uniform(0, np.pi), rng.uniform(0.6, 6), rng.uniform(0.2, 0.7)
        angle = rng.choice([0, np.pi / 2, angle])
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        colour, strength = palette(rng, 1)[0], np.float32(rng.uniform(0.3, 1))
        if _maybe(rng, wanted):
            lines = lie.stripes(lie.xr * c + lie.zr * s, period, width, abs(c) * lie.fx + abs(s) * lie.fz)
            blend(rgb, colour, lines * share * strength)
    if _maybe(rng, 0.6):
        far = 1 - np.exp(lie.z * np.float32(-1 / rng.uniform(8, 60)))
        blend(rgb, palette(rng, 1, (0.1, 0.9), (0.3, 1))[0], far * np.float32(rng.uniform(0.4, 1)))
    return _finished(world, lie, rgb, _maybe(rng, 0.5))


def covered(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Snow or sand (or mud) over everything, with the tracks of wheels."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    bases = np.array([[0.9, 0.93, 0.97], [0.85, 0.72, 0.5], [0.8, 0.5, 0.33], [0.45, 0.36, 0.28]])
    base = bases[rng.integers(4)] * rng.uniform(0.85, 1.05, 3)
    way = base * rng.uniform(0.6, 1.0) + (0.12 * rng.random() * palette(rng, 1)[0])
    shift = rng.uniform(0, 500)
    wash = lie.noise("cloud ground", rng.uniform(4, 10), shift, 8)
    fine = lie.noise("blotch ground", rng.uniform(15, 50), shift, 0.6)
    section = Section(base, way, base, False, base * 1.05 if _maybe(rng, 0.4) else None, -rng.uniform(0.1, 0.6))
    rgb = _laid(world, lie, section, rng, wash * np.float32(rng.uniform(0.1, 0.5)) + 0.05 * fine)
    rgb *= spread(1 + np.float32(rng.uniform(0.02, 0.1)) * wash + np.float32(rng.uniform(0.02, 0.1)) * fine)
    if _maybe(rng, 0.4):  # ripples
        along = lie.xr + wash * 2
        ripple = lie.stripes(along * np.float32(0.4) + lie.zr, rng.uniform(0.4, 1.5), 0.5, lie.fz + lie.fx)
        rgb *= spread(1 - np.float32(rng.uniform(0.05, 0.2)) * ripple)
    return _finished(world, lie, rgb, True)


def nightly(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """A dark street with pools of light in the colours of lamps or neon, reflected in long streaks."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    verge, paved, line, kerb = _colours(rng, 0.4)
    dark = rng.uniform(0.06, 0.4)
    section = Section(verge * dark * 0.7, paved * dark, line * max(0.3, dark), _maybe(rng, 0.6), kerb * dark)
    rgb = _laid(world, lie, section, rng)
    fine = lie.noise("blotch ground", rng.uniform(15, 40), rng.uniform(0, 500), 0.6)
    rgb *= spread(1 + np.float32(0.15) * fine)
    glow = np.zeros_like(rgb)
    for colour in palette(rng, int(rng.integers(1, 4)), (0.0, 1.0), (0.5, 1.0)):
        at = rng.choice([world.road.left_m, world.road.right_m]) + rng.normal(0, 1.5)
        every, start, wide, long = rng.uniform(10, 40), rng.uniform(0, 40), rng.uniform(1.5, 6), rng.uniform(2, 8)
        turns = (lie.zr + np.float32(start)) * np.float32(1 / every)
        ahead = (turns - np.floor(turns) - np.float32(0.5)) * np.float32(every / long)
        pool = 1 / (1 + np.square((lie.xr - np.float32(at)) * np.float32(1 / wide)) * 1.5 + np.square(ahead))
        glow += spread(pool) * in_row(colour * rng.uniform(0.4, 1.2), rgb.shape[1])
    rgb += glow * (rgb * np.float32(rng.uniform(1.5, 4)) + np.float32(rng.uniform(0.02, 0.3)))
    if world.light.headlights:
        rgb *= road.illumination(world, lie.x, lie.z) + np.float32(0.5)
    return np.clip(rgb, 0, 1.5, out=rgb)


def plaza(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """A square or a car park: one floor without lanes, with joints or bays, turned to any side."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    _, paved, line, _ = _colours(rng, 0.4)
    angle = rng.uniform(0, np.pi)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    turned = Lie(lie.x, lie.z, c * lie.x + s * lie.zr, c * lie.zr - s * lie.x, lie.fx, lie.fz)
    rgb = np.repeat(in_row(paved, u.shape[1]), len(u), 0)
    across, along = abs(c) * lie.fx + abs(s) * lie.fz, abs(c) * lie.fz + abs(s) * lie.fx
    if _maybe(rng, 0.4):  # bays
        wide, deep = rng.uniform(2.3, 3.2), rng.uniform(9, 16)
        inside = turned.stripes(turned.zr, deep, rng.uniform(0.5, 0.8), along)
        blend(rgb, line, turned.stripes(turned.xr, wide, 0.05, across) * inside)
        blend(rgb, line, turned.stripes(turned.zr, deep, 0.01, along))
    else:
        pitch, joint, tone = rng.uniform(0.5, 3), rng.uniform(0.02, 0.08), palette(rng, 1, (0, 0.5))[0]
        for where, foot in ((turned.xr, across), (turned.zr, along)):
            blend(rgb, tone, turned.stripes(where, pitch, joint, foot))
        if _maybe(rng, 0.3):  # chequered
            odd = np.abs(
                turned.stripes(turned.xr, 2 * pitch, 0.5, across) - turned.stripes(turned.zr, 2 * pitch, 0.5, along)
            )
            blend(rgb, tone, odd * np.float32(rng.uniform(0.2, 0.8)))
    if _maybe(rng, 0.5):
        _tiled(rgb, turned, str(rng.choice(names())), rng.uniform(1.5, 8), np.full(3, rng.uniform(0.1, 0.6)), None)
    stains = turned.noise("cloud ground", 8, rng.uniform(0, 500), 6)
    rgb *= spread(1 + np.float32(rng.uniform(0, 0.15)) * stains)
    return _finished(world, lie, rgb, _maybe(rng, 0.8))


@lru_cache(maxsize=4)
def _cells(variant: int) -> np.ndarray:
    """Numbers of the cells of a mosaic that tiles, uint8 (512, 512), 255 for joints."""
    rng = np.random.default_rng([variant, 79])
    points = (rng.uniform(0, 512, (60, 1, 2)) + [[[i, j] for i in (-512, 0, 512) for j in (-512, 0, 512)]]).reshape(
        -1, 2
    )
    seeds = np.full((1536, 1536), 255, np.uint8)
    at = np.clip(points.astype(int) + 512, 0, 1535)
    seeds[at[:, 1], at[:, 0]] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(labels.max() + 1, np.uint8)
    owner[labels[at[:, 1], at[:, 0]]] = np.repeat(np.arange(60), 9)
    cells = owner[labels]
    joints = cv2.morphologyEx(cells, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    return np.ascontiguousarray(np.where(joints, 255, cells)[512:1024, 512:1024].astype(np.uint8))


def mosaic(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Uneven tiles with joints, from a like colour to many colours, over verge and road; no lane markings."""
    rng, lie = _rng(world), Lie.of(world, view, u, v, ego_m)
    cells, per_m = _cells(int(rng.integers(4))), np.float32(rng.uniform(40, 160))
    verge, paved, joint = palette(rng, 256, (0, 0.9)), palette(rng, 256, (0, 0.4)), palette(rng, 1, (0, 0.3))[0]
    calm = float(rng.uniform(0.1, 0.5))
    verge, paved = (c[:60].mean(0) + calm * (c - c[:60].mean(0)) for c in (verge, paved))
    verge[255] = paved[255] = joint
    x, y = (np.mod(a * per_m, 512).astype(np.float32) for a in (lie.xr, lie.zr))
    number = cv2.remap(cells, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP)
    on, near = lie.paved(world), 1 / (1 + np.square(np.sqrt(lie.fx * lie.fz) * per_m * np.float32(1 / 12)))
    rgb = np.zeros((*u.shape, 3), np.float32)
    for colours, share in ((verge, 1 - on), (paved, on)):
        middle = colours[:60].mean(0)
        rgb += (in_row(middle, u.shape[1]) + np.take(colours - middle, number, 0) * spread(near)) * spread(share)
    return _finished(world, lie, rgb, _maybe(rng, 0.7))
