"""Images in every encoding to RGB, broken ones to clear errors, and messages there and back."""

from __future__ import annotations

import io
import math
import time
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from PIL import Image as Pillow
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vlsam_ros.msg import DetectedInstanceArray

from vlsam_ros.bags.types import TYPES as BAG_TYPES
from vlsam_ros.bags.types import make, store
from vlsam_ros.data import Detection, Detections, Mask, Witness
from vlsam_ros.errors import BadImageError
from vlsam_ros.output.files import jpeg
from vlsam_ros.output.messages import Keyframe, from_message, to_message
from vlsam_ros.ros import convert
from vlsam_ros.serving.images import to_rgb

H, W = 6, 8
MAX = 10_000


def smooth() -> np.ndarray:
    """RGB uint8 (H, W, 3) without sharp edges, so that halved colour and mosaics come close to it."""
    y, x = np.mgrid[:H, :W]
    return np.stack([40 + 5 * x, 200 - 5 * y, 90 + 0 * x], -1).astype(np.uint8)


def image(
    encoding: str, pixels: np.ndarray, *, padding: int = 0, size_hw: tuple[int, int] = (H, W), big: bool = False
) -> Image:
    """A message of `pixels` (rows, …) with `padding` bytes of dirt at each row's end."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.hstack([rows, np.full((len(rows), padding), 255, np.uint8)])
    return Image(
        height=size_hw[0],
        width=size_hw[1],
        encoding=encoding,
        step=rows.shape[1],
        is_bigendian=int(big),
        data=array("B", rows.tobytes()),
    )


RGB = smooth()
GREY = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
ALPHA = np.full((H, W, 1), 7, np.uint8)
BGR = RGB[..., ::-1]
PACKED = {
    "rgb8": RGB,
    "bgr8": BGR,
    "8UC3": BGR,
    "rgba8": np.dstack([RGB, ALPHA]),
    "bgra8": np.dstack([BGR, ALPHA]),
    "8UC4": np.dstack([BGR, ALPHA]),
    "rgb16": RGB.astype(np.uint16) << 8 | 0xFF,
    "bgr16": BGR.astype(np.uint16) << 8,
}
GREYS = {"mono8": GREY, "8UC1": GREY, "mono16": GREY.astype(np.uint16) << 8 | 3, "16UC1": GREY.astype(np.uint16) << 8}


@pytest.mark.parametrize("padding", [0, 6], ids=["tight", "padded rows"])
@pytest.mark.parametrize("encoding", [*PACKED, *GREYS])
def test_packed_encodings_are_exact(encoding: str, padding: int) -> None:
    pixels, expected = (PACKED[encoding], RGB) if encoding in PACKED else (GREYS[encoding], np.dstack([GREY] * 3))
    result = to_rgb(image(encoding, pixels, padding=padding), MAX)
    assert result.dtype == np.uint8 and result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)


def test_big_endian_values() -> None:
    pixels = (GREY.astype(np.uint16) << 8 | 3).byteswap()
    np.testing.assert_array_equal(to_rgb(image("mono16", pixels, big=True), MAX), np.dstack([GREY] * 3))


def mosaic(pattern: str) -> np.ndarray:
    """uint8 (H, W): the pattern's letters are the colours at (0, 0), (0, 1), (1, 0) and (1, 1)."""
    out = np.empty((H, W), np.uint8)
    for (y, x), letter in zip(((0, 0), (0, 1), (1, 0), (1, 1)), pattern, strict=True):
        out[y::2, x::2] = RGB[y::2, x::2, "rgb".index(letter)]
    return out


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_bayer(pattern: str, bits: int) -> None:
    pixels = mosaic(pattern) if bits == 8 else mosaic(pattern).astype(np.uint16) << 8
    result = to_rgb(image(f"bayer_{pattern}{bits}", pixels), MAX)
    assert np.abs(result[2:-2, 2:-2].astype(int) - RGB[2:-2, 2:-2]).max() <= 6


