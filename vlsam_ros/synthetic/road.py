"""The background of a synthetic view: sky, landscape silhouettes, roadside and road, drawn per pixel of the view."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from vlsam_ros.synthetic.world import FRAME_WH, Camera, World

_X_RANGE_M, _X_STEP_M, _LEVELS = 40.0, 0.02, 10


@dataclass(frozen=True)
class View:
    """A window of the camera image drawn at some size; "level" pixels are those of the frame before roll."""

    camera: Camera
    window: tuple[float, float, float, float]
    size_wh: tuple[int, int]

    @cached_property
    def matrix(self) -> np.ndarray:
        """Affine 2 × 3 map from level pixels to pixels of this view (pixel centres at integers)."""
        (x0, y0, x1, y1), (w, h) = self.window, self.size_wh
        sx, sy = w / (x1 - x0), h / (y1 - y0)
        cx, cy = FRAME_WH[0] / 2, FRAME_WH[1] / 2
        c, s = np.cos(self.camera.roll_rad), np.sin(self.camera.roll_rad)
        roll = np.array([[c, -s, cx - c * cx + s * cy], [s, c, cy - s * cx - c * cy]])
        scale = np.array([[sx, 0, -sx * x0 - 0.5], [0, sy, -sy * y0 - 0.5]])
        return np.column_stack([scale[:, :2] @ roll[:, :2], scale[:, :2] @ roll[:, 2] + scale[:, 2]])

    @property
    def scale(self) -> float:
        """Pixels of this view per pixel of the full frame."""
        return self.size_wh[0] / (self.window[2] - self.window[0])

    def level(self) -> tuple[np.ndarray, np.ndarray]:
        """Level columns and rows of all pixels, two float32 arrays (H, W)."""
        m = cv2.invertAffineTransform(self.matrix)
        x = np.arange(self.size_wh[0], dtype=np.float64)[None]
        y = np.arange(self.size_wh[1], dtype=np.float64)[:, None]
        u, v = (m[i, 0] * x + m[i, 1] * y + m[i, 2] for i in (0, 1))
        return u.astype(np.float32), v.astype(np.float32)

    def project(self, points: np.ndarray, curvature: float = 0.0) -> np.ndarray:
        """Pixels (N, 2) of points (N, 3): metres right of the road's ego path, up, forward (> 0)."""
        x, up, z = np.asarray(points, np.float64).T
        f = self.camera.focal_px
        u = FRAME_WH[0] / 2 + f * (x + curvature * z**2) / z
        v = self.camera.horizon_px + f * (self.camera.height_m - up) / z
        return np.stack([u, v], 1) @ self.matrix[:, :2].T + self.matrix[:, 2]


def spread(weight: np.ndarray) -> np.ndarray:
    """A (H, W) array as float32 (H, W, 3); much faster to multiply with than by broadcasting."""
    plane = np.ascontiguousarray(weight, np.float32)
    return cv2.merge([plane, plane, plane])


def in_row(colour: tuple[float, ...] | np.ndarray, width: int) -> np.ndarray:
    """A colour repeated to float32 (1, width, 3), for the same reason."""
    return np.tile(np.asarray(colour, np.float32), width).reshape(1, width, -1)


def blend(picture: np.ndarray, colour: tuple[float, ...] | np.ndarray, weight: np.ndarray) -> None:
    """Move a picture (H, W, 3) towards one colour by a weight (H, W), in place."""
    change = in_row(colour, picture.shape[1]) - picture
    change *= spread(weight)
    picture += change


@lru_cache(maxsize=16)
def noise(name: str, size: int = 512) -> np.ndarray:
    """A tileable float32 noise texture (size, size) with zero mean and unit deviation; each name is another one."""
    rng = np.random.default_rng(list(name.encode()))
    power = {"grain": 0.3, "blotch": 1.0, "cloud": 1.75}[name.split()[0]]
    freq = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    freq[0, 0] = 1e9
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / freq**power
    texture = np.fft.irfft2(spectrum, (size, size))
    return (texture / texture.std()).astype(np.float32)


