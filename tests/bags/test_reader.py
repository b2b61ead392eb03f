"""However a recording was written, its messages come in the order of their stamps, and nothing of it is changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from backports import zstd
from mcap.opcode import Opcode
from mcap.writer import CompressionType, IndexType, Writer
from recordings import STRING, all_that_is_readable, mcap, qos, records, rosbag, string, written
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlsam_ros.bags import reader
from vlsam_ros.bags.cache import Cache
from vlsam_ros.bags.reader import Record, Topic, read, topic_types, topics
from vlsam_ros.bags.types import earlier
from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.errors import BagError
from vlsam_ros.output.messages import from_message

SOME = records(24)
TYPES = {"/topic_0": STRING, "/topic_1": STRING}


def no_metadata(bag: Path) -> Path:
    (bag / "metadata.yaml").unlink()
    return bag


def splits(folder: Path, suffix: str) -> Path:
    """A recording of 12 files, without metadata.yaml: by name, the tenth and eleventh come before the second."""
    (folder / "bag").mkdir()
    for n in range(12):
        some = SOME[2 * n : 2 * n + 2]
        if suffix == ".mcap":
            mcap(folder / "bag" / f"bag_{n}.mcap", some)
        else:
            rosbag(folder / f"part_{n}", some)
            (folder / f"part_{n}" / f"part_{n}.db3").rename(folder / "bag" / f"bag_{n}.db3")
    return folder / "bag"


def interleaved(folder: Path) -> Path:
    """Two files of one time span."""
    (folder / "bag").mkdir()
    for n in range(2):
        mcap(folder / "bag" / f"bag_{n}.mcap", SOME[n::2])
    return folder / "bag"


def not_closed(folder: Path, name: str = "bag") -> Path:
    """A recorder that was killed: half of the messages are in the -wal file only."""
    source = rosbag(folder / "source", SOME[:12]) / "source.db3"
    recorder = sqlite3.connect(source)
    recorder.executescript("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;")
    ids = dict(recorder.execute("SELECT name, id FROM topics"))
    for r in SOME[12:]:
        row = ids[r.topic], r.stamp_ns, r.data
        recorder.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", row)
    recorder.commit()
    (folder / name).mkdir()
    for end in ("", "-wal", "-shm"):
        shutil.copy(f"{source}{end}", folder / name / f"{name}.db3{end}")
    recorder.close()
    return folder / name


def first_schema(folder: Path) -> Path:
    """An SQLite file as the first version of rosbag2 wrote it."""
    db = sqlite3.connect(folder / "old.db3")
    db.executescript(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);"
    )
    for n in range(2):
        db.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr')", (n + 1, f"/topic_{n}", STRING))
    for r in reversed(SOME):
        row = int(r.topic[-1]) + 1, r.stamp_ns, r.data
        db.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", row)
    db.commit()
    db.close()
    return folder / "old.db3"


def shuffled(folder: Path, **how) -> Path:
    some = [*SOME]
    random.Random(1).shuffle(some)
    return mcap(folder / "a.mcap", some, **how)


def bare(folder: Path, **how) -> Path:
    return mcap(folder / "a.mcap", SOME, **how)


def repacked(folder: Path, plugin: StoragePlugin, mode: CompressionMode, keep: bool) -> Path:
    bag = rosbag(folder / "bag", SOME, plugin, mode)
    return bag if keep else no_metadata(bag)


NO_SUMMARY = {"repeat_channels": False, "repeat_schemas": False, "use_statistics": False}
WAYS: dict[str, Callable[[Path], Path]] = {
    "ours": lambda f: written(f / "bag", SOME),
    "ours, file alone": lambda f: written(f / "bag", SOME) / "bag.mcap",
    "ours, without metadata": lambda f: no_metadata(written(f / "bag", SOME)),
    "unreadable metadata": lambda f: (written(f / "bag", SOME), (f / "bag/metadata.yaml").write_text("{"))[0],
    "metadata of another shape": lambda f: (written(f / "bag", SOME), (f / "bag/metadata.yaml").write_text("[1]"))[0],
    "no message index": partial(bare, index_types=IndexType.CHUNK, chunk_size=200),
    "no index": partial(bare, index_types=IndexType.NONE, chunk_size=200),
    "no index, nothing repeated": partial(bare, index_types=IndexType.NONE, chunk_size=200, **NO_SUMMARY),
    "channels not repeated": partial(bare, repeat_channels=False, chunk_size=200),
    "no chunks": partial(bare, use_chunking=False),
    "no chunks, nothing repeated": partial(bare, use_chunking=False, **NO_SUMMARY),
    "no checksums": partial(bare, enable_crcs=False),
    "all checksums": partial(bare, enable_data_crcs=True, chunk_size=200),
    "lz4": partial(bare, compression=CompressionType.LZ4, chunk_size=200),
    "not compressed": partial(bare, compression=CompressionType.NONE, chunk_size=200),
    "no profile": partial(bare, profile=""),
    "own profile": partial(bare, profile="my_fleet"),
    "out of order": partial(shuffled, chunk_size=200),
    "out of order, no chunks": partial(shuffled, use_chunking=False),
    "out of order, no index": partial(shuffled, index_types=IndexType.NONE, chunk_size=200, **NO_SUMMARY),
    "12 splits": partial(splits, suffix=".mcap"),
    "12 SQLite splits": partial(splits, suffix=".db3"),
    "files of one time": interleaved,
    "SQLite": lambda f: rosbag(f / "bag", SOME),
    "SQLite, file alone": lambda f: rosbag(f / "bag", SOME) / "bag.db3",
    "SQLite of the first version, out of order": first_schema,
    "SQLite not closed": not_closed,
    "SQLite not closed, file alone": lambda f: not_closed(f) / "bag.db3",
    "SQLite not closed, odd name": partial(not_closed, name="50% of #1? yes"),
    **{
        f"{mode.name} {plugin.name} {'with' if keep else 'without'} metadata": partial(
            repacked, plugin=plugin, mode=mode, keep=keep
        )
        for mode in (CompressionMode.MESSAGE, CompressionMode.FILE)
        for plugin in (StoragePlugin.MCAP, StoragePlugin.SQLITE3)
        for keep in (True, False)
    },
}


def contents(path: Path) -> dict[str, bytes]:
    files = path.rglob("*") if path.is_dir() else [path]
    return {str(file): file.read_bytes() for file in files}


@pytest.mark.parametrize("write", WAYS.values(), ids=WAYS)
def test_every_message_in_order_and_no_file_changed(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    before = contents(path)
    assert all_that_is_readable(path) == (SOME, "")
    assert all_that_is_readable(path, ["/topic_1"]) == (SOME[1::2], "")
    assert topic_types(path) == TYPES
    assert contents(path) == before


def test_read_only_folder(tmp_path: Path) -> None:
    bag = not_closed(tmp_path)
    bag.chmod(0o555)
    try:
        assert all_that_is_readable(bag) == (SOME, "")
    finally:
        bag.chmod(0o755)


def test_memory_is_bounded_where_all_chunks_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    class Small(Cache):
        def get(self, key, read):
            content = super().get(key, read)
            held.append(sum(map(len, self._contents.values())))
            return content

    monkeypatch.setattr(reader, "Cache", partial(Small, budget=500))
    assert all_that_is_readable(shuffled(tmp_path, chunk_size=200)) == (SOME, "")
    assert 0 < max(held) <= 500


def test_splits_are_opened_when_their_time_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_rooms: list[int] = [0]

    class Counted(TemporaryDirectory):
        def __enter__(self):
            open_rooms.append(open_rooms[-1] + 1)
            return super().__enter__()

        def __exit__(self, *error):
            open_rooms.append(open_rooms[-1] - 1)
            super().__exit__(*error)

    monkeypatch.setattr(reader, "TemporaryDirectory", Counted)
    assert all_that_is_readable(splits(tmp_path, ".db3")) == (SOME, "")
    assert max(open_rooms) == 1 and open_rooms[-1] == 0


def test_chunk_that_names_another_first_stamp_than_its_least(tmp_path: Path) -> None:
    path = shuffled(tmp_path, chunk_size=300)
    content = bytearray(path.read_bytes())
    at, chunks = 8, 0
    while content[at] != Opcode.DATA_END:
        if content[at] == Opcode.CHUNK:
            content[at + 9 : at + 17] = content[at + 17 : at + 25]  # the last stamp as the first
            chunks += 1
        at += 9 + int.from_bytes(content[at + 1 : at + 9], "little")
    path.write_bytes(content)
    assert chunks > 3 and all_that_is_readable(path) == (SOME, "")


def test_of_a_file_that_is_there_twice_the_plain_one_is_read(tmp_path: Path) -> None:
    content = mcap(tmp_path / "bag_0.mcap", SOME).read_bytes()
    (tmp_path / "bag_0.mcap.zstd").write_bytes(zstd.compress(content)[:-9])
    assert all_that_is_readable(tmp_path) == (SOME, "")


def test_equal_stamps_keep_the_order_of_the_file(tmp_path: Path) -> None:
    some = [Record("/t", STRING, 5, string(str(n))) for n in range(20)]
    assert all_that_is_readable(mcap(tmp_path / "a.mcap", some, chunk_size=100)) == (some, "")
    assert all_that_is_readable(rosbag(tmp_path / "bag", some)) == (some, "")


OTHERS = {
    "json": ("status", "jsonschema", "json"),
    "protobuf": ("foxglove.Log", "protobuf", "protobuf"),
    "flatbuffer": ("x.Y", "flatbuffer", "flatbuffer"),
    "no schema": ("", "", "json"),
    "ROS 2 IDL": ("my_pkg/msg/T", "ros2idl", "cdr"),
    "ROS 1": ("std_msgs/String", "ros1msg", "ros1"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_encodings_beside(tmp_path: Path, other: tuple[str, str, str]) -> None:
    path = mcap(tmp_path / "a.mcap", SOME, other=other)
    assert all_that_is_readable(path, [*TYPES]) == (SOME, "")
    got, error = all_that_is_readable(path, ["/other"])
    assert len(got) == len(SOME) and not error
    assert (got[0].type_name, got[0].encoding, got[0].data) == (other[0], other[2], b'{"a": 1}')
    with pytest.raises(BagError, match="/other: (expected a ROS 2 message in CDR|unknown message type)"):
        got[0].message()
    assert topics(path)["/other"] == Topic(other[0], other[2])


def metadata_of(version: int, mcap_name: str) -> dict[str, object]:
    """As rosbag2 writes it in that version."""
    profile = {"history": "keep_last", "depth": 5, "reliability": "reliable", "durability": "transient_local"}
    times = dict.fromkeys(("deadline", "lifespan", "liveliness_lease_duration"), {"sec": 9, "nsec": 0})
    profile |= times | {"liveliness": "automatic", "avoid_ros_namespace_conventions": False}
    numbers = profile | {"history": 1, "reliability": 1, "durability": 1, "liveliness": 1}
    topic: dict[str, object] = {"name": "/topic_0", "type": STRING, "serialization_format": "cdr"}
    if version >= 4:
        topic["offered_qos_profiles"] = [profile] if version >= 9 else yaml.safe_dump([numbers])
    fields: dict[str, object] = {
        "version": version,
        "storage_identifier": "mcap",
        "relative_file_paths": [mcap_name if version >= 4 else f"bag/{mcap_name}"],
        "duration": {"nanoseconds": 1},
        "starting_time": {"nanoseconds_since_epoch": 1},
        "message_count": len(SOME),
        "topics_with_message_count": [{"topic_metadata": topic, "message_count": 12}],
    }
    if version >= 3:
        fields |= {"compression_format": "", "compression_mode": ""}
    return {"rosbag2_bagfile_information": fields}


@pytest.mark.parametrize("version", range(1, 11))
def test_versions_of_metadata(tmp_path: Path, version: int) -> None:
    mcap(tmp_path / "bag_0.mcap", SOME)
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(metadata_of(version, "bag_0.mcap")))
    assert all_that_is_readable(tmp_path) == (SOME, "")
    recorded = topics(tmp_path)
    assert {r.durability for r in recorded["/topic_0"].qos} == (
        {QosDurability.TRANSIENT_LOCAL} if version > 3 else set()
    )
    assert recorded["/topic_1"].qos == ()


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("keep", [True, False])
def test_recorded_qos(tmp_path: Path, plugin: StoragePlugin, keep: bool) -> None:
    profiles = [qos(QosReliability.BEST_EFFORT), qos(durability=QosDurability.TRANSIENT_LOCAL, depth=1)]
    bag = rosbag(tmp_path / "bag", SOME, plugin, qos=profiles)
    assert topics(bag if keep else no_metadata(bag))["/topic_0"].qos == tuple(profiles)


LATCHED = QosDurability.TRANSIENT_LOCAL
PARTS = {
    "only durability": ("- durability: 1", LATCHED, 0, ""),
    "by names": ("- {durability: transient_local, depth: 3}", LATCHED, 3, ""),
    "a field of a later version": ("- {durability: 1, depth: 3, colour: red}", LATCHED, 3, ""),
    "empty fields": ("- {durability: 1, depth: , deadline: }", LATCHED, 0, ""),
    "no durability": ("- {depth: 3}", QosDurability.VOLATILE, 3, ""),
    "depth is a text": ("- {durability: 1, depth: deep}", LATCHED, 0, "depth is 'deep'"),
    "deadline is a list": ("- {durability: 1, deadline: [1]}", LATCHED, 0, "deadline is [1]"),
    "history is a list": ("- {durability: 1, history: [[1]]}", LATCHED, 0, "history is [[1]]"),
    "no known durability": ("- {durability: 99, depth: 3}", QosDurability.VOLATILE, 3, "durability is 99"),
    "no YAML": ("- {", None, 0, "no YAML: "),
    "not a list": ("durability: 1", None, 0, "expected a list of profiles, got {'durability': 1}"),
    "not profiles": ("[1]", None, 0, "expected a list of profiles, got [1]"),
    "nothing": ("", None, 0, ""),
}


@pytest.mark.parametrize(("text", "durability", "depth", "problem"), PARTS.values(), ids=PARTS)
def test_recorded_qos_of_which_a_part_can_be_read(
    tmp_path: Path, text: str, durability: QosDurability | None, depth: int, problem: str
) -> None:
    bag = no_metadata(rosbag(tmp_path / "bag", SOME))
    with sqlite3.connect(bag / "bag.db3") as db:
        db.execute("UPDATE topics SET offered_qos_profiles = ? WHERE name = '/topic_0'", (text,))
    db.close()
    topic = topics(bag)["/topic_0"]
    assert [(r.durability, r.depth) for r in topic.qos] == ([] if durability is None else [(durability, depth)])
    assert topic.qos_problem.startswith(problem) and bool(topic.qos_problem) == bool(problem)
    assert all_that_is_readable(bag) == (SOME, "")


def test_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.db3")
    rosbag(tmp_path / "bag", SOME)
    (tmp_path / "bag" / "bag.db3").rename(path)
    assert all_that_is_readable(path) == (SOME, "")


def test_our_messages_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    """As the detector of version 0.1 recorded them, without tracks, places and answers."""
    name, make = "vlsam_ros/msg/DetectedInstanceArray", lambda type_name, **f: earlier().types[type_name](**f)
    stamp = make("builtin_interfaces/msg/Time", sec=3, nanosec=4)
    mask = make("vlsam_ros/msg/InstanceMask", x=1, y=2, width=2, height=1, runs=np.array([0, 2], np.uint32))
    instance = make(
        "vlsam_ros/msg/DetectedInstance",
        **dict.fromkeys(("score", "attention_score", "iou_score", "consistency_score", "certainty_score"), 0.5),
        **{"x_min": 1.0, "y_min": 2.0, "x_max": 3.0, "y_max": 3.0, "mask": mask, "hazard_class": 9},
        **dict.fromkeys(("track_id", "view", "source", "reason"), ""),
        **{"label": "stone", "has_ground_point": False, "ground_point": make("geometry_msgs/msg/Point", x=0, y=0, z=0)},
    )
    message = make(
        name,
        header=make("std_msgs/msg/Header", stamp=stamp, frame_id="front"),
        **dict.fromkeys(("camera", "status_text", "vlm", "segmenter", "grounder"), ""),
        **{"image_width": 8, "image_height": 6, "keyframe": 7, "started": stamp, "finished": stamp, "age_s": 0.5},
        **{"status": 0, "skipped": [], "demonstration": True, "instances": [instance]},
    )
    with BagWriter(tmp_path / "old") as bag:
        bag.write("/detections", name, 1, bytes(earlier().serialize_cdr(message, name)))
    (record,) = read(tmp_path / "old", ["/detections"])
    (item,) = from_message(record.message()).items
    assert (item.label, item.xyxy, item.track, item.place) == ("stone", (1, 2, 3, 3), None, None)
    assert item.witnesses == ()


def test_our_messages_are_read_by_the_recordings_own_definition(tmp_path: Path) -> None:
    """As another version recorded them: with a field that there is not today, and without some of today's."""
    name = "vlsam_ros/msg/Witness"
    definition = "string way\nfloat64 surprise\nfloat32 score\n"
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(definition, name))
    message = types.types[name](way="native", surprise=0.75, score=0.5)
    with (tmp_path / "other.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        for topic, said in (
            ("/good", definition),
            ("/torn", "float32"),
            ("/long", f"uint8[{1 << 40}] a\n{definition}"),
        ):
            schema = writer.register_schema(name, "ros2msg", said.encode())
            channel = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channel, 1, bytes(types.serialize_cdr(message, name)), 1)
        writer.finish()
    found_in = {r.topic: r for r in read(tmp_path / "other.mcap")}
    found = found_in["/good"].message()
    assert (found.way, found.surprise, found.score) == ("native", 0.75, 0.5) and not hasattr(found, "iou")
    for topic in ("/torn", "/long"):  # neither by that definition nor by ours
        with pytest.raises(BagError, match="not a vlsam_ros/msg/Witness"):
            found_in[topic].message()
