"""What the three trainings share: a cosine schedule over a time budget, checkpoints, resuming, a small JSONL log."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import torch
from torch import Tensor, distributed, nn

from training.data import Batch, Views


def arguments(doc: str, run: str, minutes: float) -> argparse.ArgumentParser:
    """What every training takes; `run` names its folder in runs/."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of train/ and val/")
    parser.add_argument("--out", type=Path, default=Path("runs") / run)
    parser.add_argument("--minutes", type=float, default=minutes, help="training time in all, also over restarts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="views a step; 32 or 64 on a GPU, a few on a CPU")
    help_bf16 = (
        "compute in bfloat16 where autocast does: twice as fast on a CPU with instructions for it, slower on others"
    )
    parser.add_argument("--bf16", action="store_true", help=help_bf16)
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line's arguments; sets the threads."""
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    cv2.setNumThreads(1)
    return args


def add_start(parser: argparse.ArgumentParser) -> None:
    """Where the second and the third training start from."""
    parser.add_argument("--dense", type=Path, default=Path("runs/dense/checkpoint.pt"))
    parser.add_argument(
        "--shipped", action="store_true", help="start from the package's own weights; a trunk in --dense goes first"
    )


def join_workers() -> int:
    """This process's rank among those that `torchrun` started together; 0 when alone."""
    if "RANK" not in os.environ:
        return 0
    distributed.init_process_group("gloo")
    return distributed.get_rank()


def average_gradients(module: nn.Module) -> None:
    """Replace each gradient by its mean over all workers."""
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(part.view_as(grad))


def split(modules: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights between features, for `Muon`, and the rest: embeddings, heads, biases and norms."""
    found = [(name, p) for name, p in modules.named_parameters() if p.requires_grad]
    inner = {
        n for n, p in found if p.ndim > 1 and min(p.flatten(1).shape) >= 32 and "embed" not in n and "head" not in n
    }
    return [p for n, p in found if n in inner], [p for n, p in found if n not in inner]


class Muon(torch.optim.Optimizer):
    """Steps along orthogonalised momentum, for weights of two and more axes; torch's own takes matrices only.

    A kernel (out, in, h, w) counts as the matrix (out, in · h · w). Steps have the size of AdamW's, so that both share
    a learning rate (K. Jordan, "Muon", 2024; scale after arXiv 2502.16982).
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.03):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].setdefault("momentum", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(mean, group["momentum"]).flatten(1)
                alike[ahead.shape].append((p, ahead))
            for shape, found in alike.items():
                updates = orthogonal(torch.stack([ahead for _, ahead in found]))
                for (p, _), update in zip(found, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update.view_as(p), alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)


def orthogonal(matrices: Tensor) -> Tensor:
    """About U·Vᵀ of matrices U·S·Vᵀ (..., M, N), by five Newton-Schulz steps in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    high = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if high else matrices).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if high else x).to(matrices.dtype)


class Run:
    """A training run that can be stopped at any time and goes on from its last checkpoint.

    The learning rate is warmed up and then follows a cosine over `minutes` of training time, so that a run always
    ends annealed, however fast the machine is. Under `torchrun` the workers average their gradients; the first one
    evaluates, logs and saves.
    """

    def __init__(
        self, args: argparse.Namespace, modules: nn.Module, lr: float, seed: int = 0, warm_up: int = 200
    ) -> None:
        folder = args.out
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        np.random.seed(seed)
        self.folder, self.modules, self.seconds, self.bf16 = folder, modules, args.minutes * 60, args.bf16
        self.device = torch.device(args.device)
        self.lr, self.warm_up = lr, warm_up
        inner, outer = split(modules)
        self.optimisers = (
            Muon(inner, lr=lr),
            torch.optim.AdamW(outer, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self.step, self.spent, self.seen, self.stopped = 0, 0.0, 0, Event()
        self.rank = join_workers()
        self.path = folder / "checkpoint.pt"
        if self.path.exists():
            state = torch.load(self.path, weights_only=True, map_location="cpu")
            modules.load_state_dict(state["modules"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.step, self.spent, self.seen = state["step"], state["spent"], state["seen"]
        np.random.seed([seed, self.step, self.rank])
        torch.manual_seed(np.random.randint(1 << 31))

    @property
    def progress(self) -> float:
        """Share of the time budget that is used, 0 to 1."""
        return min(1.0, self.spent / self.seconds)

    def elapsed(self, started: float) -> float:
        """Seconds since `started`; these, and whether to stop, are the same on all workers."""
        news = torch.tensor([time.perf_counter() - started, float(self.stopped.is_set())])
        if distributed.is_initialized():
            distributed.all_reduce(news, distributed.ReduceOp.MAX)
        if news[1]:
            self.stopped.set()
        return float(news[0])

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "modules": self.modules.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "spent": self.spent,
            "seen": self.seen,
        }
        torch.save(state, self.path.with_suffix(".part"))
        os.replace(self.path.with_suffix(".part"), self.path)

    def log(self, **figures: float) -> None:
        """Append one line to log.jsonl and print it."""
        line = {"step": self.step, "seen": self.seen, "minutes": round(self.spent / 60, 2)}
        line |= {k: round(float(v), 4) for k, v in figures.items()}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)

    def train(
        self,
        views: Views,
        batch: int,
        loss_of: Callable[[Batch], dict[str, Tensor]],
        evaluate: Callable[[], dict[str, float]],
    ) -> None:
        """Run to the end of the budget; `loss_of` gives named losses, already weighted.

        Three times, and at least every ten minutes, it evaluates, logs and saves. SIGTERM ends it after a step, saved.
        """
        signal.signal(signal.SIGTERM, lambda *_: self.stopped.set())
        every = min(self.seconds / 3, 600)
        due, sums, count, started = self.spent + every, {}, 0, time.perf_counter()
        for items in views.batches(batch):
            if self.spent >= self.seconds or self.stopped.is_set():
                break
            warm, p = min(1.0, (self.step + 1) / self.warm_up), self.progress
            for group in (g for optimiser in self.optimisers for g in optimiser.param_groups):
                group["lr"] = self.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * p)))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                losses = loss_of(items)
            self.modules.zero_grad(set_to_none=True)
            sum(losses.values()).backward()
            if distributed.is_initialized():
                average_gradients(self.modules)
            nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
            for optimiser in self.optimisers:
                optimiser.step()
            self.step, self.seen = self.step + 1, self.seen + len(items)
            self.spent += self.elapsed(started)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.detach()  # read when it is logged: a GPU does not wait
            count += 1
            if self.spent >= due and self.rank == 0:
                due = self.spent + every
                self.log(**{k: v / count for k, v in sums.items()}, **evaluate())
                sums, count = {}, 0
                self.save()
            started = time.perf_counter()
        if self.rank == 0:
            self.save()
            if not self.stopped.is_set():
                self.log(**evaluate())
