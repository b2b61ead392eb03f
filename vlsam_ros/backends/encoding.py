"""What models make of views whatever they are asked: once for each view, as many at once as fit, beside other work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..data import Pixels, check_image
from ..errors import VlsamError, failures, out_of_memory


@dataclass(frozen=True)
class Encoding:
    """What a model made of one view.

    Attributes:
        features: tensors on its device, also in lists, tuples and dictionaries.
        size_hw: the view's height and width in pixels.
        ready: when they are there, if another stream made them.
    """

    features: Any
    size_hw: tuple[int, int]
    ready: torch.cuda.Event | None = field(default=None, kw_only=True)

    def awaited(self) -> Any:
        """The features; what is launched next comes after what made them, and their memory stays until it is done."""
        if self.ready is not None:
            for tensor in tensors(self.features):
                stream = torch.cuda.current_stream(tensor.device)
                stream.wait_event(self.ready)
                tensor.record_stream(stream)
        return self.features


E = TypeVar("E", bound=Encoding)


class Encoder(Generic[E]):
    """Encodes views, and keeps what comes of `Pixels` with them.

    Args:
        name: the model's.
        encode: RGB uint8 views (H, W, 3) -> the encoding of each.
        device: where it does.
        kind: the type of the error if it can't.
        together: most views at once on a CPU; on a GPU as many as fit.
    """

    def __init__(
        self,
        name: str,
        encode: Callable[[Sequence[np.ndarray]], Sequence[E]],
        device: torch.device,
        kind: type[VlsamError],
        together: int = 1,
    ) -> None:
        self._name, self._encode, self._kind = name, encode, kind
        self._most = together if device.type == "cpu" else 2**31  # fewer once the memory has run out
        self._aside = None
        if device.type == "cuda":
            self._aside = torch.cuda.Stream(device)  # of the lowest priority
            self._aside.wait_stream(torch.cuda.current_stream(device))  # the weights are there

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """Begin with views that are `Pixels`, on a GPU, on a stream of its own; without the memory for it, later.

        Raises:
            BadImageError: a view is no RGB uint8 image.
            VlsamError: of the type in `kind`, if the model failed.
        """
        if self._aside is not None:
            try:
                self([view for view in views if isinstance(view, Pixels)], self._aside)
            except self._kind as error:
                if not out_of_memory(error):
                    raise

    @torch.inference_mode()
    def __call__(self, views: Sequence[np.ndarray], aside: torch.cuda.Stream | None = None) -> list[E]:
        """Encodings of views; errors as of `prepare`.

        Args:
            aside: the stream to do it on, if it is not the current one.
        """
        found = [view.kept.get(self) if isinstance(view, Pixels) else None for view in views]
        missing = [i for i, encoding in enumerate(found) if encoding is None]
        while missing:
            batch = missing[: self._most]
            try:
                with torch.cuda.stream(aside) if aside else nullcontext():
                    new = self._new([views[i] for i in batch], aside)
            except self._kind as error:
                if len(batch) == 1 or not out_of_memory(error):
                    raise
                self._most = len(batch) // 2
                continue
            for i, encoding in zip(batch, new, strict=True):
                found[i] = encoding
                if isinstance(view := views[i], Pixels):
                    view.kept[self] = encoding
            missing = missing[len(batch) :]
        return [encoding for encoding in found if encoding is not None]

    def _new(self, views: Sequence[np.ndarray], aside: torch.cuda.Stream | None) -> list[E]:
        height, width = [check_image(view).shape[:2] for view in views][0]
        with failures(self._kind, f"{self._name} failed on {len(views)} views, one of {width} × {height}"):
            new = self._encode(views)
        ready = aside.record_event() if aside else None
        return [replace(encoding, ready=ready) for encoding in new]


def tensors(features: Any) -> Iterator[Tensor]:
    """All that some features hold."""
    if isinstance(features, Tensor):
        yield features
    elif isinstance(features, dict | list | tuple):
        for part in features.values() if isinstance(features, dict) else features:
            yield from tensors(part)


def uploaded(array: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """An array as a tensor on the device; the host does not wait for the copy."""
    tensor = array if isinstance(array, Tensor) else torch.from_numpy(np.require(array, requirements=["C", "W"]))
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
