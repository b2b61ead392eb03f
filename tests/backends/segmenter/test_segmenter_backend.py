"""The contract of segmenters, over every kind: the masks of the library's own way, for any view and prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from pretend_counts import Counts
from pretend_cuda import pretended
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from tiny_sams import BUILDERS, ConvEncoder, sam, shrink, vit

from vlsam_ros.backends import load_segmenter
from vlsam_ros.backends.segmenter import decoder, segment_anything_sam
from vlsam_ros.backends.segmenter import sam as sam_module
from vlsam_ros.backends.segmenter.loading import FILES, SEGMENTERS, TYPES
from vlsam_ros.backends.segmenter.sam import SamSegmenter
from vlsam_ros.backends.segmenter.segment_anything_sam import SegmentAnything, resized
from vlsam_ros.config import RefineOptions, SegmenterOptions
from vlsam_ros.data import Mask, Pixels, Prompts
from vlsam_ros.embedded import load_sam
from vlsam_ros.errors import BadImageError, SegmenterError
from vlsam_ros.localisation.refine import cascade

SIZES = [(128, 128), (70, 100), (300, 90)]
"""A square view, a wide and a high one."""


@dataclass(frozen=True)
class Kind:
    """A kind of segmenter with its tiny checkpoint, and the library's model as it is; of the embedded kind None."""

    name: str
    model: str
    segmenter: SamSegmenter
    original: Any

    @property
    def mask_hw(self) -> tuple[int, int]:
        return self.segmenter._sam.mask_hw

    def loaded(self, **options: str) -> SamSegmenter:
        with pytest.MonkeyPatch.context() as patch:
            shrink(patch)
            return load_segmenter(SegmenterOptions(model=self.model, device="cpu", **options))


