"""The obvious way to the same result: one view and one question at a time, transformers' own `generate`, step by step.

It records the attention as the detector does, and shares its maps, prompts and masks; nothing is batched or compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from vlsam_ros.backends.interfaces import Embedding, Segmenter
from vlsam_ros.backends.vlm.capture import recording
from vlsam_ros.backends.vlm.text import answered
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import Config
from vlsam_ros.data import Answer, Prompts, Segments
from vlsam_ros.pipeline import VLSam


class ObviousVlm:
    """A `Vlm` around another one's model."""

    def __init__(self, vlm: TransformersVlm) -> None:
        self.name, self.demonstration, self._vlm = vlm.name, vlm.demonstration, vlm
        self.attends, self.boxes = vlm.attends, vlm.boxes

    def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        """See `Vlm`."""
        return [self._asked(view, question) for question in questions]

    def answer_views(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """See `Vlm`; without hidden states."""
        return [self.answer(view, questions) for view in views]

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """See `Vlm`."""
        return self._vlm.write(view, request, max_new_tokens)

    def warm_up(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> None:
        """See `Vlm`."""

    def _asked(self, view: np.ndarray, question: str) -> Answer:
        vlm: Any = self._vlm
        with torch.no_grad():
            prompt = vlm._prompter(view, [question])
            ids = torch.cat([prompt.prefix, prompt.tails[0]])
            with recording(vlm._model) as recorder:
                out = vlm._model.generate(**prompt.inputs(ids), **vlm._search)
        tokens, truncated = vlm._tokens(out[0, len(ids) :], vlm._limits.tokens)
        length = len(ids) + len(tokens)
        return answered(
            vlm._decode,
            question,
            tokens.tolist(),
            prompt.opening,
            length=length,
            layout=prompt.layout,
            layers=len(vlm._layers),
            layer=partial(recorder.layer, row=0, keep=ids.new_ones(length, dtype=torch.bool)),
            truncated=truncated,
        )


class ObviousSegmenter:
    """A `Segmenter` around another one, which sees one view after the other."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.name, self.demonstration, self._segmenter = segmenter.name, segmenter.demonstration, segmenter

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        """See `Segmenter`."""

    def embed(self, view: np.ndarray) -> Embedding:
        """See `Segmenter`."""
        return self._segmenter.embed(np.array(view))  # of which nothing is kept

    def embed_views(self, views: Sequence[np.ndarray]) -> list[Embedding]:
        """See `Segmenter`."""
        return [self.embed(view) for view in views]

    def segment(self, embedding: Embedding | Sequence[Embedding], prompts: Prompts, multimask: bool) -> Segments:
        """See `Segmenter`."""
        return self._segmenter.segment(embedding, prompts, multimask)

    def boxes(self, embeddings: Sequence[Embedding], low_res: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
        """See `Segmenter`."""
        return self._segmenter.boxes(embeddings, low_res)


def obvious(detector: VLSam) -> VLSam:
    """The same models and options, the obvious way."""
    config = Config.from_flat(detector.config.flat() | {"vlm.view_batch": 1, "vlm.compile": "off"})
    vlm: Any = detector.vlm
    return VLSam(ObviousVlm(vlm), ObviousSegmenter(detector.segmenter), config)
