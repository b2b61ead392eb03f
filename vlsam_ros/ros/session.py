"""What lives from configuring to cleaning up: cameras, mailbox, the two processes' threads, publishers."""

from __future__ import annotations

import logging
import math
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic, perf_counter
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from vlsam_ros import errors
from vlsam_ros.config import Config
from vlsam_ros.data import Detection, Detections
from vlsam_ros.msg import DetectedInstanceArray
from vlsam_ros.output.messages import Keyframe, age
from vlsam_ros.output.overlay import Caption
from vlsam_ros.output.text import plain, plain_lines
from vlsam_ros.ros.asking import Asking
from vlsam_ros.ros.beside import Beside
from vlsam_ros.ros.cameras import Camera
from vlsam_ros.ros.health import Health, rss_mib
from vlsam_ros.ros.horizon import Horizon
from vlsam_ros.ros.log import Log
from vlsam_ros.ros.mailbox import Demand, Frame, Mailbox
from vlsam_ros.ros.mounts import Mounts
from vlsam_ros.ros.outputs import Outputs
from vlsam_ros.ros.qos import ImageSubscription, SubscriptionEventCallbacks
from vlsam_ros.ros.worker import Detect, Worker, without_instances
from vlsam_ros.serving.images import Picture, Seen
from vlsam_ros.serving.models import Job, Result
from vlsam_ros.tracking.ground import Mount, places

QUIET_S, COLLECT_S = 0.5, 2.0
"""At the end of a `queue_all` run: all frames are in when none came for so long, or after so long."""

ID_PERIOD_S = 0.2
"""How often a camera's frames between keyframes are looked at where nobody reads `~/tracks`."""

Reply = Callable[[DetectedInstanceArray | None, str], None]
"""Gets what a demand was for, or why there is nothing."""


