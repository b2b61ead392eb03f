"""What benchmarks/node.py and benchmarks/soak.py put together: cameras, pretended models, the detector, a client.

The pretended model takes `SECONDS` for a keyframe and finds ten things. Which it is, `vlm.model` says: ``sleep`` uses
no core, ``burn`` all of them, ``quick`` takes no time at all. ``obvious`` is a node to compare with: it reads and
infers in its callback, with a queue of ten.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.transport import RATE_HZ, WAYS, picture, qos
from vlsam_ros.config import Config
from vlsam_ros.data import Detection, Detections, Mask

SECONDS = 0.8
NICE = 5
"""The models' niceness, see `node.worker_nice`; whoever burns in their place has it, too."""
ROOT = Path(__file__).resolve().parents[1]
NODE = "/vlsam_detector"
PATIENCE_S = 60.0
TICKS_S = os.sysconf("SC_CLK_TCK")


# --- pretended models


def load(config: Config) -> Callable[..., Detections]:
    """A pretended model: sleeps, burns, or is quick."""
    work = {"sleep": time.sleep, "burn": burn, "quick": lambda seconds: None}[config.vlm.model]
    items = tuple(_stone(n) for n in range(10))

    def pipeline(image: np.ndarray, budget_s: float | None, horizon: float | None) -> Detections:
        work(SECONDS)
        return Detections(image.shape[:2], items=items, vlm=config.vlm.model, segmenter="pretended")

    return pipeline


def _stone(n: int) -> Detection:
    return Detection("stone", 0.9, 0.9, 0.9, 0.9, blob(np.random.default_rng(n), 60, (150 * n + 200, 600)))


def blob(rng: np.random.Generator, width: int, at_xy: tuple[int, int]) -> Mask:
    """A round thing with a rough edge, about so many pixels wide and high, from `at_xy` on."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = width / 2 * rng.uniform(0.8, 1.0, 24)
    outline = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + width / 2
    dense = cv2.fillPoly(np.zeros((width + 1, width + 1), np.uint8), [outline.round().astype(np.int32)], 1)
    return Mask.from_dense(dense > 0).shifted(*at_xy)


def burn(seconds: float) -> None:
    """All cores are busy with OpenCV for so long."""
    cv2.setNumThreads(1)
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_blur, args=(until,)) for _ in range(os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _blur(until: float) -> None:
    image = np.ones((300, 400), np.float32)
    while time.monotonic() < until:
        cv2.GaussianBlur(image, (0, 0), 3)


# --- processes


@contextmanager
def process(*command: str, nice: int = 0) -> Iterator[subprocess.Popen]:
    """A command in Python, ended with the block."""
    started = subprocess.Popen(["nice", "-n", str(nice), sys.executable, *command], cwd=ROOT)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(PATIENCE_S)
        finally:
            started.kill()


def detector(*arguments: str, load: str = "benchmarks.rig:load") -> Any:
    """The node; `arguments` as after ``--ros-args``."""
    code = f"import sys; from vlsam_ros.ros.node import main; sys.exit(main(load={load!r}))"
    return process("-c", code, "--ros-args", "--log-level", "error", *arguments)


def pretending(kind: str, topics: Sequence[str], *arguments: str) -> Any:
    """The node with a pretended model that takes frames as often as it can."""
    given = {"vlm.model": kind, "node.image_topics": f"[{', '.join(topics)}]", "node.keyframe_rate_hz": "0.0"}
    return detector(*(word for key, value in given.items() for word in ("-p", f"{key}:={value}")), *arguments)


def role(*arguments: str, nice: int = 0) -> Any:
    """One of the roles below."""
    return process("-m", "benchmarks.rig", *arguments, nice=nice)


def children(pid: int) -> dict[str, int]:
    """The processes that a process has started, by name: ``vlsam_models``, ``vlsam_beside``."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended just now
            begin, _, end = file.read_text().rpartition(") ")
            if int(end.split()[1]) == pid:
                found[begin.partition("(")[2]] = int(file.parent.name)
    return found


