"""The whole method on one page: image -> views -> names -> maps and boxes -> masks -> Detections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import cv2
import numpy as np

from .backends.interfaces import Grounder, Segmenter, Vlm
from .config import Config
from .data import Answer, Detection, Detections, NamedMap, Pixels, View, check_image
from .ensemble.merge import merge
from .ensemble.schedule import Pace, Step, left_out, plan, until_spent
from .ensemble.tiling import lift, views
from .errors import ConfigError, GrounderError, SegmenterError, VlmError, VlsamError, out_of_memory
from .localisation import native
from .localisation.fusion import Asked, witnessed
from .localisation.grounding import detections, names_in
from .localisation.refine import refine
from .recognition.attention import fuse, named_maps, wants_background, wants_hidden
from .recognition.questions import ParsedName, parse_names, questions_for
from .recognition.unanswered import cut_off, no_answer
from .recognition.verify import verify

FULL_HD = (1080, 1920)

HEAT_CELL_PX = 8
"""Frame pixels on a side of one cell of the fused heat map."""

Named = Mapping[str, tuple[str, float]]
"""The names in the answers about a view: each with the question that brought it and its certainty."""

STAGES: dict[str, type[VlsamError]] = {
    "vlm": VlmError,
    "attention": VlmError,
    "verify": VlmError,
    "grounder": GrounderError,
    "segmenter": SegmenterError,
    "merge": VlsamError,
}
"""The parts of the work on a frame, and the error of each that runs out of memory."""


@dataclass(frozen=True)
class Look:
    """What came of one view.

    Attributes:
        said: question and text of everything the VLM said.
        doubts: the questions whose answers are not whole, or name what was found nowhere, each with the reason.
        named: whether it named anything.
        maps: one for each name.
        instances: in pixels of the view.
        tokens: how many image tokens it has.
        novelty: see `Answer`.
    """

    said: list[tuple[str, str]]
    doubts: list[tuple[str, str]]
    named: bool
    maps: list[NamedMap]
    instances: list[Detection]
    tokens: int
    novelty: float | None = None


class VLSam:
    """Open-ended detection and segmentation, training-free: a VLM names and points, a segmenter outlines.

    Args:
        vlm: answers questions about a view, and shows its attention or writes boxes.
        segmenter: outlines what points and boxes show; None if a grounder that outlines itself finds everything.
        config: every option.
        grounder: finds what the VLM names, as `grounder.mode` says.

    Raises:
        ConfigError: a model is missing, or can't do what the options want of it.
    """

    def __init__(
        self, vlm: Vlm, segmenter: Segmenter | None, config: Config | None = None, grounder: Grounder | None = None
    ) -> None:
        self.vlm, self.segmenter = vlm, segmenter
        self._looking, self._merging, self._tokens = Pace(), Pace(), dict[str, int]()
        config = config or Config()
        self.grounder = grounder if "grounder" in config.grounder.ways else None
        if "grounder" in config.grounder.ways and grounder is None:
            raise ConfigError(f"grounder.mode {config.grounder.mode!r}: expected a grounder, got none")
        if segmenter is None and needs_segmenter(config, grounder):
            raise ConfigError(f"grounder.mode {config.grounder.mode!r}: expected a segmenter, got none")
        self.configure(config)

    def __call__(
        self,
        image: np.ndarray,
        budget_s: float | None = None,
        horizon: float | None = None,
        extra: Sequence[str] = (),
        preliminary: Callable[[Detections], None] | None = None,
    ) -> Detections:
        """Detect everything in a frame.

        Args:
            image: RGB uint8 (H, W, 3).
            budget_s: seconds to spend; `schedule.plan` says what comes first, and the result what was left out.
            horizon: the horizon's row as a share of the frame's height; None: the option `views.horizon`.
            extra: questions beside those of the options.
            preliminary: gets what the full view has shown, which is looked at first then, if there is more to look at.

        Raises:
            BadImageError, VlmError, SegmenterError, GrounderError: a part of the method failed or ran out of memory, or
                the VLM answered no question; nothing is returned.
        """
        started = perf_counter()
        size_hw = check_image(image).shape[:2]
        timings: dict[str, float] = defaultdict(float)
        found: list[Detection] = []
        said: list[tuple[str, str, str]] = []
        problems: list[str] = []
        novelty: float | None = None
        doubted: set[tuple[str, str]] = set()
        heat = np.zeros([-(-side // HEAT_CELL_PX) for side in size_hw], np.float32)
        all_views, named = views(size_hw, self.config.views, horizon), False
        pixels = {all_views[0].name: _pixels(image, all_views[0])}
        done: list[Step] = []
        with _timed(timings, "total"):
            with _timed(timings, "vlm"):
                questions = self._questions(pixels[all_views[0].name])
                questions = [*questions, *(q for q in dict.fromkeys(extra) if q not in questions)]
            whole, left_s = Step(tuple(all_views), tuple(questions)), (budget_s or 0.0) - (perf_counter() - started)
            hurry = budget_s is not None and ((known := self._cost(done, whole)) is None or known > left_s)
            steps = self._steps(all_views, questions, hurry, first=preliminary is not None)
            for step in until_spent(budget_s, steps, started, partial(self._cost, done)):
                load, begun = self._load(done, step), perf_counter()
                pixels |= {view.name: _pixels(image, view) for view in step.views if view.name not in pixels}
                looks = self.look([pixels[view.name] for view in step.views], step.questions, timings)
                done.append(step)
                named |= any(look.named for look in looks)
                for view, look in zip(step.views, looks, strict=True):
                    novelty = look.novelty if view.xyxy == (0, 0, *size_hw[::-1]) else novelty
                    self._tokens[view.name] = look.tokens
                    said += [(view.name, *words) for words in look.said]
                    problems += [f"{view.name}: {question}: {reason}" for question, reason in look.doubts]
                    doubted |= {(view.name, question) for question, _ in look.doubts if question in step.questions}
                    found += [lift(d, view) for d in look.instances]
                    paint(heat, look.maps, view)
                self._looking.learn(load, perf_counter() - begun)
                if preliminary and len(done) == 1 < len(steps):
                    first = self._result(found, all_views, size_hw, questions, said, problems, heat, timings)
                    preliminary(replace(first, novelty=novelty))
            asked = sum(step.size for step in done)
            if len(doubted) == asked and not named:
                raise VlmError(f"{self.vlm.name} answered none of {asked} questions: {'; '.join(problems)}")
            result = self._result(found, all_views, size_hw, questions, said, problems, heat, timings)
            self._merging.learn((asked, 1), timings["merge"])
        return replace(result, timings_s=dict(timings), novelty=novelty)

    def _result(
        self,
        found: Sequence[Detection],
        all_views: Sequence[View],
        size_hw: tuple[int, int],
        questions: Sequence[str],
        said: Sequence[tuple[str, str, str]],
        problems: Sequence[str],
        heat: np.ndarray,
        timings: dict[str, float],
    ) -> Detections:
        """What was found until now, merged."""
        with _timed(timings, "merge"):
            believed, dropped = (
                merge([d for d in found if bool(d.reason) is doubted], all_views, size_hw, self.config)
                for doubted in (False, True)
            )
        return replace(
            self.nothing(size_hw),
            items=believed,
            dropped=dropped,
            skipped=left_out(all_views, questions, {(view, question) for view, question, _ in said}),
            problems=tuple(problems),
            heat=heat.copy(),
            answers=tuple(said),
        )

    def configure(self, config: Config) -> None:
        """Other options from the next frame on, of those that no model was loaded by (`config.is_live`).

        Raises:
            ConfigError: the VLM can't do what they want of it; the options stay as they were.
        """
        ways, form = config.grounder.ways, config.vlm.boxes
        if ("attention" in ways or config.fusion.attention_checks) and not self.vlm.attends:
            raise ConfigError(
                f"{self.vlm.name} gives no attention: choose another grounder.mode than {config.grounder.mode!r}, "
                "without fusion.attention_checks, or set vlm.replay"
            )
        form = self.vlm.boxes if form == "auto" else form
        if "native" in ways and not form:
            raise ConfigError(
                f"grounder.mode {config.grounder.mode!r}: {self.vlm.name} is not known to write boxes; if it does, say "
                "in which form with vlm.boxes"
            )
        self.config, self._form = config, form
        if self.grounder:
            self.grounder.configure(config.grounder)

    def warm_up(self, size_hw: tuple[int, int] = FULL_HD) -> None:
        """Get the models ready for the views and questions of the options, so that no frame has to wait for that.

        Args:
            size_hw: of the frames to come; others of about the same aspect have views that are alike, if
                `vlm.view_tokens` makes them so.
        """
        options, frame = self.config.questions, np.zeros((*size_hw, 3), np.uint8)
        fixed = [self._all_at_once] if self._all_at_once else options.questions
        count = options.generated if options.mode == "generated" and not self._all_at_once else len(fixed)
        questions = [fixed[i % len(fixed)] for i in range(count)]
        ways = (False, True) if self.config.node.latency_budget_s else (False,)
        first = self.config.node.publish_partial
        all_views = views(size_hw, self.config.views)
        steps = {step for hurry in ways for step in self._steps(all_views, questions, hurry, first)}
        for step in sorted(steps, key=lambda step: step.size):  # the small ones are to run on no larger one's buffers
            pixels = [_pixels(frame, view) for view in step.views]
            self._prepare(pixels)
            self.vlm.warm_up(pixels, [*step.questions, *self._aside()])

    def _steps(
        self, all_views: Sequence[View], questions: Sequence[str], hurry: bool, first: bool = False
    ) -> list[Step]:
        return plan(all_views, questions, self.config.vlm.view_batch or len(all_views), hurry, first)

    def _load(self, done: Sequence[Step], step: Step) -> tuple[float, float, float]:
        """What there is to do in a step: image tokens of views not seen before, answers, and one step."""
        seen = {view for before in done for view in before.views}
        typical = float(np.mean(list(self._tokens.values()))) if self._tokens else 1.0
        tokens = sum(self._tokens.get(view.name, typical) for view in step.views if view not in seen)
        return tokens, step.size, 1.0

    def _cost(self, done: Sequence[Step], step: Step) -> float | None:
        """Seconds that a step will take, and merging after it; None if nothing is known of it."""
        looking = self._looking.expected(self._load(done, step))
        merging = self._merging.expected((sum(s.size for s in (*done, step)), 1)) or 0.0
        return None if looking is None else looking + merging

    @property
    def _attends(self) -> bool:
        """Whether anybody looks at the VLM's attention."""
        return "attention" in self.config.grounder.ways or self.config.fusion.attention_checks

    @property
    def _all_at_once(self) -> str | None:
        """The question whose answer has the names and the boxes; None if they are asked for one after the other."""
        if "native" not in self.config.grounder.ways or self.config.native.ask != "at once":
            return None
        return native.ask_all(self._form, self.config.native)

    def _questions(self, pixels: np.ndarray) -> list[str]:
        """What is asked about each view."""
        return [self._all_at_once] if self._all_at_once else questions_for(self.vlm, pixels, self.config.questions)

    def _aside(self) -> list[str]:
        """What is asked beside the questions, whose answer names nothing."""
        return (
            [self.config.attention.background_question]
            if self._attends and wants_background(self.config.attention)
            else []
        )

    def _names(self, answer: Answer) -> list[ParsedName]:
        """The names in an answer."""
        if answer.question == self._all_at_once:
            return native.names(answer, self._form, self.config.questions)
        return parse_names(answer.text, self.config.questions, answer.truncated)

    def _prepare(self, views: Sequence[np.ndarray]) -> None:
        """Begin what the VLM's answers are not needed for."""
        if self.segmenter and needs_segmenter(self.config, self.grounder):
            self.segmenter.prepare(views)
        if self.grounder:
            self.grounder.prepare(views)

    def nothing(self, size_hw: tuple[int, int]) -> Detections:
        """A result for a frame (H, W) that says no more than which models there are."""
        return Detections(
            size_hw=size_hw,
            vlm=self.vlm.name,
            segmenter=self.segmenter.name if self.segmenter else "",
            grounder=self.grounder.name if self.grounder else "",
            demonstration=self.vlm.demonstration or bool(self.segmenter and self.segmenter.demonstration),
        )

    def look(self, views: Sequence[np.ndarray], questions: Sequence[str], timings: dict[str, float]) -> list[Look]:
        """What comes of each view (H, W, 3). No answer's Q and K outlive it."""
        config, aside = self.config, self._aside()
        with _timed(timings, "vlm"):
            hidden = self._attends and wants_hidden(config.attention)
            states = {"hidden": config.attention.hidden_layer} if hidden else {}
            answered = self.vlm.answer_views(views, [*questions, *aside], partial(self._prepare, views), **states)
        if (got := [len(own) for own in answered]) != [len(questions) + len(aside)] * len(views):
            raise VlmError(f"expected {len(questions) + len(aside)} answers for each of {len(views)} views, got {got}")
        background = [own.pop() if aside else None for own in answered]
        parsed = [[self._names(answer) for answer in own] for own in answered]
        with _timed(timings, "attention"):
            named = (
                named_maps(answered, config.questions, config.attention, background, parsed)
                if self._attends
                else [[] for _ in views]
            )
            maps = [fuse(own) for own in named]
        names = [names_in(a, config.questions, own) for a, own in zip(answered, parsed, strict=True)]
        said = [[(a.question, a.text) for a in own] for own in answered]
        doubts = [[(a.question, self._doubt(a)) for a in own] for own in answered]
        for own, beside in zip(doubts, background, strict=True):
            own += [(beside.question, beside.failed)] if beside else []
        tokens = [len(own[0].layout.positions) for own in answered]
        novelties = [own[0].novelty for own in answered]
        places = self._places(views, answered, names, said, doubts, timings)
        del answered, background
        looks = []
        for i, instances in enumerate(self._outlined(views, maps, names, places, timings)):
            if "attention" in config.grounder.ways:
                placed = {d.label for d in instances}
                doubts[i] += [(q, f"no place for {n!r}") for n, (q, _) in names[i].items() if n not in placed]
            found = witnessed(instances, maps[i] if self._attends else None, places[i])
            with _timed(timings, "verify"):
                verdicts, found = verify(self.vlm, views[i], found, config)
            said[i] += [(a.question, a.text) for a in verdicts]
            doubts[i] += [(a.question, a.failed) for a in verdicts]
            del verdicts
            doubted = [(q, why) for q, why in doubts[i] if why]
            looks.append(Look(said[i], doubted, bool(names[i]), maps[i], found, tokens[i], novelties[i]))
        return looks

    def _doubt(self, answer: Answer) -> str:
        """Why an answer leaves open what there is; empty if it does not."""
        unsaid = answer.failed or no_answer(answer.text, answer.truncated, self.config.questions)
        return unsaid or cut_off(answer)

    def _places(
        self,
        views: Sequence[np.ndarray],
        answered: Sequence[Sequence[Answer]],
        names: Sequence[Named],
        said: Sequence[list[tuple[str, str]]],
        doubts: Sequence[list[tuple[str, str]]],
        timings: dict[str, float],
    ) -> list[dict[str, Asked]]:
        """What all ways but the attention find in each view; what the VLM says for that goes to `said` and `doubts`."""
        config = self.config
        places: list[dict[str, Asked]] = [{} for _ in views]
        if "native" in config.grounder.ways:
            for i, pixels in enumerate(views):
                asked = {name: question for name, (question, _) in names[i].items()}
                with _timed(timings, "vlm"):
                    heard = native.ask(
                        self.vlm,
                        pixels,
                        answered[i],
                        asked,
                        self._all_at_once,
                        self._form,
                        config.native,
                        config.questions,
                    )
                places[i]["native"] = heard.places, heard.numbers
                said[i].extend(heard.said)
                doubts[i].extend(heard.problems)
        if self.grounder:
            with _timed(timings, "grounder"):
                located = self.grounder.locate_views(views, [list(own) for own in names])
            for found, own, each in zip(located, names, places, strict=True):
                each["grounder"] = found, {name: n for n, name in enumerate(own)}
        return places

    def _outlined(
        self,
        views: Sequence[np.ndarray],
        maps: Sequence[Sequence[NamedMap]],
        names: Sequence[Named],
        places: Sequence[Mapping[str, Asked]],
        timings: dict[str, float],
    ) -> list[list[Detection]]:
        """The instances of each view, of all ways."""
        with _timed(timings, "segmenter"):
            found = [
                detections(self.segmenter, views, [own[way][0] for own in places], names, self.config, way)
                for way in ("grounder", "native")
                if way in self.config.grounder.ways
            ]
            if "attention" in self.config.grounder.ways and self.segmenter:
                found.append(refine(self.segmenter, views, maps, self.config))
        return [[d for own in found for d in own[i]] for i in range(len(views))]


