"""Folders of transformers, for every kind of model: no code of theirs runs, and damage is a ModelLoadError."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_grounders
import tiny_models
import tiny_sams
import torch
from safetensors.torch import load_file, save_file

from vlsam_ros.backends import load_grounder, load_segmenter, load_vlm
from vlsam_ros.config import GrounderOptions, SegmenterOptions, VlmOptions
from vlsam_ros.errors import ModelLoadError

KINDS: dict[str, tuple[dict[str, Callable], Callable[[str], object]]] = {
    "segmenter": (tiny_sams.BUILDERS, lambda m: load_segmenter(SegmenterOptions(model=m, device="cpu"))),
    "grounder": (tiny_grounders.BUILDERS, lambda m: load_grounder(GrounderOptions(model=m, device="cpu"))),
    "vlm": (tiny_models.BUILDERS, lambda m: load_vlm(VlmOptions(model=m, device="cpu"))),
}
FAMILIES = [
    *(("segmenter", name) for name in ("sam", "sam2_video", "edgetam")),
    *(("grounder", name) for name in ("grounding-dino", "owlv2", "omdet-turbo", "sam3")),
    *(("vlm", name) for name in ("llava", "qwen2_5_vl", "internvl", "paligemma", "instructblip")),
]
AUTO = "Config Model ModelForMaskGeneration ModelForImageTextToText ModelForCausalLM ModelForZeroShotObjectDetection"
AUTO += " ImageProcessor VideoProcessor Processor FeatureExtractor"
OWN = {f"Auto{name}": "own.Own" for name in AUTO.split()} | {"AutoTokenizer": ["own.Own", "own.Own"]}
"""An auto_map that sends everything to a file beside the weights."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Kind and family -> a folder with a checkpoint, made once."""
    made: dict[tuple[str, str], Path] = {}

    def get(kind: str, family: str) -> Path:
        if (kind, family) not in made:
            folder = tmp_path_factory.mktemp(family)
            KINDS[kind][0][family](folder)
            made[kind, family] = folder
        return made[kind, family]

    return get


def edit(folder: Path, change: Callable[[str, dict], object]) -> None:
    """Applies a change to each configuration of a folder, given its name."""
    for path in folder.glob("*config.json"):
        content = json.loads(path.read_text())
        change(path.name, content)
        path.write_text(json.dumps(content))


def with_own_classes(_: str, content: dict) -> None:
    for part in (content, *(v for k, v in content.items() if k.endswith("processor") and isinstance(v, dict))):
        part["auto_map"] = OWN


def with_unknown_classes(name: str, content: dict) -> None:
    with_own_classes(name, content)
    for key in ("tokenizer_class", "processor_class", "image_processor_type", "model_type"):
        content[key] = "Own"


@pytest.mark.parametrize("change", [with_own_classes, with_unknown_classes])
@pytest.mark.parametrize(("kind", "family"), FAMILIES)
def test_no_code_of_a_checkpoint_runs_and_nobody_is_asked(
    kind: str, family: str, change: Callable, saved: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the library's own class is known it is taken, else the checkpoint is refused."""
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("it asks whether to run the code"))
    folder = tmp_path / "model"
    shutil.copytree(saved(kind, family), folder)
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n"
    (folder / "own.py").write_text(code)
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(code)
    edit(folder, change)
    if change is with_own_classes:
        KINDS[kind][1](str(folder))
    else:
        with pytest.raises(ModelLoadError):
            KINDS[kind][1](str(folder))
    assert not (tmp_path / "ran").exists()


def test_weights_that_a_configuration_points_to_are_not_unpickled(saved: Callable, tmp_path: Path) -> None:
    """The tower of EdgeTAM is made by timm, which can be told to read a file."""
    folder = tmp_path / "model"
    shutil.copytree(saved("segmenter", "edgetam"), folder)

    class Ran:
        def __reduce__(self) -> tuple:
            return open, (str(tmp_path / "ran"), "w")

    torch.save(Ran(), folder / "tower.pth")
    arguments = {"checkpoint_path": str(folder / "tower.pth")}

    def point(name: str, content: dict) -> None:
        if name == "config.json":
            content["vision_config"]["backbone_config"]["model_args"].update(arguments)

    edit(folder, point)
    with pytest.raises(ModelLoadError):
        KINDS["segmenter"][1](str(folder))
    assert not (tmp_path / "ran").exists()


