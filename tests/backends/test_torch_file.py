"""Files of torch as checkpoints: damaged, hostile, wrapped; loaded as a user's would be."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sams import published, shrink, stirred, vit

from vlsam_ros.backends import load_segmenter, torch_file
from vlsam_ros.backends.segmenter import mobile_sam
from vlsam_ros.backends.segmenter.vit import settle
from vlsam_ros.config import SegmenterOptions
from vlsam_ros.errors import ModelLoadError


def load(model: str) -> object:
    return load_segmenter(SegmenterOptions(model=model, device="cpu"))


def _save(content: object) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """A whole checkpoint with other bytes."""
    return lambda path: (torch.save(vit().state_dict(), path), path.write_bytes(change(path.read_bytes())))


def _flipped(content: bytes) -> bytes:
    """One bit of one weight: torch itself doesn't look at an archive's sums."""
    at = content.index(vit().state_dict()["mask_decoder.iou_token.weight"].numpy().tobytes()) + 9
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _repacked(pickled: Callable[[bytes], bytes], how: int = zipfile.ZIP_STORED) -> Callable[[Path], object]:
    """An archive whose sums are right, with another pickle in it."""

    def write(path: Path) -> None:
        torch.save({IOU: torch.zeros(3, 7)}, path)
        with zipfile.ZipFile(path) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(path, "w", how) as new:
            for name, content in parts.items():
                new.writestr(name, pickled(content) if name.endswith("data.pkl") else content)

    return write


class Called:
    """Pickles as a call."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple:
        return self.call[0], self.call[1:]


def _code(path: Path) -> None:
    torch.save({IOU: Called(os.mkdir, str(path.parent / "ran"))}, path)


IOU = "mask_decoder.iou_token.weight"
HUGE = b"J" + struct.pack("<i", 10**6)
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "can't read .*download it again: .*No such file"),
    "a folder": (lambda path: path.mkdir(), "is no file"),
    "a pipe": (lambda path: os.mkfifo(path), "is no file"),
    "empty": (lambda path: path.touch(), "expected weights in a whole file of torch.save"),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), "can't read"),
    "cut": (_bytes(lambda b: b[:5000]), "can't read"),
    "cut at the end": (_bytes(lambda b: b[:-100]), "can't read"),
    "beginning cut off": (_bytes(lambda b: b[100:]), "can't read"),
    "one bit": (_bytes(_flipped), "data/.* in it is damaged"),
    "text": (lambda path: path.write_text("not weights"), "can't read"),
    "a page": (lambda path: path.write_text("<!DOCTYPE html><html>not found</html>"), "can't read"),
    "another archive": (_repacked(lambda b: b"\x80\x02}."), "1.. missing, such as image_encoder"),
    "code": (
        lambda path: path.write_bytes(pickle.dumps(Path("x"), 2)),
        "GLOBAL pathlib.*was not an allowed global by default$",
    ),
    "code in an archive": (_code, "unsupported GLOBAL posix.mkdir"),
    "a whole model": (_save({"model": vit()}), "was not an allowed global by default$"),
    "larger than its bytes": (_repacked(lambda b: b.replace(b"K\x03K\x07", HUGE * 2)), "not resizable"),
    "bytes by the number": (
        _repacked(lambda b: pickle.dumps({IOU: Called(bytearray, 10**10)}, 2)),
        "memory by the num",
    ),
    "packed": (_repacked(lambda b: b, zipfile.ZIP_DEFLATED), "it is compressed"),
    "other model": (
        _save({"weight": torch.zeros(2)}),
        "not a whole vit_.*missing, such as .*; 1 unexpected, .* weight",
    ),
    "no weights": (_save([1, 2]), "expected tensors by name, got list"),
    "no tensors": (
        _save({**vit().state_dict(), IOU: [1.0]}),
        "1 other than expected, such as .*iou_token.* .list, expected floats",
    ),
    "other size": (_save({**vit().state_dict(), IOU: torch.zeros(1, 8)}), r"(iou_token|MobileSAM).*floats \("),
    "integers": (_save({**vit().state_dict(), IOU: torch.ones(1, 32, dtype=torch.int8)}), r"(iou_token|MobileSAM)"),
    "not finite": (_save({**vit().state_dict(), IOU: torch.full((1, 32), torch.nan)}), "(not finite|MobileSAM)"),
    "names of another kind": (_save({1: torch.zeros(2), ("a",): torch.zeros(2)}), "1.. missing"),
    "escapes": (_save({"\x1b[2J\u202e": torch.zeros(2)}), r"1 unexpected, such as \?\[2J\?\)"),
}


OF_MOBILE_SAM = ("missing", "cut", "code", "no weights", "other model", "other size", "integers", "not finite")


