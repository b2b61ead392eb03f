"""The real sizes without the real weights: one 1280 × 720 view through the whole pipeline, on the CPU, one thread.

Qwen2.5-VL-3B's configuration with random bfloat16 weights, and SAM ViT-H with random float32 weights. Random weights
name nothing, so the answer is forced; time and memory follow from the sizes alone, masks and scores mean nothing. The
peak memory while the detector answers and makes its maps is compared with that of plain generation of the same tokens.

Then what models that may not fit here would need, from their configurations, built on the meta device.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import transformers as hf
from segment_anything import sam_model_registry
from torch import nn

from benchmarks.common import alone, finish, header, table
from benchmarks.models import qwen, qwen_config, saying
from benchmarks.stages import STAGES, Clock, watched
from vlsam_ros.backends.segmenter.sam import SamSegmenter
from vlsam_ros.backends.segmenter.segment_anything_sam import SegmentAnything
from vlsam_ros.backends.vlm import memory
from vlsam_ros.config import Config
from vlsam_ros.data import Prompts, Segments
from vlsam_ros.pipeline import VLSam

SAID = "traffic cone, dog, cardboard box, stroller"
OPTIONS = {"views.far": 0, "views.tile_rows": 0, "merge.min_score": 0.0}
QUESTION_TOKENS, ANSWER_TOKENS, QUESTIONS = 40, 64, 10
QWEN_3B = (2048, 11_008, 36, 16, 2, True)
QWEN_7B = (3584, 18_944, 28, 28, 4, False)


class LateSam:
    """SAM ViT-H, built when the first view comes to it: until then the memory is the VLM's alone."""

    name, demonstration = "vit_h, random weights", False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def embed(self, view: np.ndarray) -> Any:
        """See `Segmenter`."""
        with self._clock.stage("building"):
            device = torch.device("cpu")
            networks = SegmentAnything(sam_model_registry["vit_h"](), device)
            self._sam = SamSegmenter(networks, self.name, False, device, torch.float32)
        return self._sam.embed(view)

    def embed_views(self, views: Sequence[np.ndarray]) -> list[Any]:
        """See `Segmenter`."""
        return [self.embed(view) for view in views]

    def boxes(self, embeddings: Sequence[Any], low_res: Any) -> Any:
        """See `Segmenter`."""
        return self._sam.boxes(embeddings, low_res)

    def segment(self, embedding: Any, prompts: Prompts, multimask: bool) -> Segments:
        """See `Segmenter`."""
        return self._sam.segment(embedding, prompts, multimask)


def inside(args: argparse.Namespace) -> None:
    """Plain generation, then the pipeline, in this process."""
    torch.set_num_threads(1)
    vlm = qwen(qwen_config(*QWEN_3B), ANSWER_TOKENS)
    view = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    config, clock, plain = Config.from_flat(OPTIONS), Clock(), Clock()
    detector = VLSam(vlm, LateSam(clock), config)
    model = vlm._model
    prompt = vlm._prompter(view, config.questions.questions)
    ids = [*vlm._tokenizer(SAID)["input_ids"], *vlm._ends]
    with patch.object(model, "generate", saying(model.generate, ids)):
        with torch.inference_mode(), watched(detector, plain), plain.stage("rest"):
            said = model.generate(**prompt.inputs(torch.cat([prompt.prefix, prompt.tails[0]])), **vlm._search)
        with watched(detector, clock), clock.stage("rest"):
            found = detector(view)
    if found.answers[0][2] != SAID:
        raise SystemExit(f"expected the answer {SAID!r}, got {found.answers[0][2]!r}")
    need = memory.generation(
        model.config, model.dtype, len(prompt.prefix), len(prompt.tails[0]), ANSWER_TOKENS
    ).total + memory.weights_of(model, model.dtype)
    finish(
        tokens=int(said.shape[1]),
        image_tokens=int(prompt.layout.columns.size),
        instances=len(found),
        estimate=need,
        seconds={s: round(clock.seconds[s], 2) for s in STAGES},
        peak={s: clock.peak_bytes[s] for s in STAGES},
        plain_seconds={s: round(plain.seconds[s], 2) for s in STAGES},
        plain_peak={s: plain.peak_bytes[s] for s in STAGES},
    )


