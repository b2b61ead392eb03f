"""What the embedded pair does on its own world, on what it never saw, and on photographs: `make quality`.

Three parts: whole frames of both worlds, as `vlsam evaluate run` measures them, with a report of each; views, where
parts of the pair are looked at alone; and photographs, where all that is found is invented. It prints tables of figures
by world, one of photographs, and one JSON line.

Views are 448 × 256 pictures, where the pair works, with seeds and looks that no training saw; the options are those of
config/embedded.yaml with room for 96 tokens an answer. An object lower than 10 px in a view, or seen to less than 30 %,
is neither asked for nor wrong.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from ..config import Config, profile_path
from ..data import Answer, Detection, Detections, Mask, NamedMap, Prompts
from ..embedded import BOX_OF, BOXES, VLMS
from ..errors import DataError, VlsamError
from ..localisation import native
from ..localisation.prompts import coverage
from ..localisation.refine import cascade
from ..output.folder import FOLDER
from ..pipeline import VLSam, load
from ..synthetic import photographs
from ..synthetic.kinds import NAMES
from ..synthetic.render import Rendered
from ..synthetic.scene import HELD_OUT
from ..synthetic.truth import ground_truth
from ..synthetic.views import described, make_view
from ..synthetic.wide import make_wide_view
from . import commands, dataset, report, scoring
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
    refine = replace(detector.config.refine, cascade=True)
    refined = embedding.upscale(cascade(detector.segmenter, [embedding] * len(masks), points, refine)[0])
    for name, said in (("sam_miou_1pt", single), ("sam_miou_refined", refined)):
        for s, m in zip(said, masks, strict=True):
            means.add(name, float((s & m).sum() / (s | m).sum()))


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The pixel (x, y) of a mask that lies farthest from its border."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return x + 0.5, y + 0.5


def measure(detector: VLSam, views: int, unseen: bool = False) -> dict[str, float]:
    """All figures over so many views of the own world, or of what was never seen."""
    means = Means()
    for seed in tqdm(range(VIEW_SEED, VIEW_SEED + views), unit="view"):
        measure_view(detector, make_wide_view(seed, unseen=True) if unseen else make_view(seed), means)
    return means.shares()


def measure_frames(config: Config, spec: str, folder: Path) -> dict[str, float]:
    """The headline of the frames that `spec` names; their predictions and report go into the folder.

    Raises:
        DataError: some frames failed; the message names the file that says why.
    """
    args = Namespace(data=spec, images=None, out=folder, names="text", threshold=None, keep_known=False, worst=6)
    result, failed = commands.measured(args, dataset.read(args), lambda _: config)
    if failed:
        raise DataError(f"{spec}: some frames failed, see the errors in {folder}")
    return scoring.headline(result.scores)


def pictures() -> Iterator[tuple[str, np.ndarray]]:
    """Names and RGB of photographs and of two pictures of noise; says which are left out without their package."""
    for name in photographs.MEASURING:
        try:
            image = photographs.load(name)
        except FileNotFoundError as error:
            print(f"left out: {error}")
            continue
        yield name, image
    rng = np.random.default_rng(0)
    yield "noise", rng.integers(0, 256, (450, 800, 3), np.uint8)
    coarse = rng.integers(0, 256, (9, 16, 3), np.uint8)
    yield "coarse noise", cv2.resize(coarse, (800, 450), interpolation=cv2.INTER_CUBIC)


def invented(detector: VLSam, image: np.ndarray) -> dict[str, Any]:
    """What is published of a picture that shows nothing with a name here."""
    found = detector(image)
    return {
        "inventions": len(found),
        "highest_score": max((d.score for d in found.items), default=0.0),
        "novelty": math.nan if found.novelty is None else found.novelty,
        "unfamiliar": bool(found.unfamiliar),
    }


AIMS = {
    "mask_mAR_of_oracle": (0.85, 0.75),
    "recall50_12_to_20px": (0.5, None),
    "recall50_20_to_50px": (0.8, None),
    "names_right": (0.9, 0.85),
    "clean_empty_roads": (0.95, None),
    "calibration_error": (-0.1, -0.1),
    "false_per_frame": (-0.5, -1.0),
    "unfamiliar": (-0.01, None),
    "seconds_p50": (-1.0, None),
}
"""What frames of the own world and unseen ones are to reach at least; with a minus, at most."""


def table(own: dict[str, float], unseen: dict[str, float], aims: Mapping[str, tuple]) -> Iterator[str]:
    """Lines with a figure of both worlds and its aims; a star marks what misses one."""
    yield f"{'':28}{'own':>10}{'aim':>9}{'unseen':>10}{'aim':>9}"
    for name in own | unseen:
        both = zip((own, unseen), aims.get(name, (None, None)), strict=True)
        yield f"{name:28}{''.join(_cells(of.get(name, math.nan), aim) for of, aim in both)}".rstrip()


def _cells(value: float, aim: float | None) -> str:
    missed = aim is not None and (value < aim if aim > 0 else value > -aim)
    bound = "" if aim is None else f"{'≥' if aim > 0 else '≤'} {abs(aim):g}"
    shown = f"{value:.3f}" if isinstance(value, float) else value
    return f"{shown:>9}{'*' if missed else ' '}{bound:>9}"


def frames_part(args: Namespace) -> dict[str, Any]:
    """Figures of whole frames."""
    config = Config.from_file(profile_path("embedded"), {"vlm.model": args.model})
    worlds = {world: f"synthetic:{prefix}{args.frames}" for world, prefix in WORLDS.items()}
    figures = {world: measure_frames(config, spec, args.out / world) for world, spec in worlds.items()}
    print(f"\nframes ({args.frames} scenes and empty roads); the reports are in {args.out}\n")
    print(*table(**figures, aims=AIMS), sep="\n")
    return figures


def views_part(args: Namespace) -> dict[str, Any]:
    """Figures of views."""
    options = {"vlm.model": args.model, "vlm.max_new_tokens": 96}
    detector = load(Config.from_file(profile_path("embedded"), options))
    figures = {world: measure(detector, args.views, world == "unseen") for world in WORLDS}
    print(f"\n{args.views} views of 448 × 256, {len(NAMES)} kinds\n")
    print(*table(**figures, aims={}), sep="\n")
    return {"views": figures}


def photographs_part(args: Namespace) -> dict[str, Any]:
    """What is invented in photographs."""
    detector = load(Config.from_file(profile_path("embedded"), {"vlm.model": args.model}))
    figures = {name: invented(detector, image) for name, image in pictures()}
    print("\nphotographs and noise (aim: at most 1 invention in each, and all unfamiliar)\n")
    print(f"{'':28}{'inventions':>11} {'highest score':>15}{'novelty':>9}{'unfamiliar':>12}")
    for name, row in figures.items():
        many, flag = "*" if row["inventions"] > 1 else "", "yes" if row["unfamiliar"] else "no*"
        print(f"{name:28}{row['inventions']:11}{many:1}{row['highest_score']:15.2f}{row['novelty']:9.2f}{flag:>12}")
    return {"photographs": figures}


WORLDS = {"own": "", "unseen": "unseen:"}
"""What is measured -> how `synthetic:…` is asked for it."""

PARTS = {"frames": frames_part, "views": views_part, "photographs": photographs_part}


def parts(text: str) -> list[str]:
    """Names of `PARTS` from a command line, separated by commas."""
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise ArgumentTypeError(f"expected some of {','.join(PARTS)}, got {','.join(sorted(unknown))!r}")
    return names


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = ArgumentParser(description="Measure the embedded pair on its own world, unseen ones and photographs.")
    parser.add_argument("--frames", default="60+20", help="scenes and empty roads of each world (%(default)s)")
    parser.add_argument("--views", type=int, default=200, help="views of each world, or 0 (%(default)s)")
    parser.add_argument("--only", type=parts, default=list(PARTS), help=f"some of {','.join(PARTS)} (all)")
    parser.add_argument("--model", default="embedded", choices=VLMS, help="which VLM; embedded-boxes writes boxes, too")
    parser.add_argument("--out", type=Path, default=Path("log/quality"), help=FOLDER)
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    figures: dict[str, Any] = {}
    try:
        for name in args.only:
            if name != "views" or args.views > 0:
                figures |= PARTS[name](args)
    except VlsamError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(json.dumps(report.without_nan(rounded(figures))))
    return 0


def rounded(value: Any) -> Any:
    """The same with four decimals."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    raise SystemExit(main())
