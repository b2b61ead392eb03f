"""The embedded VLM's training: what it asks, and where its batches and losses must agree with the detector."""

from __future__ import annotations

import json
from argparse import Namespace
from ast import literal_eval
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from pretend_cuda import pretended
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from training import answers, export, vlm
from training.answers import Lesson, Shown
from training.data import Batch, Views, write_chunk
from training.loop import Run
from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK
from vlsam_ros.embedded import BOX_OF, BOXES, VLMS
from vlsam_ros.localisation import native
from vlsam_ros.recognition.flow import flow, scores
from vlsam_ros.synthetic.kinds import NAMES

PROCESSOR = answers.build_processor()
TOKENIZER = PROCESSOR.tokenizer


def view(*things: tuple[str, tuple[int, ...]] | str) -> Shown:
    """A view of named objects, with boxes or without."""
    full = [thing if isinstance(thing, tuple) else (thing, (0, 0, 16, 16)) for thing in things]
    order = sorted(range(len(full)), key=lambda i: (NAMES.index(full[i][0]), i))
    names: dict[str, list[int]] = {}
    for i in order:
        names.setdefault(full[i][0], []).append(i)
    return Shown(names, [list(edges) for _, edges in full])


def test_the_trained_flow_is_the_detectors() -> None:
    torch.manual_seed(0)
    layers, n = [LayerQK(torch.randn(4, 40, 8), torch.randn(4, 40, 8), 0.7) for _ in range(3)], 40
    layout = ImageLayout(np.arange(20).reshape(4, 5), (0, 0, 5, 4))
    answer = Answer("?", "a b", ((0, 1), (1, 3)), 38, n, layout, 3, layers.__getitem__)
    start = torch.zeros(2, n)
    start[0, [36, 37]], start[1, 39] = 0.5, 1.0
    seen = [scores(layer, slice(0, 4), slice(0, n))[None] for layer in layers]
    trained = vlm.flow(tuple(seen), start[None], torch.ones(1, 2, n, dtype=torch.bool), torch.arange(n)[None])[0]
    torch.testing.assert_close(trained, flow([answer], [start], AttentionOptions())[0], rtol=1e-5, atol=1e-6)


def test_sequences_name_every_kind_once_and_know_their_rows() -> None:
    question, answer = answers.exchange(view("stone", "traffic cone", "stone"), 0)
    tokens, start, looks = answers.sequence(TOKENIZER, question, answer)
    assert TOKENIZER.decode(tokens[start:], skip_special_tokens=True) == "traffic cone, stone"
    assert [TOKENIZER.decode(tokens[look.name : look.end]) for look in looks] == ["traffic cone", "stone"]
    assert [look.start for look in looks] == [look.name - 1 for look in looks]
    assert [look.objects for look in looks] == [(1,), (0, 2)]
    assert tokens[-1] == TOKENIZER.eos_token_id


@pytest.mark.parametrize("names", [[], ["stone"], ["stone", "dog", "car"], list(NAMES)[:-1], ["debris"]])
def test_answers_are_true_and_every_word_is_known(names: list[str]) -> None:
    np.random.seed(0)
    asked = set()
    for _ in range(60):
        for question, answer in answers.exchanges(view(*names), boxes=True):
            tokens, start, looks = answers.sequence(TOKENIZER, question, answer)
            assert TOKENIZER.unk_token_id not in tokens
            separator = " ; " if any(part.edges for part in answer) else ", "
            text = separator.join("".join(answers.PLACES[e] for e in part.edges) + " " + part.name for part in answer)
            assert list(answers.encoded(TOKENIZER, text)) == tokens[start:-1]
            said = [part.name for part in answer]
            if question in answers.QUESTIONS or question == BOXES:
                asked.add("boxes" if question == BOXES else "list")
                most = answers.MOST_BOXES if question == BOXES else len(names)
                there = sorted(names, key=NAMES.index)
                assert len(looks) == len(there[:most]) and set(said) <= set(names or ["none"])
                assert said == (there or ["none"]) or len(names) > most
            elif question.startswith("detect"):
                asked.add(said[0] if said == ["none"] else "box")
                of = [n for n in names if question == BOX_OF.format(name=n)]
                assert said == (of or ["none"]) and len(looks) == len(of)
            elif said != ["sky", "road"]:
                asked.add(said[0])
                assert said == ["yes" if any(question == answers.VERIFY.format(name=n) for n in names) else "no"]
    assert asked == {"list", "boxes", "no", "none"} | ({"yes", "box"} if names else set())


def test_questions_have_their_shares() -> None:
    np.random.seed(0)
    first = [answers.exchanges(view("stone"), boxes=True)[0][0] for _ in range(2000)]
    shares = [sum(q in answers.QUESTIONS for q in first), first.count(BOXES), first.count(answers.BACKGROUND)]
    assert np.array(shares) / 2000 == pytest.approx([0.36, 0.35, 0.03], abs=0.03)


