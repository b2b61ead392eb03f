"""From a free label to a hazard class that planners know (the numbers of Autoware's ObjectClassification).

The tables are files: ``config/hazards.yaml``, which says how a label is looked up, and a user's own over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

import yaml

from ..config import shipped
from ..errors import ConfigError

UNKNOWN, CAR, TRUCK, BUS, TRAILER, MOTORCYCLE, BICYCLE, PEDESTRIAN, ANIMAL = range(9)
HAZARD, OVER_DRIVABLE, UNDER_DRIVABLE = 9, 10, 11
CLASSES = (
    *("UNKNOWN", "CAR", "TRUCK", "BUS", "TRAILER", "MOTORCYCLE", "BICYCLE", "PEDESTRIAN", "ANIMAL"),
    *("HAZARD", "OVER_DRIVABLE", "UNDER_DRIVABLE"),
)
"""The classes' names, in the order of their numbers."""

_LARGEST_FILE = 1 << 16
_BEHIND_HEAD = r"on|in|at|of|with|near|by|behind|under|beside|from|for|along|across|lying|parked|standing"
_PREPOSITION = re.compile(rf"\b(?:{_BEHIND_HEAD})\b")
_NO_LETTERS = re.compile(r"[\W\d_]+")


class Hazards:
    """A table of names and their classes.

    Args:
        classes: plain lower-case name -> number of its class.
    """

    def __init__(self, classes: Mapping[str, int]) -> None:
        self.classes = dict(classes)
        self.class_of = lru_cache(1 << 12)(self._class_of)
        """Label -> number of its class; `UNKNOWN` if no part of it is in the table."""

    def _class_of(self, label: str) -> int:
        words = _plain(label)
        head = (_PREPOSITION.split(words, maxsplit=1)[0] or words).split()
        for part in (words, *(" ".join(head[-count:]) for count in (3, 2, 1))):
            for name in _singular(part):
                if name in self.classes:
                    return self.classes[name]
        return UNKNOWN


@cache
def load(path: str = "") -> Hazards:
    """The table that comes with the package, and a user's file over it; read once.

    Raises:
        ConfigError: no such file, or it is no table of names.
    """
    return Hazards(_read(shipped("hazards.yaml")) | (_read(Path(path)) if path else {}))


def hazard_class(label: str) -> int:
    """The number of a label's class by the package's own table."""
    return load().class_of(label)


def _read(path: Path) -> dict[str, int]:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise ConfigError(f"hazards {path}: expected at most {_LARGEST_FILE} characters")
        root = yaml.compose(text, yaml.SafeLoader)
    except (OSError, UnicodeError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"hazards {path}: can't be read: {' '.join(str(error).split())}") from error
    classes: dict[str, int] = {}
    for name, wanted in _entries(root, path):
        number = CLASSES.index(wanted)
        if classes.setdefault(name, number) != number:
            raise ConfigError(f"hazards {path}: {name!r} is both {CLASSES[classes[name]]} and {wanted}")
    return classes


def _entries(root: yaml.Node | None, path: Path) -> Iterator[tuple[str, str]]:
    """Each name and its class, as they are written: YAML takes an unquoted ``no`` for False."""
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"hazards {path}: expected classes with lists of names, such as 'HAZARD: [kart]'")
    for key, names in root.value:
        where = f"hazards {path}, line {key.start_mark.line + 1}"
        if key.value not in CLASSES:
            raise ConfigError(f"{where}: expected one of {', '.join(CLASSES)}, got {key.value!r:.80}")
        if not isinstance(names, yaml.SequenceNode):
            raise ConfigError(f"{where}: {key.value}: expected a list of names, such as [kart, e-scooter]")
        for node in names.value:
            name = _plain(node.value) if isinstance(node, yaml.ScalarNode) else ""
            if not name:
                raise ConfigError(f"{where}: {key.value}: expected a name with letters, got {node.value!r:.80}")
            yield name, key.value


def _plain(label: str) -> str:
    return " ".join(_NO_LETTERS.sub(" ", label.lower()).split())


def _singular(name: str) -> tuple[str, ...]:
    """The name and what it may be the plural of: boxes -> boxe, box; batteries -> battery."""
    if not name.endswith("s"):
        return (name,)
    return (name, name[:-1], name.removesuffix("es"), name.removesuffix("ies") + "y")
