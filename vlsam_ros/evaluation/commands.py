"""`vlsam evaluate …`: predict, oracle, score, run and calibrate."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..config import Config
from ..data import Detections
from ..errors import OutputError
from ..output.folder import FOLDER, OutputFolder, writing
from . import dataset, predictions
from .dataset import DATA, Dataset, Frame, must_have_pictures

if TYPE_CHECKING:
    from .scoring import Result

COMMAND, ORACLE = "vlsam evaluate", "oracle.jsonl"
FILE = "a new file, or one that was stopped and goes on; or a folder for it (%(default)s)"
Configured = Callable[[argparse.Namespace], Config]


def add(commands: Any, model: Callable[[argparse.ArgumentParser], None], configured: Configured) -> None:
    """Add `evaluate` to a command line.

    Args:
        commands: where sub-commands are added (argparse's `add_subparsers`).
        model: adds the options of the models and the method to a command.
        configured: reads them.
    """
    top = commands.add_parser("evaluate", help="measure on labelled data", description=__doc__)
    parts = top.add_subparsers(required=True, metavar="COMMAND")
    for name, run, what in (
        ("predict", predict, "run the detector; can be stopped and started again"),
        ("oracle", oracle, "outline the true boxes with the segmenter: the upper bound"),
        ("score", score, "figures and a report of predictions; needs no model and no GPU"),
        ("run", everything, "predict, oracle and score into one folder"),
        ("calibrate", calibrate, "fit score.* and fusion.* to predictions (made with a low merge.min_score)"),
    ):
        command = parts.add_parser(name, help=what, description=what)
        command.set_defaults(run=partial(_run, run, configured))
        command.add_argument("--data", required=True, help=DATA)
        command.add_argument("--images", type=Path, help="folder with the pictures of labels (beside them)")
        if name in ("predict", "oracle", "run"):
            command.add_argument("--limit", type=int, help="only so many frames, from the first")
            model(command)
        if name in ("score", "calibrate"):
            command.add_argument(
                "--predictions", required=True, type=Path, help="of predict, or COCO's results, or a recording"
            )
            command.add_argument("--topic", default="/vlsam_detector/detections", help="of a recording (%(default)s)")
        if name in ("score", "run"):
            command.add_argument(
                "--names", default="text", help="how names are matched: text, clip:PATH, sentence[:PATH] (%(default)s)"
            )
            command.add_argument("--threshold", type=float, help="least score in use (as predicted)")
            command.add_argument(
                "--keep-known",
                action="store_true",
                help="of oodis and smiyc: count what is called as Cityscapes' classes",
            )
            command.add_argument("--worst", type=int, default=6, help="worst frames to draw (%(default)s)")
        if name == "score":
            command.add_argument("--oracle", type=Path, help="of oracle, for the ratio to it")
        if name != "calibrate":
            default = {"predict": predictions.FILE, "oracle": ORACLE}.get(name, "report")
            command.add_argument(
                "--out", type=Path, default=Path(default), help=FOLDER if default == "report" else FILE
            )


def predict(args: argparse.Namespace, data: Dataset, configured: Configured) -> int:
    """The detector over the data."""
    from ..pipeline import load

    config, file = configured(args), _file(args.out, predictions.FILE)
    must_have_pictures(data)
    detector = load(config)
    return _predicted(data, lambda f: detector(f.for_models(), horizon=f.horizon), file, header(data, config))


def oracle(args: argparse.Namespace, data: Dataset, configured: Configured) -> int:
    """The segmenter on the true boxes."""
    from ..backends import load_segmenter
    from .oracle import oracle as outliner

    config, file = configured(args), _file(args.out, ORACLE)
    must_have_pictures(data)
    outline = outliner(load_segmenter(config.segmenter), config)
    return _predicted(data, outline, file, header(data, config) | {"threshold": 0.0})


def score(args: argparse.Namespace, data: Dataset, _: Configured) -> int:
    """Figures and report."""
    return _say(_scored(args, data), args.out)


def everything(args: argparse.Namespace, data: Dataset, configured: Configured) -> int:
    """Predict, oracle and score, in one folder."""
    result, failed = measured(args, data, configured)
    return _say(result, args.out) or failed


def measured(args: argparse.Namespace, data: Dataset, configured: Configured) -> tuple[Result, int]:
    """What `vlsam evaluate run` does, and writes into its folder; nothing is printed but the progress.

    Args:
        args: as the command line of `run` gives them.

    Returns:
        Everything measured, and the exit code.
    """
    folder = OutputFolder(args.out, COMMAND)
    args.predictions, args.oracle, args.topic = folder.claim(predictions.FILE), folder.claim(ORACLE), ""
    args.out = args.predictions
    failed = predict(args, data, configured)
    args.out = args.oracle
    failed |= oracle(args, data, configured)
    args.out = folder.path
    return _scored(args, data), failed


def _scored(args: argparse.Namespace, data: Dataset) -> Result:
    """The figures; the report is written."""
    from . import names, report, scoring

    folder = OutputFolder(args.out, COMMAND)
    found = predictions.read(args.predictions, data, args.topic)
    best = predictions.read(_in(args.oracle, ORACLE), data) if args.oracle else None
    result = scoring.score(data, found, names.matcher(args.names), best, args.threshold, args.keep_known)
    report.write(result, folder, args.worst)
    return result


def _say(result: Result, out: Path) -> int:
    """Print what sums it up; the exit code."""
    from . import report, scoring

    headline = scoring.headline(result.scores)
    for name, value in headline.items():
        print(f"{name:24} {value:8.3f}" if isinstance(value, float) else f"{name:24} {value:8d}")
    for warning, count in result.scores["warnings"].items():
        print(f"warning: {warning}: {count}")
    print(f"report: {out / 'report.html'}")
    print(json.dumps(report.without_nan({k: round(v, 4) for k, v in headline.items()})))
    return 0


def calibrate(args: argparse.Namespace, data: Dataset, _: Configured) -> int:
    """Print the `score` and `fusion` options that fit."""
    from . import calibration, scoring
    from .names import by_words

    found = predictions.read(args.predictions, data, args.topic)
    scored = scoring.paired(data, found.found, by_words)
    fitted = calibration.fit(scored, scoring.geometries(scored)[-1])
    print(f"# calibration error {fitted.error:.3f} on these frames; for a profile:")
    group = ""
    for name, value in fitted.options().items():
        if not name.startswith(f"{group}."):
            print(f"    {(group := name.split('.')[0])}:")
        print(f"      {name.split('.')[1]}: {value}")
    return 0


def _run(run: Callable[..., int], configured: Configured, args: argparse.Namespace) -> int:
    return run(args, dataset.read(args), configured)


def header(data: Dataset, config: Config) -> dict[str, Any]:
    """What a predictions file says of how it was made."""
    options = {k: v for k, v in config.flat().items() if not k.startswith("node.")}
    return {"vlsam_ros": __version__, "data": data.name, "threshold": config.merge.min_score, "options": options}


def _file(out: Path, name: str) -> Path:
    """The file itself, which only goes on if it is such a one, or the usual one in a folder.

    Raises:
        OutputError: neither is possible.
    """
    with writing(out):
        if not out.suffix or out.is_dir():
            return OutputFolder(out, COMMAND).claim(name)
        if out.exists() and not out.is_file():
            raise OutputError(f"{out}: expected a file or a folder, or nothing yet")
    return out


def _in(path: Path, name: str) -> Path:
    return path / name if (path / name).is_file() else path


def _predicted(data: Dataset, detect: Callable[[Frame], Detections], file: Path, made: dict[str, Any]) -> int:
    """Into the file; the exit code."""
    with writing(file):
        failed = predictions.predict(data.frames, detect, file, made)
    print(f"{len(data.frames) - failed} of {len(data.frames)} frames done; results are in {file}")
    return 1 if failed else 0
