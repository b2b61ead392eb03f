"""Second training: the embedded LLaVA-style VLM. `python -m training.vlm` starts its tower from `training.dense`.

It learns to list the kinds in a view, in one fixed order, and to look where it names: the attention flow read at a
name's own tokens is drawn towards the patches that show the name's objects, and so is, in the last layer, the token
before. `--attention 0` trains the variant without that. `training.export` writes the result for transformers' Auto
classes.
"""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoTokenizer,
    CLIPImageProcessor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from training.data import Views, names_of
from training.dense import class_loss, coverage, ignored
from training.loop import Run, add_start, arguments, normalised, parsed
from vlsam_ros.config import AttentionOptions, VerifyOptions
from vlsam_ros.embedded import QUESTIONS, vlm_path
from vlsam_ros.embedded.tower import STRIDE, VIEW_HW, ConvVisionConfig
from vlsam_ros.synthetic.kinds import NAMES

VERIFY = VerifyOptions().question
BACKGROUND, BACKGROUND_ANSWER = AttentionOptions().background_question, "sky, road"
SHARES = (0.75, 0.2, 0.05)
"""How often the objects, one of them, and the background are asked for."""
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}user : "
    "{% for item in message['content'] %}{% if item['type'] == 'image' %}<image>{% endif %}{% endfor %} "
    "{% for item in message['content'] %}{% if item['type'] == 'text' %}{{ item['text'] }}{% endif %}{% endfor %} "
    "{% endif %}{% endfor %}{% if add_generation_prompt %}assistant :{% endif %}"
)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
PATCHES = (VIEW_HW[0] // STRIDE) * (VIEW_HW[1] // STRIDE)


def build_processor() -> LlavaProcessor:
    """Word-level tokenizer over the names and the questions, and an image processor that resizes to 448 × 256."""
    split = pre_tokenizers.Whitespace()
    spoken = [VERIFY.format(name=""), BACKGROUND, BACKGROUND_ANSWER, "user : assistant :", ",", "none no yes"]
    texts = [*NAMES, *QUESTIONS, *spoken]
    words = sorted({word for text in texts for word, _ in split.pre_tokenize_str(text.lower())})
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), split
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )
    size = {"height": VIEW_HW[0], "width": VIEW_HW[1]}
    pictures = CLIPImageProcessor(
        size=size,
        do_center_crop=False,
        resample=2,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=fast,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=TEMPLATE,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Tower, projector and a three-layer Llama, with random weights."""
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
        vision_config=ConvVisionConfig(),
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

    def __init__(self, processor: LlavaProcessor) -> None:
        super().__init__()
        self.vlm = build_model(processor.tokenizer)
        self.kinds = nn.Conv2d(192, len(NAMES), 1)

    def start_from_shipped(self, tokenizer: PreTrainedTokenizerFast) -> None:
        """Take the package's VLM; words that its tokenizer lacks keep their random embeddings."""
        shipped = LlavaForConditionalGeneration.from_pretrained(vlm_path(), dtype=torch.float32)
        known = AutoTokenizer.from_pretrained(vlm_path()).get_vocab()
        rows = self.vlm.get_input_embeddings().weight.detach().clone()
        for word, row in tokenizer.get_vocab().items():
            if word in known:
                rows[row] = shipped.get_input_embeddings().weight[known[word]]
        state = {k: rows if v.shape[:1] == (len(known),) else v for k, v in shipped.state_dict().items()}
        self.vlm.load_state_dict(state)

    def freeze_tower(self) -> None:
        """Train the language model only."""
        tower = self.vlm.model.vision_tower.requires_grad_(False).eval()
        tower.train = lambda mode=True: tower  # its batch norms keep their statistics

    def start_from(self, dense: dict[str, Tensor]) -> None:
        """Take trunk and head of a `training.dense` checkpoint."""
        prefix = "encoder.trunk."
        trunk = {k[len(prefix) :]: v for k, v in dense.items() if k.startswith(prefix)}
        self.vlm.model.vision_tower.trunk.load_state_dict(trunk)
        self.kinds.load_state_dict({k[len("kinds.") :]: v for k, v in dense.items() if k.startswith("kinds.")})


def target_map(ids: np.ndarray, objects: list[dict], name: str) -> np.ndarray:
    """Where the flow of a name should go: each instance's coverage relative to its best patch; sums to 1, (448,)."""
    parts = [coverage(ids, [o])[NAMES.index(name)] for o in objects if o["name"] == name]
    best = np.max([p / max(float(p.max()), 1e-6) for p in parts], 0).ravel()
    return best / max(float(best.sum()), 1e-6)


def exchange(objects: list[dict]) -> tuple[str, list[str]]:
    """A question about a view and the words of its answer, one after the other with commas between."""
    names = names_of(objects)
    kind = np.random.choice(3, p=SHARES)
    if kind == 0:
        return QUESTIONS[np.random.randint(len(QUESTIONS)) if np.random.rand() < 0.5 else 0], names or ["none"]
    if kind == 2:
        return BACKGROUND, BACKGROUND_ANSWER.split(", ")
    others = [name for name in NAMES if name not in names]
    there = bool(names) and np.random.rand() < 0.5
    name = str(np.random.choice(names if there else others))
    return VERIFY.format(name=name), ["yes" if there else "no"]


def sequence(
    tokenizer: PreTrainedTokenizerFast, question: str, answer: list[str]
) -> tuple[list[int], int, dict[str, list[int]]]:
    """Token ids of prompt and answer, where the answer starts, and the rows of each name's tokens."""

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    image = tokenizer.convert_tokens_to_ids("<image>")
    ids = encode("user :") + [image] * PATCHES + encode(question) + encode("assistant :")
    start, rows = len(ids), {}
    for i, name in enumerate(answer):
        tokens = encode(name)
        if name in NAMES:
            rows[name] = list(range(len(ids), len(ids) + len(tokens)))
        ids += tokens + (encode(",") if i + 1 < len(answer) else [])
    return [*ids, tokenizer.eos_token_id], start, rows


def flow(attentions: tuple[Tensor, ...], starts: Tensor, length: Tensor) -> Tensor:
    """Regularised attention flow (arXiv 2410.05963, section 3.2), differentiable.

    attentions: L × (B, H, N, N); starts (B, R, N), rows that sum to 1; length (B,) -> (B, R, N).
    """
    n = starts.shape[-1]
    queries = torch.arange(n) < length[:, None]
    ramp = ((torch.arange(n) + 1) / length[:, None]).clamp(max=1)[:, None]
    u, total = starts, 0
    for layer in reversed(attentions):
        with torch.no_grad():  # the weights are taken as they are: their gradient costs more than it teaches
            weight = (layer.amax(-1) * queries[:, None]).sum(-1) / length[:, None] / layer.shape[1]
        step = torch.einsum("bh,bhrn->brn", weight, u[:, None] @ layer) * ramp
        u = u + step
        total = total + (step if layer is attentions[0] else u)
    return total


def losses_of(trainee: Trainee, tokenizer: PreTrainedTokenizerFast, items: list, attention: float) -> dict[str, Tensor]:
    images, maps, objects = zip(*items, strict=True)
    sequences = [sequence(tokenizer, *exchange(o)) for o in objects]
    longest = max(len(s[0]) for s in sequences)
    ids = torch.full((len(items), longest), tokenizer.pad_token_id)
    labels = torch.full_like(ids, -100)
    wanted = [(b, name, rows) for b, (_, _, all_rows) in enumerate(sequences) for name, rows in all_rows.items()]
    for b, (tokens, start, _) in enumerate(sequences):
        ids[b, : len(tokens)] = torch.tensor(tokens)
        labels[b, start : len(tokens)] = ids[b, start : len(tokens)]
    features = []
    tower = trainee.vlm.model.vision_tower
    hook = tower.trunk.register_forward_hook(lambda *a: features.append(a[2][-1]))
    mask = ids != tokenizer.pad_token_id
    out = trainee.vlm(
        input_ids=ids,
        pixel_values=normalised(images),
        attention_mask=mask,
        labels=labels,
        output_attentions=attention > 0,
    )
    hook.remove()
    cover = torch.from_numpy(np.stack([coverage(m, o) for m, o in zip(maps, objects, strict=True)]))
    ignore = torch.from_numpy(np.stack([ignored(m) for m in maps]))
    losses = {"text": out.loss, "kinds": class_loss(trainee.kinds(features[0]), cover, ignore)}
    verdicts = [b for b, (tokens, start, _) in enumerate(sequences) if tokens[start] in yes_no(tokenizer)]
    if verdicts:  # one token each, which counts as much as a whole list
        said = torch.stack([out.logits[b, sequences[b][1] - 1] for b in verdicts])
        losses["verdict"] = 0.5 * F.cross_entropy(said.float(), ids[verdicts, [sequences[b][1] for b in verdicts]])
    if attention > 0 and wanted:
        per_item = max(sum(w[0] == b for w in wanted) for b in range(len(items)))
        starts, before = torch.zeros(2, len(items), per_item, longest)
        goals = torch.zeros(len(items), per_item, PATCHES)
        slot = [0] * len(items)
        for b, name, rows in wanted:
            starts[b, slot[b], rows] = 1 / len(rows)
            before[b, slot[b], rows[0] - 1] = 1
            goals[b, slot[b]] = torch.from_numpy(target_map(maps[b], objects[b], name))
            slot[b] += 1
        first = int((ids[0] == trainee.vlm.config.image_token_id).nonzero()[0])
        columns = slice(first, first + PATCHES)
        flowed = flow(out.attentions, starts, mask.sum(1))[..., columns]
        direct = sum((starts[:, None] @ layer[..., columns]).mean(1) for layer in out.attentions) / len(out.attentions)
        losses["flow"] = attention * spread(flowed / (flowed.sum(-1, keepdim=True) + 1e-9), goals)
        losses["direct"] = 0.5 * attention * spread(direct, goals)
        searching = (before[:, None] @ out.attentions[-1][..., columns]).mean(1)
        losses["search"] = 0.5 * attention * spread(searching, goals)
    return losses


def spread(mass: Tensor, goals: Tensor) -> Tensor:
    """Mean KL divergence of mass (B, R, M) from the goals; all-zero goals do not count."""
    there = goals.sum(-1) > 0.5
    cross = -(goals * torch.log(mass + 1e-6)).sum(-1)
    entropy = -(goals * torch.log(goals + 1e-9)).sum(-1)
    return ((cross - entropy) * there).sum() / there.sum().clamp(min=1)


@torch.inference_mode()
def evaluate(trainee: Trainee, processor: LlavaProcessor, views: Views, count: int = 96) -> dict[str, float]:
    """Precision and recall of the names in greedy answers, and how often a right name's flow peaks on its object."""
    trainee.eval()
    tokenizer = processor.tokenizer
    hit = said = true = pointed = asked = right = checked = 0
    question = tokenizer(QUESTIONS[0] + " assistant :", add_special_tokens=False)["input_ids"]
    image = tokenizer.convert_tokens_to_ids("<image>")
    prompt = tokenizer("user :", add_special_tokens=False)["input_ids"] + [image] * PATCHES + question
    for at in range(0, min(count, len(views)), 16):
        images, maps, objects = zip(*(views[i] for i in range(at, at + 16)), strict=True)
        ids = torch.tensor(prompt).repeat(len(images), 1)
        out = trainee.vlm.generate(input_ids=ids, pixel_values=normalised(images), max_new_tokens=40, do_sample=False)
        for b in range(len(images)):
            text = tokenizer.decode(out[b, len(prompt) :], skip_special_tokens=True)
            found = {name.strip() for name in text.split(",")} & set(NAMES)
            wanted = {o["name"] for o in objects[b]}
            hit, said, true = hit + len(found & wanted), said + len(found), true + len(wanted)
            ok, tried = pointing(trainee, tokenizer, images[b], maps[b], objects[b])
            pointed, asked = pointed + ok, asked + tried
            right += sum(says_yes(trainee, tokenizer, images[b], name) == (name in wanted) for name in found | wanted)
            checked += len(found | wanted)
    trainee.train()
    return {
        "p": hit / max(said, 1),
        "r": hit / max(true, 1),
        "pointing": pointed / max(asked, 1),
        "verified": right / max(checked, 1),
    }


def says_yes(trainee: Trainee, tokenizer: PreTrainedTokenizerFast, image: np.ndarray, name: str) -> bool:
    """Whether the model says that a name is in the picture."""
    tokens, start, _ = sequence(tokenizer, VERIFY.format(name=name), [])
    logits = trainee.vlm(input_ids=torch.tensor([tokens[:start]]), pixel_values=normalised([image])).logits[0, -1]
    yes, no = yes_no(tokenizer)
    return bool(logits[yes] > logits[no])


def yes_no(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens of the two words."""
    return tokenizer.convert_tokens_to_ids(["yes", "no"])


def pointing(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, image: np.ndarray, ids: np.ndarray, objects: list[dict]
) -> tuple[int, int]:
    """Names whose flow (teacher-forced) peaks on a patch of one of their objects, of how many."""
    tokens, _, rows = sequence(tokenizer, QUESTIONS[0], names_of(objects))
    if not rows:
        return 0, 0
    out = trainee.vlm(input_ids=torch.tensor([tokens]), pixel_values=normalised([image]), output_attentions=True)
    starts = torch.zeros(1, len(rows), len(tokens))
    for i, r in enumerate(rows.values()):
        starts[0, i, r] = 1 / len(r)
    first = tokens.index(trainee.vlm.config.image_token_id)
    heat = flow(out.attentions, starts, torch.tensor([len(tokens)]))[0, :, first : first + PATCHES]
    peaks = heat.argmax(-1)
    cover = coverage(ids, objects).reshape(len(NAMES), -1)
    return sum(bool(cover[NAMES.index(n), p] > 0) for n, p in zip(rows, peaks, strict=True)), len(rows)


def main() -> None:
    parser = arguments(__doc__, "vlm", 75)
    add_start(parser)
    parser.add_argument("--frozen", action="store_true", help="train the language model only, the tower stays as it is")
    parser.add_argument("--attention", type=float, default=0.5, help="weight of the attention loss; 0: without it")
    args = parsed(parser)
    processor = build_processor()
    trainee = Trainee(processor).to(memory_format=torch.channels_last)
    if args.shipped:
        trainee.start_from_shipped(processor.tokenizer)
    if args.dense.exists() or not args.shipped:
        trainee.start_from(torch.load(args.dense, weights_only=True)["modules"])
    if args.frozen:
        trainee.freeze_tower()
    run = Run(args, trainee, lr=1e-3)
    validation = Views(args.data / "val")
    run.train(
        Views(args.data / "train", augment=True),
        8,
        lambda items: losses_of(trainee, processor.tokenizer, items, args.attention),
        lambda: evaluate(trainee, processor, validation),
    )


if __name__ == "__main__":
    main()