def sample(texture: np.ndarray, x: np.ndarray, y: np.ndarray, wrap: bool = True) -> np.ndarray:
    """Bilinear look-up in a texture at float32 coordinates, tiling or clamping at its borders."""
    return cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP if wrap else cv2.BORDER_REPLICATE)


@lru_cache(maxsize=8)
def backdrop(name: str) -> np.ndarray:
    """A horizon layer (256, 2048, 4) float32: albedo RGB 0..1 and alpha; row 0 is the horizon; tiles."""
    rng = np.random.default_rng(list(name.encode()))
    columns = np.arange(2048)
    rgb = np.empty((256, 2048, 3), np.float32)
    grain = np.tile(noise("blotch backdrop"), (1, 4))[:256, :, None]
    if name == "hills":
        top = 55 + 60 * np.tile(noise("cloud hills")[0], 4)[(columns / 4).astype(int)] * 0.5
        top = cv2.GaussianBlur(np.tile(top, 3).astype(np.float32)[None], (0, 0), 9)[0, 2048:4096]
        rgb[:] = np.array([0.34, 0.42, 0.36]) * (1 + 0.06 * grain)
    elif name == "trees":
        top = np.full(2048, 22.0)
        for x, r in zip(rng.uniform(0, 2048, 260), rng.gamma(6, 4.0, 260), strict=True):
            d = (columns - x + 1024) % 2048 - 1024
            top = np.maximum(top, 1.5 * r * np.sqrt(np.clip(1 - (d / r) ** 2, 0, 1)) + 8)
        top = top + 2.0 * noise("grain trees").ravel()[:2048]
        height = np.arange(256)[:, None, None] / 60
        rgb[:] = np.array([0.22, 0.29, 0.15]) * (1 + 0.25 * grain) * np.clip(0.6 + 0.5 * height, 0.5, 1.3)
    else:
        top = np.zeros(2048)
        rgb[:] = 0.4
        rows, x = np.arange(256)[:, None], 0
        while x < 2048:
            w, tall = int(rng.integers(25, 110)), rng.uniform(25, 95)
            wall = np.array([0.62, 0.57, 0.52]) * rng.uniform(0.6, 1.25) * rng.uniform(0.92, 1.08, 3)
            cols, (px, py) = columns[x : x + w], rng.integers(6, 12, 2)
            pane = ((cols - x) % px > px * 0.45)[None] & (rows % py > py * 0.4) & (rows < tall - 4) & (rows > 4)
            rgb[:, x : x + w] = np.where(pane[..., None], wall * rng.uniform(0.4, 0.75), wall)
            top[x : x + w] = tall * (rng.random() < 0.85)
            x += w
    alpha = np.clip(top[None] - np.arange(256)[:, None] + 0.5, 0, 1).astype(np.float32)
    return np.ascontiguousarray(np.dstack([rgb, alpha]))


_SURFACE = {
    "asphalt": (0.42, 0.42, 0.42), "dark asphalt": (0.26, 0.26, 0.28), "concrete": (0.60, 0.58, 0.54),
    "dirt": (0.47, 0.38, 0.28), "sidewalk": (0.57, 0.55, 0.53), "gravel": (0.50, 0.47, 0.42),
}  # fmt: skip
_GRASS = {
    "green": (0.28, 0.40, 0.14),
    "dry": (0.52, 0.46, 0.27),
    "autumn": (0.40, 0.36, 0.17),
    "snow": (0.86, 0.88, 0.91),
}


