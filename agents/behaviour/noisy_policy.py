"""A deterministic policy with noise, learned from n-step returns: DDPG as DrQ-v2 has it.

Letters of shapes: see networks.py.
"""

from __future__ import annotations

from torch import Tensor


def noisy_action(mean: Tensor, noise: Tensor) -> Tensor:
    """`mean` + `noise`, kept in [−1, 1], all [..., A]; gradients pass as if nothing had been cut off.

    With the gradient of a plain clamp, an action beyond the bound could never come back.
    """
    noisy = mean + noise
    return noisy + (noisy.clamp(-1, 1) - noisy).detach()


def step_returns(rewards: Tensor, terminals: Tensor, value: Tensor, discount: float) -> Tensor:
    """Σ γ^k r_k + γ^n v, cut off where an episode ends for good: [B].

    Args:
        rewards: of the n steps, [B, n].
        terminals: 1 where nothing follows a step, [B, n].
        value: v of the state after the last step, [B].
    """
    result = value
    for reward, terminal in zip(reversed(rewards.unbind(1)), reversed(terminals.unbind(1)), strict=True):
        result = reward + discount * (1 - terminal) * result
    return result
