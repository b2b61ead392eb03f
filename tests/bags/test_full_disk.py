"""A recording that the disk has no room for: one clear error, and all that was written can be read."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from recordings import all_that_is_readable, records

from vlsam_ros.bags.writer import BagWriter
from vlsam_ros.errors import BagError

ROOM = 3 << 20


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond `ROOM`; the system says so as it does of a full disk, but for the words."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_while_it_is_written(tmp_path: Path, small_disk: None) -> None:
    some = records(60, size=100_000)
    said = "can't be written: File too large; the messages before can be read"
    with pytest.raises(BagError, match=said), BagWriter(tmp_path / "bag") as bag:
        for record in some:
            bag.write(record.topic, record.type_name, record.stamp_ns, record.data)
    got, error = all_that_is_readable(tmp_path / "bag")
    assert got == some[: len(got)] and len(got) * 100_000 > ROOM * 0.6
    assert f"({len(got)} messages could be read)" in error


def test_full_at_its_end(tmp_path: Path, small_disk: None) -> None:
    some = records(8, size=(ROOM - 3000) // 8)  # all but the index
    with pytest.raises(BagError, match="can't be written"), BagWriter(tmp_path / "bag") as bag:
        for record in some:
            bag.write(record.topic, record.type_name, record.stamp_ns, record.data)
    got, _ = all_that_is_readable(tmp_path / "bag")
    assert got == some[: len(got)] and len(got) >= 6


def test_another_error_is_not_hidden(tmp_path: Path, small_disk: None) -> None:
    some = records(40, size=100_000)
    with pytest.raises(ZeroDivisionError), BagWriter(tmp_path / "bag") as bag:
        for record in some[:29]:
            bag.write(record.topic, record.type_name, record.stamp_ns, record.data)
        raise ZeroDivisionError
    got, _ = all_that_is_readable(tmp_path / "bag")
    assert got == some[: len(got)] and len(got) > 15
