"""Training views of the synthetic worlds in memory-mapped arrays: `python -m training.data --out data/train`.

A view depends on its seed alone (and on whether scikit-image is there). What is there is not made again: the run goes
on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.kinds import NAMES
from vlsam_ros.synthetic.render import IGNORE_ID
from vlsam_ros.synthetic.scene import HELD_OUT
from vlsam_ros.synthetic.views import described, make_view
from vlsam_ros.synthetic.wide import make_wide_view

CHUNK, MOST, OWN = 50, 32, 0.4
"""Views written at a time, the objects kept of one, and the share of views from the first world."""

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)

ARRAYS = {
    "images": ((3, *VIEW_HW), np.uint8),
    "ids": (VIEW_HW, np.uint8),
    "kinds": ((MOST,), np.int8),
    "boxes": ((MOST, 4), np.int16),
    "done": ((), np.bool_),
}
"""Per view: RGB; 0 or i for the i-th object or 255 to be ignored; index in `NAMES` or -1; y0, x0, y1, x1 in pixels."""


def opened(folder: Path, views: int | None = None) -> dict[str, np.ndarray]:
    """A folder's arrays, memory-mapped; made for so many views, and made anew if there are others."""
    if views is None:
        missing = [name for name in ARRAYS if not (folder / f"{name}.npy").exists()]
        if missing:
            raise FileNotFoundError(
                f"no {missing[0]}.npy in {folder}: run `python -m training.data --out {folder}` first"
            )
        return {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ARRAYS}
    folder.mkdir(parents=True, exist_ok=True)
    out = {}
    for name, (shape, dtype) in ARRAYS.items():
        path = folder / f"{name}.npy"
        if path.exists() and len(np.load(path, mmap_mode="r")) == views:
            out[name] = np.load(path, mmap_mode="r+")
        else:
            out[name] = np.lib.format.open_memmap(path, "w+", dtype, (views, *shape))
    return out


def view_of(seed: int, own: float, crowd: float) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """The view with this seed, from the first world (a share `own` of them) or from the wide one."""
    rng = np.random.default_rng([seed, 0xDA7A])
    view = make_view(seed, crowd) if rng.random() < own else make_wide_view(seed)
    return view.image, *described(view)


def write_chunk(job: tuple[Path, int, int, int, float, float]) -> None:
    """Write some views unless they are there; job = (folder, views in all, first index, first seed, own, crowd)."""
    folder, views, first, seed, own, crowd = job
    cv2.setNumThreads(1)
    arrays = opened(folder, views)
    for i in range(first, min(first + CHUNK, views)):
        if arrays["done"][i]:
            continue
        image, ids, objects = view_of(seed + i, own, crowd)
        table, kinds, boxes = np.zeros(256, np.uint8), np.full(MOST, -1, np.int8), np.zeros((MOST, 4), np.int16)
        table[IGNORE_ID] = IGNORE_ID
        for k, item in enumerate(objects):
            table[item["id"]] = k + 1 if k < MOST else IGNORE_ID
            if k < MOST:
                shown = ids == item["id"]
                rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
                boxes[k] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
                kinds[k] = NAMES.index(item["name"])
        arrays["images"][i] = image.transpose(2, 0, 1)
        arrays["ids"][i] = table[ids]
        arrays["kinds"][i], arrays["boxes"][i] = kinds, boxes
        arrays["done"][i] = True


@dataclass
class Batch:
    """Some views, on a device.

    images float32 (B, 3, 256, 448), normalised as both embedded models take them; ids uint8 (B, 256, 448); kinds
    (B, K), -1 for none, and boxes (B, K, 4) of pixels y0, x0, y1, x1, both int64; `listed` and `edges` are the same
    as arrays, for what is done with text.
    """

    images: Tensor
    ids: Tensor
    kinds: Tensor
    boxes: Tensor
    listed: np.ndarray
    edges: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def masks(self) -> Tensor:
        """The objects' pixels, bool (B, K, 256, 448)."""
        numbers = torch.arange(1, self.kinds.shape[1] + 1, device=self.ids.device, dtype=torch.uint8)
        return self.ids[:, None] == numbers[:, None, None]

    @cached_property
    def cover(self) -> Tensor:
        """The share of each patch that each object covers, float32 (B, K, 16, 28)."""
        return F.avg_pool2d(self.masks.float(), STRIDE)

    @cached_property
    def kind_cover(self) -> Tensor:
        """The share of each patch that each kind covers, float32 (B, kinds, 16, 28)."""
        out = self.cover.new_zeros(len(self), len(NAMES) + 1, *self.cover.shape[2:])
        index = self.kinds % (len(NAMES) + 1)
        return out.scatter_add_(1, index[..., None, None].expand_as(self.cover), self.cover)[:, :-1]

    @cached_property
    def ignored(self) -> Tensor:
        """Patches that show something too small or too hidden to be asked for, bool (B, 16, 28)."""
        return F.avg_pool2d((self.ids == IGNORE_ID).float(), STRIDE) > 0.02


