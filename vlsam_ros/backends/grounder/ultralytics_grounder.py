"""YOLO-World, YOLOE and any other detector of the package ultralytics as a `Grounder`; imported only for such a model.

The package is AGPL-3.0 and no dependency of this one. It is kept from the network: its analytics, its downloads and its
installing of packages are off. A promptable model is told the names, whose text features are kept. One with a fixed
vocabulary (YOLOE without prompts, an export, a plain YOLO) finds a name only where it equals one of its tags, singular
or plural; what else it finds is nobody's and left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...config import GrounderOptions
from ...data import Grounded, Mask, check_image
from ...errors import ConfigError, GrounderError, ModelLoadError, failures
from ..checkpoint import reason
from ..interfaces import LEAST_SIDE_PX, Grounder
from .names import Recent, plain, singular

THRESHOLD = 0.25
"""The least score of a box, as ultralytics has it."""

QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
"""What its environment must say before the package is imported."""

DATA = (".onnx",)
PROGRAMS = (".pt", ".torchscript", ".engine")
"""Suffixes of files that hold numbers only, and of those that can run code."""

ENCODERS = {
    "clip:ViT-B/32": "ViT-B-32.pt",
    "mobileclip:blt": "mobileclip_blt.ts",
    "mobileclip2:b": "mobileclip2_b.ts",
}
"""Text encoder of a promptable model -> the file that it is in."""

MOST_BOXES = 300
"""In a view, of all names together, as ultralytics has it: it makes all their masks on the view's pixels at once."""


class UltralyticsGrounder(Grounder):
    """A model of ultralytics behind `Grounder`; the names of all views of a call are told together.

    Args:
        name: the model's.
        yolo: an `ultralytics.YOLO`.
        tags: its fixed vocabulary; None: it is told names.
        options: threshold, most boxes of a name, and whether in float16.
        device: where it runs.
    """

    def __init__(
        self,
        name: str,
        yolo: Any,
        tags: Mapping[int, str] | None,
        options: GrounderOptions,
        device: torch.device,
    ) -> None:
        self.name, self.outlines = name, yolo.task == "segment"
        self._yolo, self._device, self._half = yolo, device, options.dtype == "float16"
        self._tags = None if tags is None else _by_name(tags)
        self._features = Recent(self._describe)
        self._told: tuple[str, ...] = ()
        self.configure(options)

    def configure(self, options: GrounderOptions) -> None:
        """See `Grounder.configure`."""
        self.threshold = THRESHOLD if options.threshold < 0 else options.threshold
        self.max_boxes = options.max_boxes

    def locate(self, view: np.ndarray, names: Sequence[str]) -> Grounded:
        """See `Grounder.locate`.

        Raises:
            BadImageError: the view is no RGB uint8 image.
            GrounderError: the model failed, or its boxes are not finite.
        """
        return self.locate_views([view], [names])[0]

    def locate_views(self, views: Sequence[np.ndarray], names: Sequence[Sequence[str]]) -> list[Grounded]:
        """See `Grounder.locate_views`; the views are one batch. Nothing is kept with them."""
        plain_names = [[plain(name) for name in own] for own in names]
        what = f"{self.name} failed on {len(views)} views"
        with failures(GrounderError, what):
            classes = self._classes({name for own in plain_names for name in own if name})
            pictures = [np.ascontiguousarray(check_image(view)[..., ::-1]) for view in views]  # BGR
            asked = [{i: classes[name] for i, name in enumerate(own) if name in classes} for own in plain_names]
            looked = [i for i, own in enumerate(asked) if own]
            found = dict(zip(looked, self._predict([pictures[i] for i in looked], classes), strict=True))
            return [self._kept(found[i], own) if own else Grounded.joined([]) for i, own in enumerate(asked)]

    def _classes(self, names: set[str]) -> dict[str, int]:
        """The number of each name in the model's answers; without those that it doesn't know."""
        if self._tags is not None:
            return {name: tag for name in names if (tag := self._tags.get(singular(name))) is not None}
        told = tuple(sorted(names))
        if told and told != self._told:
            self._told = ()  # if it fails half-way
            _tell(self._yolo, told, torch.cat([self._features(name) for name in told], 1))
            self._told = told
        return {name: i for i, name in enumerate(told)}

    def _describe(self, name: str) -> Tensor:
        """A name's text features (1, 1, D)."""
        return self._yolo.model.get_text_pe([name], cache_clip_model=True).clone()

    def _predict(self, pictures: list[np.ndarray], classes: Mapping[str, int]) -> list[Any]:
        if not pictures:
            return []
        return self._yolo.predict(
            pictures,
            conf=self.threshold,
            classes=sorted(set(classes.values())),
            max_det=max(MOST_BOXES, self.max_boxes),
            device=self._device,
            **({"half": True} if self._half else {}),
            retina_masks=True,  # on the view's pixels
            save=False,
            verbose=False,
        )

    def _kept(self, result: Any, asked: Mapping[int, int]) -> Grounded:
        """The best boxes of each name, cut to the view.

        Args:
            result: of ultralytics, for one view.
            asked: place among the view's names -> number in the model's answers.
        """
        height, width = result.orig_shape
        xyxy, scores, numbers = (
            np.asarray(part.float().cpu(), np.float32)
            for part in (result.boxes.xyxy, result.boxes.conf, result.boxes.cls)
        )
        if not (np.isfinite(xyxy).all() and np.isfinite(scores).all()):
            raise GrounderError(f"{self.name}: expected finite boxes and scores, got NaN or infinity")
        xyxy = xyxy.clip(0, np.array([width, height] * 2, np.float32))
        placed = np.all(xyxy[:, 2:] - xyxy[:, :2] >= LEAST_SIDE_PX, axis=1)
        order = np.argsort(-scores, kind="stable")
        rows: list[tuple[int, int]] = []
        for name, number in asked.items():
            best = [int(row) for row in order if numbers[row] == number and placed[row]]
            rows += [(name, row) for row in best[: self.max_boxes]]
        chosen = np.array([row for _, row in rows], np.int64)
        masks = None
        if self.outlines:
            masks = tuple(Mask.from_dense(result.masks.data[row].bool().cpu().numpy()) for _, row in rows)
        return Grounded(xyxy[chosen], scores[chosen], np.array([name for name, _ in rows], np.int64), masks)


