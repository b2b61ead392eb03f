"""Third training: the embedded SAM. `python -m training.sam` starts its encoder from `training.dense`.

A few objects of each view are prompted with points (at times a box), drawn as the detector draws them, and ever more
often again, with the low-resolution mask of the first answer, an error click, and at times the box. All four mask
tokens learn: the single mask always, the best of the three others too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from training.data import Batch, Views
from training.dense import fine_targets
from training.loop import Run, add_start, arguments, parsed
from vlsam_ros.embedded import load_sam
from vlsam_ros.embedded.sam import DIM, build_sam
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.render import IGNORE_ID

GRID = 32
"""Cells a side on which an object's depth is measured."""


class Trainee(nn.Module):
    """The SAM and the dense head that keeps its embedding aware of objects."""

    def __init__(self) -> None:
        super().__init__()
        self.sam = build_sam()
        self.fine = nn.Conv2d(DIM, 18, 1)

    def start_from(self, dense: dict[str, Tensor]) -> None:
        """Take the encoder and the fine head of a `training.dense` checkpoint."""
        for prefix, module in (("encoder.", self.sam.image_encoder), ("fine.", self.fine)):
            module.load_state_dict({k[len(prefix) :]: v for k, v in dense.items() if k.startswith(prefix)})


@dataclass
class Objects:
    """N objects of a batch to prompt, as many of each view.

    owners (N,): the view of each; masks bool (N, 256, 448); boxes float (N, 4) of pixels y0, x0, y1, x1; shares
    (N, 128, 224): how much of each pixel at half resolution is the object; weight (N,): 1, or 0 where there is no
    object; fresh bool (N,): whether the object is not here already.
    """

    owners: Tensor
    masks: Tensor
    boxes: Tensor
    shares: Tensor
    weight: Tensor
    fresh: Tensor

    def __len__(self) -> int:
        return len(self.owners)

    @classmethod
    def of(cls, batch: Batch, most: int) -> Objects:
        """`most` random objects of each view: all before one comes again, nothing where there is none."""
        there = batch.kinds >= 0
        count = there.sum(1, keepdim=True)
        order = torch.where(there, torch.rand(there.shape, device=there.device), -1.0).argsort(1, descending=True)
        turns = torch.arange(most, device=there.device)
        which = order.gather(1, turns % count.clamp(min=1))
        masks = (batch.ids[:, None] == which[..., None, None] + 1).flatten(0, 1)
        boxes = batch.boxes.gather(1, which[..., None].expand(-1, -1, 4)).flatten(0, 1).float()
        owners = torch.arange(len(batch), device=there.device)[:, None].expand(-1, most).flatten()
        fresh, weight = (turns < count).flatten(), (count > 0).float().expand(-1, most).flatten()
        return cls(owners, masks, boxes, F.avg_pool2d(masks.float(), 2), weight, fresh)

    def only(self, which: Tensor) -> Objects:
        """Some of them; bool (N,)."""
        return Objects(*(getattr(self, field.name)[which] for field in fields(self)))


def drawn(masks: Tensor) -> Tensor:
    """One pixel (y, x) of each of N masks (N, H, W), each as likely; the last pixel of an empty one. int64 (N, 2)."""
    n, h, w = masks.shape
    before = F.pad(masks.sum(2).cumsum(1), (1, 0))
    turn = (torch.rand(n, 1, device=masks.device) * before[:, -1:]).long()
    y = (before[:, 1:] <= turn).sum(1, keepdim=True).clamp(max=h - 1)
    row = masks.gather(1, y[..., None].expand(-1, -1, w))[:, 0].long().cumsum(1)
    x = (row <= turn - before.gather(1, y)).sum(1, keepdim=True).clamp(max=w - 1)
    return torch.cat([y, x], 1)


