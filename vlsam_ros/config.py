"""Every option once: type, default, range and doc. ROS parameters, YAML profiles, CLI and docs follow from it."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .options import Option, declared, device_option, dtype_option, in_file, kind, option

PROFILES = ("embedded", "desktop", "sam3", "apache", "server", "jetson", "paper")
"""The profiles that come with the package, in config/."""

OF_ROS = ("use_sim_time", "qos_overrides", "start_type_description_service")
"""What any ROS node may be given beside its own parameters."""

LIVE = (
    *("views", "questions", "attention", "native", "prompts", "refine", "score", "fusion", "verify", "merge", "tracks"),
    *("grounder.threshold", "grounder.max_boxes"),
    *(f"node.{key}" for key in ("keyframe_rate_hz", "keyframes", "change", "max_gap_s", "latency_budget_s")),
    *(f"node.{key}" for key in ("publish_partial", "priorities", "max_age_s", "silent_s", "timeout_s")),
)
"""Groups, and single options, that may change while the node runs; the others, while it is unconfigured."""

WAYS = ("attention", "grounder", "native")
"""From a name to a place: the VLM's attention, a localiser that is told the name, the boxes that the VLM writes."""

BOX_FORMATS = (
    *("qwen2", "qwen2.5", "qwen3", "internvl", "molmo", "molmo2", "paligemma", "gemma", "gemini", "glm"),
    *("deepseek", "kosmos", "moondream", "florence"),
)
"""The forms in which families of VLMs write boxes and points."""

_PART = r"(?:[A-Za-z_]|\{[A-Za-z_]\w*\})(?:\w|\{[A-Za-z_]\w*\})*"
TOPIC = re.compile(rf"~?/?{_PART}(/{_PART})*", re.ASCII)
"""A topic's name: https://design.ros2.org/articles/topic_and_service_names.html."""


@dataclass(frozen=True)
class VlmOptions:
    """The vision-language model."""

    model: str = option(
        "embedded",
        "'embedded' ('embedded-plain': the same without training where to look; 'embedded-boxes': one that writes "
        "boxes, too, asked to 'detect every object'); a local path or a hub id of a transformers image-text-to-text "
        "model; or a server that speaks OpenAI's protocol, as "
        "'openai:http://host:8000/v1#model'",
    )
    replay: str = option(
        "none",
        "with a server: a local path or hub id of the same model, which reads what the server wrote once more, so that "
        "there is attention ('none': there is none)",
    )
    boxes: str = option(
        "auto",
        "the form in which the VLM writes boxes or points, for `grounder.mode` 'native' ('auto': by family or name)",
        choices=("auto", *BOX_FORMATS),
    )
    server_timeout_s: float = option(
        20.0, "longest time for one answer of the server, in all its tries", low=0.1, high=3600.0
    )
    server_retries: int = option(
        2, "how often a request to the server is tried again, after growing pauses", low=0, high=10
    )
    server_parallel: int = option(8, "most requests at the server at once", low=1, high=256)
    server_image_px: int = option(
        1280, "longest side of a picture for the server; larger views are sent smaller", low=28, high=8192
    )
    server_image_quality: int = option(
        90, "JPEG quality of a picture for the server (0: PNG, lossless)", low=0, high=100
    )
    device: str = device_option()
    dtype: str = dtype_option("weights'")
    quantisation: str = option(
        "none",
        "weight quantisation of the language model through bitsandbytes (cuda only; int4 is nf4)",
        choices=("none", "int8", "int4"),
    )
    threads: int = option(
        0, "CPU threads for both models (0: torch decides; on a busy machine 1 is much faster)", low=0, high=256
    )
    view_batch: int = option(0, "most views answered at once (0: as many as the memory holds)", low=0, high=32)
    view_tokens: int = option(
        0,
        "about so many image tokens for each view, whatever its size, as far as the model's family lets the picture's "
        "size decide: views of one aspect are then alike, and small ones are enlarged (0: by their own size)",
        low=0,
        high=16384,
    )
    image_tokens: int = option(
        8192,
        "most image tokens of one view without `vlm.view_tokens`: a larger picture is shown smaller, as far as the "
        "model's family lets its size decide (0: as many as the model makes of it)",
        low=0,
        high=65536,
    )
    max_new_tokens: int = option(64, "longest answer to one question, in tokens", low=1, high=2048)
    max_repeats: int = option(
        6, "an answer that says the same so often in a row ends there, and is marked (0: never)", low=0, high=64
    )
    compile: str = option(
        "auto",
        "compile the step that writes a token, with CUDA graphs on a GPU; takes a minute or more at the start ('auto': "
        "on cuda, where the model's family can be compiled)",
        choices=("auto", "on", "off"),
    )
    answers: str = option(
        "free",
        "'free': in the model's own words; 'json': held to a JSON list of short names (needs the package xgrammar, "
        "slows each token down, and is of use only where a model would write something else)",
        choices=("free", "json"),
    )
    beams: int = option(1, "beams that search for an answer (1: none)", low=1, high=16)
    temperature: float = option(
        0.0, "answers are sampled at this temperature (0: none, the likeliest token each time)", low=0.0, high=2.0
    )
    trust_remote_code: bool = option(False, "allow the model's own Python code to run; only for checkpoints you trust")


