"""A real server with a real model behind it: transformers' own, which serves the embedded VLM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import FakeGrounder, FakeSegmenter
from served import transformers_serve

from vlsam_ros.backends import load_segmenter, load_vlm
from vlsam_ros.backends.interfaces import Vlm
from vlsam_ros.config import AttentionOptions, Config, QuestionOptions, VlmOptions
from vlsam_ros.data import Pixels
from vlsam_ros.embedded import QUESTIONS
from vlsam_ros.errors import VlmError
from vlsam_ros.pipeline import VLSam
from vlsam_ros.recognition.attention import named_maps

ROAD = cv2.imread(str(Path(__file__).parents[3] / "docs" / "road.jpg"))[..., ::-1]
VIEWS = [np.ascontiguousarray(view) for view in (ROAD, ROAD[200:600, 300:1000])]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VlmOptions]:
    """Of the real server, which is sent every pixel."""
    with transformers_serve(tmp_path_factory.mktemp("served")) as model:
        yield VlmOptions(model=model, server_image_px=4096, server_image_quality=0)


@pytest.fixture(scope="module")
def own() -> Vlm:
    return load_vlm(VlmOptions(device="cpu", dtype="float32"))


def test_it_writes_what_the_model_writes_here(options: VlmOptions, own: Vlm) -> None:
    served, here = load_vlm(options), own.answer_views(VIEWS, QUESTIONS[:2])
    there = served.answer_views(VIEWS, QUESTIONS[:2])
    assert (served.name, served.demonstration, served.attends) == ("embedded-vlm", True, False)
    assert [[a.text for a in view] for view in there] == [[a.text for a in view] for view in here]
    assert not any(a.truncated or a.looped or a.failed for view in there for a in view) and here[0][0].text
    assert served.write(VIEWS[0], QUESTIONS[0], 2)[1] and not served.write(VIEWS[0], QUESTIONS[0], 64)[1]


def test_it_names_things_in_a_smaller_jpeg_and_a_grounder_places_them(options: VlmOptions) -> None:
    small = replace(options, server_image_px=800, server_image_quality=90)
    flat = {"grounder.mode": "grounder", "grounder.model": "fake", "views.tile_rows": 0, "views.far": 0}
    found = VLSam(load_vlm(small), FakeSegmenter(), Config.from_flat(flat), FakeGrounder())(VIEWS[0])
    assert found.demonstration and not found.problems and found.answers[0][2].count(",") >= 1


def test_another_model_is_refused_and_that_is_said(options: VlmOptions) -> None:
    (answer,) = load_vlm(replace(options, model=f"{options.model}_plain")).answer(VIEWS[1], QUESTIONS[:1])
    assert "refused (400): Server is pinned to" in answer.failed


def test_a_frame_in_two_passes_is_that_of_one(options: VlmOptions, own: Vlm) -> None:
    served = load_vlm(replace(options, replay="embedded", device="cpu", dtype="float32"))
    config = Config.from_flat({"views.tile_rows": 0, "views.far": 0, "verify.ask": False})
    segmenter = load_segmenter(config.segmenter)
    one, two = (VLSam(vlm, segmenter, config)(VIEWS[1]) for vlm in (own, served))
    assert [d.label for d in two.items] == [d.label for d in one.items] and len(one.items) > 1
    for a, b in zip(one.items, two.items, strict=True):
        np.testing.assert_allclose(a.xyxy, b.xyxy, atol=1.0)
        assert a.score == pytest.approx(b.score, abs=1e-3)


def test_a_local_copy_reads_what_there_is(options: VlmOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that failed is no obstacle for those beside it."""
    served = load_vlm(replace(options, replay="embedded", device="cpu", dtype="float32"))
    write = served._client.write

    async def some(content: list[dict[str, str]], settings: object) -> object:
        if content[1]["text"] == QUESTIONS[1]:
            raise VlmError("no answer within 1 s")
        return await write(content, settings)

    monkeypatch.setattr(served._client, "write", some)
    first, failed = served.answer(VIEWS[1], QUESTIONS[:2])
    assert first.layers and first.text and not first.failed
    assert (failed.text, failed.failed) == ("", "no answer within 1 s")
    (maps,) = named_maps([[first, failed]], QuestionOptions(), AttentionOptions())
    assert maps and {m.question for m in maps} == {QUESTIONS[0]}


def test_a_local_copy_gives_the_attention_that_the_model_has_here(options: VlmOptions, own: Vlm) -> None:
    served = load_vlm(replace(options, replay="embedded", device="cpu", dtype="float32"))
    asked, attention = QuestionOptions(), AttentionOptions()
    here, there = (vlm.answer_views([v.view(Pixels) for v in VIEWS], QUESTIONS[:2]) for vlm in (own, served))
    assert served.attends and served.demonstration
    expected, got = (named_maps(answers, asked, attention) for answers in (here, there))
    assert [[m.name for m in view] for view in got] == [[m.name for m in view] for view in expected]
    assert all(len(view) > 1 for view in expected)
    for a, b in zip(sum(expected, []), sum(got, []), strict=True):
        np.testing.assert_allclose(a.heat, b.heat, atol=1e-5)
        assert a.certainty == pytest.approx(b.certainty, abs=1e-5)
