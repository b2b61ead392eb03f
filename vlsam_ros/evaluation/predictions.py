"""What a detector found, one line of JSON for each frame: written while it runs, read for scoring.

The first line says how the detector was set. A frame's line is what `vlsam detect` writes for a picture, with the
frame's id; of a frame that failed it has the error instead.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import Detections
from ..errors import PARTIAL, DataError
from ..localisation.score import PARTS
from ..output.files import as_json
from .dataset import Dataset, Frame, Instance, compressed, strangers

FILE = "predictions.jsonl"
RECORDS = ({"id", "image", "size_hw", "instances"}, {"id", "image", "error"})
"""What a frame's line has, of one that was looked at and of one that failed."""


@dataclass(frozen=True)
class Predictions:
    """A detector's results.

    Attributes:
        header: how it was set: `threshold`, the least score of an instance in use, and `options`.
        found: frame id -> instances, best score first.
        dropped: the same, of those that were found and not believed.
        failed: frame id -> error; nothing is known about such a frame.
        seconds: of each frame that says it.
        models: names of the models.
        warnings: what was wrong with the file -> how often.
    """

    header: Mapping[str, Any] = field(default_factory=dict)
    found: dict[int, tuple[Instance, ...]] = field(default_factory=dict)
    dropped: dict[int, tuple[Instance, ...]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
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
                tqdm.write(f"{frame.name}: {record['error']}")
                failed += 1
            print(json.dumps({"id": frame.id} | record), file=file, flush=True)
            bar.update()
    return failed


def _resume(path: Path, header: Mapping[str, Any]) -> set[int]:
    """The ids of the frames done; cuts off a line that was half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return set()
    records, whole = _records(path)
    if not records and not json.dumps(dict(header)).encode().startswith(path.read_bytes()):
        raise DataError(f"{path} is there and holds no predictions: use another --out, or remove it")
    _check_same(path, records[0] if records else header, header)
    with path.open("rb+") as file:
        file.truncate(whole)
    return {r["id"] for r in records[1:] if "error" not in r}


def _check_same(path: Path, theirs: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    keys = sorted({*header, *theirs} - {"options"}) + sorted({*header.get("options", {}), *theirs.get("options", {})})
    flat = [dict(h) | h.get("options", {}) for h in (theirs, header)]
    if differ := [f"{k} {flat[0].get(k)!r} -> {flat[1].get(k)!r}" for k in keys if flat[0].get(k) != flat[1].get(k)]:
        raise DataError(f"{path} was made with other settings ({'; '.join(differ)}): use another --out, or remove it")


def _records(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The records of the whole lines, and those lines' length in bytes.

    Raises:
        DataError: a line that is no record, and not the end of the file.
    """
    records, whole = [], 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}; remove this line") from error
        if not isinstance(record, dict) or (number > 1 and not any(keys <= record.keys() for keys in RECORDS)):
            raise DataError(f"{path}, line {number}: expected a frame's record, got {line[:80]!r}")
        records.append(record)
        whole += len(line)
    return records, whole


def read(path: Path, dataset: Dataset, topic: str = "/vlsam_detector/detections") -> Predictions:
    """Predictions for a dataset: of a file, or of a folder with it; COCO's results as .json; or a recording's topic.

    Raises:
        DataError: unreadable, or of other frames than the dataset's.
    """
    if not path.exists():
        raise DataError(f"no such predictions: {path}")
    file = path / FILE if path.is_dir() else path
    if file.suffix == ".json":
        predictions = _coco(file, dataset)
    elif file.suffix == ".jsonl" and file.exists():
        records, whole = _records(file)
        if not records:
            raise DataError(f"{file}: there is no whole line in it")
        half = file.stat().st_size - whole
        predictions = _gathered(records[0], records[1:], dataset, {"half-written last line, left out": int(half > 0)})
    else:
        predictions = _gathered({}, list(_bag(path, topic, dataset)), dataset, {})
    if not predictions.found and not predictions.failed:
        raise DataError(f"{path}: no predictions for any frame of {dataset.name}")
    return predictions


