"""`vlsam …`: the detector without ROS."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .config import PROFILES, Config, Option, options, profile_path
from .data import Detections
from .errors import BadImageError, ConfigError, VlsamError
from .rle import encode, to_coco

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def main(args: Sequence[str] | None = None) -> int:
    """The command line; the exit code: 0 all right, 1 some pictures failed, 2 wrong use or no model."""
    parsed = parser().parse_args(args)
    try:
        changes = {o.name: value for o in options() if (value := getattr(parsed, o.name, None)) is not None}
        return detect(parsed.images, parsed.out, Config.from_file(profile_path(parsed.profile), changes))
    except VlsamError as error:
        print(f"vlsam: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """One sub-command, `detect`; every option of the models and the method as `--group.option`."""
    top = argparse.ArgumentParser(prog="vlsam", description="Open-ended detection and segmentation of road hazards.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "detect",
        help="pictures in, overlays and JSON out",
        description="Detect in pictures; write NAME.overlay.jpg and NAME.json for each into a folder.",
    )
    command.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures, or folders of pictures")
    command.add_argument("--out", type=Path, default=Path("vlsam_output"), help="folder for results (%(default)s)")
    command.add_argument("--profile", default="embedded", help=f"{', '.join(PROFILES)}, or a YAML file (%(default)s)")
    for option in options():
        if option.group != "node":
            _add(command, option)
    return top


def detect(paths: Sequence[Path], out: Path, config: Config) -> int:
    """Detect in every picture and write the results; a broken picture is reported and costs nothing else."""
    from tqdm import tqdm

    from .overlay import draw
    from .pipeline import load

    pictures = list(collected(paths))
    if not pictures:
        raise ConfigError(f"no pictures in {', '.join(map(str, paths))}; expected {', '.join(sorted(PICTURES))}")
    detector = load(config)
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path, stem in tqdm(list(zip(pictures, stems(pictures), strict=True)), unit="picture"):
        try:
            image = read(path)
            found = detector(image)
        except VlsamError as error:
            tqdm.write(f"{path}: {error}", file=sys.stderr)
            failed += 1
            continue
        overlay = draw(image, found, found.timings_s["total"])
        cv2.imwrite(str(out / f"{stem}.overlay.jpg"), overlay[..., ::-1])
        (out / f"{stem}.json").write_text(json.dumps(as_json(path, found), indent=1) + "\n")
        names = ", ".join(f"{d.label} {d.score:.2f}" for d in found.items) or "nothing"
        tqdm.write(f"{path}: {names}")
    print(f"{len(pictures) - failed} of {len(pictures)} pictures done; results are in {out}")
    return 1 if failed else 0


def collected(paths: Sequence[Path]) -> Iterator[Path]:
    """The pictures themselves, and those directly in the folders, sorted."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        else:
            yield path


def stems(pictures: Sequence[Path]) -> Iterator[str]:
    """A name for each picture's results; pictures of one name from several folders are numbered."""
    seen: dict[str, int] = {}
    for path in pictures:
        seen[path.stem] = seen.get(path.stem, 0) + 1
        yield path.stem if seen[path.stem] == 1 else f"{path.stem}_{seen[path.stem]}"


def read(path: Path) -> np.ndarray:
    """A picture as RGB uint8 (H, W, 3).

    Raises:
        BadImageError: the file is missing or no picture.
    """
    if not path.is_file():
        raise BadImageError("no such file")
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise BadImageError("not a picture that OpenCV can decode")
    return np.ascontiguousarray(image[..., ::-1])


def as_json(path: Path, found: Detections) -> dict[str, Any]:
    """The result for one picture; masks are COCO run lengths (uncompressed) of the whole picture."""
    return {
        "image": str(path),
        "size_hw": list(found.size_hw),
        "vlm": found.vlm,
        "segmenter": found.segmenter,
        "demonstration": found.demonstration,
        "skipped": list(found.skipped),
        "timings_s": {k: round(v, 4) for k, v in found.timings_s.items()},
        "answers": [{"view": v, "question": q, "text": t} for v, q, t in found.answers],
        "instances": [
            {
                "label": d.label,
                "score": round(d.score, 4),
                "parts": {k: round(getattr(d, k), 4) for k in ("attention", "iou", "consistency")},
                "box_xyxy": list(d.xyxy),
                "view": d.view,
                "segmentation": to_coco(encode(d.mask.bits, (d.mask.x, d.mask.y)), found.size_hw),
            }
            for d in found.items
        ],
    }


def _add(command: argparse.ArgumentParser, option: Option) -> None:
    doc = option.doc.replace("%", "%%")
    if option.type is bool:
        command.add_argument(f"--{option.name}", dest=option.name, action=argparse.BooleanOptionalAction, help=doc)
    elif option.type is list:
        command.add_argument(f"--{option.name}", dest=option.name, nargs="*", metavar="TEXT", help=doc)
    else:
        choices = option.choices or None
        command.add_argument(f"--{option.name}", dest=option.name, type=option.type, choices=choices, help=doc)


if __name__ == "__main__":
    sys.exit(main())
