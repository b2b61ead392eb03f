"""`vlsam ablate`: what each step of the method is worth, as the paper's ladder and as variants of the whole.

The ladder adds one step a row (VL-SAM, arXiv 2410.05963, tables 3 to 6, on CODA); a variant changes one choice of the
whole. Every row is a predictions file of its own, which `vlsam evaluate score` reads, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from .. import embedded
from ..config import Config
from ..data import Detections
from ..errors import ConfigError
from ..output.folder import FOLDER, OutputFolder, unique, writing
from . import metrics, operating, predictions, scoring
from .commands import header
from .dataset import DATA, Dataset, Frame, must_have_pictures, read
from .names import by_words
from .report import without_nan

if TYPE_CHECKING:
    from ..pipeline import VLSam

FLOOR = 0.05
"""Least score that is kept: the figures here need no threshold."""

FIRST = {
    "attention.flow": "last",
    "attention.head_weight": "mean",
    "attention.residual": "vlsam",
    "attention.regulariser": "off",
    "attention.contrast": "none",
    "attention.first_layer": 0,
    "attention.sigma": 0.0,
    "prompts.seeding": "largest",
    "prompts.positives": 1,
    "prompts.negatives": 0,
    "refine.rounds": 1,
    "refine.cascade": False,
    "refine.multimask": False,
    "refine.box": "none",
    "views.full": True,
    "views.far": 0,
    "views.near": 0,
    "views.tile_rows": 0,
    "verify.ask": False,
}
"""Where the ladder begins; each row then takes back what its step decides."""

LADDER: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("last layer's attention, one point", (), 2.2),
    ("+ attention flow", ("attention.flow",), 0.1),
    ("+ regulariser", ("attention.regulariser",), 8.5),
    ("+ head weights", ("attention.",), 10.1),
    ("+ prompt sampling", ("prompts.",), 12.3),
    ("+ refinement", ("refine.",), 14.1),
    ("+ views", ("views.",), 27.3),
    ("+ questions", ("questions.", "verify."), 40.1),
)
"""Title, options that get the profile's value from this row on, and the paper's mAR on CODA."""

VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("attention: mean over layers", {"attention.flow": "mean"}),
    ("attention: last layer alone", {"attention.flow": "last"}),
    ("attention: no regulariser", {"attention.regulariser": "off"}),
    ("attention: regulariser at the end", {"attention.regulariser": "end"}),
    ("attention: heads all alike", {"attention.head_weight": "mean"}),
    ("attention: heads by what they see of the image", {"attention.head_weight": "vmax"}),
    ("attention: half residual", {"attention.residual": "half"}),
    ("attention: relative to uniform attention", {"attention.contrast": "null"}),
    ("attention: less a background question", {"attention.contrast": "background"}),
    ("attention: the decaf preset", {"attention.preset": "decaf"}),
    ("hidden states in its place", {"attention.preset": "hidden"}),
    ("attention: times hidden states", {"attention.preset": "product"}),
    ("prompts: largest component", {"prompts.seeding": "largest"}),
    ("prompts: every component", {"prompts.seeding": "components"}),
    ("prompts: no negative point", {"prompts.negatives": 0}),
    ("prompts: negative point anywhere", {"prompts.negatives_from": "anywhere"}),
    ("refinement: one round", {"refine.rounds": 1}),
    ("refinement: again outside the masks", {"refine.again": "outside"}),
    ("refinement: no cascade", {"refine.cascade": False}),
    ("refinement: the map's box as prompt", {"refine.box": "map"}),
    ("views: full frame alone", {"views.far": 0, "views.near": 0, "views.tile_rows": 0}),
    ("views: full frame and tiles", {"views.far": 0, "views.near": 0, "views.tile_rows": 2, "views.tile_columns": 2}),
    ("names: each asked again, yes or no", {"verify.ask": True}),
    ("merging: names of one meaning kept apart", {"merge.meaning": False}),
)
"""Title, and what differs from the profile."""


@dataclass(frozen=True)
class Row:
    """One configuration of the table; `paper` is the paper's mAR in percent, NaN where it has none."""

    title: str
    options: Mapping[str, Any]
    paper: float = math.nan

    @property
    def file(self) -> str:
        """Name of its predictions file."""
        return "_".join("".join(c if c.isalnum() else " " for c in self.title).split()) + ".jsonl"


def rows(config: Config, questions: list[str]) -> Iterator[Row]:
    """The ladder, up to the whole method with these questions, and the variants of the whole method."""
    whole = config.flat() | {"merge.min_score": FLOOR, "questions.questions": questions}
    reached = whole | FIRST | {"questions.questions": questions[:1]}
    for title, taken_back, paper in LADDER:
        reached = reached | {o: v for o, v in whole.items() if o.startswith(taken_back)}
        yield Row(title, reached, paper)
    for title, changes in VARIANTS:
        if any(whole[o] != v for o, v in changes.items()):
            yield Row(title, whole | changes)


def questions_of(config: Config) -> list[str]:
    """The profile's questions; where it has a single one for an embedded VLM, all that those know."""
    own = config.questions.questions
    return list(embedded.QUESTIONS) if config.vlm.model in embedded.VLMS and len(own) == 1 else own


