"""The embedded pair's parts on held-out views: `python -m vlsam_ros.evaluation.quality`, a table and one JSON line.

Views are 448 × 256 pictures, where the pair works, with seeds and looks that no training saw; the options are those of
config/embedded.yaml with room for 96 tokens an answer. An object lower than 10 px in a view, or seen to less than 30 %,
is neither asked for nor wrong.
Whole frames are what `vlsam evaluate` measures.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from tqdm import tqdm

from ..config import Config, profile_path
from ..data import Answer, Detection, Detections, Mask, NamedMap, Prompts
from ..embedded import BOX_OF, BOXES, VLMS
from ..localisation import native
from ..localisation.prompts import coverage
from ..localisation.refine import cascade
from ..pipeline import VLSam, load
from ..synthetic.kinds import NAMES
from ..synthetic.render import Rendered
from ..synthetic.scene import HELD_OUT
from ..synthetic.truth import ground_truth
from ..synthetic.views import described, make_view
from .matching import MATCH_IOU, box_iou, compare

VIEW_SEED = HELD_OUT


class Means:
    """Sums and counts by name: `add` values, read `shares`."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)
        self.counts: dict[str, float] = defaultdict(float)

    def add(self, name: str, value: float, of: float = 1) -> None:
        """Add `value` out of `of`."""
        self.sums[name] += value
        self.counts[name] += of

    def shares(self) -> dict[str, float]:
        """Sum over count, by name; NaN where nothing was counted."""
        return {name: float(self.sums[name] / of) if of else math.nan for name, of in self.counts.items()}


def measure_view(detector: VLSam, view: Rendered, means: Means) -> None:
    """Names, pointing, masks from one point, and box recall on one view."""
    ids, objects = described(view)
    wanted = {o["name"] for o in objects}
    unsure = {o.name for o in view.objects} - wanted
    (look,) = detector.look([view.image], detector.config.questions.questions[:1], defaultdict(float))
    said = {m.name for m in look.maps} - unsure
    means.add("names_precision", len(said & wanted), len(said))
    means.add("names_recall", len(said & wanted), len(wanted))
    means.add("answers_exact", said == wanted)
    for m in look.maps:
        if m.name in wanted:
            own = np.isin(ids, [o["id"] for o in objects if o["name"] == m.name])
            means.add("pointing", points_at(m, own))
    measure_masks(detector, view.image, [ids == o["id"] for o in objects], means)
    truth = ground_truth(replace(view, ids=relabelled(ids, objects), objects=kept(view, objects)))
    result = Detections(ids.shape, tuple(look.instances))
    named = compare(result, truth, box_iou, names=True)
    score = compare(result, truth, box_iou)
    means.add("view_recall50", score.found, score.objects)
    means.add("view_recall50_named", named.found, named.objects)
    means.add("view_precision", score.right, score.right + score.wrong)
    if detector.vlm.boxes:
        names = [m.name for m in look.maps]
        ways = {"at_once": [BOXES], "by_name": [BOX_OF.format(name=name) for name in names]}
        for way, questions in ways.items():
            answers = detector.vlm.answer(view.image, questions) if questions else []
            measure_boxes(f"boxes_{way}", answers, detector.vlm.boxes, truth, means)


def measure_boxes(way: str, answers: Sequence[Answer], form: str, truth: Detections, means: Means) -> None:
    """Of the boxes that some answers have: recall and precision with the right name, the IoU of those, false ones."""
    written = [w for answer in answers for w in native.written(answer, form, 64)[0]]
    found = [Detection(w.label, 1.0, 1.0, 1.0, 1.0, filled(w.xyxy)) for w in written]
    score = compare(Detections(truth.size_hw, tuple(found)), truth, box_iou, names=True)
    means.add(f"{way}_recall50", score.found, score.objects)
    means.add(f"{way}_precision", score.right, score.right + score.wrong)
    for t in truth.items:
        best = max((box_iou(d, t) for d in found if d.label == t.label), default=0.0)
        if best >= MATCH_IOU:
            means.add(f"{way}_iou", best)
    means.add(f"{way}_false_per_view", score.wrong)


def filled(xyxy: Sequence[float]) -> Mask:
    """The mask of the pixels inside a box."""
    x0, y0, x1, y1 = (round(edge) for edge in xyxy)
    return Mask(x0, y0, np.ones((max(y1 - y0, 1), max(x1 - x0, 1)), bool))


def relabelled(ids: np.ndarray, objects: Sequence[dict]) -> np.ndarray:
    """Ids of the objects left, counted from 1; what is ignored stays 255."""
    table = np.zeros(256, np.uint8)
    table[255] = 255
    for i, item in enumerate(objects, 1):
        table[item["id"]] = i
    return table[ids]


def kept(view: Rendered, objects: Sequence[dict]) -> tuple:
    """The rendered objects that are left, in the order of `objects`."""
    return tuple(view.objects[o["id"] - 1] for o in objects)


def points_at(m: NamedMap, own: np.ndarray) -> bool:
    """Whether the map's maximum lies on a patch that shows some of the objects, bool (H, W)."""
    cover = coverage(Mask.from_dense(own), m.layout)
    return bool(cover.flat[m.heat.argmax()] > 0)


def measure_masks(detector: VLSam, image: np.ndarray, masks: list[np.ndarray], means: Means) -> None:
    """IoU of the segmenter's masks from one point each, the deepest inside: single mask, and after the cascade."""
    if not masks:
        return
    assert detector.segmenter, "the embedded profile has one"
    points = Prompts(np.array([[deepest(m)] for m in masks], np.float32), np.ones((len(masks), 1), np.int32))
    embedding = detector.segmenter.embed(image)
    single = embedding.upscale(detector.segmenter.segment(embedding, points, multimask=False).low_res[:, 0])
    refined = embedding.upscale(
        cascade(detector.segmenter, [embedding] * len(masks), points, detector.config.refine)[0]
    )
    for name, said in (("sam_miou_1pt", single), ("sam_miou_refined", refined)):
        for s, m in zip(said, masks, strict=True):
            means.add(name, float((s & m).sum() / (s | m).sum()))


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The pixel (x, y) of a mask that lies farthest from its border."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return x + 0.5, y + 0.5


def measure(detector: VLSam, views: int) -> dict[str, float]:
    """All figures over so many views."""
    means = Means()
    for i in tqdm(range(views), unit="view"):
        measure_view(detector, make_view(VIEW_SEED + i), means)
    return means.shares()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the embedded pair's parts on held-out synthetic views.")
    parser.add_argument("--views", type=int, default=300, help="views of 448 × 256")
    parser.add_argument("--model", default="embedded", choices=VLMS, help="which VLM; embedded-boxes writes boxes, too")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    options = {"vlm.model": args.model, "vlm.max_new_tokens": 96}
    figures = measure(load(Config.from_file(profile_path("embedded"), options)), args.views)
    print(f"\n{args.views} views of 448 × 256, {len(NAMES)} kinds\n")
    for name, value in figures.items():
        print(f"{name:24} {value:7.3f}")
    print(json.dumps({k: round(v, 4) for k, v in figures.items()}))


if __name__ == "__main__":
    main()
