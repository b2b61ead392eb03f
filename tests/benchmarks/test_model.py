"""The modelled keyframe: its counts against torch's own and against those of the pretended device."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
import torch
from pretend_cuda import pretended
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import model, real
from benchmarks.counting import Count, flops
from vlsam_ros.backends.vlm import decoding
from vlsam_ros.config import Config
from vlsam_ros.data import Pixels
from vlsam_ros.ensemble.schedule import Step, plan
from vlsam_ros.ensemble.tiling import views

CUDA, META, CPU = torch.device("cuda", 0), torch.device("meta"), torch.device("cpu")
SIZE_HW = (270, 480)
TOKENS = 8
QUESTIONS = ["What is on the road?", "List every object on or near the road.", "Anything else?"]
VLMS = ["Qwen3-VL-4B", "Qwen2.5-VL-7B", "LLaVA-1.5-7B"]
SEGMENTERS = ["ViT-H", "SAM 2.1 small", "EdgeTAM", "MobileSAM"]


def config(vlm: str, segmenter: str = "ViT-B", **options: object) -> Config:
    """The shape of a profile: the frame, two far views and tiles, three questions."""
    given = {
        "vlm.model": f"publisher/{vlm}",
        "vlm.max_new_tokens": TOKENS,
        "vlm.max_repeats": 0,
        "vlm.compile": "off",
        "segmenter.model": f"publisher/{segmenter}",
        "segmenter.dtype": "float32",
        "views.far": 2,
        "questions.questions": QUESTIONS,
    }
    return Config.from_flat(given | options)


def looks(config: Config) -> tuple[list[np.ndarray], list[Step]]:
    """The pixels of a frame's views, and who is asked what."""
    parts = views(SIZE_HW, config.views)
    hurry = config.node.latency_budget_s > 0
    steps = plan(parts, QUESTIONS, config.vlm.view_batch or len(parts), hurry)
    order = list(dict.fromkeys(v for step in steps for v in step.views))
    return [np.zeros((*v.size_hw, 3), np.uint8) for v in order], steps


@pytest.mark.parametrize("name", VLMS)
def test_products_are_those_that_torch_counts(name: str) -> None:
    work: dict[torch.device, int] = {}
    for device in (CPU, META):
        network = real.vlm_model(name, device, torch.float32, tiny=True)
        ids = torch.zeros(2, 9, dtype=torch.long)
        counter = FlopCounterMode(display=False) if device is CPU else Count()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:  # attention in other ways is not counted
            network.lm_head(network.get_decoder()(input_ids=ids).last_hidden_state)
        work[device] = counter.get_total_flops() if device is CPU else flops(counter.work[""])
    assert work[META] == work[CPU] > 1e6


@pytest.mark.parametrize("name", SEGMENTERS)
def test_products_of_segmenters_are_those_that_torch_counts(name: str) -> None:
    segmenter = real.segmenter(name, CPU, torch.float32, tiny=True)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        segmenter.embed(np.zeros((*SIZE_HW, 3), np.uint8))
    encoder, _, weights = model.segmented(config(VLMS[0], name), [np.zeros((*SIZE_HW, 3), np.uint8)], 1, tiny=True)
    assert flops(encoder) == counter.get_total_flops() > 1e6
    assert weights == sum(t.nbytes for t in real.segmenter_model(name, CPU, tiny=True).state_dict().values())


SHAPES: dict[str, dict[str, object]] = {
    "one loop": {"vlm.view_tokens": 60},
    "views by their own size": {},
    "two views at a time": {"vlm.view_tokens": 60, "vlm.view_batch": 2},
    "in a hurry": {"vlm.view_tokens": 60, "node.latency_budget_s": 3.0},
}


@pytest.mark.parametrize(
    ("name", "shape", "graph"),
    [*((name, "one loop", True) for name in VLMS), *((VLMS[0], shape, False) for shape in SHAPES)],
)
def test_counts_of_the_vlm_are_those_of_the_pretended_device(name: str, shape: str, graph: bool) -> None:
    """Equal to the last operation, as both run the same code: the model's on shapes alone, with a step or two."""
    chosen = config(name, **SHAPES[shape], **({"vlm.compile": "on"} if graph else {}))
    pixels, steps = looks(chosen)
    found = model.asked(model.vlm_of(chosen, tiny=True), pixels, steps, 1e12)
    loops: list[int] = []
    feeds = Counter[str]()
    write, feed = decoding.Decoder.write, decoding._Run.feed

    def looping(decoder: decoding.Decoder, bench: decoding.Bench, *rest: object) -> object:
        loops.append(bench.rows)
        return write(decoder, bench, *rest)

    def feeding(run: decoding._Run, *rest: object) -> object:
        feeds["steps"] += 1
        return feed(run, *rest)

    with (
        pretended() as counts,
        patch.object(decoding.Decoder, "write", looping),
        patch.object(decoding._Run, "feed", feeding),
    ):
        options = model.replace(chosen.vlm, compile="off")
        vlm = real.vlm(name, options, CUDA, torch.float32, tiny=True, tokens=TOKENS)
        vlm._batch.compiled = found.compiled
        counts.clear()
        with model.stages(vlm, counts.stage):
            shown = {v: np.zeros((*v.size_hw, 3), np.uint8).view(Pixels) for step in steps for v in step.views}
            for step in steps:
                answers = vlm.answer_views([shown[v] for v in step.views], step.questions)
    assert answers[0][0].text.startswith(real.ANSWER[:20])
    assert found.compiled is graph
    assert tuple(loops) == found.rows
    assert feeds["steps"] == len(found.rows) * TOKENS
    for stage in ("vision", "prefill", "questions", "step", "choice"):
        assert flops(found.of(stage, TOKENS)) == counts.total("flops", stage) > 0, stage
