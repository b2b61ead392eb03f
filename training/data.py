"""Training views of the synthetic world, kept as small shards: `python -m training.data --out data/train`.

A shard is an .npz of JPEG pictures, PNG id maps and their objects. A view depends on its seed alone; a shard that
exists is not made again, and a half-written one never has its final name.
"""

from __future__ import annotations

import argparse
import json
import os
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset
from tqdm import tqdm

from vlsam_ros.synthetic.kinds import NAMES
from vlsam_ros.synthetic.scene import HELD_OUT
from vlsam_ros.synthetic.views import described, make_view

PER_SHARD = 250


def write_shard(job: tuple[Path, int, int, float]) -> Path:
    """Write one shard unless it is there; job = (path, first seed, views, share of crowded ones)."""
    path, first, count, crowd = job
    cv2.setNumThreads(1)
    if path.exists():
        return path
    pictures, maps, meta = [], [], []
    for seed in range(first, first + count):
        view = make_view(seed, crowd)
        ids, objects = described(view)
        pictures.append(cv2.imencode(".jpg", view.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
        maps.append(cv2.imencode(".png", ids)[1])
        meta.append(objects)
    arrays = {f"i{i}": p for i, p in enumerate(pictures)} | {f"m{i}": m for i, m in enumerate(maps)}
    part = path.with_suffix(".part.npz")
    np.savez(part, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    os.replace(part, path)
    return path


class Views(Dataset):
    """Views of a folder of shards, in memory as bytes: image uint8 (3, 256, 448) RGB, ids uint8 (256, 448), objects.

    `refresh` picks up shards written since. With `augment`, pictures are mirrored and their colours jittered.
    """

    def __init__(self, folder: Path, augment: bool = False) -> None:
        self.folder, self.augment = folder, augment
        self.seen: set[Path] = set()
        self.items: list[tuple[bytes, bytes, list[dict]]] = []
        self.refresh()
        if not self.items:
            raise FileNotFoundError(f"no shards in {folder}: run `python -m training.data --out {folder}` first")

    def refresh(self) -> None:
        for path in sorted(set(self.folder.glob("shard_*.npz")) - self.seen):
            if path.name.endswith(".part.npz"):
                continue
            with np.load(path) as shard:
                meta = json.loads(shard["meta"].tobytes())
                self.items += [(shard[f"i{i}"].tobytes(), shard[f"m{i}"].tobytes(), m) for i, m in enumerate(meta)]
            self.seen.add(path)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, list[dict]]:
        return self.view(index, mirrored=self.augment and np.random.rand() < 0.5)

    def view(self, index: int, mirrored: bool) -> tuple[np.ndarray, np.ndarray, list[dict]]:
        """A view as it is or mirrored."""
        _, png, objects = self.items[index]
        ids = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
        return self.picture(index, mirrored), ids[:, ::-1] if mirrored else ids, objects

    def picture(self, index: int, mirrored: bool) -> np.ndarray:
        """A view's picture, uint8 (3, 256, 448) RGB."""
        image = cv2.imdecode(np.frombuffer(self.items[index][0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        image = image[:, ::-1] if mirrored else image
        return (jitter(image) if self.augment else image).transpose(2, 0, 1)


def jitter(image: np.ndarray) -> np.ndarray:
    """Scale exposure, contrast and colour a little; (H, W, 3) RGB."""
    gain = np.random.uniform(0.8, 1.2) * np.random.uniform(0.93, 1.07, 3)
    table = np.clip(np.arange(256)[:, None] * gain + np.random.uniform(-15, 15), 0, 255).astype(np.uint8)
    return np.stack([table[image[..., c], c] for c in range(3)], -1)


def names_of(objects: list[dict]) -> list[str]:
    """Distinct names in the order of `NAMES`, as the embedded VLM lists them."""
    present = {o["name"] for o in objects}
    return [name for name in NAMES if name in present]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=15000)
    parser.add_argument("--seed", type=int, default=0, help="first seed; train 0, validation 10 000 000")
    parser.add_argument("--crowd", type=float, default=0.6, help="share of views filled with objects")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.seed + args.views > HELD_OUT:
        raise SystemExit(f"seeds from {HELD_OUT} on are for measuring, got {args.seed} to {args.seed + args.views - 1}")
    jobs = [
        (
            args.out / f"shard_{i:04d}.npz",
            args.seed + i * PER_SHARD,
            min(PER_SHARD, args.views - i * PER_SHARD),
            args.crowd,
        )
        for i in range(-(-args.views // PER_SHARD))
    ]
    with Pool(args.workers) as pool:
        list(tqdm(pool.imap_unordered(write_shard, jobs), total=len(jobs), unit="shard"))


if __name__ == "__main__":
    main()
