"""The bag player as a process of its own, over real DDS: QoS, latched topics, /clock, loops, and what it says."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import numpy as np
import rclpy
from mcap.writer import Writer
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from recordings import STRING, mcap, qos, records, rosbag, string
from rosbags.interfaces import QosDurability, QosHistory, QosReliability
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from vlsam_ros.bags.reader import Record
from vlsam_ros.bags.types import make, store
from vlsam_ros.ros.player import main
from vlsam_ros.ros.replay import DEPTH, offered_qos

DOMAIN = random.randint(1, 100)
PATIENCE_S = 60.0
ENVIRONMENT = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
RELIABLE, BEST_EFFORT = QosReliability.RELIABLE, QosReliability.BEST_EFFORT
LATCHED, VOLATILE = QosDurability.TRANSIENT_LOCAL, QosDurability.VOLATILE


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    context.init(domain_id=DOMAIN)
    result = Node("listener", context=context)
    result.executor_of_test = SingleThreadedExecutor(context=context)
    result.executor_of_test.add_node(result)
    yield result
    result.destroy_node()
    context.shutdown()


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "vlsam_ros.ros.player", *map(str, arguments)]
        with (tmp_path / "log").open("wb") as log:
            environment = ENVIRONMENT | {"ROS_LOG_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
            started.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """`main` takes over signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def until(node: Node, condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        node.executor_of_test.spin_once(timeout_sec=0.05)


def said(tmp_path: Path) -> str:
    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text, text
    return text


def picture() -> Record:
    header = make("std_msgs/msg/Header", stamp=make("builtin_interfaces/msg/Time", sec=0, nanosec=0), frame_id="")
    name = "sensor_msgs/msg/CompressedImage"
    message = make(name, header=header, format="png", data=np.zeros(4, np.uint8))
    return Record("/front/image/compressed", name, 0, bytes(store().serialize_cdr(message, name)))


OFFERS = {
    "nothing recorded": ([], RELIABLE, VOLATILE, DEPTH),
    "as recorded": ([qos(RELIABLE, VOLATILE, depth=300)], RELIABLE, VOLATILE, 300),
    "no shallower than a replay needs": ([qos(RELIABLE, VOLATILE, depth=1)], RELIABLE, VOLATILE, DEPTH),
    "best effort": ([qos(BEST_EFFORT), qos(BEST_EFFORT, depth=7)], BEST_EFFORT, VOLATILE, DEPTH),
    "reliable and best effort": ([qos(BEST_EFFORT), qos(RELIABLE)], RELIABLE, VOLATILE, DEPTH),
    "latched": ([qos(RELIABLE, LATCHED, depth=1)], RELIABLE, LATCHED, 1),
    "two latched": ([qos(RELIABLE, LATCHED, depth=1), qos(BEST_EFFORT, LATCHED, depth=2)], RELIABLE, LATCHED, 3),
    "latched and not": ([qos(RELIABLE, LATCHED, depth=2), qos(RELIABLE, VOLATILE, depth=3)], RELIABLE, LATCHED, 5),
    "latched, depth unknown": ([qos(RELIABLE, LATCHED, QosHistory.UNKNOWN, 0)], RELIABLE, LATCHED, DEPTH),
    "latched, deeper than DDS counts": ([qos(RELIABLE, LATCHED, depth=2**70)], RELIABLE, LATCHED, 2**31 - 1),
    "unknown": ([qos(QosReliability.UNKNOWN, QosDurability.UNKNOWN)], RELIABLE, VOLATILE, DEPTH),
}


@pytest.mark.parametrize(("recorded", "reliability", "durability", "depth"), OFFERS.values(), ids=OFFERS)
def test_what_is_offered(recorded: list, reliability: Any, durability: Any, depth: int) -> None:
    offer = offered_qos(recorded)
    assert (offer.reliability.name, offer.durability.name, offer.depth) == (reliability.name, durability.name, depth)
    assert offer.history == HistoryPolicy.KEEP_LAST
    assert offered_qos(recorded, reliable=True).reliability == ReliabilityPolicy.RELIABLE


def test_all_is_kept_if_all_was_kept() -> None:
    assert offered_qos([qos(history=QosHistory.KEEP_ALL), qos()]).history == HistoryPolicy.KEEP_ALL


def test_publishers_offer_what_was_recorded(tmp_path: Path, node: Node, play: Callable) -> None:
    bag = rosbag(tmp_path / "bag", records(400), qos=[qos(BEST_EFFORT, LATCHED)])
    play(bag)
    until(node, lambda: node.get_publishers_info_by_topic("/topic_0"), "player")
    offered = node.get_publishers_info_by_topic("/topic_0")[0].qos_profile
    assert offered.reliability == ReliabilityPolicy.BEST_EFFORT
    assert offered.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_latched_topic_reaches_those_who_join_in_a_later_round(tmp_path: Path, node: Node, play: Callable) -> None:
    some = [Record("/latched", STRING, 0, string("map"))]
    bag = rosbag(tmp_path / "bag", [*some, *records(30)], qos=[qos(RELIABLE, LATCHED, depth=1)])
    player = play(bag, "--loop", "--topics", "/latched", "/topic_0", "--rate", "5")
    ticks: list[str] = []
    node.create_subscription(String, "/topic_0", lambda m: ticks.append(m.data[:6]), 100)
    until(node, lambda: ticks.count("000028") >= 2, "second round")
    late: list[str] = []
    latched = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(String, "/latched", lambda m: late.append(m.data), latched)
    until(node, lambda: late, "latched message")
    assert set(late) == {"map"}
    player.send_signal(signal.SIGINT)
    assert player.wait(PATIENCE_S) == 0


def test_clock_follows_the_recording(tmp_path: Path, node: Node, play: Callable) -> None:
    start_ns = 1_700_000_000 * 10**9
    some = [Record("/t", STRING, start_ns + at, string(str(at))) for at in (0, 10**9, 2 * 10**9)]  # gaps of a second
    ours = [Record("/clock", "rosgraph_msgs/msg/Clock", start_ns, bytes(4) + bytes(8))]
    times: list[int] = []
    got: list[tuple[str, int]] = []
    node.create_subscription(
        Clock, "/clock", lambda m: times.append(m.clock.sec * 10**9 + m.clock.nanosec), QoSProfile(depth=1000)
    )
    player = play(mcap(tmp_path / "a.mcap", some + ours), "--clock", "--rate", "2", "--wait-for-subscribers", "1")
    until(node, lambda: times, "time before the first message")
    assert set(times) == {start_ns}
    node.create_subscription(String, "/t", lambda m: got.append((m.data, times[-1])), 10)
    until(node, lambda: len(got) == 3, "all messages")
    assert player.wait(PATIENCE_S) == 0
    assert times == sorted(times) and times[0] == start_ns and times[-1] <= start_ns + 2 * 10**9
    within = [t for t in times if start_ns < t < start_ns + 10**9]
    assert 20 < len(within) <= 60  # 100 Hz at twice the pace: 20 ms apart; less on a busy machine
    for text, now_ns in got:
        assert abs(now_ns - start_ns - int(text)) < 3 * 10**8


def test_a_node_with_use_sim_time_lives_in_the_recording(tmp_path: Path, node: Node, play: Callable) -> None:
    some = [Record("/t", STRING, n * 10**9, string("")) for n in (100, 160)]
    node.set_parameters([Parameter("use_sim_time", value=True)])
    player = play(mcap(tmp_path / "a.mcap", some), "--clock", "20", "--loop", "--rate", "60")
    seen: list[int] = []

    def jumped_back() -> bool:
        seen.append(node.get_clock().now().nanoseconds)
        return any(after < before for before, after in zip(seen, seen[1:], strict=False))

    until(node, jumped_back, "second round")
    assert all(now == 0 or 100 * 10**9 <= now <= 160 * 10**9 for now in seen)
    player.send_signal(signal.SIGTERM)
    assert player.wait(PATIENCE_S) == 0


ENDS = {
    "no messages": ([], "no messages on these topics|its topics are none"),
    "no topic of a known type": ([Record("/t", "no_such/msg/Type", 1, b"\0\1\0\0")], "nothing to play"),
    "no package of messages": ([Record("/t", "antigravity/msg/Fly", 1, b"\0\1\0\0")], "nothing to play"),
    "no valid name": ([Record("/a b", STRING, 1, string(""))], "nothing to play"),
    "a name that a terminal obeys": ([Record("/\x1b[2J", STRING, 1, string(""))], r"/ \[2J: .*nothing to play"),
    "no such topic": (records(2), "its topics are /topic_0, /topic_1"),
}


@pytest.mark.parametrize(("some", "text"), ENDS.values(), ids=ENDS)
def test_loop_with_nothing_to_play_ends(tmp_path: Path, play: Callable, some: list[Record], text: str) -> None:
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        for r in some:
            schema = writer.register_schema(r.type_name, "ros2msg", b"")
            writer.add_message(writer.register_channel(r.topic, "cdr", schema), r.stamp_ns, r.data, r.stamp_ns)
        writer.finish()
    chosen = ["--topics", "/nowhere"] if "/topic_0" in text else []
    assert play(tmp_path / "a.mcap", "--loop", *chosen).wait(PATIENCE_S) == 1
    assert re.search(text, said(tmp_path), re.DOTALL) and "\x1b[2J" not in said(tmp_path)


def test_loop_of_one_message_does_not_flood(tmp_path: Path, node: Node, play: Callable) -> None:
    got: list[float] = []
    node.create_subscription(String, "/topic_0", lambda _: got.append(time.monotonic()), 1000)
    play(mcap(tmp_path / "a.mcap", records(1)), "--loop")
    until(node, lambda: len(got) > 5, "five rounds")
    assert got[5] - got[0] > 0.4


def test_other_encodings_are_left_out_and_said(tmp_path: Path, node: Node, play: Callable) -> None:
    bag = mcap(tmp_path / "a.mcap", records(4), other=("status", "jsonschema", "json"))
    assert play(bag).wait(PATIENCE_S) == 0
    assert "/other: 'status' in 'json' is no ROS 2 message, left out" in said(tmp_path)
    assert "played 4 messages" in said(tmp_path)


def test_says_at_once_that_there_are_no_images(tmp_path: Path, play: Callable) -> None:
    player = play(mcap(tmp_path / "a.mcap", records(4)), "--wait-for-subscribers", "1", "--timeout", "1")
    assert player.wait(PATIENCE_S) == 1
    text = said(tmp_path)
    assert "no topic with images; the recording has /topic_0 (std_msgs/msg/String), /topic_1" in text
    assert "0 of 1 subscribers after 1 s; the recording has /topic_0" in text


def test_says_at_once_where_images_are_expected(tmp_path: Path, node: Node, play: Callable) -> None:
    node.create_subscription(Image, "/camera/image_raw", lambda _: None, 1)
    play(rosbag(tmp_path / "bag", [picture()]), "--wait-for-subscribers", "1")
    expected = "images are expected on /camera/image_raw; the recording has /front/image/compressed"
    until(node, lambda: expected in said(tmp_path), "hint")


def test_says_after_a_while_that_nobody_listens(tmp_path: Path, node: Node, play: Callable) -> None:
    play(rosbag(tmp_path / "bag", [picture()]), "--wait-for-subscribers", "1")
    expected = "no subscriber yet, though listener are there; the recording has /front/image/compressed"
    until(node, lambda: expected in said(tmp_path), "hint")
    assert said(tmp_path).count("no subscriber yet") == 1


def test_says_that_a_subscriber_asks_for_another_qos(tmp_path: Path, node: Node, play: Callable) -> None:
    node.create_subscription(CompressedImage, "/front/image/compressed", lambda _: None, 1)
    bag = rosbag(tmp_path / "bag", [picture()], qos=[qos(BEST_EFFORT)])
    play(bag, "--wait-for-subscribers", "1")
    until(node, lambda: "a subscriber asks for another QoS than was recorded" in said(tmp_path), "hint")


def test_reliable_serves_a_subscriber_that_the_recorded_qos_would_not(
    tmp_path: Path, node: Node, play: Callable
) -> None:
    got: list[Any] = []
    node.create_subscription(CompressedImage, "/front/image/compressed", got.append, 1)
    bag = rosbag(tmp_path / "bag", [picture()], qos=[qos(BEST_EFFORT)])
    player = play(bag, "--wait-for-subscribers", "1", "--reliable")
    until(node, lambda: got, "image")
    assert player.wait(PATIENCE_S) == 0 and "another QoS" not in said(tmp_path)


def test_topics_that_the_recording_lacks_are_said(tmp_path: Path, play: Callable) -> None:
    assert play(mcap(tmp_path / "a.mcap", records(4)), "--topics", "/topic_0", "/zz").wait(PATIENCE_S) == 0
    text = said(tmp_path)
    assert "the recording has no /zz; its topics are /topic_0, /topic_1" in text and "played 2 messages" in text


def test_recorded_qos_that_cannot_be_read_is_said_once_per_topic(tmp_path: Path, node: Node, play: Callable) -> None:
    bag = rosbag(tmp_path / "bag", records(40))
    (bag / "metadata.yaml").unlink()
    with sqlite3.connect(bag / "bag.db3") as db:
        db.execute("UPDATE topics SET offered_qos_profiles = '- {durability: 1, depth: deep}' WHERE name = '/topic_0'")
    db.close()
    player = play(bag, "--loop")
    until(node, lambda: node.get_publishers_info_by_topic("/topic_0"), "player")
    offered = node.get_publishers_info_by_topic("/topic_0")[0].qos_profile
    assert offered.durability == DurabilityPolicy.TRANSIENT_LOCAL
    until(node, lambda: said(tmp_path).count("played") > 1, "second round")
    player.send_signal(signal.SIGINT)
    assert player.wait(PATIENCE_S) == 0
    assert said(tmp_path).count("recorded QoS can") == 1
    assert "/topic_0: not all of its recorded QoS can be read, the default stands in: depth is 'deep'" in said(tmp_path)


def test_an_empty_message_does_not_silence_its_topic(tmp_path: Path, node: Node, play: Callable) -> None:
    some = records(8)
    some[2] = replace(some[2], data=b"")
    got: list[str] = []
    node.create_subscription(String, "/topic_0", lambda m: got.append(m.data[:6]), 10)
    player = play(rosbag(tmp_path / "bag", some), "--wait-for-subscribers", "1")
    until(node, lambda: len(got) == 3, "the others")
    assert player.wait(PATIENCE_S) == 1 and got == ["000000", "000004", "000006"]
    assert "/topic_0: a message of 0 bytes" in said(tmp_path) and "1 messages are missing" in said(tmp_path)


def test_messages_that_a_subscriber_did_not_fetch_are_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Publisher, "wait_for_all_acked", lambda *_: False)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    assert main([str(mcap(tmp_path / "a.mcap", records(2)))]) == 1
    assert "/topic_0, /topic_1: a subscriber did not get the last messages" in capfd.readouterr().err


