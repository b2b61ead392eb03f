"""A view through a vision encoder once, for models that read it again with each question and each answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only


class Encoded:
    """What a vision encoder made of one view.

    Attributes:
        pixels: the encoder's input, once there is one; the same tensor means the same view.
    """

    def __init__(self) -> None:
        self.pixels: Tensor | None = None
        self._output: Any = None

    @contextmanager
    def once(self, encoder: nn.Module) -> Iterator[None]:
        """Inside the block the encoder runs on `pixels` only the first time."""
        run = encoder.forward

        def forward(*args: Any, **given: Any) -> Any:
            if not any(value is self.pixels for value in (*args, *given.values())):
                return run(*args, **given)
            if self._output is None:
                self._output = run(*args, **given)
            return tree_map_only(Tensor, Tensor.clone, self._output)  # models put their own into it, and change it

        encoder.forward = forward
        try:
            yield
        finally:
            del encoder.forward
