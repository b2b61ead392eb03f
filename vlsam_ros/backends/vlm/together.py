"""Answers to all questions about all views as one batch, for models whose layers see all earlier tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessor

from ...data import Answer, Hidden, ImageLayout, Pixels, Shown
from ...embedded.novelty import Novelty, figure, scores
from ...errors import VlmError
from .capture import decoder_layers, recording, states
from .certainty import likely
from .decoding import Asked, Bench, Decoder, Limits, Prefix, Row, Written
from .memory import Memory, at_once, fits, generation, require_for_answers
from .places import places
from .prompting import Prompter, ViewPrompt, joined, moved
from .text import answered

CLOSE = 1.25
"""Views are one batch if the longest prefix has at most so many times the tokens of the shortest."""

LENGTHS = 128
"""Columns of a compiled step's cache are a multiple of this, those after the prefixes of half of it."""

WARM_STEPS = 3
"""Steps that compile, record and replay a step."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """A view that the model has seen.

    Attributes:
        prefix, view: what it made of it, and the view's place in that.
        layout: the image tokens, as positions in the prefix.
        opening: the mark that the template has begun a thought with, or an empty string.
        shown: the picture that it was shown.
    """

    prefix: Prefix
    view: int
    layout: ImageLayout
    opening: str
    shown: Shown | None


class Together:
    """The batch of a keyframe.

    Args:
        model: its text goes on after the questions, which come after the image.
        search: its generation settings, without beams.
        limits: when an answer has ended.
        decode: tokens -> text.
        grammar: makes what holds an answer to a form; None: nothing does.
        wanted: the option `vlm.compile`.
        novelty: what the model's training views look like; None: nobody knows.
    """

    def __init__(
        self,
        model: Any,
        prompter: Prompter,
        search: GenerationConfig,
        limits: Limits,
        decode: Callable[[list[int]], str],
        grammar: Callable[[], LogitsProcessor] | None,
        wanted: str,
        novelty: Novelty | None = None,
    ) -> None:
        self._model, self._prompter, self._limits, self._decode, self._grammar = (
            model,
            prompter.on_host(),
            limits,
            decode,
            grammar,
        )
        self._novelty = novelty
        self._layers, self._every = model.config.get_text_config().num_hidden_layers, decoder_layers(model)
        self._temperature = search.temperature if search.do_sample else 0.0
        self._fair = likely(search, model.device)
        self._decoder = Decoder(model, pipelined=model.device.type == "cuda" and grammar is None)
        self._benches: list[Bench] = []
        self._warming, self._said = False, set[str]()
        self.compiled = wanted == "on" or (wanted == "auto" and model.device.type == "cuda")
        if self.compiled:
            self._compile()

    def _compile(self) -> None:
        """The step as one graph, on CUDA a CUDA graph; it is made when it first runs."""
        quantiser = getattr(self._model, "hf_quantizer", None)
        if not self._model._can_compile_fullgraph:
            return self._slower(f"models of type {self._model.config.model_type!r} can't be compiled")
        if quantiser is not None and not quantiser.is_compileable:
            return self._slower(f"weights quantised by {quantiser.quantization_config.quant_method} can't be compiled")
        mode = "reduce-overhead" if self._model.device.type == "cuda" else "default"
        call = torch.compile(self._model.get_decoder(), fullgraph=True, mode=mode)

        def step(**inputs: Any) -> Any:
            torch.compiler.cudagraph_mark_step_begin()
            return call(**inputs)

        self._decoder.step = step

    def _slower(self, reason: str) -> None:
        """From now on without a compiled step."""
        self._say("vlm.compile: the step runs uncompiled, which takes longer: %s", reason)
        self.compiled, self._benches = False, []
        self._decoder.step = self._model.get_decoder()

    def _say(self, text: str, *details: object) -> None:
        """Once, whatever the details."""
        if text not in self._said:
            self._said.add(text)
            log.warning(text, *details)

    def warm_up(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> None:
        """Compile what so many questions about so many views like these take; see `interfaces.Vlm`."""
        if not self.compiled:
            return
        self._warming = True
        try:
            self.answers(views, questions, None, WARM_STEPS)
        except VlmError as error:
            self._slower(str(error))
        except Exception as error:  # compilers and drivers raise nearly anything
            reason = str(error).partition("\n")[0] or type(error).__name__
            self._slower(f"it could not be compiled, or its graph did not fit into the memory: {reason}")
        finally:
            self._warming = False

    def answers(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None,
        least: int = 0,
        finished: Sequence[Sequence[Row]] | None = None,
        after: int | None = None,
    ) -> list[list[Answer]]:
        """Each view's prefix once, then all questions about all views on those; see `interfaces.Vlm`.

        Args:
            least: steps to run, whatever is said.
            finished: for each view its answers, if they are only to be read.
            after: the decoder layer whose hidden states are wanted.
        """
        seen, once = self._seen(views, questions, after), finished is not None or after is not None
        if meanwhile:
            meanwhile()
        tails = self._prompter.tails(questions)
        answers: list[list[Answer]] = [[] for _ in views]
        left = len(views)
        for group in self._close(seen):
            whole = [seen[i] for i in group]
            some, asked = self._at_once(whole, tails, left, once)
            for part in (group[i : i + some] for i in range(0, len(group), some)):
                for rows in (slice(i, i + asked) for i in range(0, len(questions), asked)):
                    read = None if finished is None else [row for i in part for row in finished[i][rows]]
                    new = self._run([seen[i] for i in part], tails[rows], questions[rows], least, read, after)
                    for i, own in zip(part, new, strict=True):
                        answers[i] += own
            if fits(self._need(whole, tails, some, asked, left, once), self._model.device):
                for i in group:
                    self._keep(views[i], seen[i])
            left -= len(group)
        return answers

    def text(self, view: np.ndarray, request: str, most: int) -> tuple[str, bool]:
        """Free text about a view, and whether the limit of so many tokens cut it off; no form holds it."""
        seen, tails = self._seen([view], [request])[0], self._prompter.tails([request])
        length = len(seen.prefix) + len(tails[0]) + most
        need = generation(self._model.config, self._model.dtype, len(seen.prefix), len(tails[0]), most, kept=0)
        require_for_answers(need, self._model.device)
        bench = Bench(self._model.config, 1, length, length - len(seen.prefix), seen.prefix, records=False)
        asked, limits = Asked(seen.prefix, seen.view, tails), replace(self._limits, tokens=most)
        (row,) = self._decoder.write(bench, [asked], limits, self._fair, self._chooser(None)).rows
        if fits(need, self._model.device):
            self._keep(view, seen)
        return seen.opening + self._decode(row.tokens), row.truncated

    def _seen(self, views: Sequence[np.ndarray], questions: Sequence[str], after: int | None = None) -> dict[int, Seen]:
        """What the model makes of each view, or has made of it, with the hidden states after a layer if it is named."""
        kept: dict[int, Seen] = {
            i: v.kept[self] for i, v in enumerate(views) if isinstance(v, Pixels) and self in v.kept
        }
        seen = {i: own for i, own in kept.items() if after in (None, own.prefix.after)}
        fresh = [i for i in range(len(views)) if i not in seen]
        return seen | dict(zip(fresh, self._see([views[i] for i in fresh], questions, after), strict=True))

    def _keep(self, view: np.ndarray, seen: Seen) -> None:
        """For the next question about it."""
        if isinstance(view, Pixels):
            view.kept[self] = seen

    def _see(self, views: Sequence[np.ndarray], questions: Sequence[str], after: int | None = None) -> list[Seen]:
        """The prefixes of views, those that are alike as one batch, as far as memory allows."""
        prompts = [self._prompter(view, questions[:1]) for view in views]
        seen: dict[int, Seen] = {}
        groups: list[list[int]] = []
        for i, prompt in enumerate(prompts):
            group = next((g for g in groups if prompts[g[0]].alike(prompt)), None)
            group.append(i) if group is not None else groups.append([i])
        for group in groups:
            length = len(prompts[group[0]].prefix)

            def need(some: int, _: int, length: int = length) -> Memory:
                return generation(self._model.config, self._model.dtype, length, 0, 0, some, 0)

            most, _ = at_once(need, len(group), 1, self._model.device)
            for part in (group[i : i + most] for i in range(0, len(group), most)):
                prefix = self._prefix([prompts[i] for i in part], after)
                for place, i in enumerate(part):
                    seen[i] = Seen(prefix, place, prompts[i].layout, prompts[i].opening, prompts[i].shown)
        return [seen[i] for i in range(len(views))]

    def _prefix(self, prompts: Sequence[ViewPrompt], after: int | None = None) -> Prefix:
        """What the model makes of views whose prompts are alike, with hidden states after a layer, if one is named."""
        cache: Any = DynamicCache(config=self._model.config)
        inputs = joined(prompts)
        placed, shift = places(self._model, inputs)
        given = {name: moved(tensor, self._model.device) for name, tensor in inputs.items()} | placed
        last = self._layers - 1
        with (
            recording(self._model, None if after == last else last) as recorder,
            states(self._every, after) as found,
            scores(self._model, self._novelty) as novelty,
        ):
            self._model(**given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        ids = prompts[0].prefix
        recorder.check(range(self._layers), len(ids))
        if shift is None:
            deltas = getattr(self._model.model, "rope_deltas", None)  # Qwen-VL: where each sequence's text goes on
            shift = [0] * len(prompts) if deltas is None else deltas.flatten().tolist()
        values = [layer.values for layer in cache.layers]
        state, novel = (each[0] if each else None for each in (found, novelty))
        return Prefix(ids, recorder.causal(), values, shift, after, state, novel)

    def _close(self, seen: Mapping[int, Seen]) -> Iterator[list[int]]:
        """Which views can be one batch without much padding, those that were seen together side by side."""
        first: dict[int, int] = {}
        for i in sorted(seen):
            first.setdefault(id(seen[i].prefix), i)
        order = sorted(seen, key=lambda i: (len(seen[i].prefix), first[id(seen[i].prefix)], seen[i].view))
        group = order[:1]
        for i in order[1:]:
            if len(seen[i].prefix) > CLOSE * len(seen[group[0]].prefix):
                self._say(
                    "views with few and with many image tokens are answered one after the other; vlm.view_tokens makes "
                    "them alike"
                )
                yield group
                group = []
            group.append(i)
        yield group

    def _at_once(self, seen: Sequence[Seen], tails: Sequence[Tensor], left: int, once: bool) -> tuple[int, int]:
        """How many of these views, and how many questions about each, are one batch.

        Raises:
            VlmError: the memory does not suffice for a single one.
        """
        most = max(bench.rows for bench in self._benches) if self._benches and not self._warming else 0
        need = partial(self._need, seen, tails, left=left, once=once)
        return at_once(need, len(seen), len(tails), self._model.device, most)

    def _need(
        self, seen: Sequence[Seen], tails: Sequence[Tensor], views: int, asked: int, left: int, once: bool
    ) -> Memory:
        """What so many questions about each of so many of these views take, beside the prefixes, which are there.

        The answers' Q and K about all `left` views are kept in the end, and until then the bench has those of a batch.

        Args:
            once: whole answers go through the decoder at once.
        """
        prefix, tail = max(len(s.prefix) for s in seen), max(map(len, tails))
        columns = self._columns(prefix, tail)
        ready = not once and any(bench.holds(views * asked, *columns) for bench in self._benches)
        kept = (left * len(tails) + (0 if ready else views * asked)) * columns[1]
        lengths = (columns[1], 0) if once else (tail, self._limits.tokens)
        sizes = prefix, *lengths, views, asked, kept
        need = generation(self._model.config, self._model.dtype, *sizes)
        return replace(need, cache=0) if ready else need

    def _columns(self, prefix: int, tail: int) -> tuple[int, int]:
        """Columns of the cache, and those of them that come after the prefixes."""
        return prefix + tail + self._limits.tokens, tail + self._limits.tokens

    def _bench(self, seen: Sequence[Seen], rows: int, tail: int) -> tuple[Bench, bool]:
        """Where so many rows are run, and whether that has been or can be compiled."""
        prefix = max(len(s.prefix) for s in seen)
        length, tokens = self._columns(prefix, tail)
        config = self._model.config
        if not self.compiled:
            return Bench(config, rows, length, tokens, seen[0].prefix), False
        ready = [bench for bench in self._benches if bench.holds(rows, length, tokens)]
        if not ready and not self._warming:
            self._say("vlm.compile: no compiled step holds %d × %d tokens, so these run uncompiled", rows, length)
            return Bench(config, rows, length, tokens, seen[0].prefix), False
        if not ready:
            spare = self._prompter.spare(seen[0].layout)
            length, tokens = (-(-n // step) * step for n, step in ((length + spare, LENGTHS), (tokens, LENGTHS // 2)))
            self._benches.append(Bench(config, rows, length, tokens, seen[0].prefix))
            ready = self._benches[-1:]
        return min(ready, key=lambda bench: (bench.rows, bench.length)), True

    def _write(self, seen: Sequence[Seen], tails: Sequence[Tensor], least: int) -> Written:
        """Answers about each view of one batch."""
        asked = [Asked(s.prefix, s.view, tails) for s in seen]
        bench, compiled = self._bench(seen, len(seen) * len(tails), max(map(len, tails)))
        held = self._grammar() if self._grammar else None  # which knows its rows by their places
        try:
            return self._decoder.write(
                bench, asked, self._limits, self._fair, self._chooser(held), compiled, held is None, least
            )
        except Exception as error:
            if compiled and not self._warming:
                self._slower(f"it failed: {str(error).partition(chr(10))[0]}")
            raise

    def _read(
        self,
        seen: Sequence[Seen],
        tails: Sequence[Tensor],
        rows: Sequence[Row],
        after: int | None,
        records: bool = True,
    ) -> tuple[Written, list[Tensor]]:
        """The same of answers that are finished: `rows`, view by view; and each one's hidden states (T, width)."""
        each = len(tails)
        whole = [torch.cat([tails[i % each], torch.tensor(row.tokens, dtype=torch.long)]) for i, row in enumerate(rows)]
        asked = [Asked(s.prefix, s.view, whole[i * each : (i + 1) * each]) for i, s in enumerate(seen)]
        tail = max(map(len, whole))
        length = max(len(s.prefix) for s in seen) + tail
        bench = Bench(self._model.config, len(rows), length, tail, seen[0].prefix, records)
        with states(self._every, after) as found:
            written = self._decoder.read(bench, asked, rows, self._fair)
        return written, [own[tail - len(row.tokens) :] for each in found for own, row in zip(each, rows, strict=True)]

    def _run(
        self,
        seen: Sequence[Seen],
        tails: Sequence[Tensor],
        questions: Sequence[str],
        least: int,
        finished: Sequence[Row] | None,
        after: int | None,
    ) -> Iterator[list[Answer]]:
        """The answers about each view of one batch; see `answers`."""
        spoken: list[Tensor] = []
        if finished is not None:
            written, spoken = self._read(seen, tails, finished, after)
        else:
            written = self._write(seen, tails, least)
            if after is not None:
                _, spoken = self._read(seen, tails, written.rows, after, records=False)
        asked = [Asked(s.prefix, s.view, tails) for s in seen]
        rows = zip(written.batches(asked), written.rows, written.probabilities, strict=True)
        said = iter(spoken)
        for s in seen:
            own, image, novelty = [], _image(s) if spoken else None, figure(s.prefix.novelty, s.view)
            for question in questions:
                (batch, place, layer), row, given = next(rows)
                start, stop = batch.own[place]
                own.append(
                    answered(
                        self._decode,
                        question,
                        row.tokens,
                        s.opening,
                        length=len(s.prefix) + stop - start,
                        layout=s.layout,
                        layers=self._layers,
                        layer=layer,
                        truncated=row.truncated,
                        probabilities=tuple(given[: len(row.tokens)]),
                        batch=batch,
                        row=place,
                        looped=row.looped,
                        hidden=None if image is None else Hidden(image, next(said)),
                        shown=s.shown,
                        novelty=novelty,
                    )
                )
            yield own

    def _chooser(self, held: LogitsProcessor | None) -> Callable[[Tensor, Tensor], Tensor]:
        """Tokens so far and scores -> the next tokens: the likeliest that a grammar allows, or sampled ones."""

        def chosen(ids: Tensor, scores: Tensor) -> Tensor:
            scores = held(ids, scores) if held else scores
            if not self._temperature:
                return scores.argmax(-1)
            return torch.multinomial((scores / self._temperature).softmax(-1), 1)[:, 0]

        return chosen


def _image(seen: Seen) -> Tensor:
    """The hidden states of a view's image tokens, (M, width)."""
    assert seen.prefix.states is not None
    return seen.prefix.states[seen.view][torch.from_numpy(seen.layout.positions).to(seen.prefix.states.device)]
