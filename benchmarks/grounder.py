"""What a grounder keeps: features of names across frames and encodings of views, against none of it.

SAM 3's architecture with a share of its layers, widths and pixels, random weights. Frames have the same names but for a
new one each; then a second list of names about the same views, as `~/ask` and a second answer bring. One thread, CPU
time, the median of the frames after the first. Results with and without must be equal. Then the operations of each part
at the real size, counted and not run. What a GPU gains by batching views and by working beside the VLM is not.

    python -m benchmarks.grounder
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import transformers as hf

from benchmarks.common import finish, header, spent, table
from benchmarks.counting import Count, flops
from benchmarks.real import _clip_tokenizer, _stirred, grounder_model
from vlsam_ros.backends.grounder.families import FAMILIES
from vlsam_ros.backends.grounder.names import Recent
from vlsam_ros.backends.grounder.transformers_grounder import TransformersGrounder
from vlsam_ros.data import Grounded, Pixels

NAMES = ["car", "truck", "traffic cone", "pedestrian", "tire", "cardboard box", "pothole"]
LATER = ["debris", "dog"]


def grounder(side: int, layers: int, text_layers: int) -> TransformersGrounder:
    """SAM 3 with narrower layers, and fewer of them."""
    torch.manual_seed(0)
    config = hf.Sam3Config()
    vision = config.vision_config.backbone_config
    vision.image_size, vision.num_hidden_layers, vision.hidden_size = side, layers, 256
    vision.intermediate_size, vision.num_attention_heads, vision.global_attn_indexes = 1024, 4, [layers - 1]
    cells = side // vision.patch_size
    config.vision_config.backbone_feature_sizes = [[cells * n] * 2 for n in (4, 2, 1)]
    text = config.text_config
    text.num_hidden_layers, text.hidden_size, text.intermediate_size, text.num_attention_heads = (
        text_layers,
        512,
        2048,
        8,
    )
    text.projection_dim = 512
    for part in (config.detr_encoder_config, config.detr_decoder_config):
        part.num_layers, part.intermediate_size = 2, 512
    config.detr_decoder_config.num_queries = 50
    return TransformersGrounder(
        name="SAM 3, small, random weights",
        model=_stirred(hf.Sam3Model(config).eval()),
        processor=hf.Sam3Processor(
            hf.Sam3ImageProcessor(size={"height": side, "width": side}), _clip_tokenizer(text.max_position_embeddings)
        ),
        family=FAMILIES["sam3"],
        threshold=0.0,
        max_boxes=4,
        batch=8,
    )


class Forgetful(Recent):
    """Keeps nothing."""

    def __call__(self, name: str) -> Any:
        """What the function makes of the name, each time."""
        return self._make(name)


def frames(count: int, views: int, size_hw: tuple[int, int]) -> list[list[np.ndarray]]:
    """Noise, which takes as long as anything else."""
    rng = np.random.default_rng(0)
    return [[rng.integers(0, 255, (*size_hw, 3), dtype=np.uint8) for _ in range(views)] for _ in range(count)]


def run(
    model: TransformersGrounder, pictures: Sequence[Sequence[np.ndarray]], kept: bool
) -> tuple[list[float], list[float], list[Grounded]]:
    """Seconds of each frame, and of the second question about it; and all that was found.

    Args:
        kept: views are `Pixels`, with which encodings are kept.
    """
    first, second, found = [], [], []
    for number, views in enumerate(pictures):
        seen = [view.view(Pixels) if kept else view for view in views]
        for seconds, names in ((first, [*NAMES, f"thing {number}"]), (second, LATER)):
            with spent() as work:
                found += model.locate_views(seen, [names] * len(seen))
            seconds.append(work.seconds)
    return first, second, found


def require_equal(found: Sequence[Grounded], expected: Sequence[Grounded]) -> None:
    """Raises SystemExit unless they are the same to the bit."""
    for a, b in zip(found, expected, strict=True):
        same = all(np.array_equal(getattr(a, part), getattr(b, part)) for part in ("xyxy", "scores", "names"))
        if not same or any(
            not np.array_equal(m.bits, n.bits) for m, n in zip(a.masks or (), b.masks or (), strict=True)
        ):
            raise SystemExit("expected the same boxes, scores and masks with and without what is kept")


def operations() -> dict[str, float]:
    """GFLOP of a view, of a name, and of a name in a view, in SAM 3 as it is published."""
    meta = torch.device("meta")
    model = grounder_model("SAM 3", meta, torch.bfloat16)
    side, text = model.config.vision_config.backbone_config.image_size, model.config.text_config
    with Count() as count:
        tokens = torch.ones(1, text.max_position_embeddings, dtype=torch.long, device=meta)
        with count.stage("a view"):
            seen = model.get_vision_features(torch.empty(1, 3, side, side, dtype=torch.bfloat16, device=meta))
        with count.stage("a name"):
            told = model.get_text_features(tokens)
        with count.stage("a name in a view"):
            model(vision_embeds=seen, text_embeds=told)
    return {what: round(flops(work) / 1e9, 1) for what, work in count.work.items() if what}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--side", type=int, default=224, help="pixels of SAM 3's input, a multiple of 14 (%(default)s)")
    parser.add_argument("--layers", type=int, default=6, help="of the vision tower (%(default)s of 32)")
    parser.add_argument("--text-layers", type=int, default=6, help="(%(default)s of 24)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    header("SAM 3's architecture: seconds of CPU a frame")
    model = grounder(args.side, args.layers, args.text_layers)
    pictures = frames(args.frames, args.views, (270, 480))
    described = model._described
    assert described
    ways: dict[str, Callable[[], tuple[list[float], list[float], list[Grounded]]]] = {}
    for name, names_kept, views_kept in (
        ("nothing kept", False, False),
        ("names kept", True, False),
        ("views kept", False, True),
        ("both", True, True),
    ):

        def way(names_kept: bool = names_kept, views_kept: bool = views_kept) -> Any:
            model._described = (Recent if names_kept else Forgetful)(described._make)
            return run(model, pictures, views_kept)

        ways[name] = way
    rows: list[list[object]] = [["", "first frame", "later frames", "second list of names", "speed-up, both"]]
    figures: dict[str, dict[str, float]] = {}
    expected: list[Grounded] = []
    for name, way in ways.items():
        first, second, found = way()
        require_equal(found, expected := expected or found)
        later, again = statistics.median(first[1:]), statistics.median(second[1:])
        figures[name] = {"first": round(first[0], 3), "later": round(later, 3), "second_list": round(again, 3)}
        base = figures["nothing kept"]
        speedup = (base["later"] + base["second_list"]) / (later + again)
        rows.append([name, first[0], later, again, speedup])
    table(rows)
    counts = operations()
    table([["SAM 3 as published", "GFLOP"], *([what, round(count)] for what, count in counts.items())])
    finish(views=args.views, names=len(NAMES) + 1, later_names=len(LATER), equal=True, seconds=figures, gflop=counts)


if __name__ == "__main__":
    main()
