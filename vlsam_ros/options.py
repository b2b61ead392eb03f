"""What an option is: a dataclass field with its range and doc, what is checked of a value, and its place in a file."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError

NODE = "vlsam_detector"
"""The detector's name as a ROS node."""

MAX_BYTES = 1 << 18
"""Largest parameter file: some hundred times ours, and read in seconds."""

MAX_DEPTH = 50
"""Most levels of a parameter file: namespaces, groups and lists."""

_WORDS = {word: word in ("y", "yes", "on", "true") for word in ("y", "yes", "on", "true", "n", "no", "off", "false")}
_WHOLE = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)|\.nan|[+-]?\.inf", re.IGNORECASE)


def option(default: Any, doc: str, *, low: float | None = None, high: float | None = None, choices: tuple = ()) -> Any:
    """A dataclass field with its range or choices, and its doc."""
    metadata = {"doc": doc, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def device_option() -> Any:
    """Where a model runs."""
    return option("auto", "torch device ('auto': cuda if there is one, else cpu)")


def dtype_option(of: str) -> Any:
    """The type of its weights, or what else `of` says."""
    choices = ("auto", "float32", "float16", "bfloat16")
    return option(
        "auto",
        f"{of} type ('auto': bfloat16 on cuda, float16 on cards older than Ampere, float32 on cpu)",
        choices=choices,
    )


@dataclass(frozen=True)
class Option:
    """One option as the rest of the house sees it."""

    group: str
    key: str
    default: Any
    doc: str
    low: float | None
    high: float | None
    choices: tuple

    @property
    def name(self) -> str:
        """The flat name ``group.option``."""
        return f"{self.group}.{self.key}"

    @property
    def item(self) -> type:
        """What a list holds: float or str."""
        return type(self.default[0]) if self.default else str

    @property
    def type(self) -> type:
        """bool, int, float, str or list."""
        return type(self.default)

    def check(self, value: Any) -> Any:
        """The value in the option's type, or `ConfigError`."""
        if self.type is not list:
            return self._checked(value, self.type)
        kind, wanted = ("numbers", (int, float)) if self.item is float else ("strings", (str,))
        if not isinstance(value, (list, tuple, array)) or not all(type(v) in wanted for v in value):
            raise ConfigError(f"{self.name}: expected a list of {kind}, got {value!r}")
        return [self._checked(v, self.item) for v in value]

    def _checked(self, value: Any, wanted: Any) -> Any:
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise ConfigError(f"{self.name}: expected {wanted.__name__}, got {type(value).__name__} {value!r}")
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.name}: expected one of {', '.join(self.choices)}, got {value!r}")
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise ConfigError(f"{self.name}: expected {self.low:g} to {self.high:g}, got {value!r}")
        return value


def declared(groups: type) -> Iterator[Option]:
    """Every option of a dataclass whose fields are groups of options, in the order of declaration."""
    for group in fields(groups):
        defaults = kind(group)()
        for f in fields(defaults):
            m = f.metadata
            default = getattr(defaults, f.name)
            yield Option(group.name, f.name, default, m["doc"], m["low"], m["high"], m["choices"])


def kind(group: Field) -> Callable[..., Any]:
    """The dataclass of one group."""
    assert group.default_factory is not MISSING
    return group.default_factory


def in_file(path: Path | str) -> dict[str, Any]:
    """``{'group.option': value}`` of the detector's sections in a ROS parameter file, unchecked.

    The file is read as rcl reads it for the node, so that both take the same files: `scalar` says what a value is, and
    a later section wins. Sections of other nodes are left out; ``[]`` and ``{}`` are None, as they have no type there.

    Raises:
        ConfigError: the file can't be read, is no parameter file, or has options for detectors in two namespaces.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        _check_size(data)
        documents = yaml.compose_all(data, Loader=_AsWritten)
        sections = [section for document in documents if document for section in _sections(document)]
    except (OSError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"can't read the profile {path}: {error}") from error
    except _NoParameters as error:
        raise ConfigError(f"{path}: {error}") from error
    found = [(name, values) for name, values in sections if name[-1] == NODE or not "".join(name).strip("*")]
    spaces = sorted({"/".join(name) for name, _ in found if "".join(name[:-1]).strip("*")})
    if len(spaces) > 1:
        raise ConfigError(f"{path}: expected the options of one detector, got those of {', '.join(spaces)}")
    return {name: value for _, values in found for name, value in values.items()}


def scalar(text: str) -> bool | int | float | str:
    """An unquoted value as rcl's parser takes it: YAML 1.1's words, C's numbers, and all else is text."""
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        digits = text.lstrip("+-")
        number = int(digits, 8 if digits.isdigit() and digits[0] == "0" else 0)
        number = -number if text[0] == "-" else number
        return number if -(1 << 63) <= number < 1 << 63 else float(number)
    if _DECIMAL.fullmatch(text):
        return float(text) if math.isfinite(float(text)) else text
    return float(text.replace(".", "")) if _NO_NUMBER.fullmatch(text) else text


def _check_size(data: bytes) -> None:
    """Only what can be read in little time and memory; aliases have no end, and ROS takes none."""
    if len(data) > MAX_BYTES:
        raise _NoParameters(f"expected a parameter file of at most {MAX_BYTES} bytes")
    depth = 0
    for event in yaml.parse(data):  # one by one: it looks no farther than it must
        if isinstance(event, yaml.AliasEvent):
            raise _NoParameters("expected no aliases ('*name'), since ROS takes none")
        opens = isinstance(event, yaml.CollectionStartEvent)
        depth += opens - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _NoParameters(f"expected at most {MAX_DEPTH} levels")


class _AsWritten(yaml.SafeLoader):
    """Nodes with the tag that is written, and none that YAML would add."""

    def resolve(self, kind: type, value: Any, implicit: Any) -> str:
        return ""


class _NoParameters(Exception):
    """What is wrong with a parameter file."""


def _sections(node: yaml.Node, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each node's namespaces and name, and its parameters."""
    if not isinstance(node, yaml.MappingNode):
        raise _NoParameters("expected '/**: ros__parameters:' with options below, as in config/embedded.yaml")
    for key, value in node.value:
        if key.value != "ros__parameters":
            yield from _sections(value, (*name, *str(key.value).strip("/").split("/")))
        elif name and isinstance(value, yaml.MappingNode):
            yield name, dict(_parameters(value))
        else:
            raise _NoParameters("expected a node's name above ros__parameters, and options below")


def _parameters(node: yaml.MappingNode, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings, with dotted names."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _parameters(value, f"{name}.")
        elif isinstance(value, yaml.ScalarNode):
            yield name, _scalar(name, value)
        else:
            items = [_scalar(name, item) for item in value.value]
            if len({type(item) for item in items}) > 1:
                raise _NoParameters(f"{name}: expected items of one type, got {items}")
            yield name, items or None


def _scalar(name: str, node: yaml.Node) -> bool | int | float | str:
    if not isinstance(node, yaml.ScalarNode):
        raise _NoParameters(f"{name}: expected a list of plain values, got one of lists or mappings")
    if node.style in ("'", '"') or node.tag == "tag:yaml.org,2002:str":
        return node.value
    if not node.value:
        raise _NoParameters(f"{name}: expected a value, got none")
    return scalar(node.value)
