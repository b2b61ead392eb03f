"""The values that flow through the pipeline: frozen, and validated once, at birth.

Pixel coordinates are x to the right and y down; pixel (0, 0) covers [0, 1) × [0, 1). Boxes are x_min, y_min, x_max,
y_max with exclusive upper edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from .errors import BadImageError, SegmenterError

if TYPE_CHECKING:
    from torch import Tensor


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


@dataclass(frozen=True)
class View:
    """A rectangle of the frame that the models look at.

    Attributes:
        name: ``full``, ``far_<column>``, ``near_<column>`` or ``tile_<row>_<column>``.
        xyxy: integer x_min, y_min, x_max, y_max in pixels of the frame.
    """

    name: str
    xyxy: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.xyxy
        _require(0 <= x0 < x1 and 0 <= y0 < y1, f"view {self.name!r}: expected 0 <= min < max, got {self.xyxy}")

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        x0, y0, x1, y1 = self.xyxy
        return y1 - y0, x1 - x0

    def crop(self, image: np.ndarray) -> np.ndarray:
        """The view's part of an image (H, W, …), without a copy."""
        x0, y0, x1, y1 = self.xyxy
        return image[y0:y1, x0:x1]


class Pixels(np.ndarray):
    """A view's pixels, RGB uint8 (H, W, 3), and what models keep of them: ``array.view(Pixels)``.

    What a model made of a view serves the next question about it, and goes with the array. So the pixels must not
    change while it lives.

    Attributes:
        kept: by whom it is kept.
    """

    kept: dict[Any, Any]

    def __array_finalize__(self, _: object) -> None:
        self.kept = {}


