"""Clean ends for the processes that use rclpy; it is started with SignalHandlerOptions.NO beside this."""

from __future__ import annotations

import os
import signal
import threading

STOPS = signal.SIGINT, signal.SIGTERM


def leave_at_once() -> None:
    """Until `stop_events`, a signal ends the process, with exit code 0 and no traceback: it is still importing."""
    for number in STOPS:
        signal.signal(number, lambda *_: os._exit(0))


def stop_events() -> tuple[threading.Event, threading.Event]:
    """Two events: the first SIGINT or SIGTERM sets `stop`, the next one `hurry`."""
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in STOPS:
        signal.signal(number, on_signal)
    return stop, hurry