def at(masks: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """The masks (N, H, W) at pixels: int64 (N, ...) rows and columns that broadcast."""
    owners = torch.arange(len(masks), device=masks.device)
    return masks[owners.view(-1, *[1] * (ys.ndim - 1)), ys, xs]


def depths(masks: Tensor, sizes: Tensor) -> Tensor:
    """Squared distance to the nearest cell outside, (N, G, G), of masks (N, G, G) whose cells have sizes (N, 2): y, x.

    What lies beyond the edges is outside.
    """
    square = torch.where(F.pad(masks, (1, 1, 1, 1)), 1e6, 0.0)
    steps = torch.arange(square.shape[1], device=masks.device)
    steps = (steps[:, None] - steps).square()
    for size in sizes.flip(1).unbind(1):  # along rows, then along columns
        square = (square[:, :, None] + steps * size.square()[:, None, None, None]).amin(3).mT
    return square[:, 1:-1, 1:-1]


def deep_points(things: Objects) -> tuple[Tensor, Tensor]:
    """A pixel (y, x) deep inside each object, int64 (N, 2), and whether one was found, bool (N,)."""
    n, device = len(things), things.masks.device
    sizes = (things.boxes[:, 2:] - things.boxes[:, :2]) / GRID
    cells = torch.arange(GRID, device=device) + torch.rand(n, 2, 1, device=device)
    ys, xs = (things.boxes[:, :2, None] + cells * sizes[..., None]).long().unbind(1)
    ys, xs = ys.clamp(max=VIEW_HW[0] - 1), xs.clamp(max=VIEW_HW[1] - 1)
    depth = depths(at(things.masks, ys[:, :, None], xs[:, None]), sizes)
    best = depth.amax((1, 2))
    cell = drawn((depth > 0) & (depth >= 0.6**2 * best[:, None, None]))
    return torch.cat([ys.gather(1, cell[:, :1]), xs.gather(1, cell[:, 1:])], 1), best > 0


def peak_points(things: Objects) -> Tensor:
    """About where an attention map peaks: a point (y, x) near the middle of a well covered patch, float (N, 2)."""
    cover = F.avg_pool2d(things.shares, STRIDE // 2)
    patch = drawn((cover > 0) & (cover >= 0.5 * cover.amax((1, 2), keepdim=True)))
    centre = patch * STRIDE + STRIDE / 2 + torch.empty(patch.shape, device=patch.device).uniform_(-5, 5)
    reach = torch.arange(-STRIDE, STRIDE + 1, device=patch.device)
    ys, xs = (centre.long()[..., None] + reach).unbind(1)
    ys, xs = ys.clamp(0, VIEW_HW[0] - 1), xs.clamp(0, VIEW_HW[1] - 1)
    away = (ys + 0.5 - centre[:, :1]).square()[:, :, None] + (xs + 0.5 - centre[:, 1:]).square()[:, None]
    near = torch.where(at(things.masks, ys[:, :, None], xs[:, None]), away, 1e6).flatten(1).argmin(1, keepdim=True)
    found = torch.cat([ys.gather(1, near // len(reach)), xs.gather(1, near % len(reach))], 1) + 0.5
    return torch.where((found - centre).norm(dim=1, keepdim=True) < 2.5, centre, found)


def inside_points(things: Objects) -> Tensor:
    """A positive point (x, y) of each object: anywhere in it, deep inside, or about where an attention map peaks."""
    anywhere, (deep, found) = drawn(things.masks), deep_points(things)
    draw = torch.rand(len(things), 1, device=anywhere.device)
    pixel = torch.where((draw < 0.7) & (draw >= 0.4) & found[:, None], deep, anywhere)
    return torch.where(draw < 0.7, pixel + 0.5, peak_points(things)).flip(1)


def outside_points(things: Objects, tries: int = 8) -> Tensor:
    """A negative point (x, y) of each object: in a ring around it, or anywhere outside."""
    low, high = things.boxes[:, None].split(2, 2)
    ring = (0.6 * ((high - low).amax(2, keepdim=True) - 1)).clamp(min=8)
    shape, device = (len(things), tries), low.device
    margin = torch.where(torch.rand(*shape, 1, device=device) < 0.6, ring, VIEW_HW[1])
    low, high = (low - margin).clamp(min=0), high + margin
    high = torch.cat([side.clamp(max=most) for side, most in zip(high.split(1, 2), VIEW_HW, strict=True)], 2)
    points = low + torch.rand(*shape, 2, device=device) * (high - low)
    ys, xs = points.long().unbind(2)
    outside = ~at(things.masks, ys.clamp(max=VIEW_HW[0] - 1), xs.clamp(max=VIEW_HW[1] - 1))
    first = outside.to(torch.uint8).argmax(1)
    return points[torch.arange(len(things), device=device), first].flip(1)


def noisy_boxes(things: Objects) -> Tensor:
    """The tight boxes x0, y0, x1, y1 with each side moved by up to a tenth of the object's size."""
    box = things.boxes.unflatten(1, (2, 2)).flip(2).flatten(1)
    size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    return box + (torch.randn_like(box) * 0.05).clamp(-0.1, 0.1) * size


def point_prompt(things: Objects) -> tuple[Tensor, Tensor, Tensor | None]:
    """Points (N, P, 2), labels (N, P) and at times boxes (N, 4): the same make-up for all prompts of a batch."""
    positive = 1 + int(np.random.rand() < 0.2)
    negative = int(np.random.choice(4, p=[0.45, 0.3, 0.15, 0.1]))
    points = [inside_points(things) for _ in range(positive)] + [outside_points(things) for _ in range(negative)]
    labels = (torch.arange(len(points), device=things.masks.device) < positive).long().expand(len(things), -1)
    return torch.stack(points, 1), labels, noisy_boxes(things) if np.random.rand() < 0.114 else None


def box_prompt(things: Objects) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes alone, with the padding point that the detector puts beside them."""
    boxes = noisy_boxes(things)
    return boxes.new_zeros(len(boxes), 1, 2), boxes.new_full((len(boxes), 1), -1, dtype=torch.long), boxes


def error_clicks(logits: Tensor, things: Objects) -> tuple[Tensor, Tensor]:
    """Points (N, 1, 2) where the masks (N, 1, 128, 224) are wrong, and their labels (N, 1)."""
    said = F.interpolate(logits.float(), VIEW_HW, mode="bilinear", align_corners=False)[:, 0] > 0
    wrong = said != things.masks
    wrong = torch.where(wrong.flatten(1).any(1)[:, None, None], wrong, things.masks)
    pixel = drawn(wrong)
    return (pixel + 0.5).flip(1)[:, None], at(things.masks, *pixel.unbind(1))[:, None].long()


def decode(
    sam: Sam, embeddings: Tensor, points: Tensor, labels: Tensor, boxes: Tensor | None, low: Tensor | None
) -> tuple[Tensor, Tensor]:
    """All four mask tokens for N prompts: logits (N, 4, 128, 224) and predicted IoU (N, 4).

    `embeddings` (N, 64, 32, 56), each prompt's own, or one for all; points (N, P, 2), labels (N, P), boxes (N, 4) and
    masks (N, 1, 128, 224) as `sam.prompt_encoder` takes them, whose work this does without looking labels up.
    """
    encoder = sam.prompt_encoder
    drawn_in = encoder.drawn((points, labels), boxes)
    if boxes is None:  # as SamPredictor does: a padding point stands for the missing box, and the encoder adds another
        points, labels = F.pad(points, (0, 0, 0, 2)), F.pad(labels, (0, 2), value=-1)
    table = torch.cat([e.weight for e in (encoder.not_a_point_embed, *encoder.point_embeddings[:2])])
    places = encoder.pe_layer.forward_with_coords(points + 0.5, encoder.input_image_size)
    tokens = torch.where(labels[..., None] < 0, 0.0, places) + F.embedding(labels.long() + 1, table)
    if boxes is not None:
        tokens = torch.cat([tokens, encoder._embed_boxes(boxes)], 1)
    blank = encoder.no_mask_embed.weight[..., None, None]
    dense = drawn_in + (blank if low is None else encoder._embed_masks(low)) + embeddings
    nothing = torch.zeros_like(dense[:1])  # predict_masks takes one embedding for all prompts and adds the dense ones
    return sam.mask_decoder.predict_masks(nothing, encoder.get_dense_pe(), tokens, dense)


def mask_losses(logits: Tensor, iou: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Each prompt's loss (N,): logits (N, 4, h, w) against the object's share of each pixel (N, h, w), weighted."""
    logits, iou = logits.float(), iou.float()
    target, known = share[:, None], (weight > 0)[:, None]
    cross = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none")
    soft = logits.sigmoid() * known
    overlap, size = (soft * target).sum((2, 3)), soft.sum((2, 3)) + (target * known).sum((2, 3))
    each = (cross * weight[:, None]).sum((2, 3)) + 1 - (2 * overlap + 1) / (size + 1)
    with torch.no_grad():
        said, true = (logits > 0) & known, (target > 0.5) & known
        real = (said & true).sum((2, 3)) / (said | true).sum((2, 3)).clamp(min=1)
    several = 0.8 * each[:, 1:].amin(1) + 0.2 * each[:, 1:].mean(1)
    return each[:, 0] + 0.7 * several + (iou - real).square().mean(1)


def low_weights(things: Objects, batch: Batch) -> Tensor:
    """Each pixel's weight at half resolution, (N, 128, 224).

    The object's surroundings, the other objects, and the whole view weigh one each; what is ignored weighs nothing.
    """
    known = (F.avg_pool2d((batch.ids != IGNORE_ID).float(), 2) > 0.99)[things.owners]
    objects = (batch.ids[:, ::2, ::2] > 0)[things.owners]
    low, high = (things.boxes[:, :2] / 2).floor(), ((things.boxes[:, 2:] - 1) / 2).floor()
    margin = 5 + (0.35 * (high - low)).floor()
    down, across = (
        (torch.arange(n, device=low.device) >= first) & (torch.arange(n, device=low.device) <= last)
        for n, first, last in zip(known.shape[1:], (low - margin).split(1, 1), (high + margin).split(1, 1), strict=True)
    )
    near = down[:, :, None] & across[:, None]
    regions = (near & known, objects & (things.shares == 0) & known, known)
    return sum(region / region.sum((1, 2), keepdim=True).clamp(min=1) for region in regions)


def losses_of(trainee: Trainee, batch: Batch, most: int, again: float) -> dict[str, Tensor]:
    """Named losses of one batch; `again` is the chance of a second pass."""
    embeddings = trainee.sam.image_encoder(batch.images)
    things = Objects.of(batch, most)
    weights, count = low_weights(things, batch), things.weight.sum().clamp(min=1)
    each = embeddings[:, None].expand(-1, most, -1, -1, -1).flatten(0, 1)
    mean = lambda out: (mask_losses(*out, things.shares, weights) * things.weight).sum() / count  # noqa: E731
    pointed = np.random.rand() > 0.21
    points, labels, boxes = point_prompt(things) if pointed else box_prompt(things)
    first = decode(trainee.sam, each, points, labels, boxes, None)
    fine = trainee.fine(torch.relu(embeddings))
    share, valid, offset, inside = fine_targets(batch)
    pixel = F.binary_cross_entropy_with_logits(F.pixel_shuffle(fine[:, :16], 4)[:, 0], share, reduction="none")
    away = (fine[:, 16:] - offset).abs().sum(1) * inside
    losses = {
        "fine": (pixel * valid).sum() / valid.sum() + 0.2 * away.sum() / inside.sum().clamp(min=1),
        "first": mean(first),
    }
    if np.random.rand() > again:
        return losses
    low = first[0][:, :1].detach()
    if np.random.rand() < 0.5:
        clicks, signs = error_clicks(low, things)
        points, labels, pointed = torch.cat([points, clicks], 1), torch.cat([labels, signs], 1), True
    if pointed and np.random.rand() > 0.3:
        boxes = None
    elif boxes is None:
        boxes = noisy_boxes(things)
    return losses | {"second": mean(decode(trainee.sam, each, points, labels, boxes, low))}


@torch.inference_mode()
def evaluate(trainee: Trainee, views: Views, count: int = 96) -> dict[str, float]:
    """MIoU at full resolution: from one point, with that mask fed back (single; best of three), small objects."""
    trainee.eval()
    sam, device = trainee.sam, views.device
    found = []
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(1)
        for batch in views.in_order(8, count):
            things = Objects.of(batch, 8)
            things = things.only(things.fresh)
            embeddings = sam.image_encoder(batch.images)[things.owners]
            points, labels = inside_points(things)[:, None], torch.ones_like(things.owners)[:, None]
            first, _ = decode(sam, embeddings, points, labels, None, None)
            boxed, _ = decode(sam, embeddings, *box_prompt(things), None)
            low, iou = decode(sam, embeddings, points, labels, None, first[:, :1])
            best = low.gather(1, 1 + iou[:, 1:].argmax(1)[:, None, None, None].expand(-1, -1, *low.shape[2:]))
            figures = [ious(masks, things) for masks in (first[:, :1], low[:, :1], best, boxed[:, :1])]
            height = things.masks.any(2).sum(1)
            found.append(torch.stack([*figures, height.float()]))
    trainee.train()
    one, again, best, box, height = torch.cat(found, 1).cpu()
    means = {
        "one": one,
        "again": again,
        "best": best,
        "small": one[height < 24],
        "box": box,
        "r50": (one > 0.5).float(),
    }
    return {name: float(values.mean()) for name, values in means.items()}


def ious(logits: Tensor, things: Objects) -> Tensor:
    """IoU of each low-resolution mask (N, 1, 128, 224) with its object, at full resolution: (N,)."""
    said = F.interpolate(logits.float(), VIEW_HW, mode="bilinear", align_corners=False)[:, 0] > 0
    return (said & things.masks).sum((1, 2)) / (said | things.masks).sum((1, 2)).clamp(min=1)


def main() -> None:
    parser = arguments(__doc__, "sam", 75)
    add_start(parser)
    parser.add_argument("--prompts", type=int, default=4, help="most objects prompted per view")
    args = parsed(parser)
    trainee = Trainee()
    if args.shipped:
        trainee.sam.load_state_dict(load_sam().state_dict())
    if args.dense.exists() or not args.shipped:
        trainee.start_from(torch.load(args.dense, weights_only=True, map_location="cpu")["modules"])
    trainee.to(args.device, memory_format=torch.channels_last)
    run = Run(args, trainee, lr=1e-3)
    validation = Views(args.data / "val", device=args.device)
    run.train(
        Views(args.data / "train", augment=True, device=args.device),
        args.batch or (32 if run.device.type == "cuda" else 6),
        lambda batch: losses_of(trainee, batch, args.prompts, 0.3 + 0.5 * run.progress),
        lambda: evaluate(trainee, validation),
    )


if __name__ == "__main__":
    main()