def test_boxes_are_read_as_they_were_written() -> None:
    """The order: by kind, then from left to right; the largest ones, if there are many."""
    things = (("stone", (8, 90, 40, 120)), ("car", (0, 64, 127, 127)), ("stone", (16, 3, 32, 20)))
    question, answer = answers.exchange(view(*things, *[("dog", (8, 8, 9, 9))] * 3), 3)
    assert [part.name for part in answer] == ["car", "dog", "dog", "dog", "stone", "stone"]
    many = answers.exchange(view(*things, *[("dog", (8, 8, 10, 10))] * 30), 3)[1]
    assert len(many) == answers.MOST_BOXES and [part.name for part in many].count("stone") == 2
    shown = view(*things)
    tokens, start, looks = answers.sequence(TOKENIZER, *answers.exchange(shown, 3))
    text = TOKENIZER.decode(tokens[start:], skip_special_tokens=True)
    layout = ImageLayout(np.arange(448).reshape(16, 28), (0, 0, 448, 256))
    spans = ((0, 1),) * (len(tokens) - start)
    answered = Answer(question, text, spans, start, len(tokens), layout, 1, lambda _: None)  # type: ignore[arg-type, return-value]
    found, problems = native.written(answered, "paligemma", 64)
    assert not problems and [w.label for w in found] == ["car", "stone", "stone"]
    assert [look.objects for look in looks] == [(1,), (2,), (0,)]
    for w, look in zip(found, looks, strict=True):
        own = shown.edges[look.objects[0]]
        assert np.abs(np.array(w.xyxy) / (3.5, 2, 3.5, 2) - np.array(own)[[1, 0, 3, 2]] - 0.5).max() < 1e-3
        assert TOKENIZER.decode(tokens[look.name : look.end]) == w.label
        decided = TOKENIZER.convert_ids_to_tokens(tokens[look.start + 1 : look.name + 1])[:4]
        assert decided == [answers.PLACES[edge] for edge in own]  # each row decides on the next token
    assert vlm.read(text) == [(w.label, shown.edges[k.objects[0]]) for w, k in zip(found, looks, strict=True)]


@pytest.mark.parametrize(
    ("a", "iou"), [((0, 0, 8, 8), 1), ((0, 4, 8, 12), 1 / 3), ((8, 0, 9, 8), 0), ((8, 8, 0, 0), 0)]
)
def test_overlap(a: tuple[int, ...], iou: float) -> None:
    assert vlm.overlap(a, (0, 0, 8, 8)) == pytest.approx(iou)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_chunk((folder / "val", 3, 0, 10_000_000, 0.6, 1.0))
    (folder / "train").symlink_to("val")
    return folder


@pytest.fixture(scope="module")
def batch(folder: Path) -> Batch:
    return Views(folder / "val").batch(range(3))


def test_objects_are_shown_where_they_are(batch: Batch) -> None:
    for b, own in enumerate(answers.shown(batch)):
        assert sorted(n for numbers in own.names.values() for n in numbers) == [
            *range(int((batch.kinds[b] >= 0).sum()))
        ]
        for name, numbers in own.names.items():
            for n in numbers:
                assert name == NAMES[int(batch.kinds[b, n])]
                rows, columns = np.nonzero(batch.ids[b].numpy() == n + 1)
                sides = np.array([rows.min() / 2, columns.min() / 3.5, (rows.max() + 1) / 2, (columns.max() + 1) / 3.5])
                assert np.abs(np.array(own.edges[n]) + 0.5 - sides).max() <= 0.5 + 1e-6


def asked_of(batch: Batch) -> list[list[answers.Exchange]]:
    np.random.seed(0)
    return [answers.exchanges(own, boxes=True)[: 4 - b] for b, own in enumerate(answers.shown(batch))]