def yuv_planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brightness (H, W), and both colours (H, W / 2)."""
    planes = cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_YV12)
    full, quarter = planes[:H], planes[H:].reshape(-1)
    v, u = quarter[: H * W // 4].reshape(H // 2, W // 2), quarter[H * W // 4 :].reshape(H // 2, W // 2)
    return full, u.repeat(2, 0), v.repeat(2, 0)


def interleaved(*planes: np.ndarray) -> np.ndarray:
    return np.stack(planes, -1).reshape(len(planes[0]), -1)


@pytest.mark.parametrize("encoding", ["yuv422_yuy2", "yuyv", "yuv422", "uyvy", "nv12", "nv21"])
@pytest.mark.parametrize("padding", [0, 4], ids=["tight", "padded rows"])
def test_yuv(encoding: str, padding: int) -> None:
    y, u, v = yuv_planes()
    pixels = {
        "yuv422_yuy2": interleaved(y[:, ::2], u, y[:, 1::2], v),
        "yuyv": interleaved(y[:, ::2], u, y[:, 1::2], v),
        "yuv422": interleaved(u, y[:, ::2], v, y[:, 1::2]),
        "uyvy": interleaved(u, y[:, ::2], v, y[:, 1::2]),
        "nv12": np.vstack([y, interleaved(u[::2], v[::2])]),
        "nv21": np.vstack([y, interleaved(v[::2], u[::2])]),
    }[encoding]
    result = to_rgb(image(encoding, pixels, padding=padding), MAX)
    assert np.abs(result.astype(int) - RGB).max() <= 8


@pytest.mark.parametrize(
    "encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "bayer_rggb8", "bayer_gbrg8", "bayer_bggr8"]
)
def test_same_as_cv_bridge(encoding: str) -> None:
    pixels = mosaic(encoding[6:10]) if encoding.startswith("bayer") else {**PACKED, **GREYS}[encoding]
    message = image(encoding, pixels)
    np.testing.assert_array_equal(to_rgb(message, MAX), CvBridge().imgmsg_to_cv2(message, "rgb8"))


def compressed(suffix: str, pixels: np.ndarray, fmt: str = "") -> CompressedImage:
    data = cv2.imencode(suffix, pixels)[1].tobytes()
    return CompressedImage(format=fmt or suffix[1:], data=array("B", data))


def test_compressed() -> None:
    np.testing.assert_array_equal(to_rgb(compressed(".png", BGR), MAX), RGB)
    np.testing.assert_array_equal(to_rgb(compressed(".png", GREY), MAX), np.dstack([GREY] * 3))
    np.testing.assert_array_equal(to_rgb(compressed(".png", GREY.astype(np.uint16) << 8), MAX), np.dstack([GREY] * 3))
    jpeg = to_rgb(compressed(".jpg", BGR, "bgr8; jpeg compressed bgr8"), MAX)
    assert np.abs(jpeg.astype(int) - RGB).max() <= 8


EXIF_6 = Pillow.Exif()
EXIF_6[0x0112] = 6
SCENE = np.zeros((64, 96, 3), np.uint8)
SCENE[:, :48], SCENE[:, 48:] = (200, 30, 30), (30, 60, 210)


def scene_mosaic(pattern: str) -> np.ndarray:
    out = np.empty(SCENE.shape[:2], np.uint8)
    for (y, x), letter in zip(((0, 0), (0, 1), (1, 0), (1, 1)), pattern, strict=True):
        out[y::2, x::2] = SCENE[y::2, x::2, "rgb".index(letter)]
    return out


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("described", ["{0}; {1} compressed {0}", "{0}; {1} compressed ", "{0};{1} compressed", "{0}"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_compressed_mosaic_has_the_colours_of_a_raw_one(pattern: str, described: str, suffix: str, bits: int) -> None:
    pixels = scene_mosaic(pattern) if bits == 8 else scene_mosaic(pattern).astype(np.uint16) * 257
    encoding = f"bayer_{pattern}{bits}"
    raw = to_rgb(image(encoding, pixels, size_hw=(64, 96)), MAX)
    if suffix == ".jpg":
        pixels = scene_mosaic(pattern)  # a JPEG has 8 bits
    kind = {".jpg": "jpeg", ".png": "png", ".tiff": "tiff"}[suffix]
    result = to_rgb(compressed(suffix, pixels, described.format(encoding, kind)), MAX)
    assert np.abs(result.astype(int) - raw).mean() < (12 if suffix == ".jpg" else 1e-9)


FORMATS = (
    "",
    "jpg",
    "jpeg",
    "png",
    "PNG",
    "rgb8; jpeg compressed bgr8",
    "bgr8; png compressed rgb8",
    "lies",
    ";",
    "mono8",
)


@pytest.mark.parametrize("described", [*FORMATS, "bayer_rggb8; jpeg compressed bgr8"])
def test_the_picture_itself_says_what_it_is(described: str) -> None:
    message = compressed(".png", BGR)
    message.format = described
    np.testing.assert_array_equal(to_rgb(message, MAX), RGB)


@pytest.mark.parametrize("kind", ["32FC1", "64FC1", "16SC1", "32SC1"])
@pytest.mark.parametrize("pixels", [GREY, GREY.astype(np.float32)], ids=["scaled", "float"])
def test_numbers_that_are_no_brightness_are_refused_as_in_raw_images(kind: str, pixels: np.ndarray) -> None:
    with pytest.raises(BadImageError, match=f"colour image, got format '{kind}; tiff"):
        to_rgb(compressed(".tiff", pixels, f"{kind}; tiff compressed "), MAX)


def test_turned_by_exif() -> None:
    data = io.BytesIO()
    Pillow.fromarray(RGB).save(data, "PNG", exif=EXIF_6)
    message = CompressedImage(format="png", data=array("B", data.getvalue()))
    np.testing.assert_array_equal(to_rgb(message, MAX), np.rot90(RGB, -1))


def test_overlay_message_can_be_read_again() -> None:
    message = convert.compressed(jpeg(RGB, 85), Header(frame_id="camera"))
    assert message.header.frame_id == "camera" and message.format == "jpeg"
    assert np.abs(to_rgb(message, MAX).astype(int) - RGB).max() <= 8


def short(message: Image | CompressedImage, size: int) -> Image | CompressedImage:
    message.data = message.data[:size]
    return message


def changed(message: Image, **fields: object) -> Image:
    for name, value in fields.items():
        setattr(message, name, value)
    return message


BROKEN = {
    "no data": (lambda: Image(height=H, width=W, encoding="rgb8", step=W * 3), "bytes, got 0"),
    "empty message": (lambda: Image(), "with pixels, got 0x0"),
    "no width": (lambda: changed(image("rgb8", RGB), width=0), "with pixels"),
    "too little data": (lambda: short(image("bgr8", BGR), 100), "expected 24 \\* 6 = 144 bytes, got 100"),
    "step too small": (lambda: changed(image("bgr8", BGR), step=W), "step is 8"),
    "unknown encoding": (
        lambda: changed(image("bgr8", BGR), encoding="xyz"),
        "unknown encoding 'xyz'; known are: rgb8",
    ),
    "no encoding": (lambda: changed(image("bgr8", BGR), encoding=""), "unknown encoding ''"),
    "depth": (lambda: image("32FC1", GREY.astype(np.float32)), "unknown encoding '32FC1'"),
    "odd nv12": (lambda: image("nv12", GREY, size_hw=(5, 8)), "even width and height"),
    "odd yuyv": (lambda: image("yuyv", np.dstack([GREY, GREY])[:, :7], size_hw=(H, 7)), "even width"),
    "nv12 without colour": (lambda: image("nv12", GREY), "bytes, got 48"),
    "too many pixels": (lambda: Image(height=1000, width=1000, encoding="rgb8", step=3000), "max_image_pixels"),
    "absurd size": (lambda: Image(height=2**32 - 1, width=2**32 - 1, encoding="rgb8", step=1), "max_image_pixels"),
    "compressed: nothing": (lambda: CompressedImage(format="jpeg"), "can't decode"),
    "compressed: no picture": (lambda: CompressedImage(format="jpeg", data=array("B", b"hello" * 99)), "can't decode"),
    "compressed: cut off": (lambda: short(compressed(".jpg", cv2.resize(BGR, (99, 99))), 900), "can't decode"),
    "compressed: cut off png": (lambda: short(compressed(".png", cv2.resize(BGR, (99, 99))), 200), "can't decode"),
    "compressed: EPS": (
        lambda: CompressedImage(format="jpeg", data=array("B", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")),
        "not a picture: expected JPEG",
    ),
    "compressed: too large": (lambda: compressed(".png", np.zeros((200, 200), np.uint8)), "max_image_pixels"),
    "compressed: depth": (lambda: compressed(".png", GREY, "16UC1; compressedDepth png"), "colour image"),
}


@pytest.mark.parametrize(("make_message", "text"), BROKEN.values(), ids=BROKEN)
def test_broken_images_say_what_is_wrong(make_message, text: str) -> None:
    with pytest.raises(BadImageError, match=text):
        to_rgb(make_message(), MAX)


WITNESSES = (Witness("attention", 0.0, 0.0), Witness("grounder", 0.5, 0.25), Witness("native", 1.0, 1.0))


def detections() -> Detections:
    ring = np.zeros((40, 60), bool)
    ring[5:20, 10:30] = True
    ring[8:12, 15:20] = False
    dot = np.zeros((40, 60), bool)
    dot[39, 59] = True
    items = (
        Detection(
            "traffic cone", 0.875, 0.625, 0.75, 0.5, Mask.from_dense(ring), view="far_0", source="attention+grounder"
        ),
        Detection("stone", 0.5, 0.5, 0.5, 0.5, Mask.from_dense(dot), reason="denied", witnesses=WITNESSES),
        Detection("nothing", 0.25, 0.5, 0.5, 0.5, Mask.from_dense(np.zeros((40, 60), bool))),
    )
    return Detections((40, 60), items, skipped=("far_1",), vlm="v", segmenter="s", demonstration=True, grounder="g")


def keyframe() -> Keyframe:
    header = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_front")
    return Keyframe(header, "front", 7, Time(sec=13), Time(sec=14), age_s=2.0, status=1, status_text="")


def same(a: Detections, b: Detections) -> None:
    assert a.labels == b.labels and a.size_hw == b.size_hw and a.skipped == b.skipped
    assert (a.vlm, a.segmenter, a.grounder, a.demonstration) == (b.vlm, b.segmenter, b.grounder, b.demonstration)
    said = [[(d.source, d.reason, d.witnesses) for d in found.items] for found in (a, b)]
    assert said[0] == said[1]
    np.testing.assert_allclose(a.scores, b.scores)
    np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
    np.testing.assert_array_equal(a.masks(), b.masks())


def test_detections_there_and_back_over_the_wire() -> None:
    sent = to_message(keyframe(), detections(), convert.TYPES)
    message = deserialize_message(serialize_message(sent), DetectedInstanceArray)
    assert repr(message) == repr(sent)  # what isn't known is NaN, and equal to nothing
    assert (
        message.header == keyframe().header
        and message.keyframe == 7
        and message.camera == "front"
        and message.age_s == 2.0
    )
    assert message.instances[0].hazard_class == 9 and message.instances[0].view == "far_0"
    same(from_message(message), detections())


def test_no_detections_and_no_age() -> None:
    empty = Detections((0, 0))
    message = to_message(Keyframe(Header(), "a", 0, Time(), Time(), status=10, status_text="why"), empty, convert.TYPES)
    assert math.isnan(message.age_s) and message.status_text == "why"
    same(from_message(message), empty)


def test_a_bag_library_writes_the_same() -> None:
    stamp = make("builtin_interfaces/msg/Time", sec=12, nanosec=34)
    header = make("std_msgs/msg/Header", stamp=stamp, frame_id="camera_front")
    times = [make("builtin_interfaces/msg/Time", sec=s, nanosec=0) for s in (13, 14)]
    ours = Keyframe(header, "front", 7, *times, age_s=2.0, status=1)
    name = "vlsam_ros/msg/DetectedInstanceArray"
    data = bytes(store().serialize_cdr(to_message(ours, detections(), BAG_TYPES), name))
    message = deserialize_message(data, DetectedInstanceArray)
    sent = to_message(keyframe(), detections(), convert.TYPES)
    assert repr(message) == repr(sent) and len(data) == len(serialize_message(sent))  # whose padding may be anything
    same(from_message(store().deserialize_cdr(data, name)), detections())


def test_fifty_large_masks_are_fast() -> None:
    y, x = np.mgrid[:1080, :1920]
    disc = Mask.from_dense((x - 900) ** 2 + (y - 500) ** 2 < 150**2)
    many = Detections(
        (1080, 1920), tuple(Detection("stone", 0.5, 0.5, 0.5, 0.5, disc.shifted(i, i)) for i in range(50))
    )
    start = time.process_time()
    data = serialize_message(to_message(keyframe(), many, convert.TYPES))
    assert time.process_time() - start < 1.0
    assert len(data) < 400_000
