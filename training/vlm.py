"""Second training: the embedded LLaVA-style VLM. `python -m training.vlm` starts its tower from `training.dense`.

It learns to list the kinds in a view, in one fixed order, and to look where it names: the attention flow read at a
name's own tokens is drawn towards the patches that show the name's objects, and so is, in the last layer, the token
before. `--attention 0` trains the variant without that. With `--boxes` it also learns to write boxes with their names,
as PaliGemma does: of every object, and of one name. `training.export` writes the result for transformers' Auto classes.
"""

from __future__ import annotations

import math
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from training.answers import (
    BINS,
    PATCHES,
    PLACES,
    VERIFY,
    Batch,
    build_processor,
    exchanges,
    seen,
    sequence,
    target_map,
)
from training.data import Views, names_of
from training.dense import GRID, class_loss, coverage, ignored
from training.loop import Run, add_start, arguments, normalised, parsed
from vlsam_ros.embedded import BOXES, QUESTIONS, vlm_path
from vlsam_ros.embedded.tower import ConvVisionConfig, Trunk
from vlsam_ros.synthetic.kinds import NAMES


def build_model(tokenizer: PreTrainedTokenizerFast, boxes: bool) -> LlavaForConditionalGeneration:
    """Tower, projector and a three-layer Llama, with random weights; for boxes, the tower says where its tokens are."""
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=ConvVisionConfig(positions=boxes),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=PATCHES,
        tie_word_embeddings=True,
    )
    config._attn_implementation = "eager"
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


class Trainee(nn.Module):
    """The VLM, and the dense head that keeps its tower honest."""

    def __init__(self, processor: LlavaProcessor, boxes: bool = False) -> None:
        super().__init__()
        self.boxes = boxes
        self.vlm = build_model(processor.tokenizer, boxes)
        self.kinds = nn.Conv2d(192, len(NAMES), 1)

    def start_from_shipped(self, tokenizer: PreTrainedTokenizerFast) -> None:
        """Take the package's VLM; words that its tokenizer lacks begin at random, and places as waves along an axis."""
        shipped = LlavaForConditionalGeneration.from_pretrained(vlm_path(), dtype=torch.float32)
        known, old = AutoTokenizer.from_pretrained(vlm_path()).get_vocab(), shipped.get_input_embeddings().weight
        rows = torch.randn(len(tokenizer), old.shape[1]) * old.std()
        codes = waves((torch.arange(BINS) + 0.5) / BINS, 8)
        basis = torch.linalg.qr(torch.randn(old.shape[1], codes.shape[1]))[0]
        rows[tokenizer.convert_tokens_to_ids(PLACES)] = (
            codes @ basis.T * (2 * old.shape[1] / codes.shape[1]) ** 0.5 * old.std()
        )
        for word, row in tokenizer.get_vocab().items():
            if word in known:
                rows[row] = old[known[word]]
        state = {k: rows if v.shape[:1] == (len(known),) else v for k, v in shipped.state_dict().items()}
        self.vlm.load_state_dict(self.vlm.state_dict() | state)

    def freeze_trunk(self) -> Trunk:
        """Train all but the trunk, whose last features the tower then takes in a picture's place; the trunk itself."""
        trunk = self.vlm.model.vision_tower.trunk.requires_grad_(False)
        frozen = deepcopy(trunk).eval()
        trunk.forward = lambda features: (features,)
        return frozen

    def start_from(self, dense: dict[str, Tensor]) -> None:
        """Take trunk and head of a `training.dense` checkpoint."""
        prefix = "encoder.trunk."
        trunk = {k[len(prefix) :]: v for k, v in dense.items() if k.startswith(prefix)}
        self.vlm.model.vision_tower.trunk.load_state_dict(trunk)
        self.kinds.load_state_dict({k[len("kinds.") :]: v for k, v in dense.items() if k.startswith("kinds.")})


