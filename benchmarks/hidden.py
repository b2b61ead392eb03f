"""What maps of hidden states are worth: `python -m benchmarks.hidden`, on held-out views of the synthetic world.

The VLM reads the true names of each view (teacher-forced), so that every way maps the same names. A map is judged by
its cells: the AUC of those that a named object fills to a half against those without any (ignored ones left out), mean
over names; and by whether its highest cell shows the object. `--model` takes any other VLM.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmarks.common import finish, header, table
from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm.capture import decoder_layers
from vlsam_ros.config import AttentionOptions, QuestionOptions, VlmOptions
from vlsam_ros.data import Answer, Hidden, Mask
from vlsam_ros.localisation.prompts import coverage
from vlsam_ros.recognition.attention import maps, on_grid, token_rows
from vlsam_ros.recognition.questions import parse_names
from vlsam_ros.synthetic.scene import HELD_OUT
from vlsam_ros.synthetic.views import described, make_view

FILLED = 0.5
"""A cell that an object covers to this share is the object's."""


@dataclass(frozen=True)
class Asked:
    """One name in one view.

    Attributes:
        answers: the answer that has it, with the hidden states after each layer.
        rows: its tokens.
        object, some, free: bool (h, w), cells that its objects fill, that they cover at all, and that show none.
    """

    answers: list[Answer]
    rows: list[int]
    object: np.ndarray
    some: np.ndarray
    free: np.ndarray


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded-plain")
    parser.add_argument("--views", type=int, default=80)
    args = parser.parse_args()
    torch.set_num_threads(1)
    aucs: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, list[bool]] = defaultdict(list)
    for asked in names(args.model, args.views):
        for way, heat in ways(asked):
            aucs[way].append(auc(heat[asked.object], heat[asked.free]))
            peaks[way].append(bool(asked.some.flat[heat.argmax()]))
    count = len(aucs["flow"])
    header(f"maps of {count} names in {args.views} held-out views, {args.model}")
    means = {way: (float(np.mean(aucs[way])), float(np.mean(peaks[way]))) for way in aucs}
    table([("map", "AUC", "peak on the object"), *((way, *both) for way, both in means.items())])
    finish(
        names=count,
        **{f"auc {way}": both[0] for way, both in means.items()},
        **{f"peak {way}": both[1] for way, both in means.items()},
    )


def names(model: str, views: int) -> Iterator[Asked]:
    """Every name that is asked for in each view."""
    vlm, options = load_vlm(VlmOptions(model=model)), QuestionOptions()
    layers = len(decoder_layers(vlm._model))  # type: ignore[union-attr]
    for seed in range(HELD_OUT, HELD_OUT + views):
        view = make_view(seed)
        ids, objects = described(view)
        text = ", ".join(sorted({o["name"] for o in objects}))
        if not text:
            continue
        answers = [vlm.read([view.image], options.questions[:1], [[text]], None, n)[0][0] for n in range(layers)]
        layout = answers[0].layout
        unsure = coverage(Mask.from_dense(ids == 255), layout)
        for name in parse_names(text, options):
            own = np.isin(ids, [o["id"] for o in objects if o["name"] == name.name])
            cover = coverage(Mask.from_dense(own), layout)
            if own.any():
                filled = cover >= min(FILLED, cover.max())
                free = (cover == 0) & (unsure == 0)
                yield Asked(answers, token_rows(answers[0], name.spans), filled, cover > 0, free)


def ways(asked: Asked) -> Iterator[tuple[str, np.ndarray]]:
    """Each way's name and its map (h, w)."""
    first = asked.answers[0]
    for name, options in (("flow", {}), ("flow / null", {"contrast": "null"})):
        yield name, mapped(first, asked, **options)
    for layer, answer in enumerate(asked.answers):
        yield f"hidden {layer}, not centred", uncentred(answer, asked)
        yield f"hidden {layer}", mapped(answer, asked, preset="hidden")
        yield f"product {layer}", mapped(answer, asked, preset="product")
    middle = asked.answers[len(asked.answers) // 2]
    yield "product of the middle, flow / null", mapped(middle, asked, preset="product", contrast="null")
    for sigma in (0.5, 1.0):
        yield f"flow, sigma {sigma}", mapped(first, asked, sigma=sigma)
        yield f"product of the middle, sigma {sigma}", mapped(middle, asked, preset="product", sigma=sigma)


def mapped(answer: Answer, asked: Asked, **options: object) -> np.ndarray:
    """The map of a name as the package makes it."""
    return maps([[answer]], [[[asked.rows]]], AttentionOptions(**options))[0][0][0]  # type: ignore[arg-type]


def uncentred(answer: Answer, asked: Asked) -> np.ndarray:
    """The plain cosine."""
    hidden = answer.hidden
    assert isinstance(hidden, Hidden)
    name = hidden.answer[[row - answer.first_row for row in asked.rows]].mean(0)
    return on_grid(answer.layout, (normalize(hidden.image, dim=-1) @ normalize(name, dim=-1))[None].numpy())[0]


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The chance that one of the first numbers is larger than one of the second; equal ones count half."""
    above = (positive[:, None] > negative).mean()
    return float(above + (positive[:, None] == negative).mean() / 2)


if __name__ == "__main__":
    main()