def cogvlm() -> tuple[nn.Module, hf.PreTrainedConfig]:
    """CogVLM-17B's weights by shape, as its own code is not at hand, and its configuration."""
    tower = {"hidden_size": 1792, "intermediate_size": 15_360, "num_hidden_layers": 63, "patch_size": 14}
    config = hf.PreTrainedConfig(
        hidden_size=4096,
        intermediate_size=11_008,
        num_hidden_layers=32,
        num_attention_heads=32,
        vocab_size=32_000,
        vision_config=tower,
    )

    def linears(*sizes: tuple[int, int], bias: bool = False) -> nn.ModuleList:
        return nn.ModuleList(nn.Linear(a, b, bias) for a, b in sizes)

    mlp = [(4096, 11_008), (4096, 11_008), (11_008, 4096)]
    expert = [(4096, 3 * 4096), (4096, 4096), *mlp]
    block = [(1792, 3 * 1792), (1792, 1792), (1792, 15_360), (15_360, 1792)]
    vision = [
        nn.Embedding(1226, 1792),
        nn.Conv2d(3, 1792, 14, 14),
        *(linears(*block, bias=True) for _ in range(63)),
        linears((1792, 4096), *mlp),
    ]
    language = [nn.Embedding(32_000, 4096), *(linears(*expert, *expert) for _ in range(32)), linears((4096, 32_000))]
    return nn.ModuleDict({"vision": nn.ModuleList(vision), "language": nn.ModuleList(language)}), config


def estimates() -> list[list[object]]:
    """What models need for one view: weights, then in all with one question and with ten at once, in GiB."""
    llava = hf.LlavaConfig(
        text_config=hf.LlamaConfig(vocab_size=32_064),
        vision_config=hf.CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
            projection_dim=768,
        ),
    )
    with torch.device("meta"):
        cog, cog_config = cogvlm()
        built = [
            ("Qwen2.5-VL-3B", qwen_config(*QWEN_3B), None, 1196, QUESTIONS),
            ("Qwen2.5-VL-7B", qwen_config(*QWEN_7B), None, 1196, QUESTIONS),
            ("LLaVA-1.5-7B", llava, None, 576, QUESTIONS),
            ("CogVLM-17B", cog_config, cog, 1227, QUESTIONS),
        ]
        models = [(n, c, m or hf.AutoModelForImageTextToText.from_config(c), t, q) for n, c, m, t, q in built]
    rows: list[list[object]] = []
    for name, config, model, tokens, questions in models:
        for quantisation in ("none", "int4"):
            held = memory.weights_of(model, torch.bfloat16, quantisation)
            sizes = config, torch.bfloat16, tokens + 8, QUESTION_TOKENS, ANSWER_TOKENS
            one = held + memory.generation(*sizes).total
            many = held + memory.generation(*sizes, 1, questions).total
            if name.startswith("CogVLM"):  # its questions are asked one by one
                many = held + memory.generation(*sizes, kept=sum(sizes[2:]) * questions).total
            numbers = sum(p.numel() for p in model.parameters()) / 1e9
            rows.append([name, quantisation, numbers, *(n / memory.GIB for n in (held, one, many))])
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", action="store_true", help="only the measurement, in this process")
    parser.add_argument("--estimates", action="store_true", help="only the estimates, which take no memory")
    args = parser.parse_args()
    if args.inside:
        return inside(args)
    torch.set_num_threads(1)
    header("Real sizes, random weights: Qwen2.5-VL-3B in bfloat16, SAM ViT-H in float32, one view of 1280 × 720")
    rows = estimates()
    table([["estimate, GiB", "quantised", "10⁹ weights", "weights", "1 question", "10 questions"], *rows])
    figures: dict[str, object] = {"estimate_gib": {f"{r[0]} {r[1]}": round(float(r[4]), 2) for r in rows}}
    if not args.estimates:
        run = alone("benchmarks.scale", "--inside", return_memory=True)
        gib = {k: {s: b / memory.GIB for s, b in run[k].items()} for k in ("peak", "plain_peak")}
        stages = [[s, run["plain_seconds"][s], gib["plain_peak"][s], run["seconds"][s], gib["peak"][s]] for s in STAGES]
        table([["stage", "plain CPU s", "peak GiB", "pipeline CPU s", "peak GiB"], *stages])
        answering = [s for s in STAGES if s in ("vision", "prefill", "decode", "flow")]
        peaks = [max(gib[k][s] for s in answering) for k in ("plain_peak", "peak")]
        figures |= {
            "peak_ratio": peaks[1] / peaks[0],
            "plain_peak_gib": peaks[0],
            "answering_peak_gib": peaks[1],
            "estimated_gib": run["estimate"] / memory.GIB,
            "total_peak_gib": max(gib["peak"].values()),
            "seconds": run["seconds"],
            "image_tokens": run["image_tokens"],
            "tokens": run["tokens"],
        }
    finish(**figures)


if __name__ == "__main__":
    main()