@pytest.mark.parametrize(("kind", "case"), [*(("vit_b", c) for c in BROKEN), *(("vit_t", c) for c in OF_MOBILE_SAM)])
def test_a_broken_checkpoint_is_refused(kind: str, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    make, message = BROKEN[case]
    make(tmp_path / "sam.pth")
    with pytest.raises(ModelLoadError, match=message) as caught:
        load(f"{kind}:{tmp_path / 'sam.pth'}")
    assert str(tmp_path / "sam.pth") in str(caught.value) and len(str(caught.value)) < 1000
    assert not (tmp_path / "ran").exists()


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the refusal is played."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for method in ("open", "stat"):
        with monkeypatch.context() as patch:
            (tmp_path / "sam.pth").touch()
            patch.setattr(Path, method, refuse)
            with pytest.raises(ModelLoadError, match="sam.pth.*Permission denied"):
                load(f"vit_b:{tmp_path / 'sam.pth'}")


@pytest.mark.parametrize("name", ["x" * 300 + ".pth", "nul\0.pth", "~nobody-of-this-name/sam.pth"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ModelLoadError):
        load(f"vit_b:{name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_bytes_are_refused_or_change_nothing(zipped: bool, tmp_path: Path) -> None:
    """Ends are hit more often, as they say how the rest is to be read. A file without sums may change its weights."""
    weights, path, rng = vit().state_dict(), tmp_path / "sam.pth", np.random.default_rng(0)
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    whole, outcomes = path.read_bytes(), []
    assert torch_file.read_file(path, IOU).keys() == weights.keys()
    for trial in range(100):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 3, 20])):
            end, n = int(min(rng.exponential(3000), len(whole) - 1)), len(content)
            at = min(n - 1, int(rng.choice([end, n - 1 - min(end, n - 1), rng.integers(n)])))
            new = [bytes([content[at] ^ 1 << rng.integers(8)]), rng.bytes(1), b"\xff" * 8, b"", bytes(20)][trial % 5]
            content[at : at + max(len(new), 1)] = new
        path.write_bytes(content if trial % 10 else content[:at])
        try:
            found = torch_file.read_file(path, IOU)
        except ModelLoadError as error:
            assert str(path) in str(error)
            outcomes.append("refused")
        else:
            same = found.keys() == weights.keys() and all(torch.equal(found[name], weights[name]) for name in weights)
            assert same or not zipped
            outcomes.append("read")
    assert outcomes.count("refused") > 60


WRAPPED: dict[str, Callable[[dict], object]] = {
    "bare": lambda w: w,
    "parallel": lambda w: {f"module.{name}": tensor for name, tensor in w.items()},
    "compiled": lambda w: {f"_orig_mod.{name}": tensor for name, tensor in w.items()},
    "compiled in part": lambda w: {name.replace("encoder.", "encoder._orig_mod.", 1): t for name, t in w.items()},
    "parallel and compiled": lambda w: {f"module._orig_mod.{name}": tensor for name, tensor in w.items()},
    "a trainer's": lambda w: {"model": w, "optimizer": {"state": {0: {"step": 3}}, "param_groups": []}, "epoch": 7},
    "a trainer's own names": lambda w: {"epoch": 1, "state_dict": {f"model.{n}": t for n, t in w.items()}},
    "a loss beside it": lambda w: {
        "state_dict": {"loss.weight": torch.ones(2)} | {f"sam.{n}": t for n, t in w.items()}
    },
    "twice": lambda w: {"model": {"state_dict": {f"module.model.{n}": t for n, t in w.items()}}},
    "averaged beside it": lambda w: {"model": w, "ema": {name: torch.zeros_like(t) for name, t in w.items()}},
    "parameters": lambda w: {n: torch.nn.Parameter(t) if t.is_floating_point() else t for n, t in w.items()},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "case"), [*(("vit_b", c) for c in WRAPPED), ("vit_t", "a trainer's own names")])
def test_wrapped_weights_are_found(case: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    model = stirred(vit() if kind == "vit_b" else mobile_sam.build())
    weights = model.state_dict() if kind == "vit_b" else published(model)
    settle(model.image_encoder)  # as the loaded one is
    for zipped in (True, False) if kind == "vit_b" else (True,):
        torch.save(WRAPPED[case](dict(weights)), tmp_path / "sam.pt", _use_new_zipfile_serialization=zipped)
        loaded = load(f"{kind}:{tmp_path / 'sam.pt'}")._sam._sam.state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


def test_what_a_checkpoint_lacks_and_has_beyond_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    weights = {f"module.{name}": tensor for name, tensor in vit().state_dict().items()}
    weights["module.mask_decoder.hf_token.weight"] = weights.pop("module.prompt_encoder.no_mask_embed.weight")
    weights[f"module.{IOU}"] = torch.zeros(1, 16)
    torch.save({"state_dict": weights}, tmp_path / "sam.pth")
    with pytest.raises(ModelLoadError) as caught:
        load(f"vit_b:{tmp_path / 'sam.pth'}")
    assert str(caught.value) == (
        f"{tmp_path / 'sam.pth'} is not a whole vit_b checkpoint of segment_anything (1 missing, such as "
        "prompt_encoder.no_mask_embed.weight; 1 unexpected, such as mask_decoder.hf_token.weight; 1 other than "
        f"expected, such as {IOU} (floats (1, 16), expected floats (1, 32))); download it again"
    )
