"""The contract of segmenters, over every kind: the masks of the library's own way, for any view and prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import transformers as hf
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from tiny_sams import BUILDERS, ConvEncoder, sam, shrink, vit

from vlsam_ros.backends import load_segmenter
from vlsam_ros.backends.segmenter import decoder
from vlsam_ros.backends.segmenter import sam as sam_module
from vlsam_ros.backends.segmenter.loading import FILES, SEGMENTERS, TYPES
from vlsam_ros.backends.segmenter.sam import SamSegmenter
from vlsam_ros.backends.segmenter.segment_anything_sam import SegmentAnything
from vlsam_ros.config import RefineOptions, SegmenterOptions
from vlsam_ros.data import Prompts
from vlsam_ros.embedded import load_sam
from vlsam_ros.errors import BadImageError, SegmenterError
from vlsam_ros.localisation.refine import cascade

SIZES = [(128, 128), (70, 100), (300, 90)]
"""A square view, a wide and a high one."""


@dataclass(frozen=True)
class Kind:
    """A kind of segmenter with its tiny checkpoint."""

    name: str
    model: str
    segmenter: SamSegmenter

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
        yield Kind(request.param, model, load_segmenter(SegmenterOptions(model=model, device="cpu")))


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
    predictor = SamPredictor(kind.segmenter._sam._sam)
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
    model = kind.segmenter._sam._model
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
        out = model(**inputs, input_masks=masks, multimask_output=multimask)
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
    expected, got = (
        s.segment(s.embed(image), prompts, multimask=True) for s in (kind.segmenter, kind.loaded(dtype=dtype))
    )
    assert got.low_res.dtype == np.float32
    assert np.corrcoef(got.low_res.ravel(), expected.low_res.ravel())[0, 1] > correlation


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
        sparse, dense = model.prompt_encoder(
            (torch.from_numpy(prompts.points_xy), torch.from_numpy(prompts.labels)),
            None if prompts.boxes_xyxy is None else torch.from_numpy(prompts.boxes_xyxy),
            None if prompts.low_res is None else torch.from_numpy(prompts.low_res)[:, None],
        )
        position = model.prompt_encoder.get_dense_pe()
        expected = model.mask_decoder(features, position, sparse, dense, multimask)
        got = decoder.decode(model.mask_decoder, features, position.flatten(2).contiguous(), sparse, dense, multimask)
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
