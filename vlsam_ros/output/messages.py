"""Detections as a DetectedInstanceArray and back. The message classes are handed in: rclpy's or a bag library's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from vlsam_ros.data import Detection, Detections, Mask, Place, Track, Witness
from vlsam_ros.errors import failed
from vlsam_ros.output import rle
from vlsam_ros.output.check import (
    MAX_ANSWERS,
    MAX_ID_CHARS,
    MAX_INSTANCES,
    MAX_LABEL_CHARS,
    check_answers,
    check_box,
    check_boxes,
    check_items,
    check_place,
    check_regions,
    check_sum,
    check_track,
)
from vlsam_ros.output.hazard import hazard_class
from vlsam_ros.output.text import plain

FUTURE_S = 0.5
"""How far an image's stamp may be ahead of the clock, s: clocks differ. Beyond it nothing is known about its age."""


NO_TRACK = Track("", 0, 0)
"""What a message says of an instance that is not tracked."""


@dataclass(frozen=True)
class Types:
    """Message classes by name (``vlsam_ros/msg/InstanceMask``), and the uint32 array (N,) as their field wants it.

    Attributes:
        hazard_class: from a label to the number of its class; a user's table is `hazard.load(path).class_of`.
    """

    make: Callable[..., Any]
    uint32: Callable[[np.ndarray], Any]
    hazard_class: Callable[[str], int] = hazard_class


@dataclass(frozen=True)
class Keyframe:
    """What a message says about its image and the run.

    Attributes:
        header: the source image's, kept as it is.
        camera, number: the camera's name and its count of keyframes from 0.
        started, finished: builtin_interfaces/Time of inference.
        age_s: finished - header.stamp in seconds; NaN if `age` can't say.
        status, status_text: one of the message's STATUS_ constants, and what went wrong or is not known.
        preliminary: more of this keyframe is to come.
        asked: the questions whose answers the message holds, beside the instances.
    """

    header: Any
    camera: str
    number: int
    started: Any
    finished: Any
    age_s: float = math.nan
    status: int = 0
    status_text: str = ""
    preliminary: bool = False
    asked: frozenset[str] = frozenset()


def to_message(keyframe: Keyframe, detections: Detections, types: Types) -> Any:
    """The DetectedInstanceArray of one keyframe; `Detections((0, 0))` if there is no result."""
    height, width = detections.size_hw
    return types.make(
        "vlsam_ros/msg/DetectedInstanceArray",
        header=keyframe.header,
        image_width=int(width),
        image_height=int(height),
        camera=plain(keyframe.camera),
        keyframe=keyframe.number,
        started=keyframe.started,
        finished=keyframe.finished,
        age_s=float(keyframe.age_s),
        status=keyframe.status,
        status_text=plain(keyframe.status_text),
        skipped=[plain(skipped) for skipped in detections.skipped],
        preliminary=keyframe.preliminary,
        vlm=plain(detections.vlm),
        segmenter=plain(detections.segmenter),
        grounder=plain(detections.grounder),
        demonstration=bool(detections.demonstration),
        instances=[_instance(item, types) for item in detections.items],
        answers=[_answer(*said, types) for said in detections.answers if said[1] in keyframe.asked][:MAX_ANSWERS],
    )


def _answer(view: str, question: str, text: str, types: Types) -> Any:
    return types.make("vlsam_ros/msg/Answer", view=plain(view), question=plain(question), text=plain(text))


def _instance(item: Detection, types: Types) -> Any:
    x_min, y_min, x_max, y_max = (float(v) for v in item.xyxy)
    roi = rle.encode(item.mask.bits, (item.mask.x, item.mask.y))
    mask = types.make(
        "vlsam_ros/msg/InstanceMask", x=roi.x, y=roi.y, width=roi.width, height=roi.height, runs=types.uint32(roi.runs)
    )
    track, place = item.track or NO_TRACK, item.place or Place()
    x, y, z = place.point_xyz or (0.0, 0.0, 0.0)
    return types.make(
        "vlsam_ros/msg/DetectedInstance",
        track_id=plain(track.id, MAX_ID_CHARS),
        seen=track.seen,
        looked=track.looked,
        unseen_s=float(track.unseen_s),
        label=plain(item.label, MAX_LABEL_CHARS),
        score=float(item.score),
        attention_score=float(item.attention),
        iou_score=float(item.iou),
        consistency_score=float(item.consistency),
        certainty_score=float(item.certainty),
        x_min=x_min,
        y_min=y_min,
        x_max=x_max,
        y_max=y_max,
        mask=mask,
        hazard_class=types.hazard_class(item.label),
        azimuth=float(place.azimuth),
        elevation=float(place.elevation),
        distance=float(place.distance),
        distance_min=float(place.distance_min),
        distance_max=float(place.distance_max),
        has_ground_point=place.point_xyz is not None,
        ground_point=types.make("geometry_msgs/msg/Point", x=float(x), y=float(y), z=float(z)),
        ground_covariance=np.array(place.covariance or [0.0] * 9, np.float64),
        view=plain(item.view),
        source=plain(item.source),
        witnesses=[
            types.make("vlsam_ros/msg/Witness", way=plain(w.way), score=float(w.score), iou=float(w.iou))
            for w in item.witnesses
        ],
        reason=plain(item.reason),
    )


