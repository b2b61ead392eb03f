"""A VLM on a server that speaks OpenAI's protocol; a local copy of it may read what the server wrote."""

from __future__ import annotations

import asyncio
import base64
import re
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt
from pathlib import PurePath
from typing import Any, NoReturn, Protocol

import cv2
import numpy as np

from ...config import VlmOptions
from ...data import Answer, ImageLayout, Pixels, Shown, check_image
from ...errors import VlmError
from ..interfaces import Vlm
from .address import embedded_of
from .forms import form_of_name
from .server_client import Client
from .server_reply import Reply, read
from .text import MARKS, THOUGHT_ENDS

PATCH_PX, MOST_PX = 28, 1280 * 28 * 28
"""Of Qwen2.5-VL, whose boxes are in pixels of what its processor makes of a picture: sides are multiples of the first,
and the second is the least number of pixels that engines shrink a picture to."""

MARKED = ("qwen2", "internvl", "paligemma", "glm", "kosmos", "deepseek", "florence")
"""Forms whose marks are special tokens, which a server leaves out of its text unless it is told not to."""

_CONTROL = re.compile(r"<[^<>\s]{1,64}>")
"""What may steer a chat; a question must not hold it."""


class Reader(Protocol):
    """A local copy of the model."""

    demonstration: bool
    boxes: str

    def read(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        texts: Sequence[Sequence[str]],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """The answers that texts are, one list of them for each view, with their attention."""
        ...


class ServedVlm(Vlm):
    """Answers that a server writes, as many at once as it may be asked for, with its certainty where it tells.

    They have attention if there is a local copy that reads them. An answer that the server did not give says why.

    One call at a time.
    """

    def __init__(self, client: Client, model: str, options: VlmOptions, replay: Reader | None = None) -> None:
        """Takes the client over, and closes it in the end; `model` is the name there."""
        here, path = embedded_of(model), PurePath(model)
        served = path.name if path.is_absolute() else model
        self.name = here.replace("embedded", "embedded-vlm") or served
        self.demonstration = bool(here) or bool(replay and replay.demonstration)
        self.attends = replay is not None
        own = form_of_name(model) or (replay.boxes if replay else "")
        self.boxes = own if options.boxes == "auto" else options.boxes
        self._client, self._options, self._replay = client, options, replay
        weakref.finalize(self, client.close)

    def answer_views(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """Answer each question about each RGB uint8 view (H, W, 3), in order; see `interfaces.Vlm`.

        Hidden states are the local copy's.

        Raises:
            BadImageError: a view is no RGB uint8 image.
            VlmError: the local copy failed. What the server fails in is in `Answer.failed`.
        """
        for view in views:
            check_image(view)
        if not questions or not views:
            return [[] for _ in views]
        pictures = [self._picture(view) for view in views]
        asked = self._client.start(self._all(pictures, questions))
        try:
            if meanwhile:
                meanwhile()
            replies = asked.result()
        except BaseException:
            asked.cancel()
            raise
        if self._replay:
            texts = [[THOUGHT_ENDS * reply.thought + reply.text for reply in own] for own in replies]
            answers = self._replay.read(views, questions, texts, None, hidden)
        else:
            answers = [[_unattended(view, question) for question in questions] for view in views]
        return [
            [_told(answer, reply, _shown(view, picture)) for answer, reply in zip(own, said, strict=True)]
            for view, picture, own, said in zip(views, pictures, answers, replies, strict=True)
        ]

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """Free text about an RGB uint8 view (H, W, 3), and whether the limit cut it off; see `interfaces.Vlm`."""
        check_image(view)
        reply = self._client.start(self._reply(self._picture(view)[0], request, max_new_tokens)).result()
        if reply.failed:
            raise VlmError(f"{self.name}: {reply.failed}")
        return reply.text, reply.truncated

    async def _all(self, pictures: Sequence[tuple[str, Any]], questions: Sequence[str]) -> list[list[Reply]]:
        most = self._options.max_new_tokens
        views = ((self._reply(url, question, most) for question in questions) for url, _ in pictures)
        return await asyncio.gather(*(asyncio.gather(*own) for own in views))

    async def _reply(self, url: str, question: str, most_tokens: int) -> Reply:
        """One answer; the picture comes first, so that the server need not look at it again for the next question."""
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": _CONTROL.sub(lambda m: m[0] if MARKS.fullmatch(m[0]) else " ", question)},
        ]
        settings = {"max_tokens": most_tokens, "temperature": self._options.temperature, "logprobs": True}
        settings |= {"skip_special_tokens": False} if self.boxes in MARKED else {}
        try:
            return read(await self._client.write(content, settings), most_tokens, self._options.max_repeats)
        except VlmError as error:
            return Reply(failed=str(error))

    def _picture(self, view: np.ndarray) -> tuple[str, tuple[int, int]]:
        """What the server is shown of a view, as a URL that holds it, and its width and height."""
        kept = view.kept if isinstance(view, Pixels) else {}
        if self not in kept:
            size_wh = size_sent((view.shape[1], view.shape[0]), self._options.server_image_px, self.boxes)
            kept[self] = data_url(view, size_wh, self._options.server_image_quality), size_wh
        return kept[self]


def size_sent(size_wh: tuple[int, int], longest: int, boxes: str) -> tuple[int, int]:
    """Width and height in which a view is sent: no larger than it is, and such that boxes are of what was sent."""
    scale = min(1.0, longest / max(size_wh))
    if boxes == "qwen2.5":
        scale = min(scale, sqrt(MOST_PX / (size_wh[0] * size_wh[1])))
        width, height = (max(2, int(side * scale / PATCH_PX)) * PATCH_PX for side in size_wh)
    else:
        width, height = (max(1, round(side * scale)) for side in size_wh)
    return width, height


def data_url(view: np.ndarray, size_wh: tuple[int, int], quality: int) -> str:
    """An RGB uint8 view (H, W, 3) of that size, as JPEG, or as PNG for quality 0."""
    if size_wh != (view.shape[1], view.shape[0]):
        smaller = size_wh[0] * size_wh[1] < view.shape[0] * view.shape[1]
        view = cv2.resize(view, size_wh, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    kind, settings = ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality]) if quality else ("png", [])
    _, data = cv2.imencode(f".{kind}", np.ascontiguousarray(view[..., ::-1]), settings)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _shown(view: np.ndarray, picture: tuple[str, tuple[int, int]]) -> Shown:
    return Shown(picture[1], (0.0, 0.0, float(view.shape[1]), float(view.shape[0])))


