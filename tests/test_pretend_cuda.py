"""The pretended device: it fails where a GPU fails, and counts what a GPU would do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pretend_cuda import Counts, pretended
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, scaled_dot_product_attention
from torch.utils._device import _device_constructors

GRID = torch.arange(12.0).reshape(3, 4)


def test_tensors_on_it_say_so_and_have_the_cpus_numbers() -> None:
    with pretended():
        tensors = [
            GRID.to("cuda"),
            torch.zeros(2, device="cuda"),
            torch.tensor([1, 2], device="cuda:0"),
            torch.as_tensor(np.ones(3), device="cuda"),
            GRID.cuda()[0].new_tensor([3, 4]),
            nn.Linear(4, 2).to("cuda").weight,
        ]
        assert all(t.is_cuda and str(t.device) == "cuda:0" for t in tensors)
        x = tensors[0]
        assert torch.equal((x @ x.T).softmax(-1).cpu(), (GRID @ GRID.T).softmax(-1))
        assert x[[0, 2]].tolist() == GRID[[0, 2]].tolist() and x[x > 3].tolist() == GRID[GRID > 3].tolist()
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            assert (x @ x.T).dtype == torch.bfloat16


FAULTS: dict[str, tuple[Callable[[Tensor], object], type[Exception], str]] = {
    "two devices": (lambda x: x + GRID, RuntimeError, "same device"),
    "joined": (lambda x: torch.cat([x, GRID]), RuntimeError, "same device"),
    "embedding": (lambda x: nn.functional.embedding(torch.zeros(2, dtype=torch.long), x), RuntimeError, "same device"),
    "index of the device": (lambda x: GRID[x.long()], RuntimeError, "same device"),
    "values of the host": (lambda x: x.__setitem__(x > 3, GRID[0]), RuntimeError, "same device"),
    "numpy": (np.asarray, TypeError, "cuda:0"),
    "integers": (lambda x: x.long() @ x.long().T, RuntimeError, "not implemented"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_a_gpu_can_not_do_is_an_error(case: str) -> None:
    call, kind, message = FAULTS[case]
    with pretended(), pytest.raises(kind, match=message):
        call(GRID.to("cuda"))


def _counts(call: Callable[[Tensor], object], inference: bool) -> Counts:
    with pretended() as counts, torch.inference_mode(inference):
        x = GRID.to("cuda")
        counts.clear()
        call(x)
    return counts


WORK: dict[str, tuple[Callable[[Tensor], object], int, int, int]] = {
    "item": (lambda x: x.sum().item(), 1, 0, 1),
    "truth": (lambda x: bool((x > 3).any()), 1, 0, 2),
    "list": (lambda x: x.tolist(), 1, 0, 0),
    "list of numbers": (lambda x: torch.tensor([x[0, 0], x[1, 0]], device="cuda"), 3, 1, 0),
    "download": (lambda x: x.cpu(), 1, 0, 0),
    "download, not waited for": (lambda x: x.to("cpu", non_blocking=True), 0, 0, 0),
    "copy to the host": (lambda x: torch.empty(3, 4).copy_(x), 1, 0, 0),
    "upload": (lambda x: x.new_tensor([1, 2]), 1, 1, 0),
    "upload, not waited for": (lambda x: GRID.pin_memory().to("cuda", non_blocking=True), 0, 1, 0),
    "copy from the host": (lambda x: x.copy_(GRID, non_blocking=True), 0, 1, 0),
    "scalar of the host": (lambda x: x * torch.tensor(2.0), 0, 0, 1),
    "where": (lambda x: torch.where(x > 3), 1, 0, 2),
    "mask read": (lambda x: x[x > 3], 1, 0, 2),
    "mask written with a number": (lambda x: x.__setitem__(x > 3, 0.0), 0, 0, 2),
    "mask written with a tensor": (lambda x: x.__setitem__(x > 30, x[0, :1]), 1, 0, 2),
    "index of the device": (lambda x: x[torch.arange(2, device="cuda")], 0, 0, 2),
    "index of the host": (lambda x: x[torch.arange(2)], 1, 1, 1),
    "slice": (lambda x: x[1:, None, ::2], 0, 0, 0),
    "unique": (lambda x: x.unique(), 1, 0, 1),
    "repeated": (lambda x: x.repeat_interleave(torch.ones(3, dtype=torch.long, device="cuda"), 0), 1, 0, 3),
    "repeated to a size": (
        lambda x: x.repeat_interleave(torch.ones(3, dtype=torch.long, device="cuda"), 0, output_size=3),
        *(0, 0, 3),
    ),
    "equal": (lambda x: torch.equal(x, x.clone()), 1, 0, 2),
    "close": (lambda x: torch.allclose(x, x), 1, 0, 1),
    "views": (lambda x: x.T.unsqueeze(0).expand(2, -1, -1)[:, 1:].flatten(1, 1).unbind(), 0, 0, 0),
    "reshaped in place": (lambda x: x.reshape(4, 3).view(-1), 0, 0, 0),
    "reshaped with a copy": (lambda x: x.T.reshape(-1), 0, 0, 1),
    "nothing to move": (lambda x: x.to("cuda").float().contiguous(), 0, 0, 0),
    "allocation": (lambda x: torch.empty(3, device="cuda").new_empty(2), 0, 0, 0),
    "nothing in it": (lambda x: torch.cat([x[:0], x.new_tensor([])[:, None].expand(0, 4)]).cpu(), 0, 0, 0),
    "linear": (lambda x: linear(x[None], x, x.flatten()[:3]), 0, 0, 1),
    "synchronised": (lambda _: torch.cuda.synchronize(), 1, 0, 0),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("case", WORK)
def test_waits_uploads_and_operations_are_counted(case: str, inference: bool) -> None:
    call, *expected = WORK[case]
    counts = _counts(call, inference)
    assert [counts.total(what) for what in ("waits", "uploads", "ops")] == expected, counts.table("ops")


FLOPS: dict[str, tuple[Callable[[Tensor], object], int]] = {
    "product": (lambda x: x @ x.T, 2 * 3 * 4 * 3),
    "linear": (lambda x: linear(x.expand(5, 3, 4), x, x[:, 0]), 2 * 15 * 4 * 3),
    "batched": (lambda x: torch.baddbmm(x[:, :3], x[None], x.T[None]), 2 * 3 * 4 * 3),
    "in place": (lambda x: torch.zeros(1, 3, 3, device="cuda").baddbmm_(x[None], x.T[None]), 2 * 3 * 4 * 3),
    "convolution": (lambda x: conv2d(x[None, None], x[None, None, :2, :3]), 2 * (2 * 2) * (2 * 3)),
    "sum": (lambda x: x.sum(), 0),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("case", FLOPS)
def test_products_are_counted(case: str, inference: bool) -> None:
    call, expected = FLOPS[case]
    assert _counts(call, inference).total("flops") == expected


@pytest.mark.parametrize("inference", [False, True])
def test_attention_is_one_operation(inference: bool) -> None:
    def attend(x: Tensor) -> Tensor:
        query = x.expand(2, 4, 3, 4)
        return scaled_dot_product_attention(query, query[:, :2], query[:, :2], is_causal=True, enable_gqa=True)

    counts = _counts(attend, inference)
    assert (counts.total("ops"), counts.total("flops")) == (1, 2 * 2 * 2 * 4 * 3 * 3 * 4)


def test_counts_are_by_stage_and_caller() -> None:
    with pretended() as counts:
        x = GRID.to("cuda")
        with counts.stage("outer"):
            with counts.stage("inner"):
                x = x + 1
            x.sum().item()
    assert counts.by_stage("ops") == {"inner": 1, "outer": 1}
    assert counts.by_stage("waits") == {"-": 1, "outer": 1} and counts.total("waits", "outer") == 1
    (site,) = (site for site in counts.waits if site.stage == "outer")
    assert site.caller.startswith("test_pretend_cuda.py:") and "_local_scalar_dense" in counts.table("waits")


def test_a_copy_is_there_once_the_host_has_waited() -> None:
    with pretended():
        x, event = GRID.to("cuda"), torch.cuda.Event()
        copy = x.to("cpu", non_blocking=True)
        event.record()
        assert copy.isnan().all()
        event.synchronize()
        assert torch.equal(copy, GRID)


@pytest.mark.parametrize("how", ["wait_stream", "event", "host", "not"])
def test_a_stream_waits_for_another_or_it_is_an_error(how: str) -> None:
    with pretended() as counts:
        x, side, main = GRID.to("cuda"), torch.cuda.Stream(), torch.cuda.current_stream()
        with torch.cuda.stream(side):
            y = x + 1
            event = side.record_event()
        assert torch.cuda.current_stream() is main and counts.streams == {side: 1}
        if how == "wait_stream":
            main.wait_stream(side)
        elif how == "event":
            event.wait()
        elif how == "host":
            side.synchronize()
        if how == "not":
            with pytest.raises(RuntimeError, match="another stream"):
                y.T[1:] + 1
        else:
            assert torch.equal((y + 1).cpu(), GRID + 2)
    assert counts.total("waits") == 1 + (how != "not") + (how == "host")


def test_what_it_says_of_itself_and_nothing_is_left_of_it() -> None:
    before = {name: getattr(torch.cuda, name) for name in ("Stream", "is_available", "mem_get_info", "_lazy_init")}
    with pretended(free=100, capability=(7, 5), integrated=True) as counts:
        properties = torch.cuda.get_device_properties("cuda")
        assert properties.is_integrated and torch.cuda.get_device_capability(0) == (7, 5)
        assert torch.cuda.is_available() and torch.cuda.mem_get_info("cuda") == (100, 100)
        counts.free = 40
        assert torch.cuda.mem_get_info() == (40, 100)
        x = GRID.to("cuda")
    assert before == {name: getattr(torch.cuda, name) for name in before}
    assert not torch.__future__.get_swap_module_params_on_conversion() and not torch._C._only_lift_cpu_tensors()
    with pytest.raises(RuntimeError, match="outlived"):
        x + 1


def test_tied_weights_stay_tied() -> None:
    with pretended():
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        model.to("cuda")
        assert model[1].weight is model[0].weight and model[0].weight.is_cuda


def test_the_meta_device_stays_what_it_was() -> None:
    _device_constructors.cache_clear()
    with pretended(), torch.device("meta"):
        assert torch.tensor([1]).is_meta and nn.Linear(2, 2).weight.is_meta
    with torch.device("meta"):
        assert torch.tensor([1]).is_meta
