"""Every model on a pretended GPU: the CPU's results, no mixed devices, and how often the host waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_cogvlm
import tiny_grounders
import tiny_models
import tiny_sams
import torch
import transformers as hf
from fakes import FakeSegmenter
from pretend_counts import Counts
from pretend_cuda import pretended

from vlsam_ros import pipeline
from vlsam_ros.backends import load_grounder, load_segmenter, load_vlm
from vlsam_ros.backends.vlm.decoding import Decoder
from vlsam_ros.config import (
    AttentionOptions,
    Config,
    GrounderOptions,
    QuestionOptions,
    SegmenterOptions,
    VlmOptions,
    profile_path,
)
from vlsam_ros.data import ImageLayout, NamedMap, Pixels, Prompts
from vlsam_ros.localisation.refine import refine
from vlsam_ros.recognition.attention import named_maps

Results = list[Any]
"""Arrays, and values that are compared as they are."""


def noise(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(h * w).integers(0, 255, (h, w, 3), dtype=np.uint8)


def same(work: Callable[[str], Results], share: float = 1e-5) -> None:
    """Raises AssertionError unless a device's name makes no difference beyond a share of an array's largest number."""
    on_cpu = work("cpu")
    with pretended():
        on_device = work("cuda")
    assert on_cpu and len(on_cpu) == len(on_device)
    for one, other in zip(on_cpu, on_device, strict=True):
        if isinstance(one, np.ndarray) and one.dtype != bool:
            np.testing.assert_allclose(other, one, rtol=0, atol=share * max(1, np.abs(one).max(initial=0)))
        else:
            np.testing.assert_array_equal(other, one)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], object]], str]:
    """Builder -> the checkpoint that it makes."""
    return cache(lambda build: str(build(tmp_path_factory.mktemp("model"))))


VIEW, OTHER = noise(60, 100), noise(90, 120)
QUESTIONS = ["List every object.", "What is on the road, near or far away?"]
SAID = "a dog"


@pytest.mark.parametrize("family", [name for name in tiny_models.BUILDERS if name not in tiny_models.TWINS])
def test_a_vlm_answers_and_points_as_on_the_cpu(
    checkpoint: Callable, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkpoint(tiny_models.BUILDERS[family])

    def work(device: str) -> Results:
        vlm = load_vlm(VlmOptions(model=source, device=device, dtype="float32", max_new_tokens=2, compile="off"))
        views = [view.view(Pixels) for view in (VIEW, OTHER)]
        free = vlm.answer(views[0], QUESTIONS[:1])
        out: Results = [vlm.write(views[0], "Write 3 questions.", 2)]
        with monkeypatch.context() as patch:
            ids = vlm._tokenizer(SAID, add_special_tokens=False)["input_ids"]
            tiny_models.say(vlm, [*ids, 1], patch)
            forced = vlm.answer_views(views, QUESTIONS)
        for maps in named_maps(forced, QuestionOptions(), AttentionOptions()):
            assert [m.name for m in maps] == ["dog"] * 2 and all(m.heat.max() == 1 for m in maps)
            out += [m.heat for m in maps]
        for answer in (a for answers in (free, *forced) for a in answers):
            out += [answer.text, answer.truncated, np.array(answer.probabilities)]
        return out

    same(work)


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "qwen3_5", "instructblip", "cogvlm"])
def test_a_vlm_reads_and_compares_hidden_states_as_on_the_cpu(checkpoint: Callable, family: str) -> None:
    source = checkpoint({**tiny_models.BUILDERS, "cogvlm": tiny_cogvlm.build}[family])

    def work(device: str) -> Results:
        options = {"device": device, "dtype": "float32", "compile": "off", "trust_remote_code": family == "cogvlm"}
        vlm = load_vlm(VlmOptions(model=source, max_new_tokens=8, **options))
        views = [view.view(Pixels) for view in (VIEW, OTHER)]
        read = vlm.read(views, QUESTIONS, [[SAID, ""], ["", SAID]], hidden=-1)
        written = vlm.answer_views(views, QUESTIONS, hidden=-1)
        maps = named_maps(read, QuestionOptions(), AttentionOptions(preset="product", contrast="null"))
        out: Results = [m.heat for own in maps for m in own]
        assert len(out) == 2
        for answer in (a for own in (*read, *written) for a in own):
            out += [answer.text, np.array(answer.probabilities)]
            out += [(states + 0).cpu().numpy() for states in (answer.hidden.image, answer.hidden.answer)]
        return out

    same(work)


@pytest.mark.parametrize("options", [{"beams": 2}, {"temperature": 0.7}], ids=str)
def test_a_vlm_searches_as_on_the_cpu(checkpoint: Callable, options: dict[str, Any]) -> None:
    source = checkpoint(tiny_models.llava)

    def work(device: str) -> Results:
        vlm = load_vlm(
            VlmOptions(model=source, device=device, dtype="float32", max_new_tokens=5, compile="off", **options)
        )
        torch.manual_seed(0)
        answers = vlm.answer(VIEW, QUESTIONS)
        return [value for a in answers for value in (a.text, a.layer(0).whole().query.cpu().numpy())]

    same(work)


@pytest.mark.parametrize("build", [tiny_cogvlm.build, tiny_cogvlm.cogagent])
def test_cogvlm_answers_and_points_as_on_the_cpu(
    checkpoint: Callable, build: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkpoint(build)

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
            answered = vlm.answer_views([VIEW], QUESTIONS)
        out: Results = [vlm.write(VIEW, "Write 3 questions.", 3)]
        for answers in answered:
            out += [value for a in answers for value in (a.text, np.array(a.probabilities))]
            out += [m.heat for m in named_maps([answers], QuestionOptions(), AttentionOptions())[0]]
        assert len(out) == 1 + 2 * 2 + 2
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
        segmenter._encoder._most = 2  # on a CPU, too
        fresh = [view.copy() for view in (square, wide)]
        segmenter.prepare(fresh)
        embeddings = [segmenter.embed(view) for view in fresh]  # a resized view is not quite the same on a GPU
        given = Prompts(points, np.array([[1, 0], [1, -1], [0, 1]], np.int32))
        out: Results = []
        for prompts, many in ((given, True), (given.with_(boxes_xyxy=boxes), False)):
            found = segmenter.segment(embeddings[0], prompts, many)
            again = segmenter.segment(embeddings[0], prompts.with_(low_res=found.low_res[:, 0]), many).on_host()
            found = found.on_host()
            out += [found.low_res, found.iou, again.low_res, again.iou, embeddings[0].upscale(found.low_res[:, 0])]
        layout = ImageLayout(np.arange(64).reshape(8, 8), (0, 0, tiny_sams.SIDE, tiny_sams.SIDE))
        (instances,) = refine(segmenter, fresh[:1], [[NamedMap("car", heat, layout)]], Config())
        assert instances
        out += [value for d in instances for value in (d.mask.xyxy, d.mask.bits, np.array(d.score))]
        return out

    same(work, 5e-5)  # masks that go in again make what little differs more


@pytest.mark.parametrize("family", tiny_grounders.BUILDERS)
def test_a_grounder_finds_what_it_finds_on_the_cpu(checkpoint: Callable, family: str) -> None:
    source = checkpoint(tiny_grounders.BUILDERS[family])

    seen, other = noise(*tiny_grounders.INPUT_HW[family]), noise(*tiny_grounders.INPUT_HW[family])[::-1]

    def work(device: str) -> Results:
        options = {"threshold": 0.0, "max_boxes": 5, "dtype": "float32"}
        grounder = load_grounder(GrounderOptions(model=source, device=device, **options))
        views = [np.ascontiguousarray(view).view(Pixels) for view in (seen, other)]
        grounder.prepare(views)
        found = grounder.locate_views(views, [["car", "traffic cone", "tire", "?"], ["tire"]])
        assert len(found[0]) >= 3 and len(found[1])
        return [x for f in found for x in (f.xyxy, f.scores, f.names, *(m.bits for m in f.masks or ()))]

    same(work, 1e-4)  # sums of a batch are in another order, and masks as prompts make much of little


@contextmanager
def staged(counts: Counts, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is asked of the device inside the block belongs to the pipeline's stages, or to ``decode``."""
    timed, write = pipeline._timed, Decoder.write

    @contextmanager
    def counted(timings: dict[str, float], stage: str) -> Iterator[None]:
        with timed(timings, stage), counts.stage(stage):
            yield

    def decode(*args: Any, **kwargs: Any) -> Any:
        with counts.stage("decode"):
            return write(*args, **kwargs)

    with patch.context() as inside:
        inside.setattr(pipeline, "_timed", counted)
        inside.setattr(Decoder, "write", decode)
        yield


