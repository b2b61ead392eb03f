"""The rooms of the house stand on each other: nothing imports upwards, so there is no circle."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from vlsam_ros._moved import MOVED

PACKAGE = Path(__file__).resolve().parents[1] / "vlsam_ros"
ORDER = (
    *("errors", "options", "config", "data", "embedded", "backends", "recognition", "localisation", "ensemble"),
    *("tracking", "pipeline", "output", "serving", "bags", "synthetic", "evaluation", "ros", "demo", "cli"),
)
"""From the ground up; a module may import those before its own room."""
MODULES = sorted(
    p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE).parts[0] not in ("__init__.py", "_moved.py")
)


def imported(path: Path) -> set[str]:
    """Dotted names below vlsam_ros that a file imports, at its top or in its functions."""
    package = ["vlsam_ros", *path.relative_to(PACKAGE).parts[:-1]]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("vlsam_ros.") for name in names if name.startswith("vlsam_ros.")}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_upwards(path: Path) -> None:
    below = set(ORDER[: ORDER.index(room(path)) + 1]) | {"__version__"}
    messages = {"msg", "srv"} if room(path) == "ros" else set()  # made by the build
    assert {name.split(".")[0] for name in imported(path)} - below - messages == set()


def test_every_room_is_in_the_order() -> None:
    assert {room(path) for path in MODULES} == set(ORDER)


def test_only_ros_imports_ros() -> None:
    ros = ("rclpy", "sensor_msgs", "std_msgs", "diagnostic_msgs", "vlsam_ros.msg", "cv_bridge")
    leaks = [
        p
        for p in MODULES
        if room(p) != "ros" and any(f"import {n}" in t or f"from {n}" in t for t in [p.read_text()] for n in ros)
    ]
    assert leaks == []


@pytest.mark.parametrize("old", MOVED)
def test_the_old_names_import_the_same_modules(old: str) -> None:
    with pytest.warns(DeprecationWarning, match=MOVED[old]):
        import sys

        sys.modules.pop(old, None)
        assert importlib.import_module(old) is importlib.import_module(MOVED[old])


@pytest.mark.parametrize("module", ["vlsam_ros.ros.node", "vlsam_ros.serving.beside"])
def test_no_process_but_the_models_loads_what_models_need(module: str) -> None:
    pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")
    heavy = ("torch", "transformers", "supervision", "matplotlib", "openai")
    code = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
