"""Figures that others published, to stand beside ours. None of them was measured by us."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One system: what it is told at run time (kind), on what, and the figures in percent by their names."""

    system: str
    kind: str
    data: str
    figures: dict[str, float]
    source: str


_CODA, _VLSAM = "coda-dataset.github.io, benchmark", "arXiv 2410.05963"
CLOSED, OPEN_SET, OPEN_ENDED = "closed set", "open set, told the names", "open-ended"

PUBLISHED = (
    Row("RetinaNet, SODA10M", CLOSED, "CODA-ONCE", {"CORNER mAR": 9.6, "COMMON mAR": 29.8}, _CODA),
    Row("RetinaNet, BDD100K", CLOSED, "CODA-ONCE", {"CORNER mAR": 10.2, "COMMON mAR": 30.1, "NOVEL mAR": 7.3}, _CODA),
    Row("Faster R-CNN, BDD100K", CLOSED, "CODA-ONCE", {"CORNER mAR": 7.8, "COMMON mAR": 26.8, "NOVEL mAR": 5.5}, _CODA),
    Row(
        "Cascade R-CNN, BDD100K", CLOSED, "CODA-ONCE", {"CORNER mAR": 7.7, "COMMON mAR": 26.7, "NOVEL mAR": 5.7}, _CODA
    ),
    Row("ORE, SODA10M", "open world", "CODA-ONCE", {"CORNER mAR": 5.3, "COMMON mAR": 19.2, "NOVEL mAR": 2.0}, _CODA),
    Row("GroundingDINO", OPEN_SET, "CODA", {"mAR": 12.6}, _VLSAM),
    Row("YOLO-World", OPEN_SET, "CODA", {"mAR": 16.1}, _VLSAM),
    Row("LLaVA-Grounding", OPEN_ENDED, "CODA", {"mAR": 18.4}, _VLSAM),
    Row("VL-SAM, CogVLM + MobileSAM", OPEN_ENDED, "CODA", {"mAR": 29.2}, _VLSAM),
    Row("VL-SAM, MiniGPT-4 + SAM", OPEN_ENDED, "CODA", {"mAR": 34.7}, _VLSAM),
    Row("VL-SAM, LLaVA + SAM", OPEN_ENDED, "CODA", {"mAR": 37.2}, _VLSAM),
    Row("VL-SAM, CogVLM + SAM", OPEN_ENDED, "CODA", {"mAR": 40.1}, _VLSAM),
    Row("LLMDet with a VLM's names", OPEN_ENDED, "CODA", {"mAR": 38.5}, "published"),
    Row("true boxes + SAM (oracle)", "oracle", "CODA", {"mAR": 54.1}, _VLSAM),
    Row("VL-SAM, boxes", OPEN_ENDED, "LVIS minival", {"AP": 25.3, "APr": 23.4}, _VLSAM),
    Row("VL-SAM, masks", OPEN_ENDED, "LVIS minival", {"AP": 23.9, "APr": 22.7}, _VLSAM),
    Row("SAM 3 with a VLM's names", OPEN_ENDED, "LVIS minival", {"AP": 49.9}, "published"),
)
"""CODA-ONCE is a part of CODA: its rows and those of arXiv 2410.05963 don't compare to the point."""
