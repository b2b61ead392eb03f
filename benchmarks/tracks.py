"""Tracks between keyframes on rendered drives with exact truth: masks, ids, false alarms and time.

    python -m benchmarks.tracks [--quick]

True detections are given as keyframes at 1 Hz, at once and 0.8 s late, and each frame's tracks are compared with its
truth; beside them masks that are left where they were, and masks that are only shifted as their track. Then the
embedded pair's own detections at 2 Hz: what is shown with and without the evidence of several keyframes, also with
false names added, and on other drives than options were chosen by. Drives and detections are kept in the folder for
temporary files; remove it after a change of either.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.common import finish, header, table
from vlsam_ros.config import Config, MergeOptions, TrackOptions, profile_path
from vlsam_ros.data import Detection, Detections, Mask, intersection
from vlsam_ros.output.files import MAX_PIXELS
from vlsam_ros.serving.images import Picture, to_grey
from vlsam_ros.synthetic.drive import Drive, frames, held_out_drive, sample_drive
from vlsam_ros.synthetic.truth import IGNORE, ground_truth
from vlsam_ros.tracking.flow import WIDTH, small
from vlsam_ros.tracking.tracker import Tracker

CACHE = Path(tempfile.gettempdir()) / "vlsam_tracks"
DRIVES: dict[str, Drive] = {
    "sample": sample_drive(),
    "8 m/s, curve": held_out_drive(101, 60, 10.0, 8.0, 6e-4, 1.5),
    "14 m/s, sharp curve": held_out_drive(102, 60, 10.0, 14.0, -1.0e-3, 2.0),
    "22 m/s": held_out_drive(103, 60, 10.0, 22.0, 0.0, 2.0),
    "14 m/s, night, 20 Hz": held_out_drive(104, 100, 20.0, 14.0, 4e-4, 1.5),
    "10 m/s, 5 Hz": held_out_drive(105, 40, 5.0, 10.0, -3e-4, 1.5),
}
OTHERS: dict[str, Drive] = {
    "other 12 m/s": held_out_drive(201, 50, 10.0, 12.0, 5e-4, 1.5),
    "other 17 m/s": held_out_drive(202, 50, 10.0, 17.0, -4e-4, 2.0),
    "other 9 m/s": held_out_drive(203, 50, 10.0, 9.0, 0.0, 1.0),
}
"""Those that no option was chosen by."""


@dataclass(frozen=True)
class Shown:
    """A frame of a drive: when, its JPEG, what is to be seen, and each true instance's number for the whole drive."""

    time_s: float
    jpeg: np.ndarray
    truth: Detections
    objects: tuple[int, ...]

    @property
    def rgb(self) -> np.ndarray:
        """RGB uint8 (H, W, 3)."""
        return cv2.cvtColor(cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def shown(name: str) -> list[Shown]:
    """A drive's frames, rendered once."""
    path = CACHE / f"{name.replace('/', ' per ')}.pickle"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(list(_render((DRIVES | OTHERS)[name]))))
    return pickle.loads(path.read_bytes())


