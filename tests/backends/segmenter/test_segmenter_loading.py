"""What a segmenter's name and checkpoint must be."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from segment_anything import sam_model_registry
from tiny_sams import BUILDERS, MOBILE, published

from vlsam_ros.backends import load_segmenter
from vlsam_ros.backends.segmenter import loading, mobile_sam
from vlsam_ros.config import SegmenterOptions
from vlsam_ros.errors import ConfigError, ModelLoadError


def load(model: str) -> object:
    return load_segmenter(SegmenterOptions(model=model, device="cpu"))


def _config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def _weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(change(load_file(path)), path, {"format": "pt"})

    return rewrite


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def _processor(folder: Path) -> None:
    for path in folder.glob("*processor_config.json"):
        path.write_text(path.read_text().replace("128", "64"))


IOU = "mask_decoder.iou_token.weight"
FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (shutil.rmtree, "can't load .*expected a folder"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "can't load"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "can't load"),
    "no model type": (_config(model_type=None), "can't load"),
    "other model": (_config(model_type="bert"), "expected 'embedded', .* of type 'bert'"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "can't load"),
    "pickled weights": (_pickled, "can't load .*safetensors"),
    "cut weights": (_cut, "can't load"),
    "weights missing": (_weights(lambda w: {k: v for k, v in w.items() if k != IOU}), "missing keys, such as .*iou"),
    "weights of another size": (_weights(lambda w: w | {IOU: torch.zeros(1, 8)}), "can't load|mismatched keys"),
    "no image processor": (lambda folder: [p.unlink() for p in folder.glob("*processor_config.json")], "can't load"),
    "processor of another size": (_processor, "the model takes 128 × 128 pixels, .* 64 × 64"),
}


@pytest.mark.parametrize("kind", ["sam", "sam2_video"])
@pytest.mark.parametrize("case", FOLDERS)
def test_a_broken_folder_is_refused(case: str, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    BUILDERS[kind](folder)
    breaks, message = FOLDERS[case]
    breaks(folder)
    with pytest.raises(ModelLoadError, match=message):
        load(str(folder))


@pytest.mark.parametrize("model", ["", "sam.pth", "vit_x:sam.pth", "sam_vit_b_01ec64.pth", "vit_h", "vit_h:"])
def test_a_checkpoint_needs_its_kind(model: str) -> None:
    with pytest.raises(ModelLoadError, match="expected 'embedded', .*'vit_b:<path>', .* hub id .*sam2_video"):
        load(model)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("embedded", ("embedded", "")),
        ("vit_l:/models/a.pth", ("vit_l", "/models/a.pth")),
        ("vit_t:/models:2/mobile_sam.pt", ("vit_t", "/models:2/mobile_sam.pt")),
    ],
)
def test_names(model: str, expected: tuple[str, str]) -> None:
    assert loading.identify(model) == expected


@pytest.mark.parametrize("kind", loading.TYPES)
def test_a_folder_says_its_kind(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    assert loading.identify(str(tmp_path)) == (kind, str(tmp_path))


def test_the_original_vit_b_fits(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = sam_model_registry["vit_b"]().state_dict()
    torch.save({name: torch.zeros(tensor.shape) for name, tensor in shapes.items()}, tmp_path / "zeros.pth")
    segmenter = load(f"vit_b:{tmp_path / 'zeros.pth'}")
    assert (segmenter.name, segmenter.demonstration) == ("zeros.pth", False)
    assert segmenter._sam.mask_hw == (256, 256)


def test_mobile_sams_published_layout_fits() -> None:
    """Names and shapes of the weights of github.com/ChaoningZhang/MobileSAM at 34bbbfd."""
    weights = published(MOBILE())
    lines = "\n".join(f"{name} {tuple(tensor.shape)}" for name, tensor in sorted(weights.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "d794ba6abcfafd91e08aa7d88d0d262661527cf678468f1d83fc4ade45680356"
    )
    MOBILE().load_state_dict(mobile_sam.renamed(weights))


def test_mobile_sams_encoder_computes_what_the_published_code_does() -> None:
    """Expected: that code, on the same weights and 128 × 128 pixels, its fixed 64 × 64 grid made 8 × 8."""
    rng, sam = np.random.default_rng(0), MOBILE()
    weights = {}
    for name, tensor in sorted(published(sam).items()):
        shape = tuple(tensor.shape)
        if name.endswith("num_batches_tracked"):
            value = np.zeros(shape)
        elif name.endswith("running_var"):
            value = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            value = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
        else:
            value = rng.normal(float(name.endswith("weight")), 0.1, shape)
        weights[name] = torch.as_tensor(value, dtype=tensor.dtype)
    sam.load_state_dict(mobile_sam.renamed(weights))
    image = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3, 128, 128)).astype(np.float32))
    with torch.inference_mode():
        out = sam.eval().image_encoder(image)
    expected = [-2.889299, -1.041051, 1.932106, 1.157624, -0.702843, 0.625118, 0.400785, 1.299733]
    np.testing.assert_allclose(out[0, :8, 3, 5], expected, atol=1e-4)


def test_an_unknown_device_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="toaster"):
        load_segmenter(SegmenterOptions(device="toaster"))


@pytest.mark.parametrize(
    ("kind", "package", "pip"),
    [
        ("embedded", "segment_anything", "segment-anything"),
        ("vit_t", "timm", "timm"),
        ("edgetam", "timm", "timm"),
        ("sam", "transformers", "transformers"),
    ],
)
def test_a_missing_package_is_named(
    kind: str, package: str, pip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = BUILDERS[kind](tmp_path)
    for name in [n for n in sys.modules if n.startswith("vlsam_ros.backends.segmenter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelLoadError, match=f"no package {package}: pip install {pip}"):
        load(model)


def test_only_what_is_needed_is_imported() -> None:
    code = (
        "import sys, vlsam_ros.backends as b; from vlsam_ros.config import SegmenterOptions\n"
        "print({'torch', 'transformers', 'segment_anything', 'timm'} & set(sys.modules))\n"
        "b.load_segmenter(SegmenterOptions(device='cpu')); print({'timm'} & set(sys.modules))"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.stdout.split() == ["set()", "set()"]
