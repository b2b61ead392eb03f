"""Several questions about one view as token sequences that share all they can: [image and what precedes][question]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from PIL import Image
from torch import Tensor

from ...data import ImageLayout, Shown
from ...errors import VlmError
from .layouts import Family, placed, processed_part, squared
from .text import THOUGHT_ENDS, control_tokens, without

TOKEN_TYPES = ("mm_token_type_ids", "token_type_ids")
"""Processor outputs that mark each token as text or image, or as prompt or answer."""

NOT_FOR_THE_MODEL = ("input_ids", "attention_mask", "labels", *TOKEN_TYPES)
"""Processor outputs that are no inputs that belong to the image."""

GRIDS = ("image_grid_thw", "spatial_shapes", "target_sizes")
"""Processor outputs that tell a picture's rows and columns of patches."""

THOUGHTS = ("<think>", "<thought>", "<reasoning>", "◁think▷", "[THINK]")
"""What a chat template may end with, so that all is thought that the model writes before the end of it."""

LEAST_PX = 28
"""A picture is shown no smaller than this on its shorter side."""


GROWTH = 4
"""How often a larger size is tried for a picture that has too few tokens."""

SAME_ASPECT = 0.03
"""Pictures whose aspects differ by less are shown at one size, if all are to have as many tokens."""


@dataclass(frozen=True)
class ViewPrompt:
    """The prompts of B questions about one view.

    Attributes:
        prefix: int64 (P,), the tokens that the prompts share, with the image's.
        tails: for each question, int64 (n,), the tokens after the prefix; n >= 1.
        image: what the model needs of the image, besides tokens (pixel values, grid sizes).
        types: int64 (P,) of the prefix, by the model's name for it, if the family has token types; a tail's are 0.
        answer_type: token type of an answer's tokens.
        opening: the mark that the template has begun a thought with; empty if it has not.
        layout: the image tokens, as positions in the prefix.
        shown: the picture that the processor made of the view.
    """

    prefix: Tensor
    tails: tuple[Tensor, ...]
    image: Mapping[str, Tensor]
    types: Mapping[str, Tensor]
    layout: ImageLayout
    answer_type: int = 0
    opening: str = ""
    shown: Shown | None = None

    def inputs(self, ids: Tensor, answer: int = 0) -> dict[str, Tensor]:
        """The model's inputs for a whole sequence (N,) that begins with the prefix, as a batch of one.

        Args:
            answer: how many of the tokens at the end are the model's own.
        """
        inputs = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None], **self.image}
        for name, types in self.types.items():
            whole = torch.nn.functional.pad(types, (0, len(ids) - len(types)))
            whole[len(ids) - answer :] = self.answer_type
            inputs[name] = whole[None]
        return inputs

    def alike(self, other: ViewPrompt) -> bool:
        """Whether the two can be one batch: the same tokens, and pictures processed to the same size."""
        same = self.prefix.shape == other.prefix.shape and torch.equal(self.prefix, other.prefix)
        shapes = ({k: v.shape for k, v in prompt.image.items()} for prompt in (self, other))
        return same and next(shapes) == next(shapes)


def opening(prompt: str) -> str:
    """The mark that a prompt has begun a thought with; empty if it has not."""
    return next((mark for mark in THOUGHTS if prompt.rstrip().endswith(mark)), "")


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A host's tensor on a device; the host does not wait for what the device does before."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def joined(prompts: Sequence[ViewPrompt]) -> dict[str, Tensor]:
    """The model's inputs for the prefixes of prompts that are alike, as one batch."""
    parts = [p.inputs(p.prefix) for p in prompts]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


