"""Finishes of a drawn thing: other colours, fewer tones, ink lines, pencil, dirt; its shape stays."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Rng = np.random.Generator
Finish = Callable[[np.ndarray, Rng], np.ndarray]


def plain(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """As drawn."""
    return rgb


def toned(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """Another contrast, brightness and saturation."""
    grey = rgb.mean(-1, keepdims=True)
    out = grey + (rgb - grey) * rng.uniform(0.2, 1.4)
    return (out - 0.5) * rng.uniform(0.6, 1.4) + 0.5 + rng.uniform(-0.15, 0.15)


def hued(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """Its channels mixed: other hues, the same lightness."""
    mix = np.eye(3) + rng.normal(0, 0.35, (3, 3))
    return rgb @ (mix / mix.sum(1, keepdims=True)).T.astype(np.float32)


def flat(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """Few tones per channel."""
    n = int(rng.integers(2, 5))
    soft = cv2.GaussianBlur(rgb, (0, 0), 0.012 * len(rgb) + 0.3)
    return np.round(soft * n) / n


def inked(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """Dark lines where the colour changes."""
    return rgb * (1 - _lines(rgb)[..., None])


def pencilled(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """Lines on paper, with a hint of colour and hatching."""
    h, w = rgb.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    step, lean = max(3.0, h / rng.uniform(15, 30)), rng.uniform(-1, 1)
    hatch = np.abs(((x + lean * y) / step) % 1 - 0.5) < 0.18
    dark = np.clip(0.55 - rgb.mean(-1), 0, 1) * 1.2
    paper = np.array([1.0, 0.99, 0.95]) * rng.uniform(0.85, 1.0)
    out = paper + rng.uniform(0, 0.5) * (rgb - paper)
    return out * (1 - np.maximum(_lines(rgb), hatch * dark))[..., None]


def dirty(rgb: np.ndarray, rng: Rng) -> np.ndarray:
    """Blotches of mud, rust or snow."""
    h, w = rgb.shape[:2]
    small = rng.standard_normal((4, max(2, round(4 * w / h)))).astype(np.float32)
    amount = np.clip(cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC) - rng.uniform(-0.2, 0.8), 0, 1)[..., None]
    return rgb + amount * rng.uniform(0.3, 0.9) * (rng.uniform(0.05, 0.9, 3) - rgb)


def _lines(rgb: np.ndarray) -> np.ndarray:
    """Strength of edges (H, W) in 0..1."""
    grey = cv2.GaussianBlur(rgb.mean(-1), (0, 0), 0.004 * len(rgb) + 0.3)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.clip(3 * slope - 0.25, 0, 1)


FINISHES: dict[str, tuple[Finish, float]] = {
    "plain": (plain, 0.4),
    "toned": (toned, 0.2),
    "hued": (hued, 0.12),
    "flat": (flat, 0.12),
    "inked": (inked, 0.08),
    "dirty": (dirty, 0.08),
}
"""Those of training, with how often they are taken; `pencilled` is for measuring alone."""


def finished(rgba: np.ndarray, finish: Finish, rng: Rng) -> np.ndarray:
    """A straight-alpha uint8 RGBA picture with a finish."""
    if finish is plain:
        return rgba
    rgb = finish(rgba[..., :3].astype(np.float32) / 255, rng)
    return np.dstack([(np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8), rgba[..., 3]])
