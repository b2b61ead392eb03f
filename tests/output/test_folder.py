"""Nothing is replaced or removed that the command did not make."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from vlsam_ros.errors import OutputError
from vlsam_ros.output.folder import MARKER, OutputFolder, writing

COMMAND = "a test"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MARKER}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with what an earlier run made, and what the user put beside it."""
    folder = OutputFolder(tmp_path / "out", COMMAND)
    folder.write("a.json", "old")
    folder.write("sub/b.json", b"old")
    (folder.path / "mine.txt").write_text("mine")
    (folder.path / "sub" / "mine.txt").write_text("mine")
    return folder.path


@pytest.mark.parametrize("made", [False, True], ids=["new", "empty"])
def test_a_new_or_empty_folder_is_made_with_its_first_file(tmp_path: Path, made: bool) -> None:
    path = tmp_path / "x" / "y"
    if made:
        path.mkdir(parents=True)
    folder = OutputFolder(path, COMMAND)
    assert path.exists() == made
    folder.write("caf\udce9 \ud800.txt".replace("\ud800", "日\n本"), "caf\udce9")
    assert list(tree(path).values()) == [b"caf\\udce9"]
    OutputFolder(path, COMMAND).clear()
    assert tree(path) == {}


def test_a_second_run_replaces_its_own_files_alone(out: Path) -> None:
    folder = OutputFolder(out, COMMAND)
    folder.write("a.json", "new")
    for name in ("mine.txt", "sub/mine.txt"):
        for use in (folder.claim, folder.new, lambda n: folder.write(n, "")):
            with pytest.raises(OutputError, match=r"mine.txt is there, and a test did not make it"):
                use(name)
    assert tree(out) == {"a.json": b"new", "sub/b.json": b"old", "mine.txt": b"mine", "sub/mine.txt": b"mine"}
    assert folder.claim("sub/b.json").read_text() == "old"
    assert not folder.new("sub/b.json").exists()


def test_clearing_leaves_what_is_not_its_own(out: Path) -> None:
    OutputFolder(out, COMMAND).write("deep/er/c.json", "c")
    OutputFolder(out, COMMAND).clear("sub/*")
    assert set(tree(out)) == {"a.json", "mine.txt", "sub/mine.txt", "deep/er/c.json"}
    OutputFolder(out, COMMAND).clear()
    assert set(tree(out)) == {"mine.txt", "sub/mine.txt"} and not (out / "deep").exists()


REFUSED = {
    "somebody's files": (lambda path: (path.mkdir(), (path / "report.json").write_text("mine")), "did not make"),
    "an empty folder inside": (lambda path: (path / "logs").mkdir(parents=True), "did not make"),
    "a file": (lambda path: path.write_text("mine"), "expected a folder"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "expected a folder"),
    "another command's": (lambda path: OutputFolder(path, "another").write("x", ""), "a test did not make"),
    "an empty marker": (lambda path: (path.mkdir(), (path / MARKER).touch()), "did not make"),
    "below a file": (lambda path: path.parent.joinpath("out").write_text(""), "Not a directory"),
}


def test_what_is_put_where_a_file_was_cleared_is_somebody_elses(out: Path) -> None:
    folder = OutputFolder(out, COMMAND)
    folder.write("mine.json", "{}")
    folder.write("kept.txt", "kept")
    folder.clear("*.json")
    (out / "mine.json").write_text("somebody's")
    with pytest.raises(OutputError, match="mine.json is there, and .* did not make it"):
        OutputFolder(out, COMMAND).write("mine.json", "{}")
    OutputFolder(out, COMMAND).clear()
    assert (out / "mine.json").read_text() == "somebody's" and not (out / "kept.txt").exists()


def test_a_folder_in_the_place_of_an_own_file_stays(out: Path) -> None:
    OutputFolder(out, COMMAND).write("sub.json", "{}")
    (out / "sub.json").unlink()
    (out / "sub.json").mkdir()
    OutputFolder(out, COMMAND).clear()
    assert (out / "sub.json").is_dir()


@pytest.mark.parametrize("case", REFUSED)
def test_other_folders_are_refused_and_stay_as_they_are(tmp_path: Path, case: str) -> None:
    make, said = REFUSED[case]
    path = tmp_path / "out"
    make(path)
    before = tree(tmp_path)
    with pytest.raises(OutputError, match=said):
        OutputFolder(path / "x" if case == "below a file" else path, COMMAND).write("a", "")
    assert tree(tmp_path) == before


def test_no_link_leads_a_file_elsewhere(out: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "b.json").write_text("precious")
    (out / "a.json").unlink()
    (out / "a.json").symlink_to(tmp_path / "precious" / "b.json")
    (out / "sub").rename(tmp_path / "sub")
    (out / "sub").symlink_to(tmp_path / "precious")
    folder = OutputFolder(out, COMMAND)
    folder.write("a.json", "new")
    with pytest.raises(OutputError, match="leads out of"):
        folder.write("sub/b.json", "new")
    folder.clear()
    assert tree(tmp_path / "precious") == {"b.json": b"precious"}
    assert not os.path.lexists(out / "a.json")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ".", ""])
def test_names_stay_inside_also_those_that_a_marker_holds(out: Path, name: str) -> None:
    (out.parent / "x").write_text("mine")
    with (out / MARKER).open("a") as file:
        file.write(f"\n{json.dumps(name)}")
    with pytest.raises(OutputError, match="leads out of"):
        OutputFolder(out, COMMAND).write(name, "")
    OutputFolder(out, COMMAND).clear()
    assert (out.parent / "x").read_text() == "mine" and out.exists()


def test_a_marker_that_was_cut_off_still_counts(out: Path) -> None:
    marker = out / MARKER
    marker.write_text(marker.read_text()[:-3])
    folder = OutputFolder(out, COMMAND)
    folder.write("a.json", "new")
    folder.write("c.json", "new")
    OutputFolder(out, COMMAND).write("c.json", "newer")
    with pytest.raises(OutputError, match="is there"):  # its line is the one that was cut
        folder.write("sub/b.json", "new")


def test_no_room_is_an_error_and_leaves_no_half_file(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out", COMMAND)
    folder.write("first", "")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(OutputError, match=r"can't write .*large: File too large"):
            folder.write("large", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(folder.path) == {"first": b""}


def test_what_the_system_refuses_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't write .*none: No such file"), writing(tmp_path / "none"):
        (tmp_path / "none" / "x").write_text("")
