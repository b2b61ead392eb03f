"""What the embedded VLM is asked about a view in its training, and what it should say and look at."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import CLIPImageProcessor, LlavaProcessor, PreTrainedTokenizerFast

from training.dense import GRID
from vlsam_ros.config import AttentionOptions, VerifyOptions
from vlsam_ros.embedded import BOX_OF, BOXES, QUESTIONS
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.kinds import NAMES

VERIFY = VerifyOptions().question
BACKGROUND, BACKGROUND_ANSWER = AttentionOptions().background_question, "sky, road"
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
    spoken = [VERIFY.format(name=""), BACKGROUND, BACKGROUND_ANSWER, "user : assistant :", ", ;", "none no yes"]
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


class Seen(NamedTuple):
    """An object of a view: its name, the share of each patch that it covers (16, 28), its edges' bins (y, x, y, x)."""

    name: str
    cover: np.ndarray
    edges: tuple[int, ...]

    @property
    def box(self) -> str:
        """As PaliGemma writes it."""
        return "".join(PLACES[edge] for edge in self.edges)


def seen(ids: np.ndarray, objects: list[dict]) -> list[Seen]:
    """The objects of an id map (256, 448)."""
    found = []
    for item in objects:
        own = ids == item["id"]
        rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
        sides = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / np.tile(own.shape, 2)
        edges = np.minimum((sides * BINS).astype(int), BINS - 1)
        found.append(
            Seen(
                item["name"],
                cv2.resize(own.astype(np.float32), GRID[::-1], interpolation=cv2.INTER_AREA),
                tuple(edges.tolist()),
            )
        )
    return found


def target_map(objects: list[Seen]) -> np.ndarray:
    """Where an answer about objects should look: each one's cover relative to its best patch; sums to 1, (448,)."""
    best = np.max([o.cover / max(float(o.cover.max()), 1e-6) for o in objects], 0).ravel()
    return best / max(float(best.sum()), 1e-6)


Part = tuple[str, list[Seen]]
"""One name of an answer, or a box and its name, and the objects that it stands for."""


def exchanges(objects: list[Seen], boxes: bool) -> list[tuple[str, list[Part]]]:
    """Different questions about a view and the parts of their answers."""
    shares = np.array([*SHARES, *BOX_SHARES]) / 2 if boxes else np.array(SHARES)
    kinds = np.random.choice(len(shares), min(TOGETHER, len(shares)), replace=False, p=shares)
    return [exchange(objects, kind) for kind in kinds]


def exchange(objects: list[Seen], kind: int) -> tuple[str, list[Part]]:
    """A question about a view and the parts of its answer; `kind` counts along `SHARES`, then `BOX_SHARES`."""
    names = [name for name in NAMES if any(o.name == name for o in objects)]
    if kind == 0:
        question = QUESTIONS[np.random.randint(len(QUESTIONS)) if np.random.rand() < 0.5 else 0]
        return question, [(name, [o for o in objects if o.name == name]) for name in names] or [("none", [])]
    if kind == 2:
        return BACKGROUND, [(word, []) for word in BACKGROUND_ANSWER.split(", ")]
    if kind == 3:
        return BOXES, boxed(objects)
    others = [name for name in NAMES if name not in names]
    there = bool(names) and np.random.rand() < (0.5 if kind == 1 else 0.75)
    name = str(np.random.choice(names if there else others))
    if kind == 4:
        return BOX_OF.format(name=name), boxed([o for o in objects if o.name == name])
    return VERIFY.format(name=name), [("yes" if there else "no", [])]


def boxed(objects: list[Seen]) -> list[Part]:
    """The answer that gives the largest objects' boxes, by name in the order of `NAMES`, then from left to right."""
    largest = sorted(objects, key=lambda o: -o.cover.sum())[:MOST_BOXES]
    ordered = sorted(largest, key=lambda o: (NAMES.index(o.name), o.edges[1], o.edges))
    return [(f"{o.box} {o.name}", [o]) for o in ordered] or [("none", [])]


class Look(NamedTuple):
    """What a part of an answer looks at: its name's rows, the rows that decide on each token up to it, its objects."""

    rows: list[int]
    before: list[int]
    objects: list[Seen]


def sequence(
    tokenizer: PreTrainedTokenizerFast, question: str, answer: list[Part]
) -> tuple[list[int], int, list[Look]]:
    """Token ids of prompt and answer, where the answer starts, and where its parts should look."""

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    image = tokenizer.convert_tokens_to_ids("<image>")
    ids = encode("user :") + [image] * PATCHES + encode(question) + encode("assistant :")
    start, looks = len(ids), []
    separator = encode(";" if answer and answer[0][0].startswith("<loc") else ",")
    for i, (text, objects) in enumerate(answer):
        at, tokens = len(ids), encode(text)
        name = at + (4 if text.startswith("<loc") else 0)
        if objects:
            looks.append(Look(list(range(name, at + len(tokens))), list(range(at - 1, name)), objects))
        ids += tokens + (separator if i + 1 < len(answer) else [])
    return [*ids, tokenizer.eos_token_id], start, looks


class Batch(NamedTuple):
    """Sequences that share a picture, behind one another: what each token belongs to, and what it must not see.

    ids, positions, owners (B, N), the latter 0 for what all of a view's sequences share, then 1, 2, …, -1 for padding;
    answers bool (B, N); looks per view and sequence.
    """

    ids: Tensor
    positions: Tensor
    owners: Tensor
    answers: Tensor
    looks: list[list[list[Look]]]

    @classmethod
    def of(cls, views: list[list[tuple[list[int], int, list[Look]]]], shared: int, padding: int) -> Batch:
        """Of `sequence`'s results by view, of which the first `shared` tokens are the same."""
        longest = shared + max(sum(len(ids) - shared for ids, *_ in view) for view in views)
        ids, positions, owners = (torch.full((len(views), longest), value) for value in (padding, 0, -1))
        answers, looks = torch.zeros_like(ids, dtype=torch.bool), []
        for b, view in enumerate(views):
            ids[b, :shared], positions[b, :shared] = torch.tensor(view[0][0][:shared]), torch.arange(shared)
            owners[b, :shared] = 0
            at, moved = shared, []
            for i, (tokens, start, own) in enumerate(view, 1):
                end, shift = at + len(tokens) - shared, at - shared
                ids[b, at:end], owners[b, at:end] = torch.tensor(tokens[shared:]), i
                positions[b, at:end] = torch.arange(shared, len(tokens))
                answers[b, start + shift : end] = True
                moved.append([Look([r + shift for r in k.rows], [r + shift for r in k.before], k.objects) for k in own])
                at = end
            looks.append(moved)
        return cls(ids, positions, owners, answers, looks)

    def mask(self) -> Tensor:
        """What is added to the attention's logits, (B, 1, N, N)."""
        owners, n = self.owners, self.owners.shape[1]
        seen = (owners[:, None] == 0) | (owners[:, None] == owners[..., None])
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        blank = torch.zeros(seen.shape, dtype=dtype)
        return blank.masked_fill(~(seen & torch.ones(n, n).tril().bool()), -1e9)[:, None]
