"""Behaviour learned in latent imagination: section 3.2 eq. 7, appendices A.1 and A.2.

- `Actor`: the network of the policy q(a | s), which is one of policies.py.
- `imagine`: trajectories under the actor, differentiable from rewards to actions.
- `lambda_returns`: Ṽ_λ.
- `actor_loss`, `value_loss`: the two halves of eq. 7.
- `ReturnRange`: a scale of returns, by which an entropy bonus has the same weight in every task.

Letters of shapes: see networks.py. Imagined quantities are time-major, [H, N, ·].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.networks import MLP
from ..model.rssm import Latent
from ..model.world_model import WorldModel
from .policies import Policy, TanhNormal, TruncatedNormal


class Actor(nn.Module):
    """a = tanh(μ(s) + σ(s)·ε) (section 3.2, appendix B), or a Gaussian that is cut off at ±1.

    As in Dreamer, μ is bounded softly at ±`mean_scale` and σ starts at `initial_std`, far above what a tanh lets
    through, so that the first actions are near ±1 at random. With `truncated` they are DreamerV2's instead: μ a tanh,
    σ from 0.1 to 2.1.
    """

    def __init__(
        self,
        features: int,
        action_size: int,
        units: int = 400,
        layers: int = 4,
        initial_std: float = 5.0,
        mean_scale: float = 5.0,
        min_std: float = 1e-4,
        truncated: bool = False,
    ) -> None:
        super().__init__()
        self.action_size, self.mean_scale, self.min_std = action_size, mean_scale, min_std
        self.truncated = truncated
        self.raw_initial_std = math.log(math.expm1(initial_std))
        self.network = MLP(features, units, layers, 2 * action_size)

    def forward(self, features: Tensor) -> Policy:
        mean, std = self.network(features).float().chunk(2, -1)
        if self.truncated:
            return TruncatedNormal(torch.tanh(mean), 2 * torch.sigmoid(std / 2) + 0.1)
        mean = self.mean_scale * torch.tanh(mean / self.mean_scale)
        return TanhNormal(mean, F.softplus(std + self.raw_initial_std) + self.min_std)


class Imagination(NamedTuple):
    """Trajectories {s̃, ã} from N start states; step 0 of the states is the start itself."""

    features: Tensor  # [H + 1, N, F]
    actions: Tensor  # [H, N, A]
    raw: Tensor  # [H, N, A], what the policy tells the density of the actions from
    policy: Policy  # [H, N, A], what they were drawn from

    def entropy(self) -> Tensor:
        """Mean entropy of the policy at the imagined states, from its samples: a scalar in nats, differentiable."""
        return -self.policy.log_prob(self.raw).mean()


def imagine(
    model: WorldModel, actor: Actor, start: Latent, action_noise: Tensor, state_noise: Tensor
) -> Imagination:
    """Appendix A.1: roll the prior out under the actor, [N, ·] → H steps.

    The actor reads detached features, as in Dreamer: gradients reach it through the actions it took, not through
    the states in which it will act.

    Args:
        action_noise: [H, N, A] from N(0, I).
        state_noise: [H, N, S] from N(0, I).
    """
    latent, features = start, [start.features]
    actions, raws, policies = [], [], []
    for a_noise, s_noise in zip(action_noise, state_noise, strict=True):
        policy = actor(features[-1].detach())
        action, raw = policy.draw(a_noise)
        latent = model.rssm.imagine_step(latent, action, s_noise)
        features.append(latent.features)
        actions.append(action)
        raws.append(raw)
        policies.append(policy)
    policy = Policy.joined(policies, torch.stack)
    return Imagination(torch.stack(features), torch.stack(actions), torch.stack(raws), policy)


def follow(model: WorldModel, start: Latent, actions: Tensor, state_noise: Tensor) -> Tensor:
    """The states that `actions` [H, N, A] lead to: features [H + 1, N, F], the start first."""
    latent, features = start, [start.features]
    for action, noise in zip(actions, state_noise, strict=True):
        latent = model.rssm.imagine_step(latent, action, noise)
        features.append(latent.features)
    return torch.stack(features)


def lambda_returns(rewards: Tensor, values: Tensor, discount: float, lambda_: float) -> Tensor:
    """Ṽ_λ of appendix A.2 at every step of the imagination.

    The paper's weighted mean of k-step returns, as the recursion
    V_τ = r_τ + γ((1 − λ)·v_{τ+1} + λ·V_{τ+1}), which starts from V_{t+H} = v_{t+H}.

    Args:
        rewards: r̃ of the states τ = t … t + H − 1, [H, N].
        values: v of the states τ = t … t + H, [H + 1, N].

    Returns:
        [H, N].
    """
    if len(values) != len(rewards) + 1:
        raise ValueError(f"{len(rewards)} rewards need {len(rewards) + 1} values, not {len(values)}.")
    result, returns = values[-1], []
    for reward, value in zip(reversed(rewards.unbind(0)), reversed(values[1:].unbind(0)), strict=True):
        result = reward + discount * ((1 - lambda_) * value + lambda_ * result)
        returns.append(result)
    return torch.stack(returns[::-1])


def discounts(returns: Tensor, discount: float, weighted: bool) -> Tensor:
    """The weight of each imagined step in both losses, [H, 1]: 1, or discount^k as in the released code."""
    steps = torch.arange(len(returns), device=returns.device, dtype=returns.dtype)
    return (discount**steps if weighted else torch.ones_like(steps))[:, None]


class ReturnRange(nn.Module):
    """The range of returns from their 5th to their 95th percentile: a running estimate, at least 1.

    Returns of these tasks grow from 1 to some 200 in the course of a run. Divided by their range, they keep the same
    weight against an entropy in nats (DreamerV3, Hafner and others 2023, eq. 12). The floor of 1 keeps noise from being
    amplified while a task gives no rewards.
    """

    low: Tensor
    high: Tensor
    seen: Tensor
    levels: Tensor

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        for name in ("low", "high", "seen"):
            self.register_buffer(name, torch.zeros(()))
        self.register_buffer("levels", torch.tensor([0.05, 0.95]), persistent=False)

    @torch.no_grad()
    def follow(self, returns: Tensor) -> Tensor:
        """Updates the estimate with `returns` and returns the range, a scalar. The first returns initialise it."""
        low, high = torch.quantile(returns.float().flatten(), self.levels)
        rate = torch.where(self.seen == 0, 1.0, self.rate)
        self.low.lerp_(low, rate)
        self.high.lerp_(high, rate)
        self.seen.fill_(1)
        return self.unit()

    def unit(self) -> Tensor:
        """The present estimate of the range: a scalar, at least 1."""
        return (self.high - self.low).clamp(min=1)


def actor_loss(returns: Tensor, weights: Tensor) -> Tensor:
    """The first half of eq. 7, averaged over steps and states: a scalar."""
    return -(weights * returns).mean()


def value_loss(values: Tensor, returns: Tensor, weights: Tensor) -> Tensor:
    """The second half of eq. 7, averaged over steps and states; the returns are targets: a scalar."""
    return 0.5 * (weights * (values - returns.detach()) ** 2).mean()