def say(detector: pipeline.VLSam, text: str, patch: pytest.MonkeyPatch) -> int:
    """Every answer is the text; how many tokens that takes, with its end."""
    ids = [*detector.vlm._tokenizer(text, add_special_tokens=False)["input_ids"], 1]  # type: ignore[attr-defined]
    tiny_models.say(detector.vlm, ids, patch)
    return len(ids)


@pytest.fixture
def looked(checkpoint: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int, str], tuple[Counts, int]]:
    """Layers, views, questions about each, and what every answer is -> counts of a look, and steps of an answer."""

    @cache
    def build(layers: int) -> Callable[[Path], Path]:
        text = hf.LlamaConfig(**{**tiny_models.TEXT, "num_hidden_layers": layers})
        return lambda folder: tiny_models.llava(folder, text)

    def look(layers: int, views: int, questions: int, text: str) -> tuple[Counts, int]:
        source = checkpoint(build(layers))
        with pretended() as counts:
            vlm = load_vlm(VlmOptions(model=source, device="cuda", dtype="float32", compile="off"))
            detector = pipeline.VLSam(vlm, FakeSegmenter())
            steps = say(detector, text, monkeypatch)
            counts.clear()
            with staged(counts, monkeypatch):
                frames = [noise(60, 100 + i).view(Pixels) for i in range(views)]
                looks = detector.look(frames, [f"What is here ({i})?" for i in range(questions)], defaultdict(float))
        assert [m.name for found in looks for m in found.maps] == ["dog"] * views
        return counts, steps

    return look


