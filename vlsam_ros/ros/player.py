"""Play a recording over ROS 2, as `ros2 bag play` does, on machines that have no rosbag2.

    python -m vlsam_ros.ros.player BAG [--rate R] [--topics T ...] [--loop] [--clock [HZ]] [--reliable]
                                       [--wait-for-subscribers N] [--start-paused]

Messages go out as the bytes that were recorded, with the QoS that was recorded (reliable where none was), at the
recorded pace times the rate; when behind, none is left out. Exit codes: 0 played to the end or stopped on demand, 1 the
recording is damaged or has nothing to play, nobody subscribed, or a subscriber did not get the last messages, 2 wrong
arguments.
"""

from __future__ import annotations

import argparse
import math
import select
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from ament_index_python.resources import has_resource
from rclpy.duration import Duration
from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSCompatibility, ReliabilityPolicy, qos_check_compatible

from vlsam_ros.bags.reader import Record, Topic, read, topics
from vlsam_ros.bags.record import CDR
from vlsam_ros.errors import BagError, ConfigError
from vlsam_ros.output.text import plain
from vlsam_ros.ros.convert import message_class
from vlsam_ros.ros.replay import CLOCK_TOPIC, ReplayClock, offered_qos
from vlsam_ros.ros.signals import stop_events
from vlsam_ros.ros.start import own_arguments, started

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
SETTLE_S = 0.5
"""Subscribers must have stayed this long: a subscription may be made anew as soon as it sees the publisher's QoS."""
SILENCE_S = 3.0
"""Say what the recording has if nobody subscribed for this long, with other nodes around."""
ROUND_S = 0.1
"""The least time that a round of a loop takes, for recordings of one message."""


class Stopped(Exception):
    """SIGINT or SIGTERM came."""


class Player:
    """Publishes records on a node's topics."""

    def __init__(
        self, node: Node, recorded: dict[str, Topic], stop: threading.Event, clock_hz: float = 0, reliable: bool = False
    ) -> None:
        """`recorded` topics that can't be published are left out with a warning; `clock_hz` 0: no /clock.

        Raises:
            BagError: none of them can.
        """
        self._node, self._stop, self._recorded = node, stop, recorded
        self._clock = ReplayClock(node, clock_hz)
        self._publishers: dict[str, Publisher] = {}
        for name, topic in recorded.items():
            try:
                self._publishers[name] = node.create_publisher(_class(topic), name, offered_qos(topic.qos, reliable))
            except (ValueError, RuntimeError, NameValidationException) as error:  # RCLError is a RuntimeError
                self._warn(f"{name}: {str(error).splitlines()[0]}, left out")
                continue
            if topic.qos_problem:
                self._warn(
                    f"{name}: not all of its recorded QoS can be read, the default stands in: {topic.qos_problem}"
                )
        self._images = {n: p for n, p in self._publishers.items() if recorded[n].type_name in IMAGES}
        if not self._publishers:
            raise BagError("nothing to play: none of the recording's topics can be published")

    def playable(self, records: Iterable[Record]) -> Iterator[Record]:
        """Those of the published topics; a topic has one type."""
        for record in records:
            if record.topic in self._publishers and record.type_name == self._recorded[record.topic].type_name:
                yield record

    def prepare(self, stamp_ns: int) -> None:
        """Let the recording's time stand at its first message."""
        self._clock.stand(stamp_ns)

    def wait_for_subscribers(self, count: int, timeout_s: float) -> None:
        """Until `count` subscriptions match the image topics (all topics if there are none).

        Raises:
            BagError: too few after the timeout.
        """
        publishers = self._images or self._publishers
        start = since = time.monotonic()
        said = "" if self._images else f"the recording has no topic with images; {self._has()}"
        if said:
            self._warn(said)
        while time.monotonic() - since < SETTLE_S:
            found = sum(p.get_subscription_count() for p in publishers.values())
            if found < count:
                since = time.monotonic()
            if not found and not said and (said := self._silence(time.monotonic() - start)):
                self._warn(said)
            if since - start > timeout_s:
                raise BagError(f"{found} of {count} subscribers after {timeout_s:g} s; {self._has()}")
            self.sleep(0.05)

    def _silence(self, seconds: float) -> str:
        """Why nobody subscribed: another QoS, other topics, or after a while any reason; empty: too early to say."""
        for name, publisher in self._images.items():
            for asked in self._node.get_subscriptions_info_by_topic(name):
                agreed, reason = qos_check_compatible(publisher.qos_profile, asked.qos_profile)
                if agreed == QoSCompatibility.ERROR:
                    return f"{name}: a subscriber asks for another QoS than was recorded ({reason}); try --reliable"
        heard = {n for n, types in self._node.get_topic_names_and_types() if {*types} & {*IMAGES}} - {*self._publishers}
        if others := sorted(name for name in heard if self._node.count_subscribers(name)):
            return f"images are expected on {', '.join(others)}; {self._has()}"
        around = [n for n in self._node.get_node_names() if n != self._node.get_name() and not n.startswith("_")]
        late = around and seconds > SILENCE_S
        return f"no subscriber yet, though {', '.join(around)} are there; {self._has()}" if late else ""

    def _has(self) -> str:
        return f"the recording has {', '.join(f'{name} ({t.type_name})' for name, t in self._recorded.items())}"

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(plain(text))

    def play(self, records: Iterable[Record], rate: float) -> int:
        """Publish at the recorded pace times `rate`; returns how many."""
        count = 0
        for record in records:
            if not count:
                self.prepare(record.stamp_ns)
                self._clock.start(rate)
            self.sleep(self._clock.left_s(record.stamp_ns))
            self._publishers[record.topic].publish(record.data)
            count += 1
        return count

    def wait_for_delivery(self) -> None:
        """Until the subscribers have everything, or 10 s: what they haven't would go with the player.

        Raises:
            BagError: they haven't.
        """
        deadline, late = time.monotonic() + 10.0, []
        for topic, publisher in self._publishers.items():
            if not publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic()))):
                late.append(topic)
        if any(p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in self._publishers.values()):
            self.sleep(SETTLE_S)  # nobody says when those have arrived
        if late:
            raise BagError(f"{', '.join(late)}: a subscriber did not get the last messages within 10 s")

    def sleep(self, seconds: float) -> None:
        """Wait; the recording's time goes on.

        Raises:
            Stopped: on demand.
        """
        end = time.monotonic() + seconds
        while True:
            self._clock.tick()
            left = end - time.monotonic()
            if self._stop.wait(max(0.0, min(left, self._clock.period_s))):
                raise Stopped
            if left <= self._clock.period_s:
                return


