"""The real sizes on the card that is at hand, stage by stage, beside the least that the card itself would take.

The architectures of `benchmarks.real` have random weights and a taught answer, so times and memory are those of real
ones, and masks and scores mean nothing. Parts:

- card: its bandwidth and its rate, on which every bound stands;
- vlm: vision, prefill, a decode step (eager and compiled, with and without recording), answers, flow;
- segmenter: encoder, decoder, masks;
- grounder: a view and four names;
- merge: merging;
- keyframe: whole frames at the settings of the goals and of the profiles, and the obvious way (`benchmarks.obvious`).

Results go into a file after every part, which keeps what earlier runs on the same card have measured; a part that fails
is in it with its error. `--tiny` runs everything on a CPU with models of two layers; its times mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
import transformers as hf
import yaml

from benchmarks import real
from benchmarks.common import finish, table
from benchmarks.parts import (
    Run,
    card_part,
    grounder_part,
    keyframe_part,
    keyframes,
    merge_part,
    segmenter_part,
    vlm_part,
)
from benchmarks.timing import Row, measured_card

PARTS = ("card", "vlm", "segmenter", "grounder", "merge", "keyframe")
MOST_CAPTURE, MOST_STEP, LEAST_SPEEDUP = 1.05, 1.3, 15.0


def plan(only: Sequence[str], models: Sequence[str]) -> list[tuple[str, str, Callable[[Run], Iterator[Row]]]]:
    """The parts to be run: kind, title, what runs it. Those of `only`, and of models whose names hold one of these."""
    parts: list[tuple[str, str, Callable[[Run], Iterator[Row]]]] = [("card", "", card_part)]
    parts += [("segmenter", name, partial(segmenter_part, name=name)) for name in real.SEGMENTERS]
    parts += [("grounder", name, partial(grounder_part, name=name)) for name in real.GROUNDERS]
    parts += [("merge", "", merge_part)]
    parts += [("vlm", name, partial(vlm_part, name=name)) for name in real.VLMS]
    parts += [("keyframe", title, partial(keyframe_part, keyframe=k)) for title, k in keyframes().items()]
    chosen = [part for part in parts if part[0] in only or part[0] == "card"]
    return [part for part in chosen if not models or not part[1] or any(m.lower() in part[1].lower() for m in models)]


class Said(logging.Handler):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.lines.append(record.getMessage())


def measured(run: Run, kind: str, title: str, part: Callable[[Run], Iterator[Row]], limit_s: float) -> dict[str, Any]:
    """One part's figures, as far as it came, and why it came no further."""
    said, rows, error, started = Said(), list[Row](), "", perf_counter()
    logging.getLogger("vlsam_ros").addHandler(said)
    try:
        with time_limit(limit_s), compiling(run.device):
            for row in part(run):
                rows.append(row)
    except Exception as reason:  # whatever a card, a compiler or a driver raises: the other parts go on
        error = f"{type(reason).__name__}: {str(reason).strip() or 'no reason given'}"
        traceback.print_exc()
    finally:
        logging.getLogger("vlsam_ros").removeHandler(said)
        torch._dynamo.reset()
        gc.collect()
        torch.cuda.empty_cache()
    spent = round(perf_counter() - started, 1)
    return {"part": kind, "name": title, "seconds": spent, "rows": rows, "said": said.lines, "error": error}


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `TimeoutError` in a block that takes longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"took more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def compiling(device: torch.device) -> Iterator[None]:
    """On a CPU a compiled step is traced only, as making code for it takes minutes."""
    if device.type == "cuda":
        yield
        return
    whole = torch.compile
    with patch.object(torch, "compile", lambda call, **_: whole(call, fullgraph=True, backend="eager")):
        yield


