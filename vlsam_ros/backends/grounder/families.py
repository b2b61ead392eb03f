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
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from ..encoding import uploaded

Size = tuple[int, int]
"""Height and width."""


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


Look = Callable[[Any, Any, Sequence[np.ndarray]], Sequence[Any]]
"""(model, processor, RGB uint8 views (H, W, 3)) -> features of each, whatever it is asked for."""

Describe = Callable[[Any, Any, str], Any]
"""(model, processor, name) -> features of the name, whatever is looked at."""

Propose = Callable[[Any, Any, Any, Size, Sequence[Any], int], Iterator[Proposals]]
"""(model, processor, features of a view, its (H, W), what is asked for, names at once) -> proposals for all, in order.

Asked for are names, or features of names if the family describes them. Names are plain: lower-case words of letters and
digits, no full stops.
"""


def pixels(model: Any, processor: Any, views: Sequence[np.ndarray]) -> list[dict[str, Tensor]]:
    """Of families that look at pictures and names together: what the model needs of each view."""
    return [_pixels(model, processor, [view]) for view in views]  # padded by itself


def grounding_dino(
    model: Any, processor: Any, seen: Any, size_hw: Size, names: Sequence[str], _: int
) -> Iterator[Proposals]:
    """Names as one prompt, "car. dog.", as many as its text holds (arXiv 2303.05499, 3.4).

    A name's score is the mean over its tokens, as the authors evaluate lists of classes: with the maximum, as for
    phrases, "traffic light" would score for "traffic".
    """
    tokenizer = processor.tokenizer
    stop = tokenizer.convert_tokens_to_ids(".")
    for chunk in _chunks(tokenizer, names, min(model.config.max_text_len, tokenizer.model_max_length) - 2):
        text = processor(text=[chunk], return_tensors="pt").to(model.device)
        out = model(**seen, **text)
        own = name_tokens(text.input_ids[0], stop, len(chunk))
        scores = out.logits[0, :, : own.shape[1]].float().sigmoid()
        boxes = _scaled(box_convert(out.pred_boxes[0].float(), "cxcywh", "xyxy"), size_hw)
        yield Proposals(own @ scores.T, boxes.expand(len(chunk), -1, -1))


def name_tokens(ids: Tensor, stop: int, count: int) -> Tensor:
    """Which tokens of "[CLS] name . name . [SEP]" are whose: float (names, T), each row sums to 1."""
    stops = (ids == stop).long()
    own = (stops.cumsum(0) - stops == torch.arange(count, device=ids.device)[:, None]) & (stops == 0)
    own[:, 0] = False  # [CLS]
    return own / own.sum(1, keepdim=True).clamp(min=1)


def owl_views(model: Any, processor: Any, views: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor]]:
    """Features of each view's patches (1, h · w, D), and their boxes (1, h · w, 4) in shares, cxcywh."""
    grid, _ = model.image_embedder(_pixels(model, processor, views)["pixel_values"])
    patches = grid.flatten(1, 2)
    boxes = model.box_predictor(patches, grid)
    return [(patches[i : i + 1], boxes[i : i + 1]) for i in range(len(views))]


def owl_name(model: Any, processor: Any, name: str) -> Tensor:
    """A name as a caption: (1, D), of length 1."""
    clip = getattr(model, model.config.model_type)
    text = clip.get_text_features(**_clip_tokens(model, processor, [f"a photo of a {name}"])).pooler_output
    return text / torch.linalg.norm(text, ord=2, dim=-1, keepdim=True)


def owl(
    model: Any, _: Any, seen: Any, size_hw: Size, names: Sequence[Tensor], __: int, square: bool
) -> Iterator[Proposals]:
    """Each name by itself (arXiv 2205.06230, 2306.09683); the boxes are the same for all of them.

    Args:
        square: the view was padded to a square at the bottom and right, else stretched.
    """
    patches, boxes = seen
    logits, _ = model.class_predictor(patches, torch.cat(list(names))[None])
    boxes = box_convert(boxes[0].float(), "cxcywh", "xyxy")
    boxes = boxes.cpu() * max(size_hw) if square else _scaled(boxes, size_hw)
    yield Proposals(logits[0].float().sigmoid().T, boxes.expand(len(names), -1, -1))


