"""Any supported image-text-to-text model of transformers as a `Vlm`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ...config import VlmOptions
from ...data import Answer, Hidden, Pixels, check_image
from ...embedded.novelty import Novelty, figure, scores
from ...errors import ConfigError, VlmError, failures
from ..interfaces import Vlm
from .capture import attending, decoder_layers, listening, middle, recording, states
from .certainty import NOT_FINITE, Certainty, finite_logits, likely
from .decoding import Limits, Row
from .forms import FAMILY_FORMS
from .memory import Memory, at_once, generation, require_for_answers
from .once import Encoded
from .prompting import Prompter, ViewPrompt
from .qformer import watching
from .repeats import Repeats, RepeatsStop
from .text import answered, decoder, end_tokens
from .together import Together


class TransformersVlm(Vlm):
    """Answers with the Q and K of every decoder layer that has attention; questions about a view share its prefix.

    Q and K are recorded while the model answers. Where those would not be whole (layers that see a window, a chunk or
    another layer's keys; beams, which change places), the finished sequence is passed through the model once more.

    One call at a time: a model of transformers holds state while it generates.
    """

    attends = True

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        prompter: Prompter,
        name: str,
        demonstration: bool,
        options: VlmOptions,
        novelty: Novelty | None = None,
    ) -> None:
        """Takes the model over: its generation settings become those of the options.

        Args:
            novelty: what the model's training views look like; None: nobody knows.

        Raises:
            ConfigError: answers can't be held to a form under beams.
            ModelLoadError: nor with this model's tokenizer; or no layer has attention.
        """
        self.name, self.demonstration = name, demonstration
        self.boxes = FAMILY_FORMS.get(model.config.model_type, "") if options.boxes == "auto" else options.boxes
        self._model: Any = model
        self._tokenizer, self._prompter = tokenizer, prompter
        self._decode = decoder(tokenizer)
        self._beams, self._novelty = options.beams, novelty
        self._layers = attending(model)
        self._ends = end_tokens(model, tokenizer)
        self._reuse = _reuse(model.config, prompter.family.reuse, self._beams, self._layers)
        # layers that share keys leave out the rows of logits that nobody wants
        self._all_logits = bool(getattr(model.config.get_text_config(), "num_kv_shared_layers", 0))
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(self._ends, default=0)
        own = getattr(model.generation_config, "repetition_penalty", None)
        model.generation_config = GenerationConfig(
            num_beams=self._beams,
            max_new_tokens=options.max_new_tokens + 1,  # so that an end after the last token is seen
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
        self._likely = likely(model.generation_config, model.device)
        self._limits = Limits(options.max_new_tokens, self._ends, Repeats(self._decode, options.max_repeats))
        self._batch = None
        if self._reuse == "batch":
            search, held = model.generation_config, self._grammar.processor if self._grammar else None
            self._batch = Together(model, prompter, search, self._limits, self._decode, held, options.compile, novelty)

    def answer_views(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """Answer each question about each RGB uint8 view (H, W, 3), in order; see `interfaces.Vlm`.

        All of them are one batch, if the model's layers allow that and as far as the memory goes.

        Raises:
            BadImageError: a view is no RGB uint8 image.
            ConfigError: the model has no layer `hidden`.
            VlmError: the model failed, its memory does not suffice, or the attention of some decoder layer was not
                recorded.
        """
        return self._answers(views, questions, meanwhile, None, hidden)

    def read(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        texts: Sequence[Sequence[str]],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """What `answer_views` would give if the model had written these texts, which another engine wrote.

        Each sequence is read once, teacher-forced, which takes no decode step: its Q and K, the probability that this
        model gives to each token, and the hidden states if they are wanted.

        Args:
            texts: for each view, one for each question. Control tokens are taken out, and what is beyond
                `vlm.max_new_tokens`, or repeats itself, is cut off as if this model had written it. One whose thought
                was taken out begins with `text.THOUGHT_ENDS`.

        Raises:
            ValueError: there are not as many texts as questions.
            BadImageError, ConfigError, VlmError: see `answer_views`.
        """
        if [len(own) for own in texts] != [len(questions)] * len(views):
            raise ValueError(f"expected {len(questions)} texts for each of {len(views)} views")
        return self._answers(views, questions, meanwhile, texts, hidden)

    def _answers(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None,
        texts: Sequence[Sequence[str]] | None,
        hidden: int | None,
    ) -> list[list[Answer]]:
        """See `answer_views`, and `read` for answers that are finished."""
        for view in views:
            check_image(view)
        after = middle(hidden, self._model.config)
        if not questions or not views:
            return [[] for _ in views]
        with torch.no_grad(), self._typed_errors(views):
            rows = None if texts is None else [[*map(self._row, questions, own)] for own in texts]
            if self._batch:
                with listening(self._model):
                    return self._batch.answers(views, questions, meanwhile, finished=rows, after=after)
            if meanwhile:
                meanwhile()
            each = [None] * len(views) if rows is None else rows
            return [self._apart(view, questions, len(views) - i, each[i], after) for i, view in enumerate(views)]

    def _row(self, question: str, text: str) -> Row:
        """A finished answer's tokens, up to what would have ended it; those that the model can't write are left out."""
        row, media = Row(), _media_tokens(self._model.config)
        for token in self._prompter.reply(question, text).tolist():
            if token not in media and token < self._model.get_output_embeddings().out_features:
                row.take(token, self._limits)
        return row

    def warm_up(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> None:
        """See `interfaces.Vlm`."""
        if self._batch:
            with torch.no_grad(), listening(self._model):
                self._batch.warm_up(views, questions)

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """Free text about an RGB uint8 view (H, W, 3), and whether the limit cut it off; see `interfaces.Vlm`."""
        check_image(view)
        with torch.no_grad(), self._typed_errors([view]):
            if self._batch:
                with listening(self._model):
                    return self._batch.text(view, request, max_new_tokens)
            prompt = self._prompter(view, [request])
            require_for_answers(self._memory(prompt, max_new_tokens, 1, kept=0), self._model.device)
            ids = torch.cat([prompt.prefix, prompt.tails[0]])
            written = self._generate(prompt.inputs(ids) | self._search | {"max_new_tokens": max_new_tokens + 1})
            tokens, truncated = self._tokens(written[0, len(ids) :], max_new_tokens)
            return prompt.opening + self._decode(tokens.tolist()), truncated

    def _apart(
        self, view: np.ndarray, questions: Sequence[str], left: int, finished: Sequence[Row] | None, after: int | None
    ) -> list[Answer]:
        """Answers about one of the `left` views that are still to be answered: all their Q and K are kept."""
        alone = self._reuse == "none"  # what the image becomes depends on the question
        kept = view.kept if isinstance(view, Pixels) else {}
        encoded = kept.setdefault(self, Encoded())
        answers = []
        for i, part in enumerate([slice(q, q + 1) for q in range(len(questions))] if alone else [slice(None)]):
            group = questions[part]
            prompt = self._prompter(view, group)
            encoded.pixels = prompt.image["pixel_values"] if encoded.pixels is None else encoded.pixels
            prompt = replace(prompt, image={**prompt.image, "pixel_values": encoded.pixels})
            answer = max(len(t) for t in prompt.tails) + self._limits.tokens
            rest = left * len(questions) - (i if alone else 0)
            tokens = rest * (len(prompt.prefix) + answer)

            def need(views: int, asked: int, prompt: ViewPrompt = prompt, tokens: int = tokens) -> Memory:
                return self._memory(prompt, self._limits.tokens, asked * self._beams, tokens)

            _, asked = at_once(need, 1, len(group), self._model.device)
            with encoded.once(self._model.get_encoder(modality="image")):
                if finished is None:
                    answers += self._ask_alone(prompt, group, asked, after)
                else:
                    rows = enumerate(zip(group, finished[part], strict=True))
                    answers += [self._finished(prompt, i, question, row, None, after) for i, (question, row) in rows]
        return answers

    def _memory(self, prompt: ViewPrompt, new_tokens: int, rows: int, kept: int) -> Memory:
        """What so many answers about a view take at once, if so many tokens' Q and K are kept in the end."""
        lengths = len(prompt.prefix), max(len(t) for t in prompt.tails), new_tokens
        return generation(self._model.config, self._model.dtype, *lengths, 1, rows, kept)

    def _generate(
        self, inputs: Mapping[str, Any], listeners: Sequence[LogitsProcessor] = (), stop: RepeatsStop | None = None
    ) -> Tensor:
        """What the model writes: int64 (rows, tokens), the prompts before it.

        Raises:
            VlmError: its logits were not finite.
        """
        stops = [stop] if stop and self._beams == 1 else []
        with finite_logits(self._model.get_output_embeddings()):
            return self._model.generate(**inputs, logits_processor=list(listeners), stopping_criteria=stops)

    def _typed_errors(self, views: Sequence[np.ndarray]) -> AbstractContextManager[None]:
        sizes = ", ".join(sorted({f"{v.shape[1]} × {v.shape[0]}" for v in views}))
        return failures(VlmError, f"{self.name} failed on {len(views)} views of {sizes} pixels")

    def _ask_alone(self, prompt: ViewPrompt, questions: Sequence[str], most: int, after: int | None) -> list[Answer]:
        """Questions of one length, so many at a time, on a copy of the prefix's cache; or each by itself.

        Their attention comes from one more pass over each finished sequence.
        """
        answers: dict[int, Answer] = {}
        for rows in self._equal(prompt, most) if self._reuse == "equal" else [[i] for i in range(len(questions))]:
            listeners = self._listeners(certainty := Certainty())
            first = len(prompt.prefix) + len(prompt.tails[rows[0]])
            stop = RepeatsStop(self._limits.repeats, self._ends, first)
            for place, (i, generated) in enumerate(
                zip(rows, self._generated(prompt, rows, listeners, stop), strict=True)
            ):
                tokens, truncated = self._tokens(generated[: stop.at.get(place)], self._limits.tokens)
                looped = place in stop.at
                row = Row(tokens.tolist(), True, truncated or looped, looped)
                given = certainty.of(place, len(tokens)) if self._beams == 1 else ()
                answers[i] = self._finished(prompt, i, questions[i], row, given, after)
        return [answers[i] for i in range(len(questions))]

    def _listeners(self, certainty: Certainty) -> list[LogitsProcessor]:
        """What sees each step's logits; the model's certainty is that before the grammar."""
        listeners: list[LogitsProcessor] = [certainty] if self._beams == 1 else []
        return [*listeners, self._grammar.processor()] if self._grammar else listeners

    def _finished(
        self,
        prompt: ViewPrompt,
        index: int,
        question: str,
        row: Row,
        given: Sequence[float] | None,
        after: int | None,
    ) -> Answer:
        """A finished answer to one of the prompt's questions, from one pass over its whole sequence.

        Args:
            given: its tokens' probabilities; None: what the model gives to them in this pass.
        """
        sequence = torch.cat([prompt.prefix, prompt.tails[index], prompt.prefix.new_tensor(row.tokens)])
        count, qformer = len(row.tokens), self._model.qformer if self._prompter.family.qformer else None
        logits = {} if self._all_logits else {"logits_to_keep": 1 if given is not None else count + 1}
        with (
            recording(self._model) as recorder,
            states(decoder_layers(self._model), after) as found,
            watching(qformer) if qformer else nullcontext() as seen,
            scores(self._model, self._novelty) as novelty,
        ):
            out = self._model(**prompt.inputs(sequence, count), use_cache=False, **logits)
        recorder.check(self._layers, len(sequence))
        layout, hidden = prompt.layout, None
        if found:
            image = torch.from_numpy(layout.positions).to(sequence.device)
            hidden = Hidden(found[0][0, image], found[0][0, len(sequence) - count :].clone())
        return answered(
            self._decode,
            question,
            row.tokens,
            prompt.opening,
            length=len(sequence),
            layout=replace(layout, spread=seen.spread(len(layout.columns))) if seen else layout,
            layers=len(self._layers),
            layer=partial(recorder.layer, row=0, keep=torch.ones_like(sequence, dtype=torch.bool)),
            truncated=row.truncated,
            probabilities=tuple(self._given(sequence, out.logits[0, -count - 1 : -1]) if given is None else given),
            looped=row.looped,
            hidden=hidden,
            shown=prompt.shown,
            novelty=figure(*novelty),
        )

    def _given(self, sequence: Tensor, logits: Tensor) -> list[float]:
        """The probabilities of the last tokens of a sequence (N,), of the logits (T, vocabulary) before each.

        Raises:
            VlmError: they are not finite.
        """
        if not len(logits):
            return []
        if not logits.isfinite().all():
            raise VlmError(NOT_FINITE)
        first = len(sequence) - len(logits)
        rows = (self._likely(sequence[None, : first + i], row[None].float()) for i, row in enumerate(logits))
        return torch.cat(list(rows)).softmax(-1).gather(1, sequence[first:, None])[:, 0].tolist()

    def _equal(self, prompt: ViewPrompt, most: int) -> list[list[int]]:
        """The questions' indices, those of one length together, at most so many."""
        by_length: dict[int, list[int]] = {}
        for i, tail in enumerate(prompt.tails):
            by_length.setdefault(len(tail), []).append(i)
        return [rows[i : i + most] for rows in by_length.values() for i in range(0, len(rows), most)]

    def _generated(
        self, prompt: ViewPrompt, rows: Sequence[int], listeners: Sequence[LogitsProcessor], stop: RepeatsStop
    ) -> Tensor:
        """What follows the prompts of some questions of one length, int64 (rows, new tokens)."""
        ids = torch.stack([torch.cat([prompt.prefix, prompt.tails[i]]) for i in rows])
        inputs: dict[str, Any] = prompt.inputs(ids[0])
        if self._reuse == "equal":
            cache: Any = DynamicCache(config=self._model.config)
            self._model(**prompt.inputs(prompt.prefix), past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.reorder_cache(ids.new_zeros(len(rows) * self._beams))
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "past_key_values": cache}
        return self._generate(inputs | self._search, listeners, stop)[:, ids.shape[1] :]

    def _tokens(self, generated: Tensor, most: int) -> tuple[Tensor, bool]:
        """What was generated (T,) before the first end token, and whether a limit of `most` tokens cut it off."""
        ends = torch.isin(generated, generated.new_tensor(self._ends)).nonzero()[:, 0].tolist()
        length = min(ends, default=len(generated))
        return generated[: min(length, most)], length > most


def _reuse(config: Any, family: str, beams: int, layers: Sequence[int]) -> str:
    """How questions about a view can share its prefix: ``batch``, ``equal`` or ``none`` (see `layouts.Family`).

    Padding inside the sequence can be masked where every layer sees all earlier tokens; other layers count it, and
    layers without attention can't leave it out. What beams record is of no use, as they change places.

    Args:
        layers: those with attention.
    """
    caches = DynamicCache(config=config).layers
    plain = beams == 1 and len(layers) == len(caches) and all(type(layer) is DynamicLayer for layer in caches)
    return "equal" if family == "batch" and not plain else family


def _media_tokens(config: Any) -> list[int]:
    """Tokens that stand for images or videos: a model must not write them."""
    ids = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
    return [i for i in (*ids, *getattr(config, "visual_indicator_token_ids", ())) if i is not None]