@dataclass(frozen=True)
class SegmenterOptions:
    """The promptable segmenter."""

    model: str = option(
        "embedded",
        "'embedded'; a checkpoint of segment_anything or MobileSAM as '<vit_h|vit_l|vit_b|vit_t>:<path>'; a local "
        "path or hub id of a transformers SAM, SAM-HQ, SAM 2 or EdgeTAM; or 'none', where a grounder that outlines "
        "itself (SAM 3, YOLOE) finds everything",
    )
    device: str = device_option()
    dtype: str = dtype_option("autocast")
    batch: int = option(32, "most prompts per decoder call", low=1, high=1024)


@dataclass(frozen=True)
class GrounderOptions:
    """From a name to a place: which ways, and the localiser that is told the VLM's names."""

    mode: str = option(
        "attention",
        "who says where a named thing is, one or several joined by +: 'attention': the VLM's attention; 'grounder': "
        "the model below; 'native': the boxes or points that the VLM writes. 'both' is 'attention+grounder'",
        choices=(
            *(*WAYS, "attention+grounder", "attention+native", "grounder+native", "attention+grounder+native"),
            "both",
        ),
    )
    model: str = option(
        "none",
        "a local path or a hub id of GroundingDINO, MM-GroundingDINO, LLMDet, OWLv2, OWL-ViT, OmDet-Turbo or SAM 3 in "
        "transformers; or YOLO-World or YOLOE as 'ultralytics:<file>' (ultralytics is AGPL-3.0)",
    )
    device: str = device_option()
    dtype: str = dtype_option("weights'")
    threshold: float = option(
        -1.0, "boxes that score no more are left out (-1: as the model's family has it, 0.1 to 0.3)", low=-1.0, high=1.0
    )
    max_boxes: int = option(16, "most boxes of one name in a view, best first", low=1, high=1000)
    batch: int = option(
        8, "most names at once in SAM 3, whose memory grows with it (others: what their text holds)", low=1, high=256
    )
    trust_pickle: bool = option(
        False,
        "allow a checkpoint that can run code (ultralytics' .pt, .torchscript and .engine); only for files you trust",
    )

    @property
    def ways(self) -> tuple[str, ...]:
        """Those of `WAYS` that find instances."""
        return ("attention", "grounder") if self.mode == "both" else tuple(self.mode.split("+"))


@dataclass(frozen=True)
class NativeOptions:
    """The VLM's own boxes and points."""

    ask: str = option(
        "names",
        "'names': the questions first, then for the boxes of each name; 'at once': for all names and boxes in one "
        "answer a view, instead of the questions. A box as JSON is some 40 tokens: see `vlm.max_new_tokens`",
        choices=("names", "at once"),
    )
    of_name: str = option(
        "",
        "how boxes of a name are asked for, which takes the place of {name} (empty: as the form in `vlm.boxes` has it)",
    )
    question: str = option("", "what 'at once' asks (empty: as the form in `vlm.boxes` has it)")
    max_boxes: int = option(
        64, "most boxes and points of one answer; what is more is left out and said", low=1, high=1000
    )

    def __post_init__(self) -> None:
        if self.of_name:
            _check_template("native.of_name", self.of_name)