def _render(drive: Drive) -> Iterator[Shown]:
    for time_s, frame in frames(drive):
        ego_m = time_s * drive.speed_mps
        nearest = sorted(frame.objects, key=lambda o: o.distance_m)
        numbers = [
            min(
                (i for i, p in enumerate(drive.world.placed) if p.name == o.name),
                key=lambda i: abs(drive.world.placed[i].z_m - ego_m - o.distance_m),
            )
            for o in nearest
        ]
        picture = cv2.imencode(".jpg", frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        truth = ground_truth(frame)
        yield Shown(time_s, picture.reshape(-1), truth, tuple(numbers + [-1] * (len(truth) - len(numbers))))


HEIGHTS = {"under 20 px": 20, "20 to 40": 40, "40 to 100": 100, "over 100": 10000}
"""How high things are in the picture."""


def iou(a: Mask, b: Mask) -> float:
    """Of two masks."""
    shared = intersection(a, b)
    return shared / max(a.area + b.area - shared, 1)


def detections(frame: Shown) -> Detections:
    """The truth as a keyframe would tell it: what has a label."""
    return replace(frame.truth, items=tuple(d for d in frame.truth.items if d.label != IGNORE))


@dataclass
class Clock:
    """Milliseconds of CPU by stage."""

    ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure the block."""
        started = time.process_time()
        yield
        self.ms[stage].append(1e3 * (time.process_time() - started))


@dataclass
class Ids:
    """Which object has which id in a drive.

    Attributes:
        of: an object's id, by its number.
        switches: how often an object got an id that another one has, or had.
        fragments: how often an object got a second one of its own.
    """

    of: dict[int, str] = field(default_factory=dict)
    switches: int = 0
    fragments: int = 0

    def note(self, which: int, id: str) -> None:
        """A keyframe says so."""
        if id != self.of.get(which):
            self.switches += id in self.of.values()
            self.fragments += which in self.of and id not in self.of.values()
        self.of[which] = id


@dataclass
class Carrying:
    """How well masks are carried: IoU with the truth by age and method, and what went wrong with `Ids`."""

    ious: dict[tuple[str, float, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    objects: int = 0
    frames: int = 0
    switches: int = 0
    fragments: int = 0
    lost: int = 0

    def note(self, method: str, age_s: float, height_px: int, value: float) -> None:
        """One mask in one frame."""
        size = next(name for name, most in HEIGHTS.items() if height_px < most)
        for group in ("all", size):
            self.ious[method, age_s, group].append(value)


def carry(frames: Sequence[Shown], result: Carrying, clock: Clock, late_s: float, every_s: float = 1.0) -> None:
    """Drive with true detections as keyframes, delivered late; compare every frame's tracks with its truth."""
    tracker = Tracker(TrackOptions(), MergeOptions())
    waiting: list[tuple[float, int]] = []
    last, next_s, keyframe, ids = {}, 0.0, frames[0], Ids()
    for number, frame in enumerate(frames):
        with clock("decode"):
            gray, size_hw = to_grey(Picture(format="jpeg", data=frame.jpeg), MAX_PIXELS, WIDTH)
        with clock("look"):
            tracker.look(number, frame.time_s, gray, size_hw)
        if frame.time_s >= next_s - 1e-6:
            waiting.append((frame.time_s + late_s, number))
            next_s += every_s
        while waiting and waiting[0][0] <= frame.time_s + 1e-6:
            _, number_then = waiting.pop(0)
            keyframe = frames[number_then]
            with clock("found"):
                told = tracker.found(number_then, detections(keyframe))
            for d, which in zip(told.items, keyframe.objects, strict=False):
                ids.note(which, d.track.id)
            last = dict(zip(keyframe.objects, told.items, strict=False))
        with clock("tracks"):
            shown = {d.track.id: d for d in tracker.tracks().items}
        age_s = round(frame.time_s - keyframe.time_s, 2)
        for which, true in zip(frame.objects, frame.truth.items, strict=True):
            if which < 0 or which not in last or not age_s:
                continue
            then, track = last[which], shown.get(ids.of[which])
            size_px = true.mask.bits.shape[0]
            result.lost += track is None
            result.frames += 1
            result.note("tracks", age_s, size_px, iou(track.mask, true.mask) if track else 0.0)
            result.note("left where it was", age_s, size_px, iou(then.mask, true.mask))
            moved = then.mask.shifted(*_shift(then.mask, track.mask)) if track else then.mask
            result.note("shifted only", age_s, size_px, iou(moved, true.mask))
    result.objects += len(ids.of)
    result.switches += ids.switches
    result.fragments += ids.fragments


def _shift(a: Mask, b: Mask) -> tuple[int, int]:
    (x0, y0, x1, y1), (u0, v0, u1, v1) = a.xyxy, b.xyxy
    return round((u0 + u1 - x0 - x1) / 2), round((v0 + v1 - y0 - y1) / 2)


def predicted(name: str, every_s: float = 0.5) -> dict[int, Detections]:
    """What the embedded pair finds in a drive's keyframes, by frame; detected once."""
    path = CACHE / f"{name.replace('/', ' per ')} found.pickle"
    if not path.exists():
        from vlsam_ros.pipeline import load

        detect = load(Config.from_file(profile_path("embedded")))
        horizon = (DRIVES | OTHERS)[name].world.camera.horizon_px / 900
        frames, found, next_s = shown(name), {}, 0.0
        for number, frame in enumerate(frames):
            if frame.time_s >= next_s - 1e-6:
                found[number] = replace(detect(frame.rgb, horizon=horizon), heat=None)
                next_s += every_s
        path.write_bytes(pickle.dumps(found))
    return pickle.loads(path.read_bytes())


ON, OFF = 0.5, 0.1
"""IoU from which an object is found, and below which with everything an instance is a false alarm."""


@dataclass
class Alarms:
    """What is shown in every frame, against the truth.

    Attributes:
        objects, found: those over 40 px, and those that something shown lies on, summed over frames.
        touched: those that something shown at least touches (IoU 0.1).
        moments, false: results that were delivered, and false instances that were shown then.
        again: of real and of false tracks, keyframes after the first that saw and that looked.
        ids: objects that had one, switches and fragments, see `Ids`.
    """

    objects: int = 0
    found: int = 0
    touched: int = 0
    moments: int = 0
    false: int = 0
    again: dict[bool, list[int]] = field(default_factory=lambda: {True: [0, 0], False: [0, 0]})
    ids: list[int] = field(default_factory=lambda: [0, 0, 0])

    def note(self, shown: Sequence[Detection], frame: Shown, moment: bool) -> None:
        """One frame."""
        for which, true in zip(frame.objects, frame.truth.items, strict=True):
            if which >= 0 and true.mask.bits.shape[0] > 40:
                best = max((iou(d.mask, true.mask) for d in shown), default=0.0)
                self.objects, self.found, self.touched = (
                    self.objects + 1,
                    self.found + (best >= ON),
                    self.touched + (best >= OFF),
                )
        if moment:
            self.moments += 1
            self.false += sum(is_false(d, frame) for d in shown)

    def per_minute(self, rate_hz: float) -> float:
        """False alarms that are on show at a moment of delivery, summed over a minute's."""
        return 60 * rate_hz * self.false / max(self.moments, 1)


def is_false(d: Detection, frame: Shown) -> bool:
    """Whether an instance lies on nothing that is there, nor on what may be reported or not."""
    for true in frame.truth.items:
        shared = intersection(d.mask, true.mask)
        if iou(d.mask, true.mask) >= OFF or shared > 0.5 * min(d.mask.area, true.mask.area):
            return False
    return True


def lies_on(d: Detection, frame: Shown) -> int:
    """The number of the object that an instance shows (IoU from `ON` on), -1: none."""
    on = [(iou(d.mask, true.mask), which) for which, true in zip(frame.objects, frame.truth.items, strict=True)]
    best, which = max(on, default=(0.0, -1))
    return which if best >= ON else -1


def alarms(name: str, results: dict[int, Detections], result: Alarms, min_score: float | None, late_s: float) -> None:
    """A drive with what was found in it; `min_score` None: results are held until the next, without tracks."""
    frames, options = shown(name), TrackOptions()
    tracker = Tracker(replace(options, min_score=min_score or 0.0), Config.from_file(profile_path("embedded")).merge)
    waiting, held = list(results.items()), Detections((0, 0))
    real: dict[str, list[bool]] = defaultdict(list)
    last: dict[str, tuple[int, int]] = {}
    ids = Ids()
    for number, frame in enumerate(frames):
        rgb = frame.rgb
        tracker.look(number, frame.time_s, small(rgb), rgb.shape[:2])
        moment = False
        while waiting and frames[waiting[0][0]].time_s + late_s <= frame.time_s + 1e-6:
            then, found = waiting.pop(0)
            held, moment = tracker.found(then, found), True
            for d in held.items:
                if d.track:
                    real[d.track.id].append(not is_false(d, frames[then]))
                    if (which := lies_on(d, frames[then])) >= 0:
                        ids.note(which, d.track.id)
            last |= {d.track.id: (d.track.seen, d.track.looked) for d in tracker.tracks().items if d.track}
        result.note(held.items if min_score is None else tracker.tracks().items, frame, moment)
    result.ids = [a + b for a, b in zip(result.ids, (len(ids.of), ids.switches, ids.fragments), strict=True)]
    for which, (seen, looked) in last.items():
        kind = result.again[sum(real[which]) * 2 >= len(real[which])]
        kind[0], kind[1] = kind[0] + seen - 1, kind[1] + looked - 1


def crowded(count: int) -> Clock:
    """Time per frame of the sample drive with `count` masks of 80 × 50 pixels in it."""
    clock, tracker, rng = Clock(), Tracker(TrackOptions(), MergeOptions(max_instances=1000)), np.random.default_rng(0)
    corners = rng.integers((0, 400), (1500, 830), (count, 2)).tolist()
    bits = np.ones((50, 80), bool)
    items = tuple(Detection(f"thing {i}", 0.9, 1, 1, 1, Mask(x, y, bits)) for i, (x, y) in enumerate(corners))
    for number, frame in enumerate(shown("sample")[:11]):
        rgb = frame.rgb
        with clock("reduce"):
            gray = small(rgb)
        with clock("look"):
            tracker.look(number, frame.time_s, gray, rgb.shape[:2])
        with clock("tracks"):
            tracker.tracks()
        if not number:
            with clock("found"):
                tracker.found(0, Detections((900, 1600), items))
    return clock


def masks(names: Sequence[str], late_s: float) -> tuple[dict[str, object], Clock]:
    """True detections as keyframes at 1 Hz: tables of ids and of IoU by age, and the figures."""
    clock, sums, rows = Clock(), Carrying(), [["drive", "objects", "switches", "fragments", "lost frames", "of"]]
    for name in names:
        one = Carrying()
        carry(shown(name), one, clock, late_s)
        rows.append([name, one.objects, one.switches, one.fragments, one.lost, one.frames])
        for key, values in one.ious.items():
            sums.ious[key] += values
        for key in ("objects", "switches", "fragments", "lost", "frames"):
            setattr(sums, key, getattr(sums, key) + getattr(one, key))
    print(f"Keyframes at 1 Hz, delivered {late_s} s late")
    table(rows)
    ages = [a for a in (0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5) if sums.ious.get(("tracks", a, "all"))]
    groups = [("tracks", g) for g in ("all", *HEIGHTS)] + [(m, "all") for m in ("shifted only", "left where it was")]
    mean = {(m, g, a): float(np.mean(v)) for (m, a, g), v in sums.ious.items()}
    lines = [[m, g, *(mean.get((m, g, a), float("nan")) for a in ages)] for m, g in groups]
    table([["mask IoU by age", "height", *(f"{a} s" for a in ages)], *lines])
    figures: dict[str, object] = {k: getattr(sums, k) for k in ("objects", "switches", "fragments", "lost", "frames")}
    return figures | {f"iou_{a}_s": mean["tracks", "all", a] for a in ages}, clock


def haunted(results: dict[int, Detections], ghosts: int) -> dict[int, Detections]:
    """The results with so many false names in each keyframe, anywhere below the horizon and each time elsewhere."""
    rng, out = np.random.default_rng(0), {}
    for number, found in results.items():
        boxes = zip(rng.integers((0, 450), (1500, 800), (ghosts, 2)), rng.integers(30, 100, (ghosts, 2)), strict=True)
        false = [Mask(int(x), int(y), np.ones((h, w), bool)) for (x, y), (w, h) in boxes]
        items = [Detection("plank", float(rng.uniform(0.45, 0.8)), 0.5, 0.5, 0.5, mask) for mask in false]
        out[number] = replace(found, items=(*found.items, *items))
    return out


def evidence(names: Sequence[str], ghosts: int, late_s: float = 0.4) -> dict[str, object]:
    """What the embedded pair finds at 2 Hz: false alarms and recall by the least score that is shown."""
    rows: list[list[object]] = [["shown", "found", "touched", "false alarms / min"]]
    figures: dict[str, object] = {}

    def note(label: str, result: Alarms) -> None:
        rates = [result.found / result.objects, result.touched / result.objects, result.per_minute(2.0)]
        rows.append([label, *rates])
        figures[label] = [round(rate, 3) for rate in rates]

    results, own = {name: haunted(predicted(name), ghosts) for name in names}, Alarms()
    for name in names:
        for number, found in results[name].items():
            own.note(found.items, shown(name)[number], True)
    note("results, in their own frames alone", own)
    for min_score in (None, 0.0, 0.4, 0.5, 0.6, 0.7, 0.8):
        result = Alarms()
        for name in names:
            alarms(name, results[name], result, min_score, late_s)
        note("results, until the next" if min_score is None else f"tracks from {min_score} on", result)
        if min_score == 0.0:
            again = {("real" if k else "false"): v for k, v in result.again.items()}
            ids = dict(zip(("objects", "switches", "fragments"), result.ids, strict=True))
    print(
        f"Embedded pair, {len(names)} drives from {names[0]!r} on, {ghosts} more false names a keyframe, 2 Hz, "
        f"{late_s} s late; objects over 40 px, every frame"
    )
    table(rows)
    print(f"keyframes that saw a track again, of those that looked: {again}; ids: {ids}\n")
    return figures | {"again": again, "ids": ids}


def timing(label: str, clock: Clock) -> list[list[object]]:
    """Rows of a table: stage, median, 95 % and most, ms of CPU."""
    return [[f"{label}: {k}", *(float(np.quantile(v, q)) for q in (0.5, 0.95, 1.0))] for k, v in clock.ms.items()]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the sample drive alone, without the embedded pair")
    quick = parser.parse_args().quick
    cv2.setNumThreads(1)
    header("Tracks between keyframes on rendered drives of 1600 × 900, one core")
    names = list(DRIVES)[: 1 if quick else None]
    prompt, clock = masks(names, 0.0)
    late, clock_late = masks(names, 0.8)
    many = crowded(100)
    found = {"found 0.8 s late": clock_late.ms["found"]}
    rows = timing("drives", clock) + timing("drives", Clock(found)) + timing("100 masks", many)
    table([["ms of CPU", "median", "95 %", "most"], *rows])
    figures = {"ms": {str(row[0]): round(float(str(row[1])), 2) for row in rows}}
    own = {} if quick else {n: evidence(names, n) for n in (0, 2)}
    others = {} if quick else {n: evidence(list(OTHERS), n) for n in (0, 2)}
    finish(prompt=prompt, late=late, **figures, evidence=own, evidence_of_others=others)


if __name__ == "__main__":
    main()
