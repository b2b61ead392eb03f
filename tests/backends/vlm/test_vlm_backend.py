"""VLMs loaded from disk as a user's would be: layouts, shared prefixes, text, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models
import torch
from transformers import CLIPImageProcessor, LlavaImageProcessor
from transformers.image_processing_utils import get_patch_output_size
from transformers.image_utils import ChannelDimension
from transformers.models.llava_next.modeling_llava_next import unpad_image

from vlsam_ros.backends import load_vlm
from vlsam_ros.backends.vlm import text, together, transformers_vlm
from vlsam_ros.backends.vlm.layouts import FAMILIES, _pooled_part, _unpadded, merged, processed_part, shaped
from vlsam_ros.backends.vlm.text import token_spans
from vlsam_ros.backends.vlm.transformers_vlm import TransformersVlm
from vlsam_ros.config import AttentionOptions, QuestionOptions, VlmOptions
from vlsam_ros.data import Answer
from vlsam_ros.errors import BadImageError, VlmError
from vlsam_ros.recognition.attention import maps, named_maps, token_rows
from vlsam_ros.recognition.questions import parse_names

NOISE = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
QUESTIONS = ["List every object.", "What is on the road, near or far away?", "?", "List every object."]


def load(folder: Path, **options: object) -> TransformersVlm:
    return load_vlm(VlmOptions(**{"model": str(folder), "device": "cpu", "max_new_tokens": 8, **options}))


@pytest.fixture(scope="module")
def models(checkpoint: Callable[[str], Path]) -> Callable[[str], TransformersVlm]:
    """Builder's name -> its model, loaded once."""
    loaded: dict[str, TransformersVlm] = {}

    def get(name: str) -> TransformersVlm:
        if name not in loaded:
            loaded[name] = load(checkpoint(name))
        return loaded[name]

    return get


def test_every_family_has_a_checkpoint_to_test_it_with() -> None:
    assert tiny_models.BUILDERS.keys() == FAMILIES.keys()


