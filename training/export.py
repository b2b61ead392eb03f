"""Last step: `python -m training.export` writes what was trained into the package, in float16, with the runs' logs.

It reads the newest checkpoints, so it can also be used while a training still runs. A model without a run stays as it
is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from training import sam, vlm
from training.answers import build_processor
from vlsam_ros.embedded import VLMS, WEIGHTS

LOGS = Path(__file__).parent / "logs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--logs", type=Path, default=LOGS)
    args = parser.parse_args()
    args.logs.mkdir(parents=True, exist_ok=True)
    for run in ("dense", *VLMS.values(), "sam"):
        if not (args.runs / run / "checkpoint.pt").exists():
            continue
        state = torch.load(args.runs / run / "checkpoint.pt", weights_only=True, map_location="cpu")["modules"]
        if run in VLMS.values():
            processor = build_processor()
            speaker = vlm.Trainee(processor, boxes=any("tower.places" in name for name in state))
            speaker.load_state_dict(state)
            speaker.vlm.half().save_pretrained(args.out / run)
            processor.save_pretrained(args.out / run)
            share_trunk(args.out / run, args.out / VLMS["embedded"])
        elif run == "sam":
            outliner = sam.Trainee()
            outliner.load_state_dict(state)
            tensors = {name: tensor.half().contiguous() for name, tensor in outliner.sam.state_dict().items()}
            save_file(tensors, args.out / "sam.safetensors")
        shutil.copy(args.runs / run / "log.jsonl", args.logs / f"{run}.jsonl")
    size = sum(p.stat().st_size for p in args.out.rglob("*") if p.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB")


def share_trunk(folder: Path, other: Path) -> None:
    """Keep the trunk of a checkpoint in a file of its own, or in the other folder's if that has the same."""
    whole = folder / "model.safetensors"
    tensors = load_file(whole)
    trunk = {name: tensor for name, tensor in tensors.items() if ".trunk." in name}
    rest = {name: tensor for name, tensor in tensors.items() if name not in trunk}
    path = other / "trunk.safetensors"
    if folder == other or not path.exists() or not same(trunk, load_file(path)):
        path = folder / "trunk.safetensors"
        save_file(trunk, path, {"format": "pt"})
    elif (folder / path.name).exists():
        (folder / path.name).unlink()  # of an earlier export
    save_file(rest, folder / "rest.safetensors", {"format": "pt"})
    files = dict.fromkeys(trunk, os.path.relpath(path, folder)) | dict.fromkeys(rest, "rest.safetensors")
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    whole.unlink()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal in every bit."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


if __name__ == "__main__":
    main()
