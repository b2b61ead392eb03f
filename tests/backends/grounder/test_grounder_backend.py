"""Grounders: the same boxes, scores and masks as the library's own post-processing, for every family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_grounders
import torch
import transformers as hf
from PIL import Image
from pretend_cuda import pretended

from vlsam_ros.backends import load_grounder
from vlsam_ros.backends.grounder import transformers_grounder
from vlsam_ros.backends.grounder.families import FAMILIES, Family, Proposals, name_tokens
from vlsam_ros.backends.grounder.names import Recent, plain, singular
from vlsam_ros.backends.grounder.transformers_grounder import TransformersGrounder
from vlsam_ros.config import GrounderOptions
from vlsam_ros.data import Grounded, Pixels
from vlsam_ros.errors import BadImageError, GrounderError

NAMES = ["car", "traffic cone", "tire"]
ALL = {"threshold": 0.0, "max_boxes": 1000}


def view(h: int, w: int) -> np.ndarray:
    """A window of a larger picture, as the views of a frame are."""
    return np.random.default_rng(h * w).integers(0, 255, (h + 7, w + 9, 3), dtype=np.uint8)[3 : h + 3, 5 : w + 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """model_type -> checkpoint folder."""
    return cache(lambda family: tiny_grounders.BUILDERS[family](tmp_path_factory.mktemp(family)))


@pytest.fixture(scope="module")
def load(folder: Callable[[str], Path]) -> Callable[..., TransformersGrounder]:
    """model_type and options -> grounder, on the CPU."""
    return cache(lambda family, **options: load_grounder(_options(folder(family), **options)))


def _options(source: Path, **options: Any) -> GrounderOptions:
    return GrounderOptions(model=str(source), device="cpu", **options)


Row = tuple[int, float, np.ndarray, np.ndarray | None]
"""Index of a name, score, box (4,), and mask (H, W)."""


def _owl(source: Path, pixels: np.ndarray, names: list[str]) -> list[Row]:
    """Each name by itself through the library."""
    processor, model = hf.AutoProcessor.from_pretrained(source), _model(hf.AutoModelForZeroShotObjectDetection, source)
    rows: list[Row] = []
    for i, name in enumerate(names):
        out = model(**processor(images=_picture(pixels), text=[[f"a photo of a {name}"]], return_tensors="pt"))
        one = processor.post_process_grounded_object_detection(out, threshold=-1, target_sizes=[pixels.shape[:2]])[0]
        rows += [(i, s.item(), b.numpy(), None) for s, b in zip(one["scores"], one["boxes"], strict=True)]
    return rows


def _sam3(source: Path, pixels: np.ndarray, names: list[str]) -> list[Row]:
    """Each name by itself through the library, masks too."""
    processor, model = hf.Sam3Processor.from_pretrained(source), _model(hf.Sam3Model, source)
    rows: list[Row] = []
    for i, name in enumerate(names):
        out = model(**processor(images=_picture(pixels), text=name, return_tensors="pt"))
        one = processor.post_process_instance_segmentation(out, threshold=-1, target_sizes=[pixels.shape[:2]])[0]
        found = zip(one["scores"], one["boxes"], one["masks"], strict=True)
        rows += [(i, s.item(), b.numpy(), m.bool().numpy()) for s, b, m in found]
    return rows


def _omdet(source: Path, pixels: np.ndarray, names: list[str]) -> list[Row]:
    processor, model = hf.AutoProcessor.from_pretrained(source), _model(hf.AutoModelForZeroShotObjectDetection, source)
    out = model(**processor(images=_picture(pixels), text=names, return_tensors="pt"))
    one = processor.post_process_grounded_object_detection(
        out, threshold=-1, nms_threshold=1, target_sizes=[pixels.shape[:2]], max_num_det=20 * len(names)
    )[0]
    found = zip(one["labels"], one["scores"], one["boxes"], strict=True)
    return [(int(i), s.item(), b.numpy(), None) for i, s, b in found]


def _dino(source: Path, pixels: np.ndarray, names: list[str]) -> list[Row]:
    """Boxes by the library; the scores of each name's tokens, found by counting, averaged."""
    processor, model = hf.AutoProcessor.from_pretrained(source), _model(hf.AutoModelForZeroShotObjectDetection, source)
    inputs = processor(images=_picture(pixels), text=" . ".join(names) + " .", return_tensors="pt")
    out = model(**inputs)
    one = processor.post_process_grounded_object_detection(out, threshold=-1, target_sizes=[pixels.shape[:2]])[0]
    rows: list[Row] = []
    at, logits = 1, out.logits[0]
    for i, name in enumerate(names):
        pieces = processor.tokenizer.tokenize(name)
        assert processor.tokenizer.convert_ids_to_tokens(inputs.input_ids[0, at : at + len(pieces)]) == pieces
        scores = [np.mean([logits[q, at + j].sigmoid().item() for j in range(len(pieces))]) for q in range(len(logits))]
        rows += [(i, float(s), b.numpy(), None) for s, b in zip(scores, one["boxes"], strict=True)]
        at += len(pieces) + 1
    return rows


