"""What an option is: a dataclass field with its range and doc, what is checked of a value, and its place in a file."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import ConfigError


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
    return option("auto", f"{of} type ('auto': float16 on cuda, float32 on cpu)", choices=choices)


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
    """``{'group.option': value}`` of a ROS parameter file (``/**: ros__parameters: …``), unchecked.

    Raises:
        ConfigError: the file can't be read, or has no ``ros__parameters``.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"can't read the profile {path}: {error}") from error
    nodes = content.values() if isinstance(content, dict) else ()
    found = [node["ros__parameters"] for node in nodes if isinstance(node, dict) and "ros__parameters" in node]
    if not found or not all(isinstance(parameters, dict) for parameters in found):
        raise ConfigError(f"{path}: expected '/**: ros__parameters:' with options below, as in config/embedded.yaml")
    return {name: value for parameters in found for name, value in _flattened(parameters)}


def _flattened(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings, with dotted names."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
