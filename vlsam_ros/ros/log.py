"""The node's log, from any thread and process."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from vlsam_ros.output.text import plain_lines

EVERY_S, KNOWN = 5.0, 256
"""A warning or an error that is like an earlier one but for its numbers waits so long; how many are remembered."""


class Log:
    """A level of Python's `logging` and a text, made printable, to a ROS logger."""

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._last_s: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, level: int, text: str) -> None:
        """Log it."""
        text = plain_lines(text)
        if level >= logging.WARNING and not self._is_news(re.sub(r"\d+", "", f"{logging.getLevelName(level)} {text}")):
            return
        if level >= logging.ERROR:  # each level has its own line, since rclpy refuses two from the same
            self._logger.error(text)
        elif level >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def _is_news(self, key: str) -> bool:
        now_s = self._clock()
        with self._lock:
            if now_s - self._last_s.get(key, -EVERY_S) < EVERY_S:
                return False
            self._last_s[key] = now_s
            self._last_s.move_to_end(key)
            if len(self._last_s) > KNOWN:
                self._last_s.popitem(last=False)
            return True