GROWTH = {"layers": ((2, 2, 2, "a dog"), (4, 2, 2, "a dog")), "questions": ((2, 2, 1, "a dog"), (2, 2, 3, "a dog"))}
GROWTH |= {
    "views": ((2, 2, 2, "a dog"), (2, 4, 2, "a dog")),
    "tokens": ((2, 2, 2, "dog"), (2, 2, 2, "I see here a dog")),
}


@pytest.mark.parametrize("what", GROWTH)
def test_the_host_waits_once_a_step_whatever_is_asked(looked: Callable, what: str) -> None:
    (small, few), (large, many) = (looked(*size) for size in GROWTH[what])
    for counter in ("waits", "uploads"):
        for stage in ("decode", "attention"):
            more = large.total(counter, stage) - small.total(counter, stage)
            expected = many - few if (counter, stage) == ("waits", "decode") else 0
            assert more == expected, "\n".join((stage, small.table(counter), large.table(counter)))


@pytest.mark.parametrize("what", ["questions", "views", "tokens"])
def test_the_flow_is_as_many_operations_whatever_is_asked(looked: Callable, what: str) -> None:
    small, large = (looked(*size)[0] for size in GROWTH[what])
    few, many = (counts.total("ops", "attention") for counts in (small, large))
    assert few == many, "\n".join((small.table("ops", 200), large.table("ops", 200)))


BOUNDS = {
    "vlm": {"waits": 14, "uploads": 12, "ops": 670},
    "decode": {"waits": 1, "uploads": 1, "ops": 4000},
    "attention": {"waits": 1, "uploads": 4, "ops": 175},
    "segmenter": {"waits": 1, "uploads": 6, "ops": 800},
}
"""What a keyframe of the desktop profile asks of the device at the most, with three decoder layers and two or three in
the encoders. `vlm` is views and questions on their way in, and the segmenter's encoder beside them; `decode` may wait
once a step besides."""


@pytest.mark.usefixtures("small_sams")
def test_a_keyframe_of_the_desktop_profile_is_bounded(checkpoint: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"vlm.model": checkpoint(tiny_models.qwen3_vl), "segmenter.model": checkpoint(tiny_sams.BUILDERS["sam2"])}
    config = Config.from_file(profile_path("desktop"), tiny | {"vlm.compile": "off"})
    with pretended() as counts:
        detector = pipeline.load(config)
        steps = say(detector, '["car", "cone"]', monkeypatch)
        counts.clear()
        with staged(counts, monkeypatch):
            result = detector(noise(1080, 1920))
    assert result.items and not result.skipped and not result.problems and counts.streams
    for what in ("waits", "uploads", "ops"):
        most = {stage: bounds[what] for stage, bounds in BOUNDS.items()}
        most["decode"] += steps if what == "waits" else 0
        beyond = {stage: n for stage, n in counts.by_stage(what).items() if n > most.get(stage, 0)}
        assert not beyond, f"{steps} steps; {counts.table(what, 60)}"
