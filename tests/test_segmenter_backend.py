"""SAM: the same masks as segment_anything's own predictor, for any view, prompt and input shape."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from vlsam_ros.backends import load_segmenter
from vlsam_ros.backends.segmenter import loading
from vlsam_ros.backends.segmenter.sam import SamSegmenter
from vlsam_ros.config import SegmenterOptions
from vlsam_ros.data import Prompts
from vlsam_ros.errors import BadImageError, ConfigError, ModelLoadError, SegmenterError

DIM = 32


def sam(encoder: nn.Module, grid_hw: tuple[int, int]) -> Sam:
    """A Sam with 16 px patches and random weights."""
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, embedding_dim=DIM, num_heads=2, mlp_dim=32)
    return Sam(
        encoder,
        PromptEncoder(DIM, grid_hw, (grid_hw[0] * 16, grid_hw[1] * 16), mask_in_chans=8),
        MaskDecoder(transformer_dim=DIM, transformer=transformer, iou_head_hidden_dim=16),
    ).eval()


def vit() -> Sam:
    """The architecture of the official checkpoints, for 128 × 128 pixels."""
    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=128,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        out_chans=DIM,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=4,
        global_attn_indexes=(1,),
    )
    return sam(encoder, (8, 8))


class ConvEncoder(nn.Module):
    """A convolution that takes 64 × 96 pixels only."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, DIM, 16, 16)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[1:] != (3, 64, 96):
            raise RuntimeError(f"wrong shape {image.shape}")
        return self.patches(image)


def view(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(h * w).integers(0, 255, (h, w, 3), dtype=np.uint8)


def wrapped(model: Sam, dtype: torch.dtype = torch.float32) -> SamSegmenter:
    return SamSegmenter(model, "tiny", False, torch.device("cpu"), dtype)


@pytest.fixture
def tiny_vit_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name vit_b stands for a small model."""
    monkeypatch.setitem(loading.FAMILIES, "vit_b", vit)


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
    case: str, size_hw: tuple[int, int], multimask: bool, tmp_path: Path, tiny_vit_b: None
) -> None:
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
    with pytest.raises(SegmenterError, match="tiny failed"):
        segmenter.segment(embedding, PROMPTS["one point"].with_(low_res=LOW_RES[:, :5, :5]), multimask=False)
    with pytest.raises(BadImageError):
        segmenter.embed(np.zeros((4, 4), np.uint8))


def _save(content: object) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no checkpoint .*download"),
    "empty": (lambda path: path.touch(), "not a whole vit_b"),
    "cut": (lambda path: (_save(vit().state_dict())(path), path.write_bytes(path.read_bytes()[:5000])), "not a whole"),
    "text": (lambda path: path.write_text("not weights"), "not a whole vit_b"),
    "code": (lambda path: path.write_bytes(pickle.dumps(Path("x"))), "not a whole vit_b"),
    "other model": (_save({"weight": torch.zeros(2)}), "not a whole vit_b"),
    "no weights": (_save([1, 2]), "not a whole vit_b"),
    "other size": (_save({**vit().state_dict(), "mask_decoder.iou_token.weight": torch.zeros(1, 8)}), "iou_token"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_checkpoint_is_refused(case: str, tmp_path: Path, tiny_vit_b: None) -> None:
    make, message = BROKEN[case]
    make(tmp_path / "sam.pth")
    with pytest.raises(ModelLoadError, match=message):
        load_segmenter(SegmenterOptions(model=f"vit_b:{tmp_path / 'sam.pth'}", device="cpu"))


@pytest.mark.parametrize("model", ["", "sam.pth", "vit_x:sam.pth", "sam_vit_b_vit_h.pth", "vit_h"])
def test_a_checkpoint_needs_a_family(model: str) -> None:
    with pytest.raises(ModelLoadError, match="no checkpoint vit_h" if model == "vit_h" else "'vit_b:<path>'"):
        load_segmenter(SegmenterOptions(model=model, device="cpu"))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("vit_l:/models/a.pth", ("vit_l", Path("/models/a.pth"))),
        ("/models/sam_vit_h_4b8939.pth", ("vit_h", Path("/models/sam_vit_h_4b8939.pth"))),
        ("/models:2/sam_vit_l_0b3195.pth", ("vit_l", Path("/models:2/sam_vit_l_0b3195.pth"))),
    ],
)
def test_names(model: str, expected: tuple[str, Path]) -> None:
    assert loading.split_name(model) == expected


def test_the_official_vit_b_fits(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = sam_model_registry["vit_b"]().state_dict()
    torch.save({name: torch.zeros(tensor.shape) for name, tensor in shapes.items()}, tmp_path / "zeros.pth")
    segmenter = load_segmenter(SegmenterOptions(model=f"vit_b:{tmp_path / 'zeros.pth'}", device="cpu"))
    assert (segmenter.name, segmenter.demonstration) == ("zeros.pth", False)
    assert sum(p.numel() for p in segmenter._sam.parameters()) > 90e6


def test_an_unknown_device_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="toaster"):
        load_segmenter(SegmenterOptions(device="toaster"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("vlsam_ros.backends.segmenter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segment_anything", None)
    with pytest.raises(ModelLoadError, match="pip install segment-anything"):
        load_segmenter(SegmenterOptions())


def test_importing_the_backends_imports_no_model_library() -> None:
    code = "import sys, vlsam_ros.backends; print({'torch', 'transformers', 'segment_anything'} & set(sys.modules))"
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.stdout.strip() == "set()"
