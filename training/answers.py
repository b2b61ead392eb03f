"""What the embedded VLM is asked about a view in its training, and what it should say and look at."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import CLIPImageProcessor, LlavaProcessor, PreTrainedTokenizerFast

from training.data import Batch, moved
from vlsam_ros.config import AttentionOptions, VerifyOptions
from vlsam_ros.embedded import BOX_OF, BOXES, QUESTIONS
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.kinds import NAMES

VERIFY = VerifyOptions().question
YES_NO = ("yes", "no")
BACKGROUND, BACKGROUND_ANSWER = AttentionOptions().background_question, ("sky", "road")
SHARES, BOX_SHARES, TOGETHER = (0.72, 0.22, 0.06), (0.7, 0.3), 4
"""How often the objects, one of them, and the background are asked for; half as often where all boxes and one name's
boxes are asked for, too. So many questions are asked about a view at once."""
BINS, MOST_BOXES = 128, 12
"""Places along an axis that a box's edge can have, and the boxes of an answer, the largest ones."""
PLACES = [f"<loc{1024 // BINS * i + 512 // BINS:04d}>" for i in range(BINS)]
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}user : "
    "{% for item in message['content'] %}{% if item['type'] == 'image' %}<image>{% endif %}{% endfor %} "
    "{% for item in message['content'] %}{% if item['type'] == 'text' %}{{ item['text'] }}{% endif %}{% endfor %} "
    "{% endif %}{% endfor %}{% if add_generation_prompt %}assistant :{% endif %}"
)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
PATCHES = (VIEW_HW[0] // STRIDE) * (VIEW_HW[1] // STRIDE)


def build_processor() -> LlavaProcessor:
    """Word-level tokenizer over names, questions and places, and an image processor that resizes to 448 × 256."""
    split = pre_tokenizers.Whitespace()
    spoken = [VERIFY.format(name=""), BACKGROUND, *BACKGROUND_ANSWER, "user : assistant :", ", ;", "none no yes"]
    texts = [*NAMES, *QUESTIONS, BOXES, BOX_OF.format(name=""), *spoken]
    words = sorted({word for text in texts for word, _ in split.pre_tokenize_str(text.lower())})
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), split
    tokenizer.add_tokens([AddedToken(place, normalized=False) for place in PLACES])
    words_apart = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.decoder = decoders.Sequence([words_apart, decoders.Fuse(), decoders.Replace("> <loc", "><loc")])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )
    size = {"height": VIEW_HW[0], "width": VIEW_HW[1]}
    pictures = CLIPImageProcessor(
        size=size,
        do_center_crop=False,
        resample=2,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=fast,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=TEMPLATE,
    )


@cache
def encoded(tokenizer: PreTrainedTokenizerFast, text: str) -> tuple[int, ...]:
    """A text's tokens."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


class Shown(NamedTuple):
    """A view's objects: their numbers by name, in the order of `NAMES`, and their edges' bins (y, x, y, x)."""

    names: dict[str, list[int]]
    edges: list[list[int]]


def shown(batch: Batch) -> list[Shown]:
    """The objects of each view."""
    edges, views = bins(batch.edges).tolist(), []
    for kinds, own in zip(batch.listed.tolist(), edges, strict=True):
        names: dict[str, list[int]] = {}
        for kind, number in sorted((kind, number) for number, kind in enumerate(kinds) if kind >= 0):
            names.setdefault(NAMES[kind], []).append(number)
        views.append(Shown(names, own))
    return views


def bins(edges: np.ndarray) -> np.ndarray:
    """Pixels (..., 4), y, x, y, x, as places along their axes."""
    return np.minimum(edges * BINS // np.tile(VIEW_HW, 2), BINS - 1)


class Part(NamedTuple):
    """A name in an answer, the numbers of the objects that it stands for, and the bins of its box's edges."""

    name: str
    objects: tuple[int, ...] = ()
    edges: tuple[int, ...] = ()


Exchange = tuple[str, list[Part]]
"""A question about a view and the parts of its answer."""


def exchanges(view: Shown, boxes: bool) -> list[Exchange]:
    """Different questions about a view."""
    shares = np.array([*SHARES, *BOX_SHARES]) / 2 if boxes else np.array(SHARES)
    kinds = np.argsort(np.random.standard_exponential(len(shares)) / shares)  # drawn one by one, none twice
    return [exchange(view, int(kind)) for kind in kinds[:TOGETHER]]


