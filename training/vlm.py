"""Second training: the embedded LLaVA-style VLM. `python -m training.vlm` starts its tower from `training.dense`.

It learns to list the kinds in a view, in one fixed order, and to look where it names: the attention flow read at a
name's own tokens is drawn towards the patches that show the name's objects, and so is, in the last layer, the token
before. `--attention 0` trains the variant without that. With `--boxes` it also learns to write boxes with their names,
as PaliGemma does: of every object, and of one name. `training.export` writes the result for transformers' Auto classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
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
    YES_NO,
    Lesson,
    Shown,
    bins,
    build_processor,
    encoded,
    exchanges,
    listed,
    opening,
    sequence,
    shown,
    verified,
)
from training.data import Batch, Views, mirror
from training.dense import class_loss
from training.loop import Run, add_start, arguments, parsed
from vlsam_ros.embedded import BOXES, QUESTIONS, vlm_path
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW, ConvVisionConfig, Trunk
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


def shipped() -> tuple[dict[str, Tensor], dict[str, int]]:
    """The weights of the package's VLM, and its vocabulary."""
    model = LlavaForConditionalGeneration.from_pretrained(vlm_path(), dtype=torch.float32)
    return model.state_dict(), AutoTokenizer.from_pretrained(vlm_path()).get_vocab()


class Trainee(nn.Module):
    """The VLM, and the dense head that keeps its tower honest; `frozen`: the trunk does not learn."""

    def __init__(self, processor: LlavaProcessor, boxes: bool = False, frozen: bool = False) -> None:
        super().__init__()
        self.boxes, self.frozen = boxes, frozen
        self.vlm = build_model(processor.tokenizer, boxes)
        self.kinds = nn.Conv2d(192, len(NAMES), 1)
        self.trunk.requires_grad_(not frozen)

    @property
    def trunk(self) -> Trunk:
        """The tower's convolutions."""
        return self.vlm.model.vision_tower.trunk

    def train(self, mode: bool = True) -> Trainee:
        """A frozen trunk's norms stay as they are."""
        super().train(mode)
        self.trunk.train(mode and not self.frozen)
        return self

    def forward(self, images: Tensor, lesson: Lesson, attend: bool = True) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """The last hidden states (B, N, 128), the attentions (B, H, N, N) of each layer, the trunk's features.

        As the model's own forward, which waits for the device to compare the pictures' tokens with the text's.
        """
        model, features = self.vlm.model, []
        hook = self.trunk.register_forward_hook(lambda *a: features.append(a[2][-1]))
        picture = model.multi_modal_projector(model.vision_tower(images).last_hidden_state)
        hook.remove()
        words, columns = model.get_input_embeddings()(lesson.ids), lesson.columns
        out = model.language_model(
            inputs_embeds=torch.cat([words[:, : columns.start], picture.to(words.dtype), words[:, columns.stop :]], 1),
            attention_mask=lesson.mask(),
            position_ids=lesson.positions,
            use_cache=False,
            output_attentions=attend,
        )
        return out.last_hidden_state, out.attentions if attend else (), features[0]

    def start_from_speaker(self, state: dict[str, Tensor], known: dict[str, int], own: dict[str, int]) -> None:
        """Take a VLM's weights; words that its vocabulary lacks begin at random, and places as waves along an axis."""
        old = state["model.language_model.embed_tokens.weight"]
        rows = torch.randn(len(own), old.shape[1]) * old.std()
        codes = waves((torch.arange(BINS) + 0.5) / BINS, 8)
        basis = torch.linalg.qr(torch.randn(old.shape[1], codes.shape[1]))[0]
        scale = (2 * old.shape[1] / codes.shape[1]) ** 0.5 * old.std()
        rows[[own[place] for place in PLACES]] = codes @ basis.T * scale
        for word in own.keys() & known.keys() - set(PLACES):
            rows[own[word]] = old[known[word]]
        state = {k: rows if "embed_tokens" in k or "lm_head" in k else v for k, v in state.items()}
        self.vlm.load_state_dict(self.vlm.state_dict() | state)

    def start_from(self, modules: dict[str, Tensor]) -> None:
        """Take trunk and head of a checkpoint, `training.dense`'s or one of this module's."""
        trunk = {k.partition(".trunk.")[2]: v for k, v in modules.items() if ".trunk." in k}
        self.trunk.load_state_dict(trunk)
        self.kinds.load_state_dict({k[len("kinds.") :]: v for k, v in modules.items() if k.startswith("kinds.")})


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


