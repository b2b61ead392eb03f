"""Any supported image-text-to-text model of transformers as a `Vlm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ...config import VlmOptions
from ...data import Answer, ImageLayout, LayerQK, check_image
from ...errors import ConfigError, VlmError, failures
from .capture import Recorder, recording
from .certainty import Certainty, finite_logits
from .memory import Memory, fits, generation, require_for_answers
from .prompting import Prompter, ViewPrompt, joined
from .qformer import watching
from .text import end_tokens, token_spans

T = TypeVar("T")


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
        """Takes the model over: its generation settings become those of the options.

        Raises:
            ConfigError: answers can't be held to a form under beams.
            ModelLoadError: nor with this model's tokenizer.
        """
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
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(self._ends, default=0)
        own = getattr(model.generation_config, "repetition_penalty", None)
        model.generation_config = GenerationConfig(
            num_beams=self._beams,
            max_new_tokens=self._limit + 1,  # one more step feeds the last token, so that its row is recorded
            eos_token_id=self._ends or None,
            pad_token_id=pad,
            suppress_tokens=_media_tokens(model.config),
            repetition_penalty=own or 1.0,
            **({"do_sample": True, "temperature": options.temperature, "top_k": 0} if options.temperature else {}),
        )
        self._grammar = None
        if options.answers == "json":
            if self._beams > 1:
                raise ConfigError(f"vlm.answers 'json' goes without beams; expected vlm.beams 1, got {self._beams}")
            from .grammar import Grammar

            self._grammar = Grammar(tokenizer, model.config.get_text_config().vocab_size, self._ends)
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
            left = len(views)
            if self._reuse == "none":
                return [self._ask_apart(view, questions, left - i) for i, view in enumerate(views)]
            out: list[list[Answer]] = []
            for group in self._batches([self._prompter(view, questions) for view in views]):
                out += self._ask(group, questions, left - len(out))
            return out

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """Free text about an RGB uint8 view (H, W, 3), and whether the limit cut it off; see `interfaces.Vlm`."""
        check_image(view)
        with torch.inference_mode(), self._typed_errors([view]):
            prompt = self._prompter(view, [request])
            need = self._memory(prompt, max_new_tokens, 1, 1, kept=0)
            require_for_answers(need, self._model.device)
            ids = torch.cat([prompt.prefix, prompt.tails[0]])
            search = self._search | {"max_new_tokens": max_new_tokens}
            written = self._generate(**prompt.inputs(ids), **search)
            tokens, truncated = self._tokens(written[0, len(ids) :], max_new_tokens - 1)
            return prompt.opening + self._decode(tokens.tolist()), truncated

    def _ask_apart(self, view: np.ndarray, questions: Sequence[str], left: int) -> list[Answer]:
        """Answers about a view whose image tokens depend on the question."""
        return [
            self._ask([self._prompter(view, [question])], [question], left * len(questions) - i)[0][0]
            for i, question in enumerate(questions)
        ]

    def _ask(self, prompts: Sequence[ViewPrompt], questions: Sequence[str], left: int) -> list[list[Answer]]:
        """Answers about views whose prompts are alike, as many at once as the memory holds; `left` as in `_at_once`."""
        views, asked = self._at_once(prompts, len(questions), left)
        if self._reuse != "batch":
            return [self._ask_alone(prompt, questions, asked) for prompt in prompts]
        out: list[list[Answer]] = []
        for group in _chunks(prompts, views):
            parts = [
                self._ask_together([replace(p, tails=p.tails[rows]) for p in group], questions[rows])
                for rows in (slice(i, i + asked) for i in range(0, len(questions), asked))
            ]
            out += [[answer for part in own for answer in part] for own in zip(*parts, strict=True)]
        return out

    def _at_once(self, prompts: Sequence[ViewPrompt], questions: int, left: int) -> tuple[int, int]:
        """How many of the views, and how many questions about each, fit into the memory at once.

        Args:
            left: the views that are still to be answered in this call, these among them: all their Q and K are kept.

        Raises:
            VlmError: not even one question about one view fits.
        """
        together, first = self._reuse == "batch", prompts[0]
        answer = max(len(t) for t in first.tails) + self._limit
        views, asked = (len(prompts) if together else 1), (1 if self._reuse == "none" else questions)
        while True:
            prefixes = left * (-(-questions // asked) if together else questions)
            kept = len(first.prefix) * prefixes + answer * left * questions
            need = self._memory(first, self._limit, views, asked * self._beams, kept)
            if views * asked == 1:
                require_for_answers(need, self._model.device)
            if views * asked == 1 or fits(need, self._model.device):
                return views, asked
            views, asked = (-(-views // 2), asked) if views > 1 else (1, -(-asked // 2))

    def _memory(self, prompt: ViewPrompt, new_tokens: int, views: int, questions: int, kept: int) -> Memory:
        """What answering so many questions about each of so many views like this one takes at once."""
        lengths = len(prompt.prefix), max(len(t) for t in prompt.tails), new_tokens
        return generation(self._model.config, self._model.dtype, *lengths, views, questions, kept)

    def _generate(self, *listeners: LogitsProcessor, **inputs: Any) -> Tensor:
        """What the model writes: int64 (rows, tokens), the prompts before it.

        Raises:
            VlmError: its logits were not finite.
        """
        with finite_logits(self._model.get_output_embeddings()):
            return self._model.generate(**inputs, logits_processor=list(listeners))

    def _typed_errors(self, views: Sequence[np.ndarray]) -> AbstractContextManager[None]:
        sizes = ", ".join(sorted({f"{v.shape[1]} × {v.shape[0]}" for v in views}))
        return failures(VlmError, f"{self.name} failed on {len(views)} views of {sizes} pixels")

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
        ids, mask = (part.repeat(len(prompts), 1) for part in first.batch())
        prefix = len(first.prefix)
        cache: Any = DynamicCache(config=self._model.config)
        listeners = self._listeners(certainty := Certainty())
        with recording(self._model) as recorder:
            self._model(**joined(prompts), past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.reorder_cache(torch.arange(len(prompts), device=ids.device).repeat_interleave(asked))
            inner = self._model.model
            if getattr(inner, "rope_deltas", None) is not None:  # Qwen-VL keeps where each sequence's text begins
                inner.rope_deltas = inner.rope_deltas.repeat_interleave(asked, 0)
            out = self._generate(*listeners, input_ids=ids, attention_mask=mask, past_key_values=cache, **self._search)
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

    def _ask_alone(self, prompt: ViewPrompt, questions: Sequence[str], at_once: int) -> list[Answer]:
        """Questions of one length, so many at a time, on a copy of the prefix's cache; or each by itself.

        Their attention comes from one more pass over each finished sequence.
        """
        answers: dict[int, Answer] = {}
        for rows in self._equal(prompt, at_once) if self._reuse == "equal" else [[i] for i in range(len(questions))]:
            listeners = self._listeners(certainty := Certainty())
            for row, (i, generated) in enumerate(zip(rows, self._generated(prompt, rows, listeners), strict=True)):
                tokens, truncated = self._tokens(generated, self._limit)
                sequence = torch.cat([prompt.prefix, prompt.tails[i], tokens])
                recorder, layout = self._replayed(prompt, sequence, len(tokens))
                layer = partial(recorder.layer, row=0, keep=torch.ones_like(sequence, dtype=torch.bool))
                answer = self._answer(questions[i], tokens, truncated, prompt, len(sequence), layer)
                given = certainty.of(row, len(tokens)) if self._beams == 1 else ()
                answers[i] = replace(answer, layout=layout, probabilities=given)
        return [answers[i] for i in range(len(questions))]

    def _listeners(self, certainty: Certainty) -> list[LogitsProcessor]:
        """What sees each step's logits; the model's certainty is that before the grammar."""
        listeners: list[LogitsProcessor] = [certainty] if self._beams == 1 else []
        return [*listeners, self._grammar.processor()] if self._grammar else listeners

    def _replayed(self, prompt: ViewPrompt, sequence: Tensor, answer: int) -> tuple[Recorder, ImageLayout]:
        """One pass over a finished sequence (N,) of which the last tokens are the answer: all of its attention."""
        qformer = self._model.qformer if self._prompter.family.qformer else None
        with recording(self._model) as recorder, watching(qformer) if qformer else nullcontext() as seen:
            self._model(**prompt.inputs(sequence, answer), use_cache=False, **self._last_logits)
        recorder.check(self._layers, len(sequence))
        layout = prompt.layout
        return recorder, replace(layout, spread=seen.spread(len(layout.columns))) if seen else layout

    def _equal(self, prompt: ViewPrompt, most: int) -> list[list[int]]:
        """The questions' indices, those of one length together, at most so many."""
        by_length: dict[int, list[int]] = {}
        for i, tail in enumerate(prompt.tails):
            by_length.setdefault(len(tail), []).append(i)
        return [chunk for rows in by_length.values() for chunk in _chunks(rows, most)]

    def _generated(self, prompt: ViewPrompt, rows: Sequence[int], listeners: Sequence[LogitsProcessor]) -> Tensor:
        """What follows the prompts of some questions of one length, int64 (rows, new tokens)."""
        ids = torch.stack([torch.cat([prompt.prefix, prompt.tails[i]]) for i in rows])
        if self._reuse != "equal":
            return self._generate(*listeners, **prompt.inputs(ids[0]), **self._search)[:, ids.shape[1] :]
        cache: Any = DynamicCache(config=self._model.config)
        self._model(**prompt.inputs(prompt.prefix), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.reorder_cache(ids.new_zeros(len(rows) * self._beams))
        rest = {"attention_mask": torch.ones_like(ids), "past_key_values": cache}
        out = self._generate(*listeners, input_ids=ids, **rest, **self._search)
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
        if shift := len(prompt.opening):  # whose end mark may never come
            text, spans = prompt.opening + text, tuple((start + shift, end + shift) for start, end in spans)
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


def _chunks(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[i : i + size]) for i in range(0, len(items), size)]


def _media_tokens(config: Any) -> list[int]:
    """Tokens that stand for images or videos: a model must not write them."""
    ids = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
    return [i for i in ids if i is not None]