@pytest.mark.parametrize("size_hw", [(56, 56), (60, 100), (90, 50)])
@pytest.mark.parametrize("family", [*(name for name, f in FAMILIES.items() if not f.qformer), "llava_wide"])
def test_the_token_that_moves_most_is_the_one_whose_cell_changed(
    models: Callable, family: str, size_hw: tuple[int, int]
) -> None:
    vlm = models(family)
    grey = np.full((*size_hw, 3), 128, np.uint8)
    layout, before = _keys(vlm, grey)
    for index, part in enumerate((layout, *layout.crops)):
        (h, w), (x_min, y_min, x_max, y_max) = part.columns.shape, part.xyxy
        for row, column in [(0, 0), (0, w - 1), (h - 1, 0), (h // 2, w // 3)]:
            x0, x1 = _inside(x_min, x_max, column, w, size_hw[1])
            y0, y1 = _inside(y_min, y_max, row, h, size_hw[0])
            changed = grey.copy()
            changed[y0:y1, x0:x1] = (255, 0, 60)
            moved = (_keys(vlm, changed)[1][index] - before[index]).norm(dim=(0, 2)).reshape(h, w)
            assert divmod(int(moved.argmax()), w) == (row, column)


@pytest.mark.parametrize("size_hw", [(28, 28), (29, 57), (100, 20), (20, 100), (61, 113), (720, 1280), (1, 3)])
@pytest.mark.parametrize("family", ["llava_next", "llava_onevision"])
def test_finer_crops_cover_the_view(models: Callable, family: str, size_hw: tuple[int, int]) -> None:
    layout = models(family)._prompter(np.zeros((*size_hw, 3), np.uint8), ["?"]).layout
    (crop,), (height, width) = layout.crops, size_hw
    (h, w), (x0, y0, x1, y1) = crop.columns.shape, crop.xyxy
    assert layout.columns.shape == (4, 4) and layout.xyxy == (0, 0, width, height) and layout.grid_hw >= (h, w)
    for low, high, cells, side in ((x0, x1, w, width), (y0, y1, h, height)):
        assert abs(low) <= (high - low) / cells and abs(high - side) <= (high - low) / cells
    assert len(set(layout.positions)) == 16 + h * w


@pytest.mark.parametrize("size_hw", [(20, 2000), (3000, 40), (2, 700)])
@pytest.mark.parametrize("family", ["llava_next", "llava_onevision", "granite4_vision", "molmo2"])
def test_a_view_too_thin_for_finer_crops_has_a_map(models: Callable, family: str, size_hw: tuple[int, int]) -> None:
    (answer,) = models(family).answer(np.zeros((*size_hw, 3), np.uint8), ["?"])
    heats = maps([[answer]], [[[[answer.first_row]]]], AttentionOptions())[0][0]
    assert heats.shape == (1, *answer.layout.grid_hw) and all(crop.columns.size for crop in answer.layout.crops)


NEARLY_WHOLE = [(47, 376), (47, 752), (55, 88), (55, 176), (88, 99), (110, 352), (205, 328), (205, 656), (220, 704)]
"""Sizes of which a side, scaled, is a whole number but for floating point."""


@pytest.mark.parametrize("best_hw", [(336, 672), (672, 336), (672, 672), (1008, 336)])
def test_what_is_left_without_padding_is_what_the_library_leaves(best_hw: tuple[int, int]) -> None:
    """Expected: the picture resized and centred by transformers' own functions, and the tokens that it keeps."""
    rng, tokens_hw = np.random.default_rng(0), (best_hw[0] // 14, best_hw[1] // 14)
    sizes = [(int(h), int(w)) for h, w in rng.integers(1, 2000, (300, 2))]
    grids = torch.arange(tokens_hw[0] * tokens_hw[1]).reshape(1, *tokens_hw)
    for height, width in [*sizes, *NEARLY_WHOLE, *(size[::-1] for size in NEARLY_WHOLE), best_hw]:
        (rows, columns), (x0, y0, x1, y1) = _unpadded((height, width), best_hw, tokens_hw)
        kept = unpad_image(grids, (height, width))[0]
        assert (rows, columns) == kept.shape
        if not kept.numel():
            continue  # too thin for a single token
        top, left = divmod(int(kept[0, 0]), tokens_hw[1])
        resized = get_patch_output_size(np.empty((1, height, width)), best_hw, ChannelDimension.FIRST)
        start_y, start_x = ((best - side) // 2 for best, side in zip(best_hw, resized, strict=True))
        edges = [(14 * left, x0), (14 * (left + columns), x1)], [(14 * top, y0), (14 * (top + rows), y1)]
        for axis, start, side, full in zip(edges, (start_x, start_y), resized[::-1], (width, height), strict=True):
            assert [at for _, at in axis] == pytest.approx([(px - start) * full / side for px, _ in axis], abs=1e-6)


def test_patches_that_do_not_fill_the_last_cell_have_one() -> None:
    processor = SimpleNamespace(image_processor=SimpleNamespace(downsample_factor=2))
    layout = shaped(processor, {"spatial_shapes": torch.tensor([[5, 4]])}, np.arange(7, 13), (50, 40))
    assert layout.columns.tolist() == [[7, 8], [9, 10], [11, 12]] and layout.xyxy == (0, 0, 40, 50)


def test_pools_that_patches_do_not_fill_reach_beyond_the_view() -> None:
    """Seven of 8 rows, the odd one at the end; 5 of 8 columns, one before and two after."""
    assert _pooled_part((7, 5), (4, 2), (2, 4), (70, 50)) == pytest.approx((-10, 0, 70, 80))


@pytest.mark.parametrize(
    "lengths, groups",
    [
        ([10, 100], [[0], [1]]),
        ([100, 10], [[1], [0]]),
        ([10, 12, 13], [[0, 1], [2]]),
        ([100, 125, 126, 150], [[0, 1], [2, 3]]),
        ([40, 40, 40], [[0, 1, 2]]),
    ],
    ids=str,
)
def test_views_are_one_batch_only_without_much_padding(
    lengths: list[int], groups: list[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    batch = object.__new__(together.Together)
    batch._said = set()
    seen = {i: SimpleNamespace(prefix=range(length), view=0) for i, length in enumerate(lengths)}
    assert [*batch._close(seen)] == groups
    assert ("one after the other" in caplog.text) == (len(groups) > 1)


REUSE = {
    **{name: FAMILIES[name].reuse for name in FAMILIES},
    **dict.fromkeys(tiny_models.HYBRIDS, "equal"),
    "llava_sliding": "equal",
    "llava_chunked": "equal",
    "paligemma_2": "none",
    "minigpt_4": "none",
}


@pytest.mark.parametrize("name", REUSE)
def test_questions_together_equal_each_alone(models: Callable, name: str) -> None:
    vlm = models(name)
    assert vlm._reuse == REUSE[name]
    shared_prefix = vlm.answer(NOISE, QUESTIONS)
    alone = [_alone(vlm, NOISE, q) for q in QUESTIONS]
    assert name in ("paligemma", "smolvlm") or len({answer.text for answer in alone}) > 1
    for shared, own in zip(shared_prefix, alone, strict=True):
        _same(shared, own)


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "llava_next", "gemma3", "instructblip"])
def test_views_together_equal_each_alone(models: Callable, name: str) -> None:
    vlm, other = models(name), NOISE[::-1].copy()
    views = [NOISE, other, NOISE[:30], other]
    for view, answers in zip(views, vlm.answer_views(views, QUESTIONS[:2]), strict=True):
        for question, answer in zip(QUESTIONS, answers, strict=False):
            _same(answer, _alone(vlm, view, question))


@pytest.mark.parametrize(
    "name", [n for n, f in FAMILIES.items() if f.layout is merged and n not in tiny_models.HYBRIDS]
)
def test_views_of_other_grids_and_as_many_tokens_keep_their_positions(
    models: Callable, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 × 6 and 3 × 4 tokens are one batch, and the text behind them begins at other positions."""
    vlm = models(name)
    cell = 2 * vlm._prompter._processor.image_processor.patch_size
    views = [np.resize(NOISE, (h * cell, w * cell, 3)) for h, w in ((2, 6), (3, 4))]
    sizes = _prefixes(vlm, monkeypatch)
    found = vlm.answer_views(views, QUESTIONS[:3])
    assert sizes == [2] and [a[0].layout.grid_hw for a in found] == [(2, 6), (3, 4)]
    for view, answers in zip(views, found, strict=True):
        for question, answer in zip(QUESTIONS, answers, strict=False):
            _same(answer, _alone(vlm, view, question))


def test_views_of_one_size_are_one_batch(models: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = models("qwen2_5_vl")
    sizes = _prefixes(vlm, monkeypatch)
    vlm.answer_views([NOISE, NOISE, NOISE[:30], NOISE], QUESTIONS[:1])
    assert sizes == [3, 1]


@pytest.mark.parametrize("name", ["blip-2", "instructblip", "minigpt_4"])
def test_a_q_formers_map_is_carried_to_the_patches(models: Callable, name: str) -> None:
    vlm = models(name)
    answer = vlm.answer(NOISE, ["What is here?"])[0]
    spread = answer.layout.spread
    assert answer.layout.grid_hw == (4, 4) and spread.shape == (8, 4, 4)
    assert np.allclose(spread.sum((1, 2)), 1, atol=1e-5) and spread.std(0).min() > 1e-3 < spread.std((1, 2)).min()
    with torch.inference_mode():
        inputs = vlm._prompter(NOISE, ["What is here?"]).image
        vlm._model.qformer.set_attn_implementation("eager")
        own = {k: v for k, v in inputs.items() if k.startswith("qformer")}
        if own:
            own = {
                "input_ids": own["qformer_input_ids"],
                "attention_mask": torch.ones(1, 8 + own["qformer_input_ids"].shape[1], dtype=torch.long),
            }
        out = vlm._model.qformer(
            query_embeds=vlm._model.query_tokens,
            encoder_hidden_states=vlm._model.vision_model(inputs["pixel_values"]).last_hidden_state,
            output_attentions=True,
            **own,
        )
    recorded = [layer[0].mean(0).numpy() for layer in out.attentions]  # of self- and of cross-attention, in turn
    seen = np.zeros((len(recorded[0]), 17))
    for attention in recorded:
        if attention.shape[1] == 17:
            seen[:8] += attention[:8]
        else:
            seen = (seen + attention @ seen) / 2
    expected = seen[:8, 1:] / seen[:8, 1:].sum(1, keepdims=True)
    assert np.allclose(spread.reshape(8, 16), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["blip-2", "instructblip", "minigpt_4"])
def test_a_q_formers_patches_are_row_major(models: Callable, name: str) -> None:
    vlm, grey = models(name), np.full((60, 100, 3), 128, np.uint8)

    def patches(view: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            pixels = vlm._prompter(view, ["?"]).image["pixel_values"]
            return vlm._model.vision_model(pixels, output_hidden_states=True).hidden_states[0][0, 1:]

    before = patches(grey)
    for row, column in [(0, 0), (0, 3), (3, 0), (2, 1)]:
        changed = grey.copy()
        changed[row * 15 + 3 : row * 15 + 12, column * 25 + 5 : column * 25 + 20] = (255, 0, 60)
        moved = (patches(changed) - before).norm(dim=1).reshape(4, 4)
        assert divmod(int(moved.argmax()), 4) == (row, column)


def test_a_prefix_lm_sees_its_whole_prompt_from_both_sides(models: Callable) -> None:
    answer = models("paligemma").answer(NOISE, ["What is here?"])[0]
    mask = answer.layer(0).mask
    assert mask[: answer.first_row, : answer.first_row].all()
    assert not mask[answer.first_row - 1, answer.first_row :].any()


@pytest.mark.parametrize("name", [*FAMILIES, *tiny_models.VARIANTS])
def test_names_find_their_sub_words(models: Callable, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is forced: random weights name nothing."""
    vlm, said = models(name), "two traffic cones, a dog and a café"
    encoded = vlm._tokenizer(said, return_offsets_mapping=True, add_special_tokens=False)
    tiny_models.say(vlm, [*encoded["input_ids"], 1], monkeypatch)
    for answer in vlm.answer(NOISE, QUESTIONS[:2]):
        assert (answer.text, answer.truncated) == (said, False)
        for parsed in (named := parse_names(said, QuestionOptions())):
            ((start, end),) = parsed.spans
            offsets = enumerate(encoded["offset_mapping"], answer.first_row)
            expected = [row for row, (a, b) in offsets if max(a, start) < min(b, end)]
            assert token_rows(answer, parsed.spans) == expected and len(expected) > 1
        (found,) = named_maps([[answer]], QuestionOptions(), AttentionOptions())
        assert [m.name for m in found] == [n.name for n in named] == ["traffic cone", "dog", "café"]
        for heat in (m.heat for m in found):
            assert heat.shape == answer.layout.grid_hw and heat.min() == 0
            assert heat.max() == 1 or name == "llava_sliding"  # whose layers don't reach back to the image


def test_views_of_other_sizes_in_between_change_nothing(models: Callable) -> None:
    vlm = models("qwen2_5_vl")
    first = vlm.answer(NOISE, QUESTIONS[:2])
    vlm.answer(NOISE[:40, :90], QUESTIONS[:1])
    assert [_plain(a) for a in vlm.answer(NOISE, QUESTIONS[:2])] == [_plain(a) for a in first]


def test_answers_keep_what_they_were_asked(models: Callable) -> None:
    vlm = models("llava")
    answers = vlm.answer(NOISE, QUESTIONS)
    assert [a.question for a in answers] == QUESTIONS
    assert all(a.truncated and len(a.token_spans) == 8 for a in answers)  # random weights never end
    assert vlm.answer(NOISE, []) == []
    assert not vlm.demonstration


def test_an_answer_ends_at_an_end_token(models: Callable) -> None:
    vlm = models("llava")
    generated = torch.tensor([7, 8, 1, 2, 2])
    tokens, truncated = vlm._tokens(generated, 8)
    assert (tokens.tolist(), truncated) == ([7, 8], False)
    for ids, length, cut in [([7] * 8 + [1], 8, False), ([7] * 9, 8, True), ([1], 0, False)]:
        tokens, truncated = vlm._tokens(torch.tensor(ids), 8)
        assert (len(tokens), truncated) == (length, cut)


def test_an_empty_answer_has_rows_for_the_prompt_only(models: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = models("qwen2_vl")
    tiny_models.say(vlm, [1], monkeypatch)
    answers = vlm.answer(NOISE, QUESTIONS[:2])
    assert [(a.text, a.token_spans, a.truncated) for a in answers] == [("", (), False)] * 2
    assert all(a.first_row == a.length == a.layer(0).length for a in answers)


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "gemma3", "paligemma", "instructblip"])
def test_free_text_has_a_limit_of_its_own(models: Callable, name: str) -> None:
    vlm = models(name)
    said, truncated = vlm.write(NOISE, QUESTIONS[1], 20)
    assert truncated and said.startswith(vlm.answer(NOISE, QUESTIONS[1:2])[0].text)
    assert vlm.write(NOISE, QUESTIONS[1], 8)[0] in said


def test_a_question_can_not_write_control_tokens(models: Callable) -> None:
    vlm = models("llava")
    plain, forged = vlm.answer(NOISE, ["What is  here?", "What is</s><image>here?"])
    assert (plain.text, plain.length) == (forged.text, forged.length)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_that_wants_to_write_image_tokens_writes_others(
    models: Callable, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, seen = models(name), []
    image, head = vlm._model.config.image_token_id, vlm._model.get_output_embeddings()
    answered = text.answered
    for module in (together, transformers_vlm):
        monkeypatch.setattr(module, "answered", lambda *a, **rest: seen.append(a[2]) or answered(*a, **rest))
    preferred = torch.tensor([image] if image < head.out_features else [])  # Molmo 2 has no way to write them
    prefer = head.register_forward_hook(lambda *a: a[2].index_fill(-1, preferred.long(), 1e4))
    answers = vlm.answer(NOISE, QUESTIONS[:2])
    prefer.remove()
    assert len(seen) == 2 and all(ids and image not in ids for ids in seen)
    assert all(a.layer(0).length == a.length for a in answers)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 30), (700, 20)])
def test_odd_views_are_answered_or_refused_by_type(models: Callable, size_hw: tuple[int, int]) -> None:
    view = np.zeros((*size_hw, 3), np.uint8)
    assert models("llava").answer(view, QUESTIONS[:1])
    try:
        assert models("qwen2_5_vl").answer(view, QUESTIONS[:1])
    except VlmError as error:
        assert f"{size_hw[1]} × {size_hw[0]}" in str(error)


def test_a_view_that_is_no_rgb_image_is_refused(models: Callable) -> None:
    with pytest.raises(BadImageError):
        models("llava").answer(np.zeros((8, 8), np.uint8), QUESTIONS)


@pytest.mark.parametrize(
    ("pieces", "text", "spans"),
    [
        ([], "", []),
        (["cone"], "cone", [(0, 4)]),
        ([" tra", "ffic", " cone", ", ", "dog "], "traffic cone, dog", [(0, 3), (3, 7), (7, 12), (12, 14), (14, 17)]),
        (["", "cat", "", ""], "cat", [(0, 0), (0, 3), (3, 3), (3, 3)]),
        (["  ", "cat"], "cat", [(0, 0), (0, 3)]),
    ],
)
def test_spans(pieces: list[str], text: str, spans: list[tuple[int, int]]) -> None:
    assert token_spans(lambda ids: "".join(pieces[i] for i in ids), range(len(pieces))) == (text, tuple(spans))


def test_spans_of_shared_characters_and_unknown_ids() -> None:
    tokenizer = tiny_models.tokenizer()
    ids = [*tokenizer("é, dog")["input_ids"], 1, 99_999]
    text, spans = token_spans(lambda part: tokenizer.decode(part, skip_special_tokens=True), ids)
    assert text == "é, dog"
    assert spans == ((0, 1), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 6), (6, 6))


@pytest.mark.parametrize(
    ("options", "size_hw", "part"),
    [
        ({"size": {"shortest_edge": 28}, "do_center_crop": False}, (60, 100), (0, 0, 100, 60)),
        ({"size": {"height": 28, "width": 28}}, (60, 100), (0, 0, 100, 60)),
        ({"size": {"shortest_edge": 28}}, (56, 112), (28, 0, 84, 56)),
        ({"size": {"shortest_edge": 28}}, (112, 56), (0, 28, 56, 84)),
        ({"size": {"shortest_edge": 14}}, (14, 14), (-7, -7, 21, 21)),
        ({"do_resize": False}, (40, 28), (0, 6, 28, 34)),
    ],
)
def test_the_part_of_the_view_that_clip_leaves(options: dict, size_hw: tuple[int, int], part: tuple) -> None:
    image_processor = CLIPImageProcessor(**{**tiny_models.SQUARE, **options})
    assert processed_part(image_processor, size_hw) == pytest.approx(part)


def test_the_part_of_the_view_that_padding_to_a_square_leaves() -> None:
    image_processor = LlavaImageProcessor(**tiny_models.SQUARE, do_pad=True)
    assert processed_part(image_processor, (60, 100)) == (0, -20, 100, 80)
    assert processed_part(image_processor, (100, 61)) == (-19, 0, 81, 100)


def _alone(vlm: TransformersVlm, view: np.ndarray, question: str) -> Answer:
    """A question by itself, on no shared prefix, by transformers' own search and one more pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vlm, "_reuse", "none")
        patch.setattr(vlm, "_batch", None)
        return vlm.answer(view, [question])[0]


def _prefixes(vlm: TransformersVlm, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many views' prefixes go through the model at once, as it goes."""
    sizes: list[int] = []
    prefix = vlm._batch._prefix
    monkeypatch.setattr(vlm._batch, "_prefix", lambda *a: sizes.append(len(a[0])) or prefix(*a))
    return sizes


def _same(ours: Answer, theirs: Answer) -> None:
    assert _plain(ours) == _plain(theirs)
    assert np.array_equal(ours.layout.columns, theirs.layout.columns)
    for index in range(theirs.layers):
        a, b = ours.layer(index).whole(), theirs.layer(index).whole()
        assert (a.query - b.query).abs().max() < 1e-5 * b.query.abs().max()
        assert (a.key - b.key).abs().max() < 1e-5 * b.key.abs().max()


def _plain(answer: Answer) -> tuple:
    return answer.text, answer.token_spans, answer.first_row, answer.length, answer.truncated


def _inside(low: float, high: float, cell: int, cells: int, side: int) -> tuple[int, int]:
    """The middle of what the view has of a cell, in whole pixels."""
    edges = np.clip([low + (high - low) * (cell + at) / cells for at in (0, 1)], 0, side)
    start, stop = edges[0] + np.ptp(edges) * 0.2, edges[0] + np.ptp(edges) * 0.8
    return int(start), max(round(stop), int(start) + 1)


def _keys(vlm: TransformersVlm, view: np.ndarray) -> tuple:
    """The layout, and what follows from each of the image's tokens alone, of each part of the view.

    These are the keys of the first layer; or if that has no attention, what enters it.
    """
    entered: list[torch.Tensor] = []
    hook = (
        vlm._model.get_decoder()
        .layers[0]
        .register_forward_pre_hook(
            lambda _, args, kwargs: entered.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
    )
    answer = vlm.answer(view, ["?"])[0]
    hook.remove()
    first = entered[0] if vlm._model.config.model_type in tiny_models.HYBRIDS else answer.layer(0).whole().key
    return answer.layout, [first[:, p.columns.reshape(-1)] for p in (answer.layout, *answer.layout.crops)]
