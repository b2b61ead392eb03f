"""Several questions about one view as token sequences that share all they can: [image and what precedes][question]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...data import ImageLayout
from ...errors import VlmError
from .layouts import Family

TOKEN_TYPES = "mm_token_type_ids"
"""Processor output that marks each token as text or image, for families with positions in two dimensions."""


@dataclass(frozen=True)
class ViewPrompt:
    """The prompts of B questions about one view.

    Attributes:
        prefix: int64 (P,), the tokens that the prompts share, with the image's.
        tails: for each question, int64 (n,), the tokens after the prefix; n >= 1.
        image: what the model needs of the image, besides tokens (pixel values, grid sizes).
        token_types: int64 (P,) of the prefix, or None if the family has none; a tail is all text (0).
        layout: the image tokens, as positions in the prefix.
    """

    prefix: Tensor
    tails: tuple[Tensor, ...]
    image: Mapping[str, Tensor]
    token_types: Tensor | None
    layout: ImageLayout

    def batch(self, pad: int) -> tuple[Tensor, Tensor]:
        """[prefix][pads][tail] of every question: ids and attention mask (0 on pads), int64 (B, P + longest tail)."""
        longest = max(len(t) for t in self.tails)
        ids = self.prefix.new_full((len(self.tails), len(self.prefix) + longest), pad)
        ids[:, : len(self.prefix)] = self.prefix
        mask = torch.ones_like(ids)
        for row, tail in enumerate(self.tails):
            ids[row, ids.shape[1] - len(tail) :] = tail
            mask[row, len(self.prefix) : ids.shape[1] - len(tail)] = 0
        return ids, mask

    def inputs(self, ids: Tensor) -> dict[str, Tensor]:
        """The model's inputs for a whole sequence (N,) that begins with the prefix, as a batch of one."""
        inputs = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None], **self.image}
        if self.token_types is not None:
            inputs[TOKEN_TYPES] = torch.nn.functional.pad(self.token_types, (0, len(ids) - len(self.prefix)))[None]
        return inputs

    def alike(self, other: ViewPrompt) -> bool:
        """Whether the two can be one batch: the same tokens, and pictures processed to the same size."""
        same = self.prefix.shape == other.prefix.shape and torch.equal(self.prefix, other.prefix)
        shapes = ({k: v.shape for k, v in prompt.image.items()} for prompt in (self, other))
        return same and next(shapes) == next(shapes)


def joined(prompts: Sequence[ViewPrompt]) -> dict[str, Tensor]:
    """The model's inputs for the prefixes of prompts that are alike, as one batch."""
    parts = [p.inputs(p.prefix) for p in prompts]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


class Prompter:
    """Builds prompts with a processor's chat template: the image, then the question."""

    def __init__(
        self, processor: Any, family: Family, image_token: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._processor, self.family, self._image_token = processor, family, image_token
        self._device, self._dtype = device, dtype
        added = processor.tokenizer.added_tokens_decoder.values()
        self._control = [token.content for token in added if token.special]

    def __call__(self, view: np.ndarray, questions: Sequence[str]) -> ViewPrompt:
        """Prompts for an RGB uint8 view (H, W, 3). The image is processed once.

        Raises:
            VlmError: the processor's output isn't what its family promises.
        """
        texts = [self._rendered(question) for question in questions]
        picture = Image.fromarray(view)
        options = {"images_kwargs": dict(self.family.image_options)}
        special = not texts[0].startswith(self._processor.tokenizer.bos_token or "\0")
        out = self._processor(
            images=[picture], text=[texts[0]], return_tensors="pt", add_special_tokens=special, **options
        )
        whole = out.pop("input_ids")[0]
        heads, tails = zip(*(self._around_image(text, special) for text in texts), strict=True)
        if any(not torch.equal(head, heads[0]) for head in heads):
            raise VlmError("the chat template puts the question before the image, so questions can't share the image")
        prefix = whole[: len(whole) - len(tails[0])]
        if not torch.equal(whole[len(prefix) :], tails[0]):
            raise VlmError("the processor's tokens don't end with those of the question")
        columns = (prefix == self._image_token).nonzero()[:, 0].numpy()
        layout = self.family.layout(self._processor, out, columns, view.shape[:2])
        types = out.pop(TOKEN_TYPES, None)
        return ViewPrompt(
            prefix.to(self._device),
            tuple(tail.to(self._device) for tail in tails),
            {k: self._moved(v) for k, v in out.items() if k != "attention_mask"},
            None if types is None else types[0, : len(prefix)].to(self._device),
            layout,
        )

    def _rendered(self, question: str) -> str:
        """The chat's text; control tokens are taken out of the question, so that it can't end its own turn."""
        for token in self._control:
            question = question.replace(token, " ")
        content = [{"type": "image"}, {"type": "text", "text": question}]
        return self._processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def _around_image(self, text: str, special: bool) -> tuple[Tensor, Tensor]:
        """Tokens before and after the image's placeholder; tokenised whole, as cut parts may give other tokens."""
        ids = torch.tensor(self._processor.tokenizer(text, add_special_tokens=special)["input_ids"])
        found = (ids == self._image_token).nonzero()[:, 0].tolist()
        if len(found) != 1:
            raise VlmError(f"expected one image token in the prompt, found {len(found)} in {text!r}")
        return ids[: found[0]], ids[found[0] + 1 :]

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, self._dtype if tensor.is_floating_point() else None)
