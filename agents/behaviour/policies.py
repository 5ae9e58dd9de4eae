"""The policies q(a | s) at given states, with actions in [−1, 1]: a Gaussian squashed by tanh, or one cut off at ±1.

Both turn noise from N(0, I) into actions, so that gradients reach the parameters through the actions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.distributions import normal_log_prob, tanh_normal_log_prob, tanh_normal_sample

_SQRT_HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Policy(ABC):
    """A policy at some states, with a mean μ and a standard deviation σ for each action."""

    mean: Tensor  # [..., A]
    std: Tensor  # [..., A]

    @abstractmethod
    def mode(self) -> Tensor:
        """The actions without noise: [..., A]."""

    @abstractmethod
    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(actions, what `log_prob` tells their density from) with `noise` from N(0, I): [..., A] each."""

    @abstractmethod
    def log_prob(self, raw: Tensor) -> Tensor:
        """Log-density of the actions that `draw` gave with `raw`: [..., A] → [...], in nats."""

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(actions, their log-density) with `noise` [..., A] from N(0, I): [..., A] and [...]."""
        action, raw = self.draw(noise)
        return action, self.log_prob(raw)

    def action(self, noise: Tensor | None) -> Tensor:
        """The mode without noise, else a sample: [..., A]."""
        return self.mode() if noise is None else self.draw(noise)[0]

    @staticmethod
    def joined(policies: Sequence[Policy], join: Callable[[list[Tensor]], Tensor]) -> Policy:
        """One policy of many of a kind; `join` makes one tensor of many, as `torch.stack` does."""
        return type(policies[0])(join([p.mean for p in policies]), join([p.std for p in policies]))


class TanhNormal(Policy):
    """a = tanh(μ + σ·ε) (section 3.2). Where |μ| is large, tanh lets no gradient through."""

    def mode(self) -> Tensor:
        """tanh(μ), the median of every action."""
        return torch.tanh(self.mean)

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The actions, and their values before the tanh."""
        return tanh_normal_sample(self.mean, self.std, noise)

    def log_prob(self, raw: Tensor) -> Tensor:
        return tanh_normal_log_prob(raw, self.mean, self.std)


class TruncatedNormal(Policy):
    """N(μ, σ²) cut off at −1 and 1, with −1 ≤ μ ≤ 1 (DreamerV2, Hafner and others 2021, for continuous actions).

    Near a bound an action moves with μ as elsewhere, up to a factor: a policy at ±1 still learns.
    """

    def mode(self) -> Tensor:
        return self.mean

    def _mass(self) -> tuple[Tensor, Tensor]:
        """The probabilities that N(μ, σ²) has below −1, and between −1 and 1."""
        below = _normal_cdf((-1 - self.mean) / self.std)
        return below, _normal_cdf((1 - self.mean) / self.std) - below

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The actions, twice."""
        below, between = self._mass()
        share = (below + _normal_cdf(noise) * between).clamp(1e-6, 1 - 1e-6)
        action = (self.mean + self.std * torch.erfinv(2 * share - 1) / _SQRT_HALF).clamp(-1, 1)
        return action, action

    def log_prob(self, raw: Tensor) -> Tensor:
        return (normal_log_prob(raw, self.mean, self.std) - torch.log(self._mass()[1])).sum(-1)


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x * _SQRT_HALF)
