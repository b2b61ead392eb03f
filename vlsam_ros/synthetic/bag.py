"""The sample recording: a rendered drive past hazards, in the shape of CODA's recordings, with exact ground truth.

    python -m vlsam_ros.synthetic.bag OUT [--seed S] [--frames N]

Topics: /camera/front/image/compressed (JPEG, 1600x900, 10 Hz), /camera/front/camera_info, and /ground_truth (a
DetectedInstanceArray with the same header, one instance per object, score 1, with its distance). The same seed gives
the same bytes. Things too small or too hidden for a label are instances named `ignore`: a detector may report them or
not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from vlsam_ros.bags.types import TYPES, make
from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.output.messages import Keyframe, to_message
from vlsam_ros.synthetic.drive import Drive, frames, sample_drive
from vlsam_ros.synthetic.render import Rendered
from vlsam_ros.synthetic.truth import ground_truth

IMAGE_TOPIC = "/camera/front/image/compressed"
INFO_TOPIC = "/camera/front/camera_info"
TRUTH_TOPIC = "/ground_truth"
FRAME_ID = "camera_front"
START_S = 1_700_000_000
JPEG_QUALITY = 80


def write(path: Path | str, seed: int = 7, count: int = 60) -> None:
    """Render and record a drive of `count` frames.

    Raises:
        BagError: there is something at `path` already.
    """
    drive = sample_drive(seed, count)
    with BagWriter(path) as bag:
        for number, (stamp_s, frame) in enumerate(tqdm(frames(drive), "rendering", count, unit="frame", leave=False)):
            _write_frame(bag, drive, frame, number, round(stamp_s * 1e9))


def _write_frame(bag: BagWriter, drive: Drive, frame: Rendered, number: int, offset_ns: int) -> None:
    stamp_ns = START_S * 10**9 + offset_ns
    header = _header(stamp_ns)
    truth = to_message(_keyframe(header, number), ground_truth(frame, drive.world.camera), TYPES)
    put = partial(bag.write_message, stamp_ns=stamp_ns)
    put(IMAGE_TOPIC, "sensor_msgs/msg/CompressedImage", message=_jpeg(frame.image, header))
    put(INFO_TOPIC, "sensor_msgs/msg/CameraInfo", message=_camera_info(drive, frame.image.shape[:2], header))
    put(TRUTH_TOPIC, "vlsam_ros/msg/DetectedInstanceArray", message=truth)


def _time(stamp_ns: int) -> object:
    return make("builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)


def _header(stamp_ns: int) -> object:
    return make("std_msgs/msg/Header", stamp=_time(stamp_ns), frame_id=FRAME_ID)


def _keyframe(header: object, number: int) -> Keyframe:
    stamp = header.stamp  # type: ignore[attr-defined]
    return Keyframe(header=header, camera="front", number=number, started=stamp, finished=stamp, age_s=0.0)


def _jpeg(image: np.ndarray, header: object) -> object:
    data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return make("sensor_msgs/msg/CompressedImage", header=header, format="jpeg", data=data.reshape(-1))


def _camera_info(drive: Drive, size_hw: tuple[int, int], header: object) -> object:
    """A pinhole camera without distortion; the horizon's row is its principal point's row."""
    camera, (height, width) = drive.world.camera, size_hw
    k = np.array([[camera.focal_px, 0, width / 2 - 0.5], [0, camera.focal_px, camera.horizon_px - 0.5], [0, 0, 1]])
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.hstack([k, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def main(args: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the sample recording: a rendered drive with ground truth.")
    parser.add_argument("out", type=Path, help="folder to create")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args(args)
    write(options.out, options.seed, options.frames)
    return 0


if __name__ == "__main__":
    sys.exit(main())
