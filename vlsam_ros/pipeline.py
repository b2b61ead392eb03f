"""The whole method on one page: image -> views -> names and maps (or boxes) -> masks -> Detections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

import cv2
import numpy as np

from .backends.interfaces import Embedding, Grounder, Segmenter, Vlm
from .config import Config
from .data import Answer, Detection, Detections, NamedMap, View, check_image
from .ensemble.merge import merge
from .ensemble.schedule import left_out, plan, until_spent
from .ensemble.tiling import lift, views
from .errors import ConfigError, VlmError
from .localisation.grounding import detections, names_in
from .localisation.refine import refine
from .recognition.attention import fuse, named_maps, wants_background
from .recognition.questions import questions_for
from .recognition.verify import verify

HEAT_CELL_PX = 8
"""Frame pixels on a side of one cell of the fused heat map."""


class VLSam:
    """Open-ended detection and segmentation, training-free: a VLM names and points, a segmenter outlines.

    Args:
        vlm: answers questions about a view and shows its attention.
        segmenter: outlines what points show.
        config: every option.
        grounder: finds what the VLM names, beside its attention or instead of it (option `grounder.mode`).
    """

    def __init__(
        self, vlm: Vlm, segmenter: Segmenter, config: Config | None = None, grounder: Grounder | None = None
    ) -> None:
        self.vlm, self.segmenter, self.config = vlm, segmenter, config or Config()
        self.grounder = grounder if self.config.grounder.mode != "attention" else None
        if grounder is None and self.config.grounder.mode != "attention":
            raise ConfigError(f"grounder.mode {self.config.grounder.mode!r}: expected a grounder, got none")

    def __call__(self, image: np.ndarray, budget_s: float | None = None, horizon: float | None = None) -> Detections:
        """Detect everything in a frame.

        Args:
            image: RGB uint8 (H, W, 3).
            budget_s: seconds to spend; `schedule.plan` says what comes first, and the result what was left out.
            horizon: the horizon's row as a share of the frame's height; None: the option `views.horizon`.

        Raises:
            BadImageError, VlmError, SegmenterError, GrounderError: a part of the method failed; nothing is returned.
        """
        started = perf_counter()
        size_hw = check_image(image).shape[:2]
        timings: dict[str, float] = defaultdict(float)
        found: list[Detection] = []
        said: list[tuple[str, str, str]] = []
        heat = np.zeros([-(-side // HEAT_CELL_PX) for side in size_hw], np.float32)
        all_views = views(size_hw, self.config.views, horizon)
        with _timed(timings, "total"):
            with _timed(timings, "vlm"):
                questions = questions_for(self.vlm, all_views[0].crop(image), self.config.questions)
            steps = plan(all_views, questions, self.config.vlm.view_batch, hurry=budget_s is not None)
            for step in until_spent(budget_s, steps, started):
                seen = self.look([view.crop(image) for view in step.views], step.questions, timings)
                for view, (answers, maps, instances) in zip(step.views, seen, strict=True):
                    said += [(view.name, a.question, a.text) for a in answers]
                    found += [lift(d, view) for d in instances]
                    paint(heat, maps, view)
            with _timed(timings, "merge"):
                believed, dropped = (
                    merge([d for d in found if bool(d.reason) is doubted], all_views, size_hw, self.config)
                    for doubted in (False, True)
                )
        return Detections(
            size_hw=size_hw,
            items=believed,
            dropped=dropped,
            skipped=left_out(all_views, questions, {(view, question) for view, question, _ in said}),
            vlm=self.vlm.name,
            segmenter=self.segmenter.name,
            grounder=self.grounder.name if self.grounder else "",
            demonstration=self.vlm.demonstration or self.segmenter.demonstration,
            heat=heat,
            answers=tuple(said),
            timings_s=dict(timings),
        )

    def look(
        self, views: Sequence[np.ndarray], questions: Sequence[str], timings: dict[str, float]
    ) -> list[tuple[list[Answer], list[NamedMap], list[Detection]]]:
        """For each view (H, W, 3): what the VLM says, one map per name, and instances in pixels of the view."""
        config, aside, attends = self.config, [], self.config.grounder.mode != "grounder"
        if attends and wants_background(config.attention):
            aside = [config.attention.background_question]
        with _timed(timings, "vlm"):
            answered = self.vlm.answer_views(views, [*questions, *aside])
        seen = []
        for pixels, answers in zip(views, answered, strict=True):
            if len(answers) != len(questions) + len(aside):
                raise VlmError(f"expected {len(questions) + len(aside)} answers, got {len(answers)}")
            background = answers.pop() if aside else None
            grounded, embedding = self._ground(pixels, answers, timings) if self.grounder else ([], None)
            with _timed(timings, "attention"):
                maps = fuse(named_maps(answers, config.questions, config.attention, background)) if attends else []
            with _timed(timings, "segmenter"):
                instances = [*grounded, *refine(self.segmenter, pixels, maps, config, embedding)]
            with _timed(timings, "verify"):
                verdicts, instances = verify(self.vlm, pixels, instances, config)
            seen.append(([*answers, *verdicts], maps, instances))
        return seen

    def _ground(
        self, pixels: np.ndarray, answers: Sequence[Answer], timings: dict[str, float]
    ) -> tuple[list[Detection], Embedding | None]:
        """The second path: instances of the names in the answers, and the view's embedding if they took one."""
        assert self.grounder
        names = names_in(answers, self.config.questions)
        with _timed(timings, "grounder"):
            found = self.grounder.locate(pixels, list(names))
        with _timed(timings, "segmenter"):
            embedding = self.segmenter.embed(pixels) if len(found) and found.masks is None else None
            return detections(self.segmenter, embedding, found, names, self.config), embedding


def load(config: Config | None = None) -> VLSam:
    """The detector with the models that a configuration names.

    Raises:
        ModelLoadError: a model is missing or unreadable.
    """
    from .backends import load_grounder, load_segmenter, load_vlm

    config = config or Config()
    if config.vlm.threads:
        import torch

        torch.set_num_threads(config.vlm.threads)
    grounder = load_grounder(config.grounder) if config.grounder.mode != "attention" else None
    return VLSam(load_vlm(config.vlm), load_segmenter(config.segmenter), config, grounder)


def paint(canvas: np.ndarray, maps: Sequence[NamedMap], view: View) -> None:
    """Raise a coarse heat map of the frame (h, w), in place, to the maximum over a view's maps."""
    for m in maps:
        corner = np.tile(view.xyxy[:2], 2)
        x0, y0, x1, y1 = (corner + m.layout.xyxy) / HEAT_CELL_PX
        left, top = np.floor(np.maximum((x0, y0), corner[:2] / HEAT_CELL_PX)).astype(int)
        right, bottom = np.ceil(np.minimum((x1, y1), np.divide(view.xyxy[2:], HEAT_CELL_PX))).astype(int)
        part = canvas[top:bottom, left:right]
        columns = (np.arange(left, right) + 0.5 - x0) * m.heat.shape[1] / (x1 - x0) - 0.5
        rows = (np.arange(top, bottom) + 0.5 - y0) * m.heat.shape[0] / (y1 - y0) - 0.5
        grid = np.broadcast_arrays(columns.astype(np.float32), rows.astype(np.float32)[:, None])
        np.maximum(part, cv2.remap(m.heat, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), out=part)


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds spent inside to `timings[stage]`."""
    started = perf_counter()
    yield
    timings[stage] += perf_counter() - started
