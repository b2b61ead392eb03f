"""The demo touches nothing that it did not make, and its processes end with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")

from vlsam_ros.demo import report, run
from vlsam_ros.errors import BagError, DataError
from vlsam_ros.output import files
from vlsam_ros.output.folder import OutputFolder
from vlsam_ros.ros import planner

BAG = run.ROOT / "sample_bag"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where a recording was rendered to: a file in place of it."""
    paths = []

    def write(path: Path) -> None:
        path.mkdir()
        (path / "metadata.yaml").write_text("rendered")
        paths.append(path)

    monkeypatch.setattr("vlsam_ros.synthetic.bag.write", write)
    return paths


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a link to an empty folder"])
def test_a_recording_is_rendered_where_nothing_is(there: str, drawn: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "new" / "bag"
    if there != "nothing":
        (tmp_path / "other").mkdir()
        path.parent.mkdir()
        path.mkdir() if there == "an empty folder" else path.symlink_to(tmp_path / "other")
    bag = run.sample_bag(path)
    assert tree(path) == tree(bag) == {"metadata.yaml": b"rendered"} and len(drawn) == 1
    assert run.sample_bag(path) and len(drawn) == 1
    assert not [p for p in bag.parent.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("name", ["cut_off.mcap", "other/metadata.yaml", "notes.txt"])
def test_a_folder_with_anything_in_it_is_never_rendered_over(
    name: str, drawn: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bag" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"mine")
    before = tree(tmp_path / "bag")
    assert run.main(["--bag", str(tmp_path / "bag"), "--out", str(tmp_path / "out")]) == 2
    assert "demo: " in capsys.readouterr().err
    assert tree(tmp_path / "bag") == before and not drawn


def test_a_folder_of_results_that_is_somebody_elses_stays_as_it_is(
    drawn: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("logs/mine.log", "overlays/1.jpg", "report.json", "detections.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = tree(tmp_path)
    assert run.main(["--bag", str(tmp_path / "bag"), "--out", str(tmp_path)]) == 2
    assert "did not make: name a new or empty folder" in capsys.readouterr().err
    assert planner.main([str(tmp_path), "--image", "/x/compressed"]) == 2
    assert tree(tmp_path) == before and not drawn


def test_paths_are_those_of_the_caller(drawn: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run", lambda bag, folder, rate: seen.append((bag, folder.path)))
    monkeypatch.setattr(report, "write", lambda bag, folder: "")
    assert run.main(["--bag", "a/bag", "--out", "out"]) == 0
    assert seen == [(tmp_path / "a" / "bag", tmp_path / "out")] and (tmp_path / "a" / "bag").is_dir()


SCRIPT = """
import sys
from vlsam_ros.demo import run
run.sample_bag, run.keyframes = (lambda path: path), (lambda path: 5)
nap = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
run.commands = lambda *_: {n: [sys.executable, "-c", nap] for n in ("detector", "planner", "player")}
sys.exit(run.main(["--bag", "none", "--out", sys.argv[1]]))
"""


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_demo(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out")]
    heard = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # also under nohup
    demo = subprocess.Popen(command, cwd=run.ROOT, stderr=subprocess.PIPE, preexec_fn=heard)
    logs = [tmp_path / "out" / "logs" / f"{name}.log" for name in ("detector", "planner", "player")]
    wait_for(lambda: all(log.exists() and log.read_text().endswith("\n") for log in logs))
    pids, grandchildren = children_of(demo.pid), [int(log.read_text()) for log in logs]
    assert len(pids) == 3
    os.kill(demo.pid, number)
    code = demo.wait(20)
    assert code == (128 + number if number in (signal.SIGTERM, signal.SIGHUP) else -number)
    wait_for(lambda: not any(map(runs, pids)))
    if number != signal.SIGKILL:  # what they started themselves is theirs to end
        wait_for(lambda: not any(map(runs, grandchildren)))
    for pid in filter(runs, grandchildren):
        os.kill(pid, signal.SIGKILL)
    demo.stderr.close()  # type: ignore[union-attr]


def test_recordings_that_are_no_drive_say_so(tmp_path: Path) -> None:
    with pytest.raises(BagError):
        run.keyframes(tmp_path)
    assert run.keyframes(BAG) == 15


def results(folder: OutputFolder, stamps: list[int]) -> None:
    lines = [{"stamp_ns": s, "instances": [], "keyframe": i, "vlm": "v", "segmenter": "s", "inference_s": 1.0,
              "age_s": None, "status": 0, "status_text": ""} for i, s in enumerate(stamps)]  # fmt: skip
    folder.write("detections.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def test_results_without_ground_truth_are_no_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = OutputFolder(tmp_path / "out", planner.COMMAND)
    results(folder, [])
    assert "sent nothing" in report.write(BAG, folder)
    results(folder, [5, 6])
    monkeypatch.setattr(
        report, "read_detections", lambda path, topic: {5: None, 6: None} if "out" in str(path) else {5: None}
    )
    with pytest.raises(DataError, match="expected ground truth on /ground_truth for every image, got none for 1"):
        report.write(BAG, folder)


def test_contact_sheet_has_the_pictures_in_their_order(tmp_path: Path) -> None:
    import numpy as np

    for i in range(4):
        (tmp_path / f"{i}.jpg").write_bytes(files.jpeg(np.full((90, 160, 3), (60 * i, 0, 200), np.uint8)))
    sheet = report.contact_sheet([tmp_path / f"{i}.jpg" for i in range(4)])
    assert sheet.shape == (900, 2400, 3)
    for i, (y, x) in enumerate([(0, 0), (0, 800), (0, 1600), (450, 0)]):
        assert np.abs(sheet[y + 200, x + 400].astype(int) - (60 * i, 0, 200)).max() < 8
    assert (sheet[700, 1200] == 255).all() and report.contact_sheet([]).shape == (450, 2400, 3)