@dataclass(frozen=True)
class Mask:
    """A binary mask kept as its region of interest.

    Attributes:
        x, y: the left and top of the region, in pixels of the picture it belongs to.
        bits: bool (h, w), row-major; tight: every border row and column has a set pixel (an empty mask is 0 × 0).
    """

    x: int
    y: int
    bits: np.ndarray

    @classmethod
    def from_dense(cls, mask: np.ndarray) -> Mask:
        """From bool (H, W)."""
        _require(mask.ndim == 2, f"a mask has two axes (H, W), got shape {mask.shape}")
        rows = np.flatnonzero(mask.any(1))
        if not rows.size:
            return cls(0, 0, np.zeros((0, 0), bool))
        y0, y1 = rows[0], rows[-1] + 1
        columns = np.flatnonzero(mask[y0:y1].any(0))
        x0, x1 = columns[0], columns[-1] + 1
        return cls(int(x0), int(y0), np.ascontiguousarray(mask[y0:y1, x0:x1], dtype=bool))

    def dense(self, size_hw: tuple[int, int]) -> np.ndarray:
        """As bool (H, W) of the whole picture."""
        out = np.zeros(size_hw, bool)
        h, w = self.bits.shape
        out[self.y : self.y + h, self.x : self.x + w] = self.bits
        return out

    def shifted(self, dx: int, dy: int) -> Mask:
        """The same mask moved by whole pixels."""
        return Mask(self.x + dx, self.y + dy, self.bits)

    def has(self, x: int, y: int) -> bool:
        """Whether a pixel is set."""
        h, w = self.bits.shape
        return 0 <= x - self.x < w and 0 <= y - self.y < h and bool(self.bits[y - self.y, x - self.x])

    def component(self, point_xy: tuple[float, float]) -> Mask:
        """The connected part that lies under a point, or nearest to it."""
        if not self.area:
            return self
        x, y = (int(np.floor(c)) for c in point_xy)
        if not self.has(x, y):
            rows, columns = np.nonzero(self.bits)
            nearest = np.hypot(columns + self.x + 0.5 - point_xy[0], rows + self.y + 0.5 - point_xy[1]).argmin()
            x, y = self.x + int(columns[nearest]), self.y + int(rows[nearest])
        parts = self.bits.astype(np.uint8)
        left, top, w, h = cv2.floodFill(parts, None, (x - self.x, y - self.y), 2, flags=8)[-1]
        return Mask(self.x + left, self.y + top, parts[top : top + h, left : left + w] == 2)

    @cached_property
    def area(self) -> int:
        """Number of set pixels."""
        return int(np.count_nonzero(self.bits))

    @cached_property
    def packed(self) -> np.ndarray:
        """The bits, eight to a byte: uint8 (h, n). Bytes begin at columns of the picture that are multiples of 8."""
        return np.packbits(np.pad(self.bits, ((0, 0), (self.x % 8, 0))), axis=1)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The tight box; zeros for an empty mask."""
        h, w = self.bits.shape
        return (float(self.x), float(self.y), float(self.x + w), float(self.y + h))


def intersection(a: Mask, b: Mask) -> int:
    """Number of pixels that two masks of the same picture share."""
    (ah, aw), (bh, bw) = a.bits.shape, b.bits.shape
    x0, x1 = max(a.x, b.x), min(a.x + aw, b.x + bw)
    y0, y1 = max(a.y, b.y), min(a.y + ah, b.y + bh)
    if x0 >= x1 or y0 >= y1:
        return 0
    first, last = x0 // 8, -(-x1 // 8)
    one, other = (m.packed[y0 - m.y : y1 - m.y, first - m.x // 8 : last - m.x // 8] for m in (a, b))
    # |a ∩ b| = (|a| + |b| - |a ⊕ b|) / 2, which makes no array
    ones = sum(
        m.area if part.shape == m.packed.shape else cv2.norm(part, cv2.NORM_HAMMING)
        for m, part in ((a, one), (b, other))
    )
    return round(ones - cv2.norm(one, other, cv2.NORM_HAMMING)) // 2


@dataclass(frozen=True)
class ImageLayout:
    """Where the image's tokens stand in a sequence, and which part of the view each one sees.

    Attributes:
        columns: int64 (h, w), position of each grid cell's token in the token sequence, row-major over the view; or,
            with `spread`, (n,), positions of n tokens that each see all of it.
        xyxy: the part of the view that the grid covers, in view pixels (crops and padding undone).
        spread: float32 (n, h, w), how much each of those tokens saw of each cell, each sums to 1; else None.
        crops: the same for parts of the view that the model looked at again, more closely.
    """

    columns: np.ndarray
    xyxy: tuple[float, float, float, float]
    spread: np.ndarray | None = None
    crops: tuple[ImageLayout, ...] = ()

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of a map: those of the grid, or of the finest crop if it went on over the whole grid."""
        h, w = (self.columns if self.spread is None else self.spread[0]).shape
        (x0, y0, x1, y1) = self.xyxy
        for crop in self.crops:
            (rows, columns), (left, top, right, bottom) = crop.columns.shape, crop.xyxy
            h, w = max(h, round(rows * (y1 - y0) / (bottom - top))), max(w, round(columns * (x1 - x0) / (right - left)))
        return h, w

    @property
    def positions(self) -> np.ndarray:
        """int64 (n,), positions of all the image's tokens: those of `columns`, then those of each crop."""
        return np.concatenate([part.columns.reshape(-1) for part in (self, *self.crops)])


@dataclass(frozen=True)
class LayerQK:
    """Queries and keys of one decoder layer over a whole sequence of N tokens, after rotary embedding.

    Attributes:
        query: float tensor (heads, N, d).
        key: float tensor (key heads, N, d); query head h uses key head h // (heads / key heads).
        scaling: factor on Q·Kᵀ.
        softcap: tanh cap on the scaled scores, or None.
        mask: bool tensor (N, N), True where a query (row) sees a key (column); None is causal.
        before: the tokens before these, or None. Questions about one view share that object: it is the image's prefix.
            Then `query` and `key` hold the tokens after it only, and both are causal.
    """

    query: Tensor
    key: Tensor
    scaling: float
    softcap: float | None = None
    mask: Tensor | None = None
    before: LayerQK | None = None

    @property
    def length(self) -> int:
        """N, the number of tokens in the whole sequence."""
        return self.query.shape[1] + (self.before.length if self.before else 0)

    def whole(self) -> LayerQK:
        """The same with `query` and `key` of all N tokens; a copy if there is a prefix."""
        if self.before is None:
            return self
        import torch

        first = self.before.whole()
        query, key = torch.cat([first.query, self.query], 1), torch.cat([first.key, self.key], 1)
        return replace(self, query=query, key=key, before=None)


