"""Third training: the embedded SAM. `python -m training.sam` starts its encoder from `training.dense`.

A few objects of each view are prompted with points (at times a box), drawn as the detector draws them, and ever more
often again, with the low-resolution mask of the first answer, an error click, and at times the box. All four mask
tokens learn: the single mask always, the best of the three others too.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from training.data import Views
from training.dense import fine_targets
from training.loop import Run, add_start, arguments, normalised, parsed
from vlsam_ros.embedded import load_sam
from vlsam_ros.embedded.sam import DIM, build_sam
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW
from vlsam_ros.synthetic.render import IGNORE_ID

LOW = (VIEW_HW[0] // 2, VIEW_HW[1] // 2)


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


def inside_point(mask: np.ndarray) -> np.ndarray:
    """One positive point (x, y): anywhere in the mask, deep inside, or about where an attention map peaks."""
    kind = np.random.rand()
    ys, xs = np.nonzero(mask)
    if kind < 0.4:
        i = np.random.randint(len(xs))
        return np.array([xs[i], ys[i]], np.float32) + 0.5
    if kind < 0.7:
        depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1][ys, xs]
        i = np.random.choice(np.flatnonzero(depth >= 0.6 * depth.max()))
        return np.array([xs[i], ys[i]], np.float32) + 0.5
    cells, counts = np.unique(ys // STRIDE * 1000 + xs // STRIDE, return_counts=True)
    cell = np.random.choice(cells[counts >= 0.5 * counts.max()])
    centre = np.array([cell % 1000, cell // 1000]) * STRIDE + STRIDE / 2 + np.random.uniform(-5, 5, 2)
    nearest = np.argmin((xs + 0.5 - centre[0]) ** 2 + (ys + 0.5 - centre[1]) ** 2)
    found = np.array([xs[nearest], ys[nearest]], np.float32) + 0.5
    return centre.astype(np.float32) if np.hypot(*(found - centre)) < 2.5 else found


def outside_point(mask: np.ndarray) -> np.ndarray:
    """One negative point (x, y): in a ring around the object, or anywhere outside."""
    ys, xs = np.nonzero(mask)
    for _ in range(8):
        margin = max(8, 0.6 * max(np.ptp(xs), np.ptp(ys))) if np.random.rand() < 0.6 else VIEW_HW[1]
        x = np.random.uniform(max(0, xs.min() - margin), min(VIEW_HW[1], xs.max() + 1 + margin))
        y = np.random.uniform(max(0, ys.min() - margin), min(VIEW_HW[0], ys.max() + 1 + margin))
        if not mask[int(y), int(x)]:
            break
    return np.array([x, y], np.float32)


def noisy_box(mask: np.ndarray) -> np.ndarray:
    """The tight box with each side moved by up to a tenth of the object's size."""
    ys, xs = np.nonzero(mask)
    box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)
    size = np.tile(box[2:] - box[:2], 2)
    return box + np.clip(np.random.normal(0, 0.05, 4), -0.1, 0.1).astype(np.float32) * size