class Prompter:
    """Builds prompts with a processor's chat template: the image, then the question."""

    def __init__(
        self,
        processor: Any,
        family: Family,
        image_token: int,
        device: torch.device,
        dtype: torch.dtype,
        image_tokens: int = 0,
        view_tokens: int = 0,
    ) -> None:
        """`image_token` is the id of the image's tokens; see `VlmOptions` for the other two."""
        self._most, self._each = view_tokens or image_tokens, view_tokens
        self._shown_wh: dict[tuple[int, int], tuple[int, int]] = {}
        self._alike_wh: dict[tuple[int, int], tuple[int, int]] = {}
        self._processor, self.family, self._image_token = processor, family, image_token
        own = getattr(processor, "image_token_id", None)
        self._placeholder = image_token if own is None else own  # what the template writes for the image
        self._device, self._dtype = device, dtype
        self._control = control_tokens(processor.tokenizer)

    def __call__(self, view: np.ndarray, questions: Sequence[str]) -> ViewPrompt:
        """Prompts for an RGB uint8 view (H, W, 3). The image is processed once.

        Raises:
            VlmError: the processor's output isn't what its family promises.
        """
        texts = [self._rendered(question) for question in questions]
        special = not texts[0].startswith(self._processor.tokenizer.bos_token or "\0")
        crops, whole_view = self.family.crops, (view, (0, 0))
        padded, corner_xy = squared(self._processor.image_processor, view) if crops else whole_view
        picture, first = self._shown(Image.fromarray(padded), texts[0], special)
        others = (self._processed(picture, text, special) for text in texts[1 : self._wholes(texts)])
        whole, columns = first["input_ids"][0], self._columns(first)
        layout = self.family.layout(self._processor, first, columns, (picture.height, picture.width))
        scale_xy = padded.shape[1] / picture.width, padded.shape[0] / picture.height
        if self.family.reuse == "batch":
            tails = self._parted(texts)
            prefix = whole[: len(whole) - len(tails[0])]
            if not torch.equal(whole[len(prefix) :], tails[0]):
                raise VlmError("the processor's tokens don't end with those of the question")
        else:
            marked = (first[k][0].nonzero().flatten().tolist() for k in TOKEN_TYPES if k in first)
            prefix = whole[: max(columns[-1], *(at for places in marked for at in places), -1) + 1]
            ids = [whole, *(other["input_ids"][0] for other in others)]
            if any(not torch.equal(i[: len(prefix)], prefix) for i in ids):
                raise VlmError("the chat template puts the question before the image, so questions can't share it")
            tails = tuple(i[len(prefix) :] for i in ids)
        if not all(len(tail) for tail in tails):
            raise VlmError("expected tokens after the image, found none")
        return ViewPrompt(
            prefix.to(self._device),
            tuple(tail.to(self._device) for tail in tails),
            {k: self._moved(v) for k, v in first.items() if k not in NOT_FOR_THE_MODEL},
            {k: first[k][0, : len(prefix)].to(self._device) for k in TOKEN_TYPES if k in first},
            placed(layout, scale_xy, corner_xy, view.shape[:2]),
            self.family.answer_type,
            opening(texts[0]),
            shown(self._processor, first, crops, picture.size, scale_xy, corner_xy),
        )

    def on_host(self) -> Prompter:
        """The same, whose tensors stay on the host."""
        other = copy(self)
        other._device = torch.device("cpu")
        return other

    def tails(self, questions: Sequence[str]) -> Sequence[Tensor]:
        """The tokens after the prefix, for questions about a view whose prefix is there; int64 (n,) each, on the host.

        Raises:
            VlmError: the template puts the question before the image.
        """
        return self._parted([self._rendered(question) for question in questions])

    def reply(self, question: str, text: str) -> Tensor:
        """The tokens of a finished answer as they follow its question in the chat: int64 (n,), on the host.

        Control tokens are taken out of it. A blank that the chat's template puts before answers comes before it. Where
        the template has begun a thought and `THOUGHT_ENDS` comes first, the mark of the same kind ends it.
        """
        prompt = self._rendered(question)
        begun = opening(prompt)
        ends = f"{begun[0]}/{begun[1:]}" if begun and text.startswith(THOUGHT_ENDS) else ""
        text = ends + without(text.removeprefix(begun).removeprefix(THOUGHT_ENDS), self._control)
        text = text if not text or text[0].isspace() else self._gap + text
        own, whole = (
            self._processor.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (prompt, prompt + text)
        )
        if whole[: len(own)] != own:  # the prompt's end and the answer's beginning would be one token
            return torch.tensor(self._processor.tokenizer(text, add_special_tokens=False)["input_ids"])
        return torch.tensor(whole[len(own) :], dtype=torch.long)

    @cached_property
    def _gap(self) -> str:
        """The blanks that the chat's template puts between the mark of the model's turn and its answer."""
        if self._processor.chat_template is None:
            return ""
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}]
        chat.append({"role": "assistant", "content": [{"type": "text", "text": "!"}]})
        try:
            whole = self._processor.apply_chat_template(chat)
        except (TemplateError, TypeError):  # one that takes answers of another form
            return ""
        gap, answer, _ = whole.removeprefix(self._rendered("?")).partition("!")
        return gap if answer and not gap.strip() else ""

    def spare(self, layout: ImageLayout) -> int:
        """How many more image tokens another view may have than one with this layout, if all are to have as many."""
        return max(0, self._each - len(layout.positions))

    def _parted(self, texts: Sequence[str]) -> Sequence[Tensor]:
        """The tokens after the image, if those before it are the same for all prompts."""
        special = not texts[0].startswith(self._processor.tokenizer.bos_token or "\0")
        heads, tails = zip(*(self._around_image(text, special) for text in texts), strict=True)
        if any(not torch.equal(head, heads[0]) for head in heads):
            raise VlmError("the chat template puts the question before the image, so questions can't share it")
        return tails

    def _shown(self, picture: Image.Image, text: str, special: bool) -> tuple[Image.Image, Any]:
        """The picture at the size that has the tokens it should have, and the processor's output for it.

        Processors bound pictures themselves, so that only a much smaller one may have fewer tokens. Where not even the
        smallest has, the family's number is fixed, and the picture stays as it is.
        """
        whole = picture.size
        if size := self._known(whole):
            shown = picture if size == whole else picture.resize(size)
            return shown, self._processed(shown, text, special)

        def at(scale: float) -> tuple[int, Image.Image, Any]:
            size = [max(1, round(side * scale)) for side in whole]
            shown = picture if scale == 1 else picture.resize(size)
            inputs = self._processed(shown, text, special)
            return len(self._columns(inputs)), shown, inputs

        first = last = at(1)
        scale, least, before = 1.0, LEAST_PX / min(whole), first[0] + 1
        while self._most and last[0] > self._most and scale > least:
            scale = max(least, scale * (0.98 * sqrt(self._most / last[0]) if last[0] < before else 0.7))
            before, last = last[0], at(scale)
        best, scale = (last if last[0] < first[0] else first), 1.0
        for _ in range(GROWTH if best[0] < self._each and best is first else 0):
            scale *= sqrt(self._each / last[0])
            last = at(scale)
            if last[0] == first[0]:
                break
            best = max((b for b in (best, last) if b[0] <= self._each), key=lambda b: b[0])
        self._shown_wh[whole] = best[1].size  # views of this size need not be tried again
        if last is first or last[0] != first[0]:  # the size decides
            self._alike_wh[whole] = best[1].size
        return best[1:]

    def _known(self, size_wh: tuple[int, int]) -> tuple[int, int] | None:
        """The size at which a picture of this size is shown; with `vlm.view_tokens`, or of nearly its aspect."""
        if size_wh in self._shown_wh or not self._each:
            return self._shown_wh.get(size_wh)
        aspect = size_wh[0] / size_wh[1]
        return next((shown for (w, h), shown in self._alike_wh.items() if abs(w / h / aspect - 1) < SAME_ASPECT), None)

    def _columns(self, inputs: Any) -> np.ndarray:
        """Where the image's tokens are in the processor's output for one prompt: int64 (n,), n >= 1."""
        columns = (inputs["input_ids"][0] == self._image_token).nonzero()[:, 0].numpy()
        if not len(columns):
            raise VlmError(f"the processor's tokens hold no image token (id {self._image_token})")
        return columns

    def _wholes(self, texts: Sequence[str]) -> int:
        """How many of the prompts the processor has to make; where it need not, their ends are tokenised alone."""
        return 1 if self.family.reuse == "batch" else len(texts)

    def _processed(self, picture: Image.Image, text: str, special: bool) -> Any:
        options = {"images_kwargs": dict(self.family.image_options)}
        return self._processor(
            images=[picture], text=[text], return_tensors="pt", add_special_tokens=special, **options
        )

    def _rendered(self, question: str) -> str:
        """The chat's text; control tokens are taken out of the question, so that it can't end its own turn."""
        for token in self._control:
            question = question.replace(token, " ")
        if self.family.template and self._processor.chat_template is None:
            return self.family.template.format(question=question)
        content = [{"type": "image"}, {"type": "text", "text": question}]
        return self._processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def _around_image(self, text: str, special: bool) -> tuple[Tensor, Tensor]:
        """Tokens before and after the image's placeholder; tokenised whole, as cut parts may give other tokens."""
        ids = torch.tensor(self._processor.tokenizer(text, add_special_tokens=special)["input_ids"])
        found = (ids == self._placeholder).nonzero()[:, 0].tolist()
        if len(found) != 1:
            raise VlmError(f"expected one image token in the prompt, found {len(found)} in {text!r}")
        return ids[: found[0]], ids[found[0] + 1 :]

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, self._dtype if tensor.is_floating_point() else None)


