"""Models of twenty lines that know a picture by its colours: no weights, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch

from vlsam_ros.backends.interfaces import Grounder
from vlsam_ros.config import GrounderOptions
from vlsam_ros.data import Answer, Grounded, Hidden, ImageLayout, LayerQK, Mask, Prompts, Segments, Shown

COLOURS = {"red box": (255, 0, 0), "blue ball": (0, 0, 255), "green cone": (0, 255, 0)}
GREY = (128, 128, 128)


def picture(size_hw: tuple[int, int], boxes: dict[str, list[tuple[int, int, int, int]]]) -> np.ndarray:
    """Grey uint8 (H, W, 3) with a filled rectangle (x_min, y_min, x_max, y_max) for each name of `COLOURS`."""
    image = np.full((*size_hw, 3), GREY, np.uint8)
    for name, rectangles in boxes.items():
        for x0, y0, x1, y1 in rectangles:
            image[y0:y1, x0:x1] = COLOURS[name]
    return image


def words(text: str) -> tuple[tuple[int, int], ...]:
    """One token for each word, with the space before it."""
    ends = [i for i, c in enumerate(text) if c == " "] + [len(text)]
    return tuple(zip([0, *ends[:-1]], ends, strict=True)) if text else ()


class FakeVlm:
    """Names the colours it sees; the name's tokens attend to the cells of that colour. Knows what there is not."""

    name, demonstration, attends, boxes = "fake-vlm", False, True, ""

    def __init__(self, grid: int = 16, layers: int = 3, text: str | None = None) -> None:
        self.grid, self.layers, self.text, self.calls = grid, layers, text, 0

    def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        self.calls += 1
        seen = self._seen(view)
        return [self._say(question, view.shape[:2], seen) for question in questions]

    def _seen(self, view: np.ndarray) -> dict[str, np.ndarray]:
        """The cells of each colour."""
        seen = {n: np.all(view == rgb, -1).astype(np.float32) for n, rgb in COLOURS.items()}
        size = (self.grid, self.grid)
        return {n: cv2.resize(m, size, interpolation=cv2.INTER_AREA) for n, m in seen.items() if m.any()}

    def answer_views(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        if meanwhile:
            meanwhile()
        answered = [self.answer(view, questions) for view in views]
        return answered if hidden is None else [[replace(a, hidden=self._hidden(a)) for a in own] for own in answered]

    def _hidden(self, answer: Answer) -> Hidden:
        """The name's tokens are like the cells of that colour."""
        layer = answer.layer(0)
        return Hidden(layer.key[0, answer.layout.positions], layer.query[0, answer.first_row :])

    def warm_up(self, views: Sequence[np.ndarray], questions: Sequence[str]) -> None:
        pass

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        return self.answer(view, [request])[0].text, False

    def _say(
        self, question: str, size_hw: tuple[int, int], seen: dict[str, np.ndarray], text: str | None = None
    ) -> Answer:
        text = text or self.text
        text = (", ".join(seen) or "Nothing.") if text is None else text
        if question.startswith("Is there"):
            text = "Yes." if any(name in question for name in seen) else "No."
        spans, cells, first = words(text), self.grid**2, self.grid**2 + 2
        n = first + len(spans)
        query, key = torch.zeros(2, n, 4), torch.zeros(1, n, 4)
        for i, (name, cover) in enumerate(seen.items()):
            key[0, 1 : 1 + cells, i] = torch.from_numpy(cover.reshape(-1))
            start = text.find(name)
            for t, (s, e) in enumerate(spans):
                if start >= 0 and s < start + len(name) and e > start:
                    query[:, first + t, i] = 8
        whole = (0, 0, size_hw[1], size_hw[0])
        layout, shown = ImageLayout(np.arange(1, 1 + cells).reshape(self.grid, -1), whole), Shown(whole[2:], whole)
        layer = LayerQK(query, key, 1.0)
        return Answer(question, text, spans, first, n, layout, self.layers, lambda _: layer, shown=shown)


class WritingVlm(FakeVlm):
    """Writes the boxes of the colours it sees, too, as PaliGemma does: of one that is asked for, or of all."""

    boxes = "paligemma"

    def __init__(self, sure: float = 0.8, attends: bool = True, **boxes: str) -> None:
        """`boxes`: for some names, with _ for each space, another text than the truth."""
        super().__init__()
        self.sure, self.attends, self.said = (
            sure,
            attends,
            {name.replace("_", " "): text for name, text in boxes.items()},
        )
        self.asked: list[str] = []

    def answer(self, view: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        self.asked += questions
        out = []
        for question, plain in zip(questions, super().answer(view, questions), strict=True):
            of = question.removeprefix("detect ")
            wanted = list(COLOURS) if of == "every object" else [of]
            if of != question:
                text = " ; ".join(filter(None, (self._written(view, name) for name in wanted))) or "none"
                plain = self._say(question, view.shape[:2], self._seen(view), text)
            out.append(replace(plain, probabilities=(self.sure,) * len(plain.token_spans)))
        return [a if self.attends else replace(a, layers=0) for a in out]

    def _written(self, view: np.ndarray, name: str) -> str:
        if name in self.said:
            return self.said[name]
        count, parts = cv2.connectedComponents(np.all(view == COLOURS.get(name, (1, 2, 3)), -1).astype(np.uint8))
        scale = 1024 / np.array(view.shape[:2] * 2)
        corners = [np.argwhere(parts == k) for k in range(1, count)]
        places = [np.round(np.concatenate([c.min(0), c.max(0) + 1]) * scale).astype(int).clip(0, 1023) for c in corners]
        return " ; ".join("".join(f"<loc{v:04}>" for v in place) + f" {name}" for place in places)


@dataclass
class FakeEmbedding:
    pixels: np.ndarray

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.pixels.shape[:2]

    def mask(self, logits: np.ndarray, point_xy: tuple[float, float] | None = None) -> Mask:
        whole = Mask.from_dense(self.upscale(logits))
        return whole if point_xy is None else whole.component(point_xy)

    def upscale(self, low_res: np.ndarray) -> np.ndarray:
        h, w = self.size_hw
        return low_res[..., :h, :w] > 0


class FakeSegmenter:
    """Outlines everything that has the colour of the first point, or of the box's middle if there is none.

    Of several candidates the second is the right one.
    """

    name, demonstration = "fake-segmenter", True

    def __init__(self, candidates: int = 3) -> None:
        self.candidates, self.embedded, self.log = candidates, 0, []

    def prepare(self, views: Sequence[np.ndarray]) -> None:
        pass

    def embed(self, view: np.ndarray) -> FakeEmbedding:
        kept = getattr(view, "kept", {})
        if self not in kept:
            self.embedded += 1
            kept[self] = FakeEmbedding(view)
        return kept[self]

    def embed_views(self, views: Sequence[np.ndarray]) -> list[FakeEmbedding]:
        return [self.embed(view) for view in views]

    def boxes(self, embeddings: Sequence[FakeEmbedding], low_res: np.ndarray) -> np.ndarray:
        return np.array([e.mask(logits).xyxy for e, logits in zip(embeddings, low_res, strict=True)], np.float32)

    def segment(
        self, embedding: FakeEmbedding | Sequence[FakeEmbedding], prompts: Prompts, multimask: bool
    ) -> Segments:
        """Masks here are as large as the largest view."""
        self.log.append((prompts, multimask))
        own = [embedding] * len(prompts) if isinstance(embedding, FakeEmbedding) else embedding
        points = (
            prompts.points_xy if prompts.labels.size else prompts.boxes_xyxy.reshape(-1, 2, 2).mean(1, keepdims=True)
        )
        low = np.full((len(own), *np.max([e.size_hw for e in own], axis=0)), -1, np.float32)
        for logits, e, (x, y) in zip(low, own, points[:, 0], strict=True):
            logits[: e.size_hw[0], : e.size_hw[1]] = self._flood(e.pixels, x, y)
        if not multimask or self.candidates == 1:
            return Segments(low[:, None], np.full((len(low), 1), 0.9, np.float32))
        junk = np.ones_like(low)
        return Segments(np.stack([junk, low, -junk], 1), np.tile(np.float32([0.2, 0.95, 0.1]), (len(low), 1)))

    @staticmethod
    def _flood(pixels: np.ndarray, x: float, y: float) -> np.ndarray:
        colour = pixels[min(int(y), pixels.shape[0] - 1), min(int(x), pixels.shape[1] - 1)]
        return np.where(np.all(pixels == colour, -1) & (colour != GREY).any(), 1, -1).astype(np.float32)


class FakeGrounder(Grounder):
    """A box, and if asked for a mask, around everything that has the colour of a name; it knows nothing else."""

    name = "fake-grounder"

    def __init__(self, score: float = 0.7, masks: bool = False) -> None:
        self.score, self.outlines, self.asked = score, masks, []

    def configure(self, options: GrounderOptions) -> None:
        self.options = options

    def locate(self, view: np.ndarray, names: Sequence[str]) -> Grounded:
        self.asked.append(list(names))
        found = []
        for i, name in enumerate(names):
            seen = np.all(view == COLOURS.get(name, (1, 2, 3)), -1).astype(np.uint8)
            count, parts = cv2.connectedComponents(seen)
            found += [(i, Mask.from_dense(parts == k)) for k in range(1, count)]
        masks = tuple(mask for _, mask in found)
        return Grounded(
            xyxy=np.array([m.xyxy for m in masks], np.float32).reshape(-1, 4),
            scores=np.full(len(found), self.score, np.float32),
            names=np.array([i for i, _ in found], np.int64),
            masks=masks if self.outlines else None,
        )


class BoxSegmenter(FakeSegmenter):
    """Outlines the box of a prompt without points, and of one with a point in it too, but thinks less of that."""

    def segment(self, embedding: Any, prompts: Prompts, multimask: bool) -> Segments:
        if (prompts.labels >= 0).all():
            return super().segment(embedding, prompts, multimask)
        assert prompts.boxes_xyxy is not None
        alone = (prompts.labels < 0).all(1)
        low = np.full((len(prompts), 1, *embedding.size_hw), -1, np.float32)  # of the one view of all prompts
        for m, (x0, y0, x1, y1), ok in zip(low, prompts.boxes_xyxy.round().astype(int), alone, strict=True):
            m[0, y0 if ok else y1 - 1 : y1, x0:x1] = 1
        return Segments(low, np.where(alone, 0.9, 0.3).astype(np.float32)[:, None])