def add(commands: Any, model: Callable[[argparse.ArgumentParser], None], configured: Callable) -> None:
    """Add `ablate` to a command line; as `commands.add` of the evaluation."""
    what = "what each step of the method is worth: the paper's ladder, and variants"
    command = commands.add_parser("ablate", help=what, description=what)
    command.set_defaults(run=partial(run, configured))
    command.add_argument("--data", default="synthetic:40", help=DATA)
    command.add_argument("--images", type=Path, help="folder with a JSON file's pictures (beside it)")
    command.add_argument("--limit", type=int, help="only so many frames, from the first")
    command.add_argument("--models", nargs="+", help="VLMs to compare, as vlm.model (the profile's)")
    command.add_argument("--ways", action="store_true", help="the ways from a name to a place instead of the steps")
    command.add_argument("--grounders", nargs="+", help="with --ways: localisers, as grounder.model (the profile's)")
    command.add_argument("--calibrate", help="with --ways: data that each row's scores are fitted to first, as --data")
    command.add_argument("--out", type=Path, default=Path("ablation"), help=FOLDER)
    model(command)


def run(configured: Callable[[argparse.Namespace], Config], args: argparse.Namespace) -> int:
    """Predict and score every row with every VLM; print the tables and one line of JSON."""
    if args.ways:
        from . import ways

        return ways.run(configured, args)
    if args.grounders or args.calibrate:
        raise ConfigError("--grounders and --calibrate go with --ways")
    from ..pipeline import VLSam, load

    out = OutputFolder(args.out, "vlsam ablate")
    config, data, failed = configured(args), read(args), 0
    must_have_pictures(data)
    tables: dict[str, list[dict[str, Any]]] = {}
    for model in args.models or [config.vlm.model]:
        profile = replace(config, vlm=replace(config.vlm, model=model))
        whole = load(profile)
        *_, name = unique([*tables, whole.vlm.name])
        table = []
        for row in rows(profile, questions_of(profile)):
            options = Config.from_flat(row.options)
            detect = looking(VLSam(whole.vlm, whole.segmenter, options, whole.grounder), data)
            file = out.claim(f"{name}/{row.file}")
            with writing(file):
                failed += predictions.predict(data.frames, detect, file, header(data, options))
            table.append({"title": row.title, "paper": row.paper} | figures(data, file))
        tables[name] = table
    text = "\n\n".join(f"## {name}\n\n{markdown(table)}" for name, table in tables.items())
    out.write("ablation.md", f"# {data.name}, {len(data.frames)} frames\n\n{text}\n")
    print(f"\n{text}\n\n{args.out / 'ablation.md'}")
    rates = {name: {r["title"]: round(r["mAR"], 4) for r in table} for name, table in tables.items()}
    print(json.dumps(without_nan(rates)))
    return 1 if failed else 0


def looking(detector: VLSam, data: Dataset) -> Callable[[Frame], Detections]:
    """How the detector looks at frames, ready for those of the data."""
    for frame in data.frames[:1]:
        detector.warm_up(frame.size_hw)
    return partial(look, detector)


def look(detector: VLSam, frame: Frame) -> Detections:
    """What the detector finds in a frame."""
    return detector(frame.for_models(), horizon=frame.horizon)


def figures(data: Dataset, path: Path) -> dict[str, float]:
    """What a row of the table says of a predictions file; rates in [0, 1], NaN if all frames failed."""
    found = predictions.read(path, data)
    scored = scoring.paired(data, found.found, by_words)
    geometry = scoring.geometries(scored)[-1]
    of_all, matches = metrics.agnostic(scored, geometry), operating.match(scored, geometry)
    return {
        "mAR": of_all["mAR"],
        "AR50": of_all["AR50"],
        "recall": operating.recall_at(matches, 1.0)[0],
        "names": operating.names_right(matches),
        "seconds": median(found.seconds or [math.nan]),
        "failed": len(found.failed),
    }


def markdown(table: list[dict[str, Any]]) -> str:
    """The ladder, each row against the one before it, then the variants against the whole method."""
    lines = [
        "| | mAR % | change | paper's mAR % | sign as there | AR50 % | recall %, 1 false a frame | names right % | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for i, row in enumerate(table):
        base = table[min(i, len(LADDER)) - 1] if i else row
        change, theirs = row["mAR"] - base["mAR"], row["paper"] - base["paper"]
        sign = "" if not i or math.isnan(theirs) else "yes" if change * theirs > 0 else "no"
        paper = "" if math.isnan(row["paper"]) else f"{row['paper']:.1f}"
        shares = " | ".join(f"{100 * row[k]:.1f}" for k in ("AR50", "recall", "names"))
        ours = f"{100 * row['mAR']:.1f} | {100 * change:+.1f}"
        title = row["title"] + (f" ({row['failed']} frames failed)" if row["failed"] else "")
        lines.append(f"| {title} | {ours} | {paper} | {sign} | {shares} | {row['seconds']:.2f} |")
    return "\n".join(lines)
