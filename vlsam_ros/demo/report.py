"""What the demo prints and draws: detections against the recording's ground truth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vlsam_ros.bags.reader import read
from vlsam_ros.data import Detections
from vlsam_ros.errors import DataError, failed
from vlsam_ros.evaluation.matching import MATCH_IOU, Score, box_iou, compare, greedy, mask_iou
from vlsam_ros.output import files
from vlsam_ros.output.folder import OutputFolder
from vlsam_ros.output.messages import from_message
from vlsam_ros.synthetic.bag import TRUTH_TOPIC

TALL_PX = 40
SHEET_COLUMNS, SHEET_TILE_WH = 3, (800, 450)


def scores(results: dict[int, Detections], truths: dict[int, Detections]) -> dict[str, Score]:
    """Every row of the table, by its name; keys of the two are stamps in ns."""
    rows: dict[str, Score] = {}
    for size, taller_px in (("all objects", 0.0), (f"over {TALL_PX} px high", float(TALL_PX))):
        for kind, overlap in (("masks", mask_iou), ("boxes", box_iou)):
            for what, names in (("any name", False), ("right name", True)):
                row = rows.setdefault(f"{size}, {kind}, {what}", Score())
                for stamp, found in results.items():
                    row.add(compare(found, truths[stamp], overlap, names=names, taller_px=taller_px))
    return rows


def track_scores(tracks: dict[int, Detections], truths: dict[int, Detections]) -> dict[str, Score]:
    """The same of what `~/tracks` said of each frame, by masks and any name."""
    return {
        f"{size}, tracks in every frame": _sum(
            compare(found, truths[stamp], mask_iou, taller_px=taller_px) for stamp, found in tracks.items()
        )
        for size, taller_px in (("all objects", 0.0), (f"over {TALL_PX} px high", float(TALL_PX)))
    }


def _sum(scores: Iterable[Score]) -> Score:
    total = Score()
    for score in scores:
        total.add(score)
    return total


@dataclass
class Followed:
    """How well the objects of a drive, which are one of a kind, were followed, and how well their distance was known.

    Attributes:
        objects, switches: how many had an id, and how often one got another.
        errors: distances less the true ones, as shares of those.
        inside: whether each true distance lay in its 95 % interval.
    """

    objects: int
    switches: int
    errors: np.ndarray
    inside: np.ndarray


def followed(results: dict[int, Detections], truths: dict[int, Detections]) -> Followed:
    """Keyframe by keyframe, matched by masks; keys are stamps in ns."""
    last: dict[str, str] = {}
    switches, pairs = 0, []
    for stamp in sorted(results):
        found, truth = results[stamp].items, [t for t in truths[stamp].items if t.place]
        overlaps = np.array([[mask_iou(d, t) for t in truth] for d in found]).reshape(len(found), len(truth))
        for d, i in zip(found, greedy(overlaps), strict=True):
            if i < 0:
                continue
            name = truth[i].label
            if d.track:
                switches += last.get(name, d.track.id) != d.track.id
                last[name] = d.track.id
            if d.place and math.isfinite(d.place.distance):
                pairs.append((truth[i].place.distance, d.place.distance, d.place.distance_min, d.place.distance_max))
    true, known, low, high = np.array(pairs).reshape(-1, 4).T
    return Followed(len(last), switches, (known - true) / true, (low <= true) & (true <= high))


def read_detections(bag: Path, topic: str) -> dict[int, Detections]:
    """Header stamp in ns -> detections, of the keyframes without an error."""
    result = {}
    for record in read(bag, [topic]):
        message = record.message()
        stamp = message.header.stamp  # type: ignore[attr-defined]
        if not failed(message.status):  # type: ignore[attr-defined]
            result[stamp.sec * 10**9 + stamp.nanosec] = from_message(message)
    return result


def write(bag: Path, folder: OutputFolder) -> str:
    """Draw contact_sheet.jpg, write report.json, and return the tables as text.

    Raises:
        BagError, BadImageError: the demo's own files are damaged.
        DataError: there is no ground truth for what was found.
        OutputError: the files can't be written.
    """
    out = folder.path
    lines = [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]
    if not lines:
        return f"The detector sent nothing; see {out / 'logs'}."
    results = read_detections(out / "output_bag", "/vlsam_detector/detections")
    truths = read_detections(bag, TRUTH_TOPIC)
    if missing := results.keys() - truths.keys():
        raise DataError(f"{bag}: expected ground truth on {TRUTH_TOPIC} for every image, got none for {len(missing)}")
    tracks = read_detections(out / "output_bag", "/vlsam_detector/tracks")
    rows = scores(results, truths) | track_scores(tracks, truths)
    figures = {name: {"recall": s.recall, "precision": s.precision, **vars(s)} for name, s in rows.items()}
    folder.write("report.json", json.dumps({"keyframes": len(lines), "scores": figures}, indent=2) + "\n")
    pictures = [out / "overlays" / f"{line['stamp_ns']}.jpg" for line in lines]
    folder.write("contact_sheet.jpg", files.jpeg(contact_sheet([p for p in pictures if p.exists()])))
    follow = _followed(followed(results, truths))
    return "\n".join([*_instances(lines), "", *_keyframes(lines), "", *_scores(rows), "", *follow, "", *_where(out)])


def contact_sheet(pictures: Sequence[Path], count: int = 12) -> np.ndarray:
    """At most `count` of the pictures, evenly picked, on one sheet: RGB uint8."""
    picked = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)]
    tiles = [cv2.resize(files.read(p), SHEET_TILE_WH, interpolation=cv2.INTER_AREA) for p in picked]
    width, height = SHEET_TILE_WH
    sheet = np.full((-(-len(tiles) // SHEET_COLUMNS) * height or height, SHEET_COLUMNS * width, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        row, column = divmod(i, SHEET_COLUMNS)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return sheet


def _instances(lines: Sequence[dict]) -> list[str]:
    """The keyframe with the most instances, in full."""
    line = max(lines, key=lambda line: len(line["instances"]))
    rows = [f"Keyframe {line['keyframe']}, by {line['vlm']} and {line['segmenter']}:"]
    rows.append(
        f"  {'label':<16}{'score':>6}  {'box (x_min, y_min, x_max, y_max)':<34}{'view':<8}{'track':<7}{'metres':<14}"
    )
    for i in line["instances"]:
        box = ", ".join(f"{v:.0f}" for v in i["box_xyxy"])
        metres = _metres(*i["distance_m"])
        rows.append(f"  {i['label']:<16}{i['score']:>6.2f}  {box:<34}{i['view']:<8}{i['track_id']:<7}{metres:<14}")
    return rows


def _metres(distance: float | None, low: float | None, high: float | None) -> str:
    if distance is None:
        return "-"
    return f"{distance:.1f} ({'?' if low is None else f'{low:.0f}'}-{'?' if high is None else f'{high:.0f}'})"


def _followed(of: Followed) -> list[str]:
    lines = [f"Tracks over the keyframes: {of.objects} objects have one, {of.switches} times another than before."]
    if of.errors.size:
        half, most = np.quantile(np.abs(of.errors), (0.5, 0.95))
        lines.append(
            f"Distances: off by {half:.1%} (median), {most:.1%} (95 %); "
            f"{of.inside.mean():.0%} of the true ones are in their 95 % intervals."
        )
    return lines


def _keyframes(lines: Sequence[dict]) -> list[str]:
    rows = [f"{'keyframe':>8}{'drive s':>9}{'inference s':>13}{'age s':>8}{'status':>8}  found"]
    for line in lines:
        age = "-" if line["age_s"] is None else f"{line['age_s']:.2f}"
        labels = sorted({i["label"] for i in line["instances"]})
        text = line["status_text"] or f"{len(line['instances'])}: {', '.join(labels)}"
        drive_s = (line["stamp_ns"] - lines[0]["stamp_ns"]) * 1e-9
        rows.append(
            f"{line['keyframe']:>8}{drive_s:>9.1f}{line['inference_s']:>13.2f}{age:>8}{line['status']:>8}  {text}"
        )
    return rows


def _scores(rows: dict[str, Score]) -> list[str]:
    title = f"Against the ground truth (IoU {MATCH_IOU})"
    lines = [f"{title:<44}{'recall':>8}{'precision':>11}{'objects':>9}{'found':>7}{'wrong':>7}"]
    for name, s in rows.items():
        lines.append(f"  {name:<42}{s.recall:>8.2f}{s.precision:>11.2f}{s.objects:>9}{s.found:>7}{s.wrong:>7}")
    return lines


def _where(out: Path) -> list[str]:
    return [
        f"In {out}:",
        "  contact_sheet.jpg  keyframes at a glance          overlays/    each keyframe",
        "  detections.jsonl   a line per keyframe            report.json  the figures above",
        "  output_bag/        all messages, tracks, too      logs/        of the three processes",
    ]
