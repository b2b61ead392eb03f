"""Questions about one picture, answered together on a shared prefix, against one generation for each.

Both ways keep every answer's attention: that is what the detector needs of either. One LLaVA with random weights.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch

from benchmarks.common import finish, header, spent, table
from benchmarks.models import llava
from vlsam_ros.backends.vlm.capture import recording
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm

TOKENS = 20
"""Of a question; the tokenizer has one for each byte."""

QUESTIONS = (
    *("List every object.", "What is unusual?", "What lies on there?", "Who walks or cycles?", "Which vehicles?"),
    *(
        "Which cones and signs",
        "What is far and small",
        "What may come in?",
        "Which lost load?",
        "Which damage, water?",
    ),
)


def independent(vlm: TransformersVlm, view: np.ndarray, question: str) -> str:
    """One greedy run over the whole prompt."""
    with torch.no_grad(), recording(vlm._model):
        prompt = vlm._prompter(view, [question])
        ids = torch.cat([prompt.prefix, prompt.tails[0]])
        out = vlm._model.generate(**prompt.inputs(ids), **vlm._search)
    tokens, _ = vlm._tokens(out[0, len(ids) :], vlm._limits.tokens)
    return vlm._decode(tokens.tolist())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--side", type=int, default=24, help="image tokens along an edge")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    questions = [q.ljust(TOKENS)[:TOKENS] for q in QUESTIONS]
    header(
        f"{len(questions)} questions: {args.layers} layers of {args.width}, {args.side**2} image tokens, "
        f"{args.new_tokens} new each, float32"
    )
    vlm = llava(args.layers, args.width, args.side, args.new_tokens)
    view = np.random.default_rng(0).integers(0, 255, (336, 336, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {"each alone": [], "together": []}
    same = True
    for _ in range(args.repeat + 1):
        with spent() as alone:
            texts = [independent(vlm, view, q) for q in questions]
        with spent() as together:
            answers = vlm.answer(view, questions)
        same &= [a.text for a in answers] == texts
        seconds["each alone"].append(alone.seconds)
        seconds["together"].append(together.seconds)
    speedup = statistics.median(a / t for a, t in zip(*(s[1:] for s in seconds.values()), strict=True))
    table([["way", "CPU s", "least"], *[[k, statistics.median(s[1:]), min(s[1:])] for k, s in seconds.items()]])
    finish(speedup=speedup, same_text=same, questions=len(questions), different_texts=len(set(texts)))


if __name__ == "__main__":
    main()