@dataclass(frozen=True)
class ViewOptions:
    """The views of one frame."""

    full: bool = option(True, "look at the whole frame")
    tile_rows: int = option(2, "rows of overlapping tiles (0: none)", low=0, high=8)
    tile_columns: int = option(2, "columns of overlapping tiles (0: none)", low=0, high=8)
    overlap: float = option(0.2, "share of a tile that neighbours share", low=0.0, high=0.8)
    far: int = option(3, "views side by side in the far-field band along the horizon (0: none)", low=0, high=8)
    horizon: float = option(0.5, "the horizon's row as a share of the frame's height", low=0.0, high=1.0)
    far_scale: float = option(0.35, "width of a far-field view as a share of the frame's width", low=0.05, high=1.0)
    near: int = option(0, "views side by side in a second, larger band along the horizon (0: none)", low=0, high=8)
    near_scale: float = option(0.55, "width of a near-field view as a share of the frame's width", low=0.05, high=1.0)
    border_px: float = option(
        3.0, "a box this close to its view's inner border is cut off; it stays if none is better", low=0.0, high=64.0
    )


@dataclass(frozen=True)
class QuestionOptions:
    """What the VLM is asked."""

    mode: str = option(
        "fixed",
        "'fixed': the list below; 'generated': the VLM writes its own questions first (as in the paper)",
        choices=("fixed", "generated"),
    )
    questions: list[str] = option(
        ["List every object on or near the road."], "the questions of mode 'fixed', most important first"
    )
    generated: int = option(10, "how many questions the VLM writes in mode 'generated'", low=1, high=50)
    generated_tokens: int = option(512, "most tokens that it writes them with", low=16, high=8192)
    of_name: str = option(
        "List every {name} in the picture.", "how the service ~/ask asks for a name, which takes the place of {name}"
    )
    max_names: int = option(32, "most names taken from one answer", low=1, high=256)
    max_label_chars: int = option(48, "longest label, in characters", low=8, high=128)
    ignore: list[str] = option([], "names that are never reported (such as 'road' or 'sky')")

    def __post_init__(self) -> None:
        _check_template("questions.of_name", self.of_name)


@dataclass(frozen=True)
class AttentionOptions:
    """From attention to one map per name."""

    preset: str = option(
        "vlsam",
        "'vlsam': the paper; 'decaf': after DecAF; 'hidden': no attention, but how alike the hidden states of the name "
        "and of each image token are, after FSeg-LLaVA; 'product': that times the map of 'vlsam'. Decides every option "
        "below that says 'preset' or -1",
        choices=("vlsam", "decaf", "hidden", "product"),
    )
    head_weight: str = option(
        "preset",
        "how heads are weighed: 'vlsam': mean over queries of the max over keys; 'vmax': that max over the image's "
        "keys only, relative to the layer's strongest head; 'mean': all alike",
        choices=("preset", "vlsam", "vmax", "mean"),
    )
    flow: str = option(
        "flow",
        "'flow': aggregate over layers; 'last': last layer only; 'mean': mean over layers",
        choices=("flow", "last", "mean"),
    )
    residual: str = option(
        "preset",
        "the way around a layer: 'vlsam': I + S'; 'half': (I + S') / 2 with S' scaled to rows that sum to 1",
        choices=("preset", "vlsam", "half"),
    )
    regulariser: str = option(
        "preset", "where the column ramp (j + 1) / N damps the flow", choices=("preset", "layer", "end", "off")
    )
    contrast: str = option(
        "preset",
        "what is taken out of a name's map: 'background': the map of a question about the background, by subtraction; "
        "'null': what uniform attention would give, by division",
        choices=("preset", "none", "background", "null"),
    )
    background_question: str = option(
        "Describe the background of the picture: the sky, the road and the buildings.",
        "what contrast 'background' asks; its answer names nothing",
    )
    first_layer: int = option(
        -1,
        "first layer that takes part in the flow, counted among those with attention (-1: as the preset says; decaf: "
        "the middle one)",
        low=-1,
        high=512,
    )
    hidden_layer: int = option(
        -1, "after which layer, of all, hidden states are compared (-1: the middle one)", low=-1, high=512
    )
    sigma: float = option(
        -1.0, "Gaussian smoothing of the map, in grid cells (0: none; -1: as the preset says)", low=-1.0, high=8.0
    )
    chunk: int = option(8, "heads of a view computed at once (on a GPU: all)", low=1, high=1024)