def cpu_s(pid: int) -> float:
    """What a process with all its threads has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


# --- roles


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """At SIGTERM rclpy shuts down, and whoever publishes or spins then is told by an error."""
    import rclpy
    from rclpy.executors import ExternalShutdownException

    try:
        yield
    except (RuntimeError, ExternalShutdownException):  # RCLError is a RuntimeError
        if rclpy.ok():
            raise


def camera(topics: Sequence[str], kind: str, reliability: str, hz: float) -> None:
    """The same picture on all topics, or the sample recording's (``drive``), until ended."""
    import rclpy
    from sensor_msgs.msg import CompressedImage, Image

    rclpy.init()
    node = rclpy.create_node("camera")
    made = {"raw": lambda: [Image(**picture(False))], "jpeg": lambda: [CompressedImage(**picture(True))]}
    frames = {**made, "drive": lambda: [*recorded()]}[kind]()
    publishers = [node.create_publisher(type(frames[0]), topic, qos(10, reliability)) for topic in topics]
    start, number = time.monotonic(), 0
    while True:
        message = frames[number % len(frames)]
        message.header.frame_id = str(number)
        for publisher in publishers:
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)
        number = max(number + 1, int((time.monotonic() - start) * hz))  # what it is late for is not made up for
        time.sleep(max(0.0, start + number / hz - time.monotonic()))


def recorded() -> Iterator[Any]:
    """The images of the sample recording."""
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import CompressedImage

    from vlsam_ros.bags.reader import read

    for record in read(ROOT / "sample_bag", ["/camera/front/image/compressed"]):
        yield deserialize_message(record.data, CompressedImage)


def obvious(topics: Sequence[str], kind: str) -> None:
    """A detector node as one writes it first."""
    import rclpy
    from sensor_msgs.msg import CompressedImage, Image
    from std_srvs.srv import SetBool
    from vlsam_ros.msg import DetectedInstanceArray

    from vlsam_ros.config import VlmOptions
    from vlsam_ros.output.messages import Keyframe, to_message
    from vlsam_ros.ros.cameras import cameras
    from vlsam_ros.ros.convert import TYPES
    from vlsam_ros.serving.images import to_rgb

    rclpy.init()
    node = rclpy.create_node(NODE.strip("/"))
    pipeline = load(Config(vlm=VlmOptions(model=kind)))
    publisher = node.create_publisher(DetectedInstanceArray, "~/detections", 10)

    def on_image(name: str, message: Any) -> None:
        started = node.get_clock().now().to_msg()
        found = pipeline(to_rgb(message, 1 << 28), None, None)
        about = Keyframe(message.header, name, 0, started, node.get_clock().now().to_msg())
        publisher.publish(to_message(about, found, TYPES))

    for seen in cameras(topics):
        kind_of = CompressedImage if seen.compressed else Image
        node.create_subscription(kind_of, seen.topic, partial(on_image, seen.name), 10)
    node.create_service(SetBool, "~/enable", lambda request, response: response)
    rclpy.spin(node)


def burner() -> None:
    """What the models use of the machine, without a node."""
    while True:
        burn(SECONDS)


# --- the other side


