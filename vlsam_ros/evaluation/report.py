"""The report: tables, plots and the worst frames as pictures; Markdown, HTML in one file, and JSON."""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..output.folder import OutputFolder
from . import metrics
from .pictures import plots, worst
from .published import PUBLISHED
from .scoring import Result


@dataclass(frozen=True)
class Block:
    """A part of the report: a heading, a paragraph, a table with its header row, or a picture with its caption."""

    heading: str = ""
    text: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    picture: str = ""


def write(result: Result, folder: OutputFolder, worst_frames: int = 6) -> None:
    """Write report.md, report.html (everything in one file), scores.json and pictures/ into a folder.

    Raises:
        OutputError: a file can't be written, or one is there that no report wrote.
    """
    folder.write("scores.json", json.dumps(without_nan(result.scores), indent=1) + "\n")
    folder.clear("pictures/*")
    drawn = dict(plots(result)) | dict(worst(result, worst_frames))
    for name, (_, data) in drawn.items():
        folder.write(f"pictures/{name}", data)
    content = list(blocks(result, {name: caption for name, (caption, _) in drawn.items()}))
    folder.write("report.md", as_markdown(content))
    folder.write("report.html", as_html(content, {name: data for name, (_, data) in drawn.items()}))


def without_nan(value: Any) -> Any:
    """The same with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def blocks(result: Result, pictures: dict[str, str]) -> Iterator[Block]:
    """The report from the top down; pictures: file name -> caption."""
    scores = result.scores
    yield Block(heading=f"Evaluation on {scores['data']}")
    yield from _what(scores)
    yield Block(heading="Precision and recall")
    yield Block(text=_PARTIAL if result.partial else _WHOLE_ANOMALIES if "anomalies" in scores else _WHOLE)
    yield Block(table=_coco_table(scores))
    yield from _of_its_kind(scores)
    yield from _anomalies(scores)
    yield Block(heading=f"In use, at a score of {scores['threshold']:g}")
    yield from _in_use(scores)
    for name, caption in pictures.items():
        if name.endswith(".png"):
            yield Block(text=caption, picture=name)
    yield Block(heading="Worst frames")
    yield Block(text="Green: right. Yellow: another name. Red: false positive. Blue: missed. Grey: to be ignored.")
    for name, caption in pictures.items():
        if not name.endswith(".png"):
            yield Block(text=caption, picture=name)
    yield Block(heading="Published figures of other systems")
    yield Block(
        text="In percent, by their authors, on other data than the tables above unless it says so; not our runs."
    )
    yield Block(table=_published())


_PARTIAL = (
    "The labels are partial: what nobody labelled counts as a false positive. Recall (AR) is the safe figure; AP, "
    "false positives and calibration look worse than they are."
)
_WHOLE = "Every object is labelled. mAR: 100 detections, mean over IoU 0.5 to 0.95."
_WHOLE_ANOMALIES = "Every anomaly is labelled, and nothing else. mAR: 100 detections, mean over IoU 0.5 to 0.95."


def _what(scores: dict[str, Any]) -> Iterator[Block]:
    frames = scores["frames"]
    counts = ", ".join(f"{frames[k]} {k}" for k in ("scored", "failed", "without a prediction"))
    yield Block(text=f"{scores['models'] or 'unnamed models'}; {frames['in the data']} frames, {counts}.")
    if frames["failed"] or frames["without a prediction"]:
        yield Block(text="Frames that failed or have no prediction are in no figure: nothing is known about them.")
    if scores["seconds"]:
        seconds = scores["seconds"]
        yield Block(text=f"Seconds per frame: {seconds['p50']:.2f} (median), {seconds['p95']:.2f} (95th percentile).")
    if "unfamiliar" in scores:
        yield Block(text=f"Frames that the detector calls unfamiliar: {scores['unfamiliar']:.1%}.")
    if scores["warnings"]:
        yield Block(table=(("warning", "count"), *((k, str(n)) for k, n in scores["warnings"].items())))


def _coco_table(scores: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    keys = ("mAR", "AR50", "AR75", "AR1", "AR10", "AP", "AP50", "AP75")
    rows: list[tuple[str, ...]] = [("", *keys)]
    for geometry in _geometries(scores):
        rows.append((f"{geometry}, any name", *_cells(scores[geometry]["agnostic"], keys)))
        if "oracle" in scores:
            rows.append((f"{geometry}, oracle", *_cells(scores["oracle"][geometry], keys)))
            rows.append((f"{geometry}, share of the oracle", *_cells(scores["oracle"][f"{geometry} ratio"], keys)))
        if "named" in scores[geometry]:
            rows.append((f"{geometry}, by category", *_cells(scores[geometry]["named"], keys)))
    return tuple(rows)


def _of_its_kind(scores: dict[str, Any]) -> Iterator[Block]:
    for geometry in _geometries(scores):
        part, keys = scores[geometry], ("mAR", "AR50", "AR75", "AR1", "AR10")
        if "coda" in part:
            yield Block(table=((f"CODA, {geometry}", *keys), *((k, *_cells(f, keys)) for k, f in part["coda"].items())))
            yield Block(table=((f"SSLAD, {geometry}", *part["sslad"]), ("", *_cells(part["sslad"], part["sslad"]))))
        if rare := [k for k in ("AP", "APr", "APc", "APf") if "APr" in part.get("named", ())]:
            yield Block(table=((f"LVIS, {geometry}", *rare), ("", *_cells(part["named"], rare))))


def _anomalies(scores: dict[str, Any]) -> Iterator[Block]:
    """What OoDIS and SegmentMeIfYouCan measure; nothing of other data."""
    if "anomalies" not in scores:
        return
    figures, left_out = scores["anomalies"], scores["anomalies"]["left out"]
    yield Block(heading="Anomalies")
    if left_out:
        names = ", ".join(f"{name} {n}" for name, n in list(left_out.items())[:20])
        yield Block(
            text=f"{sum(left_out.values())} detections have names of Cityscapes' classes, which are no anomalies, and "
            f"are in no figure (--keep-known keeps them): {names}."
        )
    yield Block(text=f"Predictions per frame: {figures['predictions per frame']:.2f}.")
    for part, title in _ANOMALY_TABLES.items():
        if part in figures:
            keys = [k for k, v in figures[part].items() if isinstance(v, float)]
            yield Block(table=((title, *keys), ("", *_cells(figures[part], keys))))
    if "components" in figures:
        part, (found, labelled) = figures["components"], figures["components"]["least px"]
        yield Block(
            text=f"{part['labelled']} labelled components of {labelled} px or more, and {part['found']} found ones of "
            f"{found} px or more; smaller ones don't count."
        )
    sizes = ("AP", "AP50", "AR1", "AR10", "mAR", *metrics.OF_SIZES)
    rows = ((g, *_cells(scores[g]["agnostic"], sizes)) for g in _geometries(scores))
    yield Block(table=(("as COCO counts", *sizes), *rows))
    yield Block(text="Sizes: s under 32² px of box or mask, m from there, l from 96² px on.")


_ANOMALY_TABLES = {
    "pixels": "pixels, each with its best score",
    "components": "components, at the pixels' best F1",
    "instances": "masks, as Cityscapes counts",
}


def _in_use(scores: dict[str, Any]) -> Iterator[Block]:
    of = _geometries(scores)
    yield Block(table=(("at IoU 0.5", *of), *_figures([scores[g] for g in of])))
    for what in ("recall by height in px", "recall by distance in m"):
        bins = list(zip(*(scores[g][what] for g in of), strict=True))
        if any(same[0]["objects"] for same in bins):
            rows = [(_range(b[0]), str(b[0]["objects"]), *(_number(r["recall"]) for r in b)) for b in bins]
            yield Block(table=((what, "objects", *of), *rows))
    best = of[-1]
    table = [
        (_range(r), str(r["detections"]), _number(r["mean score"]), _number(r["right"]))
        for r in scores[best]["reliability"]
        if r["detections"]
    ]
    yield Block(table=((f"score, {best}", "detections", "mean score", "share right"), *table))
    if "dropped" in scores:
        yield Block(text=", ".join(f"{n} {k}" for k, n in scores["dropped"].items()) + ": found and not believed.")


def _figures(parts: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for key in ("objects", "detections"):
        yield key, *(str(p[key]) for p in parts)
    for key in ("recall", "names right", "calibration error", "false positives per frame"):
        yield key, *(_number(p[key]) for p in parts)
    for same in zip(*(p["recall at false positives per frame"] for p in parts), strict=True):
        cells = (f"{_number(r['recall'])} (from score {_number(r['threshold'])}, rate {r['rate']:.2f})" for r in same)
        yield f"recall at {same[0]['at most']:g} false positives per frame", *cells
    empty = [p["empty road"] for p in parts]
    yield "empty frames without a false alarm", *(f"{e['without a false alarm']} of {e['frames']}" for e in empty)


def _geometries(scores: dict[str, Any]) -> list[str]:
    return [g for g in ("box", "mask") if g in scores]


def _cells(figures: dict[str, float], keys: Sequence[str] | dict[str, float]) -> list[str]:
    return [_number(figures[k]) for k in keys]


def _number(value: float | None) -> str:
    return f"{value:.3f}" if value is not None and math.isfinite(value) else "–"


def _range(row: dict[str, float]) -> str:
    return f"{row['from']:g} to {row['to']:g}" if math.isfinite(row["to"]) else f"{row['from']:g} and more"


def _published() -> tuple[tuple[str, ...], ...]:
    header = ("published", "kind", "data", "figures", "source")
    return (
        header,
        *(
            (r.system, r.kind, r.data, ", ".join(f"{k} {v:g}" for k, v in r.figures.items()), r.source)
            for r in PUBLISHED
        ),
    )


def as_markdown(content: Sequence[Block]) -> str:
    """Markdown; pictures by their file names. Names in it come from models and files: they can't break out of it."""
    lines: list[str] = []
    for i, block in enumerate(content):
        if block.heading:
            lines += [f"{'##' if i else '#'} {_plain(block.heading)}", ""]
        if block.text:
            lines += [_plain(block.text), ""]
        if block.picture:
            lines += [f"![](pictures/{block.picture})", ""]
        if block.table:
            rows = ["| " + " | ".join(map(_plain, row)) + " |" for row in block.table]
            lines += [rows[0], "|---" * len(block.table[0]) + "|", *rows[1:], ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    text = html.escape(text, quote=False).replace("\n", " ")
    return "".join(f"\\{c}" if c in "|*_`[]!" else c for c in text)


_STYLE = """body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.25em .7em;text-align:right}
td:first-child,th:first-child{text-align:left}th{background:#eee}img{max-width:100%}"""


def as_html(content: Sequence[Block], pictures: dict[str, bytes]) -> str:
    """One file that needs no other."""
    body: list[str] = []
    for i, block in enumerate(content):
        if block.heading:
            level = "h2" if i else "h1"
            body.append(f"<{level}>{html.escape(block.heading)}</{level}>")
        if block.text:
            body.append(f"<p>{html.escape(block.text)}</p>")
        if block.picture:
            kind = "png" if block.picture.endswith(".png") else "jpeg"
            data = base64.b64encode(pictures[block.picture]).decode()
            body.append(f'<img alt="{html.escape(block.text)}" src="data:image/{kind};base64,{data}">')
        if block.table:
            rows = [
                "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
                for tag, row in zip(["th", *["td"] * len(block.table)], block.table, strict=False)
            ]
            body.append("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
    title = html.escape(content[0].heading)
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"
