"""Frames lost before the callback: by numbers, by stamps, and on real rclpy."""

from __future__ import annotations

import random
import time
from itertools import accumulate

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from vlsam_ros.config import NodeOptions
from vlsam_ros.ros.cameras import cameras
from vlsam_ros.ros.gaps import PERIODS, Gaps
from vlsam_ros.ros.qos import ImageSubscription, promised

NUMBERS = {
    "none": ([], []),
    "one": ([7], [0]),
    "all": ([1, 2, 3], [0, 0, 0]),
    "two missing": ([1, 4, 5], [0, 2, 0]),
    "begins again": ([8, 9, 1, 2], [0, 0, 0, 0]),
}


@pytest.mark.parametrize(("numbers", "lost"), NUMBERS.values(), ids=NUMBERS)
def test_by_the_publishers_numbers(numbers: list[int], lost: list[int]) -> None:
    gaps = Gaps()
    assert [gaps.lost(number, 0.0) for number in numbers] == lost


def test_another_publishers_numbers_are_no_gap() -> None:
    gaps = Gaps()
    gaps.lost(3, 0.0)
    gaps.forget()
    assert gaps.lost(500, 0.0) == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_by_regular_stamps(share: float, jitter: float) -> None:
    rng, gaps = random.Random(3), Gaps()
    told, missing = 0, 0
    for n in range(2000):
        if n and rng.random() < share:
            missing += 1
            continue
        lost = gaps.lost(None, 1e9 + (n + rng.uniform(-jitter, jitter)) / 20)
        if lost is None:
            missing = 0
        else:
            told += lost - missing
            missing = 0
    assert abs(told) <= 5, "of up to 1000"


IRREGULAR = {
    "no stamps": [0.0] * 100,
    "one stamp for all": [5.0] * 100,
    "backwards": [1000.0 - n for n in range(100)],
    "too few": [100.0 + n for n in range(PERIODS)],
    "at any time": [*accumulate(map(random.Random(1).expovariate, [1.0] * 100), initial=100.0)],
    "sources 5 s apart": [100 + n / 10 - 5 * (n % 2) for n in range(100)],
}


@pytest.mark.parametrize("stamps", IRREGULAR.values(), ids=IRREGULAR)
def test_nothing_is_told_by_irregular_stamps(stamps: list[float]) -> None:
    gaps = Gaps()
    told = [gaps.lost(None, stamp) for stamp in stamps]
    assert told.count(None) >= 0.9 * len(told)


def test_what_planners_are_promised() -> None:
    plain = promised(NodeOptions())
    assert (plain.depth, plain.reliability, plain.durability) == (
        10,
        ReliabilityPolicy.RELIABLE,
        DurabilityPolicy.VOLATILE,
    )
    assert plain.deadline.nanoseconds == 0 and plain.liveliness == LivelinessPolicy.SYSTEM_DEFAULT
    options = NodeOptions(deadline_s=1.5, liveliness_s=0.5)
    offered = promised(options)
    assert offered.deadline.nanoseconds == 1_500_000_000
    assert offered.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
    assert offered.liveliness_lease_duration.nanoseconds == 500_000_000
    assert promised(options, deadline=False).deadline.nanoseconds == 0


@pytest.fixture
def node():
    rclpy.init()
    node = rclpy.create_node("test_losses")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_losses_of_one_publisher_are_known_and_of_two_are_not(node) -> None:
    got: list[tuple[int, int | None]] = []
    (camera,) = cameras(["/losses/image/compressed"])
    subscription = ImageSubscription(
        node, camera, lambda message, lost: got.append((message.header.stamp.sec, lost)), NodeOptions()
    )
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def until(true) -> None:
        end = time.monotonic() + 10
        while not true() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        assert true()

    quality = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(CompressedImage, camera.topic, quality)
    until(lambda: node.count_publishers(camera.topic) == 1)
    subscription.refresh()
    until(publisher.get_subscription_count)

    def send(number: int) -> None:
        message = CompressedImage()
        message.header.stamp.sec = number
        publisher.publish(message)

    def receive(number: int) -> int | None:
        until(lambda: got and got[-1][0] == number)
        return got[-1][1]

    send(1)
    assert receive(1) == 0
    for number in (2, 3, 4, 5):  # depth 1, and nobody spins: the last of them is left
        send(number)
    time.sleep(0.2)
    assert receive(5) == 3
    send(6)
    assert receive(6) == 0
    other = node.create_publisher(CompressedImage, camera.topic, quality)
    until(lambda: node.count_publishers(camera.topic) == 2)
    subscription.refresh()
    send(7)
    assert receive(7) is None
    node.destroy_publisher(other)
    until(lambda: node.count_publishers(camera.topic) == 1)
    subscription.refresh()
    send(8)
    assert receive(8) == 0
    subscription.close()
    until(lambda: publisher.get_subscription_count() == 0)
