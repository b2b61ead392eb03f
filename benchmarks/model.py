"""How long a keyframe of a profile should take on a card: from counts, bytes and operations, not from a measurement.

    python -m benchmarks.model --card rtx4090 --profile desktop

The profile's own code runs at its real size without numbers (see `benchmarks.work`). Every operation then takes as long
as its matrix product or the bytes that it moves, whichever is longer, on the card's published rates and a share of them
that is assumed; where kernels are launched one by one, at least as long as a launch. What a CPU does was measured on
one core and is scaled. Every answer is as long as the profile allows. Nothing of this was measured on a card: take it
as ± 40 %.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.common import MODELLED, finish, table
from benchmarks.counting import Op, Work, flops, moved
from benchmarks.work import Asked, Shape, asked, flow_work, questions_of, segmented, vlm_of, written
from vlsam_ros.backends.vlm import memory
from vlsam_ros.config import Config, options, profile_path
from vlsam_ros.ensemble.schedule import plan
from vlsam_ros.ensemble.tiling import views

GIB = memory.GIB


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
    """What a keyframe of a frame of this size takes.

    Raises:
        SystemExit: its models are none of those whose sizes are known, or their weights are to be quantised.
    """
    if config.vlm.quantisation != "none":
        raise SystemExit(
            f"vlm.quantisation: expected 'none', as weights move in bfloat16 here; got {config.vlm.quantisation!r}"
        )
    vlm, limit = vlm_of(config, tiny), config.vlm.max_new_tokens
    parts, questions = views(size_hw, config.views), questions_of(config)
    pixels = [np.zeros((*view.size_hw, 3), np.uint8) for view in parts]
    steps = plan(parts, questions, config.vlm.view_batch or len(parts), hurry=False)  # as where all fits the budget
    seeds = round(assumed.names * assumed.seeds)
    new = [
        [v for v in step.views if all(v not in before.views for before in steps[:i])] for i, step in enumerate(steps)
    ]
    looks = [[pixels[parts.index(view)] for view in some] for some in new if some]
    encoder, decoder, outlines = segmented(config, looks, seeds, tiny)
    weights = memory.weights_of(vlm._model, torch.bfloat16)
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
    parser.add_argument("--profile", default="desktop", help=f"{', '.join(MODELLED)}, or a YAML file (%(default)s)")
    parser.add_argument("--size", default="1920x1080", help="of the frame (%(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", help="options beside the profile's")
    parser.add_argument("--names", type=int, default=Assumed.names, help="that a view's answers name (%(default)s)")
    args = parser.parse_args()
    config = Config.from_file(profile_path(args.profile), dict(map(_change, args.set)))
    if config.grounder.mode != "attention":
        parser.error(f"only grounder.mode 'attention' is modelled, got {config.grounder.mode!r} in {args.profile}")
    width, height = map(int, args.size.split("x"))
    card, assumed = CARDS[args.card], Assumed(names=args.names)
    found = keyframe(config, (height, width), card, assumed)
    print(f"Modelled, not measured; take it as ± 40 %: profile {args.profile} on a {card.name}, {width} × {height}\n")
    print(f"{config.vlm.model} in bfloat16, {config.segmenter.model}")
    print(f"card:    {_fields(card)}")
    print(f"assumed, in ms where it is a time, a CPU's and a launch's times `cpu` of the card: {_fields(assumed)}\n")
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