def test_a_lesson_is_what_its_sequences_say(batch: Batch) -> None:
    """Against a loop over views, exchanges and looks."""
    asked, opening = asked_of(batch), answers.opening(TOKENIZER)
    lesson = Lesson.of(TOKENIZER, asked, batch)
    n, first = lesson.ids.shape[1], len(opening)
    said, searching, goals = [], [], lesson.goals(batch.cover)
    for b, exchanges in enumerate(asked):
        ids, positions, owners, r = [*opening], [*range(first)], [0] * first, 0
        for i, exchange in enumerate(exchanges, 1):
            tokens, start, looks = answers.sequence(TOKENIZER, *exchange)
            at = len(ids)
            ids, owners = ids + tokens, owners + [i] * len(tokens)
            positions += range(first, first + len(tokens))
            said += [(b * n + at + k - 1, tokens[k]) for k in range(start, len(tokens))]
            for look in looks:
                expected = torch.zeros(n)
                expected[at + look.name : at + look.end] = 1 / (look.end - look.name)
                torch.testing.assert_close(lesson.starts()[b, r], expected)
                own = (lesson.owners[b] == 0) | (lesson.owners[b] == i)
                assert torch.equal(lesson.members()[b, r], own)
                covers = [batch.cover[b, k] for k in look.objects]
                best = torch.stack([cover / cover.max() for cover in covers]).amax(0).flatten()
                torch.testing.assert_close(goals[b, r], best / best.sum())
                searching += [(b * n + at + k, b * lesson.looks.shape[1] + r) for k in range(look.start, look.name)]
                r += 1
        assert not lesson.looks[b, r:].any() and not goals[b, r:].any() and not lesson.starts()[b, r:].any()
        rest = n - len(ids)
        assert lesson.ids[b].tolist() == ids + [TOKENIZER.pad_token_id] * rest
        assert lesson.positions[b].tolist() == positions + [0] * rest
        assert lesson.owners[b].tolist() == owners + [-1] * rest
    assert lesson.searching.T.tolist() == [[*pair] for pair in searching]
    assert sorted(zip(lesson.rows.tolist(), lesson.wanted.tolist(), strict=True)) == said
    assert (lesson.ids[:, lesson.columns] == TOKENIZER.convert_tokens_to_ids("<image>")).all()
    words, verdicts, places = (TOKENIZER.convert_ids_to_tokens(w) for w in lesson.wanted.split(lesson.counts))
    assert set(verdicts) == {"yes", "no"} & {parts[0].name for own in asked for _, parts in own}
    assert places and all(word.startswith("<loc") for word in places) and not {*words} & {*places, "yes", "no"}


@pytest.fixture(scope="module")
def trainee() -> vlm.Trainee:
    torch.manual_seed(0)
    trainee = vlm.Trainee(PROCESSOR, boxes=True).eval()
    trainee.start_from_speaker(*vlm.shipped(), TOKENIZER.get_vocab())
    return trainee


@torch.inference_mode()
def test_sequences_behind_one_picture_do_not_see_each_other(trainee: vlm.Trainee, batch: Batch) -> None:
    """Each one's logits and flow are those of transformers' own forward of it alone."""
    asked = asked_of(batch)
    lesson = Lesson.of(TOKENIZER, asked, batch)
    hidden, attentions, _ = trainee(batch.images, lesson)
    logits = trainee.vlm.lm_head(hidden.flatten(0, 1))
    flowed = vlm.flow(attentions, lesson.starts(), lesson.members(), lesson.positions)
    shared = lesson.columns.stop
    for b, exchanges in enumerate(asked[1:], 1):
        at, r = shared, 0
        for exchange in exchanges:
            rest, start, looks = answers.sequence(TOKENIZER, *exchange)
            ids = torch.tensor([answers.opening(TOKENIZER) + rest])
            alone = trainee.vlm(input_ids=ids, pixel_values=batch.images[b : b + 1], output_attentions=True)
            row = b * lesson.ids.shape[1] + at
            together = logits[row + start - 1 : row + len(rest)]
            torch.testing.assert_close(together, alone.logits[0, shared + start - 1 :], rtol=0, atol=1e-4)
            for look in looks:
                one = torch.zeros(1, 1, ids.shape[1])
                one[..., shared + look.name : shared + look.end] = 1 / (look.end - look.name)
                everything = torch.ones_like(one, dtype=torch.bool), torch.arange(ids.shape[1])[None]
                expected = vlm.flow(alone.attentions, one, *everything)
                torch.testing.assert_close(flowed[b, r, :shared], expected[0, 0, :shared], rtol=1e-4, atol=1e-6)
                r += 1
            at += len(rest)


def losses(trainee: vlm.Trainee, batch: Batch, attention: float = 0.5) -> dict[str, Tensor]:
    np.random.seed(0)
    return vlm.losses_of(trainee, TOKENIZER, batch, attention)


def test_steps_without_the_trunk_teach_boxes(trainee: vlm.Trainee, batch: Batch) -> None:
    frozen = vlm.Trainee(PROCESSOR, boxes=True, frozen=True).train()
    frozen.load_state_dict(trainee.state_dict())
    before = {name: tensor.clone() for name, tensor in frozen.trunk.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in frozen.parameters() if p.requires_grad], lr=1e-3)
    sums = []
    for _ in range(4):
        found = losses(frozen, batch)
        assert {"text", "places", "flow", "direct", "search"} <= set(found) and "kinds" not in found
        sums.append(float(sum(found.values()).detach()))  # type: ignore[union-attr]
        optimiser.zero_grad()
        sum(found.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
    assert sums[-1] < 0.9 * sums[0]
    assert frozen.vlm.model.vision_tower.places[2].weight.grad.abs().sum() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen.trunk.state_dict().items())


