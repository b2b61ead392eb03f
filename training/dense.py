"""First training: the shared trunk with dense targets, for the VLM's tower and the SAM's encoder to start from.

`python -m training.dense` learns, per view: which kinds each 16 × 16 patch shows, what is object at stride 2, and
where the middle of the object under each stride-8 cell lies (which makes neighbours tell themselves apart).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from training.data import Batch, Views
from training.loop import Run, arguments, parsed
from vlsam_ros.embedded import load_sam, vlm_path
from vlsam_ros.embedded.sam import DIM, FpnEncoder
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.kinds import NAMES
from vlsam_ros.synthetic.render import IGNORE_ID

GRID = (VIEW_HW[0] // STRIDE, VIEW_HW[1] // STRIDE)
OFFSET_PX = 64.0


def class_loss(logits: Tensor, cover: Tensor, ignore: Tensor) -> Tensor:
    """Multi-label BCE per patch; logits and cover (B, kinds, 16, 28), ignore (B, 16, 28)."""
    best = cover.amax((2, 3), keepdim=True)
    positive = (cover > 0.1) | ((cover > 0) & (cover >= best * 0.99))
    unsure = ((cover > 0) & ~positive) | (ignore[:, None] & ~positive)
    more = logits.new_full((), 4.0)
    loss = F.binary_cross_entropy_with_logits(logits, positive.float(), pos_weight=more, reduction="none")
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
        """Images (B, 3, H, W) -> kinds (B, kinds, H/16, W/16), object (B, 1, H/2, W/2), offsets (B, 2, H/8, W/8)."""
        kept = []
        hook = self.encoder.trunk.register_forward_hook(lambda *a: kept.append(a[2][-1]))
        fine = self.fine(torch.relu(self.encoder(images)))
        hook.remove()
        return self.kinds(kept[0]), F.pixel_shuffle(fine[:, :16], 4), fine[:, 16:]


def fine_targets(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Object share and validity at stride 2, (B, 128, 224); offsets to its middle, (B, 2, 32, 56), and where they hold.

    Offsets are x, y from the middle of a stride-8 cell to the middle of the box of the object there, in `OFFSET_PX`.
    """
    known = batch.ids != IGNORE_ID
    share, valid = F.avg_pool2d(torch.stack([known & (batch.ids > 0), known], 1).float(), 2).unbind(1)
    small = batch.ids[:, 4::8, 4::8].long()
    inside = (small > 0) & (small != IGNORE_ID)
    middles = (batch.boxes[..., :2] + batch.boxes[..., 2:]).flip(-1) / 2
    which = torch.where(inside, small - 1, 0).flatten(1)[..., None].expand(-1, -1, 2)
    there = middles.gather(1, which).mT.unflatten(2, small.shape[1:])
    ys, xs = (8 * torch.arange(n, device=small.device) + 4 for n in small.shape[1:])
    cells = torch.stack(torch.meshgrid(xs, ys, indexing="xy"))
    return share, valid > 0.99, (there - cells) / OFFSET_PX * inside[:, None], inside


def losses_of(model: Dense, batch: Batch) -> dict[str, Tensor]:
    kinds, fine, offsets = model(batch.images)
    share, valid, offset, inside = fine_targets(batch)
    more = fine.new_full((), 3.0)
    pixel = F.binary_cross_entropy_with_logits(fine[:, 0], share, pos_weight=more, reduction="none")
    away = (offsets - offset).abs().sum(1) * inside
    return {
        "kinds": class_loss(kinds, batch.kind_cover, batch.ignored),
        "object": 2 * (pixel * valid).sum() / valid.sum(),
        "offset": 0.5 * away.sum() / inside.sum().clamp(min=1),
    }


@torch.inference_mode()
def evaluate(model: Dense, views: Views, count: int = 96) -> dict[str, float]:
    """Patch accuracy, image-level precision and recall of kinds at 0.7, object IoU at stride 2."""
    model.eval()
    sums = []
    for batch in views.in_order(8, count):
        kinds, fine, _ = model(batch.images)
        share, valid, _, _ = fine_targets(batch)
        cover = batch.kind_cover
        shown = cover.amax(1) > 0.3
        right = (kinds.argmax(1) == cover.argmax(1)) & shown
        found, wanted = kinds.sigmoid().amax((2, 3)) > 0.7, cover.amax((2, 3)) > 0
        a, g = (fine[:, 0] > 0) & valid, (share > 0.5) & valid
        counted = (right, shown, found & wanted, found, wanted, a & g, a | g)
        sums.append(torch.stack([each.sum() for each in counted]))
    model.train()
    right, shown, hit, said, true, inter, union = torch.stack(sums).sum(0).tolist()
    return {
        "patch": right / max(shown, 1),
        "p": hit / max(said, 1),
        "r": hit / max(true, 1),
        "iou": inter / max(union, 1),
    }


def main() -> None:
    parser = arguments(__doc__, "dense", 15)
    parser.add_argument("--shipped", action="store_true", help="start from the package's own weights")
    args = parsed(parser)
    model = Dense()
    if args.shipped:
        model.start_from_shipped()
    model.to(args.device, memory_format=torch.channels_last)
    run = Run(args, model, lr=2e-3)
    validation = Views(args.data / "val", device=args.device)
    run.train(
        Views(args.data / "train", augment=True, device=args.device),
        args.batch or (64 if run.device.type == "cuda" else 8),
        lambda batch: losses_of(model, batch),
        lambda: evaluate(model, validation),
    )


if __name__ == "__main__":
    main()
