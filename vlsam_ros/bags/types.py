"""ROS 2 message types for recordings, without ROS: Jazzy's common packages and ours."""

from __future__ import annotations

import os
import re
from functools import cache, lru_cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from vlsam_ros.bags.earlier import DEFINITIONS
from vlsam_ros.errors import BagError
from vlsam_ros.output.messages import Types

PACKAGE = "vlsam_ros"

MAX_DEFINITION, MAX_FIXED = 1 << 16, 64
"""Characters of a recording's definition of a message, and entries of its arrays of a fixed size, that are used."""


@cache
def store() -> Typestore:
    """Every known type, ours read from the package's .msg files.

    Raises:
        BagError: the .msg files are neither in the source folder nor in an installed share folder.
    """
    result = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for file in _definitions():
        types.update(get_types_from_msg(file.read_text(), f"{PACKAGE}/msg/{file.stem}"))
    result.register(types)
    return result


@cache
def earlier() -> Typestore:
    """The same with our messages as they once were."""
    result = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for name, fields in DEFINITIONS.items():
        types.update(get_types_from_msg(dedent(fields), f"{PACKAGE}/msg/{name}"))
    result.register(types)
    return result


@lru_cache(32)
def recorded(definition: str, type_name: str) -> Typestore | None:
    """The same with our messages as a recording itself defines them; None if it can't be used.

    Args:
        definition: of the type and of all that it is made of, as MCAP has it; not trusted: a long one, or one with long
            arrays of a fixed size, is not used.
    """
    sizes = [int(size) for size in re.findall(r"\[(\d+)\]", definition)]
    if len(definition) > MAX_DEFINITION or any(size > MAX_FIXED for size in sizes):
        return None
    result = get_typestore(Stores.ROS2_JAZZY)
    try:
        types = get_types_from_msg(definition, type_name)
        result.register({name: fields for name, fields in types.items() if name.startswith(f"{PACKAGE}/")})
    except (TypesysError, ValueError, RecursionError):
        return None
    return result


def _definitions() -> list[Path]:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [Path(__file__).parents[2] / "msg", *(Path(p, "share", PACKAGE, "msg") for p in prefixes if p)]
    for folder in folders:
        if files := sorted(folder.glob("*.msg")):
            return files
    raise BagError(f"no .msg files of {PACKAGE} in any of: {', '.join(map(str, folders))}")


def make(name: str, **fields: Any) -> object:
    """A message of type ``package/msg/Name``."""
    return store().types[name](**fields)


TYPES = Types(make=make, uint32=lambda a: np.asarray(a, np.uint32))
"""For `vlsam_ros.output.messages`."""
