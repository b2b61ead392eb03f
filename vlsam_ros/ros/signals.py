"""Clean ends for the processes that use rclpy; it is started with SignalHandlerOptions.NO beside this."""

from __future__ import annotations

import signal
import threading


def stop_events() -> tuple[threading.Event, threading.Event]:
    """Two events: the first SIGINT or SIGTERM sets `stop`, the next one `hurry`."""
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stop, hurry