@pytest.fixture(scope="module", params=SEGMENTERS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        model = BUILDERS[request.param](tmp_path_factory.mktemp(request.param))
        original = None
        if request.param in FILES:
            original = segment_anything_sam._read(request.param, Path(model.partition(":")[2])).eval()
        elif request.param in TYPES:
            original = hf.AutoModelForMaskGeneration.from_pretrained(model).eval()
        yield Kind(request.param, model, load_segmenter(SegmenterOptions(model=model, device="cpu")), original)


def view(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(h * w).integers(0, 255, (h, w, 3), dtype=np.uint8)


def random_prompts(count: int, mask_hw: tuple[int, int]) -> Prompts:
    """Positive, negative and padding points, boxes, masks."""
    rng = np.random.default_rng(1)
    return Prompts(
        rng.uniform(0, 70, (count, 3, 2)).astype(np.float32),
        rng.integers(-1, 2, (count, 3)).astype(np.int32),
        rng.uniform(0, 35, (count, 2, 2)).cumsum(1).reshape(count, 4).astype(np.float32),
        rng.normal(0, 20, (count, *mask_hw)).astype(np.float32),
    )


def only(prompts: Prompts, *fields: str) -> Prompts:
    """The prompts with some of their parts."""
    points = slice(None) if "points" in fields else slice(0)
    return Prompts(
        prompts.points_xy[:, points],
        prompts.labels[:, points],
        prompts.boxes_xyxy if "box" in fields else None,
        prompts.low_res if "mask" in fields else None,
    )


def rows(prompts: Prompts, which: slice) -> Prompts:
    """Some of the prompts."""
    parts = (prompts.points_xy, prompts.labels, prompts.boxes_xyxy, prompts.low_res)
    return Prompts(*(None if part is None else part[which] for part in parts))


CASES = (("points",), ("box",), ("points", "box"), ("points", "mask"), ("points", "box", "mask"))


def by_predictor(kind: Kind, image: np.ndarray, prompts: Prompts, multimask: bool) -> tuple[np.ndarray, ...]:
    """Masks, low-res masks and IoU estimates of segment_anything's predictor."""
    predictor = SamPredictor(kind.original)
    predictor.set_image(image)
    masks, iou, low_res = predictor.predict(
        prompts.points_xy[0] if prompts.labels.size else None,
        prompts.labels[0] if prompts.labels.size else None,
        None if prompts.boxes_xyxy is None else prompts.boxes_xyxy[0],
        prompts.low_res,
        multimask,
    )
    return masks, low_res, iou


def by_transformers(kind: Kind, image: np.ndarray, prompts: Prompts, multimask: bool) -> tuple[np.ndarray, ...]:
    """The same from the processor and the model, as transformers' documentation runs them."""
    processor = {"sam": hf.SamProcessor, "sam_hq": hf.SamHQProcessor}.get(kind.name, hf.Sam2Processor)(
        hf.AutoImageProcessor.from_pretrained(kind.model)
    )
    given = {}
    if prompts.labels.size:
        given = {"input_points": [prompts.points_xy.tolist()], "input_labels": [prompts.labels.tolist()]}
    if prompts.boxes_xyxy is not None:
        given["input_boxes"] = [prompts.boxes_xyxy.tolist()]
    inputs = processor(images=image, return_tensors="pt", **given)
    sizes = [inputs.pop("original_sizes")]
    if "reshaped_input_sizes" in inputs:
        sizes.append(inputs.pop("reshaped_input_sizes"))
    masks = None if prompts.low_res is None else torch.from_numpy(prompts.low_res)[None]
    if masks is not None and kind.name not in ("sam", "sam_hq"):
        masks = masks.clamp(-32, 32)  # sam2_image_predictor.py
    with torch.inference_mode():
        out = kind.original(**inputs, input_masks=masks, multimask_output=multimask)
    upscaled = processor.post_process_masks(out.pred_masks, *sizes)
    return upscaled[0][0].numpy(), out.pred_masks[0, 0].numpy(), out.iou_scores[0, 0].numpy()


def test_every_kind_has_a_checkpoint() -> None:
    assert set(BUILDERS) == set(SEGMENTERS) == {"embedded", *FILES, *TYPES}


@pytest.mark.parametrize("kind", [*FILES, *TYPES], indirect=True)  # the embedded one's input is not square
@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_equals_the_librarys_own_way(kind: Kind, case: tuple[str, ...], size_hw: tuple[int, int]) -> None:
    reference = by_transformers if kind.name in TYPES else by_predictor
    prompts, image = only(random_prompts(1, kind.mask_hw), *case), view(*size_hw)
    embedding = kind.segmenter.embed(image)
    for multimask in (False, True):
        masks, low_res, iou = reference(kind, image, prompts, multimask)
        got = kind.segmenter.segment(embedding, prompts, multimask)
        assert low_res.std() > 1e-2
        np.testing.assert_allclose(got.low_res[0], low_res, atol=1e-4 * np.abs(low_res).max())
        np.testing.assert_allclose(got.iou[0], iou, atol=1e-4)
        assert np.mean(embedding.upscale(got.low_res[0]) != masks) < 1e-3


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_batch_equals_its_prompts_one_by_one(
    kind: Kind, case: tuple[str, ...], multimask: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, prompts = kind.segmenter, only(random_prompts(5, kind.mask_hw), *case)
    embedding = segmenter.embed(view(70, 100))
    alone = [segmenter.segment(embedding, rows(prompts, slice(i, i + 1)), multimask) for i in range(5)]
    for together in (2, 5):
        monkeypatch.setattr(segmenter, "_together", together)
        got = segmenter.segment(embedding, prompts, multimask)
        assert (got.low_res.dtype, got.iou.dtype) == (np.float32, np.float32)
        assert got.low_res.shape == (5, 3 if multimask else 1, *kind.mask_hw)
        assert got.iou.shape == got.low_res.shape[:2]
        expected = np.concatenate([a.low_res for a in alone])
        np.testing.assert_allclose(got.low_res, expected, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(got.iou, np.concatenate([a.iou for a in alone]), atol=1e-4)


def test_a_view_may_run_backwards_in_memory(kind: Kind) -> None:
    backwards, prompts = view(70, 100)[..., ::-1], random_prompts(2, kind.mask_hw)  # as BGR -> RGB makes it
    found, copied = (
        kind.segmenter.segment(kind.segmenter.embed(pixels), prompts, True) for pixels in (backwards, backwards.copy())
    )
    np.testing.assert_array_equal(found.low_res, copied.low_res)


def test_views_together_equal_each_alone(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, views, prompts = kind.segmenter, [view(*size) for size in SIZES], random_prompts(2, kind.mask_hw)
    alone = [segmenter.segment(segmenter.embed(image), prompts, True) for image in views]
    for most in (2, 8):
        monkeypatch.setattr(segmenter._encoder, "_most", most)
        together = segmenter.embed_views(views)
        assert [e.size_hw for e in together] == SIZES
        for embedding, expected in zip(together, alone, strict=True):
            got = segmenter.segment(embedding, prompts, True)
            np.testing.assert_allclose(got.low_res, expected.low_res, atol=1e-4 * np.abs(expected.low_res).max())
            np.testing.assert_allclose(got.iou, expected.iou, atol=1e-4)
    assert segmenter.embed_views([]) == []


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_prompts_of_several_views_equal_those_of_each(
    kind: Kind, case: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, prompts = kind.segmenter, only(random_prompts(5, kind.mask_hw), *case)
    views = segmenter.embed_views([view(*size) for size in SIZES])
    own = [views[i] for i in (0, 0, 1, 2, 0)]
    alone = [segmenter.segment(e, rows(prompts, slice(i, i + 1)), True) for i, e in enumerate(own)]
    for together in (2, 5):
        monkeypatch.setattr(segmenter, "_together", together)
        got = segmenter.segment(own, prompts.with_(kept={}), True)
        expected = np.concatenate([a.low_res for a in alone])
        np.testing.assert_allclose(got.low_res, expected, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(got.iou, np.concatenate([a.iou for a in alone]), atol=1e-4)
    boxes = segmenter.boxes(own, got.low_res[:, 0])
    for box, embedding, logits in zip(boxes, own, got.low_res[:, :1], strict=True):
        assert tuple(box) == Mask.from_dense(embedding.upscale(logits)[0]).xyxy


def test_what_is_made_of_points_serves_the_next_step(kind: Kind) -> None:
    segmenter, prompts = kind.segmenter, random_prompts(3, kind.mask_hw)
    embedding, points = segmenter.embed(view(70, 100)), only(prompts, "points", "box")
    first = segmenter.segment(embedding, points, multimask=False)
    assert len(points.kept) == 1
    steps = [
        points.with_(low_res=prompts.low_res),
        Prompts(points.points_xy, points.labels, points.boxes_xyxy, prompts.low_res),
    ]
    next_, fresh = (segmenter.segment(embedding, given, multimask=False) for given in steps)
    assert np.array_equal(next_.low_res, fresh.low_res) and not np.array_equal(next_.low_res, first.low_res)
    wide = segmenter.segment(segmenter.embed(view(100, 70)), points, multimask=False)  # the same points elsewhere
    assert len(points.kept) == 2 and not np.array_equal(wide.low_res, first.low_res)


def test_a_view_is_encoded_once_while_it_lives(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, encode, seen = kind.segmenter, kind.segmenter._sam.encode, []
    monkeypatch.setattr(segmenter._sam, "encode", lambda views: seen.append(len(views)) or encode(views))
    kept, other = view(70, 100).view(Pixels), view(30, 40).view(Pixels)
    first = segmenter.embed(kept)
    segmenter.prepare([kept, other])  # on a CPU, nothing
    assert seen == [1]
    assert segmenter.embed_views([other, kept])[1] is first and segmenter.embed(other) is not first
    assert seen == [1, 1]
    segmenter.embed(view(30, 40))
    segmenter.embed(np.array(other))
    assert seen == [1] * 4


class Once:
    """A network that fails at its first call."""

    def __init__(self, encode: Callable, error: Exception) -> None:
        self.encode, self.error, self.calls = encode, error, list[int]()

    def __call__(self, views: list[np.ndarray]) -> object:
        self.calls.append(len(views))
        if len(self.calls) == 1:
            raise self.error
        return self.encode(views)


def test_a_view_whose_encoding_failed_is_encoded_again(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, image = kind.segmenter, view(70, 100).view(Pixels)
    once = Once(segmenter._sam.encode, RuntimeError("a bad day"))
    monkeypatch.setattr(segmenter._sam, "encode", once)
    with pytest.raises(SegmenterError, match="failed on 1 views, one of 100 × 70: a bad day"):
        segmenter.embed(image)
    assert image.kept == {} and segmenter.embed(image) is image.kept[segmenter._encoder]


def test_views_come_in_smaller_batches_once_the_memory_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, sizes = wide(), []

    def encode(views: list[np.ndarray]) -> object:
        sizes.append(len(views))
        if len(views) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return whole(views)

    whole = segmenter._sam.encode
    monkeypatch.setattr(segmenter._sam, "encode", encode)
    monkeypatch.setattr(segmenter._encoder, "_most", 32)
    views = [view(20 + i, 30).view(Pixels) for i in range(5)]
    found = segmenter.embed_views(views)
    assert [e.size_hw for e in found] == [v.shape[:2] for v in views]
    assert sizes == [5, 2, 2, 1]
    segmenter.embed_views([view(20, 30)] * 3)
    assert sizes[4:] == [2, 1]
    monkeypatch.setattr(segmenter._sam, "encode", Once(whole, torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(SegmenterError, match="out of memory"):
        segmenter.embed(view(20, 30))


@pytest.mark.parametrize("size_hw", [*SIZES, (1, 1), (64, 448)])
def test_masks_land_where_they_belong(kind: Kind, size_hw: tuple[int, int]) -> None:
    embedding, (h, w) = kind.segmenter.embed(view(*size_hw)), kind.mask_hw
    (input_h, input_w), (scaled_h, scaled_w) = embedding.input_hw, embedding.scaled_hw
    y, x = np.mgrid[:h, :w] + 0.5
    y, x = y * input_h / h / scaled_h, x * input_w / w / scaled_w  # of the view, in [0, 1] without the padding
    masks = embedding.upscale(np.stack([np.sign(0.5 - x), np.sign(0.5 - y), np.sign(x - 1)]).astype(np.float32))
    assert masks.shape == (3, *size_hw)
    if min(size_hw) > 1:
        left, top = round(0.45 * size_hw[1]), round(0.4 * size_hw[0])
        assert masks[0, :, :left].all() and not masks[0, :, -left:].any()
        assert masks[1, :top].all() and not masks[1, -top:].any()
        assert not masks[2, :, :-left].any()


@pytest.mark.parametrize("size_hw", SIZES)
def test_upscaling_on_a_gpu_gives_the_same(kind: Kind, size_hw: tuple[int, int]) -> None:
    embedding = kind.segmenter.embed(view(*size_hw))
    low_res = np.random.default_rng(0).normal(size=(2, *kind.mask_hw)).astype(np.float32)
    on_device = embedding._on_device(torch.from_numpy(low_res)).numpy() > 0
    assert np.mean(embedding.upscale(low_res) != on_device) < 1e-4
    low_res[0] = -1
    boxes = embedding.boxes(torch.from_numpy(low_res))
    assert isinstance(boxes, torch.Tensor) and boxes.dtype == torch.float32
    np.testing.assert_array_equal(boxes, embedding.boxes(low_res))
    assert boxes[0].tolist() == [0, 0, 0, 0] and embedding.boxes(low_res[:0]).shape == (0, 4)


def test_padding_points_say_nothing_about_a_place(kind: Kind) -> None:
    embedding = kind.segmenter.embed(view(70, 100))
    labels, points = np.array([[1, -1]], np.int32), np.array([[[20, 30], [50, 9]]], np.float32)
    here = kind.segmenter.segment(embedding, Prompts(points, labels), multimask=False)
    there = kind.segmenter.segment(embedding, Prompts(points * [[[1], [0]]], labels), multimask=False)
    assert np.array_equal(here.low_res, there.low_res)


@pytest.mark.parametrize("label", [0, 1])
def test_a_point_says_something_about_its_place(kind: Kind, label: int) -> None:
    embedding, labels = kind.segmenter.embed(view(70, 100)), np.array([[1, label]], np.int32)
    points = np.array([[[20, 30], [50, 9]]], np.float32)
    here = kind.segmenter.segment(embedding, Prompts(points, labels), multimask=False)
    there = kind.segmenter.segment(embedding, Prompts(points * [[[1], [0.5]]], labels), multimask=False)
    assert np.abs(here.low_res - there.low_res).max() > 1e-3


def test_embeddings_are_independent_values(kind: Kind) -> None:
    prompts = random_prompts(2, kind.mask_hw)
    first = kind.segmenter.embed(view(70, 100))
    before = kind.segmenter.segment(first, prompts, multimask=False)
    kind.segmenter.embed(view(90, 30))
    after = kind.segmenter.segment(first, prompts, multimask=False)
    assert np.array_equal(before.low_res, after.low_res)


@pytest.mark.parametrize("multimask", [False, True])
def test_no_prompts_no_masks(kind: Kind, multimask: bool) -> None:
    none = Prompts(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.int32))
    embedding = kind.segmenter.embed(view(20, 30))
    out, count = kind.segmenter.segment(embedding, none, multimask), 3 if multimask else 1
    assert (out.low_res.shape, out.iou.shape) == ((0, count, *kind.mask_hw), (0, count))
    assert embedding.upscale(out.low_res[:, 0]).shape == (0, 20, 30)


def test_the_cascade_runs(kind: Kind) -> None:
    points = only(random_prompts(3, kind.mask_hw), "points")
    low_res, iou = cascade(kind.segmenter, [kind.segmenter.embed(view(70, 100))] * 3, points, RefineOptions())
    assert (low_res.shape, low_res.dtype, iou.shape) == ((3, *kind.mask_hw), np.float32, (3,))
    assert ((iou >= 0) & (iou <= 1)).all()


@pytest.mark.parametrize(("dtype", "correlation"), [("bfloat16", 0.9), ("float16", 0.99)])
def test_half_precision_stays_close(kind: Kind, dtype: str, correlation: float) -> None:
    prompts, image = random_prompts(2, kind.mask_hw), view(70, 100)
    half = kind.loaded(dtype=dtype)
    sam = SegmentAnything(load_sam(), half._device) if kind.name == "embedded" else kind.loaded()._sam
    sam.networks = ()  # weights stay as they are, and autocast changes them each time
    plain = SamSegmenter(sam, "", False, half._device, half._dtype)
    expected, got, same = (s.segment(s.embed(image), prompts, multimask=True) for s in (kind.segmenter, half, plain))
    assert got.low_res.dtype == np.float32
    assert np.corrcoef(got.low_res.ravel(), expected.low_res.ravel())[0, 1] > correlation
    rounding = 4 * torch.finfo(half._dtype).eps
    np.testing.assert_allclose(got.low_res, same.low_res, atol=rounding * np.abs(same.low_res).max())
    weights = [m.weight for n in half._sam.networks for m in n.modules() if isinstance(m, torch.nn.Linear)]
    assert weights and {w.dtype for w in weights} == {half._dtype}
    model = half._sam._model if kind.name in TYPES else half._sam._sam
    assert {p.dtype for p in model.prompt_encoder.parameters()} == {torch.float32}


@pytest.fixture
def on_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SamSegmenter, Counts]]:
    """A segmenter on a pretended GPU, and what is asked of that."""
    shrink(monkeypatch)
    model = BUILDERS["vit_b"](tmp_path)
    with pretended() as counts:
        segmenter = load_segmenter(SegmenterOptions(model=model, device="cuda", dtype="float32"))
        counts.clear()
        yield segmenter, counts


def test_views_are_prepared_beside_other_work(on_device: tuple[SamSegmenter, Counts]) -> None:
    segmenter, counts = on_device
    views, bare = [view(*size).view(Pixels) for size in SIZES], view(20, 30)
    encoded, encode = [], segmenter._sam.encode
    segmenter._sam.encode = lambda some: encoded.append(len(some)) or encode(some)
    segmenter.prepare([*views[:2], bare])
    assert segmenter._encoder in views[0].kept and len(counts.streams) == 1
    segmenter.prepare(views)
    embeddings = segmenter.embed_views(views)
    assert encoded == [2, 1] and all(e.ready is not None for e in embeddings)
    points = only(random_prompts(3, segmenter._sam.mask_hw), "points")
    for options in (RefineOptions(), RefineOptions(cascade=False), RefineOptions(box="none")):
        assert counts.total("waits") == 0, counts.table("waits")
        low_res, iou = cascade(segmenter, embeddings, points, options)
        assert counts.total("waits") == 1 and np.isfinite(low_res).all() and iou.shape == (3,)
        counts.clear()


def test_what_is_not_finite_on_a_device_is_seen_in_the_end(on_device: tuple[SamSegmenter, Counts]) -> None:
    segmenter, _ = on_device
    decode, calls = segmenter._sam.decode, []

    def broken(*args: object) -> tuple[torch.Tensor, torch.Tensor]:
        low_res, iou = decode(*args)
        calls.append(args)
        return low_res, iou / 0 if len(calls) == 1 else iou

    segmenter._sam.decode = broken
    points = only(random_prompts(2, segmenter._sam.mask_hw), "points")
    with pytest.raises(SegmenterError, match="expected finite"):
        cascade(segmenter, [segmenter.embed(view(70, 100))] * 2, points, RefineOptions())
    assert len(calls) == 3


@pytest.mark.parametrize("lacking", [False, True])
def test_what_fails_while_it_is_prepared(on_device: tuple[SamSegmenter, Counts], lacking: bool) -> None:
    segmenter, _ = on_device
    image = view(70, 100).view(Pixels)
    error = torch.OutOfMemoryError("CUDA out of memory") if lacking else RuntimeError("a bad day")
    segmenter._sam.encode = Once(segmenter._sam.encode, error)
    with nullcontext() if lacking else pytest.raises(SegmenterError, match="a bad day"):
        segmenter.prepare([image])
    assert image.kept == {}
    assert segmenter.embed(image) is image.kept[segmenter._encoder]


def test_a_gpu_resizes_as_pillow() -> None:
    for size_hw, to_hw in (((90, 160), (25, 45)), ((50, 40), (64, 51)), ((33, 64), (66, 128)), ((1, 1), (9, 9))):
        image = view(*size_hw)
        got = resized(torch.from_numpy(image).permute(2, 0, 1), to_hw).permute(1, 2, 0).numpy()
        off = np.abs(got - np.array(Image.fromarray(image).resize(to_hw[::-1], Image.Resampling.BILINEAR)))
        assert off.max() <= 1 and (off > 0).mean() < 0.02


def test_failures_are_typed(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, prompts = kind.segmenter, random_prompts(1, (5, 5))
    embedding, (h, w) = segmenter.embed(view(20, 30)), kind.mask_hw
    with pytest.raises(
        SegmenterError, match=rf"{segmenter.name}: expected low-res masks of \({h}, {w}\), got \(5, 5\)"
    ):
        segmenter.segment(embedding, prompts, multimask=False)
    with pytest.raises(BadImageError):
        segmenter.embed(np.zeros((4, 4), np.uint8))
    monkeypatch.setattr(segmenter._sam, "_position", torch.zeros(1, 7, 3))
    with pytest.raises(SegmenterError, match=f"{segmenter.name} failed: "):
        segmenter.segment(embedding, only(prompts, "points"), multimask=False)


@pytest.mark.parametrize("make", [vit, load_sam], ids=["tiny", "embedded"])
@pytest.mark.parametrize("case", CASES, ids=" ".join)
@pytest.mark.parametrize("multimask", [False, True])
def test_the_decoder_equals_segment_anythings(make: Callable[[], Sam], case: tuple[str, ...], multimask: bool) -> None:
    model = make()
    prompts = only(random_prompts(4, model.prompt_encoder.mask_input_size), *case)
    torch.manual_seed(0)
    features = torch.randn(1, model.prompt_encoder.embed_dim, *model.prompt_encoder.image_embedding_size)
    with torch.inference_mode():
        boxes, masks = (
            None if part is None else torch.from_numpy(part) for part in (prompts.boxes_xyxy, prompts.low_res)
        )
        given = (torch.from_numpy(prompts.points_xy), torch.from_numpy(prompts.labels)), boxes
        sparse, dense = model.prompt_encoder(*given, None if masks is None else masks[:, None])
        position = model.prompt_encoder.get_dense_pe()
        expected = model.mask_decoder(features, position, sparse, dense, multimask)
        place = position.flatten(2).contiguous()
        points = decoder.sparse(model.prompt_encoder, *given[0], given[1])
        got = decoder.decode(model.mask_decoder, features + dense, place, points, multimask)
    assert torch.equal(points, sparse)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5 * float(b.abs().max()), rtol=0)


def wide() -> SamSegmenter:
    """A segmenter whose input is not square."""
    device = torch.device("cpu")
    return SamSegmenter(SegmentAnything(sam(ConvEncoder(), (4, 6)), device), "tiny", False, device, torch.float32)


@pytest.mark.parametrize(
    ("size_hw", "scaled_hw"), [((64, 96), (64, 96)), ((50, 100), (48, 96)), ((200, 20), (64, 6)), ((1, 1), (64, 64))]
)
def test_an_input_that_is_not_square(size_hw: tuple[int, int], scaled_hw: tuple[int, int]) -> None:
    segmenter = wide()
    embedding = segmenter.embed(view(*size_hw))
    assert (embedding.size_hw, embedding.scaled_hw) == (size_hw, scaled_hw)
    out = segmenter.segment(embedding, random_prompts(2, (16, 24)), multimask=True)
    assert (out.low_res.shape, out.iou.shape, out.low_res.dtype) == ((2, 3, 16, 24), (2, 3), np.float32)
    assert embedding.upscale(out.low_res[0]).shape == (3, *size_hw)


def test_prompts_are_scaled_with_the_view() -> None:
    segmenter, prompts = wide(), only(random_prompts(2, (16, 24)), "points", "box")
    embedding = segmenter.embed(view(32, 48))
    expected = segmenter.segment(embedding, prompts, multimask=False).low_res
    twice_as_large = replace(embedding, size_hw=(64, 96))
    doubled = prompts.with_(points_xy=2 * prompts.points_xy, boxes_xyxy=2 * prompts.boxes_xyxy)
    np.testing.assert_allclose(segmenter.segment(twice_as_large, doubled, False).low_res, expected, atol=1e-6)


def test_a_call_is_split_on_a_cpu() -> None:
    big, small = SegmentAnything(vit(), torch.device("cpu")), wide()
    big.mask_hw, big.channels = (256, 256), 256  # those of the original checkpoints
    split = SamSegmenter(big, "big", False, torch.device("cpu"), torch.float32)._together
    assert split * 4 * 256 * 256 * 32 == sam_module.BLOCK_BYTES
    assert small._together > 64
