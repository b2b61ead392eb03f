"""CogVLM, CogVLM2 and CogAgent-18B, which run their own code: loaded only with `vlm.trust_remote_code`.

Their code was written for an older transformers. What is used of it here is its own: `build_conversation_input_ids`
makes the prompt, `prepare_inputs_for_generation` and the model's forward pass write the answer token by token. Their
attention does not pass through transformers' interface either. It calls torch's `scaled_dot_product_attention`, which
is watched while the self-attention of one of the decoder's layers runs; everything else that calls it is left alone.
The prompt's token types tell the image's tokens, of which the first and the last mark the image's beginning and end,
and the rest are the whole view, stretched to a square, row-major.

CogAgent (arXiv 2312.08914, section 2.2) is CogVLM whose layers also look at a finer picture of the view by
cross-attention. What a token takes from there stays with it, and its map is that of the coarse picture's tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import isqrt
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...data import Answer, Hidden, ImageLayout, Shown, check_image
from ...errors import VlmError, failures
from ..interfaces import Vlm
from .capture import Call, Recorder, middle, states
from .certainty import finite_logits
from .memory import generation, require_for_answers
from .text import THOUGHT_ENDS, answered, control_tokens, decoder, end_tokens, without

ARCHITECTURES = ("CogVLMForCausalLM", "CogAgentForCausalLM")
"""What their configurations call the model; they have no `model_type`."""

PICTURES = ("images", "cross_images")
"""What they call the view at the sizes that they look at."""

VISION = 1
"""Token type of the image's tokens."""