def test_a_step_on_a_device_never_waits_for_it(trainee: vlm.Trainee, folder: Path) -> None:
    reference = losses(trainee, next(iter(Views(folder / "val").in_order(2, 2))))
    with pretended() as counts:
        there = vlm.Trainee(PROCESSOR, boxes=True).eval()
        there.load_state_dict(trainee.state_dict())
        there.to("cuda")
        on_device = next(iter(Views(folder / "val", device="cuda").in_order(2, 2)))
        counts.clear()
        found = losses(there, on_device)
        assert not counts.total("waits"), counts.table("waits")
        for name, loss in reference.items():
            torch.testing.assert_close(found[name].detach().cpu(), loss.detach(), rtol=1e-3, atol=1e-4)


def command(monkeypatch: pytest.MonkeyPatch, module: object, *words: object) -> None:
    monkeypatch.setattr("sys.argv", ["training", *map(str, words)])
    module.main()  # type: ignore[attr-defined]


def test_the_three_share_a_trunk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first training to the exported folders, which transformers loads."""
    monkeypatch.setattr(vlm, "evaluate", lambda *a: {"p": 1.0})
    monkeypatch.setattr(vlm, "teach_places", lambda *a: None)
    runs, own = tmp_path / "runs", ("--data", folder, "--minutes", 0.01, "--batch", 2, "--device", "cpu")
    command(monkeypatch, vlm, *own, "--shipped", "--dense", tmp_path / "none", "--out", runs / "vlm")
    start = ("--frozen", "--trunk", runs / "vlm/checkpoint.pt")
    command(monkeypatch, vlm, *own, *start, "--attention", 0, "--out", runs / "vlm_plain")
    command(monkeypatch, vlm, *own, *start, "--boxes", "--out", runs / "vlm_boxes")
    log = [json.loads(line) for line in (runs / "vlm_boxes/log.jsonl").read_text().splitlines()]
    assert log[-1]["seen"] >= 2
    command(monkeypatch, export, "--runs", runs, "--out", tmp_path / "out", "--logs", tmp_path / "logs")
    command(monkeypatch, export, "--runs", runs, "--out", tmp_path / "out", "--logs", tmp_path / "logs")
    assert [p.parent.name for p in (tmp_path / "out").rglob("trunk.safetensors")] == ["vlm"]
    states = {}
    for name in VLMS.values():
        model = LlavaForConditionalGeneration.from_pretrained(tmp_path / "out" / name, dtype=torch.float32)
        states[name] = model.state_dict()
        state = torch.load(runs / name / "checkpoint.pt", weights_only=True)["modules"]
        assert all(torch.equal(v, state[f"vlm.{k}"].half().float()) for k, v in states[name].items() if v.ndim > 1)
    layer = "model.language_model.layers.0.mlp.up_proj.weight"
    one, plain, boxes = (states[name][layer] for name in VLMS.values())
    assert not torch.allclose(one, plain, atol=0.05) and torch.allclose(one, boxes, atol=0.02)


def test_a_run_goes_on(folder: Path, tmp_path: Path) -> None:
    args = Namespace(out=tmp_path, minutes=1.0, bf16=False, device="cpu")
    first = Run(args, vlm.Trainee(PROCESSOR), 1e-3)
    for items in islice(Views(folder / "val", augment=True).batches(2), 1):
        sum(losses(first.modules, items, 0).values()).backward()  # type: ignore[union-attr, arg-type]
    for optimiser in first.optimisers:
        optimiser.step()
    first.step = 1
    first.save()
    second = Run(args, vlm.Trainee(PROCESSOR), 1e-3)
    assert second.step == 1
    for a, b in zip(first.modules.parameters(), second.modules.parameters(), strict=True):
        assert torch.equal(a, b)


def test_places_are_taught_to_the_tower(trainee: vlm.Trainee, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frozen = vlm.Trainee(PROCESSOR, boxes=True, frozen=True)
    frozen.load_state_dict(trainee.state_dict())
    vlm.teach_places(frozen, Views(folder / "val"), steps=200, batch=256)
    first, last = (literal_eval(line)["loss"] for line in capsys.readouterr().out.splitlines())
    assert last < first
    assert frozen.vlm.model.vision_tower.places[2].weight.abs().sum() > 0


def test_figures_are_of_the_views(trainee: vlm.Trainee, folder: Path) -> None:
    np.random.seed(0)
    trainee.boxes = False
    figures = vlm.evaluate(trainee, TOKENIZER, Views(folder / "val"))
    trainee.boxes = True
    assert figures["pointing"] > 0.5 and figures["p"] > 0.3 and 0 <= figures["verified"] <= 1
