"""What `benchmarks.device` measures: the card, models by stage, whole frames; each part yields its rows one by one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch

from benchmarks import merge as merging
from benchmarks import real
from benchmarks.common import MODELLED
from benchmarks.obvious import obvious
from benchmarks.timing import GIB, Card, Row, Watch, flops, rows_of, settle, timed
from benchmarks.work import named
from vlsam_ros import pipeline
from vlsam_ros.backends.vlm.capture import listening
from vlsam_ros.backends.vlm.decoding import Asked, Bench
from vlsam_ros.backends.vlm.prompting import Prompter
from vlsam_ros.config import Config, profile_path
from vlsam_ros.data import Answer, Detections, ImageLayout, NamedMap, Pixels, Prompts
from vlsam_ros.ensemble.merge import merge
from vlsam_ros.ensemble.tiling import views
from vlsam_ros.localisation.refine import refine
from vlsam_ros.pipeline import VLSam
from vlsam_ros.recognition import attention
from vlsam_ros.synthetic.render import render
from vlsam_ros.synthetic.scene import sample_world

STAGES = (
    "processor",
    "vision",
    "prefill",
    "decode",
    "answers",
    "flow",
    "encoder",
    "decoder",
    "masks",
    "merging",
    "rest",
)
"""Of a frame: "answers" is what becomes of the decoder's output, "masks" what becomes of the segmenter's."""

SEED = 30_000_000
"""Of the first frame."""

PLACES = 2
"""Places of one name in a view, at the most: maps of random weights have peaks everywhere."""

GOAL = {
    "vlm.max_new_tokens": real.TOKENS,
    "vlm.view_tokens": 600,
    "views.far": 3,
    "views.near": 0,
    "views.tile_rows": 0,
    "questions.questions": [
        "List every object on or near the road as a JSON list of short names.",
        "Which things lie or stand on the road that do not belong there? Answer with a JSON list of short names.",
        "Which small or far away objects could a driver overlook? Answer with a JSON list of short names.",
    ],
}
"""The full frame and three far views, all of a size for the VLM; three questions."""

FEW = 8
"""Tokens of a short answer; what a longer one takes beyond it tells what a step does."""


@dataclass(frozen=True)
class Keyframe:
    """Models and settings of whole frames; `most_s` is the goal, 0 for none."""

    vlm: str
    segmenter: str
    options: Mapping[str, Any]
    most_s: float = 0.0
    note: str = ""


@dataclass
class Run:
    """What all parts share.

    Attributes:
        changes: options over those of every keyframe.
    """

    device: torch.device
    tiny: bool
    repeats: int
    changes: Mapping[str, Any]
    card: Card = field(init=False)

    @property
    def dtype(self) -> torch.dtype:
        """In which models compute."""
        return torch.float32 if self.device.type == "cpu" else torch.bfloat16

    def tokens(self, config: Config) -> int:
        """Of an answer: as many as the options allow, and no more than the goals have."""
        return min(12 if self.tiny else real.TOKENS, config.vlm.max_new_tokens)

    def frame(self, number: int = 0) -> np.ndarray:
        """A picture, uint8 (900, 1600, 3)."""
        image = render(sample_world(SEED + number, empty=False)).image
        return cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA) if self.tiny else image

    def config(self, options: Mapping[str, Any]) -> Config:
        """Options on this device."""
        here = {"vlm.device": str(self.device), "vlm.model": "embedded", "segmenter.model": "embedded"}
        here["segmenter.device"] = str(self.device)
        config = {**options, "prompts.max_seeds": PLACES, "merge.min_score": 0.0, "vlm.compile": "on"}
        config |= {**self.changes, **here}
        return Config.from_flat(config | ({"vlm.view_tokens": 64} if self.tiny else {}))

    def vlm(self, name: str, config: Config) -> Any:
        """A VLM with the options of a configuration."""
        return real.vlm(name, config.vlm, self.device, self.dtype, self.tiny, self.tokens(config))

    def segmenter(self, name: str) -> Any:
        """A segmenter in the precision that it has by default."""
        return real.segmenter(name, self.device, self.dtype, self.tiny)


def keyframes() -> dict[str, Keyframe]:
    """The goals, then the profiles with models of their sizes."""
    found = {
        "goal: Qwen3-VL-4B + SAM 2.1 small": Keyframe("Qwen3-VL-4B", "SAM 2.1 small", GOAL, 0.5),
        "goal: Qwen2.5-VL-7B + ViT-H": Keyframe("Qwen2.5-VL-7B", "ViT-H", GOAL, 1.0),
        "goal: Qwen3-VL-8B + ViT-H": Keyframe("Qwen3-VL-8B", "ViT-H", GOAL, 1.0),
    }
    for profile in MODELLED:
        options = Config.from_file(profile_path(profile)).flat()
        vlm, segmenter = named(options["vlm.model"], real.VLMS), named(options["segmenter.model"], real.SEGMENTERS)
        notes = []
        if options["vlm.quantisation"] != "none":
            notes.append(f"in bfloat16, not {options['vlm.quantisation']}")
        if options["questions.mode"] == "generated":  # what random weights write is no question
            longest = max(options["questions.questions"], key=len)
            options |= {"questions.mode": "fixed", "questions.questions": [longest] * options["questions.generated"]}
            notes.append("its own questions written beforehand")
        options["vlm.quantisation"] = "none"
        found[f"{profile}: {vlm} + {segmenter}"] = Keyframe(vlm, segmenter, options, note=", ".join(notes))
    return found


def card_part(run: Run) -> Iterator[Row]:
    """What the card can do; everything else is compared with it."""
    yield Row("bandwidth", 0, note=f"{run.card.bandwidth / 1e12:.3f} TB/s")
    yield Row("bfloat16 products", 0, note=f"{run.card.rate / 1e12:.1f} TFLOP/s")


def vlm_part(run: Run, name: str) -> Iterator[Row]:
    """One VLM: four views, three questions."""
    config = run.config(GOAL)
    started = perf_counter()
    vlm = run.vlm(name, config)
    yield Row("building", 1e3 * (perf_counter() - started), _held(run.device) / GIB)
    together, image = vlm._batch, run.frame()
    crops = [view.crop(image) for view in views(image.shape[:2], config.views)]
    bounds, compiled = bounds_of(run, vlm, crops, config), together._decoder.step
    one = Stepping(run, vlm, crops, config, bounds["step"])
    yield one("step, eager", vlm._model.get_decoder(), recorded=True)
    yield one("step, eager, not recorded", vlm._model.get_decoder(), recorded=False)
    started = perf_counter()
    vlm.warm_up(crops, config.questions.questions)
    settle(run.device)
    yield Row("warming up", 1e3 * (perf_counter() - started))
    watches, said = [], []
    for number in range(run.repeats + 1):
        watch = Watch(run.device)
        with watched(vlm, watch), watch.stage("rest"):
            said = vlm.answer_views(crops, config.questions.questions)
            attention.named_maps(said, config.questions, config.attention)
        watches += [watch] if number else []
    require_said([answer.text for own in said for answer in own])
    bounds |= {"decode": bounds["step"] * (run.tokens(config) + 1), "flow": flow_bound(run, said, config)}
    yield from rows_of(watches, STAGES, bounds)
    if not together.compiled:
        raise RuntimeError("the step was not compiled")
    yield one("step, compiled", compiled, recorded=True)
    yield one("step, compiled, not recorded", compiled, recorded=False)


def bounds_of(run: Run, vlm: Any, crops: Sequence[np.ndarray], config: Config) -> dict[str, float]:
    """Bounds in ms of what a VLM makes of questions about views: vision, prefill, and a step of all rows."""
    tower, seeing, asked = tower_of(vlm), [0], config.questions.questions
    forward = tower.forward

    def counted(*args: Any, **given: Any) -> Any:
        out: list[Any] = []
        seeing[0] += flops(lambda: out.append(forward(*args, **given)))
        return out[0]

    with torch.no_grad():
        seen = vlm._batch._see(crops, asked)
        whole = flops(lambda: vlm._batch._see(crops, asked))
        with patch.object(tower, "forward", counted):
            vlm._batch._see(crops, asked)
    half = run.tokens(config) // 2  # of an answer, on the average
    own = sum(len(tail) + half for tail in vlm._prompter.tails(asked))
    tokens = sum(len(asked) * len(s.prefix) + own for s in seen)
    return {
        "vision": run.card.bound(seeing[0]),
        "prefill": run.card.bound(whole - seeing[0], weight_bytes(vlm)),
        "step": run.card.bound(0, weight_bytes(vlm) + cache_bytes(vlm, tokens)),
    }


def weight_bytes(vlm: Any) -> int:
    """What a step reads of the weights: the decoder's, and the head's."""
    table = vlm._model.get_input_embeddings().weight
    head = vlm._model.get_output_embeddings().weight
    own = [p for p in vlm._model.get_decoder().parameters() if p is not table]
    return sum(p.numel() * p.element_size() for p in (*own, head))


def cache_bytes(vlm: Any, tokens: int) -> int:
    """Keys and values of so many tokens."""
    text = vlm._model.config.get_text_config()
    return 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim * tokens * vlm._model.dtype.itemsize


class Stepping:
    """Times a step of all questions about some views: a token of every row, by decoder and head, and its choice."""

    def __init__(self, run: Run, vlm: Any, crops: Sequence[np.ndarray], config: Config, bound_ms: float) -> None:
        self._run, self._vlm, self._bound_ms = run, vlm, bound_ms
        self._counts, asked = (2 if run.tiny else FEW, run.tokens(config)), config.questions.questions
        with torch.no_grad():
            seen, tails = vlm._batch._see(crops, asked), vlm._prompter.tails(asked)
        self._asked = [Asked(s.prefix, s.view, tails) for s in seen]
        bench, _ = vlm._batch._bench(seen, len(crops) * len(asked), max(map(len, tails)))
        size = bench.rows, bench.length, bench.tokens
        plain = Bench(vlm._model.config, *size, seen[0].prefix, records=False)
        self._benches = {True: bench, False: plain}

    def __call__(self, stage: str, call: Callable[..., Any], recorded: bool) -> Row:
        """What a long answer takes beyond a short one, for each token, where `call` runs the decoder."""
        few, many = self._counts
        stepping = patch.object(self._vlm._batch._decoder, "step", call)
        with torch.no_grad(), listening(self._vlm._model), stepping:
            short, _ = timed(self._run.device, partial(self._write, few, recorded), self._run.repeats, warm=2)
            long, gib = timed(self._run.device, partial(self._write, many, recorded), self._run.repeats, warm=2)
        return Row(stage, (long - short) / (many - few), gib, self._bound_ms)

    def _write(self, tokens: int, recorded: bool) -> None:
        together = self._vlm._batch
        limits = replace(self._vlm._limits, tokens=tokens, ends=(), repeats=lambda _: False)
        together._decoder.write(
            self._benches[recorded], self._asked, limits, together._fair, together._chooser(None), True
        )


def tower_of(vlm: Any) -> Any:
    """A VLM's vision tower."""
    inner = vlm._model.model
    return inner.vision_tower if hasattr(inner, "vision_tower") else inner.visual