def omdet_turbo(
    model: Any, processor: Any, seen: Any, size_hw: Size, names: Sequence[str], _: int
) -> Iterator[Proposals]:
    """A list of names and a task that says them, "Detect car, dog.", as many as the task holds (arXiv 2403.06892).

    The model itself keeps its features of names and of lists.
    """
    limit = model.config.text_config.max_position_embeddings
    for chunk in _chunks(processor.tokenizer, names, limit - len(processor.tokenizer("Detect.")["input_ids"])):
        text = {"classes": chunk, "tasks": [f"Detect {', '.join(chunk)}."]}
        tokens = {
            f"{what}_{key}": ids
            for what, texts in text.items()
            for key, ids in _clip_tokens(model, processor, texts).items()
        }
        out = model(**seen, **tokens, classes_structure=torch.tensor([len(chunk)], device=model.device))
        boxes = _scaled(box_convert(out.decoder_coord_logits[0].float(), "cxcywh", "xyxy"), size_hw)
        yield Proposals(out.decoder_class_logits[0].float().sigmoid().T, boxes.expand(len(chunk), -1, -1))


def sam3_views(model: Any, processor: Any, views: Sequence[np.ndarray]) -> list[tuple[Any, Any]]:
    """The pyramid of each view (1, D, h, w), and of the places in it."""
    seen = model.get_vision_features(_pixels(model, processor, views)["pixel_values"])
    # positions are the same for all views, and only those of the coarsest level but one are looked at
    places = [level[:1].clone() for level in seen.fpn_position_encoding[-2:]]
    return [([level[i : i + 1] for level in seen.fpn_hidden_states], places) for i in range(len(views))]


def sam3_name(model: Any, processor: Any, name: str) -> tuple[Tensor, Tensor]:
    """A name's tokens: features (1, T, D), and which are not padding (1, T)."""
    text = _clip_tokens(model, processor, [name])
    return model.get_text_features(**text).pooler_output, text["attention_mask"]


def sam3(
    model: Any, _: Any, seen: Any, size_hw: Size, names: Sequence[tuple[Tensor, Tensor]], batch: int
) -> Iterator[Proposals]:
    """Each name by itself, with boxes and masks of its own (arXiv 2511.16719).

    A score is the box's, times the chance that the name is in the view at all.
    """
    for i in range(0, len(names), batch):
        text, mask = (torch.cat(part) for part in zip(*names[i : i + batch], strict=True))
        levels, places = (tuple(level.expand(len(text), -1, -1, -1) for level in part) for part in seen)
        out = model(
            vision_embeds=Sam3VisionEncoderOutput(fpn_hidden_states=levels, fpn_position_encoding=places),
            text_embeds=BaseModelOutputWithPooling(pooler_output=text),
            attention_mask=mask,
        )
        scores = out.pred_logits.float().sigmoid() * out.presence_logits.float().sigmoid()
        yield Proposals(scores, _scaled(out.pred_boxes.float(), size_hw), out.pred_masks)


@dataclass(frozen=True)
class Family:
    """What is particular to a model_type.

    Attributes:
        propose: asks the model.
        threshold: its least score of a box, as its post-processing in transformers has it.
        look: what it makes of views before it is asked.
        describe: what it makes of a name whatever it looks at; None: nothing.
        model, processor: classes of transformers.
        outlines: it gives a mask with each box.
    """

    propose: Propose
    threshold: float
    look: Look = pixels
    describe: Describe | None = None
    model: str = "AutoModelForZeroShotObjectDetection"
    processor: str = "AutoProcessor"
    outlines: bool = False


_SAM3 = Family(sam3, 0.3, sam3_views, sam3_name, "Sam3Model", "Sam3Processor", outlines=True)

FAMILIES: dict[str, Family] = {
    "grounding-dino": Family(grounding_dino, 0.25),
    "mm-grounding-dino": Family(grounding_dino, 0.25),  # LLMDet too
    "owlv2": Family(partial(owl, square=True), 0.1, owl_views, owl_name),
    "owlvit": Family(partial(owl, square=False), 0.1, owl_views, owl_name),
    "omdet-turbo": Family(omdet_turbo, 0.3),
    "sam3": _SAM3,
    "sam3_video": _SAM3,  # as published: detector and tracker in one; the tracker is left out
}
"""model_type of a config.json -> family."""


def _pixels(model: Any, processor: Any, views: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """What the model needs of views; without a hint transformers takes a view of 3 rows for channels."""
    inputs = processor.image_processor(
        [uploaded(view, model.device) for view in views],
        return_tensors="pt",
        input_data_format="channels_last",
        device=model.device,
    )
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


def _scaled(boxes: Tensor, size_hw: Size) -> Tensor:
    """Boxes (..., 4) from shares of the view to its pixels, on the host."""
    height, width = size_hw
    return boxes.cpu() * torch.tensor([width, height, width, height])
