"""The detector node: cameras in, one DetectedInstanceArray per keyframe out.

Callbacks only store messages in the mailbox; one worker thread decodes, detects and publishes. The executor has a
single thread and stays free, so parameters, diagnostics and signals are served while a model thinks.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic, perf_counter
from typing import Any

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage

from vlsam_ros import errors
from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.msg import DetectedInstanceArray
from vlsam_ros.options import NODE
from vlsam_ros.output import overlay
from vlsam_ros.output.check import check_result
from vlsam_ros.output.messages import Keyframe, age, to_message
from vlsam_ros.output.text import plain, plain_lines
from vlsam_ros.ros import convert, parameters
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.diagnostics import STEADY, Diagnostics
from vlsam_ros.ros.horizon import Horizon
from vlsam_ros.ros.mailbox import Frame, Mailbox
from vlsam_ros.ros.qos import ImageSubscription
from vlsam_ros.ros.signals import stop_events
from vlsam_ros.ros.worker import Pipeline, Worker, configured, without_instances

DEMONSTRATION = "The embedded demonstration models know a rendered world only: never use them on a real road."
QUIET_S, COLLECT_S = 0.5, 2.0
"""At the end of a `queue_all` run: all frames are in when none came for so long, or after so long."""


def load_pipeline(config: Config) -> Pipeline:
    """The real thing; imported only here, since it takes seconds."""
    from vlsam_ros.pipeline import load

    return load(config)


class DetectorNode(Node):
    """Topics and options are described in docs/parameters.md and README.md."""

    def __init__(self, load: Callable[[Config], Pipeline] = load_pipeline) -> None:
        """`load` makes the pipeline from the options, in the worker thread.

        Raises:
            ConfigError: a parameter is wrong.
        """
        super().__init__(NODE)
        self.config = parameters.declare(self)
        options = self.config.node
        self._cameras = cameras(
            [self._resolved(topic) for topic in options.image_topics], options.transport, options.pitch_deg
        )
        self._mailbox = Mailbox([c.name for c in self._cameras], options.keyframe_rate_hz, queue_all=options.queue_all)
        self._numbers: Counter[str] = Counter()
        self._ready = False
        self._detections = self.create_publisher(DetectedInstanceArray, "~/detections", 10)
        self._overlay = self.create_publisher(CompressedImage, "~/overlay/compressed", QoSProfile(depth=1))
        self._heat = self.create_publisher(CompressedImage, "~/heat/compressed", QoSProfile(depth=1))
        self._dropped = self.create_publisher(DetectedInstanceArray, "~/dropped", 10)
        self.worker = Worker(lambda: load(self.config), self._mailbox, self._handle, configured(self.config))
        self._diagnostics = Diagnostics(self, self.worker, self._mailbox)
        self._check_topics()
        self._images = [ImageSubscription(self, c, partial(self._store, c.name), options) for c in self._cameras]
        self._horizons = {camera.name: Horizon(camera) for camera in self._cameras if options.camera_info}
        for camera in self._cameras if options.camera_info else ():
            quality = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self.create_subscription(CameraInfo, camera.info_topic, partial(self._learn, camera.name), quality)
        self._announce()
        self.worker.start()
        self.create_timer(0.2, self._refresh, clock=STEADY)

    def _resolved(self, topic: str) -> str:
        """The topic's whole name, after remaps."""
        try:
            return self.resolve_topic_name(topic)
        except RuntimeError as error:  # such as an unknown substitution
            raise errors.ConfigError(f"node.image_topics: {topic!r}: {error}") from error

    def _check_topics(self) -> None:
        """No image topic is one that the node has for something else."""
        taken = {"/rosout", "/parameter_events", "/clock"} | {publisher.topic_name for publisher in self.publishers}
        if self.config.node.camera_info:
            taken |= {self.resolve_topic_name(camera.info_topic) for camera in self._cameras}
        for camera in self._cameras:
            if camera.topic in taken:
                raise errors.ConfigError(
                    f"node.image_topics: expected a camera's images, got {camera.topic!r}, which has another use here"
                )

    def _announce(self) -> None:
        models = self.worker.models
        if models.demonstration:
            self.get_logger().warning(DEMONSTRATION)
        self.get_logger().info(plain(f"loading {models.vlm} and {models.segmenter}"))

    def _refresh(self) -> None:
        """Images are subscribed to as soon as the models are there: a subscriber is a ready detector."""
        if self.worker.state != "ready":
            return
        if not self._ready:
            self._ready = True
            self.get_logger().info("ready")
        for subscription in self._images:
            subscription.refresh()

    def _learn(self, camera: str, info: CameraInfo) -> None:
        horizon = self._horizons[camera]
        if horizon.learn(info):
            share = horizon.share()
            none = "no horizon near the image by its CameraInfo, views.horizon holds"
            where = none if share is None else f"horizon at {share:.3f} of the height"
            self.get_logger().info(f"{camera}: {where}")

    def _store(self, camera: str, message: Any) -> None:
        stamp = message.header.stamp
        if not self._mailbox.put(camera, message, stamp.sec + stamp.nanosec * 1e-9):
            self.get_logger().error(
                f"{camera}: node.queue_all has no room for more frames, dropped one", throttle_duration_sec=5.0
            )

    # --- in the worker thread

    def _handle(self, pipeline: Pipeline, frame: Frame) -> None:
        """One keyframe; no error of a frame leaves this method."""
        try:
            self._answer(pipeline, frame)
        except BaseException:
            trace = plain_lines(f"{frame.camera}: a frame without a result: {traceback.format_exc()}")
            self.get_logger().error(trace, throttle_duration_sec=5.0)

    def _answer(self, pipeline: Pipeline, frame: Frame) -> None:
        """Detect, publish, and draw if somebody looks."""
        started, clock_s = self.get_clock().now(), perf_counter()
        image, found, status, text = self._detect(pipeline, frame)
        finished, latency_s = self.get_clock().now(), perf_counter() - clock_s
        age_s, unknown = age(frame.message.header.stamp, finished.nanoseconds * 1e-9)
        keyframe = Keyframe(
            header=frame.message.header,
            camera=frame.camera,
            number=self._numbers[frame.camera],
            started=started.to_msg(),
            finished=finished.to_msg(),
            age_s=age_s,
            status=status,
            status_text=_joined(unknown, text),
        )
        self._numbers[frame.camera] += 1
        try:
            self._publish(found, keyframe)
        except Exception as error:
            found, status, text = self._failure(frame, image, error)
            keyframe = replace(keyframe, status=status, status_text=_joined(unknown, text))
            self._publish(found, keyframe)
        self._diagnostics.keyframe(keyframe, latency_s, found)
        if image is not None:
            self._publish_pictures(image, found, keyframe, latency_s)

    def _detect(self, pipeline: Pipeline, frame: Frame) -> tuple[np.ndarray | None, Detections, int, str]:
        """The image if it could be read, the detections if there are any, the status and its text."""
        image = None
        try:
            image = convert.to_rgb(frame.message, self.config.node.max_image_pixels)
            horizon = self._horizons[frame.camera].share() if self._horizons else None
            found = pipeline(image, self.config.node.latency_budget_s or None, horizon)
            found = check_result(found, image.shape[:2])
            self.worker.models = without_instances(found)
            status = errors.PARTIAL if found.skipped or found.problems else errors.OK
            return image, found, status, "; ".join(found.problems)
        except BaseException as error:  # the frame's message says so; a panic in a tokenizer's Rust is no Exception
            return image, *self._failure(frame, image, error)

    def _failure(self, frame: Frame, image: np.ndarray | None, error: BaseException) -> tuple[Detections, int, str]:
        """No detections, but the models' names, the status, and what went wrong; the log has it, too."""
        status = error.status if isinstance(error, errors.VlsamError) else errors.VlsamError.status
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, errors.VlsamError):
            self.get_logger().error(plain(f"{frame.camera}: {text}"), throttle_duration_sec=5.0)
        else:
            trace = plain_lines(f"{frame.camera}: {traceback.format_exc()}")
            self.get_logger().error(trace, throttle_duration_sec=5.0)
        size_hw = image.shape[:2] if image is not None else (0, 0)
        return replace(self.worker.models, size_hw=size_hw), status, text

    def _publish(self, found: Detections, keyframe: Keyframe) -> None:
        self._detections.publish(to_message(keyframe, found, convert.TYPES))
        if self._dropped.get_subscription_count():  # no subscriber, no work
            doubted = replace(found, items=found.dropped)
            self._dropped.publish(to_message(keyframe, doubted, convert.TYPES))

    def _publish_pictures(self, image: np.ndarray, found: Detections, keyframe: Keyframe, latency_s: float) -> None:
        """Overlay and heat map, drawn from the keyframe itself. No subscriber, no work; no picture ends the node."""
        header = keyframe.header
        problem = plain(keyframe.status_text) if keyframe.status > errors.PARTIAL else ""
        try:
            if self._overlay.get_subscription_count():
                picture = overlay.draw(image, found, latency_s, keyframe.age_s, problem)
                self._overlay.publish(convert.to_compressed(picture, header))
            if found.heat is not None and self._heat.get_subscription_count():
                self._heat.publish(convert.to_compressed(overlay.draw_heat(image, found.heat), header))
        except Exception:
            trace = plain_lines(f"can't draw: {traceback.format_exc()}")
            self.get_logger().error(trace, throttle_duration_sec=5.0)

    # --- in the main thread

    def stop(self, hurry: threading.Event, spin: Callable[[], None]) -> None:
        """Let the worker finish its frame, with `queue_all` all that was sent; then deliver the last message.

        Not if it is still loading, and no longer than until `hurry` gets set. `spin` serves callbacks for a moment.
        """
        if self.config.node.queue_all and self.worker.state == "ready":
            self._collect(spin)
        self._mailbox.close()
        while self.worker.state == "ready" and not hurry.is_set():
            spin()
        self._detections.wait_for_all_acked(Duration(seconds=1.0))

    def _collect(self, spin: Callable[[], None]) -> None:
        """Take in what the middleware still holds, until nothing came for a while."""
        start = since = monotonic()
        count = 0
        while monotonic() - since < QUIET_S and monotonic() - start < COLLECT_S:
            spin()
            received = sum(counts.received for counts in self._mailbox.counts().values())
            if received != count:
                since, count = monotonic(), received
        self.get_logger().info(f"finishing {self._mailbox.waiting()} queued frames; stop once more to leave them")


