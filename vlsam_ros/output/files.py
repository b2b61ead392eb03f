"""Pictures from files, and results as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data import Detection, Detections
from ..errors import BadImageError
from ..localisation.score import PARTS
from .rle import encode, to_coco


def read(path: Path) -> np.ndarray:
    """A picture as RGB uint8 (H, W, 3).

    Raises:
        BadImageError: the file is missing or no picture.
    """
    if not path.is_file():
        raise BadImageError("no such file")
    return decoded(np.fromfile(path, np.uint8))


def decoded(data: np.ndarray) -> np.ndarray:
    """A picture as RGB uint8 (H, W, 3), from the bytes of its file, uint8 (N,).

    Raises:
        BadImageError: no picture.
    """
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise BadImageError("not a picture that OpenCV can decode")
    return np.ascontiguousarray(image[..., ::-1])


def as_json(name: str, found: Detections) -> dict[str, Any]:
    """The result for one picture; masks are COCO run lengths (uncompressed) of the whole picture."""
    return {
        "image": name,
        "size_hw": list(found.size_hw),
        "vlm": found.vlm,
        "segmenter": found.segmenter,
        "grounder": found.grounder,
        "demonstration": found.demonstration,
        "skipped": list(found.skipped),
        "timings_s": {k: round(v, 4) for k, v in found.timings_s.items()},
        "answers": [{"view": v, "question": q, "text": t} for v, q, t in found.answers],
        "instances": [_instance(d, found.size_hw) for d in found.items],
        "dropped": [_instance(d, found.size_hw) | {"reason": d.reason} for d in found.dropped],
    }


def _instance(d: Detection, size_hw: tuple[int, int]) -> dict[str, Any]:
    return {
        "label": d.label,
        "score": round(d.score, 4),
        "parts": {k: round(getattr(d, k), 4) for k in PARTS},
        "box_xyxy": list(d.xyxy),
        "view": d.view,
        "source": d.source,
        "segmentation": to_coco(encode(d.mask.bits, (d.mask.x, d.mask.y)), size_hw),
    }
