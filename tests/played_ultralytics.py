"""The part of the package ultralytics that the grounder uses, played: a model finds what is painted in a name's colour.

A file of it says what it is, as JSON, which stands for Python's pickle.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

COLOURS = {"car": (200, 30, 40), "traffic cone": (250, 120, 10), "person": (20, 180, 60)}
"""What the text encoder knows, RGB; all other names are black."""


class YOLO:
    """A model of a file, with a log of what it was asked."""

    def __init__(self, file: str) -> None:
        made = json.loads(Path(file).read_text())
        self.task, self.log, self.predictor = made.get("task", "detect"), [], None
        self.tags, self.fails = made.get("names"), ""
        head = SimpleNamespace(nc=80)
        if made["kind"] == "prompt-free":
            head.lrpc = True
        if Path(file).suffix != ".pt":
            self.model: Any = file
            return
        self.model = SimpleNamespace(model=[head], names=self.tags, clip_model=None)
        if made["kind"] != "plain":
            self.model.get_text_pe = self._text
        if made["kind"] == "world":
            self.model.txt_feats = torch.zeros(1, 80, 3)
        if made["kind"] in ("yoloe", "prompt-free"):
            self.model.text_model = made.get("text_model", "mobileclip:blt")

    @property
    def names(self) -> dict[int, str]:
        return dict(enumerate(self.tags))

    def to(self, device: torch.device) -> None:
        self.log.append(("to", str(device)))

    def fuse(self) -> None:
        self.log.append(("fuse",))

    def _text(self, texts: list[str], cache_clip_model: bool = False) -> torch.Tensor:
        assert cache_clip_model and self.model.clip_model, "it would build its own encoder, and fetch that"
        self.log.append(("text", *texts))
        return self.model.clip_model.encode_text(self.model.clip_model.tokenize(texts))[None]

    def set_classes(self, names: list[str], features: torch.Tensor) -> None:
        assert not hasattr(self.model, "txt_feats"), "YOLO-World takes names alone"
        self.model.names, self.model.pe = names, features

    def predict(self, pictures: list[np.ndarray], conf: float, classes: list[int], max_det: int, **options: Any) -> Any:
        self.log.append(("predict", [p.shape[:2] for p in pictures], options))
        if self.fails:
            raise RuntimeError(self.fails)
        if self.predictor is None:  # has a copy of the model, with the names that it was told
            self.predictor = self._features().clone()
        features = self.predictor
        return [self._seen(picture[..., ::-1], features, set(classes), conf, max_det) for picture in pictures]

    def _features(self) -> torch.Tensor:
        if self.tags is not None:
            return torch.stack([feature(tag.split("/")[0].removesuffix("s")) for tag in self.tags])
        return (self.model.pe if hasattr(self.model, "pe") else self.model.txt_feats)[0]

    def _seen(self, rgb: np.ndarray, features: torch.Tensor, classes: set[int], conf: float, most: int) -> Any:
        rows, masks = [], []
        for number, colour in enumerate(features):
            seen = np.abs(rgb / 255 - np.array([*colour])).max(-1) < 0.01
            columns = np.flatnonzero(np.diff(np.pad(seen.any(0), 1).astype(int)))
            for i, (x0, x1) in enumerate(columns.reshape(-1, 2)):
                ys = np.flatnonzero(seen[:, x0:x1].any(1))
                score = 0.9 - 0.1 * i
                if number in classes and score > conf and len(rows) < most:
                    mask = np.zeros_like(seen)
                    mask[:, x0:x1] = seen[:, x0:x1]
                    rows.append([x0 - 1, ys[0] - 1, x1 + 1, ys[-1] + 2, score, number])
                    masks.append(mask)
        table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
        boxes = SimpleNamespace(xyxy=table[:, :4], conf=table[:, 4], cls=table[:, 5])
        outlined = SimpleNamespace(data=torch.tensor(np.array(masks))) if self.task == "segment" and masks else None
        return SimpleNamespace(orig_shape=rgb.shape[:2], boxes=boxes, masks=outlined)


def feature(name: str) -> torch.Tensor:
    """A name's colour in [0, 1], (3,); black has none."""
    return torch.tensor(COLOURS.get(name, (0, 0, 0))) / 255


class Encoder(torch.nn.Module):
    """A text encoder; its tokens are places in `COLOURS`."""

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        table = torch.stack([*(feature(name) for name in COLOURS), torch.zeros(3)])
        return table[tokens[:, 0]]

    forward = encode_text


def tokenize(texts: list[str], truncate: bool = False) -> torch.Tensor:
    """(n, 1)."""
    assert truncate
    known = list(COLOURS)
    return torch.tensor([[known.index(text) if text in known else len(known)] for text in texts])


def install(patch: pytest.MonkeyPatch, folder: Path) -> ModuleType:
    """The packages ultralytics and clip are these; its own folder of weights is `folder`.

    As the real one, it reads when it is imported whether it may use the network, so that the environment must say so.
    """
    for name in ("YOLO_OFFLINE", "YOLO_AUTOINSTALL", "YOLO_VERBOSE"):
        patch.delenv(name, raising=False)

    class Utils(ModuleType):
        def __getattr__(self, name: str) -> bool:
            read = {"ONLINE": ("YOLO_OFFLINE", "true"), "AUTOINSTALL": ("YOLO_AUTOINSTALL", "false")}
            if name not in read:
                raise AttributeError(name)
            variable, off = read[name]
            return os.environ.get(variable) != off

    package, utils = ModuleType("ultralytics"), Utils("ultralytics.utils")
    downloads, clip = ModuleType("ultralytics.utils.downloads"), ModuleType("clip")
    package.YOLO, package.utils = YOLO, utils  # type: ignore[attr-defined]
    utils.WEIGHTS_DIR, utils.downloads = folder, downloads  # type: ignore[attr-defined]
    clip.load = lambda file, device: (Encoder(), None)  # type: ignore[attr-defined]
    clip.tokenize = tokenize  # type: ignore[attr-defined]
    for module in (package, utils, downloads, clip):
        patch.setitem(sys.modules, module.__name__, module)
    patch.setattr(torch.jit, "load", lambda file, map_location: Encoder())
    return package


def write(file: Path, **made: Any) -> Path:
    """A model's file."""
    file.write_text(json.dumps(made))
    return file