def _joined(unknown: str, text: str) -> str:
    """A status text: why the age isn't known comes first, where no long text cuts it off."""
    return "; ".join(part for part in (unknown, text) if part)


def main(args: list[str] | None = None, load: Callable[[Config], Pipeline] = load_pipeline) -> int:
    """Run until SIGINT or SIGTERM. 0: stopped on demand; 1: the models or the worker failed; 2: wrong parameters."""
    stop, hurry = stop_events()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: a parameter file or an argument that can't be read
        print(f"vlsam_detector: {plain(error)}", file=sys.stderr)
        return 2
    try:
        node = DetectorNode(load)
        return _run(node, stop, hurry)
    except (errors.ConfigError, NameValidationException, ParameterException) as error:
        print(f"vlsam_detector: wrong parameter: {plain(error)}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2


def _run(node: DetectorNode, stop: threading.Event, hurry: threading.Event) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while node.worker.is_alive() and not stop.is_set():
        executor.spin_once(timeout_sec=0.1)
    node.stop(hurry, lambda: executor.spin_once(timeout_sec=0.1))
    failure = node.worker.failure
    if failure:
        node.get_logger().fatal(f"stopped: {failure}")
    else:
        node.get_logger().info("stopped")
    return _leave(node, node.worker.code)


def _leave(node: DetectorNode, code: int) -> int:
    """Shut ROS down; a thread that is still busy in a model would crash the interpreter's own end, so skip that."""
    busy = node.worker.is_alive()
    if not busy:
        node.destroy_node()
    rclpy.try_shutdown()
    if busy:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
