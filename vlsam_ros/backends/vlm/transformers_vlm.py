"""Any supported image-text-to-text model of transformers as a `Vlm`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ...data import Answer, check_image
from ...errors import VlmError
from .capture import Recorder, recording
from .prompting import Prompter, ViewPrompt
from .text import token_spans


class TransformersVlm:
    """Greedy answers with the Q and K of every decoder layer; the questions about a view share the image's prefix.

    One call at a time: a model of transformers holds state while it generates.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        prompter: Prompter,
        name: str,
        demonstration: bool,
        max_new_tokens: int,
    ) -> None:
        """Takes the model over: its generation settings become plain greedy search."""
        self.name, self.demonstration = name, demonstration
        self._model: Any = model
        self._tokenizer, self._prompter = tokenizer, prompter
        self._limit = max_new_tokens
        self._layers = model.config.get_text_config().num_hidden_layers
        self._ends = _end_tokens(model, tokenizer)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(self._ends, default=0)
        model.generation_config = GenerationConfig(
            do_sample=False,
            max_new_tokens=max_new_tokens + 1,  # one more step feeds the last token, so that its row is recorded
            eos_token_id=sorted(self._ends) or None,
            pad_token_id=self._pad,
            suppress_tokens=_media_tokens(model.config),
        )

    def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        """Answer each question about an RGB uint8 view (H, W, 3), in order.

        Raises:
            BadImageError: the view is no RGB uint8 image.
            VlmError: the model failed, or the attention of some decoder layer was not recorded.
        """
        check_image(view)
        if not questions:
            return []
        ask = self._ask_together if self._full_attention() else self._ask_alone
        try:
            with torch.inference_mode():
                return ask(self._prompter(view, questions), questions)
        except (RuntimeError, ValueError) as error:
            raise VlmError(
                f"{self.name} failed on a view of {view.shape[1]} × {view.shape[0]} pixels: {error}"
            ) from error

    def _full_attention(self) -> bool:
        """Whether every layer sees all earlier tokens, so that padding inside the sequence can simply be masked."""
        return all(type(layer) is DynamicLayer for layer in DynamicCache(config=self._model.config).layers)

    def _ask_together(self, prompt: ViewPrompt, questions: Sequence[str]) -> list[Answer]:
        """The prefix once, then all questions as one batch on its cache."""
        ids, mask = prompt.batch(self._pad)
        cache: Any = DynamicCache(config=self._model.config)
        with recording(self._model) as recorder:
            prefix = prompt.inputs(prompt.prefix)
            self._model(**prefix, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.reorder_cache(ids.new_zeros(len(ids)))  # one copy per question
            out = self._model.generate(input_ids=ids, attention_mask=mask, past_key_values=cache)
        recorder.check(self._layers, out.shape[1] - 1)  # the last token of all is never fed
        answers = []
        for row, question in enumerate(questions):
            tokens, truncated = self._tokens(out[row, ids.shape[1] :])
            keep = torch.cat([mask[row].bool(), mask.new_ones(len(tokens), dtype=torch.bool)])
            answers.append(self._answer(question, tokens, truncated, prompt, recorder, row, keep))
        return answers

    def _ask_alone(self, prompt: ViewPrompt, questions: Sequence[str]) -> list[Answer]:
        """Each question by itself; its attention comes from one more pass over the finished sequence."""
        answers = []
        for question, tail in zip(questions, prompt.tails, strict=True):
            ids = torch.cat([prompt.prefix, tail])
            out = self._model.generate(**prompt.inputs(ids))[0]
            tokens, truncated = self._tokens(out[len(ids) :])
            sequence = torch.cat([ids, tokens])
            with recording(self._model) as recorder:
                self._model(**prompt.inputs(sequence), use_cache=False, logits_to_keep=1)
            recorder.check(self._layers, len(sequence))
            keep = torch.ones_like(sequence, dtype=torch.bool)
            answers.append(self._answer(question, tokens, truncated, prompt, recorder, 0, keep))
        return answers

    def _tokens(self, generated: Tensor) -> tuple[Tensor, bool]:
        """What was generated (T,) before the first end token, and whether the limit cut it off."""
        ends = torch.isin(generated, generated.new_tensor(sorted(self._ends))).nonzero()[:, 0].tolist()
        length = min(ends, default=len(generated))
        return generated[: min(length, self._limit)], length > self._limit

    def _answer(
        self,
        question: str,
        tokens: Tensor,
        truncated: bool,
        prompt: ViewPrompt,
        recorder: Recorder,
        row: int,
        keep: Tensor,
    ) -> Answer:
        text, spans = token_spans(self._decode, tokens.tolist())
        length = int(keep.sum())
        return Answer(
            question=question,
            text=text,
            token_spans=spans,
            first_row=length - len(tokens),
            length=length,
            layout=prompt.layout,
            layers=self._layers,
            layer=lambda index: recorder.layer(index, row, keep),
            truncated=truncated,
        )

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _end_tokens(model: PreTrainedModel, tokenizer: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return {end for end in [*ends, tokenizer.eos_token_id] if end is not None}


def _media_tokens(config: Any) -> list[int]:
    """Tokens that stand for images or videos: a model must not write them."""
    ids = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
    return [i for i in ids if i is not None]
