"""An own policy under the evaluation's protocol. It imports nothing of the package.

natural-mujoco evaluate --policy examples.own_policy:Swing --tasks cartpole-swingup --out results/swing.json
"""

from __future__ import annotations

import numpy as np


class Swing:
    """Pushes left and right in turn: blind, and better at swinging up than doing nothing."""

    def __init__(self, task: str, action_size: int) -> None:
        print(f"{task}: {action_size} actions")
        self.action_size = action_size

    def reset(self, num_envs: int) -> None:
        """`num_envs` new episodes begin: forget everything."""
        self.step = np.zeros(num_envs)

    def act(self, obs: np.ndarray) -> np.ndarray:
        """Actions `float32[n, a]` in [-1, 1] for pictures `uint8[n, 64, 64, 3]`."""
        self.step += 1
        push = np.sign(np.sin(0.12 * self.step)).astype(np.float32)
        return np.repeat(push[:, None], self.action_size, axis=1)
