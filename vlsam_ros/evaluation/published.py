"""Figures that others published, to stand beside ours. None of them was measured by us."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One system: what it is told at run time (kind), on what, and the figures in percent by their names.

    The source is where its authors, or those who measured it, say so; ``second-hand``: we know it from others.
    """

    system: str
    kind: str
    data: str
    figures: dict[str, float]
    source: str


CLOSED, OPEN_SET, OPEN_ENDED = "closed set", "open set, told the names", "open-ended"
OPEN_WORLD, OWN_LIST = "open world", "a list of its own, 4585 names"


def _coda(data: str, rows: dict[str, tuple[float, ...]]) -> tuple[Row, ...]:
    """Rows of the benchmark's table: CORNER, COMMON and, where it has that, NOVEL."""
    return tuple(
        Row(
            system,
            OPEN_WORLD if system.startswith("ORE") else CLOSED,
            data,
            dict(zip(("CORNER mAR", "COMMON mAR", "NOVEL mAR"), figures, strict=False)),
            "coda-dataset.github.io, benchmark",
        )
        for system, figures in rows.items()
    )


_ONCE = {
    "RetinaNet, SODA10M": (9.6, 29.8),
    "RetinaNet, BDD100K": (10.2, 30.1, 7.3),
    "Faster R-CNN, BDD100K": (7.8, 26.8, 5.5),
    "Cascade R-CNN, BDD100K": (7.7, 26.7, 5.7),
    "ORE, SODA10M": (5.3, 19.2, 2.0),
}
_WHOLE = {
    "RetinaNet, SODA10M": (11.9, 28.7),
    "Faster R-CNN, SODA10M": (6.8, 23.9),
    "Cascade R-CNN, SODA10M": (8.3, 27.2),
    "RetinaNet, BDD100K": (12.8, 27.5, 9.7),
    "Faster R-CNN, BDD100K": (10.7, 24.4, 7.2),
    "Cascade R-CNN, BDD100K": (10.4, 25.7, 6.9),
    "ORE, SODA10M": (8.3, 18.5, 3.4),
}
_VLSAM, _V2, _V3 = "arXiv 2410.05963", "arXiv 2505.18986", "arXiv 2605.03456, second-hand"

PUBLISHED = (
    *_coda("CODA-ONCE", _ONCE),
    *_coda("CODA Base + CODA-ONCE", _WHOLE),
    Row("GroundingDINO", OPEN_SET, "CODA", {"mAR": 12.6}, _VLSAM),
    Row("YOLO-World", OPEN_SET, "CODA", {"mAR": 16.1}, _VLSAM),
    Row("LLMDet", OPEN_SET, "CODA", {"mAR": 38.5}, f"{_V2}, table 3"),
    Row("VL-SAM-V2, trained", OPEN_WORLD, "CODA", {"mAR": 42.3}, f"{_V2}, table 3"),
    Row("LLaVA-Grounding", OPEN_ENDED, "CODA", {"mAR": 18.4}, _VLSAM),
    Row("VL-SAM, CogVLM + MobileSAM", OPEN_ENDED, "CODA", {"mAR": 29.2}, _VLSAM),
    Row("VL-SAM, MiniGPT-4 + SAM", OPEN_ENDED, "CODA", {"mAR": 34.7}, _VLSAM),
    Row("VL-SAM, LLaVA + SAM", OPEN_ENDED, "CODA", {"mAR": 37.2}, _VLSAM),
    Row("VL-SAM, CogVLM + SAM", OPEN_ENDED, "CODA", {"mAR": 40.1}, _VLSAM),
    Row("true boxes + SAM (oracle)", "oracle", "CODA", {"mAR": 54.1}, _VLSAM),
    Row("VL-SAM, boxes", OPEN_ENDED, "LVIS minival", {"AP": 25.3, "APr": 23.4}, _VLSAM),
    Row("VL-SAM, masks", OPEN_ENDED, "LVIS minival", {"AP": 23.9, "APr": 22.7}, _VLSAM),
    Row("YOLOE-v8-L, prompt-free", OWN_LIST, "LVIS minival", {"fixed AP": 27.2, "fixed APr": 23.5},
        "github.com/THU-MIG/yoloe, README"),
    Row("VL-SAM-V2, trained", OPEN_ENDED, "LVIS minival", {"AP": 31.8, "APr": 30.5}, _V2),
    Row("LLMDet Swin-L, Qwen3-VL-8B's names, retrieval", OPEN_ENDED, "LVIS minival", {"AP": 44.8, "APr": 41.9}, _V3),
    Row("SAM 3, Qwen3-VL-8B's names", OPEN_ENDED, "LVIS minival", {"AP": 49.9, "APr": 52.6}, _V3),
)  # fmt: skip
"""CODA-ONCE is a part of CODA: its rows, those of both parts, and those of the papers don't compare to the point. Fixed
AP has no limit of detections in a picture."""