def from_message(message: Any) -> Detections:
    """The detections in a DetectedInstanceArray of any message library.

    What earlier definitions of the messages did not have is not known.

    Raises:
        MaskError: a region, box, score, label, track, place or answer is not what the message's definition says, a
            mask's runs don't fit its region, a box is not that of its mask, or all of it is larger than any camera's.
    """
    size_hw = (message.image_height, message.image_width)
    if len(message.instances) > MAX_INSTANCES:
        raise rle.MaskError(f"expected at most {MAX_INSTANCES} instances, got {len(message.instances)}")
    boxes = [(i.x_min, i.y_min, i.x_max, i.y_max) for i in message.instances]
    check_boxes(np.array(boxes, np.float32).reshape(-1, 4), size_hw)
    regions = [(m.x, m.y, m.width, m.height) for m in (i.mask for i in message.instances)]
    check_regions(regions, size_hw)
    check_sum(regions)
    items = tuple(_detection(instance) for instance in message.instances)
    check_items(items, size_hw)
    answers = tuple((a.view, a.question, a.text) for a in getattr(message, "answers", ()))
    check_answers(answers)
    return Detections(
        size_hw=size_hw,
        items=items,
        skipped=tuple(plain(skipped) for skipped in message.skipped),
        vlm=plain(message.vlm),
        segmenter=plain(message.segmenter),
        grounder=plain(message.grounder),
        demonstration=message.demonstration,
        answers=answers,
    )


def _detection(instance: Any) -> Detection:
    mask = instance.mask
    roi = rle.RoiMask(mask.x, mask.y, mask.width, mask.height, np.asarray(mask.runs))
    check_box((instance.x_min, instance.y_min, instance.x_max, instance.y_max), roi)
    tight = Mask.from_dense(rle.decode(roi))
    return Detection(
        label=instance.label,
        score=instance.score,
        attention=instance.attention_score,
        iou=instance.iou_score,
        consistency=instance.consistency_score,
        certainty=instance.certainty_score,
        mask=tight.shifted(roi.x, roi.y) if tight.bits.size else tight,
        view=plain(instance.view),
        source=plain(instance.source),
        witnesses=tuple(Witness(plain(w.way), w.score, w.iou) for w in getattr(instance, "witnesses", ())),
        reason=plain(instance.reason),
        track=_track(instance),
        place=_place(instance),
    )


def _track(instance: Any) -> Track | None:
    seen, looked, unseen_s = (getattr(instance, name, 0) for name in ("seen", "looked", "unseen_s"))
    track = Track(instance.track_id, seen, looked, unseen_s)
    check_track(track)
    return track if track.id else None


def _place(instance: Any) -> Place | None:
    if not hasattr(instance, "azimuth"):
        return None
    p, known = instance.ground_point, instance.has_ground_point
    place = Place(
        azimuth=instance.azimuth,
        elevation=instance.elevation,
        distance=instance.distance,
        distance_min=instance.distance_min,
        distance_max=instance.distance_max,
        point_xyz=(p.x, p.y, p.z) if known else None,
        covariance=tuple(float(v) for v in instance.ground_covariance) if known else None,
    )
    check_place(place)
    return None if math.isnan(place.azimuth) else place


def age(stamp: Any, now: Any) -> tuple[float, str]:
    """How old an image is in seconds, NaN if that isn't known, and then why.

    Args:
        stamp: of its header, builtin_interfaces/Time, rclpy's Time or seconds.
        now: the clock's time, the same.
    """
    stamp_s, now_s = _seconds(stamp), _seconds(now)
    if not 0 < now_s < math.inf:
        return math.nan, "age unknown: there is no clock (use_sim_time, and nothing on /clock)"
    if not stamp_s > 0:
        return math.nan, "age unknown: the image has no stamp"
    if stamp_s - now_s > FUTURE_S:
        return math.nan, f"age unknown: the image's stamp is {stamp_s - now_s:.1f} s ahead of the clock"
    return now_s - stamp_s, ""


def fresh(message: Any, now: Any, max_age: float) -> bool:
    """Whether a DetectedInstanceArray says something about the road as it is now.

    False if the frame failed, if it is older than `max_age` seconds, and if its age isn't or wasn't known. To be asked
    when the message is read: the age is taken from the image's stamp, and grows while a message waits.

    Args:
        now: the reader's clock, ``node.get_clock().now()``, the same as builtin_interfaces/Time, or seconds.
    """
    known = not math.isnan(message.age_s)  # NaN: the detector itself could not tell
    return known and not failed(message.status) and age(message.header.stamp, now)[0] <= max_age


def _seconds(time: Any) -> float:
    if isinstance(time, Real):
        return float(time)
    return time.nanoseconds * 1e-9 if hasattr(time, "nanoseconds") else time.sec + time.nanosec * 1e-9
