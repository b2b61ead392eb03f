"""The modelled keyframe: its counts against torch's own and against those of the pretended device."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from pretend_cuda import pretended
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import model, real, work
from benchmarks.counting import Count, Op, flops, halved, moved, times
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


CARD = model.Card("a card", bandwidth=1e12, matrix=1e14, single=1e13, memory=1e10, cpu=2.0)
PLAIN = model.Assumed(matrix=0.5, bandwidth=0.5, launch=0.01, graph=0.001)


@pytest.mark.parametrize(
    ("op", "alone", "in_graph"),
    [
        pytest.param(Op(10**12, 10**6, False), 20.0, 20.0, id="product"),
        pytest.param(Op(10**12, 10**6, True), 200.0, 200.0, id="product in float32"),
        pytest.param(Op(10**6, 10**9, False), 2.0, 2.0, id="bytes"),
        pytest.param(Op(10, 10, False), 0.02, 0.001, id="launch"),
        pytest.param(Op(0, 10, False), 0.02, 2e-8, id="part of another in a graph"),
        pytest.param(Op(0, 10**9, False), 2.0, 2.0, id="copy"),
    ],
)
def test_an_operation_takes_what_is_longest(op: Op, alone: float, in_graph: float) -> None:
    three = Counter({op: 3})
    assert model.milliseconds(three, CARD, PLAIN) == pytest.approx(3 * alone)
    assert model.milliseconds(three, CARD, PLAIN, graph=True) == pytest.approx(3 * in_graph)
    assert model.milliseconds(times(three, 2), CARD, PLAIN) == pytest.approx(6 * alone)


@pytest.mark.parametrize(
    ("text", "known", "name"),
    [
        ("Qwen/Qwen3-VL-4B-Instruct", real.VLMS, "Qwen3-VL-4B"),
        ("/models/qwen3_vl_8b_instruct_awq/", real.VLMS, "Qwen3-VL-8B"),
        ("llava-hf/llava-1.5-7b-hf", real.VLMS, "LLaVA-1.5-7B"),
        ("vit_h:/opt/models/sam_vit_b.pth", real.SEGMENTERS, "ViT-H"),
        ("vit_t:mobile_sam.pt", real.SEGMENTERS, "MobileSAM"),
        ("facebook/sam2.1-hiera-tiny", real.SEGMENTERS, "SAM 2.1 tiny"),
        ("yonigozlan/EdgeTAM-hf", real.SEGMENTERS, "EdgeTAM"),
    ],
)
def test_a_model_is_known_by_its_name(text: str, known: tuple[str, ...], name: str) -> None:
    assert work.named(text, known) == name


def test_a_model_that_nobody_knows_the_sizes_of_is_named() -> None:
    with pytest.raises(SystemExit, match="Qwen3-VL-2B.*got 'embedded'"):
        work.named("embedded", real.VLMS)


def test_weights_that_are_to_be_quantised_are_refused() -> None:
    with pytest.raises(SystemExit, match="vlm.quantisation: expected 'none'.*got 'int4'"):
        model.keyframe(config(VLMS[0], **{"vlm.quantisation": "int4"}), SIZE_HW, CARD, PLAIN, tiny=True)


@pytest.mark.parametrize(
    ("card", "profile", "most_s"), [("rtx4090", "desktop", 1.0), ("orin", "jetson", 3.0), ("orin32", "jetson", 3.0)]
)
def test_profiles_fit_their_cards(
    card: str, profile: str, most_s: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["model", "--card", card, "--profile", profile])
    model.main()
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert lines[0].startswith("Modelled, not measured") and found["measured"] is False
    assert found["compiled"] and len(found["rows"]) == 1  # all of the keyframe in one loop
    assert sum(found["stages_ms"].values()) == pytest.approx(1e3 * found["seconds"], abs=1)
    assert 0.3 * most_s < found["seconds"] <= most_s
    assert found["memory_gib"] <= found["card_gib"]


@pytest.mark.parametrize("name", VLMS)
def test_products_are_those_that_torch_counts(name: str) -> None:
    found: dict[torch.device, int] = {}
    for device in (CPU, META):
        network = real.vlm_model(name, device, torch.float32, tiny=True)
        ids = torch.zeros(2, 9, dtype=torch.long)
        counter = FlopCounterMode(display=False) if device is CPU else Count()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:  # attention in other ways is not counted
            network.lm_head(network.get_decoder()(input_ids=ids).last_hidden_state)
        found[device] = counter.get_total_flops() if device is CPU else flops(counter.work[""])
    assert found[META] == found[CPU] > 1e6


@pytest.mark.parametrize("name", SEGMENTERS)
def test_products_of_segmenters_are_those_that_torch_counts(name: str) -> None:
    segmenter = real.segmenter(name, CPU, torch.float32, tiny=True)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        segmenter.embed(np.zeros((*SIZE_HW, 3), np.uint8))
    encoder, _, weights = work.segmented(config(VLMS[0], name), [[np.zeros((*SIZE_HW, 3), np.uint8)]], 1, tiny=True)
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
    found = work.asked(work.vlm_of(chosen, tiny=True), pixels, steps, 1e12)
    loops: list[int] = []
    feeds = Counter[str]()
    write, feed = decoding.Decoder.write, decoding._Run.feed

    def looping(decoder: decoding.Decoder, bench: decoding.Bench, *rest: Any, **more: Any) -> decoding.Written:
        loops.append(bench.rows)
        return write(decoder, bench, *rest, **more)

    def feeding(run: decoding._Run, *rest: Any) -> torch.Tensor:
        feeds["steps"] += 1
        return feed(run, *rest)

    with (
        pretended() as counts,
        patch.object(decoding.Decoder, "write", looping),
        patch.object(decoding._Run, "feed", feeding),
    ):
        options = replace(chosen.vlm, compile="off")
        vlm = real.vlm(name, options, CUDA, torch.float32, tiny=True, tokens=TOKENS)
        vlm._batch.compiled = found.compiled
        counts.clear()
        with work.stages(vlm, counts.stage):
            shown = {v: np.zeros((*v.size_hw, 3), np.uint8).view(Pixels) for step in steps for v in step.views}
            for step in steps:
                answers = vlm.answer_views([shown[v] for v in step.views], step.questions)
    assert answers[0][0].text.startswith(real.ANSWER[:20])
    assert found.compiled is graph
    assert tuple(loops) == found.rows
    assert feeds["steps"] == len(found.rows) * TOKENS
    for stage in ("vision", "prefill", "questions", "step", "choice"):
        assert flops(found.of(stage, TOKENS)) == counts.total("flops", stage) > 0, stage


@pytest.mark.parametrize("name", SEGMENTERS)
def test_counts_of_a_segmenter_are_those_of_the_pretended_device(name: str) -> None:
    chosen = config(VLMS[0], name, **{"segmenter.batch": 4, "views.far": 0, "views.tile_rows": 1})
    pixels, _ = looks(chosen)
    encoder, decoder, _ = work.segmented(chosen, [pixels], 3, tiny=True)
    with pretended() as counts:
        segmenter = real.segmenter(name, CUDA, torch.float32, tiny=True)
        counts.clear()
        with counts.stage("encoder"):
            embeddings = segmenter.embed_views(pixels)
        with counts.stage("decoder"):
            work.outline(segmenter, [e for e in embeddings for _ in range(3)], chosen)
    assert flops(encoder) == counts.total("flops", "encoder") > 1e6
    assert flops(decoder) == counts.total("flops", "decoder") > 1e6


@pytest.mark.parametrize("options", [{}, {"attention.preset": "decaf"}, {"attention.flow": "last"}], ids=str)
def test_counts_of_the_flow_are_those_of_the_pretended_device(options: dict[str, object]) -> None:
    chosen = config(VLMS[0], **options)
    vlm = work.vlm_of(chosen, tiny=True)
    text, layout = vlm._model.config.get_text_config(), vlm._prompter(np.zeros((64, 64, 3), np.uint8), ["?"]).layout
    shape = work.Shape(views=3, questions=2, prefix=70, own=30, names=2, layers=text.num_hidden_layers)
    with pretended() as counts:
        work.flowed(text, layout, shape, chosen.attention, CUDA)
    assert flops(work.flow_work(vlm, shape, chosen.attention)) == counts.total("flops") > 1e6


@pytest.mark.parametrize(
    ("call", "bytes_moved"),
    [
        pytest.param(lambda x: x + 1, 2 * 96, id="read and written"),
        pytest.param(lambda x: x[1:].T, 0, id="a view"),
        pytest.param(lambda x: x.expand(5, 4, 6).sum(), 96 + 4, id="expanded, read once"),
        pytest.param(lambda x: x[torch.tensor([0, 2])], 2 * 48, id="rows of it"),
        pytest.param(lambda x: x.index_copy_(0, torch.tensor([1]), x[:1]), 2 * 24, id="a row into it"),
    ],
)
def test_bytes_are_those_that_are_moved(call: Callable[[torch.Tensor], object], bytes_moved: int) -> None:
    x = torch.empty(4, 6, device=META)
    with Count() as count:
        call(x)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()  # nothing of the block stays
    assert moved(count.work[""]) == bytes_moved
    assert moved(halved(count.work[""])) == bytes_moved // 2


def test_what_the_host_knows_stays_known() -> None:
    with Count() as count:
        mask = (torch.arange(6) > 3).to(META)
        picked = torch.empty(6, 2, device=META)[mask]
        assert picked.is_meta and picked.shape == (2, 2)
        assert torch.ones(3).to(META).is_meta
        assert picked.sum().item() and picked.argmax(1).tolist() == [0, 0] and bool(picked.isfinite().all())
    assert sum(count.work[""].values()) > 0
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
