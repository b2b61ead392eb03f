"""Every model on a pretended GPU: the CPU's results, no mixed devices, and how often the host waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_cogvlm
import tiny_grounders
import tiny_models
import tiny_sams
from pretend_cuda import pretended

from vlsam_ros.backends import load_grounder, load_segmenter, load_vlm
from vlsam_ros.config import AttentionOptions, Config, GrounderOptions, QuestionOptions, SegmenterOptions, VlmOptions
from vlsam_ros.data import ImageLayout, NamedMap, Pixels, Prompts
from vlsam_ros.localisation.refine import refine
from vlsam_ros.recognition.attention import named_maps

Results = list[Any]
"""Arrays, and values that are compared as they are."""


def noise(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(h * w).integers(0, 255, (h, w, 3), dtype=np.uint8)


def same(work: Callable[[str], Results]) -> None:
    """Raises AssertionError unless a device's name makes no difference to the results."""
    on_cpu = work("cpu")
    with pretended():
        on_device = work("cuda")
    assert on_cpu and len(on_cpu) == len(on_device)
    for one, other in zip(on_cpu, on_device, strict=True):
        if isinstance(one, np.ndarray) and one.dtype != bool:
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(other, one)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], object]], str]:
    """Builder -> the checkpoint that it makes."""
    return cache(lambda build: str(build(tmp_path_factory.mktemp("model"))))


VIEWS = [noise(60, 100).view(Pixels), noise(90, 120).view(Pixels)]
QUESTIONS = ["List every object.", "What is on the road, near or far away?"]
SAID = "cars, a dog"


@pytest.mark.parametrize("family", tiny_models.BUILDERS)
def test_a_vlm_answers_and_points_as_on_the_cpu(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkpoint(tiny_models.BUILDERS[family])

    def work(device: str) -> Results:
        vlm = load_vlm(VlmOptions(model=source, device=device, dtype="float32", max_new_tokens=2, compile="off"))
        free = vlm.answer(VIEWS[0], QUESTIONS[:1])
        out: Results = [vlm.write(VIEWS[0], "Write 3 questions.", 2)]
        with monkeypatch.context() as patch:
            ids = vlm._tokenizer(SAID, add_special_tokens=False)["input_ids"]
            tiny_models.say(vlm, [*ids, 1], patch)
            forced = vlm.answer_views(VIEWS, QUESTIONS)
        for answers in forced:
            maps = named_maps(answers, QuestionOptions(), AttentionOptions())
            assert [m.name for m in maps] == ["car", "dog"] * 2 and all(m.heat.max() == 1 for m in maps)
            out += [m.heat for m in maps]
        for answer in (a for answers in (free, *forced) for a in answers):
            out += [answer.text, answer.truncated, np.array(answer.probabilities)]
        return out

    same(work)


def test_cogvlm_answers_and_points_as_on_the_cpu(checkpoint: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    source = checkpoint(tiny_cogvlm.build)

    def work(device: str) -> Results:
        options = VlmOptions(model=source, device=device, dtype="float32", trust_remote_code=True)
        vlm = load_vlm(options)
        head, ids = vlm._model.lm_head.forward, iter([*vlm._tokenizer(SAID)["input_ids"], 1] * 2)

        def forced(hidden: Any) -> Any:
            logits = head(hidden)
            logits[:, -1, next(ids)] = 1e4
            return logits

        with monkeypatch.context() as patch:
            patch.setattr(vlm._model.lm_head, "forward", forced)
            answered = vlm.answer_views([VIEWS[0]], QUESTIONS)
        out: Results = [vlm.write(VIEWS[0], "Write 3 questions.", 3)]
        for answers in answered:
            out += [value for a in answers for value in (a.text, np.array(a.probabilities))]
            out += [m.heat for m in named_maps(answers, QuestionOptions(), AttentionOptions())]
        assert len(out) == 1 + 2 * 2 + 2 * 2
        return out

    same(work)


@pytest.fixture
def small_sams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    tiny_sams.shrink(monkeypatch)
    yield


@pytest.mark.usefixtures("small_sams")
@pytest.mark.parametrize("kind", tiny_sams.BUILDERS)
def test_a_segmenter_outlines_as_on_the_cpu(checkpoint: Callable, kind: str) -> None:
    source = checkpoint(tiny_sams.BUILDERS[kind])
    square, wide = (noise(*size).view(Pixels) for size in ((tiny_sams.SIDE, tiny_sams.SIDE), (70, 100)))
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 60, (3, 2, 2)).astype(np.float32)
    boxes = rng.uniform(0, 30, (3, 2, 2)).cumsum(1).reshape(3, 4).astype(np.float32)
    heat = rng.uniform(size=(8, 8)).astype(np.float32)

    def work(device: str) -> Results:
        segmenter = load_segmenter(SegmenterOptions(model=source, device=device, dtype="float32"))
        fresh = [view.copy() for view in (square, wide)]
        segmenter.prepare(fresh)
        embeddings = [segmenter.embed(view) for view in fresh]  # a resized view is not quite the same on a GPU
        given = Prompts(points, np.array([[1, 0], [1, -1], [0, 1]], np.int32))
        out: Results = []
        for prompts, many in ((given, True), (given.with_(boxes_xyxy=boxes), False)):
            found = segmenter.segment(embeddings[0], prompts, many)
            again = segmenter.segment(embeddings[0], prompts.with_(low_res=found.low_res[:, 0]), many)
            out += [found.low_res, found.iou, again.low_res, again.iou, embeddings[0].upscale(found.low_res[:, 0])]
        layout = ImageLayout(np.arange(64).reshape(8, 8), (0, 0, tiny_sams.SIDE, tiny_sams.SIDE))
        instances = refine(segmenter, fresh[0], [NamedMap("car", heat, layout)], Config(), embeddings[0])
        assert instances
        out += [value for d in instances for value in (d.mask.xyxy, d.mask.bits, np.array(d.score))]
        return out

    same(work)


@pytest.mark.parametrize("family", tiny_grounders.BUILDERS)
def test_a_grounder_finds_what_it_finds_on_the_cpu(checkpoint: Callable, family: str) -> None:
    source = checkpoint(tiny_grounders.BUILDERS[family])

    def work(device: str) -> Results:
        options = {"threshold": 0.0, "max_boxes": 5, "dtype": "float32"}
        found = load_grounder(GrounderOptions(model=source, device=device, **options)).locate(
            VIEWS[0], ["car", "traffic cone", "tire", "?"]
        )
        assert len(found) >= 3
        return [found.xyxy, found.scores, found.names, *(m.bits for m in found.masks or ())]

    same(work)
