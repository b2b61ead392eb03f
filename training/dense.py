"""First training: the shared trunk with dense targets, for the VLM's tower and the SAM's encoder to start from.

`python -m training.dense` learns, per view: which kinds each 16 × 16 patch shows, what is object at stride 2, and
where the middle of the object under each stride-8 cell lies (which makes neighbours tell themselves apart).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from training.data import Views
from training.loop import Run, arguments, normalised, parsed
from vlsam_ros.embedded import load_sam, vlm_path
from vlsam_ros.embedded.sam import DIM, FpnEncoder
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.kinds import NAMES
from vlsam_ros.synthetic.render import IGNORE_ID

GRID = (VIEW_HW[0] // STRIDE, VIEW_HW[1] // STRIDE)
OFFSET_PX = 64.0


def coverage(ids: np.ndarray, objects: list[dict]) -> np.ndarray:
    """Share of each patch that each kind covers, float32 (kinds, 16, 28)."""
    out = np.zeros((len(NAMES), *GRID), np.float32)
    for item in objects:
        mask = (ids == item["id"]).astype(np.float32)
        out[NAMES.index(item["name"])] += cv2.resize(mask, GRID[::-1], interpolation=cv2.INTER_AREA)
    return out


def ignored(ids: np.ndarray) -> np.ndarray:
    """Patches that show something too small or too hidden to be asked for, bool (16, 28)."""
    return cv2.resize((ids == IGNORE_ID).astype(np.float32), GRID[::-1], interpolation=cv2.INTER_AREA) > 0.02


def class_loss(logits: Tensor, cover: Tensor, ignore: Tensor) -> Tensor:
    """Multi-label BCE per patch; logits and cover (B, kinds, 16, 28), ignore (B, 16, 28)."""
    best = cover.amax((2, 3), keepdim=True)
    positive = (cover > 0.1) | ((cover > 0) & (cover >= best * 0.99))
    unsure = ((cover > 0) & ~positive) | (ignore[:, None] & ~positive)
    loss = F.binary_cross_entropy_with_logits(
        logits, positive.float(), pos_weight=logits.new_tensor(4.0), reduction="none"
    )
    return (loss * ~unsure).sum() / (~unsure).sum() * len(NAMES)


class Dense(nn.Module):
    """SAM's encoder with three heads for the dense targets."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = FpnEncoder()
        self.kinds = nn.Conv2d(192, len(NAMES), 1)
        nn.init.constant_(self.kinds.bias, -4.0)
        self.fine = nn.Conv2d(DIM, 16 + 2, 1)

    def start_from_shipped(self) -> None:
        """Take the embedded SAM's encoder, and the embedded VLM's trunk in it, which knows the kinds better."""
        self.encoder.load_state_dict(load_sam().image_encoder.state_dict())
        vlm = LlavaForConditionalGeneration.from_pretrained(vlm_path(), dtype=torch.float32)
        self.encoder.trunk.load_state_dict(vlm.model.vision_tower.trunk.state_dict())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) -> kinds (B, 18, H/16, W/16), object (B, 1, H/2, W/2), offsets (B, 2, H/8, W/8)."""
        kept = []
        hook = self.encoder.trunk.register_forward_hook(lambda *a: kept.append(a[2][-1]))
        fine = self.fine(torch.relu(self.encoder(images)))
        hook.remove()
        return self.kinds(kept[0]), F.pixel_shuffle(fine[:, :16], 4), fine[:, 16:]


def fine_targets(ids: np.ndarray, objects: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Object share and validity at stride 2 (128, 224); offsets to its middle and their validity at stride 8."""
    size2, size8 = (VIEW_HW[1] // 2, VIEW_HW[0] // 2), (VIEW_HW[1] // 8, VIEW_HW[0] // 8)
    known = ids != IGNORE_ID
    share = cv2.resize(((ids > 0) & known).astype(np.float32), size2, interpolation=cv2.INTER_AREA)
    valid = cv2.resize(known.astype(np.float32), size2, interpolation=cv2.INTER_AREA) > 0.99
    small = cv2.resize(ids, size8, interpolation=cv2.INTER_NEAREST_EXACT)
    offsets = np.zeros((2, *size8[::-1]), np.float32)
    inside = np.zeros(size8[::-1], bool)
    for item in objects:
        ys, xs = np.nonzero(small == item["id"])
        rows, columns = np.nonzero(ids == item["id"])
        cx, cy = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
        offsets[0, ys, xs] = (cx - (xs + 0.5) * 8) / OFFSET_PX
        offsets[1, ys, xs] = (cy - (ys + 0.5) * 8) / OFFSET_PX
        inside[ys, xs] = True
    return share, valid, offsets, inside


def losses_of(model: Dense, items: list) -> dict[str, Tensor]:
    images, maps, objects = zip(*items, strict=True)
    kinds, fine, offsets = model(normalised(images))
    cover = torch.from_numpy(np.stack([coverage(m, o) for m, o in zip(maps, objects, strict=True)]))
    ignore = torch.from_numpy(np.stack([ignored(m) for m in maps]))
    targets = [fine_targets(m, o) for m, o in zip(maps, objects, strict=True)]
    share, valid, offset, inside = (torch.from_numpy(np.stack(t)) for t in zip(*targets, strict=True))
    pixel = F.binary_cross_entropy_with_logits(fine[:, 0], share, pos_weight=fine.new_tensor(3.0), reduction="none")
    away = (offsets - offset).abs().sum(1) * inside
    return {
        "kinds": class_loss(kinds, cover, ignore),
        "object": 2 * (pixel * valid).sum() / valid.sum(),
        "offset": 0.5 * away.sum() / inside.sum().clamp(min=1),
    }


@torch.inference_mode()
def evaluate(model: Dense, views: Views, count: int = 96) -> dict[str, float]:
    """Patch accuracy, image-level precision and recall of kinds at 0.7, object IoU at stride 2."""
    model.eval()
    right = patches = hit = said = true = inter = union = 0
    for start in range(0, min(count, len(views)), 8):
        images, maps, objects = zip(*(views[i] for i in range(start, start + 8)), strict=True)
        kinds, fine, _ = model(normalised(images))
        for b in range(len(images)):
            cover = torch.from_numpy(coverage(maps[b], objects[b]))
            shown = cover.amax(0) > 0.3
            right += int((kinds[b].argmax(0) == cover.argmax(0))[shown].sum())
            patches += int(shown.sum())
            found, wanted = kinds[b].sigmoid().amax((1, 2)) > 0.7, cover.amax((1, 2)) > 0
            hit, said, true = hit + int((found & wanted).sum()), said + int(found.sum()), true + int(wanted.sum())
            share, valid, _, _ = (torch.from_numpy(t) for t in fine_targets(maps[b], objects[b]))
            a, g = (fine[b, 0] > 0) & valid, (share > 0.5) & valid
            inter, union = inter + int((a & g).sum()), union + int((a | g).sum())
    model.train()
    return {
        "patch": right / max(patches, 1),
        "p": hit / max(said, 1),
        "r": hit / max(true, 1),
        "iou": inter / max(union, 1),
    }


def main() -> None:
    parser = arguments(__doc__, "dense", 15)
    parser.add_argument("--shipped", action="store_true", help="start from the package's own weights")
    parser.add_argument("--batch", type=int, default=8)
    args = parsed(parser)
    model = Dense().to(memory_format=torch.channels_last)
    if args.shipped:
        model.start_from_shipped()
    run = Run(args, model, lr=2e-3)
    validation = Views(args.data / "val")
    run.train(
        Views(args.data / "train", augment=True),
        args.batch,
        lambda b: losses_of(model, b),
        lambda: evaluate(model, validation),
        2.0,
    )


if __name__ == "__main__":
    main()
