"""One decode loop for all questions about all views, on a static cache.

Each row is a question about a view. In the cache a row is [prefix][pads][question][answer]: prefixes begin
and questions end at the same column, so that a step is one token of every row, wherever its view's prefix ended. Only
the decoder and its head run; what a step writes lies in buffers that do not move, so that it can be a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import StaticCache

from ...data import Batch, BatchQK, LayerQK
from ...errors import VlmError
from .capture import Call, Tape
from .certainty import NOT_FINITE
from .prompting import moved


@dataclass(frozen=True)
class Prefix:
    """V alike views as the model has seen them: all that the questions about one of them share.

    Attributes:
        ids: int64 (P,), the tokens, the same for all; on the host.
        calls: each layer's queries and keys (V, heads, P, d).
        values: each layer's (V, key heads, P, d).
        shift: for each view: the position of what follows its prefix is P and this (Qwen-VL counts an image's tokens by
            its longer side).
        after, states: a decoder layer, and the hidden states after it (V, P, width); None if they were not wanted.
        novelty: how unlike its training views the model finds each view, (V,); None: it does not know.
    """

    ids: Tensor
    calls: Sequence[Call]
    values: Sequence[Tensor]
    shift: Sequence[int]
    after: int | None = None
    states: Tensor | None = field(default=None, repr=False)
    novelty: Tensor | None = None
    _layers: dict[tuple[int, int], LayerQK] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def layer(self, index: int, view: int) -> LayerQK:
        """Q and K of one view's tokens in one layer: the same object for all its questions."""
        call, key = self.calls[index], (index, view)
        return self._layers.setdefault(key, LayerQK(call.query[view], call.key[view], call.scaling, call.softcap))


@dataclass(frozen=True)
class Asked:
    """The questions about one view.

    Attributes:
        prefix, view: the view's prefix, and its place in it.
        tails: for each question, int64 (n,), the tokens after the prefix, on the host; n >= 1. Those of finished
            answers are among them.
    """

    prefix: Prefix
    view: int
    tails: Sequence[Tensor]


@dataclass(frozen=True)
class Limits:
    """When a row has ended.

    Attributes:
        tokens: most of an answer.
        ends: tokens that end one.
        repeats: tokens so far -> whether their end is a loop.
    """

    tokens: int
    ends: Collection[int]
    repeats: Callable[[Sequence[int]], bool]


@dataclass
class Row:
    """What a row has written: its tokens, without the one that ended it."""

    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    truncated: bool = False
    looped: bool = False

    def take(self, token: int, limits: Limits) -> None:
        """The next token."""
        if self.ended:
            return
        self.ended = token in limits.ends
        if not self.ended and len(self.tokens) == limits.tokens:
            self.ended = self.truncated = True
        elif not self.ended:
            self.looped = limits.repeats([*self.tokens, token])
            self.ended = self.truncated = self.looped
            self.tokens += [] if self.looped else [token]


@dataclass(frozen=True)
class Written:
    """What came of the rows of one run.

    Attributes:
        rows: view by view, and for each its questions.
        own: for each row the [start, stop) of its question and answer among the columns after the prefixes.
        probabilities: for each row, of each of its tokens, and of some after them.
        queries, keys: for each layer (B, heads, n, d), of the columns after the prefixes.
    """

    rows: Sequence[Row]
    own: Sequence[tuple[int, int]]
    probabilities: Sequence[Sequence[float]]
    queries: Sequence[Tensor]
    keys: Sequence[Tensor]

    def batches(self, asked: Sequence[Asked]) -> Iterator[tuple[Batch, int, Callable[[int], LayerQK]]]:
        """For each row the batch that it is in, its place there, and its layers.

        Neighbours with one `Prefix` are a batch.
        """
        each, first = len(asked[0].tails), 0
        while first < len(asked):
            prefix = asked[first].prefix
            count = next((i for i, a in enumerate(asked[first:]) if a.prefix is not prefix), len(asked) - first)
            rows = slice(first * each, (first + count) * each)
            views = [a.view for a in asked[first : first + count]]
            layers = _Layers(self, rows, prefix, views)
            batch = Batch(tuple(self.own[rows]), len(self.queries), layers)
            yield from ((batch, i, partial(layers.of, row=i, own=batch.own[i])) for i in range(count * each))
            first += count