def exchange(view: Shown, kind: int) -> Exchange:
    """One question; `kind` counts along `SHARES`, then `BOX_SHARES`."""
    if kind == 0:
        return QUESTIONS[np.random.randint(len(QUESTIONS)) if np.random.rand() < 0.5 else 0], listed(view)
    if kind == 2:
        return BACKGROUND, [Part(word) for word in BACKGROUND_ANSWER]
    if kind == 3:
        return BOXES, boxed(view, view.names)
    there = bool(view.names) and np.random.rand() < (0.5 if kind == 1 else 0.75)
    names = list(view.names) if there else [name for name in NAMES if name not in view.names]
    name = names[np.random.randint(len(names))]
    return (BOX_OF.format(name=name), boxed(view, [name])) if kind == 4 else verified(view, name)


def listed(view: Shown) -> list[Part]:
    """The answer that gives the names."""
    return [Part(name, tuple(numbers)) for name, numbers in view.names.items()] or [Part("none")]


def verified(view: Shown, name: str) -> Exchange:
    """The question whether there is such an object."""
    return VERIFY.format(name=name), [Part(YES_NO[name not in view.names])]


def boxed(view: Shown, names: Iterable[str]) -> list[Part]:
    """The answer that gives the largest objects' boxes, by name in the order of `NAMES`, then from left to right."""
    parts = []
    for rank, name in enumerate(names):
        for number in view.names.get(name, ()):
            top, left, bottom, right = edges = tuple(view.edges[number])
            parts.append(((top - bottom) * (right - left), rank, left, edges, Part(name, (number,), edges)))
    largest = sorted(sorted(parts)[:MOST_BOXES], key=lambda part: part[1:])
    return [part for *_, part in largest] or [Part("none")]


class Look(NamedTuple):
    """What a part of an answer looks at.

    Rows `start` to `name` - 1 decide on its tokens up to the name, `name` to `end` - 1 are the name; `objects` are the
    numbers of those that it stands for.
    """

    start: int
    name: int
    end: int
    objects: tuple[int, ...]