@dataclass(frozen=True)
class BatchQK:
    """Queries and keys of one decoder layer of B sequences that go on from V prefixes, those of a prefix together.

    Row b goes on from prefix b // (B / V). All is causal, after rotary embedding, and on one device.

    Attributes:
        query: float tensor (B, heads, n, d), of the tokens after the prefix; each row's are a part of n, see `Batch`.
        key: float tensor (B, key heads, n, d).
        before_query: float tensor (V, heads, P, d), of the prefixes.
        before_key: float tensor (V, key heads, P, d).
        scaling: factor on Q·Kᵀ.
        softcap: tanh cap on the scaled scores, or None.
    """

    query: Tensor
    key: Tensor
    before_query: Tensor
    before_key: Tensor
    scaling: float
    softcap: float | None = None

    def of(self, row: int, own: tuple[int, int], before: LayerQK) -> LayerQK:
        """One sequence: `own` is its part of the n, `before` its prefix."""
        part = slice(*own)
        return LayerQK(self.query[row, :, part], self.key[row, :, part], self.scaling, self.softcap, before=before)


@dataclass(frozen=True)
class Batch:
    """Sequences that were written together, all questions about some views whose prefixes are equally long.

    Attributes:
        own: for each row the [start, stop) of its tokens among the n after the prefix; the rest is padding, which
            nothing sees.
        layers: number of decoder layers.
        layer: layer index -> its Q and K; read one at a time.
    """

    own: tuple[tuple[int, int], ...]
    layers: int
    layer: Callable[[int], BatchQK] = field(repr=False)


@dataclass(frozen=True)
class Shown:
    """The picture that a VLM was shown of a view, in whose coordinates it writes boxes.

    Attributes:
        size_wh: width and height in pixels, as the model's processor made it.
        xyxy: the part of the view that it covers, in pixels of the view; beyond it where it was padded.
    """

    size_wh: tuple[int, int]
    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Hidden:
    """Hidden states of an answer's sequence after one decoder layer, attention or not.

    Attributes:
        image: float tensor (M, width), of the image's tokens in the order of `ImageLayout.positions`.
        answer: float tensor (T, width), of the generated tokens.
    """

    image: Tensor
    answer: Tensor


@dataclass(frozen=True)
class Answer:
    """What a VLM said about one view, with the evidence for it.

    Attributes:
        question: as asked.
        text: the generated text, special tokens removed.
        token_spans: for each generated token, its [start, end) characters in `text` (empty span: a special token).
        first_row: position of the first generated token in the sequence; generated token i is row first_row + i.
        length: N, the number of tokens in the sequence (prompt and answer).
        layout: the image tokens.
        layers: number of decoder layers with attention, first to last; others carry what comes as it is. 0: there is
            no attention, as a server gives none.
        layer: index among these -> its Q and K; read one at a time.
        truncated: the answer ended because it reached the token limit.
        probabilities: what the model gave each generated token, in [0, 1]; empty if unknown.
        batch, row: what it was written together with, and its row in that; None if it was written alone.
        looped: the answer was ended because it said the same again and again.
        hidden: the hidden states after the layer that was asked for; None if none was.
        shown: the picture that it is about; None if unknown.
        failed: why there is no answer; the text is empty then.
        novelty: how unlike its training views the model finds the view, 1 at the limit; None: it does not know, as only
            the embedded ones do.
    """

    question: str
    text: str
    token_spans: tuple[tuple[int, int], ...]
    first_row: int
    length: int
    layout: ImageLayout
    layers: int
    layer: Callable[[int], LayerQK] = field(repr=False)
    truncated: bool = False
    probabilities: tuple[float, ...] = ()
    batch: Batch | None = field(default=None, repr=False)
    row: int = 0
    looped: bool = False
    hidden: Hidden | None = field(default=None, repr=False)
    shown: Shown | None = None
    failed: str = ""
    novelty: float | None = None