class Views:
    """The views of a folder. With `augment`, batches are mirrored and their colours changed at random."""

    def __init__(self, folder: Path, augment: bool = False, device: str = "cpu") -> None:
        self.augment, self.device = augment, torch.device(device)
        self.mean, self.std = MEAN.to(self.device), STD.to(self.device)
        self.arrays = {name: torch.from_numpy(array) for name, array in opened(folder).items()}
        self.indices = np.flatnonzero(self.arrays["done"].numpy())
        if not len(self.indices):
            raise FileNotFoundError(f"no views in {folder}: run `python -m training.data --out {folder}` first")

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, which: np.ndarray | range) -> Batch:
        """The views of these positions, from 0."""
        return self._placed(self._gathered(which))

    def batches(self, size: int) -> Iterator[Batch]:
        """Endless shuffled batches of one size; the next one is read while one is worked on."""
        rng = np.random.default_rng(np.random.randint(1 << 31))
        with ThreadPoolExecutor(1) as reader:
            ahead = []
            while True:
                order = rng.permutation(len(self))
                whole = max(1, len(self) // size)
                for chunk in order[: whole * size].reshape(whole, -1):
                    ahead.append(reader.submit(self._gathered, chunk))
                    if len(ahead) > 2:
                        yield self._placed(ahead.pop(0).result())

    def in_order(self, size: int, most: int) -> Iterator[Batch]:
        """The first views once, in order."""
        for at in range(0, min(most, len(self)), size):
            yield self.batch(range(at, min(at + size, most, len(self))))

    def _gathered(self, which: np.ndarray | range) -> dict[str, Tensor]:
        index = torch.from_numpy(self.indices[np.asarray(which)])
        found = {name: self.arrays[name].index_select(0, index) for name in ("images", "ids", "kinds", "boxes")}
        if self.device.type == "cuda":
            found |= {name: found[name].pin_memory() for name in ("images", "ids")}
        return found

    def _placed(self, found: dict[str, Tensor]) -> Batch:
        most = max(1, int((found["kinds"] >= 0).sum(1).max()))
        listed, edges = (found[name][:, :most].numpy().astype(np.int64) for name in ("kinds", "boxes"))
        images, ids = (found[name].to(self.device, non_blocking=True) for name in ("images", "ids"))
        if self.augment:
            mirrored = np.random.rand(len(listed)) < 0.5
            edges[mirrored] = mirror(edges[mirrored])
            flip = moved(mirrored, self.device)
            images = torch.where(flip[:, None, None, None], images.flip(-1), images)
            ids = torch.where(flip[:, None, None], ids.flip(-1), ids)
        colours = jitter(images.float()) if self.augment else images.float()
        kinds, boxes = moved(listed, self.device), moved(edges, self.device)
        return Batch((colours - self.mean) / self.std, ids, kinds, boxes, listed, edges)


def mirror(edges: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) of pixels y0, x0, y1, x1 in the mirrored view."""
    return edges[..., [0, 3, 2, 1]] * (1, -1, 1, -1) + (0, VIEW_HW[1], 0, VIEW_HW[1])


def moved(array: np.ndarray, device: torch.device) -> Tensor:
    """An array on a device, by way of pinned memory, so that the host does not wait for a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def jitter(images: Tensor) -> Tensor:
    """Change exposure, colour, contrast and noise of (B, 3, H, W) in 0..255, each picture in its own way."""
    shape, device = (len(images), 1, 1, 1), images.device
    draw = lambda low, high, size=shape: torch.empty(size, device=device).uniform_(low, high)  # noqa: E731
    mix = torch.eye(3, device=device) + torch.randn(len(images), 3, 3, device=device) * 0.25 * (draw(0, 1)[:, 0] < 0.15)
    mix = mix / mix.sum(-1, keepdim=True)
    out = torch.einsum("bij,bjhw->bihw", mix, images)
    out = out * draw(0.75, 1.25) * draw(0.92, 1.08, (len(images), 3, 1, 1)) + draw(-20, 20)
    grain = (draw(0, 1) < 0.25) * draw(0, 12)
    return (out + grain * torch.randn_like(out)).clamp(0, 255)


def write(out: Path, views: int, seed: int, own: float, crowd: float, workers: int) -> None:
    """Make what is missing of so many views, on so many cores.

    Raises:
        ValueError: seeds that are for measuring.
    """
    if seed + views > HELD_OUT:
        raise ValueError(f"seeds from {HELD_OUT} on are for measuring, got {seed} to {seed + views - 1}")
    done = opened(out, views)["done"]
    starts = [first for first in range(0, views, CHUNK) if not done[first : first + CHUNK].all()]
    jobs = [(out, views, first, seed, own, crowd) for first in starts]
    with get_context("spawn").Pool(min(workers, len(jobs))) if jobs else nullcontext() as pool:
        made = pool.imap_unordered(write_chunk, jobs) if pool else ()
        list(tqdm(made, total=len(jobs), unit="chunk", desc=str(out), mininterval=5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=15000)
    parser.add_argument("--seed", type=int, default=0, help="first seed; train 0, validation 10 000 000")
    parser.add_argument("--own", type=float, default=OWN, help="share of views of the first world; the rest is wide")
    parser.add_argument("--crowd", type=float, default=0.6, help="share of the first world's views filled with objects")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    write(args.out, args.views, args.seed, args.own, args.crowd, args.workers)


if __name__ == "__main__":
    main()
