"""What a detector found, one line of JSON for each frame: written while it runs, read for scoring.

The first line says how the detector was set. A frame's line is what `vlsam detect` writes for a picture, with the
frame's id; of a frame that failed it has the error instead.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import Detections
from ..errors import DataError, VlsamError, failed
from ..output.files import as_json
from . import checks, coco_results, records
from .checks import Tally
from .dataset import Dataset, Frame, Instance

FILE = "predictions.jsonl"


@dataclass(frozen=True)
class Predictions:
    """A detector's results.

    Attributes:
        header: how it was set: `threshold`, the least score of an instance in use, and `options`.
        found: frame id -> instances, best score first.
        dropped: the same, of those that were found and not believed.
        failed: frame id -> error; nothing is known about such a frame.
        seconds: of each frame that says it.
        novelty: frame id -> how unlike its training views the detector finds it, 1 at the limit; of those that say it.
        models: names of the models.
        warnings: what was wrong with the file -> how often.
    """

    header: Mapping[str, Any] = field(default_factory=dict)
    found: dict[int, tuple[Instance, ...]] = field(default_factory=dict)
    dropped: dict[int, tuple[Instance, ...]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    novelty: dict[int, float] = field(default_factory=dict)
    models: str = ""
    warnings: Counter[str] = field(default_factory=Counter)


def predict(
    frames: Sequence[Frame], detect: Callable[[Frame], Detections], path: Path, header: Mapping[str, Any]
) -> int:
    """Detect in every frame that the file has no result of yet; the number of those that failed now.

    Raises:
        DataError: the file holds the results of another detector.
    """
    from tqdm import tqdm

    done = _resume(path, header)
    todo, failed = [f for f in frames if f.id not in done], 0
    with path.open("a") as file, tqdm(total=len(frames), initial=len(frames) - len(todo), unit="frame") as bar:
        if not path.stat().st_size:
            print(json.dumps(dict(header)), file=file, flush=True)
        for frame in todo:
            try:
                record = as_json(frame.name, detect(frame))
            except Exception as error:  # one frame's failure, whatever it is, must not cost the others
                record = {"image": frame.name, "error": f"{type(error).__name__}: {error}"}
                tqdm.write(checks.printable(f"{frame.name}: {record['error']}"))
                failed += 1
            print(json.dumps({"id": frame.id} | record), file=file, flush=True)
            bar.update()
    return failed


def _resume(path: Path, header: Mapping[str, Any]) -> set[int]:
    """The ids of the frames done; cuts off a line that was half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return set()
    lines, whole = records.whole_lines(path)
    if not lines and not json.dumps(dict(header)).encode().startswith(path.read_bytes()):
        raise DataError(f"{path} is there and holds no predictions: use another --out, or remove it")
    _check_same(path, lines[0] if lines else header, header)
    with path.open("rb+") as file:
        file.truncate(whole)
    return {r["id"] for r in lines[1:] if "error" not in r}


def _check_same(path: Path, theirs: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    flat = [{k: v for k, v in h.items() if k != "options"} | (h.get("options") or {}) for h in (theirs, header)]
    keys = sorted({*flat[0], *flat[1]})
    if differ := [f"{k} {flat[0].get(k)!r} -> {flat[1].get(k)!r}" for k in keys if flat[0].get(k) != flat[1].get(k)]:
        raise DataError(f"{path} was made with other settings ({'; '.join(differ)}): use another --out, or remove it")


def read(path: Path, dataset: Dataset, topic: str = "/vlsam_detector/detections") -> Predictions:
    """Predictions for a dataset: of a file, or of a folder with it; COCO's results as .json; or a recording's topic.

    Raises:
        DataError: unreadable, spoilt, or of other frames than the dataset's.
    """
    if not path.exists():
        raise DataError(f"no such predictions: {path}")
    file, tally = path / FILE if path.is_dir() else path, Tally()
    if file.suffix == ".json":
        found = {i: _best_first(items) for i, items in coco_results.read(file, dataset, tally).items()}
        predictions = Predictions({}, found, models=file.stem, warnings=tally.warnings())
    elif file.suffix == ".jsonl" and file.exists():
        lines, whole = records.whole_lines(file)
        if not lines:
            raise DataError(f"{file}: there is no whole line in it")
        tally.add("half-written last line, left out", times=file.stat().st_size > whole)
        named = ((f"{file}, line {n}", record) for n, record in enumerate(lines[1:], 2))
        predictions = _gathered(lines[0], named, dataset, tally)
    else:
        predictions = _gathered({}, _bag(path, topic, dataset), dataset, tally)
    if not predictions.found and not predictions.failed:
        raise DataError(f"{path}: no predictions for any frame of {dataset.name}")
    return predictions


def _gathered(
    header: Mapping[str, Any], named: Iterable[tuple[str, dict[str, Any]]], dataset: Dataset, tally: Tally
) -> Predictions:
    """Records, each with where it is, by frame; of two for one frame the later counts, as after another try."""
    frames = {f.id: f for f in dataset.frames}
    result, latest = Predictions(header), {r["id"]: (where, r) for where, r in named}
    for i, (where, record) in latest.items():
        if i not in frames:
            tally.add("predictions for frames that the data doesn't have, left out", where)
            continue
        frame = frames[i]
        if record["image"] != frame.name:
            theirs = checks.shown(record["image"])
            raise DataError(
                f"{where}: predictions of other data: frame {i} is {theirs} there and {frame.name!r} in {dataset.name}"
            )
        if "error" in record:
            result.failed[i] = record["error"]
        elif tuple(record["size_hw"]) != frame.size_hw:
            result.failed[i] = f"expected a picture of {frame.size_hw}, the detector had {tuple(record['size_hw'])}"
        else:
            result.found[i] = _best_first(records.instances(record, "instances", where))
            result.dropped[i] = _best_first(records.instances(record, "dropped", where))
            if checks.is_number(record.get("novelty")):
                result.novelty[i] = float(record["novelty"])
            if result.novelty.get(i, 0) > 1:
                tally.add("frames unlike anything the embedded models were trained on", where)
            times = record.get("timings_s") or {}
            result.seconds.extend([float(times["total"])] if checks.is_number(times.get("total")) else [])
    models = {
        checks.printable(" + ".join(filter(None, map(r.get, ("vlm", "segmenter", "grounder")))))
        for _, r in latest.values()
        if "error" not in r
    }
    return replace(result, models=", ".join(sorted(models)), warnings=tally.warnings())


def _bag(path: Path, topic: str, dataset: Dataset) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of recorded detections; their frames are found by their stamps."""
    from ..output.messages import from_message
    from .bag_data import messages, stamp_ns

    ids = {f.name: f.id for f in dataset.frames}
    for number, message in enumerate(messages(path, topic)):
        name, where = str(stamp_ns(message)), f"{path}, message {number} on {topic}"
        record = {"id": ids.get(name, -1 - number), "image": name}
        if failed(message.status):
            record |= {"error": f"status {message.status}: {message.status_text}"}
        else:
            try:
                record |= as_json(name, from_message(message))
            except VlsamError as error:
                raise DataError(f"{where}: {error}") from error
        yield where, record


def _best_first(instances: Iterable[Instance]) -> tuple[Instance, ...]:
    return tuple(sorted(instances, key=lambda i: -i.score))