@dataclass(frozen=True)
class PromptOptions:
    """From a map to points."""

    threshold: float = option(0.35, "how high a cell of the map must be to be positive", low=0.0, high=1.0)
    threshold_from: str = option(
        "zero",
        "'zero': the threshold is a share of the map's maximum; 'mean': of the way from its mean to its maximum",
        choices=("zero", "mean"),
    )
    seeding: str = option(
        "peaks",
        "what is a seed (an instance): each separated peak of the positive area, each of its connected components, or "
        "the largest component alone (the paper)",
        choices=("peaks", "components", "largest"),
    )
    peak_distance: float = option(
        1.5, "least distance between two seeds of one name, in grid cells", low=0.0, high=32.0
    )
    max_seeds: int = option(8, "most seeds (instances) per name and view", low=1, high=64)
    positives: int = option(1, "positive points per seed", low=1, high=8)
    negatives: int = option(1, "negative points per seed", low=0, high=8)
    negatives_from: str = option(
        "near",
        "'near': the lowest points around the seed; 'anywhere': the lowest of the whole map (the paper)",
        choices=("near", "anywhere"),
    )
    upsample: int = option(4, "the map is enlarged this often (bicubic) before points are taken", low=1, high=32)


@dataclass(frozen=True)
class RefineOptions:
    """From points to masks."""

    rounds: int = option(
        2, "rounds of sampling and segmenting; from the second on the map is masked by the last result", low=1, high=4
    )
    again: str = option(
        "inside",
        "what later rounds look at: the map 'inside' each mask, for a better one; 'outside' of all masks of the name, "
        "for instances that were missed; or 'both'",
        choices=("inside", "outside", "both"),
    )
    cascade: bool = option(True, "PerSAM cascade: points, then with the low-res mask, then with the box too")
    multimask: bool = option(True, "take the best of three masks in the cascade's later steps")
    box: str = option(
        "mask",
        "box prompt: 'mask': the mask's box in the cascade's last step; 'map': in every step the box of the seed's "
        "positive area",
        choices=("mask", "map", "none"),
    )
    component: bool = option(True, "keep only the mask's component under the seed")


@dataclass(frozen=True)
class ScoreOptions:
    """From the parts of a score, each in [0, 1], to the score."""

    mapping: str = option(
        "mean",
        "'mean': their weighted mean; 'logistic': 1 / (1 + exp(-(bias + weighted sum))), which `vlsam evaluate "
        "calibrate` fits so that a score is a probability",
        choices=("mean", "logistic"),
    )
    bias: float = option(0.0, "bias of the logistic mapping", low=-100.0, high=100.0)
    attention: float = option(
        1.0,
        "weight of the attention at the seed, or of the score of a box that the grounder or the VLM gave",
        low=0.0,
        high=100.0,
    )
    iou: float = option(1.0, "weight of the segmenter's predicted IoU", low=0.0, high=100.0)
    consistency: float = option(
        1.0,
        "weight of the agreement of mask and map, or of the mask's box and the one that the grounder or the VLM gave",
        low=0.0,
        high=100.0,
    )
    certainty: float = option(
        0.0, "weight of the probability that the VLM gave to the name's words", low=0.0, high=100.0
    )

    def __post_init__(self) -> None:
        if self.attention + self.iou + self.consistency + self.certainty <= 0:
            raise ConfigError("score: expected a weight above 0 for one of its parts, got 0 for all")