def goals(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was to be reached, and whether it was, as far as it was measured."""
    out = []

    def judge(goal: str, value: float, limit: float, least: bool = False) -> None:
        met = value >= limit if least else value <= limit
        out.append({"goal": goal, "limit": limit, "value": round(value, 3), "met": met})

    most = {title: keyframe.most_s for title, keyframe in keyframes().items()}
    for part in parts:
        name, rows = part["name"], {row["stage"]: row for row in part["rows"]}
        for kind in ("eager", "compiled"):
            recorded, plain = rows.get(f"step, {kind}"), rows.get(f"step, {kind}, not recorded")
            if recorded and plain:
                judge(f"{name}: recording in a step, {kind}", recorded["ms"] / plain["ms"], MOST_CAPTURE)
        if compiled := rows.get("step, compiled"):
            judge(f"{name}: compiled step against its bytes", compiled["ratio"], MOST_STEP)
        if (frame := rows.get("keyframe")) and most.get(name):
            judge(f"{name}: keyframe, s", frame["ms"] / 1e3, most[name])
            if slow := rows.get("the obvious way"):
                judge(f"{name}: times faster than the obvious way", slow["ms"] / frame["ms"], LEAST_SPEEDUP, least=True)
    return out


def report(result: Mapping[str, Any]) -> None:
    """Tables of all parts, and of the goals."""
    for part in result["parts"]:
        print(f"{part['part']} {part['name']}  ({part['seconds']} s)")
        numbers = [[_short(r[key]) for key in ("ms", "gib", "bound_ms", "ratio")] for r in part["rows"]]
        cells = [[r["stage"], *own, r["note"]] for r, own in zip(part["rows"], numbers, strict=True)]
        table([["stage", "ms", "peak GiB", "bound ms", "ratio", ""], *cells])
        for line in [*part["said"], *([f"failed: {part['error']}"] if part["error"] else [])]:
            print(f"  {line}\n")
    if result["tiny"]:
        print("models of two layers: these times mean nothing, and no goal is judged")
    elif result["goals"]:
        verdict = {True: "met", False: "missed"}
        cells = [[g["goal"], g["value"], g["limit"], verdict[g["met"]]] for g in result["goals"]]
        table([["goal", "measured", "limit", ""], *cells])


def _short(number: float) -> object:
    """As a table has it: nothing for 0, no digits after the point of what is large."""
    return (round(number) if number >= 100 else number) if number else ""


def written(path: Path, run: Run, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results file with these parts; others that it has from the same card and versions stay.

    Raises:
        SystemExit: it is of another card, or of other versions.
    """
    of = {
        "card": run.card.name,
        "torch": torch.__version__,
        "transformers": hf.__version__,
        "tiny": run.tiny,
    }
    own = [{**p, "rows": [row.written() for row in p["rows"]]} for p in parts]
    if path.exists():
        earlier = json.loads(path.read_text())
        if {key: earlier.get(key) for key in of} != of:
            raise SystemExit(f"{path} is of {earlier.get('card')} with other versions; expected {of}, or a new --out")
        new = {(p["part"], p["name"]) for p in own}
        own = [p for p in earlier["parts"] if (p["part"], p["name"]) not in new] + own
    result = {**of, "parts": own, "goals": [] if run.tiny else goals(own)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts of {', '.join(PARTS)}; the card always is")
    parser.add_argument("--models", default="", help="only parts whose title holds one of these, by commas")
    parser.add_argument("--out", type=Path, help="results file; else benchmarks/results/<card>.json")
    parser.add_argument("--repeat", type=int, default=5, help="of what is measured")
    parser.add_argument("--limit", type=float, default=280, help="seconds of one part")
    parser.add_argument("--total", type=float, default=540, help="seconds after which no part begins")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="over the keyframes' own")
    parser.add_argument("--tiny", action="store_true", help="models of two layers, on the CPU")
    args = parser.parse_args()
    started, only = perf_counter(), args.only.split(",")
    if wrong := set(only) - set(PARTS):
        parser.error(f"--only: expected parts of {', '.join(PARTS)}, got {', '.join(sorted(wrong))}")
    device = torch.device("cpu" if args.tiny or not torch.cuda.is_available() else "cuda")
    if device.type == "cpu" and not args.tiny:
        parser.error("expected a CUDA card, found none; --tiny runs on a CPU")
    if args.tiny:
        torch.set_num_threads(1)
    changes = {name: yaml.safe_load(value) for name, _, value in (change.partition("=") for change in args.set)}
    run = Run(device, args.tiny, 1 if args.tiny else args.repeat, changes)
    run.card = measured_card(device, args.tiny)
    name = "tiny" if args.tiny else run.card.name.lower().replace(" ", "_")
    out = args.out or Path(__file__).parent / "results" / f"{name}.json"
    parts: list[dict[str, Any]] = []
    for kind, title, part in plan(only, [m.strip() for m in args.models.split(",") if m.strip()]):
        left = args.total - (perf_counter() - started)
        print(f"{kind} {title} …", flush=True)
        if left > 0:
            parts.append(measured(run, kind, title, part, min(args.limit, left)))
        else:
            parts.append({"part": kind, "name": title, "seconds": 0, "rows": [], "said": [], "error": "no time left"})
        result = written(out, run, parts)
    print(f"\n{run.card.name}, torch {torch.__version__}, transformers {hf.__version__}; {out}\n")
    report(result)
    failed = [f"{p['part']} {p['name']}".strip() for p in parts if p["error"]]
    met = {} if args.tiny else {"goals_met": sum(g["met"] for g in result["goals"]), "goals": len(result["goals"])}
    finish(card=run.card.name, tiny=args.tiny, parts=len(parts), failed=failed, seconds=perf_counter() - started, **met)


if __name__ == "__main__":
    main()
