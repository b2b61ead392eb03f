"""Real sizes on a card: the models are the published ones, and the benchmark runs, with tiny ones, to its end."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch
import transformers as hf

from benchmarks import device, parts, real
from benchmarks.common import MODELLED
from benchmarks.obvious import obvious
from benchmarks.timing import Card, Row, Watch, flops, timed
from vlsam_ros.config import VlmOptions
from vlsam_ros.pipeline import VLSam

ROOT = Path(__file__).parents[2]
META, CPU = torch.device("meta"), torch.device("cpu")


def whole(name: str) -> torch.nn.Module:
    """What a model's published number of parameters counts: with the parts that follow things through a video."""
    with META:
        if name in real.VLMS:
            return real.vlm_model(name, META, torch.bfloat16)
        if name in real.HIERA:
            return hf.Sam2VideoModel(hf.Sam2VideoConfig(vision_config=real.hiera(name)))
        if name == "EdgeTAM":
            return hf.EdgeTamVideoModel(hf.EdgeTamVideoConfig(vision_config=real.repvit()))
        if name == "SAM 3":
            return hf.Sam3VideoModel(hf.Sam3VideoConfig())
        return real.segmenter_model(name, META)


@pytest.mark.parametrize("name", real.PARAMETERS)
def test_parameters_are_as_many_as_published(name):
    count = sum(p.numel() for p in whole(name).parameters())
    count += 320 * 1000 + 1000 + 2 * 320 if name == "MobileSAM" else 0  # TinyViT's classifier
    assert count == pytest.approx(real.PARAMETERS[name], rel=0.015)


def test_every_model_has_a_published_number():
    assert set(real.PARAMETERS) == {*real.VLMS, *real.SEGMENTERS, *real.GROUNDERS}


@pytest.mark.parametrize("build", [real.vlm_config, lambda name: real.segmenter_model(name, META)])
def test_an_unknown_model_is_refused(build):
    with pytest.raises(ValueError, match="expected one of .*, got 'GPT'"):
        build("GPT")


@pytest.mark.parametrize(
    ("text", "number", "parts"),
    [
        ("a", 1, ["a"]),
        ("ab", 2, ["a", "b"]),
        ("aab", 2, ["a", "ab"]),
        ("aaa", 2, ["a", "aa"]),
        ("dog, dot", 6, ["d", "o", "g", ",", " ", "dot"]),
    ],
)
def test_pieces_are_different_and_make_the_text(text, number, parts):
    assert real.pieces(text, number) == parts


@pytest.mark.parametrize(("text", "number"), [("", 1), ("a", 2), ("aa", 2), ("dog", 4)])
def test_a_text_that_is_too_short_for_its_pieces(text, number):
    with pytest.raises(ValueError, match=f"{number} different parts"):
        real.pieces(text, number)


@pytest.mark.parametrize("name", ["Qwen3-VL-2B", "Qwen2.5-VL-7B", "LLaVA-1.5-7B"])
def test_words_are_tokens_and_the_answer_is_written_whatever_is_asked(name):
    vlm = real.vlm(name, VlmOptions(max_new_tokens=60), CPU, torch.float32, tiny=True)
    words = vlm._tokenizer("List every object on or near the road.")["input_ids"]
    assert vlm._tokenizer.decode(words).strip() == "List every object on or near the road." and len(words) <= 10
    picture = torch.arange(90 * 120 * 3).reshape(90, 120, 3).to(torch.uint8).numpy()
    answers = vlm.answer(picture, ["What is here?", "What is unusual in this picture?"])
    assert [a.text for a in answers] == [real.ANSWER] * 2
    assert [len(a.token_spans) for a in answers] == [real.TOKENS] * 2
    assert not any(a.truncated or a.looped for a in answers)


CARD = Card(CPU, "a card", bandwidth=1e12, rate=1e14)


@pytest.mark.parametrize(
    ("work", "bound_ms"), [({}, 0), ({"moved": 1e9}, 1), ({"flops": 1e12}, 10), ({"flops": 1e12, "moved": 2e10}, 20)]
)
def test_the_bound_is_that_of_what_takes_longest(work, bound_ms):
    assert CARD.bound(**work) == bound_ms


