"""The mask decoder: many prompts in one call against one call for each, and against segment_anything's own decoder.

Two points a prompt and an earlier mask, three candidates out, numpy in and out; the view's embedding is there already.
Then masks from the decoder's grid to 1600 × 900 pixels, with OpenCV and, as segment_anything does it, with torch.
`sam_vit_b` has the architecture of the original checkpoint, whose decoder ViT-L, ViT-H and MobileSAM share, with random
weights. One thread, CPU time, the best of a few runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam
from torch import Tensor

from benchmarks.common import finish, header, spent, table
from vlsam_ros.backends.segmenter.sam import SamEmbedding, SamSegmenter
from vlsam_ros.backends.segmenter.segment_anything_sam import SegmentAnything
from vlsam_ros.data import Prompts, letterbox_hw
from vlsam_ros.embedded import load_sam

FRAME_HW = (900, 1600)


def embedding(sam: Sam) -> SamEmbedding:
    """Of a view that isn't there: features are noise, so no image encoder runs."""
    torch.manual_seed(0)
    encoder = sam.prompt_encoder
    features = torch.randn(1, encoder.embed_dim, *encoder.image_embedding_size)
    scaled_hw = letterbox_hw(FRAME_HW, encoder.input_image_size)
    return SamEmbedding(features, FRAME_HW, scaled_hw, encoder.input_image_size, 0.0, torch.device("cpu"))


def prompts(count: int, mask_hw: tuple[int, int]) -> Prompts:
    """A positive and a negative point, and a mask."""
    rng = np.random.default_rng(0)
    return Prompts(
        rng.uniform(0, FRAME_HW[0], (count, 2, 2)).astype(np.float32),
        np.tile(np.array([[1, 0]], np.int32), (count, 1)),
        low_res=rng.normal(size=(count, *mask_hw)).astype(np.float32),
    )


@torch.inference_mode()
def original(sam: Sam, view: SamEmbedding, given: Prompts) -> tuple[Tensor, Tensor]:
    """segment_anything's decoder, as its predictor calls it."""
    points = torch.from_numpy(given.points_xy * np.float32(view.scaled_hw[0] / view.size_hw[0]))
    masks = torch.from_numpy(given.low_res)[:, None]
    sparse, dense = sam.prompt_encoder((points, torch.from_numpy(given.labels)), None, masks)
    return sam.mask_decoder(view.features, sam.prompt_encoder.get_dense_pe(), sparse, dense, True)


def each(call: Callable[[Prompts], object], given: Prompts) -> None:
    """One call for each prompt."""
    for i in range(len(given)):
        call(Prompts(given.points_xy[i : i + 1], given.labels[i : i + 1], None, given.low_res[i : i + 1]))


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """The best of some runs."""
    seconds = []
    for _ in range(repeats):
        with spent() as run:
            call()
        seconds.append(run.seconds)
    return 1e3 * min(seconds)


def measured(segmenter: SamSegmenter, sam: Sam, count: int, repeats: int) -> tuple[float, float, float]:
    """Milliseconds for all prompts: segment_anything one by one, ours one by one, ours in one call."""
    view, given = embedding(sam), prompts(count, sam.prompt_encoder.mask_input_size)
    return (
        milliseconds(lambda: each(lambda one: original(sam, view, one), given), repeats),
        milliseconds(lambda: each(lambda one: segmenter.segment(view, one, True), given), repeats),
        milliseconds(lambda: segmenter.segment(view, given, True), repeats),
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    header("Mask decoder, ms per prompt")
    device, speedup, upscaling = torch.device("cpu"), {}, {}
    rows: list[list[object]] = [
        ["", "prompts", "segment_anything, one by one", "one by one", "one call", "speed-up", "of which batching"]
    ]
    full: list[list[object]] = [["", "torch", "OpenCV", "speed-up"]]
    for name, sam in (("embedded", load_sam()), ("sam_vit_b", sam_model_registry["vit_b"]())):
        segmenter = SamSegmenter(SegmentAnything(sam, device), "", False, device, torch.float32)
        for count in args.prompts:
            theirs, single, together = measured(segmenter, sam, count, args.repeats)
            speedup[f"{name}_{count}"] = round(theirs / together, 2)
            rows.append(
                [name, count, *(ms / count for ms in (theirs, single, together)), theirs / together, single / together]
            )
        view, low_res = embedding(sam), prompts(16, sam.prompt_encoder.mask_input_size).low_res
        slow, fast = (
            milliseconds(lambda way=way, low=low_res: way(low), args.repeats) / 16
            for way in (view._upscale_on_device, view.upscale)
        )
        upscaling[name] = round(slow / fast, 1)
        full.append([name, slow, fast, slow / fast])
    table(rows)
    print("Masks to 1600 × 900, ms per mask\n")
    table(full)
    finish(speedup=speedup, upscaling=upscaling)


if __name__ == "__main__":
    main()
