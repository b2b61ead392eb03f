"""The trunk's and the SAM's training: targets, prompts, batched decoding, runs that go on, a GPU that never waits."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pretend_cuda import pretended

from training import data, dense, sam
from training.data import Batch, Views
from vlsam_ros.embedded import load_sam
from vlsam_ros.embedded.sam import build_sam
from vlsam_ros.synthetic.render import IGNORE_ID

HALF = (224, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four views of both worlds, for training and for validation alike."""
    folder = tmp_path_factory.mktemp("data")
    data.write_chunk((folder / "train", 4, 0, 10_000_000, 0.5, 0.6))
    (folder / "val").symlink_to(folder / "train")
    return folder


@pytest.fixture(scope="module")
def views(folder: Path) -> Views:
    return Views(folder / "train")


@pytest.fixture
def batch(views: Views) -> Batch:
    """All views; a strip of the first is to be ignored, the last has no object."""
    torch.manual_seed(0)
    np.random.seed(0)
    batch = views.batch(range(4))
    batch.ids[-1], batch.kinds[-1], batch.boxes[-1] = 0, -1, 0
    batch.ids[0, 200:230][batch.ids[0, 200:230] == 0] = IGNORE_ID
    return batch


def shrunk(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), HALF, interpolation=cv2.INTER_AREA)


def test_dense_targets_are_those_of_each_object(batch: Batch) -> None:
    share, valid, offsets, inside = dense.fine_targets(batch)
    for b, ids in enumerate(batch.ids.numpy()):
        known = ids != IGNORE_ID
        np.testing.assert_allclose(share[b], shrunk((ids > 0) & known), atol=1e-6)
        np.testing.assert_array_equal(valid[b], shrunk(known) > 0.99)
        for y in range(32):
            for x in range(56):
                shown = ids[8 * y + 4, 8 * x + 4]
                assert inside[b, y, x] == (shown not in (0, IGNORE_ID))
                expected = np.zeros(2)
                if inside[b, y, x]:
                    y0, x0, y1, x1 = batch.boxes[b, int(shown) - 1].numpy()
                    expected = np.array([(x0 + x1) / 2 - 8 * x - 4, (y0 + y1) / 2 - 8 * y - 4]) / dense.OFFSET_PX
                np.testing.assert_allclose(offsets[b, :, y, x], expected, atol=1e-6)


def test_all_objects_are_prompted_before_one_comes_again(batch: Batch) -> None:
    things = sam.Objects.of(batch, 5)
    assert len(things) == 20
    for b in range(len(batch)):
        own = [things.masks[i].numpy() for i in range(5 * b, 5 * b + 5)]
        count, fresh = int((batch.kinds[b] >= 0).sum()), things.fresh[5 * b : 5 * b + 5]
        assert (things.weight[5 * b : 5 * b + 5] == (count > 0)).all() and (things.owners[5 * b : 5 * b + 5] == b).all()
        assert fresh.sum() == min(count, 5) == len({m.tobytes() for m in own if m.any()})
    some = things.only(things.fresh)
    assert some.fresh.all() and some.weight.all()
    for mask, box in zip(some.masks.numpy(), some.boxes.numpy(), strict=True):
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]


def test_pixels_are_drawn_alike() -> None:
    torch.manual_seed(0)
    mask = torch.zeros(7, 9, dtype=torch.bool)
    mask[0, 0] = mask[6, 8] = mask[3, 2:5] = True
    pixels = sam.drawn(torch.cat([mask.expand(5000, -1, -1), torch.zeros(1, 7, 9, dtype=torch.bool)]))
    assert pixels[-1].tolist() == [6, 8]
    counts = np.zeros((7, 9))
    np.add.at(counts, tuple(pixels[:-1].T.numpy()), 1)
    assert (counts[~mask.numpy()] == 0).all() and np.abs(counts[mask.numpy()] - 1000).max() < 150


