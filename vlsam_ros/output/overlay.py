"""Pictures for people: detections on their keyframe, and the heat map. No ROS."""

from __future__ import annotations

import colorsys
import math
import unicodedata
import zlib
from typing import Any

import cv2
import numpy as np

from vlsam_ros.data import Detections
from vlsam_ros.output.text import plain


def _palette(hues: int = 20) -> tuple[str, ...]:
    """Bright colours that black text can be read on."""
    colours = [colorsys.hls_to_rgb(hue / hues, light, 1.0) for light in (0.6, 0.8) for hue in range(hues)]
    return tuple("#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in colours)


PALETTE = _palette()
OPACITY = 0.45
"""Of masks."""
_LONGEST_AGE_S = 3600.0
_LONGEST_LABEL = 60
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)
"""Of the Latin letters, those that Unicode takes for no accented ones."""


def colour_index(label: str) -> int:
    """Place in the palette: the same label has the same colour in every frame and every run."""
    return zlib.crc32(label.encode("utf-8", "surrogatepass")) % len(PALETTE)


def drawable(text: str, limit: int = _LONGEST_LABEL) -> str:
    """At most `limit` characters that OpenCV's font has: without accents, with a question mark for other scripts."""
    letters = unicodedata.normalize("NFKD", plain(text, limit).translate(_LETTERS))
    return "".join(c for c in letters if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def draw(
    image: np.ndarray,
    detections: Detections,
    latency_s: float | None = None,
    age_s: float | None = None,
    problem: str = "",
) -> np.ndarray:
    """A copy of the RGB uint8 (H, W, 3) with masks, boxes, labels with scores, and `summary` at the top."""
    import supervision as sv  # seconds to load, and only needed if somebody looks

    scale = max(image.shape[0] / 900, 0.4)
    thickness = max(1, round(2 * scale))
    found = sv.Detections(
        xyxy=detections.boxes_xyxy,
        confidence=detections.scores,
        class_id=np.array([colour_index(label) for label in detections.labels], int),
    )
    picture = image.copy()
    if len(detections):
        palette = sv.ColorPalette.from_hex(list(PALETTE))
        labels = [f"{drawable(d.label)} {d.score:.2f}" for d in detections.items]
        picture = _with_masks(picture, detections, palette)[..., ::-1].copy()
        picture = sv.BoxAnnotator(palette, thickness=thickness).annotate(picture, found)
        picture = sv.LabelAnnotator(
            palette,
            text_color=sv.Color.BLACK,
            text_scale=0.55 * scale,
            text_thickness=max(1, round(1.2 * scale)),
            text_padding=max(2, round(5 * scale)),
            smart_position=True,
        ).annotate(picture, found, labels)[..., ::-1]
    return _with_line(np.ascontiguousarray(picture), summary(detections, latency_s, age_s, problem), scale)


def _with_masks(picture: np.ndarray, detections: Detections, palette: Any) -> np.ndarray:
    """Masks over an RGB picture, the smaller ones on top. One at a time: all at full size can be gigabytes."""
    painted = picture.copy()
    for d in sorted(detections.items, key=lambda d: -d.mask.area):
        h, w = d.mask.bits.shape
        region = painted[d.mask.y : d.mask.y + h, d.mask.x : d.mask.x + w]
        region[d.mask.bits] = palette.by_idx(colour_index(d.label)).as_rgb()
    return cv2.addWeighted(painted, OPACITY, picture, 1 - OPACITY, 0)


def summary(
    detections: Detections, latency_s: float | None = None, age_s: float | None = None, problem: str = ""
) -> str:
    """One line: the problem or how many were found, by which models, in what time, and how old the image was then.

    The age is left out if it is no sane number, as in the replay of an old recording.
    """
    parts = [f"FAILED: {problem}" if problem else f"{len(detections)} found"]
    if models := [name for name in (detections.vlm, detections.grounder, detections.segmenter) if name]:
        parts.append(" + ".join(models))
    if latency_s is not None:
        parts.append(f"{latency_s:.2f} s")
    if age_s is not None and not math.isnan(age_s) and 0 <= age_s < _LONGEST_AGE_S:
        parts.append(f"age {age_s:.2f} s")
    if detections.skipped:
        parts.append(f"skipped {', '.join(detections.skipped)}")
    if detections.problems:
        parts.append(f"{len(detections.problems)} not known")
    if detections.demonstration:
        parts.append("DEMONSTRATION MODELS")
    return "  |  ".join(parts)


def _with_line(picture: np.ndarray, text: str, scale: float) -> np.ndarray:
    """White text on a dark strip at the top."""
    height = round(30 * scale)
    picture[:height] = (picture[:height] * 0.3).astype(np.uint8)
    place = (round(10 * scale), round(21 * scale))
    return cv2.putText(
        picture,
        drawable(text, 500),
        place,
        cv2.FONT_HERSHEY_SIMPLEX,
        0.6 * scale,
        (255, 255, 255),
        max(1, round(scale)),
        cv2.LINE_AA,
    )


def draw_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The RGB uint8 (H, W, 3) under its heat map, float (h, w) in [0, 1]: cold stays grey, hot glows."""
    height, width = image.shape[:2]
    level = cv2.resize(np.clip(heat, 0, 1).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colours = cv2.cvtColor(cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    share = (0.75 * np.sqrt(level))[..., None]
    return (grey * 0.7 * (1 - share) + colours * share).astype(np.uint8)