def _gathered(
    header: Mapping[str, Any], records: list[dict[str, Any]], dataset: Dataset, warnings: Mapping[str, int]
) -> Predictions:
    """Records by frame; of two for one frame the later counts, as after an error and another try."""
    frames = {f.id: f for f in dataset.frames}
    result = Predictions(header, warnings=Counter(warnings))
    latest = {r["id"]: r for r in records}
    for i, record in latest.items():
        if i not in frames:
            result.warnings["predictions for frames that the data doesn't have, left out"] += 1
            continue
        frame = frames[i]
        if record["image"] != frame.name:
            raise DataError(
                f"predictions of other data: frame {i} is {record['image']!r} there and {frame.name!r} in "
                f"{dataset.name}"
            )
        if "error" in record:
            result.failed[i] = record["error"]
        elif tuple(record["size_hw"]) != frame.size_hw:
            result.failed[i] = f"expected a picture of {frame.size_hw}, the detector had {tuple(record['size_hw'])}"
        else:
            result.found[i] = _best_first(_instances(record, "instances"))
            result.dropped[i] = _best_first(_instances(record, "dropped"))
            result.seconds.extend([record["timings_s"]["total"]] if "total" in record.get("timings_s", {}) else [])
    models = {
        " + ".join(filter(None, map(r.get, ("vlm", "segmenter", "grounder"))))
        for r in latest.values()
        if "error" not in r
    }
    return replace(result, models=", ".join(sorted(models)), warnings=+result.warnings)


def _instances(record: Mapping[str, Any], key: str) -> Iterator[Instance]:
    for item in record.get(key, ()):
        rle = compressed(item["segmentation"], record["size_hw"]) if item.get("segmentation") else None
        parts = tuple(item["parts"].get(p, 1.0) for p in PARTS) if "parts" in item else ()
        yield Instance(str(item["label"]), tuple(item["box_xyxy"]), rle, float(item["score"]), parts=parts)


def _coco(file: Path, dataset: Dataset) -> Predictions:
    """Another detector's results in COCO's format: a list of boxes or masks with image_id, category_id and score.

    A frame without any counts as looked at, as everywhere in that format.
    """
    try:
        results = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"can't read {file}: {error}") from error
    for r in results if isinstance(results, list) else [results]:
        if not _is_result(r):
            raise DataError(f"{file}: expected a list of image_id, score, and bbox or segmentation; got {r!r:.120}")
    ids = {r["image_id"] for r in results}
    frames, names = {f.id: f for f in dataset.frames}, {c.id: c.name for c in dataset.categories}
    unknown = strangers("image ids of predictions", ids, frames)
    found: dict[int, list[Instance]] = {i: [] for i in frames}
    for r in results:
        if r["image_id"] not in unknown:
            found[r["image_id"]].append(_coco_instance(r, names, frames[r["image_id"]].size_hw))
    warnings = Counter({"predictions for frames that the data doesn't have, left out": len(unknown)})
    best_first = {i: _best_first(items) for i, items in found.items()} if ids - unknown else {}
    return Predictions({}, best_first, models=file.stem, warnings=+warnings)


def _is_result(r: Any) -> bool:
    if not isinstance(r, dict) or not isinstance(r.get("image_id"), int):
        return False
    bbox = [0] * 4 if "bbox" not in r and r.get("segmentation") else r.get("bbox")
    numbers = [r.get("score"), *bbox] if isinstance(bbox, list) and len(bbox) == 4 else [None]
    return all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers)


def _coco_instance(result: Mapping[str, Any], names: Mapping[int, str], size_hw: tuple[int, int]) -> Instance:
    from faster_coco_eval.core import mask as coco

    rle = compressed(result["segmentation"], size_hw) if result.get("segmentation") else None
    x, y, w, h = (float(v) for v in (result["bbox"] if "bbox" in result else coco.toBbox(rle)))
    name = names.get(result.get("category_id", -1), "")
    return Instance(name, (x, y, x + w, y + h), rle, float(result["score"]))


def _bag(path: Path, topic: str, dataset: Dataset) -> Iterator[dict[str, Any]]:
    """The records of recorded detections; their frames are found by their stamps."""
    from ..output.messages import from_message
    from .bag_data import messages, stamp_ns

    ids = {f.name: f.id for f in dataset.frames}
    for number, message in enumerate(messages(path, topic)):
        name = str(stamp_ns(message))
        record = {"id": ids.get(name, -1 - number), "image": name}
        if message.status > PARTIAL:
            yield record | {"error": f"status {message.status}: {message.status_text}"}
        else:
            yield record | as_json(name, from_message(message))


def _best_first(instances: Iterator[Instance] | list[Instance]) -> tuple[Instance, ...]:
    return tuple(sorted(instances, key=lambda i: -i.score))