WRONG = {
    "rate 0": ("--rate", "0"),
    "no rate": ("--rate", "nan"),
    "endless rate": ("--rate", "inf"),
    "clock below 0": ("--clock", "-1"),
    "no clock": ("--clock", "nan"),
    "fewer than no subscribers": ("--wait-for-subscribers", "-1"),
    "no timeout": ("--timeout", "nan"),
    "timeout below 0": ("--timeout", "-1"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_arguments(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bag", *arguments])
    assert end.value.code == 2 and f"{arguments[0]} must be" in capsys.readouterr().err


ROS_ARGUMENTS = {
    "no rule": ("-r", "foo"),
    "no value": ("-r",),
    "no topic": ("-r", "/topic_0:=/a b"),
    "no node's name": ("-r", "__node:=1bad"),
    "no namespace": ("-r", "__ns:=bad ns"),
    "no bool": ("-p", "use_sim_time:=maybe"),
    "no parameter": ("-p", "foo"),
    "no file": ("--params-file", "/nowhere.yaml"),
    "no level": ("--log-level", "bogus"),
    "no option": ("--bogus",),
}


@pytest.mark.parametrize("arguments", ROS_ARGUMENTS.values(), ids=ROS_ARGUMENTS)
def test_wrong_ros_arguments_are_one_line(
    tmp_path: Path, arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(mcap(tmp_path / "a.mcap", records(2))), "--ros-args", *arguments]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if "[rcl]" not in line]
    assert len(lines) == 1 and lines[0].startswith("bag_player: ") and len(lines[0]) < 300
