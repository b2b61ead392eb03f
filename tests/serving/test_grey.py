"""The quick brightness of images, for tracks, against that of the whole image in colour."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from vlsam_ros.errors import BadImageError
from vlsam_ros.serving.images import ENCODINGS, Picture, to_grey, to_rgb

MAX = 1_000_000


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    channels = 128 + 90 * np.sin(x / 25), 128 + 90 * np.cos(y / 18), 128 + 90 * np.sin((x + y) / 40)
    return np.stack(channels, -1).astype(np.uint8)


def compressed(
    kind: str, height: int = 96, width: int = 160, mode: str = "RGB", turn: int = 1, **more: object
) -> Picture:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(smooth(height, width)).convert(mode).save(file := io.BytesIO(), kind, exif=exif, **more)
    return Picture(format=kind.lower(), data=file.getvalue())


def check(picture: Picture, width: int, most: float) -> np.ndarray:
    rgb = to_rgb(picture, MAX)
    grey, size_hw = to_grey(picture, MAX, width)
    assert size_hw == rgb.shape[:2] and grey.dtype == np.uint8 and grey.ndim == 2
    assert min(width, size_hw[1]) <= grey.shape[1] <= size_hw[1]
    slow = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    slow = cv2.resize(slow, grey.shape[::-1], interpolation=cv2.INTER_AREA) if grey.shape != slow.shape else slow
    assert np.abs(slow.astype(int) - grey).mean() <= most
    return grey


@pytest.mark.parametrize("width", [1, 40, 80, 1600])
@pytest.mark.parametrize(
    "picture",
    [
        compressed("JPEG", quality=95),
        compressed("JPEG", quality=95, progressive=True),
        compressed("JPEG", quality=95, subsampling=0),
        compressed("JPEG", mode="L"),
        compressed("JPEG", mode="CMYK"),
        compressed("PNG"),
        compressed("PNG", mode="L"),
        compressed("WEBP", lossless=True),
        compressed("JPEG", 3, 2000),
        compressed("JPEG", 1, 1),
    ],
    ids=["jpeg", "progressive", "full colour", "grey", "for print", "png", "grey png", "webp", "flat", "a pixel"],
)
def test_compressed_images_have_the_brightness_of_their_colours(picture: Picture, width: int) -> None:
    check(picture, width, 2.0)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("width", [40, 1600])
def test_a_turned_image_is_turned(turn: int, width: int) -> None:
    check(compressed("JPEG", 96, 160, turn=turn, quality=95), width, 2.0)


@pytest.mark.parametrize("width", [1, 80, 1600])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_raw_images_have_the_brightness_of_their_colours(encoding: str, width: int) -> None:
    height, columns = 96, 160
    step = columns * 8  # as wide as the widest
    rows = cv2.resize(smooth(height, columns)[..., 0], (step, 2 * height)).tobytes()
    check(Picture(encoding=encoding, width=columns, height=height, step=step, data=rows), width, 2.0)


@pytest.mark.parametrize(
    "picture",
    [
        Picture(format="jpeg", data=b""),
        Picture(format="jpeg", data=compressed("JPEG").data[:400]),
        Picture(format="jpeg", data=compressed("JPEG", 1001, 1000).data),
        Picture(format="32FC1; png", data=compressed("PNG").data),
        Picture(encoding="rgb8", width=4, height=4, step=12, data=bytes(47)),
        Picture(encoding="rgb8", width=4, height=0, step=12),
        Picture(encoding="rgb8", width=1001, height=1000, step=3003, data=bytes(3003000)),
        Picture(encoding="32FC1", width=1, height=1, step=4, data=bytes(4)),
    ],
    ids=["nothing", "cut off", "too large", "numbers", "too short", "no rows", "too large raw", "raw numbers"],
)
@pytest.mark.parametrize("width", [1, 1600])
def test_what_has_no_colours_has_no_brightness(picture: Picture, width: int) -> None:
    for read in (lambda: to_rgb(picture, MAX), lambda: to_grey(picture, MAX, width)):
        with pytest.raises(BadImageError):
            read()