def test_depth_is_the_distance_to_the_outside() -> None:
    rng = np.random.default_rng(0)
    masks = cv2.resize(rng.random((8, 8)).astype(np.float32), (32, 32)) > 0.4
    squares = sam.depths(torch.from_numpy(masks)[None], torch.tensor([[1.5, 1.5]]))[0].sqrt().numpy()
    expected = cv2.distanceTransform(np.pad(masks, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.testing.assert_allclose(squares, 1.5 * expected[1:-1, 1:-1], rtol=1e-4)


def test_prompts_lie_where_they_must(batch: Batch) -> None:
    things = sam.Objects.of(batch, 8)
    things = things.only(things.fresh)
    sizes = (things.boxes[:, 2:] - things.boxes[:, :2]).flip(1)
    sides = things.boxes[:, [1, 0, 3, 2]]
    turns = 10
    deep = relative = kept = 0
    for _ in range(turns):
        inside, outside, boxes = sam.inside_points(things), sam.outside_points(things), sam.noisy_boxes(things)
        for n, mask in enumerate(things.masks.numpy()):
            (x, y), rows = inside[n].tolist(), np.argwhere(mask)
            away = np.hypot(*(rows + 0.5 - (y, x)).T).min()
            assert away < 2.5 and (away == 0 or (x % 1, y % 1) != (0.5, 0.5))
            x, y = outside[n].tolist()
            assert 0 <= x < 448 and 0 <= y < 256 and not mask[int(y), int(x)]
        assert ((boxes - sides).abs() <= 0.1 * sizes.repeat(1, 2) + 1e-4).all()
        pixel, found = sam.deep_points(things)
        for mask, (y, x), sure in zip(things.masks.numpy(), pixel.tolist(), found.tolist(), strict=True):
            depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            assert not sure or mask[y, x]
            deep, relative, kept = deep + sure, relative + sure * depth[y + 1, x + 1] / depth.max(), kept + 1
    assert deep / kept > 0.95 and relative / deep > 0.65


@pytest.mark.parametrize("boxed", [False, True])
def test_error_clicks_are_where_the_mask_is_wrong(batch: Batch, boxed: bool) -> None:
    things = sam.Objects.of(batch, 4)
    low = torch.full((len(things), 1, 128, 224), 3.0 if boxed else -3.0)
    points, labels = sam.error_clicks(low, things)
    for n, ((x, y),) in enumerate(points.tolist()):
        if things.weight[n]:
            assert things.masks[n, int(y), int(x)] == (not boxed) == bool(labels[n])


def test_pixels_weigh_as_their_regions(batch: Batch) -> None:
    things = sam.Objects.of(batch, 4)
    weights = sam.low_weights(things, batch)
    for n, owner in enumerate(things.owners.tolist()):
        if not things.weight[n]:
            continue
        ids, share = batch.ids[owner].numpy(), shrunk(things.masks[n].numpy())
        np.testing.assert_allclose(things.shares[n], share, atol=1e-6)
        known, objects = shrunk(ids != IGNORE_ID) > 0.99, ids[::2, ::2] > 0
        ys, xs = np.nonzero(share)
        dy, dx = 5 + int(0.35 * np.ptp(ys)), 5 + int(0.35 * np.ptp(xs))
        near = np.zeros_like(known)
        near[max(0, ys.min() - dy) : ys.max() + dy + 1, max(0, xs.min() - dx) : xs.max() + dx + 1] = True
        regions = (near & known, objects & (share == 0) & known, known)
        np.testing.assert_allclose(weights[n], sum(r / max(r.sum(), 1) for r in regions), atol=1e-6)


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("fed", [False, True])
def test_prompts_of_many_views_are_decoded_as_of_each(boxed: bool, fed: bool) -> None:
    """As segment_anything does it for the prompts of one view."""
    torch.manual_seed(0)
    model, views = load_sam(), torch.randn(3, 64, 32, 56)
    owners, points = torch.tensor([0, 1, 1, 2, 2]), torch.rand(5, 3, 2) * 250
    labels = torch.tensor([[1, 0, -1], [0, 1, 1], [1, 1, 0], [-1, -1, 1], [1, 0, 0]])
    boxes = torch.tensor([[20.0, 30.0, 200.0, 120.0]]) + torch.rand(5, 4) * 20 if boxed else None
    low = torch.randn(5, 1, 128, 224) * 5 if fed else None
    with torch.inference_mode():
        logits, iou = sam.decode(model, views[owners], points, labels, boxes, low)
        for n, owner in enumerate(owners.tolist()):
            own, signs = points[[n]], labels[[n]]
            if not boxed:
                own, signs = torch.cat([own, torch.zeros(1, 1, 2)], 1), torch.cat([signs, torch.tensor([[-1]])], 1)
            box, mask = boxes[[n]] if boxed else None, low[[n]] if fed else None
            sparse, full = model.prompt_encoder(points=(own, signs), boxes=box, masks=mask)
            pe = model.prompt_encoder.get_dense_pe()
            expected = model.mask_decoder.predict_masks(views[[owner]], pe, sparse, full)
            torch.testing.assert_close(logits[[n]], expected[0], rtol=1e-4, atol=1e-3)
            torch.testing.assert_close(iou[[n]], expected[1], rtol=1e-4, atol=1e-4)


def test_clicks_reach_the_mask() -> None:
    torch.manual_seed(0)
    model = build_sam().eval()
    points = torch.tensor([[[60.0, 60.0]], [[300.0, 200.0]]])
    with torch.inference_mode():
        maps = model.prompt_encoder.maps((points, torch.ones(2, 1)), torch.tensor([[8.0, 16.0, 40.0, 48.0]] * 2))
        logits, iou = sam.decode(model, torch.randn(1, 64, 32, 56), points, torch.ones(2, 1), None, None)
    assert [divmod(int(m.argmax()), 56) for m in maps[:, 0]] == [(7, 7), (24, 37)]
    assert maps[:, -1].sum() == 2 * 4 * 4 and not maps[:, 2:4].any()
    assert logits.shape == (2, 4, 128, 224) and iou.shape == (2, 4)
    assert not torch.allclose(logits[0], logits[1])


def test_views_without_objects_teach_no_masks(views: Views) -> None:
    batch = views.batch(range(1))
    batch.ids[:], batch.kinds[:], batch.boxes[:] = 0, -1, 0
    trainee = sam.Trainee()
    losses = sam.losses_of(trainee, batch, 2, 1.0)
    (losses["first"] + losses["second"]).backward()
    assert losses["first"] == losses["second"] == 0
    assert all(p.grad is None or not p.grad.any() for p in trainee.parameters())


MODULES = {"dense": (dense, dense.Dense, ()), "sam": (sam, sam.Trainee, (2, 1.0))}


@pytest.mark.parametrize("name", MODULES)
def test_steps_lower_the_loss(batch: Batch, name: str) -> None:
    module, build, options = MODULES[name]
    model = build()
    optimiser, seen = torch.optim.AdamW(model.parameters(), 2e-3), []
    for _ in range(5):
        np.random.seed(2)  # the same prompts' make-up
        loss = sum(module.losses_of(model, batch, *options).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(loss.item())
    assert np.isfinite(seen).all() and seen[-1] < 0.9 * seen[0]


@pytest.mark.parametrize("name", MODULES)
def test_the_device_is_never_waited_for(batch: Batch, name: str) -> None:
    """Going forward; the losses are the CPU's where nothing is drawn."""
    module, build, options = MODULES[name]
    torch.manual_seed(0)
    model = build()
    with torch.no_grad():
        expected = module.losses_of(model, batch, *options)
    with torch.no_grad(), pretended() as counts:
        model.to("cuda")
        there = Batch(
            *(t.to("cuda") for t in (batch.images, batch.ids, batch.kinds, batch.boxes)), batch.listed, batch.edges
        )
        for seed in range(3):
            np.random.seed(seed)
            counts.clear()
            losses = module.losses_of(model, there, *options)
            assert not counts.total("waits"), counts.table("waits")
        got = {key: loss.item() for key, loss in losses.items()}
    for key in {"dense": expected, "sam": ["fine"]}[name]:
        assert got[key] == pytest.approx(float(expected[key]), rel=1e-4)


@pytest.mark.parametrize("name", MODULES)
def test_a_stopped_training_goes_on(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, build, _ = MODULES[name]
    line = f"{name} --data {folder} --out {tmp_path} --device cpu --batch 2 --threads 1"
    torch.save({"modules": dense.Dense().state_dict()}, tmp_path / "dense.pt")
    line += f" --dense {tmp_path / 'dense.pt'}" if name == "sam" else ""
    monkeypatch.setattr(module, "evaluate", lambda *_: {})
    minutes, states = 0.01, []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", [*line.split(), "--minutes", str(minutes)])
        module.main()
        states.append(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
        minutes = states[0]["spent"] / 60 + 0.01
    assert 0 < states[0]["step"] < states[1]["step"] and states[1]["seen"] >= 2 * states[1]["step"]


@pytest.mark.parametrize("name", MODULES)
def test_evaluation_is_the_same_each_time(folder: Path, name: str) -> None:
    module, build, _ = MODULES[name]
    model, views = build(), Views(folder / "val")
    if name == "sam":
        model.sam = load_sam()
    else:
        model.start_from_shipped()
    before = torch.get_rng_state()
    figures = module.evaluate(model, views, 4)
    assert torch.equal(torch.get_rng_state(), before) and model.training
    assert module.evaluate(model, views, 4) == pytest.approx(figures)
    if name == "sam":
        assert set(figures) == {"one", "again", "best", "small", "box", "r50"} and figures["one"] > 0.4
