"""The mask decoder: many prompts in one call against one call for each, and against segment_anything's own decoder.

Two points a prompt and an earlier mask, three candidates out, numpy in and out; the views' embeddings are there. Then
two prompts in each of four views, in a call for each view and in one. Then masks on 1600 × 900 pixels: the part under a
point, from the whole picture with torch and with OpenCV, and alone. `sam_vit_b` has the architecture of the original
checkpoint, whose decoder ViT-L, ViT-H and MobileSAM share, with random weights. One thread, CPU time, the best of a few
runs.
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
from vlsam_ros.data import Mask, Prompts, letterbox_hw
from vlsam_ros.embedded import load_sam

FRAME_HW = (900, 1600)
VIEWS, EACH = 4, 2
"""Views that share a call, and prompts in each."""

SHARES = {"small": 0.02, "middling": 0.1, "large": 0.3}
"""Radius of a mask as a share of the frame's width."""


def embedding(sam: Sam) -> SamEmbedding:
    """Of a view that isn't there: features are noise, so no image encoder runs."""
    encoder = sam.prompt_encoder
    features = torch.randn(1, encoder.embed_dim, *encoder.image_embedding_size)
    scaled_hw = letterbox_hw(FRAME_HW, encoder.input_image_size)
    return SamEmbedding(features, FRAME_HW, scaled_hw, encoder.input_image_size, torch.device("cpu"))


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


def some(given: Prompts, rows: slice) -> Prompts:
    """A part of the prompts; nothing of them is known to any model."""
    assert given.low_res is not None
    return Prompts(given.points_xy[rows], given.labels[rows], None, given.low_res[rows])


def each(call: Callable[[Prompts], object], given: Prompts) -> None:
    """One call for each prompt."""
    for i in range(len(given)):
        call(some(given, slice(i, i + 1)))


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
        milliseconds(lambda: segmenter.segment(view, some(given, slice(None)), True), repeats),
    )


def of_views(segmenter: SamSegmenter, sam: Sam, repeats: int) -> tuple[float, float]:
    """Milliseconds for prompts in several views: a call for each view, and one call."""
    views = [embedding(sam) for _ in range(VIEWS)]
    given = prompts(VIEWS * EACH, sam.prompt_encoder.mask_input_size)
    own = [view for view in views for _ in range(EACH)]

    def by_view() -> None:
        for i, view in enumerate(views):
            segmenter.segment(view, some(given, slice(EACH * i, EACH * (i + 1))), True)

    together = milliseconds(lambda: segmenter.segment(own, some(given, slice(None)), True), repeats)
    return milliseconds(by_view, repeats), together


def outlined(view: SamEmbedding, share: float, mask_hw: tuple[int, int], repeats: int) -> tuple[float, float, float]:
    """Milliseconds for the part of a mask under a point: whole with torch, whole with OpenCV, that part alone."""
    rows, columns = np.mgrid[: mask_hw[0], : mask_hw[1]]
    middle = np.array(mask_hw) * view.scaled_hw / view.input_hw / 2
    logits = (share * mask_hw[1] - np.hypot(rows - middle[0], columns - middle[1])).astype(np.float32)
    point = FRAME_HW[1] / 2, FRAME_HW[0] / 2

    def with_torch() -> Mask:
        dense = view._on_device(torch.from_numpy(logits)[None])[0] > 0
        return Mask.from_dense(dense.numpy()).component(point)

    def with_opencv() -> Mask:
        return Mask.from_dense(view.upscale(logits[None])[0]).component(point)

    ways = (with_torch, with_opencv, lambda: view.mask(logits, point))
    found = [way().xyxy for way in ways]
    if found[1] != found[2]:
        raise SystemExit(f"expected the same mask, got boxes {found}")
    torch_ms, opencv_ms, alone_ms = (milliseconds(way, repeats) for way in ways)
    return torch_ms, opencv_ms, alone_ms


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    header("Mask decoder, ms per prompt")
    device, speedup, views, masks = torch.device("cpu"), {}, {}, {}
    rows: list[list[object]] = [
        ["", "prompts", "segment_anything, one by one", "one by one", "one call", "speed-up", "of which batching"]
    ]
    shared: list[list[object]] = [["", "views", "prompts", "a call for each view", "one call", "speed-up"]]
    full: list[list[object]] = [["", "mask", "whole, torch", "whole, OpenCV", "its part alone", "speed-up"]]
    for name, sam in (("embedded", load_sam()), ("sam_vit_b", sam_model_registry["vit_b"]())):
        segmenter = SamSegmenter(SegmentAnything(sam, device), "", False, device, torch.float32)
        for count in args.prompts:
            theirs, single, together = measured(segmenter, sam, count, args.repeats)
            speedup[f"{name}_{count}"] = round(theirs / together, 2)
            rows.append(
                [name, count, *(ms / count for ms in (theirs, single, together)), theirs / together, single / together]
            )
        apart, one_call = (ms / (VIEWS * EACH) for ms in of_views(segmenter, sam, args.repeats))
        views[name] = round(apart / one_call, 2)
        shared.append([name, VIEWS, VIEWS * EACH, apart, one_call, apart / one_call])
        for size, share in SHARES.items():
            ms = outlined(embedding(sam), share, sam.prompt_encoder.mask_input_size, args.repeats)
            masks[f"{name}_{size}"] = round(ms[1] / ms[2], 1)
            full.append([name, size, *ms, ms[1] / ms[2]])
    table(rows)
    print("Prompts of several views, ms per prompt\n")
    table(shared)
    print("Masks on 1600 × 900 pixels, ms per mask\n")
    table(full)
    finish(speedup=speedup, views=views, masks=masks)


if __name__ == "__main__":
    main()