SPOILT = {
    "a token's number": ("tokenizer.json", lambda c: c["model"]["vocab"].update(p=10**12)),
    "a merge": ("tokenizer.json", lambda c: c["model"]["merges"].append(7)),
    "an end token": ("generation_config.json", lambda c: c.update(eos_token_id="x")),
    "the architecture": ("config.json", lambda c: c.update(architectures=True)),
    "the padding": ("config.json", lambda c: c["text_config"].update(pad_token_id=10**12)),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_vlm_with_a_spoilt_file_is_refused(case: str, saved: Callable, tmp_path: Path) -> None:
    folder, (name, change) = tmp_path / "model", SPOILT[case]
    shutil.copytree(saved("vlm", "qwen2_5_vl"), folder)
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelLoadError, match=str(folder)):
        KINDS["vlm"][1](str(folder))


def state(loaded: object) -> dict[str, torch.Tensor]:
    return (loaded._sam._model if hasattr(loaded, "_sam") else loaded.model).state_dict()


PREFIXES = ("module.", "_orig_mod.", "model.", "state_dict.", "module._orig_mod.", "model.module.", "module.model.")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("kind", "family"), [("segmenter", "sam2_video"), ("grounder", "owlv2")])
def test_weights_under_a_wrappers_prefix_are_found(
    kind: str, family: str, prefix: str, saved: Callable, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved(kind, family), folder)
    expected, weights = state(KINDS[kind][1](str(folder))), load_file(folder / "model.safetensors")
    save_file(
        {prefix + name: tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    found = state(KINDS[kind][1](str(folder)))
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_is_missing_and_what_is_there_instead_is_named(saved: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved("grounder", "owlv2"), folder)
    weights = load_file(folder / "model.safetensors")
    weights["class_head.other.weight"] = weights.pop("class_head.dense0.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    expected = "1 missing keys, such as class_head.dense0.weight; 1 unexpected keys, such as class_head.other.weight"
    with pytest.raises(ModelLoadError, match=expected):
        KINDS["grounder"][1](str(folder))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(value: float, saved: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved("segmenter", "sam"), folder)
    weights = load_file(folder / "model.safetensors")
    weights["mask_decoder.iou_token.weight"][0, 3] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelLoadError, match="1 not finite, such as mask_decoder.iou_token.weight"):
        KINDS["segmenter"][1](str(folder))


@pytest.mark.parametrize(("kind", "family"), [("segmenter", "sam"), ("grounder", "owlv2")])
@pytest.mark.parametrize("size", [10**6, 10**12])
def test_a_configuration_of_absurd_size_takes_no_memory(
    kind: str, family: str, size: int, saved: Callable, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved(kind, family), folder)

    def grow(name: str, content: dict) -> None:
        if name == "config.json":
            content["vision_config"]["num_hidden_layers"] = size

    edit(folder, grow)
    expected = f"wants more than its weights have: vision_config.num_hidden_layers {size}$"
    with pytest.raises(ModelLoadError, match=expected):
        KINDS[kind][1](str(folder))


ODD = (0, -1, 10**12, 0.5, float("inf"), "x", "", None, [], {}, True, [1, 2])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "family"), [("segmenter", "sam"), ("segmenter", "sam2"), ("grounder", "owlv2"), ("vlm", "qwen2_5_vl")]
)
def test_a_damaged_folder_is_refused_or_loads(kind: str, family: str, saved: Callable, tmp_path: Path) -> None:
    """One value of a configuration is another, or a stretch of a file is."""
    source, folder, rng = saved(kind, family), tmp_path / "model", np.random.default_rng(0)
    shutil.copytree(source, folder)
    files = sorted(p.name for p in source.iterdir() if p.suffix in (".json", ".safetensors"))
    refused = 0
    for _ in range(40):
        name = files[rng.integers(len(files))]
        whole = (source / name).read_bytes()
        if name.endswith("config.json") and rng.random() < 0.7:
            content = json.loads(whole)
            part, key = content, None
            while key is None or (isinstance(part[key], dict) and part[key] and rng.random() < 0.9):
                part = part if key is None else part[key]
                key = list(part)[rng.integers(len(part))]
            part[key] = ODD[rng.integers(len(ODD))]
            (folder / name).write_text(json.dumps(content))
        else:
            at = int(rng.integers(min(len(whole), 2000)))
            (folder / name).write_bytes(whole[:at] + (rng.bytes(9) + whole[at + 9 :] if rng.random() < 0.7 else b""))
        try:
            KINDS[kind][1](str(folder))
        except ModelLoadError as error:
            assert str(folder) in str(error)
            refused += 1
        (folder / name).write_bytes(whole)
    assert refused > 15
