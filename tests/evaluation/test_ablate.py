"""The ladder and its variants, with models that know pictures by their colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes import FakeGrounder, FakeSegmenter, FakeVlm, WritingVlm
from tests.labelled import annotation, coloured, thing
from vlsam_ros import cli
from vlsam_ros.config import Config, profile_path
from vlsam_ros.data import Detections
from vlsam_ros.embedded import QUESTIONS
from vlsam_ros.errors import VlmError
from vlsam_ros.evaluation import ablate, dataset, predictions, ways
from vlsam_ros.pipeline import VLSam

ROWS = ways.rows
PROFILES = ["embedded", "desktop", "jetson", "paper"]


def rows_of(profile: str) -> tuple[Config, list[ablate.Row]]:
    config = Config.from_file(profile_path(profile))
    return config, list(ablate.rows(config, ablate.questions_of(config)))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_is_a_valid_configuration_of_its_own(profile: str) -> None:
    _, rows = rows_of(profile)
    for row in rows:
        Config.from_flat(row.options)
    assert len({row.file for row in rows}) == len({row.title for row in rows}) == len(rows)
    assert all(row.options["merge.min_score"] == ablate.FLOOR for row in rows)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_ladder_ends_at_the_whole_method_and_variants_change_only_what_they_say(profile: str) -> None:
    config, rows = rows_of(profile)
    whole = config.flat() | {"merge.min_score": ablate.FLOOR, "questions.questions": ablate.questions_of(config)}
    ladder, variants = rows[: len(ablate.LADDER)], rows[len(ablate.LADDER) :]
    assert ladder[-1].options == whole
    changes = dict(ablate.VARIANTS)
    for row in variants:
        assert {o for o in whole if row.options[o] != whole[o]} <= set(changes[row.title])
        assert row.options != whole


@pytest.mark.parametrize("profile", PROFILES)
def test_a_step_changes_what_its_name_says(profile: str) -> None:
    _, rows = rows_of(profile)
    for before, (_, taken_back, _), after in zip(rows, ablate.LADDER[1:], rows[1:], strict=False):
        changed = {o for o in after.options if before.options[o] != after.options[o]}
        assert all(o.startswith(taken_back) for o in changed)
    assert rows[0].options["attention.flow"] == "last" and rows[1].options["attention.flow"] == "flow"
    assert len(rows[0].options["questions.questions"]) == 1


def test_a_single_question_for_an_embedded_vlm_becomes_all_that_it_knows() -> None:
    assert ablate.questions_of(Config.from_flat({"questions.questions": ["What?"]})) == list(QUESTIONS)
    several = Config.from_flat({"questions.questions": ["What?", "Where?"]})
    assert ablate.questions_of(several) == ["What?", "Where?"]
    other = Config.from_flat({"questions.questions": ["What?"], "vlm.model": "/a/real/model"})
    assert ablate.questions_of(other) == ["What?"]


def test_a_table_from_the_command_line_and_a_second_run_that_has_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vlm = FakeVlm()
    monkeypatch.setattr("vlsam_ros.backends.load_vlm", lambda options: vlm)
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr(ablate, "VARIANTS", ablate.VARIANTS[:2])
    args = ["ablate", "--data", str(coloured(tmp_path)), "--out", str(tmp_path / "out"), "--views.tile_rows", "0"]
    assert cli.main(args) == 0
    said = capsys.readouterr().out
    mar = json.loads(said.splitlines()[-1])["fake-vlm"]
    assert list(mar)[: len(ablate.LADDER)] == [title for title, *_ in ablate.LADDER]
    assert len(mar) == len(ablate.LADDER) + 2 and mar["+ questions"] == 1.0
    table = (tmp_path / "out" / "ablation.md").read_text()
    assert table.count("\n| ") == len(mar) + 1 and "| + views | 100.0 |" in table
    calls = vlm.calls
    assert cli.main(args) == 0 and vlm.calls == calls


def test_signs_are_compared_with_the_papers() -> None:
    row = {"AR50": 0.5, "recall": 0.5, "names": 0.5, "seconds": 1.0, "failed": 0}
    ours = [0.2, 0.1, 0.05, 0.3, 0.3, 0.4, 0.5, 0.6, 0.7]
    papers = [paper for *_, paper in ablate.LADDER] + [float("nan")]
    lines = ablate.markdown(
        [row | {"title": str(i), "mAR": m, "paper": p} for i, (m, p) in enumerate(zip(ours, papers, strict=True))]
    )
    signs = [line.split("|")[5].strip() for line in lines.splitlines()[2:]]
    assert signs == ["", "yes", "no", "yes", "no", "yes", "yes", "yes", ""]
    assert lines.splitlines()[-1].split("|")[3].strip() == "+10.0"


def test_a_row_without_a_result_is_no_zero(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    class Mute(FakeVlm):
        def answer_views(self, views, questions):
            raise VlmError("out of memory")

    monkeypatch.setattr("vlsam_ros.backends.load_vlm", lambda options: Mute())
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr(ablate, "VARIANTS", ())
    assert cli.main(["ablate", "--data", str(coloured(tmp_path)), "--out", str(tmp_path / "out")]) == 1
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])["fake-vlm"].values()) == {None}
    assert "| + views (3 frames failed) | nan |" in (tmp_path / "out" / "ablation.md").read_text()


def test_models_of_one_name_have_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vlsam_ros.backends.load_vlm", lambda options: FakeVlm())
    monkeypatch.setattr("vlsam_ros.backends.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr(ablate, "VARIANTS", ())
    monkeypatch.setattr(ablate, "LADDER", ablate.LADDER[:1])
    args = ["--data", str(coloured(tmp_path)), "--out", str(tmp_path / "out"), "--views.tile_rows", "0"]
    assert cli.main(["ablate", *args, "--models", "a/x", "b/x"]) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {"fake-vlm", "fake-vlm_2"}
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == {"fake-vlm", "fake-vlm_2"}
    assert cli.main(["ablate", *args, "--models", "b/x", "a/x"]) == 2  # never mixed up
    assert "vlm.model 'a/x' -> 'b/x'" in capsys.readouterr().err


def test_the_ways_beside_each_other_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A VLM that writes boxes and attends, and a grounder: all rows, fitted or not; a second run has nothing to do."""
    vlm, grounder = WritingVlm(), FakeGrounder()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # these models take nothing of a GPU
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_vlm", lambda options: vlm)
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_grounder", lambda options: grounder)
    data, views = str(coloured(tmp_path)), ["--views.tile_rows", "0", "--views.far", "0", "--attention.sigma", "0"]
    args = ["ablate", "--ways", "--data", data, *views, "--grounders", "/models/llmdet_tiny"]
    hidden = ("hidden states", "attention x hidden states")  # which these models have none of
    monkeypatch.setattr(ways, "rows", lambda *given: (r for r in ROWS(*given) if r.title not in hidden))
    assert cli.main([*args, "--out", str(tmp_path / "out")]) == 0
    rates = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(rates) == [
        "attention", "own boxes, name by name", "own boxes, all at once", "own boxes, checked by attention",
        "attention + own boxes", "llmdet_tiny", "llmdet_tiny, checked by attention", "attention + llmdet_tiny",
        "llmdet_tiny + own boxes", "attention + llmdet_tiny + own boxes",
    ]  # fmt: skip
    assert all(r["mAR"] == 1 and 0.05 < r["gib"] < 100 and r["false at 0.5"] == 0 for r in rates.values())
    table = (tmp_path / "out" / "ways.md").read_text()
    assert table.count("\n| ") == len(rates) + 1 and "names by fake-vlm" in table
    calls = vlm.calls
    assert cli.main([*args, "--out", str(tmp_path / "out")]) == 0 and vlm.calls == calls
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again == {title: r | {"gib": None} for title, r in rates.items()}  # memory is of what runs
    fitted = [*args, "--calibrate", data, "--out", str(tmp_path / "fitted")]
    assert cli.main(fitted) == 0  # all is right here, so that there is nothing to fit, which is said
    assert "not fitted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "titles"),
    [
        (["--grounders", "a/x-1", "b/x-1", "c/x_1"], ["attention", "x-1", "x-1_2", "x_1_3"]),
        (["--grounders", "a/attention"], ["attention", "attention_2"]),
        (["--grounder.model", "a/llmdet"], ["attention", "llmdet"]),  # the profile's
        ([], ["attention"]),
    ],
    ids=["three of one name", "called as a way", "the profile's", "none"],
)
def test_grounders_of_one_name_share_no_file(
    given: list[str], titles: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_vlm", lambda options: FakeVlm())
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr(
        "vlsam_ros.evaluation.ways.load_grounder", lambda options: loaded.append(options.model) or FakeGrounder()
    )
    alone = ("attention", "grounder")
    monkeypatch.setattr(
        ways, "rows", lambda *a: (r for r in ROWS(*a) if r.options["grounder.mode"] in alone and "," not in r.title
                                  and "hidden" not in r.title)
    )  # fmt: skip
    args = ["ablate", "--ways", "--data", str(coloured(tmp_path)), "--out", str(tmp_path / "out"), *given]
    assert cli.main([*args, "--views.tile_rows", "0", "--views.far", "0"]) == 0
    assert list(json.loads(capsys.readouterr().out.splitlines()[-1])) == titles
    assert len(list((tmp_path / "out").glob("*.jsonl"))) == len(titles)
    assert loaded == [model for model in given if "/" in model]


def test_nothing_to_compare_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_vlm", lambda options: WritingVlm(attends=False))
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr(WritingVlm, "boxes", "")
    assert cli.main(["ablate", "--ways", "--data", str(coloured(tmp_path)), "--out", str(tmp_path / "out")]) == 2
    assert "nothing to compare" in capsys.readouterr().err


def ways_with(vlm: FakeVlm, monkeypatch: pytest.MonkeyPatch, *titles: str) -> None:
    """Models that know pictures by their colours, and those rows alone."""
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_vlm", lambda options: vlm)
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_segmenter", lambda options: FakeSegmenter())
    monkeypatch.setattr("vlsam_ros.evaluation.ways.load_grounder", lambda options: FakeGrounder())
    monkeypatch.setattr(ways, "rows", lambda *given: (r for r in ROWS(*given) if r.title in titles))


def pictures(folder: Path, **changes: Any) -> str:
    folder.mkdir()
    return str(coloured(folder, **changes))


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


ONE_VIEW = ["--views.tile_rows", "0", "--views.far", "0", "--attention.sigma", "0"]


def test_scores_are_fitted_to_the_masks_of_other_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    """There the boxes are right and of the masks one in four, and so much a score comes to mean."""
    ways_with(FakeVlm(), monkeypatch, "attention", "x")
    data, other = pictures(tmp_path / "data"), tmp_path / "other"
    places = [(7, [4, 6, 20, 30]), (7, [50, 10, 16, 16]), (8, [30, 20, 24, 20]), (8, [2, 2, 16, 16])]
    labels = [annotation(i, 5 if n % 2 else 9, box) for n, (i, box) in enumerate(places)]
    images = [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in (7, 8)]
    file = pictures(other, images=images, annotations=labels)
    for a in labels[1:]:
        x, y = a["bbox"][:2]
        a["segmentation"] = [[x, y, x + 4, y, x + 4, y + 4, x, y + 4]]
    Path(file).write_text(json.dumps(json.loads(Path(file).read_text()) | {"annotations": labels}))
    args = ["--data", data, "--calibrate", file, *ONE_VIEW, "--grounders", "a/x", "--out", str(tmp_path / "out")]
    assert cli.main(["ablate", "--ways", *args]) == 0
    assert "not fitted" not in capsys.readouterr().err
    for row in ("attention.jsonl", "x.jsonl"):
        header, *seen = records(tmp_path / "out" / "calibration" / row)
        assert header["data"].endswith(file) and [r["image"] for r in seen] == ["7.png", "8.png"]
        assert len(scores_of(seen)) == 4 and min(scores_of(seen)) > 0.5
        header, *fitted = records(tmp_path / "out" / row)
        assert header["data"].endswith(data) and header["options"]["score.mapping"] == "logistic"
        assert scores_of(fitted) == pytest.approx([0.25] * 3, abs=0.1)


def scores_of(seen: list[dict[str, Any]]) -> list[float]:
    return [i["score"] for r in seen for i in r["instances"]]


class Blind(FakeVlm):
    """Fails where there is nothing."""

    def answer_views(self, views, *args, **more):
        if not all(self._seen(view) for view in views):
            raise VlmError("out of words")
        return super().answer_views(views, *args, **more)


FULL = {"images": [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in (1, 2)]}


@pytest.mark.parametrize(
    ("data", "fitted_on", "code"),
    [(FULL, None, 0), ({}, None, 1), (FULL, FULL, 0), (FULL, {}, 1)],
    ids=["none", "a frame", "none to fit", "a frame to fit"],
)
def test_frames_that_fail_are_in_the_exit_code(
    data: dict[str, Any], fitted_on: dict[str, Any] | None, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ways_with(Blind(), monkeypatch, "attention")
    args = ["--data", pictures(tmp_path / "data", **data), *ONE_VIEW, "--out", str(tmp_path / "out")]
    fit = ["--calibrate", pictures(tmp_path / "other", **fitted_on)] if fitted_on is not None else []
    assert cli.main(["ablate", "--ways", *args, *fit]) == code
    made = [r for file in (tmp_path / "out").rglob("*.jsonl") for r in records(file)]
    assert sum("error" in r for r in made) == code


def test_recall_at_few_false_alarms_and_false_alarms_at_half_the_recall(tmp_path: Path) -> None:
    """Of masks: of each object the upper left corner is right, and two false alarms have the boxes of objects."""
    places = [(2, 2), (42, 2), (2, 32), (42, 32)]
    images = [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in range(1, 11)]
    labels = [annotation(n, 5, [x, y, 6, 6]) | {"bbox": [x, y, 20, 20]} for n, (x, y) in enumerate(places, 1)]
    data, file = dataset.load(pictures(tmp_path / "data", images=images, annotations=labels)), tmp_path / "x.jsonl"
    found = {
        n: [thing("red box", x, y, x + 6, y + 6, s)]
        for n, (x, y), s in zip(range(1, 5), places, (0.9, 0.7, 0.5, 0.4), strict=True)
    }
    for n, s in ((3, 0.8), (4, 0.6)):
        x, y = places[n - 1]
        found[n].append(thing("red box", x, y, x + 20, y + 20, s))
    predictions.predict(data.frames, lambda f: Detections(f.size_hw, tuple(found.get(f.id, ()))), file, {})
    assert ways.more(data, file) == {"recall at 0.1": 0.5, "false at 0.5": 0.1}


@pytest.mark.parametrize("command", [["ablate"], ["ablate", "--ways", "--grounders", "a/x"]], ids=["steps", "ways"])
def test_a_detector_is_warmed_up_for_the_datas_frames_before_it_looks(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log: list[Any] = []

    class Logged(VLSam):
        def warm_up(self, *size_hw: tuple[int, int]) -> None:
            log.append((self.config, *size_hw))

        def __call__(self, *args: Any, **more: Any) -> Detections:
            log.append(self.config)
            return super().__call__(*args, **more)

    ways_with(FakeVlm(), monkeypatch, "attention", "x")
    monkeypatch.setattr("vlsam_ros.pipeline.VLSam", Logged)
    monkeypatch.setattr("vlsam_ros.pipeline.load", lambda config: VLSam(FakeVlm(), FakeSegmenter(), config))
    monkeypatch.setattr(ablate, "LADDER", ablate.LADDER[:2])
    monkeypatch.setattr(ablate, "VARIANTS", ())
    data, fit = pictures(tmp_path / "data"), pictures(tmp_path / "other") if "--ways" in command else None
    more = ["--calibrate", fit] if fit else []
    assert cli.main([*command, "--data", data, *more, *ONE_VIEW, "--out", str(tmp_path / "out")]) == 0
    each = [log[i : i + 4] for i in range(0, len(log), 4)]
    assert len(each) == (4 if fit else 2)
    assert all(one == [(one[1], (60, 80)), *[one[1]] * 3] for one in each)


@pytest.mark.parametrize(("given", "expected"), [("0", 2), ("3", 3)], ids=["torch's", "given"])
def test_the_ways_have_the_threads_of_the_options(
    given: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    models = {".vlm.loading": FakeVlm(), ".segmenter.loading": FakeSegmenter()}
    monkeypatch.setattr("vlsam_ros.backends._load", lambda module, options: models[module])
    monkeypatch.setattr(ways, "rows", lambda *of: (r for r in ROWS(*of) if r.title == "attention"))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        args = ["--data", pictures(tmp_path / "data"), *ONE_VIEW, "--out", str(tmp_path / "out")]
        assert cli.main(["ablate", "--ways", *args, "--vlm.threads", given]) == 0
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("ask", ["names", "at once"])
@pytest.mark.parametrize("grounder", ["", "/m/sam3"])
def test_rows_decide_what_they_compare(grounder: str, ask: str) -> None:
    """Whatever the profile says; but for its preset, if that is one of their own kind."""
    own = {"fusion.attention_checks": True, "merge.min_score": 0.6, "attention.preset": "decaf", "native.ask": ask}
    options = {r.title: r.options for r in ways.rows(Config.from_flat(own), grounder, True, True)}
    assert {o["merge.min_score"] for o in options.values()} == {ablate.FLOOR}
    checked = [title for title, o in options.items() if o["fusion.attention_checks"]]
    assert checked == [f"{grounder and 'sam3' or 'own boxes'}, checked by attention"]
    if not grounder:
        asked = [options[f"own boxes, {how}"]["native.ask"] for how in ("name by name", "all at once")]
        assert asked == ["names", "at once"] and options["attention"]["attention.preset"] == "decaf"


def test_a_row_without_hidden_states_has_none() -> None:
    config = Config.from_flat({"attention.preset": "product"})
    presets = {r.title: r.options["attention.preset"] for r in ways.rows(config, "", True, False)}
    assert presets == {"attention": "vlsam", "hidden states": "hidden", "attention x hidden states": "product"}


def test_only_what_the_vlm_can_do_is_compared() -> None:
    config = Config.from_flat({})
    titles = [[r.title for r in ways.rows(config, model, attends, writes)]
              for model in ("", "/m/sam3") for attends in (False, True) for writes in (False, True)]  # fmt: skip
    assert titles[0] == [] and titles[1] == ["own boxes, name by name", "own boxes, all at once"]
    assert titles[2] == ["attention", "hidden states", "attention x hidden states"] and len(titles[3]) == 7
    assert titles[4] == ["sam3"] and titles[5] == ["sam3", "sam3 + own boxes"] and len(titles[7]) == 5
    assert titles[6] == ["sam3", "sam3, checked by attention", "attention + sam3"]
    for row in ways.rows(config, "/m/sam3", True, True):
        assert Config.from_flat(row.options).grounder.model == "/m/sam3"


def test_ways_are_of_one_vlm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(coloured(tmp_path))
    for wrong in (["--ways", "--models", "a", "b"], ["--grounders", "a"], ["--calibrate", data]):
        assert cli.main(["ablate", "--data", data, "--out", str(tmp_path / "out"), *wrong]) == 2
        assert "--ways" in capsys.readouterr().err
