"""Whatever happens to a recording: a part of its messages in the order of their stamps, and an error that counts."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import lz4.frame
import pytest
import yaml
from backports import zstd
from mcap.opcode import Opcode
from mcap.writer import CompressionType, IndexType
from recordings import STRING, all_that_is_readable, mcap, records, rosbag, string, written
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from vlsam_ros.bags import compression, yaml_text
from vlsam_ros.bags.reader import Record, topic_types

SOME = records(24)
NO_SUMMARY = {"repeat_channels": False, "repeat_schemas": False, "use_statistics": False}


def checked(path: Path) -> Path:
    """An MCAP file in which every bit is under a checksum."""
    return mcap(path, SOME, chunk_size=300, enable_data_crcs=True)


FILES: dict[str, Callable[[Path], Path]] = {
    "ours": lambda f: written(f / "bag", SOME) / "bag.mcap",
    "zstd chunks": lambda f: checked(f / "a.mcap"),
    "lz4 chunks, no index": lambda f: mcap(
        f / "a.mcap", SOME, chunk_size=300, compression=CompressionType.LZ4, index_types=IndexType.NONE, **NO_SUMMARY
    ),
    "no chunks": lambda f: mcap(f / "a.mcap", SOME, use_chunking=False, enable_data_crcs=True),
    "plain chunks": lambda f: mcap(f / "a.mcap", SOME, chunk_size=300, compression=CompressionType.NONE),
    "SQLite": lambda f: rosbag(f / "bag", SOME) / "bag.db3",
    "zstd file": lambda f: rosbag(f / "bag", SOME, StoragePlugin.MCAP, CompressionMode.FILE) / "bag.mcap.zstd",
}
SURE = ("ours", "zstd chunks", "no chunks")
"""Every bit of these is under a checksum."""


def in_order(got: list[Record]) -> bool:
    stamps = [r.stamp_ns for r in got]
    return stamps == sorted(set(stamps))


@pytest.mark.parametrize("kind", FILES)
def test_cut_anywhere(tmp_path: Path, kind: str) -> None:
    path = FILES[kind](tmp_path)
    content = path.read_bytes()
    for size in (*range(0, len(content), max(1, len(content) // 150)), len(content) - 1):
        path.write_bytes(content[:size])
        got, error = all_that_is_readable(path)
        assert in_order(got) and set(got) <= set(SOME), size
        assert f"({len(got)} messages could be read)" in error or (kind == "SQLite" and got == SOME), size


@pytest.mark.parametrize("kind", FILES)
def test_flipped_bits(tmp_path: Path, kind: str) -> None:
    path = FILES[kind](tmp_path)
    content, chance = path.read_bytes(), random.Random(8)
    for bit in (chance.randrange(8 * len(content)) for _ in range(150)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        got, error = all_that_is_readable(path)
        assert sorted(got, key=lambda r: r.stamp_ns) == got, bit
        assert not error or f"({len(got)} messages could be read)" in error, bit
        if kind in SURE:
            assert error and set(got) <= set(SOME), bit


@pytest.mark.parametrize("kind", SURE)
def test_zeros_anywhere(tmp_path: Path, kind: str) -> None:
    path = FILES[kind](tmp_path)
    content, chance = path.read_bytes(), random.Random(8)
    for n in range(80):
        begin = chance.randrange(len(content))
        end = len(content) if n % 2 else min(len(content), begin + chance.randrange(1, 400))
        path.write_bytes(content[:begin] + bytes(end - begin) + content[end:])
        got, error = all_that_is_readable(path)
        assert in_order(got) and set(got) <= set(SOME), (begin, end)
        assert f"({len(got)} messages could be read)" in error or not any(content[begin:end]), (begin, end)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_other_chunks_are_read_and_the_missing_messages_counted(tmp_path: Path) -> None:
    path = mcap(tmp_path / "a.mcap", SOME, chunk_size=300, compression=CompressionType.NONE)
    flip(path, path.read_bytes().index(b"000010"))
    got, error = all_that_is_readable(path)
    assert set(got) < set(SOME) and in_order(got) and {SOME[0], SOME[-1]} <= set(got)
    assert f"{24 - len(got)} messages are missing ({len(got)} messages could be read)" in error
    assert "checksum" in error


def test_behind_a_damaged_record_it_goes_on_at_the_next_chunk_of_the_index(tmp_path: Path) -> None:
    path = mcap(tmp_path / "a.mcap", SOME, chunk_size=300, compression=CompressionType.NONE)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x06", content.index(b"000005"))
    while int.from_bytes(content[at + 1 : at + 9], "little") > 1000:
        at = content.index(b"\x06", at + 1)
    content[at + 4] = 0xFF  # the length of a chunk
    path.write_bytes(content)
    got, error = all_that_is_readable(path)
    assert got[-1] == SOME[-1] and 12 < len(got) < 24 and f"{24 - len(got)} messages are missing" in error


def test_nothing_outside_chunks_is_believed_if_the_data_section_is_damaged(tmp_path: Path) -> None:
    path = mcap(tmp_path / "a.mcap", SOME, use_chunking=False, enable_data_crcs=True)
    flip(path, path.read_bytes().index(b"000010"))
    got, error = all_that_is_readable(path)
    assert got == [] and "checksum" in error and "24 messages are missing (0 messages could be read)" in error


def test_a_recording_that_lost_a_file_counts_what_is_missing(tmp_path: Path) -> None:
    for n in range(3):
        mcap(tmp_path / f"bag_{n}.mcap", SOME[8 * n : 8 * n + 8])
    names = [f"bag_{n}.mcap" for n in range(3)]
    fields = {"relative_file_paths": names, "message_count": 24, "topics_with_message_count": []}
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": fields}))
    (tmp_path / "bag_1.mcap").unlink()
    got, error = all_that_is_readable(tmp_path)
    assert got == SOME[:8] + SOME[16:]
    assert "missing files: bag_1.mcap, 8 messages are missing (16 messages could be read)" in error


def test_a_renamed_file_is_read_and_said(tmp_path: Path) -> None:
    bag = written(tmp_path / "bag", SOME)
    (bag / "bag.mcap").rename(bag / "tuesday.mcap")
    got, error = all_that_is_readable(bag)
    assert got == SOME and "missing files: bag.mcap, 0 messages are missing (24 messages could be read)" in error


def test_files_that_the_metadata_does_not_list_are_read_and_said(tmp_path: Path) -> None:
    bag = written(tmp_path / "bag", SOME[:12])
    mcap(bag / "bag_1.mcap", SOME[12:])
    got, error = all_that_is_readable(bag)
    assert got == SOME and "does not list: bag_1.mcap, 0 messages are missing (24 messages could be read)" in error


def test_what_was_unpacked_beside_a_listed_file_is_not_read_twice(tmp_path: Path) -> None:
    bag = rosbag(tmp_path / "bag", SOME, StoragePlugin.MCAP, CompressionMode.FILE)
    (bag / "bag.mcap").write_bytes(zstd.decompress((bag / "bag.mcap.zstd").read_bytes()))
    assert all_that_is_readable(bag) == (SOME, "")


def metadata_with(bag: Path, **fields: object) -> Path:
    said = {"relative_file_paths": ["bag.mcap"], "message_count": len(SOME), **fields}
    (bag / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": said}))
    return bag


def test_a_file_that_is_listed_twice_is_read_once(tmp_path: Path) -> None:
    bag = metadata_with(written(tmp_path / "bag", SOME), relative_file_paths=["bag.mcap", "other/bag.mcap"])
    assert all_that_is_readable(bag) == (SOME, "")


@pytest.mark.parametrize("name", ["x" * 9999, "nul\0", "..", ""], ids=["too long", "nul", "parent", "empty"])
def test_a_listed_name_that_no_file_can_have_is_missing(tmp_path: Path, name: str) -> None:
    bag = metadata_with(written(tmp_path / "bag", SOME), relative_file_paths=["bag.mcap", name])
    got, error = all_that_is_readable(bag)
    assert got == SOME and "missing files: " in error and "0 messages are missing (24 messages" in error


WRONG_FIELDS: dict[str, dict[str, object]] = {
    "paths are a text": {"relative_file_paths": "bag.mcap"},
    "a path is a list": {"relative_file_paths": [["bag.mcap"]]},
    "a path is a number": {"relative_file_paths": [5]},
    "infinite count": {"message_count": float("inf")},
    "count is a text": {"message_count": "24"},
    "topics are a text": {"topics_with_message_count": "abc"},
    "a topic is a list": {"topics_with_message_count": [["topic_metadata"]]},
    "compression is a list": {"compression_mode": [["message"]]},
}


@pytest.mark.parametrize("fields", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_metadata_of_wrong_kinds_is_not_believed(tmp_path: Path, fields: dict[str, object]) -> None:
    assert all_that_is_readable(metadata_with(written(tmp_path / "bag", SOME), **fields)) == (SOME, "")


def nested(inner: str, outer: str, depth: int = 9) -> str:
    """YAML of a few hundred letters that says nine times nine times nine … the same."""
    lines = [
        f"a0: &a0 {inner}",
        *(f"a{n}: &a{n} {outer.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, depth)),
    ]
    return "\n".join(lines) + "\n"


LISTS, MERGES = nested("[x, x]", "[{}]"), nested("{k: v}", "{{<<: [{}]}}")
HEAD = "rosbag2_bagfile_information: {message_count: 24, "
YAML_BOMBS = {
    "files": LISTS + HEAD + "relative_file_paths: *a8}",
    "a file": LISTS + HEAD + "relative_file_paths: [*a8]}",
    "compression": LISTS + HEAD + "relative_file_paths: [bag.mcap], compression_mode: *a8}",
    "type": LISTS
    + HEAD
    + "relative_file_paths: [bag.mcap], topics_with_message_count: [{topic_metadata: {type: *a8}}]}",
    "QoS": LISTS
    + HEAD
    + "relative_file_paths: [bag.mcap], topics_with_message_count: [{topic_metadata: {name: /topic_0, type: t, "
    "serialization_format: cdr, offered_qos_profiles: *a8}}]}",
    "somewhere": LISTS + HEAD + "relative_file_paths: [bag.mcap]}",
    "merged": MERGES + HEAD + "<<: *a8, relative_file_paths: [bag.mcap]}",
    "holds itself": "a: &a [*a]\n" + HEAD + "relative_file_paths: *a}",
    "deep": "[" * 10**5,
    "large": "- 0\n" * 10**6,
}


@pytest.mark.parametrize("text", YAML_BOMBS.values(), ids=YAML_BOMBS)
def test_metadata_that_repeats_itself_takes_neither_time_nor_memory(tmp_path: Path, text: str) -> None:
    bag = written(tmp_path / "bag", SOME)
    (bag / "metadata.yaml").write_text(text)
    tracemalloc.start()
    begin = time.monotonic()
    assert all_that_is_readable(bag) == (SOME, "")
    seconds, peak = time.monotonic() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 5 and peak < 2 * 10**7


def test_a_little_repetition_is_well_formed() -> None:
    assert yaml_text.load("- &a {sec: 1}\n- *a\n- <<: *a") == [{"sec": 1}] * 3


@pytest.mark.parametrize("write", [rosbag, written], ids=["SQLite", "MCAP"])
def test_a_message_shorter_than_the_head_of_any_is_none(tmp_path: Path, write: Callable[..., Path]) -> None:
    some = [*SOME]
    for n, data in ((3, b""), (4, b"\0"), (9, b"\0\1\0")):
        some[n] = replace(some[n], data=data)
    got, error = all_that_is_readable(write(tmp_path / "bag", some))
    assert got == [r for n, r in enumerate(SOME) if n not in (3, 4, 9)]
    assert "/topic_1: a message of 0 bytes" in error and "3 messages are missing (21 messages could be read)" in error


def test_a_pipe_is_no_recording(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mcap")
    assert "expected a folder" in all_that_is_readable(tmp_path / "a.mcap")[1]
    assert "missing files: a.mcap" in all_that_is_readable(tmp_path)[1]


def test_one_damaged_split_does_not_hide_the_others(tmp_path: Path) -> None:
    for n in range(3):
        mcap(tmp_path / f"bag_{n}.mcap", SOME[8 * n : 8 * n + 8])
    (tmp_path / "bag_1.mcap").write_bytes(b"")
    got, error = all_that_is_readable(tmp_path)
    assert got == SOME[:8] + SOME[16:] and "bag_1.mcap: an empty file" in error


def test_damaged_table_gives_what_stands_on_both_sides(tmp_path: Path) -> None:
    some = [Record("/t", STRING, n, string(f"{n:06d}" + "x" * 3000)) for n in range(60)]
    path = rosbag(tmp_path / "bag", some) / "bag.db3"
    content = bytearray(path.read_bytes())
    page = content.index(b"000030") // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    path.write_bytes(content)
    got, error = all_that_is_readable(tmp_path / "bag")
    assert in_order(got) and set(got) < set(some) and len(got) > 50
    assert got[0] == some[0] and got[-1] == some[-1] and f"{60 - len(got)} messages are missing" in error


def test_a_cut_compressed_message_is_no_message(tmp_path: Path) -> None:
    some = [Record(r.topic, STRING, r.stamp_ns, zstd.compress(r.data)) for r in SOME]
    some[5] = Record(some[5].topic, STRING, some[5].stamp_ns, some[5].data[:-3])
    some[9] = Record(some[9].topic, STRING, some[9].stamp_ns, some[9].data[:6] + b"\xff\xff\xff\xff")
    got, error = all_that_is_readable(mcap(tmp_path / "a.mcap", some))
    assert got == [r for n, r in enumerate(SOME) if n not in (5, 9)]
    assert "zstd" in error and "2 messages are missing (22 messages could be read)" in error


def test_messages_of_an_unknown_compression_are_no_messages(tmp_path: Path) -> None:
    bag = rosbag(tmp_path / "bag", SOME, StoragePlugin.MCAP, CompressionMode.MESSAGE)
    text = (bag / "metadata.yaml").read_text().replace("compression_format: zstd", "compression_format: brotli")
    (bag / "metadata.yaml").write_text(text)
    got, error = all_that_is_readable(bag)
    assert got == [] and "'brotli'" in error and "24 messages are missing (0 messages could be read)" in error


def huge(chunk_size: int, stored: bytes, kind: bytes, length: int | None = None) -> bytes:
    """An MCAP file of a header and a chunk that says of itself what it likes."""
    head = struct.pack("<QQQII", 0, 0, chunk_size, crc32(b""), len(kind)) + kind
    body = head + struct.pack("<Q", len(stored) if length is None else length) + stored
    header = struct.pack("<BQ", 1, 8) + bytes(8)
    size = len(body) if length is None else len(head) + 8 + length
    return b"\x89MCAP0\r\n" + header + struct.pack("<BQ", 6, size) + body


BOMBS = {
    "chunk of 2^60 bytes": huge(2**60, b"x", b""),
    "compressed chunk of 2^60 bytes": huge(2**60, zstd.compress(b"x"), b"zstd"),
    "2^60 stored bytes": huge(10, b"x", b"", length=2**60),
    "record of 2^63 bytes": b"\x89MCAP0\r\n" + struct.pack("<BQ", 5, 2**63),
    "chunk that expands": huge(2 * 10**7, zstd.compress(bytes(2 * 10**7)), b"zstd"),
    "unknown compression": huge(10, b"x", b"what"),
    "definition of 2^32 letters": b"\x89MCAP0\r\n" + struct.pack("<BQHI", 3, 6, 1, 2**32 - 1),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_sizes_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(compression, "LIMIT", 10**6)
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    tracemalloc.start()
    got, error = all_that_is_readable(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got == [] and "(0 messages could be read)" in error and peak < 5 * 10**6


def test_a_chunk_of_nothing_but_heads_takes_no_more_memory_than_its_content(tmp_path: Path) -> None:
    path, heads = tmp_path / "a.mcap", struct.pack("<BQ", 0x80, 0) * 200_000
    path.write_bytes(
        huge(len(heads), zstd.compress(heads), b"zstd").replace(crc32(b"").to_bytes(4, "little"), bytes(4))
    )
    tracemalloc.start()
    assert all_that_is_readable(path)[0] == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * len(heads)


@pytest.mark.parametrize("pack", [zstd.compress, lz4.frame.compress], ids=["zstd", "lz4"])
def test_no_more_is_expanded_than_allowed(pack: Callable[[bytes], bytes]) -> None:
    kind = compression.kind(pack(b"x"))
    assert compression.expanded(pack(bytes(10)) + pack(b"abc"), kind, 13) == (bytes(10) + b"abc", True)
    assert compression.expanded(pack(os.urandom(99))[:-20], kind, 99)[1] is False
    with pytest.raises(ValueError, match="more than 12 bytes"):
        compression.expanded(pack(bytes(10)) + pack(b"abc"), kind, 12)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        compression.expanded(pack(bytes(10**7)), kind, 1000)


def test_an_index_that_begins_in_the_data_gives_no_message_twice(tmp_path: Path) -> None:
    path = mcap(tmp_path / "a.mcap", SOME, chunk_size=300, enable_crcs=False)
    content = bytearray(path.read_bytes())
    first_chunk = 8 + 9 + int.from_bytes(content[9:17], "little")
    content[-28:-20] = first_chunk.to_bytes(8, "little")  # the footer's summary_start
    path.write_bytes(content)
    assert all_that_is_readable(path) == (SOME, "")


def test_more_messages_than_the_file_counts(tmp_path: Path) -> None:
    path = mcap(tmp_path / "a.mcap", SOME)
    content = bytearray(path.read_bytes())
    at = 8
    while content[at] != Opcode.MESSAGE_INDEX:
        at += 9 + int.from_bytes(content[at + 1 : at + 9], "little")
    content[at] = Opcode.MESSAGE
    path.write_bytes(content)
    assert "25 messages, and it counts 24" in all_that_is_readable(path)[1]


def killed(folder: Path, journal: str) -> tuple[Path, Path]:
    """An SQLite recording whose recorder was killed, and what that left over: 5 of 6 transactions, or part of one."""
    source = rosbag(folder / "source", SOME[:4]) / "source.db3"
    recorder = sqlite3.connect(source, isolation_level=None)
    recorder.executescript(f"PRAGMA journal_mode = {journal}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 2;")
    ids = dict(recorder.execute("SELECT name, id FROM topics"))
    for first in range(4, 24, 4) if journal == "WAL" else [0]:
        recorder.execute("BEGIN")
        if journal != "WAL":
            recorder.execute("DELETE FROM messages")
        for r in SOME[first : first + 4] if journal == "WAL" else 99 * SOME:
            row = ids[r.topic], r.stamp_ns, r.data
            recorder.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", row)
        if journal == "WAL":
            recorder.execute("COMMIT")
    end = "-wal" if journal == "WAL" else "-journal"
    (folder / "bag").mkdir()
    for ending in ("", end):
        shutil.copy(f"{source}{ending}", folder / "bag" / f"bag.db3{ending}")
    recorder.close()
    return folder / "bag", folder / "bag" / f"bag.db3{end}"


def test_a_left_over_wal_file_that_is_cut_is_said(tmp_path: Path) -> None:
    bag, wal = killed(tmp_path, "WAL")
    content = wal.read_bytes()
    page = 24 + int.from_bytes(content[8:12], "big")
    ends = {32 + page * (n + 1) for n in range(len(content) // page) if any(content[36 + page * n : 40 + page * n])}
    assert all_that_is_readable(bag) == (SOME, "") and len(ends) == 5
    for size in (*range(1, len(content), len(content) // 60), *ends - {len(content)}):
        wal.write_bytes(content[:size])
        got, error = all_that_is_readable(bag)
        assert got == SOME[: 4 + 4 * sum(end <= size for end in ends)], size
        assert ("-wal file is damaged or cut off" in error) == (size not in ends), size


def test_a_left_over_wal_file_with_a_flipped_bit_is_said(tmp_path: Path) -> None:
    bag, wal = killed(tmp_path, "WAL")
    content, chance = wal.read_bytes(), random.Random(8)
    page = 24 + int.from_bytes(content[8:12], "big")
    heads = [8 * (32 + page * chance.randrange(len(content) // page)) + chance.randrange(8 * 24) for _ in range(60)]
    for bit in (*range(0, 8 * 32, 5), *heads, *(chance.randrange(8 * len(content)) for _ in range(60))):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        wal.write_bytes(damaged)
        got, error = all_that_is_readable(bag)
        assert got == SOME[: len(got)] and (len(got) < 24) == ("-wal file is damaged or cut off" in error), bit
        assert len(got) < 24, bit


def test_pages_of_an_earlier_round_of_the_wal_file_are_none(tmp_path: Path) -> None:
    source = rosbag(tmp_path / "source", SOME[:20]) / "source.db3"
    recorder = sqlite3.connect(source, isolation_level=None)
    recorder.executescript("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;")
    recorder.execute("CREATE TABLE big AS SELECT randomblob(50000) AS x")
    recorder.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    ids = dict(recorder.execute("SELECT name, id FROM topics"))
    for r in SOME[20:]:
        row = ids[r.topic], r.stamp_ns, r.data
        recorder.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", row)
    (tmp_path / "bag").mkdir()
    for end in ("", "-wal"):
        shutil.copy(f"{source}{end}", tmp_path / "bag" / f"bag.db3{end}")
    recorder.close()
    assert (tmp_path / "bag" / "bag.db3-wal").stat().st_size > 50000
    assert all_that_is_readable(tmp_path / "bag") == (SOME, "")


def test_a_left_over_journal_restores_or_is_said(tmp_path: Path) -> None:
    bag, journal = killed(tmp_path, "DELETE")
    content, chance = journal.read_bytes(), random.Random(8)
    assert all_that_is_readable(bag) == (SOME[:4], "") and len(content) > 10**4
    for size in range(1, len(content), 500):
        journal.write_bytes(content[:size])
        got, error = all_that_is_readable(bag)
        assert got == SOME[:4] or "-journal file is damaged or cut off" in error, size
    for bit in (*range(64), *(chance.randrange(8 * len(content)) for _ in range(60))):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        journal.write_bytes(damaged)
        got, error = all_that_is_readable(bag)
        assert got == SOME[:4] or error, bit
    journal.write_bytes(bytes(512) + content[512:])
    assert "journal" not in all_that_is_readable(bag)[1]  # one that is done with


NOTHING = {
    "empty": (b"", "an empty file"),
    "zeros": (bytes(5000), "expected an MCAP or SQLite file"),
    "ROS 1": (b"#ROSBAG V2.0\n" + bytes(99), "a ROS 1 recording; convert it"),
    "packed twice": (zstd.compress(zstd.compress(b"x")), "expected an MCAP or SQLite file"),
    "SQLite of something else": (None, "expected tables topics and messages, got other"),
}


@pytest.mark.parametrize(("content", "said"), NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("name", ["a.mcap", "a.db3"])
def test_no_recording(tmp_path: Path, content: bytes | None, said: str, name: str) -> None:
    path = tmp_path / name
    if content is None:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE other(x)")
        db.close()
    else:
        path.write_bytes(content)
    got, error = all_that_is_readable(path)
    assert got == [] and said in error and "(0 messages could be read)" in error


def test_a_view_in_the_place_of_a_table_is_not_asked(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(timestamp) AS (SELECT 1 UNION ALL SELECT timestamp + 1 FROM n) SELECT timestamp FROM n"
    with sqlite3.connect(tmp_path / "a.db3") as db:
        db.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT)")
        db.execute(f"CREATE VIEW messages AS {endless}")
    db.close()
    assert "expected tables topics and messages, got topics" in all_that_is_readable(tmp_path / "a.db3")[1]


def test_folder_of_a_ros_1_recording(tmp_path: Path) -> None:
    (tmp_path / "a.bag").write_bytes(b"#ROSBAG V2.0\n")
    assert "a ROS 1 recording; convert it" in all_that_is_readable(tmp_path)[1]


def test_topics_of_what_can_be_read(tmp_path: Path) -> None:
    path = mcap(tmp_path / "a.mcap", SOME, chunk_size=300)
    os.truncate(path, path.stat().st_size // 2)
    assert topic_types(path) == {"/topic_0": STRING, "/topic_1": STRING}
