"""Means of the updates' metrics since the last line of metrics.jsonl; checkpoints contain the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .saved_tensors import take


def together(values: Sequence[Tensor]) -> Tensor:
    """Scalars as one tensor, on the accelerator if any of them is there.

    Some metrics are the processor's, a learning rate for instance, and so are the sums of a run just resumed.
    """
    device = next((value.device for value in values if value.device.type != "cpu"), torch.device("cpu"))
    return torch.stack([value.to(device) for value in values])


class RunningMeans:
    """Running sums in float64, on the devices of the values."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Adds one scalar value of each metric."""
        for name, value in values.items():
            before = self._sums.get(name)
            self._sums[name] = value.detach().double() if before is None else before + value.detach()
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Returns the mean of each metric, with one transfer from the device for all, and clears the sums."""
        sums = together(list(self._sums.values())).tolist() if self._sums else []
        means = {name: total / self._counts[name] for name, total in zip(self._sums, sums, strict=True)}
        self._sums, self._counts = {}, {}
        return means

    def counts(self) -> dict[str, int]:
        """How many values each sum has, for a checkpoint."""
        return dict(self._counts)

    def tensors(self) -> dict[str, Tensor]:
        """The sums, for a checkpoint."""
        return {f"metrics.{name}": value for name, value in self._sums.items()}

    def restore(self, counts: Mapping[str, int], tensors: Mapping[str, Tensor], source: str) -> None:
        """Restores what `counts` and `tensors` returned. Raises NaturalMujocoError, which names a missing sum."""
        like = torch.zeros((), dtype=torch.float64)
        self._counts = dict(counts)
        self._sums = {name: take(tensors, f"metrics.{name}", like, source, finite=False) for name in counts}
