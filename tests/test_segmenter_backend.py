"""SAM: the same masks as segment_anything's own predictor, for any view, prompt and input shape."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from tiny_sams import ConvEncoder, sam, vit

from vlsam_ros.backends import load_segmenter
from vlsam_ros.backends.segmenter import loading
from vlsam_ros.backends.segmenter.sam import SamSegmenter
from vlsam_ros.config import SegmenterOptions
from vlsam_ros.data import Prompts
from vlsam_ros.errors import BadImageError, SegmenterError


def view(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(h * w).integers(0, 255, (h, w, 3), dtype=np.uint8)


def wrapped(model: Sam, dtype: torch.dtype = torch.float32) -> SamSegmenter:
    return SamSegmenter(model, "tiny", False, torch.device("cpu"), dtype)


POINTS = np.array([[[20.0, 30.0], [50.5, 9.0]]], np.float32)
BOX = np.array([[5.0, 6.0, 60.0, 40.0]], np.float32)
LOW_RES = np.random.default_rng(0).normal(size=(1, 32, 32)).astype(np.float32)
PROMPTS = {
    "one point": Prompts(POINTS[:, :1], np.array([[1]], np.int32)),
    "two points": Prompts(POINTS, np.array([[1, 0]], np.int32)),
    "points and box": Prompts(POINTS, np.array([[1, 0]], np.int32), BOX),
    "points and mask": Prompts(POINTS, np.array([[1, 0]], np.int32), None, LOW_RES),
    "points, box and mask": Prompts(POINTS, np.array([[1, 0]], np.int32), BOX, LOW_RES),
    "box": Prompts(POINTS[:, :0], np.zeros((1, 0), np.int32), BOX),
}


@pytest.mark.parametrize("size_hw", [(128, 128), (70, 100), (300, 90)])
@pytest.mark.parametrize("case", PROMPTS)
@pytest.mark.parametrize("multimask", [False, True])
def test_equals_sam_predictor(
    case: str, size_hw: tuple[int, int], multimask: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loading.FAMILIES, "vit_b", vit)
    torch.save(vit().state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    segmenter = load_segmenter(SegmenterOptions(model=str(tmp_path / "sam_vit_b_01ec64.pth"), device="cpu"))
    predictor, prompts, image = SamPredictor(vit()), PROMPTS[case], view(*size_hw)
    predictor.set_image(image)
    masks, iou, low_res = predictor.predict(
        prompts.points_xy[0] if prompts.labels.size else None,
        prompts.labels[0] if prompts.labels.size else None,
        None if prompts.boxes_xyxy is None else prompts.boxes_xyxy[0],
        prompts.low_res,
        multimask,
    )
    embedding = segmenter.embed(image)
    ours = segmenter.segment(embedding, prompts, multimask)
    assert ours.low_res.shape == (1, 3 if multimask else 1, 32, 32)
    np.testing.assert_allclose(ours.low_res[0], low_res, atol=2e-6, rtol=1e-4)
    np.testing.assert_allclose(ours.iou[0], iou, atol=2e-6, rtol=1e-4)
    assert low_res.std() > 1e-3
    assert np.array_equal(embedding.upscale(low_res), masks)


def test_a_batch_equals_its_prompts_one_by_one() -> None:
    rng, segmenter = np.random.default_rng(1), wrapped(vit())
    embedding = segmenter.embed(view(70, 100))
    corners = rng.uniform(0, 35, (5, 2, 2)).cumsum(1).reshape(5, 4).astype(np.float32)
    points = rng.uniform(0, 70, (5, 3, 2)).astype(np.float32)
    labels = rng.integers(-1, 2, (5, 3)).astype(np.int32)
    prompts = Prompts(points, labels, corners, rng.normal(size=(5, 32, 32)).astype(np.float32))
    together = segmenter.segment(embedding, prompts, multimask=True)
    for i in range(5):
        one = Prompts(points[i, None], labels[i, None], corners[i, None], prompts.low_res[i, None])
        alone = segmenter.segment(embedding, one, multimask=True)
        np.testing.assert_allclose(together.low_res[i], alone.low_res[0], atol=1e-6, rtol=1e-4)
        np.testing.assert_allclose(together.iou[i], alone.iou[0], atol=1e-6, rtol=1e-4)


def test_padding_points_say_nothing_about_a_place() -> None:
    segmenter = wrapped(vit())
    embedding, labels = segmenter.embed(view(70, 100)), np.array([[1, -1]], np.int32)
    here = segmenter.segment(embedding, Prompts(POINTS, labels), multimask=False)
    there = segmenter.segment(embedding, Prompts(POINTS * [[[1], [0]]], labels), multimask=False)
    assert np.array_equal(here.low_res, there.low_res)


def test_embeddings_are_independent_values() -> None:
    segmenter = wrapped(vit())
    first = segmenter.embed(view(70, 100))
    before = segmenter.segment(first, PROMPTS["two points"], multimask=False)
    segmenter.embed(view(90, 30))
    after = segmenter.segment(first, PROMPTS["two points"], multimask=False)
    assert np.array_equal(before.low_res, after.low_res)


@pytest.mark.parametrize(
    ("size_hw", "scaled_hw"), [((64, 96), (64, 96)), ((50, 100), (48, 96)), ((200, 20), (64, 6)), ((1, 1), (64, 64))]
)
def test_an_input_that_is_not_square(size_hw: tuple[int, int], scaled_hw: tuple[int, int]) -> None:
    segmenter = wrapped(sam(ConvEncoder(), (4, 6)))
    embedding = segmenter.embed(view(*size_hw))
    assert (embedding.size_hw, embedding.scaled_hw) == (size_hw, scaled_hw)
    out = segmenter.segment(embedding, PROMPTS["points and box"], multimask=True)
    assert (out.low_res.shape, out.iou.shape, out.low_res.dtype) == ((1, 3, 16, 24), (1, 3), np.float32)
    assert embedding.upscale(out.low_res[0]).shape == (3, *size_hw)


def test_upscaling_cuts_the_padding_off() -> None:
    embedding = wrapped(sam(ConvEncoder(), (4, 6))).embed(view(50, 100))  # 48 of 64 rows are picture
    low_res = np.full((2, 16, 24), -1.0, np.float32)
    low_res[0, 13:] = 1  # padding only
    low_res[1, :, :12] = 1
    nothing, left_half = embedding.upscale(low_res)
    assert not nothing.any()
    assert left_half[:, :50].all() and not left_half[:, 50:].any()
    assert embedding.upscale(low_res[:0]).shape == (0, 50, 100)


def test_prompts_are_scaled_with_the_view() -> None:
    segmenter, labels = wrapped(sam(ConvEncoder(), (4, 6))), np.array([[1, 0]], np.int32)
    embedding = segmenter.embed(view(32, 48))
    prompts = Prompts(POINTS / 4, labels, BOX / 4)
    expected = segmenter.segment(embedding, prompts, multimask=False).low_res
    twice_as_large = replace(embedding, size_hw=(64, 96))
    got = segmenter.segment(twice_as_large, Prompts(POINTS / 2, labels, BOX / 2), multimask=False).low_res
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_no_prompts_no_masks() -> None:
    segmenter = wrapped(vit())
    none = Prompts(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.int32))
    out = segmenter.segment(segmenter.embed(view(20, 30)), none, multimask=True)
    assert (out.low_res.shape, out.iou.shape) == ((0, 3, 32, 32), (0, 3))


def test_half_precision_stays_close() -> None:
    exact, half = wrapped(vit()), wrapped(vit(), torch.bfloat16)
    expected, got = (s.segment(s.embed(view(70, 100)), PROMPTS["points and box"], False) for s in (exact, half))
    assert got.low_res.dtype == np.float32
    assert np.abs(got.low_res - expected.low_res).max() < 0.1 * np.abs(expected.low_res).max()


def test_failures_are_typed() -> None:
    segmenter = wrapped(vit())
    embedding = segmenter.embed(view(20, 30))
    with pytest.raises(SegmenterError, match=r"expected low-res masks of \(32, 32\), got \(5, 5\)"):
        segmenter.segment(embedding, PROMPTS["one point"].with_(low_res=LOW_RES[:, :5, :5]), multimask=False)
    with pytest.raises(SegmenterError, match="tiny failed: wrong shape"):
        wrapped(sam(ConvEncoder(), (4, 5))).embed(view(20, 30))
    with pytest.raises(BadImageError):
        segmenter.embed(np.zeros((4, 4), np.uint8))
