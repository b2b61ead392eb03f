"""The detector node: cameras in, one DetectedInstanceArray per keyframe out.

This process has callbacks only: they store messages in the mailbox, and answer services. The models are in a process of
their own, tracks and pictures in another (`serving/`); a thread here waits for each (`worker.py`, `beside.py`). The
executor has a single thread and stays free, so parameters, services, diagnostics and signals are served whatever the
models do.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import Any

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_srvs.srv import SetBool

from vlsam_ros import errors
from vlsam_ros.config import Config
from vlsam_ros.options import NODE
from vlsam_ros.output.text import plain, plain_lines
from vlsam_ros.ros import parameters
from vlsam_ros.ros.cameras import Camera, cameras
from vlsam_ros.ros.diagnostics import STEADY, Diagnostics, Heartbeat
from vlsam_ros.ros.health import Health
from vlsam_ros.ros.session import Session
from vlsam_ros.ros.signals import stop_events
from vlsam_ros.serving.models import PIPELINE
from vlsam_ros.srv import Ask, Detect

DEMONSTRATION = "The embedded demonstration models know a rendered world only: never use them on a real road."
AWAITED_S = 0.002
"""How long the executor rests between two looks at a service call that waits: rclpy asks without end otherwise."""
LONGEST_PAUSE_S = 60.0
"""Between two tries to start by itself."""

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
OnTransition = Callable[["DetectorNode", LifecycleState], TransitionCallbackReturn]


def _told(callback: OnTransition) -> OnTransition:
    """The same, and an error is told: rclpy turns to `on_error` and says nothing."""

    @wraps(callback)
    def told(node: DetectorNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except Exception as error:
            node.get_logger().error(plain_lines(traceback.format_exc()))
            node.health.models.failed(f"{type(error).__name__}: {error}")
            raise

    return told


class DetectorNode(LifecycleNodeMixin, Node):
    """A managed node; topics, services and options are described in docs/parameters.md and README.md."""

    def __init__(self, load: str = PIPELINE) -> None:
        """`load` makes the pipeline from the options, in the models' process: a ``module:function``.

        Raises:
            ConfigError: a parameter is wrong.
        """
        Node.__init__(self, NODE)
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self._load = load
        self.config = parameters.declare(self)
        self.session: Session | None = None
        self.refused: errors.ConfigError | None = None
        self.waiting = 0
        self.health = Health(self._cameras(self.config), self.config.node, memory=self._memory)
        self._diagnostics = Diagnostics(self, self.health, self._counts)
        self._heartbeat = Heartbeat(self, self.health)
        self._autostart, self._retry_s, self._pause_s = self.config.node.autostart, 0.0, 1.0
        parameters.follow(self, self.config, self._why_fixed, self._apply)
        group = ReentrantCallbackGroup()  # while one waits, others are served
        self.create_service(Detect, "~/detect", self._detect, callback_group=group)
        self.create_service(Ask, "~/ask", self._ask)
        self.create_service(SetBool, "~/enable", self._enable)
        self._transition = self._service_change_state.callback
        self._service_change_state.callback = self._change_state  # type: ignore[assignment]  # coroutines may be, too
        if self._autostart:
            self.begin()
        self.create_timer(0.1, self._go_on, clock=STEADY)

    @property
    def state(self) -> str:
        """``unconfigured``, ``inactive``, ``active`` or ``finalized``, or the name of a transition."""
        return self._state_machine.current_state[1]

    # --- the life cycle

    def begin(self) -> Session:
        """Begin to load the models, if that has not begun.

        Raises:
            ConfigError: an option is wrong.
        """
        if self.session is None:
            seen = self._cameras(self.config)
            self.health.watch(seen)
            self.health.enabled = True
            self.session = Session(self, self.config, seen, self._load, self.health)
            models = self.session.worker.models
            others = (models.grounder, "grounder"), (models.segmenter, "segmenter")
            if models.demonstration:
                self.get_logger().warning(DEMONSTRATION)
            self.get_logger().info(
                plain(f"loading {models.vlm} (VLM)" + "".join(f", {n} ({what})" for n, what in others if n))
            )
            self._heartbeat.close()  # its rate and QoS are options
            self._heartbeat = Heartbeat(
                self, self.health, [self.session.outputs.detections, self.session.outputs.tracks]
            )
        return self.session

    @_told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The models are loaded by now, or can't be: who calls this has waited."""
        session = self.begin()
        session.worker.settled.wait()
        if session.worker.failure is None:
            self.get_logger().info("the models are loaded")
            return SUCCESS
        self.get_logger().error(plain(f"can't be configured: {session.worker.failure}"))
        self._end()
        return FAILURE

    @_told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Images are subscribed to: a subscriber is a ready detector."""
        assert self.session is not None
        self.session.activate()
        self.get_logger().info("ready")
        return SUCCESS

    @_told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """No more images; the models stay."""
        assert self.session is not None
        self.session.deactivate()
        return SUCCESS

    @_told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The models go."""
        self._end()
        self.health.models.unconfigured()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """All goes; only the process stays."""
        self._autostart = False
        return self.on_cleanup(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to where nothing is loaded; diagnostics go on to say why."""
        self._end()
        return SUCCESS

    def _end(self) -> None:
        if self.session is not None:
            session, self.session = self.session, None
            self._heartbeat.others = ()  # they go
            session.close()

    async def _change_state(self, request: Any, response: Any) -> Any:
        """`ros2 lifecycle set`; to configure takes as long as the models load, and others are served meanwhile."""
        self._autostart = False
        if self._possible(request.transition) == "configure":
            try:
                session = self.begin()
            except errors.ConfigError as error:
                self.get_logger().error(plain(f"can't be configured: {error}"))
                response.success = False
                return response
            await self._until(session.worker.settled.is_set)
            if self.session is not session:  # it failed, as another request was told: this one does not try again
                response.success = False
                return response
        if self._possible(request.transition):  # for rclpy, the number of another one is the end
            return self._transition(request, response)
        asked = request.transition.label or request.transition.id
        self.get_logger().warning(plain(f"{self.state}: no transition {asked!r} from here"))
        response.success = False
        return response

    def _possible(self, asked: Any) -> str:
        """A transition's label, if the node's state has it; it may be asked for by its number alone."""
        labels = {number: label for number, label, *_ in self._state_machine.available_transitions}
        label = asked.label or labels.get(asked.id, "")
        return label if label in labels.values() else ""

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Let others be served until something is so."""
        done: Future = Future(executor=self.executor)
        timer = self.create_timer(0.02, lambda: condition() and not done.done() and done.set_result(None), clock=STEADY)
        self.waiting += 1
        try:
            await done
        finally:
            self.waiting -= 1
            self.destroy_timer(timer)

    def _go_on(self) -> None:
        """What is to be done by the way: start by itself, and follow the cameras' publishers."""
        if self.state == "active" and self.session is not None:
            self.session.refresh()
        if not self._autostart or monotonic() < self._retry_s:
            return
        session = self.begin()
        if not session.worker.settled.is_set():
            return
        failure = session.worker.failure
        if isinstance(failure, errors.ConfigError):
            self.refused, self._autostart = failure, False
        elif self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS:
            self._autostart = False
        else:
            self.get_logger().error(f"tried again in {self._pause_s:g} s")
            self._retry_s = monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    # --- parameters

    def _why_fixed(self) -> str:
        return "" if self.session is None else "can only change while the node is unconfigured (ros2 lifecycle)"

    def _apply(self, config: Config) -> None:
        """Other options, which are right by themselves."""
        self.config = config
        if self.session is not None:
            self.session.apply(config)

    def _cameras(self, config: Config) -> tuple[Camera, ...]:
        """The cameras, each with its topic's whole name, after remaps.

        Raises:
            ConfigError: a topic's name is none, or is another's.
        """
        options = config.node
        return cameras([self._resolved(topic) for topic in options.image_topics], options.transport)

    def _resolved(self, topic: str) -> str:
        try:
            return self.resolve_topic_name(topic)
        except RuntimeError as error:  # such as an unknown substitution
            raise errors.ConfigError(f"node.image_topics: {topic!r}: {error}") from error

    # --- services

    async def _detect(self, request: Any, response: Any) -> Any:
        session, camera = self.session, request.camera or next(iter(self.health.cameras))
        if session is None or not session.active:
            response.message = f"the detector is {self.state}, not active"
            return response
        if camera not in self.health.cameras:
            response.message = plain(f"no camera {camera!r}; there are {', '.join(self.health.cameras)}")
            return response
        wait_s = request.wait_s if request.wait_s > 0 else self.config.node.silent_s
        answers: list[Any] = []
        demand = session.demand(camera, lambda message, why: answers.append((message, why)))
        late_s = monotonic() + wait_s

        def answered() -> bool:
            if not answers and monotonic() > late_s:
                session.cancel(demand, f"no frame of {camera} within {wait_s:g} s")
            return bool(answers)

        await self._until(answered)
        message, why = answers[0]
        response.success, response.message = message is not None, plain(why)
        if message is not None:
            response.result = message
        return response

    def _ask(self, request: Any, response: Any) -> Any:
        session = self.session
        if session is None:
            response.message = f"the detector is {self.state}: nothing can be asked"
            return response
        try:
            if request.camera and request.camera not in self.health.cameras:
                raise ValueError(f"no camera {request.camera!r}; there are {', '.join(self.health.cameras)}")
            named = [self.config.questions.of_name.replace("{name}", name) for name in request.names if name.strip()]
            if len(named) < len(request.names):
                raise ValueError("expected names, got an empty one")
            session.asking.ask([*request.questions, *named], request.camera, request.lifetime_s, request.clear)
            response.success = True
        except ValueError as error:
            response.message = plain(error)
        response.asked = list(session.asking.questions())
        return response

    def _enable(self, request: Any, response: Any) -> Any:
        if self.session is None:
            response.message = f"the detector is {self.state}: nothing to enable"
            return response
        self.session.mailbox.enabled = self.health.enabled = request.data
        response.success, response.message = True, "enabled" if request.data else "paused"
        return response

    # --- for diagnostics

    def _memory(self) -> dict[str, float]:
        return self.session.memory() if self.session is not None else {}

    def _counts(self) -> dict[str, Any]:
        return self.session.mailbox.counts() if self.session is not None else {}


def main(args: list[str] | None = None, load: str = PIPELINE) -> int:
    """Run until SIGINT or SIGTERM. 0: stopped on demand; 1: the models can't be loaded; 2: wrong parameters."""
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
        return 2
    finally:
        rclpy.try_shutdown()


def _run(node: DetectorNode, stop: threading.Event, hurry: threading.Event) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        executor.spin_once(timeout_sec=0.1)
        if node.waiting:
            stop.wait(AWAITED_S)

    while not stop.is_set() and node.refused is None:
        spin()
    session, failed = node.session, node.health.models.has_failed
    if session is not None:
        session.finish(hurry, spin)
        session.close()
    if node.refused is not None:
        raise node.refused
    node.get_logger().info("stopped")
    node.destroy_node()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