def teach_places(trainee: Trainee, views: Views, steps: int = 1500, batch: int = 4096) -> None:
    """Teach the tower's tokens their objects' edges, as waves along directions that the projector does not see yet.

    So the language model begins with what it knew, and finds beside it what it has to write. Takes the first views as
    they are and mirrored, and, on a CPU, a few minutes.
    """
    tower, projector = trainee.vlm.model.vision_tower, trainee.vlm.model.multi_modal_projector
    unseen = torch.linalg.svd(projector.linear_1.weight.detach())[2][projector.linear_1.out_features :]
    features, places, edges = [], [], []
    for items in views.in_order(32, 4000):
        for mirrored in (False, True):
            sides = mirror(items.edges) if mirrored else items.edges
            images, cover = (x.flip(-1) if mirrored else x for x in (items.images, items.cover))
            share, owner = cover.flatten(2).max(1)
            view, at = torch.nonzero(share > 0.25, as_tuple=True)
            with torch.no_grad():
                features.append(trainee.trunk(images)[-1].flatten(2)[view, :, at].half())
            places.append(at)
            edges.append(torch.from_numpy(bins(sides)).to(at.device)[view, owner[view, at]])
    features, places, edges = torch.cat(features), torch.cat(places), torch.cat(edges)
    goals = waves((edges + 0.5) / BINS, len(unseen) // 8).flatten(1)
    learning = [tower.rows, tower.columns, *tower.places.parameters()]
    optimiser = torch.optim.AdamW(learning, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    first, last = tower.places[0], tower.places[2]
    for step in range(steps):
        some = torch.randint(len(features), (batch,), device=features.device)
        rows, columns = places[some] // (VIEW_HW[1] // STRIDE), places[some] % (VIEW_HW[1] // STRIDE)
        told = features[some].float() + tower.rows[:, rows, 0].T + tower.columns[:, 0, columns].T
        hidden = torch.relu(F.linear(told, first.weight.flatten(1), first.bias))
        loss = F.mse_loss(F.linear(hidden, unseen @ last.weight.flatten(1)), goals[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print({"places": step + 1, "loss": round(float(loss.detach()), 4)}, flush=True)
    with torch.no_grad():
        last.weight.copy_(2 * (unseen.T @ unseen @ last.weight.flatten(1)).view_as(last.weight))


def waves(shares: Tensor, count: int) -> Tensor:
    """Shares of an axis as sines and cosines of `count` wave lengths: (...) -> (..., 2 · count)."""
    angles = shares[..., None] * math.pi * 1.5 ** torch.arange(count, device=shares.device)
    return torch.cat([angles.sin(), angles.cos()], -1)


def losses_of(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, batch: Batch, attention: float
) -> dict[str, Tensor]:
    """The named losses of a batch, weighted; the host never waits for the device."""
    lesson = Lesson.of(tokenizer, [exchanges(view, trainee.boxes) for view in shown(batch)], batch)
    hidden, attentions, features = trainee(batch.images, lesson, attention > 0)
    logits = trainee.vlm.lm_head(hidden.flatten(0, 1).index_select(0, lesson.rows)).float()
    losses = text_losses(logits, lesson, encoded(tokenizer, PLACES[0])[0])
    if not trainee.frozen:
        losses["kinds"] = class_loss(trainee.kinds(features), batch.kind_cover, batch.ignored)
    return losses | (attention_losses(attentions, lesson, lesson.goals(batch.cover), attention) if attentions else {})


def text_losses(logits: Tensor, lesson: Lesson, first: int) -> dict[str, Tensor]:
    """Cross-entropy of the answers' words, and of their boxes' edges, where a near bin is nearly right.

    A yes or no is one token, and counts as much as a whole list. logits (T, V), of the lesson's rows; `first`, the
    first place's token.
    """
    words, verdicts, places = zip(logits.split(lesson.counts), lesson.wanted.split(lesson.counts), strict=True)
    losses = {"text": F.cross_entropy(*words)}
    if len(verdicts[0]):
        losses["verdict"] = 0.5 * F.cross_entropy(*verdicts)
    if len(places[0]):
        said = torch.log_softmax(places[0], -1)[:, first:]
        losses["places"] = -(near(places[1] - first) * said).sum(-1).mean()
    return losses


def near(centres: Tensor, sigma: float = 1.5) -> Tensor:
    """A bell over the bins around each: (...) -> (..., BINS), which sums to 1."""
    return torch.softmax(-((torch.arange(BINS, device=centres.device) - centres[..., None]) ** 2) / (2 * sigma**2), -1)


def attention_losses(attentions: tuple[Tensor, ...], lesson: Lesson, goals: Tensor, weight: float) -> dict[str, Tensor]:
    """How far attention and its flow, from names and from what decides on them, are from the goals; weighted."""
    starts, columns = lesson.starts(), lesson.columns
    flowed = flow(attentions, starts, lesson.members(), lesson.positions)[..., columns]
    direct = sum((starts[:, None] @ layer[..., columns]).mean(1) for layer in attentions) / len(attentions)
    rows, looks = lesson.searching
    searching = attentions[-1].mean(1).flatten(0, 1).index_select(0, rows)[:, columns]
    return {
        "flow": weight * spread(flowed / (flowed.sum(-1, keepdim=True) + 1e-9), goals),
        "direct": 0.5 * weight * spread(direct, goals),
        "search": 0.5 * weight * spread(searching, goals.flatten(0, 1).index_select(0, looks)),
    }


def spread(mass: Tensor, goals: Tensor) -> Tensor:
    """Mean KL divergence of mass (..., M) from the goals; all-zero goals do not count."""
    there = goals.sum(-1) > 0.5
    cross = -(goals * torch.log(mass + 1e-6)).sum(-1)
    entropy = -(goals * torch.log(goals + 1e-9)).sum(-1)
    return ((cross - entropy) * there).sum() / there.sum().clamp(min=1)


@torch.inference_mode()
def evaluate(trainee: Trainee, tokenizer: PreTrainedTokenizerFast, views: Views) -> dict[str, float]:
    """Precision and recall of the names in greedy answers; how often a right name's flow peaks on its object; boxes.

    Boxes are right with the right name and an IoU of 0.5. Takes the first 96 views, or 48 on a CPU.
    """
    trainee.eval()
    hit = said = true = pointed = asked = right = checked = written = things = drawn = 0
    for batch in views.in_order(*((96, 96) if views.device.type == "cuda" else (16, 48))):
        known = shown(batch)
        lists = answers_to(trainee, tokenizer, batch.images, QUESTIONS[0], 40)
        found = [{name.strip() for name in text.split(",")} & set(NAMES) for text in lists]
        for view, names in zip(known, found, strict=True):
            hit, said, true = hit + len(names & view.names.keys()), said + len(names), true + len(view.names)
        ok = judged(trainee, tokenizer, batch, known, found)
        pointed, asked, right, checked = (a + b for a, b in zip((pointed, asked, right, checked), ok, strict=True))
        if trainee.boxes:
            texts = answers_to(trainee, tokenizer, batch.images, BOXES, 100)
            for view, theirs in zip(known, map(read, texts), strict=True):
                own = [(name, view.edges[n]) for name, numbers in view.names.items() for n in numbers]
                drawn += sum(any(n == name and overlap(e, edges) >= 0.5 for n, e in theirs) for name, edges in own)
                written, things = written + len(theirs), things + len(own)
    trainee.train()
    return {
        "p": hit / max(said, 1),
        "r": hit / max(true, 1),
        "pointing": pointed / max(asked, 1),
        "verified": right / max(checked, 1),
        "boxed": drawn / max(things, 1),
        "boxes": written / max(things, 1),
    }


def answers_to(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, images: Tensor, question: str, tokens: int
) -> list[str]:
    """Greedy answers to one question about several views."""
    rest, start, _ = sequence(tokenizer, question, [])
    ids = torch.tensor([*opening(tokenizer), *rest[:start]], device=images.device).repeat(len(images), 1)
    out = trainee.vlm.generate(input_ids=ids, pixel_values=images, max_new_tokens=tokens, do_sample=False)
    return tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)


def judged(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, batch: Batch, known: list[Shown], found: list[set[str]]
) -> tuple[int, int, int, int]:
    """Four counts, of names in the views and of names in the answers.

    Names whose flow (teacher-forced) peaks on a patch of one of their objects, of how many; names in the view or the
    answer that the model rightly says to be there or not, of how many.
    """
    asked = [
        [(QUESTIONS[0], listed(view)), *(verified(view, name) for name in sorted(names | view.names.keys()))]
        for view, names in zip(known, found, strict=True)
    ]
    lesson = Lesson.of(tokenizer, asked, batch)
    hidden, attentions, _ = trainee(batch.images, lesson)
    peaks = flow(attentions, lesson.starts(), lesson.members(), lesson.positions)[..., lesson.columns].argmax(-1)
    peaks = peaks[:, None].expand(-1, lesson.objects.shape[2], -1)
    met = (batch.cover.flatten(2).gather(2, peaks) > 0) & lesson.objects.transpose(1, 2)
    _, rows, _ = lesson.rows.split(lesson.counts)
    _, wanted, _ = lesson.wanted.split(lesson.counts)
    yes_no = tokenizer.convert_tokens_to_ids(YES_NO)
    said = trainee.vlm.lm_head(hidden.flatten(0, 1)[rows])[:, yes_no].argmax(-1)
    right = (said == (wanted == yes_no[1])).sum()
    return int(met.any(1).sum()), int(lesson.objects.any(2).sum()), int(right), len(rows)


def read(text: str) -> list[tuple[str, list[int]]]:
    """The names and the edges' bins of the boxes in an answer."""
    found = re.findall(r"<loc(\d{4})>" * 4 + r" ([\w ]+)", text)
    return [(name.strip(), [int(edge) * BINS // 1024 for edge in edges]) for *edges, name in found]


def overlap(a: Sequence[int], b: Sequence[int]) -> float:
    """IoU of two boxes (y, x, y, x)."""
    both, one, other = (
        max(0, bottom - top) * max(0, right - left)
        for top, left, bottom, right in ([*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])], a, b)
    )
    return both / max(one + other - both, 1)


def main() -> None:
    parser = arguments(__doc__, "vlm", 75)
    add_start(parser)
    parser.add_argument("--frozen", action="store_true", help="train all but the tower's trunk")
    parser.add_argument("--boxes", action="store_true", help="teach it to write boxes, too")
    parser.add_argument("--attention", type=float, default=0.5, help="weight of the attention loss; 0: without it")
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    help_trunk = "checkpoint of this training to take the trunk of, with --boxes the language model, too"
    parser.add_argument("--trunk", type=Path, help=help_trunk)
    args = parsed(parser)
    processor = build_processor()
    tokenizer, words = processor.tokenizer, processor.tokenizer.get_vocab()
    trainee = Trainee(processor, args.boxes, args.frozen)
    if args.shipped:
        trainee.start_from_speaker(*shipped(), words)
    start = args.trunk or args.dense
    if args.trunk or start.exists() or not args.shipped:
        modules = torch.load(start, weights_only=True, map_location="cpu")["modules"]
        if args.trunk and args.boxes:
            speaker = {k[len("vlm.") :]: v for k, v in modules.items() if k.startswith("vlm.")}
            trainee.start_from_speaker(speaker, words, words)
        trainee.start_from(modules)
    trainee.to(args.device, memory_format=torch.channels_last).train()
    train, validation = args.data / "train", Views(args.data / "val", device=args.device)
    if args.frozen and args.boxes and not (args.out / "checkpoint.pt").exists():
        teach_places(trainee, Views(train, device=args.device))
    run = Run(args, trainee, lr=args.lr, warm_up=50 if args.shipped else 200)
    run.train(
        Views(train, augment=True, device=args.device),
        args.batch or (64 if run.device.type == "cuda" else 8),
        lambda batch: losses_of(trainee, tokenizer, batch, args.attention),
        lambda: evaluate(trainee, tokenizer, validation),
    )


if __name__ == "__main__":
    main()
