"""Pictures of every kind and every fault, to RGB or a typed error."""

from __future__ import annotations

import io
import os
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vlsam_ros.errors import BadImageError, OutputError
from vlsam_ros.output.files import BAYER, FORMATS, MAX_PIXELS, decoded, jpeg, orientation, read, stored_hw

H, W = 24, 36
Y, X = np.mgrid[:H, :W]
RGB = np.stack([40 + 5 * X, 200 - 5 * Y, 90 + X + Y], -1).astype(np.uint8)
GREY = RGB[..., 0]
ALPHA = np.where(X > 9, 255, 0).astype(np.uint8)
TOLERANCE = {"JPEG": 12, "WEBP": 12}


def encoded(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(data, kind, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format(kind: str) -> None:
    picture = decoded(encoded(RGB, kind))
    assert picture.dtype == np.uint8 and picture.flags.c_contiguous and picture.flags.writeable
    assert np.abs(picture.astype(int) - RGB).max() <= TOLERANCE.get(kind, 0)
    grey = decoded(encoded(GREY, kind))
    assert np.abs(grey.astype(int) - GREY[..., None]).max() <= TOLERANCE.get(kind, 0)


def wide(image: np.ndarray, suffix: str) -> bytes:
    """16 bits a channel, by OpenCV, with other values in the lower 8."""
    return cv2.imencode(suffix, (image[..., ::-1] if image.ndim == 3 else image).astype(np.uint16) << 8 | 77)[
        1
    ].tobytes()


def merged(mode: str, *channels: np.ndarray) -> Image.Image:
    return Image.merge(mode, [Image.fromarray(c) for c in channels])


KINDS = {
    "grey, 16 bits, PNG": (wide(GREY, ".png"), GREY[..., None]),
    "grey, 16 bits, TIFF": (wide(GREY, ".tiff"), GREY[..., None]),
    "grey, 16 bits, PGM": (wide(GREY, ".pgm"), GREY[..., None]),
    "colour, 16 bits, PNG": (wide(RGB, ".png"), RGB),
    "transparent parts keep their colours": (encoded(np.dstack([RGB, ALPHA]), "PNG"), RGB),
    "grey with transparency": (encoded(merged("LA", GREY, ALPHA), "PNG"), GREY[..., None]),
    "palette": (encoded(Image.fromarray(GREY // 8 * 8).convert("P"), "PNG"), (GREY // 8 * 8)[..., None]),
    "palette, one colour transparent": (
        encoded(Image.fromarray(GREY // 8 * 8).convert("P"), "PNG", transparency=bytes([0, 99] * 128)),
        (GREY // 8 * 8)[..., None],
    ),
    "black and white": (encoded(Image.fromarray(ALPHA).convert("1"), "PNG"), ALPHA[..., None]),
    "CMYK, TIFF": (encoded(merged("CMYK", *np.moveaxis(255 - RGB, -1, 0), 0 * GREY), "TIFF"), RGB),
    "several pages": (
        encoded(RGB, "TIFF", save_all=True, append_images=[Image.new("RGB", (5, 5), "red")]),
        RGB,
    ),
    "several frames": (
        encoded(RGB, "WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", (W, H), "red")]),
        RGB,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pixels(kind: str) -> None:
    data, expected = KINDS[kind]
    np.testing.assert_array_equal(decoded(data), np.broadcast_to(expected, RGB.shape))


def test_pictures_for_print_are_close_to_what_opencv_makes_of_them() -> None:
    data = encoded(merged("CMYK", *np.moveaxis(255 - RGB, -1, 0), 0 * GREY), "JPEG", quality=100)
    assert np.abs(decoded(data).astype(int) - RGB).max() <= 6
    opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded(data).astype(int) - opencv).max() <= 6


def exif(told: object) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = told
    return data


TURNED = {  # of the stored picture, by EXIF 2.3, section 4.6.4: where its row 0 and its column 0 are to be seen
    1: RGB,
    2: RGB[:, ::-1],
    3: RGB[::-1, ::-1],
    4: RGB[::-1],
    5: RGB.transpose(1, 0, 2),
    6: np.rot90(RGB, -1),
    7: RGB.transpose(1, 0, 2)[::-1, ::-1],
    8: np.rot90(RGB),
}
STORED = {
    "PNG": {},
    "TIFF": {},
    "TIFF by libtiff": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 100},
}


@pytest.mark.parametrize("told", TURNED)
@pytest.mark.parametrize("kind", STORED)
def test_orientation(kind: str, told: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(encoded(RGB, kind.split()[0], exif=exif(told), **STORED[kind]))
    tolerance = 4 if kind == "JPEG" else 0
    assert orientation(path) == told and stored_hw(path) == read(path, upright=False).shape[:2]
    for upright, expected in ((True, TURNED[told]), (False, RGB)):
        picture = read(path, upright)
        assert picture.shape == expected.shape and picture.flags.c_contiguous
        assert np.abs(picture.astype(int) - expected).max() <= tolerance
    opencv = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(read(path).astype(int) - opencv).max() <= tolerance


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_orientation_that_is_none_turns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    broken = encoded(RGB, "PNG", exif=b"Exif\0\0MM\0*broken")
    for data in (encoded(RGB, "PNG"), encoded(RGB, "PNG", exif=exif(0)), encoded(RGB, "PNG", exif=exif(77)), broken):
        path.write_bytes(data)
        assert orientation(path) == 1
        np.testing.assert_array_equal(read(path), RGB)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(RGB, "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_of(width: int, height: int) -> bytes:
    canvas = struct.pack("<I", 2) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    still = encoded(RGB, "WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + still
    return b"RIFF" + struct.pack("<I", len(body)) + body


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n"
SCANS = encoded(Image.new("L", (3000, 3000), 90), "JPEG", progressive=True)
SCANS = SCANS[:-2] + SCANS[SCANS.rindex(b"\xff\xda") : -2] * 5000 + SCANS[-2:]
BROKEN = {
    "thousands of scans": (SCANS, "at most 100 scans"),
    "nothing": (b"", "not a picture: expected JPEG, PNG"),
    "text": (b"hello" * 99, "not a picture"),
    "EPS, which would run a program": (EPS, "not a picture"),
    "GIF": (encoded(RGB, "GIF"), "not a picture"),
    "PDF": (encoded(RGB, "PDF"), "not a picture"),
    "40 000 x 40 000, PNG": (png_of(40000, 40000), "40000|pixels"),
    "60 000 x 60 000, BMP": (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
        "pixels",
    ),
    "65 500 x 65 500, JPEG": (jpeg_of(65500, 65500), "pixels"),
    "just too large": (png_of(MAX_PIXELS // 1000, 1001), f"more than {MAX_PIXELS} pixels"),
    "16 383 x 16 383, WebP": (webp_of(16383, 16383), "pixels|not a picture"),
    "a billion, PPM": (b"P6 1000000000 1000000000 255\n" + b"\0" * 99, "pixels"),
    "no width": (png_of(0, 9), "not a picture|pixels"),
    "cut off, JPEG": (encoded(RGB, "JPEG")[:-200], "can't be decoded"),
    "cut off, PNG": (encoded(RGB, "PNG")[:-30], "can't be decoded"),
    "cut off, WebP": (encoded(RGB, "WEBP")[:-99], "can't be decoded|not a picture"),
    "cut off, TIFF": (encoded(RGB, "TIFF")[:300], "can't be decoded|not a picture"),
    "cut off, BMP": (encoded(RGB, "BMP")[:-99], "can't be decoded"),
    "float": (cv2.imencode(".tiff", GREY.astype(np.float32))[1].tobytes(), "without sign"),
    "32 bits": (encoded(Image.fromarray(GREY.astype(np.int32) * 1000), "TIFF"), "without sign"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_pictures_cost_neither_time_nor_memory(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, said = BROKEN[case]
    monkeypatch.setattr("subprocess.Popen", lambda *args, **options: pytest.fail("a program was run"))
    (tmp_path / "x").write_bytes(data)
    tracemalloc.start()
    start = time.perf_counter()
    for source, load in ((data, decoded), (tmp_path / "x", read)):
        with pytest.raises(BadImageError, match=said):
            load(source)
    assert time.perf_counter() - start < 2
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_only_a_pictures_own_scans_count() -> None:
    plain = encoded(RGB, "JPEG", progressive=True)
    embedded = chunk_of_jpeg(b"\xff\xda" * 30_000) + chunk_of_jpeg(b"\xff\xd9" * 999)
    for data in (plain[:2] + embedded + plain[2:], plain + b"\xff\xda" * 500, plain[:2] + b"\xff" * 9 + plain[2:]):
        np.testing.assert_array_equal(decoded(data), decoded(plain))


def chunk_of_jpeg(content: bytes) -> bytes:
    return b"\xff\xe5" + struct.pack(">H", len(content) + 2) + content


@pytest.mark.filterwarnings("ignore")  # Pillow's, about EXIF data
def test_every_cut_and_flipped_byte_gives_a_picture_or_a_typed_error() -> None:
    rng = np.random.default_rng(0)
    for kind in FORMATS:
        data = encoded(RGB, kind, **({"exif": exif(6)} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
        for _ in range(150):
            spoilt = np.frombuffer(data, np.uint8).copy()
            spoilt[rng.integers(len(data), size=rng.integers(1, 6))] = rng.integers(256)
            try:
                picture = decoded(spoilt[: rng.integers(len(data) // 2, len(data) + 1)].tobytes())
            except BadImageError:
                continue
            assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


UNREADABLE = {
    "missing": ("x", lambda path: None, "no such file"),
    "a folder": ("x", Path.mkdir, "expected a file"),
    "a pipe": ("x", os.mkfifo, "expected a file"),
    "a link to nothing": ("x", lambda path: path.symlink_to("nowhere"), "no such file"),
    "a link to itself": ("x", lambda path: path.symlink_to(path), "no such file|symbolic links"),
    "a name too long": ("x" * 300, lambda path: None, "name too long"),
    "below a file": ("x/y", lambda path: path.parent.write_bytes(b""), "no such file|Not a directory"),
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("of", [read, orientation])
def test_what_is_no_file_is_an_error_at_once(case: str, of, tmp_path: Path) -> None:
    name, make, said = UNREADABLE[case]
    make(tmp_path / name)
    with pytest.raises(BadImageError, match=said):
        of(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(RGB, "PNG"))
    path.chmod(0)
    with pytest.raises(BadImageError, match="can't be read: Permission denied"):
        read(path)


def test_what_the_system_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "x.png"
    path.write_bytes(encoded(RGB, "PNG"))
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(BadImageError, match="can't be read: Permission denied"):
        read(path)


def mosaic(pattern: str) -> np.ndarray:
    out = np.empty((H, W), np.uint8)
    for (y, x), letter in zip(((0, 0), (0, 1), (1, 0), (1, 1)), pattern, strict=True):
        out[y::2, x::2] = RGB[y::2, x::2, "rgb".index(letter)]
    return out


@pytest.mark.parametrize("pattern", BAYER)
def test_a_mosaic_has_its_colours_and_is_turned_afterwards(pattern: str) -> None:
    data = encoded(mosaic(pattern), "PNG", exif=exif(6))
    for described in (f"bayer_{pattern}8; png compressed bayer_{pattern}8", f"bayer_{pattern}8"):
        picture = np.rot90(decoded(data, described=described))
        assert np.abs(picture[2:-2, 2:-2].astype(int) - RGB[2:-2, 2:-2]).max() <= 8
    np.testing.assert_array_equal(decoded(encoded(RGB, "PNG"), described=f"bayer_{pattern}8; png compressed bgr8"), RGB)


def test_jpeg() -> None:
    assert np.abs(decoded(jpeg(RGB)).astype(int) - RGB).max() <= 12
    with pytest.raises(OutputError, match="can't make a JPEG of 70000x1 pixels"):
        jpeg(np.zeros((1, 70000, 3), np.uint8))
