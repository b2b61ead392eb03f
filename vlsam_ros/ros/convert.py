"""ROS messages to arrays (`to_rgb`) and back, and rclpy's message classes for `vlsam_ros.output.messages`."""

from __future__ import annotations

import importlib
from array import array
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from vlsam_ros.output.messages import Types
from vlsam_ros.serving.images import ENCODINGS, to_rgb

__all__ = ["ENCODINGS", "TYPES", "compressed", "message_class", "mono", "to_rgb"]

_ENCODINGS = {"uint8": "mono8", "uint16": "mono16"}


def compressed(data: bytes, header: Any) -> CompressedImage:
    """A JPEG under a header."""
    return CompressedImage(header=header, format="jpeg", data=array("B", data))


def mono(image: np.ndarray, header: Any) -> Image:
    """A uint8 or uint16 (H, W) under a header, in the machine's byte order, which is little-endian."""
    height, width = image.shape
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=_ENCODINGS[image.dtype.name],
        step=width * image.itemsize,
        data=array("B", image.tobytes()),
    )


def message_class(name: str) -> type:
    """The class of ``package/msg/Name``.

    Raises:
        ModuleNotFoundError, AttributeError: the package isn't installed, or has no such message.
    """
    package, kind, message = name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), message)


TYPES = Types(make=lambda name, **fields: message_class(name)(**fields), uint32=lambda a: array("I", a.tobytes()))
"""rclpy's classes for `vlsam_ros.output.messages`; of all sequences, only arrays pass rclpy without a slow check."""

assert array("I").itemsize == 4
