"""What a server's answers are made of: words, tokens, repetitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlsam_ros.backends.vlm.server_reply import Reply, read, until_repeated
from vlsam_ros.errors import VlmError


def completion(text: Any, tokens: Any = None, ended: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"message": {"content": text, **message}, "finish_reason": ended}
    return {"choices": [choice | ({} if tokens is None else {"logprobs": {"content": tokens}})]}


def token(text: str | bytes, probability: float = 0.5, whole: bool = True) -> dict[str, Any]:
    data = text.encode() if isinstance(text, str) else text
    own = [*data] if whole else None
    return {"token": data.decode(errors="replace"), "logprob": float(np.log(probability)), "bytes": own}


FIRE = "🔥".encode()


@pytest.mark.parametrize(
    "text, tokens, spans, probabilities",
    [
        ("dog", [token("dog")], ((0, 3),), (0.5,)),
        (" dog, cat\n", [token(" dog"), token(", "), token("cat"), token("\n")], ((0, 3), (3, 5), (5, 8)), (0.5,) * 3),
        ("dog", [token("d", 0.5, whole=False), token("og", 0.25, whole=False)], ((0, 1), (1, 3)), (0.5, 0.25)),
        ("dog", [token("dog", 0.5), token("<|im_end|>", 0.1)], ((0, 3),), (0.5,)),
        ("dog", [token("<think>a dog</think>\n", 0.1), token("dog", 0.5)], ((0, 3),), (0.5,)),
        ("é!", [token("é".encode()[:1]), token("é".encode()[1:]), token("!")], ((0, 1), (0, 1), (1, 2)), (0.5,) * 3),
        ("a🔥b", [token("a"), token(FIRE[:3]), token(FIRE[3:] + b"b")], ((0, 1), (1, 2), (1, 3)), (0.5,) * 3),
        ("a\x00b", [token("a\x00"), token("b")], ((0, 2), (2, 3)), (0.5, 0.5)),
        ("dog", [token("dog", 2.0)], ((0, 3),), (1.0,)),
        ("", [token("<eos>")], (), ()),
    ],
    ids=["one", "several", "no bytes", "an end", "a thought", "halves", "parts", "control", "above one", "empty"],
)
def test_tokens(text: str, tokens: Any, spans: Any, probabilities: Any) -> None:
    reply = read(completion(text, tokens), 64, 6)
    assert reply.token_spans == spans and reply.probabilities == pytest.approx(probabilities)


@pytest.mark.parametrize(
    "tokens",
    [
        None,
        [],
        {},
        7,
        "dog",
        [token("cat")],
        [token("do")],
        [{"token": "dog"}],
        [{"token": 7, "logprob": -1.0}],
        [{"token": "dog", "logprob": "much"}],
        [{"token": "dog", "logprob": None}],
        [{"token": "dog", "logprob": float("nan")}],
        [{"token": "dog", "logprob": -1.0, "bytes": [300]}],
        [{"token": "dog", "logprob": -1.0, "bytes": [-1]}],
        [{"token": "dog", "logprob": -1.0, "bytes": "dog"}],
        [{"token": "dog", "logprob": -1.0, "bytes": [0xFF]}],
        [{"token": "dog", "logprob": -1.0, "bytes": 1 << 40}],
    ],
)
def test_tokens_that_do_not_add_up_say_nothing(tokens: Any) -> None:
    assert read(completion("dog", tokens), 64, 6) == Reply("dog", ((0, 3),))


@pytest.mark.parametrize("text", ["", None, " \n"])
def test_an_empty_answer_is_one(text: str | None) -> None:
    assert read(completion(text), 64, 6) == Reply()


def test_tokens_beyond_the_end_are_left_out() -> None:
    text = "car, " * 40
    reply = read(completion(text, [token("car, ")] * 40), 64, 6)
    assert reply.looped and reply.truncated and len(reply.probabilities) == len(reply.token_spans)
    assert reply.token_spans[-1][1] == len(reply.text) < 50


BOXES = "".join(f'{{"bbox_2d": [{x}, 20, {x + 9}, 60], "label": "car"}}, ' for x in range(10, 200, 11))


@pytest.mark.parametrize(
    "text, most, kept",
    [
        ("", 6, None),
        ("car", 6, None),
        ("car, dog, box, cone, tree, bus, van, cat, cow, rat", 6, None),
        ("car, " * 5 + "dog", 6, None),
        ("dog, " + "car, " * 50, 6, "dog, car, car, car, car, car, car"),
        ("car, " * 50, 0, None),
        ("".join(f"{i}. car " for i in range(50)), 6, "0. car 1. car 2. car 3. car 4. car 5."),
        (BOXES, 6, None),
        ("".join(f"car({x} 20 {x + 9} 60), " for x in range(10, 200, 11)), 6, None),
        ('{"bbox_2d": [1, 2, 3, 4]}, ' * 50, 6, ('{"bbox_2d": [1, 2, 3, 4]}, ' * 6).rstrip(", ")[:-1]),
        ("_" * 500, 6, None),
    ],
    ids=["empty", "one", "different", "few", "loop", "off", "numbered", "boxes", "blanks", "one box", "a rule"],
)
def test_repetitions_end_an_answer(text: str, most: int, kept: str | None) -> None:
    got, looped = until_repeated(text, most)
    assert looped == (kept is not None) and got == (text if kept is None else got)
    assert text.startswith(got) and (kept is None or abs(len(got) - len(kept)) <= 8), got


@pytest.mark.parametrize("broken", [None, 7, "text", [], {}, {"choices": {}}, {"choices": [None]}, {"choices": [[]]}])
def test_what_is_no_completion(broken: Any) -> None:
    with pytest.raises(VlmError, match="expected a chat completion"):
        read(broken, 64, 6)