@lru_cache(maxsize=8)
def cross_section(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Tables over (blur level, x): RGB (10, N, 3), and dash, asphalt, roughness (10, N, 3); float32.

    Row l is blurred for a pixel that covers ``0.02 * 2**l`` metres of the road's width.
    """
    road, rng = world.road, np.random.default_rng([world.seed, 1])
    x = np.arange(-_X_RANGE_M / 2, _X_RANGE_M / 2, _X_STEP_M)
    tint = lambda rgb: np.array(rgb) * rng.uniform(0.85, 1.15) * rng.uniform(0.96, 1.04, 3)  # noqa: E731
    rgb = np.tile(tint(_GRASS[world.land.season]), (len(x), 1))
    paved = (x > road.left_m) & (x < road.right_m)
    extra = np.stack([np.zeros_like(x), paved, np.where(paved, 0.35, 1.3)], 1)
    for side, edge, sign in zip(road.sides, (road.left_m, road.right_m), (-1, 1), strict=True):
        out, width = (x - edge) * sign, rng.uniform(0.8, 2.6)
        if side != "grass":
            rgb[(out > 0) & (out < width)] = tint(_SURFACE[side])
            extra[(out > 0) & (out < width), 2] = {"sidewalk": 0.4}.get(side, 0.9)
        if side == "sidewalk":
            rgb[np.abs(out - 0.09) < 0.09] *= 1.25
            rgb[np.abs(out + 0.05) < 0.05] *= 0.55
            rgb[np.abs(out - width) < 0.05] *= 0.8
    tracks = 1 + rng.uniform(-0.09, 0.05) * np.cos(4 * np.pi * (x - road.left_m) / road.lane_m)
    rgb[paved] = tint(_SURFACE[road.surface]) * tracks[paved, None]
    paint = np.array([0.80, 0.80, 0.77]) * rng.uniform(0.75, 1.1)
    wide = rng.uniform(0.05, 0.08)
    for edge in (road.left_m + 0.3, road.right_m - 0.3) if road.edge_lines else ():
        rgb[np.abs(x - edge) < wide] = paint
    for divider in road.dividers_m:
        extra[np.abs(x - divider) < wide, 0] = 1
    table = np.concatenate([rgb, extra], 1).astype(np.float32)
    levels = [_blurred(table, 2**i) for i in range(_LEVELS)]
    stack = np.stack(levels)
    return np.ascontiguousarray(stack[..., :3]), np.ascontiguousarray(stack[..., 3:])


def _blurred(table: np.ndarray, width: int) -> np.ndarray:
    """Mean over ``width`` neighbouring rows of a table (N, C)."""
    padded = np.pad(table, ((width // 2 + 1, width - width // 2 - 1), (0, 0)), mode="edge")
    total = np.cumsum(padded, 0, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:1]), total])
    return ((total[width:] - total[:-width]) / width)[1 : len(table) + 1].astype(np.float32)


def _headlights(world: World, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Extra light of the own headlights on ground or objects at (x, z) metres."""
    cone = np.exp(-np.square(x / (1.2 + 0.22 * z)))
    return 0.95 * world.light.headlights * cone * np.clip((z - 2) / 5, 0.15, 1) / (1 + np.square(z / 28))


def illumination(world: World, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """RGB gain of ambient light and headlights at ground points of any shape S: (*S, 3)."""
    ambient = np.array(world.light.ambient, np.float32)
    if not world.light.headlights:
        return np.broadcast_to(ambient, (*np.shape(x), 3))
    return ambient + _headlights(world, x, z)[..., None] * np.array([1.0, 0.95, 0.82], np.float32)


def fog(world: World, z: np.ndarray) -> np.ndarray:
    """Share of the haze colour at distance z (metres), 0..1."""
    return 1 - np.exp(-z / world.weather.visibility_m)


def _texture(
    world: World, xr: np.ndarray, zr: np.ndarray, fz: np.ndarray, fx: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coarse and fine brightness noise of the ground, faded where a pixel covers more than their grain."""
    shift = np.float32(world.seed % 97 * 5.3)
    coarse = sample(noise("cloud ground"), xr * 4 + shift, zr * 2 + shift)
    medium = sample(noise("blotch ground"), xr * 20, zr * 20 + shift)
    grain = sample(noise("grain ground"), xr * 90, zr * 90)
    foot = np.sqrt(fx * fz)
    fine = 0.55 * medium / (1 + np.square(foot / 0.12)) + 0.75 * grain / (1 + np.square(foot / 0.025))
    return coarse / (1 + np.square(fz / 8)), fine


def ground(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Colour (H, W, 3) float32 of the ground at level pixels below the horizon."""
    cam, road = view.camera, world.road
    z = cam.focal_px * cam.height_m / np.maximum(v - cam.horizon_px, 0.4)
    x = (u - FRAME_WH[0] / 2) * z / cam.focal_px
    fx, fz = z / (cam.focal_px * view.scale), z * z / (cam.focal_px * cam.height_m * view.scale)
    xr, zr = x - np.float32(road.curvature) * z * z, z + np.float32(ego_m)
    coarse, fine = _texture(world, xr, zr, fz, fx)
    centre, half = (road.left_m + road.right_m) / 2, (road.right_m - road.left_m) / 2
    verge = np.clip(np.abs(xr - centre) - half + 0.1, 0, 1)
    column = (xr + (0.35 * coarse + 0.08 * fine) * verge + _X_RANGE_M / 2) / _X_STEP_M
    level = np.clip(np.log2(fx / _X_STEP_M), 0, _LEVELS - 1)
    colours, masks = cross_section(world)
    rgb, extra = sample(colours, column, level, wrap=False), sample(masks, column, level, wrap=False)
    dash, paved, rough = extra[..., 0], extra[..., 1], extra[..., 2]
    rgb *= spread(1 + rough * (0.16 * fine + 0.14 * coarse))
    if road.dividers_m:
        weight = dash * _dashes(world, zr, fz) * np.clip(0.85 + 0.12 * coarse + 0.1 * fine, 0, 1)
        blend(rgb, (0.82, 0.65, 0.2) if road.yellow else (0.8, 0.8, 0.77), weight)
    if world.land.shade and world.light.shadow:
        shade = sample(noise("blotch shade"), xr * 9, zr * 9 + np.float32(world.seed % 50)) + 0.8 * coarse
        rgb *= spread(1 - world.land.shade * 0.55 * np.clip(shade * 0.8 - 0.2, 0, 1))
    if world.light.headlights:
        rgb *= illumination(world, x, z)
    else:
        rgb *= in_row(world.light.ambient, rgb.shape[1])
    if world.weather.wet:
        gloss = world.weather.wet * paved * np.clip(0.35 + 0.3 * coarse, 0.05, 0.9)
        rgb *= spread(1 - 0.3 * world.weather.wet * paved)
        blend(rgb, 0.85 * np.array(world.light.sky_low), gloss * (0.35 + 0.65 * np.clip(z / 30, 0, 1)))
    blend(rgb, world.weather.haze, fog(world, z))
    return rgb


def _dashes(world: World, zr: np.ndarray, fz: np.ndarray) -> np.ndarray:
    """Share of paint 0..1 along a dashed line at forward metres, for pixels that cover ``fz`` metres."""
    on, off = world.road.dash_m
    turns = zr * np.float32(1 / (on + off))
    phase = (turns - np.floor(turns) - 0.5) * (on + off)
    mark = np.clip((on / 2 - np.abs(phase)) / fz + 0.5, 0, 1)
    far = np.clip(fz / (on + off) - 0.3, 0, 1)
    return mark + far * (on / (on + off) - mark)


def sky(world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> np.ndarray:
    """Colour (H, W, 3) float32 of sky, clouds and horizon silhouettes at level pixels."""
    light, up = world.light, np.maximum(view.camera.horizon_px - v, 0)
    low, top = np.array(light.sky_low, np.float32), np.array(light.sky_top, np.float32)
    ramp = (np.arange(FRAME_WH[1] * 2, dtype=np.float32) / 520).clip(0, 1) ** 0.7
    rgb = (low + ramp[:, None] * (top - low)).astype(np.float32)[up.astype(np.intp)]
    depth = 900 / (up + 60)
    shift = np.float32(world.seed % 89 * 5.7)
    cloud = sample(noise("cloud sky"), (u - FRAME_WH[0] / 2) * depth / 11 + shift, depth * 34 + shift)
    cover = np.clip(0.7 * cloud + 2.2 * light.clouds - 1.2, 0, 1) * np.clip(up / 80, 0, 1)
    bright = np.clip(low * 0.5 + 0.5 * np.array(light.ambient, np.float32), 0, 0.97) - 0.12 * light.clouds
    change = bright * in_row((1, 1, 1), rgb.shape[1]) * spread(1 - 0.1 * np.clip(cloud, -1, 2)) - rgb
    change *= spread(0.75 * cover)
    rgb += change
    _silhouettes(rgb, world, view, u, v, ego_m)
    return rgb


def _silhouettes(rgb: np.ndarray, world: World, view: View, u: np.ndarray, v: np.ndarray, ego_m: float) -> None:
    """Blend hills, houses and tree lines over the sky (H, W, 3) at level pixels, in place."""
    gain, haze = np.array(world.light.ambient, np.float32), np.array(world.weather.haze, np.float32)
    season = {"autumn": (1.5, 1.0, 0.7), "snow": (1.5, 1.45, 1.7)}.get(world.land.season, (1, 1, 1))
    for name, start, size, distance in world.land.backdrop:
        zoom = np.float32((distance - ego_m) / distance / size)
        rows = (v > view.camera.horizon_px - 256 / zoom).any(1)
        if not rows.any():
            continue
        row = np.clip((view.camera.horizon_px + 3 - v[rows]) * zoom, 0, 255)
        layer = sample(backdrop(name), (u[rows] - FRAME_WH[0] / 2) * zoom + np.float32(start), row)
        veil = np.float32(min(0.85, float(fog(world, distance)) + (0.55 if name == "hills" else 0.12)))
        tint = gain * np.array(season if name == "trees" else (1, 1, 1), np.float32) * (1 - veil)
        part = rgb[rows]
        change = cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB) * in_row(tint, part.shape[1])
        change += in_row(veil * haze, part.shape[1]) - part
        change *= spread(layer[..., 3])
        part += change
        rgb[rows] = part


def background(world: World, view: View, ego_m: float) -> np.ndarray:
    """The empty scene, float32 (H, W, 3) in display RGB of about 0..1, in the families of the world's setting."""
    from vlsam_ros.synthetic import backgrounds  # which builds on this module

    setting = world.setting
    land_of = backgrounds.GROUNDS[setting.ground] if setting else ground
    sky_of = backgrounds.SKIES[setting.sky] if setting else sky
    u, v = view.level()
    horizon = world.camera.horizon_px
    rows = len(v)
    high = np.count_nonzero((v < horizon).any(1))  # rows that show sky, all at the top
    if setting and high:
        high = min(rows, high + 1)  # the row on the horizon mixes in sky; the first world mixes in black there
    land = rows - np.count_nonzero((v >= horizon - 1).any(1))  # the first row that shows ground
    out = np.zeros((*v.shape, 3), np.float32)
    if high:
        out[:high] = sky_of(world, view, u[:high], v[:high], ego_m)
    if land < rows:
        colour = land_of(world, view, u[land:], v[land:], ego_m)
        if high:
            mixed = slice(land, high + 2)
            cover = spread(np.clip((v[mixed] - horizon) * view.scale + 0.5, 0, 1))
            colour[: len(cover)] = out[mixed] * (1 - cover) + colour[: len(cover)] * cover
        out[land:] = colour
    if setting:
        backgrounds.beside(world, view, u, v, ego_m, out)
    return out
