"""Tracks between keyframes."""

from __future__ import annotations

import pickle
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from vlsam_ros.config import Config, MergeOptions, TrackOptions, profile_path
from vlsam_ros.data import Detection, Detections, Mask, intersection
from vlsam_ros.synthetic.drive import Drive, frames, held_out_drive, sample_drive
from vlsam_ros.synthetic.truth import IGNORE, ground_truth
from vlsam_ros.tracking.flow import small
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
        path.write_bytes(pickle.dumps(list(_render(DRIVES[name]))))
    return pickle.loads(path.read_bytes())


def _render(drive: Drive):
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
class Carrying:
    """How well masks are carried: IoU with the truth by age and method, and what went wrong with ids."""

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
    last, next_s, keyframe = {}, 0.0, frames[0]
    ids: dict[int, str] = {}
    for number, frame in enumerate(frames):
        rgb = frame.rgb
        with clock("reduce"):
            gray = small(rgb)
        with clock("look"):
            tracker.look(number, frame.time_s, gray, rgb.shape[:2])
        if frame.time_s >= next_s - 1e-6:
            waiting.append((frame.time_s + late_s, number))
            next_s += every_s
        while waiting and waiting[0][0] <= frame.time_s + 1e-6:
            _, number_then = waiting.pop(0)
            keyframe = frames[number_then]
            with clock("found"):
                told = tracker.found(number_then, detections(keyframe))
            for d, which in zip(told.items, keyframe.objects, strict=False):
                if which in ids and d.track.id != ids[which]:
                    result.switches += d.track.id in ids.values()
                    result.fragments += d.track.id not in ids.values()
                ids[which] = d.track.id
            last = dict(zip(keyframe.objects, told.items, strict=False))
        with clock("tracks"):
            shown = {d.track.id: d for d in tracker.tracks().items}
        age_s = round(frame.time_s - keyframe.time_s, 2)
        for which, true in zip(frame.objects, frame.truth.items, strict=True):
            if which < 0 or which not in last or not age_s:
                continue
            then, track = last[which], shown.get(ids[which])
            size_px = true.mask.bits.shape[0]
            result.lost += track is None
            result.frames += 1
            result.note("tracks", age_s, size_px, iou(track.mask, true.mask) if track else 0.0)
            result.note("left where it was", age_s, size_px, iou(then.mask, true.mask))
            moved = then.mask.shifted(*_shift(then.mask, track.mask)) if track else then.mask
            result.note("shifted only", age_s, size_px, iou(moved, true.mask))
    result.objects += len(ids)


def _shift(a: Mask, b: Mask) -> tuple[int, int]:
    (x0, y0, x1, y1), (u0, v0, u1, v1) = a.xyxy, b.xyxy
    return round((u0 + u1 - x0 - x1) / 2), round((v0 + v1 - y0 - y1) / 2)


def predicted(name: str, every_s: float = 0.5) -> dict[int, Detections]:
    """What the embedded pair finds in a drive's keyframes, by frame; detected once."""
    path = CACHE / f"{name.replace('/', ' per ')} found.pickle"
    if not path.exists():
        from vlsam_ros.pipeline import load

        detect = load(Config.from_file(profile_path("embedded")))
        horizon = DRIVES[name].world.camera.horizon_px / 900
        frames, found, next_s = shown(name), {}, 0.0
        for number, frame in enumerate(frames):
            if frame.time_s >= next_s - 1e-6:
                found[number] = replace(detect(frame.rgb, horizon=horizon), heat=None)
                next_s += every_s
        path.write_bytes(pickle.dumps(found))
    return pickle.loads(path.read_bytes())


if __name__ == "__main__":
    cv2.setNumThreads(1)
    for name in sys.argv[1:] or DRIVES:
        print(name, len(shown(name)), len(predicted(name)), flush=True)