class CogVlm(Vlm):
    """Greedy answers, each by itself."""

    demonstration, attends, boxes = False, True, ""

    def __init__(self, model: Any, tokenizer: Any, name: str, max_new_tokens: int) -> None:
        self.name, self._model, self._tokenizer, self._limit = name, model, tokenizer, max_new_tokens
        self._ends = end_tokens(model, tokenizer)
        self._control, self._decode = control_tokens(tokenizer), decoder(tokenizer)

    def answer_views(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """Answer each question about each RGB uint8 view (H, W, 3), one after the other; see `interfaces.Vlm`.

        Raises:
            BadImageError: a view is no RGB uint8 image.
            ConfigError: the model has no layer `hidden`.
            VlmError: the model failed, its memory does not suffice, or its attention was not recorded.
        """
        return self._answers(views, questions, [[None] * len(questions)] * len(views), meanwhile, hidden)

    def read(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        texts: Sequence[Sequence[str]],
        meanwhile: Callable[[], None] | None = None,
        hidden: int | None = None,
    ) -> list[list[Answer]]:
        """Each finished answer in one pass; see `TransformersVlm.read`."""
        if [len(own) for own in texts] != [len(questions)] * len(views):
            raise ValueError(f"expected {len(questions)} texts for each of {len(views)} views")
        return self._answers(views, questions, texts, meanwhile, hidden)

    def _answers(
        self,
        views: Sequence[np.ndarray],
        questions: Sequence[str],
        texts: Sequence[Sequence[str | None]],
        meanwhile: Callable[[], None] | None,
        hidden: int | None,
    ) -> list[list[Answer]]:
        after = middle(hidden, self._model.config)
        pictures = [Image.fromarray(check_image(view)) for view in views]
        if meanwhile:
            meanwhile()
        answered: list[list[Answer]] = []
        for picture, own in zip(pictures, texts, strict=True):
            left = (len(views) - len(answered)) * len(questions)
            with torch.inference_mode(), self._typed_errors(picture):
                asked = enumerate(zip(questions, own, strict=True))
                answered.append([self._ask(picture, q, text, left - i, after) for i, (q, text) in asked])
        return answered

    def write(self, view: np.ndarray, request: str, max_new_tokens: int) -> tuple[str, bool]:
        """Free text about an RGB uint8 view (H, W, 3), and whether the limit cut it off; see `interfaces.Vlm`."""
        picture = Image.fromarray(check_image(view))
        with torch.inference_mode(), self._typed_errors(picture):
            tokens, truncated = self._written(self._prompt(picture, request), max_new_tokens, kept=0)
            return self._decode(tokens.tolist()), truncated

    @contextmanager
    def _typed_errors(self, picture: Image.Image) -> Iterator[None]:
        what = f"{self.name} failed on a view of {picture.width} × {picture.height} px"
        with failures(VlmError, what), finite_logits(self._model.get_output_embeddings()):
            yield

    def _ask(self, picture: Image.Image, question: str, text: str | None, left: int, after: int | None) -> Answer:
        """The answer to one of the `left` questions that are still to be asked; all their Q and K are kept.

        Args:
            text: the answer, if it is finished.
            after: the layer whose hidden states are wanted.
        """
        prompt = self._prompt(picture, question)
        given: tuple[float, ...] = ()
        layers, first = self._model.model.layers, prompt["input_ids"].shape[1]
        with watching([layer.self_attn for layer in layers]) as recorder, states(layers, after) as found:
            if text is None:
                tokens, truncated = self._written(prompt, self._limit, left * (first + self._limit))
            else:
                tokens, truncated, given = self._read(prompt, text, left * (first + self._limit))
        length = first + len(tokens)
        recorder.check(range(len(layers)), length)
        layout, hidden = _layout(prompt["token_type_ids"][0], picture.size), None
        if found:
            whole = torch.cat(found, 1)[0]
            hidden = Hidden(whole[torch.from_numpy(layout.positions).to(whole.device)], whole[first:].clone())
        return answered(
            self._decode,
            question,
            tokens.tolist(),
            "",
            length=length,
            layout=layout,
            layers=len(layers),
            layer=partial(recorder.layer, row=0, keep=torch.ones_like(tokens.new_empty(length), dtype=torch.bool)),
            truncated=truncated,
            probabilities=given,
            hidden=hidden,
            shown=Shown(_size(prompt["images"][0][0]), layout.xyxy),
        )

    def _read(self, prompt: Mapping[str, Any], text: str, kept: int) -> tuple[Tensor, bool, tuple[float, ...]]:
        """A finished answer's tokens (T,), whether the limit cut it off, and what the model gives to each of them."""
        whole = self._tokenizer(without(text.removeprefix(THOUGHT_ENDS), self._control), add_special_tokens=False)[
            "input_ids"
        ]
        ids, types, limit = prompt["input_ids"], prompt["token_type_ids"], self._limit
        tokens = ids.new_tensor(whole[:limit])
        first, count = ids.shape[1], len(tokens)
        self._require_memory(first + limit, 0, kept)
        out = self._step(prompt, torch.cat([ids, tokens[None]], 1), functional.pad(types, (0, count)), None)
        given = out.logits[0, first - 1 : first - 1 + count].float().softmax(-1).gather(1, tokens[:, None])[:, 0]
        return tokens, len(whole) > limit, tuple(given.tolist())

    def _written(self, prompt: Mapping[str, Any], limit: int, kept: int) -> tuple[Tensor, bool]:
        """What the model writes (T,) before an end token, and whether the limit cut it off; every token is fed back.

        Args:
            kept: tokens whose Q and K are to be kept, these among them.
        """
        ids, types, cache = prompt["input_ids"], prompt["token_type_ids"], None
        first = ids.shape[1]
        self._require_memory(first, limit, kept)
        while True:
            out = self._step(prompt, ids, types, cache)
            token, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
            ended = int(token) in self._ends
            if ended or ids.shape[1] - first == limit:
                return ids[0, first:], not ended
            ids, types = torch.cat([ids, token], 1), functional.pad(types, (0, 1))

    def _require_memory(self, prefix: int, new_tokens: int, kept: int) -> None:
        need = generation(self._model.config, self._model.dtype, prefix, 0, new_tokens, kept=kept)
        require_for_answers(replace(need, cache=need.cache + _finer(self._model)), self._model.device)

    def _step(self, prompt: Mapping[str, Any], ids: Tensor, types: Tensor, cache: Any) -> Any:
        """What the model makes of the tokens (1, N) that are not in its cache."""
        inputs = self._model.prepare_inputs_for_generation(
            ids,
            token_type_ids=types,
            **{name: prompt[name] for name in PICTURES if name in prompt},
            attention_mask=torch.ones_like(ids),
            past_key_values=cache,
            use_cache=True,
        )
        return self._model(**inputs)

    def _prompt(self, picture: Image.Image, question: str) -> Mapping[str, Any]:
        for token in self._control:
            question = question.replace(token, " ")
        device, dtype = self._model.device, self._model.dtype
        made = self._model.build_conversation_input_ids(self._tokenizer, query=question, history=[], images=[picture])
        inputs = {k: made[k][None].to(device) for k in ("input_ids", "token_type_ids")}
        pictures = {name: made[name] for name in PICTURES if made.get(name)}
        return inputs | {name: [[image.to(device, dtype) for image in own]] for name, own in pictures.items()}


def _finer(model: Any) -> int:
    """Bytes of the keys and values of CogAgent's finer picture, in all layers."""
    config = model.config
    patches = (getattr(config, "cross_image_size", 0) // config.vision_config["patch_size"]) ** 2
    width = getattr(config, "cross_compute_hidden_size", 0)
    return int(2 * patches * width * len(model.model.layers) * model.dtype.itemsize)


def _layout(types: Tensor, size_wh: tuple[int, int]) -> ImageLayout:
    """Where the image's tokens are, from the token types (N,) of a prompt.

    Raises:
        VlmError: they are no square between a mark of the beginning and one of the end.
    """
    columns = (types == VISION).nonzero()[:, 0].cpu().numpy()[1:-1]
    side = isqrt(len(columns))
    if not len(columns) or side**2 != len(columns):
        raise VlmError(f"expected a square of image tokens between two marks, found {len(columns)}")
    return ImageLayout(columns.reshape(side, side), (0.0, 0.0, float(size_wh[0]), float(size_wh[1])))


def _size(pixels: Tensor) -> tuple[int, int]:
    """Width and height of (3, H, W)."""
    return pixels.shape[-1], pixels.shape[-2]


@contextmanager
def watching(attentions: Sequence[nn.Module]) -> Iterator[Recorder]:
    """Records torch's attention function while one of these modules runs; it comes back after the block."""
    running: list[int] = []
    recorder, original = Recorder(), functional.scaled_dot_product_attention

    def spy(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        if running:
            causal = kwargs.get("is_causal", args[1] if len(args) > 1 else False)
            mask = _mask(query, key, attn_mask, causal)
            scale = kwargs.get("scale") or query.shape[-1] ** -0.5
            recorder.add(running[-1], Call(query, key[:, :, -query.shape[2] :].clone(), mask, scale, None))
        return original(query, key, value, attn_mask, *args, **kwargs)

    def leave(*_: Any) -> None:
        running.pop()

    hooks = []
    for index, layer in enumerate(attentions):
        hooks.append(layer.register_forward_pre_hook(lambda *_, index=index: running.append(index)))
        hooks.append(layer.register_forward_hook(leave, always_call=True))
    functional.scaled_dot_product_attention = spy
    try:
        yield recorder
    finally:
        functional.scaled_dot_product_attention = original
        for hook in hooks:
            hook.remove()


def _mask(query: Tensor, key: Tensor, mask: Tensor | None, causal: bool) -> Tensor | None:
    """True where a query sees a key, (1, 1, queries, keys); None if that is causal."""
    if causal:
        return None
    if mask is None:
        return torch.ones(1, 1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device)
    return mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