@contextmanager
def watched(vlm: Any, watch: Watch, segmenter: Any = None) -> Iterator[None]:
    """The stages of a VLM, and of a detector with it, under a watch."""
    places: list[tuple[Any, str, str]] = [
        (Prompter, "__call__", "processor"),
        (tower_of(vlm), "forward", "vision"),
        (vlm._batch, "_prefix", "prefill"),
        (vlm._batch, "answers", "answers"),
        (vlm._batch._decoder, "write", "decode"),
        (attention, "flow", "flow"),
    ]
    if segmenter is not None:
        places += [
            (segmenter, "embed_views", "encoder"),
            (segmenter, "segment", "decoder"),
            (pipeline, "refine", "masks"),
            (pipeline, "merge", "merging"),
        ]
    with ExitStack() as stack:
        for owner, method, stage in places:
            stack.enter_context(patch.object(owner, method, watch.wrap(getattr(owner, method), stage)))
        yield


def flow_bound(run: Run, said: Sequence[Sequence[Answer]], config: Config) -> float:
    """Of the flow's products, at the rate of bfloat16's."""
    with torch.no_grad():
        return run.card.bound(flops(lambda: attention.named_maps(said, config.questions, config.attention)))


def require_said(texts: Sequence[str]) -> None:
    """Raises `RuntimeError` unless all answers are the taught one."""
    if wrong := [text for text in texts if text != real.ANSWER]:
        raise RuntimeError(f"expected the answer {real.ANSWER!r}, got {wrong[0]!r} ({len(wrong)} of {len(texts)})")