def load(file: Path, options: GrounderOptions, device: torch.device) -> UltralyticsGrounder:
    """The grounder of a file.

    Raises:
        ConfigError: the file can run code and isn't trusted, or the precision is none of ultralytics'.
        ModelLoadError: the package, the file or its text encoder is missing, or it is no detector.
    """
    _require_trust(file, options.trust_pickle)
    if options.dtype == "bfloat16":
        raise ConfigError("grounder.dtype: ultralytics computes in float32 or float16, got 'bfloat16'")
    if not file.is_file():  # ultralytics would fetch it
        raise ModelLoadError(f"no file {str(file)!r}; expected one of ultralytics ({', '.join(DATA + PROGRAMS)})")
    ultralytics = _package()
    try:
        yolo = ultralytics.YOLO(str(file.resolve()))
        if file.suffix == ".pt":
            yolo.to(device)
            yolo.fuse()
    except Exception as error:  # strange files make it raise nearly anything
        raise ModelLoadError(f"ultralytics can't load {str(file)!r}: {reason(error)}") from error
    if yolo.task not in ("detect", "segment"):
        raise ModelLoadError(f"{str(file)!r}: expected a model that detects or segments, got one to {yolo.task}")
    if file.suffix == ".pt" and hasattr(yolo.model, "get_text_pe") and not hasattr(yolo.model.model[-1], "lrpc"):
        yolo.model.clip_model = _text_encoder(ultralytics, yolo.model, file.parent, device)
        tags = None
    else:
        tags = dict(yolo.names)
    return UltralyticsGrounder(file.name, yolo, tags, options, device)


def _require_trust(file: Path, trusted: bool) -> None:
    if file.suffix not in DATA + PROGRAMS:
        raise ConfigError(
            f"grounder.model: expected a file of ultralytics ({', '.join(DATA + PROGRAMS)}), got {str(file)!r}"
        )
    if file.suffix in PROGRAMS and not trusted:
        why = "Python's pickle, and loading it runs whatever code it holds" if file.suffix == ".pt" else "a program"
        raise ConfigError(
            f"grounder.model: a {file.suffix} file is {why}; if you trust {str(file)!r}, set grounder.trust_pickle, "
            "else take an .onnx export"
        )


