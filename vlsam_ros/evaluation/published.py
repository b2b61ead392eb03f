"""Figures that others published, to stand beside ours. None of them was measured by us."""

from __future__ import annotations

from collections.abc import Mapping
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
PROMPTED, MAP_AND_SAM = "open set, prompted", "anomaly map + SAM"
NO_OUTLIERS, OUTLIERS = "anomaly map, trained without outliers", "anomaly map, trained with outliers"
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


def _smiyc(data: str, rows: Mapping[str, tuple[float, ...]]) -> tuple[Row, ...]:
    """Rows of SegmentMeIfYouCan's test split, with a * after the names of those that were trained with outliers."""
    return tuple(
        Row(
            system.rstrip("*"),
            OUTLIERS if system.endswith("*") else NO_OUTLIERS,
            data,
            dict(zip(("AUPRC", "FPR95", "sIoU", "component F1"), figures, strict=True)),
            "segmentmeifyoucan.github.io/segment-me-presentation, results",
        )
        for system, figures in rows.items()
    )


_ANOMALY = {
    "Maximized Entropy*": (85.47, 15.00, 49.21, 28.72),
    "SynBoost*": (56.44, 61.86, 34.68, 9.99),
    "Image Resynthesis": (52.28, 25.93, 39.68, 12.51),
    "Embedding Density": (37.52, 70.76, 33.86, 7.90),
    "Maximum Softmax": (27.97, 72.05, 15.48, 5.37),
}
_OBSTACLE = {
    "Maximized Entropy*": (85.07, 0.75, 47.87, 48.51),
    "SynBoost*": (71.34, 3.15, 44.28, 37.57),
    "Road Inpainting": (54.14, 47.12, 57.64, 36.01),
    "Image Resynthesis": (37.71, 4.70, 16.61, 8.38),
    "Maximum Softmax": (15.72, 16.60, 19.72, 6.25),
}
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
_STREET, _UGAINS = "arXiv 2408.11221, abstract", "vision.rwth-aachen.de, publication 00228"
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
    Row("Grounding DINO", PROMPTED, "OoDIS, RoadObstacle21", {"box AP": 48.3}, _STREET),
    Row("Grounding DINO", PROMPTED, "OoDIS, Lost & Found", {"box AP": 25.4}, _STREET),
    Row("YOLO-World", PROMPTED, "OoDIS, RoadAnomaly21", {"box AP": 21.2}, _STREET),
    Row("UGainS", MAP_AND_SAM, "Fishyscapes Lost & Found, validation", {"AUPRC": 80.08}, _UGAINS),
    Row("UGainS", MAP_AND_SAM, "RoadAnomaly, validation", {"AUPRC": 88.98}, _UGAINS),
    *_smiyc("SegmentMeIfYouCan, RoadAnomaly21", _ANOMALY),
    *_smiyc("SegmentMeIfYouCan, RoadObstacle21", _OBSTACLE),
)  # fmt: skip
"""CODA-ONCE is a part of CODA: its rows, those of both parts, and those of the papers don't compare to the point. Fixed
AP has no limit of detections in a picture. OoDIS's and SegmentMeIfYouCan's rows without "validation" are of test splits
with labels that are not public: figures of the validation splits stand beside them, and don't compare to the point."""
