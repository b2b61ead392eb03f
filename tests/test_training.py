"""The parts of the training that must agree with the detector."""

from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training import answers, vlm
from training.data import Views, write_shard
from training.loop import Muon, Run
from training.sam import decode
from vlsam_ros.config import AttentionOptions
from vlsam_ros.data import Answer, ImageLayout, LayerQK
from vlsam_ros.embedded import BOX_OF, BOXES
from vlsam_ros.embedded.sam import build_sam
from vlsam_ros.localisation import native
from vlsam_ros.recognition.flow import flow, scores
from vlsam_ros.synthetic.scene import HELD_OUT, sample_crowd, sample_world


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


def thing(name: str, *edges: int) -> answers.Seen:
    cover = np.zeros((16, 28), np.float32)
    top, left, bottom, right = edges or (0, 0, 16, 16)
    cover[top // 8 : -(-bottom // 8), left * 28 // 128 : -(-right * 28 // 128)] = 1
    return answers.Seen(name, cover, edges or (0, 0, 16, 16))


def test_sequences_name_every_kind_once_and_know_their_rows() -> None:
    tokenizer = answers.build_processor().tokenizer
    question, answer = answers.exchange([thing("stone"), thing("traffic cone"), thing("stone")], 0)
    tokens, start, looks = answers.sequence(tokenizer, question, answer)
    assert tokenizer.decode(tokens[start:], skip_special_tokens=True) == "traffic cone, stone"
    assert [tokenizer.decode([tokens[r] for r in look.rows]) for look in looks] == ["traffic cone", "stone"]
    assert [look.before for look in looks] == [[look.rows[0] - 1] for look in looks]
    assert [len(look.objects) for look in looks] == [1, 2]
    assert tokens[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("names", [[], ["stone"], ["stone", "dog", "car"]])
def test_answers_are_true_and_every_word_is_known(names: list[str]) -> None:
    np.random.seed(0)
    tokenizer = answers.build_processor().tokenizer
    asked = set()
    for _ in range(100):
        for question, answer in answers.exchanges([thing(name) for name in names], boxes=True):
            tokens, _, looks = answers.sequence(tokenizer, question, answer)
            assert tokenizer.unk_token_id not in tokens
            said = [text for text, _ in answer]
            where = [text.rpartition("> ")[2] for text in said]
            if question in answers.QUESTIONS or question == BOXES:
                asked.add("boxes" if question == BOXES else "list")
                assert sorted(where) == sorted(names or ["none"]) and len(looks) == len(names)
            elif question.startswith("detect"):
                asked.add(where[0] if where == ["none"] else "box")
                of = [n for n in names if question == BOX_OF.format(name=n)]
                assert where == (of or ["none"]) and len(looks) == len(of)
            elif said != ["sky", "road"]:
                asked.add(said[0])
                assert said == ["yes" if any(question == answers.VERIFY.format(name=n) for n in names) else "no"]
    assert asked == {"list", "boxes", "no", "none"} | ({"yes", "box"} if names else set())


def test_boxes_are_read_as_they_were_written() -> None:
    """The order: by kind, then from left to right; the largest ones, if there are many."""
    tokenizer = answers.build_processor().tokenizer
    things = [thing("stone", 8, 90, 40, 120), thing("car", 0, 64, 127, 127), thing("stone", 16, 3, 32, 20)]
    question, answer = answers.exchange([*things, *[thing("dog", 8, 8, 9, 9)] * 3], 3)
    assert [name.rpartition(" ")[2] for name, _ in answer] == ["car", "dog", "dog", "dog", "stone", "stone"]
    assert len(answers.exchange(things * 7, 3)[1]) == answers.MOST_BOXES
    tokens, start, looks = answers.sequence(tokenizer, *answers.exchange(things, 3))
    text = tokenizer.decode(tokens[start:], skip_special_tokens=True)
    layout = ImageLayout(np.arange(448).reshape(16, 28), (0, 0, 448, 256))
    spans = ((0, 1),) * (len(tokens) - start)
    answered = Answer(question, text, spans, start, len(tokens), layout, 1, lambda _: None)  # type: ignore[arg-type, return-value]
    found, problems = native.written(answered, "paligemma", 64)
    assert not problems and [w.label for w in found] == ["car", "stone", "stone"]
    for w, own in zip(found, (things[1], things[2], things[0]), strict=True):
        assert np.abs(np.array(w.xyxy) / (3.5, 2, 3.5, 2) - np.array(own.edges)[[1, 0, 3, 2]] - 0.5).max() < 1e-3
    assert [tokenizer.decode([tokens[r] for r in look.rows]) for look in looks] == ["car", "stone", "stone"]
    for look, own in zip(looks, (things[1], things[2], things[0]), strict=True):  # each row decides on the next token
        assert "".join(tokenizer.convert_ids_to_tokens([tokens[r + 1] for r in look.before[:4]])) == own.box
    assert vlm.read(text) == [
        (w.label, list(o.edges)) for w, o in zip(found, [look.objects[0] for look in looks], strict=True)
    ]


@pytest.mark.parametrize(
    ("a", "iou"), [((0, 0, 8, 8), 1), ((0, 4, 8, 12), 1 / 3), ((8, 0, 9, 8), 0), ((8, 8, 0, 0), 0)]
)
def test_overlap(a: tuple[int, ...], iou: float) -> None:
    assert vlm.overlap(list(a), (0, 0, 8, 8)) == pytest.approx(iou)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    folder = tmp_path_factory.mktemp("views")
    write_shard((folder / "shard_0000.npz", 10_000_000, 3, 1.0))
    return Views(folder)


def test_objects_are_seen_where_they_are(views: Views) -> None:
    for _, ids, objects in (views[i] for i in range(len(views))):
        for item, own in zip(objects, answers.seen(ids, objects), strict=True):
            rows, columns = np.nonzero(ids == item["id"])
            sides = np.array([rows.min() / 2, columns.min() / 3.5, (rows.max() + 1) / 2, (columns.max() + 1) / 3.5])
            assert np.abs(np.array(own.edges) + 0.5 - sides).max() <= 0.5 + 1e-6
            assert own.cover.sum() * 256 == pytest.approx(len(rows), rel=1e-3)


@pytest.fixture(scope="module")
def trainee() -> vlm.Trainee:
    torch.manual_seed(0)
    processor = answers.build_processor()
    trainee = vlm.Trainee(processor, boxes=True).eval()
    trainee.start_from_shipped(processor.tokenizer)
    return trainee


@torch.inference_mode()
def test_sequences_behind_one_picture_do_not_see_each_other(trainee: vlm.Trainee, views: Views) -> None:
    np.random.seed(0)
    tokenizer = answers.build_processor().tokenizer
    items = [views[i] for i in range(2)]
    sequences = [
        [answers.sequence(tokenizer, *e) for e in answers.exchanges(answers.seen(ids, o), boxes=True)]
        for _, ids, o in items
    ]
    shared = sequences[0][0][0].index(trainee.vlm.config.image_token_id) + answers.PATCHES
    batch = answers.Batch.of(sequences, shared, tokenizer.pad_token_id)
    pixels = vlm.pixel_values([image for image, *_ in items])
    out = trainee.vlm(
        input_ids=batch.ids,
        pixel_values=pixels,
        attention_mask=batch.mask(),
        position_ids=batch.positions,
        output_attentions=True,
    )
    together = iter(out.logits[:, :-1][batch.answers[:, 1:]])
    for b, view in enumerate(sequences):
        for i, (tokens, start, looks) in enumerate(view):
            alone = trainee.vlm(
                input_ids=torch.tensor([tokens]), pixel_values=pixels[b : b + 1], output_attentions=True
            )
            for row in alone.logits[0, start - 1 : -1]:
                torch.testing.assert_close(next(together), row, rtol=0, atol=1e-4)
            assert [look.objects for look in batch.looks[b][i]] == [look.objects for look in looks]
            for look, moved in zip(looks, batch.looks[b][i], strict=True):
                one, many = torch.zeros(1, 1, len(tokens)), torch.zeros(2, 1, batch.ids.shape[1])
                one[0, 0, look.rows], many[b, 0, moved.rows] = 1, 1
                own = (batch.owners == 0) | (batch.owners == i + 1)
                expected = vlm.flow(
                    alone.attentions,
                    one,
                    torch.ones(1, 1, len(tokens), dtype=torch.bool),
                    torch.arange(len(tokens))[None],
                )
                got = vlm.flow(out.attentions, many, own[:, None], batch.positions)
                torch.testing.assert_close(got[b, 0, :shared], expected[0, 0, :shared], rtol=1e-4, atol=1e-6)
    assert next(together, None) is None


def test_a_step_teaches_boxes_without_the_trunk(trainee: vlm.Trainee, views: Views) -> None:
    trunk = deepcopy(trainee)
    frozen = trunk.freeze_trunk()
    remembered = vlm.Remembered(views.folder, frozen)
    items = [remembered[i] for i in range(len(views))]
    assert items[0][0].shape == (192, 16, 28) and remembered[0][0] is items[0][0]
    np.random.seed(0)
    losses = vlm.losses_of(trunk, answers.build_processor().tokenizer, items, 0.5)
    assert {"text", "places", "flow", "direct", "search"} <= set(losses)
    sum(losses.values()).backward()
    learning = {name for name, p in trunk.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    tower = {name for name in learning if "vision_tower" in name}
    assert tower and not [name for name in tower if "trunk" in name] and len(learning) > len(tower)
    with torch.inference_mode():
        (plain,) = trainee.vlm.model.vision_tower(vlm.pixel_values([views[0][0]])).last_hidden_state
        (kept,) = trunk.vlm.model.vision_tower(vlm.pixel_values([items[0][0]])).last_hidden_state
    torch.testing.assert_close(kept, plain, rtol=1e-2, atol=1e-2)


def test_muon_steps_are_orthogonal_and_of_adams_size() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(32, 8, 3, 3))
    weight.grad = torch.randn(32, 8, 3, 3)
    Muon([weight], lr=1.0, weight_decay=0.0).step()
    step = weight.detach().flatten(1)
    assert torch.linalg.svdvals(step).sub(0.2 * 72**0.5).abs().max() < 0.4 * 0.2 * 72**0.5
    assert step.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)
    assert (step * weight.grad.flatten(1)).sum() < 0


@pytest.mark.parametrize("held_out", [False, True])
def test_looks_for_measuring_are_never_trained_on(held_out: bool) -> None:
    seed = HELD_OUT if held_out else 0
    world = sample_crowd(np.random.default_rng(0), sample_world(seed), (400.0, 300.0, 1200.0, 757.0), 12)
    assert 4 <= len(world.placed) <= 12
    assert {thing.seed % 2 for thing in world.placed} == {int(held_out)}


def test_clicks_reach_the_mask() -> None:
    torch.manual_seed(0)
    sam = build_sam().eval()
    embedding = torch.randn(1, 64, 32, 56)
    points = torch.tensor([[[60.0, 60.0]], [[300.0, 200.0]]])
    with torch.inference_mode():
        maps = sam.prompt_encoder.maps((points, torch.ones(2, 1)), torch.tensor([[8.0, 16.0, 40.0, 48.0]] * 2))
        logits, iou = decode(sam, embedding, points, torch.ones(2, 1), None, None)
    assert [divmod(int(m.argmax()), 56) for m in maps[:, 0]] == [(7, 7), (24, 37)]
    assert maps[:, -1].sum() == 2 * 4 * 4 and not maps[:, 2:4].any()
    assert logits.shape == (2, 4, 128, 224) and iou.shape == (2, 4)
    assert not torch.allclose(logits[0], logits[1])


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    args = Namespace(out=tmp_path, minutes=1.0, bf16=False)
    first = Run(args, nn.Linear(64, 32), 1e-3)
    first.step, first.spent, first.seen = 7, 30.0, 56
    first.save()
    second = Run(args, nn.Linear(64, 32), 1e-3)
    assert (second.step, second.seen, second.progress) == (7, 56, pytest.approx(0.5))
    for a, b in zip(first.modules.parameters(), second.modules.parameters(), strict=True):
        assert torch.equal(a, b)
