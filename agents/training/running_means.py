"""Means of what every update reports, over the updates since the last line of metrics; a checkpoint holds the sums."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .saved_tensors import take


class RunningMeans:
    """Sums in float64, on the device of what is added."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """One value, a scalar, of each."""
        for name, value in values.items():
            before = self._sums.get(name)
            self._sums[name] = value.detach().double() if before is None else before + value.detach()
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The mean of each, and begin anew. One transfer for all of them."""
        sums = torch.stack(list(self._sums.values())).tolist() if self._sums else []
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
        """Take up what `counts` and `tensors` gave. Raises NaturalMujocoError naming a sum that is missing."""
        like = torch.zeros((), dtype=torch.float64)
        self._counts = dict(counts)
        self._sums = {name: take(tensors, f"metrics.{name}", like, source, finite=False) for name in counts}