@dataclass(frozen=True)
class NamedMap:
    """One name from an answer and where the model looked while it wrote it.

    Attributes:
        name: cleaned label.
        heat: float32 (h, w) on the view's token grid, in [0, 1].
        layout: maps the grid to view pixels.
        question: the question whose answer named it.
        certainty: the probability that the model gave to the name's tokens; 1 if unknown.
    """

    name: str
    heat: np.ndarray
    layout: ImageLayout
    question: str = ""
    certainty: float = 1.0


@dataclass(frozen=True)
class Prompts:
    """A batch of B prompts for the segmenter, each in pixels of its own view.

    Attributes:
        points_xy: float32 (B, P, 2).
        labels: int32 (B, P): 1 positive, 0 negative, -1 padding.
        boxes_xyxy: float32 (B, 4), or None.
        low_res: float32 (B, h, w), an earlier low-resolution mask (logits), or None. This and the boxes may be where
            a segmenter left them, in its device's memory.
        kept: what a segmenter made of all but `low_res`; shared by those that differ in nothing else.
    """

    points_xy: np.ndarray
    labels: np.ndarray
    boxes_xyxy: np.ndarray | Tensor | None = None
    low_res: np.ndarray | Tensor | None = None
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        b = len(self.points_xy)
        _require(self.points_xy.shape == (*self.labels.shape, 2), "expected points (B, P, 2) and labels (B, P)")
        for name, rows in (("boxes_xyxy", self.boxes_xyxy), ("low_res", self.low_res)):
            _require(rows is None or len(rows) == b, f"{name}: expected {b} rows")

    def __len__(self) -> int:
        return len(self.points_xy)

    def with_(self, **changes: object) -> Prompts:
        """A copy with some fields replaced."""
        return replace(self, **{"kept": self.kept if changes.keys() <= {"low_res"} else {}, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Segments:
    """The segmenter's masks for B prompts, M candidates each; maybe still in its device's memory.

    Attributes:
        low_res: float32 (B, M, h, w) logits on the segmenter's own grid; above 0 is mask.
        iou: float32 (B, M), the model's own estimate of each mask's IoU.

    Raises:
        SegmenterError: a value is not finite: the model's precision did not hold. On a device nobody looks before
            `on_host`: logits that are not finite make those of the next steps so, too.
    """

    low_res: np.ndarray | Tensor
    iou: np.ndarray | Tensor

    def __post_init__(self) -> None:
        for name, values in (("mask logits", self.low_res), ("IoU estimates", self.iou)):
            if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                raise SegmenterError(f"expected finite {name}, got NaN or infinity; try segmenter.dtype float32")

    def best(self) -> Segments:
        """The candidate with the best estimate alone, M = 1."""
        if self.iou.shape[1] == 1:
            return self
        choice = self.iou.argmax(1)[:, None]
        if isinstance(self.low_res, np.ndarray):
            low_res = np.take_along_axis(self.low_res, choice[..., None, None], 1)
            return Segments(low_res, np.take_along_axis(np.asarray(self.iou), choice, 1))
        where = choice[..., None, None].expand(-1, -1, *self.low_res.shape[2:])
        return Segments(self.low_res.gather(1, where), self.iou.gather(1, choice))  # type: ignore[union-attr]

    def on_host(self) -> Segments:
        """The same as NumPy arrays; one copy, if there is anything to copy."""
        if isinstance(self.low_res, np.ndarray):
            return self
        import torch

        *_, h, w = self.low_res.shape
        both = torch.cat([self.low_res.flatten(2), self.iou[..., None]], 2).cpu().numpy()
        return Segments(both[..., :-1].reshape(*both.shape[:2], h, w), both[..., -1])


@dataclass(frozen=True)
class Grounded:
    """Where N things are that were asked for by name, in pixels of the view.

    Attributes:
        xyxy: float32 (N, 4), inside the view, a pixel wide and high at the least.
        scores: float32 (N,) in [0, 1].
        names: int64 (N,), which of the names each one is.
        masks: N masks, or None if there are boxes only.
        points: bool (N,), those of which only the box's middle is known; None: none.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    names: np.ndarray
    masks: tuple[Mask, ...] | None = None
    points: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        _require(self.xyxy.shape == (n, 4), f"xyxy: expected (N, 4), got {self.xyxy.shape}")
        for name, rows in (
            ("scores", self.scores),
            ("names", self.names),
            ("masks", self.masks),
            ("points", self.points),
        ):
            _require(rows is None or len(rows) == n, f"{name}: expected {n} rows")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def joined(cls, parts: Sequence[Grounded]) -> Grounded:
        """All of several parts, one after the other; those with masks or points have them throughout."""
        rows = [np.zeros(0, np.int64), *(part.names for part in parts)]
        masks = [part.masks for part in parts if part.masks is not None]
        points = any(part.points is not None for part in parts)
        return cls(
            np.concatenate([np.zeros((0, 4), np.float32), *(part.xyxy for part in parts)]),
            np.concatenate([np.zeros(0, np.float32), *(part.scores for part in parts)]),
            np.concatenate(rows),
            tuple(mask for own in masks for mask in own) if masks else None,
            np.concatenate([np.zeros(len(p), bool) if p.points is None else p.points for p in parts])
            if points
            else None,
        )


@dataclass(frozen=True)
class Track:
    """The same object from frame to frame.

    Attributes:
        id: the same as long as the track lasts, and no other's in one run.
        seen, looked: keyframes that saw it, of those that looked where it was.
        unseen_s: seconds since the last keyframe that saw it.
    """

    id: str
    seen: int = 1
    looked: int = 1
    unseen_s: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where an instance stands, as seen from its camera; what isn't known is NaN or None.

    Attributes:
        azimuth, elevation: direction of the mask's middle in rad, to the left of straight ahead and above the
            horizontal plane (of the optical axis, if the mount isn't known).
        distance, distance_min, distance_max: along the road from below the camera to the mask's foot in metres, and its
            95 % interval, which may end at infinity.
        point_xyz: that foot in the camera's optical frame (x right, y down, z forward), metres.
        covariance: of the point, m², nine numbers, row-major.
    """

    azimuth: float = math.nan
    elevation: float = math.nan
    distance: float = math.nan
    distance_min: float = math.nan
    distance_max: float = math.nan
    point_xyz: tuple[float, float, float] | None = None
    covariance: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Witness:
    """What one way from a name to a place says of an instance, whoever found it.

    Attributes:
        way: one of `config.WAYS`.
        score: how sure it is that the named thing is there, in [0, 1]: the attention map's best value under the mask;
            the grounder's score of its box; the probability of the tokens that wrote the box. 0: it found none here.
        iou: how well its place fits the mask, in [0, 1]: agreement of map and mask; IoU of its box and the mask's.
    """

    way: str
    score: float
    iou: float

    @property
    def evidence(self) -> float:
        """How far it bears the instance out, in [0, 1]."""
        return self.score * self.iou


@dataclass(frozen=True)
class Detection:
    """One labelled instance, in pixels of the frame (or of the view, before lifting).

    Attributes:
        label: the name in plain text.
        score: in [0, 1], from the next three and the certainty.
        attention, iou, consistency: the map at the seed, the segmenter's predicted IoU, and the agreement of mask and
            map; in [0, 1]. From a box: its own score, the predicted IoU, and the IoU of the box and the mask's.
        mask: what was outlined.
        view, question: what was looked at and asked.
        reason: why it is not believed (``inconsistent``, ``denied``); empty if it is.
        source: the ways that found it, joined by +, in the order of `config.WAYS`.
        certainty: the probability that the VLM gave to the name's words, in [0, 1]; 1 if unknown.
        track: which object it is from frame to frame; None if it is not tracked.
        place: where it stands; None if nothing is known of the camera.
        witnesses: of each way that was asked about the name where it was seen, and was understood, what it says; in the
            order of `config.WAYS`.
    """

    label: str
    score: float
    attention: float
    iou: float
    consistency: float
    mask: Mask
    view: str = "full"
    question: str = ""
    reason: str = ""
    source: str = "attention"
    certainty: float = 1.0
    track: Track | None = None
    place: Place | None = None
    witnesses: tuple[Witness, ...] = ()

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Tight box of the mask."""
        return self.mask.xyxy


@dataclass(frozen=True)
class Detections:
    """The result for one frame.

    Attributes:
        size_hw: height and width of the frame in pixels.
        items: best score first.
        dropped: what would be among the items if it were believed, each with its `reason`.
        skipped: what the latency budget left out: a view's name, or ``view: question``.
        problems: what the VLM did not answer, or not to the end, or named without a place; ``view: question: reason``.
        vlm, segmenter, grounder: model names; ``demonstration`` is set when one of them is an embedded model.
        heat: float32 (h, w) in [0, 1], all names' maps fused over the frame (coarse), or None.
        answers: (view, question, text) of everything the VLM said.
        timings_s: seconds per stage.
        novelty: how unlike its training views an embedded VLM finds the whole frame, 1 at the limit; None: not known.
    """

    size_hw: tuple[int, int]
    items: tuple[Detection, ...] = ()
    skipped: tuple[str, ...] = ()
    vlm: str = ""
    segmenter: str = ""
    demonstration: bool = False
    heat: np.ndarray | None = field(default=None, repr=False)
    answers: tuple[tuple[str, str, str], ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)
    dropped: tuple[Detection, ...] = ()
    grounder: str = ""
    problems: tuple[str, ...] = ()
    novelty: float | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def unfamiliar(self) -> str:
        """That the frame is unlike all training views, for people; empty if it is not, or nobody knows."""
        if self.novelty is None or self.novelty <= 1:
            return ""
        return f"unlike anything the embedded models were trained on (novelty {self.novelty:.1f}, limit 1)"

    @property
    def labels(self) -> list[str]:
        """One label per instance."""
        return [d.label for d in self.items]

    @property
    def scores(self) -> np.ndarray:
        """float32 (N,)."""
        return np.array([d.score for d in self.items], np.float32)

    @property
    def boxes_xyxy(self) -> np.ndarray:
        """float32 (N, 4)."""
        return np.array([d.xyxy for d in self.items], np.float32).reshape(-1, 4)

    def masks(self) -> np.ndarray:
        """All masks, bool (N, H, W)."""
        if not self.items:
            return np.zeros((0, *self.size_hw), bool)
        return np.stack([d.mask.dense(self.size_hw) for d in self.items])


def check_image(image: np.ndarray) -> np.ndarray:
    """The image itself if it is RGB uint8 (H, W, 3) with H, W >= 1; else `BadImageError`."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise BadImageError(f"expected an RGB uint8 array (H, W, 3), got {got}")
    if 0 in image.shape:
        raise BadImageError(f"expected an image with pixels, got shape {image.shape}")
    return image


def letterbox_hw(size_hw: tuple[int, int], target_hw: tuple[int, int]) -> tuple[int, int]:
    """Largest (h, w) of the same aspect as `size_hw` that fits into `target_hw`, at least 1 px each."""
    scale = min(target_hw[0] / size_hw[0], target_hw[1] / size_hw[1])
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))