def _class(topic: Topic) -> type:
    """The class of a topic's messages; raises ValueError if there is none. Only packages of messages are imported."""
    package, _, name = topic.type_name.partition("/")
    if topic.encoding != CDR:
        raise ValueError(f"{topic.type_name!r} in {topic.encoding!r} is no ROS 2 message")
    try:
        if name.startswith("msg/") and has_resource("rosidl_interfaces", package):
            return message_class(topic.type_name)
    except (ImportError, AttributeError):
        pass
    raise ValueError(f"message type {topic.type_name!r} is not installed")


def _arguments(args: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bag_player", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("bag", help="a recording's folder, or one .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="times the recorded pace")
    parser.add_argument("--topics", nargs="+", default=[], help="only these")
    parser.add_argument("--loop", action="store_true", help="again from the start, until stopped")
    parser.add_argument(
        "--clock", type=float, nargs="?", const=100.0, default=0.0, metavar="HZ",
        help="publish the recording's time on /clock for nodes with use_sim_time, 100 times a second or HZ",
    )  # fmt: skip
    parser.add_argument("--reliable", action="store_true", help="offer all topics reliable, whatever was recorded")
    parser.add_argument("--wait-for-subscribers", type=int, default=0, metavar="N", help="before the first message")
    parser.add_argument("--timeout", type=float, default=600.0, help="longest wait for subscribers, in seconds")
    parser.add_argument("--start-paused", action="store_true", help="wait for the Enter key before the first message")
    result = parser.parse_args(args)
    if not 0 < result.rate < math.inf:
        parser.error(f"--rate must be above 0 and finite, got {result.rate}")
    if not 0 <= result.clock <= 1000:
        parser.error(f"--clock must be within 0 and 1000, got {result.clock}")
    if result.wait_for_subscribers < 0:
        parser.error(f"--wait-for-subscribers must be 0 or more, got {result.wait_for_subscribers}")
    if not result.timeout >= 0:
        parser.error(f"--timeout must be 0 or more, got {result.timeout}")
    return result


def _run(player: Player, options: argparse.Namespace, logger: Any) -> None:
    records = player.playable(read(options.bag, options.topics))
    first = next(records, None)
    if first is None:
        raise BagError(f"{options.bag}: nothing to play: no messages on these topics")
    player.prepare(first.stamp_ns)
    if options.start_paused:
        logger.info("paused; press Enter to start")
        while sys.stdin and not select.select([sys.stdin], [], [], 0)[0]:
            player.sleep(0.05)
    if options.wait_for_subscribers:
        logger.info(f"waiting for {options.wait_for_subscribers} subscribers")
        player.wait_for_subscribers(options.wait_for_subscribers, options.timeout)
    logger.info(plain(f"playing {options.bag} at {options.rate:g} times its pace"))
    records = chain([first], records)
    try:
        while True:
            start = time.monotonic()
            logger.info(f"played {player.play(records, options.rate)} messages")
            if not options.loop:
                break
            player.sleep(start + ROUND_S - time.monotonic())
            records = player.playable(read(options.bag, options.topics))
    except BagError:  # damage; what could be read was played
        player.wait_for_delivery()
        raise
    player.wait_for_delivery()


def _topics(options: argparse.Namespace, logger: Any) -> dict[str, Topic]:
    """What of the recording is played."""
    recorded = topics(options.bag)
    found = {name: topic for name, topic in recorded.items() if not options.topics or name in options.topics}
    if options.clock:
        found.pop(CLOCK_TOPIC, None)  # ours takes its place
    its = f"its topics are {', '.join(recorded) or 'none'}"
    if not found:
        raise BagError(f"{options.bag}: nothing to play: {its}")
    if unknown := [name for name in options.topics if name not in recorded]:
        logger.warning(plain(f"the recording has no {', '.join(unknown)}; {its}"))
    return found


def main(args: Sequence[str] | None = None) -> int:
    """The command line; `args` without the program's name. ROS arguments may stand behind it."""
    argv = list(sys.argv[1:] if args is None else args)
    try:
        options = _arguments(own_arguments(argv))
        stop, _ = stop_events()
        with started(lambda: Node("bag_player"), argv) as node:
            return _played(node, options, stop)
    except ConfigError as error:
        print(f"bag_player: {plain(error)}", file=sys.stderr)
        return 2


def _played(node: Node, options: argparse.Namespace, stop: threading.Event) -> int:
    """The exit code."""
    logger = node.get_logger()
    try:
        _run(Player(node, _topics(options, logger), stop, options.clock, options.reliable), options, logger)
    except Stopped:
        logger.info("stopped")
    except BagError as error:
        logger.error(plain(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
