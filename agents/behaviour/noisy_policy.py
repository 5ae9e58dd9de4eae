"""A deterministic policy with noise, learned from n-step returns: DDPG as in DrQ-v2.

Letters of shapes: see networks.py.
"""

from __future__ import annotations

from torch import Tensor


def noisy_action(mean: Tensor, noise: Tensor) -> Tensor:
    """`mean` + `noise`, clipped to [−1, 1], all [..., A]; gradients pass as if there were no clipping.

    The gradient of a plain clamp is zero beyond the bound, so that such an action could never come back.
    """
    noisy = mean + noise
    return noisy + (noisy.clamp(-1, 1) - noisy).detach()


def step_returns(rewards: Tensor, terminals: Tensor, value: Tensor, discount: float) -> Tensor:
    """The n-step return Σ γ^k r_k + γ^n v, truncated at terminal states: [B].

    Args:
        rewards: of the n steps, [B, n].
        terminals: 1 for steps into a terminal state, [B, n].
        value: v of the state after the last step, [B].
    """
    result = value
    for reward, terminal in zip(reversed(rewards.unbind(1)), reversed(terminals.unbind(1)), strict=True):
        result = reward + discount * (1 - terminal) * result
    return result
