"""Image messages to arrays, without ROS. Wrong input raises `BadImageError`; nothing is guessed.

Raw images are converted here, not by cv_bridge: it knows no YUV 4:2:0, its builds differ in whether padded rows are
read right, and a distribution's build doesn't load beside another NumPy. The tests hold both equal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from vlsam_ros.errors import BadImageError
from vlsam_ros.output.files import BAYER, check_size, decoded, grey

# encoding -> channels, and OpenCV's conversion to RGB (None: is RGB).
_PACKED: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    **{f"bayer_{pattern}8": (1, code) for pattern, code in BAYER.items()},
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
}
# Full-size brightness above half-size interleaved colour: 3/2 rows of one byte a pixel.
_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
# 16 bits a channel; the upper 8 are taken.
_WIDE = {
    name[:-1] + "16": name
    for name in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8")
} | {"16UC1": "mono8", "16UC3": "bgr8"}

# Of what is quick to shrink as it is: channels, and OpenCV's conversion to grey (None: is grey).
_QUICK: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, cv2.COLOR_RGB2GRAY),
    "bgr8": (3, cv2.COLOR_BGR2GRAY),
    "8UC3": (3, cv2.COLOR_BGR2GRAY),
    "rgba8": (4, cv2.COLOR_RGBA2GRAY),
    "bgra8": (4, cv2.COLOR_BGRA2GRAY),
    "8UC4": (4, cv2.COLOR_BGRA2GRAY),
    "mono8": (1, None),
    "8UC1": (1, None),
}

ENCODINGS = (*_PACKED, *_PLANAR, *_WIDE)
"""Every encoding of sensor_msgs/Image that `to_rgb` reads."""


@dataclass(frozen=True)
class Picture:
    """What a sensor_msgs/Image or CompressedImage says of its `data`: with a `format` it is compressed."""

    format: str | None = None
    encoding: str = ""
    width: int = 0
    height: int = 0
    step: int = 0
    is_bigendian: int = 0
    data: Any = b""

    @classmethod
    def of(cls, message: Any) -> Picture:
        """Of a message, without its data."""
        if hasattr(message, "format"):
            return cls(format=message.format)
        fields = ("encoding", "width", "height", "step", "is_bigendian")
        return cls(**{field: getattr(message, field) for field in fields})

    def holding(self, data: Any) -> Picture:
        """The same with its data."""
        return replace(self, data=data)


@dataclass(frozen=True)
class Seen:
    """One frame of a camera.

    Attributes:
        camera: its index among the cameras.
        number: its own, growing.
        time_s: seconds by its stamp, or by a clock.
        picture: what its message says beside the data.
    """

    camera: int
    number: int
    time_s: float
    picture: Picture


def to_rgb(message: Any, max_pixels: int) -> np.ndarray:
    """RGB uint8 (H, W, 3), from a raw or compressed image of at most `max_pixels`: a message or a `Picture`.

    Raises:
        BadImageError: an unknown encoding, no pixels, too many, too little data, or data that can't be decoded.
    """
    if getattr(message, "format", None) is not None:
        return _decoded(message, max_pixels)
    return _raw(message, max_pixels)


def to_grey(message: Any, max_pixels: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The brightness of `to_rgb`, uint8 (h, w), at a size that is quick to get, and the whole image's (H, W).

    Args:
        width: the least that it is wide, if the image is.

    Raises:
        BadImageError: as `to_rgb`.
    """
    if getattr(message, "format", None) is not None:
        return grey(message.data, width, max_pixels, message.format)
    fast = _QUICK.get(message.encoding)
    if not fast:
        rgb = to_rgb(message, max_pixels)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), rgb.shape[:2]
    check_size(message.width, message.height, max_pixels)
    channels, code = fast
    pixels = _rows(message, message.height, message.width * channels, 1).reshape(message.height, message.width, -1)
    factor = max(1, message.width // max(width, 1))
    small = (max(1, message.width // factor), max(1, message.height // factor))
    pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA) if factor > 1 else pixels
    brightness = pixels.reshape(pixels.shape[:2]) if code is None else cv2.cvtColor(pixels, code)
    return brightness, (message.height, message.width)


def _raw(message: Any, max_pixels: int) -> np.ndarray:
    encoding, width, height = message.encoding, message.width, message.height
    check_size(width, height, max_pixels)
    if encoding in _PLANAR:
        if width % 2 or height % 2:
            raise BadImageError(f"encoding {encoding!r} needs an even width and height, got {width}x{height}")
        return cv2.cvtColor(_rows(message, height * 3 // 2, width, 1), _PLANAR[encoding])
    narrow = _WIDE.get(encoding, encoding)
    if narrow not in _PACKED:
        raise BadImageError(f"unknown encoding {encoding!r}; known are: {', '.join(ENCODINGS)}")
    channels, code = _PACKED[narrow]
    if "yu" in narrow and width % 2:
        raise BadImageError(f"encoding {encoding!r} needs an even width, got {width}")
    rows = _rows(message, height, width * channels, 2 if encoding in _WIDE else 1)
    pixels = rows.reshape(height, width, channels) if channels > 1 else rows
    return pixels if code is None else cv2.cvtColor(pixels, code)


def _rows(message: Any, rows: int, columns: int, item_bytes: int) -> np.ndarray:
    """uint8 (rows, columns), contiguous: padding at the rows' ends left out, the upper byte of wide values."""
    step = message.step or columns * item_bytes
    data = np.frombuffer(message.data, np.uint8)
    if step < columns * item_bytes:
        raise BadImageError(f"step is {step}, a row of {message.encoding!r} has {columns * item_bytes} bytes")
    if data.size < step * rows:
        raise BadImageError(f"expected {step} * {rows} = {step * rows} bytes, got {data.size}")
    table = data[: step * rows].reshape(rows, step)[:, : columns * item_bytes]
    if item_bytes == 2:
        table = table[:, 0 if message.is_bigendian else 1 :: 2]
    return np.ascontiguousarray(table)


def _decoded(message: Any, max_pixels: int) -> np.ndarray:
    try:
        return decoded(message.data, max_pixels=max_pixels, described=message.format)
    except BadImageError as error:
        got = f"{len(message.data)} bytes of format {message.format!r:.80}"
        raise BadImageError(f"can't decode the compressed image ({got}): {error}") from error
