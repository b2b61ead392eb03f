"""Play a recording over ROS 2, as `ros2 bag play` does, on machines that have no rosbag2.

    python -m vlsam_ros.ros.player BAG [--rate R] [--topics T ...] [--loop] [--wait-for-subscribers N] [--start-paused]

Messages go out as the bytes that were recorded, reliable, at the recorded pace times the rate; when behind, none is
left out. Exit codes: 0 played to the end or stopped on demand, 1 the recording is damaged or nobody subscribed.
"""

from __future__ import annotations

import argparse
import select
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from vlsam_ros.bags.reader import Record, read, topic_types
from vlsam_ros.errors import BagError
from vlsam_ros.ros.convert import message_class
from vlsam_ros.ros.signals import stop_events

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
SETTLE_S = 0.5
"""Subscribers must have stayed this long: a subscription may be made anew as soon as it sees the publisher's QoS."""


class Stopped(Exception):
    """SIGINT or SIGTERM came."""


class Player:
    """Publishes records on a node's topics."""

    def __init__(self, node: Node, types: dict[str, str], stop: threading.Event) -> None:
        """`types` is topic -> type; topics of a type that isn't installed are left out with a warning."""
        self._node, self._stop = node, stop
        quality = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE)
        self._publishers: dict[str, Publisher] = {}
        self._images: list[Publisher] = []
        for topic, name in types.items():
            try:
                kind = message_class(name)
            except (ModuleNotFoundError, AttributeError):
                node.get_logger().warning(f"{topic}: message type {name!r} is not installed, left out")
                continue
            self._publishers[topic] = node.create_publisher(kind, topic, quality)
            if name in IMAGES:
                self._images.append(self._publishers[topic])

    def wait_for_subscribers(self, count: int, timeout_s: float) -> None:
        """Until `count` subscriptions match the image topics (all topics if there are none).

        Raises:
            BagError: too few after the timeout.
        """
        publishers = self._images or list(self._publishers.values())
        start = since = time.monotonic()
        while time.monotonic() - since < SETTLE_S:
            found = sum(p.get_subscription_count() for p in publishers)
            if found < count:
                since = time.monotonic()
            if since - start > timeout_s:
                raise BagError(f"{found} of {count} subscribers after {timeout_s:g} s")
            self._sleep(0.05)

    def play(self, records: Iterable[Record], rate: float) -> int:
        """Publish at the recorded pace times `rate`; returns how many."""
        first_ns, start, count = None, 0.0, 0
        for record in records:
            if record.topic not in self._publishers:
                continue
            if first_ns is None:
                first_ns, start = record.stamp_ns, time.monotonic()
            self._sleep(start + (record.stamp_ns - first_ns) * 1e-9 / rate - time.monotonic())
            self._publishers[record.topic].publish(record.data)
            count += 1
        return count

    def wait_for_delivery(self) -> None:
        """Until the subscribers have everything, or 10 s: what they haven't would go with the player."""
        deadline = time.monotonic() + 10.0
        for topic, publisher in self._publishers.items():
            if not publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic()))):
                self._node.get_logger().warning(f"{topic}: a subscriber did not fetch the last messages")

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped


def _arguments(args: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bag_player", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("bag", help="a recording's folder, or one .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="times the recorded pace")
    parser.add_argument("--topics", nargs="+", default=[], help="only these")
    parser.add_argument("--loop", action="store_true", help="again from the start, until stopped")
    parser.add_argument("--wait-for-subscribers", type=int, default=0, metavar="N", help="before the first message")
    parser.add_argument("--timeout", type=float, default=600.0, help="longest wait for subscribers, in seconds")
    parser.add_argument("--start-paused", action="store_true", help="wait for the Enter key before the first message")
    result = parser.parse_args(args)
    if not result.rate > 0:
        parser.error(f"--rate must be above 0, got {result.rate}")
    return result


def _rounds(options: argparse.Namespace) -> Iterator[Iterator[Record]]:
    yield read(options.bag, options.topics)
    while options.loop:
        yield read(options.bag, options.topics)


def _run(player: Player, options: argparse.Namespace, logger: Any) -> None:
    if options.start_paused:
        logger.info("paused; press Enter to start")
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            player._sleep(0.0)
    if options.wait_for_subscribers:
        logger.info(f"waiting for {options.wait_for_subscribers} subscribers")
        player.wait_for_subscribers(options.wait_for_subscribers, options.timeout)
    logger.info(f"playing {options.bag} at {options.rate:g} times its pace")
    for records in _rounds(options):
        logger.info(f"played {player.play(records, options.rate)} messages")
    player.wait_for_delivery()


def main(args: Sequence[str] | None = None) -> int:
    """The command line; `args` without the program's name. ROS arguments may stand behind it."""
    argv = list(sys.argv[1:] if args is None else args)
    options = _arguments(remove_ros_args(argv))
    stop, _ = stop_events()
    rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("bag_player")
    try:
        types = {t: n for t, n in topic_types(options.bag).items() if not options.topics or t in options.topics}
        if not types:
            raise BagError(f"{options.bag}: none of the topics {options.topics or ''} in it")
        _run(Player(node, types, stop), options, node.get_logger())
    except Stopped:
        node.get_logger().info("stopped")
    except BagError as error:
        node.get_logger().error(str(error))
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
