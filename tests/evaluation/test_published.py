"""The published figures in the report: a source each, and the right ones where they were once wrong."""

from __future__ import annotations

import re

from vlsam_ros.evaluation.published import CLOSED, NO_OUTLIERS, OPEN_SET, OUTLIERS, PUBLISHED

SOURCES = (
    r"arXiv \d{4}\.\d{5}(, table \d|, abstract)?(, second-hand)?|coda-dataset\.github\.io, benchmark|"
    r"github\.com/[\w/-]+, README|segmentmeifyoucan\.github\.io/[\w-]+, results|"
    r"vision\.rwth-aachen\.de, publication \d+"
)


def test_every_row_has_a_source() -> None:
    for row in PUBLISHED:
        assert re.fullmatch(SOURCES, row.source), row
        assert row.figures and all(0 < v < 100 for v in row.figures.values())
    assert len({(r.system, r.data) for r in PUBLISHED}) == len(PUBLISHED)


def test_what_is_told_and_where_it_stands() -> None:
    rows = {(r.system, r.data): r for r in PUBLISHED}
    assert rows["LLMDet", "CODA"].kind == OPEN_SET and "2505.18986" in rows["LLMDet", "CODA"].source
    (sam3,) = (r for r in PUBLISHED if r.system.startswith("SAM 3"))
    assert sam3.figures == {"AP": 49.9, "APr": 52.6} and sam3.source == "arXiv 2605.03456, second-hand"
    whole = {r.system: r for r in PUBLISHED if r.data == "CODA Base + CODA-ONCE"}
    assert whole["RetinaNet, BDD100K"].figures == {"CORNER mAR": 12.8, "COMMON mAR": 27.5, "NOVEL mAR": 9.7}
    assert whole["RetinaNet, SODA10M"].figures == {"CORNER mAR": 11.9, "COMMON mAR": 28.7}
    assert whole["ORE, SODA10M"].kind != CLOSED == whole["RetinaNet, SODA10M"].kind


def test_figures_of_anomalies_say_of_what_they_are() -> None:
    rows = {(r.system, r.data): r for r in PUBLISHED}
    assert rows["Grounding DINO", "OoDIS, RoadObstacle21"].figures == {"box AP": 48.3}
    assert rows["YOLO-World", "OoDIS, RoadAnomaly21"].figures == {"box AP": 21.2}
    best = rows["Maximized Entropy", "SegmentMeIfYouCan, RoadAnomaly21"]
    assert best.figures == {"AUPRC": 85.47, "FPR95": 15.0, "sIoU": 49.21, "component F1": 28.72}
    assert best.kind == OUTLIERS != rows["Maximum Softmax", "SegmentMeIfYouCan, RoadObstacle21"].kind
    tracks = {r.data for r in PUBLISHED if r.kind in (OUTLIERS, NO_OUTLIERS)}
    assert tracks == {f"SegmentMeIfYouCan, Road{track}21" for track in ("Anomaly", "Obstacle")}
