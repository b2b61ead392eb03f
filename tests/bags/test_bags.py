"""Recordings: round trips in a temporary folder, also of damaged ones; the sample recording; nothing needs ROS."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import NonSeekingReader
from recordings import STRING, all_that_is_readable, records, rosbag, written
from rosbags.rosbag2 import CompressionMode, Reader, StoragePlugin

from vlsam_ros.bags.reader import Record, read, topic_types
from vlsam_ros.bags.types import store
from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.errors import BagError


def test_round_trip(tmp_path: Path) -> None:
    some = records(9)
    bag = written(tmp_path / "bag", some)
    assert list(read(bag)) == some
    assert list(read(bag, ["/topic_1"])) == some[1::2]
    assert topic_types(bag) == {"/topic_0": STRING, "/topic_1": STRING}
    assert some[3].message().data.startswith("000003")
    assert {file.name for file in bag.iterdir()} == {"metadata.yaml", "bag.mcap"}


def test_other_readers_read_what_is_written(tmp_path: Path) -> None:
    some = records(9)
    bag = written(tmp_path / "bag", some)
    with Reader(bag) as reader:
        got = [Record(c.topic, c.msgtype, stamp, bytes(data)) for c, stamp, data in reader.messages()]
        assert got == some and reader.duration == 8 * 10**7 + 1
        assert [c.digest for c in reader.connections] == [store().hash_rihs01(STRING)] * 2
    with (bag / "bag.mcap").open("rb") as file:
        assert len([*NonSeekingReader(file, validate_crcs=True).iter_messages()]) == len(some)


def test_metadata_is_for_every_distribution_from_humble_on(tmp_path: Path) -> None:
    text = (written(tmp_path / "bag", records(4)) / "metadata.yaml").read_text()
    assert "version: 8" in text and "storage_identifier: mcap" in text and "message_count: 4" in text
    assert "reliability: 1" in text  # numbers: Humble knows no names here
    assert "&" not in text and "*" not in text  # no references


def test_file_without_its_folder(tmp_path: Path) -> None:
    some = records(5)
    assert list(read(written(tmp_path / "bag", some) / "bag.mcap")) == some


def test_recorder_was_killed_before_it_wrote_metadata(tmp_path: Path) -> None:
    some = records(5)
    bag = written(tmp_path / "bag", some)
    (bag / "metadata.yaml").unlink()
    assert all_that_is_readable(bag) == (some, "")
    assert topic_types(bag) == {"/topic_0": STRING, "/topic_1": STRING}


@pytest.mark.parametrize("share", [0.95, 0.5, 0.1])
def test_cut_off_file_gives_all_before_the_cut(tmp_path: Path, share: float) -> None:
    some = records(60, size=100_000)  # 6 MB in chunks of 1 MB
    bag = written(tmp_path / "bag", some)
    file = bag / "bag.mcap"
    size = int(file.stat().st_size * share)
    os.truncate(file, size)
    got, error = all_that_is_readable(bag)
    assert got == some[: len(got)]
    assert size // 101_000 - 1 <= len(got) <= size // 100_000 + 1
    assert f"({len(got)} messages could be read)" in error
    assert topic_types(bag) == {"/topic_0": STRING, "/topic_1": STRING}


def test_cut_off_compressed_file_gives_its_whole_chunks(tmp_path: Path) -> None:
    some = [Record(r.topic, r.type_name, r.stamp_ns, r.data[:40] + os.urandom(50_000)) for r in records(60)]
    rosbag(tmp_path / "bag", some, StoragePlugin.MCAP, CompressionMode.STORAGE)
    file = tmp_path / "bag" / "bag.mcap"
    os.truncate(file, file.stat().st_size // 2)
    got, error = all_that_is_readable(tmp_path / "bag")
    assert got == some[: len(got)] and 10 <= len(got) < 31 and "could be read" in error


def test_sqlite(tmp_path: Path) -> None:
    some = records(6)
    rosbag(tmp_path / "bag", some)
    assert list(read(tmp_path / "bag")) == some


def test_damaged_sqlite(tmp_path: Path) -> None:
    some = records(60, size=20_000)
    rosbag(tmp_path / "bag", some)
    file = tmp_path / "bag" / "bag.db3"
    os.truncate(file, file.stat().st_size // 2)
    got, error = all_that_is_readable(tmp_path / "bag")
    assert got == some[: len(got)] and "could be read" in error


def test_damage_in_the_middle(tmp_path: Path) -> None:
    some = records(60, size=100_000)
    file = written(tmp_path / "bag", some) / "bag.mcap"
    content = bytearray(file.read_bytes())
    at = content.index(b"000030")
    content[at - 60 : at - 20] = bytes(40)
    file.write_bytes(content)
    got, error = all_that_is_readable(tmp_path / "bag")
    assert got[:20] == some[:20] and len(got) < 60 and "could be read" in error


NO_BAGS = {
    "missing": lambda path: path / "nowhere",
    "empty folder": lambda path: path,
    "text file": lambda path: make_file(path / "bag.mcap", b"hello" * 9),
    "empty file": lambda path: make_file(path / "bag.mcap", b""),
    "empty database": lambda path: make_file(path / "bag.db3", b""),
    "another kind": lambda path: make_file(path / "bag.avi", b"x"),
    "broken metadata": lambda path: make_file(path / "metadata.yaml", b"{").parent,
}


def make_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("make_path", NO_BAGS.values(), ids=NO_BAGS)
def test_no_recording_says_so(tmp_path: Path, make_path) -> None:
    path = make_path(tmp_path)
    with pytest.raises(BagError, match=str(path)) as error:
        list(read(path))
    assert "0 messages could be read" in str(error.value)
    with pytest.raises(BagError):
        topic_types(path)


def test_recording_without_messages(tmp_path: Path) -> None:
    assert list(read(written(tmp_path / "bag", []))) == list(read(rosbag(tmp_path / "sqlite", []))) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    written(tmp_path / "bag", records(1))
    with pytest.raises(BagError, match="exists already"):
        BagWriter(tmp_path / "bag")


def test_after_an_error_what_was_written_is_readable(tmp_path: Path) -> None:
    some = records(3)
    with pytest.raises(RuntimeError), BagWriter(tmp_path / "bag") as bag:
        for r in some:
            bag.write(r.topic, r.type_name, r.stamp_ns, r.data)
        raise RuntimeError
    assert list(read(tmp_path / "bag")) == some


def test_unknown_types(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag, pytest.raises(BagError, match="unknown message type 'a/msg/B'"):
        bag.write("/t", "a/msg/B", 1, b"")
    with pytest.raises(BagError, match="unknown message type"):
        Record("/t", "a/msg/B", 1, b"").message()
    with pytest.raises(BagError, match="not a std_msgs/msg/String"):
        Record("/t", STRING, 1, b"\0\1\0\0\xff\xff\xff\xff").message()


def test_a_topic_has_one_type(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/t", STRING, 1, records(1)[0].data)
        with pytest.raises(BagError, match="expected 'std_msgs/msg/String', got 'std_msgs/msg/Empty'"):
            bag.write("/t", "std_msgs/msg/Empty", 2, b"")


def test_our_types_are_those_that_were_built() -> None:
    pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")
    from ament_index_python.packages import get_package_share_directory

    for name in ("InstanceMask", "DetectedInstance", "DetectedInstanceArray"):
        built = json.loads(Path(get_package_share_directory("vlsam_ros"), "msg", f"{name}.json").read_text())
        hashes = {entry["type_name"]: entry["hash_string"] for entry in built["type_hashes"]}
        assert store().hash_rihs01(f"vlsam_ros/msg/{name}") == hashes[f"vlsam_ros/msg/{name}"]


def test_sample_recording(tmp_path: Path) -> None:
    from vlsam_ros.output.messages import from_message
    from vlsam_ros.synthetic import bag as sample

    for name in ("a", "b"):
        assert sample.main([str(tmp_path / name / "bag"), "--frames", "2"]) == 0
    first, second = (tmp_path / name / "bag" / "bag.mcap" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 2 * 10e6 / 60
    got = list(read(tmp_path / "a" / "bag"))
    assert [r.topic for r in got] == [sample.IMAGE_TOPIC, sample.INFO_TOPIC, sample.TRUTH_TOPIC] * 2
    messages = [r.message() for r in got]
    assert len({(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages[:3]}) == 1
    assert messages[0].header.frame_id == "camera_front" and got[3].stamp_ns - got[0].stamp_ns == 10**8
    assert (messages[1].width, messages[1].height) == (1600, 900) and messages[1].k[0] > 500
    truth = from_message(messages[2])
    assert truth.size_hw == (900, 1600) and len(truth) > 3 and np.all(truth.scores == 1)
