"""A stand-in for a planner: it subscribes to a detector and to its camera, and writes down what it got, and when.

    python -m vlsam_ros.ros.planner OUT --image /camera/front/image/compressed

OUT gets detections.jsonl (a line per keyframe), overlays/<stamp>.jpg, and output_bag/, a recording of the images, the
detections, the tracks and the overlays as they came. The age of a result is measured here: from the arrival of the
image to the arrival of its detections.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage

from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.errors import ConfigError, OutputError
from vlsam_ros.msg import DetectedInstanceArray
from vlsam_ros.output.folder import OutputFolder
from vlsam_ros.output.text import plain
from vlsam_ros.ros.qos import KINDS, adopted
from vlsam_ros.ros.signals import stop_events
from vlsam_ros.ros.start import own_arguments, started

COMMAND = "the demo or its planner"
"""Who makes the folders that it writes into."""


def stamp_ns(data: bytes) -> int:
    """The stamp of a serialised message that begins with a std_msgs/Header, in ns."""
    order = "<" if data[1] & 1 else ">"  # second byte of the CDR header: byte order of the rest
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", data, 4)
    return seconds * 10**9 + nanoseconds


class Planner(Node):
    """Records; decides nothing."""

    def __init__(self, image: str, detector: str) -> None:
        """Raises RCLError if one of the two gives no valid names of topics."""
        super().__init__("planner")
        self._image = self.resolve_topic_name(image)
        self._detections = self.resolve_topic_name(f"{detector}/detections")
        self._tracks = self.resolve_topic_name(f"{detector}/tracks")
        self._overlay = self.resolve_topic_name(f"{detector}/overlay/compressed")
        self._arrival_s: dict[int, float] = {}

    def record(self, out: OutputFolder, lines: TextIO, bag: BagWriter) -> None:
        """Write down from now on."""
        self._out, self._lines, self._bag = out, lines, bag
        self._search = self.create_timer(0.1, self._find_image)
        self._listen(DetectedInstanceArray, self._detections, self._on_detections)
        self._listen(DetectedInstanceArray, self._tracks, lambda data: None)
        self._listen(CompressedImage, self._overlay, self._on_overlay)

    def _find_image(self) -> None:
        """Subscribe with the type and reliability that the camera offers: names of topics don't tell."""
        publishers = self.get_publishers_info_by_topic(self._image)
        for name, kind in KINDS.items():
            if offered := [p.qos_profile.reliability for p in publishers if p.topic_type == name]:
                reliability = adopted(offered, ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
                self._listen(kind, self._image, self._on_image, QoSProfile(depth=100, reliability=reliability))
                self._search.cancel()
                return

    def _listen(
        self, kind: type, topic: str, callback: Callable[[bytes], None], quality: QoSProfile | None = None
    ) -> None:
        type_name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"

        def record(data: bytes) -> None:
            self._bag.write(topic, type_name, time.time_ns(), data)
            try:
                callback(data)
            except (IndexError, struct.error, RuntimeError) as error:  # RMWError is a RuntimeError
                self.get_logger().warning(plain(f"{topic}: a message that can't be read: {error}"))

        self.create_subscription(kind, topic, record, quality or QoSProfile(depth=100), raw=True)

    def _on_image(self, data: bytes) -> None:
        self._arrival_s[stamp_ns(data)] = time.monotonic()

    def _on_detections(self, data: bytes) -> None:
        message = deserialize_message(data, DetectedInstanceArray)
        arrival_s = self._arrival_s.get(stamp_ns(data))
        age_s = None if arrival_s is None else round(time.monotonic() - arrival_s, 3)
        self._lines.write(json.dumps(as_dict(message, age_s)) + "\n")
        self._lines.flush()

    def _on_overlay(self, data: bytes) -> None:
        picture = deserialize_message(data, CompressedImage)
        self._out.write(f"overlays/{stamp_ns(data)}.jpg", picture.data.tobytes())


def as_dict(message: DetectedInstanceArray, age_s: float | None) -> dict[str, object]:
    """What a line of detections.jsonl holds."""
    header, started, finished = message.header, message.started, message.finished
    return {
        "camera": message.camera,
        "keyframe": message.keyframe,
        "stamp_ns": header.stamp.sec * 10**9 + header.stamp.nanosec,
        "inference_s": round(finished.sec - started.sec + (finished.nanosec - started.nanosec) * 1e-9, 3),
        "age_s": age_s,
        "status": message.status,
        "status_text": message.status_text,
        "skipped": list(message.skipped),
        "vlm": message.vlm,
        "segmenter": message.segmenter,
        "demonstration": message.demonstration,
        "instances": [
            {
                "label": i.label,
                "score": round(i.score, 3),
                "box_xyxy": [round(v, 1) for v in (i.x_min, i.y_min, i.x_max, i.y_max)],
                "hazard_class": i.hazard_class,
                "track_id": i.track_id,
                "seen": [i.seen, i.looked],
                "distance_m": [_known(v) for v in (i.distance, i.distance_min, i.distance_max)],
                "view": i.view,
            }
            for i in message.instances
        ],
    }


def _known(value: float) -> float | None:
    return round(value, 1) if math.isfinite(value) else None


def opened(path: Path) -> OutputFolder:
    """The folder for the results, without those of an earlier run.

    Raises:
        OutputError: something is there that no planner wrote.
    """
    out = OutputFolder(path, COMMAND)
    for pattern in ("output_bag/*", "overlays/*"):
        out.clear(pattern)
    for name in ("output_bag/output_bag.mcap", "output_bag/metadata.yaml"):
        out.claim(name)
    return out


def main(args: Sequence[str] | None = None) -> int:
    """The command line; runs until SIGINT or SIGTERM. 0: stopped on demand; 2: wrong arguments, or no use of `out`."""
    parser = argparse.ArgumentParser(description="Write down what a detector publishes.")
    parser.add_argument("out", type=Path, help="folder for the results")
    parser.add_argument("--image", required=True, help="the camera's topic")
    parser.add_argument("--detector", default="/vlsam_detector", help="the detector's node name")
    argv = list(sys.argv[1:] if args is None else args)
    try:
        options = parser.parse_args(own_arguments(argv))
        stop, _ = stop_events()
        with started(lambda: Planner(options.image, options.detector), argv) as planner:
            _record(planner, opened(options.out), stop)
    except (ConfigError, OutputError) as error:
        print(f"planner: {plain(error)}", file=sys.stderr)
        return 2
    return 0


def _record(planner: Planner, out: OutputFolder, stop: threading.Event) -> None:
    with BagWriter(out.path / "output_bag") as bag, out.new("detections.jsonl").open("x") as lines:
        planner.record(out, lines, bag)
        executor = SingleThreadedExecutor()
        executor.add_node(planner)
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.1)


if __name__ == "__main__":
    sys.exit(main())
