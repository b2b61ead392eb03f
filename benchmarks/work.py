"""What a keyframe of a profile asks of a device: its own code at its real size on the meta device, without numbers.

The real architecture, views, prompts, batches and caches; see `benchmarks.counting`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from benchmarks import real
from benchmarks.counting import Count, Op, Work, halved, times
from vlsam_ros.backends.vlm import decoding, memory, together
from vlsam_ros.backends.vlm.capture import listening
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.prompting import Prompter
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, Config
from vlsam_ros.data import Answer, Batch, BatchQK, ImageLayout, LayerQK, Pixels, Prompts
from vlsam_ros.ensemble.schedule import Step
from vlsam_ros.localisation.refine import cascade
from vlsam_ros.recognition.flow import flow
from vlsam_ros.recognition.questions import ASK_FOR_QUESTIONS

META, CPU = torch.device("meta"), torch.device("cpu")


def named(model: str, known: Sequence[str]) -> str:
    """The architecture that a hub id or a path stands for.

    Raises:
        SystemExit: none of those that are known.
    """
    plain = lambda name: "".join(c for c in name.lower() if c.isalnum())  # noqa: E731
    kind, _, file = model.partition(":")
    wanted = plain({"vit_t": "MobileSAM"}.get(kind, kind) if file else model).replace("hiera", "")
    found = [name for name in known if plain(name) in wanted]
    if not found:
        raise SystemExit(f"expected a model of {', '.join(known)}, got {model!r}")
    return max(found, key=len)


def vlm_of(config: Config, tiny: bool = False) -> TransformersVlm:
    """The profile's VLM without numbers, as if its step were compiled where the options say so."""
    name = named(config.vlm.model, real.VLMS)
    model = real.vlm_model(name, META, torch.bfloat16, tiny)
    processor = real._processor(name, model.config, real.special(name, tiny), real.pieces(real.ANSWER, real.TOKENS))
    token, most = model.config.image_token_id, (config.vlm.image_tokens, config.vlm.view_tokens)
    prompter = Prompter(processor, FAMILIES[model.config.model_type], token, CPU, torch.bfloat16, *most)
    eager = replace(config.vlm, compile="off", device="cpu")
    vlm = TransformersVlm(model, processor.tokenizer, prompter, name, False, eager)
    assert vlm._batch
    vlm._batch.compiled = config.vlm.compile != "off" and model._can_compile_fullgraph
    vlm._batch._limits = replace(vlm._limits, ends={0})  # all that the host is told of a token: every row ends
    return vlm


@contextmanager
def stages(vlm: TransformersVlm, stage: Callable[[str], Any]) -> Iterator[None]:
    """The parts of a VLM's work as stages of whatever counts them, until the block ends."""
    model = vlm._model
    tower = model.model.vision_tower if hasattr(model.model, "vision_tower") else model.model.visual
    places = [
        (tower, "forward", "vision"),
        (together.Together, "_prefix", "prefill"),
        (decoding._Run, "ask", "questions"),
        (decoding._Run, "feed", "step"),
        (decoding.Decoder, "write", "choice"),
    ]

    def wrapped(call: Callable, name: str) -> Callable:
        def inside(*args: Any, **kwargs: Any) -> Any:
            with stage(name):
                return call(*args, **kwargs)

        return inside

    with ExitStack() as stack:
        for owner, name, title in places:
            stack.enter_context(patch.object(owner, name, wrapped(getattr(owner, name), title)))
        yield


@dataclass(frozen=True)
class Asked:
    """What the VLM is asked about a keyframe, and what that asks of the device.

    Attributes:
        work: of the first token of every loop; `each` of one more token in each of them.
        rows, columns: of each loop's cache.
        prefixes: tokens of each view's prefix; `tail` of the longest question.
        image_tokens: of the view that has most.
        compiled: a step is a graph.
    """

    work: dict[str, Work]
    each: dict[str, Work]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    prefixes: tuple[int, ...]
    tail: int
    image_tokens: int
    compiled: bool

    def of(self, stage: str, steps: int) -> Work:
        """A stage's work if every loop takes so many steps after the first token."""
        return self.work.get(stage, Counter()) + times(self.each.get(stage, Counter()), steps)


class Shape(NamedTuple):
    """Sequences that were written together.

    Attributes:
        views, questions: of the first each is asked all of the second.
        prefix, own: tokens of each view's prefix, and of each question and its answer.
        names: in each answer.
        layers: of the language model that take part.
    """

    views: int
    questions: int
    prefix: int
    own: int
    names: int
    layers: int


def flow_work(vlm: TransformersVlm, shape: Shape, options: AttentionOptions) -> Work:
    """The attention flow's work; every layer after the first takes the same."""
    text, layout = vlm._model.config.get_text_config(), vlm._prompter(np.zeros((64, 64, 3), np.uint8), ["?"]).layout
    works = []
    for layers in (1, 2):
        with Count() as count:
            flowed(text, layout, shape._replace(layers=layers), options, META)
        works.append(count.work[""])
    one, two = works
    two.subtract(one)
    return one + times(+two, shape.layers - 1)


def questions_of(config: Config) -> list[str]:
    """The questions about a view; those that the VLM writes itself are as long as the longest of the fixed ones."""
    fixed = config.questions.questions
    return list(fixed) if config.questions.mode == "fixed" else [max(fixed, key=len)] * config.questions.generated


