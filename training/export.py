"""Last step: `python -m training.export` writes the trained pair into the package, in float16, with the runs' logs.

It reads the newest checkpoints, so it can also be used while a training still runs.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from training import sam, vlm
from vlsam_ros.embedded import VLMS, WEIGHTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    processor = vlm.build_processor()
    for run in VLMS.values():
        speaker = vlm.Trainee(processor)
        speaker.load_state_dict(torch.load(args.runs / run / "checkpoint.pt", weights_only=True)["modules"])
        speaker.vlm.half().save_pretrained(args.out / run)
        processor.save_pretrained(args.out / run)
    outliner = sam.Trainee()
    outliner.load_state_dict(torch.load(args.runs / "sam" / "checkpoint.pt", weights_only=True)["modules"])
    state = {name: tensor.half().contiguous() for name, tensor in outliner.sam.state_dict().items()}
    save_file(state, args.out / "sam.safetensors")
    logs = Path(__file__).parent / "logs"
    logs.mkdir(exist_ok=True)
    for run in ("dense", *VLMS.values(), "sam"):
        shutil.copy(args.runs / run / "log.jsonl", logs / f"{run}.jsonl")
    size = sum(p.stat().st_size for p in args.out.rglob("*") if p.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