class Client:
    """Listens to the node, and asks it."""

    def __init__(self) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from vlsam_ros.msg import DetectedInstanceArray, DetectorHealth

        rclpy.init()
        self._rclpy = rclpy
        self.node = rclpy.create_node("benchmark")
        self.detections: list[DetectedInstanceArray] = []
        self.tracks: list[DetectedInstanceArray] = []
        self.health: list[DetectorHealth] = []
        self.diagnostics: list[DiagnosticArray] = []
        self._tracks: Any = None
        for kind, topic, to in (
            (DetectedInstanceArray, f"{NODE}/detections", self.detections),
            (DetectorHealth, f"{NODE}/health", self.health),
            (DiagnosticArray, "/diagnostics", self.diagnostics),
        ):
            self.node.create_subscription(kind, topic, to.append, 10)

    def close(self) -> None:
        """Leave."""
        self.node.destroy_node()
        self._rclpy.shutdown()

    def spin(self, seconds: float) -> None:
        """Listen for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._rclpy.spin_once(self.node, timeout_sec=left)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Listen until something is so."""
        late = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > late:
                raise TimeoutError(f"waited {PATIENCE_S:g} s in vain for {what}")
            self._rclpy.spin_once(self.node, timeout_sec=0.05)

    def forget(self) -> None:
        """What came so far."""
        for seen in (self.detections, self.tracks, self.health, self.diagnostics):
            seen.clear()

    def results(self, count: int) -> list[Any]:
        """So many detections that come from now on."""
        self.forget()
        self.until(lambda: len(self.detections) >= count, f"{count} results")
        return self.detections[:count]

    def follow_tracks(self, follow: bool) -> None:
        """Subscribe to ~/tracks, or not."""
        from vlsam_ros.msg import DetectedInstanceArray

        if self._tracks is not None:
            self.node.destroy_subscription(self._tracks)
            self._tracks = None
        if follow:
            kept = self.tracks.append
            self._tracks = self.node.create_subscription(DetectedInstanceArray, f"{NODE}/tracks", kept, 10)

    def watch(self, kind: type, topics: Sequence[str]) -> None:
        """Have what the node publishes only if somebody looks."""
        for topic in topics:
            self.node.create_subscription(kind, f"{NODE}/{topic}", lambda message: None, 1)

    def values(self, about: str) -> tuple[float, dict[str, str]]:
        """Of the next diagnostics about ``models`` or ``camera <name>``: seconds, and what it says."""
        name, count = f"{NODE}: {about}", len(self.diagnostics)
        self.until(
            lambda: any(s.name == name for d in self.diagnostics[count:] for s in d.status), f"diagnostics of {about}"
        )
        last = self.diagnostics[-1]
        status = next(s for s in last.status if s.name == name)
        return seconds(last.header.stamp), {v.key: v.value for v in status.values}

    def call(self, kind: type, name: str, **request: Any) -> float:
        """Seconds until a service answers."""
        asking = self._asking(kind, name)
        began = time.perf_counter()
        future = asking.call_async(kind.Request(**request))  # type: ignore[attr-defined]
        self.until(future.done, f"an answer of {name}")
        return time.perf_counter() - began

    def _asking(self, kind: type, name: str) -> Any:
        known = [c for c in self.node.clients if c.srv_name == f"{NODE}/{name}"]
        asking = known[0] if known else self.node.create_client(kind, f"{NODE}/{name}")
        self.until(asking.service_is_ready, f"the service {name}")
        return asking


def seconds(stamp: Any) -> float:
    """Of a builtin_interfaces/Time."""
    return stamp.sec + stamp.nanosec * 1e-9


def alone(transport: str) -> None:
    """This process and those that it starts: a ROS domain of their own, on this machine; one of `transport.WAYS`.

    The domain is none of the tests', which may run beside it: they use those up to 100.
    """
    domain = {"ROS_DOMAIN_ID": str(215 + os.getpid() % 18), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    os.environ.update(domain | {"OMP_NUM_THREADS": "1"} | WAYS[transport])


def main() -> None:
    """A role's process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["camera", "obvious", "burner"])
    parser.add_argument("topics", nargs="*")
    parser.add_argument("--kind", default="raw", help="of pictures: raw, jpeg, drive; of model: sleep, burn, quick")
    parser.add_argument("--reliability", default="reliable")
    parser.add_argument("--hz", type=float, default=RATE_HZ)
    args = parser.parse_args()
    with ended_by_signal():
        if args.role == "camera":
            camera(args.topics, args.kind, args.reliability, args.hz)
        elif args.role == "obvious":
            obvious(args.topics, args.kind)
        else:
            burner()


if __name__ == "__main__":
    main()