def _package() -> Any:
    """The package, which is to call nobody.

    Raises:
        ModelLoadError: it is not installed, or was imported with leave to call others.
    """
    os.environ.update(QUIET)
    threads = cv2.getNumThreads()
    try:
        import ultralytics
        from ultralytics.utils import downloads
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"no package {error.name}: pip install ultralytics (AGPL-3.0: it binds what you distribute)"
        ) from error
    finally:
        cv2.setNumThreads(threads)  # it turns them off
    downloads.attempt_download_asset = downloads.safe_download = _there
    if ultralytics.utils.ONLINE or ultralytics.utils.AUTOINSTALL:
        wanted = ", ".join(f"{name}={value}" for name, value in QUIET.items())
        raise ModelLoadError(f"ultralytics was imported before with leave to use the network; set {wanted}")
    return ultralytics


def _there(file: str | Path = "", *_: Any, **options: Any) -> str:
    """Stands for ultralytics' downloads.

    Raises:
        FileNotFoundError: the file would have to be fetched.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file or options}: not here, and nothing is fetched")
    return str(file)


def _text_encoder(ultralytics: Any, network: Any, folder: Path, device: torch.device) -> TextEncoder:
    """What a promptable model reads names with, from a file beside it or in ultralytics' folder of weights.

    Raises:
        ModelLoadError: the file, or the package clip, is missing or of another kind.
    """
    variant = getattr(network, "text_model", "clip:ViT-B/32")
    if variant not in ENCODERS:
        raise ModelLoadError(f"expected a model that reads with one of {', '.join(ENCODERS)}, got {variant!r}")
    weights = Path(ultralytics.utils.WEIGHTS_DIR)
    places = [parent / ENCODERS[variant] for parent in (folder, weights, weights / "clip")]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise ModelLoadError(
            f"no text encoder: fetch {ENCODERS[variant]} (ultralytics does, when it is told names) and put it into "
            f"{str(folder)!r}"
        )
    try:
        import clip
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"no package {error.name}: pip install git+https://github.com/ultralytics/CLIP.git"
        ) from error
    with failures(ModelLoadError, f"can't read the text encoder {str(file)!r}"):
        if variant.startswith("clip:"):
            encode = clip.load(str(file), device=device)[0].eval().encode_text
        else:
            encode = torch.jit.load(str(file), map_location=device).eval()
        encoder = TextEncoder(encode, clip.tokenize, device)
        encoder.encode_text(encoder.tokenize(["car"]))
    return encoder


class TextEncoder:
    """Stands for ultralytics' own, which would fetch its weights; not copied with the model that has it."""

    def __init__(self, encode: Callable[[Tensor], Tensor], tokenize: Callable[..., Tensor], device: torch.device):
        self._encode, self._tokenize, self._device = encode, tokenize, device

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Tokens (n, T) of texts, cut to what the encoder holds."""
        return self._tokenize(list(texts), truncate=True).to(self._device)

    @torch.inference_mode()
    def encode_text(self, tokens: Tensor) -> Tensor:
        """Features float32 (n, D) of length 1."""
        return normalize(self._encode(tokens).float(), dim=-1)

    def __deepcopy__(self, _: dict[int, Any]) -> TextEncoder:
        return self


def _tell(yolo: Any, names: Sequence[str], features: Tensor) -> None:
    """The names that are looked for from now on, with their text features (1, n, D)."""
    if hasattr(yolo.model, "txt_feats"):  # YOLO-World; its own way to be told makes the features anew
        yolo.model.txt_feats, yolo.model.model[-1].nc, yolo.model.names = features, len(names), list(names)
    else:
        yolo.set_classes(list(names), features)
    yolo.predictor = None  # which has a copy of the model


def _by_name(tags: Mapping[int, str]) -> dict[str, int]:
    """Singular plain name -> number of the tag; a tag's synonyms stand between slashes."""
    return {singular(plain(name)): number for number, tag in tags.items() for name in tag.split("/")}
