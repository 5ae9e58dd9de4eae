"""The two distributions of the paper as plain functions of their parameters.

`torch.distributions` does the same at several times the cost per call, and an update calls these some hundred times.

- `normal_log_prob`, `normal_entropy`, `normal_kl`: diagonal Gaussians (latents, reward).
- `Generators`, `standard_normal`: noise from one stream of random numbers, or from one stream for each row.
- `tanh_normal_sample`, `tanh_normal_log_prob`: the squashed Gaussian of the actor (section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

# One stream for all rows, or one for each row, so that a row's numbers do not depend on the other rows.
Generators = torch.Generator | Sequence[torch.Generator]


def standard_normal(generators: Generators, rows: int, *shape: int) -> Tensor:
    """Numbers from N(0, 1) on the device of the generators, [rows, *shape]."""
    if isinstance(generators, torch.Generator):
        return torch.randn(rows, *shape, generator=generators, device=generators.device)
    if len(generators) != rows:
        raise ValueError(f"{len(generators)} generators for {rows} rows.")
    return torch.stack([torch.randn(*shape, generator=g, device=g.device) for g in generators])


def normal_log_prob(value: Tensor, mean: Tensor, std: float | Tensor = 1.0) -> Tensor:
    """Elementwise log-density of N(mean, std²) at `value`, in nats; the inputs broadcast."""
    log_std = torch.log(std) if isinstance(std, Tensor) else math.log(std)
    return -0.5 * ((value - mean) / std) ** 2 - log_std - _HALF_LOG_2PI


def normal_entropy(log_std: Tensor) -> Tensor:
    """Entropy of a diagonal Gaussian: [..., A] → [...], in nats."""
    return (log_std + _HALF_LOG_2PI + 0.5).sum(-1)


def normal_kl(mean_q: Tensor, std_q: Tensor, mean_p: Tensor, std_p: Tensor) -> Tensor:
    """KL[q ‖ p] of diagonal Gaussians, summed over the last axis: [..., S] → [...], in nats."""
    ratio = (std_q / std_p) ** 2
    distance = ((mean_q - mean_p) / std_p) ** 2
    return 0.5 * (ratio + distance - 1 - torch.log(ratio)).sum(-1)


def tanh_normal_sample(mean: Tensor, std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """`a = tanh(mean + std·noise)` of section 3.2; returns (action, its value before the tanh), both [..., A]."""
    raw = mean + std * noise
    return torch.tanh(raw), raw


def tanh_normal_log_prob(raw: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log-density of `tanh(raw)`, summed over the last axis: [..., A] → [...], in nats.

    It takes the value before the tanh, because at the saturated actions with which this actor starts, `atanh(a)` has no
    correct digit. `log(1 − tanh²u) = 2(log 2 − u − softplus(−2u))` is accurate there too.
    """
    log_slope = 2 * (math.log(2) - raw - F.softplus(-2 * raw))
    return (normal_log_prob(raw, mean, std) - log_slope).sum(-1)