def asked(vlm: TransformersVlm, pixels: Sequence[np.ndarray], steps: Sequence[Step], free: float) -> Asked:
    """The work of answering.

    Args:
        pixels: RGB uint8 (H, W, 3) of each view, in the order in which they come in the steps.
        steps: which views are asked what.
        free: bytes beside the weights.
    """
    batch, order = vlm._batch, list(dict.fromkeys(view for step in steps for view in step.views))
    assert batch

    def run() -> None:
        fresh = dict(zip(order, (p.copy().view(Pixels) for p in pixels), strict=True))
        for step in steps:
            batch.answers([fresh[v] for v in step.views], step.questions, None)

    work, each, benches = counted(vlm, run, free)
    prompts = [vlm._prompter(p, ["?"]) for p in pixels]
    return Asked(
        work=work,
        each=each,
        rows=tuple(b.rows for b in benches),
        columns=tuple(b.length for b in benches),
        prefixes=tuple(len(p.prefix) for p in prompts),
        tail=max(len(tail) for step in steps for tail in vlm._prompter.tails(step.questions)),
        image_tokens=max(len(p.layout.positions) for p in prompts),
        compiled=batch.compiled,
    )


def written(vlm: TransformersVlm, pixels: np.ndarray, tokens: int, free: float) -> Work:
    """The work of writing questions about a view that the VLM is shown anyway."""
    batch = vlm._batch
    assert batch
    work, each, _ = counted(vlm, lambda: batch.text(pixels, ASK_FOR_QUESTIONS, tokens), free)
    found = Asked(work, each, (), (), (), 0, 0, False)
    return sum((found.of(stage, tokens) for stage in ("questions", "step", "choice")), Counter[Op]())


def counted(
    vlm: TransformersVlm, run: Callable[[], object], free: float
) -> tuple[dict[str, Work], dict[str, Work], list[decoding.Bench]]:
    """What a run asks of the device if every loop ends with its first token, and what one more token in each does.

    Returns:
        Both by stage, and the bench of each loop.
    """
    batch, write = vlm._batch, decoding.Decoder.write
    assert batch
    works: list[dict[str, Work]] = []
    benches: list[decoding.Bench] = []
    for least in (0, 1):

        def limited(*given: Any, **more: Any) -> Any:
            call = signature(write).bind(*given, **more)
            benches.append(call.arguments["bench"])
            call.arguments["least"] = least  # noqa: B023 - called at once
            return write(*call.args, **call.kwargs)

        benches.clear()
        batch._benches = []
        with (
            patch.object(memory, "available", lambda device: free),
            patch.object(decoding.Decoder, "write", limited),
            Count() as count,
            stages(vlm, count.stage),
            listening(vlm._model),
        ):
            run()
        works.append(count.work)
    first, more = works
    for stage, work in more.items():
        work.subtract(first.get(stage, Counter()))
    return dict(first), {stage: +work for stage, work in more.items()}, benches


def flowed(text: Any, layout: ImageLayout, shape: Shape, options: AttentionOptions, device: torch.device) -> None:
    """The attention flow over what a language model keeps of a frame, with empty queries and keys on a device."""
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    rows, length = shape.views * shape.questions, shape.prefix + shape.own

    def layer(_: int) -> BatchQK:
        query, key, before_query, before_key = (
            torch.zeros(count, heads, n, size, dtype=torch.bfloat16, device=device)
            for count, n in ((rows, shape.own), (shape.views, shape.prefix))
            for heads in (text.num_attention_heads, text.num_key_value_heads)
        )
        return BatchQK(query, key, before_query, before_key, size**-0.5)

    def alone(_: int) -> LayerQK:
        raise AssertionError("every sequence is in the batch")

    batch = Batch(((0, shape.own),) * rows, shape.layers, layer)
    answers = [
        Answer("?", "", (), length, length, layout, shape.layers, alone, batch=batch, row=i) for i in range(rows)
    ]
    flow(answers, [torch.ones(shape.names, length)] * rows, options)


def segmented(
    config: Config, looks: Sequence[Sequence[np.ndarray]], seeds: int, tiny: bool = False
) -> tuple[Work, Work, int]:
    """The work of encoding views and of decoding so many seeds of each, and the bytes of the weights.

    Args:
        looks: RGB uint8 (H, W, 3) of the views that are looked at together.
    """
    name = named(config.segmenter.model, real.SEGMENTERS)
    segmenter = real.segmenter(name, META, torch.float32, tiny)
    with Count() as count, patch.object(torch, "autocast", lambda *_, **__: nullcontext()):  # it knows no meta device
        for pixels in looks:
            with count.stage("encoder"):
                embeddings = segmenter.embed_views(pixels)
            with count.stage("decoder"):
                outline(segmenter, [e for e in embeddings for _ in range(seeds)], config)
    half = config.segmenter.dtype != "float32"
    works = [halved(count.work[stage]) if half else count.work[stage] for stage in ("encoder", "decoder")]
    weights = sum(t.nbytes for t in real.segmenter_model(name, META, tiny).state_dict().values())
    return works[0], works[1], weights


def outline(segmenter: Any, embeddings: Sequence[Any], config: Config) -> None:
    """Masks of one prompt in the view of each embedding, in all rounds."""
    size = config.segmenter.batch
    for chunk in [embeddings[i : i + size] for i in range(0, len(embeddings), size)] * config.refine.rounds:
        cascade(segmenter, chunk, _prompts(len(chunk), config), config.refine)


def _prompts(seeds: int, config: Config) -> Prompts:
    points = config.prompts.positives + config.prompts.negatives
    boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (seeds, 1)) if config.refine.box == "map" else None
    return Prompts(np.zeros((seeds, points, 2), np.float32), np.ones((seeds, points), np.int32), boxes)
