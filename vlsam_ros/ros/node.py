"""The detector node: cameras in, one DetectedInstanceArray per keyframe out.

Callbacks only store messages in the mailbox; one worker thread decodes, detects and publishes. The executor has a
single thread and stays free, so parameters, diagnostics and signals are served while a model thinks.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from vlsam_ros import errors
from vlsam_ros.config import Config
from vlsam_ros.data import Detections
from vlsam_ros.msg import DetectedInstanceArray
from vlsam_ros.output import overlay
from vlsam_ros.output.messages import Keyframe, to_message
from vlsam_ros.ros import convert, parameters
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.diagnostics import STEADY, Diagnostics
from vlsam_ros.ros.horizon import Horizon
from vlsam_ros.ros.mailbox import Frame, Mailbox
from vlsam_ros.ros.qos import ImageSubscription
from vlsam_ros.ros.signals import stop_events
from vlsam_ros.ros.worker import Pipeline, Worker

DEMONSTRATION = "The embedded demonstration models know a rendered world only: never use them on a real road."


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
        super().__init__("vlsam_detector")
        self.config = parameters.declare(self)
        options = self.config.node
        self._cameras = cameras(options.image_topics, options.transport, options.pitch_deg)
        self._mailbox = Mailbox([c.name for c in self._cameras], options.keyframe_rate_hz, queue_all=options.queue_all)
        self._numbers: Counter[str] = Counter()
        self._ready = False
        self._detections = self.create_publisher(DetectedInstanceArray, "~/detections", 10)
        self._overlay = self.create_publisher(CompressedImage, "~/overlay/compressed", QoSProfile(depth=1))
        self._heat = self.create_publisher(CompressedImage, "~/heat/compressed", QoSProfile(depth=1))
        self._dropped = self.create_publisher(DetectedInstanceArray, "~/dropped", 10)
        self._images = [
            ImageSubscription(
                self,
                CompressedImage if camera.compressed else Image,
                camera.topic,
                partial(self._store, camera.name),
                options.reliability,
                options.queue_all,
            )
            for camera in self._cameras
        ]
        self._horizons = {camera.name: Horizon(camera) for camera in self._cameras if options.camera_info}
        for camera in self._cameras if options.camera_info else ():
            quality = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self.create_subscription(CameraInfo, camera.info_topic, partial(self._learn, camera.name), quality)
        self.worker = Worker(lambda: load(self.config), self._mailbox, self._handle)
        self._announce()
        self.worker.start()
        self._diagnostics = Diagnostics(self, self.config, self.worker, self._mailbox)
        self.create_timer(0.2, self._refresh, clock=STEADY)

    def _announce(self) -> None:
        if any(m.startswith("embedded") for m in (self.config.vlm.model, self.config.segmenter.model)):
            self.get_logger().warning(DEMONSTRATION)
        self.get_logger().info(f"loading {self.config.vlm.model} and {self.config.segmenter.model}")

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
            where = "not calibrated, views.horizon holds" if share is None else f"horizon at {share:.3f} of the height"
            self.get_logger().info(f"{camera}: {where}")

    def _store(self, camera: str, message: Any) -> None:
        stamp = message.header.stamp
        if not self._mailbox.put(camera, message, stamp.sec + stamp.nanosec * 1e-9):
            self.get_logger().error(
                f"{camera}: node.queue_all has no room for more frames, dropped one", throttle_duration_sec=5.0
            )

    # --- in the worker thread

    def _handle(self, pipeline: Pipeline, frame: Frame) -> None:
        """One keyframe: detect, publish, and draw if somebody looks. No error of a frame leaves this method."""
        started = self.get_clock().now()
        image, detections, status, text = self._detect(pipeline, frame)
        finished = self.get_clock().now()
        age_s = finished.nanoseconds * 1e-9 - frame.stamp_s if frame.stamp_s else math.nan
        keyframe = Keyframe(
            header=frame.message.header,
            camera=frame.camera,
            number=self._numbers[frame.camera],
            started=started.to_msg(),
            finished=finished.to_msg(),
            age_s=age_s,
            status=status,
            status_text=text,
        )
        self._numbers[frame.camera] += 1
        self._detections.publish(to_message(keyframe, detections, convert.TYPES))
        if self._dropped.get_subscription_count():  # no subscriber, no work
            doubted = replace(detections, items=detections.dropped)
            self._dropped.publish(to_message(keyframe, doubted, convert.TYPES))
        latency_s = (finished - started).nanoseconds * 1e-9
        self._diagnostics.keyframe(status, text, latency_s, detections)
        if image is not None:
            self._publish_pictures(image, detections, keyframe, latency_s)

    def _detect(self, pipeline: Pipeline, frame: Frame) -> tuple[np.ndarray | None, Detections, int, str]:
        """The image if it could be read, the detections if there are any, the status and its text."""
        image = None
        try:
            image = convert.to_rgb(frame.message, self.config.node.max_image_pixels)
            horizon = self._horizons[frame.camera].share() if self._horizons else None
            detections = pipeline(image, self.config.node.latency_budget_s or None, horizon)
            return image, detections, errors.PARTIAL if detections.skipped else errors.OK, ""
        except Exception as error:  # one bad frame must not end the node: it is reported in the frame's message
            text = f"{type(error).__name__}: {error}"
            size_hw = image.shape[:2] if image is not None else (0, 0)
            if isinstance(error, errors.VlsamError):
                self.get_logger().error(f"{frame.camera}: {text}", throttle_duration_sec=5.0)
                return image, Detections(size_hw), error.status, text
            self.get_logger().error(f"{frame.camera}: {traceback.format_exc()}", throttle_duration_sec=5.0)
            return image, Detections(size_hw), errors.VlsamError.status, text

    def _publish_pictures(self, image: np.ndarray, found: Detections, keyframe: Keyframe, latency_s: float) -> None:
        """Overlay and heat map, drawn from the keyframe itself. No subscriber, no work; no picture ends the node."""
        header = keyframe.header
        try:
            if self._overlay.get_subscription_count():
                picture = overlay.draw(image, found, latency_s, keyframe.age_s, keyframe.status_text)
                self._overlay.publish(convert.to_compressed(picture, header))
            if found.heat is not None and self._heat.get_subscription_count():
                self._heat.publish(convert.to_compressed(overlay.draw_heat(image, found.heat), header))
        except Exception:
            self.get_logger().error(f"can't draw: {traceback.format_exc()}", throttle_duration_sec=5.0)

    # --- in the main thread

    def stop(self, hurry: threading.Event) -> None:
        """Let the worker finish its frame, unless it is still loading or `hurry` gets set; deliver the last message."""
        self._mailbox.close()
        while self.worker.state == "ready" and not hurry.is_set():
            self.worker.join(0.1)
        self._detections.wait_for_all_acked(Duration(seconds=1.0))


def main(args: list[str] | None = None, load: Callable[[Config], Pipeline] = load_pipeline) -> int:
    """Run until SIGINT or SIGTERM. 0: stopped on demand; 1: the models or the worker failed; 2: wrong parameters."""
    stop, hurry = stop_events()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: a parameter file or an argument that can't be read
        print(f"vlsam_detector: {error}", file=sys.stderr)
        return 2
    try:
        node = DetectorNode(load)
    except errors.ConfigError as error:
        print(f"vlsam_detector: wrong parameter: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while node.worker.is_alive() and not stop.is_set():
        executor.spin_once(timeout_sec=0.1)
    node.stop(hurry)
    failure = node.worker.failure
    if failure:
        node.get_logger().fatal(f"stopped: {failure}")
    else:
        node.get_logger().info("stopped")
    return _leave(node, int(bool(failure)))


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
