"""`vlsam ablate --ways`: the ways from a name to a place beside each other, alone, as checks and fused.

Every way gets its names from the same VLM, by the same questions but for boxes "all at once", which are a question of
their own. With `--calibrate` each row's scores are first fitted to other labelled data (`vlsam evaluate calibrate`), so
that a score means the same in all rows.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends import load_grounder, load_segmenter, load_vlm
from ..config import Config
from ..errors import ConfigError, DataError
from ..output.folder import OutputFolder, unique, writing
from . import calibration, dataset, operating, predictions, scoring
from .ablate import FLOOR, Row, figures, looking
from .commands import header
from .dataset import Dataset, must_have_pictures
from .names import by_words
from .report import without_nan

if TYPE_CHECKING:
    from ..backends.interfaces import Grounder, Segmenter, Vlm

COMMAND, TABLE = "vlsam ablate", "ways.md"

CHECKED = {"fusion.attention_checks": True}


def rows(config: Config, grounder: str, attends: bool, writes: bool) -> Iterator[Row]:
    """What is compared.

    Args:
        grounder: the model of those rows that need one; empty: the rows that need none.
        attends, writes: whether the VLM gives attention, and writes boxes.
    """
    base = config.flat() | {"merge.min_score": FLOOR, "fusion.attention_checks": False}

    def row(title: str, mode: str, **more: Any) -> Row:
        model = {"grounder.model": grounder} if grounder else {}
        return Row(title, base | {"grounder.mode": mode} | model | {k.replace("__", "."): v for k, v in more.items()})

    if not grounder and attends:
        preset = config.attention.preset if config.attention.preset == "decaf" else "vlsam"
        yield row("attention", "attention", attention__preset=preset)
        yield row("hidden states", "attention", attention__preset="hidden")
        yield row("attention x hidden states", "attention", attention__preset="product")
    if not grounder and writes:
        yield row("own boxes, name by name", "native", native__ask="names")
        yield row("own boxes, all at once", "native", native__ask="at once")
        if attends:
            yield row("own boxes, checked by attention", "native", **CHECKED)
            yield row("attention + own boxes", "attention+native")
    if grounder:
        name = Path(grounder.rpartition(":")[2]).name
        yield row(name, "grounder")
        if attends:
            yield row(f"{name}, checked by attention", "grounder", **CHECKED)
            yield row(f"attention + {name}", "attention+grounder")
        if writes:
            yield row(f"{name} + own boxes", "grounder+native")
        if attends and writes:
            yield row(f"attention + {name} + own boxes", "attention+grounder+native")


def distinct(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows with titles such that no two share a file, as those of grounders of one name would."""
    stems = [Path(row.file).stem for row in rows]
    for row, stem, own in zip(rows, stems, unique(stems), strict=True):
        yield replace(row, title=row.title + own[len(stem) :])


def run(configured: Callable[[argparse.Namespace], Config], args: argparse.Namespace) -> int:
    """Predict and score every way; print the table and one line of JSON."""
    from ..pipeline import VLSam, needs_segmenter

    if args.models:
        raise ConfigError("--ways compares ways with one VLM: give it as --vlm.model, not --models")
    config, data = configured(args), dataset.read(args)
    fitted_on = dataset.load(args.calibrate, args.images) if args.calibrate else None
    for each in filter(None, (data, fitted_on)):
        must_have_pictures(each)
    out, failed, table = OutputFolder(args.out, COMMAND), 0, list[dict[str, Any]]()
    vlm, segmenter = load_vlm(config.vlm), load_segmenter(config.segmenter)
    writes = config.vlm.boxes != "auto" or bool(vlm.boxes)
    models = args.grounders or [model for model in [config.grounder.model] if model != "none"]
    compared = [(model, row) for model in ("", *models) for row in rows(config, model, vlm.attends, writes)]
    if not compared:
        raise ConfigError(
            f"nothing to compare: {vlm.name} gives no attention and is not known to write boxes (if it does, say in "
            "which form with vlm.boxes); name localisers with --grounders"
        )
    grounder: Grounder | None = None
    loaded = ""
    for (model, _), row in zip(compared, distinct([row for _, row in compared]), strict=True):
        options = Config.from_flat(row.options)
        if model != loaded:
            grounder = None
            gc.collect()
            grounder, loaded = load_grounder(options.grounder), model
        own = segmenter if needs_segmenter(options, grounder) else None
        if fitted_on:
            options, lost = _fitted(row, fitted_on, out, vlm, own, grounder)
            failed += lost
        file = out.claim(row.file)
        memory, before = _Memory(), file.stat().st_size if file.exists() else 0
        with writing(file):
            detect = looking(VLSam(vlm, own, options, grounder), data)
            failed += predictions.predict(data.frames, detect, file, header(data, options))
        gib = memory.peak_gib() if file.stat().st_size > before else math.nan  # of an earlier run it is not known
        table.append({"title": row.title} | figures(data, file) | more(data, file) | {"gib": gib})
    text = markdown(table)
    fit = f", scores fitted to {fitted_on.name}" if fitted_on else ""
    out.write(TABLE, f"# {data.name}, {len(data.frames)} frames, names by {vlm.name}{fit}\n\n{text}\n")
    print(f"\n{text}\n\n{args.out / TABLE}")
    rates = {r["title"]: {k: round(v, 4) for k, v in r.items() if k != "title"} for r in table}
    print(json.dumps(without_nan(rates)))
    return 1 if failed else 0