def opening(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """What every sequence begins with: the picture."""
    return [*encoded(tokenizer, "user :"), *encoded(tokenizer, "<image>") * PATCHES]


def sequence(
    tokenizer: PreTrainedTokenizerFast, question: str, answer: list[Part]
) -> tuple[list[int], int, list[Look]]:
    """Tokens behind the picture; where among them the answer starts, and where its parts should look."""
    ids = [*encoded(tokenizer, question), *encoded(tokenizer, "assistant :")]
    start, looks, first = len(ids), [], encoded(tokenizer, PLACES[0])[0]
    separator = encoded(tokenizer, ";" if answer and answer[0].edges else ",")
    for i, part in enumerate(answer):
        at = len(ids)
        ids += [*(first + edge for edge in part.edges), *encoded(tokenizer, part.name)]
        if part.objects:
            looks.append(Look(at - 1, at + len(part.edges), len(ids), part.objects))
        ids += separator if i + 1 < len(answer) else ()
    return [*ids, *encoded(tokenizer, tokenizer.eos_token)], start, looks


def spans(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers from each row's first to before its second, one row after the other, and their rows' indices."""
    lengths = ends[:, 1] - ends[:, 0]
    index = np.repeat(np.arange(len(ends)), lengths)
    return np.arange(len(index)) + (ends[:, 0] - lengths.cumsum() + lengths)[index], index


class Lesson(NamedTuple):
    """Exchanges about the views of a batch, each view's behind one another and its picture, on the batch's device.

    ids, positions, owners (B, N), the latter 0 for what all of a view's sequences share, then 1, 2, …, -1 for padding;
    columns: the picture's tokens. wanted (T,), the tokens to be said: words, verdicts, places, `counts` of each; rows
    (T,) in B · N that decide on them. looks (B, R, 3): owner, first row of the name, row after it, all 0 where there is
    none; objects bool (B, R, K), those looked at; searching (2, S): rows in B · N that decide on what names an object,
    looks in B · R.
    """

    ids: Tensor
    positions: Tensor
    owners: Tensor
    rows: Tensor
    wanted: Tensor
    counts: tuple[int, ...]
    looks: Tensor
    objects: Tensor
    searching: Tensor
    columns: slice

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, asked: list[list[Exchange]], batch: Batch) -> Lesson:
        """Of what is asked about each view."""
        shared, device = opening(tokenizer), batch.ids.device
        at0 = len(shared)
        views = [[sequence(tokenizer, *exchange) for exchange in own] for own in asked]
        longest = at0 + max(sum(len(ids) for ids, *_ in view) for view in views)
        if device.type == "cuda":
            longest = -(-longest // 32) * 32  # fewer different shapes
        most = max(1, *(sum(len(looks) for *_, looks in view) for view in views))
        tokens = np.empty((3, len(views), longest), np.int64)
        tokens[:] = np.reshape([encoded(tokenizer, tokenizer.pad_token)[0], 0, -1], (3, 1, 1))
        tokens[:, :, :at0] = np.stack([shared, np.arange(at0), np.zeros(at0, np.int64)])[:, None]
        ramp = np.arange(at0, longest)
        said, found, there = [], [], []
        for b, view in enumerate(views):
            at, r = at0, 0
            for i, (ids, start, own) in enumerate(view, 1):
                end, row = at + len(ids), b * longest + at
                tokens[0, b, at:end], tokens[1, b, at:end], tokens[2, b, at:end] = ids, ramp[: len(ids)], i
                said.append((row + start, row + len(ids)))
                for look in own:
                    found.append((b, r, i, at + look.name, at + look.end, row + look.start, row + look.name))
                    there += [(b, r, number) for number in look.objects]
                    r += 1
                at = end
        looks = np.zeros((len(views), most, 3), np.int64)
        objects = np.zeros((len(views), most, batch.listed.shape[1]), np.bool_)
        which = np.array(found, np.int64).reshape(-1, 7)
        looks[which[:, 0], which[:, 1]] = which[:, 2:5]
        objects[tuple(np.array(there, np.int64).reshape(-1, 3).T)] = True
        rows, _ = spans(np.array(said))
        searching, index = spans(which[:, 5:])
        wanted = tokens[0].ravel()[rows]
        verdicts = np.isin(wanted, [encoded(tokenizer, word)[0] for word in YES_NO])
        sort = np.where(wanted >= encoded(tokenizer, PLACES[0])[0], 2, verdicts)
        order = np.argsort(sort, kind="stable")
        return cls(
            *moved(tokens, device),
            *moved(np.stack([rows - 1, wanted])[:, order], device),
            tuple(np.bincount(sort, minlength=3).tolist()),
            moved(looks, device),
            moved(objects, device),
            moved(np.stack([searching, (which[:, 0] * most + which[:, 1])[index]]), device),
            slice(at0 - PATCHES, at0),
        )

    def mask(self) -> Tensor:
        """What is added to the attention's logits, (B, 1, N, N)."""
        owners, n, kind = self.owners, self.owners.shape[1], self.owners.device.type
        together = (owners[:, None] == 0) | (owners[:, None] == owners[..., None])
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        causal = torch.ones(n, n, dtype=torch.bool, device=owners.device).tril()
        blank = torch.zeros(together.shape, dtype=dtype, device=owners.device)
        return blank.masked_fill(~(together & causal), -1e9)[:, None]

    def starts(self) -> Tensor:
        """Each look's name's rows, summing to 1, (B, R, N)."""
        at, (first, end) = torch.arange(self.ids.shape[1], device=self.ids.device), self.looks[..., 1:, None].unbind(2)
        return ((at >= first) & (at < end)) / (end - first).clamp(min=1)

    def members(self) -> Tensor:
        """The tokens of each look's own sequence, bool (B, R, N)."""
        owners = self.owners[:, None]
        return (owners == 0) | (owners == self.looks[..., :1])

    def goals(self, cover: Tensor) -> Tensor:
        """Where each should look, (B, R, 448): its objects' cover relative to each one's best patch; sums to 1, or 0.

        cover (B, K, 16, 28), of each object.
        """
        cover = cover.flatten(2)
        relative = cover / cover.amax(-1, keepdim=True).clamp(min=1e-6)
        best = (relative[:, None] * self.objects[..., None]).amax(2)
        return best / best.sum(-1, keepdim=True).clamp(min=1e-6)
