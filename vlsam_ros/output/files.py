"""Pictures from files and messages, and results as JSON.

Pictures are decoded by Pillow, and from the formats of `FORMATS` alone: for some others it runs programs. The header is
read before the pixels. Of several pages or frames the first counts, of 16 bits the upper 8, transparency is left out,
and a picture is turned as its EXIF data say.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from ..data import Detection, Detections
from ..errors import BadImageError, OutputError
from ..localisation.score import PARTS
from .rle import encode, to_coco

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
MAX_PIXELS = 80_000_000
"""Larger pictures are refused; the node has an option for it."""

BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
"""A mosaic's upper left four pixels, and OpenCV's conversion to RGB, which names it by its second row."""
_MOST_SCANS = 100
"""Of a JPEG. A progressive one has about ten; each goes over all pixels, so that thousands in 1 MB would take hours."""
_JPEG_MARKER = re.compile(rb"\xff+([\xc0-\xcf\xd9-\xfe])")
"""What begins a segment, with its length behind it, or (D9) ends the picture."""

_ORIENTATION = 0x0112  # EXIF's number of it
_MOSAIC = re.compile(r"\s*bayer_(rggb|bggr|gbrg|grbg)(8|16)\b")
_NUMBERS = re.compile(r"\s*(8S|16S|32S|32F|64F)C\d|.*compressedDepth")


def read(path: Path, upright: bool = True) -> np.ndarray:
    """A picture as RGB uint8 (H, W, 3), turned as its EXIF data say; with `upright` False as it is stored.

    Raises:
        BadImageError: no such file, not to be read, broken, of another format, or of more than `MAX_PIXELS`.
    """
    with _file(path) as file:
        return _decoded(file, upright, MAX_PIXELS)


def decoded(
    data: bytes | np.ndarray, upright: bool = True, max_pixels: int = MAX_PIXELS, described: str = ""
) -> np.ndarray:
    """The same from the bytes of a picture's file.

    Args:
        described: the `format` of a sensor_msgs/CompressedImage. The picture itself says all but two things: that it
            is a Bayer camera's mosaic ("bayer_rggb8; jpeg compressed"), or no brightness at all ("32FC1; …").
    """
    if _NUMBERS.match(described):
        raise BadImageError(f"expected a colour image, got format {described!r:.80}")
    mosaic = _MOSAIC.match(described)
    return _decoded(io.BytesIO(bytes(data)), upright, max_pixels, mosaic[1] if mosaic else "")


def grey(
    data: bytes | np.ndarray, width: int, max_pixels: int = MAX_PIXELS, described: str = ""
) -> tuple[np.ndarray, tuple[int, int]]:
    """The brightness of `decoded`, uint8 (h, w), at a size that is quick to decode, and the whole picture's (H, W).

    Args:
        width: the least that it is wide, if the picture is; only JPEGs get smaller.

    Raises:
        BadImageError: as `decoded`.
    """
    if _MOSAIC.match(described) or _NUMBERS.match(described):
        rgb = decoded(data, True, max_pixels, described)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), rgb.shape[:2]
    with _opened(file := io.BytesIO(bytes(data)), max_pixels) as picture:
        height, told = picture.height, _orientation(picture)
        whole = (height, picture.width) if told < 5 else (picture.width, height)
        if picture.format == "JPEG":
            least = -(-width * picture.width // whole[1])
            picture.draft("L", (least, max(1, least * height // picture.width)))  # no colours, and fewer pixels
        if picture.format == "JPEG" and (picture.mode == "L" or picture.height != height):
            _check_scans(file)
            return np.ascontiguousarray(_turned(np.asarray(picture.convert("L")), told)), whole
    rgb = decoded(data, True, max_pixels, described)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), rgb.shape[:2]


def orientation(path: Path) -> int:
    """The EXIF orientation of a picture, 1 (as it is stored) to 8; from 5 on, height and width change places.

    Raises:
        BadImageError: as `read`, of what is found without decoding.
    """
    with _file(path) as file, _opened(file, MAX_PIXELS) as picture:
        return _orientation(picture)


def stored_hw(path: Path) -> tuple[int, int]:
    """Height and width of a picture in pixels, as it is stored.

    Raises:
        BadImageError: as `read`, of what is found without decoding.
    """
    with _file(path) as file, _opened(file, MAX_PIXELS) as picture:
        if picture.format == "TIFF":  # whose size Pillow gives as turned
            return picture.tag_v2[257], picture.tag_v2[256]  # type: ignore[attr-defined]
        return picture.height, picture.width


def numbers(path: Path) -> np.ndarray:
    """A picture of numbers, as labels are: unsigned integers (H, W) as they are stored, of a palette its indices.

    Raises:
        BadImageError: as `read`, or it has more than one number a pixel.
    """
    with _file(path) as file, _opened(file, MAX_PIXELS) as picture:
        if picture.mode not in ("1", "L", "P", "I") and not picture.mode.startswith("I;16"):
            raise BadImageError(f"expected one whole number a pixel, got a picture of mode {picture.mode}")
        return np.array(picture)


def jpeg(image: np.ndarray, quality: int = 95) -> bytes:
    """An RGB uint8 (H, W, 3) as the bytes of a JPEG file.

    Raises:
        OutputError: it can't be one, as with more than 65 500 rows or columns.
    """
    try:
        made, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise OutputError(f"can't make a JPEG of {image.shape[1]}x{image.shape[0]} pixels: {error.err}") from error
    if not made:
        raise OutputError(f"can't make a JPEG of {image.shape[1]}x{image.shape[0]} pixels")
    return data.tobytes()


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises `BadImageError` if there are no pixels, or more than `max_pixels`."""
    if width <= 0 or height <= 0:
        raise BadImageError(f"expected an image with pixels, got {width}x{height}")
    if width * height > max_pixels:
        raise BadImageError(f"{width}x{height} are more than {max_pixels} pixels (in the node: node.max_image_pixels)")


@contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    try:
        if not path.is_file():  # to open a pipe could wait for ever
            raise BadImageError("expected a file, got a folder or device" if path.exists() else "no such file")
        file = path.open("rb")
    except OSError as error:
        raise BadImageError(f"can't be read: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _opened(file: BinaryIO, max_pixels: int) -> Iterator[Pillow.Image]:
    """The picture with its header read, and its size checked."""
    try:
        with Pillow.open(file, formats=FORMATS) as picture:
            check_size(picture.width, picture.height, max_pixels)
            yield picture
    except BadImageError:
        raise
    except UnidentifiedImageError as error:
        raise BadImageError(f"not a picture: expected {', '.join(FORMATS)}") from error
    except Pillow.DecompressionBombError as error:
        raise BadImageError(f"too large for Pillow: {error}") from error
    except Exception as error:  # a broken file raises whatever its decoder runs into
        raise BadImageError(f"can't be decoded: {str(error) or type(error).__name__}") from error


def _decoded(file: BinaryIO, upright: bool, max_pixels: int, mosaic: str = "") -> np.ndarray:
    with _opened(file, max_pixels) as picture:
        if picture.format in ("JPEG", "MPO"):
            _check_scans(file)
        told = _orientation(picture)
        pixels = _pixels(picture)
        if told != _orientation(picture):  # Pillow has turned it, as it does with TIFF
            pixels = _turned(pixels, {6: 8, 8: 6}.get(told, told))
        if pixels.ndim == 2:
            code = BAYER[mosaic] if mosaic else cv2.COLOR_GRAY2RGB
            pixels = cv2.cvtColor(np.ascontiguousarray(pixels), code)
        return np.ascontiguousarray(_turned(pixels, told) if upright else pixels)


def _check_scans(file: BinaryIO) -> None:
    if _scans(file) > _MOST_SCANS:
        raise BadImageError(f"expected a JPEG of at most {_MOST_SCANS} scans, got more")


def _scans(file: BinaryIO) -> int:
    """How many scans a JPEG has, not counting those of what is embedded in it or follows it; no more than needed."""
    file.seek(0)
    data, place, count = file.read(), 2, 0
    while count <= _MOST_SCANS and (found := _JPEG_MARKER.search(data, place)) and found[1] != b"\xd9":
        count += found[1] == b"\xda"
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return count


def _pixels(picture: Pillow.Image) -> np.ndarray:
    """uint8 (H, W) of a grey picture, (H, W, 3) of others."""
    picture.load()
    wide = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format != "TIFF")
    if wide:  # grey, 16 bits
        return (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
    if picture.mode in ("I", "F"):
        raise BadImageError(f"expected 8 or 16 bits a channel, without sign; got {picture.format} of 32 bits")
    picture.info.pop("transparency", None)
    mode = "L" if picture.mode in ("1", "L", "LA") else "RGB"
    return np.array(picture if picture.mode == mode else picture.convert(mode))


def _orientation(picture: Pillow.Image) -> int:
    try:
        told = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # what can't be parsed says nothing of the pixels: as without EXIF
        return 1
    return int(told) if told in range(1, 9) else 1


def _turned(image: np.ndarray, told: int) -> np.ndarray:
    """A stored picture (H, W, …) as an EXIF orientation wants it."""
    turned = image.swapaxes(0, 1) if told >= 5 else image
    if told in (3, 4, 7, 8):
        turned = turned[::-1]
    return turned[:, ::-1] if told in (2, 3, 6, 7) else turned


def as_json(name: str, found: Detections) -> dict[str, Any]:
    """The result for one picture; masks are COCO run lengths (uncompressed) of the whole picture."""
    return {
        "image": name,
        "size_hw": list(found.size_hw),
        "vlm": found.vlm,
        "segmenter": found.segmenter,
        "grounder": found.grounder,
        "demonstration": found.demonstration,
        "skipped": list(found.skipped),
        "problems": list(found.problems),
        "novelty": None if found.novelty is None else round(found.novelty, 3),
        "timings_s": {k: round(v, 4) for k, v in found.timings_s.items()},
        "answers": [{"view": v, "question": q, "text": t} for v, q, t in found.answers],
        "instances": [_instance(d, found.size_hw) for d in found.items],
        "dropped": [_instance(d, found.size_hw) | {"reason": d.reason} for d in found.dropped],
    }


def _instance(d: Detection, size_hw: tuple[int, int]) -> dict[str, Any]:
    return {
        "label": d.label,
        "score": round(d.score, 4),
        "parts": {k: round(getattr(d, k), 4) for k in PARTS},
        "box_xyxy": list(d.xyxy),
        "view": d.view,
        "source": d.source,
        "witnesses": {w.way: [round(w.score, 4), round(w.iou, 4)] for w in d.witnesses},
        "segmentation": to_coco(encode(d.mask.bits, (d.mask.x, d.mask.y)), size_hw),
    }