def needs_segmenter(config: Config, grounder: Grounder | None) -> bool:
    """Whether anything is to be outlined that no grounder outlines itself."""
    return config.grounder.ways != ("grounder",) or not (grounder and grounder.outlines)


def load(config: Config | None = None) -> VLSam:
    """The detector with the models that a configuration names.

    Raises:
        ConfigError: a device isn't available on this machine.
        ModelLoadError: a model is missing or unreadable.
    """
    from .backends import load_grounder, load_segmenter, load_vlm
    from .backends.devices import pick_device
    from .backends.vlm.address import SCHEME

    config = config or Config()
    grounds = "grounder" in config.grounder.ways
    here = {
        "vlm": config.vlm.replay != "none" or not config.vlm.model.startswith(SCHEME),
        "segmenter": config.segmenter.model != "none",
        "grounder": grounds,
    }
    for group in (group for group, runs in here.items() if runs):
        pick_device(getattr(config, group).device, f"{group}.device")  # before gigabytes are read
    grounder = load_grounder(config.grounder) if grounds else None
    segmenter = load_segmenter(config.segmenter) if needs_segmenter(config, grounder) else None
    detector = VLSam(load_vlm(config.vlm), segmenter, config, grounder)
    detector.warm_up()
    return detector


def _pixels(image: np.ndarray, view: View) -> Pixels:
    """A view of an image (H, W, 3), side by side in memory, for the models to keep things with."""
    return np.ascontiguousarray(view.crop(image)).view(Pixels)


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
    """Add the seconds spent inside to `timings[stage]`.

    Raises:
        VlsamError: of the type in `STAGES`, if the memory runs out inside.
    """
    started = perf_counter()
    try:
        yield
    except Exception as error:
        if isinstance(error, VlsamError) or not out_of_memory(error):
            raise
        raise STAGES.get(stage, VlsamError)(f"out of memory ({stage}): {error}") from error
    timings[stage] += perf_counter() - started
