"""One camera's tracks: carried from frame to frame at camera rate, and told apart from keyframe to keyframe.

look    a frame: points on every mask are followed, and tell how it moved and grew
found   a keyframe's result, maybe seconds old: which of it is which track, and where its masks are by now
tracks  where everything is that is believed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from ..config import MergeOptions, TrackOptions
from ..data import Detection, Detections, Track
from ..ensemble.synonyms import meaning
from .association import associate, swallowed
from .carried import GONE, Carried, Frame, advance
from .evidence import Evidence
from .flow import small

HISTORY = 32
"""Most frames that are kept for results to come; when there are more, every second one of the older half goes."""

CATCH_UP, CATCH_UP_S = (8, 16), 0.2
"""Most steps in which a late result is carried on: 8, and up to 16 if each would be longer than that."""

BLANK = 1.5
"""A picture whose brightness has a smaller standard deviation shows nothing."""

BLIND_S = 0.5
"""A track is not shown that nothing in the pictures has confirmed for so long."""

JUMP_S = 10.0
"""Time that goes on by more, or back by `BACK_S`, between two frames is another recording's: all tracks end."""

BACK_S = 1.0

CUT = 0.3
"""Pictures whose thumbnails correlate less show different places."""

IN_VIEW = 0.5
"""A keyframe that does not show a track counts only if so much of it should have been in the picture."""

SLACK_PX = 4.0
"""How far masks that were carried may be from where they should be, whatever their size, in pixels of the frame."""


class Tracked:
    """One object from keyframe to keyframe.

    Attributes:
        id: the same as long as it lasts.
        detection: of the last keyframe that saw it.
        carried: that one's mask, where it is since then.
        evidence: what all keyframes say.
        seen_s: time of the last keyframe that saw it.
        keyframe: number of the last one that counted.
    """

    def __init__(self, id: str, detection: Detection, carried: Carried, time_s: float, keyframe: int) -> None:
        self.id, self.detection, self.carried = id, detection, carried
        self.evidence, self.seen_s, self.keyframe = Evidence.of(detection.score), time_s, keyframe
        self._names = {detection.label: detection.score}

    @property
    def label(self) -> str:
        """The name with the largest sum of scores."""
        return min(self._names, key=lambda name: (-self._names[name], name))

    def saw(self, detection: Detection, carried: Carried, time_s: float, keyframe: int, options: TrackOptions) -> None:
        """A keyframe shows it again: its mask takes the place of the one that was carried."""
        if keyframe != self.keyframe:
            self.evidence = self.evidence.saw(detection.score, options)
            self._names[detection.label] = self._names.get(detection.label, 0.0) + detection.score
        self.detection, self.carried, self.seen_s, self.keyframe = detection, carried, time_s, keyframe

    def missed(self, keyframe: int, options: TrackOptions) -> None:
        """A keyframe looked where it is, and doesn't show it."""
        if keyframe != self.keyframe:
            self.evidence, self.keyframe = self.evidence.missed(options), keyframe

    def at(self, time_s: float) -> Track:
        """Its state at a time."""
        return Track(self.id, self.evidence.seen, self.evidence.looked, max(0.0, time_s - self.seen_s))

    def score(self, time_s: float, options: TrackOptions) -> float:
        """The probability that it is real and still there: halves in `half_life_s` without being seen."""
        return self.evidence.believed * 0.5 ** (self.at(time_s).unseen_s / options.half_life_s)

    def in_frame(self, number: int | None = None) -> Detection:
        """It with its mask in the frame of that number (None: the last one)."""
        return replace(self.detection, label=self.label, mask=self.carried.mask_at(number))


