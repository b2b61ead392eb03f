"""`vlsam …`: the detector without ROS."""

from __future__ import annotations

import argparse
import glob
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .config import PROFILES, Config, Option, options, profile_path
from .errors import ConfigError, VlsamError
from .evaluation import ablate
from .evaluation import commands as evaluate
from .output.files import as_json, jpeg, read
from .output.folder import FOLDER, OutputFolder, unique
from .output.text import plain, print_anything

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def main(args: Sequence[str] | None = None) -> int:
    """The command line; the exit code: 0 all right, 1 some pictures failed, 2 wrong use or no model."""
    parsed = parser().parse_args(args)
    print_anything()
    try:
        return parsed.run(parsed)
    except (VlsamError, OSError) as error:  # the system refuses a name, a folder …
        print(f"vlsam: {plain(error, 2000)}", file=sys.stderr)
    except ModuleNotFoundError as error:  # what only some commands need is imported by them
        package = (error.name or "").split(".")[0].replace("_", "-")
        print(f"vlsam: no package {package}: pip install {package}", file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    """The sub-commands; every option of the models and the method is `--group.option`."""
    top = argparse.ArgumentParser(prog="vlsam", description="Open-ended detection and segmentation of road hazards.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "detect",
        help="pictures in, overlays and JSON out",
        description="Detect in pictures; write NAME.overlay.jpg and NAME.json for each into a folder.",
    )
    command.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures, or folders of pictures")
    command.add_argument("--out", type=Path, default=Path("vlsam_output"), help=FOLDER)
    command.set_defaults(run=lambda parsed: detect(parsed.images, parsed.out, configured(parsed)))
    _add_options(command)
    evaluate.add(commands, _add_options, configured)
    ablate.add(commands, _add_options, configured)
    return top


def configured(parsed: argparse.Namespace) -> Config:
    """The profile, with the options of the command line over it."""
    changes = {o.name: value for o in options() if (value := getattr(parsed, o.name, None)) is not None}
    return Config.from_file(profile_path(parsed.profile), changes)


def detect(paths: Sequence[Path], out: Path, config: Config) -> int:
    """Detect in every picture and write the results; a picture that fails is reported and costs nothing else."""
    from tqdm import tqdm

    from .output.overlay import Caption, draw
    from .pipeline import load

    pictures, folder = list(collected(paths)), OutputFolder(out, "vlsam detect")
    if not pictures:
        raise ConfigError(f"no pictures in {', '.join(map(str, paths))}; expected {', '.join(sorted(PICTURES))}")
    detector = load(config)
    failed = 0
    for path, stem in tqdm(list(zip(pictures, stems(pictures), strict=True)), unit="picture"):
        try:
            for old in (".json", ".overlay.jpg"):  # of an earlier run: if this one fails, they are not its results
                folder.clear(f"{glob.escape(stem)}{old}")
            image = read(path)
            found = detector(image)
            folder.write(f"{stem}.json", json.dumps(as_json(str(path), found), indent=1) + "\n")
            folder.write(f"{stem}.overlay.jpg", jpeg(draw(image, found, Caption(found.timings_s["total"]))))
        except Exception as error:  # one picture's failure, whatever it is, must not cost the others
            kind = "" if isinstance(error, VlsamError) else f"{type(error).__name__}: "
            tqdm.write(plain(f"{path}: {kind}{error}"), file=sys.stderr)
            failed += 1
            continue
        names = ", ".join(f"{d.label} {d.score:.2f}" for d in found.items) or "nothing"
        tqdm.write(plain(f"{path}: {names}"))
        if found.unfamiliar:
            tqdm.write(plain(f"{path}: unfamiliar: {found.unfamiliar}"), file=sys.stderr)
        for problem in found.problems:
            tqdm.write(plain(f"{path}: not known: {problem}"), file=sys.stderr)
    print(plain(f"{len(pictures) - failed} of {len(pictures)} pictures done; results are in {out}"))
    return 1 if failed else 0


def collected(paths: Sequence[Path]) -> Iterator[Path]:
    """The pictures themselves, and those directly in the folders, sorted.

    Raises:
        ConfigError: a folder that may not be read.
    """
    for path in paths:
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise ConfigError(f"can't read {path}: {error.strerror}") from error
        yield from [path] if inside is None else (p for p in inside if p.suffix.lower() in PICTURES)


def stems(pictures: Sequence[Path]) -> Iterator[str]:
    """A name for each picture's results; see `unique`."""
    yield from unique([path.stem for path in pictures])


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", default="embedded", help=f"{', '.join(PROFILES)}, or a YAML file (%(default)s)")
    for option in options():
        if option.group != "node":
            _add(command, option)


def _add(command: argparse.ArgumentParser, option: Option) -> None:
    doc = option.doc.replace("%", "%%")
    if option.type is bool:
        command.add_argument(f"--{option.name}", dest=option.name, action=argparse.BooleanOptionalAction, help=doc)
    elif option.type is list:
        metavar = "NUMBER" if option.item is float else "TEXT"
        command.add_argument(
            f"--{option.name}", dest=option.name, nargs="*", type=option.item, metavar=metavar, help=doc
        )
    else:
        choices = option.choices or None
        command.add_argument(f"--{option.name}", dest=option.name, type=option.type, choices=choices, help=doc)


if __name__ == "__main__":
    sys.exit(main())