def _model(kind: Any, source: Path) -> Any:
    return kind.from_pretrained(source).eval()


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels)


REFERENCES = {
    "grounding-dino": _dino,
    "mm-grounding-dino": _dino,
    "owlv2": _owl,
    "owlvit": _owl,
    "omdet-turbo": _omdet,
    "sam3": _sam3,
    "sam3_video": _sam3,
}


def as_rows(found: Grounded, size_hw: tuple[int, int]) -> list[Row]:
    masks = [m.dense(size_hw) for m in found.masks] if found.masks else [None] * len(found)
    return list(zip(found.names.tolist(), found.scores.tolist(), found.xyxy, masks, strict=True))


def assert_same(got: list[Row], expected: list[Row]) -> None:
    """The same rows in any order: each has its like among the others, in both directions."""
    assert len(got) == len(expected) > 0
    a, b = (np.array([[1e3 * i, 1e2 * s, *box] for i, s, box, _ in rows]) for rows in (got, expected))
    apart = np.abs(a[:, None] - b[None]).max(-1)
    assert apart.min(0).max() < 2e-3 and apart.min(1).max() < 2e-3
    for row, like in zip(got, apart.argmin(1), strict=True):
        mask = expected[like][3]
        assert (row[3] is None) == (mask is None)
        assert mask is None or (row[3] == mask).mean() > 0.999


def test_every_family_is_tested() -> None:
    assert set(FAMILIES) == set(tiny_grounders.BUILDERS) == set(REFERENCES)


@pytest.mark.parametrize("size_hw", [(60, 100), (100, 60), (64, 64), (3, 30)])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_library(
    family: str, size_hw: tuple[int, int], load: Any, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformers_grounder, "LEAST_SIDE_PX", 0.01)  # random boxes are small
    pixels = view(*size_hw)
    with torch.inference_mode():
        expected = REFERENCES[family](folder(family), pixels, NAMES)
    edge = np.tile(size_hw[::-1], 2)
    cut = [(i, s, np.clip(box, 0, edge), mask) for i, s, box, mask in expected]
    placed = [row for row in cut if (row[2][2:] - row[2][:2] >= 0.01).all()]
    assert_same(as_rows(load(family, **ALL).locate(pixels, NAMES), size_hw), placed)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_returned(family: str, load: Any) -> None:
    found = load(family, threshold=0.0, max_boxes=5).locate(view(70, 90), NAMES)
    assert (found.xyxy.dtype, found.scores.dtype, found.names.dtype) == (np.float32, np.float32, np.int64)
    x0, y0, x1, y1 = found.xyxy.T
    assert (x0 >= 0).all() and (y0 >= 0).all() and (x1 <= 90).all() and (y1 <= 70).all()
    assert (x1 - x0 >= 1).all() and (y1 - y0 >= 1).all()
    assert found.names.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert (np.diff(found.scores.reshape(3, 5)) <= 0).all() and 0 < found.scores.min() <= found.scores.max() <= 1
    assert (found.masks is not None) == family.startswith("sam3")