def segmenter_part(run: Run, name: str) -> Iterator[Row]:
    """One segmenter: views of a frame, and prompts at random."""
    config = run.config(GOAL)
    started = perf_counter()
    segmenter = run.segmenter(name)
    yield Row("building", 1e3 * (perf_counter() - started), _held(run.device) / GIB)
    image = run.frame()
    crops = [view.crop(image) for view in views(image.shape[:2], config.views)]
    one = run.card.bound(flops(lambda: segmenter.embed(crops[0])))
    for some in (crops[:1], crops):
        ms, gib = timed(run.device, partial(segmenter.embed_views, some), run.repeats)
        yield Row(f"encoder, {len(some)} views" if len(some) > 1 else "encoder", ms, gib, one * len(some))
    embedding, rng = segmenter.embed(crops[0]), np.random.default_rng(0)
    height, width = crops[0].shape[:2]
    for count in (1, 16, 64):
        points = rng.uniform(0, (width, height), (count, 2, 2)).astype(np.float32)
        decode = partial(decoded, segmenter, embedding, points)
        ms, gib = timed(run.device, decode, run.repeats)
        yield Row(f"decoder, {count} prompts", ms, gib, run.card.bound(flops(decode)))
    kept = [np.ascontiguousarray(crop).view(Pixels) for crop in crops]  # encoded once
    maps = [blobs(crop.shape[:2]) for crop in crops]
    ms, gib = timed(run.device, partial(refine, segmenter, kept, maps, config), run.repeats)
    note = f"{len(crops)} views, {len(real.NAMES)} names in {PLACES} places each, {config.refine.rounds} rounds"
    yield Row("outlining", ms, gib, note=note)