class Remembered(Views):
    """Views with a frozen trunk's last features, float16 (192, 16, 28), for a picture; kept from their first use on."""

    def __init__(self, folder: Path, trunk: Trunk, augment: bool = False) -> None:
        self.trunk, self.kept = trunk, {}
        super().__init__(folder, augment)

    def picture(self, index: int, mirrored: bool) -> np.ndarray:
        """A view's features, (192, 16, 28)."""
        if (index, mirrored) not in self.kept:
            with torch.no_grad():
                features = self.trunk(normalised([super().picture(index, mirrored)]))[-1][0]
            self.kept[index, mirrored] = features.half().contiguous().numpy()
        return self.kept[index, mirrored]


def pixel_values(images: list[np.ndarray]) -> Tensor:
    """Pictures, normalised, or what a frozen trunk made of them."""
    return normalised(images) if images[0].dtype == np.uint8 else torch.from_numpy(np.stack(images)).float()


def flow(attentions: tuple[Tensor, ...], starts: Tensor, members: Tensor, positions: Tensor) -> Tensor:
    """Regularised attention flow (arXiv 2410.05963, section 3.2), differentiable.

    attentions: L × (B, H, N, N); starts (B, R, N), rows that sum to 1; members bool (B, R, N), the tokens of each
    row's sequence; positions (B, N) in it -> (B, R, N).
    """
    lengths = members.sum(-1, keepdim=True).clamp(min=1)
    ramp = ((positions[:, None] + 1) / lengths).clamp(max=1)
    u, total = starts, 0
    for layer in reversed(attentions):
        with torch.no_grad():  # the weights are taken as they are: their gradient costs more than it teaches
            weight = torch.einsum("bhn,brn->bhr", layer.amax(-1).float(), members.float())
            weight = (weight / lengths[:, None, :, 0] / layer.shape[1])[..., None]
        step = (weight * (u[:, None] @ layer)).sum(1) * ramp
        u = u + step
        total = total + (step if layer is attentions[0] else u)
    return total


