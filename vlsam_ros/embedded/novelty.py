"""How unlike all training views a picture is, by what the embedded vision tower makes of it.

The features of a view are the means of the tower's channels over its tokens. Their Mahalanobis distance from those of
the training views (Lee et al. 2018, arXiv 1807.03888), with a covariance that is shrunk as Ledoit and Wolf (2004) do,
says how far a view is from all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelLoadError, VlmError

FILE = "novelty.safetensors"
"""Its name in the folder of an embedded VLM."""

FAMILIAR = 0.97
"""The share of the training views that is within the limit; those of the first world are far within."""

FOLDS = 5
"""Parts of the training views; the limit is that of distances of each from what is fitted to the others."""


@dataclass(frozen=True)
class Novelty:
    """What training views look like to a tower with C channels; all float32.

    Attributes:
        mean: (C,), of their features.
        whitening: (C, C), after which their features are alike in all directions.
        limit: (), the distance that `FAMILIAR` of them are within.
    """

    mean: Tensor
    whitening: Tensor
    limit: Tensor

    @classmethod
    def fit(cls, features: Iterable[Tensor]) -> Novelty:
        """Of the features of views, each (V, C), of which there are at least two in all.

        Raises:
            ValueError: there are fewer, all are the same, or some are not finite.
        """
        x = torch.cat([part.detach().double().cpu() for part in features] or [torch.zeros(0, 1)])
        if len(x) < 2 or not x.isfinite().all():
            got = "some that are not finite" if len(x) >= 2 else f"{len(x)}"
            raise ValueError(f"expected finite features of at least two views, got {got}")
        if not (x != x[0]).any():
            raise ValueError(f"expected features of different views, got {len(x)} times the same")
        mean, whitening = _moments(x)
        folds = FOLDS if len(x) > 2 * FOLDS else 1
        parts = [torch.arange(len(x)) % folds == fold for fold in range(folds)]
        # a view counts as far as it is from the others: it is nearer to what was fitted to itself
        far = [_distance(x[part], *_moments(x[~part] if folds > 1 else x)) for part in parts]
        return cls(mean.float(), whitening.float(), torch.cat(far).quantile(FAMILIAR).float())

    def score(self, features: Tensor) -> Tensor:
        """Features (V, C) -> float32 (V,), 1 at the limit, on their device; NaN or infinite if they are."""
        return _distance(features.float(), self.mean, self.whitening) / self.limit

    def to(self, device: torch.device) -> Novelty:
        """The same on another device."""
        return Novelty(self.mean.to(device), self.whitening.to(device), self.limit.to(device))

    def save(self, path: Path) -> None:
        """As safetensors."""
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in vars(self).items()}, path)

    @classmethod
    def load(cls, path: Path) -> Novelty:
        """What `save` wrote.

        Raises:
            ModelLoadError: the file is missing, or holds something else.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        again = f"run `python -m training.novelty --weights {path.parent}`, or reinstall the package"
        try:
            out = cls(**load_file(path))
        except (OSError, SafetensorError, TypeError) as error:
            raise ModelLoadError(f"can't load what training views look like from {path} ({error}); {again}") from error
        shapes = [tuple(tensor.shape) for tensor in vars(out).values()]
        fine = all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in vars(out).values())
        if not fine or shapes != [shapes[0], 2 * shapes[0], ()] or len(shapes[0]) != 1 or not out.limit > 0:
            raise ModelLoadError(f"{path}: expected finite float32 of (C,), (C, C) and a limit, got {shapes}; {again}")
        return out


def pooled(tokens: Tensor) -> Tensor:
    """A tower's tokens (V, N, C) -> the features of each view, float32 (V, C)."""
    return tokens.float().mean(1)


@contextmanager
def scores(model: Any, novelty: Novelty | None) -> Iterator[list[Tensor]]:
    """The scores (V,) of the views that an embedded VLM is shown inside the block, a tensor for each call.

    Args:
        novelty: None: there are none.
    """
    found: list[Tensor] = []
    if novelty is None:
        yield found
        return

    def keep(_: Any, __: Any, out: Any) -> None:
        found.append(novelty.score(pooled(out.last_hidden_state)))

    hook = model.model.vision_tower.register_forward_hook(keep)
    try:
        yield found
    finally:
        hook.remove()


def figure(scored: Tensor | None = None, view: int = 0) -> float | None:
    """The score of one of the views of a batch; None without one. Waits for the device.

    Raises:
        VlmError: it is not finite.
    """
    if scored is None:
        return None
    score = float(scored[view])
    if not math.isfinite(score):
        raise VlmError(f"expected a finite novelty of a view, got {score}: the vision tower's features are not finite")
    return score


def _distance(features: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    return ((features - mean) @ whitening).norm(dim=-1)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of x (V, C), and the inverse root (C, C) of its shrunk covariance.

    It is shrunk towards a diagonal of equal entries, by as much as makes the expected error least.
    """
    (count, width), mean = x.shape, x.mean(0)
    x = x - mean
    sample = x.T @ x / count
    even = sample.trace() / width * torch.eye(width, dtype=x.dtype)
    off = (sample - even).square().sum()
    # the mean over views of |x x' - sample|², without all those matrices
    noise = (x.square().sum(1).square().mean() - sample.square().sum()) / count
    share = (noise / off).clamp(0, 1) if off > 0 else torch.ones(())
    values, vectors = torch.linalg.eigh(share * even + (1 - share) * sample)
    least = values[-1] * torch.finfo(torch.float32).eps
    return mean, (vectors * values.clamp(min=least).rsqrt()) @ vectors.T
