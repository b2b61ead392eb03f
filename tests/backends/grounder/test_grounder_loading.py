"""What a grounder's checkpoint must hold; everything else is refused when it is loaded."""

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import tiny_grounders
import torch
from safetensors.torch import load_file
from tiny_models import edit, reweigh
from transformers.utils import import_utils

from vlsam_ros.backends import load_grounder
from vlsam_ros.backends.grounder import loading
from vlsam_ros.backends.grounder.families import FAMILIES
from vlsam_ros.config import GrounderOptions
from vlsam_ros.errors import ConfigError, ModelLoadError


def load(source: object, **options: object) -> object:
    return load_grounder(GrounderOptions(**{"model": str(source), "device": "cpu", **options}))


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


KEY = "class_head.dense0.weight"
BROKEN = {
    "no folder": (lambda d: d.rename(d.with_name("away")), "expected a folder with a transformers model"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "safetensors"),
    "pickled weights": (_pickled, "can't load .*weights as safetensors"),
    "cut weights": (lambda d: (d / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"), "can't load"),
    "missing key": (lambda d: reweigh(d, lambda w: w.pop(KEY)), f"1 missing keys, such as {KEY}.*fetch"),
    "other shape": (lambda d: reweigh(d, lambda w: w.update({KEY: torch.zeros(2, 2)})), "can't load|mismatched"),
    "unreadable config": (lambda d: (d / "config.json").write_text("{"), "can't load .*: JSONDecodeError"),
    "no tokenizer": (
        lambda d: [f.unlink() for f in d.glob("tokenizer*")],
        "tokenizer of .* knows 2 tokens, its model 60",
    ),
    "closed set": (lambda d: edit(d / "config.json", lambda c: c.update(model_type="detr")), "owlv2, .*, got 'detr'"),
    "SAM without names": (
        lambda d: edit(d / "config.json", lambda c: c.update(model_type="sam2")),
        "sam3, .*, got 'sam2'",
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_grounders.owlv2(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in saved.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_checkpoint_is_refused(case: str, copied: Path) -> None:
    damage, message = BROKEN[case]
    damage(copied)
    with pytest.raises(ModelLoadError, match=message):
        load(copied)


def test_what_a_checkpoint_holds_beyond_the_model_is_left_out(copied: Path) -> None:
    reweigh(copied, lambda w: w.update({"owlv2.text_model.embeddings.position_ids": torch.arange(32)[None]}))
    assert load(copied).name == "model"


def test_the_code_of_a_checkpoint_never_runs(copied: Path) -> None:
    (copied / "own.py").write_text("raise SystemExit('the code ran')")
    edit(copied / "config.json", lambda c: c.update(model_type="own", auto_map={"AutoConfig": "own.Config"}))
    with pytest.raises(ModelLoadError, match="AutoConfig can't load"):
        load(copied)


def test_a_missing_package_of_a_family_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published OmDet-Turbo has its image tower from timm."""
    tiny_grounders.omdet_turbo(tmp_path)
    tower = {"model_type": "timm_backbone", "backbone": "swin_tiny_patch4_window7_224", "features_only": True}
    edit(tmp_path / "config.json", lambda c: c.update(backbone_config=tower))
    _, advice = import_utils.BACKENDS_MAPPING["timm"]
    monkeypatch.setitem(import_utils.BACKENDS_MAPPING, "timm", (lambda: False, advice))
    with pytest.raises(ModelLoadError, match="pip install timm"):
        load(tmp_path)


@pytest.mark.parametrize("package", ["transformers", "torchvision"])
def test_a_missing_package_is_named(package: str, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("vlsam_ros.backends.grounder")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelLoadError, match=f"pip install {package}"):
        load(saved)


@pytest.mark.parametrize("family", tiny_grounders.BUILDERS)
def test_a_model_that_is_too_large_for_the_device_is_refused_before_it_is_read(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_grounders.BUILDERS[family](tmp_path)
    size = sum(t.nbytes for t in load(tmp_path).model.state_dict().values())
    for free, refused in ((size * 1.05, True), (size * 1.3, False)):
        monkeypatch.setattr(loading, "available", lambda _, free=free: int(free))
        with pytest.raises(ModelLoadError, match="GiB for its weights.*grounder.dtype") if refused else nullcontext():
            load(tmp_path)
    monkeypatch.setattr(loading, "read_processor", None)  # what comes later is not reached
    monkeypatch.setattr(loading, "available", lambda _: 0)
    with pytest.raises(ModelLoadError, match="GiB for its weights"):
        load(tmp_path)


def test_a_configuration_with_absurdly_many_layers_is_refused(copied: Path) -> None:
    edit(copied / "config.json", lambda c: c["vision_config"].update(num_hidden_layers=9999))
    with pytest.raises(ModelLoadError, match="num_hidden_layers 9999"):
        load(copied)


@pytest.mark.parametrize("model", ["", "none"])
def test_a_model_must_be_named(model: str) -> None:
    with pytest.raises(ConfigError, match="grounder.mode 'both' needs grounder.model"):
        load(model, mode="both")


@pytest.mark.parametrize("device", ["cuda:7", "toaster"])
def test_what_the_machine_has_not_got_is_a_config_error(saved: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=device):
        load(saved, device=device)


def test_the_familys_threshold_is_the_default(saved: Path) -> None:
    assert load(saved).threshold == 0.1
    assert load(saved, threshold=0.0).threshold == 0.0
    assert {name: family.threshold for name, family in FAMILIES.items()} == {
        "grounding-dino": 0.25,
        "mm-grounding-dino": 0.25,
        "owlv2": 0.1,
        "owlvit": 0.1,
        "omdet-turbo": 0.3,
        "sam3": 0.3,
        "sam3_video": 0.3,
    }


def test_the_published_sam3_is_detector_and_tracker_in_one(tmp_path: Path) -> None:
    """Of its weights the detector's are taken, and all of them."""
    tiny_grounders.sam3_video(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"detector_model", "tracker_model", "tracker_neck"}
    for name, tensor in load(tmp_path).model.state_dict().items():
        assert torch.equal(weights[f"detector_model.{name}"], tensor), name