class Tracker:
    """One camera's tracks. Not thread-safe; the same calls give the same results.

    Args:
        options: of tracks.
        merge: what counts as one object, and which names mean the same.
        prefix: ids are this and a number, none of which comes twice.
        first: the first of these numbers: `next` of a tracker whose place this one takes.
    """

    def __init__(self, options: TrackOptions, merge: MergeOptions, prefix: str = "", first: int = 1) -> None:
        self.prefix, self.next = prefix, first
        self._frames: list[Frame] = []
        self._tracked: list[Tracked] = []
        self._size_hw, self._time_s = (0, 0), 0.0
        self._found, self._expected, self._blank = -1, -1, -1
        self._last = Detections((0, 0))
        self.configure(options, merge)

    def configure(self, options: TrackOptions, merge: MergeOptions) -> None:
        """Other options from now on."""
        self._options, self._merge = options, merge
        self._meaning: Callable[[str], str] = partial(meaning, more=tuple(merge.synonyms)) if merge.meaning else str

    def look(self, number: int, time_s: float, gray: np.ndarray, size_hw: tuple[int, int]) -> None:
        """Take in a frame. One that is known, or older than the last one, or blank, moves nothing.

        Args:
            number: the frame's own, growing.
            time_s: when it was taken, seconds.
            gray: uint8 (h, w), the frame as it is or reduced, see `flow.small`.
            size_hw: of the frame itself, in pixels of which masks are.
        """
        gray, size_hw = small(gray), (int(size_hw[0]), int(size_hw[1]))
        last = self._frames[-1] if self._frames else None
        away_s = time_s - self._time_s
        if size_hw != self._size_hw or away_s > JUMP_S or away_s < -BACK_S or (last and last.gray.shape != gray.shape):
            self._forget()
        elif last and number <= last.number:
            return
        self._size_hw, self._time_s = size_hw, time_s
        if cv2.meanStdDev(gray)[1].item() >= BLANK:
            self._advance(Frame(number, time_s, gray.copy()))
        else:
            self._blank = number
        # what has left the picture is kept, too: a late keyframe may still show it
        self._tracked = [t for t in self._tracked if time_s - t.seen_s <= self._options.keep_s]

    def _advance(self, frame: Frame) -> None:
        if self._frames and float((frame.thumbnail * self._frames[-1].thumbnail).mean()) < CUT:
            self._forget()
        if self._frames:
            advance([t.carried for t in self._tracked], self._frames[-1], frame)
        frames = [f for f in self._frames if self._needed(f, frame.time_s)] + [frame]
        thin = frames[1 : HISTORY // 2 : 2] if len(frames) > HISTORY else []
        self._frames = [f for f in frames if f not in thin or f.number == self._expected]

    def _needed(self, frame: Frame, time_s: float) -> bool:
        """Whether a result that is still to come may be of that frame, or its tracks go on from there."""
        return frame.number == self._expected or time_s - frame.time_s <= self._options.keep_s

    def _forget(self) -> None:
        self._frames, self._tracked, self._found = [], [], -1

    def expect(self, number: int) -> bool:
        """Keep that frame, and no other one that was expected before, for its result; whether it need not be looked at.

        So it is if it was already, or a later one.
        """
        self._expected = number
        return bool(self._frames) and number <= self._frames[-1].number

    def found(self, number: int, detections: Detections) -> Detections:
        """A keyframe's result with its tracks: `track` is filled, all else stays.

        It belongs to the frame of that number, or the nearest one that is kept, and is carried on from there to the
        last frame. Of a keyframe before all frames that are kept, or before the last result's, nothing can be said any
        more: it comes back as it is. A second result for one keyframe takes the first one's place.
        """
        unknown = not self._frames or number < max(self._found, self._frames[0].number)
        if unknown or detections.size_hw != self._size_hw:
            return detections
        index = min(range(len(self._frames)), key=lambda i: abs(self._frames[i].number - number))
        frame, later, items = self._frames[index], self._frames[index + 1 :], detections.items
        there = [t.in_frame(frame.number) for t in self._tracked]
        pairs = associate(there, items, self._meaning, [self._reach(t) for t in self._tracked])
        known = {d: self._tracked[t] for t, d in pairs}
        carried = [Carried(d.mask, frame, self._size_hw, self._before(known.get(i))) for i, d in enumerate(items)]
        for before, after in _steps(frame, later):
            advance(carried, before, after)
        gone = swallowed(there, items, {t for t, _ in pairs}, self._meaning, self._merge)
        for i, t in enumerate(self._tracked):
            unseen = number != self._blank and t not in known.values() and i not in gone
            if unseen and self._looked(t, there[i], detections, frame.number):
                t.missed(number, self._options)
        now = [
            self._seen(known.get(i), d, c, frame.time_s, number)
            for i, (d, c) in enumerate(zip(items, carried, strict=True))
        ]
        left = [t for i, t in enumerate(self._tracked) if i not in gone and t not in known.values()]
        self._tracked = self._strongest([*left, *now])
        self._found, self._last = number, detections
        tracked = tuple(replace(d, track=t.at(frame.time_s)) for d, t in zip(items, now, strict=True))
        return replace(detections, items=tracked)

    def _seen(self, t: Tracked | None, d: Detection, carried: Carried, time_s: float, number: int) -> Tracked:
        if t is None:
            self.next += 1
            return Tracked(f"{self.prefix}{self.next - 1}", d, carried, time_s, number)
        t.saw(d, carried, time_s, number, self._options)
        return t

    def _before(self, t: Tracked | None) -> Carried | None:
        return t.carried if t else None

    def _reach(self, t: Tracked) -> float:
        """How far it may be from where it is thought to be, as a share of its size."""
        size = float(np.sqrt(np.prod(t.carried.mask.bits.shape)))
        return min(1.0, 2 * t.carried.blind_s) + SLACK_PX / max(size, 1.0)

    def _looked(self, t: Tracked, there: Detection, detections: Detections, number: int) -> bool:
        """Whether a keyframe could have shown a track: its view was asked, and it is large enough."""
        view, question = there.view, there.question
        skipped = view in detections.skipped or f"{view}: {question}" in detections.skipped
        large = there.mask.area >= max(1, self._merge.min_area_px)
        return not skipped and large and t.carried.visible(number) >= IN_VIEW

    def _strongest(self, tracked: Sequence[Tracked]) -> list[Tracked]:
        """As many as a frame may have instances, in the order of their age."""
        best = sorted(tracked, key=lambda t: -t.score(self._time_s, self._options))
        kept = set(map(id, best[: self._merge.max_instances]))
        return [t for t in tracked if id(t) in kept]

    def tracks(self) -> Detections:
        """Where all tracks are in the last frame that the keyframes make believe, `min_score`; best score first.

        Masks are the last keyframe's, carried on; the score is what all keyframes say (`Evidence`), and decays
        until one sees the object again, but hides nothing: no result in time is no word against it. The name is the one
        with the largest sum of scores.
        """
        items = []
        for t in self._tracked:
            there = t.carried.visible() >= GONE and t.carried.blind_s <= BLIND_S
            if there and t.evidence.believed >= self._options.min_score:
                now, score = t.in_frame(), t.score(self._time_s, self._options)
                if now.mask.area:
                    items.append(replace(now, score=score, track=t.at(self._time_s), place=None))
        ordered = tuple(sorted(items, key=lambda d: -d.score))
        last = replace(self._last, skipped=(), heat=None, answers=(), timings_s={}, dropped=(), problems=())
        return replace(last, size_hw=self._size_hw, items=ordered)


def _steps(frame: Frame, later: Sequence[Frame]) -> list[tuple[Frame, Frame]]:
    """Pairs of frames from one to the last, about equally far apart, see `CATCH_UP`."""
    way = [frame, *later]
    numbers, count = (
        np.array([f.number for f in way]),
        int(np.clip((way[-1].time_s - frame.time_s) / CATCH_UP_S, *CATCH_UP)),
    )
    wanted = np.linspace(numbers[0], numbers[-1], count + 1)
    chosen = np.unique(np.abs(numbers[:, None] - wanted).argmin(0))
    return [(way[a], way[b]) for a, b in zip(chosen[:-1], chosen[1:], strict=True)]
