"""The policy gradient of PPO: advantages of real steps, and the clipped objective.

Letters of shapes: see networks.py; here N is the number of environments and T that of their steps.
"""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantages(
    rewards: Tensor, terminals: Tensor, cut: Tensor, values: Tensor, discount: float, lambda_: float
) -> Tensor:
    """GAE(λ) (Schulman and others 2016, eq. 16): [N, T], 0 where `cut` is 1.

    Args:
        rewards: of the step from state t to state t + 1, [N, T].
        terminals: 1 where state t + 1 is terminal, [N, T].
        cut: 1 where state t + 1 begins another episode, so that there was no step, [N, T]. The episode before it was
            truncated at state t, whose value stands for the rewards that would have followed.
        values: of the states, [N, T + 1].
    """
    follows = discount * (1 - terminals)
    errors = rewards + follows * values[:, 1:] - values[:, :-1]
    result, advantages = torch.zeros_like(values[:, 0]), []
    for t in reversed(range(rewards.shape[1])):
        result = (1 - cut[:, t]) * (errors[:, t] + lambda_ * follows[:, t] * result)
        advantages.append(result)
    return torch.stack(advantages[::-1], 1)


def clipped_objective(ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """PPO's L^CLIP (Schulman and others 2017, eq. 7), to be maximised: a scalar.

    Args:
        ratio: π(a | s) divided by its value when the action was taken, [N].
        advantages: [N].
    """
    held = ratio.clamp(1 - clip, 1 + clip)
    return torch.minimum(ratio * advantages, held * advantages).mean()
