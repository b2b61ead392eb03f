"""The last step of rendering: rain in front of the lens, optics, sensor noise and JPEG."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from vlsam_ros.synthetic.road import View, blend, in_row, spread
from vlsam_ros.synthetic.world import FRAME_WH, World


@lru_cache(maxsize=1)
def _static(size: int = 512) -> np.ndarray:
    """Sensor noise (size, size, 3) float32 of unit strength: mostly per pixel, and some larger colour blobs."""
    rng = np.random.default_rng(3)
    fine = rng.standard_normal((size, size, 1), np.float32)
    return 0.8 * fine + 0.5 * cv2.resize(rng.standard_normal((size // 2, size // 2, 3), np.float32), (size, size))


def sensor(picture: np.ndarray, world: World, view: View, ego_m: float) -> np.ndarray:
    """Rain streaks, vignette, gains, blur, noise and JPEG; blur and noise shrink with the view's scale. uint8 RGB."""
    cam, (x0, y0, x1, y1), (w, h) = world.sensor, view.window, view.size_wh
    seed = [world.seed, round(ego_m * 1000), *(round(c) % 2**32 for c in view.window), w]
    rng = np.random.default_rng(seed)
    if world.weather.rain:
        _rain(picture, world, view, ego_m)
    gx = (np.linspace(x0, x1, w, dtype=np.float32) / FRAME_WH[0] - 0.5) ** 2
    gy = (np.linspace(y0, y1, h, dtype=np.float32) / FRAME_WH[1] - 0.5) ** 2
    picture *= spread(1 - cam.vignette * 2 * (gx[None] + gy[:, None]))
    picture *= in_row(np.array(cam.white_balance) * cam.exposure, w)
    shrunk = 0.42 * np.clip(2 * (1 - view.scale), 0, 1)
    blur = float(np.hypot(cam.blur_px * view.scale, shrunk))
    if blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    over = np.maximum(picture - np.float32(0.8), 0)
    picture += over / (1 + 4 * over) - over
    picture *= 255
    static = _static()
    if max(h, w) > len(static):
        static = np.tile(static, (-(-h // len(static)), -(-w // len(static)), 1))
    dy, dx = (int(rng.integers(0, have - want + 1)) for have, want in zip(static.shape, (h, w), strict=False))
    picture += np.float32(255 * cam.noise * min(1.0, view.scale)) * static[dy : dy + h, dx : dx + w]
    image = np.clip(picture, 0, 255).astype(np.uint8)
    if not cam.jpeg:
        return image
    quality = round(100 - (100 - cam.jpeg) * min(1.0, 0.3 + 0.7 * view.scale))
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def _rain(picture: np.ndarray, world: World, view: View, ego_m: float) -> None:
    """Light, slightly slanted streaks, in place; they are sampled on the full frame."""
    rng = np.random.default_rng([world.seed, round(ego_m * 1000), 5])
    count = int(500 * world.weather.rain)
    start = rng.uniform(0, 1, (count, 2)) * FRAME_WH
    size = rng.gamma(3, 8, count)
    end = start + np.stack([0.12 * size, size], 1)
    layer = np.zeros(picture.shape[:2], np.uint8)
    a, b = ((p @ view.matrix[:, :2].T + view.matrix[:, 2]) * 16 for p in (start, end))
    for p, q in zip(a.astype(np.int32).tolist(), b.astype(np.int32).tolist(), strict=True):
        cv2.line(layer, p, q, 255, 1 if view.scale < 1.2 else 2, cv2.LINE_AA, 4)
    strength = 0.28 * min(1.0, 0.3 + view.scale)
    blend(picture, np.array(world.light.sky_low) * 1.1, layer.astype(np.float32) * np.float32(strength / 255))
