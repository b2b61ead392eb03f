"""How long a keyframe of a profile should take on a card: from counts, bytes and operations, not from a measurement.

    python -m benchmarks.model --card rtx4090 --profile desktop

The profile's own code runs at its real size on the meta device (see `benchmarks.counting`): the real architecture, the
real views, prompts, batches and caches, but no numbers. Every operation then takes as long as its matrix product or the
bytes that it moves, whichever is longer, on the card's published rates and a share of them that is assumed; where
kernels are launched one by one, at least as long as a launch. What a CPU does was measured on one core and is scaled.
Every answer is as long as the profile allows. Nothing of this was measured on a card: take it as ± 40 %.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
import yaml

from benchmarks import real
from benchmarks.common import finish, table
from benchmarks.counting import Count, Op, Work, flops, halved, moved, times
from vlsam_ros.backends.vlm import decoding, memory, together
from vlsam_ros.backends.vlm.capture import listening
from vlsam_ros.backends.vlm.layouts import FAMILIES
from vlsam_ros.backends.vlm.prompting import Prompter
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import PROFILES, AttentionOptions, Config, options, profile_path
from vlsam_ros.data import Answer, Batch, BatchQK, ImageLayout, LayerQK, Pixels, Prompts
from vlsam_ros.ensemble.schedule import Step, plan
from vlsam_ros.ensemble.tiling import views
from vlsam_ros.localisation.refine import cascade
from vlsam_ros.recognition.flow import flow
from vlsam_ros.recognition.questions import ASK_FOR_QUESTIONS

META, CPU, GIB = torch.device("meta"), torch.device("cpu"), memory.GIB


@dataclass(frozen=True)
class Card:
    """A GPU by what is published of it.

    Attributes:
        bandwidth: bytes a second.
        matrix: bfloat16 operations a second, dense, with float32 sums.
        single: float32 operations a second.
        memory: bytes; on a card without its own, the machine's.
        cpu: how many times as long as the reference core its machine's takes (assumed).
        used: bytes that the driver, the system and torch take beside the models (assumed).
    """

    name: str
    bandwidth: float
    matrix: float
    single: float
    memory: float
    cpu: float
    used: float = 1.5 * GIB


CARDS = {
    "rtx4090": Card("GeForce RTX 4090", 1008e9, 165.2e12, 82.6e12, 24 * GIB, 0.7),
    "h100": Card("H100 SXM", 3350e9, 989e12, 67e12, 80e9, 1.0),
    "orin": Card("Jetson AGX Orin 64 GB", 204.8e9, 42.5e12, 5.3e12, 64e9, 2.0, 6 * GIB),
    "orin32": Card("Jetson AGX Orin 32 GB", 204.8e9, 26.8e12, 3.3e12, 32e9, 2.0, 6 * GIB),
    "thor": Card("Jetson AGX Thor", 273e9, 258e12, 8.1e12, 128e9, 1.3, 6 * GIB),
}
"""Published: bandwidth, float32 rate, memory, and the bfloat16 rate (Jetsons: an eighth and a quarter of what is given
for sparse FP4 on Thor and sparse INT8 on Orin's GPU)."""


@dataclass(frozen=True)
class Assumed:
    """What the model takes for granted. Times are milliseconds; of a CPU's on the reference core.

    Attributes:
        matrix, bandwidth: shares of the published rates that real kernels reach.
        launch: one kernel from Python.
        graph: one kernel in a CUDA graph.
        looked: from the logits to the next step beside what the device does: one copy to the host, the rows' ends.
        hidden: share of the segmenter's pictures and encoder that passes while the VLM prefills and decodes.
        picture, encoded: reading, resizing and normalising a view for the VLM, and for the segmenter.
        megapixel: the same, for each megapixel of the view.
        answer: names out of an answer.
        name: seeds of a name's map.
        seed: points, mask and score of a seed in one round; `seed_megapixel`: for each megapixel of its view.
        merged: merging an instance.
        names: that the answers about a view name, together.
        seeds: of a name.
    """

    matrix: float = 0.6
    bandwidth: float = 0.75
    launch: float = 0.018
    graph: float = 0.002
    looked: float = 0.3
    hidden: float = 0.5
    picture: float = 11.0
    encoded: float = 5.0
    megapixel: float = 8.0
    answer: float = 1.0
    name: float = 2.5
    seed: float = 0.7
    seed_megapixel: float = 1.1
    merged: float = 1.0
    names: int = 8
    seeds: float = 1.5


def milliseconds(work: Work, card: Card, assumed: Assumed, graph: bool = False) -> float:
    """How long operations take; in a graph those without a product are part of the others, but for what they move."""
    total = 0.0
    for op, count in work.items():
        rate = (card.single if op.single else card.matrix) * assumed.matrix
        least = (assumed.graph if op.flops else 0) if graph else assumed.launch * card.cpu
        total += count * max(1e3 * op.flops / rate, 1e3 * op.bytes / (card.bandwidth * assumed.bandwidth), least)
    return total


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


@dataclass(frozen=True)
class Line:
    """A stage of the keyframe.

    Attributes:
        asks: of what it is made.
        work: on the device, or None.
        graph: its operations are one CUDA graph.
        cpu_ms: what a CPU does, on the reference core.
        hidden: share of its time that passes while another stage runs.
    """

    title: str
    asks: str
    work: Work | None = None
    graph: bool = False
    cpu_ms: float = 0.0
    hidden: float = 0.0

    def ms(self, card: Card, assumed: Assumed) -> float:
        """On the card and its machine, beside what is hidden."""
        device = milliseconds(self.work, card, assumed, self.graph) if self.work else 0.0
        return (device + self.cpu_ms * card.cpu) * (1 - self.hidden)


@dataclass(frozen=True)
class Keyframe:
    """A profile's keyframe.

    Attributes:
        lines: its stages in their order.
        memory: bytes by what they hold.
        asked: of the VLM.
        seeds: instances that are outlined, in all views.
    """

    lines: list[Line]
    memory: dict[str, float]
    asked: Asked
    seeds: int

    def ms(self, card: Card, assumed: Assumed) -> float:
        """From the image to the result."""
        return sum(line.ms(card, assumed) for line in self.lines)


def keyframe(config: Config, size_hw: tuple[int, int], card: Card, assumed: Assumed, tiny: bool = False) -> Keyframe:
    """What a keyframe of a frame of this size takes."""
    vlm, limit = vlm_of(config, tiny), config.vlm.max_new_tokens
    parts, questions = views(size_hw, config.views), questions_of(config)
    pixels = [np.zeros((*view.size_hw, 3), np.uint8) for view in parts]
    steps = plan(parts, questions, config.vlm.view_batch or len(parts), config.node.latency_budget_s > 0)
    seeds = round(assumed.names * assumed.seeds)
    new = [
        [v for v in step.views if all(v not in before.views for before in steps[:i])] for i, step in enumerate(steps)
    ]
    looks = [[pixels[parts.index(view)] for view in some] for some in new if some]
    encoder, decoder, outlines = segmented(config, looks, seeds, tiny)
    weights = memory.weights_of(vlm._model, torch.bfloat16, config.vlm.quantisation)
    free = (card.memory - card.used - weights - outlines) * memory.SPARE
    found = asked(vlm, pixels, steps, free)
    lines: list[Line] = []
    if config.questions.mode == "generated":
        most = config.questions.generated_tokens
        work = written(vlm, pixels[0], most, free)
        lines.append(Line("questions written", f"{most} tokens", work, cpu_ms=most * assumed.looked))
    n, loops, rows = len(parts), len(found.rows), " + ".join(map(str, found.rows))
    answers, rounds = n * len(questions), config.refine.rounds
    mpx = sum(p.shape[0] * p.shape[1] for p in pixels) / 1e6
    outlining = rounds * seeds * (n * assumed.seed + mpx * assumed.seed_megapixel)
    names, layers = max(1, round(assumed.names / len(questions))), vlm._model.config.get_text_config().num_hidden_layers
    own, most = found.tail + limit, max(found.prefixes)
    flows = Counter[Op]()
    for prefix, count in Counter(found.prefixes).items():
        flows += flow_work(vlm, Shape(count, len(questions), prefix, own, names, layers), config.attention)
    size, each = f"{n} views, {mpx:.1f} megapixels", f"{n} × {found.image_tokens} image tokens"
    lines += [
        Line("pictures for the VLM", size, cpu_ms=n * assumed.picture + mpx * assumed.megapixel),
        Line("vision", each, found.work["vision"]),
        Line(
            "prefill of views",
            f"{n} × {most} tokens" if len(set(found.prefixes)) == 1 else " + ".join(map(str, found.prefixes)),
            found.work["prefill"],
        ),
        Line(
            "pictures for the segmenter",
            "beside prefill",
            cpu_ms=n * assumed.encoded + mpx * assumed.megapixel,
            hidden=assumed.hidden,
        ),
        Line("prefill of questions", f"{rows} rows × {found.tail} tokens", found.work["questions"]),
        Line("decode: steps", f"{loops} × {limit} steps of {rows} rows", found.of("step", limit), found.compiled),
        Line("decode: choice", f"{rows} rows", found.of("choice", limit), cpu_ms=loops * limit * assumed.looked),
        Line("segmenter's encoder", f"{n} views, beside decode", encoder, hidden=assumed.hidden),
        Line("answers", f"{answers}", cpu_ms=answers * assumed.answer),
        Line("attention flow", f"{n} × {assumed.names} names", flows, cpu_ms=n * assumed.names * assumed.name),
        Line("segmenter's decoder", f"{n} × {seeds} seeds, {rounds} × 3 passes", decoder),
        Line("masks and scores", f"{n * seeds} seeds", cpu_ms=outlining),
        Line("merge", f"{n * seeds} instances", cpu_ms=n * seeds * assumed.merged),
    ]
    kept = max(len(step.views) * (most + len(step.questions) * own) for step in steps)

    def need(rows: int, columns: int) -> memory.Memory:
        return memory.generation(vlm._model.config, torch.bfloat16, columns - own, found.tail, limit, rows, 1, kept)

    needs = [need(*loop) for loop in zip(found.rows, found.columns, strict=True)]
    held = {
        "VLM's weights": float(weights),
        "segmenter's weights": float(outlines),
        "keys and values": float(max(need.cache for need in needs)),
        "queries and keys kept": float(needs[0].kept),
        "activations": float(max(*(need.working for need in needs), *(op.bytes for op in encoder))),
        "driver, system, torch": card.used,
    }
    return Keyframe(lines, held, found, n * seeds)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", choices=CARDS, default="rtx4090")
    parser.add_argument("--profile", default="desktop", help=f"{', '.join(PROFILES[1:])}, or a YAML file (%(default)s)")
    parser.add_argument("--size", default="1920x1080", help="of the frame (%(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", help="options beside the profile's")
    parser.add_argument("--names", type=int, default=Assumed.names, help="that a view's answers name (%(default)s)")
    args = parser.parse_args()
    config = Config.from_file(profile_path(args.profile), dict(map(_change, args.set)))
    width, height = map(int, args.size.split("x"))
    card, assumed = CARDS[args.card], Assumed(names=args.names)
    found = keyframe(config, (height, width), card, assumed)
    print(f"Modelled, not measured; take it as ± 40 %: profile {args.profile} on a {card.name}, {width} × {height}\n")
    print(f"{config.vlm.model} in bfloat16, {config.segmenter.model}")
    print(f"card:    {_fields(card)}")
    print(f"assumed: {_fields(assumed)}\n")
    total = found.ms(card, assumed)
    heading: list[object] = ["stage", "of", "TFLOP", "GB", "launches", "ms"]
    rows: list[list[object]] = [heading]
    for line in found.lines:
        work = line.work or Counter()
        counts = [flops(work) / 1e12, moved(work) / 1e9, sum(work.values())] if line.work else ["", "", ""]
        rows.append([line.title, line.asks, *counts, round(line.ms(card, assumed))])
    rows.append(["keyframe", "the sum, critical path", "", "", "", round(total)])
    table(rows)
    used = sum(found.memory.values())
    parts = [[title, held / GIB] for title, held in found.memory.items()]
    table([["memory", "GiB"], *parts, ["in all", used / GIB], ["the card's", card.memory / GIB]])
    finish(
        card=args.card,
        profile=Path(args.profile).stem,
        size=args.size,
        measured=False,
        seconds=total / 1e3,
        stages_ms={line.title: round(line.ms(card, assumed), 1) for line in found.lines},
        memory_gib=used / GIB,
        card_gib=card.memory / GIB,
        rows=found.asked.rows,
        compiled=found.asked.compiled,
    )


def _change(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    words = {option.name for option in options() if option.type is str}
    return name, value if name in words else yaml.safe_load(value)


def _fields(value: Any) -> str:
    return ", ".join(f"{f.name} {v:.4g}" for f in fields(value) if isinstance(v := getattr(value, f.name), int | float))


if __name__ == "__main__":
    main()
