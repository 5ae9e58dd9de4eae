"""The policies q(a | s) at given states, with actions in [−1, 1]: a Gaussian squashed by tanh, or one cut off at ±1.

Both turn noise from N(0, I) into actions, so that gradients reach the parameters through the actions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..model.distributions import normal_log_prob, tanh_normal_log_prob, tanh_normal_sample

_SQRT_HALF = math.sqrt(0.5)


class TanhNormal(NamedTuple):
    """a = tanh(μ + σ·ε) (section 3.2). Where |μ| is large, tanh lets no gradient through."""

    mean: Tensor  # [..., A], before the tanh
    std: Tensor  # [..., A]

    def mode(self) -> Tensor:
        """tanh(μ), the median of every action: [..., A]."""
        return torch.tanh(self.mean)

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(action, its value before the tanh, for `log_prob`) with `noise` from N(0, I): [..., A] each."""
        return tanh_normal_sample(self.mean, self.std, noise)

    def log_prob(self, raw: Tensor) -> Tensor:
        """Log-density of the action that `draw` gave with `raw`: [..., A] → [...], in nats."""
        return tanh_normal_log_prob(raw, self.mean, self.std)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(action, log-density) with `noise` [..., A] from N(0, I): [..., A] and [...]."""
        action, raw = self.draw(noise)
        return action, self.log_prob(raw)

    def action(self, noise: Tensor | None) -> Tensor:
        """The mode without noise, else a sample: [..., A]."""
        return self.mode() if noise is None else self.draw(noise)[0]


class TruncatedNormal(NamedTuple):
    """N(μ, σ²) cut off at −1 and 1, with −1 ≤ μ ≤ 1 (DreamerV2, Hafner and others 2021, for continuous actions).

    Near a bound an action moves with μ as elsewhere, up to a factor: a policy at ±1 still learns.
    """

    mean: Tensor  # [..., A]
    std: Tensor  # [..., A]

    def mode(self) -> Tensor:
        """μ: [..., A]."""
        return self.mean

    def _mass(self) -> tuple[Tensor, Tensor]:
        """The probabilities that N(μ, σ²) has below −1, and between −1 and 1."""
        below = _normal_cdf((-1 - self.mean) / self.std)
        return below, _normal_cdf((1 - self.mean) / self.std) - below

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(action, the same, for `log_prob`) with `noise` from N(0, I): [..., A] each."""
        below, between = self._mass()
        share = (below + _normal_cdf(noise) * between).clamp(1e-6, 1 - 1e-6)
        action = (self.mean + self.std * torch.erfinv(2 * share - 1) / _SQRT_HALF).clamp(-1, 1)
        return action, action

    def log_prob(self, raw: Tensor) -> Tensor:
        """Log-density of the action `raw`: [..., A] → [...], in nats."""
        return (normal_log_prob(raw, self.mean, self.std) - torch.log(self._mass()[1])).sum(-1)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(action, log-density) with `noise` [..., A] from N(0, I): [..., A] and [...]."""
        action, raw = self.draw(noise)
        return action, self.log_prob(raw)

    def action(self, noise: Tensor | None) -> Tensor:
        """The mode without noise, else a sample: [..., A]."""
        return self.mode() if noise is None else self.draw(noise)[0]


Policy = TanhNormal | TruncatedNormal


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x * _SQRT_HALF)