@dataclass(frozen=True)
class _Layers:
    """Layer index -> its `BatchQK`, for the neighbours of one prefix."""

    written: Written
    rows: slice
    prefix: Prefix
    views: Sequence[int]

    def __call__(self, index: int) -> BatchQK:
        call = self.prefix.calls[index]
        before_query, before_key = call.query, call.key
        if list(self.views) != list(range(len(call.query))):
            before_query, before_key = (torch.stack([each[v] for v in self.views]) for each in (call.query, call.key))
        query, key = self.written.queries[index][self.rows], self.written.keys[index][self.rows]
        return BatchQK(query, key, before_query, before_key, call.scaling, call.softcap)

    def of(self, index: int, row: int, own: tuple[int, int]) -> LayerQK:
        """One row's."""
        before = self.prefix.layer(index, self.views[row * len(self.views) // (self.rows.stop - self.rows.start)])
        return self(index).of(row, own, before)


class Bench:
    """The buffers of a run; what runs on it leaves its own there until the next one comes.

    Args:
        rows: at once.
        length: columns of the cache.
        tokens: most columns after the prefixes.
        prefix: one of those that are asked, for the layers' sizes.
        records: queries and keys are wanted in the end.
    """

    def __init__(self, config: Any, rows: int, length: int, tokens: int, prefix: Prefix, records: bool = True) -> None:
        self.rows, self.length, self.tokens, self.records = rows, length, tokens, records
        self.cache: Any = StaticCache(config=config, max_cache_len=length)
        for layer in self.cache.layers:
            if hasattr(layer, "cumulative_length"):  # which would come from the host, and the host wait
                layer.cumulative_length = layer.cumulative_length.new_zeros(1, device=prefix.values[0].device)
        self.queries = [
            torch.zeros_like(c.query[:1, :, :1]).expand(rows, -1, tokens, -1).contiguous()
            for c in (prefix.calls if records else ())
        ]
        for queries in self.queries:
            torch._dynamo.mark_static_address(queries)

    def holds(self, rows: int, length: int, tokens: int) -> bool:
        """Whether a run fits."""
        return rows <= self.rows and length <= self.length and tokens <= self.tokens

    def fill(self, asked: Sequence[Asked], longest: int) -> None:
        """The prefixes into the cache, each row its own; rows that are left over get the last view's."""
        self.cache.reset()
        each = len(asked[0].tails)
        counts = [each] * len(asked)
        counts[-1] += self.rows - len(asked) * each

        def rows(whole: Sequence[Tensor]) -> Tensor:
            own = (pad(w[a.view], (0, 0, 0, longest - len(a.prefix))) for w, a in zip(whole, asked, strict=True))
            return torch.cat([each.expand(count, -1, -1, -1) for each, count in zip(own, counts, strict=True)])

        for index in range(len(asked[0].prefix.calls)):
            keys, values = [a.prefix.calls[index].key for a in asked], [a.prefix.values[index] for a in asked]
            self.cache.update(rows(keys), rows(values), index)


class Decoder:
    """The decoder of a VLM and its head.

    Attributes:
        step: what runs the decoder on one token a row; the decoder itself, or what a compiler made of it.
        pipelined: the next step is sent off before the last one's tokens are looked at, so that a GPU never waits.
    """

    def __init__(self, model: Any, pipelined: bool) -> None:
        self._decoder, self._head = model.get_decoder(), model.get_output_embeddings()
        self.step: Callable[..., Any] = self._decoder
        self.pipelined = pipelined

    def write(
        self,
        bench: Bench,
        asked: Sequence[Asked],
        limits: Limits,
        likely: Callable[[Tensor, Tensor], Tensor],
        chosen: Callable[[Tensor, Tensor], Tensor],
        compiled: bool = False,
        shrinks: bool = True,
        least: int = 0,
    ) -> Written:
        """Answers to the same number of questions about each of some views.

        Args:
            likely: tokens so far int64 (B, n) and logits float32 (B, vocabulary) -> scores.
            chosen: the same of these scores -> tokens int64 (B,).
            compiled: steps are those of `step`, which wants the bench as it is.
            shrinks: rows that have ended may leave the others, in all that these functions are given.
            least: steps to run, whether or not all rows have ended.

        Raises:
            VlmError: logits were not finite.
        """
        run, step = _Run(bench, asked), self.step if compiled else self._decoder
        hidden = run.ask(self._decoder)
        for number in range(limits.tokens + 1):
            logits = self._head(hidden[:, -1]).float()
            scores = likely(run.ids, logits)
            token = chosen(run.ids, scores)
            run.hear(logits, scores, token)
            if self.pipelined:
                token = _Arriving(token)
                hidden = run.feed(step) if number < limits.tokens else hidden
            run.take(token.tolist(), limits)
            if run.done and number >= least:
                break
            if shrinks and not compiled:
                hidden = run.shrunk(hidden)
            if not self.pipelined and number < limits.tokens:
                hidden = run.feed(step)
        return run.written()

    def read(
        self, bench: Bench, asked: Sequence[Asked], rows: Sequence[Row], likely: Callable[[Tensor, Tensor], Tensor]
    ) -> Written:
        """Finished answers, which are the ends of the tails, in one pass.

        Args:
            rows: the answers.
            likely: see `write`; what it makes of each of the answers' tokens is their probability.

        Raises:
            VlmError: logits were not finite.
        """
        run = _Run(bench, asked, rows)
        run.judge(self._head, likely, run.ask(self._decoder))
        return run.written()


class _Arriving:
    """Tokens on their way to the host, while the device goes on."""

    def __init__(self, token: Tensor) -> None:
        self._copy = token.to("cpu", non_blocking=True)
        self._there = torch.cuda.Event()
        self._there.record()

    def tolist(self) -> list[int]:
        """Waits for them, and for nothing behind them."""
        self._there.synchronize()
        return self._copy.tolist()


class _Run:
    """One run's state on the device, and its rows.

    Args:
        finished: the answers, if they are the ends of the tails; None: they are still to be written.

    Attributes:
        ids: int64 (B, n), all tokens so far of the rows in the cache.
        done: all rows have ended.
    """

    def __init__(self, bench: Bench, asked: Sequence[Asked], finished: Sequence[Row] | None = None) -> None:
        questions = [(a, tail) for a in asked for tail in a.tails]
        self._finished = finished is not None
        self._rows = [Row() for _ in questions] if finished is None else finished
        questions += questions[-1:] * (bench.rows - len(questions))
        self._bench, self._asked = bench, asked
        self._longest = max(len(a.prefix) for a in asked)
        self._tail = self._used = max(len(tail) for _, tail in questions)
        sizes = [[len(a.prefix), a.prefix.shift[a.view], self._tail - len(tail)] for a, tail in questions]
        self._starts = [start for _, _, start in sizes[: len(self._rows)]]
        self._alive = list(range(bench.rows))
        rows = torch.stack([self._row(a.prefix.ids, tail) for a, tail in questions])
        device = asked[0].prefix.values[0].device
        numbers = moved(torch.cat([torch.tensor(sizes), rows], 1), device)
        self._length, self._shift, self._start, self.ids = numbers.split([1, 1, 1, rows.shape[1]], 1)
        self._heard: list[tuple[list[int], Tensor]] = []
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        self._keys: list[Tensor] = []

    def _row(self, prefix: Tensor, tail: Tensor) -> Tensor:
        """Pads repeat the prefix's first token: a penalty on tokens that a row has already must not see new ones."""
        gap = self._longest + self._tail - len(prefix) - len(tail)
        return torch.cat([prefix, prefix[:1].expand(gap), tail])

    def ask(self, decoder: Callable[..., Any]) -> Tensor:
        """The questions through the decoder, on the prefixes: hidden states (B, n, width)."""
        self._bench.fill(self._asked, self._longest)
        columns = torch.arange(self._bench.length, device=self.ids.device)
        after, end = columns[: self._tail], self._longest + self._tail
        own = (columns >= self._longest + self._start) & (columns < end)
        self._sees = ((columns < self._length) | own)[:, None, None]
        places = self._length + self._shift + (after - self._start).clamp(min=0)
        self._place, self._slot = places[:, -1:], after[None, -1:]
        self._index = torch.arange(len(self._alive), device=columns.device)[:, None]
        mask = self._sees & (columns <= self._longest + after[:, None])
        return self._through(decoder, self.ids[:, self._longest :], mask, places, after[None])

    def feed(self, step: Callable[..., Any]) -> Tensor:
        """The last tokens through a step of the decoder: hidden states (B, 1, width)."""
        self._sees[..., self._longest + self._used] = True
        self._used += 1
        self._place, self._slot = self._place + 1, self._slot + 1
        return self._through(step, self._last, self._sees, self._place, self._slot)

    def _through(self, step: Callable[..., Any], ids: Tensor, mask: Tensor, places: Tensor, slots: Tensor) -> Tensor:
        bench = self._bench
        tape = Tape(bench.queries, self._index, slots)
        given = {"past_key_values": bench.cache, "use_cache": True, "tape": tape}
        return step(input_ids=ids, attention_mask=mask, position_ids=places, **given).last_hidden_state

    def hear(self, logits: Tensor, scores: Tensor, token: Tensor) -> None:
        """What the model said of the next tokens (B,)."""
        self._last = token[:, None]
        self._note(logits, scores, self._last)
        self.ids = torch.cat([self.ids, self._last], 1)

    def judge(self, head: Callable[..., Any], likely: Callable[[Tensor, Tensor], Tensor], hidden: Tensor) -> None:
        """What the model says of the tokens of finished answers, of their hidden states (B, n, width)."""
        most = max(len(row.tokens) for row in self._rows)
        for column in range(self._tail - most, self._tail):
            end, logits = self._longest + column, head(hidden[:, column - 1]).float()
            self._note(logits, likely(self.ids[:, :end], logits), self.ids[:, end : end + 1])

    def _note(self, logits: Tensor, scores: Tensor, tokens: Tensor) -> None:
        self._finite = self._finite & logits.isfinite().all()
        self._heard.append((self._alive, scores.softmax(-1).gather(1, tokens)[:, 0]))

    def take(self, tokens: Sequence[int], limits: Limits) -> None:
        """The next tokens, on the host."""
        for row, token in zip(self._alive, tokens, strict=True):
            if row < len(self._rows):
                self._rows[row].take(token, limits)

    @property
    def done(self) -> bool:
        return all(row.ended for row in self._rows)

    def shrunk(self, hidden: Tensor) -> Tensor:
        """Rows that have ended leave the cache, once they are half of it; their keys are kept.

        Args:
            hidden: (B, n, width), of which the other rows come back.
        """
        stay = [slot for slot, row in enumerate(self._alive) if not self._rows[row].ended]
        if not stay or len(stay) > len(self._alive) // 2:
            return hidden
        self._keep([slot for slot in range(len(self._alive)) if slot not in stay])
        staying = torch.tensor(stay, device=self.ids.device)
        for layer in self._bench.cache.layers:
            layer.keys, layer.values = (t.index_select(0, staying) for t in (layer.keys, layer.values))
        self._alive = [self._alive[slot] for slot in stay]
        parts = self.ids, self._last, self._sees, self._place, self._index, hidden
        self.ids, self._last, self._sees, self._place, self._index, hidden = (
            part.index_select(0, staying) for part in parts
        )
        return hidden

    def _keep(self, slots: Sequence[int]) -> None:
        """The keys after the prefixes of some of the cache's rows."""
        if not self._bench.records:
            return
        part = slice(self._longest, self._longest + self._bench.tokens)
        whole = [layer.keys[:, :, part] for layer in self._bench.cache.layers]
        if len(slots) == self._bench.rows:
            self._keys = [keys.clone() for keys in whole]  # which holds no more of the cache than is wanted
            return
        if not self._keys:
            self._keys = [keys.new_zeros(self._bench.rows, *keys.shape[1:]) for keys in whole]
        source = torch.tensor(list(slots), device=self.ids.device)
        target = torch.tensor([self._alive[slot] for slot in slots], device=self.ids.device)
        for kept, keys in zip(self._keys, whole, strict=True):
            kept.index_copy_(0, target, keys.index_select(0, source))

    def written(self) -> Written:
        """What came of it.

        Raises:
            VlmError: logits were not finite.
        """
        self._keep(range(len(self._alive)))
        finite, *flat = torch.cat([self._finite[None].float(), *(given for _, given in self._heard)]).tolist()
        if not finite:
            raise VlmError(NOT_FINITE)
        given: list[list[float]] = [[] for _ in range(self._bench.rows)]
        for row, value in zip((row for alive, _ in self._heard for row in alive), flat, strict=True):
            given[row].append(value)
        count, used = len(self._rows), self._used
        if self._finished:  # what was said of a question is nobody's
            given = [all_[len(all_) - len(row.tokens) :] for all_, row in zip(given, self._rows, strict=False)]
        answers = [0 if self._finished else len(row.tokens) for row in self._rows]
        return Written(
            self._rows,
            [(start, self._tail + answer) for start, answer in zip(self._starts, answers, strict=True)],
            given[:count],
            [queries[:count, :, :used].clone() for queries in self._bench.queries],
            [keys[:count, :, :used] for keys in self._keys],
        )