@pytest.mark.parametrize(("row", "ratio"), [(Row("a", 5), 0), (Row("a", 5, bound_ms=2), 2.5)])
def test_a_row_says_how_many_times_its_bound_it_takes(row, ratio):
    assert row.written() == {"stage": "a", "ms": 5, "gib": 0, "bound_ms": row.bound_ms, "note": "", "ratio": ratio}


def test_operations_of_products_are_counted():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert flops(lambda: a @ b) == 2 * 3 * 5 * 7
    query, key = torch.randn(1, 8, 20, 16), torch.randn(1, 2, 30, 16)
    shared = lambda: torch.nn.functional.scaled_dot_product_attention(query, key, key, enable_gqa=True)  # noqa: E731
    assert flops(shared) == 2 * 8 * 20 * 30 * (16 + 16)


def test_time_is_the_median_after_warming_up():
    calls = []
    ms, gib = timed(CPU, lambda: calls.append(sum(range(20_000 if calls else 2_000_000))), repeats=3, warm=1)
    assert len(calls) == 4 and 0 < ms < 20 and gib > 0


def test_a_watch_gives_a_stage_its_own_time():
    watch = Watch(CPU)
    with watch.stage("outer"), watch.stage("inner"):
        until = perf_counter() + 0.1
        while perf_counter() < until:
            pass
    assert watch.seconds["inner"] >= 0.1 > watch.seconds["outer"]


def a_run(tiny=False):
    run = parts.Run(CPU, tiny, 1, {})
    run.card = CARD
    return run


def test_the_obvious_way_leads_to_the_same_result():
    run = a_run(tiny=True)
    config = run.config(parts.GOAL | {"vlm.compile": "off"})
    detector = VLSam(run.vlm("Qwen3-VL-2B", config), run.segmenter("SAM 2.1 tiny"), config)
    fast, slow = (way(run.frame()) for way in (detector, obvious(detector)))
    assert fast.answers == slow.answers and {text for _, _, text in slow.answers} == {real.ANSWER}
    assert fast.labels == slow.labels and len(fast) > 1
    assert np.allclose(fast.scores, slow.scores, atol=1e-3) and np.array_equal(fast.masks(), slow.masks())


@pytest.mark.parametrize("texts", [[], [real.ANSWER]])
def test_the_taught_answer_passes(texts):
    parts.require_said(texts)


def test_another_answer_does_not():
    with pytest.raises(RuntimeError, match="got 'a dog' .1 of 2."):
        parts.require_said([real.ANSWER, "a dog"])


def part(name, **ms):
    """A part of a results file, its rows by stage, with a bound of 10 ms each."""
    return {"name": name, "rows": [Row(s.replace("_", " "), m, bound_ms=10.0).written() for s, m in ms.items()]}


FRAME = next(iter(parts.keyframes()))


@pytest.mark.parametrize(
    ("parts", "verdicts"),
    [
        ([], []),
        ([part("x", vision=3)], []),
        ([part("x", **{"step, eager": 10.4, "step, eager, not recorded": 10})], [(1.04, True)]),
        ([part("x", **{"step, eager": 10.6, "step, eager, not recorded": 10})], [(1.06, False)]),
        ([part("x", **{"step, compiled": 12})], [(1.2, True)]),
        ([part("x", **{"step, compiled": 14})], [(1.4, False)]),
        ([part("desktop", keyframe=9000)], []),
        ([part(FRAME, keyframe=400, the_obvious_way=8000)], [(0.4, True), (20, True)]),
        ([part(FRAME, keyframe=600, the_obvious_way=8000)], [(0.6, False), (13.333, False)]),
        ([part("x", **{"step, compiled": 14}), part(FRAME, keyframe=400)], [(1.4, False), (0.4, True)]),
    ],
)
def test_goals_are_judged_as_far_as_they_were_measured(parts, verdicts):
    assert [(g["value"], g["met"]) for g in device.goals(parts)] == verdicts


def fresh(kind, name, *rows, error=""):
    return {"part": kind, "name": name, "seconds": 1.0, "rows": list(rows), "said": [], "error": error}


