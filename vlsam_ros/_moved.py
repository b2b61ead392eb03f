"""Where 0.1's modules went: their old names still import the same modules, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    f"vlsam_ros.{module}": f"vlsam_ros.{room}.{module}"
    for room, modules in {
        "recognition": ("questions", "words", "flow", "attention", "verify"),
        "localisation": ("prompts", "refine", "grounding", "score"),
        "ensemble": ("tiling", "schedule", "merge", "synonyms"),
        "output": ("messages", "rle", "overlay", "hazard", "files"),
    }.items()
    for module in modules
}
"""Old name -> new name."""


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        new = MOVED[module.__name__]
        warnings.warn(f"{module.__name__} has moved to {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = import_module(new)  # the import statement returns what stands there


sys.meta_path.append(_Finder())