def shown(
    processor: Any,
    inputs: Mapping[str, Any],
    crops: bool,
    size_wh: tuple[int, int],
    scale_xy: tuple[float, float],
    corner_xy: tuple[int, int],
) -> Shown:
    """What a processor made of a picture, which may be larger than the view. Of a picture and its crops: the picture.

    Args:
        inputs: its output.
        crops: it cuts the middle out.
        size_wh: of the picture that it was given.
        scale_xy, corner_xy: see `layouts.placed`.
    """
    whole, images = (0.0, 0.0, *map(float, size_wh)), processor.image_processor
    patch: Any = getattr(images, "encoder_patch_size", None) or getattr(images, "patch_size", 1)
    grid = next((inputs[key][0][-2:] for key in GRIDS if key in inputs), None)
    if grid is not None:
        h, w = (int(side) * patch for side in grid)
    elif "image_position_ids" in inputs:
        w, h = ((inputs["image_position_ids"][0].amax(0) + 1) * patch).tolist()
    elif (pixels := inputs["pixel_values"]).ndim > 3:
        h, w = pixels.shape[-2:]
        whole = processed_part(images, size_wh[::-1]) if crops else whole
    else:
        w, h = size_wh
    x0, y0, x1, y1 = (np.array(whole) * np.tile(scale_xy, 2) - np.tile(corner_xy, 2)).tolist()
    return Shown((w, h), (x0, y0, x1, y1))