def first_prompt(masks: list[np.ndarray]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Points (B, P, 2), labels (B, P) and perhaps boxes (B, 4): the same make-up for all prompts of a view."""
    positive = 1 + int(np.random.rand() < 0.2)
    negative = int(np.random.choice(4, p=[0.45, 0.3, 0.15, 0.1]))
    box = np.random.rand() < 0.3
    if box and np.random.rand() < 0.7:
        return box_prompt(masks)
    points = [[inside_point(m) for _ in range(positive)] + [outside_point(m) for _ in range(negative)] for m in masks]
    labels = torch.tensor([[1] * positive + [0] * negative] * len(masks))
    boxes = torch.from_numpy(np.stack([noisy_box(m) for m in masks])) if box else None
    return torch.from_numpy(np.array(points)), labels, boxes


def box_prompt(masks: list[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes alone, with the padding point that the detector puts beside them."""
    boxes = torch.from_numpy(np.stack([noisy_box(m) for m in masks]))
    return torch.zeros(len(masks), 1, 2), -torch.ones(len(masks), 1, dtype=torch.long), boxes


def error_click(logits: Tensor, target: np.ndarray) -> tuple[np.ndarray, int]:
    """A point in the region where the mask is wrong, and its label."""
    said = cv2.resize(logits.float().numpy(), VIEW_HW[::-1], interpolation=cv2.INTER_LINEAR) > 0
    ys, xs = np.nonzero(said != target)
    if not len(xs):
        return inside_point(target), 1
    i = np.random.randint(len(xs))
    return np.array([xs[i], ys[i]], np.float32) + 0.5, int(target[ys[i], xs[i]])


def decode(
    sam: Sam, embedding: Tensor, points: Tensor, labels: Tensor, boxes: Tensor | None, low: Tensor | None
) -> tuple[Tensor, Tensor]:
    """All four mask tokens for B prompts on one view: logits (B, 4, 128, 224) and predicted IoU (B, 4)."""
    if boxes is None:  # as SamPredictor does: a padding point stands for the missing box
        points = torch.cat([points, torch.zeros(len(points), 1, 2)], 1)
        labels = torch.cat([labels, -torch.ones(len(labels), 1, dtype=labels.dtype)], 1)
    sparse, dense = sam.prompt_encoder(points=(points, labels), boxes=boxes, masks=low)
    pe = sam.prompt_encoder.get_dense_pe()
    return sam.mask_decoder.predict_masks(embedding, pe, sparse, dense)


def mask_losses(logits: Tensor, iou: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Loss of B prompts: logits (B, 4, h, w) against the object's share of each pixel (B, h, w), pixels weighted."""
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
    return (each[:, 0] + 0.7 * several + (iou - real).square().mean(1)).mean()


def chosen(ids: np.ndarray, objects: list[dict], most: int) -> list[np.ndarray]:
    """Full-resolution masks of up to `most` objects, bool (256, 448)."""
    order = np.random.permutation(len(objects))[:most]
    return [ids == objects[i]["id"] for i in order]


def low_targets(masks: list[np.ndarray], ids: np.ndarray) -> tuple[Tensor, Tensor]:
    """The objects' share of each pixel at half resolution and each pixel's weight, both (B, 128, 224).

    The object's surroundings, the other objects, and the whole view weigh one each; what is ignored weighs nothing.
    """
    shares = np.stack([cv2.resize(m.astype(np.float32), LOW[::-1], interpolation=cv2.INTER_AREA) for m in masks])
    known = cv2.resize((ids != IGNORE_ID).astype(np.float32), LOW[::-1], interpolation=cv2.INTER_AREA) > 0.99
    objects = cv2.resize((ids > 0).astype(np.uint8), LOW[::-1], interpolation=cv2.INTER_NEAREST) > 0
    weights = np.zeros_like(shares)
    for weight, share in zip(weights, shares, strict=True):
        ys, xs = np.nonzero(share)
        dy, dx = 5 + int(0.35 * np.ptp(ys)), 5 + int(0.35 * np.ptp(xs))
        near = np.zeros(LOW, bool)
        near[max(0, ys.min() - dy) : ys.max() + dy + 1, max(0, xs.min() - dx) : xs.max() + dx + 1] = True
        for region in (near & known, objects & (share == 0) & known, known):
            weight += region / max(np.count_nonzero(region), 1)
    return torch.from_numpy(shares), torch.from_numpy(weights)


def losses_of(trainee: Trainee, items: list, most: int, again: float) -> dict[str, Tensor]:
    """Named losses of one batch; `again` is the chance of a second pass."""
    images, maps, objects = zip(*items, strict=True)
    embeddings = trainee.sam.image_encoder(normalised(images))
    first, second = [], []
    for b, (ids, things) in enumerate(zip(maps, objects, strict=True)):
        masks = chosen(ids, things, most)
        if not masks:
            continue
        targets = low_targets(masks, ids)
        points, labels, boxes = first_prompt(masks)
        logits, iou = decode(trainee.sam, embeddings[b : b + 1], points, labels, boxes, None)
        first.append(mask_losses(logits, iou, *targets))
        if np.random.rand() > again:
            continue
        low = logits[:, :1].detach()
        if np.random.rand() < 0.5:
            clicks = [error_click(x[0], m) for x, m in zip(low, masks, strict=True)]
            points = torch.cat([points, torch.from_numpy(np.stack([c[0] for c in clicks]))[:, None]], 1)
            labels = torch.cat([labels, torch.tensor([[c[1]] for c in clicks])], 1)
        if (labels > 0).any() and np.random.rand() > 0.3:
            boxes = None
        elif boxes is None:
            boxes = torch.from_numpy(np.stack([noisy_box(m) for m in masks]))
        logits, iou = decode(trainee.sam, embeddings[b : b + 1], points, labels, boxes, low)
        second.append(mask_losses(logits, iou, *targets))
    fine = trainee.fine(torch.relu(embeddings))
    share, valid, offset, inside = (
        torch.from_numpy(np.stack(t))
        for t in zip(*(fine_targets(m, o) for m, o in zip(maps, objects, strict=True)), strict=True)
    )
    pixel = F.binary_cross_entropy_with_logits(F.pixel_shuffle(fine[:, :16], 4)[:, 0], share, reduction="none")
    away = (fine[:, 16:] - offset).abs().sum(1) * inside
    losses = {"fine": (pixel * valid).sum() / valid.sum() + 0.2 * away.sum() / inside.sum().clamp(min=1)}
    if first:
        losses["first"] = sum(first) / len(first)
    if second:
        losses["second"] = sum(second) / len(first)
    return losses


@torch.inference_mode()
def evaluate(trainee: Trainee, views: Views, count: int = 96) -> dict[str, float]:
    """MIoU at full resolution: from one point, with that mask fed back (single; best of three), small objects."""
    trainee.eval()
    state = np.random.get_state()
    np.random.seed(1)
    one, again, best, small, from_box = [], [], [], [], []
    for i in range(min(count, len(views))):
        image, ids, objects = views[i]
        masks = chosen(ids, objects, 8)
        if not masks:
            continue
        embedding = trainee.sam.image_encoder(normalised([image]))
        points = torch.from_numpy(np.stack([inside_point(m) for m in masks]))[:, None]
        labels = torch.ones(len(masks), 1, dtype=torch.long)
        low, _ = decode(trainee.sam, embedding, points, labels, None, None)
        one += ious(low[:, 0], masks)
        small += [v for v, m in zip(ious(low[:, 0], masks), masks, strict=True) if np.flatnonzero(m.any(1)).size < 24]
        from_box += ious(decode(trainee.sam, embedding, *box_prompt(masks), None)[0][:, 0], masks)
        low, iou = decode(trainee.sam, embedding, points, labels, None, low[:, :1])
        again += ious(low[:, 0], masks)
        best += ious(low[torch.arange(len(low)), 1 + iou[:, 1:].argmax(1)], masks)
    np.random.set_state(state)
    trainee.train()
    return {
        "one": np.mean(one),
        "again": np.mean(again),
        "best": np.mean(best),
        "small": np.mean(small),
        "box": np.mean(from_box),
        "r50": np.mean(np.array(one) > 0.5),
    }


def ious(logits: Tensor, masks: list[np.ndarray]) -> list[float]:
    """IoU of each low-resolution mask with its object, at full resolution."""
    said = F.interpolate(logits[:, None].float(), VIEW_HW, mode="bilinear", align_corners=False)[:, 0].numpy() > 0
    return [float((s & m).sum() / (s | m).sum()) for s, m in zip(said, masks, strict=True)]


def main() -> None:
    parser = arguments(__doc__, "sam", 75)
    add_start(parser)
    parser.add_argument("--prompts", type=int, default=4, help="most objects prompted per view")
    args = parsed(parser)
    trainee = Trainee().to(memory_format=torch.channels_last)
    if args.shipped:
        trainee.sam.load_state_dict(load_sam().state_dict())
    if args.dense.exists() or not args.shipped:
        trainee.start_from(torch.load(args.dense, weights_only=True)["modules"])
    run = Run(args, trainee, lr=1e-3)
    validation = Views(args.data / "val")
    views = Views(args.data / "train", augment=True)
    run.train(
        views,
        6,
        lambda items: losses_of(trainee, items, args.prompts, 0.3 + 0.5 * run.progress),
        lambda: evaluate(trainee, validation),
    )


if __name__ == "__main__":
    main()
