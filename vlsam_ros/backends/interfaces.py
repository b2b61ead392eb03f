"""What the pipeline asks of a model. Nothing of the method lives behind these interfaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..config import GrounderOptions
from ..data import Answer, Grounded, Mask, Prompts, Segments

if TYPE_CHECKING:
    from torch import Tensor


LEAST_SIDE_PX = 1.0
"""A grounder's box that is thinner inside the view is no place."""


class Vlm(Protocol):
    """A vision-language model that can be asked about a view.

    Attributes:
        name: the model's.
        demonstration: it is an embedded one.
        attends: its answers have attention.
        boxes: the form in which it writes boxes, one of `config.BOX_FORMATS`; empty if none is known.
    """

    name: str
    demonstration: bool
    attends: bool
    boxes: str

    def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        """Answer each question about an RGB uint8 view (H, W, 3), in order, keeping every layer's Q and K.

        Raises:
            VlmError: generation failed or the attention of some decoder layer was not recorded.
        """
        return self.answer_views([view], questions)[0]

    def answer_views(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """The same for several views, which a model may answer together; one list of answers per view.

        What it makes of views that are `Pixels` it keeps with them, as far as memory allows.

        Args:
            meanwhile: called once, when the views are on their way through the device and before the answers are
                written: work for the same device that can go on beside that.
            hidden: after which decoder layer the answers are to have their hidden states (-1: the middle one); None:
                none.

        Raises:
            ConfigError: the model has no such layer.
        """
        ...

    def warm_up(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> None:
        """Get ready for so many questions about so many views like these, so that no later call has to."""
        return

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """Free text about a view, and whether the limit cut it off; no attention is kept.

        Raises:
            VlmError: generation failed.
        """
        ...


class Embedding(Protocol):
    """A segmenter's encoding of one view."""

    size_hw: tuple[int, int]

    def mask(self, logits: np.ndarray, point_xy: tuple[float, float] | None = None) -> Mask:
        """A mask on the view's pixels, padding cut off; with a point the connected part under it, or nearest to it.

        Args:
            logits: float32 (h, w) on the segmenter's grid.
            point_xy: in pixels of the view.
        """
        ...

    def upscale(self, low_res: np.ndarray | Tensor) -> np.ndarray:
        """Low-resolution logits (B, h, w) -> bool masks (B, H, W) on the view's pixels, padding cut off."""
        ...


class Segmenter(Protocol):
    """A promptable segmenter; stateless between calls."""

    name: str
    demonstration: bool

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """Begin to encode views that are `Pixels`, if the device can do that beside other work; does not wait.

        Raises:
            SegmenterError: the model failed.
        """
        ...

    def embed(self, view: np.ndarray) -> Embedding:
        """Encode an RGB uint8 view (H, W, 3)."""
        ...

    def embed_views(self, views: Sequence[np.ndarray]) -> list[Embedding]:
        """Encode several views, together if that is faster; what it makes of `Pixels` it keeps with them.

        Raises:
            SegmenterError: the model failed.
        """
        ...

    def segment(self, embedding: Embedding | Sequence[Embedding], prompts: Prompts, multimask: bool) -> Segments:
        """Masks for a batch of prompts: one candidate each, or several if `multimask`.

        Args:
            embedding: the one of all prompts, or one for each.

        Raises:
            SegmenterError: the model failed.
        """
        ...

    def boxes(self, embeddings: Sequence[Embedding], low_res: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Boxes of the masks, each in pixels of its view: float32 (B, 4), where the logits (B, h, w) are.

        Zeros for an empty mask.
        """
        ...


class Grounder(Protocol):
    """A localiser that is told by text what to look for; what it finds depends on no other call.

    Attributes:
        name: the model's.
        outlines: it gives a mask with each box, so that no segmenter is needed.
    """

    name: str
    outlines: bool

    def configure(self, options: GrounderOptions) -> None:
        """Other options from the next view on: `threshold` and `max_boxes`, without which no model was loaded."""
        return

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """Begin to encode views that are `Pixels`, if the device can do that beside other work; does not wait.

        Raises:
            GrounderError: the model failed.
        """
        return

    def locate(self, view: np.ndarray, names: Sequence[str]) -> Grounded:
        """Boxes, and masks if it `outlines`, of the things with these names in an RGB uint8 view (H, W, 3).

        Names may be any text; one without letters and digits is found nowhere. One place may be found under several
        names, or twice.

        Raises:
            GrounderError: the model failed.
        """
        ...

    def locate_views(self, views: Sequence[np.ndarray], names: Sequence[Sequence[str]]) -> list[Grounded]:
        """The same for several views, each with names of its own; encoded together if that is faster.

        What it makes of views that are `Pixels` it keeps with them, as far as it does not depend on the names.
        """
        return [self.locate(view, own) for view, own in zip(views, names, strict=True)]
