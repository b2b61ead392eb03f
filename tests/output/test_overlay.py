"""Pictures for people."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from vlsam_ros.data import Detection, Detections, Mask, Place, Track
from vlsam_ros.output.layout import SMALL_PX, Box, Layout, arranged, scale_of
from vlsam_ros.output.overlay import (
    CANVAS_HW,
    PALETTE,
    Caption,
    colour_index,
    distance_text,
    draw,
    draw_heat,
    said,
    summary,
)
from vlsam_ros.output.text import drawable

SIZES = {"1600x900": (900, 1600), "tiny": (24, 32), "one pixel": (1, 1), "tall": (800, 60)}


def found(size_hw: tuple[int, int], count: int, label: str = "traffic cone") -> Detections:
    """`count` squares; the last one is empty."""
    items = []
    for i in range(count):
        mask = np.zeros(size_hw, bool)
        if i < count - 1 or count == 1:
            mask[i : i + size_hw[0] // 2 + 1, i : i + size_hw[1] // 2 + 1] = True
        items.append(Detection(label, 0.5, 0.5, 0.5, 0.5, Mask.from_dense(mask)))
    return Detections(size_hw, tuple(items), vlm="embedded-vlm", segmenter="embedded-sam", demonstration=True)


@pytest.mark.parametrize("size_hw", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_draws_any_number_on_any_size_and_leaves_the_image_alone(size_hw: tuple[int, int], count: int) -> None:
    image = np.full((*size_hw, 3), 100, np.uint8)
    picture = draw(image, found(size_hw, count))
    assert picture.shape == image.shape and picture.dtype == np.uint8
    assert (image == 100).all()


def test_mask_has_the_colour_of_its_label_in_rgb() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    mask = np.zeros((200, 200), bool)
    mask[60:190, 10:190] = True
    result = draw(image, Detections((200, 200), (Detection("stone", 0.9, 1, 1, 1, Mask.from_dense(mask)),)))
    colour = PALETTE[colour_index("stone")]
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    assert np.abs(result[150, 100].astype(int) - 0.45 * rgb).max() <= 4


def test_labels_keep_their_colours() -> None:
    assert colour_index("traffic cone") == colour_index("traffic cone")
    assert len({colour_index(f"label {i}") for i in range(1000)}) == len(PALETTE)


TEXTS = {
    "plain": ("traffic cone", "traffic cone"),
    "accents": ("Straße, Żółć, façade", "Strasse, Zolc, facade"),
    "other scripts": ("汽车", "??"),
    "half a character": ("\ud800car\udcff", " car"),
    "control characters": ("\x1b[31mred\x00\n", " [31mred"),
    "right to left": ("\u202ecar", " car"),
    "empty": ("", ""),
    "long": ("x" * 10**6, "x" * 58 + " ..."),
}


@pytest.mark.parametrize("case", TEXTS)
def test_any_text_can_be_drawn(case: str) -> None:
    text, drawn = TEXTS[case]
    assert drawable(text) == drawn
    picture = draw(
        np.zeros((90, 160, 3), np.uint8), found((90, 160), 2, text), Caption(problem=text or "none", camera=text)
    )
    assert picture.shape == (90, 160, 3)


AGES = {"sane": (0.5, True), "none": (None, False), "no stamp": (math.nan, False), "old recording": (9e8, False)}


@pytest.mark.parametrize(("age_s", "shown"), AGES.values(), ids=AGES)
def test_summary(age_s: float | None, shown: bool) -> None:
    text = summary(found((9, 9), 2), Caption(1.25, age_s))
    assert text.startswith("2 found") and "1.25 s" in text and "DEMONSTRATION" in text and "embedded-vlm" in text
    assert ("age" in text) == shown


def test_a_failure_does_not_look_like_an_empty_road() -> None:
    caption = Caption(0.1, 0.1, "VlmError: no words", "front")
    assert summary(Detections((9, 9)), caption).startswith("front  |  no result: VlmError: no words")
    image = np.full((300, 400, 3), 100, np.uint8)
    red, empty = draw(image, Detections((300, 400)), caption)[2, 2], draw(image, Detections((300, 400)))[2, 2]
    assert red[0] > 2 * red[1:].max(initial=1) and np.ptp(empty) == 0
    assert summary(Detections((9, 9), problems=("full: What?: refusal",))) == "0 found  |  1 not known"


def test_an_unfamiliar_frame_says_so_on_a_strip_of_its_own_colour() -> None:
    image = np.full((300, 400, 3), 100, np.uint8)
    odd, usual = (replace(found((300, 400), 2), novelty=novelty) for novelty in (1.7, 0.7))
    assert f"2 found  |  UNFAMILIAR: {odd.unfamiliar}  |  " in summary(odd) and "UNFAMILIAR" not in summary(usual)
    amber, dark = draw(image, odd)[2, 2].astype(int), draw(image, usual)[2, 2].astype(int)
    assert amber[0] > amber[1] > amber[2] and dark.max() < amber[0]
    failed = draw(image, replace(odd, items=()), Caption(problem="VlmError: no words"))[2, 2]
    assert failed[1] == failed[2] < failed[0]  # no result is worse


@pytest.mark.parametrize("shape", [(1, 1), (113, 200), (3, 900)])
def test_heat(shape: tuple[int, int]) -> None:
    image = np.full((90, 160, 3), 100, np.uint8)
    cold, hot = draw_heat(image, np.zeros(shape, np.float32)), draw_heat(image, np.ones(shape, np.float32))
    assert cold.shape == image.shape and hot.mean() > cold.mean() + 30
    assert np.ptp(cold.astype(int), axis=-1).max() <= 1


def test_heat_is_a_blend_by_its_root() -> None:
    rng = np.random.default_rng(0)
    image, heat = rng.integers(0, 256, (40, 60, 3), np.uint8), rng.random((40, 60), np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * 0.7
    hot = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.75 * np.sqrt(heat)[..., None]
    assert np.abs(draw_heat(image, heat) - (grey * (1 - share) + hot * share)).max() <= 1.5


def test_preliminary_frames_say_so() -> None:
    assert "PRELIMINARY" in summary(Detections((9, 9)), Caption(preliminary=True))
    assert "PRELIMINARY" not in summary(Detections((9, 9)), Caption())


CANVASES = {
    "unknown": ((0, 0), CANVAS_HW), "known": ((90, 160), (90, 160)), "absurd": ((1 << 16, 1 << 16), CANVAS_HW),
}  # fmt: skip


@pytest.mark.parametrize(("size_hw", "drawn_hw"), CANVASES.values(), ids=CANVASES)
def test_a_frame_that_cannot_be_read_is_drawn_on_a_canvas(size_hw: tuple[int, int], drawn_hw: tuple[int, int]) -> None:
    plain, told = (draw(None, Detections(size_hw), Caption(problem=text)) for text in ("", "bad JPEG"))
    assert plain.shape == told.shape == (*drawn_hw, 3) and (plain != told).any()


def test_an_image_of_another_size_than_the_failed_result() -> None:
    image = np.full((90, 160, 3), 100, np.uint8)
    assert draw(image, Detections((0, 0)), Caption(problem="VlmError")).shape == image.shape
    with pytest.raises(ValueError, match=r"\(90, 160\), got \(9, 9\)"):
        draw(image, found((9, 9), 1))


PLACES = {
    "near": (Place(distance=4.23, distance_min=4.0, distance_max=4.5), "4.2 m ± 0.3"),
    "far": (Place(distance=23.2, distance_min=21.4, distance_max=25.4), "23 m ± 2"),
    "no end": (Place(distance=60.0, distance_min=41.0, distance_max=math.inf), "> 41 m"),
    "bearing alone": (Place(0.1, 0.0), ""),
}


@pytest.mark.parametrize(("place", "text"), PLACES.values(), ids=PLACES)
def test_distances(place: Place, text: str) -> None:
    assert distance_text(place) == text


def test_what_is_written_beside_an_instance() -> None:
    item = found((9, 9), 1).items[0]
    assert said(item) == ("traffic cone", "0.50")
    place = PLACES["far"][0]
    assert said(replace(item, track=Track("0-12"), place=place)) == ("traffic cone", "0.50 #0-12", "23 m ± 2")
    assert said(replace(item, track=Track("7", unseen_s=0.4), place=place))[1:] == ("0.50 #7", "23 m ± 2", "0.4 s ago")
    assert said(replace(item, track=Track("7", unseen_s=0.4)))[2] == "0.4 s ago"


def test_what_a_track_has_not_seen_for_long_is_faded() -> None:
    image, items = np.zeros((200, 400, 3), np.uint8), []
    for x, unseen_s in ((20, 0.0), (120, 1.0), (220, 60.0)):
        mask = Mask(x, 60, np.ones((80, 80), bool))
        items.append(Detection("stone", 0.9, 1, 1, 1, mask, track=Track(str(x), 1, 1, unseen_s)))
    picture = draw(image, Detections((200, 400), tuple(items))).astype(int)
    now, later, old = (picture[100, x + 40].sum() for x in (20, 120, 220))
    assert now > later > old > 0


# --- Where labels and enlargements stand

FREE = {"1600x900": (900, 1600), "640x480": (480, 640), "portrait": (1920, 1080), "4K": (2160, 3840)}
STRIP_PX = 60


def scattered(size_hw: tuple[int, int], count: int, seed: int = 0, largest: float = 0.1) -> Detections:
    """Ellipses of many sizes anywhere, also cut off by the border."""
    rng = np.random.default_rng(seed)
    items = []
    for i in range(count):
        h, w = (rng.integers(6, max(8, int(largest * min(size_hw))), 2)).tolist()
        rows, columns = np.mgrid[:h, :w]
        bits = ((rows - h / 2 + 0.5) / h) ** 2 + ((columns - w / 2 + 0.5) / w) ** 2 <= 0.25
        x, y = int(rng.integers(0, size_hw[1] - w + 1)), int(rng.integers(0, size_hw[0] - h + 1))
        items.append(Detection(f"thing {i}", 1 - i / 1000, 1, 1, 1, Mask(x, y, bits), track=Track(str(i))))
    return Detections(size_hw, tuple(items))


def layout_of(found: Detections) -> Layout:
    return arranged(found, [said(item) for item in found.items], STRIP_PX)


def boxes_of(layout: Layout) -> list[Box]:
    return [*(label.xyxy for label in layout.labels), *(lens.xyxy for lens in layout.lenses)]


@pytest.mark.parametrize("size_hw", FREE.values(), ids=FREE)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_hides_an_instance_or_another_label_where_there_is_room(size_hw: tuple[int, int], seed: int) -> None:
    found = scattered(size_hw, 15, seed)
    layout = layout_of(found)
    assert {p.item for p in (*layout.labels, *layout.lenses)} == set(range(15))
    taken = found.masks().any(0).astype(int)
    for x0, y0, x1, y1 in boxes_of(layout):
        assert 0 <= x0 < x1 <= size_hw[1] and STRIP_PX <= y0 < y1 <= size_hw[0]
        assert not taken[y0:y1, x0:x1].any()
        taken[y0:y1, x0:x1] += 1


CROWDED = {
    **{f"100 on {name}": (scattered(size, 100), True) for name, size in FREE.items()},
    "no room": (found((100, 400), 3), True),
    "one row": (found((1, 900), 3), False),
    "one column": (found((900, 1), 3), False),
    "one pixel": (found((1, 1), 1), False),
    "odd labels": (found((300, 400), 3, "\x1b[31m 汽车" * 9), True),
    "endless labels": (found((300, 400), 3, "x" * 5000), True),
    "empty label": (found((300, 400), 3, ""), True),
    "all of it": (Detections((90, 160), (Detection("road", 1, 1, 1, 1, Mask(0, 0, np.ones((90, 160), bool))),)), True),
}


@pytest.mark.parametrize(("found", "labelled"), CROWDED.values(), ids=CROWDED)
def test_everything_stays_inside_the_picture(found: Detections, labelled: bool) -> None:
    layout = arranged(found, [said(item) for item in found.items], 12)
    height, width = found.size_hw
    assert bool(boxes_of(layout)) == labelled
    for x0, y0, x1, y1 in boxes_of(layout):
        assert 0 <= x0 < x1 <= width and 12 <= y0 < y1 <= height
    image = np.full((height, width, 3), 90, np.uint8)
    pictures = {hashlib.sha256(draw(image, found).tobytes()).hexdigest() for _ in range(2)}
    assert len(pictures) == 1


def distant() -> tuple[np.ndarray, Detections]:
    """Three small things of one colour each on a grey road, the first at the border."""
    image, items = np.full((900, 1600, 3), 90, np.uint8), []
    for i, (x, y, side) in enumerate([(0, 400, 12), (800, 430, 20), (900, 450, SMALL_PX - 1), (300, 500, SMALL_PX)]):
        image[y : y + side, x : x + side] = (200, 40 * i, 0)
        items.append(Detection(f"thing {i}", 0.9, 1, 1, 1, Mask(x, y, np.ones((side, side), bool))))
    return image, Detections((900, 1600), tuple(items))


def test_what_is_small_is_enlarged_in_an_inset() -> None:
    image, found = distant()
    layout = layout_of(found)
    assert [lens.item for lens in layout.lenses] == [0, 1, 2] and [label.item for label in layout.labels] == [3]
    picture = draw(image, found)
    for lens in arranged(found, [said(item) for item in found.items], 0).lenses:
        mask, (x0, y0, x1, y1) = found.items[lens.item].mask, lens.window
        assert x0 <= mask.x and mask.x + mask.bits.shape[1] <= x1 and y0 <= mask.y and mask.y + mask.bits.shape[0] <= y1
        zoom = (lens.xyxy[2] - lens.xyxy[0]) / (x1 - x0)
        assert 1.5 <= zoom <= 8.5
        end = np.array(lens.line[1])
        assert (
            np.abs(end - (mask.x + mask.bits.shape[1] / 2, mask.y + mask.bits.shape[0] / 2)) <= SMALL_PX / 2 + 1
        ).all()
        colour_of_it = (200, 40 * lens.item, 0)  # in the frame itself it is tinted by its mask
        shown = (np.abs(picture.astype(int) - colour_of_it).max(-1) <= 2).sum()
        assert shown >= 0.6 * mask.area * zoom**2


def test_what_is_long_and_low_is_not_enlarged() -> None:
    rail = Detection("guard rail", 1, 1, 1, 1, Mask(100, 500, np.ones((8, 900), bool)))
    layout = layout_of(Detections((900, 1600), (rail,)))
    assert not layout.lenses and [label.item for label in layout.labels] == [0]


def test_an_inset_is_left_out_where_it_would_hide_an_instance() -> None:
    wall = Detection("wall", 1, 1, 1, 1, Mask(0, 0, np.ones((900, 1600), bool)))
    stone = Detection("stone", 0.9, 1, 1, 1, Mask(800, 450, np.ones((9, 9), bool)))
    layout = layout_of(Detections((900, 1600), (wall, stone)))
    assert not layout.lenses and len(layout.labels) == 2


def test_lines_run_below_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scattered((480, 640), 30)
    image = np.zeros((480, 640, 3), np.uint8)
    with_lines = draw(image, found)
    monkeypatch.setattr("vlsam_ros.output.overlay._draw_line", lambda *_: None)
    without = draw(image, found)
    differ, taken = (with_lines != without).any(-1), found.masks().any(0)
    assert differ.any() and not (differ & taken).any()


def test_writing_grows_with_the_picture() -> None:
    assert scale_of((2160, 3840)) == 2.4 and scale_of((900, 1280)) == 1 and scale_of((1, 1)) == 0.5


def test_a_long_name_leaves_room_for_what_is_known() -> None:
    mask = Mask(700, 400, np.ones((90, 90), bool))
    item = Detection("very " * 25 + "long", 0.5, 1, 1, 1, mask, track=Track("0-7"), place=PLACES["far"][0])
    (label,) = layout_of(Detections((900, 1600), (item,))).labels
    assert label.text.startswith("very very") and label.text.endswith("... 0.50 #0-7 23 m +- 2")
