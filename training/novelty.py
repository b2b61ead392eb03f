"""What training views look like to an embedded VLM's tower: `python -m training.novelty` writes it beside its weights.

To be run after `training.export`, for each VLM whose tower has changed.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from vlsam_ros.embedded import VLMS, WEIGHTS, tower
from vlsam_ros.embedded.novelty import FILE, Novelty, pooled
from vlsam_ros.embedded.winograd import fused
from vlsam_ros.synthetic.scene import HELD_OUT, sample_world
from vlsam_ros.synthetic.wide import Scene, sample_scene
from vlsam_ros.synthetic.world import FRAME_WH

MEAN, STD = (torch.tensor([v]).view(1, 3, 1, 1) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
BATCH = 16


def frame(seed: int) -> np.ndarray:
    """The whole frame with this seed, of the first world or of the wide one, RGB uint8 (256, 448, 3).

    It is drawn larger and made smaller, as the VLM's processor does it with cameras' frames.
    """
    height, width = tower.VIEW_HW
    whole = Scene(sample_world(seed), (0, 0, *FRAME_WH), FRAME_WH) if seed % 2 else sample_scene(seed)
    scale = 2 * width / whole.size_wh[0]
    drawn = dataclasses.replace(whole, size_wh=(2 * width, round(scale * whole.size_wh[1])))
    return np.asarray(Image.fromarray(drawn.render().image).resize((width, height), Image.Resampling.BILINEAR))


def views(count: int, workers: Executor, first: int = 0) -> Iterator[np.ndarray]:
    """The frames of so many training worlds from a first seed on.

    Raises:
        ValueError: some of these worlds are for measuring.
    """
    if first + count > HELD_OUT:
        raise ValueError(f"seeds from {HELD_OUT} on are for measuring, got {first} to {first + count - 1}")
    return iter(workers.map(frame, range(first, first + count), chunksize=BATCH))


@torch.inference_mode()
def features(vision: nn.Module, pictures: Iterable[np.ndarray], device: torch.device) -> Iterator[Tensor]:
    """What a tower makes of RGB uint8 (256, 448, 3): batches of features (V, C)."""
    pictures = iter(pictures)
    while batch := list(islice(pictures, BATCH)):
        pixels = torch.from_numpy(np.stack(batch)).to(device).permute(0, 3, 1, 2).float()
        yield pooled(vision((pixels - MEAN.to(device)) / STD.to(device)).last_hidden_state)


def vision_of(folder: Path, device: torch.device) -> nn.Module:
    """The tower of the VLM in a folder, float32, as it runs on a device."""
    from transformers import AutoModelForImageTextToText

    vision = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).model.vision_tower.eval()
    return fused(vision) if device.type == "cpu" else vision.to(device)


def main() -> None:
    folders = [WEIGHTS / name for name in VLMS.values()]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", default=folders, help="folders of VLMs (the package's)")
    parser.add_argument("--views", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    device = torch.device(args.device)
    with ProcessPoolExecutor(args.workers) as workers:
        pictures = list(tqdm(views(args.views, workers, args.seed), total=args.views, unit="view", desc="drawn"))
    for folder in args.weights:
        shown = tqdm(pictures, unit="view", desc=folder.name)
        novelty = Novelty.fit(features(vision_of(folder, device), shown, device))
        novelty.save(folder / FILE)
        print(f"{folder / FILE}: limit {float(novelty.limit):.2f}, {(folder / FILE).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
