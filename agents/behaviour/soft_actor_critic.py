"""Soft actor-critic on given features: the model-free half of eq. 8, and the losses of the pixel agent.

Letters of shapes: see networks.py. Features may come from any encoder, with or without gradients.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..model.networks import MLP
from .policies import Policy


class Transitions(NamedTuple):
    """Transitions (s, a, r, s') and whether s' is terminal, flattened over sequences."""

    features: Tensor  # [N, F]
    actions: Tensor  # [N, A], taken at `features`
    rewards: Tensor  # [N], of arriving at `next_features`
    terminals: Tensor  # [N], 1 where `next_features` are those of a terminal state
    next_features: Tensor  # [N, F]


def transitions(features: Tensor, actions: Tensor, rewards: Tensor, terminals: Tensor) -> Transitions:
    """Neighbouring states of sequences as transitions: [B, T, ·] → N = B·(T − 1).

    The replay stores actions and rewards with the observation they led to, so that those of the step from t to t + 1
    are in row t + 1. Time is the second axis; slicing the first would take the next state from another episode.
    """
    return Transitions(
        features[:, :-1].flatten(0, 1),
        actions[:, 1:].flatten(0, 1),
        rewards[:, 1:].flatten(),
        terminals[:, 1:].flatten(),
        features[:, 1:].flatten(0, 1),
    )


class TwinQ(nn.Module):
    """Two Q networks over (s, a): [N, F], [N, A] → [2, N]."""

    def __init__(self, features: int, action_size: int, units: int = 400, layers: int = 3) -> None:
        super().__init__()
        self.networks = nn.ModuleList(MLP(features + action_size, units, layers, 1) for _ in range(2))

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        x = torch.cat([features, actions], -1)
        return torch.stack([network(x).squeeze(-1).float() for network in self.networks])


class SoftCritic(nn.Module):
    """Two Q networks, their slowly moving targets, and the learned temperature α.

    Q values are returns; α is in returns ÷ `unit` per nat. `unit` is a scalar, 1 if returns are not normalised.

    Args:
        entropy_backup: whether Q counts the entropy of later actions as reward, as in SAC; without, Q is of rewards
            alone (as in RLPD, Ball and others 2023), and entropy weighs only where the actor acts.
    """

    def __init__(
        self,
        features: int,
        action_size: int,
        units: int,
        layers: int,
        discount: float,
        target_rate: float,
        initial_temperature: float,
        entropy_backup: bool = True,
    ) -> None:
        super().__init__()
        self.discount, self.target_rate, self.entropy_backup = discount, target_rate, entropy_backup
        self.target_entropy = -float(action_size)
        self.q = TwinQ(features, action_size, units, layers)
        self.target_q = TwinQ(features, action_size, units, layers)
        self.target_q.load_state_dict(self.q.state_dict())
        self.target_q.requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(initial_temperature)))

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.exp()

    @torch.no_grad()
    def targets(self, t: Transitions, policy: Policy, noise: Tensor, unit: Tensor | float = 1.0) -> Tensor:
        """r + γ(1 − terminal)(min Q'(s', a') − α·unit·log π(a' | s')), `policy` being that at s': [N].

        Without `entropy_backup`, there is no term of log π.
        """
        action, log_prob = policy.sample(noise)
        value = self.target_q(t.next_features, action).amin(0)
        if self.entropy_backup:
            value = value - self.temperature * unit * log_prob
        return t.rewards + self.discount * (1 - t.terminals) * value

    def q_loss(self, t: Transitions, targets: Tensor) -> Tensor:
        """Half the squared TD error, averaged over transitions and summed over the two Qs: a scalar."""
        return 0.5 * ((self.q(t.features, t.actions) - targets) ** 2).mean(1).sum()

    def actor_loss(
        self, features: Tensor, policy: Policy, noise: Tensor, unit: Tensor | float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """(mean of α·log π(a | s) − min Q(s, a) ÷ unit, mean of log π): scalars; `policy` is that at `features`."""
        action, log_prob = policy.sample(noise)
        q = self.q(features, action).amin(0)
        return (self.temperature.detach() * log_prob - q / unit).mean(), log_prob.mean()

    def temperature_loss(self, log_prob: Tensor) -> Tensor:
        """The loss, a scalar, whose descent raises α while the entropy, −log π, is below the target of −A nats."""
        return -self.log_temperature * (log_prob.detach() + self.target_entropy)

    @torch.no_grad()
    def update_targets(self) -> None:
        """Move the target Qs by `target_rate` towards the Qs."""
        torch._foreach_lerp_(list(self.target_q.parameters()), list(self.q.parameters()), self.target_rate)
