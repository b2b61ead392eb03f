"""Folders of results, by one rule for all commands: nothing is replaced or removed that the command did not make.

A command writes into a new or empty folder, or into one that it made before: there a file `.vlsam_ros` says which
command it was and, line by line, which files it made.
"""

from __future__ import annotations

import fnmatch
import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path, PurePosixPath

from ..errors import OutputError

MARKER = ".vlsam_ros"
FOLDER = "folder for results, a new one or of an earlier run (%(default)s)"
"""What a command line's `--out` is."""

_CURE = "name a new or empty folder, or move them away"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses inside (no space, no permission …) becomes an `OutputError` that names the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}") from error


class OutputFolder:
    """A folder that a command writes into; it is made with its first file.

    Names of files are relative to it and may begin with sub-folders. Nothing is written through a link inside it.
    """

    def __init__(self, path: Path, command: str) -> None:
        """Look whether the folder may be used.

        Raises:
            OutputError: it is no folder, or there is something in it, and the command did not make it.
        """
        self.path, self._command = path, command
        self._first = f"Made by {command}, which may replace or remove these files:"
        with writing(path):
            self._own = self._listed()

    def claim(self, name: str) -> Path:
        """The path of a file that is to be written or, if the command made it before, continued.

        Raises:
            OutputError: something is there that the command did not make.
        """
        path = self.path / name
        with writing(path):
            if not _inside(name) or self._through_link(name):
                raise OutputError(f"{path} leads out of {self.path}")
            if name not in self._own:
                if os.path.lexists(path):
                    raise OutputError(
                        f"{path} is there, and {self._command} did not make it: name another folder, or move it away"
                    )
                self._list(name)
        return path

    def new(self, name: str) -> Path:
        """The path of a file that is to be written from its start: nothing is there, but its folder is.

        Raises:
            OutputError: as `claim`.
        """
        path = self.claim(name)
        with writing(path):
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file as a whole; an older one that the command made is replaced.

        Raises:
            OutputError: as `claim`, or it can't be written; no part of it is left then.
        """
        data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        path = self.new(name)
        with writing(path):
            file = path.open("xb")
            try:
                with file:
                    file.write(data)
            except OSError:
                path.unlink()
                raise

    def clear(self, pattern: str = "*") -> None:
        """Remove the files that the command made and whose names match, and the folders that are empty then.

        What is there under such a name later is somebody else's.
        """
        with writing(self.path):
            names = fnmatch.filter(self._own, pattern)
            for name in names:
                path = self.path / name
                if (path.is_file() or path.is_symlink()) and not self._through_link(name):
                    path.unlink()
                    with suppress(OSError):  # somebody else's files are in it
                        for folder in path.parents[: len(PurePosixPath(name).parts) - 1]:
                            folder.rmdir()
                self._own.remove(name)
            if names and (self.path / MARKER).exists():
                lines = [self._first, *map(json.dumps, sorted(self._own))]
                new = self.path / f"{MARKER}.new"
                new.write_text("\n".join(lines), encoding="ascii")
                new.replace(self.path / MARKER)

    def _listed(self) -> set[str]:
        if not os.path.lexists(self.path):
            return set()
        if not self.path.is_dir():
            raise OutputError(f"{self.path}: expected a folder, or nothing yet")
        marker = self.path / MARKER
        if marker.is_file() and not marker.is_symlink():
            first, *lines = marker.read_text("ascii", "replace").split("\n")
            if first == self._first:
                return {name for name in map(_name, lines) if name}
        elif not any(self.path.iterdir()):
            return set()
        raise OutputError(f"{self.path} holds files that {self._command} did not make: {_CURE}")

    def _list(self, name: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / MARKER).open("a", encoding="ascii") as file:
            file.write(f"{'' if file.tell() else self._first}\n{json.dumps(name)}")
        self._own.add(name)

    def _through_link(self, name: str) -> bool:
        folders = PurePosixPath(name).parents
        return any((self.path / folder).is_symlink() for folder in folders if folder.parts)


def unique(names: Sequence[str]) -> Iterator[str]:
    """The names, all different, also where a file system takes no notice of case.

    The first of a name has it as it is; others are numbered, past all names that are there.
    """
    taken, seen = {_key(name) for name in names}, set[str]()
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
    for name in names:
        key = _key(name)
        if key in seen:
            name = next(n for i in numbers[key] if _key(n := f"{name}_{i}") not in taken)
            taken.add(_key(name))
        seen.add(key)
        yield name


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _name(line: str) -> str:
    """The name that a line of the marker holds; empty if it is none, such as a line that was cut off."""
    try:
        name = json.loads(line)
    except ValueError:
        return ""
    return name if isinstance(name, str) and _inside(name) else ""


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