def test_a_file_keeps_what_is_not_measured_again(tmp_path):
    path, run = tmp_path / "sub" / "card.json", a_run()
    device.written(path, run, [fresh("vlm", "a", Row("x", 1)), fresh("vlm", "b", Row("x", 2))])
    device.written(path, run, [fresh("vlm", "a", Row("step, compiled", 3, bound_ms=1))])
    result = json.loads(path.read_text())
    assert [(p["name"], p["rows"][0]["ms"]) for p in result["parts"]] == [("b", 2), ("a", 3)]
    assert [g["met"] for g in result["goals"]] == [False]


def test_a_file_of_another_card_is_refused(tmp_path):
    path, run = tmp_path / "card.json", a_run()
    device.written(path, run, [])
    run.card = replace(CARD, name="another")
    with pytest.raises(SystemExit, match="a card"):
        device.written(path, run, [])


def endless(_):
    yield Row("before", 1)
    while True:
        pass


def failing(_):
    yield Row("before", 1)
    raise torch.OutOfMemoryError("no memory")


def warning(_):
    device.logging.getLogger("vlsam_ros.somewhere").warning("slower")
    yield Row("before", 1)


@pytest.mark.parametrize(
    ("runs", "error", "said"),
    [(endless, "TimeoutError: took", []), (failing, "OutOfMemoryError: no memory", []), (warning, "", ["slower"])],
)
def test_a_part_that_fails_or_takes_too_long_keeps_its_rows(runs, error, said, capsys):
    part = device.measured(a_run(), "vlm", "x", runs, 0.2)
    assert [row.stage for row in part["rows"]] == ["before"] and part["said"] == said
    assert part["error"].startswith(error) and bool(part["error"]) == bool(error)


@pytest.mark.parametrize(
    ("only", "models", "titles"),
    [
        (["merge"], [], ["", ""]),
        (["vlm"], ["2b", "LLaVA"], ["", "Qwen3-VL-2B", "LLaVA-1.5-7B"]),
        (["segmenter"], ["vit-h"], ["", "ViT-H"]),
        (["keyframe"], ["goal: qwen3-vl-4b"], ["", "goal: Qwen3-VL-4B + SAM 2.1 small"]),
        (["keyframe"], ["nothing"], [""]),
    ],
)
def test_parts_are_chosen_by_kind_and_title(only, models, titles):
    assert [title for _, title, _ in device.plan(only, models)] == titles


STEPS = {"step, eager", "step, eager, not recorded", "step, compiled", "step, compiled, not recorded"}
ROWS = {
    "vlm": {"vision", "prefill", "decode", "answers", "flow"} | STEPS,
    "segmenter": {"encoder", "encoder, 4 views", "decoder, 1 prompts", "decoder, 16 prompts", "decoder, 64 prompts"},
    "keyframe": {"keyframe", "vision", "prefill", "decode", "flow", "encoder", "decoder", "masks", "merging"},
}
WITHOUT_ROS = (
    "import runpy, sys; sys.modules['rclpy'] = None; runpy.run_module('benchmarks.device', run_name='__main__')"
)


def test_everything_runs_with_tiny_models(tmp_path):
    out = tmp_path / "tiny.json"
    env = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", WITHOUT_ROS, "--tiny", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    last, result = json.loads(done.stdout.splitlines()[-1]), json.loads(out.read_text())
    assert last["failed"] == [] and last["tiny"] and "these times mean nothing" in done.stdout
    assert result["card"] == "CPU" and result["torch"] == torch.__version__ and result["goals"] == []
    measured = {(p["part"], p["name"]): p for p in result["parts"]}
    assert [name for kind, name in measured if kind == "vlm"] == list(real.VLMS)
    assert [name for kind, name in measured if kind == "segmenter"] == list(real.SEGMENTERS)
    frames = [name for kind, name in measured if kind == "keyframe"]
    assert frames == list(parts.keyframes())
    assert [name.split(":")[0] for name in frames if "goal" not in name] == list(MODELLED)
    for (kind, name), found in measured.items():
        rows = {row["stage"]: row for row in found["rows"]}
        missing = ROWS.get(kind, set()) - set(rows)
        assert not found["error"] and not missing, (kind, name)
        assert all(row["ms"] > 0 for row in rows.values() if kind != "card" and "step" not in row["stage"]), name
        if "goal" in name:
            assert rows["the obvious way"]["ms"] > 0
