"""The floor under an update: its arithmetic and its memory traffic at the rates that this machine was measured at.

- Arithmetic: the multiply-adds that the equations ask for (`benchmarks.agents.multiplications`), nothing twice, at the
  rate of one large matrix product in the same precision.
- Traffic: what autograd keeps for the backward pass, written once and read once; each parameter read forward and
  backward, its gradient, and Adam's seven passes; at the rate of one large copy. What caches hold back is counted too,
  so that this is a floor only where tensors outgrow them.

An update cannot take less than the larger of the two. What lies between it and the measured time is elementwise work,
kernels that run below those rates, and their launches, whose number is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.agents import multiplications

from .learning import paper_agent, random_batch
from .timing import Row, sample


def matrix_rate(dtype: torch.dtype, device: torch.device, budget: float = 0.5) -> float:
    """Multiply-adds a second of one large matrix product."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return n**3 / min(sample(lambda: a @ b, device, budget))


def copy_rate(device: torch.device, budget: float = 0.5) -> float:
    """Bytes a second of one large copy, read and written bytes both counted."""
    source = torch.empty(2**28 if device.type == "cuda" else 2**26, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(sample(lambda: target.copy_(source), device, budget))


class _Operations(TorchDispatchMode):
    """Counts operations that compute something; views cost no launch."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view:
            self.count += 1
        return func(*args, **(kwargs or {}))


def traffic(agent: Any, batch: Any) -> tuple[int, int]:
    """(bytes, operations) of one update, as the module's docstring says."""
    kept: dict[tuple[int, int], int] = {}
    own = {p.untyped_storage().data_ptr() for p in agent.parameters()}
    alive = []  # held until the count is done, so that no address is given out twice

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr(), storage.nbytes()] = storage.nbytes()
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t), _Operations() as operations:
        agent.update(batch)
    parameters = sum(p.nbytes for o in agent.optimisers.values() for p in o.parameters)
    frames = sum(x.nbytes for x in batch)
    return 2 * sum(kept.values()) + frames + (2 + 1 + 7) * parameters, operations.count


def floor_rows(measured: list[Row], device: torch.device) -> Iterator[Row]:
    """One row for each measured update of Dreamer and CVRL: the floor, and how far the measurement is above it."""
    rates = {
        name: matrix_rate(getattr(torch, name), device)
        for name in sorted({row.what.split()[-1] for row in measured})
    }
    bandwidth = copy_rate(device)
    for name, rate in rates.items():
        yield Row("floor", f"matrix product {name}", rate / 1e9, "10⁹ mult-adds/s")
    yield Row("floor", "copy", bandwidth / 1e9, "GB/s")
    for row in measured:
        name, shape, path, precision = row.what.split()
        if name == "sac":
            continue
        b, t = map(int, shape.split("x"))
        agent = paper_agent(name, device, path != "plain", precision)
        agent.update(random_batch(name, "2x2", device))
        count, operations = traffic(agent, random_batch(name, shape, device))
        arithmetic = multiplications(name, b * t) * 1e9 / rates[precision]
        memory = count / bandwidth
        floor = max(arithmetic, memory)
        yield Row(
            "floor", row.what, floor, "s", ratio=row.value / floor, against="= measured",
            details={"giga_multiplications": multiplications(name, b * t), "gigabytes": count / 1e9,
             "arithmetic_seconds": arithmetic, "memory_seconds": memory, "operations": operations,
             "measured_seconds": row.value},
        )  # fmt: skip