def decoded(segmenter: Any, embedding: Any, points_xy: np.ndarray) -> None:
    """Masks for prompts of a positive and a negative point each."""
    labels = np.tile(np.array([[1, 0]], np.int32), (len(points_xy), 1))
    segmenter.segment(embedding, Prompts(points_xy, labels), True)


def blobs(size_hw: tuple[int, int]) -> list[NamedMap]:
    """A map for each name, with two peaks that stand apart."""
    h, w = 28, 50
    layout = ImageLayout(np.arange(h * w).reshape(h, w), (0.0, 0.0, float(size_hw[1]), float(size_hw[0])))
    yy, xx = np.mgrid[:h, :w]
    found = []
    for i, name in enumerate(real.NAMES):
        spots = [(5 + 5 * i, 10 + 4 * i, 1.0), (22 - 4 * i, 30 + 4 * i, 0.9)]
        heat = sum(top * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 6) for y, x, top in spots)
        found.append(NamedMap(name, np.asarray(heat, np.float32), layout))
    return found


def grounder_part(run: Run, name: str) -> Iterator[Row]:
    """One grounder: a view and the names of an answer."""
    started = perf_counter()
    grounder = real.grounder(name, run.device, run.dtype, run.tiny)
    yield Row("building", 1e3 * (perf_counter() - started), _held(run.device) / GIB)
    locate = partial(grounder.locate, run.frame(), real.NAMES)
    ms, gib = timed(run.device, locate, run.repeats)
    yield Row(f"a view and {len(real.NAMES)} names", ms, gib, run.card.bound(flops(locate)))


def merge_part(run: Run) -> Iterator[Row]:
    """Merging, on large masks; on the CPU whatever the card."""
    config = run.config(GOAL)
    all_views = views(merging.SIZE_HW, config.views)
    for count in (16, 32) if run.tiny else (32, 160):
        found = merging.masks("discs", count, len(real.NAMES))
        ms, _ = timed(run.device, partial(merge, found, all_views, merging.SIZE_HW, config), run.repeats)
        yield Row(f"{count} masks of half a frame", ms)


def keyframe_part(run: Run, keyframe: Keyframe) -> Iterator[Row]:
    """Whole frames: as they come, stage by stage, and the obvious way if there is a goal."""
    config = run.config(keyframe.options)
    vlm, segmenter = run.vlm(keyframe.vlm, config), run.segmenter(keyframe.segmenter)
    detector = VLSam(vlm, segmenter, config)
    frames = [run.frame(number) for number in range(run.repeats)]
    asked = config.questions.questions
    crops = [view.crop(frames[0]) for view in views(frames[0].shape[:2], config.views)]
    bounds = bounds_of(run, vlm, crops, config)
    budget_s = config.node.latency_budget_s or None
    started = perf_counter()
    detector.warm_up(frames[0].shape[:2])
    detector(frames[0], budget_s)
    settle(run.device)
    yield Row("warming up", 1e3 * (perf_counter() - started), note=keyframe.note)
    found: list[Detections] = []
    ms = [timed(run.device, partial(_looked, detector, frame, budget_s, found), 1, warm=0) for frame in frames]
    require_said([text for result in found for _, _, text in result.answers])
    bounds |= {
        "decode": bounds["step"] * (run.tokens(config) + 1),
        "encoder": len(crops) * run.card.bound(flops(lambda: segmenter.embed(crops[0]))),
    }
    least = sum(bounds[stage] for stage in ("vision", "prefill", "decode", "encoder"))
    left_out = f", {len(found[-1].skipped)} views or questions left out" if found[-1].skipped else ""
    note = f"{len(crops)} views, {len(asked)} questions, {len(found[-1].items)} instances{left_out}"
    yield Row("keyframe", statistics.median(one for one, _ in ms), max(gib for _, gib in ms), least, note)
    watches = []
    for frame in frames[:2]:
        watches.append(watch := Watch(run.device))
        with watched(vlm, watch, segmenter), watch.stage("rest"):
            detector(frame, budget_s)
    yield from rows_of(watches, STAGES, bounds)
    if keyframe.most_s:
        slow = obvious(detector)
        slow.vlm.answer(crops[-1], asked[:1])
        one, gib = timed(run.device, partial(_looked, slow, frames[0], None, found), 1, warm=0)
        require_said([text for _, _, text in found[-1].answers])
        yield Row("the obvious way", one, gib)


def _looked(detector: VLSam, frame: np.ndarray, budget_s: float | None, found: list[Detections]) -> None:
    found.append(detector(frame, budget_s))


def _held(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
