"""Pictures for people: detections on their keyframe, and the heat map. No ROS."""

from __future__ import annotations

import colorsys
import math
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..data import Detection, Detections, Place
from .files import MAX_PIXELS
from .layout import FONT, Label, Lens, arranged, below_px, font_scale, line_px, scale_of, text_px, thickness
from .text import drawable, plain


def _palette(hues: int = 20) -> tuple[str, ...]:
    """Bright colours that black text can be read on."""
    colours = [colorsys.hls_to_rgb(hue / hues, light, 1.0) for light in (0.6, 0.8) for hue in range(hues)]
    return tuple("#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in colours)


PALETTE = _palette()
OPACITY = 0.45
"""Of masks."""
CANVAS_HW = (360, 640)
"""Of the picture of a frame that can't be read and whose size isn't known."""
_FADED, _FADES_S = 0.25, 2.0  # what is left of a track's colour, and when
_LONGEST_AGE_S = 3600.0
_MOST_LINES = 4
_BLACK, _WHITE, _STRIP_FAILED, _STRIP_UNFAMILIAR = (0, 0, 0), (255, 255, 255), (110, 0, 0), (120, 70, 0)


@dataclass(frozen=True)
class Caption:
    """What the strip at the top says beside the results.

    Attributes:
        latency_s: how long the models took, s; None if that isn't known.
        age_s: how old the image was then, s; None or NaN if that isn't known.
        problem: why there is no result; empty if there is one.
        camera: its name.
        preliminary: more of this keyframe is to come.
    """

    latency_s: float | None = None
    age_s: float | None = None
    problem: str = ""
    camera: str = ""
    preliminary: bool = False


def colour_index(label: str) -> int:
    """Place in the palette: the same label has the same colour in every frame and every run."""
    return zlib.crc32(label.encode("utf-8", "surrogatepass")) % len(PALETTE)


def colour(label: str) -> tuple[int, int, int]:
    """A label's red, green and blue, 0 to 255."""
    r, g, b = bytes.fromhex(PALETTE[colour_index(label)][1:])
    return r, g, b


def said(item: Detection) -> tuple[str, ...]:
    """What is written beside an instance: its label; score and track's id; distance; how long it is unseen."""
    track = f" #{plain(item.track.id, 12)}" if item.track and item.track.id else ""
    distance = distance_text(item.place) if item.place else ""
    unseen = f"{item.track.unseen_s:.1f} s ago" if item.track and item.track.unseen_s >= 0.05 else ""
    lines = plain(item.label), f"{item.score:.2f}{track}", distance, unseen
    return tuple(line for line in lines if line)


def distance_text(place: Place) -> str:
    """``23 m ± 2``, the larger side of the 95 % interval; ``> 40 m`` if that has no end; empty if nothing is known."""
    if not math.isfinite(place.distance):
        return ""
    if not math.isfinite(place.distance_max):
        return f"> {place.distance_min:.0f} m" if math.isfinite(place.distance_min) else f"{place.distance:.0f} m"
    error = max(place.distance_max - place.distance, place.distance - place.distance_min)
    digits = int(error < 0.95)
    return f"{place.distance:.{digits}f} m ± {error:.{digits}f}"


def draw(image: np.ndarray | None, detections: Detections, caption: Caption | None = None) -> np.ndarray:
    """A picture with masks, boxes, labels, enlargements of what is small, and `summary` in a strip at the top.

    Labels and enlargements stand where no instance is, if there is room, with lines to what they are about. Lines run
    below masks. What a track hasn't seen for a while is faded.

    Args:
        image: RGB uint8 (H, W, 3), which stays as it is; None if it can't be read. Then the picture is grey, of the
            detections' size if that is known and sane.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ValueError: there are detections in an image of another size.
    """
    caption = caption or Caption()
    image = _canvas(detections.size_hw) if image is None else image
    if image.shape[:2] != tuple(detections.size_hw):
        if len(detections):
            raise ValueError(f"expected detections in an image of {image.shape[:2]}, got {detections.size_hw}")
        detections = replace(detections, size_hw=image.shape[:2])  # of a failed frame
    scale = scale_of(detections.size_hw)
    lines = _lines(summary(detections, caption), scale, detections.size_hw)
    top = len(lines) * line_px(1.2 * scale) + line_px(scale) // 3
    layout = arranged(detections, [said(item) for item in detections.items], top)
    picture = image.copy()
    for index, line in layout.lines:
        _draw_line(picture, line, _shade(detections.items[index]), scale)
    _draw_masks(picture, image, detections.items)
    for item in detections.items:
        _draw_box(picture, item, scale)
    for label in layout.labels:
        _draw_label(picture, label, _shade(detections.items[label.item]), scale)
    for lens in layout.lenses:
        _draw_lens(picture, image, lens, detections.items[lens.item], scale)
    strip = _STRIP_FAILED if caption.problem else _STRIP_UNFAMILIAR if detections.unfamiliar else None
    _draw_strip(picture, lines, top, scale, strip)
    return picture


def summary(detections: Detections, caption: Caption | None = None) -> str:
    """One line: camera, the problem or how many were found, by which models, in what time, and how old the image was.

    The age is left out if it is no sane number, as in the replay of an old recording.
    """
    caption = caption or Caption()
    parts = [plain(caption.camera)] if caption.camera else []
    parts.append(f"no result: {plain(caption.problem)}" if caption.problem else f"{len(detections)} found")
    if detections.unfamiliar:
        parts.append(f"UNFAMILIAR: {detections.unfamiliar}")
    if caption.preliminary:
        parts.append("PRELIMINARY")
    if detections.demonstration:
        parts.append("DEMONSTRATION MODELS")
    if models := [name for name in (detections.vlm, detections.grounder, detections.segmenter) if name]:
        parts.append(" + ".join(models))
    if caption.latency_s is not None:
        parts.append(f"{caption.latency_s:.2f} s")
    if caption.age_s is not None and 0 <= caption.age_s < _LONGEST_AGE_S:  # NaN isn't
        parts.append(f"age {caption.age_s:.2f} s")
    if detections.skipped:
        parts.append(f"skipped {', '.join(detections.skipped)}")
    if detections.problems:
        parts.append(f"{len(detections.problems)} not known")
    return "  |  ".join(parts)


def draw_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The RGB uint8 (H, W, 3) under its heat map, float (h, w) in [0, 1]: cold stays grey, hot glows."""
    height, width = image.shape[:2]
    level = cv2.resize(np.clip(heat, 0, 1).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colours = cv2.cvtColor(cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    share = 0.75 * np.sqrt(level)
    return cv2.blendLinear(cv2.convertScaleAbs(grey, alpha=0.7), colours, 1 - share, share)


def _canvas(size_hw: Sequence[int]) -> np.ndarray:
    height, width = size_hw if 0 < size_hw[0] * size_hw[1] <= MAX_PIXELS else CANVAS_HW
    return np.full((height, width, 3), 60, np.uint8)


def _strength(item: Detection) -> float:
    """1 of what was just seen, less of a track that wasn't."""
    unseen_s = item.track.unseen_s if item.track else 0.0
    return max(_FADED, 1 - (1 - _FADED) * unseen_s / _FADES_S)


def _shade(item: Detection) -> tuple[int, ...]:
    strength = _strength(item)
    return tuple(round(strength * part + (1 - strength) * 160) for part in colour(item.label))


def _draw_masks(picture: np.ndarray, image: np.ndarray, items: Sequence[Detection]) -> None:
    """Masks over the image, the smaller ones on top; what was drawn below them is gone."""
    for item in sorted(items, key=lambda item: -item.mask.area):
        if not item.mask.area:
            continue
        h, w = item.mask.bits.shape
        part = slice(item.mask.y, item.mask.y + h), slice(item.mask.x, item.mask.x + w)
        opacity = OPACITY * _strength(item)
        tint = (*(opacity * c for c in colour(item.label)), 0.0)
        tinted = cv2.add(cv2.convertScaleAbs(image[part], alpha=1 - opacity), tint)
        cv2.copyTo(tinted, item.mask.bits.view(np.uint8), picture[part])


def _draw_line(picture: np.ndarray, ends: Sequence[Sequence[int]], shade: Sequence[int], scale: float) -> None:
    width = max(1, round(2 * scale))
    cv2.line(picture, *ends, _BLACK, width + 2, cv2.LINE_AA)
    cv2.line(picture, *ends, shade, width, cv2.LINE_AA)


def _draw_box(picture: np.ndarray, item: Detection, scale: float) -> None:
    """Around the mask, not on it."""
    if item.mask.area:
        width = max(1, round(2 * scale * _strength(item)))
        x0, y0, x1, y1 = (int(v) for v in item.xyxy)
        corners = (x0 - width, y0 - width), (x1 + width - 1, y1 + width - 1)
        cv2.rectangle(picture, *corners, _shade(item), width)


def _draw_label(picture: np.ndarray, label: Label, shade: Sequence[int], scale: float) -> None:
    x0, y0, x1, y1 = label.xyxy
    picture[y0:y1, x0:x1] = shade
    _write(picture, label.text, (x0 + x1 - text_px(label.text, scale)) // 2, y0, _BLACK, scale)


def _draw_lens(picture: np.ndarray, image: np.ndarray, lens: Lens, item: Detection, scale: float) -> None:
    """The enlarged image, the outline of the mask in it, and below it the text."""
    x0, y0, x1, y1 = lens.xyxy
    shade = _shade(item)
    wx0, wy0, wx1, wy1 = lens.window
    size = (x1 - x0, y1 - y0)
    picture[y0:y1, x0:x1] = cv2.resize(image[wy0:wy1, wx0:wx1], size, interpolation=cv2.INTER_CUBIC)
    bits = item.mask.shifted(-wx0, -wy0).dense((wy1 - wy0, wx1 - wx0)).astype(np.float32)
    large = cv2.resize(bits, size, interpolation=cv2.INTER_LINEAR) >= 0.5
    outlines, _ = cv2.findContours(large.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture[y0:y1, x0:x1], outlines, -1, shade, thickness(scale))
    bottom = y1 + below_px(len(lens.text), scale)
    picture[y1:bottom, x0:x1] = shade
    for n, text in enumerate(lens.text):
        _write(picture, text, x0 + 2, y1 + n * line_px(scale), _BLACK, scale)
    cv2.rectangle(picture, (x0, y0), (x1 - 1, bottom - 1), shade, thickness(scale) + 1)


def _lines(text: str, scale: float, size_hw: Sequence[int]) -> list[str]:
    """A text in as many lines as a strip may have, which is a third of the picture at most."""
    letter_px = max(1.0, text_px("n" * 20, 1.2 * scale) / 20)
    most = max(1, min(_MOST_LINES, size_hw[0] // 3 // line_px(1.2 * scale)))
    fits = max(8, int((size_hw[1] - 20 * scale) / letter_px))
    return textwrap.wrap(drawable(text, 500), fits, max_lines=most, placeholder=" ...")


def _draw_strip(picture: np.ndarray, lines: Sequence[str], top: int, scale: float, shade: Sequence[int] | None) -> None:
    """White text at the top on a strip of a colour; without one, on what is there, darkened."""
    picture[:top] = (picture[:top] * 0.3).astype(np.uint8) if shade is None else shade
    for n, line in enumerate(lines):
        _write(picture, line, round(10 * scale), line_px(scale) // 6 + n * line_px(1.2 * scale), _WHITE, 1.2 * scale)


def _write(picture: np.ndarray, text: str, x: int, y: int, shade: Sequence[int], scale: float) -> None:
    """A line of text whose line's upper left corner is given."""
    place = (x, y + round(0.72 * line_px(scale)))
    cv2.putText(picture, text, place, FONT, font_scale(scale), shade, thickness(scale), cv2.LINE_AA)