def test_a_view_may_run_backwards_in_memory(load: Any) -> None:
    grounder, backwards = load("sam3", **ALL), view(70, 90)[..., ::-1]  # as BGR -> RGB makes it
    found, copied = (grounder.locate(pixels, NAMES) for pixels in (backwards, backwards.copy()))
    assert len(found) and np.array_equal(found.xyxy, copied.xyxy) and np.array_equal(found.scores, copied.scores)


@pytest.mark.parametrize("family", ["owlv2", "owlvit", "sam3", "sam3_video"])
def test_a_name_alone_is_found_where_it_is_found_in_a_list(family: str, load: Any) -> None:
    grounder, pixels = load(family, **ALL), view(60, 100)
    together = as_rows(grounder.locate(pixels, NAMES), (60, 100))
    for i, name in enumerate(NAMES):
        alone = [(i, *row[1:]) for row in as_rows(grounder.locate(pixels, [name]), (60, 100))]
        assert_same([row for row in together if row[0] == i], alone)


@pytest.mark.parametrize("names", [[], [""], ["...", "?!", "[]", "\x00"]], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_name_no_box(family: str, names: list[str], load: Any) -> None:
    found = load(family, **ALL).locate(view(60, 100), names)
    assert (found.xyxy.shape, found.scores.shape, found.names.shape, found.masks) == ((0, 4), (0,), (0,), None)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_found(family: str, load: Any) -> None:
    found = load(family, threshold=1.0).locate(view(60, 100), NAMES)
    assert len(found) == 0 and found.xyxy.shape == (0, 4)
    assert found.masks == (() if family.startswith("sam3") else None)


CALLS = {
    "grounding-dino": 6,  # 256 tokens
    "mm-grounding-dino": 6,
    "owlv2": 1,  # of the head that compares names and places
    "owlvit": 1,
    "omdet-turbo": 25,  # 77 tokens
    "sam3": 13,  # 8 names at once
    "sam3_video": 13,
}
"""Calls of the model for 100 names of 13 tokens each."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hundred_names(family: str, load: Any) -> None:
    grounder = load(family, **ALL)
    names = [f"{chr(97 + i // 26)}{chr(97 + i % 26)} kind of thing" for i in range(100)]
    calls: list[dict[str, Any]] = []
    asked = grounder.model.class_head if family.startswith("owl") else grounder.model
    hook = asked.register_forward_pre_hook(lambda _, args, inputs: calls.append(inputs), with_kwargs=True)
    with hook:
        found = grounder.locate(view(60, 100), names)
    assert np.unique(found.names).tolist() == list(range(100)) and len(calls) == CALLS[family]
    if "dino" in family:
        assert all(c["input_ids"].shape[1] <= 256 for c in calls)
    if family == "omdet-turbo":
        assert all((c["tasks_input_ids"].argmax(1) == c["tasks_attention_mask"].sum(1) - 1).all() for c in calls)


ODD = [
    "tire [SEP] .",
    "<|endoftext|>car",
    "",
    "  Traffic\tCONE?! ",
    "汽车",
    "crème-brûlée",
    "a" * 500,
    "o'brien's",
    "_",
]


@pytest.mark.parametrize("family", FAMILIES)
def test_odd_names_are_only_names(family: str, load: Any) -> None:
    grounder, pixels = load(family, **ALL), view(60, 100)
    found = grounder.locate(pixels, ODD)
    assert np.unique(found.names).tolist() == [0, 1, 3, 4, 5, 6, 7]
    tame = grounder.locate(pixels, ["tire sep", "endoftext car", "", "traffic cone", *ODD[4:]])
    np.testing.assert_array_equal(found.names, tame.names)
    np.testing.assert_array_equal(found.scores, tame.scores)


PLAIN = {
    "Traffic  Cone.": "traffic cone",
    "stop. car": "stop car",
    "[SEP]": "sep",
    "<|endoftext|>": "endoftext",
    "T-shirt, O'Neill's": "t-shirt o'neill's",
    "ＣＡＲ\u200b": "car",
    "a_b": "a b",
    "-'-": "",
    "": "",
    "x" + 127 * "y" + "z": 127 * "y" + "z",
    10_000 * "car ": (32 * "car ").strip(),
}


@pytest.mark.parametrize(("name", "expected"), PLAIN.items(), ids=ascii)
def test_plain_names(name: str, expected: str) -> None:
    assert plain(name) == expected


SINGULAR = {"cars": "car", "traffic cones": "traffic cone", "boxes": "box", "glasses": "glass", "bodies": "body"}
SINGULAR |= {"branches": "branch", "brushes": "brush", "bus": "bus", "debris": "debris", "us": "us", "": ""}


@pytest.mark.parametrize(("names", "one"), SINGULAR.items())
def test_singular_names(names: str, one: str) -> None:
    assert singular(names) == one and singular(one) == one


@pytest.mark.parametrize("family", ["owlv2", "sam3", "omdet-turbo"])
def test_of_a_long_name_the_end_stays(family: str, load: Any) -> None:
    """Every letter is a token; the text encoders hold 32 and 77."""
    grounder, pixels = load(family, **ALL), view(60, 100)
    scores = [grounder.locate(pixels, [name]).scores for name in ("a" * 30 + "b" * 80, "c" * 30 + "b" * 80, "b" * 80)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    if family != "omdet-turbo":  # whose task is cut as well
        np.testing.assert_allclose(scores[0], scores[2], atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision(family: str, dtype: str, load: Any) -> None:
    exact, half = (load(family, dtype=d, **ALL).locate(view(60, 100), NAMES) for d in ("float32", dtype))
    assert half.xyxy.dtype == np.float32 and len(half) > 0.6 * len(exact)
    for i in range(len(NAMES)):
        assert abs(half.scores[half.names == i].max() - exact.scores[exact.names == i].max()) < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_kept_between_calls(family: str, load: Any) -> None:
    grounder = load(family, **ALL)
    first = grounder.locate(view(60, 100), NAMES)
    grounder.locate(view(80, 40), ["dog", *NAMES])
    again = grounder.locate(view(60, 100), NAMES)
    np.testing.assert_array_equal(first.xyxy, again.xyxy)
    np.testing.assert_array_equal(first.scores, again.scores)


def test_tokens_of_names() -> None:
    """[CLS] 7 8 . 9 . . [SEP]: the third name has no token."""
    own = name_tokens(torch.tensor([101, 7, 8, 1012, 9, 1012, 1012, 102]), 1012, 3)
    assert own.tolist() == [[0, 0.5, 0.5, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0], [0] * 8]


INF, NAN = float("inf"), float("nan")


def proposing(*proposals: Proposals, propose: Any = None, **options: Any) -> TransformersGrounder:
    """A grounder whose model proposes these."""
    settings = {"threshold": 0.25, "max_boxes": 2, "batch": 8} | options
    model = SimpleNamespace(device=torch.device("cpu"))
    family = Family(propose or (lambda *_: iter(proposals)), 0.1, look=lambda _, __, views: [None] * len(views))
    return TransformersGrounder("tiny", model, None, family, **settings)


def test_what_is_kept() -> None:
    """For each name the best two above the threshold; cut to the view; only what has a place in it."""
    scores = torch.tensor([[0.25, 0.26, 0.2, 0.5, 0.8, 0.7], [0.1] * 6, [0.9, 0, 0, 0, 0, 0]])
    boxes = torch.tensor(
        [[1, 1, 5, 5], [2, 2, 6, 6], [3, 3, INF, 7], [-4, -5, 8, 80], [9, 9, 9.9, 12], [25, 1, 30, 5.0]]
    ).expand(3, -1, -1)
    found = proposing(Proposals(scores[:2], boxes[:2]), Proposals(scores[2:], boxes[2:])).locate(
        np.zeros((10, 20, 3), np.uint8), ["car", "", "dog", "tire"]
    )
    assert found.xyxy.tolist() == [[0, 0, 8, 10], [2, 2, 6, 6], [1, 1, 5, 5]]
    assert found.names.tolist() == [0, 0, 3] and found.scores.tolist() == pytest.approx([0.5, 0.26, 0.9])


def test_masks_are_brought_to_the_view() -> None:
    logits = torch.full((1, 2, 4, 4), -9.0)
    logits[0, 1, :2, 2:] = 9
    boxes = torch.tensor([[[0, 0, 1, 1], [10, 0, 20, 5.0]]])
    found = proposing(Proposals(torch.tensor([[0.1, 0.9]]), boxes, logits)).locate(
        np.zeros((12, 20, 3), np.uint8), ["car"]
    )
    assert found.masks is not None and [m.xyxy for m in found.masks] == [(10.0, 0.0, 20.0, 6.0)]
    assert found.masks[0].bits.mean() > 0.95


def test_failures_are_typed() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    wrong = Proposals(torch.tensor([[0.5, NAN]]), torch.ones(1, 2, 4))
    with pytest.raises(GrounderError, match="finite scores.*float32"):
        proposing(wrong).locate(image, ["car"])
    for what, box, mask in (("boxes", INF, 0.0), ("masks", 5.0, NAN)):
        wrong = Proposals(torch.tensor([[0.5]]), torch.tensor([[[1, 1, 9, box]]]), torch.full((1, 1, 4, 4), mask))
        with pytest.raises(GrounderError, match=f"finite {what}"):
            proposing(wrong).locate(image, ["car"])

    def fails(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(GrounderError, match="tiny failed on a view of 20 × 10 pixels and 1 names: out of memory"):
        proposing(propose=fails).locate(image, ["car"])
    with pytest.raises(BadImageError):
        proposing().locate(image[..., 0], ["car"])


def test_the_next_view_works_after_a_failed_one(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grounder, pixels = load_grounder(_options(folder("sam3"), **ALL)), view(60, 100)
    expected = grounder.locate(pixels, NAMES)
    with monkeypatch.context() as patch:
        patch.setattr(grounder.model.dot_product_scoring, "scale", NAN)
        with pytest.raises(GrounderError, match="finite scores"):
            grounder.locate(pixels, NAMES)
    np.testing.assert_array_equal(grounder.locate(pixels, NAMES).scores, expected.scores)


def test_three_hundred_names_in_any_script(load: Any) -> None:
    names = [f"{word} {i}" for i in range(60) for word in ("car", "汽车", "автомобиль", "سيارة", "गाड़ी")]
    for family in FAMILIES:
        found = load(family, threshold=0.0, max_boxes=1).locate(view(60, 100), names)
        assert len(np.unique(found.names)) >= 290, family


APART = ["owlv2", "owlvit", "sam3", "sam3_video"]
"""Families that look at views and at names by themselves."""


def vision_of(grounder: TransformersGrounder) -> torch.nn.Module:
    """The part that encodes views."""
    return next(m for name, m in grounder.model.named_modules() if name.endswith(("vision_model", "vision_encoder")))


def text_of(grounder: TransformersGrounder) -> torch.nn.Module:
    return next(m for name, m in grounder.model.named_modules() if name.endswith(("text_model", "text_encoder")))


@contextmanager
def counted(module: torch.nn.Module) -> Iterator[list[int]]:
    """How many rows each of its calls has."""
    rows: list[int] = []

    def count(_: Any, args: Any, inputs: Any) -> None:
        rows.append(len(args[0] if args else next(v for v in inputs.values() if isinstance(v, torch.Tensor))))

    with module.register_forward_pre_hook(count, with_kwargs=True):
        yield rows


@pytest.mark.parametrize("family", APART)
def test_names_and_views_are_encoded_once(family: str, folder: Any) -> None:
    grounder, fresh = (load_grounder(_options(folder(family), **ALL)) for _ in range(2))
    first, second = view(60, 100).view(Pixels), view(80, 70).view(Pixels)
    with counted(vision_of(grounder)) as views, counted(text_of(grounder)) as names:
        grounder.locate_views([first, second], [["car", "tire"], ["tire"]])
        later = grounder.locate_views([first, second], [["dog", "car"], ["Car!"]])
    assert views == [1, 1] and names == [1, 1, 1]
    for found, expected in zip(
        later, (fresh.locate(np.array(first), ["dog", "car"]), fresh.locate(np.array(second), ["car"])), strict=True
    ):
        for part in ("xyxy", "scores", "names"):
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


@pytest.mark.parametrize("family", FAMILIES)
def test_views_together_are_as_they_are_alone(family: str, load: Any) -> None:
    grounder = load(family, **ALL)
    views, names = [view(60, 100), view(80, 70), view(60, 100)], [NAMES, ["tire"], ["?"]]
    assert_alike = np.testing.assert_array_equal
    for found, pixels, own in zip(grounder.locate_views(views, names), views, names, strict=True):
        alone = grounder.locate(pixels, own)
        assert_alike(found.xyxy, alone.xyxy)
        assert_alike(found.scores, alone.scores)
        assert_alike(found.names, alone.names)
    assert grounder.locate_views([], []) == []


def test_a_view_without_names_is_not_encoded(load: Any) -> None:
    grounder = load("sam3", **ALL)
    with counted(vision_of(grounder)) as rows:
        found = grounder.locate_views([view(60, 100), view(80, 70)], [["..."], []])
    assert rows == [] and [len(own) for own in found] == [0, 0]
    with pytest.raises(BadImageError):
        grounder.locate(view(60, 100)[..., 0], [])


def test_views_are_encoded_in_halves_when_memory_runs_out(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grounder = load_grounder(_options(folder("sam3"), **ALL))
    monkeypatch.setattr(grounder._encoder, "_most", 32)
    look, sizes = grounder._encoder._encode, []

    def scarce(views: Any) -> Any:
        sizes.append(len(views))
        if len(views) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(views)

    monkeypatch.setattr(grounder._encoder, "_encode", scarce)
    views = [view(60, 100 + i).view(Pixels) for i in range(5)]
    found = grounder.locate_views(views, [["car"]] * 5)
    assert sizes == [5, 2, 2, 1] and all(len(own) for own in found)
    monkeypatch.setattr(grounder._encoder, "_encode", lambda _: look(None))
    with pytest.raises(GrounderError, match="failed on 1 views, one of 70 × 60"):
        grounder.locate(view(60, 70), ["car"])
    assert len(grounder.locate(views[0], ["dog"]))  # which was kept


def test_recent_names_stay() -> None:
    made: list[str] = []
    recent = Recent(lambda name: made.append(name) or name.upper(), most=2)
    assert [recent(name) for name in ("a", "b", "a", "c", "a", "b")] == ["A", "B", "A", "C", "A", "B"]
    assert made == ["a", "b", "c", "b"]


def test_threshold_and_most_boxes_may_change(folder: Any) -> None:
    grounder = load_grounder(_options(folder("owlv2"), **ALL))
    grounder.configure(GrounderOptions(threshold=0.0, max_boxes=2))
    assert len(grounder.locate(view(60, 100), NAMES)) == 6
    grounder.configure(GrounderOptions(threshold=0.99))
    assert len(grounder.locate(view(60, 100), NAMES)) == 0
    grounder.configure(GrounderOptions())
    assert grounder.threshold == FAMILIES["owlv2"].threshold


def test_on_a_gpu_views_are_one_batch_beside_other_work(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare` encodes them, on a stream of its own; without the memory for it, it leaves that for later."""
    with pretended() as counts:
        grounder = load_grounder(GrounderOptions(model=str(folder("sam3")), device="cuda", dtype="float32", **ALL))
        views = [view(112, 112 + i).view(Pixels) for i in range(3)]
        with counted(vision_of(grounder)) as rows:
            grounder.prepare([*views[:2], np.array(views[2])])  # one is not for keeping
            assert rows == [2] and counts.streams
            assert all(len(found) for found in grounder.locate_views(views, [["car"], ["tire"], ["car"]]))
            assert rows == [2, 1]
        fresh, look = views[0].copy().view(Pixels), grounder._encoder._encode

        def full(_: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(grounder._encoder, "_encode", full)
        grounder.prepare([fresh])
        monkeypatch.setattr(grounder._encoder, "_encode", look)
        assert len(grounder.locate(fresh, ["car"]))
        monkeypatch.setattr(grounder._encoder, "_encode", lambda _: look(None))
        with pytest.raises(GrounderError):
            grounder.prepare([views[1].copy().view(Pixels)])
