"""A client of the detector node over real DDS, and the fake detector as a process; for the tests in tests/ros."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vlsam_ros.msg import DetectedInstanceArray, DetectorHealth

DOMAIN = random.randint(1, 100)
NORMAL, SLOW, VLM_ERROR, SURPRISE, PARTIAL, SPOILT = range(6)
"""What the red of a picture's first pixel asks the fake detector for; from SPOILT on its table of that name."""
MEMORY, SEGFAULT, EXIT, HANG, FREEZE, ECHO, STEPS = range(100, 107)
"""The fake detector's DEEDS."""
PATIENCE_S = 60.0
SIZE_HW = (10, 12)


STARTED: list[subprocess.Popen[bytes]] = []
"""Every detector of this run; those that a failed test left are killed after its module."""


def start(log: Path, *arguments: str, under: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """The fake detector; `under` is a command that becomes the one that follows it."""
    environment = os.environ | {
        "ROS_DOMAIN_ID": str(DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(log.parent / "ros"),
        "FOLDER": str(log.parent),
        "PYTHONUNBUFFERED": "1",
    }
    command = [*under, sys.executable, str(Path(__file__).with_name("fake_detector.py")), "--ros-args", *arguments]
    with log.open("wb") as file:
        STARTED.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment))
    return STARTED[-1]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a fake detector that ends by itself."""
    log = folder / "log"
    code = start(log, *arguments).wait(PATIENCE_S)
    return code, log.read_text()


def started_by(parent: int) -> dict[int, tuple[str, str]]:
    """Name and state of each process that `parent` has started, by its id."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            begin, _, end = file.read_text().rpartition(") ")
        except OSError:  # ended just now
            continue
        state, ppid, *_ = end.split()
        if int(ppid) == parent:
            found[int(file.parent.name)] = (begin.partition("(")[2], state)
    return found


