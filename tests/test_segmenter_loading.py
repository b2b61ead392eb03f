"""What a segmenter's name and checkpoint must be."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from segment_anything import sam_model_registry
from tiny_sams import vit

from vlsam_ros.backends import load_segmenter
from vlsam_ros.backends.segmenter import loading
from vlsam_ros.config import SegmenterOptions
from vlsam_ros.errors import ConfigError, ModelLoadError


@pytest.fixture
def tiny_vit_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name vit_b stands for a small model."""
    monkeypatch.setitem(loading.FAMILIES, "vit_b", vit)


def _save(content: object) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no checkpoint .*download"),
    "empty": (lambda path: path.touch(), "not a whole vit_b"),
    "cut": (lambda path: (_save(vit().state_dict())(path), path.write_bytes(path.read_bytes()[:5000])), "not a whole"),
    "text": (lambda path: path.write_text("not weights"), "not a whole vit_b"),
    "code": (lambda path: path.write_bytes(pickle.dumps(Path("x"), 2)), "not a whole vit_b"),
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
