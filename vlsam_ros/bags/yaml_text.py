"""YAML from recordings. What repeats (aliases, merge keys) is bounded by what it would be when written out."""

from __future__ import annotations

import math
from typing import Any

import yaml

LIMIT = 2**21
"""Letters; the metadata of 5000 splits."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: bytes | str) -> Any:
    """What one document says; None if it is empty.

    Raises:
        ValueError: it is no YAML, or longer than `LIMIT`, also after writing out what repeats.
    """
    if len(text) > LIMIT:
        raise ValueError(f"more than {LIMIT} letters of YAML")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None and _size(node, {}) > LIMIT:
            raise ValueError(f"YAML that repeats itself to more than {LIMIT} letters")
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no YAML: {' '.join(str(error).split())}") from error
    finally:
        loader.dispose()


def _size(node: Any, sizes: dict[int, float]) -> float:
    """Letters and parts of a node with aliases written out; one that holds itself is infinite."""
    if id(node) not in sizes:
        sizes[id(node)] = math.inf
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        inner = len(parts) if isinstance(node, yaml.ScalarNode) else sum(_size(part, sizes) for part in parts)
        sizes[id(node)] = 1 + inner
    return sizes[id(node)]
