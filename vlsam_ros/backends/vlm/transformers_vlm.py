"""Any supported image-text-to-text model of transformers as a `Vlm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ...config import VlmOptions
from ...data import Answer, ImageLayout, LayerQK, check_image
from ...errors import VlmError
from .capture import Recorder, recording
from .certainty import Certainty
from .memory import generation, require_for_answers
from .prompting import Prompter, ViewPrompt, joined
from .qformer import watching
from .text import end_tokens, token_spans


class TransformersVlm:
    """Answers with the Q and K of every decoder layer; the questions about a view share the image's prefix.

    Q and K are recorded while the model answers. Where those would not be whole (layers that see a window, a chunk or
    another layer's keys; beams, which change places), the finished sequence is passed through the model once more.

    One call at a time: a model of transformers holds state while it generates.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        prompter: Prompter,
        name: str,
        demonstration: bool,
        options: VlmOptions,
    ) -> None:
        """Takes the model over: its generation settings become those of the options."""
        self.name, self.demonstration = name, demonstration
        self._model: Any = model
        self._tokenizer, self._prompter = tokenizer, prompter
        self._limit, self._beams = options.max_new_tokens, options.beams
        self._layers = model.config.get_text_config().num_hidden_layers
        self._ends = end_tokens(model, tokenizer)
        self._reuse = _reuse(model.config, prompter.family.reuse, self._beams)
        # layers that share keys leave out the rows of logits that nobody wants
        shared = getattr(model.config.get_text_config(), "num_kv_shared_layers", 0)
        self._last_logits = {} if shared else {"logits_to_keep": 1}
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(self._ends, default=0)
        model.generation_config = GenerationConfig(
            num_beams=self._beams,
            max_new_tokens=self._limit + 1,  # one more step feeds the last token, so that its row is recorded
            eos_token_id=self._ends or None,
            pad_token_id=self._pad,
            suppress_tokens=_media_tokens(model.config),
            **({"do_sample": True, "temperature": options.temperature, "top_k": 0} if options.temperature else {}),
        )
        # said again: a model inside the model may have settings of its own
        self._search = {"generation_config": model.generation_config}

    def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        """Answer each question about an RGB uint8 view (H, W, 3), in order; see `answer_views`."""
        return self.answer_views([view], questions)[0]

    def answer_views(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> list[list[Answer]]:
        """Answer each question about each RGB uint8 view (H, W, 3), in order.

        Views whose prompts are alike go through the model as one batch, if its layers allow that.

        Raises:
            BadImageError: a view is no RGB uint8 image.
            VlmError: the model failed, its memory does not suffice, or the attention of some decoder layer was not
                recorded.
        """
        for view in views:
            check_image(view)
        if not questions:
            return [[] for _ in views]
        with torch.inference_mode(), self._typed_errors(views):
            if self._reuse == "none":
                return [[self._ask([self._prompter(v, [q])], [q])[0][0] for q in questions] for v in views]
            prompts = [self._prompter(view, questions) for view in views]
            return [answers for group in self._batches(prompts) for answers in self._ask(group, questions)]

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """Free text about an RGB uint8 view (H, W, 3), and whether the limit cut it off; see `interfaces.Vlm`."""
        check_image(view)
        with torch.inference_mode(), self._typed_errors([view]):
            prompt = self._prompter(view, [request])
            self._require_memory([prompt], 1, max_new_tokens)
            ids = torch.cat([prompt.prefix, prompt.tails[0]])
            written = self._model.generate(**prompt.inputs(ids), **self._search | {"max_new_tokens": max_new_tokens})
            tokens, truncated = self._tokens(written[0, len(ids) :], max_new_tokens - 1)
            return self._decode(tokens.tolist()), truncated

    def _ask(self, prompts: Sequence[ViewPrompt], questions: Sequence[str]) -> list[list[Answer]]:
        """Answers about views whose prompts are alike."""
        self._require_memory(prompts, len(questions) if self._reuse == "batch" else 1, self._limit)
        if self._reuse == "batch":
            return self._ask_together(prompts, questions)
        return [self._ask_alone(prompt, questions) for prompt in prompts]

    def _require_memory(self, prompts: Sequence[ViewPrompt], together: int, new_tokens: int) -> None:
        """Raises `VlmError` if `together` questions about each of some views that are alike would not fit."""
        model, first = self._model, prompts[0]
        lengths = len(first.prefix), max(len(t) for t in first.tails), new_tokens
        need = generation(model.config, model.dtype, *lengths, len(prompts), together * self._beams)
        require_for_answers(need, model.device, len(prompts), together)

    @contextmanager
    def _typed_errors(self, views: Sequence[np.ndarray]) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:
            sizes = ", ".join(sorted({f"{v.shape[1]} × {v.shape[0]}" for v in views}))
            raise VlmError(f"{self.name} failed on {len(views)} views of {sizes} pixels: {error}") from error

    def _batches(self, prompts: Sequence[ViewPrompt]) -> Iterator[list[ViewPrompt]]:
        """Neighbours that can be one batch: the same tokens, and pictures processed to the same size."""
        group: list[ViewPrompt] = []
        for prompt in prompts:
            if group and not (self._reuse == "batch" and group[0].alike(prompt)):
                yield group
                group = []
            group.append(prompt)
        yield group

    def _ask_together(self, prompts: Sequence[ViewPrompt], questions: Sequence[str]) -> list[list[Answer]]:
        """Each view's prefix once, then all questions about all views as one batch on its cache."""
        first, asked = prompts[0], len(questions)
        ids, mask = (part.repeat(len(prompts), 1) for part in first.batch(self._pad))
        prefix = len(first.prefix)
        cache: Any = DynamicCache(config=self._model.config)
        search = self._search | {"logits_processor": [certainty := Certainty()]}
        with recording(self._model) as recorder:
            self._model(**joined(prompts), past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.reorder_cache(torch.arange(len(prompts), device=ids.device).repeat_interleave(asked))
            inner = self._model.model
            if getattr(inner, "rope_deltas", None) is not None:  # Qwen-VL keeps where each sequence's text begins
                inner.rope_deltas = inner.rope_deltas.repeat_interleave(asked, 0)
            out = self._model.generate(input_ids=ids, attention_mask=mask, past_key_values=cache, **search)
        recorder.check(self._layers, out.shape[1] - 1)  # the last token of all is never fed
        answers = []
        for row, question in enumerate(list(questions) * len(prompts)):
            tokens, truncated = self._tokens(out[row, ids.shape[1] :], self._limit)
            keep = torch.cat([mask[row, prefix:].bool(), mask.new_ones(len(tokens), dtype=torch.bool)])
            layer = partial(recorder.layer_after, prefix=row // asked, row=row, keep=keep)
            length = prefix + int(keep.sum())
            answer = self._answer(question, tokens, truncated, prompts[row // asked], length, layer)
            answers.append(replace(answer, probabilities=certainty.of(row, len(tokens))))
        return [answers[i : i + asked] for i in range(0, len(answers), asked)]

    def _ask_alone(self, prompt: ViewPrompt, questions: Sequence[str]) -> list[Answer]:
        """Questions of one length at a time on a copy of the prefix's cache, or each by itself where that is wrong.

        Their attention comes from one more pass over each finished sequence.
        """
        answers: dict[int, Answer] = {}
        for rows in self._equal(prompt) if self._reuse == "equal" else [[i] for i in range(len(questions))]:
            search = self._search | ({"logits_processor": [certainty := Certainty()]} if self._beams == 1 else {})
            for row, (i, generated) in enumerate(zip(rows, self._generated(prompt, rows, search), strict=True)):
                tokens, truncated = self._tokens(generated, self._limit)
                sequence = torch.cat([prompt.prefix, prompt.tails[i], tokens])
                recorder, layout = self._replayed(prompt, sequence, len(tokens))
                layer = partial(recorder.layer, row=0, keep=torch.ones_like(sequence, dtype=torch.bool))
                answer = self._answer(questions[i], tokens, truncated, prompt, len(sequence), layer)
                given = certainty.of(row, len(tokens)) if self._beams == 1 else ()
                answers[i] = replace(answer, layout=layout, probabilities=given)
        return [answers[i] for i in range(len(questions))]

    def _replayed(self, prompt: ViewPrompt, sequence: Tensor, answer: int) -> tuple[Recorder, ImageLayout]:
        """One pass over a finished sequence (N,) of which the last tokens are the answer: all of its attention."""
        qformer = self._model.qformer if self._prompter.family.qformer else None
        with recording(self._model) as recorder, watching(qformer) if qformer else nullcontext() as seen:
            self._model(**prompt.inputs(sequence, answer), use_cache=False, **self._last_logits)
        recorder.check(self._layers, len(sequence))
        layout = prompt.layout
        return recorder, replace(layout, spread=seen.spread(len(layout.columns))) if seen else layout

    def _equal(self, prompt: ViewPrompt) -> list[list[int]]:
        """The questions' indices, those of one length together."""
        by_length: dict[int, list[int]] = {}
        for i, tail in enumerate(prompt.tails):
            by_length.setdefault(len(tail), []).append(i)
        return list(by_length.values())

    def _generated(self, prompt: ViewPrompt, rows: Sequence[int], search: dict[str, Any]) -> Tensor:
        """What follows the prompts of some questions of one length, int64 (rows, new tokens)."""
        ids = torch.stack([torch.cat([prompt.prefix, prompt.tails[i]]) for i in rows])
        if self._reuse != "equal":
            return self._model.generate(**prompt.inputs(ids[0]), **search)[:, ids.shape[1] :]
        cache: Any = DynamicCache(config=self._model.config)
        self._model(**prompt.inputs(prompt.prefix), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.reorder_cache(ids.new_zeros(len(rows) * self._beams))
        mask = torch.ones_like(ids)
        out = self._model.generate(input_ids=ids, attention_mask=mask, past_key_values=cache, **search)
        return out[:, ids.shape[1] :]

    def _tokens(self, generated: Tensor, most: int) -> tuple[Tensor, bool]:
        """What was generated (T,) before the first end token, and whether a limit of `most` tokens cut it off."""
        ends = torch.isin(generated, generated.new_tensor(self._ends)).nonzero()[:, 0].tolist()
        length = min(ends, default=len(generated))
        return generated[: min(length, most)], length > most

    def _answer(
        self,
        question: str,
        tokens: Tensor,
        truncated: bool,
        prompt: ViewPrompt,
        length: int,
        layer: Callable[[int], LayerQK],
    ) -> Answer:
        text, spans = token_spans(self._decode, tokens.tolist())
        return Answer(
            question=question,
            text=text,
            token_spans=spans,
            first_row=length - len(tokens),
            length=length,
            layout=prompt.layout,
            layers=self._layers,
            layer=layer,
            truncated=truncated,
        )

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _reuse(config: Any, family: str, beams: int) -> str:
    """How questions about a view can share its prefix: ``batch``, ``equal`` or ``none`` (see `layouts.Family`).

    Padding inside the sequence can be masked where every layer sees all earlier tokens; other layers count it. What
    beams record is of no use, as they change places.
    """
    plain = beams == 1 and all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
    return "equal" if family == "batch" and not plain else family


def _media_tokens(config: Any) -> list[int]:
    """Tokens that stand for images or videos: a model must not write them."""
    ids = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
    return [i for i in ids if i is not None]
