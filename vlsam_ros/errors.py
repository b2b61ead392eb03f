"""Typed errors, each with the status code that a message carries for it (`DetectedInstanceArray.STATUS_*`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

OK = 0
PARTIAL = 1
UNFAMILIAR = 2


def failed(status: int) -> bool:
    """Whether a status says that there is no result; what is found in a partial or unfamiliar frame is published."""
    return status > UNFAMILIAR


class VlsamError(Exception):
    """Base of every error this package raises on purpose; `status` goes into the message."""

    status = 90  # STATUS_INTERNAL


class ConfigError(VlsamError, ValueError):
    """An option has a wrong name, type or value."""


class BadImageError(VlsamError, ValueError):
    """An image can't be decoded, is empty, or its data does not fit its size."""

    status = 10  # STATUS_BAD_IMAGE


class ModelLoadError(VlsamError):
    """A model's weights or configuration are missing, unreadable or don't fit together."""

    status = 20


class VlmError(VlsamError):
    """The vision-language model failed, or its attention could not be captured whole."""

    status = 20  # STATUS_VLM_FAILED


class SegmenterError(VlsamError):
    """The segmenter failed."""

    status = 30  # STATUS_SEGMENTER_FAILED


class GrounderError(VlsamError):
    """The grounder failed."""

    status = 40  # STATUS_GROUNDER_FAILED


class WorkerTimeoutError(VlsamError):
    """A process of the detector gave no answer within its limit, and was ended."""

    status = 50  # STATUS_TIMEOUT


class WorkerLostError(VlsamError):
    """A process of the detector ended before it answered: a crash, or the system ended it."""

    status = 51  # STATUS_WORKER_LOST


class RemoteError(VlsamError):
    """What nobody expected to be raised in a process of the detector: its type and text, and where in `trace`."""

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.trace = trace


@contextmanager
def failures(kind: type[VlsamError], what: str) -> Iterator[None]:
    """Whatever a library raises inside the block becomes an error of that kind; ours stay what they are."""
    try:
        yield
    except VlsamError:
        raise
    except Exception as error:
        raise kind(f"{what}: {str(error) or type(error).__name__}") from error


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, numpy, torch or OpenCV says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return any(words in said for words in ("can't allocate memory", "out of memory", "insufficient memory"))


class DataError(VlsamError, ValueError):
    """Ground truth or predictions can't be read, or don't belong together."""


class BagError(VlsamError):
    """A bag is missing, truncated or has no topic of the wanted type."""


class OutputError(VlsamError):
    """A result can't be written, or would take the place of something that the command did not make."""
