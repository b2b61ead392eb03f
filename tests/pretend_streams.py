"""Streams of a pretended device: all is computed at once, but who has waited for whom is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Reached = Mapping["Stream", int]
"""For each stream a time, up to which all is over that it was given."""


class Timeline:
    """What was written when and on which stream, and what the host has waited for.

    Attributes:
        now: the number of operations so far.
        default, current: streams.
        count_wait: called with a name whenever the host waits.
        entered: called with a stream that becomes the current one.
    """

    def __init__(self, count_wait: Callable[[str], None], entered: Callable[[Stream], None]) -> None:
        self.now, self.count_wait, self.entered = 0, count_wait, entered
        self.Stream: type[Stream] = type("Stream", (Stream,), {"timeline": self})
        self.Event: type[Event] = type("Event", (Event,), {"timeline": self})
        self.default = self.current = self.Stream()
        self._host: dict[Stream, int] = {}
        self._written: dict[int, tuple[Stream, int]] = {}
        self._coming: list[tuple[Tensor, Tensor, Stream, int]] = []

    def write(self, elem: Tensor) -> None:
        """The current stream makes a tensor's memory anew."""
        self._written[elem.untyped_storage().data_ptr()] = self.current, self.now

    def forget(self, elem: Tensor) -> None:
        """A tensor's memory was allocated; what was there before is nobody's."""
        self._written.pop(elem.untyped_storage().data_ptr(), None)

    def ready(self, elem: Tensor) -> bool:
        """Whether what made a tensor is over when the current stream's next operation begins."""
        stream, time = self._written.get(elem.untyped_storage().data_ptr(), (self.current, 0))
        return stream is self.current or time <= max(self.current.seen.get(stream, 0), self._host.get(stream, 0))

    def download(self, target: Tensor, numbers: Tensor) -> None:
        """The current stream fills a tensor of the host, which holds nothing of use until the host has waited."""
        target.fill_(float("nan") if target.is_floating_point() else 1)
        self._coming.append((target, numbers.clone(), self.current, self.now))

    def wait(self, operation: str, reached: Reached | None = None) -> None:
        """The host waits for the current stream, or for some moment."""
        self.count_wait(operation)
        self.arrive(self.current.reached() if reached is None else reached)

    def arrive(self, reached: Reached) -> None:
        """The host knows that something is over: copies that it has then waited for are there."""
        _merge(self._host, reached)
        coming, self._coming = self._coming, []
        for target, numbers, stream, time in coming:
            if time <= self._host.get(stream, 0):
                target.copy_(numbers)
            else:
                self._coming.append((target, numbers, stream, time))

    def synchronize(self, _: Any = None) -> None:
        """The host waits for all streams; as `torch.cuda.synchronize`."""
        self.wait("synchronize", {stream: self.now for stream, _ in [*self._written.values(), (self.current, 0)]})

    @contextmanager
    def on(self, stream: Stream | None) -> Iterator[None]:
        """What is launched inside the block is given to the stream; as `torch.cuda.stream`."""
        before, self.current = self.current, stream or self.current
        if self.current is not self.default:
            self.entered(self.current)
        try:
            yield
        finally:
            self.current = before


class Stream:
    """As `torch.cuda.Stream`; `seen` is what comes before all that it will be given."""

    timeline: Timeline
    device = torch.device("cuda", 0)

    def __init__(self, *_: Any, **__: Any) -> None:
        self.seen: dict[Stream, int] = {}

    def reached(self) -> Reached:
        """What is over when all is over that it was given so far."""
        return {**self.seen, self: self.timeline.now}

    def wait_stream(self, other: Stream) -> None:
        """What comes next comes after all that the other one was given so far."""
        _merge(self.seen, other.reached())

    def wait_event(self, event: Event) -> None:
        """What comes next comes after the event."""
        _merge(self.seen, event.reached)

    def record_event(self, event: Event | None = None) -> Event:
        """An event after all that it was given so far."""
        event = event or self.timeline.Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        """The host waits for it."""
        self.timeline.wait("Stream.synchronize", self.reached())


class Event:
    """As `torch.cuda.Event`: a moment in a stream."""

    timeline: Timeline

    def __init__(self, *_: Any, **__: Any) -> None:
        self.reached: Reached = {}

    def record(self, stream: Stream | None = None) -> None:
        """Now, in a stream or in the current one."""
        self.reached = (stream or self.timeline.current).reached()

    def wait(self, stream: Stream | None = None) -> None:
        """What a stream, or the current one, is given next comes after the event."""
        (stream or self.timeline.current).wait_event(self)

    def query(self) -> bool:
        """Whether it is over: always, and then the host knows."""
        self.timeline.arrive(self.reached)
        return True

    def synchronize(self) -> None:
        """The host waits for it."""
        self.timeline.wait("Event.synchronize", self.reached)

    def elapsed_time(self, _: Event) -> float:
        """Milliseconds between two events: nothing takes time."""
        return 0.0


def _merge(seen: dict[Stream, int], reached: Reached) -> None:
    for stream, time in reached.items():
        seen[stream] = max(seen.get(stream, 0), time)