class Session:
    """One configuration at work."""

    def __init__(self, node: Node, config: Config, cameras: Sequence[Camera], load: str, health: Health) -> None:
        """Begin to load the models.

        Raises:
            ConfigError: an option is wrong, or a camera's topic has another use here.
        """
        self._node, self.config, self.cameras, self._health = node, config, cameras, health
        self.log = Log(node.get_logger())
        names = [camera.name for camera in cameras]
        self._index = {name: index for index, name in enumerate(names)}
        self._numbers: Counter[str] = Counter()
        self._stale: Counter[str] = Counter()
        self._looked_s: dict[str, float] = {}
        self._unfamiliar: set[str] = set()
        self._frames = 0
        self.asking = Asking()
        self._replies: dict[Demand, Reply] = {}
        self._replying = threading.Lock()
        self.mailbox = Mailbox(
            names, queue_all=config.node.queue_all, ros_clock=lambda: node.get_clock().now().nanoseconds * 1e-9
        )
        self.outputs = Outputs(node, names, config.node)
        try:
            self._check_topics()
            self._images = [ImageSubscription(node, c, partial(self._store, c.name), config.node) for c in cameras]
        except errors.ConfigError:
            self.outputs.close()
            raise
        self._horizons = {camera.name: Horizon(camera, config.node, n) for n, camera in enumerate(cameras)}
        self._mounts = Mounts(node, config.node)
        self._infos = [subscription for camera in cameras for subscription in self._listen_for_info(camera)]
        self.worker = Worker(config, load, self.mailbox, self._handle, health.models, self.log)
        self._beside = Beside(lambda: self.config, health.models, self.log)
        self.active = False
        self.apply(config)
        self.worker.start()
        self._beside.start()

    def apply(self, config: Config) -> None:
        """Other options from the next frame on, of those that may change while it runs."""
        options, self.config = config.node, config
        self.mailbox.set_limits(options.keyframe_rate_hz, options.priorities, options.max_age_s)
        self._health.options = options

    def activate(self) -> None:
        """Look at images from now on."""
        self.mailbox.clear()
        self.active = self._health.active = True
        self.refresh()

    def deactivate(self) -> None:
        """Look at no more of them, until `activate`."""
        self.active = self._health.active = False
        for subscription in self._images:
            subscription.close()
        self.mailbox.clear()
        self._refuse("the detector is not active")

    def refresh(self) -> None:
        """Follow what the cameras' publishers offer; cheap, for a timer."""
        if self.active:
            for subscription in self._images:
                subscription.refresh()
        for camera, counts in self.mailbox.counts().items():
            if counts.stale > self._stale[camera]:
                self._stale[camera] = counts.stale
                known = f", the last by {counts.stale_age_s:.1f} s" * math.isfinite(counts.stale_age_s)
                hint = "a recording that is replayed without its clock needs node.max_age_s 0 or use_sim_time"
                self.log(logging.WARNING, f"{camera}: dropped images older than node.max_age_s{known}; {hint}")

    def close(self) -> None:
        """Leave the frame in work, end the processes, take the topics away."""
        self.deactivate()
        self._beside.stop()
        self.worker.kill()
        for thread in (self.worker, self._beside):
            thread.join()
        for subscription in self._infos:
            self._node.destroy_subscription(subscription)
        self._mounts.close()
        self.outputs.close()

    def finish(self, hurry: threading.Event, spin: Callable[[], None]) -> None:
        """Let the worker finish its frame, with `queue_all` all that was sent; then deliver the last message.

        Not if it is still loading, and no longer than until `hurry` gets set. `spin` serves callbacks for a moment.
        """
        if self.config.node.queue_all and self.active:
            self._collect(spin)
        self.worker.stop()
        while self.worker.is_alive() and not hurry.is_set():
            spin()
        self.outputs.wait_for_all_acked(1.0)

    def demand(self, camera: str, reply: Reply) -> Demand:
        """One frame of a camera now; `reply` comes from another thread, or from `cancel`."""
        with self._replying:
            demand = self.mailbox.demand(camera)
            self._replies[demand] = reply
        return demand

    def cancel(self, demand: Demand, why: str) -> None:
        """Don't wait longer for a frame; one that is looked at already is answered for."""
        if self.mailbox.cancel(demand):
            self._reply((demand,), None, why)

    def memory(self) -> dict[str, float]:
        """What the processes have, in MiB."""
        pids = {"models": self.worker.remote.pid, "tracks and pictures": self._beside.remote.pid}
        gpu = {"models on the GPU": self.worker.gpu_mib} if self.worker.gpu_mib else {}
        return {name: rss_mib(pid) for name, pid in pids.items() if pid} | gpu

    # --- in the node's callbacks

    def _check_topics(self) -> None:
        """No camera's topic is one that the node has for something else."""
        own = f"{self._node.get_fully_qualified_name()}/transition_event"
        taken = {"/rosout", "/parameter_events", "/clock", own, *(camera.info_topic for camera in self.cameras)}
        taken |= {publisher.topic_name for publisher in self._node.publishers}
        for camera in self.cameras:
            if camera.topic in taken:
                raise errors.ConfigError(
                    f"node.image_topics: expected a camera's images, got {camera.topic!r}, which has another use here"
                )

    def _listen_for_info(self, camera: Camera) -> list[Any]:
        """From any publisher, and what one published once before this node came; nobody need offer both."""
        silent = SubscriptionEventCallbacks(use_default_callbacks=False)
        qualities = (
            QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
        )
        learn = partial(self._learn, camera.name)
        return [
            self._node.create_subscription(CameraInfo, camera.info_topic, learn, quality, event_callbacks=silent)
            for quality in qualities
        ]

    def _learn(self, camera: str, info: CameraInfo) -> None:
        if text := self._horizons[camera].learn(info):
            self._node.get_logger().info(plain(f"{camera}: {text}"))

    def _store(self, camera: str, message: Any, lost: int | None = None) -> None:
        stamp = message.header.stamp
        stamp_s = stamp.sec + stamp.nanosec * 1e-9
        self._frames += 1
        self._health.cameras[camera].image(message)
        if not self.mailbox.put(camera, message, stamp_s, lost, number=self._frames):
            self.log(logging.ERROR, f"{camera}: node.queue_all has no room for more frames, dropped one")
        if self.config.tracks.enabled:
            self._look_between(camera, message, stamp_s)

    def _look_between(self, camera: str, message: Any, stamp_s: float) -> None:
        """Ids hold from keyframe to keyframe by the frames between: for who reads `~/tracks` all, else some."""
        wanted, now_s = self.outputs.tracks.get_subscription_count(), monotonic()
        due = now_s - self._looked_s.get(camera, 0.0) >= ID_PERIOD_S
        if wanted or (due and self.outputs.detections.get_subscription_count()):
            self._looked_s[camera] = now_s
            tracks = partial(self._publish_tracks, camera, message.header) if wanted else None
            self._beside.look(self._seen(camera, message, self._frames, stamp_s), message.data, tracks)

    def _seen(self, camera: str, message: Any, number: int, stamp_s: float) -> Seen:
        return Seen(self._index[camera], number, stamp_s or monotonic(), Picture.of(message))

    # --- in the worker's thread

    def _handle(self, frame: Frame, detect: Detect) -> None:
        """One keyframe; no error of a frame leaves this method."""
        message = None
        try:
            message = self._answer(frame, detect)
        except BaseException:
            self.log(logging.ERROR, f"{frame.camera}: a frame without a result: {traceback.format_exc()}")
        finally:
            self._reply(frame.demands, message, "" if message else "the frame has no result")

    def _answer(self, frame: Frame, detect: Detect) -> DetectedInstanceArray | None:
        """Detect, publish, and have drawn what somebody looks at; None if nothing has changed."""
        config, camera, began_s = self.config, frame.camera, perf_counter()
        if config.tracks.enabled:
            seen = self._seen(camera, frame.message, frame.number, frame.stamp_s)
            self._beside.look(seen, frame.message.data, None, keyframe=True)
        keyframe = Keyframe(
            header=frame.message.header,
            camera=camera,
            number=self._numbers[camera],
            started=self._node.get_clock().now().to_msg(),
            finished=None,
            asked=frozenset(self.asking.questions(camera)),
        )
        job = self._job(config, frame, keyframe)
        try:
            result = detect(job, frame.message.data, partial(self._publish_preliminary, frame, keyframe))
        except errors.VlsamError as error:
            result = Result(failure=(error.status, plain(f"{type(error).__name__}: {error}"), ""))
        if result.unchanged:
            self.mailbox.give_back(frame)
            return None
        self._numbers[camera] += 1
        if result.failure:
            return self._fail(frame, keyframe, result, began_s)
        assert result.found is not None
        found = result.found
        if config.tracks.enabled:
            found = self._beside.found(self._index[camera], frame.number, found)
        try:
            message, keyframe, found = self._publish(frame, keyframe, found)
        except Exception as error:
            text, trace = plain(f"{type(error).__name__}: {error}"), plain_lines(traceback.format_exc())
            failure = (errors.VlsamError.status, text, trace)
            return self._fail(frame, keyframe, replace(result, failure=failure), began_s)
        self._warn_of_unfamiliar(camera, found)
        self._told(frame, keyframe, found, perf_counter() - began_s)
        return message

    def _warn_of_unfamiliar(self, camera: str, found: Detections) -> None:
        """The log says when a camera's frames begin to be unfamiliar, and when they end to be."""
        if found.novelty is None or bool(found.unfamiliar) == (camera in self._unfamiliar):
            return
        self._unfamiliar ^= {camera}
        if found.unfamiliar:
            self.log(logging.WARNING, f"{camera}: unfamiliar: {found.unfamiliar}")
        else:
            self.log(logging.INFO, f"{camera}: familiar again (novelty {found.novelty:.1f}, limit 1)")

    def _job(self, config: Config, frame: Frame, keyframe: Keyframe) -> Job:
        options = config.node
        mount = self._mount(frame.camera, frame.message.header)
        by_change = options.keyframes == "change" and not frame.demanded and frame.gap_s < options.max_gap_s
        return Job(
            camera=frame.camera,
            picture=Picture.of(frame.message),
            config=config,
            horizon=self._horizons[frame.camera].share(mount) if options.camera_info else None,
            extra=tuple(sorted(keyframe.asked)),
            preliminary=options.publish_partial,
            change=options.change if by_change else None,
        )

    def _fail(self, frame: Frame, keyframe: Keyframe, result: Result, began_s: float) -> DetectedInstanceArray:
        """No detections, but the models' names, the status, and what went wrong; the log has it, too."""
        assert result.failure is not None
        status, text, trace = result.failure
        self.log(logging.ERROR, trace and f"{frame.camera}: {trace}" or f"{frame.camera}: {text}")
        found = replace(self.worker.models, size_hw=result.size_hw)
        message, keyframe, found = self._publish(frame, replace(keyframe, status=status, status_text=text), found)
        self._told(frame, keyframe, found, perf_counter() - began_s)
        return message

    def _publish_preliminary(self, frame: Frame, keyframe: Keyframe, found: Detections) -> None:
        try:
            self._publish(frame, replace(keyframe, preliminary=True), found)
        except Exception:
            self.log(logging.ERROR, f"{frame.camera}: no preliminary result: {traceback.format_exc()}")

    def _publish(
        self, frame: Frame, keyframe: Keyframe, found: Detections
    ) -> tuple[DetectedInstanceArray, Keyframe, Detections]:
        """The message, which is sent if the node is active, and what is in it."""
        finished = self._node.get_clock().now()
        age_s, unknown = age(frame.message.header.stamp, finished)
        text = keyframe.status_text or "; ".join(filter(None, (found.unfamiliar, *found.problems)))
        status = errors.PARTIAL if keyframe.preliminary or found.skipped or found.problems else errors.OK
        status = errors.UNFAMILIAR if found.unfamiliar else status
        keyframe = replace(
            keyframe,
            finished=finished.to_msg(),
            age_s=age_s,
            status=keyframe.status or status,
            status_text="; ".join(part for part in (unknown, text) if part),  # where no long text cuts it off
        )
        found = self._placed(frame.camera, keyframe.header, found)
        return self.outputs.publish(keyframe, found, send=self.active), keyframe, found

    def _placed(self, camera: str, header: Any, found: Detections) -> Detections:
        """The same with where everything stands."""
        optics, mount = self._horizons[camera].optics, self._mount(camera, header)
        if optics and min(found.size_hw) > 0 and not optics.fits(found.size_hw):
            (h, w), (height, width) = found.size_hw, optics.size_hw
            text = f"images of {w} x {h} and a CameraInfo of {width} x {height} differ in shape"
            self.log(logging.WARNING, f"{camera}: no bearings and no distances: {text}")

        def placed(items: Sequence[Detection]) -> tuple[Detection, ...]:
            where = places([item.mask for item in items], found.size_hw, optics, mount)
            return tuple(replace(item, place=place) for item, place in zip(items, where, strict=True))

        return replace(found, items=placed(found.items), dropped=placed(found.dropped))

    def _mount(self, camera: str, header: Any) -> Mount:
        return self._mounts.of(self._index[camera], header.frame_id)

    def _told(self, frame: Frame, keyframe: Keyframe, found: Detections, latency_s: float) -> None:
        """A keyframe was published: who else is to know, or to see."""
        camera, message = frame.camera, frame.message
        self._health.cameras[camera].keyframe(keyframe, latency_s, found)
        if not self.active:
            return
        try:
            self.outputs.publish_others(keyframe, found)
        except Exception:  # another package's messages may be of another version: the keyframe is out already
            self.log(logging.ERROR, f"{camera}: can't be published in other forms: {traceback.format_exc()}")
        if wanted := self.outputs.wanted(camera):
            problem = plain(keyframe.status_text) if errors.failed(keyframe.status) else ""
            caption = Caption(camera=camera, latency_s=latency_s, age_s=keyframe.age_s, problem=problem)
            done = partial(self.outputs.publish_pictures, camera, message.header)
            self._beside.draw(self._index[camera], wanted, Picture.of(message), message.data, (found, caption), done)

    # --- in the thread beside

    def _publish_tracks(self, camera: str, header: Any, found: Detections) -> None:
        now = self._node.get_clock().now()
        age_s, unknown = age(header.stamp, now)
        beat = self._health.cameras[camera].beat()
        text = "; ".join(part for part in (unknown, beat.text) if part)
        names = without_instances(self.worker.models)
        found = self._placed(camera, header, replace(names, size_hw=found.size_hw, items=found.items))
        stamp = now.to_msg()
        number = max(self._numbers[camera] - 1, 0)
        self.outputs.publish_tracks(Keyframe(header, camera, number, stamp, stamp, age_s, beat.status, text), found)

    # --- replies and the end

    def _reply(self, demands: Sequence[Demand], message: DetectedInstanceArray | None, why: str) -> None:
        with self._replying:
            replies = [reply for demand in demands if (reply := self._replies.pop(demand, None))]
        for reply in replies:
            reply(message, why)

    def _refuse(self, why: str) -> None:
        with self._replying:
            demands = tuple(self._replies)
        for demand in demands:
            self.cancel(demand, why)

    def _collect(self, spin: Callable[[], None]) -> None:
        """Take in what the middleware still holds, until nothing came for a while."""
        start = since = monotonic()
        count = 0
        while monotonic() - since < QUIET_S and monotonic() - start < COLLECT_S:
            spin()
            received = sum(counts.received for counts in self.mailbox.counts().values())
            if received != count:
                since, count = monotonic(), received
        waiting = self.mailbox.waiting()
        self._node.get_logger().info(f"finishing {waiting} queued frames; stop once more to leave them")