@dataclass(frozen=True)
class FusionOptions:
    """From what several ways say of an instance to one score."""

    attention_checks: bool = option(
        False, "the attention is a witness for what other ways find, also where it finds nothing itself"
    )
    mapping: str = option(
        "independent",
        "'independent': 1 - product of (1 - score) over the ways that found it; 'logistic': 1 / (1 + exp(-(bias + "
        "score's weight * best score + sum over witnesses of weight * (evidence - its mean)))), which `vlsam evaluate "
        "calibrate` fits: who agrees raises it, who contradicts lowers it",
        choices=("independent", "logistic"),
    )
    bias: float = option(0.0, "bias of the logistic mapping", low=-100.0, high=100.0)
    score: float = option(1.0, "weight of the best score", low=0.0, high=100.0)
    attention: float = option(0.0, "weight of the attention's evidence", low=0.0, high=100.0)
    attention_mean: float = option(0.5, "the attention's evidence that neither raises nor lowers", low=0.0, high=1.0)
    grounder: float = option(0.0, "weight of the grounder's evidence", low=0.0, high=100.0)
    grounder_mean: float = option(0.5, "the grounder's evidence that neither raises nor lowers", low=0.0, high=1.0)
    native: float = option(0.0, "weight of the evidence of the VLM's own boxes", low=0.0, high=100.0)
    native_mean: float = option(
        0.5, "evidence of the VLM's own boxes that neither raises nor lowers", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class VerifyOptions:
    """Names that are not believed."""

    min_consistency: float = option(
        0.0,
        "an instance whose mask agrees less with the attention map, or with the grounder's or VLM's box, is dropped",
        low=0.0,
        high=1.0,
    )
    ask: bool = option(
        False, "ask the VLM about each name once more, and drop what it denies; costs an answer per view"
    )
    question: str = option("Is there a {name} in the picture? Answer yes or no.", "how it is asked")

    def __post_init__(self) -> None:
        _check_template("verify.question", self.question)


@dataclass(frozen=True)
class MergeOptions:
    """Duplicates out, across names, views and questions."""

    meaning: bool = option(
        True, "names of one meaning ('tyre', 'tire', 'car tire') are one name; the best supported wording is reported"
    )
    synonyms: list[str] = option(
        [], "more names of one meaning, each entry a group such as 'kart, go-kart'; beside the built-in ones"
    )
    iou: float = option(0.6, "masks of one name with this IoU or more are one instance", low=0.0, high=1.0)
    containment: float = option(
        0.75, "a mask of the same name that lies inside another by this share is a part of it", low=0.0, high=1.0
    )
    cross_name_iou: float = option(
        0.7,
        "masks of different names with this IoU or more are one instance; the name with the larger sum of scores wins",
        low=0.0,
        high=1.0,
    )
    min_score: float = option(0.3, "instances below this score are dropped", low=0.0, high=1.0)
    min_area_px: int = option(16, "smaller masks are dropped, in pixels of the view", low=0, high=100000)
    max_instances: int = option(100, "most instances per frame", low=1, high=1000)


@dataclass(frozen=True)
class TrackOptions:
    """Between keyframes."""

    enabled: bool = option(True, "tell which object is the same from keyframe to keyframe")
    min_score: float = option(
        0.6,
        "tracks that are believed less, by all keyframes that looked there, are not shown, however long ago that was",
        low=0.0,
        high=1.0,
    )
    again: float = option(
        0.75, "how probably a keyframe that looks at a real object sees it, once another one has", low=0.01, high=0.99
    )
    again_false: float = option(
        0.4, "how probably what is not real is seen again; less than `again`", low=0.01, high=0.99
    )
    half_life_s: float = option(
        5.0, "a track's score halves in so many seconds without being seen", low=0.1, high=600.0
    )
    keep_s: float = option(6.0, "a track that no keyframe saw for so many seconds ends", low=0.1, high=600.0)

    def __post_init__(self) -> None:
        if self.again_false >= self.again:
            raise ConfigError(f"tracks.again_false: expected less than again = {self.again}, got {self.again_false}")


@dataclass(frozen=True)
class NodeOptions:
    """The ROS 2 node."""

    autostart: bool = option(True, "load the models and become active by itself; otherwise as `ros2 lifecycle` says")
    image_topics: list[str] = option(
        ["/camera/image_raw/compressed"], "camera topics, of sensor_msgs/Image or sensor_msgs/CompressedImage"
    )
    transport: str = option(
        "auto", "image message type ('auto': as the publisher offers)", choices=("auto", "raw", "compressed")
    )
    reliability: str = option(
        "auto",
        "subscription's reliability ('auto': as the publisher offers)",
        choices=("auto", "reliable", "best_effort"),
    )
    max_image_pixels: int = option(40_000_000, "larger images are refused", low=1, high=1 << 28)
    priorities: list[float] = option(
        [1.0],
        "how large each camera's share of the keyframes is where there is no time for all: one for all cameras, or one "
        "each in the order of `image_topics`",
        low=0.01,
        high=100.0,
    )
    keyframe_rate_hz: float = option(
        1.0, "most keyframes per second and camera (0: as many as the models manage)", low=0.0, high=60.0
    )
    keyframes: str = option(
        "rate",
        "what makes a frame a keyframe: 'rate': the time; 'change': that the scene has changed by `change`, or that "
        "the last keyframe is `max_gap_s` old",
        choices=("rate", "change"),
    )
    change: float = option(
        0.04,
        "how much a keyframe of 'change' differs from the last one: mean difference in brightness of the four cells of "
        "their thumbnails (18 x 32) that differ most, as a share of the whole range and apart from the exposure",
        low=0.0,
        high=1.0,
    )
    max_gap_s: float = option(5.0, "longest time without a keyframe in 'change'", low=0.0, high=3600.0)
    max_age_s: float = option(
        0.0,
        "a frame that is older by its stamp and the node's clock, or waited longer, is dropped and counted (0: never). "
        "A recording that is replayed without its clock is old: set `use_sim_time`, or 0",
        low=0.0,
        high=3600.0,
    )
    silent_s: float = option(
        2.0, "a camera without an image for so long is silent, and says so in ~/health", low=0.05, high=3600.0
    )
    queue_all: bool = option(False, "process every frame in order instead of the newest (for bags; deterministic)")
    latency_budget_s: float = option(
        0.0, "time for one keyframe; what is left over is skipped and said so (0: none)", low=0.0, high=600.0
    )
    publish_partial: bool = option(
        False, "publish the whole frame's instances at once, as preliminary, before its other views are looked at"
    )
    timeout_s: float = option(
        60.0,
        "longest time for one keyframe: without a result by then the models' process is ended and started again",
        low=0.1,
        high=3600.0,
    )
    load_timeout_s: float = option(
        3600.0, "longest time for the models to load, maybe to be downloaded", low=1.0, high=86400.0
    )
    worker_nice: int = option(
        5, "how far the models' process stands back for others on a busy CPU (its niceness)", low=0, high=19
    )
    camera_info: bool = option(
        False,
        "take each camera's horizon from the sensor_msgs/CameraInfo beside its images and `pitch_deg` instead of "
        "`views.horizon`",
    )
    height_m: list[float] = option(
        [0.0],
        "how high the cameras are above the road, in metres (0: unknown, no distances): one for all, or one each",
        low=0.0,
        high=100.0,
    )
    pitch_deg: list[float] = option(
        [0.0],
        "how far the cameras look down, in degrees: one angle for all, or one each in the order of `image_topics`",
        low=-60.0,
        high=60.0,
    )
    roll_deg: list[float] = option(
        [0.0],
        "how far the cameras are turned clockwise about their optical axis, in degrees: one for all, or one each",
        low=-180.0,
        high=180.0,
    )
    pitch_error_deg: float = option(
        0.3,
        "standard deviation of the pitch on the road, which bounds how well distances are known",
        low=0.0,
        high=10.0,
    )
    ground_frame: str = option(
        "",
        "tf2 frame on the road below the vehicle (base_footprint), z up; where tf2_ros is installed and knows a "
        "camera's frame in it, that mount takes the place of height, pitch and roll",
    )
    hazards: str = option(
        "",
        "file of hazard classes over those of config/hazards.yaml, in its form (empty: those alone)",
    )
    health_rate_hz: float = option(2.0, "rate of each camera's heartbeat on ~/health (0: none)", low=0.0, high=100.0)
    deadline_s: float = option(
        0.0,
        "deadline that ~/detections and ~/tracks offer, in seconds between messages: a subscriber that asks for one "
        "at least as long connects, and is told when it is missed (0: none)",
        low=0.0,
        high=3600.0,
    )
    liveliness_s: float = option(
        0.0,
        "liveliness lease that ~/detections, ~/tracks and ~/health offer, asserted by the node's executor (0: none)",
        low=0.0,
        high=3600.0,
    )

    def __post_init__(self) -> None:
        check_topics(self.image_topics)
        for key in ("priorities", "height_m", "pitch_deg", "roll_deg"):
            if len(each := getattr(self, key)) not in (1, len(self.image_topics)):
                raise ConfigError(f"node.{key}: expected 1 or {len(self.image_topics)} values, got {len(each)}")

    def of_camera(self, key: str, index: int) -> float:
        """A camera's value of an option that has one for all cameras, or one each."""
        each = getattr(self, key)
        return each[index] if len(each) > 1 else each[0]


@dataclass(frozen=True)
class Config:
    """All options, in groups; a flat name is ``group.option``."""

    vlm: VlmOptions = field(default_factory=VlmOptions)
    segmenter: SegmenterOptions = field(default_factory=SegmenterOptions)
    grounder: GrounderOptions = field(default_factory=GrounderOptions)
    native: NativeOptions = field(default_factory=NativeOptions)
    views: ViewOptions = field(default_factory=ViewOptions)
    questions: QuestionOptions = field(default_factory=QuestionOptions)
    attention: AttentionOptions = field(default_factory=AttentionOptions)
    prompts: PromptOptions = field(default_factory=PromptOptions)
    refine: RefineOptions = field(default_factory=RefineOptions)
    score: ScoreOptions = field(default_factory=ScoreOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    verify: VerifyOptions = field(default_factory=VerifyOptions)
    merge: MergeOptions = field(default_factory=MergeOptions)
    tracks: TrackOptions = field(default_factory=TrackOptions)
    node: NodeOptions = field(default_factory=NodeOptions)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Config:
        """From ``{'group.option': value}``; what is not named keeps its default.

        Raises:
            ConfigError: an unknown name, a wrong type, or a value out of range.
        """
        known = {o.name: o for o in options()}
        groups: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in known:
                group = name.split(".")[0]
                near = [n for n in known if n.split(".")[0] == group] or list(known)
                raise ConfigError(f"unknown option {name!r}; known are: {', '.join(sorted(near))}")
            group, key = name.split(".", 1)
            groups.setdefault(group, {})[key] = known[name].check(value)
        return cls(**{f.name: kind(f)(**groups.get(f.name, {})) for f in fields(cls)})

    @classmethod
    def from_file(cls, path: Path | str, changes: Mapping[str, Any] | None = None) -> Config:
        """From a profile, which is any ROS parameter file that the node takes, and `changes` over it.

        Raises:
            ConfigError: the file can't be read, is no parameter file, or an option in it is wrong.
        """
        values, foreign = own(in_file(path))
        for name in foreign:
            logging.getLogger(__name__).warning("%s: parameter %r is not one of the detector's, ignored", path, name)
        return cls.from_flat(values | dict(changes or {}))

    @property
    def least_score(self) -> float:
        """What one way found in one view with a lower score can't be reported; 0 where others may raise it."""
        alone = len(self.grounder.ways) == 1 and self.fusion.mapping == "independent"
        return self.merge.min_score if alone else 0.0

    def flat(self) -> dict[str, Any]:
        """``{'group.option': value}`` of every option."""
        return {o.name: getattr(getattr(self, o.group), o.key) for o in options()}


def check_topics(topics: Sequence[str]) -> None:
    """Raise `ConfigError` if there is no image topic, one has no valid name, or one comes twice."""
    wrong = [topic for topic in topics if not TOPIC.fullmatch(topic)]
    if wrong or not topics:
        got = repr(wrong[0]) if wrong else "none"
        raise ConfigError(f"node.image_topics: expected names such as '/front/image_raw', got {got}")
    topic, count = Counter(topics).most_common(1)[0]
    if count > 1:
        raise ConfigError(f"node.image_topics: {topic!r} is named twice")


def _check_template(name: str, question: str) -> None:
    if "{name}" not in question:
        raise ConfigError(f"{name}: expected '{{name}}' in it, got {question!r}")


def is_live(option: Option) -> bool:
    """Whether an option may change while the node runs."""
    return option.group in LIVE or option.name in LIVE


def options() -> Iterator[Option]:
    """Every option, in the order of declaration."""
    return declared(Config)


def own(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Of a ROS node's parameters: those in our groups, and the names of the others, but for ROS's own ones.

    A list that is None is empty, since ROS has no type for ``[]``; and a group that is None sets nothing.
    """
    lists, groups = {o.name for o in options() if o.type is list}, {f.name for f in fields(Config)}
    ours = {k: [] if v is None and k in lists else v for k, v in given.items() if k.split(".")[0] in groups}
    foreign = [k for k in given if k.split(".")[0] not in (*groups, *OF_ROS)]
    return {k: v for k, v in ours.items() if v is not None or k not in groups}, foreign


def profile_path(profile: str) -> Path:
    """The file of a profile: a path, or one of those that come with the package.

    Raises:
        ConfigError: there is no such profile.
    """
    return shipped(f"{profile}.yaml") if profile in PROFILES else Path(profile)


def shipped(name: str) -> Path:
    """A file of ``config/``, in the clone or where the package is installed.

    Raises:
        ConfigError: there is no such file.
    """
    package = Path(__file__).resolve().parent
    places = [package.parent / "config", *(p / "share" / "vlsam_ros" / "config" for p in package.parents)]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{name} is in none of {', '.join(map(str, places[:2]))}, …")
