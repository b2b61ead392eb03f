"""What is asked at run time, and how long. Plain Python, no ROS; thread-safe."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlsam_ros.output.text import plain, shows

MOST, LONGEST = 32, 200
"""Questions at a time, since each costs time in every keyframe, and characters of one."""


@dataclass(frozen=True)
class Asked:
    """A question, of which camera (empty: all), and until when."""

    question: str
    camera: str
    until_s: float


class Asking:
    """The questions beside the configured ones."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: list[Asked] = []
        self._lock = threading.Lock()

    def ask(self, questions: Sequence[str], camera: str, lifetime_s: float, clear: bool) -> None:
        """Ask these, too, for `lifetime_s` seconds (0: for ever); what was asked before first goes if `clear`.

        Raises:
            ValueError: a question is empty, too long or not to be printed, there are too many, or the time is none.
        """
        if not 0 <= lifetime_s < math.inf:
            raise ValueError(f"lifetime_s: expected 0 or more seconds, got {lifetime_s:g}")
        for question in questions:
            if not shows(question) or len(question) > LONGEST:
                raise ValueError(f"expected questions of 1 to {LONGEST} printable characters, got {question!r:.80}")
        until_s = self._clock() + lifetime_s if lifetime_s else math.inf
        new = [Asked(plain(question), camera, until_s) for question in dict.fromkeys(questions)]
        with self._lock:
            again = {(asked.question, asked.camera) for asked in new}
            kept = [] if clear else [a for a in self._living() if (a.question, a.camera) not in again]
            if len(kept) + len(new) > MOST:
                raise ValueError(f"expected at most {MOST} questions at a time, got {len(kept) + len(new)}")
            self._asked = kept + new

    def questions(self, camera: str | None = None) -> tuple[str, ...]:
        """What is asked now about a camera's frames; None: about any."""
        with self._lock:
            self._asked = self._living()
            own = (a.question for a in self._asked if camera is None or a.camera in ("", camera))
            return tuple(dict.fromkeys(own))

    def _living(self) -> list[Asked]:
        now_s = self._clock()
        return [asked for asked in self._asked if asked.until_s > now_s]