def teach_places(trainee: Trainee, views: Remembered, steps: int = 1500, batch: int = 4096) -> None:
    """Teach the tower's tokens their objects' edges, as waves along directions that the projector does not see yet.

    So the language model begins with what it knew, and finds beside it what it has to write. Takes each view as it is
    and mirrored, and a few minutes.
    """
    tower, projector = trainee.vlm.model.vision_tower, trainee.vlm.model.multi_modal_projector
    unseen = torch.linalg.svd(projector.linear_1.weight.detach())[2][projector.linear_1.out_features :]
    features, places, edges = [], [], []
    for index, mirrored in np.ndindex(len(views), 2):
        kept, ids, objects = views.view(index, bool(mirrored))
        things = seen(ids, objects)
        if things:
            cover, owner = torch.from_numpy(np.stack([o.cover.ravel() for o in things])).max(0)
            (at,) = torch.nonzero(cover > 0.25, as_tuple=True)
            features.append(torch.from_numpy(kept).flatten(1).T[at])
            places.append(at)
            edges.append(torch.tensor([o.edges for o in things])[owner[at]])
    features, places, edges = torch.cat(features), torch.cat(places), torch.cat(edges)
    goals = waves((edges + 0.5) / BINS, len(unseen) // 8).flatten(1)
    learning = [tower.rows, tower.columns, *tower.places.parameters()]
    optimiser = torch.optim.AdamW(learning, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    first, last = tower.places[0], tower.places[2]
    for step in range(steps):
        some = torch.randint(len(features), (batch,))
        rows, columns = places[some] // GRID[1], places[some] % GRID[1]
        told = features[some].float() + tower.rows[:, rows, 0].T + tower.columns[:, 0, columns].T
        hidden = torch.relu(F.linear(told, first.weight.flatten(1), first.bias))
        loss = F.mse_loss(F.linear(hidden, unseen @ last.weight.flatten(1)), goals[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print({"places": step + 1, "loss": round(float(loss), 4)}, flush=True)
    with torch.no_grad():
        last.weight.copy_(2 * (unseen.T @ unseen @ last.weight.flatten(1)).view_as(last.weight))


def waves(shares: Tensor, count: int) -> Tensor:
    """Shares of an axis as sines and cosines of `count` wave lengths: (...) -> (..., 2 · count)."""
    angles = shares[..., None] * math.pi * 1.5 ** torch.arange(count)
    return torch.cat([angles.sin(), angles.cos()], -1)


def losses_of(trainee: Trainee, tokenizer: PreTrainedTokenizerFast, items: list, attention: float) -> dict[str, Tensor]:
    images, maps, objects = zip(*items, strict=True)
    things = [seen(m, o) for m, o in zip(maps, objects, strict=True)]
    sequences = [[sequence(tokenizer, *e) for e in exchanges(o, trainee.boxes)] for o in things]
    first = sequences[0][0][0].index(trainee.vlm.config.image_token_id)
    columns = slice(first, first + PATCHES)
    batch = Batch.of(sequences, columns.stop, tokenizer.pad_token_id)
    features = []
    hook = trainee.vlm.model.vision_tower.trunk.register_forward_hook(lambda *a: features.append(a[2][-1]))
    out = trainee.vlm(
        input_ids=batch.ids,
        pixel_values=pixel_values(images),
        attention_mask=batch.mask(),
        position_ids=batch.positions,
        output_attentions=attention > 0,
    )
    hook.remove()
    losses = text_losses(out.logits[:, :-1][batch.answers[:, 1:]].float(), batch.ids[batch.answers], tokenizer)
    if images[0].dtype == np.uint8:  # the trunk learns
        cover = torch.from_numpy(np.stack([coverage(m, o) for m, o in zip(maps, objects, strict=True)]))
        ignore = torch.from_numpy(np.stack([ignored(m) for m in maps]))
        losses["kinds"] = class_loss(trainee.kinds(features[0]), cover, ignore)
    return losses | (attention_losses(out.attentions, batch, columns, attention) if attention > 0 else {})


def text_losses(logits: Tensor, wanted: Tensor, tokenizer: PreTrainedTokenizerFast) -> dict[str, Tensor]:
    """Cross-entropy of the answers' words, and of their boxes' edges, where a near bin is nearly right.

    A yes or no is one token, and counts as much as a whole list. logits (T, V); wanted (T,), the tokens.
    """
    first = tokenizer.convert_tokens_to_ids(PLACES[0])
    places, verdicts = wanted >= first, torch.isin(wanted, torch.tensor(yes_no(tokenizer)))
    losses = {"text": F.cross_entropy(logits[~places], wanted[~places])}
    if verdicts.any():
        losses["verdict"] = 0.5 * F.cross_entropy(logits[verdicts], wanted[verdicts])
    if places.any():
        said = torch.log_softmax(logits[places], -1)[:, first:]
        losses["places"] = -(near(wanted[places] - first) * said).sum(-1).mean()
    return losses


def near(bins: Tensor, sigma: float = 1.5) -> Tensor:
    """A bell over the bins around each: (...) -> (..., BINS), which sums to 1."""
    return torch.softmax(-((torch.arange(BINS) - bins[..., None]) ** 2) / (2 * sigma**2), -1)


def attention_losses(attentions: tuple[Tensor, ...], batch: Batch, columns: slice, weight: float) -> dict[str, Tensor]:
    """How far attention and its flow, from names and from what decides on them, are from the objects; weighted."""
    looks = [[(i, look) for i, own in enumerate(view, 1) for look in own] for view in batch.looks]
    if not any(looks):
        return {}
    starts = torch.zeros(len(looks), max(map(len, looks)), batch.ids.shape[1])
    members = torch.zeros_like(starts, dtype=torch.bool)
    goals = torch.zeros(*starts.shape[:2], PATCHES)
    before = []
    for b, view in enumerate(looks):
        for r, (i, look) in enumerate(view):
            starts[b, r, look.rows] = 1 / len(look.rows)
            members[b, r] = (batch.owners[b] == 0) | (batch.owners[b] == i)
            goals[b, r] = torch.from_numpy(target_map(look.objects))
            before += [(b, row, goals[b, r]) for row in look.before]
    flowed = flow(attentions, starts, members, batch.positions)[..., columns]
    direct = sum((starts[:, None] @ layer[..., columns]).mean(1) for layer in attentions) / len(attentions)
    items, rows, aims = zip(*before, strict=True)
    searching = attentions[-1].mean(1)[list(items), list(rows)][:, columns]
    return {
        "flow": weight * spread(flowed / (flowed.sum(-1, keepdim=True) + 1e-9), goals),
        "direct": 0.5 * weight * spread(direct, goals),
        "search": 0.5 * weight * spread(searching, torch.stack(aims)),
    }


def spread(mass: Tensor, goals: Tensor) -> Tensor:
    """Mean KL divergence of mass (..., M) from the goals; all-zero goals do not count."""
    there = goals.sum(-1) > 0.5
    cross = -(goals * torch.log(mass + 1e-6)).sum(-1)
    entropy = -(goals * torch.log(goals + 1e-9)).sum(-1)
    return ((cross - entropy) * there).sum() / there.sum().clamp(min=1)


@torch.inference_mode()
def evaluate(trainee: Trainee, processor: LlavaProcessor, views: Views, count: int = 48) -> dict[str, float]:
    """Precision and recall of the names in greedy answers; how often a right name's flow peaks on its object; boxes.

    Boxes are right with the right name and an IoU of 0.5.
    """
    trainee.eval()
    tokenizer = processor.tokenizer
    hit = said = true = pointed = asked = right = checked = boxed = written = things = 0
    for at in range(0, min(count, len(views)), 16):
        images, maps, objects = zip(*(views[i] for i in range(at, at + 16)), strict=True)
        lists = answers_to(trainee, tokenizer, images, QUESTIONS[0], 40)
        boxes = answers_to(trainee, tokenizer, images, BOXES, 100) if trainee.boxes else [""] * len(images)
        for b, (text, drawn) in enumerate(zip(lists, boxes, strict=True)):
            found = {name.strip() for name in text.split(",")} & set(NAMES)
            wanted = {o["name"] for o in objects[b]}
            hit, said, true = hit + len(found & wanted), said + len(found), true + len(wanted)
            ok, tried = pointing(trainee, tokenizer, images[b], maps[b], objects[b])
            pointed, asked = pointed + ok, asked + tried
            right += sum(says_yes(trainee, tokenizer, images[b], name) == (name in wanted) for name in found | wanted)
            checked += len(found | wanted)
            own, theirs = seen(maps[b], objects[b]), read(drawn)
            boxed += sum(any(n == o.name and overlap(e, o.edges) >= 0.5 for n, e in theirs) for o in own)
            written, things = written + len(theirs), things + len(own)
    trainee.train()
    return {
        "p": hit / max(said, 1),
        "r": hit / max(true, 1),
        "pointing": pointed / max(asked, 1),
        "verified": right / max(checked, 1),
        "boxed": boxed / max(things, 1),
        "boxes": written / max(things, 1),
    }


def answers_to(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, images: list[np.ndarray], question: str, tokens: int
) -> list[str]:
    """Greedy answers to one question about several views."""
    prompt, start, _ = sequence(tokenizer, question, [])
    ids = torch.tensor(prompt[:start]).repeat(len(images), 1)
    values = pixel_values(images)
    out = trainee.vlm.generate(input_ids=ids, pixel_values=values, max_new_tokens=tokens, do_sample=False)
    return tokenizer.batch_decode(out[:, start:], skip_special_tokens=True)


def read(text: str) -> list[tuple[str, list[int]]]:
    """The names and the edges' bins of the boxes in an answer."""
    found = re.findall(r"<loc(\d{4})>" * 4 + r" ([\w ]+)", text)
    return [(name.strip(), [int(edge) * BINS // 1024 for edge in edges]) for *edges, name in found]


def overlap(a: list[int], b: tuple[int, ...]) -> float:
    """IoU of two boxes (y, x, y, x)."""
    both, one, other = (
        max(0, bottom - top) * max(0, right - left)
        for top, left, bottom, right in ([*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])], a, b)
    )
    return both / max(one + other - both, 1)


def says_yes(trainee: Trainee, tokenizer: PreTrainedTokenizerFast, image: np.ndarray, name: str) -> bool:
    """Whether the model says that a name is in the picture."""
    tokens, start, _ = sequence(tokenizer, VERIFY.format(name=name), [])
    logits = trainee.vlm(input_ids=torch.tensor([tokens[:start]]), pixel_values=pixel_values([image])).logits[0, -1]
    yes, no = yes_no(tokenizer)
    return bool(logits[yes] > logits[no])


def yes_no(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens of the two words."""
    return tokenizer.convert_tokens_to_ids(["yes", "no"])


def pointing(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, image: np.ndarray, ids: np.ndarray, objects: list[dict]
) -> tuple[int, int]:
    """Names whose flow (teacher-forced) peaks on a patch of one of their objects, of how many."""
    things = seen(ids, objects)
    answer = [(name, [o for o in things if o.name == name]) for name in names_of(objects)]
    tokens, _, looks = sequence(tokenizer, QUESTIONS[0], answer)
    if not looks:
        return 0, 0
    out = trainee.vlm(input_ids=torch.tensor([tokens]), pixel_values=pixel_values([image]), output_attentions=True)
    starts = torch.zeros(1, len(looks), len(tokens))
    for i, look in enumerate(looks):
        starts[0, i, look.rows] = 1 / len(look.rows)
    first = tokens.index(trainee.vlm.config.image_token_id)
    everything = torch.ones_like(starts, dtype=torch.bool), torch.arange(len(tokens))[None]
    heat = flow(out.attentions, starts, *everything)[0, :, first : first + PATCHES]
    peaks = zip(looks, heat.argmax(-1), strict=True)
    return sum(any(o.cover.flat[int(peak)] > 0 for o in look.objects) for look, peak in peaks), len(looks)


def main() -> None:
    parser = arguments(__doc__, "vlm", 75)
    add_start(parser)
    parser.add_argument("--frozen", action="store_true", help="train all but the tower's trunk")
    parser.add_argument("--boxes", action="store_true", help="teach it to write boxes, too")
    parser.add_argument("--attention", type=float, default=0.5, help="weight of the attention loss; 0: without it")
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    args = parsed(parser)
    processor = build_processor()
    trainee = Trainee(processor, args.boxes).to(memory_format=torch.channels_last)
    if args.shipped:
        trainee.start_from_shipped(processor.tokenizer)
    if args.dense.exists() or not args.shipped:
        trainee.start_from(torch.load(args.dense, weights_only=True)["modules"])
    train, validation = args.data / "train", args.data / "val"
    if args.frozen:
        trunk = trainee.freeze_trunk()
        views = Remembered(train, trunk, augment=True), Remembered(validation, trunk)
        if args.boxes and not (args.out / "checkpoint.pt").exists():
            teach_places(trainee, views[0])
    else:
        views = Views(train, augment=True), Views(validation)
    run = Run(args, trainee, lr=args.lr, warm_up=50 if args.shipped else 200)
    run.train(
        views[0],
        8,
        lambda items: losses_of(trainee, processor.tokenizer, items, args.attention),
        lambda: evaluate(trainee, processor, views[1]),
    )


if __name__ == "__main__":
    main()