def _fitted(
    row: Row, data: Dataset, out: OutputFolder, vlm: Vlm, segmenter: Segmenter | None, grounder: Grounder | None
) -> tuple[Config, int]:
    """A row's options with the scores that fit some labelled data, and how many frames of it failed."""
    from ..pipeline import VLSam

    options = Config.from_flat(row.options)
    file = out.claim(f"calibration/{row.file}")
    with writing(file):
        detect = looking(VLSam(vlm, segmenter, options, grounder), data)
        lost = predictions.predict(data.frames, detect, file, header(data, options))
    scored = scoring.paired(data, predictions.read(file, data).found, by_words)
    try:
        fitted = calibration.fit(scored, scoring.geometries(scored)[-1])
    except DataError as error:
        print(f"{row.title}: not fitted: {error}", file=sys.stderr)
        return options, lost
    return Config.from_flat({**row.options, **fitted.options()}), lost


def more(data: Dataset, path: Path) -> dict[str, float]:
    """Recall at a tenth of a false alarm a frame, and false alarms a frame where half of the objects are found."""
    scored = scoring.paired(data, predictions.read(path, data).found, by_words)
    matches = operating.match(scored, scoring.geometries(scored)[-1])
    _, false, found = operating.curve(matches)
    half = [f for f, r in zip(false, found, strict=True) if r >= 0.5]
    return {"recall at 0.1": operating.recall_at(matches, 0.1)[0], "false at 0.5": min(half, default=math.nan)}


class _Memory:
    """The most that this process takes from now on: on the GPU if there is one, else of the machine's memory."""

    def __init__(self) -> None:
        torch = sys.modules.get("torch")
        self._cuda = torch.cuda if torch is not None and torch.cuda.is_available() else None
        self._known = bool(self._cuda) or os.access("/proc/self/clear_refs", os.W_OK)
        if self._cuda:
            self._cuda.reset_peak_memory_stats()
        elif self._known:
            Path("/proc/self/clear_refs").write_text("5")  # the kernel's own high-water mark begins anew

    def peak_gib(self) -> float:
        """NaN if the system does not say."""
        if self._cuda:
            return self._cuda.max_memory_allocated() / 2**30
        lines = Path("/proc/self/status").read_text().splitlines() if self._known else []
        peak = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), "nan")
        return float(peak) / 2**20


def markdown(table: Sequence[Mapping[str, Any]]) -> str:
    """One row a way."""
    lines = [
        "| way | mAR % | AR50 % | recall %, 1 false a frame | 0.1 false | false a frame at recall 50 % | names right % "
        "| s | GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        shares = " | ".join(f"{100 * row[k]:.1f}" for k in ("mAR", "AR50", "recall", "recall at 0.1"))
        title = row["title"] + (f" ({row['failed']} frames failed)" if row["failed"] else "")
        rest = f"{row['false at 0.5']:.2f} | {100 * row['names']:.1f} | {row['seconds']:.2f} | {row['gib']:.1f}"
        lines.append(f"| {title} | {shares} | {rest} |")
    return "\n".join(lines)
