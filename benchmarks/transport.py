"""What arrives of a camera's frames, between two processes that do nothing else.

    python -m benchmarks.transport                    # every way, quality of service and load; 8 minutes
    python -m benchmarks.transport --seconds 5 --ways default profile --loads idle

A 1080p camera at 20 Hz publishes bgr8 (6.2 MB a frame) or JPEG (quality 90), depth 10; a bare rclpy subscription of
depth 1 counts. Ways: Fast DDS as it is, with docs/fastdds.xml, with its LARGE_DATA mode, and JPEG as it is.
Loads: none; as many busy processes as cores, at a nice of 5 or 0. The ways follow each other at the same load and
reliability, so that what else runs on the machine meets all of them; how many cores that used just before is said.
Shares are of the frames that were due; a gap is the longest time without a frame, from the first one on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HEIGHT, WIDTH, RATE_HZ = 1080, 1920, 20.0
TOPIC = "transport_benchmark"
PROFILE = Path(__file__).resolve().parents[1] / "docs" / "fastdds.xml"
WAYS = {
    "default": {},
    "profile": {"FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE), "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE)},
    "large_data": {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"},
    "jpeg": {},
}
LOADS = {"idle": None, "nice 5": 5, "nice 0": 0}
QUALITIES = ("reliable", "best_effort")


def camera(jpeg: bool, reliability: str) -> None:
    """Publish with the frame's number in the header until ended."""
    import rclpy
    from sensor_msgs.msg import CompressedImage, Image

    kind = CompressedImage if jpeg else Image
    rclpy.init()
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(kind, TOPIC, qos(10, reliability))
    message = kind(**picture(jpeg))
    start, number = time.monotonic(), 0
    while rclpy.ok():
        message.header.frame_id = str(number)
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        number = max(number + 1, int((time.monotonic() - start) * RATE_HZ))  # what it is late for is not made up for
        time.sleep(max(0.0, start + number / RATE_HZ - time.monotonic()))


def picture(jpeg: bool) -> dict[str, Any]:
    """The road picture of docs/ at 1080p, as a message's fields."""
    import cv2

    bgr = cv2.resize(cv2.imread(str(PROFILE.with_name("road.jpg"))), (WIDTH, HEIGHT))
    if jpeg:
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
        return {"format": "bgr8; jpeg compressed bgr8", "data": array("B", data.tobytes())}
    size = {"height": HEIGHT, "width": WIDTH, "step": 3 * WIDTH}
    return {**size, "encoding": "bgr8", "data": array("B", bgr.tobytes())}


def subscriber(jpeg: bool, reliability: str, seconds: float) -> None:
    """Count for `seconds` after the first frame; one JSON line."""
    import rclpy
    from sensor_msgs.msg import CompressedImage, Image

    rclpy.init()
    node = rclpy.create_node("subscriber")
    arrivals: list[tuple[float, int, float]] = []

    def on_image(message: Any) -> None:
        now, stamp = node.get_clock().now().nanoseconds, message.header.stamp
        age = (now - stamp.sec * 10**9 - stamp.nanosec) / 1e9
        arrivals.append((time.monotonic(), int(message.header.frame_id), age))

    kept = node.create_subscription(CompressedImage if jpeg else Image, TOPIC, on_image, qos(1, reliability))
    deadline = time.monotonic() + 30
    while not arrivals and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.1)
    end = (arrivals[0][0] if arrivals else deadline) + seconds
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)
    times = [*(at for at, _, _ in arrivals if at <= end), end]
    ages = [age for _, _, age in arrivals] or [float("nan")]
    result = {
        "share": len({n for _, n, _ in arrivals[1:]}) / (seconds * RATE_HZ),
        "gap_s": float(np.diff(times).max()) if arrivals else seconds,
        "age_p50_ms": 1e3 * float(np.percentile(ages, 50)),
        "age_p95_ms": 1e3 * float(np.percentile(ages, 95)),
    }
    node.destroy_subscription(kept)
    print(json.dumps(result), flush=True)


def qos(depth: int, reliability: str) -> Any:
    """Volatile, keep last."""
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


@contextmanager
def busy(nice: int | None) -> Iterator[None]:
    """As many endless loops as cores; None: none."""
    count = 0 if nice is None else os.cpu_count() or 1
    command = ["nice", "-n", str(nice), sys.executable, "-c", "while 1: pass"]
    loops = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        end(loops)


def end(processes: list[subprocess.Popen]) -> None:
    """SIGTERM, which lets a node remove its shared memory, and collect."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=30)


def cores_in_use(seconds: float = 0.5) -> float:
    """By whatever runs in the machine, now."""

    def ticks() -> tuple[int, int]:
        values = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(values), values[3] + values[4]

    total, idle = ticks()
    time.sleep(seconds)
    later, later_idle = ticks()
    return (os.cpu_count() or 1) * (1 - (later_idle - idle) / max(later - total, 1))


def measure(way: str, reliability: str, seconds: float, domain: int) -> dict[str, float]:
    """What `subscriber` counts of a camera of this way."""
    env = {**os.environ, **WAYS[way], "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    command = [sys.executable, "-m", __spec__.name]
    kind = [reliability, *(["--jpeg"] if way == "jpeg" else [])]
    publisher = subprocess.Popen([*command, "camera", *kind], env=env)
    try:
        counting = [*command, "subscriber", *kind, "--seconds", str(seconds)]
        done = subprocess.run(counting, env=env, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        end([publisher])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """The command line; the two roles are for the processes that it starts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", nargs="?", choices=["camera", "subscriber"], help=argparse.SUPPRESS)
    parser.add_argument("reliability", nargs="?", choices=QUALITIES, help=argparse.SUPPRESS)
    parser.add_argument("--jpeg", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=[*LOADS])
    args = parser.parse_args()
    if args.role == "camera":
        return camera(args.jpeg, args.reliability)
    if args.role == "subscriber":
        return subscriber(args.jpeg, args.reliability, args.seconds)

    from benchmarks.common import finish, header, table

    header(f"1080p at {RATE_HZ:g} Hz between two processes, {args.seconds:g} s each, {os.cpu_count()} cores")
    figures, rows = (
        {},
        [("load", "reliability", "way", "arrived %", "gap s", "age p50 ms", "age p95 ms", "cores in use before")],
    )
    for load in args.loads:
        for reliability in QUALITIES:
            for way in args.ways:
                before = cores_in_use()
                with busy(LOADS[load]):
                    got = measure(way, reliability, args.seconds, domain=1 + os.getpid() % 100)
                figures[f"{load}, {reliability}, {way}"] = {**got, "cores_in_use_before": before}
                rows.append((load, reliability, way, 100 * got["share"], *[*got.values()][1:], before))
    table(rows)
    finish(seconds=args.seconds, **figures)


if __name__ == "__main__":
    main()
