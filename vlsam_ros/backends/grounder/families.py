"""How each family is asked for names, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_convert


@dataclass(frozen=True)
class Proposals:
    """What a model proposes for n names, Q boxes each.

    Attributes:
        scores: float (n, Q) in [0, 1].
        xyxy: float (n, Q, 4), in pixels of the view, on the host; not clipped.
        masks: float (n, Q, h, w), logits over the view, or None.
    """

    scores: Tensor
    xyxy: Tensor
    masks: Tensor | None = None


Propose = Callable[[Any, Any, np.ndarray, Sequence[str], int], Iterator[Proposals]]
"""(model, processor, RGB uint8 view (H, W, 3), names, names at once) -> proposals for all the names, in order.

The names are plain: lower-case words of letters and digits, no full stops.
"""


def grounding_dino(model: Any, processor: Any, view: np.ndarray, names: Sequence[str], _: int) -> Iterator[Proposals]:
    """Names as one prompt, "car. dog.", as many as its text holds (arXiv 2303.05499, 3.4).

    A name's score is the mean over its tokens, as the authors evaluate lists of classes: with the maximum, as for
    phrases, "traffic light" would score for "traffic".
    """
    tokenizer, pixels = processor.tokenizer, _pixels(model, processor, view)
    stop = tokenizer.convert_tokens_to_ids(".")
    for chunk in _chunks(tokenizer, names, min(model.config.max_text_len, tokenizer.model_max_length) - 2):
        text = processor(text=[chunk], return_tensors="pt").to(model.device)
        out = model(**pixels, **text)
        own = name_tokens(text.input_ids[0], stop, len(chunk))
        scores = out.logits[0, :, : own.shape[1]].float().sigmoid()
        boxes = _scaled(box_convert(out.pred_boxes[0].float(), "cxcywh", "xyxy"), view)
        yield Proposals(own @ scores.T, boxes.expand(len(chunk), -1, -1))


def name_tokens(ids: Tensor, stop: int, count: int) -> Tensor:
    """Which tokens of "[CLS] name . name . [SEP]" are whose: float (names, T), each row sums to 1."""
    stops = (ids == stop).long()
    own = (stops.cumsum(0) - stops == torch.arange(count, device=ids.device)[:, None]) & (stops == 0)
    own[:, 0] = False  # [CLS]
    return own / own.sum(1, keepdim=True).clamp(min=1)


def owl(
    model: Any, processor: Any, view: np.ndarray, names: Sequence[str], _: int, square: bool
) -> Iterator[Proposals]:
    """Each name by itself, as a caption (arXiv 2205.06230, 2306.09683); the boxes are the same for all of them.

    Args:
        square: the view was padded to a square at the bottom and right, else stretched.
    """
    text = _clip_tokens(model, processor, [f"a photo of a {name}" for name in names])
    out = model(**_pixels(model, processor, view), **text)
    boxes = box_convert(out.pred_boxes[0].float().cpu(), "cxcywh", "xyxy")
    boxes = boxes * max(view.shape[:2]) if square else _scaled(boxes, view)
    yield Proposals(out.logits[0].float().sigmoid().T, boxes.expand(len(names), -1, -1))


def omdet_turbo(model: Any, processor: Any, view: np.ndarray, names: Sequence[str], _: int) -> Iterator[Proposals]:
    """A list of names and a task that says them, "Detect car, dog.", as many as the task holds (arXiv 2403.06892)."""
    limit = model.config.text_config.max_position_embeddings
    for chunk in _chunks(processor.tokenizer, names, limit - len(processor.tokenizer("Detect.")["input_ids"])):
        inputs = processor(
            images=view, text=[chunk], max_length=limit, return_tensors="pt", input_data_format="channels_last"
        )
        out = model(**inputs.to(model.device, model.dtype))
        boxes = _scaled(box_convert(out.decoder_coord_logits[0].float(), "cxcywh", "xyxy"), view)
        yield Proposals(out.decoder_class_logits[0].float().sigmoid().T, boxes.expand(len(chunk), -1, -1))


def sam3(model: Any, processor: Any, view: np.ndarray, names: Sequence[str], batch: int) -> Iterator[Proposals]:
    """Each name by itself, with boxes and masks of its own; the view is encoded once (arXiv 2511.16719).

    A score is the box's, times the chance that the name is in the view at all.
    """
    seen = model.get_vision_features(_pixels(model, processor, view)["pixel_values"])
    for i in range(0, len(names), batch):
        text = _clip_tokens(model, processor, names[i : i + batch])
        repeated = {
            key: tuple(level.expand(len(text["input_ids"]), -1, -1, -1) for level in seen[key])
            for key in ("fpn_hidden_states", "fpn_position_encoding")
        }
        out = model(vision_embeds=type(seen)(**repeated), **text)
        scores = out.pred_logits.float().sigmoid() * out.presence_logits.float().sigmoid()
        yield Proposals(scores, _scaled(out.pred_boxes.float(), view), out.pred_masks)


@dataclass(frozen=True)
class Family:
    """What is particular to a model_type.

    Attributes:
        propose: asks the model.
        threshold: its least score of a box, as its post-processing in transformers has it.
        model, processor: classes of transformers.
        outlines: it gives a mask with each box.
    """

    propose: Propose
    threshold: float
    model: str = "AutoModelForZeroShotObjectDetection"
    processor: str = "AutoProcessor"
    outlines: bool = False


_SAM3 = Family(sam3, 0.3, "Sam3Model", "Sam3Processor", outlines=True)

FAMILIES: dict[str, Family] = {
    "grounding-dino": Family(grounding_dino, 0.25),
    "mm-grounding-dino": Family(grounding_dino, 0.25),  # LLMDet too
    "owlv2": Family(partial(owl, square=True), 0.1),
    "owlvit": Family(partial(owl, square=False), 0.1),
    "omdet-turbo": Family(omdet_turbo, 0.3),
    "sam3": _SAM3,
    "sam3_video": _SAM3,  # as published: detector and tracker in one; the tracker is left out
}
"""model_type of a config.json -> family."""


def _pixels(model: Any, processor: Any, view: np.ndarray) -> Any:
    """What the model needs of a view; without a hint transformers takes a view of 3 rows for channels."""
    inputs = processor.image_processor(view, return_tensors="pt", input_data_format="channels_last")
    return {k: v for k, v in inputs.to(model.device, model.dtype).items() if k.startswith("pixel_")}


def _clip_tokens(model: Any, processor: Any, texts: Sequence[str]) -> Any:
    """Tokens of texts one by one, cut and padded to what the text encoder holds."""
    longest = model.config.text_config.max_position_embeddings
    options = {"padding": "max_length", "truncation": True, "max_length": longest, "return_tensors": "pt"}
    return processor.tokenizer(list(texts), **options).to(model.device)


def _chunks(tokenizer: Any, names: Sequence[str], limit: int) -> Iterator[list[str]]:
    """The names in runs of at most `limit` tokens, each with one more to separate it; a longer name is a run alone."""
    lengths = [len(ids) + 1 for ids in tokenizer(list(names), add_special_tokens=False)["input_ids"]]
    chunk: list[str] = []
    room = limit
    for name, length in zip(names, lengths, strict=True):
        if chunk and length > room:
            yield chunk
            chunk, room = [], limit
        chunk.append(name)
        room -= length
    yield chunk


def _scaled(boxes: Tensor, view: np.ndarray) -> Tensor:
    """Boxes (..., 4) from shares of the view to its pixels, on the host."""
    height, width = view.shape[:2]
    return boxes.cpu() * torch.tensor([width, height, width, height])
