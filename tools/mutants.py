"""Small changes of the method, one at a time, each against its room's tests: what survives is equivalent or untested.

    make mutants ARGS="200 --seed 1 --only localisation/refine"

Each change is made in a copy of the tree; the room's tests and the pipeline's run until one fails. Changes of
annotations, of errors' messages and of `strict=` are left out.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("vlsam_ros", "tests", "config", "pyproject.toml")
ROOMS = ("recognition", "localisation", "ensemble")
HEAVY = ("pytest", "numpy", "cv2", "torch", "scipy.optimize", "transformers")
"""Imported once; each change is tried in a fork."""

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.Invert: (ast.UAdd,), ast.USub: (ast.UAdd,),
}  # fmt: skip
PAIRS = (
    *("min max", "minimum maximum", "argmin argmax", "amin amax", "any all", "floor ceil", "sum mean", "zeros ones"),
    *("zeros_like ones_like", "INTER_CUBIC INTER_NEAREST", "dilate erode", "startswith endswith", "tril triu"),
)
NAMES = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}
SYMMETRIC = ("min", "max", "minimum", "maximum", "hypot", "isinstance", "intersection")
"""Functions whose arguments may change places, or must not."""

Change = tuple[int, str, Callable[[], None]]


def changes(node: ast.AST) -> Iterator[Change]:
    """Everything that can be changed below a node: line, what, and a function that does it in place."""
    if isinstance(node, ast.Raise) or (isinstance(node, ast.keyword) and node.arg == "strict"):
        return
    if isinstance(node, ast.expr | ast.stmt | ast.keyword):
        yield from ((node.lineno, what, change) for what, change in _own(node))
        yield from _drops(node)
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in ("annotation", "returns", "decorator_list"):
                yield from changes(child)


def _own(node: Any) -> Iterator[tuple[str, Callable[[], None]]]:
    if isinstance(op := getattr(node, "op", getattr(node, "ops", [None])), ast.AST | list):
        one, many = (op, False) if isinstance(op, ast.AST) else (op[0], True)
        for new in OPERATORS.get(type(one), ()):
            yield (
                f"{type(one).__name__} -> {new.__name__}",
                partial(setattr, node, "ops" if many else "op", [new(), *op[1:]] if many else new()),
            )
    match node:
        case ast.Constant(value=bool(old)):
            yield f"{old} -> {not old}", partial(setattr, node, "value", not old)
        case ast.Constant(value=int(old) | float(old)):
            for new in (old + 1, old - 1):
                yield f"{old} -> {new}", partial(setattr, node, "value", new)
        case ast.Name(id=old) if old in NAMES:
            yield f"{old} -> {NAMES[old]}", partial(setattr, node, "id", NAMES[old])
        case ast.Attribute(attr=old) if old in NAMES:
            yield f"{old} -> {NAMES[old]}", partial(setattr, node, "attr", NAMES[old])
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[a, b, *rest]) if (
            called not in SYMMETRIC and not any(isinstance(x, ast.Starred) for x in (a, b))
        ):
            yield "arguments swapped", partial(setattr, node, "args", [b, a, *rest])
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "condition negated", partial(setattr, node, "test", ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[test, *_]):
            yield "filter dropped", partial(node.ifs.remove, test)


def _drops(node: Any) -> Iterator[Change]:
    """Its statements, one left out at a time."""
    for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
        for i, line in enumerate(body if isinstance(body, list) else []):
            plain = isinstance(line, ast.AugAssign | ast.Raise | ast.Continue | ast.Break)
            if plain or (isinstance(line, ast.Expr) and not isinstance(line.value, ast.Constant)):
                yield line.lineno, "dropped", partial(body.__setitem__, i, ast.Pass())


def tests(room: str) -> int:
    """Runs a room's tests and the pipeline's in the current folder until one fails; 0: none did."""
    pytest = importlib.import_module("pytest")
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", f"tests/{room}", "tests/test_pipeline.py"])


def _forked(copy: Path, room: str, log: Path) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(out, 2)
    os.chdir(copy)
    sys.path[:0], sys.dont_write_bytecode = [str(copy), str(copy / "tests")], True
    os._exit(int(tests(room)))


def survives(copy: Path, room: str, limit_s: float | None = None) -> bool:
    """Whether a room's tests pass in a copy of the tree; what hangs does not."""
    child = multiprocessing.get_context("fork").Process(target=_forked, args=(copy, room, copy / "log"))
    child.start()
    child.join(limit_s)
    if child.is_alive():
        child.kill()
        child.join()
    return child.exitcode == 0


def main() -> None:
    """Tries some changes, prints each, then a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=100, help="how many changes; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="which of them")
    parser.add_argument("--only", default="", help="files whose path holds this, as localisation/refine")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after so many seconds")
    args = parser.parse_args()
    files = sorted(p for room in ROOMS for p in (ROOT / "vlsam_ros" / room).glob("*.py") if args.only in str(p))
    sources = {path.relative_to(ROOT): path.read_text() for path in files}
    sites = [(f, i) for f, text in sources.items() for i, _ in enumerate(changes(ast.parse(text)))]
    picked = random.Random(args.seed).sample(sites, min(args.count or len(sites), len(sites)))
    for name in HEAVY:
        importlib.import_module(name)
    started, tried, survivors = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            part = ROOT / name
            shutil.copytree(part, copy / name) if part.is_dir() else shutil.copy(part, copy)
        for room in {path.parts[1] for path in sources}:
            if not survives(copy, room):
                sys.exit(f"the tests of {room} fail as they are:\n{(copy / 'log').read_text()[-2000:]}")
        limit_s = 60 + 5 * (time.monotonic() - started)
        for path, index in picked:
            if time.monotonic() - started > args.seconds:
                break
            tree = ast.parse(sources[path])
            line, what, change = list(changes(tree))[index]
            change()
            (copy / path).write_text(ast.unparse(ast.fix_missing_locations(tree)))
            alive = survives(copy, path.parts[1], limit_s)
            (copy / path).write_text(sources[path])
            tried += 1
            found = f"{path}:{line}: {what}", sources[path].splitlines()[line - 1].strip()
            survivors += [found] if alive else []
            print("survived" if alive else "killed  ", *found, sep="  ", flush=True)
    print(f"\n{len(survivors)} of {tried} survive, of {len(sites)} possible, in {time.monotonic() - started:.0f} s")
    print(*("  ".join(found) for found in sorted(survivors)), sep="\n")
    print(json.dumps({"seed": args.seed, "possible": len(sites), "tried": tried, "survived": len(survivors)}))


if __name__ == "__main__":
    main()
