"""The VLM on a server, against one on loopback that answers and fails as it is told."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_cogvlm
from fakes import BoxSegmenter, FakeGrounder, FakeSegmenter, picture, words
from served import (
    Handler,
    Server,
    breaks_off,
    dies,
    drips,
    free_port,
    lists,
    refuses,
    running,
    says,
    sends,
    waits,
)

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import loading, server_client
from vlsam_ros.backends.vlm.address import Address, name_of, parsed
from vlsam_ros.backends.vlm.server import ServedVlm, size_sent
from vlsam_ros.backends.vlm.server_client import FAILURES, Breaker, Client, Door, Failure
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import BOX_FORMATS, Config, VlmOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK, Pixels
from vlsam_ros.errors import BadImageError, ConfigError, ModelLoadError, VlmError
from vlsam_ros.pipeline import VLSam

KEY = "sk-not-a-real-key-1234567890"
VIEW = picture((96, 128), {"red box": [(10, 10, 50, 40)], "blue ball": [(70, 50, 110, 80)]})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(server_client.KEY, raising=False)
    monkeypatch.setattr(server_client, "FIRST_PAUSE_S", 0.02)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as one:
        yield one


def load(server: Server, **options: object) -> ServedVlm:
    return load_vlm(VlmOptions(**{"model": server.model, "server_timeout_s": 5.0, "server_retries": 2} | options))


@pytest.mark.parametrize(
    "option, url, model",
    [
        ("openai:http://host:8000/v1#m", "http://host:8000/v1", "m"),
        ("openai:https://a.example/x/v1/#Qwen/Qwen3-VL", "https://a.example/x/v1", "Qwen/Qwen3-VL"),
        ("openai:http://[::1]:8000/v1#/models/a#b@main", "http://[::1]:8000/v1", "/models/a#b@main"),
    ],
)  # fmt: skip
def test_addresses(option: str, url: str, model: str) -> None:
    assert parsed(option) == Address(url, model)


@pytest.mark.parametrize(
    "option",
    [
        "openai:",
        "openai:#m",
        "openai:http://host:8000/v1",
        "openai:http://host:8000/v1#",
        "openai:http://host:8000/v1# m",
        "openai:http://host:8000/v1#m\n",
        "openai:http://host:8000#m",
        "openai:http://host:8000/#m",
        "openai:http://host:port/v1#m",
        "openai:http://host:0/v1#m",
        "openai:http://host:99999/v1#m",
        "openai:http://ho st/v1#m",
        "openai:http://host/v1?key=1#m",
        "openai:http:///v1#m",
        "openai:http://[::1/v1#m",
        "openai:host:8000/v1#m",
        "openai:ftp://host/v1#m",
        "openai:file:///v1#m",
        "openai:http://host/v1#" + "m" * 257,
    ],
)
def test_what_is_no_address(option: str) -> None:
    with pytest.raises(ConfigError, match="expected 'openai:http://host:8000/v1#model'"):
        parsed(option)


@pytest.mark.parametrize(
    "url",
    [f"http://user:{KEY}@host/v1", f"http://{KEY}@host/v1", f"http://u:{KEY}@[::1/v1", f"http://host/v1?key={KEY}",
     f"http://u:{KEY[:9]}#{KEY}@host/v1"],
)  # fmt: skip
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="without user and password") as raised:
        load_vlm(VlmOptions(model=f"openai:{url}#m"))
    assert KEY not in str(raised.value) and name_of(f"openai:{url}#m") == ""


def test_an_address_that_the_library_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"no address of a server, 'http://256\.1\.1\.1/v1'"):
        load_vlm(VlmOptions(model="openai:http://256.1.1.1/v1#m"))


@pytest.mark.parametrize(
    "options, match",
    [
        ({"beams": 2}, "vlm.beams"),
        ({"answers": "json"}, "vlm.answers"),
        ({"replay": "openai:http://host/v1#m"}, "vlm.replay"),
        ({"model": "embedded", "replay": "embedded"}, "vlm.replay goes with a server"),
    ],
)
def test_options_that_a_server_has_not(server: Server, options: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load(server, **options)
    assert not server.requests


@pytest.mark.parametrize("listing", [lists("other", "tiny"), lists(), refuses(404), refuses(405), refuses(501)])
def test_a_server_with_the_model_or_without_a_list(server: Server, listing: object) -> None:
    server.listing = listing
    vlm = load(server, server_retries=0)
    assert (vlm.name, vlm.demonstration, vlm.attends, vlm.boxes) == ("tiny", False, False, "")
    assert [request.path for request in server.requests] == ["/v1/models"]


@pytest.mark.parametrize(
    "listing, match",
    [
        (lists("big", "bigger\n"), r"no model 'tiny' at http.*; there are 'big', 'bigger'"),
        (refuses(500, "out of order"), r"refused \(500\): out of order"),
        (refuses(401, "who are you"), "there is no key in OPENAI_API_KEY"),
        (sends(b"<html>welcome</html>"), "expected OpenAI's protocol"),
        (sends({"models": []}), "expected OpenAI's protocol"),
        (sends({"data": [1, None]}), "expected OpenAI's protocol"),
        (dies, r"no answer \("),
    ],
)
def test_a_server_that_does_not_load(server: Server, listing: object, match: str) -> None:
    server.listing = listing
    with pytest.raises(ModelLoadError, match=match):
        load(server)


def test_a_server_that_does_not_load_in_time(server: Server) -> None:
    server.listing = drips()
    with pytest.raises(ModelLoadError, match="no answer within 0.3 s"):
        load(server, server_timeout_s=0.3)


def test_a_server_that_is_down_and_comes_up() -> None:
    port = free_port()
    options = VlmOptions(model=f"openai:http://127.0.0.1:{port}/v1#tiny", server_timeout_s=2.0)
    with pytest.raises(ModelLoadError, match="no answer"):
        load_vlm(options)
    with running(port):
        assert load_vlm(options).answer(VIEW, ["What?"])[0].text == "red box"


def test_a_server_that_can_not_tell_its_models_at_first(server: Server) -> None:
    busy = [refuses(503)] * 2
    server.listing = lambda handler: (busy.pop() if busy else lists("tiny"))(handler)
    assert load(server, server_retries=2).name == "tiny" and len(server.requests) == 3


def test_answers_are_in_order_and_asked_for_together(server: Server) -> None:
    views = [np.full((40, 60, 3), shade, np.uint8) for shade in (0, 100, 200)]

    def script(handler: Handler) -> None:
        time.sleep(0.05)
        says(f"{handler.question} {int(handler.picture.mean())}")(handler)

    server.default = script
    vlm = load(server, server_parallel=4, server_image_quality=0)
    answers = vlm.answer_views(views, ["a", "b", "c"])
    assert [[a.text for a in own] for own in answers] == [[f"{q} {shade}" for q in "abc"] for shade in (0, 100, 200)]
    assert [[a.question for a in own] for own in answers] == [[*"abc"]] * 3
    assert server.most_busy == 4
    first = server.asked[0].body
    assert [part["type"] for part in first["messages"][0]["content"]] == ["image_url", "text"]
    assert (first["model"], first["max_tokens"], first["temperature"], first["logprobs"]) == ("tiny", 64, 0.0, True)
    load(server, temperature=0.7).answer(VIEW, ["a"])
    assert server.asked[-1].body["temperature"] == 0.7
    assert vlm.answer_views([], ["a"]) == [] and vlm.answer_views(views[:1], []) == [[]]
    with pytest.raises(BadImageError):
        vlm.answer(VIEW[..., 0], ["a"])


def test_an_answer_has_no_attention_and_says_so(server: Server) -> None:
    (answer,) = load(server).answer(VIEW, ["What?"])
    assert (answer.layers, answer.layout.grid_hw, answer.layout.xyxy) == (0, (0, 0), (0.0, 0.0, 128.0, 96.0))
    assert (answer.token_spans, answer.probabilities, answer.failed) == (((0, 7),), (), "")
    with pytest.raises(VlmError, match=r"set vlm\.replay"):
        answer.layer(0)


def test_marks_that_steer_a_chat_are_taken_out_of_questions(server: Server) -> None:
    load(server).answer(VIEW, ["<|im_end|>What<image> is <ref>it</ref>, 3 < 5 > 2?"])
    assert server.asked[0].question == " What  is <ref>it</ref>, 3 < 5 > 2?"


def test_pictures_are_sent_once_and_as_they_should_be(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    view = np.repeat(np.repeat(rng.integers(0, 256, (30, 50, 3), np.uint8), 10, 0), 10, 1)
    vlm, encode, encoded = load(server, server_image_quality=0), cv2.imencode, []
    monkeypatch.setattr(cv2, "imencode", lambda kind, *given: encoded.append(kind) or encode(kind, *given))
    pixels = view.view(Pixels)
    for _ in range(2):
        (answer,) = vlm.answer(pixels, ["a"])
    assert np.array_equal(server.asked[0].picture, view) and len(pixels.kept) == 1 and encoded == [".png"]
    assert answer.shown.size_wh == (500, 300) and answer.shown.xyxy == (0.0, 0.0, 500.0, 300.0)
    sizes = []
    for quality in (90, 20):
        (answer,) = load(server, server_image_px=250, server_image_quality=quality).answer(view, ["a"])
        sent = server.asked[-1].picture
        assert sent.shape == (150, 250, 3) and answer.shown.size_wh == (250, 150)
        assert answer.shown.xyxy == (0.0, 0.0, 500.0, 300.0)
        sizes.append(len(server.asked[-1].body["messages"][0]["content"][0]["image_url"]["url"]))
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("longest", [28, 640, 1280, 8192])
@pytest.mark.parametrize("size_wh", [(1, 1), (30, 20), (448, 256), (1920, 1080), (1281, 1279), (5000, 40), (40, 3000)])
def test_sizes_that_are_sent(size_wh: tuple[int, int], longest: int) -> None:
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    width, height = size_sent(size_wh, longest, "qwen3")
    assert 1 <= width <= size_wh[0] and 1 <= height <= size_wh[1] and max(width, height) <= longest
    width, height = size_sent(size_wh, longest, "qwen2.5")
    assert smart_resize(height, width, factor=28) == (height, width)  # so that pixels are those of what was sent
    assert max(width, height) <= max(longest, 56)


def test_the_form_of_boxes(server: Server) -> None:
    server.listing = refuses(404)
    url = server.url
    forms = [
        load_vlm(VlmOptions(model=f"openai:{url}#{name}", boxes=boxes)).boxes
        for name, boxes in (
            ("Qwen/Qwen2.5-VL-7B-Instruct", "auto"),
            ("qwen3-vl:4b", "auto"),
            ("Qwen/QVQ-72B-Preview", "auto"),
            ("mine", "molmo"),
            ("mine", "auto"),
        )
    ]
    assert forms == ["qwen2.5", "qwen3", "qwen2", "molmo", ""]


def test_marks_that_are_special_tokens_are_asked_for(server: Server) -> None:
    marked = {"qwen2", "internvl", "paligemma", "glm", "kosmos", "deepseek", "florence"}
    vlm = load(server)
    for vlm.boxes in ("", *BOX_FORMATS):
        vlm.answer(VIEW, ["a"])
        assert server.asked[-1].body.get("skip_special_tokens") is (False if vlm.boxes in marked else None)


@pytest.mark.parametrize(
    "model, name, demonstration",
    [
        ("/opt/vlsam_ros/embedded/weights/vlm", "embedded-vlm", True),
        ("/x/embedded/weights/vlm_plain", "embedded-vlm-plain", True),
        ("embedded", "embedded-vlm", True),
        ("/models/Qwen3-VL-4B", "Qwen3-VL-4B", False),
        ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-4B-Instruct", False),
    ],
)
def test_planners_can_tell_the_embedded_model(server: Server, model: str, name: str, demonstration: bool) -> None:
    server.listing = refuses(404)
    vlm = load_vlm(VlmOptions(model=f"openai:{server.url}#{model}"))
    assert (vlm.name, vlm.demonstration) == (name, demonstration)


def tokens(*parts: tuple[str, float]) -> dict[str, object]:
    return {"content": [{"token": t, "logprob": float(np.log(p)), "bytes": [*t.encode()]} for t, p in parts]}


def test_certainty_comes_with_the_tokens(server: Server) -> None:
    server.default = says("red box, dog", logprobs=tokens((" red", 0.5), (" box", 0.25), (",", 1.0), (" dog", 0.125)))
    (answer,) = load(server).answer(VIEW, ["a"])
    assert answer.token_spans == ((0, 3), (3, 7), (7, 8), (8, 12))
    assert answer.probabilities == pytest.approx((0.5, 0.25, 1.0, 0.125)) and answer.length == 4


@pytest.mark.parametrize("said", ["Unrecognized request argument: logprobs", "bad request"])
@pytest.mark.parametrize("code", [400, 422])
def test_a_server_without_logprobs_is_told_once(
    server: Server, said: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    def picky(handler: Handler) -> None:
        (refuses(code, said) if "logprobs" in handler.body else says("red box"))(handler)

    server.default = picky
    vlm = load(server, server_parallel=1)
    for _ in range(2):
        assert [a.text for a in vlm.answer(VIEW, ["a", "b"])] == ["red box"] * 2
    assert ["logprobs" in request.body for request in server.asked] == [True] + [False] * 4
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == [
        f"{server.url} refuses logprobs, and is asked without"
    ]


def test_a_server_with_other_names_for_settings(server: Server) -> None:
    def picky(handler: Handler) -> None:
        wrong = next((n for n in ("max_tokens", "temperature", "skip_special_tokens") if n in handler.body), None)
        (refuses(400, f"Unsupported parameter: '{wrong}'") if wrong else says("red box"))(handler)

    server.default = picky
    (answer,) = load(server, boxes="internvl", max_new_tokens=7).answer(VIEW, ["a"])
    last = server.asked[-1].body
    assert answer.text == "red box" and last["max_completion_tokens"] == 7 and last["logprobs"] is True


def test_what_is_refused_for_another_reason_is_not_forgotten(server: Server) -> None:
    server.scripts.extend([refuses(400, "picture too large")] * 2)
    vlm = load(server)
    assert vlm.answer(VIEW, ["a"])[0].failed == "refused (400): picture too large"
    assert vlm.answer(VIEW, ["a"])[0].text == "red box"
    assert "logprobs" in server.asked[-1].body


@pytest.mark.parametrize(
    "script, failed",
    [
        (sends(b"not JSON at all"), "expected JSON, got 'not JSON at all'"),
        (sends(b"\xff\x00\x01"), "expected JSON, got '"),
        (sends(b"[" * 100_000), "expected JSON"),
        (sends({}), "expected a chat completion with a choice"),
        (sends([]), "expected a chat completion with a choice"),
        (sends(b"null"), "expected a chat completion with a choice"),
        (sends({"choices": []}), "expected a chat completion with a choice"),
        (sends({"error": "no\nmemory\x1b[31m"}), "the server sent none but no memory [31m"),
        (says(None, refusal="I\ncan't \x07help"), "refusal: I can't help"),
        (sends({"choices": "abc"}), "expected a chat completion with a choice"),
        (sends({"choices": [{"message": "red box"}]}), "expected a chat completion with a choice"),
        (says(["red", "box"]), "content as text, got list"),
        (says(7), "content as text, got int"),
        (says(None, refusal="I can't help with that"), "refusal: I can't help with that"),
        (says(None, reasoning_content="a red box"), "a thought and no answer"),
        (says("", reasoning="a red box"), "a thought and no answer"),
        (says(None, tool_calls=[{"function": {"name": "look"}}]), "a call of a tool and no answer"),
        (says(None, function_call={"name": "look"}), "a call of a tool and no answer"),
        (says("red box", "content_filter"), "stopped by the server's filter"),
        (sends(b'{"choices": "' + b"x" * (5 << 20)), "at most 4 MB"),
        (sends(b"anything", Content_Encoding="gzip"), "not compressed"),
        (sends(b"not JSON at all", Content_Encoding="Identity"), "expected JSON, got 'not JSON at all'"),
        (refuses(404, "no such model"), r"refused (404): no such model"),
        (sends({"detail": "not found"}, 404), "refused (404): not found"),
        (sends(b"<h1>Gone\n</h1>", 410), "refused (410): <h1>Gone </h1>"),
        (refuses(403), "there is no key in OPENAI_API_KEY (403)"),
        (sends(b"", 302, Location="http://127.0.0.1:1/v1"), "to another address (302)"),
    ],
)
def test_what_is_no_answer(server: Server, script: object, failed: str) -> None:
    server.default = script
    vlm = load(server, server_retries=0)
    (answer,) = vlm.answer(VIEW, ["a"])
    assert failed in answer.failed and answer.text == "" and not answer.token_spans
    with pytest.raises(VlmError, match="tiny: "):
        vlm.write(VIEW, "a", 5)
    server.default = says("red box")
    assert vlm.answer(VIEW, ["a"])[0].text == "red box"


@pytest.mark.parametrize(
    "script",
    [refuses(500, "oops"), refuses(503), refuses(429, Retry_After="0.1"), refuses(408), breaks_off(), dies,
     refuses(429, Retry_After="Fri, 01 Jan 2021 00:00:00 GMT"), refuses(429, Retry_After="soon")],
)  # fmt: skip
def test_what_is_tried_again(server: Server, script: object) -> None:
    server.scripts.extend([script] * 2)
    assert load(server).answer(VIEW, ["a"])[0].text == "red box"
    server.scripts.extend([script] * 3)
    assert load(server).answer(VIEW, ["a"])[0].failed
    assert len(server.asked) == 6


def test_each_pause_before_another_try_is_twice_as_long(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, sleep = [], asyncio.sleep

    async def paused(seconds: float, *given: object) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(server_client, "FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(server_client.random, "uniform", lambda least, most: most)
    server.default = refuses(503, "busy")
    vlm = load(server, server_retries=3)
    monkeypatch.setattr(asyncio, "sleep", paused)
    assert vlm.answer(VIEW, ["a"])[0].failed == "refused (503): busy"
    assert [pause for pause in pauses if pause] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "header, seconds",
    [("", 0), ("3", 3), ("2.5", 2.5), ("-3", 0), ("inf", 0), ("nan", 0), ("soon", 0),
     ("Fri, 01 Jan 2021 00:00:00 GMT", 0), ("Fri, 01 Jan 2100 00:00:00 -0000", 0)],
)  # fmt: skip
def test_how_long_a_server_wants_to_be_left_alone(header: str, seconds: float) -> None:
    assert server_client._seconds(header) == seconds


def test_a_server_may_say_until_when_it_wants_to_be_left_alone() -> None:
    until = datetime.now(timezone.utc) + timedelta(seconds=5)
    assert 3.5 < server_client._seconds(format_datetime(until, usegmt=True)) <= 5


def test_other_refusals_are_not_tried_again(server: Server) -> None:
    server.default = refuses(404, "no")
    load(server).answer(VIEW, ["a"])
    assert len(server.asked) == 1


def test_a_server_that_wants_to_be_left_alone_is(server: Server) -> None:
    server.scripts.append(refuses(429, Retry_After="0.4"))
    began = time.monotonic()
    assert load(server).answer(VIEW, ["a"])[0].text == "red box"
    assert time.monotonic() - began > 0.4
    server.scripts.append(refuses(429, "busy", Retry_After="60"))
    began = time.monotonic()
    assert load(server).answer(VIEW, ["a"])[0].failed == "refused (429): busy"
    assert time.monotonic() - began < 4.0, "longer than the time-out: nobody waits for that"


@pytest.mark.parametrize("script", [waits(9.0, says("late")), drips(), drips(b'{"a', 0.05), drips(b"x", 0.02, 500)])
def test_the_time_out_is_over_all(server: Server, script: object) -> None:
    server.default = script
    vlm = load(server, server_timeout_s=0.4)
    began = time.monotonic()
    answers = vlm.answer_views([VIEW], ["a", "b"])[0]
    assert 0.4 <= time.monotonic() - began < 5.0
    assert [a.failed for a in answers] == ["no answer within 0.4 s"] * 2
    assert nothing_goes_on(vlm)
    server.default = says("red box")
    assert vlm.answer(VIEW, ["a"])[0].text == "red box"


def nothing_goes_on(vlm: ServedVlm) -> bool:
    async def unfinished() -> int:
        return len(asyncio.all_tasks()) - 1

    return within(1.0, lambda: vlm._client.start(unfinished()).result() == 0)


def within(seconds: float, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def test_an_endless_answer_is_hung_up_on(server: Server) -> None:
    server.default = drips(pause_s=0.01)
    load(server, server_timeout_s=0.2).answer(VIEW, ["a"])
    assert within(2.0, lambda: server.left == 1)


def test_a_server_that_fails_again_and_again_is_left_alone_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(server_client, "monotonic", lambda: clock[0])
    vlm = load(server, server_retries=0, server_parallel=1)
    server.default = refuses(500, "oops")
    assert [a.failed for a in vlm.answer(VIEW, [*"abcde"])] == [
        *["refused (500): oops"] * 3,
        *["not asked, as the server fails again and again (refused (500): oops)"] * 2,
    ]
    for now, asked in ((100.9, 3), (101.1, 4), (102.9, 4), (103.2, 5), (107.1, 5), (107.3, 6)):  # 1, 2, 4 s
        clock[0] = now
        assert all(a.failed for a in vlm.answer(VIEW, [*"abc"])) and len(server.asked) == asked, now
    server.default = waits(0.1, says("red box"))
    clock[0] = 120.0
    assert [a.text for a in vlm.answer(VIEW, [*"abc"])] == ["red box"] * 3, "the others wait for the first"
    assert len(server.asked) == 9


def test_a_server_that_hangs_is_left_alone_too(server: Server) -> None:
    server.default = waits(9.0, says("late"))
    vlm = load(server, server_parallel=1, server_timeout_s=0.1)
    assert [a.failed for a in vlm.answer(VIEW, [*"abcd"])] == [
        *["no answer within 0.1 s"] * 3,
        "not asked, as the server fails again and again (no answer within 0.1 s)",
    ]


def test_a_server_is_left_alone_for_a_minute_at_most() -> None:
    breaker, now = Breaker(), 0.0
    for _ in range(FAILURES):
        assert breaker.closed
        breaker.learn(Failure("oops", again=True), now, probe=False)
    for pause_s in (1, 2, 4, 8, 16, 32, 60, 60):
        breaker.learn(Failure("late", again=True), now, probe=False)  # of a request that was on its way
        with pytest.raises(Failure, match="oops"):
            breaker.check(now + pause_s - 0.01)
        now += pause_s
        breaker.check(now)
        breaker.learn(Failure("oops", again=True), now, probe=True)
    breaker.learn(None, now, probe=True)
    assert breaker.closed


def test_refusals_of_a_request_are_none_of_the_server(server: Server) -> None:
    vlm = load(server)
    server.default = refuses(404, "no")
    assert {a.failed for a in vlm.answer(VIEW, [*"abcdef"])} == {"refused (404): no"}
    server.default = says("red box")
    assert vlm.answer(VIEW, ["a"])[0].text == "red box"


def test_no_other_host_is_called(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as other:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, other.url.removesuffix("/v1"))
        monkeypatch.setenv("OPENAI_BASE_URL", other.url)
        monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
        monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-secret")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: other-secret\nHost: other\nX-Own: own-secret")
        for code in (301, 302, 303, 307, 308):
            server.default = sends(b"", code, Location=f"{other.url}/chat/completions")
            assert f"to another address ({code})" in load(server).answer(VIEW, ["a"])[0].failed
        server.listing = sends(b"", 307, Location=f"{other.url}/models")
        with pytest.raises(ModelLoadError, match="to another address"):
            load(server)
        assert not other.requests
    for request in server.requests:
        assert "secret" not in str(request.headers) and "Stainless-Os" not in str(request.headers)
        assert request.headers["Host"] == server.url.split("/")[2]
        assert request.headers["Authorization"] == "Bearer none"


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/v1", "http://127.0.0.2:1/v1", "http://127.0.0.1:2/v1"])
def test_a_request_to_another_host_goes_nowhere(url: str) -> None:
    door = Door(KEY)
    door.origin = "http", "127.0.0.1", 1
    with pytest.raises(Failure, match="was to go to another host"):
        asyncio.run(door.send(door.build_request("GET", url)))


def test_a_certificate_that_nobody_vouches_for_is_refused_and_that_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    with pytest.raises(ModelLoadError, match=r"certificates does not trust the server's \(self.signed certificate\)"):
        load_vlm(VlmOptions(model=server.model.replace("http", "https")))
    assert not server.requests


def test_the_key_is_in_the_header_and_nowhere_else(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(server_client.KEY, KEY + "\n")

    def echo(handler: Handler) -> None:
        said = f"Incorrect API key: {handler.headers['Authorization']}"
        escaped = json.dumps({"choices": [{"message": {"content": said}}]}).replace("sk-", "\\u0073k-").encode()
        script = {"a": refuses(401, said), "b": refuses(400, said), "c": says(said), "d": sends(said.encode()),
                  "e": sends(escaped), "f": sends(b"x" * 40 + said.encode())}  # fmt: skip
        script[handler.question](handler)

    server.default = echo
    vlm = load(server)
    answers = vlm.answer(VIEW, [*"abcdef"])
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    assert answers[0].failed == "the key in OPENAI_API_KEY is refused (401)"
    assert answers[1].failed == "refused (400): Incorrect API key: Bearer ***"
    assert answers[2].text == answers[4].text == "Incorrect API key: Bearer ***"
    assert "***" in answers[3].failed and "sk-" not in answers[5].failed
    assert KEY not in repr((vlm, vlm._client, fields(vlm), answers)) and KEY not in caplog.text


def fields(thing: object) -> list[str]:
    return [repr(value) for value in vars(thing).values()]


@pytest.mark.parametrize("key", ["two words", "schlüssel-geheim", "a\tb"])
def test_a_key_that_is_none_is_refused_and_not_repeated(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(server_client.KEY, key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY: expected") as raised:
        load(server)
    assert key not in str(raised.value) and not server.requests


def test_without_a_key_a_word_stands_in(server: Server) -> None:
    server.default = says("none")
    assert load(server).answer(VIEW, ["a"])[0].text == "none"
    assert server.asked[0].headers["Authorization"] == "Bearer none"


def test_other_work_goes_on_meanwhile(server: Server) -> None:
    begun = threading.Event()

    def script(handler: Handler) -> None:
        begun.set()
        waits(0.2, says("red box"))(handler)

    server.default = script
    vlm, seen = load(server), []
    vlm.answer_views([VIEW], ["a"], lambda: seen.append((begun.wait(2.0), len(server.asked), server.busy)))
    assert seen == [(True, 1, 1)]

    def broken() -> None:
        raise VlmError("out of memory")

    server.default = waits(9.0, says("late"))
    with pytest.raises(VlmError, match="out of memory"):
        vlm.answer_views([VIEW], [*"abc"], broken)
    assert nothing_goes_on(vlm)
    server.default = says("red box")
    assert vlm.answer(VIEW, ["a"])[0].text == "red box"


def test_text_is_cut_off_and_cleaned(server: Server) -> None:
    vlm = load(server, max_new_tokens=4)
    server.scripts.extend([says(" red box, a d", "length"), says("car, " * 40)])
    server.scripts.extend([says("x" * 1000), says("a\x00b\x1b[31m\ud800")])
    limit, loop, long, strange = (vlm.answer(VIEW, ["a"])[0] for _ in range(4))
    assert (limit.text, limit.truncated, limit.looped) == ("red box, a d", True, False)
    assert loop.looped and loop.truncated and loop.text.count("car") < 10
    assert (len(long.text), long.truncated) == (4 * 32, True)
    assert strange.text == "a b [31m"
    assert vlm.write(VIEW, "a", 9) == ("red box", False) and server.asked[-1].body["max_tokens"] == 9


def detector(vlm: ServedVlm, **options: object) -> VLSam:
    flat = {
        "views.tile_rows": 0,
        "views.far": 0,
        "grounder.mode": "grounder",
        "grounder.model": "fake",
        "questions.questions": ["a", "b"],
        "verify.ask": False,
    }
    return VLSam(vlm, FakeSegmenter(), Config.from_flat(flat | options), FakeGrounder())


def test_a_frame_with_some_answers_is_partial_and_says_which(server: Server) -> None:
    def script(handler: Handler) -> None:
        (refuses(404, "no") if handler.question == "b" else says("red box"))(handler)

    server.default = script
    found = detector(load(server))(VIEW)
    assert [d.label for d in found.items] == ["red box"]
    assert found.problems == ("full: b: refused (404): no",)


def test_a_frame_without_an_answer_fails_and_the_next_one_works(server: Server) -> None:
    look = detector(load(server, server_retries=0))
    server.default = refuses(500, "oops")
    with pytest.raises(VlmError, match="answered none of 2 questions: full: a: refused"):
        look(VIEW)
    server.default = says("red box, blue ball")
    found = look(VIEW)
    assert {d.label for d in found.items} == {"red box", "blue ball"} and not found.problems


def test_a_check_that_failed_drops_nothing_and_is_said(server: Server) -> None:
    def script(handler: Handler) -> None:
        (refuses(404, "no") if "Is there" in handler.question else says("red box"))(handler)

    server.default = script
    found = detector(load(server), **{"verify.ask": True, "verify.question": "Is there a {name}?"})(VIEW)
    assert [d.label for d in found.items] == ["red box"] and len(found.problems) == 1
    assert "refused (404): no" in found.problems[0]


class FakeReader:
    """A local copy that knows words and counts what it was asked."""

    boxes = "qwen3"

    def __init__(self, demonstration: bool = False, truncated: bool = False) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.demonstration, self._truncated = demonstration, truncated

    def read(self, views, questions, texts, meanwhile=None, hidden=None) -> list[list[Answer]]:
        self.asked.append((len(views), list(questions), [list(own) for own in texts], hidden))
        layout = ImageLayout(np.arange(4).reshape(2, 2), (0, 0, 128, 96))
        return [
            [
                Answer(q, text, words(text), 4, 4 + len(words(text)), layout, 2, lambda _: LayerQK(None, None, 1.0),
                       truncated=self._truncated, probabilities=(0.9,) * len(words(text)))
                for q, text in zip(questions, own, strict=True)
            ]
            for own in texts
        ]  # fmt: skip


def test_a_local_copy_reads_what_the_server_wrote(server: Server) -> None:
    reader = FakeReader()
    options = VlmOptions(model=server.model)
    vlm = ServedVlm(Client(parsed(server.model), options), "tiny", options, reader)
    server.scripts.append(says("red box", logprobs=tokens(("red", 0.5), (" box", 0.25))))
    server.scripts.append(says("red box", "length", logprobs=tokens(("re", 0.5), ("d box", 0.25))))
    server.scripts.append(refuses(404, "no"))
    server.scripts.append(says("red box", reasoning_content="a box, I think"))
    first, other, failed, _ = (vlm.answer_views([VIEW], ["a"], hidden=1)[0][0] for _ in range(4))
    assert vlm.attends and vlm.boxes == "qwen3" and first.layers == 2
    assert reader.asked[0] == (1, ["a"], [["red box"]], 1)
    assert reader.asked[3][2] == [["</think>red box"]], "the copy's template may have begun a thought"
    assert first.probabilities == pytest.approx((0.5, 0.25)) and not first.truncated
    assert other.probabilities == (0.9, 0.9) and other.truncated, "other tokens: the copy's own certainty"
    assert failed.failed and failed.text == "" and first.shown.size_wh == (128, 96)


@pytest.mark.parametrize("so", [False, True])
def test_what_a_local_copy_is_and_cuts_off_counts(server: Server, so: bool) -> None:
    options = VlmOptions(model=server.model)
    vlm = ServedVlm(Client(parsed(server.model), options), "tiny", options, FakeReader(so, truncated=so))
    assert (vlm.demonstration, vlm.answer(VIEW, ["a"])[0].truncated) == (so, so)


def test_a_local_copy_is_loaded_as_the_options_say(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load_first = [], loading.load

    def load_copy(options: VlmOptions) -> object:
        if options.model.startswith("openai:"):
            return load_first(options)
        loaded.append(options)
        return object.__new__(TransformersVlm)

    monkeypatch.setattr(loading, "load", load_copy)
    monkeypatch.setattr(TransformersVlm, "demonstration", False, raising=False)
    monkeypatch.setattr(TransformersVlm, "boxes", "", raising=False)
    options = VlmOptions(model=server.model, replay="copy", dtype="float32", view_batch=3, temperature=0.7)
    vlm = loading.load(options)
    assert vlm.attends and loaded == [replace(options, model="copy", replay="none", temperature=0.0)]


def test_cogvlm_reads_what_a_server_wrote(server: Server, tmp_path: Path) -> None:
    server.default = says("a dog, two cones")
    replay = str(tiny_cogvlm.build(tmp_path))
    options = VlmOptions(model=server.model, replay=replay, trust_remote_code=True, temperature=0.7, device="cpu")
    (answer,) = load_vlm(options).answer_views([VIEW], ["What?"], hidden=-1)[0]
    assert answer.text == "a dog, two cones" and answer.layers and answer.hidden is not None
    assert answer.layer(0).length == answer.length == answer.first_row + len(answer.token_spans)


def test_nothing_is_left_of_it(server: Server) -> None:
    def threads() -> int:
        return sum(thread.name == "vlsam_server" for thread in threading.enumerate())

    gc.collect()  # what other tests have left
    assert within(5.0, lambda: threads() == 0)
    vlm = load(server)
    vlm.answer(VIEW, ["a"])
    with pytest.raises(ModelLoadError):
        load_vlm(VlmOptions(model=f"openai:http://127.0.0.1:{free_port()}/v1#tiny", server_retries=0))
    assert within(5.0, lambda: threads() == 1)
    del vlm
    assert within(5.0, lambda: threads() == 0)


def native(vlm: ServedVlm, ask: str) -> VLSam:
    flat = {
        "views.tile_rows": 0,
        "views.far": 0,
        "grounder.mode": "native",
        "native.ask": ask,
        "vlm.boxes": "qwen3",
        "questions.questions": ["a", "b"],
        "verify.ask": False,
    }
    return VLSam(vlm, BoxSegmenter(), Config.from_flat(flat))


BOX = '{"bbox_2d": [78, 104, 391, 417], "label": "red box"}'


def test_boxes_that_the_server_writes_become_instances(server: Server) -> None:
    def script(handler: Handler) -> None:
        says("red box, blue ball" if handler.question in ("a", "b") else f"[{BOX}]")(handler)

    server.default = script
    found = native(load(server, boxes="qwen3"), "names")(VIEW)
    assert "red box" in {d.label for d in found.items}
    box = next(d for d in found.items if d.label == "red box").xyxy
    np.testing.assert_allclose(box, (10, 10, 50, 40), atol=1.0)


@pytest.mark.parametrize("ask", ["names", "at once"])
def test_a_frame_without_words_fails_whatever_the_way(server: Server, ask: str) -> None:
    server.default = refuses(500, "oops")
    with pytest.raises(VlmError, match=r"answered none of .*refused \(500\): oops"):
        native(load(server, boxes="qwen3", server_retries=0), ask)(VIEW)


def test_boxes_that_the_server_did_not_write_are_said(server: Server) -> None:
    def script(handler: Handler) -> None:
        (says("red box") if handler.question in ("a", "b") else refuses(404, "no"))(handler)

    server.default = script
    found = native(load(server, boxes="qwen3"), "names")(VIEW)
    assert not found.items and any("refused (404): no" in problem for problem in found.problems)