def _unattended(view: np.ndarray, question: str) -> Answer:
    """An answer of nothing yet."""
    layout = ImageLayout(np.zeros((0, 0), np.int64), (0.0, 0.0, float(view.shape[1]), float(view.shape[0])))
    return Answer(question, "", (), 0, 0, layout, 0, _no_layer)


def _no_layer(_: int) -> NoReturn:
    raise VlmError("a server gives no attention; set vlm.replay to a local copy of its model")


def _told(answer: Answer, reply: Reply, shown: Shown) -> Answer:
    """The answer with what the server said, and how sure it was of the local copy's tokens, if it wrote the same."""
    changes: dict[str, Any] = {}
    if not answer.layers:
        spans = reply.token_spans
        changes = {"text": reply.text, "token_spans": spans, "length": len(spans), "probabilities": reply.probabilities}
    elif reply.probabilities:
        sure = dict(zip(reply.token_spans, reply.probabilities, strict=True))
        if all(span in sure for span in answer.token_spans if span[0] < span[1]):
            changes = {"probabilities": tuple(sure.get(span, 1.0) for span in answer.token_spans)}
    return replace(
        answer,
        truncated=answer.truncated or reply.truncated,
        looped=answer.looped or reply.looped,
        failed=reply.failed,
        shown=shown,
        **changes,
    )