def lives(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


class Detector:
    """A fake detector with a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        topics: Sequence[str] = ("/cam/image_raw",),
        name: str = "vlsam_detector",
        under: Sequence[str] = (),
    ) -> None:
        self.folder, self.log = folder, folder / "log"
        given = (f"node.image_topics:=[{', '.join(topics)}]", "node.keyframe_rate_hz:=0.0", *options)
        parameters = (part for option in given for part in ("-p", option))
        self.process = start(self.log, "-r", f"__node:={name}", *parameters, under=under)

    def said(self, text: str) -> int:
        """How often the log has a text."""
        return self.log.read_text().count(text)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Until the log has it."""
        deadline = time.monotonic() + PATIENCE_S
        while self.said(text) < times:
            assert time.monotonic() < deadline, f"waited in vain for {text!r}"
            time.sleep(0.01)

    def child(self, name: str) -> int:
        """The id of its process ``models`` or ``beside``; 0: there is none."""
        return next((pid for pid, about in started_by(self.process.pid).items() if about[0] == f"vlsam_{name}"), 0)

    def zombies(self) -> list[int]:
        return [pid for pid, (_, state) in started_by(self.process.pid).items() if state == "Z"]

    def shared(self) -> set[Path]:
        """The files of shared memory that are its own, beside those of ports, which all processes have together."""
        locks = []
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(OSError):  # closed just now
                locks.append(str(link.readlink()))
        segments = [lock[: -len("_el")] for lock in locks if lock.startswith("/dev/shm/") and lock.endswith("_el")]
        return {Path(segment) for segment in segments if "port" not in segment}

    def end(self, *signals: int) -> int:
        """Exit code after SIGINT, or those signals one after the other; nothing is left."""
        pids, shared = [self.process.pid, *started_by(self.process.pid)], self.shared()
        for number in signals or (signal.SIGINT,):
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        assert not [pid for pid in pids if lives(pid)]
        assert not [path for path in shared if path.exists()]
        return code


class Client:
    """Publishes images and collects what the detector says."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._context.init(domain_id=DOMAIN)
        self.node = Node("client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.detections: list[DetectedInstanceArray] = []
        self.diagnostics: list[Any] = []
        self.beats: list[DetectorHealth] = []
        self.node.create_subscription(DetectedInstanceArray, "/vlsam_detector/detections", self.detections.append, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)
        self.node.create_subscription(DetectorHealth, "/vlsam_detector/health", self.beats.append, 10)
        self._clients: dict[tuple[type, str], Any] = {}
        self._seconds = 100

    def close(self) -> None:
        self.node.destroy_node()
        self._context.shutdown()

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def publisher(self, kind: type, topic: str, reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE) -> Any:
        """A publisher that the detector has subscribed to, and stays with."""
        result = self.node.create_publisher(kind, topic, QoSProfile(depth=10, reliability=reliability))
        self.until(result.get_subscription_count, f"a subscriber of {topic}")
        self.spin(0.7)
        self.until(result.get_subscription_count, f"a subscriber of {topic}")
        return result

    def status(self, about: str) -> tuple[int, str, dict[str, str]]:
        """Level, message and values of the next diagnostics about ``models`` or ``camera <name>``."""
        self.diagnostics.clear()
        name = f"/vlsam_detector: {about}"
        self.until(lambda: any(s.name == name for d in self.diagnostics for s in d.status), f"diagnostics of {about}")
        status = next(s for d in reversed(self.diagnostics) for s in d.status if s.name == name)
        return status.level[0], status.message, {v.key: v.value for v in status.values}

    def received(self, camera: str) -> int:
        """Frames that the detector has received, by its next diagnostics."""
        return int(self.status(f"camera {camera}")[2]["frames received"])

    def beat(self, camera: str = "cam") -> DetectorHealth:
        """The next heartbeat."""
        self.beats.clear()
        self.until(lambda: any(beat.camera == camera for beat in self.beats), f"a heartbeat of {camera}")
        return next(beat for beat in self.beats if beat.camera == camera)

    def ask(self, kind: type, name: str, **request: Any) -> Any:
        """A future of a service's answer; `name` below the detector's."""
        client = self._clients.get((kind, name)) or self.node.create_client(kind, f"/vlsam_detector/{name}")
        self._clients[kind, name] = client
        self.until(client.service_is_ready, f"the service {name}")
        return client.call_async(kind.Request(**request))

    def call(self, kind: type, name: str, **request: Any) -> Any:
        """A service's answer."""
        future = self.ask(kind, name, **request)
        self.until(future.done, f"an answer of {name}")
        return future.result()

    def set(self, **values: Any) -> SetParametersResult:
        """Set parameters, all or none; a name has ``__`` for its dot."""
        kinds = {name: Parameter.Type.STRING_ARRAY if value == [] else None for name, value in values.items()}
        new = [
            Parameter(name.replace("__", "."), kinds[name], value).to_parameter_msg() for name, value in values.items()
        ]
        return self.call(SetParametersAtomically, "set_parameters_atomically", parameters=new).result

    def get(self, name: str) -> Any:
        """A parameter's value."""
        values = self.call(GetParameters, "get_parameters", names=[name.replace("__", ".")]).values
        return parameter_value_to_python(values[0])

    def state(self) -> str:
        """Of the detector's life cycle."""
        return self.call(GetState, "get_state").current_state.label

    def ask_change(self, transition: str) -> Any:
        """A future of a transition's answer."""
        request = ChangeState.Request()
        request.transition.label = transition
        return self.ask(ChangeState, "change_state", transition=request.transition)

    def change(self, transition: str) -> bool:
        """Whether a transition of the detector's life cycle, such as ``configure``, succeeded."""
        future = self.ask_change(transition)
        self.until(future.done, f"an answer to {transition}")
        return future.result().success

    def header(self) -> Header:
        self._seconds += 1
        return Header(stamp=Time(sec=self._seconds, nanosec=self._seconds), frame_id=f"frame {self._seconds}")

    def answer(self, publisher: Any, message: Any) -> DetectedInstanceArray:
        """The detections for one image."""
        before = len(self.detections)
        publisher.publish(message)
        self.until(lambda: len(self.detections) > before, "detections")
        return self.detections[-1]

    def occupy(self, detector: Detector, publisher: Any) -> None:
        """Let the detector begin a frame that takes until `release`."""
        for name in ("busy", "go"):
            (detector.folder / name).unlink(missing_ok=True)
        publisher.publish(raw(SLOW, self.header()))
        self.until((detector.folder / "busy").exists, "the detector to begin")

    def release(self, detector: Detector) -> DetectedInstanceArray:
        """The detections of the frame that occupied it."""
        before = len(self.detections)
        (detector.folder / "go").touch()
        self.until(lambda: len(self.detections) > before, "detections")
        return self.detections[-1]


def raw(order: int, header: Header) -> Image:
    pixels = np.zeros((*SIZE_HW, 3), np.uint8)
    pixels[..., 0] = order
    height, width = SIZE_HW
    return Image(
        header=header, height=height, width=width, encoding="rgb8", step=width * 3, data=array("B", pixels.tobytes())
    )


def png(order: int, header: Header) -> CompressedImage:
    data = cv2.imencode(".png", np.full((*SIZE_HW, 3), (0, 0, order), np.uint8))[1].tobytes()
    return CompressedImage(header=header, format="png", data=array("B", data))
