"""Finishes of a drawn thing: other colours, fewer tones, ink lines, pencil, dirt; its shape stays.

A finish takes colours float32 (H, W, 3) and coverage float32 (H, W), both in 0..1, and gives the colours anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

Rng = np.random.Generator
Finish = Callable[[np.ndarray, np.ndarray, Rng], np.ndarray]


def plain(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """As drawn."""
    return rgb


def toned(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """Another contrast, brightness and saturation."""
    saturation, contrast, shift = rng.uniform(0.2, 1.4), rng.uniform(0.6, 1.4), rng.uniform(-0.15, 0.15)
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    return _mixed(rgb, contrast * mix, 0.5 - 0.5 * contrast + shift)


def hued(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """Its channels mixed: other hues; greys stay grey."""
    mix = np.eye(3) + rng.normal(0, 0.35, (3, 3))
    return _mixed(rgb, mix - (mix.sum(1, keepdims=True) - 1) / 3)


def flat(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """Few tones per channel."""
    n, sigma = int(rng.integers(2, 5)), 0.012 * len(rgb) + 0.3
    soft = cv2.GaussianBlur(cv2.multiply(rgb, cv2.merge([alpha] * 3)), (0, 0), sigma)
    soft /= cv2.merge([np.maximum(cv2.GaussianBlur(alpha, (0, 0), sigma), 1e-3)] * 3)
    return np.round(soft * n) / n


def inked(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """Dark lines where the colour changes and around."""
    return rgb * cv2.merge([1 - _lines(rgb, alpha)] * 3)


def pencilled(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """Lines on paper, with a hint of colour and hatching."""
    h, w = rgb.shape[:2]
    step, lean = max(3.0, h / rng.uniform(15, 30)), rng.uniform(-1, 1)
    across = (np.arange(w)[None] + lean * np.arange(h)[:, None]).astype(np.float32) / np.float32(step)
    hatch = np.abs(across - np.floor(across) - 0.5) < 0.18
    dark = np.clip(0.66 - 1.2 * _grey(rgb), 0, 1)
    paper, hint = np.array([1.0, 0.99, 0.95]) * rng.uniform(0.85, 1.0), rng.uniform(0, 0.5)
    out = _mixed(rgb, hint * np.eye(3), (1 - hint) * paper)
    return out * cv2.merge([1 - np.maximum(_lines(rgb, alpha), hatch * dark)] * 3)


def dirty(rgb: np.ndarray, alpha: np.ndarray, rng: Rng) -> np.ndarray:
    """Blotches of mud, rust or snow."""
    h, w = rgb.shape[:2]
    small = rng.standard_normal((4, min(16, max(2, round(4 * w / h))))).astype(np.float32)
    most, clean, color = rng.uniform(0.3, 0.9), rng.uniform(-0.2, 0.8), rng.uniform(0.1, 0.9) + rng.normal(0, 0.06, 3)
    amount = np.clip(cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC) - np.float32(clean), 0, 1)
    return rgb + cv2.merge([amount * np.float32(most)] * 3) * (color.astype(np.float32) - rgb)


def _mixed(rgb: np.ndarray, matrix: np.ndarray, shift: float | np.ndarray = 0.0) -> np.ndarray:
    """Channels through a matrix (3, 3), plus a shift."""
    return cv2.transform(rgb, np.column_stack([matrix, np.broadcast_to(shift, 3)]))


def _grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.transform(rgb, np.full((1, 3), 1 / 3)).reshape(rgb.shape[:2])


def _lines(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Strength of edges (H, W) in 0..1, the outline's among them."""
    plane = cv2.multiply(_grey(rgb) + np.float32(0.5), alpha)
    soft = cv2.GaussianBlur(plane, (0, 0), 0.004 * len(rgb) + 0.3, borderType=cv2.BORDER_CONSTANT)
    across, down = (cv2.Sobel(soft, cv2.CV_32F, *axis, borderType=cv2.BORDER_CONSTANT) for axis in ((1, 0), (0, 1)))
    return np.clip(3 * cv2.magnitude(across, down) - 0.25, 0, 1)


FINISHES: dict[str, tuple[Finish, float]] = {
    "plain": (plain, 0.4),
    "toned": (toned, 0.2),
    "hued": (hued, 0.12),
    "flat": (flat, 0.12),
    "inked": (inked, 0.08),
    "dirty": (dirty, 0.08),
}
"""Those of training, with how often they are taken."""

UNSEEN_FINISHES: dict[str, tuple[Finish, float]] = {
    "plain": (plain, 0.6),
    "pencilled": (pencilled, 0.2),
    "toned": (toned, 0.2),
}
"""Those of measuring; no training sees `pencilled`."""


def finished(rgba: np.ndarray, finish: Finish, rng: Rng) -> np.ndarray:
    """A straight-alpha uint8 RGBA picture with a finish; its alpha stays."""
    if finish is plain:
        return rgba
    scaled = rgba * np.float32(1 / 255)
    rgb = finish(cv2.cvtColor(scaled, cv2.COLOR_RGBA2RGB), scaled[..., 3].copy(), rng)
    return np.dstack([cv2.convertScaleAbs(np.maximum(rgb, 0), alpha=255), rgba[..., 3]])


def drawn(rgba: np.ndarray, rng: Rng, unseen: bool) -> np.ndarray:
    """A straight-alpha uint8 RGBA picture with a random finish: one of training's, or of measuring's if ``unseen``."""
    table: Mapping[str, tuple[Finish, float]] = UNSEEN_FINISHES if unseen else FINISHES
    cuts = np.cumsum([weight for _, weight in table.values()])
    number = int(np.searchsorted(cuts, rng.random() * cuts[-1], side="right"))
    return finished(rgba, list(table.values())[number][0], rng)
